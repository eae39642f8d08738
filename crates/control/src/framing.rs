//! Where a message ends.
//!
//! In version 0.2 a message is a line. In 0.1, and in the handshake of both, nothing marks the end of a message but the
//! end of its JSON object. [`Framer`] collects bytes and hands out whole messages, however the bytes were cut up.
//!
//! 1. It never holds more than the limit of one message and what came in one read.
//! 2. A message that is too long, or not complete in time, is refused once. Its rest, up to where it would have ended, is
//!    passed over without being kept, so that the next message is understood again.

use std::time::Duration;

use crate::limits::REQUEST_TIME;

/// Moments are told as the time since the server started.
pub(crate) type Moment = Duration;

/// What ends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// The brace that closes its object.
    Object,
    /// A line feed.
    Line,
}

/// What is wrong with a message as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It has more bytes than this.
    TooLong(usize),
    /// It was not complete in time.
    Slow(Framing),
    /// It is not an object.
    NotAnObject,
}

/// Collects bytes into messages.
#[derive(Debug)]
pub(crate) struct Framer {
    framing: Framing,
    limit: usize,
    buffer: Vec<u8>,
    scan: Scan,
    /// The rest of a message that was refused is on its way.
    passing_over: bool,
    /// When the message that is not complete began.
    began: Option<Moment>,
    /// When bytes came last.
    latest: Moment,
}

/// How far the first message of the buffer has been looked through.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    at: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Framer {
    pub(crate) fn new(framing: Framing, limit: usize) -> Self {
        Self {
            framing,
            limit,
            buffer: Vec::new(),
            scan: Scan::default(),
            passing_over: false,
            began: None,
            latest: Moment::ZERO,
        }
    }
    /// Goes on with another framing and limit; bytes that are there already are part of it.
    pub(crate) fn switch(&mut self, framing: Framing, limit: usize) {
        (self.framing, self.limit) = (framing, limit);
        (self.scan, self.passing_over) = (Scan::default(), false);
    }
    /// Adds what was received. To keep the first promise: only after [`Framer::next`] has said that it needs more.
    pub(crate) fn push(&mut self, bytes: &[u8], now: Moment) {
        self.buffer.extend_from_slice(bytes);
        self.began.get_or_insert(now);
        self.latest = now;
    }
    /// The next message, with what ended it, or what is wrong with it; `None` when more bytes are needed.
    pub(crate) fn next(&mut self) -> Option<Result<Vec<u8>, Fault>> {
        loop {
            if !self.passing_over && self.scan.at == 0 {
                self.skip_blanks();
            }
            if self.buffer.is_empty() && !self.passing_over {
                self.began = None;
                return None;
            }
            let end = match self.framing {
                Framing::Line => self.line_end(),
                Framing::Object if !self.passing_over && self.scan.depth == 0 && self.buffer[0] != b'{' => {
                    // Nothing tells where such a message ends. It was most likely sent at once: what is here is it.
                    self.drop_front(self.buffer.len());
                    return Some(Err(Fault::NotAnObject));
                }
                Framing::Object => self.object_end(),
            };
            match end {
                Some(end) if self.passing_over => {
                    self.drop_front(end);
                    self.passing_over = false;
                }
                Some(end) => {
                    let message = self.buffer[..end].to_vec();
                    self.drop_front(end);
                    return Some(if message.len() > self.limit + usize::from(self.framing == Framing::Line) {
                        Err(Fault::TooLong(self.limit))
                    } else {
                        Ok(message)
                    });
                }
                None if self.passing_over => {
                    self.forget_scanned();
                    return None;
                }
                None if self.buffer.len() > self.limit => return Some(Err(self.refuse(Fault::TooLong(self.limit)))),
                None => return None,
            }
        }
    }
    /// When [`Framer::expire`] has something to refuse.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.began.map(|began| began + REQUEST_TIME)
    }
    /// Refuses a message that has not become complete in time.
    pub(crate) fn expire(&mut self, now: Moment) -> Option<Fault> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        if self.passing_over {
            // It was refused already. A line has an end that can be waited for; an object that nobody closes has none.
            if self.framing == Framing::Object {
                (self.scan, self.passing_over) = (Scan::default(), false);
            }
            self.began = None;
            return None;
        }
        Some(self.refuse(Fault::Slow(self.framing)))
    }

    /// Begins to pass over the message that is in the buffer.
    fn refuse(&mut self, fault: Fault) -> Fault {
        self.passing_over = true;
        self.forget_scanned();
        if matches!(fault, Fault::Slow(_)) {
            self.began = None;
            if self.framing == Framing::Object {
                (self.scan, self.passing_over) = (Scan::default(), false);
            }
        }
        fault
    }
    fn skip_blanks(&mut self) {
        let blanks = self.buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.buffer.drain(..blanks);
    }
    /// Removes the first message; the rest, if any, is the beginning of the next one.
    fn drop_front(&mut self, bytes: usize) {
        self.buffer.drain(..bytes);
        self.scan = Scan::default();
        self.began = (!self.buffer.is_empty()).then_some(self.latest);
    }
    /// Forgets bytes that are looked through and not wanted; how deep in the object they are stays known.
    fn forget_scanned(&mut self) {
        self.buffer.clear();
        self.scan.at = 0;
    }
    /// End of the first line, behind its line feed.
    fn line_end(&mut self) -> Option<usize> {
        let found = self.buffer[self.scan.at..].iter().position(|&byte| byte == b'\n');
        let end = found.map(|offset| self.scan.at + offset + 1);
        self.scan.at = self.buffer.len();
        end
    }
    /// End of the first object, behind the brace that closes it (RFC 8259 §4; braces within strings do not count).
    fn object_end(&mut self) -> Option<usize> {
        let scan = &mut self.scan;
        while scan.at < self.buffer.len() {
            let byte = self.buffer[scan.at];
            scan.at += 1;
            match byte {
                _ if scan.escaped => scan.escaped = false,
                b'\\' if scan.in_string => scan.escaped = true,
                b'"' => scan.in_string = !scan.in_string,
                _ if scan.in_string => {}
                b'{' => scan.depth += 1,
                b'}' => {
                    scan.depth = scan.depth.saturating_sub(1);
                    if scan.depth == 0 {
                        return Some(scan.at);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
