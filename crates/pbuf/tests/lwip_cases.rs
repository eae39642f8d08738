//! The eight situations that lwIP's own unit tests of pbuf put to the test, restated for the types here, with what
//! differs and why. Each ends with the pool's ledger at zero.

mod ledger;

use flumen_pbuf::{Layer, Memory, Pbuf, PbufChain, PbufMut, PbufPool, WriteError};
use ledger::Ledger;

fn pool(count: usize, size: usize) -> PbufPool {
    PbufPool::new(count, size).unwrap()
}

fn all_back(pool: &PbufPool) {
    assert_eq!(pool.stats().outstanding, 0, "a buffer was kept");
}

/// A chain of heap buffers of these lengths, filled by counting from `first`.
fn chain_of(lengths: &[usize], first: u8) -> PbufChain {
    let mut chain = PbufChain::new();
    let mut next = first;
    for &len in lengths {
        let mut buffer = PbufMut::alloc(Layer::Raw, len).unwrap();
        for byte in &mut *buffer {
            *byte = next;
            next = next.wrapping_add(1);
        }
        chain.push_back(buffer).unwrap();
    }
    chain
}

#[test]
fn nothing_asked_for_then_one_empty_buffer_of_each_kind() {
    let _ledger = Ledger::open();
    let pool = pool(1, 64);
    for memory in [Memory::Ram, Memory::Pool(&pool)] {
        let chain = PbufChain::alloc(Layer::Raw, 0, memory).unwrap();
        assert_eq!((chain.buffers(), chain.len()), (1, 0));
        assert_eq!(chain.free(), 1);
    }
    assert!(Pbuf::from_static(&[]).is_empty());
    assert!(Pbuf::from_owner(Vec::new()).is_empty());
    all_back(&pool);
}

/// lwIP refuses this copy: it takes what follows the empty buffer for another packet of a queue. A chain here is one
/// packet, with no such doubt, so the copy is made.
#[test]
fn empty_last_buffer_then_copied() {
    let _ledger = Ledger::open();
    let pool = pool(4, 512);
    let mut source = PbufChain::alloc(Layer::Raw, 1024, Memory::Ram).unwrap();
    let mut empty = PbufChain::alloc(Layer::Raw, 10, Memory::Pool(&pool)).unwrap();
    empty.truncate(0);
    source.cat(empty).unwrap();
    assert_eq!((source.buffers(), source.len()), (2, 1024));
    assert!(source.iter().all(|buffer| buffer.references() == Some(1)));
    source.write(&[7; 1024]).unwrap();
    let mut target = PbufChain::alloc(Layer::Raw, 1024, Memory::Pool(&pool)).unwrap();
    target.copy_from(&source).unwrap();
    assert_eq!(target, source);
    drop((source, target));
    all_back(&pool);
}

#[test]
fn borders_that_do_not_match_then_bytes_copied() {
    let _ledger = Ledger::open();
    let source = chain_of(&[16; 8], 0);
    let mut target = chain_of(&[35, 81, 27], 200);
    target.copy_from(&source).unwrap();
    for offset in 0..source.len() {
        assert_eq!(target.get(offset), source.get(offset));
    }
    assert_eq!(target.get(128), Some(200_u8.wrapping_add(128)), "what lies behind is as it was");
}

#[test]
fn part_copied_then_rest_untouched_and_what_does_not_fit_refused() {
    let _ledger = Ledger::open();
    let mut source = PbufChain::from(Pbuf::from_static(b"abc"));
    source.push_back(Pbuf::from_static(b"def")).unwrap();
    let fresh = || PbufChain::from(Pbuf::copy_from(b"0123456789").unwrap());
    let mut target = fresh();
    assert_eq!(target.copy_from_at(5, &source, 6), Err(WriteError::TooShort { wanted: 11, len: 10 }));
    assert_eq!(target.copy_from_at(0, &source, 7), Err(WriteError::TooShort { wanted: 7, len: 6 }));
    assert_eq!(target, b"0123456789"[..]);
    for (offset, len, expected) in [
        (0, 6, b"abcdef6789"),
        (1, 6, b"0abcdef789"),
        (4, 6, b"0123abcdef"),
        (6, 3, b"012345abc9"),
        (6, 4, b"012345abcd"),
        (10, 0, b"0123456789"),
    ] {
        let mut target = fresh();
        target.copy_from_at(offset, &source, len).unwrap();
        assert_eq!(target, expected[..], "offset {offset}, length {len}");
    }
}

#[test]
fn small_packet_split_for_size_then_unchanged() {
    let _ledger = Ledger::open();
    let mut chain = chain_of(&[1], 9);
    assert!(chain.split_oversized(0xffff).is_none());
    assert_eq!((chain.buffers(), chain.len(), chain.buffer(0).unwrap().references()), (1, 1, Some(1)));
}

/// In lwIP the two appends wrap the 16-bit total, and splitting undoes it. Here the total is right all the time.
#[test]
fn chain_of_more_than_64k_then_split_into_its_packets() {
    let _ledger = Ledger::open();
    let pool = pool(400, 512);
    let lengths = [65_535, 65_530, 50_050];
    let mut packets = lengths.map(|len| PbufChain::alloc(Layer::Raw, len, Memory::Pool(&pool)).unwrap());
    for (packet, fill) in packets.iter_mut().zip(1..) {
        let bytes = vec![fill; packet.len()];
        packet.write(&bytes).unwrap();
    }
    let [mut queue, second, third] = packets;
    queue.cat(second).unwrap();
    queue.cat(third).unwrap();
    assert_eq!(queue.len(), lengths.iter().sum());
    let mut rest = queue.split_oversized(0xffff).unwrap();
    let last = rest.split_oversized(0xffff).unwrap();
    for ((packet, len), fill) in [queue, rest, last].into_iter().zip(lengths).zip(1..) {
        assert_eq!(packet.len(), len);
        assert_eq!(packet, vec![fill; len][..]);
        assert!(packet.is_unique());
    }
    all_back(&pool);
}

#[test]
fn bytes_written_at_the_border_of_two_buffers_then_read_back() {
    let _ledger = Ledger::open();
    let pool = pool(4, 512);
    let mut chain = PbufChain::alloc(Layer::Raw, 1024, Memory::Pool(&pool)).unwrap();
    let first = chain.buffer(0).unwrap().len();
    let data = [1, 8, 82, 91];
    chain.write(&[0; 1024]).unwrap();
    for offset in [0, first - 1, first, 1020] {
        chain.write_at(offset, &data).unwrap();
        let mut back = [0; 4];
        assert_eq!(chain.copy_to(offset, &mut back), 4);
        assert_eq!(back, data);
        chain.write_at(offset, &[0; 4]).unwrap();
    }
    assert!(chain.to_vec().iter().all(|&byte| byte == 0), "and nothing else was written");
    drop(chain);
    all_back(&pool);
}

#[test]
fn byte_set_at_the_start_of_the_second_buffer_then_got_there() {
    let _ledger = Ledger::open();
    let pool = pool(4, 512);
    let mut chain = PbufChain::alloc(Layer::Raw, 1024, Memory::Pool(&pool)).unwrap();
    let border = chain.buffer(0).unwrap().len();
    chain.set(border, 0x5a).unwrap();
    assert_eq!(chain.get(border), Some(0x5a));
    assert_eq!(chain.buffer(1).unwrap().as_slice()[0], 0x5a);
    drop(chain);
    all_back(&pool);
}
