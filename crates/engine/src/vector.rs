//! A vector of packets between two stages: packets that have been decoded, keyed and hashed.
//!
//! Each stage runs over the whole vector before the next one begins. A packet takes two cache lines, of which a plain one
//! writes and reads the first line and a half; what few packets have, or all only when it is asked for, lies behind or apart.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use flumen_table::{FlowHash, Message, PacketKey, PacketView, PlainPacket, Rare, Says};
use flumen_wire::{Address, FastOpen, Macs, RawSegment, Role, TcpSegment};

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
            return self.new_place(index);
        }
        &mut self.places[index]
    }
    #[cold]
    #[inline(never)]
    fn new_place(&mut self, index: usize) -> &mut Keyed {
        self.places.resize(index + 1, Keyed::EMPTY);
        &mut self.places[index]
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
    /// The packets at some places, with their hashes.
    #[inline(always)]
    pub(crate) fn packets_in(&self, places: Range<usize>) -> impl Iterator<Item = (FlowHash, &Keyed)> {
        self.hashes[places.clone()].iter().copied().zip(&self.places[places])
    }
    /// What the table needs to know of a packet that says `message`. `parent` is the origin of the flow of its outside.
    #[inline]
    pub(crate) fn view<'v>(&'v self, index: usize, message: &'v Message, parent: u64) -> PacketView<'v> {
        let packet = self.packet(index);
        let &PlainPacket { at, bytes, ttl, .. } = &packet.plain;
        let &Odd { is_outside, role, checksum_ok, .. } = packet.odd();
        let (bytes, origin) = (u64::from(bytes), self.before + packet.origin);
        let macs = self.macs.get(index).and_then(Option::as_ref);
        PacketView { at, bytes, origin, parent, role, message, ttl, is_outside, macs, checksum_ok }
    }
    /// What of a plain packet is asked for rarely.
    #[inline]
    pub(crate) fn rare(&self, index: usize) -> Rare<'_> {
        Rare { origin: self.before + self.packet(index).origin, macs: self.macs.get(index).and_then(Option::as_ref) }
    }
    /// The table has seen the packet, and counted it in the flow of this origin; 0 in none. Asked for when another is inside. Release: see [`Vector::parent`].
    #[inline]
    pub(crate) fn was_counted_in(&self, index: usize, origin: impl FnOnce() -> u64) {
        if self.places[index].odd().is_outside {
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
        let Some(outside) = self.counted_in.get(packet.odd().outside.0 as usize) else { return 0 };
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

    /// Whether there is one.
    pub(crate) const fn is_some(self) -> bool {
        self.0 != Self::NONE.0
    }
}

/// The table has not seen the packet.
const PENDING: u64 = 0;
/// It has, and the other bits are the origin of the packet's flow.
const DONE: u64 = 1 << 63;

/// A packet that wants a flow, ready for the lookup.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Keyed {
    pub(crate) plain: PlainPacket,
    pub(crate) origin: u64,
    /// What there is to know if the packet [is not plain](Says::More): of others it was left as it was.
    odd: Odd,
}

/// What only few packets have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Odd {
    says: OddMessage,
    pub(crate) outside: Outside,
    pub(crate) is_outside: bool,
    /// The packet is an error message about the flow of its key.
    pub(crate) is_about: bool,
    pub(crate) role: Option<Role>,
    pub(crate) checksum_ok: bool,
}

/// What a packet says that is not plain.
#[derive(Clone, Copy, Debug)]
enum OddMessage {
    /// With the segment.
    Tcp {
        has_timestamps: bool,
        window_scale: Option<u8>,
        sack_permitted: bool,
        fast_open: Option<FastOpen>,
    },
    Icmp {
        kind: u8,
        code: u8,
        src: Address,
    },
    Other,
}

const _: () = assert!(size_of::<Keyed>() == 128, "two cache lines");

impl Keyed {
    const EMPTY: Self = Self { plain: PlainPacket::EMPTY, origin: 0, odd: Odd::NONE };

    /// Writes what the packet says if it is a segment.
    #[inline(always)]
    pub(crate) fn say_segment(&mut self, segment: &TcpSegment, raw: RawSegment) {
        (self.plain.says, self.plain.segment) = (Says::of_segment(segment), raw);
        if self.plain.says == Says::More {
            self.odd = Odd { says: OddMessage::of_segment(segment), ..Odd::NONE };
        }
    }
    /// Writes what the packet says.
    pub(crate) fn say(&mut self, message: &Message) {
        (self.plain.says, self.plain.segment) = Says::of(message);
        if self.plain.says == Says::More {
            self.odd = Odd { says: OddMessage::of(message), ..Odd::NONE };
        }
    }
    /// What the packet says.
    #[inline]
    pub(crate) fn message(&self) -> Message {
        if self.is_plain() {
            return self.plain.message();
        }
        match self.odd.says {
            OddMessage::Tcp { has_timestamps, window_scale, sack_permitted, fast_open } => {
                let segment = self.plain.segment.segment(has_timestamps);
                Message::Tcp(TcpSegment { window_scale, sack_permitted, fast_open, ..segment })
            }
            OddMessage::Icmp { kind, code, src } => Message::Icmp { kind, code, src },
            OddMessage::Other => Message::Other,
        }
    }
    /// What the packet has to do with a flow.
    pub(crate) fn key(&self) -> PacketKey {
        let key = self.plain.key;
        if self.odd().is_about { PacketKey::About(key) } else { PacketKey::Own(key) }
    }
    /// What only few packets have.
    #[inline]
    pub(crate) const fn odd(&self) -> &Odd {
        if self.is_plain() { &Odd::NONE } else { &self.odd }
    }
    /// The same of a packet that has something of it.
    #[cold]
    pub(crate) fn odd_mut(&mut self) -> &mut Odd {
        if self.is_plain() {
            self.odd = Odd { says: OddMessage::of(&self.message()), ..Odd::NONE };
            self.plain.says = Says::More;
        }
        &mut self.odd
    }
    /// Whether there is nothing about the packet that only few have: such may go the short way.
    #[inline(always)]
    pub(crate) const fn is_plain(&self) -> bool {
        !matches!(self.plain.says, Says::More)
    }
    /// Whether the packet was in another.
    #[inline]
    pub(crate) fn is_inside(&self) -> bool {
        !self.is_plain() && self.odd.outside.is_some()
    }
}

impl Odd {
    const NONE: Self = Self {
        says: OddMessage::Other,
        outside: Outside::NONE,
        is_outside: false,
        is_about: false,
        role: None,
        checksum_ok: true,
    };
}

impl OddMessage {
    #[inline(always)]
    const fn of_segment(segment: &TcpSegment) -> Self {
        let &TcpSegment { window_scale, timestamps, sack_permitted, fast_open, .. } = segment;
        Self::Tcp { has_timestamps: timestamps.is_some(), window_scale, sack_permitted, fast_open }
    }
    const fn of(message: &Message) -> Self {
        match *message {
            Message::Tcp(ref segment) => Self::of_segment(segment),
            Message::Icmp { kind, code, src } => Self::Icmp { kind, code, src },
            Message::Other => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(vector: &mut Vector, outside: Outside, is_outside: bool) -> Outside {
        *vector.place() = Keyed::EMPTY;
        let odd = vector.place().odd_mut();
        (odd.outside, odd.is_outside) = (outside, is_outside);
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
    fn what_a_packet_says_comes_out_as_it_went_in_whether_or_not_it_is_plain() {
        let plain = TcpSegment { seq: 1, ack: 2, window: 3, payload_len: 4, ..TcpSegment::default() };
        let stamped = TcpSegment { timestamps: Some((5, 6)), ..plain };
        let says = [
            (Message::Tcp(plain), true),
            (Message::Tcp(stamped), true),
            (Message::Tcp(TcpSegment { window_scale: Some(7), ..stamped }), false),
            (Message::Tcp(TcpSegment { sack_permitted: true, ..plain }), false),
            (Message::Tcp(TcpSegment { fast_open: Some(FastOpen::Cookie(8)), ..plain }), false),
            (Message::Icmp { kind: 8, code: 9, src: Address([10; 16]) }, false),
            (Message::Other, true),
        ];
        // The place is used again and again.
        let mut packet = Keyed::EMPTY;
        for (message, is_plain) in says {
            packet.say(&message);
            assert_eq!((packet.message(), packet.is_plain()), (message, is_plain));
            assert!(packet.odd().checksum_ok && !packet.is_inside());
            packet.odd_mut().checksum_ok = false;
            assert_eq!((packet.message(), packet.is_plain()), (message, false), "with something else about it");
            assert!(!packet.odd().checksum_ok);
        }
    }

    #[test]
    fn mac_addresses_that_are_noted_are_those_of_their_packet() {
        let macs = |n| Macs::new([n; 6], [0; 6]);
        let mut vector = Vector::default();
        put(&mut vector, Outside::NONE, false);
        assert_eq!(vector.view(0, &Message::Other, 0).macs, None);
        vector.clear();
        for noted in [Some(macs(1)), None, Some(macs(2))] {
            put(&mut vector, Outside::NONE, false);
            vector.note_macs(noted);
        }
        let found: Vec<_> = (0..3).map(|n| vector.view(n, &Message::Other, 0).macs.copied()).collect();
        assert_eq!(found, [Some(macs(1)), None, Some(macs(2))]);
    }
}
