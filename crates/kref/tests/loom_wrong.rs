//! Deliberate mistakes, to show that the checks of `loom_handles.rs` can fail: each wrong ordering, and each way to break
//! the third rule, must be caught. The right one beside them must pass.
//!
//! A count with its orderings as arguments stands in for the real one, whose orderings cannot be chosen.
#![cfg(loom)]
#![allow(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicI32;
use loom::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// The orderings on which a count stands.
#[derive(Clone, Copy)]
struct Orders {
    put: Ordering,
    /// Of the look at the count after the put that ended it; `None` if there is no such look.
    last: Option<Ordering>,
    /// Of the store that shares memory again, and of the get-unless-zero that pairs with it.
    share: Ordering,
    find: Ordering,
}

const RIGHT: Orders = Orders { put: Release, last: Some(Acquire), share: Release, find: Acquire };

struct Counted {
    count: AtomicI32,
    data: UnsafeCell<u32>,
    orders: Orders,
}

// SAFETY:
// - Loom checks that no access to `data` races; that is the point of these tests.
unsafe impl Sync for Counted {}
// SAFETY:
// - As above.
unsafe impl Send for Counted {}

impl Counted {
    fn new(count: i32, orders: Orders) -> Arc<Self> {
        Arc::new(Self { count: AtomicI32::new(count), data: UnsafeCell::new(1), orders })
    }
    fn read(&self) {
        // SAFETY:
        // - Loom fails the test if a write is concurrent.
        let _ = self.data.with(|data| unsafe { *data });
    }
    fn write(&self) {
        // SAFETY:
        // - Loom fails the test if any access is concurrent.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }
    /// Whether this was the last put.
    fn put(&self) -> bool {
        if self.count.fetch_sub(1, self.orders.put) != 1 {
            return false;
        }
        if let Some(order) = self.orders.last {
            assert_eq!(self.count.load(order), 0);
        }
        true
    }
    fn put_and_release(&self) {
        if self.put() {
            self.write();
        }
    }
    fn get_unless_zero(&self) -> bool {
        let mut old = self.count.load(Relaxed);
        while old != 0 {
            match self.count.compare_exchange(old, old + 1, self.orders.find, Relaxed) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
        false
    }
}

/// Two owners read and put; the last writes.
fn two_owners(orders: Orders) {
    loom::model(move || {
        let value = Counted::new(2, orders);
        let theirs = value.clone();
        let thread = thread::spawn(move || {
            theirs.read();
            theirs.put_and_release();
        });
        value.read();
        value.put_and_release();
        thread.join().unwrap();
    });
}

/// The last owner gives the memory a second life while somebody looks for the first.
fn second_life(orders: Orders) {
    loom::model(move || {
        let value = Counted::new(1, orders);
        let theirs = value.clone();
        let thread = thread::spawn(move || {
            if theirs.get_unless_zero() {
                theirs.read();
                theirs.put_and_release();
            }
        });
        if value.put() {
            value.write();
            value.count.store(1, orders.share);
            value.put_and_release();
        }
        thread.join().unwrap();
    });
}

#[test]
fn right_orderings_then_nothing_is_caught() {
    two_owners(RIGHT);
    second_life(RIGHT);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn put_without_release_then_caught() {
    two_owners(Orders { put: Relaxed, ..RIGHT });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn put_that_acquires_only_then_caught() {
    two_owners(Orders { put: Acquire, ..RIGHT });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn last_put_without_acquire_then_caught() {
    two_owners(Orders { last: None, ..RIGHT });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn last_put_that_looks_relaxed_then_caught() {
    two_owners(Orders { last: Some(Relaxed), ..RIGHT });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn shared_again_without_release_then_caught() {
    second_life(Orders { share: Relaxed, ..RIGHT });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn found_without_acquire_in_memory_used_again_then_caught() {
    second_life(Orders { find: Relaxed, ..RIGHT });
}

#[test]
fn stronger_than_needed_then_nothing_is_caught() {
    two_owners(Orders { put: AcqRel, last: None, ..RIGHT });
}

/// The third rule broken: a reference taken on a pointer that was found without a lock.
#[test]
#[should_panic(expected = "taken from zero")]
fn plain_get_against_last_put_then_caught() {
    loom::model(|| {
        let value = Counted::new(1, RIGHT);
        let theirs = value.clone();
        let thread = thread::spawn(move || {
            assert_ne!(theirs.count.fetch_add(1, Relaxed), 0, "taken from zero");
            theirs.read();
            theirs.put_and_release();
        });
        value.put_and_release();
        thread.join().unwrap();
    });
}

/// Put first and lock afterwards, as against `put_lock`: the table lists a value that is gone.
#[test]
#[should_panic(expected = "listed, but dead")]
fn last_put_before_the_lock_then_caught() {
    loom::model(|| {
        let value = Counted::new(1, RIGHT);
        let table = Arc::new(Mutex::new(Some(value.clone())));
        let thread = thread::spawn({
            let table = table.clone();
            move || {
                if let Some(found) = &*table.lock().unwrap() {
                    assert!(found.get_unless_zero(), "listed, but dead");
                    found.count.fetch_sub(1, Release);
                }
            }
        });
        if value.put() {
            *table.lock().unwrap() = None;
        }
        thread.join().unwrap();
    });
}

/// Sole ownership decided by a look at the count, as against `dec_if_one`: a lookup comes between.
#[test]
#[should_panic(expected = "Causality violation")]
fn uniqueness_by_a_look_against_a_lookup_then_caught() {
    loom::model(|| {
        let value = Counted::new(1, RIGHT);
        let theirs = value.clone();
        let thread = thread::spawn(move || {
            if theirs.get_unless_zero() {
                theirs.read();
                theirs.count.fetch_sub(1, Release);
            }
        });
        if value.count.load(Acquire) == 1 {
            value.write();
        }
        thread.join().unwrap();
    });
}
