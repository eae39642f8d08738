//! The walk: from the bytes at hand to a batch of packets, and what to do when there are too few.
//!
//! A fault is returned even when packets of the batch lie before it; the parser stays where it is, so that the next walk
//! meets the fault again, with an empty batch.

use crate::fault::Fault;
use crate::mapping::{Mapping, prefetch};
use crate::notice::Oddities;
use crate::records::{Records, Step};
use crate::stream::{Stream, Tail};
use flumen_model::source::{BATCH_LEN, ChecksumNote, Entry};
use flumen_model::{LinkType, PacketBatch};
use flumen_pbuf::Pbuf;
use std::sync::Arc;

/// A mapped file and how far it was read.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) mapping: Arc<Mapping>,
    /// All of it, as batches refer to it.
    pub(crate) block: Pbuf,
    /// Bytes that were used.
    pub(crate) at: usize,
    /// How far its pages were asked for.
    populated: usize,
    /// How far they were let go.
    released: usize,
}

impl Mapped {
    pub(crate) fn new(mapping: Arc<Mapping>) -> Self {
        let block = Pbuf::from_owner(SharedMapping(Arc::clone(&mapping)));
        Self { mapping, block, at: 0, populated: 0, released: 0 }
    }

    /// Fills `batch` with the next packets.
    pub(crate) fn fill<R: Records>(
        &mut self,
        reader: &mut R,
        batch: &mut PacketBatch,
        odd: &mut Oddities,
    ) -> Result<(), Fault> {
        batch.start(self.block.clone());
        if self.populated < self.at + WINDOW / 2 {
            batch.leave(self.next_window());
        }
        let bytes = self.block.as_slice();
        let (at, pause) = walk(reader, bytes, self.at, batch, odd);
        self.at = at;
        match pause? {
            Pause::Full => Ok(()),
            // Behind the mapping there is nothing.
            Pause::Need(_) | Pause::Past(_) => reader.finish(bytes.len() as u64),
        }
    }

    /// Brings the next pages in, and lets those go that were used but for the last ones, on which somebody may still work. With several
    /// workers the others go on reading meanwhile: that is 6 % of the time of two on the heavy-tailed capture of `benches`.
    fn next_window(&mut self) -> impl FnOnce() + Send + Sync + use<> {
        let from = self.populated.max(self.at);
        self.populated = from + WINDOW;
        let used = self.at.saturating_sub(WINDOW) / WINDOW * WINDOW;
        let old = core::mem::replace(&mut self.released, used)..used;
        let mapping = Arc::clone(&self.mapping);
        move || {
            mapping.populate(from, WINDOW);
            mapping.release(old);
        }
    }
}

/// Fills `batch` with the next packets of a stream, of which it waits for one.
pub(crate) fn fill_from_stream<R: Records>(
    stream: &mut Stream,
    reader: &mut R,
    batch: &mut PacketBatch,
    odd: &mut Oddities,
) -> Result<(), Fault> {
    loop {
        batch.start(stream.chunk.clone());
        // A held packet would keep its whole piece of the stream.
        batch.copy_when_held();
        let (at, pause) = walk(reader, stream.chunk.as_slice(), stream.at, batch, odd);
        stream.at = at;
        let need = match pause? {
            Pause::Full => return Ok(()),
            Pause::Need(need) => need,
            Pause::Past(skip) => {
                stream.advance(skip);
                1
            }
        };
        if !batch.is_empty() {
            return Ok(());
        }
        match stream.tail() {
            Tail::Open => {
                batch.clear();
                stream.refill(need);
            }
            Tail::End => return reader.finish(stream.end_offset()),
            Tail::Failed(reason) => return Err(Fault { offset: stream.end_offset(), reason: reason.clone() }),
        }
    }
}

/// Why a walk has paused.
enum Pause {
    /// The batch is full.
    Full,
    /// The record at `at` needs this many bytes.
    Need(usize),
    /// All bytes were used, and the parser steps over this many more.
    Past(u64),
}

/// Moves along the records of `bytes` from `at` on and puts their packets in `batch`. Returns how far it has come, and why
/// no further.
#[inline]
fn walk<R: Records>(
    reader: &mut R,
    bytes: &[u8],
    mut at: usize,
    batch: &mut PacketBatch,
    odd: &mut Oddities,
) -> (usize, Result<Pause, Fault>) {
    let steps_back = odd.steps_back();
    let pause = loop {
        if batch.len() == BATCH_LEN {
            break Ok(Pause::Full);
        }
        match reader.step(&bytes[at..]) {
            Ok(Step::Packet(record)) => {
                let entry = Entry {
                    timestamp: record.timestamp,
                    offset: at + record.start as usize,
                    captured_len: record.captured_len,
                    wire_len: record.wire_len,
                    link: record.link,
                    device: record.device,
                    checksum: ChecksumNote::None,
                };
                odd.packet(&entry, batch.len(), || reader.offset() - u64::from(record.consumed));
                if entry.link == LinkType::Unsupported {
                    odd.unsupported_link(reader.link_number(record.device));
                }
                batch.push(entry);
                at += record.consumed as usize;
                ask_ahead(bytes, at, record.consumed as usize);
            }
            Ok(Step::Skip(skip)) => {
                let rest = (bytes.len() - at) as u64;
                at += skip.min(rest) as usize;
                if skip > rest {
                    break Ok(Pause::Past(skip - rest));
                }
            }
            Ok(Step::Need(need)) => break Ok(Pause::Need(need)),
            Err(fault) => break Err(fault),
        }
    };
    odd.count(batch.len());
    if odd.steps_back() == steps_back {
        batch.found_in_order();
    }
    (at, pause)
}

/// Asks for the lines a while ahead, as many bytes of them as the walk has `moved` to come to `at`.
///
/// The next header's place is known only from this one: without asking ahead, every packet would wait for memory (the
/// elephant and the heavy-tailed capture of `benches` take a fifth more time). Two lines for each packet, though often one
/// of them has been asked for: how many are new nobody foresees. No line lies between, unless the packet is a large one.
#[inline(always)]
fn ask_ahead(bytes: &[u8], at: usize, moved: usize) {
    let ahead = at + PREFETCH_AHEAD;
    let mut more = moved.min(PREFETCH_AHEAD);
    while more > 2 * LINE {
        more -= LINE;
        prefetch(bytes, ahead - more);
    }
    prefetch(bytes, ahead - LINE);
    prefetch(bytes, ahead);
}

/// The owner that buffers share: the mapping lasts until the source and every buffer are gone.
struct SharedMapping(Arc<Mapping>);

impl AsRef<[u8]> for SharedMapping {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

/// Bytes of a cache line.
const LINE: usize = 64;
/// Bytes ahead of the walk that are asked of memory.
const PREFETCH_AHEAD: usize = 4096;
/// Bytes ahead of the walk that are asked of the operating system.
const WINDOW: usize = 4 << 20;
