//! A program that is known to be sound: what [`Program::new`] accepts runs to an end on every frame.
//!
//! The rules are those which the kernel applies to a filter it is given:
//!
//! 1. From 1 to [`MAX_INSTRUCTIONS`] instructions, each with a code that classic BPF has.
//! 2. Jumps go forward and stay inside, so every run ends; the last instruction returns.
//! 3. No division by a constant zero, no shift by a constant of 32 or more.
//! 4. Scratch slots are numbered below [`SCRATCH_SLOTS`], and no slot is read that was not written on every way there.
//! 5. No absolute load beyond 2 GiB, where the kernel has other things, but for the [`ancillary`] words that programs
//!    for sockets use. On a frame of a file there are none: to load one is to load from beyond the frame.

use core::fmt;

use crate::instruction::{Instruction, code};

/// As many as the kernel takes for one socket (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;
/// Words of scratch memory (`BPF_MEMWORDS`).
pub const SCRATCH_SLOTS: usize = 16;

/// What the kernel knows about a packet on a socket and programs read as if it were far behind the frame (`SKF_AD_OFF`
/// and so on in `linux/filter.h`).
pub(crate) mod ancillary {
    const START: u32 = 0xffff_f000;
    /// Who sent the packet (`PACKET_OUTGOING` and so on).
    pub(crate) const PACKET_TYPE: u32 = START + 4;
    /// The index of the interface.
    pub(crate) const INTERFACE: u32 = START + 8;
    /// The VLAN tag that was taken out of the frame.
    pub(crate) const VLAN_TAG: u32 = START + 44;
    /// 1 when there was one.
    pub(crate) const VLAN_TAG_PRESENT: u32 = START + 48;
    pub(crate) const ALL: [u32; 4] = [PACKET_TYPE, INTERFACE, VLAN_TAG, VLAN_TAG_PRESENT];
}

/// A verified program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    instructions: Vec<Instruction>,
}

/// Why a list of instructions is no program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgramError {
    /// No instruction, or more than [`MAX_INSTRUCTIONS`].
    Length(usize),
    /// The code at this index is none of classic BPF.
    UnknownCode(usize),
    /// The jump at this index leaves the program.
    JumpOutside(usize),
    /// The division or remainder at this index has a constant zero divisor.
    DivisionByZero(usize),
    /// The shift at this index is by more than 31 bits.
    Shift(usize),
    /// The instruction at this index names a scratch slot that does not exist.
    NoSuchSlot(usize),
    /// The load at this index reads a scratch slot that may not have been written.
    SlotNotWritten(usize),
    /// The load at this index lies beyond any frame.
    LoadBeyondFrame(usize),
    /// The last instruction does not return.
    NoReturn,
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(count) => write!(f, "{count} instructions; a program has 1 to {MAX_INSTRUCTIONS}"),
            Self::UnknownCode(at) => write!(f, "instruction {at} is unknown"),
            Self::JumpOutside(at) => write!(f, "instruction {at} jumps outside"),
            Self::DivisionByZero(at) => write!(f, "instruction {at} divides by zero"),
            Self::Shift(at) => write!(f, "instruction {at} shifts by more than 31 bits"),
            Self::NoSuchSlot(at) => write!(f, "instruction {at} names a scratch slot that does not exist"),
            Self::SlotNotWritten(at) => write!(f, "instruction {at} reads a scratch slot before it is written"),
            Self::LoadBeyondFrame(at) => write!(f, "instruction {at} loads from beyond any frame"),
            Self::NoReturn => write!(f, "the last instruction does not return"),
        }
    }
}

impl std::error::Error for ProgramError {}

impl Program {
    /// Takes a list of instructions that keeps the rules above.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(instructions: Vec<Instruction>) -> Result<Self, ProgramError> {
        Self::verify(&instructions)?;
        Ok(Self { instructions })
    }

    /// The instructions, in the layout that `SO_ATTACH_FILTER` wants.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Checks a list of instructions against the rules above.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify(instructions: &[Instruction]) -> Result<(), ProgramError> {
        let count = instructions.len();
        if count == 0 || count > MAX_INSTRUCTIONS {
            return Err(ProgramError::Length(count));
        }
        for (at, instruction) in instructions.iter().enumerate() {
            check_one(at, instruction, count)?;
        }
        // Jumps stay inside, so only the last instruction could run off the end.
        match instructions.last() {
            Some(last) if last.code & code::CLASS == code::RET => check_slots(instructions),
            _ => Err(ProgramError::NoReturn),
        }
    }
}

impl fmt::Display for Program {
    /// One line an instruction, targets of jumps as line numbers, as `tcpdump -d` prints a program.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, instruction) in self.instructions.iter().enumerate() {
            let is_jump = instruction.code & code::CLASS == code::JMP;
            if is_jump && instruction.code & code::OPERATION == code::JA {
                writeln!(f, "({at:03}) ja       {}", at + 1 + instruction.k as usize)?;
            } else if is_jump {
                let yes = at + 1 + usize::from(instruction.jt);
                let no = at + 1 + usize::from(instruction.jf);
                writeln!(f, "({at:03}) {:<24} jt {yes}\tjf {no}", instruction.to_string())?;
            } else {
                writeln!(f, "({at:03}) {instruction}")?;
            }
        }
        Ok(())
    }
}

/// What can be seen from one instruction alone.
fn check_one(at: usize, instruction: &Instruction, count: usize) -> Result<(), ProgramError> {
    if !is_known(instruction.code) {
        return Err(ProgramError::UnknownCode(at));
    }
    let k = instruction.k;
    let operation = instruction.code & code::OPERATION;
    let constant = instruction.code & code::X == 0;
    match instruction.code & code::CLASS {
        code::LD
            if instruction.code & code::MODE == code::ABS && k > i32::MAX as u32 && !ancillary::ALL.contains(&k) =>
        {
            Err(ProgramError::LoadBeyondFrame(at))
        }
        code::LDX if instruction.code & code::MODE == code::MSH && k > i32::MAX as u32 => {
            Err(ProgramError::LoadBeyondFrame(at))
        }
        code::LD | code::LDX if instruction.code & code::MODE == code::MEM => check_slot(at, k),
        code::ST | code::STX => check_slot(at, k),
        code::ALU if matches!(operation, code::DIV | code::MOD) && constant && k == 0 => {
            Err(ProgramError::DivisionByZero(at))
        }
        code::ALU if matches!(operation, code::LSH | code::RSH) && constant && k > 31 => Err(ProgramError::Shift(at)),
        code::JMP => {
            let left = count - at - 1;
            let inside = if operation == code::JA {
                usize::try_from(k).is_ok_and(|k| k < left)
            } else {
                usize::from(instruction.jt) < left && usize::from(instruction.jf) < left
            };
            if inside { Ok(()) } else { Err(ProgramError::JumpOutside(at)) }
        }
        _ => Ok(()),
    }
}

fn check_slot(at: usize, k: u32) -> Result<(), ProgramError> {
    if (k as usize) < SCRATCH_SLOTS { Ok(()) } else { Err(ProgramError::NoSuchSlot(at)) }
}

/// Rule 4. Jumps go forward only, so one pass in order sees every way to an instruction before the instruction.
fn check_slots(instructions: &[Instruction]) -> Result<(), ProgramError> {
    // The slots surely written when control arrives; all of them where it never does.
    let mut arriving = vec![u16::MAX; instructions.len()];
    arriving[0] = 0;
    for (at, instruction) in instructions.iter().enumerate() {
        let mut written = arriving[at];
        let class = instruction.code & code::CLASS;
        match class {
            code::LD | code::LDX if instruction.code & code::MODE == code::MEM && written & 1 << instruction.k == 0 => {
                return Err(ProgramError::SlotNotWritten(at));
            }
            code::ST | code::STX => written |= 1 << instruction.k,
            _ => {}
        }
        match class {
            code::JMP if instruction.code & code::OPERATION == code::JA => {
                arriving[at + 1 + instruction.k as usize] &= written;
            }
            code::JMP => {
                arriving[at + 1 + usize::from(instruction.jt)] &= written;
                arriving[at + 1 + usize::from(instruction.jf)] &= written;
            }
            // Behind a return as well, unreachable as it is from there: the kernel reads on in the same way.
            _ => {
                if let Some(next) = arriving.get_mut(at + 1) {
                    *next &= written;
                }
            }
        }
    }
    Ok(())
}

fn is_known(code: u16) -> bool {
    use code::*;
    match code & CLASS {
        LD => match code & MODE {
            ABS | IND => matches!(code & !MODE, W | H | B),
            IMM | MEM | LEN => code & !MODE == LD,
            _ => false,
        },
        LDX => match code & MODE {
            IMM | MEM | LEN => code & !MODE == LDX,
            MSH => code & !MODE == LDX | B,
            _ => false,
        },
        ST | STX => code == ST || code == STX,
        ALU => match code & OPERATION {
            NEG => code == ALU | NEG,
            operation => operation <= XOR && code & !(CLASS | OPERATION | X) == 0,
        },
        JMP => match code & OPERATION {
            JA => code == JMP | JA,
            operation => operation <= JSET && code & !(CLASS | OPERATION | X) == 0,
        },
        RET => code == RET | K || code == RET | A,
        _ => code == MISC | TAX || code == MISC | TXA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETURN: Instruction = Instruction::plain(code::RET | code::K, 1);

    fn verdict(instructions: &[Instruction]) -> Result<(), ProgramError> {
        Program::verify(instructions)
    }

    fn with_return(instruction: Instruction) -> Result<(), ProgramError> {
        verdict(&[instruction, RETURN])
    }

    #[test]
    fn lengths_outside_the_limits_are_refused() {
        assert_eq!(verdict(&[]), Err(ProgramError::Length(0)));
        assert_eq!(verdict(&vec![RETURN; MAX_INSTRUCTIONS]), Ok(()));
        assert_eq!(verdict(&vec![RETURN; MAX_INSTRUCTIONS + 1]), Err(ProgramError::Length(MAX_INSTRUCTIONS + 1)));
    }

    #[test]
    fn a_program_that_does_not_return_is_refused() {
        assert_eq!(verdict(&[Instruction::plain(code::LD | code::IMM, 1)]), Err(ProgramError::NoReturn));
    }

    #[test]
    fn jumps_that_leave_the_program_are_refused() {
        let jump = |jt, jf| Instruction { code: code::JMP | code::JEQ, jt, jf, k: 0 };
        assert_eq!(with_return(jump(0, 0)), Ok(()));
        assert_eq!(with_return(jump(1, 0)), Err(ProgramError::JumpOutside(0)));
        assert_eq!(with_return(jump(0, 1)), Err(ProgramError::JumpOutside(0)));
        assert_eq!(verdict(&[jump(0, 0)]), Err(ProgramError::JumpOutside(0)));
        let always = |k| Instruction::plain(code::JMP | code::JA, k);
        assert_eq!(with_return(always(0)), Ok(()));
        assert_eq!(with_return(always(1)), Err(ProgramError::JumpOutside(0)));
        // A jump backwards, as libpcap makes them for its own machine.
        assert_eq!(with_return(always(u32::MAX)), Err(ProgramError::JumpOutside(0)));
    }

    #[test]
    fn constants_that_no_operation_takes_are_refused() {
        let operation = |operation, k| with_return(Instruction::plain(code::ALU | operation | code::K, k));
        assert_eq!(operation(code::DIV, 0), Err(ProgramError::DivisionByZero(0)));
        assert_eq!(operation(code::MOD, 0), Err(ProgramError::DivisionByZero(0)));
        assert_eq!(operation(code::DIV, 1), Ok(()));
        assert_eq!(operation(code::LSH, 32), Err(ProgramError::Shift(0)));
        assert_eq!(operation(code::RSH, 31), Ok(()));
        let load = Instruction::plain(code::LD | code::ABS | code::W, 1 << 31);
        assert_eq!(with_return(load), Err(ProgramError::LoadBeyondFrame(0)));
    }

    #[test]
    fn codes_that_classic_bpf_has_not_are_refused() {
        for unknown in [0x0100, 0x0018, 0x00e0, 0x0021, 0x00a0, 0x000a, 0x00b4, 0x0055, 0x0017] {
            assert_eq!(with_return(Instruction::plain(unknown, 0)), Err(ProgramError::UnknownCode(0)), "{unknown:#x}");
        }
    }

    #[test]
    fn a_slot_has_to_be_written_on_every_way() {
        let recall = Instruction::plain(code::LD | code::MEM, 3);
        let store = Instruction::plain(code::ST, 3);
        let skip = |jt, jf| Instruction { code: code::JMP | code::JEQ, jt, jf, k: 0 };
        assert_eq!(verdict(&[recall, RETURN]), Err(ProgramError::SlotNotWritten(0)));
        assert_eq!(verdict(&[store, recall, RETURN]), Ok(()));
        assert_eq!(verdict(&[skip(1, 0), store, recall, RETURN]), Err(ProgramError::SlotNotWritten(2)));
        assert_eq!(verdict(&[skip(0, 0), store, recall, RETURN]), Ok(()));
        assert_eq!(with_return(Instruction::plain(code::ST, 16)), Err(ProgramError::NoSuchSlot(0)));
    }
}
