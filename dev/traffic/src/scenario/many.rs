//! Captures of very many, or very large, flows of one kind.
//!
//! * `timer-storm`: `rounds` waves (default 5) of `flows` UDP flows (default 200,000) of one packet each, all at the same
//!   instant, so that all expire at the same instant; 40 seconds later one lone packet lets time pass, then the next wave.
//! * `esp-spis`: `flows` security associations (default 100,000) between one pair of hosts, all seen once, then all again.
//! * `sctp-ports`: `flows` port pairs (default 100,000) between one pair of hosts: every INIT, then every INIT ACK.
//! * `icmp-sweep`: one host pings `flows` addresses (default 65,536); one in eight answers.
//! * `elephants`: `flows` TCP connections (default 4) that fill the line with `packets` frames (default 100,000), data
//!   from the server in full segments, one acknowledgement for two of them.

use std::io;

use super::{MILLI_NS, Options, Output, SECOND_NS, START_NS, Scenario, emit, over_ethernet};
use crate::{Ends, Packet, Rng, Session, Side, mac_of};

pub(super) const STORM: Scenario =
    over_ethernet("timer-storm", "waves of 200,000 flows that all expire at the same instant", timer_storm);
pub(super) const ESP: Scenario = over_ethernet("esp-spis", "100,000 ESP associations between two hosts", esp_spis);
pub(super) const SCTP: Scenario = over_ethernet("sctp-ports", "100,000 SCTP port pairs between two hosts", sctp_ports);
pub(super) const SWEEP: Scenario = over_ethernet("icmp-sweep", "one host pings 65,536 others", icmp_sweep);
pub(super) const ELEPHANTS: Scenario = over_ethernet("elephants", "a few connections that fill the line", elephants);

const A: [u8; 4] = [192, 0, 2, 1];
const B: [u8; 4] = [198, 51, 100, 1];

fn timer_storm(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let flows = options.flows.unwrap_or(200_000);
    for wave in 0..options.rounds.unwrap_or(5) {
        let at_ns = START_NS + wave * 80 * SECOND_NS;
        for number in 0..flows {
            let [_, a, b, c] = (number as u32).to_be_bytes();
            let ends = Ends::v4([10, a, b, c], 5_000 + wave as u16, B, 9);
            emit(out, at_ns, ends.udp(Side::Client, b"storm"))?;
        }
        emit(out, at_ns + 40 * SECOND_NS, Ends::v4(A, 1, B, 1).udp(Side::Client, b"tick"))?;
    }
    Ok(())
}

fn esp_spis(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let flows = options.flows.unwrap_or(100_000);
    let mut rng = Rng::new(options.seed);
    let first = rng.word() | 0x1000;
    let mut at_ns = START_NS;
    for sequence in 1..=2 {
        for number in 0..flows {
            let packet = Packet::ethernet(mac_of(A.into()), mac_of(B.into())).ipv4(A, B);
            let spi = first.wrapping_add(number as u32);
            emit(out, at_ns, packet.esp(spi, sequence).payload(&[0xe5; 32]))?;
            at_ns += 20_000;
        }
    }
    Ok(())
}

fn sctp_ports(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let flows = options.flows.unwrap_or(100_000);
    let mut at_ns = START_NS;
    for (side, chunk, tag) in [(Side::Client, 1, 0), (Side::Server, 2, 0x1111)] {
        for number in 0..flows {
            let ports = (1_024 + (number % 60_000) as u16, 2_000 + (number / 60_000) as u16);
            let ends = Ends::v4(A, ports.0, B, ports.1);
            let (_, _, src, dst) = ends.seen_from(side);
            // Initiate tag, window, outbound and inbound streams, initial number.
            let init = [0, 0, 0x11, 0x11, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1];
            emit(out, at_ns, ends.packet(side).sctp(src, dst, tag).sctp_chunk(chunk, 0, &init))?;
            at_ns += 20_000;
        }
    }
    Ok(())
}

fn icmp_sweep(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut rng = Rng::new(options.seed);
    for number in 0..options.flows.unwrap_or(65_536) {
        let at_ns = START_NS + number * MILLI_NS / 10;
        let [_, a, b, c] = (number as u32).to_be_bytes();
        let ends = Ends::v4(A, 0, [172, 16 + a, b, c], 0);
        let echo = |side, kind| ends.packet(side).icmp_echo(kind, 77, number as u16).payload(&[0; 32]);
        emit(out, at_ns, echo(Side::Client, 8))?;
        if rng.chance(1, 8) {
            emit(out, at_ns + MILLI_NS / 20, echo(Side::Server, 0))?;
        }
    }
    Ok(())
}

fn elephants(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let packets = options.packets.unwrap_or(100_000);
    let flows = options.flows.unwrap_or(4).max(1);
    let mut rng = Rng::new(options.seed);
    let bulk = rng.bytes(1_448);
    let mut sessions: Vec<Session> = (0..flows)
        .map(|number| {
            let [a, b] = (number as u16).to_be_bytes();
            Session::new(Ends::v4([10, 9, a, b], 40_000, B, 443), rng.word(), rng.word())
        })
        .collect();
    let mut at_ns = START_NS;
    for number in 0..packets {
        let session = &mut sessions[(number % flows) as usize];
        let frame = match number / flows {
            0 => session.syn(at_ns),
            1 => session.syn_ack(at_ns),
            2 => session.ack(Side::Client, at_ns),
            3 => session.data(Side::Client, b"GET /all HTTP/1.1\r\n\r\n", at_ns),
            turn if turn % 3 == 0 => session.ack(Side::Client, at_ns),
            _ => session.data(Side::Server, &bulk, at_ns),
        };
        emit(out, at_ns, frame)?;
        // A frame of 1,514 bytes takes 12 microseconds at a gigabit a second.
        at_ns += 12_112;
    }
    Ok(())
}
