//! TCP: every way to open and close a connection, each on a port of its own, and connections seen from the middle.
//!
//! `tcp-states` sends one case after another from ports 50001 on, in the order of [`CASES`]; `midstream` sends `flows`
//! connections (default 1,000) whose beginning the capture did not see, in five kinds that take turns.

use std::io;

use super::script::Script;
use super::{MILLI_NS, Options, Output, Scenario, over_ethernet};
use crate::flags::{ACK, FIN, PSH, RST, SYN, URG};
use crate::{Ends, Rng, Session, Side, Tcp, options};

use Side::{Client, Server};

pub(super) const STATES: Scenario =
    over_ethernet("tcp-states", "handshakes, closes, resets, keep-alives and lone segments of every kind", states);
pub(super) const MIDSTREAM: Scenario =
    over_ethernet("midstream", "connections whose beginning was not seen", midstream);

/// What one segment of a case is.
#[derive(Clone, Copy)]
enum Step {
    /// The next segment of a side with these flags and this payload.
    Say(Side, u8, &'static [u8]),
    /// A segment that many numbers before the next one of its side (negative: after it), which moves nothing on.
    Off(Side, i32, u8, &'static [u8]),
    /// Handshake of three.
    Open,
    /// Numbers that a side sent and the capture missed.
    Missed(Side, u32),
    /// A SYN of the client with the Fast Open option and cookie, and data.
    FastOpen(&'static [u8], &'static [u8]),
}
use Step::{FastOpen, Missed, Off, Open, Say};

const FA: u8 = FIN | ACK;
const PA: u8 = PSH | ACK;

/// Name and segments of each case.
const CASES: &[(&str, &[Step])] = &[
    (
        "syn without answer, sent three times",
        &[Say(Client, SYN, b""), Off(Client, 1, SYN, b""), Off(Client, 1, SYN, b"")],
    ),
    ("syn refused", &[Say(Client, SYN, b""), Say(Server, RST | ACK, b"")]),
    ("half open", &[Say(Client, SYN, b""), Say(Server, SYN | ACK, b"")]),
    ("half open, reset by the client", &[Say(Client, SYN, b""), Say(Server, SYN | ACK, b""), Say(Client, RST, b"")]),
    ("opened", &[Open]),
    (
        "simultaneous open",
        &[Say(Client, SYN, b""), Say(Server, SYN, b""), Off(Client, 1, SYN | ACK, b""), Off(Server, 1, SYN | ACK, b"")],
    ),
    (
        "four-way handshake",
        &[Say(Client, SYN, b""), Say(Server, SYN, b""), Off(Client, 1, SYN | ACK, b""), Say(Server, ACK, b"")],
    ),
    ("fast open, cookie asked for", &[FastOpen(b"", b""), Say(Server, SYN | ACK, b""), Say(Client, ACK, b"")]),
    (
        "fast open with data",
        &[FastOpen(b"cookie!!", b"GET /"), Say(Server, SYN | ACK, b""), Say(Client, ACK, b""), Say(Server, PA, b"200")],
    ),
    (
        "syn+ack sent twice",
        &[Say(Client, SYN, b""), Say(Server, SYN | ACK, b""), Off(Server, 1, SYN | ACK, b""), Say(Client, ACK, b"")],
    ),
    (
        "last ack of the handshake missed, data from the server",
        &[Say(Client, SYN, b""), Say(Server, SYN | ACK, b""), Say(Server, PA, b"220 ready")],
    ),
    (
        "closed by the client",
        &[Open, Say(Client, PA, b"x"), Say(Client, FA, b""), Say(Server, FA, b""), Say(Client, ACK, b"")],
    ),
    (
        "closed by the server",
        &[Open, Say(Server, FA, b""), Say(Client, ACK, b""), Say(Client, FA, b""), Say(Server, ACK, b"")],
    ),
    (
        "client half closed, server talks on",
        &[
            Open,
            Say(Client, FA, b""),
            Say(Server, ACK, b""),
            Say(Server, PA, b"and one more thing"),
            Say(Client, ACK, b""),
        ],
    ),
    (
        "server half closed, client talks on",
        &[
            Open,
            Say(Server, FA, b""),
            Say(Client, ACK, b""),
            Say(Client, PA, b"and one more thing"),
            Say(Server, ACK, b""),
        ],
    ),
    (
        "simultaneous close",
        &[Open, Say(Client, FIN, b""), Say(Server, FIN, b""), Say(Client, ACK, b""), Say(Server, ACK, b"")],
    ),
    ("fin with data", &[Open, Say(Client, FA | PSH, b"last words"), Say(Server, FA, b""), Say(Client, ACK, b"")]),
    (
        "fin sent twice",
        &[Open, Say(Client, FA, b""), Off(Client, 1, FA, b""), Say(Server, FA, b""), Say(Client, ACK, b"")],
    ),
    ("only the server's fin", &[Open, Say(Server, FA, b"")]),
    ("client fin, then client reset after it", &[Open, Say(Client, FA, b""), Say(Client, RST, b"")]),
    ("reset by the client while established", &[Open, Say(Client, RST | ACK, b"")]),
    ("reset by the server while established", &[Open, Say(Server, RST | ACK, b"")]),
    ("reset in close_wait", &[Open, Say(Client, FA, b""), Say(Server, ACK, b""), Say(Server, RST | ACK, b"")]),
    ("reset in fin_wait1", &[Open, Say(Server, FA, b""), Say(Server, RST | ACK, b"")]),
    ("reset in fin_wait2", &[Open, Say(Server, FA, b""), Say(Client, ACK, b""), Say(Client, RST | ACK, b"")]),
    (
        "reset in last_ack",
        &[Open, Say(Client, FA, b""), Say(Server, ACK, b""), Say(Server, FA, b""), Say(Client, RST, b"")],
    ),
    (
        "reset in time_wait",
        &[
            Open,
            Say(Server, FA, b""),
            Say(Client, ACK, b""),
            Say(Client, FA, b""),
            Say(Server, ACK, b""),
            Say(Client, RST, b""),
        ],
    ),
    ("reset with a number far off", &[Open, Off(Server, -100_000_000, RST, b""), Say(Client, PA, b"still here")]),
    ("reset with data", &[Open, Say(Server, RST | ACK, b"go away")]),
    (
        "keep-alives",
        &[
            Open,
            Say(Client, PA, b"hello"),
            Off(Client, 1, ACK, b""),
            Say(Server, ACK, b""),
            Off(Client, 1, ACK, b"\0"),
            Say(Server, ACK, b""),
        ],
    ),
    ("data sent twice, the second time changed", &[Open, Say(Client, PA, b"abcdef"), Off(Client, 6, PA, b"ABCDEF")]),
    ("data with a gap", &[Open, Say(Client, PA, b"before"), Missed(Client, 1_000), Say(Client, PA, b"after")]),
    ("acknowledgement of data that was not seen", &[Open, Missed(Server, 500), Say(Client, ACK, b"")]),
    ("urgent data", &[Open, Say(Client, PA | URG, b"now!")]),
    (
        "numbers that wrap",
        &[
            Missed(Client, 0xffff_fff0),
            Say(Client, SYN, b""),
            Say(Server, SYN | ACK, b""),
            Say(Client, ACK, b""),
            Say(Client, PA, b"sixteen bytes go over the end"),
            Say(Server, ACK, b""),
            Say(Client, FA, b""),
            Say(Server, FA, b""),
            Say(Client, ACK, b""),
        ],
    ),
    ("lone ack", &[Say(Client, ACK, b"")]),
    ("lone data", &[Say(Client, PA, b"hello?")]),
    ("lone syn+ack", &[Say(Server, SYN | ACK, b"")]),
    ("lone fin", &[Say(Client, FA, b"")]),
    ("lone fin with data", &[Say(Client, FA | PSH, b"bye")]),
    ("lone reset", &[Say(Client, RST, b"")]),
    ("lone reset+ack", &[Say(Server, RST | ACK, b"")]),
    ("no flags", &[Say(Client, 0, b"")]),
    ("all flags", &[Say(Client, 0xff, b"")]),
    ("syn+fin", &[Say(Client, SYN | FIN, b"")]),
    ("syn+rst", &[Say(Client, SYN | RST, b"")]),
    ("syn with data, no fast open", &[Say(Client, SYN, b"early"), Say(Server, SYN | ACK, b""), Say(Client, ACK, b"")]),
];

fn states(_: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut script = Script::new(out, 5 * MILLI_NS);
    for (number, (_, steps)) in CASES.iter().enumerate() {
        let ends = Ends::v4([10, 0, 0, 1], 50_001 + number as u16, [10, 0, 0, 2], 80);
        let mut session = Session::new(ends, 1_000, 2_000);
        for &step in *steps {
            run_step(step, &mut session, &mut script)?;
        }
    }
    Ok(())
}

fn run_step(step: Step, session: &mut Session, script: &mut Script<'_>) -> io::Result<()> {
    let at_ns = script.now_ns;
    match step {
        Say(side, flags, payload) if flags & SYN != 0 && payload.is_empty() && flags & (FIN | RST) == 0 => {
            script.send(session.open(side, flags, at_ns))
        }
        Say(side, flags, payload) => script.send(session.send(side, flags, payload, at_ns)),
        Off(side, back, flags, payload) => {
            let seq = session.next_seq(side).wrapping_add_signed(-back);
            script.send(session.resend(side, seq, flags, payload, at_ns))
        }
        Open => {
            script.send(session.syn(at_ns))?;
            script.send(session.syn_ack(script.now_ns))?;
            script.send(session.ack(Client, script.now_ns))
        }
        Missed(side, count) => {
            session.advance(side, count);
            Ok(())
        }
        FastOpen(cookie, payload) => {
            let options = options::fast_open(cookie);
            let seq = session.next_seq(Client);
            session.advance(Client, 1 + payload.len() as u32);
            script.send(session.ends.tcp(Client, Tcp { seq, flags: SYN, options: &options, ..Tcp::default() }, payload))
        }
    }
}

fn midstream(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    const KINDS: [&[Step]; 5] = [
        &[Say(Client, PA, b"question"), Say(Server, PA, b"answer"), Say(Client, ACK, b"")],
        &[Say(Server, SYN | ACK, b""), Say(Client, ACK, b""), Say(Client, PA, b"question")],
        &[Say(Server, PA, b"answer first"), Say(Client, ACK, b"")],
        &[Say(Client, FA | PSH, b"bye"), Say(Server, FA, b""), Say(Client, ACK, b"")],
        &[Say(Client, ACK, b""), Say(Server, RST | ACK, b"")],
    ];
    let mut rng = Rng::new(options.seed);
    let mut script = Script::new(out, MILLI_NS);
    for number in 0..options.flows.unwrap_or(1_000) {
        let [_, a, b, c] = (number as u32).to_be_bytes();
        let ends = Ends::v4([10, a, b, c], rng.between(1_024, 65_535) as u16, [203, 0, 113, 7], 443);
        let mut session = Session::new(ends, rng.word(), rng.word());
        for &step in KINDS[(number % 5) as usize] {
            run_step(step, &mut session, &mut script)?;
        }
    }
    Ok(())
}
