//! What lwIP aborts on, or does wrong, beside what happens here instead.
//!
//! The test runs itself again as a child with the name of a case, and expects the child to be killed by its own abort.

use super::{ffi, interpose};
use core::ptr::null_mut;
use flumen_pbuf::{Layer, Memory, Pbuf, PbufChain};
use std::{os::unix::process::ExitStatusExt, process::Command};

const CASE: &str = "FLUMEN_DIFF_ABORT_CASE";

/// What a child does to lwIP.
const CASES: [(&str, fn()); 6] = [
    ("double free", || {
        let p = ram(10);
        free(p);
        free(p);
    }),
    ("free of nothing", || free(null_mut())),
    ("free of a middle buffer", || {
        let (a, b) = (ram(10), ram(10));
        // SAFETY: both are alive; `b` belongs to `a` from here on, which the next line disregards.
        unsafe { ffi::pbuf_cat(a, b) };
        free(b);
        free(a);
    }),
    ("256th reference", || {
        let p = ram(10);
        for _ in 0..255 {
            // SAFETY: alive.
            unsafe { ffi::pbuf_ref(p) };
        }
    }),
    ("custom buffer without release", || {
        let memory = vec![0_u8; 64].leak();
        // SAFETY: all zero is a valid value.
        let custom: &mut ffi::CustomNode = Box::leak(Box::new(unsafe { core::mem::zeroed() }));
        // SAFETY: memory and node live for ever.
        let p = unsafe { ffi::pbuf_alloced_custom(0, 10, ffi::REF, custom, memory.as_mut_ptr().cast(), 64) };
        free(p);
    }),
    ("append to a chain whose shared tail was eaten", || {
        let (a, b) = (ram(10), ram(10));
        // SAFETY: all are alive.
        unsafe {
            ffi::pbuf_cat(a, b);
            ffi::pbuf_ref(a);
            ffi::pbuf_free_header(a, 15);
            ffi::pbuf_cat(a, ram(1));
        }
    }),
];

fn ram(len: u16) -> *mut ffi::Node {
    // SAFETY: a plain allocation.
    unsafe { ffi::pbuf_alloc(0, len, ffi::RAM) }
}

fn free(p: *mut ffi::Node) {
    // SAFETY: none; a wrong free is what some cases are about, and the child ends by it. The interposed allocators keep
    // freed memory from being freed again.
    unsafe { ffi::pbuf_free(p) };
}

#[test]
fn misuse_then_lwip_aborts() {
    if let Ok(case) = std::env::var(CASE) {
        interpose::keep_freed();
        let (_, act) = CASES.iter().find(|(name, _)| *name == case).unwrap();
        act();
        // Reached only if lwIP did not abort.
        return;
    }
    let _alone = interpose::alone();
    for (name, _) in CASES {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "aborts::misuse_then_lwip_aborts", "--nocapture"])
            .env(CASE, name)
            .output()
            .unwrap();
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{name}: {output:?}");
    }
}

/// The same acts, as far as they can be written at all. (A double free and the free of a middle buffer cannot: freeing
/// takes the chain by value; a custom buffer cannot be made without its release.)
#[test]
fn the_same_acts_here_then_right_or_refused() {
    let ram = |len| PbufChain::alloc(Layer::Raw, len, Memory::Ram).unwrap();
    let many = vec![ram(10); 1000];
    assert_eq!(many.into_iter().map(PbufChain::free).sum::<usize>(), 1);
    assert_eq!(PbufChain::new().free(), 0);
    let mut a = ram(10);
    a.cat(ram(10)).unwrap();
    let holder = a.clone();
    a.free_header(15);
    a.cat(ram(1)).unwrap();
    assert_eq!((holder.len(), a.len()), (20, 6));
    assert!(Pbuf::empty().is_empty());
}

#[test]
fn acts_that_go_wrong_silently_in_lwip_then_right_here() {
    let _alone = interpose::alone();
    let (a, b) = (ram(65_535), ram(10));
    // SAFETY: both are alive, and `b` is handed over.
    let wrapped = unsafe {
        ffi::pbuf_cat(a, b);
        (*a).tot_len
    };
    assert_eq!(wrapped, 9, "65545 modulo 65536");
    free(a);
    let head = ram(1);
    for _ in 0..299 {
        // SAFETY: alive, and handed over.
        unsafe { ffi::pbuf_cat(head, ram(1)) };
    }
    // SAFETY: alive.
    assert_eq!(unsafe { ffi::pbuf_free(head) }, 44, "300 modulo 256");
    let ring = ram(1);
    // SAFETY: alive; the chain is an endless ring from here on, of which only one link is looked at.
    let next = unsafe {
        ffi::pbuf_cat(ring, ring);
        (*ring).next
    };
    assert_eq!(next, ring, "a cycle");
    // SAFETY: alive; the cycle is cut before it is freed.
    unsafe { (*ring).next = null_mut() };
    free(ring);
    assert_eq!(interpose::blocks_alive(), 0);
    // Here the same three are 65545 bytes, 300 buffers, and a chain that cannot be given to itself: `cat` takes it by
    // value while it is borrowed. See the tests named `hazard_` in flumen-pbuf.
}
