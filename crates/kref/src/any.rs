//! A reference whose type is known at run time only, held by the count rather than by the value.
//!
//! Whoever keeps values of several types alive (a queue of things to put later, a buffer that points into memory owned
//! by something else) holds the address of the count. The way back from the count to the value, `container_of`, is the
//! type's own [`CountOffset`](crate::CountOffset), and it is only taken after the type was compared.

use core::any::{Any, TypeId, type_name};
use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use crate::{Ref, RefCounted, Refcount};

/// A counted reference to a value of any [`RefCounted`] type, two pointers wide.
///
/// ```
/// use flumen_kref::{AnyRef, Boxed, Ref};
/// let owners = [AnyRef::from(Boxed::new(7_u8).into_ref()), AnyRef::from(Boxed::new("seven").into_ref())];
/// let number: Ref<Boxed<u8>> = owners[0].clone().downcast().unwrap();
/// assert_eq!((**number, Ref::count(&number)), (7, 2));
/// assert!(owners[1].clone().downcast::<Boxed<u8>>().is_err());
/// ```
pub struct AnyRef {
    count: NonNull<Refcount>,
    class: &'static Class,
}

/// What is to be known of the type.
struct Class {
    id: TypeId,
    name: fn() -> &'static str,
    release: unsafe fn(NonNull<Refcount>),
}

/// Gives every counted type its one `Class`.
trait Classed: RefCounted + Any {
    const CLASS: &'static Class =
        &Class { id: TypeId::of::<Self>(), name: type_name::<Self>, release: release_container::<Self> };
}

impl<T: RefCounted + Any> Classed for T {}

// SAFETY:
// - An `AnyRef` is made from a `Ref` of a type that is `Send` and `Sync`, and can do no more than that.
unsafe impl Send for AnyRef {}
// SAFETY:
// - As above.
unsafe impl Sync for AnyRef {}

impl AnyRef {
    /// The typed reference back.
    ///
    /// # Errors
    /// The reference itself, if it is one to another type.
    pub fn downcast<T: RefCounted + Any>(self) -> Result<Ref<T>, Self> {
        if self.class.id != TypeId::of::<T>() {
            return Err(self);
        }
        let count = ManuallyDrop::new(self).count;
        // SAFETY:
        // - The type is the one this was made from, so the count was found by this offset in `from`.
        let value = unsafe { T::COUNT.container_of(count) };
        // SAFETY:
        // - The reference of `self` passes on; the pointer is the one it was made from.
        Ok(unsafe { Ref::from_raw(value) })
    }

    /// The number of references at some moment; above [`Refcount::MAX`] if saturated.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.refcount().read()
    }

    fn refcount(&self) -> &Refcount {
        // SAFETY:
        // - The handle owns a reference, so the value is valid and its count with it.
        unsafe { self.count.as_ref() }
    }
}

impl<T: RefCounted + Any + Send + Sync> From<Ref<T>> for AnyRef {
    fn from(typed: Ref<T>) -> Self {
        // SAFETY:
        // - The value is valid while this reference to it exists, and that passes on to the new handle.
        let count = unsafe { T::COUNT.count_of(Ref::into_raw(typed)) };
        Self { count, class: T::CLASS }
    }
}

impl Clone for AnyRef {
    fn clone(&self) -> Self {
        self.refcount().inc_held();
        Self { count: self.count, class: self.class }
    }
}

impl Drop for AnyRef {
    fn drop(&mut self) {
        if self.refcount().dec_held() {
            // SAFETY:
            // - The count has just gone from one to zero, so this thread owns the value alone; `class` is its type's.
            unsafe { (self.class.release)(self.count) }
        }
    }
}

impl fmt::Debug for AnyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyRef").field(&(self.class.name)()).finish()
    }
}

/// # Safety
/// `count` was found by `T::COUNT` in a `T`, and the caller may release that.
unsafe fn release_container<T: RefCounted>(count: NonNull<Refcount>) {
    // SAFETY:
    // - The count was found by this same offset.
    let value = unsafe { T::COUNT.container_of(count) };
    // SAFETY:
    // - The caller owns the value alone.
    unsafe { T::release(value) }
}
