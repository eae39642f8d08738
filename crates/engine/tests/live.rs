//! Live runs, with sources that a test feeds and a clock that it sets.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::scope;
use std::time::Duration;

use flumen_engine::{CaptureCounters, Checksums, EngineConfig, Live, LiveSource, Monitor, RunReport, run_live};
use flumen_model::sink::Stats;
use flumen_model::source::{ChecksumNote, Entry};
use flumen_model::{
    EndReason, FlowRecord, KernelTally, LinkType, PacketBatch, PacketSource, RecordSink, SinkError, SourceError,
    Timestamp,
};
use flumen_pbuf::Pbuf;
use flumen_table::TableConfig;

const START: u64 = 1_600_000_000;

/// What a source does next.
enum Step {
    /// Delivers a UDP packet from this port, at this second.
    Packet(u16, u64),
    Fail,
}

/// Does what it is told, and nothing while it is told nothing; ends when it is stopped and has done all.
struct Fed {
    steps: Receiver<Step>,
    stop: Arc<AtomicBool>,
}

impl PacketSource for Fed {
    fn fill(&mut self, batch: &mut PacketBatch) -> Result<bool, SourceError> {
        batch.clear();
        match self.steps.try_recv() {
            Ok(Step::Packet(port, secs)) => packet(batch, port, secs),
            Ok(Step::Fail) => {
                return Err(SourceError {
                    source_name: "eth0".to_owned(),
                    offset: None,
                    reason: "gone".to_owned(),
                    damaged: false,
                });
            }
            Err(_) if self.stop.load(Ordering::Relaxed) => return Ok(false),
            Err(_) => std::thread::yield_now(),
        }
        Ok(true)
    }
}

fn packet(batch: &mut PacketBatch, port: u16, secs: u64) {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
    frame.extend([0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(port.to_be_bytes());
    frame.extend([0x00, 0x35, 0, 8, 0, 0]);
    let len = frame.len() as u32;
    batch.start(Pbuf::copy_from(&frame).expect("memory"));
    let timestamp = Timestamp::from_parts(secs, 0);
    let (link, checksum) = (LinkType::Ethernet, ChecksumNote::None);
    batch.push(Entry { timestamp, offset: 0, captured_len: len, wire_len: len, link, device: 0, checksum });
}

/// Passes on what it gets, or fails.
struct Told {
    records: Sender<FlowRecord>,
    stats: Sender<Stats>,
    fails: bool,
}

impl RecordSink for Told {
    fn flows(&mut self, records: &[FlowRecord]) -> Result<(), SinkError> {
        if self.fails {
            let lost = records.len() as u64;
            return Err(SinkError::Io {
                target: "disk".to_owned(),
                lost,
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        records.iter().for_each(|record| self.records.send(record.clone()).expect("the test listens"));
        Ok(())
    }
    fn stats(&mut self, stats: &Stats) -> Result<(), SinkError> {
        self.stats.send(stats.clone()).expect("the test listens");
        Ok(())
    }
    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A run as its test sees it.
struct Run {
    feed: Vec<Sender<Step>>,
    stop: Arc<AtomicBool>,
    clock: Arc<AtomicU64>,
    records: Receiver<FlowRecord>,
    stats: Receiver<Stats>,
    monitor: Arc<Monitor>,
}

impl Run {
    fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
    fn send(&self, source: usize, port: u16, secs: u64) {
        self.feed[source].send(Step::Packet(port, START + secs)).expect("the source lives");
    }
    /// Waits until so many packets are in flows.
    fn wait_for(&self, packets: u64) -> Stats {
        loop {
            let stats = self.monitor.stats().expect("the run goes on");
            if stats.ledger.in_flows.packets == packets {
                return stats;
            }
            std::thread::yield_now();
        }
    }
}

/// Runs `sources` sources while `test` does what it does, which ends the run.
fn live(sources: usize, fails: bool, test: impl FnOnce(&Run)) -> Result<RunReport, flumen_engine::RunError> {
    let stop = Arc::new(AtomicBool::new(false));
    let clock = Arc::new(AtomicU64::new(START));
    let monitor = Arc::new(Monitor::default());
    let (feed, steps): (Vec<_>, Vec<_>) = (0..sources).map(|_| channel()).unzip();
    let (record_in, records) = channel();
    let (stats_in, stats) = channel();
    let run = Run { feed, stop: Arc::clone(&stop), clock: Arc::clone(&clock), records, stats, monitor };
    let monitor = Arc::clone(&run.monitor);
    monitor.set_stats_every(Some(Duration::from_millis(2)));
    let kernel = Mutex::new(KernelTally { packets: 2, dropped: 1, lost: 1 });
    scope(|scope| {
        let running = scope.spawn(move || {
            let fed = |steps| LiveSource {
                packets: Box::new(Fed { steps, stop: Arc::clone(&stop) }),
                checksums: Checksums::None,
            };
            let end = || stop.store(true, Ordering::Relaxed);
            let now = || Timestamp::from_parts(clock.load(Ordering::Relaxed), 0);
            let capture = || {
                let mut counters = CaptureCounters { kernel: *kernel.lock().expect("whole"), ..Default::default() };
                counters.named.push("capture.kernel_packets", counters.kernel.packets);
                counters
            };
            let live = Live { sources: steps.into_iter().map(fed).collect(), stop: &end, now: &now, capture: &capture };
            let table = TableConfig { hash_size: 64, prealloc: 10, ..TableConfig::default() };
            let config = EngineConfig { table, ..EngineConfig::default() };
            let mut sink = Told { records: record_in, stats: stats_in, fails };
            run_live(live, &mut sink, &config, [1, 2], &monitor)
        });
        test(&run);
        running.join().expect("no panic")
    })
}

#[test]
fn sources_with_a_worker_each_then_flows_of_one_table_and_an_account_that_closes() {
    let report = live(2, false, |run| {
        (0..50).for_each(|port| run.send(usize::from(port % 2), 1000 + port, 0));
        // The same flow over both.
        run.send(0, 7, 0);
        run.send(1, 7, 0);
        let stats = run.wait_for(52);
        assert_eq!(stats.ledger.unaccounted(), (0, 0), "it closes while the run goes on");
        assert_eq!(stats.counters.iter().next(), Some(("capture.kernel_packets", 2)));
        assert_eq!(run.monitor.unwritten_flows(), 51);
        run.end();
        let mut ids: Vec<_> = run
            .records
            .iter()
            .map(|record| {
                assert_eq!(record.reason, EndReason::Shutdown);
                record.flow_id
            })
            .collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 51, "an id of its own for each");
        assert_eq!(run.monitor.unwritten_flows(), 0);
    })
    .expect("no error");
    assert_eq!((report.ledger.unaccounted(), report.ledger.in_flows.packets), ((0, 0), 52));
    // The kernel of this test says that it had stored none.
    assert_eq!(report.ledger.unread(), -52);
    assert_eq!(report.counters.value("flow.active"), Some(0));
}

#[test]
fn nothing_comes_then_flows_time_out_by_the_wall_clock() {
    live(2, false, |run| {
        run.send(0, 1, 0);
        run.wait_for(1);
        run.clock.store(START + 32, Ordering::Relaxed);
        let record = run.records.recv().expect("it leaves while nothing comes");
        assert_eq!((record.reason, record.end), (EndReason::Timeout, Timestamp::from_parts(START, 0)));
        run.end();
    })
    .expect("no error");
}

#[test]
fn time_passes_then_snapshots_and_one_more_on_request() {
    live(1, false, |run| {
        for _ in 0..3 {
            let stats = run.stats.recv().expect("a snapshot");
            assert!(stats.ledger.kernel.is_some());
        }
        run.monitor.request_stats();
        run.stats.recv().expect("a snapshot");
        assert_eq!(run.monitor.set_memcap(1), Some(false), "more is in use");
        assert_eq!(run.monitor.set_memcap(1 << 30), Some(true));
        run.end();
    })
    .expect("no error");
}

#[test]
fn sink_fails_then_sources_are_stopped_and_losses_counted() {
    let error = live(2, true, |run| {
        run.send(0, 1, 0);
        run.send(1, 2, 0);
        run.wait_for(2);
        run.clock.store(START + 40, Ordering::Relaxed);
        while !run.stop.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
    })
    .expect_err("the sink fails");
    assert!(error.to_string().ends_with("2 records were not written"), "{error}");
}

#[test]
fn one_source_fails_then_the_others_are_ended_and_the_error_is_in_the_report() {
    let report = live(2, false, |run| {
        run.send(0, 1, 0);
        run.wait_for(1);
        run.feed[1].send(Step::Fail).expect("the source lives");
        assert_eq!(run.records.iter().count(), 1);
    })
    .expect("the run ends as it should");
    assert_eq!(report.source_error.expect("it is told").to_string(), "eth0: gone");
    assert_eq!(report.ledger.unaccounted(), (0, 0));
}
