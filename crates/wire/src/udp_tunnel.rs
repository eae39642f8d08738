//! Tunnels over UDP: which of them a datagram may be, by its ports, and by its looks where a tunnel has no port.
//!
//! The outside is a flow of UDP in any case; [`inside`] only finds the packet in it. The fast path asks
//! [`TunnelFilter`] first, and leaves to the walk whatever may be a tunnel.

use crate::context::Context;
use crate::inner::{Inner, InnerKind};
use crate::view::View;
use crate::{DecodeOptions, Ports, Tunnel, TunnelPorts, geneve, gtpu, gue, l2tp, teredo, vxlan, wireguard};

/// RFC 7510.
const MPLS_PORT: u16 = 6635;

/// Ports on which something else than Suricata's tunnels is looked for.
const PORTS_BEYOND: [u16; 6] = [gtpu::PORT, vxlan::GPE_PORT, gue::PORT, l2tp::PORT, MPLS_PORT, wireguard::PORT];

/// The packet inside of a datagram, if it has one. In Suricata looks come before ports; else a port says more.
#[inline(always)]
pub(crate) fn inside(cx: &mut Context<'_>, ports: Ports, payload: View<'_>) -> Option<Inner> {
    let tunnels = &cx.options.tunnels;
    let either = |list: &TunnelPorts| list.has(ports.src) || list.has(ports.dst);
    let (teredo, geneve, vxlan) = (either(&tunnels.teredo), either(&tunnels.geneve), tunnels.vxlan.has(ports.dst));
    if cx.options.beyond_suricata {
        let fou = either(&tunnels.fou);
        // Either end may have the port, and often both do: it is one header all the same.
        let port = if PORTS_BEYOND.contains(&ports.dst) { ports.dst } else { ports.src };
        by_port(cx, geneve, vxlan, payload)
            .or_else(|| beyond(cx, port, payload))
            .or_else(|| if fou { gue::decode_fou(cx, payload) } else { None })
            .or_else(|| if teredo { teredo::decode(cx, payload) } else { None })
    } else {
        let found = if teredo { teredo::decode(cx, payload) } else { None };
        found.or_else(|| by_port(cx, geneve, vxlan, payload))
    }
}

#[inline(always)]
fn by_port(cx: &mut Context<'_>, geneve: bool, vxlan: bool, payload: View<'_>) -> Option<Inner> {
    let found = if geneve { geneve::decode(cx, payload) } else { None };
    found.or_else(|| if vxlan { vxlan::decode(cx, payload) } else { None })
}

/// Tunnels that Suricata leaves closed, by their assigned port.
fn beyond(cx: &mut Context<'_>, port: u16, payload: View<'_>) -> Option<Inner> {
    match port {
        gtpu::PORT => gtpu::decode(cx, payload),
        vxlan::GPE_PORT => vxlan::decode_gpe(cx, payload),
        gue::PORT => gue::decode(cx, payload),
        l2tp::PORT => l2tp::decode_udp(cx, payload),
        MPLS_PORT if payload.len() > 0 => cx.open(InnerKind::Mpls, payload, Tunnel::NONE),
        wireguard::PORT => {
            wireguard::recognise(cx, payload);
            None
        }
        _ => None,
    }
}

/// Says quickly of nearly every datagram that it is no tunnel: one look at two bits and at the first bytes.
#[derive(Clone, Debug)]
pub(crate) struct TunnelFilter {
    /// Bit n is set when a port that is n in its lower ten bits is listed. A port that only looks like one that is listed
    /// costs a walk, no more.
    bits: [u64; Self::WORDS],
    teredo: bool,
    teredo_authenticated: bool,
}

impl TunnelFilter {
    const WORDS: usize = 16;

    pub(crate) fn new(options: &DecodeOptions) -> Self {
        let tunnels = &options.tunnels;
        let mut filter = Self {
            bits: [0; Self::WORDS],
            teredo: tunnels.teredo != TunnelPorts::Off,
            teredo_authenticated: options.beyond_suricata,
        };
        filter.add(tunnels.geneve);
        filter.add(tunnels.vxlan);
        if options.beyond_suricata {
            filter.add(tunnels.fou);
            PORTS_BEYOND.into_iter().for_each(|port| filter.add(TunnelPorts::only(port)));
        }
        filter
    }

    fn add(&mut self, ports: TunnelPorts) {
        match ports {
            TunnelPorts::Off => {}
            TunnelPorts::Any => self.bits = [u64::MAX; Self::WORDS],
            TunnelPorts::Only(list) => {
                list.ports().into_iter().for_each(|port| self.bits[Self::word(port)] |= 1 << (port & 63));
            }
        }
    }

    const fn word(port: u16) -> usize {
        (port >> 6) as usize % Self::WORDS
    }

    /// Whether a datagram may be a tunnel. `payload` is what was captured of `payload_len` bytes.
    #[inline]
    pub(crate) fn passes(&self, ports: Ports, payload: &[u8], payload_len: usize) -> bool {
        let [src, dst] = [ports.src, ports.dst].map(|port| self.bits[Self::word(port)] >> (port & 63));
        ((src | dst) & 1 != 0)
            || (self.teredo
                && teredo::begins(payload)
                && teredo::ipv6_at(payload, payload_len, self.teredo_authenticated).is_some())
    }
}
