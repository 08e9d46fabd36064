//! The keys of the person at the terminal, read from standard input.
//!
//! No call waits longer than it is told to, and a terminal that went away is an end: whoever reads on there gets an empty
//! read for ever.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// Most bytes of input that are looked at in one go; what is typed is a few.
const TYPED_MAX: usize = 1024;

const ESCAPE: u8 = 0x1b;
const CONTROL_C: u8 = 0x03;

/// What the person at the terminal wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// To go on watching.
    Watch,
    /// To end it: Ctrl-C, `q` or Escape, or the terminal is gone.
    End,
}

/// Waits for keys, at most `longest`.
///
/// # Errors
/// If the terminal can be read no more.
pub(super) fn wish(terminal: impl AsFd, longest: Duration) -> io::Result<Wish> {
    let mut watched = [PollFd::new(&terminal, PollFlags::IN)];
    let longest = Timespec::try_from(longest).map_err(io::Error::other)?;
    match poll(&mut watched, Some(&longest)) {
        Ok(0) | Err(Errno::INTR) => return Ok(Wish::Watch),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    if watched[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
        return Ok(Wish::End);
    }
    let mut typed = [0; TYPED_MAX];
    match read(&terminal, &mut typed) {
        // Raw mode has no end of input but the terminal's own.
        Ok(0) | Err(Errno::IO) => Ok(Wish::End),
        Ok(count) => Ok(wish_of(&typed[..count])),
        Err(Errno::INTR | Errno::AGAIN) => Ok(Wish::Watch),
        Err(error) => Err(error.into()),
    }
}

/// Finds the keys that end it; an escape that begins a sequence (an arrow, a function key) is none.
fn wish_of(typed: &[u8]) -> Wish {
    let mut rest = typed;
    while let [key, behind @ ..] = rest {
        rest = match (*key, behind) {
            (CONTROL_C | b'q', _) | (ESCAPE, []) => return Wish::End,
            (ESCAPE, [b'[', behind @ ..]) => behind_sequence(behind),
            (ESCAPE, [b'O', _, behind @ ..] | [_, behind @ ..]) => behind,
            (_, behind) => behind,
        };
    }
    Wish::Watch
}

/// Returns what follows a control sequence: its parameters end with a byte from `@` to `~`.
fn behind_sequence(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| matches!(byte, b'@'..=b'~'));
    end.map_or(&[], |end| &bytes[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::{Wish, wish, wish_of};
    use std::io::Write as _;
    use std::time::Duration;

    #[test]
    fn control_c_q_and_escape_end_the_demo_and_nothing_else_does() {
        for (typed, expected) in [
            (b"\x03".as_slice(), Wish::End),
            (b"q", Wish::End),
            (b"\x1b", Wish::End),
            (b"xyq", Wish::End),
            (b"\x1b[Aq", Wish::End),
            (b"\x1bOPq", Wish::End),
            (b"\x1b[1;5C\x03", Wish::End),
            (b"", Wish::Watch),
            (b"c", Wish::Watch),
            (b"\r", Wish::Watch),
            (b"\x1b[A", Wish::Watch),
            (b"\x1b[15~", Wish::Watch),
            (b"\x1bOq", Wish::Watch),
            (b"\x1b[", Wish::Watch),
            (b"\x1bO", Wish::Watch),
            (b"\xc3\xa4\xff", Wish::Watch),
        ] {
            assert_eq!(wish_of(typed), expected, "{typed:?}");
        }
    }

    #[test]
    fn what_is_gone_ends_it_and_what_says_nothing_does_not() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        assert_eq!(wish(&reader, Duration::ZERO).expect("a look"), Wish::Watch);
        writer.write_all(b"x").expect("it is read");
        assert_eq!(wish(&reader, Duration::ZERO).expect("a look"), Wish::Watch);
        writer.write_all(b"q").expect("it is read");
        assert_eq!(wish(&reader, Duration::ZERO).expect("a look"), Wish::End);
        drop(writer);
        assert_eq!(wish(&reader, Duration::from_hours(1)).expect("a look"), Wish::End);
    }
}
