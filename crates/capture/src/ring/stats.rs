//! What a ring has counted, to be read from any thread while it runs.

use core::sync::atomic::{AtomicU64, Ordering};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::sys;

/// The counters of one ring. Clones are the same.
#[derive(Clone, Debug)]
pub struct RingStats(Arc<Inner>);

/// What a ring has counted since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingCounters {
    /// Packets that the filter let pass, those dropped included (`capture.kernel_packets`).
    pub kernel_packets: u64,
    /// Packets for which there was no room in the ring (`capture.kernel_drops`).
    pub kernel_drops: u64,
    /// How often the kernel stopped because its next block was not given back yet.
    pub freezes: u64,
    /// Packets delivered in batches.
    pub packets: u64,
    /// Packets that were stored and could not be delivered: behind a fault in their block, or left behind in a ring that
    /// was given up. `kernel_packets` − `kernel_drops` − `packets` − this many are in the ring now.
    pub lost: u64,
    /// Blocks in which something did not fit.
    pub faults: u64,
    /// Blocks delivered.
    pub blocks: u64,
    /// Blocks delivered while more were out than may be, so that what is held of them is copied: all, when none may.
    pub scarce_blocks: u64,
    /// Packets that the network card stamped; the kernel stamped the others.
    pub card_stamps: u64,
    /// How often the ring waited (`capture.afpacket.polls`).
    pub polls: u64,
    /// Waits that packets ended (`capture.afpacket.poll_data`).
    pub poll_data: u64,
    /// Waits that nothing ended (`capture.afpacket.poll_timeout`).
    pub poll_timeouts: u64,
    /// Waits that a signal ended (`capture.afpacket.poll_signal`).
    pub poll_signals: u64,
    /// Waits that an error ended, the interface going down among them (`capture.afpacket.poll_errors`).
    pub poll_errors: u64,
    /// How often the interface went down or away.
    pub downs: u64,
    /// How often it came back.
    pub returns: u64,
    /// How often the interface was another one when it came back, and was opened again.
    pub reopened: u64,
}

#[derive(Debug)]
struct Inner {
    own: Own,
    kernel: Mutex<Kernel>,
    devices: Names,
}

/// Names of the interfaces on which packets were seen, in the order of their numbers: those of all rings of a group.
pub(super) type Names = Arc<Mutex<Vec<String>>>;

/// Counters that the ring's thread writes. Each stands for itself: no order between them is needed.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub(super) packets: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) faults: AtomicU64,
    pub(super) blocks: AtomicU64,
    pub(super) scarce_blocks: AtomicU64,
    pub(super) card_stamps: AtomicU64,
    pub(super) polls: AtomicU64,
    pub(super) poll_data: AtomicU64,
    pub(super) poll_timeouts: AtomicU64,
    pub(super) poll_signals: AtomicU64,
    pub(super) poll_errors: AtomicU64,
    pub(super) downs: AtomicU64,
    pub(super) returns: AtomicU64,
    pub(super) reopened: AtomicU64,
}

/// The kernel's counters, which start anew whenever they are read.
#[derive(Debug)]
struct Kernel {
    /// Gone with the ring: a socket that is kept would stay in its group and have a share of the packets.
    socket: Option<Arc<OwnedFd>>,
    packets: u64,
    drops: u64,
    freezes: u64,
}

impl RingStats {
    pub(super) fn new(socket: Arc<OwnedFd>, devices: Names) -> Self {
        let kernel = Mutex::new(Kernel { socket: Some(socket), packets: 0, drops: 0, freezes: 0 });
        Self(Arc::new(Inner { own: Own::default(), kernel, devices }))
    }

    /// All counters now, or as they were when the ring was dropped. Asks the kernel, so this is for once in a while.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn counters(&self) -> io::Result<RingCounters> {
        let own = &self.0.own;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // The ring's own first: then no packet is delivered that the kernel has not counted.
        let counters = RingCounters {
            packets: read(&own.packets),
            lost: read(&own.lost),
            faults: read(&own.faults),
            blocks: read(&own.blocks),
            scarce_blocks: read(&own.scarce_blocks),
            card_stamps: read(&own.card_stamps),
            polls: read(&own.polls),
            poll_data: read(&own.poll_data),
            poll_timeouts: read(&own.poll_timeouts),
            poll_signals: read(&own.poll_signals),
            poll_errors: read(&own.poll_errors),
            downs: read(&own.downs),
            returns: read(&own.returns),
            reopened: read(&own.reopened),
            ..RingCounters::default()
        };
        let kernel = self.kernel()?;
        Ok(RingCounters {
            kernel_packets: kernel.packets,
            kernel_drops: kernel.drops,
            freezes: kernel.freezes,
            ..counters
        })
    }
    /// Names of the interfaces on which packets were seen, by this ring or another of its group, in the order of their
    /// numbers, from the ring's [`device`](super::RingConfig::device) on.
    #[must_use]
    pub fn devices(&self) -> Vec<String> {
        lock(&self.0.devices).clone()
    }

    pub(super) fn own(&self) -> &Own {
        &self.0.own
    }
    /// Gives an interface the next number.
    pub(super) fn name_device(&self, name: String) {
        lock(&self.0.devices).push(name);
    }
    /// Packets that are in the ring: stored by the kernel, and neither delivered nor lost.
    pub(super) fn in_ring(&self) -> io::Result<u64> {
        let own = &self.0.own;
        let gone = own.packets.load(Ordering::Relaxed) + own.lost.load(Ordering::Relaxed);
        let kernel = self.kernel()?;
        Ok((kernel.packets - kernel.drops).saturating_sub(gone))
    }
    /// Goes on with another socket.
    pub(super) fn replace(&self, socket: Arc<OwnedFd>) -> io::Result<()> {
        self.kernel()?.socket = Some(socket);
        Ok(())
    }
    /// Takes a last look, and lets go of the socket.
    pub(super) fn close(&self) {
        // Without an answer the counters stay as they were.
        drop(self.kernel());
        lock(&self.0.kernel).socket = None;
    }
    /// The sums, with what the kernel has counted since.
    fn kernel(&self) -> io::Result<MutexGuard<'_, Kernel>> {
        let mut kernel = lock(&self.0.kernel);
        let Some(socket) = &kernel.socket else {
            return Ok(kernel);
        };
        let [packets, drops, freezes] = sys::get(socket.as_fd(), libc::SOL_PACKET, libc::PACKET_STATISTICS)?;
        kernel.packets += u64::from(packets);
        kernel.drops += u64::from(drops);
        kernel.freezes += u64::from(freezes);
        Ok(kernel)
    }
}

/// Counts; only the ring's thread does.
pub(super) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Sums and names are whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
