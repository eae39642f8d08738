//! The handles over the three homes a counted value can have: a pool, a box, and a table that owns the first reference.
//!
//! Every test keeps a ledger: at its end nothing is out.
#![cfg(not(loom))]
#![allow(unsafe_code)]

use std::marker::PhantomPinned;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flumen_kref::{AnyRef, Boxed, CountOffset, Promote, Ref, RefBorrow, RefCounted, Refcount, Unique, count_offset};

/// A slot of a fixed pool. It knows its place, so it is not `Unpin`; the count is not the first field.
struct Slot {
    value: u64,
    count: Refcount,
    home: NonNull<Pool>,
    index: usize,
    _pinned: PhantomPinned,
}

/// Slots in one block, and the indices of those that are free.
struct Pool {
    slots: NonNull<Slot>,
    free: Mutex<Vec<usize>>,
    size: usize,
    /// How often a release tried to take a reference to its own slot, and did not get one.
    resurrections_refused: AtomicUsize,
}

// SAFETY:
// - A pool is a block of slots behind a lock on which of them are free.
unsafe impl Sync for Pool {}
// SAFETY:
// - A slot's pool is `Sync`, and outlives it (`with_pool`).
unsafe impl Send for Slot {}
// SAFETY:
// - As above; there is no way to change a shared slot.
unsafe impl Sync for Slot {}

// SAFETY:
// - Only a pool makes slots, and gives out a `Unique` of each, with its count at zero. Slots are not `Unpin`.
// - `release` makes the slot free and leaves no handle to it.
unsafe impl RefCounted for Slot {
    const COUNT: CountOffset<Self> = count_offset!(Self, count);
    unsafe fn release(this: NonNull<Self>) {
        // SAFETY:
        // - The caller owns the slot alone.
        let slot = unsafe { this.as_ref() };
        assert_eq!(slot.count.read(), 0);
        let refused = usize::from(Ref::from_borrow(slot).is_none());
        let (home, index) = (slot.home, slot.index);
        // SAFETY:
        // - As above. Written as a pool would that links its free slots: this needs the provenance of the whole slot.
        unsafe { (*this.as_ptr()).value = u64::MAX };
        // SAFETY:
        // - The pool outlives its slots.
        let home = unsafe { home.as_ref() };
        home.resurrections_refused.fetch_add(refused, Ordering::Relaxed);
        home.free.lock().unwrap().push(index);
    }
}

// SAFETY:
// - The pool's pointer to the block is as good as the one it made the handle from; `Slot` is `Send`.
unsafe impl Promote for Slot {
    fn origin(&self) -> NonNull<Self> {
        // SAFETY:
        // - The pool outlives its slots.
        let slots = unsafe { self.home.as_ref() }.slots;
        // SAFETY:
        // - The index is the slot's own.
        unsafe { slots.add(self.index) }
    }
}

impl Pool {
    fn take(&self, value: u64) -> Option<Unique<Slot>> {
        let index = self.free.lock().unwrap().pop()?;
        // SAFETY:
        // - Free indices lie within the block.
        let slot = unsafe { self.slots.add(index) };
        // SAFETY:
        // - The slot was free, and is now ours alone.
        unsafe { (*slot.as_ptr()).value = value };
        // SAFETY:
        // - As above. Its count has been zero since it was made or released.
        Some(unsafe { Unique::from_raw(slot) })
    }
    fn outstanding(&self) -> usize {
        self.size - self.free.lock().unwrap().len()
    }
}

/// Runs `test` on a pool of `size` slots, all of which must be back afterwards.
fn with_pool(size: usize, test: impl FnOnce(&Pool)) {
    let block = Box::into_raw(Box::<[Slot]>::new_uninit_slice(size));
    let slots = NonNull::new(block.cast::<Slot>()).unwrap();
    let pool = NonNull::from(Box::leak(Box::new(Pool {
        slots,
        free: Mutex::new((0..size).collect()),
        size,
        resurrections_refused: AtomicUsize::new(0),
    })));
    for index in 0..size {
        let slot = Slot { value: 0, count: Refcount::new(0), home: pool, index, _pinned: PhantomPinned };
        // SAFETY:
        // - The index lies within the block.
        let place = unsafe { slots.add(index) };
        // SAFETY:
        // - As above.
        unsafe { place.write(slot) };
    }
    // SAFETY:
    // - The pool is freed below.
    let shared = unsafe { pool.as_ref() };
    test(shared);
    assert_eq!(shared.outstanding(), 0, "slots are out");
    // SAFETY:
    // - No slot is out, so nothing points to the pool any more.
    drop(unsafe { Box::from_raw(pool.as_ptr()) });
    // SAFETY:
    // - As above; slots have nothing to drop.
    drop(unsafe { Box::from_raw(block) });
}

#[test]
fn sizes_then_one_pointer_and_four_bytes() {
    assert_eq!(size_of::<Refcount>(), 4);
    assert_eq!(size_of::<Ref<Slot>>(), size_of::<usize>());
    assert_eq!(size_of::<Option<Ref<Slot>>>(), size_of::<usize>());
    assert_eq!(size_of::<Unique<Slot>>(), size_of::<usize>());
    assert_eq!(size_of::<Option<RefBorrow<'_, Slot>>>(), size_of::<usize>());
    assert_eq!(size_of::<AnyRef>(), 2 * size_of::<usize>());
    assert_eq!(size_of::<Boxed<u32>>(), 8);
}

#[test]
fn last_put_then_the_slot_is_back_in_its_pool() {
    with_pool(2, |pool| {
        let one = pool.take(1).unwrap().into_ref();
        let two = pool.take(2).unwrap();
        assert!(pool.take(3).is_none());
        let again = one.clone();
        assert_eq!((Ref::count(&one), again.value, two.value), (2, 1, 2));
        drop(one);
        assert_eq!(pool.outstanding(), 2);
        drop(again);
        assert_eq!(pool.outstanding(), 1);
        drop(two);
        assert_eq!(pool.outstanding(), 0);
        assert_eq!(pool.take(4).unwrap().into_ref().value, 4);
    });
}

#[test]
fn reference_from_a_borrow_then_it_may_be_the_last() {
    with_pool(1, |pool| {
        let first = pool.take(5).unwrap().into_ref();
        let borrow: &Slot = &first;
        let second = Ref::from_borrow(borrow).unwrap();
        assert!(Ref::ptr_eq(&first, &second));
        drop(first);
        assert_eq!((second.value, Ref::count(&second)), (5, 1));
        let third = Ref::as_borrow(&second).to_ref();
        drop(second);
        drop(third);
    });
    let first = Boxed::new(String::from("a")).into_ref();
    let second = first.to_ref().unwrap();
    drop(first);
    assert_eq!(&**second, "a");
    let mut unique = Ref::into_unique_or_drop(second).unwrap();
    unique.push('b');
    assert_eq!(Boxed::into_inner(unique), "ab");
}

#[test]
fn reference_from_a_borrow_of_a_unique_then_none() {
    let mut unique = Boxed::new(1);
    assert!(Ref::from_borrow(&*unique).is_none());
    **unique = 2;
    let mut only = unique.into_ref();
    assert_eq!(Ref::modify(&mut only, |value| value.to_ref().is_none()), Some(true));
}

#[test]
fn reference_taken_within_the_release_then_none() {
    with_pool(1, |pool| {
        let slot = pool.take(1).unwrap().into_ref();
        assert_eq!(pool.resurrections_refused.load(Ordering::Relaxed), 0);
        drop(slot);
        assert_eq!(pool.resurrections_refused.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn last_owner_gets_the_value_back_and_others_do_not() {
    with_pool(1, |pool| {
        let one = pool.take(1).unwrap().into_ref();
        let two = one.clone();
        assert!(Ref::into_unique_or_drop(one).is_none());
        let mut unique = Ref::into_unique_or_drop(two).unwrap();
        // SAFETY:
        // - The value is changed in place, not moved.
        unsafe { unique.pin_mut().get_unchecked_mut() }.value = 9;
        assert_eq!(unique.into_ref().value, 9);
    });
}

#[test]
fn modify_then_only_while_unshared_and_shared_again_after_a_panic() {
    let mut one = Boxed::new(vec![1]).into_ref();
    let two = one.clone();
    assert_eq!(Ref::modify(&mut one, |value| value.push(2)), None);
    drop(two);
    assert_eq!(Ref::modify(&mut one, |value| value.push(2)), Some(()));
    let panicked = catch_unwind(AssertUnwindSafe(|| Ref::modify(&mut one, |_| panic!("in between"))));
    assert!(panicked.is_err());
    assert_eq!((Ref::count(&one), &***one), (1, &[1, 2][..]));
}

#[test]
fn table_that_owns_the_first_reference_then_frees_what_nobody_uses() {
    with_pool(3, |pool| {
        let mut table: Vec<Ref<Slot>> = (0..3).map(|value| pool.take(value).unwrap().into_ref()).collect();
        let used = table[1].clone();
        let mut evicted = 0;
        table = table
            .into_iter()
            .filter_map(|owned| match Ref::try_unique(owned) {
                Ok(unused) => {
                    evicted += 1;
                    drop(unused);
                    None
                }
                Err(in_use) => Some(in_use),
            })
            .collect();
        assert_eq!((evicted, table.len(), pool.outstanding()), (2, 1, 1));
        drop(used);
        assert!(Ref::try_unique(table.pop().unwrap()).is_ok());
    });
}

#[test]
fn put_lock_then_locks_once_for_many_puts() {
    with_pool(1, |pool| {
        let locked = AtomicUsize::new(0);
        let listed = Mutex::new(true);
        let lock = || {
            locked.fetch_add(1, Ordering::Relaxed);
            listed.lock().unwrap()
        };
        let first = pool.take(1).unwrap().into_ref();
        let others: Vec<_> = (0..5).map(|_| first.clone()).collect();
        for other in others {
            assert!(Ref::put_lock(other, lock).is_none());
        }
        assert_eq!(locked.load(Ordering::Relaxed), 0);
        let (mut entry, last) = Ref::put_lock(first, lock).unwrap();
        *entry = false;
        assert!(listed.try_lock().is_err());
        drop(entry);
        assert_eq!(pool.outstanding(), 1);
        drop(last);
        assert_eq!(locked.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn put_lock_whose_lock_panics_then_the_value_is_kept() {
    let value = Boxed::new(1).into_ref();
    let ptr = Ref::as_ptr(&value);
    assert!(catch_unwind(AssertUnwindSafe(|| Ref::put_lock(value, || panic!("poisoned")))).is_err());
    // SAFETY:
    // - The reference that the panic left behind, taken up again so that this test leaks nothing.
    let value = unsafe { Ref::from_raw(ptr) };
    assert_eq!((Ref::count(&value), **value), (1, 1));
}

#[test]
fn raw_round_trip_then_counts_are_unchanged() {
    let value = Boxed::new(7).into_ref();
    let raw = Ref::into_raw(value);
    // SAFETY:
    // - `raw` owns a reference.
    unsafe { Ref::increment(raw) };
    // SAFETY:
    // - One of the two references that `raw` owns now.
    let one = unsafe { Ref::from_raw(raw) };
    // SAFETY:
    // - The other.
    let two = unsafe { Ref::from_raw(raw) };
    assert_eq!((Ref::count(&one), **two), (2, 7));
    drop(one);
    let unique = Ref::into_unique_or_drop(two).unwrap();
    let raw = unique.into_raw();
    // SAFETY:
    // - Straight back.
    drop(unsafe { Unique::from_raw(raw) });
}

#[test]
fn get_unless_zero_of_a_pool_slot_then_none_once_it_is_free() {
    with_pool(1, |pool| {
        let slot = pool.take(1).unwrap();
        let ptr = slot.as_ptr();
        // SAFETY:
        // - The memory is the pool's, and no `&mut` to the slot is in use, here and below.
        let try_get = || unsafe { Ref::try_get(ptr) };
        assert!(try_get().is_none(), "not shared yet");
        let slot = slot.into_ref();
        let found = try_get().unwrap();
        assert!(Ref::ptr_eq(&slot, &found));
        drop((slot, found));
        assert!(try_get().is_none(), "free");
        let next = pool.take(2).unwrap().into_ref();
        assert_eq!(try_get().unwrap().value, 2, "the same memory in another life: the caller compares");
        drop(next);
    });
}

#[test]
fn references_of_several_types_then_each_released_as_its_own() {
    with_pool(1, |pool| {
        let dropped = std::sync::Arc::new(());
        let slot = pool.take(1).unwrap().into_ref();
        let mut all = vec![AnyRef::from(slot.clone()), AnyRef::from(Boxed::new(dropped.clone()).into_ref())];
        all.push(all[1].clone());
        assert_eq!((all[0].count(), all[2].count()), (2, 2));
        let back = all.remove(0).downcast::<Slot>().unwrap();
        assert!(Ref::ptr_eq(&back, &slot));
        let wrong = all.pop().unwrap().downcast::<Slot>().err().unwrap();
        assert!(format!("{wrong:?}").contains("Boxed"));
        drop((wrong, all));
        assert_eq!(std::sync::Arc::strong_count(&dropped), 1);
        // The last one out knows the type at run time only.
        let last = AnyRef::from(back);
        drop(slot);
        drop(last);
    });
}

#[test]
fn container_of_then_the_value_itself() {
    with_pool(1, |pool| {
        let slot = pool.take(1).unwrap();
        // SAFETY:
        // - The slot is valid.
        let count = unsafe { Slot::COUNT.count_of(slot.as_ptr()) };
        // SAFETY:
        // - Found by the same offset.
        let value = unsafe { Slot::COUNT.container_of(count) };
        assert_eq!(value, slot.as_ptr());
        assert!(ptr::eq(count.as_ptr(), &raw const slot.count));
    });
}

#[test]
fn values_swapped_between_uniques_then_counts_stay_right() {
    let (mut one, mut two) = (Boxed::new(1), Boxed::new(2));
    std::mem::swap(&mut *one, &mut *two);
    let (one, two) = (one.into_ref(), two.into_ref());
    let more = one.clone();
    assert_eq!((**one, **two, Ref::count(&more), Ref::count(&two)), (2, 1, 2, 1));
}

#[test]
fn count_that_overflowed_then_the_value_outlives_all_references() {
    with_pool(1, |pool| {
        let slot = pool.take(3).unwrap().into_ref();
        // 2^31 references that were forgotten.
        slot.count.set(Refcount::MAX);
        let before = flumen_kref::fault::counts().overflow;
        let many: Vec<_> = (0..10).map(|_| slot.clone()).collect();
        assert_eq!(flumen_kref::fault::counts().overflow - before, 1);
        drop(many);
        let ptr = Ref::into_raw(slot);
        for _ in 0..10 {
            // SAFETY:
            // - A saturated count has references to spare, and its value is never released.
            drop(unsafe { Ref::from_raw(ptr) });
        }
        assert_eq!(pool.outstanding(), 1, "leaked, not freed");
        // SAFETY:
        // - Saturated, so still valid.
        let slot = unsafe { Ref::from_raw(ptr) };
        assert_eq!((slot.value, Ref::count(&slot)), (3, Refcount::SATURATED));
        assert!(matches!(Ref::try_unique(slot), Err(kept) if { kept.count.set(1); true }));
    });
}

#[test]
fn forgotten_reference_then_the_ledger_shows_it() {
    with_pool(1, |pool| {
        let slot = pool.take(1).unwrap().into_ref();
        let forgotten = Ref::as_ptr(&slot);
        std::mem::forget(slot.clone());
        drop(slot);
        assert_eq!(pool.outstanding(), 1, "which is where `with_pool` would fail");
        // SAFETY:
        // - The forgotten one, so that this test itself leaks nothing.
        drop(unsafe { Ref::from_raw(forgotten) });
    });
}

#[test]
fn many_threads_get_and_put_then_released_once() {
    const STEPS: u32 = if cfg!(miri) { 20 } else { 20_000 };
    let dropped = std::sync::Arc::new(());
    let value = Boxed::new(dropped.clone()).into_ref();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let mine = value.clone();
            scope.spawn(move || {
                for _ in 0..STEPS {
                    let more = mine.clone();
                    drop(Ref::from_borrow(&*more));
                }
            });
        }
    });
    assert_eq!(Ref::count(&value), 1);
    drop(value);
    assert_eq!(std::sync::Arc::strong_count(&dropped), 1);
}
