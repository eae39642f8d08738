//! What a service manager hears of a capture.

use std::os::unix::net::UnixDatagram;

use serde_json::json;

use crate::net::in_namespace;
use crate::sensor::Scratch;

/// The next thing that is said and is no ping.
fn next(manager: &UnixDatagram) -> String {
    loop {
        let mut buffer = [0; 4096];
        let len = manager.recv(&mut buffer).expect("something is said");
        let said = String::from_utf8(buffer[..len].to_vec()).expect("UTF-8");
        if said != "WATCHDOG=1" {
            return said;
        }
    }
}

#[test]
fn capture_without_traffic_then_the_manager_hears_of_its_life_and_that_all_workers_move() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("manager");
        let manager = UnixDatagram::bind(scratch.path("notify")).expect("bound");
        let address = scratch.path("notify");
        let address = address.to_str().expect("UTF-8");
        // Four times as long as a ring waits at most: workers have moved between two looks.
        let environment = [("NOTIFY_SOCKET", address), ("WATCHDOG_USEC", "4800000")];
        let sensor = scratch.capture_with(&["-i", "b", "--threads", "2"], &environment);
        assert!(next(&manager).starts_with("READY=1\nSTATUS=capturing on b"));
        let mut ping = [0; 64];
        let len = manager.recv(&mut ping).expect("a ping");
        assert_eq!(&ping[..len], b"WATCHDOG=1");
        for signal in [libc::SIGHUP, libc::SIGUSR2] {
            sensor.signal(signal);
            assert!(next(&manager).starts_with("RELOADING=1\nMONOTONIC_USEC="));
            assert_eq!(next(&manager), "READY=1");
        }
        sensor.ask("shutdown", json!({}));
        assert_eq!(next(&manager), "STOPPING=1\nSTATUS=writing the flows that are left");
        sensor.end(0);
    });
}
