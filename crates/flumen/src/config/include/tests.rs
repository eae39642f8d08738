use std::fs;

use super::*;
use crate::config::scratch::Scratch;

fn tree(scratch: &Scratch) -> Loaded {
    load(&scratch.path("main.yaml")).expect("loads")
}

fn refused(scratch: &Scratch) -> String {
    load(&scratch.path("main.yaml")).expect_err("is refused").text
}

#[test]
fn include_in_a_section_and_at_the_top_then_keys_in_place() {
    let scratch = Scratch::new("include-forms");
    scratch.write("main.yaml", "include: a.yaml\nflow:\n  include: sub/b.yaml\n  prealloc: 5\nvlan: !include c.yaml\n");
    scratch.write("a.yaml", "%YAML 1.1\n---\nstats: {enabled: no}\n");
    fs::create_dir(scratch.path("sub")).expect("directory");
    scratch.write("sub/b.yaml", "memcap: 1mb\ninclude: d.yaml\n");
    scratch.write("sub/d.yaml", "hash-size: 7\n");
    scratch.write("c.yaml", "use-for-tracking: no\n");
    let loaded = tree(&scratch);
    let text = |section: &str, key: &str| {
        let value = loaded.root.child(section).and_then(|section| section.child(key));
        value.and_then(Node::as_text).map(str::to_owned)
    };
    assert_eq!(text("stats", "enabled").as_deref(), Some("no"));
    assert_eq!(text("flow", "memcap").as_deref(), Some("1mb"));
    assert_eq!(text("flow", "hash-size").as_deref(), Some("7"));
    assert_eq!(text("flow", "prealloc").as_deref(), Some("5"));
    assert_eq!(text("vlan", "use-for-tracking").as_deref(), Some("no"));
    assert_eq!(loaded.files.len(), 5);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn include_list_and_repetition_then_all_read() {
    let scratch = Scratch::new("include-list");
    scratch.write("main.yaml", "include: [a.yaml]\ninclude: b.yaml\n");
    scratch.write("a.yaml", "a: 1\n");
    scratch.write("b.yaml", "b: 1\n");
    let loaded = tree(&scratch);
    assert!(loaded.root.child("a").is_some() && loaded.root.child("b").is_some());
}

#[test]
fn key_after_include_then_replaces_with_a_warning() {
    let scratch = Scratch::new("include-replace");
    scratch.write("main.yaml", "include: a.yaml\nflow: {memcap: 2mb}\n");
    scratch.write("a.yaml", "flow: {memcap: 1mb, prealloc: 3}\n");
    let loaded = tree(&scratch);
    let flow = loaded.root.child("flow").expect("flow");
    assert_eq!(flow.child("memcap").and_then(Node::as_text), Some("2mb"));
    assert!(flow.child("prealloc").is_none(), "the whole section is replaced");
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].text.contains("'flow' replaces"));
}

#[test]
fn file_that_includes_itself_then_refused() {
    let scratch = Scratch::new("include-loop");
    scratch.write("main.yaml", "include: main.yaml\n");
    assert!(refused(&scratch).contains("deeper than"));
}

#[test]
fn files_that_include_ever_more_files_then_refused() {
    let scratch = Scratch::new("include-many");
    scratch.write("main.yaml", "include: [a.yaml, a.yaml, a.yaml, a.yaml]\n");
    scratch.write("a.yaml", "x: {include: [b.yaml, b.yaml, b.yaml, b.yaml, b.yaml, b.yaml, b.yaml, b.yaml]}\n");
    scratch.write("b.yaml", "y: {include: [c.yaml, c.yaml, c.yaml, c.yaml]}\n");
    scratch.write("c.yaml", "z: 1\n");
    assert!(refused(&scratch).contains("more than 64"));
}

#[test]
fn missing_file_then_named_at_its_include() {
    let scratch = Scratch::new("include-missing");
    scratch.write("main.yaml", "a: 1\ninclude: nowhere.yaml\n");
    let problem = load(&scratch.path("main.yaml")).expect_err("missing");
    assert!(problem.at.to_string().ends_with("main.yaml:2"));
    assert!(problem.text.contains("nowhere.yaml"));
}

#[test]
fn file_of_another_kind_then_refused() {
    let scratch = Scratch::new("include-kind");
    fs::write(scratch.path("main.yaml"), b"a: \xff\xfe\n").expect("written");
    assert!(refused(&scratch).contains("not UTF-8 text (byte 3)"));
    scratch.write("main.yaml", &"#".repeat((BYTES_MAX + 1) as usize));
    assert!(refused(&scratch).contains("at most 4 MiB"));
    scratch.write("main.yaml", "include: l.yaml\n");
    scratch.write("l.yaml", "[1, 2]\n");
    assert!(refused(&scratch).contains("holds a list"));
}

#[test]
fn text_in_place_of_a_file_then_the_same_tree_and_no_file_opened() {
    let loaded = parse("a: 1\n---\nb: 2\n", "t.yaml").expect("right");
    assert_eq!(loaded.root.child("a").map(|node| node.at.to_string()), Some("t.yaml:1".to_owned()));
    assert_eq!((loaded.files.len(), loaded.warnings.len()), (0, 1));
    for text in ["include: /dev/null\n", "a:\n  b: !include /dev/null\n", "a: 1\ninclude: [x]\n"] {
        let problem = parse(text, "t.yaml").expect_err("is refused").to_string();
        assert!(problem.ends_with("a file cannot be included here"), "{problem}");
    }
    let large = " ".repeat(BYTES_MAX as usize + 1);
    assert_eq!(parse(&large, "t.yaml").expect_err("is refused").to_string(), {
        "t.yaml:1: too large: a configuration has at most 4 MiB"
    });
}
