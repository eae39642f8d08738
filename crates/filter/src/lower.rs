//! From the tree of an expression to the graph of its program, on a link.
//!
//! The expression is walked as it is written, and some primitives change what is behind them: `vlan`, `mpls`, `pppoes`
//! and `geneve` say that the headers before are passed, so that `ip` behind `vlan` is the one inside the tag. That is a
//! property of the text, not of the packet: it holds behind `not vlan` and in `vlan or ip` as well (pcap-filter(7)).
//! [`Layers`] is what is known at a place of the text.
//!
//! Tests come in the order in which they are written, and a load from beyond the captured bytes ends the run: a packet
//! cut short is refused by `not port 80` too. Verdicts on such packets agree with libpcap's because the order does.

mod address;
mod arithmetic;
mod encapsulation;
mod layers;
mod link_type;
mod port;
mod protocol;
mod protocol_chain;

use crate::ast::{ByteTest, Condition, Direction, Id, Join, Kind, Operator, Primitive, Qualifiers, Relation, Size};
use crate::error::{FilterError, Span};
use crate::graph::{Compare, Fragment, Graph, Source, Step};
use crate::link::LinkLayer;
use crate::names;
use crate::program::ancillary;
use crate::token::Protocol;
use layers::{Layers, Position};

/// Where the frames come from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Frames {
    /// All bytes as they were on the wire.
    File,
    /// A socket of Linux: the outer VLAN tag may have been taken out, and the kernel knows it and more beside the frame.
    Socket,
}

/// The graph of a tree; block 0 is where it begins.
///
/// # Errors
/// What the link does not have, values out of range, names that are not known, expressions that are too long.
pub(crate) fn lower(condition: Option<&Condition>, link: LinkLayer, frames: Frames) -> Result<Graph, FilterError> {
    let mut lowering = Lowering {
        graph: Graph::default(),
        link,
        frames,
        layers: Layers::of(link),
        slots: Slots { carried: Vec::new(), in_use: 0 },
    };
    let start = lowering.graph.run(Vec::new());
    let mut whole = start;
    if let Some(condition) = condition {
        let wanted = lowering.condition(condition)?;
        whole = lowering.graph.and(whole, wanted);
    }
    // What a slot carries is not set on ways around the primitive that sets it. It has to be the same there always, and
    // the kernel wants every slot written before it is read.
    for (slot, &initial) in (0..).zip(&lowering.slots.carried) {
        lowering.graph.blocks[0].steps.extend([Step::Immediate(initial), Step::Store(slot)]);
    }
    lowering.graph.finish(&whole);
    Ok(lowering.graph)
}

type Lowered<T> = Result<T, FilterError>;

struct Lowering {
    graph: Graph,
    /// The link of the frame; `layers` knows that of the innermost header.
    link: LinkLayer,
    frames: Frames,
    layers: Layers,
    slots: Slots,
}

/// Scratch slots: the first carry positions of headers from block to block, the others are for arithmetic.
struct Slots {
    /// What each of the first holds at the beginning.
    carried: Vec<u32>,
    in_use: u8,
}

impl Slots {
    /// The first slot that carries nothing.
    fn first_free(&self) -> u8 {
        u8::try_from(self.carried.len()).unwrap_or(u8::MAX)
    }
}

/// The others are left for arithmetic.
const MAX_CARRIED: usize = 10;

/// More blocks than that cannot become a program that fits.
const MAX_BLOCKS: usize = 1 << 16;

impl Lowering {
    fn condition(&mut self, condition: &Condition) -> Lowered<Fragment> {
        match condition {
            Condition::Chain(first, rest) => {
                let mut whole = self.condition(first)?;
                for (join, next) in rest {
                    let next = self.condition(next)?;
                    whole = match join {
                        Join::And => self.graph.and(whole, next),
                        Join::Or => self.graph.or(whole, next),
                    };
                }
                Ok(whole)
            }
            Condition::Not(inner) => Ok(self.condition(inner)?.not()),
            Condition::Id(_, _, span) | Condition::Primitive(_, span) | Condition::Relation(Relation { span, .. })
                if self.graph.blocks.len() > MAX_BLOCKS =>
            {
                Err(FilterError::new("the expression is too long from here", span.clone()))
            }
            Condition::Id(qualifiers, id, span) => self.id(qualifiers, id, span),
            Condition::Relation(relation) => self.relation(relation),
            Condition::Primitive(primitive, span) => self.primitive(primitive, span),
        }
    }

    fn id(&mut self, qualifiers: &Qualifiers, id: &Id, span: &Span) -> Lowered<Fragment> {
        match qualifiers.kind {
            Kind::Unsaid | Kind::Host | Kind::Net => self.address(qualifiers, id, span),
            Kind::Port | Kind::PortRange => self.port(qualifiers, id, span),
            Kind::Proto => {
                let number = protocol_number(qualifiers, id, span)?;
                self.protocol_in(qualifiers, number)
            }
            Kind::ProtoChain => {
                let number = protocol_number(qualifiers, id, span)?;
                self.protocol_chain(qualifiers, number)
            }
        }
    }

    fn primitive(&mut self, primitive: &Primitive, span: &Span) -> Lowered<Fragment> {
        match *primitive {
            Primitive::Protocol(protocol) => self.protocol(protocol, span),
            Primitive::Broadcast(protocol) => self.broadcast(protocol, span),
            Primitive::Multicast(protocol) => self.multicast(protocol, span),
            Primitive::Less(length) => {
                Ok(self.graph.test(vec![Step::Length], Compare::Greater, Source::K(length)).not())
            }
            Primitive::Greater(length) => {
                Ok(self.graph.test(vec![Step::Length], Compare::GreaterOrEqual, Source::K(length)))
            }
            Primitive::Byte { offset, test, value } => Ok(self.byte(offset, test, value)),
            Primitive::Inbound => Ok(self.outbound(span)?.not()),
            Primitive::Outbound => self.outbound(span),
            Primitive::IfIndex(index) => match self.link {
                LinkLayer::Sll2 => Ok(self.equal(Position::fixed(4), Size::Word, index)),
                _ if self.frames == Frames::Socket => Ok(self.known_beside(ancillary::INTERFACE, Size::Word, index)),
                _ => Err(self.not_on_link("the index of an interface", span)),
            },
            Primitive::Vlan(tag) => self.vlan(tag, span),
            Primitive::Mpls(label) => self.mpls(label, span),
            Primitive::PppoeDiscovery => self.link_type(link_type::PPPOE_DISCOVERY, span),
            Primitive::PppoeSession(session) => self.pppoe_session(session, span),
            Primitive::Geneve(network) => self.geneve(network, span),
            Primitive::Llc(kind) => self.llc(kind, span),
        }
    }

    /// `byte offset test value`, from the start of the frame.
    fn byte(&mut self, offset: u32, test: ByteTest, value: u32) -> Fragment {
        let mut steps = Position::fixed(offset).load(0, Size::Byte);
        match test {
            ByteTest::Equal => self.graph.test(steps, Compare::Equal, Source::K(value)),
            ByteTest::Less => self.graph.test(steps, Compare::GreaterOrEqual, Source::K(value)).not(),
            ByteTest::Greater => self.graph.test(steps, Compare::Greater, Source::K(value)),
            ByteTest::And => self.graph.test(steps, Compare::AnyBit, Source::K(value)),
            ByteTest::Or => {
                steps.push(Step::Compute(Operator::Or, Source::K(value)));
                self.graph.test(steps, Compare::Equal, Source::K(0)).not()
            }
        }
    }

    /// Cooked captures note who sent the packet; 4 is this host (`PACKET_OUTGOING`).
    fn outbound(&mut self, span: &Span) -> Lowered<Fragment> {
        match self.link {
            LinkLayer::Sll => Ok(self.equal(Position::fixed(0), Size::Half, 4)),
            LinkLayer::Sll2 => Ok(self.equal(Position::fixed(10), Size::Byte, 4)),
            _ if self.frames == Frames::Socket => Ok(self.known_beside(ancillary::PACKET_TYPE, Size::Byte, 4)),
            _ => Err(self.not_on_link("the direction of a packet", span)),
        }
    }

    fn equal(&mut self, at: Position, size: Size, value: u32) -> Fragment {
        self.graph.test(at.load(0, size), Compare::Equal, Source::K(value))
    }

    /// What the kernel knows beside the frame.
    fn known_beside(&mut self, what: u32, size: Size, value: u32) -> Fragment {
        self.graph.test(vec![Step::Load(size, what)], Compare::Equal, Source::K(value))
    }

    /// Equal under a mask; a mask of zero is equal without a look.
    fn equal_masked(&mut self, at: Position, size: Size, value: u32, mask: u32) -> Fragment {
        let whole = match size {
            Size::Byte => 0xff,
            Size::Half => 0xffff,
            Size::Word => u32::MAX,
        };
        if mask == 0 {
            return self.graph.constant(true);
        }
        let mut steps = at.load(0, size);
        if mask & whole != whole {
            steps.push(Step::Compute(Operator::And, Source::K(mask)));
        }
        self.graph.test(steps, Compare::Equal, Source::K(value))
    }

    /// One test for each direction, joined as the qualifier says.
    fn directed(
        &mut self,
        direction: Direction,
        mut test: impl FnMut(&mut Self, End) -> Lowered<Fragment>,
    ) -> Lowered<Fragment> {
        match direction {
            Direction::Source => test(self, End::Source),
            Direction::Destination => test(self, End::Destination),
            Direction::Both => {
                let source = test(self, End::Source)?;
                let destination = test(self, End::Destination)?;
                Ok(self.graph.and(source, destination))
            }
            Direction::Unsaid | Direction::Either => {
                let source = test(self, End::Source)?;
                let destination = test(self, End::Destination)?;
                Ok(self.graph.or(source, destination))
            }
        }
    }

    /// Takes slots that keep positions for the rest of the text, with what they hold at the beginning: the first of them.
    fn carry(&mut self, initial: &[u32], span: &Span) -> Lowered<u8> {
        let first = self.slots.first_free();
        self.slots.carried.extend(initial);
        if self.slots.carried.len() > MAX_CARRIED {
            return Err(FilterError::new("too many headers of changing length in one expression", span.clone()));
        }
        Ok(first)
    }

    fn not_on_link(&self, what: &str, span: &Span) -> FilterError {
        FilterError::new(format!("{what} is not known on {}", self.layers.link.name()), span.clone())
    }
}

/// One of the two ends that a header names.
#[derive(Clone, Copy)]
enum End {
    Source,
    Destination,
}

fn protocol_number(qualifiers: &Qualifiers, id: &Id, span: &Span) -> Lowered<u32> {
    let (number, what) = match (id, qualifiers.protocol) {
        (Id::Number(number), _) => return Ok(*number),
        (Id::Name(name), None | Some(Protocol::Ip | Protocol::Ip6)) => (names::ip_protocol(name), "IP"),
        (Id::Name(name), Some(Protocol::Link)) => (names::ethernet_protocol(name), "Ethernet"),
        (Id::Name(name), Some(Protocol::Iso)) => (names::osi_protocol(name), "OSI"),
        (Id::Name(_), Some(other)) => {
            let message = format!("{} carries no protocols with names", other.keyword());
            return Err(FilterError::new(message, qualifiers.span.clone()));
        }
        _ => return Err(FilterError::new("a protocol is a number or a name", span.clone())),
    };
    number.ok_or_else(|| FilterError::new(format!("no {what} protocol of this name is known"), span.clone()))
}
