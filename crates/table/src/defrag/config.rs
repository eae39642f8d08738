//! What defragmentation can be told: limits, timeouts, and whose rules decide between bytes that were sent twice.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use flumen_model::{Address, IpVersion, Span};

use super::policy::OverlapPolicy;
use crate::config::Compat;

/// Settings of defragmentation. The defaults are those of Suricata's shipped `suricata.yaml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefragConfig {
    /// Whether datagrams are put together at all. If not, every fragment is dropped as
    /// [`DropReason::Disabled`](super::DropReason::Disabled).
    pub enabled: bool,
    /// `defrag.memcap`: bytes for rows, trackers and what they hold together.
    pub memcap: u64,
    /// `defrag.trackers`: datagrams that are put together at a time.
    pub trackers: u32,
    /// `defrag.max-frags`: fragments held at a time, in all datagrams.
    pub max_frags: u32,
    /// `defrag.hash-size`: rows, any number from 1 (0 is taken for 1).
    pub hash_size: u32,
    /// `defrag.prealloc`: memory for all trackers is asked for at the start. It is charged when it is first used.
    pub prealloc: bool,
    /// `defrag.timeout`: how long after its last fragment an incomplete datagram is given up.
    pub timeout: Span,
    /// `host-os-policy` and `defrag.host-config`.
    pub policies: HostPolicies,
    /// `vlan.use-for-tracking`. Suricata's defragmentation does not look at it: there VLAN ids always count.
    pub track_vlan: bool,
    /// `livedev.use-for-tracking`. No device in Suricata's key, so without effect in compat mode.
    pub track_device: bool,
    /// `decoder.recursion-level.use-for-tracking`: depth of tunnels, and which tunnel. Neither is in Suricata's key.
    pub track_recursion: bool,
    /// Whether datagrams that are never completed are told of, one by one: see
    /// [`Defrag::incomplete`](super::Defrag::incomplete).
    pub report_incomplete: bool,
    /// `flumen.compat`: keep to what Suricata does where Flumen would do better.
    pub compat: Compat,
}

impl Default for DefragConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            memcap: 32 << 20,
            trackers: 65_535,
            max_frags: 65_535,
            hash_size: 65_536,
            prealloc: true,
            timeout: Span::from_secs(60),
            policies: HostPolicies::default(),
            track_vlan: true,
            track_device: true,
            track_recursion: true,
            report_incomplete: false,
            compat: Compat::Flumen,
        }
    }
}

/// What is known of the hosts that fragments are sent to: how they resolve overlaps and how long they wait. It is the
/// receiver who puts a datagram together, so the **destination** address is looked up. The longest prefix decides, the
/// first that was added among equals; policy and timeout are looked up independently of each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPolicies {
    default: OverlapPolicy,
    /// Longest prefix first.
    policies: Vec<(Network, OverlapPolicy)>,
    /// Longest prefix first.
    timeouts: Vec<(Network, Span)>,
}

impl HostPolicies {
    /// The policy of hosts in no network; [`OverlapPolicy::Bsd`] if it is not set.
    pub fn set_default(&mut self, policy: OverlapPolicy) {
        self.default = policy;
    }
    /// Hosts of `network` resolve overlaps by `policy` (`host-os-policy`).
    pub fn set_policy(&mut self, network: Network, policy: OverlapPolicy) {
        insert(&mut self.policies, network, policy);
    }
    /// Hosts of `network` wait as long as `timeout` (`defrag.host-config`). Every fragment is charged with a look at the
    /// oldest datagram of each different timeout, so there should be few different ones.
    pub fn set_timeout(&mut self, network: Network, timeout: Span) {
        insert(&mut self.timeouts, network, timeout);
    }
    /// By which policy the host resolves overlaps.
    #[must_use]
    #[inline]
    pub fn policy(&self, version: IpVersion, host: &Address) -> OverlapPolicy {
        find(&self.policies, version, host).unwrap_or(self.default)
    }
    /// How long the host waits, when that is known.
    #[must_use]
    #[inline]
    pub fn timeout(&self, version: IpVersion, host: &Address) -> Option<Span> {
        find(&self.timeouts, version, host)
    }
    /// All timeouts that hosts have.
    pub(super) fn timeouts(&self) -> impl Iterator<Item = Span> {
        self.timeouts.iter().map(|&(_, timeout)| timeout)
    }
}

fn insert<T>(list: &mut Vec<(Network, T)>, network: Network, value: T) {
    let at = list.partition_point(|(other, _)| other.prefix_len >= network.prefix_len);
    list.insert(at, (network, value));
}

fn find<T: Copy>(list: &[(Network, T)], version: IpVersion, host: &Address) -> Option<T> {
    list.iter().find(|(network, _)| network.contains(version, host)).map(|&(_, value)| value)
}

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    version: IpVersion,
    address: u128,
    prefix_len: u8,
}

impl Network {
    /// The network of `address`. Bits behind the prefix do not matter; a prefix longer than the address is the whole
    /// address.
    #[must_use]
    pub const fn new(version: IpVersion, address: Address, prefix_len: u8) -> Self {
        let longest = Self::bits(version);
        let prefix_len = if prefix_len > longest { longest } else { prefix_len };
        let mask = if prefix_len == 0 { 0 } else { u128::MAX << (128 - prefix_len as u32) };
        Self { version, address: u128::from_be_bytes(address.0) & mask, prefix_len }
    }
    /// Whether `host` is one of its addresses.
    #[must_use]
    pub const fn contains(&self, version: IpVersion, host: &Address) -> bool {
        // An IPv4 address stands in the first four bytes, so prefixes of both versions count from the top.
        let differs = self.address ^ u128::from_be_bytes(host.0);
        version as u8 == self.version as u8 && (self.prefix_len == 0 || differs >> (128 - self.prefix_len as u32) == 0)
    }
    const fn bits(version: IpVersion) -> u8 {
        match version {
            IpVersion::V4 => 32,
            IpVersion::V6 => 128,
        }
    }
}

impl fmt::Display for Network {
    /// As [`Network::from_str`] reads it; without a prefix length when the whole address counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address: IpAddr = match self.version {
            IpVersion::V4 => Ipv4Addr::from_bits((self.address >> 96) as u32).into(),
            IpVersion::V6 => Ipv6Addr::from_bits(self.address).into(),
        };
        if self.prefix_len == Self::bits(self.version) {
            return write!(f, "{address}");
        }
        write!(f, "{address}/{}", self.prefix_len)
    }
}

/// The text is not an address with or without `/` and a prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a network: an IPv4 or IPv6 address is wanted, with or without / and the number of bits that count")]
pub struct NotANetwork;

impl FromStr for Network {
    type Err = NotANetwork;
    /// `192.168.0.0/16`, `2001:db8::/32`, `10.0.0.1`.
    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix_len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len.parse::<u8>().map_err(|_| NotANetwork)?)),
            None => (text, None),
        };
        let (version, address) = match address.parse::<IpAddr>().map_err(|_| NotANetwork)? {
            IpAddr::V4(address) => (IpVersion::V4, Address::v4(address.octets())),
            IpAddr::V6(address) => (IpVersion::V6, Address(address.octets())),
        };
        let prefix_len = prefix_len.unwrap_or_else(|| Self::bits(version));
        if prefix_len > Self::bits(version) {
            return Err(NotANetwork);
        }
        Ok(Self::new(version, address, prefix_len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect(text)
    }

    #[test]
    fn host_in_nested_networks_then_the_longest_prefix_decides() {
        let mut hosts = HostPolicies::default();
        hosts.set_policy(network("10.0.0.0/8"), OverlapPolicy::Linux);
        hosts.set_policy(network("0.0.0.0/0"), OverlapPolicy::First);
        hosts.set_policy(network("10.1.0.0/16"), OverlapPolicy::Windows);
        hosts.set_policy(network("10.1.2.3"), OverlapPolicy::Solaris);
        hosts.set_policy(network("2001:db8::/32"), OverlapPolicy::Last);
        hosts.set_timeout(network("10.0.0.0/8"), Span::from_secs(5));
        let v4 = |address| hosts.policy(IpVersion::V4, &Address::v4(address));
        assert_eq!(v4([10, 1, 2, 3]), OverlapPolicy::Solaris);
        assert_eq!(v4([10, 1, 2, 4]), OverlapPolicy::Windows);
        assert_eq!(v4([10, 2, 2, 3]), OverlapPolicy::Linux);
        assert_eq!(v4([11, 2, 2, 3]), OverlapPolicy::First);
        let mut v6 = Address([0; 16]);
        assert_eq!(hosts.policy(IpVersion::V6, &v6), OverlapPolicy::Bsd, "0.0.0.0/0 is of the other version");
        v6.0[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        assert_eq!(hosts.policy(IpVersion::V6, &v6), OverlapPolicy::Last);
        assert_eq!(hosts.timeout(IpVersion::V4, &Address::v4([10, 1, 2, 3])), Some(Span::from_secs(5)));
        assert_eq!(hosts.timeout(IpVersion::V4, &Address::v4([11, 1, 2, 3])), None);
    }

    #[test]
    fn network_written_then_its_first_address_and_what_reads_back() {
        let cases = [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3/32", "10.1.2.3"),
            ("1.2.3.4/0", "0.0.0.0/0"),
            ("2001:db8:1::/32", "2001:db8::/32"),
            ("::1", "::1"),
            ("ffff::/0", "::/0"),
        ];
        for (text, written) in cases {
            assert_eq!(network(text).to_string(), written);
            assert_eq!(network(written), network(text));
        }
    }

    #[test]
    fn text_that_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "host"] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text:?}");
        }
    }
}
