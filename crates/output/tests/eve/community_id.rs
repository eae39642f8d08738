//! Community ID against the specification's baseline and the reference implementation (PyPI `communityid` 1.5.0).
//! What Suricata writes instead is checked by the corpus test, for every record of it.

use crate::support::record;
use flumen_model::record::Endpoint;
use flumen_model::{FlowRecord, Ports};
use flumen_output::eve::{CommunityId, CommunityIdRule};

fn id(seed: u16, record: &FlowRecord) -> String {
    let text = CommunityId { seed, rule: CommunityIdRule::Spec }.text(record);
    String::from_utf8(text.to_vec()).expect("ASCII")
}

fn ports(protocol: u8, client: &str, src: u16, server: &str, dst: u16) -> FlowRecord {
    FlowRecord { protocol, endpoint: Endpoint::Ports(Ports { src, dst }), ..record(client, server) }
}

fn icmp(protocol: u8, client: &str, server: &str, kind: u8, code: u8) -> FlowRecord {
    let endpoint = Endpoint::Icmp { request: (kind, code), response: None };
    FlowRecord { protocol, endpoint, ..record(client, server) }
}

fn portless(protocol: u8, client: &str, server: &str, endpoint: Endpoint) -> FlowRecord {
    FlowRecord { protocol, endpoint, ..record(client, server) }
}

#[test]
fn baseline_of_the_specification_then_same_ids() {
    let tcp = ports(6, "128.232.110.120", 34855, "66.35.250.204", 80);
    assert_eq!(id(0, &tcp), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    assert_eq!(id(1, &tcp), "1:3V71V58M3Ksw/yuFALMcW0LAHvc=");
    let tcp6 = ports(6, "2001:470:e5bf:dead:4957:2174:e82c:4887", 63943, "2607:f8b0:400c:c03::1a", 25);
    assert_eq!(id(0, &tcp6), "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=");
    assert_eq!(id(1, &tcp6), "1:eJYTW6AOzFLlSUoESovMjnu7rMw=");
    assert_eq!(id(0, &ports(17, "192.168.1.52", 54585, "8.8.8.8", 53)), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
    assert_eq!(id(0, &ports(132, "192.168.170.8", 7, "192.168.170.56", 7)), "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs=");
    assert_eq!(id(0, &icmp(1, "192.168.0.89", "192.168.0.1", 8, 0)), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
    assert_eq!(id(0, &icmp(1, "10.0.0.1", "10.0.0.2", 11, 0)), "1:YHxtAirCG//0OzkcVAukqKQN9xM=");
    let (a, b) = ("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea");
    assert_eq!(id(0, &icmp(58, a, b, 135, 0)), "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=");
    assert_eq!(id(0, &icmp(58, b, a, 136, 0)), "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=");
    assert_eq!(id(0, &icmp(58, b, a, 135, 0)), "1:zavyT/cezQr1fmImYCwYnMXbgck=");
    assert_eq!(id(0, &portless(46, "10.1.12.1", "10.1.12.2", Endpoint::None)), "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw=");
}

#[test]
fn reference_implementation_then_same_ids() {
    let cases = [
        (ports(6, "10.0.0.2", 80, "10.0.0.1", 5000), "zZcrZw6iHYAz2U0wgSDHZWBCrMg=", "KkOBXDztnKaKWVZw3NImZFfyn8g="),
        (ports(6, "10.0.0.1", 80, "10.0.0.1", 79), "veMrQoZMTfvZaXfcXNRhjdZjcGg=", "cg6wW0/i00+du/QHyL5BTb5gJGU="),
        (ports(17, "fe80::2", 546, "fe80::1", 547), "iVac7Zf2JNdh/i+u3c2Kf0r3iqQ=", "taqZ/KAT3tj7w5QbegoeWCGvpk4="),
        (icmp(1, "192.168.0.1", "192.168.0.89", 0, 0), "X0snYXpgwiv9TZtqg64sgzUn6Dk=", "GJdxXjUoEpvUzFwF5vlOhVM2U5s="),
        (icmp(1, "10.0.0.2", "10.0.0.1", 3, 13), "CexWH6GSBcXiLx2d+IZvIa3TwzY=", "SnN20VIbJx1OqtNk8nwqED8kl/Q="),
        (icmp(1, "10.0.0.2", "10.0.0.1", 13, 0), "th9CqcxflNss8X17pecPidKDzKw=", "mHiooNjBtISzPD/hogEc9zzuKCA="),
        (icmp(1, "10.0.0.1", "10.0.0.2", 10, 0), "qhJTvE/Qez7ZPSOGlcKJAzRpSO0=", "LC5RZTuL2LlVCpTA33i0l0Vp8Ro="),
        (icmp(58, "fe80::2", "ff02::16", 143, 0), "htwEr2PUJtYRpnuI/j3h+vU2Jjc=", "CwgfSkCuM/aZiVmTb1e/PXFWBMc="),
        (icmp(58, "fe80::2", "fe80::1", 1, 4), "KP7k20289QLlEmMHLKdRgaeGmfo=", "FXYvcoQqB/vsuKIemyEPv6lpJ8M="),
        (icmp(58, "fe80::2", "ff02::1", 130, 0), "YGpV/5ukRBPAX88+JNYPT7oPkyE=", "tXD1jxY5omQFczBHsZ2eanuKCPg="),
        (
            portless(50, "190.0.0.1", "190.0.0.2", Endpoint::Spi(321)),
            "gAfHQwbmrqeiqzjPRI9o22+Iytw=",
            "xs75dgvi96yn8+95eDnzbFa71gs=",
        ),
        (
            portless(41, "2001:db8::2", "2001:db8::1", Endpoint::None),
            "brwCYPNPoerMYXB56rB92SoEQek=",
            "dvnXGCNl+/GLeAJ/A21O8YtyBa8=",
        ),
    ];
    for (record, seed_0, seed_65535) in cases {
        assert_eq!(id(0, &record), format!("1:{seed_0}"), "{record:?}");
        assert_eq!(id(65535, &record), format!("1:{seed_65535}"), "{record:?}");
    }
}
