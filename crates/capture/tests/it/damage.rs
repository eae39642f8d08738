//! A file for each thing that can be wrong: what is said of it, where, and what was read before.

use crate::scratch::{Scratch, Way, drain, gzip, zstd};
use flumen_capture::records::ByteOrder;
use flumen_capture::write::{PcapWriter, PcapngWriter, Ticks};
use flumen_capture::{CaptureFile, Options};
use flumen_model::{SourceError, Timestamp};

/// A capture of three packets of 10 bytes: 24 + 3 × 26 bytes.
fn three() -> PcapWriter {
    let mut writer = PcapWriter::new(ByteOrder::Little, Ticks::Micros, 1);
    for n in 1..=3 {
        writer.packet(Timestamp::from_parts(n, 0), &[n as u8; 10], 10);
    }
    writer
}

/// Opening fails in every way, without a packet; returns what is said.
fn refused(bytes: &[u8]) -> String {
    let scratch = Scratch::new();
    let mut reasons: Vec<String> = Vec::new();
    for way in [Way::Mapped, Way::Streamed, Way::Dribble] {
        let error = way.open(&scratch, bytes).expect_err("it is not a capture");
        assert!(!error.damaged && error.offset.is_none(), "{error:?}");
        reasons.push(error.reason);
    }
    assert!(reasons.iter().all(|reason| *reason == reasons[0]), "{reasons:?}");
    reasons.remove(0)
}

/// Reading stops with the same error in every way, after `packets`; returns offset and what is said.
fn damaged(bytes: &[u8], packets: usize) -> (u64, String) {
    let scratch = Scratch::new();
    let mut found: Vec<(u64, String)> = Vec::new();
    for way in Way::ALL {
        let mut capture = way.open(&scratch, bytes).expect("the header is in order");
        let (seen, error) = drain(&mut capture);
        let error = error.expect("the damage is told");
        assert_eq!(seen.len(), packets, "{way:?}: {error}");
        assert!(error.damaged);
        assert_eq!(error.reason.contains("(the byte is counted in the decompressed data)"), way.is_compressed());
        let reason = error.reason.replace(" (the byte is counted in the decompressed data)", "");
        found.push((error.offset.expect("damage has a place"), reason));
    }
    assert!(found.iter().all(|other| *other == found[0]), "{found:?}");
    found.remove(0)
}

#[test]
fn empty_file_then_refused() {
    assert_eq!(refused(b""), "the file is empty (0 bytes)");
}

#[test]
fn text_then_refused_with_its_first_bytes() {
    assert_eq!(refused(b"{\"a\":1}"), "not a capture: neither pcap nor pcapng, it begins with 7b 22 61 22");
    assert_eq!(refused(b"x"), "not a capture: neither pcap nor pcapng, it begins with 78");
}

#[test]
fn known_formats_then_refused_by_name() {
    for (head, name) in [
        (&[0x34, 0xcd, 0xb2, 0xa1, 2, 0, 4, 0][..], "modified (Kuznetzov) pcap"),
        (&[0xa1, 0xb2, 0xcd, 0x34, 0, 2, 0, 4], "modified (Kuznetzov) pcap"),
        (b"snoop\0\0\0\0\0\0\x02", "snoop"),
        (&[0x0d, 0x0a, 0x0d, 0x0d, 0x0d, 0x0a], "transferred as text"),
        (&[0xfd, b'7', b'z', b'X', b'Z', 0, 0, 4], "xz"),
        (b"BZh91AY&SY", "bzip2"),
        (b"PK\x03\x04....", "zip"),
    ] {
        let reason = refused(head);
        assert!(reason.contains(name), "{reason}");
    }
}

#[test]
fn short_header_then_refused_with_both_lengths() {
    let reason = "the file header is cut short: it needs 24 bytes, the file has 10";
    assert_eq!(refused(&three().bytes()[..10]), reason);
    assert_eq!(refused(&PcapngWriter::new(ByteOrder::Big).bytes()[..10]), reason);
}

#[test]
fn other_versions_then_refused() {
    let mut bytes = three().bytes().to_vec();
    bytes[4] = 3;
    assert_eq!(refused(&bytes), "pcap version 3.4 is not read");
    (bytes[4], bytes[6]) = (2, 2);
    assert_eq!(refused(&bytes), "pcap version 2.2 is not read");
    let mut bytes = PcapngWriter::new(ByteOrder::Big).bytes().to_vec();
    bytes[13] = 2;
    assert_eq!(refused(&bytes), "pcapng version 2.0 is not read");
}

#[test]
fn pcapng_without_byte_order_then_refused() {
    let mut bytes = PcapngWriter::new(ByteOrder::Big).bytes().to_vec();
    bytes[8] = 9;
    let reason = "bad pcapng header: a section without byte order: 0x092b3c4d stands where 0x1a2b3c4d is expected";
    assert_eq!(refused(&bytes), reason);
}

#[test]
fn compressed_twice_or_not_a_capture_inside_then_refused() {
    let scratch = Scratch::new();
    for (bytes, expected) in [
        (gzip(&gzip(three().bytes())), "a file compressed twice is not read; decompress it once"),
        (zstd(&gzip(three().bytes())), "a file compressed twice is not read; decompress it once"),
        (gzip(b"hello"), "not a capture: neither pcap nor pcapng, it begins with 68 65 6c 6c"),
        (gzip(b""), "the file is empty (0 bytes)"),
    ] {
        let path = scratch.file("inside", &bytes);
        let error = CaptureFile::open(&path, &Options::default()).expect_err("it is not a capture");
        let source_name = path.display().to_string();
        assert_eq!(error, SourceError { source_name, offset: None, reason: expected.into(), damaged: false });
    }
}

#[test]
fn missing_file_then_the_name_is_told() {
    let scratch = Scratch::new();
    let path = scratch.path().join("missing.pcap");
    let error = CaptureFile::open(&path, &Options::default()).expect_err("it is not there");
    assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    let error = CaptureFile::open(scratch.path(), &Options::default()).expect_err("a directory is no capture");
    assert_eq!(error.reason, "it is a directory");
}

#[test]
fn last_packet_cut_short_then_those_before_are_read() {
    let bytes = three();
    let bytes = bytes.bytes();
    for cut in 1..26 {
        let (offset, reason) = damaged(&bytes[..bytes.len() - cut], 2);
        let (needed, available) = (if 26 - cut < 16 { 16 } else { 26 }, 26 - cut);
        assert_eq!(offset, 76);
        let expected = format!("the last packet record is cut short: it needs {needed} bytes, {available} are left");
        assert_eq!(reason, expected);
    }
}

#[test]
fn absurd_length_then_those_before_are_read() {
    for captured in [262_145_u32, u32::MAX] {
        let mut writer = three();
        writer.raw(&[0; 8]).raw(&captured.to_le_bytes()).raw(&[0; 4]).raw(&[7; 1000]);
        let (offset, reason) = damaged(writer.bytes(), 3);
        assert_eq!(offset, 102);
        assert_eq!(reason, format!("absurd captured length {captured} (at most 262144 bytes)"));
    }
}

#[test]
fn largest_packet_then_read() {
    let scratch = Scratch::new();
    let mut writer = three();
    let data = vec![9; 262_144];
    writer.packet(Timestamp::from_parts(4, 0), &data, 262_144).packet(Timestamp::from_parts(5, 0), b"end", 3);
    for way in Way::ALL {
        let (seen, error) = drain(&mut way.open(&scratch, writer.bytes()).expect("a capture"));
        assert_eq!((seen.len(), error), (5, None));
        assert!(seen[3].data == data && seen[4].data == b"end");
    }
}

#[test]
fn pcapng_block_cut_short_then_those_before_are_read() {
    let mut writer = PcapngWriter::new(ByteOrder::Little);
    writer.interface(1, 0, &[]).packet(0, 1, &[1; 10], 10);
    let whole = writer.bytes().len();
    let skipped_start = whole as u64;
    writer.block(0x0bad, &[3; 600_000]);
    let bytes = writer.bytes();
    for end in [whole + 7, whole + 8, whole + 100, bytes.len() - 4, bytes.len() - 1] {
        let (offset, reason) = damaged(&bytes[..end], 1);
        assert_eq!(offset, skipped_start);
        let needed = if end - whole < 8 { 8 } else { 600_012 };
        let available = end - whole;
        assert_eq!(reason, format!("the last block is cut short: it needs {needed} bytes, {available} are left"));
    }
    let (offset, reason) = damaged(&bytes[..whole - 1], 0);
    assert_eq!((offset, reason.as_str()), (48, "the last block is cut short: it needs 44 bytes, 43 are left"));
}

#[test]
fn pcapng_block_length_nonsense_then_those_before_are_read() {
    for length in [0_u32, 8, 13, 14, 31] {
        let mut writer = PcapngWriter::new(ByteOrder::Little);
        writer.interface(1, 0, &[]).packet(0, 1, &[1; 10], 10);
        writer.raw(&6_u32.to_le_bytes()).raw(&length.to_le_bytes()).raw(&[0; 100]);
        let (offset, reason) = damaged(writer.bytes(), 1);
        assert_eq!((offset, reason), (92, format!("absurd length {length} of a block of type 0x00000006")));
    }
    let mut writer = PcapngWriter::new(ByteOrder::Little);
    writer.raw(&6_u32.to_le_bytes()).raw(&0x4000_0000_u32.to_le_bytes()).raw(&[0; 100]);
    let (_, reason) = damaged(writer.bytes(), 0);
    assert_eq!(reason, "absurd length 1073741824 of a block of type 0x00000006");
}

#[test]
fn pcapng_block_ends_differ_then_told_at_its_start() {
    for (kind, at) in [(6_u32, 92), (0x0bad, 92)] {
        let mut writer = PcapngWriter::new(ByteOrder::Big);
        writer.interface(1, 0, &[]).packet(0, 1, &[1; 10], 10).block(kind, &[0; 32]);
        let mut bytes = writer.bytes().to_vec();
        let last = bytes.len() - 1;
        bytes[last] = 48;
        let (offset, reason) = damaged(&bytes, 1);
        let expected = "the block announces 44 bytes at its start and 48 at its end";
        assert_eq!((offset, reason.as_str()), (at, expected));
    }
}

#[test]
fn pcapng_packet_larger_than_its_block_then_told() {
    let mut writer = PcapngWriter::new(ByteOrder::Little);
    writer.interface(1, 0, &[]);
    let mut body = [0; 24];
    body[12] = 5;
    writer.block(6, &body);
    let (offset, reason) = damaged(writer.bytes(), 0);
    let expected = "the captured length 5 does not fit its block, which has room for 4 bytes";
    assert_eq!((offset, reason.as_str()), (48, expected));
    let mut writer = PcapngWriter::new(ByteOrder::Little);
    writer.interface(1, 0, &[]).block(3, &[100, 0, 0, 0, 1, 2, 3, 4]);
    let (_, reason) = damaged(writer.bytes(), 0);
    assert_eq!(reason, "the captured length 100 does not fit its block, which has room for 4 bytes");
    body[14] = 0xff;
    let mut writer = PcapngWriter::new(ByteOrder::Little);
    writer.interface(1, 0, &[]).block(6, &body);
    let (_, reason) = damaged(writer.bytes(), 0);
    assert_eq!(reason, "absurd captured length 16711685 (at most 262144 bytes)");
}

#[test]
fn pcapng_packet_of_unknown_interface_then_told() {
    let mut writer = PcapngWriter::new(ByteOrder::Little);
    writer.simple_packet(&[1; 4], 4);
    let (offset, reason) = damaged(writer.bytes(), 0);
    assert_eq!((offset, reason.as_str()), (28, "a packet of interface 0, of which the section describes 0"));
    // A new section forgets the interfaces of the one before.
    let mut writer = PcapngWriter::new(ByteOrder::Little);
    writer.interface(1, 0, &[]).packet(0, 1, b"ok", 2).section(ByteOrder::Big).packet(0, 1, b"no", 2);
    let (_, reason) = damaged(writer.bytes(), 1);
    assert_eq!(reason, "a packet of interface 0, of which the section describes 0");
}

#[test]
fn pcapng_section_damaged_in_the_middle_then_told() {
    let section_at = 92;
    for (byte, expected) in [
        (8, "a section without byte order: 0x0b3c2b1a stands where 0x1a2b3c4d is expected"),
        (12, "a section of version 11.0, which is not read"),
        (4, "absurd length 11 of a block of type 0x0a0d0d0a"),
    ] {
        let mut writer = PcapngWriter::new(ByteOrder::Little);
        writer.interface(1, 0, &[]).packet(0, 1, &[1; 10], 10).section(ByteOrder::Little);
        let mut bytes = writer.bytes().to_vec();
        bytes[section_at + byte] = 11;
        let (offset, reason) = damaged(&bytes, 1);
        assert_eq!((offset, reason.as_str()), (section_at as u64, expected));
    }
}

#[test]
fn gzip_cut_short_then_what_was_decompressed_is_read() {
    let scratch = Scratch::new();
    let bytes = gzip(three().bytes());
    // Only the checksum at the end is missing: every packet is there.
    let path = scratch.file("cut.gz", &bytes[..bytes.len() - 5]);
    let (seen, error) = drain(&mut CaptureFile::open(&path, &Options::default()).expect("a capture"));
    let error = error.expect("the end is missing");
    assert_eq!((seen.len(), error.offset, error.damaged), (3, Some(102), true));
    assert!(error.reason.starts_with("corrupt gzip data after"), "{error}");
    assert!(error.reason.contains("it ends within a member"), "{error}");
    // Nothing but a gzip header: nothing was usable.
    let path = scratch.file("nothing.gz", &bytes[..10]);
    let error = CaptureFile::open(&path, &Options::default()).expect_err("nothing is there");
    assert!(!error.damaged && error.reason.contains("it ends within a member"), "{error}");
}

#[test]
fn gzip_checksum_wrong_then_all_packets_and_an_error() {
    let scratch = Scratch::new();
    let mut bytes = gzip(three().bytes());
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    let path = scratch.file("sum.gz", &bytes);
    let (seen, error) = drain(&mut CaptureFile::open(&path, &Options::default()).expect("a capture"));
    let error = error.expect("the checksum is wrong");
    assert_eq!((seen.len(), error.offset, error.damaged), (3, Some(102), true));
}

#[test]
fn gzip_followed_by_zeros_then_clean_and_by_garbage_then_an_error() {
    let scratch = Scratch::new();
    let mut bytes = gzip(three().bytes());
    bytes.extend_from_slice(&[0; 300_000]);
    let path = scratch.file("zeros.gz", &bytes);
    let (seen, error) = drain(&mut CaptureFile::open(&path, &Options::default()).expect("a capture"));
    assert_eq!((seen.len(), error), (3, None));
    bytes.extend_from_slice(b"garbage");
    let path = scratch.file("garbage.gz", &bytes);
    let (seen, error) = drain(&mut CaptureFile::open(&path, &Options::default()).expect("a capture"));
    assert_eq!((seen.len(), error.map(|error| error.damaged)), (3, Some(true)));
}

#[test]
fn zstd_damaged_in_a_late_block_then_the_blocks_before_are_read() {
    let scratch = Scratch::new();
    let mut writer = PcapWriter::new(ByteOrder::Little, Ticks::Micros, 1);
    let mut numbers = crate::scratch::Numbers(7);
    for n in 0..10_000 {
        writer.packet(Timestamp::from_parts(n, 0), &numbers.bytes(84), 84);
    }
    // Cut within the last block: every other block is whole.
    let whole = zstd(writer.bytes());
    let path = scratch.file("cut.zst", &whole[..whole.len() - 10]);
    let (seen, error) = drain(&mut CaptureFile::open(&path, &Options::default()).expect("a capture"));
    let error = error.expect("the end is missing");
    assert!(error.damaged && error.reason.contains("it ends within a frame"), "{error}");
    let (block, packet) = (128 << 10, 100);
    assert!(seen.len() >= writer.bytes().len() / block * block / packet - 2, "only {} packets", seen.len());
    // A frame that is none, behind one that is whole.
    let path = scratch.file("garbage.zst", &[whole, b"garbage".to_vec()].concat());
    let (seen, error) = drain(&mut CaptureFile::open(&path, &Options::default()).expect("a capture"));
    assert_eq!((seen.len(), error.map(|error| error.offset)), (10_000, Some(Some(24 + 10_000 * 100))));
}

#[test]
fn reader_that_fails_then_what_came_before_is_read() {
    struct Failing(std::io::Cursor<Vec<u8>>);
    impl std::io::Read for Failing {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(out) {
                Ok(0) => Err(std::io::Error::other("the cable is out")),
                read => read,
            }
        }
    }
    let reader = Failing(std::io::Cursor::new(three().bytes().to_vec()));
    let (seen, error) = drain(&mut CaptureFile::from_reader("net".into(), reader).expect("a capture"));
    let reason = "reading failed: the cable is out".to_owned();
    assert_eq!(seen.len(), 3);
    assert_eq!(error, Some(SourceError { source_name: "net".into(), offset: Some(102), reason, damaged: true }));
}
