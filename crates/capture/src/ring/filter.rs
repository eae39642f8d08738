//! Classic BPF as the kernel runs it on each frame before it takes room in the ring.
//!
//! The program of the user is completed in two ways. Its verdict, which is the number of bytes to keep, is cut to the snap
//! length. And where there is a loopback interface, frames that it sends are refused first: it receives each of them
//! again, so every packet would come twice.

/// One instruction of classic BPF: operation, jump offsets if true and if false, operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when a condition holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Whether frames may come from a loopback interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loopback {
    Possible,
    Excluded,
}

/// The program to attach: that of the user, or one that takes every frame, completed as above.
pub(super) fn complete(program: &[Instruction], snap_len: u32, loopback: Loopback) -> Vec<Instruction> {
    let mut complete = Vec::with_capacity(program.len() + PROLOGUE_LEN + 1);
    if loopback == Loopback::Possible {
        complete.extend(refuse_sent_by_loopback());
    }
    if program.is_empty() {
        complete.push(Instruction { code: RETURN, jt: 0, jf: 0, k: snap_len });
    }
    complete.extend(program.iter().map(|&instruction| match instruction.code {
        RETURN => Instruction { k: instruction.k.min(snap_len), ..instruction },
        _ => instruction,
    }));
    complete
}

/// A program for [`ANY`](super::ANY), where frames of several links come together: one for those that begin with an Ethernet
/// header, one for those that begin with their network header. Others, of which nobody knows where they begin, are refused.
#[must_use]
pub fn by_link(ethernet: &[Instruction], network: &[Instruction]) -> Vec<Instruction> {
    const fn step(code: u16, jt: u8, k: u32) -> Instruction {
        Instruction { code, jt, jf: 0, k }
    }
    const fn hardware(is: u16, skip: u8) -> Instruction {
        step(JUMP_IF_EQUAL, skip, is as u32)
    }
    let clear = step(LOAD_IMMEDIATE, 0, 0);
    let mut program = vec![
        step(LOAD_ABSOLUTE, 0, (libc::SKF_AD_OFF + libc::SKF_AD_HATYPE) as u32),
        hardware(libc::ARPHRD_ETHER, 7),
        hardware(libc::ARPHRD_LOOPBACK, 6),
        hardware(libc::ARPHRD_NONE, 3),
        hardware(super::link::RAW_IP, 2),
        hardware(libc::ARPHRD_PPP, 1),
        step(RETURN, 0, 0),
        clear,
        // Over what follows, and the first program.
        step(JUMP, 0, ethernet.len() as u32 + 1),
        clear,
    ];
    program.extend_from_slice(ethernet);
    program.extend_from_slice(network);
    program
}

/// Jumps are relative, so that this can stand in front of any program; it leaves the accumulator zero, as it was.
const fn refuse_sent_by_loopback() -> [Instruction; PROLOGUE_LEN] {
    const fn step(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
        Instruction { code, jt, jf, k }
    }
    [
        step(LOAD_ABSOLUTE, 0, 0, (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE) as u32),
        step(JUMP_IF_EQUAL, 0, 3, libc::PACKET_OUTGOING as u32),
        step(LOAD_ABSOLUTE, 0, 0, (libc::SKF_AD_OFF + libc::SKF_AD_HATYPE) as u32),
        step(JUMP_IF_EQUAL, 0, 1, libc::ARPHRD_LOOPBACK as u32),
        step(RETURN, 0, 0, 0),
        step(LOAD_IMMEDIATE, 0, 0, 0),
    ]
}

/// Takes no frame.
pub(super) const NOTHING: [Instruction; 1] = [Instruction { code: RETURN, jt: 0, jf: 0, k: 0 }];

/// Longest program: what the kernel runs (`BPF_MAXINSNS`) less what is added here.
pub const FILTER_MAX: usize = libc::BPF_MAXINSNS as usize - PROLOGUE_LEN;

const PROLOGUE_LEN: usize = 6;
const LOAD_ABSOLUTE: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const LOAD_IMMEDIATE: u16 = (libc::BPF_LD | libc::BPF_IMM) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_above_the_snap_length_then_it_is_cut() {
        let returns = |k| Instruction { code: RETURN, jt: 0, jf: 0, k };
        let jump = Instruction { code: JUMP_IF_EQUAL, jt: 0, jf: 1, k: 262_144 };
        let program = [jump, returns(262_144), returns(0)];
        assert_eq!(complete(&program, 96, Loopback::Excluded), [jump, returns(96), returns(0)]);
        assert_eq!(complete(&[], 1_500, Loopback::Excluded), [returns(1_500)]);
    }

    #[test]
    fn loopback_possible_then_the_program_follows_the_prologue() {
        let program = complete(&[], 1_500, Loopback::Possible);
        assert_eq!(program.len(), PROLOGUE_LEN + 1);
        // Not sent: three instructions further. Not loopback: one further. Both meet where the accumulator is cleared.
        assert_eq!(program[1 + 1 + 3].code, LOAD_IMMEDIATE);
        assert_eq!(program[3 + 1 + 1].code, LOAD_IMMEDIATE);
        assert_eq!(program[PROLOGUE_LEN].k, 1_500);
    }
}
