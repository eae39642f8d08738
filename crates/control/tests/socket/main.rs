//! The server through its socket: with its own client, with one that knows only the protocol, and with clients that do
//! their worst.

mod fake;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fake::{FLOW_ID, Fake, IN_USE};
use flumen_control::{
    Access, Answer, BindError, Client, ClientError, ControlServer, ControlSocket, HttpServer, Pages, Sensor,
};
use serde_json::{Map, Value, json};

/// A directory of one test, removed at its end. Short, as the path of a socket is limited.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("flumen-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }
    fn socket(&self) -> PathBuf {
        self.0.join("command.socket")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server of `sensor`.
fn serve(scratch: &Scratch, sensor: &Arc<Fake>) -> ControlServer {
    let socket = ControlSocket::bind(&scratch.socket(), Access::default()).expect("a socket");
    ControlServer::start(socket, Arc::clone(sensor) as Arc<dyn Sensor>).expect("a server")
}

/// Long enough for a machine that has other things to do; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

fn client(scratch: &Scratch) -> Client {
    Client::connect(&scratch.socket(), PATIENCE).expect("a client")
}

fn arguments(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn ask(client: &mut Client, command: &str, given: Value) -> Answer {
    client.call(command, arguments(given)).expect("an answer")
}

/// A connection that has named its version.
fn raw(scratch: &Scratch) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(scratch.socket()).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(b"{\"version\":\"0.2\"}").expect("sent");
    let mut reader = BufReader::new(stream);
    assert_eq!(line(&mut reader), "{\"return\":\"OK\"}\n");
    reader
}

fn line(reader: &mut BufReader<UnixStream>) -> String {
    let mut text = String::new();
    reader.read_line(&mut text).expect("a line");
    text
}

#[test]
fn commands_of_a_sensor_then_their_answers() {
    let (scratch, sensor) = (Scratch::new(), Arc::new(Fake::new()));
    let _server = serve(&scratch, &sensor);
    let client = &mut client(&scratch);
    let done = |answer: Value| Answer::Done(answer);
    let refused = |reason: &str| Answer::Refused(reason.into());
    assert_eq!(ask(client, "version", json!({})), done(json!("0.1.0")));
    assert_eq!(ask(client, "uptime", json!({})), done(json!(35_264)));
    assert_eq!(ask(client, "running-mode", json!({})), done(json!("workers")));
    assert_eq!(ask(client, "capture-mode", json!({})), done(json!("AF_PACKET_DEV")));
    assert_eq!(ask(client, "conf-get", json!({"variable": "unix-command.enabled"})), done(json!("yes")));
    let Answer::Done(mut counters) = ask(client, "dump-counters", json!({})) else { panic!("refused") };
    let ledger = counters.as_object_mut().and_then(|counters| counters.remove("flumen")).expect("flumen");
    assert_eq!(ledger["ledger"]["unaccounted"], json!({"packets": 0, "bytes": 0}));
    assert_eq!(
        counters,
        json!({"uptime": 2, "decoder": {"pkts": 8}, "flow": {"total": 4, "end": {"state": {"new": u64::MAX}}}})
    );
    assert_eq!(ask(client, "iface-list", json!({})), done(json!({"count": 2, "ifaces": ["eth0", "eth1"]})));
    assert_eq!(
        ask(client, "iface-stat", json!({"iface": "eth0"})),
        done(json!({"pkts": 378, "invalid-checksums": 1, "drop": 2, "bypassed": 3}))
    );
    assert_eq!(ask(client, "iface-stat", json!({"iface": "eth9"})), refused("Unknown interface 'eth9'"));
    let flow = json!({"pkts_toclient": 3, "pkts_toserver": 5, "bytes_toclient": 162, "bytes_toserver": 273, "age": 10});
    assert_eq!(ask(client, "get-flow-stats-by-id", json!({"flow_id": FLOW_ID})), done(flow));
    assert_eq!(ask(client, "get-flow-stats-by-id", json!({"flow_id": 7})), refused("Not found"));
    assert_eq!(ask(client, "reopen-log-files", json!({})), done(json!("done")));
    assert_eq!(sensor.reopened.load(Ordering::SeqCst), 1);
    assert_eq!(ask(client, "pcap-current", json!({})), refused("Unknown command"));
    let Answer::Done(list) = ask(client, "command-list", json!({})) else { panic!("refused") };
    assert_eq!(list["count"], 16);
    assert_eq!(ask(client, "help", json!({})), Answer::Done(list));
    assert!(!sensor.shut.load(Ordering::SeqCst));
    assert_eq!(ask(client, "shutdown", json!({})), done(json!("Closing Flumen")));
    assert!(sensor.shut.load(Ordering::SeqCst));
}

#[test]
fn memory_limits_then_listed_shown_and_set_in_suricatas_words() {
    let (scratch, sensor) = (Scratch::new(), Arc::new(Fake::new()));
    let _server = serve(&scratch, &sensor);
    let client = &mut client(&scratch);
    let mut set = |config: &str, memcap: Value| ask(client, "memcap-set", json!({"config": config, "memcap": memcap}));
    let refused = |reason: String| Answer::Refused(reason.into());
    assert_eq!(set("flow", json!("32mb")), Answer::Done("memcap value for 'flow' updated: 33554432 ".into()));
    assert_eq!(set("flow", json!(67_108_864)), Answer::Done("memcap value for 'flow' updated: 67108864 ".into()));
    assert_eq!(
        set("flow", json!("1mb")),
        refused(format!("memcap value specified for 'flow' is less than the memory in use: {IN_USE}"))
    );
    assert_eq!(set("flow", json!(0)), refused("Unlimited value is not allowed for 'flow'".to_owned()));
    assert_eq!(set("flow", json!("32mmb")), refused("error parsing memcap specified, value not changed".to_owned()));
    assert_eq!(set("http", json!("32mb")), refused("Available config: flow defrag".to_owned()));
    assert_eq!(
        ask(client, "memcap-list", json!({})),
        Answer::Done(json!([{"name": "flow", "value": "64mb"}, {"name": "defrag", "value": "unlimited"}]))
    );
    assert_eq!(ask(client, "memcap-show", json!({"config": "flow"})), Answer::Done(json!({"value": "64mb"})));
    assert_eq!(
        ask(client, "memcap-show", json!({"config": "udp"})),
        refused("Available config: flow defrag".to_owned())
    );
}

#[test]
fn captures_of_a_serving_sensor_then_queued() {
    let (scratch, sensor) = (Scratch::new(), Arc::new(Fake::serving()));
    let _server = serve(&scratch, &sensor);
    let client = &mut client(&scratch);
    let queue = sensor.queue.as_ref().expect("it serves");
    let given = json!({"filename": "/a.pcap", "output-dir": "/out"});
    let added = Answer::Done("Successfully added file to list".into());
    assert_eq!(ask(client, "pcap-file", given.clone()), added);
    let all = json!({"filename": "/b", "output-dir": "/out", "tenant": 3, "delete-when-done": true, "delay": 1,
        "poll-interval": 2});
    assert_eq!(ask(client, "pcap-file-continuous", all), added);
    assert_eq!(
        ask(client, "pcap-file", json!({"filename": "/nowhere/x", "output-dir": "/out"})),
        Answer::Refused("/nowhere/x: no such file".into())
    );
    let jobs = queue.waiting.lock().expect("not poisoned").clone();
    assert_eq!((jobs[0].continuous, jobs[0].delay_secs, jobs[0].poll_interval_secs), (false, 30, 5));
    assert_eq!((jobs[1].continuous, jobs[1].delay_secs, jobs[1].poll_interval_secs), (true, 1, 2));
    assert_eq!((jobs[1].tenant, jobs[1].delete_when_done), (Some(3), true));
    assert_eq!(ask(client, "pcap-file-number", json!({})), Answer::Done(json!(2)));
    assert_eq!(ask(client, "pcap-file-list", json!({})), Answer::Done(json!({"count": 2, "files": ["/a.pcap", "/b"]})));
    assert_eq!(ask(client, "pcap-current", json!({})), Answer::Done("None".into()));
    assert_eq!(ask(client, "pcap-interrupt", json!({})), Answer::Refused("No capture is being read".into()));
    *queue.current.lock().expect("not poisoned") = Some("/a.pcap".into());
    assert_eq!(ask(client, "pcap-current", json!({})), Answer::Done("/a.pcap".into()));
    assert_eq!(ask(client, "pcap-interrupt", json!({})), Answer::Done("Interrupted".into()));
    assert_eq!(ask(client, "pcap-last-processed", json!({})), Answer::Done(json!(1_509_138_964_000_u64)));
}

#[test]
fn client_that_knows_only_the_protocol_then_all_as_it_expects() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol_client.py");
    if Command::new("python3").arg("--version").output().is_err() {
        // Where everything is checked there is a python3, or the check fails.
        assert!(std::env::var_os("FLUMEN_REQUIRE_PYTHON").is_none() && std::env::var_os("CI").is_none(), "no python3");
        eprintln!("no python3: the independent client was not run");
        return;
    }
    for (mode, sensor) in [("live", Fake::new()), ("serve", Fake::serving())] {
        let (scratch, sensor) = (Scratch::new(), Arc::new(sensor));
        let _server = serve(&scratch, &sensor);
        let output = Command::new("python3").arg(&script).arg(scratch.socket()).arg(mode).output().expect("it runs");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{mode}:\n{out}{err}");
        // The last line says how many checks there were: a script that does nothing does not pass.
        let checks: u32 = out.lines().last().and_then(|l| l.strip_suffix(" checks")?.parse().ok()).unwrap_or(0);
        assert!(checks >= 100, "{mode}: {out}");
        assert!(sensor.shut.load(Ordering::SeqCst), "its last command is shutdown");
    }
}

#[test]
fn hundred_clients_that_do_not_read_or_finish_then_others_are_answered() {
    let (scratch, sensor) = (Scratch::new(), Arc::new(Fake::new()));
    let _server = serve(&scratch, &sensor);
    let request = b"{\"command\":\"dump-counters\"}\n".repeat(150);
    let mut idle = Vec::new();
    for n in 0..100 {
        let mut reader = raw(&scratch);
        let stream = reader.get_mut();
        stream.set_nonblocking(true).expect("set");
        match n % 4 {
            // Sends requests until nothing more fits, and reads none of the answers.
            0 => while stream.write(&request).is_ok() {},
            1 => stream.write_all(b"{\"comma").expect("sent"),
            2 => stream.write_all(&[b'x'; 4090]).expect("sent"),
            _ => {}
        }
        idle.push(reader);
    }
    let client = &mut client(&scratch);
    for _ in 0..100 {
        assert_eq!(ask(client, "uptime", json!({})), Answer::Done(json!(35_264)));
    }
    // Who begins to read gets every answer, whole and in order.
    let reader = &mut idle[0];
    reader.get_mut().set_nonblocking(false).expect("set");
    for _ in 0..500 {
        assert!(line(reader).starts_with("{\"message\":{\"uptime\":2,"));
    }
}

#[test]
fn more_clients_than_there_is_room_for_then_told() {
    let (scratch, sensor) = (Scratch::new(), Arc::new(Fake::new()));
    let _server = serve(&scratch, &sensor);
    let mut room: Vec<_> = (0..flumen_control::limits::CLIENTS).map(|_| raw(&scratch)).collect();
    match Client::connect(&scratch.socket(), PATIENCE) {
        Err(ClientError::Turned { message, .. }) => assert_eq!(message, "Too many clients"),
        // It may be gone before the greeting is sent.
        Err(ClientError::Gone(_)) => {}
        other => panic!("{other:?}"),
    }
    // One that leaves makes room; the server learns of it before it looks at who comes next.
    let last = room.pop();
    drop(last);
    let mut again = client(&scratch);
    assert_eq!(ask(&mut again, "uptime", json!({})), Answer::Done(json!(35_264)));
    let first = &mut room[0];
    first.get_mut().write_all(b"{\"command\":\"uptime\"}\n").expect("sent");
    assert_eq!(line(first), "{\"message\":35264,\"return\":\"OK\"}\n");
}

#[test]
fn input_that_ends_after_requests_then_all_answered_before_the_end() {
    let (scratch, sensor) = (Scratch::new(), Arc::new(Fake::new()));
    let _server = serve(&scratch, &sensor);
    let mut stream = UnixStream::connect(scratch.socket()).expect("connected");
    stream.write_all(b"{\"version\":\"0.2\"}{\"command\":\"uptime\"}\n{\"command\":\"version\"}\n").expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("shut");
    let mut all = String::new();
    stream.read_to_string(&mut all).expect("answers, then the end");
    assert_eq!(
        all,
        "{\"return\":\"OK\"}\n{\"message\":35264,\"return\":\"OK\"}\n{\"message\":\"0.1.0\",\"return\":\"OK\"}\n"
    );
}

#[test]
fn socket_file_then_its_mode_its_life_and_what_it_replaces() {
    let scratch = Scratch::new();
    let path = scratch.0.join("deeper/command.socket");
    let bind = || ControlSocket::bind(&path, Access { mode: 0o600, group: None });
    let first = bind().expect("its directory is made");
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    assert!(matches!(bind(), Err(BindError::InUse(_))), "somebody listens");
    assert_eq!(fs::read_dir(path.parent().expect("a parent")).expect("listed").count(), 1, "nothing else is left");
    drop(first);
    assert!(!path.exists());

    // What a sensor that was killed leaves behind.
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists());
    let second = bind().expect("replaced");
    let number = fs::metadata(&path).expect("it is there").ino();
    fs::remove_file(&path).expect("removed");
    let third = bind().expect("bound again");
    assert_ne!(fs::metadata(&path).expect("it is there").ino(), number);
    drop(second);
    assert!(path.exists(), "it is not the second one's any more");
    drop(third);

    fs::write(&path, "precious").expect("written");
    assert!(matches!(bind(), Err(BindError::NotASocket(_))));
    assert_eq!(fs::read_to_string(&path).expect("untouched"), "precious");
}

#[test]
fn socket_file_for_a_group_then_its_own() {
    let scratch = Scratch::new();
    let own = fs::metadata(&scratch.0).expect("it is there").gid();
    let socket = ControlSocket::bind(&scratch.socket(), Access { mode: 0o660, group: Some(own) }).expect("bound");
    let metadata = fs::metadata(socket.path()).expect("it is there");
    assert_eq!((metadata.gid(), metadata.permissions().mode() & 0o777), (own, 0o660));
}

#[test]
fn no_sensor_then_the_client_says_what_is_wrong() {
    let scratch = Scratch::new();
    let connect = |timeout| Client::connect(&scratch.socket(), timeout);
    assert!(matches!(connect(PATIENCE), Err(ClientError::NoSocket(_))));
    let listener = UnixListener::bind(scratch.socket()).expect("a socket");
    assert!(matches!(connect(Duration::from_millis(1)), Err(ClientError::Timeout { .. })), "it never answers");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let refusal = b"{\"message\":\"No\",\"return\":\"NOK\"}\n";
            // The first one is the client that did not wait.
            drop(listener.accept().expect("a client"));
            for answer in [&b""[..], b"{\"return\":\"MAYBE\"}\n", b"no JSON\n", refusal] {
                let (mut stream, _) = listener.accept().expect("a client");
                // Read first: what is closed with input unread is reset.
                stream.read_exact(&mut [0; 17]).expect("a greeting");
                stream.write_all(answer).expect("sent");
            }
        });
        assert!(matches!(connect(PATIENCE), Err(ClientError::Gone(_))));
        assert!(matches!(connect(PATIENCE), Err(ClientError::Garbled { .. })));
        assert!(matches!(connect(PATIENCE), Err(ClientError::Garbled { .. })));
        match connect(PATIENCE) {
            Err(ClientError::Turned { message, .. }) => assert_eq!(message, "No"),
            other => panic!("{other:?}"),
        }
    });
    drop(listener);
    assert!(matches!(connect(PATIENCE), Err(ClientError::NobodyListens(_))));
}

#[test]
fn server_that_ends_then_answers_on_their_way_arrive_and_the_file_is_gone() {
    let (scratch, sensor) = (Scratch::new(), Arc::new(Fake::new()));
    let server = serve(&scratch, &sensor);
    let mut reader = raw(&scratch);
    reader.get_mut().write_all(b"{\"command\":\"shutdown\"}\n").expect("sent");
    assert_eq!(line(&mut reader), "{\"message\":\"Closing Flumen\",\"return\":\"OK\"}\n");
    drop(server);
    assert_eq!(line(&mut reader), "", "the end");
    assert!(!scratch.socket().exists());
}

struct Metrics;

impl Pages for Metrics {
    fn metrics(&self) -> Result<String, String> {
        Ok("flumen_flow_active 1\n".repeat(20_000))
    }
    fn health(&self) -> Result<(), String> {
        Ok(())
    }
    fn readiness(&self) -> Result<(), String> {
        Ok(())
    }
}

#[test]
fn metrics_over_http_then_whole_also_when_the_client_says_too_much() {
    let server = HttpServer::start("127.0.0.1:0".parse().expect("an address"), Arc::new(Metrics)).expect("a server");
    for extra in [0, 2000] {
        let mut stream = std::net::TcpStream::connect(server.address()).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
        stream.write_all(&vec![b'x'; extra]).expect("sent");
        let mut all = String::new();
        stream.read_to_string(&mut all).expect("a response");
        let (head, body) = all.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Content-Length: 420000"), "{head}");
        assert_eq!(body.len(), 420_000);
    }
}
