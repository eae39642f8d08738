//! The laws of the engine, and what is said when one is broken.

use core::fmt;

/// A law. The first eight are those of the design; the others follow from them or from what the table promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Law {
    /// Packets and bytes given are in records, in live flows, or refused for a reason.
    Conservation,
    /// A flow with a reference is not recycled, reused or moved.
    NoEarlyFree,
    /// At the end every slot is back.
    NoLeak,
    /// A flow is in exactly one place.
    OneHome,
    /// Memory stays within the memcap and shrinks again.
    MemoryCeiling,
    /// The same input gives the same records, whoever did what when.
    SameOutput,
    /// What fails leaves the table as it was.
    RefusalLeavesNoTrace,
    /// What ends is recorded.
    NoRecordLost,
    /// A flow is gone once its time is over and the table was swept, and never before.
    Deadline,
    /// Counters agree with what is there.
    Gauges,
    /// Nothing is refused, or taken by force, while there is another way.
    ForceIsTheLastResort,
    /// Nothing panics.
    NoPanic,
}

/// A broken law.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which.
    pub law: Law,
    /// How it shows.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.law, self.what)
    }
}

/// Whether a law holds; `what` says how it does not.
///
/// # Errors
/// When it does not.
pub(crate) fn holds(law: Law, holds: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { law, what: what() }) }
}

/// Rare paths, counted when they are taken, so that a run can show that it has been where bugs live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes([u64; Probe::ALL.len()]);

macro_rules! probes {
    ($($name:ident $text:literal)*) => {
        /// A rare path.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Probe {
            $(#[doc = $text] $name,)*
        }
        impl Probe {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// In words.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

probes! {
    Forced "flow ended by force"
    ForcedFailed "no row gave a flow by force"
    Busy "row busy during forced reuse"
    RefusedMemcap "packet refused by memcap"
    FinishedInVain "ended flows were finished and none could be used again"
    RefusedEmergency "packet refused by emergency mode"
    RefusedIcmp "ICMP error about no flow"
    Emergency "emergency mode entered"
    EmergencyOver "emergency mode left"
    Evicted "TCP flow put aside for another worker"
    Reuse "TCP session reused a tuple"
    ReuseReferenced "flow that was referenced lost its tuple"
    Orphan "flow let go of while referenced"
    Returned "slot came back by itself"
    Chained "more than eight flows in a row"
    LateByReference "flow kept beyond its time by a reference"
    MemcapRefused "memcap below what is in use refused"
    MemcapChanged "memcap changed while running"
    QueueFull "recycle queue full"
    WrongThread "packet on another worker"
    SyncIncomplete "pool gave less than a block"
    SyncEmpty "pool was empty"
    Shrunk "memory given back"
    OutlivedTable "flow outlived its table"
    Compared "records compared with one worker's and the model's"
}

impl Probes {
    pub(crate) const fn hit(&mut self, probe: Probe) {
        self.add(probe, 1);
    }
    pub(crate) const fn add(&mut self, probe: Probe, times: u64) {
        self.0[probe as usize] += times;
    }
    /// How often a path was taken.
    #[must_use]
    pub const fn count(&self, probe: Probe) -> u64 {
        self.0[probe as usize]
    }
    /// Adds those of another run.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
    }
}
