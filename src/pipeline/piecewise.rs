//! Lines that are too long for an ordinary batch: given piece by piece, they go straight into one of their own.

use super::{Moment, Pipeline, Source};
use crate::assembly::charset::{StreamDecoder, whole_utf8_length};
use crate::batch::{BatchBuilder, Fit};
use crate::document::item::{Place, push_piecewise_end, push_piecewise_head};
use crate::event::LineText;
use crate::json_text::push_lossy;

impl Clone for Piecewise {
    /// A line that is under way belongs to one pipeline; the copy has none.
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// A line that is given in pieces.
#[derive(Debug, Default)]
pub(super) struct Piecewise {
    /// The end of the last piece that may be the beginning of a character.
    carried: Vec<u8>,
    /// For an encoding that is not UTF-8.
    decoder: Option<StreamDecoder>,
    decoded: Vec<u8>,
    place: Option<Place>,
}

impl Pipeline {
    /// Begins the event of a line that goes into a batch of its own, piece by piece.
    pub fn begin_jumbo(
        &mut self,
        source: &Source,
        place: Place,
        moment: Moment,
        batch: &mut BatchBuilder,
    ) {
        self.rendered = None;
        let encoder = &mut self.encoder;
        encoder.event.begin(LineText::Broken, None);
        encoder.writer.render(&mut encoder.frame, &mut encoder.action, source, moment.0);
        let decoder = self.assembly.rules(source.charset()).charset.decoder();
        self.piecewise = Piecewise { decoder, place: Some(place), ..Piecewise::default() };
        let Some(out) = batch.open_item() else { return };
        push_piecewise_head(out, &encoder.frame, place);
    }

    /// Appends a piece of the line, cut anywhere.
    pub fn push_jumbo(&mut self, piece: &[u8], batch: &mut BatchBuilder) {
        let Some(out) = batch.open_item() else { return };
        let Piecewise { carried, decoder, decoded, .. } = &mut self.piecewise;
        if let Some(decoder) = decoder {
            decoded.clear();
            decoder.push(piece, false, decoded);
            return push_lossy(out, decoded);
        }
        let mut piece = piece;
        // A character that began in the last piece is put together byte by byte.
        while !carried.is_empty() {
            let Some((first, rest)) = piece.split_first() else { return };
            carried.push(*first);
            piece = rest;
            let whole = whole_utf8_length(carried);
            push_lossy(out, &carried[..whole]);
            carried.drain(..whole);
        }
        let whole = whole_utf8_length(piece);
        push_lossy(out, &piece[..whole]);
        carried.extend_from_slice(&piece[whole..]);
    }

    /// Ends the event.
    pub fn end_jumbo(&mut self, batch: &mut BatchBuilder) -> Fit {
        let Piecewise { carried, place, decoder, mut decoded } =
            std::mem::take(&mut self.piecewise);
        let Some((out, place)) = batch.open_item().zip(place) else { return Fit::Full };
        if !place.flags.is_truncated {
            push_lossy(out, &carried);
            if let Some(mut decoder) = decoder {
                decoded.clear();
                decoder.push(b"", true, &mut decoded);
                push_lossy(out, &decoded);
            }
        }
        push_piecewise_end(out, &self.encoder.frame, place);
        batch.close_item()
    }
}
