//! The parsers: which there are, and which one a format asks for.
//!
//! A new parser is one file here and one row in [`known`]; those that the hot path knows by their type have a variant of
//! [`Parser`].

mod enveloped;

pub mod access_log;
pub mod address;
pub mod apache_error;
pub mod caddy;
pub mod captures;
pub mod compiled;
pub mod ecs;
pub mod escapes;
pub mod forwarded;
pub mod haproxy;
pub mod iis;
pub mod json_access;
pub mod json_lines;
pub mod known;
pub mod nginx_error;
pub mod nginx_ingress;
pub mod own;
pub mod php_fpm;
pub mod php_fpm_slow;
pub mod regex;
pub mod syslog;
pub mod timestamp;
pub mod traefik;
pub mod url;
pub mod values;
pub mod zone;

use crate::event::{EventBuf, Extra, LineParser, Parse, Parsed};
use crate::settings::network::Network;
use crate::settings::{Format, ServerFormat, SyslogSettings};
use access_log::{AccessLog, Server, Shape};
use compiled::{Compiled, Fault};
pub use enveloped::SyslogLines;
use own::{OwnError, OwnLines};
use regex::{RegexError, RegexParser};
use zone::Zone;

/// Recognises nothing: every line is shipped as it is, and that is no failure.
#[derive(Debug, Clone, Default)]
pub struct Raw;

impl Parse for Raw {
    #[inline]
    fn parse(&mut self, _: &[u8], _: &mut EventBuf) -> Parsed {
        Parsed::Unrecognised
    }
}

/// Why a format has no parser.
#[derive(Debug, thiserror::Error)]
pub enum ParserError {
    /// An operator's expression is none.
    #[error(transparent)]
    Regex(#[from] RegexError),
    /// A web server's format cannot be compiled.
    #[error(transparent)]
    Compiled(#[from] Fault),
    /// An operator's description has a fault.
    #[error(transparent)]
    Own(#[from] OwnError),
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
    /// Syslog messages, and one of the others for their text.
    Syslog(Box<SyslogLines>),
    /// A format that is known by its name.
    Other(Box<dyn LineParser>),
}

impl Parser {
    /// Makes the parser of a format.
    ///
    /// # Errors
    /// When an operator's expression or description is no format.
    pub fn new(format: &Format) -> Result<Self, ParserError> {
        let shape = match format {
            Format::Raw => return Ok(Self::Raw(Raw)),
            Format::Regex(format) => {
                return Ok(Self::Regex(Box::new(RegexParser::new(format)?)));
            }
            Format::Own(format) => return Ok(Self::Other(Box::new(OwnLines::new(format)?))),
            Format::Auto | Format::Apache => Shape::Any,
            Format::Common => Shape::Common,
            Format::Combined => Shape::Combined,
            Format::Nginx => Shape::CombinedOrVhost,
            Format::VhostCombined => Shape::VhostCombined,
            Format::Compiled(format) => return Self::compiled(format),
            Format::Known(name) => {
                return Ok(
                    known::known(name).map_or(Self::Raw(Raw), |known| Self::Other((known.make)()))
                );
            }
        };
        Ok(Self::Access(Box::new(AccessLog::new(shape))))
    }

    fn compiled(format: &ServerFormat) -> Result<Self, ParserError> {
        let compiled = Compiled::new(format)?;
        Ok(match compiled.shape() {
            Some(shape) => Self::Access(Box::new(AccessLog::new(shape))),
            None => Self::Other(Box::new(compiled)),
        })
    }

    /// Makes a parser of syslog messages whose text this one parses.
    ///
    /// # Errors
    /// When an operator's expression has so many fields that none are left for those of a header.
    pub fn in_syslog(self, settings: &SyslogSettings) -> Result<Self, ParserError> {
        Ok(Self::Syslog(Box::new(SyslogLines::new(self, settings)?)))
    }

    /// Says whose lines come next.
    pub fn set_server(&mut self, server: Server) {
        match self {
            Self::Access(access) => access.set_server(server),
            Self::Syslog(syslog) => syslog.set_server(server),
            Self::Raw(_) | Self::Regex(_) | Self::Other(_) => {}
        }
    }

    /// Says of which networks proxies are whose word on who the client is counts.
    pub fn trust(&mut self, proxies: &[Network]) {
        match self {
            Self::Access(access) => access.trust(proxies),
            Self::Syslog(syslog) => syslog.trust(proxies),
            Self::Other(parser) => parser.trust(proxies),
            Self::Raw(_) | Self::Regex(_) => {}
        }
    }

    /// Tells whether [`Parser::trust`] may change what becomes of a line.
    #[must_use]
    pub fn heeds_proxies(&self) -> bool {
        match self.inner() {
            Self::Access(_) => true,
            Self::Other(parser) => parser.heeds_proxies(),
            Self::Raw(_) | Self::Regex(_) | Self::Syslog(_) => false,
        }
    }

    /// Says when the lines that come next were read, in milliseconds since 1970.
    pub fn set_now(&mut self, unix_ms: u64) {
        match self {
            Self::Syslog(syslog) => syslog.set_now(unix_ms),
            Self::Other(parser) => parser.set_now(unix_ms),
            Self::Raw(_) | Self::Access(_) | Self::Regex(_) => {}
        }
    }

    /// Says of which file the lines that come next are, by its epoch as text.
    pub fn set_file(&mut self, epoch: &[u8]) {
        if let Self::Other(parser) = self {
            parser.set_file(epoch);
        }
    }

    /// Returns how a line of a file begins that says what those mean that follow, if there are such lines.
    #[must_use]
    pub fn header_prefix(&self) -> Option<&'static [u8]> {
        match self {
            Self::Other(parser) => parser.header_prefix(),
            Self::Raw(_) | Self::Access(_) | Self::Regex(_) | Self::Syslog(_) => None,
        }
    }

    /// Says which zone times are of that name none.
    pub fn set_zone(&mut self, zone: &Zone) {
        match self {
            Self::Syslog(syslog) => syslog.set_zone(zone),
            Self::Other(parser) => parser.set_zone(zone),
            Self::Raw(_) | Self::Access(_) | Self::Regex(_) => {}
        }
    }

    /// Returns the one that parses texts.
    #[must_use]
    pub fn inner(&self) -> &Self {
        match self {
            Self::Syslog(syslog) => syslog.inner(),
            other => other,
        }
    }

    /// Returns the fields that it may set beside the known ones, in the order of their numbers.
    #[must_use]
    pub fn extras(&self) -> &[Extra] {
        match self {
            Self::Regex(regex) => regex.extras(),
            Self::Syslog(syslog) => syslog.extras(),
            Self::Other(parser) => parser.extras(),
            Self::Raw(_) | Self::Access(_) => &[],
        }
    }
}
