//! Random frames, texts and programs for the tests, all from a seed.
#![allow(dead_code, reason = "each test takes what it needs")]

use flumen_filter::Instruction;

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A frame with headers that filters ask for, then some bytes changed, then cut.
    pub(crate) fn frame(&mut self) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        for _ in 0..self.below(3) {
            frame.extend([0x81, 0, 0, self.one_of(&[6, 10, 120])]);
        }
        match self.below(6) {
            0 | 1 => {
                frame.extend([0x08, 0, 0x45, 0, 0, 60, 0, 0, 0, 0, 64, self.one_of(&[1, 6, 17, 51, 132]), 0, 0]);
                frame.extend([10, 0, 0, 1, 192, 168, 1, 10]);
            }
            2 | 3 => {
                frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 40, self.one_of(&[6, 17, 44, 0, 51, 58]), 64]);
                frame.extend([0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
                frame.extend([0; 16]);
            }
            4 => frame.extend([0x08, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1]),
            _ => frame.extend([0x88, 0x64, 0x11, 0, 0, 17, 0, 30, 0, 0x21, 0x45, 0, 0, 28]),
        }
        frame.extend([self.one_of(&[0, 17]), self.one_of(&[53, 80, 193]), 0x17, 0xc1]);
        for _ in 0..self.below(80) {
            frame.push(self.next().to_le_bytes()[0]);
        }
        for _ in 0..self.below(4) {
            let at = self.below(frame.len());
            frame[at] = self.next().to_le_bytes()[0];
        }
        frame.truncate(1 + self.below(2 * frame.len()));
        frame
    }

    /// A list of instructions, many of them sensible.
    pub(crate) fn program(&mut self) -> Vec<Instruction> {
        let length = 1 + self.below(24);
        let mut program: Vec<Instruction> = (1..length).map(|at| self.instruction(length - at)).collect();
        program.push(Instruction { code: self.one_of(&[0x06, 0x16]), jt: 0, jf: 0, k: self.one_of(&[0, 1, 65535]) });
        program
    }

    fn instruction(&mut self, left: usize) -> Instruction {
        const CODES: &[u16] = &[
            0x00, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x60, 0x80, 0x01, 0x61, 0x81, 0xb1, 0x02, 0x03, 0x04, 0x0c, 0x14,
            0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x84, 0x94, 0x9c, 0xa4, 0xac,
            0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x06, 0x16, 0x07, 0x87,
        ];
        let code = if self.below(500) == 0 { self.next().to_le_bytes()[0].into() } else { self.one_of(CODES) };
        let k = match self.below(8) {
            0 => 0,
            1 => u32::MAX,
            2 => self.one_of(&[0x800, 0x86dd, 6, 17, 31, 32]),
            _ => u32::try_from(self.below(16)).expect("a small number"),
        };
        let mut jump = || u8::try_from(self.below(left.max(1))).expect("a short program");
        let (jt, jf) = (jump(), jump());
        let k = if code == 0x05 { u32::from(jt) } else { k };
        Instruction { code, jt, jf, k }
    }
}

/// The expressions of the comparison with libpcap.
pub(crate) fn expressions() -> Vec<String> {
    let lines = include_str!("expressions.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}
