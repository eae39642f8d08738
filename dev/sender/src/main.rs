//! `sender -i IFACE --rate N --seconds N`: UDP packets of 60 bytes in some thousand flows, as evenly as one core can; at
//! the end a line of JSON says how many were sent in which time. `benches/live.py` uses it.
//!
//! Frames go out by `sendmmsg` on a packet socket, past the queue of the interface. The clock is looked at before each run
//! of `RUN` frames, without sleeping: give it a core of its own.
//!
//! `unsafe` for the system calls.
#![allow(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

/// Sends small packets on an interface at a given rate (Linux, root).
#[derive(Parser, Debug)]
#[command(name = "sender", version)]
struct Arguments {
    /// Where to send them
    #[arg(short, long)]
    interface: String,
    /// Packets a second; without it as many as go
    #[arg(long)]
    rate: Option<u64>,
    /// For how long
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Flows that they belong to, in turn
    #[arg(long, default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    flows: u32,
}

/// A frame of the flow with this number: UDP over IPv4 from one of many hosts, without a checksum, 60 bytes.
fn frame(flow: u32) -> [u8; 60] {
    let mut frame = [0; 60];
    frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00]);
    let host = (flow / 256).to_be_bytes();
    frame[14..34]
        .copy_from_slice(&[0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, host[1], host[2], host[3], 192, 168, 0, 1]);
    let sum: u32 = frame[14..34].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame[34..36].copy_from_slice(&(1_024 + flow as u16 % 256).to_be_bytes());
    frame[36..40].copy_from_slice(&[0, 53, 0, 26]);
    frame
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("sender: packet sockets are Linux's");
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match linux::send(&arguments) {
        Ok((sent, seconds)) => {
            println!("{{\"sent\":{sent},\"seconds\":{seconds:.6}}}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("sender: {}: {error}", arguments.interface);
            ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::CString;
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::time::{Duration, Instant};

    use super::{Arguments, frame};

    /// Frames a system call: so many come at once, whatever the rate.
    const RUN: usize = 32;

    /// Sends all, and says how many they were and the seconds it took.
    pub(super) fn send(arguments: &Arguments) -> io::Result<(u64, f64)> {
        let socket = open(&arguments.interface)?;
        let frames: Vec<[u8; 60]> = (0..arguments.flows).map(frame).collect();
        let mut pieces: Vec<libc::iovec> = frames
            .iter()
            .map(|frame| libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() })
            .collect();
        let mut headers: Vec<libc::mmsghdr> = pieces.iter_mut().map(header).collect();
        let time = Duration::try_from_secs_f64(arguments.seconds).map_err(io::Error::other)?;
        let begin = Instant::now();
        let (mut sent, mut next) = (0, 0);
        while begin.elapsed() < time {
            if let Some(rate) = arguments.rate {
                let due = Duration::from_nanos((u128::from(sent) * 1_000_000_000 / u128::from(rate.max(1))) as u64);
                while begin.elapsed() < due {
                    std::hint::spin_loop();
                }
            }
            let run = RUN.min(headers.len() - next);
            // SAFETY: so many headers follow; they, their pieces and the frames live.
            let count = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers[next..].as_mut_ptr(), run as u32, 0) };
            match usize::try_from(count) {
                Ok(count) => {
                    sent += count as u64;
                    next = (next + count) % headers.len();
                }
                Err(_) if io::Error::last_os_error().raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(_) => return Err(io::Error::last_os_error()),
            }
        }
        Ok((sent, begin.elapsed().as_secs_f64()))
    }

    fn header(piece: &mut libc::iovec) -> libc::mmsghdr {
        // SAFETY: all zero is a header without a name, pieces or control data.
        let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        header.msg_hdr.msg_iov = piece;
        header.msg_hdr.msg_iovlen = 1;
        header
    }

    /// A packet socket that sends on this interface.
    fn open(interface: &str) -> io::Result<OwnedFd> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let name = CString::new(interface)?;
        // SAFETY: a string that lives.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(io::Error::last_os_error());
        }
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
        if unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let on = 1_i32;
        let len = size_of_val(&on) as libc::socklen_t;
        // SAFETY: a word that lives, and its size.
        let bypassed = unsafe {
            libc::setsockopt(fd.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, (&raw const on).cast(), len)
        };
        if bypassed != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(fd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn flows_then_as_many_pairs_of_address_and_port() {
        let ends: HashSet<_> = (0..4_096).map(|flow| frame(flow)[26..38].to_vec()).collect();
        assert_eq!(ends.len(), 4_096);
    }

    #[test]
    fn header_then_its_checksum_is_right() {
        for flow in [0, 255, 256, 70_000, 999_999] {
            let frame = frame(flow);
            let sum: u32 = frame[14..34].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        }
    }
}
