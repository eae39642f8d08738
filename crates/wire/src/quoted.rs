//! The start of a packet that an ICMP error message quotes.
//!
//! `Err` is an event: the quote is not even an IP header. `Ok(None)` is a quote without a usable tuple: another protocol,
//! a fragment that is not the first, too few bytes for the ports, or bytes that the capture cut.

use crate::view::{View, be16};
use crate::{Address, Event, Ports, Quoted, ipv4, ipv6 as v6, sctp, tcp, udp};

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
    let &[version_class, _, _, _, _, _, protocol, _, ref addresses @ ..] = header;
    if version_class >> 4 != 6 {
        return Err(Event::Icmpv6Ipv6UnknownVersion);
    }
    let (src, dst) = v6::split_addresses(addresses);
    Ok(ports(protocol, quote.skip(v6::HEADER_LEN)).map(|ports| Quoted { src, dst, protocol, ports }))
}

/// Ports, if the quote holds them: the first four bytes of TCP and SCTP, and a whole header of UDP.
fn ports(protocol: u8, transport: View<'_>) -> Option<Ports> {
    let &[s_hi, s_lo, d_hi, d_lo] = transport.header()?;
    let usable = match protocol {
        tcp::PROTOCOL | sctp::PROTOCOL => true,
        udp::PROTOCOL => transport.data().len() >= udp::HEADER_LEN,
        _ => false,
    };
    usable.then_some(Ports { src: be16(s_hi, s_lo), dst: be16(d_hi, d_lo) })
}
