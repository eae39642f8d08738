//! Appending text to a byte vector without `fmt` and without intermediate strings.
//!
//! [`Text`] is the one buffer into which every event is encoded. Its methods only append; they never allocate beyond
//! the growth of the buffer itself.

/// A growing run of bytes that is valid UTF-8 whenever its pieces are.
#[derive(Debug, Default)]
pub(crate) struct Text {
    bytes: Vec<u8>,
}

impl Text {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }
    /// Appends `piece` as it is: keys and punctuation, already escaped.
    #[inline]
    pub(crate) fn raw(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }
    /// Appends one byte as it is.
    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }
    /// Appends a number in decimal.
    #[inline]
    pub(crate) fn uint(&mut self, mut value: u64) {
        if value < 10 {
            return self.byte(b'0' + value as u8);
        }
        let mut digits = [0; 20];
        let mut at = digits.len();
        while value >= 100 {
            at -= 2;
            digits[at..at + 2].copy_from_slice(&PAIRS[(value % 100) as usize]);
            value /= 100;
        }
        if value >= 10 {
            at -= 2;
            digits[at..at + 2].copy_from_slice(&PAIRS[value as usize]);
        } else {
            at -= 1;
            digits[at] = b'0' + value as u8;
        }
        self.raw(&digits[at..]);
    }
    /// Appends a signed number in decimal. Values beyond 64 bits, which no counter can reach, saturate.
    pub(crate) fn int(&mut self, value: i128) {
        if value < 0 {
            self.byte(b'-');
        }
        self.uint(u64::try_from(value.unsigned_abs()).unwrap_or(u64::MAX));
    }
    /// Appends two lower-case hexadecimal digits.
    #[inline]
    pub(crate) fn hex(&mut self, value: u8) {
        self.raw(&hex_pair(value));
    }
    /// Appends `text` with what JSON (RFC 8259 §7) does not allow in a string escaped; the quotes are the caller's.
    pub(crate) fn escaped(&mut self, text: &str) {
        for &byte in text.as_bytes() {
            match byte {
                b'"' | b'\\' => self.raw(&[b'\\', byte]),
                0..0x20 => {
                    self.raw(b"\\u00");
                    self.hex(byte);
                }
                _ => self.byte(byte),
            }
        }
    }
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Two decimal digits of a number below 100.
#[inline]
pub(crate) const fn pair(value: u32) -> [u8; 2] {
    PAIRS[value as usize]
}

/// Two lower-case hexadecimal digits.
#[inline]
pub(crate) const fn hex_pair(value: u8) -> [u8; 2] {
    HEX[value as usize]
}

const PAIRS: [[u8; 2]; 100] = {
    let mut table = [[b'0'; 2]; 100];
    let mut n = 0;
    while n < 100 {
        table[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    table
};

const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[b'0'; 2]; 256];
    let mut n = 0;
    while n < 256 {
        table[n] = [digits[n >> 4], digits[n & 15]];
        n += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Text)) -> String {
        let mut out = Text::default();
        write(&mut out);
        String::from_utf8(out.bytes).expect("only UTF-8 was appended")
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
}
