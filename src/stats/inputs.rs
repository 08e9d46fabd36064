//! What each input counts.

use crate::stats::counter::Counter;
use std::sync::{PoisonError, RwLock};

/// The counters of all inputs: those of files in the order of the configuration, then those that are sent to, then those
/// that came while all ran.
#[derive(Debug, Default)]
pub struct Inputs(RwLock<Vec<Named>>);

#[derive(Debug)]
struct Named {
    name: InputName,
    counters: Input,
}

/// What an input is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputName {
    /// Its `id`, or its place in the configuration.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Whether it reads files.
    pub is_files: bool,
    /// Whether it is no more.
    pub is_retired: bool,
}

/// What one input counts.
#[derive(Debug, Default)]
pub struct Input {
    /// Bytes that became events or needed none.
    pub bytes: Counter,
    /// Events made.
    pub events: Counter,
    /// Lines that needed no event.
    pub filtered: Counter,
    /// Files opened, each time.
    pub opened: Counter,
    /// Files closed, each time.
    pub closed: Counter,
    /// Errors of reading or opening.
    pub errors: Counter,
}

/// What one input counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InputFigures {
    /// Bytes that became events or needed none.
    pub bytes: u64,
    /// Events made.
    pub events: u64,
    /// Lines that needed no event.
    pub filtered: u64,
    /// Files opened, each time.
    pub opened: u64,
    /// Files closed, each time.
    pub closed: u64,
    /// Errors of reading or opening.
    pub errors: u64,
}

impl Inputs {
    /// Makes counters for inputs of these names.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = InputName>) -> Self {
        let inputs = Self::default();
        names.into_iter().for_each(|name| inputs.add(name));
        inputs
    }

    /// Adds an input, with the next number.
    pub fn add(&self, name: InputName) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.push(Named { name, counters: Input::default() });
    }

    /// Notes that an input is no more.
    pub fn retire(&self, input: usize) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(input) = all.get_mut(input) {
            input.name.is_retired = true;
        }
    }

    /// Counts something of an input; of one that has no counters, nothing.
    pub fn count(&self, input: usize, count: impl FnOnce(&Input)) {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(input) = all.get(input) {
            count(&input.counters);
        }
    }

    /// Returns the names, in the order of the figures.
    #[must_use]
    pub fn names(&self) -> Vec<InputName> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|input| input.name.clone()).collect()
    }

    /// Returns what each counted.
    #[must_use]
    pub fn figures(&self) -> Vec<InputFigures> {
        let figures = |input: &Named| {
            let input = &input.counters;
            // What ends is read before what begins it.
            let closed = input.closed.get();
            InputFigures {
                bytes: input.bytes.get(),
                events: input.events.get(),
                filtered: input.filtered.get(),
                opened: input.opened.get(),
                closed,
                errors: input.errors.get(),
            }
        };
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(figures).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_input_counts_for_itself() {
        let name = |id: &str| InputName {
            id: id.to_owned(),
            kind: "log".to_owned(),
            is_files: true,
            is_retired: false,
        };
        let inputs = Inputs::new([name("a")]);
        inputs.add(name("b"));
        inputs.count(1, |input| {
            input.bytes.add(5);
            input.events.add(2);
            input.opened.add(1);
        });
        inputs.count(2, |input| input.bytes.add(1));
        let second = InputFigures { bytes: 5, events: 2, opened: 1, ..InputFigures::default() };
        assert_eq!(inputs.figures(), [InputFigures::default(), second]);
        inputs.retire(0);
        inputs.retire(2);
        assert_eq!(inputs.names(), [InputName { is_retired: true, ..name("a") }, name("b")]);
    }
}
