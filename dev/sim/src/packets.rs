//! Random traffic, as the decoder would hand it on: conversations between few hosts, so that tuples are used again and
//! again, with now and then a flood of tuples that nobody else uses.

use flumen_model::{Address, IpVersion, Ports, Timestamp, VlanTags};
use flumen_wire::{FlowPacket, Icmp, Quoted, TcpFlags, TcpSegment, Transport};
use traffic::Rng;

use crate::plan::{Nature, Plan};

/// A packet, and when it comes.
#[derive(Clone, Debug)]
pub(crate) struct SimPacket {
    /// What the decoder made of it.
    pub(crate) packet: FlowPacket,
    /// Time of capture.
    pub(crate) at: Timestamp,
    /// Length of the frame.
    pub(crate) bytes: u64,
    /// Whether its TCP checksum is right.
    pub(crate) checksum_ok: bool,
}

/// The number by which the table knows packet `n`.
pub(crate) const fn origin(n: usize) -> u64 {
    (n as u64 + 1) << 4
}

/// One conversation that goes on.
#[derive(Clone, Copy, Debug)]
struct Conversation {
    kind: Kind,
    ends: [Address; 2],
    ports: [u16; 2],
    version: IpVersion,
    vlan: u16,
    /// Next sequence number of both ends.
    seq: [u32; 2],
    /// The end that closes a TCP session first.
    closer: usize,
    /// Segments so far: where in its life a TCP session is.
    stage: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Tcp,
    Udp,
    Sctp,
    Ping,
    Esp,
    Other,
}

/// Conversations that go on at a time.
const CONVERSATIONS: usize = 24;

/// The packets of a plan, in the order in which they are captured.
pub(crate) fn packets(plan: &Plan) -> Vec<SimPacket> {
    let mut rng = Rng::new(plan.seed ^ 0x074a_ff1c);
    let mut traffic = Traffic::new(&mut rng);
    let mut clock = Clock::new(plan.nature, &mut rng);
    (0..plan.packets)
        .map(|_| {
            let at = clock.next(&mut rng);
            let packet = traffic.next(&mut rng);
            SimPacket { packet, at, bytes: rng.between(60, 1500), checksum_ok: !rng.chance(1, 40) }
        })
        .collect()
}

/// Packet time.
struct Clock {
    nature: Nature,
    now: u64,
    /// How large a usual step is, in nanoseconds.
    pace: u64,
}

const SECOND: u64 = 1_000_000_000;

impl Clock {
    fn new(nature: Nature, rng: &mut Rng) -> Self {
        let start = rng.pick(&[1, 1_600_000_000, 4_000_000_000]) * SECOND + rng.below(SECOND);
        Self { nature, now: start, pace: rng.pick(&[1000, 1_000_000, SECOND / 3, 3 * SECOND]) }
    }

    fn next(&mut self, rng: &mut Rng) -> Timestamp {
        self.now += match rng.below(100) {
            0..60 => rng.below(self.pace),
            80..95 => rng.below(2 * SECOND),
            // Whole seconds meet deadlines exactly.
            95..98 => rng.between(1, 65) * SECOND,
            98 => rng.between(1, 700) * SECOND,
            _ => 0,
        };
        if self.nature == Nature::Wild {
            match rng.below(400) {
                0 => self.now += rng.between(1, 90_000) * SECOND,
                1 => self.now = self.now.saturating_sub(rng.between(1, 7200) * SECOND).max(1),
                2..12 => return Timestamp::from_nanos(self.now.saturating_sub(rng.below(3 * SECOND)).max(1)),
                _ => {}
            }
        }
        Timestamp::from_nanos(self.now)
    }
}

struct Traffic {
    hosts: u64,
    ports: u64,
    /// Of a hundred packets, those of a flood.
    flood: u64,
    /// A flood lasts for as many packets, and then pauses for as many.
    burst: u64,
    made: u64,
    flooded: u64,
    live: Vec<Conversation>,
}

impl Traffic {
    fn new(rng: &mut Rng) -> Self {
        let (hosts, ports) = (rng.between(2, 6), rng.pick(&[1, 2, 8, 1000]));
        let flood = rng.pick(&[0, 0, 5, 60]);
        let burst = rng.pick(&[50, 200, 10_000]);
        Self { hosts, ports, flood, burst, made: 0, flooded: 0, live: Vec::new() }
    }

    fn next(&mut self, rng: &mut Rng) -> FlowPacket {
        self.made += 1;
        if (self.made / self.burst).is_multiple_of(2) && rng.below(100) < self.flood {
            return self.flood(rng);
        }
        if self.live.len() < CONVERSATIONS && (self.live.is_empty() || rng.chance(1, 6)) {
            let conversation = self.open(rng);
            self.live.push(conversation);
        }
        let i = rng.below(self.live.len() as u64) as usize;
        if rng.chance(1, 25) {
            return self.live[i].error(rng);
        }
        let packet = self.live[i].next(rng);
        // A TCP session is over after its close, the rest some time; its tuple may come again.
        let over = if self.live[i].kind == Kind::Tcp { self.live[i].stage > 12 } else { rng.chance(1, 30) };
        if over && rng.chance(1, 3) {
            self.live.swap_remove(i);
        }
        packet
    }

    fn flood(&mut self, rng: &mut Rng) -> FlowPacket {
        self.flooded += 1;
        let mut one = self.open(rng);
        one.kind = rng.pick(&[Kind::Tcp, Kind::Tcp, Kind::Udp]);
        one.ends[0].0[2] = (self.flooded >> 8) as u8 | 1;
        one.ends[0].0[3] = self.flooded as u8;
        one.next(rng)
    }

    fn open(&self, rng: &mut Rng) -> Conversation {
        const KINDS: [Kind; 10] = [
            Kind::Tcp,
            Kind::Tcp,
            Kind::Tcp,
            Kind::Tcp,
            Kind::Udp,
            Kind::Udp,
            Kind::Sctp,
            Kind::Ping,
            Kind::Esp,
            Kind::Other,
        ];
        let version = if rng.chance(1, 5) { IpVersion::V6 } else { IpVersion::V4 };
        let mut host = || {
            let n = rng.below(self.hosts) as u8;
            match version {
                IpVersion::V4 => Address::v4([10, 0, 0, n]),
                IpVersion::V6 => Address([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n]),
            }
        };
        let ends = [host(), host()];
        Conversation {
            kind: rng.pick(&KINDS),
            ends,
            ports: [1024 + rng.below(self.ports) as u16, rng.pick(&[53, 80])],
            version,
            vlan: rng.pick(&[0, 0, 0, 7, 8]),
            seq: [rng.word(), rng.word()],
            closer: rng.below(2) as usize,
            stage: if rng.chance(1, 6) { rng.below(8) as u32 } else { 0 },
        }
    }
}

impl Conversation {
    fn next(&mut self, rng: &mut Rng) -> FlowPacket {
        let from = usize::from(rng.chance(2, 5));
        let ports = Ports { src: self.ports[from], dst: self.ports[1 - from] };
        match self.kind {
            Kind::Tcp => self.segment(rng),
            Kind::Udp => self.packet(rng, from, 17, Transport::Udp(ports)),
            Kind::Sctp => self.packet(rng, from, 132, Transport::Sctp(ports)),
            Kind::Esp => self.packet(rng, from, 50, Transport::Esp { spi: u32::from(self.ports[0]) << 12 }),
            Kind::Other => self.packet(rng, from, 89, Transport::Other),
            Kind::Ping => {
                let kinds = if self.version == IpVersion::V4 { [8, 0] } else { [128, 129] };
                let (kind, counterpart) = (kinds[from], Some(kinds[1 - from]));
                self.icmp(rng, from, Icmp { kind, code: 0, counterpart, is_error: false, quoted: None })
            }
        }
    }

    /// The next segment of a session's life: mostly in order, sometimes another one, out of place, or sent again.
    fn segment(&mut self, rng: &mut Rng) -> FlowPacket {
        const S: u8 = TcpFlags::SYN;
        const A: u8 = TcpFlags::ACK;
        const F: u8 = TcpFlags::FIN;
        const R: u8 = TcpFlags::RST;
        if self.stage > 12 {
            // Another session on the same tuple.
            self.seq = [rng.word(), rng.word()];
            self.stage = 0;
        }
        let (first, second) = (self.closer, 1 - self.closer);
        let either = rng.below(2) as usize;
        let (from, flags, payload) = match self.stage {
            0 => (0, S, 0),
            1 => (1, S | A, 0),
            2 => (0, A, 0),
            3..8 => (either, A | TcpFlags::PSH, rng.between(0, 1400) as u16),
            8 if rng.chance(1, 5) => (either, R | A, 0),
            8 => (first, F | A, 0),
            9 => (second, A, 0),
            10 => (second, F | A, 0),
            _ => (first, A, 0),
        };
        let (from, flags) = match rng.below(60) {
            0 => (from, rng.bits() as u8),
            1 => (from, R),
            2 => (1 - from, S),
            3 => (1 - from, flags),
            4 => (from, F | A),
            _ => (from, flags),
        };
        let seq = if rng.chance(1, 30) { rng.word() } else { self.seq[from] };
        let tcp = TcpSegment {
            ports: Ports { src: self.ports[from], dst: self.ports[1 - from] },
            seq,
            ack: self.seq[1 - from],
            window: 64_000,
            flags: TcpFlags(flags),
            payload_len: payload,
            ..TcpSegment::default()
        };
        if !rng.chance(1, 15) {
            let phantom = u32::from(flags & S != 0) + u32::from(flags & F != 0);
            self.seq[from] = seq.wrapping_add(u32::from(payload) + phantom);
            self.stage += 1;
        }
        self.packet(rng, from, 6, Transport::Tcp(tcp))
    }

    /// An ICMP error about this conversation, about one that nobody knows, or about nothing.
    fn error(&self, rng: &mut Rng) -> FlowPacket {
        let from = rng.below(2) as usize;
        let protocol = match self.kind {
            Kind::Tcp => 6,
            Kind::Sctp => 132,
            _ => 17,
        };
        let unknown = u16::from(rng.chance(1, 5)) * 0x4000;
        let quoted = Quoted {
            src: self.ends[1 - from],
            dst: self.ends[from],
            protocol,
            ports: Ports { src: self.ports[1 - from] ^ unknown, dst: self.ports[from] },
        };
        let quoted = (!rng.chance(1, 8)).then_some(quoted);
        let kind = if self.version == IpVersion::V4 { rng.pick(&[3, 3, 11]) } else { 1 };
        let code = rng.below(4) as u8;
        self.icmp(rng, from, Icmp { kind, code, counterpart: None, is_error: true, quoted })
    }

    fn icmp(&self, rng: &mut Rng, from: usize, icmp: Icmp) -> FlowPacket {
        match self.version {
            IpVersion::V4 => self.packet(rng, from, 1, Transport::Icmp4(icmp)),
            IpVersion::V6 => self.packet(rng, from, 58, Transport::Icmp6(icmp)),
        }
    }

    fn packet(&self, rng: &mut Rng, from: usize, protocol: u8, transport: Transport) -> FlowPacket {
        FlowPacket {
            src: self.ends[from],
            dst: self.ends[1 - from],
            vlan: VlanTags { ids: [self.vlan, 0, 0], count: u8::from(self.vlan != 0) },
            ip_version: self.version,
            protocol,
            ttl: rng.pick(&[1, 63, 64, 255]),
            recursion: 0,
            tunnel: flumen_wire::Tunnel::NONE,
            transport,
            transport_offset: 34,
            transport_len: 20,
            macs: None,
            event: None,
            inner: None,
        }
    }
}
