//! IPv4 options. They are only checked: nothing in them is kept, and none of their errors ends a packet.

use crate::Event;
use crate::context::Context;
use crate::view::View;

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
/// RFC 4782.
const QUICK_START: u8 = 25;
const TIMESTAMP: u8 = 68;
/// RFC 1108.
const SECURITY: u8 = 130;
const LOOSE_ROUTE: u8 = 131;
const EXTENDED_SECURITY: u8 = 133;
/// FIPS 188.
const CIPSO: u8 = 134;
const STREAM_ID: u8 = 136;
const STRICT_ROUTE: u8 = 137;
/// RFC 2113.
const ROUTER_ALERT: u8 = 148;

const KNOWN: [u8; 10] = [
    RECORD_ROUTE,
    QUICK_START,
    TIMESTAMP,
    SECURITY,
    LOOSE_ROUTE,
    EXTENDED_SECURITY,
    CIPSO,
    STREAM_ID,
    STRICT_ROUTE,
    ROUTER_ALERT,
];

/// Checks the options. Bad ones make the packet invalid in the counters and end the check, not the packet.
pub(crate) fn decode(cx: &mut Context<'_>, view: View<'_>) {
    // Suricata asks for padding to eight bytes, more than the four of RFC 791.
    if !view.len().is_multiple_of(8) {
        cx.note(Event::Ipv4OptPadRequired);
    }
    let mut rest = view.data();
    let mut seen = [false; KNOWN.len()];
    loop {
        let option = match *rest {
            [] | [END, ..] => return,
            [NO_OPERATION, ref after @ ..] => {
                rest = after;
                continue;
            }
            [_] => {
                if !view.is_snapped() {
                    cx.note(Event::Ipv4OptEolRequired);
                }
                return;
            }
            [_, len, ..] => match rest.split_at_checked(usize::from(len)) {
                Some((option, after)) if len >= 2 => {
                    rest = after;
                    option
                }
                _ if len >= 2 && view.is_snapped() => return,
                _ => return cx.fault(Event::Ipv4OptInvalidLen),
            },
        };
        match KNOWN.iter().position(|&kind| kind == option[0]) {
            None => cx.note(Event::Ipv4OptInvalid),
            Some(index) if seen[index] => cx.note(Event::Ipv4OptDuplicate),
            Some(index) => {
                if let Err(event) = check(option) {
                    return cx.fault(event);
                }
                seen[index] = true;
            }
        }
    }
}

/// Checks one option, type and length included.
fn check(option: &[u8]) -> Result<(), Event> {
    let (kind, len) = (option[0], option.len());
    let len_ok = match kind {
        RECORD_ROUTE | LOOSE_ROUTE | STRICT_ROUTE | EXTENDED_SECURITY => len >= 3,
        TIMESTAMP => len >= 5,
        QUICK_START => len >= 8,
        CIPSO => len >= 10,
        SECURITY => len == 11,
        STREAM_ID | ROUTER_ALERT => len == 4,
        _ => true,
    };
    if !len_ok {
        return Err(Event::Ipv4OptInvalidLen);
    }
    let well_formed = match kind {
        RECORD_ROUTE | LOOSE_ROUTE | STRICT_ROUTE => route_ok(option),
        TIMESTAMP => timestamp_ok(option),
        CIPSO => cipso_ok(&option[6..]),
        _ => true,
    };
    if well_formed { Ok(()) } else { Err(Event::Ipv4OptMalformed) }
}

/// RFC 791: the pointer counts from 1, is at least 4, goes in steps of an address, and ends just past the option.
fn route_ok(option: &[u8]) -> bool {
    let pointer = usize::from(option[2]);
    pointer >= 4 && pointer.is_multiple_of(4) && pointer <= option.len() + 1
}

/// RFC 791: the pointer counts from 1, is at least 5, and goes in steps of a record: eight bytes with an address.
fn timestamp_ok(option: &[u8]) -> bool {
    let pointer = usize::from(option[2]);
    let with_address = matches!(option.get(5), Some(1 | 3));
    let record_len = if with_address { 8 } else { 4 };
    pointer >= 5 && (pointer - 5).is_multiple_of(record_len) && pointer <= option.len() + 1
}

/// Tags of CIPSO: type, length, and for all but type 7 an alignment byte of zero.
fn cipso_ok(mut tags: &[u8]) -> bool {
    while !tags.is_empty() {
        let &[kind, len, ..] = tags else { return false };
        let Some((tag, rest)) = tags.split_at_checked(usize::from(len)) else { return false };
        let well_formed = match kind {
            1 | 2 | 5 | 6 => tag.len() >= 4 && tag[2] == 0,
            7 => tag.len() >= 4,
            _ => false,
        };
        if !well_formed {
            return false;
        }
        tags = rest;
    }
    true
}
