//! Primitives that begin with a keyword, and the qualifiers before identifiers.

use super::{Inherited, Parsed, Parser, Term};
use crate::ast::{ByteTest, Condition, Direction, Kind, LlcKind, Primitive, Qualifiers};
use crate::error::FilterError;
use crate::token::{Protocol, Symbol, TokenKind, Word};

impl Parser {
    pub(super) fn primitive(&mut self) -> Parsed<Term> {
        let start = self.span().start;
        let &TokenKind::Word(word) = self.peek() else { return Err(self.unexpected("a primitive")) };
        let primitive = match word {
            Word::Protocol(protocol) => {
                self.at += 1;
                return self.behind_protocol(Some(protocol), start);
            }
            Word::Less => Primitive::Less(self.argument()?),
            Word::Greater => Primitive::Greater(self.argument()?),
            Word::Byte => self.byte()?,
            Word::Inbound => self.alone(Primitive::Inbound),
            Word::Outbound => self.alone(Primitive::Outbound),
            Word::IfIndex => Primitive::IfIndex(self.argument()?),
            Word::Vlan => Primitive::Vlan(self.optional()?),
            Word::Mpls => Primitive::Mpls(self.optional()?),
            Word::PppoeDiscovery => self.alone(Primitive::PppoeDiscovery),
            Word::PppoeSession => Primitive::PppoeSession(self.optional()?),
            Word::Geneve => Primitive::Geneve(self.optional()?),
            Word::Llc => self.llc()?,
            _ => return self.behind_protocol(None, start),
        };
        Ok(self.complete(primitive, start))
    }

    fn complete(&self, primitive: Primitive, start: usize) -> Term {
        let condition = Condition::Primitive(primitive, start..self.last_end());
        Term { condition, leaves: Inherited::Nothing, bare: false }
    }

    fn alone(&mut self, primitive: Primitive) -> Primitive {
        self.at += 1;
        primitive
    }

    /// The number behind a keyword.
    fn argument(&mut self) -> Parsed<u32> {
        self.at += 1;
        self.number("a number")
    }

    /// The number behind a keyword, if there is one; it may stand in parentheses.
    fn optional(&mut self) -> Parsed<Option<u32>> {
        self.at += 1;
        match self.peek() {
            TokenKind::Number(_) | TokenKind::Symbol(Symbol::Open) => self.in_parentheses().map(Some),
            _ => Ok(None),
        }
    }

    fn in_parentheses(&mut self) -> Parsed<u32> {
        let open = self.span();
        if !self.take_symbol(Symbol::Open) {
            return self.number("a number");
        }
        let number = self.nested(Self::in_parentheses)?;
        if !self.take_symbol(Symbol::Close) {
            return Err(self.unclosed(open, ")"));
        }
        Ok(number)
    }

    fn byte(&mut self) -> Parsed<Primitive> {
        let offset = self.argument()?;
        let test = match self.peek() {
            TokenKind::Symbol(Symbol::Equal) => ByteTest::Equal,
            TokenKind::Symbol(Symbol::Less) => ByteTest::Less,
            TokenKind::Symbol(Symbol::Greater) => ByteTest::Greater,
            TokenKind::Symbol(Symbol::And) => ByteTest::And,
            TokenKind::Symbol(Symbol::Or) => ByteTest::Or,
            _ => return Err(self.unexpected("one of = < > & |")),
        };
        Ok(Primitive::Byte { offset, test, value: self.argument()? })
    }

    fn llc(&mut self) -> Parsed<Primitive> {
        self.at += 1;
        let name = match self.peek() {
            TokenKind::Name(name) => name.as_str(),
            _ => return Ok(Primitive::Llc(None)),
        };
        let Some((_, kind)) = LLC_KINDS.iter().find(|(known, _)| *known == name) else {
            return Err(FilterError::new(format!("{name} is no kind of LLC frame"), self.span()));
        };
        self.at += 1;
        Ok(Primitive::Llc(Some(*kind)))
    }

    /// What may follow a protocol, or stand without one: a qualified identifier, `broadcast`, `multicast`, nothing.
    fn behind_protocol(&mut self, protocol: Option<Protocol>, start: usize) -> Parsed<Term> {
        match self.peek() {
            TokenKind::Word(Word::Broadcast) => {
                self.at += 1;
                return Ok(self.complete(Primitive::Broadcast(protocol), start));
            }
            TokenKind::Word(Word::Multicast) => {
                self.at += 1;
                return Ok(self.complete(Primitive::Multicast(protocol), start));
            }
            _ => {}
        }
        let direction = self.direction()?;
        let kind = self.kind(direction)?;
        let qualifiers = Qualifiers { protocol, direction, kind, span: start..self.last_end() };
        match protocol {
            _ if qualifiers.names_something() => self.qualified(qualifiers),
            Some(protocol) => Ok(self.complete(Primitive::Protocol(protocol), start)),
            None => Err(self.unexpected("a primitive")),
        }
    }

    fn direction(&mut self) -> Parsed<Direction> {
        let (first, other, alone) = match self.peek() {
            TokenKind::Word(Word::Src) => (Word::Src, Word::Dst, Direction::Source),
            TokenKind::Word(Word::Dst) => (Word::Dst, Word::Src, Direction::Destination),
            _ => return Ok(Direction::Unsaid),
        };
        self.take_word(first);
        let both = match self.join() {
            None => return Ok(alone),
            Some(crate::ast::Join::And) => Direction::Both,
            Some(crate::ast::Join::Or) => Direction::Either,
        };
        if !self.take_word(other) {
            return Err(self.unexpected(if other == Word::Src { "src" } else { "dst" }));
        }
        Ok(both)
    }

    fn kind(&mut self, direction: Direction) -> Parsed<Kind> {
        let kind = match self.peek() {
            TokenKind::Word(Word::Host) => Kind::Host,
            TokenKind::Word(Word::Net) => Kind::Net,
            TokenKind::Word(Word::Port) => Kind::Port,
            TokenKind::Word(Word::PortRange) => Kind::PortRange,
            TokenKind::Word(Word::Proto) if direction == Direction::Unsaid => Kind::Proto,
            TokenKind::Word(Word::ProtoChain) if direction == Direction::Unsaid => Kind::ProtoChain,
            TokenKind::Word(Word::Proto | Word::ProtoChain) => {
                return Err(FilterError::new("a protocol has no direction", self.span()));
            }
            TokenKind::Word(Word::Unsupported(_)) => return Err(self.unexpected("host, net or port")),
            _ => return Ok(Kind::Unsaid),
        };
        self.at += 1;
        Ok(kind)
    }
}

const fn llc(mask: u32, value: u32) -> LlcKind {
    LlcKind { mask, value }
}

/// The first bits of the control byte tell information, supervisory and unnumbered frames apart; in unnumbered ones bit
/// 0x10 is poll or final and says nothing about the kind (IEEE 802.2 §5.4).
const LLC_KINDS: &[(&str, LlcKind)] = &[
    ("i", llc(0x01, 0x00)),
    ("s", llc(0x03, 0x01)),
    ("u", llc(0x03, 0x03)),
    ("rr", llc(0x0f, 0x01)),
    ("rnr", llc(0x0f, 0x05)),
    ("rej", llc(0x0f, 0x09)),
    ("ui", llc(0xef, 0x03)),
    ("ua", llc(0xef, 0x63)),
    ("disc", llc(0xef, 0x43)),
    ("sabme", llc(0xef, 0x6f)),
    ("test", llc(0xef, 0xe3)),
    ("xid", llc(0xef, 0xaf)),
    ("frmr", llc(0xef, 0x87)),
];
