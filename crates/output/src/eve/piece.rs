//! A piece of a line at the end of a log: what a writer leaves that is killed within a write. The kernel ends such a
//! write between two pages, and so wherever in a line.
//!
//! A piece is no record. Who finds one cuts it off, if nobody else writes to the file. That is told by locks (flock(2)):
//! each writer shares one for its life, and who cuts must have it alone. Two descriptions of a file that were passed on
//! from one are one in this, so the [`keeper`](super::keeper) of a writer that has died has its lock.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

/// Prepares the end of a file for a writer, who keeps the lock with the file. Returns how many bytes were cut.
///
/// While another process has the file, the piece may be a line on its way: it is given a moment. A piece that stays, or
/// that is longer than any line of ours, is ended by a line feed instead.
pub(super) fn claim(file: &File) -> io::Result<u64> {
    let mut cut = 0;
    for _ in 0..ATTEMPTS {
        match cut_alone(file)? {
            Some(bytes) => {
                cut = bytes;
                break;
            }
            None if piece(file)? == 0 && file.try_lock_shared().is_ok() => break,
            None => thread::sleep(PAUSE),
        }
    }
    if piece(file)? > 0 {
        io::Write::write_all(&mut &*file, b"\n")?;
    }
    // Shared from here on.
    let _ = file.try_lock_shared();
    Ok(cut)
}

/// Cuts a piece off, unless another writer has the file. Returns its bytes; `None` when there is another writer. The
/// caller's lock is then gone, and alone otherwise.
pub(super) fn cut_alone(file: &File) -> io::Result<Option<u64>> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        // A file system without locks: nobody knows who else writes.
        Err(TryLockError::Error(_)) => return Ok(Some(0)),
    }
    let found = piece(file)?;
    if found == 0 || found > PIECE_MAX {
        return Ok(Some(0));
    }
    file.set_len(file.metadata()?.len() - found)?;
    Ok(Some(found))
}

/// Bytes behind the last line feed of a file, or a little more than [`PIECE_MAX`] when there are more.
fn piece(file: &File) -> io::Result<u64> {
    let len = file.metadata()?.len();
    let mut block = [0; BLOCK];
    let mut end = len;
    while end > 0 && len - end <= PIECE_MAX {
        let start = end.saturating_sub(BLOCK as u64);
        let block = &mut block[..(end - start) as usize];
        file.read_exact_at(block, start)?;
        if let Some(at) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(len - (start + at as u64 + 1));
        }
        end = start;
    }
    Ok(len - end)
}

const BLOCK: usize = 4096;
/// Longest line of ours, by far.
const PIECE_MAX: u64 = 1 << 20;
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    fn file(name: &str, text: &[u8]) -> (PathBuf, File) {
        let path = std::env::temp_dir().join(format!("flumen-piece-{}-{name}", std::process::id()));
        fs::write(&path, text).expect("written");
        let file = File::options().read(true).append(true).open(&path).expect("opened");
        (path, file)
    }

    #[test]
    fn ends_of_files_then_pieces_are_cut_and_nothing_else() {
        let long = vec![b'x'; 3 * BLOCK];
        let very_long = vec![b'x'; PIECE_MAX as usize + 2 * BLOCK];
        let cases: [(&[u8], &[u8], u64); 6] = [
            (b"", b"", 0),
            (b"a\n", b"a\n", 0),
            (b"a\nhalf", b"a\n", 4),
            (b"half", b"", 4),
            (&[b"a\n", &long[..]].concat(), b"a\n", long.len() as u64),
            (&very_long, &[&very_long[..], b"\n"].concat(), 0),
        ];
        for (n, (text, left, cut)) in cases.into_iter().enumerate() {
            let (path, file) = file(&format!("ends-{n}"), text);
            assert_eq!(claim(&file).expect("claimed"), cut, "{n}");
            assert!(fs::read(&path).expect("read") == left, "{n}");
            fs::remove_file(path).expect("removed");
        }
    }

    #[test]
    fn another_writer_then_its_line_may_be_on_its_way_and_is_not_cut() {
        let (path, writer) = file("others", b"a\nhalf");
        writer.try_lock_shared().expect("a lock");
        let other = File::options().read(true).append(true).open(&path).expect("opened");
        other.try_lock_shared().expect("a lock");
        assert_eq!(cut_alone(&other).expect("looked at"), None);
        // Asking in vain has cost it its own.
        other.try_lock_shared().expect("a lock");
        assert_eq!(cut_alone(&writer).expect("looked at"), None, "the other's may be one too");
        drop(other);
        assert_eq!(cut_alone(&writer).expect("looked at"), Some(4), "its own lock is no other");
        fs::remove_file(path).expect("removed");
    }
}
