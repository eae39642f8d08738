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
#[derive(Debug, Default)]
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
enum Slot {
    /// `packet` ends with the bytes of `extent`, and begins with the header before them.
    Kept {
        extent: Extent,
        packet: Pbuf,
        pieces: u16,
    },
    Vacant {
        next: u16,
    },
}

impl Default for Slot {
    fn default() -> Self {
        Self::Vacant { next: 0 }
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

impl Assembly {
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
        matches!(slot, Some(Slot::Kept { extent, packet, .. }) if packet.ends_with(bytes) && bytes.len() == extent.len().into())
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
        let mut at = new.start;
        for &piece in replaced {
            plan.give(at, piece.start);
            let Some(Slot::Kept { extent: old, .. }) = self.slots.get(usize::from(piece.slot)) else {
                unreachable!("a piece has a kept fragment (1)")
            };
            if policy.newer_wins(*old, new) {
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

    /// Bytes of memory that `plan` takes beyond what is taken, for a fragment of `packet_len` bytes with its header; what it
    /// lets go is not counted against it.
    pub(super) fn growth(&self, plan: &Plan, packet_len: u32) -> u64 {
        if !plan.keeps() {
            return 0;
        }
        let pieces = self.pieces.growth(self.pieces.len() - plan.replaced.len() + plan.by.len());
        let slots = if self.vacant == 0 { self.slots.growth(self.slots.len() + 1) } else { 0 };
        (pieces + slots) as u64 + kept_cost(packet_len as usize)
    }
    /// Bytes of memory taken.
    pub(super) fn memory(&self) -> u64 {
        (self.pieces.memory() + self.slots.memory()) as u64 + self.kept_bytes
    }

    /// Takes the fragment that `plan` was made for; `ends` says that none follows it. `packet` is its header and payload,
    /// when the plan keeps some of it.
    pub(super) fn take(&mut self, new: Extent, ends: bool, plan: &mut Plan, packet: Option<Pbuf>) {
        self.reach = self.reach.max(new.end);
        self.ended |= ends;
        let Some(packet) = packet.filter(|_| plan.keeps()) else { return };
        self.kept_bytes += kept_cost(packet.len());
        self.covered += plan.gained;
        for piece in plan.by.iter().filter(|piece| piece.slot != NEW) {
            self.count(piece.slot, |pieces| pieces + 1);
        }
        for at in plan.replaced.clone() {
            self.count(self.pieces[at].slot, |pieces| pieces - 1);
        }
        let slot = self.occupy(Slot::Kept { extent: new, packet, pieces: plan.won });
        plan.by.iter_mut().filter(|piece| piece.slot == NEW).for_each(|piece| piece.slot = slot);
        match plan.by[..] {
            // As always when no byte was sent twice.
            [piece] if plan.replaced.is_empty() => self.pieces.insert(plan.replaced.start, piece),
            _ => self.pieces.splice(plan.replaced.clone(), plan.by.drain(..)),
        }
    }
    /// Puts a fragment in a slot, and says in which.
    fn occupy(&mut self, kept: Slot) -> u16 {
        let at = self.next_vacant;
        if self.vacant > 0
            && let Some(slot @ &mut Slot::Vacant { next }) = self.slots.get_mut(usize::from(at))
        {
            self.vacant -= 1;
            self.next_vacant = next;
            *slot = kept;
            return at;
        }
        let at = self.slots.len();
        self.slots.insert(at, kept);
        at as u16
    }
    /// Changes the number of pieces of a kept fragment, and lets it go with the last.
    fn count(&mut self, at: u16, change: impl FnOnce(u16) -> u16) {
        let slot = &mut self.slots[usize::from(at)];
        let Slot::Kept { packet, pieces, .. } = slot else { return };
        *pieces = change(*pieces);
        if *pieces == 0 {
            self.kept_bytes -= kept_cost(packet.len());
            *slot = Slot::Vacant { next: core::mem::replace(&mut self.next_vacant, at) };
            self.vacant += 1;
        }
    }

    /// The header of the fragment with the first byte.
    pub(super) fn header(&self) -> Option<&[u8]> {
        let first = self.pieces.first().filter(|piece| piece.start == 0)?;
        let Slot::Kept { extent, packet, .. } = self.slots.get(usize::from(first.slot))? else { return None };
        packet.get(..header_len(packet, *extent))
    }
    /// The payload in order. Nothing is copied: each piece is a view of its fragment's buffer.
    pub(super) fn into_chain(mut self) -> PbufChain {
        let mut chain = PbufChain::new();
        for piece in self.pieces.iter() {
            let slot = self.slots.get_mut(usize::from(piece.slot));
            let Some(Slot::Kept { extent, packet, pieces }) = slot else { continue };
            let before = header_len(packet, *extent);
            let part = before + usize::from(piece.start - extent.start)..before + usize::from(piece.end - extent.start);
            *pieces -= 1;
            // The last piece takes the reference of the fragment over.
            let mut view = if *pieces == 0 { core::mem::take(packet) } else { packet.clone() };
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

/// Bytes before the payload.
fn header_len(packet: &[u8], extent: Extent) -> usize {
    packet.len() - usize::from(extent.len())
}

/// Memory that a kept fragment of `packet_len` bytes takes beside its slot: the bytes, and what describes their buffer.
const fn kept_cost(packet_len: usize) -> u64 {
    const BUFFER: u64 = 64;
    packet_len as u64 + BUFFER
}

/// Stands in a plan for the slot that the fragment will get. No slot has this number (2).
const NEW: u16 = u16::MAX;
