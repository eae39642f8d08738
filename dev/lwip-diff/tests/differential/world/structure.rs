//! Operations on lengths, links and references.

use super::{LEN_MAX, ROOTS_MAX, Root, World, ffi, get, nodes, short};
use core::ptr::NonNull;

impl World {
    pub(super) fn free(&mut self, root: Root) {
        // SAFETY: a root is one reference.
        let there = unsafe { ffi::pbuf_free(root.there.as_ptr()) };
        assert_eq!(usize::from(there), root.here.free() % 256, "buffers freed");
    }
    pub(super) fn share(&mut self, index: usize) -> bool {
        if self.roots.len() >= ROOTS_MAX {
            return false;
        }
        let Root { there, here } = &self.roots[index];
        // SAFETY: alive.
        unsafe { ffi::pbuf_ref(there.as_ptr()) };
        let copy = Root { there: *there, here: here.clone() };
        self.roots.push(copy);
        true
    }
    /// `pbuf_cat`, or `pbuf_chain`.
    pub(super) fn append(&mut self, is_taken_over: bool) -> bool {
        let tail = self.take_root();
        let index = self.below(self.roots.len());
        let total = self.roots[index].here.len() + tail.here.len();
        // The head's nodes are changed, so nobody else may see them; the tail, not in its place just now, is one who might.
        let head_shares = nodes(self.roots[index].there).any(|node| nodes(tail.there).any(|other| other == node));
        if total > LEN_MAX || head_shares || !self.is_alone(index, usize::MAX) {
            self.roots.push(tail);
            return false;
        }
        let head = &mut self.roots[index];
        if is_taken_over {
            // SAFETY: alive, apart from each other, and the tail's reference is handed over.
            unsafe { ffi::pbuf_cat(head.there.as_ptr(), tail.there.as_ptr()) };
            head.here.cat(tail.here).unwrap();
        } else {
            // SAFETY: alive and apart from each other.
            unsafe { ffi::pbuf_chain(head.there.as_ptr(), tail.there.as_ptr()) };
            head.here.chain(&tail.here).unwrap();
            self.roots.push(tail);
        }
        true
    }
    pub(super) fn dechain(&mut self, index: usize) -> bool {
        if !self.is_alone(index, 1) {
            return false;
        }
        let root = &mut self.roots[index];
        // SAFETY: alive.
        let there = NonNull::new(unsafe { ffi::pbuf_dechain(root.there.as_ptr()) });
        // lwIP gives the tail only if somebody else holds it; here the caller gets it, and gives it back.
        let kept = root.here.dechain().is_some_and(|tail| {
            let first = tail.buffer(0).unwrap().clone();
            tail.free();
            !first.free()
        });
        assert_eq!(there.is_some(), kept, "tail still held");
        true
    }
    pub(super) fn shrink(&mut self, index: usize) -> bool {
        let len = self.below(self.roots[index].here.len() + 2);
        let (mut kept, mut end) = (0, 0);
        for node in nodes(self.roots[index].there) {
            kept += 1;
            end += usize::from(get(node).len);
            if len <= end {
                break;
            }
        }
        if !self.is_alone(index, kept) {
            return false;
        }
        let root = &mut self.roots[index];
        // SAFETY: alive.
        unsafe { ffi::pbuf_realloc(root.there.as_ptr(), short(len)) };
        root.here.truncate(len);
        true
    }
    pub(super) fn header(&mut self, operation: usize, index: usize) -> bool {
        let len = self.below(90);
        if !self.is_alone(index, 1) {
            return false;
        }
        let root = &mut self.roots[index];
        let (there, room) = (root.there.as_ptr(), root.here.header_room());
        let is_custom = get(root.there).flags & 2 != 0;
        if operation == 10 && len > room {
            assert!(!root.here.add_header_forced(len), "beyond the buffer, which lwIP would not notice");
            return false;
        }
        // SAFETY: alive; what lies in front of the payload is checked by lwIP or, for the forced form, above.
        let failed = unsafe {
            match operation {
                7 => ffi::pbuf_remove_header(there, len),
                8 => ffi::pbuf_header(there, -i16::try_from(len).unwrap()),
                // lwIP does not know the room of a custom buffer.
                9 if is_custom => return false,
                9 => ffi::pbuf_add_header(there, len),
                _ => ffi::pbuf_add_header_force(there, len),
            }
        };
        let done = match operation {
            7 | 8 => root.here.remove_header(len),
            9 => root.here.add_header(len),
            _ => root.here.add_header_forced(len),
        };
        assert_eq!(failed == 0, done, "operation {operation}, {len} bytes, room {room}");
        if operation >= 9 && done {
            self.fill_header(index, len);
        }
        true
    }
    /// Writes a header just added, since neither side says what lies in the room before.
    fn fill_header(&mut self, index: usize, len: usize) {
        let bytes = self.bytes(len);
        let Root { there, here } = &mut self.roots[index];
        if here.write(&bytes).is_ok() {
            // SAFETY: alive, and alone and writable, as the other side has found.
            let result = unsafe { ffi::pbuf_take(there.as_ptr(), bytes.as_ptr().cast(), short(len)) };
            assert_eq!(result, ffi::OK);
        }
    }
    pub(super) fn free_header(&mut self, index: usize) -> bool {
        let len = self.below(self.roots[index].here.len() + 3);
        let (mut touched, mut end) = (0, 0);
        for node in nodes(self.roots[index].there) {
            touched += 1;
            end += usize::from(get(node).len);
            if len < end {
                break;
            }
        }
        if !self.is_alone(index, touched) {
            return false;
        }
        let mut root = self.roots.swap_remove(index);
        // SAFETY: alive; the reference passes to what is returned.
        let there = NonNull::new(unsafe { ffi::pbuf_free_header(root.there.as_ptr(), short(len)) });
        root.here.free_header(len);
        assert_eq!(there.is_none(), root.here.buffers() == 0);
        self.roots.extend(there.map(|there| Root { there, here: root.here }));
        true
    }
}
