//! GRE (RFC 1701, RFC 2784, RFC 2637): the header is checked, the packet inside is not opened yet.

use crate::decoder::{Context, Step};
use crate::view::{View, be16};
use crate::{Event, NonFlow};

pub(crate) const PROTOCOL: u8 = 47;

const HEADER_LEN: usize = 4;
const CHECKSUM: u8 = 0x80;
const ROUTING: u8 = 0x40;
const KEY: u8 = 0x20;
const SEQUENCE: u8 = 0x10;
const STRICT_ROUTE: u8 = 0x08;
const RECURSION_MASK: u8 = 0x07;
/// In the second byte: acknowledgement (version 1), flags that must be zero, version.
const ACKNOWLEDGEMENT: u8 = 0x80;
const RESERVED_MASK: u8 = 0x78;
const VERSION_MASK: u8 = 0x07;
const PPP: u16 = 0x880b;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.gre += 1;
    let Some(&[flags, flags_version, hi, lo]) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::GrePktTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    let checked = match flags_version & VERSION_MASK {
        0 => check_version_0(flags, flags_version, view),
        1 => check_version_1(flags, flags_version, be16(hi, lo), view),
        _ => Err(Event::GreWrongVersion),
    };
    match checked {
        Ok(()) => cx.non_flow(NonFlow::Tunnel),
        Err(event) => cx.invalid(event),
    }
}

fn check_version_0(flags: u8, flags_version: u8, view: View<'_>) -> Result<(), Event> {
    if flags & RECURSION_MASK != 0 {
        return Err(Event::GreVersion0Recur);
    }
    if flags_version & RESERVED_MASK != 0 {
        return Err(Event::GreVersion0Flags);
    }
    // Checksum and offset come together when either is there.
    let optional = [KEY, SEQUENCE, CHECKSUM | ROUTING];
    let header_len = HEADER_LEN + 4 * optional.iter().filter(|&&bit| flags & bit != 0).count();
    if header_len > view.len() {
        return Err(Event::GreVersion0HdrTooBig);
    }
    if flags & ROUTING != 0 { check_source_route(view.skip(header_len)) } else { Ok(()) }
}

/// RFC 1701: entries of four bytes and an address list, ended by one of family 0 and length 0.
fn check_source_route(mut view: View<'_>) -> Result<(), Event> {
    loop {
        let Some(&[family_hi, family_lo, _, len]) = view.header::<4>() else {
            return if view.is_snapped() { Ok(()) } else { Err(Event::GreVersion0MalformedSreHdr) };
        };
        view = view.skip(4);
        if be16(family_hi, family_lo) == 0 && len == 0 {
            return Ok(());
        }
        if usize::from(len) > view.len() {
            return Err(Event::GreVersion0MalformedSreHdr);
        }
        view = view.skip(usize::from(len));
    }
}

/// RFC 2637 §4.1.
fn check_version_1(flags: u8, flags_version: u8, protocol: u16, view: View<'_>) -> Result<(), Event> {
    let forbidden = [
        (flags & CHECKSUM != 0, Event::GreVersion1Chksum),
        (flags & ROUTING != 0, Event::GreVersion1Route),
        (flags & STRICT_ROUTE != 0, Event::GreVersion1Ssr),
        (flags & RECURSION_MASK != 0, Event::GreVersion1Recur),
        (flags_version & RESERVED_MASK != 0, Event::GreVersion1Flags),
        (protocol != PPP, Event::GreVersion1WrongProtocol),
        (flags & KEY == 0, Event::GreVersion1NoKey),
    ];
    if let Some(&(_, event)) = forbidden.iter().find(|(found, _)| *found) {
        return Err(event);
    }
    let sequence = usize::from(flags & SEQUENCE != 0);
    let acknowledgement = usize::from(flags_version & ACKNOWLEDGEMENT != 0);
    let header_len = HEADER_LEN + 4 * (1 + sequence + acknowledgement);
    if header_len > view.len() { Err(Event::GreVersion1HdrTooBig) } else { Ok(()) }
}
