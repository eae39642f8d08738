//! ICMP over IPv6 (RFC 4443), neighbour discovery (RFC 4861), multicast listeners (RFC 2710), and the types that the
//! registry has added since.

use crate::context::{Context, Ip};
use crate::decoder::Step;
use crate::view::View;
use crate::{Event, Icmp, Transport, quoted};

pub(crate) const PROTOCOL: u8 = 58;
const HEADER_LEN: usize = 8;

const UNREACHABLE: u8 = 1;
const PACKET_TOO_BIG: u8 = 2;
const TIME_EXCEEDED: u8 = 3;
const PARAMETER_PROBLEM: u8 = 4;
const ECHO: u8 = 128;
const LISTENER_QUERY: u8 = 130;
const LISTENER_REPORT: u8 = 131;
const LISTENER_DONE: u8 = 132;
const ROUTER_RENUMBERING: u8 = 138;
const NODE_INFORMATION_QUERY: u8 = 139;
const NODE_INFORMATION_REPLY: u8 = 140;
/// Experimental mobility, and the three messages of multicast router discovery: any code.
const ANY_CODE: core::ops::RangeInclusive<u8> = 150..=153;
const RPL: u8 = 155;
const LAST_ASSIGNED: u8 = 159;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    cx.counters.layers.icmpv6 += 1;
    let Some(&[kind, code, ..]) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::Icmpv6PktTooSmall);
    };
    let known = check_type(cx, kind, code);
    if matches!(kind, LISTENER_QUERY | LISTENER_REPORT | LISTENER_DONE) && ip.ttl != 1 {
        cx.note(Event::Icmpv6MldMessageWithInvalidHl);
    }
    let is_error = matches!(kind, UNREACHABLE..=PARAMETER_PROBLEM);
    let quoted = if is_error {
        quoted::ipv6(view.skip(HEADER_LEN)).unwrap_or_else(|event| {
            // Suricata does not look at what comes with an unknown code.
            if known {
                cx.fault(event);
            }
            None
        })
    } else {
        None
    };
    let icmp = Icmp { kind, code, counterpart: counterpart(kind), is_error, quoted };
    cx.flow(ip, Transport::Icmp6(icmp), view)
}

/// Raises the event of an unknown type or code. Answers whether both are known.
fn check_type(cx: &mut Context<'_>, kind: u8, code: u8) -> bool {
    let code_known = match kind {
        UNREACHABLE => code <= 6,
        PACKET_TOO_BIG => code == 0,
        TIME_EXCEEDED => code <= 1,
        PARAMETER_PROBLEM => code <= 2,
        ROUTER_RENUMBERING => code <= 2 || code == 255,
        NODE_INFORMATION_QUERY | NODE_INFORMATION_REPLY => code <= 2,
        RPL => matches!(code, 0..=3 | 128..=132),
        kind if ANY_CODE.contains(&kind) => true,
        ECHO..=LAST_ASSIGNED => code == 0,
        _ => {
            cx.note(match kind {
                100 | 101 | 200 | 201 => Event::Icmpv6ExperimentationType,
                0 | 127 => Event::Icmpv6UnknownType,
                _ => Event::Icmpv6UnassignedType,
            });
            return false;
        }
    };
    if !code_known {
        cx.note(Event::Icmpv6UnknownCode);
    }
    code_known
}

/// The type that answers `kind`. A listener report answers a query; a "done" answers nothing.
pub(crate) fn counterpart(kind: u8) -> Option<u8> {
    /// Echo, listener, router, neighbour, node information, home agent, mobile prefix, certification path, multicast
    /// router, duplicate address.
    const PAIRS: [(u8, u8); 10] = [
        (128, 129),
        (130, 131),
        (133, 134),
        (135, 136),
        (139, 140),
        (144, 145),
        (146, 147),
        (148, 149),
        (151, 152),
        (157, 158),
    ];
    PAIRS.iter().find_map(|&(a, b)| {
        if kind == a {
            Some(b)
        } else if kind == b {
            Some(a)
        } else {
            None
        }
    })
}
