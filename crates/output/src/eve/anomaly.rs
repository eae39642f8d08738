//! The `anomaly` event: one for each decoder event that a packet raised, with as much of the packet as was found out.
//!
//! Order: time stamp, number of the frame, interface, type, VLANs, ends, protocol, `anomaly`, `host`. The name of the event is that of
//! its counter without the word `event`, as in Suricata.

use super::EveConfig;
use super::clock::Clock;
use super::encode::{ends, protocol_field, vlans};
use crate::line::Line;
use flumen_model::sink::{Anomaly, AnomalyEnds};

/// Writes the event and a line feed into `room`, and says how many bytes it has. The fields of the interface and of the
/// sensor have their commas, or are nothing.
pub(super) fn write(
    room: &mut [u8],
    clock: &mut Clock,
    config: &EveConfig,
    (in_iface, host): (&[u8], &[u8]),
    odd: &Anomaly,
) -> usize {
    let mut line = Line::new(room);
    line.put(b"{\"timestamp\":\"");
    clock.stamp(odd.at).append(&mut line);
    line.key_uint(b"\",\"pcap_cnt\":", odd.frame);
    line.slice(in_iface);
    line.put(b",\"event_type\":\"anomaly\"");
    if let Some(found) = &odd.ends {
        let AnomalyEnds { vlan, ip_version, src, dst, ports, protocol } = found;
        vlans(&mut line, vlan);
        ends(&mut line, config, *ip_version, [*src, *dst], *ports);
        protocol_field(&mut line, b",\"proto\":\"", *protocol);
    }
    line.put(b",\"anomaly\":{\"type\":\"decode\",\"event\":\"");
    match odd.event.name().split_once(".event.") {
        Some((group, name)) => {
            line.slice(group.as_bytes());
            line.put(b".");
            line.slice(name.as_bytes());
        }
        None => line.slice(odd.event.name().as_bytes()),
    }
    line.put(b"\"}");
    line.slice(host);
    line.put(b"}\n");
    line.len()
}
