//! Unix sockets that somebody else listens to (`filetype: unix_stream` and `unix_dgram`).
//!
//! Who listens may come late, go, and come again. A stream continues with a whole line for each new reader. Of datagrams
//! each holds one line, its line feed included.

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::{Destination, Trouble};

/// A stream into a Unix socket.
#[derive(Debug)]
pub struct StreamSocket {
    path: PathBuf,
    stream: Option<UnixStream>,
}

impl StreamSocket {
    /// The socket at `path`; nothing is connected before there is something to send.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, stream: None }
    }
    /// Without blocking, as a listener whose queue is full would make us wait for ever.
    fn connect(&self) -> io::Result<UnixStream> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(&self.path)?)?;
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}

impl Destination for StreamSocket {
    fn name(&self) -> String {
        self.path.display().to_string()
    }
    fn send(&mut self, lines: &[u8]) -> Result<usize, Trouble> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect().map_err(Trouble::Broken)?,
        };
        let taken = match stream.write(lines) {
            Ok(0) => return Err(Trouble::Broken(ErrorKind::WriteZero.into())),
            Ok(taken) => taken,
            Err(error) if is_slow(&error) => 0,
            // The next attempt is a new connection.
            Err(error) => return Err(Trouble::Broken(error)),
        };
        self.stream = Some(stream);
        Ok(taken)
    }
}

/// Datagrams to a Unix socket.
#[derive(Debug)]
pub struct DatagramSocket {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl DatagramSocket {
    /// The socket at `path`; nothing is connected before there is something to send.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, socket: None }
    }
    fn connect(&self) -> io::Result<UnixDatagram> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(&self.path)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(socket)
    }
}

impl Destination for DatagramSocket {
    fn name(&self) -> String {
        self.path.display().to_string()
    }
    fn send(&mut self, lines: &[u8]) -> Result<usize, Trouble> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.connect().map_err(Trouble::Broken)?,
        };
        let end = lines.iter().position(|&byte| byte == b'\n').map_or(lines.len(), |at| at + 1);
        let sent = socket.send(&lines[..end]);
        let trouble = match sent {
            Ok(_) => None,
            Err(error) if is_slow(&error) => Some(Ok(0)),
            Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::MSGSIZE) => Some(Err(Trouble::Line(error))),
                Some(Errno::NOBUFS) => Some(Err(Trouble::Later(error))),
                _ => return Err(Trouble::Broken(error)),
            },
        };
        self.socket = Some(socket);
        trouble.unwrap_or(Ok(end))
    }
}

/// The reader has not read for as long as a call may wait.
fn is_slow(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

const PATIENCE: Duration = Duration::from_millis(200);
