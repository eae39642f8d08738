//! One instruction of classic BPF, and its text.
//!
//! The encoding is that of McCanne and Jacobson (USENIX 1993) as RFC 9669 still lists it for the deprecated packet
//! instructions: a 16-bit code whose low three bits are the class. The text is what `tcpdump -d` users read.

use core::fmt;

/// One instruction, in the layout of the kernel's `struct sock_filter`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Instruction {
    /// Class, addressing mode or operation, and operand size.
    pub code: u16,
    /// How many instructions to skip when the comparison holds.
    pub jt: u8,
    /// How many instructions to skip when it does not.
    pub jf: u8,
    /// The constant: an operand, an offset in the frame, a scratch slot, or the distance of an unconditional jump.
    pub k: u32,
}

impl Instruction {
    pub(crate) const fn plain(code: u16, k: u32) -> Self {
        Self { code, jt: 0, jf: 0, k }
    }
}

/// The parts of `code`.
pub(crate) mod code {
    pub(crate) const CLASS: u16 = 0x07;
    pub(crate) const LD: u16 = 0x00;
    pub(crate) const LDX: u16 = 0x01;
    pub(crate) const ST: u16 = 0x02;
    pub(crate) const STX: u16 = 0x03;
    pub(crate) const ALU: u16 = 0x04;
    pub(crate) const JMP: u16 = 0x05;
    pub(crate) const RET: u16 = 0x06;
    pub(crate) const MISC: u16 = 0x07;

    pub(crate) const SIZE: u16 = 0x18;
    pub(crate) const W: u16 = 0x00;
    pub(crate) const H: u16 = 0x08;
    pub(crate) const B: u16 = 0x10;

    pub(crate) const MODE: u16 = 0xe0;
    pub(crate) const IMM: u16 = 0x00;
    pub(crate) const ABS: u16 = 0x20;
    pub(crate) const IND: u16 = 0x40;
    pub(crate) const MEM: u16 = 0x60;
    pub(crate) const LEN: u16 = 0x80;
    pub(crate) const MSH: u16 = 0xa0;

    pub(crate) const OPERATION: u16 = 0xf0;
    pub(crate) const ADD: u16 = 0x00;
    pub(crate) const SUB: u16 = 0x10;
    pub(crate) const MUL: u16 = 0x20;
    pub(crate) const DIV: u16 = 0x30;
    pub(crate) const OR: u16 = 0x40;
    pub(crate) const AND: u16 = 0x50;
    pub(crate) const LSH: u16 = 0x60;
    pub(crate) const RSH: u16 = 0x70;
    pub(crate) const NEG: u16 = 0x80;
    pub(crate) const MOD: u16 = 0x90;
    pub(crate) const XOR: u16 = 0xa0;

    pub(crate) const JA: u16 = 0x00;
    pub(crate) const JEQ: u16 = 0x10;
    pub(crate) const JGT: u16 = 0x20;
    pub(crate) const JGE: u16 = 0x30;
    pub(crate) const JSET: u16 = 0x40;

    pub(crate) const X: u16 = 0x08;
    pub(crate) const K: u16 = 0x00;
    /// Return the accumulator.
    pub(crate) const A: u16 = 0x10;

    pub(crate) const TXA: u16 = 0x80;
    pub(crate) const TAX: u16 = 0x00;
}

impl fmt::Display for Instruction {
    /// The mnemonic and its operand; targets of jumps as distances. [`Program`](crate::Program) prints them as lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let k = self.k;
        match self.code & code::CLASS {
            code::LD => match self.code & code::MODE {
                code::IMM => write!(f, "ld       #{k:#x}"),
                code::ABS => write!(f, "{:<8} [{k}]", self.load_mnemonic()),
                code::IND => write!(f, "{:<8} [x + {k}]", self.load_mnemonic()),
                code::MEM => write!(f, "ld       M[{k}]"),
                code::LEN => write!(f, "ld       #pktlen"),
                _ => write!(f, "unknown  {:#x}", self.code),
            },
            code::LDX => match self.code & code::MODE {
                code::IMM => write!(f, "ldx      #{k:#x}"),
                code::MEM => write!(f, "ldx      M[{k}]"),
                code::LEN => write!(f, "ldx      #pktlen"),
                code::MSH => write!(f, "ldxb     4*([{k}]&0xf)"),
                _ => write!(f, "unknown  {:#x}", self.code),
            },
            code::ST => write!(f, "st       M[{k}]"),
            code::STX => write!(f, "stx      M[{k}]"),
            code::ALU if self.code & code::OPERATION == code::NEG => write!(f, "neg"),
            code::ALU => self.operand(f, self.alu_mnemonic()),
            code::JMP if self.code & code::OPERATION == code::JA => write!(f, "ja       {k}"),
            code::JMP => self.operand(f, self.jump_mnemonic()),
            code::RET if self.code & code::SIZE == code::A => write!(f, "ret      a"),
            code::RET => write!(f, "ret      #{k}"),
            _ => write!(f, "{}", if self.code & code::TXA != 0 { "txa" } else { "tax" }),
        }
    }
}

impl Instruction {
    fn operand(&self, f: &mut fmt::Formatter<'_>, mnemonic: &str) -> fmt::Result {
        if self.code & code::X != 0 { write!(f, "{mnemonic:<8} x") } else { write!(f, "{mnemonic:<8} #{:#x}", self.k) }
    }

    fn load_mnemonic(&self) -> &'static str {
        match self.code & code::SIZE {
            code::W => "ld",
            code::H => "ldh",
            _ => "ldb",
        }
    }

    fn alu_mnemonic(&self) -> &'static str {
        match self.code & code::OPERATION {
            code::ADD => "add",
            code::SUB => "sub",
            code::MUL => "mul",
            code::DIV => "div",
            code::OR => "or",
            code::AND => "and",
            code::LSH => "lsh",
            code::RSH => "rsh",
            code::MOD => "mod",
            code::XOR => "xor",
            _ => "unknown",
        }
    }

    fn jump_mnemonic(&self) -> &'static str {
        match self.code & code::OPERATION {
            code::JEQ => "jeq",
            code::JGT => "jgt",
            code::JGE => "jge",
            code::JSET => "jset",
            _ => "unknown",
        }
    }
}
