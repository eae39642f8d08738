//! Which segments are believed: acknowledgements, resets, timestamps, and the segments that say nothing new.

use super::{Segment, SessionMarks, Stream, StreamMarks, TcpSession};
use flumen_model::{Direction, TcpState};
use flumen_wire::{TcpFlags, TcpSegment};

/// Longest silence after which an old timestamp still counts as old (RFC 7323 §5.5).
pub(super) const PAWS_SECS: u64 = 24 * 24 * 3600;

impl TcpSession {
    /// Whether a segment only keeps the session alive or repeats what is known, and must not move it: keep-alive and
    /// its answer, a window update that cannot be true, an acknowledgement that later ones have overtaken.
    pub(super) fn is_noise(&mut self, segment: &Segment) -> bool {
        if segment.any(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST) {
            self.pair(segment.dir).0.marks &= !StreamMarks::KEEP_ALIVE;
            return false;
        }
        let (sender, receiver) = self.pair(segment.dir);
        if segment.payload <= 1 && segment.ack == receiver.last_ack && segment.seq == sender.next_seq.minus(1) {
            sender.marks |= StreamMarks::KEEP_ALIVE;
            return true;
        }
        if segment.payload == 0
            && segment.window != 0
            && receiver.scaled(segment.window) == receiver.window()
            && receiver.has(StreamMarks::KEEP_ALIVE)
            && segment.ack == receiver.last_ack
            && segment.seq == sender.next_seq
        {
            receiver.marks &= !StreamMarks::KEEP_ALIVE;
            return true;
        }
        sender.marks &= !StreamMarks::KEEP_ALIVE;
        self.state >= TcpState::Established
            && !self.acknowledges_the_end(segment)
            && !self.is_window_update(segment)
            && (self.is_bad_window_update(segment) || self.is_outdated_ack(segment))
    }

    /// The ACK of a FIN during the close.
    fn acknowledges_the_end(&self, segment: &Segment) -> bool {
        matches!(self.state, TcpState::TimeWait | TcpState::CloseWait | TcpState::LastAck)
            && segment.flags.0 == TcpFlags::ACK
            && segment.payload == 0
            && self.is_at_the_end(segment)
            && segment.ack == self.receiver(segment.dir).next_seq.plus(1)
    }
    fn is_window_update(&self, segment: &Segment) -> bool {
        let (sender, receiver) = (self.sender(segment.dir), self.receiver(segment.dir));
        segment.payload == 0
            && segment.window != 0
            && receiver.scaled(segment.window) != receiver.window()
            && segment.ack == receiver.last_ack
            && segment.seq == sender.next_seq
    }
    fn is_bad_window_update(&self, segment: &Segment) -> bool {
        let (sender, receiver) = (self.sender(segment.dir), self.receiver(segment.dir));
        let window = receiver.scaled(segment.window);
        self.state != TcpState::Closed
            && window < receiver.window()
            && receiver.window() - window > segment.payload
            && segment.ack.after(receiver.next_seq)
            && segment.seq.after(sender.next_seq)
    }
    fn is_outdated_ack(&self, segment: &Segment) -> bool {
        segment.payload == 0
            && segment.has(TcpFlags::ACK)
            && segment.ack.before(self.receiver(segment.dir).last_ack)
            && segment.seq.at_most(self.sender(segment.dir).next_seq)
            && self.state != TcpState::Closed
    }

    /// Whether the acknowledgement number is one that the sender could send.
    pub(super) fn ack_is_valid(&self, segment: &Segment) -> bool {
        let stream = self.receiver(segment.dir);
        if segment.ack == stream.last_ack {
            return true;
        }
        if segment.ack.before(stream.last_ack) {
            return stream.window == 0 || segment.ack.at_least(stream.last_ack.minus(stream.window()));
        }
        segment.ack.at_most(stream.next_win)
            || self.has(SessionMarks::ASYNC | SessionMarks::LIBERAL)
            || (self.state == TcpState::SynSent
                && segment.dir == Direction::ToClient
                && segment.any(TcpFlags::RST)
                && segment.ack == stream.isn.plus(1))
    }

    /// Whether a RST is believed. It must hit the next expected sequence number exactly, as BSD and Windows demand;
    /// Suricata does so for every host whose system it was not told.
    pub(super) fn reset_is_valid(&self, tcp: &TcpSegment, segment: &Segment, seconds_idle: u64) -> bool {
        if self.has(SessionMarks::TIMESTAMP) && !self.timestamp_is_valid(tcp, segment.dir, seconds_idle) {
            return false;
        }
        if segment.any(TcpFlags::ACK) && !self.ack_is_valid(segment) {
            return false;
        }
        let expected = self.sender(segment.dir).next_seq;
        if self.has(SessionMarks::ASYNC) { segment.seq.at_least(expected) } else { segment.seq == expected }
    }

    /// Protection against wrapped sequence numbers (RFC 7323 §5): a timestamp must not run backwards, unless the
    /// session was silent for so long that the clock may have wrapped.
    pub(super) fn timestamp_is_valid(&self, tcp: &TcpSegment, dir: Direction, seconds_idle: u64) -> bool {
        let Some((value, _)) = tcp.timestamps else { return true };
        let sender = self.sender(dir);
        if sender.has(StreamMarks::ZERO_TIMESTAMP) && sender.last_ts == 0 {
            return true;
        }
        let backwards = (value.wrapping_sub(sender.last_ts) as i32) < 0;
        let stale = sender.last_ts != 0 && seconds_idle > PAWS_SECS;
        !backwards && !stale
    }

    /// Whether a server's answer to a SYN echoes the timestamp of one that was sent (that of a repeated SYN is kept where
    /// the server's will be). A forged RST does not know it.
    pub(super) fn echo_is_valid(&self, tcp: &TcpSegment, dir: Direction) -> bool {
        let (Direction::ToClient, Some((_, echo))) = (dir, tcp.timestamps) else { return true };
        let [client, server] = &self.streams;
        if !client.has(StreamMarks::TIMESTAMP) {
            // Some servers use timestamps all the same; that a RST echoes one that was never sent gives it away.
            return echo == 0 || !tcp.flags.any(TcpFlags::RST);
        }
        client.last_ts == 0 || echo == 0 || echo == client.last_ts || echo == server.last_ts
    }

    /// Takes over the timestamp of a segment that was accepted.
    pub(super) fn take_timestamp(&mut self, tcp: &TcpSegment, dir: Direction) {
        if let (true, Some((value, _))) = (self.has(SessionMarks::TIMESTAMP), tcp.timestamps) {
            self.pair(dir).0.last_ts = value;
        }
    }
}

impl Stream {
    /// Shift for the windows that limit this stream.
    pub(super) const fn scale(&self) -> u8 {
        self.marks & StreamMarks::SCALE
    }
    pub(super) fn set_scale(&mut self, scale: u8) {
        self.marks = self.marks & !StreamMarks::SCALE | scale.min(super::open::SCALE_MAX);
    }
    /// A window from a header, scaled.
    pub(super) const fn scaled(&self, window: u16) -> u32 {
        (window as u32) << self.scale()
    }
    /// The window that limits this stream.
    pub(super) const fn window(&self) -> u32 {
        self.scaled(self.window)
    }

    /// Whether the payload of a segment was sent before and acknowledged, at least in part, or is still in flight.
    pub(super) fn has_sent(&self, segment: &Segment) -> bool {
        segment.payload > 0
            && (segment.seq.before(self.last_ack) && segment.end().after(self.last_ack)
                || segment.end().at_most(self.last_ack)
                || segment.end().at_most(self.next_seq))
    }
}
