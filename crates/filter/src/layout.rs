//! From blocks to instructions: the blocks that can be reached, in their order, then the two answers.
//!
//! A comparison of classic BPF jumps by at most 255 instructions. Where a way is longer, the comparison jumps to an
//! unconditional jump right behind it, which has 32 bits. Such a jump makes other ways longer, so the layout is repeated
//! until no more are needed; each round adds at least one, so it ends.

use crate::ast::Size;
use crate::graph::{Block, Compare, Graph, Source, Step, Target, Test};
use crate::instruction::{Instruction, code};

/// The instructions of a graph. `wanted` is the answer for a frame that matches.
pub(crate) fn instructions(graph: &Graph, wanted: u32) -> Vec<Instruction> {
    let mut layout = Layout::of(&graph.blocks);
    while layout.lengthen() {}
    layout.emit(wanted)
}

struct Layout<'a> {
    placed: Vec<Placed<'a>>,
    /// Index into `placed`, for each block of the graph that can be reached.
    index: Vec<Option<usize>>,
    /// Whether some way leads to "true".
    accepts: bool,
}

struct Placed<'a> {
    block: &'a Block,
    /// The ways that need a jump of their own.
    long_yes: bool,
    long_no: bool,
    /// Index of its first instruction.
    start: usize,
}

impl<'a> Layout<'a> {
    fn of(blocks: &'a [Block]) -> Self {
        let mut reached = vec![false; blocks.len()];
        let mut layout = Self { placed: Vec::new(), index: vec![None; blocks.len()], accepts: false };
        for (at, block) in blocks.iter().enumerate() {
            if at > 0 && !reached[at] {
                continue;
            }
            layout.index[at] = Some(layout.placed.len());
            layout.placed.push(Placed { block, long_yes: false, long_no: false, start: 0 });
            for target in [block.way(true), block.way(false)].into_iter().flatten() {
                match target {
                    Target::Block(next) => reached[next] = true,
                    Target::Accept => layout.accepts = true,
                    Target::Reject => {}
                }
            }
        }
        layout.place();
        layout
    }

    fn place(&mut self) {
        let mut start = 0;
        for at in 0..self.placed.len() {
            self.placed[at].start = start;
            start += self.size(at);
        }
    }

    /// How many instructions a block takes.
    fn size(&self, at: usize) -> usize {
        let placed = &self.placed[at];
        let end = match placed.block.test {
            Test::Always => usize::from(!self.falls_through(at)),
            Test::Compare(..) => 1 + usize::from(placed.long_yes) + usize::from(placed.long_no),
        };
        placed.block.steps.len() + end
    }

    /// Whether a block without a test leads to the one right behind it.
    fn falls_through(&self, at: usize) -> bool {
        matches!(self.placed[at].block.yes, Target::Block(next) if self.index[next] == Some(at + 1))
    }

    /// Marks the ways that are too long; whether there were any.
    fn lengthen(&mut self) -> bool {
        let mut changed = false;
        for at in 0..self.placed.len() {
            if self.placed[at].block.test == Test::Always {
                continue;
            }
            let comparison = self.placed[at].start + self.placed[at].block.steps.len();
            let reach = comparison + 1 + usize::from(u8::MAX);
            let far = |target| self.address(target) > reach;
            let (yes, no) = (far(self.placed[at].block.yes), far(self.placed[at].block.no));
            let placed = &mut self.placed[at];
            changed |= yes && !placed.long_yes || no && !placed.long_no;
            placed.long_yes |= yes;
            placed.long_no |= no;
        }
        if changed {
            self.place();
        }
        changed
    }

    fn address(&self, target: Target) -> usize {
        let end = self.placed.last().map_or(0, |last| last.start + self.size(self.placed.len() - 1));
        match target {
            // Ways lead to blocks that were reached.
            Target::Block(next) => self.index[next].map_or(0, |at| self.placed[at].start),
            Target::Accept => end,
            Target::Reject => end + usize::from(self.accepts),
        }
    }

    fn emit(&self, wanted: u32) -> Vec<Instruction> {
        let mut out = Vec::new();
        for at in 0..self.placed.len() {
            let placed = &self.placed[at];
            out.extend(placed.block.steps.iter().map(encode));
            match placed.block.test {
                Test::Always if self.falls_through(at) => {}
                Test::Always => self.emit_jump(placed.block.yes, &mut out),
                Test::Compare(compare, operand) => self.emit_comparison(placed, compare, operand, &mut out),
            }
        }
        if self.accepts {
            out.push(Instruction::plain(code::RET | code::K, wanted));
        }
        out.push(Instruction::plain(code::RET | code::K, 0));
        out
    }

    fn emit_comparison(&self, placed: &Placed<'_>, compare: Compare, operand: Source, out: &mut Vec<Instruction>) {
        let behind = out.len() + 1;
        // A long way goes to a jump right behind the comparison, that of "true" first.
        let jt = if placed.long_yes { 0 } else { distance(self.address(placed.block.yes), behind) };
        let jf = match (placed.long_no, placed.long_yes) {
            (false, _) => distance(self.address(placed.block.no), behind),
            (true, long_yes) => u8::from(long_yes),
        };
        let operation = match compare {
            Compare::Equal => code::JEQ,
            Compare::Greater => code::JGT,
            Compare::GreaterOrEqual => code::JGE,
            Compare::AnyBit => code::JSET,
        };
        let (source, k) = encode_source(operand);
        out.push(Instruction { code: code::JMP | operation | source, jt, jf, k });
        if placed.long_yes {
            self.emit_jump(placed.block.yes, out);
        }
        if placed.long_no {
            self.emit_jump(placed.block.no, out);
        }
    }

    fn emit_jump(&self, target: Target, out: &mut Vec<Instruction>) {
        let distance = self.address(target).saturating_sub(out.len() + 1);
        out.push(Instruction::plain(code::JMP | code::JA, u32::try_from(distance).unwrap_or(u32::MAX)));
    }
}

/// Ways that are not long have at most 255 instructions between.
fn distance(target: usize, behind: usize) -> u8 {
    u8::try_from(target.saturating_sub(behind)).unwrap_or(u8::MAX)
}

fn encode(step: &Step) -> Instruction {
    let (code, k) = match *step {
        Step::Immediate(k) => (code::LD | code::IMM, k),
        Step::Length => (code::LD | code::LEN, 0),
        Step::Load(size, k) => (code::LD | code::ABS | encode_size(size), k),
        Step::LoadIndexed(size, k) => (code::LD | code::IND | encode_size(size), k),
        Step::Recall(slot) => (code::LD | code::MEM, u32::from(slot)),
        Step::RecallX(slot) => (code::LDX | code::MEM, u32::from(slot)),
        Step::Ipv4HeaderLength(k) => (code::LDX | code::MSH | code::B, k),
        Step::Store(slot) => (code::ST, u32::from(slot)),
        Step::Compute(operator, operand) => {
            let (source, k) = encode_source(operand);
            (code::ALU | operator.code() | source, k)
        }
        Step::Negate => (code::ALU | code::NEG, 0),
        Step::ToX => (code::MISC | code::TAX, 0),
        Step::ToA => (code::MISC | code::TXA, 0),
    };
    Instruction::plain(code, k)
}

fn encode_size(size: Size) -> u16 {
    match size {
        Size::Byte => code::B,
        Size::Half => code::H,
        Size::Word => code::W,
    }
}

fn encode_source(source: Source) -> (u16, u32) {
    match source {
        Source::K(k) => (code::K, k),
        Source::X => (code::X, 0),
    }
}
