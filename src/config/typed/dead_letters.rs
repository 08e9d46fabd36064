//! `dead_letter` of an output, and what Filebeat says of the same.

use crate::config::typed::value::At;
use crate::settings::{DeadLetterSettings, DeadLetterTo};
use std::path::PathBuf;

/// Least size of the spool: one segment.
const SIZE_MIN: u64 = 64 << 10;

/// Largest size of the spool.
const SIZE_MAX: u64 = 1 << 50;

/// Letters that an index name has nowhere.
const NOT_IN_NAMES: [char; 12] = ['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'];

/// Reads what becomes of documents that the server will never take.
#[must_use]
pub fn dead_letters(at: &At<'_>) -> DeadLetterSettings {
    let default = DeadLetterSettings::default();
    let own = at.get("dead_letter");
    let max_age = own.get("max_age");
    DeadLetterSettings {
        to: to(at, &own),
        path: own.get("path").text_if_any().map_or(default.path, PathBuf::from),
        bytes_max: own.get("max_size").bytes(SIZE_MIN, SIZE_MAX).unwrap_or(default.bytes_max),
        age_max: max_age.duration().filter(|age| !age.is_zero()),
    }
}

fn to(at: &At<'_>, own: &At<'_>) -> DeadLetterTo {
    let policy = at.get("non_indexable_policy");
    let drop = policy.get("drop");
    // `drop: ~` is how Filebeat has it.
    let drops = drop.place().is_some();
    let index_at = own.get("index");
    let theirs = policy.get("dead_letter_index.index");
    let index = match (index_at.is_there(), theirs.is_there()) {
        (true, true) => {
            theirs.problem(format!("`{}` means the same as `{}`", theirs.path(), index_at.path()));
            index_name(&index_at)
        }
        (true, false) => index_name(&index_at),
        (false, _) => index_name(&theirs),
    };
    match (index, drops) {
        (Some(index), false) => DeadLetterTo::Index(index),
        (None, false) => DeadLetterTo::Spool,
        (None, true) => {
            at.warn(format!(
                "`{}`: documents that the server refuses for ever are lost; without it they are kept as dead letters",
                drop.path()
            ));
            DeadLetterTo::Nowhere
        }
        (Some(_), true) => {
            let message =
                format!("`{}` and an index of dead letters cannot both be used", drop.path());
            drop.problem_with(message, "keep one of the two");
            DeadLetterTo::Spool
        }
    }
}

fn index_name(at: &At<'_>) -> Option<String> {
    let name = at.text_if_any()?;
    let good = name == name.to_lowercase()
        && !name.contains(NOT_IN_NAMES)
        && !name.starts_with(['-', '_', '+', '.']);
    if !good {
        at.problem_with(
            format!("`{name}` is no name of an index or data stream"),
            "small letters, digits, `-` and `_` will do, such as `dead-letters`",
        );
    }
    good.then_some(name)
}
