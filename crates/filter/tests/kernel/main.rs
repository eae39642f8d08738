//! The Linux kernel as an oracle of the machine: it takes every program that the compiler makes, takes or refuses random
//! programs as [`Program::verify`] does, and runs them to the same verdicts. A datagram sent through a pair of sockets
//! with the program attached is the frame; no privilege is needed.
//!
//! Where there is no Linux or no C compiler the tests say so and pass; with `CI` set they fail.

#[path = "../random.rs"]
mod random;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use flumen_filter::{Filter, Instruction, LinkLayer, Program, socket_program};
use random::Random;

#[test]
fn programs_of_the_compiler_run_in_the_kernel_as_in_the_machine() {
    let mut random = Random::new(0x6b65_726e_656c);
    let mut cases = Vec::new();
    for expression in random::expressions() {
        for dlt in [0, 1, 9, 101, 104, 113, 228, 276] {
            if let Ok(filter) = Filter::compile(&expression, LinkLayer::from_dlt(dlt), 0xffff) {
                let frames = (0..8).map(|_| random.frame()).collect();
                cases.push(Case {
                    what: format!("{expression:?} on {dlt}"),
                    program: filter.program().to_vec(),
                    frames,
                });
            }
        }
    }
    let Some(answers) = kernel(&cases, "compiled") else { return };
    for (case, answer) in cases.iter().zip(&answers) {
        let program = Program::new(case.program.clone()).expect("a filter has a verified program");
        assert_eq!(&case.verdicts(&program), answer, "{}\n{program}", case.what);
    }
    println!("{} programs", cases.len());
}

/// The packets of these sockets have no tag beside the frame and no device, so the tests for those are false, and what
/// is in the frame decides.
#[test]
fn programs_for_sockets_decide_in_the_kernel_as_filters_of_files() {
    let mut random = Random::new(0x736f_636b);
    let (mut cases, mut filters) = (Vec::new(), Vec::new());
    for expression in random::expressions() {
        let Ok(filter) = Filter::compile(&expression, LinkLayer::Ethernet, 0) else { continue };
        let program = socket_program(&expression, LinkLayer::Ethernet, 0).expect("a socket knows more than a file");
        let frames = (0..40).map(|_| random.frame()).collect();
        filters.push(Program::new(filter.program().to_vec()).expect("a filter has a verified program"));
        cases.push(Case { what: expression, program: program.instructions().to_vec(), frames });
    }
    let Some(answers) = kernel(&cases, "socket") else { return };
    for ((case, filter), answer) in cases.iter().zip(&filters).zip(&answers) {
        assert_eq!(&case.verdicts(filter), answer, "{}", case.what);
    }
}

#[test]
fn what_only_a_socket_knows_is_taken_by_the_kernel() {
    let expressions =
        ["inbound", "outbound and tcp", "ifindex 3", "vlan 5 and vlan 6 and tcp[13] = 2", "vlan or geneve and ip"];
    let case = |expression: &&str| Case {
        what: (*expression).to_owned(),
        program: socket_program(expression, LinkLayer::Ethernet, 0).expect(expression).instructions().to_vec(),
        frames: Vec::new(),
    };
    let cases: Vec<Case> = expressions.iter().map(case).collect();
    let Some(answers) = kernel(&cases, "only-socket") else { return };
    assert!(answers.iter().all(|answer| answer.is_empty()), "{answers:?}");
}

#[test]
fn random_programs_are_taken_by_the_kernel_when_they_verify() {
    let seed = 0x7261_6e64;
    let mut random = Random::new(seed);
    let mut cases = Vec::new();
    while cases.len() < 4000 {
        let program = random.program();
        // The kernel gives negative offsets a meaning, and masks what X shifts by; neither is compiled.
        if Program::verify(&program).is_ok() && !program.iter().any(leaves_the_common_ground) {
            let frames = (0..4).map(|_| random.frame()).collect();
            cases.push(Case { what: format!("seed {seed:#x}, program {}", cases.len()), program, frames });
        }
    }
    let Some(answers) = kernel(&cases, "random") else { return };
    for (case, answer) in cases.iter().zip(&answers) {
        let program = Program::new(case.program.clone()).expect("it did verify");
        assert_eq!(&case.verdicts(&program), answer, "{}\n{program}", case.what);
    }
}

fn leaves_the_common_ground(instruction: &Instruction) -> bool {
    let indexed = matches!(instruction.code, 0x40 | 0x48 | 0x50);
    let shift_by_x = matches!(instruction.code, 0x6c | 0x7c);
    indexed || shift_by_x
}

struct Case {
    what: String,
    program: Vec<Instruction>,
    frames: Vec<Vec<u8>>,
}

impl Case {
    fn verdicts(&self, program: &Program) -> String {
        let wanted = |frame: &Vec<u8>| program.run(frame, u32::try_from(frame.len()).expect("a small frame")) != 0;
        self.frames.iter().map(|frame| if wanted(frame) { '1' } else { '0' }).collect()
    }

    fn encode(&self, to: &mut Vec<u8>) {
        let count = |length: usize| u32::try_from(length).expect("a small count").to_ne_bytes();
        to.extend(count(self.program.len()));
        for Instruction { code, jt, jf, k } in &self.program {
            to.extend(code.to_ne_bytes());
            to.extend([*jt, *jf]);
            to.extend(k.to_ne_bytes());
        }
        to.extend(count(self.frames.len()));
        for frame in &self.frames {
            to.extend(count(frame.len()));
            to.extend(frame);
        }
    }
}

/// The kernel's answer to each case; `None` where it cannot be asked.
fn kernel(cases: &[Case], name: &str) -> Option<Vec<String>> {
    let helper = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kernel-{name}"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel/kernel.c");
    let built = Command::new("cc").args(["-O2", "-Wall", "-o"]).arg(&helper).arg(source).output();
    if !built.as_ref().is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "the helper does not compile: {built:?}");
        println!("NOT RUN: the helper does not compile: {built:?}");
        return None;
    }
    let mut child =
        Command::new(helper).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the helper was built");
    let mut input = Vec::new();
    cases.iter().for_each(|case| case.encode(&mut input));
    let mut pipe = child.stdin.take().expect("it is a pipe");
    let writer = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().expect("the helper ends");
    writer.join().expect("the writer ends").expect("the helper reads all");
    let text = String::from_utf8(output.stdout).expect("the helper prints text");
    let answers: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), cases.len(), "an answer for each program");
    Some(answers)
}
