//! The other end of the control socket: version 0.2 of the protocol, one request at a time, with a limit on the time.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use serde_json::{Map, Value, json};

use crate::limits::ANSWER_BYTES;

/// A connection to a running sensor.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    path: PathBuf,
    timeout: Duration,
    /// Received, and not part of an answer yet.
    received: Vec<u8>,
}

/// What a sensor answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It did what was asked.
    Done(Value),
    /// It did not, for the reason that is the message.
    Refused(Value),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket.
    #[error("{}: no such socket; is the sensor running, and is this its unix-command.filename?", .0.display())]
    NoSocket(PathBuf),
    /// There is a socket that nobody listens to.
    #[error("{}: nobody listens on this socket; the sensor has ended", .0.display())]
    NobodyListens(PathBuf),
    /// The socket may not be used.
    #[error("{}: permission denied; its owner and its group may connect", .0.display())]
    Denied(PathBuf),
    /// The sensor did not answer in time.
    #[error("{}: no answer within {} s", path.display(), timeout.as_secs_f64())]
    Timeout {
        /// The socket.
        path: PathBuf,
        /// How long was waited.
        timeout: Duration,
    },
    /// The connection ended before the answer.
    #[error("{}: the sensor went away before it answered", .0.display())]
    Gone(PathBuf),
    /// The sensor does not take this client.
    #[error("{}: the sensor refuses the connection: {message}", path.display())]
    Turned {
        /// The socket.
        path: PathBuf,
        /// What it said.
        message: String,
    },
    /// What came is no answer.
    #[error("{}: not an answer of the protocol: {what}", path.display())]
    Garbled {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Client {
    /// Connects to the sensor whose socket is at `path`; this, and each call, takes at most `timeout`.
    ///
    /// # Errors
    /// When there is no sensor, when it does not let us in, or when it is not one.
    pub fn connect(path: &Path, timeout: Duration) -> Result<Self, ClientError> {
        let until = Instant::now() + timeout;
        let stream = open(path, until).map_err(|error| told(path, timeout, error))?;
        let mut client = Self { stream, path: path.to_owned(), timeout, received: Vec::new() };
        // The one message that need not end with a line feed; its answer does.
        match client.exchange(r#"{"version":"0.2"}"#, until)? {
            Answer::Done(_) => Ok(client),
            Answer::Refused(message) => {
                let message = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
                Err(ClientError::Turned { path: client.path, message })
            }
        }
    }
    /// Has a command executed.
    ///
    /// # Errors
    /// When there is no answer. A command that the sensor refuses is an answer.
    pub fn call(&mut self, command: &str, arguments: Map<String, Value>) -> Result<Answer, ClientError> {
        let mut request = json!({"command": command});
        if !arguments.is_empty() {
            request["arguments"] = Value::Object(arguments);
        }
        self.exchange(&format!("{request}\n"), Instant::now() + self.timeout)
    }

    fn exchange(&mut self, message: &str, until: Instant) -> Result<Answer, ClientError> {
        let line = self.send(message, until).and_then(|()| self.receive(until));
        let line = line.map_err(|error| told(&self.path, self.timeout, error))?;
        let garbled = |what: &str| ClientError::Garbled { path: self.path.clone(), what: what.to_owned() };
        let mut answer: Value = serde_json::from_slice(&line).map_err(|error| garbled(&error.to_string()))?;
        let message = answer.get_mut("message").map_or(Value::Null, Value::take);
        match answer.get("return").and_then(Value::as_str) {
            Some("OK") => Ok(Answer::Done(message)),
            Some("NOK") => Ok(Answer::Refused(message)),
            _ => Err(garbled("'return' is neither OK nor NOK")),
        }
    }
    fn send(&mut self, message: &str, until: Instant) -> io::Result<()> {
        self.stream.set_write_timeout(Some(left(until)?))?;
        self.stream.write_all(message.as_bytes())
    }
    /// One line, without its end.
    fn receive(&mut self, until: Instant) -> io::Result<Vec<u8>> {
        let mut chunk = [0; 65_536];
        let mut searched = 0;
        loop {
            if let Some(at) = self.received[searched..].iter().position(|&byte| byte == b'\n') {
                let rest = self.received.split_off(searched + at + 1);
                return Ok(std::mem::replace(&mut self.received, rest));
            }
            searched = self.received.len();
            if searched > ANSWER_BYTES {
                return Err(io::Error::other(format!("the answer has more than {ANSWER_BYTES} bytes")));
            }
            self.stream.set_read_timeout(Some(left(until)?))?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Connects without waiting longer than `until` for a sensor whose queue is full.
fn open(path: &Path, until: Instant) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    loop {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket: OwnedFd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        match connect(&socket, &address).map_err(io::Error::from) {
            Ok(()) => {
                let stream = UnixStream::from(socket);
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            // A Unix socket has no other way to wait for room in the queue than to try again.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(left(until)?.min(RETRY)),
            Err(error) => return Err(error),
        }
    }
}

/// What is left of the time.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn told(path: &Path, timeout: Duration, error: io::Error) -> ClientError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::NotFound => ClientError::NoSocket(path),
        ErrorKind::ConnectionRefused => ClientError::NobodyListens(path),
        ErrorKind::PermissionDenied => ClientError::Denied(path),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => ClientError::Timeout { path, timeout },
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => ClientError::Gone(path),
        _ => ClientError::Io { path, source: error },
    }
}

const RETRY: Duration = Duration::from_millis(20);
