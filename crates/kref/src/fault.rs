//! What happens when a count is misused: it saturates, the value leaks, and that is reported here, once for each count.
//!
//! Every fault adds to a process-wide counter that anyone can read ([`counts`]). An embedder that wants more (a log line,
//! a backtrace, an abort in its own tests) sets a hook. Both work without an allocator and from any thread.

// Statics cannot hold loom's atomics, and the order of these accesses decides nothing that loom checks.
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use core::{fmt, mem, ptr};

/// How a count was misused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// More than [`Refcount::MAX`](crate::Refcount::MAX) owners.
    Overflow,
    /// A get on a count of zero: the value is dead or not yet shared, and would have been used after its release.
    FromZero,
    /// A put too many: fewer owners than puts, and the value would have been released twice.
    Underflow,
    /// A put by an operation that cannot release reached zero, so nobody is left to do it.
    ReachedZero,
}

impl Fault {
    const ALL: [Self; 4] = [Self::Overflow, Self::FromZero, Self::Underflow, Self::ReachedZero];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overflow => "reference count overflowed; the value is leaked",
            Self::FromZero => "reference taken on a count of zero; the value is leaked",
            Self::Underflow => "reference given back once too often; the value is leaked",
            Self::ReachedZero => "reference count reached zero where nothing can be released; the value is leaked",
        })
    }
}

/// Counts saturated since the process started, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// [`Fault::Overflow`]
    pub overflow: usize,
    /// [`Fault::FromZero`]
    pub from_zero: usize,
    /// [`Fault::Underflow`]
    pub underflow: usize,
    /// [`Fault::ReachedZero`]
    pub reached_zero: usize,
}

impl FaultCounts {
    /// All causes together: the number of values leaked.
    #[must_use]
    pub fn total(&self) -> usize {
        self.overflow.wrapping_add(self.from_zero).wrapping_add(self.underflow).wrapping_add(self.reached_zero)
    }
}

/// Reads the counters. Each is exact; the four are not read at one instant.
#[must_use]
pub fn counts() -> FaultCounts {
    let [overflow, from_zero, underflow, reached_zero] =
        Fault::ALL.map(|fault| COUNTS[fault as usize].load(Ordering::Relaxed));
    FaultCounts { overflow, from_zero, underflow, reached_zero }
}

/// Has `hook` called for every fault from now on, in the thread that misused the count and before its operation returns.
/// Replaces the hook before it.
///
/// The hook may be called while any lock of the program is held, so it must not take one of them; a hook that panics
/// unwinds out of a get or a put. The value concerned is already leaked then.
pub fn set_hook(hook: fn(Fault)) {
    // Release pairs with the Acquire in `report`: what was set up before this call is seen by the hook.
    HOOK.store(hook as *mut (), Ordering::Release);
}

/// Has no hook called any more: the counters are left, which is how a process starts.
pub fn clear_hook() {
    HOOK.store(ptr::null_mut(), Ordering::Release);
}

/// Counts `fault` and calls the hook.
#[cold]
pub(crate) fn report(fault: Fault) {
    // Relaxed: a statistic that orders nothing.
    COUNTS[fault as usize].fetch_add(1, Ordering::Relaxed);
    let hook = HOOK.load(Ordering::Acquire);
    if !hook.is_null() {
        // SAFETY:
        // - `HOOK` is private and written by `set_hook` and `clear_hook` only, with a `fn(Fault)` or null.
        // - It is not null.
        let hook = unsafe { mem::transmute::<*mut (), fn(Fault)>(hook) };
        hook(fault);
    }
}

static COUNTS: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];

/// A `fn(Fault)`, or null for none. There is no atomic for function pointers.
static HOOK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
