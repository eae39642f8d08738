//! Cases by hand: how datagrams complete, and what is not let in.

use flumen_pbuf::{Pbuf, PbufPool};
use flumen_table::Compat;
use flumen_table::defrag::{Defrag, DefragConfig, DropReason, Outcome};
use flumen_wire::{DecodeOptions, Decoded, Decoder, Event, Fragment, LinkType, Ports, Transport, Tunnel, TunnelKind};

use crate::bed::{A, B, Bed, at, compat, complete, dropped, held, small, v4, v6};
use crate::bed::{header, longer_header, packet, payload, sum};

/// A worker is a thread: what it owns is made elsewhere and handed to it.
const _: () = {
    const fn can_be_handed_over<T: Send>() {}
    can_be_handed_over::<Defrag>();
    can_be_handed_over::<Outcome>();
};

#[test]
fn two_fragments_in_order_then_the_datagram_is_whole() {
    let mut bed = Bed::new(small());
    held(bed.put(v4(1, 0, 1480, true), 1, at(0)));
    let datagram = complete(bed.put(v4(1, 1480, 100, false), 2, at(1)));
    assert_eq!((datagram.len(), datagram.fragments, datagram.chain.buffers()), (1600, 2, 2));
    assert!(!datagram.is_empty());
    assert_eq!(datagram.first, v4(1, 0, 1480, true));
    assert_eq!(payload(&datagram), [vec![1; 1480], vec![2; 100]].concat());
    assert_eq!(bed.buffers.held(), 2, "nothing was copied");
    assert_eq!((bed.defrag.counters.ipv4.fragments, bed.defrag.counters.ipv4.reassembled), (2, 1));
    drop(datagram);
    bed.end();
}

#[test]
fn three_fragments_in_every_order_then_the_same_datagram() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let mut bed = Bed::new(small());
        let fragments = [v4(1, 0, 8, true), v4(1, 8, 16, true), v4(1, 24, 3, false)];
        held(bed.put(fragments[order[0]], order[0] as u8, at(0)));
        held(bed.put(fragments[order[1]], order[1] as u8, at(0)));
        let datagram = complete(bed.put(fragments[order[2]], order[2] as u8, at(0)));
        assert_eq!(payload(&datagram), [vec![0; 8], vec![1; 16], vec![2; 3]].concat(), "{order:?}");
        assert_eq!(datagram.first, fragments[0]);
        drop(datagram);
        bed.end();
    }
}

#[test]
fn rebuilt_packet_is_decoded_like_one_that_was_never_fragmented() {
    for (first, link) in [(v4(7, 0, 16, true), LinkType::Ipv4), (v6(7, 0, 16, true), LinkType::Ipv6)] {
        for longer in [0, 8, 40] {
            let first = longer_header(first, longer);
            let mut bed = Bed::new(small());
            let mut udp = vec![0x30, 0x39, 0, 53, 0, 24, 0, 0];
            udp.extend(0..16);
            held(bed.bytes(first, udp[..16].to_vec(), at(0)));
            let last = Fragment { offset: 16, payload_len: 8, more: false, ..first };
            let datagram = complete(bed.bytes(last, udp[16..].to_vec(), at(0)));
            let mut bytes = vec![0xee; 5];
            datagram.write_to(&mut bytes);
            assert_eq!(bytes.len(), datagram.len());
            let mut decoder = Decoder::new(DecodeOptions::default());
            let Decoded::Flow(packet) = decoder.decode(link, &bytes, bytes.len() as u32) else {
                panic!("{link:?} {longer}: {bytes:?}")
            };
            assert!(matches!(packet.transport, Transport::Udp(Ports { src: 12345, dst: 53 })));
            assert_eq!((packet.src, packet.dst, packet.transport_len), (first.src, first.dst, 24));
            assert_eq!(bytes[packet.transport_offset as usize..], udp);
            if link == LinkType::Ipv4 {
                assert_eq!(sum(datagram.header()), 0xffff, "the checksum is right");
            }
        }
    }
}

#[test]
fn fragments_as_the_decoder_finds_them_then_they_complete() {
    let frame = |f: &Fragment, fill: u8| {
        let mut frame = vec![2; 12];
        frame.extend([0x08, 0]);
        frame.extend(header(f));
        frame.extend(vec![fill; f.payload_len as usize]);
        frame
    };
    let mut decoder = Decoder::new(DecodeOptions::default());
    let mut bed = Bed::new(small());
    let mut outcome = Outcome::Held;
    for (f, fill) in [(v4(9, 0, 24, true), 1), (v4(9, 24, 5, false), 2)] {
        let frame = frame(&f, fill);
        let Decoded::Fragment(found) = decoder.decode(LinkType::Ethernet, &frame, frame.len() as u32) else { panic!() };
        let (ip, start) = (found.ip_offset as usize, found.payload_offset as usize);
        let end = start + found.payload_len as usize;
        outcome = bed.defrag.fragment(&found, 0, at(0), |_| bed.buffers.of(frame[ip..end].to_vec()));
    }
    let datagram = complete(outcome);
    assert_eq!((datagram.first.link_len, datagram.first.macs.is_some()), (14, true));
    assert_eq!(payload(&datagram), [vec![1; 24], vec![2; 5]].concat());
}

#[test]
fn wrong_checksum_in_the_first_header_stays_wrong() {
    let mut bed = Bed::new(small());
    let first = v4(1, 0, 8, true);
    let mut bad = packet(&first, &[0; 8]);
    bad[10] ^= 0x10;
    held(bed.defrag.fragment(&first, 0, at(0), |_| bed.buffers.of(bad)));
    let datagram = complete(bed.put(v4(1, 8, 8, false), 0, at(0)));
    assert_ne!(sum(datagram.header()), 0xffff);
}

#[test]
fn fragments_that_differ_in_a_part_of_the_key_do_not_meet() {
    let tunnel = Tunnel { kind: TunnelKind::Vni, id: 5 };
    let f = v4(1, 0, 8, true);
    let mut vlan = f.vlan;
    (vlan.ids[0], vlan.count) = (7, 1);
    let others = [
        Fragment { src: A, dst: A, ..f },
        Fragment { src: B, dst: A, ..f },
        Fragment { id: 2, ..f },
        Fragment { protocol: 6, ..f },
        Fragment { vlan, ..f },
        Fragment { recursion: 1, ..f },
        Fragment { tunnel, ..f },
        Fragment { tunnel: Tunnel { id: 6, ..tunnel }, ..f },
        Fragment { tunnel: Tunnel { kind: TunnelKind::Teid, ..tunnel }, ..f },
    ];
    let mut bed = Bed::new(small());
    held(bed.put(f, 0, at(0)));
    for (n, other) in others.into_iter().enumerate() {
        held(bed.put(other, 0, at(0)));
        assert_eq!(bed.defrag.trackers() as usize, n + 2, "{other:?}");
    }
    // The same on another device.
    held(bed.defrag.fragment(&f, 1, at(0), |_| bed.buffers.of(packet(&f, &[0; 8]))));
    assert_eq!(bed.defrag.trackers() as usize, others.len() + 2);
    bed.end();
}

#[test]
fn what_is_not_tracked_is_not_part_of_the_key() {
    let config = DefragConfig { track_vlan: false, track_device: false, track_recursion: false, ..small() };
    let mut bed = Bed::new(config);
    let f = v4(1, 0, 8, true);
    held(bed.put(f, 0, at(0)));
    let mut last = Fragment { recursion: 1, tunnel: Tunnel { kind: TunnelKind::Vni, id: 5 }, ..v4(1, 8, 8, false) };
    (last.vlan.ids[0], last.vlan.count) = (7, 1);
    complete(bed.defrag.fragment(&last, 3, at(0), |_| bed.buffers.of(packet(&last, &[0; 8]))));
    bed.end();
}

#[test]
fn key_in_compat_mode_knows_no_direction_device_or_tunnel_but_vlans() {
    let mut bed = Bed::new(DefragConfig { track_vlan: false, ..compat() });
    held(bed.put(v4(1, 0, 8, true), 0, at(0)));
    let last = v4(1, 8, 8, false);
    let mut vlan = last;
    (vlan.vlan.ids[0], vlan.vlan.count) = (7, 1);
    held(bed.put(vlan, 0, at(0)));
    held(bed.put(Fragment { protocol: 6, ..last }, 0, at(0)));
    let tunnel = Tunnel { kind: TunnelKind::Vni, id: 5 };
    let turned = Fragment { src: B, dst: A, recursion: 1, tunnel, ..last };
    complete(bed.defrag.fragment(&turned, 3, at(0), |_| bed.buffers.of(packet(&turned, &[0; 8]))));
    bed.end();
}

#[test]
fn next_headers_of_ipv6_fragments_differ_then_the_first_counts() {
    for config in [small(), compat()] {
        let mut bed = Bed::new(config);
        held(bed.put(Fragment { protocol: 6, ..v6(1, 8, 8, false) }, 0, at(0)));
        let datagram = complete(bed.put(v6(1, 0, 8, true), 0, at(0)));
        assert_eq!((datagram.header().len(), datagram.header()[6], datagram.first.protocol), (40, 17, 17));
        drop(datagram);
        bed.end();
    }
}

#[test]
fn ipv4_and_ipv6_with_the_same_numbers_do_not_meet() {
    for config in [small(), compat()] {
        let mut bed = Bed::new(config);
        let f = v6(1, 0, 8, true);
        let as_v4 = Fragment { src: f.src, dst: f.dst, ..v4(1, 8, 8, false) };
        held(bed.put(f, 0, at(0)));
        held(bed.put(as_v4, 0, at(0)));
        bed.end();
    }
}

#[test]
fn zero_length_fragment_is_dropped_and_ends_no_datagram() {
    for config in [small(), compat()] {
        let mut bed = Bed::new(config);
        held(bed.put(v4(1, 0, 8, true), 0, at(0)));
        assert_eq!(dropped(bed.put(v4(1, 8, 0, false), 0, at(0))), DropReason::Empty);
        assert_eq!(dropped(bed.put(v4(1, 16, 0, true), 0, at(0))), DropReason::Empty);
        complete(bed.put(v4(1, 8, 8, false), 0, at(0)));
        bed.end();
    }
}

#[test]
fn tiny_fragments_complete_like_any_other() {
    let mut bed = Bed::new(small());
    let count = if cfg!(miri) { 40 } else { 8000 };
    // From the last to the first, every other one; then the rest.
    for odd in [1, 0] {
        for n in (0..count / 2).rev() {
            let n = n * 2 + odd;
            let outcome = bed.put(v4(1, n * 8, 8, n + 1 < count), n as u8, at(0));
            if n == 0 {
                let datagram = complete(outcome);
                assert_eq!(datagram.chain.buffers(), count as usize);
                assert!(payload(&datagram).chunks(8).enumerate().all(|(n, unit)| unit == [n as u8; 8]));
            } else {
                held(outcome);
            }
        }
    }
    bed.end();
}

#[test]
fn length_that_is_no_multiple_of_eight_then_it_is_dropped_or_in_compat_mode_kept() {
    let mut bed = Bed::new(small());
    assert_eq!(dropped(bed.put(v4(1, 0, 9, true), 0, at(0))), DropReason::InvalidLength);
    assert_eq!(dropped(bed.put(v6(1, 0, 9, true), 0, at(0))), DropReason::InvalidLength);
    assert_eq!((bed.defrag.event(), bed.defrag.trackers()), (None, 0));
    bed.end();
    let mut bed = Bed::new(compat());
    held(bed.put(v4(1, 0, 9, true), 1, at(0)));
    assert_eq!(payload(&complete(bed.put(v4(1, 8, 2, false), 2, at(0)))), [1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
    bed.end();
}

#[test]
fn datagram_beyond_65535_bytes_then_the_fragment_is_dropped() {
    for (f, event, limit) in [
        (v4(1, 0, 0, false), Event::Ipv4FragPktTooLarge, 65_515),
        (v6(1, 0, 0, false), Event::Ipv6FragPktTooLarge, 65_535),
    ] {
        let mut bed = Bed::new(small());
        let last = Fragment { offset: 65_504, payload_len: limit - 65_504, ..f };
        held(bed.put(last, 0, at(0)));
        let beyond = Fragment { payload_len: last.payload_len + 1, ..last };
        assert_eq!(dropped(bed.put(beyond, 0, at(0))), DropReason::TooLarge);
        assert_eq!(bed.defrag.event(), Some(event));
        let most = Fragment { offset: u32::MAX, payload_len: 0xffff, ..f };
        assert_eq!(dropped(bed.put(most, 0, at(0))), DropReason::TooLarge);
        let datagram = complete(bed.put(Fragment { payload_len: 65_504, more: true, ..f }, 0, at(0)));
        assert_eq!(datagram.chain.len(), limit as usize);
        drop(datagram);
        bed.end();
    }
}

#[test]
fn header_of_the_first_makes_it_too_large_then_the_datagram_is_given_up() {
    let mut bed = Bed::new(small());
    held(bed.put(v4(1, 65_504, 11, false), 0, at(0)));
    held(bed.put(v4(1, 32_752, 32_752, true), 0, at(0)));
    let first = Fragment { payload_offset: 60, ..v4(1, 0, 32_752, true) };
    assert_eq!(dropped(bed.put(first, 0, at(0))), DropReason::TooLarge);
    assert_eq!(bed.defrag.event(), Some(Event::Ipv4FragPktTooLarge));
    assert_eq!((bed.defrag.counters.discarded, bed.defrag.trackers(), bed.buffers.held()), (2, 0, 0));
    bed.end();
}

#[test]
fn beyond_the_last_and_two_lasts_then_the_first_end_counts() {
    let mut bed = Bed::new(small());
    held(bed.put(v4(1, 16, 8, false), 2, at(0)));
    assert_eq!(dropped(bed.put(v4(1, 24, 8, true), 3, at(0))), DropReason::Inconsistent);
    assert_eq!(dropped(bed.put(v4(1, 16, 16, false), 3, at(0))), DropReason::Inconsistent);
    assert_eq!(dropped(bed.put(v4(1, 8, 8, false), 3, at(0))), DropReason::Inconsistent);
    held(bed.put(v4(1, 8, 8, true), 1, at(0)));
    let datagram = complete(bed.put(v4(1, 0, 8, true), 0, at(0)));
    assert_eq!((payload(&datagram)[23], datagram.fragments), (2, 3));
    drop(datagram);
    // An end before what is there.
    held(bed.put(v4(2, 16, 8, true), 2, at(0)));
    assert_eq!(dropped(bed.put(v4(2, 0, 8, false), 0, at(0))), DropReason::Inconsistent);
    bed.end();
}

#[test]
fn beyond_the_last_in_compat_mode_then_the_greatest_end_counts() {
    let mut bed = Bed::new(compat());
    held(bed.put(v4(1, 8, 8, false), 1, at(0)));
    held(bed.put(v4(1, 16, 8, true), 2, at(0)));
    let datagram = complete(bed.put(v4(1, 0, 8, true), 0, at(0)));
    assert_eq!(datagram.chain.len(), 24);
    drop(datagram);
    bed.end();
}

#[test]
fn last_without_a_byte_of_its_own_ends_the_datagram_but_not_in_compat_mode() {
    for config in [small(), compat()] {
        let ends = config.compat == Compat::Flumen;
        let mut bed = Bed::new(config);
        held(bed.put(v4(1, 8, 8, true), 1, at(0)));
        held(bed.put(v4(1, 8, 8, false), 2, at(0)));
        let outcome = bed.put(v4(1, 0, 8, true), 0, at(0));
        assert_eq!(matches!(outcome, Outcome::Complete(_)), ends, "{outcome:?}");
        drop(outcome);
        bed.end();
    }
}

#[test]
fn cut_by_the_capture_then_dropped_without_a_trace() {
    let mut bed = Bed::new(small());
    let f = v4(1, 0, 16, true);
    assert_eq!(dropped(bed.bytes(f, vec![0; 15], at(0))), DropReason::Snapped);
    let cut = bed.defrag.fragment(&f, 0, at(0), |_| bed.buffers.of(header(&f)[..19].to_vec()));
    assert_eq!(dropped(cut), DropReason::Snapped);
    let lying = Fragment { payload_offset: 0, ..f };
    assert_eq!(dropped(bed.defrag.fragment(&lying, 0, at(0), |_| panic!("not wanted"))), DropReason::Snapped);
    assert_eq!((bed.defrag.trackers(), bed.buffers.held()), (0, 0));
    // What is longer is cut: Ethernet pads short frames.
    held(bed.bytes(f, vec![7; 60], at(0)));
    assert_eq!(complete(bed.put(v4(1, 16, 8, false), 1, at(0))).chain.len(), 24);
    bed.end();
}

#[test]
fn repetition_after_completion_begins_another_datagram_that_times_out() {
    for config in [small(), compat()] {
        let mut bed = Bed::new(config);
        held(bed.put(v4(1, 0, 8, true), 0, at(0)));
        complete(bed.put(v4(1, 8, 8, false), 0, at(0)));
        held(bed.put(v4(1, 8, 8, false), 0, at(1)));
        bed.defrag.expire(at(60));
        assert_eq!(bed.defrag.trackers(), 1);
        bed.defrag.expire(at(61));
        assert_eq!((bed.defrag.trackers(), bed.defrag.counters.mgr_tracker_timeout), (0, 1));
        assert_eq!((bed.defrag.counters.completed, bed.defrag.counters.timed_out), (2, 1));
        bed.end();
    }
}

#[test]
fn covered_fragment_then_its_payload_is_not_asked_for() {
    let mut bed = Bed::new(small());
    held(bed.put(v4(1, 0, 16, true), 0, at(0)));
    let f = v4(1, 8, 8, true);
    held(bed.defrag.fragment(&f, 0, at(0), |_| panic!("not wanted")));
    assert_eq!((bed.defrag.kept(), bed.defrag.counters.held), (1, 2));
    assert_eq!(complete(bed.put(v4(1, 16, 8, false), 0, at(0))).fragments, 3);
    bed.end();
}

#[test]
fn switched_off_then_every_fragment_is_dropped() {
    let mut bed = Bed::new(DefragConfig { enabled: false, ..small() });
    let f = v4(1, 0, 16, true);
    let outcome = bed.defrag.fragment(&f, 0, at(0), |_| panic!("not wanted"));
    assert_eq!(dropped(outcome), DropReason::Disabled);
    bed.end();
}

#[test]
fn payloads_from_a_pool_then_they_are_back_when_the_datagram_is_dropped() {
    let pool = PbufPool::new(8, 2048).expect("a pool");
    let mut bed = Bed::new(small());
    let from_pool = |len: usize| -> Pbuf {
        let mut buffer = pool.alloc().expect("a buffer").freeze();
        buffer.truncate(len);
        buffer
    };
    for (f, expected) in [(v4(1, 0, 1480, true), 1), (v4(1, 0, 1480, true), 1), (v4(1, 1480, 8, false), 2)] {
        let outcome = bed.defrag.fragment(&f, 0, at(0), |_| from_pool((f.payload_offset + f.payload_len) as usize));
        assert_eq!(pool.stats().outstanding, expected);
        drop(outcome);
    }
    assert_eq!(pool.stats().outstanding, 0);
    bed.end();
}

#[test]
fn references_into_a_mapping_then_they_are_gone_at_the_end() {
    let mapping = Pbuf::from(vec![5; 4096]);
    let mut bed = Bed::new(small());
    for id in 0..10 {
        let f = v4(id, 0, 64, true);
        held(bed.defrag.fragment(&f, 0, at(0), |_| mapping.slice(64..148)));
    }
    assert_eq!(mapping.references(), Some(11));
    let f = v4(3, 64, 64, false);
    let datagram = complete(bed.defrag.fragment(&f, 0, at(0), |_| mapping.slice(..84)));
    assert_eq!(payload(&datagram), [5; 128]);
    assert_eq!(mapping.references(), Some(12));
    drop(datagram);
    bed.defrag.finish();
    assert_eq!(mapping.references(), Some(1));
    assert_eq!(bed.defrag.counters.unfinished, 9);
}
