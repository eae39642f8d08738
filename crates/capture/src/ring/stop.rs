//! The end of a capture, asked for by another thread or a signal handler.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

/// Ends the rings that were opened with it: they deliver what the kernel has captured so far, and then end.
///
/// Clones are the same handle.
#[derive(Clone, Debug)]
pub struct StopHandle(Arc<Stop>);

#[derive(Debug)]
struct Stop {
    requested: AtomicBool,
    /// An eventfd: readable once a stop has been requested, and never read.
    wake: OwnedFd,
}

impl StopHandle {
    /// A handle for rings to be opened with.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        let wake = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self(Arc::new(Stop { requested: AtomicBool::new(false), wake })))
    }
    /// Asks for the end, and wakes who waits. Safe to call in a signal handler, and more than once.
    pub fn stop(&self) {
        // Nothing but the request itself is handed over: no order is needed.
        self.0.requested.store(true, Ordering::Relaxed);
        let one = 1_u64;
        // A full counter fails, and is readable already.
        // SAFETY: 8 bytes of a variable that lives.
        let _ = unsafe { libc::write(self.0.wake.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }
    /// Whether the end was asked for.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.requested.load(Ordering::Relaxed)
    }
    pub(super) fn wake(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}
