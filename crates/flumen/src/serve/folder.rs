//! Which captures of a directory are to be read, look by look.
//!
//! 1. Only regular files of the directory itself, and none whose name begins with a dot: that is what files are called while
//!    they are copied.
//! 2. A file is read once. It is another file when its inode or its time of modification is another.
//! 3. While a directory is watched, a file is left until it has not been written to for a while.
//!
//! What is remembered are the files that were there at the last look: as many as the directory holds.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flumen_capture::{CaptureFile, Options};
use flumen_model::Timestamp;

/// A directory, and what of it has been taken.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// How long a file must not have been written to; zero when the directory is not watched.
    settled: Duration,
    taken: HashMap<OsString, Identity>,
}

/// What makes a file the one that it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    modified: (i64, i64),
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
    /// When the file was written to last; those from before 1970 count as of then.
    pub(super) fn modified(self) -> Timestamp {
        let (secs, nanos) = self.modified;
        u64::try_from(secs).map_or(Timestamp::ZERO, |secs| Timestamp::from_parts(secs, nanos as u32))
    }
}

impl Folder {
    pub(super) fn new(path: &Path, settled: Duration) -> Self {
        Self { path: path.to_owned(), settled, taken: HashMap::new() }
    }

    /// The captures that are new since the last look, in the order of their first packets, then by name; what is no
    /// capture comes last. `now` is the wall clock, by which files are stamped.
    ///
    /// # Errors
    /// When the directory cannot be read. It may be the next time.
    pub(super) fn look(&mut self, now: SystemTime) -> io::Result<Vec<PathBuf>> {
        let mut there = HashMap::new();
        let mut new = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let path = self.path.join(&name);
            // What has gone since is not there.
            let Some(metadata) = fs::metadata(&path).ok().filter(Metadata::is_file) else { continue };
            let identity = Identity::of(&metadata);
            if name.as_bytes().starts_with(b".") {
                continue;
            }
            if self.taken.get(&name) == Some(&identity) {
                there.insert(name, identity);
            } else if self.is_settled(&metadata, now) {
                new.push(path);
                there.insert(name, identity);
            }
        }
        self.taken = there;
        // With the names in order, captures of the same time stay so.
        new.sort();
        new.sort_by_cached_key(|path| {
            let first = CaptureFile::open(path, &Options::default()).ok().and_then(|capture| capture.first_time());
            (first.is_none(), first)
        });
        Ok(new)
    }

    fn is_settled(&self, metadata: &Metadata, now: SystemTime) -> bool {
        self.settled.is_zero()
            || metadata
                .modified()
                .is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age >= self.settled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scratch::Scratch;
    use std::fs::{File, FileTimes};

    const DELAY: Duration = Duration::from_secs(30);

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
    }

    fn write(scratch: &Scratch, name: &str, secs: u64) {
        let path = scratch.path(name);
        fs::write(&path, "no capture").expect("a file");
        let times = FileTimes::new().set_modified(at(secs));
        File::options().write(true).open(path).and_then(|file| file.set_times(times)).expect("a time");
    }

    fn names(found: io::Result<Vec<PathBuf>>) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
        found.expect("a directory").iter().map(name).collect()
    }

    #[test]
    fn watched_then_files_come_once_and_when_they_have_settled() {
        let scratch = Scratch::new("folder-watched");
        let mut folder = Folder::new(&scratch.path("."), DELAY);
        assert!(names(folder.look(at(1_000))).is_empty());
        write(&scratch, "b", 1_000);
        write(&scratch, "a", 1_000);
        write(&scratch, ".c", 0);
        fs::create_dir(scratch.path("d")).expect("a directory");
        assert!(names(folder.look(at(1_029))).is_empty());
        assert_eq!(names(folder.look(at(1_030))), ["a", "b"]);
        assert!(names(folder.look(at(9_999))).is_empty());
        // Written again: read again. One that has gone is forgotten.
        write(&scratch, "a", 2_000);
        fs::remove_file(scratch.path("b")).expect("removed");
        assert_eq!(names(folder.look(at(3_000))), ["a"]);
        assert_eq!(folder.taken.len(), 1);
        // From the future, by another machine's clock: not before it has come.
        write(&scratch, "z", 5_000);
        assert!(names(folder.look(at(4_000))).is_empty());
    }

    #[test]
    fn not_watched_then_everything_at_once() {
        let scratch = Scratch::new("folder-once");
        [("z", 5_000), ("b", 0), ("a", 7)].iter().for_each(|(name, secs)| write(&scratch, name, *secs));
        assert_eq!(names(Folder::new(&scratch.path("."), Duration::ZERO).look(at(0))), ["a", "b", "z"]);
        assert!(Folder::new(&scratch.path("nowhere"), DELAY).look(at(0)).is_err());
    }
}
