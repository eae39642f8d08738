//! libpcap as an oracle: it and this crate have to agree on every packet of the corpus for every expression of
//! `expressions.txt`, on every link, and on which expressions are refused there. `refused.txt` is refused by both.
//! `only_libpcap.txt` is the list of what libpcap takes and this crate refuses.
//!
//! The corpus lies beside the repository (`../shared/corpus`), libpcap's header and a C compiler belong to the system.
//! Where one is missing the tests say so and pass; with `CI` set they fail.

mod capture;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use capture::Capture;
use flumen_filter::{Filter, LinkLayer};

#[test]
fn verdicts_on_the_corpus_are_those_of_libpcap() {
    let Some(oracle) = Oracle::new("corpus") else { return };
    let Some(captures) = corpus() else { return };
    let expressions = lines("expressions.txt");
    assert!(expressions.len() >= 300, "{} expressions", expressions.len());
    let seen = compare(&oracle, &expressions, &captures);
    let some = seen.matched.iter().filter(|matched| **matched > 0).count();
    println!(
        "{} captures, {} packets, {} expressions ({some} match something): {} verdicts",
        captures.len(),
        seen.packets,
        expressions.len(),
        seen.verdicts
    );
    for (at, expression) in expressions.iter().enumerate() {
        if seen.taken[at] == 0 {
            panic!("libpcap refuses {expression:?} on every link; it belongs into refused.txt");
        }
    }
}

/// Links that no capture of the corpus has: the bytes of others are read as if they were such frames.
#[test]
fn verdicts_on_other_links_are_those_of_libpcap() {
    let Some(oracle) = Oracle::new("links") else { return };
    let Some(captures) = corpus() else { return };
    let directory = oracle.directory.join("relinked");
    fs::create_dir_all(&directory).expect("a temporary directory can be written");
    let mut relinked = Vec::new();
    for path in captures.iter().filter(|path| fs::metadata(path).is_ok_and(|file| file.len() < 20_000)).step_by(9) {
        for link in [0_u32, 9, 50, 51, 101, 104, 108, 113, 228, 229, 276] {
            let mut bytes = fs::read(path).expect("a capture of the corpus");
            // The link type is the last field of the file's header.
            bytes[20..24].copy_from_slice(&link.to_le_bytes());
            let copy = directory.join(format!("{}.{link}", relinked.len()));
            fs::write(&copy, bytes).expect("a temporary file can be written");
            relinked.push(copy);
        }
    }
    compare(&oracle, &lines("expressions.txt"), &relinked);
}

#[test]
fn what_libpcap_refuses_is_refused() {
    let refused = lines("refused.txt");
    for expression in &refused {
        let error = Filter::compile(expression, LinkLayer::Ethernet, 0).expect_err(expression);
        assert!(error.render(expression).contains('^'), "{}", error.render(expression));
    }
    let Some(oracle) = Oracle::new("refused") else { return };
    let Some(captures) = corpus() else { return };
    for (expression, line) in oracle.answers_on_ethernet(&refused, &captures) {
        assert!(line.starts_with('!'), "libpcap takes {expression:?}");
    }
}

#[test]
fn what_only_libpcap_takes_is_refused_with_a_place() {
    let only_libpcap = lines("only_libpcap.txt");
    for expression in &only_libpcap {
        let error = Filter::compile(expression, LinkLayer::Ethernet, 0).expect_err(expression);
        assert!(error.render(expression).contains('^'), "{}", error.render(expression));
    }
    let Some(oracle) = Oracle::new("only-libpcap") else { return };
    let Some(captures) = corpus() else { return };
    for (expression, line) in oracle.answers_on_ethernet(&only_libpcap, &captures) {
        assert!(!line.starts_with('!'), "libpcap refuses {expression:?} too: {line}");
    }
}

/// What libpcap says when its optimizer sees that nothing can match. That is a verdict too.
const REJECTS_ALL: &str = "!expression rejects all packets";

/// The one packet of the corpus that is decided otherwise: it has 158 fragment headers in a row, and the walk of
/// `protochain` is written out for fewer (a program of classic BPF has no loops).
const EXCEPTION: (&str, &str, usize) =
    ("ipv6-evasion__ipv6-malformed-fragments-12__frag-12.pcap", "ip6 protochain 58", 5);

struct Seen {
    packets: usize,
    verdicts: usize,
    /// For each expression, on how many captures libpcap took it, and how many packets matched.
    taken: Vec<usize>,
    matched: Vec<usize>,
}

fn compare(oracle: &Oracle, expressions: &[String], captures: &[PathBuf]) -> Seen {
    let mut seen =
        Seen { packets: 0, verdicts: 0, taken: vec![0; expressions.len()], matched: vec![0; expressions.len()] };
    let mut filters: BTreeMap<u32, Vec<Result<Filter, String>>> = BTreeMap::new();
    let mut problems = Vec::new();
    let mut answers = oracle.ask(expressions, captures);
    for path in captures {
        let capture = Capture::read(path);
        let header = answers.next().expect("an answer for each capture");
        assert!(header.starts_with("capture "), "{}: {header}", path.display());
        assert!(header.ends_with(&format!(" {}", capture.packets.len())), "{}: {header}", path.display());
        seen.packets += capture.packets.len();
        let compiled = filters.entry(capture.link).or_insert_with(|| {
            let link = LinkLayer::from_dlt(capture.link);
            let compile = |e: &String| Filter::compile(e, link, 65535).map_err(|error| error.render(e));
            expressions.iter().map(compile).collect()
        });
        for (at, expression) in expressions.iter().enumerate() {
            let line = answers.next().expect("an answer for each expression");
            let place = || format!("{expression:?} on link {} in {}", capture.link, path.display());
            let line = if line == REJECTS_ALL { "0".repeat(capture.packets.len()) } else { line };
            match (&compiled[at], line.strip_prefix('!')) {
                (Err(_), Some(_)) => {}
                (Err(ours), None) => problems.push(format!("{}: only refused here: {ours}", place())),
                (Ok(_), Some(theirs)) => problems.push(format!("{}: only refused by libpcap: {theirs}", place())),
                (Ok(filter), None) => {
                    seen.taken[at] += 1;
                    seen.verdicts += capture.packets.len();
                    for (number, (packet, theirs)) in (1..).zip(capture.packets.iter().zip(line.bytes())) {
                        let ours = filter.matches(&packet.bytes, packet.wire_len);
                        seen.matched[at] += usize::from(ours);
                        let excepted = || {
                            path.ends_with(EXCEPTION.0) && (expression.as_str(), number) == (EXCEPTION.1, EXCEPTION.2)
                        };
                        if ours != (theirs == b'1') && !excepted() {
                            problems.push(format!("{}: packet {number}", place()));
                        }
                    }
                }
            }
        }
    }
    // One of a kind is enough to look at.
    let kind = |problem: &String| problem.split(" in ").next().map(str::to_owned);
    problems.sort();
    problems.dedup_by_key(|problem| kind(problem));
    let shown = problems.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(problems.is_empty(), "{} differences:\n{shown}", problems.len());
    seen
}

/// The compiled helper, in a directory of its own.
struct Oracle {
    directory: PathBuf,
}

impl Oracle {
    /// `None` where it cannot be built.
    fn new(name: &str) -> Option<Self> {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("oracle-{name}"));
        fs::create_dir_all(&directory).expect("a temporary directory can be written");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/oracle.c");
        let built = Command::new("cc")
            .args(["-O2", "-Wall", "-o"])
            .arg(directory.join("oracle"))
            .arg(source)
            .arg("-lpcap")
            .output();
        match built {
            Ok(output) if output.status.success() => Some(Self { directory }),
            Ok(output) => missing(&format!("the helper does not compile: {}", String::from_utf8_lossy(&output.stderr))),
            Err(error) => missing(&format!("no C compiler: {error}")),
        }
    }

    /// The lines that the helper prints.
    fn ask(&self, expressions: &[String], captures: &[PathBuf]) -> impl Iterator<Item = String> + use<> {
        let paths: Vec<&str> =
            captures.iter().map(|path| path.to_str().expect("paths of the corpus are text")).collect();
        let (expression_list, capture_list) = (self.directory.join("expressions"), self.directory.join("captures"));
        fs::write(&expression_list, expressions.join("\n") + "\n").expect("a temporary file can be written");
        fs::write(&capture_list, paths.join("\n") + "\n").expect("a temporary file can be written");
        let mut command = Command::new(self.directory.join("oracle"));
        let child = command.arg(expression_list).arg(capture_list).stdout(Stdio::piped()).spawn();
        let output = child.expect("the helper was built").stdout.expect("it is a pipe");
        BufReader::new(output).lines().map(|line| line.expect("the helper prints text"))
    }

    /// For each expression what libpcap says to it on one capture with Ethernet.
    fn answers_on_ethernet(&self, expressions: &[String], captures: &[PathBuf]) -> Vec<(String, String)> {
        let ethernet = captures.iter().find(|path| Capture::read(path).link == 1).expect("the corpus has Ethernet");
        let answers = self.ask(expressions, std::slice::from_ref(ethernet)).skip(1);
        expressions.iter().cloned().zip(answers).collect()
    }
}

/// The captures whose link this crate knows, all of them classic pcap.
fn corpus() -> Option<Vec<PathBuf>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/pcaps");
    let Ok(entries) = fs::read_dir(&directory) else {
        return missing(&format!("no corpus at {}", directory.display()));
    };
    let mut captures: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a directory that can be listed").path()).collect();
    captures.retain(|path| !matches!(LinkLayer::from_dlt(Capture::read(path).link), LinkLayer::Other(_)));
    captures.sort();
    Some(captures)
}

fn missing<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    println!("NOT RUN: {why}");
    None
}

/// The expressions of a list: a line each, but for empty lines and those that begin with `#`.
fn lines(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let text = fs::read_to_string(path).expect("the list is part of the repository");
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}
