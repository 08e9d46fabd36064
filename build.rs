//! Takes the rules of user agents out of the package that reads them, and puts them into the program as JSON.
//!
//! The package `ua-parser` carries the rules of uap-core but does not offer them; where it lies, cargo tells.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a build that cannot find its parts has to end, and reads files"
)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.lock");
    let rules = package("ua-parser").join("uap-core/regexes.yaml");
    let text = std::fs::read_to_string(&rules)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", rules.display()));
    let rules: serde_yaml::Value = serde_yaml::from_str(&text).expect("the rules are YAML");
    let json = serde_json::to_vec(&rules).expect("the rules are plain data");
    let out = std::env::var_os("OUT_DIR").expect("cargo says where to write");
    std::fs::write(Path::new(&out).join("agents.json"), json)
        .expect("the directory can be written");
}

/// Returns the directory of a package that this one depends on.
fn package(name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").expect("cargo says where it is");
    let target = std::env::var("TARGET").expect("cargo says for what it builds");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &target])
        .current_dir(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where this lies"))
        .output()
        .expect("cargo can be run");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {told}");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    let found = packages.iter().find(|package| package["name"] == name);
    let manifest = found.and_then(|package| package["manifest_path"].as_str());
    let manifest = manifest.unwrap_or_else(|| panic!("there is no package {name}"));
    Path::new(manifest).parent().expect("a file lies in a directory").to_owned()
}
