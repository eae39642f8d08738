//! What the kernel says of an interface's hardware, as a link type.
//!
//! Only Ethernet is taken with its header. Everything else is taken from the network header on, which the kernel has found
//! already: tunnels and tun devices have no header at all, PPP has lost its own by then, and what others put in front
//! differs from driver to driver.

use flumen_model::LinkType;

/// Where a packet begins for us, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// At its link header.
    Link(LinkType),
    /// At its network header.
    Network(LinkType),
}

/// By ARP hardware type and Ethernet protocol number of the packet.
pub(super) const fn begin(hardware: u16, protocol: u16) -> Begin {
    match (hardware, protocol) {
        (libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK, _) => Begin::Link(LinkType::Ethernet),
        (_, IPV4 | IPV6) | (libc::ARPHRD_NONE | RAW_IP, _) => Begin::Network(LinkType::Raw),
        _ => Begin::Link(LinkType::Unsupported),
    }
}

/// What the filter of a socket finds at the beginning of every frame of an interface, by its ARP hardware type; `None` when
/// that is not the same for all, or not known.
pub(super) const fn of_filter(hardware: u16) -> Option<LinkType> {
    match hardware {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Some(LinkType::Ethernet),
        libc::ARPHRD_NONE | RAW_IP | libc::ARPHRD_PPP => Some(LinkType::Raw),
        _ => None,
    }
}

const IPV4: u16 = libc::ETH_P_IP as u16;
const IPV6: u16 = libc::ETH_P_IPV6 as u16;
/// `ARPHRD_RAWIP` (linux/if_arp.h).
pub(super) const RAW_IP: u16 = 519;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_type_then_where_packets_begin() {
        const ARP: u16 = 0x0806;
        assert_eq!(begin(libc::ARPHRD_ETHER, ARP), Begin::Link(LinkType::Ethernet));
        assert_eq!(begin(libc::ARPHRD_LOOPBACK, IPV6), Begin::Link(LinkType::Ethernet));
        assert_eq!(begin(libc::ARPHRD_NONE, 0), Begin::Network(LinkType::Raw), "a tun device need not say");
        assert_eq!(begin(libc::ARPHRD_PPP, IPV4), Begin::Network(LinkType::Raw));
        assert_eq!(begin(libc::ARPHRD_IPGRE, IPV6), Begin::Network(LinkType::Raw));
        assert_eq!(begin(libc::ARPHRD_IEEE80211, ARP), Begin::Link(LinkType::Unsupported));
    }
}
