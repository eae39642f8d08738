//! The summary as text.

use super::report::{Layout, RunReport};
use super::table::{Page, Row, Tone};
use super::top::{Sum, Top};
use super::{Conversation, REASONS, Service, Summary, units};
use crate::eve::{Clock, Ipv6Form, append_address, protocol_name};
use crate::text::Text;
use flumen_model::record::FlowState;
use flumen_model::{IpVersion, Tally, Timestamp};
use std::cmp::Reverse;
use std::io::{self, Write};
use std::time::Duration;

impl Summary {
    /// Writes what the records and `report` say.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn render(&self, report: &RunReport<'_>, layout: Layout, out: &mut impl Write) -> io::Result<()> {
        let mut page = Page::new(out, layout);
        self.totals(&mut page, report)?;
        if self.total.flows > 0 {
            self.protocols(&mut page)?;
            self.endings(&mut page)?;
            list(&mut page, "Top conversations", &self.conversations, layout.top, conversation)?;
            list(&mut page, "Top services", &self.services, layout.top, service)?;
        }
        account(&mut page, report)?;
        self.oddities(&mut page, report)
    }

    fn totals<W: Write>(&self, page: &mut Page<'_, W>, report: &RunReport<'_>) -> io::Result<()> {
        page.heading(report.source)?;
        let read = report.ledger.read;
        let span = self.first.map_or(Duration::ZERO, |first| Duration::from_nanos(self.last.since(first).nanos()));
        let with_rate = |value: String, rate: Option<String>| match rate {
            Some(rate) => format!("{value} ({rate})"),
            None => value,
        };
        if let Some(first) = self.first {
            let (from, to) = (moment(first), moment(self.last));
            // The date once, when both ends have the same.
            let to = if from[..DATE_LEN] == to[..DATE_LEN] { &to[DATE_LEN..] } else { &to };
            page.fact("time", &format!("{from} to {to} UTC ({})", units::duration(span)))?;
        }
        page.fact("packets", &with_rate(units::count(read.packets), units::rate(read.packets, span)))?;
        page.fact("bytes", &with_rate(units::bytes(read.bytes), units::bit_rate(read.bytes, span)))?;
        page.fact("flows", &with_rate(units::count(self.total.flows), units::rate(self.total.flows, span)))?;
        let pace = units::rate(read.packets, report.elapsed).map(|rate| rate.replacen('/', " packets/", 1));
        page.fact("took", &with_rate(units::duration(report.elapsed), pace))
    }

    fn protocols<W: Write>(&self, page: &mut Page<'_, W>) -> io::Result<()> {
        let mut met: Vec<(u8, &Sum)> = (0..=255).zip(self.protocols.iter()).filter(|(_, sum)| sum.flows > 0).collect();
        met.sort_by_key(|&(number, sum)| (Reverse(sum.bytes), number));
        let rows: Vec<Row<4>> = met
            .into_iter()
            .map(|(number, sum)| {
                let share = units::share(sum.bytes, self.total.bytes);
                let [flows, packets, bytes] = numbers(sum);
                Row::new(protocol(number), [flows, packets, bytes, share])
            })
            .collect();
        page.table("Protocols", ["flows", "packets", "bytes", "share"], &rows)
    }

    fn endings<W: Write>(&self, page: &mut Page<'_, W>) -> io::Result<()> {
        page.heading("Flows")?;
        page.fact("state", &words(FlowState::ALL.map(FlowState::name), &self.states))?;
        page.fact("ended by", &words(REASONS.map(|reason| reason.name()), &self.reasons))
    }

    fn oddities<W: Write>(&self, page: &mut Page<'_, W>, report: &RunReport<'_>) -> io::Result<()> {
        let odd = &self.odd;
        let tcp = self.protocols[6].flows;
        let of = |part, whole| format!(" ({})", units::share(part, whole));
        let mut notes: Vec<(u64, String)> = [
            (odd.unanswered_syn, format!("TCP connection attempts without an answer{}", of(odd.unanswered_syn, tcp))),
            (odd.one_sided_tcp, format!("other TCP flows seen one way only{}", of(odd.one_sided_tcp, tcp))),
            (odd.no_handshake, format!("TCP flows without a handshake{}", of(odd.no_handshake, tcp))),
            (odd.reset, format!("TCP flows with a reset{}", of(odd.reset, tcp))),
            (odd.single_packet, format!("flows of a single packet{}", of(odd.single_packet, self.total.flows))),
            (odd.elephants, "elephant flows".to_owned()),
            (odd.forced, "flows ended early to make room".to_owned()),
            (odd.wrong_thread, "TCP flows whose packets came on several threads".to_owned()),
        ]
        .into();
        let invalid: u64 =
            report.ledger.reasons().filter(|(why, _)| is_invalid(why.name())).map(|(_, t)| t.packets).sum();
        notes.push((invalid, "packets that could not be decoded".to_owned()));
        notes.extend(report.notices.iter().map(|notice| (notice.count, notice.what.clone())));
        notes.retain(|&(count, _)| count > 0);
        if notes.is_empty() {
            return Ok(());
        }
        page.heading("Worth a look")?;
        notes.iter().try_for_each(|(count, what)| page.note(&units::count(*count), what, Tone::Normal))
    }
}

/// Where the packets went. The last line is zero, or something is wrong with Flumen.
fn account<W: Write>(page: &mut Page<'_, W>, report: &RunReport<'_>) -> io::Result<()> {
    let ledger = report.ledger;
    let row = |name: &str, tally: Tally| Row::new(name, [units::count(tally.packets), units::bytes(tally.bytes)]);
    let mut reasons: Vec<_> = ledger.reasons().map(|(why, tally)| (why.name(), tally)).collect();
    reasons.sort_by_key(|&(name, tally)| (Reverse(tally.packets), name));
    let mut rows = vec![row("read", ledger.read)];
    // Most captures have neither tunnels nor fragments.
    rows.extend((ledger.found.packets > 0).then(|| row("found inside", ledger.found)));
    rows.push(row("in flows", ledger.in_flows));
    rows.extend(reasons.iter().take(REASONS_MAX).map(|&(name, tally)| row(&reason(name), tally)));
    if let Some(rest) = reasons.get(REASONS_MAX..).filter(|rest| !rest.is_empty()) {
        let mut all = Tally::default();
        rest.iter().for_each(|(_, tally)| all.merge(*tally));
        rows.push(row(&format!("{} other reasons", rest.len()), all));
    }
    if let Some(kernel) = ledger.kernel {
        rows.push(Row::new("dropped by the kernel", [units::count(kernel.dropped), String::new()]));
        rows.push(Row::new("lost in a ring", [units::count(kernel.lost), String::new()]));
    }
    let (packets, bytes) = ledger.unaccounted();
    let mut last = Row::new("unaccounted", [packets.to_string(), format!("{bytes} B")]);
    if !ledger.is_closed() {
        last.tone = Tone::Warning;
    }
    rows.push(last);
    page.table("Where the packets went", ["packets", "bytes"], &rows)
}

/// The largest of `top`, and what is known of the rest.
fn list<K: Copy + Eq + std::hash::Hash + Ord, W: Write>(
    page: &mut Page<'_, W>,
    title: &str,
    top: &Top<K>,
    count: usize,
    name: impl Fn(&K) -> String,
) -> io::Result<()> {
    let rows: Vec<Row<3>> = top.largest(count).iter().map(|(key, sum)| Row::new(name(key), numbers(sum))).collect();
    page.table(title, ["flows", "packets", "bytes"], &rows)?;
    match (top.floor(), top.len().saturating_sub(count)) {
        (0, 0) => Ok(()),
        (0, more) => page.fact("", &format!("and {} more", units::count(more as u64))),
        (floor, _) => page.fact("", &format!("and more; a number may be short by {} at most", units::bytes(floor))),
    }
}

fn numbers(sum: &Sum) -> [String; 3] {
    [units::count(sum.flows), units::count(sum.packets), units::bytes(sum.bytes)]
}

/// `closed 12, new 3`, without what did not occur.
fn words<const N: usize>(names: [&str; N], counts: &[u64; N]) -> String {
    let met = names.iter().zip(counts).filter(|&(_, &count)| count > 0);
    met.map(|(name, &count)| format!("{name} {}", units::count(count))).collect::<Vec<_>>().join(", ")
}

fn conversation(key: &Conversation) -> String {
    let version = if key.v6 { IpVersion::V6 } else { IpVersion::V4 };
    let mut text = Text::default();
    append_address(&mut text, key.client, version, Ipv6Form::Compressed);
    text.raw(b" -> ");
    let bracketed = key.v6 && key.service.port.is_some();
    text.raw(if bracketed { b"[" } else { b"" });
    append_address(&mut text, key.server, version, Ipv6Form::Compressed);
    text.raw(if bracketed { b"]" } else { b"" });
    if let Some(port) = key.service.port {
        text.byte(b':');
        text.uint(port.into());
    }
    format!("{} {}", String::from_utf8_lossy(text.as_bytes()), protocol(key.service.protocol))
}

fn service(key: &Service) -> String {
    let name = protocol(key.protocol);
    let Some(port) = key.port else { return name };
    match PORTS.iter().find(|&&(number, _)| number == port) {
        Some((_, word)) => format!("{port}/{} {word}", name.to_lowercase()),
        None => format!("{port}/{}", name.to_lowercase()),
    }
}

fn protocol(number: u8) -> String {
    protocol_name(number).map_or_else(|| format!("protocol {number}"), str::to_owned)
}

/// The word of the ledger as a phrase.
fn reason(name: &str) -> String {
    match (name, name.strip_prefix(EVENT_PREFIX)) {
        (_, Some(event)) => format!("invalid: {event}"),
        ("arp" | "igmp", _) => name.to_uppercase(),
        ("icmp_error", _) => "ICMP error about no known flow".to_owned(),
        ("fragment", _) => "fragment".to_owned(),
        ("memcap", _) => "refused: no flow memory".to_owned(),
        ("emergency", _) => "refused: emergency mode".to_owned(),
        _ => name.replace('_', " "),
    }
}

fn is_invalid(name: &str) -> bool {
    name.starts_with(EVENT_PREFIX)
}

/// `2020-09-13 12:26:40`.
fn moment(at: Timestamp) -> String {
    let mut text = Text::default();
    Clock::new().append(&mut text, at);
    String::from_utf8_lossy(&text.as_bytes()[..SECOND_LEN]).replacen('T', " ", 1)
}

/// Reasons in the account that get a line of their own.
const REASONS_MAX: usize = 12;
const EVENT_PREFIX: &str = "decoder.event.";
const DATE_LEN: usize = "2020-09-13 ".len();
const SECOND_LEN: usize = "2020-09-13T12:26:40".len();
/// Well-known ports that a reader meets daily (IANA's registry of service names).
const PORTS: [(u16, &str); 24] = [
    (20, "ftp-data"),
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (53, "dns"),
    (67, "dhcp"),
    (80, "http"),
    (123, "ntp"),
    (137, "netbios-ns"),
    (143, "imap"),
    (161, "snmp"),
    (389, "ldap"),
    (443, "https"),
    (445, "smb"),
    (514, "syslog"),
    (853, "dns over tls"),
    (993, "imaps"),
    (1900, "ssdp"),
    (3306, "mysql"),
    (3389, "rdp"),
    (5353, "mdns"),
    (5355, "llmnr"),
    (8080, "http-alt"),
];
