//! Two workers and a sweep at once: what is counted is conserved, and every slot comes home. Under the thread sanitizer:
//!
//! `RUSTFLAGS=-Zsanitizer=thread cargo +nightly test -Zbuild-std --target x86_64-unknown-linux-gnu -p flumen-table --test table threads`

use core::sync::atomic::{AtomicU64, Ordering};

use crate::bed::*;
use crate::references::find;
use flumen_table::{FlowTable, TableConfig, Verdict};

const STEPS: u64 = if cfg!(miri) { 25 } else { 20_000 };

/// Counts of one worker: packets that are in flows, packets that were refused.
fn work(table: &FlowTable, number: u8, clock: &AtomicU64) -> (u64, u64, u64) {
    let mut random = Random(u64::from(number) + 1);
    let mut worker = Worker::number(table, number);
    let mut held = Vec::new();
    let (mut counted, mut refused) = (0, 0);
    for _ in 0..STEPS {
        let now = ms(clock.fetch_add(random.below(20), Ordering::Relaxed));
        let port = random.below(150) as u16;
        let packet = match random.below(4) {
            0 => Packet::udp(A, port, B, 53),
            1 => Packet::udp(B, 53, A, port),
            2 => segment(A, port, B, 80, "S", random.next() as u32, 0, 0),
            _ => segment(B, 80, A, port, "RA", 0, 0, 0),
        };
        match worker.send(now, &packet) {
            Verdict::Counted => counted += 1,
            _ => refused += 1,
        }
        if random.below(4) == 0 {
            held.extend(find(&mut worker, &packet));
        }
        if random.below(8) == 0
            && let Some(flow) = held.last()
            && let Some(guard) = table.lock(flow)
        {
            assert_eq!(guard.key().client(), flow.key().client());
            assert!(guard.body().first_seen() <= guard.body().last_seen());
        }
        if held.len() > 12 {
            let keep = random.below(12) as usize;
            held.drain(keep..);
        }
    }
    let records = worker.records.iter().map(|r| r.to_server.packets + r.to_client.packets).sum();
    (counted, refused, records)
}

fn all_at_once(config: TableConfig) -> (u64, u64) {
    let table = table(config);
    let clock = AtomicU64::new(0);
    let (mut sent, mut refused, mut recorded) = (0, 0, 0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|number| {
                let (table, clock) = (&table, &clock);
                scope.spawn(move || work(table, number, clock))
            })
            .collect();
        let mut manager = Worker::number(&table, 9);
        while workers.iter().any(|worker| !worker.is_finished()) {
            // Nobody is behind this: workers draw their times from the same clock, so it is only a little late.
            manager.sweep_rows(ms(clock.load(Ordering::Relaxed).saturating_sub(1000)), table.is_emergency());
            table.maintain();
            assert!(table.memuse() <= table.memcap());
            std::thread::yield_now();
        }
        for worker in workers {
            let (counted, not, in_records) = worker.join().expect("no panic");
            sent += counted;
            refused += not;
            recorded += in_records;
        }
        let rest = manager.finish();
        recorded += rest.iter().map(|r| r.to_server.packets + r.to_client.packets).sum::<u64>();
    });
    assert_eq!(sent, recorded, "packets in flows are packets in records");
    assert_eq!(sent + refused, 2 * STEPS);
    table.maintain();
    assert_eq!(table.spare() as u64, table.slots(), "every slot is home");
    (sent, refused)
}

#[test]
fn two_workers_and_a_sweep_then_packets_are_conserved_and_slots_come_home() {
    let (_, refused) = all_at_once(TableConfig { hash_size: 4, prealloc: 200, ..small() });
    assert_eq!(refused, 0);
}

#[test]
fn two_workers_under_memcap_then_packets_are_conserved_and_slots_come_home() {
    all_at_once(TableConfig { hash_size: 16, prealloc: 100, memcap: 16 * 64 + 4 + 20_480, ..small() });
}
