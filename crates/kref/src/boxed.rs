//! A counted box, for values that come from no pool.

use alloc::boxed::Box;
use core::cell::UnsafeCell;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::{CountOffset, Promote, Ref, RefCounted, Refcount, Unique, count_offset};

/// A `T` with a count beside it, in an allocation of its own. The header is the count's four bytes.
///
/// ```
/// use flumen_kref::{Boxed, Ref};
/// let shared = Boxed::new(String::from("a")).into_ref();
/// let also = shared.clone();
/// drop(shared);
/// let mut last = Ref::into_unique_or_drop(also).unwrap();
/// last.push('b');
/// assert_eq!(Boxed::into_inner(last), "ab");
/// ```
// The cell around both keeps the right to write in a pointer made from `&Boxed<T>`, which is what `Promote` asks for.
#[repr(transparent)]
pub struct Boxed<T>(UnsafeCell<Inner<T>>);

struct Inner<T> {
    count: Refcount,
    value: T,
}

// SAFETY:
// - `&Boxed<T>` gives `&T` (`Sync`), and may become a `Ref` and the last owner in the thread it reached (`Send`).
// - The cell itself is written through a `Unique` only, which no `&Boxed<T>` survives.
unsafe impl<T: Send + Sync> Sync for Boxed<T> {}

// SAFETY:
// - The field is private, and `new`, the only constructor, hands out a `Unique`. The type is not `Clone`.
// - Nothing touches the count here; `COUNT` is the macro's offset in `Inner`, around which the cell is transparent.
// - A `Boxed` does not know its place, so two may be swapped.
// - `release` gives back the box that `new` leaked.
unsafe impl<T> RefCounted for Boxed<T> {
    const COUNT: CountOffset<Self> = {
        let inner: CountOffset<Inner<T>> = count_offset!(Inner<T>, count);
        // SAFETY:
        // - `Boxed` and `UnsafeCell` have the layout of what they hold.
        unsafe { CountOffset::from_bytes(inner.bytes()) }
    };

    unsafe fn release(this: NonNull<Self>) {
        // SAFETY:
        // - The pointer is the one `new` leaked or, from `origin`, one with the same rights; the caller gives it up.
        drop(unsafe { Box::from_raw(this.as_ptr()) });
    }
}

// SAFETY:
// - Every byte lies in the cell, so a pointer made from the borrow may write and free.
// - A `&Boxed<T>` is had from a handle only.
// - `Sync` needs `Send` above.
unsafe impl<T> Promote for Boxed<T> {
    fn origin(&self) -> NonNull<Self> {
        NonNull::from(self)
    }
}

impl<T> Boxed<T> {
    /// Puts `value` on the heap. Share it with [`Unique::into_ref`].
    pub fn new(value: T) -> Unique<Self> {
        let boxed = Box::new(Self(UnsafeCell::new(Inner { count: Refcount::new(0), value })));
        // SAFETY:
        // - A fresh allocation, to which this is the only pointer, with its count at zero.
        unsafe { Unique::from_raw(NonNull::from(Box::leak(boxed))) }
    }

    /// Takes the value out of its box.
    #[must_use]
    pub fn into_inner(unique: Unique<Self>) -> T {
        let ptr = ManuallyDrop::new(unique).as_ptr();
        // SAFETY:
        // - The handle was the only one and is gone; the pointer is the one `new` leaked.
        let boxed = unsafe { Box::from_raw(ptr.as_ptr()) };
        boxed.0.into_inner().value
    }

    /// Another reference to the same value.
    #[must_use]
    pub fn to_ref(&self) -> Option<Ref<Self>> {
        Ref::from_borrow(self)
    }
}

impl<T> Deref for Boxed<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY:
        // - The value is written only through `&mut Boxed<T>`, which cannot exist beside this borrow.
        let inner = unsafe { &*self.0.get() };
        &inner.value
    }
}

impl<T> DerefMut for Boxed<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0.get_mut().value
    }
}

impl<T: fmt::Debug> fmt::Debug for Boxed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: fmt::Display> fmt::Display for Boxed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<T: PartialEq> PartialEq for Boxed<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Boxed<T> {}
