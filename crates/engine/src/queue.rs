//! A bounded queue between threads: who puts waits while it is full, who takes waits while it is empty.
//!
//! 1. It never holds more than its bound.
//! 2. What was put before it was closed is taken by somebody; after that takers get `None`.
//! 3. No lock of the table is held by who waits here: workers and managers put when they hold no row.

use std::collections::VecDeque;

use crate::prim::{Condvar, Mutex, lock, wait};

/// A queue of at most `bound` items.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    not_empty: Condvar,
    not_full: Condvar,
    bound: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    closed: bool,
    longest: usize,
    /// Who waits for an item, and who for room. Nobody else is woken, since that is a call of the system each time.
    takers: usize,
    putters: usize,
}

impl<T> Queue<T> {
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::with_capacity(bound),
                closed: false,
                longest: 0,
                takers: 0,
                putters: 0,
            }),
            not_empty: Condvar::new(),
            not_full: Condvar::new(),
            bound,
        }
    }

    /// Puts an item, waiting while the queue is full.
    ///
    /// # Errors
    /// Hands the item back when the queue was closed.
    pub(crate) fn put(&self, item: T) -> Result<(), T> {
        let mut state = lock(&self.state);
        while state.items.len() >= self.bound && !state.closed {
            state.putters += 1;
            state = wait(&self.not_full, state);
            state.putters -= 1;
        }
        if state.closed {
            return Err(item);
        }
        state.items.push_back(item);
        state.longest = state.longest.max(state.items.len());
        let waits = state.takers > 0;
        drop(state);
        if waits {
            self.not_empty.notify_one();
        }
        Ok(())
    }

    /// Takes the oldest item, waiting for one; `None` when the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<T> {
        let mut state = lock(&self.state);
        loop {
            if let Some(item) = state.items.pop_front() {
                let waits = state.putters > 0;
                drop(state);
                if waits {
                    self.not_full.notify_one();
                }
                return Some(item);
            }
            if state.closed {
                return None;
            }
            state.takers += 1;
            state = wait(&self.not_empty, state);
            state.takers -= 1;
        }
    }

    /// Ends the queue: nothing more is put, what is in it can still be taken.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.not_empty.notify_all();
        self.not_full.notify_all();
    }

    /// The most items it ever held.
    pub(crate) fn longest(&self) -> usize {
        lock(&self.state).longest
    }
}

/// Closes a queue when it goes out of scope, on whatever way.
#[derive(Debug)]
pub(crate) struct CloseOnDrop<'q, T>(pub(crate) &'q Queue<T>);

impl<T> Drop for CloseOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_in_order_and_the_rest_after_the_close() {
        let queue = Queue::new(3);
        assert!((0..3).all(|n| queue.put(n).is_ok()));
        queue.close();
        assert_eq!(queue.put(3), Err(3));
        assert_eq!([queue.take(), queue.take(), queue.take(), queue.take()], [Some(0), Some(1), Some(2), None]);
        assert_eq!(queue.longest(), 3);
    }

    #[test]
    fn who_waits_for_room_goes_on_when_something_is_taken() {
        let queue = Queue::new(1);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..1000).for_each(|n| queue.put(n).expect("open")));
            assert!((0..1000).all(|n| queue.take() == Some(n)));
        });
        assert_eq!(queue.longest(), 1);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::Arc;

    #[test]
    fn every_item_is_taken_once_and_takers_end() {
        loom::model(|| {
            let queue = Arc::new(Queue::new(1));
            let producer = {
                let queue = Arc::clone(&queue);
                loom::thread::spawn(move || {
                    queue.put(1).expect("open");
                    queue.put(2).expect("open");
                    queue.close();
                })
            };
            let mut sum = 0;
            while let Some(n) = queue.take() {
                sum += n;
            }
            producer.join().expect("producer");
            assert_eq!(sum, 3);
        });
    }

    #[test]
    fn a_close_wakes_who_waits_for_room() {
        loom::model(|| {
            let queue = Arc::new(Queue::new(1));
            queue.put(1).expect("open");
            let waiting = {
                let queue = Arc::clone(&queue);
                loom::thread::spawn(move || queue.put(2))
            };
            queue.close();
            let _ = waiting.join().expect("no deadlock");
        });
    }
}
