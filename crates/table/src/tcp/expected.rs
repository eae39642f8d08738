//! The segment that comes as it was expected: of an established session, next in order, with an acknowledgement of what
//! was seen, within the windows. Nearly all segments of a long session are of this kind (RFC 1144 §3 has the idea), and
//! of all checks and branches of the state machine nothing remains for them but to move three numbers on: a fifth of the
//! instructions of such a packet.
//!
//! It takes a segment only when [`TcpSession::segment`] would do exactly the same with it, and tell nothing; the tests
//! hold the one against the other. Whatever is not sure is left to that.

use super::checks::PAWS_SECS;
use super::seq::Seq;
use super::{SessionMarks, StreamMarks, TcpPolicy, TcpSession};
use flumen_model::{Direction, Span, TcpState};
use flumen_wire::{TcpFlags, TcpSegment};

impl TcpSession {
    /// Takes a segment that was expected, and answers whether it was; if not nothing has changed. `idle` is how long the
    /// flow had been silent before it.
    // Inlined: what is asked of the segment and of the settings is at hand there.
    #[inline(always)]
    pub(crate) fn takes_expected(&mut self, tcp: &TcpSegment, dir: Direction, idle: Span, policy: TcpPolicy) -> bool {
        let (state, marks) = (self.state, self.marks);
        let [client, server] = &mut self.streams;
        let (sender, receiver) = if dir == Direction::ToServer { (client, server) } else { (server, client) };
        let (seq, ack) = (Seq(tcp.seq), Seq(tcp.ack));
        let end = seq.plus(u32::from(tcp.payload_len));
        let is_usual = state == TcpState::Established
            && tcp.flags.0 & !TcpFlags::PSH == TcpFlags::ACK
            && marks & SessionMarks::ASYNC == 0
            && !policy.bypass
            && (sender.marks | receiver.marks) & StreamMarks::KEEP_ALIVE == 0
            && sender.hole.is_none()
            && receiver.hole.is_none()
            // To a closed window probes are sent.
            && sender.window != 0;
        let is_in_order = || {
            seq == sender.next_seq
                && end.at_least(sender.last_ack)
                && (end.at_most(sender.next_win) || marks & SessionMarks::MIDSTREAM != 0)
        };
        let acknowledges_the_seen =
            || ack.at_least(receiver.last_ack) && ack.at_most(receiver.next_seq) && ack.at_most(receiver.next_win);
        let is_within_depth = || {
            policy.depth == 0
                || end.0.wrapping_sub(sender.isn.0).saturating_sub(1) < policy.depth
                || marks & SessionMarks::DEPTH_REACHED << dir.index() != 0
        };
        if !(is_usual && is_in_order() && acknowledges_the_seen() && is_within_depth()) {
            return false;
        }
        if marks & SessionMarks::TIMESTAMP != 0 {
            match tcp.timestamps {
                Some((value, _)) if Seq(value).at_least(Seq(sender.last_ts)) && idle <= Span::from_secs(PAWS_SECS) => {
                    sender.last_ts = value;
                }
                _ => return false,
            }
        }
        sender.tcp_flags |= tcp.flags.0;
        sender.next_seq = end;
        receiver.window = tcp.window;
        receiver.last_ack = ack;
        let limit = ack.plus(receiver.window());
        receiver.next_win.advance(limit);
        true
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::Outcome;
    use super::*;
    use crate::config::Compat;

    struct Random(u64);

    impl Random {
        fn below(&mut self, n: u32) -> u32 {
            self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (self.0 >> 33) as u32 % n
        }
        fn one_in(&mut self, n: u32) -> bool {
            self.below(n) == 0
        }
        /// A number near another, mostly that itself.
        fn near(&mut self, number: u32) -> u32 {
            match self.below(400) {
                0 => number.wrapping_add(self.below(200)),
                1 => number.wrapping_sub(self.below(200)),
                2 => number.wrapping_add(self.below(0x2_0000)),
                3 => number.wrapping_add(self.below(u32::MAX)),
                _ => number,
            }
        }
        fn flags(&mut self) -> u8 {
            match self.below(600) {
                0 => self.below(256) as u8,
                1 => TcpFlags::ACK | TcpFlags::FIN,
                2 => TcpFlags::SYN,
                3 => TcpFlags::RST,
                n if n % 2 == 0 => TcpFlags::ACK,
                _ => TcpFlags::ACK | TcpFlags::PSH,
            }
        }
    }

    /// The segment that the session expects next from a side, or one that is somewhat like it.
    fn segment(random: &mut Random, session: &TcpSession, dir: Direction, number: u32) -> TcpSegment {
        let (sender, receiver) = (session.sender(dir), session.receiver(dir));
        let windows = [0, 1, 100, 1000, 0xffff];
        let payload_len = if random.one_in(3) { 0 } else { random.below(300) as u16 };
        let acknowledged = if random.one_in(2) { receiver.next_seq.0 } else { receiver.last_ack.0 };
        TcpSegment {
            seq: random.near(sender.next_seq.0),
            ack: random.near(acknowledged),
            window: windows[if random.one_in(100) { random.below(5) } else { 4 } as usize],
            flags: TcpFlags(random.flags()),
            payload_len: if random.one_in(50) { 1 } else { payload_len },
            timestamps: (!random.one_in(200)).then(|| (random.near(number), random.near(number))),
            window_scale: random.one_in(2).then_some(7),
            ..TcpSegment::default()
        }
    }

    /// One conversation: handshake, then segments that are as expected, more or less.
    fn converse(seed: u64) -> (u32, u32) {
        let random = &mut Random(seed);
        let policy = TcpPolicy {
            midstream: random.one_in(2),
            async_oneside: random.one_in(8),
            depth: [0, 1000, 50_000][random.below(3) as usize],
            bypass: random.one_in(8),
            compat: if random.one_in(2) { Compat::Suricata } else { Compat::Flumen },
        };
        let mut session = TcpSession::default();
        let (mut taken, mut left) = (0, 0);
        let stamped = random.one_in(2);
        for number in 0..120_u32 {
            let dir = if random.one_in(2) { Direction::ToServer } else { Direction::ToClient };
            let stamps = stamped.then_some((number, number));
            let (dir, tcp) = match number {
                0 if !policy.midstream => {
                    let syn = TcpSegment {
                        seq: random.below(u32::MAX),
                        flags: TcpFlags(TcpFlags::SYN),
                        ..TcpSegment::default()
                    };
                    (Direction::ToServer, TcpSegment { window: 1000, timestamps: stamps, window_scale: Some(3), ..syn })
                }
                1 if !policy.midstream => {
                    let ack = session.sender(Direction::ToServer).next_seq.0;
                    let flags = TcpFlags(TcpFlags::SYN | TcpFlags::ACK);
                    let answer = TcpSegment { seq: random.below(u32::MAX), ack, flags, ..TcpSegment::default() };
                    (
                        Direction::ToClient,
                        TcpSegment { window: 1000, timestamps: stamps, window_scale: Some(3), ..answer },
                    )
                }
                _ => (dir, segment(random, &session, dir, number)),
            };
            let secs = if random.one_in(50) { random.below(4_000_000) } else { 0 };
            let idle = Span::from_secs(u64::from(secs));
            let (before, mut ahead) = (session, session);
            let outcome = session.segment(&tcp, dir, idle.secs(), policy);
            if ahead.takes_expected(&tcp, dir, idle, policy) {
                assert_eq!((ahead, outcome), (session, Outcome::default()), "seed {seed} number {number} {tcp:?}");
                taken += 1;
            } else {
                assert_eq!(ahead, before, "seed {seed} number {number} {tcp:?}");
                left += 1;
            }
        }
        (taken, left)
    }

    #[test]
    fn what_is_taken_as_expected_is_what_the_state_machine_does() {
        let (mut taken, mut left) = (0, 0);
        for seed in 0..if cfg!(miri) { 20 } else { 20_000 } {
            let (more_taken, more_left) = converse(seed);
            (taken, left) = (taken + more_taken, left + more_left);
        }
        assert!(taken * 10 > left && left * 10 > taken, "{taken} taken, {left} left");
    }
}
