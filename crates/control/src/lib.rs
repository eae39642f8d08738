//! Looking into a running sensor, and steering it, from another process.
//!
//! - [`Sensor`] and [`Pcaps`]: what a running sensor offers. Everything here calls these traits and nothing else.
//! - [`ControlServer`]: the Unix socket that speaks Suricata's protocol, versions 0.1 and 0.2.
//! - [`PcapQueue`]: the captures that a serving sensor works through, as [`Pcaps`] wants them.
//! - [`COMMANDS`]: the commands, what each takes, and a line about each.
//! - [`Client`]: the other end of that socket.
//! - [`HttpServer`], [`Pages`]: `/metrics`, `/healthz` and `/readyz` on a loopback address.
//!
//! Each server is one thread that waits for all of its clients at once and never for one of them. A conversation is a
//! machine of bytes and moments without a socket or a clock (`framing` finds where a message ends, `conversation`
//! answers it), so that tests need neither.
//!
//! Every bound that a client can meet is a constant in [`limits`].
//!
//! ```
//! use std::io::{Read, Write};
//! use std::sync::Arc;
//!
//! struct Always;
//!
//! impl flumen_control::Pages for Always {
//!     fn metrics(&self) -> Result<String, String> {
//!         Ok("flumen_flow_active 3\n".to_owned())
//!     }
//!     fn health(&self) -> Result<(), String> {
//!         Ok(())
//!     }
//!     fn readiness(&self) -> Result<(), String> {
//!         Err("no interface is up".to_owned())
//!     }
//! }
//!
//! let server = flumen_control::HttpServer::start("127.0.0.1:0".parse()?, Arc::new(Always))?;
//! let mut client = std::net::TcpStream::connect(server.address())?;
//! client.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
//! let mut response = String::new();
//! client.read_to_string(&mut response)?;
//! assert!(response.starts_with("HTTP/1.1 503 ") && response.ends_with("no interface is up\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod client;
mod commands;
mod conversation;
mod framing;
mod http;
pub mod limits;
mod memcap;
mod queue;
mod sensor;
mod server;
mod socket;
mod tree;

pub use client::{Answer, Client, ClientError};
pub use commands::{Argument, COMMANDS, Command, Kind, command};
pub use http::{HttpServer, Pages};
pub use queue::{CurrentPcap, PcapQueue};
pub use sensor::{InterfaceCounters, Memcap, MemcapRefusal, PcapJob, Pcaps, Sensor, Unavailable};
pub use server::ControlServer;
pub use socket::{Access, BindError, ControlSocket, group_id};

/// Where the socket is unless something else is said.
pub const DEFAULT_SOCKET: &str = "/run/flumen/flumen-command.socket";
