//! SCTP (RFC 9260): ports, and a walk over the chunks.

use crate::context::{Context, Ip};
use crate::decoder::Step;
use crate::view::{View, be16};
use crate::{Event, Ports, Transport};

pub(crate) const PROTOCOL: u8 = 132;
const HEADER_LEN: usize = 12;
const CHUNK_HEADER_LEN: usize = 4;

const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;

/// More chunks than this in a packet raise an event; those past the limit are still checked.
const CHUNKS_MAX: u32 = 16;
/// More DATA chunks than this in a packet raise an event.
const DATA_CHUNKS_MAX: u32 = 16;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    cx.counters.layers.sctp += 1;
    let Some(&[s_hi, s_lo, d_hi, d_lo, v0, v1, v2, v3, ..]) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::SctpPktTooSmall);
    };
    let tag = u32::from_be_bytes([v0, v1, v2, v3]);
    let chunks = match walk(cx, tag, view.skip(HEADER_LEN)) {
        Ok(chunks) => chunks,
        Err(event) => return cx.invalid(event),
    };
    let sctp = &mut cx.counters.sctp;
    sctp.init += u64::from(chunks.init);
    sctp.init_ack += u64::from(chunks.init_ack);
    sctp.data += u64::from(chunks.data > 0);
    sctp.abort += u64::from(chunks.abort);
    sctp.shutdown += u64::from(chunks.shutdown);
    let ports = Ports { src: be16(s_hi, s_lo), dst: be16(d_hi, d_lo) };
    cx.flow(ip, Transport::Sctp(ports), view)
}

/// What chunks a packet holds.
#[derive(Default)]
struct Chunks {
    count: u32,
    data: u32,
    init: bool,
    init_ack: bool,
    abort: bool,
    shutdown: bool,
}

/// Walks the chunks. Each has four bytes at least, so there are at most a quarter of the packet's bytes of them.
fn walk(cx: &mut Context<'_>, tag: u32, mut rest: View<'_>) -> Result<Chunks, Event> {
    let mut chunks = Chunks::default();
    while rest.len() > 0 {
        if rest.len() < CHUNK_HEADER_LEN {
            return Err(Event::SctpChunkTooSmall);
        }
        // Cut by the capture: what came before counts.
        let Some(&[kind, _, len_hi, len_lo]) = rest.header::<CHUNK_HEADER_LEN>() else { break };
        let len = usize::from(be16(len_hi, len_lo));
        if len < CHUNK_HEADER_LEN || len > rest.len() {
            return Err(Event::SctpChunkLenInvalid);
        }
        chunks.count += 1;
        match kind {
            INIT => {
                chunks.init = true;
                // RFC 9260 §8.5.1.
                if tag != 0 {
                    cx.note(Event::SctpInitWithNonZeroVtag);
                }
            }
            DATA => {
                chunks.data += 1;
                if tag == 0 {
                    cx.note(Event::SctpDataWithZeroVtag);
                }
            }
            INIT_ACK => chunks.init_ack = true,
            ABORT => chunks.abort = true,
            // Suricata looks for it among the chunks it keeps, which are the first.
            SHUTDOWN if chunks.count <= CHUNKS_MAX => chunks.shutdown = true,
            _ => {}
        }
        rest = rest.skip(len.next_multiple_of(4));
    }
    if chunks.count > CHUNKS_MAX {
        cx.note(Event::SctpTooManyChunks);
    }
    if chunks.data > DATA_CHUNKS_MAX {
        cx.note(Event::SctpTooManyDataChunks);
    }
    // RFC 9260 §6.10: INIT and INIT ACK come alone.
    if (chunks.init || chunks.init_ack) && chunks.count > 1 {
        cx.note(Event::SctpInitChunkBundled);
    }
    Ok(chunks)
}
