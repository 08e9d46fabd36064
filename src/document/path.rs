//! What the path of a file says: `/srv/%{tenant}/logs/%{vhost}-access.log` gives two fields.

use crate::json_text::push_string;
use memchr::memmem;

/// Texts that are the line's own.
const RESERVED: [&str; 2] = ["@timestamp", "message"];

/// A path in which some parts are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// At least one character, none of them `/`; a field if it has a name.
    Named(Option<String>),
}

/// Why a text is no template.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateError {
    /// `%{` without its end.
    #[error("`{0}` has a `%{{` without `}}`")]
    Open(String),
    /// Nothing is named.
    #[error("`{0}` names no part of the path, such as `%{{vhost}}`")]
    Nameless(String),
    /// A name that no field can have.
    #[error("`{0}` is not the name of a field")]
    Name(String),
    /// A name that stands there twice.
    #[error("`{0}` is named twice")]
    Twice(String),
    /// Two names with nothing between.
    #[error("nothing tells where `{0}` begins: put some text before it")]
    Adjacent(String),
}

impl Template {
    /// Reads a template. `%{}` stands for any part without making a field of it.
    ///
    /// # Errors
    /// When it names nothing, or something that cannot be a field.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("%{") {
            let (before, from) = rest.split_at(at);
            let end = from.find('}').ok_or_else(|| TemplateError::Open(text.to_owned()))?;
            let name = &from[2..end];
            if before.is_empty() && !pieces.is_empty() {
                return Err(TemplateError::Adjacent(name.to_owned()));
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let is_taken =
                |piece: &Piece| matches!(piece, Piece::Named(Some(other)) if other == name);
            if !name.is_empty() && pieces.iter().any(is_taken) {
                return Err(TemplateError::Twice(name.to_owned()));
            }
            if !name.is_empty() && !is_field(name) {
                return Err(TemplateError::Name(name.to_owned()));
            }
            pieces.push(Piece::Named((!name.is_empty()).then(|| name.to_owned())));
            rest = &from[end + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let template = Self(pieces);
        if template.names().next().is_none() {
            return Err(TemplateError::Nameless(text.to_owned()));
        }
        Ok(template)
    }

    /// Returns the names of its fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Named(name) => name.as_deref(),
            Piece::Text(_) => None,
        })
    }

    /// Returns what a whole path says, each part as short as possible; `None` when it does not match.
    #[must_use]
    pub fn values<'p>(&self, path: &'p [u8]) -> Option<Vec<(&str, &'p [u8])>> {
        let mut values = Vec::new();
        matches(&self.0, path, &mut values).then_some(values)
    }
}

fn is_field(name: &str) -> bool {
    !RESERVED.contains(&name)
        && name.split('.').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
        })
}

fn matches<'t, 'p>(
    pieces: &'t [Piece],
    path: &'p [u8],
    values: &mut Vec<(&'t str, &'p [u8])>,
) -> bool {
    let Some((piece, rest)) = pieces.split_first() else { return path.is_empty() };
    let name = match piece {
        Piece::Text(text) => {
            let behind = path.strip_prefix(text.as_bytes());
            return behind.is_some_and(|behind| matches(rest, behind, values));
        }
        Piece::Named(name) => name,
    };
    let length = memchr::memchr(b'/', path).unwrap_or(path.len());
    let ends: Vec<usize> = match rest.first() {
        Some(Piece::Text(text)) => memmem::find_iter(path, text.as_bytes()).collect(),
        _ => vec![path.len()],
    };
    for end in ends.into_iter().filter(|end| 0 < *end && *end <= length) {
        let before = values.len();
        values.extend(name.as_deref().map(|name| (name, &path[..end])));
        if matches(rest, &path[end..], values) {
            return true;
        }
        values.truncate(before);
    }
    false
}

/// The fields that paths of an input give: those of the first template that matches.
#[derive(Debug, Clone, Default)]
pub(super) struct PathFields {
    templates: Vec<Template>,
    /// Names of all templates, each once.
    pub(super) names: Vec<String>,
    /// Whether documents have them among the fields of their lines, where their place is found for each line.
    pub(super) in_layout: bool,
}

impl PathFields {
    pub(super) fn new(texts: &[String]) -> Result<Self, TemplateError> {
        let templates: Vec<Template> =
            texts.iter().map(|text| Template::parse(text)).collect::<Result<_, _>>()?;
        let mut names: Vec<String> = Vec::new();
        for name in templates.iter().flat_map(Template::names) {
            if !names.iter().any(|other| other == name) {
                names.push(name.to_owned());
            }
        }
        Ok(Self { templates, names, in_layout: false })
    }

    /// Returns the values of a path as JSON, in the order of the names; none at all when no template matches.
    pub(super) fn values(&self, path: &[u8]) -> Vec<Option<Box<[u8]>>> {
        let Some(found) = self.templates.iter().find_map(|template| template.values(path)) else {
            return Vec::new();
        };
        let json = |name: &String| {
            let (_, value) = found.iter().find(|(other, _)| other == name)?;
            let mut text = Vec::new();
            push_string(&mut text, value);
            Some(text.into_boxed_slice())
        };
        self.names.iter().map(json).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_what_is_named_in_them() {
        type Values = Option<&'static [(&'static str, &'static str)]>;
        let cases: &[(&str, &str, Values)] = &[
            (
                "/srv/%{tenant}/logs/%{vhost}-access.log",
                "/srv/acme/logs/www.example.org-access.log",
                Some(&[("tenant", "acme"), ("vhost", "www.example.org")]),
            ),
            ("/srv/%{a}-%{b}.log", "/srv/x-y-z.log", Some(&[("a", "x"), ("b", "y-z")])),
            ("/srv/%{a}.log", "/srv/x.log.log", Some(&[("a", "x.log")])),
            ("/%{}/%{a}/x", "/one/two/x", Some(&[("a", "two")])),
            ("/srv/%{url.domain}", "/srv/example.org", Some(&[("url.domain", "example.org")])),
            ("%{a}/x", "y/x", Some(&[("a", "y")])),
            ("/srv/%{a}/x", "/srv/one/two/x", None),
            ("/srv/%{a}.log", "/srv/.log", None),
            ("/srv/%{a}.log", "/srv/x.log.1", None),
            ("/srv/%{a}.log", "/var/x.log", None),
        ];
        for (template, path, expected) in cases {
            let template = Template::parse(template).expect("a template");
            let values = template.values(path.as_bytes());
            let expected = expected.map(|values| {
                values.iter().map(|(name, value)| (*name, value.as_bytes())).collect::<Vec<_>>()
            });
            assert_eq!(values, expected, "{path}");
        }
    }

    #[test]
    fn templates_that_cannot_work_are_told() {
        for (text, expected) in [
            ("/srv/x", "`/srv/x` names no part of the path, such as `%{vhost}`"),
            ("/srv/%{}", "`/srv/%{}` names no part of the path, such as `%{vhost}`"),
            ("/srv/%{a", "`/srv/%{a` has a `%{` without `}`"),
            ("/%{a}/%{a}", "`a` is named twice"),
            ("/%{a}%{b}", "nothing tells where `b` begins: put some text before it"),
            ("/%{a..b}", "`a..b` is not the name of a field"),
            ("/%{a b}", "`a b` is not the name of a field"),
            ("/%{message}", "`message` is not the name of a field"),
        ] {
            assert_eq!(Template::parse(text).expect_err(text).to_string(), expected);
        }
    }
}
