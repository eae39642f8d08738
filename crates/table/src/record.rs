//! From an ended flow to its record: nothing of the table remains in it.

use flumen_model::record::{MacSet, Nesting};
use flumen_model::{Direction, EndReason, FlowKey, FlowRecord, Timestamp};

use crate::flow::{Detail, FlowBody, FlowView, Marks};
use crate::storage::EndedFlow;

/// Makes flow ids: unique in a run, the same in the next run over the same input, and unlike those of other inputs.
///
/// An id is the number of the frame that opened the flow, shifted by a salt and spread over 51 bits by a bijection: so
/// two flows of a run never share one, and neither the hash seed nor the number of threads has a part in it.
#[derive(Clone, Copy, Debug)]
pub struct FlowIds {
    salt: u64,
}

const ID_BITS: u32 = 51;
const ID_MASK: u64 = (1 << ID_BITS) - 1;

impl FlowIds {
    /// Ids of a run whose first packet came at `first`.
    #[must_use]
    pub const fn new(first: Timestamp) -> Self {
        Self { salt: first.nanos().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 13 }
    }

    /// The id of the flow that `origin` opened.
    #[must_use]
    pub const fn id(self, origin: u64) -> u64 {
        // Odd multipliers and shifts to the right are bijections of the 51 bits.
        let mut x = origin.wrapping_add(self.salt) & ID_MASK;
        x = x.wrapping_mul(0x2545_f491_4f6c_dd1d) & ID_MASK;
        x ^= x >> 26;
        x = x.wrapping_mul(0x5851_f42d_4c95_7f2d) & ID_MASK;
        x ^= x >> 25;
        x
    }
}

impl EndedFlow {
    /// What orders records: the moment at which the flows ended, then the order in which they began. Neither depends on
    /// where in the table a flow was, nor on when it was found to have ended.
    #[must_use]
    pub fn order(&self) -> (Timestamp, u64) {
        (self.at, self.origin)
    }

    /// The record of the flow.
    // Inlined, so that it is written where it is wanted: moved there it would be written in pieces and read as a whole.
    #[inline(always)]
    #[must_use]
    pub fn record(&self, ids: FlowIds) -> FlowRecord {
        let key = self.key();
        let known = Known { key: &key, view: self.body(), detail: self.detail(), parent: self.parent(&key) };
        let end = End { reason: self.reason, at: self.at, emergency: self.emergency };
        record(known, end, self.macs(), ids)
    }
}

/// What is known of a flow besides its side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'f> {
    pub(crate) key: &'f FlowKey,
    pub(crate) view: FlowView<'f>,
    pub(crate) detail: Option<&'f Detail>,
    /// Origin of the flow around it.
    pub(crate) parent: Option<u64>,
}

/// Why and when a record is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) reason: EndReason,
    pub(crate) at: Timestamp,
    /// In emergency mode.
    pub(crate) emergency: bool,
}

impl End {
    /// Of a flow that goes on.
    pub(crate) const fn none(at: Timestamp) -> Self {
        Self { reason: EndReason::Unknown, at, emergency: false }
    }
}

/// The record of a flow.
#[inline(always)]
pub(crate) fn record(known: Known<'_>, end: End, macs: Option<Box<MacSet>>, ids: FlowIds) -> FlowRecord {
    let Known { key, view, detail, parent } = known;
    let body = view.body;
    let reversed = body.marks.has(Marks::REVERSED);
    let (client, server) = if reversed { (key.server(), key.client()) } else { (key.client(), key.server()) };
    FlowRecord {
        flow_id: ids.id(view.origin()),
        logged: end.at,
        nesting: nesting(key, body, parent, ids),
        device: key.scope().device(),
        vlan: key.scope().vlan(),
        ip_version: key.scope().ip_version(),
        client,
        server,
        protocol: key.scope().protocol(),
        endpoint: body.endpoint(key, detail),
        to_server: view.traffic(Direction::ToServer),
        to_client: view.traffic(Direction::ToClient),
        start: view.first_seen(),
        end: view.last_seen(),
        state: view.state(),
        reason: end.reason,
        emergency: end.emergency && matches!(end.reason, EndReason::Forced),
        wrong_thread: body.marks.has(Marks::WRONG_THREAD),
        elephant: [body.marks.has(Marks::ELEPHANT_TO_SERVER), body.marks.has(Marks::ELEPHANT_TO_CLIENT)],
        midstream_policy: body.marks.has(Marks::MIDSTREAM_POLICY),
        tcp: detail.and_then(Detail::tcp_record),
        macs,
        interim: None,
    }
}

fn nesting(key: &FlowKey, body: &FlowBody, parent: Option<u64>, ids: FlowIds) -> Option<Nesting> {
    let (depth, is_outside) = (key.scope().recursion(), body.marks.has(Marks::OUTSIDE));
    (depth > 0 || is_outside).then(|| Nesting {
        depth,
        tunnel: key.tunnel(),
        parent_id: parent.map(|origin| ids.id(origin)),
        is_outside,
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "many ids, and nothing unsafe")]
    fn ids_of_neighbouring_frames_differ_and_fit_51_bits() {
        let ids = FlowIds::new(Timestamp::from_parts(1_600_000_000, 5));
        let mut seen = std::collections::HashSet::new();
        for origin in 0..200_000 {
            let id = ids.id(origin);
            assert!(id <= ID_MASK && seen.insert(id), "origin {origin}");
        }
        assert_ne!(ids.id(1), FlowIds::new(Timestamp::from_parts(1_600_000_001, 5)).id(1));
    }
}
