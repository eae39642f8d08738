//! What the walk through one packet has gathered, and how it ends.
//!
//! Each protocol's `decode` gets a [`Context`] beside its header. It counts there, raises events there, and says there
//! what becomes of the packet, which it does exactly once: every way to an end goes through a method that answers
//! [`Step::Done`].

use crate::decoder::Step;
use crate::inner::{Inner, InnerKind};
use crate::view::View;
use crate::{
    Address, Aside, DecodeCounters, DecodeOptions, Event, FlowPacket, Fragment, IpVersion, Macs, NonFlow, Transport,
    Tunnel, VlanTags,
};

/// Events of one packet that are counted; what comes after is not. The limit is Suricata's, for equal counters.
const EVENTS_PER_PACKET_MAX: usize = 15;

/// Events of a packet, in the order in which they were raised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raised {
    events: [Event; EVENTS_PER_PACKET_MAX],
    count: u8,
}

impl Raised {
    pub(crate) const NONE: Self = Self { events: [Event::TooManyLayers; EVENTS_PER_PACKET_MAX], count: 0 };

    pub(crate) fn events(&self) -> impl Iterator<Item = Event> + use<> {
        self.events.into_iter().take(usize::from(self.count))
    }
}

/// What the walk through one packet has gathered.
pub(crate) struct Context<'c> {
    pub(crate) counters: &'c mut DecodeCounters,
    pub(crate) options: &'c DecodeOptions,
    pub(crate) vlan: VlanTags,
    pub(crate) macs: Option<Macs>,
    pub(crate) tunnel: Tunnel,
    /// The IPv4 header comes out of uncompressed Van Jacobson PPP (RFC 1144): its protocol field is not one.
    pub(crate) vj_uncompressed: bool,
    /// Where a packet that belongs to a flow goes, and what becomes of any other. Each is written once, in place: they are
    /// too large to hand from function to function.
    packet: &'c mut FlowPacket,
    outcome: &'c mut Result<(), Aside>,
    raised: [Event; EVENTS_PER_PACKET_MAX],
    raised_count: u8,
    recursion: u8,
    layers: u8,
    invalid: bool,
    /// Where the packet begins in its frame.
    origin: u32,
}

/// What is known of a packet before its first header is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    pub(crate) vlan: VlanTags,
    pub(crate) macs: Option<Macs>,
    pub(crate) tunnel: Tunnel,
    pub(crate) recursion: u8,
    /// Headers around it.
    pub(crate) layers: u8,
    /// Offset of its first byte from the start of the frame.
    pub(crate) origin: u32,
}

impl Start {
    /// A frame as captured.
    pub(crate) const FRAME: Self = Self {
        vlan: VlanTags { ids: [0; 3], count: 0 },
        macs: None,
        tunnel: Tunnel::NONE,
        recursion: 0,
        layers: 0,
        origin: 0,
    };

    /// A packet inside of another. VLAN ids and MAC addresses are those of the frame around it, and not its own.
    #[inline]
    pub(crate) fn inner(inner: &Inner) -> Self {
        let &Inner { tunnel, recursion, layers, offset, .. } = inner;
        Self { tunnel, recursion, layers, origin: offset, ..Self::FRAME }
    }

    /// A datagram whose fragments were like this one. Its IP header, which is among the layers of the fragment, is yet to
    /// be looked at.
    pub(crate) fn datagram(fragment: &Fragment) -> Self {
        let &Fragment { vlan, macs, tunnel, recursion, layers, .. } = fragment;
        Self { vlan, macs, tunnel, recursion, layers: layers.saturating_sub(1), origin: 0 }
    }
}

impl<'c> Context<'c> {
    #[inline]
    pub(crate) fn new(
        counters: &'c mut DecodeCounters,
        options: &'c DecodeOptions,
        start: Start,
        packet: &'c mut FlowPacket,
        outcome: &'c mut Result<(), Aside>,
    ) -> Self {
        Self {
            counters,
            options,
            vlan: start.vlan,
            macs: start.macs,
            tunnel: start.tunnel,
            vj_uncompressed: false,
            packet,
            outcome,
            raised: [Event::TooManyLayers; EVENTS_PER_PACKET_MAX],
            raised_count: 0,
            recursion: start.recursion,
            layers: start.layers,
            invalid: false,
            origin: start.origin,
        }
    }

    /// Counts one more header.
    ///
    /// # Errors
    /// The reason for the end of the walk, when there are too many.
    #[inline]
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

    /// Depth of tunnels.
    pub(crate) const fn recursion(&self) -> u8 {
        self.recursion
    }

    /// Bytes from the start of the packet to the header that `view` begins with.
    pub(crate) fn link_len(&self, view: View<'_>) -> u32 {
        view.offset().saturating_sub(self.origin)
    }

    /// Hands over the events that were raised, and says whether the packet is invalid.
    pub(crate) fn end(self, raised: &mut Raised) -> bool {
        if self.raised_count > 0 {
            *raised = Raised { events: self.raised, count: self.raised_count };
        }
        self.invalid
    }

    /// The first event that was raised.
    pub(crate) fn first_event(&self) -> Option<Event> {
        self.raised().first().copied()
    }

    /// The event for which the packet belongs to no flow.
    pub(crate) const fn reason(&self) -> Option<Event> {
        match *self.outcome {
            Err(Aside::NonFlow(NonFlow::Invalid(event))) => Some(event),
            _ => None,
        }
    }

    fn raised(&self) -> &[Event] {
        self.raised.get(..usize::from(self.raised_count)).unwrap_or(&[])
    }

    /// Takes back all events, out of the counters too: what raised them has shown to be no packet.
    pub(crate) fn take_back_events(&mut self) {
        let raised = self.raised;
        for &event in raised.iter().take(usize::from(self.raised_count)) {
            self.counters.events[event as usize] -= 1;
        }
        self.raised_count = 0;
    }

    /// Raises an event; the packet is usable and not invalid.
    pub(crate) fn note(&mut self, event: Event) {
        if let Some(place) = self.raised.get_mut(usize::from(self.raised_count)) {
            *place = event;
            self.raised_count += 1;
            self.counters.count(event);
        }
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

    /// The packet belongs to no flow.
    pub(crate) fn non_flow<'a>(&mut self, reason: NonFlow) -> Step<'a> {
        *self.outcome = Err(Aside::NonFlow(reason));
        Step::Done
    }

    /// The packet is one fragment of a datagram.
    pub(crate) fn fragment<'a>(&mut self, fragment: Fragment) -> Step<'a> {
        let counted = &mut self.counters.fragments;
        *match fragment.ip_version {
            IpVersion::V4 => &mut counted.ipv4,
            IpVersion::V6 => &mut counted.ipv6,
        } += 1;
        *self.outcome = Err(Aside::Fragment(fragment));
        Step::Done
    }

    /// Names the packet that `view` holds, unless it would have too many headers around it. A tunnel without a number
    /// inside of one with a number belongs to that one.
    #[inline]
    pub(crate) fn open(&mut self, kind: InnerKind, view: View<'_>, tunnel: Tunnel) -> Option<Inner> {
        if self.layers.saturating_add(1) >= self.options.max_layers {
            self.fault(Event::TooManyLayers);
            return None;
        }
        Some(Inner {
            offset: view.offset(),
            len: u32::try_from(view.len()).unwrap_or(u32::MAX),
            tunnel: if tunnel == Tunnel::NONE { self.tunnel } else { tunnel },
            kind,
            recursion: self.recursion.saturating_add(1),
            layers: self.layers,
        })
    }

    /// The outside of a tunnel that in Suricata has no flow of its own. `view` begins with the tunnel's header.
    pub(crate) fn tunnel<'a>(&mut self, ip: &Ip, view: View<'_>, inner: Option<Inner>) -> Step<'a> {
        if self.options.flow_for_every_protocol {
            return self.flow_around(ip, Transport::Other, view, inner);
        }
        if let Some(inner) = inner {
            *self.outcome = Err(Aside::Tunnel(inner));
            return Step::Done;
        }
        let too_deep = self.raised().contains(&Event::TooManyLayers);
        self.non_flow(if too_deep { NonFlow::Invalid(Event::TooManyLayers) } else { NonFlow::Tunnel })
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
        let event = self.first_event();
        // Field by field, since a whole packet would be put together elsewhere first and then copied.
        let packet = &mut *self.packet;
        packet.src = ip.src;
        packet.dst = ip.dst;
        packet.vlan = self.vlan;
        packet.ip_version = ip.version;
        packet.protocol = ip.protocol;
        packet.ttl = ip.ttl;
        packet.recursion = self.recursion;
        packet.tunnel = self.tunnel;
        packet.transport = transport;
        packet.transport_offset = view.offset();
        packet.transport_len = u32::try_from(view.len()).unwrap_or(u32::MAX);
        packet.macs = self.macs;
        packet.event = event;
        packet.inner = inner;
        *self.outcome = Ok(());
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
