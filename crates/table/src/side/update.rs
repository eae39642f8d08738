//! What was last told of a flow that goes on: how many timeouts had passed, how many updates were made, and the counters
//! at the last one. The first timeout begins with the flow's first packet; a moment that nobody looked at is left out.

use flumen_model::record::{Interim, Traffic};
use flumen_model::{Direction, Span, Timestamp};

use crate::flow::FlowView;

/// Words: timeouts passed, sequence number, packets and bytes of both directions.
pub(super) const WORDS: usize = 6;

/// The last update of a flow.
#[derive(Debug)]
pub(crate) struct LastUpdate<'s> {
    pub(super) timeout: Span,
    pub(super) words: &'s mut [u64],
}

impl LastUpdate<'_> {
    /// The moment from which the flow wants another update.
    pub(crate) const fn due(&self, view: FlowView<'_>) -> Timestamp {
        let span = self.timeout.nanos().saturating_mul(self.words[0].saturating_add(1));
        Timestamp::from_nanos(view.first_seen().nanos().saturating_add(span))
    }
    /// Whether there is anything that the last update did not tell.
    pub(crate) fn has_news(&self, view: FlowView<'_>) -> bool {
        let told = [Direction::ToServer, Direction::ToClient].map(|dir| view.traffic(dir).packets);
        told != self.words[2..4]
    }
    /// Lets the timeouts pass that are over at `now`.
    pub(crate) fn pass(&mut self, view: FlowView<'_>, now: Timestamp) {
        self.words[0] = now.since(view.first_seen()).nanos() / self.timeout.nanos().max(1);
    }
    /// Makes the update: its number, and what is new since the one before.
    pub(crate) fn tell(&mut self, view: FlowView<'_>) -> Interim {
        self.words[1] += 1;
        let delta = [Direction::ToServer, Direction::ToClient].map(|dir| {
            let (now, i) = (view.traffic(dir), dir.index());
            let [packets, bytes] = [2, 4].map(|first| self.words[first + i]);
            self.words[2 + i] = now.packets;
            self.words[4 + i] = now.bytes;
            Traffic { packets: now.packets - packets, bytes: now.bytes - bytes, ttl: None }
        });
        Interim { sequence: u32::try_from(self.words[1]).unwrap_or(u32::MAX), delta }
    }
    pub(super) fn reverse(&mut self) {
        self.words.swap(2, 3);
        self.words.swap(4, 5);
    }
}
