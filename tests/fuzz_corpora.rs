//! What fuzzing once found worth keeping (`fixtures/fuzz/<target>/`), and the claims of the fuzz targets over it and over
//! every beginning of it.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    clippy::cast_possible_truncation,
    reason = "a test may fail, and reads its fixtures"
)]

#[path = "../fuzz/src/lib.rs"]
mod claims;

use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fuzz").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let checked = std::panic::catch_unwind(|| check(&bytes));
        assert!(checked.is_ok(), "{}", path.display());
        count += 1;
    }
    assert!(0 < count, "there are inputs in {}", directory.display());
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
