//! The `anomaly` event: one for each decoder event that a packet raised, with as much of the packet as was found out.
//!
//! Order: time stamp, number of the frame, interface, type, VLANs, ends, protocol, `anomaly`, `host`. The name of the event is that of
//! its counter without the word `event`, as in Suricata.

use super::clock::Clock;
use super::encode::key_uint;
use super::{EveConfig, address, protocol};
use crate::text::Text;
use flumen_model::sink::{Anomaly, AnomalyEnds};

/// Appends the event and a line feed. The fields of the interface and of the sensor have their commas, or are nothing.
pub(super) fn append(
    out: &mut Text,
    clock: &mut Clock,
    config: &EveConfig,
    (in_iface, host): (&[u8], &[u8]),
    odd: &Anomaly,
) {
    out.raw(b"{\"timestamp\":\"");
    clock.append(out, odd.at);
    key_uint(out, b"\",\"pcap_cnt\":", odd.frame);
    out.raw(in_iface);
    out.raw(b",\"event_type\":\"anomaly\"");
    if let Some(found) = &odd.ends {
        ends(out, config, found);
    }
    out.raw(b",\"anomaly\":{\"type\":\"decode\",\"event\":\"");
    match odd.event.name().split_once(".event.") {
        Some((group, name)) => {
            out.raw(group.as_bytes());
            out.byte(b'.');
            out.raw(name.as_bytes());
        }
        None => out.raw(odd.event.name().as_bytes()),
    }
    out.raw(b"\"}");
    out.raw(host);
    out.raw(b"}\n");
}

fn ends(out: &mut Text, config: &EveConfig, ends: &AnomalyEnds) {
    let ids = &ends.vlan.ids[..usize::from(ends.vlan.count).min(ends.vlan.ids.len())];
    for (i, &id) in ids.iter().enumerate() {
        key_uint(out, if i == 0 { b",\"vlan\":[" } else { b"," }, id.into());
    }
    if !ids.is_empty() {
        out.byte(b']');
    }
    out.raw(b",\"src_ip\":\"");
    address::append(out, ends.src, ends.ip_version, config.ipv6);
    out.byte(b'"');
    if let Some(ports) = ends.ports {
        key_uint(out, b",\"src_port\":", ports.src.into());
    }
    out.raw(b",\"dest_ip\":\"");
    address::append(out, ends.dst, ends.ip_version, config.ipv6);
    out.byte(b'"');
    if let Some(ports) = ends.ports {
        key_uint(out, b",\"dest_port\":", ports.dst.into());
    }
    out.raw(b",\"proto\":\"");
    protocol::append(out, ends.protocol);
    out.byte(b'"');
}
