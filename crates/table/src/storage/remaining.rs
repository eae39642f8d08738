//! The flows that a run leaves behind, in the order of their records.
//!
//! There may be ten million of them. As [`EndedFlow`]s, which say of themselves how they are ordered, they would take 32
//! bytes each, a fifth of what a flow takes. So only their slots are kept, 4 bytes each, in a list for every thousand
//! packets that may have begun a flow. One list at a time is put in order and handed out. Its flows are asked of memory
//! together, and lie in the core's cache until their records are made.
//!
//! Where no records are made there is no order either: flows are then shown as they lie in memory.

use core::cmp::Reverse;
use core::ptr::NonNull;

use flumen_model::{EndReason, Timestamp};

use super::{EndedFlow, SlotId, beginning_place, detail_place, line_place};
use crate::flow::Flow;
use crate::prefetch::{prefetch, prefetch_all};
use crate::table::FlowTable;

/// Every flow that was in a table, and what had ended before, one by one in the order of [`EndedFlow::order`].
#[derive(Debug)]
pub struct Remaining<'t> {
    table: &'t FlowTable,
    at: Timestamp,
    /// What had ended before; the next one is last.
    ended: Vec<EndedFlow>,
    /// A bit for each slot with a flow that was in the table: taken from the rows, which name slots in any order, and looked
    /// through in the order in which flows lie in memory: 25 ns a flow, where fetching them row by row, asked for ahead,
    /// took 39 (SYN flood of `benches/peers`).
    slots: Vec<u64>,
    lists: Lists,
    /// Lists that have been handed out.
    done: usize,
    /// The flows of the list before, each as the lower half of its origin and its slot; the next one is last. Of these and
    /// of all in `slots` or `lists` the count that a row had is owned here.
    next: Vec<u64>,
    left: usize,
    retired: u64,
}

/// Flows of `ended` whose memory is asked for ahead of the one that is handed out.
const SOON: usize = 6;
/// How far ahead flows are asked for that lie one behind the other.
const AHEAD: usize = 24;
const WORD: usize = u64::BITS as usize;

impl<'t> Remaining<'t> {
    pub(crate) fn new(table: &'t FlowTable, at: Timestamp) -> Self {
        let (slots, lists) = (Vec::new(), Lists::new());
        Self { table, at, ended: Vec::new(), slots, lists, done: 0, next: Vec::new(), left: 0, retired: 0 }
    }

    /// Takes over the count that a row held. To be called before [`Remaining::sorted`].
    ///
    /// # Safety
    /// The flow in `slot` has just been taken out of its row, under the row's lock, by the caller.
    pub(crate) unsafe fn put(&mut self, slot: SlotId) {
        let (word, bit) = (slot.raw() as usize / WORD, slot.raw() as usize % WORD);
        if word >= self.slots.len() {
            self.slots.resize(word + 1, 0);
        }
        self.slots[word] |= 1 << bit;
        self.left += 1;
    }
    /// Shows each flow that was in the table, as they lie in memory, and makes its slot spare.
    pub(crate) fn each(mut self, mut visit: impl FnMut(&EndedFlow)) {
        let mut place = 0;
        while let Some(slot) = self.take_slot(&mut place) {
            let flow = self.unlinked(slot);
            visit(&flow);
            self.retire(flow);
        }
    }
    /// A flow that was taken out of `slots`.
    fn unlinked(&mut self, slot: SlotId) -> EndedFlow {
        let flow = self.table.store.flow_ptr(slot);
        prefetch(line_place(flow).wrapping_add(AHEAD).cast());
        prefetch(detail_place(flow).wrapping_byte_add(AHEAD * 64).cast());
        prefetch(flow.as_ptr().wrapping_add(AHEAD).cast());
        self.left -= 1;
        // SAFETY:
        // - Its count was taken over in `put`, and passes on now.
        unsafe { EndedFlow::unlinked(flow, self.at, EndReason::Shutdown, false) }
    }
    /// Takes the next slot out of `slots`, from the word `place` on.
    #[inline(always)]
    fn take_slot(&mut self, place: &mut usize) -> Option<SlotId> {
        loop {
            let bits = self.slots.get_mut(*place)?;
            if let Some(slot) = lowest(*place, *bits) {
                *bits &= *bits - 1;
                return Some(slot);
            }
            *place += 1;
        }
    }
    /// Makes the lists, and adds what had ended before.
    pub(crate) fn sorted(mut self, mut ended: Vec<EndedFlow>) -> Self {
        let mut place = 0;
        while let Some(slot) = self.take_slot(&mut place) {
            let flow = self.table.store.flow_ptr(slot);
            prefetch(flow.as_ptr().wrapping_add(AHEAD).cast());
            self.lists.put(origin_of(flow), slot);
        }
        self.slots = Vec::new();
        ended.sort_unstable_by_key(|flow| Reverse(flow.order()));
        self.left += ended.len();
        self.ended = ended;
        self
    }

    /// How many are left.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.left
    }
    /// Whether none is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Makes the slot of a flow spare whose record was made. With the run over nobody will take it: it is only counted,
    /// where a place in the pool takes twice what it takes here.
    pub fn retire(&mut self, ended: EndedFlow) {
        self.retired += u64::from(ended.retire(&self.table.store));
    }

    /// The next flow that was in the table.
    fn peek(&mut self) -> Option<NonNull<Flow>> {
        let store = &self.table.store;
        while self.next.is_empty() {
            self.next.extend(self.lists.of(self.done)?.map(|slot| {
                let flow = store.flow_ptr(slot);
                prefetch_all(flow);
                u64::from(slot.raw())
            }));
            self.done += 1;
            for next in &mut self.next {
                *next |= origin_of(store.flow_ptr(slot_in(*next))) << 32;
            }
            self.next.sort_unstable_by_key(|&next| Reverse(next));
        }
        self.next.last().map(|&next| store.flow_ptr(slot_in(next)))
    }
}

/// The lowest slot of a word of bits.
fn lowest(word: usize, bits: u64) -> Option<SlotId> {
    let bit = (bits != 0).then(|| bits.trailing_zeros())?;
    SlotId::from_raw(word as u32 * u64::BITS + bit)
}

fn slot_in(next: u64) -> SlotId {
    SlotId::from_raw(next as u32).expect("put there as one")
}

/// Origin of a flow that was taken out of its row, of which the row's count is owned here.
fn origin_of(flow: NonNull<Flow>) -> u64 {
    // SAFETY:
    // - The flow is in use, as long as its count is not given up.
    let this = unsafe { flow.as_ref() };
    this.body_use.read();
    // SAFETY:
    // - It is in no row, and a `FlowRef` reaches a beginning only through a row.
    unsafe { &*beginning_place(flow) }.origin
}

impl Iterator for Remaining<'_> {
    type Item = EndedFlow;

    fn next(&mut self) -> Option<EndedFlow> {
        let next = self.peek();
        let before = |ended: &EndedFlow| next.is_none_or(|flow| ended.order() < (self.at, origin_of(flow)));
        let flow = if self.ended.last().is_some_and(before) {
            if let Some(soon) = self.ended.len().checked_sub(1 + SOON) {
                self.ended[soon].prefetch();
            }
            self.ended.pop()?
        } else {
            self.next.pop();
            // SAFETY:
            // - Its count was taken over in `put`, and passes on now.
            unsafe { EndedFlow::unlinked(next?, self.at, EndReason::Shutdown, false) }
        };
        self.left -= 1;
        Some(flow)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Remaining<'_> {}

impl Drop for Remaining<'_> {
    /// What was not handed out gives its slot back, as every ended flow does.
    fn drop(&mut self) {
        self.by_ref().for_each(drop);
        let mut place = 0;
        while let Some(slot) = self.take_slot(&mut place) {
            drop(self.unlinked(slot));
        }
        self.table.note_retired(self.retired);
    }
}

/// Slots by the origin of their flows: in pieces that are linked, so that a list that grows moves nothing and leaves nothing behind.
#[derive(Debug)]
struct Lists {
    /// A list has the origins that are the same without so many bits.
    bits: u32,
    /// The first piece of each list, as a number of `pieces`.
    first: Vec<u32>,
    pieces: Vec<Piece>,
}

/// Part of a list: four cache lines.
#[derive(Debug)]
struct Piece {
    slots: [Option<SlotId>; PIECE],
    len: u32,
    next: u32,
}

const PIECE: usize = 62;
/// The number of no piece.
const NONE: u32 = u32::MAX;

impl Lists {
    /// At first a list has a thousand origins: what a packet may open is one flow, and a thousand flows are 200 kB.
    const BITS: u32 = 10;
    /// When there would be more lists than this, each gets twice as many origins: so those of a list differ in their lower
    /// halves only, for 2^48 packets.
    const MAX: u64 = 1 << 16;

    const fn new() -> Self {
        Self { bits: Self::BITS, first: Vec::new(), pieces: Vec::new() }
    }

    fn put(&mut self, origin: u64, slot: SlotId) {
        while origin >> self.bits >= Self::MAX {
            self.widen();
        }
        let list = (origin >> self.bits) as usize;
        if list >= self.first.len() {
            self.first.resize(list + 1, NONE);
        }
        let first = &mut self.first[list];
        if self.pieces.get(*first as usize).is_none_or(|piece| piece.len as usize == PIECE) {
            self.pieces.push(Piece { slots: [None; PIECE], len: 0, next: *first });
            *first = self.pieces.len() as u32 - 1;
        }
        let piece = &mut self.pieces[*first as usize];
        piece.slots[piece.len as usize] = Some(slot);
        piece.len += 1;
    }

    /// Makes one list of each two.
    fn widen(&mut self) {
        self.bits += 1;
        for list in 0..self.first.len().div_ceil(2) {
            let (one, other) = (self.first[2 * list], self.first.get(2 * list + 1).copied().unwrap_or(NONE));
            self.first[list] = self.join(one, other);
        }
        self.first.truncate(self.first.len().div_ceil(2));
    }
    /// Puts a list behind another.
    fn join(&mut self, one: u32, other: u32) -> u32 {
        let Some(mut last) = self.pieces.get(one as usize).map(|_| one) else { return other };
        while self.pieces[last as usize].next != NONE {
            last = self.pieces[last as usize].next;
        }
        self.pieces[last as usize].next = other;
        one
    }

    /// The slots of a list, in no particular order; `None` behind the last list.
    fn of(&self, list: usize) -> Option<impl Iterator<Item = SlotId> + '_> {
        let piece = |number: u32| self.pieces.get(number as usize);
        let first = piece(*self.first.get(list)?);
        let pieces = core::iter::successors(first, move |last| piece(last.next));
        Some(pieces.flat_map(|piece| piece.slots[..piece.len as usize].iter().flatten().copied()))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "many lists, and nothing unsafe")]
    fn origins_of_any_size_then_every_slot_in_a_list_in_order() {
        let mut lists = Lists::new();
        let origins = (0..400).map(|i| i * 37).chain((0..40).map(|i| 1 << i)).chain([u64::MAX]);
        let origins: Vec<(u64, SlotId)> = origins.zip((1..).filter_map(SlotId::from_raw)).collect();
        for &(origin, slot) in origins.iter().rev() {
            lists.put(origin, slot);
        }
        let (mut seen, mut last) = (0, None);
        for list in 0.. {
            let Some(slots) = lists.of(list) else { break };
            let mut of_list: Vec<u64> = slots.map(|slot| origins[slot.raw() as usize - 1].0).collect();
            of_list.sort_unstable();
            assert!(of_list.iter().all(|&origin| Some(origin) >= last), "lists follow each other");
            last = of_list.last().copied().or(last);
            seen += of_list.len();
        }
        assert_eq!(seen, origins.len());
        assert!(lists.first.len() <= Lists::MAX as usize);
    }
}
