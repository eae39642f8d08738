//! From text to tokens. The longest word wins, as in the lexer that users know: `80-90` and `len-5` are one word each,
//! `tcp-syn` is a constant, `1:2:3:4:5:6` an Ethernet address.

use core::net::Ipv6Addr;

use crate::error::{FilterError, Span};
use crate::names;
use crate::token::{Dotted, Symbol, Token, TokenKind, Word};

/// All tokens of an expression and one [`TokenKind::End`].
///
/// # Errors
/// A character that begins no token, an address or a number that is none.
pub(crate) fn tokens(expression: &str) -> Result<Vec<Token>, FilterError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = expression[at..].chars().next() {
        if matches!(first, ' ' | '\t' | '\r' | '\n') {
            at += 1;
            continue;
        }
        let rest = &expression[at..];
        let (kind, length) = match first {
            '\\' => escaped(rest, at)?,
            _ if first.is_ascii_alphanumeric() || rest.starts_with("::") => word(rest, at)?,
            _ => symbol(rest, at)?,
        };
        tokens.push(Token { kind, span: at..at + length });
        at += length;
    }
    tokens.push(Token { kind: TokenKind::End, span: at..at });
    Ok(tokens)
}

fn escaped(rest: &str, at: usize) -> Result<(TokenKind, usize), FilterError> {
    let end = rest.find([' ', '!', '(', ')', '\n', '\t']).unwrap_or(rest.len());
    if end < 2 {
        return Err(FilterError::new("a backslash with no word behind it", at..at + 1));
    }
    Ok((TokenKind::Name(rest[1..end].to_owned()), end))
}

fn symbol(rest: &str, at: usize) -> Result<(TokenKind, usize), FilterError> {
    if let Some((text, kind)) = SYMBOLS.iter().find(|(text, _)| rest.starts_with(text)) {
        return Ok((kind.clone(), text.len()));
    }
    let length = rest.chars().next().map_or(0, char::len_utf8);
    Err(FilterError::new(format!("{:?} begins no word of the language", &rest[..length]), at..at + length))
}

/// Longer ones first.
const SYMBOLS: &[(&str, TokenKind)] = &[
    ("&&", TokenKind::Word(Word::And)),
    ("||", TokenKind::Word(Word::Or)),
    ("<<", TokenKind::Symbol(Symbol::ShiftLeft)),
    (">>", TokenKind::Symbol(Symbol::ShiftRight)),
    (">=", TokenKind::Symbol(Symbol::GreaterOrEqual)),
    ("<=", TokenKind::Symbol(Symbol::LessOrEqual)),
    ("!=", TokenKind::Symbol(Symbol::NotEqual)),
    ("==", TokenKind::Symbol(Symbol::Equal)),
    ("!", TokenKind::Word(Word::Not)),
    ("(", TokenKind::Symbol(Symbol::Open)),
    (")", TokenKind::Symbol(Symbol::Close)),
    ("[", TokenKind::Symbol(Symbol::OpenIndex)),
    ("]", TokenKind::Symbol(Symbol::CloseIndex)),
    (":", TokenKind::Symbol(Symbol::Colon)),
    ("+", TokenKind::Symbol(Symbol::Plus)),
    ("-", TokenKind::Symbol(Symbol::Minus)),
    ("*", TokenKind::Symbol(Symbol::Times)),
    ("/", TokenKind::Symbol(Symbol::Divide)),
    ("%", TokenKind::Symbol(Symbol::Remainder)),
    ("&", TokenKind::Symbol(Symbol::And)),
    ("|", TokenKind::Symbol(Symbol::Or)),
    ("^", TokenKind::Symbol(Symbol::Xor)),
    (">", TokenKind::Symbol(Symbol::Greater)),
    ("<", TokenKind::Symbol(Symbol::Less)),
    ("=", TokenKind::Symbol(Symbol::Equal)),
];

fn word(rest: &str, at: usize) -> Result<(TokenKind, usize), FilterError> {
    let addressy = run(rest, |c| c.is_ascii_hexdigit() || matches!(c, ':' | '.'));
    if rest[..addressy].matches(':').count() >= 2 {
        let kind = colon_address(&rest[..addressy], at..at + addressy)?;
        return Ok((kind, addressy));
    }
    // A hyphen or an underline inside belongs to the word, one at its end does not.
    let length = run(rest, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let text = rest[..length].trim_end_matches(['-', '_']);
    Ok((classify(text, at..at + text.len())?, text.len()))
}

/// How many bytes the characters at the beginning take that belong; all of those are ASCII.
fn run(text: &str, belongs: fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

fn colon_address(text: &str, span: Span) -> Result<TokenKind, FilterError> {
    if let Some(mac) = mac(text) {
        return Ok(TokenKind::Mac(mac));
    }
    match text.parse::<Ipv6Addr>() {
        Ok(address) => Ok(TokenKind::Ipv6(address)),
        Err(_) => Err(FilterError::new(format!("{text} is neither an Ethernet nor an IPv6 address"), span)),
    }
}

fn classify(text: &str, span: Span) -> Result<TokenKind, FilterError> {
    if let Some(word) = Word::find(text) {
        return Ok(TokenKind::Word(word));
    }
    if let Some(value) = names::constant(text) {
        return Ok(TokenKind::Number(value));
    }
    if let Some(mac) = mac(text) {
        return Ok(TokenKind::Mac(mac));
    }
    if text.bytes().all(|b| b.is_ascii_digit()) || is_hexadecimal(text) {
        return number(text, span).map(TokenKind::Number);
    }
    let parts = text.split('.');
    let decimal = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if (2..=4).contains(&parts.clone().count()) && parts.clone().all(decimal) {
        return dotted(text, span).map(TokenKind::Dotted);
    }
    Ok(TokenKind::Name(text.to_owned()))
}

fn is_hexadecimal(text: &str) -> bool {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A number as C writes it: hexadecimal with 0x, octal with a leading 0.
fn number(text: &str, span: Span) -> Result<u32, FilterError> {
    let (digits, radix) = match text.get(..2) {
        Some("0x" | "0X") => (&text[2..], 16),
        Some(_) if text.starts_with('0') => (&text[1..], 8),
        _ => (text, 10),
    };
    if radix == 8 && digits.contains(['8', '9']) {
        return Err(FilterError::new(format!("{text} is octal by its leading 0, and has other digits"), span));
    }
    u32::from_str_radix(digits, radix).map_err(|_| FilterError::new(format!("{text} does not fit 32 bits"), span))
}

fn dotted(text: &str, span: Span) -> Result<Dotted, FilterError> {
    let mut address = 0;
    let mut bits = 0;
    for part in text.split('.') {
        let Ok(byte) = part.parse::<u8>() else {
            return Err(FilterError::new(format!("{text} is not an IPv4 address: {part} is above 255"), span));
        };
        bits += 8;
        address |= u32::from(byte) << (32 - bits);
    }
    Ok(Dotted { address, bits })
}

/// Six bytes with one kind of mark between, three halfwords with points, or twelve digits.
fn mac(text: &str) -> Option<[u8; 6]> {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
    let mut mac = [0; 6];
    for mark in [':', '-', '.'] {
        if text.split(mark).count() == 6 {
            for (byte, part) in mac.iter_mut().zip(text.split(mark)) {
                *byte = u8::from_str_radix(part, 16).ok().filter(|_| part.len() <= 2 && digits(part))?;
            }
            return Some(mac);
        }
    }
    let joined: String = match text.split('.').count() {
        1 => text.to_owned(),
        3 if text.split('.').all(|part| part.len() == 4) => text.split('.').collect(),
        _ => return None,
    };
    if joined.len() != 12 || !digits(&joined) {
        return None;
    }
    for (at, byte) in mac.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&joined[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let mut kinds: Vec<TokenKind> = tokens(text).expect(text).into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds.pop(), Some(TokenKind::End));
        kinds
    }

    #[test]
    fn the_longest_word_wins() {
        let name = |text: &str| TokenKind::Name(text.to_owned());
        let minus = TokenKind::Symbol(Symbol::Minus);
        assert_eq!(kinds("80-90"), [name("80-90")]);
        assert_eq!(kinds("len-5"), [name("len-5")]);
        assert_eq!(kinds("len -5"), [TokenKind::Word(Word::Len), minus.clone(), TokenKind::Number(5)]);
        assert_eq!(kinds("tcp-syn"), [TokenKind::Number(2)]);
        assert_eq!(kinds("ftp- "), [name("ftp"), minus]);
        assert_eq!(kinds("\\tcp"), [name("tcp")]);
    }

    #[test]
    fn numbers_are_those_of_c() {
        assert_eq!(kinds("0 10 010 0x1F 4294967295").len(), 5);
        assert_eq!(kinds("010"), [TokenKind::Number(8)]);
        assert_eq!(kinds("0x1F"), [TokenKind::Number(31)]);
        for wrong in ["09", "4294967296", "0x100000000"] {
            assert_eq!(tokens(wrong).expect_err(wrong).span(), 0..wrong.len());
        }
    }

    #[test]
    fn addresses_are_told_apart() {
        let mac = TokenKind::Mac([1, 2, 3, 4, 5, 6]);
        for text in ["1:2:3:4:5:6", "01-02-03-04-05-06", "1.2.3.4.5.6", "0102.0304.0506", "010203040506"] {
            assert_eq!(kinds(text), std::slice::from_ref(&mac), "{text}");
        }
        assert_eq!(kinds("1:2:3:4:5:6:7:8").len(), 1);
        assert_eq!(kinds("::"), [TokenKind::Ipv6(Ipv6Addr::UNSPECIFIED)]);
        assert_eq!(kinds("10.1"), [TokenKind::Dotted(Dotted { address: 0x0a01_0000, bits: 16 })]);
        assert_eq!(kinds("0:2").len(), 3);
        for wrong in ["1:2:3", "1.2.3.256", "1::2::3"] {
            assert!(tokens(wrong).is_err(), "{wrong}");
        }
    }
}
