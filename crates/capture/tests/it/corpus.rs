//! The recorded corpus: every capture opens, and yields as many packets as the recording counted.
//!
//! It lies beside the repository, in `../shared/corpus`. Where it is missing, the test says so and passes, unless
//! `FLUMEN_REQUIRE_CORPUS` is set.

use crate::scratch::drain;
use flumen_capture::{CaptureFile, FileAccess, NoticeKind, Options};
use std::fs::File;
use std::io::Read;
use std::path::Path;

#[test]
fn every_capture_of_the_corpus_then_as_many_packets_as_recorded() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let Ok(recorded) = File::open(corpus.join("expected-default.jsonl.gz")) else {
        let missing = format!("SKIPPED: there is no corpus at {}", corpus.display());
        assert!(std::env::var_os("FLUMEN_REQUIRE_CORPUS").is_none(), "{missing}");
        eprintln!("{missing}");
        return;
    };
    let mut lines = String::new();
    flate2::read::GzDecoder::new(recorded).read_to_string(&mut lines).expect("gzip of text");
    let mut captures = 0;
    for line in lines.lines() {
        let expected: serde_json::Value = serde_json::from_str(line).expect("one object a line");
        let name = expected["pcap"].as_str().expect("a name");
        for access in [FileAccess::Mapped, FileAccess::Streamed] {
            let path = corpus.join("pcaps").join(name);
            let mut capture = CaptureFile::open(&path, &Options { access }).expect("every one has a header");
            let (seen, error) = drain(&mut capture);
            assert!(error.is_none_or(|error| error.damaged && error.offset.is_some()));
            match expected["stats"]["decoder"]["pkts"].as_u64() {
                Some(packets) => assert_eq!(seen.len() as u64, packets, "{name}"),
                // The recording has none for the one capture that holds no packet.
                None => assert_eq!(capture.findings(), [NoticeKind::NoPackets], "{name}"),
            }
        }
        captures += 1;
    }
    assert_eq!(captures, 766);
}
