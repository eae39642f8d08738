//! Reference-counted packet buffers: views of memory of several kinds that is given back when the last reference goes.
//!
//! A buffer is made and filled by who owns it alone ([`PbufMut`]), then frozen into a [`Pbuf`] that can be shared, read-only.

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
