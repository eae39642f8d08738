//! Packets that are kept beyond their batch, and rings that are full.

use crate::net::{Sender, drain, frame, in_namespace, open, receive, small};
use flumen_capture::Ring;
use flumen_capture::ring::RingConfig;
use flumen_model::{PacketBatch, PacketSource};
use flumen_pbuf::{Kind, Pbuf};

/// A frame that leaves room for no other in a small block.
const BIG: usize = 1_900;

/// Reads one batch that is not empty, and keeps its first packet.
fn keep_one(ring: &mut Ring) -> Pbuf {
    let mut batch = PacketBatch::new();
    loop {
        assert!(ring.fill(&mut batch).expect("no error"));
        if let Some(entry) = batch.entries().first() {
            return batch
                .hold(entry.offset..entry.offset + entry.captured_len as usize, Pbuf::empty())
                .expect("memory");
        }
    }
}

#[test]
fn block_held_then_others_go_on_and_its_bytes_stay_until_it_is_released() {
    in_namespace(|net| {
        net.cable(2_000);
        let sender = Sender::on("a");
        let (mut ring, _) = open(&small("b", 8));
        let blocks = ring.geometry().blocks as u32;
        sender.send(&frame(0, BIG));
        let held = keep_one(&mut ring);
        assert_eq!(held.kind(), Kind::Ref, "nothing was copied");
        assert_eq!(ring.pressure(), 100 / blocks as usize);

        // No more than a frame for each other block, should the time of each be over before a second comes.
        let go_on = blocks - 2;
        for number in 1..=go_on {
            sender.send(&frame(number, BIG));
        }
        let seen = receive(&mut ring, go_on as usize);
        assert_eq!(seen.len(), go_on as usize);
        assert!((1..).zip(&seen).all(|(number, packet)| packet.data == frame(number, BIG)));
        assert_eq!(ring.stats().counters().expect("the kernel answers").kernel_drops, 0);

        // Filling comes around to the held block, and stops there.
        (0..50).for_each(|number| sender.send(&frame(1_000 + number, BIG)));
        let some = receive(&mut ring, 50).len() as u64;
        let counters = ring.stats().counters().expect("the kernel answers");
        assert!(counters.kernel_drops > 0 && counters.freezes > 0, "{counters:?}");
        assert_eq!(some + counters.kernel_drops, 50);
        assert_eq!(held, frame(0, BIG)[..]);

        drop(held);
        let before = counters.kernel_drops;
        let more: Vec<_> = (2_000..2_040).map(|number| frame(number, BIG)).collect();
        let mut back = Vec::new();
        for frame in &more {
            sender.send(frame);
            back.extend(receive(&mut ring, 1).into_iter().map(|packet| packet.data));
        }
        assert_eq!(back, more);
        assert_eq!(ring.stats().counters().expect("the kernel answers").kernel_drops, before);
        assert_eq!(ring.pressure(), 0);
    });
}

#[test]
fn too_many_blocks_held_then_what_is_held_further_is_copied() {
    in_namespace(|net| {
        net.cable(2_000);
        let sender = Sender::on("a");
        let (mut ring, _) = open(&small("b", 8));
        let (blocks, half) = (ring.geometry().blocks, ring.geometry().blocks / 2);
        let mut held = Vec::new();
        for number in 0..blocks as u32 - 1 {
            sender.send(&frame(number, BIG));
            held.push(keep_one(&mut ring));
        }
        assert!((0..).zip(&held).all(|(number, held)| *held == frame(number, BIG)[..]));
        for (i, held) in held.iter().enumerate() {
            assert_eq!(held.kind(), if i < half { Kind::Ref } else { Kind::Ram }, "{i} of {blocks}");
        }
        let counters = ring.stats().counters().expect("the kernel answers");
        assert_eq!(counters.scarce_blocks as usize, blocks - 1 - half);

        held.clear();
        for number in 100..140 {
            sender.send(&frame(number, BIG));
            let once = keep_one(&mut ring);
            assert_eq!((once.kind(), &once[..]), (Kind::Ref, &frame(number, BIG)[..]), "blocks are back");
        }
        assert_eq!(ring.stats().counters().expect("the kernel answers").kernel_drops, 0);
    });
}

#[test]
fn packets_kept_for_ever_by_default_then_copied_and_the_ring_never_stops() {
    in_namespace(|net| {
        net.cable(2_000);
        let sender = Sender::on("a");
        let (mut ring, _) = open(&RingConfig { held_percent: 0, ..small("b", 4) });
        let mut held = Vec::new();
        for number in 0..100 {
            sender.send(&frame(number, BIG));
            held.push(keep_one(&mut ring));
        }
        assert!((0..).zip(&held).all(|(number, held)| *held == frame(number, BIG)[..]));
        let counters = ring.stats().counters().expect("the kernel answers");
        assert_eq!((counters.kernel_drops, counters.freezes, counters.packets), (0, 0, 100));
    });
}

#[test]
fn last_block_held_and_nothing_comes_then_waiting_takes_time() {
    in_namespace(|net| {
        net.cable(2_000);
        let (mut ring, _) = open(&small("b", 8));
        Sender::on("a").send(&frame(0, BIG));
        let _held = keep_one(&mut ring);
        let before = ring.stats().counters().expect("the kernel answers");
        let mut batch = PacketBatch::new();
        for _ in 0..10 {
            assert_eq!(ring.fill(&mut batch), Ok(true));
            assert!(batch.is_empty());
        }
        let after = ring.stats().counters().expect("the kernel answers");
        assert_eq!((after.poll_timeouts - before.poll_timeouts, after.poll_data - before.poll_data), (10, 0));
    });
}

#[test]
fn references_read_by_another_thread_under_traffic_then_no_byte_changes() {
    in_namespace(|net| {
        net.cable(2_000);
        const FRAMES: u32 = 20_000;
        let (mut ring, stop) = open(&small("b", 32));
        let len_of = |number: u32| 60 + (number as usize * 53) % 1_800;
        std::thread::scope(|scope| {
            // Bounded: who reads slowly makes the ring stop and drop, and that is to be seen too.
            let (keep, kept) = std::sync::mpsc::sync_channel::<Pbuf>(8);
            let checker = scope.spawn(move || {
                let mut numbers = Vec::new();
                for packet in kept {
                    let number = u32::from_be_bytes(*packet[14..].first_chunk().expect("a number"));
                    assert!(packet == frame(number, len_of(number))[..], "frame {number} changed");
                    numbers.push(number);
                }
                numbers
            });
            let sender = scope.spawn(move || {
                let sender = Sender::on("a");
                (0..FRAMES).for_each(|number| sender.send(&frame(number, len_of(number))));
                stop.stop();
            });
            let mut batch = PacketBatch::new();
            while ring.fill(&mut batch).expect("no error") {
                for entry in batch.entries() {
                    let packet = batch.hold(entry.offset..entry.offset + entry.captured_len as usize, Pbuf::empty());
                    keep.send(packet.expect("memory")).expect("the checker lives");
                }
            }
            drop(keep);
            sender.join().expect("no panic");
            let numbers = checker.join().expect("no panic");
            assert!(numbers.is_sorted_by(|one, next| one < next), "in order, none twice");
            let counters = ring.stats().counters().expect("the kernel answers");
            assert_eq!(numbers.len() as u64, u64::from(FRAMES) - counters.kernel_drops);
            assert!(numbers.len() > 100);
        });
        assert_eq!(ring.pressure(), 0);
    });
}

#[test]
fn ring_dropped_while_a_block_is_held_then_its_bytes_stay() {
    in_namespace(|net| {
        net.cable(2_000);
        let sender = Sender::on("a");
        let (mut ring, _) = open(&small("b", 8));
        sender.send(&frame(5, BIG));
        let held = keep_one(&mut ring);
        drop(ring);
        (0..20).for_each(|number| sender.send(&frame(number, BIG)));
        assert_eq!(std::thread::spawn(move || held.to_vec()).join().expect("no panic"), frame(5, BIG));
    });
}

#[test]
fn nobody_reads_then_the_rest_is_dropped_and_counted() {
    in_namespace(|net| {
        net.cable(2_000);
        let sender = Sender::on("a");
        let (mut ring, stop) = open(&small("b", 8));
        let stats = ring.stats();
        const SENT: u32 = 500;
        (0..SENT).for_each(|number| sender.send(&frame(number, BIG)));
        let counters = std::thread::spawn(move || stats.counters()).join().expect("no panic").expect("an answer");
        assert_eq!(counters.kernel_packets, u64::from(SENT));
        assert!(counters.freezes > 0);
        let stored = u64::from(SENT) - counters.kernel_drops;
        // Two a block, or one when the time was over before the second came.
        let blocks = ring.geometry().blocks as u64;
        assert!((blocks..=2 * blocks).contains(&stored), "{stored} packets in {blocks} blocks");

        stop.stop();
        let seen = drain(&mut ring);
        assert_eq!(seen.len() as u64, stored);
        assert!((0..).zip(&seen).all(|(number, packet)| packet.data == frame(number, BIG)), "the first, in order");
        let counters = ring.stats().counters().expect("the kernel answers");
        assert_eq!(counters.kernel_packets, counters.packets + counters.kernel_drops);
        assert_eq!(counters.lost, 0);
    });
}

#[test]
fn whole_ring_then_its_memory_is_as_configured() {
    in_namespace(|net| {
        net.cable(1_500);
        let (ring, _) = open(&RingConfig { locked: true, ..small("b", 8) });
        assert_eq!(ring.geometry().bytes(), 8 * 4_096);
        assert_eq!(ring.pressure(), 0);
    });
}
