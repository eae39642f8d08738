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
const WATCHDOG: Duration = Duration::from_secs(600);

/// Runs `test` in a namespace of its own.
#[track_caller]
pub(crate) fn in_namespace(test: impl FnOnce(&Net) + Send + 'static) {
    in_namespace_with(&[], test);
}

/// Runs `test`, which takes these programs besides `ip`, in a namespace of its own.
#[track_caller]
pub(crate) fn in_namespace_with(programs: &'static [&'static str], test: impl FnOnce(&Net) + Send + 'static) {
    let (done, finished) = mpsc::channel();
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        match all_there(programs).and_then(|()| Net::enter()) {
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

fn all_there(programs: &[&str]) -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&&str| std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    programs.iter().find(|name| !is_there(name)).map_or(Ok(()), |name| Err(format!("no `{name}`")))
}

fn skip(reason: &str) {
    // SAFETY: takes no arguments.
    let is_root = unsafe { libc::geteuid() } == 0;
    assert!(!(is_root && std::env::var_os("CI").is_some()), "cannot run here, and must: {reason}");
    // Past the test harness, which shows nothing of a test that passes.
    let _ = writeln!(io::stderr(), "SKIPPED {}: {reason}", std::thread::current().name().unwrap_or_default());
}

/// No IPv6 in the namespace of the calling thread, since what the kernel sends of its own accord would be captured too.
pub(crate) fn quiet() {
    for scope in ["all", "default"] {
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1");
    }
}

impl Net {
    fn enter() -> Result<Self, String> {
        // SAFETY: takes no pointers; this thread was made for the test.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            return Err(format!("no network namespace: {}", io::Error::last_os_error()));
        }
        Command::new("ip").arg("-V").output().map_err(|error| format!("no `ip`: {error}"))?;
        quiet();
        Ok(Self(()))
    }
    /// Runs `ip` with these words.
    #[track_caller]
    pub(crate) fn ip(&self, words: &str) -> String {
        let output = Command::new("ip").args(words.split_whitespace()).output().expect("ip runs");
        assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
    /// What an interface of the namespace of the calling thread has counted.
    pub(crate) fn counted(&self, interface: &str) -> Counted {
        let table = std::fs::read_to_string("/proc/thread-self/net/dev").expect("a table of interfaces");
        let mut lines = table.lines().filter_map(|line| line.split_once(':'));
        let line = lines.find(|(name, _)| name.trim() == interface).expect("the interface").1;
        let numbers: Vec<u64> = line.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        Counted { received: (numbers[1], numbers[0]), sent: (numbers[9], numbers[8]) }
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

/// What an interface has counted since it was made: packets and bytes.
pub(crate) struct Counted {
    pub(crate) received: (u64, u64),
    pub(crate) sent: (u64, u64),
}

impl Counted {
    pub(crate) fn both(&self) -> (u64, u64) {
        (self.received.0 + self.sent.0, self.received.1 + self.sent.1)
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
