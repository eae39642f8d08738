//! How far in packet time each worker is. The managers end flows only up to where all of them are, so that no worker's
//! flow is ended before the worker has seen the packets that keep it alive.

use std::sync::atomic::{AtomicU64, Ordering};

use flumen_model::Timestamp;

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
