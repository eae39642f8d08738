//! The reference count of a block.

use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Debug)]
pub(crate) struct Refcount(AtomicU32);

impl Refcount {
    pub(crate) const fn new(n: u32) -> Self {
        Self(AtomicU32::new(n))
    }
    pub(crate) fn inc(&self) {
        if self.0.fetch_add(1, Ordering::Relaxed) >= 0x8000_0000 {
            self.0.store(0xC000_0000, Ordering::Relaxed);
        }
    }
    pub(crate) fn dec_and_test(&self) -> bool {
        let old = self.0.fetch_sub(1, Ordering::Release);
        if old == 1 {
            std::sync::atomic::fence(Ordering::Acquire);
            return true;
        }
        if old == 0 || old >= 0x8000_0000 {
            self.0.store(0xC000_0000, Ordering::Relaxed);
        }
        false
    }
    pub(crate) fn read(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
    pub(crate) fn set(&self, n: u32) {
        self.0.store(n, Ordering::Relaxed);
    }
}
