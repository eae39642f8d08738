//! What memory is asked for ahead of the lookups.

use core::cell::Cell;
use core::ops::Range;

use flumen_table::{FlowHash, FlowTable, Hint, ask_memory};

use crate::vector::{Keyed, Vector};

/// What is asked of memory ahead of the lookups: the lines of the rows of packets that come a while later, and the lines of
/// the flows of those that come sooner, whose rows are there by then. So memory works while packets are looked up.
///
/// Several are asked for one after the other: a core translates their addresses and waits for their lines at once, while
/// one alone holds up the lookup around it (eight at a time instead of one save a quarter of the lookups' time on the
/// heavy-tailed capture of `benches`; many more than sixteen lines are not taken by a core at once).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead<'v, O> {
    pub(crate) table: &'v FlowTable,
    pub(crate) vector: &'v Vector,
    pub(crate) own: O,
    pub(crate) decoded: Decoded,
    /// Where the flows are of which the lines were asked for, by the number of the packet among the worker's own.
    pub(crate) hints: &'v Hints,
}

/// Hints of the packets that come next.
pub(crate) type Hints = [Cell<Hint>; HINTS];

/// Packets for which lines are asked at a time.
const STEP: usize = 8;
/// Packets between the one that is looked up and the first whose flow is asked for, and between that and the one whose row is.
const DISTANCE: usize = 16;
/// Hints that are kept: of all packets from the one that is looked up to the last whose flow was asked for.
const HINTS: usize = 32;
const _: () = assert!(HINTS >= DISTANCE + STEP, "a hint lasts until its packet comes");

/// None as yet.
pub(crate) const fn no_hints() -> Hints {
    [const { Cell::new(Hint::NONE) }; HINTS]
}

/// Which packets of a vector a worker takes, by their number among its own.
pub(crate) trait Own: Copy {
    /// How many they are.
    fn count(self) -> usize;
    /// The place in the vector of one of them.
    fn place(self, number: usize) -> usize;
    /// Some of them with their hashes.
    fn packets(self, vector: &Vector, numbers: Range<usize>) -> impl Iterator<Item = (FlowHash, &Keyed)>;
}

/// Those at these places.
impl Own for &[u32] {
    #[inline(always)]
    fn count(self) -> usize {
        self.len()
    }
    #[inline(always)]
    fn place(self, number: usize) -> usize {
        self[number] as usize
    }
    #[inline(always)]
    fn packets(self, vector: &Vector, numbers: Range<usize>) -> impl Iterator<Item = (FlowHash, &Keyed)> {
        self[numbers].iter().map(|&place| (vector.hash(place as usize), vector.packet(place as usize)))
    }
}

/// So many from the first on: all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct All(pub(crate) usize);

impl Own for All {
    #[inline(always)]
    fn count(self) -> usize {
        self.0
    }
    #[inline(always)]
    fn place(self, number: usize) -> usize {
        number
    }
    #[inline(always)]
    fn packets(self, vector: &Vector, numbers: Range<usize>) -> impl Iterator<Item = (FlowHash, &Keyed)> {
        vector.packets_in(numbers)
    }
}

/// Where the packets of a vector were decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decoded {
    Here,
    /// By another worker, perhaps: then they lie in the cache of its core, and are asked for as well.
    Elsewhere,
}

impl<O: Own> Ahead<'_, O> {
    /// The first packet is about to come.
    pub(crate) fn begin(&self) {
        self.ask(0..2 * DISTANCE, 0..DISTANCE);
    }
    /// The packet of a number is about to be looked up.
    #[inline(always)]
    pub(crate) fn step(&self, number: usize) {
        if number.is_multiple_of(STEP) {
            let (rows, flows) = (number + 2 * DISTANCE, number + DISTANCE);
            self.ask(rows..rows + STEP, flows..flows + STEP);
        }
    }
    /// Asks for the rows of some packets and the flows of others. Not inlined, so that it has registers of its own.
    #[inline(never)]
    fn ask(&self, rows: Range<usize>, flows: Range<usize>) {
        if self.decoded == Decoded::Elsewhere {
            self.existing(&rows).for_each(|number| ask_memory(self.vector.packet(self.own.place(number))));
        }
        self.each(&rows, |_, hash, _| self.table.prefetch_row(hash));
        self.each(&flows, |number, hash, packet| {
            let hint = self.table.prefetch_flow(&packet.plain.key, hash);
            self.hints[number % HINTS].set(hint);
        });
    }
    /// Where the flow of a packet was that is about to be looked up.
    #[inline(always)]
    pub(crate) fn hint(&self, number: usize) -> Hint {
        self.hints[number % HINTS].get()
    }
    /// As many of the worker's packets as there are.
    #[inline(always)]
    fn existing(&self, numbers: &Range<usize>) -> Range<usize> {
        let count = self.own.count();
        numbers.start.min(count)..numbers.end.min(count)
    }
    /// Shows these packets. One that has the hash of the one before has been asked for: in a long run of packets of one flow asking
    /// again takes a tenth of all instructions. (One whose hash is zero may go unasked for.)
    #[inline(always)]
    fn each(&self, numbers: &Range<usize>, ask: impl Fn(usize, FlowHash, &Keyed)) {
        let mut last = FlowHash::ZERO;
        let numbers = self.existing(numbers);
        for (number, (hash, packet)) in numbers.clone().zip(self.own.packets(self.vector, numbers)) {
            if hash != last {
                ask(number, hash, packet);
                last = hash;
            }
        }
    }
}
