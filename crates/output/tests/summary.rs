//! The summary, line by line.

mod support;

use flumen_model::record::{Endpoint, Interim, TcpRecord, Traffic};
use flumen_model::sink::RecordSink;
use flumen_model::{EndReason, FlowRecord, FlowState, Ledger, Ports, Tally, TcpState, Timestamp};
use flumen_output::summary::{KEYS_EXACT, Layout, Notice, RunReport, Style, Summary};
use flumen_wire::{Event, NonFlow};
use std::time::Duration;
use support::{Random, START, random_record, record};

fn traffic(packets: u64, bytes: u64) -> Traffic {
    Traffic { packets, bytes, ttl: None }
}

fn web(client_port: u16, bytes: u64) -> FlowRecord {
    FlowRecord {
        protocol: 6,
        endpoint: Endpoint::Ports(Ports { src: client_port, dst: 443 }),
        to_server: traffic(700, 50_000),
        to_client: traffic(900, bytes),
        end: Timestamp::from_nanos(START + 12_500_000_000),
        state: FlowState::Closed,
        tcp: Some(TcpRecord { flags: [0x1b, 0x17], state: Some(TcpState::Closed) }),
        ..record("192.168.1.20", "203.0.113.80")
    }
}

fn sample() -> Vec<FlowRecord> {
    let unanswered = FlowRecord {
        to_server: traffic(3, 180),
        to_client: traffic(0, 0),
        state: FlowState::New,
        tcp: Some(TcpRecord { flags: [2, 0], state: Some(TcpState::SynSent) }),
        ..web(40_000, 0)
    };
    let lookup = FlowRecord {
        to_client: traffic(1, 140),
        state: FlowState::Established,
        reason: EndReason::Shutdown,
        ..record("2001:db8:0:1::1234", "2001:db8::53")
    };
    let neighbour = FlowRecord {
        protocol: 58,
        endpoint: Endpoint::Icmp { request: (135, 0), response: None },
        to_server: traffic(1, 86),
        ..record("fe80::1", "ff02::1:ff00:2")
    };
    let interim = Some(Box::new(Interim { sequence: 1, delta: [traffic(1, 1), traffic(1, 1)] }));
    let going_on = FlowRecord { interim, ..web(50_000, 1) };
    vec![going_on, web(50_000, 1_100_000), web(50_001, 130_000), unanswered, lookup, neighbour]
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.read = Tally { packets: 3_212, bytes: 1_330_826 };
    ledger.in_flows = Tally { packets: 3_206, bytes: 1_330_466 };
    (0..5).for_each(|_| ledger.non_flow(NonFlow::Arp, 60));
    ledger.non_flow(NonFlow::Invalid(Event::Ipv4PktTooSmall), 60);
    ledger
}

fn text(summary: &Summary, ledger: &Ledger, notices: &[Notice], layout: Layout) -> String {
    let report = RunReport { source: "office.pcap", elapsed: Duration::from_millis(4), ledger, notices };
    let mut out = Vec::new();
    summary.render(&report, layout, &mut out).expect("memory takes all");
    String::from_utf8(out).expect("UTF-8")
}

fn summary_of(records: &[FlowRecord]) -> Summary {
    let mut summary = Summary::new();
    summary.flows(records).expect("a summary never fails");
    summary
}

#[test]
fn office_capture_then_this_page() {
    let notices = [Notice { count: 2, what: "packets older than the one before".to_owned() }];
    let page = text(&summary_of(&sample()), &ledger(), &notices, Layout { top: 2, ..Layout::default() });
    assert_eq!(page, include_str!("summary/office.txt"), "now:\n{page}");
}

#[test]
fn narrow_terminal_then_names_are_cut_and_no_line_is_wider() {
    let page = text(&summary_of(&sample()), &ledger(), &[], Layout { width: 60, ..Layout::default() });
    assert!(page.lines().all(|line| line.chars().count() <= 60), "{page}");
    assert!(page.contains("  2001:db8:0:1:...db8::53]:53 UDP "), "{page}");
}

#[test]
fn colour_wanted_then_same_text_with_escapes_and_packets_missing_in_yellow() {
    let (summary, mut ledger) = (summary_of(&sample()), ledger());
    ledger.read.add(100);
    let layout = Layout::default();
    let plain = text(&summary, &ledger, &[], layout);
    let colour = text(&summary, &ledger, &[], Layout { style: Style::Ansi, ..layout });
    let bare = ["\x1b[1m", "\x1b[33m", "\x1b[0m"].iter().fold(colour.clone(), |t, escape| t.replace(escape, ""));
    assert_eq!(bare, plain);
    assert!(colour.contains("\x1b[33m  unaccounted"), "{colour}");
    assert!(!plain.contains('\x1b'));
}

#[test]
fn nothing_read_then_a_short_page() {
    let page = text(&Summary::new(), &Ledger::default(), &[], Layout::default());
    assert!(page.starts_with("office.pcap\n  packets   0\n") && page.contains("unaccounted"), "{page}");
    assert!(!page.contains("Top") && !page.contains("Worth"), "{page}");
}

#[test]
fn file_name_with_escapes_then_they_do_not_reach_the_terminal() {
    let ledger = Ledger::default();
    let report = RunReport { source: "a\x1b[2Jb\n", elapsed: Duration::ZERO, ledger: &ledger, notices: &[] };
    let mut out = Vec::new();
    Summary::new().render(&report, Layout::default(), &mut out).expect("memory takes all");
    assert!(out.starts_with(b"a?[2Jb?\n"));
}

#[test]
fn more_conversations_than_are_kept_then_the_page_says_how_exact_it_is() {
    let mut summary = Summary::new();
    for n in 0..3 * KEYS_EXACT as u32 {
        let [.., a, b, c] = n.to_be_bytes();
        summary.add(&record(&format!("10.{a}.{b}.{c}"), "192.0.2.1"));
    }
    let page = text(&summary, &Ledger::default(), &[], Layout::default());
    assert!(page.contains("and more; a number may be short by 240 B at most"), "{page}");
}

#[test]
fn random_records_then_a_page_that_keeps_its_width() {
    let mut random = Random(0x5eed_0002);
    println!("seed {:#x}", random.0);
    for _ in 0..50 {
        let records: Vec<FlowRecord> = (0..random.below(200)).map(|_| random_record(&mut random)).collect();
        let width = Layout::WIDTH_MIN + random.below(100) as usize;
        let layout = Layout { width, top: random.below(30) as usize, ..Layout::default() };
        let page = text(&summary_of(&records), &ledger(), &[], layout);
        // Only a table of numbers too large for any network may be wider than asked for.
        let widest = page.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(widest <= width.max(120), "{widest} > {width}\n{page}");
        assert_eq!(page, text(&summary_of(&records), &ledger(), &[], layout), "the same input, the same page");
    }
}
