//! A datagram that is whole again.

use flumen_pbuf::PbufChain;
use flumen_wire::{Fragment, IpVersion};

/// A datagram put together from its fragments.
#[derive(Debug)]
pub struct Datagram {
    /// The IP header as it would have been without fragmentation: see [`Datagram::header`].
    header: Vec<u8>,
    /// The payload: views of the fragments' buffers, in order.
    pub chain: PbufChain,
    /// The fragment that brought the first byte: its header, link layer, tunnel and depth are the datagram's. Offsets
    /// are those in its frame. The datagram's time is that of the fragment that completed it.
    pub first: Fragment,
    /// How many fragments it came in, repeated ones counted.
    pub fragments: u32,
}

/// The datagram would exceed 65,535 bytes with the header that it turned out to have.
#[derive(Debug)]
pub(super) struct TooLarge;

impl Datagram {
    /// `header` is that of the fragment `first`.
    pub(super) fn new(
        first: Fragment,
        mut header: Vec<u8>,
        chain: PbufChain,
        fragments: u32,
    ) -> Result<Self, TooLarge> {
        match first.ip_version {
            IpVersion::V4 => whole_v4(&mut header, chain.len())?,
            IpVersion::V6 => {
                let next_header_at = first.protocol_offset.saturating_sub(first.ip_offset);
                whole_v6(&mut header, chain.len(), next_header_at as usize, first.protocol)?;
            }
        }
        Ok(Self { header, chain, first, fragments })
    }

    /// The header, from the first byte of the IP header to the payload.
    ///
    /// IPv4: the first fragment's, with its options, the total length set, offset and flags zero, and the checksum changed
    /// by as much (so that a wrong one stays wrong; RFC 1624). IPv6: the first fragment's without the fragment header, the
    /// payload length set, and the header before it announcing what the fragment header announced.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.header
    }
    /// Bytes of header and payload: 65,535, or with IPv6 40 more, at most.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.header.len() + self.chain.len()
    }
    /// Never: there is always a header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Copies header and payload to `scratch`, in place of what is there: the one copy that contiguous bytes take.
    pub fn write_to(&self, scratch: &mut Vec<u8>) {
        scratch.clear();
        scratch.reserve(self.len());
        scratch.extend_from_slice(&self.header);
        self.chain.iter().for_each(|part| scratch.extend_from_slice(part));
    }
}

/// IPv4 header, with its options, of a datagram with `payload_len` bytes behind it.
fn whole_v4(header: &mut [u8], payload_len: usize) -> Result<(), TooLarge> {
    const LENGTH_AT: usize = 2;
    const FRAGMENT_AT: usize = 6;
    const CHECKSUM_AT: usize = 10;
    let total = u16::try_from(header.len() + payload_len).map_err(|_| TooLarge)?;
    // RFC 1624 equation 3: the complement of the sum changes by the complements of what went and by what came.
    let mut sum = u32::from(!word(header, CHECKSUM_AT));
    for (at, value) in [(LENGTH_AT, total), (FRAGMENT_AT, 0)] {
        sum += u32::from(!word(header, at)) + u32::from(value);
        set_word(header, at, value);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    set_word(header, CHECKSUM_AT, !(sum as u16));
    Ok(())
}

/// IPv6 header with its extensions up to and with the fragment header, which goes.
fn whole_v6(header: &mut Vec<u8>, payload_len: usize, next_header_at: usize, protocol: u8) -> Result<(), TooLarge> {
    const LENGTH_AT: usize = 4;
    header.truncate(header.len() - FRAGMENT_HEADER_LEN);
    let behind = header.len() - IPV6_HEADER_LEN + payload_len;
    let length = u16::try_from(behind).map_err(|_| TooLarge)?;
    set_word(header, LENGTH_AT, length);
    if let Some(next_header) = header.get_mut(next_header_at) {
        *next_header = protocol;
    }
    Ok(())
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}
fn set_word(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// Fewest bytes from the IP header to the payload of a fragment.
pub(super) const fn header_len_min(version: IpVersion) -> usize {
    match version {
        IpVersion::V4 => 20,
        IpVersion::V6 => IPV6_HEADER_LEN + FRAGMENT_HEADER_LEN,
    }
}

/// Bytes of the header that count towards the 65,535 that the length field can say.
pub(super) const fn counted_header_len(version: IpVersion, header_len: u32) -> u32 {
    match version {
        IpVersion::V4 => header_len,
        IpVersion::V6 => header_len.saturating_sub((IPV6_HEADER_LEN + FRAGMENT_HEADER_LEN) as u32),
    }
}

const IPV6_HEADER_LEN: usize = 40;
/// RFC 8200 §4.5.
const FRAGMENT_HEADER_LEN: usize = 8;
