//! Random scripts against the model, and random fragments against a small memory.

use flumen_table::defrag::DefragConfig;

use crate::bed::{Bed, ms, small, v4, v6};
use crate::script::{Seen, run};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// A script that keeps to few datagrams, so that fragments meet.
fn script(seed: u64, steps: usize) -> Vec<u8> {
    let mut random = Random(seed);
    let mut script: Vec<u8> = (0..4).map(|_| random.next() as u8).collect();
    let spread = [1, 2, 8, 255][random.below(4) as usize];
    let place_mask = [3, 7, 31, 255][random.below(4) as usize];
    for _ in 0..steps {
        let what = if random.below(40) == 0 { 0xff } else { random.below(spread) as u8 };
        let more = u8::from(random.below(5) != 0);
        let odd = if random.below(30) == 0 { random.next() as u8 & !1 } else { 0 };
        let len = if random.below(30) == 0 { random.next() as u8 } else { 1 + random.below(6) as u8 };
        let time = if random.below(20) == 0 { random.next() as u8 } else { 0 };
        script.extend([what, random.next() as u8 & place_mask, len, more | odd, time, random.next() as u8]);
    }
    script
}

#[test]
fn random_scripts_then_all_is_as_in_the_model() {
    let (runs, steps) = if cfg!(miri) { (3, 60) } else { (400, 150) };
    let mut all = Seen::default();
    for seed in 0..runs {
        println!("seed {seed}");
        let seen = run(&script(seed, steps));
        all.completed += seen.completed;
        all.overlapping += seen.overlapping;
        all.evicted += seen.evicted;
        all.timed_out += seen.timed_out;
        all.discarded += seen.discarded;
    }
    println!("{all:?}");
    if !cfg!(miri) {
        let least = all.completed.min(all.overlapping).min(all.evicted).min(all.timed_out).min(all.discarded);
        assert!(least > 200, "{all:?}");
    }
}

#[test]
fn random_fragments_in_small_memory_then_no_limit_is_passed_and_nothing_is_lost() {
    for seed in 0..if cfg!(miri) { 2 } else { 60 } {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut config = DefragConfig {
            memcap: 2000 + random.below(60_000),
            trackers: 1 + random.below(40) as u32,
            max_frags: 1 + random.below(200) as u32,
            hash_size: 1 + random.below(64) as u32,
            ..small()
        };
        config.policies.set_default(flumen_table::OverlapPolicy::ALL[random.below(7) as usize]);
        let mut bed = Bed::new(config);
        let mut now = 0;
        for _ in 0..if cfg!(miri) { 60 } else { 2000 } {
            now += random.below(3000);
            let make = if random.below(4) == 0 { v6 } else { v4 };
            let (offset, len) = (random.below(64) * 8, (1 + random.below(80)) * 8);
            let f = make(random.below(20) as u32, offset as u32, len as u32, random.below(8) != 0);
            drop(bed.put(f, random.next() as u8, ms(now)));
            if random.below(50) == 0 {
                bed.defrag.expire(ms(now));
            }
            assert_eq!(bed.buffers.held(), bed.defrag.kept() as usize);
        }
        bed.end();
    }
}
