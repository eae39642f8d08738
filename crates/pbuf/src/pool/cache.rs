//! The free buffers one thread keeps for itself.
//!
//! A pool has a fixed number of caches. A thread claims one at its first use of the pool and keeps it until it ends; from then on
//! nobody else looks into it, but for its fill, which statistics read. A thread that finds none works on the stock.

use super::core::Element;
use crate::prim::{AtomicBool, AtomicUsize, Ordering, UnsafeCell};
use core::ptr::NonNull;

/// The most buffers a cache holds.
pub(super) const BUFFERS_MAX: usize = if cfg!(loom) { 2 } else { 32 };

/// On lines of its own (two, since they are fetched in pairs), as each is written by a thread of its own.
#[repr(align(128))]
pub(super) struct Cache {
    is_claimed: AtomicBool,
    /// How many of `slots` are filled, from the first. Written by the claimant only; Relaxed, since the others only
    /// want the number.
    fill: AtomicUsize,
    /// The lowest fill since buffers were last moved to or from the stock. The claimant's alone.
    low: AtomicUsize,
    slots: UnsafeCell<[Option<NonNull<Element>>; BUFFERS_MAX]>,
}

// SAFETY: the slots are reached by the claimant only, which is one thread at a time, ordered by `is_claimed`.
unsafe impl Sync for Cache {}
// SAFETY: the elements belong to the pool, which threads share.
unsafe impl Send for Cache {}

impl Cache {
    pub(super) fn new() -> Self {
        Self {
            is_claimed: AtomicBool::new(false),
            fill: AtomicUsize::new(0),
            low: AtomicUsize::new(0),
            slots: UnsafeCell::new([None; BUFFERS_MAX]),
        }
    }
    /// Makes the caller's thread the claimant, if there is none.
    pub(super) fn claim(&self) -> bool {
        // Acquire pairs with the Release of `unclaim`: what the last claimant did to the slots has happened before.
        self.is_claimed.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }
    /// Ends the claim.
    ///
    /// # Safety
    /// The caller must be the claimant, and the cache empty.
    pub(super) unsafe fn unclaim(&self) {
        debug_assert_eq!(self.fill(), 0, "the buffers went back to the stock");
        self.is_claimed.store(false, Ordering::Release);
    }
    pub(super) fn fill(&self) -> usize {
        self.fill.load(Ordering::Relaxed)
    }
    /// Takes the buffer put in last, and says whether the cache is now lower than it was since the last
    /// [`Cache::mark`].
    ///
    /// # Safety
    /// The caller must be the claimant.
    #[inline]
    pub(super) unsafe fn pop(&self) -> Option<(NonNull<Element>, bool)> {
        let fill = self.fill().checked_sub(1)?;
        let element = self.slots.with_mut(|slots| {
            // SAFETY: only the claimant's thread reaches the slots, and it does so in no other place meanwhile.
            let slots = unsafe { &*slots };
            slots[fill]
        });
        self.fill.store(fill, Ordering::Relaxed);
        let is_lower = fill < self.low.load(Ordering::Relaxed);
        if is_lower {
            self.low.store(fill, Ordering::Relaxed);
        }
        Some((element?, is_lower))
    }
    /// Puts a buffer in, if there are fewer than `limit`; else gives it back.
    ///
    /// # Safety
    /// The caller must be the claimant.
    #[inline]
    pub(super) unsafe fn push(&self, element: NonNull<Element>, limit: usize) -> Result<(), NonNull<Element>> {
        let fill = self.fill();
        if fill >= limit {
            return Err(element);
        }
        self.slots.with_mut(|slots| {
            // SAFETY: as in `pop`.
            let slots = unsafe { &mut *slots };
            slots[fill] = Some(element);
        });
        self.fill.store(fill + 1, Ordering::Relaxed);
        Ok(())
    }
    /// Starts a new lowest fill.
    pub(super) fn mark(&self) {
        self.low.store(self.fill(), Ordering::Relaxed);
    }
}
