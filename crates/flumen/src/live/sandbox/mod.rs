//! What a capture shuts itself out of, once it has opened what only its beginning needs: files (Landlock) and system calls
//! (seccomp). Called by the first thread before it starts others, which inherit both.
//!
//! 1. What is shut stays shut for the life of the process.
//! 2. A kernel that has one of them not is no error: it is said, and the capture goes on without.
//! 3. What a filter refuses is an error of that call and nobody's death.
//!
//! - `files`: which files, directories and ports are left.
//! - `calls`: which system calls are left.

mod calls;
mod files;

use std::path::{Path, PathBuf};

use flumen_output::Target;

use super::{CaptureJob, LiveOutput};
use crate::config::live::{SandboxSettings, Switch};

/// What a process goes on needing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Directories in which files are made, written, moved and removed.
    pub(crate) write: Vec<PathBuf>,
    /// Files that are neither made nor moved: devices and pipes.
    pub(crate) devices: Vec<PathBuf>,
    /// Files and directories that are read.
    pub(crate) read: Vec<PathBuf>,
    /// Directories from which a file is removed at the end.
    pub(crate) remove: Vec<PathBuf>,
    /// TCP ports that are listened to.
    pub(crate) ports: Vec<u16>,
}

impl Needs {
    /// What this capture needs. Directories of its logs are made.
    pub(super) fn of(job: &CaptureJob) -> Self {
        let live = &job.settings.live;
        let SandboxSettings { write, read, .. } = &live.sandbox;
        let mut needs = Self { write: write.clone(), read: read.clone(), ..Self::default() };
        job.files.iter().for_each(|file| needs.configuration(file));
        // Names of functions in the report of a panic, and how many CPUs the C library thinks there are.
        needs.read.extend(std::env::current_exe());
        needs.read.extend(Some(PathBuf::from(CPUS)).filter(|cpus| cpus.exists()));
        if let LiveOutput::Directory(directory) = &job.output {
            let logs = live.eve.iter().chain(live.stats_log.iter().map(|(log, _)| log));
            logs.filter(|log| log.target == Target::File).for_each(|log| needs.log(&directory.join(&log.filename)));
        }
        if let Some(parent) = live.control.as_ref().and_then(|control| control.path.parent()) {
            needs.remove.push(parent.to_owned());
        }
        needs.ports.extend(live.metrics.map(|address| address.port()));
        needs
    }

    /// A file that is read again: whoever edits it may put another in its place, which is none that could be left open now,
    /// so its directory is. Of a link, that of the link and that of what it leads to.
    fn configuration(&mut self, file: &Path) {
        if !file.is_file() {
            return;
        }
        for file in [Some(file.to_owned()), file.canonicalize().ok()].into_iter().flatten() {
            let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty());
            let directory = directory.unwrap_or_else(|| Path::new("."));
            if !self.read.iter().any(|known| known == directory) {
                self.read.push(directory.to_owned());
            }
        }
    }

    fn log(&mut self, path: &Path) {
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            self.devices.push(path.to_owned());
            return;
        }
        // What a time stands for in a name is made later; what is above it is there from the beginning on.
        let is_fixed = |path: &&Path| !path.to_string_lossy().contains('%');
        let directory = path.ancestors().skip(1).find(is_fixed).unwrap_or_else(|| Path::new(""));
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        // One that cannot be made is the error of opening the log.
        let _ = std::fs::create_dir_all(directory);
        if !self.write.iter().any(|known| known == directory) {
            self.write.push(directory.to_owned());
        }
    }
}

/// Shuts the process out of everything but its needs, and says what could not be shut.
///
/// # Errors
/// When the kernel has what it takes and refuses.
pub(crate) fn shut(settings: &SandboxSettings, needs: &Needs) -> anyhow::Result<Vec<String>> {
    let mut said = Vec::new();
    if settings.landlock != Switch::No {
        said.extend(files::shut(needs)?.into_iter().map(|lack| lack.told("Landlock", settings.landlock)));
    }
    if settings.no_processes || settings.seccomp != Switch::No {
        said.extend(calls::shut(settings)?.map(|lack| lack.told("seccomp", settings.seccomp)));
    }
    Ok(said)
}

const CPUS: &str = "/sys/devices/system/cpu/online";

/// What could not be had.
#[derive(Debug)]
enum Lack {
    /// This kernel, or this processor, does not have it at all.
    Absent,
    /// All but what this kernel is too old for.
    Part,
    /// There is no such file or directory to be left open.
    Missing(PathBuf, std::io::Error),
}

impl Lack {
    fn told(self, what: &str, wanted: Switch) -> String {
        match (self, wanted) {
            (Self::Absent, Switch::Yes) => format!("warning: {what} was asked for, and this system does not have it"),
            (Self::Absent, _) => format!("this system does not have {what}; capturing goes on without"),
            (Self::Part, _) => format!("this kernel has a part of {what}; capturing goes on with that"),
            (Self::Missing(path, error), _) => format!("{what}: {} stays shut: {error}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::net::TcpListener;
    use std::process::Command;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("flumen-sandbox-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("log")).expect("a directory");
        directory
    }

    /// What is shut is shut for a thread and those it starts: this one is nobody else's.
    fn shut_in(settings: SandboxSettings, needs: Needs, then: impl FnOnce(Vec<String>) + Send) {
        std::thread::scope(|scope| {
            scope.spawn(|| then(shut(&settings, &needs).expect("shut")));
        });
    }

    fn settings(landlock: Switch, seccomp: Switch, no_processes: bool) -> SandboxSettings {
        SandboxSettings { landlock, write: Vec::new(), read: Vec::new(), seccomp, no_processes }
    }

    #[test]
    fn files_shut_then_those_that_are_needed_can_be_opened_and_no_others() {
        let directory = scratch("files");
        let needs = Needs {
            write: vec![directory.join("log"), directory.join("not-there")],
            devices: vec!["/dev/null".into()],
            ..Needs::default()
        };
        shut_in(settings(Switch::Auto, Switch::No, false), needs, |said| {
            if said.iter().any(|line| line.contains("does not have Landlock")) {
                return;
            }
            assert!(said.iter().any(|line| line.contains("not-there stays shut")), "{said:?}");
            fs::write(directory.join("log/eve.json"), "{}").expect("a file that is needed");
            fs::rename(directory.join("log/eve.json"), directory.join("log/aside")).expect("moved aside");
            fs::write("/dev/null", "x").expect("a device that is needed");
            let refused = |result: std::io::Result<()>| result.expect_err("refused").kind();
            assert_eq!(refused(fs::write(directory.join("other"), "x")), ErrorKind::PermissionDenied);
            assert_eq!(refused(fs::read("/etc/passwd").map(drop)), ErrorKind::PermissionDenied);
            assert_eq!(refused(TcpListener::bind("127.0.0.1:0").map(drop)), ErrorKind::PermissionDenied);
        });
        fs::remove_dir_all(directory).expect("not shut for this thread");
    }

    #[test]
    fn calls_shut_then_threads_start_and_neither_programs_nor_what_is_not_listed() {
        shut_in(settings(Switch::No, Switch::Auto, true), Needs::default(), |said| {
            if !said.is_empty() {
                return;
            }
            std::thread::spawn(|| 7).join().expect("threads can be started");
            assert!(Command::new("true").status().is_err(), "a program");
            let refused = std::os::unix::fs::chroot("/").expect_err("a call that is not listed");
            assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
        });
    }

    #[test]
    fn processes_alone_shut_then_other_calls_are_left() {
        shut_in(settings(Switch::No, Switch::No, true), Needs::default(), |said| {
            if !said.is_empty() {
                return;
            }
            let refused = Command::new("true").status().expect_err("a program");
            assert_eq!(refused.raw_os_error(), Some(libc::ENOSYS));
            let error = std::os::unix::fs::chroot("/not/there").expect_err("there is no such directory");
            assert_ne!(error.raw_os_error(), Some(libc::ENOSYS), "the kernel has looked");
        });
    }

    #[test]
    fn log_with_places_for_the_time_then_what_is_above_them_is_needed() {
        let directory = scratch("places");
        let mut needs = Needs::default();
        needs.log(&directory.join("log/%Y/%m/eve-%d.json"));
        needs.log(&directory.join("log/stats.log"));
        needs.log(Path::new("/dev/null"));
        assert_eq!((needs.write, needs.devices), (vec![directory.join("log")], vec!["/dev/null".into()]));
        fs::remove_dir_all(directory).expect("removed");
    }
}
