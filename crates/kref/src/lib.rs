//! Reference counts that live inside the value they count.
//!
//! A type embeds a [`Refcount`] of four bytes, says where it is and what happens when it reaches zero
//! ([`RefCounted`]), and is then held by [`Ref<T>`]: one pointer wide, `Clone` is get, `Drop` is put. The last put calls
//! the type's own `release`, so a value goes back to the pool it came from rather than to the allocator.
//!
//! | handle | means | count while it exists |
//! |---|---|---|
//! | [`Unique<T>`] | sole owner, may change the value | 0 |
//! | [`Ref<T>`] | one of the owners, may read it | one more for each |
//! | [`RefBorrow<'a, T>`] | reads it while an owner is borrowed, can become a `Ref` | – |
//! | [`AnyRef`] | a `Ref` whose type is known at run time only | one more for each |
//!
//! 1. A count of zero means that exactly one party owns the value outside of the count: a `Unique`, the type's `release`,
//!    or the pool in which it lies. A count at zero never rises again except by [`Unique::into_ref`].
//! 2. A count of 1 to [`Refcount::MAX`] is the number of owners.
//! 3. Anything else is saturated: the count was misused or overflowed, the value is leaked and stays valid for ever. That
//!    is reported once for each count ([`fault`]). Nothing here panics.
//!
//! Chosen over `Arc` for: four bytes of header in place of sixteen; release by type; no abort on overflow; a handle from
//! a plain borrow; lookup of values that may be dying ([`Ref::try_get`]); putting under a lock that is only taken when it
//! is needed ([`Ref::put_lock`]). There is no weak count. [`rules`] restates the three rules of counting as examples.
//!
//! # Example
//! ```
//! use flumen_kref::{Boxed, Ref};
//!
//! let mut page = Boxed::new([0_u8; 64]); // Unique: may be changed
//! page[0] = 7;
//! let page = page.into_ref(); // Ref: may be shared
//! let reader = page.clone();
//! let seen = std::thread::spawn(move || reader[0]).join().unwrap();
//! assert_eq!((seen, Ref::count(&page)), (7, 1));
//! ```
#![no_std]
// The counts decide when memory is given back; that cannot be said in safe code. Every block names its reasons, Miri runs
// every line, and loom runs every ordering.
#![allow(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod any;
mod borrow;
#[cfg(feature = "alloc")]
mod boxed;
mod counted;
pub mod fault;
mod prim;
mod refcount;
mod reference;
pub mod rules;
mod unique;

pub use any::AnyRef;
pub use borrow::RefBorrow;
#[cfg(feature = "alloc")]
pub use boxed::Boxed;
pub use counted::{CountOffset, Promote, RefCounted};
pub use fault::Fault;
pub use refcount::Refcount;
pub use reference::Ref;
pub use unique::Unique;
