//! The flow table through its public face: literal cases, then a slow obvious model under random operations.
//!
//! Packets are made by hand (`bed`), time is a number. What a case expects is what `suricata.md` §1 of the reference
//! says, or where Flumen departs from it, what the documentation of the table says.

mod bed;

mod counts;
mod icmp;
mod keys;
mod model;
mod pools;
mod pressure;
mod references;
mod rows;
mod tcp_close;
mod tcp_open;
mod tcp_reset;
mod tcp_reuse;
mod threads;
mod timeouts;
