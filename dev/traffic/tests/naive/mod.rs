//! A slow, obvious reader of captures and packets, written without the crate under test.

use std::net::IpAddr;

pub(crate) struct ReadFrame<'a> {
    pub(crate) at_ns: u64,
    pub(crate) interface: u32,
    pub(crate) wire_len: usize,
    pub(crate) bytes: &'a [u8],
}

/// A capture: link type of each interface and all frames.
pub(crate) struct Capture<'a> {
    pub(crate) links: Vec<u32>,
    pub(crate) frames: Vec<ReadFrame<'a>>,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from(bytes[at]) << 8 | u16::from(bytes[at + 1])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) << 16 | u32::from(u16_at(bytes, at + 2))
}

fn little(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

impl<'a> Capture<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Self {
        if little(bytes, 0) == 0x0a0d_0d0a { Self::read_pcapng(bytes) } else { Self::read_pcap(bytes) }
    }

    fn read_pcap(bytes: &'a [u8]) -> Self {
        assert_eq!(little(bytes, 0), 0xa1b2_c3d4, "little-endian microsecond pcap");
        let mut frames = Vec::new();
        let mut at = 24;
        while at < bytes.len() {
            let len = little(bytes, at + 8) as usize;
            frames.push(ReadFrame {
                at_ns: u64::from(little(bytes, at)) * 1_000_000_000 + u64::from(little(bytes, at + 4)) * 1_000,
                interface: 0,
                wire_len: little(bytes, at + 12) as usize,
                bytes: &bytes[at + 16..at + 16 + len],
            });
            at += 16 + len;
        }
        Self { links: vec![little(bytes, 20)], frames }
    }

    fn read_pcapng(bytes: &'a [u8]) -> Self {
        let (mut links, mut frames) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < bytes.len() {
            let len = little(bytes, at + 4) as usize;
            assert_eq!(len, little(bytes, at + len - 4) as usize, "both lengths of a block agree");
            let body = &bytes[at + 8..at + len - 4];
            match little(bytes, at) {
                1 => links.push(little(body, 0) & 0xffff),
                6 => {
                    let kept = little(body, 12) as usize;
                    frames.push(ReadFrame {
                        at_ns: u64::from(little(body, 4)) << 32 | u64::from(little(body, 8)),
                        interface: little(body, 0),
                        wire_len: little(body, 16) as usize,
                        bytes: &body[20..20 + kept],
                    });
                }
                _ => {}
            }
            at += len;
        }
        Self { links, frames }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transport {
    Tcp { seq: u32, ack: u32, flags: u8, payload: usize },
    Udp,
    Other(u8),
}

/// Protocol, and address and port of either end, the lesser first.
pub(crate) type Key = (u8, (IpAddr, u16), (IpAddr, u16));

/// An IP packet in an Ethernet frame with any number of VLAN tags.
pub(crate) struct Parsed<'a> {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) transport: Transport,
    message: &'a [u8],
    ip: &'a [u8],
}

pub(crate) fn parse(frame: &[u8]) -> Option<Parsed<'_>> {
    let mut at = 12;
    while matches!(u16_at(frame, at), 0x8100 | 0x88a8 | 0x9100) {
        at += 4;
    }
    match u16_at(frame, at) {
        0x0800 | 0x86dd => parse_ip(&frame[at + 2..]),
        _ => None,
    }
}

pub(crate) fn parse_ip(ip: &[u8]) -> Option<Parsed<'_>> {
    let (src, dst, protocol, message): (IpAddr, IpAddr, u8, &[u8]) = if ip[0] >> 4 == 4 {
        let header = usize::from(ip[0] & 15) * 4;
        let total = usize::from(u16_at(ip, 2));
        (u32_at(ip, 12).to_be_bytes().into(), u32_at(ip, 16).to_be_bytes().into(), ip[9], ip.get(header..total)?)
    } else {
        let address = |at: usize| -> IpAddr { <[u8; 16]>::try_from(&ip[at..at + 16]).unwrap().into() };
        let total = 40 + usize::from(u16_at(ip, 4));
        (address(8), address(24), ip[6], ip.get(40..total)?)
    };
    let transport = match protocol {
        6 => Transport::Tcp {
            seq: u32_at(message, 4),
            ack: u32_at(message, 8),
            flags: message[13],
            payload: message.len() - usize::from(message[12] >> 4) * 4,
        },
        17 => Transport::Udp,
        other => Transport::Other(other),
    };
    Some(Parsed { src, dst, protocol, transport, message, ip })
}

impl Parsed<'_> {
    /// Source and destination port; 0 for a protocol without.
    pub(crate) fn ports(&self) -> (u16, u16) {
        match self.protocol {
            6 | 17 | 132 => (u16_at(self.message, 0), u16_at(self.message, 2)),
            _ => (0, 0),
        }
    }

    /// What both directions of a flow have in common.
    pub(crate) fn key(&self) -> Key {
        let (a, b) = ((self.src, self.ports().0), (self.dst, self.ports().1));
        (self.protocol, a.min(b), a.max(b))
    }

    pub(crate) fn assert_checksums(&self) {
        if self.ip[0] >> 4 == 4 {
            assert_eq!(ones_sum(&self.ip[..usize::from(self.ip[0] & 15) * 4]), 0xffff, "IPv4 header checksum");
        }
        let mut covered = Vec::new();
        if matches!(self.protocol, 6 | 17 | 58) {
            covered.extend(if self.ip[0] >> 4 == 4 { &self.ip[12..20] } else { &self.ip[8..40] });
            covered.extend((self.message.len() as u32).to_be_bytes());
            covered.extend([0, self.protocol]);
        }
        covered.extend(self.message);
        if matches!(self.protocol, 1 | 2 | 6 | 17 | 58) {
            assert_eq!(ones_sum(&covered), 0xffff, "checksum of protocol {}", self.protocol);
        }
    }
}

fn ones_sum(bytes: &[u8]) -> u32 {
    let mut sum = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        sum += if at % 2 == 0 { u32::from(byte) << 8 } else { u32::from(byte) };
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}
