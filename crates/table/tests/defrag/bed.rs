//! What every case stands on: fragments with true headers, and buffers that say when they are gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flumen_model::Timestamp;
use flumen_pbuf::Pbuf;
use flumen_table::defrag::{Datagram, Defrag, DefragConfig, DropReason, Outcome};
use flumen_table::{Compat, HashSecret};
use flumen_wire::{Address, Fragment, IpVersion, Tunnel, VlanTags};

pub(crate) const A: Address = Address::v4([10, 0, 0, 1]);
pub(crate) const B: Address = Address::v4([10, 0, 0, 2]);

/// `ms` milliseconds after the run began.
pub(crate) const fn ms(ms: u64) -> Timestamp {
    Timestamp::from_nanos(1_600_000_000_000_000_000 + ms * 1_000_000)
}
/// `secs` seconds after the run began.
pub(crate) const fn at(secs: u64) -> Timestamp {
    ms(secs * 1000)
}

/// Counts buffers that somebody holds.
#[derive(Clone, Default)]
pub(crate) struct Buffers(Arc<AtomicUsize>);

impl Buffers {
    pub(crate) fn held(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
    pub(crate) fn of(&self, bytes: Vec<u8>) -> Pbuf {
        self.0.fetch_add(1, Ordering::Relaxed);
        Pbuf::from_owner(Owner { bytes, count: self.0.clone() })
    }
}

struct Owner {
    bytes: Vec<u8>,
    count: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A fragment of `len` bytes at `offset`, as the decoder would describe it in a frame without link layer.
pub(crate) fn v4(id: u32, offset: u32, len: u32, more: bool) -> Fragment {
    Fragment {
        ip_version: IpVersion::V4,
        src: A,
        dst: B,
        id,
        offset,
        more,
        vlan: VlanTags::default(),
        protocol: 17,
        ip_offset: 0,
        payload_offset: 20,
        payload_len: len,
        protocol_offset: 9,
        link_len: 0,
        ttl: 64,
        macs: None,
        recursion: 0,
        layers: 1,
        tunnel: Tunnel::NONE,
    }
}
/// The same over IPv6; no extension header but that of the fragment.
pub(crate) fn v6(id: u32, offset: u32, len: u32, more: bool) -> Fragment {
    Fragment {
        ip_version: IpVersion::V6,
        src: Address([0x20; 16]),
        dst: Address([0x21; 16]),
        payload_offset: 48,
        protocol_offset: 6,
        ..v4(id, offset, len, more)
    }
}

/// The same with so many bytes of options, or of an extension header.
pub(crate) fn longer_header(f: Fragment, bytes: u32) -> Fragment {
    let behind_the_header = f.ip_version == IpVersion::V6 && bytes > 0;
    let protocol_offset = if behind_the_header { f.ip_offset + 40 } else { f.protocol_offset };
    Fragment { payload_offset: f.payload_offset + bytes, protocol_offset, ..f }
}

/// The header that goes with a fragment; IPv4 with a right checksum and options up to `payload_offset`.
pub(crate) fn header(f: &Fragment) -> Vec<u8> {
    let header_len = (f.payload_offset - f.ip_offset) as usize;
    let mut header = vec![0_u8; header_len];
    let word = |value: u32| (value as u16).to_be_bytes();
    match f.ip_version {
        IpVersion::V4 => {
            header[20..].fill(1);
            header[0] = 0x40 | (header_len / 4) as u8;
            header[2..4].copy_from_slice(&word(header_len as u32 + f.payload_len));
            header[4..6].copy_from_slice(&word(f.id));
            header[6..8].copy_from_slice(&word((f.offset / 8) | (u32::from(f.more) << 13)));
            header[8] = 64;
            header[9] = f.protocol;
            header[12..16].copy_from_slice(&f.src.0[..4]);
            header[16..20].copy_from_slice(&f.dst.0[..4]);
            let sum = !sum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        IpVersion::V6 => {
            header[0] = 0x60;
            header[4..6].copy_from_slice(&word((header_len - 40) as u32 + f.payload_len));
            header[6] = if header_len > 48 { 60 } else { 44 };
            header[7] = 64;
            header[8..24].copy_from_slice(&f.src.0);
            header[24..40].copy_from_slice(&f.dst.0);
            let fragment = header_len - 8;
            if header_len > 48 {
                // One destination options header, padded.
                header[40] = 44;
                header[41] = ((fragment - 40) / 8 - 1) as u8;
                header[42] = 1;
                header[43] = (fragment - 44) as u8;
            }
            header[fragment] = f.protocol;
            header[fragment + 2..fragment + 4].copy_from_slice(&word(f.offset | u32::from(f.more)));
            header[fragment + 4..].copy_from_slice(&f.id.to_be_bytes());
        }
    }
    header
}

/// Header and payload.
pub(crate) fn packet(f: &Fragment, payload: &[u8]) -> Vec<u8> {
    [&header(f), payload].concat()
}

/// The Internet checksum's sum, not complemented: all ones over a header that is right.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}

/// One defragmenter, and the buffers that it was given.
pub(crate) struct Bed {
    pub(crate) defrag: Defrag,
    pub(crate) buffers: Buffers,
}

impl Bed {
    pub(crate) fn new(config: DefragConfig) -> Self {
        Self { defrag: Defrag::new(config, HashSecret::from_seed([1, 2])), buffers: Buffers::default() }
    }
    /// Hands in a fragment whose bytes are all `fill`.
    pub(crate) fn put(&mut self, f: Fragment, fill: u8, at: Timestamp) -> Outcome {
        self.bytes(f, vec![fill; f.payload_len as usize], at)
    }
    pub(crate) fn bytes(&mut self, f: Fragment, bytes: Vec<u8>, at: Timestamp) -> Outcome {
        let outcome = self.defrag.fragment(&f, 0, at, |_| self.buffers.of(packet(&f, &bytes)));
        self.check();
        outcome
    }
    /// What always holds.
    pub(crate) fn check(&self) {
        let (defrag, config) = (&self.defrag, self.defrag.config());
        let counters = &defrag.counters;
        assert_eq!(counters.fragments(), counters.ended() + counters.held, "every fragment has one end");
        assert!(defrag.memuse() <= config.memcap, "{} bytes of {}", defrag.memuse(), config.memcap);
        assert!(defrag.trackers() <= config.trackers && defrag.kept() <= config.max_frags);
        assert!(u64::from(defrag.kept()) <= counters.held);
        assert!(self.buffers.held() >= defrag.kept() as usize);
    }
    /// Ends the run: nothing is held any more, and nothing was lost.
    pub(crate) fn end(mut self) {
        self.defrag.finish();
        self.check();
        assert_eq!((self.defrag.counters.held, self.defrag.kept(), self.defrag.trackers()), (0, 0, 0));
        assert_eq!(self.buffers.held(), 0, "all buffers are back");
    }
}

/// Few rows and little memory, and otherwise as shipped.
pub(crate) fn small() -> DefragConfig {
    DefragConfig { hash_size: 16, prealloc: false, ..DefragConfig::default() }
}
pub(crate) fn compat() -> DefragConfig {
    DefragConfig { compat: Compat::Suricata, ..small() }
}

pub(crate) fn complete(outcome: Outcome) -> Datagram {
    match outcome {
        Outcome::Complete(datagram) => datagram,
        other => panic!("{other:?}"),
    }
}
pub(crate) fn dropped(outcome: Outcome) -> DropReason {
    match outcome {
        Outcome::Dropped(reason) => reason,
        other => panic!("{other:?}"),
    }
}
#[track_caller]
pub(crate) fn held(outcome: Outcome) {
    assert!(matches!(outcome, Outcome::Held), "{outcome:?}");
}
pub(crate) fn payload(datagram: &Datagram) -> Vec<u8> {
    let mut bytes = Vec::new();
    datagram.write_to(&mut bytes);
    bytes.split_off(datagram.header().len())
}
