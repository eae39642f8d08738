//! Classic pcap: a header of 24 bytes, then records of 16 bytes of header and the packet.
//!
//! Microseconds and nanoseconds, both byte orders. A packet longer than the file's snap length is delivered as it
//! stands, since tools that merge or rewrite captures leave that field wrong; [`PACKET_MAX`] is the limit that tells
//! damage from data. Format: draft-ietf-opsawg-pcap, §4 and §5.
#![forbid(unsafe_code)]

use crate::fault::{Fault, FaultReason, PACKET_MAX, Refusal};
use crate::records::{ByteOrder, Record, Records, Step};
use flumen_model::{LinkType, Timestamp};

/// Parser of the records of one classic pcap file.
#[derive(Clone, Debug)]
pub struct PcapReader {
    order: ByteOrder,
    nanos_per_tick: u64,
    link: LinkType,
    link_number: u32,
    offset: u64,
    /// Bytes that the record at `offset` needs, as far as is known.
    needed: usize,
}

impl PcapReader {
    /// Reads the file header, which is the first [`HEADER_LEN`] bytes of the file. Its first four must be one of
    /// [`MAGIC_MICROS`] and [`MAGIC_NANOS`] in either order.
    ///
    /// # Errors
    /// When the header is too short, is not one of pcap or is of a version that is laid out differently.
    pub fn new(head: &[u8]) -> Result<Self, Refusal> {
        if head.len() < HEADER_LEN {
            return Err(Refusal::HeaderCutShort { needed: HEADER_LEN as u64, available: head.len() as u64 });
        }
        let (order, nanos_per_tick) = match (ByteOrder::Little.u32(head, 0), ByteOrder::Big.u32(head, 0)) {
            (MAGIC_MICROS, _) => (ByteOrder::Little, 1_000),
            (MAGIC_NANOS, _) => (ByteOrder::Little, 1),
            (_, MAGIC_MICROS) => (ByteOrder::Big, 1_000),
            (_, MAGIC_NANOS) => (ByteOrder::Big, 1),
            _ => return Err(Refusal::NotACapture(head[..4].to_vec())),
        };
        let (major, minor) = (order.u16(head, 4), order.u16(head, 6));
        // Before 2.3 the two lengths of a record stood in the other order; such files date from before 1998.
        if major != 2 || minor < 3 {
            return Err(Refusal::Version { format: "pcap", major, minor });
        }
        let link_number = order.u32(head, 20) & LINK_NUMBER_MASK;
        Ok(Self {
            order,
            nanos_per_tick,
            link: LinkType::from_dlt(link_number),
            link_number,
            offset: HEADER_LEN as u64,
            needed: 0,
        })
    }

    fn need(&mut self, bytes: usize) -> Step {
        self.needed = bytes;
        Step::Need(bytes)
    }
}

impl Records for PcapReader {
    #[inline]
    fn step(&mut self, bytes: &[u8]) -> Result<Step, Fault> {
        let Some(header) = bytes.first_chunk() else {
            return Ok(self.need(RECORD_HEADER_LEN));
        };
        let [secs, ticks, captured_len, wire_len] = self.order.four(header);
        if captured_len > PACKET_MAX {
            let reason = FaultReason::AbsurdLength { captured: captured_len, max: PACKET_MAX };
            return Err(Fault { offset: self.offset, reason });
        }
        let consumed = RECORD_HEADER_LEN + captured_len as usize;
        if bytes.len() < consumed {
            return Ok(self.need(consumed));
        }
        let (secs, ticks) = (u64::from(secs), u64::from(ticks));
        self.offset += consumed as u64;
        Ok(Step::Packet(Record {
            // Below 2^62 + 2^42: no overflow, even if the ticks exceed a second.
            timestamp: Timestamp::from_nanos(secs * 1_000_000_000 + ticks * self.nanos_per_tick),
            start: RECORD_HEADER_LEN as u32,
            captured_len,
            wire_len: wire_len.max(captured_len),
            link: self.link,
            device: 0,
            consumed: consumed as u32,
        }))
    }

    fn finish(&self, end: u64) -> Result<(), Fault> {
        if end == self.offset {
            return Ok(());
        }
        let available = end.saturating_sub(self.offset);
        let reason = FaultReason::CutShort { what: "packet record", needed: self.needed as u64, available };
        Err(Fault { offset: self.offset, reason })
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn link_number(&self, _device: u16) -> u32 {
        self.link_number
    }
}

/// Length of the file header in bytes.
pub const HEADER_LEN: usize = 24;
/// Length of a record's header in bytes.
pub const RECORD_HEADER_LEN: usize = 16;
/// First four bytes of a file with microseconds.
pub const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
/// First four bytes of a file with nanoseconds.
pub const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
/// The link type's bits in its field; those above say how long the frame check sequence is.
const LINK_NUMBER_MASK: u32 = 0x03ff_ffff;
