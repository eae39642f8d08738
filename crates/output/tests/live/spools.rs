//! Spools before destinations of which each step is known.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flumen_model::FlowRecord;
use flumen_model::sink::{RecordSink, SinkError, Stats};
use flumen_output::eve::{EveConfig, EveWriter};
use flumen_output::spool::{Destination, SpoolConfig, Trouble};
use flumen_output::{LiveLog, Spool, StatsLogConfig, Steady, Target, WallClock};

use crate::support::{Random, record};
use crate::{Scratch, Told};

/// One answer to an attempt to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Takes at most so many bytes.
    Take(usize),
    Later,
    Broken,
    Line,
    Closed,
}

/// Does what the script says, then takes everything. Each connection is what came between two breaks.
struct Scripted {
    script: VecDeque<Act>,
    connections: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Nothing is done before a word comes; after the last one it is done freely.
    gate: Option<Receiver<()>>,
}

type Connections = Arc<Mutex<Vec<Vec<u8>>>>;

fn scripted(script: &[Act]) -> (Scripted, Connections) {
    let connections = Arc::new(Mutex::new(vec![Vec::new()]));
    let destination =
        Scripted { script: script.iter().copied().collect(), connections: Arc::clone(&connections), gate: None };
    (destination, connections)
}

impl Scripted {
    fn gated(mut self) -> (Self, Sender<()>) {
        let (word, gate) = channel();
        self.gate = Some(gate);
        (self, word)
    }
}

impl Destination for Scripted {
    fn name(&self) -> String {
        "a test".to_owned()
    }
    fn send(&mut self, lines: &[u8]) -> Result<usize, Trouble> {
        if let Some(gate) = &self.gate {
            // Its sender may be gone: then the gate is open.
            let _ = gate.recv();
        }
        let error = || io::Error::from(ErrorKind::StorageFull);
        let mut connections = self.connections.lock().expect("not poisoned");
        match self.script.pop_front().unwrap_or(Act::Take(usize::MAX)) {
            Act::Take(most) => {
                let taken = most.min(lines.len());
                connections.last_mut().expect("one").extend_from_slice(&lines[..taken]);
                Ok(taken)
            }
            Act::Later => Err(Trouble::Later(error())),
            Act::Broken => {
                connections.push(Vec::new());
                Err(Trouble::Broken(error()))
            }
            Act::Line => Err(Trouble::Line(error())),
            Act::Closed => Err(Trouble::Closed(ErrorKind::BrokenPipe.into())),
        }
    }
}

/// No pauses: what is waited for are only other threads.
const CONFIG: SpoolConfig = SpoolConfig { bytes: 1 << 20, drain: Duration::from_secs(60), pause: Duration::ZERO };

fn text(connections: &Connections) -> Vec<String> {
    let connections = connections.lock().expect("not poisoned");
    connections.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
}

/// What comes of `lines`, one batch each, by a script.
fn run(script: &[Act], lines: &[&str]) -> (Vec<String>, u64, Vec<String>) {
    let ((destination, connections), told) = (scripted(script), Told::default());
    let mut spool = Spool::start(destination, CONFIG, told.tell()).expect("a thread");
    for line in lines {
        // Refused once it is closed, which a script may have reached by then.
        let _ = spool.write_all(line.as_bytes());
    }
    let lost = spool.handle().drain();
    (text(&connections), lost, told.lines())
}

#[test]
fn lines_then_all_in_order() {
    let (connections, lost, told) = run(&[Act::Take(1), Act::Take(0), Act::Take(2)], &["abc\n", "de\nf\n"]);
    assert_eq!((connections, lost, told), (vec!["abc\nde\nf\n".to_owned()], 0, vec![]));
}

#[test]
fn full_for_a_while_then_continued_at_the_same_byte_and_told_twice() {
    let script = [Act::Take(2), Act::Later, Act::Later, Act::Later];
    let (connections, lost, told) = run(&script, &["abc\ndef\n"]);
    assert_eq!((connections, lost), (vec!["abc\ndef\n".to_owned()], 0));
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], "a test: no storage space; events wait in memory, up to 1048576 bytes of them");
    assert_eq!(told[1], "a test: written again, after 0 s");
}

#[test]
fn broken_within_a_line_then_the_line_is_sent_again_whole() {
    let (connections, lost, _) = run(&[Act::Take(6), Act::Broken, Act::Broken], &["abc\ndef\nghi\n"]);
    assert_eq!((connections, lost), (vec!["abc\nde".to_owned(), String::new(), "def\nghi\n".to_owned()], 0));
}

#[test]
fn line_that_is_never_taken_then_left_out_and_counted() {
    let (connections, lost, told) = run(&[Act::Take(4), Act::Line], &["abc\ndef\nghi\n"]);
    assert_eq!((connections, lost), (vec!["abc\nghi\n".to_owned()], 1));
    assert_eq!(told, ["a test: no storage space; an event was not written"]);
}

#[test]
fn reader_gone_for_good_then_what_waits_is_counted_and_writing_is_an_error() {
    let (destination, connections) = scripted(&[Act::Take(5), Act::Closed]);
    let (destination, word) = destination.gated();
    let told = Told::default();
    let mut spool = Spool::start(destination, CONFIG, told.tell()).expect("a thread");
    spool.write_all(b"abc\ndef\n").expect("taken");
    spool.write_all(b"ghi\n").expect("taken");
    drop(word);
    let handle = spool.handle();
    assert_eq!((handle.drain(), handle.sent(), handle.lost(), handle.waiting_bytes()), (2, 1, 2, 0));
    assert_eq!(spool.write(b"x\n").expect_err("closed").kind(), ErrorKind::BrokenPipe);
    assert_eq!(text(&connections), ["abc\nd"]);
    assert_eq!(told.lines(), ["a test: broken pipe; it is not written to any more, and 2 events are lost"]);
}

#[test]
fn no_room_then_whole_lines_that_fit_are_taken_and_the_rest_refused() {
    let (destination, connections) = scripted(&[]);
    let (destination, word) = destination.gated();
    let config = SpoolConfig { bytes: 10, ..CONFIG };
    let mut spool = Spool::start(destination, config, Told::default().tell()).expect("a thread");
    assert_eq!(spool.write(b"abc\ndef\nghi\n").expect("two lines"), 8);
    let error = spool.write(b"ghi\n").expect_err("no room");
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::StorageFull, "8 bytes wait for it already".to_owned()));
    assert_eq!(spool.write(b"j\n").expect("it fits"), 2);
    assert_eq!(spool.handle().waiting_bytes(), 10);
    drop(word);
    assert_eq!(spool.handle().drain(), 0);
    assert_eq!(text(&connections), ["abc\ndef\nj\n"]);
}

#[test]
fn time_is_up_then_the_run_ends_and_the_rest_is_counted() {
    let (destination, connections) = scripted(&[Act::Take(5)]);
    let (mut destination, word) = destination.gated();
    destination.script.extend([Act::Later; 1000]);
    let config = SpoolConfig { drain: Duration::ZERO, ..CONFIG };
    let mut spool = Spool::start(destination, config, Told::default().tell()).expect("a thread");
    spool.write_all(b"abc\ndef\nghi\n").expect("taken");
    assert_eq!(spool.handle().drain(), 3, "it has not even begun");
    drop(word);
    assert!(text(&connections).len() == 1);
}

#[test]
fn random_trouble_then_each_line_arrives_once_and_whole_or_is_counted() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let script: Vec<Act> = (0..random.below(80))
            .map(|_| match random.below(8) {
                0 => Act::Later,
                1 => Act::Broken,
                2 => Act::Line,
                n => Act::Take(n as usize * 3),
            })
            .collect();
        let lines: Vec<String> =
            (0..random.below(40)).map(|n| format!("{n}{}\n", "x".repeat(random.below(9) as usize))).collect();
        let batches: Vec<String> = lines.chunks(3).map(|lines| lines.concat()).collect();
        let batches: Vec<&str> = batches.iter().map(String::as_str).collect();
        let (connections, lost, _) = run(&script, &batches);
        // A line that was refused may have been cut by then: its beginning is glued to the next line of the connection.
        // What has to hold of every line is that its end came once, or that it is counted.
        let ends = connections.iter().map(|c| c.matches('\n').count()).sum::<usize>() as u64;
        assert_eq!(ends + lost, lines.len() as u64, "seed {seed} {script:?}");
        if !script.contains(&Act::Line) {
            let whole: String = connections.iter().map(|c| c.rfind('\n').map_or("", |at| &c[..=at])).collect();
            assert_eq!((whole, lost), (lines.concat(), 0), "seed {seed} {script:?}");
        }
    }
}

fn records(count: u64) -> Vec<FlowRecord> {
    (0..count).map(|n| FlowRecord { flow_id: n, ..record("10.0.0.1", "10.0.0.2") }).collect()
}

#[test]
fn records_beyond_the_spool_then_counted_one_by_one_and_told_once() {
    let (destination, connections) = scripted(&[]);
    let (destination, word) = destination.gated();
    let (told, config) = (Told::default(), SpoolConfig { bytes: 20_000, ..CONFIG });
    let spool = Spool::start(destination, config, told.tell()).expect("a thread");
    let handle = spool.handle();
    let writer = EveWriter::new(spool, "a test", EveConfig { netflow: true, ..EveConfig::default() }).unbuffered();
    let mut sink = Steady::new(writer, "a test", handle.clone(), told.tell());
    for _ in 0..10 {
        sink.flows(&records(30)).expect("it goes on");
        assert!(handle.waiting_bytes() <= 20_000);
    }
    let refused = sink.refused();
    assert!(refused > 200 && refused < 300, "{refused}");
    let lines = told.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].ends_with("bytes wait for it already; events are being lost"), "{lines:?}");
    drop(word);
    match sink.finish() {
        Err(SinkError::Io { lost, .. }) => assert_eq!(lost, refused),
        other => panic!("{other:?}"),
    }
    // Every record whose second line arrived was not counted as lost.
    let arrived = text(&connections).concat();
    let whole = arrived.matches("\"event_type\":\"netflow\"").count() as u64;
    assert_eq!(whole + refused, 300);
}

#[test]
fn full_disk_then_told_once_and_the_end_says_how_many_were_lost() {
    let told = Told::default();
    let log = LiveLog {
        filename: PathBuf::from("/dev/full"),
        spool: SpoolConfig { drain: Duration::from_millis(1), ..SpoolConfig::default() },
        ..LiveLog::default()
    };
    let scratch = Scratch::new();
    let open = log.open(&scratch.0, WallClock::default(), None, &told.tell()).expect("it opens");
    let mut sink = open.eve(EveConfig { stats: None, ..EveConfig::default() });
    sink.flows(&records(3)).expect("they wait");
    sink.flows(&records(4)).expect("they wait");
    match sink.finish() {
        Err(SinkError::Io { target, lost, .. }) => assert_eq!((target.as_str(), lost), ("/dev/full", 7)),
        other => panic!("{other:?}"),
    }
    assert!(told.lines().len() <= 1, "{:?}", told.lines());
}

#[test]
fn live_file_then_records_and_tables_in_it_and_it_can_be_reopened() {
    let (scratch, told) = (Scratch::new(), Told::default());
    let directory = scratch.path("deeper");
    let log = |name: &str| LiveLog { filename: name.into(), ..LiveLog::default() };
    let open =
        log("eve.json").open(&directory, WallClock::default(), None, &told.tell()).expect("its directory is made");
    let reopen = open.reopen_handle().expect("it is a file");
    let handle = open.spool();
    let mut eve = open.eve(EveConfig::default());
    let tables = log("stats.log").open(&directory, WallClock::default(), None, &told.tell()).expect("it opens");
    let mut tables = tables.stats_log(StatsLogConfig::default());
    eve.flows(&records(5)).expect("taken");
    eve.stats(&Stats::default()).expect("taken");
    tables.stats(&Stats::default()).expect("taken");
    reopen.request();
    eve.flows(&records(1)).expect("taken");
    eve.finish().expect("all is out");
    tables.finish().expect("all is out");
    assert_eq!((handle.sent(), handle.lost()), (7, 0));
    assert_eq!(scratch.read("deeper/eve.json").lines().count(), 7);
    assert!(scratch.read("deeper/stats.log").contains("Counter  "));
    assert!(!reopen.is_pending() && told.lines().is_empty());
}

#[test]
fn directory_that_cannot_be_made_then_an_error_that_names_it() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("file"), "").expect("written");
    let log = LiveLog { filename: "eve.json".into(), ..LiveLog::default() };
    let error = log.open(&scratch.path("file/deeper"), WallClock::default(), None, &Told::default().tell());
    assert!(error.expect_err("no directory").to_string().contains("file/deeper/eve.json"));
}

#[test]
fn filetypes_then_targets() {
    for (filetype, filename, target) in [
        ("regular", "eve.json", Some(Target::File)),
        ("file", "/dev/stdout", Some(Target::StandardOutput)),
        ("regular", "-", Some(Target::StandardOutput)),
        ("unix_stream", "-", Some(Target::Stream)),
        ("unix_dgram", "eve.sock", Some(Target::Datagram)),
        ("redis", "eve.json", None),
    ] {
        assert_eq!(Target::of(filetype, filename.as_ref()), target, "{filetype} {filename}");
    }
}
