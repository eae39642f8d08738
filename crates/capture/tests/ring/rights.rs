//! What a user is told who may not capture, or asks for what is not there.

use crate::net::{Sender, frame, in_namespace, open, receive};
use flumen_capture::Ring;
use flumen_capture::ring::{RingConfig, StopHandle};

/// Gives up capabilities of this thread, by number.
fn give_up(capabilities: &[u32]) {
    // Version 3 of capset(2): two words each of effective, permitted and inheritable rights.
    #[repr(C)]
    struct Header(u32, i32);
    let mut header = Header(0x2008_0522, 0);
    let mut sets = [[0_u32; 3]; 2];
    // SAFETY: a header and two sets that live.
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) };
    assert_eq!(got, 0);
    for capability in capabilities {
        for set in &mut sets[0][..2] {
            *set &= !(1 << capability);
        }
    }
    // SAFETY: as above.
    assert_eq!(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, sets.as_ptr()) }, 0);
}

const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;

fn refused(interface: &str) -> String {
    let stop = StopHandle::new().expect("a descriptor");
    Ring::open(&RingConfig::new(interface), 1, &stop).expect_err("refused").to_string()
}

#[test]
fn right_to_capture_missing_then_the_capability_and_the_command_are_named() {
    in_namespace(|net| {
        net.cable(1500);
        give_up(&[CAP_NET_RAW]);
        let error = refused("b");
        assert!(error.starts_with("b: opening a packet socket was refused: the capability CAP_NET_RAW is missing"));
        assert!(error.contains("setcap cap_net_raw+ep /"), "{error}");
    });
}

#[test]
fn rights_given_up_after_opening_then_capture_goes_on_and_survives_a_removed_interface() {
    in_namespace(|net| {
        net.cable(1500);
        let (mut ring, _) = open(&RingConfig::new("b"));
        let sender = Sender::on("a");
        sender.send(&frame(1, 60));
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let capture = std::thread::spawn(move || {
            give_up(&[CAP_NET_RAW, CAP_NET_ADMIN]);
            let before = receive(&mut ring, 1).len();
            tell.send(()).expect("the test waits");
            gone.recv().expect("the interface is another");
            let mut batch = flumen_model::PacketBatch::new();
            while ring.stats().counters().expect("the kernel answers").returns == 0 {
                flumen_model::PacketSource::fill(&mut ring, &mut batch).expect("no error");
            }
            tell.send(()).expect("the test waits");
            (before, receive(&mut ring, 1).len())
        });
        told.recv().expect("the capture runs");
        net.ip("link del dev b");
        net.cable(1500);
        go.send(()).expect("the capture runs");
        told.recv().expect("it is back");
        Sender::on("a").send(&frame(2, 60));
        assert_eq!(capture.join().expect("no panic"), (1, 1));
    });
}

#[test]
fn no_such_interface_then_those_that_there_are() {
    in_namespace(|net| {
        net.cable(1500);
        let error = refused("eth7");
        assert!(error.starts_with("eth7: there is no such interface; there are: "), "{error}");
        let names = error.rsplit(": ").next().expect("a list");
        let mut names: Vec<&str> = names.split(", ").filter(|name| matches!(*name, "a" | "b" | "lo")).collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "b", "lo"]);
    });
}
