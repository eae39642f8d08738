//! Transport headers and the messages of ICMP, IGMP and SCTP.

use super::{Kind, Names, Packet};

/// Flags of a TCP header.
pub mod flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer counts.
    pub const URG: u8 = 0x20;
    /// ECN echo (RFC 3168).
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced (RFC 3168).
    pub const CWR: u8 = 0x80;
}

/// Options of a TCP header, ready to be put in one.
pub mod options {
    /// The options of a SYN: maximum segment size, SACK permitted, time stamps, window scale (RFC 9293, 2018, 7323).
    #[must_use]
    pub fn syn(mss: u16, value: u32, echo: u32, shift: u8) -> [u8; 20] {
        let mut options = [2, 4, 0, 0, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, shift];
        options[2..4].copy_from_slice(&mss.to_be_bytes());
        options[8..12].copy_from_slice(&value.to_be_bytes());
        options[12..16].copy_from_slice(&echo.to_be_bytes());
        options
    }

    /// The time stamps option (RFC 7323 §3), aligned with two no-operations before it.
    #[must_use]
    pub fn timestamps(value: u32, echo: u32) -> [u8; 12] {
        let mut options = [1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0];
        options[4..8].copy_from_slice(&value.to_be_bytes());
        options[8..].copy_from_slice(&echo.to_be_bytes());
        options
    }

    /// The Fast Open option (RFC 7413 §4.1.1): a request when `cookie` is empty. Padded to a multiple of four.
    #[must_use]
    pub fn fast_open(cookie: &[u8]) -> Vec<u8> {
        let mut options = vec![34, cookie.len() as u8 + 2];
        options.extend_from_slice(cookie);
        options.resize(options.len().next_multiple_of(4), 1);
        options
    }
}

/// Fields of a TCP header (RFC 9293 §3.1).
#[derive(Clone, Copy, Debug)]
pub struct Tcp<'a> {
    /// Source port.
    pub src: u16,
    /// Destination port.
    pub dst: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags, see [`flags`].
    pub flags: u8,
    /// Window, unscaled.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Options; padded with end-of-options to a multiple of four bytes.
    pub options: &'a [u8],
}

impl Default for Tcp<'_> {
    fn default() -> Self {
        Self { src: 0, dst: 0, seq: 0, ack: 0, flags: 0, window: 64_240, urgent: 0, options: &[] }
    }
}

impl Packet {
    /// A TCP header.
    ///
    /// # Panics
    /// When the options are longer than 40 bytes.
    #[must_use]
    pub fn tcp(self, tcp: Tcp<'_>) -> Self {
        let len = (20 + tcp.options.len()).next_multiple_of(4);
        assert!(len <= 60, "TCP options of at most 40 bytes");
        let mut header = [0; 60];
        header[..2].copy_from_slice(&tcp.src.to_be_bytes());
        header[2..4].copy_from_slice(&tcp.dst.to_be_bytes());
        header[4..8].copy_from_slice(&tcp.seq.to_be_bytes());
        header[8..12].copy_from_slice(&tcp.ack.to_be_bytes());
        header[12] = ((len / 4) as u8) << 4;
        header[13] = tcp.flags;
        header[14..16].copy_from_slice(&tcp.window.to_be_bytes());
        header[18..20].copy_from_slice(&tcp.urgent.to_be_bytes());
        header[20..20 + tcp.options.len()].copy_from_slice(tcp.options);
        self.layer(Kind::Tcp, Names { protocol: 6, ..Names::default() }, &header[..len])
    }

    /// A UDP header (RFC 768).
    #[must_use]
    pub fn udp(self, src: u16, dst: u16) -> Self {
        let mut header = [0; 8];
        header[..2].copy_from_slice(&src.to_be_bytes());
        header[2..4].copy_from_slice(&dst.to_be_bytes());
        self.layer(Kind::Udp, Names { protocol: 17, ..Names::default() }, &header)
    }

    /// An ICMP message for IPv4 (RFC 792): type, code and the four bytes after the checksum.
    #[must_use]
    pub fn icmp(self, kind: u8, code: u8, rest: [u8; 4]) -> Self {
        let [a, b, c, d] = rest;
        self.layer(Kind::Icmp, Names { protocol: 1, ..Names::default() }, &[kind, code, 0, 0, a, b, c, d])
    }

    /// An ICMP echo: request (type 8) or reply (type 0).
    #[must_use]
    pub fn icmp_echo(self, kind: u8, id: u16, sequence: u16) -> Self {
        self.icmp(kind, 0, pair(id, sequence))
    }

    /// An ICMP message for IPv6 (RFC 4443): type, code and the four bytes after the checksum.
    #[must_use]
    pub fn icmp6(self, kind: u8, code: u8, rest: [u8; 4]) -> Self {
        let [a, b, c, d] = rest;
        self.layer(Kind::Icmp6, Names { protocol: 58, ..Names::default() }, &[kind, code, 0, 0, a, b, c, d])
    }

    /// An ICMPv6 echo: request (type 128) or reply (type 129).
    #[must_use]
    pub fn icmp6_echo(self, kind: u8, id: u16, sequence: u16) -> Self {
        self.icmp6(kind, 0, pair(id, sequence))
    }

    /// An IGMP message (RFC 2236): type, response time and group.
    #[must_use]
    pub fn igmp(self, kind: u8, response_time: u8, group: [u8; 4]) -> Self {
        let [a, b, c, d] = group;
        self.layer(Kind::Igmp, Names { protocol: 2, ..Names::default() }, &[kind, response_time, 0, 0, a, b, c, d])
    }

    /// An SCTP common header (RFC 9260 §3.1).
    #[must_use]
    pub fn sctp(self, src: u16, dst: u16, verification_tag: u32) -> Self {
        let mut header = [0; 12];
        header[..2].copy_from_slice(&src.to_be_bytes());
        header[2..4].copy_from_slice(&dst.to_be_bytes());
        header[4..8].copy_from_slice(&verification_tag.to_be_bytes());
        self.layer(Kind::Sctp, Names { protocol: 132, ..Names::default() }, &header)
    }

    /// An SCTP chunk (RFC 9260 §3.2), padded to a multiple of four bytes.
    #[must_use]
    pub fn sctp_chunk(mut self, kind: u8, flags: u8, value: &[u8]) -> Self {
        let len = value.len() + 4;
        let [high, low] = (len as u16).to_be_bytes();
        self.0.bytes.extend([kind, flags, high, low]);
        self.0.bytes.extend_from_slice(value);
        self.0.bytes.resize(self.0.bytes.len() + len.next_multiple_of(4) - len, 0);
        self
    }

    /// An ESP header (RFC 4303 §2).
    #[must_use]
    pub fn esp(self, spi: u32, sequence: u32) -> Self {
        let mut header = [0; 8];
        header[..4].copy_from_slice(&spi.to_be_bytes());
        header[4..].copy_from_slice(&sequence.to_be_bytes());
        self.layer(Kind::Plain, Names { protocol: 50, ..Names::default() }, &header)
    }
}

const fn pair(first: u16, second: u16) -> [u8; 4] {
    ((first as u32) << 16 | second as u32).to_be_bytes()
}
