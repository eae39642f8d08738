//! Pools: exhaustion and the hook, what threads keep, the ledger, and that nothing is allocated after the start.

mod ledger;

use flumen_pbuf::{Layer, Memory, Pbuf, PbufChain, PbufPool, PoolOptions};
use ledger::Ledger;
use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
};

#[test]
fn buffers_in_use_then_nothing_allocated() {
    let _ledger = Ledger::open();
    let pool = PbufPool::new(256, 128).unwrap();
    let before = ledger::allocations();
    let mut kept: [Option<Pbuf>; 100] = [const { None }; 100];
    for round in 0..1000 {
        kept[round % 100] = pool.alloc().ok().map(Into::into);
        let shared = kept[round * 7 % 100].clone();
        drop(PbufChain::alloc(Layer::Transport, 300, Memory::Pool(&pool)).unwrap());
        drop(shared);
    }
    assert_eq!(ledger::allocations(), before);
    drop(kept);
    assert_eq!(pool.stats().outstanding, 0);
}

#[test]
fn one_thread_then_high_water_is_exact() {
    let _ledger = Ledger::open();
    for cache in [0, 1, 8, 32] {
        let pool = PoolOptions::new(100, 16).cache(cache).build().unwrap();
        drop(pool.alloc().unwrap());
        assert_eq!(pool.stats().high_water, 1);
        let some: Vec<_> = (0..40).map(|_| pool.alloc().unwrap()).collect();
        drop(some);
        let fewer: Vec<_> = (0..20).map(|_| pool.alloc().unwrap()).collect();
        assert_eq!((pool.stats().high_water, pool.stats().outstanding), (40, 20), "cache of {cache}");
        drop(fewer);
        let all: Vec<_> = (0..100).map(|_| pool.alloc().unwrap()).collect();
        assert_eq!(pool.stats().high_water, 100);
        drop(all);
        assert_eq!(pool.stats().outstanding, 0);
    }
}

#[test]
fn hook_gives_buffers_back_then_allocation_succeeds() {
    let _ledger = Ledger::open();
    let held = Arc::new(Mutex::new(Vec::new()));
    let pool = PoolOptions::new(4, 16).reclaim({
        let held = Arc::downgrade(&held);
        move || {
            if let Some(held) = held.upgrade() {
                held.lock().unwrap().pop();
            }
        }
    });
    let pool = pool.build().unwrap();
    held.lock().unwrap().extend((0..2).map(|_| pool.alloc().unwrap()));
    let all: Vec<_> = (0..4).map(|_| pool.alloc().unwrap()).collect();
    assert_eq!((pool.stats().exhausted, held.lock().unwrap().len()), (0, 0));
    assert!(pool.alloc().is_err());
    assert_eq!(pool.stats().exhausted, 1);
    drop(all);
    assert_eq!(pool.stats().outstanding, 0);
}

#[test]
fn hook_that_allocates_itself_then_not_called_within() {
    let _ledger = Ledger::open();
    let place: Arc<Mutex<Option<PbufPool>>> = Arc::default();
    let calls = Arc::new(Mutex::new(0));
    let hook = {
        let (place, calls) = (Arc::downgrade(&place), Arc::clone(&calls));
        move || {
            *calls.lock().unwrap() += 1;
            let pool = place.upgrade().and_then(|place| place.lock().unwrap().clone());
            assert!(pool.is_some_and(|pool| pool.alloc().is_err()));
        }
    };
    let pool = PoolOptions::new(1, 1).reclaim(hook).build().unwrap();
    *place.lock().unwrap() = Some(pool.clone());
    let only = pool.alloc().unwrap();
    assert!(pool.alloc().is_err());
    assert_eq!((*calls.lock().unwrap(), pool.stats().exhausted), (1, 2));
    drop(only);
}

#[test]
fn buffers_handed_from_thread_to_thread_then_none_lost() {
    const THREADS: usize = 4;
    let rounds = if cfg!(miri) { 50 } else { 20_000 };
    let pool = PbufPool::new(256, 64).unwrap();
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| mpsc::sync_channel::<Pbuf>(8)).unzip();
    thread::scope(|scope| {
        for (index, receiver) in receivers.into_iter().enumerate() {
            let next = senders[(index + 1) % THREADS].clone();
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..rounds {
                    if let Ok(mut buffer) = pool.alloc() {
                        buffer.fill(u8::try_from(index).unwrap());
                        let buffer = buffer.freeze();
                        let copy = buffer.clone();
                        // A full channel keeps the buffer here: it is freed by its own thread then.
                        drop(next.try_send(buffer));
                        assert!(copy.iter().all(|&byte| usize::from(byte) == index), "round {round}");
                    }
                    let before = (index + THREADS - 1) % THREADS;
                    if let Ok(buffer) = receiver.try_recv() {
                        assert!(buffer.iter().all(|&byte| usize::from(byte) == before), "round {round}");
                    }
                }
            });
        }
        drop(senders);
    });
    let stats = pool.stats();
    assert_eq!(stats.outstanding, 0);
    assert!(stats.high_water <= 256);
}

#[test]
fn pool_and_buffers_gone_in_any_order_then_memory_gone() {
    struct Token(mpsc::Sender<()>);
    impl Drop for Token {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    let made = || {
        let (sender, gone) = mpsc::channel();
        let token = Token(sender);
        let options = PoolOptions::new(64, 16).cache(8).reclaim(move || {
            let _keeps_the_token = &token;
        });
        (options.build().unwrap(), gone)
    };
    let (pool, gone) = made();
    let buffer = pool.alloc().unwrap();
    drop(pool);
    assert!(gone.try_recv().is_err(), "a buffer keeps it");
    drop(buffer);
    gone.try_recv().unwrap();

    let (pool, gone) = made();
    drop(pool.alloc().unwrap());
    drop(pool);
    gone.try_recv().unwrap();

    let (pool, gone) = made();
    let buffer = pool.alloc().unwrap();
    drop(pool);
    thread::spawn(move || drop(buffer)).join().unwrap();
    gone.try_recv().unwrap();

    // A thread with a filled cache keeps the memory of a pool that was closed meanwhile, until it comes to another.
    let (pool, gone) = made();
    let other_pool = PbufPool::new(64, 16).unwrap();
    let (go, wait) = mpsc::channel::<PbufPool>();
    let buffer = pool.alloc().unwrap();
    let ready = Arc::new(std::sync::Barrier::new(2));
    let thread = thread::spawn({
        let ready = Arc::clone(&ready);
        move || {
            drop(buffer);
            ready.wait();
            drop(wait.recv().unwrap().alloc().unwrap());
            gone.try_recv().unwrap();
        }
    });
    ready.wait();
    drop(pool);
    go.send(other_pool).unwrap();
    thread.join().unwrap();
}

#[test]
fn more_pools_than_a_thread_knows_then_all_work() {
    let _ledger = Ledger::open();
    let pools: Vec<_> = (0..10).map(|_| PbufPool::new(64, 8).unwrap()).collect();
    for _ in 0..3 {
        let buffers: Vec<_> = pools.iter().map(|pool| pool.alloc().unwrap()).collect();
        assert!(pools.iter().all(|pool| pool.stats().outstanding == 1));
        drop(buffers);
    }
    assert!(pools.iter().all(|pool| pool.stats().outstanding == 0 && pool.stats().high_water == 1));
}

#[test]
fn buffer_of_one_pool_freed_then_back_in_that_pool() {
    let _ledger = Ledger::open();
    let (one, two) = (PbufPool::new(2, 8).unwrap(), PbufPool::new(2, 8).unwrap());
    let buffers = (one.alloc().unwrap(), two.alloc().unwrap());
    drop(one.alloc().unwrap());
    drop(buffers.0);
    assert_eq!((one.stats().outstanding, two.stats().outstanding), (0, 1));
}

#[test]
fn huge_buffers_then_capacity_spans_more_than_16_bits() {
    let _ledger = Ledger::open();
    let pool = PbufPool::new(2, 256 << 10).unwrap();
    let mut chunk = pool.alloc().unwrap();
    assert_eq!((chunk.len(), chunk.as_ptr().addr() % 64), (256 << 10, 0));
    chunk[(256 << 10) - 1] = 1;
    chunk.truncate(200_000);
    assert_eq!(chunk.freeze().slice(100_000..).len(), 100_000);
}
