//! Lines in columns.

use super::report::{Layout, Style};
use std::io::{self, Write};

/// Writes headings, tables and notes.
pub(super) struct Page<'a, W> {
    out: &'a mut W,
    layout: Layout,
    begun: bool,
}

/// How much a line should strike the eye.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Normal,
    Warning,
}

/// A row: a name on the left, numbers on the right.
pub(super) struct Row<const N: usize> {
    pub(super) name: String,
    pub(super) cells: [String; N],
    pub(super) tone: Tone,
}

impl<const N: usize> Row<N> {
    pub(super) fn new(name: impl Into<String>, cells: [String; N]) -> Self {
        Self { name: name.into(), cells, tone: Tone::Normal }
    }
}

impl<'a, W: Write> Page<'a, W> {
    pub(super) fn new(out: &'a mut W, layout: Layout) -> Self {
        Self { out, layout: Layout { width: layout.width.max(Layout::WIDTH_MIN), ..layout }, begun: false }
    }
    /// A heading, after an empty line unless it is the first.
    pub(super) fn heading(&mut self, text: &str) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            writeln!(self.out)?;
        }
        let text = fit(&printable(text), self.layout.width);
        match self.layout.style {
            Style::Plain => writeln!(self.out, "{text}"),
            Style::Ansi => writeln!(self.out, "\x1b[1m{text}\x1b[0m"),
        }
    }
    /// A name and what there is to say about it.
    pub(super) fn fact(&mut self, name: &str, value: &str) -> io::Result<()> {
        self.line(&format!("  {name:<9} {value}"), Tone::Normal)
    }
    /// A number and what it counts.
    pub(super) fn note(&mut self, number: &str, what: &str, tone: Tone) -> io::Result<()> {
        self.line(&format!("  {number:>9}  {}", printable(what)), tone)
    }
    /// A heading with column titles, and the rows below it. Numbers are aligned on the right; names are cut when the
    /// rows would be too wide.
    pub(super) fn table<const N: usize>(&mut self, title: &str, columns: [&str; N], rows: &[Row<N>]) -> io::Result<()> {
        let widths: [usize; N] = std::array::from_fn(|i| {
            rows.iter().map(|row| row.cells[i].len()).chain([columns[i].len(), CELL_MIN]).max().unwrap_or(0)
        });
        let numbers: usize = widths.iter().map(|w| w + 2).sum();
        let longest = rows.iter().map(|row| row.name.chars().count() + 2).chain([title.len()]).max().unwrap_or(0);
        let left = longest.clamp(NAME_MIN, self.layout.width.saturating_sub(numbers).max(NAME_MIN));
        self.heading(&columned(title, left, &columns.map(str::to_owned), &widths))?;
        for row in rows {
            let name = format!("  {}", printable(&row.name));
            self.line(&columned(&name, left, &row.cells, &widths), row.tone)?;
        }
        Ok(())
    }

    fn line(&mut self, text: &str, tone: Tone) -> io::Result<()> {
        let text = fit(text.trim_end(), self.layout.width);
        match (self.layout.style, tone) {
            (Style::Ansi, Tone::Warning) => writeln!(self.out, "\x1b[33m{text}\x1b[0m"),
            _ => writeln!(self.out, "{text}"),
        }
    }
}

fn columned<const N: usize>(name: &str, left: usize, cells: &[String; N], widths: &[usize; N]) -> String {
    let mut line = format!("{:<left$}", squeeze(name, left));
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str(&format!("  {cell:>width$}"));
    }
    line
}

/// `text` in at most `width` characters; what was cut off leaves `...` at its end.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(CUT.len())).collect();
    kept + CUT
}

/// `text` in at most `width` characters; what was cut out of it leaves `...` in its place. Both ends of a name say
/// more than its middle: `2001:db8:0:1:...db8::53]:53 UDP`.
fn squeeze(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(CUT.len());
    let tail = kept / 2;
    text.chars().take(kept - tail).chain(CUT.chars()).chain(text.chars().skip(length - tail)).collect()
}

/// A file name may hold anything; nothing in it may steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

const CUT: &str = "...";
const NAME_MIN: usize = 24;
const CELL_MIN: usize = 7;
