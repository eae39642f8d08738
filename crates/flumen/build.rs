//! What `--version` tells about the build: commit, target, profile, features, compiler. No paths of the machine.

use std::env;
use std::process::Command;

fn main() {
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let compiler = env::var("RUSTC").ok().and_then(|rustc| output(&rustc, &["--version"]));
    println!("cargo::rustc-env=FLUMEN_COMMIT={commit}");
    println!("cargo::rustc-env=FLUMEN_COMPILER={}", compiler.unwrap_or_else(|| "unknown".to_owned()));
    println!("cargo::rustc-env=FLUMEN_TARGET={}", env::var("TARGET").unwrap_or_default());
    println!("cargo::rustc-env=FLUMEN_PROFILE={}", env::var("PROFILE").unwrap_or_default());
    println!("cargo::rustc-env=FLUMEN_FEATURES={}", features());
    println!("cargo::rerun-if-changed=build.rs");
    // A commit or a change of branch moves one of these.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = output("git", &["rev-parse", "--git-path", name]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

/// The cargo features that are on.
fn features() -> String {
    let names = env::vars().filter_map(|(name, _)| name.strip_prefix("CARGO_FEATURE_").map(str::to_lowercase));
    let mut names: Vec<_> = names.collect();
    names.sort();
    if names.is_empty() { "none".to_owned() } else { names.join(",") }
}

/// What a command writes, one line; `None` when it cannot be run or fails.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(str::to_owned)
}
