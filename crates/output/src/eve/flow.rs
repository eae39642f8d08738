//! The `flow` event: one a record.
//!
//! Order: time stamp, id, type, VLANs, ends, protocol and what it has instead of ports; then `flow`, `ether`,
//! `community_id`, `tcp`, `tunnel`, `host`, and last `flumen`, which holds what Suricata does not know.

use super::encode::{Common, Sender, ether, flag_words, protocol_field};
use crate::digits::hex_pair;
use crate::line::{Line, Padded};
use flumen_model::record::{EndReason, Endpoint, FlowRecord, FlowState, Interim, TcpRecord};
use flumen_model::{IpVersion, TcpState};

/// Writes the event of `record` and a line feed into `room`, and says how many bytes it has.
///
/// Not inlined into the loop of [`Text::line`](crate::text::Text::line), before which all digits would be computed and
/// kept on the stack.
#[inline(never)]
pub(super) fn write(room: &mut [u8], common: &Common<'_>, record: &FlowRecord) -> usize {
    let mut line = Line::new(room);
    common.open(&mut line, record, b",\"event_type\":\"flow\"");
    common.ends(&mut line, record, Sender::Client);
    match record.ip_version {
        IpVersion::V4 => protocol_field(&mut line, b",\"ip_v\":4,\"proto\":\"", record.protocol),
        IpVersion::V6 => protocol_field(&mut line, b",\"ip_v\":6,\"proto\":\"", record.protocol),
    }
    endpoint(&mut line, record);
    body(&mut line, common, record);
    if let Some(macs) = common.macs(record) {
        line.apart(|line| ether(line, &macs.dst, &macs.src));
    }
    common.community_id(&mut line);
    if let Some(tcp) = &record.tcp {
        tcp_object(&mut line, tcp);
    }
    common.surroundings(&mut line, record);
    if record.interim.is_some() || common.config.extended {
        line.apart(|line| extension(line, common, record));
    }
    line.put(b"}\n");
    line.len()
}

/// What stands instead of ports.
#[inline(always)]
fn endpoint(line: &mut Line<'_>, record: &FlowRecord) {
    match record.endpoint {
        Endpoint::Icmp { request, response } => line.apart(|line| icmp(line, request, response)),
        Endpoint::Spi(spi) => line.apart(|line| line.key_uint(b",\"spi\":", spi.into())),
        Endpoint::Ports(_) | Endpoint::None => {}
    }
}

#[inline(never)]
fn icmp(line: &mut Line<'_>, request: (u8, u8), response: Option<(u8, u8)>) {
    line.key_uint(b",\"icmp_type\":", request.0.into());
    line.key_uint(b",\"icmp_code\":", request.1.into());
    if let Some((kind, code)) = response {
        line.key_uint(b",\"response_icmp_type\":", kind.into());
        line.key_uint(b",\"response_icmp_code\":", code.into());
    }
}

#[inline(always)]
fn body(line: &mut Line<'_>, common: &Common<'_>, record: &FlowRecord) {
    line.key_uint(b",\"flow\":{\"pkts_toserver\":", record.to_server.packets);
    line.key_uint(b",\"pkts_toclient\":", record.to_client.packets);
    line.key_uint(b",\"bytes_toserver\":", record.to_server.bytes);
    line.key_uint(b",\"bytes_toclient\":", record.to_client.bytes);
    common.span(line, record);
    if record.emergency {
        line.put(b",\"emergency\":true");
    }
    line.part(&OUTCOMES[record.state as usize][record.reason as usize]);
    if record.wrong_thread || record.elephant != [false; 2] || record.midstream_policy {
        line.apart(|line| oddities(line, record));
    }
    line.put(b"}");
}

/// State, reason and `alerted`, by state and reason.
static OUTCOMES: [[Padded<80>; EndReason::ALL.len()]; FlowState::ALL.len()] = {
    let mut table = [[Padded::EMPTY; EndReason::ALL.len()]; FlowState::ALL.len()];
    let (mut i, mut j) = (0, 0);
    while i < FlowState::ALL.len() {
        while j < EndReason::ALL.len() {
            let (state, reason) = (FlowState::ALL[i], EndReason::ALL[j]);
            let bypass = if matches!(state, FlowState::LocalBypassed) { "\",\"bypass\":\"local" } else { "" };
            table[state as usize][reason as usize] = Padded::of(&[
                ",\"state\":\"",
                state.name(),
                bypass,
                "\",\"reason\":\"",
                reason.name(),
                "\",\"alerted\":false",
            ]);
            j += 1;
        }
        (i, j) = (i + 1, 0);
    }
    table
};

#[inline(never)]
fn oddities(line: &mut Line<'_>, record: &FlowRecord) {
    if record.wrong_thread {
        line.put(b",\"wrong_thread\":true");
    }
    line.slice(match record.elephant {
        [false, false] => b"",
        [true, false] => b",\"elephant\":true,\"elephant_direction\":[\"toserver\"]".as_slice(),
        [false, true] => b",\"elephant\":true,\"elephant_direction\":[\"toclient\"]",
        [true, true] => b",\"elephant\":true,\"elephant_direction\":[\"toserver\",\"toclient\"]",
    });
    if record.midstream_policy {
        line.put(b",\"exception_policy\":[{\"target\":\"stream_midstream\",\"policy\":\"ignore\"}]");
    }
}

#[inline(always)]
fn tcp_object(line: &mut Line<'_>, tcp: &TcpRecord) {
    let [to_server, to_client] = tcp.flags;
    let all = to_server | to_client;
    line.fill(TCP.len(), |next: &mut [u8; TCP.len()]| {
        *next = TCP;
        next[21..23].copy_from_slice(&hex_pair(all));
        next[41..43].copy_from_slice(&hex_pair(to_server));
        next[61..63].copy_from_slice(&hex_pair(to_client));
    });
    flag_words(line, all);
    match tcp.state {
        Some(state) => line.part(&SESSIONS[state as usize]),
        None => line.put(b"}"),
    }
}

const TCP: [u8; 64] = *b",\"tcp\":{\"tcp_flags\":\"00\",\"tcp_flags_ts\":\"00\",\"tcp_flags_tc\":\"00\"";

/// The end of the object `tcp`, by the state of the session. A session begins with one region a direction, and only
/// reassembly of streams, which Flumen does not do, adds more.
static SESSIONS: [Padded<64>; TcpState::ALL.len()] = {
    let mut table = [Padded::EMPTY; TcpState::ALL.len()];
    let mut i = 0;
    while i < TcpState::ALL.len() {
        let state = TcpState::ALL[i];
        table[state as usize] =
            Padded::of(&[",\"state\":\"", state.name(), "\",\"ts_max_regions\":1,\"tc_max_regions\":1}"]);
        i += 1;
    }
    table
};

/// The object `flumen`: of an interim record always, of a final one when extended records are wanted.
#[inline(never)]
fn extension(line: &mut Line<'_>, common: &Common<'_>, record: &FlowRecord) {
    line.put(b",\"flumen\":{");
    if let Some(update) = &record.interim {
        interim(line, update);
        if common.config.extended {
            line.put(b",");
        }
    }
    if common.config.extended {
        line.key_uint(b"\"start_ns\":", record.start.nanos());
        line.key_uint(b",\"end_ns\":", record.end.nanos());
    }
    line.put(b"}");
}

fn interim(line: &mut Line<'_>, update: &Interim) {
    let [to_server, to_client] = update.delta;
    line.key_uint(b"\"interim\":", update.sequence.into());
    line.key_uint(b",\"delta\":{\"pkts_toserver\":", to_server.packets);
    line.key_uint(b",\"pkts_toclient\":", to_client.packets);
    line.key_uint(b",\"bytes_toserver\":", to_server.bytes);
    line.key_uint(b",\"bytes_toclient\":", to_client.bytes);
    line.put(b"}");
}
