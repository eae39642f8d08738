//! `stream.bypass`: a TCP session of which both sides have sent as much as the depth is only counted from then on, and
//! ends by the time-out of bypassed flows.

use traffic::{Ends, Frame, FramePool, FrameSink, Link, Packet, PcapShape, PcapWriter, Session, Side, flags};

use crate::support::{Scratch, Written, count};

const SECOND_NS: u64 = 1_000_000_000;
const MILLI_NS: u64 = 1_000_000;
const MICRO_NS: u64 = 1_000;
/// Bytes of a segment's payload: the third one reaches the depth.
const PAYLOAD: usize = 1_000;
/// Bytes of a segment's headers, Ethernet to TCP.
const HEADERS: u64 = 54;
const ON: [&str; 4] = ["--set", "stream.bypass=yes", "--set", "stream.reassembly.depth=2kb"];

/// A session on 10.0.0.1:1024 > 10.0.0.2:80 that goes on after its depth, first with data and two FINs, then with a
/// segment a microsecond before `timeout_seconds` are over; the same time to the microsecond later comes a SYN.
fn long_session(timeout_seconds: u64) -> Vec<u8> {
    let ends = Ends::v4([10, 0, 0, 1], 1024, [10, 0, 0, 2], 80);
    let (mut session, payload) = (Session::new(ends, 1, 1).without_timestamps(), [0; PAYLOAD]);
    let mut frames = vec![session.syn(0), session.syn_ack(0), session.ack(Side::Client, 0)];
    for side in [Side::Client, Side::Server] {
        frames.extend((0..3).map(|_| session.data(side, &payload, 0)));
    }
    frames.extend([Side::Client, Side::Server].map(|side| session.data(side, &payload, 0)));
    frames.extend([Side::Client, Side::Server].map(|side| session.fin(side, 0)));
    let mut gaps = vec![MILLI_NS; frames.len()];
    frames.push(session.data(Side::Client, &payload, 0));
    gaps.push(timeout_seconds * SECOND_NS - MICRO_NS);
    frames.push(session.send(Side::Client, flags::SYN, &[], 0));
    gaps.push(timeout_seconds * SECOND_NS);
    capture(frames.into_iter().zip(gaps))
}

/// Frames, each so long after the one before.
fn capture(frames: impl Iterator<Item = (Packet, u64)>) -> Vec<u8> {
    let pool = FramePool::new(16).expect("sixteen frames");
    let mut writer = PcapWriter::new(Vec::new(), PcapShape::of(Link::Ethernet)).expect("in memory");
    let mut at_ns = 1_700_000_000 * SECOND_NS;
    for (packet, gap_ns) in frames {
        at_ns += gap_ns;
        writer.frame(Frame { at_ns, interface: 0, bytes: packet.build_in(&pool) }).expect("in memory");
    }
    writer.finish().expect("in memory")
}

/// What a run says of the flows that were bypassed: packets, bytes, flows that ended so.
fn bypassed(written: &Written) -> (u64, u64, u64) {
    let stats = &written.stats;
    let local = &stats["flow_bypassed"];
    (count(&local["local_pkts"]), count(&local["local_bytes"]), count(&stats["flow"]["end"]["state"]["local_bypassed"]))
}

#[test]
fn session_beyond_its_depth_then_counted_and_ended_by_the_time_out_of_bypassed_flows() {
    let scratch = Scratch::new("bypass");
    // The shipped time-out, and one that is set.
    for (seconds, more) in
        [(100, &[][..]), (7, &["--timeout", "tcp.bypassed=7", "--timeout", "tcp.emergency-bypassed=7"])]
    {
        scratch.put("made.pcap", &long_session(seconds));
        for threads in ["1", "3"] {
            let arguments = [&["made.pcap", "--audit", "--threads", threads], &ON[..], more].concat();
            let written = scratch.read(&arguments, 0);
            written.assert_conserves(&format!("{arguments:?}"));
            // The FINs change nothing any more: not the TCP state, and not the time-out.
            let expected = [
                "TCP 10.0.0.1:1024 > 10.0.0.2:80 1/0 54/0 new/syn_sent",
                "TCP 10.0.0.1:1024 > 10.0.0.2:80 8/6 5436/4328 bypassed/established",
            ];
            assert_eq!(written.short(), expected, "{arguments:?}");
            let flow = written.flows.iter().find(|flow| flow["flow"]["state"] == "bypassed").expect("the session");
            assert_eq!((&flow["flow"]["bypass"], &flow["flow"]["reason"]), (&"local".into(), &"timeout".into()));
            // Data of both sides, two FINs, and the late segment.
            assert_eq!(bypassed(&written), (5, 3 * PAYLOAD as u64 + 5 * HEADERS, 1), "{arguments:?}");
        }
    }
}

#[test]
fn switch_off_or_no_depth_or_one_side_below_it_then_nothing_bypassed() {
    let scratch = Scratch::new("no-bypass");
    scratch.put("made.pcap", &long_session(100));
    let cases = [
        &["--set", "stream.reassembly.depth=2kb"][..],
        &["--set", "stream.bypass=yes", "--set", "stream.reassembly.depth=0"],
        &["--set", "stream.bypass=yes", "--set", "stream.reassembly.depth=4500"],
        &["--set", "stream.bypass=yes"],
    ];
    for case in cases {
        let written = scratch.read(&[&["made.pcap", "--audit"][..], case].concat(), 0);
        assert_eq!(bypassed(&written), (0, 0, 0), "{case:?}");
        assert!(written.flows.iter().all(|flow| flow["flow"].get("bypass").is_none()), "{case:?}");
        assert!(
            written.short().iter().any(|flow| flow.ends_with("closed/last_ack")),
            "{case:?}: {:?}",
            written.short()
        );
    }
}
