//! How a session begins: every row of the reference's table for NONE, SYN_SENT and SYN_RECV.

use crate::bed::*;
use flumen_model::{FlowRecord, FlowState, TcpState};
use flumen_table::TableConfig;

fn strict() -> TableConfig {
    TableConfig { midstream: false, ..small() }
}
/// Session and flow state.
fn states(record: &FlowRecord) -> (Option<TcpState>, FlowState) {
    (record.tcp.expect("TCP").state, record.state)
}
fn flags(record: &FlowRecord) -> [u8; 2] {
    record.tcp.expect("TCP").flags
}
const NO_SESSION: (Option<TcpState>, FlowState) = (None, FlowState::New);
const ESTABLISHED: (Option<TcpState>, FlowState) = (Some(TcpState::Established), FlowState::Established);

#[test]
fn a_syn_opens_a_session_that_stays_new() {
    let record = run_one(strict(), &[c("S", 100, 0, 0)]);
    assert_eq!((states(&record), flags(&record)), ((Some(TcpState::SynSent), FlowState::New), [2, 0]));
    assert!(!record.midstream_policy);
}

#[test]
fn a_handshake_then_established() {
    let record = run_one(strict(), &handshake());
    assert_eq!((states(&record), flags(&record)), (ESTABLISHED, [0x12, 0x12]));
    assert_eq!(states(&run_one(strict(), &handshake()[..2])), (Some(TcpState::SynRecv), FlowState::New));
}

#[test]
fn a_syn_ack_opens_midstream_and_turns_the_flow_round() {
    for config in [small(), TableConfig { async_oneside: true, ..strict() }] {
        let record = run_one(config, &[s("SA", 300, 101, 0)]);
        assert_eq!(states(&record), (Some(TcpState::SynRecv), FlowState::New));
        assert_eq!((record.client, record.to_client.packets, record.to_server.packets), (A, 1, 0));
        assert_eq!(flags(&record), [0, 0x12]);
        assert!(record.midstream_policy);
    }
}

#[test]
fn a_turned_flow_goes_on_turned() {
    let record =
        run_one(small(), &[s("SA", 300, 101, 0), c("A", 101, 301, 0), c("A", 101, 301, 9), s("A", 301, 110, 0)]);
    assert_eq!(states(&record), ESTABLISHED);
    assert_eq!((record.client, record.server), (A, B));
    assert_eq!((record.to_server.packets, record.to_client.packets), (2, 2));
    assert_eq!(record.endpoint, flumen_model::record::Endpoint::Ports(flumen_wire::Ports { src: 5000, dst: 80 }));
}

#[test]
fn no_midstream_then_no_session_and_the_policy_is_noted() {
    for packet in [s("SA", 300, 101, 0), c("A", 101, 301, 0), c("A", 101, 301, 50), c("FA", 101, 301, 9)] {
        let record = run_one(strict(), &[packet]);
        assert_eq!(
            (states(&record), flags(&record), record.midstream_policy),
            (NO_SESSION, [0, 0], true),
            "{packet:?}"
        );
        assert_eq!(record.client, packet.wire.src, "nothing is turned");
    }
}

#[test]
fn an_ack_or_data_opens_midstream_as_established() {
    for packet in [c("A", 101, 301, 0), c("PA", 101, 301, 50), s("A", 301, 101, 5)] {
        let record = run_one(small(), &[packet]);
        assert_eq!((states(&record), record.midstream_policy), (ESTABLISHED, true));
        assert_eq!(record.client, packet.wire.src);
    }
}

#[test]
fn a_fin_with_payload_opens_midstream_in_fin_wait1_and_one_without_does_not() {
    let record = run_one(small(), &[c("FA", 101, 301, 9)]);
    assert_eq!(states(&record), (Some(TcpState::FinWait1), FlowState::Established));
    let record = run_one(small(), &[c("FA", 101, 301, 0)]);
    assert_eq!((states(&record), flags(&record), record.midstream_policy), (NO_SESSION, [0, 0], true));
}

#[test]
fn a_lone_rst_or_a_segment_without_flags_opens_nothing_and_meets_no_policy() {
    for flags in ["R", "RA", "", "P", "U"] {
        let record = run_one(small(), &[c(flags, 101, 301, 0)]);
        assert_eq!((states(&record), record.midstream_policy), (NO_SESSION, false), "{flags:?}");
    }
}

#[test]
fn packets_of_no_session_from_both_sides_leave_the_flow_new() {
    let record = run_one(strict(), &[c("A", 101, 301, 0), s("A", 301, 101, 7), c("A", 101, 308, 0)]);
    assert_eq!((states(&record), record.to_client.packets), (NO_SESSION, 1));
}

#[test]
fn a_bad_checksum_is_counted_in_the_flow_but_not_believed() {
    let record = run_one(strict(), &[c("S", 100, 0, 0).bad_checksum()]);
    assert_eq!((states(&record), record.to_server.packets, record.midstream_policy), (NO_SESSION, 1, false));
    let record = run_one(strict(), &[handshake()[0], handshake()[1], handshake()[2].bad_checksum()]);
    assert_eq!((states(&record), record.to_server.packets), ((Some(TcpState::SynRecv), FlowState::New), 2));
}

#[test]
fn a_syn_ack_that_acknowledges_something_else_is_not_believed() {
    for ack in [100, 102, 0] {
        let record = run_one(strict(), &[c("S", 100, 0, 0), s("SA", 300, ack, 0)]);
        assert_eq!((states(&record), flags(&record)), ((Some(TcpState::SynSent), FlowState::New), [2, 0x12]));
    }
}

#[test]
fn a_repeated_syn_then_the_server_may_answer_either() {
    let syns = [c("S", 100, 0, 0), c("S", 700, 0, 0)];
    for isn in [100, 700] {
        let more = [s("SA", 300, isn + 1, 0), c("A", isn + 1, 301, 0)];
        assert_eq!(states(&run_one(strict(), &[syns[0], syns[1], more[0], more[1]])), ESTABLISHED, "isn {isn}");
    }
}

#[test]
fn a_syn_ack_with_another_number_then_the_last_one_counts() {
    let again = [c("S", 100, 0, 0), s("SA", 300, 101, 0), s("SA", 900, 101, 0)];
    let old: Vec<_> = again.into_iter().chain([c("A", 101, 301, 0)]).collect();
    assert_eq!(states(&run_one(strict(), &old)).0, Some(TcpState::SynRecv));
    let new: Vec<_> = again.into_iter().chain([c("A", 101, 901, 0)]).collect();
    assert_eq!(states(&run_one(strict(), &new)), ESTABLISHED);
}

#[test]
fn simultaneous_open_then_established_when_both_have_acknowledged() {
    let open = [c("S", 100, 0, 0), s("S", 300, 0, 0), c("SA", 100, 301, 0), s("A", 301, 101, 0)];
    assert_eq!(states(&run_one(strict(), &open[..2])).0, Some(TcpState::SynSent));
    assert_eq!(states(&run_one(strict(), &open[..3])).0, Some(TcpState::SynRecv));
    let record = run_one(strict(), &open);
    assert_eq!((states(&record), record.client), (ESTABLISHED, A));
}

#[test]
fn numbers_around_the_wrap_then_established() {
    let open = [c("S", u32::MAX, 0, 0), s("SA", u32::MAX, 0, 0), c("A", 0, 0, 0), c("A", 0, 0, 5), s("A", 0, 5, 0)];
    let record = run_one(strict(), &open);
    assert_eq!(states(&record), ESTABLISHED);
    let close = [c("FA", 5, 0, 0), s("FA", 0, 6, 0), c("A", 6, 1, 0)];
    let record = run_one(strict(), &open.into_iter().chain(close).collect::<Vec<_>>());
    assert_eq!(states(&record), (Some(TcpState::Closed), FlowState::Closed));
}

#[test]
fn fast_open_data_acknowledged_or_ignored_then_established() {
    let syn = c("S", 100, 0, 20).fast_open();
    let taken = [syn, s("SA", 300, 121, 0), c("A", 121, 301, 0)];
    assert_eq!(states(&run_one(strict(), &taken)), ESTABLISHED);
    let ignored = [syn, s("SA", 300, 101, 0), c("A", 101, 301, 20)];
    assert_eq!(states(&run_one(strict(), &ignored)), ESTABLISHED);
    let neither = [syn, s("SA", 300, 111, 0)];
    assert_eq!(states(&run_one(strict(), &neither)).0, Some(TcpState::SynSent));
}

#[test]
fn a_lost_ack_then_data_of_either_side_ends_the_handshake() {
    let open = [c("S", 100, 0, 0), s("SA", 300, 101, 0)];
    for data in [c("A", 101, 301, 10), s("A", 301, 101, 10)] {
        assert_eq!(states(&run_one(strict(), &[open[0], open[1], data])), ESTABLISHED);
    }
    let bare = s("A", 301, 101, 0);
    assert_eq!(states(&run_one(strict(), &[open[0], open[1], bare])).0, Some(TcpState::SynRecv), "no data");
    let wrong = c("A", 101, 999, 0);
    assert_eq!(states(&run_one(strict(), &[open[0], open[1], wrong])).0, Some(TcpState::SynRecv), "wrong number");
}

#[test]
fn one_side_only_then_established_with_async_oneside_and_not_without() {
    let packets = [c("S", 100, 0, 0), c("A", 101, 301, 0), c("A", 101, 301, 30)];
    let one_sided = TableConfig { async_oneside: true, ..strict() };
    assert_eq!(states(&run_one(one_sided, &packets)), ESTABLISHED);
    assert_eq!(states(&run_one(strict(), &packets)).0, Some(TcpState::SynSent));
}

#[test]
fn flags_are_collected_once_the_session_exists() {
    let record = run_one(strict(), &[c("A", 1, 1, 0), c("PA", 1, 1, 4)]);
    assert_eq!(flags(&record), [0, 0]);
    let record = run_one(strict(), &after_handshake(&[c("PA", 101, 301, 4), s("PAU", 99_999, 7, 0)]));
    assert_eq!(flags(&record), [0x1a, 0x3a], "those of segments that are not believed too");
}
