//! Memory that is asked for ahead of a lookup: the row's line, then those of the flow that is likely meant.

use core::hint::select_unpredictable;
use core::ptr::NonNull;

use flumen_model::{FlowKey, IpVersion};

use crate::bucket::Hint;
use crate::config::TimeoutClass;
use crate::flow::Flow;
use crate::hash::FlowHash;
use crate::storage::{Hints, detail_place, line_place};
use crate::table::FlowTable;

impl FlowTable {
    /// Brings the row's line into the cache: the first of two steps, some packets ahead of the lookup.
    #[inline]
    pub fn prefetch_row(&self, hash: FlowHash) {
        prefetch(core::ptr::from_ref(self.rows.of(hash)).cast());
    }
    /// Brings the likely flow's lines into the cache, as far as a packet of this key needs them: the second step. Needs the
    /// row's line. Says where the flow is, for the lookup.
    #[inline]
    pub fn prefetch_flow(&self, key: &FlowKey, hash: FlowHash) -> Hint {
        let Some((hint, slot)) = self.rows.of(hash).hint(hash) else { return Hint::NONE };
        let Hints { line, detail, .. } = self.store.hints(slot);
        prefetch(line);
        // Chosen, not branched to: whether the next packet is one of UDP, or of IPv6, no processor foresees.
        let has_detail = TimeoutClass::of(key.scope().protocol()) != TimeoutClass::Udp;
        let has_tails = key.scope().ip_version() == IpVersion::V6;
        prefetch(select_unpredictable(has_detail, detail, line));
        prefetch(select_unpredictable(has_tails, self.store.annex_hint(slot), line));
        hint
    }

    /// Asks for the line of a row by number.
    pub(crate) fn prefetch_bucket(&self, row: u32) {
        prefetch(core::ptr::from_ref(self.rows.at(row)).cast());
    }
    /// Asks for what of a row's flows says how much they are alive.
    pub(crate) fn prefetch_lives(&self, row: u32) {
        for slot in self.rows.at(row).hints() {
            let Hints { flow, line, .. } = self.store.hints(slot);
            prefetch(line);
            prefetch(flow);
        }
    }
}

/// Asks for all of a flow.
#[inline]
pub(crate) fn prefetch_all(flow: NonNull<Flow>) {
    prefetch(line_place(flow).cast());
    prefetch(detail_place(flow).cast());
    prefetch(flow.as_ptr().cast());
}

/// Asks for all lines of something that will be read soon.
#[inline]
pub fn ask_memory<T>(of: &T) {
    let first = core::ptr::from_ref(of).cast::<u8>();
    for line in 0..size_of::<T>().div_ceil(64) {
        prefetch(first.wrapping_add(line * 64));
    }
}

#[inline]
pub(crate) fn prefetch(at: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
    {
        // SAFETY:
        // - A prefetch is a hint: it faults on no address.
        unsafe { core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(at.cast()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri), not(loom))))]
    let _ = at;
}
