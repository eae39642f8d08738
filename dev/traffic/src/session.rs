//! A TCP conversation that keeps both sides' sequence numbers, so that a scenario only says who does what.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::packet::{Packet, Tcp, flags, options};

/// One of the two ends of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Who opened it.
    Client,
    /// Who answers.
    Server,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Addresses and ports of a conversation, and the VLAN it is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// Address of the client.
    pub client: IpAddr,
    /// Address of the server.
    pub server: IpAddr,
    /// Port of the client.
    pub client_port: u16,
    /// Port of the server.
    pub server_port: u16,
    /// VLAN, 0 for none.
    pub vlan: u16,
}

impl Ends {
    /// IPv4 ends outside any VLAN.
    #[must_use]
    pub fn v4(client: [u8; 4], client_port: u16, server: [u8; 4], server_port: u16) -> Self {
        Self {
            client: Ipv4Addr::from(client).into(),
            server: Ipv4Addr::from(server).into(),
            client_port,
            server_port,
            vlan: 0,
        }
    }

    /// IPv6 ends outside any VLAN.
    #[must_use]
    pub fn v6(client: [u8; 16], client_port: u16, server: [u8; 16], server_port: u16) -> Self {
        Self {
            client: Ipv6Addr::from(client).into(),
            server: Ipv6Addr::from(server).into(),
            client_port,
            server_port,
            vlan: 0,
        }
    }

    /// The same in a VLAN.
    #[must_use]
    pub const fn in_vlan(mut self, vlan: u16) -> Self {
        self.vlan = vlan;
        self
    }

    /// Source and destination address, source and destination port, of what `from` sends.
    #[must_use]
    pub const fn seen_from(&self, from: Side) -> (IpAddr, IpAddr, u16, u16) {
        match from {
            Side::Client => (self.client, self.server, self.client_port, self.server_port),
            Side::Server => (self.server, self.client, self.server_port, self.client_port),
        }
    }

    /// Frame and IP header of what `from` sends.
    #[must_use]
    pub fn packet(&self, from: Side) -> Packet {
        let (src, dst, ..) = self.seen_from(from);
        let frame = Packet::ethernet(mac_of(src), mac_of(dst));
        let frame = if self.vlan == 0 { frame } else { frame.vlan(self.vlan) };
        frame.ip(src, dst)
    }

    /// A UDP datagram from `from`.
    #[must_use]
    pub fn udp(&self, from: Side, payload: &[u8]) -> Packet {
        let (_, _, src, dst) = self.seen_from(from);
        self.packet(from).udp(src, dst).payload(payload)
    }

    /// A TCP segment from `from`; its ports are filled in.
    #[must_use]
    pub fn tcp(&self, from: Side, tcp: Tcp<'_>, payload: &[u8]) -> Packet {
        let (_, _, src, dst) = self.seen_from(from);
        self.packet(from).tcp(Tcp { src, dst, ..tcp }).payload(payload)
    }
}

/// A locally administered MAC address made of an IP address; of an IPv4 group it is the group's (RFC 1112 §6.4).
#[must_use]
pub const fn mac_of(address: IpAddr) -> [u8; 6] {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            match a {
                224..=239 => [0x01, 0x00, 0x5e, b & 0x7f, c, d],
                255 => [0xff; 6],
                _ => [0x02, 0x00, a, b, c, d],
            }
        }
        IpAddr::V6(v6) => {
            let octets = v6.octets();
            let [_, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d] = octets;
            if octets[0] == 0xff { [0x33, 0x33, a, b, c, d] } else { [0x02, 0x06, a, b, c, d] }
        }
    }
}

/// A TCP conversation. Every segment acknowledges all that the other side has sent so far.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who talks.
    pub ends: Ends,
    /// Next sequence number of client and server.
    next: [u32; 2],
    /// Last time stamp value of client and server, in milliseconds; `None` without the option.
    stamps: Option<[u32; 2]>,
}

impl Session {
    /// A conversation with these initial sequence numbers, with time stamps.
    #[must_use]
    pub const fn new(ends: Ends, client_isn: u32, server_isn: u32) -> Self {
        Self { ends, next: [client_isn, server_isn], stamps: Some([0; 2]) }
    }

    /// The same without TCP time stamps.
    #[must_use]
    pub const fn without_timestamps(mut self) -> Self {
        self.stamps = None;
        self
    }

    /// Next sequence number of `side`.
    #[must_use]
    pub const fn next_seq(&self, side: Side) -> u32 {
        self.next[side as usize]
    }

    /// The client's SYN.
    pub fn syn(&mut self, at_ns: u64) -> Packet {
        self.open(Side::Client, flags::SYN, at_ns)
    }

    /// The server's SYN+ACK.
    pub fn syn_ack(&mut self, at_ns: u64) -> Packet {
        self.open(Side::Server, flags::SYN | flags::ACK, at_ns)
    }

    /// A SYN of either side, with the options of one.
    pub fn open(&mut self, side: Side, flags: u8, at_ns: u64) -> Packet {
        let (value, echo) = self.stamp(side, at_ns);
        let options = options::syn(1_460, value, echo, 7);
        let plain = [2, 4, 5, 0xb4];
        let options = if self.stamps.is_some() { options.as_slice() } else { &plain };
        let segment = Tcp { options, ..self.header(side, flags) };
        let frame = self.ends.tcp(side, segment, &[]);
        self.advance(side, 1);
        frame
    }

    /// A bare acknowledgement.
    pub fn ack(&mut self, side: Side, at_ns: u64) -> Packet {
        self.send(side, flags::ACK, &[], at_ns)
    }

    /// Data.
    pub fn data(&mut self, side: Side, payload: &[u8], at_ns: u64) -> Packet {
        self.send(side, flags::PSH | flags::ACK, payload, at_ns)
    }

    /// A FIN.
    pub fn fin(&mut self, side: Side, at_ns: u64) -> Packet {
        self.send(side, flags::FIN | flags::ACK, &[], at_ns)
    }

    /// A reset at the next sequence number.
    pub fn rst(&mut self, side: Side, at_ns: u64) -> Packet {
        self.send(side, flags::RST | flags::ACK, &[], at_ns)
    }

    /// A segment with these flags and payload; sequence numbers move on by the payload, SYN and FIN.
    pub fn send(&mut self, side: Side, flags: u8, payload: &[u8], at_ns: u64) -> Packet {
        let frame = self.resend(side, self.next_seq(side), flags, payload, at_ns);
        let phantom = u32::from(flags & flags::SYN != 0) + u32::from(flags & flags::FIN != 0);
        self.advance(side, payload.len() as u32 + phantom);
        frame
    }

    /// A segment at a chosen sequence number that moves nothing on: a retransmission, a keep-alive, something out of place.
    pub fn resend(&mut self, side: Side, seq: u32, flags: u8, payload: &[u8], at_ns: u64) -> Packet {
        let (value, echo) = self.stamp(side, at_ns);
        let options = options::timestamps(value, echo);
        let options = if self.stamps.is_some() { options.as_slice() } else { &[] };
        let segment = Tcp { seq, options, ..self.header(side, flags) };
        self.ends.tcp(side, segment, payload)
    }

    /// Moves `side` on by `count` sequence numbers, as a segment would that the capture did not see.
    pub const fn advance(&mut self, side: Side, count: u32) {
        self.next[side as usize] = self.next[side as usize].wrapping_add(count);
    }

    const fn header(&self, side: Side, flags: u8) -> Tcp<'static> {
        let ack = if flags & flags::ACK != 0 { self.next[side.other() as usize] } else { 0 };
        Tcp { src: 0, dst: 0, seq: self.next[side as usize], ack, flags, window: 64_240, urgent: 0, options: &[] }
    }

    /// Time stamp value of now, and the echo of the other side's last.
    const fn stamp(&mut self, side: Side, at_ns: u64) -> (u32, u32) {
        match &mut self.stamps {
            Some(stamps) => {
                // Milliseconds; each side began to count at another moment.
                let value = (at_ns / 1_000_000) as u32 ^ (side as u32) << 28;
                stamps[side as usize] = value;
                (value, stamps[side.other() as usize])
            }
            None => (0, 0),
        }
    }
}
