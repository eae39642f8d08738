//! `host-os-policy` and `defrag.host-config`: who receives fragments that overlap decides what they say, and how long the
//! sensor waits for the rest of them.

use traffic::{Frame, FramePool, FrameSink, Link, Packet, PcapShape, PcapWriter, mac_of};

use crate::support::{Scratch, Written, count};

const SECOND_NS: u64 = 1_000_000_000;
const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];
const TCP: u8 = 6;
/// Flags of the segment as the fragment says that was sent earlier, and as the later one says: SYN, and SYN with ECE.
const EARLIER: u8 = 0x02;
const LATER: u8 = 0x42;

const EIGHTS: usize = 4;

/// Pieces of a datagram of four eights in their order, each with the flags that it says; the flags are in the second
/// eight. In each datagram two pieces have it.
type Pieces<'a> = &'a [(std::ops::Range<usize>, u8)];
const DATAGRAMS: [Pieces<'_>; 4] = [
    // The same place.
    &[(1..2, EARLIER), (1..2, LATER), (0..1, 0), (2..4, 0)],
    // The later one is around the earlier one.
    &[(1..2, EARLIER), (0..3, LATER), (3..4, 0)],
    // It begins and ends behind it.
    &[(0..2, EARLIER), (1..3, LATER), (3..4, 0)],
    // It begins and ends before it.
    &[(1..3, EARLIER), (0..2, LATER), (3..4, 0)],
];

/// A TCP segment with twelve bytes of payload to the port of its datagram.
fn segment(port: u16, flags: u8) -> [u8; 8 * EIGHTS] {
    let mut bytes = [0; 8 * EIGHTS];
    bytes[..2].copy_from_slice(&1_024_u16.to_be_bytes());
    bytes[2..4].copy_from_slice(&port.to_be_bytes());
    bytes[12..14].copy_from_slice(&[0x50, flags]);
    bytes
}

/// The fragments of all datagrams, `gap_ns` between two of them. The first is to port 1, the next to port 2.
fn capture(gap_ns: u64) -> Vec<u8> {
    let pool = FramePool::new(16).expect("sixteen frames");
    let mut writer = PcapWriter::new(Vec::new(), PcapShape::of(Link::Ethernet)).expect("in memory");
    let mut at_ns = 1_700_000_000 * SECOND_NS;
    for (pieces, port) in DATAGRAMS.into_iter().zip(1..) {
        for (eights, flags) in pieces {
            let bytes = &segment(port, *flags)[8 * eights.start..8 * eights.end];
            let link = Packet::ethernet(mac_of(A.into()), mac_of(B.into()));
            let packet = link.ipv4(A, B).fragment_v4(port, 8 * eights.start, eights.end < EIGHTS).protocol(TCP, bytes);
            writer.frame(Frame { at_ns, interface: 0, bytes: packet.build_in(&pool) }).expect("in memory");
            at_ns += gap_ns;
        }
    }
    writer.finish().expect("in memory")
}

fn read(scratch: &Scratch, settings: &[&str]) -> Written {
    let mut arguments = vec!["a.pcap", "-k", "none"];
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    scratch.read(&arguments, 0)
}

/// Which piece won in each datagram: `e` the earlier one, `l` the later one.
fn winners(scratch: &Scratch, settings: &[&str]) -> String {
    let written = read(scratch, settings);
    let flags = |port: u64| {
        let mut flows = written.flows.iter().filter(|flow| count(&flow["dest_port"]) == port);
        let flow = flows.next().unwrap_or_else(|| panic!("{settings:?}: no flow to port {port}"));
        flow["tcp"]["tcp_flags"].as_str().and_then(|flags| u8::from_str_radix(flags, 16).ok())
    };
    (1..=DATAGRAMS.len() as u64)
        .map(|port| match flags(port) {
            Some(EARLIER) => 'e',
            Some(LATER) => 'l',
            other => panic!("{settings:?}: port {port} has flags {other:?}"),
        })
        .collect()
}

#[test]
fn overlapping_fragments_then_the_flow_is_as_the_system_of_the_destination_sees_it() {
    let scratch = Scratch::new("overlaps");
    scratch.put("a.pcap", &capture(1_000));
    let cases = [
        (&[][..], "elel"),
        (&["host-os-policy.bsd=[10.0.0.0/8]"], "elel"),
        (&["host-os-policy.windows=[0.0.0.0/0]"], "elee"),
        (&["host-os-policy.linux=10.0.0.2"], "llel"),
        (&["host-os-policy.bsd-right=10.0.0.2"], "lele"),
        (&["host-os-policy.first=[10.0.0.2]"], "eeee"),
        (&["host-os-policy.last=[10.0.0.2]"], "llll"),
        // Whom it was sent to counts, not who sent it; and the longest prefix.
        (&["host-os-policy.last=10.0.0.1"], "elel"),
        (&["host-os-policy.last=10.0.0.0/8", "host-os-policy.first=10.0.0.2/31"], "eeee"),
    ];
    for (settings, expected) in cases {
        assert_eq!(winners(&scratch, settings), expected, "{settings:?}");
    }
}

#[test]
fn hosts_with_a_timeout_of_their_own_then_the_rest_of_a_datagram_comes_too_late() {
    let scratch = Scratch::new("overlaps-late");
    scratch.put("a.pcap", &capture(10 * SECOND_NS));
    let reassembled = |setting: &str| count(&read(&scratch, &[setting]).stats["defrag"]["ipv4"]["reassembled"]);
    assert_eq!(reassembled("defrag.timeout=60"), 4);
    assert_eq!(reassembled("defrag.host-config.dmz={timeout: 5, address: [10.0.0.2]}"), 0);
    assert_eq!(reassembled("defrag.host-config.dmz={timeout: 5, address: [10.0.0.1]}"), 4, "the sender");
}
