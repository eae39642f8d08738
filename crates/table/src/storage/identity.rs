//! How a flow keeps its key: 24 bytes, which is all there is of a key with IPv4 addresses. Of IPv6 addresses these have
//! the first four bytes each, and the annex of the block has the rest ([`Tails`]).
//!
//! A packet's key is brought into the same form once ([`Probe`]), so that holding it against a flow's key is three words,
//! compared both ways at once, without a branch between them: what fits one way or the other is one decision.
//!
//! An IPv4 address has four bytes: what else may stand in an [`Address`] of such a key is not kept.

use flumen_model::key::Scope;
use flumen_model::{Address, Direction, FlowKey, IpVersion, Ports};

use crate::flow::{PROTO_ESP, PROTO_ICMP, PROTO_ICMPV6, PROTO_SCTP, PROTO_TCP, PROTO_UDP};
use crate::key::KeyMask;

/// A key without the tails of IPv6 addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(crate) struct StoredKey {
    /// First four bytes of the client's and of the server's address.
    ends: u64,
    /// Ports and the tunnel's number.
    rest: u64,
    scope: Scope,
}

/// What IPv6 addresses have beyond four bytes: the client's, then the server's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(crate) struct Tails([[u32; 3]; 2]);

/// A packet's key, ready to be held against those of flows. What is not tracked is zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe<'k> {
    ends: u64,
    rest: u64,
    turned: u64,
    scope: u64,
    /// For the tails, which are seldom asked for.
    key: &'k FlowKey,
    mask: &'k KeyMask,
}

const fn words(address: &Address) -> (u32, [u32; 3]) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address.0;
    let tail = [u32::from_ne_bytes([e, f, g, h]), u32::from_ne_bytes([i, j, k, l]), u32::from_ne_bytes([m, n, o, p])];
    (u32::from_ne_bytes([a, b, c, d]), tail)
}

fn address(head: u32, tail: [u32; 3]) -> Address {
    let mut bytes = [0; 16];
    for (place, word) in bytes.chunks_exact_mut(4).zip([head, tail[0], tail[1], tail[2]]) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    Address(bytes)
}

const fn rest_of(ports: Ports, tunnel_id: u32) -> u64 {
    ports.src as u64 | (ports.dst as u64) << 16 | (tunnel_id as u64) << 32
}

/// Whether addresses of this scope have tails.
const fn has_tails(scope: Scope) -> bool {
    matches!(scope.ip_version(), IpVersion::V6)
}

impl StoredKey {
    /// That of no conversation.
    #[cfg(loom)]
    pub(crate) const NONE: Self = Self { ends: 0, rest: 0, scope: FlowKey::NONE.scope };

    /// The key as it is kept, and the tails when it has some.
    #[inline]
    pub(crate) const fn of(key: &FlowKey) -> (Self, Option<Tails>) {
        let ((client, client_tail), (server, server_tail)) = (words(&key.client), words(&key.server));
        let stored = Self {
            ends: client as u64 | (server as u64) << 32,
            rest: rest_of(key.ports, key.tunnel_id),
            scope: key.scope,
        };
        (stored, if has_tails(key.scope) { Some(Tails([client_tail, server_tail])) } else { None })
    }
    /// Whether the key has tails.
    pub(crate) const fn has_tails(&self) -> bool {
        has_tails(self.scope)
    }
    /// The key with its tails.
    pub(crate) fn with(&self, tails: Tails) -> FlowKey {
        let Tails([client, server]) = tails;
        FlowKey {
            client: address(self.ends as u32, client),
            server: address((self.ends >> 32) as u32, server),
            ports: Ports { src: self.rest as u16, dst: (self.rest >> 16) as u16 },
            tunnel_id: (self.rest >> 32) as u32,
            scope: self.scope,
        }
    }
}

impl Tails {
    pub(crate) const NONE: Self = Self([[0; 3]; 2]);

    const fn turned(self) -> Self {
        let Self([client, server]) = self;
        Self([server, client])
    }
}

impl<'k> Probe<'k> {
    #[inline(always)]
    pub(crate) const fn new(key: &'k FlowKey, mask: &'k KeyMask) -> Self {
        let tunnel_id = key.tunnel_id & mask.tunnel_id;
        Self {
            ends: StoredKey::of(key).0.ends,
            rest: rest_of(key.ports, tunnel_id),
            turned: rest_of(Ports { src: key.ports.dst, dst: key.ports.src }, tunnel_id),
            scope: key.scope.bits() & mask.scope,
            key,
            mask,
        }
    }

    /// The direction in which the packet goes in the flow with key `flow`; `None` when it belongs to another flow.
    /// `tails` are those of the flow's key, asked for when it comes to them. ESP goes one way: the other way has another
    /// security association.
    #[inline(always)]
    pub(crate) fn direction(&self, flow: &StoredKey, tails: impl FnOnce() -> Tails) -> Option<Direction> {
        let rest = flow.rest & (u64::from(u32::MAX) | u64::from(self.mask.tunnel_id) << 32);
        let elsewhere = (flow.scope.bits() & self.mask.scope) ^ self.scope;
        let mut forward = elsewhere | (flow.ends ^ self.ends) | (rest ^ self.rest);
        let mut backward = elsewhere | (flow.ends ^ self.ends.rotate_left(32)) | (rest ^ self.turned);
        if forward != 0 && backward != 0 {
            return None;
        }
        if has_tails(self.key.scope)
            && let (_, Some(own)) = StoredKey::of(self.key)
        {
            let flows = tails();
            forward |= u64::from(flows != own);
            backward |= u64::from(flows != own.turned());
        }
        if forward == 0 {
            return Some(Direction::ToServer);
        }
        let protocol = flow.scope.protocol();
        if backward != 0 || protocol == PROTO_ESP {
            return None;
        }
        // As in Suricata, packets of protocols without ports all go to the server, whoever sends them.
        let has_sides = matches!(protocol, PROTO_TCP | PROTO_UDP | PROTO_SCTP | PROTO_ICMP | PROTO_ICMPV6);
        Some(if has_sides || !self.mask.portless_to_server { Direction::ToClient } else { Direction::ToServer })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::TableConfig;
    use flumen_model::VlanTags;
    use flumen_model::key::Place;

    /// The rule itself, field by field.
    fn way(flow: &FlowKey, packet: &FlowKey, mask: KeyMask) -> Option<Direction> {
        let (flow_place, packet_place) = (mask.apply(flow), mask.apply(packet));
        if flow_place.scope != packet_place.scope || flow_place.tunnel_id != packet_place.tunnel_id {
            return None;
        }
        if (flow.client, flow.server, flow.ports) == (packet.client, packet.server, packet.ports) {
            return Some(Direction::ToServer);
        }
        let turned = Ports { src: packet.ports.dst, dst: packet.ports.src };
        let fits = (flow.client, flow.server, flow.ports) == (packet.server, packet.client, turned);
        let protocol = flow.scope.protocol();
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
            FlowKey {
                client: address(),
                server: address(),
                ports: Ports { src: self.below(2) as u16, dst: self.below(2) as u16 },
                tunnel_id: self.below(2) as u32,
                scope: Scope::of(Place {
                    protocol: [1, 6, 17, 50, 89, 132][self.below(6) as usize],
                    ip_version,
                    vlan: VlanTags { ids: [self.below(2) as u16, 0, 0], count: 1 },
                    ..Place::NOWHERE
                }),
            }
        }
    }

    #[test]
    fn random_keys_then_they_come_back_whole_and_fit_as_the_rule_says() {
        let mut random = Random(0x1234_5678);
        let mut fitted = 0;
        for compat in [crate::Compat::Flumen, crate::Compat::Suricata] {
            for (track_vlan, track_tunnel) in [(true, crate::TrackTunnel::Yes), (false, crate::TrackTunnel::No)] {
                let mask = KeyMask::of(&TableConfig { compat, track_vlan, track_tunnel, ..TableConfig::default() });
                for step in 0..if cfg!(miri) { 50 } else { 20_000 } {
                    let (flow, other) = (random.key(), random.key());
                    let turned = FlowKey {
                        client: flow.server,
                        server: flow.client,
                        ports: Ports { src: flow.ports.dst, dst: flow.ports.src },
                        ..flow
                    };
                    let (stored, tails) = StoredKey::of(&flow);
                    assert_eq!(stored.with(tails.unwrap_or(Tails::NONE)), flow);
                    assert_eq!(stored.has_tails(), tails.is_some());
                    for packet in [flow, turned, other] {
                        let probe = Probe::new(&packet, &mask);
                        let got = probe.direction(&stored, || tails.expect("only asked for when there are some"));
                        assert_eq!(got, way(&flow, &packet, mask), "step {step}: {flow:?} {packet:?}");
                        fitted += u32::from(got.is_some());
                    }
                }
            }
        }
        assert!(fitted > if cfg!(miri) { 100 } else { 100_000 });
    }
}
