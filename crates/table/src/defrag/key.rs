//! Which fragments belong together.

use flumen_wire::{Address, Fragment, IpVersion, Tunnel};

use super::config::DefragConfig;
use crate::config::Compat;
use crate::hash::{FlowHash, HashSecret};

/// What the fragments of one datagram have in common (RFC 791 §3.2, RFC 8200 §4.5), and where they were seen.
///
/// The next header of IPv6 is not part of it: RFC 8200 lets it differ, and the first fragment's counts.
/// Suricata's key has the two addresses in order of size, so that the two directions meet, the identification, the VLAN
/// ids, the version and IPv4's protocol, and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    src: Address,
    dst: Address,
    id: u32,
    vlan: [u16; 3],
    device: u16,
    ip_version: IpVersion,
    protocol: u8,
    recursion: u8,
    tunnel: Tunnel,
}

impl Key {
    pub(super) fn of(fragment: &Fragment, device: u16, config: &DefragConfig) -> Self {
        let key = Self {
            src: fragment.src,
            dst: fragment.dst,
            id: fragment.id,
            vlan: fragment.vlan.ids,
            device,
            ip_version: fragment.ip_version,
            protocol: match fragment.ip_version {
                IpVersion::V4 => fragment.protocol,
                IpVersion::V6 => 0,
            },
            recursion: fragment.recursion,
            tunnel: fragment.tunnel,
        };
        match config.compat {
            Compat::Suricata => {
                let (src, dst) = (key.src.min(key.dst), key.src.max(key.dst));
                Self { src, dst, device: 0, recursion: 0, tunnel: Tunnel::NONE, ..key }
            }
            Compat::Flumen => key.masked(config),
        }
    }

    /// What is not tracked is zero.
    const fn masked(mut self, config: &DefragConfig) -> Self {
        if !config.track_vlan {
            self.vlan = [0; 3];
        }
        if !config.track_device {
            self.device = 0;
        }
        if !config.track_recursion {
            self.recursion = 0;
            self.tunnel = Tunnel::NONE;
        }
        self
    }

    /// Keyed, so that nobody who does not know the secret can fill a row.
    pub(super) fn hash(&self, secret: &HashSecret) -> FlowHash {
        let (src, dst) = (u128::from_ne_bytes(self.src.0), u128::from_ne_bytes(self.dst.0));
        let [a, b, c] = self.vlan.map(u64::from);
        let place = u64::from(self.id)
            | u64::from(self.protocol) << 32
            | u64::from(self.recursion) << 40
            | u64::from(self.device) << 48;
        let tags = a | b << 16 | c << 32 | (self.ip_version as u64) << 56;
        let hash = secret.hash_words([src as u64, (src >> 64) as u64, dst as u64, (dst >> 64) as u64, place, tags]);
        if self.tunnel == Tunnel::NONE {
            return hash;
        }
        secret.extend(hash, u64::from(self.tunnel.id) | (self.tunnel.kind as u64) << 32)
    }
}
