//! Access to a flow: a guard while its row is locked, a reference for as long as it is needed.
//!
//! A [`FlowGuard`] is what FLOWLOCK is in Suricata: whoever has it has the flow to himself. It costs nothing, since the
//! row's lock gives it. A [`FlowRef`] keeps the flow from being ended by time or force and its slot from being reused,
//! and gives access to its identity; to see more, its row is locked again with [`FlowTable::lock`](crate::FlowTable::lock).

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use flumen_kref::Ref;
use flumen_model::FlowKey;

use crate::bucket::Locked;
use crate::flow::{Beginning, Detail, Flow, FlowBody, FlowView};
use crate::prim::Witness;
use crate::side::Side;
use crate::storage::{FlowStore, beginning_place, body_place, detail_place, key_of, parent_of, view};

/// A reference to a flow: it is not ended by timeout or forced reuse while one exists, and its slot is not used again.
/// One pointer wide; `Clone` counts up, `Drop` counts down.
#[derive(Clone)]
pub struct FlowRef(pub(crate) Ref<Flow>);

impl FlowRef {
    /// Who talks to whom.
    #[must_use]
    pub fn key(&self) -> FlowKey {
        key_of(Ref::as_ptr(&self.0))
    }
    /// How many references there are, the table's own included: a snapshot.
    #[must_use]
    pub fn count(&self) -> u32 {
        Ref::count(&self.0)
    }
    pub(crate) fn is_of(&self, store: &FlowStore) -> bool {
        store.owns(&self.0)
    }
}

impl fmt::Debug for FlowRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlowRef").field(&self.key()).finish()
    }
}

/// Exclusive access to a flow, while its row is locked.
pub struct FlowGuard<'g> {
    flow: NonNull<Flow>,
    store: &'g FlowStore,
    /// The lock, when this guard took it itself; otherwise a row guard that is borrowed for `'g` has it.
    _lock: Option<Locked<'g>>,
    borrow: PhantomData<&'g mut FlowBody>,
}

impl<'g> FlowGuard<'g> {
    /// # Safety
    /// `flow` is a flow of `store` in a row whose lock the caller holds for `'g`, and no other guard of it exists
    /// meanwhile.
    pub(crate) unsafe fn new(flow: NonNull<Flow>, store: &'g FlowStore) -> Self {
        Self { flow, store, _lock: None, borrow: PhantomData }
    }
    /// The flow that `reference` refers to, when it still is in the row that was locked for it.
    pub(crate) fn of_reference(locked: Locked<'g>, reference: &FlowRef) -> Option<Self> {
        let flow = Ref::as_ptr(&reference.0);
        locked.has(flow).then(|| Self { flow, store: locked.store, _lock: Some(locked), borrow: PhantomData })
    }

    /// Who talks to whom.
    #[must_use]
    pub fn key(&self) -> FlowKey {
        key_of(self.flow)
    }
    /// What is known of the conversation.
    #[must_use]
    pub fn body(&self) -> FlowView<'_> {
        self.witness().read();
        // SAFETY:
        // - The row is locked (`new`, `of_reference`), and this guard is the only access under that lock.
        unsafe { view(self.flow) }
    }
    /// Origin of the flow that has the outsides of its packets.
    pub(crate) fn parent(&self) -> Option<u64> {
        parent_of(self.flow, &self.key())
    }
    /// All of the flow that changes, for writing.
    // Inlined for the reason that `Locked::find` is (a quarter of the time of `own_packet`).
    #[inline(always)]
    pub(crate) fn parts(&mut self) -> Parts<'_> {
        self.witness().write();
        // SAFETY:
        // - As in `body`; `&mut self`, borrowed as long as the parts, makes it the only borrow.
        let body = unsafe { &mut *body_place(self.flow) };
        // SAFETY:
        // - Likewise the beginning, which goes with the body.
        let beginning = unsafe { &mut *beginning_place(self.flow) };
        // SAFETY:
        // - Likewise the detail, which goes with the body and was written when the flow began.
        let detail = body.has_detail().then(|| unsafe { &mut *detail_place(self.flow) });
        let side = self.store.side_ptr(self.flow).map(|(layout, mut words)| {
            // SAFETY:
            // - The side goes with the body: under this lock, this guard is the only access to it.
            Side::new(layout, unsafe { words.as_mut() })
        });
        Parts { body, beginning, detail, side }
    }
    fn witness(&self) -> &Witness {
        // SAFETY:
        // - The flow is in the locked row, hence in use.
        &unsafe { self.flow.as_ref() }.body_use
    }
    /// A reference that outlives the guard (FlowReference).
    #[must_use]
    pub fn reference(&self) -> FlowRef {
        // SAFETY:
        // - The row owns a count while it is locked with the flow in it.
        unsafe { Ref::increment(self.flow) };
        // SAFETY:
        // - The count that was just taken passes to the handle.
        FlowRef(unsafe { Ref::from_raw(self.flow) })
    }
}

/// A flow, to be changed.
#[derive(Debug)]
pub(crate) struct Parts<'g> {
    pub(crate) body: &'g mut FlowBody,
    pub(crate) beginning: &'g mut Beginning,
    /// `None` for UDP.
    pub(crate) detail: Option<&'g mut Detail>,
    /// `None` when the configuration asks for none.
    pub(crate) side: Option<Side<'g>>,
}

impl fmt::Debug for FlowGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowGuard").field("key", &self.key()).field("body", &self.body()).finish()
    }
}

/// What of a flow of a locked row only its protocol has; as with [`body_of`].
pub(crate) fn detail_of<'l>(locked: &'l Locked<'_>, flow: NonNull<Flow>) -> Option<&'l Detail> {
    // SAFETY:
    // - The detail goes with the body, and was written when the flow began.
    body_of(locked, flow).has_detail().then(|| unsafe { &*detail_place(flow) })
}

/// Body of a flow of a locked row, for reading. The row must not be changed through a guard meanwhile, which borrowing
/// the lock ensures.
pub(crate) fn body_of<'l>(_locked: &'l Locked<'_>, flow: NonNull<Flow>) -> &'l FlowBody {
    // SAFETY:
    // - The flow is in the locked row, hence in use.
    unsafe { flow.as_ref() }.body_use.read();
    // SAFETY:
    // - The flow is in the locked row; a guard of it would borrow the row guard that owns `_locked` exclusively.
    unsafe { &*body_place(flow) }
}

/// The same with how the flow began.
pub(crate) fn view_of<'l>(locked: &'l Locked<'_>, flow: NonNull<Flow>) -> FlowView<'l> {
    let body = body_of(locked, flow);
    // SAFETY:
    // - The beginning goes with the body.
    FlowView { body, beginning: unsafe { &*beginning_place(flow) } }
}
