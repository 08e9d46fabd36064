//! The parsers: which there are, and which one a format asks for.
//!
//! A new parser is one file here, one variant of [`Parser`] and its arms.

pub mod access_log;
pub mod address;
pub mod escapes;
pub mod regex;
pub mod syslog;
pub mod timestamp;
pub mod url;

use crate::event::{EventBuf, Parse, Parsed};
use crate::settings::Format;
use access_log::{AccessLog, Server, Shape};
use regex::{RegexError, RegexParser};

/// Recognises nothing: every line is shipped as it is, and that is no failure.
#[derive(Debug, Clone, Default)]
pub struct Raw;

impl Parse for Raw {
    #[inline]
    fn parse(&mut self, _: &[u8], _: &mut EventBuf) -> Parsed {
        Parsed::Unrecognised
    }
}

/// A parser, as an input has it.
#[derive(Debug, Clone)]
pub enum Parser {
    /// None: every line is `message` alone.
    Raw(Raw),
    /// Access lines.
    Access(Box<AccessLog>),
    /// An operator's expression.
    Regex(Box<RegexParser>),
}

impl Parser {
    /// Makes the parser of a format.
    ///
    /// # Errors
    /// When an operator's expression is no format.
    pub fn new(format: &Format) -> Result<Self, RegexError> {
        let shape = match format {
            Format::Raw => return Ok(Self::Raw(Raw)),
            Format::Regex(format) => {
                return RegexParser::new(format).map(|parser| Self::Regex(Box::new(parser)));
            }
            Format::Auto => Shape::Any,
            Format::Common => Shape::Common,
            Format::Combined | Format::Nginx => Shape::Combined,
            Format::VhostCombined => Shape::VhostCombined,
        };
        Ok(Self::Access(Box::new(AccessLog::new(shape))))
    }

    /// Says whose lines come next.
    pub fn set_server(&mut self, server: Server) {
        if let Self::Access(access) = self {
            access.set_server(server);
        }
    }

    /// Returns the names of the fields that it may set beside the known ones, in the order of their numbers.
    #[must_use]
    pub fn extras(&self) -> &[String] {
        match self {
            Self::Regex(regex) => regex.extras(),
            Self::Raw(_) | Self::Access(_) => &[],
        }
    }
}
