//! What the format strings of both servers come to: literals, and directives with what they mean.

use super::clock::Pattern;
use crate::event::Field;
use std::ops::Range;

/// Why a format string cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Which bytes of the text are wrong; empty at its end.
    pub range: Range<usize>,
    /// What is wrong with them.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl Fault {
    pub(super) fn new(
        range: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { range, message: message.into(), hint: hint.into() }
    }

    /// A line end stands in a format.
    pub(super) fn line_end(range: Range<usize>) -> Self {
        Self::new(
            range,
            "a line end within a format makes several lines of one request",
            "write a blank in its place; in YAML, lines behind `>-` are joined so, those behind `|` are not",
        )
    }
}

/// A part of a format.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// Stands in each line as it is.
    Literal(Vec<u8>),
    /// A value.
    Directive(Directive),
}

/// A value that a server writes.
#[derive(Debug, Clone)]
pub(super) struct Directive {
    /// Where it stands in the text.
    pub(super) range: Range<usize>,
    /// It as it is written.
    pub(super) text: String,
    /// Which bytes it may have.
    pub(super) shape: Shape,
    /// What its value begins with, if it is always the same byte.
    pub(super) begins: Option<Begins>,
    /// What its value says.
    pub(super) role: Role,
}

/// Says that a value begins with a byte, if it is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begins {
    /// The byte.
    pub(super) with: u8,
    /// Whether it may be empty.
    pub(super) is_optional: bool,
}

/// Which bytes a value may have, and so where it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// Digits, `.` and `-`.
    Number,
    /// The name or address of a host, or a scheme.
    Name,
    /// Anything but a blank.
    Word,
    /// Words with `, ` or ` : ` between them.
    List,
    /// Anything.
    Text,
    /// One byte.
    Byte,
    /// A time.
    Time(Pattern),
}

impl Shape {
    /// Tells whether its end is known without what follows.
    pub(super) fn is_delimited(&self) -> bool {
        match self {
            Self::Byte => true,
            Self::Time(pattern) => pattern.is_delimited(),
            _ => false,
        }
    }

    /// Tells whether a value may hold a byte. In a format with escapes none holds a quote.
    pub(super) fn may_hold(&self, byte: u8, has_escapes: bool) -> bool {
        match self {
            Self::Number => byte.is_ascii_digit() || matches!(byte, b'.' | b'-'),
            Self::Name => {
                byte.is_ascii_alphanumeric() || b".-_:[]%".contains(&byte) || !byte.is_ascii()
            }
            Self::Word => byte != b' ' && !(has_escapes && byte == b'"'),
            Self::List | Self::Text => !(has_escapes && byte == b'"'),
            Self::Byte | Self::Time(_) => false,
        }
    }
}

/// What a value says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// Who asked; of several the one with the lowest rank is the client.
    Client { rank: u8, other: &'static str },
    /// A list of clients, the first of them first.
    Forwarded { other: String },
    /// What `identd` says.
    Identity,
    /// Who has logged in.
    User,
    /// The host that was asked; of several the one with the lowest rank.
    Host { rank: u8, other: &'static str },
    /// Its port.
    Port,
    /// The first line of the request.
    Request,
    /// Its method.
    Method,
    /// Its target, as it was sent.
    Target,
    /// Its path, decoded.
    Path,
    /// Its query; with the question mark or without.
    Query { has_mark: bool },
    /// The question mark alone.
    Mark,
    /// `HTTP/1.1`.
    Protocol,
    /// `http` or `https`.
    Scheme,
    /// The status, at the end or before a redirection within the server.
    Status { is_final: bool },
    /// Bytes of the answer's body.
    BodyBytes,
    /// Bytes of the whole answer.
    SentBytes,
    /// A header with a known field.
    Known(Field),
    /// When.
    Time { is_end: bool },
    /// How long, in units of so many nanoseconds.
    Duration(u64),
    /// Another field.
    Other(Other),
}

/// A field that is no [`Field`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    /// Its name.
    pub(super) name: String,
    /// The name where another directive has taken the first; empty where it is the same.
    pub(super) second: String,
    /// How its value becomes JSON.
    pub(super) how: How,
}

impl Other {
    pub(super) fn new(name: impl Into<String>, how: How) -> Self {
        Self { name: name.into(), second: String::new(), how }
    }

    pub(super) fn or(mut self, second: impl Into<String>) -> Self {
        self.second = second.into();
        self
    }
}

/// How a value becomes that of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Text; `-` and nothing are no value.
    Text,
    /// Text, `-` as well.
    Any,
    /// A whole number.
    Number,
    /// A number, with a fraction or without.
    Decimal,
    /// Numbers with `, ` or ` : ` between them: one, or an array.
    Numbers,
    /// The same of texts.
    Texts,
    /// An IP address; anything else is no value.
    Ip,
    /// `TLSv1.3`: becomes version and protocol.
    Tls,
    /// A W3C `traceparent`: its trace id.
    Trace,
    /// A media type, without its parameters.
    Mime,
    /// Whether it is this byte.
    Is(u8),
    /// Whether it is this word.
    IsWord(&'static str),
}

impl How {
    /// Tells whether the values are JSON as they stand.
    pub(super) fn is_json(self) -> bool {
        matches!(
            self,
            Self::Number
                | Self::Decimal
                | Self::Numbers
                | Self::Texts
                | Self::Is(_)
                | Self::IsWord(_)
        )
    }
}
