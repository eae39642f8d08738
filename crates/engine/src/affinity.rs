//! On which CPUs threads run: sets of CPUs, and the call with which a thread binds itself to its own.
//!
//! Off unless [`Threads::affinity`] is set. Then every thread calls [`Threads::pin`] for itself, first thing, with its
//! [`Role`]; nobody binds another thread. Where a thread runs changes how fast it is and nothing else, so a system that
//! refuses stops nothing: the refusal is a warning. Linux only; elsewhere every call is refused.

use std::fmt;

use crate::config::Threads;

/// A set of CPUs by their numbers, 0 to [`CpuSet::MAX`].
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CpuSet([u64; WORDS]);

/// How the threads of a role share their CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Each may run on all of them.
    Balanced,
    /// Each has one, in turn; with more threads than CPUs the turn begins again.
    Exclusive,
}

/// The CPUs of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Which. An empty set binds nothing.
    pub cpus: CpuSet,
    /// How they are shared.
    pub sharing: Sharing,
}

/// The CPUs of every role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affinity {
    /// `receive-cpu-set`: threads that only read packets.
    pub receivers: Placement,
    /// `worker-cpu-set`: workers.
    pub workers: Placement,
    /// `management-cpu-set`: managers and recyclers.
    pub management: Placement,
}

/// What a thread does, and its number among those that do the same, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads packets and hands them to workers.
    Receiver(usize),
    /// Follows flows.
    Worker(usize),
    /// Ends idle flows.
    Manager(usize),
    /// Makes records.
    Recycler(usize),
}

/// A thread could not be bound; it runs where the system lets it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{role} is not bound to CPU {cpus}: {reason}")]
pub struct PinError {
    /// The thread.
    pub role: Role,
    /// The CPUs that it was to run on, as text.
    pub cpus: String,
    /// What the system said.
    pub reason: String,
}

impl Threads {
    /// Binds the calling thread to the CPUs of its role, when there is something to bind to.
    ///
    /// # Errors
    /// When the system refuses: the thread then goes on unbound.
    pub fn pin(&self, role: Role) -> Result<(), PinError> {
        let Some(cpus) = self.cpus(role) else { return Ok(()) };
        bind(cpus).map_err(|reason| PinError { role, cpus: cpus.to_string(), reason })
    }

    /// The CPUs of a thread; `None` when it is not bound.
    #[must_use]
    pub fn cpus(&self, role: Role) -> Option<CpuSet> {
        let affinity = self.affinity?;
        // Recyclers take their turns after the managers.
        let (placement, turn) = match role {
            Role::Receiver(number) => (affinity.receivers, number),
            Role::Worker(number) => (affinity.workers, number),
            Role::Manager(number) => (affinity.management, number),
            Role::Recycler(number) => (affinity.management, number + self.managers),
        };
        placement.of(turn)
    }
}

impl Placement {
    /// The CPUs of the thread whose turn is `turn`.
    fn of(&self, turn: usize) -> Option<CpuSet> {
        let len = self.cpus.len();
        match self.sharing {
            _ if len == 0 => None,
            Sharing::Balanced => Some(self.cpus),
            Sharing::Exclusive => self.cpus.iter().nth(turn % len).map(|cpu| CpuSet::from_iter([cpu])),
        }
    }
}

impl CpuSet {
    /// Highest number of a CPU.
    pub const MAX: usize = WORDS * 64 - 1;

    /// The CPUs that this process may run on; `None` where the system does not tell.
    #[must_use]
    pub fn available() -> Option<Self> {
        available()
    }

    /// Adds a CPU.
    ///
    /// # Panics
    /// When it is above [`CpuSet::MAX`].
    pub const fn insert(&mut self, cpu: usize) {
        self.0[cpu / 64] |= 1 << (cpu % 64);
    }

    /// Whether a CPU is in it.
    #[must_use]
    pub const fn contains(&self, cpu: usize) -> bool {
        cpu <= Self::MAX && self.0[cpu / 64] & (1 << (cpu % 64)) != 0
    }

    /// The CPUs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + use<> {
        let set = *self;
        (0..=Self::MAX).filter(move |&cpu| set.contains(cpu))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FromIterator<usize> for CpuSet {
    /// The set of these CPUs.
    ///
    /// # Panics
    /// When one is above [`CpuSet::MAX`].
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> Self {
        let mut set = Self::default();
        cpus.into_iter().for_each(|cpu| set.insert(cpu));
        set
    }
}

impl fmt::Display for CpuSet {
    /// Numbers and ranges: `0, 2-5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.iter().peekable();
        let mut separator = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if_eq(&(last + 1)) {
                last = next;
            }
            if first == last {
                write!(f, "{separator}{first}")?;
            } else {
                write!(f, "{separator}{first}-{last}")?;
            }
            separator = ", ";
        }
        Ok(())
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuSet({self})")
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receiver(number) => write!(f, "receiver {number}"),
            Self::Worker(number) => write!(f, "worker {number}"),
            Self::Manager(number) => write!(f, "manager {number}"),
            Self::Recycler(number) => write!(f, "recycler {number}"),
        }
    }
}

#[cfg(target_os = "linux")]
fn bind(cpus: CpuSet) -> Result<(), String> {
    let mut set = rustix::thread::CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(cpu));
    rustix::thread::sched_setaffinity(None, &set).map_err(|error| error.to_string())
}

#[cfg(target_os = "linux")]
fn available() -> Option<CpuSet> {
    let set = rustix::thread::sched_getaffinity(None).ok()?;
    Some((0..=CpuSet::MAX).filter(|&cpu| set.is_set(cpu)).collect())
}

#[cfg(not(target_os = "linux"))]
fn bind(_cpus: CpuSet) -> Result<(), String> {
    Err("threads are bound on Linux only".to_owned())
}

#[cfg(not(target_os = "linux"))]
fn available() -> Option<CpuSet> {
    None
}

/// Words of 64 CPUs. Linux's own fixed set has as many.
const WORDS: usize = 16;

#[cfg(target_os = "linux")]
const _: () = assert!(CpuSet::MAX < rustix::thread::CpuSet::MAX_CPU);

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cpus: &[usize]) -> CpuSet {
        cpus.iter().copied().collect()
    }

    fn threads(sharing: Sharing, cpus: &[usize]) -> Threads {
        let placement = Placement { cpus: set(cpus), sharing };
        let management = Placement { cpus: set(&[0, 9]), sharing: Sharing::Exclusive };
        let affinity = Affinity { receivers: placement, workers: placement, management };
        Threads { workers: 4, managers: 3, recyclers: 2, affinity: Some(affinity) }
    }

    #[test]
    fn sets_then_written_as_numbers_and_ranges() {
        let cases: [(&[usize], &str); 5] = [
            (&[], ""),
            (&[0], "0"),
            (&[5, 3, 4, 3], "3-5"),
            (&[0, 2, 3, 63, 64, 127], "0, 2-3, 63-64, 127"),
            (&[CpuSet::MAX], "1023"),
        ];
        for (cpus, text) in cases {
            assert_eq!(set(cpus).to_string(), text);
        }
        assert!(!set(&[1]).contains(CpuSet::MAX + 1) && set(&[]).is_empty());
    }

    #[test]
    fn exclusive_then_one_cpu_each_in_turn() {
        let threads = threads(Sharing::Exclusive, &[2, 5, 7]);
        let cpus = |role| threads.cpus(role).map(|cpus| cpus.iter().collect::<Vec<_>>());
        let workers: Vec<_> = (0..4).map(|number| cpus(Role::Worker(number))).collect();
        assert_eq!(workers, [Some(vec![2]), Some(vec![5]), Some(vec![7]), Some(vec![2])]);
        assert_eq!(cpus(Role::Receiver(1)), Some(vec![5]));
        // Three managers take 0, 9, 0; the recyclers go on from there.
        assert_eq!((cpus(Role::Manager(2)), cpus(Role::Recycler(0))), (Some(vec![0]), Some(vec![9])));
    }

    #[test]
    fn balanced_then_the_whole_set() {
        let threads = threads(Sharing::Balanced, &[2, 5, 7]);
        assert!((0..4).all(|number| threads.cpus(Role::Worker(number)) == Some(set(&[2, 5, 7]))));
    }

    #[test]
    fn nothing_asked_for_or_an_empty_set_then_nothing_is_bound() {
        assert_eq!(Threads::default().cpus(Role::Worker(0)), None);
        assert_eq!(Threads::default().pin(Role::Worker(0)), Ok(()));
        for sharing in [Sharing::Balanced, Sharing::Exclusive] {
            assert_eq!(threads(sharing, &[]).pin(Role::Worker(0)), Ok(()));
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn thread_that_binds_itself_then_runs_there_and_only_it() {
        let all = CpuSet::available().expect("Linux tells");
        let cpus: Vec<_> = all.iter().collect();
        let threads = threads(Sharing::Exclusive, &cpus);
        let bound = std::thread::spawn(move || {
            let last = cpus.len() - 1;
            (threads.pin(Role::Worker(last)), CpuSet::available(), set(&[cpus[last]]))
        });
        let (outcome, runs_on, expected) = bound.join().expect("ends");
        assert_eq!((outcome, runs_on), (Ok(()), Some(expected)));
        assert_eq!(CpuSet::available(), Some(all), "the thread that started it is as it was");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn cpu_that_is_not_there_then_refused_and_the_thread_goes_on() {
        // No machine that tests run on has 1,024 CPUs.
        let refused = std::thread::spawn(|| threads(Sharing::Balanced, &[CpuSet::MAX]).pin(Role::Worker(1)));
        let error = refused.join().expect("ends").expect_err("no such CPU");
        assert!(error.to_string().starts_with("worker 1 is not bound to CPU 1023: "), "{error}");
    }
}
