//! The loop over all clients: wait until one of them can do something, then give each its turn.
//!
//! In a round every client reads at most one chunk and gets at most one answer, so that none can keep the others waiting
//! with many requests. Nothing here blocks but the one wait for all.

use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::connection::{Connection, Fate};
use super::{Listen, Session};
use crate::framing::Moment;
use crate::limits::{FAREWELL_TIME, SILENT};

pub(crate) struct Rounds<L: Listen, S, F> {
    listener: L,
    open: F,
    /// At most so many clients.
    limit: usize,
    /// Readable when the server is to end.
    life: UnixStream,
    connections: Vec<Connection<L::Stream, S>>,
    /// No client is accepted before then: the process is out of descriptors.
    accept_from: Moment,
    start: Instant,
    chunk: Box<[u8; CHUNK_BYTES]>,
}

/// What a wait has found.
struct Ready {
    ended: bool,
    accept: bool,
    /// Which connections, by their place.
    connections: Vec<bool>,
}

impl<L: Listen, S: Session, F: Fn(Moment) -> S> Rounds<L, S, F> {
    pub(crate) fn new(listener: L, open: F, limit: usize, life: UnixStream) -> Self {
        Self {
            listener,
            open,
            limit,
            life,
            connections: Vec::new(),
            accept_from: Moment::ZERO,
            start: Instant::now(),
            chunk: Box::new([0; CHUNK_BYTES]),
        }
    }

    /// Serves until the other end of `life` is closed.
    pub(crate) fn run(mut self) {
        loop {
            let ready = self.wait();
            let now = self.start.elapsed();
            self.turns(&ready, now);
            if ready.ended {
                return self.farewell(now);
            }
            if ready.accept {
                self.accept(now);
            }
        }
    }

    fn wait(&self) -> Ready {
        let now = self.start.elapsed();
        let accepting = now >= self.accept_from;
        let mut polled = Vec::with_capacity(self.connections.len() + 2);
        polled.push(PollFd::new(&self.life, PollFlags::IN));
        polled.push(PollFd::new(&self.listener, if accepting { PollFlags::IN } else { PollFlags::empty() }));
        polled.extend(self.connections.iter().map(|c| PollFd::from_borrowed_fd(c.stream().as_fd(), c.interest())));
        if poll(&mut polled, self.patience(now).as_ref()).is_err() {
            // Interrupted by a signal, or the kernel is out of memory: the next round asks again.
            return Ready { ended: false, accept: false, connections: vec![false; self.connections.len()] };
        }
        let mut found = polled.iter().map(|fd| !fd.revents().is_empty());
        Ready {
            ended: found.next().unwrap_or(false),
            accept: found.next().unwrap_or(false) && accepting,
            connections: found.collect(),
        }
    }

    /// How long there is nothing to do but to wait; for ever when `None`.
    fn patience(&self, now: Moment) -> Option<Timespec> {
        let wait = if self.connections.iter().any(Connection::is_busy) {
            Some(Duration::ZERO)
        } else {
            let accept = (now < self.accept_from).then_some(self.accept_from);
            self.connections
                .iter()
                .filter_map(Connection::deadline)
                .chain(accept)
                .min()
                .map(|at| at.saturating_sub(now))
        };
        wait.map(|wait| Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() })
    }

    /// Each client's turn.
    fn turns(&mut self, ready: &Ready, now: Moment) {
        let chunk = &mut self.chunk[..];
        let mut place = 0;
        self.connections.retain_mut(|connection| {
            let is_ready = ready.connections[place];
            place += 1;
            let mut fate = if is_ready { connection.ready(chunk, now) } else { Fate::Stays };
            if fate == Fate::Stays && connection.is_busy() {
                fate = connection.step(now);
            }
            if fate == Fate::Stays && connection.deadline().is_some_and(|deadline| now >= deadline) {
                fate = connection.expire(now);
            }
            fate == Fate::Stays
        });
    }

    /// Lets in who waits; the rest of a crowd has to wait for the next round.
    fn accept(&mut self, now: Moment) {
        for _ in 0..ACCEPTED_A_ROUND {
            match self.listener.accept() {
                Ok(stream) if self.has_room(now) => {
                    self.connections.push(Connection::new(stream, (self.open)(now), now));
                }
                Ok(stream) => {
                    refuse::<S>(stream);
                    // Who comes next may have the place of one that has left since this round began.
                    return;
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    // Out of descriptors or memory, which passes: until then the listener would be ready all the time.
                    _ => {
                        self.accept_from = now + ACCEPT_PAUSE;
                        return;
                    }
                },
            }
        }
    }

    /// Whether there is room for one more; for that the client that has been silent longest may have to go.
    fn has_room(&mut self, now: Moment) -> bool {
        if self.connections.len() < self.limit {
            return true;
        }
        let silent =
            self.connections.iter().enumerate().filter_map(|(at, c)| c.silent_since().map(|since| (since, at)));
        match silent.min() {
            Some((since, at)) if now.saturating_sub(since) >= SILENT => {
                self.connections.swap_remove(at);
                true
            }
            _ => false,
        }
    }

    /// Gives the answers that are on their way a last moment.
    fn farewell(mut self, began: Moment) {
        let until = began + FAREWELL_TIME;
        loop {
            self.connections.retain(|connection| !connection.is_taken());
            let now = self.start.elapsed();
            if self.connections.is_empty() || now >= until {
                return;
            }
            let fds = self.connections.iter().map(|c| PollFd::from_borrowed_fd(c.stream().as_fd(), PollFlags::OUT));
            let mut polled: Vec<_> = fds.collect();
            let wait = until.saturating_sub(now);
            let wait = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() };
            if poll(&mut polled, Some(&wait)).is_err() {
                continue;
            }
            self.connections.retain_mut(|connection| connection.write(now) == Fate::Stays);
        }
    }
}

fn refuse<S: Session>(mut stream: impl Write) {
    let mut text = Vec::new();
    S::too_many(&mut text);
    // It fits into the buffer of a socket that is new; who has gone already needs no answer.
    let _ = stream.write(&text);
}

/// Read from a client in one round.
const CHUNK_BYTES: usize = 4096;
const ACCEPTED_A_ROUND: usize = 64;
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ANSWER_TIME;
    use crate::server::{Step, Stream};

    /// Answers each byte with as many bytes as it says, in units of 64 KiB.
    struct Echo(Vec<u8>);

    impl Session for Echo {
        fn receive(&mut self, bytes: &[u8], _: Moment) {
            self.0.extend_from_slice(bytes);
        }
        fn step(&mut self, out: &mut Vec<u8>) -> Step {
            if self.0.is_empty() {
                return Step::Hungry;
            }
            out.resize(usize::from(self.0.remove(0)) << 16, b'x');
            Step::Answered
        }
        fn deadline(&self) -> Option<Moment> {
            None
        }
        fn expire(&mut self, _: Moment, _: &mut Vec<u8>) {}
        fn too_many(out: &mut Vec<u8>) {
            out.extend_from_slice(b"full");
        }
    }

    /// Hands out sockets of which the test has the other ends.
    struct Pairs(UnixStream);

    impl AsFd for Pairs {
        fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    impl Listen for Pairs {
        type Stream = UnixStream;
        fn accept(&self) -> std::io::Result<UnixStream> {
            Err(ErrorKind::WouldBlock.into())
        }
    }

    fn at(secs: u64) -> Moment {
        Moment::from_secs(secs)
    }

    type TestRounds = Rounds<Pairs, Echo, fn(Moment) -> Echo>;

    /// Rounds with room for two, and what keeps them alive.
    fn rounds() -> (TestRounds, UnixStream) {
        let (life, watched) = UnixStream::pair().expect("a pair");
        let listener = Pairs(life.try_clone().expect("another"));
        (Rounds::new(listener, |_| Echo(Vec::new()), 2, watched), life)
    }

    fn join(rounds: &mut TestRounds, now: Moment) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        theirs.set_nonblocking(true).expect("set");
        rounds.connections.push(Connection::new(theirs, Echo(Vec::new()), now));
        ours
    }

    /// A round at `now` in which every client is ready.
    fn round(rounds: &mut TestRounds, now: Moment) {
        let connections = vec![true; rounds.connections.len()];
        rounds.turns(&Ready { ended: false, accept: false, connections }, now);
    }

    #[test]
    fn all_places_taken_then_the_one_silent_longest_makes_room_after_a_minute() {
        let (mut rounds, _life) = rounds();
        assert!(rounds.has_room(at(0)));
        let _first = join(&mut rounds, at(0));
        let mut second = join(&mut rounds, at(1));
        assert!(!rounds.has_room(at(59)));
        std::io::Write::write_all(&mut second, &[0]).expect("sent");
        round(&mut rounds, at(59));
        assert!(rounds.has_room(at(60)), "the first one has been silent for a minute");
        assert_eq!(rounds.connections.len(), 1);
        let _third = join(&mut rounds, at(60));
        assert!(!rounds.has_room(at(118)), "the second one has not");
    }

    #[test]
    fn answer_that_is_not_taken_then_the_client_ends_and_no_other_request_of_it_is_looked_at() {
        let (mut rounds, _life) = rounds();
        let mut client = join(&mut rounds, at(0));
        // The first answer is more than a socket holds.
        std::io::Write::write_all(&mut client, &[200, 1, 1]).expect("sent");
        for now in 1..10 {
            round(&mut rounds, at(now));
        }
        let connection = &rounds.connections[0];
        assert!(!connection.is_taken() && !connection.is_busy() && connection.interest() == PollFlags::OUT);
        // The last byte was taken in the first round.
        assert_eq!(connection.deadline(), Some(at(1) + ANSWER_TIME));
        assert_eq!(connection.silent_since(), None, "it is we who owe it an answer");
        let connections = vec![false; 1];
        rounds.turns(&Ready { ended: false, accept: false, connections }, at(1) + ANSWER_TIME);
        assert!(rounds.connections.is_empty());
        drop(client);
    }

    #[test]
    fn many_requests_of_one_then_one_answer_a_round() {
        let (mut rounds, _life) = rounds();
        let mut greedy = join(&mut rounds, at(0));
        let mut modest = join(&mut rounds, at(0));
        std::io::Write::write_all(&mut greedy, &[0; 1000]).expect("sent");
        std::io::Write::write_all(&mut modest, &[0]).expect("sent");
        round(&mut rounds, at(0));
        assert!(rounds.connections[0].is_busy(), "999 are left");
        round(&mut rounds, at(0));
        assert!(!rounds.connections[1].is_busy(), "the other one has its answer, and waits for more");
        modest.end_writing();
        round(&mut rounds, at(0));
        assert_eq!(rounds.connections.len(), 1);
    }
}
