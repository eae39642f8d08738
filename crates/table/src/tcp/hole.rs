//! Data that is missing in a stream: the first hole, and what lies between it and the highest number sent.
//!
//! Nothing is reassembled here; it is enough to know whether an acknowledgement covers data that was never seen, which
//! means that the capture has lost packets. One hole is followed exactly. When there is a second one, or one that is
//! further back than 64 KiB, it is forgotten: a loss may then go unnoticed, which makes the session's checks stricter,
//! not wrong.

use super::seq::Seq;

/// Where the first hole of a stream is, counted back from its `next_seq`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Hole {
    /// From the end of what was received in order to `next_seq`; 0 when there is no hole.
    missing_from: u16,
    /// From the end of the hole to `next_seq`.
    run: u16,
}

impl Hole {
    /// Whether there is no hole.
    pub(super) const fn is_none(self) -> bool {
        self.missing_from | self.run == 0
    }

    /// Takes payload from `start` to `end`, before `next_seq` moves.
    pub(super) fn receive(&mut self, next_seq: Seq, start: Seq, end: Seq) {
        if start == end {
            return;
        }
        let edge = next_seq.minus(u32::from(self.missing_from));
        let run_start = next_seq.minus(u32::from(self.run));
        *self = match self.missing_from {
            0 if start.at_most(next_seq) => Self::default(),
            // Behind the hole that a run-ahead acknowledgement left, or another hole.
            _ if start.at_least(next_seq) && self.run == 0 => Self::new(edge, start, end),
            _ if start.after(next_seq) => Self::new(edge, start, end),
            // The hole is filled from its front, in part or as a whole.
            _ if start.at_most(edge) && end.at_least(run_start) => Self::default(),
            _ if start.at_most(edge) && end.after(edge) => Self::new(end, run_start, next_seq),
            // From its back.
            _ if start.before(run_start) && end.at_least(run_start) => Self::new(edge, start, later(next_seq, end)),
            // The run behind it grows.
            _ if end.after(next_seq) => Self::new(edge, run_start, end),
            _ => *self,
        };
    }

    /// Takes an acknowledgement up to `ack`, before `next_seq` moves; `true` when it covers data that was not seen. That
    /// is certain only when later data was seen: an acknowledgement that runs ahead leaves a hole at the end.
    pub(super) fn acknowledge(&mut self, next_seq: Seq, ack: Seq) -> bool {
        let edge = next_seq.minus(u32::from(self.missing_from));
        if ack.at_most(edge) {
            return false;
        }
        if self.run == 0 {
            *self = Self::new(edge, later(next_seq, ack), later(next_seq, ack));
            return false;
        }
        let run_start = next_seq.minus(u32::from(self.run));
        *self = if ack.before(run_start) { Self::new(ack, run_start, next_seq) } else { Self::default() };
        true
    }

    /// Whether more was acknowledged than was seen, and nothing was seen behind it.
    pub(super) const fn is_at_the_end(self) -> bool {
        self.run == 0 && self.missing_from > 0
    }

    fn new(edge: Seq, run_start: Seq, next_seq: Seq) -> Self {
        let back = |from: Seq| u16::try_from(next_seq.0.wrapping_sub(from.0));
        match (back(edge), back(run_start)) {
            (Ok(missing_from), Ok(run)) => Self { missing_from, run },
            _ => Self::default(),
        }
    }
}

const fn later(a: Seq, b: Seq) -> Seq {
    if b.after(a) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Payload pieces of a stream that begins at 100, and the acknowledgement that is or is not a loss.
    fn lost(pieces: &[(u32, u32)], ack: u32) -> bool {
        let (mut hole, mut next) = (Hole::default(), Seq(100));
        for &(start, end) in pieces {
            hole.receive(next, Seq(start), Seq(end));
            next.advance(Seq(end));
        }
        hole.acknowledge(next, Seq(ack))
    }

    #[test]
    fn data_in_order_or_filled_in_later_is_no_loss() {
        assert!(!lost(&[(100, 200), (200, 300)], 300));
        assert!(!lost(&[(200, 300), (100, 200)], 300));
        assert!(!lost(&[(200, 300), (300, 400), (100, 150), (150, 200)], 400));
        assert!(!lost(&[(200, 300), (150, 200), (100, 150)], 300));
        assert!(!lost(&[(100, 200), (150, 250)], 250));
    }

    #[test]
    fn an_acknowledgement_beyond_a_hole_is_a_loss_and_one_before_it_is_not() {
        assert!(lost(&[(100, 200), (300, 400)], 400));
        assert!(lost(&[(100, 200), (300, 400)], 250));
        assert!(!lost(&[(100, 200), (300, 400)], 200));
    }

    #[test]
    fn an_acknowledgement_that_runs_ahead_is_a_loss_only_when_later_data_comes() {
        let (mut hole, mut next) = (Hole::default(), Seq(100));
        assert!(!hole.is_at_the_end());
        assert!(!hole.acknowledge(next, Seq(150)));
        next = Seq(150);
        assert!(hole.is_at_the_end());
        assert!(!hole.acknowledge(next, Seq(150)));
        hole.receive(next, Seq(150), Seq(180));
        next = Seq(180);
        assert!(!hole.is_at_the_end(), "data is behind it");
        assert!(hole.acknowledge(next, Seq(180)), "told");
        assert!(!hole.acknowledge(next, Seq(180)), "told once");
    }
}
