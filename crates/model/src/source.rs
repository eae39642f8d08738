//! The port through which packets come in.
//!
//! A [`PacketSource`] fills a [`PacketBatch`]. The batch holds one reference to the buffer (a mapped file, a block of
//! a ring, a chunk of a stream) and says where in it each packet lies; packets borrow from the batch. What must
//! outlive the batch takes a reference of its own ([`PacketBatch::hold`]), and only then.

use crate::Timestamp;
use core::ops::Range;
use flumen_pbuf::{AllocError, Pbuf};
use flumen_wire::LinkType;

/// Where packets come from. Owned by one thread.
pub trait PacketSource: Send {
    /// Fills `batch` with the next packets, in the order of the source. Returns `false` at the end, with an empty batch.
    ///
    /// A live source returns `true` with an empty batch when nothing comes for a while, so that its caller gets to see the
    /// time and what else there is to do; a file never does.
    ///
    /// # Errors
    /// When the source cannot go on. Packets that were read before the error were delivered by earlier calls: an
    /// error comes alone, never instead of packets.
    fn fill(&mut self, batch: &mut PacketBatch) -> Result<bool, SourceError>;

    /// Whether [`fill`](Self::fill) may wait for something outside, as a pipe does. Who still has packets to work on then
    /// does not call it. Asked once, before the first call.
    fn may_wait(&self) -> bool {
        true
    }
}

/// Why a source stopped, or what was wrong with its input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}: {}{reason}", .offset.map(|o| format!("at byte {o}: ")).unwrap_or_default())]
pub struct SourceError {
    /// File or device.
    pub source_name: String,
    /// Where in the (decompressed) file, if that is known.
    pub offset: Option<u64>,
    /// What is wrong, in words.
    pub reason: String,
    /// Whether anything of this source was usable: a damaged capture as opposed to none at all.
    pub damaged: bool,
}

/// Packets that a file gives at a time, at most. With several workers the lines behind a batch that were asked of memory are in the
/// wrong cache when another one reads on, so it is not small (256 packets take two workers a tenth more time on the heavy-tailed
/// capture of `benches`).
pub const BATCH_LEN: usize = 2048;

/// A run of captured packets that lie in one buffer.
#[derive(Debug, Default)]
pub struct PacketBatch {
    block: Option<Pbuf>,
    /// Length of the block.
    len: usize,
    entries: Vec<Entry>,
    /// The source has found their times in order.
    in_order: bool,
    holding: Holding,
    /// What the source wants done.
    errand: Option<Errand>,
}

/// Something that a source wants done soon and need not do itself: see [`PacketBatch::leave`].
struct Errand(Box<dyn FnOnce() + Send + Sync>);

impl core::fmt::Debug for Errand {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Errand")
    }
}

/// What keeping a packet beyond its batch costs the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Holding {
    /// Memory that it can spare.
    #[default]
    Refers,
    /// Buffers that it is short of.
    Copies,
}

/// Where a packet lies in the block of its batch, and what the capture says of it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Time of capture.
    pub timestamp: Timestamp,
    /// Offset of the first byte from the start of the block.
    pub offset: usize,
    /// Bytes captured.
    pub captured_len: u32,
    /// Bytes that were on the wire; not less than `captured_len`.
    pub wire_len: u32,
    /// What the first header is.
    pub link: LinkType,
    /// Interface of the capture, 0 when there is only one.
    pub device: u16,
    /// What is said of its checksum.
    pub checksum: ChecksumNote,
}

/// What a capture says of the checksum of a packet's first transport header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumNote {
    /// Nothing.
    #[default]
    None,
    /// It was found right before the packet was captured.
    Right,
    /// It is not there yet: the network card is to fill it in.
    Unfinished,
}

/// One captured packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its bytes.
    pub data: &'a [u8],
    /// What the capture says of it.
    pub entry: &'a Entry,
}

impl PacketBatch {
    /// A batch without packets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Forgets the packets and lets go of the block.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.in_order = false;
        self.block = None;
        self.errand = None;
        self.len = 0;
        self.holding = Holding::Refers;
    }
    /// Starts a new run of packets that lie in `block`.
    pub fn start(&mut self, block: Pbuf) {
        self.entries.clear();
        self.in_order = false;
        self.len = block.as_slice().len();
        self.block = Some(block);
        self.holding = Holding::Refers;
    }
    /// Makes [`hold`](Self::hold) copy until the next run: the source is short of blocks and wants this one back soon.
    pub fn copy_when_held(&mut self) {
        self.holding = Holding::Copies;
    }
    /// Leaves something to be done to who takes the batch: where several read from one source, the others need not wait for it.
    pub fn leave(&mut self, errand: impl FnOnce() + Send + Sync + 'static) {
        self.errand = Some(Errand(Box::new(errand)));
    }
    /// Does what the source has left to be done, if anything. To be called soon and with the source free for others; it is for
    /// speed, and for memory that can be spared: packets are the same without.
    pub fn run_errand(&mut self) {
        if let Some(Errand(errand)) = self.errand.take() {
            errand();
        }
    }
    /// Adds a packet. It lies within the block: a source checks lengths before it gets here, and who takes a packet that does
    /// not panics.
    #[inline]
    pub fn push(&mut self, entry: Entry) {
        let end = entry.offset.checked_add(entry.captured_len as usize);
        debug_assert!(end.is_some_and(|end| end <= self.len), "packet outside its block");
        self.entries.push(entry);
    }
    /// No packet of the batch is earlier than one before it: the source has seen so, and nobody need look again.
    pub fn found_in_order(&mut self) {
        debug_assert!(self.entries.is_sorted_by_key(|entry| entry.timestamp));
        self.in_order = true;
    }
    /// Times of the earliest packet and the latest.
    #[must_use]
    pub fn times(&self) -> Option<(Timestamp, Timestamp)> {
        let (first, last) = (self.entries.first()?.timestamp, self.entries.last()?.timestamp);
        if self.in_order {
            return Some((first, last));
        }
        let widened = |(earliest, latest): (Timestamp, Timestamp), entry: &Entry| {
            (earliest.min(entry.timestamp), latest.max(entry.timestamp))
        };
        Some(self.entries.iter().fold((first, first), widened))
    }
    /// How many packets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
    /// Bytes `range` of the block, to be kept beyond the batch: a reference, which keeps the whole block, or a copy when the
    /// source is short of blocks. `spare` is a buffer that is not needed any more, or nothing: when it refers to the same block,
    /// its reference is taken over, which saves giving one back and taking another.
    ///
    /// # Errors
    /// When there is no memory for a copy.
    ///
    /// # Panics
    /// When the range does not lie in the block.
    #[inline]
    pub fn hold(&self, range: Range<usize>, spare: Pbuf) -> Result<Pbuf, AllocError> {
        let block = self.block.as_ref().map_or(const { &Pbuf::empty() }, |block| block);
        match self.holding {
            Holding::Refers => Ok(block.slice_with(range, spare)),
            Holding::Copies => {
                drop(spare);
                Pbuf::copy_from(&block[range])
            }
        }
    }
    /// The buffer in which the packets lie. A clone keeps all of it; see [`hold`](Self::hold).
    #[must_use]
    pub fn block(&self) -> Option<&Pbuf> {
        self.block.as_ref()
    }
    /// Bytes of the block from the first packet to the end of the last.
    #[must_use]
    pub fn span(&self) -> usize {
        let end = self.entries.last().map_or(0, |last| last.offset + last.captured_len as usize);
        end.saturating_sub(self.entries.first().map_or(0, |first| first.offset))
    }
    /// So many bytes from an offset of the block on, if it has them.
    #[inline(always)]
    #[must_use]
    pub fn bytes_at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.block.as_ref()?.get(offset..)?.first_chunk()
    }
    /// The packets in order.
    pub fn packets(&self) -> impl ExactSizeIterator<Item = Packet<'_>> + '_ {
        self.packets_in(0..self.len())
    }
    /// Those of the packets whose numbers, from 0, lie in `range`.
    ///
    /// # Panics
    /// When there are not that many.
    pub fn packets_in(&self, range: Range<usize>) -> impl ExactSizeIterator<Item = Packet<'_>> + '_ {
        let block = self.block.as_ref().map_or(&[][..], Pbuf::as_slice);
        self.entries[range]
            .iter()
            .map(move |entry| Packet { data: &block[entry.offset..entry.offset + entry.captured_len as usize], entry })
    }
    /// What the capture says of each packet.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(secs: u64) -> Entry {
        let (timestamp, link) = (Timestamp::from_parts(secs, 0), LinkType::Ethernet);
        Entry { timestamp, offset: 0, captured_len: 0, wire_len: 0, link, device: 0, checksum: ChecksumNote::None }
    }

    #[test]
    fn times_of_a_batch_whether_or_not_its_source_has_found_them_in_order() {
        let mut batch = PacketBatch::new();
        assert_eq!(batch.times(), None);
        for (times, in_order) in [(vec![7, 5, 9, 6], false), (vec![5, 6, 6, 9], true), (vec![9, 5, 6], false)] {
            batch.start(Pbuf::empty());
            times.iter().for_each(|&secs| batch.push(entry(secs)));
            if in_order {
                batch.found_in_order();
            }
            assert_eq!(batch.times(), Some((entry(5).timestamp, entry(9).timestamp)), "{times:?}");
        }
    }

    #[test]
    fn errand_that_was_left_then_it_is_run_once() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU32, Ordering};
        let runs = Arc::new(AtomicU32::new(0));
        let mut batch = PacketBatch::new();
        batch.run_errand();
        let count = Arc::clone(&runs);
        batch.leave(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        batch.run_errand();
        batch.run_errand();
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn held_range_then_reference_unless_the_source_is_short_of_blocks() {
        let mut batch = PacketBatch::new();
        assert_eq!(batch.hold(0..0, Pbuf::empty()).expect("nothing to copy"), b""[..]);

        batch.start(Pbuf::from(b"one packet".to_vec()));
        let held = batch.hold(4..10, Pbuf::empty()).expect("a reference");
        assert!(held.shares_with(batch.block().expect("a block")));
        let held = batch.hold(4..10, held).expect("the same reference");
        assert_eq!(held.references(), Some(2));

        batch.copy_when_held();
        let copied = batch.hold(4..10, Pbuf::empty()).expect("memory");
        assert!(!copied.shares_with(batch.block().expect("a block")));

        batch.start(Pbuf::from(b"another".to_vec()));
        assert!(batch.hold(0..1, Pbuf::empty()).expect("a reference").shares_with(batch.block().expect("a block")));
        batch.clear();
        assert_eq!((held.as_slice(), copied.as_slice()), (&b"packet"[..], &b"packet"[..]));
    }
}
