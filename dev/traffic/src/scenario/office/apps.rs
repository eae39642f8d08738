//! What people and programs do: names, pages, printing, a call, and the odd things.

use super::{FILES, PRINTER, ROUTER, Scene, workstation};
use crate::{Ends, Packet, Session, Side, flags, mac_of};

use Side::{Client, Server};

/// Largest payload of a segment with time stamps.
const SEGMENT: usize = 1_448;

const HOSTS: [([&str; 3], [u8; 4]); 6] = [
    (["www", "example", "com"], [93, 184, 216, 34]),
    (["news", "example", "org"], [198, 51, 100, 20]),
    (["mail", "example", "net"], [203, 0, 113, 25]),
    (["cdn", "example", "com"], [198, 51, 100, 80]),
    (["api", "example", "org"], [203, 0, 113, 99]),
    (["intranet", "office", "lan"], [192, 168, 10, 5]),
];

/// A DNS question (RFC 1035 §4) for a name.
pub(super) fn dns_question(id: u16, labels: &[&str], kind: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let recursion = u8::from(id != 0);
    let mut message = vec![high, low, recursion, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in labels {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message
}

/// Asks the router for an address and gets it.
fn look_up(scene: &mut Scene<'_>, client: [u8; 4], labels: &[&str], kind: u16, address: &[u8]) {
    let ends = Ends::v4(client, scene.port(), ROUTER, 53);
    let question = dns_question(scene.rng.word() as u16 | 1, labels, kind);
    let mut answer = question.clone();
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer[7] = 1;
    // The name by reference, type, class, time to live, length, address.
    answer.extend([0xc0, 12]);
    answer.extend(kind.to_be_bytes());
    answer.extend([0, 1, 0, 0, 1, 44, 0, address.len() as u8]);
    answer.extend(address);
    scene.send(ends.udp(Client, &question));
    scene.wait_micros(400, 25_000);
    scene.send(ends.udp(Server, &answer));
    scene.wait_micros(100, 2_000);
}

/// A TCP conversation on the scene.
struct Talk<'a, 'b> {
    scene: &'a mut Scene<'b>,
    session: Session,
    /// Microseconds that a packet takes there and back.
    round_trip: u64,
}

impl<'a, 'b> Talk<'a, 'b> {
    fn new(scene: &'a mut Scene<'b>, ends: Ends) -> Self {
        let session = Session::new(ends, scene.rng.word(), scene.rng.word());
        let round_trip = scene.rng.between(2_000, 60_000);
        Self { scene, session, round_trip }
    }

    fn open(mut self) -> Self {
        let syn = self.session.syn(self.scene.now_ns);
        self.scene.send(syn);
        self.turn();
        let syn_ack = self.session.syn_ack(self.scene.now_ns);
        self.scene.send(syn_ack);
        self.scene.wait_micros(50, 300);
        self.say(Client, flags::ACK, &[]);
        self
    }

    fn turn(&mut self) {
        self.scene.wait_micros(self.round_trip, self.round_trip + self.round_trip / 8);
    }

    fn say(&mut self, side: Side, flags: u8, payload: &[u8]) {
        let frame = self.session.send(side, flags, payload, self.scene.now_ns);
        self.scene.send(frame);
        self.scene.wait_micros(20, 400);
    }

    /// Sends `payload` in segments; the other side acknowledges every second one.
    fn transfer(&mut self, side: Side, payload: &[u8]) {
        for (number, segment) in payload.chunks(SEGMENT).enumerate() {
            let push = if segment.len() < SEGMENT { flags::PSH } else { 0 };
            self.say(side, flags::ACK | push, segment);
            if number % 2 == 1 {
                self.say(side.other(), flags::ACK, &[]);
            }
        }
        self.say(side.other(), flags::ACK, &[]);
    }

    fn close(&mut self, first: Side) {
        self.say(first, flags::FIN | flags::ACK, &[]);
        self.turn();
        self.say(first.other(), flags::FIN | flags::ACK, &[]);
        self.say(first, flags::ACK, &[]);
    }
}

/// A page over HTTP; one page in eight loses a segment and gets it again.
pub(super) fn browse(scene: &mut Scene<'_>, number: u8) {
    let (labels, server) = scene.rng.pick(&HOSTS);
    let client = workstation(number);
    look_up(scene, client, &labels, 1, &server);
    let ends = Ends::v4(client, scene.port(), server, 80);
    let pages = scene.rng.between(1, 3);
    let loses = scene.rng.chance(1, 8);
    let mut talk = Talk::new(scene, ends).open();
    for page in 0..pages {
        let request = format!("GET /page/{page} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\n\r\n", labels.join("."));
        talk.say(Client, flags::PSH | flags::ACK, request.as_bytes());
        talk.turn();
        let body = page_body(talk.scene.rng.between(300, 12_000) as usize);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", body.len());
        let answer = [head.as_bytes(), &body].concat();
        talk.transfer(Server, &answer);
        if loses && page == 0 {
            // The client says again what it waits for, and the server sends its last segment again.
            let last = &answer[answer.len() - answer.len().min(500)..];
            let seq = talk.session.next_seq(Server).wrapping_sub(last.len() as u32);
            let again = talk.session.resend(Server, seq, flags::PSH | flags::ACK, last, talk.scene.now_ns);
            talk.scene.wait_micros(200_000, 300_000);
            talk.scene.send(again);
            talk.say(Client, flags::ACK, &[]);
        }
        talk.scene.wait_micros(300_000, 4_000_000);
    }
    talk.close(Client);
}

fn page_body(len: usize) -> Vec<u8> {
    b"<p>Rivers do not drink their own water; trees do not eat their own fruit.</p>\n"
        .iter()
        .copied()
        .cycle()
        .take(len)
        .collect()
}

/// A session that looks like TLS 1.3 over IPv4.
pub(super) fn browse_tls(scene: &mut Scene<'_>, number: u8) {
    let (labels, server) = scene.rng.pick(&HOSTS);
    let client = workstation(number);
    look_up(scene, client, &labels, 1, &server);
    let ends = Ends::v4(client, scene.port(), server, 443);
    tls(scene, ends, &labels.join("."));
}

/// The same over IPv6.
pub(super) fn browse_tls6(scene: &mut Scene<'_>, number: u8) {
    let (labels, [.., host]) = scene.rng.pick(&HOSTS);
    let server = [0x20, 1, 0x0d, 0xb8, 0xca, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, host];
    look_up(scene, workstation(number), &labels, 28, &server);
    let client = [0x20, 1, 0x0d, 0xb8, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, number];
    let ends = Ends::v6(client, scene.port(), server, 443);
    tls(scene, ends, &labels.join("."));
}

fn tls(scene: &mut Scene<'_>, ends: Ends, name: &str) {
    let exchanges = scene.rng.between(1, 4);
    let mut talk = Talk::new(scene, ends).open();
    let hello = client_hello(talk.scene, name);
    talk.say(Client, flags::PSH | flags::ACK, &hello);
    talk.turn();
    let answer = [record(talk.scene, 22, 118), vec![20, 3, 3, 0, 1, 1], record(talk.scene, 23, 2_800)].concat();
    talk.transfer(Server, &answer);
    let finished = record(talk.scene, 23, 53);
    talk.say(Client, flags::PSH | flags::ACK, &[&[20, 3, 3, 0, 1, 1], finished.as_slice()].concat());
    for _ in 0..exchanges {
        let len = talk.scene.rng.between(90, 600) as usize;
        let request = record(talk.scene, 23, len);
        talk.say(Client, flags::PSH | flags::ACK, &request);
        talk.turn();
        let len = talk.scene.rng.between(200, 7_000) as usize;
        let response = record(talk.scene, 23, len);
        talk.transfer(Server, &response);
        talk.scene.wait_micros(100_000, 6_000_000);
    }
    talk.close(Client);
}

/// A TLS record of a type with random bytes (RFC 8446 §5.1).
fn record(scene: &mut Scene<'_>, kind: u8, len: usize) -> Vec<u8> {
    let [high, low] = (len as u16).to_be_bytes();
    [&[kind, 3, 3, high, low], scene.rng.bytes(len).as_slice()].concat()
}

/// A client hello (RFC 8446 §4.1.2) with one cipher and the name of the server.
fn client_hello(scene: &mut Scene<'_>, name: &str) -> Vec<u8> {
    let name = name.as_bytes();
    let mut hello = vec![3, 3];
    hello.extend(scene.rng.bytes(32));
    hello.extend([0, 0, 2, 0x13, 1, 1, 0]);
    let len = name.len() as u8;
    hello.extend([0, len + 9, 0, 0, 0, len + 5, 0, len + 3, 0, 0, len]);
    hello.extend(name);
    let body = (hello.len() as u16).to_be_bytes();
    let whole = (hello.len() as u16 + 4).to_be_bytes();
    [&[22, 3, 1, whole[0], whole[1], 1, 0, body[0], body[1]], hello.as_slice()].concat()
}

/// A connection to the file server that was there before the capture began, and goes on for minutes.
pub(super) fn midstream(scene: &mut Scene<'_>) {
    let ends = Ends::v4(workstation(2), 50_022, FILES, 445);
    let mut talk = Talk::new(scene, ends);
    for _ in 0..14 {
        talk.transfer(Client, &[0xfe; 180]);
        talk.turn();
        let answer = talk.scene.rng.bytes(1_000);
        talk.transfer(Server, &answer);
        talk.scene.wait_micros(20_000_000, 40_000_000);
    }
}

/// Someone tries two hundred ports of the file server; two are open, the printer answers nothing.
pub(super) fn port_scan(scene: &mut Scene<'_>) {
    let port = scene.port();
    for target in 1..=200 {
        let ends = Ends::v4(workstation(7), port, FILES, target);
        let mut session = Session::new(ends, scene.rng.word(), scene.rng.word()).without_timestamps();
        let syn = session.syn(scene.now_ns);
        scene.send(syn);
        scene.wait_micros(100, 400);
        let open = matches!(target, 22 | 139);
        let answer = if open { session.syn_ack(scene.now_ns) } else { session.rst(Server, scene.now_ns) };
        scene.send(answer);
        if open {
            let reset = session.rst(Client, scene.now_ns + 60_000);
            scene.wait_micros(60, 60);
            scene.send(reset);
        }
        scene.wait_micros(1_000, 9_000);
    }
    for target in [21, 23, 80, 515] {
        let mut session = Session::new(Ends::v4(workstation(7), port, PRINTER, target), scene.rng.word(), 0);
        let syn = session.syn(scene.now_ns);
        scene.send(syn);
        scene.wait_micros(5_000, 9_000);
    }
}

/// Questions to a host that runs no name server: it says so (ICMP port unreachable).
pub(super) fn refused_questions(scene: &mut Scene<'_>) {
    let client = workstation(4);
    let ends = Ends::v4(client, scene.port(), FILES, 53);
    for id in 1..=3 {
        let asked = ends.udp(Client, &dns_question(id, &["www", "example", "com"], 1));
        let frame = Packet::ethernet(mac_of(FILES.into()), mac_of(client.into())).ipv4(FILES, client);
        let refusal = frame.icmp(3, 3, [0; 4]).payload(&asked.clone().build()[14..42]);
        scene.send(asked);
        scene.wait_micros(200, 500);
        scene.send(refusal);
        scene.wait_micros(5_000_000, 5_000_000);
    }
}

/// A job for the printer.
pub(super) fn print(scene: &mut Scene<'_>) {
    let ends = Ends::v4(workstation(1), scene.port(), PRINTER, 9_100);
    let mut talk = Talk::new(scene, ends).open();
    talk.transfer(Client, &page_body(60_000));
    talk.close(Client);
}

/// Nine seconds of a telephone call in VLAN 20: a packet of sound every 20 ms each way.
pub(super) fn call(scene: &mut Scene<'_>) {
    let ends = Ends::v4([192, 168, 20, 11], 16_384, [192, 168, 20, 12], 16_400).in_vlan(20);
    for number in 0_u16..450 {
        for side in [Client, Server] {
            let mut sound = vec![0x80, 0];
            sound.extend(number.to_be_bytes());
            sound.extend((u32::from(number) * 160).to_be_bytes());
            sound.extend([0, 0, 0, side as u8]);
            sound.extend(scene.rng.bytes(160));
            scene.send(ends.udp(side, &sound));
            scene.wait_micros(9_800, 10_200);
        }
    }
}

/// An upload that the server ends with a reset.
pub(super) fn reset_upload(scene: &mut Scene<'_>) {
    let ends = Ends::v4(workstation(5), scene.port(), [203, 0, 113, 99], 443);
    let mut talk = Talk::new(scene, ends).open();
    let upload = talk.scene.rng.bytes(20_000);
    talk.transfer(Client, &upload);
    talk.say(Server, flags::RST | flags::ACK, &[]);
    talk.say(Client, flags::PSH | flags::ACK, &[0x17; 300]);
}
