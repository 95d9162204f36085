//! The rules of the house that a machine can keep.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// The layers of the house. A crate imports only from rows with a smaller number.
const LAYERS: &[(u8, &[&str])] = &[
    (
        0,
        &[
            "phytomer-primitives",
            "phytomer-contracts",
            "phytomer-pqc",
            "phytomer-wire",
        ],
    ),
    (
        1,
        &[
            "phytomer-genesis",
            "phytomer-store",
            "phytomer-telemetry",
            "phytomer-trie",
        ],
    ),
    (
        2,
        &[
            "phytomer-identity",
            "phytomer-consensus",
            "phytomer-evm",
            "phytomer-rocks",
            "phytomer-models",
        ],
    ),
    (
        3,
        &[
            "phytomer-ledger",
            "phytomer-inference",
            "phytomer-p2p",
            "phytomer-streams",
            "phytomer-blobs",
        ],
    ),
    (4, &["phytomer-registry", "phytomer-web"]),
    (5, &["phytomer-api", "phytomer-kafka"]),
    (6, &["phytomer-runtime"]),
    (7, &["phytomer", "phytomer-tests"]),
];

/// Heavy libraries and the crates that may name each: one, but for the cryptography that keys,
/// signatures and transport share.
const OWNERS: &[(&str, &[&str])] = &[
    ("rocksdb", &["phytomer-rocks"]),
    ("arc-malachitebft-core-consensus", &["phytomer-consensus"]),
    ("arc-malachitebft-core-types", &["phytomer-consensus"]),
    ("revm", &["phytomer-evm"]),
    ("alloy-evm", &["phytomer-evm"]),
    ("alloy-trie", &["phytomer-trie"]),
    ("ssi", &["phytomer-identity"]),
    ("age", &["phytomer-identity"]),
    ("aws-lc-rs", &["phytomer-identity", "phytomer-pqc"]),
    ("candle-core", &["phytomer-models"]),
    ("candle-nn", &["phytomer-models"]),
    ("image", &["phytomer-models"]),
    ("axum", &["phytomer-api"]),
    ("jsonrpsee", &["phytomer-api"]),
    ("utoipa-axum", &["phytomer-api"]),
    ("libp2p", &["phytomer-p2p"]),
    ("libp2p-stream", &["phytomer-p2p"]),
    ("yamux", &["phytomer-p2p"]),
    ("bao-tree", &["phytomer-blobs"]),
    ("kafka-protocol", &["phytomer-kafka"]),
];

/// Licences under which what we build on may come.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "MPL-2.0",
    "ISC",
    "Zlib",
    "CC0-1.0",
];

/// A file with more lines than this has more than one subject.
const LINES_MAX: usize = 600;

/// The only top-level entries besides dot-files.
const TOP_LEVEL: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "NOTICE",
    "README.md",
    "contracts",
    "genesis",
    "identity",
    "inference",
    "ledger",
    "node",
    "p2p",
    "simulator",
    "tests",
    "x",
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--offline".into()])
        .exec()
        .unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn layer(name: &str) -> u8 {
    let row = LAYERS.iter().find(|(_, crates)| crates.contains(&name));
    row.unwrap_or_else(|| panic!("{name} stands in no layer: add it to LAYERS"))
        .0
}

/// The files that git would carry: tracked, and untracked but not ignored.
fn files() -> Vec<PathBuf> {
    let output = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    let listing = String::from_utf8(output.stdout).unwrap();
    listing
        .lines()
        .map(PathBuf::from)
        .filter(|path| root().join(path).is_file())
        .collect()
}

fn normal_dependencies(package: &Package) -> impl Iterator<Item = &cargo_metadata::Dependency> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
}

#[test]
fn crates_import_only_from_lower_layers() {
    for package in metadata().workspace_packages() {
        for dependency in
            normal_dependencies(package).filter(|dependency| dependency.path.is_some())
        {
            assert!(
                layer(&dependency.name) < layer(&package.name),
                "{} (layer {}) imports {} (layer {})",
                package.name,
                layer(&package.name),
                dependency.name,
                layer(&dependency.name)
            );
        }
    }
}

#[test]
fn each_heavy_library_has_one_owner() {
    for package in metadata().workspace_packages() {
        for dependency in normal_dependencies(package) {
            for (library, owners) in OWNERS {
                assert!(
                    dependency.name != *library || owners.contains(&package.name.as_str()),
                    "{} names {library}, which belongs to {owners:?}",
                    package.name
                );
            }
        }
    }
}

#[test]
fn third_party_versions_and_features_stand_in_the_workspace_table() {
    for path in files()
        .iter()
        .filter(|path| path.ends_with("Cargo.toml") && path.components().count() > 1)
    {
        let manifest: toml::Table = fs::read_to_string(root().join(path))
            .unwrap()
            .parse()
            .unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            for (name, value) in dependencies {
                let inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                let features =
                    value.get("features").is_some() || value.get("default-features").is_some();
                assert!(
                    inherited && !features,
                    "{}: {name} must be `workspace = true` and nothing more",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn dependencies_are_licensed_as_agreed_and_come_from_the_registry() {
    let metadata = metadata();
    let agreed = |expression: &str| {
        let alternatives = expression.replace('/', " OR ");
        alternatives.split(" OR ").any(|alternative| {
            alternative.split(" AND ").all(|term| {
                LICENCES.iter().any(|licence| {
                    term.trim_matches(|c| "() ".contains(c))
                        .starts_with(licence)
                })
            })
        })
    };
    let direct: Vec<String> = metadata
        .workspace_packages()
        .iter()
        .flat_map(|package| normal_dependencies(package).map(|dependency| dependency.name.clone()))
        .collect();
    for package in &metadata.packages {
        let Some(source) = &package.source else {
            continue;
        };
        assert!(
            source.is_crates_io(),
            "{} comes from {source}",
            package.name
        );
        if direct.iter().any(|name| name == package.name.as_str()) {
            let licence = package.license.as_deref().unwrap_or("none");
            assert!(agreed(licence), "{} is licensed as {licence}", package.name);
        }
    }
}

#[test]
fn files_have_one_subject() {
    let ours = |path: &&PathBuf| {
        let text = path.to_string_lossy();
        let source = ["rs", "ts", "sol", "py", "mjs"]
            .iter()
            .any(|extension| path.extension().is_some_and(|e| e == *extension));
        source && !text.contains("/dist/")
    };
    for path in files().iter().filter(ours) {
        let lines = fs::read_to_string(root().join(path))
            .unwrap()
            .lines()
            .count();
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines, at most {LINES_MAX} are allowed",
            path.display()
        );
    }
}

#[test]
fn the_top_level_is_fixed() {
    for path in files() {
        let first = path
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .into_owned();
        assert!(
            first.starts_with('.') || TOP_LEVEL.contains(&first.as_str()),
            "{first} does not belong at the top level"
        );
    }
}

#[test]
fn no_source_marks_unfinished_work() {
    let marks: Vec<String> = ["todo", "unimplemented"]
        .iter()
        .map(|name| format!("{name}!("))
        .collect();
    for path in files()
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
    {
        let text = fs::read_to_string(root().join(path)).unwrap();
        for (number, line) in text.lines().enumerate() {
            assert!(
                !marks.iter().any(|mark| line.contains(mark.as_str())),
                "{}:{}: {line}",
                path.display(),
                number + 1
            );
        }
    }
}

#[test]
fn no_file_names_a_package_registry_host_or_a_machine_path() {
    let hosts: Vec<String> = [
        ["registry", "npmjs.org"],
        ["static", "crates.io"],
        ["index", "crates.io"],
        ["files", "pythonhosted.org"],
    ]
    .iter()
    .map(|parts| parts.join("."))
    .chain([["", "root", "."].join("/"), ["", "work", "main"].join("/")])
    .collect();
    // The lockfile's `source` lines name the registry by its index, which cargo requires.
    for path in files().iter().filter(|path| !path.ends_with("Cargo.lock")) {
        let Ok(text) = fs::read_to_string(root().join(path)) else {
            continue;
        };
        for host in &hosts {
            assert!(
                !text.contains(host.as_str()),
                "{} names {host}",
                path.display()
            );
        }
    }
}

#[test]
fn every_crate_says_what_it_is() {
    let mut first_lines = BTreeMap::new();
    for package in metadata().workspace_packages() {
        assert!(
            package.description.is_some(),
            "{} has no description",
            package.name
        );
        for target in package
            .targets
            .iter()
            .filter(|target| target.is_lib() || target.is_bin())
        {
            let text = fs::read_to_string(&target.src_path).unwrap();
            let line = text.lines().next().unwrap_or_default().to_string();
            assert!(
                line.starts_with("//! "),
                "{} does not begin with what it is",
                target.src_path
            );
            first_lines.insert(package.name.to_string(), line);
        }
    }
}
