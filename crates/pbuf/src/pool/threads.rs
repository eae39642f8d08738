//! Which cache of which pool is this thread's.
//!
//! A thread knows a few pools; each entry is a claim on one of the pool's caches and one reference to its core, both given up
//! when the thread ends, or the pool is found closed. Further pools are used without cache.

use super::{cache::Cache, core::Core};
use crate::prim::thread_local;
use core::{cell::Cell, ptr::NonNull};

/// Pools that a thread may use through a cache at one time.
const POOLS_MAX: usize = 4;

struct Known {
    entries: [Cell<Option<Entry>>; POOLS_MAX],
}

/// A claimed cache. The pointers are valid, since the entry is a reference to the core, and the cache is a part of it.
#[derive(Clone, Copy)]
struct Entry {
    core: NonNull<Core>,
    cache: NonNull<Cache>,
}

impl Known {
    const fn new() -> Self {
        Self { entries: [const { Cell::new(None) }; POOLS_MAX] }
    }
    fn find(&self, core: NonNull<Core>) -> Option<NonNull<Cache>> {
        let entry = self.entries.iter().filter_map(Cell::get).find(|entry| entry.core == core)?;
        Some(entry.cache)
    }
    /// Claims a cache, if the thread knows few enough pools and the pool has one free.
    #[cold]
    fn enter(&self, core: NonNull<Core>) -> Option<NonNull<Cache>> {
        self.entries.iter().for_each(|entry| leave(entry, |core| core.is_closed()));
        let free = self.entries.iter().find(|entry| entry.get().is_none())?;
        // SAFETY: the caller has a reference to the core.
        let cache = unsafe { Core::claim(core) }?;
        free.set(Some(Entry { core, cache }));
        Some(cache)
    }
}

/// Gives the claim of an entry up, if there is one and its pool is meant.
fn leave(place: &Cell<Option<Entry>>, is_meant: impl Fn(&Core) -> bool) {
    // SAFETY: the entry is a reference to the core.
    let Some(entry) = place.get().filter(|entry| is_meant(unsafe { entry.core.as_ref() })) else { return };
    place.set(None);
    // loom has no thread-locals left at the end of a thread; nor are there entries then.
    let _: Result<(), _> = LATEST.try_with(|latest| latest.set(None));
    // SAFETY: the claim and the reference are the entry's, which is gone.
    unsafe { Core::unclaim(entry.core, entry.cache) };
}

impl Drop for Known {
    fn drop(&mut self) {
        self.entries.iter().for_each(|entry| leave(entry, |_| true));
    }
}

// The entry used last, where it is found without the thread-local's own bookkeeping: that would be a third of what a
// buffer costs. It needs no destructor, since it is one of those of `Known`, and emptied with it.
#[cfg(not(loom))]
thread_local! {
    static LATEST: Cell<Option<Entry>> = const { Cell::new(None) };
}

#[cfg(loom)]
thread_local! {
    static LATEST: Cell<Option<Entry>> = Cell::new(None);
}

#[cfg(not(loom))]
thread_local! {
    static KNOWN: Known = const { Known::new() };
}

#[cfg(loom)]
thread_local! {
    static KNOWN: Known = Known::new();
}

/// This thread's cache of the pool, claimed if it has none yet. `None` when it gets none, or the thread is ending.
///
/// # Safety
/// The caller must have a reference to the core, or hold one of its buffers.
#[inline]
pub(super) unsafe fn cache_of(core: NonNull<Core>) -> Option<NonNull<Cache>> {
    match LATEST.try_with(Cell::get) {
        Ok(Some(entry)) if entry.core == core => Some(entry.cache),
        // SAFETY: by the contract of this function.
        _ => unsafe { look_up(core) },
    }
}

/// # Safety
/// As [`cache_of`].
#[cold]
unsafe fn look_up(core: NonNull<Core>) -> Option<NonNull<Cache>> {
    // SAFETY: the caller has a reference to the core.
    if !unsafe { core.as_ref() }.has_caches() {
        return None;
    }
    let found = KNOWN.try_with(|known| known.find(core).or_else(|| known.enter(core))).ok().flatten()?;
    LATEST.try_with(|latest| latest.set(Some(Entry { core, cache: found }))).ok()?;
    Some(found)
}

/// Gives this thread's claim on a cache of the pool up, if it has one.
pub(super) fn forget(core: NonNull<Core>) {
    // A thread that is ending has given its claims up already.
    let _: Result<(), _> = KNOWN.try_with(|known| {
        known.entries.iter().for_each(|entry| leave(entry, |known| core::ptr::eq(known, core.as_ptr())));
    });
}
