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

/// What names of fields of a query's parameters begin with.
const QUERY_FIELDS: &str = "url.params.";

/// Returns the name of the field of a query's parameter: what is no letter, digit, `_` or `-` in it becomes one `_`, or
/// nothing at its end, so that `filter[color]` is `url.params.filter_color` and no field can lie in another.
#[must_use]
pub fn field_of_parameter(name: &str) -> String {
    let mut field = QUERY_FIELDS.to_owned();
    let is_kept = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    for part in name.split(|character| !is_kept(character)).filter(|part| !part.is_empty()) {
        if field.len() != QUERY_FIELDS.len() {
            field.push('_');
        }
        field.push_str(part);
    }
    field
}
