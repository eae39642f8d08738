//! A seed from its first step to its last, and what is left to prove when it is over.

use std::panic::{AssertUnwindSafe, catch_unwind};

use flumen_model::FlowRecord;
use flumen_table::{EndedFlow, FlowTable};
use traffic::splitmix;

use crate::census::Held;
use crate::law::{Law, Probe, Probes, Violation, holds};
use crate::model;
use crate::packets::{SimPacket, packets};
use crate::plan::{Ending, Nature, Plan};
use crate::world::World;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Steps that were done.
    pub steps: usize,
    /// Packets that were taken.
    pub packets: u64,
    /// Records that were made.
    pub records: usize,
    /// Stands for all records and counters in their order: the same again when the seed is run again.
    pub digest: u64,
    /// Rare paths that were taken.
    pub probes: Probes,
}

/// A seed that broke a law.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Steps of the run at most.
    pub steps: usize,
    /// What was run.
    pub way: Way,
    /// The step after which it showed.
    pub step: usize,
    /// What broke.
    pub violation: Violation,
}

/// What is done with a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Step by step on one thread: [`run`] and [`run_twice`].
    Steps,
    /// The whole engine with threads: [`run_threads`](crate::run_threads).
    Threads,
}

/// Passes of the manager in the quiet at the end.
const QUIET_PASSES: u32 = 100;

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { seed, steps, way, step, violation } = self;
        let (place, option) = match way {
            Way::Steps => (format!("step {step}"), ""),
            Way::Threads => ("threads".to_owned(), " --threads"),
        };
        writeln!(f, "seed {seed}, {place}: {violation}")?;
        write!(f, "to repeat: cargo run --release -p sim -- --seed {seed} --steps {steps}{option}")
    }
}

/// Runs a seed, and compares what can be compared.
///
/// # Errors
/// When a law is broken.
pub fn run(seed: u64, steps: usize) -> Result<Summary, Box<Failure>> {
    let mut step = 0;
    let caught = catch_unwind(AssertUnwindSafe(|| run_plan(&Plan::new(seed, steps), &mut step)));
    let result = caught.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Violation { law: Law::NoPanic, what: text.unwrap_or("a panic without words").to_owned() })
    });
    result.map_err(|violation| Box::new(Failure { seed, steps, way: Way::Steps, step, violation }))
}

/// Runs a seed twice: the second run must not differ in anything.
///
/// # Errors
/// When a law is broken.
pub fn run_twice(seed: u64, steps: usize) -> Result<Summary, Box<Failure>> {
    let (first, second) = (run(seed, steps)?, run(seed, steps)?);
    let what = || format!("two runs differ: {first:?} and {second:?}");
    match holds(Law::SameOutput, first == second, what) {
        Ok(()) => Ok(first),
        Err(violation) => Err(Box::new(Failure { seed, steps, way: Way::Steps, step: first.steps, violation })),
    }
}

fn run_plan(plan: &Plan, step: &mut usize) -> Result<Summary, Violation> {
    let packets = packets(plan);
    let (mut summary, records) = run_world(plan, &packets, step)?;
    if plan.nature == Nature::Calm {
        let alone = run_world(&plan.reference(), &packets, &mut 0)?.1;
        compare(records, alone, &packets, plan)?;
        summary.probes.hit(Probe::Compared);
    }
    Ok(summary)
}

/// The same records as with one worker, and as the model has them.
fn compare(
    mut records: Vec<FlowRecord>,
    mut alone: Vec<FlowRecord>,
    packets: &[SimPacket],
    plan: &Plan,
) -> Result<(), Violation> {
    records.sort_by_key(|record| record.flow_id);
    alone.sort_by_key(|record| record.flow_id);
    let differs = records.iter().zip(&alone).find(|(one, other)| one != other);
    holds(Law::SameOutput, differs.is_none() && records.len() == alone.len(), || {
        format!("{} records, {} of one worker; the first that differs: {differs:?}", records.len(), alone.len())
    })?;
    let (seen, expected) = (model::seen(&records), model::records(packets, &plan.table));
    let differs = seen.iter().zip(&expected).find(|(one, other)| one != other);
    holds(Law::SameOutput, differs.is_none() && seen.len() == expected.len(), || {
        format!("{} records, {} of the model; the first that differs: {differs:?}", seen.len(), expected.len())
    })
}

fn run_world(plan: &Plan, packets: &[SimPacket], step: &mut usize) -> Result<(Summary, Vec<FlowRecord>), Violation> {
    let table = FlowTable::new(plan.table.clone(), plan.hash_seed)
        .map_err(|error| Violation { law: Law::MemoryCeiling, what: error.to_string() })?;
    let mut world = World::new(plan, &table, packets);
    let done = world.run();
    *step = world.step;
    done?;
    match plan.ending {
        Ending::Ordered => world.end()?,
        Ending::TableFirst => {
            let left = world.leave();
            drop(table);
            let (summary, held, ended) = left;
            held.iter().try_for_each(Held::check_key)?;
            drop(held);
            drop(ended);
            return Ok((summary, Vec::new()));
        }
    }
    let summary = world.summary();
    Ok((summary, world.book.records))
}

impl World<'_> {
    /// The end of a run, in the engine's order.
    fn end(&mut self) -> Result<(), Violation> {
        let mut ended = Vec::new();
        for worker in &mut self.workers {
            ended.append(&mut worker.ended);
            ended.append(worker.lookup.work_queue());
        }
        for manager in &mut self.managers {
            ended.append(&mut manager.ended);
        }
        let last = self.last_time();
        self.table.set_now(last);
        self.table.sweep(0..self.table.groups(), self.table.is_emergency(), &mut ended);
        self.nothing_is_late()?;
        self.queue.push_back(self.table.drain(last, ended).collect());
        while !self.queue.is_empty() || self.recyclers.iter().any(|hand| !hand.is_empty()) {
            for recycler in 0..self.recyclers.len() {
                self.recycler_step(recycler)?;
            }
        }
        // What was referenced has ended all the same, so no check of the references here.
        self.book.is_balanced()?;
        let (created, recorded) = (self.counts().total, self.book.records.len() as u64);
        holds(Law::NoRecordLost, created == recorded, || format!("{created} flows, {recorded} records"))?;
        self.all_home()
    }

    /// Everybody leaves, references last: all slots must be home.
    fn all_home(&mut self) -> Result<(), Violation> {
        let live = self.table.count_flows();
        holds(Law::NoLeak, live == 0, || format!("{live} flows in an empty table"))?;
        self.check()?;
        for worker in &mut self.workers {
            let counters = &worker.lookup.counters;
            self.book.probes.add(Probe::SyncIncomplete, counters.spare_sync_incomplete);
            self.book.probes.add(Probe::SyncEmpty, counters.spare_sync_empty);
        }
        let (entered, over) = self.table.emergency_counts();
        self.book.probes.add(Probe::Emergency, entered);
        self.book.probes.add(Probe::EmergencyOver, over);
        self.book.probes.add(Probe::Reuse, self.book.reused);
        self.workers.clear();
        self.held.clear();
        // Once to collect what came back, then for as long as it takes to give the surplus back, a tenth with each pass.
        (0..=QUIET_PASSES).for_each(|_| self.maintain());
        let (slots, spare) = (self.table.slots(), self.table.spare() as u64);
        holds(Law::NoLeak, slots == spare, || format!("{slots} slots, {spare} of them home"))?;
        let wanted = u64::from(self.plan.table.prealloc);
        let shrunk = spare * 10 <= wanted * 11 || spare - wanted < 100;
        holds(Law::MemoryCeiling, shrunk, || format!("{spare} spare flows are kept, {wanted} are wanted"))
    }

    /// Leaves everything as it is, and takes along what is referenced or has ended.
    fn leave(mut self) -> (Summary, Vec<Held>, Vec<EndedFlow>) {
        let mut ended = Vec::new();
        for worker in &mut self.workers {
            ended.append(&mut worker.ended);
            if self.rng.chance(1, 2) {
                ended.append(worker.lookup.work_queue());
            }
        }
        self.managers.iter_mut().for_each(|manager| ended.append(&mut manager.ended));
        self.recyclers.iter_mut().for_each(|hand| ended.append(hand));
        ended.extend(self.queue.drain(..).flatten());
        let outlived = !self.held.is_empty() || !ended.is_empty();
        self.book.probes.add(Probe::OutlivedTable, u64::from(outlived));
        let summary = self.summary();
        (summary, self.held, ended)
    }

    fn summary(&self) -> Summary {
        let word = |digest: u64, text: String| text.bytes().fold(digest, |sum, byte| splitmix(sum ^ u64::from(byte)));
        let mut digest = 0;
        for record in &self.book.records {
            let fields = [record.flow_id, record.logged.nanos(), record.end.nanos(), record.reason as u64];
            digest = fields.into_iter().fold(digest, |sum, field| splitmix(sum ^ field));
        }
        for worker in &self.workers {
            digest = word(digest, format!("{:?}", worker.lookup.counters));
        }
        Summary {
            steps: self.step,
            packets: self.book.ledger.read.packets,
            records: self.book.records.len(),
            digest: word(digest, format!("{:?} {}", self.table.emergency_counts(), self.table.memuse())),
            probes: self.book.probes.clone(),
        }
    }
}
