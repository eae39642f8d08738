//! What a capture cannot do any more once it has begun.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::net::{Sender, in_namespace};
use crate::sensor::{Log, Scratch, Sensor, udp};

/// A number that the kernel tells of a process.
fn status(sensor: &Sensor<'_>, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", sensor.id())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect("a kernel that tells it").trim().parse().expect("a number")
}

#[test]
fn capture_that_is_shut_in_then_it_rotates_answers_and_opens_nothing_elsewhere() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("sandbox");
        fs::create_dir(scratch.path("outside")).expect("a directory");
        let size = "outputs.eve-log.rotate-size=20kb";
        let mut sensor =
            scratch.capture(&["-i", "b", "--timeout", "udp.new=0", "--set", "stats.interval=5ms", "--set", size]);
        assert_eq!(status(&sensor, "NoNewPrivs"), 1);
        if !sensor.said.contains("does not have seccomp") {
            assert_eq!(status(&sensor, "Seccomp"), 2, "a filter");
        }
        let sender = Sender::on("a");
        (0..100).for_each(|port| sender.send(&udp(port)));
        sensor.wait_for_packets("b", 100);
        let logs = || fs::read_dir(scratch.path("live")).expect("a directory").count();
        while logs() < 4 {
            std::thread::yield_now();
        }
        if !sensor.said.contains("does not have Landlock") {
            // Its log now leads elsewhere, where root could write.
            let eve = scratch.path("live/eve.json");
            fs::rename(&eve, scratch.path("live/moved.json")).expect("moved");
            symlink(scratch.path("outside/eve.json"), &eve).expect("a link");
            sensor.signal(libc::SIGHUP);
            sensor.wait_for_message("live/eve.json: no new file could be begun: Permission denied");
            assert!(!scratch.path("outside/eve.json").exists());
            fs::remove_file(&eve).expect("removed");
            while Log::so_far(&eve).stats_events == 0 {
                sensor.signal(libc::SIGHUP);
            }
        }
        sensor.ask("iface-stat", json!({"iface": "b"}));
        sensor.ask("shutdown", Value::Null);
        sensor.end(0);
        assert!(!scratch.path("socket").exists(), "it takes its socket away");
    });
}

#[test]
fn nothing_shut_then_a_log_may_lead_elsewhere() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("no-sandbox");
        fs::create_dir(scratch.path("outside")).expect("a directory");
        let off = ["security.landlock.enabled=no", "flumen.seccomp=no", "security.limit-noproc=no"];
        let off = off.map(|key| ["--set", key]).concat();
        let sensor = scratch.capture(&[&["-i", "b", "--set", "stats.interval=5ms"], &off[..]].concat());
        assert_eq!((status(&sensor, "NoNewPrivs"), status(&sensor, "Seccomp")), (1, 0));
        let eve = scratch.path("live/eve.json");
        fs::rename(&eve, scratch.path("live/moved.json")).expect("moved");
        symlink(scratch.path("outside/eve.json"), &eve).expect("a link");
        while Log::so_far(&scratch.path("outside/eve.json")).stats_events == 0 {
            sensor.signal(libc::SIGHUP);
        }
        sensor.signal(libc::SIGTERM);
        sensor.end(0);
    });
}
