//! Giving up the rights that opening an interface took, before its packets are looked at.
//!
//! Called once, by the thread that opens, before it starts others: those begin with what is left.
#![allow(unsafe_code)]

use std::io;

/// Whom to go on as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Number of the user.
    pub user: u32,
    /// Number of its group. Other groups are given up.
    pub group: u32,
}

/// Goes on as somebody else, for good. Capabilities go with the user 0.
///
/// # Errors
/// When the system refuses; the process may then be in between and should end.
pub fn become_identity(identity: Identity) -> io::Result<()> {
    let Identity { user, group } = identity;
    // SAFETY: no groups, and so no pointer is followed.
    check(unsafe { libc::setgroups(0, std::ptr::null()) })?;
    // SAFETY: takes no pointers.
    check(unsafe { libc::setresgid(group, group, group) })?;
    // SAFETY: takes no pointers.
    check(unsafe { libc::setresuid(user, user, user) })?;
    // SAFETY: takes no pointers.
    if user != 0 && unsafe { libc::setuid(0) } == 0 {
        return Err(io::Error::other("the user 0 could be had again"));
    }
    Ok(())
}

/// Neither this thread nor what it starts gets more rights by running a program.
///
/// # Errors
/// When the system refuses.
pub fn refuse_new_rights() -> io::Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
