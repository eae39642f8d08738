//! The decoder: walks a packet from its first header to the transport.
//!
//! Each protocol is one function that looks at one header and answers with a [`Step`]: go on with another header, or
//! done. One loop calls them; there is no recursion, so depth is bounded by the frame and by
//! [`DecodeOptions::max_layers`], not by the stack. A packet inside of a packet is only named ([`Inner`]) by what is
//! around it, and walked when the caller asks for it.

use crate::context::{Context, Raised, Start};
use crate::fast::{Take, Tunnels, Write};
use crate::udp_tunnel::TunnelFilter;
use crate::view::View;
use crate::{
    Aside, DecodeCounters, DecodeOptions, Decoded, Event, FlowPacket, Fragment, Inner, IpVersion, LinkType, NonFlow,
    Transport, arp, chdlc, erspan, ethernet, ethertype, fast, fast_fragment, ipv4, ipv6, mpls, null, ppp, raw, sll,
    udp, udp_tunnel,
};

/// Decodes frames and counts what it saw. One for each worker.
#[derive(Clone, Debug)]
pub struct Decoder {
    options: DecodeOptions,
    filter: TunnelFilter,
    /// What was seen so far.
    pub counters: DecodeCounters,
    /// Events of the last packet that raised any, until they are taken.
    raised: Raised,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(DecodeOptions::default())
    }
}

impl Decoder {
    /// A decoder with all counters at zero.
    #[must_use]
    pub fn new(options: DecodeOptions) -> Self {
        Self { options, filter: TunnelFilter::new(&options), counters: DecodeCounters::default(), raised: Raised::NONE }
    }

    /// How it decodes.
    #[must_use]
    pub const fn options(&self) -> DecodeOptions {
        self.options
    }

    /// Events of the packet that was decoded last, for who asks after each: later ones take their place, and a packet without
    /// events leaves them.
    pub fn take_raised(&mut self) -> impl Iterator<Item = Event> + use<> {
        core::mem::replace(&mut self.raised, Raised::NONE).events()
    }

    /// Decodes one frame of which `data` was captured and `wire_len` bytes were on the wire.
    ///
    /// With `wire_len` at most `data.len()` every length is judged strictly, as Suricata does. With a larger one the
    /// capture cut the frame: lengths are judged by the wire, and options that were cut are left out without an event.
    #[inline]
    pub fn decode(&mut self, link: LinkType, data: &[u8], wire_len: u32) -> Decoded {
        let mut packet = FlowPacket::EMPTY;
        let outcome = self.decode_into(link, data, wire_len, &mut packet);
        decoded(outcome, packet)
    }

    /// The same, into a place of the caller's: a packet is too large to be moved from hand to hand.
    ///
    /// # Errors
    /// What the frame is when it does not belong to a flow by itself; `packet` may then hold anything.
    #[inline(always)]
    pub fn decode_into(
        &mut self,
        link: LinkType,
        data: &[u8],
        wire_len: u32,
        packet: &mut FlowPacket,
    ) -> Result<(), Aside> {
        match self.decode_straight(link, data, wire_len, Write(packet)) {
            Some(_) => Ok(()),
            None => self.decode_otherwise(link, data, wire_len, packet),
        }
    }

    /// Decodes the frame if it is of the common kind: Ethernet, IPv4 or IPv6 without anything special, TCP or UDP that is no
    /// tunnel. Such a packet raises no event and has none inside. Else nothing is touched, and the frame is for
    /// [`decode_otherwise`](Self::decode_otherwise); together they do what [`decode_into`](Self::decode_into) does.
    ///
    /// For a caller that needs a few fields of the packet and is done with it in `take`: see [`Take`].
    #[inline(always)]
    pub fn decode_straight<T: Take>(
        &mut self,
        link: LinkType,
        data: &[u8],
        wire_len: u32,
        take: T,
    ) -> Option<T::Taken> {
        let taken = self.straight(Tunnels::Leave, link, data, wire_len, take)?;
        self.count_frame(data);
        Some(taken)
    }

    #[inline(always)]
    fn straight<T: Take>(
        &mut self,
        tunnels: Tunnels,
        link: LinkType,
        data: &[u8],
        wire_len: u32,
        take: T,
    ) -> Option<T::Taken> {
        if link != LinkType::Ethernet || self.options.max_layers <= fast::LAYERS {
            return None;
        }
        fast::decode(&mut self.counters.layers, &self.filter, tunnels, data, wire_len, take)
    }

    #[inline(always)]
    fn count_frame(&mut self, data: &[u8]) {
        let layers = &mut self.counters.layers;
        let captured_len = data.len() as u64;
        layers.pkts += 1;
        layers.bytes += captured_len;
        layers.max_pkt_size = layers.max_pkt_size.max(captured_len);
    }

    /// Decodes the frame if it is a fragment of the common kind: Ethernet, nothing special in its IP header. Such a fragment
    /// raises no event. Else nothing is touched, and the frame is for [`decode_otherwise`](Self::decode_otherwise), which would
    /// do the same with it, more slowly.
    #[inline]
    pub fn decode_fragment(&mut self, link: LinkType, data: &[u8], wire_len: u32) -> Option<Fragment> {
        if link != LinkType::Ethernet || self.options.max_layers <= fast::LAYERS {
            return None;
        }
        let fragment = fast_fragment::decode(&mut self.counters, data, wire_len);
        if fragment.is_some() {
            self.count_frame(data);
        }
        fragment
    }

    /// Decodes a frame of which [`decode_straight`](Self::decode_straight) has made nothing.
    ///
    /// # Errors
    /// As [`decode_into`](Self::decode_into).
    #[inline(never)]
    pub fn decode_otherwise(
        &mut self,
        link: LinkType,
        data: &[u8],
        wire_len: u32,
        packet: &mut FlowPacket,
    ) -> Result<(), Aside> {
        self.count_frame(data);
        if let Some(is_tunnel) = self.straight(Tunnels::Take, link, data, wire_len, Write(packet)) {
            if is_tunnel {
                let invalid = self.look_inside(Start::FRAME, View::new(data, wire_len), packet);
                self.counters.layers.invalid += u64::from(invalid);
            }
            return Ok(());
        }
        let mut outcome = Ok(());
        self.decode_slow(link, View::new(data, wire_len), packet, &mut outcome);
        outcome
    }

    /// What is inside of the UDP datagram of `packet`, which the fast path found in `view`. Answers whether it makes the
    /// packet invalid.
    #[inline(never)]
    fn look_inside(&mut self, around: Start, view: View<'_>, packet: &mut FlowPacket) -> bool {
        let Transport::Udp(ports) = packet.transport else { return false };
        let headers = u8::from(packet.macs.is_some()) + packet.vlan.count + 1;
        let start = Start { layers: around.layers.saturating_add(headers), ..around };
        let payload = udp::payload(view.skip(packet.transport_offset as usize));
        let mut outcome = Ok(());
        let mut cx = Context::new(&mut self.counters, &self.options, start, packet, &mut outcome);
        let inner = udp_tunnel::inside(&mut cx, ports, payload);
        let event = cx.first_event();
        let invalid = cx.end(&mut self.raised);
        (packet.inner, packet.event) = (inner, event);
        invalid
    }

    /// The walk through a frame. What does not belong to a flow goes into `outcome`, which is as large as a packet.
    #[inline(never)]
    fn decode_slow(
        &mut self,
        link: LinkType,
        view: View<'_>,
        packet: &mut FlowPacket,
        outcome: &mut Result<(), Aside>,
    ) {
        let first = match link {
            LinkType::Ethernet => Layer::Ethernet,
            LinkType::Null => Layer::Null,
            LinkType::Raw | LinkType::Ipv4 | LinkType::Ipv6 | LinkType::GreOverIp => Layer::Raw,
            LinkType::Ppp => Layer::Ppp,
            LinkType::Chdlc => Layer::Chdlc,
            LinkType::Sll => Layer::Sll,
            LinkType::Sll2 => Layer::Sll2,
            LinkType::Unsupported => {
                *outcome = Err(Aside::NonFlow(NonFlow::UnsupportedLink));
                return;
            }
        };
        let mut cx = Context::new(&mut self.counters, &self.options, Start::FRAME, packet, outcome);
        walk(&mut cx, first, view);
        let invalid = cx.end(&mut self.raised);
        self.counters.layers.invalid += u64::from(invalid);
    }

    /// Decodes the packet inside of another one. `data` and `wire_len` are those of the frame, or of the datagram, that
    /// the outside was decoded from, and the offsets in the answer are those of that frame. With other bytes the answer is
    /// one about other bytes, no more.
    ///
    /// Headers, tunnels and events are counted; frames and invalid frames are not, since those are what was captured. A
    /// packet that shows not to be one is not counted but for its headers: what was taken for Teredo and has an error in
    /// it, and, without [`DecodeOptions::beyond_suricata`], every one whose first header is bad.
    ///
    /// # Errors
    /// What the packet is when it does not belong to a flow by itself; `packet` may then hold anything.
    #[inline]
    pub fn decode_inner(
        &mut self,
        inner: &Inner,
        data: &[u8],
        wire_len: u32,
        packet: &mut FlowPacket,
    ) -> Result<(), Aside> {
        let view = View::new(data, wire_len).skip(inner.offset as usize).limit(inner.len as usize);
        if self.decode_inner_fast(inner, view, packet).is_some() {
            return Ok(());
        }
        let mut outcome = Ok(());
        self.decode_inner_slow(inner, view, packet, &mut outcome);
        outcome
    }

    #[inline(never)]
    fn decode_inner_fast(&mut self, inner: &Inner, view: View<'_>, packet: &mut FlowPacket) -> Option<()> {
        // What is only guessed to be a packet may have to be taken back.
        if inner.layers.saturating_add(fast::LAYERS) >= self.options.max_layers || inner.kind.is_a_guess() {
            return None;
        }
        let layers = &mut self.counters.layers;
        let wire_len = u32::try_from(view.len()).ok()?;
        let (take, tunnels) = (Write(packet), Tunnels::Take);
        let is_tunnel = match inner.kind.first() {
            Layer::Ethernet => fast::decode(layers, &self.filter, tunnels, view.data(), wire_len, take)?,
            Layer::Ipv4 => fast::decode_v4(layers, &self.filter, tunnels, view.data(), wire_len, take)?,
            Layer::Ipv6 => fast::decode_v6(layers, &self.filter, tunnels, view.data(), wire_len, take)?,
            _ => return None,
        };
        if is_tunnel {
            self.look_inside(Start::inner(inner), view, packet);
        }
        packet.transport_offset += inner.offset;
        (packet.recursion, packet.tunnel) = (inner.recursion, inner.tunnel);
        if let Some(counter) = inner.kind.counter(&mut self.counters) {
            *counter += 1;
        }
        Some(())
    }

    #[inline(never)]
    fn decode_inner_slow(
        &mut self,
        inner: &Inner,
        view: View<'_>,
        packet: &mut FlowPacket,
        outcome: &mut Result<(), Aside>,
    ) {
        let mut cx = Context::new(&mut self.counters, &self.options, Start::inner(inner), packet, outcome);
        walk(&mut cx, inner.kind.first(), view);
        let refuted = match cx.reason() {
            _ if cx.is_invalid() && inner.kind.is_a_guess() => cx.first_event(),
            Some(event) if inner.kind.is_refuted_by(event) => Some(event),
            _ => None,
        };
        match refuted {
            None => {
                if let Some(counter) = inner.kind.counter(cx.counters) {
                    *counter += 1;
                }
                cx.end(&mut self.raised);
            }
            Some(_) if self.options.beyond_suricata && !inner.kind.is_a_guess() => {
                cx.end(&mut self.raised);
            }
            Some(event) => {
                cx.take_back_events();
                *outcome = Err(Aside::NonFlow(NonFlow::Invalid(event)));
            }
        }
    }

    /// Decodes a datagram that was put together from fragments, of which `fragment` was one. `data` is all of it and begins
    /// with its IP header, from which everything that spoke of fragments is gone: the offsets in the answer are those of
    /// `data`. VLAN ids, MAC addresses and tunnels are those of `fragment`.
    ///
    /// Its headers count, the IP header again, as in Suricata.
    ///
    /// # Errors
    /// What the datagram is when it does not belong to a flow by itself; `packet` may then hold anything.
    pub fn decode_datagram(&mut self, fragment: &Fragment, data: &[u8], packet: &mut FlowPacket) -> Result<(), Aside> {
        let first = match fragment.ip_version {
            IpVersion::V4 => Layer::Ipv4,
            IpVersion::V6 => Layer::Ipv6,
        };
        let mut outcome = Ok(());
        let mut cx = Context::new(&mut self.counters, &self.options, Start::datagram(fragment), packet, &mut outcome);
        walk(&mut cx, first, View::new(data, 0));
        cx.end(&mut self.raised);
        outcome
    }
}

#[inline]
fn decoded(outcome: Result<(), Aside>, packet: FlowPacket) -> Decoded {
    match outcome {
        Ok(()) => Decoded::Flow(packet),
        Err(Aside::Tunnel(inner)) => Decoded::Tunnel(inner),
        Err(Aside::Fragment(fragment)) => Decoded::Fragment(fragment),
        Err(Aside::NonFlow(reason)) => Decoded::NonFlow(reason),
    }
}

/// A header to look at next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layer {
    Ethernet,
    Null,
    Raw,
    Ppp,
    Chdlc,
    Sll,
    Sll2,
    /// What an Ethernet type announces, and the header that announced it.
    Ethertype(u16, ethertype::Carrier),
    Arp,
    Mpls,
    Ipv4,
    Ipv6,
    Erspan1,
    Erspan,
}

/// What a protocol makes of its header.
#[must_use]
pub(crate) enum Step<'a> {
    /// Another header follows.
    Next(Layer, View<'a>),
    /// This was the last; the [`Context`] has been told what becomes of the packet.
    Done,
}

fn walk(cx: &mut Context<'_>, first: Layer, view: View<'_>) {
    let (mut layer, mut view) = (first, view);
    // Every turn but the two of an Ethernet type and its header consumes bytes, so the walk ends.
    loop {
        // Each of the common headers has its own way round the loop: a step that all share goes through memory.
        match layer {
            Layer::Ethernet => match ethernet::decode(cx, view) {
                Step::Next(next, rest) => (layer, view) = (next, rest),
                Step::Done => return,
            },
            Layer::Ipv4 => match ipv4::decode(cx, view) {
                Step::Next(next, rest) => (layer, view) = (next, rest),
                Step::Done => return,
            },
            Layer::Ipv6 => match ipv6::decode(cx, view) {
                Step::Next(next, rest) => (layer, view) = (next, rest),
                Step::Done => return,
            },
            Layer::Ethertype(ethertype::IPV4, _) => layer = Layer::Ipv4,
            Layer::Ethertype(ethertype::IPV6, _) => layer = Layer::Ipv6,
            _ => match step(cx, layer, view) {
                Step::Next(next, rest) => (layer, view) = (next, rest),
                Step::Done => return,
            },
        }
    }
}

#[inline(never)]
fn step<'a>(cx: &mut Context<'_>, layer: Layer, view: View<'a>) -> Step<'a> {
    match layer {
        Layer::Ethernet => ethernet::decode(cx, view),
        Layer::Null => null::decode(cx, view),
        Layer::Raw => raw::decode(cx, view),
        Layer::Ppp => ppp::decode(cx, view),
        Layer::Chdlc => chdlc::decode(cx, view),
        Layer::Sll => sll::decode(cx, view),
        Layer::Sll2 => sll::decode_v2(cx, view),
        Layer::Ethertype(kind, carrier) => ethertype::decode(cx, kind, carrier, view),
        Layer::Arp => arp::decode(cx, view),
        Layer::Mpls => mpls::decode(cx, view),
        Layer::Ipv4 => ipv4::decode(cx, view),
        Layer::Ipv6 => ipv6::decode(cx, view),
        Layer::Erspan1 => erspan::decode_1(cx, view),
        Layer::Erspan => erspan::decode(cx, view),
    }
}

#[cfg(test)]
#[path = "../tests/frames/mod.rs"]
mod frames;

#[cfg(test)]
mod tests;
