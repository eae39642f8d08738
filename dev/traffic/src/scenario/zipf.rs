//! The benchmark captures: flows whose sizes fall as 1/rank, thousands of them in progress at any time.
//!
//! `zipf` promises exactly `packets` frames (default 4,000,000) in exactly `flows` flows (default one in eleven packets) whose
//! addresses and ports differ; frames are complete and 60 to 96 bytes long; the whole lasts about 20 seconds, so that no
//! time-out of any flow tool cuts a flow. The flow of rank r has C/r packets, at least one; 85 of 100 flows are TCP, the
//! rest UDP and ICMP echo; one in sixteen is IPv6.
//!
//! `imix` promises the same of larger frames: what comes between handshake and end is 66, 590 or 1,514 bytes long, in the
//! proportion 7 : 4 : 1; by default 2,800,000 frames, a file of about 1 GB, and a flow for a hundred of them.

use std::io;

use super::talk::{Mix, Talk};
use super::{Options, Output, SECOND_NS, START_NS, Scenario, emit, over_ethernet};
use crate::{Rng, Schedule};

pub(super) const SCENARIO: Scenario =
    over_ethernet("zipf", "benchmark mix: flow sizes fall as 1/rank, 4,000,000 packets of 60 to 96 bytes", run);

pub(super) const IMIX: Scenario =
    over_ethernet("imix", "the same in frames of 66, 590 and 1,514 bytes, 7 : 4 : 1; about 1 GB", imix);

const DURATION_NS: u64 = 20 * SECOND_NS;
/// Longest mean time between two packets of a flow.
const GAP_NS_MAX: u64 = 2 * SECOND_NS;
/// Flows of the first ranks begin first, so that they have the whole time for their packets.
const EARLY: u64 = 1_000;

fn run(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let packets = options.packets.unwrap_or(4_000_000);
    let flows = options.flows.unwrap_or(packets / 11);
    send(packets, flows, Mix::Small, options.seed, out)
}

fn imix(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let packets = options.packets.unwrap_or(2_800_000);
    let flows = options.flows.unwrap_or(packets / 100);
    send(packets, flows, Mix::Imix, options.seed, out)
}

fn send(packets: u64, flows: u64, mix: Mix, seed: u64, out: &mut Output<'_>) -> io::Result<()> {
    let flows = flows.clamp(1, packets.max(1));
    let sizes = Sizes::new(packets, flows);
    let mut rng = Rng::new(seed);
    let mut schedule: Schedule<Talk> = Schedule::default();
    let mut born = 0;
    while born < flows || !schedule.is_empty() {
        // Arrivals take the first nine tenths of the time.
        let birth_ns = START_NS + (u128::from(born) * u128::from(DURATION_NS / 10 * 9) / u128::from(flows)) as u64;
        if born < flows && schedule.next_at_ns().is_none_or(|next| birth_ns <= next) {
            let talk = Talk::new(born, sizes.of(rank_of(born, flows)), mix, seed);
            schedule.put(birth_ns, talk);
            born += 1;
        } else if let Some((at_ns, mut talk)) = schedule.take() {
            emit(out, at_ns, talk.frame(at_ns, &mut rng))?;
            let rest_ns = (START_NS + DURATION_NS).saturating_sub(at_ns);
            if let Some(mean_ns) = rest_ns.checked_div(talk.left()) {
                let mean_ns = mean_ns.min(GAP_NS_MAX);
                schedule.put(at_ns + mean_ns / 2 + rng.below(mean_ns + 1), talk);
            }
        }
    }
    Ok(())
}

/// Sizes that fall as 1/rank and add up to a given number of packets.
struct Sizes {
    scale: u64,
    /// Packets that rounding left over; the first rank takes them.
    rest: u64,
}

impl Sizes {
    fn new(packets: u64, flows: u64) -> Self {
        let total = |scale: u64| (1..=flows).map(|rank| (scale / rank).max(1)).sum::<u64>();
        let (mut low, mut high) = (1, packets.max(2));
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if total(middle) <= packets { low = middle } else { high = middle }
        }
        Self { scale: low, rest: packets.saturating_sub(total(low)) }
    }

    const fn of(&self, rank: u64) -> u64 {
        let size = self.scale / rank;
        let size = if size == 0 { 1 } else { size };
        if rank == 1 { size + self.rest } else { size }
    }
}

/// Rank of the flow that is born as number `born`: the first thousand in order, the others scattered.
fn rank_of(born: u64, flows: u64) -> u64 {
    if born < EARLY {
        return born + 1;
    }
    let span = flows - EARLY;
    // A step without a common divisor with the span visits every rank once.
    let mut step = (span / 1_000 * 618).max(1);
    while greatest_common_divisor(step, span) != 1 {
        step += 1;
    }
    EARLY + 1 + (u128::from(born - EARLY) * u128::from(step) % u128::from(span)) as u64
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
