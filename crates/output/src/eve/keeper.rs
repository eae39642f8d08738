//! Whole lines whatever becomes of the sensor: a process beside it that outlives it.
//!
//! Nothing that a process does before it writes can keep a kill from cutting its write within a line, and afterwards it
//! does nothing any more. So the sensor has a second process, its keeper, which holds the files that are written to and
//! waits for the sensor's end, whichever it is. Then it cuts off what stands behind the last line feed of each.
//!
//! 1. The keeper has a file before anything is written to it: the descriptor is sent through a socket.
//! 2. The end of the sensor is the end of that socket. The kernel closes it after the last thread has left its last write.
//! 3. A file to which somebody else writes by then is left alone: whoever it is has [claimed](super::piece) it.
//!
//! A keeper that is killed as well leaves the piece to the next start.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::piece;
use crate::surroundings::Tell;

/// The sensor's end: it knows which files are written to. Clones are the same; the keeper acts when all are gone.
#[derive(Clone, Debug)]
pub struct Keeper {
    socket: Arc<OwnedFd>,
    places: Arc<AtomicU32>,
}

/// The keeper's place for one log: the file that it is written to now.
#[derive(Debug)]
pub(super) struct Place {
    keeper: Keeper,
    number: u32,
}

impl Keeper {
    /// Both ends: what the sensor holds, and what [`keep`] is run with in another process.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (own, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self { socket: Arc::new(own), places: Arc::default() }, other))
    }
    /// A place for another log.
    pub(super) fn place(&self) -> Place {
        Place { keeper: self.clone(), number: self.places.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Place {
    /// Has the keeper hold `file` in the place of the one before.
    pub(super) fn hold(&self, file: &File, path: &Path) -> io::Result<()> {
        let number = self.number.to_ne_bytes();
        let message = [IoSlice::new(&number), IoSlice::new(path.as_os_str().as_bytes())];
        let files = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut attached = SendAncillaryBuffer::new(&mut space);
        attached.push(SendAncillaryMessage::ScmRights(&files));
        // A keeper that has stopped reading is not waited for.
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(&self.keeper.socket, &message, &mut attached, flags)?;
        Ok(())
    }
}

/// The life of a keeper: holds what it is sent, until the sensor is no more; then cuts pieces off and tells of each.
///
/// # Errors
/// When the socket is none of [`Keeper::pair`].
pub fn keep(socket: &OwnedFd, tell: &Tell) -> io::Result<()> {
    let mut files = BTreeMap::new();
    while let Some((number, file, path)) = next(socket)? {
        files.insert(number, (file, path));
    }
    for (file, path) in files.values() {
        let path = path.display();
        match piece::cut_alone(file) {
            Ok(None | Some(0)) => {}
            Ok(Some(bytes)) => {
                tell.say(format_args!("{path}: {bytes} bytes of a record that was not finished were cut off"))
            }
            Err(error) => tell.say(format_args!("{path}: its last line may be cut: {error}")),
        }
    }
    Ok(())
}

/// The next file, with its place and its path; `None` at the end.
fn next(socket: &OwnedFd) -> io::Result<Option<(u32, File, PathBuf)>> {
    let mut number = [0; size_of::<u32>()];
    let mut path = vec![0; PATH_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    loop {
        let mut attached = RecvAncillaryBuffer::new(&mut space);
        let mut message = [IoSliceMut::new(&mut number), IoSliceMut::new(&mut path)];
        let bytes = match recvmsg(socket, &mut message, &mut attached, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => received.bytes,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let file = attached.drain().find_map(|attached| match attached {
            RecvAncillaryMessage::ScmRights(mut files) => files.next().map(File::from),
            _ => None,
        });
        return match (bytes.checked_sub(number.len()), file) {
            (Some(len), Some(file)) => {
                let path = PathBuf::from(OsStr::from_bytes(&path[..len.min(PATH_MAX)]));
                Ok(Some((u32::from_ne_bytes(number), file, path)))
            }
            (None, None) if bytes == 0 => Ok(None),
            _ => continue,
        };
    }
}

/// Longest path that is told whole.
const PATH_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::sync::Mutex;

    fn open(path: &Path) -> File {
        let file = File::options().create(true).read(true).append(true).open(path).expect("opened");
        piece::claim(&file).expect("claimed");
        file
    }

    #[test]
    fn writer_gone_within_a_line_then_the_piece_is_cut_off_and_told() {
        let directory = std::env::temp_dir().join(format!("flumen-keeper-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        let [first, second, whole, shared] = ["1", "2", "3", "4"].map(|name| directory.join(name));
        let (keeper, socket) = Keeper::pair().expect("a socket");
        let told = Arc::new(Mutex::new(Vec::new()));
        let take = Arc::clone(&told);
        let tell = Tell::new(move |line| take.lock().expect("told").push(line.to_owned()));
        let watch = std::thread::spawn(move || keep(&socket, &tell));
        let log = keeper.place();
        let mut files = Vec::new();
        let mut write = |place: &Place, path: &Path, text: &str| {
            let mut file = open(path);
            place.hold(&file, path).expect("sent");
            file.write_all(text.as_bytes()).expect("written");
            files.push(file);
        };
        // The same log after a rotation: the file before is whole by then and not looked at again.
        write(&log, &first, "a\nhalf");
        write(&log, &second, "b\nhalf a line");
        write(&keeper.place(), &whole, "c\n");
        write(&keeper.place(), &shared, "d\nanother writer's");
        let other = open_beside(&shared);
        files.clear();
        drop((log, keeper));
        watch.join().expect("no panic").expect("kept");
        let read = |path: &Path| fs::read_to_string(path).expect("read");
        assert_eq!([&first, &second, &whole].map(|path| read(path)), ["a\nhalf", "b\n", "c\n"]);
        assert_eq!(read(&shared), "d\nanother writer's");
        let line = format!("{}: 11 bytes of a record that was not finished were cut off", second.display());
        assert_eq!(*told.lock().expect("told"), [line]);
        drop(other);
        fs::remove_dir_all(directory).expect("removed");
    }

    /// A writer that has the file open beside the first.
    fn open_beside(path: &Path) -> File {
        let file = File::options().append(true).open(path).expect("opened");
        file.try_lock_shared().expect("a lock");
        file
    }

    #[test]
    fn keeper_gone_then_the_writer_hears_of_it() {
        let (keeper, socket) = Keeper::pair().expect("a socket");
        drop(socket);
        let path = std::env::temp_dir().join(format!("flumen-keeper-gone-{}", std::process::id()));
        let file = open(&path);
        assert!(keeper.place().hold(&file, &path).is_err());
        fs::remove_file(path).expect("removed");
    }
}
