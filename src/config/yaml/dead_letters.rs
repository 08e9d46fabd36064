//! What becomes of documents that the server will never take, as YAML.

use super::{duration, map, path, put};
use crate::settings::{DeadLetterSettings, DeadLetterTo};
use serde_yaml::Mapping;

/// Puts what differs from the defaults.
pub(super) fn put_dead_letters(out: &mut Mapping, settings: &DeadLetterSettings) {
    let default = DeadLetterSettings::default();
    let mut own = Mapping::new();
    if settings.path != default.path {
        put(&mut own, "path", path(&settings.path));
    }
    if settings.bytes_max != default.bytes_max {
        put(&mut own, "max_size", settings.bytes_max);
    }
    if let Some(age) = settings.age_max {
        put(&mut own, "max_age", duration(age));
    }
    match &settings.to {
        DeadLetterTo::Spool => {}
        DeadLetterTo::Index(index) => put(&mut own, "index", index.as_str()),
        DeadLetterTo::Nowhere => {
            put(out, "non_indexable_policy", map([("drop", Mapping::new().into())]));
        }
    }
    if !own.is_empty() {
        put(out, "dead_letter", own);
    }
}
