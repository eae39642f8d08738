//! Where things lie: slabs of blocks, blocks of flows, and what an address says.
//!
//! ```text
//! slab, 16 MiB at a multiple of 16 MiB:  block block block … | head
//! block, 16 KiB:                         line × 100 (64 bytes) | detail × 100 (64 bytes) | flow × 100 (32 bytes)
//! annex, 4 KiB, of one block in a few:   (tails of IPv6 addresses, origin of the parent) × 100 (32 bytes)
//! ```
//!
//! A flow takes 164 bytes of its block. Of what a packet touches, a UDP flow has one line and a TCP flow two, since
//! count and beginning lie apart. All are found by arithmetic: from a number the place follows with one look into a directory,
//! from a place the number with one look at the slab's head, which stays in the cache since there are few slabs.
//!
//! A block with an annex is wide: only its flows can be IPv6 flows, or have a parent.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flumen_kref::Boxed;
use flumen_model::FlowKey;
use flumen_model::key::{KeyHead, KeyTails};

use super::identity::Probe;
use super::{FlowStore, SlotId};
use crate::flow::{Beginning, Detail, Flow, FlowBody, FlowLine, FlowView};

/// Flows of a block: Suricata's unit of exchange between a worker and the shared pool.
pub(crate) const BLOCK_FLOWS: usize = if cfg!(loom) { 2 } else { 100 };

/// Bytes of a block, all of which are charged: a power of two, so that an address says which block it is in.
pub(crate) const BLOCK_BYTES: usize = size_of::<Block>().next_power_of_two();

/// Bytes of an annex.
pub(crate) const ANNEX_BYTES: usize = 4096;

/// Blocks of a slab, a power of two.
pub(super) const SLAB_BLOCKS: u32 = if cfg!(any(miri, loom)) { 2 } else { 1024 };

/// Bytes of a slab's blocks; slabs are aligned to as much.
pub(super) const SLAB_BYTES: usize = SLAB_BLOCKS as usize * BLOCK_BYTES;

/// What follows the blocks of a slab.
pub(super) const HEAD_BYTES: usize = size_of::<SlabHead>().next_multiple_of(4096);

#[repr(C, align(64))]
struct Block {
    lines: [FlowLine; BLOCK_FLOWS],
    details: [DetailPlace; BLOCK_FLOWS],
    flows: [Flow; BLOCK_FLOWS],
}

#[repr(C, align(64))]
struct DetailPlace(UnsafeCell<MaybeUninit<Detail>>);

/// What flows have in the annex of their block.
#[repr(C)]
struct AnnexEntry {
    /// Valid for IPv6 flows; changes with the flow's key.
    tails: UnsafeCell<KeyTails>,
    /// Origin of the flow that has the outsides of this flow's packets; 0 for none. Written and read as the flow's body
    /// is, and only of flows that have an outside.
    parent: AtomicU64,
}

/// What a slab knows of itself.
#[repr(C)]
pub(super) struct SlabHead {
    pub(super) store: NonNull<Boxed<FlowStore>>,
    /// Annexes of the slab's blocks: address space that is used for wide blocks only.
    pub(super) annexes: NonNull<u8>,
    pub(super) number: u32,
    /// Whether a block is wide. Written before the block's flows are handed out.
    wide: [AtomicBool; SLAB_BLOCKS as usize],
}

impl SlabHead {
    pub(super) fn new(store: NonNull<Boxed<FlowStore>>, annexes: NonNull<u8>, number: u32) -> Self {
        Self { store, annexes, number, wide: [const { AtomicBool::new(false) }; SLAB_BLOCKS as usize] }
    }
    pub(super) fn is_wide(&self, block: u32) -> bool {
        self.wide[(block % SLAB_BLOCKS) as usize].load(Ordering::Relaxed)
    }
    pub(super) fn set_wide(&self, block: u32, wide: bool) {
        self.wide[(block % SLAB_BLOCKS) as usize].store(wide, Ordering::Relaxed);
    }
}

/// Offset of a slot's block within its slab.
const fn block_offset_of(slot: SlotId) -> usize {
    (slot.block() % SLAB_BLOCKS) as usize * BLOCK_BYTES
}
/// Offset of a slot within its slab.
#[inline]
pub(super) const fn offset_of(slot: SlotId) -> usize {
    block_offset_of(slot) + core::mem::offset_of!(Block, flows) + slot.index() * size_of::<Flow>()
}
/// The same of its line.
#[inline]
pub(super) const fn line_offset_of(slot: SlotId) -> usize {
    block_offset_of(slot) + core::mem::offset_of!(Block, lines) + slot.index() * size_of::<FlowLine>()
}
/// And of its detail.
#[inline]
pub(super) const fn detail_offset_of(slot: SlotId) -> usize {
    block_offset_of(slot) + core::mem::offset_of!(Block, details) + slot.index() * size_of::<DetailPlace>()
}

/// Offset of a slot's annex entry within the annexes of its slab.
#[inline]
pub(super) const fn annex_offset_of(slot: SlotId) -> usize {
    (slot.block() % SLAB_BLOCKS) as usize * ANNEX_BYTES + slot.index() * size_of::<AnnexEntry>()
}

/// Index of a flow in its block, from its address.
#[inline]
fn index_of(flow: NonNull<Flow>) -> usize {
    (flow.addr().get() % BLOCK_BYTES - core::mem::offset_of!(Block, flows)) / size_of::<Flow>()
}

/// Block of a flow within its slab, from its address.
#[inline]
fn block_of(flow: NonNull<Flow>) -> u32 {
    (flow.addr().get() % SLAB_BYTES / BLOCK_BYTES) as u32
}

/// The head of the slab in which a flow lies. The lifetime is the caller's to keep within that of the store.
#[inline]
fn head_of<'s>(flow: NonNull<Flow>) -> &'s SlabHead {
    let base = flow.as_ptr().cast::<u8>().map_addr(|addr| addr & !(SLAB_BYTES - 1));
    // SAFETY:
    // - Flows are reached by the pointers that their store made, with provenance for the whole slab, whose head lies
    //   behind its blocks and is written when the slab is made. While a flow can be reached its store is alive.
    unsafe { &*base.wrapping_add(SLAB_BYTES).cast::<SlabHead>() }
}

/// The annex entry of a flow of a wide block.
#[inline]
fn annex_of<'s>(flow: NonNull<Flow>) -> &'s AnnexEntry {
    let head = head_of(flow);
    debug_assert!(is_wide(flow));
    let offset = block_of(flow) as usize * ANNEX_BYTES + index_of(flow) * size_of::<AnnexEntry>();
    // SAFETY:
    // - There is an annex for every block of the slab, of which all entries are valid when zeroed; as in `head_of` they
    //   live as long as the flow can be reached.
    unsafe { &*head.annexes.as_ptr().wrapping_add(offset).cast::<AnnexEntry>() }
}

/// The number of a flow's slot.
#[inline]
pub(crate) fn slot_of(flow: NonNull<Flow>) -> SlotId {
    SlotId::new(head_of(flow).number * SLAB_BLOCKS + block_of(flow), index_of(flow))
}

/// The store that a flow belongs to.
#[inline]
pub(super) fn store_of(flow: NonNull<Flow>) -> NonNull<Boxed<FlowStore>> {
    head_of(flow).store
}

/// Whether a flow lies in a wide block.
#[inline]
pub(crate) fn is_wide(flow: NonNull<Flow>) -> bool {
    head_of(flow).is_wide(block_of(flow))
}

/// Something in a flow's block at an offset: only the address, with what `flow` may reach.
#[inline(always)]
fn in_block<T>(flow: NonNull<Flow>, offset: usize) -> *mut T {
    flow.as_ptr().cast::<u8>().map_addr(|addr| addr & !(BLOCK_BYTES - 1)).wrapping_add(offset).cast()
}

/// Place of a flow's line; as with all of these only the address.
#[inline(always)]
pub(crate) fn line_place(flow: NonNull<Flow>) -> *mut FlowLine {
    in_block(flow, core::mem::offset_of!(Block, lines) + index_of(flow) * size_of::<FlowLine>())
}

/// Place of the head of a flow's key.
#[inline(always)]
pub(super) fn key_place(flow: NonNull<Flow>) -> *mut KeyHead {
    line_place(flow).wrapping_byte_add(core::mem::offset_of!(FlowLine, key)).cast()
}

/// Place of a flow's body.
#[inline(always)]
pub(crate) fn body_place(flow: NonNull<Flow>) -> *mut FlowBody {
    line_place(flow).wrapping_byte_add(core::mem::offset_of!(FlowLine, body)).cast()
}

/// Place of a flow's beginning.
#[inline(always)]
pub(crate) fn beginning_place(flow: NonNull<Flow>) -> *mut Beginning {
    flow.as_ptr().wrapping_byte_add(core::mem::offset_of!(Flow, beginning)).cast()
}

/// Place of a flow's detail.
#[inline(always)]
pub(crate) fn detail_place(flow: NonNull<Flow>) -> *mut Detail {
    in_block(flow, core::mem::offset_of!(Block, details) + index_of(flow) * size_of::<DetailPlace>())
}

/// Body and beginning of a flow, for reading.
///
/// # Safety
/// The flow is in use, and nobody changes it meanwhile: its row is locked or the caller owns it.
pub(crate) unsafe fn view<'f>(flow: NonNull<Flow>) -> FlowView<'f> {
    // SAFETY:
    // - The caller says so.
    let body = unsafe { &*body_place(flow) };
    // SAFETY:
    // - Likewise.
    FlowView { body, beginning: unsafe { &*beginning_place(flow) } }
}

/// Key of a flow in use: it does not change meanwhile.
pub(crate) fn key_of(flow: NonNull<Flow>) -> FlowKey {
    // SAFETY:
    // - The flow is in use.
    let this = unsafe { flow.as_ref() };
    this.key_use.read();
    // SAFETY:
    // - A key is written only while its flow is spare.
    let head = unsafe { &*key_place(flow) };
    FlowKey::of(*head, if head.has_tails() { tails_of(flow) } else { KeyTails::NONE })
}

/// The direction in which a packet goes in a flow of a locked row; `None` when it belongs to another.
#[inline(always)]
pub(crate) fn direction_in(flow: NonNull<Flow>, probe: &Probe<'_>) -> Option<flumen_model::Direction> {
    // SAFETY:
    // - The flow is in use.
    let this = unsafe { flow.as_ref() };
    this.key_use.read();
    // SAFETY:
    // - A key is written only while its flow is spare.
    probe.direction(unsafe { &*key_place(flow) }, || tails_of(flow))
}

/// Tails of an IPv6 flow in use.
#[inline]
fn tails_of(flow: NonNull<Flow>) -> KeyTails {
    // SAFETY:
    // - Tails are written together with the key, hence only while the flow is spare.
    unsafe { *annex_of(flow).tails.get() }
}

/// Writes the tails of a flow's key.
///
/// # Safety
/// The caller owns the flow alone, and it lies in a wide block.
pub(super) unsafe fn set_tails(flow: NonNull<Flow>, tails: KeyTails) {
    // SAFETY:
    // - The caller owns the flow, and with it its part of the annex.
    unsafe { *annex_of(flow).tails.get() = tails };
}

/// Origin of the flow that has the outsides of a flow's packets.
pub(crate) fn parent_of(flow: NonNull<Flow>, key: &FlowKey) -> Option<u64> {
    let has_outside = key.scope().recursion() > 0 && is_wide(flow);
    has_outside.then(|| annex_of(flow).parent.load(Ordering::Relaxed)).filter(|&origin| origin != 0)
}

/// Notes the origin of a new flow's parent; 0 for none. The flow lies in a wide block.
pub(super) fn set_parent(flow: NonNull<Flow>, origin: u64) {
    annex_of(flow).parent.store(origin, Ordering::Relaxed);
}

const _: () = {
    assert!(SLAB_BLOCKS.is_power_of_two() && size_of::<AnnexEntry>() * BLOCK_FLOWS <= ANNEX_BYTES);
};
#[cfg(not(loom))]
const _: () = assert!(BLOCK_BYTES == 4 * 4096 && size_of::<DetailPlace>() == 64 && size_of::<AnnexEntry>() == 32);
