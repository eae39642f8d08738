use super::*;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

/// A ring in memory of the test's, in which the test plays the kernel.
pub(crate) struct Played {
    pub(crate) blocks: Arc<Blocks>,
}

const ALIGN: usize = 64;

impl Played {
    pub(crate) fn new(block_size: usize, blocks: usize) -> Self {
        let geometry = Geometry { block_size, blocks };
        let layout = Layout::from_size_align(geometry.bytes(), ALIGN).expect("a small ring");
        // SAFETY: the layout is not empty.
        let base = unsafe { alloc_zeroed(layout) };
        let base = NonNull::new(base).unwrap_or_else(|| handle_alloc_error(layout));
        unsafe fn release(base: NonNull<u8>, len: usize) {
            let layout = Layout::from_size_align(len, ALIGN).expect("as it was allocated");
            // SAFETY: allocated above with this layout, and nothing refers to it.
            unsafe { dealloc(base.as_ptr(), layout) };
        }
        // SAFETY: the memory is new, zeroed, aligned, and known to nobody else; `release` gives it back.
        let area = unsafe { Area::new(base, geometry.bytes(), release) };
        Self { blocks: Blocks::new(area, geometry) }
    }
    /// Fills a block as the kernel does, if it is the kernel's.
    pub(crate) fn fill(&self, index: usize, content: &[u8]) -> bool {
        let status = self.blocks.status(index);
        if status.load(Ordering::Acquire) != libc::TP_STATUS_KERNEL {
            return false;
        }
        let len = content.len().min(self.blocks.geometry.block_size - CONTENT);
        // SAFETY: behind the header, within the block.
        let to = unsafe { self.blocks.block(index).add(CONTENT) };
        // SAFETY: `len` bytes that lie in the block and in `content`; the block is the kernel's, so nobody reads it.
        unsafe { to.copy_from_nonoverlapping(NonNull::from(content).cast(), len) };
        status.store(libc::TP_STATUS_USER, Ordering::Release);
        true
    }
}

pub(crate) const CONTENT: usize = size_of::<libc::tpacket_block_desc>();

#[test]
fn block_of_the_kernel_then_it_is_not_lent() {
    let played = Played::new(256, 4);
    assert!(played.blocks.lend(0).is_none());
    assert_eq!(played.blocks.lent(), 0);
}

#[test]
fn block_lent_then_not_lent_twice_nor_filled_until_it_is_dropped() {
    let played = Played::new(256, 4);
    assert!(played.fill(2, b"first"));
    let lease = played.blocks.lend(2).expect("it is filled");
    assert!(played.blocks.lend(2).is_none());
    assert!(played.blocks.is_lent(2));
    assert!(!played.fill(2, b"other"));
    assert!(played.fill(3, b"third"), "others are not concerned");
    assert_eq!(&lease.as_ref()[CONTENT..][..5], b"first");
    drop(lease);
    assert!(!played.blocks.is_lent(2));
    assert!(played.fill(2, b"other"));
}

#[test]
fn ring_dropped_while_a_block_is_lent_then_its_bytes_stay() {
    let played = Played::new(256, 2);
    played.fill(1, b"kept");
    let lease = played.blocks.lend(1).expect("it is filled");
    drop(played);
    assert_eq!(&lease.as_ref()[CONTENT..][..4], b"kept");
}

#[test]
fn leases_dropped_by_another_thread_then_every_fill_is_read_once() {
    const ROUNDS: u32 = if cfg!(miri) { 40 } else { 20_000 };
    let played = Played::new(128, 3);
    let (hand_over, leases) = std::sync::mpsc::sync_channel::<Lease>(2);
    let reader = std::thread::spawn(move || {
        let mut sum = 0_u64;
        for lease in leases {
            let word = lease.as_ref()[CONTENT..].first_chunk().expect("a word");
            sum += u64::from(u32::from_ne_bytes(*word));
        }
        sum
    });
    let (mut filled, mut lent) = (0_u32, 0_u32);
    while lent < ROUNDS {
        if filled < ROUNDS && played.fill(filled as usize % 3, &filled.to_ne_bytes()) {
            filled += 1;
        }
        match played.blocks.lend(lent as usize % 3) {
            Some(lease) => {
                lent += 1;
                hand_over.send(lease).expect("the reader lives");
            }
            None => std::thread::yield_now(),
        }
    }
    drop(hand_over);
    assert_eq!(reader.join().expect("no panic"), (0..u64::from(ROUNDS)).sum());
    assert_eq!(played.blocks.lent(), 0);
}
