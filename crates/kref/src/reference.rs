//! `Ref`: the shared handle. Get, put, last put, and the ways in which a reference is won or lost.

use core::borrow::Borrow;
use core::cmp::Ordering;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::pin::Pin;
use core::ptr::NonNull;
use core::{fmt, ptr};

use crate::{Promote, RefBorrow, RefCounted, Refcount, Unique};

/// One counted reference to a `T`, one pointer wide.
///
/// `Clone` is get and `Drop` is put; the last put calls [`RefCounted::release`]. Handing a `Ref` on by move costs
/// nothing. Like `Arc`, it has associated functions (`Ref::count(&r)`) in place of methods, which would hide those of `T`.
pub struct Ref<T: RefCounted> {
    ptr: NonNull<T>,
    _owns: PhantomData<T>,
}

// SAFETY:
// - A `Ref` in another thread reads the value there (`Sync`) and may be the last, which releases it there (`Send`).
unsafe impl<T: RefCounted + Send + Sync> Send for Ref<T> {}
// SAFETY:
// - `&Ref<T>` can be cloned into a `Ref<T>`, so it needs the same.
unsafe impl<T: RefCounted + Send + Sync> Sync for Ref<T> {}

impl<T: RefCounted> Ref<T> {
    /// Takes over one reference that the count already contains: undoes [`into_raw`](Self::into_raw).
    ///
    /// # Safety
    /// - `ptr` has the provenance the value was made with (not that of a `&T`), and the value is valid.
    /// - One of the counted references belongs to the caller and to nobody else, and passes to the handle.
    #[must_use]
    #[inline]
    pub unsafe fn from_raw(ptr: NonNull<T>) -> Self {
        Self { ptr, _owns: PhantomData }
    }

    /// Gives up the handle but not the reference: the pointer now owns it. For foreign interfaces and packed tables.
    #[must_use = "the reference is leaked unless the pointer is given to `from_raw`"]
    #[inline]
    pub fn into_raw(this: Self) -> NonNull<T> {
        ManuallyDrop::new(this).ptr
    }

    /// The pointer this handle was made from; it owns nothing.
    #[must_use]
    #[inline]
    pub fn as_ptr(this: &Self) -> NonNull<T> {
        this.ptr
    }

    /// Counts one reference more for a pointer that owns one.
    ///
    /// # Safety
    /// `ptr` came from [`into_raw`](Self::into_raw), and its reference has not been taken back.
    #[inline]
    pub unsafe fn increment(ptr: NonNull<T>) {
        // SAFETY:
        // - The pointer owns a reference, which this handle stands for a moment; it is not dropped.
        let held = ManuallyDrop::new(unsafe { Self::from_raw(ptr) });
        held.refcount().inc_held();
    }

    /// Get-unless-zero: a reference to a value that may be on its way out, or `None` if it is.
    ///
    /// The count says whether the value lives; that the *memory* does must be known otherwise. Either the pointer was
    /// found under a lock under which it is also removed before release ([`put_lock`](Self::put_lock), or a `release`
    /// that takes the lock), or the memory always holds values of this type, as in a pool; then the caller checks after
    /// success that the value is the one it looked for. Safe code has [`from_borrow`](Self::from_borrow), or a table
    /// that owns a `Ref` of each value, clones it, and removes with [`try_unique`](Self::try_unique).
    ///
    /// # Safety
    /// - `ptr` has the provenance the value was made with, and its memory stays valid for the whole call.
    /// - The count in it is that of a value made known by [`Unique::into_ref`], or zero.
    /// - No `&mut T` to it, as `Unique` and [`modify`](Self::modify) give out, is used during the call. A type of which
    ///   values are found this way is changed through cells or locks of its own, through pointers, or under the lock of
    ///   the lookup.
    #[must_use]
    #[inline]
    pub unsafe fn try_get(ptr: NonNull<T>) -> Option<Self> {
        // SAFETY:
        // - The memory is valid, says the caller, and holds a `T`.
        let count = unsafe { T::COUNT.count_of(ptr) };
        // SAFETY:
        // - As above, and a `Refcount` is only ever accessed atomically.
        let count = unsafe { count.as_ref() };
        // SAFETY:
        // - The reference just counted is the new handle's. The count was not zero, so the value is alive.
        count.inc_not_zero().then(|| unsafe { Self::from_raw(ptr) })
    }

    /// A reference from a plain borrow, without a second pointer to pass around. `None` if there is nothing to share
    /// yet or any more: the borrow is one of a [`Unique`], or is used within `release`.
    ///
    /// ```
    /// use flumen_kref::{Boxed, Ref};
    /// struct Watcher(Option<Ref<Boxed<u32>>>);
    /// impl Watcher {
    ///     fn look(&mut self, value: &Boxed<u32>) {
    ///         self.0 = Ref::from_borrow(value);
    ///     }
    /// }
    /// let value = Boxed::new(1).into_ref();
    /// let mut watcher = Watcher(None);
    /// watcher.look(&value);
    /// assert_eq!(Ref::count(&value), 2);
    /// ```
    #[must_use]
    #[inline]
    pub fn from_borrow(value: &T) -> Option<Self>
    where
        T: Promote,
    {
        let ptr = value.origin();
        // SAFETY:
        // - `value` is valid while borrowed, and `origin` has its address and full provenance.
        let count = unsafe { T::COUNT.count_of(ptr) };
        // SAFETY:
        // - As above.
        let count = unsafe { count.as_ref() };
        // A count goes from or to zero only by a handle given up, and the one from which this borrow comes is not
        // given up while the borrow lasts. So this check stays true.
        if count.read() == 0 {
            return None;
        }
        count.inc_held();
        // SAFETY:
        // - The reference just counted is the new handle's.
        Some(unsafe { Self::from_raw(ptr) })
    }

    /// A borrow that can be turned into a reference later, to pass down in place of `&Ref<T>`.
    #[must_use]
    #[inline]
    pub fn as_borrow(this: &Self) -> RefBorrow<'_, T> {
        // SAFETY:
        // - `this` holds the value while it is borrowed.
        unsafe { RefBorrow::from_raw(this.ptr) }
    }

    /// Puts this reference; the last owner gets the value back instead of releasing it. Of any number of owners that
    /// call this (or drop) at one time, exactly one is the last.
    #[must_use = "dropping the `Unique` releases the value"]
    #[inline]
    pub fn into_unique_or_drop(this: Self) -> Option<Unique<T>> {
        let this = ManuallyDrop::new(this);
        // SAFETY:
        // - The count has just gone from one to zero, so this thread owns the value alone; provenance as in `from_raw`.
        this.refcount().dec_held().then(|| unsafe { Unique::from_raw(this.ptr) })
    }

    /// The value back if this is the only reference, else the reference back: for an owner that removes what nobody
    /// uses, and keeps what is in use. No [`try_get`](Self::try_get) succeeds once this has.
    ///
    /// # Errors
    /// The reference itself, when there are others (or the count has saturated).
    #[inline]
    pub fn try_unique(this: Self) -> Result<Unique<T>, Self> {
        if !this.refcount().dec_if_one() {
            return Err(this);
        }
        // SAFETY:
        // - The count has just gone from one, ours, to zero, so this thread owns the value alone.
        Ok(unsafe { Unique::from_raw(Self::into_raw(this)) })
    }

    /// Runs `change` on the value if this is the only reference, and returns what it returns; `None` if it did not run.
    #[inline]
    pub fn modify<R>(this: &mut Self, change: impl FnOnce(&mut T) -> R) -> Option<R>
    where
        T: Unpin,
    {
        Self::modify_pinned(this, |value| change(value.get_mut()))
    }

    /// As [`modify`](Self::modify), for values that must not be moved. (A closure in place of a guard: a guard could be
    /// forgotten, and would leave the count at zero with this reference still there.)
    #[inline]
    pub fn modify_pinned<R>(this: &mut Self, change: impl FnOnce(Pin<&mut T>) -> R) -> Option<R> {
        if !this.refcount().dec_if_one() {
            return None;
        }
        // SAFETY:
        // - The count has just gone from one to zero, so this thread owns the value alone. `SharesAgain` gives it back.
        let mut unique = SharesAgain(ManuallyDrop::new(unsafe { Unique::from_raw(this.ptr) }));
        Some(change(unique.0.pin_mut()))
    }

    /// Puts this reference, and takes a lock only if it may be the last: `lock` returns the guard. The caller that was
    /// last gets the guard and the value: it takes the value out of the table that the lock protects, drops the guard,
    /// and drops the value, which releases it. All others get `None`, and hold no lock.
    ///
    /// With lookups ([`try_get`](Self::try_get)) under the same lock, nobody finds a value that is being released, and
    /// the lock is left alone by every put but the last. Any lock will do, so this is `kref_put_mutex` and
    /// `kref_put_lock` in one: `Ref::put_lock(r, || table.lock().unwrap())`.
    ///
    /// ```
    /// use flumen_kref::{Boxed, Ref};
    /// use std::sync::Mutex;
    /// let names = Mutex::new(vec!["a"]);
    /// let (one, two) = { let one = Boxed::new("a").into_ref(); (one.clone(), one) };
    /// for session in [one, two] {
    ///     if let Some((mut names, last)) = Ref::put_lock(session, || names.lock().unwrap()) {
    ///         names.retain(|name| name != &**last);
    ///         drop(names);
    ///     }
    /// }
    /// assert!(names.lock().unwrap().is_empty());
    /// ```
    ///
    /// Both parts of the tuple dropped as a whole, the guard goes first; so `release` may take the same lock.
    /// If `lock` panics, the reference is leaked, since the value may still be in the table.
    #[must_use = "the value is still in the table"]
    #[inline]
    pub fn put_lock<G>(this: Self, lock: impl FnOnce() -> G) -> Option<(G, Unique<T>)> {
        let this = ManuallyDrop::new(this);
        let guard = this.refcount().dec_and_lock(lock)?;
        // SAFETY:
        // - The count has just gone from one to zero, so this thread owns the value alone.
        Some((guard, unsafe { Unique::from_raw(this.ptr) }))
    }

    /// Puts the first reference of a chain and, while the put was the last of its value, that of the value `next` takes
    /// out of it: the way to release a list of any length without recursion. Stops at the first value that others hold.
    ///
    /// The type's own `release` must not drop the next link of a long chain either; calling this from there, with the
    /// link taken out first, is what the test of a million links does.
    pub fn put_chain(first: Self, mut next: impl FnMut(&mut Unique<T>) -> Option<Self>) {
        let mut link = Some(first);
        while let Some(mut unique) = link.take().and_then(Self::into_unique_or_drop) {
            link = next(&mut unique);
        }
    }

    /// The number of references at some moment; above [`Refcount::MAX`] if saturated.
    #[must_use]
    pub fn count(this: &Self) -> u32 {
        this.refcount().read()
    }

    /// Whether both refer to the same value.
    #[must_use]
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        ptr::eq(this.ptr.as_ptr(), other.ptr.as_ptr())
    }

    #[inline]
    fn refcount(&self) -> &Refcount {
        // SAFETY:
        // - The handle owns a reference, so the value is valid.
        let count = unsafe { T::COUNT.count_of(self.ptr) };
        // SAFETY:
        // - As above. A put may end the value while this borrow is in scope; a count is all `UnsafeCell`, for which
        //   that is allowed as long as it is not accessed afterwards.
        unsafe { count.as_ref() }
    }
}

impl<T: RefCounted> Clone for Ref<T> {
    /// Get: one relaxed increment. Saturates at 2^31 references, and the value is immortal then.
    #[inline]
    fn clone(&self) -> Self {
        self.refcount().inc_held();
        Self { ptr: self.ptr, _owns: PhantomData }
    }
}

/// The handle is a pointer: moving it does not move the value.
impl<T: RefCounted> Unpin for Ref<T> {}

impl<T: RefCounted> Drop for Ref<T> {
    /// Put: one decrement; the last one releases.
    #[inline]
    fn drop(&mut self) {
        if self.refcount().dec_held() {
            // SAFETY:
            // - The count has just gone from one to zero: this thread owns the value alone and does not use it again.
            unsafe { T::release(self.ptr) }
        }
    }
}

impl<T: RefCounted> Deref for Ref<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY:
        // - The handle owns a reference, so the value is valid, and shared values are not changed.
        unsafe { self.ptr.as_ref() }
    }
}

impl<T: RefCounted> AsRef<T> for Ref<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T: RefCounted> Borrow<T> for Ref<T> {
    fn borrow(&self) -> &T {
        self
    }
}

impl<T: RefCounted + fmt::Debug> fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: RefCounted + fmt::Display> fmt::Display for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<T: RefCounted + PartialEq> PartialEq for Ref<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: RefCounted + Eq> Eq for Ref<T> {}

impl<T: RefCounted + PartialOrd> PartialOrd for Ref<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (**self).partial_cmp(&**other)
    }
}

impl<T: RefCounted + Ord> Ord for Ref<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl<T: RefCounted + Hash> Hash for Ref<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

/// A value made unique for the time of a closure: shared again at the end, and on unwinding.
struct SharesAgain<T: RefCounted>(ManuallyDrop<Unique<T>>);

impl<T: RefCounted> Drop for SharesAgain<T> {
    fn drop(&mut self) {
        self.0.count().set_release(1);
    }
}
