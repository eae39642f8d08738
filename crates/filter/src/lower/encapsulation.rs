//! Primitives that move what is behind them into the next header: VLAN tags (IEEE 802.1Q), MPLS labels (RFC 3032), PPPoE
//! sessions (RFC 2516), Geneve (RFC 8926).

use super::layers::{GeneveSlots, Layers, Position};
use super::link_type::{IPV4, IPV6, MPLS, PPPOE_SESSION, VLAN};
use super::port::IPV6_HEADER;
use super::{Frames, Lowered, Lowering};
use crate::ast::{Operator, Size};
use crate::error::{FilterError, Span};
use crate::graph::{Compare, Fragment, Source, Step};
use crate::link::LinkLayer;
use crate::program::ancillary;

const PPP_MPLS: u32 = 0x0281;
const UDP: u32 = 17;
const GENEVE_PORT: u32 = 6081;
/// Transparent Ethernet bridging: an Ethernet frame is inside (RFC 8926 §3.4).
const BRIDGING: u32 = 0x6558;

impl Lowering {
    pub(super) fn vlan(&mut self, tag: Option<u32>, span: &Span) -> Lowered<Fragment> {
        if self.layers.labels > 0 {
            return Err(FilterError::new("behind MPLS labels there are no VLAN tags", span.clone()));
        }
        let (LinkLayer::Ethernet, Some(kind)) = (self.layers.link, self.layers.kind) else {
            return Err(self.not_on_link("a VLAN tag", span));
        };
        within(tag, 0x0fff, "a VLAN", span)?;
        if self.frames == Frames::Socket && self.layers.network == Layers::of(LinkLayer::Ethernet).network {
            return self.vlan_beside_or_inside(kind, tag, span);
        }
        let tagged = self.tagged_inside(kind, tag);
        self.layers.kind = Some(kind.plus(4));
        self.layers.network = self.layers.network.plus(4);
        Ok(tagged)
    }

    fn tagged_inside(&mut self, kind: Position, tag: Option<u32>) -> Fragment {
        let mut tagged = self.equal(kind, Size::Half, VLAN[0]);
        for protocol in &VLAN[1..] {
            let next = self.equal(kind, Size::Half, *protocol);
            tagged = self.graph.or(tagged, next);
        }
        if let Some(tag) = tag {
            let is_tag = self.equal_masked(self.layers.network, Size::Half, tag, 0x0fff);
            tagged = self.graph.and(tagged, is_tag);
        }
        tagged
    }

    /// On a socket the outer tag is beside the frame or inside. A slot keeps by how much it moves what is behind: as long
    /// as no tag is found beside, by the four bytes that it moves it in a file.
    fn vlan_beside_or_inside(&mut self, kind: Position, tag: Option<u32>, span: &Span) -> Lowered<Fragment> {
        let slot = self.carry(&[4], span)?;
        let mut beside = self.known_beside(ancillary::VLAN_TAG_PRESENT, Size::Byte, 1);
        if let Some(tag) = tag {
            let steps =
                vec![Step::Load(Size::Half, ancillary::VLAN_TAG), Step::Compute(Operator::And, Source::K(0x0fff))];
            let is_tag = self.graph.test(steps, Compare::Equal, Source::K(tag));
            beside = self.graph.and(beside, is_tag);
        }
        let by_nothing = self.graph.run(vec![Step::Immediate(0), Step::Store(slot)]);
        let beside = self.graph.and(beside, by_nothing);

        let not_beside = self.known_beside(ancillary::VLAN_TAG_PRESENT, Size::Byte, 1).not();
        let inside = self.tagged_inside(kind, tag);
        let inside = self.graph.and(not_beside, inside);

        self.layers.kind = Some(Position { slot: Some(slot), ..kind });
        self.layers.network.slot = Some(slot);
        Ok(self.graph.or(beside, inside))
    }

    pub(super) fn mpls(&mut self, label: Option<u32>, span: &Span) -> Lowered<Fragment> {
        within(label, 0xf_ffff, "an MPLS label", span)?;
        let network = self.layers.network;
        let mut labelled = match (self.layers.labels, self.layers.link) {
            (0, LinkLayer::Ethernet | LinkLayer::CiscoHdlc) => self.link_type(MPLS, span)?,
            (0, LinkLayer::Ppp) => self.link_type(PPP_MPLS, span)?,
            (0, _) => return Err(self.not_on_link("an MPLS label", span)),
            // The label before is not the bottom of the stack.
            (..) => self.equal_masked(network.plus(2u32.wrapping_sub(4)), Size::Byte, 0, 1),
        };
        if let Some(label) = label {
            let is_label = self.equal_masked(network, Size::Word, label << 12, 0xffff_f000);
            labelled = self.graph.and(labelled, is_label);
        }
        self.layers.network = network.plus(4);
        self.layers.labels += 1;
        Ok(labelled)
    }

    pub(super) fn pppoe_session(&mut self, session: Option<u32>, span: &Span) -> Lowered<Fragment> {
        within(session, 0xffff, "a PPPoE session", span)?;
        let mut in_session = self.link_type(PPPOE_SESSION, span)?;
        let network = self.layers.network;
        if let Some(session) = session {
            let is_session = self.equal_masked(network, Size::Word, session, 0xffff);
            in_session = self.graph.and(in_session, is_session);
        }
        let start = network.plus(6);
        self.layers = Layers {
            link: LinkLayer::Ppp,
            start,
            kind: Some(start),
            network: start.plus(2),
            labels: 0,
            geneve: self.layers.geneve,
        };
        Ok(in_session)
    }

    pub(super) fn geneve(&mut self, identifier: Option<u32>, span: &Span) -> Lowered<Fragment> {
        within(identifier, 0xff_ffff, "a Geneve network", span)?;
        let first = self.carry(&[0; 3], span)?;
        let slots = GeneveSlots { kind: first, inner: first + 1, network: first + 2 };
        let over_ipv4 = self.geneve_over_ipv4(identifier, slots, span)?;
        let over_ipv6 = self.geneve_over_ipv6(identifier, slots, span)?;
        let is_geneve = self.graph.or(over_ipv4, over_ipv6);
        let positions = self.geneve_positions(slots);
        let is_geneve = self.graph.and(is_geneve, positions);
        self.layers = Layers {
            link: LinkLayer::Ethernet,
            start: Position::from_slot(slots.inner),
            kind: Some(Position::from_slot(slots.kind)),
            network: Position::from_slot(slots.network),
            labels: 0,
            geneve: Some(slots),
        };
        Ok(is_geneve)
    }

    /// Leaves the position of the Geneve header in `inner`.
    fn geneve_over_ipv4(&mut self, identifier: Option<u32>, slots: GeneveSlots, span: &Span) -> Lowered<Fragment> {
        let network = self.layers.network;
        let is_ip = self.link_type(IPV4, span)?;
        let is_udp = self.equal(network.plus(9), Size::Byte, UDP);
        let mut all = self.graph.and(is_ip, is_udp);
        let first_fragment = self.first_fragment();
        all = self.graph.and(all, first_fragment);
        let port = self.graph.test(network.load_behind_ipv4(2, Size::Half), Compare::Equal, Source::K(GENEVE_PORT));
        all = self.graph.and(all, port);
        let header = self.geneve_header(identifier, &|more, size| network.load_behind_ipv4(8 + more, size));
        all = self.graph.and(all, header);
        let mut steps = network.x_to_ipv4_end();
        steps.push(Step::ToA);
        steps.push(Step::Compute(Operator::Add, Source::K(network.offset.wrapping_add(8))));
        steps.push(Step::Store(slots.inner));
        let position = self.graph.run(steps);
        Ok(self.graph.and(all, position))
    }

    fn geneve_over_ipv6(&mut self, identifier: Option<u32>, slots: GeneveSlots, span: &Span) -> Lowered<Fragment> {
        let network = self.layers.network;
        let is_ip = self.link_type(IPV6, span)?;
        let is_udp = self.equal(network.plus(6), Size::Byte, UDP);
        let mut all = self.graph.and(is_ip, is_udp);
        let port = self.equal(network.plus(IPV6_HEADER + 2), Size::Half, GENEVE_PORT);
        all = self.graph.and(all, port);
        let header = self.geneve_header(identifier, &|more, size| network.load(IPV6_HEADER + 8 + more, size));
        all = self.graph.and(all, header);
        let at = network.offset.wrapping_add(IPV6_HEADER + 8);
        let steps = match network.slot {
            None => vec![Step::Immediate(at), Step::Store(slots.inner)],
            Some(slot) => {
                vec![Step::Recall(slot), Step::Compute(Operator::Add, Source::K(at)), Step::Store(slots.inner)]
            }
        };
        let position = self.graph.run(steps);
        Ok(self.graph.and(all, position))
    }

    /// Version 0, and the network when one is wanted (RFC 8926 §3.4).
    fn geneve_header(&mut self, identifier: Option<u32>, load: &dyn Fn(u32, Size) -> Vec<Step>) -> Fragment {
        let masked = |graph: &mut crate::graph::Graph, mut steps: Vec<Step>, mask, value| {
            steps.push(Step::Compute(Operator::And, Source::K(mask)));
            graph.test(steps, Compare::Equal, Source::K(value))
        };
        let version = masked(&mut self.graph, load(0, Size::Byte), 0xc0, 0);
        let Some(identifier) = identifier else { return version };
        let network = masked(&mut self.graph, load(4, Size::Word), 0xffff_ff00, identifier << 8);
        self.graph.and(version, network)
    }

    /// From the position of the Geneve header to what it carries: an Ethernet frame, or a network header at once.
    fn geneve_positions(&mut self, slots: GeneveSlots) -> Fragment {
        let without_ethernet = vec![
            Step::RecallX(slots.inner),
            Step::ToA,
            Step::Compute(Operator::Add, Source::K(2)),
            Step::Store(slots.kind),
            // Eight bytes and as many words of options as the low six bits of the first byte say.
            Step::LoadIndexed(Size::Byte, 0),
            Step::Compute(Operator::And, Source::K(0x3f)),
            Step::Compute(Operator::Multiply, Source::K(4)),
            Step::Compute(Operator::Add, Source::K(8)),
            Step::Compute(Operator::Add, Source::X),
            Step::Store(slots.inner),
            Step::Store(slots.network),
        ];
        let start = self.graph.run(without_ethernet);
        let is_ethernet =
            self.graph.test(Position::from_slot(slots.kind).load(0, Size::Half), Compare::Equal, Source::K(BRIDGING));
        let with_ethernet = self.graph.run(vec![
            Step::Recall(slots.inner),
            Step::Compute(Operator::Add, Source::K(12)),
            Step::Store(slots.kind),
            Step::Compute(Operator::Add, Source::K(2)),
            Step::Store(slots.network),
        ]);
        let ethernet = self.graph.and(is_ethernet, with_ethernet);
        let anyway = self.graph.constant(true);
        let either = self.graph.or(ethernet, anyway);
        self.graph.and(start, either)
    }

    /// Whether the Geneve header that was passed carries an Ethernet frame.
    pub(super) fn has_inner_ethernet(&mut self, slots: GeneveSlots) -> Fragment {
        let steps = vec![Step::RecallX(slots.inner), Step::Recall(slots.network)];
        self.graph.test(steps, Compare::Equal, Source::X).not()
    }
}

fn within(value: Option<u32>, max: u32, what: &str, span: &Span) -> Lowered<()> {
    match value {
        Some(value) if value > max => {
            Err(FilterError::new(format!("{value} is no number of {what}: they end at {max}"), span.clone()))
        }
        _ => Ok(()),
    }
}
