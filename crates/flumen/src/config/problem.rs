//! What can be wrong with a configuration, said so that it can be mended.

use std::fmt;

use super::node::Origin;

/// One thing that is wrong, or, as a warning, odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Origin,
    /// What, and what would be right.
    pub text: String,
}

/// Everything that is wrong with a configuration. Never empty when it is returned as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    /// A problem at a place.
    #[must_use]
    pub fn new(at: &Origin, text: impl Into<String>) -> Self {
        Self { at: at.clone(), text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.text)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index == SHOWN_MAX {
                return write!(f, "\nand {} more", self.0.len() - SHOWN_MAX);
            }
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// The text for a message: no line breaks, and not more of it than a person reads.
#[must_use]
pub fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(TEXT_MAX).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(TEXT_MAX).is_some() {
        short.push('…');
    }
    short
}

/// Characters of a text in a message.
const TEXT_MAX: usize = 80;
/// Problems shown; a file of another kind altogether would fill the screen.
const SHOWN_MAX: usize = 20;
