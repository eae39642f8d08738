//! What is wrong with an expression, and where.

use core::fmt;
use core::ops::Range;

/// Bytes of the expression.
pub(crate) type Span = Range<usize>;

/// Why an expression is refused: one sentence and the bytes of the expression it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterError {
    message: String,
    span: Span,
}

impl FilterError {
    pub(crate) fn new(message: impl Into<String>, span: Span) -> Self {
        Self { message: message.into(), span }
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where, in bytes of the expression. It starts and ends at characters; it is empty at the end of the expression,
    /// where something is missing.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The message, the expression (the line of it that is meant), and carets under the place.
    #[must_use]
    pub fn render(&self, expression: &str) -> String {
        let before = expression.get(..self.span.start).unwrap_or(expression);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = expression[line_start..].lines().next().unwrap_or("");
        // Under a character of a line, a tab stays a tab, so that the caret stands where the word does.
        let indent: String = before[line_start..].chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let meant = expression.get(self.span.clone()).unwrap_or("").lines().next().unwrap_or("");
        let carets = "^".repeat(meant.chars().count().max(1));
        format!("{}\n  {line}\n  {indent}{carets}", self.message)
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FilterError {}
