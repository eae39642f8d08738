//! Interfaces that go down, and that are removed and made anew.

use crate::net::{Net, Sender, frame, in_namespace, open, receive};
use flumen_capture::Ring;
use flumen_capture::ring::{Fanout, Instruction, RingConfig, StopHandle};
use flumen_model::{PacketBatch, PacketSource};

/// Calls `fill` until the counters are as wished; nothing may come meanwhile.
#[track_caller]
fn until(ring: &mut Ring, wish: impl Fn(&flumen_capture::ring::RingCounters) -> bool) {
    let mut batch = PacketBatch::new();
    for _ in 0..500 {
        let counters = ring.stats().counters().expect("the kernel answers");
        if wish(&counters) {
            return;
        }
        assert!(ring.fill(&mut batch).unwrap_or_else(|error| panic!("{error}")));
        assert!(batch.is_empty());
    }
    panic!("{:?}", ring.stats().counters());
}

fn assert_receives(ring: &mut Ring, number: u32) {
    Sender::on("a").send(&frame(number, 60));
    let seen = receive(ring, 1);
    assert_eq!(seen.len(), 1, "nothing came: {:?}", ring.stats().counters());
    assert_eq!(seen[0].data, frame(number, 60));
}

#[test]
fn interface_down_and_up_then_capture_goes_on() {
    in_namespace(|net| {
        net.cable(1500);
        let (mut ring, _) = open(&RingConfig::new("b"));
        for round in 1..=3 {
            assert_receives(&mut ring, round);
            net.ip("link set dev b down");
            until(&mut ring, |counters| counters.downs == u64::from(round));
            net.ip("link set dev b up");
            net.wait_until_up("a", "b");
            until(&mut ring, |counters| counters.returns == u64::from(round));
        }
        assert_receives(&mut ring, 9);
        let counters = ring.stats().counters().expect("the kernel answers");
        assert_eq!((counters.packets, counters.lost, counters.reopened), (4, 0, 0));
    });
}

#[test]
fn interface_down_at_first_then_captured_when_it_comes_up() {
    in_namespace(|net| {
        net.cable(1500);
        net.ip("link set dev b down");
        let (mut ring, _) = open(&RingConfig::new("b"));
        until(&mut ring, |counters| counters.downs == 1);
        net.ip("link set dev b up");
        net.wait_until_up("a", "b");
        until(&mut ring, |counters| counters.returns == 1);
        assert_receives(&mut ring, 1);
    });
}

fn replace(net: &Net) {
    net.ip("link del dev b");
    net.cable(1500);
}

#[test]
fn interface_removed_and_made_anew_then_captured_again() {
    in_namespace(|net| {
        net.cable(1500);
        let (mut ring, _) = open(&RingConfig::new("b"));
        for round in 1..=3 {
            assert_receives(&mut ring, round);
            if round == 2 {
                // Long enough gone to be waited for.
                net.ip("link del dev b");
                until(&mut ring, |counters| counters.polls > 50 && counters.downs == 2);
                net.cable(1500);
            } else {
                replace(net);
            }
            until(&mut ring, |counters| counters.returns == u64::from(round));
        }
        assert_receives(&mut ring, 9);
        assert!(net.ip("-d link show dev b").contains("promiscuity 1"));
        let counters = ring.stats().counters().expect("the kernel answers");
        assert_eq!((counters.reopened, counters.packets, counters.lost), (3, 4, 0));
    });
}

#[test]
fn interface_of_a_group_removed_and_made_anew_then_every_ring_is_back_in_it() {
    in_namespace(|net| {
        net.cable(1500);
        let stop = StopHandle::new().expect("a descriptor");
        for id in [None, Some(5)] {
            let fanout = Some(Fanout { id, mode: flumen_capture::ring::FanoutMode::RoundRobin, ..Fanout::default() });
            let config = RingConfig { fanout, ..RingConfig::new("b") };
            let mut rings = Ring::open(&config, 2, &stop).expect("two rings");
            for round in 1..=2 {
                replace(net);
                for ring in &mut rings {
                    until(ring, |counters| counters.returns == round);
                }
                let sender = Sender::on("a");
                (0..10).for_each(|number| sender.send(&frame(number, 60)));
                let seen: Vec<usize> = rings.iter_mut().map(|ring| receive(ring, 5).len()).collect();
                assert_eq!(seen, [5, 5], "each packet to one of them, in turn");
            }
        }
    });
}

#[test]
fn filter_replaced_before_the_interface_of_a_group_is_made_anew_then_it_stays_replaced() {
    in_namespace(|net| {
        net.cable(1500);
        let stop = StopHandle::new().expect("a descriptor");
        let config = RingConfig { fanout: Some(Fanout::default()), ..RingConfig::new("b") };
        let mut ring = Ring::open(&config, 1, &stop).expect("a ring").remove(0);
        let nothing = Instruction { code: 0x06, jt: 0, jf: 0, k: 0 };
        ring.filter().replace(vec![nothing]).expect("right");
        replace(net);
        until(&mut ring, |counters| counters.reopened == 1);
        let sender = Sender::on("a");
        sender.send(&frame(1, 60));
        ring.filter().replace(Vec::new()).expect("right");
        sender.send(&frame(2, 60));
        assert_eq!(receive(&mut ring, 1)[0].data, frame(2, 60));
    });
}

#[test]
fn packets_in_the_ring_when_the_interface_goes_then_they_are_delivered() {
    in_namespace(|net| {
        net.cable(1500);
        let stop = StopHandle::new().expect("a descriptor");
        for fanout in [None, Some(Fanout::default())] {
            let mut ring =
                Ring::open(&RingConfig { fanout, ..RingConfig::new("b") }, 1, &stop).expect("a ring").remove(0);
            let sender = Sender::on("a");
            (0..100).for_each(|number| sender.send(&frame(number, 60)));
            replace(net);
            let seen = receive(&mut ring, 100);
            assert_eq!(seen.len(), 100);
            until(&mut ring, |counters| counters.returns == 1);
            assert_receives(&mut ring, 7);
            assert_eq!(ring.stats().counters().expect("the kernel answers").lost, 0);
        }
    });
}
