//! What a service manager hears, on a socket that is the test's own.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use serde_json::json;

use crate::service::{Scratch, capture};

/// The manager's end.
struct Manager(UnixDatagram);

impl Manager {
    /// The next thing that is said, which `wanted` must be part of; pings and statuses may stand before it.
    fn hears(&self, wanted: &str) -> String {
        let mut passed = Vec::new();
        loop {
            let said = self.next();
            if said.contains(wanted) {
                return said;
            }
            assert!(said.starts_with("WATCHDOG=1") || said.starts_with("STATUS="), "{said}; wanted {wanted}");
            passed.push(said);
        }
    }
    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        let len = self.0.recv(&mut buffer).expect("something is said");
        String::from_utf8(buffer[..len].to_vec()).expect("UTF-8")
    }
}

#[test]
fn service_on_a_socket_in_the_file_system_or_an_abstract_one_then_the_manager_hears_of_its_life() {
    let scratch = Scratch::new("manager");
    scratch.directory("out");
    scratch.put("a.pcap", &capture("office", 7));
    let name = format!("flumen-test-{}", std::process::id());
    let abstract_name = SocketAddr::from_abstract_name(&name).expect("a name");
    let managers = [
        (UnixDatagram::bind(scratch.path("notify")).expect("bound"), scratch.text("notify")),
        (UnixDatagram::bind_addr(&abstract_name).expect("bound"), format!("@{name}")),
    ];
    for (socket, address) in managers {
        let manager = Manager(socket);
        let service = scratch.serve_with(&[], &[("NOTIFY_SOCKET", &address), ("WATCHDOG_USEC", "40000")]);
        assert_eq!(manager.hears("READY=1"), "READY=1\nSTATUS=waiting for captures");
        // While it waits, and all the more so while it reads.
        manager.hears("WATCHDOG=1");
        let job = json!({"filename": scratch.path("a.pcap"), "output-dir": scratch.path("out")});
        service.done("pcap-file", job);
        assert_eq!(manager.hears("reading"), format!("STATUS=reading {}", scratch.path("a.pcap").display()));
        manager.hears("STATUS=waiting for captures");
        service.signal(libc::SIGHUP);
        assert!(manager.hears("RELOADING").starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert_eq!(manager.hears("READY"), "READY=1");
        service.signal(libc::SIGTERM);
        assert_eq!(manager.hears("STOPPING"), "STOPPING=1\nSTATUS=writing the flows that are left");
        service.end(0);
        manager.0.set_nonblocking(true).expect("set");
        while let Ok(len) = manager.0.recv(&mut [0; 4096]) {
            assert!(len > 0);
        }
        assert_eq!(manager.0.recv(&mut [0; 1]).expect_err("nothing").kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn manager_that_is_not_there_or_another_process_is_meant_then_it_serves_all_the_same() {
    let scratch = Scratch::new("no-manager");
    let service = scratch.serve_with(&[], &[("NOTIFY_SOCKET", "/dev/null/socket"), ("WATCHDOG_USEC", "1000")]);
    service.signal(libc::SIGTERM);
    assert!(service.end(0).starts_with("flumen: NOTIFY_SOCKET /dev/null/socket: "));
    let manager = Manager(UnixDatagram::bind(scratch.path("notify")).expect("bound"));
    let address = scratch.text("notify");
    let environment = [("NOTIFY_SOCKET", address.as_str()), ("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")];
    let service = scratch.serve_with(&[], &environment);
    manager.hears("READY=1");
    service.done("uptime", json!({}));
    service.signal(libc::SIGTERM);
    service.end(0);
    let said = manager.next();
    assert!(said.starts_with("STOPPING=1"), "no pings: they are for another process, not {said}");
}
