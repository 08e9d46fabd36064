//! Which letters are meant.

use crate::cli::ChosenLetters;
use crate::outputs::dead_letters::letter::Letter;
use jiff::Timestamp;

/// Which letters are meant: those to which all of it applies.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// In the reason or the type, in small letters.
    reason: Option<String>,
    since: Option<Timestamp>,
    before: Option<Timestamp>,
    id: Option<String>,
}

impl ChosenLetters {
    pub(super) fn filter(&self) -> Filter {
        Filter {
            reason: self.reason.as_ref().map(|reason| reason.to_lowercase()),
            since: self.since,
            before: None,
            id: self.id.clone(),
        }
    }
}

impl Filter {
    /// Means only letters of before that time.
    pub(super) fn before(self, before: Option<Timestamp>) -> Self {
        Self { before, ..self }
    }

    pub(super) fn takes(&self, letter: &Letter<'_>) -> bool {
        self.since.is_none_or(|since| since <= letter.time)
            && self.before.is_none_or(|before| letter.time < before)
            && self.id.as_ref().is_none_or(|id| *id == letter.id)
            && self.reason.as_ref().is_none_or(|reason| {
                letter.reason.to_lowercase().contains(reason)
                    || letter.kind.to_lowercase().contains(reason)
            })
    }
}
