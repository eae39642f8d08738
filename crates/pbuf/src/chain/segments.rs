//! The buffers of a chain in order: up to four in place, so that the usual packet needs no memory of its own, more on
//! the heap.

use crate::Pbuf;
use std::collections::VecDeque;

const IN_PLACE_MAX: usize = 4;

#[derive(Clone, Debug)]
pub(super) enum Segments {
    /// The first `count` are the chain; the others are empty views, which cost nothing.
    InPlace { slots: [Pbuf; IN_PLACE_MAX], count: usize },
    /// Longer than fits in place, or once was.
    Heap(VecDeque<Pbuf>),
}

impl Segments {
    pub(super) const fn new() -> Self {
        Self::InPlace { slots: [const { Pbuf::empty() }; IN_PLACE_MAX], count: 0 }
    }
    pub(super) fn as_slices(&self) -> (&[Pbuf], &[Pbuf]) {
        match self {
            Self::InPlace { slots, count } => (&slots[..*count], &[]),
            Self::Heap(queue) => queue.as_slices(),
        }
    }
    pub(super) fn as_mut_slices(&mut self) -> (&mut [Pbuf], &mut [Pbuf]) {
        match self {
            Self::InPlace { slots, count } => (&mut slots[..*count], &mut []),
            Self::Heap(queue) => queue.as_mut_slices(),
        }
    }
    pub(super) fn len(&self) -> usize {
        match self {
            Self::InPlace { count, .. } => *count,
            Self::Heap(queue) => queue.len(),
        }
    }
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Pbuf> + Clone {
        let (front, back) = self.as_slices();
        front.iter().chain(back)
    }
    pub(super) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Pbuf> {
        let (front, back) = self.as_mut_slices();
        front.iter_mut().chain(back)
    }
    pub(super) fn first_mut(&mut self) -> Option<&mut Pbuf> {
        self.iter_mut().next()
    }
    pub(super) fn get(&self, index: usize) -> Option<&Pbuf> {
        match self {
            Self::InPlace { slots, count } => slots[..*count].get(index),
            Self::Heap(queue) => queue.get(index),
        }
    }
    #[inline]
    pub(super) fn push_back(&mut self, buffer: Pbuf) {
        match self {
            Self::InPlace { slots, count } if *count < IN_PLACE_MAX => {
                slots[*count].fill_empty(buffer);
                *count += 1;
            }
            _ => self.heap().push_back(buffer),
        }
    }
    pub(super) fn push_front(&mut self, buffer: Pbuf) {
        match self {
            Self::InPlace { slots, count } if *count < IN_PLACE_MAX => {
                slots[*count] = buffer;
                *count += 1;
                slots[..*count].rotate_right(1);
            }
            _ => self.heap().push_front(buffer),
        }
    }
    pub(super) fn pop_front(&mut self) -> Option<Pbuf> {
        match self {
            Self::InPlace { count: 0, .. } => None,
            Self::InPlace { slots, count } => {
                slots[..*count].rotate_left(1);
                *count -= 1;
                Some(core::mem::take(&mut slots[*count]))
            }
            Self::Heap(queue) => queue.pop_front(),
        }
    }
    /// Cuts the chain before the buffer `at`, which must not lie beyond its end, and gives what follows.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        match self {
            Self::InPlace { slots, count } => {
                let mut tail = Self::new();
                for buffer in &mut slots[at..*count] {
                    tail.push_back(core::mem::take(buffer));
                }
                *count = at;
                tail
            }
            Self::Heap(queue) => Self::Heap(queue.split_off(at)),
        }
    }
    pub(super) fn append(&mut self, tail: Self) {
        match tail {
            Self::InPlace { slots, count } => slots.into_iter().take(count).for_each(|buffer| self.push_back(buffer)),
            Self::Heap(mut queue) => self.heap().append(&mut queue),
        }
    }
    /// Gives all references up from front to back, and counts the buffers whose last it was.
    pub(super) fn free(self) -> usize {
        let freed = |buffers: &mut dyn Iterator<Item = Pbuf>| buffers.map(|buffer| usize::from(buffer.free())).sum();
        match self {
            Self::InPlace { slots, count } => freed(&mut slots.into_iter().take(count)),
            Self::Heap(queue) => freed(&mut queue.into_iter()),
        }
    }
    #[cold]
    fn heap(&mut self) -> &mut VecDeque<Pbuf> {
        if let Self::InPlace { slots, count } = self {
            let mut queue = VecDeque::with_capacity(2 * IN_PLACE_MAX);
            queue.extend(slots[..*count].iter_mut().map(core::mem::take));
            *self = Self::Heap(queue);
        }
        match self {
            Self::Heap(queue) => queue,
            Self::InPlace { .. } => unreachable!("moved to the heap above"),
        }
    }
}
