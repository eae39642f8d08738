//! A borrow that can become a reference: what to pass down a call chain in place of `&Ref<T>`.

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::NonNull;

use crate::{Ref, RefCounted};

/// A borrowed `Ref`: one pointer wide, `Copy`, costs no atomic operation, and turns into a `Ref` where one is needed.
///
/// ```
/// use flumen_kref::{Boxed, Ref, RefBorrow};
/// fn keep_if_long(text: RefBorrow<'_, Boxed<String>>) -> Option<Ref<Boxed<String>>> {
///     (text.len() > 3).then(|| text.to_ref())
/// }
/// let text = Boxed::new("quite long".to_string()).into_ref();
/// let kept = keep_if_long(Ref::as_borrow(&text));
/// assert!(kept.is_some_and(|kept| Ref::ptr_eq(&kept, &text)));
/// ```
/// It does not outlive the reference it was borrowed from:
/// ```compile_fail,E0505
/// # use flumen_kref::{Boxed, Ref};
/// let text = Boxed::new(1).into_ref();
/// let borrow = Ref::as_borrow(&text);
/// drop(text);
/// let late = borrow.to_ref();
/// ```
pub struct RefBorrow<'a, T: RefCounted> {
    ptr: NonNull<T>,
    _borrows: PhantomData<&'a T>,
}

// SAFETY:
// - It can become a `Ref` in the thread it reaches, so it needs what a `Ref` needs.
unsafe impl<T: RefCounted + Send + Sync> Send for RefBorrow<'_, T> {}
// SAFETY:
// - As above.
unsafe impl<T: RefCounted + Send + Sync> Sync for RefBorrow<'_, T> {}

impl<'a, T: RefCounted> RefBorrow<'a, T> {
    /// Borrows a value through a pointer, for a table that keeps raw pointers.
    ///
    /// # Safety
    /// `ptr` came from [`Ref::into_raw`] or [`Ref::as_ptr`], and an owner holds the value for all of `'a`.
    #[must_use]
    #[inline]
    pub unsafe fn from_raw(ptr: NonNull<T>) -> Self {
        Self { ptr, _borrows: PhantomData }
    }

    /// The pointer the reference was made from.
    #[must_use]
    #[inline]
    pub fn as_ptr(self) -> NonNull<T> {
        self.ptr
    }

    /// One reference more: a get.
    #[must_use]
    #[inline]
    pub fn to_ref(self) -> Ref<T> {
        // SAFETY:
        // - An owner holds the value for `'a`; this handle stands for it for a moment and is not dropped.
        let held = ManuallyDrop::new(unsafe { Ref::from_raw(self.ptr) });
        Ref::clone(&held)
    }

    /// The value, for as long as the reference is borrowed (`Deref` gives it only for as long as `self` is).
    #[must_use]
    #[inline]
    pub fn value(self) -> &'a T {
        // SAFETY:
        // - An owner holds the value for `'a`, and nobody changes a shared value.
        unsafe { self.ptr.as_ref() }
    }
}

impl<T: RefCounted> Clone for RefBorrow<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: RefCounted> Copy for RefBorrow<'_, T> {}

impl<T: RefCounted> Deref for RefBorrow<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        self.value()
    }
}

impl<T: RefCounted + fmt::Debug> fmt::Debug for RefBorrow<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
