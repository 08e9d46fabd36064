//! Lines that say what those mean that follow, for whoever begins to read behind them.

use super::{Parse, Pipeline, Source};
use crate::event::LineText;
use crate::parsers::Parser;

impl Pipeline {
    /// Returns how such a line begins, if files have them.
    #[must_use]
    pub fn header_prefix(&self) -> Option<&'static [u8]> {
        self.parser.header_prefix()
    }

    /// Takes such a line of a file, without its end: there is no event.
    pub fn take_header(&mut self, source: &Source, line: &[u8]) {
        self.parser.set_file(source.epoch());
        let Self { parser, encoder, .. } = self;
        encoder.event.begin(LineText::Broken, None);
        with_parser!(parser, parser => _ = parser.parse(line, &mut encoder.event));
    }
}
