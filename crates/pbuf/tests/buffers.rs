//! Buffers of each kind: made, shared, narrowed, given back.

mod ledger;

use flumen_pbuf::{AllocError, Kind, Layer, Pbuf, PbufMut, PbufPool};
use ledger::Ledger;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// An owner that counts how often one of its kind was dropped.
struct Owner(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn last_reference_gone_then_owner_dropped_once() {
    let _ledger = Ledger::open();
    let drops = Arc::new(AtomicUsize::new(0));
    let whole = Pbuf::from_owner(Owner(vec![7; 100], Arc::clone(&drops)));
    assert_eq!(whole.kind(), Kind::Ref);
    let part = whole.slice(10..20);
    drop(whole);
    assert_eq!(drops.load(Ordering::Relaxed), 0);
    assert_eq!(part, [7; 10][..]);
    assert!(part.free());
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn sliced_with_a_spare_reference_then_it_is_taken_over_if_of_the_same_buffer_and_else_given_back() {
    let _ledger = Ledger::open();
    let whole = Pbuf::copy_from(b"headerpayload").unwrap();
    let spare = whole.slice(3..4);
    let part = whole.slice_with(6.., spare);
    assert_eq!((part.as_slice(), whole.references()), (&b"payload"[..], Some(2)));

    let drops = Arc::new(AtomicUsize::new(0));
    let other = Pbuf::from_owner(Owner(vec![7; 100], Arc::clone(&drops)));
    let part_too = whole.slice_with(..6, other);
    assert_eq!((part_too.as_slice(), whole.references()), (&b"header"[..], Some(3)));
    assert_eq!(drops.load(Ordering::Relaxed), 1);

    let part_again = whole.slice_with(1..2, Pbuf::empty());
    assert_eq!((part_again.as_slice(), whole.references()), (&b"e"[..], Some(4)));
    let fixed = Pbuf::from_static(b"abc");
    assert_eq!(fixed.slice_with(1.., part_again), b"bc"[..]);
    assert_eq!(whole.references(), Some(3));
}

#[test]
fn static_bytes_then_nothing_counted() {
    let _ledger = Ledger::open();
    let buffer = Pbuf::from_static(b"abc");
    assert_eq!(buffer.references(), None);
    assert_eq!(buffer.clone(), b"abc"[..]);
    assert!(!buffer.free());
}

#[test]
fn shared_buffer_then_not_writable() {
    let _ledger = Ledger::open();
    let mut buffer = Pbuf::copy_from(b"abc").unwrap();
    let other = buffer.clone();
    assert!(buffer.as_mut_slice().is_none());
    let buffer = buffer.try_into_mut().unwrap_err();
    drop(other);
    let mut buffer = buffer.try_into_mut().unwrap();
    buffer[0] = b'x';
    assert_eq!(buffer.freeze(), b"xbc"[..]);
}

#[test]
fn owner_that_panics_when_asked_then_dropped() {
    struct Panics(Arc<AtomicUsize>);
    impl AsRef<[u8]> for Panics {
        fn as_ref(&self) -> &[u8] {
            panic!("no bytes")
        }
    }
    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let owner = Panics(Arc::clone(&drops));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Pbuf::from_owner(owner))).unwrap_err();
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn header_room_used_up_then_refused() {
    let _ledger = Ledger::open();
    let mut buffer = PbufMut::alloc(Layer::Link, 3).unwrap();
    assert_eq!((buffer.header_room(), buffer.tail_room()), (16, 0));
    assert!(buffer.add_header(16));
    assert!(!buffer.add_header(1));
    assert_eq!(buffer.len(), 19);
    assert!(buffer.remove_header(19));
    assert!(!buffer.remove_header(1));
}

#[test]
fn custom_memory_then_given_to_its_release_once() {
    let _ledger = Ledger::open();
    let back = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&back);
    let memory = vec![1u8; 40];
    let mut buffer =
        PbufMut::with_release(Layer::Link, 20, memory, move |memory| seen.lock().unwrap().push(memory)).unwrap();
    assert_eq!((buffer.kind(), buffer.header_room(), buffer.tail_room()), (Kind::Custom, 16, 4));
    buffer.fill(9);
    let shared = buffer.freeze();
    drop(shared.clone());
    assert!(back.lock().unwrap().is_empty());
    drop(shared);
    let back = back.lock().unwrap();
    assert_eq!(back.len(), 1);
    assert_eq!(back[0][..16], [1; 16]);
    assert_eq!(back[0][16..36], [9; 20]);
}

#[test]
fn custom_memory_too_short_then_refused_and_released() {
    let _ledger = Ledger::open();
    let drops = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&drops);
    let error = PbufMut::with_release(Layer::Raw, 5, [0u8; 4], move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap_err();
    assert_eq!(error, AllocError::TooLong { wanted: 5, limit: 4 });
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn lengths_beyond_the_address_space_then_refused() {
    let _ledger = Ledger::open();
    assert!(matches!(PbufMut::alloc(Layer::Transport, usize::MAX), Err(AllocError::TooLong { .. })));
    assert!(matches!(PbufMut::alloc(Layer::Raw, isize::MAX as usize), Err(AllocError::TooLong { .. })));
    assert!(matches!(PbufPool::new(usize::MAX, 2), Err(AllocError::TooLong { .. })));
    assert!(matches!(PbufPool::new(2, usize::MAX), Err(AllocError::TooLong { .. })));
}

#[test]
fn pool_exhausted_then_refused_counted_and_usable_again() {
    let _ledger = Ledger::open();
    let pool = PbufPool::new(2, 100).unwrap();
    let a = pool.alloc().unwrap();
    let b = pool.alloc_for(Layer::Ip, 10).unwrap();
    assert_eq!((b.header_room(), b.len(), b.tail_room()), (56, 10, 34));
    assert_eq!(pool.alloc().unwrap_err().capacity, 2);
    assert!(matches!(pool.alloc_for(Layer::Ip, 45), Err(AllocError::TooLong { wanted: 101, limit: 100 })));
    drop(a);
    let c = pool.alloc().unwrap();
    drop((b, c));
    let stats = pool.stats();
    assert_eq!((stats.outstanding, stats.high_water, stats.exhausted), (0, 2, 1));
}

#[test]
fn pool_handle_gone_then_buffers_still_live() {
    let pool = PbufPool::new(2, 8).unwrap();
    let mut a = pool.alloc().unwrap();
    let b = pool.alloc().unwrap();
    drop(b);
    drop(pool);
    a.copy_from_slice(b"surviver");
    let shared = a.freeze();
    let other = std::thread::spawn({
        let shared = shared.clone();
        move || shared.to_vec()
    });
    assert_eq!(other.join().unwrap(), b"surviver");
    drop(shared);
}
