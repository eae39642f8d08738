//! Arithmetic: numbers, `len`, bytes of headers, operators, and the relation of two of them.
//!
//! From loose to tight: `|`, `&`, shifts, `+ -`, `* /`, unary minus; each from left to right. `%` and `^` came to the
//! language later and without a place in that order: they take one operand to their left and everything to their right.
//! That is how libpcap reads them, so it is kept: `1 ^ 2 + 3` is `1 ^ (2 + 3)`, and `1 + 7 % 4` is `1 + (7 % 4)`.

use super::{Parsed, Parser};
use crate::ast::{Arithmetic, Comparison, MAX_DEPTH, Operator, Relation, Size, Value};
use crate::error::FilterError;
use crate::token::{Symbol, TokenKind, Word};

impl Parser {
    pub(super) fn is_comparison(&self) -> bool {
        comparison(self.peek()).is_some()
    }

    /// The comparison and the right side, behind a left side.
    pub(super) fn relation_behind(&mut self, left: Arithmetic) -> Parsed<Relation> {
        let Some(comparison) = comparison(self.peek()) else {
            return Err(self.unexpected("a comparison (=, !=, <, <=, >, >=)"));
        };
        self.at += 1;
        let right = self.arithmetic()?;
        let span = left.span.start..right.span.end;
        Ok(Relation { left, comparison, right, span })
    }

    fn arithmetic(&mut self) -> Parsed<Arithmetic> {
        let first = self.arithmetic_operand()?;
        self.arithmetic_behind(first)
    }

    /// All operators behind a first operand.
    pub(super) fn arithmetic_behind(&mut self, first: Arithmetic) -> Parsed<Arithmetic> {
        let first = self.greedy_behind(first)?;
        self.operators_from(first, 0)
    }

    /// Operators that bind at least as tightly as a level, by precedence climbing.
    fn operators_from(&mut self, mut left: Arithmetic, level: u8) -> Parsed<Arithmetic> {
        while let Some((operator, own)) = operator(self.peek())
            && own >= level
        {
            self.at += 1;
            let right = self.nested(|parser| {
                let right = parser.arithmetic_operand()?;
                parser.operators_from(right, own + 1)
            })?;
            left = self.binary(operator, left, right)?;
        }
        Ok(left)
    }

    /// One operand, and what a `%` or `^` behind it takes.
    pub(super) fn arithmetic_operand(&mut self) -> Parsed<Arithmetic> {
        let start = self.span();
        let operand = match *self.peek() {
            TokenKind::Number(number) => self.leaf(Value::Number(number)),
            TokenKind::Word(Word::Len) => self.leaf(Value::Length),
            TokenKind::Word(Word::Protocol(_)) if self.peek_second() == &TokenKind::Symbol(Symbol::OpenIndex) => {
                self.nested(Self::load)?
            }
            TokenKind::Symbol(Symbol::Minus) => {
                self.at += 1;
                let inner = self.nested(Self::arithmetic_operand)?;
                let span = start.start..inner.span.end;
                Arithmetic { height: inner.height + 1, value: Value::Negate(Box::new(inner)), span }
            }
            TokenKind::Symbol(Symbol::Open) => {
                self.at += 1;
                let inner = self.nested(Self::arithmetic)?;
                if !self.take_symbol(Symbol::Close) {
                    return Err(self.unclosed(start, ")"));
                }
                inner
            }
            _ => return Err(self.unexpected("a number, len, or bytes of a header (as ip[0])")),
        };
        self.greedy_behind(operand)
    }

    fn greedy_behind(&mut self, left: Arithmetic) -> Parsed<Arithmetic> {
        let operator = match self.peek() {
            TokenKind::Symbol(Symbol::Remainder) => Operator::Remainder,
            TokenKind::Symbol(Symbol::Xor) => Operator::Xor,
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.nested(Self::arithmetic)?;
        self.binary(operator, left, right)
    }

    fn leaf(&mut self, value: Value) -> Arithmetic {
        let span = self.span();
        self.at += 1;
        Arithmetic { value, height: 1, span }
    }

    fn binary(&mut self, operator: Operator, left: Arithmetic, right: Arithmetic) -> Parsed<Arithmetic> {
        let span = left.span.start..right.span.end;
        let height = left.height.max(right.height) + 1;
        if height > MAX_DEPTH {
            return Err(FilterError::new(format!("more than {MAX_DEPTH} operators in a row"), span));
        }
        let value = Value::Binary { operator, left: Box::new(left), right: Box::new(right) };
        Ok(Arithmetic { value, height, span })
    }

    /// `protocol [ offset : size ]`.
    fn load(&mut self) -> Parsed<Arithmetic> {
        let start = self.span();
        let &TokenKind::Word(Word::Protocol(protocol)) = self.peek() else {
            return Err(self.unexpected("a protocol"));
        };
        self.at += 1;
        let open = self.span();
        self.at += 1;
        let offset = self.arithmetic()?;
        let size = if self.take_symbol(Symbol::Colon) { self.size()? } else { Size::Byte };
        if !self.take_symbol(Symbol::CloseIndex) {
            return Err(self.unclosed(open, "]"));
        }
        let height = offset.height + 1;
        let value = Value::Load { protocol, offset: Box::new(offset), size };
        Ok(Arithmetic { value, height, span: start.start..self.last_end() })
    }

    fn size(&mut self) -> Parsed<Size> {
        let span = self.span();
        match self.number("a size of 1, 2 or 4 bytes")? {
            1 => Ok(Size::Byte),
            2 => Ok(Size::Half),
            4 => Ok(Size::Word),
            _ => Err(FilterError::new("a size is 1, 2 or 4 bytes", span)),
        }
    }
}

fn comparison(kind: &TokenKind) -> Option<Comparison> {
    let TokenKind::Symbol(symbol) = kind else { return None };
    Some(match symbol {
        Symbol::Equal => Comparison::Equal,
        Symbol::NotEqual => Comparison::NotEqual,
        Symbol::Greater => Comparison::Greater,
        Symbol::GreaterOrEqual => Comparison::GreaterOrEqual,
        Symbol::Less => Comparison::Less,
        Symbol::LessOrEqual => Comparison::LessOrEqual,
        _ => return None,
    })
}

/// An operator of the usual order, and how tightly it binds.
fn operator(kind: &TokenKind) -> Option<(Operator, u8)> {
    let TokenKind::Symbol(symbol) = kind else { return None };
    Some(match symbol {
        Symbol::Or => (Operator::Or, 0),
        Symbol::And => (Operator::And, 1),
        Symbol::ShiftLeft => (Operator::ShiftLeft, 2),
        Symbol::ShiftRight => (Operator::ShiftRight, 2),
        Symbol::Plus => (Operator::Add, 3),
        Symbol::Minus => (Operator::Subtract, 3),
        Symbol::Times => (Operator::Multiply, 4),
        Symbol::Divide => (Operator::Divide, 4),
        _ => return None,
    })
}
