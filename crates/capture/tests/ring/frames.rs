//! What is sent on one end of a cable is what the ring at the other end delivers.

use crate::net::{Seen, Sender, drain, eventually, frame, in_namespace, open, receive, small, tagged};
use flumen_capture::ring::{Instruction, Outgoing, Ring, RingConfig, Stamps};
use flumen_model::{LinkType, Timestamp};

/// Sends in small runs, reading in between, and returns what came.
fn exchange(sender: &Sender, ring: &mut Ring, frames: &[Vec<u8>]) -> Vec<Seen> {
    let mut all = Vec::new();
    for run in frames.chunks(64) {
        run.iter().for_each(|frame| sender.send(frame));
        all.extend(receive(ring, run.len()));
    }
    all
}

#[track_caller]
fn assert_same(seen: &[Seen], sent: &[Vec<u8>]) {
    assert_eq!(seen.len(), sent.len(), "packets");
    for (i, (seen, sent)) in seen.iter().zip(sent).enumerate() {
        assert!(seen.data == *sent, "frame {i}: {:02x?}… for {:02x?}…", &seen.data[..18], &sent[..18]);
        assert_eq!((seen.wire_len as usize, seen.link, seen.device), (sent.len(), LinkType::Ethernet, 0));
    }
}

#[test]
fn frames_of_all_sizes_then_byte_for_byte_in_order_with_rising_times() {
    in_namespace(|net| {
        net.cable(1500);
        let sender = Sender::on("a");
        let (mut ring, _) = open(&small("b", 64));
        let sent: Vec<_> = (0..4_000).map(|i| frame(i, 18 + (i as usize * 37) % 1_497)).collect();
        let seen = exchange(&sender, &mut ring, &sent);
        assert_same(&seen, &sent);
        assert!(seen.is_sorted_by_key(|packet| packet.at));
        assert!(seen[0].at > Timestamp::from_parts(1_700_000_000, 0), "a time of this age: {:?}", seen[0].at);
        assert!(seen.iter().any(|packet| packet.at.nanos() % 1_000 != 0), "in nanoseconds");
        let counters = ring.stats().counters().expect("the kernel answers");
        assert_eq!((counters.kernel_packets, counters.packets), (4_000, 4_000));
        assert_eq!((counters.kernel_drops, counters.lost, counters.faults), (0, 0, 0));
        assert!(counters.blocks > 1_000 && counters.polls > 0, "{counters:?}");
        assert_eq!(ring.notices(), [""; 0]);
    });
}

#[test]
fn tags_then_they_are_where_they_were_on_the_wire() {
    in_namespace(|net| {
        net.cable(1500);
        let sender = Sender::on("a");
        let (mut ring, _) = open(&RingConfig::new("b"));
        // What is sent keeps its tag in the frame all the way: both ways of getting it must give the same.
        let (mut own, _) = open(&RingConfig::new("a"));
        let kinds: [&[(u16, u16)]; 7] = [
            &[],
            &[(0x8100, 5)],
            &[(0x8100, 0xe000)],
            &[(0x88a8, 100)],
            &[(0x88a8, 7), (0x8100, 0x2fff)],
            &[(0x8100, 1), (0x8100, 2), (0x8100, 3)],
            &[(0x9100, 4)],
        ];
        let sent: Vec<_> =
            (0..700).map(|i| tagged(&frame(i, 46 + i as usize), kinds[i as usize % kinds.len()])).collect();
        assert_same(&exchange(&sender, &mut ring, &sent), &sent);
        assert_same(&receive(&mut own, sent.len()), &sent);
    });
}

#[test]
fn jumbo_frames_then_whole() {
    in_namespace(|net| {
        net.cable(9000);
        let (mut ring, _) = open(&RingConfig::new("b"));
        let sent: Vec<_> = (0..300).map(|i| frame(i, if i % 2 == 0 { 9_014 } else { 60 })).collect();
        assert_same(&exchange(&Sender::on("a"), &mut ring, &sent), &sent);
    });
}

#[test]
fn snap_length_then_the_beginning_of_the_frame_on_the_wire() {
    in_namespace(|net| {
        net.cable(1500);
        let sender = Sender::on("a");
        for snap_len in [1, 12, 13, 16, 96, 1_500] {
            let (mut ring, _) = open(&RingConfig { snap_len, ..small("b", 64) });
            let sent: Vec<_> = (0..60)
                .map(|i| match i % 2 {
                    0 => frame(i, 200 * (1 + i as usize % 7)),
                    _ => tagged(&frame(i, 90), &[(0x8100, 9)]),
                })
                .collect();
            let seen = exchange(&sender, &mut ring, &sent);
            assert_eq!(seen.len(), sent.len());
            for (seen, sent) in seen.iter().zip(&sent) {
                assert_eq!(seen.data[..], sent[..sent.len().min(snap_len as usize)], "snap length {snap_len}");
                assert_eq!(seen.wire_len as usize, sent.len());
            }
        }
    });
}

/// The first instruction loads the protocol of the frame, the second compares, then verdicts follow.
fn only_protocol(protocol: u32) -> Vec<Instruction> {
    let step = |code, jt, jf, k| Instruction { code, jt, jf, k };
    vec![step(0x28, 0, 0, 12), step(0x15, 0, 1, protocol), step(0x06, 0, 0, u32::MAX), step(0x06, 0, 0, 0)]
}

#[test]
fn filter_then_nothing_else_gets_in_not_even_while_it_is_opened() {
    in_namespace(|net| {
        net.cable(1500);
        let sender = Sender::on("a");
        let wanted = |i| {
            let mut frame = frame(i, 100);
            frame[13] = 0xb6;
            frame
        };
        let config = RingConfig { filter: only_protocol(0x88b6), ..RingConfig::new("b") };
        std::thread::scope(|scope| {
            let (opened, is_open) = std::sync::mpsc::channel();
            let noise = scope.spawn(move || {
                let noise = Sender::on("a");
                while is_open.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                    noise.send(&frame(0, 60));
                }
            });
            for _ in 0..20 {
                let (mut ring, stop) = open(&config);
                sender.send(&wanted(1));
                let seen = receive(&mut ring, 1);
                stop.stop();
                assert_eq!(seen.len() + drain(&mut ring).len(), 1);
                assert_eq!(seen[0].data, wanted(1));
                assert_eq!(ring.stats().counters().expect("the kernel answers").kernel_packets, 1);
            }
            opened.send(()).expect("the noise goes on");
            noise.join().expect("no panic");
        });
    });
}

/// A frame that [`only_protocol`] tells by its last byte.
fn of_protocol(number: u32, last: u8) -> Vec<u8> {
    let mut frame = frame(number, 100);
    frame[13] = last;
    frame
}

#[test]
fn filter_replaced_while_packets_come_then_the_new_one_decides_and_none_after_the_end() {
    in_namespace(|net| {
        net.cable(1500);
        let sender = Sender::on("a");
        let (mut ring, stop) = open(&RingConfig { filter: only_protocol(0x88b6), ..RingConfig::new("b") });
        let filter = ring.filter();
        let mut exchange = |last: [u8; 2], came: u8| {
            last.iter().for_each(|&last| sender.send(&of_protocol(1, last)));
            let seen = receive(&mut ring, 1);
            assert_eq!((seen.len(), seen[0].data[13]), (1, came));
        };
        exchange([0xb7, 0xb6], 0xb6);
        assert_eq!(filter.replace(only_protocol(0x88b7)).expect("right"), only_protocol(0x88b6));
        exchange([0xb6, 0xb7], 0xb7);
        let jump_beyond_the_end = vec![Instruction { code: 0x05, jt: 0, jf: 0, k: 9 }];
        filter.replace(jump_beyond_the_end).expect_err("no program");
        exchange([0xb6, 0xb7], 0xb7);
        stop.stop();
        assert_eq!(drain(&mut ring).len(), 0);
        assert_eq!(filter.replace(Vec::new()).expect("nothing to do"), only_protocol(0x88b7));
        sender.send(&of_protocol(2, 0xb7));
        assert_eq!(ring.stats().counters().expect("the kernel answers").kernel_packets, 3);
    });
}

#[test]
fn outgoing_frames_ignored_then_only_what_comes_in() {
    in_namespace(|net| {
        net.cable(1500);
        let (here, there) = (Sender::on("b"), Sender::on("a"));
        for (outgoing, expected) in [(Outgoing::Captured, vec![1, 2]), (Outgoing::Ignored, vec![2])] {
            let (mut ring, stop) = open(&RingConfig { outgoing, ..RingConfig::new("b") });
            here.send(&frame(1, 60));
            there.send(&frame(2, 60));
            let mut seen = receive(&mut ring, expected.len());
            stop.stop();
            seen.extend(drain(&mut ring));
            assert_eq!(seen.iter().map(|packet| packet.data[17]).collect::<Vec<_>>(), expected);
        }
    });
}

#[test]
fn card_without_time_stamps_then_the_kernels_and_a_notice() {
    in_namespace(|net| {
        net.cable(1500);
        let (mut ring, _) = open(&RingConfig { stamps: Stamps::Hardware, ..RingConfig::new("b") });
        Sender::on("a").send(&frame(1, 60));
        let seen = receive(&mut ring, 1);
        assert!(seen[0].at > Timestamp::from_parts(1_700_000_000, 0));
        let [notice] = ring.notices() else { panic!("{:?}", ring.notices()) };
        assert!(notice.starts_with("b: time stamps by the network card"), "{notice}");
        assert_eq!(ring.stats().counters().expect("the kernel answers").card_stamps, 0);
    });
}

#[test]
fn promiscuous_then_the_interface_is_as_long_as_the_ring_lives() {
    in_namespace(|net| {
        net.cable(1500);
        let is_promiscuous = || net.ip("-d link show dev b").contains("promiscuity 1");
        let (ring, _) = open(&RingConfig::new("b"));
        assert!(is_promiscuous());
        drop(ring);
        assert!(eventually(|| !is_promiscuous()));
        let (_ring, _) = open(&RingConfig { promiscuous: false, ..RingConfig::new("b") });
        assert!(!is_promiscuous());
    });
}
