//! A file that several workers read: every worker gets every batch, in order, and takes the packets of its own flows.
//!
//! Workers take from the [`Feed`] and wait for the slowest of them; the rest is the [`Team`]'s. When the sink fails, the
//! feed is stopped and what is left goes the usual way, counted as lost.

use std::thread::{Thread, scope};

use flumen_model::{FlowRecord, PacketSource, RecordSink, Timestamp};
use flumen_table::{FlowIds, FlowTable};

use crate::affinity::Role;
use crate::config::EngineConfig;
use crate::feed::{Feed, InOrder, feed};
use crate::manager::{ENDED_BATCH, ManagerCounters, Pace};
use crate::monitor::Monitor;
use crate::pipeline::{Outlet, PacketClock, Worker};
use crate::prim::Mutex;
use crate::recorder::{Outflow, Outgoing};
use crate::relay::Left;
use crate::run::Done;
use crate::team::{Gathered, Start, Team, Work, WorkerDone};

/// What the threads of the run share.
struct Shared<'r> {
    team: Team<'r>,
    feed: Feed<'r>,
}

/// Reads the source to its end, or until the sink fails.
pub(crate) fn run<'s>(
    table: &FlowTable,
    config: &EngineConfig,
    secret: [u64; 2],
    source: &mut dyn PacketSource,
    sink: &'s mut dyn RecordSink,
    monitor: &Monitor,
) -> Done<'s> {
    let workers = config.threads.workers;
    let shared = Shared {
        team: Team::new(table, config, workers, sink.wants_flows()),
        feed: feed(table, config, secret, source),
    };
    monitor.begin(workers);
    let out = Mutex::new(Outflow::new(sink));
    let look = |manager: &ManagerCounters| {
        monitor.answer(|question| shared.team.answer(question, || counters(&shared, manager)))
    };
    let end = |_: &Gathered| shared.feed.look(|order| order.seen.last()).unwrap_or(Timestamp::ZERO);
    let rest = |records: &[FlowRecord]| shared.team.write_rest(&out, monitor, records);
    let gathered = scope(|scope| {
        let shared = &shared;
        let workers = (0..workers)
            .map(|number| Box::new(move |manager: &Thread| work(shared, number, manager, monitor)) as Work<'_>);
        let start = Start { workers: workers.collect(), pace: Pace::File, look: &look, end: &end, rest: &rest };
        let conductor = shared.team.start(scope, start, monitor);
        shared.team.write_out(&out, monitor, || shared.feed.stop());
        crate::team::join(conductor)
    });
    let Left { source: reader, order, waits } = shared.feed.into_parts();
    let (seen, front) = order.map_or_else(Default::default, |order| (order.seen, order.counters()));
    let error = reader.and_then(|reader| reader.error);
    shared.team.finish(Gathered { seen, front, error, waits, ..gathered }, out)
}

fn counters(shared: &Shared<'_>, manager: &ManagerCounters) -> (flumen_model::Counters, flumen_model::Ledger) {
    let gathered = Gathered { front: shared.feed.look(InOrder::counters).unwrap_or_default(), ..shared.team.gather() };
    gathered.counters(manager, shared.team.table)
}

fn work(shared: &Shared<'_>, number: usize, manager: &Thread, monitor: &Monitor) -> WorkerDone {
    let Shared { team, feed } = shared;
    let mut worker = Worker::new(team.table, team.config, number, team.wants_records);
    team.pin(Role::Worker(number));
    let _alarm = Alarm(feed);
    let mut clock = PacketClock::default();
    let mut ended = Vec::new();
    let mut to_queue = |records: &mut Vec<FlowRecord>| team.put_records(records);
    let mut woken = false;
    let mut outlet = Outlet { ids: FlowIds::new(Timestamp::ZERO), records: &mut to_queue };
    while let Some(batch) = feed.next(number) {
        // A batch without a frame may come before the first one.
        if let Some(opened) = batch.opened {
            outlet.ids = *team.ids.get_or_init(|| FlowIds::new(opened));
        }
        let own = &batch.hands[number];
        worker.own_packets(&batch.vector, own, &mut outlet, || feed.has_failed());
        worker.under_pressure.hand_on(&mut outlet);
        // One worker passes them on for all.
        if number == 0 && !batch.anomalies.is_empty() {
            let _ = team.records.put(Outgoing::Anomalies(batch.anomalies.clone()));
        }
        let last = batch.last;
        feed.give_back(batch);
        let second_over = clock.ends_second(last);
        if second_over || clock.is_within(last) {
            team.clocks.publish(number, last);
        }
        if second_over || worker.lookup.work_queue().len() >= ENDED_BATCH {
            team.take_ended(&mut worker, &mut ended);
        }
        if second_over {
            worker.lookup.give_back_spare();
        }
        let emergency = team.table.is_emergency();
        if emergency && !woken {
            manager.unpark();
        }
        woken = emergency;
        team.publish(number, |published| {
            worker.counted(published);
            published.ledger.in_flows = worker.in_flows;
        });
        monitor.note_turn(number);
    }
    monitor.note_done(number);
    team.take_ended(&mut worker, &mut ended);
    team.clocks.done(number);
    let mut done = WorkerDone::default();
    worker.counted(&mut done);
    done
}

/// Tells the other workers when one panics.
struct Alarm<'f, 'r>(&'f Feed<'r>);

impl Drop for Alarm<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
        }
    }
}
