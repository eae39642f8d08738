//! Limits: what goes when one is met, and that none is ever passed.

use flumen_model::Span;
use flumen_pbuf::Pbuf;
use flumen_table::defrag::{Defrag, DefragConfig, DropReason, EXPIRE_MAX, INCOMPLETE_MAX, Outcome};
use flumen_table::{Compat, HashSecret};
use flumen_wire::{Event, Fragment};

use crate::bed::{Bed, Buffers, at, compat, complete, dropped, held, ms, packet, small, v4, v6};

#[test]
fn trackers_run_out_then_the_one_goes_whose_last_fragment_is_longest_ago() {
    let mut bed = Bed::new(DefragConfig { trackers: 3, ..small() });
    for id in 0..3 {
        held(bed.put(v4(id, 0, 8, true), 0, at(0)));
    }
    held(bed.put(v4(0, 8, 8, true), 0, at(0)));
    held(bed.put(v4(3, 0, 8, true), 0, at(0)));
    let counters = &bed.defrag.counters;
    assert_eq!((counters.tracker_hard_reuse, counters.evicted, counters.max_trackers_reached), (1, 1, 0));
    // 1 went: 0 is complete with its last fragment, 1 begins anew and puts 2 out.
    complete(bed.put(v4(0, 16, 8, false), 0, at(0)));
    held(bed.put(v4(1, 8, 8, false), 0, at(0)));
    held(bed.put(v4(4, 8, 8, false), 0, at(0)));
    held(bed.put(v4(2, 8, 8, false), 0, at(0)));
    assert_eq!(bed.defrag.counters.tracker_hard_reuse, 3);
    bed.end();
}

#[test]
fn tracker_of_a_discarded_datagram_is_reused_softly() {
    let mut bed = Bed::new(DefragConfig { trackers: 1, ..small() });
    held(bed.put(v6(1, 0, 16, true), 0, at(0)));
    assert_eq!(dropped(bed.put(v6(1, 8, 16, true), 0, at(0))), DropReason::Overlap);
    held(bed.put(v6(2, 0, 16, true), 0, at(0)));
    let counters = &bed.defrag.counters;
    assert_eq!((counters.tracker_soft_reuse, counters.tracker_hard_reuse, counters.evicted), (1, 0, 0));
    assert_eq!((counters.discarded, counters.incomplete), (1, 1));
    bed.end();
}

#[test]
fn no_tracker_allowed_then_every_fragment_is_dropped_and_counted() {
    for config in [DefragConfig { trackers: 0, ..small() }, DefragConfig { memcap: 100, ..small() }] {
        let mut bed = Bed::new(config);
        let f = v4(1, 0, 8, true);
        let outcome = bed.defrag.fragment(&f, 0, at(0), |_| panic!("not wanted"));
        assert_eq!((dropped(outcome), bed.defrag.event()), (DropReason::Trackers, None));
        assert_eq!(bed.defrag.counters.max_trackers_reached, 1);
        bed.end();
    }
}

#[test]
fn max_frags_met_then_the_oldest_datagram_goes_or_in_compat_mode_the_fragment() {
    let mut bed = Bed::new(DefragConfig { max_frags: 3, ..small() });
    held(bed.put(v4(1, 0, 8, true), 0, at(0)));
    held(bed.put(v4(1, 8, 8, true), 0, at(0)));
    held(bed.put(v4(2, 0, 8, true), 0, at(0)));
    held(bed.put(v4(2, 8, 8, true), 0, at(0)));
    assert_eq!((bed.defrag.kept(), bed.defrag.trackers(), bed.defrag.counters.max_frags_reached), (2, 1, 1));
    held(bed.put(v4(2, 16, 8, true), 0, at(0)));
    // Its own datagram does not go for it.
    assert_eq!(dropped(bed.put(v4(2, 24, 8, true), 0, at(0))), DropReason::MaxFrags);
    assert_eq!(bed.defrag.event(), Some(Event::Ipv4FragIgnored));
    bed.end();

    let mut bed = Bed::new(DefragConfig { max_frags: 1, ..compat() });
    held(bed.put(v4(1, 0, 8, true), 0, at(0)));
    assert_eq!(dropped(bed.put(v6(1, 0, 8, true), 0, at(0))), DropReason::MaxFrags);
    assert_eq!(bed.defrag.event(), Some(Event::Ipv6FragIgnored));
    assert_eq!((bed.defrag.trackers(), bed.defrag.counters.max_frags_reached), (1, 1));
    bed.end();
}

#[test]
fn memcap_too_small_for_one_datagram_then_the_fragment_is_dropped_and_the_rest_stays() {
    let mut bed = Bed::new(DefragConfig { memcap: 20_000, ..small() });
    held(bed.put(v4(1, 0, 16_000, true), 0, at(0)));
    let before = bed.defrag.memuse();
    assert_eq!(dropped(bed.put(v4(1, 16_000, 8000, false), 0, at(0))), DropReason::Memcap);
    assert_eq!(bed.defrag.event(), Some(Event::Ipv4FragIgnored));
    assert_eq!((bed.defrag.memuse(), bed.defrag.kept()), (before, 1));
    complete(bed.put(v4(1, 16_000, 8, false), 0, at(0)));
    bed.end();
}

#[test]
fn memcap_lowered_then_the_oldest_go_and_raised_then_there_is_room() {
    let mut bed = Bed::new(DefragConfig { memcap: 64_000, ..small() });
    for id in 0..4 {
        held(bed.put(v4(id, 0, 10_000, true), 0, at(0)));
    }
    bed.defrag.set_memcap(34_000);
    assert!(bed.defrag.memuse() <= 34_000, "{}", bed.defrag.memuse());
    assert_eq!((bed.defrag.kept(), bed.defrag.counters.evicted), (3, 1));
    // 0 went.
    complete(bed.put(v4(1, 10_000, 8, false), 0, at(0)));
    bed.defrag.set_memcap(64_000);
    held(bed.put(v4(5, 0, 10_000, true), 0, at(0)));
    held(bed.put(v4(6, 0, 10_000, true), 0, at(0)));
    assert_eq!(bed.defrag.counters.evicted, 1);
    bed.end();
}

#[test]
fn memory_of_what_is_gone_is_given_back() {
    let mut bed = Bed::new(small());
    let rows = bed.defrag.memuse();
    held(bed.put(v4(1, 0, 1000, true), 0, at(0)));
    drop(complete(bed.put(v4(1, 1000, 8, false), 0, at(0))));
    let one_tracker = bed.defrag.memuse();
    assert!(one_tracker > rows && one_tracker < rows + 400, "{rows} {one_tracker}");
    held(bed.put(v4(2, 8, 1000, true), 0, at(0)));
    assert!(bed.defrag.memuse() > one_tracker + 1000);
    bed.defrag.expire(at(60));
    assert_eq!(bed.defrag.memuse(), one_tracker, "the tracker is kept for the next datagram");
    bed.end();
}

#[test]
fn fragment_that_lost_its_last_byte_is_let_go() {
    let mut config = small();
    config.policies.set_default(flumen_table::OverlapPolicy::Last);
    let mut bed = Bed::new(config);
    for n in 0..100 {
        held(bed.put(v4(1, 8, 1000, true), n, at(0)));
        assert_eq!((bed.buffers.held(), bed.defrag.kept()), (1, 1));
    }
    let memory = bed.defrag.memuse();
    // One whose rest is only a byte unit still holds all of its buffer.
    held(bed.put(v4(1, 16, 992, true), 0, at(0)));
    assert!(bed.defrag.memuse() > memory + 900);
    assert_eq!(bed.defrag.counters.held, 101);
    bed.end();
}

#[test]
fn flood_of_first_fragments_then_memory_stays_within_the_cap_at_every_step() {
    let fragments = if cfg!(miri) { 300 } else { 1_000_000 };
    let buffers = Buffers::default();
    let config = DefragConfig { memcap: 1 << 20, hash_size: 1024, prealloc: true, ..DefragConfig::default() };
    let mut defrag = Defrag::new(config, HashSecret::from_seed([3, 4]));
    let mut peak = 0;
    for n in 0..fragments {
        let mut f = v4(n & 0xffff, 0, 512, true);
        f.src.0[..4].copy_from_slice(&n.to_be_bytes());
        held(defrag.fragment(&f, 0, ms(u64::from(n / 1000)), |_| buffers.of(packet(&f, &[0; 512]))));
        assert!(defrag.memuse() <= 1 << 20);
        peak = peak.max(buffers.held());
        assert_eq!(buffers.held(), defrag.kept() as usize);
    }
    assert!(peak < (1 << 20) / 512);
    let counters = &defrag.counters;
    assert_eq!(counters.held + counters.evicted, u64::from(fragments));
    assert_eq!(counters.tracker_hard_reuse, counters.evicted);
    drop(defrag);
    assert_eq!(buffers.held(), 0);
}

#[test]
fn datagram_gone_for_another_in_the_same_mapping_then_its_reference_passes_on() {
    let mapping = Pbuf::from(vec![5; 4096]);
    let mut bed = Bed::new(DefragConfig { trackers: 2, ..small() });
    for id in 0..100 {
        let f = v4(id, 0, 64, true);
        let outcome = bed.defrag.fragment(&f, 0, at(0), |spare| {
            assert_eq!(spare.shares_with(&mapping), id >= 2, "{id}");
            mapping.slice_with(64..148, spare)
        });
        held(outcome);
        assert_eq!(mapping.references(), Some(id.min(1) + 2));
    }
    // The second fragment of one that stays takes over nothing.
    held(bed.defrag.fragment(&v4(99, 64, 64, true), 0, at(0), |spare| mapping.slice_with(..84, spare)));
    assert_eq!(mapping.references(), Some(4));
    bed.defrag.finish();
    assert_eq!(mapping.references(), Some(1));
}

#[test]
fn timeout_counts_from_the_last_fragment_and_a_host_may_have_its_own() {
    let mut config = small();
    config.policies.set_timeout("10.0.0.2/32".parse().expect("network"), Span::from_secs(5));
    let mut bed = Bed::new(config);
    let turned = |f: Fragment| Fragment { src: f.dst, dst: f.src, ..f };
    held(bed.put(v4(1, 0, 8, true), 0, at(0)));
    held(bed.put(turned(v4(1, 0, 8, true)), 0, at(0)));
    held(bed.put(v4(1, 8, 8, true), 0, at(4)));
    bed.defrag.expire(ms(8999));
    assert_eq!(bed.defrag.trackers(), 2);
    bed.defrag.expire(at(9));
    assert_eq!((bed.defrag.trackers(), bed.defrag.counters.timed_out), (1, 2));
    // An older time stamp neither revives nor ends a datagram.
    held(bed.put(turned(v4(1, 8, 8, true)), 0, at(1)));
    held(bed.put(turned(v4(1, 16, 8, true)), 0, ms(0)));
    complete(bed.put(turned(v4(1, 24, 8, false)), 0, ms(60_999)));
    bed.end();
}

#[test]
fn datagram_is_not_continued_after_its_timeout() {
    let mut bed = Bed::new(small());
    // Time that stood still in the meantime hides it from the sweep, but not from its own next fragment.
    held(bed.put(v4(1, 0, 8, true), 0, at(100)));
    held(bed.put(v4(2, 0, 8, true), 0, at(0)));
    held(bed.put(v4(2, 8, 8, false), 0, at(60)));
    assert_eq!((bed.defrag.counters.wrk_tracker_timeout, bed.defrag.counters.timed_out), (1, 1));
    assert_eq!(bed.defrag.trackers(), 2);
    bed.end();
}

#[test]
fn many_time_out_at_once_then_each_call_does_a_bounded_part_of_it() {
    let count = if cfg!(miri) { 10 } else { EXPIRE_MAX + 10 };
    let mut bed = Bed::new(small());
    for id in 0..count {
        held(bed.put(v4(id, 0, 8, true), 0, at(0)));
    }
    held(bed.put(v4(count, 0, 8, true), 0, at(60)));
    assert_eq!((bed.defrag.counters.wrk_tracker_timeout, bed.defrag.trackers()), (2, count - 1));
    bed.defrag.expire(at(61));
    assert_eq!(bed.defrag.counters.mgr_tracker_timeout, u64::from((count - 2).min(EXPIRE_MAX)));
    bed.defrag.expire(at(61));
    assert_eq!(bed.defrag.trackers(), 1);
    bed.end();
}

#[test]
fn incomplete_datagrams_are_told_of_once_and_complete_ones_never() {
    let mut bed = Bed::new(DefragConfig { trackers: 2, report_incomplete: true, ..small() });
    let f = v4(1, 8, 16, true);
    held(bed.put(Fragment { link_len: 14, ..f }, 0, at(1)));
    held(bed.put(v4(1, 0, 8, true), 0, at(0)));
    held(bed.put(v4(2, 0, 8, true), 0, at(2)));
    complete(bed.put(v4(2, 8, 8, false), 0, at(2)));
    assert_eq!(bed.defrag.incomplete().count(), 0);
    bed.defrag.expire(at(61));
    let told: Vec<_> = bed.defrag.incomplete().collect();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].fragment.link_len, told[0].fragment.offset, told[0].device), (14, 8, 0));
    assert_eq!((told[0].fragments, told[0].bytes), (2, 14 + 20 + 16 + 20 + 8));
    assert_eq!((told[0].begin, told[0].end), (at(0), at(1)));
    // Discarded: told then, and not once more when its tracker is taken.
    held(bed.put(v6(3, 0, 16, true), 0, at(70)));
    let _ = dropped(bed.put(v6(3, 8, 16, true), 0, at(70)));
    assert_eq!(bed.defrag.incomplete().map(|told| (told.fragment.id, told.fragments)).collect::<Vec<_>>(), [(3, 1)]);
    for id in 4..8 {
        held(bed.put(v4(id, 0, 8, true), 0, at(70)));
    }
    bed.defrag.finish();
    assert_eq!(bed.defrag.incomplete().map(|told| told.fragment.id).collect::<Vec<_>>(), [4, 5, 6, 7]);
    assert_eq!(bed.defrag.incomplete().count(), 0);
    assert_eq!(bed.defrag.counters.incomplete, 6);
    bed.end();
}

#[test]
fn too_many_incomplete_datagrams_then_the_first_are_told_of_and_at_the_end_all() {
    let extra = if cfg!(miri) { 0 } else { INCOMPLETE_MAX as u32 + 5 };
    let mut bed = Bed::new(DefragConfig { trackers: 7, report_incomplete: true, ..small() });
    for id in 0..7 + extra {
        held(bed.put(v4(id, 0, 8, true), 0, at(0)));
    }
    bed.defrag.finish();
    assert_eq!(bed.defrag.incomplete().count(), 7 + (extra as usize).min(INCOMPLETE_MAX));
    bed.end();
}

#[test]
fn limits_beyond_all_memory_then_nothing_is_asked_for_in_advance() {
    for prealloc in [false, true] {
        let memcap = if cfg!(miri) { 1 << 14 } else { 32 << 20 };
        let config =
            DefragConfig { memcap, hash_size: u32::MAX, trackers: u32::MAX, max_frags: u32::MAX, prealloc, ..small() };
        let mut bed = Bed::new(config);
        held(bed.put(v4(1, 0, 8, true), 0, at(0)));
        complete(bed.put(v4(1, 8, 8, false), 0, at(0)));
        bed.end();
    }
    let mut bed = Bed::new(DefragConfig { hash_size: 0, max_frags: 0, ..small() });
    assert_eq!(dropped(bed.put(v4(1, 0, 8, true), 0, at(0))), DropReason::MaxFrags);
    bed.end();
}

#[test]
fn same_input_then_the_same_output_under_every_secret() {
    let runs: Vec<_> = (0..if cfg!(miri) { 2 } else { 20 })
        .map(|seed| {
            let config = DefragConfig { trackers: 20, max_frags: 30, hash_size: 4, compat: Compat::Flumen, ..small() };
            let mut defrag = Defrag::new(config, HashSecret::from_seed([seed, !seed]));
            let mut log = Vec::new();
            for n in 0..if cfg!(miri) { 60 } else { 2000_u32 } {
                let x = n.wrapping_mul(0x9e37_79b9) ^ n.wrapping_mul(0x85eb_ca6b) >> 13;
                let (id, place) = ((x >> 8) % 25, (x >> 20) % 3);
                let f = v4(id, place * 8, 8, place != 2);
                let outcome = defrag.fragment(&f, 0, ms(u64::from(n) * 100), |_| packet(&f, &[n as u8; 8]).into());
                log.push(match outcome {
                    Outcome::Complete(datagram) => (crate::bed::payload(&datagram), defrag.memuse()),
                    Outcome::Held => (vec![], defrag.memuse()),
                    Outcome::Dropped(reason) => (vec![reason as u8], defrag.memuse()),
                });
            }
            (log, defrag.counters)
        })
        .collect();
    assert!(runs[0].1.completed > 0 && runs[0].1.evicted > 0);
    assert!(runs.windows(2).all(|pair| pair[0] == pair[1]));
}
