//! The flow table through its public face: literal cases, then a slow obvious model under random operations.
//!
//! Packets are made by hand (`bed`), time is a number. What a case expects is what `suricata.md` §1 of the reference
//! says, or where Flumen departs from it, what the documentation of the table says.

#[cfg_attr(miri, allow(dead_code))]
mod bed;

mod model;
mod references;
mod rows;
mod short;
mod threads;

// These take the same ways through the storage as those above, again and again: Miri need not.
#[cfg(not(miri))]
mod counts;
#[cfg(not(miri))]
mod icmp;
#[cfg(not(miri))]
mod keys;
#[cfg(not(miri))]
mod pools;
#[cfg(not(miri))]
mod pressure;
#[cfg(not(miri))]
mod tcp_close;
#[cfg(not(miri))]
mod tcp_counters;
#[cfg(not(miri))]
mod tcp_open;
#[cfg(not(miri))]
mod tcp_reset;
#[cfg(not(miri))]
mod tcp_reuse;
#[cfg(not(miri))]
mod timeouts;
mod widths;
