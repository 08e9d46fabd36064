//! `enrich`: what is added to recognised lines.

use crate::config::typed::value::At;
use crate::settings::enrich::{EnrichSettings, field_of_parameter};
use std::path::PathBuf;

/// Most parameters of a query that may become fields.
const PARAMETERS_MAX: usize = 16;

/// Reads `enrich` of an input, or of the top level for all inputs; what an input says stands before what all have.
#[must_use]
pub fn enrich(at: &At<'_>, all: &EnrichSettings) -> EnrichSettings {
    let geoip = at.get("geoip");
    let query = at.get("query");
    EnrichSettings {
        user_agent: at.get("user_agent").boolean().unwrap_or(all.user_agent),
        bots: at.get("bots").boolean().unwrap_or(all.bots),
        related: at.get("related").boolean().unwrap_or(all.related),
        geoip: if geoip.is_there() { databases(&geoip) } else { all.geoip.clone() },
        query: if query.is_there() { parameters(&query) } else { all.query.clone() },
    }
}

fn databases(at: &At<'_>) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for (text, item) in at.texts() {
        let path = PathBuf::from(&text);
        if path.is_absolute() {
            paths.push(path);
        } else {
            item.problem_with(
                format!("`{text}` is no absolute path"),
                "name the file from the root on: /usr/share/GeoIP/GeoLite2-City.mmdb",
            );
        }
    }
    paths
}

fn parameters(at: &At<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (text, item) in at.texts() {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
        let field = field_of_parameter(&text);
        let same = names.iter().find(|other| field_of_parameter(other) == field);
        if !text.bytes().all(is_name) || field.ends_with('.') {
            item.problem_with(
                format!("`{text}` cannot be the name of a field"),
                "letters, digits, `_`, `-`, `.`, `[` and `]` can, of which the last three become `_`",
            );
        } else if same.is_none() {
            names.push(text);
        } else if let Some(same) = same.filter(|same| **same != text) {
            item.problem_with(
                format!("`{text}` and `{same}` are both `{field}`"),
                "name one of them: a document has only one field of a name",
            );
        }
    }
    if PARAMETERS_MAX < names.len() {
        at.problem(format!("{} parameters are more than {PARAMETERS_MAX}", names.len()));
    }
    names
}
