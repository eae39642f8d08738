use super::*;

/// Room in front of a frame, as the kernel leaves it for Ethernet: 96 bytes to the network header, and those reserved.
const MAC: u16 = 96 + TAG_LEN as u16 - 14;
const FIRST: usize = size_of::<tpacket_block_desc>();

/// A packet to be laid out in a block.
#[derive(Clone, Debug)]
pub(crate) struct Laid {
    pub(crate) frame: Vec<u8>,
    pub(crate) wire_len: u32,
    pub(crate) tag: Option<(u16, u16)>,
    pub(crate) hardware: u16,
    pub(crate) protocol: u16,
    pub(crate) link_len: u16,
    pub(crate) status: u32,
}

impl Laid {
    pub(crate) fn ethernet(frame: &[u8]) -> Self {
        Self {
            frame: frame.to_vec(),
            wire_len: frame.len() as u32,
            tag: None,
            hardware: libc::ARPHRD_ETHER,
            protocol: 0x0800,
            link_len: 14,
            status: 0,
        }
    }
}

fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
    block[at..][..bytes.len()].copy_from_slice(bytes);
}

/// A block of `size` bytes with these packets, as the kernel lays them out.
pub(crate) fn lay_out(size: usize, packets: &[Laid]) -> Vec<u8> {
    let mut block = vec![0_u8; size];
    let mut at = FIRST;
    put(&mut block, BLOCK_PACKETS, &(packets.len() as u32).to_ne_bytes());
    put(&mut block, BLOCK_FIRST, &(at as u32).to_ne_bytes());
    for (i, laid) in packets.iter().enumerate() {
        let end = usize::from(MAC) + laid.frame.len();
        let next = if i + 1 == packets.len() { 0 } else { end.next_multiple_of(8) };
        let status = match laid.tag {
            Some(_) => laid.status | libc::TP_STATUS_VLAN_VALID | libc::TP_STATUS_VLAN_TPID_VALID,
            None => laid.status,
        };
        let (protocol, tag) = laid.tag.unwrap_or((0, 0));
        for (offset, word) in [
            (offset_of!(tpacket3_hdr, tp_next_offset), next as u32),
            (offset_of!(tpacket3_hdr, tp_sec), 1_700_000_000 + i as u32),
            (offset_of!(tpacket3_hdr, tp_nsec), 999_999_999),
            (offset_of!(tpacket3_hdr, tp_snaplen), laid.frame.len() as u32),
            (offset_of!(tpacket3_hdr, tp_len), laid.wire_len),
            (offset_of!(tpacket3_hdr, tp_status), status),
            (offset_of!(tpacket3_hdr, hv1.tp_vlan_tci), tag.into()),
            (LINK_ADDRESS + offset_of!(sockaddr_ll, sll_ifindex), 7),
        ] {
            put(&mut block, at + offset, &word.to_ne_bytes());
        }
        for (offset, half) in [
            (offset_of!(tpacket3_hdr, tp_mac), MAC),
            (offset_of!(tpacket3_hdr, tp_net), MAC + laid.link_len),
            (offset_of!(tpacket3_hdr, hv1.tp_vlan_tpid), protocol),
            (LINK_ADDRESS + offset_of!(sockaddr_ll, sll_protocol), laid.protocol.to_be()),
            (LINK_ADDRESS + offset_of!(sockaddr_ll, sll_hatype), laid.hardware),
        ] {
            put(&mut block, at + offset, &half.to_ne_bytes());
        }
        put(&mut block, at + usize::from(MAC), &laid.frame);
        at += end.next_multiple_of(8);
    }
    put(&mut block, BLOCK_LEN, &(at as u32).to_ne_bytes());
    block
}

/// The frames of a block, with their bytes.
fn frames(block: &mut [u8], snap_len: u32) -> (Vec<(Frame, Vec<u8>)>, Walk) {
    let mut found = Vec::new();
    let walk = walk(block, snap_len, |frame| found.push(frame));
    let bytes = |frame: Frame| block[frame.offset..][..frame.captured_len as usize].to_vec();
    (found.iter().map(|&frame| (frame, bytes(frame))).collect(), walk)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| i as u8).collect()
}

#[test]
fn block_of_several_packets_then_each_where_it_lies() {
    let laid: Vec<Laid> = [60, 61, 1, 1514, 0].map(|len| Laid::ethernet(&pattern(len))).to_vec();
    let mut block = lay_out(4096, &laid);
    let (found, walk) = frames(&mut block, SNAP);
    assert_eq!(walk, Walk { announced: 5, fault: None });
    for (i, ((frame, bytes), laid)) in found.iter().zip(&laid).enumerate() {
        assert_eq!(bytes, &laid.frame);
        assert_eq!(frame.wire_len, laid.wire_len);
        assert_eq!(frame.timestamp, Timestamp::from_parts(1_700_000_000 + i as u64, 999_999_999));
        assert_eq!((frame.link, frame.interface, frame.clock), (LinkType::Ethernet, 7, Clock::Kernel));
    }
    assert_eq!(found.len(), 5);
}

#[test]
fn empty_block_then_no_frames() {
    assert_eq!(frames(&mut lay_out(256, &[]), SNAP), (vec![], Walk { announced: 0, fault: None }));
}

#[test]
fn tag_taken_out_then_it_stands_where_it_stood() {
    let bare = pattern(60);
    let tagged =
        |protocol: u16, tag: u16| [&bare[..12], &protocol.to_be_bytes(), &tag.to_be_bytes(), &bare[12..]].concat();
    for (protocol, tag) in [(0x8100, 0x6005), (0x88a8, 0xffff), (0x9100, 0)] {
        let laid = [Laid { tag: Some((protocol, tag)), ..Laid::ethernet(&bare) }, Laid::ethernet(b"the next")];
        let (found, walk) = frames(&mut lay_out(1024, &laid), SNAP);
        assert_eq!(walk.fault, None);
        assert_eq!(found[0].1, tagged(protocol, tag));
        assert_eq!(found[0].0.wire_len, 64);
        assert_eq!(found[1].1, b"the next", "its neighbour is untouched");
    }
    // An old kernel does not say the protocol.
    let old = Laid { status: libc::TP_STATUS_VLAN_VALID, ..Laid::ethernet(&bare) };
    assert_eq!(frames(&mut lay_out(1024, &[old]), SNAP).0[0].1, tagged(0x8100, 0));
}

#[test]
fn tagged_frame_cut_off_then_never_more_than_the_snap_length_of_the_frame_on_the_wire() {
    let wire = [&pattern(12)[..], &[0x81, 0, 0, 5], &pattern(60)[12..]].concat();
    for snap_len in 0..70_u32 {
        // The kernel cuts what it has: the frame without its tag.
        let kept = pattern(60)[..60.min(snap_len as usize)].to_vec();
        let laid = Laid { tag: Some((0x8100, 5)), wire_len: 60, ..Laid::ethernet(&kept) };
        let (found, _) = frames(&mut lay_out(1024, &[laid]), snap_len);
        let (frame, bytes) = &found[0];
        assert_eq!(bytes[..], wire[..wire.len().min(snap_len as usize)], "{snap_len} bytes");
        assert_eq!(frame.wire_len, 64);
    }
}

#[test]
fn no_link_header_then_packets_begin_at_the_network_header() {
    let laid = |hardware, protocol, link_len| Laid { hardware, protocol, link_len, ..Laid::ethernet(&pattern(40)) };
    let mut block = lay_out(4096, &[laid(libc::ARPHRD_NONE, 0, 0), laid(libc::ARPHRD_IPGRE, 0x86dd, 24)]);
    let (found, _) = frames(&mut block, SNAP);
    assert_eq!((found[0].0.link, &found[0].1), (LinkType::Raw, &pattern(40)));
    assert_eq!((found[1].0.link, &found[1].1[..]), (LinkType::Raw, &pattern(40)[24..]));
    assert_eq!((found[0].0.wire_len, found[1].0.wire_len), (40, 16));
    // A link header that is longer than what was captured.
    let (found, _) = frames(&mut lay_out(4096, &[laid(libc::ARPHRD_IPGRE, 0x0800, 50)]), SNAP);
    assert_eq!((found[0].1.len(), found[0].0.wire_len), (0, 0));
}

#[test]
fn stamp_of_the_card_then_it_is_said() {
    let laid = Laid { status: libc::TP_STATUS_TS_RAW_HARDWARE, ..Laid::ethernet(b"x") };
    assert_eq!(frames(&mut lay_out(256, &[laid]), SNAP).0[0].0.clock, Clock::Card);
}

#[test]
fn field_that_cannot_be_then_fault_and_the_packets_before_it() {
    let three = [Laid::ethernet(&pattern(60)), Laid::ethernet(&pattern(60)), Laid::ethernet(&pattern(60))];
    let step = (usize::from(MAC) + 60).next_multiple_of(8);
    let second = FIRST + step;
    let length = offset_of!(tpacket3_hdr, tp_snaplen);
    let mac = offset_of!(tpacket3_hdr, tp_mac);
    let last = FIRST + 2 * step;
    let cases: [(usize, &[u8], usize, BlockFault); 13] = [
        (BLOCK_LEN, &2_048_u32.to_ne_bytes(), 0, BlockFault::Length(2_048)),
        (BLOCK_LEN, &u32::MAX.to_ne_bytes(), 0, BlockFault::Length(u32::MAX)),
        (BLOCK_LEN, &0_u32.to_ne_bytes(), 0, BlockFault::Packet(FIRST)),
        (BLOCK_FIRST, &u32::MAX.to_ne_bytes(), 0, BlockFault::Packet(u32::MAX as usize)),
        (BLOCK_FIRST, &1_020_u32.to_ne_bytes(), 0, BlockFault::Packet(1_020)),
        (BLOCK_PACKETS, &u32::MAX.to_ne_bytes(), 2, BlockFault::Next(0)),
        (second + NEXT, &0_u32.to_ne_bytes(), 1, BlockFault::Next(0)),
        (second + NEXT, &8_u32.to_ne_bytes(), 1, BlockFault::Next(8)),
        (second + NEXT, &u32::MAX.to_ne_bytes(), 1, BlockFault::Next(u32::MAX)),
        (second + length, &u32::MAX.to_ne_bytes(), 1, BlockFault::Frame(MAC)),
        (last + length, &1_000_u32.to_ne_bytes(), 2, BlockFault::Frame(MAC)),
        (second + mac, &0_u16.to_ne_bytes(), 1, BlockFault::Frame(0)),
        (second + mac, &u16::MAX.to_ne_bytes(), 1, BlockFault::Frame(u16::MAX)),
    ];
    for (at, value, found, fault) in cases {
        let mut block = lay_out(1_024, &three);
        put(&mut block, at, value);
        let (seen, walk) = frames(&mut block, SNAP);
        assert_eq!((seen.len(), walk.fault), (found, Some(fault)));
    }
}

#[test]
fn no_room_for_a_tag_then_fault_and_the_header_unharmed() {
    let laid = [Laid { tag: Some((0x8100, 5)), ..Laid::ethernet(&pattern(60)) }];
    let mut block = lay_out(1_024, &laid);
    put(&mut block, FIRST + offset_of!(tpacket3_hdr, tp_mac), &(HEADER_LEN as u16 + 3).to_ne_bytes());
    let before = block.clone();
    assert_eq!(frames(&mut block, SNAP).1.fault, Some(BlockFault::NoRoomForTag(HEADER_LEN as u16 + 3)));
    assert_eq!(block, before);
}

#[test]
fn memory_too_short_for_a_header_then_fault() {
    for len in 0..FIRST {
        let walk = walk(&mut vec![0xff; len], SNAP, |_| panic!("a frame in {len} bytes"));
        assert!(walk.fault.is_some());
    }
}

/// Every field is anything: no panic, no frame outside the block, and every step leads further.
#[test]
fn random_damage_then_frames_lie_in_the_block() {
    let rounds = if cfg!(miri) { 150 } else { 50_000 };
    let seed = 0x7ac3_e7b1_0c5a_11ed_u64;
    println!("seed {seed:#x}");
    let mut state = seed;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for _ in 0..rounds {
        let packets = random(6);
        let laid: Vec<Laid> = (0..packets)
            .map(|_| Laid {
                tag: (random(2) == 0).then(|| (0x8100, random(65_536) as u16)),
                hardware: [libc::ARPHRD_ETHER, libc::ARPHRD_NONE, libc::ARPHRD_PPP][random(3) as usize],
                ..Laid::ethernet(&pattern(random(90) as usize))
            })
            .collect();
        let mut block = lay_out(2_048, &laid);
        for _ in 0..random(4) {
            let at = (random(2_048 / 4) * 4) as usize;
            let word = match random(4) {
                0 => 0,
                1 => u32::MAX,
                2 => random(2_100) as u32,
                _ => random(1 << 32) as u32,
            };
            put(&mut block, at, &word.to_ne_bytes());
        }
        let len = block.len();
        let mut count = 0_usize;
        walk(&mut block, random(300) as u32, |frame| {
            assert!(frame.offset + frame.captured_len as usize <= len);
            assert!(frame.wire_len >= frame.captured_len);
            count += 1;
        });
        assert!(count <= len / HEADER_LEN);
    }
}

const SNAP: u32 = 262_144;
