//! The benchmark capture: flows whose sizes fall as 1/rank, thousands of them in progress at any time.
//!
//! Promises: exactly `packets` frames (default 4,000,000) in exactly `flows` flows (default one in eleven packets) whose
//! addresses and ports differ; frames are complete and 60 to 96 bytes long; the whole lasts about 20 seconds, so that no
//! time-out of any flow tool cuts a flow. The flow of rank r has C/r packets, at least one; 85 of 100 flows are TCP, the
//! rest UDP and ICMP echo; one in sixteen is IPv6.
//!
//! A TCP flow of six packets or more goes from SYN to the last ACK: handshake, data both ways, both FINs. A shorter one
//! is what short ones are in real networks: a SYN without answer, a refusal, a connection that was reset.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Options, Output, SECOND_NS, START_NS, Scenario, emit, over_ethernet};
use crate::session::{Ends, Session, Side};
use crate::{Packet, Rng, Schedule, splitmix};

pub(super) const SCENARIO: Scenario =
    over_ethernet("zipf", "benchmark mix: flow sizes fall as 1/rank, 4,000,000 packets of 60 to 96 bytes", run);

const PACKETS: u64 = 4_000_000;
const PACKETS_A_FLOW: u64 = 11;
const DURATION_NS: u64 = 20 * SECOND_NS;
/// Longest mean time between two packets of a flow.
const GAP_NS_MAX: u64 = 2 * SECOND_NS;
/// Flows of the first ranks begin first, so that they have the whole time for their packets.
const EARLY: u64 = 1_000;
const ECHO_SIZE_MAX: u64 = 20;
const CLIENTS: u64 = 1 << 16;
const SERVERS: u64 = 1 << 12;

fn run(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let packets = options.packets.unwrap_or(PACKETS);
    let flows = options.flows.unwrap_or(packets / PACKETS_A_FLOW).clamp(1, packets.max(1));
    let sizes = Sizes::new(packets, flows);
    let mut rng = Rng::new(options.seed);
    let mut schedule: Schedule<Talk> = Schedule::default();
    let mut born = 0;
    while born < flows || !schedule.is_empty() {
        // Arrivals take the first nine tenths of the time.
        let birth_ns = START_NS + (u128::from(born) * u128::from(DURATION_NS / 10 * 9) / u128::from(flows)) as u64;
        if born < flows && schedule.next_at_ns().is_none_or(|next| birth_ns <= next) {
            let talk = Talk::new(born, sizes.of(rank_of(born, flows)), options.seed);
            schedule.put(birth_ns, talk);
            born += 1;
        } else if let Some((at_ns, mut talk)) = schedule.take() {
            emit(out, at_ns, talk.frame(at_ns, &mut rng))?;
            let rest_ns = (START_NS + DURATION_NS).saturating_sub(at_ns);
            if let Some(mean_ns) = rest_ns.checked_div(talk.left) {
                let mean_ns = mean_ns.min(GAP_NS_MAX);
                schedule.put(at_ns + mean_ns / 2 + rng.below(mean_ns + 1), talk);
            }
        }
    }
    Ok(())
}

/// Sizes that fall as 1/rank and add up to a given number of packets.
struct Sizes {
    scale: u64,
    /// Packets that rounding left over; the first rank takes them.
    rest: u64,
}

impl Sizes {
    fn new(packets: u64, flows: u64) -> Self {
        let total = |scale: u64| (1..=flows).map(|rank| (scale / rank).max(1)).sum::<u64>();
        let (mut low, mut high) = (1, packets.max(2));
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if total(middle) <= packets { low = middle } else { high = middle }
        }
        Self { scale: low, rest: packets.saturating_sub(total(low)) }
    }

    const fn of(&self, rank: u64) -> u64 {
        let size = self.scale / rank;
        let size = if size == 0 { 1 } else { size };
        if rank == 1 { size + self.rest } else { size }
    }
}

/// Rank of the flow that is born as number `born`: the first thousand in order, the others scattered.
fn rank_of(born: u64, flows: u64) -> u64 {
    if born < EARLY {
        return born + 1;
    }
    let span = flows - EARLY;
    // A step without a common divisor with the span visits every rank once.
    let mut step = (span / 1_000 * 618).max(1);
    while greatest_common_divisor(step, span) != 1 {
        step += 1;
    }
    EARLY + 1 + (u128::from(born - EARLY) * u128::from(step) % u128::from(span)) as u64
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A flow in progress.
struct Talk {
    session: Session,
    size: u64,
    left: u64,
    kind: TalkKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TalkKind {
    Tcp,
    Udp,
    Echo,
}

impl Talk {
    /// The flow born as number `number`; its tuple is no other's.
    fn new(number: u64, size: u64, seed: u64) -> Self {
        let mut rng = Rng::new(splitmix(seed) ^ number);
        // Long pings and long questions to a name server do not occur; flow tools treat both in ways of their own.
        let kind = match rng.below(100) {
            0..85 => TalkKind::Tcp,
            85..88 if size <= ECHO_SIZE_MAX => TalkKind::Echo,
            _ => TalkKind::Udp,
        };
        let (round, client) = (number / CLIENTS, number % CLIENTS);
        // 7,919 is prime, so the rounds of a client have different ports, and, for echoes, different servers.
        let client_port = (1_024 + (round * 7_919 + client * 31) % 64_000) as u16;
        let server = match kind {
            TalkKind::Echo => (round + splitmix(client)) % SERVERS,
            // The product of two numbers prefers the small: some servers are popular.
            TalkKind::Tcp | TalkKind::Udp => rng.below(SERVERS) * rng.below(SERVERS) / SERVERS,
        };
        let server_port = match kind {
            TalkKind::Tcp => rng.pick(&[443, 443, 443, 80, 80, 22, 25, 993, 5_432, 8_080]),
            TalkKind::Udp if size <= 2 => rng.pick(&[53, 53, 53, 123]),
            TalkKind::Udp => rng.pick(&[443, 443, 443, 4_500, 5_004]),
            TalkKind::Echo => 0,
        };
        let ends = ends(client as u32, client_port, server as u32, server_port, rng.chance(1, 16));
        Self { session: Session::new(ends, rng.word(), rng.word()), size, left: size, kind }
    }

    /// The next packet.
    fn frame(&mut self, at_ns: u64, rng: &mut Rng) -> Packet {
        let step = self.size - self.left;
        self.left -= 1;
        match self.kind {
            TalkKind::Tcp => self.segment(step, at_ns, rng),
            TalkKind::Udp => self.session.ends.udp(side_of(step), text(self.room(42, 18, rng))),
            TalkKind::Echo => self.echo(step, rng),
        }
    }

    fn segment(&mut self, step: u64, at_ns: u64, rng: &mut Rng) -> Packet {
        let to_go = self.left;
        // Data begins with the client; both FINs and the last ACK are the end of a whole conversation.
        match (step, self.size, to_go) {
            (0, ..) => self.session.syn(at_ns),
            (1, 2, _) => self.session.rst(Side::Server, at_ns),
            (1, ..) => self.session.syn_ack(at_ns),
            (2, 3, _) => self.session.rst(Side::Client, at_ns),
            (2, ..) => self.session.ack(Side::Client, at_ns),
            (_, 4 | 5, 0) => self.session.rst(Side::Server, at_ns),
            (_, 6.., 2) => self.session.fin(Side::Client, at_ns),
            (_, 6.., 1) => self.session.fin(Side::Server, at_ns),
            (_, 6.., 0) => self.session.ack(Side::Client, at_ns),
            _ => {
                let len = self.room(66, 1, rng);
                match (step - 3) % 4 {
                    0 => self.session.data(Side::Client, text(len), at_ns),
                    1 | 2 => self.session.data(Side::Server, text(len), at_ns),
                    _ => self.session.ack(Side::Client, at_ns),
                }
            }
        }
    }

    fn echo(&self, step: u64, rng: &mut Rng) -> Packet {
        let side = side_of(step);
        let (id, sequence) = (self.session.ends.client_port, (step / 2) as u16);
        let payload = text(self.room(42, 18, rng));
        let packet = self.session.ends.packet(side);
        let packet = match (self.is_v6(), side) {
            (false, Side::Client) => packet.icmp_echo(8, id, sequence),
            (false, Side::Server) => packet.icmp_echo(0, id, sequence),
            (true, Side::Client) => packet.icmp6_echo(128, id, sequence),
            (true, Side::Server) => packet.icmp6_echo(129, id, sequence),
        };
        packet.payload(payload)
    }

    /// A length of payload that keeps the frame at 60 to 96 bytes after IPv4 headers of `headers` bytes.
    fn room(&self, headers: u64, least: u64, rng: &mut Rng) -> usize {
        let most = 96 - headers - if self.is_v6() { 20 } else { 0 };
        rng.between(least.min(most), most) as usize
    }

    const fn is_v6(&self) -> bool {
        self.session.ends.client.is_ipv6()
    }
}

const fn side_of(step: u64) -> Side {
    if step.is_multiple_of(2) { Side::Client } else { Side::Server }
}

fn ends(client: u32, client_port: u16, server: u32, server_port: u16, v6: bool) -> Ends {
    if v6 {
        let [client, server] = [(0xc_0000_0000_u64, client), (0x5_0000_0000, server)].map(|(net, host)| {
            Ipv6Addr::from(0x2001_0db8_0000_0000_0000_0000_0000_0000_u128 | u128::from(net) | u128::from(host))
        });
        Ends { client: client.into(), server: server.into(), client_port, server_port, vlan: 0 }
    } else {
        let [client, server] =
            [(0x0a00_0000, client), (0xac10_0000, server)].map(|(net, host)| Ipv4Addr::from(net | host));
        Ends { client: client.into(), server: server.into(), client_port, server_port, vlan: 0 }
    }
}

/// Payload of a length up to 54: nothing reads it.
fn text(len: usize) -> &'static [u8] {
    &b"The quick brown fox jumps over the lazy dog, 54 bytes."[..len]
}
