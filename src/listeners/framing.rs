//! Where one message of a stream ends and the next begins: at a delimiter, or after a number of bytes that is said first.
//!
//! Pure: it is given all bytes that are not consumed yet and says what to do with the first of them. What is longer than a
//! message may be is cut, and the rest skipped without being kept.

use crate::settings::FramingSettings;
use std::ops::Range;

/// Most digits of a number of bytes: 9,999,999,999 is more than anybody sends.
const COUNT_DIGITS_MAX: usize = 10;

/// What to do with the first bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A message.
    Message(Piece),
    /// So many bytes are the rest of a message that was cut, to be thrown away.
    Skip(usize),
    /// More bytes are needed to tell.
    More,
}

/// A message and the bytes that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its content, delimiter and count left out.
    pub content: Range<usize>,
    /// How many bytes it takes with them.
    pub consumed: usize,
    /// Whether it is longer than may be, or the stream ended within it.
    pub truncated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skip {
    Nothing,
    ToDelimiter,
    Bytes(u64),
}

/// What the first bytes of a message say about its end.
enum Head {
    Delimited,
    Counted { digits: usize, count: u64 },
    Unknown,
}

/// Tells the messages of one stream apart.
#[derive(Debug, Clone)]
pub struct Framer {
    framing: FramingSettings,
    message_bytes_max: usize,
    skip: Skip,
    /// Bytes at the front in which no delimiter begins.
    searched: usize,
    /// What both were before the last answer.
    before: (Skip, usize),
}

impl Framer {
    /// Makes one for a stream whose messages have at most `message_bytes_max` bytes, at least 1.
    #[must_use]
    pub fn new(framing: FramingSettings, message_bytes_max: usize) -> Self {
        let message_bytes_max = message_bytes_max.max(1);
        Self {
            framing,
            message_bytes_max,
            skip: Skip::Nothing,
            searched: 0,
            before: (Skip::Nothing, 0),
        }
    }

    /// Takes the last answer back: the same will be asked again.
    pub fn undo(&mut self) {
        (self.skip, self.searched) = self.before;
    }

    /// Cuts the message that `bytes` are the beginning of, because there is no room for more of it; not empty, and
    /// [`Framer::next`] has asked for more.
    pub fn cut(&mut self, bytes: &[u8]) -> Next {
        self.before = (self.skip, self.searched);
        self.searched = 0;
        match self.head(bytes) {
            Head::Counted { digits, count } => {
                let start = digits + 1;
                let have = (bytes.len() - start) as u64;
                self.skip = Skip::Bytes(count.saturating_sub(have));
                Next::Message(Piece {
                    content: start..bytes.len(),
                    consumed: bytes.len(),
                    truncated: true,
                })
            }
            Head::Delimited | Head::Unknown => {
                self.skip = Skip::ToDelimiter;
                Next::Message(Piece {
                    content: 0..bytes.len(),
                    consumed: bytes.len(),
                    truncated: true,
                })
            }
        }
    }

    /// Tells what the first of `bytes` are: all those that came and are not consumed yet.
    pub fn next(&mut self, bytes: &[u8]) -> Next {
        self.before = (self.skip, self.searched);
        if bytes.is_empty() {
            return Next::More;
        }
        match self.skip {
            Skip::Nothing => {}
            Skip::ToDelimiter => return self.skip_to_delimiter(bytes),
            Skip::Bytes(left) => {
                let now = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let left = left - now as u64;
                self.skip = if left == 0 { Skip::Nothing } else { Skip::Bytes(left) };
                return Next::Skip(now);
            }
        }
        match self.head(bytes) {
            Head::Delimited => self.delimited(bytes),
            Head::Counted { digits, count } => self.counted(bytes, digits, count),
            Head::Unknown => Next::More,
        }
    }

    /// Tells what `bytes` are when no more will come and [`Framer::next`] asks for more; `within`: whether a message
    /// without its delimiter counts as cut, too.
    pub fn last(&mut self, bytes: &[u8], within: bool) -> Next {
        self.before = (self.skip, self.searched);
        let skipping = self.skip != Skip::Nothing;
        self.skip = Skip::Nothing;
        self.searched = 0;
        if bytes.is_empty() || skipping {
            return if bytes.is_empty() { Next::More } else { Next::Skip(bytes.len()) };
        }
        let (start, counted) = match self.head(bytes) {
            Head::Counted { digits, .. } => (digits + 1, true),
            Head::Delimited | Head::Unknown => (0, false),
        };
        let end = bytes.len().min(start + self.message_bytes_max);
        let truncated = counted || within || end < bytes.len();
        Next::Message(Piece { content: start..end, consumed: bytes.len(), truncated })
    }

    fn head(&self, bytes: &[u8]) -> Head {
        if !self.framing.octet_counted || !matches!(bytes[0], b'1'..=b'9') {
            return Head::Delimited;
        }
        let look = &bytes[..bytes.len().min(COUNT_DIGITS_MAX + 1)];
        let digits = look.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match look.get(digits) {
            Some(b' ') => {
                let count = look[..digits]
                    .iter()
                    .fold(0, |count, digit| count * 10 + u64::from(digit - b'0'));
                Head::Counted { digits, count }
            }
            None if digits <= COUNT_DIGITS_MAX => Head::Unknown,
            _ => Head::Delimited,
        }
    }

    fn delimited(&mut self, bytes: &[u8]) -> Next {
        let delimiter = &self.framing.delimiter;
        let most = self.message_bytes_max;
        let window = &bytes[..bytes.len().min(most.saturating_add(delimiter.len()))];
        if let Some(end) = find(window, delimiter, self.searched) {
            self.searched = 0;
            let consumed = end + delimiter.len();
            let returns = &**delimiter == b"\n" && bytes[..end].last() == Some(&b'\r');
            let content = 0..end - usize::from(returns);
            return Next::Message(Piece { content, consumed, truncated: false });
        }
        if window.len() == most.saturating_add(delimiter.len()) {
            self.searched = 0;
            self.skip = Skip::ToDelimiter;
            return Next::Message(Piece { content: 0..most, consumed: most, truncated: true });
        }
        self.searched = (window.len() + 1).saturating_sub(delimiter.len());
        Next::More
    }

    fn counted(&mut self, bytes: &[u8], digits: usize, count: u64) -> Next {
        let start = digits + 1;
        let length = usize::try_from(count).unwrap_or(usize::MAX);
        let kept = length.min(self.message_bytes_max);
        if bytes.len() - start < kept {
            return Next::More;
        }
        let truncated = kept < length;
        if truncated {
            self.skip = Skip::Bytes((length - kept) as u64);
        }
        let consumed = start + kept;
        // Some count a line end that they put behind the message.
        let end =
            if truncated { consumed } else { start + datagram(&bytes[start..consumed]).len() };
        Next::Message(Piece { content: start..end, consumed, truncated })
    }

    fn skip_to_delimiter(&mut self, bytes: &[u8]) -> Next {
        let delimiter = &self.framing.delimiter;
        if let Some(end) = find(bytes, delimiter, 0) {
            self.skip = Skip::Nothing;
            return Next::Skip(end + delimiter.len());
        }
        match (bytes.len() + 1).saturating_sub(delimiter.len()) {
            0 => Next::More,
            gone => Next::Skip(gone),
        }
    }
}

fn find(bytes: &[u8], delimiter: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let found = match delimiter {
        [byte] => memchr::memchr(*byte, rest),
        longer => memchr::memmem::find(rest, longer),
    };
    found.map(|at| from + at)
}

/// Returns a datagram, or a message that was counted, without the line end and NULs that some senders put behind it.
#[must_use]
pub fn datagram(bytes: &[u8]) -> &[u8] {
    let mut text = bytes;
    while let [rest @ .., b'\n' | b'\r' | 0] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framing(delimiter: &[u8], octet_counted: bool) -> FramingSettings {
        FramingSettings { delimiter: delimiter.into(), octet_counted }
    }

    /// Gives a framer `stream` in pieces and returns the messages, each with whether it was cut.
    fn messages(
        settings: &FramingSettings,
        most: usize,
        stream: &[u8],
        cuts: &[usize],
    ) -> Vec<(Vec<u8>, bool)> {
        let mut framer = Framer::new(settings.clone(), most);
        let mut found = Vec::new();
        let mut pending: Vec<u8> = Vec::new();
        let mut take = |framer: &mut Framer, pending: &mut Vec<u8>, at_end: bool| loop {
            let next = match framer.next(pending) {
                Next::More if at_end => framer.last(pending, false),
                next => next,
            };
            match next {
                Next::Message(piece) => {
                    assert!(0 < piece.consumed && piece.content.end <= piece.consumed);
                    found.push((pending[piece.content].to_vec(), piece.truncated));
                    pending.drain(..piece.consumed);
                }
                Next::Skip(bytes) => {
                    assert!(0 < bytes);
                    pending.drain(..bytes);
                }
                Next::More => return,
            }
        };
        let mut at = 0;
        for cut in cuts {
            let end = (at + cut).min(stream.len());
            pending.extend_from_slice(&stream[at..end]);
            at = end;
            take(&mut framer, &mut pending, false);
            let bound = most + settings.delimiter.len() + COUNT_DIGITS_MAX + 1;
            assert!(pending.len() <= bound, "{} bytes are kept", pending.len());
        }
        pending.extend_from_slice(&stream[at..]);
        take(&mut framer, &mut pending, true);
        found
    }

    fn all(settings: &FramingSettings, most: usize, stream: &[u8]) -> Vec<(String, bool)> {
        let text = |(message, cut): (Vec<u8>, bool)| (String::from_utf8(message).unwrap(), cut);
        messages(settings, most, stream, &[]).into_iter().map(text).collect()
    }

    fn whole(texts: &[&str]) -> Vec<(String, bool)> {
        texts.iter().map(|text| ((*text).to_owned(), false)).collect()
    }

    #[test]
    fn lines_end_at_their_delimiter_and_the_last_one_with_the_stream() {
        let lines = framing(b"\n", false);
        assert_eq!(all(&lines, 99, b"one\r\n\ntwo\nthree"), whole(&["one", "", "two", "three"]));
        assert_eq!(all(&framing(b"\0", false), 99, b"one\0t\nwo\0"), whole(&["one", "t\nwo"]));
        assert_eq!(
            all(&framing(b"END", false), 99, b"oneENDtwoENENDEN"),
            whole(&["one", "twoEN", "EN"])
        );
    }

    #[test]
    fn counted_messages_hold_whatever_they_count() {
        let counted = framing(b"\n", true);
        assert_eq!(all(&counted, 99, b"3 one5 t\nwo!1 x"), whole(&["one", "t\nwo!", "x"]));
        let mixed = b"<13>a line\n5 <1>ab<13>another\n12no count\n3 end";
        assert_eq!(
            all(&counted, 99, mixed),
            whole(&["<13>a line", "<1>ab", "<13>another", "12no count", "end"])
        );
        assert_eq!(all(&counted, 99, b"12345678901 x\n"), whole(&["12345678901 x"]));
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_rest_skipped() {
        let cut = |text: &str| (text.to_owned(), true);
        let line = |text: &str| (text.to_owned(), false);
        let lines = framing(b"\n", false);
        assert_eq!(
            all(&lines, 4, b"four\nfivex\nsix\nlonglonglong\nend"),
            [line("four"), cut("five"), line("six"), cut("long"), line("end")]
        );
        let counted = framing(b"\n", true);
        assert_eq!(
            all(&counted, 4, b"9 longlongx3 one9 longl"),
            [cut("long"), line("one"), cut("long")]
        );
        assert_eq!(all(&counted, 99, b"9 short"), [cut("short")]);
    }

    #[test]
    fn datagrams_lose_the_line_end_behind_them() {
        assert_eq!(datagram(b"a\nb\r\n"), b"a\nb");
        assert_eq!(datagram(b"a\0"), b"a");
        assert_eq!(datagram(b"\n"), b"");
    }

    proptest! {
        /// Wherever a stream is cut on its way, its messages are the same.
        #[test]
        fn property_messages_do_not_depend_on_cuts(
            stream in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'1'), Just(b' '), Just(b'a')], 0..200),
            cuts in proptest::collection::vec(0_usize..9, 0..60),
            octet_counted in any::<bool>(), most in 1_usize..12, long in any::<bool>(),
        ) {
            let settings = framing(if long { b"\na" } else { b"\n" }, octet_counted);
            prop_assert_eq!(
                messages(&settings, most, &stream, &cuts),
                messages(&settings, most, &stream, &[])
            );
        }

        /// Lines are those that splitting the whole at its line ends gives, each cut at the most it may have.
        #[test]
        fn property_lines_are_the_parts_of_the_whole(
            stream in "[a\n]{0,200}", cuts in proptest::collection::vec(0_usize..9, 0..60), most in 1_usize..12,
        ) {
            let mut expected: Vec<(Vec<u8>, bool)> = stream
                .split('\n')
                .map(|line| (line.as_bytes()[..line.len().min(most)].to_vec(), most < line.len()))
                .collect();
            if expected.last().is_some_and(|(line, _)| line.is_empty()) {
                expected.pop();
            }
            prop_assert_eq!(messages(&framing(b"\n", false), most, stream.as_bytes(), &cuts), expected);
        }

        /// Counted messages come out as they went in.
        #[test]
        fn property_counted_messages_are_read_back(
            sent in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..20),
            cuts in proptest::collection::vec(0_usize..30, 0..60),
        ) {
            let mut stream = Vec::new();
            for message in &sent {
                stream.extend_from_slice(format!("{} ", message.len()).as_bytes());
                stream.extend_from_slice(message);
            }
            let expected: Vec<_> =
                sent.into_iter().map(|message| (datagram(&message).to_vec(), false)).collect();
            prop_assert_eq!(messages(&framing(b"\n", true), 64, &stream, &cuts), expected);
        }
    }
}
