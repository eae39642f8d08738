//! A list that is nearly always short.

use core::ops::{Deref, DerefMut, Range};

/// How many elements lie in place. Most datagrams come in two fragments, and those of a flood have one.
const IN_PLACE_MAX: usize = 2;

/// A list that lies where it is named while it has no more than two elements, so that the usual datagram takes no memory
/// but its tracker's: allocating and freeing was a third of the instructions of a flood (`benches/instructions`, fragments,
/// with those of the C library).
#[derive(Debug)]
pub(super) enum Few<T> {
    /// The first `count` are the list's; the others are vacant.
    InPlace { items: [T; IN_PLACE_MAX], count: u8 },
    /// More than fit in place, or once were.
    Heap(Vec<T>),
}

impl<T> Deref for Few<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Self::InPlace { items, count } => &items[..usize::from(*count)],
            Self::Heap(items) => items,
        }
    }
}

impl<T> DerefMut for Few<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::InPlace { items, count } => &mut items[..usize::from(*count)],
            Self::Heap(items) => items,
        }
    }
}

impl<T> Few<T> {
    /// An empty list, and what stands in its vacant places.
    pub(super) const fn new(vacant: [T; IN_PLACE_MAX]) -> Self {
        Self::InPlace { items: vacant, count: 0 }
    }
}

impl<T: Default> Few<T> {
    /// Lets go of all elements.
    #[inline]
    pub(super) fn clear(&mut self) {
        match self {
            Self::InPlace { items, count } => {
                // What holds nothing may stay where it is.
                if core::mem::needs_drop::<T>() {
                    items.iter_mut().take(usize::from(*count)).for_each(|item| *item = T::default());
                }
                *count = 0;
            }
            Self::Heap(_) => *self = Self::new(Default::default()),
        }
    }
    /// Adds an element at the end, and gives it to be filled in.
    #[inline]
    pub(super) fn add(&mut self) -> &mut T {
        let at = self.len();
        match self {
            Self::InPlace { count, .. } if usize::from(*count) < IN_PLACE_MAX => *count += 1,
            _ => self.on_heap_with(T::default()),
        }
        &mut self[at]
    }
    #[cold]
    fn on_heap_with(&mut self, item: T) {
        self.on_heap(self.len() + 1).push(item);
    }
    /// Puts an element before the one with the number `at`.
    #[inline]
    pub(super) fn insert(&mut self, at: usize, item: T) {
        match self {
            Self::InPlace { items, count } if usize::from(*count) < IN_PLACE_MAX => {
                // Of two at most one stands behind it.
                if at < usize::from(*count) {
                    items.swap(0, 1);
                }
                items[at] = item;
                *count += 1;
            }
            _ => self.on_heap(self.len() + 1).insert(at, item),
        }
    }
    /// Puts the elements of `by` in place of those with numbers in `range`.
    pub(super) fn splice(&mut self, range: Range<usize>, by: impl ExactSizeIterator<Item = T>) {
        let needed = self.len() - range.len() + by.len();
        match self {
            Self::InPlace { items, count } if needed <= IN_PLACE_MAX => {
                let mut old = core::mem::take(items).into_iter().take(usize::from(*count));
                let mut places = items.iter_mut();
                let mut put = |item| {
                    if let Some(place) = places.next() {
                        *place = item;
                    }
                };
                old.by_ref().take(range.start).for_each(&mut put);
                by.for_each(&mut put);
                old.skip(range.len()).for_each(put);
                *count = needed as u8;
            }
            _ => drop(self.on_heap(needed).splice(range, by)),
        }
    }
    /// The elements in a vector with room for `needed` in all: just as much as [`growth`](Self::growth) has said.
    #[cold]
    fn on_heap(&mut self, needed: usize) -> &mut Vec<T> {
        if let Self::InPlace { items, count } = self {
            let mut heap = Vec::with_capacity(room(0, needed));
            heap.extend(core::mem::take(items).into_iter().take(usize::from(*count)));
            *self = Self::Heap(heap);
        }
        let Self::Heap(items) = self else { unreachable!("made so just now") };
        items.reserve_exact(room(items.capacity(), needed) - items.len());
        items
    }

    /// Bytes of memory taken beside the list itself.
    pub(super) const fn memory(&self) -> usize {
        match self {
            Self::InPlace { .. } => 0,
            Self::Heap(items) => items.capacity() * size_of::<T>(),
        }
    }
    /// Bytes of memory that it takes beyond these to have `needed` elements.
    pub(super) const fn growth(&self, needed: usize) -> usize {
        match self {
            Self::InPlace { .. } if needed <= IN_PLACE_MAX => 0,
            Self::InPlace { .. } => room(0, needed) * size_of::<T>(),
            Self::Heap(items) => (room(items.capacity(), needed) - items.capacity()) * size_of::<T>(),
        }
    }
}

/// Capacity after making room for `needed` elements.
const fn room(capacity: usize, needed: usize) -> usize {
    if needed <= capacity { capacity } else { needed.next_power_of_two() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lists of up to four elements, every range of them, and up to three in its place.
    #[test]
    fn spliced_in_any_way_then_as_a_vector_and_memory_as_announced() {
        for (len, by) in (0..5).flat_map(|len| (0..4).map(move |by| (len, by))) {
            for (start, end) in (0..=len).flat_map(|start| (start..=len).map(move |end| (start, end))) {
                let (mut few, mut vector) = (Few::new([0; 2]), Vec::new());
                (0..len).for_each(|n| few.insert(n, n));
                vector.extend(0..len);
                let (memory, growth) = (few.memory(), few.growth(len - (end - start) + by));
                few.splice(start..end, 10..10 + by);
                vector.splice(start..end, 10..10 + by);
                assert_eq!(*few, *vector);
                assert_eq!(few.memory(), memory + growth, "{len} {start}..{end} {by}");
            }
        }
    }

    #[test]
    fn inserted_anywhere_then_as_a_vector_and_memory_as_announced() {
        for order in 0..120 {
            let (mut few, mut vector) = (Few::new([0; 2]), Vec::new());
            let mut order = order;
            for n in 1..=5 {
                let at = order % n;
                order /= n;
                let (memory, growth) = (few.memory(), few.growth(n));
                few.insert(at, n);
                vector.insert(at, n);
                assert_eq!(*few, *vector);
                assert_eq!(few.memory(), memory + growth);
            }
        }
    }
}
