//! The count itself: 32 bits, saturating, never wrapping.
//!
//! Every operation is one read-modify-write (or a compare-and-swap loop where it must not move the count in some case),
//! checked afterwards. A value outside 0..=MAX is replaced by [`Refcount::SATURATED`], which lies 2^30 from both ends of
//! the invalid range: between the unchecked step and its repair other threads may step as well, and it would take 2^30
//! of them at one time to leave that range.
//!
//! Orderings, and what they pair with:
//! - a get is Relaxed: the caller has a reference already, and whoever gave it that ordered the accesses;
//! - a put is Release, and the put that reaches zero then Acquires: the releaser sees all that former owners did;
//! - get-unless-zero Acquires: it pairs with the Release of [`Unique::into_ref`](crate::Unique::into_ref), for memory
//!   that is used again for a value of the same type.

use core::fmt;

use crate::fault::{self, Fault};
use crate::prim::{AtomicI32, Ordering};

/// A saturating 32-bit count of owners.
///
/// Usually embedded in a [`RefCounted`](crate::RefCounted) type and driven by [`Ref`](crate::Ref). Used alone it decides
/// nothing about memory: all operations are safe.
///
/// All operations whose result says whether the count reached zero, or was zero, are `must_use`. A `false` of
/// [`dec_and_test`](Self::dec_and_test) says nothing about the count now, another thread may have ended it already.
#[repr(transparent)]
pub struct Refcount(AtomicI32);

#[cfg(not(loom))]
const _: () = assert!(size_of::<Refcount>() == 4);

impl Refcount {
    /// The largest number of owners: 0x7fff_ffff.
    pub const MAX: u32 = i32::MAX as u32;
    /// What a saturated count reads as: 0xC000_0000. Any value above `MAX` is saturated.
    pub const SATURATED: u32 = 0xC000_0000;

    /// A count of `n`; saturated if `n` is above `MAX`.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(n: u32) -> Self {
        Self(AtomicI32::new(clamp(n)))
    }

    /// A count of `n`; saturated if `n` is above `MAX`.
    #[cfg(loom)]
    #[must_use]
    pub fn new(n: u32) -> Self {
        Self(AtomicI32::new(clamp(n)))
    }

    /// Sets the count to `n` (saturated if above `MAX`) with no ordering. For a count nobody else can reach.
    pub fn set(&self, n: u32) {
        self.0.store(clamp(n), Ordering::Relaxed);
    }

    /// Sets the count to `n` and publishes all that was written before: pairs with
    /// [`inc_not_zero`](Self::inc_not_zero) of a thread that still has an old pointer to this memory.
    pub fn set_release(&self, n: u32) {
        self.0.store(clamp(n), Ordering::Release);
    }

    /// The count at some moment; above [`MAX`](Self::MAX) if saturated. Orders nothing.
    #[must_use]
    pub fn read(&self) -> u32 {
        self.0.load(Ordering::Relaxed).cast_unsigned()
    }

    /// Whether the count has saturated, so that its value is never released.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.read() > Self::MAX
    }

    /// One owner more. The caller must be one itself, or hold what keeps the value alive.
    ///
    /// Faults: [`Fault::FromZero`] at zero, [`Fault::Overflow`] at `MAX`.
    #[inline]
    pub fn inc(&self) {
        let old = self.0.fetch_add(1, Ordering::Relaxed);
        if !(1..i32::MAX).contains(&old) {
            self.saturate(if old == 0 { Fault::FromZero } else { Fault::Overflow });
        }
    }

    /// `n` owners more; 0 changes nothing. The caller must be one itself. Faults: as [`inc`](Self::inc).
    pub fn add(&self, n: u32) {
        if n != 0 {
            self.update(Ordering::Relaxed, |old| match old {
                0 => Step::Fault(Fault::FromZero),
                _ => raised(old, n),
            });
        }
    }

    /// One owner more, unless there is none: `false` if the count is zero, and then it stays so.
    ///
    /// Faults: [`Fault::Overflow`] at `MAX`; the result is `true` then and on a saturated count, whose value is immortal.
    #[must_use]
    #[inline]
    pub fn inc_not_zero(&self) -> bool {
        self.add_not_zero(1)
    }

    /// `n` owners more, unless there is none. Result and faults: as [`inc_not_zero`](Self::inc_not_zero).
    #[must_use]
    #[inline]
    pub fn add_not_zero(&self, n: u32) -> bool {
        // Acquire: pairs with `set_release` of whoever put the memory to use again.
        0 != self.update(Ordering::Acquire, |old| match old {
            0 => Step::Stay,
            _ => raised(old, n),
        })
    }

    /// One owner less, where the count cannot reach zero. Faults: [`Fault::ReachedZero`] at 1, [`Fault::Underflow`] at 0.
    #[inline]
    pub fn dec(&self) {
        let old = self.0.fetch_sub(1, Ordering::Release);
        if old <= 1 {
            self.saturate(if old == 1 { Fault::ReachedZero } else { Fault::Underflow });
        }
    }

    /// One owner less; `true` for the one caller that brought the count to zero, who then owns the value alone and sees
    /// all that the other owners did to it. Faults: [`Fault::Underflow`] at zero, with result `false`.
    #[must_use = "the caller that reaches zero has to release the value"]
    #[inline]
    pub fn dec_and_test(&self) -> bool {
        let old = self.0.fetch_sub(1, Ordering::Release);
        if old > 1 {
            return false;
        }
        self.finish(old, 1)
    }

    /// `n` owners less; result as [`dec_and_test`](Self::dec_and_test). Faults: [`Fault::Underflow`] if there are fewer.
    #[must_use = "the caller that reaches zero has to release the value"]
    pub fn sub_and_test(&self, n: u32) -> bool {
        let old = self.update(Ordering::Release, |old| match old.cast_unsigned().checked_sub(n) {
            _ if old < 0 => Step::Stay,
            Some(left) => Step::To(left.cast_signed()),
            None => Step::Fault(Fault::Underflow),
        });
        // An old count of zero with `n` of zero did not *reach* zero here.
        old > 0 && old.cast_unsigned() == n && self.acquire()
    }

    /// From one owner to none, in one step, or nothing: for an owner that gives up only if it is the last. `true` if it
    /// was; the caller then owns the value alone, and [`inc_not_zero`](Self::inc_not_zero) fails from now on.
    #[must_use = "the caller that reaches zero has to release the value"]
    #[inline]
    pub fn dec_if_one(&self) -> bool {
        // AcqRel: Acquire pairs with the Release of every put, Release with a later `inc_not_zero` of reused memory.
        self.0.compare_exchange(1, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// One owner less, unless that would be the last: `false` if the count is one, and then it stays so. A saturated
    /// count stays as it is, with `true`. Faults: [`Fault::Underflow`] at zero, with `true`.
    #[must_use = "the count did not change if this is false"]
    #[inline]
    pub fn dec_not_one(&self) -> bool {
        1 != self.update(Ordering::Release, |old| match old {
            1 => Step::Stay,
            0 => Step::Fault(Fault::Underflow),
            _ if old < 0 => Step::Stay,
            _ => Step::To(old - 1),
        })
    }

    /// One owner less; only if it may be the last is the lock taken (by `lock`, which returns its guard) before the
    /// count goes to zero. `Some(guard)` for the caller that reached zero: it releases, with the lock held. Otherwise
    /// the lock is not held afterwards. Faults: [`Fault::Underflow`] at zero, with `None`.
    ///
    /// One function for every kind of lock: `count.dec_and_lock(|| mutex.lock().unwrap())`.
    #[must_use = "the caller that reaches zero has to release the value"]
    #[inline]
    pub fn dec_and_lock<G>(&self, lock: impl FnOnce() -> G) -> Option<G> {
        if self.dec_not_one() {
            return None;
        }
        let guard = lock();
        // Others may have come between: only the count decides.
        if self.dec_and_test() { Some(guard) } else { None }
    }

    /// A get by one who certainly is an owner, so that the count is not zero: compiles to `lock inc; js` on x86-64.
    #[inline]
    pub(crate) fn inc_held(&self) {
        // Old value plus one below zero: was saturated, or has just gone from MAX over the edge.
        if self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1) < 0 {
            self.saturate(Fault::Overflow);
        }
    }

    /// A put by one who certainly is an owner: [`dec_and_test`](Self::dec_and_test) as `lock dec; jle` on x86-64.
    #[inline]
    pub(crate) fn dec_held(&self) -> bool {
        if self.0.fetch_sub(1, Ordering::Release) > 1 {
            return false;
        }
        // The old value is not kept (that would cost an exchange-and-add). It was 1, and then nobody else is left who
        // could move the count from zero; or it was saturated, and then the value is never released: either way this
        // memory is still ours to look at. Acquire pairs with the Release of every put before.
        if self.0.load(Ordering::Acquire) == 0 {
            return true;
        }
        self.saturate(Fault::Underflow);
        false
    }

    /// The rare ends of a put of `n` that found `old <= n`.
    #[inline]
    fn finish(&self, old: i32, n: i32) -> bool {
        if old == n {
            return self.acquire();
        }
        self.saturate(Fault::Underflow);
        false
    }

    /// Orders the caller after every put: it reads the value this thread's own Release put wrote, which continues the
    /// release sequence of all puts before it. A load, since race detectors see loads better than fences. Always `true`.
    #[inline]
    fn acquire(&self) -> bool {
        let _ = self.0.load(Ordering::Acquire);
        true
    }

    /// Pins the count, and reports `fault` unless it was pinned already.
    #[cold]
    #[inline(never)]
    fn saturate(&self, fault: Fault) {
        // Of several threads that step outside at one time, exactly one swaps out a value far from SATURATED.
        let old = self.0.swap(SATURATED, Ordering::Relaxed);
        if old.wrapping_sub(SATURATED).unsigned_abs() >= SLACK {
            fault::report(fault);
        }
    }

    /// Applies `step` to the count in one atomic step, and returns the count before it. `order` is for success.
    #[inline]
    fn update(&self, order: Ordering, step: impl Fn(i32) -> Step) -> i32 {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            let (new, fault) = match step(old) {
                Step::Stay => return old,
                Step::To(new) => (new, None),
                Step::Fault(fault) => (SATURATED, Some(fault)),
            };
            match self.0.compare_exchange_weak(old, new, order, Ordering::Relaxed) {
                Ok(_) => {
                    if let Some(fault) = fault {
                        fault::report(fault);
                    }
                    return old;
                }
                Err(now) => old = now,
            }
        }
    }
}

impl fmt::Debug for Refcount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.read() {
            n if n <= Self::MAX => write!(f, "Refcount({n})"),
            _ => f.write_str("Refcount(saturated)"),
        }
    }
}

/// What an operation makes of a count.
enum Step {
    /// Nothing.
    Stay,
    /// This count.
    To(i32),
    /// Saturation, for this reason.
    Fault(Fault),
}

/// The step that adds `n` to a count that is not zero.
fn raised(old: i32, n: u32) -> Step {
    if old < 0 {
        return Step::Stay;
    }
    match old.checked_add_unsigned(n) {
        Some(new) => Step::To(new),
        None => Step::Fault(Fault::Overflow),
    }
}

const fn clamp(n: u32) -> i32 {
    if n > Refcount::MAX { SATURATED } else { n.cast_signed() }
}

const SATURATED: i32 = Refcount::SATURATED.cast_signed();

/// How far a saturated count may stray from `SATURATED` before it is repaired: half the way to either end.
const SLACK: u32 = 1 << 29;
