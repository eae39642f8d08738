//! The packets of one block of the ring: where they lie, and their tags put back.
//!
//! A block is a header and then packets, each a header, the address of its link, some room and the frame. It is written by
//! the kernel, yet nothing here trusts it: what does not fit is a [`BlockFault`], and every read stays within the block.
//!
//! The kernel takes the outer VLAN tag out of a frame and says it in the packet's header. The frame is to look as it did on
//! the wire, so the two addresses in front of the tag's place are moved forward by its length, into the room that the ring
//! was told to leave ([`TAG_LEN`], `PACKET_RESERVE`), and the tag is written between them and the rest: 16 bytes change,
//! whatever the packet's length.

use core::mem::offset_of;

use flumen_model::source::ChecksumNote;
use flumen_model::{LinkType, Timestamp};
use libc::{sockaddr_ll, tpacket_block_desc, tpacket3_hdr};

use super::link::{Begin, begin};

/// One packet of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) timestamp: Timestamp,
    /// Offset of its first byte from the start of the block.
    pub(super) offset: usize,
    pub(super) captured_len: u32,
    /// Bytes on the wire, not less than those captured.
    pub(super) wire_len: u32,
    pub(super) link: LinkType,
    /// The kernel's number of the interface.
    pub(super) interface: i32,
    pub(super) clock: Clock,
    pub(super) checksum: ChecksumNote,
}

/// Who stamped a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    Kernel,
    Card,
}

/// What a walk through a block has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    /// Packets that the block announces.
    pub(super) announced: u32,
    /// What ended the walk before all of them were found.
    pub(super) fault: Option<BlockFault>,
}

/// What a block says of itself that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockFault {
    /// It is longer than its memory.
    #[error("a block of {0} bytes, more than there is room for")]
    Length(u32),
    /// A packet's header lies outside.
    #[error("a packet at byte {0}, outside its block")]
    Packet(usize),
    /// A packet's frame lies outside, or within its own header.
    #[error("a frame at byte {0} of its packet, outside the packet")]
    Frame(u16),
    /// A packet that is not the last leads nowhere, or back into itself.
    #[error("the next packet {0} bytes behind one that is longer")]
    Next(u32),
    /// A tag was taken out and no room was left to put it back.
    #[error("no room for the tag of a frame at byte {0} of its packet")]
    NoRoomForTag(u16),
}

/// Walks through a block that belongs to us, and puts back the tags of its frames.
pub(super) fn walk(block: &mut [u8], snap_len: u32, mut each: impl FnMut(Frame)) -> Walk {
    let announced = u32_at(block, BLOCK_PACKETS).unwrap_or(0);
    let mut walk = Walk { announced, fault: None };
    let Some(mut packets) = Packets::of(block, announced) else {
        walk.fault = Some(BlockFault::Length(u32_at(block, BLOCK_LEN).unwrap_or(0)));
        return walk;
    };
    while packets.left > 0 {
        match packets.next(snap_len) {
            Ok(frame) => each(frame),
            Err(fault) => {
                walk.fault = Some(fault);
                break;
            }
        }
    }
    walk
}

/// A position in a block. `at` grows with every packet and stays within `bytes`.
struct Packets<'a> {
    /// The block as far as it is used.
    bytes: &'a mut [u8],
    at: usize,
    left: u32,
}

impl<'a> Packets<'a> {
    fn of(block: &'a mut [u8], announced: u32) -> Option<Self> {
        let used = u32_at(block, BLOCK_LEN)? as usize;
        let at = u32_at(block, BLOCK_FIRST)? as usize;
        Some(Self { bytes: block.get_mut(..used)?, at, left: announced })
    }

    fn next(&mut self, snap_len: u32) -> Result<Frame, BlockFault> {
        let at = self.at;
        let outside = BlockFault::Packet(at);
        let packet = self.bytes.get_mut(at..).ok_or(outside)?;
        let next = u32_at(packet, NEXT).ok_or(outside)?;
        let packet = match self.left {
            1 => packet,
            _ => packet.get_mut(..next as usize).ok_or(BlockFault::Next(next))?,
        };
        let header = Header::read(packet).ok_or(if self.left == 1 { outside } else { BlockFault::Next(next) })?;
        let mut frame = header.frame(packet, snap_len)?;
        frame.offset += at;
        // At least a header further, since `packet` has one.
        self.at += next as usize;
        self.left -= 1;
        Ok(frame)
    }
}

/// What the kernel says of a packet.
struct Header {
    secs: u32,
    nanos: u32,
    captured_len: u32,
    wire_len: u32,
    status: u32,
    mac: u16,
    net: u16,
    tag: u16,
    tag_protocol: u16,
    protocol: u16,
    interface: i32,
    hardware: u16,
}

impl Header {
    fn read(packet: &[u8]) -> Option<Self> {
        let header = packet.get(..HEADER_LEN)?;
        Some(Self {
            secs: u32_at(header, offset_of!(tpacket3_hdr, tp_sec))?,
            nanos: u32_at(header, offset_of!(tpacket3_hdr, tp_nsec))?,
            captured_len: u32_at(header, offset_of!(tpacket3_hdr, tp_snaplen))?,
            wire_len: u32_at(header, offset_of!(tpacket3_hdr, tp_len))?,
            status: u32_at(header, offset_of!(tpacket3_hdr, tp_status))?,
            mac: u16_at(header, offset_of!(tpacket3_hdr, tp_mac))?,
            net: u16_at(header, offset_of!(tpacket3_hdr, tp_net))?,
            // Held in 32 bits, of which 16 are meant.
            tag: u32_at(header, offset_of!(tpacket3_hdr, hv1.tp_vlan_tci))? as u16,
            tag_protocol: u16_at(header, offset_of!(tpacket3_hdr, hv1.tp_vlan_tpid))?,
            protocol: u16::from_be(u16_at(header, LINK_ADDRESS + offset_of!(sockaddr_ll, sll_protocol))?),
            interface: u32_at(header, LINK_ADDRESS + offset_of!(sockaddr_ll, sll_ifindex))?.cast_signed(),
            hardware: u16_at(header, LINK_ADDRESS + offset_of!(sockaddr_ll, sll_hatype))?,
        })
    }

    /// The frame as it was on the wire; its offset counts from the start of `packet`.
    fn frame(&self, packet: &mut [u8], snap_len: u32) -> Result<Frame, BlockFault> {
        let mac = usize::from(self.mac);
        let end = mac.checked_add(self.captured_len as usize);
        if mac < HEADER_LEN || end.is_none_or(|end| end > packet.len()) {
            return Err(BlockFault::Frame(self.mac));
        }
        let (link, skip) = match begin(self.hardware, self.protocol) {
            Begin::Link(link) => (link, 0),
            Begin::Network(link) => (link, u32::from(self.net.saturating_sub(self.mac))),
        };
        let skipped = skip.min(self.captured_len);
        let mut frame = Frame {
            timestamp: Timestamp::from_parts(self.secs.into(), self.nanos),
            offset: mac + skipped as usize,
            captured_len: self.captured_len - skipped,
            wire_len: self.wire_len.saturating_sub(skip),
            link,
            interface: self.interface,
            clock: if self.status & libc::TP_STATUS_TS_RAW_HARDWARE == 0 { Clock::Kernel } else { Clock::Card },
            checksum: match self.status & (libc::TP_STATUS_CSUMNOTREADY | libc::TP_STATUS_CSUM_VALID) {
                0 => ChecksumNote::None,
                libc::TP_STATUS_CSUM_VALID => ChecksumNote::Right,
                _ => ChecksumNote::Unfinished,
            },
        };
        if link == LinkType::Ethernet && self.status & libc::TP_STATUS_VLAN_VALID != 0 {
            self.put_tag_back(packet, &mut frame)?;
        }
        frame.captured_len = frame.captured_len.min(snap_len);
        frame.wire_len = frame.wire_len.max(frame.captured_len);
        Ok(frame)
    }

    fn put_tag_back(&self, packet: &mut [u8], frame: &mut Frame) -> Result<(), BlockFault> {
        frame.wire_len = frame.wire_len.saturating_add(TAG_LEN as u32);
        if frame.captured_len < ADDRESSES_LEN as u32 {
            // Cut off before the place of the tag.
            return Ok(());
        }
        let from = frame.offset;
        let to = from.checked_sub(TAG_LEN).filter(|&to| to >= HEADER_LEN).ok_or(BlockFault::NoRoomForTag(self.mac))?;
        packet.copy_within(from..from + ADDRESSES_LEN, to);
        let protocol = match self.status & libc::TP_STATUS_VLAN_TPID_VALID {
            0 => VLAN,
            _ => self.tag_protocol,
        };
        let [[a, b], [c, d]] = [protocol.to_be_bytes(), self.tag.to_be_bytes()];
        packet[to + ADDRESSES_LEN..][..TAG_LEN].copy_from_slice(&[a, b, c, d]);
        frame.offset = to;
        frame.captured_len += TAG_LEN as u32;
        Ok(())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|field| u32::from_ne_bytes(*field))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|field| u16::from_ne_bytes(*field))
}

/// Bytes of an 802.1Q tag: what every ring leaves free in front of a frame.
pub(super) const TAG_LEN: usize = 4;
/// Bytes of the two addresses in front of it.
const ADDRESSES_LEN: usize = 12;
/// The protocol of a tag whose kernel does not say it (before 3.14): 802.1Q.
const VLAN: u16 = 0x8100;
/// Where the address of the link lies in a packet.
const LINK_ADDRESS: usize = size_of::<tpacket3_hdr>().next_multiple_of(libc::TPACKET_ALIGNMENT);
/// Bytes of a packet in front of its room and its frame.
const HEADER_LEN: usize = libc::TPACKET3_HDRLEN;
const NEXT: usize = offset_of!(tpacket3_hdr, tp_next_offset);
const BLOCK_PACKETS: usize = offset_of!(tpacket_block_desc, hdr.bh1.num_pkts);
const BLOCK_FIRST: usize = offset_of!(tpacket_block_desc, hdr.bh1.offset_to_first_pkt);
const BLOCK_LEN: usize = offset_of!(tpacket_block_desc, hdr.bh1.blk_len);

const _: () = assert!(LINK_ADDRESS + size_of::<sockaddr_ll>() == HEADER_LEN);

#[cfg(test)]
#[path = "block_tests.rs"]
pub(super) mod tests;
