//! Defragmentation as slow and as obvious as it can be: for every byte of every datagram, the number of the fragment that
//! has it. Of memory it knows nothing.

use flumen_model::{Span, Timestamp};
use flumen_table::Compat;
use flumen_table::defrag::{DefragConfig, DropReason, OverlapPolicy};
use flumen_wire::{Event, Fragment, IpVersion};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Held,
    Complete { payload: Vec<u8>, fragments: u32, first: Fragment },
    Dropped(DropReason),
}

#[derive(Default)]
struct Datagram {
    key: Vec<u8>,
    policy: OverlapPolicy,
    timeout: Span,
    last: Timestamp,
    fragments: Vec<(Fragment, Vec<u8>)>,
    /// Which of `fragments` has the byte.
    owner: Vec<Option<u16>>,
    /// How many of `fragments` have a byte.
    kept: usize,
    ended: bool,
    discarded: bool,
}

impl Datagram {
    fn reach(&self) -> u32 {
        self.fragments.iter().map(|(f, _)| f.offset + f.payload_len).max().unwrap_or(0)
    }
    fn due(&self, now: Timestamp) -> bool {
        now > self.last && now.nanos() - self.last.nanos() >= self.timeout.nanos()
    }
    fn bytes_of(&self, f: &Fragment) -> Vec<Option<u16>> {
        (f.offset..f.offset + f.payload_len).map(|at| self.owner.get(at as usize).copied().flatten()).collect()
    }
}

/// What became of fragments, and how many.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ends {
    pub(crate) completed: u64,
    pub(crate) timed_out: u64,
    pub(crate) evicted: u64,
    pub(crate) discarded: u64,
    pub(crate) dropped: u64,
}

/// All datagrams, the one whose last fragment is longest ago first.
pub(crate) struct Model {
    config: DefragConfig,
    datagrams: Vec<Datagram>,
    pub(crate) ends: Ends,
    pub(crate) event: Option<Event>,
    /// Timeouts there are, in the order in which they are looked at.
    timeouts: Vec<Span>,
}

impl Model {
    /// `timeouts` are those of hosts, in the order of the configuration.
    pub(crate) fn new(config: DefragConfig, timeouts: &[Span]) -> Self {
        let mut all = vec![config.timeout];
        all.extend(timeouts);
        Self { config, datagrams: Vec::new(), ends: Ends::default(), event: None, timeouts: all }
    }
    pub(crate) fn trackers(&self) -> usize {
        self.datagrams.len()
    }
    pub(crate) fn kept(&self) -> usize {
        self.datagrams.iter().map(|datagram| datagram.kept).sum()
    }
    pub(crate) fn held(&self) -> usize {
        self.datagrams.iter().map(|datagram| datagram.fragments.len()).sum()
    }

    pub(crate) fn fragment(&mut self, f: &Fragment, device: u16, at: Timestamp, bytes: &[u8]) -> Answer {
        self.event = None;
        match self.take(f, device, at, bytes) {
            Ok(answer) => answer,
            Err(reason) => {
                self.ends.dropped += 1;
                self.event = reason.event(f.ip_version);
                Answer::Dropped(reason)
            }
        }
    }
    pub(crate) fn expire(&mut self, now: Timestamp, max: usize) {
        for _ in 0..max {
            let Some(due) = self.timeouts.iter().find_map(|timeout| {
                let oldest = self.datagrams.iter().position(|datagram| datagram.timeout == *timeout)?;
                self.datagrams[oldest].due(now).then_some(oldest)
            }) else {
                return;
            };
            self.ends.timed_out += self.datagrams.remove(due).fragments.len() as u64;
        }
    }

    fn take(&mut self, f: &Fragment, device: u16, at: Timestamp, bytes: &[u8]) -> Result<Answer, DropReason> {
        let compat = self.config.compat == Compat::Suricata;
        let v6 = f.ip_version == IpVersion::V6;
        if f.payload_len == 0 {
            return Err(DropReason::Empty);
        }
        if length_field(f, f.offset + f.payload_len) > 65_535 {
            return Err(DropReason::TooLarge);
        }
        if !compat && f.more && !f.payload_len.is_multiple_of(8) {
            return Err(DropReason::InvalidLength);
        }
        self.expire(at, 2);
        let key = key(f, device, compat);
        let mut own = self.datagrams.iter().position(|datagram| datagram.key == key);
        if let Some(n) = own
            && self.datagrams[n].due(at)
        {
            self.ends.timed_out += self.datagrams.remove(n).fragments.len() as u64;
            own = None;
        }
        let mut datagram = match own {
            Some(n) => {
                if self.datagrams[n].discarded {
                    return Err(DropReason::Overlap);
                }
                if !compat && let Some(answer) = self.judge(n, f, bytes, at) {
                    return answer;
                }
                self.datagrams.remove(n)
            }
            None => Datagram {
                key,
                policy: self.config.policies.policy(f.ip_version, &f.dst),
                timeout: self.config.policies.timeout(f.ip_version, &f.dst).unwrap_or(self.config.timeout),
                last: at,
                ..Datagram::default()
            },
        };
        datagram.last = datagram.last.max(at);

        // Who has which byte afterwards.
        let number = datagram.fragments.len() as u16;
        let mut owner = datagram.owner.clone();
        owner.resize(owner.len().max((f.offset + f.payload_len) as usize), None);
        for place in &mut owner[f.offset as usize..(f.offset + f.payload_len) as usize] {
            *place = match *place {
                Some(older) if !newer_wins(datagram.policy, &datagram.fragments[usize::from(older)].0, f) => {
                    Some(older)
                }
                _ => Some(number),
            };
        }

        // Limits. Its own datagram does not go for it, and is as it was when nothing helps.
        let limits = self.limits(owner.contains(&Some(number)), datagram.kept, own.is_none(), compat);
        if let Err(reason) = limits {
            if own.is_some() {
                self.datagrams.push(datagram);
            }
            return Err(reason);
        }
        if datagram.bytes_of(f).iter().any(Option::is_some) {
            self.event = Some(if v6 { Event::Ipv6FragOverlap } else { Event::Ipv4FragOverlap });
        }
        let mut keeps = vec![false; usize::from(number) + 1];
        owner.iter().flatten().for_each(|n| keeps[usize::from(*n)] = true);
        datagram.kept = keeps.iter().filter(|keeps| **keeps).count();
        datagram.owner = owner;
        datagram.fragments.push((*f, bytes.to_vec()));
        datagram.ended |= !f.more && (!compat || datagram.owner.contains(&Some(number)));
        self.complete(datagram)
    }

    /// What Flumen's own rules say against a fragment of datagram `n`, or that it is a repetition.
    fn judge(&mut self, n: usize, f: &Fragment, bytes: &[u8], at: Timestamp) -> Option<Result<Answer, DropReason>> {
        let datagram = &mut self.datagrams[n];
        if f.ip_version == IpVersion::V6 && datagram.bytes_of(f).iter().any(Option::is_some) {
            let same = datagram.fragments.iter().any(|(other, content)| {
                (other.offset, other.payload_len) == (f.offset, f.payload_len) && content == bytes
            });
            if same {
                let mut datagram = self.datagrams.remove(n);
                datagram.last = datagram.last.max(at);
                datagram.fragments.push((*f, bytes.to_vec()));
                self.datagrams.push(datagram);
                return Some(Ok(Answer::Held));
            }
            self.ends.discarded += datagram.fragments.len() as u64;
            datagram.fragments.clear();
            datagram.owner.clear();
            datagram.kept = 0;
            datagram.discarded = true;
            return Some(Err(DropReason::Overlap));
        }
        let (end, reach) = (f.offset + f.payload_len, datagram.reach());
        let wrong = if datagram.ended { end > reach || (!f.more && end != reach) } else { !f.more && end < reach };
        wrong.then_some(Err(DropReason::Inconsistent))
    }

    fn limits(&mut self, wanted: bool, own_kept: usize, new: bool, compat: bool) -> Result<(), DropReason> {
        while wanted && self.kept() + own_kept >= self.config.max_frags as usize {
            if compat || !self.evict() {
                return Err(DropReason::MaxFrags);
            }
        }
        while new && self.datagrams.len() >= self.config.trackers as usize {
            if !self.evict() {
                return Err(DropReason::Trackers);
            }
        }
        Ok(())
    }
    fn evict(&mut self) -> bool {
        if self.datagrams.is_empty() {
            return false;
        }
        self.ends.evicted += self.datagrams.remove(0).fragments.len() as u64;
        true
    }

    fn complete(&mut self, datagram: Datagram) -> Result<Answer, DropReason> {
        let reach = datagram.reach() as usize;
        if !datagram.ended || datagram.owner.iter().take(reach).any(Option::is_none) {
            self.datagrams.push(datagram);
            return Ok(Answer::Held);
        }
        let fragments = datagram.fragments.len() as u32;
        let owner = |at: usize| usize::from(datagram.owner[at].expect("no holes"));
        let first = datagram.fragments[owner(0)].0;
        if length_field(&first, reach as u32) > 65_535 {
            self.ends.discarded += u64::from(fragments) - 1;
            return Err(DropReason::TooLarge);
        }
        let byte = |at: usize| {
            let (f, bytes) = &datagram.fragments[owner(at)];
            bytes[at - f.offset as usize]
        };
        let payload = (0..reach).map(byte).collect();
        self.ends.completed += u64::from(fragments);
        Ok(Answer::Complete { payload, fragments, first })
    }
}

/// What the length field of a datagram would say that has the header of `f` and ends at `end`.
fn length_field(f: &Fragment, end: u32) -> u32 {
    let header_len = f.payload_offset - f.ip_offset;
    end + if f.ip_version == IpVersion::V6 { header_len - 48 } else { header_len }
}

fn key(f: &Fragment, device: u16, compat: bool) -> Vec<u8> {
    let (mut src, mut dst) = (f.src.0, f.dst.0);
    if compat && src > dst {
        (src, dst) = (dst, src);
    }
    let protocol = if f.ip_version == IpVersion::V6 { 0 } else { f.protocol };
    let (device, recursion) = if compat { (0, 0) } else { (device, f.recursion) };
    let mut key = [&src[..], &dst, &f.id.to_be_bytes(), &device.to_be_bytes()].concat();
    key.extend([f.ip_version as u8, protocol, recursion]);
    key.extend(f.vlan.ids.iter().flat_map(|id| id.to_be_bytes()));
    key
}

/// Whether the newer of two fragments has a byte that both have sent.
fn newer_wins(policy: OverlapPolicy, older: &Fragment, newer: &Fragment) -> bool {
    let ends = |f: &Fragment| i64::from(f.offset) + i64::from(f.payload_len);
    let begins_before = newer.offset < older.offset;
    let begins_with = newer.offset == older.offset;
    let ends_after = ends(newer) > ends(older);
    let ends_with = ends(newer) == ends(older);
    match policy {
        OverlapPolicy::First => false,
        OverlapPolicy::Last => true,
        OverlapPolicy::Bsd => begins_before,
        OverlapPolicy::BsdRight => !begins_before,
        OverlapPolicy::Linux => begins_before || begins_with,
        OverlapPolicy::Windows => begins_before && ends_after,
        OverlapPolicy::Solaris => begins_before && (ends_after || ends_with),
    }
}
