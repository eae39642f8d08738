//! Every interleaving and every allowed reordering of two or three threads that get, put, look up and release.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p flumen-kref --release --test loom_handles --test loom_wrong`
#![cfg(loom)]
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use flumen_kref::{CountOffset, Ref, RefCounted, Refcount, Unique, count_offset};
use loom::cell::UnsafeCell;
use loom::sync::Mutex;
use loom::thread;

/// A value that tells loom who reads and writes it, and says when it is released.
struct Probe {
    count: Refcount,
    data: UnsafeCell<u32>,
    releases: &'static AtomicUsize,
}

// SAFETY:
// - Only this file makes probes, and holds them through handles; shared ones are only read (loom checks just that).
unsafe impl Sync for Probe {}
// SAFETY:
// - As above.
unsafe impl Send for Probe {}

// SAFETY:
// - `probe` is the only constructor. The memory is leaked, which stands for a pool: it outlives each run's threads.
unsafe impl RefCounted for Probe {
    const COUNT: CountOffset<Self> = count_offset!(Self, count);
    unsafe fn release(this: NonNull<Self>) {
        // SAFETY:
        // - The caller owns the value alone, which is what the exclusive access below has loom check.
        let probe = unsafe { this.as_ref() };
        assert_eq!(probe.count.read(), 0);
        probe.write(0);
        probe.releases.fetch_add(1, Ordering::Relaxed);
    }
}

impl Probe {
    fn read(&self) -> u32 {
        // SAFETY:
        // - Loom fails the test if this is concurrent with a write.
        self.data.with(|data| unsafe { *data })
    }
    fn write(&self, value: u32) {
        // SAFETY:
        // - Loom fails the test if this is concurrent with any access.
        self.data.with_mut(|data| unsafe { *data = value });
    }
}

fn probe(releases: &'static AtomicUsize) -> Unique<Probe> {
    let probe = Box::new(Probe { count: Refcount::new(0), data: UnsafeCell::new(1), releases });
    // SAFETY:
    // - Fresh memory with a count of zero.
    unsafe { Unique::from_raw(NonNull::from(Box::leak(probe))) }
}

/// A pointer such as a table would keep: it owns nothing.
#[derive(Clone, Copy)]
struct Pointer(NonNull<Probe>);

// SAFETY:
// - A plain address; what is done with it has its own reasons.
unsafe impl Send for Pointer {}

impl Pointer {
    fn of(probe: &Ref<Probe>) -> Self {
        Self(Ref::as_ptr(probe))
    }
    fn try_get(self) -> Option<Ref<Probe>> {
        // SAFETY:
        // - Probes are never freed, and nobody makes a `&mut Probe`.
        unsafe { Ref::try_get(self.0) }
    }
}

/// Runs `body` in every interleaving; it makes probes that count their releases, of which each run must see `expected`.
fn model_releasing(expected: usize, body: impl Fn(&'static AtomicUsize) + Send + Sync + 'static) {
    let releases: &'static AtomicUsize = Box::leak(Box::default());
    loom::model(move || {
        releases.store(0, Ordering::Relaxed);
        body(releases);
        assert_eq!(releases.load(Ordering::Relaxed), expected);
    });
}

#[test]
fn two_threads_put_then_one_release_after_all_reads() {
    model_releasing(1, |releases| {
        let mine = probe(releases).into_ref();
        let theirs = mine.clone();
        let thread = thread::spawn(move || {
            assert_eq!(theirs.read(), 1);
            drop(theirs);
        });
        assert_eq!(mine.read(), 1);
        drop(mine);
        thread.join().unwrap();
    });
}

#[test]
fn three_threads_get_and_put_then_one_release_after_all_reads() {
    model_releasing(1, |releases| {
        let mine = probe(releases).into_ref();
        let threads = [mine.clone(), mine.clone()].map(|held| {
            thread::spawn(move || {
                let more = held.clone();
                drop(held);
                assert_eq!(more.read(), 1);
            })
        });
        drop(mine);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn get_unless_zero_against_last_put_then_alive_or_nothing() {
    model_releasing(1, |releases| {
        let mine = probe(releases).into_ref();
        let pointer = Pointer::of(&mine);
        let thread = thread::spawn(move || {
            if let Some(found) = pointer.try_get() {
                assert_eq!(found.read(), 1);
            }
        });
        drop(mine);
        thread.join().unwrap();
        assert!(pointer.try_get().is_none());
    });
}

#[test]
fn two_gets_unless_zero_against_last_put_then_one_release() {
    model_releasing(1, |releases| {
        let mine = probe(releases).into_ref();
        let pointer = Pointer::of(&mine);
        let threads = [(); 2].map(|()| thread::spawn(move || drop(pointer.try_get())));
        drop(mine);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn get_unless_zero_of_memory_used_again_then_sees_the_new_value_whole() {
    model_releasing(1, |releases| {
        let mine = probe(releases).into_ref();
        let pointer = Pointer::of(&mine);
        let thread = thread::spawn(move || {
            if let Some(found) = pointer.try_get() {
                assert!(matches!(found.read(), 1 | 2));
            }
        });
        // The last owner gives the memory a second life, if the lookup did not come first.
        if let Some(unique) = Ref::into_unique_or_drop(mine) {
            unique.write(2);
            drop(unique.into_ref());
        }
        thread.join().unwrap();
    });
}

#[test]
fn two_last_owners_ask_for_the_value_then_exactly_one_gets_it() {
    model_releasing(1, |releases| {
        let mine = probe(releases).into_ref();
        let theirs = mine.clone();
        let ask = |held: Ref<Probe>| match Ref::into_unique_or_drop(held) {
            Some(unique) => {
                unique.write(3);
                1
            }
            None => 0,
        };
        let thread = thread::spawn(move || ask(theirs));
        assert_eq!(ask(mine) + thread.join().unwrap(), 1);
    });
}

#[test]
fn owner_removes_what_nobody_uses_against_a_lookup_then_never_both() {
    model_releasing(1, |releases| {
        let owner = probe(releases).into_ref();
        let pointer = Pointer::of(&owner);
        let thread = thread::spawn(move || {
            if let Some(found) = pointer.try_get() {
                assert_eq!(found.read(), 1);
            }
        });
        match Ref::try_unique(owner) {
            Ok(unique) => unique.write(4),
            Err(in_use) => drop(in_use),
        }
        thread.join().unwrap();
    });
}

#[test]
fn value_changed_while_unshared_against_a_put_then_after_all_reads() {
    model_releasing(1, |releases| {
        let mut mine = probe(releases).into_ref();
        let theirs = mine.clone();
        let thread = thread::spawn(move || {
            assert_eq!(theirs.read(), 1);
            drop(theirs);
        });
        let changed = Ref::modify(&mut mine, |probe| probe.write(5)).is_some();
        assert_eq!(mine.read(), if changed { 5 } else { 1 });
        thread.join().unwrap();
    });
}

/// A table that owns nothing, and whose lock guards the way from the table to the value.
type Table = loom::sync::Arc<Mutex<Option<Pointer>>>;

fn put_from(table: &Table, held: Ref<Probe>) {
    if let Some((mut entry, last)) = Ref::put_lock(held, || table.lock().unwrap()) {
        *entry = None;
        drop(entry);
        drop(last);
    }
}

#[test]
fn put_with_lock_against_lookup_then_what_is_found_lives() {
    model_releasing(1, |releases| {
        let mine = probe(releases).into_ref();
        let table = Table::new(Mutex::new(Some(Pointer::of(&mine))));
        let thread = thread::spawn({
            let table = table.clone();
            move || {
                let found = {
                    let entry = table.lock().unwrap();
                    // What is in the table is alive for as long as the lock is held.
                    entry.map(|pointer| pointer.try_get().expect("listed, so alive"))
                };
                if let Some(found) = found {
                    assert_eq!(found.read(), 1);
                    put_from(&table, found);
                }
            }
        });
        put_from(&table, mine);
        thread.join().unwrap();
        assert!(table.lock().unwrap().is_none());
    });
}

#[test]
fn two_puts_with_lock_then_one_takes_the_value_out() {
    model_releasing(1, |releases| {
        let mine = probe(releases).into_ref();
        let theirs = mine.clone();
        let table = Table::new(Mutex::new(Some(Pointer::of(&mine))));
        let thread = thread::spawn({
            let table = table.clone();
            move || put_from(&table, theirs)
        });
        put_from(&table, mine);
        thread.join().unwrap();
        assert!(table.lock().unwrap().is_none());
    });
}

#[test]
fn two_threads_overflow_one_count_then_it_is_reported_once() {
    let before = flumen_kref::fault::counts().overflow;
    let runs: &'static AtomicUsize = Box::leak(Box::default());
    loom::model(move || {
        runs.fetch_add(1, Ordering::Relaxed);
        let count = loom::sync::Arc::new(Refcount::new(Refcount::MAX));
        let thread = thread::spawn({
            let count = count.clone();
            move || count.inc()
        });
        count.inc();
        thread.join().unwrap();
        assert_eq!(count.read(), Refcount::SATURATED);
    });
    assert_eq!(flumen_kref::fault::counts().overflow - before, runs.load(Ordering::Relaxed));
}
