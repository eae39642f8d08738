//! What cannot be reached from outside: lengths at the end of the address space.

use super::{ChainTooLong, PbufChain};
use crate::Pbuf;

/// A chain that says it is this long. Its bytes must not be looked at.
fn claiming(len: usize) -> PbufChain {
    let mut chain = PbufChain::from(Pbuf::from_static(b"abc"));
    chain.len = len;
    chain
}

#[test]
fn total_beyond_usize_then_refused_and_given_back() {
    let mut chain = claiming(usize::MAX - 2);
    let tail = PbufChain::from(Pbuf::from_static(b"abc"));
    assert!(chain.chain(&tail).is_err());
    let ChainTooLong(tail) = chain.cat(tail).unwrap_err();
    assert_eq!((chain.buffers(), chain.len(), tail.len()), (1, usize::MAX - 2, 3));
    let ChainTooLong(buffer) = chain.push_back(Pbuf::from_static(b"abc")).unwrap_err();
    let ChainTooLong(buffer) = chain.push_front(buffer).unwrap_err();
    assert_eq!((chain.buffers(), buffer.len()), (1, 3));
    chain.push_back(Pbuf::from_static(b"ab")).unwrap();
    assert_eq!(chain.len(), usize::MAX);
    assert!(!chain.add_header_forced(1));
}

#[test]
fn nothing_written_to_a_shared_buffer_then_nothing_refused() {
    let mut chain = PbufChain::from(Pbuf::from_static(b"abc"));
    assert_eq!(chain.write_at(1, b""), Ok(()));
    assert!(chain.write_at(4, b"").is_err());
    assert!(chain.write_at(usize::MAX, b"x").is_err());
}
