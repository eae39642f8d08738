//! The last step before the table: from a decoded packet to its key and hash and what else the table needs of it.
//!
//! The common frame goes through here in registers: the decoder calls [`Keep`] at the end of its straight line, compiled
//! for each kind of packet. All other packets are written once and keyed by the same function.

use flumen_model::Timestamp;
use flumen_model::source::ChecksumNote;
use flumen_table::{FlowTable, Message, PacketKey};
use flumen_wire::{FlowPacket, NonFlow, Role, Take};

use crate::checksums::ChecksumTest;
use crate::config::EngineConfig;
use crate::vector::{Keyed, Outside, Vector};

/// Numbers packets and gives them their keys.
#[derive(Debug)]
pub(crate) struct Keyer<'t> {
    table: &'t FlowTable,
    checksums: ChecksumTest,
    /// Number of the last packet, those in tunnels counted too: the number of each is the origin of the flow that it opens.
    packets: u64,
    /// What lies between two numbers: other fronts have those.
    step: u64,
    /// Whether MAC addresses are collected.
    notes_macs: bool,
    /// Whether payloads are asked who is client and who is server.
    asks_role: bool,
}

/// Where a packet was found: when, where, and the bytes that it was decoded from.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) at: Timestamp,
    pub(crate) device: u16,
    pub(crate) data: &'p [u8],
    /// What the capture says of the checksum of the first transport header in `data`.
    pub(crate) checksum: ChecksumNote,
}

impl<'t> Keyer<'t> {
    /// The keyer of front `number` of `of`.
    pub(crate) fn new(table: &'t FlowTable, config: &EngineConfig, number: usize, of: usize) -> Self {
        Self {
            table,
            checksums: ChecksumTest::new(config.checksums),
            packets: number as u64,
            step: of as u64,
            notes_macs: table.config().macs_max.is_some(),
            asks_role: table.config().midstream,
        }
    }

    /// What comes from now on is numbered from 0 and judged ahead of what comes before: see [`Keyer::take_over`].
    pub(crate) const fn begin_ahead(&mut self, checksums: ChecksumTest) {
        self.checksums = checksums.ahead();
        self.packets = 0;
    }
    /// How checksums are judged now.
    pub(crate) const fn checksums(&self) -> ChecksumTest {
        self.checksums
    }
    /// The turn of the packets has come that `ahead` has keyed: takes them over if their checksums would have been judged so
    /// here, and returns the number behind which theirs come.
    pub(crate) fn take_over(&mut self, ahead: &Self) -> Option<u64> {
        self.checksums.take_over(&ahead.checksums).then(|| {
            let before = self.packets;
            self.packets += ahead.packets;
            before
        })
    }

    /// Puts a packet of `bytes` bytes into the vector, with its key and hash, and whether its checksum is believed.
    ///
    /// # Errors
    /// Why it has no flow.
    #[inline(never)]
    pub(crate) fn keep(
        &mut self,
        packet: &FlowPacket,
        found: Place<'_>,
        bytes: u32,
        outside: Outside,
        into: &mut Vector,
    ) -> Result<Outside, NonFlow> {
        self.key(packet, found, bytes, outside, into)
    }

    #[inline(always)]
    fn key(
        &mut self,
        packet: &FlowPacket,
        found: Place<'_>,
        bytes: u32,
        outside: Outside,
        into: &mut Vector,
    ) -> Result<Outside, NonFlow> {
        let key = PacketKey::of(packet, found.device, self.table.config());
        let hash = match &key {
            PacketKey::Own(key) | PacketKey::About(key) => self.table.hash(key),
            PacketKey::Nothing => return Err(NonFlow::IcmpError),
        };
        self.packets += self.step;
        let index = into.put(Keyed {
            key,
            hash,
            at: found.at,
            origin: self.packets,
            bytes,
            outside,
            message: Message::of(packet),
            ttl: packet.ttl,
            is_outside: packet.inner.is_some(),
            role: if self.asks_role { Role::of_sender(packet, found.data) } else { None },
            checksum_ok: self.checksums.believes(found.data, packet, found.checksum),
        });
        if self.notes_macs {
            into.note_macs(packet.macs);
        }
        Ok(index)
    }
}

/// Keeps a packet of a frame that was decoded in a straight line.
pub(crate) struct Keep<'k, 't> {
    pub(crate) keyer: &'k mut Keyer<'t>,
    pub(crate) found: Place<'k>,
    pub(crate) bytes: u32,
    pub(crate) into: &'k mut Vector,
}

impl Take for Keep<'_, '_> {
    type Taken = Result<Outside, NonFlow>;

    #[inline(always)]
    fn take(self, packet: &FlowPacket, _is_tunnel: bool) -> Self::Taken {
        self.keyer.key(packet, self.found, self.bytes, Outside::NONE, self.into)
    }
}
