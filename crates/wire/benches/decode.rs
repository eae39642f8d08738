//! Nanoseconds a frame, by kind of frame, beside `etherparse` and `pnet_packet` on the same bytes.
//! `cargo bench -p flumen-wire --bench decode`, and a word behind `--` for the kinds that have it in their name.
//!
//! 256 frames of a kind, with addresses and ports that differ, lie one after the other and are decoded in turn. Each
//! figure is the best of several rounds, since anything else on the machine can only add to it; the three take turns. The
//! others are asked for what a flow needs and no more: addresses, ports, TTL, and of TCP the numbers, flags, window and
//! timestamps. They do not check lengths against each other as this decoder does, nor do they count.

mod others;

use flumen_wire::{Aside, Decoder, FlowPacket, LinkType, tcp_checksum_ok};
use std::hint::black_box;
use std::time::Instant;

const FRAMES: usize = 256;

/// A kind of frame: its name, one of them, and a byte of it that may be anything.
struct Kind {
    name: &'static str,
    frame: Vec<u8>,
    varied: usize,
}

fn main() {
    // Cargo says so when it benches; otherwise this only shows that the frames decode.
    let (rounds, passes) = if std::env::args().any(|arg| arg == "--bench") { (40, 400) } else { (1, 1) };
    println!("{:<34} {:>10} {:>12} {:>12}", "ns a frame", "flumen", "etherparse", "pnet_packet");
    let wanted: Option<String> = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    for Kind { name, frame, varied } in kinds() {
        if wanted.as_ref().is_some_and(|wanted| !name.contains(wanted)) {
            continue;
        }
        let frames = vary(&frame, varied);
        let mut decoder = Decoder::default();
        let mut packet = FlowPacket::EMPTY;
        let mut least = [f64::INFINITY; 3];
        for _ in 0..rounds {
            let mine = |frame: &[u8]| decode(&mut decoder, frame, &mut packet);
            least[0] = least[0].min(time(&frames, frame.len(), passes, mine));
            least[1] =
                least[1].min(time(&frames, frame.len(), passes, |frame| _ = black_box(others::etherparse(frame))));
            least[2] = least[2].min(time(&frames, frame.len(), passes, |frame| _ = black_box(others::pnet(frame))));
        }
        assert_eq!(decoder.counters.layers.invalid, 0, "{name}");
        assert_eq!(decoder.counters.layers.pkts as usize, rounds * passes * FRAMES, "{name}");
        println!("{name:<34} {:>10.2} {:>12.2} {:>12.2}", least[0], least[1], least[2]);
    }
    checksum(rounds, passes);
}

/// A frame and every packet inside.
fn decode(decoder: &mut Decoder, frame: &[u8], packet: &mut FlowPacket) {
    let wire_len = frame.len() as u32;
    let mut outcome = decoder.decode_into(LinkType::Ethernet, black_box(frame), wire_len, packet);
    loop {
        black_box(&*packet);
        let inner = match outcome {
            Ok(()) => packet.inner,
            Err(Aside::Tunnel(inner)) => Some(inner),
            Err(Aside::Fragment(fragment)) => {
                black_box(fragment);
                None
            }
            Err(Aside::NonFlow(_)) => None,
        };
        let Some(inner) = inner else { return };
        outcome = decoder.decode_inner(&inner, frame, wire_len, packet);
    }
}

/// Mean time of a call over all frames, in nanoseconds.
fn time(frames: &[u8], len: usize, passes: usize, mut call: impl FnMut(&[u8])) -> f64 {
    let start = Instant::now();
    for _ in 0..passes {
        for frame in frames.chunks_exact(len) {
            call(frame);
        }
    }
    start.elapsed().as_secs_f64() * 1e9 / (passes * FRAMES) as f64
}

fn checksum(rounds: usize, passes: usize) {
    let frame = [ethernet([8, 0]), ipv4(6, tcp(&TIMESTAMPS, 1448))].concat();
    let (frames, mut decoder, mut least) = (vary(&frame, 26), Decoder::default(), f64::INFINITY);
    for _ in 0..rounds {
        let mine = |frame: &[u8]| {
            let mut packet = FlowPacket::EMPTY;
            if decoder.decode_into(LinkType::Ethernet, frame, frame.len() as u32, &mut packet).is_ok() {
                black_box(tcp_checksum_ok(frame, &packet));
            }
        };
        least = least.min(time(&frames, frame.len(), passes, mine));
    }
    println!("{:<34} {least:>10.2}", "tcp checksum of 1,480 bytes");
}

fn vary(frame: &[u8], varied: usize) -> Vec<u8> {
    let with = |i: usize| {
        let mut frame = frame.to_vec();
        frame[varied] = i as u8;
        frame
    };
    (0..FRAMES).flat_map(with).collect()
}

const TIMESTAMPS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];

fn kinds() -> Vec<Kind> {
    let syn = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
    let kind = |name, parts: &[&[u8]], varied| Kind { name, frame: parts.concat(), varied };
    let (v4, v6, tagged) = (ethernet([8, 0]), ethernet([0x86, 0xdd]), [ethernet([0x81, 0]), vec![0, 5, 8, 0]].concat());
    let segment = || tcp(&TIMESTAMPS, 0);
    let options = [&[60, 0, 5, 2, 0, 0, 1, 0][..], &[6, 0, 5, 2, 0, 0, 1, 0], &segment()].concat();
    let vxlan = [&[8, 0, 0, 0, 0, 0, 77, 0], &v4[..], &ipv4(6, segment())].concat();
    let mut first_fragment = ipv4(17, vec![7; 1480]);
    first_fragment[6] = 0x20;
    let fragment_v6 = [&[17, 0, 0, 1, 0, 0, 0, 9][..], &[7; 1440]].concat();
    vec![
        kind("ethernet ipv4 tcp", &[&v4, &ipv4(6, tcp(&[], 6))], 26),
        kind("ethernet ipv4 tcp, timestamps", &[&v4, &ipv4(6, segment())], 26),
        kind("ethernet ipv4 tcp, syn", &[&v4, &ipv4(6, tcp(&syn, 0))], 26),
        kind("ethernet ipv4 udp", &[&v4, &ipv4(17, udp(53, &[7; 24]))], 26),
        kind("ethernet vlan ipv4 tcp", &[&tagged, &ipv4(6, segment())], 30),
        kind("ethernet ipv6 tcp", &[&v6, &ipv6(6, segment())], 22),
        kind("ethernet ipv6 udp", &[&v6, &ipv6(17, udp(53, &[7; 24]))], 22),
        kind("ethernet ipv4 icmp", &[&v4, &ipv4(1, vec![8, 0, 0, 0, 0, 1, 0, 1])], 26),
        kind("ethernet ipv6 two extensions tcp", &[&v6, &ipv6(0, options)], 22),
        kind("vxlan in vlan, and inside tcp", &[&tagged, &ipv4(17, udp(4789, &vxlan))], 30 + 8 + 8 + 14 + 12),
        kind("ethernet ipv4 fragment", &[&v4, &first_fragment], 26),
        kind("ethernet ipv6 fragment", &[&v6, &ipv6(44, fragment_v6)], 22),
    ]
}

fn ethernet(kind: [u8; 2]) -> Vec<u8> {
    [[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1].as_slice(), &kind].concat()
}

fn ipv4(protocol: u8, payload: Vec<u8>) -> Vec<u8> {
    let [hi, lo] = (20 + payload.len() as u16).to_be_bytes();
    [vec![0x45, 0, hi, lo, 0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], payload].concat()
}

fn ipv6(next_header: u8, payload: Vec<u8>) -> Vec<u8> {
    let [hi, lo] = (payload.len() as u16).to_be_bytes();
    let mut header = vec![0x60, 0, 0, 0, hi, lo, next_header, 64];
    header.extend([0xfe; 32]);
    [header, payload].concat()
}

fn tcp(options: &[u8], payload_len: usize) -> Vec<u8> {
    let offset = ((20 + options.len()) / 4) as u8;
    let mut segment = vec![0xc0, 1, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 2, offset << 4, 0x18, 2, 0, 0, 0, 0, 0];
    segment.extend(options);
    segment.resize(segment.len() + payload_len, 7);
    segment
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let [hi, lo] = (8 + payload.len() as u16).to_be_bytes();
    let [port_hi, port_lo] = port.to_be_bytes();
    [&[0xc0, 1, port_hi, port_lo, hi, lo, 0, 0], payload].concat()
}
