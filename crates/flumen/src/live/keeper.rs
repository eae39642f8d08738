//! The process beside a capture that outlives it, and has its logs end with whole lines though it be killed: the same
//! program once more, as the same user, started before the capture shuts itself in.
//!
//! It holds nothing but the log files that it is sent, and shuts itself in too. Signals that are meant for a capture and
//! reach it do not end it: its end is that of the capture. What it does is in [`flumen_output::eve::Keeper`].

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use flumen_capture::rights::refuse_new_rights;
use flumen_output::Tell;
use flumen_output::eve::{Keeper, keep};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

use super::{CaptureJob, sandbox};
use crate::config::live::{SandboxSettings, Switch};
use crate::exit::Exit;

/// Starts the process; without one the capture goes on all the same, and says what that means.
pub(super) fn start(job: &CaptureJob) -> Option<Keeper> {
    match spawn() {
        Ok(keeper) => Some(keeper),
        Err(error) => {
            if job.talks {
                tell!(
                    "no process to keep lines whole: {error}; a kill may leave a piece, which the next start cuts off"
                );
            }
            None
        }
    }
}

fn spawn() -> io::Result<Keeper> {
    let (keeper, socket) = Keeper::pair()?;
    Command::new("/proc/self/exe")
        .arg0("flumen")
        .arg("keeper")
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::from(socket))
        .stdout(Stdio::null())
        .spawn()?;
    Ok(keeper)
}

/// `flumen keeper`: what that process does.
///
/// # Errors
/// When its standard input is not the socket of a capture.
pub fn run() -> anyhow::Result<Exit> {
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2] {
        // Nobody looks at it.
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    // What `ps` and `pgrep` call it, so that it is not taken for a sensor.
    rustix::thread::set_name(c"flumen-keeper")?;
    let socket: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let settings = SandboxSettings {
        landlock: Switch::Auto,
        write: Vec::new(),
        read: Vec::new(),
        seccomp: Switch::Auto,
        no_processes: true,
    };
    refuse_new_rights()?;
    // What the system has not, the capture has said.
    let _ = sandbox::shut(&settings, &sandbox::Needs::default())?;
    keep(&socket, &Tell::new(|line| tell!("{line}")))?;
    Ok(Exit::Clean)
}
