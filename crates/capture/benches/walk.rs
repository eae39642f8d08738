//! Nanoseconds of CPU time a packet to walk a capture of a million small packets: mapped, in chunks, from gzip and from zstd.
//!
//! `cargo bench -p flumen-capture [-- PACKETS]`. Best of several passes over a file in the page cache; each pass touches
//! the first byte of every packet, as decoding would.

use flumen_capture::records::ByteOrder;
use flumen_capture::write::{PcapWriter, PcapngWriter, Ticks};
use flumen_capture::{CaptureFile, FileAccess, Options};
use flumen_model::{PacketBatch, PacketSource, Timestamp};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

fn main() {
    let packets = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(&directory).expect("a directory for the captures");

    let plain = pcap(packets);
    println!("{packets} packets, {} MB", plain.len() / 1_000_000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).expect("memory");
    let files = [
        ("walk.pcap", plain.clone()),
        ("walk.pcapng", pcapng(packets)),
        ("walk.pcap.gz", gzip.finish().expect("memory")),
        ("walk.pcap.zst", zstd::encode_all(&plain[..], 1).expect("memory")),
    ];
    for (name, bytes) in files {
        let path = directory.join(name);
        fs::write(&path, bytes).expect("room for the capture");
        for access in [FileAccess::Mapped, FileAccess::Streamed] {
            let best = (0..7).map(|_| pass(&path, access, packets)).fold(f64::INFINITY, f64::min);
            println!("{name:<14} {access:<9?} {best:6.1} ns a packet");
        }
        fs::remove_file(&path).expect("the file that was just written");
    }
}

/// Walks all of a capture and returns nanoseconds a packet, opening included.
fn pass(path: &Path, access: FileAccess, packets: u64) -> f64 {
    let start = cpu_nanos();
    let mut capture = CaptureFile::open(path, &Options { access }).expect("a capture");
    let mut batch = PacketBatch::new();
    let (mut count, mut sum) = (0_u64, 0_u64);
    while capture.fill(&mut batch).expect("no damage") {
        count += batch.len() as u64;
        for packet in batch.packets() {
            sum += u64::from(packet.data[0]);
        }
    }
    let nanos = (cpu_nanos() - start) as f64;
    std::hint::black_box(sum);
    assert_eq!(count, packets);
    nanos / packets as f64
}

/// Time this process has run on a processor, which other processes disturb less than the time on the wall.
fn cpu_nanos() -> u64 {
    let schedstat = fs::read_to_string("/proc/self/schedstat").expect("Linux");
    schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds first")
}

fn pcap(packets: u64) -> Vec<u8> {
    let mut writer = PcapWriter::new(ByteOrder::Little, Ticks::Micros, 1);
    let data = [0xa5_u8; 96];
    for n in 0..packets {
        let len = packet_len(n);
        writer.packet(Timestamp::from_nanos(n * 1_000), &data[..len], len as u32);
    }
    writer.bytes().to_vec()
}

fn pcapng(packets: u64) -> Vec<u8> {
    let mut writer = PcapngWriter::new(ByteOrder::Little);
    writer.interface(1, 0, &[]);
    let data = [0xa5_u8; 96];
    for n in 0..packets {
        let len = packet_len(n);
        writer.packet(0, n, &data[..len], len as u32);
    }
    writer.bytes().to_vec()
}

/// 60 to 83 bytes, 70 on average or nearly so.
fn packet_len(n: u64) -> usize {
    60 + (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize % 24
}
