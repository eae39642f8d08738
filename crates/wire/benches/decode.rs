//! Nanoseconds a frame, by kind of frame. `cargo bench -p flumen-wire`.
//!
//! 256 frames of a kind, with addresses and ports that differ, lie one after the other and are decoded in turn; the
//! figure is the best of several rounds, since anything else on the machine can only add to it.

use flumen_wire::{DecodeOptions, Decoder, LinkType, tcp_checksum_ok};
use std::hint::black_box;
use std::time::Instant;

const FRAMES: usize = 256;
const PASSES: usize = 400;
const ROUNDS: usize = 25;

fn main() {
    let ethernet = |kind: [u8; 2]| [[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1].as_slice(), &kind].concat();
    let timestamps = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    let syn = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
    let kinds: [(&str, Vec<u8>, usize); 8] = [
        ("ethernet ipv4 tcp", [ethernet([8, 0]), ipv4(6, tcp(&[], 6))].concat(), 26),
        ("ethernet ipv4 tcp, timestamps", [ethernet([8, 0]), ipv4(6, tcp(&timestamps, 0))].concat(), 26),
        ("ethernet ipv4 tcp, syn", [ethernet([8, 0]), ipv4(6, tcp(&syn, 0))].concat(), 26),
        ("ethernet ipv4 udp", [ethernet([8, 0]), ipv4(17, udp(24))].concat(), 26),
        ("ethernet vlan ipv4 tcp", [ethernet([0x81, 0]), vec![0, 5, 8, 0], ipv4(6, tcp(&timestamps, 0))].concat(), 30),
        ("ethernet ipv6 tcp", [ethernet([0x86, 0xdd]), ipv6(6, tcp(&timestamps, 0))].concat(), 22),
        ("ethernet ipv6 udp", [ethernet([0x86, 0xdd]), ipv6(17, udp(24))].concat(), 22),
        ("ethernet ipv4 icmp", [ethernet([8, 0]), ipv4(1, vec![8, 0, 0, 0, 0, 1, 0, 1])].concat(), 26),
    ];
    for (name, frame, varied) in &kinds {
        println!(
            "{name:<32} {:6.2} ns",
            best(frame, *varied, |decoder, frame| {
                black_box(decoder.decode(LinkType::Ethernet, black_box(frame), frame.len() as u32));
            })
        );
    }
    let big = [ethernet([8, 0]), ipv4(6, tcp(&timestamps, 1448))].concat();
    println!(
        "{:<32} {:6.2} ns",
        "tcp checksum of 1,480 bytes",
        best(&big, 26, |decoder, frame| {
            if let flumen_wire::Decoded::Flow(packet) = decoder.decode(LinkType::Ethernet, frame, frame.len() as u32) {
                black_box(tcp_checksum_ok(frame, &packet));
            }
        })
    );
}

/// Least mean time of a call, in nanoseconds.
fn best(frame: &[u8], varied: usize, call: impl Fn(&mut Decoder, &[u8])) -> f64 {
    let frames: Vec<u8> = (0..FRAMES)
        .flat_map(|i| {
            let mut frame = frame.to_vec();
            frame[varied] = i as u8;
            frame
        })
        .collect();
    let mut decoder = Decoder::new(DecodeOptions::default());
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..PASSES {
            for frame in frames.chunks_exact(frame.len()) {
                call(&mut decoder, frame);
            }
        }
        least = least.min(start.elapsed().as_secs_f64() * 1e9 / (PASSES * FRAMES) as f64);
    }
    assert_eq!(decoder.counters.layers.invalid, 0);
    assert_eq!(decoder.counters.layers.pkts as usize, ROUNDS * PASSES * FRAMES);
    least
}

fn ipv4(protocol: u8, payload: Vec<u8>) -> Vec<u8> {
    let [hi, lo] = (20 + payload.len() as u16).to_be_bytes();
    [vec![0x45, 0, hi, lo, 0, 1, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], payload].concat()
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

fn udp(payload_len: usize) -> Vec<u8> {
    let [hi, lo] = (8 + payload_len as u16).to_be_bytes();
    let mut datagram = vec![0xc0, 1, 0, 53, hi, lo, 0, 0];
    datagram.resize(datagram.len() + payload_len, 7);
    datagram
}
