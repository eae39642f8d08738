//! Overlaps, one policy after the other.

use flumen_table::defrag::OverlapPolicy;
use flumen_wire::Event;

use crate::bed::{Bed, at, complete, dropped, held, payload, small, v4, v6};

/// Fragments (first unit of eight bytes, units, letter) in the order in which they come: `A` to `I` are original, `J` to
/// `Q` overlap them in every way. The sequence and the results of all policies but BSD-right are those that J. Novak
/// published in 2005, as target-based systems test themselves with them.
const NOVAK: [(u32, u32, u8); 17] = [
    (0, 3, b'A'),
    (4, 2, b'B'),
    (6, 3, b'C'),
    (10, 1, b'D'),
    (13, 2, b'E'),
    (15, 3, b'F'),
    (18, 2, b'G'),
    (20, 2, b'H'),
    (22, 1, b'I'),
    (1, 4, b'J'),
    (6, 3, b'K'),
    (9, 3, b'L'),
    (12, 3, b'M'),
    (16, 1, b'N'),
    (19, 1, b'O'),
    (20, 1, b'P'),
    (22, 2, b'Q'),
];

const NOVAK_RESULTS: [(OverlapPolicy, &str); 7] = [
    (OverlapPolicy::Bsd, "AAAJJBCCCLLLMMMFFFGGHHIQ"),
    (OverlapPolicy::BsdRight, "AJJJBBKKKLDLMEEFNFGOPHQQ"),
    (OverlapPolicy::Linux, "AAAJJBKKKLLLMMMFFFGGPHQQ"),
    (OverlapPolicy::Windows, "AAAJBBCCCLLLMEEFFFGGHHIQ"),
    (OverlapPolicy::Solaris, "AAAJBBCCCLLLMMMFFFGGHHIQ"),
    (OverlapPolicy::First, "AAAJBBCCCLDLMEEFFFGGHHIQ"),
    (OverlapPolicy::Last, "AJJJJBKKKLLLMMMFNFGOPHQQ"),
];

fn bed(policy: OverlapPolicy) -> Bed {
    let mut config = small();
    config.policies.set_default(policy);
    Bed::new(config)
}

/// Letter of each unit of eight bytes.
fn units(bytes: &[u8]) -> String {
    bytes
        .chunks(8)
        .map(|unit| {
            assert!(unit.iter().all(|byte| *byte == unit[0]), "{unit:?}");
            char::from(unit[0])
        })
        .collect()
}

/// What `policy` makes of fragments that come in this order, the last of which completes the datagram.
fn result(policy: OverlapPolicy, fragments: &[(u32, u32, u8)]) -> String {
    let mut bed = bed(policy);
    let end = fragments.iter().map(|&(at, len, _)| at + len).max().expect("fragments");
    let mut outcome = None;
    for &(offset, len, letter) in fragments {
        assert!(outcome.is_none(), "complete too early");
        let more = offset + len != end;
        outcome = match bed.put(v4(1, offset * 8, len * 8, more), letter, at(0)) {
            flumen_table::Outcome::Complete(datagram) => Some(datagram),
            other => {
                held(other);
                None
            }
        };
    }
    let datagram = outcome.expect("complete");
    assert_eq!(datagram.fragments as usize, fragments.len());
    assert_eq!(
        bed.buffers.held(),
        datagram.chain.iter().map(|part| part[0]).collect::<std::collections::BTreeSet<_>>().len()
    );
    let result = units(&payload(&datagram));
    drop(datagram);
    bed.end();
    result
}

#[test]
fn novaks_fragments_then_each_policy_has_the_published_result() {
    for (policy, expected) in NOVAK_RESULTS {
        assert_eq!(result(policy, &NOVAK), expected, "{policy:?}");
    }
}

#[test]
fn same_place_and_length_twice_then_linux_right_and_last_take_the_newer() {
    for policy in OverlapPolicy::ALL {
        let newer = matches!(policy, OverlapPolicy::Linux | OverlapPolicy::BsdRight | OverlapPolicy::Last);
        let expected = if newer { "BC" } else { "AC" };
        assert_eq!(result(policy, &[(0, 1, b'A'), (0, 1, b'B'), (1, 1, b'C')]), expected, "{policy:?}");
    }
}

#[test]
fn newer_covers_the_older_whole_then_only_first_and_right_keep_the_older() {
    for policy in OverlapPolicy::ALL {
        let older = matches!(policy, OverlapPolicy::First | OverlapPolicy::BsdRight);
        let expected = if older { "CBABD" } else { "CBBBD" };
        let fragments = [(2, 1, b'A'), (1, 3, b'B'), (0, 1, b'C'), (4, 1, b'D')];
        assert_eq!(result(policy, &fragments), expected, "{policy:?}");
    }
}

#[test]
fn newer_lies_within_the_older_then_right_and_last_split_it() {
    for policy in OverlapPolicy::ALL {
        let newer = matches!(policy, OverlapPolicy::Last | OverlapPolicy::BsdRight);
        let expected = if newer { "ABAC" } else { "AAAC" };
        assert_eq!(result(policy, &[(0, 3, b'A'), (1, 1, b'B'), (3, 1, b'C')]), expected, "{policy:?}");
    }
}

#[test]
fn rule_looks_at_fragments_as_they_were_sent_not_at_what_is_left_of_them() {
    // B loses its first unit to A; C begins where the rest of B begins, but not where B began.
    let fragments = [(0, 2, b'A'), (1, 3, b'B'), (2, 3, b'C'), (5, 1, b'D')];
    assert_eq!(result(OverlapPolicy::Linux, &fragments), "AABBCD");
    assert_eq!(result(OverlapPolicy::BsdRight, &fragments), "ABCCCD");
}

#[test]
fn destination_decides_the_policy_of_its_datagrams() {
    let mut config = small();
    config.policies.set_policy("10.0.0.2".parse().expect("address"), OverlapPolicy::Last);
    let mut bed = Bed::new(config);
    for (id, to_b) in [(1, true), (2, false)] {
        let turn = |mut f: flumen_wire::Fragment| {
            if !to_b {
                (f.src, f.dst) = (f.dst, f.src);
            }
            f
        };
        held(bed.put(turn(v4(id, 0, 8, true)), b'A', at(0)));
        held(bed.put(turn(v4(id, 0, 8, true)), b'B', at(0)));
        assert_eq!(bed.defrag.event(), Some(Event::Ipv4FragOverlap));
        let datagram = complete(bed.put(turn(v4(id, 8, 8, false)), b'C', at(0)));
        assert_eq!(bed.defrag.event(), None);
        assert_eq!(units(&payload(&datagram)), if to_b { "BC" } else { "AC" });
    }
    assert_eq!(bed.defrag.counters.overlapping, 2);
    bed.end();
}

#[test]
fn ipv6_overlap_in_compat_mode_then_the_policy_applies() {
    let mut bed = Bed::new(crate::bed::compat());
    held(bed.put(v6(1, 8, 16, true), b'A', at(0)));
    held(bed.put(v6(1, 0, 16, true), b'B', at(0)));
    assert_eq!(bed.defrag.event(), Some(Event::Ipv6FragOverlap));
    assert_eq!(units(&payload(&complete(bed.put(v6(1, 24, 8, false), b'C', at(0))))), "BBAC");
    bed.end();
}

#[test]
fn ipv6_overlap_then_the_datagram_is_discarded_and_what_comes_late_too() {
    let mut bed = Bed::new(small());
    held(bed.put(v6(1, 8, 16, true), b'A', at(0)));
    held(bed.put(v6(1, 24, 8, false), b'C', at(0)));
    assert_eq!(dropped(bed.put(v6(1, 0, 16, true), b'B', at(1))), flumen_table::DropReason::Overlap);
    assert_eq!(bed.defrag.event(), Some(Event::Ipv6FragOverlap));
    assert_eq!((bed.buffers.held(), bed.defrag.kept(), bed.defrag.trackers()), (0, 0, 1));
    assert_eq!(dropped(bed.put(v6(1, 0, 8, true), b'B', at(50))), flumen_table::DropReason::Overlap);
    assert_eq!((bed.defrag.counters.discarded, bed.defrag.counters.incomplete), (2, 1));
    // After the timeout, counted from when it was whole, the identification is free again.
    held(bed.put(v6(1, 0, 8, true), b'B', at(60)));
    assert_eq!(bed.defrag.counters.wrk_tracker_timeout, 1);
    complete(bed.put(v6(1, 8, 8, false), b'B', at(60)));
    bed.end();
}

#[test]
fn ipv6_true_repetition_then_it_is_ignored() {
    let mut bed = Bed::new(small());
    held(bed.put(v6(1, 0, 16, true), b'A', at(0)));
    held(bed.put(v6(1, 0, 16, true), b'A', at(0)));
    assert_eq!((bed.defrag.event(), bed.buffers.held()), (None, 1));
    let datagram = complete(bed.put(v6(1, 16, 8, false), b'C', at(0)));
    assert_eq!((units(&payload(&datagram)).as_str(), datagram.fragments), ("AAC", 3));
    drop(datagram);
    // The same place, and other bytes: not a repetition.
    held(bed.put(v6(2, 0, 16, true), b'A', at(0)));
    assert_eq!(dropped(bed.put(v6(2, 0, 16, true), b'B', at(0))), flumen_table::DropReason::Overlap);
    bed.end();
}
