//! A reader of classic pcap files, as much as the corpus needs: little-endian, one link type.

use std::fs;
use std::path::Path;

pub(crate) struct Capture {
    pub(crate) link: u32,
    pub(crate) packets: Vec<Packet>,
}

pub(crate) struct Packet {
    pub(crate) bytes: Vec<u8>,
    pub(crate) wire_len: u32,
}

impl Capture {
    /// Reads until the end or the first record that is cut short.
    pub(crate) fn read(path: &Path) -> Self {
        let file = fs::read(path).expect("a capture of the corpus");
        let word = |at: usize| file.get(at..).and_then(|rest| rest.first_chunk()).map(|b| u32::from_le_bytes(*b));
        let magic = word(0);
        assert!(matches!(magic, Some(0xa1b2_c3d4 | 0xa1b2_3c4d)), "{} is no classic pcap", path.display());
        let link = word(20).expect("a file header") & 0xffff;
        let mut packets = Vec::new();
        let mut at = 24;
        while let (Some(captured), Some(wire_len)) = (word(at + 8), word(at + 12)) {
            let start = at + 16;
            let Some(bytes) = file.get(start..start + captured as usize) else { break };
            packets.push(Packet { bytes: bytes.to_vec(), wire_len });
            at = start + captured as usize;
        }
        Self { link, packets }
    }
}
