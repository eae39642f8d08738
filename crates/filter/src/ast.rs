//! What an expression says, before it is known what that means on a link: the parser makes it, `lower` reads it.
//!
//! Depth is bounded by the parser ([`MAX_DEPTH`]), so that walking and dropping a tree need a bounded stack. A chain of
//! `and` and `or` is a list, however long it is.

use core::net::Ipv6Addr;

use crate::error::Span;
use crate::token::{Dotted, Protocol};

/// How deep parentheses, negations, indexes and operators may be nested.
pub(crate) const MAX_DEPTH: usize = 200;

#[derive(Debug)]
pub(crate) enum Condition {
    /// From left to right; `and` and `or` bind alike.
    Chain(Box<Self>, Vec<(Join, Self)>),
    Not(Box<Self>),
    Id(Qualifiers, Id, Span),
    Relation(Relation),
    Primitive(Primitive, Span),
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Join {
    And,
    Or,
}

/// What stands before an identifier, and what the next one takes over when it has none of its own.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Qualifiers {
    pub(crate) protocol: Option<Protocol>,
    pub(crate) direction: Direction,
    pub(crate) kind: Kind,
    /// Where they are written.
    pub(crate) span: Span,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Direction {
    /// Not said: for addresses and ports the same as either.
    Unsaid,
    Source,
    Destination,
    Either,
    Both,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Kind {
    /// Not said: the same as a host.
    Unsaid,
    Host,
    Net,
    Port,
    PortRange,
    Proto,
    ProtoChain,
}

/// What the qualifiers are about.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Id {
    Name(String),
    Number(u32),
    Dotted(Dotted),
    /// A network by the length of its prefix.
    Prefix(Dotted, u32),
    /// A network by its mask.
    Masked(Dotted, Dotted),
    Ipv6(Ipv6Addr),
    Prefix6(Ipv6Addr, u32),
    Mac([u8; 6]),
}

/// Primitives that are no qualified identifier.
#[derive(Debug)]
pub(crate) enum Primitive {
    Protocol(Protocol),
    Broadcast(Option<Protocol>),
    Multicast(Option<Protocol>),
    /// At most so long.
    Less(u32),
    /// At least so long.
    Greater(u32),
    Byte {
        offset: u32,
        test: ByteTest,
        value: u32,
    },
    Inbound,
    Outbound,
    IfIndex(u32),
    Vlan(Option<u32>),
    Mpls(Option<u32>),
    PppoeDiscovery,
    PppoeSession(Option<u32>),
    Geneve(Option<u32>),
    Llc(Option<LlcKind>),
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum ByteTest {
    Equal,
    Less,
    Greater,
    /// `byte & value` is not 0.
    And,
    /// `byte | value` is not 0.
    Or,
}

/// Kinds of LLC frames (IEEE 802.2): the control byte under a mask.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct LlcKind {
    pub(crate) mask: u32,
    pub(crate) value: u32,
}

#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) left: Arithmetic,
    pub(crate) comparison: Comparison,
    pub(crate) right: Arithmetic,
    pub(crate) span: Span,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// An arithmetic expression and how high its tree is.
#[derive(Debug)]
pub(crate) struct Arithmetic {
    pub(crate) value: Value,
    pub(crate) height: usize,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum Value {
    Number(u32),
    Length,
    /// Bytes of the header of a protocol.
    Load {
        protocol: Protocol,
        offset: Box<Arithmetic>,
        size: Size,
    },
    Negate(Box<Arithmetic>),
    Binary {
        operator: Operator,
        left: Box<Arithmetic>,
        right: Box<Arithmetic>,
    },
}

/// How many bytes a load takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Size {
    Byte,
    Half,
    Word,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}
