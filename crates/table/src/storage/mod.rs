//! Where flows live: slots in blocks of one hundred, blocks in slabs, and the handles that own them.
//!
//! A slot is named by a [`SlotId`] of 32 bits, so that a row of the table holds eight of them in a cache line, and
//! found by arithmetic and one look into a directory that stays in the cache ([`block`] says what lies where). Blocks are
//! the unit in which memory is charged, taken and given back: four pages with a hundred flows, a fifth for the annex of a
//! wide block, and as many pages as their sides need when the configuration asks for sides (see [`side`](crate::side)).
//!
//! Flows with IPv6 addresses or a parent need a wide slot ([`Width`]); others take what there is. One block in eight is
//! wide though nobody asked for it, so that under a flood of IPv4 flows forced reuse finds slots for IPv6 flows too.
//!
//! 1. A slot's flow is owned by exactly one handle or place: a [`SpareFlow`] (count zero), a row, [`Remaining`] or an
//!    [`EndedFlow`] (count one and more). At the end of a run it may be left to the store ([`Remaining::retire`]).
//! 2. A block that was taken stays until all its hundred flows are given back together.
//! 3. A flow that is still referenced when the table lets go of it is an orphan: it holds a reference to the store, so
//!    that its memory outlives the table, and returns to the store with its last reference. When the table itself goes,
//!    every [`EndedFlow`] that is still out gets such a reference too.
//!
//! The `unsafe` here is why the crate allows any: flows are reached by number under a lock that is not next to them, and
//! are recycled without being dropped. Safe code would cost a lock word and a check for every flow.

mod block;
mod identity;
mod pages;
mod remaining;
mod store;

pub(crate) use block::{
    BLOCK_BYTES, BLOCK_FLOWS, beginning_place, body_place, detail_place, direction_in, is_wide, key_of, line_place,
    parent_of, slot_of, view,
};
pub(crate) use identity::Probe;
pub(crate) use pages::Pages;
pub use remaining::Remaining;
pub(crate) use store::{FlowStore, Hints};

use core::num::NonZeroU32;
use core::ptr::NonNull;

use flumen_kref::{Ref, Unique};
use flumen_model::record::MacSet;
use flumen_model::{EndReason, FlowKey, IpVersion, Timestamp};

use crate::flow::{Beginning, Detail, Flow, FlowBody, FlowView};
use crate::key::Message;
use crate::prefetch::prefetch_all;
use crate::prim::{Ordering, fence};
use crate::tcp::TcpSession;

/// What a slot has room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Width {
    /// Flows with IPv4 addresses and without a parent.
    Narrow,
    /// All flows.
    Wide,
}

impl Width {
    /// What a new flow needs, of which `parent` is the origin of the flow around it; 0 for none.
    #[inline]
    pub(crate) fn needed(key: &FlowKey, parent: u64) -> Self {
        if key.scope().ip_version() == IpVersion::V6 || parent != 0 { Self::Wide } else { Self::Narrow }
    }
    pub(crate) fn of(flow: NonNull<Flow>) -> Self {
        if is_wide(flow) { Self::Wide } else { Self::Narrow }
    }
}

/// Number of a slot. Zero is no slot, which makes zeroed memory an empty row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct SlotId(NonZeroU32);

impl SlotId {
    const INDEX_BITS: u32 = 7;

    /// A number that no other slot of the table has; small ones are handed out first.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.raw()
    }
    fn new(block: u32, index: usize) -> Self {
        debug_assert!(index < BLOCK_FLOWS);
        let raw = (block << Self::INDEX_BITS | index as u32) + 1;
        Self(NonZeroU32::new(raw).expect("one more than a number"))
    }
    pub(crate) const fn from_raw(raw: u32) -> Option<Self> {
        match NonZeroU32::new(raw) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }
    pub(crate) const fn raw(self) -> u32 {
        self.0.get()
    }
    pub(crate) const fn block(self) -> u32 {
        (self.raw() - 1) >> Self::INDEX_BITS
    }
    const fn index(self) -> usize {
        ((self.raw() - 1) & ((1 << Self::INDEX_BITS) - 1)) as usize
    }
}

/// Values of [`Flow::next`] besides the number of the next slot.
pub(crate) struct Link;

impl Link {
    /// In a row or list, and the last there.
    pub(crate) const END: u32 = 0;
    /// In no row.
    pub(crate) const UNLINKED: u32 = u32::MAX;
    /// Let go by the table while it was referenced: holds a reference to the store.
    pub(crate) const ORPHAN: u32 = u32::MAX - 1;
}

/// A flow that is in no use, owned by whoever holds this.
#[derive(Debug)]
pub(crate) struct SpareFlow(pub(crate) Unique<Flow>);

impl SpareFlow {
    pub(crate) fn slot(&self) -> SlotId {
        slot_of(self.0.as_ptr())
    }
    pub(crate) fn width(&self) -> Width {
        Width::of(self.0.as_ptr())
    }

    /// Where in memory the flow lies: flows of a block are neighbours.
    pub(crate) fn address(&self) -> usize {
        self.0.as_ptr().addr().get()
    }

    /// Asks for the flow's lines.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch_all(self.0.as_ptr());
    }

    /// Leaves the slot to its store, which gives its memory back as a whole.
    pub(crate) fn forget(self) {
        let _ = self.0.into_raw();
    }

    /// Fills the slot, which is one of `store` and wide enough, with a new conversation. The caller links it into a row,
    /// which then owns the count. `parent` is the origin of the flow around it; 0 for none.
    pub(crate) fn begin(
        self,
        key: &FlowKey,
        beginning: Beginning,
        body: FlowBody,
        message: &Message,
        parent: u64,
        store: &FlowStore,
    ) -> NonNull<Flow> {
        let flow = self.0.as_ptr();
        self.0.key_use.write();
        self.0.body_use.write();
        // SAFETY:
        // - A spare flow is owned alone: nobody else reads or writes its key.
        unsafe { block::key_place(flow).write(*key.head()) };
        if key.head().has_tails() {
            // SAFETY:
            // - Likewise; the slot is wide enough.
            unsafe { block::set_tails(flow, *key.tails()) };
        }
        if key.scope().recursion() > 0 && is_wide(flow) {
            block::set_parent(flow, parent);
        }
        if body.has_detail() {
            // Each written where it stays: by way of the stack it would be written in pieces and read as a whole.
            let place = detail_place(flow);
            match message {
                // SAFETY:
                // - Likewise its detail, which owns nothing that would have to be dropped.
                Message::Tcp(_) => unsafe { place.write(Detail::Tcp(TcpSession::default())) },
                &Message::Icmp { kind, code, .. } => {
                    // SAFETY:
                    // - Likewise.
                    unsafe { place.write(Detail::Icmp { request: (kind, code), response: None }) };
                }
                // SAFETY:
                // - Likewise.
                Message::Other => unsafe { place.write(Detail::None) },
            }
        }
        // SAFETY:
        // - Likewise its body.
        unsafe { body_place(flow).write(body) };
        // SAFETY:
        // - Likewise its beginning.
        unsafe { beginning_place(flow).write(beginning) };
        if let Some((_, mut words)) = store.side_ptr(flow) {
            // SAFETY:
            // - Likewise its side.
            unsafe { words.as_mut() }.fill(0);
        }
        self.0.next.store(Link::END, Ordering::Relaxed);
        Ref::into_raw(self.0.into_ref())
    }
}

/// A flow that has left the table and waits to become a record. Dropping it gives the slot back all the same.
#[derive(Debug)]
pub struct EndedFlow {
    pub(crate) flow: Ref<Flow>,
    /// The moment it ended, in packet time.
    pub at: Timestamp,
    /// Why it ended.
    pub reason: EndReason,
    /// It was ended by force in emergency mode.
    pub emergency: bool,
    /// Number of its first packet, read while the flow was at hand: who sorts flows does not have to fetch them again.
    pub(crate) origin: u64,
}

impl EndedFlow {
    /// Takes over the count that a row held.
    ///
    /// # Safety
    /// `flow` has just been unlinked from its row, under the row's lock, by the caller.
    pub(crate) unsafe fn unlinked(flow: NonNull<Flow>, at: Timestamp, reason: EndReason, emergency: bool) -> Self {
        // SAFETY:
        // - The row owned one count, which passes to this handle.
        let flow = unsafe { Ref::from_raw(flow) };
        flow.next.store(Link::UNLINKED, Ordering::Relaxed);
        let mut ended = Self { flow, at, reason, emergency, origin: 0 };
        ended.origin = ended.body().origin();
        ended
    }

    /// Asks for what the record is made from.
    #[inline]
    pub fn prefetch(&self) {
        prefetch_all(Ref::as_ptr(&self.flow));
    }

    /// Who talked to whom, as the first packet had it.
    #[must_use]
    pub fn key(&self) -> FlowKey {
        key_of(Ref::as_ptr(&self.flow))
    }
    /// What is known of the conversation.
    #[must_use]
    pub fn body(&self) -> FlowView<'_> {
        self.flow.body_use.read();
        // SAFETY:
        // - The flow is in no row, and this handle owns the table's count: a `FlowRef` reaches a body only through a row.
        unsafe { view(Ref::as_ptr(&self.flow)) }
    }

    /// What only its protocol has.
    pub(crate) fn detail(&self) -> Option<&Detail> {
        let place = detail_place(Ref::as_ptr(&self.flow));
        // SAFETY:
        // - As in `body`; it was written when the flow began.
        self.body().body.has_detail().then(|| unsafe { &*place })
    }

    fn store(&self) -> &FlowStore {
        // SAFETY:
        // - The store is alive: the table holds it, or what is out when the table goes does.
        unsafe { block::store_of(Ref::as_ptr(&self.flow)).as_ref() }
    }
    /// Origin of the flow that has the outsides of this one's packets.
    pub(crate) fn parent(&self, key: &FlowKey) -> Option<u64> {
        parent_of(Ref::as_ptr(&self.flow), key)
    }
    /// The MAC addresses of the flow, when they are collected.
    pub(crate) fn macs(&self) -> Option<Box<MacSet>> {
        let (layout, words) = self.store().side_ptr(Ref::as_ptr(&self.flow))?;
        // SAFETY:
        // - As in `body`: a side is reached in the same ways.
        layout.macs(unsafe { words.as_ref() })
    }

    /// Leaves the slot to its store, as nobody will take it again; `false` when that has to wait for who still references the
    /// flow. Here its count stays one: taking that away would wait for all that was written before.
    pub(crate) fn retire(self, store: &Ref<flumen_kref::Boxed<FlowStore>>) -> bool {
        if store.owns(&self.flow) && Ref::count(&self.flow) == 1 {
            // What others did with the flow was before they let go of it.
            fence(Ordering::Acquire);
            let _ = Ref::into_raw(self.flow);
            return true;
        }
        self.recycle(store).map(SpareFlow::forget).is_some()
    }

    /// Makes the slot a spare flow again; `None` when the flow is still referenced: its slot then comes back through
    /// the store when the last reference goes.
    /// So does a flow of another table, to its own.
    pub(crate) fn recycle(self, store: &Ref<flumen_kref::Boxed<FlowStore>>) -> Option<SpareFlow> {
        if !store.owns(&self.flow) {
            return None;
        }
        let flow = match Ref::try_unique(self.flow) {
            Ok(unique) => return Some(SpareFlow(unique)),
            Err(flow) => flow,
        };
        let guard = Ref::clone(store);
        store.count_orphan(true);
        flow.next.store(Link::ORPHAN, Ordering::Relaxed);
        match Ref::into_unique_or_drop(flow) {
            Some(unique) => {
                unique.next.store(Link::UNLINKED, Ordering::Relaxed);
                store.count_orphan(false);
                Some(SpareFlow(unique))
            }
            None => {
                // The orphan's release gives this one back.
                let _ = Ref::into_raw(guard);
                None
            }
        }
    }
}
