//! pcapng: sections of blocks, each block with its length before and after it.
//!
//! Read are section headers (which set the byte order and forget the interfaces), interface descriptions and the three
//! kinds of packet blocks; every other block is stepped over, however long it is. Format: draft-ietf-opsawg-pcapng, §4.
//!
//! 1. `interfaces` holds at most [`INTERFACES_MAX`] entries, those of the present section.
//! 2. After a block that was stepped over, `closing` holds its length until the copy at its end was compared.
//! 3. A Simple Packet Block carries no time: its packet has that of the packet before it, or zero.
#![forbid(unsafe_code)]

mod interface;

use crate::fault::{Fault, FaultReason, PACKET_MAX, Refusal};
use crate::records::{ByteOrder, RESIDENT_MAX, Record, Records, Step};
use flumen_model::Timestamp;
use interface::Interface;

/// Parser of the blocks of one pcapng file.
#[derive(Clone, Debug)]
pub struct PcapngReader {
    order: ByteOrder,
    interfaces: Vec<Interface>,
    last_time: Timestamp,
    offset: u64,
    /// Where the block begins that is being read.
    block_start: u64,
    /// Bytes that the block needs from its start, as far as is known.
    needed: u64,
    closing: Option<u32>,
}

impl PcapngReader {
    /// Checks the beginning of the first section header, which is the first block: the first [`HEADER_LEN`] bytes of the
    /// file. The parser begins with that block all the same.
    ///
    /// # Errors
    /// When it is too short, is not one of pcapng or is of another major version.
    pub fn new(head: &[u8]) -> Result<Self, Refusal> {
        if head.len() < HEADER_LEN {
            return Err(Refusal::HeaderCutShort { needed: HEADER_LEN as u64, available: head.len() as u64 });
        }
        if ByteOrder::Little.u32(head, 0) != block::SECTION {
            return Err(Refusal::NotACapture(head[..4].to_vec()));
        }
        let order = section_order(head).map_err(Refusal::Section)?;
        let (major, minor) = (order.u16(head, 12), order.u16(head, 14));
        if major != 1 {
            return Err(Refusal::Version { format: "pcapng", major, minor });
        }
        check_length(block::SECTION, order.u32(head, 4)).map_err(Refusal::Section)?;
        Ok(Self {
            order,
            interfaces: Vec::new(),
            last_time: Timestamp::ZERO,
            offset: 0,
            block_start: 0,
            needed: 0,
            closing: None,
        })
    }

    /// The next block, or what is missing of it.
    #[inline(always)]
    fn block(&mut self, bytes: &[u8]) -> Result<Step, FaultReason> {
        if bytes.len() < block::BODY {
            return Ok(self.need(block::BODY));
        }
        let kind = self.order.u32(bytes, 0);
        if kind == block::SECTION {
            // The type reads the same in both orders; the length does not, so the order comes first.
            if bytes.len() < block::BODY + 4 {
                return Ok(self.need(block::BODY + 4));
            }
            self.order = section_order(bytes)?;
        }
        let length = self.order.u32(bytes, 4);
        check_length(kind, length)?;
        if !block::is_read(kind) {
            self.closing = Some(length);
            self.needed = u64::from(length);
            let step = u64::from(length - 4);
            self.offset += step;
            return Ok(Step::Skip(step));
        }
        if bytes.len() < length as usize {
            return Ok(self.need(length as usize));
        }
        let bytes = &bytes[..length as usize];
        let trailing = self.order.u32(bytes, bytes.len() - 4);
        if trailing != length {
            return Err(FaultReason::BlockEnds { leading: length, trailing });
        }
        let step = self.whole_block(kind, bytes)?;
        self.offset += u64::from(length);
        Ok(step)
    }

    /// A block that is all there, its two lengths compared.
    #[inline(always)]
    fn whole_block(&mut self, kind: u32, bytes: &[u8]) -> Result<Step, FaultReason> {
        match kind {
            block::ENHANCED_PACKET => self.enhanced_packet(bytes, u32::MAX).map(Step::Packet),
            block::PACKET => self.enhanced_packet(bytes, 0xffff).map(Step::Packet),
            block::SIMPLE_PACKET => self.simple_packet(bytes).map(Step::Packet),
            block::INTERFACE => {
                if self.interfaces.len() == INTERFACES_MAX {
                    return Err(FaultReason::TooManyInterfaces(INTERFACES_MAX));
                }
                self.interfaces.push(Interface::read(self.order, bytes));
                Ok(Step::Skip(bytes.len() as u64))
            }
            _ => {
                let (major, minor) = (self.order.u16(bytes, 12), self.order.u16(bytes, 14));
                if major != 1 {
                    return Err(FaultReason::SectionVersion(major, minor));
                }
                self.interfaces.clear();
                Ok(Step::Skip(bytes.len() as u64))
            }
        }
    }

    /// An Enhanced Packet Block (§4.3), or its predecessor the Packet Block (appendix A), which differs in that the
    /// interface has sixteen bits and a drop count the other sixteen.
    #[inline(always)]
    fn enhanced_packet(&mut self, bytes: &[u8], interface_mask: u32) -> Result<Record, FaultReason> {
        let interface = match interface_mask {
            u32::MAX => self.order.u32(bytes, 8),
            _ => u32::from(self.order.u16(bytes, 8)),
        };
        let known = self.interface(interface)?;
        let ticks = u64::from(self.order.u32(bytes, 12)) << 32 | u64::from(self.order.u32(bytes, 16));
        let (timestamp, link, device) = (known.time(ticks), known.link, interface as u16);
        self.last_time = timestamp;
        let captured_len = self.order.u32(bytes, 20);
        check_captured(captured_len, bytes.len() - block::ENHANCED_PACKET_MIN)?;
        Ok(Record {
            timestamp,
            start: ENHANCED_DATA as u32,
            captured_len,
            wire_len: self.order.u32(bytes, 24).max(captured_len),
            link,
            device,
            consumed: bytes.len() as u32,
        })
    }

    /// A Simple Packet Block (§4.4): of the first interface, cut at its snap length.
    fn simple_packet(&mut self, bytes: &[u8]) -> Result<Record, FaultReason> {
        let known = self.interface(0)?;
        let link = known.link;
        let wire_len = self.order.u32(bytes, 8);
        let captured_len = if known.snap_len == 0 { wire_len } else { wire_len.min(known.snap_len) };
        check_captured(captured_len, bytes.len() - block::SIMPLE_PACKET_MIN)?;
        Ok(Record {
            timestamp: self.last_time,
            start: SIMPLE_DATA as u32,
            captured_len,
            wire_len,
            link,
            device: 0,
            consumed: bytes.len() as u32,
        })
    }

    #[inline(always)]
    fn interface(&self, interface: u32) -> Result<&Interface, FaultReason> {
        let described = self.interfaces.len();
        self.interfaces.get(interface as usize).ok_or(FaultReason::UnknownInterface { interface, described })
    }

    fn need(&mut self, bytes: usize) -> Step {
        self.needed = bytes as u64;
        Step::Need(bytes)
    }
}

impl Records for PcapngReader {
    #[inline(always)]
    fn step(&mut self, bytes: &[u8]) -> Result<Step, Fault> {
        let Some(leading) = self.closing else {
            self.block_start = self.offset;
            return self.block(bytes).map_err(|reason| Fault { offset: self.block_start, reason });
        };
        if bytes.len() < 4 {
            return Ok(Step::Need(4));
        }
        let trailing = self.order.u32(bytes, 0);
        if trailing != leading {
            return Err(Fault { offset: self.block_start, reason: FaultReason::BlockEnds { leading, trailing } });
        }
        self.closing = None;
        self.offset += 4;
        Ok(Step::Skip(4))
    }

    fn finish(&self, end: u64) -> Result<(), Fault> {
        if self.closing.is_none() && end == self.offset {
            return Ok(());
        }
        // A block that was stepped over began before `offset`.
        let offset = if self.closing.is_some() { self.block_start } else { self.offset };
        let available = end.saturating_sub(offset);
        Err(Fault { offset, reason: FaultReason::CutShort { what: "block", needed: self.needed, available } })
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn link_number(&self, device: u16) -> u32 {
        self.interfaces.get(usize::from(device)).map_or(0, |interface| u32::from(interface.link_number))
    }
}

/// The byte order of a section, of which `bytes` holds the first twelve bytes.
fn section_order(bytes: &[u8]) -> Result<ByteOrder, FaultReason> {
    const MAGIC: u32 = 0x1a2b_3c4d;
    match (ByteOrder::Little.u32(bytes, 8), ByteOrder::Big.u32(bytes, 8)) {
        (MAGIC, _) => Ok(ByteOrder::Little),
        (_, MAGIC) => Ok(ByteOrder::Big),
        (_, other) => Err(FaultReason::ByteOrder(other)),
    }
}

#[inline]
fn check_length(kind: u32, length: u32) -> Result<(), FaultReason> {
    let fits = length.is_multiple_of(4)
        && length as usize >= block::min_len(kind)
        && (!block::is_read(kind) || length as usize <= RESIDENT_MAX);
    if fits { Ok(()) } else { Err(FaultReason::BlockLength { kind, length }) }
}

#[inline]
fn check_captured(captured: u32, room: usize) -> Result<(), FaultReason> {
    if captured > PACKET_MAX {
        return Err(FaultReason::AbsurdLength { captured, max: PACKET_MAX });
    }
    if captured as usize > room {
        return Err(FaultReason::PacketOutsideBlock { captured, room: room as u32 });
    }
    Ok(())
}

/// Block types that are read, and how long each is at least, with both lengths.
mod block {
    pub(super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const PACKET: u32 = 2;
    pub(super) const SIMPLE_PACKET: u32 = 3;
    pub(super) const ENHANCED_PACKET: u32 = 6;

    /// Type and length before the body.
    pub(super) const BODY: usize = 8;
    pub(super) const SIMPLE_PACKET_MIN: usize = 16;
    pub(super) const ENHANCED_PACKET_MIN: usize = 32;

    #[inline]
    pub(super) const fn is_read(kind: u32) -> bool {
        matches!(kind, SECTION | INTERFACE | PACKET | SIMPLE_PACKET | ENHANCED_PACKET)
    }

    #[inline]
    pub(super) const fn min_len(kind: u32) -> usize {
        match kind {
            SECTION => 28,
            INTERFACE => 20,
            SIMPLE_PACKET => SIMPLE_PACKET_MIN,
            PACKET | ENHANCED_PACKET => ENHANCED_PACKET_MIN,
            _ => 12,
        }
    }
}

/// Bytes of the file that [`PcapngReader::new`] looks at: the fixed part of a section header.
pub const HEADER_LEN: usize = 24;
/// Interfaces of a section that are told apart.
pub const INTERFACES_MAX: usize = 1 << 16;
const ENHANCED_DATA: usize = 28;
const SIMPLE_DATA: usize = 12;
