//! The state machine: what a segment that got past the noise filter does to an open session.
//!
//! One function a state. Each returns without a change when the segment is not believed.

use super::seq::Seq;
use super::{Segment, SessionMarks, StreamMarks, TcpPolicy, TcpSession};
use flumen_model::{Direction, TcpState};
use flumen_wire::{TcpFlags, TcpSegment};

impl TcpSession {
    pub(super) fn advance(&mut self, tcp: &TcpSegment, segment: &Segment, seconds_idle: u64, policy: TcpPolicy) {
        let state = match self.state {
            // One end has reset the session: what the other end still sends is taken as if it had not.
            TcpState::Closed if !segment.any(TcpFlags::RST) => {
                let (sender, receiver) = (self.sender(segment.dir), self.receiver(segment.dir));
                if sender.has(StreamMarks::RST) || !receiver.has(StreamMarks::RST) {
                    return;
                }
                self.before
            }
            state => state,
        };
        if state == TcpState::SynSent && !self.echo_is_valid(tcp, segment.dir) {
            return;
        }
        if segment.any(TcpFlags::RST) {
            self.reset(tcp, segment, seconds_idle);
            return;
        }
        match state {
            TcpState::SynSent => self.in_syn_sent(tcp, segment, policy),
            TcpState::SynRecv => self.in_syn_recv(tcp, segment, seconds_idle, policy),
            TcpState::None | TcpState::Closed => {}
            _ if segment.any(TcpFlags::SYN) => {}
            _ if self.has(SessionMarks::TIMESTAMP) && !self.timestamp_is_valid(tcp, segment.dir, seconds_idle) => {}
            state => self.after_handshake(state, tcp, segment, policy),
        }
    }

    fn after_handshake(&mut self, state: TcpState, tcp: &TcpSegment, segment: &Segment, policy: TcpPolicy) {
        let fin = segment.any(TcpFlags::FIN);
        match state {
            TcpState::Established if fin => self.first_fin(tcp, segment, policy),
            TcpState::Established => self.exchange(tcp, segment, policy),
            TcpState::FinWait1 if fin => self.second_fin(tcp, segment, policy),
            TcpState::FinWait1 => self.ack_in_fin_wait1(tcp, segment, policy),
            TcpState::FinWait2 if fin => self.second_fin_after_ack(tcp, segment, policy),
            TcpState::CloseWait if fin => self.fin_in_close_wait(tcp, segment, policy),
            TcpState::FinWait2 | TcpState::CloseWait => {
                self.accept_data(tcp, segment, policy);
            }
            TcpState::Closing if !fin => self.ack_moves_to(TcpState::TimeWait, tcp, segment, policy),
            TcpState::LastAck if !fin => self.ack_in_last_ack(tcp, segment, policy),
            TcpState::TimeWait if !fin => self.ack_moves_to(TcpState::Closed, tcp, segment, policy),
            _ => {}
        }
    }

    /// RFC 9293 §3.10.7, with the checks of [`TcpSession::reset_is_valid`].
    fn reset(&mut self, tcp: &TcpSegment, segment: &Segment, seconds_idle: u64) {
        if self.state == TcpState::Closed || !self.reset_is_valid(tcp, segment, seconds_idle) {
            return;
        }
        if self.state == TcpState::SynSent && segment.dir == Direction::ToServer {
            let client = self.streams[0];
            if segment.seq != client.isn || segment.window != 0 || segment.ack != client.isn.plus(1) {
                return;
            }
        }
        let (sender, receiver) = self.pair(segment.dir);
        sender.marks |= StreamMarks::RST;
        sender.next_seq.advance(segment.end());
        if segment.any(TcpFlags::ACK) {
            receiver.last_ack.advance(segment.ack);
        }
        self.enter(TcpState::Closed);
    }

    fn in_syn_sent(&mut self, tcp: &TcpSegment, segment: &Segment, policy: TcpPolicy) {
        if segment.has(TcpFlags::SYN | TcpFlags::ACK) {
            self.synack_in_syn_sent(tcp, segment);
        } else if segment.any(TcpFlags::SYN) {
            match segment.dir {
                Direction::ToServer => self.repeated_syn(tcp, segment),
                Direction::ToClient => self.syn_from_server(tcp, segment),
            }
        } else if segment.any(TcpFlags::ACK) && policy.async_oneside && segment.dir == Direction::ToServer {
            self.one_sided_ack(segment);
        }
    }

    /// A SYN that was sent again, perhaps with another initial number or timestamp, is remembered in the place of the
    /// server's, which are not known yet: the server may answer either.
    fn repeated_syn(&mut self, tcp: &TcpSegment, segment: &Segment) {
        if !self.has(SessionMarks::FOUR_WAY) {
            self.streams[1].isn = segment.seq;
            self.streams[1].last_ts = tcp.timestamps.map_or(0, |(value, _)| value);
        }
    }

    /// RFC 7413 §3: the server acknowledges the data of a SYN, or ignores it.
    fn synack_in_syn_sent(&mut self, tcp: &TcpSegment, segment: &Segment) {
        let [client, server] = self.streams;
        if self.has(SessionMarks::FOUR_WAY) && segment.dir == Direction::ToServer {
            if segment.ack == server.isn.plus(1) && segment.seq == client.isn {
                let (client, server) = self.pair(segment.dir);
                server.last_ack = segment.ack;
                server.window = segment.window;
                server.next_win = server.last_ack.plus(server.window());
                client.last_ack = client.isn.plus(1);
                client.next_win = client.last_ack.plus(client.window());
                self.enter(TcpState::SynRecv);
            }
            return;
        }
        if segment.dir == Direction::ToServer {
            return;
        }
        let isn = if self.has(SessionMarks::FAST_OPEN) && segment.ack == client.next_seq {
            client.isn
        } else if segment.ack == client.isn.plus(1) {
            if self.has(SessionMarks::FAST_OPEN) {
                self.marks |= SessionMarks::FAST_OPEN_IGNORED;
                self.streams[0].next_seq = segment.ack;
            }
            client.isn
        } else if segment.ack == server.isn.plus(1) {
            self.streams[0].next_seq = segment.ack;
            server.isn
        } else {
            return;
        };
        self.answer_with_synack(tcp, segment, isn);
    }

    /// Both ends open at the same time (RFC 9293 §3.5, figure 7).
    fn syn_from_server(&mut self, tcp: &TcpSegment, segment: &Segment) {
        if self.has(SessionMarks::FOUR_WAY) {
            return;
        }
        self.marks |= SessionMarks::FOUR_WAY;
        let (server, client) = self.pair(segment.dir);
        server.isn = segment.seq;
        server.next_seq = segment.seq.plus(1);
        client.window = segment.window;
        client.set_scale(tcp.window_scale.unwrap_or(0));
        server.note_timestamp(tcp.timestamps.map(|(value, _)| value));
        let both = server.has(StreamMarks::TIMESTAMP) && client.has(StreamMarks::TIMESTAMP);
        if both {
            self.marks |= SessionMarks::TIMESTAMP;
        }
    }

    /// The client's ACK without a SYN+ACK before it: only the client's side is seen.
    fn one_sided_ack(&mut self, segment: &Segment) {
        if segment.seq != self.streams[0].next_seq {
            return;
        }
        self.marks |= SessionMarks::ASYNC;
        let [client, server] = &mut self.streams;
        client.next_seq = segment.end();
        client.last_ack = segment.seq;
        client.window = segment.window;
        client.next_win = client.last_ack.plus(client.window());
        server.isn = segment.ack.minus(1);
        server.next_seq = segment.ack;
        server.last_ack = segment.ack;
        self.enter(TcpState::Established);
    }

    fn in_syn_recv(&mut self, tcp: &TcpSegment, segment: &Segment, seconds_idle: u64, policy: TcpPolicy) {
        if segment.any(TcpFlags::SYN) {
            if segment.has(TcpFlags::SYN | TcpFlags::ACK) && segment.dir == Direction::ToClient {
                self.repeated_synack(tcp, segment);
            }
            return;
        }
        if self.has(SessionMarks::TIMESTAMP) && !self.timestamp_is_valid(tcp, segment.dir, seconds_idle) {
            return;
        }
        if segment.any(TcpFlags::FIN) {
            self.first_fin(tcp, segment, policy);
        } else if segment.any(TcpFlags::ACK) && self.completes_handshake(segment) {
            self.enter(TcpState::Established);
            self.exchange(tcp, segment, policy);
        }
    }

    /// The server sends its SYN+ACK again with another initial number: the last one counts.
    fn repeated_synack(&mut self, tcp: &TcpSegment, segment: &Segment) {
        let client = self.streams[0];
        if segment.ack == client.isn.plus(1) && segment.seq != self.streams[1].isn {
            self.answer_with_synack(tcp, segment, client.isn);
        }
    }

    /// Whether an ACK ends the handshake: the client's with the numbers of the handshake, or one that shows that it was
    /// lost on the way to us.
    fn completes_handshake(&self, segment: &Segment) -> bool {
        let [client, server] = &self.streams;
        if segment.dir == Direction::ToClient {
            if self.has(SessionMarks::FOUR_WAY) {
                return segment.seq == server.next_seq;
            }
            let in_order = segment.seq == server.next_seq;
            return match self.has(SessionMarks::MIDSTREAM_SYNACK) {
                true => in_order && self.has(SessionMarks::ASYNC),
                false => in_order && segment.payload > 0 && segment.ack.at_least(client.last_ack),
            };
        }
        let acknowledged = segment.ack == server.next_seq;
        let in_window = segment.seq.after(client.next_seq) && segment.seq.at_most(client.next_win);
        let midstream = self.has(SessionMarks::MIDSTREAM_SYNACK) && segment.ack.at_least(server.next_seq);
        segment.seq == client.next_seq && (acknowledged || midstream)
            || in_window && acknowledged
            || self.has(SessionMarks::FAST_OPEN) && acknowledged && segment.seq.at_least(client.isn.plus(1))
    }

    /// Takes a segment of an established session. Whoever acknowledges more than was seen may have been overtaken by the
    /// data, or the capture has lost it, which later data shows ([`super::hole`]); each segment that does so is noted.
    fn exchange(&mut self, tcp: &TcpSegment, segment: &Segment, policy: TcpPolicy) {
        let accepted = self.accept_data(tcp, segment, policy);
        // A session that was reset comes here too, for the end that has not.
        let established = self.state == TcpState::Established;
        if accepted && established && segment.any(TcpFlags::ACK) && self.receiver(segment.dir).hole.is_at_the_end() {
            self.marks |= SessionMarks::ACK_UNSEEN;
        }
    }

    /// Takes over what a segment says about numbers and windows; `false` when it lies outside the window.
    fn accept_data(&mut self, tcp: &TcpSegment, segment: &Segment, policy: TcpPolicy) -> bool {
        if segment.any(TcpFlags::ACK) && !self.ack_is_valid(segment) {
            return false;
        }
        let loose = self.has(SessionMarks::MIDSTREAM | SessionMarks::ASYNC);
        let one_sided = self.has(SessionMarks::ASYNC)
            || policy.async_oneside
                && self.has(SessionMarks::MIDSTREAM)
                && self.sender(segment.dir).next_seq == segment.seq;
        let sender = self.pair(segment.dir).0;
        if segment.end().before(sender.last_ack) {
            let fills_a_hole = sender.last_ack.after(sender.next_seq) && segment.end().after(sender.next_seq);
            if !one_sided && !fills_a_hole {
                return false;
            }
        }
        let zero_window_probe = segment.payload == 1 && segment.seq == sender.next_seq && sender.window == 0;
        if !zero_window_probe {
            if !loose && segment.end().after(sender.next_win) {
                return false;
            }
            sender.hole.receive(sender.next_seq, segment.seq, segment.end());
            sender.next_seq.advance(segment.end());
        }
        self.take_window(tcp, segment, policy);
        true
    }

    /// The first FIN. The client's does not take a sequence number, the server's does (as in Suricata).
    fn first_fin(&mut self, tcp: &TcpSegment, segment: &Segment, policy: TcpPolicy) {
        let sender = self.sender(segment.dir);
        if segment.seq.before(sender.last_ack) || segment.seq.after(sender.next_win) {
            return;
        }
        if !self.take_ack(tcp, segment, policy) {
            return;
        }
        let fin = u32::from(segment.dir == Direction::ToClient);
        let sender = self.pair(segment.dir).0;
        if segment.seq == sender.next_seq {
            sender.hole.receive(sender.next_seq, segment.seq, segment.end());
            sender.next_seq = segment.end().plus(fin);
        }
        self.enter(match segment.dir {
            Direction::ToServer => TcpState::CloseWait,
            Direction::ToClient => TcpState::FinWait1,
        });
    }

    /// A FIN after the server's: with an ACK it answers the server's, without one the two have crossed.
    fn second_fin(&mut self, tcp: &TcpSegment, segment: &Segment, policy: TcpPolicy) {
        if self.fin_in_window(segment) && self.take_ack(tcp, segment, policy) {
            self.note_fin_payload(segment);
            let answered = segment.any(TcpFlags::ACK);
            self.enter(if answered { TcpState::TimeWait } else { TcpState::Closing });
        }
    }

    fn second_fin_after_ack(&mut self, tcp: &TcpSegment, segment: &Segment, policy: TcpPolicy) {
        let repeated = segment.seq == self.sender(segment.dir).next_seq.minus(1)
            && segment.ack == self.receiver(segment.dir).last_ack;
        if !repeated && self.fin_in_window(segment) && self.take_ack(tcp, segment, policy) {
            self.note_fin_payload(segment);
            self.enter(TcpState::TimeWait);
        }
    }

    fn fin_in_close_wait(&mut self, tcp: &TcpSegment, segment: &Segment, policy: TcpPolicy) {
        if segment.dir == Direction::ToServer || !self.fin_in_window(segment) || !self.take_ack(tcp, segment, policy) {
            return;
        }
        self.note_fin_payload(segment);
        self.enter(TcpState::LastAck);
    }

    /// Moves to FIN_WAIT2 when the sender is where it was expected.
    fn ack_in_fin_wait1(&mut self, tcp: &TcpSegment, segment: &Segment, policy: TcpPolicy) {
        let expected = segment.seq == self.sender(segment.dir).next_seq;
        let repeated = self.sender(segment.dir).has_sent(segment);
        if self.accept_data(tcp, segment, policy) && expected && !repeated {
            self.enter(TcpState::FinWait2);
        }
    }

    fn ack_in_last_ack(&mut self, tcp: &TcpSegment, segment: &Segment, policy: TcpPolicy) {
        if segment.dir == Direction::ToServer && self.is_at_the_end(segment) && self.take_ack(tcp, segment, policy) {
            self.enter(TcpState::Closed);
        }
    }

    fn ack_moves_to(&mut self, state: TcpState, tcp: &TcpSegment, segment: &Segment, policy: TcpPolicy) {
        if self.is_at_the_end(segment) && self.take_ack(tcp, segment, policy) {
            self.enter(state);
        }
    }

    /// Whether the sender has nothing more to send: its FIN may or may not have been given a number.
    pub(super) fn is_at_the_end(&self, segment: &Segment) -> bool {
        let next = self.sender(segment.dir).next_seq;
        segment.seq == next || segment.seq == next.plus(1)
    }
    fn fin_in_window(&self, segment: &Segment) -> bool {
        let sender = self.sender(segment.dir);
        let limit: Seq = sender.last_ack.plus(sender.window());
        segment.seq.at_least(sender.next_seq) && (segment.seq.at_most(limit) || self.is_loose())
    }
    const fn is_loose(&self) -> bool {
        self.has(SessionMarks::MIDSTREAM | SessionMarks::ASYNC)
    }
    fn note_fin_payload(&mut self, segment: &Segment) {
        let sender = self.pair(segment.dir).0;
        if segment.seq == sender.next_seq {
            sender.hole.receive(sender.next_seq, segment.seq, segment.end());
            sender.next_seq = segment.end();
        }
    }
    /// Takes over window and acknowledgement; `false` when the latter is not valid.
    fn take_ack(&mut self, tcp: &TcpSegment, segment: &Segment, policy: TcpPolicy) -> bool {
        if segment.any(TcpFlags::ACK) && !self.ack_is_valid(segment) {
            return false;
        }
        self.take_window(tcp, segment, policy);
        true
    }

    /// Takes over what an accepted segment says about the other stream, and its timestamp.
    fn take_window(&mut self, tcp: &TcpSegment, segment: &Segment, policy: TcpPolicy) {
        let after_fin = u32::from(self.state >= TcpState::FinWait1);
        let receiver = self.pair(segment.dir).1;
        receiver.window = segment.window;
        if segment.any(TcpFlags::ACK) {
            let within_depth = policy.depth == 0 || receiver.next_seq.0.wrapping_sub(receiver.isn.0) <= policy.depth;
            let lost = receiver.hole.acknowledge(receiver.next_seq, segment.ack.minus(after_fin));
            receiver.last_ack.advance(segment.ack);
            receiver.next_seq.advance(segment.ack);
            let limit = receiver.last_ack.plus(receiver.window());
            receiver.next_win.advance(limit);
            if lost && within_depth {
                self.marks |= SessionMarks::LIBERAL | SessionMarks::GAP;
            }
        }
        self.take_timestamp(tcp, segment.dir);
    }
}
