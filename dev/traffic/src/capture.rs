//! Writing captures as a stream: classic pcap and pcapng, any writer, one frame at a time, nothing kept.
//!
//! A scenario hands its frames to a [`FrameSink`]; the writers here are sinks, and so is a `Vec` of frames for
//! tests that want to look at packets without a file.

use std::io::{self, Write};

use flumen_pbuf::Pbuf;

use crate::Link;

/// One frame on its way into a capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Nanoseconds since 1970.
    pub at_ns: u64,
    /// Index into the interfaces of the capture.
    pub interface: u32,
    /// The whole frame, as it was on the wire. Whoever lets go of it last gives its buffer back.
    pub bytes: Pbuf,
}

/// Where frames go.
pub trait FrameSink {
    /// Takes one frame.
    ///
    /// # Errors
    /// Those of the writer below.
    fn frame(&mut self, frame: Frame) -> io::Result<()>;
}

impl FrameSink for Vec<Frame> {
    fn frame(&mut self, frame: Frame) -> io::Result<()> {
        self.push(frame);
        Ok(())
    }
}

/// Resolution of the time stamps in a pcap file.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Resolution {
    /// Microseconds.
    #[default]
    Micros,
    /// Nanoseconds.
    Nanos,
}

/// Byte order of the numbers in a capture file.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum ByteOrder {
    /// Least significant byte first.
    #[default]
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    const fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    const fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

/// Shape of a classic pcap file.
#[derive(Clone, Copy, Debug)]
pub struct PcapShape {
    /// Link type of all its frames.
    pub link: Link,
    /// Longest part of a frame that is kept.
    pub snaplen: u32,
    /// Resolution of its time stamps.
    pub resolution: Resolution,
    /// Byte order of its headers.
    pub order: ByteOrder,
}

impl PcapShape {
    /// Little endian, microseconds, whole frames.
    #[must_use]
    pub const fn of(link: Link) -> Self {
        Self { link, snaplen: 262_144, resolution: Resolution::Micros, order: ByteOrder::Little }
    }
}

/// Writer of a classic pcap file. Wrap a file in a `BufWriter`: each frame is two small writes.
#[derive(Debug)]
pub struct PcapWriter<W> {
    out: W,
    shape: PcapShape,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file header.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W, shape: PcapShape) -> io::Result<Self> {
        let magic = match shape.resolution {
            Resolution::Micros => 0xa1b2_c3d4,
            Resolution::Nanos => 0xa1b2_3c4d,
        };
        let order = shape.order;
        let mut header = Vec::with_capacity(24);
        header.extend(order.u32(magic));
        header.extend(order.u16(2));
        header.extend(order.u16(4));
        header.extend([0; 8]);
        header.extend(order.u32(shape.snaplen));
        header.extend(order.u32(shape.link.dlt()));
        out.write_all(&header)?;
        Ok(Self { out, shape })
    }

    /// Flushes and gives the writer back.
    ///
    /// # Errors
    /// Those of the writer below.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> FrameSink for PcapWriter<W> {
    /// The interface is not written: the file has one.
    fn frame(&mut self, frame: Frame) -> io::Result<()> {
        let unit_ns = match self.shape.resolution {
            Resolution::Micros => 1_000,
            Resolution::Nanos => 1,
        };
        let kept = frame.bytes.len().min(self.shape.snaplen as usize);
        let mut header = [0; 16];
        let numbers = [
            (frame.at_ns / 1_000_000_000) as u32,
            (frame.at_ns % 1_000_000_000 / unit_ns) as u32,
            kept as u32,
            frame.bytes.len() as u32,
        ];
        for (place, number) in header.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
            *place = self.shape.order.u32(number);
        }
        self.out.write_all(&header)?;
        self.out.write_all(&frame.bytes[..kept])
    }
}

/// Writer of a pcapng file: one little-endian section, one interface a link type, nanosecond time stamps.
#[derive(Debug)]
pub struct PcapngWriter<W> {
    out: W,
    snaplen: u32,
    block: Vec<u8>,
}

impl<W: Write> PcapngWriter<W> {
    /// Writes the section header and a description of each interface.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: W, links: &[Link], snaplen: u32) -> io::Result<Self> {
        let mut this = Self { out, snaplen, block: Vec::new() };
        // Section header: byte-order magic, version 1.0, length of the section unknown.
        this.block.extend(0x1a2b_3c4d_u32.to_le_bytes());
        this.block.extend([1, 0, 0, 0]);
        this.block.extend([0xff; 8]);
        this.write_block(0x0a0d_0d0a)?;
        for link in links {
            this.block.extend((link.dlt() as u16).to_le_bytes());
            this.block.extend([0, 0]);
            this.block.extend(snaplen.to_le_bytes());
            // if_tsresol (9) of one byte: ten to the minus nine seconds; then the end of the options.
            this.block.extend([9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
            this.write_block(1)?;
        }
        Ok(this)
    }

    /// Flushes and gives the writer back.
    ///
    /// # Errors
    /// Those of the writer below.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    /// Writes `self.block` as the body of a block and empties it.
    fn write_block(&mut self, kind: u32) -> io::Result<()> {
        let length = (self.block.len() as u32 + 12).to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&length)?;
        self.out.write_all(&self.block)?;
        self.out.write_all(&length)?;
        self.block.clear();
        Ok(())
    }
}

impl<W: Write> FrameSink for PcapngWriter<W> {
    fn frame(&mut self, frame: Frame) -> io::Result<()> {
        let kept = frame.bytes.len().min(self.snaplen as usize);
        for number in
            [frame.interface, (frame.at_ns >> 32) as u32, frame.at_ns as u32, kept as u32, frame.bytes.len() as u32]
        {
            self.block.extend(number.to_le_bytes());
        }
        self.block.extend_from_slice(&frame.bytes[..kept]);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
        self.write_block(6)
    }
}
