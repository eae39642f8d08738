//! The queue of captures of a sensor that serves them: filled through the socket, emptied by whoever reads captures.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flumen_model::Timestamp;

use crate::limits::PCAPS_WAITING;
use crate::sensor::{PcapJob, Pcaps};

/// Captures that wait, in the order in which they came; at most [`PCAPS_WAITING`].
#[derive(Debug, Default)]
pub struct PcapQueue {
    state: Mutex<State>,
    /// Something was put in, interrupted, or closed.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<PcapJob>,
    current: Option<(PathBuf, Arc<AtomicBool>)>,
    last_processed: Option<Timestamp>,
    closed: bool,
}

/// A capture, or a directory of them, that is being read: it is the current one until this is dropped.
#[derive(Debug)]
pub struct CurrentPcap<'q> {
    queue: &'q PcapQueue,
    job: PcapJob,
    interrupted: Arc<AtomicBool>,
}

impl PcapQueue {
    /// A queue with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Waits for the next one, which becomes the current one; `None` once the queue is closed. One reader at a time.
    pub fn take(&self) -> Option<CurrentPcap<'_>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                let interrupted = Arc::new(AtomicBool::new(false));
                state.current = Some((job.input.clone(), Arc::clone(&interrupted)));
                return Some(CurrentPcap { queue: self, job, interrupted });
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
    /// Takes no more, interrupts the current one, and sends the reader home. What waits is returned: it was not read.
    pub fn close(&self) -> Vec<PcapJob> {
        let mut state = self.lock();
        state.closed = true;
        if let Some((_, interrupted)) = &state.current {
            interrupted.store(true, Ordering::Relaxed);
        }
        self.changed.notify_all();
        state.waiting.drain(..).collect()
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CurrentPcap<'_> {
    /// What is to be read.
    #[must_use]
    pub fn job(&self) -> &PcapJob {
        &self.job
    }
    /// Whether reading is to end: `pcap-interrupt`, or the queue was closed.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        // Relaxed: nothing is published with it, and seeing it one batch later does no harm.
        self.interrupted.load(Ordering::Relaxed)
    }
    /// Waits for more to read: so long, or until reading is to end.
    pub fn pause(&self, most: Duration) {
        let state = self.queue.lock();
        if !self.is_interrupted() {
            // Waking early does no harm, and a lock that was poisoned is no reason to stop.
            drop(self.queue.changed.wait_timeout(state, most));
        }
    }
    /// A capture has been read to its end; `modified` is when it had been written to.
    pub fn processed(&self, modified: Timestamp) {
        self.queue.lock().last_processed = Some(modified);
    }
}

impl Drop for CurrentPcap<'_> {
    fn drop(&mut self) {
        self.queue.lock().current = None;
    }
}

impl Pcaps for PcapQueue {
    fn add(&self, job: PcapJob) -> Result<(), String> {
        let input = fs::metadata(&job.input).map_err(|error| format!("{}: {error}", job.input.display()))?;
        // A pipe would make the sensor wait for whoever writes to it.
        if !input.is_file() && !input.is_dir() {
            return Err(format!("{}: neither a file nor a directory", job.input.display()));
        }
        if job.continuous && !input.is_dir() {
            return Err(format!("{}: not a directory, so it cannot be watched", job.input.display()));
        }
        let output = fs::metadata(&job.output).map_err(|error| format!("{}: {error}", job.output.display()))?;
        if !output.is_dir() {
            return Err(format!("{}: not a directory", job.output.display()));
        }
        let mut state = self.lock();
        if state.closed {
            return Err("The sensor is ending".to_owned());
        }
        if state.waiting.len() >= PCAPS_WAITING {
            return Err(format!("{PCAPS_WAITING} captures wait already"));
        }
        state.waiting.push_back(job);
        self.changed.notify_all();
        Ok(())
    }
    fn waiting(&self) -> Vec<PathBuf> {
        self.lock().waiting.iter().map(|job| job.input.clone()).collect()
    }
    fn current(&self) -> Option<PathBuf> {
        self.lock().current.as_ref().map(|(path, _)| path.clone())
    }
    fn last_processed(&self) -> Option<Timestamp> {
        self.lock().last_processed
    }
    fn interrupt(&self) -> bool {
        let state = self.lock();
        let current = state.current.as_ref();
        let interrupted = current.inspect(|(_, interrupted)| interrupted.store(true, Ordering::Relaxed)).is_some();
        self.changed.notify_all();
        interrupted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A job whose input and output are there.
    fn job(continuous: bool) -> PcapJob {
        PcapJob {
            input: "/".into(),
            output: "/".into(),
            tenant: None,
            continuous,
            delete_when_done: false,
            delay_secs: 30,
            poll_interval_secs: 5,
        }
    }

    #[test]
    fn jobs_then_taken_in_their_order_and_the_current_one_does_not_wait() {
        let queue = PcapQueue::new();
        queue.add(job(false)).expect("room");
        queue.add(job(true)).expect("room");
        let first = queue.take().expect("a job");
        assert!(!first.job().continuous);
        assert_eq!((queue.waiting().len(), queue.current()), (1, Some("/".into())));
        first.processed(Timestamp::from_parts(7, 0));
        drop(first);
        assert_eq!((queue.current(), queue.last_processed()), (None, Some(Timestamp::from_parts(7, 0))));
        assert!(queue.take().expect("a job").job().continuous);
    }

    #[test]
    fn interrupt_then_the_current_one_ends_and_the_next_one_is_read() {
        let queue = PcapQueue::new();
        assert!(!queue.interrupt(), "there is none");
        queue.add(job(true)).expect("room");
        queue.add(job(false)).expect("room");
        let current = queue.take().expect("a job");
        assert!(!current.is_interrupted());
        assert!(queue.interrupt() && current.is_interrupted());
        drop(current);
        assert!(!queue.take().expect("a job").is_interrupted());
    }

    #[test]
    fn interrupt_while_the_reader_pauses_then_it_goes_on_at_once() {
        let queue = PcapQueue::new();
        queue.add(job(true)).expect("room");
        let current = queue.take().expect("a job");
        thread::scope(|scope| {
            // Would outlast every test.
            let reader = scope.spawn(|| {
                while !current.is_interrupted() {
                    current.pause(Duration::from_secs(86_400));
                }
            });
            assert!(queue.interrupt());
            reader.join().expect("it ends");
        });
    }

    #[test]
    fn inputs_and_outputs_that_are_not_there_then_refused() {
        let queue = PcapQueue::new();
        let missing = queue.add(PcapJob { input: "/no such".into(), ..job(false) }).expect_err("no input");
        assert!(missing.starts_with("/no such: "), "{missing}");
        assert!(queue.add(PcapJob { output: "/no such".into(), ..job(false) }).is_err());
        let file = queue.add(PcapJob { output: "/dev/null".into(), ..job(false) }).expect_err("no directory");
        assert_eq!(file, "/dev/null: not a directory");
        let device = queue.add(PcapJob { input: "/dev/null".into(), ..job(false) }).expect_err("no capture");
        assert_eq!(device, "/dev/null: neither a file nor a directory");
        let watched = queue.add(PcapJob { input: "/proc/version".into(), ..job(true) }).expect_err("a file");
        assert_eq!(watched, "/proc/version: not a directory, so it cannot be watched");
        assert!(queue.waiting().is_empty());
    }

    #[test]
    fn more_than_the_limit_then_refused_and_nothing_is_lost() {
        let queue = PcapQueue::new();
        (0..PCAPS_WAITING).for_each(|_| queue.add(job(false)).expect("room"));
        assert!(queue.add(job(false)).is_err());
        assert_eq!(queue.waiting().len(), PCAPS_WAITING);
    }

    #[test]
    fn closed_while_a_reader_waits_then_it_goes_home_and_the_rest_is_handed_back() {
        let queue = PcapQueue::new();
        queue.add(job(false)).expect("room");
        let current = queue.take().expect("a job");
        thread::scope(|scope| {
            let reader = scope.spawn(|| queue.take().is_none());
            let rest = queue.close();
            assert!(rest.is_empty() && current.is_interrupted());
            assert!(reader.join().expect("it ends"));
        });
        assert_eq!(queue.add(job(false)).expect_err("closed"), "The sensor is ending");
    }
}
