//! What the table takes from the machine: atomics, a mutex, and a way to wait. Under `cfg(loom)` these are loom's, so
//! that every interleaving can be tried.

#[cfg(not(loom))]
mod real {
    pub(crate) use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
    pub(crate) use std::sync::Mutex;

    /// Waits a moment for a lock that another thread holds; `spins` is how often it was called in a row.
    pub(crate) fn wait(spins: u32) {
        if spins < 64 {
            core::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

#[cfg(loom)]
mod real {
    pub(crate) use loom::sync::Mutex;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

    pub(crate) fn wait(_spins: u32) {
        loom::thread::yield_now();
    }
}

pub(crate) use real::*;

/// Stands beside data that a lock elsewhere protects, and is told of each access: loom then finds accesses that race.
/// Otherwise it is nothing.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    #[cfg(loom)]
    cell: loom::cell::UnsafeCell<()>,
}

impl Witness {
    #[inline]
    pub(crate) fn read(&self) {
        #[cfg(loom)]
        self.cell.with(|_| ());
    }
    #[inline]
    pub(crate) fn write(&self) {
        #[cfg(loom)]
        self.cell.with_mut(|_| ());
    }
}

/// Locks a mutex of which the data stays whole when a holder panics.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> impl core::ops::DerefMut<Target = T> + '_ {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
