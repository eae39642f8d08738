//! lwIP's allocators, replaced: the library calls its own functions through the linkage table, where those of this program
//! come first.
//!
//! They keep the ledger (every block alive, by address, so that a second free is noticed), bound the pool to as many
//! buffers as the other side has, and fail on demand. Locks do nothing: one test runs at a time ([`alone`]).

use core::ffi::{c_int, c_void};
use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicUsize, atomic::Ordering::Relaxed},
};

/// `MEMP_PBUF_POOL` of the distribution's build, learned by [`alone`].
static POOL_TYPE: AtomicUsize = AtomicUsize::new(usize::MAX);
static LAST_TYPE: AtomicUsize = AtomicUsize::new(usize::MAX);
static POOL_LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
static POOL_LIVE: AtomicUsize = AtomicUsize::new(0);
static CALLBACKS: AtomicUsize = AtomicUsize::new(0);
/// A node and the 1536 bytes `pbuf_alloc` makes use of. The distribution's own `memp_malloc` gives 616 in all (2.1.3+dfsg1-2: its two files
/// disagree about TCP_MSS), so that filling a pool buffer to the end would overrun it.
const POOL_BLOCK_SIZE: usize = 24 + 1536;
/// Allocations that succeed before one fails; `usize::MAX` for all.
static BUDGET: AtomicUsize = AtomicUsize::new(usize::MAX);
static KEEP_FREED: AtomicUsize = AtomicUsize::new(0);
static LIVE: Mutex<Option<HashSet<usize>>> = Mutex::new(None);

fn live<R>(with: impl FnOnce(&mut HashSet<usize>) -> R) -> R {
    with(LIVE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

/// Keeps other tests out, and sets the bounds anew. At its end the ledger must be empty.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    live(HashSet::clear);
    POOL_LIVE.store(0, Relaxed);
    BUDGET.store(usize::MAX, Relaxed);
    POOL_LIMIT.store(usize::MAX, Relaxed);
    // SAFETY: a plain allocation, freed at once.
    let node = unsafe { super::ffi::pbuf_alloc(0, 1, super::ffi::POOL) };
    assert!(!node.is_null() && live(|live| live.len()) == 1, "the interposed allocators are not called");
    POOL_TYPE.store(LAST_TYPE.load(Relaxed), Relaxed);
    // SAFETY: allocated just now.
    unsafe { super::ffi::pbuf_free(node) };
    POOL_LIVE.store(0, Relaxed);
    guard
}

pub fn limit_pool(buffers: usize) {
    POOL_LIMIT.store(buffers, Relaxed);
}

/// The allocation after `allocations` fails, and all that follow.
pub fn fail_after(allocations: usize) {
    BUDGET.store(allocations, Relaxed);
}

/// From now on freed memory is not reused, so that what lwIP reads in it is what it left there.
pub fn keep_freed() {
    KEEP_FREED.store(1, Relaxed);
}

/// Blocks that lwIP has allocated and not freed.
pub fn blocks_alive() -> usize {
    live(|live| live.len())
}

/// How often lwIP has asked for out-of-order queues to be freed, because its pool was empty.
pub fn callbacks() -> usize {
    CALLBACKS.load(Relaxed)
}

#[unsafe(no_mangle)]
extern "C" fn mem_malloc(size: usize) -> *mut c_void {
    let budget = BUDGET.load(Relaxed);
    if budget == 0 {
        return core::ptr::null_mut();
    }
    if budget != usize::MAX {
        BUDGET.store(budget - 1, Relaxed);
    }
    // SAFETY: always allowed.
    let memory = unsafe { libc::malloc(size) };
    assert!(live(|live| live.insert(memory.addr())), "memory handed out twice");
    memory
}

#[unsafe(no_mangle)]
extern "C" fn mem_free(memory: *mut c_void) {
    assert!(live(|live| live.remove(&memory.addr())), "freed twice, or never allocated");
    if KEEP_FREED.load(Relaxed) == 1 {
        return;
    }
    // SAFETY: the ledger says that `mem_malloc` gave it and it is still alive.
    unsafe { libc::free(memory) };
}

#[unsafe(no_mangle)]
extern "C" fn mem_trim(memory: *mut c_void, _size: usize) -> *mut c_void {
    memory
}

#[unsafe(no_mangle)]
extern "C" fn memp_malloc(kind: c_int) -> *mut c_void {
    type Malloc = extern "C" fn(c_int) -> *mut c_void;
    let kind_number = usize::try_from(kind).unwrap();
    LAST_TYPE.store(kind_number, Relaxed);
    let is_pool = kind_number == POOL_TYPE.load(Relaxed);
    if is_pool && POOL_LIVE.load(Relaxed) >= POOL_LIMIT.load(Relaxed) {
        return core::ptr::null_mut();
    }
    // SAFETY: the name ends in zero, and the signature is that of lwip/memp.h.
    let original = unsafe {
        let symbol = libc::dlsym(libc::RTLD_NEXT, c"memp_malloc".as_ptr());
        core::mem::transmute::<*mut c_void, Malloc>(symbol)
    };
    let memory = if is_pool { mem_malloc(POOL_BLOCK_SIZE) } else { original(kind) };
    if is_pool && !memory.is_null() {
        POOL_LIVE.fetch_add(1, Relaxed);
    }
    memory
}

#[unsafe(no_mangle)]
extern "C" fn memp_free(kind: c_int, memory: *mut c_void) {
    if usize::try_from(kind) == Ok(POOL_TYPE.load(Relaxed)) {
        POOL_LIVE.fetch_sub(1, Relaxed);
    }
    mem_free(memory);
}

#[unsafe(no_mangle)]
extern "C" fn sys_arch_protect() -> u32 {
    0
}

#[unsafe(no_mangle)]
extern "C" fn sys_arch_unprotect(_level: u32) {}

#[unsafe(no_mangle)]
extern "C" fn tcpip_try_callback(_function: *mut c_void, _context: *mut c_void) -> i8 {
    CALLBACKS.fetch_add(1, Relaxed);
    0
}
