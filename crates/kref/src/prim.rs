//! The seam for model checking: the count's atomics come from here, from `core`, or from loom under `--cfg loom`.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicI32, Ordering};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicI32, Ordering};
