//! Packet sources: where packets come in.
//!
//! Captures in files, pipes and directories become [`PacketBatch`](flumen_model::PacketBatch)es. Read from the outside in:
//!
//! - [`captures`]: [`Captures`], what the command opens: a list of files, directories and `-`, read one after another.
//!   It keeps what was wrong with each ([`Captures::errors`]) and what was odd ([`Captures::notices`]) and goes on.
//! - [`mod@file`]: [`CaptureFile`], one capture. A plain file is mapped and never copied; everything else is a stream.
//! - `walk`: from bytes to batches, for both.
//! - `stream`, `inflate`, `chunk`: reading a pipe, gzip or zstd in chunks that packets then borrow from.
//! - [`mod@format`]: which format bytes are, told by their first bytes and never by the name.
//! - [`pcap`], [`pcapng`]: the parsers, over byte slices and nothing else; hostile bytes end here.
//! - `ring`: `Ring`, live capture on an interface (Linux).
//! - `rights`: giving up what only opening it took.
//! - [`mod@write`]: writers of both formats, for tests and tools.
//!
//! One thread owns a source. No input makes it panic or hang, or use more memory than the chunks that are in use, one
//! small entry an interface (65,536 at most) and, for zstd, the window that the file asks for (128 MiB at most).
//! `unsafe` is confined to `mapping`, which maps a file and asks the processor to prefetch, to the ring: the memory that it
//! shares with the kernel, and system calls; and to those that give up rights.
//!
//! ```
//! use flumen_capture::{CaptureFile, records::ByteOrder, write::{PcapWriter, Ticks}};
//! use flumen_model::{LinkType, PacketBatch, PacketSource, Timestamp};
//!
//! let mut written = PcapWriter::new(ByteOrder::Little, Ticks::Nanos, 1);
//! written.packet(Timestamp::from_nanos(7), b"a frame", 60);
//! let bytes = std::io::Cursor::new(written.bytes().to_vec());
//!
//! let mut capture = CaptureFile::from_reader("demo".to_owned(), bytes)?;
//! let mut batch = PacketBatch::new();
//! while capture.fill(&mut batch)? {
//!     for packet in batch.packets() {
//!         assert_eq!((packet.data, packet.entry.wire_len), (&b"a frame"[..], 60));
//!         assert_eq!(packet.entry.link, LinkType::Ethernet);
//!     }
//! }
//! # Ok::<(), flumen_model::SourceError>(())
//! ```
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
#[cfg(target_os = "linux")]
pub mod rights;
#[cfg(target_os = "linux")]
pub mod ring;
mod stream;
mod walk;
pub mod write;

pub use captures::{Captures, Verdict};
pub use fault::{Fault, FaultReason, Refusal};
pub use file::{CaptureFile, FileAccess, Options, Progress};
pub use flumen_model::source::BATCH_LEN;
pub use notice::{Notice, NoticeKind};
pub use pcap::PcapReader;
pub use pcapng::PcapngReader;
pub use records::{Record, Records, Step};
#[cfg(target_os = "linux")]
pub use ring::{Ring, RingConfig};
