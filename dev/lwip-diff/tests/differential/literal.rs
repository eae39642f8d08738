//! What random operations on packets of less than 64 KiB do not reach: splitting oversized chains, and allocations that
//! fail half-way.

use super::{ffi, interpose};
use core::ptr::null_mut;
use flumen_pbuf::{Layer, Memory, PbufChain, PbufPool};

#[test]
fn three_packets_in_one_chain_split_then_as_they_were() {
    let _alone = interpose::alone();
    let lengths = [65_535_u16, 65_530, 50_050];
    // SAFETY: plain allocations; appending hands the tails over. The totals wrap, as they are meant to.
    let head = unsafe {
        let [head, second, third] = lengths.map(|len| ffi::pbuf_alloc(0, len, ffi::POOL));
        ffi::pbuf_cat(head, second);
        ffi::pbuf_cat(head, third);
        head
    };
    let pool = PbufPool::new(200, 1536).unwrap();
    let mut chain = PbufChain::new();
    for len in lengths {
        chain.cat(PbufChain::alloc(Layer::Raw, len.into(), Memory::Pool(&pool)).unwrap()).unwrap();
    }
    let (mut there, mut here) = (head, Some(chain));
    for len in lengths {
        let mut chain = here.take().unwrap();
        here = chain.split_oversized(0xffff);
        let mut rest = null_mut();
        // SAFETY: alive; what is split off is a chain of its own.
        unsafe { ffi::pbuf_split_64k(there, &raw mut rest) };
        // SAFETY: alive.
        let (total, buffers) = unsafe { ((*there).tot_len, ffi::pbuf_clen(there)) };
        assert_eq!((total, total), (len, u16::try_from(chain.len()).unwrap()));
        assert_eq!(usize::from(buffers), chain.buffers());
        // SAFETY: alive, and given up.
        let freed = unsafe { ffi::pbuf_free(there) };
        assert_eq!(usize::from(freed), chain.free());
        there = rest;
    }
    assert!(there.is_null() && here.is_none());
    assert_eq!((interpose::blocks_alive(), pool.stats().outstanding), (0, 0));
}

#[test]
fn allocation_fails_half_way_then_nothing_kept_on_either_side() {
    let _alone = interpose::alone();
    for free in 0..4 {
        interpose::fail_after(free);
        // SAFETY: a plain allocation of three buffers.
        let there = unsafe { ffi::pbuf_alloc(0, 4000, ffi::POOL) };
        interpose::fail_after(usize::MAX);
        let pool = PbufPool::new(free, 1536).unwrap();
        let here = PbufChain::alloc(Layer::Raw, 4000, Memory::Pool(&pool));
        assert_eq!(there.is_null(), here.is_err(), "{free} buffers free");
        if free < 3 {
            assert_eq!((interpose::blocks_alive(), pool.stats().outstanding), (0, 0));
            assert_eq!(pool.stats().exhausted, 1);
        } else {
            // SAFETY: alive, and given up.
            assert_eq!(unsafe { ffi::pbuf_free(there) }, 3);
            assert_eq!(here.unwrap().free(), 3);
        }
    }
}
