//! ICMP over IPv4 (RFC 792, RFC 1256, RFC 950).

use crate::context::{Context, Ip};
use crate::decoder::Step;
use crate::view::View;
use crate::{Event, Icmp, Quoted, Transport, quoted};

pub(crate) const PROTOCOL: u8 = 1;
const HEADER_LEN: usize = 8;
const TIMESTAMP_LEN: usize = HEADER_LEN + 12;

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const SOURCE_QUENCH: u8 = 4;
const REDIRECT: u8 = 5;
const ECHO: u8 = 8;
const ROUTER_ADVERTISEMENT: u8 = 9;
const ROUTER_SOLICITATION: u8 = 10;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;
const TIMESTAMP: u8 = 13;
const TIMESTAMP_REPLY: u8 = 14;
const INFORMATION: u8 = 15;
const INFORMATION_REPLY: u8 = 16;
const ADDRESS_MASK: u8 = 17;
const ADDRESS_MASK_REPLY: u8 = 18;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    cx.counters.layers.icmpv4 += 1;
    let Some(&[kind, code, _, _, count, entry_len, _, _]) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::Icmpv4PktTooSmall);
    };
    let code_max = match kind {
        UNREACHABLE => 15,
        REDIRECT => 3,
        TIME_EXCEEDED => 1,
        ROUTER_ADVERTISEMENT => u8::MAX,
        _ => 0,
    };
    match kind {
        ECHO_REPLY
        | ECHO
        | INFORMATION..=ADDRESS_MASK_REPLY
        | TIMESTAMP
        | TIMESTAMP_REPLY
        | ROUTER_ADVERTISEMENT
        | UNREACHABLE..=REDIRECT
        | TIME_EXCEEDED
        | PARAMETER_PROBLEM => {
            if code > code_max {
                cx.note(Event::Icmpv4UnknownCode);
            }
        }
        _ => cx.note(Event::Icmpv4UnknownType),
    }
    let least_len = match kind {
        TIMESTAMP | TIMESTAMP_REPLY => TIMESTAMP_LEN,
        ROUTER_ADVERTISEMENT => HEADER_LEN + usize::from(count) * usize::from(entry_len) * 4,
        _ => HEADER_LEN,
    };
    if view.len() < least_len {
        cx.note(Event::Icmpv4Ipv4TruncPkt);
    }
    let is_error = matches!(kind, UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM);
    let quoted = if is_error { quoted(cx, kind, code <= code_max, view.skip(HEADER_LEN)) } else { None };
    let icmp = Icmp { kind, code, counterpart: counterpart(kind), is_error, quoted };
    cx.flow(ip, Transport::Icmp4(icmp), view)
}

fn quoted(cx: &mut Context<'_>, kind: u8, code_known: bool, quote: View<'_>) -> Option<Quoted> {
    // A message with bad IP options speaks for no flow.
    if cx.is_invalid() {
        return None;
    }
    // Only of a source quench is a quote demanded.
    if quote.len() == 0 && kind != SOURCE_QUENCH {
        return None;
    }
    quoted::ipv4(quote).unwrap_or_else(|event| {
        // Suricata does not look at what comes with an unknown code.
        if code_known {
            cx.fault(event);
        }
        None
    })
}

/// The type that answers `kind`.
pub(crate) fn counterpart(kind: u8) -> Option<u8> {
    Some(match kind {
        ECHO => ECHO_REPLY,
        ECHO_REPLY => ECHO,
        TIMESTAMP => TIMESTAMP_REPLY,
        TIMESTAMP_REPLY => TIMESTAMP,
        INFORMATION => INFORMATION_REPLY,
        INFORMATION_REPLY => INFORMATION,
        ROUTER_SOLICITATION => ROUTER_ADVERTISEMENT,
        ROUTER_ADVERTISEMENT => ROUTER_SOLICITATION,
        ADDRESS_MASK => ADDRESS_MASK_REPLY,
        ADDRESS_MASK_REPLY => ADDRESS_MASK,
        _ => return None,
    })
}
