//! Live capture on Linux: packets of an interface, out of a ring that the kernel fills (AF_PACKET, TPACKET_V3).
//!
//! A [`Ring`] is a [`PacketSource`]: one batch is one block of the ring, and nothing is copied. The block goes back to the
//! kernel when the last reference to it goes: the batch's, and those that were taken of it to keep a packet longer. A block
//! that is held delays only itself, until filling comes around to it: then the kernel stops and drops. So when more than a
//! configured share of the blocks is out ([`RingConfig::held_percent`]), batches are marked so that [`PacketBatch::hold`]
//! copies.
//!
//! One thread owns a ring, usually one of several that share an interface ([`Ring::open`]). It waits in
//! [`fill`](PacketSource::fill) for at most the block timeout, then returns an empty batch. Other threads may read its
//! [`RingStats`], replace its [`RingFilter`], drop references to blocks, and end it with its [`StopHandle`].
//!
//! 1. A frame is as it was on the wire, tags included, up to the snap length. What network cards merge or leave undone
//!    before the kernel sees it stays so: segments are merged, checksums of what this host sends are not filled in.
//! 2. Every packet that the kernel counts is delivered once, dropped and counted by the kernel, or counted as lost.
//! 3. After a stop nothing new is let in, what is in the ring is delivered, and the ring ends within the block timeout and
//!    a fifth of a second beyond what its owner takes for that.
//! 4. An interface that goes down or away is waited for. One that comes back under the same name, though it is another,
//!    is captured again. In a group of rings that takes a new socket, and so the right to open one.
//!
//! | file | what is in it |
//! |---|---|
//! | `config` | what a ring is asked to be, and the memory that follows |
//! | `socket`, `sys` | opening it in the right order; the system calls |
//! | `blocks` | whose a block is: the only `unsafe` besides system calls |
//! | `block`, `link` | from the bytes of a block to frames, trusting none of them |
//! | `devices` | numbers for interfaces |
//! | `filter`, `gate` | what the kernel runs on each frame; how that is replaced |
//! | `stats`, `error`, `stop` | counters, failures in words, the end |

mod block;
mod blocks;
mod config;
mod devices;
mod error;
mod filter;
mod gate;
mod link;
mod socket;
mod stats;
mod stop;
mod sys;

pub use block::BlockFault;
pub use config::{
    ANY, BLOCK_TIMEOUT_MS_MAX, BLOCKS_DEFAULT, ConfigError, Fanout, FanoutMode, Geometry, Outgoing, RingConfig,
    SNAP_LEN_MAX, Stamps,
};
pub use error::{RingError, RingErrorReason};
pub use filter::{FILTER_MAX, Instruction, by_link};
pub use gate::RingFilter;
pub use socket::filter_link;
pub use stats::{RingCounters, RingStats};
pub use stop::StopHandle;

use std::io;
use std::sync::Arc;

use flumen_model::source::Entry;
use flumen_model::{PacketBatch, PacketSource, SourceError};
use flumen_pbuf::Pbuf;

use block::Clock;
use blocks::Lease;
use devices::Devices;
use socket::{Group, Socket};
use stats::{Names, count};

/// Packets of an interface, block by block.
#[derive(Debug)]
pub struct Ring {
    config: RingConfig,
    socket: Socket,
    filter: RingFilter,
    group: Option<(Group, Fanout)>,
    stop: StopHandle,
    stats: RingStats,
    state: State,
    /// The block that is read next.
    next: usize,
    /// Milliseconds that the next wait for a held block takes: twice as long each time, until a block comes.
    pause_ms: u32,
    devices: Devices,
    /// What a batch is made of, kept for its memory.
    entries: Vec<Entry>,
}

/// Where a ring is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Packets come, or may.
    Running,
    /// The interface is down or away, for so many waits that brought nothing.
    Down { quiet: u32 },
    /// Nothing is let in any more; what is in the ring has not come for so many waits.
    Stopping { quiet: u32 },
    /// Nothing will come any more.
    Ended,
}

impl Ring {
    /// Opens rings that share the packets of an interface, or one that has them all. No packet is let in before all of
    /// them are ready, and none that the filter refuses.
    ///
    /// Takes the interfaces of the network namespace of the calling thread; the ring's thread must be in the same.
    ///
    /// # Errors
    /// When the configuration cannot be, there is no such interface, a right is missing, or the memory.
    pub fn open(config: &RingConfig, rings: usize, stop: &StopHandle) -> Result<Vec<Self>, RingError> {
        let named = |reason| RingError { interface: config.interface.clone(), reason };
        config.check().map_err(|error| named(error.into()))?;
        let group = (rings > 1).then(Fanout::default);
        let group = config.fanout.or(group).map(|fanout| (Group::default(), fanout));
        // Numbers and names of interfaces are the same for all rings.
        let (devices, names) = (Devices::of(config), Names::default());
        let rings = (0..rings).map(|_| Self::ready(config, group.clone(), stop, (devices.clone(), names.clone())));
        let rings = rings.collect::<Result<Vec<_>, _>>().map_err(named)?;
        rings.iter().try_for_each(|ring| ring.socket.go_live()).map_err(named)?;
        Ok(rings)
    }
    fn ready(
        config: &RingConfig,
        group: Option<(Group, Fanout)>,
        stop: &StopHandle,
        (devices, names): (Devices, Names),
    ) -> Result<Self, RingErrorReason> {
        let filter = RingFilter::new(&config.filter, config.snap_len);
        let socket = Socket::open(config, group.as_ref().map(|(group, fanout)| (group, *fanout)), &filter)?;
        Ok(Self {
            config: config.clone(),
            stats: RingStats::new(Arc::clone(&socket.fd), names),
            socket,
            filter,
            group,
            stop: stop.clone(),
            state: State::Running,
            next: 0,
            pause_ms: PAUSE_MS_FIRST,
            devices,
            entries: Vec::new(),
        })
    }

    /// The counters of this ring, for any thread.
    #[must_use]
    pub fn stats(&self) -> RingStats {
        self.stats.clone()
    }
    /// The filter of this ring, for any thread to replace.
    #[must_use]
    pub fn filter(&self) -> RingFilter {
        self.filter.clone()
    }
    /// Size of the ring, which is memory that the kernel has taken for it.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.socket.blocks.geometry()
    }
    /// What was asked for and could not be had, in words.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.socket.notices
    }
    /// Percentage of the blocks that are out: in batches, and in references that outlived them.
    #[must_use]
    pub fn pressure(&self) -> usize {
        self.socket.blocks.lent() * 100 / self.geometry().blocks
    }

    /// Delivers the next block if the kernel has handed it over.
    fn deliver(&mut self, batch: &mut PacketBatch) -> bool {
        let Some(lease) = self.socket.blocks.lend(self.next) else {
            return false;
        };
        self.next = (self.next + 1) % self.geometry().blocks;
        self.pause_ms = PAUSE_MS_FIRST;
        if let State::Down { quiet } | State::Stopping { quiet } = &mut self.state {
            *quiet = 0;
        }
        let lease = self.read(lease);
        batch.start(Pbuf::from_owner(lease));
        for entry in self.entries.drain(..) {
            batch.push(entry);
        }
        let own = self.stats.own();
        count(&own.blocks, 1);
        if self.socket.blocks.lent() * 100 > usize::from(self.config.held_percent) * self.geometry().blocks {
            batch.copy_when_held();
            count(&own.scarce_blocks, 1);
        }
        true
    }

    /// Finds the packets of a block.
    fn read(&mut self, mut lease: Lease) -> Lease {
        let Self { entries, devices, config, socket, stats, .. } = self;
        let mut card_stamps = 0;
        let walk = block::walk(lease.bytes_mut(), config.snap_len, |frame| {
            card_stamps += u64::from(frame.clock == Clock::Card);
            entries.push(Entry {
                timestamp: frame.timestamp,
                offset: frame.offset,
                captured_len: frame.captured_len,
                wire_len: frame.wire_len,
                link: frame.link,
                device: devices.number(frame.interface, |interface| stats.name_device(socket.name_of(interface))),
                checksum: frame.checksum,
            });
        });
        let own = stats.own();
        let found = entries.len() as u64;
        count(&own.packets, found);
        count(&own.card_stamps, card_stamps);
        if walk.fault.is_some() {
            count(&own.faults, 1);
            count(&own.lost, u64::from(walk.announced).saturating_sub(found));
        }
        lease
    }

    /// Waits for something to happen, at most for the block timeout.
    fn wait(&mut self) -> Result<(), RingErrorReason> {
        let own = self.stats.own();
        count(&own.polls, 1);
        let is_stopping = matches!(self.state, State::Stopping { .. });
        let blocks = &self.socket.blocks;
        let before = (self.next + blocks.geometry().blocks - 1) % blocks.geometry().blocks;
        let longest = if is_stopping { STOPPING_WAIT_MS } else { WAIT_MS_MAX }.min(self.config.block_timeout_ms);
        // The kernel reports the block before the one that it fills: while that is held, it would report it for ever.
        let is_held = blocks.is_lent(before) || blocks.is_lent(self.next);
        let (wanted, timeout_ms) = if is_held { (0, self.pause_ms.min(longest)) } else { (libc::POLLIN, longest) };
        if is_held {
            self.pause_ms = self.pause_ms.saturating_mul(2).min(longest);
        }
        // Once stopping, the handle would be reported for ever.
        let stop = (!is_stopping).then(|| (self.stop.wake(), libc::POLLIN));
        match sys::poll((self.socket.fd(), wanted), stop, timeout_ms) {
            Ok([0, 0]) => count(&own.poll_timeouts, 1),
            Ok([0, _]) => {}
            Ok([found, _]) if found & !libc::POLLIN == 0 => count(&own.poll_data, 1),
            Ok(_) => return self.note_error(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => count(&own.poll_signals, 1),
            Err(source) => return Err(RingErrorReason::System { what: "waiting for packets", source }),
        }
        Ok(())
    }

    /// The socket reports an error: that the interface went down, as a rule.
    fn note_error(&mut self) -> Result<(), RingErrorReason> {
        let own = self.stats.own();
        count(&own.poll_errors, 1);
        // Asking takes the error back, so that it is not reported for ever.
        let [error] = sys::get(self.socket.fd(), libc::SOL_SOCKET, libc::SO_ERROR)
            .map_err(|source| RingErrorReason::System { what: "asking for the error", source })?;
        match error.cast_signed() {
            0 => Ok(()),
            libc::ENETDOWN | libc::ENODEV | libc::ENXIO => {
                count(&own.downs, 1);
                if self.state == State::Running {
                    self.state = State::Down { quiet: 0 };
                }
                Ok(())
            }
            error => Err(RingErrorReason::System { what: "capturing", source: io::Error::from_raw_os_error(error) }),
        }
    }

    /// Looks whether the interface is back.
    fn look_for_interface(&mut self, quiet: u32) -> Result<(), RingErrorReason> {
        self.state = State::Down { quiet: quiet.saturating_add(1) };
        let fd = self.socket.fd();
        let is_up = |name: &str| sys::interface_flags(fd, name).is_ok_and(|flags| flags & libc::IFF_UP != 0);
        let back = match sys::interface_name(fd, self.socket.interface) {
            // The same, though it may have been given another name: the kernel has taken up capturing.
            Ok(name) => is_up(&name),
            Err(_) => match sys::interface_number(fd, &self.config.interface) {
                Ok(interface) if is_up(&self.config.interface) => self.move_to(interface, quiet)?,
                _ => false,
            },
        };
        if back {
            self.state = State::Running;
            count(&self.stats.own().returns, 1);
        }
        Ok(())
    }

    /// Goes on with another interface of the same name, and says whether it could.
    fn move_to(&mut self, interface: i32, quiet: u32) -> Result<bool, RingErrorReason> {
        match &self.group {
            None => match self.socket.bind(interface, &self.config) {
                Ok(()) => self.socket.interface = interface,
                Err(RingErrorReason::System { .. }) => return Ok(false),
                Err(error) => return Err(error),
            },
            // A socket cannot leave its group, nor be bound anew while it is in one. What is in its ring comes first.
            Some(_) if !self.is_drained(quiet)? => return Ok(false),
            Some((group, fanout)) => {
                let socket = match Socket::open(&self.config, Some((group, *fanout)), &self.filter) {
                    Ok(socket) => socket,
                    Err(RingErrorReason::System { .. } | RingErrorReason::NoSuchInterface(_)) => return Ok(false),
                    Err(error) => return Err(error),
                };
                self.abandon_ring()?;
                socket.go_live()?;
                let replaced = self.stats.replace(Arc::clone(&socket.fd));
                replaced.map_err(|source| RingErrorReason::System { what: "asking for counters", source })?;
                self.socket = socket;
                self.next = 0;
            }
        }
        count(&self.stats.own().reopened, 1);
        Ok(true)
    }

    /// Whether nothing is in the ring any more, or nothing has come out of it for too long.
    fn is_drained(&self, quiet: u32) -> Result<bool, RingErrorReason> {
        let wait_ms = STOPPING_WAIT_MS.min(self.config.block_timeout_ms);
        let quiet_max = (self.config.block_timeout_ms + DRAIN_SLACK_MS).div_ceil(wait_ms);
        Ok(quiet > quiet_max || self.in_ring()? == 0)
    }
    /// Counts what is still in the ring as lost.
    fn abandon_ring(&self) -> Result<(), RingErrorReason> {
        count(&self.stats.own().lost, self.in_ring()?);
        Ok(())
    }
    fn in_ring(&self) -> Result<u64, RingErrorReason> {
        self.stats.in_ring().map_err(|source| RingErrorReason::System { what: "asking for counters", source })
    }

    /// One step when there is no block to deliver.
    fn idle(&mut self) -> Result<(), RingErrorReason> {
        match self.state {
            State::Ended => return Ok(()),
            State::Running | State::Down { .. } if self.stop.is_stopped() => {
                self.socket.refuse()?;
                self.state = State::Stopping { quiet: 0 };
                return Ok(());
            }
            State::Stopping { quiet } if self.is_drained(quiet)? => {
                self.abandon_ring()?;
                self.state = State::Ended;
                return Ok(());
            }
            State::Stopping { quiet } => self.state = State::Stopping { quiet: quiet + 1 },
            State::Running | State::Down { .. } => {}
        }
        self.wait()?;
        match self.state {
            State::Down { quiet } => self.look_for_interface(quiet),
            _ => Ok(()),
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.stats.close();
    }
}

impl PacketSource for Ring {
    fn fill(&mut self, batch: &mut PacketBatch) -> Result<bool, SourceError> {
        // First of all: the kernel gets the block back.
        batch.clear();
        // A stop is seen however many packets there are.
        let is_asked = self.stop.is_stopped() && matches!(self.state, State::Running | State::Down { .. });
        if !is_asked && self.deliver(batch) {
            return Ok(true);
        }
        if let Err(reason) = self.idle() {
            self.state = State::Ended;
            let error = RingError { interface: self.config.interface.clone(), reason };
            return Err(SourceError {
                source_name: error.interface,
                offset: None,
                reason: error.reason.to_string(),
                damaged: false,
            });
        }
        if self.state == State::Ended {
            return Ok(false);
        }
        self.deliver(batch);
        Ok(true)
    }
}

/// Longest wait, whatever the block timeout.
const WAIT_MS_MAX: u32 = 1_000;
/// First wait for a block that is held.
const PAUSE_MS_FIRST: u32 = 1;
/// Waits while the ring is drained.
const STOPPING_WAIT_MS: u32 = 10;
/// What a block may take longer than its timeout.
const DRAIN_SLACK_MS: u32 = 200;
