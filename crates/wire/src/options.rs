//! How to decode: limits, and which tunnels are looked for on which UDP ports.

/// How to decode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeOptions {
    /// A packet with this many headers is given up (`decoder.max-layers`), those of the tunnels around it counted.
    pub max_layers: u8,
    /// Whether an IP packet of a protocol that is not decoded, and the outside of GRE, EtherIP and their like, belongs to
    /// a flow ([`crate::Transport::Other`]) or, as in Suricata, to none. IGMP belongs to none in either case.
    pub flow_for_every_protocol: bool,
    /// Whether encapsulations are opened that Suricata leaves closed: VXLAN-GPE, GTP-U, GUE, FOU, L2TP, EtherIP, MPLS in IP
    /// and UDP and GRE, ERSPAN III, AH over IPv4, Teredo with authentication, LLC with SNAP, and GRE and IPv6 behind IPv6 extension headers. Each
    /// on its assigned port.
    pub beyond_suricata: bool,
    /// Tunnels whose ports can be chosen.
    pub tunnels: TunnelOptions,
}

impl DecodeOptions {
    /// What Suricata does, no more.
    pub const SURICATA: Self = Self {
        max_layers: 16,
        flow_for_every_protocol: false,
        beyond_suricata: false,
        tunnels: TunnelOptions::DEFAULT,
    };
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { flow_for_every_protocol: true, beyond_suricata: true, ..Self::SURICATA }
    }
}

/// On which ports tunnels over UDP are looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TunnelOptions {
    /// Teredo (`decoder.teredo`): source or destination port. Any port by default, since it has none of its own.
    pub teredo: TunnelPorts,
    /// Geneve (`decoder.geneve`): source or destination port, 6081 by default.
    pub geneve: TunnelPorts,
    /// VXLAN (`decoder.vxlan`): destination port, 4789 by default.
    pub vxlan: TunnelPorts,
    /// Which VXLAN headers count as such (`decoder.vxlan.reserved-bits-check`).
    pub vxlan_reserved: ReservedBits,
    /// Foo over UDP, bare IP in UDP: source or destination port. None by default, since it has none of its own and nothing
    /// by which it can be told. Opened only with [`DecodeOptions::beyond_suricata`].
    pub fou: TunnelPorts,
}

impl TunnelOptions {
    /// The ports that are assigned.
    pub const DEFAULT: Self = Self {
        teredo: TunnelPorts::Any,
        geneve: TunnelPorts::only(6081),
        vxlan: TunnelPorts::only(4789),
        vxlan_reserved: ReservedBits::Strict,
        fou: TunnelPorts::Off,
    };
}

impl Default for TunnelOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What is asked of the bits of a header that are reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReservedBits {
    /// All are zero.
    Strict,
    /// They may be anything: extensions (group policy, say) use them.
    Permissive,
}

/// On which UDP ports a tunnel is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TunnelPorts {
    /// On none: it is not looked for.
    Off,
    /// On every port.
    Any,
    /// On these.
    Only(PortList),
}

impl TunnelPorts {
    /// One port.
    #[must_use]
    pub const fn only(port: u16) -> Self {
        Self::Only(PortList { ports: [port; PortList::MAX] })
    }

    /// Whether the tunnel is looked for on `port`.
    #[inline]
    #[must_use]
    pub const fn has(&self, port: u16) -> bool {
        match self {
            Self::Off => false,
            Self::Any => true,
            Self::Only(list) => list.has(port),
        }
    }
}

/// One to four ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortList {
    /// Places that are not needed repeat the first.
    ports: [u16; Self::MAX],
}

impl PortList {
    /// How many there can be; the limit is Suricata's.
    pub const MAX: usize = 4;

    /// A list of these ports; `None` for no port or more than [`PortList::MAX`].
    #[must_use]
    pub fn new(ports: &[u16]) -> Option<Self> {
        let mut list = Self { ports: [*ports.first()?; Self::MAX] };
        list.ports.get_mut(..ports.len())?.copy_from_slice(ports);
        Some(list)
    }

    /// Whether `port` is among them.
    #[inline]
    #[must_use]
    pub const fn has(&self, port: u16) -> bool {
        let [a, b, c, d] = self.ports;
        a == port || b == port || c == port || d == port
    }

    /// The ports; some may come more than once.
    pub(crate) const fn ports(&self) -> [u16; Self::MAX] {
        self.ports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_the_ports_it_was_given_and_at_most_four() {
        let list = PortList::new(&[8472, 4789]).expect("two ports");
        assert!(list.has(8472) && list.has(4789) && !list.has(0));
        assert_eq!((PortList::new(&[]), PortList::new(&[1, 2, 3, 4, 5])), (None, None));
        assert!(PortList::new(&[1, 2, 3, 0]).expect("four ports").has(0));
        assert!(TunnelPorts::Any.has(7) && !TunnelPorts::Off.has(7) && !TunnelPorts::only(6).has(7));
    }
}
