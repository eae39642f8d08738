//! What a packet costs in the flow table, beside `DashMap`, `scc::HashMap` and the standard `HashMap` (which is
//! hashbrown) behind a mutex; what a flow takes of memory; what a sweep costs.
//!
//! `cargo bench -p flumen-table`; `FLOWS=1000,100000` for other sizes than 1 k, 100 k and 1 M (10 M needs 11 GB, since all
//! tables are filled at once), `ROUNDS=n` for more or fewer rounds. The tables take turns in every round. `benches/README.md`
//! says how each figure is got.
#![allow(unsafe_code)]

mod maps;
mod traffic;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use flumen_model::{IpVersion, Span, Timestamp};
use flumen_table::{EndedFlow, FlowIds};

use crate::maps::{Dash, Flows, Flumen, Locked, Scc};
use crate::traffic::{START, heavy_tailed, uniform};

/// Packets of one measurement, each thread.
const PACKETS: usize = 1_000_000;

fn main() {
    // `cargo test --benches` and `cargo bench -- --list` only want to see it start.
    if std::env::args().any(|arg| arg == "--test" || arg == "--list") {
        return;
    }
    let sizes = std::env::var("FLOWS").unwrap_or_else(|_| "1000,100000,1000000".to_owned());
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(7_usize);
    println!("CPU nanoseconds; {rounds} rounds\n");
    println!("| flows | threads | what | table | min ns | median ns | ratio | M/s | wall ns |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let sizes: Vec<u32> = sizes.split(',').filter_map(|size| size.trim().parse().ok()).collect();
    // `MEMORY=1` only measures what a flow of Flumen takes, for which 10 M flows need 2 GB.
    if std::env::var_os("MEMORY").is_none() {
        let memory: Vec<String> = sizes.iter().map(|&flows| compare(flows, rounds)).collect();
        println!("\n| flows | table | bytes a flow |\n|---|---|---|");
        memory.iter().for_each(|rows| print!("{rows}"));
    }
    println!("\n| flows | addresses | bytes a flow, charged | resident |\n|---|---|---|---|");
    for &flows in &sizes {
        resident(flows, IpVersion::V4);
        resident(flows, IpVersion::V6);
    }
    if std::env::var_os("MEMORY").is_some() {
        return;
    }
    println!("\n| flows | sweep | ns a row | ns a flow |\n|---|---|---|---|");
    sizes.iter().for_each(|&flows| sweeps(flows, rounds));
}

/// All measurements with tables of `flows` flows; returns the rows of the memory table.
fn compare(flows: u32, rounds: usize) -> String {
    let new: [fn(u32) -> Box<dyn Flows>; 4] = [
        |flows| Box::new(Flumen::new(flows)),
        |flows| Box::new(Dash::new(flows)),
        |flows| Box::new(Scc::new(flows)),
        |flows| Box::new(Locked::new(flows)),
    ];
    for threads in [1, 2] {
        // Small tables are filled several times over, so that there is something to measure.
        let copies = (200_000 / flows).max(1);
        report(flows, threads, "new", rounds, new.len(), |kind| {
            let tables: Vec<_> = (0..copies).map(|_| new[kind](flows)).collect();
            let all: Vec<u32> = (0..flows).collect();
            let cost = on_threads(threads, |thread| {
                let mine = &all[part(all.len(), thread, threads)];
                tables.iter().for_each(|table| table.packets(mine));
            });
            (tables[0].name(), cost.per(flows as usize * copies as usize))
        });
    }

    let mut memory = String::new();
    let all: Vec<u32> = (0..flows).collect();
    let mut tables = Vec::new();
    for new in new {
        let before = ALLOCATED.load(Ordering::Relaxed);
        let table = new(flows);
        table.packets(&all);
        let allocated = ALLOCATED.load(Ordering::Relaxed) - before;
        let bytes = table.charged().unwrap_or(allocated as u64) as f64 / f64::from(flows);
        memory.push_str(&format!("| {flows} | {} | {bytes:.0} |\n", table.name()));
        tables.push(table);
    }
    for threads in [1, 2_usize] {
        // As flows are spread over workers, each thread has flows of its own.
        let mine = |ids: fn(u32, u64) -> Vec<u32>| -> Vec<Vec<u32>> {
            let share = flows / threads as u32;
            (0..threads as u32).map(|thread| own(ids(share, u64::from(thread) + 1), thread, threads as u32)).collect()
        };
        let (uniform, heavy) = (mine(uniform), mine(heavy_tailed));
        let measure = |what, go: &(dyn Fn(&dyn Flows, usize) + Sync)| {
            report(flows, threads, what, rounds, tables.len(), |kind| {
                let table = &*tables[kind];
                let cost = on_threads(threads, |thread| go(table, thread));
                (table.name(), cost.per(PACKETS * threads))
            });
        };
        measure("hit, uniform", &|table, thread| table.packets(&uniform[thread]));
        measure("hit, heavy-tailed", &|table, thread| table.packets(&heavy[thread]));
        measure("miss", &|table, thread| assert_eq!(table.misses(&uniform[thread]), PACKETS));
    }
    memory
}

/// What flows with addresses of a version take: as the table accounts for it, and as the operating system does.
fn resident(flows: u32, version: IpVersion) {
    let pages = || -> f64 {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(f64::NAN)
    };
    let before = pages();
    let flumen = Flumen::of(flows, version);
    let ids: Vec<u32> = (0..PACKETS as u32).collect();
    for first in (0..flows).step_by(PACKETS) {
        let ids: Vec<u32> = ids.iter().map(|id| id + first).take_while(|&id| id < flows).collect();
        flumen.packets(&ids);
    }
    drop(ids);
    let resident = (pages() - before) * 4096.0;
    let each = f64::from(flows);
    println!("| {flows} | {version:?} | {:.1} | {:.1} |", flumen.table().memuse() as f64 / each, resident / each);
}

/// Ids of `0..share` spread over all, so that the threads' are different.
fn own(mut ids: Vec<u32>, thread: u32, threads: u32) -> Vec<u32> {
    ids.iter_mut().for_each(|id| *id = *id * threads + thread);
    ids
}

fn part(len: usize, thread: usize, threads: usize) -> std::ops::Range<usize> {
    len * thread / threads..len * (thread + 1) / threads
}

/// The cost of a sweep that finds nothing due, of one that looks at every row for nothing, and of one that ends all.
fn sweeps(flows: u32, rounds: usize) {
    let (mut idle, mut every, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    let mut rows = 0;
    for _ in 0..rounds.min(5) {
        let flumen = Flumen::new(flows);
        flumen.packets(&(0..flows).collect::<Vec<_>>());
        let table = flumen.table();
        rows = table.rows();
        let mut ended: Vec<EndedFlow> = Vec::with_capacity(flows as usize);
        for (times, every_row) in [(&mut idle, false), (&mut every, true)] {
            table.set_now(START);
            times.push(cpu(|| _ = table.sweep(0..table.groups(), every_row, &mut ended)));
            assert!(ended.is_empty());
        }
        table.set_now(START + Span::from_secs(3600));
        ends.push(cpu(|| _ = table.sweep(0..table.groups(), false, &mut ended)));
        assert_eq!(ended.len(), flows as usize);
        let ids = FlowIds::new(Timestamp::ZERO);
        assert_eq!(ended[0].record(ids).to_server.packets, 1);
        table.recycle(ended);
    }
    for (what, times) in [("nothing due", idle), ("nothing due, every row", every), ("all due", ends)] {
        let least = times.into_iter().fold(f64::INFINITY, f64::min);
        println!("| {flows} | {what} | {:.2} | {:.2} |", least / f64::from(rows), least / f64::from(flows));
    }
}

/// Nanoseconds: CPU time of all threads together, and from the first start to the last end.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
}

impl Cost {
    fn per(self, packets: usize) -> Self {
        Self { cpu: self.cpu / packets as f64, wall: self.wall / packets as f64 }
    }
}

/// Lets `kinds` tables take turns and prints a row for each.
fn report(
    flows: u32,
    threads: usize,
    what: &str,
    rounds: usize,
    kinds: usize,
    mut run: impl FnMut(usize) -> (&'static str, Cost),
) {
    let mut names = vec![""; kinds];
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); kinds];
    for round in 0..=rounds {
        for turn in 0..kinds {
            let kind = (turn + round) % kinds;
            let (name, cost) = run(kind);
            names[kind] = name;
            // Round 0 warms up.
            if round > 0 {
                costs[kind].push(cost);
            }
        }
    }
    let cpu_of = |kind: usize| costs[kind].iter().map(|cost| cost.cpu);
    for (kind, name) in names.into_iter().enumerate() {
        let least = cpu_of(kind).fold(f64::INFINITY, f64::min);
        let wall = costs[kind].iter().map(|cost| cost.wall).fold(f64::INFINITY, f64::min);
        let ratio = median(cpu_of(kind).zip(cpu_of(0)).map(|(mine, first)| mine / first).collect());
        println!(
            "| {flows} | {threads} | {what} | {name} | {least:.1} | {:.1} | {ratio:.2} | {:.1} | {wall:.1} |",
            median(cpu_of(kind).collect()),
            threads as f64 * 1e3 / least
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs `body` on each of `threads` threads at the same time.
fn on_threads(threads: usize, body: impl Fn(usize) + Sync) -> Cost {
    let barrier = Barrier::new(threads);
    let (barrier, body) = (&barrier, &body);
    let run = |thread| {
        barrier.wait();
        let start = Instant::now();
        let cpu = cpu(|| body(thread));
        (start, cpu, Instant::now())
    };
    let run = &run;
    let done: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        running.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let start = done.iter().map(|one| one.0).min().expect("a thread");
    let end = done.iter().map(|one| one.2).max().expect("a thread");
    Cost { cpu: done.iter().map(|one| one.1).sum(), wall: (end - start).as_nanos() as f64 }
}

/// CPU nanoseconds that this thread spends in `work`.
fn cpu(work: impl FnOnce()) -> f64 {
    let start = thread_nanos();
    work();
    thread_nanos() - start
}

fn thread_nanos() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY:
    // - The clock exists on every Linux, and the structure is ours.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(done, 0);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The system's allocator, which knows how much it has given out.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY:
// - Both functions pass on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY:
        // - As the caller promised.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY:
        // - As the caller promised.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
