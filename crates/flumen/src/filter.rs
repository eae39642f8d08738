//! A filter expression of the command line: one program for each link type that a capture turns out to have.
//!
//! An expression can be wrong in itself, which is known before anything is opened, or need a header that the frames of a
//! capture do not have, which is known when its first frame comes.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use flumen_engine::FrameFilter;
use flumen_filter::{Filter, FilterError, LinkLayer};
use flumen_model::PacketBatch;
use flumen_wire::LinkType;

/// An expression that is right on some link at least.
#[derive(Clone, Debug)]
pub struct Expression {
    text: Arc<str>,
    programs: Arc<Programs>,
}

/// The programs that were needed so far, by the number of their link type.
type Programs = [OnceLock<Result<Filter, FilterError>>; LINKS.len()];

/// An expression that is refused: what is wrong, with a caret under the word.
#[derive(Debug)]
pub struct Refused(String);

impl Refused {
    /// What is wrong with `text`.
    pub(crate) fn new(error: &FilterError, text: &str) -> Self {
        Self(error.render(text))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl Expression {
    /// Takes an expression as it was typed; an empty one is none.
    ///
    /// # Errors
    /// When it is wrong on every link; the error is that of Ethernet.
    pub fn new(text: &str) -> Result<Option<Self>, Refused> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let expression = Self { text: text.into(), programs: Arc::default() };
        let on_ethernet = expression.program(LinkType::Ethernet);
        match on_ethernet {
            Some(Err(error)) if !LINKS.iter().any(|&link| expression.check(link).is_ok()) => {
                Err(Refused(error.render(text)))
            }
            _ => Ok(Some(expression)),
        }
    }

    /// The words behind the captures, an option, or a file of it (`-F`), of which at most one is given.
    ///
    /// # Errors
    /// When the file cannot be read, or as [`Expression::new`].
    pub fn given(words: &[String], text: Option<&str>, file: Option<&Path>) -> anyhow::Result<Option<Self>> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| anyhow::anyhow!("{}: the filter cannot be read: {error}", path.display()))?,
            None => text.map_or_else(|| words.join(" "), ToOwned::to_owned),
        };
        Ok(Self::new(text.trim_end())?)
    }

    /// The expression at the end of a list of captures, which it is taken from: it begins with the first word, after the
    /// first of all, that is no file. So a file may be called as a word of filters is, and what is misspelt is no filter.
    ///
    /// # Errors
    /// When these words are no expression.
    pub fn behind(captures: &mut Vec<PathBuf>) -> Result<Option<Self>, Refused> {
        let is_word = |path: &PathBuf| path.to_str().is_some() && path != Path::new("-") && !is_there(path);
        let Some(begin) = captures.iter().skip(1).position(is_word).map(|at| at + 1) else { return Ok(None) };
        let words: Vec<_> = captures[begin..].iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let expression = Self::new(&words.join(" "))
            .map_err(|Refused(what)| Refused(format!("{}: no such file and no filter: {what}", words[0])))?;
        captures.truncate(begin);
        Ok(expression)
    }

    /// The expression as it was typed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is a program for every frame of a batch of `source`.
    ///
    /// # Errors
    /// What is missing on the link of one of them.
    pub fn check_batch(&self, batch: &PacketBatch, source: &str) -> Result<(), Refused> {
        let mut checked = None;
        for entry in batch.entries().iter().filter(|entry| checked.replace(entry.link) != Some(entry.link)) {
            self.check(entry.link).map_err(|Refused(what)| Refused(format!("{source}: {what}")))?;
        }
        Ok(())
    }

    /// Whether there is a program for frames of `link`.
    ///
    /// # Errors
    /// What is missing on this link.
    pub fn check(&self, link: LinkType) -> Result<(), Refused> {
        match self.program(link) {
            Some(Err(error)) => Err(Refused(error.render(&self.text))),
            _ => Ok(()),
        }
    }

    /// The filter as the engine takes it. Frames of a link without a program are taken: [`Expression::check`] comes first.
    #[must_use]
    pub fn for_engine(&self) -> FrameFilter {
        let expression = self.clone();
        FrameFilter::new(move |link, frame, wire_len| match expression.program(link) {
            Some(Ok(program)) => program.matches(frame, wire_len),
            _ => true,
        })
    }

    /// The program for a link, compiled when it is first needed. None for links that are not decoded: their frames are
    /// counted as such, whatever the filter.
    fn program(&self, link: LinkType) -> Option<&Result<Filter, FilterError>> {
        let place = LINKS.iter().position(|&known| known == link)?;
        let layer = layer(link);
        Some(self.programs[place].get_or_init(|| Filter::compile(&self.text, layer, 0)))
    }
}

/// Whether there is something of this name, also when it cannot be looked at. A filter in one word may be too long for one.
fn is_there(path: &Path) -> bool {
    use ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    match path.symlink_metadata() {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), NotFound | NotADirectory | InvalidFilename | InvalidInput),
    }
}

/// What a filter calls a link type.
pub(crate) const fn layer(link: LinkType) -> LinkLayer {
    match link {
        LinkType::Ethernet => LinkLayer::Ethernet,
        LinkType::Null => LinkLayer::Null,
        LinkType::Raw => LinkLayer::Raw,
        LinkType::Ipv4 => LinkLayer::Ipv4,
        LinkType::Ipv6 => LinkLayer::Ipv6,
        LinkType::Ppp => LinkLayer::Ppp,
        LinkType::Chdlc => LinkLayer::CiscoHdlc,
        LinkType::Sll => LinkLayer::Sll,
        LinkType::Sll2 => LinkLayer::Sll2,
        LinkType::GreOverIp => LinkLayer::Other(778),
        LinkType::Unsupported => LinkLayer::Other(u32::MAX),
    }
}

/// The link types that are decoded, the commonest first.
const LINKS: [LinkType; 10] = [
    LinkType::Ethernet,
    LinkType::Raw,
    LinkType::Sll,
    LinkType::Sll2,
    LinkType::Null,
    LinkType::Ipv4,
    LinkType::Ipv6,
    LinkType::Ppp,
    LinkType::Chdlc,
    LinkType::GreOverIp,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scratch::Scratch;

    #[test]
    fn expression_that_is_wrong_everywhere_then_a_caret() {
        let refused = Expression::new("tcp prot 80").expect_err("refused").to_string();
        assert!(refused.ends_with("  tcp prot 80\n      ^^^^"), "{refused}");
        assert!(Expression::new("  ").expect("none").is_none());
    }

    #[test]
    fn words_behind_captures_then_a_filter_from_the_first_that_is_no_file() {
        let scratch = Scratch::new("filter-words");
        ["a.pcap", "udp"].iter().for_each(|name| scratch.write(name, ""));
        let (a, udp) = (scratch.path("a.pcap"), scratch.path("udp"));
        let behind = |words: &[&str]| {
            let mut captures = vec![a.clone(), udp.clone()];
            captures.extend(words.iter().map(PathBuf::from));
            let expression = Expression::behind(&mut captures).map_err(|refused| refused.to_string())?;
            Ok::<_, String>((captures.len(), expression.map(|expression| expression.text().to_owned())))
        };
        let long = vec!["port 80"; 200].join(" or ");
        assert_eq!(behind(&[]), Ok((2, None)));
        assert_eq!(behind(&["-"]), Ok((3, None)));
        assert_eq!(behind(&["tcp", "port", "80"]), Ok((2, Some("tcp port 80".to_owned()))));
        assert_eq!(behind(&["net 10.0.0.0/8"]), Ok((2, Some("net 10.0.0.0/8".to_owned()))));
        assert_eq!(behind(&[&long]), Ok((2, Some(long.clone()))));
        let refused = behind(&["b.pcap", "tcp"]).expect_err("misspelt");
        assert!(refused.starts_with("b.pcap: no such file and no filter: "), "{refused}");
        assert!(refused.ends_with("  b.pcap tcp\n  ^^^^^^"), "{refused}");
        // The first word is a file, there or not.
        let mut alone = vec![PathBuf::from("tcp")];
        assert!(Expression::behind(&mut alone).expect("a file").is_none() && alone.len() == 1);
    }

    #[test]
    fn expression_that_needs_a_link_header_then_right_there_alone() {
        let expression = Expression::new("ether host 02:00:00:00:00:01").expect("right").expect("one");
        assert!(expression.check(LinkType::Ethernet).is_ok());
        assert!(expression.check(LinkType::Raw).expect_err("no such header").to_string().contains('^'));
        assert!(expression.check(LinkType::Unsupported).is_ok(), "not decoded whatever it says");
    }
}
