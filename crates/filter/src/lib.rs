//! The tcpdump filter language: an expression becomes a program of classic BPF, which a socket can be given and which
//! the machine here runs over the frames of a file.
//!
//! The language is that of pcap-filter(7), for the links of [`LinkLayer`]; the compiler and the machine are Flumen's own
//! and depend on nothing. The tests compare verdicts with libpcap's, packet by packet.
//!
//! ```
//! use flumen_filter::{Filter, LinkLayer};
//!
//! let filter = Filter::compile("udp port 53 and not host 10.0.0.3", LinkLayer::Ethernet, 65535)?;
//! let frame = [
//!     2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00, // Ethernet, IPv4 inside
//!     0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4, UDP inside
//!     0x30, 0x39, 0x00, 0x35, 0, 8, 0, 0, // UDP
//! ];
//! assert!(filter.matches(&frame, 42));
//!
//! let wrong = "tcp prot 80";
//! let error = Filter::compile(wrong, LinkLayer::Ethernet, 65535).unwrap_err();
//! assert_eq!(error.render(wrong), "and, or, or the end is wanted here\n  tcp prot 80\n      ^^^^");
//! # Ok::<(), flumen_filter::FilterError>(())
//! ```
//!
//! 1. No expression panics, or takes more than bounded memory and stack: text and nesting are limited.
//! 2. What compiles is a [`Program`] that verifies, so the kernel takes it and running it ends.
//! 3. An error has a place inside the expression.
//!
//! What libpcap 1.10 takes and this refuses: names of hosts and networks (nothing is looked up); `gateway`; link layers
//! and primitives of 802.11, ATM, SS7, ARCnet and BSD's packet filter log; DECnet addresses other than AREA.NODE; nesting
//! deeper than 200.
//!
//! What it decides otherwise, and why:
//!
//! * `byte N & M` and `byte N | M` look at the byte; libpcap forgets to load it.
//! * In `1 + tcp[0]` the right side of an operator brings its tests too (IPv4, TCP, first fragment), as pcap-filter(7) says
//!   of all such bytes; libpcap keeps those of the left side only and looks at any packet.
//! * `protochain` passes authentication headers by their length, where libpcap loses its place; it passes at most 32
//!   headers, since a program here has no loops (and so a kernel takes it); it works behind `geneve` too.
//! * Behind a `geneve` that did not hold (`geneve or ip`) libpcap reads scratch memory that nobody wrote; here it is 0.
//! * `ip broadcast` knows no netmask: it is 0.0.0.0 and 255.255.255.255, as when tcpdump reads a file.
//! * An expression that cannot match is not refused; [`Filter::rejects_all`] says so.
//!
//! Reading order: `token` and `lexer` make words of the text, `ast` and `parser` a tree, `lower` a `graph` of blocks for
//! a link, `optimize` leaves out what is known, `layout` makes instructions. `program` verifies, `machine` runs.
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate self as flumen_filter;
#[cfg(test)]
#[path = "../tests/random.rs"]
mod random;

mod ast;
mod error;
mod graph;
mod instruction;
mod layout;
mod lexer;
mod link;
mod lower;
mod machine;
mod names;
mod optimize;
mod parser;
mod program;
mod token;

use core::fmt;

use lower::Frames;

pub use error::FilterError;
pub use instruction::Instruction;
pub use link::LinkLayer;
pub use program::{MAX_INSTRUCTIONS, Program, ProgramError, SCRATCH_SLOTS};

/// Longest expression, in bytes. One that is longer could not become a program that fits.
pub const MAX_EXPRESSION: usize = 1 << 17;

/// The answer of a program for all of a frame when no snap length is given, as tcpdump's.
const WHOLE_FRAME: u32 = 262_144;

/// A compiled expression.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filter {
    program: Program,
}

impl Filter {
    /// Compiles an expression for frames of a link. An empty expression matches every frame. `snaplen` is how many bytes
    /// of a matching frame the program asks the kernel for, 0 for all; it does not change what matches.
    ///
    /// # Errors
    /// What is wrong and where: outside the grammar, not on this link, a name that is not known, a value out of range,
    /// too long or too deep.
    pub fn compile(expression: &str, link: LinkLayer, snaplen: u32) -> Result<Self, FilterError> {
        compile(expression, link, snaplen, Frames::File).map(|program| Self { program })
    }

    /// Whether a frame is wanted: its captured bytes, and its length on the wire.
    #[must_use]
    pub fn matches(&self, frame: &[u8], wire_len: u32) -> bool {
        self.program.run(frame, wire_len) != 0
    }

    /// Whether the compiler saw that no frame can match, as with `tcp and udp`, or `arp` on a link that has only IP. tcpdump
    /// refuses such an expression; where a file has several links it may be right on another one, so the caller decides.
    #[must_use]
    pub fn rejects_all(&self) -> bool {
        self.program().iter().all(|i| i.code & instruction::code::CLASS != instruction::code::RET || i.k == 0)
    }

    /// The instructions. For a socket [`socket_program`] makes better ones.
    #[must_use]
    pub fn program(&self) -> &[Instruction] {
        self.program.instructions()
    }
}

impl fmt::Display for Filter {
    /// The program, a line an instruction, as `tcpdump -d` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.program.fmt(f)
    }
}

/// Compiles an expression for `SO_ATTACH_FILTER` on a packet socket of Linux; the rest is as for [`Filter::compile`].
///
/// The kernel takes the outer VLAN tag out of a frame and keeps it beside; a program from here looks there for `vlan`,
/// and finds headers behind the tag wherever it was. It also asks the
/// kernel for `inbound`, `outbound` and `ifindex`. In the machine of this crate, which has only the frame, such tests fail.
///
/// # Errors
/// As [`Filter::compile`].
pub fn socket_program(expression: &str, link: LinkLayer, snaplen: u32) -> Result<Program, FilterError> {
    compile(expression, link, snaplen, Frames::Socket)
}

fn compile(expression: &str, link: LinkLayer, snaplen: u32, frames: Frames) -> Result<Program, FilterError> {
    let whole = 0..expression.len();
    if expression.len() > MAX_EXPRESSION {
        return Err(FilterError::new(format!("an expression has at most {MAX_EXPRESSION} bytes"), whole));
    }
    let condition = parser::parse(expression)?;
    let mut graph = lower::lower(condition.as_ref(), link, frames)?;
    optimize::optimize(&mut graph);
    let instructions = layout::instructions(&graph, if snaplen == 0 { WHOLE_FRAME } else { snaplen });
    Program::new(instructions).map_err(|error| FilterError::new(format!("the expression is too long: {error}"), whole))
}
