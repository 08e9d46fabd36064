//! What is done for removed files of which not all could be delivered.

use std::path::PathBuf;

/// `rescue.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RescueSettings {
    /// Most bytes, compressed, of all rescued files; 0 when none is rescued. Default 1 GB.
    pub bytes_max: u64,
    /// Directory; below the data path when it is relative. Default `rescue`.
    pub path: PathBuf,
    /// What becomes of a file for which there is no room.
    pub on_full: OnFull,
    /// Bytes of content that a step of a rescue writes at least, unless it ends; 8 MiB, a tenth of a second, unless a test
    /// wants more steps.
    pub step_bytes: usize,
}

/// What becomes of a file for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFull {
    /// It stays open, and keeps its space.
    #[default]
    Keep,
    /// It is closed; what was not delivered of it is lost.
    Drop,
}

impl Default for RescueSettings {
    fn default() -> Self {
        Self {
            bytes_max: 1_000_000_000,
            path: PathBuf::from("rescue"),
            on_full: OnFull::Keep,
            step_bytes: 8 << 20,
        }
    }
}
