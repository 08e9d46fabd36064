//! What must hold for every input. Each module has one claim, `check`, which panics where it does not hold: the fuzz
//! targets call it with what they invent, `tests/fuzz_corpora.rs` with what they once found.

pub mod compiled;
pub mod documents;
pub mod formats;
pub mod gzip;
pub mod identity;
pub mod joined;
pub mod lines;
pub mod members;
pub mod messages;
pub mod own;
pub mod packed;
pub mod registry;

mod input;
mod memory;
