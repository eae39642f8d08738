//! `protochain`: a protocol anywhere in the chain of headers behind IP.
//!
//! Classic BPF in a kernel knows no jump backwards, so the walk is written out [`MAX_HEADERS`] times; a packet with
//! more extension headers than that does not match. Over IPv6 the walk passes hop-by-hop options, routing, fragment and
//! destination options (RFC 8200 §4) and the authentication header; over IPv4 that one alone (RFC 4302).

use super::link_type::{IPV4, IPV6};
use super::port::IPV6_HEADER;
use super::{Lowered, Lowering, Position};
use crate::ast::{Operator, Qualifiers, Size};
use crate::error::FilterError;
use crate::graph::{Compare, Fragment, Source, Step};
use crate::token::Protocol;

/// RFC 8200 §4.1 has seven in a packet; programs end at 4096 instructions, and this many take about 900.
const MAX_HEADERS: usize = 32;

const HOP_BY_HOP: u32 = 0;
const ROUTING: u32 = 43;
const FRAGMENT: u32 = 44;
const AUTHENTICATION: u32 = 51;
const DESTINATION_OPTIONS: u32 = 60;

/// Scratch slots of a walk.
#[derive(Clone, Copy)]
struct Walk {
    /// The protocol of the header that comes next.
    next: u8,
    /// How far behind the start of the network header (plus its own position) that header is.
    at: u8,
    network: Position,
}

impl Lowering {
    pub(super) fn protocol_chain(&mut self, qualifiers: &Qualifiers, number: u32) -> Lowered<Fragment> {
        match qualifiers.protocol {
            None => {
                let over_ipv4 = self.chain_over_ipv4(number, qualifiers)?;
                let over_ipv6 = self.chain_over_ipv6(number, qualifiers)?;
                Ok(self.graph.or(over_ipv4, over_ipv6))
            }
            Some(Protocol::Ip) => self.chain_over_ipv4(number, qualifiers),
            Some(Protocol::Ip6) => self.chain_over_ipv6(number, qualifiers),
            Some(other) => {
                let message = format!("{} has no chain of protocols", other.keyword());
                Err(FilterError::new(message, qualifiers.span.clone()))
            }
        }
    }

    fn chain_over_ipv4(&mut self, number: u32, qualifiers: &Qualifiers) -> Lowered<Fragment> {
        let is_ip = self.link_type(IPV4, &qualifiers.span)?;
        let walk = self.walk();
        let network = walk.network;
        let mut steps = network.x_to_ipv4_end();
        steps.extend([Step::ToA, Step::Store(walk.at)]);
        steps.extend(network.load(9, Size::Byte));
        steps.push(Step::Store(walk.next));
        let start = self.graph.run(steps);
        let found = self.walk_on(walk, number, &[]);
        let start = self.graph.and(is_ip, start);
        Ok(self.graph.and(start, found))
    }

    fn chain_over_ipv6(&mut self, number: u32, qualifiers: &Qualifiers) -> Lowered<Fragment> {
        let is_ip = self.link_type(IPV6, &qualifiers.span)?;
        let walk = self.walk();
        let mut steps = match walk.network.slot {
            None => vec![Step::Immediate(IPV6_HEADER)],
            Some(slot) => vec![Step::Recall(slot), Step::Compute(Operator::Add, Source::K(IPV6_HEADER))],
        };
        steps.push(Step::Store(walk.at));
        steps.extend(walk.network.load(6, Size::Byte));
        steps.push(Step::Store(walk.next));
        let start = self.graph.run(steps);
        let found = self.walk_on(walk, number, &[HOP_BY_HOP, DESTINATION_OPTIONS, ROUTING, FRAGMENT]);
        let start = self.graph.and(is_ip, start);
        Ok(self.graph.and(start, found))
    }

    /// True when the protocol is found; `options` are the headers whose second byte counts eights behind the first.
    fn walk_on(&mut self, walk: Walk, number: u32, options: &[u32]) -> Fragment {
        let mut found = self.is_next(walk, number);
        for _ in 0..MAX_HEADERS {
            let passed = self.pass_header(walk, options);
            let found_then = self.is_next(walk, number);
            let found_then = self.graph.and(passed, found_then);
            found = self.graph.or(found, found_then);
        }
        found
    }

    fn is_next(&mut self, walk: Walk, number: u32) -> Fragment {
        self.graph.test(vec![Step::Recall(walk.next)], Compare::Equal, Source::K(number))
    }

    /// Goes behind one extension header; false when the next one is none.
    fn pass_header(&mut self, walk: Walk, options: &[u32]) -> Fragment {
        let is_authentication = self.is_next(walk, AUTHENTICATION);
        // Its length counts words, less two.
        let authentication = self.graph.run(walk.pass(2, 4));
        let mut passed = self.graph.and(is_authentication, authentication);
        let mut any: Option<Fragment> = None;
        for &option in options {
            let one = self.is_next(walk, option);
            any = Some(match any {
                None => one,
                Some(before) => self.graph.or(before, one),
            });
        }
        if let Some(any) = any {
            let option = self.graph.run(walk.pass(1, 8));
            let option = self.graph.and(any, option);
            passed = self.graph.or(passed, option);
        }
        passed
    }

    fn walk(&self) -> Walk {
        // The first slots that carry nothing: the walk is over before anything else uses them.
        let next = self.slots.first_free();
        Walk { next, at: next + 1, network: self.layers.network }
    }
}

impl Walk {
    /// `next` and the position behind this header, whose length is (second byte + `add`) * `unit`.
    fn pass(self, add: u32, unit: u32) -> Vec<Step> {
        let header = self.network.offset;
        vec![
            Step::RecallX(self.at),
            Step::LoadIndexed(Size::Byte, header),
            Step::Store(self.next),
            Step::LoadIndexed(Size::Byte, header.wrapping_add(1)),
            Step::Compute(Operator::Add, Source::K(add)),
            Step::Compute(Operator::Multiply, Source::K(unit)),
            Step::Compute(Operator::Add, Source::X),
            Step::Store(self.at),
        ]
    }
}
