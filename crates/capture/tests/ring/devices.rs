//! Loopback, tun devices, and all interfaces at once.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use crate::net::{Net, Seen, Sender, drain, frame, in_namespace, open, receive};
use flumen_capture::Ring;
use flumen_capture::ring::{ANY, Instruction, RingConfig, StopHandle, by_link};
use flumen_model::LinkType;

/// A tun device that is up; what is written to the file comes in on it.
fn tun(net: &Net, name: &str) -> File {
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun").expect("tun devices");
    let mut request = [0_u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    request[16..18].copy_from_slice(&((libc::IFF_TUN | libc::IFF_NO_PI) as u16).to_ne_bytes());
    // SAFETY: a request of the size of `struct ifreq`, which lives.
    assert_eq!(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, request.as_mut_ptr()) }, 0);
    net.ip(&format!("link set dev {name} up"));
    file
}

/// An IPv4 packet of an experimental protocol without a payload.
fn ip_packet(number: u8) -> [u8; 20] {
    [0x45, 0, 0, 20, 0, number, 0, 0, 64, 253, 0, 0, 10, 1, 1, 1, 10, 1, 1, 2]
}

fn talk_to_oneself(count: u32) {
    let one = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let other = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for number in 0..count {
        one.send_to(&number.to_be_bytes(), other.local_addr().expect("bound")).expect("room");
    }
}

fn payload(packet: &Seen) -> &[u8] {
    &packet.data[14 + 20 + 8..][..4]
}

#[test]
fn loopback_then_every_packet_once() {
    in_namespace(|net| {
        net.ip("link set dev lo up");
        let (mut ring, stop) = open(&RingConfig::new("lo"));
        talk_to_oneself(50);
        let mut seen = receive(&mut ring, 50);
        stop.stop();
        seen.extend(drain(&mut ring));
        assert_eq!(seen.len(), 50);
        for (number, packet) in (0_u32..).zip(&seen) {
            assert_eq!(packet.link, LinkType::Ethernet);
            assert_eq!(payload(packet), number.to_be_bytes());
        }
    });
}

#[test]
fn packet_far_longer_than_a_frame_then_whole() {
    in_namespace(|net| {
        net.ip("link set dev lo up");
        let (mut ring, _) = open(&RingConfig::new("lo"));
        let one = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let long: Vec<u8> = (0..65_000_u32).map(|i| (i % 251) as u8).collect();
        one.send_to(&long, one.local_addr().expect("bound")).expect("room");
        let seen = receive(&mut ring, 1);
        assert_eq!(seen.len(), 1);
        assert!(seen[0].data[42..] == long, "{} bytes", seen[0].data.len());
        assert_eq!(seen[0].wire_len, 65_042);
    });
}

#[test]
fn tun_device_then_packets_without_a_link_header() {
    in_namespace(|net| {
        let mut tun = tun(net, "tun0");
        let (mut ring, _) = open(&RingConfig::new("tun0"));
        for number in 0..20 {
            tun.write_all(&ip_packet(number)).expect("room");
        }
        let seen = receive(&mut ring, 20);
        assert_eq!(seen.len(), 20);
        for (number, packet) in (0..).zip(&seen) {
            assert_eq!((packet.link, &packet.data[..]), (LinkType::Raw, &ip_packet(number)[..]));
            assert_eq!(packet.wire_len, 20);
        }
    });
}

#[test]
fn all_interfaces_then_each_packet_with_the_number_of_its_own() {
    in_namespace(|net| {
        net.ip("link set dev lo up");
        net.cable(1500);
        let mut tun = tun(net, "tun0");
        let (mut ring, stop) = open(&RingConfig { device: 3, ..RingConfig::new(ANY) });
        Sender::on("a").send(&frame(1, 60));
        tun.write_all(&ip_packet(9)).expect("room");
        talk_to_oneself(2);
        // One that comes later is captured as well.
        net.ip("link add name late type veth peer name early");
        net.ip("link set dev late up");
        net.ip("link set dev early up");
        net.wait_until_up("late", "early");
        Sender::on("late").send(&frame(2, 60));

        let mut seen = receive(&mut ring, 7);
        stop.stop();
        seen.extend(drain(&mut ring));
        let names = ring.stats().devices();
        let named: Vec<(&str, &Seen)> =
            seen.iter().map(|packet| (names[usize::from(packet.device) - 3].as_str(), packet)).collect();
        let on = |name: &str| named.iter().filter(|(n, _)| *n == name).map(|(_, packet)| *packet).collect::<Vec<_>>();

        // Sent on one end and received on the other: both are interfaces of ours.
        for (name, number) in [("a", 1), ("b", 1), ("late", 2), ("early", 2)] {
            let packets = on(name);
            assert_eq!(packets.len(), 1, "{name} of {names:?}");
            assert_eq!((packets[0].link, &packets[0].data), (LinkType::Ethernet, &frame(number, 60)));
        }
        assert_eq!(
            on("tun0").iter().map(|p| (p.link, &p.data[..])).collect::<Vec<_>>(),
            [(LinkType::Raw, &ip_packet(9)[..])]
        );
        let lo = on("lo");
        assert_eq!(lo.iter().map(|packet| payload(packet)[3]).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(seen.len(), 7);
    });
}

#[test]
fn all_interfaces_and_a_filter_then_each_frame_is_looked_at_as_its_link_has_it() {
    in_namespace(|net| {
        net.ip("link set dev lo up");
        let mut tun = tun(net, "tun0");
        // A byte that is 0x45 where IPv4 begins: behind 14 bytes, and at the beginning.
        let version_at = |at| {
            let step = |code, jt, jf, k| Instruction { code, jt, jf, k };
            [step(0x30, 0, 0, at), step(0x15, 0, 1, 0x45), step(0x06, 0, 0, 262_144), step(0x06, 0, 0, 0)]
        };
        for (ethernet, network, expected) in [(14, 0, [2, 1]), (0, 0, [0, 1]), (14, 14, [2, 0])] {
            let filter = by_link(&version_at(ethernet), &version_at(network));
            let (mut ring, stop) = open(&RingConfig { filter, ..RingConfig::new(ANY) });
            tun.write_all(&ip_packet(9)).expect("room");
            talk_to_oneself(2);
            stop.stop();
            let seen = drain(&mut ring);
            let on = |link| seen.iter().filter(|packet| packet.link == link).count();
            assert_eq!([on(LinkType::Ethernet), on(LinkType::Raw)], expected, "{ethernet} {network}");
        }
    });
}

#[test]
fn all_interfaces_by_two_rings_then_each_packet_once() {
    in_namespace(|net| {
        net.ip("link set dev lo up");
        let stop = StopHandle::new().expect("a descriptor");
        let mut rings = Ring::open(&RingConfig::new(ANY), 2, &stop).expect("two rings");
        talk_to_oneself(40);
        stop.stop();
        let mut numbers: Vec<u8> = rings.iter_mut().flat_map(drain).map(|packet| payload(&packet)[3]).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..40).collect::<Vec<u8>>());
    });
}

#[test]
fn all_interfaces_and_one_goes_then_the_others_go_on() {
    in_namespace(|net| {
        net.ip("link set dev lo up");
        net.cable(1500);
        let (mut ring, _) = open(&RingConfig::new(ANY));
        net.ip("link del dev a");
        talk_to_oneself(1);
        assert_eq!(receive(&mut ring, 1).len(), 1);
        assert_eq!(ring.stats().counters().expect("the kernel answers").downs, 0);
    });
}
