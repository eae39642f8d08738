//! What a type says to be counted: where its count is, and what its release does.

use core::marker::PhantomData;
use core::ptr::NonNull;
use core::{fmt, mem};

use crate::Refcount;

/// A type that embeds its count, to be held by [`Ref`](crate::Ref) and [`Unique`](crate::Unique).
///
/// # Safety
/// The implementor promises:
/// - **Every value is counted.** Code outside the type's own module can reach a value only through the handles of this
///   crate: constructors are private, and hand out a `Unique` or a `Ref`. The type is not `Clone`.
/// - **The count is not touched** except through those handles, once a handle exists. Before the first handle it is 0.
/// - `COUNT` is made by [`count_offset!`](crate::count_offset) and names the count embedded in this very value.
/// - **Values may be swapped** through `&mut` of a `Unique`, counts and all, since both counts are 0. A type for which
///   that breaks something (it stores its own place, say) is `!Unpin`; `Unique` then gives out `Pin<&mut T>` only.
/// - `release` takes the value out of use exactly as its documentation below says, and does not leave a handle to it.
///
/// # Example
/// ```
/// use core::ptr::NonNull;
/// use flumen_kref::{CountOffset, RefCounted, Refcount, Unique, count_offset};
///
/// pub struct Line {
///     count: Refcount,
///     pub text: String,
/// }
///
/// // SAFETY:
/// // - The private field `count` leaves `Line::new` as the only constructor, and that hands out a `Unique`.
/// // - The count is set there, and nothing touches it after; `COUNT` comes from the macro.
/// // - `release` gives back what `new` allocated.
/// unsafe impl RefCounted for Line {
///     const COUNT: CountOffset<Self> = count_offset!(Self, count);
///     unsafe fn release(this: NonNull<Self>) {
///         // SAFETY:
///         // - The pointer came from `Box::into_raw` in `new`, and the caller gives the value up.
///         drop(unsafe { Box::from_raw(this.as_ptr()) });
///     }
/// }
///
/// impl Line {
///     pub fn new(text: &str) -> Unique<Self> {
///         let line = Box::new(Self { count: Refcount::new(0), text: text.into() });
///         let line = NonNull::from(Box::leak(line));
///         // SAFETY:
///         // - A fresh allocation with its count at zero and no other pointer to it.
///         unsafe { Unique::from_raw(line) }
///     }
/// }
/// assert_eq!(Line::new("one").into_ref().text, "one");
/// ```
pub unsafe trait RefCounted: Sized {
    /// Where in the value its count is. Written `count_offset!(Self, field)`.
    const COUNT: CountOffset<Self>;

    /// Called once when the last owner is gone: by the last `Ref` put or by a dropped `Unique`. Frees the value or gives
    /// it back to its pool; the count is zero, and must be zero when the memory is next given to a `Unique`.
    ///
    /// The pointer is the one that was given to [`Unique::from_raw`](crate::Unique::from_raw) (or, for a
    /// [`Promote`] type, the one of its `origin`), with all its provenance.
    ///
    /// While a lookup may still reach the value ([`Ref::try_get`](crate::Ref::try_get)), `release` makes no `&mut` to it
    /// and no `Box` of it: it takes the value out of the table first, or works through the pointer.
    ///
    /// # Safety
    /// The caller owns the value alone, its count is zero, and it does not use the value again.
    unsafe fn release(this: NonNull<Self>);
}

/// A counted type whose `&T` can become a `Ref<T>` ([`Ref::from_borrow`](crate::Ref::from_borrow)).
///
/// A pointer made from `&T` may read the value but not free or change it, and a `Ref` may be the last, which does both.
/// So the type says how to get from a borrow back to the pointer it was made with. Three ways to do so: every byte of
/// the value lies in an `UnsafeCell`, which keeps the right to write ([`Boxed`](crate::Boxed) does that); the value
/// stores its place, as a pointer or as a pool and an index; or it lies in a pool that a static names.
/// Where none fits, hand out [`RefBorrow`](crate::RefBorrow) instead of `&T`: it needs nothing from the type.
///
/// # Safety
/// - `origin` returns the address of `self`, with provenance that allows all that `release` and a `Unique` do.
/// - While code outside the type's module can reach a `&T`, some `Ref`, `Unique` or `release` of it is borrowed or running.
/// - Sharing `&T` with a thread allows it to become the last owner: the type is `Sync` only if it is `Send` too.
pub unsafe trait Promote: RefCounted {
    /// The pointer from which this borrow came.
    fn origin(&self) -> NonNull<Self>;
}

/// The distance from the start of a `T` to its embedded [`Refcount`], checked by the compiler.
///
/// Made by [`count_offset!`](crate::count_offset) only. It goes both ways: from the value to its count, which is how the
/// handles find it, and from the count to the value, which is `container_of`. [`AnyRef`](crate::AnyRef) is the safe form
/// of the latter.
pub struct CountOffset<T> {
    bytes: usize,
    _of: PhantomData<fn(T) -> T>,
}

impl<T> CountOffset<T> {
    /// For [`count_offset!`](crate::count_offset) only.
    ///
    /// # Safety
    /// A `Refcount` lies `bytes` from the start of every `T`.
    #[doc(hidden)]
    #[must_use]
    pub const unsafe fn from_bytes(bytes: usize) -> Self {
        assert!(bytes + size_of::<Refcount>() <= size_of::<T>());
        assert!(bytes.is_multiple_of(mem::align_of::<Refcount>()));
        Self { bytes, _of: PhantomData }
    }

    /// The distance in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.bytes
    }

    /// The count embedded in `value`, with the provenance of `value` whole: no borrow is made, so this is right even
    /// where the rest of the value is being written.
    ///
    /// # Safety
    /// `value` points to memory for a `T` within one allocation.
    #[must_use]
    #[inline]
    pub const unsafe fn count_of(self, value: NonNull<T>) -> NonNull<Refcount> {
        // SAFETY:
        // - The offset lies within `T` (checked in `from_bytes`), and `value` points to the room for one.
        unsafe { value.byte_add(self.bytes) }.cast()
    }

    /// The value in which `count` is embedded: `container_of`.
    ///
    /// # Safety
    /// `count` came from [`count_of`](Self::count_of) of the same offset (not from a `&Refcount`, whose provenance is
    /// four bytes wide).
    #[must_use]
    #[inline]
    pub const unsafe fn container_of(self, count: NonNull<Refcount>) -> NonNull<T> {
        // SAFETY:
        // - The caller vouches that this undoes `count_of`, so the result lies in the same allocation.
        unsafe { count.byte_sub(self.bytes) }.cast()
    }
}

impl<T> Clone for CountOffset<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for CountOffset<T> {}

impl<T> fmt::Debug for CountOffset<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CountOffset({})", self.bytes)
    }
}

/// The [`CountOffset`] of a field: `count_offset!(Self, field)`. The field must be a [`Refcount`] and nothing else.
///
/// ```compile_fail,E0308
/// # use flumen_kref::{CountOffset, Refcount, count_offset};
/// struct Far { count: Box<Refcount> } // not embedded
/// const COUNT: CountOffset<Far> = count_offset!(Far, count);
/// ```
#[macro_export]
macro_rules! count_offset {
    ($value:ty, $field:ident) => {{
        // A raw borrow, since a plain one would also accept a field that dereferences to a count.
        let _the_field_is_a_count: fn(&$value) -> *const $crate::Refcount = |value| &raw const value.$field;
        // SAFETY:
        // - `offset_of!` gives the field's offset, and the line above does not compile unless it is a `Refcount`.
        unsafe { $crate::CountOffset::<$value>::from_bytes(::core::mem::offset_of!($value, $field)) }
    }};
}
