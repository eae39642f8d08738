//! Who may import whom: the table of crates in the design, as a check of `cargo metadata`.
//!
//! Normal and build dependencies count, on every target; dev-dependencies do not, since tests may reach anywhere. A crate
//! that is not in the table is a problem: the table is where a new crate is decided.

use serde_json::Value;

/// One row of the table.
struct Row {
    package: &'static str,
    /// Crates of this workspace that it may import.
    may: &'static [&'static str],
    others: Others,
}

/// Which crates of other people it may import.
enum Others {
    /// These alone.
    Only(&'static [&'static str]),
    /// All but these.
    Except(&'static [&'static str]),
}

const ROWS: &[Row] = &[
    Row { package: "flumen-kref", may: &[], others: Others::Only(&["loom"]) },
    Row { package: "flumen-wire", may: &[], others: Others::Only(&[]) },
    Row { package: "flumen-filter", may: &[], others: Others::Only(&[]) },
    Row { package: "flumen-pbuf", may: &["flumen-kref"], others: Others::Only(&["libc", "loom"]) },
    Row { package: "flumen-model", may: &["flumen-wire", "flumen-pbuf"], others: Others::Only(&["thiserror"]) },
    Row {
        package: "flumen-table",
        may: &["flumen-model", "flumen-wire", "flumen-pbuf", "flumen-kref"],
        others: Others::Only(&["libc", "loom", "thiserror"]),
    },
    Row {
        package: "flumen-capture",
        may: &["flumen-model", "flumen-pbuf", "flumen-filter"],
        others: Others::Except(&["anyhow", "clap", "serde", "serde_json"]),
    },
    Row { package: "flumen-output", may: &["flumen-model"], others: Others::Except(&["anyhow", "clap"]) },
    Row {
        package: "flumen-engine",
        may: &["flumen-table", "flumen-model", "flumen-wire", "flumen-pbuf", "flumen-kref"],
        // What reads a format or writes one belongs to a source or a sink.
        others: Others::Except(&["anyhow", "clap", "flate2", "memmap2", "serde", "serde_json", "sha1", "zstd"]),
    },
    Row {
        package: "flumen-control",
        may: &["flumen-model"],
        others: Others::Only(&["rustix", "serde_json", "thiserror"]),
    },
    Row {
        package: "flumen",
        may: &[
            "flumen-kref",
            "flumen-wire",
            "flumen-filter",
            "flumen-pbuf",
            "flumen-model",
            "flumen-table",
            "flumen-capture",
            "flumen-output",
            "flumen-engine",
            "flumen-control",
        ],
        others: Others::Except(&[]),
    },
];

/// Every arrow in the output of `cargo metadata --no-deps` that the table does not allow.
///
/// # Errors
/// When the output has not the shape that cargo documents.
pub(crate) fn violations(metadata: &Value) -> Result<Vec<String>, String> {
    let packages = metadata["packages"].as_array().ok_or("cargo metadata without packages")?;
    let mut problems = Vec::new();
    for package in packages {
        let name = package["name"].as_str().ok_or("a package without a name")?;
        let Some(row) = ROWS.iter().find(|row| row.package == name) else {
            if name.starts_with("flumen") {
                problems.push(format!("{name} is not in the table of crates"));
            }
            // Tools around the project (dev/) may import what they like.
            continue;
        };
        for dependency in package["dependencies"].as_array().ok_or("a package without a list of dependencies")? {
            let other = dependency["name"].as_str().ok_or("a dependency without a name")?;
            // The kind is null for a normal dependency.
            if dependency["kind"].as_str() != Some("dev") && !row.allows(other, is_local(dependency)) {
                problems.push(format!("{name} must not import {other}"));
            }
        }
    }
    Ok(problems)
}

impl Row {
    fn allows(&self, other: &str, local: bool) -> bool {
        match &self.others {
            _ if local => self.may.contains(&other),
            Others::Only(allowed) => allowed.contains(&other),
            Others::Except(forbidden) => !forbidden.contains(&other),
        }
    }
}

/// A dependency of this workspace has no source but a path.
fn is_local(dependency: &Value) -> bool {
    dependency["source"].is_null()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Metadata of one package with one dependency.
    fn arrow(from: &str, to: &str, kind: Option<&str>) -> Value {
        let source = if to.starts_with("flumen") || to == "traffic" { Value::Null } else { json!("registry") };
        json!({"packages": [{"name": from, "dependencies": [{"name": to, "kind": kind, "source": source}]}]})
    }

    fn check(from: &str, to: &str, kind: Option<&str>) -> Vec<String> {
        violations(&arrow(from, to, kind)).expect("metadata of the right shape")
    }

    #[test]
    fn forbidden_arrows_are_found() {
        for (from, to) in [
            ("flumen-table", "flumen-capture"),
            ("flumen-wire", "flumen-model"),
            ("flumen-capture", "flumen-table"),
            ("flumen-output", "flumen-engine"),
            ("flumen-engine", "flumen-output"),
            ("flumen-engine", "clap"),
            ("flumen-engine", "serde"),
            ("flumen-kref", "libc"),
            ("flumen-wire", "thiserror"),
            ("flumen-engine", "traffic"),
            ("flumen-control", "flumen-engine"),
            ("flumen-control", "tokio"),
            ("flumen", "traffic"),
        ] {
            assert_eq!(check(from, to, None), [format!("{from} must not import {to}")]);
            assert_eq!(check(from, to, Some("build")).len(), 1, "a build dependency counts");
            assert!(check(from, to, Some("dev")).is_empty(), "a dev-dependency does not");
        }
    }

    #[test]
    fn arrows_of_the_table_are_allowed() {
        for (from, to) in [
            ("flumen-table", "flumen-model"),
            ("flumen-engine", "flumen-table"),
            ("flumen-engine", "thiserror"),
            ("flumen-capture", "flate2"),
            ("flumen", "flumen-engine"),
            ("flumen", "flumen-control"),
            ("flumen-control", "serde_json"),
            ("flumen", "clap"),
            ("xtask", "serde_json"),
            ("traffic", "clap"),
        ] {
            assert!(check(from, to, None).is_empty(), "{from} → {to}");
        }
    }

    #[test]
    fn crate_that_the_table_does_not_know_is_a_problem() {
        assert_eq!(check("flumen-common", "libc", None), ["flumen-common is not in the table of crates"]);
    }

    #[test]
    fn metadata_of_another_shape_is_an_error() {
        assert!(violations(&json!({})).is_err());
        assert!(violations(&json!({"packages": [{"name": "flumen"}]})).is_err());
    }
}
