//! Where every packet and byte went (law 1: conservation).
//!
//! What is read, and what is found in it, must equal what stands in flow records plus what has an explicit reason for standing in none. The
//! flow side is summed from the records as they leave, not from the packets as they come, so a lost record shows.

use flumen_wire::NonFlow;

/// Packets and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Tally {
    /// Counts one packet.
    pub fn add(&mut self, bytes: u64) {
        self.packets += 1;
        self.bytes += bytes;
    }
    /// Adds another tally.
    pub fn merge(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// What the kernel says of a live capture, in packets: it does not count bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelTally {
    /// Packets that the filter let pass, those dropped included.
    pub packets: u64,
    /// Packets for which there was no room.
    pub dropped: u64,
    /// Packets that were stored and could not be delivered.
    pub lost: u64,
}

impl KernelTally {
    /// Adds what is said of another interface.
    pub const fn merge(&mut self, other: Self) {
        self.packets += other.packets;
        self.dropped += other.dropped;
        self.lost += other.lost;
    }
}

/// The account of a run, or of one worker of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Frames that the source delivered.
    pub read: Tally,
    /// Packets that were found in others: in tunnels, and put together from fragments. Their bytes were read already, as
    /// those of the packets around them.
    pub found: Tally,
    /// Packets counted in flow records that were handed to the sinks.
    pub in_flows: Tally,
    /// What the kernel says, when packets were captured live.
    pub kernel: Option<KernelTally>,
    non_flow: [Tally; NonFlow::COUNT],
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            read: Tally::default(),
            found: Tally::default(),
            in_flows: Tally::default(),
            kernel: None,
            non_flow: [Tally::default(); NonFlow::COUNT],
        }
    }
}

impl Ledger {
    /// Counts a frame that belongs to no flow.
    pub fn non_flow(&mut self, reason: NonFlow, bytes: u64) {
        self.non_flow[reason.index()].add(bytes);
    }
    /// What ended for `reason`.
    #[must_use]
    pub fn tally(&self, reason: NonFlow) -> Tally {
        self.non_flow[reason.index()]
    }
    /// Every reason that was met, with what it took.
    pub fn reasons(&self) -> impl Iterator<Item = (NonFlow, Tally)> + '_ {
        NonFlow::all().map(|r| (r, self.tally(r))).filter(|(_, t)| t.packets != 0)
    }
    /// Adds another account.
    pub fn merge(&mut self, other: &Self) {
        self.read.merge(other.read);
        self.found.merge(other.found);
        self.in_flows.merge(other.in_flows);
        if let Some(kernel) = other.kernel {
            self.kernel.get_or_insert_default().merge(kernel);
        }
        for (mine, theirs) in self.non_flow.iter_mut().zip(&other.non_flow) {
            mine.merge(*theirs);
        }
    }
    /// Packets and bytes that were read and are found nowhere, or, negative, are found but were not read. Zero when
    /// the account is closed.
    #[must_use]
    pub fn unaccounted(&self) -> (i128, i128) {
        let mut accounted = self.in_flows;
        self.non_flow.iter().for_each(|t| accounted.merge(*t));
        (
            i128::from(self.read.packets) + i128::from(self.found.packets) - i128::from(accounted.packets),
            i128::from(self.read.bytes) + i128::from(self.found.bytes) - i128::from(accounted.bytes),
        )
    }
    /// Packets that the kernel says it stored and that were not read, or, negative, were read and not stored. Zero when
    /// a live capture has ended, and always for files; while it goes on they are in the rings.
    #[must_use]
    pub fn unread(&self) -> i128 {
        self.kernel.map_or(0, |kernel| {
            i128::from(kernel.packets)
                - i128::from(kernel.dropped)
                - i128::from(kernel.lost)
                - i128::from(self.read.packets)
        })
    }
    /// Whether every packet and byte is accounted for.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.unaccounted() == (0, 0) && self.unread() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_that_the_kernel_stored_and_nobody_read_then_not_closed() {
        let mut ledger = Ledger::default();
        ledger.read.add(60);
        ledger.in_flows.add(60);
        assert!(ledger.is_closed());
        ledger.kernel = Some(KernelTally { packets: 5, dropped: 3, lost: 0 });
        assert_eq!((ledger.unread(), ledger.is_closed()), (1, false));
        ledger.merge(&Ledger { kernel: Some(KernelTally { lost: 1, ..KernelTally::default() }), ..Ledger::default() });
        assert_eq!((ledger.unread(), ledger.is_closed()), (0, true));
    }
}
