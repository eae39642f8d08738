//! Random records beside a slow, obvious encoder: byte for byte.

use crate::lines;
use crate::support::{Random, random_config, random_record};
use flumen_model::record::{Endpoint, FlowRecord, FlowState, Interim, TcpRecord, Traffic};
use flumen_model::{Address, IpVersion, Timestamp, TunnelKind};
use flumen_output::eve::{EveConfig, Ipv6Form, time_text};
use std::net::{Ipv4Addr, Ipv6Addr};

#[test]
fn random_records_then_the_lines_of_the_model() {
    let seed = 0x5eed_0007;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    for _ in 0..20_000 {
        let record = random_record(&mut random);
        let config = random_config(&mut random);
        assert_eq!(lines(&record, config.clone()), model(&record, &config), "{record:?} {config:?}");
    }
}

fn model(record: &FlowRecord, config: &EveConfig) -> Vec<String> {
    let mut events = Vec::new();
    if config.flow {
        events.push(flow(record, config));
    }
    if config.netflow && record.interim.is_none() {
        events.push(netflow(record, config, true));
        if record.to_client.packets > 0 {
            events.push(netflow(record, config, false));
        }
    }
    events
}

fn flow(record: &FlowRecord, config: &EveConfig) -> String {
    let (ts, tc) = (record.to_server, record.to_client);
    let icmp = match record.endpoint {
        Endpoint::Icmp { request: (kind, code), response } => {
            let answer =
                response.map(|(kind, code)| format!(r#","response_icmp_type":{kind},"response_icmp_code":{code}"#));
            format!(r#","icmp_type":{kind},"icmp_code":{code}{}"#, answer.unwrap_or_default())
        }
        _ => spi(record),
    };
    let state = record.state.name();
    let bypass = if record.state == FlowState::LocalBypassed { r#","bypass":"local""# } else { "" };
    [
        head(record, config, "flow", true),
        format!(r#","ip_v":{}"#, record.ip_version as u8),
        format!(r#","proto":"{}"{icmp}"#, protocol(record.protocol)),
        format!(r#","flow":{{"pkts_toserver":{},"pkts_toclient":{}"#, ts.packets, tc.packets),
        format!(r#","bytes_toserver":{},"bytes_toclient":{}{}"#, ts.bytes, tc.bytes, span(record)),
        word(record.emergency, r#","emergency":true"#),
        format!(r#","state":"{state}"{bypass},"reason":"{}","alerted":false"#, record.reason.name()),
        word(record.wrong_thread, r#","wrong_thread":true"#),
        elephant(record.elephant),
        word(record.midstream_policy, r#","exception_policy":[{"target":"stream_midstream","policy":"ignore"}]"#),
        "}".to_owned(),
        ether(record, config, true),
        community_id(record, config),
        record.tcp.map(|tcp| tcp_of_flow(&tcp)).unwrap_or_default(),
        tunnel(record, config),
        host(config),
        extension(record, config),
        "}".to_owned(),
    ]
    .concat()
}

fn netflow(record: &FlowRecord, config: &EveConfig, to_server: bool) -> String {
    let traffic = if to_server { record.to_server } else { record.to_client };
    let message = match record.endpoint {
        Endpoint::Icmp { request, response } => if to_server { Some(request) } else { response }
            .map(|(kind, code)| format!(r#","icmp_type":{kind},"icmp_code":{code}"#)),
        _ => Some(spi(record)),
    };
    let ttl = traffic.ttl.or(if to_server { None } else { Some((0, 0)) });
    let tcp = record.tcp.map(|tcp| {
        let flags = tcp.flags[usize::from(!to_server)];
        format!(r#","tcp":{{"tcp_flags":"{flags:02x}"{}}}"#, flag_words(flags))
    });
    [
        head(record, config, "netflow", to_server),
        format!(r#","proto":"{}"{}"#, protocol(record.protocol), message.unwrap_or_default()),
        format!(r#","app_proto":"unknown","netflow":{{"pkts":{},"bytes":{}"#, traffic.packets, traffic.bytes),
        span(record),
        ttl.map(|(low, high)| format!(r#","min_ttl":{low},"max_ttl":{high}"#)).unwrap_or_default(),
        "}".to_owned(),
        tcp.unwrap_or_default(),
        ether(record, config, to_server),
        community_id(record, config),
        tunnel(record, config),
        host(config),
        "}".to_owned(),
    ]
    .concat()
}

fn head(record: &FlowRecord, config: &EveConfig, kind: &str, to_server: bool) -> String {
    let parent = record.nesting.filter(|_| config.tunnels).and_then(|nesting| nesting.parent_id);
    let tags: Vec<String> = record.vlan.ids[..usize::from(record.vlan.count)].iter().map(u16::to_string).collect();
    let vlan = if tags.is_empty() { String::new() } else { format!(r#","vlan":[{}]"#, tags.join(",")) };
    let ports = match record.endpoint {
        Endpoint::Ports(ports) => Some((ports.src, ports.dst)),
        _ => None,
    };
    let (client, server) = (address(record.client, record, config), address(record.server, record, config));
    let (src, dst) = if to_server { (client, server) } else { (server, client) };
    let ports = ports.map(|(client, server)| if to_server { (client, server) } else { (server, client) });
    let port = |name: &str, port: Option<u16>| port.map(|port| format!(r#","{name}":{port}"#)).unwrap_or_default();
    [
        format!(r#"{{"timestamp":"{}","flow_id":{}"#, time_text(record.logged), record.flow_id),
        parent.map(|id| format!(r#","parent_id":{id}"#)).unwrap_or_default(),
        // The names of `random_config`.
        if record.device == 1 { r#","in_iface":"dev\"1""#.to_owned() } else { String::new() },
        format!(r#","event_type":"{kind}"{vlan}"#),
        format!(r#","src_ip":"{src}"{}"#, port("src_port", ports.map(|p| p.0))),
        format!(r#","dest_ip":"{dst}"{}"#, port("dest_port", ports.map(|p| p.1))),
    ]
    .concat()
}

fn address(Address(bytes): Address, record: &FlowRecord, config: &EveConfig) -> String {
    let groups = Ipv6Addr::from(bytes).segments();
    match (record.ip_version, config.ipv6) {
        (IpVersion::V4, _) => Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).to_string(),
        (IpVersion::V6, Ipv6Form::Compressed) => Ipv6Addr::from(bytes).to_string(),
        (IpVersion::V6, Ipv6Form::Expanded) => groups.map(|group| format!("{group:04x}")).join(":"),
    }
}

fn span(record: &FlowRecord) -> String {
    let secs = |at: Timestamp| at.nanos() / 1_000_000_000;
    let age = secs(record.end).saturating_sub(secs(record.start));
    format!(r#","start":"{}","end":"{}","age":{age}"#, time_text(record.start), time_text(record.end))
}

fn spi(record: &FlowRecord) -> String {
    match record.endpoint {
        Endpoint::Spi(spi) => format!(r#","spi":{spi}"#),
        _ => String::new(),
    }
}

fn protocol(number: u8) -> String {
    // A few; `literal` has others.
    match number {
        0 => "HOPOPT",
        1 => "ICMP",
        6 => "TCP",
        17 => "UDP",
        58 => "IPv6-ICMP",
        132 => "SCTP",
        135 => "Mobility-Header",
        number => return number.to_string(),
    }
    .to_owned()
}

fn elephant([to_server, to_client]: [bool; 2]) -> String {
    let words: Vec<&str> =
        [(to_server, r#""toserver""#), (to_client, r#""toclient""#)].iter().filter(|e| e.0).map(|e| e.1).collect();
    if words.is_empty() {
        return String::new();
    }
    format!(r#","elephant":true,"elephant_direction":[{}]"#, words.join(","))
}

fn tcp_of_flow(tcp: &TcpRecord) -> String {
    let [ts, tc] = tcp.flags;
    let state = tcp.state.map(|state| format!(r#","state":"{}","ts_max_regions":1,"tc_max_regions":1"#, state.name()));
    format!(
        r#","tcp":{{"tcp_flags":"{:02x}","tcp_flags_ts":"{ts:02x}","tcp_flags_tc":"{tc:02x}"{}{}}}"#,
        ts | tc,
        flag_words(ts | tc),
        state.unwrap_or_default()
    )
}

fn flag_words(flags: u8) -> String {
    let names = [("syn", 2), ("fin", 1), ("rst", 4), ("psh", 8), ("ack", 16), ("urg", 32), ("ecn", 64), ("cwr", 128)];
    names.iter().filter(|(_, bit)| flags & bit != 0).map(|(name, _)| format!(r#","{name}":true"#)).collect()
}

fn ether(record: &FlowRecord, config: &EveConfig, to_server: bool) -> String {
    let Some(macs) = record.macs.as_deref().filter(|_| config.ethernet) else { return String::new() };
    let (dest, src) = if to_server { (&macs.dst, &macs.src) } else { (&macs.src, &macs.dst) };
    let list = |macs: &[[u8; 6]]| -> String {
        let text: Vec<String> =
            macs.iter().map(|mac| format!(r#""{}""#, mac.map(|byte| format!("{byte:02x}")).join(":"))).collect();
        text.join(",")
    };
    if dest.is_empty() && src.is_empty() {
        return String::new();
    }
    format!(r#","ether":{{"dest_macs":[{}],"src_macs":[{}]}}"#, list(dest), list(src))
}

fn community_id(record: &FlowRecord, config: &EveConfig) -> String {
    let text = |rule: flumen_output::eve::CommunityId| {
        let id = rule.text(record);
        format!(r#","community_id":"{}""#, String::from_utf8_lossy(&id))
    };
    config.community_id.map(text).unwrap_or_default()
}

fn tunnel(record: &FlowRecord, config: &EveConfig) -> String {
    let Some(nesting) = record.nesting.filter(|_| config.tunnels) else { return String::new() };
    let id = nesting.tunnel.id;
    let number = match nesting.tunnel.kind {
        TunnelKind::None => String::new(),
        TunnelKind::Vni => format!(r#","vni":{id}"#),
        TunnelKind::GreKey => format!(r#","gre_key":{id}"#),
        TunnelKind::Teid => format!(r#","teid":{id}"#),
        TunnelKind::Spi => format!(r#","spi":{id}"#),
        TunnelKind::Session => format!(r#","session":{id}"#),
    };
    let outside = word(nesting.is_outside, r#","outside":true"#);
    format!(r#","tunnel":{{"depth":{}{number}{outside}}}"#, nesting.depth)
}

fn host(config: &EveConfig) -> String {
    // The name of `random_config`, as RFC 8259 has it.
    config.host.as_ref().map(|_| ",\"host\":\"\\u0001é\\\"\\\\\"".to_owned()).unwrap_or_default()
}

fn extension(record: &FlowRecord, config: &EveConfig) -> String {
    let update = record.interim.as_deref().map(interim);
    let exact =
        config.extended.then(|| format!(r#""start_ns":{},"end_ns":{}"#, record.start.nanos(), record.end.nanos()));
    let parts: Vec<String> = update.into_iter().chain(exact).collect();
    if parts.is_empty() { String::new() } else { format!(r#","flumen":{{{}}}"#, parts.join(",")) }
}

fn interim(update: &Interim) -> String {
    let [Traffic { packets: p, bytes: b, .. }, Traffic { packets: q, bytes: c, .. }] = update.delta;
    let delta = format!(r#"{{"pkts_toserver":{p},"pkts_toclient":{q},"bytes_toserver":{b},"bytes_toclient":{c}}}"#);
    format!(r#""interim":{},"delta":{delta}"#, update.sequence)
}

fn word(said: bool, text: &str) -> String {
    if said { text.to_owned() } else { String::new() }
}
