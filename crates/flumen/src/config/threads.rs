//! How many threads there are and where they run: `flumen.threads`, `flow.managers`, `flow.recyclers`, `threading`.
//!
//! Workers: `flumen.threads` (`--threads`) before `threads` of the worker set before 1. As in Suricata the sets count only
//! while `threading.set-cpu-affinity` is on; until then a sensor's sets do no harm on a machine with fewer CPUs.

use flumen_engine::{Affinity, CpuSet, Placement, Sharing, Threads};

use super::cpus::Cpus;
use super::problem::Problem;
use super::resolve::Resolved;
use super::section::Section;
use super::settings::count;
use super::value::Value;

/// Reads them. `available`: the CPUs of this process, where the system tells.
pub(super) fn threads(values: &mut Resolved, available: Option<CpuSet>, problems: &mut Vec<Problem>) -> Threads {
    let affinity = affinity(values, available, problems);
    let root = &values.root;
    Threads {
        workers: workers(root, affinity.as_ref(), available),
        managers: count(root, "flow.managers") as usize,
        recyclers: count(root, "flow.recyclers") as usize,
        affinity,
    }
}

fn workers(root: &Section, affinity: Option<&Affinity>, available: Option<CpuSet>) -> usize {
    if let Some(workers) = root.number("flumen.threads") {
        return workers as usize;
    }
    if root.word("flumen.threads") == Some("auto") {
        let cpus = affinity.map(|affinity| affinity.workers.cpus).or(available).map_or(1, |cpus| cpus.len());
        let thousandths = root.ratio("threading.detect-thread-ratio");
        return (cpus as u64 * thousandths / 1000).clamp(1, WORKERS_MAX) as usize;
    }
    let bound = root.flag(SET_CPU_AFFINITY);
    let workers = root.number("threading.cpu-affinity.worker-cpu-set.threads").filter(|_| bound);
    workers.unwrap_or(1) as usize
}

/// The CPUs of every role, when threads are to be bound and can be.
fn affinity(values: &mut Resolved, available: Option<CpuSet>, problems: &mut Vec<Problem>) -> Option<Affinity> {
    if !values.root.flag(SET_CPU_AFFINITY) {
        return None;
    }
    let Some(available) = available else {
        let at = values.root.origin(SET_CPU_AFFINITY);
        let text = format!("'{SET_CPU_AFFINITY}' has no effect on this system: threads are bound on Linux only");
        values.warnings.push(Problem::new(&at, text));
        return None;
    };
    let mut set = |name: &str| placement(&values.root, name, available, problems);
    Some(Affinity {
        receivers: set("receive-cpu-set"),
        workers: set("worker-cpu-set"),
        management: set("management-cpu-set"),
    })
}

/// The CPUs of one set, which must be there.
fn placement(root: &Section, set: &str, available: CpuSet, problems: &mut Vec<Problem>) -> Placement {
    let name = format!("threading.cpu-affinity.{set}.cpu");
    let cpus = match root.setting(&name).map(|setting| &setting.value) {
        Some(Value::Cpus(Cpus::These(cpus))) => *cpus,
        _ => available,
    };
    if let Some(missing) = cpus.iter().find(|&cpu| !available.contains(cpu)) {
        let text = format!(
            "'{name}' names CPU {missing}, but this process has {available}; \
             with '{SET_CPU_AFFINITY}' set to no, sets are not used"
        );
        problems.push(Problem::new(&root.origin(&name), text));
    }
    let sharing = match root.word(&format!("threading.cpu-affinity.{set}.mode")) {
        Some("exclusive") => Sharing::Exclusive,
        _ => Sharing::Balanced,
    };
    Placement { cpus, sharing }
}

/// The switch of it all.
const SET_CPU_AFFINITY: &str = "threading.set-cpu-affinity";
/// Most workers.
pub(super) const WORKERS_MAX: u64 = 255;

#[cfg(test)]
mod tests;
