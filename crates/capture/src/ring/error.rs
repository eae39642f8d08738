//! Why an interface cannot be captured, in words that say what to do about it.

use std::io;
use std::path::PathBuf;

use super::config::ConfigError;

/// Why a ring could not be opened, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("{interface}: {reason}")]
pub struct RingError {
    /// Name of the interface.
    pub interface: String,
    /// What went wrong.
    pub reason: RingErrorReason,
}

/// What went wrong with a ring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingErrorReason {
    /// A right is missing.
    #[error(
        "{what} was refused: the capability {capability} is missing; run as root, or give it to the program with \
         `setcap {}+ep {}`", .capability.to_ascii_lowercase(), .program.display()
    )]
    Permission {
        /// What was to be done.
        what: &'static str,
        /// The capability that allows it.
        capability: &'static str,
        /// The running program.
        program: PathBuf,
    },
    /// No interface has this name.
    #[error("there is no such interface; there are: {}", .0.join(", "))]
    NoSuchInterface(Vec<String>),
    /// No memory for a ring of this size.
    #[error("no memory for a ring of {0} bytes; a smaller `ring-size` or `block-size` needs less")]
    Memory(usize),
    /// The group of rings has another shape.
    #[error("joining fanout group {id} failed: {source}; another program may use this `cluster-id` in another way")]
    Fanout {
        /// Number of the group.
        id: u16,
        /// What the kernel said.
        source: io::Error,
    },
    /// The operating system said no to something else.
    #[error("{what} failed: {source}")]
    System {
        /// What was to be done.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// It was asked for something that cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl RingErrorReason {
    /// What the kernel's refusal of `what` means, where `capability` is what it takes.
    pub(super) fn of(what: &'static str, capability: &'static str, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::Permission {
                what,
                capability,
                program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("flumen")),
            },
            _ => Self::System { what, source },
        }
    }
}

/// What it takes to open a packet socket.
pub(super) const NET_RAW: &str = "CAP_NET_RAW";
/// What it takes to set up an interface.
pub(super) const NET_ADMIN: &str = "CAP_NET_ADMIN";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_missing_then_capability_and_command_named() {
        let refused = io::Error::from_raw_os_error(libc::EPERM);
        let reason = RingErrorReason::of("opening a packet socket", NET_RAW, refused);
        let text = RingError { interface: "eth0".to_owned(), reason }.to_string();
        assert!(text.starts_with("eth0: opening a packet socket was refused: the capability CAP_NET_RAW is missing"));
        assert!(text.contains("`setcap cap_net_raw+ep /"), "{text}");
    }

    #[test]
    fn another_failure_then_what_the_kernel_said() {
        let reason = RingErrorReason::of("binding", NET_RAW, io::Error::from_raw_os_error(libc::ENODEV));
        assert!(reason.to_string().starts_with("binding failed: No such device"), "{reason}");
    }
}
