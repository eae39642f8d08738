//! Outputs that fail: how many records were lost is said, and it is right.

use crate::lines;
use crate::support::{Random, record};
use flumen_model::FlowRecord;
use flumen_model::sink::{RecordSink, SinkError, Stats};
use flumen_output::eve::{BUFFER_BYTES, EveConfig, EveWriter, ExistingFile};
use std::io::{self, ErrorKind, Write};

/// Takes `room` bytes in small bites, then fails with `kind`.
struct Full {
    taken: Vec<u8>,
    room: usize,
    kind: ErrorKind,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bite = bytes.len().min(self.room - self.taken.len()).min(1000);
        if bite == 0 {
            return Err(self.kind.into());
        }
        self.taken.extend_from_slice(&bytes[..bite]);
        Ok(bite)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn records(count: u64) -> Vec<FlowRecord> {
    (0..count).map(|n| FlowRecord { flow_id: n * n * n, ..record("10.0.0.1", "10.0.0.2") }).collect()
}

fn full(room: usize, kind: ErrorKind) -> EveWriter<Full> {
    let config = EveConfig { netflow: true, ..EveConfig::default() };
    EveWriter::new(Full { taken: Vec::new(), room, kind }, "a full disk", config)
}

#[test]
fn error_after_any_number_of_bytes_then_lost_is_what_is_not_whole() {
    let records = records(7);
    let config = EveConfig { netflow: true, ..EveConfig::default() };
    let lengths: Vec<usize> =
        records.iter().map(|r| lines(r, config.clone()).iter().map(|l| l.len() + 1).sum()).collect();
    let total = lengths.iter().sum::<usize>();
    for room in 0..total {
        let mut writer = full(room, ErrorKind::StorageFull);
        writer.flows(&records).expect("it is buffered");
        let mut left = room;
        let whole = lengths.iter().take_while(|&&len| left.checked_sub(len).map(|rest| left = rest).is_some()).count();
        match writer.finish() {
            Err(SinkError::Io { target, lost, source }) => {
                assert_eq!((target.as_str(), lost), ("a full disk", (records.len() - whole) as u64), "room {room}");
                assert_eq!(source.kind(), ErrorKind::StorageFull);
            }
            other => panic!("room {room}: {other:?}"),
        }
        assert_eq!(writer.written(), whole as u64);
        assert!(writer.finish().is_ok(), "a loss is reported once");
    }
    let mut writer = full(total, ErrorKind::StorageFull);
    assert!(writer.flows(&records).is_ok() && writer.finish().is_ok());
    assert_eq!(writer.written(), 7);
}

#[test]
fn large_batches_on_a_full_disk_then_written_and_lost_add_up() {
    let mut random = Random(7);
    let batch = records(10_000);
    for _ in 0..3 {
        let mut writer = full(random.below(4 * BUFFER_BYTES as u64) as usize, ErrorKind::StorageFull);
        let mut lost = 0;
        let mut count = |outcome| match outcome {
            Ok(()) => {}
            Err(SinkError::Io { lost: more, .. }) => lost += more,
            Err(SinkError::Closed) => panic!("a full disk is not a closed pipe"),
        };
        count(writer.flows(&batch));
        count(writer.flows(&batch));
        count(writer.finish());
        assert!(lost > 0);
        assert_eq!(writer.written() + lost, 20_000);
    }
}

#[test]
fn room_again_after_a_cut_line_then_later_lines_are_whole() {
    let mut out = Vec::new();
    {
        let config = EveConfig::default();
        let mut writer = EveWriter::new(CutOnce { out: &mut out, cut: false }, "a disk", config);
        assert!(writer.flows(&records(3)).is_ok() && writer.finish().is_err());
        assert!(writer.flows(&records(2)).is_ok() && writer.finish().is_ok());
        assert_eq!(writer.written(), 2);
    }
    let text = String::from_utf8(out).expect("UTF-8");
    let parsed: Vec<bool> = text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()).collect();
    assert_eq!(parsed, [false, true, true]);
}

/// Takes 100 bytes, fails once, and then takes all.
struct CutOnce<'a> {
    out: &'a mut Vec<u8>,
    cut: bool,
}

impl Write for CutOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.out.is_empty() {
            self.out.extend_from_slice(&bytes[..100]);
            return Ok(100);
        }
        if !std::mem::replace(&mut self.cut, true) {
            return Err(ErrorKind::StorageFull.into());
        }
        self.out.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn reader_of_the_pipe_gone_then_closed() {
    let mut writer = full(10, ErrorKind::BrokenPipe);
    assert!(writer.flows(&records(1)).is_ok());
    assert!(matches!(writer.finish(), Err(SinkError::Closed)));
    let mut watched = full(10, ErrorKind::BrokenPipe).unbuffered();
    assert!(matches!(watched.flows(&records(1)), Err(SinkError::Closed)));
}

#[test]
fn stats_snapshot_then_buffered_records_are_out() {
    let mut writer = full(usize::MAX, ErrorKind::Other);
    writer.flows(&records(2)).expect("room enough");
    assert_eq!(writer.output().taken, b"");
    writer.stats(&Stats::default()).expect("room enough");
    assert_eq!(writer.output().taken.iter().filter(|&&b| b == b'\n').count(), 2 * 2 + 1);
}

#[test]
fn file_that_ends_within_a_line_then_that_is_cut_off() {
    let directory = std::env::temp_dir().join(format!("flumen-output-torn-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("made");
    std::fs::write(directory.join("eve.json"), "{}\n{\"timesta").expect("written");
    for _ in 0..2 {
        let mut writer = EveWriter::create(&directory, EveConfig::default()).expect("the file is there");
        writer.flows(&records(1)).and_then(|()| writer.finish()).expect("there is room");
    }
    let text = std::fs::read_to_string(directory.join("eve.json")).expect("a file");
    let whole: Vec<bool> = text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()).collect();
    assert_eq!(whole, [true; 3]);
    std::fs::remove_dir_all(directory).expect("removed");
}

#[test]
fn existing_file_then_appended_to_or_replaced_as_configured() {
    let directory = std::env::temp_dir().join(format!("flumen-output-{}", std::process::id()));
    let below = directory.join("made/on/the/way");
    let write = |existing| {
        let config = EveConfig { existing, ..EveConfig::default() };
        let mut writer = EveWriter::create(&below, config).expect("the file can be made");
        writer.flows(&records(1)).and_then(|()| writer.finish()).expect("there is room");
        let reopen = writer.output().reopen_handle();
        std::fs::read_to_string(below.join("eve.json")).map(|text| (text.lines().count(), reopen, writer))
    };
    assert_eq!(write(ExistingFile::Append).expect("a file").0, 1);
    let (count, reopen, mut writer) = write(ExistingFile::Append).expect("a file");
    assert_eq!(count, 2);
    // The name cannot be opened for a while: nothing is lost, and the request stands.
    std::fs::rename(below.join("eve.json"), below.join("old.json")).expect("renamed");
    std::fs::create_dir(below.join("eve.json")).expect("made");
    reopen.request();
    writer.flows(&records(1)).and_then(|()| writer.finish()).expect("there is room");
    assert!(reopen.is_pending());
    std::fs::remove_dir(below.join("eve.json")).expect("removed");
    std::fs::rename(below.join("old.json"), below.join("eve.json")).expect("renamed");
    // A rotation: what is written after the request lands in a new file.
    std::fs::rename(below.join("eve.json"), below.join("old.json")).expect("renamed");
    for _ in 0..2 {
        writer.flows(&records(1)).and_then(|()| writer.finish()).expect("there is room");
    }
    let count = |name: &str| std::fs::read_to_string(below.join(name)).expect("a file").lines().count();
    assert_eq!((count("old.json"), count("eve.json")), (3, 2));
    assert!(!reopen.is_pending());
    assert_eq!(write(ExistingFile::Truncate).expect("a file").0, 1);
    assert!(EveWriter::create(&below.join("eve.json"), EveConfig::default()).is_err(), "a file is no directory");
    std::fs::remove_dir_all(directory).expect("removed");
}
