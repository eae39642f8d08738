//! Texts and programs that nobody meant: nothing panics, everything ends, errors have a place inside the text.

mod random;

use flumen_filter::{Filter, LinkLayer, MAX_EXPRESSION, MAX_INSTRUCTIONS, Program, SCRATCH_SLOTS};
use random::Random;

const LINKS: &[u32] = &[0, 1, 9, 12, 50, 51, 104, 108, 113, 147, 228, 229, 276];

/// Compiles, and checks what has to hold for any text. Whether it compiled.
fn check(expression: &str, link: LinkLayer, random: &mut Random) -> bool {
    match Filter::compile(expression, link, 0) {
        Ok(filter) => {
            assert_eq!(Program::verify(filter.program()), Ok(()), "{expression:?}");
            let frame = random.frame();
            let _ = filter.matches(&frame, 60);
            assert!(!filter.matches(&[], 0) || !filter.rejects_all(), "{expression:?}");
            true
        }
        Err(error) => {
            let span = error.span();
            assert!(span.start <= span.end && span.end <= expression.len(), "{expression:?}: {span:?}");
            assert!(expression.get(span).is_some(), "{expression:?}: the place is inside a character");
            assert!(error.render(expression).contains('^'), "{expression:?}");
            assert!(!error.message().is_empty());
            false
        }
    }
}

#[test]
fn random_words_compile_or_have_a_place() {
    let seed = 0x736f_7570;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let mut compiled = 0;
    for _ in 0..60_000 {
        let words = 1 + random.below(12);
        let text: Vec<&str> = (0..words).map(|_| random.one_of(WORDS)).collect();
        let link = LinkLayer::from_dlt(random.one_of(LINKS));
        compiled += usize::from(check(&text.join(random.one_of(&["", " ", " "])), link, &mut random));
    }
    assert!(compiled > 500, "{compiled} of the texts compiled");
}

#[test]
fn changed_expressions_compile_or_have_a_place() {
    let seed = 0x6d75_7461;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let expressions = random::expressions();
    let mut compiled = 0;
    for _ in 0..60_000 {
        let mut text: Vec<char> = expressions[random.below(expressions.len())].chars().collect();
        for _ in 0..1 + random.below(3) {
            let at = random.below(text.len().max(1));
            match random.below(3) {
                0 if !text.is_empty() => drop(text.remove(at)),
                1 if !text.is_empty() => text[at] = random.one_of(CHARACTERS),
                _ => text.insert(at.min(text.len()), random.one_of(CHARACTERS)),
            }
        }
        let link = LinkLayer::from_dlt(random.one_of(LINKS));
        compiled += usize::from(check(&text.into_iter().collect::<String>(), link, &mut random));
    }
    assert!(compiled > 1000, "{compiled} of the texts compiled");
}

#[test]
fn random_programs_that_verify_end_without_a_panic() {
    let seed = 0x7072_6f67;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let mut verified = 0;
    for _ in 0..200_000 {
        if let Ok(program) = Program::new(random.program()) {
            verified += 1;
            let frame = random.frame();
            let _ = program.run(&frame, u32::MAX);
            let _ = program.run(&[], 0);
            let _ = program.to_string();
        }
    }
    assert!(verified > 10_000, "{verified} of the programs verified");
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let mut random = Random::new(1);
    for depth in [100, 199, 200, 201, 5_000, 60_000] {
        for (open, inner, close) in [
            ("(", "tcp", ")"),
            ("not ", "tcp", ""),
            ("!(", "port 80", ")"),
            ("ip[", "0", "]"),
            ("-", "1", ""),
            ("(", "len", ")"),
            ("1^", "1", ""),
            ("1-(", "1", ")"),
        ] {
            let text = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            for text in [text.clone(), format!("{text} = 1"), format!("len = {text}"), format!("port {text}")] {
                let compiled = check(&text, LinkLayer::Ethernet, &mut random);
                assert!(!(compiled && depth > 201), "{depth} of {open:?} compiled");
            }
        }
    }
    let nested = format!("{}tcp{}", "(".repeat(150), ")".repeat(150));
    assert!(check(&nested, LinkLayer::Ethernet, &mut random));
}

#[test]
fn long_expressions_compile_as_far_as_a_program_goes() {
    let mut random = Random::new(2);
    for (word, join) in [
        ("tcp", " or "),
        ("port 80", " and "),
        ("host 1.2.3.4", " or not "),
        ("len", "+"),
        ("1", "*"),
        ("vlan", " and "),
    ] {
        for count in [10, 190, 1_000, 10_000] {
            let text = vec![word; count].join(join);
            check(&text, LinkLayer::Ethernet, &mut random);
            check(&format!("{text} = 1"), LinkLayer::Ethernet, &mut random);
        }
    }
    let hosts: Vec<String> = (0..20_000).map(|n| format!("host 10.0.{}.{}", n / 256, n % 256)).collect();
    for (count, fits) in [(200, true), (20_000, false)] {
        let text = hosts[..count].join(" or ");
        assert_eq!(check(&text, LinkLayer::Raw, &mut random), fits, "{count} hosts");
    }
    let too_long = " ".repeat(MAX_EXPRESSION + 1);
    assert!(!check(&too_long, LinkLayer::Ethernet, &mut random));
}

#[test]
fn a_jump_over_more_than_255_instructions_arrives() {
    // The first test decides alone, so its way to the end leads over all others. Each of those loads anew.
    let hosts: Vec<String> = (0..200).map(|n| format!("src host 10.0.1.{n} or dst host 10.0.3.{n}")).collect();
    let any = Filter::compile(&format!("ip[8] = 99 or {}", hosts.join(" or ")), LinkLayer::Raw, 0).expect("it fits");
    let none = Filter::compile(&format!("ip[8] != 99 and not ({})", hosts.join(" or ")), LinkLayer::Raw, 0);
    let none = none.expect("it fits");
    assert!(any.program().len() > 400 && any.program().len() < MAX_INSTRUCTIONS);
    let frame = |ttl: u8, last: u8| vec![0x45, 0, 0, 20, 0, 0, 0, 0, ttl, 6, 0, 0, 10, 0, 1, last, 10, 0, 0, 2];
    for (ttl, last, wanted) in [(99, 250, true), (1, 0, true), (1, 100, true), (1, 199, true), (1, 200, false)] {
        assert_eq!(any.matches(&frame(ttl, last), 20), wanted, "{ttl} {last}");
        assert_eq!(none.matches(&frame(ttl, last), 20), !wanted, "{ttl} {last}");
    }
}

#[test]
fn arithmetic_beyond_the_scratch_memory_is_refused() {
    let mut random = Random::new(3);
    let nested = |depth: usize| format!("{}ip[0]{} = 1", "ip[0]-(".repeat(depth), ")".repeat(depth));
    assert!(check(&nested(SCRATCH_SLOTS - 1), LinkLayer::Ethernet, &mut random));
    assert!(!check(&nested(SCRATCH_SLOTS + 1), LinkLayer::Ethernet, &mut random));
}

const CHARACTERS: &[char] = &[
    ' ',
    '(',
    ')',
    '[',
    ']',
    ':',
    '!',
    '&',
    '|',
    '=',
    '<',
    '>',
    '+',
    '-',
    '*',
    '/',
    '%',
    '^',
    '\\',
    '0',
    '1',
    '9',
    'a',
    'p',
    't',
    '.',
    '_',
    '\t',
    '\n',
    'é',
    '€',
    '\u{1f4a1}',
    '$',
    '#',
    '"',
];

const WORDS: &[&str] = &[
    "tcp",
    "udp",
    "ip",
    "ip6",
    "arp",
    "icmp",
    "icmp6",
    "ether",
    "sctp",
    "host",
    "net",
    "port",
    "portrange",
    "src",
    "dst",
    "proto",
    "protochain",
    "and",
    "or",
    "not",
    "and",
    "or",
    "not",
    "(",
    ")",
    "(",
    ")",
    "[",
    "]",
    ":",
    "=",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "&",
    "|",
    "^",
    "<<",
    ">>",
    "!",
    "&&",
    "||",
    "80",
    "443",
    "0",
    "1",
    "6",
    "65535",
    "4294967295",
    "0x10",
    "10.0.0.1",
    "10.0",
    "192.168.1.0/24",
    "::1",
    "2001:db8::/32",
    "mask",
    "255.0.0.0",
    "1:2:3:4:5:6",
    "vlan",
    "mpls",
    "pppoes",
    "pppoed",
    "geneve",
    "llc",
    "less",
    "greater",
    "len",
    "byte",
    "broadcast",
    "multicast",
    "inbound",
    "ifindex",
    "http",
    "domain",
    "\\tcp",
    "\\",
    "tcpflags",
    "tcp-syn",
    "ip[0]",
    "tcp[13]",
    "ip[2:2]",
    "tcp port 80",
    "host 1.2.3.4",
    "iso",
    "isis",
    "decnet",
    "gateway",
    "type",
    "on",
    "é",
    "$5",
    "80-90",
    "rnr",
    "i",
];
