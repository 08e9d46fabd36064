//! Where documents go that the server will never take.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// `output.elasticsearch.dead_letter.*`, and Filebeat's `non_indexable_policy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterSettings {
    /// What becomes of them.
    pub to: DeadLetterTo,
    /// Directory of the spool; below the data path when it is relative. Default `dead_letters`.
    pub path: PathBuf,
    /// Most bytes of the spool. Default 1 GiB; when it is full, delivery pauses.
    pub bytes_max: u64,
    /// Age at which they are removed. Default never.
    pub age_max: Option<Duration>,
}

/// What becomes of documents that the server will never take.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeadLetterTo {
    /// They are kept in the spool.
    #[default]
    Spool,
    /// They are stored in this index or data stream; what it refuses is kept in the spool.
    Index(String),
    /// They are lost, as Filebeat does it: counted and told.
    Nowhere,
}

impl Default for DeadLetterSettings {
    fn default() -> Self {
        Self {
            to: DeadLetterTo::Spool,
            path: PathBuf::from("dead_letters"),
            bytes_max: 1 << 30,
            age_max: None,
        }
    }
}

impl DeadLetterSettings {
    /// Returns the directory of the spool.
    #[must_use]
    pub fn directory(&self, data: &Path) -> PathBuf {
        data.join(&self.path)
    }
}
