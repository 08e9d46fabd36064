//! Formats that a web server's own configuration writes down: Apache's `LogFormat` and nginx's `log_format` strings,
//! compiled into a byte parser.
//!
//! Each language is read into literals and directives (`apache`, `nginx`). These become steps through a line (`program`),
//! which note where values lie (`split`), and meanings (`meaning`), by which values become fields (`apply`). A format
//! that is one of those which [`AccessLog`](super::access_log::AccessLog) reads is left to it.

mod apache;
mod apply;
mod beginning;
mod clock;
mod meaning;
mod names;
mod nginx;
mod pieces;
mod program;
mod split;
mod values;
mod variables;

pub use apache::{nicknamed, nicknames};
pub use pieces::Fault;
pub use variables::variables;

use super::access_log::Shape;
use super::zone::Zone;
use crate::dataset::{APACHE_ACCESS, Dataset, NGINX_ACCESS};
use crate::event::{EventBuf, Extra, LineParser, LineText, Parse, Parsed, Span};
use crate::settings::network::Network;
use crate::settings::{Escape, ServerFormat, WebServer};
use apply::Found;
use beginning::Beginning;
use meaning::{Meaning, Meanings, meanings};
use pieces::{Directive, Piece, Role};
use program::{Steps, joined, steps};
use std::sync::Arc;

/// Reads the lines of one format.
#[derive(Debug, Clone)]
pub struct Compiled {
    server: WebServer,
    escape: Escape,
    steps: Steps,
    meanings: Meanings,
    spans: Vec<Span>,
    shape: Option<Shape>,
    texts: Vec<String>,
    zone: Zone,
    /// What reads the beginning of a line, where that is one of access lines.
    beginning: Option<Beginning>,
    trusted: Arc<[Network]>,
}

impl Compiled {
    /// Compiles a format.
    ///
    /// # Errors
    /// When it cannot be read, or lines of it cannot be taken apart: with the place and what to write instead.
    pub fn new(format: &ServerFormat) -> Result<Self, Fault> {
        Self::make(format, true)
    }

    /// Compiles a format; `by_parts` is whether the beginning of lines may be read by another parser.
    fn make(format: &ServerFormat, by_parts: bool) -> Result<Self, Fault> {
        let text = format.text.as_str();
        let (pieces, module) = match format.server {
            WebServer::Apache => (apache::read(text)?, "apache"),
            WebServer::Nginx => (nginx::read(text)?, "nginx"),
        };
        let pieces = joined(pieces);
        let steps = steps(&pieces, format.escape != Escape::None, 0)?;
        let texts: Vec<String> = directives(&pieces).map(|one| one.text.clone()).collect();
        let mut meanings = meanings(&pieces, module)?;
        let mut beginning = None;
        if by_parts && format.escape == Escape::Default {
            beginning = Beginning::take(&pieces, &mut meanings)?;
        }
        Ok(Self {
            server: format.server,
            escape: format.escape,
            meanings,
            beginning,
            trusted: Arc::default(),
            spans: vec![Span::default(); texts.len()],
            shape: if format.escape == Escape::Default { shape(&pieces) } else { None },
            steps,
            texts,
            zone: Zone::default(),
        })
    }

    /// Returns which of the formats of access lines it is, if it is one.
    #[must_use]
    pub fn shape(&self) -> Option<Shape> {
        self.shape
    }

    /// Returns the directives, as they are written, in the order of their values.
    #[must_use]
    pub fn directives(&self) -> &[String] {
        &self.texts
    }

    /// Returns the names of nginx's variables in it that nginx has not by itself, headers of requests among them that are
    /// seldom logged. They are legal: configurations make variables, and clients send any header.
    pub fn own_variables(&self) -> impl Iterator<Item = &str> {
        let is_nginx = self.server == WebServer::Nginx;
        let all = self.texts.iter().filter(move |_| is_nginx).flat_map(|text| text.split('$'));
        let names = all.map(|text| text.trim_matches(['{', '}'])).filter(|name| !name.is_empty());
        names.filter(|name| !variables::is_of_nginx(&name.to_ascii_lowercase()))
    }

    /// Returns where the values of a line lie; `None` for a line of another format.
    pub fn split(&mut self, line: &[u8], known: LineText) -> Option<&[Span]> {
        self.steps.split(line, 0, known, &mut self.spans)?;
        Some(&self.spans)
    }

    fn read(&mut self, line: &[u8], event: &mut EventBuf) -> Option<()> {
        if let Some(beginning) = &mut self.beginning {
            beginning.read(line, event, &mut self.spans)?;
        } else {
            self.steps.split(line, 0, event.text(), &mut self.spans)?;
            let quotes = self.steps.quotes.len();
            if event.text() == LineText::Plain && event.quotes() == Some(quotes) {
                self.steps.mark(0, &self.spans, event);
            } else {
                event.forget_marks();
            }
        }
        let (escape, trusted) = (self.escape, &*self.trusted);
        let found = Found { line, spans: &self.spans, escape, trusted };
        found.apply(&mut self.meanings, &mut self.zone, self.server == WebServer::Nginx, event)
    }
}

impl Parse for Compiled {
    fn parse(&mut self, line: &[u8], event: &mut EventBuf) -> Parsed {
        match self.read(line, event) {
            Some(()) => Parsed::Recognised,
            None => Parsed::Unrecognised,
        }
    }
}

impl LineParser for Compiled {
    fn boxed_clone(&self) -> Box<dyn LineParser> {
        Box::new(self.clone())
    }

    fn dataset(&self) -> &'static Dataset {
        match self.server {
            WebServer::Apache => &APACHE_ACCESS,
            WebServer::Nginx => &NGINX_ACCESS,
        }
    }

    fn extras(&self) -> &[Extra] {
        &self.meanings.extras
    }

    fn trust(&mut self, proxies: &[Network]) {
        self.trusted = proxies.into();
        if let Some(beginning) = &mut self.beginning {
            beginning.log.trust(proxies);
        }
    }

    fn heeds_proxies(&self) -> bool {
        let is_list = |(_, meaning): &(usize, Meaning)| *meaning == Meaning::Forwarded;
        self.meanings.forwarded.is_some() || self.meanings.values.iter().any(is_list)
    }

    fn set_zone(&mut self, zone: &Zone) {
        self.zone.set_zone(zone);
    }
}

fn directives(pieces: &[Piece]) -> impl Iterator<Item = &Directive> {
    pieces.iter().filter_map(|piece| match piece {
        Piece::Directive(directive) => Some(directive),
        Piece::Literal(_) => None,
    })
}

/// What stands behind the client in all formats of access lines.
const BEHIND_USER: &[u8] = b" [%t] \"%r\" %s %b";
const HEADERS: &[u8] = b" \"%{Referer}\" \"%{User-Agent}\"";

/// Finds which of the formats of access lines pieces are.
fn shape(pieces: &[Piece]) -> Option<Shape> {
    let mut text = Vec::new();
    for piece in pieces {
        text.extend_from_slice(match piece {
            Piece::Literal(literal) => literal,
            Piece::Directive(directive) => tag(directive)?,
        });
    }
    let rest = text.strip_prefix(b"%v:%p ");
    let is_vhost = rest.is_some();
    let rest = rest.unwrap_or(&text);
    let behind_client = rest.strip_prefix(b"%h %l %u").or_else(|| rest.strip_prefix(b"%h - %u"))?;
    let behind_bytes = behind_client.strip_prefix(BEHIND_USER)?;
    match (is_vhost, behind_bytes) {
        (true, HEADERS) => Some(Shape::VhostCombined),
        (false, HEADERS) => Some(Shape::Combined),
        (false, b"") => Some(Shape::Common),
        _ => None,
    }
}

/// Returns what a directive counts as where the format is one of those of access lines.
fn tag(directive: &Directive) -> Option<&'static [u8]> {
    use crate::event::Field;
    Some(match &directive.role {
        Role::Client { .. } => b"%h",
        Role::Identity => b"%l",
        Role::User => b"%u",
        Role::Time { is_end: false } if directive.text == "%t" => b"[%t]",
        Role::Time { is_end: false } if directive.text.contains("time_local") => b"%t",
        Role::Request => b"%r",
        Role::Status { .. } => b"%s",
        Role::BodyBytes | Role::SentBytes => b"%b",
        Role::Known(Field::Referrer) => b"%{Referer}",
        Role::Known(Field::UserAgent) => b"%{User-Agent}",
        Role::Host { .. } => b"%v",
        Role::Port => b"%p",
        _ => return None,
    })
}

#[cfg(test)]
#[path = "compiled/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "compiled/apache_tests.rs"]
mod apache_tests;

#[cfg(test)]
#[path = "compiled/nginx_tests.rs"]
mod nginx_tests;

#[cfg(test)]
#[path = "compiled/property_tests.rs"]
mod property_tests;
