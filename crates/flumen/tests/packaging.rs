//! What is packaged beside the binary against the binary: man pages, completions, the configuration, the units.
//! `FLUMEN_BLESS=1` writes the man pages and completions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory;
use clap_complete::Shell;
use flumen::cli::Cli;
use flumen::config::Config;

fn packaging() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../packaging")
}

/// Files must be as they are made here.
#[track_caller]
fn assert_current(directory: &Path, made: &[(String, Vec<u8>)]) {
    if std::env::var_os("FLUMEN_BLESS").is_some() {
        let _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory).expect("a directory");
        made.iter().for_each(|(name, bytes)| fs::write(directory.join(name), bytes).expect("written"));
        return;
    }
    for (name, bytes) in made {
        let there = fs::read(directory.join(name)).unwrap_or_default();
        assert!(there == *bytes, "{name} is not current: FLUMEN_BLESS=1 cargo test -p flumen --test packaging");
    }
    let mut there: Vec<_> = fs::read_dir(directory).expect("it").map(|entry| entry.expect("one").file_name()).collect();
    let mut names: Vec<std::ffi::OsString> = made.iter().map(|(name, _)| name.into()).collect();
    there.sort();
    names.sort();
    assert_eq!(there, names);
}

/// The command line, without what is different in every build.
fn cli() -> clap::Command {
    Cli::command().version(env!("CARGO_PKG_VERSION")).long_version(env!("CARGO_PKG_VERSION"))
}

#[test]
fn man_pages_then_as_the_command_line_says() {
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("man");
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(&scratch).expect("a directory");
    clap_mangen::generate_to(cli(), &scratch).expect("written");
    let pages = fs::read_dir(&scratch).expect("it").map(|entry| entry.expect("one").path());
    // Groff has no use for blanks at the ends of lines.
    let clean =
        |text: String| text.lines().map(|line| line.trim_end().to_owned() + "\n").collect::<String>().into_bytes();
    let page = |path: PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, clean(fs::read_to_string(path).expect("text")))
    };
    let mut made: Vec<_> = pages.map(page).filter(|(name, _)| !name.contains("help")).collect();
    made.sort();
    assert!(made.iter().any(|(name, _)| name == "flumen-capture.1"));
    assert_current(&packaging().join("man"), &made);
}

#[test]
fn completions_then_as_the_binary_prints_them() {
    let made: Vec<_> = [Shell::Bash, Shell::Fish, Shell::Zsh]
        .iter()
        .map(|shell| {
            let output = Command::new(env!("CARGO_BIN_EXE_flumen")).args(["completions", &shell.to_string()]).output();
            let name = match shell {
                Shell::Zsh => "_flumen".to_owned(),
                shell => format!("flumen.{shell}"),
            };
            (name, output.expect("flumen runs").stdout)
        })
        .collect();
    assert_current(&packaging().join("completions"), &made);
}

#[test]
fn configuration_of_the_package_then_right_and_every_key_has_an_effect() {
    let config = Config::load(Some(&packaging().join("flumen.yaml")), &[]).expect("right");
    assert!(config.values.ignored.is_empty() && config.values.later.is_empty(), "{:?}", config.values);
    assert_eq!(config.settings.live.interfaces.len(), 1);
    assert_eq!(config.settings.live.control.expect("a socket").path, PathBuf::from(flumen_control::DEFAULT_SOCKET));
}

#[test]
fn units_then_their_command_lines_are_understood() {
    for unit in ["flumen.service", "flumen-serve.service"] {
        let text = fs::read_to_string(packaging().join("systemd").join(unit)).expect(unit);
        let start = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a start");
        let words = start.split(' ').filter(|word| !word.starts_with('$'));
        Cli::command().try_get_matches_from(words).unwrap_or_else(|wrong| panic!("{unit}: {wrong}"));
        for line in ["Type=notify", "WatchdogSec=30", "ExecReload=/bin/kill -USR2 $MAINPID", "NoNewPrivileges=yes"] {
            assert!(text.lines().any(|there| there == line), "{unit}: {line}");
        }
    }
}
