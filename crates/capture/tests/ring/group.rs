//! Several rings on one interface: every packet comes to one of them.

use std::collections::HashMap;

use crate::net::{Sender, drain, eventually, frame, in_namespace, small};
use flumen_capture::ring::{Fanout, FanoutMode, Ring, RingConfig, StopHandle};
use flumen_model::{PacketBatch, PacketSource};

/// A UDP packet over IPv4 between two ports of two hosts, with a number.
fn udp(from: (u8, u16), to: (u8, u16), number: u32) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, to.0, 0x02, 0, 0, 0, 0, from.0, 0x08, 0x00];
    frame.extend([0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 0, from.0, 10, 9, 0, to.0]);
    let sum: u32 = frame[14..34].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend(from.1.to_be_bytes());
    frame.extend(to.1.to_be_bytes());
    frame.extend([0, 12, 0, 0]);
    frame.extend(number.to_be_bytes());
    frame
}

/// Reads all rings until `count` packets have come; returns them with the ring each came from.
fn receive_all(rings: &mut [Ring], count: usize) -> Vec<(usize, Vec<u8>)> {
    let mut batch = PacketBatch::new();
    let (mut all, mut quiet) = (Vec::new(), 0);
    while all.len() < count && quiet < 400 {
        quiet += 1;
        for (i, ring) in rings.iter_mut().enumerate() {
            assert!(ring.fill(&mut batch).expect("no error"));
            if !batch.is_empty() {
                quiet = 0;
            }
            all.extend(batch.packets().map(|packet| (i, packet.data.to_vec())));
        }
    }
    all
}

#[test]
fn two_rings_by_flow_then_each_frame_once_and_both_directions_together() {
    in_namespace(|net| {
        net.cable(1500);
        let stop = StopHandle::new().expect("a descriptor");
        let fanout = Some(Fanout { id: Some(77), ..Fanout::default() });
        let mut rings = Ring::open(&RingConfig { fanout, ..RingConfig::new("b") }, 2, &stop).expect("two rings");
        let (there, here) = (Sender::on("a"), Sender::on("b"));
        let mut ring_of: HashMap<u16, usize> = HashMap::new();
        let mut all = Vec::new();
        for port in 0..64_u16 {
            for number in 0..10 {
                // What comes in and what goes out are the two directions.
                there.send(&udp((1, 40_000 + port), (2, 53), number * 2));
                here.send(&udp((2, 53), (1, 40_000 + port), number * 2 + 1));
            }
            for (ring, data) in receive_all(&mut rings, 20) {
                let port = u16::from_be_bytes([data[34], data[35]]).max(u16::from_be_bytes([data[36], data[37]]));
                assert_eq!(*ring_of.entry(port).or_insert(ring), ring, "a flow in two rings");
                all.push(data);
            }
        }
        assert_eq!(all.len(), 64 * 20);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 64 * 20, "a frame came twice");
        let used: Vec<usize> = (0..2).map(|i| ring_of.values().filter(|&&ring| ring == i).count()).collect();
        assert!(used.iter().all(|&flows| flows > 10), "flows a ring: {used:?}");
    });
}

#[test]
fn rings_opened_under_traffic_then_no_frame_comes_twice() {
    in_namespace(|net| {
        net.cable(1500);
        for mode in [FanoutMode::Hash, FanoutMode::RoundRobin, FanoutMode::Cpu, FanoutMode::Queue] {
            std::thread::scope(|scope| {
                let (opened, is_open) = std::sync::mpsc::channel::<()>();
                let traffic = scope.spawn(move || {
                    let sender = Sender::on("a");
                    let mut number = 0;
                    while is_open.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                        sender.send(&frame(number, 60));
                        number += 1;
                    }
                });
                let stop = StopHandle::new().expect("a descriptor");
                let fanout = Some(Fanout { mode, ..Fanout::default() });
                let mut rings = Ring::open(&RingConfig { fanout, ..RingConfig::new("b") }, 3, &stop).expect("rings");
                let mut seen = receive_all(&mut rings, 500);
                stop.stop();
                for ring in &mut rings {
                    seen.extend(drain(ring).into_iter().map(|packet| (0, packet.data)));
                }
                opened.send(()).expect("traffic goes on");
                traffic.join().expect("no panic");
                let mut all: Vec<_> = seen.into_iter().map(|(_, data)| data).collect();
                let count = all.len();
                assert!(count >= 500, "{count} packets by {mode:?}");
                all.sort_unstable();
                all.dedup();
                assert_eq!(all.len(), count, "a frame came twice by {mode:?}");
            });
        }
    });
}

#[test]
fn round_robin_then_each_ring_in_turn() {
    in_namespace(|net| {
        net.cable(1500);
        let stop = StopHandle::new().expect("a descriptor");
        let fanout = Some(Fanout { id: None, mode: FanoutMode::RoundRobin, defrag: false, rollover: true });
        let mut rings = Ring::open(&RingConfig { fanout, ..small("b", 8) }, 2, &stop).expect("two rings");
        let sender = Sender::on("a");
        (0..10).for_each(|number| sender.send(&frame(number, 60)));
        let seen = receive_all(&mut rings, 10);
        assert_eq!(seen.iter().filter(|(ring, _)| *ring == 0).count(), 5);
        assert_eq!(seen.len(), 10);
    });
}

#[test]
fn group_number_taken_for_another_purpose_then_an_error_that_names_it() {
    in_namespace(|net| {
        net.cable(1500);
        let stop = StopHandle::new().expect("a descriptor");
        let with = |mode| {
            let fanout = Some(Fanout { id: Some(9), mode, ..Fanout::default() });
            Ring::open(&RingConfig { fanout, ..RingConfig::new("b") }, 2, &stop)
        };
        let _first = with(FanoutMode::Hash).expect("rings");
        let error = with(FanoutMode::Cpu).expect_err("another mode").to_string();
        assert!(error.starts_with("b: joining fanout group 9 failed: Invalid argument"), "{error}");
    });
}

#[test]
fn interface_down_at_first_then_the_group_is_there_when_it_comes_up() {
    in_namespace(|net| {
        net.cable(1500);
        net.ip("link set dev b down");
        let stop = StopHandle::new().expect("a descriptor");
        let fanout = Some(Fanout { mode: FanoutMode::RoundRobin, ..Fanout::default() });
        let mut rings = Ring::open(&RingConfig { fanout, ..RingConfig::new("b") }, 2, &stop).expect("two rings");
        net.ip("link set dev b up");
        net.wait_until_up("a", "b");
        let sender = Sender::on("a");
        (0..10).for_each(|number| sender.send(&frame(number, 60)));
        let seen = receive_all(&mut rings, 10);
        assert_eq!(seen.iter().filter(|(ring, _)| *ring == 0).count(), 5);
    });
}

#[test]
fn ring_of_a_group_dropped_then_the_other_has_all() {
    in_namespace(|net| {
        net.cable(1500);
        let stop = StopHandle::new().expect("a descriptor");
        let mut rings = Ring::open(&RingConfig::new("b"), 2, &stop).expect("two rings");
        let stats = rings[1].stats();
        rings.truncate(1);
        assert!(eventually(|| net.packet_sockets() == 1));
        let sender = Sender::on("a");
        for port in 0..40 {
            sender.send(&udp((1, 40_000 + port), (2, 53), 0));
        }
        assert_eq!(receive_all(&mut rings, 40).len(), 40);
        assert_eq!(stats.counters().expect("the last figures").kernel_packets, 0);
    });
}
