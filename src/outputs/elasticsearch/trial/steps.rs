//! Steps on their way: what is tried stands there before its end is known.

/// Tells steps, each on a line.
pub(super) struct Steps<'a> {
    say: &'a mut dyn FnMut(&str),
}

impl<'a> Steps<'a> {
    pub(super) fn new(say: &'a mut dyn FnMut(&str)) -> Self {
        Self { say }
    }

    /// Begins a step.
    pub(super) fn begin(&mut self, level: usize, what: &str) {
        (self.say)(&format!("{}{what}... ", "  ".repeat(level)));
    }

    /// Ends a step; hands its value on.
    pub(super) fn end<T>(&mut self, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => {
                (self.say)("OK\n");
                Some(value)
            }
            Err(reason) => {
                (self.say)(&format!("ERROR {reason}\n"));
                None
            }
        }
    }

    /// Ends a step that went wrong and is no hindrance.
    pub(super) fn warn(&mut self, reason: &str) {
        (self.say)(&format!("WARN {reason}\n"));
    }

    /// Ends a step that was not taken.
    pub(super) fn skipped(&mut self, reason: &str) {
        (self.say)(&format!("{reason}\n"));
    }

    /// Says something between steps.
    pub(super) fn note(&mut self, level: usize, text: &str) {
        (self.say)(&format!("{}{text}\n", "  ".repeat(level)));
    }
}
