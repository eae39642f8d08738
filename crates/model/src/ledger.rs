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
    non_flow: [Tally; NonFlow::COUNT],
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            read: Tally::default(),
            found: Tally::default(),
            in_flows: Tally::default(),
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
    /// Whether every packet and byte is accounted for.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.unaccounted() == (0, 0)
    }
}
