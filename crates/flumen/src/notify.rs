//! What a service manager is told, by the protocol of sd_notify(3): lines of `NAME=value` in datagrams to the socket that
//! `NOTIFY_SOCKET` names.
//!
//! 1. The socket is connected when this is made, before rights are given up: later it might not be reached.
//! 2. Nothing here fails or waits: without a manager nothing is said, and a datagram that cannot be sent at once is not sent.
//! 3. `WATCHDOG=1` is said only when the run has moved since it was asked last: a worker that stands still stops it, however
//!    well this thread is.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Whom to tell; clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct Notifier {
    socket: Option<Arc<UnixDatagram>>,
    /// How often the manager wants to hear of it; never when `None`.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// The manager of this process, if the environment names one.
    #[must_use]
    pub fn of_environment() -> Self {
        let Some(address) = env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return Self::default();
        };
        let socket = match connect(&address) {
            Ok(socket) => Some(Arc::new(socket)),
            Err(error) => {
                tell!("NOTIFY_SOCKET {}: {error}", address.display());
                None
            }
        };
        let mine = env::var("WATCHDOG_PID").map_or(true, |pid| pid.parse() == Ok(std::process::id()));
        let usecs = env::var("WATCHDOG_USEC").ok().and_then(|usecs| usecs.parse::<u64>().ok());
        let watchdog = usecs.filter(|&usecs| mine && usecs > 0).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// The start is over.
    pub fn ready(&self, status: &str) {
        self.send(&["READY=1", &status_line(status)]);
    }
    /// Something is read again, `what`; it is ready thereafter.
    pub fn reloading(&self, what: impl FnOnce()) {
        // By the time a manager knows which of several reloads this is about.
        let now = clock_gettime(ClockId::Monotonic);
        let usecs = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.send(&["RELOADING=1", &format!("MONOTONIC_USEC={usecs}")]);
        what();
        self.send(&["READY=1"]);
    }
    /// What it does now.
    pub fn status(&self, status: &str) {
        self.send(&[&status_line(status)]);
    }
    /// The end has begun.
    pub fn stopping(&self, status: &str) {
        self.send(&["STOPPING=1", &status_line(status)]);
    }
    /// Tells the manager again and again that all is well, as long as `moves` says so, if it wants to hear that.
    /// `moves` is asked four times within what the manager waits for.
    pub fn watch(&self, mut moves: impl FnMut() -> bool + Send + 'static) -> Option<Watch> {
        let every = self.watchdog? / 4;
        let notifier = self.clone();
        let (life, watched) = channel::<()>();
        let thread = Builder::new().name("flumen-watchdog".to_owned()).spawn(move || {
            while watched.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                if moves() {
                    notifier.send(&["WATCHDOG=1"]);
                }
            }
        });
        match thread {
            Ok(thread) => Some(Watch { life: Some(life), thread: Some(thread) }),
            Err(error) => {
                tell!("no thread for the watchdog: {error}");
                None
            }
        }
    }

    fn send(&self, lines: &[&str]) {
        if let Some(socket) = &self.socket {
            // A manager that takes nothing is not waited for.
            let _ = socket.send(lines.join("\n").as_bytes());
        }
    }
}

/// The watchdog's thread, until this is dropped.
#[derive(Debug)]
pub struct Watch {
    life: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.life = None;
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has said so.
            let _ = thread.join();
        }
    }
}

/// `@name` is a name without a file.
fn connect(address: &OsStr) -> std::io::Result<UnixDatagram> {
    let address = match address.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(OsString::from(address))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A line must not become two.
fn status_line(status: &str) -> String {
    format!("STATUS={}", status.replace(char::is_control, " "))
}
