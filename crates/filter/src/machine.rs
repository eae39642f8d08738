//! The machine that runs a verified program over one frame.
//!
//! Two registers, sixteen words of scratch memory. A load from beyond the captured bytes and a division by zero end the
//! run with 0: the frame is not wanted. Arithmetic wraps at 32 bits, a shift by 32 or more gives 0.

use crate::instruction::{Instruction, code};
use crate::program::{Program, SCRATCH_SLOTS};

impl Program {
    /// Runs over the captured bytes of a frame that was `wire_len` bytes long. The answer is how many bytes of it are
    /// wanted; 0 is none. Never panics and ends after at most as many steps as there are instructions.
    #[must_use]
    pub fn run(&self, frame: &[u8], wire_len: u32) -> u32 {
        let mut machine = Machine { frame, wire_len, a: 0, x: 0, scratch: [0; SCRATCH_SLOTS] };
        let mut rest = self.instructions().iter();
        while let Some(instruction) = rest.next() {
            match machine.step(instruction) {
                Some(Next::Skip(0)) => {}
                // Moves ahead in one step; a verified jump stays inside.
                Some(Next::Skip(count)) => rest = rest.as_slice().get(count..).unwrap_or_default().iter(),
                Some(Next::Return(wanted)) => return wanted,
                None => return 0,
            }
        }
        0
    }
}

struct Machine<'a> {
    frame: &'a [u8],
    wire_len: u32,
    a: u32,
    x: u32,
    scratch: [u32; SCRATCH_SLOTS],
}

enum Next {
    Skip(usize),
    Return(u32),
}

impl Machine<'_> {
    /// `None` when the frame ends before a load or a divisor is zero.
    fn step(&mut self, instruction: &Instruction) -> Option<Next> {
        let k = instruction.k;
        match instruction.code & code::CLASS {
            code::LD => {
                self.a = match instruction.code & code::MODE {
                    code::IMM => k,
                    code::ABS => self.load(instruction.code & code::SIZE, k as usize)?,
                    // On 32-bit hosts an offset that does not fit lies beyond the frame as well.
                    code::IND => {
                        self.load(instruction.code & code::SIZE, (self.x as usize).checked_add(k as usize)?)?
                    }
                    code::MEM => self.scratch[slot(k)],
                    _ => self.wire_len,
                }
            }
            code::LDX => {
                self.x = match instruction.code & code::MODE {
                    code::IMM => k,
                    code::MEM => self.scratch[slot(k)],
                    code::MSH => (self.load(code::B, k as usize)? & 0xf) << 2,
                    _ => self.wire_len,
                }
            }
            code::ST => self.scratch[slot(k)] = self.a,
            code::STX => self.scratch[slot(k)] = self.x,
            code::ALU => self.a = arithmetic(instruction.code, self.a, self.operand(instruction))?,
            code::JMP => return Some(Next::Skip(self.jump(instruction))),
            code::RET => return Some(Next::Return(if instruction.code & code::SIZE == code::A { self.a } else { k })),
            _ if instruction.code & code::TXA != 0 => self.a = self.x,
            _ => self.x = self.a,
        }
        Some(Next::Skip(0))
    }

    fn load(&self, size: u16, offset: usize) -> Option<u32> {
        let bytes = self.frame.get(offset..)?;
        match size {
            code::W => bytes.first_chunk().map(|&word| u32::from_be_bytes(word)),
            code::H => bytes.first_chunk().map(|&half| u32::from(u16::from_be_bytes(half))),
            _ => bytes.first().map(|&byte| u32::from(byte)),
        }
    }

    fn operand(&self, instruction: &Instruction) -> u32 {
        if instruction.code & code::X != 0 { self.x } else { instruction.k }
    }

    fn jump(&self, instruction: &Instruction) -> usize {
        let operand = self.operand(instruction);
        let holds = match instruction.code & code::OPERATION {
            code::JA => return instruction.k as usize,
            code::JEQ => self.a == operand,
            code::JGT => self.a > operand,
            code::JGE => self.a >= operand,
            _ => self.a & operand != 0,
        };
        usize::from(if holds { instruction.jt } else { instruction.jf })
    }
}

/// A verified slot is below 16; the mask says so to the compiler.
fn slot(k: u32) -> usize {
    k as usize % SCRATCH_SLOTS
}

/// One operation on the accumulator; `None` for a division by zero. The compiler folds constants with it too.
pub(crate) fn arithmetic(code: u16, a: u32, operand: u32) -> Option<u32> {
    Some(match code & code::OPERATION {
        code::ADD => a.wrapping_add(operand),
        code::SUB => a.wrapping_sub(operand),
        code::MUL => a.wrapping_mul(operand),
        code::DIV => a.checked_div(operand)?,
        code::MOD => a.checked_rem(operand)?,
        code::OR => a | operand,
        code::AND => a & operand,
        code::XOR => a ^ operand,
        code::LSH => a.checked_shl(operand).unwrap_or(0),
        code::RSH => a.checked_shr(operand).unwrap_or(0),
        _ => a.wrapping_neg(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a program of steps leaves in A.
    fn a_after(steps: &[(u16, u32)], frame: &[u8]) -> u32 {
        let mut program: Vec<Instruction> = steps.iter().map(|&(code, k)| Instruction::plain(code, k)).collect();
        program.push(Instruction::plain(code::RET | code::A, 0));
        Program::new(program).expect("a sound program").run(frame, 99)
    }

    #[test]
    fn loads_are_big_endian_and_stop_at_the_end() {
        let frame = [0x11, 0x22, 0x33, 0x44, 0x55];
        let load = |size, k| a_after(&[(code::LD | code::ABS | size, k)], &frame);
        assert_eq!(load(code::W, 1), 0x2233_4455);
        assert_eq!(load(code::H, 3), 0x4455);
        assert_eq!(load(code::B, 4), 0x55);
        assert_eq!((load(code::W, 2), load(code::H, 4), load(code::B, 5)), (0, 0, 0));
    }

    #[test]
    fn an_indexed_load_does_not_wrap_around() {
        let load = |x, k| a_after(&[(code::LDX | code::IMM, x), (code::LD | code::IND | code::B, k)], &[7, 8, 9]);
        assert_eq!(load(1, 1), 9);
        assert_eq!(load(u32::MAX, 2), 0);
        assert_eq!(load(2, u32::MAX), 0);
    }

    #[test]
    fn a_header_length_counts_words() {
        let steps = [(code::LDX | code::MSH | code::B, 0), (code::MISC | code::TXA, 0)];
        assert_eq!(a_after(&steps, &[0x4f]), 60);
        assert_eq!(a_after(&steps, &[]), 0);
    }

    #[test]
    fn arithmetic_wraps_and_a_zero_divisor_ends_it() {
        assert_eq!(arithmetic(code::ADD, u32::MAX, 2), Some(1));
        assert_eq!(arithmetic(code::SUB, 0, 1), Some(u32::MAX));
        assert_eq!(arithmetic(code::MUL, 1 << 31, 2), Some(0));
        assert_eq!(arithmetic(code::NEG, 1, 0), Some(u32::MAX));
        assert_eq!(arithmetic(code::LSH, 1, 32), Some(0));
        assert_eq!(arithmetic(code::RSH, 8, 3), Some(1));
        assert_eq!(arithmetic(code::DIV, 1, 0), None);
        assert_eq!(arithmetic(code::MOD, 1, 0), None);
        let steps = [(code::LD | code::IMM, 5), (code::LDX | code::IMM, 0), (code::ALU | code::DIV | code::X, 0)];
        assert_eq!(a_after(&steps, &[]), 0);
    }

    #[test]
    fn the_length_is_that_on_the_wire() {
        assert_eq!(a_after(&[(code::LD | code::LEN, 0)], &[1]), 99);
    }
}
