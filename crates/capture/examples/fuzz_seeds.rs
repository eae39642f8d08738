//! Writes the seeds of the fuzz target `capture`: one small file for each thing the readers know.
//!
//! `cargo run -p flumen-capture --example fuzz_seeds -- fuzz/corpus/capture`

use flumen_capture::records::ByteOrder;
use flumen_capture::write::{PcapWriter, PcapngWriter, Ticks};
use flumen_model::Timestamp;
use std::io::Write;
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let directory = PathBuf::from(std::env::args().nth(1).expect("usage: fuzz_seeds DIRECTORY"));
    std::fs::create_dir_all(&directory)?;
    let mut seeds = Vec::new();
    for (order, name) in [(ByteOrder::Little, "le"), (ByteOrder::Big, "be")] {
        for (ticks, unit) in [(Ticks::Micros, "us"), (Ticks::Nanos, "ns")] {
            seeds.push((format!("pcap-{unit}-{name}"), pcap(order, ticks)));
        }
        seeds.push((format!("pcapng-{name}"), pcapng(order)));
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&pcap(ByteOrder::Little, Ticks::Micros))?;
    seeds.push(("pcap.gz".to_owned(), gzip.finish()?));
    seeds.push(("pcapng.zst".to_owned(), zstd::encode_all(&pcapng(ByteOrder::Big)[..], 3)?));
    for (name, bytes) in seeds {
        std::fs::write(directory.join(name), bytes)?;
    }
    Ok(())
}

fn pcap(order: ByteOrder, ticks: Ticks) -> Vec<u8> {
    let mut writer = PcapWriter::new(order, ticks, 1);
    writer.packet(Timestamp::from_nanos(1_500_000_000), &[0xaa; 20], 60);
    writer.packet(Timestamp::from_nanos(1_400_000_000), b"", 0);
    writer.bytes().to_vec()
}

fn pcapng(order: ByteOrder) -> Vec<u8> {
    let other = if order == ByteOrder::Little { ByteOrder::Big } else { ByteOrder::Little };
    let mut writer = PcapngWriter::new(order);
    writer.interface(1, 8, &[(9, &[9]), (14, &[0, 0, 0, 0, 0, 0, 0, 1])]).interface(147, 0, &[(9, &[0x8a])]);
    writer.packet(0, 5, &[0xbb; 7], 9).simple_packet(&[0xcc; 8], 12).obsolete_packet(1, 6, &[0xdd; 4], 4);
    writer.block(5, &[0; 8]).section(other).interface(101, 0, &[]).packet(0, 1, &[0x45; 20], 20);
    writer.bytes().to_vec()
}
