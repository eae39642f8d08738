//! Records and random numbers for tests.
#![allow(dead_code, reason = "each test binary uses a part")]

use flumen_model::record::{Endpoint, Interim, MacSet, Nesting, TcpRecord, Traffic};
use flumen_model::{
    Address, EndReason, FlowRecord, FlowState, IpVersion, Ports, TcpState, Timestamp, Tunnel, TunnelKind, VlanTags,
};
use flumen_output::eve::{CommunityId, CommunityIdRule, DeviceNames, EveConfig, Ipv6Form};
use std::net::IpAddr;

/// 2020-09-13T12:26:40Z.
pub(crate) const START: u64 = 1_600_000_000_000_000_000;

/// A UDP flow of one packet.
pub(crate) fn record(client: &str, server: &str) -> FlowRecord {
    FlowRecord {
        nesting: None,
        flow_id: 1,
        logged: Timestamp::from_nanos(START),
        device: 0,
        vlan: VlanTags::default(),
        ip_version: version(client),
        client: address(client),
        server: address(server),
        protocol: 17,
        endpoint: Endpoint::Ports(Ports { src: 5353, dst: 53 }),
        to_server: Traffic { packets: 1, bytes: 60, ttl: Some((64, 64)) },
        to_client: Traffic::default(),
        start: Timestamp::from_nanos(START),
        end: Timestamp::from_nanos(START),
        state: FlowState::New,
        reason: EndReason::Timeout,
        emergency: false,
        wrong_thread: false,
        elephant: [false; 2],
        midstream_policy: false,
        tcp: None,
        macs: None,
        interim: None,
    }
}

pub(crate) fn address(text: &str) -> Address {
    match text.parse().expect("an address") {
        IpAddr::V4(v4) => Address::v4(v4.octets()),
        IpAddr::V6(v6) => Address(v6.octets()),
    }
}

pub(crate) fn version(text: &str) -> IpVersion {
    if text.contains(':') { IpVersion::V6 } else { IpVersion::V4 }
}

/// Splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
    /// A number of any magnitude.
    pub(crate) fn any_size(&mut self) -> u64 {
        let shift = self.below(64);
        self.next() >> shift
    }
    pub(crate) fn flip(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

const TUNNEL_KINDS: [TunnelKind; 6] =
    [TunnelKind::None, TunnelKind::Vni, TunnelKind::GreKey, TunnelKind::Teid, TunnelKind::Spi, TunnelKind::Session];

const REASONS: [EndReason; 5] =
    [EndReason::Timeout, EndReason::Forced, EndReason::Shutdown, EndReason::TcpReuse, EndReason::Unknown];

/// Settings of which every one that changes records is random. Interface 1 is called `dev"1`; others have no name.
pub(crate) fn random_config(random: &mut Random) -> EveConfig {
    let rule = if random.flip() { CommunityIdRule::Spec } else { CommunityIdRule::Suricata };
    EveConfig {
        flow: random.flip(),
        netflow: random.flip(),
        host: random.flip().then(|| "\u{1}é\"\\".to_owned()),
        community_id: random.flip().then_some(CommunityId { seed: random.next() as u16, rule }),
        ipv6: if random.flip() { Ipv6Form::Expanded } else { Ipv6Form::Compressed },
        ethernet: random.flip(),
        devices: DeviceNames::new(|device| (device == 1).then(|| "dev\"1".to_owned())),
        tunnels: random.flip(),
        extended: random.flip(),
        ..EveConfig::default()
    }
}

/// A record of which every field is as random as its type allows.
pub(crate) fn random_record(random: &mut Random) -> FlowRecord {
    let byte = |random: &mut Random| random.next() as u8;
    let traffic = |random: &mut Random| Traffic {
        packets: if random.flip() { 0 } else { random.any_size() },
        bytes: random.any_size(),
        ttl: random.flip().then(|| (byte(random), byte(random))),
    };
    let endpoint = match random.below(4) {
        0 => Endpoint::Ports(Ports { src: random.next() as u16, dst: random.next() as u16 }),
        1 => Endpoint::Icmp {
            request: (byte(random), byte(random)),
            response: random.flip().then(|| (byte(random), byte(random))),
        },
        2 => Endpoint::Spi(random.next() as u32),
        _ => Endpoint::None,
    };
    let mac = |random: &mut Random| -> [u8; 6] { std::array::from_fn(|_| byte(random)) };
    let nesting = (random.below(4) == 0).then(|| Nesting {
        depth: byte(random),
        tunnel: Tunnel { kind: TUNNEL_KINDS[random.below(6) as usize], id: random.any_size() as u32 },
        parent_id: random.flip().then(|| random.any_size()),
        is_outside: random.flip(),
    });
    FlowRecord {
        nesting,
        flow_id: random.any_size(),
        logged: Timestamp::from_nanos(random.any_size()),
        device: random.below(3) as u16,
        vlan: VlanTags { ids: [byte(random).into(), 4095, 0], count: random.below(4) as u8 },
        ip_version: if random.flip() { IpVersion::V4 } else { IpVersion::V6 },
        client: Address(std::array::from_fn(|_| byte(random) & byte(random))),
        server: Address(std::array::from_fn(|_| byte(random))),
        protocol: [0, 1, 6, 6, 17, 17, 58, 132, 135, 253][random.below(10) as usize],
        endpoint,
        to_server: traffic(random),
        to_client: traffic(random),
        start: Timestamp::from_nanos(random.any_size()),
        end: Timestamp::from_nanos(random.any_size()),
        state: FlowState::ALL[random.below(4) as usize],
        reason: REASONS[random.below(5) as usize],
        emergency: random.flip(),
        wrong_thread: random.flip(),
        elephant: [random.flip(), random.flip()],
        midstream_policy: random.flip(),
        tcp: random.flip().then(|| TcpRecord {
            flags: [byte(random), byte(random)],
            state: random.flip().then(|| TcpState::ALL[random.below(11) as usize]),
        }),
        macs: random.flip().then(|| {
            let few = random.below(3);
            Box::new(MacSet { src: (0..few).map(|_| mac(random)).collect(), dst: vec![mac(random)] })
        }),
        interim: (random.below(4) == 0)
            .then(|| Box::new(Interim { sequence: random.next() as u32, delta: [traffic(random), traffic(random)] })),
    }
}
