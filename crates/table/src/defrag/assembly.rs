//! The payload of one datagram, as far as it has come in.
//!
//! 1. `pieces` are disjoint, not empty and in order; each says from which kept fragment its bytes are.
//! 2. A kept fragment has at least one piece; one that loses its last byte is let go. So there are fewer than 65,536.
//! 3. `covered` is the sum of the pieces' lengths, `reach` the greatest end of any fragment that was taken.
//!
//! Fragments are held as they came, headers and all: who owns which bytes is worked out on numbers, and the buffers are
//! narrowed once, when the datagram is complete.

use core::ops::Range;

use flumen_pbuf::{Pbuf, PbufChain};

use super::few::Few;
use super::policy::{Extent, OverlapPolicy};

/// The payload of one datagram.
#[derive(Debug)]
pub(super) struct Assembly {
    slots: Few<Slot>,
    pieces: Few<Piece>,
    /// Bytes of kept fragments.
    kept_bytes: u64,
    /// How many slots are vacant, and the first of them.
    vacant: u16,
    next_vacant: u16,
    covered: u16,
    reach: u16,
    /// Whether a fragment has said that none follows.
    ended: bool,
}

/// A kept fragment, or room for one.
#[derive(Debug)]
struct Slot {
    /// Its header and, at the end, the bytes of `extent`. Empty when vacant.
    packet: Pbuf,
    extent: Extent,
    /// None when vacant.
    pieces: u16,
    /// The next one that is vacant, when this one is.
    next: u16,
}

impl Slot {
    const VACANT: Self = Self { packet: Pbuf::empty(), extent: Extent { start: 0, end: 0 }, pieces: 0, next: 0 };

    /// Bytes before those of the extent.
    fn header_len(&self) -> usize {
        self.packet.len() - usize::from(self.extent.len())
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::VACANT
    }
}

/// Bytes of the datagram, and the slot that has them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Piece {
    start: u16,
    end: u16,
    slot: u16,
}

/// What taking a fragment would do: `replaced` pieces make way for `by`. Made by [`Assembly::plan`], used once.
#[derive(Debug, Default)]
pub(super) struct Plan {
    replaced: Range<usize>,
    by: Vec<Piece>,
    /// Bytes that were not covered before.
    gained: u16,
    /// Pieces in `by` that are the fragment's.
    won: u16,
    /// Whether it has the first byte of the datagram.
    pub(super) leads: bool,
}

impl Plan {
    /// Whether any byte of the fragment counts.
    pub(super) const fn keeps(&self) -> bool {
        self.won > 0
    }
}

/// How a fragment lies to what is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meets {
    /// No byte that is covered.
    Nothing,
    /// All bytes of one fragment and no other.
    Twin,
    /// Some that are covered.
    Others,
}

impl Default for Assembly {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Assembly {
    /// Nothing has come in.
    pub(super) const EMPTY: Self = Self {
        slots: Few::new([const { Slot::VACANT }; 2]),
        pieces: Few::new([Piece { start: 0, end: 0, slot: 0 }; 2]),
        kept_bytes: 0,
        vacant: 0,
        next_vacant: 0,
        covered: 0,
        reach: 0,
        ended: false,
    };

    /// Lets go of all that has come in, and of `spare`, which one of the buffers becomes, if there is any.
    #[inline]
    pub(super) fn clear(&mut self, spare: &mut Pbuf) {
        if let Some(slot) = self.slots.first_mut() {
            core::mem::swap(&mut slot.packet, spare);
        }
        self.slots.clear();
        self.pieces.clear();
        self.kept_bytes = 0;
        (self.vacant, self.next_vacant, self.covered, self.reach) = (0, 0, 0, 0);
        self.ended = false;
    }

    /// Whether every byte up to the last is there.
    pub(super) const fn is_complete(&self) -> bool {
        self.ended && self.covered == self.reach
    }
    /// Fragments that are kept.
    pub(super) fn kept(&self) -> u32 {
        self.slots.len() as u32 - u32::from(self.vacant)
    }
    /// Whether a fragment fits the end that another has set, or its own end fits what is there.
    pub(super) const fn agrees(&self, extent: Extent, more: bool) -> bool {
        match (self.ended, more) {
            (true, true) => extent.end <= self.reach,
            (true, false) => extent.end == self.reach,
            (false, true) => true,
            (false, false) => extent.end >= self.reach,
        }
    }

    /// How a fragment lies to what is there. Only for a datagram that has no overlaps yet.
    pub(super) fn meets(&self, extent: Extent) -> Meets {
        match &self.pieces[self.overlapped(extent)] {
            [] => Meets::Nothing,
            [piece] if piece.start == extent.start && piece.end == extent.end => Meets::Twin,
            _ => Meets::Others,
        }
    }
    /// Whether the fragment at `extent`, which has a twin, has the same bytes as it.
    pub(super) fn repeats(&self, extent: Extent, bytes: &[u8]) -> bool {
        let piece = self.pieces.get(self.overlapped(extent).start);
        let slot = piece.and_then(|piece| self.slots.get(usize::from(piece.slot)));
        slot.is_some_and(|slot| slot.packet[slot.header_len()..] == *bytes)
    }
    /// The pieces that have bytes of `extent`.
    fn overlapped(&self, extent: Extent) -> Range<usize> {
        let first = self.pieces.partition_point(|piece| piece.end <= extent.start);
        let count = self.pieces[first..].partition_point(|piece| piece.start < extent.end);
        first..first + count
    }

    /// What it would do to take a fragment; says whether it overlaps another.
    pub(super) fn plan(&self, new: Extent, policy: OverlapPolicy, plan: &mut Plan) -> bool {
        plan.replaced = self.overlapped(new);
        plan.by.clear();
        let replaced = &self.pieces[plan.replaced.clone()];
        if replaced.is_empty() {
            // As always when no byte is sent twice.
            plan.give(new.start, new.end);
            (plan.gained, plan.won, plan.leads) = (new.len(), 1, new.start == 0);
            return false;
        }
        let mut at = new.start;
        for &piece in replaced {
            plan.give(at, piece.start);
            let old = self.slots[usize::from(piece.slot)].extent;
            if policy.newer_wins(old, new) {
                plan.leave(Piece { end: piece.end.min(new.start), ..piece });
                plan.give(piece.start.max(new.start), piece.end.min(new.end));
                plan.leave(Piece { start: piece.start.max(new.end), ..piece });
            } else {
                plan.leave(piece);
            }
            at = piece.end;
        }
        plan.give(at, new.end);
        let covers = |pieces: &[Piece]| pieces.iter().map(|piece| piece.end - piece.start).sum::<u16>();
        plan.gained = covers(&plan.by) - covers(replaced);
        plan.won = plan.by.iter().filter(|piece| piece.slot == NEW).count() as u16;
        plan.leads = plan.by.first().is_some_and(|piece| piece.start == 0 && piece.slot == NEW);
        plan.gained < new.len()
    }

    /// Takes the fragment of the datagram that came first: `packet` is its header and payload, and as in [`Assembly::take`].
    #[inline]
    pub(super) fn begin(&mut self, new: Extent, ends: bool, packet: Pbuf) {
        (self.reach, self.covered, self.ended) = (new.end, new.len(), ends);
        self.kept_bytes = kept_cost(packet.len() as u32);
        let slot = self.slots.add();
        (slot.extent, slot.pieces) = (new, 1);
        slot.packet.fill_empty(packet);
        *self.pieces.add() = Piece { start: new.start, end: new.end, slot: 0 };
    }
    /// Bytes of memory that `plan` takes beyond what is taken, for a fragment of `packet_len` bytes with its header; what it
    /// lets go is not counted against it.
    pub(super) fn growth(&self, plan: &Plan, packet_len: u32) -> u64 {
        if !plan.keeps() {
            return 0;
        }
        let pieces = self.pieces.growth(self.pieces.len() - plan.replaced.len() + plan.by.len());
        let slots = if self.vacant == 0 { self.slots.growth(self.slots.len() + 1) } else { 0 };
        (pieces + slots) as u64 + kept_cost(packet_len)
    }
    /// Bytes of memory taken.
    pub(super) fn memory(&self) -> u64 {
        (self.pieces.memory() + self.slots.memory()) as u64 + self.kept_bytes
    }

    /// Takes the fragment that `plan` was made for; `ends` says that none follows it. `packet` is its header and payload, or
    /// nothing when the plan keeps nothing of it.
    #[inline]
    pub(super) fn take(&mut self, new: Extent, ends: bool, plan: &mut Plan, packet: Pbuf) {
        self.reach = self.reach.max(new.end);
        self.ended |= ends;
        if !plan.keeps() {
            return;
        }
        self.kept_bytes += kept_cost(packet.len() as u32);
        self.covered += plan.gained;
        if plan.replaced.is_empty() {
            let slot = self.occupy(new, plan.won, packet);
            self.pieces.insert(plan.replaced.start, Piece { start: new.start, end: new.end, slot });
        } else {
            self.replace(new, plan, packet);
        }
    }
    /// Takes a fragment that has bytes which others have too.
    #[cold]
    fn replace(&mut self, new: Extent, plan: &mut Plan, packet: Pbuf) {
        for piece in plan.by.iter().filter(|piece| piece.slot != NEW) {
            self.slots[usize::from(piece.slot)].pieces += 1;
        }
        for at in plan.replaced.clone() {
            self.let_go(self.pieces[at].slot);
        }
        let slot = self.occupy(new, plan.won, packet);
        plan.by.iter_mut().filter(|piece| piece.slot == NEW).for_each(|piece| piece.slot = slot);
        self.pieces.splice(plan.replaced.clone(), plan.by.drain(..));
    }
    /// Puts a fragment in a slot, and says in which. Field by field, as [`Pbuf::fill_empty`] does it, and so does all that
    /// `packet` comes through: an optional packet in a slot that was one of two kinds was copied in pieces that stalled the
    /// processor, for a tenth of the time of a flood (capture `fragments` of `benches/peers`).
    #[inline]
    fn occupy(&mut self, extent: Extent, pieces: u16, packet: Pbuf) -> u16 {
        let (at, slot) = if self.vacant == 0 {
            (self.slots.len() as u16, self.slots.add())
        } else {
            (self.next_vacant, &mut self.slots[usize::from(self.next_vacant)])
        };
        if self.vacant > 0 {
            self.vacant -= 1;
            self.next_vacant = slot.next;
        }
        (slot.extent, slot.pieces) = (extent, pieces);
        slot.packet.fill_empty(packet);
        at
    }
    /// A kept fragment loses a piece, and goes with the last.
    fn let_go(&mut self, at: u16) {
        let slot = &mut self.slots[usize::from(at)];
        slot.pieces -= 1;
        if slot.pieces == 0 {
            self.kept_bytes -= kept_cost(slot.packet.len() as u32);
            *slot = Slot { next: core::mem::replace(&mut self.next_vacant, at), ..Slot::VACANT };
            self.vacant += 1;
        }
    }

    /// The header of the fragment with the first byte.
    pub(super) fn header(&self) -> Option<&[u8]> {
        let first = self.pieces.first().filter(|piece| piece.start == 0)?;
        let slot = self.slots.get(usize::from(first.slot))?;
        slot.packet.get(..slot.header_len())
    }
    /// The payload in order. Nothing is copied: each piece is a view of its fragment's buffer.
    pub(super) fn into_chain(mut self) -> PbufChain {
        let mut chain = PbufChain::new();
        for piece in self.pieces.iter() {
            let slot = &mut self.slots[usize::from(piece.slot)];
            let begin = slot.header_len() + usize::from(piece.start - slot.extent.start);
            let part = begin..begin + usize::from(piece.end - piece.start);
            slot.pieces -= 1;
            // The last piece takes the reference of the fragment over.
            let mut view = if slot.pieces == 0 { core::mem::take(&mut slot.packet) } else { slot.packet.clone() };
            view.narrow(part);
            // Never refused: a datagram has at most 65,535 bytes.
            let _ = chain.push_back(view).is_ok();
        }
        chain
    }
}

impl Plan {
    /// The bytes `start..end`, if there are any, are the fragment's.
    fn give(&mut self, start: u16, end: u16) {
        if start >= end {
            return;
        }
        match self.by.last_mut() {
            Some(last) if last.slot == NEW && last.end == start => last.end = end,
            _ => self.by.push(Piece { start, end, slot: NEW }),
        }
    }
    /// A piece, if anything is left of it, stays.
    fn leave(&mut self, piece: Piece) {
        if piece.start < piece.end {
            self.by.push(piece);
        }
    }
}

/// Memory that a kept fragment of `packet_len` bytes takes beside its slot: the bytes, and what describes their buffer. All of
/// what the first fragment of a datagram takes.
pub(super) const fn kept_cost(packet_len: u32) -> u64 {
    const BUFFER: u64 = 64;
    packet_len as u64 + BUFFER
}

/// Stands in a plan for the slot that the fragment will get. No slot has this number (2).
const NEW: u16 = u16::MAX;
