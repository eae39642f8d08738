use super::*;

const LIMIT: usize = 64;

fn at(secs: u64) -> Moment {
    Moment::from_secs(secs)
}

/// What comes of `pieces`, each taken apart before the next one comes.
fn outcomes(framing: Framing, pieces: &[&[u8]]) -> Vec<Result<String, Fault>> {
    let mut framer = Framer::new(framing, LIMIT);
    let mut found = Vec::new();
    for piece in pieces {
        framer.push(piece, at(0));
        while let Some(message) = framer.next() {
            found.push(message.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    found
}

fn ok(text: &str) -> Result<String, Fault> {
    Ok(text.to_owned())
}

#[test]
fn lines_in_one_piece_then_each_a_message() {
    assert_eq!(outcomes(Framing::Line, &[b"a\nbc\r\n\n  \n{}\nrest"]), [ok("a\n"), ok("bc\r\n"), ok("{}\n")]);
}

#[test]
fn objects_side_by_side_then_each_a_message() {
    let pieces: &[&[u8]] = &[br#" {"a":{"}":"\"{"}}{} "#, b"\n{\"b\"", b":1}"];
    assert_eq!(outcomes(Framing::Object, pieces), [ok(r#"{"a":{"}":"\"{"}}"#), ok("{}"), ok(r#"{"b":1}"#)]);
}

#[test]
fn no_object_then_all_of_the_piece_is_refused_once() {
    let pieces: &[&[u8]] = &[b"nonsense {}", b"]", b"{}"];
    assert_eq!(outcomes(Framing::Object, pieces), [Err(Fault::NotAnObject), Err(Fault::NotAnObject), ok("{}")]);
}

#[test]
fn message_of_exactly_the_limit_then_taken_and_one_byte_more_refused() {
    for (extra, good) in [(0, true), (1, false)] {
        let line = format!("{}\n", "x".repeat(LIMIT + extra));
        let object = format!("{{\"{}\"}}", "x".repeat(LIMIT + extra - 4));
        for (framing, text) in [(Framing::Line, line), (Framing::Object, object)] {
            let expected = if good { ok(&text) } else { Err(Fault::TooLong(LIMIT)) };
            let again = if framing == Framing::Line { "z\n" } else { "{}" };
            assert_eq!(outcomes(framing, &[text.as_bytes(), again.as_bytes()]), [expected.clone(), ok(again)]);
            let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(outcomes(framing, &single), [expected], "byte by byte");
        }
    }
}

#[test]
fn message_far_too_long_then_nothing_is_kept_of_it() {
    for (framing, open, close) in [(Framing::Line, "", "\n{}\n"), (Framing::Object, "{\"", "\"}{}")] {
        let mut framer = Framer::new(framing, LIMIT);
        framer.push(open.as_bytes(), at(0));
        let mut refused = 0;
        for _ in 0..1000 {
            assert!(framer.buffer.len() <= LIMIT);
            framer.push(&[b'x'; 50], at(0));
            while let Some(message) = framer.next() {
                assert_eq!(message, Err(Fault::TooLong(LIMIT)));
                refused += 1;
            }
        }
        framer.push(close.as_bytes(), at(0));
        assert_eq!((refused, framer.next().map(|m| m.is_ok())), (1, Some(true)), "{framing:?}");
    }
}

#[test]
fn half_a_line_for_too_long_then_refused_once_and_its_rest_passed_over() {
    let mut framer = Framer::new(Framing::Line, LIMIT);
    framer.push(b"{\"comm", at(3));
    assert_eq!((framer.next(), framer.deadline()), (None, Some(at(3) + REQUEST_TIME)));
    framer.push(b"and", at(9));
    assert_eq!(framer.next(), None);
    assert_eq!(framer.expire(at(12)), None, "it is counted from its first byte");
    assert_eq!(framer.expire(at(13)), Some(Fault::Slow(Framing::Line)));
    assert_eq!((framer.next(), framer.deadline()), (None, None));
    framer.push(b"\":1}\n{}\n", at(60));
    assert_eq!(framer.next(), Some(Ok(b"{}\n".to_vec())));
    assert_eq!((framer.next(), framer.deadline()), (None, None));
}

#[test]
fn half_an_object_for_too_long_then_refused_and_the_next_one_is_new() {
    let mut framer = Framer::new(Framing::Object, LIMIT);
    framer.push(b"{\"command\":\"{", at(0));
    assert_eq!(framer.next(), None);
    assert_eq!(framer.expire(at(10)), Some(Fault::Slow(Framing::Object)));
    framer.push(b"{}", at(11));
    assert_eq!(framer.next(), Some(Ok(b"{}".to_vec())));
}

#[test]
fn object_too_long_that_never_ends_then_given_up_in_time() {
    let mut framer = Framer::new(Framing::Object, LIMIT);
    framer.push(&[b'{'; LIMIT + 1], at(0));
    assert_eq!(framer.next(), Some(Err(Fault::TooLong(LIMIT))));
    assert_eq!((framer.next(), framer.expire(at(10))), (None, None), "it was refused already");
    framer.push(b"{}", at(11));
    assert_eq!(framer.next(), Some(Ok(b"{}".to_vec())));
}

#[test]
fn second_message_begun_in_the_piece_of_the_first_then_its_time_begins_there() {
    let mut framer = Framer::new(Framing::Line, LIMIT);
    framer.push(b"a", at(0));
    assert_eq!(framer.next(), None);
    framer.push(b"\nb", at(9));
    assert!(framer.next().is_some() && framer.next().is_none());
    assert_eq!(framer.deadline(), Some(at(19)));
}

#[test]
fn version_then_other_framing_with_what_is_there_already() {
    let mut framer = Framer::new(Framing::Object, LIMIT);
    framer.push(b"{\"version\":\"0.2\"}\n{\"command\":\"a\"}\n", at(0));
    assert!(matches!(framer.next(), Some(Ok(_))));
    framer.switch(Framing::Line, LIMIT);
    assert_eq!(framer.next(), Some(Ok(b"{\"command\":\"a\"}\n".to_vec())));
    assert_eq!(framer.next(), None);
}

/// Splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}

/// `bytes` in pieces of random length.
fn cut<'a>(random: &mut Random, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let most = 1 + random.below(40);
        let (piece, rest) = bytes.split_at(bytes.len().min(1 + random.below(most)));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

#[test]
fn random_lines_cut_anywhere_then_as_a_plain_split_has_them() {
    for seed in 0..500 {
        let mut random = Random(seed);
        let length = random.below(2000);
        let bytes: Vec<u8> = (0..length).map(|_| b"ab {}\"\\\x00\xff\n\r\n"[random.below(12)]).collect();
        let expected: Vec<_> =
            bytes
                .split_inclusive(|&byte| byte == b'\n')
                .filter(|line| line.ends_with(b"\n"))
                .map(<[u8]>::trim_ascii_start)
                .filter(|line| !line.is_empty())
                .map(|line| {
                    if line.len() > LIMIT + 1 { Err(Fault::TooLong(LIMIT)) } else { ok(&String::from_utf8_lossy(line)) }
                })
                .collect();
        let mut found = outcomes(Framing::Line, &cut(&mut random, &bytes));
        if found.len() > expected.len() {
            assert_eq!(found.pop(), Some(Err(Fault::TooLong(LIMIT))), "a line without an end; seed {seed}");
        }
        assert_eq!(found, expected, "seed {seed}");
    }
}

#[test]
fn random_objects_cut_anywhere_then_found_again() {
    for seed in 0..500 {
        let mut random = Random(seed);
        let mut expected = Vec::new();
        let mut bytes = Vec::new();
        for _ in 0..random.below(20) {
            let mut text = "{".repeat(1 + random.below(4));
            let depth = text.len();
            for _ in 0..random.below(6) {
                text.push_str(["\"{\"", "\"\\\"}\"", "[", " ", "\"\\\\\"", "\n"][random.below(6)]);
            }
            text.push_str(&"}".repeat(depth));
            bytes.extend_from_slice(text.as_bytes());
            bytes.extend_from_slice(&b"  \n"[..random.below(4)]);
            expected.push(ok(&text));
        }
        assert_eq!(outcomes(Framing::Object, &cut(&mut random, &bytes)), expected, "seed {seed}");
    }
}

#[test]
fn random_bytes_at_random_moments_then_memory_is_bounded_and_the_end_is_found() {
    for seed in 0..500 {
        let mut random = Random(seed);
        for framing in [Framing::Line, Framing::Object] {
            let mut framer = Framer::new(framing, LIMIT);
            let mut now = 0;
            for _ in 0..200 {
                let piece: Vec<u8> = (0..random.below(300)).map(|_| random.below(256) as u8).collect();
                framer.push(&piece, at(now));
                let most = LIMIT + 300;
                assert!(framer.buffer.len() <= most, "seed {seed}: {} bytes", framer.buffer.len());
                let messages = std::iter::from_fn(|| framer.next()).count();
                assert!(messages <= most, "seed {seed}");
                now += random.below(8) as u64;
                framer.expire(at(now));
            }
            assert!(framer.expire(at(now + 10)).is_none() || framer.deadline().is_none(), "seed {seed}");
            framer.expire(at(now + 20));
            framer.push(b"\n{}\n", at(now + 20));
            let found: Vec<_> = std::iter::from_fn(|| framer.next()).collect();
            assert!(matches!(found.last(), Some(Ok(_))), "seed {seed} {framing:?}: {found:?}");
        }
    }
}
