//! The tables that are compared, and what each does with a packet.
//!
//! Flumen takes the way of `flumen_engine`: vectors of 32, each stage over the whole vector. The others are used as their
//! documentation shows: one operation a packet on a key that is in order, under the same hash, on a record of 128 bytes.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{LazyLock, Mutex};

use flumen_model::{FlowKey, IpVersion};
use flumen_table::{FlowHash, FlowLookup, FlowTable, HashSecret, Message, PacketKey, PacketView, TableConfig, Verdict};
use flumen_wire::FlowPacket;

use crate::traffic::{BYTES, KNOWN, START, UNKNOWN, ordered, packet};

/// A table of flows under test.
pub(crate) trait Flows: Sync {
    fn name(&self) -> &'static str;
    /// Counts one packet of each of these flows; makes those that are missing.
    fn packets(&self, ids: &[u32]);
    /// Looks for flows that are not there, and says how many were not.
    fn misses(&self, ids: &[u32]) -> usize;
    /// Bytes in use, when the table keeps account of them itself.
    fn charged(&self) -> Option<u64> {
        None
    }
}

const SEED: [u64; 2] = [7, 11];
/// Packets of a vector.
const VECTOR: usize = 32;

pub(crate) struct Flumen(FlowTable, IpVersion);

struct Keyed {
    packet: FlowPacket,
    key: PacketKey,
    hash: FlowHash,
    origin: u64,
}

impl Keyed {
    fn view<'k>(&'k self, message: &'k Message) -> PacketView<'k> {
        PacketView { bytes: BYTES, origin: self.origin, ..PacketView::of(&self.packet, message, START) }
    }
}

impl Flumen {
    pub(crate) fn new(flows: u32) -> Self {
        Self::of(flows, IpVersion::V4)
    }
    /// A table for flows with addresses of this version.
    pub(crate) fn of(flows: u32, version: IpVersion) -> Self {
        let config = TableConfig { memcap: 1 << 40, hash_size: (flows / 4).max(1), ..TableConfig::default() };
        Self(FlowTable::new(config, SEED).expect("memory"), version)
    }
    pub(crate) const fn table(&self) -> &FlowTable {
        &self.0
    }

    /// Decode, key, hash; the rows' lines are asked for. Then the flows' lines.
    fn vector(&self, ids: &[u32], first: usize, server_port: u16, vector: &mut Vec<Keyed>) {
        vector.clear();
        for (i, &id) in ids.iter().enumerate() {
            let packet = packet(id, self.1, server_port, (first + i) % 2 == 1);
            let key = PacketKey::of(&packet, 0, self.0.config());
            let PacketKey::Own(own) = &key else { unreachable!("no packet is an ICMP error") };
            let hash = self.0.hash(own);
            self.0.prefetch_row(hash);
            vector.push(Keyed { packet, key, hash, origin: (first + i) as u64 });
        }
        for Keyed { key, hash, .. } in vector {
            let PacketKey::Own(own) = key else { unreachable!("no packet is an ICMP error") };
            self.0.prefetch_flow(own, *hash);
        }
    }
}

impl Flows for Flumen {
    fn name(&self) -> &'static str {
        "Flumen"
    }
    fn packets(&self, ids: &[u32]) {
        let mut lookup = FlowLookup::new(&self.0, 0);
        let mut vector = Vec::with_capacity(VECTOR);
        for (n, ids) in ids.chunks(VECTOR).enumerate() {
            self.vector(ids, n * VECTOR, KNOWN, &mut vector);
            lookup.prepare(vector.len(), START);
            let mut rest = vector.iter().peekable();
            while let Some(&first) = rest.peek() {
                let row = self.0.row(first.hash);
                let mut guard = lookup.lock(row);
                while let Some(keyed) = rest.next_if(|keyed| self.0.row(keyed.hash) == row) {
                    if guard.packet(&keyed.key, keyed.hash, &keyed.view(&Message::of(&keyed.packet)))
                        == Verdict::Counted
                    {
                        continue;
                    }
                    drop(guard);
                    assert!(lookup.make_room(START), "there is memory");
                    guard = lookup.lock(row);
                    assert_eq!(
                        guard.packet(&keyed.key, keyed.hash, &keyed.view(&Message::of(&keyed.packet))),
                        Verdict::Counted
                    );
                }
            }
        }
    }
    fn misses(&self, ids: &[u32]) -> usize {
        let mut lookup = FlowLookup::new(&self.0, 0);
        let mut vector = Vec::with_capacity(VECTOR);
        let mut misses = 0;
        for (n, ids) in ids.chunks(VECTOR).enumerate() {
            self.vector(ids, n * VECTOR, UNKNOWN, &mut vector);
            for keyed in &vector {
                let PacketKey::Own(key) = &keyed.key else { continue };
                misses += usize::from(lookup.lock(self.0.row(keyed.hash)).find(key, keyed.hash).is_none());
            }
        }
        misses
    }
    fn charged(&self) -> Option<u64> {
        Some(self.0.memuse())
    }
}

/// What the other tables keep of a flow.
#[derive(Clone, Default)]
pub(crate) struct Record {
    last_seen: u64,
    packets: [u64; 2],
    bytes: [u64; 2],
    _rest: [u64; 11],
}

impl Record {
    fn count(&mut self, back: bool) {
        self.last_seen = self.last_seen.max(START.nanos());
        self.packets[usize::from(back)] += 1;
        self.bytes[usize::from(back)] += BYTES;
    }
}

/// A key that hashes as Flumen hashes it: the map's hasher only passes the hash on.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(FlowKey);

static SECRET: LazyLock<HashSecret> = LazyLock::new(|| HashSecret::from_seed(SEED));

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(SECRET.hash(&self.0).value());
    }
}

#[derive(Clone, Copy, Default)]
pub(crate) struct PassOn(u64);

impl BuildHasher for PassOn {
    type Hasher = Self;
    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for PassOn {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys write their hash")
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A table of another crate: how it counts a packet, and how it looks for a flow.
pub(crate) struct Other<M>(M);

pub(crate) type Dash = Other<dashmap::DashMap<Key, Record, PassOn>>;
pub(crate) type Scc = Other<scc::HashMap<Key, Record, PassOn>>;
pub(crate) type Locked = Other<Mutex<HashMap<Key, Record, PassOn>>>;

/// The one operation a packet needs, and the lookup.
pub(crate) trait Map: Sync {
    const NAME: &'static str;
    fn count(&self, key: Key, back: bool);
    fn has(&self, key: &Key) -> bool;
}

impl Dash {
    pub(crate) fn new(flows: u32) -> Self {
        Self(dashmap::DashMap::with_capacity_and_hasher(flows as usize, PassOn::default()))
    }
}
impl Scc {
    pub(crate) fn new(flows: u32) -> Self {
        Self(scc::HashMap::with_capacity_and_hasher(flows as usize, PassOn::default()))
    }
}
impl Locked {
    pub(crate) fn new(flows: u32) -> Self {
        Self(Mutex::new(HashMap::with_capacity_and_hasher(flows as usize, PassOn::default())))
    }
}

impl Map for dashmap::DashMap<Key, Record, PassOn> {
    const NAME: &'static str = "DashMap";
    fn count(&self, key: Key, back: bool) {
        self.entry(key).or_default().count(back);
    }
    fn has(&self, key: &Key) -> bool {
        self.contains_key(key)
    }
}
impl Map for scc::HashMap<Key, Record, PassOn> {
    const NAME: &'static str = "scc";
    fn count(&self, key: Key, back: bool) {
        self.entry_sync(key).or_default().get_mut().count(back);
    }
    fn has(&self, key: &Key) -> bool {
        self.contains_sync(key)
    }
}
impl Map for Mutex<HashMap<Key, Record, PassOn>> {
    const NAME: &'static str = "HashMap in Mutex";
    fn count(&self, key: Key, back: bool) {
        self.lock().expect("no panic").entry(key).or_default().count(back);
    }
    fn has(&self, key: &Key) -> bool {
        self.lock().expect("no panic").contains_key(key)
    }
}

impl<M: Map> Flows for Other<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }
    fn packets(&self, ids: &[u32]) {
        for (i, &id) in ids.iter().enumerate() {
            let back = i % 2 == 1;
            self.0.count(Key(ordered(id, KNOWN, back)), back);
        }
    }
    fn misses(&self, ids: &[u32]) -> usize {
        let missing = |(i, &id): (usize, &u32)| !self.0.has(&Key(ordered(id, UNKNOWN, i % 2 == 1)));
        ids.iter().enumerate().filter(|&entry| missing(entry)).count()
    }
}
