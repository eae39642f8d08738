//! The store: slabs of blocks of flows, charged to the memcap block by block.

use core::marker::PhantomPinned;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU64};

use flumen_kref::{Boxed, CountOffset, Ref, RefCounted, Refcount, Unique, count_offset};

use flumen_model::FlowKey;

use super::{BLOCK_FLOWS, Link, Pages, SlotId, SpareFlow};
use crate::flow::{Flow, FlowBody};
use crate::memcap::Memcap;
use crate::prim::{AtomicU32, Mutex, Ordering, Witness, lock};
use crate::side::SideLayout;

/// Bytes of a block, all of which are charged: five pages.
#[cfg(not(loom))]
pub(crate) const BLOCK_BYTES: usize = 5 * 4096;
#[cfg(loom)]
pub(crate) const BLOCK_BYTES: usize = (size_of::<Block>() + 4095) / 4096 * 4096;

/// Blocks of a slab, a power of two: 20 MiB of address space.
const SLAB_BLOCKS: u32 = if cfg!(any(miri, loom)) { 2 } else { 1024 };

#[repr(C)]
struct Block {
    header: BlockHeader,
    flows: [Flow; BLOCK_FLOWS],
    /// Origins of the flows that have the outsides of these flows' packets; what is left of the last page holds them. Written
    /// and read as the flow's body is, and only of flows that have an outside.
    parents: [AtomicU64; BLOCK_FLOWS],
}

#[repr(C, align(64))]
struct BlockHeader {
    store: NonNull<Boxed<FlowStore>>,
}

const _: () = assert!(size_of::<Block>() <= BLOCK_BYTES);

/// All slots of a table.
#[derive(Debug)]
pub(crate) struct FlowStore {
    /// Bases of the slabs by number; null where there is none yet.
    directory: Box<[AtomicPtr<u8>]>,
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
    slabs: Vec<Pages>,
    /// Slabs of sides: as many as `slabs` when there are sides.
    side_slabs: Vec<Pages>,
    /// Blocks below this number have been taken at least once.
    next: u32,
    free: Vec<u32>,
    taken: u32,
}

impl FlowStore {
    /// A store for as many blocks as `memcap` could ever pay for, or `blocks_max` if that is more.
    pub(crate) fn new(memcap: Memcap, blocks_max: u64, side: Option<SideLayout>) -> Ref<Boxed<Self>> {
        let slabs =
            blocks_max.div_ceil(u64::from(SLAB_BLOCKS)).clamp(1, (u64::from(u32::MAX) >> 7) / u64::from(SLAB_BLOCKS));
        let directory = || (0..slabs).map(|_| AtomicPtr::new(core::ptr::null_mut())).collect();
        let store = Self {
            directory: directory(),
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

    /// Takes a block within the memcap and appends its hundred flows to `spare`; `false` when there is none to be had.
    pub(crate) fn take_block(this: &Ref<Boxed<Self>>, spare: &mut Vec<SpareFlow>) -> bool {
        if !this.memcap.charge(this.block_cost()) {
            return false;
        }
        let Some(block) = this.reserve_block() else {
            this.memcap.give_back(this.block_cost());
            return false;
        };
        let base = this.block_ptr(block);
        // SAFETY:
        // - The block was just taken, so nobody else uses its memory, which is large and aligned enough (asserted above).
        unsafe { base.cast::<BlockHeader>().write(BlockHeader { store: Ref::as_ptr(this) }) };
        spare.extend((0..BLOCK_FLOWS).map(|index| {
            let slot = SlotId::new(block, index);
            let flow = this.flow_ptr(slot);
            // SAFETY:
            // - As above; the slot lies within the block.
            unsafe { flow.as_ptr().write(Flow::vacant(slot)) };
            // SAFETY:
            // - A fresh value with its count at zero; its only handle.
            SpareFlow(unsafe { Unique::from_raw(flow) })
        }));
        true
    }

    /// Number of a block that is in no use, with memory behind it.
    fn reserve_block(&self) -> Option<u32> {
        let mut blocks = lock(&self.blocks);
        let block = match blocks.free.pop() {
            Some(block) => block,
            None => {
                let block = blocks.next;
                let slab = (block / SLAB_BLOCKS) as usize;
                let entry = self.directory.get(slab)?;
                if blocks.slabs.len() == slab {
                    let pages = Pages::zeroed(SLAB_BLOCKS as usize * BLOCK_BYTES)?;
                    if let Some(sides) = &self.sides {
                        let pages = Pages::zeroed(SLAB_BLOCKS as usize * sides.block_bytes)?;
                        sides.directory[slab].store(pages.base().as_ptr(), Ordering::Release);
                        blocks.side_slabs.push(pages);
                    }
                    // Release pairs with nothing: whoever learns a slot's number learns it under a lock that was
                    // released after this store.
                    entry.store(pages.base().as_ptr(), Ordering::Release);
                    blocks.slabs.push(pages);
                }
                blocks.next += 1;
                block
            }
        };
        blocks.taken += 1;
        Some(block)
    }

    /// Gives a block back to the operating system and to the memcap.
    pub(crate) fn give_back_block(&self, flows: Vec<SpareFlow>) {
        assert_eq!(flows.len(), BLOCK_FLOWS, "a block goes back whole");
        let block = flows[0].slot().block();
        assert!(flows.iter().all(|f| f.slot().block() == block), "a block goes back whole");
        flows.into_iter().for_each(SpareFlow::forget);
        let mut blocks = lock(&self.blocks);
        let slab = &blocks.slabs[(block / SLAB_BLOCKS) as usize];
        // SAFETY:
        // - All flows of the block were owned by the caller and have been given up; bodies own nothing.
        unsafe { slab.discard((block % SLAB_BLOCKS) as usize * BLOCK_BYTES, BLOCK_BYTES) };
        if let Some(sides) = &self.sides {
            let slab = &blocks.side_slabs[(block / SLAB_BLOCKS) as usize];
            // SAFETY:
            // - Sides are only reached by who holds their flows or the flows' rows; they are plain words.
            unsafe { slab.discard((block % SLAB_BLOCKS) as usize * sides.block_bytes, sides.block_bytes) };
        }
        blocks.free.push(block);
        blocks.taken -= 1;
        drop(blocks);
        self.memcap.give_back(self.block_cost());
    }

    /// What a block costs, with the sides of its flows.
    pub(crate) fn block_cost(&self) -> u64 {
        (BLOCK_BYTES + self.sides.as_ref().map_or(0, |sides| sides.block_bytes)) as u64
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
        core::ptr::addr_eq(self.flow_hint(flow.slot), Ref::as_ptr(flow).as_ptr())
    }

    /// Shows the slots that came back by themselves and have not been collected.
    pub(crate) fn for_each_returned(&self, visit: impl FnMut(SlotId)) {
        lock(&self.returned).slots.iter().copied().for_each(visit);
    }

    fn block_ptr(&self, block: u32) -> NonNull<Block> {
        let slab = self.directory[(block / SLAB_BLOCKS) as usize].load(Ordering::Relaxed);
        let offset = (block % SLAB_BLOCKS) as usize * BLOCK_BYTES;
        NonNull::new(slab.wrapping_add(offset).cast()).expect("the slab of a block that was taken")
    }

    /// Place of a slot. Only the address: whether the flow may be looked at is the caller's business.
    #[inline]
    pub(crate) fn flow_ptr(&self, slot: SlotId) -> NonNull<Flow> {
        let block = slot.block();
        let slab = self.directory[(block / SLAB_BLOCKS) as usize].load(Ordering::Relaxed);
        let offset = (block % SLAB_BLOCKS) as usize * BLOCK_BYTES
            + core::mem::offset_of!(Block, flows)
            + slot.index() * size_of::<Flow>();
        NonNull::new(slab.wrapping_add(offset).cast()).expect("the slab of a slot that was handed out")
    }

    /// Origin of the flow that has the outsides of the packets of the flow in `slot`, whose key is `key`.
    pub(crate) fn parent(&self, slot: SlotId, key: &FlowKey) -> Option<u64> {
        let has_outside = key.scope.recursion() > 0;
        has_outside.then(|| self.parent_place(slot).load(Ordering::Relaxed)).filter(|&origin| origin != 0)
    }

    /// Notes the origin of a new flow's parent; 0 for none.
    pub(crate) fn set_parent(&self, slot: SlotId, origin: u64) {
        self.parent_place(slot).store(origin, Ordering::Relaxed);
    }

    fn parent_place(&self, slot: SlotId) -> &AtomicU64 {
        let block = self.block_ptr(slot.block());
        // SAFETY:
        // - The block was taken, and slots of it are out, so that its memory stays; zeroed memory is a valid atomic.
        let parents = unsafe { &(*block.as_ptr()).parents };
        &parents[slot.index()]
    }

    /// Place of a slot's side, when there are sides. Only the address, as with [`FlowStore::flow_ptr`]; the words behind
    /// it are initialised, as a slab is zeroed memory.
    #[inline]
    pub(crate) fn side_ptr(&self, slot: SlotId) -> Option<(&SideLayout, NonNull<[u64]>)> {
        let sides = self.sides.as_ref()?;
        let block = slot.block();
        let slab = sides.directory[(block / SLAB_BLOCKS) as usize].load(Ordering::Relaxed);
        let words = sides.layout.words();
        let offset = (block % SLAB_BLOCKS) as usize * sides.block_bytes + slot.index() * words * size_of::<u64>();
        let first = NonNull::new(slab.wrapping_add(offset).cast()).expect("the slab of a slot that was handed out");
        Some((&sides.layout, NonNull::slice_from_raw_parts(first, words)))
    }

    /// Address of a slot for a prefetch: any number will do, and the address may be nonsense.
    #[inline]
    pub(crate) fn flow_hint(&self, slot: SlotId) -> *const u8 {
        let block = slot.block();
        let slab = self
            .directory
            .get((block / SLAB_BLOCKS) as usize)
            .map_or(core::ptr::null_mut(), |slab| slab.load(Ordering::Relaxed));
        let offset = (block % SLAB_BLOCKS) as usize * BLOCK_BYTES
            + core::mem::offset_of!(Block, flows)
            + slot.index() * size_of::<Flow>();
        slab.wrapping_add(offset)
    }
}

impl Flow {
    fn vacant(slot: SlotId) -> Self {
        Self {
            key: FlowKey::NONE.into(),
            count: Refcount::new(0),
            row: AtomicU32::new(0),
            next: AtomicU32::new(Link::UNLINKED),
            slot,
            body: FlowBody::VACANT.into(),
            key_use: Witness::default(),
            body_use: Witness::default(),
            pinned: PhantomPinned,
        }
    }

    /// The store that the flow belongs to.
    ///
    /// # Safety
    /// `this` points to a flow of a store, with provenance for its whole block.
    pub(super) unsafe fn store(this: NonNull<Self>) -> NonNull<Boxed<FlowStore>> {
        // SAFETY:
        // - The caller vouches for the flow.
        let slot = unsafe { this.as_ref() }.slot;
        let offset = core::mem::offset_of!(Block, flows) + slot.index() * size_of::<Self>();
        // SAFETY:
        // - A flow of index `i` lies this far behind the start of its block.
        let block = unsafe { this.cast::<u8>().sub(offset) }.cast::<Block>();
        // SAFETY:
        // - The header was written when the block was taken, and stays until it is given back.
        unsafe { (*block.as_ptr()).header.store }
    }
}

// SAFETY:
// - Key and body are `UnsafeCell`s: the key changes only while one handle owns the flow, the body only under the lock of
//   the flow's row or by that owner. Both are plain data that any thread may hold.
unsafe impl Sync for Flow {}

// SAFETY:
// - Flows are made by `take_block` alone, which hands out a `Unique`; `Flow` is not `Clone` and has private fields.
// - The count is touched by the handles only; `COUNT` names the embedded count.
// - `release` makes the slot available through `collect_returned`, which is the only place that takes it from there.
unsafe impl RefCounted for Flow {
    const COUNT: CountOffset<Self> = count_offset!(Self, count);

    unsafe fn release(this: NonNull<Self>) {
        // SAFETY:
        // - The pointer is the one that `flow_ptr` made, with provenance for the slab.
        let store = unsafe { Self::store(this) };
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
            returned.slots.push(flow.slot);
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
