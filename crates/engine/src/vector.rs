//! A vector of packets between two stages: up to 32 packets that have been decoded, keyed and hashed.
//!
//! Each stage runs over the whole vector before the next one begins, so that memory that a later stage needs is on its
//! way while the earlier one still works. More than 32 gain nothing; one alone costs three to five times as much.

use flumen_model::{Timestamp, source::Packet};
use flumen_table::{FlowHash, FlowTable, PacketKey, PacketView};
use flumen_wire::{Aside, Decoder, FlowPacket, NonFlow};

/// Packets of a vector.
pub(crate) const VECTOR: usize = 32;

/// Up to [`VECTOR`] packets. Their places are filled again and again, so that a packet is written once, where it stays.
#[derive(Debug)]
pub(crate) struct Vector {
    places: Box<[Keyed; VECTOR]>,
    len: usize,
}

impl Vector {
    pub(crate) fn new() -> Self {
        Self { places: Box::new([const { Keyed::EMPTY }; VECTOR]), len: 0 }
    }
    pub(crate) const fn clear(&mut self) {
        self.len = 0;
    }
    /// The place of the packet that would be next; `None` when the vector is full.
    pub(crate) fn place(&mut self) -> Option<&mut Keyed> {
        self.places.get_mut(self.len)
    }
    /// Takes the packet in, which [`Vector::place`] has got.
    pub(crate) const fn keep(&mut self) {
        self.len += 1;
    }
    pub(crate) fn packets(&self) -> &[Keyed] {
        &self.places[..self.len]
    }
}

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
    const EMPTY: Self = Self {
        packet: FlowPacket::EMPTY,
        key: PacketKey::Nothing,
        hash: FlowHash::ZERO,
        at: Timestamp::ZERO,
        bytes: 0,
        origin: 0,
        checksum_ok: false,
    };

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

/// Decodes one packet and derives its key and hash, all of it `into` its place. Its checksum is not looked at yet.
///
/// # Errors
/// Why it belongs to no flow.
#[inline]
pub(crate) fn decode(
    decoder: &mut Decoder,
    table: &FlowTable,
    length: Length,
    packet: &Packet<'_>,
    frame: u64,
    into: &mut Keyed,
) -> Result<(), NonFlow> {
    let bytes = length.of(packet);
    match decoder.decode_into(packet.entry.link, packet.data, bytes, &mut into.packet) {
        Ok(()) => {}
        Err(Aside::Tunnel(_)) => return Err(NonFlow::Tunnel),
        Err(Aside::Fragment(_)) => return Err(NonFlow::Fragment),
        Err(Aside::NonFlow(reason)) => return Err(reason),
    }
    into.key = PacketKey::of(&into.packet, packet.entry.device, table.config());
    into.hash = match &into.key {
        PacketKey::Own(key) | PacketKey::About(key) => table.hash(key),
        PacketKey::Nothing => return Err(NonFlow::IcmpError),
    };
    into.checksum_ok = true;
    into.at = packet.entry.timestamp;
    into.bytes = u64::from(bytes);
    into.origin = frame << 4;
    Ok(())
}
