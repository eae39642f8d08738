//! A namespace for a test, interfaces in it, and who sends frames on them.

use core::time::Duration;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::panic;
use std::process::Command;
use std::sync::mpsc;

use flumen_capture::ring::{Ring, RingConfig, StopHandle};
use flumen_model::{LinkType, PacketBatch, PacketSource, Timestamp};

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
    if finished.recv_timeout(WATCHDOG) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("the test hangs");
    }
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
    /// Two interfaces, `a` and `b`: what is sent on one comes in on the other.
    pub(crate) fn cable(&self, mtu: u32) {
        self.ip("link add name a type veth peer name b");
        for end in ["a", "b"] {
            self.ip(&format!("link set dev {end} up mtu {mtu}"));
        }
        self.wait_until_up("a", "b");
    }
    /// Waits until both ends of a cable carry frames: before that, what is sent vanishes without an error.
    pub(crate) fn wait_until_up(&self, one: &str, other: &str) {
        let is_up = |end| self.ip(&format!("-o link show dev {end}")).contains("state UP");
        assert!(eventually(|| is_up(one) && is_up(other)), "the cable does not come up");
    }
    /// How many packet sockets there are.
    pub(crate) fn packet_sockets(&self) -> usize {
        // A line of headings, then one a socket.
        std::fs::read_to_string("/proc/thread-self/net/packet").expect("a list").lines().skip(1).count()
    }
}

/// Whether it becomes true, looking often: links come up behind the scenes, and a socket that was closed lives on for as
/// long as a child of another test has it, on its way from fork to exec.
pub(crate) fn eventually(mut is_true: impl FnMut() -> bool) -> bool {
    const TRIES: usize = 3_000;
    (0..TRIES).any(|_| {
        std::thread::yield_now();
        is_true()
    })
}

/// Sends frames on an interface as they are.
pub(crate) struct Sender(OwnedFd);

impl Sender {
    pub(crate) fn on(interface: &str) -> Self {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        assert!(fd >= 0, "a packet socket: {}", io::Error::last_os_error());
        // SAFETY: the descriptor is new.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let name = std::ffi::CString::new(interface).expect("no zero in a name");
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
        self.try_send(frame).unwrap_or_else(|error| panic!("{} bytes: {error}", frame.len()));
    }
    pub(crate) fn try_send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: bytes that live, and how many.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        assert_eq!(sent.cast_unsigned(), frame.len());
        Ok(())
    }
}

/// A packet as a test compares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) at: Timestamp,
    pub(crate) data: Vec<u8>,
    pub(crate) wire_len: u32,
    pub(crate) link: LinkType,
    pub(crate) device: u16,
}

pub(crate) fn seen(batch: &PacketBatch) -> impl Iterator<Item = Seen> {
    batch.packets().map(|packet| Seen {
        at: packet.entry.timestamp,
        data: packet.data.to_vec(),
        wire_len: packet.entry.wire_len,
        link: packet.entry.link,
        device: packet.entry.device,
    })
}

/// One ring on an interface.
pub(crate) fn open(config: &RingConfig) -> (Ring, StopHandle) {
    let stop = StopHandle::new().expect("a descriptor");
    let ring = Ring::open(config, 1, &stop).unwrap_or_else(|error| panic!("{error}")).remove(0);
    (ring, stop)
}

/// A ring of small blocks, which a few frames fill.
pub(crate) fn small(interface: &str, blocks: u32) -> RingConfig {
    RingConfig {
        snap_len: 2_000,
        block_size: 4_096,
        // One frame of an MTU of 1,500 bytes fits twice.
        ring_size: Some((blocks - 1) * 2),
        held_percent: 50,
        ..RingConfig::new(interface)
    }
}

/// Calls `fill` until `count` packets have come, or nothing has for many calls.
pub(crate) fn receive(ring: &mut Ring, count: usize) -> Vec<Seen> {
    let mut batch = PacketBatch::new();
    let (mut all, mut quiet) = (Vec::new(), 0);
    while all.len() < count && quiet < QUIET_FILLS {
        assert!(ring.fill(&mut batch).unwrap_or_else(|error| panic!("{error}")), "the ring ended");
        quiet = if batch.is_empty() { quiet + 1 } else { 0 };
        all.extend(seen(&batch));
    }
    all
}

/// Empty batches after which nothing is expected any more; each takes a block timeout.
const QUIET_FILLS: usize = 200;

/// What comes out of a ring until it ends.
pub(crate) fn drain(ring: &mut Ring) -> Vec<Seen> {
    let mut batch = PacketBatch::new();
    let mut all = Vec::new();
    while ring.fill(&mut batch).unwrap_or_else(|error| panic!("{error}")) {
        all.extend(seen(&batch));
    }
    assert!(batch.is_empty() && batch.block().is_none(), "the end comes with an empty batch");
    assert_eq!(ring.fill(&mut batch), Ok(false), "and stays");
    all
}

/// A frame of `len` bytes of a protocol that nobody answers, with a number in it.
pub(crate) fn frame(number: u32, len: usize) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x88, 0xb5];
    frame.extend_from_slice(&number.to_be_bytes());
    let mut mixed = number;
    frame.resize_with(len.max(18), || {
        mixed = mixed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (mixed >> 24) as u8
    });
    frame
}

/// A frame with tags (protocol and content) in front of its own protocol.
pub(crate) fn tagged(frame: &[u8], tags: &[(u16, u16)]) -> Vec<u8> {
    let tags = tags.iter().flat_map(|(protocol, tag)| [protocol.to_be_bytes(), tag.to_be_bytes()].concat());
    frame[..12].iter().copied().chain(tags).chain(frame[12..].iter().copied()).collect()
}
