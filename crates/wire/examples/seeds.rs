//! Writes one well-formed frame of each protocol as a seed for the fuzz target `decode`.
//!
//! `cargo run -p flumen-wire --example seeds -- fuzz/corpus/decode`

#[path = "../tests/frames/mod.rs"]
mod frames;

use flumen_wire::LinkType;
use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args_os().nth(1).ok_or_else(|| io::Error::other("usage: seeds FOLDER"))?);
    fs::create_dir_all(&folder)?;
    for (name, link, frame) in frames::samples() {
        // The two bytes before the frame: place of the link type in the target's list, and nothing cut.
        let place = match link {
            LinkType::Ethernet => 0,
            LinkType::Null => 1,
            LinkType::Raw => 2,
            LinkType::Ipv4 => 3,
            LinkType::Ipv6 => 4,
            LinkType::Ppp => 5,
            LinkType::Chdlc => 6,
            LinkType::Sll => 7,
            LinkType::Sll2 => 8,
            LinkType::GreOverIp => 9,
            LinkType::Unsupported => 10,
        };
        fs::write(folder.join(name), [&[place, 0], frame.as_slice()].concat())?;
    }
    Ok(())
}
