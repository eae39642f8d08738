//! The program while it is made: blocks of straight code, each with one test at its end and two ways out.
//!
//! A condition is a [`Fragment`]: where it begins, and the ways out on which it turned out true or false and which lead
//! nowhere yet. Joining two conditions ties the loose ends of the first to the beginning of the second.
//!
//! 1. Blocks are made in the order in which they run: every way leads to a later block, so there are no loops.
//! 2. A block does not rely on what another left in the registers; only scratch slots carry values between blocks.

use crate::ast::{Operator, Size};

/// One step of straight code. Offsets count from the start of the frame, or from X.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Step {
    /// A = k.
    Immediate(u32),
    /// A = length of the frame on the wire.
    Length,
    /// A = bytes of the frame.
    Load(Size, u32),
    /// A = bytes of the frame at X + k.
    LoadIndexed(Size, u32),
    /// A = scratch slot.
    Recall(u8),
    /// X = scratch slot.
    RecallX(u8),
    /// X = length of the IPv4 header at k.
    Ipv4HeaderLength(u32),
    /// Scratch slot = A.
    Store(u8),
    /// A = A op operand.
    Compute(Operator, Source),
    /// A = -A.
    Negate,
    /// X = A.
    ToX,
    /// A = X.
    ToA,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Source {
    K(u32),
    X,
}

/// How a block ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Test {
    /// Takes the way of "true".
    Always,
    /// Compares A with a constant or X.
    Compare(Compare, Source),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Compare {
    Equal,
    Greater,
    GreaterOrEqual,
    /// A and the operand have a bit in common.
    AnyBit,
}

impl Compare {
    pub(crate) fn holds(self, a: u32, operand: u32) -> bool {
        match self {
            Self::Equal => a == operand,
            Self::Greater => a > operand,
            Self::GreaterOrEqual => a >= operand,
            Self::AnyBit => a & operand != 0,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Target {
    Block(usize),
    Accept,
    Reject,
}

#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) steps: Vec<Step>,
    pub(crate) test: Test,
    pub(crate) yes: Target,
    pub(crate) no: Target,
}

#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) blocks: Vec<Block>,
}

/// One way out of a block.
#[derive(Clone, Copy, Debug)]
struct Way {
    block: usize,
    holds: bool,
}

/// A condition, or a part of one, that is not yet tied to what follows.
#[derive(Debug)]
#[must_use]
pub(crate) struct Fragment {
    entry: usize,
    yes: Vec<Way>,
    no: Vec<Way>,
}

impl Fragment {
    pub(crate) fn not(self) -> Self {
        Self { entry: self.entry, yes: self.no, no: self.yes }
    }
}

impl Graph {
    /// Steps and the comparison behind them.
    pub(crate) fn test(&mut self, steps: Vec<Step>, compare: Compare, operand: Source) -> Fragment {
        let block = self.block(steps, Test::Compare(compare, operand));
        Fragment { entry: block, yes: vec![Way { block, holds: true }], no: vec![Way { block, holds: false }] }
    }

    /// Steps that are true when they have run.
    pub(crate) fn run(&mut self, steps: Vec<Step>) -> Fragment {
        let block = self.block(steps, Test::Always);
        Fragment { entry: block, yes: vec![Way { block, holds: true }], no: Vec::new() }
    }

    pub(crate) fn constant(&mut self, holds: bool) -> Fragment {
        let always = self.run(Vec::new());
        if holds { always } else { always.not() }
    }

    pub(crate) fn and(&mut self, first: Fragment, second: Fragment) -> Fragment {
        debug_assert!(first.entry < second.entry);
        self.tie(&first.yes, Target::Block(second.entry));
        let mut no = first.no;
        no.extend(second.no);
        Fragment { entry: first.entry, yes: second.yes, no }
    }

    pub(crate) fn or(&mut self, first: Fragment, second: Fragment) -> Fragment {
        self.and(first.not(), second.not()).not()
    }

    /// Ties the last loose ends.
    pub(crate) fn finish(&mut self, whole: &Fragment) {
        self.tie(&whole.yes, Target::Accept);
        self.tie(&whole.no, Target::Reject);
    }

    fn block(&mut self, steps: Vec<Step>, test: Test) -> usize {
        self.blocks.push(Block { steps, test, yes: Target::Reject, no: Target::Reject });
        self.blocks.len() - 1
    }

    fn tie(&mut self, ways: &[Way], target: Target) {
        for way in ways {
            let block = &mut self.blocks[way.block];
            *(if way.holds { &mut block.yes } else { &mut block.no }) = target;
        }
    }
}
