//! How a session ends by FINs, and what must not move it: the reference's rows from ESTABLISHED on.

use crate::bed::*;
use flumen_model::{FlowState, TcpState};
use flumen_table::TableConfig;

/// State of session and flow after a handshake and `more`.
fn after(more: &[Packet]) -> (TcpState, FlowState) {
    let record = run_one(TableConfig { midstream: false, ..small() }, &after_handshake(more));
    (record.tcp.and_then(|tcp| tcp.state).expect("a session"), record.state)
}
const OPEN: FlowState = FlowState::Established;
const OVER: FlowState = FlowState::Closed;

/// FINs of the client and of the server, and the answers to each. The client's takes no number (as in Suricata).
fn client_fin() -> Packet {
    c("FA", 101, 301, 0)
}
fn server_fin() -> Packet {
    s("FA", 301, 101, 0)
}

#[test]
fn the_clients_fin_then_close_wait() {
    assert_eq!(after(&[client_fin()]), (TcpState::CloseWait, OPEN));
}

#[test]
fn the_servers_fin_then_fin_wait1() {
    assert_eq!(after(&[server_fin()]), (TcpState::FinWait1, OPEN));
}

#[test]
fn both_fins_client_first_then_last_ack_and_closed_by_the_clients_ack() {
    let fins = [client_fin(), s("FA", 301, 102, 0), c("A", 102, 302, 0)];
    assert_eq!(after(&fins[..2]), (TcpState::LastAck, OVER));
    assert_eq!(after(&fins), (TcpState::Closed, OVER));
}

#[test]
fn in_last_ack_the_servers_ack_is_not_the_last() {
    let more = [client_fin(), s("FA", 301, 102, 0), s("A", 302, 102, 0)];
    assert_eq!(after(&more), (TcpState::LastAck, OVER));
}

#[test]
fn in_close_wait_data_and_acks_change_nothing_and_a_second_fin_of_the_client_neither() {
    let more = [client_fin(), s("A", 301, 102, 500), c("A", 102, 801, 0), c("FA", 101, 801, 0)];
    for n in 1..=more.len() {
        assert_eq!(after(&more[..n]), (TcpState::CloseWait, OPEN), "{n}");
    }
}

#[test]
fn the_servers_fin_acknowledged_then_fin_wait2_and_the_clients_fin_then_time_wait() {
    let more = [server_fin(), c("A", 101, 302, 0), c("FA", 101, 302, 0), s("A", 302, 102, 0)];
    assert_eq!(after(&more[..2]), (TcpState::FinWait2, OPEN));
    assert_eq!(after(&more[..3]), (TcpState::TimeWait, OVER));
    assert_eq!(after(&more), (TcpState::Closed, OVER));
}

#[test]
fn the_clients_fin_with_the_ack_then_time_wait_at_once() {
    let more = [server_fin(), c("FA", 101, 302, 0), s("A", 302, 102, 0)];
    assert_eq!(after(&more[..2]), (TcpState::TimeWait, OVER));
    assert_eq!(after(&more), (TcpState::Closed, OVER));
}

#[test]
fn fins_that_cross_then_closing_time_wait_and_closed() {
    let more = [server_fin(), c("F", 101, 0, 0), s("A", 302, 102, 0), c("A", 102, 302, 0)];
    assert_eq!(after(&more[..2]), (TcpState::Closing, OPEN));
    assert_eq!(after(&more[..3]), (TcpState::TimeWait, OVER));
    assert_eq!(after(&more), (TcpState::Closed, OVER));
}

#[test]
fn a_fin_outside_the_window_is_not_believed() {
    assert_eq!(after(&[c("FA", 101 + 60_000, 301, 0)]), (TcpState::Established, OPEN));
    assert_eq!(after(&[c("FA", 50, 301, 0)]), (TcpState::Established, OPEN), "before what was acknowledged");
    assert_eq!(after(&[c("FA", 101, 301 + 60_000, 0)]), (TcpState::Established, OPEN), "its acknowledgement");
    assert_eq!(after(&[s("FA", 301 + 60_000, 101, 0)]), (TcpState::Established, OPEN));
}

#[test]
fn a_fin_with_payload_carries_it() {
    let more = [c("FA", 101, 301, 10), s("FA", 301, 112, 0), c("A", 112, 302, 0)];
    assert_eq!(after(&more), (TcpState::Closed, OVER));
}

#[test]
fn keep_alives_and_their_answers_move_nothing() {
    let talk = [c("A", 101, 301, 10), s("A", 301, 111, 0)];
    let alive = [c("A", 110, 301, 0), s("A", 301, 111, 0), c("A", 110, 301, 1), s("A", 301, 111, 0)];
    let more: Vec<_> = talk.into_iter().chain(alive).chain([c("A", 111, 301, 10), s("A", 301, 121, 0)]).collect();
    assert_eq!(after(&more), (TcpState::Established, OPEN));
    let close: Vec<_> =
        more.into_iter().chain([c("FA", 121, 301, 0), s("FA", 301, 122, 0), c("A", 122, 302, 0)]).collect();
    assert_eq!(after(&close), (TcpState::Closed, OVER), "the numbers are where they were");
}

#[test]
fn a_keep_alive_in_fin_wait1_is_not_the_answer_to_the_fin() {
    let more = [s("A", 301, 101, 5), c("A", 101, 306, 0), s("FA", 306, 101, 0), c("A", 100, 307, 0)];
    assert_eq!(after(&more).0, TcpState::FinWait1);
}

#[test]
fn an_outdated_ack_moves_nothing() {
    let more = [s("A", 301, 101, 100), c("A", 101, 401, 0), s("FA", 401, 101, 0), c("A", 101, 350, 0)];
    assert_eq!(after(&more).0, TcpState::FinWait1);
}

#[test]
fn a_syn_in_an_open_session_is_just_another_packet() {
    assert_eq!(after(&[c("S", 5555, 0, 0), c("A", 101, 301, 4), s("SA", 1, 1, 0)]), (TcpState::Established, OPEN));
}

#[test]
fn timestamps_that_run_backwards_are_not_believed() {
    let stamped = |packet: Packet, value, echo| packet.tcp(|tcp| tcp.timestamps = Some((value, echo)));
    let open = [
        stamped(c("S", 100, 0, 0), 1000, 0),
        stamped(s("SA", 300, 101, 0), 5000, 1000),
        stamped(c("A", 101, 301, 0), 1001, 5000),
    ];
    let state = |fin| {
        let packets: Vec<_> = open.into_iter().chain([fin]).collect();
        run_one(small(), &packets).tcp.and_then(|tcp| tcp.state)
    };
    assert_eq!(state(stamped(c("FA", 101, 301, 0), 900, 5000)), Some(TcpState::Established));
    assert_eq!(state(stamped(c("FA", 101, 301, 0), 1002, 5000)), Some(TcpState::CloseWait));
}

#[test]
fn scaled_windows_let_a_fin_far_ahead_be_believed() {
    let scale = |packet: Packet| packet.tcp(|tcp| tcp.window_scale = Some(7));
    let open = [scale(c("S", 100, 0, 0)), scale(s("SA", 300, 101, 0)), c("A", 101, 301, 0), s("A", 301, 101, 0)];
    let ahead = c("FA", 101 + 100_000, 301, 0);
    let state = |packets: &[Packet]| run_one(small(), packets).tcp.and_then(|tcp| tcp.state);
    let with: Vec<_> = open.into_iter().chain([s("A", 301, 101, 10), ahead]).collect();
    assert_eq!(state(&with), Some(TcpState::CloseWait));
    let without: Vec<_> = handshake().into_iter().chain([s("A", 301, 101, 10), ahead]).collect();
    assert_eq!(state(&without), Some(TcpState::Established));
}
