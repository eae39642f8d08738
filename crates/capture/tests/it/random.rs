//! Random captures read back in every way, and captures with random damage.

use crate::scratch::{Numbers, Scratch, Seen, Way, drain};
use flumen_capture::records::ByteOrder;
use flumen_capture::write::{PcapWriter, PcapngWriter, Ticks};
use flumen_capture::{Fault, PcapReader, PcapngReader, Records, Step};
use flumen_model::{LinkType, Timestamp};

/// The seed of every run, unless `FLUMEN_SEED` gives another.
fn seed() -> u64 {
    let seed = std::env::var("FLUMEN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261);
    println!("FLUMEN_SEED={seed}");
    seed
}

fn order(numbers: &mut Numbers) -> ByteOrder {
    if numbers.below(2) == 0 { ByteOrder::Little } else { ByteOrder::Big }
}

/// Mostly small, now and then as large as a packet can be.
fn packet(numbers: &mut Numbers) -> (u64, Vec<u8>, u32) {
    let len = match numbers.below(200) {
        0 => numbers.below(262_145),
        1..=20 => numbers.below(9_000),
        _ => numbers.below(200),
    };
    let wire_len = len as u32 + numbers.below(3) as u32 * 100;
    (numbers.below(1 << 62), numbers.bytes(len as usize), wire_len)
}

/// A capture, and what is in it.
fn random_pcap(numbers: &mut Numbers) -> (Vec<u8>, Vec<Seen>) {
    let (ticks, grain) = if numbers.below(2) == 0 { (Ticks::Micros, 1_000) } else { (Ticks::Nanos, 1) };
    let mut writer = PcapWriter::new(order(numbers), ticks, 1);
    let mut expected = Vec::new();
    for _ in 0..numbers.below(2_000) {
        let (nanos, data, wire_len) = packet(numbers);
        // Seconds have 32 bits.
        let nanos = nanos % (1 << 32) * 999_999_999 / grain * grain;
        writer.packet(Timestamp::from_nanos(nanos), &data, wire_len);
        expected.push(Seen { nanos, data, wire_len, link: LinkType::Ethernet, device: 0 });
    }
    (writer.bytes().to_vec(), expected)
}

fn random_pcapng(numbers: &mut Numbers) -> (Vec<u8>, Vec<Seen>) {
    let mut writer = PcapngWriter::new(order(numbers));
    let mut expected: Vec<Seen> = Vec::new();
    let mut interfaces: u64 = 0;
    for _ in 0..numbers.below(2_000) {
        let kind = if interfaces == 0 { 0 } else { numbers.below(100) };
        match kind {
            0..4 => {
                let finest: &[(u16, &[u8])] = &[(9, &[9])];
                writer.interface(101, 0, finest);
                interfaces += 1;
            }
            4 => {
                writer.section(order(numbers));
                interfaces = 0;
            }
            5..10 => {
                let len = numbers.below(3_000) as usize;
                writer.block(0x0bad, &numbers.bytes(len));
            }
            _ => {
                let (nanos, data, wire_len) = packet(numbers);
                let device = numbers.below(interfaces) as u16;
                let mut seen = Seen { nanos, data, wire_len, link: LinkType::Raw, device };
                match kind {
                    10..20 => {
                        seen.device = 0;
                        seen.nanos = expected.last().map_or(0, |last| last.nanos);
                        seen.wire_len = seen.data.len() as u32;
                        writer.simple_packet(&seen.data, seen.wire_len);
                    }
                    20..30 => _ = writer.obsolete_packet(device, nanos, &seen.data, wire_len),
                    _ => _ = writer.packet(u32::from(device), nanos, &seen.data, wire_len),
                }
                expected.push(seen);
            }
        }
    }
    (writer.bytes().to_vec(), expected)
}

#[test]
fn random_captures_then_read_back_alike_in_every_way() {
    let scratch = Scratch::new();
    let mut numbers = Numbers(seed());
    for round in 0..8 {
        let (bytes, expected) = if round % 2 == 0 { random_pcap(&mut numbers) } else { random_pcapng(&mut numbers) };
        for way in Way::ALL {
            let (seen, error) = drain(&mut way.open(&scratch, &bytes).expect("a capture"));
            assert_eq!(error, None, "round {round}, {way:?}");
            assert!(seen == expected, "round {round}, {way:?}: {} packets of {}", seen.len(), expected.len());
        }
    }
}

/// Walks in the simplest way there is: each step from the whole rest.
fn walk(mut reader: impl Records, bytes: &[u8]) -> (u64, Result<(), Fault>) {
    let (mut packets, mut at, mut steps) = (0, reader.offset(), 0);
    let result = loop {
        assert_eq!(reader.offset(), at);
        let rest = bytes.get(at as usize..).unwrap_or_default();
        match reader.step(rest) {
            Ok(Step::Packet(record)) => {
                assert!((record.start + record.captured_len) as usize <= rest.len());
                assert!(record.consumed as usize <= rest.len() && record.wire_len >= record.captured_len);
                packets += 1;
                at += u64::from(record.consumed);
            }
            Ok(Step::Skip(skip)) => at += skip,
            Ok(Step::Need(need)) => {
                assert!(need > rest.len() && need <= flumen_capture::records::RESIDENT_MAX);
                break reader.finish(bytes.len() as u64);
            }
            Err(fault) => break Err(fault),
        }
        steps += 1;
        assert!(steps <= bytes.len() / 4 + 1, "a walk ends");
    };
    (packets, result)
}

#[test]
fn random_damage_then_every_way_agrees_and_ends() {
    let scratch = Scratch::new();
    let mut numbers = Numbers(seed());
    for round in 0..300 {
        let mut capture = Vec::new();
        // Small captures, so that damage finds the headers.
        while capture.is_empty() || capture.len() > 60_000 {
            let make = if round % 2 == 0 { random_pcap } else { random_pcapng };
            capture = make(&mut numbers).0;
            capture.truncate(numbers.below(60_000) as usize + 40);
        }
        for _ in 0..=numbers.below(8) {
            let at = numbers.below(capture.len() as u64) as usize;
            capture[at] = [0, 0xff, 0x80, 1, numbers.next() as u8][numbers.below(5) as usize];
        }
        let simplest = if round % 2 == 0 {
            PcapReader::new(&capture).map(|reader| walk(reader, &capture))
        } else {
            PcapngReader::new(&capture).map(|reader| walk(reader, &capture))
        };
        for way in [Way::Mapped, Way::Streamed, Way::Dribble, Way::Zstd] {
            match (way.open(&scratch, &capture), &simplest) {
                (Ok(mut opened), Ok((packets, result))) => {
                    let (seen, error) = drain(&mut opened);
                    assert_eq!(seen.len() as u64, *packets, "round {round}, {way:?}");
                    let offset = error.and_then(|error| error.offset);
                    assert_eq!(offset, result.as_ref().err().map(|fault| fault.offset), "round {round}, {way:?}");
                }
                (Err(error), Err(_)) => assert!(!error.damaged),
                (opened, simplest) => panic!("round {round}, {way:?}: {opened:?} but {simplest:?}"),
            }
        }
    }
}

#[test]
fn random_damage_to_compressed_data_then_no_more_than_was_there() {
    let scratch = Scratch::new();
    let mut numbers = Numbers(seed());
    let (bytes, expected) = loop {
        let (bytes, expected) = random_pcap(&mut numbers);
        if (100..400).contains(&expected.len()) {
            break (bytes, expected);
        }
    };
    for round in 0..200 {
        let mut packed = if round % 2 == 0 { crate::scratch::gzip(&bytes) } else { crate::scratch::zstd(&bytes) };
        let at = numbers.below(packed.len() as u64) as usize;
        packed[at] ^= 1 << numbers.below(8);
        let path = scratch.file("packed", &packed);
        if let Ok(mut capture) = flumen_capture::CaptureFile::open(&path, &Default::default()) {
            let (seen, _) = drain(&mut capture);
            assert!(seen.len() <= expected.len() + bytes.len() / 16);
        }
    }
}
