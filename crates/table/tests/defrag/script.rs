//! Runs a script of operations, given as bytes, on the defragmenter and on the model, and compares all that can be
//! seen. Used by the random test here and by the fuzz target `reassembly`.

use flumen_model::{Span, Timestamp};
use flumen_table::defrag::{Defrag, DefragConfig, Outcome, OverlapPolicy};
use flumen_table::{Compat, HashSecret};
use flumen_wire::{Fragment, IpVersion};

use crate::bed::{Buffers, header, longer_header, packet, payload, v4, v6};
use crate::model::{Answer, Ends, Model};

/// Bytes of one operation.
pub(crate) const STEP: usize = 6;
const HOST_TIMEOUTS: [Span; 2] = [Span::from_secs(5), Span::from_secs(100)];

/// What was seen on the way, so that a random test can tell that it has tested something.
#[derive(Default, Debug)]
pub(crate) struct Seen {
    pub(crate) completed: u64,
    pub(crate) overlapping: u64,
    pub(crate) evicted: u64,
    pub(crate) timed_out: u64,
    pub(crate) discarded: u64,
}

/// The first four bytes configure, every six that follow are an operation; what is over is left out.
pub(crate) fn run(script: &[u8]) -> Seen {
    let Some((setup, steps)) = script.split_first_chunk::<4>() else { return Seen::default() };
    let config = config(*setup);
    let mut model = Model::new(config.clone(), &HOST_TIMEOUTS);
    let mut defrag = Defrag::new(config, HashSecret::from_seed([u64::from(setup[3]), 5]));
    let buffers = Buffers::default();
    let mut told = 0;
    let mut now = Timestamp::from_nanos(1_600_000_000_000_000_000);
    for (n, step) in steps.chunks_exact(STEP).enumerate() {
        let &[what, place, len, flags, time, content] = step else { continue };
        // Mostly no time passes; now and then some of it, and sometimes it goes back.
        let ms = match time {
            0..=199 => i64::from(time),
            200..=249 => i64::from(time - 200) * 2000,
            _ => (i64::from(time) - 256) * 3000,
        };
        now = Timestamp::from_nanos(now.nanos().saturating_add_signed(ms * 1_000_000));
        if what == 0xff {
            defrag.expire(now);
            model.expire(now, flumen_table::defrag::EXPIRE_MAX as usize);
        } else {
            let f = fragment(what, place, len, flags);
            let (device, bytes) = (u16::from(flags >> 6 == 3), bytes(&f, n, content));
            let expected = model.fragment(&f, device, now, &bytes);
            let outcome = defrag.fragment(&f, device, now, |_| buffers.of(packet(&f, &bytes)));
            compare(outcome, &expected, n, &f);
            assert_eq!(defrag.event(), model.event, "step {n}: {f:?}");
        }
        compare_state(&defrag, &model, &buffers, n);
        told += defrag.incomplete().count() as u64;
    }
    end(defrag, &buffers, told)
}

fn config([policy, sizes, more, _]: [u8; 4]) -> DefragConfig {
    let mut config = DefragConfig {
        hash_size: 1 + u32::from(more & 7),
        trackers: u32::from(sizes & 15),
        max_frags: if sizes >> 4 == 0 { 1000 } else { u32::from(sizes >> 4) * 3 },
        prealloc: more & 8 != 0,
        report_incomplete: more & 32 != 0,
        memcap: 1 << 30,
        compat: if more & 16 != 0 { Compat::Suricata } else { Compat::Flumen },
        ..DefragConfig::default()
    };
    config.policies.set_default(OverlapPolicy::ALL[usize::from(policy) % 7]);
    config.policies.set_policy("10.0.0.1".parse().expect("host"), OverlapPolicy::ALL[usize::from(policy) / 7 % 7]);
    config.policies.set_timeout("10.0.0.1".parse().expect("host"), HOST_TIMEOUTS[0]);
    config.policies.set_timeout("2020::/16".parse().expect("network"), HOST_TIMEOUTS[1]);
    config
}

/// `what` says of which datagram, `place` and `len` where in it, mostly in units of eight bytes.
fn fragment(what: u8, place: u8, len: u8, flags: u8) -> Fragment {
    let far = flags & 0b1100_1110 == 0b1100_1110;
    let offset = if far { 65_536 - 8 - u32::from(place) * 8 } else { u32::from(place & 31) * 8 };
    let odd = if flags & 16 != 0 { u32::from(place >> 5) } else { 0 };
    let len = (u32::from(len & 15) * 8 + odd) * if len & 0xe0 == 0xe0 { 8 } else { 1 };
    let make = if what & 1 == 0 { v4 } else { v6 };
    let mut f = make(u32::from(what >> 1 & 3), offset, len, flags & 1 != 0);
    if what & 8 != 0 {
        (f.src, f.dst) = (f.dst, f.src);
    }
    if what & 16 != 0 {
        f.protocol = 6;
    }
    f.vlan.ids[0] = u16::from(what >> 5 == 1);
    f.recursion = u8::from(what >> 5 == 2);
    longer_header(f, if flags & 32 != 0 { 8 } else { 0 })
}

/// Bytes that say which fragment they are from, or, so that there are true repetitions, only where they belong.
fn bytes(f: &Fragment, n: usize, content: u8) -> Vec<u8> {
    let salt = if content & 1 == 0 { (n as u8).wrapping_mul(37) | 1 } else { 0 };
    (f.offset..f.offset + f.payload_len).map(|at| (at as u8).wrapping_mul(3) ^ salt).collect()
}

fn compare(outcome: Outcome, expected: &Answer, n: usize, f: &Fragment) {
    let answer = match outcome {
        Outcome::Held => Answer::Held,
        Outcome::Dropped(reason) => Answer::Dropped(reason),
        Outcome::Complete(datagram) => {
            assert!(is_header_of(datagram.header(), &datagram.first), "step {n}: {f:?}");
            Answer::Complete { payload: payload(&datagram), fragments: datagram.fragments, first: datagram.first }
        }
    };
    assert_eq!(answer, *expected, "step {n}: {f:?}");
}

/// Whether a header is the one that came with the fragment, but for what completing a datagram changes.
fn is_header_of(whole: &[u8], first: &Fragment) -> bool {
    let own = header(first);
    match first.ip_version {
        IpVersion::V4 => whole.len() == own.len() && whole[8..10] == own[8..10] && whole[12..] == own[12..],
        IpVersion::V6 => {
            whole.len() + 8 == own.len() && whole[7..40] == own[7..40] && whole.get(41..) == own.get(41..whole.len())
        }
    }
}

fn compare_state(defrag: &Defrag, model: &Model, buffers: &Buffers, n: usize) {
    let counters = &defrag.counters;
    assert_eq!(defrag.trackers() as usize, model.trackers(), "step {n}");
    assert_eq!(defrag.kept() as usize, model.kept(), "step {n}");
    assert_eq!(counters.held, model.held() as u64, "step {n}");
    assert_eq!(buffers.held(), model.kept(), "step {n}: a buffer for each fragment that is kept, and no other");
    let ends = Ends {
        completed: counters.completed,
        timed_out: counters.timed_out,
        evicted: counters.evicted,
        discarded: counters.discarded,
        dropped: counters.dropped.iter().sum(),
    };
    assert_eq!(ends, model.ends, "step {n}");
    assert_eq!(counters.fragments(), counters.ended() + counters.held, "step {n}");
    assert!(defrag.memuse() <= defrag.config().memcap);
}

fn end(mut defrag: Defrag, buffers: &Buffers, told: u64) -> Seen {
    defrag.finish();
    let told = told + defrag.incomplete().count() as u64;
    let expected = if defrag.config().report_incomplete { defrag.counters.incomplete } else { 0 };
    assert_eq!(told, expected, "each incomplete datagram is told of once");
    assert_eq!((defrag.counters.held, defrag.kept(), defrag.trackers(), buffers.held()), (0, 0, 0, 0));
    let counters = &defrag.counters;
    assert_eq!(counters.fragments(), counters.ended());
    Seen {
        completed: counters.completed,
        overlapping: counters.overlapping,
        evicted: counters.evicted,
        timed_out: counters.timed_out,
        discarded: counters.discarded,
    }
}
