//! Whether a packet belongs to a flow, and which way it goes there.
//!
//! A flow keeps the head of its key, 24 bytes, which is all there is of a key with IPv4 addresses; the annex of its block has
//! the tails of IPv6 addresses. Holding a packet's key against a flow's is three words, compared both ways at once, without
//! a branch between them: what fits one way or the other is one decision.

use core::hint::{black_box, select_unpredictable};

use flumen_model::key::{KeyHead, KeyTails};
use flumen_model::{Direction, FlowKey};

use crate::flow::{PROTO_ESP, PROTO_ICMP, PROTO_ICMPV6, PROTO_SCTP, PROTO_TCP, PROTO_UDP};
use crate::key::KeyMask;

/// A packet's key, ready to be held against those of flows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe<'k> {
    key: &'k FlowKey,
    mask: &'k KeyMask,
}

impl<'k> Probe<'k> {
    #[inline(always)]
    pub(crate) const fn new(key: &'k FlowKey, mask: &'k KeyMask) -> Self {
        Self { key, mask }
    }

    /// The direction in which the packet goes in the flow with a key that begins with `flow`; `None` when it belongs to another
    /// flow. `tails` are those of the flow's key, asked for when it comes to them. ESP goes one way: the other way has another
    /// security association.
    #[inline(always)]
    pub(crate) fn direction(&self, flow: &KeyHead, tails: impl FnOnce() -> KeyTails) -> Option<Direction> {
        let (own, mask) = (self.key.head(), self.mask);
        let elsewhere = (flow.scope.bits() ^ own.scope.bits()) & mask.scope;
        let forward = elsewhere | (flow.ends ^ own.ends) | (flow.rest ^ own.rest) & mask.rest;
        let backward = elsewhere | (flow.ends ^ own.ends_turned()) | (flow.rest ^ own.rest_turned()) & mask.rest;
        let (mut goes, mut comes) = (forward == 0, backward == 0);
        // One decision, which nearly always is the same; as two they would be a guess at who speaks next. `black_box` keeps it
        // one. With the choice below that is 6 % of the time of a run on the heavy-tailed capture of `benches`.
        if black_box(select_unpredictable(goes, 0, backward)) != 0 {
            return None;
        }
        if own.has_tails() {
            (goes, comes) = self.with_tails(goes, comes, tails());
            if !goes && !comes {
                return None;
            }
        }
        // Chosen, not branched to: no processor foresees who speaks next.
        let direction = select_unpredictable(goes, Direction::ToServer, Direction::ToClient);
        match flow.scope.protocol() {
            PROTO_TCP | PROTO_UDP => Some(direction),
            protocol => self.other_direction(protocol, direction),
        }
    }

    /// The same for protocols that may go one way only.
    fn other_direction(&self, protocol: u8, direction: Direction) -> Option<Direction> {
        match (protocol, direction) {
            (_, Direction::ToServer) | (PROTO_SCTP | PROTO_ICMP | PROTO_ICMPV6, _) => Some(direction),
            (PROTO_ESP, _) => None,
            // As in Suricata, packets of protocols without ports all go to the server, whoever sends them.
            _ => Some(if self.mask.portless_to_server { Direction::ToServer } else { direction }),
        }
    }

    /// Which ways are left when the tails are held against each other too.
    // Not inlined: so that IPv4 keeps no registers for it.
    #[inline(never)]
    fn with_tails(&self, goes: bool, comes: bool, flow: KeyTails) -> (bool, bool) {
        let own = *self.key.tails();
        // Both, so that it is no guess at who speaks.
        (goes & (flow == own), comes & (flow == own.turned()))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::TableConfig;
    use flumen_model::key::{Place, Scope};
    use flumen_model::{Address, IpVersion, Ports, VlanTags};

    /// The rule itself, field by field.
    fn way(flow: &FlowKey, packet: &FlowKey, mask: KeyMask) -> Option<Direction> {
        let (flow_place, packet_place) = (mask.apply(flow), mask.apply(packet));
        if (flow_place.scope(), flow_place.tunnel_id()) != (packet_place.scope(), packet_place.tunnel_id()) {
            return None;
        }
        let ends = (flow.client(), flow.server());
        if (ends, flow.ports()) == ((packet.client(), packet.server()), packet.ports()) {
            return Some(Direction::ToServer);
        }
        let turned = Ports { src: packet.ports().dst, dst: packet.ports().src };
        let fits = (ends, flow.ports()) == ((packet.server(), packet.client()), turned);
        let protocol = flow.scope().protocol();
        (fits && protocol != 50).then_some(match protocol {
            1 | 6 | 17 | 58 | 132 => Direction::ToClient,
            _ if mask.portless_to_server => Direction::ToServer,
            _ => Direction::ToClient,
        })
    }

    struct Random(u64);

    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (self.0 >> 33) % n
        }
        /// A key of few values, so that two are often alike but for one thing.
        fn key(&mut self) -> FlowKey {
            let ip_version = if self.below(2) == 0 { IpVersion::V4 } else { IpVersion::V6 };
            let mut address = || {
                let mut bytes = [0; 16];
                bytes[self.below(4) as usize] = self.below(2) as u8;
                if ip_version == IpVersion::V6 {
                    bytes[4 + self.below(12) as usize] = self.below(2) as u8;
                }
                Address(bytes)
            };
            let (client, server) = (address(), address());
            let ports = Ports { src: self.below(2) as u16, dst: self.below(2) as u16 };
            let tunnel_id = self.below(2) as u32;
            let scope = Scope::of(Place {
                protocol: [1, 6, 17, 50, 89, 132][self.below(6) as usize],
                ip_version,
                vlan: VlanTags { ids: [self.below(2) as u16, 0, 0], count: 1 },
                ..Place::NOWHERE
            });
            FlowKey::new(client, server, ports, tunnel_id, scope)
        }
    }

    #[test]
    fn random_keys_then_they_fit_as_the_rule_says() {
        let mut random = Random(0x1234_5678);
        let mut fitted = 0;
        for compat in [crate::Compat::Flumen, crate::Compat::Suricata] {
            for (track_vlan, track_tunnel) in [(true, crate::TrackTunnel::Yes), (false, crate::TrackTunnel::No)] {
                let mask = KeyMask::of(&TableConfig { compat, track_vlan, track_tunnel, ..TableConfig::default() });
                for step in 0..if cfg!(miri) { 50 } else { 20_000 } {
                    let (flow, other) = (random.key(), random.key());
                    for packet in [flow, flow.turned(), other] {
                        let probe = Probe::new(&packet, &mask);
                        let got = probe.direction(flow.head(), || *flow.tails());
                        assert_eq!(got, way(&flow, &packet, mask), "step {step}: {flow:?} {packet:?}");
                        fitted += u32::from(got.is_some());
                    }
                }
            }
        }
        assert!(fitted > if cfg!(miri) { 100 } else { 100_000 });
    }
}
