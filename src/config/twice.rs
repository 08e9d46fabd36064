//! Files that two inputs read: each of their lines is sent twice then, which hardly anybody wants.

use crate::config::problems::{Place, Source};
use crate::discovery::glob::Pattern;
use crate::settings::InputSettings;
use regex::Regex;
use std::path::Path;

/// Leaves out what is the same as an input before it, and returns what is to be told of that, and of files that two inputs
/// read. `places` has the place of each input in `sources`.
pub fn once(
    inputs: &mut Vec<InputSettings>,
    mut places: Vec<Place>,
    sources: &[Source],
) -> Vec<String> {
    let mut told = Vec::new();
    let mut later = 1;
    while later < inputs.len() {
        let same = (0..later).find(|first| are_the_same(&inputs[*first], &inputs[later]));
        if let Some(first) = same {
            let (one, other) = (shown(places[first], sources), shown(places[later], sources));
            told.push(format!(
                "the inputs at {one} and at {other} are the same: that is read once"
            ));
            inputs.remove(later);
            places.remove(later);
            continue;
        }
        for first in 0..later {
            if let Some(path) = path_of_both(&inputs[first], &inputs[later]) {
                let (one, other) = (shown(places[first], sources), shown(places[later], sources));
                told.push(format!(
                    "`{path}` is read by the input at {one} and by that at {other}: each of its lines is sent twice, unless it \
                     is left out of one of them"
                ));
            }
        }
        later += 1;
    }
    told
}

/// Says where an input stands.
fn shown(place: Place, sources: &[Source]) -> String {
    match sources.get(place.source) {
        Some(source) => format!("{}:{}", source.name, place.line),
        None => "another place".to_owned(),
    }
}

/// Tells whether two inputs differ in nothing but their names.
fn are_the_same(one: &InputSettings, other: &InputSettings) -> bool {
    let named = InputSettings { id: one.id.clone(), ..other.clone() };
    *one == named
}

/// Returns a path that both read, as far as their patterns tell it: the same one, or one without a wildcard that matches a
/// pattern of the other.
fn path_of_both<'a>(one: &'a InputSettings, other: &'a InputSettings) -> Option<&'a str> {
    // Who says which files are taken has thought of the others.
    if !one.files.include_files.is_empty() || !other.files.include_files.is_empty() {
        return None;
    }
    let equal = one.paths.iter().find(|path| other.paths.contains(path));
    let concrete = || in_both(one, other).or_else(|| in_both(other, one));
    equal.map(String::as_str).or_else(concrete)
}

fn in_both<'a>(one: &'a InputSettings, other: &InputSettings) -> Option<&'a str> {
    let paths = one.paths.iter().filter(|path| !path.contains(['*', '?', '[', '\\']));
    let mut paths = paths.filter(|path| {
        let matches = |pattern: &String| {
            Pattern::parse(pattern).is_ok_and(|pattern| pattern.matches(Path::new(path)))
        };
        let is_excluded = |input: &InputSettings| {
            let expressions = input.exclude_files.iter().filter_map(|text| Regex::new(text).ok());
            expressions.into_iter().any(|expression| expression.is_match(path))
        };
        other.paths.iter().any(matches) && !is_excluded(one) && !is_excluded(other)
    });
    paths.next().map(String::as_str)
}
