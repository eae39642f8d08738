//! `flumen serve` from end to end: the binary, what it is asked through its socket, and what it wrote.
//!
//! `unsafe` for the system call that sends a signal.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod captures;
mod directories;
mod manager;
mod service;
