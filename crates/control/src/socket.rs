//! The socket file: who may connect, and how it comes and goes.
//!
//! 1. Nobody can connect before mode and group are set: the socket gets its name only then.
//! 2. A socket file that nobody listens to is replaced. One that somebody does, or a file of another kind, is left alone.
//! 3. At the end the file is removed, unless it is another one by then.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// Who may connect: whoever may write to the socket file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Mode of the file, such as `0o660`.
    pub mode: u32,
    /// Group of the file by its number; without one it is the group of the process.
    pub group: Option<u32>,
}

impl Default for Access {
    /// The owner and the group of the process.
    fn default() -> Self {
        Self { mode: 0o660, group: None }
    }
}

/// A socket that clients can connect to. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file.
    identity: (u64, u64),
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process answers there.
    #[error("{}: another process listens on this socket; is the sensor running already?", .0.display())]
    InUse(PathBuf),
    /// There is a file that is no socket.
    #[error("{}: there is a file that is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The operating system did not do it.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

impl ControlSocket {
    /// Makes a socket at `path`, and the directory above it.
    ///
    /// # Errors
    /// When another process listens there, when there is a file that is no socket, or when the operating system refuses.
    pub fn bind(path: &Path, access: Access) -> Result<Self, BindError> {
        let failed = |doing| move |source| BindError::Io { path: path.to_owned(), doing, source };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(failed("its directory could not be made"))?;
        }
        match occupant(path).map_err(failed("it could not be looked at"))? {
            Occupant::None | Occupant::Stale => {}
            Occupant::Listening => return Err(BindError::InUse(path.to_owned())),
            Occupant::Other => return Err(BindError::NotASocket(path.to_owned())),
        }
        // A name that is ours while mode and group are set; short, as the length of such a path is limited.
        let hidden = path.with_file_name(format!(".{:x}", std::process::id()));
        let made = make(&hidden, access).and_then(|made| fs::rename(&hidden, path).map(|()| made));
        if made.is_err() {
            // It may never have been made.
            let _ = fs::remove_file(&hidden);
        }
        let (listener, identity) = made.map_err(failed("the socket could not be made"))?;
        Ok(Self { listener, path: path.to_owned(), identity })
    }
    /// Where the socket is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            // A file that cannot be removed, because privileges were dropped, is replaced by the next sensor.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn make(path: &Path, access: Access) -> io::Result<(UnixListener, (u64, u64))> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    if access.group.is_some() {
        chown(path, None, access.group)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(access.mode))?;
    let metadata = fs::symlink_metadata(path)?;
    Ok((listener, (metadata.dev(), metadata.ino())))
}

enum Occupant {
    None,
    /// A socket that nobody listens to.
    Stale,
    Listening,
    Other,
}

/// What is at `path`.
fn occupant(path: &Path) -> io::Result<Occupant> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Occupant::None),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => return Ok(Occupant::Other),
        Ok(_) => {}
    }
    // Without blocking: whoever listens may have a full queue, and is there all the same.
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&probe, &SocketAddrUnix::new(path)?).map_err(io::Error::from) {
        Ok(()) => Ok(Occupant::Listening),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock => Ok(Occupant::Listening),
            ErrorKind::ConnectionRefused => Ok(Occupant::Stale),
            ErrorKind::NotFound => Ok(Occupant::None),
            _ => Err(error),
        },
    }
}

/// The number of a group by its name or by its number in digits, as this machine's group file has it.
///
/// # Errors
/// When there is no such group, or the group file cannot be read.
pub fn group_id(name: &str) -> io::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let groups = fs::read_to_string("/etc/group")?;
    find_group(&groups, name).ok_or_else(|| io::Error::new(ErrorKind::NotFound, format!("no group '{name}'")))
}

/// `name:password:number:members`, one a line (group(5)).
fn find_group(groups: &str, name: &str) -> Option<u32> {
    groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).find_map(|fields| match fields.as_slice() {
        [group, _, number, ..] if *group == name => number.parse().ok(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_by_name_or_number_then_its_number() {
        let groups = "daemon:x:1:\nflumen:x:993:ada,bob\nbroken:x\n";
        assert_eq!(find_group(groups, "flumen"), Some(993));
        assert_eq!(find_group(groups, "flu"), None);
        assert_eq!(find_group(groups, "broken"), None);
        assert_eq!(group_id("17").expect("a number"), 17);
        assert!(group_id("no such group").is_err());
    }
}
