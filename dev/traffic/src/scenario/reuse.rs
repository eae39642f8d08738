//! `reuse`: a new SYN on a tuple that already has a flow, after every way the first connection can stand.
//!
//! What Suricata made of the first seven (each on a port of its own, 40001 on):
//! 1. after CLOSE_WAIT: another flow. 2. after packets without a session: another flow. 3. after a reset, SYN from the
//!    other side: another flow with the roles swapped. 4. after TIME_WAIT: the same flow (5/3, closed, time_wait).
//! 5. after FIN_WAIT2: the same flow. 6. after a reset, with the same initial number: the same flow (4/3, closed).
//! 7. no flags at all: a flow in state new without a session.
//!
//! Then: 8. after LAST_ACK; 9. after a whole close; 10. on a live connection; 11. a repeated SYN, the same number, and
//! one with another; 12. SYN+ACK on a closed connection; 13. after a half-open connection was reset.

use std::io;

use super::script::Script;
use super::{MILLI_NS, Options, Output, SECOND_NS, Scenario, over_ethernet};
use crate::{Ends, Session, Side, flags};

pub(super) const SCENARIO: Scenario = over_ethernet("reuse", "new connections on old tuples, after every state", run);

use Side::{Client, Server};

const ISN: u32 = 1_000;
const OTHER_ISN: u32 = 900_000;

fn ends(case: u16) -> Ends {
    Ends::v4([10, 0, 0, 1], 40_000 + case, [10, 0, 0, 2], 80)
}

/// One case: what is sent on its tuple.
struct Case<'a, 'b> {
    script: &'a mut Script<'b>,
    session: Session,
}

impl<'a, 'b> Case<'a, 'b> {
    fn new(script: &'a mut Script<'b>, number: u16) -> Self {
        Self { script, session: Session::new(ends(number), ISN, 5_000) }
    }

    fn opened(mut self) -> io::Result<Self> {
        self.script.send(self.session.syn(self.script.now_ns))?;
        self.script.send(self.session.syn_ack(self.script.now_ns))?;
        self.say(Client, flags::ACK)?;
        Ok(self)
    }

    fn say(&mut self, side: Side, flags: u8) -> io::Result<()> {
        self.script.send(self.session.send(side, flags, &[], self.script.now_ns))
    }

    fn talk(&mut self, side: Side, payload: &[u8]) -> io::Result<()> {
        self.script.send(self.session.data(side, payload, self.script.now_ns))
    }

    fn fin(&mut self, side: Side) -> io::Result<()> {
        self.say(side, flags::FIN | flags::ACK)
    }

    /// A whole new connection on the same tuple as far as the client's data.
    fn again(self, isn: u32) -> io::Result<()> {
        let ends = self.session.ends;
        self.again_between(ends, isn)
    }

    fn again_between(self, ends: Ends, isn: u32) -> io::Result<()> {
        self.script.wait(SECOND_NS);
        let mut next = Session::new(ends, isn, 77_000);
        self.script.send(next.syn(self.script.now_ns))?;
        self.script.send(next.syn_ack(self.script.now_ns))?;
        self.script.send(next.ack(Client, self.script.now_ns))?;
        self.script.send(next.data(Client, b"again", self.script.now_ns))
    }

    /// One SYN on the same tuple.
    fn syn(self, isn: u32) -> io::Result<()> {
        self.script.wait(SECOND_NS);
        let mut next = Session::new(self.session.ends, isn, 77_000);
        self.script.send(next.syn(self.script.now_ns))
    }
}

fn run(_: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let script = &mut Script::new(out, 50 * MILLI_NS);

    let mut case = Case::new(script, 1).opened()?;
    case.fin(Client)?;
    case.say(Server, flags::ACK)?;
    case.again(OTHER_ISN)?;

    let mut case = Case::new(script, 2);
    case.talk(Client, b"no handshake was seen")?;
    case.again(OTHER_ISN)?;

    let mut case = Case::new(script, 3).opened()?;
    case.say(Server, flags::RST | flags::ACK)?;
    let Ends { client, server, client_port, server_port, vlan } = case.session.ends;
    let swapped = Ends { client: server, server: client, client_port: server_port, server_port: client_port, vlan };
    case.again_between(swapped, OTHER_ISN)?;

    let mut case = Case::new(script, 4).opened()?;
    case.talk(Server, b"welcome")?;
    case.fin(Server)?;
    case.say(Client, flags::ACK)?;
    case.fin(Client)?;
    case.syn(OTHER_ISN)?;

    let mut case = Case::new(script, 5).opened()?;
    case.fin(Server)?;
    case.say(Client, flags::ACK)?;
    case.syn(OTHER_ISN)?;

    let mut case = Case::new(script, 6).opened()?;
    case.talk(Server, b"welcome")?;
    case.say(Client, flags::ACK)?;
    case.say(Server, flags::RST | flags::ACK)?;
    case.syn(ISN)?;

    let mut case = Case::new(script, 7);
    case.say(Client, 0)?;

    let mut case = Case::new(script, 8).opened()?;
    case.fin(Client)?;
    case.say(Server, flags::ACK)?;
    case.fin(Server)?;
    case.again(OTHER_ISN)?;

    let mut case = Case::new(script, 9).opened()?;
    case.fin(Client)?;
    case.fin(Server)?;
    case.say(Client, flags::ACK)?;
    case.again(OTHER_ISN)?;

    let mut case = Case::new(script, 10).opened()?;
    case.talk(Client, b"alive")?;
    case.syn(OTHER_ISN)?;

    let mut case = Case::new(script, 11);
    case.say(Client, flags::SYN)?;
    let repeat = case.session.resend(Client, ISN, flags::SYN, &[], case.script.now_ns);
    case.script.send(repeat)?;
    case.again(OTHER_ISN)?;

    let mut case = Case::new(script, 12).opened()?;
    case.say(Client, flags::RST | flags::ACK)?;
    case.say(Server, flags::SYN | flags::ACK)?;

    let mut case = Case::new(script, 13);
    case.say(Client, flags::SYN)?;
    case.say(Server, flags::RST | flags::ACK)?;
    case.again(OTHER_ISN)
}
