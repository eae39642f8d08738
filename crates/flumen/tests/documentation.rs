//! `docs/configuration.md` against the table of keys and the exit codes. `FLUMEN_BLESS=1` writes the generated part.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use flumen::config::keys::{Effect, Key, rows};
use flumen::config::value::Kind;
use flumen::exit;

const BEGIN: &str =
    "<!-- keys: generated from the table of keys; FLUMEN_BLESS=1 cargo test -p flumen --test documentation -->\n";
const END: &str = "<!-- end of keys -->\n";

#[test]
fn document_then_has_every_key_as_the_table_says() {
    let path = document();
    let text = fs::read_to_string(&path).expect("docs/configuration.md");
    let (before, rest) = text.split_once(BEGIN).expect("the mark where keys begin");
    let (written, after) = rest.split_once(END).expect("the mark where keys end");
    let expected = keys();
    if std::env::var_os("FLUMEN_BLESS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).expect("written");
        return;
    }
    assert!(written == expected, "docs/configuration.md is not as the table of keys; run with FLUMEN_BLESS=1");
}

#[test]
fn document_then_has_the_exit_codes_of_the_help() {
    if std::env::var_os("FLUMEN_BLESS").is_some() {
        // The other test is writing the document.
        return;
    }
    let text = fs::read_to_string(document()).expect("docs/configuration.md");
    for line in exit::HELP.lines().skip(1) {
        let (code, meaning) = line.trim().split_once("  ").expect("code and meaning");
        assert!(text.contains(&format!("| {code} | {meaning} |")), "{line}");
    }
}

fn document() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md")
}

/// The generated part: a table for each section.
fn keys() -> String {
    let mut text = String::new();
    let mut section = "";
    for key in rows() {
        let own = key.name.split('.').next().unwrap_or(key.name);
        if own != section {
            section = own;
            let _ = write!(text, "\n### {section}\n\n| key | accepts | default | meaning |\n|---|---|---|---|\n");
        }
        let later = match key.effect {
            Effect::Now => String::new(),
            Effect::Later(part) => format!(" *(no effect yet: {part})*"),
        };
        let default = key.default.map_or_else(|| "not set".to_owned(), |default| format!("`{default}`"));
        let _ = writeln!(text, "| `{}` | {} | {default} | {}{later} |", key.name, accepts(key), key.meaning);
    }
    text.push('\n');
    text
}

/// What a key accepts, in the words of the document's introduction.
fn accepts(key: &Key) -> String {
    match key.kind {
        Kind::Flag => "yes, no".to_owned(),
        Kind::Size { .. } => "size".to_owned(),
        Kind::Count { min, max: u64::MAX } => format!("number from {min}"),
        Kind::Count { min, max } => format!("{min} to {max}"),
        Kind::Duration => "duration".to_owned(),
        Kind::Word(words) => words.join(", "),
        Kind::Text => "text".to_owned(),
        Kind::Ports => "ports".to_owned(),
        Kind::AutoOr { max } => format!("auto, 1 to {max}"),
        Kind::Ratio => "0.001 to 1000".to_owned(),
        Kind::Cpus => "CPUs".to_owned(),
        Kind::Networks => "networks".to_owned(),
        Kind::Paths => "paths".to_owned(),
    }
}
