//! The conversations of the benchmark captures, one packet at a time.
//!
//! 85 of 100 are TCP, the rest UDP and ICMP echo; one in sixteen is IPv6. A TCP conversation of six packets or more goes
//! from SYN to the last ACK: handshake, data both ways, both FINs. A shorter one is what short ones are in real networks:
//! a SYN without answer, a refusal, a connection that was reset.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::session::{Ends, Session, Side};
use crate::{Packet, Rng, splitmix};

/// Longer pings, and longer questions to a name server, do not occur; flow tools treat both in ways of their own.
const ECHO_SIZE_MAX: u64 = 20;
const CLIENTS: u64 = 1 << 16;
const SERVERS: u64 = 1 << 12;

/// How long frames are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mix {
    /// 60 to 96 bytes.
    Small,
    /// 66, 590 and 1,514 bytes, 7 : 4 : 1, between handshake and end.
    Imix,
}

/// A flow in progress.
pub(super) struct Talk {
    session: Session,
    size: u64,
    left: u64,
    kind: TalkKind,
    mix: Mix,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TalkKind {
    Tcp,
    Udp,
    Echo,
}

impl Talk {
    /// The flow with this number, of `size` packets; its tuple is no other's.
    pub(super) fn new(number: u64, size: u64, mix: Mix, seed: u64) -> Self {
        let mut rng = Rng::new(splitmix(seed) ^ number);
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
        Self { session: Session::new(ends, rng.word(), rng.word()), size, left: size, kind, mix }
    }

    /// A TCP flow over IPv4 of `size` small packets.
    pub(super) fn tcp(size: u64, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let session = Session::new(ends(1, 40_000, 1, 443, false), rng.word(), rng.word());
        Self { session, size, left: size, kind: TalkKind::Tcp, mix: Mix::Small }
    }

    /// Packets that it has still to send.
    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    /// The next packet.
    pub(super) fn frame(&mut self, at_ns: u64, rng: &mut Rng) -> Packet {
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
                let turn = (step - 3) % 4;
                let side = if matches!(turn, 0 | 3) { Side::Client } else { Side::Server };
                let len = self.room(66, 1, rng);
                if len == 0 || (self.mix == Mix::Small && turn == 3) {
                    self.session.ack(side, at_ns)
                } else {
                    self.session.data(side, text(len), at_ns)
                }
            }
        }
    }

    fn echo(&self, step: u64, rng: &mut Rng) -> Packet {
        let side = side_of(step);
        let (id, sequence) = (self.session.ends.client_port, (step / 2) as u16);
        let payload = text(self.small_room(42, 18, rng));
        let packet = self.session.ends.packet(side);
        let packet = match (self.is_v6(), side) {
            (false, Side::Client) => packet.icmp_echo(8, id, sequence),
            (false, Side::Server) => packet.icmp_echo(0, id, sequence),
            (true, Side::Client) => packet.icmp6_echo(128, id, sequence),
            (true, Side::Server) => packet.icmp6_echo(129, id, sequence),
        };
        packet.payload(payload)
    }

    /// A length of payload behind IPv4 headers of `headers` bytes; IPv6 takes its longer header from it.
    fn room(&self, headers: u64, least: u64, rng: &mut Rng) -> usize {
        match self.mix {
            Mix::Small => self.small_room(headers, least, rng),
            Mix::Imix => {
                let frame = rng.pick(&[66, 66, 66, 66, 66, 66, 66, 590, 590, 590, 590, 1_514_u64]);
                frame.saturating_sub(headers + self.longer_header()) as usize
            }
        }
    }

    /// One that keeps the frame at 60 to 96 bytes.
    fn small_room(&self, headers: u64, least: u64, rng: &mut Rng) -> usize {
        let most = 96 - headers - self.longer_header();
        rng.between(least.min(most), most) as usize
    }

    const fn longer_header(&self) -> u64 {
        if self.is_v6() { 20 } else { 0 }
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

/// Payload of a length up to 1,472: nothing reads it.
fn text(len: usize) -> &'static [u8] {
    const SENTENCE: [u8; 54] = *b"The quick brown fox jumps over the lazy dog, 54 bytes.";
    static TEXT: [u8; 1_472] = {
        let mut text = [0; 1_472];
        let mut at = 0;
        while at < text.len() {
            text[at] = SENTENCE[at % SENTENCE.len()];
            at += 1;
        }
        text
    };
    &TEXT[..len]
}
