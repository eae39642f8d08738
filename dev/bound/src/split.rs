//! A capture in two halves by flow: what two engines that share nothing would each read.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use bound::packet::{hash, parse, share_of};

use crate::capture::Capture;
use crate::table::Totals;

/// Writes each frame of a capture to `a` or `b` by the hash of its flow; what is of no flow to `a`.
pub(crate) fn halves(capture: &Capture, a: &Path, b: &Path) -> io::Result<Totals> {
    let create = |path: &Path| Ok::<_, io::Error>(BufWriter::with_capacity(1 << 18, File::create(path)?));
    let mut out = [create(a)?, create(b)?];
    let mut totals = Totals::default();
    for half in &mut out {
        half.write_all(capture.header())?;
    }
    for frame in capture.frames() {
        let key = parse(frame.bytes);
        match &key {
            Some(_) => totals.packets += 1,
            None => totals.other += 1,
        }
        let half = key.map_or(0, |(key, ..)| share_of(hash(&key), 2));
        out[half as usize].write_all(frame.raw)?;
    }
    for half in &mut out {
        half.flush()?;
    }
    Ok(totals)
}
