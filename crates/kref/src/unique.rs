//! The sole owner: a value before it is shared, and again after it was.

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::ptr::NonNull;

use crate::{Ref, RefCounted, Refcount};

/// The only handle to a value, whose count is zero while it exists.
///
/// A value is built in a `Unique`, shared by [`into_ref`](Self::into_ref), and handed back to the last owner by
/// [`Ref::into_unique_or_drop`] or [`Ref::try_unique`]. Since the count is zero, no lookup ([`Ref::try_get`]) can
/// succeed meanwhile. Dropping it releases the value without an atomic operation.
///
/// It is not `Clone`:
/// ```compile_fail,E0277
/// # use flumen_kref::{Boxed, Unique};
/// let one = Boxed::new(1);
/// let two = Unique::clone(&one);
/// ```
pub struct Unique<T: RefCounted> {
    ptr: NonNull<T>,
    _owns: PhantomData<T>,
}

// SAFETY:
// - A `Unique` is the only way to its value, so moving it to a thread moves the value there.
unsafe impl<T: RefCounted + Send> Send for Unique<T> {}
// SAFETY:
// - `&Unique<T>` gives `&T` and nothing more: no count can be taken, since it is zero.
unsafe impl<T: RefCounted + Sync> Sync for Unique<T> {}

impl<T: RefCounted> Unique<T> {
    /// Takes ownership of a value that is in use from now on.
    ///
    /// # Safety
    /// - `ptr` points to a valid `T`, and its provenance allows all that `T::release` does with it.
    /// - Nobody else owns the value or has a borrow of it, and its count is zero.
    #[must_use]
    #[inline]
    pub unsafe fn from_raw(ptr: NonNull<T>) -> Self {
        let this = Self { ptr, _owns: PhantomData };
        debug_assert_eq!(this.count().read(), 0, "a value enters use with a count of zero");
        this
    }

    /// Gives up the handle without releasing the value: the pointer now owns it.
    #[must_use = "the value is leaked unless the pointer is given to `from_raw`"]
    #[inline]
    pub fn into_raw(self) -> NonNull<T> {
        ManuallyDrop::new(self).ptr
    }

    /// The pointer this handle was made from. For as long as the handle exists it is the only right to the value.
    #[must_use]
    #[inline]
    pub fn as_ptr(&self) -> NonNull<T> {
        self.ptr
    }

    /// Shares the value: the count goes from zero to one.
    #[must_use]
    #[inline]
    pub fn into_ref(self) -> Ref<T> {
        // Release: pairs with the Acquire of `try_get` by a thread that knows this memory from an earlier use.
        self.count().set_release(1);
        // SAFETY:
        // - The count is one, and that one is the new handle's; the provenance is what `from_raw` was promised.
        unsafe { Ref::from_raw(self.into_raw()) }
    }

    /// The value, to be changed in place but not moved: also for types that are not `Unpin`.
    #[must_use]
    #[inline]
    pub fn pin_mut(&mut self) -> Pin<&mut T> {
        // SAFETY:
        // - The value is valid and this is its only handle, mutably borrowed.
        let value = unsafe { self.ptr.as_mut() };
        // SAFETY:
        // - No handle ever moves its value or gives it out unpinned (but for `Unpin` types) before its release.
        unsafe { Pin::new_unchecked(value) }
    }

    #[inline]
    pub(crate) fn count(&self) -> &Refcount {
        // SAFETY:
        // - The value is valid while the handle exists.
        let count = unsafe { T::COUNT.count_of(self.ptr) };
        // SAFETY:
        // - It is the embedded count of a valid value, borrowed no longer than the handle.
        unsafe { count.as_ref() }
    }
}

/// The handle is a pointer: moving it does not move the value.
impl<T: RefCounted> Unpin for Unique<T> {}

impl<T: RefCounted> Drop for Unique<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY:
        // - This is the only handle, its count is zero, and it is gone after this.
        unsafe { T::release(self.ptr) }
    }
}

impl<T: RefCounted> Deref for Unique<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY:
        // - The value is valid while the handle exists, and changed through `&mut` of the handle only.
        unsafe { self.ptr.as_ref() }
    }
}

impl<T: RefCounted + Unpin> DerefMut for Unique<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.pin_mut().get_mut()
    }
}

impl<T: RefCounted> From<Unique<T>> for Ref<T> {
    fn from(unique: Unique<T>) -> Self {
        unique.into_ref()
    }
}

impl<T: RefCounted + fmt::Debug> fmt::Debug for Unique<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
