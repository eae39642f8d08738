//! One client's socket, its session, and the answer that is on its way.

use std::io::{self, ErrorKind};

use rustix::event::PollFlags;

use super::{Session, Step, Stream};
use crate::framing::Moment;
use crate::limits::{ANSWER_TIME, FAREWELL_TIME};

/// A client. Whatever fails on its socket ends it, and nothing else.
#[derive(Debug)]
pub(crate) struct Connection<T, S> {
    stream: T,
    session: S,
    phase: Phase,
    /// The session can do nothing before more is received.
    hungry: bool,
    out: Vec<u8>,
    /// Bytes of `out` that the client has.
    sent: usize,
    /// When the client last sent something, or took some of an answer.
    heard: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The client will send nothing more; what it has sent is still answered.
    Heard,
    /// Nothing more will be said. What the client sends is thrown away until it has read the last answer and goes, or
    /// until then: closed at once, with input unread, a socket may take the answer back (RFC 9112 §9.6).
    Parting {
        until: Moment,
    },
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Stays,
    Ends,
}

impl<T: Stream, S: Session> Connection<T, S> {
    pub(crate) fn new(stream: T, session: S, now: Moment) -> Self {
        Self { stream, session, phase: Phase::Open, hungry: true, out: Vec::new(), sent: 0, heard: now }
    }
    pub(crate) fn stream(&self) -> &T {
        &self.stream
    }
    /// What to wait for.
    pub(crate) fn interest(&self) -> PollFlags {
        if !self.is_taken() {
            PollFlags::OUT
        } else if self.hungry || matches!(self.phase, Phase::Parting { .. }) {
            PollFlags::IN
        } else {
            PollFlags::empty()
        }
    }
    /// Whether [`Connection::step`] has something to do without waiting.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_taken() && !self.hungry && !matches!(self.phase, Phase::Parting { .. })
    }
    /// When [`Connection::expire`] is to be called.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        match self.phase {
            Phase::Parting { until } => Some(until),
            _ if !self.is_taken() => Some(self.heard + ANSWER_TIME),
            _ if self.hungry => self.session.deadline(),
            _ => None,
        }
    }
    /// Since when nothing has come from a client that owes us the next word; `None` when we owe it.
    pub(crate) fn silent_since(&self) -> Option<Moment> {
        (self.hungry && self.is_taken()).then_some(self.heard)
    }
    /// Whether the client has all that was said.
    pub(crate) fn is_taken(&self) -> bool {
        self.sent == self.out.len()
    }

    /// The socket is ready for what was waited for.
    pub(crate) fn ready(&mut self, chunk: &mut [u8], now: Moment) -> Fate {
        let listens = self.hungry || matches!(self.phase, Phase::Parting { .. });
        match self.is_taken() {
            false => self.write(now),
            true if listens => self.read(chunk, now),
            // That the other side has gone is told unasked; what it sent before comes first.
            true => Fate::Stays,
        }
    }

    /// One thing with what was received.
    pub(crate) fn step(&mut self, now: Moment) -> Fate {
        match self.session.step(&mut self.out) {
            Step::Answered => return self.write(now),
            Step::Hungry if self.phase == Phase::Heard => return self.part(now),
            Step::Hungry => self.hungry = true,
            Step::Over => return self.part(now),
        }
        Fate::Stays
    }

    /// The client kept us waiting.
    pub(crate) fn expire(&mut self, now: Moment) -> Fate {
        if matches!(self.phase, Phase::Parting { .. }) || !self.is_taken() {
            return Fate::Ends;
        }
        self.session.expire(now, &mut self.out);
        self.hungry = false;
        self.write(now)
    }

    /// Sends what can be sent without waiting.
    pub(crate) fn write(&mut self, now: Moment) -> Fate {
        while !self.is_taken() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(0) => return Fate::Ends,
                Ok(sent) => (self.sent, self.heard) = (self.sent + sent, now),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Fate::Stays,
                Err(_) => return Fate::Ends,
            }
        }
        // A large answer does not stay for the life of the client.
        (self.out, self.sent) = (Vec::new(), 0);
        Fate::Stays
    }

    fn read(&mut self, chunk: &mut [u8], now: Moment) -> Fate {
        let parting = matches!(self.phase, Phase::Parting { .. });
        match self.stream.read(chunk) {
            Ok(0) if parting => Fate::Ends,
            Ok(0) => {
                (self.phase, self.hungry) = (Phase::Heard, false);
                Fate::Stays
            }
            Ok(_) if parting => Fate::Stays,
            Ok(count) => {
                (self.heard, self.hungry) = (now, false);
                self.session.receive(&chunk[..count], now);
                Fate::Stays
            }
            Err(error) if is_no_news(&error) => Fate::Stays,
            Err(_) => Fate::Ends,
        }
    }

    fn part(&mut self, now: Moment) -> Fate {
        self.stream.end_writing();
        if self.phase == Phase::Heard {
            return Fate::Ends;
        }
        self.phase = Phase::Parting { until: now + FAREWELL_TIME };
        Fate::Stays
    }
}

fn is_no_news(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
