//! The pool, and counts over it, under the interleavings of two threads. Run with
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 cargo test -p flumen-pbuf --release --lib loom`.
//!
//! Under loom a cache has two places and a pool two caches (`cache.rs`, `core.rs`), so that every border is met within a
//! few steps. Each test looks at the ledger at the end, and whether every core has gone exactly once.

use crate::{Pbuf, PbufPool, PoolOptions};
use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed as LoomRelaxed},
    },
    thread,
};
use std::sync::atomic::{AtomicUsize as Counter, Ordering::Relaxed};

/// How many pools there were and how many have gone, over all interleavings. Not loom's atomics: nothing depends on them.
#[derive(Clone, Default)]
struct Ends {
    built: std::sync::Arc<Counter>,
    gone: std::sync::Arc<Counter>,
}

impl Ends {
    /// A pool whose end is counted: its hook owns a token.
    fn pool(&self, count: usize, cache: usize) -> PbufPool {
        struct Token(Ends);
        impl Drop for Token {
            fn drop(&mut self) {
                self.0.gone.fetch_add(1, Relaxed);
            }
        }
        self.built.fetch_add(1, Relaxed);
        let token = Token(self.clone());
        let options = PoolOptions::new(count, 1).cache(cache).reclaim(move || {
            let _keeps_the_token = &token;
        });
        options.build().unwrap()
    }
    /// Runs a test under every interleaving; afterwards, when all threads have ended, every pool has gone.
    fn model(test: impl Fn(&Self) + Send + Sync + 'static) {
        let ends = Self::default();
        let inner = ends.clone();
        loom::model(move || test(&inner));
        assert_eq!(ends.built.load(Relaxed), ends.gone.load(Relaxed), "a core was leaked, or went twice");
        println!("{} interleavings", ends.built.load(Relaxed));
    }
}

#[test]
fn buffer_freed_by_another_thread_then_ledger_even() {
    Ends::model(|ends| {
        let pool = ends.pool(2, 2);
        let buffer = pool.alloc().unwrap();
        let other = thread::spawn(move || drop(buffer));
        drop(pool.alloc().unwrap());
        other.join().unwrap();
        assert_eq!(pool.stats().outstanding, 0);
    });
}

#[test]
fn last_buffer_wanted_by_two_then_one_has_it_at_a_time() {
    Ends::model(|ends| {
        let pool = ends.pool(1, 0);
        // loom reports it when two are in the cell at one time, or without one having seen what the other did.
        let exclusive = Arc::new(UnsafeCell::new(0));
        let take = |pool: &PbufPool, exclusive: &UnsafeCell<u32>| {
            let Ok(mut buffer) = pool.alloc() else { return false };
            exclusive.with_mut(|cell| {
                // SAFETY: who has the only buffer is alone here, which is what the test is about.
                unsafe { *cell += 1 }
            });
            buffer[0] = 1;
            true
        };
        let other = thread::spawn({
            let (pool, exclusive) = (pool.clone(), Arc::clone(&exclusive));
            move || take(&pool, &exclusive)
        });
        let first = take(&pool, &exclusive);
        assert!(other.join().unwrap() || first, "at least one finds it");
        assert_eq!(pool.stats().outstanding, 0);
    });
}

#[test]
fn last_handle_and_last_buffer_go_at_one_time_then_core_goes_once() {
    for cache in [0, 2] {
        Ends::model(move |ends| {
            let pool = ends.pool(1, cache);
            let buffer = pool.alloc().unwrap();
            let other = thread::spawn(move || drop(buffer));
            drop(pool);
            other.join().unwrap();
        });
    }
}

#[test]
fn two_references_go_at_one_time_then_given_back_once() {
    Ends::model(|ends| {
        let pool = ends.pool(1, 0);
        let mut buffer = pool.alloc().unwrap();
        buffer[0] = 7;
        let buffer = buffer.freeze();
        let other = thread::spawn({
            let buffer = buffer.clone();
            move || {
                assert_eq!(buffer[0], 7);
                buffer.free()
            }
        });
        let last_here = buffer.free();
        assert!(other.join().unwrap() != last_here, "exactly one is the last");
        assert_eq!(pool.stats().outstanding, 0);
    });
}

#[test]
fn reader_lets_go_then_writer_comes_after_it() {
    loom::model(|| {
        // The cell stands for the bytes, which loom does not watch.
        let cell = Arc::new(UnsafeCell::new(0));
        let buffer = Pbuf::from_owner([1]);
        struct Shared(Arc<UnsafeCell<u32>>, Pbuf);
        // SAFETY: for this test only; loom reports a wrong access.
        unsafe impl Send for Shared {}
        let shared = Shared(Arc::clone(&cell), buffer.clone());
        // Orders nothing. It makes loom try the order of interest: of a thread's accesses to one atomic loom compares only the last with
        // those of others, and here that hides the decrement behind the look at the count just before it.
        let is_done = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&is_done);
        let other = thread::spawn(move || {
            let shared = shared;
            shared.0.with(|cell| {
                // SAFETY: a reader, while it has a reference.
                assert_eq!(unsafe { *cell }, 0);
            });
            drop(shared.1);
            done.store(true, LoomRelaxed);
        });
        if is_done.load(LoomRelaxed) && buffer.is_unique() {
            cell.with_mut(|cell| {
                // SAFETY: unique, so the reader has let go, and its reads have happened before.
                unsafe { *cell = 1 }
            });
        }
        other.join().unwrap();
    });
}

#[test]
fn two_threads_with_caches_then_every_buffer_found_again() {
    Ends::model(|ends| {
        let pool = ends.pool(3, 2);
        let other = thread::spawn({
            let pool = pool.clone();
            move || {
                let one = pool.alloc();
                let two = pool.alloc();
                drop((one, two));
            }
        });
        drop(pool.alloc());
        other.join().unwrap();
        let stats = pool.stats();
        assert_eq!(stats.outstanding, 0);
        assert!((1..=3).contains(&stats.high_water), "{stats:?}");
        // What the other thread keeps may still be on its way to the stock: its thread-locals go after the join.
        assert!(pool.alloc().is_ok());
    });
}
