//! Which RSTs are believed, and what goes on after one.

use crate::bed::*;
use flumen_model::{FlowState, TcpState};
use flumen_table::TableConfig;

fn config() -> TableConfig {
    TableConfig { midstream: false, ..small() }
}
fn after(packets: &[Packet]) -> (TcpState, FlowState) {
    let record = run_one(config(), packets);
    (record.tcp.and_then(|tcp| tcp.state).expect("a session"), record.state)
}
const CLOSED: (TcpState, FlowState) = (TcpState::Closed, FlowState::Closed);

#[test]
fn a_refused_connection_then_closed_with_its_flags() {
    let record = run_one(config(), &[c("S", 100, 0, 0), s("RA", 0, 101, 0)]);
    let tcp = record.tcp.expect("TCP");
    assert_eq!((record.state, tcp.state, tcp.flags), (FlowState::Closed, Some(TcpState::Closed), [0x02, 0x14]));
}

#[test]
fn a_rst_that_answers_another_syn_is_not_believed() {
    assert_eq!(after(&[c("S", 100, 0, 0), s("RA", 0, 999, 0)]).0, TcpState::SynSent);
}

#[test]
fn a_clients_rst_after_its_syn_with_any_other_number_is_not_believed() {
    for seq in [99, 101, 102] {
        assert_eq!(after(&[c("S", 100, 0, 0), c("R", seq, 0, 0)]).0, TcpState::SynSent, "{seq}");
    }
}

#[test]
fn a_rst_at_the_next_number_closes_in_both_directions() {
    assert_eq!(after(&after_handshake(&[c("R", 101, 0, 0)])), CLOSED);
    assert_eq!(after(&after_handshake(&[s("R", 301, 0, 0)])), CLOSED);
    assert_eq!(after(&after_handshake(&[c("A", 101, 301, 9), c("RA", 110, 301, 0)])), CLOSED);
}

#[test]
fn a_rst_beside_the_next_number_leaves_only_its_flag() {
    for seq in [100, 102, 500] {
        let record = run_one(config(), &after_handshake(&[c("R", seq, 0, 0)]));
        let tcp = record.tcp.expect("TCP");
        assert_eq!(
            (tcp.state, tcp.flags[0], record.state),
            (Some(TcpState::Established), 0x16, FlowState::Established)
        );
    }
}

#[test]
fn a_rst_with_an_impossible_acknowledgement_is_not_believed() {
    assert_eq!(after(&after_handshake(&[c("RA", 101, 90_000, 0)])).0, TcpState::Established);
}

#[test]
fn a_clients_rst_behind_its_fin_is_not_believed() {
    assert_eq!(after(&after_handshake(&[c("FA", 101, 301, 0), c("R", 102, 0, 0)])).0, TcpState::CloseWait);
    assert_eq!(after(&after_handshake(&[c("FA", 101, 301, 0), c("R", 101, 0, 0)])), CLOSED);
}

#[test]
fn a_servers_rst_behind_its_fin_is_believed() {
    assert_eq!(after(&after_handshake(&[s("FA", 301, 101, 0), s("R", 302, 0, 0)])), CLOSED);
}

#[test]
fn what_the_other_end_still_sends_after_a_rst_goes_on_from_the_state_before() {
    let fin = after_handshake(&[c("R", 101, 0, 0), s("FA", 301, 101, 0)]);
    assert_eq!(after(&fin).0, TcpState::FinWait1, "the server had not heard of it");
    let own = after_handshake(&[c("R", 101, 0, 0), c("FA", 101, 301, 0)]);
    assert_eq!(after(&own), CLOSED, "who sent the RST does not go on");
    let twice = after_handshake(&[c("R", 101, 0, 0), s("R", 301, 0, 0)]);
    assert_eq!(after(&twice), CLOSED);
}

#[test]
fn a_rst_with_a_bad_checksum_is_not_believed() {
    assert_eq!(after(&after_handshake(&[s("R", 301, 0, 0).bad_checksum()])).0, TcpState::Established);
}
