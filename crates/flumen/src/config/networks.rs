//! The hosts that a key of `host-os-policy` or `defrag.host-config` names, as text.

use std::fmt;

use flumen_table::Network;

use super::value::quoted;

/// Networks in the order given; a single address is a network of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<Network>);

impl Networks {
    /// What is accepted, for a message.
    pub const ACCEPTED: &'static str =
        "IPv4 or IPv6 addresses, each with or without / and the bits that count, such as [10.0.0.0/8, \"2001:db8::1\"]";

    /// Reads an address or network, or a list of them with commas, which may stand in brackets and may then be empty;
    /// `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let list = match text.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?.trim(),
            None => text,
        };
        if list.is_empty() && list.len() < text.len() {
            return Some(Self::default());
        }
        list.split(',').map(|item| item.trim().parse().ok()).collect::<Option<_>>().map(Self)
    }
}

impl fmt::Display for Networks {
    /// As a list in YAML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<_> = self.0.iter().map(|network| quoted(&network.to_string())).collect();
        write!(f, "[{}]", items.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_in_every_spelling_then_the_list() {
        let cases = [
            ("10.0.0.1", "[10.0.0.1]"),
            ("10.1.2.3/8", "[10.0.0.0/8]"),
            ("[0.0.0.0/0, ::/0]", "[0.0.0.0/0, \"::/0\"]"),
            (" 10.0.0.0/8 ,2001:DB8::1", "[10.0.0.0/8, \"2001:db8::1\"]"),
            ("[]", "[]"),
            ("[ ]", "[]"),
        ];
        for (text, written) in cases {
            let networks = Networks::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(networks.to_string(), written, "{text}");
        }
    }

    #[test]
    fn not_networks_then_refused() {
        for text in
            ["", "[", "10.0.0.0/33", "10.0.0.0/8,", "[,]", "any", "!10.0.0.1", "10.0.0.1-10.0.0.9", "[[10.0.0.1]]"]
        {
            assert_eq!(Networks::parse(text), None, "{text}");
        }
    }
}
