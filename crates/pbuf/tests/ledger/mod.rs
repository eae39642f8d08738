//! The leak ledger: what this thread has allocated and not freed.
//!
//! A test begins with [`Ledger::open`]; when it ends, all that was allocated since must be gone again. It sees one
//! thread: what a test gives to others to free it checks by the pool's own ledger.
#![allow(dead_code, unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    /// Blocks alive, as far as this thread has allocated and freed them.
    static ALIVE: Cell<isize> = const { Cell::new(0) };
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: all is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALIVE.set(ALIVE.get() + 1);
        ALLOCATED.set(ALLOCATED.get() + 1);
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ALIVE.set(ALIVE.get() - 1);
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations of this thread so far.
pub(crate) fn allocations() -> usize {
    ALLOCATED.get()
}

/// Asserts when dropped that as much is alive as when it was opened. Declared first, it goes last.
#[must_use]
pub(crate) struct Ledger(isize);

impl Ledger {
    pub(crate) fn open() -> Self {
        // A thread's first use of a pool makes the runtime note something for its end, which stays.
        drop(flumen_pbuf::PbufPool::new(64, 1).unwrap().alloc());
        Self(ALIVE.get())
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(ALIVE.get(), self.0, "memory leaked");
        }
    }
}
