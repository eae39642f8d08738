//! Seconds of packet time, and how far in it each worker is. The managers end flows only up to where all of them are, so
//! that no worker's flow is ended before the worker has seen the packets that keep it alive.

use std::sync::atomic::{AtomicU64, Ordering};

use flumen_model::Timestamp;

/// A second of packet time. Known by its beginning, so that to tell whether a packet lies in it takes no division, which
/// would be done several times for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Second(Timestamp);

impl Second {
    const NANOS: u64 = 1_000_000_000;

    /// The second of a moment.
    pub(crate) const fn of(at: Timestamp) -> Self {
        Self(Timestamp::from_nanos(at.nanos() - at.subsec_nanos() as u64))
    }
    /// Its first moment.
    pub(crate) const fn begin(self) -> Timestamp {
        self.0
    }
    /// Whether a moment lies in it.
    #[inline]
    pub(crate) const fn contains(self, at: Timestamp) -> bool {
        at.nanos().wrapping_sub(self.0.nanos()) < Self::NANOS
    }
}

/// One clock for each worker, each on a cache line of its own.
#[derive(Debug)]
pub(crate) struct WorkerClocks(Vec<Clock>);

#[repr(align(128))]
#[derive(Debug, Default)]
struct Clock(AtomicU64);

impl WorkerClocks {
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Clock::default()).collect())
    }
    /// A worker has taken all packets up to `at`. Release pairs with the acquire in [`WorkerClocks::reached`]: who ends
    /// flows by this time sees what the worker did before. (The rows' locks order the flows themselves.)
    pub(crate) fn publish(&self, worker: usize, at: Timestamp) {
        self.0[worker].0.store(at.nanos(), Ordering::Release);
    }
    /// A worker has no more packets.
    pub(crate) fn done(&self, worker: usize) {
        self.publish(worker, Timestamp::MAX);
    }
    /// The time that all workers have reached; `None` before each has had a packet, and after all are done.
    pub(crate) fn reached(&self) -> Option<Timestamp> {
        let nanos = self.0.iter().map(|clock| clock.0.load(Ordering::Acquire)).min()?;
        (nanos != 0 && nanos != u64::MAX).then(|| Timestamp::from_nanos(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_first_moment_and_not_that_of_the_next() {
        let at = Timestamp::from_nanos;
        let second = Second::of(at(7_300_000_000));
        assert_eq!(second.begin(), at(7_000_000_000));
        assert!(second.contains(at(7_000_000_000)) && second.contains(at(7_999_999_999)));
        assert!(!second.contains(at(6_999_999_999)) && !second.contains(at(8_000_000_000)));
        assert!(!second.contains(Timestamp::ZERO) && Second::of(Timestamp::MAX).contains(Timestamp::MAX));
    }

    #[test]
    fn the_slowest_worker_counts_until_it_is_done() {
        let clocks = WorkerClocks::new(2);
        let at = |secs| Timestamp::from_parts(secs, 0);
        clocks.publish(0, at(5));
        assert_eq!(clocks.reached(), None);
        clocks.publish(1, at(3));
        assert_eq!(clocks.reached(), Some(at(3)));
        clocks.done(1);
        assert_eq!(clocks.reached(), Some(at(5)));
        clocks.done(0);
        assert_eq!(clocks.reached(), None);
    }
}
