//! What a person reads when something failed: the chain of causes on one line, and below it what to
//! do.
//!
//! An error says what happened; advice is kept apart from it, so that messages stay short and
//! comparable.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;

/// An error with advice for the person who reads it; shows itself as the error alone.
#[derive(Debug)]
pub struct Advised {
    error: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
}

impl Advised {
    /// Adds a first hint to an error; of one that has hints already, [`report`] shows these too.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>, hint: impl Into<String>) -> Self {
        Self { error: error.into(), hints: vec![hint.into()] }
    }

    /// Adds one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Advised {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, formatter)
    }
}

impl Error for Advised {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}

/// Returns `error: a: b: c` with every cause, and one `hint: …` line for each hint: those in the
/// chain, then `hints`, each once. Ends with a newline.
///
/// A cause that only repeats the end of what was said is not said again. Control characters other
/// than line ends are written as escapes.
#[must_use]
pub fn report(error: &(dyn Error + 'static), hints: &[String]) -> String {
    let mut all = Vec::new();
    let mut text = String::from("error: ");
    text.push_str(&visible(&chain(error, &mut all)));
    text.push('\n');
    all.extend_from_slice(hints);
    let mut said: Vec<String> = Vec::new();
    for hint in all {
        if said.contains(&hint) {
            continue;
        }
        text.push_str("hint: ");
        text.push_str(&visible(&hint));
        text.push('\n');
        said.push(hint);
    }
    text
}

/// Returns an error with its causes, `a: b: c`, without hints.
#[must_use]
pub fn chain_text(error: &(dyn Error + 'static)) -> String {
    chain(error, &mut Vec::new())
}

fn chain(error: &(dyn Error + 'static), hints: &mut Vec<String>) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    collect_hints(error, hints);
    while let Some(cause) = next {
        collect_hints(cause, hints);
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

fn collect_hints(error: &(dyn Error + 'static), hints: &mut Vec<String>) {
    if let Some(advised) = error.downcast_ref::<Advised>() {
        hints.extend(advised.hints.iter().cloned());
    }
    // An `io::Error` shows itself as what it wraps and names that one's cause as its own, so look
    // inside.
    if let Some(inside) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        collect_hints(inside, hints);
    }
}

/// Returns a text with what would control a terminal escaped; ends of lines and tabs stay.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |letter: char| controls_terminal(letter) && !matches!(letter, '\n' | '\t');
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if hidden(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

/// Returns a text on one line: ends of lines and tabs are escaped as well.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if controls_terminal(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Tells whether a character would control a terminal: it does something other than to be seen, or turns the direction in
/// which those around it are read.
#[must_use]
pub fn controls_terminal(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read `{path}`")]
    struct ReadError {
        path: &'static str,
        source: Advised,
    }

    fn denied() -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, "permission denied")
    }

    #[test]
    fn causes_stand_on_one_line_and_hints_below() {
        let source = Advised::new(denied(), "add the user to the group that owns it")
            .hint("or read it as root");
        let error = ReadError { path: "/var/log/nginx/access.log", source };
        assert_eq!(
            report(&error, &["see the manual".to_owned(), "or read it as root".to_owned()]),
            "error: cannot read `/var/log/nginx/access.log`: permission denied\n\
             hint: add the user to the group that owns it\n\
             hint: or read it as root\n\
             hint: see the manual\n"
        );
    }

    #[test]
    fn hints_of_the_outermost_error_are_shown() {
        let error = Advised::new(Advised::new(denied(), "inner"), "outer");
        assert_eq!(report(&error, &[]), "error: permission denied\nhint: outer\nhint: inner\n");
    }

    #[test]
    fn causes_that_were_said_already_are_not_said_again() {
        let error = io::Error::other("cannot start: no space left");
        let wrapped = io::Error::other(Advised::new(error, "free some space"));
        assert_eq!(
            report(&wrapped, &[]),
            "error: cannot start: no space left\nhint: free some space\n"
        );
    }

    #[test]
    fn escapes_of_a_terminal_are_shown_and_not_obeyed() {
        let error = io::Error::other("no `\u{1b}[2J\u{9b}`\tin\nfile\u{202e}");
        let expected = "error: no `\\u{1b}[2J\\u{9b}`\tin\nfile\\u{202e}\n";
        assert_eq!(report(&error, &[]), expected);
        assert_eq!(one_line("a\tb\n\u{1b}[0m\u{2066}é"), "a\\tb\\n\\u{1b}[0m\\u{2066}é");
    }
}
