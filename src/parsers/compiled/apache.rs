//! Apache's `LogFormat` strings: the directives of `mod_log_config`, `mod_logio` and `mod_ssl`.
//!
//! A string is taken as it stands in Apache's configuration between its quotes, where `\"` is a quote; as it is after
//! that, without backslashes, it means the same.

use super::clock::Pattern;
use super::names;
use super::pieces::{Begins, Directive, Fault, How, Other, Piece, Role, Shape};
use std::ops::Range;

/// The formats that Apache's and Debian's configurations define, by their nicknames.
const NICKNAMES: &[(&str, &str)] = &[
    ("common", r#"%h %l %u %t "%r" %>s %b"#),
    ("combined", r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#),
    ("combinedio", r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %I %O"#),
    ("vhost_combined", r#"%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i""#),
    ("vhost_common", r#"%v %h %l %u %t "%r" %>s %b"#),
    ("referer", "%{Referer}i -> %U"),
    ("agent", "%{User-agent}i"),
    ("ssl_request_log", r#"%t %h %{SSL_PROTOCOL}x %{SSL_CIPHER}x "%r" %b"#),
];

/// Letters that a directive may end with, as far as they are told where one is not known.
const KNOWN: &str = "%a %A %b %B %{}C %D %{}e %f %h %H %{}i %I %k %l %L %m %{}n %{}o %O %p %P %q %r %R %s %S %t %T \
                     %u %U %v %V %X %{}x %^FB %{}^ti %{}^to";

/// Finds the format that Apache or Debian gives a nickname.
#[must_use]
pub fn nicknamed(name: &str) -> Option<&'static str> {
    NICKNAMES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Returns all known nicknames.
pub fn nicknames() -> impl Iterator<Item = &'static str> {
    NICKNAMES.iter().map(|(name, _)| *name)
}

/// Reads a format string.
///
/// # Errors
/// When a directive is not known or not complete.
pub(super) fn read(text: &str) -> Result<Vec<Piece>, Fault> {
    let mut reader = Reader { text, at: 0, literal: Vec::new(), pieces: Vec::new() };
    while let Some(byte) = reader.byte(0) {
        match byte {
            b'%' if reader.byte(1) == Some(b'%') => reader.push(b'%', 2),
            b'%' => {
                reader.end_literal();
                let directive = reader.directive()?;
                reader.pieces.push(Piece::Directive(directive));
            }
            b'\\' => reader.escape()?,
            b'\n' | b'\r' => return Err(Fault::line_end(reader.at..reader.at + 1)),
            other => reader.push(other, 1),
        }
    }
    reader.end_literal();
    Ok(reader.pieces)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    literal: Vec<u8>,
    pieces: Vec<Piece>,
}

/// What stands between `%` and the letter.
#[derive(Default)]
struct Modifiers {
    argument: Option<String>,
    wants_original: bool,
    wants_final: bool,
}

impl Reader<'_> {
    fn byte(&self, behind: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + behind).copied()
    }

    fn push(&mut self, byte: u8, length: usize) {
        self.literal.push(byte);
        self.at += length;
    }

    fn end_literal(&mut self) {
        if !self.literal.is_empty() {
            self.pieces.push(Piece::Literal(std::mem::take(&mut self.literal)));
        }
    }

    /// Reads a backslash and what it makes something else of.
    fn escape(&mut self) -> Result<(), Fault> {
        match (self.byte(1), self.byte(2)) {
            (Some(quote @ (b'"' | b'\'')), _) => self.push(quote, 2),
            (Some(b't'), _) => self.push(b'\t', 2),
            (Some(b'n'), _) => return Err(Fault::line_end(self.at..self.at + 2)),
            (Some(b'\\'), Some(b't')) => self.push(b'\t', 3),
            (Some(b'\\'), _) => self.push(b'\\', 2),
            _ => self.push(b'\\', 1),
        }
        Ok(())
    }

    /// Reads a directive, from its percent sign on.
    fn directive(&mut self) -> Result<Directive, Fault> {
        let start = self.at;
        self.at += 1;
        let mut modifiers = Modifiers::default();
        let letter = loop {
            let Some(byte) = self.byte(0) else {
                return Err(Fault::new(
                    start..self.text.len(),
                    format!("`{}` ends within a directive", &self.text[start..]),
                    "write `%%` for a percent sign, or the directive's letter",
                ));
            };
            match byte {
                b'<' => modifiers.wants_original = true,
                b'>' => modifiers.wants_final = true,
                b'!' | b',' | b'0'..=b'9' => {}
                b'{' => modifiers.argument = Some(self.argument(start)?),
                _ => break byte,
            }
            self.at += 1;
        };
        let length = if letter == b'^' { 3 } else { char_length(&self.text[self.at..]) };
        let end = (self.at + length).min(self.text.len());
        let end = (end..=self.text.len()).find(|end| self.text.is_char_boundary(*end));
        let end = end.unwrap_or(self.text.len());
        let name = &self.text[self.at..end];
        self.at = end;
        let range = start..end;
        let text = self.text[range.clone()].to_owned();
        let (shape, role) = meaning(name, &modifiers, &range, &text)?;
        let begins = match name {
            "q" => Some(Begins { with: b'?', is_optional: true }),
            "U" => Some(Begins { with: b'/', is_optional: false }),
            _ => None,
        };
        Ok(Directive { range, text, shape, begins, role })
    }

    /// Reads `{…}`; stays at the closing brace.
    fn argument(&mut self, start: usize) -> Result<String, Fault> {
        let open = self.at;
        let Some(length) = self.text[open..].find('}') else {
            return Err(Fault::new(
                open..open + 1,
                format!("the brace of `{}` is not closed", shortened(&self.text[start..])),
                "write `}` and the directive's letter behind it, as in `%{User-Agent}i`",
            ));
        };
        self.at = open + length;
        Ok(self.text[open + 1..self.at].replace("\\\"", "\""))
    }
}

fn char_length(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

fn shortened(text: &str) -> String {
    text.chars().take(24).collect()
}

/// Says what a directive means.
fn meaning(
    name: &str,
    modifiers: &Modifiers,
    range: &Range<usize>,
    text: &str,
) -> Result<(Shape, Role), Fault> {
    let argument = modifiers.argument.as_deref();
    let needed = || {
        argument.filter(|argument| !argument.is_empty()).ok_or_else(|| {
            Fault::new(
                range.clone(),
                format!("`{text}` does not say of what"),
                format!("write a name in braces, as in `%{{Name}}{name}`"),
            )
        })
    };
    Ok(match name {
        "t" => return time(argument.unwrap_or_default(), range, text),
        "i" => names::request_header("apache", needed()?),
        "o" => names::response_header("apache", needed()?),
        "C" => named("apache.access.cookies", needed()?),
        "e" => names::environment(needed()?),
        "n" => named("apache.access.notes", needed()?),
        "x" | "c" => names::ssl_variable(needed()?),
        "^ti" => named("apache.access.request.trailers", needed()?),
        "^to" => named("apache.access.response.trailers", needed()?),
        "T" => (Shape::Number, Role::Duration(unit(argument, range)?)),
        "p" => port(argument, range)?,
        "P" => process(argument, range)?,
        _ => simple(name, argument, modifiers).ok_or_else(|| {
            Fault::new(
                range.clone(),
                format!("Apache has no directive `{text}`"),
                format!("known are {KNOWN}; `%%` is a percent sign"),
            )
        })?,
    })
}

/// Directives whose meaning their letter says.
fn simple(name: &str, argument: Option<&str>, modifiers: &Modifiers) -> Option<(Shape, Role)> {
    let other = |name: &str, how| Role::Other(Other::new(name, how));
    let is_peer = argument == Some("c");
    Some(match name {
        "h" if is_peer => (Shape::Name, Role::Client { rank: 3, other: "apache.access.peer_host" }),
        "h" => (Shape::Name, Role::Client { rank: 1, other: "apache.access.remote_host" }),
        "a" if is_peer => (Shape::Name, Role::Client { rank: 2, other: "apache.access.peer_ip" }),
        "a" => (Shape::Name, Role::Client { rank: 0, other: "apache.access.remote_ip" }),
        "A" => (Shape::Name, other("server.ip", How::Ip)),
        "b" | "B" => (Shape::Number, Role::BodyBytes),
        "D" => (Shape::Number, Role::Duration(1000)),
        "f" => (Shape::Text, other("file.path", How::Text)),
        "H" => (Shape::Word, Role::Protocol),
        "I" => (Shape::Number, other("http.request.bytes", How::Number)),
        "O" => (Shape::Number, Role::SentBytes),
        "S" => (Shape::Number, other("network.bytes", How::Number)),
        "k" => (Shape::Number, other("apache.access.keepalive_requests", How::Number)),
        "l" => (Shape::Word, Role::Identity),
        "L" => (Shape::Word, other("apache.access.log_id", How::Text)),
        "m" => (Shape::Word, Role::Method),
        "q" => (Shape::Text, Role::Query { has_mark: true }),
        "r" => (Shape::Text, Role::Request),
        "R" => (Shape::Word, other("apache.access.handler", How::Text)),
        "s" => (Shape::Number, Role::Status { is_final: modifiers.wants_final }),
        "u" => (Shape::Text, Role::User),
        "U" => (Shape::Text, Role::Path),
        "v" => (Shape::Name, Role::Host { rank: 0, other: "apache.access.server_name" }),
        "V" => (Shape::Name, Role::Host { rank: 1, other: "apache.access.canonical_name" }),
        "X" => (Shape::Byte, other("apache.access.connection_status", How::Any)),
        "^FB" => (Shape::Number, other("apache.access.time_to_first_byte", How::Number)),
        _ => return None,
    })
}

fn named(object: &str, name: &str) -> (Shape, Role) {
    let name = format!("{object}.{}", names::part(name));
    (Shape::Text, Role::Other(Other::new(name, How::Text)))
}

fn unit(argument: Option<&str>, range: &Range<usize>) -> Result<u64, Fault> {
    match argument {
        None | Some("" | "s") => Ok(1_000_000_000),
        Some("ms") => Ok(1_000_000),
        Some("us") => Ok(1000),
        Some(other) => Err(wrong_argument(range, other, "`%{s}T`, `%{ms}T` and `%{us}T`")),
    }
}

fn port(argument: Option<&str>, range: &Range<usize>) -> Result<(Shape, Role), Fault> {
    let other = |name: &str| Role::Other(Other::new(name, How::Number));
    let role = match argument {
        None | Some("" | "canonical") => Role::Port,
        Some("local") => other("server.port"),
        Some("remote") => other("source.port"),
        Some(other) => {
            let known = "`%{canonical}p`, `%{local}p` and `%{remote}p`";
            return Err(wrong_argument(range, other, known));
        }
    };
    Ok((Shape::Number, role))
}

fn process(argument: Option<&str>, range: &Range<usize>) -> Result<(Shape, Role), Fault> {
    let other = |name: &str, how| Role::Other(Other::new(name, how));
    Ok(match argument {
        None | Some("" | "pid") => (Shape::Number, other("process.pid", How::Number)),
        Some("tid") => (Shape::Number, other("process.thread.id", How::Number)),
        Some("hextid") => (Shape::Word, other("apache.access.thread_id", How::Text)),
        Some(other) => {
            return Err(wrong_argument(range, other, "`%{pid}P`, `%{tid}P` and `%{hextid}P`"));
        }
    })
}

fn time(argument: &str, range: &Range<usize>, text: &str) -> Result<(Shape, Role), Fault> {
    let (is_end, format) = match argument.split_once(':') {
        Some(("begin", format)) => (false, format),
        Some(("end", format)) => (true, format),
        _ if argument == "begin" => (false, ""),
        _ if argument == "end" => (true, ""),
        _ => (false, argument),
    };
    let pattern = match format {
        "" => Pattern::bracketed_clf(),
        "sec" => Pattern::epoch(1),
        "msec" => Pattern::epoch(1000),
        "usec" => Pattern::epoch(1_000_000),
        "msec_frac" => Pattern::fraction(3),
        "usec_frac" => Pattern::fraction(6),
        format => Pattern::strftime(format).map_err(|at| {
            let length = 1 + char_length(&format[at + 1..]);
            let conversion = &format[at..at + length];
            // Behind the brace and what was taken off; as it stands, unless there are escapes before it.
            let brace = text.find('{').map_or(0, |brace| brace + 1);
            let at = brace + argument.len() - format.len() + at;
            let is_there = text.get(at..).is_some_and(|rest| rest.starts_with(conversion));
            let at = if is_there { Some(at) } else { text.find(conversion) };
            let place = at.map(|at| range.start + at..range.start + at + length);
            Fault::new(
                place.unwrap_or_else(|| range.clone()),
                "strftime has no such conversion",
                "`%{%Y-%m-%dT%H:%M:%S%z}t` is a time, `%%` a percent sign",
            )
        })?,
    };
    Ok((Shape::Time(pattern), Role::Time { is_end }))
}

fn wrong_argument(range: &Range<usize>, argument: &str, known: &str) -> Fault {
    Fault::new(
        range.clone(),
        format!("`{argument}` is nothing that this directive knows"),
        format!("known are {known}"),
    )
}
