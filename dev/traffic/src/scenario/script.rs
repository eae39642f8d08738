//! A short scripted capture: frames one after another, a fixed step of time apart.

use std::io;

use super::{START_NS, emit};
use crate::FrameSink;

/// Hands frames over at times that step forward.
pub(super) struct Script<'a> {
    sink: &'a mut dyn FrameSink,
    step_ns: u64,
    /// Time of the next frame.
    pub(super) now_ns: u64,
}

impl<'a> Script<'a> {
    pub(super) fn new(sink: &'a mut dyn FrameSink, step_ns: u64) -> Self {
        Self { sink, step_ns, now_ns: START_NS }
    }

    /// Hands over a frame now; the next one comes a step later.
    pub(super) fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        emit(self.sink, self.now_ns, frame)?;
        self.now_ns += self.step_ns;
        Ok(())
    }

    /// Lets time pass.
    pub(super) const fn wait(&mut self, ns: u64) {
        self.now_ns += ns;
    }
}
