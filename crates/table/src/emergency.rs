//! Emergency mode: entered when the memcap is met with no spare flow left, left after thirty passes of the manager in a
//! row that found enough spare flows. While it lasts, short timeouts count.

use crate::prim::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Passes in a row with enough spare flows that end the emergency.
pub(crate) const PASSES: u32 = 30;

/// Whether the table is in emergency mode. Orderings are relaxed: the flag hands over no data, and that a thread sees it
/// a moment later only lets it use the other timeouts for that moment.
#[derive(Debug, Default)]
pub(crate) struct Emergency {
    on: AtomicBool,
    passes: AtomicU32,
    entered: AtomicU64,
    over: AtomicU64,
}

impl Emergency {
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }
    /// Enters; `true` for the one caller that did.
    pub(crate) fn enter(&self) -> bool {
        let entered = !self.on.swap(true, Ordering::Relaxed);
        if entered {
            self.passes.store(0, Ordering::Relaxed);
            self.entered.fetch_add(1, Ordering::Relaxed);
        }
        entered
    }
    /// Notes a pass of the manager; `true` when it was the one that ended the emergency.
    pub(crate) fn passed(&self, enough_spare: bool) -> bool {
        if !self.is_on() {
            return false;
        }
        let passes = if enough_spare { self.passes.load(Ordering::Relaxed) + 1 } else { 0 };
        self.passes.store(passes, Ordering::Relaxed);
        if passes < PASSES {
            return false;
        }
        self.on.store(false, Ordering::Relaxed);
        self.over.fetch_add(1, Ordering::Relaxed);
        true
    }
    /// How often it was entered, and left.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.entered.load(Ordering::Relaxed), self.over.load(Ordering::Relaxed))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_pass_without_enough_spare_flows_starts_the_count_again() {
        let emergency = Emergency::default();
        assert!(!emergency.passed(true));
        assert!(emergency.enter() && !emergency.enter());
        for _ in 1..PASSES {
            assert!(!emergency.passed(true));
        }
        assert!(!emergency.passed(false));
        for _ in 1..PASSES {
            assert!(!emergency.passed(true));
        }
        assert!(emergency.is_on() && emergency.passed(true) && !emergency.is_on());
        assert_eq!(emergency.counts(), (1, 1));
    }
}
