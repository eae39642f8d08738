//! The byte budget of a table: everything it allocates is charged here first (`flow.memuse` against `flow.memcap`).

use crate::prim::{AtomicU64, Ordering};

/// A budget in bytes. All orderings are relaxed: the numbers only decide whether memory may be asked for, they hand
/// nothing over between threads.
#[derive(Debug)]
pub(crate) struct Memcap {
    limit: AtomicU64,
    used: AtomicU64,
    peak: AtomicU64,
}

impl Memcap {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit: AtomicU64::new(limit), used: AtomicU64::new(0), peak: AtomicU64::new(0) }
    }
    /// Takes `bytes` from the budget; `false`, and nothing taken, when they are not there.
    #[must_use]
    pub(crate) fn charge(&self, bytes: u64) -> bool {
        let limit = self.limit();
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|&sum| sum <= limit)
        });
        if let Ok(before) = taken {
            self.peak.fetch_max(before + bytes, Ordering::Relaxed);
        }
        taken.is_ok()
    }
    /// The most that ever was in use.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
    pub(crate) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }
    /// Sets another limit; refused when more than that is in use.
    #[must_use]
    pub(crate) fn set_limit(&self, limit: u64) -> bool {
        let fits = self.used() <= limit;
        if fits {
            self.limit.store(limit, Ordering::Relaxed);
        }
        fits
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Memcap;

    #[test]
    fn charge_beyond_the_limit_is_refused_and_takes_nothing() {
        let cap = Memcap::new(100);
        assert!(cap.charge(60) && !cap.charge(41) && cap.charge(40));
        assert_eq!(cap.used(), 100);
        cap.give_back(60);
        assert!(!cap.set_limit(39) && cap.set_limit(40) && !cap.charge(1));
        assert!(!cap.charge(u64::MAX));
    }
}
