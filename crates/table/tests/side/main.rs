//! What only some configurations keep of a flow or do with it, seen from outside: packets in, records and counters out.

mod bypass;
mod elephants;
mod macs;
mod memory;
mod support;
mod tags;
mod updates;
