//! A directory for the files of one test, removed when the test ends.

use std::fs;
use std::path::PathBuf;

/// The directory.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// An empty directory; `name` is the test's own.
    pub(crate) fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("flumen-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("a directory for the test");
        Self(directory)
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file for the test");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
