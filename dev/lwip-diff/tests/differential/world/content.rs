//! Operations on bytes: writing, copying, and everything that only looks.

use super::{LAYERS, Node, ROOTS_MAX, Root, World, ffi, get, nodes, short};
use core::ptr::{NonNull, null_mut};
use flumen_pbuf::{Checksum, Comparison, Layer, Memory, WriteError};

impl World {
    /// `pbuf_take_at`, `pbuf_take` and `pbuf_put_at`. Refused here where lwIP would write for all who share.
    pub(super) fn write(&mut self, operation: usize, index: usize) -> bool {
        let len = if operation == 14 { 1 } else { self.length().max(1) };
        let bytes = self.bytes(len);
        let total = self.roots[index].here.len();
        let at = if operation == 13 { 0 } else { self.below(total + 2) };
        let Root { there, here } = &mut self.roots[index];
        let there = there.as_ptr();
        match here.write_at(at, &bytes) {
            Err(WriteError::Shared(_) | WriteError::ReadOnly(..)) => {
                self.tally.refused_shared += 1;
                return false;
            }
            result => {
                // SAFETY: alive, and all that is written is alone and writable, as the other side has found; out of
                // range, `pbuf_put_at` does nothing.
                let failed = unsafe {
                    match operation {
                        12 => ffi::pbuf_take_at(there, bytes.as_ptr().cast(), short(len), short(at)) != ffi::OK,
                        13 => ffi::pbuf_take(there, bytes.as_ptr().cast(), short(len)) != ffi::OK,
                        _ => {
                            ffi::pbuf_put_at(there, short(at), bytes[0]);
                            at >= total
                        }
                    }
                };
                assert_eq!(failed, result.is_err(), "{len} bytes at {at} of {total}: {result:?}");
            }
        }
        true
    }
    /// `pbuf_copy` and `pbuf_copy_partial_pbuf`.
    pub(super) fn copy(&mut self, index: usize) -> bool {
        let source = self.take_root();
        let index = index % self.roots.len();
        let is_queue = |root: &Root| {
            let ended = |node: NonNull<Node>| get(node).tot_len == get(node).len && !get(node).next.is_null();
            nodes(root.there).any(ended)
        };
        // lwIP takes empty buffers at the end for another packet.
        if is_queue(&source) || is_queue(&self.roots[index]) {
            self.roots.push(source);
            return false;
        }
        let is_whole = self.below(2) == 0;
        let len = if is_whole { source.here.len() } else { self.below(source.here.len() + 2) };
        let total = self.roots[index].here.len();
        // 2.1.3 aborts when the place to copy to lies behind the first buffer, though it is in the chain.
        let at =
            if is_whole { 0 } else { self.below(self.roots[index].here.buffer(0).map_or(0, |first| first.len()) + 1) };
        let target = &mut self.roots[index];
        let result = target.here.copy_from_at(at, &source.here, len);
        let is_refused = matches!(result, Err(WriteError::Shared(_) | WriteError::ReadOnly(..)));
        if is_refused {
            self.tally.refused_shared += 1;
        } else {
            let (to, from) = (target.there.as_ptr(), source.there.as_ptr());
            // SAFETY: alive, and what is written is alone and writable, as the other side has found.
            let there = unsafe {
                if is_whole {
                    ffi::pbuf_copy(to, from)
                } else {
                    ffi::pbuf_copy_partial_pbuf(to, from, short(len), short(at))
                }
            };
            assert_eq!(there == ffi::OK, result.is_ok(), "{len} bytes to {at} of {total}: {there} {result:?}");
        }
        self.roots.push(source);
        !is_refused
    }
    pub(super) fn copied(&mut self, index: usize) -> bool {
        let (layer, is_pool) = (self.below(5), self.below(2) == 0);
        let root = &self.roots[index];
        // lwIP aborts when it copies what it takes for a queue.
        let queue = nodes(root.there).any(|node| get(node).tot_len == get(node).len && !get(node).next.is_null());
        if queue || self.roots.len() >= ROOTS_MAX {
            return false;
        }
        let (kind, memory) = if is_pool { (ffi::POOL, Memory::Pool(&self.pool)) } else { (ffi::RAM, Memory::Ram) };
        // SAFETY: alive.
        let there = NonNull::new(unsafe { ffi::pbuf_clone(LAYERS[layer], kind, root.there.as_ptr()) });
        let here = root.here.copied(Layer::ALL[layer], memory);
        assert_eq!(there.is_none(), here.is_err());
        self.tally.exhausted += u64::from(here.is_err());
        self.roots.extend(there.zip(here.ok()).map(|(there, here)| Root { there, here }));
        true
    }
    pub(super) fn coalesce(&mut self, index: usize) -> bool {
        let layer = self.below(5);
        let root = &self.roots[index];
        if nodes(root.there).any(|node| get(node).tot_len == get(node).len && !get(node).next.is_null()) {
            return false;
        }
        let root = &mut self.roots[index];
        // SAFETY: alive; the reference passes to what is returned.
        let there = unsafe { ffi::pbuf_coalesce(root.there.as_ptr(), LAYERS[layer]) };
        root.there = NonNull::new(there).unwrap_or(NonNull::dangling());
        assert_ne!(there, null_mut());
        root.here.coalesce(Layer::ALL[layer]).unwrap();
        true
    }

    /// Everything that only looks.
    pub(super) fn look(&mut self, index: usize) {
        let total = self.roots[index].here.len();
        let (at, len) = (self.below(total + 2), self.below(40) + 1);
        let mut probe = self.bytes(len);
        if self.below(2) == 0 {
            // Mostly what is there.
            self.roots[index].here.copy_to(at, &mut probe);
        }
        let from = self.below(total + 2);
        let Root { there, here } = &self.roots[index];
        let (there, at16, len16) = (there.as_ptr(), short(at), short(len));
        let data = probe.as_ptr().cast();
        // SAFETY: the chain is alive, lengths are those of the buffers given.
        unsafe {
            assert_eq!(usize::from(ffi::pbuf_clen(there)), here.buffers());
            let byte = here.get(at);
            assert_eq!(ffi::pbuf_try_get_at(there, at16), byte.map_or(-1, i32::from));
            assert_eq!(ffi::pbuf_get_at(there, at16), byte.unwrap_or(0));
            let mut rest = 0;
            let node = ffi::pbuf_skip(there, at16, &raw mut rest);
            let found = here.skip(at).map(|found| (found.buffer, found.offset));
            let place = nodes(NonNull::new_unchecked(there)).position(|other| other.as_ptr() == node);
            assert_eq!(place.map(|place| (place, usize::from(rest))), found);
            let compared = match here.compare(at, &probe) {
                Comparison::Equal => 0,
                Comparison::DiffersAt(offset) => short(offset + 1),
                Comparison::TooShort => 0xffff,
            };
            assert_eq!(ffi::pbuf_memcmp(there, at16, data, len16), compared);
            let found = here.find(&probe, from).map_or(0xffff, short);
            assert_eq!(ffi::pbuf_memfind(there, data, len16, short(from)), found);
            let mut text: Vec<u8> = probe.iter().map(|byte| (*byte).max(1)).collect();
            let found = here.find(&text, 0).map_or(0xffff, short);
            text.push(0);
            assert_eq!(ffi::pbuf_strstr(there, text.as_ptr()), found);
            let (mut ours, mut theirs) = (vec![0; len], vec![0; len]);
            let copied = ffi::pbuf_copy_partial(there, theirs.as_mut_ptr().cast(), len16, at16);
            assert_eq!(usize::from(copied), here.copy_to(at, &mut ours));
            assert_eq!(ours, theirs);
            let piece = here.contiguous(at, len, &mut ours).map(<[u8]>::to_vec);
            assert_eq!(piece.is_some(), at + len <= total);
            if let Some(piece) = piece {
                let pointer = ffi::pbuf_get_contiguous(there, theirs.as_mut_ptr().cast(), len, len16, at16);
                assert_eq!(core::slice::from_raw_parts(pointer, len), piece);
            }
            assert_eq!(ffi::inet_chksum_pbuf(there), here.checksum().to_be());
        }
        self.fill_summed(index, &probe);
    }
    /// `pbuf_fill_chksum`, which reaches only the first buffer.
    fn fill_summed(&mut self, index: usize, bytes: &[u8]) {
        let Root { there, here } = &mut self.roots[index];
        let mut sum = Checksum::new();
        if here.buffer(0).is_some_and(|first| first.len() >= bytes.len())
            && here.write_summed(0, bytes, &mut sum).is_ok()
        {
            let mut theirs = 0;
            // SAFETY: alive, and alone and writable, as the other side has found.
            let result = unsafe {
                let (data, len) = (bytes.as_ptr().cast(), short(bytes.len()));
                ffi::pbuf_fill_chksum(there.as_ptr(), 0, data, len, &raw mut theirs)
            };
            assert_eq!((result, theirs), (ffi::OK, (!sum.finish()).to_be()));
        }
    }
}
