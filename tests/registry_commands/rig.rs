//! A place whose registry is known.

use crate::shipper::Place;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Follows `{logs}/*.log` and prints documents.
pub const CONSOLE: &str = "inputs:\n  - type: log\n    paths: [\"{logs}/*.log\"]\n    format: raw\n\
                           output.console.enabled: true\nsetup.template.enabled: false\n";

/// The journal of the console output.
pub fn journal(place: &Place) -> PathBuf {
    place.path().join("data/registry/console/journal.log")
}

/// A place with the registry of format 1 that is kept as a fixture.
pub fn with_fixture() -> Place {
    let place = Place::new(CONSOLE);
    std::fs::create_dir_all(journal(&place).parent().unwrap()).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/registry/v1/journal.log");
    std::fs::copy(fixture, journal(&place)).unwrap();
    place
}

/// Follows `{logs}/*.log` and delivers to a port.
pub fn to_port(port: u16) -> String {
    format!(
        "inputs:\n  - type: log\n    paths: [\"{{logs}}/*.log\"]\n    format: raw\n\
         output.elasticsearch:\n  hosts: [\"http://127.0.0.1:{port}\"]\n"
    )
}

/// Appends to a file.
pub fn append(path: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Runs to the end of all files; returns the lines that were shipped.
pub fn shipped(place: &Place) -> Vec<String> {
    let (code, out, told) = place.shipper(&["--once", "-e"]);
    assert_eq!(code, 0, "{told}");
    let message = |line: &str| {
        let document: serde_json::Value = serde_json::from_str(line).unwrap();
        document["message"].as_str().unwrap().to_owned()
    };
    out.lines().map(message).collect()
}

/// A place with two logs, read to their ends: `a.log` with two lines, `b.log` with one and a half.
pub fn with_two_logs() -> Place {
    let place = Place::new(CONSOLE);
    std::fs::write(place.log("a.log"), "one\ntwo\n").unwrap();
    std::fs::write(place.log("b.log"), "three\nfo").unwrap();
    assert_eq!(place.run(&["--once"]).0, 0);
    place
}

pub fn inode(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().ino()
}

/// The epoch of a file, as `registry list --json` has it.
pub fn epoch(place: &Place, file: &Path) -> String {
    let (_, out, _) = place.shipper(&["registry", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&out).unwrap();
    let entries = list["entries"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["file"] == file.to_str().unwrap());
    entry.unwrap_or_else(|| panic!("{out}"))["epoch"].as_str().unwrap().to_owned()
}

/// Rows as a table prints them: every column as wide as its widest cell, numbers to the right.
pub fn table(rows: &[[String; 7]]) -> String {
    let headings = ["FILE", "INODE", "READ TO", "SIZE", "BEHIND", "EPOCH", "STATE"];
    let all: Vec<[String; 7]> =
        std::iter::once(headings.map(str::to_owned)).chain(rows.iter().cloned()).collect();
    let width = |column: usize| all.iter().map(|row| row[column].len()).max().unwrap();
    let line = |row: &[String; 7]| {
        let cell = |column: usize| {
            let (text, width) = (&row[column], width(column));
            if (1..=4).contains(&column) {
                format!("{text:>width$}")
            } else {
                format!("{text:<width$}")
            }
        };
        (0..7).map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    all.iter().map(line).collect()
}
