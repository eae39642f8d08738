//! A growing run of text, written without `fmt` and without intermediate strings.
//!
//! [`Text`] is the one buffer into which every event is encoded. Records are written into its room as
//! [`Line`]s; the rest, which is rare, is appended piece by piece.

use crate::digits::hex_pair;
use crate::line::{Line, SLACK};

/// A growing run of bytes that is valid UTF-8 whenever its pieces are.
#[derive(Debug, Default)]
pub(crate) struct Text {
    /// What was written, and behind it room: bytes of any value.
    bytes: Vec<u8>,
    len: usize,
}

impl Text {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes], len: 0 }
    }
    /// Appends what `write` writes into the room it is given, whose [`Line::len`] it returns. When there was too little
    /// room it is called again, with more.
    #[inline]
    pub(crate) fn line(&mut self, mut write: impl FnMut(&mut [u8]) -> usize) {
        loop {
            let room = &mut self.bytes[self.len..];
            let len = write(room);
            if len + SLACK <= room.len() {
                self.len += len;
                return;
            }
            self.make_room(len + SLACK);
        }
    }
    /// Appends `piece` as it is: keys and punctuation, already escaped.
    pub(crate) fn raw(&mut self, piece: &[u8]) {
        if self.bytes.len() - self.len < piece.len() {
            self.make_room(piece.len());
        }
        self.bytes[self.len..][..piece.len()].copy_from_slice(piece);
        self.len += piece.len();
    }
    /// Appends one byte as it is.
    pub(crate) fn byte(&mut self, byte: u8) {
        self.raw(&[byte]);
    }
    /// Appends a number in decimal.
    pub(crate) fn uint(&mut self, value: u64) {
        self.line(|room| {
            let mut line = Line::new(room);
            line.uint(value);
            line.len()
        });
    }
    /// Appends a signed number in decimal. Values beyond 64 bits, which no counter can reach, saturate.
    pub(crate) fn int(&mut self, value: i128) {
        if value < 0 {
            self.byte(b'-');
        }
        self.uint(u64::try_from(value.unsigned_abs()).unwrap_or(u64::MAX));
    }
    /// Appends `text` with what JSON (RFC 8259 §7) does not allow in a string escaped; the quotes are the caller's.
    pub(crate) fn escaped(&mut self, text: &str) {
        for &byte in text.as_bytes() {
            match byte {
                b'"' | b'\\' => self.raw(&[b'\\', byte]),
                0..0x20 => {
                    self.raw(b"\\u00");
                    self.raw(&hex_pair(byte));
                }
                _ => self.byte(byte),
            }
        }
    }
    pub(crate) fn len(&self) -> usize {
        self.len
    }
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    #[cold]
    fn make_room(&mut self, bytes: usize) {
        let capacity = (self.len + bytes).max(2 * self.bytes.len());
        self.bytes.resize(capacity, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Text)) -> String {
        let mut out = Text::default();
        write(&mut out);
        String::from_utf8(out.as_bytes().to_vec()).expect("only UTF-8 was appended")
    }

    #[test]
    fn numbers_at_every_power_of_ten_then_same_as_display() {
        let mut power = 1_u64;
        loop {
            for value in [power - 1, power, power + 1] {
                assert_eq!(text(|t| t.uint(value)), value.to_string());
            }
            match power.checked_mul(10) {
                Some(next) => power = next,
                None => break,
            }
        }
        assert_eq!(text(|t| t.uint(u64::MAX)), u64::MAX.to_string());
        assert_eq!(text(|t| t.int(-17)), "-17");
        assert_eq!(text(|t| t.int(i128::MIN)), format!("-{}", u64::MAX));
    }

    #[test]
    fn special_characters_then_escaped() {
        assert_eq!(text(|t| t.escaped("a\"b\\c\n\u{1}é")), "a\\\"b\\\\c\\u000a\\u0001é");
    }

    #[test]
    fn room_of_any_size_then_the_same_line() {
        let write = |room: &mut [u8]| {
            let mut line = Line::new(room);
            line.put(b"number ");
            line.uint(u64::MAX);
            line.slice(b" and the rest");
            line.len()
        };
        for bytes in 0..300 {
            let mut out = Text::with_capacity(bytes);
            (0..3).for_each(|_| out.line(write));
            let want = format!("number {} and the rest", u64::MAX);
            assert_eq!(out.as_bytes(), want.repeat(3).as_bytes(), "{bytes} bytes of room");
        }
    }
}
