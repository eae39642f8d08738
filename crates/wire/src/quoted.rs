//! The start of a packet that an ICMP error message quotes.
//!
//! `Err` is an event: the quote is not even an IP header. `Ok(None)` is a quote that names no flow: a fragment that is not
//! the first, too few bytes, or bytes that the capture cut.

use crate::view::{View, be16};
use crate::{Address, Event, Ports, Quoted, esp, icmpv4, icmpv6, ipv4, ipv6 as v6, ipv6_ext, sctp, tcp, udp};

pub(crate) fn ipv4(quote: View<'_>) -> Result<Option<Quoted>, Event> {
    if quote.len() < ipv4::HEADER_LEN {
        return Err(Event::Icmpv4Ipv4TruncPkt);
    }
    let Some(header) = quote.header::<{ ipv4::HEADER_LEN }>() else { return Ok(None) };
    let &[version_len, _, _, _, _, _, frag_hi, frag_lo, _, protocol, _, _, a, b, c, d, e, f, g, h] = header;
    if version_len >> 4 != 4 {
        return Err(Event::Icmpv4Ipv4UnknownVer);
    }
    let header_len = usize::from(version_len & 0x0f) * 4;
    if header_len < ipv4::HEADER_LEN || be16(frag_hi, frag_lo) & ipv4::OFFSET_MASK != 0 {
        return Ok(None);
    }
    let (src, dst) = (Address::v4([a, b, c, d]), Address::v4([e, f, g, h]));
    Ok(ports(protocol, quote.skip(header_len)).map(|ports| Quoted { src, dst, protocol, ports }))
}

pub(crate) fn ipv6(quote: View<'_>) -> Result<Option<Quoted>, Event> {
    if quote.len() < v6::HEADER_LEN {
        return Err(Event::Icmpv6Ipv6TruncPkt);
    }
    let Some(header) = quote.header::<{ v6::HEADER_LEN }>() else { return Ok(None) };
    let &[version_class, _, _, _, _, _, first, _, ref addresses @ ..] = header;
    if version_class >> 4 != 6 {
        return Err(Event::Icmpv6Ipv6UnknownVersion);
    }
    let (src, dst) = v6::split_addresses(addresses);
    let Some((protocol, transport)) = ipv6_ext::behind(first, quote.skip(v6::HEADER_LEN)) else { return Ok(None) };
    Ok(ports(protocol, transport).map(|ports| Quoted { src, dst, protocol, ports }))
}

/// What stands for ports in the key of the quoted packet's flow, if the quote holds it: the first four bytes of most, but
/// a whole header of UDP.
fn ports(protocol: u8, transport: View<'_>) -> Option<Ports> {
    let first = || transport.header::<4>().map(|&[a, b, c, d]| (be16(a, b), be16(c, d)));
    let (src, dst) = match protocol {
        udp::PROTOCOL if transport.data().len() < udp::HEADER_LEN => return None,
        tcp::PROTOCOL | sctp::PROTOCOL | udp::PROTOCOL | esp::PROTOCOL => first()?,
        icmpv4::PROTOCOL => {
            let &[kind] = transport.header()?;
            (u16::from(kind), icmpv4::counterpart(kind).map_or(0, u16::from))
        }
        icmpv6::PROTOCOL => {
            let &[kind, code] = transport.header()?;
            (be16(kind, code), icmpv6::counterpart(kind).map_or(0, |kind| be16(kind, 0)))
        }
        _ => (0, 0),
    };
    Some(Ports { src, dst })
}
