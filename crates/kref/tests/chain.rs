//! Long chains are released without recursion.
#![cfg(not(loom))]
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use flumen_kref::{CountOffset, Ref, RefCounted, Refcount, Unique, count_offset};

const LINKS: usize = if cfg!(miri) { 500 } else { 1_000_000 };

/// A link of a list whose tails may be shared.
struct Link {
    count: Refcount,
    next: Option<Ref<Self>>,
    live: &'static AtomicUsize,
}

// SAFETY:
// - `push` is the only constructor and leaves a `Ref`. `release` undoes it.
unsafe impl RefCounted for Link {
    const COUNT: CountOffset<Self> = count_offset!(Self, count);
    unsafe fn release(this: NonNull<Self>) {
        // SAFETY:
        // - From `push`, and given up by the caller.
        let mut link = unsafe { Box::from_raw(this.as_ptr()) };
        link.live.fetch_sub(1, Ordering::Relaxed);
        // The pattern: take the next link out first, so that dropping this one does not reach it, then put the rest in
        // a loop. Each link of the loop comes through here with `next` empty, so this goes one call deep.
        if let Some(next) = link.next.take() {
            Ref::put_chain(next, |link| link.next.take());
        }
    }
}

impl Link {
    fn push(next: Option<Ref<Self>>, live: &'static AtomicUsize) -> Ref<Self> {
        live.fetch_add(1, Ordering::Relaxed);
        let link = NonNull::from(Box::leak(Box::new(Self { count: Refcount::new(0), next, live })));
        // SAFETY:
        // - New, with its count at zero.
        unsafe { Unique::from_raw(link) }.into_ref()
    }
    fn chain(links: usize, live: &'static AtomicUsize) -> Ref<Self> {
        let last = Self::push(None, live);
        (1..links).fold(last, |next, _| Self::push(Some(next), live))
    }
}

#[test]
fn a_million_links_dropped_then_no_recursion_and_none_left() {
    static LIVE: AtomicUsize = AtomicUsize::new(0);
    let head = Link::chain(LINKS, &LIVE);
    assert_eq!(LIVE.load(Ordering::Relaxed), LINKS);
    // A thread of little stack: recursion of even a fraction of the chain would overflow it.
    std::thread::Builder::new().stack_size(64 * 1024).spawn(move || drop(head)).unwrap().join().unwrap();
    assert_eq!(LIVE.load(Ordering::Relaxed), 0);
}

#[test]
fn a_chain_with_a_shared_tail_then_the_tail_stays() {
    static LIVE: AtomicUsize = AtomicUsize::new(0);
    let tail = Link::chain(10, &LIVE);
    let one = (0..20).fold(tail.clone(), |next, _| Link::push(Some(next), &LIVE));
    let two = (0..30).fold(tail.clone(), |next, _| Link::push(Some(next), &LIVE));
    assert_eq!((LIVE.load(Ordering::Relaxed), Ref::count(&tail)), (60, 3));
    drop(one);
    assert_eq!((LIVE.load(Ordering::Relaxed), Ref::count(&tail)), (40, 2));
    drop(tail);
    assert_eq!(LIVE.load(Ordering::Relaxed), 40);
    drop(two);
    assert_eq!(LIVE.load(Ordering::Relaxed), 0);
}

#[test]
fn two_threads_drop_heads_of_one_tail_then_none_left() {
    static LIVE: AtomicUsize = AtomicUsize::new(0);
    for _ in 0..if cfg!(miri) { 3 } else { 200 } {
        let tail = Link::chain(50, &LIVE);
        let heads = [Link::push(Some(tail.clone()), &LIVE), Link::push(Some(tail), &LIVE)];
        std::thread::scope(|scope| {
            for head in heads {
                scope.spawn(move || drop(head));
            }
        });
        assert_eq!(LIVE.load(Ordering::Relaxed), 0);
    }
}
