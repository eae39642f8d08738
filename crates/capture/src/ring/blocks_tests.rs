use super::*;
use crate::ring::block::{self, tests::Laid, tests::lay_out};
use flumen_pbuf::Pbuf;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

/// A ring in memory of the test's, in which the test plays the kernel.
struct Played {
    blocks: Arc<Blocks>,
}

const ALIGN: usize = 64;

impl Played {
    fn new(block_size: usize, blocks: usize) -> Self {
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
    /// Fills a block as the kernel does, if it is the kernel's: all but its status, and that last.
    fn fill(&self, index: usize, block: &[u8]) -> bool {
        assert!(block.len() <= self.blocks.geometry.block_size);
        let status = self.blocks.status(index);
        if status.load(Ordering::Acquire) != libc::TP_STATUS_KERNEL {
            return false;
        }
        for range in [0..STATUS, STATUS + 4..block.len()] {
            // SAFETY: within the block.
            let to = unsafe { self.blocks.block(index).add(range.start) };
            let from = &block[range];
            // SAFETY: as many bytes as lie in both; the block is the kernel's, so nobody reads it.
            unsafe { to.copy_from_nonoverlapping(NonNull::from(from).cast(), from.len()) };
        }
        status.store(libc::TP_STATUS_USER, Ordering::Release);
        true
    }
    /// Fills a block with a text behind its header.
    fn fill_with(&self, index: usize, text: &[u8]) -> bool {
        self.fill(index, &[&[0; CONTENT], text].concat())
    }
}

const CONTENT: usize = size_of::<libc::tpacket_block_desc>();

#[test]
fn block_of_the_kernel_then_it_is_not_lent() {
    let played = Played::new(256, 4);
    assert!(played.blocks.lend(0).is_none());
    assert_eq!(played.blocks.lent(), 0);
}

#[test]
fn block_lent_then_not_lent_twice_nor_filled_until_it_is_dropped() {
    let played = Played::new(256, 4);
    assert!(played.fill_with(2, b"first"));
    let lease = played.blocks.lend(2).expect("it is filled");
    assert!(played.blocks.lend(2).is_none());
    assert!(played.blocks.is_lent(2));
    assert!(!played.fill_with(2, b"other"));
    assert!(played.fill_with(3, b"third"), "others are not concerned");
    assert_eq!(&lease.as_ref()[CONTENT..][..5], b"first");
    drop(lease);
    assert!(!played.blocks.is_lent(2));
    assert!(played.fill_with(2, b"other"));
}

#[test]
fn ring_dropped_while_a_block_is_lent_then_its_bytes_stay() {
    let played = Played::new(256, 2);
    played.fill_with(1, b"kept");
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
        if filled < ROUNDS && played.fill_with(filled as usize % 3, &filled.to_ne_bytes()) {
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

/// The ring as a list: which packets are in the blocks that the kernel has filled, and which of them are held.
#[test]
fn random_fills_reads_and_holds_then_as_a_list_of_packets_would_be() {
    const SIZE: usize = 1_024;
    const BLOCKS: usize = 5;
    let rounds = if cfg!(miri) { 120 } else { 20_000 };
    let seed = 0x517c_c1b7_2722_0a95_u64;
    println!("seed {seed:#x}");
    let mut state = seed;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let played = Played::new(SIZE, BLOCKS);
    let packet = |number: u32| [&[7; 20][..], &number.to_be_bytes(), &[number as u8; 12]].concat();
    let (mut next_fill, mut next_read, mut number) = (0, 0, 0_u32);
    // The model: numbers of the packets of each block that is filled and not read; what is held, with its block.
    let mut filled: std::collections::VecDeque<Vec<u32>> = std::collections::VecDeque::new();
    let mut held: Vec<(usize, u32, Pbuf)> = Vec::new();
    for _ in 0..rounds {
        match random(3) {
            0 => {
                let numbers: Vec<u32> = (number..number + 1 + random(4) as u32).collect();
                let laid: Vec<Laid> = numbers
                    .iter()
                    .map(|&n| Laid { tag: (n % 2 == 0).then_some((0x8100, n as u16)), ..Laid::ethernet(&packet(n)) })
                    .collect();
                let is_free = filled.len() < BLOCKS && !held.iter().any(|(block, ..)| *block == next_fill);
                assert_eq!(played.fill(next_fill, &lay_out(SIZE, &laid)), is_free);
                if is_free {
                    number += numbers.len() as u32;
                    filled.push_back(numbers);
                    next_fill = (next_fill + 1) % BLOCKS;
                }
            }
            1 => {
                let lease = played.blocks.lend(next_read);
                assert_eq!(lease.is_some(), !filled.is_empty());
                let (Some(mut lease), Some(numbers)) = (lease, filled.pop_front()) else { continue };
                let mut frames = Vec::new();
                let walk = block::walk(lease.bytes_mut(), 1_000, |frame| frames.push(frame));
                assert_eq!((walk.fault, frames.len()), (None, numbers.len()));
                let block = Pbuf::from_owner(lease);
                for (frame, &number) in frames.iter().zip(&numbers) {
                    let view = block.slice(frame.offset..frame.offset + frame.captured_len as usize);
                    held.push((next_read, number, view));
                }
                next_read = (next_read + 1) % BLOCKS;
                // Some are let go at once, in whatever order.
                held.retain(|(block, ..)| *block != next_read.wrapping_sub(1) || random(2) == 0);
            }
            _ => {
                if !held.is_empty() {
                    let (_, number, view) = held.swap_remove(random(held.len() as u64) as usize);
                    let bare = packet(number);
                    let tag = [0x81, 0, (number >> 8) as u8, number as u8];
                    let whole = if number % 2 == 0 { [&bare[..12], &tag, &bare[12..]].concat() } else { bare };
                    assert_eq!(view, whole[..], "packet {number}");
                }
            }
        }
        let mut out: Vec<usize> = held.iter().map(|(block, ..)| *block).collect();
        out.sort_unstable();
        out.dedup();
        assert_eq!(played.blocks.lent(), out.len());
    }
    assert!(number > rounds / 10, "{number} packets");
}
