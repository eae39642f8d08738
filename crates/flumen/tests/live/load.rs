//! Captures that are sent as they are, once or without an end: `tcpreplay`.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Sends a capture on interface `a`; `speed` is what tcpreplay takes. Returns how many packets it says it has sent.
#[track_caller]
pub(crate) fn replay(capture: &Path, speed: &[&str]) -> usize {
    let output = command(capture, speed).output().expect("tcpreplay runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let number = |name: &str| {
        let rest = said.split(name).nth(1).unwrap_or_else(|| panic!("{name} of {said}"));
        rest.split_whitespace().next().and_then(|word| word.parse::<usize>().ok()).expect("a number")
    };
    assert_eq!(number("Failed packets:"), 0, "{said}");
    number("Successful packets:")
}

/// A capture that is sent again and again, each time with other addresses, until this is dropped.
pub(crate) struct Load<'p> {
    capture: &'p Path,
    replay: Child,
}

impl<'p> Load<'p> {
    pub(crate) fn of(capture: &'p Path) -> Self {
        Self { capture, replay: Self::begin(capture) }
    }
    /// One that gave up, as a cable was out, begins again.
    pub(crate) fn keep_up(&mut self) {
        if self.replay.try_wait().expect("a child").is_some() {
            self.replay = Self::begin(self.capture);
        }
    }
    fn begin(capture: &Path) -> Child {
        let mut command = command(capture, &["--topspeed", "--preload-pcap", "--unique-ip", "--loop=1000000"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tcpreplay runs")
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        let _ = self.replay.kill();
        let _ = self.replay.wait();
    }
}

fn command(capture: &Path, speed: &[&str]) -> Command {
    let mut command = Command::new("tcpreplay");
    command.args(["--quiet", "--no-flow-stats", "--intf1=a"]).args(speed).arg(capture).stdin(Stdio::null());
    command
}
