//! TCP (RFC 9293): the fixed part of the header and the options that a session needs.

use crate::context::{Context, Ip};
use crate::decoder::Step;
use crate::view::{View, be16};
use crate::{Event, FastOpen, Ports, TcpFlags, TcpSegment, Transport};

pub(crate) const PROTOCOL: u8 = 6;
pub(crate) const HEADER_LEN: usize = 20;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    cx.counters.layers.tcp += 1;
    let Some(header) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::TcpPktTooSmall);
    };
    let header_len = header_len(header);
    if view.len() < header_len {
        return cx.invalid(Event::TcpHlenTooSmall);
    }
    if header_len < HEADER_LEN {
        return cx.invalid(Event::TcpInvalidOptlen);
    }
    let mut segment = segment(header, view.len() - header_len, None);
    let options = view.limit(header_len).skip(HEADER_LEN);
    parse_options(options.data(), !options.is_snapped(), &mut segment, |oddity| match oddity {
        Oddity::Length => cx.note(Event::TcpOptInvalidLen),
        Oddity::InvalidLength => cx.fault(Event::TcpOptInvalidLen),
        Oddity::Duplicate => cx.note(Event::TcpOptDuplicate),
    });
    cx.flow(ip, Transport::Tcp(segment), view)
}

/// Length of the header as it says itself: 0 to 60 bytes.
pub(crate) const fn header_len(header: &[u8; HEADER_LEN]) -> usize {
    (header[12] >> 4) as usize * 4
}

/// The segment, with no option but these timestamps.
#[inline(always)]
pub(crate) fn segment(header: &[u8; HEADER_LEN], payload_len: usize, timestamps: Option<(u32, u32)>) -> TcpSegment {
    let &[s_hi, s_lo, d_hi, d_lo, q0, q1, q2, q3, a0, a1, a2, a3, _, flags, w_hi, w_lo, _, _, _, _] = header;
    TcpSegment {
        ports: Ports { src: be16(s_hi, s_lo), dst: be16(d_hi, d_lo) },
        seq: u32::from_be_bytes([q0, q1, q2, q3]),
        ack: u32::from_be_bytes([a0, a1, a2, a3]),
        window: be16(w_hi, w_lo),
        flags: TcpFlags(flags),
        // An IP datagram has at most 65,535 bytes, headers included.
        payload_len: payload_len as u16,
        window_scale: None,
        timestamps,
        sack_permitted: false,
        fast_open: None,
    }
}

/// What can be wrong with an option. None of it ends the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Oddity {
    /// A length that this option cannot have; the option is left out.
    Length,
    /// The same, of the kind that counts as an invalid packet.
    InvalidLength,
    /// An option that was there already; the first one counts.
    Duplicate,
}

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const SEGMENT_SIZE: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;
/// RFC 2385.
const MD5: u8 = 19;
/// RFC 5925.
const AUTHENTICATION: u8 = 29;
/// RFC 7413.
const FAST_OPEN: u8 = 34;
/// RFC 6994: shared, told apart by what follows.
const EXPERIMENT_1: u8 = 253;
const EXPERIMENT_2: u8 = 254;
/// Fast open as an experiment (RFC 7413 §4.1.1).
const FAST_OPEN_EXPERIMENT: [u8; 2] = [0xf9, 0x89];

/// Reads options into `segment`. `whole` is false when the capture cut them: what is missing is then no error.
///
/// Inlined where it is called: kept out of line, the segment goes through memory in small pieces, which costs the fast
/// path half of its speed.
#[inline(always)]
pub(crate) fn parse_options(options: &[u8], whole: bool, segment: &mut TcpSegment, mut odd: impl FnMut(Oddity)) {
    let mut rest = options;
    let (mut segment_size_seen, mut sack_seen) = (false, false);
    loop {
        let (kind, value) = match *rest {
            [] | [END, ..] => return,
            [NO_OPERATION, ref after @ ..] => {
                rest = after;
                continue;
            }
            // A lone byte at the end is let pass.
            [_] => return,
            [kind, len, ..] => match rest.split_at_checked(usize::from(len)) {
                Some((&[_, _, ref value @ ..], after)) => {
                    rest = after;
                    (kind, value)
                }
                None if !whole => return,
                _ => return odd(Oddity::InvalidLength),
            },
        };
        let duplicate = match (kind, value) {
            (WINDOW_SCALE, &[shift]) => set(&mut segment.window_scale, shift),
            (SEGMENT_SIZE, [_, _]) => core::mem::replace(&mut segment_size_seen, true),
            (SACK_PERMITTED, []) => core::mem::replace(&mut segment.sack_permitted, true),
            (TIMESTAMPS, &[v0, v1, v2, v3, e0, e1, e2, e3]) => {
                let both = (u32::from_be_bytes([v0, v1, v2, v3]), u32::from_be_bytes([e0, e1, e2, e3]));
                set(&mut segment.timestamps, both)
            }
            // Blocks of eight bytes, at most four; none is a habit of some stacks.
            (SACK, blocks) if blocks.len().is_multiple_of(8) && blocks.len() <= 32 => {
                core::mem::replace(&mut sack_seen, true)
            }
            (FAST_OPEN, cookie) if fast_open_len_ok(cookie.len()) => set(&mut segment.fast_open, fast_open(cookie)),
            (EXPERIMENT_1 | EXPERIMENT_2, value) if matches!(value.len(), 2 | 10) => match value.split_first_chunk() {
                Some((&FAST_OPEN_EXPERIMENT, cookie)) => set(&mut segment.fast_open, fast_open(cookie)),
                _ => false,
            },
            (MD5, value) if value.len() == 16 => false,
            (AUTHENTICATION, [_, _, ..]) => false,
            (MD5 | AUTHENTICATION, _) => {
                odd(Oddity::InvalidLength);
                false
            }
            (
                WINDOW_SCALE | SEGMENT_SIZE | SACK_PERMITTED | TIMESTAMPS | SACK | FAST_OPEN | EXPERIMENT_1
                | EXPERIMENT_2,
                _,
            ) => {
                odd(Oddity::Length);
                false
            }
            _ => false,
        };
        if duplicate {
            odd(Oddity::Duplicate);
        }
    }
}

/// Sets what is not set yet. Answers whether it was set before.
fn set<T>(slot: &mut Option<T>, value: T) -> bool {
    let before = slot.is_some();
    slot.get_or_insert(value);
    before
}

/// No cookie, or one of 4 to 16 bytes in pairs (RFC 7413 §4.1.1).
fn fast_open_len_ok(len: usize) -> bool {
    len == 0 || ((4..=16).contains(&len) && len.is_multiple_of(2))
}

fn fast_open(cookie: &[u8]) -> FastOpen {
    match u8::try_from(cookie.len()) {
        Ok(0) | Err(_) => FastOpen::Request,
        Ok(len) => FastOpen::Cookie(len),
    }
}
