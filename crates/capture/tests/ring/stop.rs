//! The end of a capture.

use std::time::{Duration, Instant};

use crate::net::{Sender, drain, frame, in_namespace, open};
use flumen_capture::ring::{BLOCK_TIMEOUT_MS_MAX, RingConfig};
use flumen_model::{PacketBatch, PacketSource};

#[test]
fn nothing_to_capture_then_fill_returns_empty_and_goes_on() {
    in_namespace(|net| {
        net.cable(1500);
        let (mut ring, _) = open(&RingConfig::new("b"));
        let mut batch = PacketBatch::new();
        for _ in 0..5 {
            assert_eq!(ring.fill(&mut batch), Ok(true));
            assert!(batch.is_empty());
        }
        assert_eq!(ring.stats().counters().expect("the kernel answers").poll_timeouts, 5);
    });
}

#[test]
fn stop_while_waiting_without_traffic_then_the_ring_ends_at_once() {
    in_namespace(|net| {
        net.cable(1500);
        let config = RingConfig { block_timeout_ms: BLOCK_TIMEOUT_MS_MAX, ..RingConfig::new("b") };
        let (mut ring, stop) = open(&config);
        let stats = ring.stats();
        let waiting = std::thread::spawn(move || drain(&mut ring));
        while stats.counters().expect("the kernel answers").polls == 0 {
            std::thread::yield_now();
        }
        stop.stop();
        assert_eq!(waiting.join().expect("no panic"), []);
        let counters = stats.counters().expect("the last figures");
        assert_eq!((counters.polls, counters.poll_timeouts), (1, 0), "it was woken");
    });
}

#[test]
fn stop_under_traffic_then_all_that_was_captured_is_delivered_within_the_bound() {
    in_namespace(|net| {
        net.cable(1500);
        let (mut ring, stop) = open(&RingConfig::new("b"));
        std::thread::scope(|scope| {
            let (ended, is_ended) = std::sync::mpsc::channel::<()>();
            let traffic = scope.spawn(move || {
                let sender = Sender::on("a");
                let mut number = 0;
                while is_ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                    sender.send(&frame(number, 60));
                    number += 1;
                }
            });
            let mut batch = PacketBatch::new();
            let mut before = 0;
            while before < 2_000 {
                assert_eq!(ring.fill(&mut batch), Ok(true));
                before += batch.len();
            }
            // The promise of the documentation is a quarter of a second; this is what a busy machine makes of it.
            let asked = Instant::now();
            stop.stop();
            let after = drain(&mut ring);
            assert!(asked.elapsed() < Duration::from_secs(10));
            let counters = ring.stats().counters().expect("the kernel answers");
            assert_eq!(counters.packets, (before + after.len()) as u64);
            assert_eq!(counters.packets + counters.kernel_drops, counters.kernel_packets);
            assert_eq!(counters.lost, 0);
            ended.send(()).expect("traffic goes on");
            traffic.join().expect("no panic");
        });
    });
}

#[test]
fn stop_with_a_block_half_full_then_it_is_delivered() {
    in_namespace(|net| {
        net.cable(1500);
        let (mut ring, stop) = open(&RingConfig { block_timeout_ms: 300, ..RingConfig::new("b") });
        Sender::on("a").send(&frame(1, 60));
        stop.stop();
        assert_eq!(drain(&mut ring).len(), 1);
    });
}

#[test]
fn stop_while_the_interface_is_away_then_the_ring_ends() {
    in_namespace(|net| {
        net.cable(1500);
        let (mut ring, stop) = open(&RingConfig::new("b"));
        net.ip("link del dev b");
        let mut batch = PacketBatch::new();
        for _ in 0..3 {
            assert_eq!(ring.fill(&mut batch), Ok(true));
        }
        stop.stop();
        assert_eq!(drain(&mut ring), []);
    });
}
