//! The recorded corpus, which lies beside the repository: no capture of it makes the binary crash, lose a packet, or
//! write something else the second time. Where it is missing the test says so and passes, unless
//! `FLUMEN_REQUIRE_CORPUS` is set. Whether records are those of Suricata is asked by `../shared/tools/parity.py`.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::support::{Scratch, Written, message};

#[test]
fn every_capture_in_both_modes_then_accounted_for_and_the_same_twice() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let Ok(listed) = std::fs::read_dir(corpus.join("pcaps")) else {
        let missing = format!("SKIPPED: there is no corpus at {}", corpus.display());
        assert!(std::env::var_os("FLUMEN_REQUIRE_CORPUS").is_none(), "{missing}");
        eprintln!("{missing}");
        return;
    };
    let mut captures: Vec<PathBuf> = listed.map(|entry| entry.expect("an entry").path()).collect();
    captures.sort();
    assert_eq!(captures.len(), 766);
    let cases = captures.iter().flat_map(|capture| {
        ["suricata-default.yaml", "suricata-midstream.yaml"].map(|name| (capture.clone(), corpus.join(name)))
    });
    let cases = Mutex::new(cases);
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let cases = &cases;
            scope.spawn(move || {
                let scratch = Scratch::new(&format!("corpus-{worker}"));
                loop {
                    let next = cases.lock().expect("no other worker failed").next();
                    let Some((capture, config)) = next else { break };
                    check(&scratch, &capture, &config);
                }
            });
        }
    });
}

fn check(scratch: &Scratch, capture: &Path, config: &Path) {
    let whose = format!("{} with {}", capture.display(), config.display());
    let [first, second] = ["first", "second"].map(|directory| {
        let _ = std::fs::remove_dir_all(scratch.path(directory));
        let (capture, config) = (capture.to_str().expect("UTF-8"), config.to_str().expect("UTF-8"));
        let output = scratch.run(&["read", capture, "-c", config, "-l", directory, "--audit", "-q"]);
        let code = output.status.code();
        // 5 would be an account that is not closed, 101 a panic, none at all a signal.
        assert!(matches!(code, Some(0 | 1 | 4)), "{whose}: {code:?} {}", message(&output));
        let log = scratch.path(directory).join("eve.json");
        (code, log.exists().then(|| Written::of(&log)))
    });
    assert_eq!(first.0, second.0, "{whose}");
    match (first.1, second.1) {
        (Some(first), Some(second)) => {
            first.assert_conserves(&whose);
            assert!(first.lines == second.lines, "{whose}: the second run wrote other records");
        }
        (None, None) => assert_eq!(second.0, Some(1), "{whose}: no log without a failure"),
        _ => panic!("{whose}: one run wrote a log, the other none"),
    }
}
