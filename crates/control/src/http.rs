//! `/metrics`, `/healthz` and `/readyz` over HTTP/1.1 (RFC 9112), for a collector on the same machine.
//!
//! A connection carries one request and ends with its answer. GET and HEAD alone; a body is not read. Only loopback
//! addresses: there is no password, and what a sensor sees is nobody else's business.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use crate::framing::Moment;
use crate::limits::{HTTP_CLIENTS, HTTP_HEAD_BYTES, HTTP_HEAD_TIME};
use crate::server::{Service, Session, Step};

/// What is answered over HTTP. Called from the server's thread; a call must end within moments.
pub trait Pages: Send + Sync {
    /// `/metrics`: the counters in the text format of Prometheus.
    ///
    /// # Errors
    /// Why there are none now.
    fn metrics(&self) -> Result<String, String>;
    /// `/healthz`: whether the process does its work; what does not should be restarted.
    ///
    /// # Errors
    /// What is wrong.
    fn health(&self) -> Result<(), String>;
    /// `/readyz`: whether packets are being captured.
    ///
    /// # Errors
    /// What is not ready.
    fn readiness(&self) -> Result<(), String>;
}

/// The pages of a sensor, served by a thread of its own until this is dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    _service: Service,
}

impl HttpServer {
    /// Begins to serve `pages` at `address`; with port 0 at one that is free.
    ///
    /// # Errors
    /// When the address is not a loopback address, is taken, or the thread could not be started.
    pub fn start(address: SocketAddr, pages: Arc<dyn Pages>) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let what = format!("{address} is not a loopback address, such as 127.0.0.1 or ::1");
            return Err(io::Error::new(ErrorKind::InvalidInput, what));
        }
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let open = move |now| Exchange::new(Arc::clone(&pages), now);
        Ok(Self { address, _service: Service::start("flumen-http", listener, open, HTTP_CLIENTS)? })
    }
    /// Where it is served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// One request and its answer.
struct Exchange {
    pages: Arc<dyn Pages>,
    head: Vec<u8>,
    until: Moment,
    answered: bool,
}

impl Exchange {
    fn new(pages: Arc<dyn Pages>, now: Moment) -> Self {
        Self { pages, head: Vec::new(), until: now + HTTP_HEAD_TIME, answered: false }
    }
    fn say(&mut self, response: &Response, out: &mut Vec<u8>) -> Step {
        response.append(out);
        self.answered = true;
        Step::Answered
    }
    fn respond(&self, line: &str) -> Response {
        let mut words = line.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Response::plain("400 Bad Request", "not a request line\n");
        };
        if !version.starts_with("HTTP/1.") {
            return Response::plain("505 HTTP Version Not Supported", "versions 1.0 and 1.1 are supported\n");
        }
        let body = match method {
            "GET" => Body::Sent,
            "HEAD" => Body::LeftOut,
            _ => return Response::plain("405 Method Not Allowed", "GET and HEAD are allowed\n"),
        };
        let path = target.split(['?', '#']).next().unwrap_or(target);
        let state = |state: Result<(), String>| match state {
            Ok(()) => Response::plain("200 OK", "ok\n"),
            Err(reason) => Response::plain("503 Service Unavailable", format!("{reason}\n")),
        };
        let response = match path {
            "/metrics" => match self.pages.metrics() {
                Ok(text) => Response { kind: PROMETHEUS, ..Response::plain("200 OK", text) },
                Err(reason) => Response::plain("503 Service Unavailable", format!("{reason}\n")),
            },
            "/healthz" => state(self.pages.health()),
            "/readyz" => state(self.pages.readiness()),
            _ => Response::plain("404 Not Found", "there are /metrics, /healthz and /readyz\n"),
        };
        Response { body, ..response }
    }
}

impl Session for Exchange {
    fn receive(&mut self, bytes: &[u8], _now: Moment) {
        // What follows the head is of no interest.
        if !self.answered {
            self.head.extend_from_slice(bytes);
        }
    }
    fn step(&mut self, out: &mut Vec<u8>) -> Step {
        if self.answered {
            return Step::Over;
        }
        let response = match head_end(&self.head) {
            Some(end) if end <= HTTP_HEAD_BYTES => {
                let line = self.head.split(|&byte| byte == b'\n').next().unwrap_or_default();
                let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
                self.respond(&line)
            }
            None if self.head.len() <= HTTP_HEAD_BYTES => return Step::Hungry,
            _ => Response::plain("431 Request Header Fields Too Large", "the head of the request is too large\n"),
        };
        self.head = Vec::new();
        self.say(&response, out)
    }
    fn deadline(&self) -> Option<Moment> {
        (!self.answered).then_some(self.until)
    }
    fn expire(&mut self, now: Moment, out: &mut Vec<u8>) {
        if !self.answered && now >= self.until {
            self.say(&Response::plain("408 Request Timeout", "the request was not complete in time\n"), out);
        }
    }
    fn too_many(out: &mut Vec<u8>) {
        Response::plain("503 Service Unavailable", "too many clients\n").append(out);
    }
}

/// The end of the head: an empty line. A line may end without a carriage return (RFC 9112 §2.2).
fn head_end(head: &[u8]) -> Option<usize> {
    let mut start = 0;
    for (at, _) in head.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        let line = &head[start..at];
        if start > 0 && (line.is_empty() || line == b"\r") {
            return Some(at + 1);
        }
        start = at + 1;
    }
    None
}

struct Response {
    status: &'static str,
    kind: &'static str,
    content: String,
    body: Body,
}

/// Whether the content is sent, or only its length (HEAD).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Sent,
    LeftOut,
}

impl Response {
    fn plain(status: &'static str, content: impl Into<String>) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", content: content.into(), body: Body::Sent }
    }
    fn append(&self, out: &mut Vec<u8>) {
        let Self { status, kind, content, body } = self;
        // RFC 9110 §15.5.6 wants the methods with a 405.
        let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
        let length = content.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n"
        );
        out.extend_from_slice(head.as_bytes());
        if *body == Body::Sent {
            out.extend_from_slice(content.as_bytes());
        }
    }
}

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

#[cfg(test)]
mod tests;
