//! What a seed decides before the first step: sizes, limits, numbers of actors, and what kind of run it is.

use flumen_model::Span;
use flumen_table::{Compat, StateTimeouts, TableConfig, Timeouts};
use traffic::Rng;

/// Bytes of a block of a hundred flows that has room for every flow, as the table charges them.
pub(crate) const BLOCK_BYTES: u64 = 20_480;
/// Bytes of one that has no room for IPv6 addresses.
pub(crate) const NARROW_BYTES: u64 = 16_384;
/// Bytes of a row of the table.
const ROW_BYTES: u64 = 64;
/// Rows whose deadlines have a summary, and the bytes of one.
const GROUP_ROWS: u64 = 64;
const GROUP_BYTES: u64 = 4;

/// What kind of run a seed is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nature {
    /// Enough memory, time that never runs back, no references from outside: records must not depend on who did what
    /// when, so they are compared with those of a single worker and with the model.
    Calm,
    /// Anything goes: memory for a few flows, a clock that jumps, references, a memcap that changes.
    Wild,
}

/// How packets find their worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Share {
    /// By the hash of their flow: one flow, one worker.
    ByHash,
    /// By chance: a flow's packets come on several workers.
    Scattered,
}

/// How a run ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// As the engine does it: workers, managers, what is left, recyclers.
    Ordered,
    /// The table goes while ended flows and references are still about.
    TableFirst,
}

/// Everything that is fixed for a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What all is drawn from.
    pub seed: u64,
    /// Kind of run.
    pub nature: Nature,
    /// Settings of the table.
    pub table: TableConfig,
    /// Secret of its hash.
    pub hash_seed: [u64; 2],
    /// Workers.
    pub workers: usize,
    /// Managers, each with a slice of the table.
    pub managers: u32,
    /// Recyclers.
    pub recyclers: usize,
    /// How packets find their worker.
    pub share: Share,
    /// How the run ends.
    pub ending: Ending,
    /// Packets that there are to take.
    pub packets: usize,
    /// Steps after which the run is ended even if packets are left.
    pub steps_max: usize,
    /// Packets of the longest vector.
    pub vector_max: usize,
    /// Packets that the fastest worker may be ahead of the slowest.
    pub ahead_max: usize,
    /// Batches that the recycle queue holds.
    pub queue_max: usize,
    /// Flows of a batch.
    pub batch_max: usize,
}

/// Steps of a run unless told otherwise.
pub const STEPS: usize = 400;

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn new(seed: u64, steps: usize) -> Self {
        let mut rng = Rng::new(seed ^ 0x516d_0001);
        let nature = if rng.chance(1, 4) { Nature::Calm } else { Nature::Wild };
        let rows = match rng.below(4) {
            0 => 1,
            1 => rng.between(2, 8),
            2 => rng.between(9, 64),
            _ => rng.between(65, 300),
        } as u32;
        let blocks = match nature {
            Nature::Calm => 1000,
            Nature::Wild => rng.pick(&[0, 1, 1, 1, 2, 2, 3, 4, 6, 50]),
        };
        let table = TableConfig {
            memcap: rows_bytes(rows) + blocks * BLOCK_BYTES + rng.below(BLOCK_BYTES),
            hash_size: rows,
            prealloc: rng.pick(&[0, 0, 1, 50, 100, 150, 200]),
            emergency_recovery: rng.pick(&[1, 10, 30, 90]),
            timeouts: timeouts(&mut rng),
            midstream: rng.chance(3, 4),
            async_oneside: rng.chance(1, 4),
            track_vlan: rng.chance(3, 4),
            depth: rng.pick(&[0, 1000, 1 << 20]),
            compat: if rng.chance(3, 4) { Compat::Flumen } else { Compat::Suricata },
            ..TableConfig::default()
        };
        Self {
            seed,
            nature,
            table,
            hash_seed: [rng.bits(), rng.bits()],
            workers: rng.between(1, 4) as usize,
            managers: rng.between(1, 3) as u32,
            recyclers: rng.between(1, 2) as usize,
            share: if nature == Nature::Wild && rng.chance(1, 3) { Share::Scattered } else { Share::ByHash },
            ending: if nature == Nature::Wild && rng.chance(1, 4) { Ending::TableFirst } else { Ending::Ordered },
            packets: rng.between(steps as u64 / 4, steps as u64 * 3) as usize,
            steps_max: steps,
            vector_max: rng.pick(&[1, 4, 32]),
            ahead_max: rng.pick(&[1, 16, 200]),
            queue_max: rng.pick(&[1, 2, 16]),
            batch_max: rng.pick(&[1, 7, 100]),
        }
    }

    /// The same packets with one worker, another table and another secret: what a calm run is compared with.
    #[must_use]
    pub fn reference(&self) -> Self {
        let mut table = self.table.clone();
        table.hash_size = if self.table.hash_size == 1 { 61 } else { 1 };
        table.memcap += 1 << 20;
        table.prealloc = 100;
        Self {
            table,
            hash_seed: [self.hash_seed[1], self.hash_seed[0]],
            workers: 1,
            managers: 1,
            recyclers: 1,
            steps_max: usize::MAX,
            vector_max: 1,
            queue_max: 16,
            batch_max: 100,
            ..self.clone()
        }
    }
}

/// Bytes of a table's rows, which are in use from the start.
pub(crate) fn rows_bytes(rows: u32) -> u64 {
    u64::from(rows) * ROW_BYTES + u64::from(rows).div_ceil(GROUP_ROWS) * GROUP_BYTES
}

/// The shipped timeouts, or short ones, of which some are zero, or the same in an emergency.
fn timeouts(rng: &mut Rng) -> Timeouts {
    let mut timeouts = Timeouts::default();
    if rng.chance(1, 2) {
        return timeouts;
    }
    for class in 0..timeouts.normal.len() {
        let normal = [0; 4].map(|_: u64| rng.pick(&[0, 1, 2, 5, 20, 60]));
        let short = normal.map(|secs| rng.below(secs + 1));
        timeouts.normal[class] = StateTimeouts(normal.map(Span::from_secs));
        timeouts.emergency[class] = StateTimeouts(short.map(Span::from_secs));
    }
    timeouts
}
