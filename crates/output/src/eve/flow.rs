//! The `flow` event: one a record.
//!
//! Order: time stamp, id, type, VLANs, ends, protocol and what it has instead of ports; then `flow`, `ether`,
//! `community_id`, `tcp`, `tunnel`, `host`, and last `flumen`, which holds what Suricata does not know.

use super::clock::Clock;
use super::encode::{Common, Sender, ether, flag_words, hex_field, key_uint, span};
use crate::text::Text;
use flumen_model::record::{Endpoint, FlowRecord, FlowState, Interim, TcpRecord};

/// Appends the event of `record` and a line feed.
pub(super) fn append(out: &mut Text, clock: &mut Clock, common: &Common<'_>, record: &FlowRecord) {
    common.open(out, clock, record, b"flow");
    common.ends(out, record, Sender::Client);
    key_uint(out, b",\"ip_v\":", record.ip_version as u64);
    common.protocol(out, record);
    endpoint(out, record);
    body(out, clock, record);
    if let Some(macs) = common.macs(record) {
        ether(out, &macs.dst, &macs.src);
    }
    common.community_id(out);
    if let Some(tcp) = &record.tcp {
        tcp_object(out, tcp);
    }
    common.tunnel(out, record);
    common.host(out);
    extension(out, common, record);
    out.raw(b"}\n");
}

/// What stands instead of ports.
fn endpoint(out: &mut Text, record: &FlowRecord) {
    match record.endpoint {
        Endpoint::Icmp { request, response } => {
            key_uint(out, b",\"icmp_type\":", request.0.into());
            key_uint(out, b",\"icmp_code\":", request.1.into());
            if let Some((kind, code)) = response {
                key_uint(out, b",\"response_icmp_type\":", kind.into());
                key_uint(out, b",\"response_icmp_code\":", code.into());
            }
        }
        Endpoint::Spi(spi) => key_uint(out, b",\"spi\":", spi.into()),
        Endpoint::Ports(_) | Endpoint::None => {}
    }
}

fn body(out: &mut Text, clock: &mut Clock, record: &FlowRecord) {
    key_uint(out, b",\"flow\":{\"pkts_toserver\":", record.to_server.packets);
    key_uint(out, b",\"pkts_toclient\":", record.to_client.packets);
    key_uint(out, b",\"bytes_toserver\":", record.to_server.bytes);
    key_uint(out, b",\"bytes_toclient\":", record.to_client.bytes);
    span(out, clock, record);
    if record.emergency {
        out.raw(b",\"emergency\":true");
    }
    out.raw(b",\"state\":\"");
    out.raw(record.state.name().as_bytes());
    if record.state == FlowState::LocalBypassed {
        out.raw(b"\",\"bypass\":\"local");
    }
    out.raw(b"\",\"reason\":\"");
    out.raw(record.reason.name().as_bytes());
    out.raw(b"\",\"alerted\":false");
    if record.wrong_thread {
        out.raw(b",\"wrong_thread\":true");
    }
    out.raw(match record.elephant {
        [false, false] => b"",
        [true, false] => b",\"elephant\":true,\"elephant_direction\":[\"toserver\"]".as_slice(),
        [false, true] => b",\"elephant\":true,\"elephant_direction\":[\"toclient\"]",
        [true, true] => b",\"elephant\":true,\"elephant_direction\":[\"toserver\",\"toclient\"]",
    });
    if record.midstream_policy {
        out.raw(b",\"exception_policy\":[{\"target\":\"stream_midstream\",\"policy\":\"ignore\"}]");
    }
    out.byte(b'}');
}

fn tcp_object(out: &mut Text, tcp: &TcpRecord) {
    let [to_server, to_client] = tcp.flags;
    hex_field(out, b",\"tcp\":{\"tcp_flags\":\"", to_server | to_client);
    hex_field(out, b",\"tcp_flags_ts\":\"", to_server);
    hex_field(out, b",\"tcp_flags_tc\":\"", to_client);
    flag_words(out, to_server | to_client);
    if let Some(state) = tcp.state {
        out.raw(b",\"state\":\"");
        out.raw(state.name().as_bytes());
        // A session begins with one region a direction, and only reassembly of streams, which Flumen does not do, adds more.
        out.raw(b"\",\"ts_max_regions\":1,\"tc_max_regions\":1");
    }
    out.byte(b'}');
}

/// The object `flumen`: of an interim record always, of a final one when extended records are wanted.
fn extension(out: &mut Text, common: &Common<'_>, record: &FlowRecord) {
    if record.interim.is_none() && !common.config.extended {
        return;
    }
    out.raw(b",\"flumen\":{");
    if let Some(update) = &record.interim {
        interim(out, update);
        if common.config.extended {
            out.byte(b',');
        }
    }
    if common.config.extended {
        key_uint(out, b"\"start_ns\":", record.start.nanos());
        key_uint(out, b",\"end_ns\":", record.end.nanos());
    }
    out.byte(b'}');
}

fn interim(out: &mut Text, update: &Interim) {
    let [to_server, to_client] = update.delta;
    key_uint(out, b"\"interim\":", update.sequence.into());
    key_uint(out, b",\"delta\":{\"pkts_toserver\":", to_server.packets);
    key_uint(out, b",\"pkts_toclient\":", to_client.packets);
    key_uint(out, b",\"bytes_toserver\":", to_server.bytes);
    key_uint(out, b",\"bytes_toclient\":", to_client.bytes);
    out.byte(b'}');
}
