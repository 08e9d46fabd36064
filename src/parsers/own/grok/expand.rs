//! Grok patterns written out: each `%{NAME:field:type}` becomes the definition it names, in a group if it has a field.
//!
//! Only groups with names stay groups. Of what is written out it is known where it stood, so that what is wrong in it is
//! shown in the operator's own text.

use super::standard::{definition, names, renamed};
use crate::parsers::own::{OwnError, Part, distance};
use crate::parsers::regex::hint_of;
use crate::settings::own::ValueType;
use regex_syntax::ParserBuilder;
use std::ops::Range;

/// Most bytes of an expression that is written out.
const EXPANDED_BYTES_MAX: usize = 256 << 10;

/// Deepest nesting of definitions.
const DEPTH_MAX: usize = 64;

/// Groups of old that only tell the engine not to go back, or begin a group without a name.
const ATOMIC: &str = "(?>";

/// A pattern written out.
#[derive(Debug)]
pub(super) struct Expanded {
    pub(super) regex: String,
    pub(super) groups: Vec<Group>,
    pub(super) part: Part,
    /// Where pieces of `regex` stood: where they begin in it, and the place there.
    pieces: Vec<(usize, Part, usize)>,
}

/// A group with a name.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    /// Its name in the standard definition, where that is another one.
    pub(super) old: Option<String>,
    pub(super) value: ValueType,
    /// Where the operator wrote it, or what has it in it.
    pub(super) part: Part,
    pub(super) range: Range<usize>,
}

/// Writes patterns out.
#[derive(Debug)]
pub(super) struct Expander<'a> {
    own: &'a [(String, String)],
}

/// What is being written out, and where the operator wrote what led there.
struct Place<'a> {
    part: &'a Part,
    /// In a standard definition: the `%{}` of the operator's.
    within: Option<Range<usize>>,
    /// Names of the definitions that lead there.
    path: Vec<String>,
}

impl Place<'_> {
    fn range(&self, range: Range<usize>) -> Range<usize> {
        self.within.clone().unwrap_or(range)
    }

    fn error(&self, range: Range<usize>, message: String, hint: String) -> OwnError {
        OwnError::new(self.part.clone(), message, hint).at(self.range(range))
    }
}

impl<'a> Expander<'a> {
    pub(super) fn new(own: &'a [(String, String)]) -> Self {
        Self { own }
    }

    /// Checks the operator's definitions, used or not.
    pub(super) fn check(&self) -> Result<(), OwnError> {
        for (name, text) in self.own {
            let part = Part::Definition(name.clone());
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || !name.bytes().all(is_name) {
                let message = format!("`{name}` cannot be the name of a pattern");
                return Err(OwnError::new(part, message, "letters, digits and `_` can"));
            }
            self.expand(text, part)?;
        }
        Ok(())
    }

    /// Writes a pattern out.
    pub(super) fn expand(&self, text: &str, part: Part) -> Result<Expanded, OwnError> {
        let path = match &part {
            Part::Definition(name) => vec![name.clone()],
            _ => Vec::new(),
        };
        let (regex, groups, pieces) = (String::new(), Vec::new(), Vec::new());
        let mut out = Expanded { regex, groups, part: part.clone(), pieces };
        self.write(text, &Place { part: &part, within: None, path }, &mut out)?;
        out.check().map_err(|error| self.placed(error, text))?;
        Ok(out)
    }

    /// Keeps the place of an error within its text: what is missing is missing behind the last character.
    fn placed(&self, error: OwnError, text: &str) -> OwnError {
        let own = match &error.part {
            Part::Definition(name) => self.own.iter().find(|(known, _)| known == name),
            _ => None,
        };
        let text = own.map_or(text, |(_, text)| text);
        let last = text.char_indices().next_back().map_or(0, |(at, _)| at);
        let range = error.range.clone().map(|range| {
            let start = text.floor_char_boundary(range.start.min(last));
            start..text.ceil_char_boundary(range.end.clamp(start, text.len()))
        });
        OwnError { range, ..error }
    }

    fn write(&self, text: &str, place: &Place<'_>, out: &mut Expanded) -> Result<(), OwnError> {
        let mut at = 0;
        // Classes stand in classes.
        let mut depth = 0_usize;
        out.piece(place, 0);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let first = rest.chars().next().unwrap_or_default();
            let length = if rest.starts_with("%{") {
                let length = self.write_named(text, at, place, out)?;
                out.piece(place, at + length);
                length
            } else if first == '\\' {
                let length = length_of_escape(rest);
                out.regex.push_str(&rest[..length]);
                length
            } else if first == '{' && depth == 0 && !is_repetition(rest) {
                out.regex.push_str("\\{");
                out.piece(place, at + 1);
                1
            } else if 0 < depth && rest.starts_with("[:") {
                let length = rest.find(":]").map_or(2, |end| end + 2);
                out.regex.push_str(&rest[..length]);
                length
            } else if 0 < depth || first != '(' {
                match first {
                    '[' => depth += 1,
                    ']' if 0 < depth && !opens_class(text, at) => depth -= 1,
                    _ => {}
                }
                out.regex.push(first);
                first.len_utf8()
            } else {
                write_group(text, at, place, out)
            };
            at += length;
            if EXPANDED_BYTES_MAX < out.regex.len() {
                let message = format!("written out it has more than {EXPANDED_BYTES_MAX} bytes");
                return Err(place.error(0..text.len(), message, "make it shorter".to_owned()));
            }
        }
        Ok(())
    }

    /// Writes `%{NAME:field:type}` out, and returns its length.
    fn write_named(
        &self,
        text: &str,
        at: usize,
        place: &Place<'_>,
        out: &mut Expanded,
    ) -> Result<usize, OwnError> {
        let rest = &text[at..];
        let Some(close) = rest.find('}') else {
            let message = "this `%{` has no `}`".to_owned();
            return Err(place.error(at..text.len(), message, "write `%{IP:source.ip}`".to_owned()));
        };
        let (length, range) = (close + 1, at..at + close + 1);
        let mut parts = rest[2..close].splitn(3, ':');
        let (name, field, word) =
            (parts.next().unwrap_or_default(), parts.next(), parts.next().unwrap_or("text"));
        let Some(value) = ValueType::of_word(word) else {
            let message = format!("`{word}` is no type");
            return Err(place.error(range, message, ValueType::known()));
        };
        let own = self.own.iter().find(|(known, _)| known == name);
        let own = own.filter(|_| place.path.last().is_none_or(|last| last != name));
        let Some(inner) = own.map(|(_, text)| text.as_str()).or_else(|| definition(name)) else {
            let message = format!("there is no pattern `{name}`");
            return Err(place.error(range, message, self.nearest(name)));
        };
        if DEPTH_MAX < place.path.len()
            || (own.is_some() && place.path.iter().any(|one| one == name))
        {
            let path = [&place.path[..], &[name.to_owned()]].concat().join("` → `");
            let message = format!("`{path}` never ends");
            return Err(place.error(range, message, "let no definition name itself".to_owned()));
        }
        let field = field.filter(|field| !field.is_empty());
        out.regex.push_str(if field.is_some() { "(" } else { "(?:" });
        if let Some(field) = field {
            let (part, range) = (place.part.clone(), place.range(range.clone()));
            let name = dotted(field);
            let new = place.within.as_ref().and_then(|_| renamed(&name));
            let (name, old) = match new {
                Some(new) => (new.to_owned(), Some(name)),
                None => (name, None),
            };
            out.groups.push(Group { name, old, value, part, range });
        }
        let path = [&place.path[..], &[name.to_owned()]].concat();
        let part = Part::Definition(name.to_owned());
        let inner_place = match own {
            Some(_) => Place { part: &part, within: None, path },
            None => Place { part: place.part, within: Some(place.range(range)), path },
        };
        self.write(inner, &inner_place, out)?;
        out.regex.push(')');
        Ok(length)
    }

    fn nearest(&self, name: &str) -> String {
        let own = self.own.iter().map(|(name, _)| name.as_str());
        let near = own.chain(names()).map(|known| (distance(name, known), known)).min();
        match near {
            Some((distance, known)) if distance <= 2.max(name.len() / 3) => {
                format!("did you mean `{known}`?")
            }
            _ => "give it a definition under `definitions`".to_owned(),
        }
    }
}

impl Expanded {
    /// Notes that what is written next stood there.
    fn piece(&mut self, place: &Place<'_>, at: usize) {
        let at = place.within.as_ref().map_or(at, |within| within.start);
        self.pieces.push((self.regex.len(), place.part.clone(), at));
    }

    /// Tells what is wrong with the expression, in the operator's text.
    fn check(&self) -> Result<(), OwnError> {
        let mut parser = ParserBuilder::new().utf8(false).unicode(false).build();
        let (kind, hint, span) = match parser.parse(&self.regex) {
            Ok(_) => return Ok(()),
            Err(regex_syntax::Error::Parse(error)) => {
                let hint = hint_of(error.kind());
                let hint = hint.unwrap_or("the syntax is that of the `regex` crate");
                (error.kind().to_string(), hint, *error.span())
            }
            Err(regex_syntax::Error::Translate(error)) => {
                let hint = "bytes are matched; for characters beyond ASCII write `(?u:…)`";
                (error.kind().to_string(), hint, *error.span())
            }
            Err(error) => {
                let message = error.to_string();
                return Err(OwnError::new(self.part.clone(), message, "make it simpler"));
            }
        };
        let (start, end) = (span.start.offset, span.end.offset.max(span.start.offset + 1));
        let found = self.pieces.iter().rev().find(|(from, ..)| *from <= start);
        let (from, part, at) = found.cloned().unwrap_or((0, self.part.clone(), 0));
        let place = at + start - from;
        Err(OwnError::new(part, kind, hint).at(place..place + end - start))
    }
}

/// Writes the beginning of a group, and returns the length of that in `text`: without a name it is none that is kept.
fn write_group(text: &str, at: usize, place: &Place<'_>, out: &mut Expanded) -> usize {
    let rest = &text[at..];
    if rest.starts_with(ATOMIC) {
        out.regex.push_str("(?:");
        return ATOMIC.len();
    }
    for named in ["(?<", "(?P<", "(?'"] {
        let Some(name) = rest.strip_prefix(named) else { continue };
        if name.starts_with(['=', '!']) {
            break;
        }
        let Some(end) = name.find(['>', '\'']) else { break };
        let length = named.len() + end + 1;
        let (part, range) = (place.part.clone(), place.range(at..at + length));
        let name = dotted(&name[..end]);
        out.groups.push(Group { name, old: None, value: ValueType::Text, part, range });
        out.regex.push('(');
        out.piece(place, at + length);
        return length;
    }
    if rest.starts_with("(?m)") {
        // There the dot matches line ends.
        out.regex.push_str("(?s)");
        return "(?m)".len();
    }
    out.regex.push_str(if rest.starts_with("(?") { "(" } else { "(?:" });
    out.piece(place, at + 1);
    1
}

/// Returns the length of an escape: that of a character, or of a class by its name.
fn length_of_escape(text: &str) -> usize {
    let is_named = ["\\p{", "\\P{", "\\x{", "\\u{", "\\U{", "\\b{"];
    if is_named.iter().any(|start| text.starts_with(start)) && !is_repetition(&text[2..]) {
        return text.find('}').map_or(2, |end| end + 1);
    }
    1 + text[1..].chars().next().map_or(0, char::len_utf8)
}

/// Tells whether a text begins with how often something is repeated.
fn is_repetition(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|text| text.split_once('}'));
    let Some((inner, _)) = inner else { return false };
    inner.starts_with(|first: char| first.is_ascii_digit())
        && inner.bytes().all(|byte| byte.is_ascii_digit() || byte == b',')
}

/// Tells whether a bracket is the first character of the class that it stands in.
fn opens_class(text: &str, at: usize) -> bool {
    text[..at].ends_with('[') || text[..at].ends_with("[^")
}

/// Reads `[http][version]` as `http.version`.
fn dotted(name: &str) -> String {
    let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    inner.map_or_else(|| name.to_owned(), |inner| inner.replace("][", "."))
}
