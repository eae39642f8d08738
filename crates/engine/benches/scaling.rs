//! What a second worker brings, beside what two engines bring that share nothing: each with half of the packets, decoded by
//! itself, and a table of its own. That is the most that two workers could reach here; what they reach of it is the price
//! of sharing.
//!
//! `cargo bench -p flumen-engine --bench scaling`; `PACKETS=n` for other captures than of 4 M packets, `ROUNDS=n` for more or
//! fewer rounds. The three take turns in every round. The speed-up of a busy machine says little: then go by CPU seconds, of
//! which two workers should take no more than one.
#![allow(unsafe_code)]

use std::sync::Barrier;
use std::time::Instant;

use flumen_engine::{Contention, EngineConfig, RunReport, Threads, run};
use flumen_model::sink::Stats;
use flumen_model::source::{ChecksumNote, Entry};
use flumen_model::{FlowRecord, LinkType, PacketBatch, PacketSource, RecordSink, SinkError, SourceError, Timestamp};
use flumen_pbuf::Pbuf;
use flumen_table::{HashSecret, PacketKey, TableConfig};
use flumen_wire::{DecodeOptions, Decoder, FlowPacket};
use traffic::scenario::{Options, Scenario};
use traffic::{Frame, FrameSink};

/// Packets that a file gives at a time.
const BATCH: usize = 256;
const SEED: [u64; 2] = [7, 11];

fn main() {
    // `cargo test --benches` and `cargo bench -- --list` only want to see it start.
    if std::env::args().any(|arg| arg == "--test" || arg == "--list") {
        return;
    }
    let number = |name: &str, or: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or);
    let rounds = number("ROUNDS", 7) as usize;
    let whole = Capture::zipf(number("PACKETS", 4_000_000));
    let halves = whole.halves();
    println!(
        "{} packets, halves of {} and {}; {rounds} rounds, medians\n",
        whole.len(),
        halves[0].len(),
        halves[1].len()
    );

    let mut costs = [const { Vec::new() }; 3];
    let mut contention = Vec::new();
    for _ in 0..rounds {
        costs[0].push(measure(|| run_on(&whole, 1)).0);
        let (cost, report) = measure(|| run_on(&whole, 2));
        costs[1].push(cost);
        contention.push(report.contention);
        costs[2].push(measure(|| apart(&halves)).0);
    }
    let [one, two, apart] = costs.map(Cost::median);
    println!("| | wall s | CPU s | times one worker | CPU of one worker's |\n|---|---|---|---|---|");
    for (name, cost) in [("one worker", one), ("two workers", two), ("two engines that share nothing", apart)] {
        let (gain, price) = (one.wall / cost.wall, cost.cpu / one.cpu);
        println!("| {name} | {:.3} | {:.3} | {gain:.2} | {price:.2} |", cost.wall, cost.cpu);
    }
    println!(
        "\ntwo workers reach {:.2} of what sharing nothing does, by CPU {:.2}",
        apart.wall / two.wall,
        apart.cpu / two.cpu
    );
    contention.sort_by_key(|contention| contention.batches);
    let Contention { rows, batches, parked } = contention[contention.len() / 2];
    println!("waits of two workers: for a row {rows}, for packets {batches}, of these parked {parked}");
}

/// What a run took.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
}

impl Cost {
    fn median(mut costs: Vec<Self>) -> Self {
        let mut middle = |of: fn(&Self) -> f64| {
            costs.sort_by(|a, b| of(a).total_cmp(&of(b)));
            of(&costs[costs.len() / 2])
        };
        Self { wall: middle(|cost| cost.wall), cpu: middle(|cost| cost.cpu) }
    }
}

fn measure<T>(work: impl FnOnce() -> T) -> (Cost, T) {
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let done = work();
    (Cost { wall: began.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu }, done)
}

/// CPU seconds of all threads of the process so far.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY:
    // - The pointer is to a live timespec, which is all that is written.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0, "the clock is there");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// An engine over a capture.
fn run_on(capture: &Capture, workers: usize) -> RunReport {
    let table = TableConfig { memcap: 2 << 30, midstream: true, ..TableConfig::default() };
    let threads = Threads { workers, ..Threads::default() };
    let config = EngineConfig { table, threads, ..EngineConfig::default() };
    let report = run(&mut capture.source(), &mut Nowhere, &config, SEED).expect("nothing fails");
    assert!(report.ledger.is_closed());
    report
}

/// Two engines at the same time.
fn apart(halves: &[Capture; 2]) {
    let begin = Barrier::new(2);
    std::thread::scope(|scope| {
        for half in halves {
            scope.spawn(|| {
                begin.wait();
                run_on(half, 1)
            });
        }
    });
}

struct Nowhere;

impl RecordSink for Nowhere {
    fn flows(&mut self, _: &[FlowRecord]) -> Result<(), SinkError> {
        Ok(())
    }
    fn stats(&mut self, _: &Stats) -> Result<(), SinkError> {
        Ok(())
    }
    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Frames in memory, each with a header as in a file: its time in nanoseconds, and its length.
struct Capture {
    bytes: Pbuf,
    packets: usize,
}

const HEADER: usize = 16;

#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    packets: usize,
}

impl Written {
    fn put(&mut self, at_ns: u64, frame: &[u8]) {
        self.bytes.extend(at_ns.to_ne_bytes());
        self.bytes.extend((frame.len() as u64).to_ne_bytes());
        self.bytes.extend(frame);
        self.packets += 1;
    }
    fn into_capture(self) -> Capture {
        Capture { bytes: self.bytes.into(), packets: self.packets }
    }
}

impl FrameSink for Written {
    fn frame(&mut self, frame: Frame) -> std::io::Result<()> {
        self.put(frame.at_ns, &frame.bytes);
        Ok(())
    }
}

impl Capture {
    fn zipf(packets: u64) -> Self {
        let mut written = Written::default();
        let options = Options { seed: 1, packets: Some(packets), ..Options::default() };
        let scenario = Scenario::named("zipf").expect("a scenario");
        scenario.run(&options, &mut written).expect("memory");
        written.into_capture()
    }

    const fn len(&self) -> usize {
        self.packets
    }

    /// The packets of half of the flows, and of the other half.
    fn halves(&self) -> [Self; 2] {
        let secret = HashSecret::from_seed([1, 2]);
        let config = TableConfig::default();
        let mut decoder = Decoder::new(DecodeOptions::default());
        let mut halves = [Written::default(), Written::default()];
        let mut packet = FlowPacket::EMPTY;
        let mut at = 0;
        while let Some((at_ns, range)) = self.header(at) {
            let frame = &self.bytes[range.clone()];
            let decoded = decoder.decode_into(LinkType::Ethernet, frame, frame.len() as u32, &mut packet);
            let half = match (decoded, PacketKey::of(&packet, 0, &config)) {
                (Ok(()), PacketKey::Own(key) | PacketKey::About(key)) => secret.hash(&key).worker(2),
                _ => 0,
            };
            halves[half as usize].put(at_ns, frame);
            at = range.end;
        }
        halves.map(Written::into_capture)
    }

    /// Time and place of the frame whose header is at this offset.
    fn header(&self, at: usize) -> Option<(u64, core::ops::Range<usize>)> {
        let header = self.bytes.get(at..at + HEADER)?;
        let word = |at: usize| header[at..at + 8].try_into().map_or(0, u64::from_ne_bytes);
        let start = at + HEADER;
        Some((word(0), start..start + word(8) as usize))
    }

    const fn source(&self) -> Walk<'_> {
        Walk { capture: self, at: 0 }
    }
}

/// Walks through a capture as through a mapped file.
struct Walk<'c> {
    capture: &'c Capture,
    at: usize,
}

impl PacketSource for Walk<'_> {
    fn may_wait(&self) -> bool {
        false
    }

    fn fill(&mut self, batch: &mut PacketBatch) -> Result<bool, SourceError> {
        batch.start(self.capture.bytes.clone());
        while batch.len() < BATCH
            && let Some((at_ns, range)) = self.capture.header(self.at)
        {
            batch.push(Entry {
                timestamp: Timestamp::from_nanos(at_ns),
                offset: range.start,
                captured_len: range.len() as u32,
                wire_len: range.len() as u32,
                link: LinkType::Ethernet,
                device: 0,
                checksum: ChecksumNote::None,
            });
            self.at = range.end;
        }
        Ok(!batch.is_empty())
    }
}
