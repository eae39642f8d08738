//! Where the headers of a frame are, at a place of the text.

use crate::ast::{Operator, Size};
use crate::graph::{Source, Step};
use crate::link::LinkLayer;

/// A byte of the frame: counted from its start, or from a position that was computed and put into a scratch slot.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Position {
    pub(super) slot: Option<u8>,
    pub(super) offset: u32,
}

impl Position {
    pub(super) const fn fixed(offset: u32) -> Self {
        Self { slot: None, offset }
    }

    pub(super) const fn from_slot(slot: u8) -> Self {
        Self { slot: Some(slot), offset: 0 }
    }

    #[must_use]
    pub(super) const fn plus(self, bytes: u32) -> Self {
        Self { offset: self.offset.wrapping_add(bytes), ..self }
    }

    /// A = bytes at this position and `more`.
    pub(super) fn load(self, more: u32, size: Size) -> Vec<Step> {
        let offset = self.offset.wrapping_add(more);
        match self.slot {
            None => vec![Step::Load(size, within_frames(offset))],
            Some(slot) => vec![Step::RecallX(slot), Step::LoadIndexed(size, offset)],
        }
    }

    /// A = bytes at `more` behind the IPv4 header that is here.
    pub(super) fn load_behind_ipv4(self, more: u32, size: Size) -> Vec<Step> {
        let mut steps = self.x_to_ipv4_end();
        steps.push(Step::LoadIndexed(size, self.offset.wrapping_add(more)));
        steps
    }

    /// X = what has to be added to `offset` to be at the end of the IPv4 header that is here. A survives where the
    /// position is fixed.
    pub(super) fn x_to_ipv4_end(self) -> Vec<Step> {
        match self.slot {
            None => vec![Step::Ipv4HeaderLength(within_frames(self.offset))],
            Some(slot) => vec![
                Step::RecallX(slot),
                Step::LoadIndexed(Size::Byte, self.offset),
                Step::Compute(Operator::And, Source::K(0xf)),
                Step::Compute(Operator::ShiftLeft, Source::K(2)),
                Step::Compute(Operator::Add, Source::X),
                Step::ToX,
            ],
        }
    }
}

/// No frame has bytes beyond 2 GiB, where an offset below the start of the frame comes out: any such load fails.
fn within_frames(offset: u32) -> u32 {
    offset.min(i32::MAX as u32)
}

/// What the text has said about the headers so far.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    /// Kind of the innermost link header.
    pub(super) link: LinkLayer,
    /// Where that header begins.
    pub(super) start: Position,
    /// Where its field of what follows is; not all have one.
    pub(super) kind: Option<Position>,
    /// Where the network header begins.
    pub(super) network: Position,
    /// How many MPLS labels were passed.
    pub(super) labels: u32,
    /// The slots of a Geneve header that was passed.
    pub(super) geneve: Option<GeneveSlots>,
}

/// What the test for Geneve leaves in scratch slots.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct GeneveSlots {
    /// Where the field of what follows is: in the Geneve header, or in the Ethernet header inside.
    pub(super) kind: u8,
    /// Where the Geneve header ends.
    pub(super) inner: u8,
    /// Where the network header begins; the same as `inner` when there is no Ethernet inside.
    pub(super) network: u8,
}

impl Layers {
    pub(super) fn of(link: LinkLayer) -> Self {
        let (kind, network) = match link {
            LinkLayer::Ethernet => (Some(12), 14),
            LinkLayer::Null | LinkLayer::Loop => (Some(0), 4),
            LinkLayer::Raw | LinkLayer::Ipv4 | LinkLayer::Ipv6 | LinkLayer::Other(_) => (None, 0),
            LinkLayer::Ppp | LinkLayer::PppSerial | LinkLayer::CiscoHdlc => (Some(2), 4),
            LinkLayer::PppEther => (Some(6), 8),
            LinkLayer::Sll => (Some(14), 16),
            LinkLayer::Sll2 => (Some(0), 20),
        };
        Self {
            link,
            start: Position::fixed(0),
            kind: kind.map(Position::fixed),
            network: Position::fixed(network),
            labels: 0,
            geneve: None,
        }
    }

    /// Where the OSI network header begins: behind the three bytes of LLC on Ethernet, and one byte of padding on HDLC.
    pub(super) fn osi(&self) -> Position {
        match self.link {
            LinkLayer::Ethernet => self.network.plus(3),
            LinkLayer::CiscoHdlc => self.network.plus(1),
            _ => self.network,
        }
    }
}
