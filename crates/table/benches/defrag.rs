//! What a fragment costs: in a flood of first fragments that never complete, in well-formed datagrams of two, alone and
//! between others, with and without contiguous bytes, and in a datagram of tiny fragments.
//!
//! `cargo bench -p flumen-table --bench defrag`. Figures are nanoseconds of this thread's CPU time a fragment, the least
//! and the median of the rounds; cases take turns. Payloads are references into one mapping.
#![allow(unsafe_code)]

use std::hint::black_box;

use flumen_model::Timestamp;
use flumen_pbuf::Pbuf;
use flumen_table::defrag::{Defrag, DefragConfig, Outcome};
use flumen_table::{HashSecret, OverlapPolicy};
use flumen_wire::{Address, Fragment, IpVersion, Tunnel, VlanTags};

const ROUNDS: usize = 7;

struct Case {
    name: &'static str,
    fragments: u32,
    run: fn(&mut Defrag, &Pbuf, u32),
    ns: Vec<f64>,
    memuse_peak: u64,
}

fn main() {
    // `cargo test --benches` and `cargo bench -- --list` only want to see it start.
    if std::env::args().any(|arg| arg == "--test" || arg == "--list") {
        return;
    }
    let mapping = Pbuf::from(vec![0x55; 1 << 16]);
    let case = |name, fragments, run| Case { name, fragments, run, ns: Vec::new(), memuse_peak: 0 };
    let mut cases = [
        case("flood of first fragments, 512 bytes", 1_000_000, flood),
        case("pairs", 1_000_000, pairs::<1, false>),
        case("pairs, made contiguous", 1_000_000, pairs::<1, true>),
        case("pairs, 1,000 datagrams at a time", 1_000_000, pairs::<1000, false>),
        case("datagrams of 8,000 tiny fragments, last first", 400_000, tiny),
    ];
    for round in 0..=ROUNDS {
        for case in &mut cases {
            let mut config = DefragConfig::default();
            config.policies.set_default(OverlapPolicy::Bsd);
            let mut defrag = Defrag::new(config, HashSecret::from_seed([round as u64, 9]));
            let start = cpu_ns();
            (case.run)(&mut defrag, &mapping, case.fragments);
            let ns = (cpu_ns() - start) / f64::from(case.fragments);
            // The first round only warms up.
            if round > 0 {
                case.ns.push(ns);
            }
            case.memuse_peak = case.memuse_peak.max(defrag.memuse());
            assert_eq!(defrag.counters.fragments(), u64::from(case.fragments));
            defrag.finish();
            assert_eq!((defrag.counters.held, mapping.references()), (0, Some(1)));
        }
    }
    println!("| case | min ns | median ns | M/s | memuse at the end, KiB |\n|---|---|---|---|---|");
    for Case { name, ns, memuse_peak, .. } in &mut cases {
        ns.sort_by(f64::total_cmp);
        let (least, median) = (ns[0], ns[ns.len() / 2]);
        println!("| {name} | {least:.0} | {median:.0} | {:.2} | {} |", 1000.0 / median, *memuse_peak / 1024);
    }
}

fn flood(defrag: &mut Defrag, mapping: &Pbuf, count: u32) {
    for n in 0..count {
        let outcome = put(defrag, mapping, n, 0, 512, true);
        assert!(matches!(outcome, Outcome::Held));
    }
}

/// Datagrams of 2,000 bytes, `AT_A_TIME` of them begun before the first of these is completed.
fn pairs<const AT_A_TIME: u32, const CONTIGUOUS: bool>(defrag: &mut Defrag, mapping: &Pbuf, count: u32) {
    let mut scratch = Vec::new();
    for begin in (0..count / 2).step_by(AT_A_TIME as usize) {
        for n in begin..begin + AT_A_TIME {
            assert!(matches!(put(defrag, mapping, n, 0, 1480, true), Outcome::Held));
        }
        for n in begin..begin + AT_A_TIME {
            let Outcome::Complete(datagram) = put(defrag, mapping, n, 1480, 520, false) else { panic!("incomplete") };
            if CONTIGUOUS {
                datagram.write_to(&mut scratch);
                black_box(&scratch);
            }
            black_box(&datagram);
        }
    }
}

fn tiny(defrag: &mut Defrag, mapping: &Pbuf, count: u32) {
    const PIECES: u32 = 8000;
    for n in 0..count {
        let place = PIECES - 1 - n % PIECES;
        black_box(&put(defrag, mapping, n / PIECES, place * 8, 8, place + 1 < PIECES));
    }
}

/// A fragment of the datagram `n`; a microsecond passes between two datagrams.
fn put(defrag: &mut Defrag, mapping: &Pbuf, n: u32, offset: u32, len: u32, more: bool) -> Outcome {
    let fragment = Fragment {
        ip_version: IpVersion::V4,
        src: Address::v4((n >> 8).to_be_bytes()),
        dst: Address::v4([10, 0, 0, 1]),
        id: n & 0xffff,
        offset,
        more,
        vlan: VlanTags::default(),
        protocol: 17,
        ip_offset: 14,
        payload_offset: 34,
        payload_len: len,
        protocol_offset: 23,
        link_len: 14,
        ttl: 64,
        macs: None,
        recursion: 0,
        layers: 2,
        tunnel: Tunnel::NONE,
    };
    let at = Timestamp::from_nanos(1_600_000_000_000_000_000 + u64::from(n) * 1000);
    defrag.fragment(black_box(&fragment), 0, at, |_| mapping.slice(..20 + len as usize))
}

fn cpu_ns() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` may be written.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0, "the kernel counts a thread's CPU time");
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
