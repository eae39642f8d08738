//! Two hosts talk, `iperf3`, `ping` and `curl`, while a sensor listens at one end of the cable between them: all that the
//! interface counts is in the account, and each conversation is in a record of the size that the tool says.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::net::{Net, in_namespace_with, quiet};
use crate::sensor::{Log, Scratch};

/// A host with a network namespace of its own, which lives as long as this does.
struct Host {
    namespace: File,
}

impl Host {
    fn new() -> Self {
        let made = std::thread::spawn(|| {
            // SAFETY: takes no pointers; this thread was made for it.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0, "{}", io::Error::last_os_error());
            quiet();
            File::open("/proc/thread-self/ns/net").expect("a namespace")
        });
        Self { namespace: made.join().expect("a namespace") }
    }
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let namespace = self.namespace.as_raw_fd();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        let enter = move || {
            // SAFETY: takes numbers; the descriptor is open as long as the host lives.
            if unsafe { libc::setns(namespace, libc::CLONE_NEWNET) } == 0 {
                return Ok(());
            }
            Err(io::Error::last_os_error())
        };
        // SAFETY: between fork and exec one system call is made, and nothing allocated.
        unsafe { command.pre_exec(enter) };
        command
    }
    /// Runs `ip` on it.
    fn ip(&self, words: &str) {
        let words: Vec<_> = words.split_whitespace().collect();
        assert!(self.command("ip", &words).status().expect("ip runs").success(), "ip {words:?}");
    }
    /// Takes an interface of the test.
    fn take(&self, net: &Net, interface: &str) {
        let namespace = format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd());
        net.ip(&format!("link set dev {interface} netns {namespace}"));
    }
    /// Runs a program until it is dropped; returns once it has said that it listens.
    fn serve(&self, ready: &str, program: &str, arguments: &[&str]) -> Server {
        let mut command = self.command(program, arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a server");
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        while !line.contains(ready) {
            line.clear();
            assert_ne!(said.read_line(&mut line).expect("text"), 0, "{program} ended");
        }
        // What else it says has somewhere to go.
        std::thread::spawn(move || io::copy(&mut said, &mut io::sink()));
        Server(child)
    }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a program of this host says, which must succeed.
#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Lines that give an interface an address, and it alone: no other is made up, and none looked for twice.
fn address(interface: &str, address: &str) -> Vec<String> {
    if !address.contains(':') {
        return vec![format!("ip addr add {address}/24 dev {interface}")];
    }
    vec![
        format!("ip link set dev {interface} addrgenmode none"),
        format!("echo 0 > /proc/sys/net/ipv6/conf/{interface}/disable_ipv6"),
        format!("ip addr add {address}/64 dev {interface} nodad"),
    ]
}

/// Bytes of an Ethernet frame that are not the transport's.
fn headers(ip: IpAddr) -> u64 {
    14 + if ip.is_ipv4() { 20 } else { 40 }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number: {value}"))
}

/// Packets and bytes of a record: to the server, to the client.
fn sizes(flow: &Value) -> [(u64, u64); 2] {
    ["toserver", "toclient"].map(|side| {
        let part = |unit: &str| number(&flow["flow"][format!("{unit}_{side}")]);
        (part("pkts"), part("bytes"))
    })
}

/// The one record for which this holds.
#[track_caller]
fn only<'l>(log: &'l Log, what: &str, holds: impl Fn(&Value) -> bool) -> &'l Value {
    let found: Vec<_> = log.flows.iter().filter(|flow| holds(flow)).collect();
    let all = || log.flows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    assert_eq!(found.len(), 1, "{what} is not one of\n{}", all());
    found[0]
}

/// Between `least` and `most` was carried by TCP in so many packets. Its header has between 20 and 60 bytes; what is not
/// acknowledged in time is sent again, on a busy machine too.
#[track_caller]
fn assert_carried((packets, bytes): (u64, u64), least: u64, most: u64, ip: IpAddr) {
    let around = packets * (headers(ip) + 20);
    let said = format!("{bytes} bytes in {packets} packets for {least} to {most}");
    assert!(bytes >= least + around, "{said}");
    assert!(bytes <= most + around + packets * 40 + most / 2 + 1_000, "{said}");
}

fn ping(server: IpAddr) {
    let said = run("ping", &["-q", "-c", "40", "-i", "0.002", "-s", "100", &server.to_string()]);
    assert!(said.contains("40 packets transmitted, 40 received"), "{said}");
}

fn assert_ping(log: &Log, server: IpAddr) {
    let proto = if server.is_ipv4() { "ICMP" } else { "IPv6-ICMP" };
    let echo = if server.is_ipv4() { 8 } else { 128 };
    let flow = only(log, "ping", |flow| flow["proto"] == proto && flow["icmp_type"] == echo);
    let each = (40, 40 * (headers(server) + 8 + 100));
    assert_eq!(sizes(flow), [each, each], "{flow}");
    assert_eq!(flow["flow"]["state"], "established");
}

/// What iperf3 says.
fn iperf3(server: IpAddr, port: u16, more: &[&str]) -> Value {
    let (server, port) = (server.to_string(), port.to_string());
    let said = run("iperf3", &[&["-c", &server, "-p", &port, "-J"][..], more].concat());
    serde_json::from_str(&said).expect("JSON")
}

fn assert_datagrams(log: &Log, said: &Value, server: IpAddr) {
    let flow = only(log, "iperf3 -u", |flow| flow["proto"] == "UDP" && flow["dest_port"] == DATAGRAM_PORT);
    let packets = number(&said["end"]["sum"]["packets"]);
    // Some the server may not take in time, but all were on the cable.
    assert_eq!(packets, DATAGRAMS, "{said}");
    // Before them each end sends four bytes.
    let (greeting, each) = (headers(server) + 8 + 4, headers(server) + 8 + 1_000);
    assert_eq!(sizes(flow), [(packets + 1, packets * each + greeting), (1, greeting)], "{flow}");
}

const DATAGRAMS: u64 = 3_000;

/// A server of iperf3 is busy for a while after each client: everyone has one of their own.
const DATAGRAM_PORT: u16 = 5_201;
const STREAM_PORT: u16 = 5_202;

fn assert_stream(log: &Log, said: &Value, server: IpAddr) {
    // There is another connection, over which it is talked about.
    let port = &said["start"]["connected"][0]["local_port"];
    let flow = only(log, "iperf3", |flow| flow["proto"] == "TCP" && flow["src_port"] == *port);
    // What waits in a socket when the time is over is not sent any more.
    let [least, most] = ["sum_received", "sum_sent"].map(|sum| number(&said["end"][sum]["bytes"]));
    assert_carried(sizes(flow)[0], least, most, server);
    assert_eq!(flow["flow"]["state"], "closed", "{flow}");
}

/// Fetches the page; its own port, and bytes of request, header and body.
fn curl(server: IpAddr, scratch: &Scratch) -> [u64; 4] {
    let host = if server.is_ipv4() { server.to_string() } else { format!("[{server}]") };
    let wanted = "%{local_port} %{size_request} %{size_header} %{size_download}";
    let to = scratch.path("fetched");
    let to = to.to_str().expect("UTF-8");
    let said = run("curl", &["-s", "--noproxy", "*", "-o", to, "-w", wanted, &format!("http://{host}:8000/page")]);
    assert_eq!(fs::read(to).expect("a page"), fs::read(scratch.path("page")).expect("a page"));
    let mut words = said.split_whitespace().map(|word| word.parse().expect("a number"));
    std::array::from_fn(|_| words.next().expect("four words"))
}

/// Waits until the other host has ended all connections, too: those of this one are gone or in TIME_WAIT.
fn wait_until_closed() {
    let is_over = |table: &str| {
        let table = fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default();
        table.lines().skip(1).all(|line| line.split_whitespace().nth(3) == Some("06"))
    };
    while !(is_over("tcp") && is_over("tcp6")) {
        std::thread::yield_now();
    }
}

fn assert_fetched(log: &Log, [port, request, header, body]: [u64; 4], server: IpAddr) {
    let flow = only(log, "curl", |flow| flow["proto"] == "TCP" && flow["src_port"] == port);
    let [to_server, to_client] = sizes(flow);
    assert_carried(to_server, request, request, server);
    assert_carried(to_client, header + body, header + body, server);
    assert_eq!((&flow["dest_port"], &flow["flow"]["state"]), (&json!(8000), &json!("closed")), "{flow}");
}

fn assert_conversations_are_recorded(client: &'static str, server: &'static str, rings: usize) {
    in_namespace_with(&["curl", "iperf3", "ping", "python3"], move |net| {
        net.cable("a", "b");
        let there = Host::new();
        there.take(net, "b");
        there.ip("link set dev lo up");
        there.ip("link set dev b up");
        let ip: IpAddr = server.parse().expect("an address");
        let scratch = Scratch::new(&format!("hosts-{}-{rings}", if ip.is_ipv4() { 4 } else { 6 }));
        scratch.put("page", &(0..1_000_000_u32).map(|i| (i % 249) as u8).collect::<Vec<_>>());
        let set = format!("af-packet=[{{interface: a, threads: {rings}, defrag: no, ring-size: 20000}}]");
        let sensor = scratch.capture(&["-i", "a", "--set", &set]);
        assert_eq!(net.counted("a").both(), (0, 0), "nobody has an address yet");

        for line in address("a", client) {
            run("sh", &["-c", &line]);
        }
        for line in address("b", server) {
            assert!(there.command("sh", &["-c", &line]).status().expect("sh runs").success(), "{line}");
        }
        let directory = scratch.path("");
        let web = ["-u", "-m", "http.server", "8000", "--bind", server, "-d", directory.to_str().expect("UTF-8")];
        let _web = there.serve("Serving HTTP", "python3", &web);
        let _iperf3 = [DATAGRAM_PORT, STREAM_PORT]
            .map(|port| there.serve("Server listening", "iperf3", &["-s", "--forceflush", "-p", &port.to_string()]));
        ping(ip);
        let datagrams = iperf3(ip, DATAGRAM_PORT, &["-u", "-b", "200M", "-l", "1000", "-k", &DATAGRAMS.to_string()]);
        let stream = iperf3(ip, STREAM_PORT, &["-n", "8M"]);
        let fetched = curl(ip, &scratch);

        wait_until_closed();
        // Nothing can come any more, whatever a kernel still has in mind.
        there.ip("link set dev b down");
        let (packets, bytes) = net.counted("a").both();
        sensor.wait_for_packets("a", packets as usize);
        sensor.signal(libc::SIGTERM);
        let log = sensor.end(0);
        let ledger = log.ledger();
        assert_eq!(ledger["kernel"], json!({"packets": packets, "dropped": 0, "lost": 0}));
        assert_eq!(ledger["read"], json!({"packets": packets, "bytes": bytes}));
        assert_ping(&log, ip);
        assert_datagrams(&log, &datagrams, ip);
        assert_stream(&log, &stream, ip);
        assert_fetched(&log, fetched, ip);
    });
}

#[test]
fn hosts_over_ipv4_and_one_ring_then_records_as_interface_and_tools_say() {
    assert_conversations_are_recorded("10.9.0.1", "10.9.0.2", 1);
}

#[test]
fn hosts_over_ipv4_and_two_rings_then_records_as_interface_and_tools_say() {
    assert_conversations_are_recorded("10.9.0.1", "10.9.0.2", 2);
}

#[test]
fn hosts_over_ipv6_and_one_ring_then_records_as_interface_and_tools_say() {
    assert_conversations_are_recorded("fd09::1", "fd09::2", 1);
}

#[test]
fn hosts_over_ipv6_and_two_rings_then_records_as_interface_and_tools_say() {
    assert_conversations_are_recorded("fd09::1", "fd09::2", 2);
}
