//! A run is looked into while it goes on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::scope;

use flumen_engine::{EngineConfig, Monitor, Threads, run_monitored};
use flumen_model::sink::Stats;
use flumen_model::source::{ChecksumNote, Entry};
use flumen_model::{FlowRecord, LinkType, PacketBatch, PacketSource, RecordSink, SinkError, SourceError, Timestamp};
use flumen_pbuf::Pbuf;

/// One UDP packet, then a pause until the test has looked, then the end.
struct Paused {
    step: u32,
    reached: Sender<()>,
    go_on: Receiver<()>,
}

impl PacketSource for Paused {
    fn fill(&mut self, batch: &mut PacketBatch) -> Result<bool, SourceError> {
        self.step += 1;
        batch.clear();
        match self.step {
            1 => {
                one_packet(batch);
                Ok(true)
            }
            2 => {
                self.reached.send(()).expect("the test waits");
                self.go_on.recv().expect("the test goes on");
                Ok(false)
            }
            _ => Ok(false),
        }
    }
}

fn one_packet(batch: &mut PacketBatch) {
    let frame = udp();
    let len = frame.len() as u32;
    batch.start(Pbuf::copy_from(&frame).expect("memory"));
    batch.push(Entry {
        timestamp: Timestamp::from_parts(1_600_000_000, 0),
        offset: 0,
        captured_len: len,
        wire_len: len,
        link: LinkType::Ethernet,
        device: 0,
        checksum: ChecksumNote::None,
    });
}

/// Ethernet, IPv4, UDP 1000 → 53, without checksums.
fn udp() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
    frame.extend([0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0x03, 0xe8, 0x00, 0x35, 0, 8, 0, 0]);
    frame
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

#[test]
fn a_run_of_several_workers_answers_while_a_worker_waits_for_packets() {
    let config = EngineConfig {
        threads: Threads { workers: 2, managers: 2, recyclers: 1, ..Threads::default() },
        ..EngineConfig::default()
    };
    let monitor = Monitor::default();
    let (reached, wait) = channel();
    let (go, go_on) = channel();
    let mut source = Paused { step: 0, reached, go_on };
    let mut sink = Kept::default();
    let id = scope(|scope| {
        let run = scope.spawn(|| run_monitored(&mut source, &mut sink, &config, [1, 2], &monitor));
        wait.recv().expect("the source pauses");
        // The worker that does not wait in the source may still be busy with the first batch.
        let counters = loop {
            let counters = monitor.counters().expect("the run goes on");
            if counters.value("flow.total") == Some(1) {
                break counters;
            }
            std::thread::yield_now();
        };
        assert_eq!(counters.value("flow.active"), Some(1));
        let ids = flumen_table::FlowIds::new(Timestamp::from_parts(1_600_000_000, 0));
        let id = ids.id(1);
        let flow = monitor.flow(id).expect("it is in the table");
        assert_eq!((flow.to_server.packets, flow.flow_id), (1, id));
        assert!(monitor.flow(id ^ 1).is_none());
        go.send(()).expect("the source waits");
        let report = run.join().expect("no panic").expect("no error");
        assert!(report.ledger.is_closed());
        id
    });
    assert_eq!(sink.0.iter().map(|record| record.flow_id).collect::<Vec<_>>(), [id]);
    assert!(monitor.counters().is_none() && monitor.flow(id).is_none(), "the run is over");
}

#[test]
fn worker_that_stands_still_then_no_pulse_until_it_goes_on() {
    for workers in [1, 2] {
        let config = EngineConfig { threads: Threads { workers, ..Threads::default() }, ..EngineConfig::default() };
        let monitor = Monitor::default();
        let (reached, wait) = channel();
        let (go, go_on) = channel();
        let mut source = Paused { step: 0, reached, go_on };
        let mut sink = Kept::default();
        let before = monitor.pulse();
        scope(|scope| {
            let run = scope.spawn(|| run_monitored(&mut source, &mut sink, &config, [1, 2], &monitor));
            wait.recv().expect("the source pauses");
            // Another worker may still be busy with the first batch.
            while !monitor.pulse().has_moved_since(&before) {
                std::thread::yield_now();
            }
            let first = monitor.pulse();
            (0..100).for_each(|_| std::thread::yield_now());
            assert!(!monitor.pulse().has_moved_since(&first), "the source holds it up");
            go.send(()).expect("the source waits");
            run.join().expect("no panic").expect("no error");
            assert!(monitor.pulse().has_moved_since(&first));
        });
    }
}

/// The same packet again and again, until the test has its answer.
struct Endless<'t> {
    answered: &'t AtomicBool,
}

impl PacketSource for Endless<'_> {
    fn fill(&mut self, batch: &mut PacketBatch) -> Result<bool, SourceError> {
        batch.clear();
        if self.answered.load(Ordering::Acquire) {
            return Ok(false);
        }
        one_packet(batch);
        Ok(true)
    }
}

#[test]
fn a_run_of_one_worker_answers_between_batches() {
    let (monitor, answered) = (Monitor::default(), AtomicBool::new(false));
    let (mut source, mut sink) = (Endless { answered: &answered }, Kept::default());
    scope(|scope| {
        let asker = scope.spawn(|| {
            let counters = monitor.counters();
            answered.store(true, Ordering::Release);
            counters
        });
        let report =
            run_monitored(&mut source, &mut sink, &EngineConfig::default(), [1, 2], &monitor).expect("no error");
        let counters = asker.join().expect("no panic").expect("the run goes on until it has answered");
        assert_eq!((counters.value("flow.total"), counters.value("flow.active")), (Some(1), Some(1)));
        assert!(counters.value("decoder.pkts") <= Some(report.ledger.read.packets));
    });
    assert_eq!(sink.0.len(), 1);
}

/// One packet, then batches without any, as of a directory that is watched.
struct Quiet {
    batches: u32,
}

impl PacketSource for Quiet {
    fn fill(&mut self, batch: &mut PacketBatch) -> Result<bool, SourceError> {
        batch.clear();
        self.batches += 1;
        if self.batches == 1 {
            one_packet(batch);
        }
        Ok(self.batches < 1_000)
    }
}

#[test]
fn empty_batches_behind_a_packet_then_it_is_counted_once() {
    for workers in 1..=3 {
        let config = EngineConfig { threads: Threads { workers, ..Threads::default() }, ..EngineConfig::default() };
        let mut sink = Kept::default();
        let report = run_monitored(&mut Quiet { batches: 0 }, &mut sink, &config, [1, 2], &Monitor::default());
        assert!(report.expect("no error").ledger.is_closed(), "{workers} workers");
        assert_eq!(sink.0.iter().map(|record| record.to_server.packets).collect::<Vec<_>>(), [1]);
    }
}
