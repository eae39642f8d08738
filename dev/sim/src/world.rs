//! The world: one table and all who work on it, each doing a step when the scheduler says so.
//!
//! A step is what a thread does between two moments at which another may come in without being able to tell: a vector
//! of packets, a round of a manager, some flows of a recycler. After every step the census is taken and all laws are
//! checked. There are no threads and no clock; everything is drawn from the seed.

use std::collections::VecDeque;

use flumen_model::{FlowKey, Timestamp};
use flumen_table::{EndedFlow, FlowHash, FlowLookup, FlowTable, PacketKey};
use traffic::{Rng, splitmix};

use crate::actors::{Manager, Worker};
use crate::book::Book;
use crate::census::{Census, Counts, Held, Home};
use crate::law::{Law, Probe, Violation, holds};
use crate::packets::SimPacket;
use crate::plan::{Nature, Plan, Share, rows_bytes};

/// A packet with its place in the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyed {
    pub(crate) key: PacketKey,
    pub(crate) hash: FlowHash,
    pub(crate) worker: usize,
}

/// One table and all who work on it.
pub(crate) struct World<'t> {
    pub(crate) plan: &'t Plan,
    pub(crate) table: &'t FlowTable,
    pub(crate) packets: &'t [SimPacket],
    pub(crate) keyed: Vec<Keyed>,
    pub(crate) rng: Rng,
    pub(crate) workers: Vec<Worker<'t>>,
    pub(crate) managers: Vec<Manager>,
    /// The recycle queue.
    pub(crate) queue: VecDeque<Vec<EndedFlow>>,
    /// What each recycler has in its hands.
    pub(crate) recyclers: Vec<Vec<EndedFlow>>,
    /// References that somebody outside holds.
    pub(crate) held: Vec<Held>,
    pub(crate) book: Book,
    census: Census,
    /// Sum of the traces of all flows there ever were, before this step.
    trace: u64,
    /// Counters before this step.
    counts: Counts,
    /// The packet of this step was refused, and was its only one.
    pub(crate) refused_alone: bool,
    pub(crate) step: usize,
}

impl<'t> World<'t> {
    pub(crate) fn new(plan: &'t Plan, table: &'t FlowTable, packets: &'t [SimPacket]) -> Self {
        let first = packets.first().map_or(Timestamp::ZERO, |packet| packet.at);
        let keyed = packets.iter().enumerate().map(|(n, packet)| keyed(plan, table, n, packet)).collect();
        Self {
            plan,
            table,
            packets,
            keyed,
            rng: Rng::new(plan.seed ^ plan.hash_seed[0]),
            workers: (0..plan.workers).map(|n| Worker::new(FlowLookup::new(table, n as u8))).collect(),
            managers: (0..plan.managers).map(|n| Manager::new(table.groups(), n, plan.managers)).collect(),
            queue: VecDeque::new(),
            recyclers: (0..plan.recyclers).map(|_| Vec::new()).collect(),
            held: Vec::new(),
            book: Book::new(first, table.config()),
            census: Census::default(),
            trace: 0,
            counts: Counts::default(),
            refused_alone: false,
            step: 0,
        }
    }

    /// Runs until all packets are taken, or the plan's steps are done.
    pub(crate) fn run(&mut self) -> Result<(), Violation> {
        self.check()?;
        let wild = self.plan.nature == Nature::Wild;
        while self.workers.iter().any(|worker| !worker.done) && (!wild || self.step < self.plan.steps_max) {
            self.step += 1;
            self.refused_alone = false;
            match self.rng.below(100) {
                0..64 => {
                    let worker = self.rng.below(self.workers.len() as u64) as usize;
                    self.worker_step(worker)?;
                }
                64..80 => {
                    let manager = self.rng.below(self.managers.len() as u64) as usize;
                    self.manager_step(manager)?;
                }
                80..90 => {
                    let recycler = self.rng.below(self.recyclers.len() as u64) as usize;
                    self.recycler_step(recycler)?;
                }
                90..98 if wild => self.outsider_step()?,
                98 if wild => self.memcap_step()?,
                _ => continue,
            }
            self.check()?;
        }
        Ok(())
    }

    /// Another memcap: less than what is in use must be refused.
    fn memcap_step(&mut self) -> Result<(), Violation> {
        let (memuse, memcap) = (self.table.memuse(), self.table.memcap());
        let most = self.plan.table.memcap * 2;
        let wanted = self.rng.below(most);
        let done = self.table.set_memcap(wanted);
        self.book.probes.hit(if done { Probe::MemcapChanged } else { Probe::MemcapRefused });
        let now = self.table.memcap();
        holds(Law::MemoryCeiling, done == (wanted >= memuse), || {
            format!("memcap {wanted} with {memuse} in use: {done}")
        })?;
        let expected = if done { wanted } else { memcap };
        holds(Law::RefusalLeavesNoTrace, now == expected, || format!("memcap {now} instead of {expected}"))
    }

    /// Somebody outside takes, copies, uses and drops references.
    fn outsider_step(&mut self) -> Result<(), Violation> {
        match self.rng.below(10) {
            0..4 => self.take_reference(),
            4 => {
                if let Some(held) = self.pick_held() {
                    let copy = self.held[held].clone();
                    self.held.push(copy);
                }
                Ok(())
            }
            5 => self.lock_reference(),
            6..9 => {
                if let Some(held) = self.pick_held() {
                    self.held.swap_remove(held);
                }
                Ok(())
            }
            _ => {
                let kept = self.rng.below(self.held.len() as u64 + 1) as usize;
                self.held.truncate(kept);
                Ok(())
            }
        }
    }

    pub(crate) fn pick_held(&mut self) -> Option<usize> {
        (!self.held.is_empty()).then(|| self.rng.below(self.held.len() as u64) as usize)
    }

    /// Takes a reference to the flow of a packet that was seen not long ago.
    fn take_reference(&mut self) -> Result<(), Violation> {
        let seen = self.workers.iter().map(|worker| worker.cursor).max().unwrap_or(0);
        let back = self.rng.below(30) as usize;
        let Some(&Keyed { key: PacketKey::Own(key), hash, worker }) = self.keyed[..seen].iter().rev().nth(back) else {
            return Ok(());
        };
        let mut row = self.workers[worker].lookup.lock(self.table.row(hash));
        if let Some(guard) = row.find(&key, hash) {
            self.held.push(Held::new(guard.reference(), guard.body()));
        }
        Ok(())
    }

    /// Locks a flow by reference: it is there exactly while it has not ended.
    fn lock_reference(&mut self) -> Result<(), Violation> {
        let Some(held) = self.pick_held() else { return Ok(()) };
        let live = matches!(self.census.home(self.held[held].flow.slot()), Home::Live(_));
        let guard = self.table.lock(&self.held[held].flow);
        let locked = guard.as_ref().map(|guard| guard.key() == self.held[held].flow.key());
        let copy = guard.map(|guard| Held::new(guard.reference(), guard.body()));
        holds(Law::NoEarlyFree, locked == live.then_some(true), || format!("lock {locked:?} of a flow, live: {live}"))?;
        self.held.extend(copy);
        Ok(())
    }

    /// Puts ended flows into the recycle queue, as far as there is room.
    pub(crate) fn hand_over(&mut self, ended: &mut Vec<EndedFlow>) {
        while !ended.is_empty() && self.queue.len() < self.plan.queue_max {
            let batch = ended.drain(..ended.len().min(self.plan.batch_max)).collect();
            self.queue.push_back(batch);
        }
        self.book.probes.add(Probe::QueueFull, u64::from(!ended.is_empty()));
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for counters in self.workers.iter().map(|worker| &worker.lookup.counters) {
            counts.total += counters.total;
            counts.get_used += counters.get_used;
            counts.tcp_reuse += counters.tcp_reuse;
            counts.memcap += counters.memcap;
        }
        counts
    }

    /// Takes the census and checks the laws.
    pub(crate) fn check(&mut self) -> Result<(), Violation> {
        let mut census = core::mem::take(&mut self.census);
        census.begin();
        census.table(self.table);
        for worker in &mut self.workers {
            worker.lookup.for_each_spare(|slot| census.spare(slot));
            worker.lookup.work_queue().iter().for_each(|flow| census.ended(flow));
            worker.ended.iter().for_each(|flow| census.ended(flow));
        }
        let batches = self.managers.iter().map(|manager| &manager.ended).chain(&self.queue).chain(&self.recyclers);
        batches.flatten().for_each(|flow| census.ended(flow));
        self.census = census;
        let orphans = self.check_held()?;
        let counts = self.counts();
        self.census.check(self.table, &self.book, orphans, rows_bytes(self.plan.table.hash_size), counts)?;
        self.census.probe(self.table, &mut self.book);
        let trace = self.census.trace.wrapping_add(self.book.trace);
        let old = core::mem::replace(&mut self.counts, counts);
        let untouched = trace == self.trace && (counts.total, counts.tcp_reuse) == (old.total, old.tcp_reuse);
        self.trace = trace;
        holds(Law::RefusalLeavesNoTrace, untouched || !self.refused_alone, || {
            "a refused packet has made, changed or ended a flow".to_owned()
        })
    }

    /// Checks every reference; how many slots only references know.
    fn check_held(&mut self) -> Result<u64, Violation> {
        let mut slots: Vec<_> = self.held.iter().map(|held| held.flow.slot()).collect();
        slots.sort_unstable();
        let mut orphans = 0;
        for held in &mut self.held {
            let slot = held.flow.slot();
            let from = slots.partition_point(|&other| other < slot);
            let handles = slots[from..].iter().take_while(|&&other| other == slot).count() as u32;
            let home = self.census.home(slot);
            held.check(home, handles)?;
            self.book.probes.add(Probe::ReuseReferenced, u64::from(matches!(home, Home::Ended(..))));
        }
        slots.dedup();
        for slot in slots {
            orphans += u64::from(self.census.home(slot) == Home::Nowhere);
        }
        self.book.probes.add(Probe::Orphan, u64::from(orphans > 0));
        Ok(orphans)
    }

    /// Time of the latest packet.
    pub(crate) fn last_time(&self) -> Timestamp {
        self.book.latest
    }
}

/// Key, hash and worker of a packet.
fn keyed(plan: &Plan, table: &FlowTable, number: usize, packet: &SimPacket) -> Keyed {
    let key = PacketKey::of(&packet.packet, 0, table.config());
    let hash = match &key {
        PacketKey::Own(key) | PacketKey::About(key) => table.hash(key),
        PacketKey::Nothing => table.hash(&FlowKey::NONE),
    };
    let of = plan.workers as u32;
    let worker = match plan.share {
        Share::ByHash => hash.worker(of),
        Share::Scattered => (splitmix(plan.seed ^ number as u64) % u64::from(of)) as u32,
    };
    Keyed { key, hash, worker: worker as usize }
}
