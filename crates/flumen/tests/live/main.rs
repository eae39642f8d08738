//! `flumen capture` from end to end: the binary on interfaces in network namespaces that each test makes for itself, with
//! frames that the test sends.
//!
//! A namespace belongs to the thread of its test and goes with it, however the test ends. Tests need root and `ip`
//! (iproute2), some of them `tcpreplay`, `iperf3`, `ping`, `curl` or `python3`; without they say so and pass, unless `CI`
//! is set and the user is root: then they must run.
//!
//! `unsafe` for the system calls by which a test enters a namespace, sends frames, and sends signals.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod devices;
mod endings;
mod hosts;
mod load;
mod manager;
mod net;
mod overload;
mod reload;
mod replay;
mod replayed;
mod sandbox;
mod sensor;
mod steering;
