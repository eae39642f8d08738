//! Relations and the arithmetic in them: constants are folded, one register computes, scratch slots hold what waits.
//!
//! Bytes of a header can be asked for only when the packet has that header: each load brings the tests for it, and all
//! tests come before the first load. `tcp[…]` and its like see IPv4 only, and only first fragments (pcap-filter(7)).

use super::{Lowered, Lowering};
use crate::ast::{Arithmetic, Comparison, Operator, Relation, Size, Value};
use crate::error::{FilterError, Span};
use crate::graph::{Compare, Fragment, Source, Step};
use crate::instruction::code;
use crate::machine;
use crate::program::SCRATCH_SLOTS;
use crate::token::Protocol;

use super::link_type::{IPV4, IPV6};
use super::port::IPV6_HEADER;

/// Arithmetic after folding.
enum Folded<'a> {
    Number(u32),
    Length,
    Load { protocol: Protocol, offset: Box<Self>, size: Size, span: &'a Span },
    Negate(Box<Self>),
    Binary { operator: Operator, left: Box<Self>, right: Box<Self>, span: &'a Span },
}

impl Lowering {
    pub(super) fn relation(&mut self, relation: &Relation) -> Lowered<Fragment> {
        let left = fold(&relation.left)?;
        let right = fold(&relation.right)?;
        let mut tests = None;
        self.tests_for(&left, &mut tests)?;
        self.tests_for(&right, &mut tests)?;
        self.slots.in_use = self.slots.first_free();
        let compared = self.compare(&left, relation.comparison, &right, &relation.span)?;
        Ok(match tests {
            Some(tests) => self.graph.and(tests, compared),
            None => compared,
        })
    }

    fn compare(
        &mut self,
        left: &Folded<'_>,
        comparison: Comparison,
        right: &Folded<'_>,
        span: &Span,
    ) -> Lowered<Fragment> {
        let mut steps = Vec::new();
        let (operand, comparison) = match (left, right) {
            (_, &Folded::Number(right)) => {
                self.value(left, &mut steps)?;
                (Source::K(right), comparison)
            }
            (&Folded::Number(left), _) => {
                self.value(right, &mut steps)?;
                (Source::K(left), turned(comparison))
            }
            _ => {
                self.both(left, right, span, &mut steps)?;
                (Source::X, comparison)
            }
        };
        let (compare, holds) = match comparison {
            Comparison::Equal => (Compare::Equal, true),
            Comparison::NotEqual => (Compare::Equal, false),
            Comparison::Greater => (Compare::Greater, true),
            Comparison::LessOrEqual => (Compare::Greater, false),
            Comparison::GreaterOrEqual => (Compare::GreaterOrEqual, true),
            Comparison::Less => (Compare::GreaterOrEqual, false),
        };
        let test = match (compare, operand, steps.last()) {
            // `A & k = 0` is one instruction.
            (Compare::Equal, Source::K(0), Some(&Step::Compute(Operator::And, mask))) => {
                steps.pop();
                self.graph.test(steps, Compare::AnyBit, mask).not()
            }
            _ => self.graph.test(steps, compare, operand),
        };
        Ok(if holds { test } else { test.not() })
    }

    /// Adds the tests that every load needs, the inner ones first.
    fn tests_for(&mut self, value: &Folded<'_>, tests: &mut Option<Fragment>) -> Lowered<()> {
        match value {
            Folded::Number(_) | Folded::Length => Ok(()),
            Folded::Negate(inner) => self.tests_for(inner, tests),
            Folded::Binary { left, right, .. } => {
                self.tests_for(left, tests)?;
                self.tests_for(right, tests)
            }
            Folded::Load { protocol, offset, span, .. } => match protocol {
                Protocol::Link => self.tests_for(offset, tests),
                Protocol::Icmp6 => {
                    self.tests_for(offset, tests)?;
                    let is_ip = self.link_type(IPV6, span)?;
                    self.require(is_ip, tests);
                    let is_icmp = self.equal(self.layers.network.plus(6), Size::Byte, 58);
                    self.require(is_icmp, tests);
                    Ok(())
                }
                _ if is_over_ipv4(*protocol) => {
                    let is_ip = self.link_type(IPV4, span)?;
                    self.require(is_ip, tests);
                    self.tests_for(offset, tests)?;
                    let is_protocol = self.protocol(*protocol, span)?;
                    self.require(is_protocol, tests);
                    let first_fragment = self.first_fragment();
                    self.require(first_fragment, tests);
                    Ok(())
                }
                _ if is_network(*protocol) => {
                    self.tests_for(offset, tests)?;
                    let is_protocol = self.protocol(*protocol, span)?;
                    self.require(is_protocol, tests);
                    Ok(())
                }
                other => {
                    let message = format!("bytes of {} cannot be asked for", other.keyword());
                    Err(FilterError::new(message, (*span).clone()))
                }
            },
        }
    }

    fn require(&mut self, test: Fragment, tests: &mut Option<Fragment>) {
        *tests = Some(match tests.take() {
            Some(before) => self.graph.and(before, test),
            None => test,
        });
    }

    /// Steps that leave a value in A.
    fn value(&mut self, value: &Folded<'_>, steps: &mut Vec<Step>) -> Lowered<()> {
        match value {
            Folded::Number(number) => steps.push(Step::Immediate(*number)),
            Folded::Length => steps.push(Step::Length),
            Folded::Negate(inner) => {
                self.value(inner, steps)?;
                steps.push(Step::Negate);
            }
            Folded::Load { protocol, offset, size, span } => self.load(*protocol, offset, *size, span, steps)?,
            Folded::Binary { operator, left, right, span } => match &**right {
                Folded::Number(number) => {
                    self.value(left, steps)?;
                    steps.push(Step::Compute(*operator, Source::K(*number)));
                }
                right => {
                    self.both(left, right, span, steps)?;
                    steps.push(Step::Compute(*operator, Source::X));
                }
            },
        }
        Ok(())
    }

    /// Leaves one value in A and the other in X.
    fn both(&mut self, a: &Folded<'_>, x: &Folded<'_>, span: &Span, steps: &mut Vec<Step>) -> Lowered<()> {
        self.value(a, steps)?;
        let slot = self.take_slot(span)?;
        steps.push(Step::Store(slot));
        self.value(x, steps)?;
        steps.extend([Step::ToX, Step::Recall(slot)]);
        self.slots.in_use -= 1;
        Ok(())
    }

    fn load(
        &mut self,
        protocol: Protocol,
        offset: &Folded<'_>,
        size: Size,
        span: &Span,
        steps: &mut Vec<Step>,
    ) -> Lowered<()> {
        let behind_ipv4 = is_over_ipv4(protocol);
        let base = match protocol {
            Protocol::Link => self.layers.start,
            Protocol::Icmp6 => self.layers.network.plus(IPV6_HEADER),
            _ => self.layers.network,
        };
        if let &Folded::Number(offset) = offset {
            steps.extend(if behind_ipv4 { base.load_behind_ipv4(offset, size) } else { base.load(offset, size) });
            return Ok(());
        }
        self.value(offset, steps)?;
        match (base.slot, behind_ipv4) {
            (None, false) => steps.push(Step::ToX),
            (Some(slot), false) => {
                steps.extend([Step::RecallX(slot), Step::Compute(Operator::Add, Source::X), Step::ToX]);
            }
            (None, true) => {
                steps.extend(base.x_to_ipv4_end());
                steps.extend([Step::Compute(Operator::Add, Source::X), Step::ToX]);
            }
            (Some(_), true) => {
                let slot = self.take_slot(span)?;
                steps.push(Step::Store(slot));
                steps.extend(base.x_to_ipv4_end());
                steps.extend([Step::Recall(slot), Step::Compute(Operator::Add, Source::X), Step::ToX]);
                self.slots.in_use -= 1;
            }
        }
        steps.push(Step::LoadIndexed(size, base.offset));
        Ok(())
    }

    fn take_slot(&mut self, span: &Span) -> Lowered<u8> {
        let slot = self.slots.in_use;
        if usize::from(slot) >= SCRATCH_SLOTS {
            return Err(FilterError::new("the arithmetic needs more scratch memory than there is", span.clone()));
        }
        self.slots.in_use += 1;
        Ok(slot)
    }
}

/// Protocols whose bytes are behind an IPv4 header.
fn is_over_ipv4(protocol: Protocol) -> bool {
    use Protocol::{Carp, Icmp, Igmp, Igrp, Pim, Sctp, Tcp, Udp, Vrrp};
    matches!(protocol, Tcp | Udp | Sctp | Icmp | Igmp | Igrp | Pim | Vrrp | Carp)
}

/// Protocols whose bytes are behind the link header.
fn is_network(protocol: Protocol) -> bool {
    use Protocol::{AppleTalk, Arp, Decnet, Ip, Ip6, Lat, Mopdl, Moprc, Rarp, Sca};
    matches!(protocol, Ip | Ip6 | Arp | Rarp | AppleTalk | Decnet | Lat | Sca | Mopdl | Moprc)
}

/// The comparison with its sides exchanged.
fn turned(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal | Comparison::NotEqual => comparison,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
    }
}

fn fold(arithmetic: &Arithmetic) -> Lowered<Folded<'_>> {
    Ok(match &arithmetic.value {
        Value::Number(number) => Folded::Number(*number),
        Value::Length => Folded::Length,
        Value::Load { protocol, offset, size } => {
            let offset = Box::new(fold(offset)?);
            Folded::Load { protocol: *protocol, offset, size: *size, span: &arithmetic.span }
        }
        Value::Negate(inner) => match fold(inner)? {
            Folded::Number(number) => Folded::Number(number.wrapping_neg()),
            inner => Folded::Negate(Box::new(inner)),
        },
        Value::Binary { operator, left, right } => {
            let (left, folded) = (fold(left)?, fold(right)?);
            if let Folded::Number(number) = folded {
                check_constant(*operator, number, &right.span)?;
            }
            match (left, folded) {
                (Folded::Number(left), Folded::Number(right)) => {
                    // A divisor of zero was refused.
                    Folded::Number(machine::arithmetic(operator.code(), left, right).unwrap_or(0))
                }
                (left, right) => Folded::Binary {
                    operator: *operator,
                    left: Box::new(left),
                    right: Box::new(right),
                    span: &arithmetic.span,
                },
            }
        }
    })
}

fn check_constant(operator: Operator, right: u32, span: &Span) -> Lowered<()> {
    match operator {
        Operator::Divide | Operator::Remainder if right == 0 => Err(FilterError::new("division by zero", span.clone())),
        Operator::ShiftLeft | Operator::ShiftRight if right > 31 => {
            Err(FilterError::new("a shift by more than 31 bits", span.clone()))
        }
        _ => Ok(()),
    }
}

impl Operator {
    /// The operation bits of the instruction.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Add => code::ADD,
            Self::Subtract => code::SUB,
            Self::Multiply => code::MUL,
            Self::Divide => code::DIV,
            Self::Remainder => code::MOD,
            Self::And => code::AND,
            Self::Or => code::OR,
            Self::Xor => code::XOR,
            Self::ShiftLeft => code::LSH,
            Self::ShiftRight => code::RSH,
        }
    }
}
