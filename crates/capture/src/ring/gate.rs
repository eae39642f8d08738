//! Which packets get into a ring: the filter of its socket, which any thread may replace while packets come.
//!
//! 1. One filter takes the place of the other in one step: the kernel shows each packet to one of them.
//! 2. What lets nothing in goes on doing so: a filter that comes before a ring is open is for when it opens, and one that
//!    comes after its end is for nothing.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::filter::{Instruction, Loopback, NOTHING, complete};
use super::sys;

/// The filter of one ring. Clones are the same.
#[derive(Clone, Debug)]
pub struct RingFilter(Arc<Mutex<Gate>>);

#[derive(Debug)]
struct Gate {
    /// That of the user; empty: every frame.
    program: Vec<Instruction>,
    snap_len: u32,
    /// The socket that lets packets in. Gone with it: one that is kept would stay in its group and have a share of the
    /// packets.
    open: Option<(Arc<OwnedFd>, Loopback)>,
}

impl RingFilter {
    pub(super) fn new(program: &[Instruction], snap_len: u32) -> Self {
        Self(Arc::new(Mutex::new(Gate { program: program.to_owned(), snap_len, open: None })))
    }
    /// Captures what `program` lets pass from now on, or everything when it is empty. What is in the ring already stays
    /// there. Returns the program that was there before.
    ///
    /// # Errors
    /// When the kernel refuses the program; then the one before stays.
    pub fn replace(&self, program: Vec<Instruction>) -> io::Result<Vec<Instruction>> {
        let mut gate = self.lock();
        if let Some((socket, loopback)) = &gate.open {
            sys::attach(socket.as_fd(), &complete(&program, gate.snap_len, *loopback))?;
        }
        Ok(core::mem::replace(&mut gate.program, program))
    }

    /// Lets packets into a socket.
    pub(super) fn open(&self, socket: &Arc<OwnedFd>, loopback: Loopback) -> io::Result<()> {
        let mut gate = self.lock();
        sys::attach(socket.as_fd(), &complete(&gate.program, gate.snap_len, loopback))?;
        gate.open = Some((Arc::clone(socket), loopback));
        Ok(())
    }
    /// Lets no more packets into a socket, which another one may have followed already.
    pub(super) fn close(&self, socket: &Arc<OwnedFd>) -> io::Result<()> {
        let mut gate = self.lock();
        gate.open.take_if(|(open, _)| Arc::ptr_eq(open, socket));
        sys::attach(socket.as_fd(), &NOTHING)
    }
    fn lock(&self) -> MutexGuard<'_, Gate> {
        // Whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
