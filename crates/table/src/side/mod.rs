//! What only some configurations keep of a flow, apart from the flow, so that who does not ask for it does not pay.
//!
//! The side of a flow is a run of words, laid out once for a table ([`SideLayout`]). The store has one for every slot,
//! in memory of its own that is charged, taken and given back together with the slot's block.
//!
//! 1. Words that are all zero are the side of a flow of which nothing was noted yet.
//! 2. Like the body, a side is read and written only under the lock of its flow's row, or by who owns the flow alone.
//! 3. Its size is fixed by the configuration: whatever a flow does, nothing here grows.

mod macs;
mod rate;
mod update;

pub(crate) use update::LastUpdate;

use flumen_model::record::MacSet;
use flumen_model::{Direction, Span};

use crate::config::TableConfig;
use crate::counters::LookupCounters;
use crate::flow::{Beginning, FlowBody};
use crate::lookup::PacketView;
use macs::MACS_MAX;
use rate::RateLayout;

/// What is kept beside every flow of a table, and in which of its words: MAC addresses, byte rates, the last update.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SideLayout {
    macs_max: usize,
    rate: Option<RateLayout>,
    active_timeout: Option<Span>,
}

/// The side of one flow.
#[derive(Debug)]
pub(crate) struct Side<'s> {
    layout: &'s SideLayout,
    words: &'s mut [u64],
}

impl SideLayout {
    /// The layout that a configuration asks for; `None` when it asks for nothing.
    pub(crate) fn of(config: &TableConfig) -> Option<Self> {
        let layout = Self {
            macs_max: config.macs_max.unwrap_or(0).min(MACS_MAX),
            rate: config.rate_tracking.map(RateLayout::of),
            active_timeout: config.active_timeout,
        };
        (layout.words() > 0).then_some(layout)
    }
    /// Words of a flow.
    pub(crate) const fn words(&self) -> usize {
        let update = if self.active_timeout.is_some() { update::WORDS } else { 0 };
        2 * self.macs_max + self.rate_words() + update
    }
    const fn rate_words(&self) -> usize {
        match &self.rate {
            Some(rate) => 2 * rate.words(),
            None => 0,
        }
    }
    /// The MAC addresses in the words of a flow; `None` when they are not collected.
    pub(crate) fn macs(&self, words: &[u64]) -> Option<Box<MacSet>> {
        (self.macs_max > 0).then(|| Box::new(macs::set(&words[..2 * self.macs_max])))
    }
}

impl<'s> Side<'s> {
    /// A side of the words of a flow, as many as the layout says.
    pub(crate) fn new(layout: &'s SideLayout, words: &'s mut [u64]) -> Self {
        debug_assert_eq!(words.len(), layout.words());
        Self { layout, words }
    }

    /// Takes a packet that `body` has counted in `direction`.
    pub(crate) fn packet(
        &mut self,
        body: &mut FlowBody,
        beginning: &Beginning,
        direction: Direction,
        view: &PacketView<'_>,
        counters: &mut LookupCounters,
    ) {
        let layout = self.layout;
        let (macs, rates) = self.pairs();
        if let (false, Some(seen)) = (macs.is_empty(), view.macs) {
            macs::add(macs, *seen, direction, counters);
        }
        if let Some(rate) = &layout.rate {
            rate.add(rates, body, beginning, direction, view, counters);
        }
    }

    /// Client and server of the flow have turned out to be the other way round.
    pub(crate) fn reverse(&mut self) {
        let (macs, rates) = self.pairs();
        for part in [macs, rates] {
            let (to_server, to_client) = part.split_at_mut(part.len() / 2);
            to_server.swap_with_slice(to_client);
        }
        if let Some(mut update) = self.update() {
            update.reverse();
        }
    }

    /// The MAC addresses that were collected, if they are.
    pub(crate) fn macs(&self) -> Option<Box<MacSet>> {
        self.layout.macs(self.words)
    }
    /// The last update, when there are updates.
    pub(crate) fn update(&mut self) -> Option<LastUpdate<'_>> {
        let timeout = self.layout.active_timeout?;
        let first = self.words.len() - update::WORDS;
        Some(LastUpdate { timeout, words: &mut self.words[first..] })
    }

    /// Words of MAC addresses and of byte rates: one half of each for either direction.
    fn pairs(&mut self) -> (&mut [u64], &mut [u64]) {
        let (macs, rest) = self.words.split_at_mut(2 * self.layout.macs_max);
        (macs, &mut rest[..self.layout.rate_words()])
    }
}
