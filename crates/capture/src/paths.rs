//! The files that a list of paths stands for.

use crate::file::{CaptureFile, Options};
use crate::notice::{Notice, NoticeKind};
use flumen_model::{SourceError, Timestamp};
use std::fs;
use std::path::{Path, PathBuf};

/// A capture to read, and its length if it has one.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) path: PathBuf,
    pub(crate) len: Option<u64>,
}

/// Puts the captures of each directory in its place; everything else stays as it is given.
pub(crate) fn expand(
    paths: &[PathBuf],
    options: &Options,
    notices: &mut Vec<Notice>,
) -> Result<Vec<Planned>, SourceError> {
    let mut planned = Vec::new();
    if paths.iter().filter(|path| path.as_path() == Path::new("-")).count() > 1 {
        return Err(refused(Path::new("-"), "standard input can be read only once"));
    }
    for path in paths {
        if path == Path::new("-") {
            planned.push(Planned { path: path.clone(), len: None });
            continue;
        }
        let metadata = fs::metadata(path).map_err(|error| refused(path, error))?;
        if metadata.is_dir() {
            planned.extend(directory(path, options, notices)?);
        } else {
            let len = metadata.is_file().then_some(metadata.len());
            planned.push(Planned { path: path.clone(), len });
        }
    }
    Ok(planned)
}

/// The captures that lie in a directory itself, in the order of their first packets, then by name; those without a
/// packet come last. Only regular files are opened, since a pipe would make us wait.
fn directory(path: &Path, options: &Options, notices: &mut Vec<Notice>) -> Result<Vec<Planned>, SourceError> {
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries: Vec<PathBuf> =
        entries.map_err(|error| refused(path, error))?.iter().map(fs::DirEntry::path).collect();
    entries.sort();
    let mut found: Vec<(Option<Timestamp>, Planned)> = Vec::new();
    for entry in entries {
        match capture_in_directory(&entry, options) {
            Ok((first, len)) => found.push((first, Planned { path: entry, len: Some(len) })),
            Err(reason) => {
                notices.push(Notice { source_name: entry.display().to_string(), kind: NoticeKind::LeftOut { reason } })
            }
        }
    }
    if found.is_empty() {
        return Err(refused(path, "the directory holds no capture"));
    }
    // A stable sort: those of the same time stay in the order of their names.
    found.sort_by_key(|(first, _)| (first.is_none(), *first));
    Ok(found.into_iter().map(|(_, planned)| planned).collect())
}

fn capture_in_directory(path: &Path, options: &Options) -> Result<(Option<Timestamp>, u64), String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.is_dir() {
        return Err("a directory within a directory is not read".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let capture = CaptureFile::open(path, options).map_err(|error| error.reason)?;
    Ok((capture.first_time(), metadata.len()))
}

fn refused(path: &Path, reason: impl ToString) -> SourceError {
    SourceError { source_name: path.display().to_string(), offset: None, reason: reason.to_string(), damaged: false }
}
