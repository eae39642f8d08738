//! The captures that can be made, by name.
//!
//! A scenario is a function that hands frames to a [`FrameSink`] in the order of the file. What it promises (how many
//! packets, how many flows) stands in its module's documentation and is counted again by the tests.

mod flood;
mod icmp;
mod links;
mod lookup3;
pub mod malformed;
mod many;
mod office;
mod protocols;
mod reuse;
mod script;
mod tcp_states;
mod timing;
mod zipf;

use std::io::{self, Write};

use crate::{Frame, FrameSink, Link, PcapShape, PcapWriter, PcapngWriter, Resolution};

/// Time of the first packet of every capture: 2023-11-14 22:13:20 UTC.
pub const START_NS: u64 = 1_700_000_000 * SECOND_NS;
/// Nanoseconds of a second.
pub const SECOND_NS: u64 = 1_000_000_000;
/// Nanoseconds of a millisecond.
pub const MILLI_NS: u64 = 1_000_000;

/// What a capture is made with. A scenario ignores what it has no use for.
#[derive(Clone, Copy, Default, Debug)]
pub struct Options {
    /// Seed of all that is random.
    pub seed: u64,
    /// Packets to make.
    pub packets: Option<u64>,
    /// Flows to make.
    pub flows: Option<u64>,
    /// Flows that were there before a flood and talk throughout it.
    pub established: u64,
    /// Seconds after a flood in which only established flows talk.
    pub tail_seconds: u64,
    /// Packets a second of a flood.
    pub rate: Option<u64>,
    /// Times something is repeated.
    pub rounds: Option<u64>,
    /// Seed of the table that a hash flood is aimed at.
    pub table_seed: u32,
}

/// A capture that can be made.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its word on the command line.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Link type of each interface; with more than one the capture has to be pcapng.
    pub links: &'static [Link],
    /// Longest part of a frame that is kept.
    pub snaplen: u32,
    run: fn(&Options, &mut dyn FrameSink) -> io::Result<()>,
}

impl Scenario {
    /// The scenario of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|scenario| scenario.name == name)
    }

    /// Hands all frames to `sink`.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn run(&self, options: &Options, sink: &mut dyn FrameSink) -> io::Result<()> {
        (self.run)(options, sink)
    }

    /// Writes the capture; `out` should be buffered.
    ///
    /// # Errors
    /// Those of `out`, and [`io::ErrorKind::InvalidInput`] when the format holds one interface and the scenario has more.
    pub fn write<W: Write>(&self, options: &Options, format: Format, snaplen: u32, out: W) -> io::Result<Totals> {
        let resolution = match format {
            Format::Pcap => Resolution::Micros,
            Format::PcapNanos => Resolution::Nanos,
            Format::Pcapng => {
                let mut counted = Counted::new(PcapngWriter::new(out, self.links, snaplen)?);
                self.run(options, &mut counted)?;
                counted.sink.finish()?;
                return Ok(counted.totals);
            }
        };
        let [link] = *self.links else {
            let message = format!("{} has several link types: write pcapng, or choose one link type", self.name);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        };
        let shape = PcapShape { snaplen, resolution, ..PcapShape::of(link) };
        let mut counted = Counted::new(PcapWriter::new(out, shape)?);
        self.run(options, &mut counted)?;
        counted.sink.finish()?;
        Ok(counted.totals)
    }

    /// Writes a classic pcap file of the frames of one link type.
    ///
    /// # Errors
    /// Those of `out`, and [`io::ErrorKind::InvalidInput`] when the scenario has no interface of that link type.
    pub fn write_link<W: Write>(&self, options: &Options, link: Link, snaplen: u32, out: W) -> io::Result<Totals> {
        let Some(interface) = self.links.iter().position(|&l| l == link) else {
            let message = format!("{} has no {} frames", self.name, link.name());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        };
        let writer = PcapWriter::new(out, PcapShape { snaplen, ..PcapShape::of(link) })?;
        let mut only = OnlyInterface { interface: interface as u32, counted: Counted::new(writer) };
        self.run(options, &mut only)?;
        only.counted.sink.finish()?;
        Ok(only.counted.totals)
    }
}

/// Every scenario, in the order of the list that is shown.
pub const ALL: &[Scenario] = &[
    zipf::SCENARIO,
    office::SCENARIO,
    office::SNAPPED,
    flood::SYN,
    flood::HASH,
    flood::SUM,
    many::STORM,
    many::ESP,
    many::SCTP,
    many::SWEEP,
    many::ELEPHANTS,
    reuse::SCENARIO,
    timing::GAPS,
    timing::BACKWARDS,
    tcp_states::STATES,
    tcp_states::MIDSTREAM,
    icmp::ERRORS,
    icmp::ECHO,
    icmp::V6,
    protocols::E7,
    protocols::TUNNELS,
    protocols::FRAGMENTS,
    links::SCENARIO,
    malformed::SCENARIO,
];

/// File format of a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Classic pcap, microseconds.
    Pcap,
    /// Classic pcap, nanoseconds.
    PcapNanos,
    /// pcapng.
    Pcapng,
}

/// What was written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Totals {
    /// Frames.
    pub packets: u64,
    /// Bytes of the frames as they were on the wire.
    pub bytes: u64,
}

struct Counted<S> {
    sink: S,
    totals: Totals,
}

impl<S> Counted<S> {
    const fn new(sink: S) -> Self {
        Self { sink, totals: Totals { packets: 0, bytes: 0 } }
    }
}

impl<S: FrameSink> FrameSink for Counted<S> {
    fn frame(&mut self, frame: Frame<'_>) -> io::Result<()> {
        self.totals.packets += 1;
        self.totals.bytes += frame.bytes.len() as u64;
        self.sink.frame(frame)
    }
}

struct OnlyInterface<S> {
    interface: u32,
    counted: Counted<S>,
}

impl<S: FrameSink> FrameSink for OnlyInterface<S> {
    fn frame(&mut self, frame: Frame<'_>) -> io::Result<()> {
        if frame.interface == self.interface { self.counted.frame(frame) } else { Ok(()) }
    }
}

/// Hands over a frame of the first interface.
fn emit(sink: &mut dyn FrameSink, at_ns: u64, bytes: &[u8]) -> io::Result<()> {
    sink.frame(Frame { at_ns, interface: 0, bytes })
}

/// A scenario over Ethernet with whole frames.
const fn over_ethernet(
    name: &'static str,
    summary: &'static str,
    run: fn(&Options, &mut dyn FrameSink) -> io::Result<()>,
) -> Scenario {
    Scenario { name, summary, links: &[Link::Ethernet], snaplen: 262_144, run }
}
