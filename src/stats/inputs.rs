//! What each input counts.

use crate::stats::counter::Counter;

/// The counters of all inputs: those of files in the order of the configuration, then those that are sent to.
#[derive(Debug, Default)]
pub struct Inputs(Box<[Input]>);

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
    /// Makes counters for so many inputs.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self((0..count).map(|_| Input::default()).collect())
    }

    /// Counts something of an input; of one that has no counters, nothing.
    pub fn count(&self, input: usize, count: impl FnOnce(&Input)) {
        if let Some(input) = self.0.get(input) {
            count(input);
        }
    }

    /// Returns what each counted.
    #[must_use]
    pub fn figures(&self) -> Vec<InputFigures> {
        let figures = |input: &Input| {
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
        self.0.iter().map(figures).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_input_counts_for_itself() {
        let inputs = Inputs::new(2);
        inputs.count(1, |input| {
            input.bytes.add(5);
            input.events.add(2);
            input.opened.add(1);
        });
        inputs.count(2, |input| input.bytes.add(1));
        let second = InputFigures { bytes: 5, events: 2, opened: 1, ..InputFigures::default() };
        assert_eq!(inputs.figures(), [InputFigures::default(), second]);
    }
}
