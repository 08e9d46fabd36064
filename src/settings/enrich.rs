//! What is added to recognised lines that does not stand in them.

use std::path::PathBuf;

/// `enrich` of an input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnrichSettings {
    /// `user_agent`: name, version, system and device of user agents. Default: off.
    pub user_agent: bool,
    /// `bots`: `labels.client` says what is no browser. Default: off.
    pub bots: bool,
    /// `related`: `related.ip`, `related.user` and `related.hosts` for all lines. Default: off.
    pub related: bool,
    /// `geoip`: databases in MaxMind's format, absolute paths. Default: none.
    pub geoip: Vec<PathBuf>,
    /// `query`: names of parameters of a query that become fields. Default: none.
    pub query: Vec<String>,
}

impl EnrichSettings {
    /// Tells whether nothing is added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
