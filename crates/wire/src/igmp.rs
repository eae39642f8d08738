//! IGMP (RFC 2236, RFC 3376). Checked and counted; it belongs to no flow.

use crate::context::Context;
use crate::decoder::Step;
use crate::view::{View, be16};
use crate::{Event, NonFlow};

pub(crate) const PROTOCOL: u8 = 2;

const HEADER_LEN: usize = 8;
const QUERY_V3_LEN: usize = 12;
const GROUP_RECORD_LEN: usize = 8;
const QUERY: u8 = 0x11;
const REPORT_V3: u8 = 0x22;
/// Sources that fit the largest datagram: 65,535 bytes less an IPv4 header with router alert and the query.
const SOURCES_MAX: usize = (65_535 - 24 - QUERY_V3_LEN) / 4;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.igmp += 1;
    let Some(&[kind, _, _, _, _, _, groups_hi, groups_lo]) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::IgmpPktTooSmall);
    };
    let checked = match kind {
        QUERY => check_query(view),
        REPORT_V3 => check_report(be16(groups_hi, groups_lo), view.skip(HEADER_LEN)),
        _ => Ok(()),
    };
    match checked {
        Ok(()) => cx.non_flow(NonFlow::Igmp),
        Err(event) => cx.invalid(event),
    }
}

/// A query of version 3 is known by its length (RFC 3376 §7.1).
fn check_query(view: View<'_>) -> Result<(), Event> {
    let Some(&[.., sources_hi, sources_lo]) = view.header::<QUERY_V3_LEN>() else { return Ok(()) };
    let sources = usize::from(be16(sources_hi, sources_lo));
    if sources > SOURCES_MAX {
        Err(Event::IgmpMalformed)
    } else if view.len() < QUERY_V3_LEN + sources * 4 {
        Err(Event::IgmpV3PktTooSmall)
    } else {
        Ok(())
    }
}

/// RFC 3376 §4.2. Every record has eight bytes at least, so a report ends with its bytes.
fn check_report(groups: u16, mut rest: View<'_>) -> Result<(), Event> {
    for _ in 0..groups {
        let Some(&[_, auxiliary_len, sources_hi, sources_lo, ..]) = rest.header::<GROUP_RECORD_LEN>() else {
            return if rest.is_snapped() && rest.len() >= GROUP_RECORD_LEN {
                Ok(())
            } else {
                Err(Event::IgmpV3PktTooSmall)
            };
        };
        let words = usize::from(auxiliary_len) + usize::from(be16(sources_hi, sources_lo));
        rest = rest.skip(GROUP_RECORD_LEN);
        if rest.len() < words * 4 {
            return Err(Event::IgmpMalformed);
        }
        rest = rest.skip(words * 4);
    }
    Ok(())
}
