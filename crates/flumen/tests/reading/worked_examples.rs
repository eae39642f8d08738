//! Small captures whose records are known, packet by packet: what Suricata makes of them, and with its compatibility
//! switched off, what Flumen makes of them where it does better. The numbers of the examples are those of the notes
//! that they were first tried for.

use crate::support::{Scratch, Written, capture};

/// The records of a scenario as Suricata's, and Flumen's own.
fn both(name: &str, more: &[&str]) -> [Written; 2] {
    let scratch = Scratch::new(&format!("example-{name}"));
    scratch.put("made.pcap", &capture(name));
    let read = |arguments: &[&str]| {
        let written = scratch.read(&[&["made.pcap", "--audit"], more, arguments].concat(), 0);
        written.assert_conserves(name);
        written
    };
    [read(&["--compat", "suricata"]), read(&[])]
}

/// e1. Errors count as packets of the flow they are about; the one about an unknown tuple has none.
#[test]
fn icmp_errors_about_a_udp_flow_then_packets_of_that_flow() {
    let [suricata, flumen] = both("icmp-errors", &[]);
    assert_eq!(suricata.short(), ["UDP 10.0.0.1:1111 > 10.0.0.2:53 2/2 132/140 new"]);
    // Time exceeded and the unknown tuple.
    assert_eq!(suricata.non_flow("icmp_error"), 2);
    // The end is that of the last one that counts, the error about the answer.
    assert_eq!(suricata.flows[0]["flow"]["end"], "2023-11-14T22:13:20.400000+0000");
    // Time exceeded is about the flow as well.
    assert_eq!(flumen.short(), ["UDP 10.0.0.1:1111 > 10.0.0.2:53 2/3 132/210 new"]);
    assert_eq!(flumen.non_flow("icmp_error"), 1);
}

/// e2. A ping is told apart by its hosts and who asks, not by its identifier.
#[test]
fn pings_time_stamps_and_solicitation_then_four_flows() {
    for written in both("icmp-echo", &[]) {
        let expected = [
            "ICMP 10.0.0.1 > 10.0.0.2 1/1 54/54 established",
            "ICMP 10.0.0.1 > 10.0.0.2 2/2 148/148 established",
            "ICMP 10.0.0.1 > 224.0.0.2 1/0 42/0 new",
            "ICMP 10.0.0.2 > 10.0.0.1 1/2 74/148 established",
        ];
        assert_eq!(written.short(), expected);
    }
}

/// e5. A gap of exactly the time-out ends the flow, of a microsecond less does not.
#[test]
fn flow_quiet_for_its_time_out_then_two_flows_else_one() {
    // Class by class: the flow whose gap is a microsecond short; then, for both others, what comes before and after.
    let classes: [(&str, &str, [&str; 2]); 8] = [
        ("UDP 10.0.0.1:", "2/0 86/0 new", ["1/0 43/0 new", "1/0 43/0 new"]),
        ("UDP 10.0.1.1:", "2/1 86/43 established", ["1/0 43/0 new", "1/1 43/43 established"]),
        ("TCP 10.0.2.1:", "2/0 140/0 new/syn_sent", ["1/0 66/0 new/syn_sent", "1/0 74/0 new/syn_sent"]),
        ("TCP 10.0.3.1:", "3/1 210/74 established/established", ["1/0 70/0 new", "2/1 140/74 established/established"]),
        ("TCP 10.0.4.1:", "3/2 206/140 closed/closed", ["1/0 66/0 new", "2/2 140/140 closed/closed"]),
        ("ICMP 10.0.5.1 ", "2/0 148/0 new", ["1/0 74/0 new", "1/0 74/0 new"]),
        ("ICMP 10.0.6.1 ", "2/1 148/74 established", ["1/0 74/0 new", "1/1 74/74 established"]),
        ("ESP 10.0.7.1 ", "2/0 132/0 new", ["1/0 66/0 new", "1/0 66/0 new"]),
    ];
    for written in both("idle-gaps", &["--no-midstream"]) {
        let lines = written.short();
        assert_eq!(lines.len(), 8 * 5);
        for (begin, whole, [after, before]) in classes {
            // Without the addresses, which differ by flow.
            let met: Vec<_> = lines
                .iter()
                .filter(|line| line.starts_with(begin))
                .map(|line| line.splitn(5, ' ').nth(4).expect("five words"))
                .collect();
            assert_eq!(met, [whole, after, before, after, before], "{begin}");
        }
    }
}

/// e7. Which protocols have flows, and the packets in tunnels.
#[test]
fn esp_sctp_igmp_ospf_ah_and_tunnels_then_flows_for_those_that_have_them() {
    let [suricata, flumen] = both("e7", &[]);
    let common = [
        "ESP 10.0.0.1 > 10.0.0.2 1/0 66/0 new",
        "ESP 10.0.0.1 > 10.0.0.2 2/0 132/0 new",
        "ESP 10.0.0.2 > 10.0.0.1 1/0 66/0 new",
        "IP-in-IP 10.0.0.1 > 10.0.0.2 1/0 82/0 new",
        "IPv6 10.0.0.1 > 10.0.0.2 1/0 102/0 new",
        "SCTP 10.0.0.1:7 > 10.0.0.2:8 1/0 66/0 new",
        "UDP 172.16.0.1:5 > 172.16.0.2:6 1/0 48/0 new",
        "UDP 172.16.0.1:7 > 172.16.0.2:8 1/0 48/0 new",
        "UDP 2001:0db8:0000:0000:0000:0000:0000:0001:9 > 2001:0db8:0000:0000:0000:0000:0000:0002:10 1/0 68/0 new",
    ];
    assert_eq!(suricata.short(), common);
    let reasons = |written: &Written| ["igmp", "unknown_protocol", "tunnel"].map(|reason| written.non_flow(reason));
    assert_eq!(reasons(&suricata), [1, 2, 1]);
    let mut expected = common.to_vec();
    // AH is passed by: the flow is that of what it protects.
    expected.extend(["GRE 10.0.0.1 > 10.0.0.2 1/0 86/0 new", "OSPF 10.0.0.1 > 10.0.0.2 1/0 78/0 new"]);
    expected.push("UDP 10.0.0.1:5 > 10.0.0.2:6 1/0 86/0 new");
    expected.sort_unstable();
    assert_eq!(flumen.short(), expected, "every IP protocol has flows");
    assert_eq!(reasons(&flumen), [1, 0, 0]);
}

/// e11. Errors of ICMPv6 are flows of their own in Suricata, and packets of the flow they are about in Flumen.
#[test]
fn icmpv6_errors_about_a_udp_flow_then_flows_of_their_own_or_packets_of_that_flow() {
    const A: &str = "2001:0db8:0000:0000:0000:0000:0000:0001";
    const B: &str = "2001:0db8:0000:0000:0000:0000:0000:0002";
    const GROUP: &str = "ff02:0000:0000:0000:0000:0001:ff00:0002";
    let [suricata, flumen] = both("icmpv6", &[]);
    let neighbours = [format!("IPv6-ICMP {A} > {GROUP} 1/0 86/0 new"), format!("IPv6-ICMP {B} > {A} 1/0 86/0 new")];
    let expected = |errors: &[String], udp: &str| {
        let mut lines = vec![format!("IPv6-ICMP {A} > {B} 1/1 94/94 established")];
        lines.push(format!("UDP {A}:1111 > {B}:53 {udp} established"));
        lines.extend_from_slice(&neighbours);
        lines.extend_from_slice(errors);
        lines.sort();
        lines
    };
    let error = format!("IPv6-ICMP {B} > {A} 1/0 130/0 new");
    assert_eq!(suricata.short(), expected(&[error.clone(), error], "1/1 82/82"));
    assert_eq!(flumen.short(), expected(&[], "1/3 82/342"));
}

/// The flows of one case of `reuse`, by its port, in the order in which they began.
fn case(written: &Written, number: u64) -> Vec<String> {
    let port = 40_000 + number;
    let mut flows: Vec<_> =
        written.flows.iter().filter(|flow| flow["src_port"] == port || flow["dest_port"] == port).cloned().collect();
    flows.sort_by_key(|flow| flow["flow"]["start"].to_string());
    let only =
        |flow| Written { flows: vec![flow], lines: Vec::new(), stats: Default::default(), messages: String::new() };
    flows.into_iter().flat_map(|flow| only(flow).short()).collect()
}

/// e21. When a SYN on a tuple that has a flow begins another one.
#[test]
fn syn_on_an_old_tuple_then_another_flow_after_a_close_only() {
    let [suricata, flumen] = both("reuse", &["--no-midstream"]);
    let again = |port: u64| format!("TCP 10.0.0.1:{port} > 10.0.0.2:80 3/1 211/74 established/established");
    let old = |port: u64, rest: &str| format!("TCP 10.0.0.1:{port} > 10.0.0.2:80 {rest}");
    for written in [&suricata, &flumen] {
        // After CLOSE_WAIT, and after packets without a session.
        assert_eq!(case(written, 1), [old(40_001, "3/2 206/140 established/close_wait"), again(40_001)]);
        assert_eq!(case(written, 2), [old(40_002, "1/0 87/0 new"), again(40_002)]);
        // After a reset, from the other side: roles swapped.
        let swapped = "TCP 10.0.0.2:80 > 10.0.0.1:40003 3/1 211/74 established/established".to_owned();
        assert_eq!(case(written, 3), [old(40_003, "2/2 140/140 closed/closed"), swapped]);
        // After FIN_WAIT2, and with the number of the connection that was reset: not.
        assert_eq!(case(written, 5), [old(40_005, "4/2 280/140 established/fin_wait2")]);
        assert_eq!(case(written, 6), [old(40_006, "4/3 280/213 closed/closed")]);
        // No flags at all: no session.
        assert_eq!(case(written, 7), [old(40_007, "1/0 66/0 new")]);
        let reused = written.flows.iter().filter(|flow| flow["flow"]["reason"] == "tcp_reuse").count();
        assert_eq!(written.stats["flow"]["tcp_reuse"], reused);
    }
    // After TIME_WAIT: not in Suricata.
    assert_eq!(case(&suricata, 4), [old(40_004, "5/3 346/213 closed/time_wait")]);
    assert_eq!(case(&flumen, 4), [old(40_004, "4/3 272/213 closed/time_wait"), old(40_004, "1/0 74/0 new/syn_sent")]);
}
