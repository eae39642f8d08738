//! Each feature of pcapng, in both byte orders and in every way of reading.

use crate::scratch::{Scratch, Seen, Way, drain};
use flumen_capture::NoticeKind;
use flumen_capture::records::ByteOrder;
use flumen_capture::write::PcapngWriter;
use flumen_model::LinkType;

const TIME_RESOLUTION: u16 = 9;
const TIME_OFFSET: u16 = 14;
const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

/// Reads in every way, which must agree.
fn read(writer: &PcapngWriter) -> Vec<Seen> {
    let scratch = Scratch::new();
    let mut reads = Way::ALL.map(|way| {
        let (seen, error) = drain(&mut way.open(&scratch, writer.bytes()).expect("a capture"));
        assert_eq!(error, None, "{way:?}");
        seen
    });
    assert!(reads.iter().all(|other| *other == reads[0]));
    std::mem::take(&mut reads[0])
}

fn seen(nanos: u64, data: &[u8]) -> Seen {
    Seen { nanos, data: data.to_vec(), wire_len: data.len() as u32, link: LinkType::Ethernet, device: 0 }
}

#[test]
fn each_kind_of_packet_block_then_its_packet() {
    for order in ORDERS {
        let mut writer = PcapngWriter::new(order);
        writer.interface(1, 0, &[]).packet(0, 7, b"enhanced", 1500);
        writer.simple_packet(b"simple", 6).obsolete_packet(0, (1 << 40) + 9, b"old", 3);
        let wire = Seen { wire_len: 1500, ..seen(7_000, b"enhanced") };
        // A simple packet has the time of the one before it.
        assert_eq!(read(&writer), [wire, seen(7_000, b"simple"), seen(((1 << 40) + 9) * 1_000, b"old")]);
    }
}

#[test]
fn simple_packet_then_cut_at_the_snap_length() {
    for order in ORDERS {
        let mut writer = PcapngWriter::new(order);
        writer.interface(1, 4, &[]).simple_packet(b"abcd", 900).simple_packet(b"ab", 2);
        assert_eq!(read(&writer), [Seen { wire_len: 900, ..seen(0, b"abcd") }, seen(0, b"ab")]);
    }
}

#[test]
fn several_interfaces_then_each_has_its_own_link_type_and_clock() {
    for order in ORDERS {
        let offset = match order {
            ByteOrder::Little => 100_i64.to_le_bytes(),
            ByteOrder::Big => 100_i64.to_be_bytes(),
        };
        let mut writer = PcapngWriter::new(order);
        writer
            .interface(1, 0, &[(2, b"eth0"), (TIME_RESOLUTION, &[9])])
            .interface(101, 65535, &[(TIME_RESOLUTION, &[0x80 | 10])])
            .interface(147, 0, &[(TIME_RESOLUTION, &[3]), (TIME_OFFSET, &offset)]);
        writer.packet(2, 5, b"user", 4).packet(0, 5, b"ether", 5).packet(1, 2048, b"raw", 3);
        let expected = [
            Seen { link: LinkType::Unsupported, device: 2, ..seen(100_005_000_000, b"user") },
            seen(5, b"ether"),
            Seen { link: LinkType::Raw, device: 1, ..seen(2_000_000_000, b"raw") },
        ];
        assert_eq!(read(&writer), expected);
    }
}

#[test]
fn several_sections_in_both_orders_then_each_with_its_interfaces() {
    for (first, second) in [(ByteOrder::Little, ByteOrder::Big), (ByteOrder::Big, ByteOrder::Little)] {
        let mut writer = PcapngWriter::new(first);
        writer.interface(1, 0, &[(TIME_RESOLUTION, &[9])]).packet(0, 1, b"one", 3);
        writer.section(second).interface(228, 0, &[]).packet(0, 2, b"two", 3);
        assert_eq!(read(&writer), [seen(1, b"one"), Seen { link: LinkType::Ipv4, ..seen(2_000, b"two") }]);
    }
}

#[test]
fn unknown_blocks_then_stepped_over_however_long() {
    for order in ORDERS {
        let mut writer = PcapngWriter::new(order);
        writer.block(4, b"names").interface(1, 0, &[]).block(5, &[1; 16]).packet(0, 1, b"one", 3);
        writer.block(0x0bad, &vec![0xee; 2_000_000]).block(0x4000_0bad, b"").packet(0, 2, b"two", 3);
        assert_eq!(read(&writer), [seen(1_000, b"one"), seen(2_000, b"two")]);
    }
}

#[test]
fn options_behind_a_packet_then_left_alone() {
    for order in ORDERS {
        let mut options = PcapngWriter::new(order);
        options.interface(1, 0, &[]).packet(0, 1, b"1234", 4);
        // Rebuild the packet's block with bytes behind the packet: a comment, as far as anyone knows.
        let packet = options.bytes()[48 + 8..options.bytes().len() - 4].to_vec();
        let mut writer = PcapngWriter::new(order);
        writer.interface(1, 0, &[]).block(6, &[&packet[..], &[1; 60_000]].concat()).packet(0, 2, b"next", 4);
        assert_eq!(read(&writer), [seen(1_000, b"1234"), seen(2_000, b"next")]);
    }
}

#[test]
fn broken_options_of_an_interface_then_the_rest_is_used() {
    let mut writer = PcapngWriter::new(ByteOrder::Little);
    // An option longer than its block, behind one that is in order.
    writer.block(1, &[1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 2, 0, 0xff, 0xff]);
    writer.packet(0, 5, b"x", 1);
    assert_eq!(read(&writer), [seen(5, b"x")]);
}

#[test]
fn times_beyond_what_is_kept_then_clamped() {
    let mut writer = PcapngWriter::new(ByteOrder::Little);
    writer.interface(1, 0, &[]).interface(1, 0, &[(TIME_OFFSET, &i64::MIN.to_le_bytes())]);
    writer.packet(0, u64::MAX, b"x", 1).packet(1, 5, b"y", 1);
    assert_eq!(read(&writer), [seen(u64::MAX, b"x"), Seen { device: 1, ..seen(0, b"y") }]);
}

#[test]
fn section_without_packets_then_a_notice() {
    let scratch = Scratch::new();
    let mut capture = Way::Mapped.open(&scratch, PcapngWriter::new(ByteOrder::Big).bytes()).expect("a capture");
    assert_eq!(drain(&mut capture), (vec![], None));
    assert_eq!(capture.findings(), [NoticeKind::NoPackets]);
}
