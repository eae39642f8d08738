//! The `netflow` event: one a direction, with the ends as that direction has them.
//!
//! The event to the client is left out when no packet went that way. An interim record has no `netflow` event:
//! readers add these up, and the final record holds all packets.

use super::clock::Clock;
use super::encode::{Common, Sender, ether, flag_words, hex_field, key_uint, span};
use crate::text::Text;
use flumen_model::Direction;
use flumen_model::record::{Endpoint, FlowRecord};

/// Appends the events of `record`, each with a line feed.
pub(super) fn append(out: &mut Text, clock: &mut Clock, common: &Common<'_>, record: &FlowRecord) {
    one_way(out, clock, common, record, Direction::ToServer);
    if record.to_client.packets > 0 {
        one_way(out, clock, common, record, Direction::ToClient);
    }
}

fn one_way(out: &mut Text, clock: &mut Clock, common: &Common<'_>, record: &FlowRecord, direction: Direction) {
    let (traffic, sender) = match direction {
        Direction::ToServer => (&record.to_server, Sender::Client),
        Direction::ToClient => (&record.to_client, Sender::Server),
    };
    common.open(out, clock, record, b"netflow");
    common.ends(out, record, sender);
    common.protocol(out, record);
    endpoint(out, record, direction);
    key_uint(out, b",\"app_proto\":\"unknown\",\"netflow\":{\"pkts\":", traffic.packets);
    key_uint(out, b",\"bytes\":", traffic.bytes);
    span(out, clock, record);
    // On a flow that was turned Suricata has counted the TTLs of packets to the client elsewhere, and writes zeros.
    let unknown = (direction == Direction::ToClient).then_some((0, 0));
    if let Some((low, high)) = traffic.ttl.or(unknown) {
        key_uint(out, b",\"min_ttl\":", low.into());
        key_uint(out, b",\"max_ttl\":", high.into());
    }
    out.byte(b'}');
    if let Some(tcp) = &record.tcp {
        let flags = tcp.flags[direction.index()];
        hex_field(out, b",\"tcp\":{\"tcp_flags\":\"", flags);
        flag_words(out, flags);
        out.byte(b'}');
    }
    if let Some(macs) = common.macs(record) {
        match direction {
            Direction::ToServer => ether(out, &macs.dst, &macs.src),
            Direction::ToClient => ether(out, &macs.src, &macs.dst),
        }
    }
    common.community_id(out);
    common.tunnel(out, record);
    common.host(out);
    out.raw(b"}\n");
}

fn endpoint(out: &mut Text, record: &FlowRecord, direction: Direction) {
    match record.endpoint {
        Endpoint::Icmp { request, response } => {
            let message = match direction {
                Direction::ToServer => Some(request),
                Direction::ToClient => response,
            };
            if let Some((kind, code)) = message {
                key_uint(out, b",\"icmp_type\":", kind.into());
                key_uint(out, b",\"icmp_code\":", code.into());
            }
        }
        Endpoint::Spi(spi) => key_uint(out, b",\"spi\":", spi.into()),
        Endpoint::Ports(_) | Endpoint::None => {}
    }
}
