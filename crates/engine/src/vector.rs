//! A vector of packets between two stages: up to 32 packets that have been decoded, keyed and hashed.
//!
//! Each stage runs over the whole vector before the next one begins, so that memory that a later stage needs is on its
//! way while the earlier one still works. More than 32 gain nothing; one alone costs three to five times as much.

use flumen_model::{Timestamp, source::Packet};
use flumen_table::{FlowHash, FlowTable, PacketKey, PacketView};
use flumen_wire::{Decoded, Decoder, FlowPacket, NonFlow, tcp_checksum_ok};

use crate::checksums::ChecksumTest;

/// Packets of a vector.
pub(crate) const VECTOR: usize = 32;

/// A packet that wants a flow, ready for the lookup.
#[derive(Debug)]
pub(crate) struct Keyed {
    pub(crate) packet: FlowPacket,
    pub(crate) key: PacketKey,
    pub(crate) hash: FlowHash,
    pub(crate) at: Timestamp,
    pub(crate) bytes: u64,
    pub(crate) origin: u64,
    pub(crate) checksum_ok: bool,
}

impl Keyed {
    pub(crate) const fn view(&self) -> PacketView<'_> {
        PacketView {
            at: self.at,
            bytes: self.bytes,
            origin: self.origin,
            packet: &self.packet,
            checksum_ok: self.checksum_ok,
        }
    }
}

/// Whose length a packet counts with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Length {
    /// What was on the wire.
    Wire,
    /// What was captured, as Suricata has it; a packet that was cut is then judged by what is left of it.
    Captured,
}

impl Length {
    pub(crate) const fn of(self, packet: &Packet<'_>) -> u32 {
        match self {
            Self::Wire => packet.entry.wire_len,
            Self::Captured => packet.entry.captured_len,
        }
    }
}

/// Decodes one packet and derives its key and hash.
#[inline]
pub(crate) fn decode(
    decoder: &mut Decoder,
    table: &FlowTable,
    checksums: &mut ChecksumTest,
    length: Length,
    packet: &Packet<'_>,
    frame: u64,
) -> Result<Keyed, NonFlow> {
    let bytes = length.of(packet);
    match decoder.decode(packet.entry.link, packet.data, bytes) {
        Decoded::Flow(flow) => {
            let checksum_ok = !checksums.is_on() || checksums.judge(tcp_checksum_ok(packet.data, &flow));
            let key = PacketKey::of(&flow, packet.entry.device, table.config());
            let hash = match &key {
                PacketKey::Own(key) | PacketKey::About(key) => table.hash(key),
                PacketKey::Nothing => return Err(NonFlow::IcmpError),
            };
            Ok(Keyed {
                packet: flow,
                key,
                hash,
                at: packet.entry.timestamp,
                bytes: u64::from(bytes),
                origin: frame << 4,
                checksum_ok,
            })
        }
        Decoded::Fragment(_) => Err(NonFlow::Fragment),
        Decoded::NonFlow(reason) => Err(reason),
    }
}
