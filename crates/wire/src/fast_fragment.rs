//! The common fragment in a straight line: Ethernet, at most one VLAN tag, an IPv4 header without options, or an IPv6 header
//! that the fragment header follows.
//!
//! As [`crate::fast`], it either decodes the whole frame, and then exactly as the walk would, or touches nothing. A flood of
//! fragments is an attack to be survived: with the walk it took a fifth more instructions (`benches/instructions`,
//! fragments).

use crate::view::be16;
use crate::{
    Address, DecodeCounters, Fragment, IpVersion, Macs, Tunnel, VlanTags, ethernet, ethertype, ipv4, ipv6, ipv6_ext,
    vlan,
};

#[inline]
pub(crate) fn decode(counters: &mut DecodeCounters, data: &[u8], wire_len: u32) -> Option<Fragment> {
    let missing = (wire_len as usize).saturating_sub(data.len());
    let (header, rest) = data.split_first_chunk::<{ ethernet::HEADER_LEN }>()?;
    let (_, kind) = ethernet::fields(header);
    let (kind, vlan, rest) = match kind {
        ethertype::VLAN => {
            let (&[id_hi, id_lo, hi, lo], rest) = rest.split_first_chunk::<{ vlan::HEADER_LEN }>()?;
            let ids = [be16(id_hi, id_lo) & vlan::ID_MASK, 0, 0];
            (be16(hi, lo), VlanTags { ids, count: 1 }, rest)
        }
        kind => (kind, VlanTags::default(), rest),
    };
    let link = Link { header, vlan };
    match kind {
        ethertype::IPV4 => of_v4(counters, link, rest, missing),
        ethertype::IPV6 => of_v6(counters, link, rest, missing),
        _ => None,
    }
}

/// What comes before the IP header.
#[derive(Clone, Copy)]
struct Link<'a> {
    header: &'a [u8; ethernet::HEADER_LEN],
    vlan: VlanTags,
}

impl Link<'_> {
    #[inline]
    fn macs(&self) -> Macs {
        ethernet::fields(self.header).0
    }
    const fn len(&self) -> u32 {
        (ethernet::HEADER_LEN + self.vlan.count as usize * vlan::HEADER_LEN) as u32
    }
    const fn count(&self, counters: &mut DecodeCounters) {
        counters.layers.ethernet += 1;
        counters.layers.vlan += self.vlan.count as u64;
    }
    /// Headers up to the IP header, that one too.
    const fn layers(&self) -> u8 {
        2 + self.vlan.count
    }
}

/// `missing` is how many bytes the capture cut from the end of the frame.
#[inline]
fn of_v4(counters: &mut DecodeCounters, link: Link<'_>, data: &[u8], missing: usize) -> Option<Fragment> {
    let (header, rest) = data.split_first_chunk::<{ ipv4::HEADER_LEN }>()?;
    let &[version_len, _, len_hi, len_lo, id_hi, id_lo, frag_hi, frag_lo, ttl, protocol, _, _, ref addresses @ ..] =
        header;
    let payload_len = usize::from(be16(len_hi, len_lo)).checked_sub(ipv4::HEADER_LEN)?;
    let word = be16(frag_hi, frag_lo);
    if version_len != ipv4::VERSION_4_WITHOUT_OPTIONS
        || word & ipv4::FRAGMENT_MASK == 0
        || payload_len > rest.len() + missing
    {
        return None;
    }
    let ([src, dst], []) = addresses.as_chunks() else { return None };
    counters.layers.ipv4 += 1;
    counters.fragments.ipv4 += 1;
    link.count(counters);
    Some(Fragment {
        ip_version: IpVersion::V4,
        src: Address::v4(*src),
        dst: Address::v4(*dst),
        id: u32::from(be16(id_hi, id_lo)),
        offset: u32::from(word & ipv4::OFFSET_MASK) * 8,
        more: word & ipv4::MORE_FRAGMENTS != 0,
        vlan: link.vlan,
        protocol,
        ip_offset: link.len(),
        payload_offset: link.len() + ipv4::HEADER_LEN as u32,
        payload_len: payload_len as u32,
        protocol_offset: link.len() + ipv4::PROTOCOL_AT,
        link_len: link.len(),
        ttl,
        layers: link.layers(),
        macs: Some(link.macs()),
        recursion: 0,
        tunnel: Tunnel::NONE,
    })
}

/// The same over IPv6. A datagram that is whole in spite of its fragment header is left to the walk, as is what raises an
/// event.
#[inline]
fn of_v6(counters: &mut DecodeCounters, link: Link<'_>, data: &[u8], missing: usize) -> Option<Fragment> {
    let (header, rest) = data.split_first_chunk::<{ ipv6::HEADER_LEN }>()?;
    let &[version_class, _, _, _, len_hi, len_lo, next_header, hop_limit, ref addresses @ ..] = header;
    let (&[protocol, reserved, hi, lo, ref id @ ..], rest) =
        rest.split_first_chunk::<{ ipv6_ext::FRAGMENT_HEADER_LEN }>()?;
    let payload_len = usize::from(be16(len_hi, len_lo)).checked_sub(ipv6_ext::FRAGMENT_HEADER_LEN)?;
    let word = be16(hi, lo);
    let (offset, more) = (word & ipv6_ext::FRAGMENT_OFFSET_MASK, word & 1 != 0);
    if version_class >> 4 != 6
        || next_header != ipv6_ext::FRAGMENT
        || reserved != 0
        || (offset == 0 && !more)
        || (more && !payload_len.is_multiple_of(8))
        || payload_len > rest.len() + missing
    {
        return None;
    }
    counters.layers.ipv6 += 1;
    counters.fragments.ipv6 += 1;
    link.count(counters);
    let (src, dst) = ipv6::split_addresses(addresses);
    let headers_len = ipv6::HEADER_LEN + ipv6_ext::FRAGMENT_HEADER_LEN;
    Some(Fragment {
        ip_version: IpVersion::V6,
        src,
        dst,
        id: u32::from_be_bytes(*id),
        offset: u32::from(offset),
        more,
        vlan: link.vlan,
        protocol,
        ip_offset: link.len(),
        payload_offset: link.len() + headers_len as u32,
        payload_len: payload_len as u32,
        protocol_offset: link.len() + ipv6::NEXT_HEADER_AT,
        link_len: link.len(),
        ttl: hop_limit,
        macs: Some(link.macs()),
        recursion: 0,
        layers: link.layers(),
        tunnel: Tunnel::NONE,
    })
}
