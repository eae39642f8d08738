//! What signals do to a sensor that serves captures.
//!
//! | signal | does |
//! |---|---|
//! | SIGINT, SIGTERM | ends it: of the present capture what was read is written; the second one gives that up |
//! | SIGHUP | opens log files again |
//! | SIGUSR1 | says how far the present capture is |
//! | SIGUSR2 | reads the configuration again, for the next capture |

use std::io;
use std::process;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use flumen_control::{Pcaps, Sensor};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::{Handle, Signals};

use super::desk::Desk;
use crate::exit::Exit;
use crate::reload::Reloader;

/// The thread that waits for signals.
pub(super) struct Listening {
    handle: Handle,
    thread: JoinHandle<()>,
}

/// Begins to listen. From here on these signals do nothing else.
pub(super) fn listen(desk: Arc<Desk>, reloader: Arc<Reloader>) -> io::Result<Listening> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2])?;
    let handle = signals.handle();
    let thread = Builder::new().name("flumen-signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            act(&desk, &reloader, signal);
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

fn act(desk: &Arc<Desk>, reloader: &Arc<Reloader>, signal: i32) {
    match signal {
        SIGHUP => desk.reopen(),
        SIGUSR1 => {
            let desk = Arc::clone(desk);
            // The answer may take a while, and who ends the run shall not wait for it. No thread, no answer.
            let _ = Builder::new().name("flumen-progress".to_owned()).spawn(move || tell_progress(&desk));
        }
        SIGUSR2 => reloader.begin(),
        _ if !desk.end() => abort(desk),
        _ => {}
    }
}

/// The end, without what was still to be done.
#[expect(clippy::exit, reason = "whoever asks twice wants no drop to be waited for")]
fn abort(desk: &Desk) {
    let capture = desk.current().map_or_else(String::new, |path| format!(" of {}", path.display()));
    tell!("aborted: records{capture} are not complete");
    process::exit(i32::from(Exit::Failed as u8));
}

fn tell_progress(desk: &Desk) {
    let waiting = desk.waiting().len();
    match (desk.current(), desk.stats()) {
        (Some(path), Ok(stats)) => tell!(
            "{}: {} packets read, {} flows so far; {waiting} captures wait",
            path.display(),
            stats.ledger.read.packets,
            stats.counters.value("flow.total").unwrap_or(0)
        ),
        _ => tell!("no capture is being read; {waiting} wait"),
    }
}
