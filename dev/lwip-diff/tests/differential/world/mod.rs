//! Random operations on lwIP and on this project's chains at once.
//!
//! A root is what an application holds: a pointer on the one side, a chain on the other. lwIP shares *nodes*, and with
//! them their lengths and links; chains share only *buffers*. So what lwIP does is right only where the nodes it
//! changes belong to one root, and there both must agree in everything. Where a node is shared, lwIP is not asked; writing
//! is tried on the other side alone, and must be refused.
//!
//! Relation of the counts, checked after each operation: lwIP counts pointers to a node, from roots and from other nodes; the
//! count of a buffer here is the number of roots from which its node is reached.

mod content;
mod structure;

use super::{
    ffi::{self, Node},
    interpose,
};
use core::ptr::NonNull;
use flumen_pbuf::{Layer, Memory, Pbuf, PbufChain, PbufMut, PbufPool};
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
