//! Chains against a slow, obvious model under random operations; and the hazards of lwIP's pbuf, by name.

mod ledger;

use flumen_pbuf::{Checksum, Comparison, Kind, Layer, Memory, Pbuf, PbufChain, PbufMut, PbufPool, WriteError};
use ledger::Ledger;
use std::io::{BufRead, IoSlice, Read};

/// Random numbers (xorshift64*).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| u8::try_from(self.below(3)).unwrap()).collect()
    }
}

fn ram(bytes: &[u8]) -> PbufChain {
    Pbuf::copy_from(bytes).unwrap().into()
}

#[test]
fn random_operations_then_bytes_of_every_chain_as_in_a_vector() {
    let seed = 0x9e37_79b9_7f4a_7c15;
    println!("seed {seed:#x}");
    let _ledger = Ledger::open();
    let mut rng = Rng(seed);
    let pool = PbufPool::new(64, 24).unwrap();
    let mut chains: Vec<(PbufChain, Vec<u8>)> = Vec::new();
    let steps = if cfg!(miri) { 300 } else { 15_000 };
    for step in 0..steps {
        if chains.len() < 2 || (chains.len() < 12 && rng.below(4) == 0) {
            chains.extend(made(&mut rng, &pool));
            continue;
        }
        let index = rng.below(chains.len());
        let (mut chain, mut model) = chains.swap_remove(index);
        let kept = match rng.below(16) {
            0 => false,
            1 => {
                chains.push((chain.clone(), model.clone()));
                true
            }
            2 => {
                let at = rng.below(chains.len());
                let (tail, bytes) = chains.swap_remove(at);
                chain.cat(tail).unwrap();
                model.extend(bytes);
                true
            }
            3 => {
                let (tail, bytes) = &chains[rng.below(chains.len())];
                chain.chain(tail).unwrap();
                model.extend(bytes);
                true
            }
            other => changed(other, &mut rng, &mut chain, &mut model, &mut chains),
        };
        check(&chain, &model, step);
        if kept && chain.buffers() < 40 {
            chains.push((chain, model));
        }
        for (chain, model) in &chains {
            assert_eq!(chain, &model[..], "step {step}: another chain changed");
        }
    }
    drop(chains);
    assert_eq!(pool.stats().outstanding, 0);
}

fn made(rng: &mut Rng, pool: &PbufPool) -> Option<(PbufChain, Vec<u8>)> {
    let len = rng.below(60);
    let bytes = rng.bytes(len);
    let layer = Layer::ALL[rng.below(5)];
    let chain = match rng.below(5) {
        0 => Pbuf::from_static(&[1; 30]).into(),
        1 => Pbuf::from_owner(bytes.clone()).into(),
        2 => ram(&bytes),
        3 => {
            let mut chain = PbufChain::alloc(layer, len, Memory::Ram).unwrap();
            chain.write(&bytes).unwrap();
            chain
        }
        _ => {
            let mut chain = PbufChain::alloc(Layer::Raw, len, Memory::Pool(pool)).ok()?;
            chain.write(&bytes).unwrap();
            chain
        }
    };
    let model = chain.to_vec();
    assert!(model == bytes || chain.buffer(0)?.kind() == Kind::Rom);
    Some((chain, model))
}

/// One of the operations on a chain alone; says whether to keep it.
fn changed(
    operation: usize,
    rng: &mut Rng,
    chain: &mut PbufChain,
    model: &mut Vec<u8>,
    chains: &mut Vec<(PbufChain, Vec<u8>)>,
) -> bool {
    let at = rng.below(model.len() + 2);
    match operation {
        4 => {
            let first = chain.buffer(0).map_or(0, |buffer| buffer.len());
            let is_single = chain.buffers() < 2;
            let tail = chain.dechain();
            assert_eq!(tail.is_none(), is_single);
            if let Some(tail) = tail {
                chains.push((tail, model.split_off(first)));
            }
        }
        5 => {
            if at <= model.len() {
                chains.push((chain.split_off(at), model.split_off(at)));
            }
        }
        6 => {
            chain.truncate(at);
            model.truncate(at);
        }
        7 => {
            chain.free_header(at);
            model.drain(..at.min(model.len()));
        }
        8 => {
            let first = chain.buffer(0).map_or(0, |buffer| buffer.len());
            assert_eq!(chain.remove_header(at), at <= first);
            if at <= first {
                model.drain(..at);
            }
        }
        9 => {
            let (len, room) = (rng.below(20), chain.header_room());
            if chain.add_header_forced(len) {
                assert!(len <= room);
                model.splice(..0, chain.to_vec()[..len].iter().copied());
            } else {
                assert!(len > room);
            }
        }
        10 => {
            let len = rng.below(20);
            let bytes = rng.bytes(len);
            match chain.write_at(at, &bytes) {
                Ok(()) => model[at..at + bytes.len()].copy_from_slice(&bytes),
                Err(WriteError::TooShort { .. }) => assert!(at + bytes.len() > model.len()),
                Err(WriteError::Shared(index)) => assert!(!chain.buffer(index).unwrap().is_unique()),
                Err(WriteError::ReadOnly(index, kind)) => {
                    assert_eq!(chain.buffer(index).unwrap().kind(), kind);
                    assert!(!kind.is_writable());
                }
            }
        }
        11 => {
            chain.make_writable().unwrap();
            chain.write(&vec![2; model.len()]).unwrap();
            model.fill(2);
        }
        12 => {
            chain.coalesce(Layer::Link).unwrap();
            assert!(chain.buffers() < 2);
        }
        13 => {
            let rest = chain.split_oversized(at);
            assert_eq!(rest.is_some(), model.len() > at);
            if let Some(rest) = rest {
                assert!(chain.len() <= at);
                let cut = chain.len();
                chains.push((rest, model.split_off(cut)));
            }
        }
        14 => {
            if let Some(first) = chain.pop_front() {
                model.drain(..first.len());
                chain.push_front(first.clone()).unwrap();
                model.splice(..0, first.iter().copied());
            }
        }
        _ => {
            let (source, bytes) = &chains[rng.below(chains.len())];
            let len = rng.below(bytes.len() + 1);
            if chain.copy_from_at(at, source, len).is_ok() {
                model[at..at + len].copy_from_slice(&bytes[..len]);
            }
        }
    }
    true
}

/// Every way to look at the bytes gives those of the model.
fn check(chain: &PbufChain, model: &[u8], step: usize) {
    assert_eq!((chain.len(), chain.is_empty()), (model.len(), model.is_empty()), "step {step}");
    assert_eq!(chain.iter().map(|buffer| buffer.len()).sum::<usize>(), model.len());
    assert_eq!(chain.iter().count(), chain.buffers());
    assert_eq!(chain.to_vec(), model, "step {step}");
    let mut read = Vec::new();
    chain.reader().read_to_end(&mut read).unwrap();
    assert_eq!(read, model);
    let at = step % (model.len() + 2);
    assert_eq!(chain.get(at), model.get(at).copied());
    let found = chain.skip(at);
    assert_eq!(found.is_some(), at < model.len());
    if let Some(found) = found {
        assert_eq!(chain.buffer(found.buffer).unwrap()[found.offset], model[at]);
    }
    let needle = model.get(at..(at + 3).min(model.len())).unwrap_or(&[9]);
    let naive = (0..=model.len()).find(|&start| model[start..].starts_with(needle));
    assert_eq!(chain.find(needle, 0), naive);
    let mut other = needle.to_vec();
    if let Some(last) = other.last_mut() {
        *last = 3;
        let expected = match model.get(at..at + other.len()) {
            None => Comparison::TooShort,
            Some(_) => Comparison::DiffersAt(other.len() - 1),
        };
        assert_eq!(chain.compare(at, &other), expected);
    }
    assert_eq!(chain.checksum(), slow_checksum(model));
    let mut scratch = [0; 7];
    let expected = model.get(at..).and_then(|rest| rest.get(..7));
    assert_eq!(chain.contiguous(at, 7, &mut scratch), expected);
}

/// The definition of RFC 1071 word by word.
fn slow_checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

#[test]
fn headers_pushed_then_room_used_and_refused_beyond() {
    let _ledger = Ledger::open();
    let pool = PbufPool::new(2, 128).unwrap();
    let mut chain = PbufChain::alloc(Layer::Transport, 60, Memory::Pool(&pool)).unwrap();
    assert_eq!(chain.iter().map(|buffer| buffer.len()).collect::<Vec<_>>(), [48, 12]);
    assert!(chain.add_header(20) && chain.add_header(40) && chain.add_header(20));
    assert_eq!((chain.header_room(), chain.len()), (0, 140));
    assert!(!chain.add_header(1));
    assert!(chain.remove_header(128), "all of the first buffer");
    assert!(!chain.remove_header(1), "never into the second");
    assert_eq!(chain.free_header(5), 1, "which free_header reaches");
    assert_eq!((chain.buffers(), chain.len()), (1, 7));
}

#[test]
fn memory_of_an_owner_then_header_only_by_force_and_within_it() {
    let _ledger = Ledger::open();
    let whole = Pbuf::from_owner(b"headerpayload".to_vec());
    let mut view = whole.slice(6..);
    assert!(!view.add_header(6));
    assert!(!view.add_header_forced(7));
    assert!(view.add_header_forced(6));
    assert_eq!(view, whole);
    let mut fixed = Pbuf::from_static(b"abc");
    assert!(fixed.remove_header(1));
    assert!(!fixed.add_header_forced(1), "static bytes are not counted, nor is their extent known");
}

#[test]
fn pool_too_small_for_a_chain_then_none_taken() {
    let _ledger = Ledger::open();
    let pool = PbufPool::new(3, 10).unwrap();
    assert!(PbufChain::alloc(Layer::Raw, 31, Memory::Pool(&pool)).is_err());
    assert_eq!(pool.stats().outstanding, 0);
    assert_eq!(PbufChain::alloc(Layer::Raw, 30, Memory::Pool(&pool)).unwrap().buffers(), 3);
    assert!(PbufChain::alloc(Layer::Link, 1, Memory::Pool(&pool)).is_err(), "no room for the header");
}

#[test]
fn read_in_pieces_then_no_byte_lost() {
    let _ledger = Ledger::open();
    let mut chain = ram(b"first\nsec");
    chain.push_back(Pbuf::empty()).unwrap();
    chain.cat(ram(b"ond\nthird")).unwrap();
    let lines: Vec<_> = chain.reader().lines().map(Result::unwrap).collect();
    assert_eq!(lines, ["first", "second", "third"]);
    let mut slices = [IoSlice::new(&[]); 8];
    assert_eq!(chain.io_slices(&mut slices), 2);
    assert_eq!((&*slices[0], &*slices[1]), (&b"first\nsec"[..], &b"ond\nthird"[..]));
    let mut reader = chain.reader();
    assert_eq!(reader.advance(12), 12);
    assert_eq!((reader.chunk(), reader.remaining()), (&b"\nthird"[..], 6));
    assert_eq!(reader.advance(100), 6);
    assert_eq!(reader.next(), None);
}

#[test]
fn checksum_written_with_bytes_then_that_of_the_bytes() {
    let _ledger = Ledger::open();
    let mut chain = ram(&[0; 5]);
    chain.cat(ram(&[0; 6])).unwrap();
    let mut sum = Checksum::new();
    chain.write_summed(0, b"abc", &mut sum).unwrap();
    chain.write_summed(3, b"defghijk", &mut sum).unwrap();
    assert_eq!(chain, b"abcdefghijk"[..]);
    assert_eq!(sum.finish(), slow_checksum(b"abcdefghijk"));
}

#[test]
fn repeated_pattern_then_found_where_it_first_is() {
    let _ledger = Ledger::open();
    let mut chain = ram(b"aaaaaaab");
    chain.cat(ram(b"aaaab")).unwrap();
    assert_eq!(chain.find(b"aaaab", 0), Some(3));
    assert_eq!(chain.find(b"aaaab", 4), Some(8));
    assert_eq!(chain.find(b"baa", 0), Some(7));
    assert_eq!(chain.find(b"c", 0), None);
    assert_eq!((chain.find(b"", 13), chain.find(b"", 14)), (Some(13), None));
}

// The hazards of lwIP's pbuf (the crate documentation has the list).

#[test]
fn hazard_300_references_then_count_holds() {
    let _ledger = Ledger::open();
    let buffer = Pbuf::copy_from(b"x").unwrap();
    let many = vec![buffer.clone(); 300];
    assert_eq!(buffer.references(), Some(301));
    drop(many);
    assert_eq!(buffer.references(), Some(1));
}

#[test]
fn hazard_free_of_300_buffers_then_300_counted() {
    let _ledger = Ledger::open();
    let mut chain = PbufChain::new();
    for _ in 0..300 {
        chain.cat(ram(b"x")).unwrap();
    }
    assert_eq!(chain.free(), 300);
}

#[test]
fn hazard_65535_and_10_bytes_then_65545() {
    let _ledger = Ledger::open();
    let mut chain = ram(&vec![0; 65_535]);
    chain.cat(ram(&[0; 10])).unwrap();
    assert_eq!(chain.len(), 65_545);
}

#[test]
fn hazard_chain_appended_to_itself_then_twice_as_long() {
    let _ledger = Ledger::open();
    let mut chain = ram(b"ab");
    let again = chain.clone();
    chain.cat(again).unwrap();
    assert_eq!(chain, b"abab"[..]);
    assert_eq!(chain.write(b"x"), Err(WriteError::Shared(0)));
    assert_eq!(chain.free(), 1);
}

#[test]
fn hazard_header_eaten_under_another_holder_then_holder_unchanged() {
    let _ledger = Ledger::open();
    let mut chain = ram(b"0123456789");
    chain.cat(ram(b"abcdefghij")).unwrap();
    let holder = chain.clone();
    assert_eq!(chain.free_header(15), 0);
    assert_eq!((holder.buffers(), holder.len()), (2, 20));
    assert_eq!(holder, b"0123456789abcdefghij"[..]);
    assert_eq!(holder.free(), 1);
    assert_eq!(chain, b"fghij"[..]);
}

#[test]
fn hazard_two_heads_on_one_tail_then_both_lengths_right() {
    let _ledger = Ledger::open();
    let tail = ram(b"tail");
    let (mut one, mut two) = (ram(b"1"), ram(b"22"));
    one.chain(&tail).unwrap();
    two.chain(&tail).unwrap();
    one.cat(ram(b"more")).unwrap();
    assert_eq!(one.truncate(3), 1);
    assert_eq!((one.len(), two.len(), tail.len()), (3, 6, 4));
    assert_eq!((one == b"1ta"[..], two == b"22tail"[..]), (true, true));
    assert_eq!(one.free(), 1, "its own head; the tail lives on");
    assert_eq!(tail.free(), 0);
    assert_eq!(two.free(), 2);
}

#[test]
fn hazard_cat_then_dechain_then_tail_is_the_callers() {
    let _ledger = Ledger::open();
    let mut chain = ram(b"head");
    chain.cat(ram(b"tail")).unwrap();
    let tail = chain.dechain().unwrap();
    assert_eq!((chain == b"head"[..], tail == b"tail"[..]), (true, true));
    assert!(chain.dechain().is_none());
}

#[test]
fn hazard_long_chain_dropped_then_no_recursion() {
    let _ledger = Ledger::open();
    let mut chain = PbufChain::new();
    let buffers = if cfg!(miri) { 1_000 } else { 1_000_000 };
    let byte = Pbuf::copy_from(b"x").unwrap();
    for _ in 0..buffers {
        chain.push_back(byte.clone()).unwrap();
    }
    drop(byte);
    assert_eq!(chain.len(), buffers);
    assert_eq!(chain.free(), 1);
}

#[test]
fn deep_copy_then_unique_and_with_room() {
    let _ledger = Ledger::open();
    let pool = PbufPool::new(8, 64).unwrap();
    let mut source = ram(b"shared ");
    source.push_back(Pbuf::from_static(b"and static")).unwrap();
    let other = source.clone();
    let mut copy = source.copied(Layer::Link, Memory::Pool(&pool)).unwrap();
    assert!(copy.is_unique());
    assert!(copy.add_header(16));
    copy.write(&[0; 16]).unwrap();
    assert!(copy.remove_header(16));
    assert_eq!(copy, other);
    assert_eq!(copy.free(), 1);
    assert_eq!(pool.stats().outstanding, 0);
    let mut one = PbufMut::alloc(Layer::Raw, 3).unwrap();
    one.fill(1);
    let mut single = PbufChain::from(one);
    let before = single.buffer(0).unwrap().as_slice().as_ptr();
    single.coalesce(Layer::Link).unwrap();
    assert_eq!(single.buffer(0).unwrap().as_slice().as_ptr(), before, "one buffer stays as it is");
}
