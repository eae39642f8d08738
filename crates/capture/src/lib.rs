//! Packet sources: where packets come in.
//!
//! Captures in files, pipes and directories become [`PacketBatch`](flumen_model::PacketBatch)es. Read from the outside in:
//!
//! - [`captures`]: [`Captures`], what the command opens: a list of files, directories and `-`, read one after another.
//!   It keeps what was wrong with each ([`Captures::errors`]) and what was odd ([`Captures::notices`]) and goes on.
//! - [`file`]: [`CaptureFile`], one capture. A plain file is mapped and never copied; everything else is a stream.
//! - [`stream`], [`inflate`], [`chunk`]: reading a pipe, gzip or zstd in chunks that packets then borrow from.
//! - [`format`]: which format bytes are, told by their first bytes and never by the name.
//! - [`pcap`], [`pcapng`]: the parsers, over byte slices and nothing else; hostile bytes end here.
//! - [`mod@write`]: writers of both formats, for tests and tools.
//!
//! One thread owns a source. No input makes it panic, hang or use more memory than a few chunks and, for pcapng, one small
//! entry an interface. `unsafe` is confined to `mapping`: making a mapping, and asking the processor to prefetch.
#![deny(unsafe_code)]

pub mod captures;
mod chunk;
pub mod fault;
pub mod file;
pub mod format;
mod inflate;
mod mapping;
pub mod notice;
mod paths;
pub mod pcap;
pub mod pcapng;
pub mod records;
mod stream;
pub mod write;

pub use captures::{Captures, Verdict};
pub use fault::{Fault, FaultReason, Refusal};
pub use file::{CaptureFile, FileAccess, Options, Progress};
pub use notice::{Notice, NoticeKind};
pub use pcap::PcapReader;
pub use pcapng::PcapngReader;
pub use records::{Record, Records, Step};
