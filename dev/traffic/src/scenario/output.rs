//! Where scenarios put their packets: builds each in the pool and hands the frame to the sink.

use std::io;

use flumen_pbuf::Pbuf;

use crate::{Frame, FramePool, FrameSink, Packet};

/// A sink, and the pool that the frames for it are built in.
pub(super) struct Output<'a> {
    pub(super) frames: &'a FramePool,
    pub(super) sink: &'a mut dyn FrameSink,
}

impl Output<'_> {
    /// The same for a shorter while.
    pub(super) fn reborrow(&mut self) -> Output<'_> {
        Output { frames: self.frames, sink: &mut *self.sink }
    }

    /// Hands over a packet of an interface.
    pub(super) fn send(&mut self, at_ns: u64, interface: u32, packet: Packet) -> io::Result<()> {
        self.sink.frame(Frame { at_ns, interface, bytes: packet.build_in(self.frames) })
    }

    /// Hands over a frame of the first interface.
    pub(super) fn frame(&mut self, at_ns: u64, bytes: Pbuf) -> io::Result<()> {
        self.sink.frame(Frame { at_ns, interface: 0, bytes })
    }
}

/// Hands over a packet of the first interface.
pub(super) fn emit(out: &mut Output<'_>, at_ns: u64, packet: Packet) -> io::Result<()> {
    out.send(at_ns, 0, packet)
}
