//! Every interleaving of two threads on a table of one or two rows and blocks of two flows: the row's lock, references
//! against expiry and forced reuse, the last reference against recycling, the spare pool, the deadlines of the sweep.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p flumen-table --release --lib loom_tests`
//!
//! [`crate::prim::Witness`] tells loom of each access to a flow's key and body; a count that goes wrong shows in the
//! slots, which must all be home in the end.

use flumen_model::{Address, Timestamp};
use flumen_wire::{FlowPacket, IpVersion, Ports, Transport, VlanTags};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::bucket::Bucket;
use crate::memcap::Memcap;
use crate::pool::{SparePool, SpareQueue};
use crate::side::SideLayout;
use crate::storage::{BLOCK_BYTES, BLOCK_FLOWS, FlowStore, Width};
use crate::{FlowLookup, FlowRef, FlowTable, Message, PacketKey, PacketView, TableConfig, Verdict};

/// Explores every interleaving.
fn explore(case: impl Fn() + Sync + Send + 'static) {
    explore_within(None, case);
}
/// Explores with at most so many switches of thread where none is needed.
fn explore_within(preemptions: Option<usize>, case: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.max_branches = 20_000;
    model.check(case);
}

const fn at(secs: u64) -> Timestamp {
    Timestamp::from_parts(secs, 0)
}
fn packet(port: u16) -> FlowPacket {
    FlowPacket {
        src: Address::v4([10, 0, 0, 1]),
        dst: Address::v4([10, 0, 0, 2]),
        vlan: VlanTags::default(),
        ip_version: IpVersion::V4,
        protocol: 17,
        ttl: 64,
        recursion: 0,
        tunnel: flumen_wire::Tunnel::NONE,
        transport: Transport::Udp(Ports { src: port, dst: 53 }),
        transport_offset: 0,
        transport_len: 0,
        macs: None,
        event: None,
        inner: None,
    }
}
/// A table of so many rows with one block of two flows, and no memory for another.
fn table(rows: u32) -> Arc<FlowTable> {
    let memcap = u64::from(rows) * size_of::<Bucket>() as u64 + 64 + BLOCK_BYTES as u64;
    let config = TableConfig { memcap, hash_size: rows, prealloc: 1, hash_seed: Some(3), ..TableConfig::default() };
    Arc::new(FlowTable::new(config, [0; 2]).expect("a table"))
}
fn send(lookup: &mut FlowLookup<'_>, port: u16, now: Timestamp) -> Verdict {
    let packet = packet(port);
    let message = Message::of(&packet);
    let view = PacketView { bytes: 60, origin: u64::from(port), ..PacketView::of(&packet, &message, now) };
    let key = PacketKey::of(&packet, 0, lookup.table.config());
    let PacketKey::Own(own) = &key else { unreachable!() };
    let hash = lookup.table.hash(own);
    let row = lookup.table.row(hash);
    lookup.lock(row).packet(&key, hash, &view)
}
fn open(table: &FlowTable, port: u16, now: Timestamp) {
    let mut lookup = FlowLookup::new(table, 0);
    lookup.prepare(1, now);
    assert_eq!(send(&mut lookup, port, now), Verdict::Counted);
}
fn find(table: &FlowTable, port: u16) -> Option<FlowRef> {
    let PacketKey::Own(key) = PacketKey::of(&packet(port), 0, table.config()) else { unreachable!() };
    let hash = table.hash(&key);
    let mut lookup = FlowLookup::new(table, 7);
    lookup.lock(table.row(hash)).find(&key, hash).map(|guard| guard.reference())
}
/// Ends what is over at `now`; how many flows that were.
fn sweep(table: &FlowTable, now: Timestamp) -> usize {
    let mut ended = Vec::new();
    table.set_now(now);
    table.sweep(0..table.groups(), false, &mut ended);
    ended.iter().for_each(|flow| assert!(flow.body().first_seen() <= now));
    let len = ended.len();
    table.recycle(ended);
    len
}
/// Nothing is in use, so every slot must be in the pool.
fn assert_all_home(table: &FlowTable) {
    let ended: Vec<_> = table.drain(at(1000), Vec::new()).collect();
    table.recycle(ended);
    table.maintain();
    assert_eq!(table.spare() as u64, table.slots());
}

#[test]
fn a_rows_lock_lets_one_thread_in_and_hands_over_what_it_did() {
    explore(|| {
        let store = FlowStore::new(Memcap::new(0), 1, SideLayout::of(&TableConfig::default()));
        let shared = Arc::new((Bucket::new(), UnsafeCell::new(0_u32)));
        let enter = move |shared: &(Bucket, UnsafeCell<u32>), store: &FlowStore| {
            let _locked = shared.0.lock(store);
            shared.1.with_mut(|value| {
                // SAFETY:
                // - Loom checks that no other thread is in here.
                unsafe { *value += 1 };
            });
        };
        let other = {
            let (shared, store) = (Arc::clone(&shared), store.clone());
            thread::spawn(move || enter(&shared, &store))
        };
        enter(&shared, &store);
        if let Some(locked) = shared.0.try_lock(&store) {
            shared.1.with(|_| ());
            drop(locked);
        }
        other.join().expect("no panic");
        let _locked = shared.0.lock(&store);
        // SAFETY:
        // - Both threads are done.
        assert_eq!(shared.1.with(|value| unsafe { *value }), 2);
    });
}

/// The same lock with the orderings left out: loom must find that it hands nothing over.
mod wrong {
    use super::{Arc, UnsafeCell, explore, thread};
    use loom::sync::atomic::{AtomicU32, Ordering};

    fn with_orderings(acquire: Ordering, release: Ordering) {
        explore(move || {
            let shared = Arc::new((AtomicU32::new(0), UnsafeCell::new(())));
            let enter = move |shared: &(AtomicU32, UnsafeCell<()>)| {
                while shared.0.compare_exchange(0, 1, acquire, Ordering::Relaxed).is_err() {
                    thread::yield_now();
                }
                shared.1.with_mut(|_| ());
                shared.0.store(0, release);
            };
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || enter(&shared))
            };
            enter(&shared);
            other.join().expect("no panic");
        });
    }

    #[test]
    fn with_its_own_orderings_nothing_is_found() {
        with_orderings(Ordering::Acquire, Ordering::Release);
    }

    #[test]
    #[should_panic = "Causality violation"]
    fn an_unlock_that_does_not_release_is_caught() {
        with_orderings(Ordering::Acquire, Ordering::Relaxed);
    }

    #[test]
    #[should_panic = "Causality violation"]
    fn a_lock_that_does_not_acquire_is_caught() {
        with_orderings(Ordering::Relaxed, Ordering::Release);
    }
}

#[test]
fn a_reference_and_the_sweep_then_the_flow_ends_before_or_after_it_and_never_meanwhile() {
    explore(|| {
        let table = table(1);
        open(&table, 1, at(0));
        let sweeper = {
            let table = Arc::clone(&table);
            thread::spawn(move || sweep(&table, at(30)))
        };
        if let Some(held) = find(&table, 1) {
            let guard = table.lock(&held).expect("a referenced flow does not end");
            assert_eq!((guard.body().first_seen(), guard.key().scope().protocol()), (at(0), 17));
            drop(guard);
            assert_eq!(held.key().ports().src, 1);
        }
        let first = sweeper.join().expect("no panic");
        assert_eq!(first + sweep(&table, at(30)), 1, "found once");
        assert_all_home(&table);
    });
}

#[test]
fn a_reference_and_forced_reuse_then_the_flow_is_taken_before_or_after_it_and_never_meanwhile() {
    explore_within(Some(5), || {
        let table = table(1);
        let mut lookup = FlowLookup::new(&table, 0);
        lookup.prepare(1, at(0));
        assert_eq!(send(&mut lookup, 1, at(0)), Verdict::Counted);
        drop(lookup);
        let taker = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                let mut lookup = FlowLookup::new(&table, 1);
                // The other slot first, then by force.
                lookup.prepare(1, at(9));
                assert_eq!(send(&mut lookup, 2, at(9)), Verdict::Counted);
                let room = lookup.make_room(at(9));
                let ended = core::mem::take(lookup.work_queue());
                assert!(ended.iter().all(|flow| flow.body().first_seen() == at(0)));
                ended.into_iter().for_each(|flow| lookup.recycle(flow));
                room && send(&mut lookup, 3, at(9)) == Verdict::Counted
            })
        };
        if let Some(held) = find(&table, 1) {
            let guard = table.lock(&held).expect("a referenced flow does not end");
            assert_eq!(guard.body().first_seen(), at(0));
            drop(guard);
            assert_eq!(held.key().ports().src, 1, "its slot is not used for another flow");
        }
        let taken = taker.join().expect("no panic");
        assert_eq!(table.count_flows(), 2);
        assert_eq!(find(&table, 1).is_none(), taken);
        assert_all_home(&table);
    });
}

#[test]
fn two_workers_on_one_tuple_then_one_flow_with_both_packets() {
    explore(|| {
        let table = table(1);
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                let mut lookup = FlowLookup::new(&table, 1);
                lookup.prepare(1, at(0));
                send(&mut lookup, 1, at(0))
            })
        };
        let mut lookup = FlowLookup::new(&table, 0);
        lookup.prepare(1, at(0));
        let own = send(&mut lookup, 1, at(0));
        drop(lookup);
        let others = other.join().expect("no panic");
        let counted = [own, others].iter().filter(|&&verdict| verdict == Verdict::Counted).count() as u64;
        let held = find(&table, 1).expect("one of them opened it");
        let guard = table.lock(&held).expect("it is there");
        assert_eq!(guard.body().traffic(flumen_model::Direction::ToServer).packets, counted);
        drop(guard);
        drop(held);
        assert_all_home(&table);
    });
}

#[test]
fn the_last_reference_and_recycling_then_the_slot_comes_home_once() {
    explore(|| {
        let table = table(1);
        open(&table, 1, at(0));
        let held = find(&table, 1).expect("a flow");
        let ended: Vec<_> = table.drain(at(1), Vec::new()).collect();
        let holder = thread::spawn(move || {
            assert_eq!(held.key().ports().src, 1);
            drop(held);
        });
        table.recycle(ended);
        holder.join().expect("no panic");
        assert_all_home(&table);
    });
}

#[test]
fn the_last_reference_and_retiring_then_the_slot_is_counted_once() {
    explore(|| {
        let table = table(1);
        open(&table, 1, at(0));
        open(&table, 2, at(0));
        let held = find(&table, 1).expect("a flow");
        let mut rest = table.drain(at(1), Vec::new());
        let holder = thread::spawn(move || {
            assert_eq!(held.key().ports().src, 1);
            drop(held);
        });
        while let Some(flow) = rest.next() {
            rest.retire(flow);
        }
        drop(rest);
        holder.join().expect("no panic");
        assert_all_home(&table);
    });
}

#[test]
fn two_last_references_and_recycling_then_the_slot_comes_home_once() {
    explore(|| {
        let table = table(1);
        open(&table, 1, at(0));
        let held = find(&table, 1).expect("a flow");
        let clone = held.clone();
        let ended: Vec<_> = table.drain(at(1), Vec::new()).collect();
        let holders = [held, clone].map(|held| thread::spawn(move || drop(held)));
        table.recycle(ended);
        for holder in holders {
            holder.join().expect("no panic");
        }
        assert_all_home(&table);
    });
}

#[test]
fn a_slot_that_comes_back_by_itself_and_who_collects_then_it_is_not_lost() {
    explore(|| {
        let table = table(1);
        open(&table, 1, at(0));
        open(&table, 2, at(0));
        let held = [1, 2].map(|port| find(&table, port).expect("a flow"));
        let ended: Vec<_> = table.drain(at(1), Vec::new()).collect();
        table.recycle(ended);
        let [one, two] = held;
        drop(one);
        let holder = thread::spawn(move || drop(two));
        table.maintain();
        holder.join().expect("no panic");
        assert_all_home(&table);
    });
}

#[test]
fn an_ended_flow_is_dropped_while_the_table_goes_then_the_store_lives_as_long_as_both() {
    explore(|| {
        let table = table(1);
        open(&table, 1, at(0));
        let ended: Vec<_> = table.drain(at(1), Vec::new()).collect();
        let store = table.store.clone();
        let holder = thread::spawn(move || drop(ended));
        drop(table);
        holder.join().expect("no panic");
        assert_eq!(flumen_kref::Ref::count(&store), 1, "every other reference is gone");
    });
}

#[test]
fn a_reference_is_dropped_while_the_table_goes_then_the_store_lives_as_long_as_both() {
    explore(|| {
        let table = table(1);
        open(&table, 1, at(0));
        let held = find(&table, 1).expect("a flow");
        let store = table.store.clone();
        let holder = thread::spawn(move || drop(held));
        drop(table);
        holder.join().expect("no panic");
        assert_eq!(flumen_kref::Ref::count(&store), 1, "every other reference is gone");
    });
}

#[test]
fn two_threads_take_blocks_from_the_pool_and_give_them_back_then_none_is_lost() {
    explore(|| {
        let store =
            FlowStore::new(Memcap::new(2 * BLOCK_BYTES as u64 + 4096), 2, SideLayout::of(&TableConfig::default()));
        let pool = Arc::new(SparePool::new(2 * BLOCK_FLOWS, &store));
        let exchange = |pool: &SparePool| {
            let mut queue = SpareQueue::default();
            pool.take(Width::Narrow, &mut queue);
            pool.take(Width::Narrow, &mut queue);
            let kept = queue.pop(Width::Narrow);
            queue.empty_into(pool);
            kept.into_iter().for_each(|flow| queue.put(flow, pool));
            queue.empty_into(pool);
        };
        let other = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || exchange(&pool))
        };
        exchange(&pool);
        other.join().expect("no panic");
        assert_eq!(pool.len(), 2 * BLOCK_FLOWS);
        pool.balance(&store, 1);
        assert_eq!(pool.len(), 2 * BLOCK_FLOWS);
    });
}

#[test]
fn a_new_flow_while_the_sweep_takes_its_groups_deadline_then_a_later_sweep_finds_it() {
    explore(|| {
        let table = table(2);
        let row_of = |port| {
            let PacketKey::Own(key) = PacketKey::of(&packet(port), 0, table.config()) else { unreachable!() };
            table.row(table.hash(&key))
        };
        let first = (1..).find(|&port| row_of(port) == 0).expect("a port");
        let second = (1..).find(|&port| row_of(port) == 1).expect("a port");
        open(&table, first, at(0));
        let worker = {
            let table = Arc::clone(&table);
            thread::spawn(move || open(&table, second, at(1)))
        };
        let early = sweep(&table, at(30));
        worker.join().expect("no panic");
        assert_eq!(early + sweep(&table, at(31)), 2);
        assert_all_home(&table);
    });
}
