//! Writers of both formats: what tests and tools need, every field in the caller's hand.

use crate::pcap::{MAGIC_MICROS, MAGIC_NANOS};
use crate::records::ByteOrder;
use flumen_model::Timestamp;

/// Unit of the time stamps of a classic pcap file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticks {
    /// Microseconds; finer time is rounded down.
    Micros,
    /// Nanoseconds.
    Nanos,
}

/// Builds a classic pcap file in memory.
#[derive(Clone, Debug)]
pub struct PcapWriter {
    order: ByteOrder,
    ticks: Ticks,
    bytes: Vec<u8>,
}

impl PcapWriter {
    /// A file header, and no packet yet. `link` is the LINKTYPE number.
    #[must_use]
    pub fn new(order: ByteOrder, ticks: Ticks, link: u32) -> Self {
        let magic = match ticks {
            Ticks::Micros => MAGIC_MICROS,
            Ticks::Nanos => MAGIC_NANOS,
        };
        let mut writer = Self { order, ticks, bytes: Vec::new() };
        writer.u32(magic);
        put_u16(&mut writer.bytes, order, 2);
        put_u16(&mut writer.bytes, order, 4);
        for field in [0, 0, crate::fault::PACKET_MAX, link] {
            writer.u32(field);
        }
        writer
    }

    /// Adds a packet that was captured as far as `data` and had `wire_len` bytes on the wire.
    pub fn packet(&mut self, time: Timestamp, data: &[u8], wire_len: u32) -> &mut Self {
        let fraction = match self.ticks {
            Ticks::Micros => time.subsec_nanos() / 1_000,
            Ticks::Nanos => time.subsec_nanos(),
        };
        for field in [time.secs() as u32, fraction, data.len() as u32, wire_len] {
            self.u32(field);
        }
        self.bytes.extend_from_slice(data);
        self
    }

    /// Adds bytes as they are: what a test needs to write damage.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The file so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn u32(&mut self, value: u32) {
        put_u32(&mut self.bytes, self.order, value);
    }
}

/// Builds a pcapng file in memory, block by block.
#[derive(Clone, Debug)]
pub struct PcapngWriter {
    order: ByteOrder,
    bytes: Vec<u8>,
}

impl PcapngWriter {
    /// A section header, and nothing else yet.
    #[must_use]
    pub fn new(order: ByteOrder) -> Self {
        let mut writer = Self { order, bytes: Vec::new() };
        writer.section(order);
        writer
    }

    /// Begins a section, from here on in another byte order.
    pub fn section(&mut self, order: ByteOrder) -> &mut Self {
        self.order = order;
        let mut body = Vec::new();
        put_u32(&mut body, order, 0x1a2b_3c4d);
        put_u16(&mut body, order, 1);
        put_u16(&mut body, order, 0);
        body.extend_from_slice(&[0xff; 8]);
        self.block(0x0a0d_0d0a, &body)
    }

    /// Describes an interface; `options` are pairs of code and value, without the one that ends them.
    pub fn interface(&mut self, link: u16, snap_len: u32, options: &[(u16, &[u8])]) -> &mut Self {
        let mut body = Vec::new();
        put_u16(&mut body, self.order, link);
        put_u16(&mut body, self.order, 0);
        put_u32(&mut body, self.order, snap_len);
        for (code, value) in options {
            put_u16(&mut body, self.order, *code);
            put_u16(&mut body, self.order, value.len() as u16);
            put_padded(&mut body, value);
        }
        if !options.is_empty() {
            put_u32(&mut body, self.order, 0);
        }
        self.block(1, &body)
    }

    /// Adds an Enhanced Packet Block; `ticks` counts in the unit of the interface.
    pub fn packet(&mut self, interface: u32, ticks: u64, data: &[u8], wire_len: u32) -> &mut Self {
        let mut body = Vec::new();
        for field in [interface, (ticks >> 32) as u32, ticks as u32, data.len() as u32, wire_len] {
            put_u32(&mut body, self.order, field);
        }
        put_padded(&mut body, data);
        self.block(6, &body)
    }

    /// Adds a Packet Block, the obsolete kind.
    pub fn obsolete_packet(&mut self, interface: u16, ticks: u64, data: &[u8], wire_len: u32) -> &mut Self {
        let mut body = Vec::new();
        put_u16(&mut body, self.order, interface);
        put_u16(&mut body, self.order, 0xffff);
        for field in [(ticks >> 32) as u32, ticks as u32, data.len() as u32, wire_len] {
            put_u32(&mut body, self.order, field);
        }
        put_padded(&mut body, data);
        self.block(2, &body)
    }

    /// Adds a Simple Packet Block, which has no time and lies on the first interface.
    pub fn simple_packet(&mut self, data: &[u8], wire_len: u32) -> &mut Self {
        let mut body = Vec::new();
        put_u32(&mut body, self.order, wire_len);
        put_padded(&mut body, data);
        self.block(3, &body)
    }

    /// Adds a block of any kind; `body` is padded.
    pub fn block(&mut self, kind: u32, body: &[u8]) -> &mut Self {
        let length = body.len().next_multiple_of(4) as u32 + 12;
        put_u32(&mut self.bytes, self.order, kind);
        put_u32(&mut self.bytes, self.order, length);
        put_padded(&mut self.bytes, body);
        put_u32(&mut self.bytes, self.order, length);
        self
    }

    /// Adds bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The file so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn put_u16(out: &mut Vec<u8>, order: ByteOrder, value: u16) {
    out.extend_from_slice(&match order {
        ByteOrder::Little => value.to_le_bytes(),
        ByteOrder::Big => value.to_be_bytes(),
    });
}

fn put_u32(out: &mut Vec<u8>, order: ByteOrder, value: u32) {
    out.extend_from_slice(&match order {
        ByteOrder::Little => value.to_le_bytes(),
        ByteOrder::Big => value.to_be_bytes(),
    });
}

fn put_padded(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(value);
    out.resize(out.len() + value.len().next_multiple_of(4) - value.len(), 0);
}
