//! Packets a second out of a ring before the kernel drops any, and what each costs its reader.
//!
//! A sender on one end of a cable (veth) in a namespace of its own, a ring on the other: `cargo bench -p flumen-capture
//! --bench ring [SECONDS]`. Needs root and `ip`. The sender is the limit as a rule: what it sends goes through the
//! kernel on its own processor, the ring's filling included.
#![allow(unsafe_code)]

#[cfg(target_os = "linux")]
fn main() {
    live::run();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("AF_PACKET is Linux's");
}

#[cfg(target_os = "linux")]
mod live {
    use flumen_capture::Ring;
    use flumen_capture::ring::{RingConfig, StopHandle};
    use flumen_model::{PacketBatch, PacketSource};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::process::Command;
    use std::time::{Duration, Instant};

    pub(super) fn run() {
        let seconds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(2);
        // SAFETY: takes no pointers; no other thread runs yet.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            println!("no network namespace: {}", std::io::Error::last_os_error());
            return;
        }
        ip("link add name left type veth peer name right");
        ip("link set dev left up");
        ip("link set dev right up");
        while !ip("-o link show dev left").contains("state UP") {}
        println!(
            "{:>6} {:>10} {:>10} {:>8} {:>14} {:>12}",
            "bytes", "sent/s", "read/s", "dropped", "reader ns/pkt", "packets/block"
        );
        for len in [60, 512, 1_514] {
            measure(len, Duration::from_secs(seconds));
        }
    }

    fn measure(len: usize, time: Duration) {
        let stop = StopHandle::new().expect("a descriptor");
        let config = RingConfig { ring_size: Some(100_000), ..RingConfig::new("right") };
        let mut ring = Ring::open(&config, 1, &stop).unwrap_or_else(|error| panic!("{error}")).remove(0);
        let stats = ring.stats();
        let reader = std::thread::spawn(move || {
            let mut batch = PacketBatch::new();
            let (mut packets, mut bytes) = (0_u64, 0_u64);
            let before = processor_time();
            while ring.fill(&mut batch).expect("no error") {
                packets += batch.len() as u64;
                // What a decoder would touch first.
                bytes += batch.packets().map(|packet| u64::from(packet.data[12])).sum::<u64>();
            }
            std::hint::black_box(bytes);
            (packets, processor_time() - before)
        });
        let begin = Instant::now();
        let sent = send(len, time);
        let elapsed = begin.elapsed().as_secs_f64();
        stop.stop();
        let (packets, cost) = reader.join().expect("the reader ends");
        let counters = stats.counters().expect("the last figures");
        println!(
            "{len:>6} {:>10.0} {:>10.0} {:>8} {:>14.1} {:>12.0}",
            sent as f64 / elapsed,
            packets as f64 / elapsed,
            counters.kernel_drops,
            cost.as_nanos() as f64 / packets.max(1) as f64,
            packets as f64 / counters.blocks.max(1) as f64,
        );
    }

    /// Sends frames of `len` bytes as fast as it goes; returns how many.
    fn send(len: usize, time: Duration) -> u64 {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        assert!(fd >= 0, "a packet socket");
        // SAFETY: the descriptor is new.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: a string that lives.
        let index = unsafe { libc::if_nametoindex(c"left".as_ptr()) };
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: 0,
            sll_ifindex: index.cast_signed(),
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        // SAFETY: an address that lives, and its length.
        let bound = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size_of_val(&address) as u32) };
        assert_eq!(bound, 0);
        // Straight to the device, without a queue in between.
        // SAFETY: a word that lives, and its size.
        unsafe {
            let on = 1_i32;
            libc::setsockopt(fd.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, (&raw const on).cast(), 4)
        };
        let mut frame = vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x88, 0xb5];
        frame.resize(len, 0);
        let mut pieces = [libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: len }; RUN];
        // SAFETY: all zero is a header without a name, pieces or control data.
        let mut headers: [libc::mmsghdr; RUN] = unsafe { std::mem::zeroed() };
        for (header, piece) in headers.iter_mut().zip(&mut pieces) {
            header.msg_hdr.msg_iov = piece;
            header.msg_hdr.msg_iovlen = 1;
        }
        let (begin, mut sent) = (Instant::now(), 0);
        while begin.elapsed() < time {
            // SAFETY: headers and what they lead to live.
            let count = unsafe { libc::sendmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), RUN as u32, 0) };
            sent += u64::try_from(count).unwrap_or(0);
        }
        sent
    }

    /// Processor time of this thread.
    fn processor_time() -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: a variable that lives.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
        Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
    }

    fn ip(words: &str) -> String {
        let output = Command::new("ip").args(words.split_whitespace()).output().expect("ip runs");
        assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Frames a system call.
    const RUN: usize = 64;
}
