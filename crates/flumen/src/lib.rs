//! The command `flumen`: command line, configuration, and the wiring of the other crates.
//!
//! - [`cli`]: what can be typed, as types.
//! - [`command`]: what each subcommand does, up to its [`exit`] code.
//! - [`config`]: from `suricata.yaml`, `--set` and options to [`Settings`](config::Settings).
//! - [`filter`]: a filter expression, and its programs.
//! - [`run`]: from [`Settings`](config::Settings) to sources, engine and sinks.
//! - [`ctl`]: the client of a running sensor's socket.
//! - [`live`]: the same for interfaces, and what steers a capture while it runs.
//! - [`serve`]: captures read one after another, as the control socket asks for them.
//! - [`notify`]: what a service manager is told.
//! - [`progress`]: the line on the terminal while a file is read.
#![forbid(unsafe_code)]

/// Says a line on standard error. One that cannot be written is nothing to fail for.
macro_rules! tell {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("flumen: {}\n", format_args!($($text)*)));
    }};
}

pub mod cli;
pub mod command;
pub mod config;
pub mod ctl;
pub mod exit;
pub mod filter;
#[cfg(target_os = "linux")]
pub mod live;
#[cfg(target_os = "linux")]
pub mod notify;
pub mod progress;
#[cfg(target_os = "linux")]
mod reload;
pub mod run;
#[cfg(target_os = "linux")]
pub mod serve;
