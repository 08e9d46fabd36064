//! What fuzzing once found worth keeping (`fixtures/fuzz/<target>/`), and the claims of the fuzz targets over it; with
//! `SHIPPER_FUZZ_SECONDS=n` also over what becomes of it by changes at random.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    clippy::cast_possible_truncation,
    reason = "a test may fail, and reads its fixtures"
)]

#[path = "../fuzz/src/lib.rs"]
mod claims;

use std::path::Path;
use std::time::{Duration, Instant};

/// Changes, and claims, for so long beyond replaying: without coverage, but with the stable compiler.
fn seconds() -> u64 {
    std::env::var("SHIPPER_FUZZ_SECONDS").map_or(0, |text| text.parse().expect("a number"))
}

fn replay(target: &str, check: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fuzz").join(target);
    let mut inputs = Vec::new();
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let checked = std::panic::catch_unwind(|| check(&bytes));
        assert!(checked.is_ok(), "{}", path.display());
        inputs.push(bytes);
    }
    assert!(!inputs.is_empty(), "there are inputs in {}", directory.display());
    let until = Instant::now() + Duration::from_secs(seconds());
    let mut rng = fastrand::Rng::new();
    let mut count = 0;
    while Instant::now() < until {
        let mut bytes = inputs[rng.usize(..inputs.len())].clone();
        for _ in 0..rng.usize(1..6) {
            change(&mut bytes, &inputs, &mut rng);
        }
        let checked = std::panic::catch_unwind(|| check(&bytes));
        if checked.is_err() {
            let path = std::env::temp_dir().join(format!("{target}-{:016x}", rng.u64(..)));
            std::fs::write(&path, &bytes).unwrap();
            panic!("{} holds an input for which the claim does not hold", path.display());
        }
        count += 1;
    }
    if 0 < count {
        eprintln!("{target}: {count} changed inputs");
    }
}

/// Changes an input in one place.
fn change(bytes: &mut Vec<u8>, inputs: &[Vec<u8>], rng: &mut fastrand::Rng) {
    let at = rng.usize(..=bytes.len());
    let upto = (at + rng.usize(..=8)).min(bytes.len());
    match rng.u8(..6) {
        0 if at < bytes.len() => bytes[at] = rng.u8(..),
        1 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
        2 => drop(bytes.drain(at..upto)),
        3 => bytes.insert(at, b"\n\r \"\\{}[]:,.0aPx\xff\x80\0"[rng.usize(..19)]),
        4 => {
            let other = &inputs[rng.usize(..inputs.len())];
            let from = rng.usize(..=other.len());
            let piece = &other[from..(from + rng.usize(..=64)).min(other.len())];
            drop(bytes.splice(at..at, piece.iter().copied()));
        }
        _ => {
            let piece = bytes[at..upto].to_vec();
            drop(bytes.splice(at..at, piece));
        }
    }
}

#[test]
fn lines_do_not_depend_on_how_a_file_grows() {
    replay("lines", claims::lines::check);
}

#[test]
fn the_same_is_said_only_of_content_that_agrees() {
    replay("identity", claims::identity::check);
}

#[test]
fn messages_do_not_depend_on_cuts_and_each_is_one_document() {
    replay("messages", claims::messages::check);
}

#[test]
fn a_registry_is_read_within_bounds_and_written_as_it_was_read() {
    replay("registry", claims::registry::check);
}

#[test]
fn a_compressed_file_is_read_as_what_was_packed() {
    replay("gzip", claims::gzip::check);
}

#[test]
fn every_line_becomes_one_document() {
    replay("documents", claims::documents::check);
}

#[test]
fn lines_of_known_formats_become_documents_that_a_server_takes() {
    replay("formats", claims::formats::check);
}

#[test]
fn joined_lines_do_not_depend_on_how_a_file_grows() {
    replay("joined", claims::joined::check);
}

#[test]
fn members_of_json_lines_stand_where_values_would() {
    replay("members", claims::members::check);
}

#[test]
fn formats_of_web_servers_take_lines_apart_within_bounds() {
    replay("compiled", claims::compiled::check);
}

#[test]
fn formats_of_operators_are_refused_with_a_place_or_read_any_line() {
    replay("own", claims::own::check);
}

#[test]
fn what_any_format_packed_is_what_is_read() {
    replay("packed", claims::packed::check);
}
