//! Links the tests with lwIP when the distribution's development package is installed (`apt-get install liblwip-dev`).
//! Only the package is linked: no source of lwIP, and nothing built from it, belongs in this repository.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PKG_CONFIG_PATH");
    println!("cargo::rerun-if-env-changed=PKG_CONFIG_LIBDIR");
    println!("cargo::rustc-check-cfg=cfg(lwip)");
    let found = Command::new("pkg-config").args(["--exists", "lwip"]).status().is_ok_and(|status| status.success());
    if found {
        println!("cargo::rustc-cfg=lwip");
        println!("cargo::rustc-link-arg-tests=-llwip");
    }
}
