//! What the prospector looks for, input by input.

use super::glob::Pattern;
use super::skipped::Skip;
use crate::assembly::terminator::Terminator;
use crate::packing::Compression;
use crate::settings::{CleanSettings, ReadOrder};
use regex::Regex;
use std::path::Path;
use std::time::Duration;

/// What the prospector looks for.
#[derive(Debug)]
pub struct Watched {
    /// What stands for it in the registry, as [`owner_of`](crate::ledger::owner_of) has it; 0: nothing.
    pub owner: u32,
    /// Where its files are.
    pub patterns: Vec<Pattern>,
    /// Full paths that are passed over.
    pub exclude: Vec<Regex>,
    /// Full paths that alone are read, unless there are none.
    pub include: Vec<Regex>,
    /// Whether symbolic links are followed.
    pub symlinks: bool,
    /// Whether a file that was touched is sent again.
    pub resend_on_touch: bool,
    /// Which of several files found at once is read first.
    pub order: ReadOrder,
    /// What is left out of files that are there already.
    pub skip: Skip,
    /// What ends a line of its files, for each encoding that they may have.
    pub terminators: Vec<Terminator>,
    /// Which compressed files are read.
    pub packed: Compression,
    /// A file is removed once it is read to its end, settled, and has not changed for this long.
    pub delete_after: Option<Duration>,
    /// What is forgotten of files that are done with.
    pub clean: CleanSettings,
    /// Pause between two scans.
    pub scan_interval: Duration,
}

impl Default for Watched {
    fn default() -> Self {
        Self {
            owner: 0,
            patterns: Vec::new(),
            exclude: Vec::new(),
            include: Vec::new(),
            symlinks: false,
            resend_on_touch: false,
            order: ReadOrder::default(),
            skip: Skip::default(),
            terminators: vec![Terminator::default()],
            packed: Compression::default(),
            delete_after: None,
            clean: CleanSettings::default(),
            scan_interval: Duration::from_secs(10),
        }
    }
}

impl Watched {
    /// Tells whether a file of that path is one of its files.
    pub(super) fn reads(&self, path: &Path) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(path)) && self.wants(path)
    }

    /// Tells whether a file of that path is to be read as far as its path goes.
    pub(super) fn wants(&self, path: &Path) -> bool {
        let path = path.to_string_lossy();
        let matches = |expression: &Regex| expression.is_match(&path);
        !self.exclude.iter().any(matches)
            && (self.include.is_empty() || self.include.iter().any(matches))
    }
}
