//! What a parser of lines of one kind has, as far as whoever uses it need not know which.

use super::{Field, Kind, Parse};
use crate::dataset::Dataset;
use crate::parsers::zone::Zone;
use crate::settings::network::Network;

/// A field that a parser sets beside those of [`Field`], under its number among its parser's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Dotted name.
    pub name: String,
    /// How its value stands in JSON.
    pub kind: Kind,
}

impl Extra {
    /// Makes a field.
    #[must_use]
    pub fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind }
    }
}

/// A parser of lines of one kind, as far as whoever has it need not know which.
pub trait LineParser: Parse + std::fmt::Debug + Send + Sync {
    /// Makes another one, for another worker.
    fn boxed_clone(&self) -> Box<dyn LineParser>;

    /// Returns of which kind its lines are.
    fn dataset(&self) -> &'static Dataset;

    /// Returns the fields that it may set beside the known ones, in the order of their numbers, at most [`EXTRAS_MAX`](super::EXTRAS_MAX).
    /// None of them has the name of a known one, or lies in one.
    fn extras(&self) -> &[Extra];

    /// Returns the known fields that it may set, if not just any of them.
    fn known(&self) -> Option<&[Field]> {
        None
    }

    /// Says when the lines that come next were read, in milliseconds since 1970.
    fn set_now(&mut self, _unix_ms: u64) {}

    /// Says which zone times are of that name none.
    fn set_zone(&mut self, _zone: &Zone) {}

    /// Says of which networks proxies are whose word on who the client is counts.
    fn trust(&mut self, _proxies: &[Network]) {}

    /// Tells whether a line may bring a list of addresses of which these networks decide who the client is.
    fn heeds_proxies(&self) -> bool {
        false
    }

    /// Says of which file the lines that come next are, by its epoch as text.
    fn set_file(&mut self, _epoch: &[u8]) {}

    /// Returns how a line begins that says what the lines of its file mean that follow, if there are such lines.
    fn header_prefix(&self) -> Option<&'static [u8]> {
        None
    }
}

impl Clone for Box<dyn LineParser> {
    fn clone(&self) -> Self {
        self.as_ref().boxed_clone()
    }
}
