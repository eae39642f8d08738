//! Serving many clients from one thread.
//!
//! - [`Session`]: what is said to one client; no sockets, no clock.
//! - [`connection`]: one client's socket, and what is on its way to it.
//! - [`rounds`]: the loop over all of them.
//! - [`Service`]: the thread, and how it ends.

mod connection;
mod rounds;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crate::conversation::Conversation;
use crate::framing::Moment;
use crate::limits;
use crate::sensor::Sensor;
use crate::socket::ControlSocket;
use rounds::Rounds;

/// The control socket of a running sensor, served by a thread of its own until this is dropped.
///
/// Dropping it gives answers that are on their way [`limits::FAREWELL_TIME`], and removes the socket file.
#[derive(Debug)]
pub struct ControlServer {
    _service: Service,
}

impl ControlServer {
    /// Begins to serve `sensor` on `socket`.
    ///
    /// # Errors
    /// When the thread could not be started.
    pub fn start(socket: ControlSocket, sensor: Arc<dyn Sensor>) -> io::Result<Self> {
        let open = move |now| Conversation::new(Arc::clone(&sensor), now);
        Ok(Self { _service: Service::start("flumen-control", socket, open, limits::CLIENTS)? })
    }
}

/// What one client says and hears.
pub(crate) trait Session: Send + 'static {
    /// Takes bytes that the client sent. Called only after a [`Step::Hungry`].
    fn receive(&mut self, bytes: &[u8], now: Moment);
    /// Does one thing with what was received; an answer is appended to `out`. Called only when all earlier answers were
    /// taken, and in turn with all other clients.
    fn step(&mut self, out: &mut Vec<u8>) -> Step;
    /// When [`Session::expire`] is to be called, if nothing comes until then.
    fn deadline(&self) -> Option<Moment>;
    /// The client kept us waiting.
    fn expire(&mut self, now: Moment, out: &mut Vec<u8>);
    /// What is said to a client for which there is no room.
    fn too_many(out: &mut Vec<u8>);
}

/// What came of a [`Session::step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is an answer, and there may be more to do.
    Answered,
    /// Nothing can be done before more is received.
    Hungry,
    /// All has been said.
    Over,
}

/// A socket that clients connect to.
pub(crate) trait Listen: AsFd + Send + 'static {
    type Stream: Stream + Send;
    /// The next client, as a socket that does not block.
    fn accept(&self) -> io::Result<Self::Stream>;
}

/// A socket to a client.
pub(crate) trait Stream: Read + Write + AsFd {
    /// Tells the client that nothing more will be said.
    fn end_writing(&self);
}

impl Listen for ControlSocket {
    type Stream = UnixStream;
    fn accept(&self) -> io::Result<UnixStream> {
        let (stream, _) = self.listener().accept()?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    }
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener().as_fd()
    }
}

impl Listen for TcpListener {
    type Stream = TcpStream;
    fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = Self::accept(self)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    }
}

// That the other side has gone already is no news worth an error.
impl Stream for UnixStream {
    fn end_writing(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Stream for TcpStream {
    fn end_writing(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

/// A thread that serves a listener until this is dropped.
#[derive(Debug)]
pub(crate) struct Service {
    /// Closing it wakes the thread and tells it to end.
    life: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    pub(crate) fn start<L: Listen, S: Session>(
        name: &str,
        listener: L,
        open: impl Fn(Moment) -> S + Send + 'static,
        clients: usize,
    ) -> io::Result<Self> {
        let (life, watched) = UnixStream::pair()?;
        let rounds = Rounds::new(listener, open, clients, watched);
        let thread = Builder::new().name(name.to_owned()).spawn(move || rounds.run())?;
        Ok(Self { life: Some(life), thread: Some(thread) })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.life = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been told by then, and must not become one of whoever drops this.
            let _ = thread.join();
        }
    }
}
