//! From tokens to a tree: the grammar of pcap-filter(7), by recursive descent.
//!
//! 1. `not` binds to the primitive behind it; `and` and `or` bind alike, from left to right.
//! 2. An identifier without qualifiers takes those of the primitive before it, if that was a qualified identifier. Behind
//!    anything else (a protocol, a relation, a closed group) it is refused.
//! 3. In a group that stands where an identifier is wanted, `port (80 or 443)`, only identifiers may stand.
//! 4. What begins with a number or a parenthesis can be an identifier, a group or arithmetic; which one it was is known
//!    when the next token is seen. So one function reads all three and answers with an [`Operand`].

mod arithmetic;
mod primitive;

use crate::ast::{Arithmetic, Condition, Id, Join, Kind, MAX_DEPTH, Qualifiers, Value};
use crate::error::{FilterError, Span};
use crate::lexer;
use crate::token::{Symbol, Token, TokenKind, Word};

/// The tree of an expression; `None` for an empty one.
///
/// # Errors
/// Where the text leaves the grammar.
pub(crate) fn parse(expression: &str) -> Result<Option<Condition>, FilterError> {
    let mut parser = Parser { tokens: lexer::tokens(expression)?, at: 0, depth: 0 };
    if parser.peek() == &TokenKind::End {
        return Ok(None);
    }
    let condition = parser.chain(&Inherited::Nothing)?.condition;
    if parser.peek() != &TokenKind::End {
        return Err(parser.unexpected("and, or, or the end"));
    }
    Ok(Some(condition))
}

type Parsed<T> = Result<T, FilterError>;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// The qualifiers that an identifier without its own takes over.
#[derive(Clone)]
enum Inherited {
    Nothing,
    From(Qualifiers),
}

/// A condition, and what an identifier behind it inherits.
struct Term {
    condition: Condition,
    leaves: Inherited,
    /// It was an identifier without qualifiers of its own, or a group of such.
    bare: bool,
}

/// What was read when it is not yet known what it is for.
enum Operand {
    Term(Term),
    Arithmetic(Arithmetic),
}

impl Parser {
    fn chain(&mut self, inherited: &Inherited) -> Parsed<Term> {
        let first = self.term(inherited)?;
        self.chain_behind(first)
    }

    /// What follows a term: any number of `and` and `or`, each with a term.
    fn chain_behind(&mut self, first: Term) -> Parsed<Term> {
        let Term { condition, mut leaves, bare } = first;
        let mut rest = Vec::new();
        while let Some(join) = self.join() {
            let start = self.span();
            let next = self.term(&leaves)?;
            if bare && !next.bare {
                return Err(FilterError::new("only identifiers may stand in a group that began with one", start));
            }
            leaves = next.leaves;
            rest.push((join, next.condition));
        }
        let condition = if rest.is_empty() { condition } else { Condition::Chain(Box::new(condition), rest) };
        Ok(Term { condition, leaves, bare })
    }

    fn join(&mut self) -> Option<Join> {
        let join = match self.peek() {
            TokenKind::Word(Word::And) => Join::And,
            TokenKind::Word(Word::Or) => Join::Or,
            _ => return None,
        };
        self.at += 1;
        Some(join)
    }

    fn term(&mut self, inherited: &Inherited) -> Parsed<Term> {
        if self.take_word(Word::Not) {
            let inner = self.nested(|parser| parser.term(inherited))?;
            return Ok(Term { condition: Condition::Not(Box::new(inner.condition)), ..inner });
        }
        let operand = self.operand(inherited)?;
        self.finish_operand(operand, inherited)
    }

    /// The condition that an operand is, alone or as the left side of a relation.
    fn finish_operand(&mut self, operand: Operand, inherited: &Inherited) -> Parsed<Term> {
        match operand {
            Operand::Term(term) => Ok(term),
            Operand::Arithmetic(value) => {
                let left = self.arithmetic_behind(value)?;
                match (&left.value, self.is_comparison()) {
                    (&Value::Number(number), false) => self.bare_id(Id::Number(number), left.span, inherited),
                    _ => Ok(Term {
                        condition: Condition::Relation(self.relation_behind(left)?),
                        leaves: Inherited::Nothing,
                        bare: false,
                    }),
                }
            }
        }
    }

    /// A primitive, a group, or the first operand of arithmetic.
    fn operand(&mut self, inherited: &Inherited) -> Parsed<Operand> {
        match self.peek() {
            TokenKind::Symbol(Symbol::Open) => self.group(inherited),
            TokenKind::Number(_) | TokenKind::Word(Word::Len) | TokenKind::Symbol(Symbol::Minus) => {
                self.arithmetic_operand().map(Operand::Arithmetic)
            }
            TokenKind::Word(Word::Protocol(_)) if self.peek_second() == &TokenKind::Symbol(Symbol::OpenIndex) => {
                self.arithmetic_operand().map(Operand::Arithmetic)
            }
            TokenKind::Word(_) => self.primitive().map(Operand::Term),
            _ => {
                let span = self.span();
                let id = self.id()?;
                self.bare_id(id, span.start..self.last_end(), inherited).map(Operand::Term)
            }
        }
    }

    /// A parenthesis and all up to its end, which may turn out to be arithmetic.
    fn group(&mut self, inherited: &Inherited) -> Parsed<Operand> {
        let open = self.span();
        self.at += 1;
        let operand = self.nested(|parser| {
            if parser.peek() == &TokenKind::Word(Word::Not) {
                return parser.chain(inherited).map(Operand::Term);
            }
            match parser.operand(inherited)? {
                Operand::Arithmetic(value) => {
                    let value = parser.arithmetic_behind(value)?;
                    if parser.peek() == &TokenKind::Symbol(Symbol::Close) {
                        return Ok(Operand::Arithmetic(value));
                    }
                    let first = parser.finish_operand(Operand::Arithmetic(value), inherited)?;
                    parser.chain_behind(first).map(Operand::Term)
                }
                Operand::Term(first) => parser.chain_behind(first).map(Operand::Term),
            }
        })?;
        if !self.take_symbol(Symbol::Close) {
            return Err(self.unclosed(open, ")"));
        }
        Ok(match operand {
            // A group of primitives leaves nothing behind; one of identifiers leaves what it was given.
            Operand::Term(term) if !term.bare => Operand::Term(Term { leaves: Inherited::Nothing, ..term }),
            other => other,
        })
    }

    fn bare_id(&mut self, id: Id, span: Span, inherited: &Inherited) -> Parsed<Term> {
        match inherited {
            Inherited::From(qualifiers) => Ok(Term {
                condition: Condition::Id(qualifiers.clone(), id, span),
                leaves: inherited.clone(),
                bare: true,
            }),
            Inherited::Nothing => Err(FilterError::new(
                "an identifier needs a qualifier (host, net, port, src, dst, proto, …) before it",
                span,
            )),
        }
    }

    /// The identifiers behind qualifiers: one, a negated one, or a group.
    fn qualified(&mut self, qualifiers: Qualifiers) -> Parsed<Term> {
        let inherited = Inherited::From(qualifiers);
        let start = self.span();
        let term = match self.peek() {
            TokenKind::Number(number) => {
                let id = Id::Number(*number);
                self.at += 1;
                return self.bare_id(id, start, &inherited).map(|term| Term { bare: false, ..term });
            }
            TokenKind::Word(Word::Not) | TokenKind::Symbol(Symbol::Open) => self.term(&inherited)?,
            _ => {
                let id = self.id()?;
                self.bare_id(id, start.start..self.last_end(), &inherited)?
            }
        };
        if !term.bare {
            return Err(FilterError::new("qualifiers need an identifier behind them", start));
        }
        Ok(Term { bare: false, ..term })
    }

    /// An identifier that is more than a number.
    fn id(&mut self) -> Parsed<Id> {
        let id = match self.peek().clone() {
            TokenKind::Name(name) => Id::Name(name),
            TokenKind::Dotted(dotted) => Id::Dotted(dotted),
            TokenKind::Ipv6(address) => Id::Ipv6(address),
            TokenKind::Mac(mac) => Id::Mac(mac),
            TokenKind::Number(number) => Id::Number(number),
            TokenKind::Word(Word::Protocol(protocol)) => {
                let word = protocol.keyword();
                let message = format!("{word} is a keyword here; its name is written with a backslash, \\{word}");
                return Err(FilterError::new(message, self.span()));
            }
            _ => return Err(self.unexpected("an identifier")),
        };
        self.at += 1;
        match id {
            Id::Dotted(address) if self.take_symbol(Symbol::Divide) => {
                Ok(Id::Prefix(address, self.number("a length")?))
            }
            Id::Ipv6(address) if self.take_symbol(Symbol::Divide) => Ok(Id::Prefix6(address, self.number("a length")?)),
            Id::Dotted(address) if self.take_word(Word::Mask) => match self.peek() {
                &TokenKind::Dotted(mask) => {
                    self.at += 1;
                    Ok(Id::Masked(address, mask))
                }
                _ => Err(self.unexpected("a mask, as 255.255.0.0")),
            },
            id => Ok(id),
        }
    }

    /// Guards the stack: every way in which the text can nest goes through here.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return Err(FilterError::new(format!("nested more than {MAX_DEPTH} deep"), self.span()));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn number(&mut self, wanted: &str) -> Parsed<u32> {
        match *self.peek() {
            TokenKind::Number(number) => {
                self.at += 1;
                Ok(number)
            }
            _ => Err(self.unexpected(wanted)),
        }
    }

    fn take_word(&mut self, word: Word) -> bool {
        self.take(&TokenKind::Word(word))
    }

    fn take_symbol(&mut self, symbol: Symbol) -> bool {
        self.take(&TokenKind::Symbol(symbol))
    }

    fn take(&mut self, kind: &TokenKind) -> bool {
        let found = self.peek() == kind;
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> &TokenKind {
        &self.token(self.at).kind
    }

    fn peek_second(&self) -> &TokenKind {
        &self.token(self.at + 1).kind
    }

    fn span(&self) -> Span {
        self.token(self.at).span.clone()
    }

    /// Where the token before this one ends.
    fn last_end(&self) -> usize {
        self.token(self.at.saturating_sub(1)).span.end
    }

    /// The token at an index; the end goes on forever.
    fn token(&self, at: usize) -> &Token {
        &self.tokens[at.min(self.tokens.len() - 1)]
    }

    fn unexpected(&self, wanted: &str) -> FilterError {
        let message = match self.peek() {
            TokenKind::End => format!("{wanted} is missing at the end"),
            TokenKind::Word(Word::Unsupported(why)) => format!("the word here {why}"),
            _ => format!("{wanted} is wanted here"),
        };
        FilterError::new(message, self.span())
    }

    fn unclosed(&self, open: Span, close: &str) -> FilterError {
        match self.peek() {
            TokenKind::End => FilterError::new(format!("{close} for this is missing"), open),
            _ => self.unexpected(close),
        }
    }
}

impl Qualifiers {
    /// Whether an identifier without a kind can follow directly.
    fn names_something(&self) -> bool {
        self.kind != Kind::Unsaid || self.direction != crate::ast::Direction::Unsaid
    }
}
