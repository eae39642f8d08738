//! The decoder: walks a frame from its first header to the transport.
//!
//! Each protocol is one function that looks at one header and answers with a [`Step`]: go on with another header, or
//! done. The loop in [`Decoder::decode`] calls them; there is no recursion, so depth is bounded by the frame and by
//! [`DecodeOptions::max_layers`], not by the stack.

use crate::view::View;
use crate::{
    Address, Aside, DecodeCounters, Decoded, Event, FlowPacket, Fragment, Inner, IpVersion, LinkType, Macs, NonFlow,
    Transport, Tunnel, VlanTags, arp, chdlc, ethernet, ethertype, fast, ipv4, ipv6, mpls, null, ppp, raw, sll,
};

/// How to decode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeOptions {
    /// A packet with this many headers is given up (`decoder.max-layers`).
    pub max_layers: u8,
    /// Whether an IP packet of a protocol that is not decoded belongs to a flow ([`Transport::Other`]) or, as in
    /// Suricata, to none ([`NonFlow::UnknownProtocol`]). IGMP belongs to none in either case.
    pub flow_for_every_protocol: bool,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { max_layers: 16, flow_for_every_protocol: true }
    }
}

/// Decodes frames and counts what it saw. One for each worker.
#[derive(Clone, Default, Debug)]
pub struct Decoder {
    options: DecodeOptions,
    /// What was seen so far.
    pub counters: DecodeCounters,
}

impl Decoder {
    /// A decoder with all counters at zero.
    #[must_use]
    pub fn new(options: DecodeOptions) -> Self {
        Self { options, counters: DecodeCounters::default() }
    }

    /// How it decodes.
    #[must_use]
    pub const fn options(&self) -> DecodeOptions {
        self.options
    }

    /// Decodes one frame of which `data` was captured and `wire_len` bytes were on the wire.
    ///
    /// With `wire_len` at most `data.len()` every length is judged strictly, as Suricata does. With a larger one the
    /// capture cut the frame: lengths are judged by the wire, and options that were cut are left out without an event.
    #[inline]
    pub fn decode(&mut self, link: LinkType, data: &[u8], wire_len: u32) -> Decoded {
        let mut packet = FlowPacket::EMPTY;
        match self.decode_into(link, data, wire_len, &mut packet) {
            Ok(()) => Decoded::Flow(packet),
            Err(Aside::Fragment(fragment)) => Decoded::Fragment(fragment),
            Err(Aside::NonFlow(reason)) => Decoded::NonFlow(reason),
        }
    }

    /// The same, into a place of the caller's: a packet is too large to be moved from hand to hand.
    ///
    /// # Errors
    /// What the frame is when it does not belong to a flow by itself; `packet` may then hold anything.
    #[inline]
    pub fn decode_into(
        &mut self,
        link: LinkType,
        data: &[u8],
        wire_len: u32,
        packet: &mut FlowPacket,
    ) -> Result<(), Aside> {
        let layers = &mut self.counters.layers;
        let captured_len = data.len() as u64;
        layers.pkts += 1;
        layers.bytes += captured_len;
        layers.max_pkt_size = layers.max_pkt_size.max(captured_len);
        if link == LinkType::Ethernet
            && self.options.max_layers > fast::LAYERS
            && fast::decode(layers, data, wire_len, packet).is_some()
        {
            return Ok(());
        }
        match self.decode_slow(link, View::new(data, wire_len)) {
            Decoded::Flow(flow) => *packet = flow,
            Decoded::Fragment(fragment) => return Err(Aside::Fragment(fragment)),
            Decoded::NonFlow(reason) => return Err(Aside::NonFlow(reason)),
        }
        Ok(())
    }

    #[inline(never)]
    fn decode_slow(&mut self, link: LinkType, view: View<'_>) -> Decoded {
        let first = match link {
            LinkType::Ethernet => Layer::Ethernet,
            LinkType::Null => Layer::Null,
            LinkType::Raw | LinkType::Ipv4 | LinkType::Ipv6 | LinkType::GreOverIp => Layer::Raw,
            LinkType::Ppp => Layer::Ppp,
            LinkType::Chdlc => Layer::Chdlc,
            LinkType::Sll => Layer::Sll,
            LinkType::Sll2 => Layer::Sll2,
            LinkType::Unsupported => return Decoded::NonFlow(NonFlow::UnsupportedLink),
        };
        let mut decoded = Decoded::NonFlow(NonFlow::UnsupportedLink);
        let mut cx = Context::new(&mut self.counters, self.options, &mut decoded);
        cx.walk(first, view);
        let invalid = cx.invalid;
        self.counters.layers.invalid += u64::from(invalid);
        decoded
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
}

/// What a protocol makes of its header.
#[must_use]
pub(crate) enum Step<'a> {
    /// Another header follows.
    Next(Layer, View<'a>),
    /// This was the last; the [`Context`] has been told what becomes of the frame.
    Done,
}

/// What the walk through one frame has gathered.
pub(crate) struct Context<'c> {
    pub(crate) counters: &'c mut DecodeCounters,
    pub(crate) options: DecodeOptions,
    pub(crate) vlan: VlanTags,
    pub(crate) macs: Option<Macs>,
    /// The IPv4 header comes out of uncompressed Van Jacobson PPP (RFC 1144): its protocol field is not one.
    pub(crate) vj_uncompressed: bool,
    /// What becomes of the frame. Written once, in place: it is too large to hand from function to function.
    decoded: &'c mut Decoded,
    first_event: Option<Event>,
    raised: u8,
    layers: u8,
    invalid: bool,
}

impl<'c> Context<'c> {
    fn new(counters: &'c mut DecodeCounters, options: DecodeOptions, decoded: &'c mut Decoded) -> Self {
        Self {
            counters,
            options,
            vlan: VlanTags::default(),
            macs: None,
            vj_uncompressed: false,
            decoded,
            first_event: None,
            raised: 0,
            layers: 0,
            invalid: false,
        }
    }

    fn walk(&mut self, first: Layer, view: View<'_>) {
        let (mut layer, mut view) = (first, view);
        // Every turn but the two of an Ethernet type and its header consumes bytes, so the walk ends.
        loop {
            let step = match layer {
                Layer::Ethernet => ethernet::decode(self, view),
                Layer::Null => null::decode(self, view),
                Layer::Raw => raw::decode(self, view),
                Layer::Ppp => ppp::decode(self, view),
                Layer::Chdlc => chdlc::decode(self, view),
                Layer::Sll => sll::decode(self, view),
                Layer::Sll2 => sll::decode_v2(self, view),
                Layer::Ethertype(kind, carrier) => ethertype::decode(self, kind, carrier, view),
                Layer::Arp => arp::decode(self, view),
                Layer::Mpls => mpls::decode(self, view),
                Layer::Ipv4 => ipv4::decode(self, view),
                Layer::Ipv6 => ipv6::decode(self, view),
            };
            match step {
                Step::Next(next, rest) => (layer, view) = (next, rest),
                Step::Done => return,
            }
        }
    }

    /// Counts one more header.
    ///
    /// # Errors
    /// The reason for the end of the walk, when there are too many.
    pub(crate) fn enter(&mut self) -> Result<(), NonFlow> {
        self.layers = self.layers.saturating_add(1);
        if self.layers < self.options.max_layers {
            return Ok(());
        }
        self.fault(Event::TooManyLayers);
        Err(NonFlow::Invalid(Event::TooManyLayers))
    }

    /// Whether something in the packet makes it invalid, though it may be usable.
    pub(crate) const fn is_invalid(&self) -> bool {
        self.invalid
    }

    /// How many headers were counted so far.
    pub(crate) const fn layers(&self) -> u8 {
        self.layers
    }

    /// Raises an event; the packet is usable and not invalid.
    pub(crate) fn note(&mut self, event: Event) {
        if self.raised < EVENTS_PER_PACKET_MAX {
            self.raised += 1;
            self.counters.count(event);
        }
        self.first_event.get_or_insert(event);
    }

    /// Raises an event; the packet is usable but counts as invalid.
    pub(crate) fn fault(&mut self, event: Event) {
        self.invalid = true;
        self.note(event);
    }

    /// Raises an event that ends the walk; the packet counts as invalid.
    pub(crate) fn invalid<'a>(&mut self, event: Event) -> Step<'a> {
        self.fault(event);
        self.non_flow(NonFlow::Invalid(event))
    }

    /// Raises an event that ends the walk; the packet does not count as invalid, for want of an error in it.
    pub(crate) fn refuse<'a>(&mut self, event: Event) -> Step<'a> {
        self.note(event);
        self.non_flow(NonFlow::Invalid(event))
    }

    /// The frame belongs to no flow.
    pub(crate) fn non_flow<'a>(&mut self, reason: NonFlow) -> Step<'a> {
        *self.decoded = Decoded::NonFlow(reason);
        Step::Done
    }

    /// The frame is one fragment of a datagram.
    pub(crate) fn fragment<'a>(&mut self, fragment: Fragment) -> Step<'a> {
        let counted = &mut self.counters.fragments;
        *match fragment.ip_version {
            IpVersion::V4 => &mut counted.ipv4,
            IpVersion::V6 => &mut counted.ipv6,
        } += 1;
        *self.decoded = Decoded::Fragment(fragment);
        Step::Done
    }

    /// The packet belongs to a flow. `view` begins with the transport header and ends with the datagram.
    pub(crate) fn flow<'a>(&mut self, ip: &Ip, transport: Transport, view: View<'_>) -> Step<'a> {
        self.flow_around(ip, transport, view, None)
    }

    /// The same, of a packet with another inside.
    pub(crate) fn flow_around<'a>(
        &mut self,
        ip: &Ip,
        transport: Transport,
        view: View<'_>,
        inner: Option<Inner>,
    ) -> Step<'a> {
        *self.decoded = Decoded::Flow(FlowPacket {
            src: ip.src,
            dst: ip.dst,
            vlan: self.vlan,
            ip_version: ip.version,
            protocol: ip.protocol,
            ttl: ip.ttl,
            recursion: 0,
            tunnel: Tunnel::NONE,
            transport,
            transport_offset: view.offset(),
            transport_len: u32::try_from(view.len()).unwrap_or(u32::MAX),
            macs: self.macs,
            event: self.first_event,
            inner,
        });
        Step::Done
    }
}

/// What a transport needs to know of the IP header before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ip {
    pub(crate) version: IpVersion,
    pub(crate) src: Address,
    pub(crate) dst: Address,
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
}

/// Events of one packet that are counted; what comes after is not. The limit is Suricata's, for equal counters.
const EVENTS_PER_PACKET_MAX: u8 = 15;

#[cfg(test)]
#[path = "../tests/frames/mod.rs"]
mod frames;

#[cfg(test)]
mod tests {
    use super::frames::{Random, mutate, samples};
    use super::*;
    use crate::LayerCounters;

    /// Law of the fast path: whatever it answers, the walk would have answered, and counted, the same.
    #[test]
    fn the_fast_path_and_the_walk_agree_on_every_frame() {
        let seed = 0x6661_7374;
        std::println!("seed {seed:#x}");
        let (mut random, samples) = (Random(seed), samples());
        let (mut with, mut without) = (Decoder::default(), Decoder::default());
        let mut fast = 0;
        for round in 0..300_000 {
            let (_, link, frame) = &samples[random.below(samples.len())];
            if *link != LinkType::Ethernet {
                continue;
            }
            let mut frame = frame.clone();
            if round > samples.len() * 20 {
                let other = random.below(samples.len());
                mutate(&mut random, &mut frame, &samples[other].2);
            }
            let wire_len = (frame.len() + random.below(3) * random.below(100)) as u32;
            let mut packet = FlowPacket::EMPTY;
            fast += u32::from(fast::decode(&mut LayerCounters::default(), &frame, wire_len, &mut packet).is_some());
            let expected = without.decode_slow(*link, View::new(&frame, wire_len));
            assert_eq!(with.decode(*link, &frame, wire_len), expected, "{frame:02x?} of {wire_len}");
            let seen = &mut without.counters.layers;
            seen.pkts += 1;
            seen.bytes += frame.len() as u64;
            seen.max_pkt_size = seen.max_pkt_size.max(frame.len() as u64);
            assert_eq!(with.counters, without.counters, "{frame:02x?} of {wire_len}");
        }
        assert!(fast > 10_000, "the fast path took only {fast} frames");
    }

    #[test]
    fn what_a_frame_becomes_fits_three_cache_lines() {
        assert!(size_of::<Decoded>() <= 192);
    }
}
