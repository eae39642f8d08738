//! The store: slabs of blocks of flows, charged to the memcap block by block.

use core::ptr::NonNull;
use core::sync::atomic::AtomicPtr;

use flumen_kref::{Boxed, CountOffset, Ref, RefCounted, Unique, count_offset};

use super::block::{
    self, ANNEX_BYTES, BLOCK_BYTES, BLOCK_FLOWS, HEAD_BYTES, SLAB_BLOCKS, SLAB_BYTES, SlabHead, annex_offset_of,
    detail_offset_of, line_offset_of, offset_of, slot_of,
};
use super::pages::PageSize;
use super::{Link, Pages, SlotId, SpareFlow, Width};
use crate::flow::Flow;
use crate::memcap::Memcap;
use crate::prim::{AtomicU32, Mutex, Ordering, lock};
use crate::side::SideLayout;

/// One block in so many is wide though nobody asked for it.
const WIDE_SHARE: u32 = 8;

/// All slots of a table.
#[derive(Debug)]
pub(crate) struct FlowStore {
    /// Bases of the slabs by number; null where there is none yet.
    directory: Box<[AtomicPtr<u8>]>,
    /// Bases of their annexes, for prefetches.
    annexes: Box<[AtomicPtr<u8>]>,
    sides: Option<Sides>,
    blocks: Mutex<Blocks>,
    /// Slots that came back by themselves: their last reference was dropped after the table had let go.
    returned: Mutex<Returned>,
    returned_len: AtomicU32,
    pub(crate) memcap: Memcap,
}

/// The slots' sides: slabs of their own, with a part for each block.
#[derive(Debug)]
struct Sides {
    layout: SideLayout,
    /// Bases of the slabs by number, as in [`FlowStore`].
    directory: Box<[AtomicPtr<u8>]>,
    /// Bytes of a block's sides, in whole pages.
    block_bytes: usize,
}

/// Where a slot is, and what belongs to it: see [`FlowStore::hints`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hints {
    pub(crate) flow: *const u8,
    pub(crate) line: *const u8,
    pub(crate) detail: *const u8,
}

/// What is known of the slots that the table has let go of.
#[derive(Debug, Default)]
struct Returned {
    slots: Vec<SlotId>,
    /// Slots still referenced, each of which holds a reference to the store.
    orphans: u64,
    /// The table is gone: now every slot that is out holds a reference to the store.
    abandoned: bool,
}

#[derive(Debug, Default)]
struct Blocks {
    slabs: Vec<Slab>,
    /// Blocks below this number have been taken at least once.
    next: u32,
    free: Vec<u32>,
    taken: u32,
    /// How many of those are wide.
    taken_wide: u32,
}

/// Memory of so many blocks.
#[derive(Debug)]
struct Slab {
    /// The blocks, and the slab's head behind them.
    blocks: Pages,
    annexes: Pages,
    sides: Option<Pages>,
}

impl Slab {
    fn head(&self) -> &SlabHead {
        // SAFETY:
        // - The head was written when the slab was made, and lies within its pages.
        unsafe { &*self.head_ptr() }
    }
    const fn head_ptr(&self) -> *mut SlabHead {
        self.blocks.base().as_ptr().wrapping_add(SLAB_BYTES).cast()
    }
}

impl FlowStore {
    /// A store for as many blocks as `memcap` could ever pay for, or `blocks_max` if that is more.
    pub(crate) fn new(memcap: Memcap, blocks_max: u64, side: Option<SideLayout>) -> Ref<Boxed<Self>> {
        let slabs =
            blocks_max.div_ceil(u64::from(SLAB_BLOCKS)).clamp(1, (u64::from(u32::MAX) >> 7) / u64::from(SLAB_BLOCKS));
        let directory = || (0..slabs).map(|_| AtomicPtr::new(core::ptr::null_mut())).collect();
        let store = Self {
            directory: directory(),
            annexes: directory(),
            sides: side.map(|layout| Sides {
                layout,
                directory: directory(),
                block_bytes: (layout.words() * size_of::<u64>() * BLOCK_FLOWS).next_multiple_of(4096),
            }),
            blocks: Mutex::new(Blocks::default()),
            returned: Mutex::new(Returned::default()),
            returned_len: AtomicU32::new(0),
            memcap,
        };
        Boxed::new(store).into_ref()
    }

    /// Takes a block within the memcap and hands its hundred flows to `spare`; `false` when there is none to be had.
    /// It may be wider than asked for.
    pub(crate) fn take_block(this: &Ref<Boxed<Self>>, width: Width, mut spare: impl FnMut(SpareFlow)) -> bool {
        let Some(block) = this.reserve_block(width, Ref::as_ptr(this)) else { return false };
        for index in 0..BLOCK_FLOWS {
            let flow = this.flow_ptr(SlotId::new(block, index));
            // Under loom alone zeroes are no flow.
            #[cfg(loom)]
            // SAFETY:
            // - The block was just taken, so nobody else uses its memory, and the slot lies within it.
            unsafe {
                flow.as_ptr().write(Flow::vacant());
            }
            // SAFETY:
            // - The block was just taken and its memory is zeroed: a flow whose count is zero, as its fields are integers and an
            //   enum that has a zero. This is its only handle.
            spare(SpareFlow(unsafe { Unique::from_raw(flow) }));
        }
        true
    }

    /// Number of a block that is in no use, charged and with memory behind it.
    fn reserve_block(&self, width: Width, this: NonNull<Boxed<Self>>) -> Option<u32> {
        let mut blocks = lock(&self.blocks);
        let due = blocks.taken_wide * WIDE_SHARE <= blocks.taken;
        let width = [(due, Width::Wide), (true, width)]
            .into_iter()
            .find(|&(tried, width)| tried && self.memcap.charge(self.block_cost(width)))?
            .1;
        let Some(block) = self.free_block(&mut blocks, this) else {
            self.memcap.give_back(self.block_cost(width));
            return None;
        };
        blocks.slabs[(block / SLAB_BLOCKS) as usize].head().set_wide(block, width == Width::Wide);
        blocks.taken += 1;
        blocks.taken_wide += u32::from(width == Width::Wide);
        Some(block)
    }

    fn free_block(&self, blocks: &mut Blocks, this: NonNull<Boxed<Self>>) -> Option<u32> {
        if let Some(block) = blocks.free.pop() {
            return Some(block);
        }
        let block = blocks.next;
        let number = block / SLAB_BLOCKS;
        let entry = self.directory.get(number as usize)?;
        if blocks.slabs.len() == number as usize {
            let slab = self.new_slab(number, this)?;
            // Release pairs with nothing: whoever learns a slot's number learns it under a lock that was
            // released after this store.
            entry.store(slab.blocks.base().as_ptr(), Ordering::Release);
            self.annexes[number as usize].store(slab.annexes.base().as_ptr(), Ordering::Release);
            blocks.slabs.push(slab);
        }
        blocks.next += 1;
        Some(block)
    }

    fn new_slab(&self, number: u32, this: NonNull<Boxed<Self>>) -> Option<Slab> {
        let slab = Slab {
            blocks: Pages::zeroed(SLAB_BYTES + HEAD_BYTES, SLAB_BYTES, PageSize::Huge)?,
            annexes: Pages::zeroed(SLAB_BLOCKS as usize * ANNEX_BYTES, ANNEX_BYTES, PageSize::Small)?,
            sides: match &self.sides {
                Some(sides) => Some(Pages::huge(SLAB_BLOCKS as usize * sides.block_bytes)?),
                None => None,
            },
        };
        if let (Some(sides), Some(pages)) = (&self.sides, &slab.sides) {
            sides.directory[number as usize].store(pages.base().as_ptr(), Ordering::Release);
        }
        let head = SlabHead::new(this, slab.annexes.base(), number);
        // SAFETY:
        // - Nobody knows of the pages yet, and the head lies within them.
        unsafe { slab.head_ptr().write(head) };
        Some(slab)
    }

    /// Gives a block back to the operating system and to the memcap.
    pub(crate) fn give_back_block(&self, flows: Vec<SpareFlow>) {
        assert_eq!(flows.len(), BLOCK_FLOWS, "a block goes back whole");
        let (block, width) = (flows[0].slot().block(), flows[0].width());
        assert!(flows.iter().all(|f| f.slot().block() == block), "a block goes back whole");
        flows.into_iter().for_each(SpareFlow::forget);
        let mut blocks = lock(&self.blocks);
        let slab = &blocks.slabs[(block / SLAB_BLOCKS) as usize];
        let place = (block % SLAB_BLOCKS) as usize;
        // SAFETY:
        // - All flows of the block were owned by the caller and have been given up; what is in them owns nothing.
        unsafe { slab.blocks.discard(place * BLOCK_BYTES, BLOCK_BYTES) };
        if width == Width::Wide {
            // SAFETY:
            // - The annex is only reached by who holds flows of the block or their rows.
            unsafe { slab.annexes.discard(place * ANNEX_BYTES, ANNEX_BYTES) };
        }
        if let (Some(sides), Some(pages)) = (&self.sides, &slab.sides) {
            // SAFETY:
            // - Likewise sides; they are plain words.
            unsafe { pages.discard(place * sides.block_bytes, sides.block_bytes) };
        }
        blocks.free.push(block);
        blocks.taken -= 1;
        blocks.taken_wide -= u32::from(width == Width::Wide);
        drop(blocks);
        self.memcap.give_back(self.block_cost(width));
    }

    /// What a block costs, with the sides of its flows.
    pub(crate) fn block_cost(&self, width: Width) -> u64 {
        let annex = if width == Width::Wide { ANNEX_BYTES } else { 0 };
        (BLOCK_BYTES + annex + self.sides.as_ref().map_or(0, |sides| sides.block_bytes)) as u64
    }

    /// How many wide blocks, of `blocks` that are to be given back, are more than their share of those that are left.
    pub(crate) fn surplus_wide(&self, blocks: usize) -> usize {
        let all = lock(&self.blocks);
        let left = (all.taken as usize).saturating_sub(blocks);
        (all.taken_wide as usize).saturating_sub(left.div_ceil(WIDE_SHARE as usize)).min(blocks)
    }

    /// Wide blocks that are taken.
    pub(crate) fn wide_blocks_taken(&self) -> u32 {
        lock(&self.blocks).taken_wide
    }
    /// Whether a slot is in a wide block; `false` for one that does not exist.
    pub(crate) fn is_wide(&self, slot: SlotId) -> bool {
        let blocks = lock(&self.blocks);
        blocks.slabs.get((slot.block() / SLAB_BLOCKS) as usize).is_some_and(|slab| slab.head().is_wide(slot.block()))
    }

    /// Blocks that are taken.
    pub(crate) fn blocks_taken(&self) -> u32 {
        lock(&self.blocks).taken
    }

    /// Moves the slots that came back by themselves to `spare`.
    pub(crate) fn collect_returned(&self, spare: &mut Vec<SpareFlow>) {
        // A hint: a slot that is missed now is found the next time.
        if self.returned_len.load(Ordering::Relaxed) == 0 {
            return;
        }
        let slots = {
            let mut returned = lock(&self.returned);
            self.returned_len.store(0, Ordering::Relaxed);
            core::mem::take(&mut returned.slots)
        };
        // SAFETY:
        // - `release` put each slot here when its flow had no owner left: these are its only handles.
        spare.extend(slots.into_iter().map(|slot| SpareFlow(unsafe { Unique::from_raw(self.flow_ptr(slot)) })));
    }

    /// Counts a slot that is about to become an orphan, or one that did not.
    pub(super) fn count_orphan(&self, orphan: bool) {
        let mut returned = lock(&self.returned);
        returned.orphans = if orphan { returned.orphans + 1 } else { returned.orphans - 1 };
    }

    /// The table goes, with `home` slots in its pool. What else is out (an ended flow that nobody gave back, and perhaps
    /// still references) gets a reference to the store each, so that its memory stays until it is dropped.
    pub(crate) fn abandon(this: &Ref<Boxed<Self>>, home: u64) {
        let slots = u64::from(this.blocks_taken()) * BLOCK_FLOWS as u64;
        let mut returned = lock(&this.returned);
        returned.abandoned = true;
        let out = slots - home - returned.slots.len() as u64 - returned.orphans;
        for _ in 0..out {
            let _ = Ref::into_raw(Ref::clone(this));
        }
    }

    /// Whether a flow in use, known by reference, is one of this store's.
    pub(crate) fn owns(&self, flow: &Ref<Flow>) -> bool {
        // SAFETY:
        // - A store is alive as long as a flow of it can be reached.
        core::ptr::eq::<Self>(self, &**unsafe { block::store_of(Ref::as_ptr(flow)).as_ref() })
    }

    /// Shows the slots that came back by themselves and have not been collected.
    pub(crate) fn for_each_returned(&self, visit: impl FnMut(SlotId)) {
        lock(&self.returned).slots.iter().copied().for_each(visit);
    }

    /// Place of a slot. Only the address: whether the flow may be looked at is the caller's business.
    #[inline]
    pub(crate) fn flow_ptr(&self, slot: SlotId) -> NonNull<Flow> {
        let slab = self.directory[(slot.block() / SLAB_BLOCKS) as usize].load(Ordering::Relaxed);
        NonNull::new(slab.wrapping_add(offset_of(slot)).cast()).expect("the slab of a slot that was handed out")
    }

    /// Place of a flow's side, when there are sides. Only the address, as with [`FlowStore::flow_ptr`]; the words behind
    /// it are initialised, as a slab is zeroed memory.
    #[inline]
    pub(crate) fn side_ptr(&self, flow: NonNull<Flow>) -> Option<(&SideLayout, NonNull<[u64]>)> {
        let sides = self.sides.as_ref()?;
        let slot = slot_of(flow);
        let block = slot.block();
        let slab = sides.directory[(block / SLAB_BLOCKS) as usize].load(Ordering::Relaxed);
        let words = sides.layout.words();
        let offset = (block % SLAB_BLOCKS) as usize * sides.block_bytes + slot.index() * words * size_of::<u64>();
        let first = NonNull::new(slab.wrapping_add(offset).cast()).expect("the slab of a slot that was handed out");
        Some((&sides.layout, NonNull::slice_from_raw_parts(first, words)))
    }

    /// Addresses of a slot, of its line and of its detail for prefetches: any number will do, and they may be nonsense.
    #[inline]
    pub(crate) fn hints(&self, slot: SlotId) -> Hints {
        let slab = self.directory.get((slot.block() / SLAB_BLOCKS) as usize);
        let slab = slab.map_or(core::ptr::null_mut(), |slab| slab.load(Ordering::Relaxed));
        let at = |offset| slab.wrapping_add(offset).cast_const();
        Hints { flow: at(offset_of(slot)), line: at(line_offset_of(slot)), detail: at(detail_offset_of(slot)) }
    }
    /// The same for what the slot has in its annex.
    #[inline]
    pub(crate) fn annex_hint(&self, slot: SlotId) -> *const u8 {
        let annexes = self.annexes.get((slot.block() / SLAB_BLOCKS) as usize);
        let base = annexes.map_or(core::ptr::null_mut(), |annexes| annexes.load(Ordering::Relaxed));
        base.wrapping_add(annex_offset_of(slot))
    }
}

// SAFETY:
// - The beginning is an `UnsafeCell`, and so are key, body and detail, which lie elsewhere: the key changes only while one
//   handle owns the flow, the others only under the lock of its row or by that owner. All are plain data that any thread may hold.
unsafe impl Sync for Flow {}

// SAFETY:
// - Flows are made by `take_block` alone, which hands out a `Unique`; `Flow` is not `Clone` and has private fields.
// - The count is touched by the handles only; `COUNT` names the embedded count.
// - `release` makes the slot available through `collect_returned`, which is the only place that takes it from there.
unsafe impl RefCounted for Flow {
    const COUNT: CountOffset<Self> = count_offset!(Self, count);

    unsafe fn release(this: NonNull<Self>) {
        let (slot, store) = (slot_of(this), block::store_of(this));
        // SAFETY:
        // - The caller owns the flow alone; it is still whole.
        let flow = unsafe { this.as_ref() };
        let orphan = flow.next.swap(Link::UNLINKED, Ordering::Relaxed) == Link::ORPHAN;
        if !orphan {
            // The table may go as soon as the slot is home, so the store is held until this is over.
            // SAFETY:
            // - The store is alive: the table holds it while a slot is out, or this slot does (`abandon`).
            unsafe { Ref::increment(store) };
        }
        // SAFETY:
        // - An orphan owns one count of its store (`EndedFlow::recycle`); otherwise one was just taken.
        let held = unsafe { Ref::from_raw(store) };
        let abandoned = {
            let mut returned = lock(&held.returned);
            returned.orphans -= u64::from(orphan);
            returned.slots.push(slot);
            held.returned_len.fetch_add(1, Ordering::Relaxed);
            returned.abandoned
        };
        if abandoned && !orphan {
            // SAFETY:
            // - `abandon` left a count for every slot that was out and no orphan.
            drop(unsafe { Ref::from_raw(store) });
        }
    }
}
