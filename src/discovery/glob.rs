//! Patterns of paths, taken apart into directories so that only those are listed which can hold a match.
//!
//! The syntax is that of Go's `filepath.Match`, which operators of Filebeat know: `*`, `?`, `[a-z]`, `[^a-z]`, `\`,
//! and `**` as a whole component for any depth (at most [`DEPTH_MAX`] levels). Braces mean themselves.

use globset::{GlobBuilder, GlobMatcher};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// Levels that one `**` reaches down, as in Filebeat.
pub const DEPTH_MAX: usize = 8;

/// One component of a pattern.
#[derive(Debug, Clone)]
pub enum Part {
    /// A name as it stands.
    Name(OsString),
    /// A pattern for one name.
    Matching(GlobMatcher),
    /// Any number of directories.
    AnyDepth,
}

/// A pattern for absolute paths.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// It must begin with `/`.
    #[error("path `{0}` is not absolute")]
    Relative(String),
    /// It is empty below the root.
    #[error("path `{0}` names no file")]
    Empty(String),
    /// A component is no pattern.
    #[error("path `{text}` is not a pattern: {reason}")]
    Syntax {
        /// The whole text.
        text: String,
        /// What is wrong.
        reason: String,
    },
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is relative, names no file, or a component cannot be understood.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Self::read(text, true)
    }

    /// Reads a pattern in which `**` is a `*`: it stands for one name.
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub fn parse_flat(text: &str) -> Result<Self, PatternError> {
        Self::read(text, false)
    }

    fn read(text: &str, recursive: bool) -> Result<Self, PatternError> {
        if !text.starts_with('/') {
            return Err(PatternError::Relative(text.to_owned()));
        }
        let mut parts = Vec::new();
        for component in Path::new(text).components() {
            match component {
                Component::Normal(name) if name == "**" && recursive => parts.push(Part::AnyDepth),
                Component::Normal(name) => parts.push(part(name, text)?),
                Component::ParentDir => parts.push(Part::Name(OsString::from(".."))),
                _ => {}
            }
        }
        if parts.is_empty() || text.ends_with('/') {
            return Err(PatternError::Empty(text.to_owned()));
        }
        // A `**` at the end means files at any depth.
        if matches!(parts.last(), Some(Part::AnyDepth)) {
            parts.push(part(OsStr::new("*"), text)?);
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Returns the text that it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns its components, without the root.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Tells whether a path matches.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        let names: Vec<&OsStr> = path.components().skip(1).map(Component::as_os_str).collect();
        matches_from(&self.parts, &names)
    }

    /// Tells whether a path matches, or is a directory on the way to what may match.
    #[must_use]
    pub fn leads_to(&self, path: &Path) -> bool {
        let names = path.components().skip(1).map(Component::as_os_str);
        for (part, name) in self.parts.iter().zip(names) {
            match part {
                Part::AnyDepth => return true,
                Part::Name(own) if own != name => return false,
                Part::Matching(glob) if !glob.is_match(name) => return false,
                _ => {}
            }
        }
        true
    }

    /// Returns the directory above the first component that is not a plain name.
    #[must_use]
    pub fn base(&self) -> PathBuf {
        let mut base = PathBuf::from("/");
        for part in &self.parts[..self.parts.len() - 1] {
            let Part::Name(name) = part else { break };
            base.push(name);
        }
        base
    }
}

fn matches_from(parts: &[Part], names: &[&OsStr]) -> bool {
    match (parts.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((Part::AnyDepth, rest)), _) => {
            (0..=names.len().min(DEPTH_MAX)).any(|depth| matches_from(rest, &names[depth..]))
        }
        (Some((Part::Name(own), rest)), Some((name, others))) => {
            own == name && matches_from(rest, others)
        }
        (Some((Part::Matching(glob), rest)), Some((name, others))) => {
            glob.is_match(name) && matches_from(rest, others)
        }
        _ => false,
    }
}

fn part(name: &OsStr, text: &str) -> Result<Part, PatternError> {
    let syntax = |reason: String| PatternError::Syntax { text: text.to_owned(), reason };
    let Some(name) = name.to_str() else { return Ok(Part::Name(name.to_owned())) };
    if !name.contains(['*', '?', '[', '\\']) {
        return Ok(Part::Name(OsString::from(name)));
    }
    let escaped = name.replace('{', "[{]").replace('}', "[}]").replace("**", "*");
    let glob = GlobBuilder::new(&escaped)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| syntax(error.kind().to_string()))?;
    Ok(Part::Matching(glob.compile_matcher()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pattern: &str, name: &str) -> bool {
        match Pattern::parse(pattern).unwrap().parts().last().unwrap() {
            Part::Name(own) => own == name,
            Part::Matching(glob) => glob.is_match(name),
            Part::AnyDepth => false,
        }
    }

    #[test]
    fn components_match_as_in_go() {
        for (pattern, name, expected) in [
            ("/a/*.log", "x.log", true),
            ("/a/*.log", ".log", true),
            ("/a/*.log", "x.log.1", false),
            ("/a/access.log*", "access.log.2.gz", true),
            ("/a/[a-c]?.log", "b7.log", true),
            ("/a/[^a-c].log", "b.log", false),
            ("/a/[^a-c].log", "d.log", true),
            ("/a/{x,y}.log", "x.log", false),
            ("/a/{x,y}*.log", "{x,y}.log", true),
            ("/a/\\*.log", "*.log", true),
            ("/a/\\*.log", "x.log", false),
            ("/a/**", "anything", true),
        ] {
            assert_eq!(names(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn base_is_above_the_first_pattern() {
        for (pattern, base) in [
            ("/var/log/nginx/access.log", "/var/log/nginx"),
            ("/var/log/*/access.log", "/var/log"),
            ("/srv/**/logs/*.log", "/srv"),
            ("/*.log", "/"),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().base(), Path::new(base), "{pattern}");
        }
    }

    #[test]
    fn bad_patterns_are_told() {
        for (pattern, message) in [
            ("log/*.log", "path `log/*.log` is not absolute"),
            ("/var/log/", "path `/var/log/` names no file"),
            (
                "/var/[a.log",
                "path `/var/[a.log` is not a pattern: unclosed character class; missing ']'",
            ),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap_err().to_string(), message);
        }
    }
}
