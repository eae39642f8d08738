//! What has no place in a tracked file, and how long files get.

/// Words that mark something unfinished, each taken apart so that this file is clean itself.
const LEFTOVERS: [&str; 4] = [concat!("FIX", "ME"), concat!("XX", "X"), concat!("TO", "DO"), concat!("db", "g!")];

/// Beginnings of paths that exist on one machine alone.
const MACHINE_PATHS: [&str; 3] = [concat!("/wo", "rk"), concat!("/ro", "ot"), concat!("/tmp/", "target")];

/// Files of these kinds are read as text.
const TEXT: [&str; 10] = ["rs", "md", "toml", "py", "sh", "yml", "yaml", "json", "txt", "c"];

const CAPTURES: [&str; 3] = ["pcap", "pcapng", "cap"];

/// First four bytes of pcap (both orders, micro- and nanoseconds) and pcapng files.
const CAPTURE_MAGICS: [[u8; 4]; 5] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x0a, 0x0d, 0x0d, 0x0a],
];

/// Lines of a source file beyond which it is worth asking whether it is two.
const LINES_MAX: usize = 400;

/// Everything that is wrong with one file, as `path:line: what`.
pub(crate) fn problems(path: &str, bytes: &[u8]) -> Vec<String> {
    let mut problems = Vec::new();
    if is_stray_capture(path, bytes) {
        problems.push(format!("{path}: a capture outside examples/"));
    }
    if !is_text(path) {
        return problems;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        problems.push(format!("{path}: not UTF-8"));
        return problems;
    };
    for (number, line) in text.lines().enumerate() {
        let mut say = |what: String| problems.push(format!("{path}:{}: {what}", number + 1));
        for word in LEFTOVERS.iter().filter(|word| contains_word(line, word)) {
            say(format!("{word} is left over"));
        }
        for machine_path in MACHINE_PATHS.iter().filter(|machine_path| contains_path(line, machine_path)) {
            say(format!("a path of one machine: {machine_path}"));
        }
        if line.ends_with([' ', '\t']) {
            say("white space at the end of the line".to_owned());
        }
    }
    if path.ends_with(".md") {
        problems.extend(title_problem(path, text));
    }
    problems
}

/// A line about a file that has grown long.
pub(crate) fn length_warning(path: &str, bytes: &[u8]) -> Option<String> {
    let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
    (path.ends_with(".rs") && lines > LINES_MAX).then(|| format!("{path}: {lines} lines, more than {LINES_MAX}"))
}

fn extension(path: &str) -> &str {
    path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, extension)| extension)
}

fn is_text(path: &str) -> bool {
    // The files of a fuzz corpus are bytes, whatever they are called.
    !path.contains("/corpus/")
        && (TEXT.contains(&extension(path)) || path.starts_with(".ci/") || path.starts_with("benches/"))
}

fn is_stray_capture(path: &str, bytes: &[u8]) -> bool {
    let plain = path.strip_suffix(".gz").or_else(|| path.strip_suffix(".zst")).unwrap_or(path);
    let named = CAPTURES.contains(&extension(plain));
    let begun = CAPTURE_MAGICS.iter().any(|magic| bytes.starts_with(magic));
    // What a fuzzer of capture readers is fed are captures of a kind.
    (named || begun) && !path.starts_with("examples/") && !path.contains("/corpus/")
}

/// Whether `word` stands in `line` with no letter, digit or underscore on either side.
fn contains_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_part) && (word.ends_with('!') || !line[at + word.len()..].starts_with(is_part))
    })
}

/// Whether a path begins with `prefix` somewhere in `line`: what precedes is no part of a path, what follows ends the name.
fn contains_path(line: &str, prefix: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '/');
    line.match_indices(prefix).any(|(at, _)| {
        let after = &line[at + prefix.len()..];
        !line[..at].ends_with(is_name)
            && (after.is_empty() || !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}

/// A Markdown file begins with its title, and has no second one.
fn title_problem(path: &str, text: &str) -> Option<String> {
    let mut fenced = false;
    let mut titles = 0;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        titles += usize::from(!fenced && line.starts_with("# "));
    }
    let begins = text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| line.starts_with("# "));
    match (begins, titles) {
        (true, 1) => None,
        (false, _) => Some(format!("{path}: does not begin with a title")),
        (true, _) => Some(format!("{path}: {titles} titles")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_found_as_words_and_not_inside_words() {
        for word in LEFTOVERS {
            let text = format!("fine\n// {word} later\n");
            assert_eq!(problems("a.rs", text.as_bytes()), [format!("a.rs:2: {word} is left over")]);
        }
        assert!(problems("a.rs", concat!("xTO", "DOx MAC XX", "XX\n").as_bytes()).is_empty());
    }

    #[test]
    fn machine_paths_are_found_and_likenesses_are_not() {
        for path in MACHINE_PATHS {
            assert_eq!(problems("a.md", format!("# A\nsee {path}/x\n").as_bytes()).len(), 1, "{path}");
            assert_eq!(problems("a.py", format!("x = '{path}'\n").as_bytes()).len(), 1, "{path}");
        }
        let likenesses = concat!("net", "/wo", "rk a/wo", "rkers /wo", "rkers ./ro", "ot\n");
        assert!(problems("a.rs", likenesses.as_bytes()).is_empty());
    }

    #[test]
    fn trailing_white_space_is_found() {
        assert_eq!(problems("a.rs", b"a \nb\n"), ["a.rs:1: white space at the end of the line"]);
    }

    #[test]
    fn captures_belong_in_examples() {
        assert_eq!(problems("tests/a.pcap", b"").len(), 1);
        assert_eq!(problems("tests/a.pcapng.zst", b"").len(), 1);
        assert_eq!(problems("tests/a.bin", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0]).len(), 1);
        assert!(problems("examples/a.pcap", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0]).is_empty());
        assert!(problems("fuzz/corpus/pcap/1", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0]).is_empty());
    }

    #[test]
    fn markdown_begins_with_its_only_title() {
        assert!(problems("a.md", b"# A\n\n```\n# not a title\n```\n").is_empty());
        assert_eq!(problems("a.md", b"words\n\n# A\n"), ["a.md: does not begin with a title"]);
        assert_eq!(problems("a.md", b"# A\n\n# B\n"), ["a.md: 2 titles"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_a_problem_in_a_text_file_alone() {
        assert_eq!(problems("a.rs", &[0xff, 0xfe]), ["a.rs: not UTF-8"]);
        assert!(problems("a.bin", &[0xff, 0xfe, b' ', b'\n']).is_empty());
    }

    #[test]
    fn long_source_files_are_warned_about() {
        assert!(length_warning("a.rs", "\n".repeat(401).as_bytes()).is_some());
        assert!(length_warning("a.rs", "\n".repeat(400).as_bytes()).is_none());
        assert!(length_warning("a.md", "\n".repeat(900).as_bytes()).is_none());
    }
}
