//! `office`: twenty-odd minutes of a small office network, between 1 and 2 MB; `examples/office.pcap` is its seed 1.
//!
//! Ten workstations, a printer, a router that also answers DNS, a file server, phones in VLAN 20, and the Internet.
//! They fetch an address (DHCP), find each other (ARP, ND, mDNS), ask names, tell the time (NTP), browse (HTTP, TLS),
//! print, ping, call. Among it, what an analyst looks for: a retransmission, a reset, a connection that began before the
//! capture did, a scan of ports, a refused name server, and two quiet minutes around minute 12.
//!
//! Conversations are made one after another, each as a list of frames with times; a schedule puts them in order. The
//! whole is some thousand frames, so a list of all of them is what is kept here.

mod apps;
mod local;

use std::io;

use super::{MILLI_NS, Options, Output, SECOND_NS, START_NS, Scenario, over_ethernet};
use flumen_pbuf::Pbuf;

use crate::{FramePool, Link, Packet, Rng, Schedule};

pub(super) const SCENARIO: Scenario = Scenario {
    buffers: HELD,
    ..over_ethernet("office", "twenty minutes of a small office network, between 1 and 2 MB: examples/office.pcap", run)
};

/// The same network by a capture that kept 64 bytes of each frame.
pub(super) const SNAPPED: Scenario = Scenario {
    name: "snapped",
    summary: "the office network, captured with 64 bytes of each frame",
    links: &[Link::Ethernet],
    snaplen: 64,
    buffers: HELD,
    run,
};

/// More frames than the capture has: all are held until they are in order.
const HELD: usize = 8_192;
const MINUTE_NS: u64 = 60 * SECOND_NS;
const DURATION_NS: u64 = 22 * MINUTE_NS;
/// Nobody starts anything in these minutes.
const QUIET_MINUTES: std::ops::Range<u64> = 12..14;
const WORKSTATIONS: u8 = 10;
const ROUTER: [u8; 4] = [192, 168, 10, 1];
const FILES: [u8; 4] = [192, 168, 10, 5];
const PRINTER: [u8; 4] = [192, 168, 10, 9];

const fn workstation(number: u8) -> [u8; 4] {
    [192, 168, 10, 101 + number]
}

/// A conversation being written: frames, each with its time.
struct Scene<'a> {
    frames: &'a mut Schedule<Pbuf>,
    pool: &'a FramePool,
    rng: &'a mut Rng,
    now_ns: u64,
}

impl Scene<'_> {
    /// A frame now.
    fn send(&mut self, packet: Packet) {
        self.frames.put(self.now_ns, packet.build_in(self.pool));
    }

    /// Lets `low..=high` microseconds pass.
    fn wait_micros(&mut self, low: u64, high: u64) {
        self.now_ns += self.rng.between(low, high) * 1_000;
    }

    /// A port that a client may have taken.
    const fn port(&mut self) -> u16 {
        self.rng.between(49_152, 65_535) as u16
    }
}

fn run(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let pool = out.frames;
    let mut frames = Schedule::default();
    let mut rng = Rng::new(options.seed);
    let mut at = |at_ns: u64, act: &mut dyn FnMut(&mut Scene<'_>)| {
        act(&mut Scene { frames: &mut frames, pool, rng: &mut rng, now_ns: START_NS + at_ns });
    };

    at(100 * MILLI_NS, &mut |scene| apps::midstream(scene));
    for number in 0..WORKSTATIONS {
        let begin_ns = SECOND_NS + u64::from(number) * 7 * SECOND_NS;
        at(begin_ns, &mut |scene| local::morning(scene, number));
    }
    for minute in (0..DURATION_NS / MINUTE_NS).filter(|minute| !QUIET_MINUTES.contains(minute)) {
        at(minute * MINUTE_NS + 2 * SECOND_NS, &mut |scene| minute_of_work(scene, minute));
    }
    at(5 * MINUTE_NS, &mut |scene| apps::port_scan(scene));
    at(7 * MINUTE_NS, &mut |scene| apps::refused_questions(scene));
    at(8 * MINUTE_NS, &mut |scene| apps::print(scene));
    at(9 * MINUTE_NS, &mut |scene| apps::call(scene));
    at(16 * MINUTE_NS, &mut |scene| apps::reset_upload(scene));

    while let Some((at_ns, frame)) = frames.take() {
        out.frame(at_ns, frame)?;
    }
    Ok(())
}

/// What everyone does in a minute, at random moments of its first fifty seconds.
fn minute_of_work(scene: &mut Scene<'_>, minute: u64) {
    let begin_ns = scene.now_ns;
    let acts = [apps::browse, apps::browse, apps::browse, apps::browse_tls, apps::browse_tls, apps::browse_tls6];
    for number in 0..WORKSTATIONS {
        if scene.rng.chance(2, 5) {
            scene.now_ns = begin_ns + scene.rng.below(50 * SECOND_NS);
            scene.rng.pick(&acts)(scene, number);
        }
        if minute % 5 == u64::from(number) % 5 {
            scene.now_ns = begin_ns + scene.rng.below(50 * SECOND_NS);
            local::tell_time(scene, number);
            local::arp(scene, workstation(number), ROUTER);
        }
    }
    scene.now_ns = begin_ns + scene.rng.below(50 * SECOND_NS);
    let number = scene.rng.below(WORKSTATIONS.into()) as u8;
    if minute.is_multiple_of(3) {
        local::ping(scene, number);
    } else {
        local::find_printer(scene, number);
    }
}
