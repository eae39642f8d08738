//! A short scripted capture: frames one after another, a fixed step of time apart.

use std::io;

use super::{Output, START_NS, emit};
use crate::Packet;

/// Hands frames over at times that step forward.
pub(super) struct Script<'a> {
    out: Output<'a>,
    step_ns: u64,
    /// Time of the next frame.
    pub(super) now_ns: u64,
}

impl<'a> Script<'a> {
    pub(super) fn new(out: &'a mut Output<'_>, step_ns: u64) -> Self {
        Self { out: out.reborrow(), step_ns, now_ns: START_NS }
    }

    /// Hands over a packet now; the next one comes a step later.
    pub(super) fn send(&mut self, packet: Packet) -> io::Result<()> {
        emit(&mut self.out, self.now_ns, packet)?;
        self.now_ns += self.step_ns;
        Ok(())
    }

    /// Lets time pass.
    pub(super) const fn wait(&mut self, ns: u64) {
        self.now_ns += ns;
    }
}
