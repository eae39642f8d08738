//! How a session begins: with a SYN, or in its middle.

use super::seq::Seq;
use super::{Outcome, Segment, SessionMarks, StreamMarks, TcpPolicy, TcpSession, flow_state_of};
use crate::config::Compat;
use flumen_model::{Direction, TcpState};
use flumen_wire::{FastOpen, TcpFlags, TcpSegment};

/// Largest shift of RFC 7323 §2.3; assumed for both ends when the handshake was not seen.
pub(super) const SCALE_MAX: u8 = 14;

impl TcpSession {
    /// Takes a segment that meets no session. A RST, and a segment without any of FIN, SYN and ACK, opens none and is
    /// not subject to the midstream policy either.
    pub(super) fn open(&mut self, tcp: &TcpSegment, dir: Direction, policy: TcpPolicy) -> Outcome {
        let segment = Segment::of(tcp, dir);
        if segment.any(TcpFlags::RST) {
            return Outcome::default();
        }
        let midstream = if segment.any(TcpFlags::FIN) {
            policy.midstream && segment.payload > 0
        } else if segment.has(TcpFlags::SYN | TcpFlags::ACK) {
            policy.midstream || policy.async_oneside
        } else if segment.any(TcpFlags::SYN) {
            self.open_with_syn(tcp, &segment);
            return Outcome { opened: true, ..Outcome::default() };
        } else if segment.any(TcpFlags::ACK) {
            policy.midstream
        } else {
            return Outcome::default();
        };
        if !midstream {
            return Outcome { midstream_policy: true, ..Outcome::default() };
        }
        let reversed = segment.has(TcpFlags::SYN | TcpFlags::ACK) && !segment.any(TcpFlags::FIN);
        if reversed {
            self.open_with_synack(tcp, &segment, policy);
        } else {
            let dir = if policy.compat == Compat::Suricata { Direction::ToServer } else { dir };
            self.open_with_data(tcp, &Segment { dir, ..segment });
        }
        Outcome {
            flow_state: flow_state_of(self.state),
            opened: true,
            midstream: true,
            reversed,
            midstream_policy: true,
            ..Outcome::default()
        }
    }

    fn open_with_syn(&mut self, tcp: &TcpSegment, segment: &Segment) {
        self.enter(TcpState::SynSent);
        if tcp.window_scale.is_some() {
            self.marks |= SessionMarks::SCALE_OFFERED;
        }
        let fast_open = matches!(tcp.fast_open, Some(FastOpen::Cookie(_))) && segment.payload > 0;
        if fast_open {
            self.marks |= SessionMarks::FAST_OPEN;
        }
        let (client, server) = self.pair(segment.dir);
        client.isn = segment.seq;
        client.next_seq = segment.seq.plus(1 + if fast_open { segment.payload } else { 0 });
        client.tcp_flags = segment.flags.0;
        client.note_timestamp(tcp.timestamps.map(|(value, _)| value));
        server.window = segment.window;
        server.set_scale(tcp.window_scale.unwrap_or(0));
    }

    /// The sender is the server: the session is laid out for the swapped flow.
    fn open_with_synack(&mut self, tcp: &TcpSegment, segment: &Segment, policy: TcpPolicy) {
        self.enter(TcpState::SynRecv);
        self.marks = SessionMarks::MIDSTREAM | SessionMarks::MIDSTREAM_SYNACK;
        if policy.async_oneside {
            self.marks |= SessionMarks::ASYNC;
        }
        let [client, server] = &mut self.streams;
        server.isn = segment.seq;
        server.next_seq = segment.seq.plus(1);
        server.last_ack = segment.seq;
        server.window = segment.window;
        server.next_win = server.last_ack.plus(u32::from(segment.window));
        server.tcp_flags = segment.flags.0;
        client.isn = segment.ack.minus(1);
        client.next_seq = segment.ack;
        client.last_ack = segment.ack;
        client.window = segment.window;
        client.next_win = client.last_ack.plus(u32::from(segment.window));
        if let Some(scale) = tcp.window_scale {
            client.set_scale(scale);
            server.set_scale(SCALE_MAX);
        }
        self.midstream_timestamps(tcp, Direction::ToClient);
    }

    fn open_with_data(&mut self, tcp: &TcpSegment, segment: &Segment) {
        let fin = segment.any(TcpFlags::FIN);
        self.enter(if fin { TcpState::FinWait1 } else { TcpState::Established });
        self.marks = SessionMarks::MIDSTREAM;
        let (sender, receiver) = self.pair(segment.dir);
        sender.isn = segment.seq.minus(1);
        sender.next_seq = segment.end();
        sender.last_ack = segment.seq;
        sender.window = segment.window;
        sender.set_scale(SCALE_MAX);
        sender.next_win = sender.last_ack.plus(sender.window());
        sender.tcp_flags = segment.flags.0;
        receiver.isn = segment.ack.minus(1);
        receiver.next_seq = segment.ack;
        receiver.last_ack = segment.ack;
        receiver.window = segment.window;
        receiver.set_scale(SCALE_MAX);
        receiver.next_win = receiver.last_ack.plus(receiver.window());
        self.midstream_timestamps(tcp, segment.dir);
    }

    /// Both values of the option stand for the two ends when the handshake was not seen.
    fn midstream_timestamps(&mut self, tcp: &TcpSegment, sender: Direction) {
        if let Some((value, echo)) = tcp.timestamps {
            self.marks |= SessionMarks::TIMESTAMP;
            let (from, to) = self.pair(sender);
            from.note_timestamp(Some(value));
            to.note_timestamp(Some(echo));
        }
    }

    /// Takes the SYN+ACK that answers the SYN with initial number `isn`.
    pub(super) fn answer_with_synack(&mut self, tcp: &TcpSegment, segment: &Segment, isn: Seq) {
        let scaled = self.has(SessionMarks::SCALE_OFFERED) && tcp.window_scale.is_some();
        let (server, client) = self.pair(segment.dir);
        client.isn = isn;
        client.last_ack = segment.ack;
        client.next_seq.advance(segment.ack);
        client.window = segment.window;
        client.next_win = client.last_ack.plus(u32::from(segment.window));
        client.set_scale(if scaled { tcp.window_scale.unwrap_or(0) } else { 0 });
        server.isn = segment.seq;
        server.next_seq = segment.seq.plus(1);
        server.last_ack = server.next_seq;
        server.next_win = server.last_ack.plus(u32::from(server.window));
        // The server may have answered a repeated SYN.
        let repeated = core::mem::take(&mut server.last_ts);
        if tcp.timestamps.is_some_and(|(_, echo)| echo != 0 && echo == repeated) {
            client.last_ts = repeated;
        }
        if !scaled {
            server.set_scale(0);
        }
        if tcp.timestamps.is_some() && client.has(StreamMarks::TIMESTAMP) {
            server.note_timestamp(tcp.timestamps.map(|(value, _)| value));
            self.marks |= SessionMarks::TIMESTAMP;
        } else {
            client.marks &= !StreamMarks::TIMESTAMP;
            client.last_ts = 0;
        }
        self.enter(TcpState::SynRecv);
    }
}

impl super::Stream {
    pub(super) const fn has(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }
    /// Remembers the timestamp of a handshake segment.
    pub(super) fn note_timestamp(&mut self, value: Option<u32>) {
        if let Some(value) = value {
            self.last_ts = value;
            self.marks |= StreamMarks::TIMESTAMP;
            if value == 0 {
                self.marks |= StreamMarks::ZERO_TIMESTAMP;
            }
        }
    }
}
