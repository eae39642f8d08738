//! What one client, and all of them together, may take.

use std::time::Duration;

/// Bytes of one request; Suricata's own limit.
pub const REQUEST_BYTES: usize = 4096;
/// Bytes of the first message, which names the version; Suricata's own limit.
pub const HANDSHAKE_BYTES: usize = 200;
/// Clients of the control socket at once. Who comes when they are all there takes the place of the one that has been
/// silent longest, if that was at least [`SILENT`]; otherwise it is told so and goes.
pub const CLIENTS: usize = 256;
/// How long a client was silent before its place is given to another.
pub const SILENT: Duration = Duration::from_secs(60);
/// From the connection to a handshake that is right.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// From the first byte of a request to its last.
pub const REQUEST_TIME: Duration = Duration::from_secs(10);
/// How long a client may take nothing of an answer that is ready for it.
pub const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long the last answers may take when the server stops, or a connection when it ends.
pub const FAREWELL_TIME: Duration = Duration::from_millis(500);
/// Captures that wait in serve mode, which `pcap-file-list` answers in one message.
pub const PCAPS_WAITING: usize = 10_000;
/// Bytes of an answer that [`Client`](crate::Client) accepts.
pub const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Clients over HTTP at once.
pub const HTTP_CLIENTS: usize = 32;
/// Bytes of the head of a request over HTTP.
pub const HTTP_HEAD_BYTES: usize = 8192;
/// From the connection to the end of that head.
pub const HTTP_HEAD_TIME: Duration = Duration::from_secs(5);
