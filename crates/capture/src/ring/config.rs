//! What a ring is asked to be: the `af-packet` keys of suricata.yaml with its defaults, and the memory that follows.
//!
//! `use-mmap` and `tpacket-v3` have no counterpart, since there is no other way here; `threads` is the number of rings that
//! [`Ring::open`](super::Ring::open) is asked for.

use super::filter::Instruction;

/// How to capture on an interface. [`RingConfig::new`] has the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingConfig {
    /// Name of the interface, or [`ANY`] for all there are and will be.
    pub interface: String,
    /// Number that packets carry as [`Entry::device`](flumen_model::source::Entry::device). On [`ANY`], interfaces are numbered from
    /// here on as they are first seen.
    pub device: u16,
    /// How several rings share the packets (`cluster-id`, `cluster-type`, `defrag`, `rollover`). `None`: a ring of its own
    /// that shares with nobody, and for several rings [`Fanout::default`].
    pub fanout: Option<Fanout>,
    /// Packets of the interface's MTU that a ring has room for (`ring-size`). `None`: [`BLOCKS_DEFAULT`] blocks.
    pub ring_size: Option<u32>,
    /// Bytes a block (`block-size`), rounded up to a power of two, and to what holds the largest packet.
    pub block_size: usize,
    /// Milliseconds after which a block is handed over though it is not full (`block-timeout`), 1 to [`BLOCK_TIMEOUT_MS_MAX`].
    pub block_timeout_ms: u32,
    /// Whether to ask for frames that are for other hosts (`disable-promisc: no`).
    pub promiscuous: bool,
    /// Whether the ring must stay in memory (`mmap-locked`).
    pub locked: bool,
    /// Longest part of a frame that is captured, in bytes; the kernel cuts off the rest.
    pub snap_len: u32,
    /// Whether frames that this host sends are captured.
    pub outgoing: Outgoing,
    /// Whose time stamps packets carry.
    pub stamps: Stamps,
    /// A classic BPF program that the kernel runs on each frame, or nothing to take every frame. On [`ANY`] it sees each
    /// frame as its interface has it.
    pub filter: Vec<Instruction>,
    /// Percentage of the blocks that may be out, in batches and in references that outlive them, before
    /// [`hold`](flumen_model::PacketBatch::hold) copies. A reference that is kept until filling comes around to its block
    /// stops the ring, so this is for callers that let go long before. 0, the default, copies whatever is held, as befits
    /// fragments that wait for others: one copy each, and no sender of half a datagram can stop the capture.
    pub held_percent: u8,
}

/// Rings that share the packets of an interface: each packet comes to one of them (packet(7), `PACKET_FANOUT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fanout {
    /// Number of the group in the network namespace, shared by every process that names it. `None`: one that is free.
    pub id: Option<u16>,
    /// Which ring a packet goes to.
    pub mode: FanoutMode,
    /// Whether the kernel reassembles IPv4 fragments first. Without, fragments of a flow may go to another ring than the rest;
    /// with it, what comes is the whole datagram and not the frames that were on the wire.
    pub defrag: bool,
    /// Whether a packet whose ring is full goes to another one.
    pub rollover: bool,
}

/// Which ring of a group a packet goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FanoutMode {
    /// By the hash of its flow, the same for both directions (Linux 4.8 and later).
    Hash,
    /// By the processor that handled it.
    Cpu,
    /// By the queue of the interface that it came through.
    Queue,
    /// To each ring in turn.
    RoundRobin,
    /// To any.
    Random,
    /// To the first that has room.
    Rollover,
}

/// Whether frames that this host sends are captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// As what comes in.
    Captured,
    /// Not (`PACKET_IGNORE_OUTGOING`, Linux 4.20 and later).
    Ignored,
}

/// Whose time stamps packets carry. Always nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamps {
    /// The kernel's clock, when it first saw the packet.
    Kernel,
    /// The network card's clock, and the kernel's for packets that it did not stamp. Where the card cannot, the kernel's
    /// with a notice.
    Hardware,
}

/// The memory of one ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes a block, a power of two.
    pub block_size: usize,
    /// How many there are.
    pub blocks: usize,
}

/// Why a ring cannot be as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No name, or one longer than an interface can have.
    #[error("`{0}` is not the name of an interface (1 to 15 bytes)")]
    Name(String),
    /// A value outside its range.
    #[error("{key} {value} is outside {min} to {max}")]
    OutOfRange {
        /// Name of the setting in suricata.yaml.
        key: &'static str,
        /// What was asked for.
        value: u64,
        /// Least that is possible.
        min: u64,
        /// Most that is possible.
        max: u64,
    },
    /// More memory for one ring than anybody has.
    #[error("a ring of {0} bytes is too large; a smaller `ring-size` needs less")]
    TooLarge(u64),
    /// A filter that the kernel would not run.
    #[error("a filter of {0} instructions, more than the {max} that the kernel runs", max = super::filter::FILTER_MAX)]
    FilterTooLong(usize),
}

impl RingConfig {
    /// Suricata's defaults: a block of 32 pages, a timeout of 10 ms, promiscuous, whole packets.
    #[must_use]
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            device: 0,
            fanout: None,
            ring_size: None,
            block_size: 128 << 10,
            block_timeout_ms: 10,
            promiscuous: true,
            locked: false,
            snap_len: SNAP_LEN_MAX,
            outgoing: Outgoing::Captured,
            stamps: Stamps::Kernel,
            filter: Vec::new(),
            held_percent: 0,
        }
    }

    /// Whether this is about all interfaces.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.interface == ANY
    }

    /// Memory of each ring on an interface of that MTU, where memory comes in pages of `page` bytes.
    ///
    /// # Errors
    /// When a value is outside its range.
    pub fn geometry(&self, mtu: u32, page: usize) -> Result<Geometry, ConfigError> {
        self.check()?;
        // A block holds at least one of the largest packets: offloads merge frames up to 64 KiB whatever the MTU.
        let largest = frame_room(self.snap_len.min(mtu.max(MERGED_MAX).saturating_add(LINK_MAX)));
        let block_size = self.block_size.max(largest + BLOCK_HEADER).max(page).next_power_of_two();
        let blocks = match self.ring_size {
            None => BLOCKS_DEFAULT,
            Some(packets) => {
                let frame = frame_room(self.snap_len.min(mtu.saturating_add(LINK_MAX)));
                let per_block = ((block_size - BLOCK_HEADER) / frame).max(1);
                (packets as usize / per_block + 1).max(BLOCKS_MIN)
            }
        };
        match blocks.saturating_mul(block_size) as u64 {
            bytes if bytes > RING_BYTES_MAX => Err(ConfigError::TooLarge(bytes)),
            _ => Ok(Geometry { block_size, blocks }),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.interface.is_empty() || self.interface.len() > NAME_MAX || self.interface.bytes().any(|b| b == 0) {
            return Err(ConfigError::Name(self.interface.clone()));
        }
        if self.filter.len() > super::filter::FILTER_MAX {
            return Err(ConfigError::FilterTooLong(self.filter.len()));
        }
        in_range("block-size", self.block_size as u64, 1, BLOCK_SIZE_MAX)?;
        in_range("block-timeout", self.block_timeout_ms.into(), 1, BLOCK_TIMEOUT_MS_MAX.into())?;
        in_range("snaplen", self.snap_len.into(), 1, SNAP_LEN_MAX.into())?;
        in_range("held share", self.held_percent.into(), 0, 100)
    }
}

impl Geometry {
    /// Bytes of the ring.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.block_size * self.blocks
    }
}

impl Default for Fanout {
    /// By flow, in a group of its own, with fragments put together: Suricata's default.
    fn default() -> Self {
        Self { id: None, mode: FanoutMode::Hash, defrag: true, rollover: false }
    }
}

impl FanoutMode {
    /// The mode that Suricata's `cluster-type` names; `None` for `cluster_ebpf` and for what is no name.
    #[must_use]
    pub fn from_cluster_type(name: &str) -> Option<Self> {
        Some(match name {
            "cluster_flow" => Self::Hash,
            "cluster_cpu" => Self::Cpu,
            "cluster_qm" => Self::Queue,
            "cluster_round_robin" => Self::RoundRobin,
            "cluster_random" => Self::Random,
            "cluster_rollover" => Self::Rollover,
            _ => return None,
        })
    }
}

fn in_range(key: &'static str, value: u64, min: u64, max: u64) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(ConfigError::OutOfRange { key, value, min, max }) }
}

/// Bytes of a block that a frame takes: header, address of the link, and what aligns the next.
fn frame_room(frame: u32) -> usize {
    (frame as usize + FRAME_OVERHEAD).next_multiple_of(libc::TPACKET_ALIGNMENT)
}

/// The name that stands for all interfaces.
pub const ANY: &str = "any";
/// Blocks of a ring when its size is not given: 8 MiB with blocks of the default size.
pub const BLOCKS_DEFAULT: usize = 64;
/// Longest time in milliseconds for which a block may fill.
pub const BLOCK_TIMEOUT_MS_MAX: u32 = 10_000;
/// Largest snap length in bytes: what captures in files may have at most.
pub const SNAP_LEN_MAX: u32 = crate::fault::PACKET_MAX;

/// A ring where one block is read, one fills and some are held.
const BLOCKS_MIN: usize = 4;
const BLOCK_SIZE_MAX: u64 = 64 << 20;
const RING_BYTES_MAX: u64 = 64 << 30;
/// Bytes of an interface's name without the closing zero (`IFNAMSIZ` − 1).
const NAME_MAX: usize = libc::IF_NAMESIZE - 1;
/// Longest packet that receive offload merges.
const MERGED_MAX: u32 = 65_536;
/// An Ethernet header with two tags.
const LINK_MAX: u32 = 22;
const BLOCK_HEADER: usize = size_of::<libc::tpacket_block_desc>();
/// In front of a frame: its header and the link's address, room for a tag, and at most 31 bytes of alignment.
const FRAME_OVERHEAD: usize = libc::TPACKET3_HDRLEN + super::block::TAG_LEN + 31;

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 4096;

    #[test]
    fn defaults_then_eight_mebibytes_in_blocks_of_32_pages() {
        let geometry = RingConfig::new("eth0").geometry(1500, PAGE).expect("valid");
        assert_eq!(geometry, Geometry { block_size: 131_072, blocks: 64 });
        assert_eq!(geometry.bytes(), 8 << 20);
    }

    #[test]
    fn block_too_small_for_a_packet_then_it_grows() {
        let small = RingConfig { block_size: 5_000, ..RingConfig::new("eth0") };
        assert_eq!(small.geometry(1500, PAGE).expect("valid").block_size, 131_072, "offloads merge up to 64 KiB");
        let snapped = RingConfig { snap_len: 256, ..small };
        assert_eq!(snapped.geometry(1500, PAGE).expect("valid").block_size, 8_192, "the next power of two");
        let tiny = RingConfig { block_size: 1, snap_len: 64, ..RingConfig::new("eth0") };
        assert_eq!(tiny.geometry(1500, PAGE).expect("valid").block_size, PAGE);
        let jumbo = RingConfig::new("lo").geometry(1 << 20, PAGE).expect("valid");
        assert_eq!(jumbo.block_size, 262_144 * 2, "a packet as long as the snap length, and its header");
    }

    #[test]
    fn ring_size_then_blocks_for_as_many_packets() {
        let blocks = |packets| {
            let config = RingConfig { ring_size: Some(packets), ..RingConfig::new("eth0") };
            config.geometry(1500, PAGE).expect("valid").blocks
        };
        assert_eq!(blocks(0), BLOCKS_MIN);
        // 1,522 bytes and 103 of overhead, aligned: 80 of 1,632 a block.
        assert_eq!(blocks(2_048), 26);
        assert_eq!(blocks(100_000), 1_251);
        let config = RingConfig { ring_size: Some(u32::MAX), ..RingConfig::new("eth0") };
        assert!(matches!(config.geometry(1500, PAGE), Err(ConfigError::TooLarge(_))));
    }

    #[test]
    fn value_outside_its_range_then_an_error_that_names_the_key() {
        let base = RingConfig::new("eth0");
        for (config, message) in [
            (RingConfig { block_timeout_ms: 0, ..base.clone() }, "block-timeout 0 is outside 1 to 10000"),
            (RingConfig { snap_len: 0, ..base.clone() }, "snaplen 0 is outside 1 to 262144"),
            (RingConfig { held_percent: 101, ..base.clone() }, "held share 101 is outside 0 to 100"),
            (RingConfig { block_size: 0, ..base.clone() }, "block-size 0 is outside 1 to 67108864"),
            (RingConfig::new(""), "`` is not the name of an interface (1 to 15 bytes)"),
            (RingConfig::new("sixteen-bytes-00"), "`sixteen-bytes-00` is not the name of an interface (1 to 15 bytes)"),
        ] {
            assert_eq!(config.geometry(1500, PAGE).expect_err("refused").to_string(), message);
        }
    }

    #[test]
    fn cluster_type_of_suricata_then_its_mode() {
        assert_eq!(FanoutMode::from_cluster_type("cluster_flow"), Some(FanoutMode::Hash));
        assert_eq!(FanoutMode::from_cluster_type("cluster_qm"), Some(FanoutMode::Queue));
        assert_eq!(FanoutMode::from_cluster_type("cluster_ebpf"), None);
    }
}
