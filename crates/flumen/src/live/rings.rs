//! From names of interfaces to rings, and what the rings have counted.
//!
//! Interfaces are numbered in their order; `any`, which gives each that it sees a number, comes last.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail, ensure};
use flumen_capture::Ring;
use flumen_capture::ring::{
    ANY, Instruction, RingConfig, RingCounters, RingFilter, RingStats, Stamps, StopHandle, by_link, filter_link,
};
use flumen_engine::{CaptureCounters, LiveSource};
use flumen_filter::{FilterError, socket_program};
use flumen_model::{Counters, KernelTally, LinkType};

use super::CaptureJob;
use crate::filter::{Refused, layer};

/// All rings of a capture.
pub(super) struct Rings {
    pub(super) interfaces: Vec<Interface>,
    sources: Vec<LiveSource<'static>>,
    /// What was asked for and could not be had.
    pub(super) notices: Vec<String>,
}

/// An interface and the counters of its rings.
#[derive(Clone)]
pub(super) struct Interface {
    pub(super) name: String,
    /// Number that its packets carry; the first such number of [`ANY`].
    device: u16,
    pub(super) stats: Vec<RingStats>,
    filters: Vec<RingFilter>,
    /// What a filter finds at the beginning of every frame; `None` when there is no filter for it.
    link: Option<LinkType>,
    /// Packets are stamped by the network card, as far as it does that.
    by_card: bool,
    /// That it is down has been said.
    is_told_down: Arc<AtomicBool>,
}

impl Rings {
    /// Opens the rings of all interfaces. Each is captured from the moment its own are open.
    pub(super) fn open(job: &CaptureJob, stop: &StopHandle) -> anyhow::Result<Self> {
        let mut rings = Self { interfaces: Vec::new(), sources: Vec::new(), notices: Vec::new() };
        for (device, name) in names(job)?.into_iter().enumerate() {
            rings.add(job, name, device as u16, stop)?;
        }
        Ok(rings)
    }

    fn add(&mut self, job: &CaptureJob, name: String, device: u16, stop: &StopHandle) -> anyhow::Result<()> {
        let settings = job.settings.live.interface(&name);
        let threads = settings.threads.unwrap_or(job.settings.engine.threads.workers).max(1);
        let text = if job.filter.is_empty() { &settings.filter } else { &job.filter };
        // A ring that has all packets shares with nobody, and so leaves fragments as they are.
        let fanout = settings.ring.fanout.filter(|_| threads > 1);
        // Later there may be no right to ask.
        let link = filter_link(&name)?;
        let config = RingConfig { device, filter: program(text, &name, link)?, fanout, ..settings.ring };
        let opened = Ring::open(&config, threads, stop)?;
        let stats = opened.iter().map(Ring::stats).collect();
        let filters = opened.iter().map(Ring::filter).collect();
        let by_card = settings.ring.stamps == Stamps::Hardware && opened.iter().all(|ring| ring.notices().is_empty());
        for ring in opened {
            self.notices.extend(ring.notices().iter().map(|notice| format!("{name}: {notice}")));
            self.sources.push(LiveSource { packets: Box::new(ring), checksums: settings.checksums });
        }
        self.notices.sort();
        self.notices.dedup();
        self.interfaces.push(Interface { name, device, stats, filters, link, by_card, is_told_down: Arc::default() });
        Ok(())
    }

    /// The rings themselves, once.
    pub(super) fn take_sources(&mut self) -> Vec<LiveSource<'static>> {
        core::mem::take(&mut self.sources)
    }

    /// The counters, for who asks for them again and again.
    pub(super) fn counters(&self) -> RingsCounters {
        RingsCounters(self.interfaces.clone())
    }

    /// What is captured, for a person.
    pub(super) fn text(&self) -> String {
        let text = |interface: &Interface| match interface.stats.len() {
            1 => interface.name.clone(),
            rings => format!("{} ({rings} rings)", interface.name),
        };
        let text = |interface: &Interface| match interface.by_card {
            true => format!("{}, time stamps by its card", text(interface)),
            false => text(interface),
        };
        self.interfaces.iter().map(text).collect::<Vec<_>>().join(", ")
    }
}

impl Interface {
    /// The program of an expression for this interface.
    pub(super) fn program(&self, text: &str) -> anyhow::Result<Vec<Instruction>> {
        program(text, &self.name, self.link)
    }
    /// Has all its rings take what `program` lets pass. When one of them cannot, they go on as before.
    pub(super) fn filter(&self, program: &[Instruction]) -> io::Result<()> {
        let mut before = Vec::new();
        for filter in &self.filters {
            match filter.replace(program.to_owned()) {
                Ok(replaced) => before.push(replaced),
                Err(error) => {
                    let back = self.filters.iter().zip(before);
                    back.for_each(|(filter, before)| drop(filter.replace(before)));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Its counters, those of all its rings together. What the kernel does not tell is left out: it tells it the next time.
    pub(super) fn counters(&self) -> RingCounters {
        let mut sum = RingCounters::default();
        for counters in self.stats.iter().filter_map(|stats| stats.counters().ok()) {
            let RingCounters { kernel_packets, kernel_drops, freezes, packets, lost, faults, .. } = counters;
            sum.kernel_packets += kernel_packets;
            sum.kernel_drops += kernel_drops;
            sum.freezes += freezes;
            sum.packets += packets;
            sum.lost += lost;
            sum.faults += faults;
            sum.blocks += counters.blocks;
            sum.polls += counters.polls;
            sum.poll_data += counters.poll_data;
            sum.poll_timeouts += counters.poll_timeouts;
            sum.poll_signals += counters.poll_signals;
            sum.poll_errors += counters.poll_errors;
            sum.downs += counters.downs;
            sum.returns += counters.returns;
        }
        sum
    }

    /// Whether it is down or away, by these counters.
    pub(super) fn is_down(counters: &RingCounters) -> bool {
        counters.downs > counters.returns
    }
    /// Says that it went or came back, if it did since the last time.
    fn tell(&self, counters: &RingCounters) {
        let is_down = Self::is_down(counters);
        if self.is_told_down.swap(is_down, Ordering::Relaxed) != is_down {
            let name = &self.name;
            match is_down {
                true => tell!("{name}: the interface is down or away; capturing goes on when it is back"),
                false => tell!("{name}: the interface is back"),
            }
        }
    }

    /// The name behind the number of a packet's interface, when it is one of this.
    fn name_of(&self, device: u16) -> Option<String> {
        match self.name.as_str() {
            ANY => self.stats.first()?.devices().into_iter().nth(usize::from(device.checked_sub(self.device)?)),
            name => (device == self.device).then(|| name.to_owned()),
        }
    }
}

/// The counters of all interfaces.
#[derive(Clone)]
pub(super) struct RingsCounters(Vec<Interface>);

impl RingsCounters {
    /// As they are now.
    pub(super) fn read(&self) -> CaptureCounters {
        let all: Vec<_> = self.0.iter().map(Interface::counters).collect();
        self.0.iter().zip(&all).for_each(|(interface, counters)| interface.tell(counters));
        let sum = |of: fn(&RingCounters) -> u64| all.iter().map(of).sum::<u64>();
        let kernel = KernelTally {
            packets: sum(|ring| ring.kernel_packets),
            dropped: sum(|ring| ring.kernel_drops),
            lost: sum(|ring| ring.lost),
        };
        let mut named = Counters::default();
        named.push("capture.kernel_packets", kernel.packets);
        named.push("capture.kernel_drops", kernel.dropped);
        named.push("capture.errors", sum(|ring| ring.faults));
        named.push("capture.freezes", sum(|ring| ring.freezes));
        named.push("capture.lost", kernel.lost);
        named.push("capture.afpacket.polls", sum(|ring| ring.polls));
        named.push("capture.afpacket.poll_signal", sum(|ring| ring.poll_signals));
        named.push("capture.afpacket.poll_timeout", sum(|ring| ring.poll_timeouts));
        named.push("capture.afpacket.poll_data", sum(|ring| ring.poll_data));
        named.push("capture.afpacket.poll_errors", sum(|ring| ring.poll_errors));
        CaptureCounters { kernel, named }
    }

    /// The name of the interface that packets number so.
    pub(super) fn name_of(&self, device: u16) -> Option<String> {
        self.0.iter().find_map(|interface| interface.name_of(device))
    }
}

/// Names of the interfaces, each once, `any` last.
fn names(job: &CaptureJob) -> anyhow::Result<Vec<String>> {
    let mut names = job.interfaces.clone();
    if names.is_empty() {
        names.extend(job.settings.live.interfaces.iter().map(|interface| interface.ring.interface.clone()));
    }
    ensure!(!names.is_empty(), "no interface: name one with -i, or in af-packet of the configuration");
    names.sort_by_key(|name| name == ANY);
    for (place, name) in names.iter().enumerate() {
        ensure!(!names[..place].contains(name), "{name} is named twice");
    }
    Ok(names)
}

/// The program of an expression for an interface; none when there is no expression.
fn program(text: &str, interface: &str, link: Option<LinkType>) -> anyhow::Result<Vec<Instruction>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let compiled = |link| {
        let program = socket_program(text, layer(link), 0)?;
        let instruction =
            |one: &flumen_filter::Instruction| Instruction { code: one.code, jt: one.jt, jf: one.jf, k: one.k };
        Ok(program.instructions().iter().map(instruction).collect::<Vec<_>>())
    };
    let refused = |error| Err(Refused::new(&error, text)).with_context(|| interface.to_owned());
    if interface == ANY {
        return match (compiled(LinkType::Ethernet), compiled(LinkType::Raw)) {
            // What asks for a header that frames of a link do not have takes none of them.
            (Ok(ethernet), raw) => Ok(by_link(&ethernet, &raw.unwrap_or_else(|_: FilterError| vec![NOTHING]))),
            (Err(_), Ok(raw)) => Ok(by_link(&[NOTHING], &raw)),
            (Err(error), Err(_)) => refused(error),
        };
    }
    let Some(link) = link else {
        bail!("{interface}: frames of this kind of interface cannot be filtered");
    };
    compiled(link).or_else(refused)
}

/// Takes no frame.
const NOTHING: Instruction = Instruction { code: 0x06, jt: 0, jf: 0, k: 0 };
