//! Things that happen at a time, handed back in order of time: how many conversations become one capture.
//!
//! A heap of what is active, not a list of packets: its size is the number of conversations in progress. Equal times
//! come back in the order in which they were put in, so that a schedule is deterministic.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A queue ordered by time.
#[derive(Debug)]
pub struct Schedule<T> {
    heap: BinaryHeap<Entry<T>>,
    order: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at_ns: u64,
    order: u64,
    item: T,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), order: 0 }
    }
}

impl<T> Schedule<T> {
    /// Puts `item` in for `at_ns`.
    pub fn put(&mut self, at_ns: u64, item: T) {
        self.heap.push(Entry { at_ns, order: self.order, item });
        self.order += 1;
    }

    /// Time of the earliest item.
    #[must_use]
    pub fn next_at_ns(&self) -> Option<u64> {
        self.heap.peek().map(|entry| entry.at_ns)
    }

    /// Takes the earliest item out.
    pub fn take(&mut self) -> Option<(u64, T)> {
        self.heap.pop().map(|entry| (entry.at_ns, entry.item))
    }

    /// Items in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl<T> Eq for Entry<T> {}
impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Entry<T> {
    /// The heap hands out its greatest entry, so the earliest has to be the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ns, other.order).cmp(&(self.at_ns, self.order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_come_back_in_the_order_they_were_put() {
        let mut schedule = Schedule::default();
        for (at, item) in [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd')] {
            schedule.put(at, item);
        }
        assert_eq!(schedule.next_at_ns(), Some(3));
        let taken: Vec<char> = std::iter::from_fn(|| schedule.take()).map(|(_, item)| item).collect();
        assert_eq!(taken, ['b', 'd', 'a', 'c']);
        assert!(schedule.is_empty());
    }
}
