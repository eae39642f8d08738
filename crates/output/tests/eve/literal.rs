//! Events letter by letter.

use crate::lines;
use crate::support::{START, record};
use flumen_model::record::{Endpoint, Interim, MacSet, TcpRecord, Traffic};
use flumen_model::{EndReason, FlowRecord, FlowState, Ports, TcpState, Timestamp, VlanTags};
use flumen_output::eve::{CommunityId, DeviceNames, EveConfig, Ipv6Form};

const ALL: EveConfig = EveConfig {
    filename: std::path::PathBuf::new(),
    existing: flumen_output::eve::ExistingFile::Append,
    flow: true,
    netflow: true,
    stats: None,
    community_id: Some(CommunityId { seed: 0, rule: flumen_output::eve::CommunityIdRule::Spec }),
    ipv6: Ipv6Form::Expanded,
    ethernet: true,
    host: None,
    anomaly: true,
    devices: DeviceNames::NONE,
    tunnels: true,
    extended: false,
};

/// The session of `reference/suricata.md` §2.4.
fn web() -> FlowRecord {
    let (a, b) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    FlowRecord {
        flow_id: 2_338_442_234,
        logged: Timestamp::from_nanos(START + 5_000_000_000),
        protocol: 6,
        endpoint: Endpoint::Ports(Ports { src: 5000, dst: 80 }),
        to_server: Traffic { packets: 5, bytes: 273, ttl: Some((64, 64)) },
        to_client: Traffic { packets: 3, bytes: 162, ttl: Some((64, 64)) },
        end: Timestamp::from_nanos(START + 700_000_000),
        state: FlowState::Closed,
        reason: EndReason::TcpReuse,
        tcp: Some(TcpRecord { flags: [0x1b, 0x13], state: Some(TcpState::Closed) }),
        macs: Some(Box::new(MacSet { src: vec![a, b], dst: vec![b, a] })),
        ..record("10.0.0.1", "10.0.0.2")
    }
}

#[test]
fn tcp_session_then_flow_event_and_one_netflow_event_each_way() {
    let want = [
        r#"{"timestamp":"2020-09-13T12:26:45.000000+0000","flow_id":2338442234,"event_type":"flow","src_ip":"10.0.0.1","src_port":5000,"dest_ip":"10.0.0.2","dest_port":80,"ip_v":4,"proto":"TCP","flow":{"pkts_toserver":5,"pkts_toclient":3,"bytes_toserver":273,"bytes_toclient":162,"start":"2020-09-13T12:26:40.000000+0000","end":"2020-09-13T12:26:40.700000+0000","age":0,"state":"closed","reason":"tcp_reuse","alerted":false},"ether":{"dest_macs":["02:00:00:00:00:02","02:00:00:00:00:01"],"src_macs":["02:00:00:00:00:01","02:00:00:00:00:02"]},"community_id":"1:zZcrZw6iHYAz2U0wgSDHZWBCrMg=","tcp":{"tcp_flags":"1b","tcp_flags_ts":"1b","tcp_flags_tc":"13","syn":true,"fin":true,"psh":true,"ack":true,"state":"closed","ts_max_regions":1,"tc_max_regions":1}}"#,
        r#"{"timestamp":"2020-09-13T12:26:45.000000+0000","flow_id":2338442234,"event_type":"netflow","src_ip":"10.0.0.1","src_port":5000,"dest_ip":"10.0.0.2","dest_port":80,"proto":"TCP","app_proto":"unknown","netflow":{"pkts":5,"bytes":273,"start":"2020-09-13T12:26:40.000000+0000","end":"2020-09-13T12:26:40.700000+0000","age":0,"min_ttl":64,"max_ttl":64},"tcp":{"tcp_flags":"1b","syn":true,"fin":true,"psh":true,"ack":true},"ether":{"dest_macs":["02:00:00:00:00:02","02:00:00:00:00:01"],"src_macs":["02:00:00:00:00:01","02:00:00:00:00:02"]},"community_id":"1:zZcrZw6iHYAz2U0wgSDHZWBCrMg="}"#,
        r#"{"timestamp":"2020-09-13T12:26:45.000000+0000","flow_id":2338442234,"event_type":"netflow","src_ip":"10.0.0.2","src_port":80,"dest_ip":"10.0.0.1","dest_port":5000,"proto":"TCP","app_proto":"unknown","netflow":{"pkts":3,"bytes":162,"start":"2020-09-13T12:26:40.000000+0000","end":"2020-09-13T12:26:40.700000+0000","age":0,"min_ttl":64,"max_ttl":64},"tcp":{"tcp_flags":"13","syn":true,"fin":true,"ack":true},"ether":{"dest_macs":["02:00:00:00:00:01","02:00:00:00:00:02"],"src_macs":["02:00:00:00:00:02","02:00:00:00:00:01"]},"community_id":"1:zZcrZw6iHYAz2U0wgSDHZWBCrMg="}"#,
    ];
    assert_eq!(lines(&web(), ALL), want);
}

#[test]
fn tagged_ping_then_vlans_and_types() {
    let at = Timestamp::from_nanos(1_551_030_129_072_151_000);
    let ping = FlowRecord {
        flow_id: 309_888_665_301_665,
        logged: at,
        start: at,
        end: at,
        vlan: VlanTags { ids: [1, 10, 0], count: 2 },
        protocol: 1,
        endpoint: Endpoint::Icmp { request: (8, 0), response: None },
        to_server: Traffic { packets: 1, bytes: 50, ttl: None },
        reason: EndReason::Shutdown,
        ..record("192.168.0.1", "255.255.255.255")
    };
    let want = r#"{"timestamp":"2019-02-24T17:42:09.072151+0000","flow_id":309888665301665,"event_type":"flow","vlan":[1,10],"src_ip":"192.168.0.1","dest_ip":"255.255.255.255","ip_v":4,"proto":"ICMP","icmp_type":8,"icmp_code":0,"flow":{"pkts_toserver":1,"pkts_toclient":0,"bytes_toserver":50,"bytes_toclient":0,"start":"2019-02-24T17:42:09.072151+0000","end":"2019-02-24T17:42:09.072151+0000","age":0,"state":"new","reason":"shutdown","alerted":false},"community_id":"1:76s0GqUpOoen1LppvPx4loZ+Pnk="}"#;
    assert_eq!(lines(&ping, ALL)[0], want);
    assert!(!lines(&ping, ALL)[1].contains("ttl"), "a TTL that no packet has set is left out");
    assert_eq!(lines(&ping, ALL).len(), 2, "no event for a direction without packets");
}

#[test]
fn everything_that_is_rare_then_in_its_place() {
    let odd = FlowRecord {
        state: FlowState::LocalBypassed,
        reason: EndReason::Forced,
        emergency: true,
        wrong_thread: true,
        elephant: [true, true],
        midstream_policy: true,
        tcp: Some(TcpRecord { flags: [0, 0], state: None }),
        macs: None,
        end: Timestamp::from_nanos(START + 1_999_999_999),
        start: Timestamp::from_nanos(START + 999_999_999),
        ..web()
    };
    let line = &lines(&odd, EveConfig { extended: true, ..ALL })[0];
    let (_, tail) = line.split_once(r#""start":"#).expect("a start");
    assert_eq!(
        tail,
        r#""2020-09-13T12:26:40.999999+0000","end":"2020-09-13T12:26:41.999999+0000","age":1,"emergency":true,"state":"bypassed","bypass":"local","reason":"forced","alerted":false,"wrong_thread":true,"elephant":true,"elephant_direction":["toserver","toclient"],"exception_policy":[{"target":"stream_midstream","policy":"ignore"}]},"community_id":"1:zZcrZw6iHYAz2U0wgSDHZWBCrMg=","tcp":{"tcp_flags":"00","tcp_flags_ts":"00","tcp_flags_tc":"00"},"flumen":{"start_ns":1600000000999999999,"end_ns":1600000001999999999}}"#
    );
}

#[test]
fn interim_record_then_flow_event_with_delta_and_no_netflow() {
    let delta = |packets, bytes| Traffic { packets, bytes, ttl: None };
    let update = FlowRecord {
        reason: EndReason::Unknown,
        interim: Some(Box::new(Interim { sequence: 3, delta: [delta(2, 120), delta(1, 54)] })),
        ..web()
    };
    let events = lines(&update, ALL);
    assert_eq!(events.len(), 1);
    assert!(events[0].contains(r#""event_type":"flow""#) && events[0].contains(r#""reason":"unknown""#));
    assert!(events[0].ends_with(
        r#","flumen":{"interim":3,"delta":{"pkts_toserver":2,"pkts_toclient":1,"bytes_toserver":120,"bytes_toclient":54}}}"#
    ));
    assert!(
        lines(&update, EveConfig { extended: true, ..ALL })[0]
            .ends_with(r#""bytes_toclient":54},"start_ns":1600000000000000000,"end_ns":1600000000700000000}}"#)
    );
}

#[test]
fn esp_and_unnamed_protocols_then_spi_and_number() {
    let esp = FlowRecord { protocol: 50, endpoint: Endpoint::Spi(321), ..record("190.0.0.1", "190.0.0.2") };
    assert!(lines(&esp, ALL)[0].contains(r#""dest_ip":"190.0.0.2","ip_v":4,"proto":"ESP","spi":321,"flow":{"#));
    assert!(lines(&esp, ALL)[1].contains(r#""proto":"ESP","spi":321,"app_proto":"unknown","#));
    let other = FlowRecord { protocol: 200, endpoint: Endpoint::None, ..record("fe80::1", "ff02::1") };
    assert!(lines(&other, ALL)[0].contains(
        r#""src_ip":"fe80:0000:0000:0000:0000:0000:0000:0001","dest_ip":"ff02:0000:0000:0000:0000:0000:0000:0001","ip_v":6,"proto":"200","flow":{"#
    ));
    let short = EveConfig { ipv6: Ipv6Form::Compressed, ..ALL };
    assert!(lines(&other, short)[0].contains(r#""src_ip":"fe80::1","dest_ip":"ff02::1""#));
}

#[test]
fn options_off_then_fields_and_events_left_out() {
    let bare = EveConfig { netflow: false, community_id: None, ethernet: false, ..ALL };
    let events = lines(&web(), bare.clone());
    assert_eq!(events.len(), 1);
    assert!(!events[0].contains("community_id") && !events[0].contains("ether") && !events[0].contains("flumen"));
    assert_eq!(lines(&web(), EveConfig { flow: false, ..bare }), [""; 0]);
}

#[test]
fn sensor_with_a_name_then_host_at_the_end_escaped() {
    let named = EveConfig { host: Some("rack \"7\"".to_owned()), extended: true, ..ALL };
    let events = lines(&web(), named);
    assert!(events[0].contains(r#""tc_max_regions":1},"host":"rack \"7\"","flumen":{"#), "{}", events[0]);
    assert!(events[1].ends_with(r#"zZcrZw6iHYAz2U0wgSDHZWBCrMg=","host":"rack \"7\""}"#), "{}", events[1]);
}

#[test]
fn icmp_answer_then_response_type_and_its_own_netflow_type() {
    let ping = FlowRecord {
        protocol: 1,
        endpoint: Endpoint::Icmp { request: (8, 0), response: Some((0, 7)) },
        to_client: Traffic { packets: 1, bytes: 60, ttl: Some((1, 9)) },
        ..record("10.0.0.1", "10.0.0.2")
    };
    let events = lines(&ping, ALL);
    assert!(events[0].contains(r#""icmp_type":8,"icmp_code":0,"response_icmp_type":0,"response_icmp_code":7,"flow":"#));
    assert!(events[1].contains(r#""icmp_type":8,"icmp_code":0,"app_proto""#));
    assert!(events[2].contains(r#""icmp_type":0,"icmp_code":7,"app_proto""#));
    assert!(events[2].contains(r#""min_ttl":1,"max_ttl":9}"#));
}

#[test]
fn interfaces_with_names_then_in_iface_behind_the_ids() {
    let devices = DeviceNames::new(|device| (device == 3).then(|| "eth\"0".to_owned()));
    let config = EveConfig { netflow: false, devices, ..ALL };
    let text = lines(&FlowRecord { device: 3, ..web() }, config.clone());
    assert!(text[0].contains(r#","in_iface":"eth\"0","event_type":"flow""#), "{}", text[0]);
    assert!(!lines(&web(), config)[0].contains("in_iface"));
}
