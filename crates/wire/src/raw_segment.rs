//! A TCP header as it stands in its packet.

use crate::{Ports, TcpFlags, TcpSegment};

/// What of a TCP header is looked at while a connection goes on, in the bytes of the packet: copying them is a few moves, and
/// each field is put into the order of the machine where it is wanted. Options other than timestamps are not in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct RawSegment {
    /// From the ports to the window.
    header: [u8; 16],
    /// Timestamp option: value and echo reply, in network order; zero without one.
    timestamps: [[u8; 4]; 2],
    payload_len: u16,
}

impl RawSegment {
    /// Of no connection.
    pub const EMPTY: Self = Self { header: [0; 16], timestamps: [[0; 4]; 2], payload_len: 0 };

    #[inline(always)]
    pub(crate) fn new(header: [u8; 16], segment: &TcpSegment) -> Self {
        let timestamps =
            segment.timestamps.map_or([[0; 4]; 2], |(value, echo)| [value.to_be_bytes(), echo.to_be_bytes()]);
        Self { header, timestamps, payload_len: segment.payload_len }
    }
    /// The same of a header that is not at hand.
    #[must_use]
    pub fn of(segment: &TcpSegment) -> Self {
        let &TcpSegment { ports, seq, ack, window, flags, .. } = segment;
        let ([s0, s1], [d0, d1]) = (ports.src.to_be_bytes(), ports.dst.to_be_bytes());
        let ([q0, q1, q2, q3], [a0, a1, a2, a3]) = (seq.to_be_bytes(), ack.to_be_bytes());
        let [w0, w1] = window.to_be_bytes();
        Self::new([s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, 0, flags.0, w0, w1], segment)
    }

    /// The segment, with timestamps or without any option.
    #[inline(always)]
    #[must_use]
    pub fn segment(&self, has_timestamps: bool) -> TcpSegment {
        let &[s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, _, flags, w0, w1] = &self.header;
        let [value, echo] = self.timestamps;
        TcpSegment {
            ports: Ports { src: u16::from_be_bytes([s0, s1]), dst: u16::from_be_bytes([d0, d1]) },
            seq: u32::from_be_bytes([q0, q1, q2, q3]),
            ack: u32::from_be_bytes([a0, a1, a2, a3]),
            window: u16::from_be_bytes([w0, w1]),
            flags: TcpFlags(flags),
            payload_len: self.payload_len,
            window_scale: None,
            timestamps: has_timestamps.then(|| (u32::from_be_bytes(value), u32::from_be_bytes(echo))),
            sack_permitted: false,
            fast_open: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_kept_as_bytes_comes_out_as_it_was_with_timestamps_at_most() {
        let segment = TcpSegment {
            ports: Ports { src: 0x0102, dst: 0x0304 },
            seq: 0x0506_0708,
            ack: 0x090a_0b0c,
            window: 0x0d0e,
            flags: TcpFlags(0x18),
            payload_len: 0x0f10,
            timestamps: Some((0x1112_1314, 0x1516_1718)),
            ..TcpSegment::default()
        };
        let scaled = TcpSegment { window_scale: Some(7), sack_permitted: true, ..segment };
        assert_eq!(RawSegment::of(&scaled).segment(true), segment);
        assert_eq!(RawSegment::of(&scaled).segment(false), TcpSegment { timestamps: None, ..segment });
    }
}
