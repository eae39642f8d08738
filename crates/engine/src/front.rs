//! The stages before the table: decode, defragment, key and hash. One frame in, all packets of it out that want a flow:
//! the frame's own, those in its tunnels, and a datagram that it completes.
//!
//! One front reads a source from its beginning to its end, on one thread at a time, so that what is found does not depend
//! on how many workers there are: fragments meet in their order, packets are numbered, and the test of checksums sees the
//! first ones.
//!
//! The account (law 1): every frame read, and every packet found in another, ends in a vector or in the ledger's reasons.

use std::collections::VecDeque;
use std::ops::Range;

use flumen_model::sink::{Anomaly, AnomalyEnds};
use flumen_model::source::{ChecksumNote, Entry, Packet};
use flumen_model::{Ledger, PacketBatch, Timestamp};
use flumen_pbuf::Pbuf;
use flumen_table::{
    Compat, Defrag, DefragConfig, DefragCounters, FlowTable, HashSecret, Incomplete, Outcome, ask_memory,
};
use flumen_wire::{Aside, DecodeCounters, Decoder, FlowPacket, Fragment, Inner, Macs, NonFlow, Transport};

use crate::budget;
use crate::checksums::ChecksumTest;
use crate::clock::Second;
use crate::config::{EngineConfig, FrameFilter};
use crate::keyer::{Keep, Keyer, Place};
use crate::vector::{Outside, Vector};

/// Decoder, reassembly, and what is counted on the way to the table.
#[derive(Debug)]
pub(crate) struct Front<'t> {
    keyer: Keyer<'t>,
    pub(crate) decoder: Decoder,
    pub(crate) defrag: Defrag,
    pub(crate) ledger: Ledger,
    length: Length,
    filter: Option<FrameFilter>,
    /// Second of the last frame: fragments are given up when another one begins.
    second: Second,
    /// Bytes of the datagram that was put together last.
    datagram: Vec<u8>,
    /// Datagrams that were given up, to be told of: see [`Front::tell`].
    given_up: VecDeque<Incomplete>,
    /// What was odd about packets, when that is wanted, until it is taken.
    pub(crate) anomalies: Option<Vec<Anomaly>>,
    turn: Turn,
    /// How many read the batches of the source, in turn: so many batches on is the next one of the same core.
    readers: usize,
}

/// Whether what comes before the frames is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    /// It is.
    InOrder,
    /// It is not, and the frames so far can do without. They may lie in more than one second.
    Ahead { seconds: bool },
    /// It is not, and a frame needs it: there is no point in going on.
    Needed,
}

/// Whose length a packet counts with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Length {
    /// What was on the wire.
    Wire,
    /// What was captured, as Suricata has it; a packet that was cut is then judged by what is left of it.
    Captured,
}

/// What a front has counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrontCounters {
    pub(crate) decode: DecodeCounters,
    pub(crate) defrag: DefragCounters,
    pub(crate) defrag_memuse: u64,
    pub(crate) ledger: Ledger,
}

impl FrontCounters {
    /// Adds what another front has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.decode.merge(&other.decode);
        self.defrag.merge(&other.defrag);
        self.defrag_memuse += other.defrag_memuse;
        self.ledger.merge(&other.ledger);
    }
}

/// Packets that are told of at a time, for datagrams that were given up.
const TOLD_MAX: usize = 256;

/// How far ahead frames are asked of memory: as far as their batch reaches, which is where the next one has a frame for each of
/// these, and no farther than this.
///
/// Decoding needs little of memory, which so works meanwhile: who reads the next batch finds it near. (It takes 9 % off the time of
/// the elephant, 5 % off that of the heavy-tailed and of the uniform capture of `benches`. While flows are looked up instead, or while a
/// capture is read alone, memory has enough to do.)
const AHEAD_MAX: usize = 1 << 20;
/// Bytes that are asked for with every frame: two lines, in which the headers are, or all of a small frame.
const ASKED: usize = 128;

/// A frame, or the datagram that was put together when it came.
#[derive(Clone, Copy)]
struct Found<'p> {
    place: Place<'p>,
    wire_len: u32,
    /// Bytes that were before `data`, when it is a datagram, and the depth of tunnels at which it was put together.
    before: (u32, u8),
    /// The batch in whose block `data` lies from this offset on; `None` when it lies in the front's own buffer.
    batch: Option<(&'p PacketBatch, usize)>,
}

impl<'t> Front<'t> {
    /// The front of a run. `secret` is for the table of fragments.
    pub(crate) fn new(table: &'t FlowTable, config: &EngineConfig, secret: [u64; 2]) -> Self {
        Self::one_of(table, config, secret, 0, 1)
    }

    /// One of several fronts that share a table: each has a source of its own, numbers of its own for its packets, and its
    /// part of the memory for fragments.
    pub(crate) fn one_of(
        table: &'t FlowTable,
        config: &EngineConfig,
        secret: [u64; 2],
        number: usize,
        of: usize,
    ) -> Self {
        let limited = DefragConfig { memcap: budget::fragments(config), ..config.defrag.clone() };
        let defrag = part(&limited, of);
        Self {
            keyer: Keyer::new(table, config, number, of),
            decoder: Decoder::new(config.decode),
            defrag: Defrag::new(defrag, HashSecret::from_seed(secret)),
            ledger: Ledger::default(),
            length: if config.table.compat == Compat::Suricata { Length::Captured } else { Length::Wire },
            filter: config.filter.clone(),
            second: Second::default(),
            datagram: Vec::new(),
            given_up: VecDeque::new(),
            anomalies: config.anomalies.then(Vec::new),
            turn: Turn::InOrder,
            readers: 1,
        }
    }

    /// One that decodes ahead of what comes before, for another that keeps the order: see [`Front::take_over`].
    pub(crate) fn ahead(table: &'t FlowTable, config: &EngineConfig, secret: [u64; 2]) -> Self {
        let none = DefragConfig { trackers: 0, hash_size: 1, prealloc: false, ..config.defrag.clone() };
        let one = Self::one_of(table, &EngineConfig { defrag: none, ..config.clone() }, secret, 0, 1);
        Self { readers: config.threads.workers, ..one }
    }

    /// The first of some frames, which are decoded ahead, comes at `at`.
    pub(crate) fn begin_ahead(&mut self, at: Timestamp, checksums: ChecksumTest) {
        self.turn = Turn::Ahead { seconds: false };
        self.second = Second::of(at);
        self.keyer.begin_ahead(checksums);
        self.ledger = Ledger::default();
        self.decoder.counters = DecodeCounters::default();
        if let Some(anomalies) = &mut self.anomalies {
            anomalies.clear();
        }
    }
    /// How checksums are judged now.
    pub(crate) const fn checksums(&self) -> ChecksumTest {
        self.keyer.checksums()
    }

    /// The turn of frames has come that `ahead` has decoded: says whether they would have been decoded so here, and if so
    /// takes over what was counted; they get the numbers behind the one that is returned. `first` and `latest` are times of
    /// these frames.
    ///
    /// They would not if there is a fragment among them, if fragments are given up before one of them, or if the test of
    /// checksums ends with them.
    pub(crate) fn take_over(&mut self, ahead: &mut Self, first: Timestamp, latest: Timestamp) -> Option<u64> {
        let Turn::Ahead { seconds } = ahead.turn else { return None };
        let ends_second = seconds || !self.second.contains(first);
        if !self.given_up.is_empty() || (ends_second && self.defrag.would_expire(latest)) {
            return None;
        }
        let before = self.keyer.take_over(&ahead.keyer)?;
        self.second = ahead.second;
        if let (Some(anomalies), Some(new)) = (&mut self.anomalies, &mut ahead.anomalies) {
            new.iter_mut().for_each(|anomaly| anomaly.frame += self.ledger.read.packets);
            anomalies.append(new);
        }
        self.decoder.counters.merge(&ahead.decoder.counters);
        self.ledger.merge(&ahead.ledger);
        Some(before)
    }

    /// Takes frames of `batch`, those of `numbers`, until the vector holds `most` packets; what wants a flow goes into it.
    /// Returns the number of the first frame that it has not taken.
    ///
    /// One loop with all of the common frame's path inlined: what it needs of front, batch and vector stays at hand.
    #[inline(never)]
    pub(crate) fn frames(
        &mut self,
        batch: &PacketBatch,
        numbers: Range<usize>,
        most: usize,
        into: &mut Vector,
    ) -> usize {
        let mut next = numbers.start;
        let ahead = batch.span().saturating_mul(self.readers).min(AHEAD_MAX);
        for Packet { data, entry } in batch.packets_in(numbers) {
            if let Some(lines) = batch.bytes_at::<ASKED>(entry.offset + ahead) {
                ask_memory(lines);
            }
            if into.len() >= most || !self.frame(data, entry, batch, into) {
                break;
            }
            next += 1;
        }
        next
    }

    /// Answers whether there is a point in going on.
    #[inline(always)]
    fn frame(&mut self, data: &[u8], entry: &Entry, batch: &PacketBatch, into: &mut Vector) -> bool {
        let wire_len = match self.length {
            Length::Wire => entry.wire_len,
            Length::Captured => entry.captured_len,
        };
        self.reach(entry.timestamp, into);
        self.ledger.read.add(u64::from(wire_len));
        if let Some(filter) = &self.filter
            && !filter.takes(entry.link, data, entry.wire_len)
        {
            self.ledger.non_flow(NonFlow::Filtered, u64::from(wire_len));
            return true;
        }
        let keep = Keep { keyer: &mut self.keyer, entry, bytes: wire_len, place: into.place() };
        match self.decoder.decode_straight(entry.link, data, wire_len, keep) {
            Some(hash) => {
                into.take_in(hash, false);
                if self.keyer.notes_macs {
                    into.note_macs(Macs::of_frame(data));
                }
                true
            }
            None => self.otherwise(data, entry, wire_len, batch, into),
        }
    }

    /// A frame that is not as nearly all are. Answers whether there is a point in going on.
    #[cold]
    #[inline(never)]
    fn otherwise(&mut self, data: &[u8], entry: &Entry, wire_len: u32, batch: &PacketBatch, into: &mut Vector) -> bool {
        let place = Place::of(data, entry);
        let found = Found { place, wire_len, before: (0, 0), batch: Some((batch, entry.offset)) };
        // Where it is: taken out, it would be copied just after it was written, in pieces that stall the processor.
        if let Some(fragment) = &mut self.decoder.decode_fragment(entry.link, data, wire_len) {
            self.fragment(fragment, wire_len, &found, Outside::NONE, into);
            return self.turn != Turn::Needed;
        }
        let mut decoded = FlowPacket::EMPTY;
        let outcome = self.decoder.decode_otherwise(entry.link, data, wire_len, &mut decoded);
        if let Some((inner, outside)) = self.packet(outcome, &decoded, wire_len, &found, Outside::NONE, into) {
            self.inside(inner, outside, &found, into);
        }
        self.turn != Turn::Needed
    }

    /// It is `at`, whether or not a frame came: fragments that have waited too long are given up.
    #[inline]
    pub(crate) fn reach(&mut self, at: Timestamp, into: &mut Vector) {
        if !self.second.contains(at) {
            self.second = Second::of(at);
            if let Turn::Ahead { seconds } = &mut self.turn {
                *seconds = true;
            }
            self.defrag.expire(at);
            self.given_up.extend(self.defrag.incomplete());
        }
        if !self.given_up.is_empty() {
            self.tell(into);
        }
    }

    /// The source has ended: no datagram that is not complete will be. Called until it says that nothing is left to tell of.
    pub(crate) fn finish(&mut self, into: &mut Vector) -> bool {
        self.defrag.finish();
        self.given_up.extend(self.defrag.incomplete());
        self.tell(into);
        into.len() > 0
    }

    /// What is left of datagrams that were never completed has flows of its own, without ports, when that is asked for: a
    /// packet for each fragment, which share their bytes. A part of them, so that the vector keeps its size.
    #[cold]
    fn tell(&mut self, into: &mut Vector) {
        while into.len() < TOLD_MAX
            && let Some(story) = self.given_up.front_mut()
        {
            let part = story.bytes / u64::from(story.fragments.max(1));
            let Incomplete { fragment, device, begin, end, .. } = *story;
            story.bytes -= part;
            story.fragments = story.fragments.saturating_sub(1);
            let is_last = story.fragments == 0;
            if is_last {
                self.given_up.pop_front();
            }
            let at = if is_last { end } else { begin };
            if self
                .keyer
                .keep(
                    &about(&fragment),
                    Place { at, device, data: &[], checksum: ChecksumNote::None },
                    part as u32,
                    Outside::NONE,
                    into,
                )
                .is_ok()
            {
                self.ledger.found.add(part);
            }
        }
    }

    /// Sets the memory for fragments, in bytes.
    pub(crate) fn limit_fragments(&mut self, bytes: u64) {
        self.defrag.set_memcap(bytes);
    }

    /// What was counted so far.
    pub(crate) fn counters(&self, into: &mut FrontCounters) {
        into.decode.clone_from(&self.decoder.counters);
        into.defrag.clone_from(&self.defrag.counters);
        into.ledger.clone_from(&self.ledger);
        into.defrag_memuse = self.defrag.memuse();
    }

    /// Takes what decoding made of a packet: it is kept for the table, or has a reason not to be. What is inside of it
    /// remains to be done.
    #[inline]
    fn packet(
        &mut self,
        outcome: Result<(), Aside>,
        packet: &FlowPacket,
        bytes: u32,
        found: &Found<'_>,
        outside: Outside,
        into: &mut Vector,
    ) -> Option<(Inner, Outside)> {
        if self.anomalies.is_some() {
            self.note_anomalies(&outcome, packet, &found.place);
        }
        let reason = match outcome {
            Ok(()) => match self.keyer.keep(packet, found.place, bytes, outside, into) {
                Ok(index) => return packet.inner.map(|inner| (inner, index)),
                Err(reason) => reason,
            },
            Err(Aside::NonFlow(reason)) => reason,
            Err(Aside::Tunnel(inner)) => {
                self.ledger.non_flow(NonFlow::Tunnel, u64::from(bytes));
                return Some((inner, Outside::NONE));
            }
            Err(Aside::Fragment(mut fragment)) => {
                self.fragment(&mut fragment, bytes, found, outside, into);
                return None;
            }
        };
        self.ledger.non_flow(reason, u64::from(bytes));
        None
    }

    /// Lists the events of the packet that was decoded just now.
    #[cold]
    fn note_anomalies(&mut self, outcome: &Result<(), Aside>, packet: &FlowPacket, found: &Place<'_>) {
        let Some(anomalies) = &mut self.anomalies else { return };
        let ends = match outcome {
            Ok(()) => Some(ends_of(packet)),
            Err(Aside::Fragment(fragment)) => Some(ends_of(&about(fragment))),
            Err(Aside::Tunnel(_) | Aside::NonFlow(_)) => None,
        };
        let (at, frame, device) = (found.at, self.ledger.read.packets, found.device);
        anomalies.extend(self.decoder.take_raised().map(|event| Anomaly { at, frame, device, event, ends }));
    }

    /// The packets in the packet that was just taken, one in another.
    #[cold]
    fn inside(&mut self, first: Inner, outside: Outside, found: &Found<'_>, into: &mut Vector) {
        // One that is not filled in may be any of them; one that was found right is the first.
        let checksum = match found.place.checksum {
            ChecksumNote::Unfinished => ChecksumNote::Unfinished,
            ChecksumNote::Right | ChecksumNote::None => ChecksumNote::None,
        };
        let found = &Found { place: Place { checksum, ..found.place }, ..*found };
        let mut next = Some((first, outside));
        // Every turn counts a layer at least, and the decoder allows so many.
        while let Some((inner, outside)) = next {
            self.ledger.found.add(u64::from(inner.len()));
            let mut packet = FlowPacket::EMPTY;
            let outcome = self.decoder.decode_inner(&inner, found.place.data, found.wire_len, &mut packet);
            next = self.packet(outcome, &packet, inner.len(), found, outside, into);
        }
    }

    /// A fragment is held until its datagram is complete, which then is a packet like any other.
    #[cold]
    fn fragment(
        &mut self,
        fragment: &mut Fragment,
        bytes: u32,
        found: &Found<'_>,
        outside: Outside,
        into: &mut Vector,
    ) {
        if self.turn != Turn::InOrder {
            self.turn = Turn::Needed;
            return;
        }
        let packet = fragment.ip_offset as usize..fragment.payload_offset as usize + fragment.payload_len as usize;
        let Some(bytes_of_packet) = found.place.data.get(packet.clone()) else {
            // The capture cut it.
            self.ledger.non_flow(NonFlow::Fragment, u64::from(bytes));
            return;
        };
        // Without memory for a copy there is an empty one, which counts as a fragment that was cut.
        let hold = |spare| match found.batch {
            Some((batch, offset)) => batch.hold(offset + packet.start..offset + packet.end, spare).unwrap_or_default(),
            None => Pbuf::copy_from(bytes_of_packet).unwrap_or_default(),
        };
        let (before, depth) = found.before;
        fragment.link_len += if depth == fragment.recursion { before } else { 0 };
        let outcome = self.defrag.fragment(fragment, found.place.device, found.place.at, hold);
        if let Some(event) = self.defrag.event() {
            self.decoder.counters.count(event);
            if let Some(anomalies) = &mut self.anomalies {
                let packet = about(fragment);
                let (at, frame, ends) = (found.place.at, self.ledger.read.packets, Some(ends_of(&packet)));
                anomalies.push(Anomaly { at, frame, device: found.place.device, event, ends });
            }
        }
        if let (Outcome::Dropped(_), Some(event)) = (&outcome, self.defrag.event()) {
            self.ledger.non_flow(NonFlow::Invalid(event), u64::from(bytes));
            return;
        }
        self.ledger.non_flow(NonFlow::Fragment, u64::from(bytes));
        if let Outcome::Complete(datagram) = outcome {
            // A datagram in a datagram has a buffer of its own; their number is bounded as that of layers is.
            let mut data = core::mem::take(&mut self.datagram);
            datagram.write_to(&mut data);
            let wire_len = data.len() as u32;
            let bytes = datagram.first.link_len + wire_len;
            self.ledger.found.add(u64::from(bytes));
            let before = (datagram.first.link_len, datagram.first.recursion);
            let place = Place { data: &data, checksum: ChecksumNote::None, ..found.place };
            let whole = Found { place, wire_len, before, batch: None };
            let mut packet = FlowPacket::EMPTY;
            let outcome = self.decoder.decode_datagram(&datagram.first, &data, &mut packet);
            if let Some((inner, outside)) = self.packet(outcome, &packet, bytes, &whole, outside, into) {
                self.inside(inner, outside, &whole, into);
            }
            self.datagram = data;
        }
    }
}

/// What one of several has of the memory for fragments, so that together they keep its bounds.
fn part(config: &DefragConfig, of: usize) -> DefragConfig {
    let of = of.max(1) as u32;
    DefragConfig {
        memcap: config.memcap / u64::from(of),
        hash_size: config.hash_size.div_ceil(of),
        trackers: config.trackers.div_ceil(of),
        max_frags: config.max_frags.div_ceil(of),
        ..config.clone()
    }
}

/// What is known of a packet of which there is one fragment.
fn about(fragment: &Fragment) -> FlowPacket {
    FlowPacket {
        src: fragment.src,
        dst: fragment.dst,
        vlan: fragment.vlan,
        ip_version: fragment.ip_version,
        protocol: fragment.protocol,
        ttl: fragment.ttl,
        recursion: fragment.recursion,
        tunnel: fragment.tunnel,
        macs: fragment.macs,
        ..FlowPacket::EMPTY
    }
}

fn ends_of(packet: &FlowPacket) -> AnomalyEnds {
    AnomalyEnds {
        vlan: packet.vlan,
        ip_version: packet.ip_version,
        src: packet.src,
        dst: packet.dst,
        ports: match &packet.transport {
            Transport::Tcp(tcp) => Some(tcp.ports),
            Transport::Udp(ports) | Transport::Sctp(ports) => Some(*ports),
            _ => None,
        },
        protocol: packet.protocol,
    }
}
