//! A vector of packets between two stages: packets that have been decoded, keyed and hashed.
//!
//! Each stage runs over the whole vector before the next one begins, so that memory that a later stage needs is on its
//! way while the earlier one still works. More than [`VECTOR`] packets gain nothing; one alone costs three to five times
//! as much.

use std::sync::atomic::{AtomicU64, Ordering};

use flumen_model::Timestamp;
use flumen_table::{FlowHash, PacketKey, PacketView};
use flumen_wire::{FlowPacket, Role};

/// Packets that a stage takes at a time.
pub(crate) const VECTOR: usize = 32;

/// Packets. Their places are filled again and again, so that a packet is written once, where it stays.
#[derive(Debug, Default)]
pub(crate) struct Vector {
    places: Vec<Keyed>,
    /// Hashes of the packets, together: they are dealt out to workers without touching the packets.
    hashes: Vec<FlowHash>,
    /// What their numbers count from.
    pub(crate) before: u64,
}

impl Vector {
    pub(crate) fn clear(&mut self) {
        self.hashes.clear();
        self.before = 0;
    }
    pub(crate) const fn len(&self) -> usize {
        self.hashes.len()
    }
    /// The place of the packet that would be next.
    #[inline]
    pub(crate) fn place(&mut self) -> &mut Keyed {
        let next = self.len();
        if next == self.places.len() {
            self.places.push(Keyed::empty());
        }
        &mut self.places[next]
    }
    /// Takes the packet in, which [`Vector::place`] has got, and says where it is, for the packets inside of it.
    #[inline]
    pub(crate) fn keep(&mut self) -> Outside {
        let index = self.len();
        let place = &mut self.places[index];
        *place.counted_in.get_mut() = PENDING;
        self.hashes.push(place.hash);
        Outside(index as u32)
    }
    /// All packets.
    pub(crate) fn packets(&self) -> impl Iterator<Item = &Keyed> {
        self.places[..self.len()].iter()
    }
    /// The packets of a hand that was [dealt](Vector::deal).
    pub(crate) fn hand<'v>(&'v self, hand: &'v [u32]) -> impl Iterator<Item = &'v Keyed> {
        hand.iter().map(|&index| &self.places[index as usize])
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
        let Some(outside) = self.places.get(packet.outside.0 as usize) else { return 0 };
        loop {
            match outside.counted_in.load(Ordering::Acquire) {
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
#[derive(Debug)]
pub(crate) struct Keyed {
    pub(crate) packet: FlowPacket,
    pub(crate) key: PacketKey,
    pub(crate) hash: FlowHash,
    pub(crate) at: Timestamp,
    pub(crate) bytes: u64,
    pub(crate) origin: u64,
    pub(crate) outside: Outside,
    pub(crate) checksum_ok: bool,
    pub(crate) role: Option<Role>,
    /// For the packets inside: see [`Vector::parent`].
    counted_in: AtomicU64,
}

impl Keyed {
    const fn empty() -> Self {
        Self {
            packet: FlowPacket::EMPTY,
            key: PacketKey::Nothing,
            hash: FlowHash::ZERO,
            at: Timestamp::ZERO,
            bytes: 0,
            origin: 0,
            outside: Outside::NONE,
            checksum_ok: false,
            role: None,
            counted_in: AtomicU64::new(PENDING),
        }
    }

    /// What the table needs to know: `before` is what the packet's number counts from.
    pub(crate) const fn view(&self, before: u64, parent: u64) -> PacketView<'_> {
        PacketView {
            at: self.at,
            bytes: self.bytes,
            origin: before + self.origin,
            parent,
            role: self.role,
            packet: &self.packet,
            checksum_ok: self.checksum_ok,
        }
    }
    /// Whether the packet was in another.
    pub(crate) const fn is_inside(&self) -> bool {
        self.outside.0 != Outside::NONE.0
    }
    /// The table has seen the packet, and counted it in the flow of this origin; 0 in none. Release: see [`Vector::parent`].
    #[inline]
    pub(crate) fn was_counted_in(&self, origin: u64) {
        if self.packet.inner.is_some() {
            self.counted_in.store(origin | DONE, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_learns_where_its_outside_was_counted() {
        let mut vector = Vector::default();
        vector.place().outside = Outside::NONE;
        let outside = vector.keep();
        vector.place().outside = outside;
        vector.keep();
        let mut hands = vec![vec![9]];
        vector.deal(&mut hands);
        assert_eq!(hands, [[0, 1]]);
        let [outer, inner] = vector.packets().collect::<Vec<_>>()[..] else { panic!() };
        assert_eq!(vector.parent(outer, || panic!("has none")), 0);
        let mut waited = 0;
        let parent = vector.parent(inner, || {
            waited += 1;
            outer.counted_in.store(DONE | 7, Ordering::Release);
        });
        assert_eq!((parent, waited), (7, 1));
        vector.clear();
        vector.place();
        vector.keep();
        let again = vector.packets().next().expect("a packet");
        assert_eq!(again.counted_in.load(Ordering::Relaxed), PENDING, "a place is used again");
    }
}
