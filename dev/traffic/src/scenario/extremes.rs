//! The benchmark captures at both ends: no packet finds its flow in the cache, and every packet does.
//!
//! `uniform` promises `packets` frames (default 4,000,000), each of one of `flows` conversations (default a quarter of the
//! packets), all as likely at any time. So with four packets a flow one flow in 55 (e⁻⁴) has none at all. Frames are
//! those of `zipf`, in 20 seconds.
//!
//! `elephant` promises `packets` frames (default 3,000,000) of 60 to 96 bytes of one TCP conversation, from its SYN to its
//! last ACK, 10 microseconds apart.

use std::collections::HashMap;
use std::io;

use super::talk::{Mix, Talk};
use super::{Options, Output, SECOND_NS, START_NS, Scenario, emit, over_ethernet};
use crate::Rng;

pub(super) const UNIFORM: Scenario =
    over_ethernet("uniform", "4,000,000 packets of 60 to 96 bytes, each of any of 1,000,000 flows", uniform);
pub(super) const ELEPHANT: Scenario =
    over_ethernet("elephant", "3,000,000 packets of 60 to 96 bytes of one TCP flow", elephant);

const DURATION_NS: u64 = 20 * SECOND_NS;

fn uniform(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let packets = options.packets.unwrap_or(4_000_000);
    let flows = options.flows.unwrap_or(packets / 4).max(1);
    // Drawn twice: a conversation has to know how long it will be before it begins.
    let draws = || {
        let mut rng = Rng::new(options.seed);
        (0..packets).map(move |_| rng.below(flows))
    };
    let mut sizes: HashMap<u64, u64> = HashMap::new();
    draws().for_each(|flow| *sizes.entry(flow).or_default() += 1);
    let mut talks: HashMap<u64, Talk> = HashMap::new();
    let mut rng = Rng::new(!options.seed);
    for (number, flow) in draws().enumerate() {
        let at_ns = START_NS + (u128::from(DURATION_NS) * number as u128 / u128::from(packets)) as u64;
        let talk = talks.entry(flow).or_insert_with(|| Talk::new(flow, sizes[&flow], Mix::Small, options.seed));
        emit(out, at_ns, talk.frame(at_ns, &mut rng))?;
        if talk.left() == 0 {
            talks.remove(&flow);
        }
    }
    Ok(())
}

fn elephant(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let packets = options.packets.unwrap_or(3_000_000);
    let mut rng = Rng::new(options.seed);
    let mut talk = Talk::tcp(packets, options.seed);
    for number in 0..packets {
        let at_ns = START_NS + number * 10_000;
        emit(out, at_ns, talk.frame(at_ns, &mut rng))?;
    }
    Ok(())
}
