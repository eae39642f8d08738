//! One source for several workers: what is done with its batches on their way, which the [`Relay`] arranges.
//!
//! A batch is read by one worker, decoded by it at the same time as others decode theirs, and dealt out: each worker has a
//! list of the packets of its own flows, and touches no others. When its turn comes, a batch gets the numbers of its packets,
//! and what was counted for it is added up. Decoding ahead is a guess that nothing before the batch matters for it. Where that is
//! wrong (there are fragments, which have to be put together in order; the test of checksums ends), the batch is decoded in
//! its turn, as a single worker would have: so what is found does not depend on the number of workers.

use flumen_model::sink::Anomaly;
use flumen_model::{PacketBatch, PacketSource, SourceError, Timestamp};
use flumen_table::FlowTable;

use crate::checksums::ChecksumTest;
use crate::config::EngineConfig;
use crate::front::{Front, FrontCounters};
use crate::pipeline::PacketClock;
use crate::prim::{Mutex, lock};
use crate::relay::{Reading, Relay, Stages};
use crate::vector::Vector;

pub(crate) type Feed<'r> = Relay<Decoding<'r>>;

/// Packets on their way from the source to the workers.
#[derive(Debug)]
pub(crate) struct Decoded<'r> {
    pub(crate) vector: Vector,
    /// Which packets each worker has.
    pub(crate) hands: Vec<Vec<u32>>,
    /// What was odd about the packets, when that is wanted.
    pub(crate) anomalies: Vec<Anomaly>,
    /// Time of the last frame.
    pub(crate) last: Timestamp,
    /// Time of the first frame of all.
    pub(crate) opened: Option<Timestamp>,
    raw: PacketBatch,
    /// For decoding ahead.
    front: Front<'r>,
    seen: Seen,
}

/// What happens to batches.
#[derive(Debug)]
pub(crate) struct Decoding<'r> {
    table: &'r FlowTable,
    config: &'r EngineConfig,
    secret: [u64; 2],
    workers: usize,
    /// How checksums are judged as far as is known.
    checksums: Mutex<ChecksumTest>,
}

/// Where batches come from.
pub(crate) struct Reader<'s> {
    source: &'s mut dyn PacketSource,
    pub(crate) error: Option<SourceError>,
}

/// What is done in order.
#[derive(Debug)]
pub(crate) struct InOrder<'r> {
    front: Front<'r>,
    pub(crate) seen: Seen,
}

impl InOrder<'_> {
    pub(crate) fn counters(&self) -> FrontCounters {
        let mut counters = FrontCounters::default();
        self.front.counters(&mut counters);
        counters
    }
}

pub(crate) fn feed<'r>(
    table: &'r FlowTable,
    config: &'r EngineConfig,
    secret: [u64; 2],
    source: &'r mut dyn PacketSource,
) -> Feed<'r> {
    let workers = config.threads.workers;
    let front = Front::new(table, config, secret);
    let checksums = Mutex::new(front.checksums());
    let stages = Decoding { table, config, secret, workers, checksums };
    let reading = if source.may_wait() { Reading::WhenDone } else { Reading::Ahead };
    let order = InOrder { front, seen: Seen::default() };
    Relay::new(stages, Reader { source, error: None }, order, workers, reading)
}

impl<'r> Stages for Decoding<'r> {
    type Source = Reader<'r>;
    type Order = InOrder<'r>;
    type Batch = Decoded<'r>;

    fn empty(&self) -> Decoded<'r> {
        Decoded {
            vector: Vector::default(),
            hands: vec![Vec::new(); self.workers],
            anomalies: Vec::new(),
            last: Timestamp::ZERO,
            opened: None,
            raw: PacketBatch::new(),
            front: Front::ahead(self.table, self.config, self.secret),
            seen: Seen::default(),
        }
    }

    fn read(&self, reader: &mut Reader<'r>, batch: &mut Decoded<'r>) -> bool {
        let filled = reader.source.fill(&mut batch.raw);
        filled.unwrap_or_else(|error| {
            reader.error = Some(error);
            false
        })
    }

    fn ahead(&self, batch: &mut Decoded<'r>) {
        let Decoded { vector, raw, front, seen, .. } = batch;
        raw.run_errand();
        let Some(first) = raw.entries().first() else { return };
        front.begin_ahead(first.timestamp, *lock(&self.checksums));
        seen.note_all(raw);
        front.frames(raw, 0..raw.len(), usize::MAX, vector);
        vector.deal(&mut batch.hands);
    }

    fn turn(&self, order: &mut InOrder<'r>, batch: &mut Decoded<'r>) {
        let Decoded { vector, hands, anomalies, raw, front, seen, .. } = batch;
        if let (Some(first), Some((_, latest))) = (raw.entries().first(), seen.span) {
            match order.front.take_over(front, first.timestamp, latest) {
                Some(before) => vector.before = before,
                None => {
                    vector.clear();
                    order.front.frames(raw, 0..raw.len(), usize::MAX, vector);
                    vector.deal(hands);
                }
            }
            // What is decoded from here on may know it.
            *lock(&self.checksums) = order.front.checksums();
            order.seen.go_on(seen);
        }
        if let Some(new) = &mut order.front.anomalies {
            anomalies.append(new);
        }
        batch.last = raw.entries().last().map_or_else(|| order.seen.last(), |last| last.timestamp);
        batch.opened = order.seen.opened;
        // The source wants the block back.
        batch.raw.clear();
    }

    fn finish(&self, order: &mut InOrder<'r>, batch: &mut Decoded<'r>) -> bool {
        let more = order.front.finish(&mut batch.vector);
        batch.vector.deal(&mut batch.hands);
        batch.last = order.seen.last();
        batch.opened = order.seen.opened;
        more
    }

    fn clear(&self, batch: &mut Decoded<'r>) {
        batch.vector.clear();
        // A source that waits gives batches without a frame, which are not dealt out again.
        batch.hands.iter_mut().for_each(Vec::clear);
        batch.anomalies.clear();
        batch.raw.clear();
        batch.seen = Seen::default();
    }
}

/// What has been read so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) clock: PacketClock,
    /// Time of the very first packet read.
    pub(crate) opened: Option<Timestamp>,
    /// Earliest and latest time.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
}

impl Seen {
    pub(crate) fn note(&mut self, at: Timestamp) {
        self.opened.get_or_insert(at);
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
    }
    /// Notes the times of several packets.
    pub(crate) fn note_all(&mut self, batch: &PacketBatch) {
        if let (Some(first), Some((earliest, latest))) = (batch.entries().first(), batch.times()) {
            self.opened.get_or_insert(first.timestamp);
            self.note(earliest);
            self.note(latest);
        }
    }
    /// The same, if all of them lie in the second that is running; else none is noted.
    pub(crate) fn note_within(&mut self, batch: &PacketBatch) -> bool {
        let Some((earliest, latest)) = batch.times() else { return false };
        let within = self.clock.is_within(earliest) && self.clock.is_within(latest);
        if within {
            self.note(earliest);
            self.note(latest);
        }
        within
    }
    /// Adds what was read elsewhere. The clock stays: it is that of one source.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.opened = self.opened.into_iter().chain(other.opened).min();
        if let Some((first, last)) = other.span {
            let (earliest, latest) = self.span.unwrap_or((first, last));
            self.span = Some((earliest.min(first), latest.max(last)));
        }
    }
    /// Adds what was read next.
    fn go_on(&mut self, next: &Self) {
        let opened = self.opened.or(next.opened);
        self.merge(next);
        self.opened = opened;
    }
    /// Time of the latest packet.
    pub(crate) fn last(&self) -> Timestamp {
        self.span.map_or(Timestamp::ZERO, |(_, last)| last)
    }
}
