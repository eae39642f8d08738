//! Unix sockets whose readers come and go.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::time::Duration;

use flumen_output::Spool;
use flumen_output::spool::{DatagramSocket, Destination, SpoolConfig, StreamSocket, Trouble};

use crate::{Scratch, Told};

const CONFIG: SpoolConfig =
    SpoolConfig { bytes: 1 << 20, drain: Duration::from_secs(60), pause: Duration::from_millis(1) };

#[test]
fn stream_reader_that_comes_late_then_gets_all_from_the_beginning() {
    let (scratch, told) = (Scratch::new(), Told::default());
    let path = scratch.path("eve.sock");
    let mut spool = Spool::start(StreamSocket::new(path.clone()), CONFIG, told.tell()).expect("a thread");
    spool.write_all(b"a\nb\n").expect("taken");
    // Told that there is nobody; only then somebody comes.
    while told.lines().is_empty() {
        std::thread::yield_now();
    }
    let listener = UnixListener::bind(&path).expect("a socket");
    let (stream, _) = listener.accept().expect("a connection");
    spool.write_all(b"c\n").expect("taken");
    let lines: Vec<_> = BufReader::new(stream).lines().take(3).collect::<Result<_, _>>().expect("lines");
    assert_eq!(lines, ["a", "b", "c"]);
    assert_eq!(spool.handle().drain(), 0);
    let told = told.lines();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("eve.sock: No such file or directory") && told[1].contains("written again"));
}

#[test]
fn stream_reader_that_dies_within_a_line_then_the_next_one_begins_with_a_whole_line() {
    let (scratch, told) = (Scratch::new(), Told::default());
    let path = scratch.path("eve.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let mut spool = Spool::start(StreamSocket::new(path), CONFIG, told.tell()).expect("a thread");
    // More than the buffers of a socket take, so that the sender is within a line when the reader dies.
    let line = format!("{}\n", "x".repeat(400_000));
    spool.write_all(line.as_bytes()).expect("taken");
    let (mut first, _) = listener.accept().expect("a connection");
    first.read_exact(&mut [0; 10]).expect("its beginning");
    drop(first);
    let (second, _) = listener.accept().expect("another connection");
    let mut found = String::new();
    BufReader::new(second).read_line(&mut found).expect("a line");
    assert_eq!(found.len(), line.len());
    assert_eq!(spool.handle().drain(), 0);
}

#[test]
fn stream_reader_that_never_reads_then_the_end_does_not_wait_for_it() {
    let (scratch, told) = (Scratch::new(), Told::default());
    let path = scratch.path("eve.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let config = SpoolConfig { drain: Duration::from_millis(1), ..CONFIG };
    let mut spool = Spool::start(StreamSocket::new(path), config, told.tell()).expect("a thread");
    spool.write_all(format!("{}\n", "x".repeat(900_000)).as_bytes()).expect("taken");
    let (_silent, _) = listener.accept().expect("a connection");
    assert_eq!(spool.handle().drain(), 1);
}

#[test]
fn datagrams_then_each_holds_one_line() {
    let (scratch, told) = (Scratch::new(), Told::default());
    let path = scratch.path("eve.sock");
    let reader = UnixDatagram::bind(&path).expect("a socket");
    let mut spool = Spool::start(DatagramSocket::new(path), CONFIG, told.tell()).expect("a thread");
    let lines: Vec<String> = (0..100).map(|n| format!("line {n}\n")).collect();
    spool.write_all(lines.concat().as_bytes()).expect("taken");
    let mut buffer = [0; 100];
    for line in &lines {
        let count = reader.recv(&mut buffer).expect("a datagram");
        assert_eq!(&buffer[..count], line.as_bytes());
    }
    assert_eq!((spool.handle().drain(), told.lines()), (0, vec![]));
}

#[test]
fn line_too_long_for_a_datagram_then_left_out_and_counted() {
    let (scratch, told) = (Scratch::new(), Told::default());
    let path = scratch.path("eve.sock");
    let reader = UnixDatagram::bind(&path).expect("a socket");
    let config = SpoolConfig { bytes: 1 << 26, ..CONFIG };
    let mut spool = Spool::start(DatagramSocket::new(path), config, told.tell()).expect("a thread");
    let long = "x".repeat(1 << 25);
    spool.write_all(format!("a\n{long}\nb\n").as_bytes()).expect("taken");
    let mut buffer = [0; 100];
    for line in [b"a\n", b"b\n"] {
        let count = reader.recv(&mut buffer).expect("a datagram");
        assert_eq!(&buffer[..count], line);
    }
    assert_eq!(spool.handle().drain(), 1);
    assert_eq!(told.lines().len(), 1, "{:?}", told.lines());
}

#[test]
fn datagram_reader_that_comes_again_then_written_to() {
    let scratch = Scratch::new();
    let path = scratch.path("eve.sock");
    let mut socket = DatagramSocket::new(path.clone());
    assert!(matches!(socket.send(b"a\n"), Err(Trouble::Broken(_))), "nobody is there");
    let reader = UnixDatagram::bind(&path).expect("a socket");
    assert!(matches!(socket.send(b"a\nb\n"), Ok(2)));
    drop(reader);
    assert!(matches!(socket.send(b"b\n"), Err(Trouble::Broken(_))), "it has gone");
    std::fs::remove_file(&path).expect("removed");
    let reader = UnixDatagram::bind(&path).expect("a socket");
    assert!(matches!(socket.send(b"b\n"), Ok(2)));
    let mut buffer = [0; 10];
    assert_eq!(reader.recv(&mut buffer).expect("a datagram"), 2);
}
