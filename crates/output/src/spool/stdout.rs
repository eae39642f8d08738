//! Standard output of a live sensor: a pipe mostly, whose reader may be slow, stopped, or gone.

use std::io::{self, ErrorKind, Stdout};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Destination, Trouble};

/// Standard output. Nothing else of the process may write to it meanwhile.
#[derive(Debug)]
pub struct StandardOutput(Stdout);

impl StandardOutput {
    /// Standard output of this process.
    #[must_use]
    pub fn new() -> Self {
        Self(io::stdout())
    }
}

impl Default for StandardOutput {
    fn default() -> Self {
        Self::new()
    }
}

impl Destination for StandardOutput {
    fn name(&self) -> String {
        "standard output".to_owned()
    }
    fn send(&mut self, lines: &[u8]) -> Result<usize, Trouble> {
        send_when_ready(&self.0, lines)
    }
}

/// Writes a piece of `lines` into `output` if that will not block.
///
/// A pipe that is ready takes a piece of this size at once (pipe(7): PIPE_BUF). Setting it not to block would be simpler,
/// and would change it for whoever else has it.
pub(super) fn send_when_ready<F>(output: &F, lines: &[u8]) -> Result<usize, Trouble>
where
    F: AsFd,
{
    let mut ready = [PollFd::new(output, PollFlags::OUT)];
    let patience = Timespec { tv_sec: 0, tv_nsec: PATIENCE_NANOS };
    match poll(&mut ready, Some(&patience)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(0),
        Ok(_) => {}
        Err(error) => return Err(Trouble::Later(error.into())),
    }
    let piece = &lines[..lines.len().min(PIPE_BUF)];
    match rustix::io::write(output, piece).map_err(io::Error::from) {
        Ok(taken) => Ok(taken),
        Err(error) => match error.kind() {
            ErrorKind::Interrupted | ErrorKind::WouldBlock => Ok(0),
            ErrorKind::BrokenPipe => Err(Trouble::Closed(error)),
            _ => Err(Trouble::Later(error)),
        },
    }
}

const PATIENCE_NANOS: i64 = 200_000_000;
const PIPE_BUF: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn pipe_that_is_full_then_nothing_is_taken_and_once_it_is_read_it_goes_on() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let lines = vec![b'x'; 1 << 20];
        let mut taken = 0;
        loop {
            match send_when_ready(&writer, &lines[taken..]) {
                Ok(0) => break,
                Ok(more) => taken += more,
                Err(trouble) => panic!("{trouble:?}"),
            }
        }
        assert!(taken > 0 && taken < lines.len(), "{taken}");
        reader.read_exact(&mut vec![0; PIPE_BUF]).expect("some of it");
        assert!(matches!(send_when_ready(&writer, &lines[taken..]), Ok(1..)));
    }

    #[test]
    fn reader_of_a_pipe_that_has_gone_then_closed() {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        assert!(matches!(send_when_ready(&writer, b"a\n"), Err(Trouble::Closed(_))));
    }
}
