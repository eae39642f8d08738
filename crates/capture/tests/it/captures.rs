//! Lists of captures: order, directories, errors that do not stop the list, and what is said in the end.

use crate::scratch::{Scratch, drain, gzip};
use flumen_capture::records::ByteOrder;
use flumen_capture::write::{PcapWriter, PcapngWriter, Ticks};
use flumen_capture::{CaptureFile, Captures, NoticeKind, Options, Verdict};
use flumen_model::{PacketBatch, PacketSource, Span, Timestamp};
use flumen_pbuf::Pbuf;
use std::path::{Path, PathBuf};

fn one(time: u64, data: &[u8]) -> PcapWriter {
    let mut writer = PcapWriter::new(ByteOrder::Big, Ticks::Nanos, 1);
    writer.packet(Timestamp::from_nanos(time), data, data.len() as u32);
    writer
}

fn read(paths: &[PathBuf]) -> (Vec<Vec<u8>>, Captures) {
    let mut captures = Captures::open(paths, Options::default()).expect("the paths are there");
    let (seen, error) = drain(&mut captures);
    assert_eq!(error, None, "a list does not stop");
    (seen.into_iter().map(|packet| packet.data).collect(), captures)
}

#[test]
fn several_files_then_in_the_order_given() {
    let scratch = Scratch::new();
    let late = scratch.file("a", one(200, b"late").bytes());
    let early = scratch.file("b", one(100, b"early").bytes());
    let (packets, captures) = read(&[late.clone(), early.clone(), late]);
    assert_eq!(packets, [b"late".to_vec(), b"early".to_vec(), b"late".to_vec()]);
    assert_eq!((captures.verdict(), captures.errors()), (Verdict::Clean, &[][..]));
    let notice = &captures.notices()[0];
    assert_eq!((captures.notices().len(), &notice.kind), (1, &NoticeKind::Overlaps { by: Span::from_nanos(100) }));
    assert_eq!(notice.source_name, early.display().to_string());
    let progress = captures.progress();
    assert_eq!(Some(progress.bytes_done), progress.bytes_total);
}

#[test]
fn directory_then_its_captures_by_time_and_the_rest_left_out() {
    let scratch = Scratch::new();
    scratch.file("a-third", &gzip(one(300, b"third").bytes()));
    scratch.file("b-first", one(100, b"first").bytes());
    let mut pcapng = PcapngWriter::new(ByteOrder::Little);
    pcapng.interface(1, 0, &[(9, &[9])]).packet(0, 200, b"second", 6);
    scratch.file("c-second", pcapng.bytes());
    scratch.file("d-second", one(200, b"also second").bytes());
    scratch.file("e-nothing", PcapngWriter::new(ByteOrder::Big).bytes());
    scratch.file("notes.txt", b"not a capture");
    scratch.file("zero", b"");
    std::fs::create_dir(scratch.path().join("deeper")).expect("a directory");
    let (packets, captures) = read(&[scratch.path().to_owned()]);
    let expected = ["first", "second", "also second", "third"].map(|name| name.as_bytes().to_vec());
    assert_eq!(packets, expected);
    assert_eq!(captures.verdict(), Verdict::Clean);
    let said: Vec<String> = captures.notices().iter().map(ToString::to_string).collect();
    let name = |file: &str| scratch.path().join(file).display().to_string();
    let expected = [
        format!("{}: left out: a directory within a directory is not read", name("deeper")),
        format!("{}: left out: not a capture: neither pcap nor pcapng, it begins with 6e 6f 74 20", name("notes.txt")),
        format!("{}: left out: the file is empty (0 bytes)", name("zero")),
        format!("{}: the capture holds no packets", name("e-nothing")),
    ];
    assert_eq!(said, expected);
    let progress = captures.progress();
    assert_eq!(Some(progress.bytes_done), progress.bytes_total);
}

#[test]
fn errors_in_earlier_files_then_later_ones_are_read() {
    let scratch = Scratch::new();
    let not = scratch.file("not", b"not a capture");
    let mut cut = one(1, b"whole");
    cut.packet(Timestamp::from_nanos(2), b"cut off", 7);
    let cut = scratch.file("cut", &cut.bytes()[..60]);
    let good = scratch.file("good", one(3, b"good").bytes());
    let (packets, captures) = read(&[not.clone(), cut.clone(), good.clone()]);
    assert_eq!(packets, [b"whole".to_vec(), b"good".to_vec()]);
    assert_eq!(captures.verdict(), Verdict::Damaged);
    let errors: Vec<(&str, Option<u64>, bool)> =
        captures.errors().iter().map(|error| (error.source_name.as_str(), error.offset, error.damaged)).collect();
    let (not_name, cut_name) = (not.display().to_string(), cut.display().to_string());
    assert_eq!(errors, [(not_name.as_str(), None, false), (cut_name.as_str(), Some(45), true)]);
    assert_eq!(read(&[good]).1.verdict(), Verdict::Clean);
    assert_eq!(read(&[cut]).1.verdict(), Verdict::Damaged);
    let (packets, captures) = read(&[not]);
    assert_eq!((packets.len(), captures.verdict(), captures.progress().bytes_done), (0, Verdict::Failed, 13));
}

#[test]
fn mistaken_paths_then_told_before_anything_is_read() {
    let scratch = Scratch::new();
    let good = scratch.file("good", one(3, b"good").bytes());
    let missing = scratch.path().join("missing");
    let empty = scratch.path().join("empty");
    std::fs::create_dir(&empty).expect("a directory");
    let dash = Path::new("-").to_owned();
    for (paths, expected) in [
        (vec![good.clone(), missing], "No such file"),
        (vec![good, empty], "the directory holds no capture"),
        (vec![dash.clone(), dash], "standard input can be read only once"),
    ] {
        let error = Captures::open(&paths, Options::default()).expect_err("it cannot be read");
        assert!(error.reason.contains(expected) && !error.damaged, "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn large_file_read_with_its_errands_then_little_of_it_is_in_memory() {
    let scratch = Scratch::new();
    let mut writer = PcapWriter::new(ByteOrder::Little, Ticks::Nanos, 1);
    let (packets, data) = (30_000, [7; 1400]);
    for at in 0..packets {
        writer.packet(Timestamp::from_nanos(at), &data, data.len() as u32);
    }
    let path = scratch.file("large", writer.bytes());
    let mut capture = CaptureFile::open(&path, &Options::default()).expect("a capture");
    let (mut batch, mut read, mut held) = (PacketBatch::new(), 0, Vec::new());
    while capture.fill(&mut batch).expect("nothing is wrong") {
        batch.run_errand();
        assert!(batch.packets().all(|packet| packet.data == data));
        read += batch.len() as u64;
        let first = batch.entries()[0].offset;
        held.push(batch.hold(first..first + data.len(), Pbuf::empty()).expect("a reference"));
    }
    assert_eq!(read, packets);
    let resident = resident_of(&path);
    assert!(resident > 0 && resident < 16 << 20, "{resident} of {} bytes", writer.bytes().len());
    assert!(held.iter().all(|packet| packet.as_slice() == data), "what was let go comes back");
}

/// Bytes of a mapped file that count as memory of this process.
fn resident_of(path: &Path) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/smaps").expect("Linux has it");
    let path = path.to_str().expect("a plain name");
    let mut lines = maps.lines().skip_while(|line| !line.ends_with(path));
    let resident = lines.find_map(|line| line.strip_prefix("Rss:")).expect("it is mapped");
    let kilobytes = resident.trim().strip_suffix(" kB").and_then(|number| number.parse::<u64>().ok());
    kilobytes.expect("a number") << 10
}
