//! What can be wrong with the bytes of a capture, with the numbers a user needs to find the place.

/// Why bytes are not read as a capture at all. Nothing was delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No bytes.
    #[error("the file is empty (0 bytes)")]
    Empty,
    /// None of the formats that are known.
    #[error("not a capture: neither pcap nor pcapng, it begins with {}", Hex(.0))]
    NotACapture(Vec<u8>),
    /// A format that is known but not read.
    #[error("{name} is not read; {advice}")]
    Foreign {
        /// The format, as users call it.
        name: &'static str,
        /// What to do about it.
        advice: &'static str,
    },
    /// The file ends within its header.
    #[error("the file header is cut short: it needs {needed} bytes, the file has {available}")]
    HeaderCutShort {
        /// Length of the header in bytes.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// A version of the format that is laid out in another way.
    #[error("{format} version {major}.{minor} is not read")]
    Version {
        /// `pcap` or `pcapng`.
        format: &'static str,
        /// Major version of the header.
        major: u16,
        /// Minor version of the header.
        minor: u16,
    },
    /// The first section of a pcapng file is not laid out as it must be.
    #[error("bad pcapng header: {0}")]
    Section(FaultReason),
}

/// Where a capture is damaged. What lies before `offset` was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {reason}")]
pub struct Fault {
    /// First byte of the record or block that is wrong, from the start of the (decompressed) file.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: FaultReason,
}

/// What is wrong with a record or a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultReason {
    /// The input ends within it.
    #[error("the last {what} is cut short: it needs {needed} bytes, {available} are left")]
    CutShort {
        /// `packet record` or `block`.
        what: &'static str,
        /// Bytes it needs, as far as is known.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// A captured length that no capture has.
    #[error("absurd captured length {captured} (at most {max} bytes)")]
    AbsurdLength {
        /// The length that is announced.
        captured: u32,
        /// The longest that is accepted.
        max: u32,
    },
    /// A block length that cannot be.
    #[error("absurd length {length} of a block of type {kind:#010x}")]
    BlockLength {
        /// Type of the block.
        kind: u32,
        /// Its total length.
        length: u32,
    },
    /// The length that closes a block is not the one that opens it.
    #[error("the block announces {leading} bytes at its start and {trailing} at its end")]
    BlockEnds {
        /// Total length before the body.
        leading: u32,
        /// Total length after the body.
        trailing: u32,
    },
    /// A packet that does not fit its block.
    #[error("the captured length {captured} does not fit its block, which has room for {room} bytes")]
    PacketOutsideBlock {
        /// Captured length of the packet.
        captured: u32,
        /// Bytes the block has for it.
        room: u32,
    },
    /// A packet of an interface that was not described.
    #[error("a packet of interface {interface}, of which the section describes {described}")]
    UnknownInterface {
        /// Number of the interface.
        interface: u32,
        /// Interfaces described so far.
        described: usize,
    },
    /// More interfaces than are numbered.
    #[error("more than {0} interfaces in one section")]
    TooManyInterfaces(usize),
    /// A section that does not say its byte order.
    #[error("a section without byte order: {0:#010x} stands where 0x1a2b3c4d is expected")]
    ByteOrder(u32),
    /// A section of another major version.
    #[error("a section of version {0}.{1}, which is not read")]
    SectionVersion(u16, u16),
    /// The decompressor gave up.
    #[error("corrupt {format} data after {compressed} compressed bytes: {detail}")]
    Compression {
        /// `gzip` or `zstd`.
        format: &'static str,
        /// Compressed bytes taken in before.
        compressed: u64,
        /// What the decompressor said.
        detail: String,
    },
    /// Packets that are kept elsewhere hold every buffer of the stream.
    #[error("all {0} buffers of the stream are held by packets that are kept")]
    ChunksHeld(usize),
    /// The operating system gave up.
    #[error("reading failed: {0}")]
    Read(String),
}

/// The longest packet that is accepted, in bytes: libpcap's limit, 256 KiB.
pub const PACKET_MAX: u32 = 262_144;

/// Bytes as a user sees them in a hex dump.
struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}
