//! What is known of hosts that put fragments together: `host-os-policy` says by which system's rule they settle overlaps,
//! `defrag.host-config` how long they wait.
//!
//! Of several networks that a host is in the longest prefix decides ([`HostPolicies`]). A network that two keys name
//! belongs to the first of them in the order of the table, with a warning.

use flumen_table::{HostPolicies, Network, OverlapPolicy};

use super::keys::{self, HOST_CONFIG, HOST_SYSTEMS};
use super::node::Origin;
use super::problem::{Problem, shortened};
use super::resolve::Resolved;

/// Reads both.
pub(super) fn host_policies(values: &mut Resolved, problems: &mut Vec<Problem>) -> HostPolicies {
    let mut hosts = HostPolicies::default();
    overlap_policies(values, &mut hosts, problems);
    timeouts(values, &mut hosts, problems);
    hosts
}

fn overlap_policies(values: &mut Resolved, hosts: &mut HostPolicies, problems: &mut Vec<Problem>) {
    let mut known = Known::default();
    for key in keys::rows() {
        let system = key.name.strip_prefix(HOST_SYSTEMS).and_then(|rest| rest.strip_prefix('.'));
        let Some(policy) = system.and_then(OverlapPolicy::of_system) else { continue };
        for &network in values.root.networks(key.name) {
            if known.is_new(network, key.name, &values.root.origin(key.name)) {
                hosts.set_policy(network, policy);
            }
        }
    }
    known.tell(HOST_SYSTEMS, values, problems);
}

fn timeouts(values: &mut Resolved, hosts: &mut HostPolicies, problems: &mut Vec<Problem>) {
    let (timeout, address) = ("defrag.host-config.timeout", "defrag.host-config.address");
    let mut known = Known::default();
    for host in &values.hosts {
        let name = format!("{HOST_CONFIG}.{}", shortened(&host.name));
        let networks = host.values.networks(address);
        let Some(timeout) = host.values.duration(timeout) else {
            if !networks.is_empty() {
                problems.push(Problem::new(&host.at, format!("'{name}' has an address and needs 'timeout' beside it")));
            }
            continue;
        };
        if networks.is_empty() {
            let text = format!("'{name}' has no address, so it has no effect");
            known.warnings.push(Problem::new(&host.at, text));
        }
        for &network in networks {
            if known.is_new(network, &name, &host.values.origin(address)) {
                hosts.set_timeout(network, timeout);
            }
        }
    }
    known.tell(HOST_CONFIG, values, problems);
}

/// The networks of one setting so far, each with the key that named it.
#[derive(Default)]
struct Known {
    networks: Vec<(Network, String)>,
    warnings: Vec<Problem>,
    /// Where there was one too many.
    overfull: Option<Origin>,
}

impl Known {
    /// Whether a network was not named before.
    fn is_new(&mut self, network: Network, key: &str, at: &Origin) -> bool {
        if self.overfull.is_some() {
            return false;
        }
        if let Some((_, first)) = self.networks.iter().find(|(known, _)| *known == network) {
            if first != key {
                let text = format!("'{key}' names {network}; '{first}' does too, and that counts");
                self.warnings.push(Problem::new(at, text));
            }
            return false;
        }
        self.networks.push((network, key.to_owned()));
        if self.networks.len() > NETWORKS_MAX {
            self.overfull = Some(at.clone());
        }
        self.overfull.is_none()
    }

    /// Hands over what was odd or wrong.
    fn tell(mut self, setting: &str, values: &mut Resolved, problems: &mut Vec<Problem>) {
        values.warnings.append(&mut self.warnings);
        if let Some(at) = self.overfull {
            problems.push(Problem::new(&at, format!("'{setting}' names more than {NETWORKS_MAX} networks")));
        }
    }
}

/// Most networks of one setting: for every fragment they are looked through one by one.
const NETWORKS_MAX: usize = 1_000;

#[cfg(test)]
mod tests;
