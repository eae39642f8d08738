//! Numbers as digits.
//!
//! Eight digits at a time are computed in the bytes of one word, and leading zeros are shifted out: how many digits a
//! number has changes from record to record, and a branch on it would be mispredicted.

/// The digits of a number, in the first `len` bytes.
pub(crate) struct Digits<const N: usize> {
    pub(crate) text: [u8; N],
    pub(crate) len: usize,
}

/// The first number of more than eight digits.
pub(crate) const EIGHT: u32 = 100_000_000;
/// The first number of more than sixteen digits.
pub(crate) const SIXTEEN: u64 = 10_000_000_000_000_000;

/// The digits of a number below [`EIGHT`], without leading zeros.
#[inline(always)]
pub(crate) const fn below_eight(value: u32) -> Digits<8> {
    let digits = values_of_eight(value);
    // The last digit counts also when it is zero.
    let zeros = (digits | 1 << 63).trailing_zeros() / 8;
    Digits { text: ((digits | ZEROS) >> (8 * zeros)).to_le_bytes(), len: 8 - zeros as usize }
}

/// The digits of a number below [`SIXTEEN`], without leading zeros.
#[inline(always)]
pub(crate) const fn below_sixteen(value: u64) -> Digits<16> {
    let digits = values_of_sixteen(value);
    let zeros = (digits | 1 << 127).trailing_zeros() / 8;
    Digits { text: ((digits | ZEROS_16) >> (8 * zeros)).to_le_bytes(), len: 16 - zeros as usize }
}

/// All sixteen digits of a number below [`SIXTEEN`].
pub(crate) const fn sixteen(value: u64) -> [u8; 16] {
    (values_of_sixteen(value) | ZEROS_16).to_le_bytes()
}

/// All eight digits of a number below [`EIGHT`], the first in the lowest byte.
#[inline(always)]
pub(crate) const fn eight(value: u32) -> u64 {
    values_of_eight(value) | ZEROS
}

const fn values_of_sixteen(value: u64) -> u128 {
    let (high, low) = ((value / EIGHT as u64) as u32, (value % EIGHT as u64) as u32);
    values_of_eight(high) as u128 | (values_of_eight(low) as u128) << 64
}

/// A number below [`EIGHT`] as eight values below ten, the first in the lowest byte: halved into lanes of four digits,
/// of two, of one. The factors are 2^20 / 100 and 2^10 / 10, rounded up: exact for lanes of four and of two digits. Where
/// `q` is the upper half of a lane `x`, `q + (x - 100 q << 16)` is computed as `(x << 16) - (100 << 16 - 1) q`.
#[inline(always)]
const fn values_of_eight(value: u32) -> u64 {
    let fours = (value / 10_000) as u64 | ((value % 10_000) as u64) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = (fours << 16).wrapping_sub(hundreds * ((100 << 16) - 1));
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    (twos << 8).wrapping_sub(tens * ((10 << 8) - 1))
}

/// `00:00:00` with hours, minutes and seconds, all below a hundred, the first byte in the lowest.
#[inline(always)]
pub(crate) const fn clock(hours: u32, minutes: u32, seconds: u32) -> u64 {
    let twos = hours as u64 | (minutes as u64) << 24 | (seconds as u64) << 48;
    let tens = ((twos * 103) >> 10) & 0x000f_0000_0f00_000f;
    (twos << 8).wrapping_sub(tens * ((10 << 8) - 1)) | u64::from_le_bytes(*b"00:00:00")
}

const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
const ZEROS_16: u128 = u128::from_le_bytes([b'0'; 16]);

/// Two decimal digits of a number below 100.
#[inline]
pub(crate) const fn pair(value: u32) -> [u8; 2] {
    [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]
}

/// Two lower-case hexadecimal digits.
#[inline(always)]
pub(crate) const fn hex_pair(value: u8) -> [u8; 2] {
    HEX[value as usize]
}

/// A table and not arithmetic: sixteen of them make an IPv6 address, and the 512 bytes stay in the first cache.
static HEX: [[u8; 2]; 256] = {
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

    #[test]
    fn all_numbers_of_up_to_five_digits_then_same_as_display() {
        for value in 0..100_000 {
            let Digits { text, len } = below_eight(value);
            assert_eq!(text[..len], *value.to_string().as_bytes());
            assert_eq!(eight(value * 1000 + 7).to_le_bytes(), *format!("{:08}", value * 1000 + 7).as_bytes());
        }
    }

    #[test]
    fn all_times_of_day_then_their_digits() {
        for second in 0..86_400 {
            let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
            assert_eq!(clock(h, m, s).to_le_bytes(), *format!("{h:02}:{m:02}:{s:02}").as_bytes());
        }
    }

    #[test]
    fn powers_of_ten_and_their_neighbours_then_same_as_display() {
        for value in (0..16).flat_map(|n| [10_u64.pow(n) - 1, 10_u64.pow(n), 10_u64.pow(n) + 1]).chain([SIXTEEN - 1]) {
            let Digits { text, len } = below_sixteen(value);
            assert_eq!(text[..len], *value.to_string().as_bytes());
            assert_eq!(sixteen(value), *format!("{value:016}").as_bytes());
        }
    }
}
