//! Who of two hosts is the server, as far as the first bytes of what one of them says tell.
//!
//! Needed where a conversation is met in its middle and the first packet seen may be an answer. Only protocols are looked
//! at whose requests and answers differ in their first bytes, and which Suricata turns round too: HTTP/1 (RFC 9112), SMB 1
//! and 2 ([MS-CIFS] 2.2.3.1, [MS-SMB2] 2.2.1), DCE/RPC (C706 §12.6), DNS (RFC 1035 §4.1.1) and LLMNR (RFC 4795 §2.1.1).

use crate::{FlowPacket, Ports, Transport};

/// Which part the sender of a packet has in the conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It asks.
    Client,
    /// It answers.
    Server,
}

impl Role {
    /// The part of the sender of `packet`, which was decoded from `data`; `None` when its payload does not tell.
    #[must_use]
    pub fn of_sender(packet: &FlowPacket, data: &[u8]) -> Option<Self> {
        match &packet.transport {
            Transport::Tcp(tcp) if tcp.payload_len > 0 => {
                let end = packet.transport_offset as usize + packet.transport_len as usize;
                Self::of_stream(data.get(end.checked_sub(usize::from(tcp.payload_len))?..)?)
            }
            Transport::Udp(ports) => {
                Self::of_datagram(*ports, || data.get(packet.transport_offset as usize + UDP_HEADER_LEN..))
            }
            _ => None,
        }
    }

    /// That of who sent a TCP segment with this payload, of which padding may be at the end.
    #[inline(always)]
    #[must_use]
    pub fn of_stream(bytes: &[u8]) -> Option<Self> {
        // Nearly no segment begins with bytes that tell something.
        let &[first, second, ..] = bytes else { return None };
        if !may_tell([first, second]) {
            return None;
        }
        of_begin(first, bytes)
    }

    /// That of who sent a datagram of UDP with this payload.
    #[inline(always)]
    #[must_use]
    pub fn of_datagram<'a>(ports: Ports, payload: impl FnOnce() -> Option<&'a [u8]>) -> Option<Self> {
        if is_name_service(ports.src) && !is_name_service(ports.dst) { of_answer(payload()?) } else { None }
    }
}

/// Whether a payload that begins like this may tell something.
#[inline(always)]
pub(crate) const fn may_tell([first, second]: [u8; 2]) -> bool {
    FIRST[first as usize] & (SECOND[second as usize] | NETBIOS) != 0
}

const UDP_HEADER_LEN: usize = 8;

const fn is_name_service(port: u16) -> bool {
    matches!(port, 53 | 5355)
}

/// What comes from a port of a name service is an answer if it says so: the bit QR.
fn of_answer(message: &[u8]) -> Option<Role> {
    const QR: u8 = 0x80;
    const HEADER_LEN: usize = 12;
    let header = message.get(..HEADER_LEN)?;
    (header[2] & QR != 0).then_some(Role::Server)
}

/// The kinds of beginnings that a first byte may be of, and a second one: looked up, since what payloads begin with cannot be
/// foreseen, and a branch for each kind would be guessed wrong.
const FIRST: [u8; 256] = kinds([&[0], &[5], b"CDGHOPT"]);
const SECOND: [u8; 256] = kinds([&[], &[0, 1], b"AEOPRTU"]);
/// The kind that may have any second byte.
const NETBIOS: u8 = 1;

/// For each byte, a bit for each list that it is in.
const fn kinds(lists: [&[u8]; 3]) -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut n = 0;
    while n < lists.len() {
        let mut i = 0;
        while i < lists[n].len() {
            kinds[lists[n][i] as usize] |= 1 << n;
            i += 1;
        }
        n += 1;
    }
    kinds
}

#[cold]
fn of_begin(first: u8, bytes: &[u8]) -> Option<Role> {
    match first {
        b'H' if bytes.starts_with(b"HTTP/1.") => Some(Role::Server),
        b'C' | b'D' | b'G' | b'H' | b'O' | b'P' | b'T' => {
            METHODS.iter().any(|m| bytes.starts_with(m)).then_some(Role::Client)
        }
        0 => of_smb(bytes.get(NETBIOS_HEADER_LEN..)?),
        5 => of_dcerpc(bytes),
        _ => None,
    }
}

/// RFC 9110 §9, RFC 5789.
const METHODS: [&[u8]; 9] =
    [b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"OPTIONS ", b"CONNECT ", b"TRACE ", b"PATCH "];

/// RFC 1001: type and length.
const NETBIOS_HEADER_LEN: usize = 4;

fn of_smb(message: &[u8]) -> Option<Role> {
    const REPLY: u8 = 0x80;
    const SERVER_TO_REDIRECTOR: u8 = 0x01;
    let is_answer = match message {
        [0xff, b'S', b'M', b'B', _, _, _, _, _, flags, ..] => flags & REPLY != 0,
        [0xfe, b'S', b'M', b'B', rest @ ..] => rest.get(12)? & SERVER_TO_REDIRECTOR != 0,
        _ => return None,
    };
    Some(if is_answer { Role::Server } else { Role::Client })
}

fn of_dcerpc(message: &[u8]) -> Option<Role> {
    const HEADER_LEN: usize = 16;
    let &[_, minor, kind, _, representation, ..] = message.get(..HEADER_LEN)? else { return None };
    if minor > 1 || representation & 0x0f != 0 {
        return None;
    }
    match kind {
        // Request, bind, alter context, authentication.
        0 | 11 | 14 | 16 => Some(Role::Client),
        // Response, fault, bind accepted and refused, context altered.
        2 | 3 | 12 | 13 | 15 => Some(Role::Server),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TcpSegment;
    use std::vec::Vec;

    fn tcp(payload: &[u8]) -> Option<Role> {
        let data: Vec<u8> = [&[9; 54], payload].concat();
        let segment = TcpSegment { payload_len: payload.len() as u16, ..TcpSegment::default() };
        let packet = FlowPacket {
            transport: Transport::Tcp(segment),
            transport_offset: 34,
            transport_len: 20 + payload.len() as u32,
            ..FlowPacket::EMPTY
        };
        Role::of_sender(&packet, &data)
    }

    fn udp(src: u16, dst: u16, payload: &[u8]) -> Option<Role> {
        let data: Vec<u8> = [&[9; 42], payload].concat();
        let packet =
            FlowPacket { transport: Transport::Udp(Ports { src, dst }), transport_offset: 34, ..FlowPacket::EMPTY };
        Role::of_sender(&packet, &data)
    }

    #[test]
    fn requests_are_the_clients_and_answers_the_servers() {
        assert_eq!(tcp(b"HTTP/1.1 200 OK\r\n"), Some(Role::Server));
        assert_eq!(tcp(b"GET / HTTP/1.1\r\n"), Some(Role::Client));
        assert_eq!(tcp(b"HEAD / HTTP/1.1\r\n"), Some(Role::Client));
        let smb1 = |flags: u8| [&[0, 0, 0, 32, 0xff][..], b"SMB", &[0; 5], &[flags], &[0; 22]].concat();
        assert_eq!((tcp(&smb1(0x18)), tcp(&smb1(0x98))), (Some(Role::Client), Some(Role::Server)));
        let smb2 = |flags: u8| [&[0, 0, 0, 64, 0xfe][..], b"SMB", &[0; 12], &[flags], &[0; 47]].concat();
        assert_eq!((tcp(&smb2(0)), tcp(&smb2(1))), (Some(Role::Client), Some(Role::Server)));
        let dcerpc = |kind: u8| [&[5, 0, kind, 3, 0x10][..], &[0; 11]].concat();
        assert_eq!((tcp(&dcerpc(0)), tcp(&dcerpc(2)), tcp(&dcerpc(9))), (Some(Role::Client), Some(Role::Server), None));
        let (question, answer) = ([0, 1, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0], [0, 1, 0x81, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
        assert_eq!((udp(53, 5000, &answer), udp(53, 5000, &question)), (Some(Role::Server), None));
        assert_eq!(
            (udp(5000, 53, &question), udp(53, 53, &answer), udp(5355, 9, &answer)),
            (None, None, Some(Role::Server))
        );
    }

    #[test]
    fn too_little_or_something_else_then_nobody_knows() {
        for payload in [&b"HTTP"[..], b"G", b"", &[0, 0, 0, 9, 0xfe, b'S', b'M', b'B'], &[5, 0, 2], &[22, 3, 1, 0, 5]] {
            assert_eq!(tcp(payload), None, "{payload:?}");
        }
        assert_eq!(udp(53, 5000, &[0, 1, 0x81]), None);
    }
}
