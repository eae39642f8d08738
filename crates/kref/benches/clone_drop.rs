//! What a get and a put cost, beside `Arc`, `triomphe::Arc` and `Rc`: nanoseconds for one clone and drop, and bytes of
//! header.
//!
//! `cargo bench -p flumen-kref`; `ROUNDS=n` for more or fewer rounds. The kinds take turns in every round, each time in
//! another order, so that what disturbs the machine disturbs all alike. The ratio is the median of the ratios to `Arc` of
//! the same round; the minimum over all rounds is what the instructions cost undisturbed.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use flumen_kref::{Boxed, Ref};

/// Clones and drops in one measurement.
const STEPS: u32 = 200_000;

/// A multiple of sixteen bytes, so that no padding adds to the header.
type Payload = [u32; 4];

fn main() {
    // `cargo test --benches` and `cargo bench -- --list` only want to see it start.
    if std::env::args().any(|arg| arg == "--test" || arg == "--list") {
        return;
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(101_usize);
    headers();
    report(
        "one thread, clone + drop",
        rounds,
        &mut [
            ("Arc", Box::new(one_thread(Arc::new(Payload::default())))),
            ("Ref", Box::new(one_thread(Boxed::new(Payload::default()).into_ref()))),
            ("triomphe::Arc", Box::new(one_thread(triomphe::Arc::new(Payload::default())))),
            ("Rc", Box::new(one_thread(Rc::new(Payload::default())))),
        ],
    );
    report(
        "one thread, other ways to a reference, each with its drop",
        rounds,
        &mut [
            ("Arc clone", Box::new(one_thread(Arc::new(Payload::default())))),
            ("Ref::from_borrow", Box::new(from_borrow())),
            ("RefBorrow::to_ref", Box::new(to_ref())),
            ("Ref::try_get", Box::new(try_get())),
            ("Weak::upgrade", Box::new(upgrade())),
            ("Ref new", Box::new(repeated(|| drop(black_box(Boxed::new(Payload::default()).into_ref()))))),
            ("Arc new", Box::new(repeated(|| drop(black_box(Arc::new(Payload::default())))))),
        ],
    );
    report(
        "two threads, a value each",
        rounds,
        &mut [
            ("Arc", Box::new(two_threads(|| Arc::new(Payload::default()), Share::Nothing))),
            ("Ref", Box::new(two_threads(|| Boxed::new(Payload::default()).into_ref(), Share::Nothing))),
            ("triomphe::Arc", Box::new(two_threads(|| triomphe::Arc::new(Payload::default()), Share::Nothing))),
        ],
    );
    report(
        "two threads, one value",
        rounds,
        &mut [
            ("Arc", Box::new(two_threads(|| Arc::new(Payload::default()), Share::Value))),
            ("Ref", Box::new(two_threads(|| Boxed::new(Payload::default()).into_ref(), Share::Value))),
            ("triomphe::Arc", Box::new(two_threads(|| triomphe::Arc::new(Payload::default()), Share::Value))),
        ],
    );
}

/// One measurement of one kind: nanoseconds for each clone and drop.
type Measure<'a> = Box<dyn FnMut() -> f64 + 'a>;

fn report(title: &str, rounds: usize, kinds: &mut [(&str, Measure<'_>)]) {
    let mut times = vec![Vec::with_capacity(rounds); kinds.len()];
    for round in 0..=rounds {
        for turn in 0..kinds.len() {
            let kind = (turn + round) % kinds.len();
            let time = kinds[kind].1();
            // Round 0 warms up.
            if round > 0 {
                times[kind].push(time);
            }
        }
    }
    println!(
        "\n{title} ({rounds} rounds)\n{:<20}{:>10}{:>10}{:>12}{:>12}",
        "", "min ns", "median ns", "min ratio", "ratio"
    );
    for ((name, _), mine) in kinds.iter().zip(&times) {
        let min_of = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
        let ratio = median(mine.iter().zip(&times[0]).map(|(mine, first)| mine / first).collect());
        println!(
            "{name:<20}{:>10.2}{:>10.2}{:>12.3}{:>12.3}",
            min_of(mine),
            median(mine.clone()),
            min_of(mine) / min_of(&times[0]),
            ratio
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn repeated(mut body: impl FnMut()) -> impl FnMut() -> f64 {
    move || {
        let start = Instant::now();
        for _ in 0..STEPS {
            body();
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(STEPS)
    }
}

/// The loop under test, the same for every kind.
#[inline(never)]
fn clone_and_drop<H: Clone>(handle: &H) {
    for _ in 0..STEPS {
        drop(black_box(black_box(handle).clone()));
    }
}

fn one_thread<H: Clone>(handle: H) -> impl FnMut() -> f64 {
    move || {
        let start = Instant::now();
        clone_and_drop(&handle);
        start.elapsed().as_secs_f64() * 1e9 / f64::from(STEPS)
    }
}

#[derive(Clone, Copy)]
enum Share {
    Nothing,
    Value,
}

fn two_threads<H: Clone + Send + Sync>(make: impl Fn() -> H, share: Share) -> impl FnMut() -> f64 {
    move || {
        let first = make();
        let second = match share {
            Share::Nothing => make(),
            Share::Value => first.clone(),
        };
        let barrier = Barrier::new(2);
        let run = |handle: H| {
            barrier.wait();
            let start = Instant::now();
            clone_and_drop(&handle);
            start.elapsed().as_secs_f64() * 1e9 / f64::from(STEPS)
        };
        thread::scope(|scope| {
            let other = scope.spawn(|| run(second));
            let mine = run(first);
            // The faster of the two had a part of its time to itself.
            mine.max(other.join().unwrap())
        })
    }
}

fn from_borrow() -> impl FnMut() -> f64 {
    let value = Boxed::new(Payload::default()).into_ref();
    repeated(move || drop(black_box(Ref::from_borrow(black_box(&*value)))))
}

fn to_ref() -> impl FnMut() -> f64 {
    let value = Boxed::new(Payload::default()).into_ref();
    repeated(move || drop(black_box(black_box(Ref::as_borrow(&value)).to_ref())))
}

fn try_get() -> impl FnMut() -> f64 {
    let value = Boxed::new(Payload::default()).into_ref();
    // SAFETY:
    // - The closure owns a reference to the value, so that it lives.
    repeated(move || drop(black_box(unsafe { Ref::try_get(black_box(Ref::as_ptr(&value))) })))
}

fn upgrade() -> impl FnMut() -> f64 {
    let value = Arc::new(Payload::default());
    let weak = Arc::downgrade(&value);
    repeated(move || {
        // The strong one stays in the closure.
        black_box(&value);
        drop(black_box(weak.upgrade()));
    })
}

fn headers() {
    println!("header bytes beside a value of {} bytes; bytes of a handle", size_of::<Payload>());
    row::<Ref<Boxed<Payload>>>("Ref", || Boxed::new(Payload::default()).into_ref());
    row::<Arc<Payload>>("Arc", || Arc::new(Payload::default()));
    row::<triomphe::Arc<Payload>>("triomphe::Arc", || triomphe::Arc::new(Payload::default()));
    row::<Rc<Payload>>("Rc", || Rc::new(Payload::default()));
}

fn row<H>(name: &str, make: impl Fn() -> H) {
    let made = make();
    let header = LAST_SIZE.load(Ordering::Relaxed) - size_of::<Payload>();
    drop(made);
    println!("{name:<20}{header:>10}{:>10}", size_of::<H>());
}

/// The system's allocator, which remembers the size it was last asked for.
struct Sizing;

static LAST_SIZE: AtomicUsize = AtomicUsize::new(0);

// SAFETY:
// - Both functions pass on to the system's allocator.
unsafe impl GlobalAlloc for Sizing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LAST_SIZE.store(layout.size(), Ordering::Relaxed);
        // SAFETY:
        // - As the caller promised.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY:
        // - As the caller promised.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Sizing = Sizing;
