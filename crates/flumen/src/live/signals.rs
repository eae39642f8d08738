//! What signals do to a capture.
//!
//! | signal | does |
//! |---|---|
//! | SIGINT, SIGTERM | ends it: what was captured is written; the second one gives that up and says what is lost |
//! | SIGHUP | opens log files again |
//! | SIGUSR1 | writes the counters to the logs now |
//! | SIGUSR2 | reads the configuration again, takes over what can be, and says what takes a restart |

use std::io;
use std::process;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use flumen_capture::ring::StopHandle;
use flumen_engine::Monitor;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::{Handle, Signals};

use super::outputs::Logs;
use crate::exit::Exit;
use crate::notify::Notifier;
use crate::reload::Reloader;

/// What the service manager hears at the end.
pub(super) const STOPPING: &str = "writing the flows that are left";

/// What signals act on.
pub(super) struct Steering {
    pub(super) stop: StopHandle,
    pub(super) monitor: Arc<Monitor>,
    pub(super) logs: Logs,
    pub(super) notifier: Notifier,
    pub(super) reloader: Arc<Reloader>,
}

/// The thread that waits for signals.
pub(super) struct Listening {
    handle: Handle,
    thread: JoinHandle<()>,
}

/// Begins to listen. From here on these signals do nothing else.
pub(super) fn listen(steering: Steering) -> io::Result<Listening> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2])?;
    let handle = signals.handle();
    let thread = Builder::new().name("flumen-signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            steering.act(signal);
        }
    })?;
    Ok(Listening { handle, thread })
}

impl Listening {
    /// Listens no more.
    pub(super) fn end(self) {
        self.handle.close();
        // A thread that has panicked has said so.
        let _ = self.thread.join();
    }
}

impl Steering {
    fn act(&self, signal: i32) {
        match signal {
            SIGHUP => self.notifier.reloading(|| self.logs.reopen()),
            SIGUSR1 => self.monitor.request_stats(),
            SIGUSR2 => self.reloader.begin(),
            _ if self.stop.is_stopped() => self.abort(),
            _ => {
                self.notifier.stopping(STOPPING);
                self.stop.stop();
            }
        }
    }

    /// The end, without what was still to be done.
    fn abort(&self) {
        let (flows, bytes) = (self.monitor.unwritten_flows(), self.logs.waiting_bytes());
        tell!("aborted: {flows} flows have no record, and {bytes} bytes of records were not written out");
        process::exit(i32::from(Exit::Failed as u8));
    }
}
