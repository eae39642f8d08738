//! Fewer tests and loads, the same verdict on every frame.
//!
//! Three passes over the blocks, which run in order and without loops:
//!
//! 1. [`thread`]: where a way leads to a test whose outcome is known from the tests before, it leads past it. A fact is
//!    only known when its load succeeded on that way, so no load that could have ended the run is skipped.
//! 2. [`merge`]: blocks that do the same and lead to the same places become one.
//! 3. [`drop_loads`]: where every way to a block leaves the wanted value in a register already, the block does not load
//!    it again.
//!
//! Blocks that touch scratch slots are neither skipped nor trusted.

use std::collections::HashMap;

use crate::graph::{Block, Compare, Graph, Source, Step, Target, Test};

/// How many facts are kept for a block; older ones are forgotten. Bounds the work for long expressions. Only facts that a
/// later test can use count, and those are few even then.
const MAX_FACTS: usize = 24;
/// Threading opens further ways; two rounds find nearly all.
const ROUNDS: usize = 3;

pub(crate) fn optimize(graph: &mut Graph) {
    let values = Values::of(&graph.blocks);
    for _ in 0..ROUNDS {
        if !thread(&mut graph.blocks, &values) {
            break;
        }
    }
    merge(&mut graph.blocks);
    drop_loads(&mut graph.blocks, &values);
}

/// The value that a block tests, by a number: the same steps have the same number. `None` for blocks that have no steps
/// or touch scratch slots.
struct Values {
    of_block: Vec<Option<usize>>,
}

impl Values {
    fn of(blocks: &[Block]) -> Self {
        let mut numbers: HashMap<&[Step], usize> = HashMap::new();
        let number = |block| {
            let steps = Block::steps(block);
            if steps.is_empty() || steps.iter().any(|step| step.touches_scratch()) {
                return None;
            }
            let next = numbers.len();
            Some(*numbers.entry(steps).or_insert(next))
        };
        Self { of_block: blocks.iter().map(number).collect() }
    }
}

/// The outcome of a test that was passed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Fact {
    value: usize,
    compare: Compare,
    operand: u32,
    holds: bool,
}

impl Fact {
    /// What this says about another test of the same value.
    fn decides(self, compare: Compare, operand: u32) -> Option<bool> {
        if self.compare == compare && self.operand == operand {
            Some(self.holds)
        } else if self.compare == Compare::Equal && self.holds {
            Some(compare.holds(self.operand, operand))
        } else {
            None
        }
    }
}

/// The last blocks that can use a fact.
struct LastUses {
    /// Of a value at all.
    value: HashMap<usize, usize>,
    /// Of the very same test.
    test: HashMap<(usize, Compare, u32), usize>,
}

impl LastUses {
    fn of(blocks: &[Block], values: &Values) -> Self {
        let mut uses = Self { value: HashMap::new(), test: HashMap::new() };
        for (at, block) in blocks.iter().enumerate() {
            if let Some(test) = tested(block, values.of_block[at]) {
                uses.value.insert(test.0, at);
                uses.test.insert(test, at);
            }
        }
        uses
    }

    /// Whether a block behind this one can use what its test came to.
    fn is_useful(&self, fact: Fact, at: usize) -> bool {
        let last = if fact.compare == Compare::Equal && fact.holds {
            self.value.get(&fact.value)
        } else {
            self.test.get(&(fact.value, fact.compare, fact.operand))
        };
        last.is_some_and(|last| *last > at)
    }
}

/// One round; whether anything changed.
fn thread(blocks: &mut [Block], values: &Values) -> bool {
    let mut changed = false;
    let uses = LastUses::of(blocks, values);
    // What is known at the beginning of each block; `None` while no way leads there.
    let mut known: Vec<Option<Vec<Fact>>> = vec![None; blocks.len()];
    if let Some(first) = known.first_mut() {
        *first = Some(Vec::new());
    }
    for at in 0..blocks.len() {
        let Some(facts) = known[at].take() else { continue };
        for holds in [true, false] {
            let Some(way) = blocks[at].way(holds) else { continue };
            let mut facts_there = facts.clone();
            if let Some((value, compare, operand)) = tested(&blocks[at], values.of_block[at]) {
                facts_there.push(Fact { value, compare, operand, holds });
                facts_there.retain(|fact| uses.is_useful(*fact, at));
                if facts_there.len() > MAX_FACTS {
                    facts_there.remove(0);
                }
            }
            let target = past_known(way, blocks, values, &facts_there);
            if target != way {
                *blocks[at].way_mut(holds) = target;
                changed = true;
            }
            if let Target::Block(next) = target {
                match &mut known[next] {
                    Some(there) => there.retain(|fact| facts_there.contains(fact)),
                    none => *none = Some(facts_there),
                }
            }
        }
    }
    changed
}

/// Follows a way past the tests that are decided.
fn past_known(mut target: Target, blocks: &[Block], values: &Values, facts: &[Fact]) -> Target {
    while let Target::Block(at) = target {
        let block = &blocks[at];
        if block.test == Test::Always && block.steps.is_empty() {
            target = block.yes;
            continue;
        }
        let Some((value, compare, operand)) = tested(block, values.of_block[at]) else { break };
        let about = facts.iter().filter(|fact| fact.value == value);
        let Some(holds) = about.filter_map(|fact| fact.decides(compare, operand)).next() else { break };
        target = if holds { block.yes } else { block.no };
    }
    target
}

fn tested(block: &Block, value: Option<usize>) -> Option<(usize, Compare, u32)> {
    match block.test {
        Test::Compare(compare, Source::K(operand)) => Some((value?, compare, operand)),
        _ => None,
    }
}

/// Later blocks first, so that the ways of a block are known when it is compared with others.
fn merge(blocks: &mut [Block]) {
    // Where the ways to each block lead instead.
    let mut merged: Vec<Target> = (0..blocks.len()).map(Target::Block).collect();
    let mut known: HashMap<(Vec<Step>, Test, Target, Target), usize> = HashMap::new();
    for at in (0..blocks.len()).rev() {
        for holds in [true, false] {
            if let Some(Target::Block(next)) = blocks[at].way(holds) {
                *blocks[at].way_mut(holds) = merged[next];
            }
        }
        let block = &blocks[at];
        let twin = *known.entry((block.steps.clone(), block.test, block.yes, block.no)).or_insert(at);
        merged[at] = Target::Block(twin);
    }
}

/// What the registers hold.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Registers {
    a: Option<usize>,
    /// X is the length of the IPv4 header at this offset.
    x: Option<u32>,
}

fn drop_loads(blocks: &mut [Block], values: &Values) {
    let mut arriving: Vec<Option<Registers>> = vec![None; blocks.len()];
    if let Some(first) = arriving.first_mut() {
        *first = Some(Registers::default());
    }
    for at in 0..blocks.len() {
        let Some(before) = arriving[at] else { continue };
        let value = values.of_block[at];
        let after = registers_after(&blocks[at], value, before);
        if value.is_some() && before.a == value {
            // The same steps ran before; X is as they left it, or was only needed for them.
            blocks[at].steps.clear();
        } else if let Some(&Step::Ipv4HeaderLength(offset)) = blocks[at].steps.first()
            && before.x == Some(offset)
        {
            blocks[at].steps.remove(0);
        }
        for target in [blocks[at].way(true), blocks[at].way(false)].into_iter().flatten() {
            if let Target::Block(next) = target {
                arriving[next] = Some(match arriving[next] {
                    None => after,
                    Some(other) => Registers {
                        a: other.a.filter(|a| Some(*a) == after.a),
                        x: other.x.filter(|x| Some(*x) == after.x),
                    },
                });
            }
        }
    }
}

fn registers_after(block: &Block, value: Option<usize>, before: Registers) -> Registers {
    if block.steps.is_empty() {
        return before;
    }
    let kept = value.is_some() && before.a == value;
    let x = block.steps.iter().fold(before.x, |x, step| match step {
        Step::Ipv4HeaderLength(offset) => Some(*offset),
        Step::ToX | Step::RecallX(_) => None,
        _ => x,
    });
    Registers { a: value, x: if kept { before.x } else { x } }
}

impl Step {
    fn touches_scratch(&self) -> bool {
        matches!(self, Self::Recall(_) | Self::RecallX(_) | Self::Store(_))
    }
}

impl Block {
    fn steps(block: &Self) -> &[Step] {
        &block.steps
    }

    /// Where the block leads; a block without a test has one way only.
    pub(crate) fn way(&self, holds: bool) -> Option<Target> {
        match (holds, self.test) {
            (true, _) => Some(self.yes),
            (false, Test::Always) => None,
            (false, Test::Compare(..)) => Some(self.no),
        }
    }

    fn way_mut(&mut self, holds: bool) -> &mut Target {
        if holds { &mut self.yes } else { &mut self.no }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::LinkLayer;
    use crate::program::Program;
    use crate::random::{self, Random};
    use crate::{layout, lower, parser};

    fn program(graph: &Graph) -> Program {
        Program::new(layout::instructions(graph, 1)).expect("an expression of the list fits")
    }

    #[test]
    fn optimized_programs_decide_as_the_plain_ones_do() {
        let seed = 0x006f_7074;
        println!("seed {seed:#x}");
        let mut random = Random::new(seed);
        let expressions = random::expressions();
        let (mut plain_count, mut optimized_count) = (0, 0);
        for round in 0..expressions.len() * 4 {
            // All alone first, then pairs, which have more in common than the list shows.
            let mut text = expressions[round % expressions.len()].clone();
            if round >= expressions.len() {
                let other = &expressions[random.below(expressions.len())];
                text = format!("({text}) {} ({other})", random.one_of(&["and", "or", "and not", "or not"]));
            }
            let link = LinkLayer::from_dlt(random.one_of(&[0, 1, 1, 1, 12, 113]));
            let Ok(condition) = parser::parse(&text) else { continue };
            let Ok(mut graph) = lower::lower(condition.as_ref(), link, lower::Frames::File) else { continue };
            let plain = program(&graph);
            optimize(&mut graph);
            let optimized = program(&graph);
            plain_count += plain.instructions().len();
            optimized_count += optimized.instructions().len();
            for _ in 0..24 {
                let frame = random.frame();
                let wire_len = u32::try_from(random.below(200)).expect("a small number");
                assert_eq!(plain.run(&frame, wire_len), optimized.run(&frame, wire_len), "{text}: {frame:02x?}");
            }
        }
        assert!(optimized_count * 4 < plain_count * 3, "{optimized_count} instructions instead of {plain_count}");
    }

    #[test]
    fn what_was_tested_is_not_tested_again() {
        let length = |text: &str| {
            let condition = parser::parse(text).expect("it parses");
            let mut graph =
                lower::lower(condition.as_ref(), LinkLayer::Ethernet, lower::Frames::File).expect("it is on the link");
            optimize(&mut graph);
            program(&graph).instructions().len()
        };
        assert_eq!(length("ip and ip and ip"), length("ip"));
        assert_eq!(length("tcp or not tcp and not tcp"), length("tcp or not tcp"));
        assert_eq!(length("ip[0] = 1 or ip[0] = 2"), length("ip[0] = 1") + 1);
        assert_eq!(length("tcp src port 80 and tcp"), length("tcp src port 80"));
    }
}
