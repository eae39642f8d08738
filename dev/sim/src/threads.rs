//! The same traffic through the whole engine, with real threads: frames in memory, decoded, looked up by several
//! workers, and the records compared with those of one. The seed names the capture and the settings; what the threads
//! do is up to the machine, so a seed that fails may have to be run again and again.

use flumen_engine::{EngineConfig, RunReport, Threads, run};
use flumen_model::sink::Stats;
use flumen_model::source::{ChecksumNote, Entry};
use flumen_model::{FlowRecord, LinkType, PacketBatch, PacketSource, RecordSink, SinkError, SourceError, Tally};
use flumen_pbuf::Pbuf;
use traffic::Rng;

use crate::frame::frame;
use crate::law::{Law, Probe, Probes, Violation, holds};
use crate::packets::{SimPacket, packets};
use crate::plan::{Nature, Plan};
use crate::run::{Failure, Summary, Way};

/// Runs a seed's traffic with one thread and with several.
///
/// # Errors
/// When a law is broken.
pub fn run_threads(seed: u64, steps: usize) -> Result<Summary, Box<Failure>> {
    compare(seed, steps).map_err(|violation| Box::new(Failure { seed, steps, way: Way::Threads, step: 0, violation }))
}

fn compare(seed: u64, steps: usize) -> Result<Summary, Violation> {
    let mut plan = Plan::new(seed, steps);
    // Rows are cheap here, and too few of them would only make threads wait for each other.
    plan.workers = plan.workers.max(2);
    let packets = packets(&plan);
    let (alone, mut one) = engine(&plan, &packets, 1)?;
    let (several, mut many) = engine(&plan, &packets, plan.workers)?;
    let mut probes = Probes::default();
    if plan.nature == Nature::Calm {
        one.sort_by_key(|record| record.flow_id);
        many.sort_by_key(|record| record.flow_id);
        let differs = one.iter().zip(&many).find(|(one, many)| one != many);
        holds(Law::SameOutput, differs.is_none() && one.len() == many.len(), || {
            format!("{} records, {} of one worker; the first that differs: {differs:?}", many.len(), one.len())
        })?;
        for name in ["flow.total", "flow.tcp", "flow.udp", "flow.tcp_reuse", "tcp.sessions", "tcp.syn", "tcp.rst"] {
            let (one, many) = (alone.counters.value(name), several.counters.value(name));
            holds(Law::Gauges, one == many, || format!("{name}: {many:?}, {one:?} with one worker"))?;
        }
        probes.hit(Probe::Compared);
    }
    probes.add(Probe::Emergency, several.counters.value("flow.emerg_mode_entered").unwrap_or(0));
    probes.add(Probe::Forced, several.counters.value("flow.get_used").unwrap_or(0));
    probes.add(Probe::RefusedMemcap, several.counters.value("flow.memcap").unwrap_or(0));
    Ok(Summary { steps: 0, packets: several.ledger.read.packets, records: many.len(), digest: 0, probes })
}

/// One run of the engine, and what must hold of any.
fn engine(plan: &Plan, packets: &[SimPacket], workers: usize) -> Result<(RunReport, Vec<FlowRecord>), Violation> {
    let threads = Threads { workers, managers: plan.managers as usize, recyclers: plan.recyclers, affinity: None };
    let config = EngineConfig { table: plan.table.clone(), threads, ..EngineConfig::default() };
    let mut source = Source { packets, rng: Rng::new(plan.seed), batch_max: plan.ahead_max as u64 };
    let mut sink = Sink::default();
    let report = run(&mut source, &mut sink, &config, plan.hash_seed)
        .map_err(|error| Violation { law: Law::NoRecordLost, what: error.to_string() })?;
    let (ledger, records) = (&report.ledger, sink.records);
    let value = |name| report.counters.value(name).unwrap_or(0);
    holds(Law::Conservation, ledger.is_closed(), || format!("unaccounted: {:?}", ledger.unaccounted()))?;
    holds(Law::Conservation, ledger.read.packets == packets.len() as u64, || {
        format!("{} packets read of {}", ledger.read.packets, packets.len())
    })?;
    let mut tally = Tally::default();
    for traffic in records.iter().flat_map(|record| [record.to_server, record.to_client]) {
        tally.merge(Tally { packets: traffic.packets, bytes: traffic.bytes });
    }
    holds(Law::Conservation, tally == ledger.in_flows, || format!("{tally:?} in records, {:?}", ledger.in_flows))?;
    let (total, recorded) = (value("flow.total"), records.len() as u64);
    holds(Law::NoRecordLost, total == recorded, || format!("{total} flows, {recorded} records"))?;
    holds(Law::Gauges, value("flow.active") == 0, || format!("{} flows active", value("flow.active")))?;
    let (memuse, memcap) = (value("flow.memuse"), plan.table.memcap);
    holds(Law::MemoryCeiling, memuse <= memcap, || format!("memuse {memuse} of {memcap}"))?;
    Ok((report, records))
}

/// Frames in batches of random length.
struct Source<'p> {
    packets: &'p [SimPacket],
    rng: Rng,
    batch_max: u64,
}

impl PacketSource for Source<'_> {
    fn fill(&mut self, batch: &mut PacketBatch) -> Result<bool, SourceError> {
        let len = self.rng.between(1, self.batch_max).min(self.packets.len() as u64) as usize;
        let (now, rest) = self.packets.split_at(len);
        self.packets = rest;
        let (mut block, mut entries) = (Vec::new(), Vec::with_capacity(len));
        for packet in now {
            let (offset, bytes) = (block.len(), frame(packet));
            let len = bytes.len() as u32;
            block.extend(bytes);
            entries.push(Entry {
                timestamp: packet.at,
                offset,
                captured_len: len,
                wire_len: len,
                link: LinkType::Ethernet,
                device: 0,
                checksum: ChecksumNote::None,
            });
        }
        batch.start(Pbuf::from_owner(block));
        entries.into_iter().for_each(|entry| batch.push(entry));
        Ok(len > 0)
    }
}

/// Keeps all records.
#[derive(Debug, Default)]
struct Sink {
    records: Vec<FlowRecord>,
}

impl RecordSink for Sink {
    fn flows(&mut self, records: &[FlowRecord]) -> Result<(), SinkError> {
        self.records.extend_from_slice(records);
        Ok(())
    }
    fn stats(&mut self, _stats: &Stats) -> Result<(), SinkError> {
        Ok(())
    }
    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
