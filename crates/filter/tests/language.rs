//! The language by literal cases: what an expression matches, and what errors look like.

use flumen_filter::{Filter, LinkLayer};

const TCP: &[u8] = &[
    2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00, // Ethernet, IPv4 inside
    0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 192, 168, 1, 2, // 10.0.0.1 to 192.168.1.2, TCP inside
    0xc0, 0x00, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0, // 49152 to 80, SYN
];

fn compile(expression: &str) -> Filter {
    Filter::compile(expression, LinkLayer::Ethernet, 0).unwrap_or_else(|error| panic!("{}", error.render(expression)))
}

fn matches(expression: &str, frame: &[u8]) -> bool {
    compile(expression).matches(frame, u32::try_from(frame.len()).expect("a small frame"))
}

fn refusal(expression: &str) -> String {
    Filter::compile(expression, LinkLayer::Ethernet, 0).expect_err(expression).render(expression)
}

#[test]
fn a_tcp_syn_matches_what_it_is() {
    for expression in [
        "",
        "tcp",
        "ip and not udp",
        "host 10.0.0.1",
        "src host 10.0.0.1 and dst host 192.168.1.2",
        "net 192.168.0.0/16",
        "src net 10",
        "port 80",
        "tcp dst port http",
        "dst portrange 70-90",
        "tcp[tcpflags] & tcp-syn != 0",
        "ip[8] = 64",
        "len = 54",
        "ether src 02:00:00:00:00:01",
        "tcp port 443 or 80",
        "not host 10.0.0.1 or port 80",
    ] {
        assert!(matches(expression, TCP), "{expression}");
    }
}

#[test]
fn a_tcp_syn_does_not_match_what_it_is_not() {
    for expression in [
        "udp",
        "ip6",
        "src host 192.168.1.2",
        "port 443",
        "src port 80",
        "vlan",
        "tcp[tcpflags] & tcp-ack != 0",
        "less 53",
        "ether multicast",
        "tcp port 80 and not tcp",
        // Both alike, from left to right: (udp or tcp) and udp.
        "udp or tcp and udp",
    ] {
        assert!(!matches(expression, TCP), "{expression}");
    }
}

#[test]
fn a_frame_cut_before_the_field_matches_neither_a_test_nor_its_opposite() {
    assert!(!matches("tcp[13] = 2", &TCP[..40]));
    assert!(!matches("not tcp[13] = 2", &TCP[..40]));
    assert!(matches("tcp", &TCP[..40]));
}

#[test]
fn headers_behind_a_tag_are_seen_behind_the_word_vlan() {
    let mut tagged = TCP.to_vec();
    tagged.splice(12..12, [0x81, 0x00, 0x20, 0x05]);
    assert!(matches("vlan 5 and tcp port 80", &tagged));
    assert!(matches("vlan and host 10.0.0.1 and tcp[tcpflags] = tcp-syn", &tagged));
    assert!(!matches("tcp port 80", &tagged));
    assert!(!matches("vlan 6 and tcp", &tagged));
    assert!(!matches("vlan and tcp", TCP));
}

#[test]
fn a_walk_along_the_chain_passes_headers_by_their_length() {
    let mut frame = vec![0x60, 0, 0, 0, 0, 60, 0, 64];
    frame.extend([0; 32]);
    // Hop-by-hop options of 16 bytes, then authentication of 24, then fragment, then TCP.
    frame.extend([51, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    frame.extend([44, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    frame.extend([6, 0, 0, 0, 0, 0, 0, 1]);
    for (expression, wanted) in [
        ("ip6 protochain 6", true),
        ("protochain 51", true),
        ("ip6 protochain 44", true),
        ("ip6 protochain 17", false),
        ("not ip6 protochain 17", true),
        ("ip6 proto 6", false),
    ] {
        let filter = Filter::compile(expression, LinkLayer::Raw, 0).expect(expression);
        assert_eq!(filter.matches(&frame, 100), wanted, "{expression}");
    }
}

#[test]
fn a_byte_is_looked_at_for_bits_too() {
    assert!(matches("byte 14 & 0x40", TCP));
    assert!(!matches("byte 14 & 0x80", TCP));
    assert!(matches("byte 14 | 0", TCP));
    assert!(!matches("byte 15 | 0", TCP));
}

/// libpcap looks at any packet when the load is on the right of an operator.
#[test]
fn bytes_on_either_side_of_an_operator_need_their_header() {
    for expression in ["1 + udp[0] > 0", "udp[0] + 1 > 0", "len - udp[0] > 0", "0 < udp[0] | 1", "ip[0] + udp[0] > 0"] {
        assert!(!matches(expression, TCP), "{expression}");
        assert!(matches(&expression.replace("udp", "tcp"), TCP), "{expression}");
    }
}

#[test]
fn loopback_of_either_byte_order_is_understood() {
    let filter = Filter::compile("ip", LinkLayer::Null, 0).expect("it compiles");
    assert!(filter.matches(&[2, 0, 0, 0, 0x45], 5));
    assert!(filter.matches(&[0, 0, 0, 2, 0x45], 5));
    let filter = Filter::compile("ip", LinkLayer::Loop, 0).expect("it compiles");
    assert!(!filter.matches(&[2, 0, 0, 0, 0x45], 5));
    assert!(filter.matches(&[0, 0, 0, 2, 0x45], 5));
}

#[test]
fn an_unknown_link_answers_what_needs_no_header() {
    let link = LinkLayer::from_dlt(147);
    for expression in ["", "len > 10", "less 100", "link[0] = 1", "byte 0 = 1"] {
        assert!(Filter::compile(expression, link, 0).is_ok(), "{expression}");
    }
    let error = Filter::compile("len > 10 and tcp", link, 0).expect_err("there is no TCP to find");
    assert_eq!(error.message(), "what follows the link header is not known on link type 147");
    assert_eq!(error.span(), 13..16);
}

#[test]
fn an_expression_that_nothing_can_match_says_so() {
    assert!(compile("tcp and not tcp").rejects_all());
    assert!(compile("ip and ip6").rejects_all());
    assert!(!compile("ip or ip6").rejects_all());
    assert!(!compile("").rejects_all());
}

#[test]
fn the_snap_length_is_the_answer_and_not_the_verdict() {
    let filter = Filter::compile("tcp", LinkLayer::Ethernet, 96).expect("it compiles");
    assert_eq!(filter.program().iter().filter(|i| i.code == 6).map(|i| i.k).collect::<Vec<_>>(), [96, 0]);
    assert!(filter.matches(TCP, 54));
}

#[test]
fn a_program_reads_as_tcpdump_prints_it() {
    let text = "(000) ldh      [12]\n\
                (001) jeq      #0x800          jt 2\tjf 5\n\
                (002) ldb      [23]\n\
                (003) jeq      #0x1            jt 4\tjf 5\n\
                (004) ret      #262144\n\
                (005) ret      #0\n";
    assert_eq!(compile("icmp").to_string(), text);
}

#[test]
fn an_error_stands_under_its_word() {
    for (expression, rendered) in [
        ("tcp prot 80", "and, or, or the end is wanted here\n  tcp prot 80\n      ^^^^"),
        ("tcp port", "an identifier is missing at the end\n  tcp port\n          ^"),
        (
            "host www.example.org",
            "names of hosts are not looked up: www.example.org has to be an address\n  host www.example.org\n       ^^^^^^^^^^^^^^^",
        ),
        ("tcp and (udp", ") for this is missing\n  tcp and (udp\n          ^"),
        ("udp port http", "this is a port of TCP\n  udp port http\n           ^^^^"),
        ("port 70000", "70000 is no port: they end at 65535\n  port 70000\n       ^^^^^"),
        ("net 10.0.0.1/8", "the address has bits beyond its mask\n  net 10.0.0.1/8\n      ^^^^^^^^^^"),
        ("proto tcp", "tcp is a keyword here; its name is written with a backslash, \\tcp\n  proto tcp\n        ^^^"),
        (
            "ip and gateway x",
            "the word here needs the names of hosts in the DNS and in /etc/ethers, which are not looked up\n  ip and gateway x\n         ^^^^^^^",
        ),
        ("type mgt", "the word here asks for a header of IEEE 802.11, which is not supported\n  type mgt\n  ^^^^"),
        ("inbound", "the direction of a packet is not known on Ethernet\n  inbound\n  ^^^^^^^"),
        ("1 / 0 = len", "division by zero\n  1 / 0 = len\n      ^"),
        ("ip €", "\"€\" begins no word of the language\n  ip €\n     ^"),
        (
            "ip\nor foo",
            "an identifier needs a qualifier (host, net, port, src, dst, proto, …) before it\n  or foo\n     ^^^",
        ),
        ("icmp port 7", "icmp has no ports\n  icmp port 7\n  ^^^^^^^^^"),
    ] {
        assert_eq!(refusal(expression), rendered);
    }
}
