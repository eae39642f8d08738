//! Spare flows on two levels: a private queue for each worker, and a shared pool that hands out and takes back blocks
//! of one hundred, so that the pool's lock is taken once in a hundred flows.
//!
//! Both keep wide flows apart from narrow ones. Who needs no wide flow takes one all the same before memory is asked for.

use flumen_kref::{Boxed, Ref};

use crate::flow::Flow;
use crate::prim::{Mutex, lock};
use crate::storage::{BLOCK_BYTES, BLOCK_FLOWS, FlowStore, SlotId, SpareFlow, Width};

/// A worker keeps at most this many spare flows; a further one sends a block back to the pool.
const PRIVATE_MAX: usize = 2 * BLOCK_FLOWS;

/// How many flows ahead of its use a spare flow is asked of memory.
const SOON: usize = 4;

/// Spare flows that all workers share.
#[derive(Debug)]
pub(crate) struct SparePool {
    shelves: Mutex<Shelves>,
    prealloc: usize,
    vain: Mutex<Vain>,
}

#[derive(Debug, Default)]
struct Shelves {
    narrow: Shelf,
    wide: Shelf,
}

/// Spare flows of one width. The last list is the first block: the one that is being filled. All others are full.
#[derive(Debug, Default)]
struct Shelf {
    blocks: Vec<Vec<SpareFlow>>,
}

/// How long giving memory back is left alone after it found little: sorting the whole pool again and again would cost
/// more than the memory is worth when a few long-lived flows hold most blocks.
#[derive(Debug, Default)]
struct Vain {
    pause: u32,
    left: u32,
}

/// Longest pause, in passes.
const PAUSE_MAX: u32 = 64;

impl Vain {
    /// Whether this pass is to be left out.
    fn skips(&mut self) -> bool {
        let skips = self.left > 0;
        self.left = self.left.saturating_sub(1);
        skips
    }
    /// Notes how a pass went: each one in vain doubles the pause.
    fn note(&mut self, in_vain: bool) {
        self.pause = if in_vain { (self.pause * 2).clamp(1, PAUSE_MAX) } else { 0 };
        self.left = self.pause;
    }
}

/// What a worker got from the pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sync {
    Full,
    /// Fewer than a block.
    Incomplete,
    Empty,
}

impl Shelf {
    /// Takes the first block if it is full, otherwise the second.
    fn take_full(&mut self) -> Option<Vec<SpareFlow>> {
        let full = self.blocks.len().checked_sub(1 + usize::from(self.is_partial()))?;
        Some(self.blocks.remove(full))
    }
    /// Whether the first block is not full.
    fn is_partial(&self) -> bool {
        self.blocks.last().is_some_and(|first| first.len() < BLOCK_FLOWS)
    }
    /// Adds a full block.
    fn put(&mut self, block: Vec<SpareFlow>) {
        let at = self.blocks.len() - usize::from(self.is_partial());
        self.blocks.insert(at, block);
    }
    /// Adds less than a block, filling the first one.
    fn fill_up(&mut self, mut rest: Vec<SpareFlow>) {
        if let Some(first) = self.blocks.last_mut().filter(|first| first.len() < BLOCK_FLOWS) {
            let room = BLOCK_FLOWS - first.len();
            first.extend(rest.drain(..room.min(rest.len())));
        }
        if !rest.is_empty() {
            self.blocks.push(rest);
        }
    }
    fn len(&self) -> usize {
        self.blocks.iter().map(Vec::len).sum()
    }

    /// Takes up to `most` blocks of memory out of which all flows are here. The rest is put in order of address, low
    /// ones on top, so that what is used next gathers in few blocks and the others come home whole.
    fn whole_blocks(&mut self, most: usize) -> Vec<Vec<SpareFlow>> {
        let mut flows: Vec<SpareFlow> = core::mem::take(&mut self.blocks).into_iter().flatten().collect();
        // By address, not by slot: to look at every flow would cost a cache miss each.
        flows.sort_unstable_by_key(SpareFlow::address);
        let (mut kept, mut whole) = (Vec::with_capacity(flows.len()), Vec::new());
        while !flows.is_empty() {
            let members = flows.split_off(last_neighbours(&flows));
            if members.len() == BLOCK_FLOWS && whole.len() < most {
                whole.push(members);
            } else {
                kept.extend(members.into_iter().rev());
            }
        }
        let mut kept = kept.into_iter();
        while kept.len() > 0 {
            self.blocks.push(kept.by_ref().take(BLOCK_FLOWS).collect());
        }
        whole
    }
}

impl Shelves {
    fn of(&mut self, width: Width) -> &mut Shelf {
        match width {
            Width::Narrow => &mut self.narrow,
            Width::Wide => &mut self.wide,
        }
    }
    fn len(&self) -> usize {
        self.narrow.len() + self.wide.len()
    }
}

impl SparePool {
    /// A pool of `prealloc` flows, as far as the memcap allows.
    pub(crate) fn new(prealloc: usize, store: &Ref<Boxed<FlowStore>>) -> Self {
        let pool = Self { shelves: Mutex::new(Shelves::default()), prealloc, vain: Mutex::new(Vain::default()) };
        pool.grow(store, prealloc);
        pool
    }

    fn grow(&self, store: &Ref<Boxed<FlowStore>>, flows: usize) {
        for _ in 0..flows.div_ceil(BLOCK_FLOWS) {
            let mut block = Vec::with_capacity(BLOCK_FLOWS);
            if !FlowStore::take_block(store, Width::Narrow, |flow| block.push(flow)) {
                return;
            }
            block.reverse();
            lock(&self.shelves).of(block[0].width()).blocks.insert(0, block);
        }
    }

    /// Hands out a block of flows that are wide enough: a full one, narrow rather than wide; a first block as it is when
    /// there is no other.
    pub(crate) fn take(&self, width: Width, into: &mut SpareQueue) -> Sync {
        let mut shelves = lock(&self.shelves);
        let Shelves { narrow, wide } = &mut *shelves;
        let block = match width {
            Width::Narrow => narrow.take_full().or_else(|| wide.take_full()).or_else(|| narrow.blocks.pop()),
            Width::Wide => wide.take_full(),
        };
        let Some(block) = block.or_else(|| wide.blocks.pop()) else { return Sync::Empty };
        drop(shelves);
        let sync = if block.len() == BLOCK_FLOWS { Sync::Full } else { Sync::Incomplete };
        into.extend(block);
        sync
    }

    /// Takes flows back: whole blocks as they are, the rest into the first block. Flows are drawn without the lock, since
    /// drawing one may be work.
    pub(crate) fn give_back(&self, flows: impl IntoIterator<Item = SpareFlow>) {
        let (mut narrow, mut wide) = (Vec::new(), Vec::new());
        for flow in flows {
            let width = flow.width();
            let block = if width == Width::Wide { &mut wide } else { &mut narrow };
            block.push(flow);
            if block.len() == BLOCK_FLOWS {
                lock(&self.shelves).of(width).put(core::mem::take(block));
            }
        }
        if !narrow.is_empty() {
            lock(&self.shelves).narrow.fill_up(narrow);
        }
        if !wide.is_empty() {
            lock(&self.shelves).wide.fill_up(wide);
        }
    }

    /// Shows the slot of every flow in the pool.
    pub(crate) fn for_each(&self, visit: impl FnMut(SlotId)) {
        let shelves = lock(&self.shelves);
        let blocks = shelves.narrow.blocks.iter().chain(&shelves.wide.blocks);
        blocks.flatten().map(SpareFlow::slot).for_each(visit);
    }
    /// Flows in the pool.
    pub(crate) fn len(&self) -> usize {
        lock(&self.shelves).len()
    }
    pub(crate) const fn prealloc(&self) -> usize {
        self.prealloc
    }

    /// Keeps the pool between 90 % and 110 % of what was preallocated: grows by what is missing and one block more, and
    /// gives a tenth of what is too much back, in whole blocks. A tenth, because what is too much now may be wanted again
    /// in a moment, and memory that was given back has to be cleared first. Called by the manager, outside the packet path.
    ///
    /// `passes` of the manager are made at once when so many are due: what the later ones would find is known.
    pub(crate) fn balance(&self, store: &Ref<Boxed<FlowStore>>, passes: u32) {
        let mut returned = Vec::new();
        store.collect_returned(&mut returned);
        self.give_back(returned);
        let (len, wanted) = (self.len(), self.prealloc);
        if len * 10 < wanted * 9 {
            self.grow(store, wanted - len + 1);
        } else if len * 10 > wanted * 11 {
            let mut vain = lock(&self.vain);
            if !vain.skips() {
                let surplus = len - wanted;
                let left = (0..passes).fold(surplus, |left, _| left - left / 10);
                let share = (surplus - left).max(BLOCK_FLOWS);
                let given = self.shrink(store, share);
                vain.note(given * 2 < share);
            }
        }
    }

    /// Gives up to `share` flows back to the operating system; how many went. First go wide ones that are more than their
    /// share, then narrow ones, then all.
    fn shrink(&self, store: &Ref<Boxed<FlowStore>>, share: usize) -> usize {
        let blocks = share / BLOCK_FLOWS;
        // Under the lock throughout: a worker that found the pool empty meanwhile would take it for an emergency.
        let mut shelves = lock(&self.shelves);
        let mut whole = shelves.wide.whole_blocks(store.surplus_wide(blocks));
        whole.append(&mut shelves.narrow.whole_blocks(blocks - whole.len()));
        if whole.len() < blocks {
            whole.append(&mut shelves.wide.whole_blocks(blocks - whole.len()));
        }
        drop(shelves);
        let given = whole.len() * BLOCK_FLOWS;
        whole.into_iter().for_each(|members| store.give_back_block(members));
        given
    }
}

/// Where the flows begin that lie side by side with the last one. Between two blocks there are details, so they are of one
/// block.
fn last_neighbours(flows: &[SpareFlow]) -> usize {
    let beside = |pair: &&[SpareFlow]| pair[1].address() - pair[0].address() == size_of::<Flow>();
    flows.len() - 1 - flows.windows(2).rev().take_while(beside).count()
}

impl Drop for SparePool {
    /// The table is going, and the store with it: there is no need to give each flow back to it.
    fn drop(&mut self) {
        let Shelves { narrow, wide } = core::mem::take(&mut *lock(&self.shelves));
        narrow.blocks.into_iter().chain(wide.blocks).flatten().for_each(SpareFlow::forget);
    }
}

/// Spare flows of one worker.
#[derive(Debug, Default)]
pub(crate) struct SpareQueue {
    narrow: Vec<SpareFlow>,
    wide: Vec<SpareFlow>,
}

impl SpareQueue {
    /// Takes a flow that is wide enough, and asks for the lines of one that will be taken soon: it may have been unused for
    /// long.
    #[inline]
    pub(crate) fn pop(&mut self, width: Width) -> Option<SpareFlow> {
        let flows = if width == Width::Wide || self.narrow.is_empty() { &mut self.wide } else { &mut self.narrow };
        let flow = flows.pop();
        if let Some(soon) = flows.len().checked_sub(SOON).and_then(|soon| flows.get(soon)) {
            soon.prefetch();
        }
        flow
    }
    /// How many flows are there that are wide enough.
    pub(crate) const fn len(&self, width: Width) -> usize {
        match width {
            Width::Narrow => self.narrow.len() + self.wide.len(),
            Width::Wide => self.wide.len(),
        }
    }
    /// Shows the slot of every flow.
    pub(crate) fn for_each(&self, visit: impl FnMut(SlotId)) {
        self.narrow.iter().chain(&self.wide).map(SpareFlow::slot).for_each(visit);
    }
    /// Takes a flow that has ended its work here; surplus goes to the pool block by block.
    pub(crate) fn put(&mut self, flow: SpareFlow, pool: &SparePool) {
        if self.narrow.len() + self.wide.len() >= PRIVATE_MAX {
            let longer = if self.narrow.len() < self.wide.len() { &mut self.wide } else { &mut self.narrow };
            pool.give_back(longer.drain(..BLOCK_FLOWS));
        }
        self.of(flow.width()).push(flow);
    }
    /// Gives everything to the pool.
    pub(crate) fn empty_into(&mut self, pool: &SparePool) {
        pool.give_back(self.narrow.drain(..).chain(self.wide.drain(..)));
    }
    /// Takes a fresh block from the operating system within the memcap.
    pub(crate) fn allocate(&mut self, width: Width, store: &Ref<Boxed<FlowStore>>) -> bool {
        let mut block = Vec::with_capacity(BLOCK_FLOWS);
        let done = FlowStore::take_block(store, width, |flow| block.push(flow));
        self.extend(block.into_iter().rev());
        done
    }
    /// Adds flows that came back by themselves.
    pub(crate) fn collect(&mut self, store: &FlowStore) {
        let mut returned = Vec::new();
        store.collect_returned(&mut returned);
        self.extend(returned);
    }
    fn extend(&mut self, flows: impl IntoIterator<Item = SpareFlow>) {
        flows.into_iter().for_each(|flow| self.of(flow.width()).push(flow));
    }
    const fn of(&mut self, width: Width) -> &mut Vec<SpareFlow> {
        match width {
            Width::Narrow => &mut self.narrow,
            Width::Wide => &mut self.wide,
        }
    }
}

/// What a block costs at least.
pub(crate) const BLOCK_COST: u64 = BLOCK_BYTES as u64;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn passes_in_vain_come_ever_more_rarely_and_one_that_gave_something_ends_the_pause() {
        let mut vain = Vain::default();
        let mut passes = Vec::new();
        for n in 0..1000 {
            if !vain.skips() {
                passes.push(n);
                vain.note(true);
            }
        }
        assert_eq!(passes[..5], [0, 2, 5, 10, 19]);
        assert!(passes.windows(2).all(|pair| pair[1] - pair[0] <= PAUSE_MAX as usize + 1));
        vain.note(false);
        assert!(!vain.skips() && !vain.skips());
    }
}
