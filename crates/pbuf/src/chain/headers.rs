//! Headers in front of a chain: they lie in its first buffer, or are whole buffers.

use super::PbufChain;
use crate::Pbuf;

impl PbufChain {
    /// Bytes in front of the first view.
    #[must_use]
    pub fn header_room(&self) -> usize {
        self.iter().next().map_or(0, Pbuf::header_room)
    }
    /// Moves the start back over `len` bytes of header room, and says whether there were as many; if not, nothing
    /// changes. Refused for memory of others, see [`Pbuf::add_header`].
    #[must_use = "when there is too little room nothing was added"]
    pub fn add_header(&mut self, len: usize) -> bool {
        self.grow(len, Pbuf::add_header)
    }
    /// As [`PbufChain::add_header`], but also for read-only memory of an owner, see [`Pbuf::add_header_forced`].
    #[must_use = "when there is too little room nothing was added"]
    pub fn add_header_forced(&mut self, len: usize) -> bool {
        self.grow(len, Pbuf::add_header_forced)
    }
    fn grow(&mut self, len: usize, add: impl Fn(&mut Pbuf, usize) -> bool) -> bool {
        let Some(total) = self.len.checked_add(len) else { return false };
        let added = self.segments.first_mut().map_or(len == 0, |first| add(first, len));
        if added {
            self.len = total;
        }
        added
    }
    /// Takes `len` bytes away from the front of the first buffer, and says whether it had as many; if not, nothing
    /// changes. See [`PbufChain::free_header`] for headers in several buffers.
    #[must_use = "when there are too few bytes nothing was removed"]
    pub fn remove_header(&mut self, len: usize) -> bool {
        let removed = self.segments.first_mut().map_or(len == 0, |first| first.remove_header(len));
        if removed {
            self.len -= len;
        }
        removed
    }
    /// Takes `len` bytes away in front, gives back the buffers that lie wholly in them, and counts those given back
    /// whose last reference this was. All goes when there are no more than `len`.
    pub fn free_header(&mut self, len: usize) -> usize {
        let (mut left, mut freed) = (len, 0);
        while left > 0
            && let Some(first) = self.segments.first_mut()
        {
            if left < first.len() {
                self.len -= left;
                first.narrow(left..);
                break;
            }
            left -= first.len();
            freed += usize::from(self.pop_front().is_some_and(Pbuf::free));
        }
        freed
    }
}
