//! The TCP session as an observer between the two ends sees it.
//!
//! A session opens with a SYN, or in its middle when that is allowed ([`open`]); each later segment is checked
//! ([`checks`]) and moves the state machine ([`state`]), with a short cut for what was expected ([`expected`]); [`reuse`]
//! decides whether a SYN starts another session on the same tuple. Nothing is reassembled: numbers are followed, payload is
//! not looked at.
//!
//! The behaviour is Suricata's, letter for letter, so that records agree: where it departs from RFC 9293 (a client's
//! FIN does not take a sequence number, TIME_WAIT counts as closed, a RST must hit the next expected number exactly) the
//! place says so. A segment that fails a check changes nothing but the collected flags.
//!
//! Windows are kept on the stream that they limit: the window field of a client's segment is the server stream's
//! `window`, scaled by the server stream's `scale`.

mod checks;
mod expected;
mod hole;
mod open;
mod reuse;
mod seq;
mod state;

use crate::config::Compat;
use flumen_model::{Direction, FlowState, TcpState};
use flumen_wire::{TcpFlags, TcpSegment};
use hole::Hole;
use seq::Seq;

/// What a session needs to know of the table's settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpPolicy {
    pub(crate) midstream: bool,
    pub(crate) async_oneside: bool,
    /// Bytes of a direction after which lost data is no longer looked for; 0 is no limit (`stream.reassembly.depth`).
    pub(crate) depth: u32,
    /// Whether packets are only counted once both directions have sent that many (`stream.bypass`).
    pub(crate) bypass: bool,
    /// Two things are Suricata's alone: a SYN on a session in TIME_WAIT starts no new one, since its numeric test leaves that
    /// state out; and a session that is met in its middle is laid out as if the client had sent the segment, whoever has, so
    /// that the numbers of what follows from a server do not fit.
    pub(crate) compat: Compat,
}

/// What one direction has shown.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Stream {
    /// Initial sequence number.
    isn: Seq,
    /// One past the highest number sent, as far as it was accepted.
    next_seq: Seq,
    /// Highest number the other end has acknowledged.
    last_ack: Seq,
    /// End of the window the other end allows.
    next_win: Seq,
    /// Last timestamp value sent (RFC 7323).
    last_ts: u32,
    /// Window the other end last announced, as it stands in the header.
    window: u16,
    /// What was received out of order.
    hole: Hole,
    /// Bits of [`StreamMarks`].
    marks: u8,
    /// TCP flags of all segments sent.
    tcp_flags: u8,
}

/// Bits in [`Stream::marks`]; the low four are the shift for the windows that limit the stream.
struct StreamMarks;

impl StreamMarks {
    const SCALE: u8 = 0x0f;
    /// The sender uses timestamps.
    const TIMESTAMP: u8 = 1 << 4;
    /// The handshake carried a timestamp of zero.
    const ZERO_TIMESTAMP: u8 = 1 << 5;
    /// A keep-alive was sent and not answered yet.
    const KEEP_ALIVE: u8 = 1 << 6;
    /// The sender's RST closed the session.
    const RST: u8 = 1 << 7;
}

/// A TCP session; [`TcpState::None`] means that there is none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct TcpSession {
    /// Client's and server's stream, by [`Direction::index`].
    streams: [Stream; 2],
    state: TcpState,
    /// State before the last change: a session that one end has reset goes on from here for the other end.
    before: TcpState,
    /// Bits of [`SessionMarks`].
    marks: u16,
}

/// Bits in [`TcpSession::marks`].
struct SessionMarks;

impl SessionMarks {
    /// Picked up in its middle.
    const MIDSTREAM: u16 = 1;
    /// Picked up at a SYN+ACK.
    const MIDSTREAM_SYNACK: u16 = 1 << 1;
    /// Only one side is seen.
    const ASYNC: u16 = 1 << 2;
    /// Timestamps are checked.
    const TIMESTAMP: u16 = 1 << 3;
    /// The client offered window scaling.
    const SCALE_OFFERED: u16 = 1 << 4;
    /// Both ends sent a SYN (four-way handshake).
    const FOUR_WAY: u16 = 1 << 5;
    /// The SYN carried data (RFC 7413).
    const FAST_OPEN: u16 = 1 << 6;
    /// The server ignored the data of the SYN.
    const FAST_OPEN_IGNORED: u16 = 1 << 7;
    /// Data was acknowledged that was not seen: the capture has lost packets, so checks are lenient.
    const LIBERAL: u16 = 1 << 8;
    /// The client has sent as many bytes as the depth; the next bit: the server. Kept, as the numbers wrap.
    const DEPTH_REACHED: u16 = 1 << 9;
    const BOTH_DEPTHS_REACHED: u16 = 3 << 9;
    /// For [`Noticed`]: what the segment at hand has shown. None of these is set between two segments.
    const NOTICED: u16 = Self::ACK_UNSEEN | Self::GAP | Self::DEPTH;
    const ACK_UNSEEN: u16 = 1 << 11;
    const GAP: u16 = 1 << 12;
    const DEPTH: u16 = 1 << 13;
}

/// What a segment did beyond its session.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[must_use]
pub(crate) struct Outcome {
    /// The flow moves to this state.
    pub(crate) flow_state: Option<FlowState>,
    /// The segment met no session and could not open one: the midstream policy applies to it.
    pub(crate) midstream_policy: bool,
    /// A session was opened.
    pub(crate) opened: bool,
    /// It was opened in its middle.
    pub(crate) midstream: bool,
    /// It was opened by the server's SYN+ACK: who is client and who is server must be swapped.
    pub(crate) reversed: bool,
    /// What else it has shown of the session.
    pub(crate) noticed: Noticed,
}

/// What a segment has shown of its session that is counted. Most segments show nothing.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Noticed(u16);

impl Noticed {
    pub(crate) const fn is_nothing(self) -> bool {
        self.0 == 0
    }
    /// It acknowledges data that was not seen (yet).
    pub(crate) const fn ack_unseen_data(self) -> bool {
        self.0 & SessionMarks::ACK_UNSEEN != 0
    }
    /// It acknowledges data beyond a hole: what is in the hole was lost by the capture.
    pub(crate) const fn gap(self) -> bool {
        self.0 & SessionMarks::GAP != 0
    }
    /// With it its sender has sent as many bytes as the depth.
    pub(crate) const fn depth_reached(self) -> bool {
        self.0 & SessionMarks::DEPTH != 0
    }
}

/// A segment together with its way and what has been derived from it.
#[derive(Clone, Copy, Debug)]
struct Segment {
    dir: Direction,
    seq: Seq,
    ack: Seq,
    window: u16,
    payload: u32,
    flags: TcpFlags,
}

impl Segment {
    fn of(tcp: &TcpSegment, dir: Direction) -> Self {
        Self {
            dir,
            seq: Seq(tcp.seq),
            ack: Seq(tcp.ack),
            window: tcp.window,
            payload: u32::from(tcp.payload_len),
            flags: tcp.flags,
        }
    }
    /// One past the last byte of payload. SYN and FIN are not counted.
    const fn end(&self) -> Seq {
        self.seq.plus(self.payload)
    }
    const fn has(&self, flags: u8) -> bool {
        self.flags.has(flags)
    }
    const fn any(&self, flags: u8) -> bool {
        self.flags.any(flags)
    }
}

impl TcpSession {
    /// State of the session; [`TcpState::None`] when there is none.
    pub(crate) const fn state(&self) -> TcpState {
        self.state
    }
    /// All flags sent to the server and to the client since the session opened.
    pub(crate) const fn tcp_flags(&self) -> [u8; 2] {
        [self.streams[0].tcp_flags, self.streams[1].tcp_flags]
    }

    /// Whether the capture has lost packets of the session, so that it was followed leniently.
    pub(crate) const fn is_liberal(&self) -> bool {
        self.has(SessionMarks::LIBERAL)
    }

    /// Whether the session was met in its middle.
    pub(crate) const fn is_midstream(&self) -> bool {
        self.has(SessionMarks::MIDSTREAM)
    }
    /// Client and server have turned out to be the other way round.
    pub(crate) const fn reverse(&mut self) {
        self.streams.swap(0, 1);
        let depths = self.marks & SessionMarks::BOTH_DEPTHS_REACHED;
        let turned = (depths << 1 | depths >> 1) & SessionMarks::BOTH_DEPTHS_REACHED;
        self.marks = self.marks & !SessionMarks::BOTH_DEPTHS_REACHED | turned;
    }

    /// Takes a segment. `seconds_idle` is how long the flow had been silent before it.
    #[inline(always)]
    pub(crate) fn segment(
        &mut self,
        tcp: &TcpSegment,
        dir: Direction,
        seconds_idle: u64,
        policy: TcpPolicy,
    ) -> Outcome {
        if self.state == TcpState::None {
            return self.open(tcp, dir, policy);
        }
        self.streams[dir.index()].tcp_flags |= tcp.flags.0;
        if self.has(SessionMarks::ASYNC) && self.streams.iter().all(|s| s.tcp_flags != 0) {
            self.marks &= !SessionMarks::ASYNC;
        }
        let segment = Segment::of(tcp, dir);
        if self.is_noise(&segment) {
            return Outcome::default();
        }
        let old = self.state;
        self.advance(tcp, &segment, seconds_idle, policy);
        if segment.payload > 0 {
            self.note_depth(dir, policy.depth);
        }
        let flow_state = if policy.bypass && self.is_done() {
            Some(FlowState::LocalBypassed)
        } else if self.state == old {
            None
        } else {
            flow_state_of(self.state)
        };
        Outcome { flow_state, noticed: self.take_noticed(), ..Outcome::default() }
    }

    fn take_noticed(&mut self) -> Noticed {
        let noticed = Noticed(self.marks & SessionMarks::NOTICED);
        self.marks &= !SessionMarks::NOTICED;
        noticed
    }

    /// Notes when a direction of an established session has sent `depth` bytes, of which 0 is no limit.
    fn note_depth(&mut self, dir: Direction, depth: u32) {
        let reached = SessionMarks::DEPTH_REACHED << dir.index();
        let stream = self.sender(dir);
        // The SYN has the first number.
        let sent = stream.next_seq.0.wrapping_sub(stream.isn.0).saturating_sub(1);
        if sent >= depth && depth != 0 && self.state >= TcpState::Established && !self.has(reached) {
            self.marks |= reached | SessionMarks::DEPTH;
        }
    }

    /// Whether the session is established and both directions have sent as many bytes as the depth.
    fn is_done(&self) -> bool {
        self.state == TcpState::Established
            && self.marks & SessionMarks::BOTH_DEPTHS_REACHED == SessionMarks::BOTH_DEPTHS_REACHED
    }

    const fn has(&self, mark: u16) -> bool {
        self.marks & mark != 0
    }
    /// Stream of the sender, and of the receiver.
    fn pair(&mut self, dir: Direction) -> (&mut Stream, &mut Stream) {
        let [client, server] = &mut self.streams;
        match dir {
            Direction::ToServer => (client, server),
            Direction::ToClient => (server, client),
        }
    }
    const fn sender(&self, dir: Direction) -> &Stream {
        &self.streams[dir.index()]
    }
    const fn receiver(&self, dir: Direction) -> &Stream {
        &self.streams[dir.opposite().index()]
    }
    fn enter(&mut self, state: TcpState) {
        if self.state != state {
            self.before = self.state;
            self.state = state;
        }
    }
}

/// State of a flow whose session has just come to `state`; `None` when the flow stays as it is.
const fn flow_state_of(state: TcpState) -> Option<FlowState> {
    match state {
        TcpState::None | TcpState::SynSent | TcpState::SynRecv => None,
        TcpState::Established | TcpState::FinWait1 | TcpState::FinWait2 | TcpState::Closing | TcpState::CloseWait => {
            Some(FlowState::Established)
        }
        TcpState::LastAck | TcpState::TimeWait | TcpState::Closed => Some(FlowState::Closed),
    }
}

const _: () = assert!(size_of::<TcpSession>() == 60, "the session fits a cache line together with its tag");
