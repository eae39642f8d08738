use std::sync::Mutex;

use flumen_model::sink::Stats;
use flumen_model::{Counters, FlowRecord};

use super::*;
use crate::sensor::{InterfaceCounters, Memcap, MemcapRefusal, Unavailable};

/// Knows little: what commands answer is tested through the socket.
#[derive(Default)]
struct Quiet {
    shut: Mutex<bool>,
}

impl Sensor for Quiet {
    fn version(&self) -> String {
        "1.2.3".to_owned()
    }
    fn uptime_secs(&self) -> u64 {
        7
    }
    fn running_mode(&self) -> String {
        "workers".to_owned()
    }
    fn capture_mode(&self) -> String {
        "AF_PACKET_DEV".to_owned()
    }
    fn shutdown(&self) {
        *self.shut.lock().expect("not poisoned") = true;
    }
    fn configuration(&self, _: &str) -> Option<String> {
        None
    }
    fn stats(&self) -> Result<Stats, Unavailable> {
        Ok(Stats { counters: Counters::default(), ..Stats::default() })
    }
    fn interfaces(&self) -> Vec<String> {
        Vec::new()
    }
    fn interface(&self, _: &str) -> Option<InterfaceCounters> {
        None
    }
    fn memcaps(&self) -> Vec<Memcap> {
        Vec::new()
    }
    fn set_memcap(&self, _: &str, _: u64) -> Result<(), MemcapRefusal> {
        Ok(())
    }
    fn flow(&self, _: u64) -> Result<Option<FlowRecord>, Unavailable> {
        Err(Unavailable("the engine has ended".to_owned()))
    }
    fn reopen_log_files(&self) -> Result<(), String> {
        Ok(())
    }
}

fn at(secs: u64) -> Moment {
    Moment::from_secs(secs)
}

fn conversation() -> Conversation {
    Conversation::new(Arc::new(Quiet::default()), at(0))
}

/// All that is answered to `bytes`.
fn told(conversation: &mut Conversation, bytes: &[u8]) -> String {
    conversation.receive(bytes, at(1));
    let mut out = Vec::new();
    while conversation.step(&mut out) == Step::Answered {}
    String::from_utf8(out).expect("answers are text")
}

const NEW: &[u8] = br#"{"version":"0.2"}"#;

#[test]
fn version_0_2_then_lines_and_0_1_then_none() {
    let mut new = conversation();
    assert_eq!(told(&mut new, b"{\"version\": \"0.2\"}"), "{\"return\":\"OK\"}\n");
    assert_eq!(told(&mut new, b"{\"command\":\"uptime\"}\n"), "{\"message\":7,\"return\":\"OK\"}\n");
    let mut old = conversation();
    assert_eq!(told(&mut old, b"{\"version\": \"0.1\"}"), "{\"return\":\"OK\"}");
    assert_eq!(told(&mut old, b"{\"command\":\"uptime\"}"), "{\"message\":7,\"return\":\"OK\"}");
}

#[test]
fn wrong_greeting_then_told_and_may_try_again() {
    let mut client = conversation();
    for (greeting, answer) in [
        (r#"{"version":"0.3"}"#, "Unsupported version: this is 0.1 and 0.2"),
        (r#"{"version":2}"#, "Unsupported version: this is 0.1 and 0.2"),
        (r#"{"command":"version"}"#, r#"The first message names the version: {\"version\":\"0.2\"}"#),
        ("GET / HTTP/1.1\r\n\r\n", "Malformed JSON: the request is not an object"),
        (r#"{version}"#, "Malformed JSON: key must be a string at line 1 column 2"),
    ] {
        assert_eq!(
            told(&mut client, greeting.as_bytes()),
            format!("{{\"message\":\"{answer}\",\"return\":\"NOK\"}}\n")
        );
    }
    let long = format!("{{\"version\":\"{}\"}}", "0".repeat(200));
    assert_eq!(
        told(&mut client, long.as_bytes()),
        "{\"message\":\"The request has more than 200 bytes\",\"return\":\"NOK\"}\n"
    );
    assert_eq!(told(&mut client, NEW), "{\"return\":\"OK\"}\n");
}

#[test]
fn greeting_and_requests_in_one_piece_then_all_answered_in_order() {
    let mut client = conversation();
    let mut all = NEW.to_vec();
    all.extend_from_slice(b"{\"command\":\"uptime\"}\n{\"command\":\"version\"}\n");
    assert_eq!(
        told(&mut client, &all),
        "{\"return\":\"OK\"}\n{\"message\":7,\"return\":\"OK\"}\n{\"message\":\"1.2.3\",\"return\":\"OK\"}\n"
    );
}

#[test]
fn malformed_requests_then_told_and_the_next_one_is_answered() {
    let mut client = conversation();
    told(&mut client, NEW);
    let deep = format!("{{\"command\":{}}}", "[".repeat(2000));
    for (request, reason) in [
        ("{", "Malformed JSON"),
        ("\u{0}\u{1}", "Malformed JSON"),
        ("[]", "The request is not an object"),
        ("7", "The request is not an object"),
        ("{}", "'command' is missing"),
        (r#"{"command":7}"#, "'command' is not a string"),
        (r#"{"command":"reload-rules"}"#, "Unknown command"),
        (r#"{"command":"pcap-current"}"#, "Unknown command"),
        (r#"{"command":"conf-get"}"#, "'variable' is missing from 'arguments'"),
        (r#"{"command":"conf-get","arguments":[]}"#, "'arguments' is not an object"),
        (r#"{"command":"conf-get","arguments":{"variable":1}}"#, "'variable' is not a string"),
        (r#"{"command":"conf-get","arguments":{"variable":"x"}}"#, "Unable to get value"),
        (r#"{"command":"get-flow-stats-by-id","arguments":{"flow_id":-1}}"#, "'flow_id' is not a number"),
        (r#"{"command":"get-flow-stats-by-id","arguments":{"flow_id":1}}"#, "the engine has ended"),
        (&deep, "Malformed JSON"),
        (&"x".repeat(5000), "The request has more than 4096 bytes"),
    ] {
        let answer = told(&mut client, format!("{request}\n").as_bytes());
        assert!(answer.contains(reason) && answer.ends_with("\"return\":\"NOK\"}\n"), "{request:.50}: {answer}");
        assert_eq!(answer.matches('\n').count(), 1, "{request:.50}");
    }
    assert_eq!(told(&mut client, b"{\"command\":\"uptime\"}\n"), "{\"message\":7,\"return\":\"OK\"}\n");
}

#[test]
fn no_greeting_in_time_then_told_why_and_over() {
    let mut client = conversation();
    assert_eq!(client.deadline(), Some(at(10)));
    let mut out = Vec::new();
    client.expire(at(9), &mut out);
    assert!(out.is_empty());
    client.expire(at(10), &mut out);
    assert_eq!(out, b"{\"message\":\"No version was named within 10 s\",\"return\":\"NOK\"}\n");
    assert_eq!(client.step(&mut out), Step::Over);
}

#[test]
fn silence_after_the_greeting_then_no_deadline() {
    let mut client = conversation();
    told(&mut client, NEW);
    assert_eq!(client.deadline(), None);
    told(&mut client, b"{\"com");
    assert_eq!(client.deadline(), Some(at(11)));
    let mut out = Vec::new();
    client.expire(at(11), &mut out);
    let said =
        "{\"message\":\"The request was not complete within 10 s: it ends with a line feed\",\"return\":\"NOK\"}\n";
    assert_eq!(String::from_utf8_lossy(&out), said);
    assert_eq!(told(&mut client, b"mand\"}\n{\"command\":\"uptime\"}\n"), "{\"message\":7,\"return\":\"OK\"}\n");
}

#[test]
fn random_bytes_in_random_pieces_then_every_answer_is_an_object_and_the_client_is_heard_after() {
    for seed in 1..300_u64 {
        let mut state = seed;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as usize
        };
        let mut client = conversation();
        told(&mut client, NEW);
        for _ in 0..40 {
            let piece: Vec<u8> = match random() % 3 {
                0 => (0..random() % 200).map(|_| random() as u8).collect(),
                1 => br#"{"command":"uptime","arguments":{}}"#[..random() % 36].to_vec(),
                _ => b"{\"command\":\"memcap-set\",\"arguments\":{\"config\":\"x\",\"memcap\":\"1e9999\"}}\n".to_vec(),
            };
            for line in told(&mut client, &piece).lines() {
                let answer: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("seed {seed}: {e}: {line}"));
                assert!(answer["return"] == "OK" || answer["return"] == "NOK", "seed {seed}: {line}");
            }
        }
        let last = told(&mut client, b"\n{\"command\":\"uptime\"}\n");
        assert!(last.ends_with("{\"message\":7,\"return\":\"OK\"}\n"), "seed {seed}: {last}");
    }
}
