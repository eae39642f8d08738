//! From a packet to its frame: the payload first, then each header in front of it.
//!
//! What depends on other bytes is filled in in this order: lengths, as the headers are put in front of what they measure;
//! then [patches](Packet::patch); then checksums from the inside out; then [damage](Packet::damage); then cutting or padding.
//! So a patched field is covered by a right checksum: one thing is wrong at a time.

use flumen_pbuf::{Pbuf, PbufMut};

use super::{Kind, Layer, Packet};
use crate::frames::on_heap;
use crate::{FramePool, checksum};

impl Packet {
    /// The frame, in a buffer of `frames`, or on the heap when it does not fit one or none is free.
    ///
    /// # Panics
    /// When a patch or damage lies outside the frame, or a length does not fit its field.
    #[must_use]
    pub fn build_in(self, frames: &FramePool) -> Pbuf {
        let (headers, payload, tail) = self.extent();
        let frame = self.fill(frames.buffer(headers, payload, tail)).freeze();
        self.recycle();
        frame
    }

    /// The bytes of the frame.
    ///
    /// # Panics
    /// As [`Packet::build_in`].
    #[must_use]
    pub fn build(self) -> Vec<u8> {
        let (headers, payload, tail) = self.extent();
        let frame = self.fill(on_heap(headers, payload, tail)).to_vec();
        self.recycle();
        frame
    }

    /// Bytes up to the end of the last header, behind it, and of padding.
    fn extent(&self) -> (usize, usize, usize) {
        let headers = self.0.layers.last().map_or(0, |last| last.start + last.len);
        (headers, self.0.bytes.len() - headers, self.0.len_min.saturating_sub(self.0.bytes.len()))
    }

    /// Puts the frame together in `frame`, which shows the room for the payload and has that for the headers in front.
    fn fill(&self, mut frame: PbufMut) -> PbufMut {
        let (headers, _, _) = self.extent();
        frame.copy_from_slice(&self.0.bytes[headers..]);
        let mut end = headers;
        for layer in self.0.layers.iter().rev() {
            put_in_front(&mut frame, &self.0.bytes[layer.start..end]);
            fill_length(&mut frame, layer);
            end = layer.start;
        }
        put_in_front(&mut frame, &self.0.bytes[..end]);
        for (at, patch) in &self.0.patches {
            put(&mut frame, *at, patch);
        }
        for index in (0..self.0.layers.len()).rev() {
            self.fill_checksum(&mut frame, index);
        }
        for (at, damage) in &self.0.damages {
            put(&mut frame, *at, damage);
        }
        if let Some(len) = self.0.cut {
            frame.truncate(len);
        }
        if let Some(missing) = self.0.len_min.checked_sub(frame.len()) {
            let end = frame.len();
            assert!(frame.extend(missing), "room for the padding was asked for");
            frame[end..].fill(0);
        }
        frame
    }

    fn fill_checksum(&self, frame: &mut [u8], index: usize) {
        let layer = self.0.layers[index];
        let at = layer.start;
        match layer.kind {
            Kind::Ipv4 => {
                let sum = checksum::internet(&[&frame[at..at + layer.len]]);
                put(frame, at + 10, &sum.to_be_bytes());
            }
            Kind::Tcp => {
                let sum = self.with_pseudo_header(frame, index, 6);
                put(frame, at + 16, &sum.to_be_bytes());
            }
            Kind::Udp => {
                // A sum of zero is sent as all ones: zero says that there is none (RFC 768).
                let sum = self.with_pseudo_header(frame, index, 17);
                put(frame, at + 6, &if sum == 0 { 0xffff } else { sum }.to_be_bytes());
            }
            Kind::Icmp6 => {
                let sum = self.with_pseudo_header(frame, index, 58);
                put(frame, at + 2, &sum.to_be_bytes());
            }
            Kind::GreSummed => {
                let sum = checksum::internet(&[&frame[at..]]);
                put(frame, at + 4, &sum.to_be_bytes());
            }
            Kind::Icmp | Kind::Igmp => {
                let sum = checksum::internet(&[&frame[at..]]);
                put(frame, at + 2, &sum.to_be_bytes());
            }
            Kind::Sctp => {
                let sum = checksum::crc32c(&frame[at..]);
                put(frame, at + 8, &sum.to_le_bytes());
            }
            _ => {}
        }
    }

    /// Checksum of the message of layer `index` with the pseudo header of the IP header around it
    /// (RFC 9293 §3.1, RFC 8200 §8.1); without an IP header around it, of the message alone.
    fn with_pseudo_header(&self, frame: &[u8], index: usize, protocol: u8) -> u16 {
        let message = &frame[self.0.layers[index].start..];
        let around = self.0.layers[..index].iter().rev().find(|layer| matches!(layer.kind, Kind::Ipv4 | Kind::Ipv6));
        let len = (message.len() as u32).to_be_bytes();
        match around {
            Some(&Layer { kind: Kind::Ipv4, start, .. }) => {
                checksum::internet(&[&frame[start + 12..start + 20], &[0, protocol], &len, message])
            }
            Some(&Layer { start, .. }) => {
                checksum::internet(&[&frame[start + 8..start + 40], &[0, protocol], &len, message])
            }
            None => checksum::internet(&[message]),
        }
    }
}

/// Puts bytes in front of the frame so far.
fn put_in_front(frame: &mut PbufMut, bytes: &[u8]) {
    assert!(frame.add_header(bytes.len()), "room for the headers was asked for");
    put(frame, 0, bytes);
}

/// Fills in the length that the first header of the frame so far states.
fn fill_length(frame: &mut [u8], layer: &Layer) {
    let whole = frame.len();
    let (at, len) = match layer.kind {
        Kind::Ipv4 => (2, whole),
        Kind::Ipv6 => (4, whole - 40),
        Kind::Udp => (4, whole),
        Kind::Pppoe => (4, whole - 6),
        Kind::Sized => (12, whole - layer.len),
        Kind::Pptp => (4, whole - layer.len),
        Kind::Gtp => (2, whole - 8),
        Kind::L2tp => (2, whole),
        _ => return,
    };
    let len = u16::try_from(len).expect("a packet of at most 65,535 bytes");
    put(frame, at, &len.to_be_bytes());
}

fn put(frame: &mut [u8], at: usize, bytes: &[u8]) {
    frame[at..at + bytes.len()].copy_from_slice(bytes);
}
