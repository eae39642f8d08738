//! A vector of packets between two stages: packets that have been decoded, keyed and hashed.
//!
//! Each stage runs over the whole vector before the next one begins. A packet takes two cache lines; what few packets
//! have, or all only when it is asked for, lies apart.

use std::sync::atomic::{AtomicU64, Ordering};

use flumen_model::Timestamp;
use flumen_table::{FlowHash, Message, PacketKey, PacketView, PlainPacket};
use flumen_wire::{Macs, Role};

/// Packets that a stage takes at a time.
pub(crate) const VECTOR: usize = 128;

/// Packets. Their places are filled again and again, so that a packet is written once, where it stays.
#[derive(Debug, Default)]
pub(crate) struct Vector {
    places: Vec<Keyed>,
    /// Hashes of the packets, together: they are dealt out to workers without touching the packets.
    hashes: Vec<FlowHash>,
    /// MAC addresses of the packets; of none when they are not collected.
    macs: Vec<Option<Macs>>,
    /// Of packets with others inside, where they were counted: see [`Vector::parent`]. As long as the last of them needs.
    counted_in: Vec<AtomicU64>,
    /// What their numbers count from.
    pub(crate) before: u64,
}

impl Vector {
    pub(crate) fn clear(&mut self) {
        self.hashes.clear();
        self.macs.clear();
        self.counted_in.clear();
        self.before = 0;
    }
    pub(crate) const fn len(&self) -> usize {
        self.hashes.len()
    }
    /// Where the next packet is to be written, before it is [taken in](Self::take_in).
    #[inline(always)]
    pub(crate) fn place(&mut self) -> &mut Keyed {
        let index = self.len();
        if index >= self.places.len() {
            self.grow(index);
        }
        &mut self.places[index]
    }
    #[cold]
    #[inline(never)]
    fn grow(&mut self, index: usize) {
        self.places.resize(index + 1, Keyed::EMPTY);
    }
    /// Takes the packet in that was written, and says where it is, for the packets inside of it.
    #[inline(always)]
    pub(crate) fn take_in(&mut self, hash: FlowHash, is_outside: bool) -> Outside {
        let index = self.len();
        if is_outside {
            self.counted_in.resize_with(index + 1, || AtomicU64::new(PENDING));
        }
        self.hashes.push(hash);
        Outside(index as u32)
    }
    /// Notes the MAC addresses of the packet that was taken in just now. Either those of all packets are noted, or of none.
    pub(crate) fn note_macs(&mut self, macs: Option<Macs>) {
        self.macs.push(macs);
    }
    /// The packet at a place.
    #[inline]
    pub(crate) fn packet(&self, index: usize) -> &Keyed {
        &self.places[index]
    }
    /// The hash of the packet at a place, without touching the packet.
    #[inline]
    pub(crate) fn hash(&self, index: usize) -> FlowHash {
        self.hashes[index]
    }
    /// What the table needs to know of a packet. `parent` is the origin of the flow of its outside.
    #[inline]
    pub(crate) fn view(&self, index: usize, parent: u64) -> PacketView<'_> {
        let &Keyed { at, bytes, origin, ref message, ttl, is_outside, role, checksum_ok, .. } = self.packet(index);
        let (bytes, origin) = (u64::from(bytes), self.before + origin);
        let macs = self.macs.get(index).and_then(Option::as_ref);
        PacketView { at, bytes, origin, parent, role, message, ttl, is_outside, macs, checksum_ok }
    }
    /// The table has seen the packet, and counted it in the flow of this origin; 0 in none. Asked for when another is inside. Release: see [`Vector::parent`].
    #[inline]
    pub(crate) fn was_counted_in(&self, index: usize, origin: impl FnOnce() -> u64) {
        if self.places[index].is_outside {
            self.counted_in[index].store(origin() | DONE, Ordering::Release);
        }
    }
    /// Deals the packets out: each hand gets the places of those whose hash names it, in order.
    pub(crate) fn deal(&self, hands: &mut [Vec<u32>]) {
        let of = hands.len() as u32;
        hands.iter_mut().for_each(Vec::clear);
        for (index, hash) in self.hashes.iter().enumerate() {
            hands[hash.worker(of) as usize].push(index as u32);
        }
    }
    /// The origin of the flow in which the outside of a packet was counted; 0 when it has none, or when that was counted in
    /// none. Another worker may have it still before it: it is waited for. The outside came before the packet, and no worker
    /// holds a row or waits for a later packet meanwhile, so it comes.
    pub(crate) fn parent(&self, packet: &Keyed, mut wait: impl FnMut()) -> u64 {
        let Some(outside) = self.counted_in.get(packet.outside.0 as usize) else { return 0 };
        loop {
            match outside.load(Ordering::Acquire) {
                PENDING => wait(),
                origin => return origin & !DONE,
            }
        }
    }
}

/// The outside of a packet: its place in the vector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outside(u32);

impl Outside {
    /// The packet is in no other.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

/// The table has not seen the packet.
const PENDING: u64 = 0;
/// It has, and the other bits are the origin of the packet's flow.
const DONE: u64 = 1 << 63;

/// A packet that wants a flow, ready for the lookup.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Keyed {
    pub(crate) key: PacketKey,
    pub(crate) hash: FlowHash,
    pub(crate) at: Timestamp,
    pub(crate) origin: u64,
    pub(crate) bytes: u32,
    pub(crate) outside: Outside,
    pub(crate) message: Message,
    pub(crate) ttl: u8,
    pub(crate) is_outside: bool,
    pub(crate) role: Option<Role>,
    pub(crate) checksum_ok: bool,
}

const _: () = assert!(size_of::<Keyed>() == 128, "two cache lines");

impl Keyed {
    const EMPTY: Self = Self {
        key: PacketKey::Nothing,
        hash: FlowHash::ZERO,
        at: Timestamp::ZERO,
        origin: 0,
        bytes: 0,
        outside: Outside::NONE,
        message: Message::Other,
        ttl: 0,
        is_outside: false,
        role: None,
        checksum_ok: false,
    };

    /// The packet for the short way, if there is nothing about it that only few packets have.
    #[inline(always)]
    pub(crate) fn plain(&self) -> Option<PlainPacket<'_>> {
        let Self { key: PacketKey::Own(key), hash, at, bytes, message, ttl, .. } = self else { return None };
        let is_plain = !self.is_outside && !self.is_inside() && self.role.is_none() && self.checksum_ok;
        let (hash, at, bytes, ttl) = (*hash, *at, u64::from(*bytes), *ttl);
        is_plain.then_some(PlainPacket { key, hash, at, bytes, ttl, message })
    }
    /// Whether the packet was in another.
    #[inline]
    pub(crate) const fn is_inside(&self) -> bool {
        self.outside.0 != Outside::NONE.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(vector: &mut Vector, outside: Outside, is_outside: bool) -> Outside {
        *vector.place() = Keyed { outside, is_outside, ..Keyed::EMPTY };
        vector.take_in(FlowHash::ZERO, is_outside)
    }

    #[test]
    fn what_is_inside_learns_where_its_outside_was_counted() {
        let mut vector = Vector::default();
        put(&mut vector, Outside::NONE, false);
        let outside = put(&mut vector, Outside::NONE, true);
        put(&mut vector, outside, false);
        let mut hands = vec![vec![9]];
        vector.deal(&mut hands);
        assert_eq!(hands, [[0, 1, 2]]);
        assert_eq!(vector.parent(vector.packet(1), || panic!("has none")), 0);
        let mut waited = 0;
        let parent = vector.parent(vector.packet(2), || {
            waited += 1;
            vector.was_counted_in(0, || 5);
            vector.was_counted_in(1, || 7);
        });
        assert_eq!((parent, waited), (7, 1));
        vector.clear();
        put(&mut vector, Outside::NONE, true);
        assert_eq!(vector.counted_in[0].load(Ordering::Relaxed), PENDING, "a place is used again");
    }

    #[test]
    fn mac_addresses_that_are_noted_are_those_of_their_packet() {
        let macs = |n| Macs::new([n; 6], [0; 6]);
        let mut vector = Vector::default();
        put(&mut vector, Outside::NONE, false);
        assert_eq!(vector.view(0, 0).macs, None);
        vector.clear();
        for noted in [Some(macs(1)), None, Some(macs(2))] {
            put(&mut vector, Outside::NONE, false);
            vector.note_macs(noted);
        }
        let found: Vec<_> = (0..3).map(|n| vector.view(n, 0).macs.copied()).collect();
        assert_eq!(found, [Some(macs(1)), None, Some(macs(2))]);
    }
}
