//! What comes out does not depend on how many workers there are: what has to be done in order is, though batches are decoded
//! several at once.

use flumen_engine::{Checksums, EngineConfig, RunError, RunReport, Threads, run};
use flumen_model::sink::Stats;
use flumen_model::source::{ChecksumNote, Entry};
use flumen_model::{
    FlowRecord, LinkType, PacketBatch, PacketSource, RecordSink, SinkError, SourceError, Span, Timestamp,
};
use flumen_pbuf::Pbuf;
use flumen_table::TableConfig;
use traffic::Frame;
use traffic::scenario::{Options, Scenario};

/// Frames a batch: few, so that what belongs together is in several batches.
const BATCH: usize = 7;

/// Gives frames, and between two batches one without a frame, as a source does that waits.
struct Pausing<'f> {
    frames: core::slice::Chunks<'f, Frame>,
    pause: bool,
}

impl PacketSource for Pausing<'_> {
    fn fill(&mut self, batch: &mut PacketBatch) -> Result<bool, SourceError> {
        batch.clear();
        self.pause = !self.pause;
        if self.pause {
            return Ok(true);
        }
        let Some(frames) = self.frames.next() else { return Ok(false) };
        let block: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes.as_slice()).copied().collect();
        batch.start(block.into());
        let mut offset = 0;
        for frame in frames {
            let len = frame.bytes.as_slice().len();
            batch.push(Entry {
                timestamp: Timestamp::from_nanos(frame.at_ns),
                offset,
                captured_len: len as u32,
                wire_len: len as u32,
                link: LinkType::Ethernet,
                device: 0,
                checksum: ChecksumNote::None,
            });
            offset += len;
        }
        Ok(true)
    }
}

#[derive(Default)]
struct Kept(Vec<FlowRecord>);

impl RecordSink for Kept {
    fn flows(&mut self, records: &[FlowRecord]) -> Result<(), SinkError> {
        self.0.extend_from_slice(records);
        Ok(())
    }
    fn stats(&mut self, _: &Stats) -> Result<(), SinkError> {
        Ok(())
    }
    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Takes so many records, and fails then.
struct Full {
    room: usize,
    taken: u64,
}

impl RecordSink for Full {
    fn flows(&mut self, records: &[FlowRecord]) -> Result<(), SinkError> {
        let taken = records.len().min(self.room);
        self.room -= taken;
        self.taken += taken as u64;
        let lost = (records.len() - taken) as u64;
        let (target, source) = ("disk".to_owned(), std::io::ErrorKind::StorageFull.into());
        if lost > 0 { Err(SinkError::Io { target, lost, source }) } else { Ok(()) }
    }
    fn stats(&mut self, _: &Stats) -> Result<(), SinkError> {
        Ok(())
    }
    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Runs with so many workers: the report, and the records in an order that says nothing.
fn run_with(workers: usize, frames: &[Frame]) -> (RunReport, Vec<String>) {
    let config = EngineConfig {
        table: TableConfig { midstream: true, ..TableConfig::default() },
        threads: Threads { workers, ..Threads::default() },
        checksums: Checksums::Auto,
        ..EngineConfig::default()
    };
    let mut kept = Kept::default();
    let mut source = Pausing { frames: frames.chunks(BATCH), pause: false };
    let report = run(&mut source, &mut kept, &config, [3, 4]).expect("nothing fails");
    let mut records: Vec<_> =
        kept.0.into_iter().map(|record| format!("{:?}", FlowRecord { logged: record.end, ..record })).collect();
    records.sort();
    (report, records)
}

fn frames(scenario: &str, packets: u64) -> Vec<Frame> {
    frames_of(scenario, packets, 200)
}

fn frames_of(scenario: &str, packets: u64, flows: u64) -> Vec<Frame> {
    let mut frames = Vec::new();
    let options = Options { seed: 5, packets: Some(packets), flows: Some(flows), ..Options::default() };
    Scenario::named(scenario).expect("a scenario").run(&options, &mut frames).expect("memory");
    frames
}

#[track_caller]
fn assert_same_with_any_number(frames: &[Frame]) {
    let (one, records) = run_with(1, frames);
    assert!(one.ledger.is_closed());
    assert_eq!(one.ledger.read.packets, frames.len() as u64);
    for workers in [2, 3, 5] {
        let (report, same) = run_with(workers, frames);
        let odd = records.iter().zip(&same).find(|(one, other)| one != other);
        assert_eq!(odd, None, "with one worker, and with {workers}");
        assert_eq!(records.len(), same.len(), "records with {workers} workers");
        assert_eq!(one.ledger, report.ledger, "{workers} workers");
        for name in ["decoder.pkts", "decoder.tcp", "tcp.invalid_checksum", "defrag.ipv4.reassembled", "flow.total"] {
            let counted = |report: &RunReport| report.counters.iter().find(|(key, _)| *key == name).map(|(_, n)| n);
            assert_eq!(counted(&one), counted(&report), "{name} with {workers} workers");
        }
    }
}

#[test]
fn datagrams_in_pieces_then_put_together_in_their_order() {
    assert_same_with_any_number(&frames("fragments", 3_000));
}

#[test]
fn packets_in_tunnels_then_each_knows_the_flow_of_its_outside() {
    assert_same_with_any_number(&frames("tunnels", 3_000));
}

#[test]
fn sample_of_checksums_that_ends_in_a_batch_then_what_is_believed_is_the_same() {
    let sound = frames("office", 6_000);
    // A sixth of them wrong: too much for the sample, which ends the validation. And none wrong but at the end.
    for wrong in [0..sound.len(), sound.len() / 2..sound.len()] {
        let frames: Vec<Frame> = sound
            .iter()
            .enumerate()
            .map(|(i, frame)| {
                let mut bytes = frame.bytes.as_slice().to_vec();
                if wrong.contains(&i) && i % 6 == 0 {
                    *bytes.last_mut().expect("no frame is empty") ^= 0xff;
                }
                Frame { bytes: Pbuf::from(bytes), ..*frame }
            })
            .collect();
        assert_same_with_any_number(&frames);
    }
}

/// Does nothing with flows, and says so.
struct Unwanting;

impl RecordSink for Unwanting {
    fn wants_flows(&self) -> bool {
        false
    }
    fn flows(&mut self, records: &[FlowRecord]) -> Result<(), SinkError> {
        panic!("{} records, of which none was wanted", records.len());
    }
    fn stats(&mut self, _: &Stats) -> Result<(), SinkError> {
        Ok(())
    }
    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// With time-outs, interim records that would be due, and, where there is no room, flows that are ended by force.
#[test]
fn sink_that_wants_no_flows_then_none_is_made_and_all_is_counted_the_same() {
    const NO_ROOM: u64 = 400_000;
    for (scenario, flows, memcap) in [("office", 200, 1 << 26), ("zipf", 5_000, 1 << 26), ("uniform", 5_000, NO_ROOM)] {
        let frames = frames_of(scenario, 20_000, flows);
        for workers in [1, 2, 3] {
            let config = EngineConfig {
                table: TableConfig {
                    midstream: true,
                    memcap,
                    prealloc: 100,
                    hash_size: 1024,
                    ..TableConfig::default()
                },
                threads: Threads { workers, ..Threads::default() },
                active_timeout: Some(Span::from_secs(5)),
                ..EngineConfig::default()
            };
            let read = |sink: &mut dyn RecordSink| {
                let mut source = Pausing { frames: frames.chunks(BATCH), pause: false };
                run(&mut source, sink, &config, [3, 4]).expect("nothing fails")
            };
            let (wanted, unwanted) = (read(&mut Kept::default()), read(&mut Unwanting));
            assert!(unwanted.ledger.is_closed(), "{:?}", unwanted.ledger);
            if memcap == NO_ROOM {
                // What is kept for interim records takes room beside each flow, so others are ended.
                assert!(unwanted.counters.value("flow.get_used") > Some(0), "{workers} workers");
                continue;
            }
            assert_eq!(wanted.ledger, unwanted.ledger, "{scenario} with {workers} workers");
            for (name, value) in wanted.counters.iter().filter(|(name, _)| name.starts_with("flow.end")) {
                assert_eq!(unwanted.counters.value(name), Some(value), "{name}: {scenario} with {workers} workers");
            }
        }
    }
}

/// All flows are there until the end, so that nothing is read any more when the sink fails.
#[test]
fn sink_that_fails_among_the_flows_of_the_end_then_every_record_is_taken_or_counted_as_lost() {
    let frames = frames("syn-flood", 600);
    let all = run_with(1, &frames).1.len();
    assert!(all > 300, "{all} flows, of several writes");
    for workers in [1, 2, 3] {
        for room in [0, 1, 70, all - 1] {
            let config = EngineConfig { threads: Threads { workers, ..Threads::default() }, ..EngineConfig::default() };
            let mut full = Full { room, taken: 0 };
            let mut source = Pausing { frames: frames.chunks(BATCH), pause: false };
            let error = run(&mut source, &mut full, &config, [3, 4]).expect_err("the sink fails");
            let RunError::Sink(SinkError::Io { lost, .. }) = error else { panic!("{error}") };
            assert_eq!((full.taken, full.taken + lost), (room as u64, all as u64), "{workers} workers");
        }
    }
}
