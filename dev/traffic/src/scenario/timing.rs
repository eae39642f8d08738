//! Time: gaps at the boundary of each time-out, and clocks that go backwards.
//!
//! * `idle-gaps`: for UDP, TCP, ICMP and ESP in each state a flow that is quiet for exactly its time-out, a microsecond
//!   less and a microsecond more (time-outs of Suricata's shipped configuration). A gap of exactly the time-out ends the
//!   flow: of each three flows the first stays one, the second and third become two.
//! * `backwards`: a UDP and a TCP conversation while the clock steps back by a second, by an hour, to 1970, and forward to
//!   the last second that a capture file can hold.

use std::io;

use super::script::Script;
use super::{MILLI_NS, Options, Output, SECOND_NS, START_NS, Scenario, emit, over_ethernet};
use crate::{Ends, Packet, Schedule, Session, Side};

pub(super) const GAPS: Scenario =
    over_ethernet("idle-gaps", "flows quiet for exactly their time-out, a microsecond less, a microsecond more", gaps);
pub(super) const BACKWARDS: Scenario =
    over_ethernet("backwards", "a clock that goes backwards, to 1970 and to 2106", backwards);

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];
const MICRO_NS: u64 = 1_000;

/// A kind of flow in a state that has a time-out of its own.
#[derive(Clone, Copy)]
enum Class {
    UdpNew,
    UdpEstablished,
    TcpNew,
    TcpEstablished,
    TcpClosed,
    IcmpNew,
    IcmpEstablished,
    EspNew,
}

impl Class {
    const ALL: [Self; 8] = [
        Self::UdpNew,
        Self::UdpEstablished,
        Self::TcpNew,
        Self::TcpEstablished,
        Self::TcpClosed,
        Self::IcmpNew,
        Self::IcmpEstablished,
        Self::EspNew,
    ];

    const fn timeout_seconds(self) -> u64 {
        match self {
            Self::UdpNew | Self::IcmpNew | Self::EspNew => 30,
            Self::UdpEstablished | Self::IcmpEstablished => 300,
            Self::TcpNew | Self::TcpClosed => 60,
            Self::TcpEstablished => 600,
        }
    }

    /// Frames that bring a flow into the state, then the one that comes after the gap.
    fn frames(self, ends: Ends, at_ns: u64) -> Vec<Packet> {
        let mut tcp = Session::new(ends, 1, 1);
        let echo = |side, kind| ends.packet(side).icmp_echo(kind, 1, 1).payload(&[0; 32]);
        match self {
            Self::UdpNew => vec![ends.udp(Side::Client, b"a"), ends.udp(Side::Client, b"b")],
            Self::UdpEstablished => ["a", "b", "c"]
                .into_iter()
                .zip([Side::Client, Side::Server, Side::Client])
                .map(|(text, side)| ends.udp(side, text.as_bytes()))
                .collect(),
            Self::TcpNew => vec![tcp.syn(at_ns), tcp.resend(Side::Client, 1, 2, &[], at_ns)],
            Self::TcpEstablished => vec![
                tcp.syn(at_ns),
                tcp.syn_ack(at_ns),
                tcp.ack(Side::Client, at_ns),
                tcp.data(Side::Client, b"late", at_ns),
            ],
            Self::TcpClosed => vec![
                tcp.syn(at_ns),
                tcp.syn_ack(at_ns),
                tcp.ack(Side::Client, at_ns),
                tcp.rst(Side::Server, at_ns),
                tcp.ack(Side::Client, at_ns),
            ],
            Self::IcmpNew => vec![echo(Side::Client, 8), echo(Side::Client, 8)],
            Self::IcmpEstablished => vec![echo(Side::Client, 8), echo(Side::Server, 0), echo(Side::Client, 8)],
            Self::EspNew => {
                let esp = |n| ends.packet(Side::Client).esp(u32::from(ends.client_port), n).payload(&[0; 24]);
                vec![esp(1), esp(2)]
            }
        }
    }
}

fn gaps(_: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut schedule = Schedule::default();
    for (number, class) in Class::ALL.into_iter().enumerate() {
        for (place, gap_ns) in [0, MICRO_NS, 2 * MICRO_NS].into_iter().enumerate() {
            // Each flow has hosts of its own: a ping is told apart by nothing else.
            let ends = Ends::v4([10, 0, number as u8, 1], 1_000 + place as u16, [10, 1, number as u8, place as u8], 9);
            let begin_ns = START_NS + (3 * number + place) as u64 * SECOND_NS;
            let mut frames = class.frames(ends, begin_ns);
            let last = frames.pop();
            let mut quiet_from_ns = begin_ns;
            for (step, frame) in frames.into_iter().enumerate() {
                quiet_from_ns = begin_ns + step as u64 * 10 * MILLI_NS;
                schedule.put(quiet_from_ns, frame);
            }
            if let Some(last) = last {
                schedule.put(quiet_from_ns + class.timeout_seconds() * SECOND_NS - MICRO_NS + gap_ns, last);
            }
        }
    }
    while let Some((at_ns, frame)) = schedule.take() {
        emit(out, at_ns, frame)?;
    }
    Ok(())
}

fn backwards(_: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut script = Script::new(out, 10 * MILLI_NS);
    let udp = Ends::v4(A, 1_000, B, 53);
    let mut tcp = Session::new(Ends::v4(A, 1_001, B, 80), 1, 1);
    script.send(tcp.syn(START_NS))?;
    script.send(tcp.syn_ack(START_NS))?;
    let last_second = u64::from(u32::MAX) * SECOND_NS;
    let jumps =
        [START_NS, START_NS - SECOND_NS, START_NS + SECOND_NS, START_NS - 3_600 * SECOND_NS, START_NS, 0, last_second];
    for at_ns in jumps {
        script.now_ns = at_ns;
        script.send(tcp.data(Side::Client, b"tick", at_ns))?;
        script.send(udp.udp(Side::Client, b"question"))?;
        script.send(udp.udp(Side::Server, b"answer"))?;
        script.send(tcp.ack(Side::Server, at_ns))?;
    }
    script.now_ns = START_NS + 2 * SECOND_NS;
    script.send(tcp.fin(Side::Client, START_NS))?;
    script.send(tcp.fin(Side::Server, START_NS))?;
    script.send(tcp.ack(Side::Client, START_NS))
}
