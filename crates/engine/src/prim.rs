//! What the engine takes from the machine to let threads meet. Under `cfg(loom)` these are loom's.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

/// Locks a mutex of which the data stays whole when a holder panics.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
/// Waits a moment for what another thread is about to do; `spins` is how often it was called in a row.
pub(crate) fn wait_moment(spins: u32) {
    if spins < SPINS {
        core::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}
/// Waits as long as `condition` holds, but a moment at most: what others do before they park.
pub(crate) fn spin_while(condition: impl Fn() -> bool) {
    let mut spins = 0;
    while spins < if cfg!(loom) { 0 } else { SPINS } && condition() {
        core::hint::spin_loop();
        spins += 1;
    }
}
/// Turns of a loop that a thread waits in: some microseconds, longer than a batch takes to be read (64 of them, which are less, cost
/// two workers 4 % of their time on the heavy-tailed capture of `benches`).
const SPINS: u32 = 512;

/// Waits on a condition; spurious wake-ups are the caller's to handle.
pub(crate) fn wait<'m, T>(condition: &Condvar, guard: MutexGuard<'m, T>) -> MutexGuard<'m, T> {
    condition.wait(guard).unwrap_or_else(|poisoned| poisoned.into_inner())
}
