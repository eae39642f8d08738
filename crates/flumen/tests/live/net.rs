//! A namespace for a test, interfaces in it, and who sends frames on them.

use std::ffi::CString;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::panic;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

/// A network namespace that the calling thread is in.
pub(crate) struct Net(());

/// Longest that a test may take: only what hangs does.
const WATCHDOG: Duration = Duration::from_secs(120);

/// Runs `test` in a namespace of its own.
#[track_caller]
pub(crate) fn in_namespace(test: impl FnOnce(&Net) + Send + 'static) {
    let (done, finished) = mpsc::channel();
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        match Net::enter() {
            Ok(net) => test(&net),
            Err(reason) => skip(&reason),
        }
        let _ = done.send(());
    });
    let thread = thread.expect("a thread");
    assert!(finished.recv_timeout(WATCHDOG) != Err(mpsc::RecvTimeoutError::Timeout), "the test hangs");
    if let Err(reason) = thread.join() {
        panic::resume_unwind(reason);
    }
}

fn skip(reason: &str) {
    // SAFETY: takes no arguments.
    let is_root = unsafe { libc::geteuid() } == 0;
    assert!(!(is_root && std::env::var_os("CI").is_some()), "cannot run here, and must: {reason}");
    // Past the test harness, which shows nothing of a test that passes.
    let _ = writeln!(io::stderr(), "SKIPPED {}: {reason}", std::thread::current().name().unwrap_or_default());
}

impl Net {
    fn enter() -> Result<Self, String> {
        // SAFETY: takes no pointers; this thread was made for the test.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            return Err(format!("no network namespace: {}", io::Error::last_os_error()));
        }
        Command::new("ip").arg("-V").output().map_err(|error| format!("no `ip`: {error}"))?;
        for scope in ["all", "default"] {
            // What the kernel sends of its own accord would be captured too.
            let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1");
        }
        Ok(Self(()))
    }
    /// Runs `ip` with these words.
    #[track_caller]
    pub(crate) fn ip(&self, words: &str) -> String {
        let output = Command::new("ip").args(words.split_whitespace()).output().expect("ip runs");
        assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
    /// Two interfaces: what is sent on one comes in on the other.
    pub(crate) fn cable(&self, one: &str, other: &str) {
        self.ip(&format!("link add name {one} type veth peer name {other}"));
        for end in [one, other] {
            self.ip(&format!("link set dev {end} up mtu {MTU}"));
        }
        let is_up = |end: &str| self.ip(&format!("-o link show dev {end}")).contains("state UP");
        assert!((0..1000).any(|_| is_up(one) && is_up(other)), "the cable does not come up");
    }
}

/// Longest packet of a cable.
pub(crate) const MTU: usize = 9000;

/// Sends frames on an interface as they are.
pub(crate) struct Sender(OwnedFd);

impl Sender {
    pub(crate) fn on(interface: &str) -> Self {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        assert!(fd >= 0, "a packet socket: {}", io::Error::last_os_error());
        // SAFETY: the descriptor is new.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let name = CString::new(interface).expect("no zero in a name");
        // SAFETY: a string that lives.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        assert_ne!(index, 0, "interface {interface}");
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: 0,
            sll_ifindex: index.cast_signed(),
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let len = size_of_val(&address) as libc::socklen_t;
        // SAFETY: an address that lives, and its length.
        assert_eq!(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) }, 0);
        Self(fd)
    }
    #[track_caller]
    pub(crate) fn send(&self, frame: &[u8]) {
        // SAFETY: bytes that live, and how many.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        assert_eq!(sent, frame.len().cast_signed(), "{} bytes: {}", frame.len(), io::Error::last_os_error());
    }
}
