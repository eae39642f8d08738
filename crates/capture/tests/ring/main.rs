//! The ring against the kernel, over interfaces in network namespaces that each test makes for itself.
//!
//! A namespace belongs to the thread of its test and goes with it, however the test ends. Tests need root and `ip`
//! (iproute2); without they say so and pass, unless `CI` is set and the user is root: then they must run.
//!
//! `unsafe` for the system calls by which a test enters a namespace, sends frames and gives up rights.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod devices;
mod frames;
mod group;
mod held;
mod net;
mod outage;
mod rights;
mod stop;
