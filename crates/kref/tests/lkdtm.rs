//! The seventeen behaviours by which the Linux kernel's own tests (lkdtm) judge `refcount_t`, and its two long runs.
//!
//! Counts start near the edge, so that nobody has to count to 2^31. Faults are told apart by the hook, which is one for
//! the process: the tests of this file that look at it take turns.
#![cfg(not(loom))]

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flumen_kref::{Fault, Refcount, fault};

const MAX: u32 = Refcount::MAX;
const SATURATED: u32 = Refcount::SATURATED;

thread_local! {
    static REPORTED: RefCell<Vec<Fault>> = const { RefCell::new(Vec::new()) };
}

/// What the operations since the last call reported, in this thread.
fn reported() -> Vec<Fault> {
    REPORTED.take()
}

fn with_hook() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    fault::set_hook(|fault| REPORTED.with_borrow_mut(|all| all.push(fault)));
    reported();
    turn
}

#[test]
fn inc_past_the_maximum_then_saturated() {
    let _turn = with_hook();
    let count = Refcount::new(MAX - 1);
    count.dec();
    count.inc();
    assert_eq!(count.read(), MAX - 1);
    count.inc();
    assert_eq!((count.read(), reported()), (MAX, vec![]));
    count.inc();
    assert_eq!((count.read(), reported()), (SATURATED, vec![Fault::Overflow]));
}

#[test]
fn add_past_the_maximum_then_saturated() {
    let _turn = with_hook();
    let count = Refcount::new(MAX - 1);
    count.dec();
    count.inc();
    assert_eq!(count.read(), MAX - 1);
    count.add(4);
    assert_eq!((count.read(), reported()), (SATURATED, vec![Fault::Overflow]));
    let count = Refcount::new(1);
    count.add(u32::MAX);
    assert_eq!((count.read(), reported()), (SATURATED, vec![Fault::Overflow]));
}

#[test]
fn inc_not_zero_at_the_maximum_then_saturated_and_not_reported_as_zero() {
    let _turn = with_hook();
    let count = Refcount::new(MAX);
    assert!(count.inc_not_zero());
    assert_eq!((count.read(), reported()), (SATURATED, vec![Fault::Overflow]));
}

#[test]
fn add_not_zero_past_the_maximum_then_saturated_and_not_reported_as_zero() {
    let _turn = with_hook();
    let count = Refcount::new(MAX);
    assert!(count.add_not_zero(6));
    assert_eq!((count.read(), reported()), (SATURATED, vec![Fault::Overflow]));
}

#[test]
fn dec_to_zero_then_saturated() {
    let _turn = with_hook();
    let count = Refcount::new(2);
    count.dec();
    assert_eq!((count.read(), reported()), (1, vec![]));
    count.dec();
    assert_eq!((count.read(), reported()), (SATURATED, vec![Fault::ReachedZero]));
}

#[test]
fn dec_of_zero_then_saturated() {
    let _turn = with_hook();
    let count = Refcount::new(0);
    count.dec();
    assert_eq!((count.read(), reported()), (SATURATED, vec![Fault::Underflow]));
}

#[test]
fn dec_and_test_of_zero_then_saturated_and_false() {
    let _turn = with_hook();
    let count = Refcount::new(0);
    assert!(!count.dec_and_test());
    assert_eq!((count.read(), reported()), (SATURATED, vec![Fault::Underflow]));
}

#[test]
fn sub_and_test_below_zero_then_saturated_and_false() {
    let _turn = with_hook();
    let count = Refcount::new(3);
    assert!(!count.sub_and_test(5));
    assert_eq!((count.read(), reported()), (SATURATED, vec![Fault::Underflow]));
}

#[test]
fn inc_from_zero_then_saturated() {
    let _turn = with_hook();
    let count = Refcount::new(0);
    assert!(!count.inc_not_zero());
    assert_eq!((count.read(), reported()), (0, vec![]));
    count.inc();
    assert_eq!((count.read(), reported()), (SATURATED, vec![Fault::FromZero]));
}

#[test]
fn add_from_zero_then_saturated() {
    let _turn = with_hook();
    let count = Refcount::new(0);
    assert!(!count.add_not_zero(3));
    assert_eq!((count.read(), reported()), (0, vec![]));
    count.add(3);
    assert_eq!((count.read(), reported()), (SATURATED, vec![Fault::FromZero]));
}

/// Seven behaviours of a saturated count: whatever is done to it, it stays, and says nothing a second time.
fn still_saturated_after(operation: impl Fn(&Refcount)) {
    let _turn = with_hook();
    let count = Refcount::new(SATURATED);
    for _ in 0..3 {
        operation(&count);
        assert_eq!((count.read(), reported()), (SATURATED, vec![]));
    }
    assert!(count.is_saturated());
}

#[test]
fn inc_of_saturated_stays() {
    still_saturated_after(Refcount::inc);
}

#[test]
fn dec_of_saturated_stays() {
    still_saturated_after(Refcount::dec);
}

#[test]
fn add_of_saturated_stays() {
    still_saturated_after(|count| count.add(8));
}

#[test]
fn inc_not_zero_of_saturated_stays_and_succeeds() {
    still_saturated_after(|count| assert!(count.inc_not_zero()));
}

#[test]
fn add_not_zero_of_saturated_stays_and_succeeds() {
    still_saturated_after(|count| assert!(count.add_not_zero(7)));
}

#[test]
fn dec_and_test_of_saturated_stays_and_is_false() {
    still_saturated_after(|count| assert!(!count.dec_and_test()));
}

#[test]
fn sub_and_test_of_saturated_stays_and_is_false() {
    still_saturated_after(|count| {
        assert!(!count.sub_and_test(8));
        assert!(!count.sub_and_test(SATURATED));
    });
}

// Beyond lkdtm: the operations it leaves out.

#[test]
fn conditional_puts_of_saturated_stay() {
    still_saturated_after(|count| {
        assert!(!count.dec_if_one());
        assert!(count.dec_not_one());
        assert!(count.dec_and_lock(|| panic!("the lock is not needed")).is_none());
    });
}

#[test]
fn conditional_puts_then_move_only_in_their_case() {
    let _turn = with_hook();
    let count = Refcount::new(2);
    assert!(!count.dec_if_one());
    assert_eq!(count.read(), 2);
    assert!(count.dec_not_one());
    assert_eq!(count.read(), 1);
    assert!(!count.dec_not_one());
    assert_eq!(count.read(), 1);
    assert!(count.dec_if_one());
    assert_eq!(count.read(), 0);
    assert!(!count.dec_if_one());
    assert_eq!((count.read(), reported()), (0, vec![]));
    assert!(count.dec_not_one());
    assert_eq!((count.read(), reported()), (SATURATED, vec![Fault::Underflow]));
}

#[test]
fn dec_and_lock_then_locks_for_the_last_owner_only() {
    let count = Refcount::new(2);
    assert!(count.dec_and_lock(|| panic!("two owners: no lock")).is_none());
    let lock = Mutex::new(());
    let guard = count.dec_and_lock(|| lock.lock().unwrap());
    assert!(guard.is_some() && lock.try_lock().is_err());
    assert_eq!(count.read(), 0);
}

#[test]
fn dec_and_lock_overtaken_by_a_get_then_unlocks_and_is_none() {
    let count = Refcount::new(1);
    let lock = Mutex::new(());
    // A lookup under the lock that came first.
    let guard = count.dec_and_lock(|| {
        let guard = lock.lock().unwrap();
        assert!(count.inc_not_zero());
        guard
    });
    assert!(guard.is_none() && lock.try_lock().is_ok());
    assert_eq!(count.read(), 1);
}

#[test]
fn amounts_of_zero_then_nothing_happens() {
    let _turn = with_hook();
    for start in [0, 1, MAX, SATURATED] {
        let count = Refcount::new(start);
        count.add(0);
        assert_eq!(count.add_not_zero(0), start != 0);
        assert!(!count.sub_and_test(0));
        assert_eq!((count.read(), reported()), (start, vec![]));
    }
}

#[test]
fn a_count_set_above_the_maximum_is_saturated() {
    let count = Refcount::new(MAX + 1);
    assert_eq!(count.read(), SATURATED);
    count.set(u32::MAX);
    assert_eq!(count.read(), SATURATED);
    count.set(MAX);
    assert!(!count.is_saturated());
}

#[test]
fn without_a_hook_then_the_counters_tell() {
    let _turn = with_hook();
    fault::clear_hook();
    let before = fault::counts();
    Refcount::new(0).inc();
    Refcount::new(0).dec();
    Refcount::new(1).dec();
    Refcount::new(MAX).inc();
    let after = fault::counts();
    // Other tests of this process that fault hold the hook, and are waiting.
    assert_eq!(after.total() - before.total(), 4);
    assert_eq!(after.from_zero - before.from_zero, 1);
    assert_eq!(after.underflow - before.underflow, 1);
    assert_eq!(after.reached_zero - before.reached_zero, 1);
    assert_eq!(after.overflow - before.overflow, 1);
    assert_eq!(reported(), vec![]);
}

/// lkdtm's two timing runs go to the maximum and back; this goes there on foot near the edges only.
#[test]
fn up_to_the_maximum_and_back_then_zero_once() {
    const STEPS: u32 = if cfg!(miri) { 100 } else { 100_000 };
    let count = Refcount::new(MAX - STEPS);
    (0..STEPS).for_each(|_| count.inc());
    assert_eq!(count.read(), MAX);
    (0..STEPS).for_each(|_| assert!(!count.dec_and_test()));
    assert!(!count.sub_and_test(MAX - 2 * STEPS));
    (1..STEPS).for_each(|_| assert!(!count.dec_and_test()));
    assert!(count.dec_and_test());
}
