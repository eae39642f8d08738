//! The three rules of counting references, as examples. This module holds documentation only.
//!
//! They are the rules that the Linux kernel's `kref` document gives its users; there they are kept by review, here mostly
//! by the compiler. Under each rule: how it is kept, then each way to break it and what stops that.
//!
//! # 1. Take a reference before you hand one on
//!
//! Whoever receives a pointer may put it at once; so the giver that wants to go on using the value must own a reference
//! of its own by then.
//! ```
//! use flumen_kref::Boxed;
//! let mine = Boxed::new(vec![1, 2, 3]).into_ref();
//! let theirs = mine.clone(); // get, first
//! let sum = std::thread::spawn(move || theirs.iter().sum::<i32>()); // hand-off, then
//! assert_eq!(mine.len(), 3);
//! assert_eq!(sum.join().unwrap(), 6);
//! ```
//! A get after the hand-off does not compile:
//! ```compile_fail,E0382
//! # use flumen_kref::Boxed;
//! let mine = Boxed::new(vec![1, 2, 3]).into_ref();
//! let sum = std::thread::spawn(move || mine.iter().sum::<i32>());
//! let late = mine.clone(); // moved away
//! # sum.join().unwrap();
//! ```
//! Handing the only reference on, without get and put, is a move: it costs nothing, and the giver is done with the value.
//! ```compile_fail,E0382
//! # use flumen_kref::{Boxed, Ref};
//! let queue = std::sync::Mutex::new(Vec::new());
//! let mine: Ref<Boxed<i32>> = Boxed::new(1).into_ref();
//! queue.lock().unwrap().push(mine);
//! let late = **mine; // not ours to look at
//! ```
//! A value that is not meant for other threads cannot be handed to one:
//! ```compile_fail,E0277
//! # use flumen_kref::Boxed;
//! let mine = Boxed::new(std::cell::Cell::new(1)).into_ref();
//! std::thread::spawn(move || mine.set(2));
//! ```
//!
//! # 2. Put it when you are done
//!
//! The last put releases, exactly once. `Drop` puts on every path: early return, `?`, unwinding.
//! ```
//! use flumen_kref::{Boxed, Ref};
//! fn parse(text: Ref<Boxed<String>>) -> Result<i32, std::num::ParseIntError> {
//!     let number = text.parse::<i32>()?; // puts here, too
//!     Ok(number + 1)
//! }
//! let text = Boxed::new("no number".to_string()).into_ref();
//! assert!(parse(text.clone()).is_err());
//! assert_eq!(Ref::count(&text), 1);
//! ```
//! A second put does not compile:
//! ```compile_fail,E0382
//! # use flumen_kref::Boxed;
//! let mine = Boxed::new(1).into_ref();
//! drop(mine);
//! drop(mine);
//! ```
//! Nor does a use after the put, by the owner or by one that borrowed from it:
//! ```compile_fail,E0382
//! # use flumen_kref::Boxed;
//! let mine = Boxed::new(1).into_ref();
//! drop(mine);
//! assert_eq!(**mine, 1);
//! ```
//! ```compile_fail,E0505
//! # use flumen_kref::Boxed;
//! let mine = Boxed::new(1).into_ref();
//! let inside: &i32 = &**mine;
//! drop(mine);
//! assert_eq!(*inside, 1);
//! ```
//! Nor does a change to a value that others may be reading:
//! ```compile_fail,E0596
//! # use flumen_kref::Boxed;
//! let mine = Boxed::new(vec![1]).into_ref();
//! mine.push(2);
//! ```
//! Nor a put that forgets to say what releases: `release` is part of the type.
//! ```compile_fail,E0046
//! # use flumen_kref::{count_offset, CountOffset, RefCounted, Refcount};
//! struct Slot { count: Refcount }
//! unsafe impl RefCounted for Slot {
//!     const COUNT: CountOffset<Self> = count_offset!(Self, count);
//! }
//! ```
//! What compiles is the put that never comes: `mem::forget`, [`Ref::into_raw`](crate::Ref::into_raw), a cycle. That
//! leaks and is otherwise harmless (even 2^31 times, since the count saturates); tests catch it by a ledger of values
//! that are out, which must be zero at the end (`tests/handles.rs`). The put without its get takes `unsafe`:
//! ```compile_fail,E0133
//! # use flumen_kref::{Boxed, Ref};
//! let mine = Boxed::new(1).into_ref();
//! drop(Ref::from_raw(Ref::as_ptr(&mine)));
//! ```
//!
//! # 3. To take a reference without having one, keep the last put away meanwhile
//!
//! Between finding a pointer in a table and counting a reference, the last owner may put and release. Three ways to
//! rule that out, safest first.
//!
//! **The table owns a reference.** Then whoever finds one has one to clone, under the table's lock. Nothing here is
//! `unsafe`. The table removes what only it still holds:
//! ```
//! use flumen_kref::{Boxed, Ref};
//! use std::{collections::BTreeMap, sync::Mutex};
//!
//! type Session = Boxed<String>;
//! let table: Mutex<BTreeMap<u32, Ref<Session>>> = Mutex::default();
//! let lookup = |id: u32| table.lock().unwrap().get(&id).cloned();
//! let evict = |id: u32| {
//!     let mut sessions = table.lock().unwrap();
//!     let session = sessions.remove(&id)?;
//!     // From one reference to none, or nothing; no lookup can come between, whatever lock it holds.
//!     Ref::try_unique(session).map_err(|in_use| sessions.insert(id, in_use)).ok()
//! };
//!
//! table.lock().unwrap().insert(7, Boxed::new("seven".to_string()).into_ref());
//! let found = lookup(7).unwrap();
//! assert!(evict(7).is_none(), "in use");
//! drop(found);
//! assert_eq!(&**evict(7).unwrap(), "seven");
//! assert!(lookup(7).is_none());
//! ```
//!
//! **The release takes the table's lock**, and a lookup under that lock takes a reference unless there is none left.
//! Puts need no lock:
//! ```
//! use flumen_kref::{CountOffset, Ref, RefCounted, Refcount, Unique, count_offset};
//! use std::{collections::BTreeMap, ptr::NonNull, sync::Mutex};
//!
//! struct Session { count: Refcount, id: u32 }
//! struct Entry(NonNull<Session>); // owns nothing
//! // SAFETY: an address; what is done with it has its own reasons.
//! unsafe impl Send for Entry {}
//! static TABLE: Mutex<BTreeMap<u32, Entry>> = Mutex::new(BTreeMap::new());
//!
//! // SAFETY: `open` is the only constructor, and leaves a `Ref`; `release` undoes it.
//! unsafe impl RefCounted for Session {
//!     const COUNT: CountOffset<Self> = count_offset!(Self, count);
//!     unsafe fn release(this: NonNull<Self>) {
//!         // SAFETY: the caller owns the session alone.
//!         let id = unsafe { this.as_ref() }.id;
//!         TABLE.lock().unwrap().remove(&id);
//!         // SAFETY: from `open`, and from here on nobody can find it.
//!         drop(unsafe { Box::from_raw(this.as_ptr()) });
//!     }
//! }
//! fn open(id: u32) -> Ref<Session> {
//!     let session = NonNull::from(Box::leak(Box::new(Session { count: Refcount::new(0), id })));
//!     // SAFETY: new, and its count is zero.
//!     let session = unsafe { Unique::from_raw(session) }.into_ref();
//!     TABLE.lock().unwrap().insert(id, Entry(Ref::as_ptr(&session)));
//!     session
//! }
//! fn lookup(id: u32) -> Option<Ref<Session>> {
//!     let table = TABLE.lock().unwrap();
//!     // SAFETY: what is listed is not freed while the lock is held, for `release` takes it first.
//!     unsafe { Ref::try_get(table.get(&id)?.0) }
//! }
//!
//! let session = open(7);
//! assert_eq!(Ref::count(&lookup(7).unwrap()), 2);
//! drop(session);
//! assert!(lookup(7).is_none());
//! ```
//! (That table must not open an id again before the first has gone, or `release` has to compare the address too.)
//!
//! **The last put takes the lock before it counts to zero** ([`Ref::put_lock`](crate::Ref::put_lock)): what is in the
//! table is then alive, for as long as the lock is held.
//!
//! A get on a bare pointer, which is how this rule is broken, takes `unsafe`, and its safety section is this rule:
//! ```compile_fail,E0133
//! # use flumen_kref::{Boxed, Ref};
//! let mine = Boxed::new(1).into_ref();
//! let entry = Ref::as_ptr(&mine);
//! drop(mine);
//! let found = Ref::try_get(entry);
//! ```
//! A borrow kept in place of a reference does not outlive the reference:
//! ```compile_fail,E0597
//! # use flumen_kref::{Boxed, Ref, RefBorrow};
//! let kept: RefBorrow<'_, Boxed<i32>>;
//! {
//!     let mine = Boxed::new(1).into_ref();
//!     kept = Ref::as_borrow(&mine);
//! }
//! let late = kept.to_ref();
//! ```
//! A value that is not counted, for which there would be nothing to take, cannot be made:
//! ```compile_fail,E0423
//! # use flumen_kref::Boxed;
//! let on_the_stack = Boxed(1);
//! ```
//! and a get in the wrong place, or a put before its lock, is caught by loom in `tests/loom_wrong.rs`.
