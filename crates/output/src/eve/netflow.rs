//! The `netflow` event: one a direction, with the ends as that direction has them.
//!
//! The event to the client is left out when no packet went that way. An interim record has no `netflow` event:
//! readers add these up, and the final record holds all packets.

use super::encode::{Common, Sender, ether, flag_words, protocol_field};
use crate::digits::hex_pair;
use crate::line::Line;
use crate::text::Text;
use flumen_model::Direction;
use flumen_model::record::{Endpoint, FlowRecord};

/// Appends the events of `record`, each with a line feed.
pub(super) fn append(out: &mut Text, common: &Common<'_>, record: &FlowRecord) {
    out.line(|room| write(room, common, record, Direction::ToServer));
    if record.to_client.packets > 0 {
        out.line(|room| write(room, common, record, Direction::ToClient));
    }
}

/// Writes the event of a direction and a line feed into `room`, and says how many bytes it has. Not inlined
/// for the same reason as that of `flow`.
#[inline(never)]
fn write(room: &mut [u8], common: &Common<'_>, record: &FlowRecord, direction: Direction) -> usize {
    let (traffic, sender) = match direction {
        Direction::ToServer => (&record.to_server, Sender::Client),
        Direction::ToClient => (&record.to_client, Sender::Server),
    };
    let mut line = Line::new(room);
    common.open(&mut line, record, b",\"event_type\":\"netflow\"");
    common.ends(&mut line, record, sender);
    protocol_field(&mut line, b",\"proto\":\"", record.protocol);
    endpoint(&mut line, record, direction);
    line.key_uint(b",\"app_proto\":\"unknown\",\"netflow\":{\"pkts\":", traffic.packets);
    line.key_uint(b",\"bytes\":", traffic.bytes);
    common.span(&mut line, record);
    // On a flow that was turned Suricata has counted the TTLs of packets to the client elsewhere, and writes zeros.
    let unknown = (direction == Direction::ToClient).then_some((0, 0));
    if let Some((low, high)) = traffic.ttl.or(unknown) {
        line.key_uint(b",\"min_ttl\":", low.into());
        line.key_uint(b",\"max_ttl\":", high.into());
    }
    line.put(b"}");
    if let Some(tcp) = &record.tcp {
        let flags = tcp.flags[direction.index()];
        line.put(b",\"tcp\":{\"tcp_flags\":\"");
        line.put(&hex_pair(flags));
        line.put(b"\"");
        flag_words(&mut line, flags);
        line.put(b"}");
    }
    if let Some(macs) = common.macs(record) {
        line.apart(|line| match direction {
            Direction::ToServer => ether(line, &macs.dst, &macs.src),
            Direction::ToClient => ether(line, &macs.src, &macs.dst),
        });
    }
    common.community_id(&mut line);
    common.surroundings(&mut line, record);
    line.put(b"}\n");
    line.len()
}

#[inline(always)]
fn endpoint(line: &mut Line<'_>, record: &FlowRecord, direction: Direction) {
    match record.endpoint {
        Endpoint::Icmp { request, response } => {
            let message = match direction {
                Direction::ToServer => Some(request),
                Direction::ToClient => response,
            };
            if let Some((kind, code)) = message {
                line.apart(|line| {
                    line.key_uint(b",\"icmp_type\":", kind.into());
                    line.key_uint(b",\"icmp_code\":", code.into());
                });
            }
        }
        Endpoint::Spi(spi) => line.apart(|line| line.key_uint(b",\"spi\":", spi.into())),
        Endpoint::Ports(_) | Endpoint::None => {}
    }
}
