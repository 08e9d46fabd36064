//! Formats that begin as one of access lines and go on behind it: that part is read by [`AccessLog`], which is faster.

use super::meaning::{Meaning, Meanings};
use super::pieces::{Fault, Piece, Role, Shape as Values};
use super::program::{Steps, steps};
use crate::event::{EventBuf, Field, LineText, Span};
use crate::parsers::access_log::{AccessLog, Shape};

/// What reads the beginning of lines, and the steps through the rest.
#[derive(Debug, Clone)]
pub(super) struct Beginning {
    pub(super) log: AccessLog,
    rest: Steps,
    /// Quotes of the beginning.
    quotes: usize,
}

/// What stands between the values: client, identity, user, time, request, status, bytes, and two headers.
const APACHE: [&str; 8] = [" ", " ", " ", " \"", "\" ", " ", " \"", "\" \""];
const NGINX: [&str; 7] = [" - ", " [", "] \"", "\" ", " ", " \"", "\" \""];

impl Beginning {
    /// Takes the values off the meanings that are read by another.
    pub(super) fn take(pieces: &[Piece], meanings: &mut Meanings) -> Result<Option<Self>, Fault> {
        for shape in [Shape::Combined, Shape::Common] {
            for literals in [&APACHE[..], &NGINX[..]] {
                let literals =
                    &literals[..literals.len() - if shape == Shape::Common { 2 } else { 0 }];
                let Some((rest, values)) = rest_of(pieces, literals, shape) else { continue };
                if !is_read_alike(meanings, values) {
                    continue;
                }
                meanings.values.retain(|(slot, _)| values <= *slot);
                meanings.time_slots.retain(|slot| values <= *slot);
                let quotes = if shape == Shape::Common { 2 } else { 6 };
                let (log, rest) = (AccessLog::new(shape), steps(&rest, true, values)?);
                return Ok(Some(Self { log, rest, quotes }));
            }
        }
        Ok(None)
    }

    /// Reads a line into its event, and notes where the values of the rest lie.
    #[inline]
    pub(super) fn read(
        &mut self,
        line: &[u8],
        event: &mut EventBuf,
        spans: &mut [Span],
    ) -> Option<()> {
        let at = self.log.read_beginning(line, event)?;
        self.rest.split(line, at, event.text(), spans)?;
        let is_known = event.text() == LineText::Plain
            && event.quotes() == Some(self.quotes + self.rest.quotes.len());
        if is_known {
            self.rest.mark(at, spans, event);
        } else {
            event.forget_marks();
        }
        Some(())
    }
}

/// Finds what follows the beginning, and how many values that has.
fn rest_of(pieces: &[Piece], literals: &[&str], shape: Shape) -> Option<(Vec<Piece>, usize)> {
    let mut literals = literals.iter();
    let mut values = 0;
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Directive(_) => values += 1,
            Piece::Literal(text) => {
                let Some(expected) = literals.next() else {
                    // Behind the user agent comes its quote, behind the bytes a blank.
                    let quote: &[u8] = if shape == Shape::Common { b"" } else { b"\"" };
                    let behind = text.strip_prefix(quote)?;
                    if shape == Shape::Common && !behind.starts_with(b" ") {
                        return None;
                    }
                    let rest = (!behind.is_empty()).then(|| Piece::Literal(behind.to_vec()));
                    let rest: Vec<Piece> =
                        rest.into_iter().chain(pieces[at + 1..].iter().cloned()).collect();
                    return is_in_order(&pieces[..at], shape).then_some((rest, values));
                };
                if text != expected.as_bytes() {
                    return None;
                }
            }
        }
    }
    None
}

/// Tells whether the values say what those of access lines say.
fn is_in_order(pieces: &[Piece], shape: Shape) -> bool {
    let mut roles = pieces.iter().filter_map(|piece| match piece {
        Piece::Directive(directive) => Some(directive),
        Piece::Literal(_) => None,
    });
    let mut is_next = |wanted: &dyn Fn(&Role) -> bool| {
        roles.next().is_some_and(|directive| wanted(&directive.role))
    };
    let is_nginx = pieces.iter().filter(|piece| matches!(piece, Piece::Directive(_))).count()
        == if shape == Shape::Common { 6 } else { 8 };
    is_next(&|role| matches!(role, Role::Client { .. }))
        && (is_nginx || is_next(&|role| *role == Role::Identity))
        && is_next(&|role| *role == Role::User)
        && is_next(&|role| matches!(role, Role::Time { is_end: false }))
        && is_next(&|role| *role == Role::Request)
        && is_next(&|role| matches!(role, Role::Status { .. }))
        && is_next(&|role| *role == Role::BodyBytes)
        && (shape == Shape::Common
            || is_next(&|role| *role == Role::Known(Field::Referrer))
                && is_next(&|role| *role == Role::Known(Field::UserAgent)))
        && has_clf(pieces)
}

/// Tells whether the time is of the common log format.
fn has_clf(pieces: &[Piece]) -> bool {
    pieces.iter().any(|piece| match piece {
        Piece::Directive(directive) => match &directive.shape {
            Values::Time(_) => directive.text == "%t" || directive.text.contains("time_local"),
            _ => false,
        },
        Piece::Literal(_) => false,
    })
}

/// Tells whether the first values become what they become in access lines.
fn is_read_alike(meanings: &Meanings, values: usize) -> bool {
    let is_alike = |(slot, meaning): &(usize, Meaning)| {
        values <= *slot
            || match meaning {
                Meaning::Client | Meaning::User | Meaning::Request | Meaning::Status => true,
                Meaning::BodyBytes | Meaning::Known(_) => true,
                // What `identd` says.
                Meaning::Other { .. } => *slot == 1,
                _ => false,
            }
    };
    let is_set = |wanted: Meaning| {
        meanings.values.iter().any(|(slot, meaning)| *slot < values && *meaning == wanted)
    };
    let is_time = meanings.time_slots.len() == 1;
    meanings.values.iter().all(is_alike)
        && is_set(Meaning::Client)
        && is_set(Meaning::Status)
        && is_time
}
