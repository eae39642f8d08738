//! Writing a line into room that is there already: at a place that stays in a register, without growing anything.
//!
//! A record is some seventy pieces, most of them constant and short. Asking for room and moving the end of a vector
//! for each of them costs more than the bytes do. So a [`Line`] is given all the room there is and only moves its own place:
//!
//! 1. A piece for which there is no room is not written, but the place moves on all the same. Whoever gave the room
//!    ([`Text::line`](crate::text::Text::line)) sees that it was too little, and has the line written again with more.
//! 2. Pieces of any length below N are written as all N bytes, of which only the first count; what follows overwrites
//!    the rest. That is one store or a few, where a copy of a length that is not known is a call. So a line fits when
//!    [`SLACK`] bytes are left behind it.
//!
//! Parts that are seldom needed go into functions of their own by [`Line::apart`], or else the place of the hot path
//! would live in memory.

use crate::digits;

/// Room for a line, and how far it is written.
pub(crate) struct Line<'r> {
    room: &'r mut [u8],
    /// In 32 bits, so that the end of a piece can be computed without overflow: one comparison a piece.
    at: u32,
}

/// More than a piece of which not all bytes count reaches beyond those that do.
pub(crate) const SLACK: usize = 128;

impl<'r> Line<'r> {
    pub(crate) fn new(room: &'r mut [u8]) -> Self {
        Self { room, at: 0 }
    }
    /// Bytes of the line so far, those for which there was no room included.
    pub(crate) fn len(&self) -> usize {
        self.at as usize
    }
    /// The next N bytes of the room, if there are so many.
    #[inline(always)]
    fn next<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        let at = self.at as usize;
        self.room.get_mut(at..at + N)?.try_into().ok()
    }

    /// Appends a constant piece: keys and punctuation, already escaped.
    #[inline(always)]
    pub(crate) fn put<const N: usize>(&mut self, piece: &[u8; N]) {
        self.fill(N, |next| *next = *piece)
    }
    /// Appends the first bytes of `piece`.
    #[inline(always)]
    pub(crate) fn part<const N: usize>(&mut self, piece: &Padded<N>) {
        self.fill(usize::from(piece.len), |next: &mut [u8; N]| *next = piece.bytes);
    }
    /// Appends the `len` first bytes of what `write` leaves in the next N.
    #[inline(always)]
    pub(crate) fn fill<const N: usize>(&mut self, len: usize, write: impl FnOnce(&mut [u8; N])) {
        const { assert!(N <= SLACK) };
        debug_assert!(len <= N);
        if let Some(next) = self.next() {
            write(next);
        }
        self.at += len as u32;
    }
    /// Appends a piece of any length.
    #[inline]
    pub(crate) fn slice(&mut self, piece: &[u8]) {
        let at = self.at as usize;
        if let Some(next) = self.room.get_mut(at..at + piece.len()) {
            next.copy_from_slice(piece);
        }
        self.at += piece.len() as u32;
    }
    /// Appends a number in decimal.
    #[inline(always)]
    pub(crate) fn uint(&mut self, value: u64) {
        match u32::try_from(value) {
            Ok(value) if value < digits::EIGHT => {
                let digits = digits::below_eight(value);
                self.fill(digits.len, |next| *next = digits.text);
            }
            _ => self.wide(value),
        }
    }
    /// Appends a number that mostly has more than eight digits.
    #[inline(always)]
    pub(crate) fn wide(&mut self, value: u64) {
        if value < digits::SIXTEEN {
            let digits = digits::below_sixteen(value);
            self.fill(digits.len, |next| *next = digits.text);
        } else {
            self.apart(|line| line.widest(value));
        }
    }
    #[cold]
    #[inline(never)]
    fn widest(&mut self, value: u64) {
        self.wide(value / digits::SIXTEEN);
        let digits = digits::sixteen(value % digits::SIXTEEN);
        self.put(&digits);
    }
    /// A constant key, and a number in decimal.
    #[inline(always)]
    pub(crate) fn key_uint<const N: usize>(&mut self, key: &[u8; N], value: u64) {
        self.put(key);
        self.uint(value);
    }
    /// Lets a function of its own write the next part.
    #[inline(always)]
    pub(crate) fn apart(&mut self, write: impl FnOnce(&mut Line<'_>)) {
        let mut other = Line { room: self.room, at: self.at };
        write(&mut other);
        self.at = other.at;
    }
}

/// A piece of at most N bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Padded<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Padded<N> {
    pub(crate) const EMPTY: Self = Self { bytes: [b' '; N], len: 0 };

    /// The pieces, one behind the other. For constants: it does not compile when they are longer than N.
    pub(crate) const fn of(pieces: &[&str]) -> Self {
        let mut padded = Self::EMPTY;
        let mut i = 0;
        while i < pieces.len() {
            padded = padded.and(pieces[i].as_bytes());
            i += 1;
        }
        padded
    }
    /// This and `piece`.
    pub(crate) const fn and(mut self, piece: &[u8]) -> Self {
        let mut i = 0;
        while i < piece.len() {
            self.bytes[self.len as usize] = piece[i];
            self.len += 1;
            i += 1;
        }
        self
    }
    /// This and the decimal digits of `number`.
    pub(crate) const fn and_byte(self, number: u8) -> Self {
        let digits = [b'0' + number / 100, b'0' + number / 10 % 10, b'0' + number % 10];
        match number {
            100.. => self.and(&digits),
            10.. => self.and(&[digits[1], digits[2]]),
            _ => self.and(&[digits[2]]),
        }
    }
}
