//! Files that make way for others.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flumen_model::Timestamp;
use flumen_output::WallClock;
use flumen_output::eve::{EveFile, ExistingFile, Interval, Rotation};

use crate::support::Random;
use crate::{Scratch, Told, names};

/// A clock that is set by hand; it begins at 2020-09-13T12:26:40Z.
#[derive(Clone)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_600_000_000)))
    }
    fn forward(&self, secs: u64) {
        self.0.fetch_add(secs, Ordering::Relaxed);
    }
    fn clock(&self) -> WallClock {
        let hand = self.clone();
        WallClock::new(move || Timestamp::from_parts(hand.0.load(Ordering::Relaxed), 0))
    }
}

fn every(text: &str) -> Rotation {
    Rotation { every: Interval::parse(text), bytes: None }
}

fn open(scratch: &Scratch, name: &str, rotation: Rotation, hand: &Hand) -> EveFile {
    EveFile::rotating(&scratch.0, Path::new(name), ExistingFile::Append, rotation, hand.clock()).expect("it opens")
}

/// Writes a buffer as the writer does.
fn put(file: &mut EveFile, text: &str) {
    file.write_all(text.as_bytes()).expect("written");
    file.flush().expect("flushed");
}

#[test]
fn minute_over_and_the_time_in_the_name_then_a_file_of_the_new_name() {
    let (scratch, hand) = (Scratch::new(), Hand::new());
    let mut file = open(&scratch, "eve-%H:%M.json", every("minute"), &hand);
    put(&mut file, "a\n");
    hand.forward(19);
    put(&mut file, "b\n");
    hand.forward(1);
    put(&mut file, "c\n");
    hand.forward(3600);
    assert_eq!(scratch.names(), ["eve-12:26.json", "eve-12:27.json"], "without a record no file");
    put(&mut file, "d\n");
    assert_eq!(scratch.names(), ["eve-12:26.json", "eve-12:27.json", "eve-13:27.json"]);
    assert_eq!([scratch.read("eve-12:26.json"), scratch.read("eve-12:27.json")], ["a\nb\n", "c\n"]);
    assert_eq!(file.path(), scratch.path("eve-13:27.json"));
}

#[test]
fn interval_over_and_a_plain_name_then_the_old_file_is_moved_aside() {
    let (scratch, hand) = (Scratch::new(), Hand::new());
    let mut file = open(&scratch, "eve.json", every("20s"), &hand);
    put(&mut file, "a\n");
    hand.forward(20);
    put(&mut file, "b\n");
    hand.forward(20);
    put(&mut file, "c\n");
    assert_eq!(scratch.names(), ["eve.json", "eve.json.20200913-122700", "eve.json.20200913-122720"]);
    assert_eq!([scratch.read("eve.json.20200913-122700"), scratch.read("eve.json")], ["a\n", "c\n"]);
}

#[test]
fn time_in_a_name_without_rotation_then_the_time_of_the_start() {
    let (scratch, hand) = (Scratch::new(), Hand::new());
    let mut file = open(&scratch, "%Y/eve-%s.json", Rotation::default(), &hand);
    hand.forward(100_000);
    put(&mut file, "a\n");
    assert_eq!(names(&scratch.path("2020")), ["eve-1600000000.json"]);
}

#[test]
fn random_buffers_and_a_size_then_no_file_is_larger_and_nothing_is_missing() {
    for seed in 0..30 {
        let (scratch, hand, mut random) = (Scratch::new(), Hand::new(), Random(seed));
        let rotation = Rotation { every: None, bytes: Some(1000) };
        let mut file = open(&scratch, "eve.json", rotation, &hand);
        let mut all = String::new();
        for n in 0..100 {
            let buffer = format!("{n}\n").repeat(1 + random.below(100) as usize);
            put(&mut file, &buffer);
            all.push_str(&buffer);
            if random.below(5) == 0 {
                hand.forward(1);
            }
        }
        // Names have the moment, and a number for those of one moment.
        let mut old: Vec<_> = scratch.names().into_iter().filter(|name| name != "eve.json").collect();
        old.sort_by_key(|name| {
            let (moment, number) = name.rsplit_once('-').expect("a moment");
            match moment.matches('-').count() {
                0 => (name.clone(), 0),
                _ => (moment.to_owned(), number.parse::<u32>().expect("a number")),
            }
        });
        let mut found = String::new();
        for name in old.iter().chain(["eve.json".to_owned()].iter()) {
            let text = scratch.read(name);
            assert!(text.len() <= 1000, "seed {seed}: {name} has {} bytes", text.len());
            found.push_str(&text);
        }
        assert!(old.len() > 5);
        assert_eq!(found, all, "seed {seed}");
    }
}

#[test]
fn buffer_larger_than_the_size_then_a_file_of_its_own() {
    let (scratch, hand) = (Scratch::new(), Hand::new());
    let mut file = open(&scratch, "eve.json", Rotation { every: None, bytes: Some(10) }, &hand);
    put(&mut file, &"x".repeat(50));
    put(&mut file, "b\n");
    assert_eq!(scratch.names(), ["eve.json", "eve.json.20200913-122640"]);
    assert_eq!(scratch.read("eve.json"), "b\n");
}

#[test]
fn started_again_then_the_size_counts_what_is_there() {
    let (scratch, hand) = (Scratch::new(), Hand::new());
    fs::write(scratch.path("eve.json"), "old line\n").expect("written");
    let mut file = open(&scratch, "eve.json", Rotation { every: None, bytes: Some(10) }, &hand);
    put(&mut file, "b\n");
    assert_eq!(scratch.read("eve.json.20200913-122640"), "old line\n");
    assert_eq!(scratch.read("eve.json"), "b\n");
}

#[test]
fn moved_away_and_reopened_then_the_very_next_line_is_in_the_new_file() {
    let (scratch, hand) = (Scratch::new(), Hand::new());
    let mut file = open(&scratch, "eve.json", Rotation::default(), &hand);
    put(&mut file, "a\n");
    fs::rename(scratch.path("eve.json"), scratch.path("eve.json.1")).expect("moved");
    let reopen = file.reopen_handle();
    reopen.request();
    put(&mut file, "b\n");
    assert!(!reopen.is_pending());
    assert_eq!([scratch.read("eve.json.1"), scratch.read("eve.json")], ["a\n", "b\n"]);
}

#[test]
fn file_and_directory_deleted_then_made_again() {
    let (scratch, hand) = (Scratch::new(), Hand::new());
    let mut file = open(&scratch, "log/eve.json", Rotation::default(), &hand);
    put(&mut file, "a\n");
    fs::remove_dir_all(scratch.path("log")).expect("deleted");
    put(&mut file, "b\n");
    assert_eq!(scratch.read("log/eve.json"), "b\n");
}

#[test]
fn new_file_that_cannot_be_begun_then_told_once_and_the_old_one_is_written_on() {
    let (scratch, hand, told) = (Scratch::new(), Hand::new(), Told::default());
    let mut file = open(&scratch, "%M/eve.json", every("minute"), &hand).telling(told.tell());
    put(&mut file, "a\n");
    // Where the next directory should be there is a file.
    fs::write(scratch.path("27"), "").expect("written");
    hand.forward(60);
    put(&mut file, "b\n");
    put(&mut file, "c\n");
    let lines = told.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("26/eve.json: no new file could be begun: ")
            && lines[0].ends_with("; the old one is written on")
    );
    fs::remove_file(scratch.path("27")).expect("removed");
    put(&mut file, "d\n");
    assert_eq!([scratch.read("26/eve.json"), scratch.read("27/eve.json")], ["a\nb\nc\n", "d\n"]);
    assert_eq!(told.lines().len(), 1);
}

#[test]
fn buffer_cut_by_a_failure_then_its_line_is_ended_before_the_file_changes() {
    let (scratch, hand) = (Scratch::new(), Hand::new());
    let mut file = open(&scratch, "eve.json", every("minute"), &hand);
    file.write_all(b"half a").expect("written");
    hand.forward(60);
    // What the writer does after a failure: no flush, and a line feed first.
    put(&mut file, "\n");
    put(&mut file, "b\n");
    assert_eq!([scratch.read("eve.json.20200913-122740"), scratch.read("eve.json")], ["half a\n", "b\n"]);
}

#[test]
fn device_then_neither_moved_nor_missed() {
    let hand = Hand::new();
    let rotation = Rotation { every: Interval::parse("1s"), bytes: Some(1) };
    let mut file =
        EveFile::rotating(Path::new("/"), Path::new("dev/null"), ExistingFile::Append, rotation, hand.clock())
            .expect("it opens");
    for _ in 0..3 {
        put(&mut file, "a\n");
        hand.forward(10);
    }
    assert_eq!(file.path(), Path::new("/dev/null"));
    assert!(Path::new("/dev/null").exists());
}
