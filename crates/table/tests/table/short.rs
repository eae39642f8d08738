//! The short way of usual packets: whoever goes it, and whoever does not, what comes out is the same.

use flumen_model::FlowRecord;
use flumen_table::{Compat, Hint, PacketKey, TableConfig};

use crate::bed::{A, B, Packet, Random, Short, Worker, ms, segment, small, table};

/// Miri is slow, and what it looks for shows in a few packets.
const PACKETS: u64 = if cfg!(miri) { 30 } else { 400 };

/// Records of a run, with what was counted besides, and how many packets went the short way.
fn run(config: &TableConfig, packets: &[(u64, Packet)], short: Short) -> (Vec<FlowRecord>, String, u64) {
    let table = table(config.clone());
    let mut worker = Worker::new(&table);
    worker.short = short;
    let mut verdicts = Vec::new();
    for (n, (at, packet)) in packets.iter().enumerate() {
        verdicts.push(worker.send(ms(*at), packet));
        if n % 50 == 0 {
            worker.sweep(ms(at.saturating_sub(2_000)));
        }
    }
    let said = format!("{verdicts:?} {:?}", worker.lookup.counters);
    let taken = worker.taken_short;
    let mut records = worker.finish();
    records.sort_by_key(|record| record.flow_id);
    (records, said, taken)
}

/// Conversations of two hosts, of TCP for the most part as it should be, with all that may come between.
fn traffic(random: &mut Random) -> Vec<(u64, Packet)> {
    let mut clock = 100_000;
    let mut numbers = [[1000_u32, 5000]; 4];
    let mut n = 0;
    let packets = (0..PACKETS).map(|_| {
        clock += match random.below(40) {
            0 => random.below(120_000),
            1 => random.below(9_000),
            _ => random.below(40),
        };
        let at = if random.below(10) == 0 { clock - random.below(3000) } else { clock };
        // Often the one that spoke last.
        n = if random.below(2) == 0 { n } else { random.below(4) as usize };
        let port = 5000 + n as u16;
        let from_client = random.below(2) == 0;
        let (src, dst) = if from_client { (A, B) } else { (B, A) };
        let (sport, dport) = if from_client { (port, 80) } else { (80, port) };
        let packet = match random.below(10) {
            0 => Packet::udp(src, sport, dst, dport),
            1 if random.below(3) == 0 => {
                Packet::icmp(src, dst, if from_client { 8 } else { 0 }, 8 - if from_client { 8 } else { 0 })
            }
            _ => {
                let own = usize::from(!from_client);
                let flags = ["S", "SA", "FA", "RA", "PA", "A", "A", "A", "A", "A"][random.below(10) as usize];
                let flags = if random.below(25) == 0 { flags } else { "A" };
                let len = random.below(200) as u16;
                let seq = numbers[n][own];
                numbers[n][own] = seq.wrapping_add(u32::from(len) + u32::from(random.below(50) == 0));
                segment(src, sport, dst, dport, flags, seq, numbers[n][1 - own], len)
            }
        };
        let packet = if random.below(4) == 0 { packet.v6() } else { packet };
        let packet = packet.ttl(40 + random.below(30) as u8).bytes(60 + random.below(100));
        (at, if random.below(60) == 0 { packet.bad_checksum() } else { packet })
    });
    packets.collect()
}

/// The same with trains: what comes behind a packet that went the short way goes with it. Says how many packets did.
fn run_in_trains(config: &TableConfig, packets: &[(u64, Packet)]) -> (Vec<FlowRecord>, String, u64) {
    let table = table(config.clone());
    let mut worker = Worker::new(&table);
    let mut verdicts = Vec::new();
    while verdicts.len() < packets.len() {
        let n = verdicts.len();
        // A sweep comes between two trains.
        let end = packets.len().min(n.div_ceil(50) * 50 + 1);
        let ahead: Vec<_> = packets[n..end].iter().map(|(at, packet)| (ms(*at), packet)).collect();
        verdicts.extend(worker.send_train(&ahead));
        let last = verdicts.len() - 1;
        if last % 50 == 0 {
            worker.sweep(ms(packets[last].0.saturating_sub(2_000)));
        }
    }
    let said = format!("{verdicts:?} {:?}", worker.lookup.counters);
    let taken = worker.in_trains;
    let mut records = worker.finish();
    records.sort_by_key(|record| record.flow_id);
    (records, said, taken)
}

#[test]
fn flow_that_is_over_within_a_train_then_what_comes_behind_begins_another() {
    let query = || Packet::udp(A, 5000, B, 53);
    // Half a minute is what a flow has that is not answered.
    let packets = [0, 10, 20, 60_000].map(|at| (at, query()));
    let (records, said, taken) = run_in_trains(&small(), &packets);
    assert_eq!(taken, 1, "the third packet");
    let (others, others_said, _) = run(&small(), &packets, Short::None);
    assert_eq!((&records, &said), (&others, &others_said));
    assert_eq!(records.iter().map(|record| record.to_server.packets).sum::<u64>(), 4);
    assert_eq!(records.len(), 2);
}

#[test]
fn random_conversations_then_the_short_way_makes_no_difference() {
    let (mut taken, mut sent, mut in_trains) = (0, 0, 0);
    for seed in 0..if cfg!(miri) { 1 } else { 300 } {
        println!("seed {seed}");
        let mut random = Random(seed);
        let packets = traffic(&mut random);
        let config = TableConfig {
            hash_size: [1, 3, 64][random.below(3) as usize],
            midstream: random.below(3) > 0,
            compat: if random.below(2) == 0 { Compat::Flumen } else { Compat::Suricata },
            bypass: random.below(4) == 0,
            depth: [0, 300, 1 << 20][random.below(3) as usize],
            macs_max: (random.below(8) == 0).then_some(2),
            ..small()
        };
        let (records, said, none) = run(&config, &packets, Short::None);
        assert_eq!(none, 0);
        for short in [Short::All, Short::EveryOther] {
            let (others, others_said, some) = run(&config, &packets, short);
            assert_eq!((&others, &others_said), (&records, &said), "seed {seed} {short:?}");
            taken += some;
        }
        let (others, others_said, some) = run_in_trains(&config, &packets);
        assert_eq!((&others, &others_said), (&records, &said), "seed {seed} in trains");
        in_trains += some;
        sent += packets.len() as u64;
    }
    assert!(cfg!(miri) || taken > sent / 10, "{taken} of {sent} went short");
    assert!(cfg!(miri) || in_trains > sent / 50, "{in_trains} of {sent} went behind another");
}

#[test]
fn memory_asked_for_known_flows_of_one_row_then_each_has_a_hint_of_its_own_and_an_unknown_one_none() {
    let table = table(TableConfig { hash_size: 1, ..small() });
    let mut worker = Worker::new(&table);
    let packets: Vec<_> = (1..=6).map(|port| Packet::udp(A, port, B, 53)).collect();
    let hint = |packet: &Packet| match PacketKey::of(&packet.wire, 0, table.config()) {
        PacketKey::Own(key) => table.prefetch_flow(&key, table.hash(&key)),
        other => panic!("{other:?}"),
    };
    assert!(packets.iter().all(|packet| hint(packet) == Hint::NONE));
    worker.count_all(&packets[..5]);
    for (n, packet) in packets[..5].iter().enumerate() {
        assert!(hint(packet) != Hint::NONE, "{n}");
        assert!(packets[..n].iter().all(|other| hint(other) != hint(packet)), "{n}");
    }
    assert_eq!(hint(&packets[5]), Hint::NONE);
}
