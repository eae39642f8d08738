//! What a decoder counts: one set a worker, merged when it is read.

use crate::Event;

macro_rules! counters {
    ($(#[$meta:meta])* $Type:ident { $($(#[$doc:meta])* $field:ident = $name:literal $merge:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        pub struct $Type { $($(#[$doc])* pub $field: u64,)* }

        impl $Type {
            /// Names and values, in the order of the `stats` event.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$(($name, self.$field),)*].into_iter()
            }

            fn merge(&mut self, other: &Self) {
                $(self.$field = $merge(self.$field, other.$field);)*
            }
        }
    };
}

/// Counters of one decoder. Every layer that is seen counts, those inside tunnels too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecodeCounters {
    /// Frames and protocols.
    pub layers: LayerCounters,
    /// SCTP packets by the chunks they hold.
    pub sctp: SctpCounters,
    /// Encapsulations that Suricata leaves closed.
    pub beyond: BeyondCounters,
    /// Fragments of IP datagrams.
    pub fragments: FragmentCounters,
    /// Raised events, by [`Event`] as index.
    pub events: [u64; Event::COUNT],
}

counters! {
    /// Frames by protocol. A packet counts once for each header of a protocol.
    LayerCounters {
        /// Frames decoded.
        pkts = "decoder.pkts" sum,
        /// Their captured bytes.
        bytes = "decoder.bytes" sum,
        /// Frames with an error that makes them invalid in Suricata's sense. Some of them still belong to a flow
        /// (a bad option), and some that belong to none are not among them (an unknown type).
        invalid = "decoder.invalid" sum,
        /// IPv4 headers.
        ipv4 = "decoder.ipv4" sum,
        /// IPv6 headers.
        ipv6 = "decoder.ipv6" sum,
        /// Ethernet headers.
        ethernet = "decoder.ethernet" sum,
        /// ARP packets.
        arp = "decoder.arp" sum,
        /// Frames of an Ethernet type that is not decoded.
        unknown_ethertype = "decoder.unknown_ethertype" sum,
        /// Cisco HDLC frames.
        chdlc = "decoder.chdlc" sum,
        /// Frames that begin with an IP header.
        raw = "decoder.raw" sum,
        /// BSD loopback frames.
        null = "decoder.null" sum,
        /// Linux cooked frames.
        sll = "decoder.sll" sum,
        /// Linux cooked frames, version 2.
        sll2 = "decoder.sll2" sum,
        /// TCP segments.
        tcp = "decoder.tcp" sum,
        /// UDP datagrams.
        udp = "decoder.udp" sum,
        /// SCTP packets.
        sctp = "decoder.sctp" sum,
        /// ESP packets.
        esp = "decoder.esp" sum,
        /// ICMP messages over IPv4.
        icmpv4 = "decoder.icmpv4" sum,
        /// ICMP messages over IPv6.
        icmpv6 = "decoder.icmpv6" sum,
        /// IGMP messages.
        igmp = "decoder.igmp" sum,
        /// PPP frames.
        ppp = "decoder.ppp" sum,
        /// PPPoE frames, of a session and of discovery.
        pppoe = "decoder.pppoe" sum,
        /// Geneve tunnels.
        geneve = "decoder.geneve" sum,
        /// GRE headers.
        gre = "decoder.gre" sum,
        /// First VLAN tags.
        vlan = "decoder.vlan" sum,
        /// Second VLAN tags.
        vlan_qinq = "decoder.vlan_qinq" sum,
        /// Third VLAN tags.
        vlan_qinqinq = "decoder.vlan_qinqinq" sum,
        /// VXLAN tunnels.
        vxlan = "decoder.vxlan" sum,
        /// VN-Tags.
        vntag = "decoder.vntag" sum,
        /// E-Tags.
        etag = "decoder.etag" sum,
        /// Provider backbone headers.
        ieee8021ah = "decoder.ieee8021ah" sum,
        /// Teredo tunnels.
        teredo = "decoder.teredo" sum,
        /// Tunnels of IPv4 in IPv4.
        ipv4_in_ipv4 = "decoder.ipv4_in_ipv4" sum,
        /// Tunnels of IPv6 in IPv4.
        ipv6_in_ipv4 = "decoder.ipv6_in_ipv4" sum,
        /// Tunnels of IPv4 in IPv6.
        ipv4_in_ipv6 = "decoder.ipv4_in_ipv6" sum,
        /// Tunnels of IPv6 in IPv6.
        ipv6_in_ipv6 = "decoder.ipv6_in_ipv6" sum,
        /// MPLS label stacks.
        mpls = "decoder.mpls" sum,
        /// Mean captured length of a frame. Derived: [`DecodeCounters::iter`] computes it, the field stays zero.
        avg_pkt_size = "decoder.avg_pkt_size" sum,
        /// Captured length of the longest frame.
        max_pkt_size = "decoder.max_pkt_size" max,
        /// Most source MAC addresses seen on one flow. Kept by whoever tracks flows.
        max_mac_addrs_src = "decoder.max_mac_addrs_src" max,
        /// Most destination MAC addresses seen on one flow. Kept by whoever tracks flows.
        max_mac_addrs_dst = "decoder.max_mac_addrs_dst" max,
        /// ERSPAN headers.
        erspan = "decoder.erspan" sum,
        /// Network service headers.
        nsh = "decoder.nsh" sum,
    }
}

counters! {
    /// SCTP packets by the chunks they hold; a packet counts once for each kind.
    SctpCounters {
        /// With an INIT.
        init = "sctp.init" sum,
        /// With an INIT ACK.
        init_ack = "sctp.init_ack" sum,
        /// With DATA.
        data = "sctp.data" sum,
        /// With an ABORT.
        abort = "sctp.abort" sum,
        /// With a SHUTDOWN.
        shutdown = "sctp.shutdown" sum,
    }
}

counters! {
    /// Encapsulations that Suricata leaves closed, and so does not count. They stay at zero without
    /// [`crate::DecodeOptions::beyond_suricata`], but for AH in IPv6.
    BeyondCounters {
        /// VXLAN-GPE headers.
        vxlan_gpe = "decoder.vxlan_gpe" sum,
        /// GTP-U headers, of signalling too.
        gtpu = "decoder.gtpu" sum,
        /// GUE headers.
        gue = "decoder.gue" sum,
        /// IP packets in FOU.
        fou = "decoder.fou" sum,
        /// L2TP headers of either version, of control messages too.
        l2tp = "decoder.l2tp" sum,
        /// EtherIP headers.
        etherip = "decoder.etherip" sum,
        /// Authentication headers.
        ah = "decoder.ah" sum,
        /// LLC headers.
        llc = "decoder.llc" sum,
        /// WireGuard messages.
        wireguard = "decoder.wireguard" sum,
    }
}

counters! {
    /// Fragments of IP datagrams, as they are handed to defragmentation.
    FragmentCounters {
        /// Over IPv4.
        ipv4 = "defrag.ipv4.fragments" sum,
        /// Over IPv6.
        ipv6 = "defrag.ipv6.fragments" sum,
    }
}

impl Default for DecodeCounters {
    fn default() -> Self {
        Self {
            layers: LayerCounters::default(),
            sctp: SctpCounters::default(),
            beyond: BeyondCounters::default(),
            fragments: FragmentCounters::default(),
            events: [0; Event::COUNT],
        }
    }
}

impl DecodeCounters {
    /// How often `event` was raised.
    #[must_use]
    pub const fn event(&self, event: Event) -> u64 {
        self.events[event as usize]
    }

    /// Counts one `event` that was found outside of the decoder (by defragmentation, by a capture).
    pub fn count(&mut self, event: Event) {
        self.events[event as usize] += 1;
    }

    /// Names and values of the `decoder` object of the `stats` event, in its order. SCTP chunks stand in an object of
    /// their own there: see [`DecodeCounters::sctp`].
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let mut layers = self.layers;
        layers.avg_pkt_size = layers.bytes.checked_div(layers.pkts).unwrap_or(0);
        let events = Event::ALL.into_iter().filter(|event| event.in_stats());
        layers.iter().chain(events.map(|event| (event.name(), self.event(event))))
    }

    /// Adds what another worker counted.
    pub fn merge(&mut self, other: &Self) {
        self.layers.merge(&other.layers);
        self.sctp.merge(&other.sctp);
        self.beyond.merge(&other.beyond);
        self.fragments.merge(&other.fragments);
        for (mine, theirs) in self.events.iter_mut().zip(&other.events) {
            *mine += theirs;
        }
    }
}

fn sum(a: u64, b: u64) -> u64 {
    a.wrapping_add(b)
}

fn max(a: u64, b: u64) -> u64 {
    a.max(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_adds_counts_and_keeps_maxima() {
        let mut a = DecodeCounters::default();
        a.layers.pkts = 2;
        a.layers.bytes = 300;
        a.layers.max_pkt_size = 200;
        a.count(Event::TcpOptDuplicate);
        let mut b = DecodeCounters::default();
        b.layers.pkts = 1;
        b.layers.bytes = 60;
        b.layers.max_pkt_size = 60;
        b.sctp.init = 1;
        b.count(Event::TcpOptDuplicate);
        a.merge(&b);
        let value = |name| a.iter().find(|(n, _)| *n == name).map(|(_, v)| v);
        assert_eq!(value("decoder.pkts"), Some(3));
        assert_eq!(value("decoder.avg_pkt_size"), Some(120));
        assert_eq!(value("decoder.max_pkt_size"), Some(200));
        assert_eq!(value("decoder.event.tcp.opt_duplicate"), Some(2));
        assert_eq!(a.sctp.iter().next(), Some(("sctp.init", 1)));
    }

    #[test]
    fn nothing_decoded_has_no_mean() {
        assert!(DecodeCounters::default().iter().all(|(_, value)| value == 0));
        assert_eq!(DecodeCounters::default().iter().count(), 43 + 142);
    }
}
