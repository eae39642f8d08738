//! Classic pcap in each variant, pipes, and how long buffers live.

use crate::scratch::{Scratch, Way, drain};
use flumen_capture::records::ByteOrder;
use flumen_capture::write::{PcapWriter, Ticks};
use flumen_capture::{BATCH_LEN, CaptureFile, FileAccess, NoticeKind, Options};
use flumen_model::{LinkType, PacketBatch, PacketSource, Span, Timestamp};
use std::io::Write;
use std::process::{Command, Stdio};

fn capture(packets: u64) -> PcapWriter {
    let mut writer = PcapWriter::new(ByteOrder::Little, Ticks::Nanos, 1);
    for n in 0..packets {
        writer.packet(Timestamp::from_nanos(n), &n.to_le_bytes(), 8);
    }
    writer
}

#[test]
fn each_variant_of_pcap_then_the_same_packets() {
    let scratch = Scratch::new();
    for order in [ByteOrder::Little, ByteOrder::Big] {
        for (ticks, nanos) in [(Ticks::Micros, 7_123_456_000), (Ticks::Nanos, 7_123_456_789)] {
            // The bits above the link type say that two words of a checksum follow each packet.
            let mut writer = PcapWriter::new(order, ticks, 0x2400_0000 | 276);
            writer.packet(Timestamp::from_nanos(7_123_456_789), b"packet", 60);
            writer.packet(Timestamp::from_parts(u64::from(u32::MAX), 0), b"", 0);
            for way in Way::ALL {
                let (seen, error) = drain(&mut way.open(&scratch, writer.bytes()).expect("a capture"));
                assert_eq!(error, None);
                assert_eq!((seen[0].nanos, seen[0].wire_len, seen[0].link), (nanos, 60, LinkType::Sll2));
                assert_eq!((&seen[0].data[..], seen[1].nanos), (&b"packet"[..], u64::from(u32::MAX) * 1_000_000_000));
            }
        }
    }
}

#[test]
fn odd_packets_then_counted() {
    let scratch = Scratch::new();
    let mut writer = PcapWriter::new(ByteOrder::Little, Ticks::Nanos, 147);
    for nanos in [100, 90, 200, 150] {
        writer.packet(Timestamp::from_nanos(nanos), b"abcd", if nanos == 90 { 5 } else { 4 });
    }
    // A wire length below the captured one is raised to it.
    writer.packet(Timestamp::from_nanos(200), b"abcd", 1);
    for way in Way::ALL {
        let mut capture = way.open(&scratch, writer.bytes()).expect("a capture");
        let (seen, error) = drain(&mut capture);
        assert_eq!((error, seen[4].wire_len), (None, 4));
        let expected = [
            NoticeKind::ClockBackwards { packets: 2, first_offset: 44, largest_step: Span::from_nanos(50) },
            NoticeKind::Snapped { packets: 1 },
            NoticeKind::UnsupportedLink { number: 147, packets: 5 },
        ];
        assert_eq!(capture.findings(), expected);
    }
}

#[test]
fn fifo_then_read_as_it_comes() {
    let scratch = Scratch::new();
    let path = scratch.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    let writer = {
        let path = path.clone();
        std::thread::spawn(move || {
            let capture = capture(1_000);
            let mut fifo = std::fs::OpenOptions::new().write(true).open(path).expect("the fifo");
            for piece in capture.bytes().chunks(777) {
                fifo.write_all(piece).expect("a reader");
            }
        })
    };
    let mut capture = CaptureFile::open(&path, &Options::default()).expect("a capture");
    let (seen, error) = drain(&mut capture);
    writer.join().expect("the writer");
    assert_eq!((seen.len(), error), (1_000, None));
    let progress = capture.progress();
    assert_eq!((progress.bytes_done, progress.bytes_total), (24 + 1_000 * 24, None));
}

/// Reads standard input when it is started by the test below, which is the only way to have one of its own.
#[test]
fn standard_input_of_a_child_then_read() {
    if std::env::var_os("FLUMEN_CAPTURE_CHILD").is_some() {
        let mut capture = CaptureFile::open("-".as_ref(), &Options::default()).expect("a capture");
        let (seen, error) = drain(&mut capture);
        assert_eq!((capture.name(), seen.len(), error), ("standard input", 5_000, None));
        return;
    }
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["streams::standard_input_of_a_child_then_read", "--exact"])
        .env("FLUMEN_CAPTURE_CHILD", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a child");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(capture(5_000).bytes()).expect("the child reads");
    drop(input);
    assert!(child.wait().expect("the child").success());
}

#[test]
fn packets_kept_then_their_bytes_stay() {
    let scratch = Scratch::new();
    let written = capture(100_000);
    for way in Way::ALL {
        if way == Way::Dribble {
            continue;
        }
        let mut source = way.open(&scratch, written.bytes()).expect("a capture");
        let mut batch = PacketBatch::new();
        let mut kept = Vec::new();
        while source.fill(&mut batch).expect("no damage") {
            kept.push((batch.block().expect("a block").clone(), *batch.entries().first().expect("a packet")));
        }
        drop((source, batch));
        for (block, entry) in kept {
            let data = &block.as_slice()[entry.offset..entry.offset + 8];
            assert_eq!(data, entry.timestamp.nanos().to_le_bytes(), "{way:?}");
        }
    }
}

#[test]
fn buffer_of_a_mapped_file_then_one_block_for_all_batches() {
    let scratch = Scratch::new();
    let packets = 2 * BATCH_LEN + 100;
    let path = scratch.file("capture", capture(packets as u64).bytes());
    let mut source = CaptureFile::open(&path, &Options { access: FileAccess::Mapped }).expect("a capture");
    let mut batch = PacketBatch::new();
    assert_eq!(source.fill(&mut batch), Ok(true));
    let first = batch.block().expect("a block").clone();
    assert_eq!(source.fill(&mut batch), Ok(true));
    assert!(first.shares_with(batch.block().expect("a block")));
    assert_eq!((batch.len(), first.as_slice().len()), (BATCH_LEN, 24 + packets * 24));
}

#[test]
fn progress_then_from_the_start_to_the_length_of_the_file() {
    let scratch = Scratch::new();
    for way in Way::ALL {
        if way == Way::Dribble {
            continue;
        }
        let mut capture = way.open(&scratch, capture(1_000).bytes()).expect("a capture");
        let total = capture.progress().bytes_total.expect("a file has a length");
        assert!(capture.progress().bytes_done <= total);
        drain(&mut capture);
        assert_eq!(capture.progress().bytes_done, total, "{way:?}");
    }
}
