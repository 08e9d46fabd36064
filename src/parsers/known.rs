//! The formats that are known by a name, beside those of access lines.
//!
//! A new one is one file beside this one and one row here.

use crate::event::LineParser;

/// A format.
#[derive(Debug)]
pub struct Known {
    /// Its name, as `format` has it.
    pub name: &'static str,
    /// Which lines it reads, in a few words.
    pub about: &'static str,
    /// Makes its parser.
    pub make: fn() -> Box<dyn LineParser>,
}

/// All of them.
pub static KNOWN: &[Known] = &[];

/// Finds one by its name.
#[must_use]
pub fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}
