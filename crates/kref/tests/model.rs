//! Random operations against a model that is slow and obvious: an integer that cannot overflow, or "saturated".
#![cfg(not(loom))]

use flumen_kref::{Boxed, Ref, Refcount, Unique};

/// Sebastiano Vigna's splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// The count as a number of owners; `None` is saturated.
type Model = Option<i64>;

const MAX: i64 = Refcount::MAX as i64;

/// What an operation leaves: in range, or saturated.
fn settle(owners: i64) -> Model {
    (0..=MAX).contains(&owners).then_some(owners)
}

/// Does operation `which` to both, and compares what they return.
fn step(which: usize, n: u32, count: &Refcount, model: &mut Model) {
    let old = *model;
    let amount = i64::from(n);
    // For `add` of nothing, nothing is the result, whatever the count.
    let raise = |by: i64| if by == 0 { old } else { old.filter(|&owners| owners > 0).and_then(|o| settle(o + by)) };
    let raise_living = |by: i64| if old == Some(0) { old } else { old.and_then(|owners| settle(owners + by)) };
    match which {
        0 => {
            count.inc();
            *model = raise(1);
        }
        1 => {
            count.add(n);
            *model = raise(amount);
        }
        2 => {
            assert_eq!(count.inc_not_zero(), old != Some(0));
            *model = raise_living(1);
        }
        3 => {
            assert_eq!(count.add_not_zero(n), old != Some(0));
            *model = raise_living(amount);
        }
        4 => {
            count.dec();
            *model = old.filter(|&owners| owners > 1).map(|owners| owners - 1);
        }
        5 => {
            assert_eq!(count.dec_and_test(), old == Some(1));
            *model = old.and_then(|owners| settle(owners - 1));
        }
        6 => {
            assert_eq!(count.sub_and_test(n), n != 0 && old == Some(amount));
            *model = old.and_then(|owners| settle(owners - amount));
        }
        7 => {
            assert_eq!(count.dec_if_one(), old == Some(1));
            *model = if old == Some(1) { Some(0) } else { old };
        }
        8 => {
            assert_eq!(count.dec_not_one(), old != Some(1));
            *model = if old == Some(1) { old } else { old.and_then(|owners| settle(owners - 1)) };
        }
        _ => {
            let mut locked = false;
            let reached = count.dec_and_lock(|| locked = true).is_some();
            assert_eq!((reached, locked), (old == Some(1), old == Some(1)));
            *model = old.and_then(|owners| settle(owners - 1));
        }
    }
}

#[test]
fn random_operations_on_a_count_then_as_the_model() {
    const ROUNDS: u64 = if cfg!(miri) { 20 } else { 5_000 };
    for seed in 0..ROUNDS {
        let mut random = Random(seed);
        let start = match random.below(4) {
            0 => Refcount::MAX - random.below(4) as u32,
            1 => random.next() as u32 & Refcount::MAX,
            _ => random.below(4) as u32,
        };
        let (count, mut model) = (Refcount::new(start), settle(i64::from(start)));
        for at in 0..40 {
            let n = match random.below(4) {
                0 => random.next() as u32,
                1 => count.read(),
                _ => random.below(4) as u32,
            };
            let which = random.below(10);
            step(which, n, &count, &mut model);
            let expected = model.map_or(Refcount::SATURATED, |owners| u32::try_from(owners).unwrap());
            assert_eq!(count.read(), expected, "seed {seed}, step {at}: operation {which} of {n}");
        }
    }
}

/// A handle of any kind to one of the values.
enum Handle {
    Unique(Unique<Boxed<std::sync::Arc<()>>>),
    Ref(Ref<Boxed<std::sync::Arc<()>>>),
}

#[test]
fn random_operations_on_handles_then_counts_and_releases_as_the_model() {
    const ROUNDS: u64 = if cfg!(miri) { 5 } else { 500 };
    for seed in 0..ROUNDS {
        let mut random = Random(seed);
        // Per value: the token that tells whether it lives, and how many handles there are.
        let mut values: Vec<(std::sync::Arc<()>, usize)> = Vec::new();
        let mut handles: Vec<(usize, Handle)> = Vec::new();
        for _ in 0..200 {
            if handles.is_empty() || random.below(8) == 0 {
                let token = std::sync::Arc::new(());
                handles.push((values.len(), Handle::Unique(Boxed::new(token.clone()))));
                values.push((token, 1));
                continue;
            }
            let (value, handle) = handles.swap_remove(random.below(handles.len()));
            let owners = &mut values[value].1;
            match (handle, random.below(4)) {
                (Handle::Unique(unique), 0) => {
                    drop(unique);
                    *owners -= 1;
                }
                (Handle::Unique(unique), _) => handles.push((value, Handle::Ref(unique.into_ref()))),
                (Handle::Ref(held), 0) => {
                    drop(held);
                    *owners -= 1;
                }
                (Handle::Ref(held), 1) => match Ref::try_unique(held) {
                    Ok(unique) => {
                        assert_eq!(*owners, 1, "seed {seed}");
                        handles.push((value, Handle::Unique(unique)));
                    }
                    Err(held) => {
                        assert_ne!(*owners, 1, "seed {seed}");
                        handles.push((value, Handle::Ref(held)));
                    }
                },
                (Handle::Ref(held), 2) => match Ref::into_unique_or_drop(held) {
                    Some(unique) => handles.push((value, Handle::Unique(unique))),
                    None => *owners -= 1,
                },
                (Handle::Ref(held), _) => {
                    let more = if random.below(2) == 0 { held.clone() } else { held.to_ref().unwrap() };
                    *owners += 1;
                    handles.push((value, Handle::Ref(more)));
                    handles.push((value, Handle::Ref(held)));
                }
            }
            for (token, owners) in &values {
                let alive = std::sync::Arc::strong_count(token) == 2;
                assert_eq!(alive, *owners > 0, "seed {seed}");
            }
            for (value, handle) in &handles {
                if let Handle::Ref(held) = handle {
                    assert_eq!(Ref::count(held) as usize, values[*value].1, "seed {seed}");
                }
            }
        }
        drop(handles);
        assert!(values.iter().all(|(token, _)| std::sync::Arc::strong_count(token) == 1), "seed {seed}: leaked");
    }
}
