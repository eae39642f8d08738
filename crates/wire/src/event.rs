//! Decoder events: what can be wrong with a packet, one counter each, named as Suricata names them.

/// A decoder event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Event {
    /// `decoder.event.ipv4.pkt_too_small`
    Ipv4PktTooSmall,
}

impl Event {
    /// How many events there are.
    pub const COUNT: usize = 1;
    /// All events.
    pub const ALL: [Self; Self::COUNT] = [Self::Ipv4PktTooSmall];

    /// Name of the counter, `decoder.event.…`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        "decoder.event.ipv4.pkt_too_small"
    }
}
