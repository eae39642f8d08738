//! Random operations on lwIP and on this project's chains at once.
//!
//! A root is what an application holds: a pointer on the one side, a chain on the other. lwIP shares *nodes*, and with
//! them their lengths and links; chains share only *buffers*. So what lwIP does is right only where the nodes it
//! changes belong to one root, and there both must agree in everything. Where a node is shared, lwIP is not asked; writing
//! is tried on the other side alone, and must be refused.
//!
//! Relation of the counts, checked after each operation: lwIP counts pointers to a node, from roots and from other nodes; the
//! count of a buffer here is the number of roots from which its node is reached.

use super::{
    ffi::{self, Node},
    interpose,
};
use core::ptr::{NonNull, null_mut};
use flumen_pbuf::{Checksum, Comparison, Layer, Memory, Pbuf, PbufChain, PbufMut, PbufPool, WriteError};
use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

const POOL_BUFFERS: usize = 8;
/// `PBUF_POOL_BUFSIZE` as `pbuf_alloc` of the distribution's build has it.
const POOL_BUFFER_SIZE: usize = 1536;
const ROOTS_MAX: usize = 14;
/// Longest total: header room on top of it must not wrap 16 bits.
const LEN_MAX: usize = 60_000;
/// `pbuf_layer`, in the order of [`Layer::ALL`].
const LAYERS: [u32; 5] = [74, 54, 14, 0, 0];

/// Memory both sides refer to.
static PATTERN: [u8; 4096] = {
    let mut bytes = [0; 4096];
    let mut index = 0;
    while index < bytes.len() {
        bytes[index] = (index * 7 % 251) as u8;
        index += 1;
    }
    bytes
};

/// External buffers alive on this side, and custom buffers alive on either.
static EXTERNAL_HERE: AtomicUsize = AtomicUsize::new(0);
static CUSTOM_HERE: AtomicUsize = AtomicUsize::new(0);
static CUSTOM_THERE: AtomicUsize = AtomicUsize::new(0);

/// A part of the pattern as an owner whose life is counted.
struct External(&'static [u8]);

impl External {
    fn new(bytes: &'static [u8]) -> Self {
        EXTERNAL_HERE.fetch_add(1, Relaxed);
        Self(bytes)
    }
}

impl AsRef<[u8]> for External {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl Drop for External {
    fn drop(&mut self) {
        EXTERNAL_HERE.fetch_sub(1, Relaxed);
    }
}

/// A custom buffer of lwIP's, with its memory.
#[repr(C)]
struct Custom {
    head: ffi::CustomNode,
    memory: Vec<u8>,
}

extern "C" fn release_custom(node: *mut Node) {
    CUSTOM_THERE.fetch_sub(1, Relaxed);
    // SAFETY: `World::custom` leaked it from a box, and lwIP calls this once, with the last reference gone.
    drop(unsafe { Box::from_raw(node.cast::<Custom>()) });
}

struct Root {
    there: NonNull<Node>,
    here: PbufChain,
}

#[derive(Default, Debug)]
struct Tally {
    done: u64,
    refused_shared: u64,
    exhausted: u64,
}

struct World {
    random: u64,
    pool: PbufPool,
    roots: Vec<Root>,
    tally: Tally,
}

#[test]
fn random_operations_then_both_sides_agree() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let steps = number("FLUMEN_DIFF_STEPS").unwrap_or(if cfg!(debug_assertions) { 50_000 } else { 3_000_000 });
    let seed = number("FLUMEN_DIFF_SEED").unwrap_or(0x5eed_0001).max(1);
    println!("seed {seed}, {steps} steps");
    let _alone = interpose::alone();
    interpose::limit_pool(POOL_BUFFERS);
    let mut world = World {
        random: seed,
        pool: PbufPool::new(POOL_BUFFERS, POOL_BUFFER_SIZE).unwrap(),
        roots: Vec::new(),
        tally: Tally::default(),
    };
    for _ in 0..steps {
        world.step();
        world.compare();
    }
    while let Some(root) = world.roots.pop() {
        world.free(root);
        world.compare();
    }
    println!("{:?}, {} callbacks", world.tally, interpose::callbacks());
    assert_eq!(interpose::blocks_alive(), 0, "lwIP leaked");
    assert_eq!((world.pool.stats().outstanding, EXTERNAL_HERE.load(Relaxed)), (0, 0), "a buffer leaked");
    assert_eq!((CUSTOM_HERE.load(Relaxed), CUSTOM_THERE.load(Relaxed)), (0, 0), "a custom buffer leaked");
    assert!(world.tally.done > steps / 3 && world.tally.refused_shared > 0 && world.tally.exhausted > 0);
}

/// The nodes of a chain of lwIP's, first to last.
fn nodes(first: NonNull<Node>) -> impl Iterator<Item = NonNull<Node>> {
    core::iter::successors(Some(first), |node| NonNull::new(get(*node).next))
}

fn get(node: NonNull<Node>) -> &'static Node {
    // SAFETY: the tests look only at nodes that a root holds, and not at two times with a change in between.
    unsafe { node.as_ref() }
}

fn bytes_of(node: &Node) -> &[u8] {
    if node.len == 0 {
        return &[];
    }
    // SAFETY: a node of lwIP's that is alive shows `len` bytes, all of which were written by `World::alloc`.
    unsafe { core::slice::from_raw_parts(node.payload, node.len.into()) }
}

fn short(len: usize) -> u16 {
    u16::try_from(len).unwrap()
}

impl World {
    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from((self.random >> 11) % end as u64).unwrap()
    }
    fn length(&mut self) -> usize {
        match self.below(8) {
            0 => 0,
            1..=5 => self.below(60) + 1,
            6 => self.below(1600),
            _ => self.below(4000),
        }
    }
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let start = self.below(PATTERN.len());
        PATTERN.iter().cycle().skip(start).take(len).copied().collect()
    }
    fn take_root(&mut self) -> Root {
        let index = self.below(self.roots.len());
        self.roots.swap_remove(index)
    }
    /// From how many roots each node is reached.
    fn paths(&self) -> HashMap<NonNull<Node>, u32> {
        let mut paths = HashMap::new();
        self.roots.iter().flat_map(|root| nodes(root.there)).for_each(|node| *paths.entry(node).or_default() += 1);
        paths
    }
    /// Whether the first `count` nodes belong to the root with this index alone, so that lwIP may change them.
    fn is_alone(&self, index: usize, count: usize) -> bool {
        let paths = self.paths();
        nodes(self.roots[index].there).take(count).all(|node| paths[&node] == 1)
    }

    fn step(&mut self) {
        if self.roots.len() < 2 || (self.roots.len() < ROOTS_MAX && self.below(5) == 0) {
            self.tally.done += 1;
            return self.alloc();
        }
        let operation = self.below(22);
        let index = self.below(self.roots.len());
        let done = match operation {
            0 | 1 => {
                let root = self.take_root();
                self.free(root);
                true
            }
            2 => self.share(index),
            3 | 4 => self.append(operation == 3),
            5 => self.dechain(index),
            6 => self.shrink(index),
            7..=10 => self.header(operation, index),
            11 => self.free_header(index),
            12..=14 => self.write(operation, index),
            15 => self.copy(index),
            16 => self.copied(index),
            17 => self.coalesce(index),
            _ => {
                self.look(index);
                true
            }
        };
        self.tally.done += u64::from(done);
    }

    fn alloc(&mut self) {
        let (layer, len) = (self.below(5), self.length());
        let root = match self.below(6) {
            0 | 1 => self.memory(layer, len, ffi::RAM),
            2 | 3 => self.memory(layer, len, ffi::POOL),
            4 => Some(self.external(len)),
            _ => Some(self.custom(layer, len)),
        };
        self.roots.extend(root);
    }
    fn memory(&mut self, layer: usize, len: usize, kind: u32) -> Option<Root> {
        let memory = if kind == ffi::POOL { Memory::Pool(&self.pool) } else { Memory::Ram };
        // SAFETY: a plain allocation.
        let there = NonNull::new(unsafe { ffi::pbuf_alloc(LAYERS[layer], short(len), kind) });
        let here = PbufChain::alloc(Layer::ALL[layer], len, memory);
        assert_eq!(there.is_none(), here.is_err(), "exhausted on one side only");
        let Some(there) = there else {
            self.tally.exhausted += 1;
            return None;
        };
        let (mut here, bytes) = (here.unwrap(), self.bytes(len));
        // SAFETY: alive, and as long as the bytes.
        assert_eq!(unsafe { ffi::pbuf_take(there.as_ptr(), bytes.as_ptr().cast(), short(len)) }, ffi::OK);
        here.write(&bytes).unwrap();
        Some(Root { there, here })
    }
    fn external(&mut self, len: usize) -> Root {
        let len = len.clamp(1, 1000);
        let start = self.below(PATTERN.len() - len);
        let bytes = &PATTERN[start..start + len];
        let kind = if self.below(2) == 0 { ffi::ROM } else { ffi::REF };
        // SAFETY: the bytes live for ever, and are not written: `World::write` asks this side first.
        let there = unsafe { ffi::pbuf_alloc_reference(bytes.as_ptr().cast_mut().cast(), short(len), kind) };
        Root { there: NonNull::new(there).unwrap(), here: Pbuf::from_owner(External::new(bytes)).into() }
    }
    fn custom(&mut self, layer: usize, len: usize) -> Root {
        let room = Layer::ALL[layer].header_room();
        let bytes = self.bytes(room + len + 1);
        CUSTOM_THERE.fetch_add(1, Relaxed);
        CUSTOM_HERE.fetch_add(1, Relaxed);
        // SAFETY: all zero is a valid node.
        let head = unsafe { core::mem::zeroed() };
        let custom = Box::leak(Box::new(Custom { head, memory: bytes.clone() }));
        custom.head.release = Some(release_custom);
        let memory_len = short(custom.memory.len());
        let memory = custom.memory.as_mut_ptr().cast();
        let custom = NonNull::from(custom).cast::<ffi::CustomNode>();
        // SAFETY: node and memory live until `release_custom`.
        let there = unsafe {
            ffi::pbuf_alloced_custom(LAYERS[layer], short(len), ffi::REF, custom.as_ptr(), memory, memory_len)
        };
        let release = |_memory: Vec<u8>| {
            CUSTOM_HERE.fetch_sub(1, Relaxed);
        };
        let here = PbufMut::with_release(Layer::ALL[layer], len, bytes, release).unwrap();
        Root { there: NonNull::new(there).unwrap(), here: here.into() }
    }
    fn free(&mut self, root: Root) {
        // SAFETY: a root is one reference.
        let there = unsafe { ffi::pbuf_free(root.there.as_ptr()) };
        assert_eq!(usize::from(there), root.here.free() % 256, "buffers freed");
    }
    fn share(&mut self, index: usize) -> bool {
        if self.roots.len() >= ROOTS_MAX {
            return false;
        }
        let Root { there, here } = &self.roots[index];
        // SAFETY: alive.
        unsafe { ffi::pbuf_ref(there.as_ptr()) };
        let copy = Root { there: *there, here: here.clone() };
        self.roots.push(copy);
        true
    }
    /// `pbuf_cat`, or `pbuf_chain`.
    fn append(&mut self, is_taken_over: bool) -> bool {
        let tail = self.take_root();
        let index = self.below(self.roots.len());
        let total = self.roots[index].here.len() + tail.here.len();
        // The head's nodes are changed, so nobody else may see them; the tail, not in its place just now, is one who might.
        let head_shares = nodes(self.roots[index].there).any(|node| nodes(tail.there).any(|other| other == node));
        if total > LEN_MAX || head_shares || !self.is_alone(index, usize::MAX) {
            self.roots.push(tail);
            return false;
        }
        let head = &mut self.roots[index];
        if is_taken_over {
            // SAFETY: alive, apart from each other, and the tail's reference is handed over.
            unsafe { ffi::pbuf_cat(head.there.as_ptr(), tail.there.as_ptr()) };
            head.here.cat(tail.here).unwrap();
        } else {
            // SAFETY: alive and apart from each other.
            unsafe { ffi::pbuf_chain(head.there.as_ptr(), tail.there.as_ptr()) };
            head.here.chain(&tail.here).unwrap();
            self.roots.push(tail);
        }
        true
    }
    fn dechain(&mut self, index: usize) -> bool {
        if !self.is_alone(index, 1) {
            return false;
        }
        let root = &mut self.roots[index];
        // SAFETY: alive.
        let there = NonNull::new(unsafe { ffi::pbuf_dechain(root.there.as_ptr()) });
        // lwIP gives the tail only if somebody else holds it; here the caller gets it, and gives it back.
        let kept = root.here.dechain().is_some_and(|tail| {
            let first = tail.buffer(0).unwrap().clone();
            tail.free();
            !first.free()
        });
        assert_eq!(there.is_some(), kept, "tail still held");
        true
    }
    fn shrink(&mut self, index: usize) -> bool {
        let len = self.below(self.roots[index].here.len() + 2);
        let (mut kept, mut end) = (0, 0);
        for node in nodes(self.roots[index].there) {
            kept += 1;
            end += usize::from(get(node).len);
            if len <= end {
                break;
            }
        }
        if !self.is_alone(index, kept) {
            return false;
        }
        let root = &mut self.roots[index];
        // SAFETY: alive.
        unsafe { ffi::pbuf_realloc(root.there.as_ptr(), short(len)) };
        root.here.truncate(len);
        true
    }
    fn header(&mut self, operation: usize, index: usize) -> bool {
        let len = self.below(90);
        if !self.is_alone(index, 1) {
            return false;
        }
        let root = &mut self.roots[index];
        let (there, room) = (root.there.as_ptr(), root.here.header_room());
        let is_custom = get(root.there).flags & 2 != 0;
        // SAFETY: alive; what lies in front of the payload is checked by lwIP or, for the forced form, here.
        let (failed, done) = match operation {
            7 => (unsafe { ffi::pbuf_remove_header(there, len) }, root.here.remove_header(len)),
            8 => (unsafe { ffi::pbuf_header(there, -i16::try_from(len).unwrap()) }, root.here.remove_header(len)),
            // lwIP does not know the room of a custom buffer.
            9 if !is_custom => (unsafe { ffi::pbuf_add_header(there, len) }, root.here.add_header(len)),
            10 if len <= room => (unsafe { ffi::pbuf_add_header_force(there, len) }, root.here.add_header_forced(len)),
            10 => {
                assert!(!root.here.add_header_forced(len), "beyond the buffer, which lwIP would not notice");
                return false;
            }
            _ => return false,
        };
        assert_eq!(failed == 0, done, "operation {operation}, {len} bytes, room {room}");
        if operation >= 9 && done {
            self.fill_header(index, len);
        }
        true
    }
    /// Writes a header just added, since neither side says what lies in the room before.
    fn fill_header(&mut self, index: usize, len: usize) {
        let bytes = self.bytes(len);
        let Root { there, here } = &mut self.roots[index];
        if here.write(&bytes).is_ok() {
            // SAFETY: alive, and alone and writable, as the other side has found.
            let result = unsafe { ffi::pbuf_take(there.as_ptr(), bytes.as_ptr().cast(), short(len)) };
            assert_eq!(result, ffi::OK);
        }
    }
    fn free_header(&mut self, index: usize) -> bool {
        let len = self.below(self.roots[index].here.len() + 3);
        let (mut touched, mut end) = (0, 0);
        for node in nodes(self.roots[index].there) {
            touched += 1;
            end += usize::from(get(node).len);
            if len < end {
                break;
            }
        }
        if !self.is_alone(index, touched) {
            return false;
        }
        let mut root = self.roots.swap_remove(index);
        // SAFETY: alive; the reference passes to what is returned.
        let there = NonNull::new(unsafe { ffi::pbuf_free_header(root.there.as_ptr(), short(len)) });
        root.here.free_header(len);
        assert_eq!(there.is_none(), root.here.buffers() == 0);
        self.roots.extend(there.map(|there| Root { there, here: root.here }));
        true
    }
    /// `pbuf_take_at`, `pbuf_take` and `pbuf_put_at`. Refused here where lwIP would write for all who share.
    fn write(&mut self, operation: usize, index: usize) -> bool {
        let len = if operation == 14 { 1 } else { self.length().max(1) };
        let bytes = self.bytes(len);
        let total = self.roots[index].here.len();
        let at = if operation == 13 { 0 } else { self.below(total + 2) };
        let Root { there, here } = &mut self.roots[index];
        let there = there.as_ptr();
        match here.write_at(at, &bytes) {
            Err(WriteError::Shared(_) | WriteError::ReadOnly(..)) => {
                self.tally.refused_shared += 1;
                return false;
            }
            result => {
                // SAFETY: alive, and all that is written is alone and writable, as the other side has found; out of
                // range, `pbuf_put_at` does nothing.
                let failed = match operation {
                    12 => unsafe { ffi::pbuf_take_at(there, bytes.as_ptr().cast(), short(len), short(at)) != ffi::OK },
                    13 => unsafe { ffi::pbuf_take(there, bytes.as_ptr().cast(), short(len)) != ffi::OK },
                    _ => {
                        unsafe { ffi::pbuf_put_at(there, short(at), bytes[0]) };
                        at >= total
                    }
                };
                assert_eq!(failed, result.is_err(), "{len} bytes at {at} of {total}: {result:?}");
            }
        }
        true
    }
    /// `pbuf_copy` and `pbuf_copy_partial_pbuf`.
    fn copy(&mut self, index: usize) -> bool {
        let source = self.take_root();
        let index = index % self.roots.len();
        let is_queue = |root: &Root| {
            let ended = |node: NonNull<Node>| get(node).tot_len == get(node).len && !get(node).next.is_null();
            nodes(root.there).any(ended)
        };
        // lwIP takes empty buffers at the end for another packet.
        if is_queue(&source) || is_queue(&self.roots[index]) {
            self.roots.push(source);
            return false;
        }
        let is_whole = self.below(2) == 0;
        let len = if is_whole { source.here.len() } else { self.below(source.here.len() + 2) };
        let total = self.roots[index].here.len();
        // 2.1.3 aborts when the place to copy to lies behind the first buffer, though it is in the chain.
        let at =
            if is_whole { 0 } else { self.below(self.roots[index].here.buffer(0).map_or(0, |first| first.len()) + 1) };
        let target = &mut self.roots[index];
        let result = target.here.copy_from_at(at, &source.here, len);
        let is_refused = matches!(result, Err(WriteError::Shared(_) | WriteError::ReadOnly(..)));
        if is_refused {
            self.tally.refused_shared += 1;
        } else {
            let (to, from) = (target.there.as_ptr(), source.there.as_ptr());
            // SAFETY: alive, and what is written is alone and writable, as the other side has found.
            let there = unsafe {
                if is_whole {
                    ffi::pbuf_copy(to, from)
                } else {
                    ffi::pbuf_copy_partial_pbuf(to, from, short(len), short(at))
                }
            };
            assert_eq!(there == ffi::OK, result.is_ok(), "{len} bytes to {at} of {total}: {there} {result:?}");
        }
        self.roots.push(source);
        !is_refused
    }
    fn copied(&mut self, index: usize) -> bool {
        let (layer, is_pool) = (self.below(5), self.below(2) == 0);
        let root = &self.roots[index];
        // lwIP aborts when it copies what it takes for a queue.
        let queue = nodes(root.there).any(|node| get(node).tot_len == get(node).len && !get(node).next.is_null());
        if queue || self.roots.len() >= ROOTS_MAX {
            return false;
        }
        let (kind, memory) = if is_pool { (ffi::POOL, Memory::Pool(&self.pool)) } else { (ffi::RAM, Memory::Ram) };
        // SAFETY: alive.
        let there = NonNull::new(unsafe { ffi::pbuf_clone(LAYERS[layer], kind, root.there.as_ptr()) });
        let here = root.here.copied(Layer::ALL[layer], memory);
        assert_eq!(there.is_none(), here.is_err());
        self.tally.exhausted += u64::from(here.is_err());
        self.roots.extend(there.zip(here.ok()).map(|(there, here)| Root { there, here }));
        true
    }
    fn coalesce(&mut self, index: usize) -> bool {
        let layer = self.below(5);
        let root = &self.roots[index];
        if nodes(root.there).any(|node| get(node).tot_len == get(node).len && !get(node).next.is_null()) {
            return false;
        }
        let root = &mut self.roots[index];
        // SAFETY: alive; the reference passes to what is returned.
        let there = unsafe { ffi::pbuf_coalesce(root.there.as_ptr(), LAYERS[layer]) };
        root.there = NonNull::new(there).unwrap_or(NonNull::dangling());
        assert_ne!(there, null_mut());
        root.here.coalesce(Layer::ALL[layer]).unwrap();
        true
    }

    /// Everything that only looks.
    fn look(&mut self, index: usize) {
        let total = self.roots[index].here.len();
        let (at, len) = (self.below(total + 2), self.below(40) + 1);
        let mut probe = self.bytes(len);
        if self.below(2) == 0 {
            // Mostly what is there.
            self.roots[index].here.copy_to(at, &mut probe);
        }
        let from = self.below(total + 2);
        let Root { there, here } = &self.roots[index];
        let (there, at16, len16) = (there.as_ptr(), short(at), short(len));
        let data = probe.as_ptr().cast();
        // SAFETY, for all calls here: the chain is alive, lengths are those of the buffers given.
        unsafe {
            assert_eq!(usize::from(ffi::pbuf_clen(there)), here.buffers());
            let byte = here.get(at);
            assert_eq!(ffi::pbuf_try_get_at(there, at16), byte.map_or(-1, i32::from));
            assert_eq!(ffi::pbuf_get_at(there, at16), byte.unwrap_or(0));
            let mut rest = 0;
            let node = ffi::pbuf_skip(there, at16, &raw mut rest);
            let found = here.skip(at).map(|found| (found.buffer, found.offset));
            let place = nodes(NonNull::new_unchecked(there)).position(|other| other.as_ptr() == node);
            assert_eq!(place.map(|place| (place, usize::from(rest))), found);
            let compared = match here.compare(at, &probe) {
                Comparison::Equal => 0,
                Comparison::DiffersAt(offset) => short(offset + 1),
                Comparison::TooShort => 0xffff,
            };
            assert_eq!(ffi::pbuf_memcmp(there, at16, data, len16), compared);
            let found = here.find(&probe, from).map_or(0xffff, short);
            assert_eq!(ffi::pbuf_memfind(there, data, len16, short(from)), found);
            let mut text: Vec<u8> = probe.iter().map(|byte| (*byte).max(1)).collect();
            let found = here.find(&text, 0).map_or(0xffff, short);
            text.push(0);
            assert_eq!(ffi::pbuf_strstr(there, text.as_ptr()), found);
            let (mut ours, mut theirs) = (vec![0; len], vec![0; len]);
            let copied = ffi::pbuf_copy_partial(there, theirs.as_mut_ptr().cast(), len16, at16);
            assert_eq!(usize::from(copied), here.copy_to(at, &mut ours));
            assert_eq!(ours, theirs);
            let piece = here.contiguous(at, len, &mut ours).map(<[u8]>::to_vec);
            assert_eq!(piece.is_some(), at + len <= total);
            if let Some(piece) = piece {
                let pointer = ffi::pbuf_get_contiguous(there, theirs.as_mut_ptr().cast(), len, len16, at16);
                assert_eq!(core::slice::from_raw_parts(pointer, len), piece);
            }
            assert_eq!(ffi::inet_chksum_pbuf(there), here.checksum().to_be());
        }
        self.fill_summed(index, &probe);
    }
    /// `pbuf_fill_chksum`, which reaches only the first buffer.
    fn fill_summed(&mut self, index: usize, bytes: &[u8]) {
        let Root { there, here } = &mut self.roots[index];
        let mut sum = Checksum::new();
        if here.buffer(0).is_some_and(|first| first.len() >= bytes.len())
            && here.write_summed(0, bytes, &mut sum).is_ok()
        {
            let mut theirs = 0;
            // SAFETY: alive, and alone and writable, as the other side has found.
            let result = unsafe {
                let (data, len) = (bytes.as_ptr().cast(), short(bytes.len()));
                ffi::pbuf_fill_chksum(there.as_ptr(), 0, data, len, &raw mut theirs)
            };
            assert_eq!((result, theirs), (ffi::OK, (!sum.finish()).to_be()));
        }
    }

    /// Lengths, links, counts and bytes of everything, and the ledgers.
    fn compare(&self) {
        let paths = self.paths();
        let mut pointers: HashMap<NonNull<Node>, u8> = HashMap::new();
        self.roots.iter().for_each(|root| *pointers.entry(root.there).or_default() += 1);
        let next = paths.keys().filter_map(|node| NonNull::new(get(*node).next));
        next.for_each(|next| *pointers.entry(next).or_default() += 1);
        // Which buffer is behind a node, and which node before a buffer, whichever root one comes from.
        let (mut buffers, mut of_buffer) = (HashMap::new(), HashMap::new());
        for Root { there, here } in &self.roots {
            assert_eq!(nodes(*there).count(), here.buffers());
            let mut left = here.len();
            for (node, buffer) in nodes(*there).zip(here.iter()) {
                let seen = get(node);
                assert_eq!((usize::from(seen.len), usize::from(seen.tot_len)), (buffer.len(), left));
                assert_eq!(bytes_of(seen), buffer.as_slice());
                assert_eq!(seen.references, pointers[&node], "pointers to a node of lwIP's");
                assert_eq!(buffer.references(), Some(paths[&node]), "references to a buffer");
                let first: &Pbuf = buffers.entry(node).or_insert(buffer);
                assert!(first.shares_with(buffer), "one node, two buffers");
                let memory = buffer.as_slice().as_ptr().addr() - buffer.header_room();
                if seen.type_internal & 0x80 != 0 {
                    assert_eq!(*of_buffer.entry(memory).or_insert(node), node, "one buffer, two nodes");
                }
                left -= buffer.len();
            }
            assert_eq!(left, 0);
        }
        let is_custom = |node: &&NonNull<Node>| get(**node).flags & 2 != 0;
        let of_kind = |kind: u8| paths.keys().filter(|node| get(**node).type_internal & 0x0f == kind).count();
        let custom = paths.keys().filter(is_custom).count();
        assert_eq!(interpose::blocks_alive(), paths.len() - custom, "lwIP's ledger");
        assert_eq!((CUSTOM_HERE.load(Relaxed), CUSTOM_THERE.load(Relaxed)), (custom, custom));
        assert_eq!(EXTERNAL_HERE.load(Relaxed), of_kind(1) - custom);
        assert_eq!(self.pool.stats().outstanding, of_kind(2));
    }
}
