//! The parsers: which there are, and one value for whichever an input has.
//!
//! A new parser is one file here, one variant and its three arms below.

pub mod access_log;
pub mod regex;
pub mod timestamp;

use crate::event::{EventBuf, Schema, SchemaError};
use crate::settings::Format;
use access_log::{AccessLog, Server, Shape};
use regex::{RegexError, RegexParser};
use timestamp::Rendered;

/// What a line says beside its fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parsed {
    /// When, if the line says so.
    pub time: Option<Rendered>,
    /// Status code of a request; 0 when there is none.
    pub status: u16,
    /// Bytes of its answer.
    pub bytes: u64,
}

/// Why an input has no parser.
#[derive(Debug, thiserror::Error)]
pub enum ParserError {
    /// The operator's expression is no format.
    #[error(transparent)]
    Regex(#[from] RegexError),
    /// The fields make no schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// A parser, as an input has it.
#[derive(Debug, Clone)]
pub enum Parser {
    /// None: every line is `message` alone.
    Raw,
    /// Access lines.
    Access(Box<AccessLog>),
    /// An operator's expression.
    Regex(Box<RegexParser>),
}

impl Parser {
    /// Makes the parser of a format, and the schema of the fields that it may set.
    ///
    /// # Errors
    /// When an operator's expression is no format.
    pub fn new(format: &Format) -> Result<(Self, Schema), ParserError> {
        let shape = match format {
            Format::Raw => return Ok((Self::Raw, Schema::new([])?)),
            Format::Regex(format) => {
                let parser = RegexParser::new(format)?;
                let schema = parser.schema().clone();
                return Ok((Self::Regex(Box::new(parser)), schema));
            }
            Format::Auto => Shape::Any,
            Format::Common => Shape::Common,
            Format::Combined | Format::Nginx => Shape::Combined,
            Format::VhostCombined => Shape::VhostCombined,
        };
        let names = access_log::FIELDS.into_iter().chain([access_log::USER_AGENT]);
        Ok((Self::Access(Box::new(AccessLog::new(shape))), Schema::new(names)?))
    }

    /// Says whose lines come next.
    pub fn set_server(&mut self, server: Server) {
        if let Self::Access(access) = self {
            access.set_server(server);
        }
    }

    /// Reads a line, valid UTF-8 without its end, into `event`; `None` when it is not recognised.
    pub fn parse(&mut self, line: &[u8], event: &mut EventBuf) -> Option<Parsed> {
        match self {
            Self::Raw => None,
            Self::Access(access) => access.parse(line, event).map(|access| Parsed {
                time: Some(access.time),
                status: access.status,
                bytes: access.bytes,
            }),
            Self::Regex(regex) => regex.parse(line, event).map(|matched| Parsed {
                time: matched.time,
                status: matched.status.unwrap_or(0),
                bytes: 0,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_access_lines_stand_in_the_order_of_their_keys() {
        let (_, schema) = Parser::new(&Format::Auto).unwrap();
        let mut names = access_log::FIELDS.to_vec();
        names.push(access_log::USER_AGENT);
        assert_eq!(schema.names(), names);
    }
}
