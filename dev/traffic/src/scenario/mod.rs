//! The captures that can be made, by name.
//!
//! A scenario is a function that hands frames to a [`FrameSink`] in the order of the file. What it promises (how many
//! packets, how many flows) stands in its module's documentation and is counted again by the tests.

mod extremes;
mod flood;
mod fragments;
mod icmp;
mod links;
mod lookup3;
pub mod malformed;
mod many;
mod office;
mod output;
mod protocols;
mod reuse;
mod script;
mod talk;
mod tcp_states;
mod timing;
pub mod tunnels;
mod zipf;

use std::io::{self, Write};

use output::{Output, emit};

use crate::{Frame, FramePool, FrameSink, Link, PcapShape, PcapWriter, PcapngWriter, Resolution};

/// Time of the first packet of every capture: 2023-11-14 22:13:20 UTC.
pub const START_NS: u64 = 1_700_000_000 * SECOND_NS;
/// Nanoseconds of a second.
pub const SECOND_NS: u64 = 1_000_000_000;
/// Nanoseconds of a millisecond.
pub const MILLI_NS: u64 = 1_000_000;

/// Buffers of a scenario that hands over its frames as it makes them.
const BUFFERS: usize = 64;

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
    /// Buffers of the pool that its frames are built in: at least as many as it holds at a time.
    buffers: usize,
    run: fn(&Options, &mut Output<'_>) -> io::Result<()>,
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
        self.run_in(&self.pool()?, options, sink)
    }

    fn pool(&self) -> io::Result<FramePool> {
        FramePool::new(self.buffers).map_err(|error| io::Error::new(io::ErrorKind::OutOfMemory, error))
    }

    fn run_in(&self, frames: &FramePool, options: &Options, sink: &mut dyn FrameSink) -> io::Result<()> {
        (self.run)(options, &mut Output { frames, sink })
    }

    /// Runs with a sink that lets go of each frame (of one interface alone, if so wished), and asserts that every buffer came back.
    fn run_counted(&self, options: &Options, only: Option<u32>, sink: &mut dyn FrameSink) -> io::Result<Totals> {
        let frames = self.pool()?;
        let mut counted = Counted { sink, only, totals: Totals::default() };
        self.run_in(&frames, options, &mut counted)?;
        debug_assert_eq!(frames.stats().outstanding, 0, "a frame of {} is still held", self.name);
        Ok(Totals { on_heap: frames.on_heap(), ..counted.totals })
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
                let mut writer = PcapngWriter::new(out, self.links, snaplen)?;
                let totals = self.run_counted(options, None, &mut writer)?;
                writer.finish()?;
                return Ok(totals);
            }
        };
        let [link] = *self.links else {
            let message = format!("{} has several link types: write pcapng, or choose one link type", self.name);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        };
        let shape = PcapShape { snaplen, resolution, ..PcapShape::of(link) };
        let mut writer = PcapWriter::new(out, shape)?;
        let totals = self.run_counted(options, None, &mut writer)?;
        writer.finish()?;
        Ok(totals)
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
        let mut writer = PcapWriter::new(out, PcapShape { snaplen, ..PcapShape::of(link) })?;
        let totals = self.run_counted(options, Some(interface as u32), &mut writer)?;
        writer.finish()?;
        Ok(totals)
    }
}

/// Every scenario, in the order of the list that is shown.
pub const ALL: &[Scenario] = &[
    zipf::SCENARIO,
    zipf::IMIX,
    extremes::UNIFORM,
    extremes::ELEPHANT,
    office::SCENARIO,
    office::SNAPPED,
    flood::SYN,
    flood::SYN6,
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
    tunnels::SCENARIO,
    fragments::SCENARIO,
    fragments::FLOOD,
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
    /// Frames that no buffer of the pool held.
    pub on_heap: u64,
}

/// Counts what goes to a sink.
struct Counted<'a> {
    sink: &'a mut dyn FrameSink,
    /// Interface whose frames alone are wanted.
    only: Option<u32>,
    totals: Totals,
}

impl FrameSink for Counted<'_> {
    fn frame(&mut self, frame: Frame) -> io::Result<()> {
        if self.only.is_some_and(|only| only != frame.interface) {
            return Ok(());
        }
        self.totals.packets += 1;
        self.totals.bytes += frame.bytes.len() as u64;
        self.sink.frame(frame)
    }
}

/// A scenario over Ethernet with whole frames.
const fn over_ethernet(
    name: &'static str,
    summary: &'static str,
    run: fn(&Options, &mut Output<'_>) -> io::Result<()>,
) -> Scenario {
    Scenario { name, summary, links: &[Link::Ethernet], snaplen: 262_144, buffers: BUFFERS, run }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Options {
        Options { seed: 3, packets: Some(500), flows: Some(60), rounds: Some(2), ..Options::default() }
    }

    #[test]
    fn every_frame_let_go_then_every_buffer_back_in_the_pool() {
        for scenario in ALL {
            let frames = scenario.pool().unwrap();
            let mut held = Vec::new();
            scenario.run_in(&frames, &small(), &mut held).unwrap();
            let (pooled, on_heap) = (frames.stats().outstanding as u64, frames.on_heap());
            assert_eq!(pooled + on_heap, held.len() as u64, "frames of {} live by pbufs", scenario.name);
            assert!(pooled > 0, "{}", scenario.name);
            drop(held);
            assert_eq!(frames.stats().outstanding, 0, "frames of {}", scenario.name);
        }
    }

    #[test]
    fn capture_written_then_no_frame_had_to_lie_on_the_heap() {
        for scenario in ALL {
            let totals = scenario.write(&small(), Format::Pcapng, scenario.snaplen, io::sink()).unwrap();
            assert_eq!(totals.on_heap, 0, "{}", scenario.name);
        }
    }
}
