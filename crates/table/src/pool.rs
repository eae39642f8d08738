//! Spare flows on two levels: a private queue for each worker, and a shared pool that hands out and takes back blocks
//! of one hundred, so that the pool's lock is taken once in a hundred flows.

use flumen_kref::{Boxed, Ref};

use crate::flow::Flow;
use crate::prim::{Mutex, lock};
use crate::storage::{BLOCK_BYTES, BLOCK_FLOWS, FlowStore, SlotId, SpareFlow};

/// A worker keeps at most this many spare flows; a further one sends a block back to the pool.
const PRIVATE_MAX: usize = 2 * BLOCK_FLOWS;

/// How many flows ahead of its use a spare flow is asked of memory.
const SOON: usize = 4;

/// Spare flows that all workers share.
#[derive(Debug)]
pub(crate) struct SparePool {
    /// The last list is the first block: the one that is being filled. All others are full.
    blocks: Mutex<Vec<Vec<SpareFlow>>>,
    prealloc: usize,
    vain: Mutex<Vain>,
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

impl SparePool {
    /// A pool of `prealloc` flows, as far as the memcap allows.
    pub(crate) fn new(prealloc: usize, store: &Ref<Boxed<FlowStore>>) -> Self {
        let pool = Self { blocks: Mutex::new(Vec::new()), prealloc, vain: Mutex::new(Vain::default()) };
        pool.grow(store, prealloc);
        pool
    }

    fn grow(&self, store: &Ref<Boxed<FlowStore>>, flows: usize) {
        for _ in 0..flows.div_ceil(BLOCK_FLOWS) {
            let mut block = Vec::with_capacity(BLOCK_FLOWS);
            if !FlowStore::take_block(store, &mut block) {
                return;
            }
            block.reverse();
            lock(&self.blocks).insert(0, block);
        }
    }

    /// Hands out the first block if it is full, otherwise the second; the first as it is when there is no other.
    pub(crate) fn take(&self, into: &mut SpareQueue) -> Sync {
        let mut blocks = lock(&self.blocks);
        let last = blocks.len();
        let block = match blocks.last() {
            None => return Sync::Empty,
            Some(first) if first.len() == BLOCK_FLOWS || last == 1 => blocks.pop(),
            Some(_) => Some(blocks.remove(last - 2)),
        };
        drop(blocks);
        let block = block.unwrap_or_default();
        let sync = match block.len() {
            0 => Sync::Empty,
            BLOCK_FLOWS => Sync::Full,
            _ => Sync::Incomplete,
        };
        into.flows.extend(block);
        sync
    }

    /// Takes flows back: whole blocks as they are, the rest into the first block. Flows are drawn without the lock, since
    /// drawing one may be work.
    pub(crate) fn give_back(&self, flows: impl IntoIterator<Item = SpareFlow>) {
        let mut flows = flows.into_iter();
        loop {
            let mut block = Vec::with_capacity(BLOCK_FLOWS);
            block.extend(flows.by_ref().take(BLOCK_FLOWS));
            if block.len() < BLOCK_FLOWS {
                return self.fill_up(block);
            }
            let mut blocks = lock(&self.blocks);
            let partial = blocks.last().is_some_and(|first| first.len() < BLOCK_FLOWS);
            let at = blocks.len() - usize::from(partial);
            blocks.insert(at, block);
        }
    }

    /// Adds less than a block, filling the first one.
    fn fill_up(&self, mut rest: Vec<SpareFlow>) {
        let mut blocks = lock(&self.blocks);
        if let Some(first) = blocks.last_mut().filter(|first| first.len() < BLOCK_FLOWS) {
            let room = BLOCK_FLOWS - first.len();
            first.extend(rest.drain(..room.min(rest.len())));
        }
        if !rest.is_empty() {
            blocks.push(rest);
        }
    }

    /// Shows the slot of every flow in the pool.
    pub(crate) fn for_each(&self, visit: impl FnMut(SlotId)) {
        lock(&self.blocks).iter().flatten().map(SpareFlow::slot).for_each(visit);
    }
    /// Flows in the pool.
    pub(crate) fn len(&self) -> usize {
        lock(&self.blocks).iter().map(Vec::len).sum()
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

    /// Gives up to `share` flows back to the operating system: those whose whole block of memory is here. The rest is
    /// put in order of address, low ones on top, so that what is used next gathers in few blocks and the others come
    /// home whole. Returns how many went.
    fn shrink(&self, store: &Ref<Boxed<FlowStore>>, share: usize) -> usize {
        // Under the lock throughout: a worker that found the pool empty meanwhile would take it for an emergency.
        let mut blocks = lock(&self.blocks);
        let mut flows: Vec<SpareFlow> = core::mem::take(&mut *blocks).into_iter().flatten().collect();
        // By address, not by slot: to look at every flow would cost a cache miss each.
        flows.sort_unstable_by_key(SpareFlow::address);
        let (mut kept, mut whole) = (Vec::with_capacity(flows.len()), Vec::new());
        while !flows.is_empty() {
            let members = flows.split_off(last_neighbours(&flows));
            if members.len() == BLOCK_FLOWS && (whole.len() + 1) * BLOCK_FLOWS <= share {
                whole.push(members);
            } else {
                kept.extend(members.into_iter().rev());
            }
        }
        let mut kept = kept.into_iter();
        while kept.len() > 0 {
            blocks.push(kept.by_ref().take(BLOCK_FLOWS).collect());
        }
        drop(blocks);
        let given = whole.len() * BLOCK_FLOWS;
        whole.into_iter().for_each(|members| store.give_back_block(members));
        given
    }
}

/// Where the flows begin that lie side by side with the last one. Between two blocks there are headers, so they are of one
/// block.
fn last_neighbours(flows: &[SpareFlow]) -> usize {
    let beside = |pair: &&[SpareFlow]| pair[1].address() - pair[0].address() == size_of::<Flow>();
    flows.len() - 1 - flows.windows(2).rev().take_while(beside).count()
}

impl Drop for SparePool {
    /// The table is going, and the store with it: there is no need to give each flow back to it.
    fn drop(&mut self) {
        let blocks = core::mem::take(&mut *lock(&self.blocks));
        blocks.into_iter().flatten().for_each(SpareFlow::forget);
    }
}

/// Spare flows of one worker.
#[derive(Debug, Default)]
pub(crate) struct SpareQueue {
    flows: Vec<SpareFlow>,
}

impl SpareQueue {
    /// Takes a flow, and asks for the lines of one that will be taken soon: it may have been unused for long.
    pub(crate) fn pop(&mut self) -> Option<SpareFlow> {
        let flow = self.flows.pop();
        if let Some(soon) = self.flows.len().checked_sub(SOON).and_then(|soon| self.flows.get(soon)) {
            soon.prefetch();
        }
        flow
    }
    pub(crate) fn len(&self) -> usize {
        self.flows.len()
    }
    /// Shows the slot of every flow.
    pub(crate) fn for_each(&self, visit: impl FnMut(SlotId)) {
        self.flows.iter().map(SpareFlow::slot).for_each(visit);
    }
    /// Takes a flow that has ended its work here; surplus goes to the pool block by block.
    pub(crate) fn put(&mut self, flow: SpareFlow, pool: &SparePool) {
        if self.flows.len() >= PRIVATE_MAX {
            pool.give_back(self.flows.drain(..BLOCK_FLOWS));
        }
        self.flows.push(flow);
    }
    /// Gives everything to the pool.
    pub(crate) fn empty_into(&mut self, pool: &SparePool) {
        pool.give_back(self.flows.drain(..));
    }
    /// Takes a fresh block from the operating system within the memcap.
    pub(crate) fn allocate(&mut self, store: &Ref<Boxed<FlowStore>>) -> bool {
        let old = self.flows.len();
        let done = FlowStore::take_block(store, &mut self.flows);
        self.flows[old..].reverse();
        done
    }
    /// Adds flows that came back by themselves.
    pub(crate) fn collect(&mut self, store: &FlowStore) {
        store.collect_returned(&mut self.flows);
    }
}

/// What a block costs.
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
