//! Reference-counted packet buffers: views of memory of several kinds, given back when the last reference goes.
//!
//! | type | what it is |
//! |---|---|
//! | [`PbufMut`] | a buffer nobody else refers to: made, filled, then [frozen](PbufMut::freeze) |
//! | [`Pbuf`] | a read-only view of a counted buffer; cloning shares it, narrowing concerns this view alone |
//! | [`PbufChain`] | a packet in several buffers: a list of views of its own over buffers that may be shared |
//! | [`PbufPool`] | a fixed number of buffers of one size in memory taken once, with a cache for each thread |
//!
//! The design is that of lwIP's pbuf with one cut: what is counted (the buffer) is kept apart from what describes a packet
//! (offset, length, next, total). In lwIP both are one node, and who shares the one shares the other; most of what can go wrong
//! there comes from this. Here descriptors are never shared and buffers are read-only while they are.
//! Counts are those of `flumen-kref`: 32 bits, saturating, embedded in the buffer.
//!
//! Chosen over `bytes` for: pools, header room, chains, and one count for a buffer of whatever kind without an allocation at the
//! first clone.
//!
//! ```
//! use flumen_pbuf::{Layer, Memory, Pbuf, PbufChain, PbufPool};
//!
//! let pool = PbufPool::new(32, 1536)?;
//! // A packet built from the inside out: the payload is shared, the headers are ours.
//! let payload = Pbuf::from_static(b"hello");
//! let mut packet = PbufChain::alloc(Layer::Ip, 8, Memory::Pool(&pool))?;
//! packet.write(b"UDPUDPUD").unwrap();
//! packet.push_back(payload).unwrap();
//! assert!(packet.add_header(2));
//! packet.write(b"IP").unwrap();
//! assert_eq!(packet, b"IPUDPUDPUDhello"[..]);
//! // Somebody holds on to it: from now on it is read-only, for both.
//! let held = packet.clone();
//! assert!(packet.write(b"xx").is_err());
//! drop(packet);
//! assert_eq!(held.free(), 1, "the pool's buffer; static bytes are not counted");
//! assert_eq!(pool.stats().outstanding, 0);
//! # Ok::<(), flumen_pbuf::AllocError>(())
//! ```
//!
//! # What lwIP leaves to discipline
//!
//! | with lwIP's pbuf | here |
//! |---|---|
//! | freed twice, freed with count 0, `pbuf_free(NULL)` | freeing takes the handle by value ([`PbufChain::free`]): it cannot be named again; there is no null |
//! | a buffer in the middle of a chain is freed | buffers of a chain are borrowed ([`PbufChain::iter`]) or taken out ([`PbufChain::pop_front`], [`PbufChain::split_off`]), never freed in place |
//! | the 256th reference makes the count 0 | 2^31 references; what is beyond is leaked, not freed |
//! | `pbuf_cat(a, a)`, or a chain appended to its own tail: an endless ring | [`PbufChain::cat`] takes the tail by value while it borrows the head; a list of views has no links that could form a ring |
//! | `pbuf_cat` where `pbuf_chain` was meant, then the tail is used | `cat` moves the tail, [`PbufChain::chain`] borrows it |
//! | a total that wraps at 65,536 | lengths are `usize`, and what would exceed it is refused with [`ChainTooLong`] |
//! | `pbuf_free` returns 44 for 300 buffers | [`PbufChain::free`] counts in `usize` |
//! | a header removed, or buffers eaten by `pbuf_free_header`, under another holder | views and list belong to one chain: nobody else's change |
//! | two heads on one tail: an append, or a cut, through one leaves the other's totals stale | as above; each chain has its own total |
//! | bytes written under another holder | writing needs a buffer without other references; else it is refused ([`WriteError::Shared`]) or copied first ([`PbufChain::make_writable`]) |
//! | read-only memory written through a `PBUF_ROM` or `PBUF_REF` | refused ([`WriteError::ReadOnly`]) |
//! | a volatile `PBUF_REF` outlives what it refers to | the owner lives in the buffer ([`Pbuf::from_owner`]) |
//! | a forced header before the start of foreign memory | never beyond what the owner gave ([`Pbuf::add_header_forced`]) |
//! | a custom buffer whose release was not set | the release is an argument ([`PbufMut::with_release`]), or the owner's `Drop` |
//! | a buffer given to a foreign pool | each buffer knows its pool; giving back names none |
//! | `pbuf_dechain` may have freed the tail it returns | the tail is returned, and the caller's ([`PbufChain::dechain`]) |
//! | `pbuf_coalesce` returns the chain as it was when memory is short | a `Result` ([`PbufChain::coalesce`]) |
//! | an empty last buffer is taken for the next packet of a queue, and copying aborts | a chain is one packet |
//! | use by two threads at once | counts are atomic; what is shared is read-only; `Send` and `Sync` say so |
//!
//! What types cannot rule out: references kept too long, a reference kept by its own buffer's owner, [`core::mem::forget`]. For these a pool has
//! a ledger: [`PoolStats::outstanding`] must be zero at teardown.
//!
//! A chain that was freed or handed over cannot be used:
//! ```compile_fail,E0382
//! # use flumen_pbuf::PbufChain;
//! let chain = PbufChain::new();
//! chain.free();
//! chain.free();
//! ```
//! ```compile_fail,E0382
//! # use flumen_pbuf::PbufChain;
//! let (mut head, tail) = (PbufChain::new(), PbufChain::new());
//! head.cat(tail);
//! tail.len();
//! ```
//! A chain cannot be appended to itself:
//! ```compile_fail,E0505
//! # use flumen_pbuf::PbufChain;
//! let mut chain = PbufChain::new();
//! PbufChain::cat(&mut chain, chain);
//! ```
//! Who may write is alone:
//! ```compile_fail,E0599
//! # use flumen_pbuf::{Layer, PbufMut};
//! let one = PbufMut::alloc(Layer::Raw, 1).unwrap();
//! let two = one.clone();
//! ```
//!
//! # Where lwIP's functions went
//!
//! | lwIP | here |
//! |---|---|
//! | `pbuf_alloc` | [`PbufChain::alloc`], [`PbufMut::alloc`], [`PbufPool::alloc_for`] |
//! | `pbuf_alloc_reference` | [`Pbuf::from_static`] (ROM), [`Pbuf::from_owner`] (REF) |
//! | `pbuf_alloced_custom` | [`PbufMut::from_owner`], [`PbufMut::with_release`] |
//! | `pbuf_realloc` | [`PbufChain::truncate`]; memory is not trimmed |
//! | `pbuf_add_header`, `_force`, `pbuf_remove_header`, `pbuf_header` | [`PbufChain::add_header`], [`add_header_forced`](PbufChain::add_header_forced), [`remove_header`](PbufChain::remove_header) |
//! | `pbuf_free_header` | [`PbufChain::free_header`] |
//! | `pbuf_ref`, `pbuf_free`, `pbuf_clen` | `Clone`, [`PbufChain::free`] or `Drop`, [`PbufChain::buffers`] |
//! | `pbuf_cat`, `pbuf_chain`, `pbuf_dechain` | [`PbufChain::cat`], [`chain`](PbufChain::chain), [`dechain`](PbufChain::dechain) |
//! | `pbuf_copy`, `pbuf_copy_partial_pbuf` | [`PbufChain::copy_from`], [`copy_from_at`](PbufChain::copy_from_at) |
//! | `pbuf_copy_partial`, `pbuf_get_contiguous` | [`PbufChain::copy_to`], [`contiguous`](PbufChain::contiguous) |
//! | `pbuf_skip`, `pbuf_try_get_at`, `pbuf_get_at`, `pbuf_put_at` | [`PbufChain::skip`], [`get`](PbufChain::get), [`set`](PbufChain::set) |
//! | `pbuf_take`, `pbuf_take_at`, `pbuf_fill_chksum` | [`PbufChain::write`], [`write_at`](PbufChain::write_at), [`write_summed`](PbufChain::write_summed) |
//! | `pbuf_memcmp`, `pbuf_memfind`, `pbuf_strstr` | [`PbufChain::compare`], [`find`](PbufChain::find) |
//! | `pbuf_clone`, `pbuf_coalesce` | [`PbufChain::copied`], [`coalesce`](PbufChain::coalesce) |
//! | `pbuf_split_64k` | [`PbufChain::split_oversized`], [`split_off`](PbufChain::split_off) |
//! | `inet_chksum_pbuf` | [`PbufChain::checksum`], [`Checksum`] |
//! | `pbuf_free_callback` | not needed: any thread may drop |
//! | pool exhaustion and its out-of-order hook | [`PoolExhausted`], [`PoolOptions::reclaim`] |

// Counts decide when memory is given back, and buffers of several kinds lie behind one pointer: neither can be said in safe
// code. Every block names its reasons; Miri runs them, loom those where threads meet, and `dev/lwip-diff` compares the
// outcome with lwIP's.
#![allow(unsafe_code)]

mod block;
mod chain;
mod checksum;
mod error;
mod kind;
mod pbuf;
mod pbuf_mut;
mod pool;
mod prim;

pub use chain::{ChainTooLong, Comparison, PbufChain, Position, Reader, WriteError};
pub use checksum::Checksum;
pub use error::{AllocError, PoolExhausted};
pub use kind::{Kind, Layer, Memory};
pub use pbuf::Pbuf;
pub use pbuf_mut::PbufMut;
pub use pool::{PbufPool, PoolOptions, PoolStats};
