//! What a buffer's life costs, side by side with `Arc`, `BytesMut` and, when it is installed, the distribution's lwIP.
//!
//! Contenders take turns in rounds, so that what disturbs the machine disturbs all; each line gives the least and the
//! median over the rounds, in nanoseconds of this thread's CPU time, and their ratio to a clone and drop of `Arc`.
//!
//! Run with `cargo bench -p flumen-pbuf`.
#![allow(unsafe_code)]

use bytes::BytesMut;
use flumen_pbuf::{Layer, Memory, Pbuf, PbufChain, PbufMut, PbufPool};
use std::{ffi::c_void, hint::black_box, sync::Arc};

const ROUNDS: usize = 101;
const OPERATIONS: u32 = 20_000;

struct Contender<'a> {
    name: &'static str,
    operation: Box<dyn Fn(u32) + 'a>,
    costs_ns: Vec<f64>,
}

/// Runs `operation` again and again in a loop of its own, so that it can be inlined.
fn contender<'a>(name: &'static str, operation: impl Fn() + 'a) -> Contender<'a> {
    let operation = Box::new(move |count| (0..count).for_each(|_| operation()));
    Contender { name, operation, costs_ns: Vec::new() }
}

fn main() {
    // `cargo test --benches` and `cargo bench -- --list` only want to see it start.
    if std::env::args().any(|arg| arg == "--test" || arg == "--list") {
        return;
    }
    let pool = PbufPool::new(1024, 1536).unwrap();
    let uncached = flumen_pbuf::PoolOptions::new(1024, 1536).cache(0).build().unwrap();
    let arc = Arc::new([0_u8; 64]);
    let shared = Pbuf::copy_from(&[0; 64]).unwrap();
    let shared_twice = shared.clone();
    let bytes = BytesMut::with_capacity(1536).freeze();
    let bytes_twice = bytes.clone();
    let mut contenders = vec![
        contender("Arc: clone, drop", || drop(black_box(Arc::clone(black_box(&arc))))),
        contender("pool: alloc 1500, free", || drop(black_box(pool.alloc_for(Layer::Raw, 1500)))),
        contender("pool: alloc 1500, freeze, free", || {
            drop(black_box(pool.alloc_for(Layer::Raw, 1500).unwrap().freeze()));
        }),
        contender("pool without caches: alloc, free", || drop(black_box(uncached.alloc_for(Layer::Raw, 1500)))),
        contender("BytesMut: with_capacity(1536), drop", || drop(black_box(BytesMut::with_capacity(1536)))),
        contender("BytesMut: with_capacity, freeze, drop", || {
            drop(black_box(BytesMut::with_capacity(1536).freeze()));
        }),
        contender("RAM: alloc 1500, free", || drop(black_box(PbufMut::alloc(Layer::Raw, 1500)))),
        contender("pool: chain of 4, free", || {
            // Looked at in place: to move it through memory is not part of its life.
            black_box(&PbufChain::alloc(Layer::Raw, 4 * 1536, Memory::Pool(&pool)));
        }),
        contender("BytesMut: 4 in an array, drop", || {
            black_box(&[(); 4].map(|()| BytesMut::with_capacity(1536)));
        }),
        contender("Pbuf: clone, drop", || drop(black_box(black_box(&shared).clone()))),
        contender("Bytes: clone, drop", || drop(black_box(black_box(&bytes).clone()))),
    ];
    if let Some(lwip) = Lwip::open() {
        contenders.push(contender("lwIP: pbuf_alloc 1500 POOL, free", move || lwip.alloc_free(1500)));
        contenders.push(contender("lwIP: chain of 4, free", move || lwip.alloc_free(4 * 1536)));
    } else {
        println!("SKIPPED: liblwip.so.0 is not installed, so lwIP is not measured");
    }
    for round in 0..=ROUNDS {
        for contender in &mut contenders {
            let start_ns = cpu_time_ns();
            (contender.operation)(OPERATIONS);
            let cost_ns = (cpu_time_ns() - start_ns) / f64::from(OPERATIONS);
            // The first round only warms up.
            if round > 0 {
                contender.costs_ns.push(cost_ns);
            }
        }
    }
    report(&mut contenders);
    drop((shared_twice, bytes_twice));
}

fn report(contenders: &mut [Contender<'_>]) {
    println!("{:<40} {:>8} {:>8} {:>10} {:>10}", "", "min ns", "median", "min/Arc", "med/Arc");
    let mut arc = None;
    for contender in contenders {
        contender.costs_ns.sort_by(f64::total_cmp);
        let (min, median) = (contender.costs_ns[0], contender.costs_ns[ROUNDS / 2]);
        let (arc_min, arc_median) = *arc.get_or_insert((min, median));
        println!(
            "{:<40} {min:>8.1} {median:>8.1} {:>10.2} {:>10.2}",
            contender.name,
            min / arc_min,
            median / arc_median
        );
    }
}

/// CPU time of this thread: what others do on the machine does not count.
fn cpu_time_ns() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "this clock is always there");
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The distribution's lwIP, loaded at run time if it is there.
#[derive(Clone, Copy)]
struct Lwip {
    alloc: unsafe extern "C" fn(i32, u16, i32) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void) -> u8,
}

impl Lwip {
    fn open() -> Option<Self> {
        // SAFETY: the library has no initialisers that could do harm.
        let library = unsafe { libc::dlopen(c"liblwip.so.0".as_ptr(), libc::RTLD_NOW) };
        if library.is_null() {
            return None;
        }
        // SAFETY: the library is open and the name ends in zero.
        let alloc = unsafe { libc::dlsym(library, c"pbuf_alloc".as_ptr()) };
        // SAFETY: as above.
        let free = unsafe { libc::dlsym(library, c"pbuf_free".as_ptr()) };
        if alloc.is_null() || free.is_null() {
            return None;
        }
        // SAFETY: this is the signature in lwip/pbuf.h; a function pointer is as wide as a data pointer here.
        let alloc =
            unsafe { core::mem::transmute::<*mut c_void, unsafe extern "C" fn(i32, u16, i32) -> *mut c_void>(alloc) };
        // SAFETY: as above.
        let free = unsafe { core::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void) -> u8>(free) };
        Some(Self { alloc, free })
    }
    fn alloc_free(self, len: u16) {
        const PBUF_RAW: i32 = 0;
        const PBUF_POOL: i32 = 0x182;
        // SAFETY: a plain allocation.
        let buffer = unsafe { (self.alloc)(PBUF_RAW, len, PBUF_POOL) };
        assert!(!buffer.is_null());
        // SAFETY: allocated just now and not freed yet.
        unsafe { (self.free)(black_box(buffer)) };
    }
}
