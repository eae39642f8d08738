//! Floods: SYNs with random tuples, and tuples that a table with a guessable hash puts into one bucket.
//!
//! `syn-flood` promises `packets` SYNs (default 20,000,000) at `rate` a second (default 1,000,000), no tuple chosen
//! twice on purpose. With `established` N, N TCP connections open in the second before and say something once a second
//! until the end, which `tail_seconds` moves behind the flood: whether they survive is what the capture is for. `syn-flood6`
//! is the same with SYNs over IPv6.
//!
//! `hash-flood` promises `flows` UDP flows (default 200,000) that all have the same 32-bit hash in a table that hashes
//! with Jenkins's lookup3 and the seed `table_seed`; `hash-flood-sum` the same for tables that add or xor addresses and
//! ports. Every tuple is sent `rounds` times (default 2), since it is the second look-up that walks the chain.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::lookup3::Collisions;
use super::{MILLI_NS, Options, Output, SECOND_NS, START_NS, Scenario, emit, over_ethernet};
use crate::{Ends, Packet, Rng, Session, Side, Tcp, flags, mac_of, options};

pub(super) const SYN: Scenario =
    over_ethernet("syn-flood", "20,000,000 SYNs with random tuples, beside --established flows that keep talking", syn);
pub(super) const SYN6: Scenario = over_ethernet("syn-flood6", "the same over IPv6", syn6);
pub(super) const HASH: Scenario =
    over_ethernet("hash-flood", "200,000 flows with one lookup3 hash in a table seeded with --table-seed", lookup3);
pub(super) const SUM: Scenario =
    over_ethernet("hash-flood-sum", "200,000 flows that collide where addresses and ports are added or xored", sum);

fn syn(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    flood(options, out, |rng| {
        (public_address(rng.word()).into(), Ipv4Addr::new(198, 51, 100, rng.below(254) as u8 + 1).into())
    })
}

fn syn6(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    // 2000::/3 is what hosts on the Internet have (RFC 4291 §2.4); 2001:db8::/32 is for examples.
    const ANY: u128 = 0x2000 << 112;
    const SERVERS: u128 = 0x2001_0db8 << 96;
    flood(options, out, |rng| {
        let src = ANY | u128::from(rng.bits()) << 61 | u128::from(rng.bits() >> 3);
        (Ipv6Addr::from(src).into(), Ipv6Addr::from(SERVERS | u128::from(rng.below(254) + 1)).into())
    })
}

/// SYNs between addresses that `ends` draws.
fn flood(options: &Options, out: &mut Output<'_>, ends: impl Fn(&mut Rng) -> (IpAddr, IpAddr)) -> io::Result<()> {
    let packets = options.packets.unwrap_or(20_000_000);
    let rate = options.rate.unwrap_or(1_000_000).max(1);
    let mut rng = Rng::new(options.seed);
    let mut talkers = Talkers::open(options.established, out)?;
    let flood_ns = START_NS + SECOND_NS;
    for number in 0..packets {
        let at_ns = flood_ns + (u128::from(number) * u128::from(SECOND_NS) / u128::from(rate)) as u64;
        talkers.speak_until(at_ns, out)?;
        let (src, dst) = ends(&mut rng);
        emit(out, at_ns, random_syn(src, dst, &mut rng, at_ns))?;
    }
    let over_ns = flood_ns + (u128::from(packets) * u128::from(SECOND_NS) / u128::from(rate)) as u64;
    talkers.speak_until(over_ns + options.tail_seconds * SECOND_NS, out)
}

fn random_syn(src: IpAddr, dst: IpAddr, rng: &mut Rng, at_ns: u64) -> Packet {
    let options = options::syn(1_460, (at_ns / MILLI_NS) as u32, 0, 7);
    let tcp = Tcp {
        src: rng.between(1_024, 65_535) as u16,
        dst: rng.between(1, 1_023) as u16,
        seq: rng.word(),
        flags: flags::SYN,
        options: &options,
        ..Tcp::default()
    };
    Packet::ethernet(mac_of(src), mac_of(dst)).ip(src, dst).tcp(tcp)
}

/// An address of the 32 bits, moved out of what no host on the Internet has.
fn public_address(bits: u32) -> Ipv4Addr {
    let [first, b, c, d] = bits.to_be_bytes();
    let first = first % 222 + 1;
    Ipv4Addr::new(if first == 10 || first == 127 { 11 } else { first }, b, c, d)
}

/// Connections that each say something once a second, evenly spread over the second.
struct Talkers {
    sessions: Vec<Session>,
    turn: u64,
}

impl Talkers {
    /// Opens them in the first half of the second before the flood.
    fn open(count: u64, out: &mut Output<'_>) -> io::Result<Self> {
        let mut sessions: Vec<Session> = (0..count).map(talker).collect();
        let step_ns = SECOND_NS / 2 / (3 * count + 1);
        let mut at_ns = START_NS;
        for session in &mut sessions {
            for frame in
                [session.syn(at_ns), session.syn_ack(at_ns + step_ns), session.ack(Side::Client, at_ns + step_ns)]
            {
                emit(out, at_ns, frame)?;
                at_ns += step_ns;
            }
        }
        Ok(Self { sessions, turn: 0 })
    }

    /// Lets everyone speak whose turn comes before `until_ns`. In even seconds the client speaks, in odd the server.
    fn speak_until(&mut self, until_ns: u64, out: &mut Output<'_>) -> io::Result<()> {
        let count = self.sessions.len() as u64;
        if count == 0 {
            return Ok(());
        }
        loop {
            let (second, place) = (self.turn / count, self.turn % count);
            let at_ns = START_NS + SECOND_NS + second * SECOND_NS + place * (SECOND_NS / count);
            if at_ns >= until_ns {
                return Ok(());
            }
            let side = if second.is_multiple_of(2) { Side::Client } else { Side::Server };
            emit(out, at_ns, self.sessions[place as usize].data(side, b"still here", at_ns))?;
            self.turn += 1;
        }
    }
}

/// The connection with a number: 192.168/16 to 203.0.113.0/24, a tuple of its own.
fn talker(number: u64) -> Session {
    let [high, low] = (number as u16).to_be_bytes();
    let port = 10_000 + (number >> 16) as u16;
    let ends = Ends::v4([192, 168, high, low], port, [203, 0, 113, (number % 200) as u8 + 1], 443);
    Session::new(ends, number as u32 * 7, number as u32 * 11)
}

fn lookup3(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let seed = options.seed;
    let table_seed = options.table_seed;
    send_in_rounds(options, out, || Collisions::new(table_seed, 0x1234_5678, seed))
}

fn sum(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    send_in_rounds(options, out, || {
        // The host bits of one address are the complement of the other's, and so are the ports: whatever the number,
        // their sum and their exclusive or stay the same.
        (0_u32..).map(|number| {
            let [_, high, middle, low] = (number & 0x007f_ffff).to_be_bytes();
            let port = 1_024 + (number >> 23) as u16;
            Ends::v4([20, high, middle, low], port, [20, !high, !middle, !low], !port)
        })
    })
}

/// Sends each of the tuples `rounds` times, 10 microseconds apart.
fn send_in_rounds<I: Iterator<Item = Ends>>(
    options: &Options,
    out: &mut Output<'_>,
    tuples: impl Fn() -> I,
) -> io::Result<()> {
    let flows = options.flows.unwrap_or(200_000) as usize;
    let mut at_ns = START_NS;
    for _ in 0..options.rounds.unwrap_or(2) {
        for ends in tuples().take(flows) {
            emit(out, at_ns, ends.udp(Side::Client, b"collide"))?;
            at_ns += 10_000;
        }
    }
    Ok(())
}
