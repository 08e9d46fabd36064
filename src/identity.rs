//! Is this still the same content? Decided from hashes alone; whoever asks has done the reading.
//!
//! The rules are those of `ARCHITECTURE.md`, Identity: an inode is believed only together with the content that it
//! had, and another inode continues an epoch only when its content proves it.

use crate::ledger::{Entry, Prefix};
use crate::packing::without_ending;
use crate::position::{Inode, PREFIX_BYTES, prefix_hash};
use std::ffi::OsStr;
use std::path::Path;

/// What a file says about itself at an open.
#[derive(Debug, Clone, Copy)]
pub struct Looked<'a> {
    /// Its size in bytes.
    pub size: u64,
    /// Its first min(size, 1024) bytes.
    pub first: &'a [u8],
    /// Hash of the bytes just before the offset asked about; `None` when the file is shorter than the offset.
    pub tail: Option<u64>,
}

/// What became of an epoch's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The same content, perhaps grown.
    Same,
    /// Shorter than what was read of it.
    Truncated,
    /// Other content in the same inode.
    Replaced,
}

/// Compares a file with what the ledger holds for the same inode, at the offset `read_to` whose proof has
/// `tail`.
#[must_use]
pub fn judge(prefix: Prefix, read_to: u64, tail: u64, looked: &Looked<'_>) -> Verdict {
    if looked.size < read_to {
        return Verdict::Truncated;
    }
    if !prefix_matches(prefix, looked.first) {
        return Verdict::Replaced;
    }
    match looked.tail {
        Some(seen) if seen == tail => Verdict::Same,
        Some(_) => Verdict::Replaced,
        None => Verdict::Truncated,
    }
}

/// Tells whether `first` begins with the bytes whose hash is `prefix`.
#[must_use]
pub fn prefix_matches(prefix: Prefix, first: &[u8]) -> bool {
    let length = usize::from(prefix.length);
    length == 0 || (length <= first.len() && prefix_hash(&first[..length]) == prefix.hash)
}

/// Tells whether `first`, all of a file or its first 1024 bytes, agrees with `prefix`; a file that is shorter than that does
/// when its first whole lines do. What is less than a line says nothing.
#[must_use]
pub fn prefix_allows(prefix: Prefix, first: &[u8]) -> bool {
    if prefix.is_within(first) {
        return prefix_matches(prefix, first);
    }
    let mut lines = lines_of(first).into_iter().zip(prefix.lines);
    lines.all(|(line, known)| line == 0 || line == known)
}

/// Hashes the first lines, each with all before it.
fn lines_of(first: &[u8]) -> [u32; 3] {
    let mut lines = [0; 3];
    for (line, newline) in lines.iter_mut().zip(memchr::memchr_iter(b'\n', first)) {
        #[expect(clippy::cast_possible_truncation, reason = "32 bits are enough for a line")]
        let hash = prefix_hash(&first[..=newline]) as u32;
        *line = hash;
    }
    lines
}

/// Makes the prefix of a file that begins with `first`.
#[must_use]
pub fn prefix_of(first: &[u8]) -> Prefix {
    let first = &first[..first.len().min(PREFIX_BYTES)];
    let length = u16::try_from(first.len()).expect("a prefix is at most 1024 bytes");
    let hash = if first.is_empty() { 0 } else { prefix_hash(first) };
    Prefix { length, lines: lines_of(first), hash }
}

/// Tells whether two looks may be at the same inode: times of birth that are both known must agree.
#[must_use]
pub fn same_inode(left: Inode, right: Inode) -> bool {
    left.device == right.device
        && left.number == right.number
        && (left.birth == right.birth || left.birth == 0 || right.birth == 0)
}

/// Tells whether `name` is `original`, or a name that a rotation gives to a copy of it (`.1`, `-20261120`, `.gz`, the
/// same name in another directory), packed or not.
#[must_use]
pub fn derived(original: &Path, name: &Path) -> bool {
    let (Some(original), Some(name)) = (original.file_name(), name.file_name()) else {
        return false;
    };
    let (original, name) = (original.as_encoded_bytes(), name.as_encoded_bytes());
    [name, without_ending(name)].into_iter().any(|name| is_derived(original, name))
}

fn is_derived(original: &[u8], name: &[u8]) -> bool {
    if name.strip_prefix(original).is_some_and(|rest| rest.is_empty() || b".-_".contains(&rest[0]))
    {
        return true;
    }
    // `access.log` → `access-20261120.log`, `access.1.log`: the stem is kept and something put before the ending.
    let Some(dot) = original.iter().rposition(|byte| *byte == b'.') else { return false };
    let (stem, ending) = original.split_at(dot);
    0 < dot
        && stem.len() + ending.len() < name.len()
        && name.starts_with(stem)
        && name.ends_with(ending)
        && b".-_".contains(&name[stem.len()])
}

/// Returns the file names of which `name` may be [`derived`], each once: its own, and what is left of it when what a
/// rotation puts behind a name, or before its ending, is taken away.
#[must_use]
pub fn originals(name: &Path) -> Vec<Vec<u8>> {
    let Some(name) = name.file_name() else { return Vec::new() };
    let name = name.as_encoded_bytes();
    let mut found = vec![name.to_vec()];
    for name in [name, without_ending(name)] {
        let ending = name.iter().rposition(|byte| *byte == b'.').unwrap_or(name.len());
        for mark in (1..name.len()).filter(|at| b".-_".contains(&name[*at])) {
            found.push(name[..mark].to_vec());
            if mark < ending {
                found.push([&name[..mark], &name[ending..]].concat());
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Tells whether a rotation may have made one of these names of the other, or both of a third.
#[must_use]
pub fn related(left: &Path, right: &Path) -> bool {
    derived(left, right) || unrotated(left) == unrotated(right)
}

/// Which of a log's generations a file is, by what a rotation put into its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation<'a> {
    mark: Mark<'a>,
    /// What it puts behind that in all of them: `.old`.
    rest: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark<'a> {
    /// `.1`, `.2`: the larger the older.
    Number(u64),
    /// `-20261120`, `-1763600000`: the smaller the older.
    Date(&'a [u8]),
}

impl Generation<'_> {
    /// Tells whether this is a newer one than `other`; those of another scheme are not.
    #[must_use]
    pub fn is_newer(&self, other: &Self) -> bool {
        let is_newer = match (self.mark, other.mark) {
            (Mark::Number(own), Mark::Number(other)) => own < other,
            (Mark::Date(own), Mark::Date(other)) => own.len() == other.len() && own > other,
            _ => false,
        };
        is_newer && self.rest == other.rest
    }

    /// Tells whether nothing is behind its number or date: what has more may also be somebody's own copy of one.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Most digits of a number; more are a date.
const NUMBER_DIGITS_MAX: usize = 4;

/// Returns which generation of the log `original` a file of that `name` is, compressed or not; `None` when it is none.
#[must_use]
pub fn generation<'a>(original: &Path, name: &'a Path) -> Option<Generation<'a>> {
    let original = original.file_name()?.as_encoded_bytes();
    let name = name.file_name()?.as_encoded_bytes();
    let name = without_ending(name);
    let dot = original.iter().rposition(|byte| *byte == b'.').unwrap_or(original.len());
    let (stem, ending) = original.split_at(dot);
    let between = || name.strip_prefix(stem)?.strip_suffix(ending);
    let mark = name.strip_prefix(original).or_else(between)?;
    let (separator, mark) = mark.split_first()?;
    let digits = mark.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !b".-_".contains(separator) || digits == 0 {
        return None;
    }
    let is_word = |pair: &[u8]| pair[0] == b'.' && pair[1].is_ascii_alphabetic();
    let (mark, rest) = mark.split_at(mark.windows(2).position(is_word).unwrap_or(mark.len()));
    let mark = if digits == mark.len() && digits <= NUMBER_DIGITS_MAX {
        Mark::Number(std::str::from_utf8(mark).ok()?.parse().ok()?)
    } else {
        let is_date = mark.iter().all(|byte| byte.is_ascii_digit() || b".-_:T".contains(byte));
        (is_date && NUMBER_DIGITS_MAX <= digits).then_some(Mark::Date(mark))?
    };
    Some(Generation { mark, rest })
}

/// Returns a file's name without what rotations put behind it: `access.log` for `access.log.2.gz` and
/// `access.log-20261120`.
#[must_use]
pub fn unrotated(name: &Path) -> &[u8] {
    let mut name = name.file_name().map_or(&b""[..], OsStr::as_encoded_bytes);
    name = without_ending(name);
    while let Some(mark) = name.iter().rposition(|byte| b".-_".contains(byte))
        && 0 < mark
        && mark + 1 < name.len()
        && name[mark + 1..].iter().all(u8::is_ascii_digit)
    {
        name = &name[..mark];
    }
    name
}

/// Least number of first bytes that prove an epoch of which nothing is settled: an address and a time.
pub const PREFIX_PROOF_MIN: u16 = 48;

/// Tells from hashes of a file's content whether that content is a continuation of `entry`; of another inode, it must be one that
/// [`can_be_proved`].
///
/// `running` is the checksum of the file over `entry.base..offset`, asked for at the offset that
/// [`proof_offset`] named.
#[must_use]
pub fn continues(entry: &Entry, first: &[u8], offset: u64, running: u64) -> bool {
    let known = if offset == entry.committed {
        Some(entry.proof.running)
    } else {
        let mut points = entry.earlier.points().iter();
        points.find(|point| point.offset == offset).map(|point| point.running)
    };
    let begins_alike = prefix_allows(entry.prefix, first);
    let is_enough = 0 < offset || entry.prefix.is_within(first);
    begins_alike && is_enough && known == Some(running)
}

/// Tells whether enough is known of an epoch's content to find it in another inode, whatever its first bytes are; see also
/// [`tells_moment`].
#[must_use]
pub fn can_be_proved(entry: &Entry) -> bool {
    0 < entry.committed || PREFIX_PROOF_MIN <= entry.prefix.length
}

/// Least number of digits that only a moment, or a number of its own, puts into the first lines of a log: those of a day and a
/// second. What heads all logs of a program alike has fewer.
const MOMENT_DIGITS_MIN: usize = 8;

/// Tells whether the whole lines among the first bytes of a file that are known of an epoch tell a moment: then they prove it,
/// however few they are.
#[must_use]
pub fn tells_moment(prefix: Prefix, first: &[u8]) -> bool {
    let known = &first[..first.len().min(prefix.length.into())];
    let lines = &known[..memchr::memrchr(b'\n', known).map_or(0, |newline| newline + 1)];
    MOMENT_DIGITS_MIN <= lines.iter().filter(|byte| byte.is_ascii_digit()).count()
}

/// Tells whether enough of `size` bytes, fewer than were read of an epoch with `prefix`, is known to be equal for them to be taken
/// for a copy in which nothing is new: all, or half of it and [`PREFIX_PROOF_MIN`] bytes. The first `equal` ones are, and the
/// prefix if the file, which begins with `first`, holds all of that.
#[must_use]
pub fn is_mostly_proved(prefix: Prefix, first: &[u8], equal: u64, size: u64) -> bool {
    let equal = equal.max(if prefix.is_within(first) { prefix.length.into() } else { 0 });
    equal == size || (u64::from(PREFIX_PROOF_MIN) <= equal && size <= equal.saturating_mul(2))
}

/// Returns the largest offset at which `entry` can be proved by a file of `size` bytes; `None` when there is none.
#[must_use]
pub fn proof_offset(entry: &Entry, size: u64) -> Option<u64> {
    if entry.committed <= size {
        return Some(entry.committed);
    }
    entry.earlier.points().iter().rev().map(|point| point.offset).find(|offset| *offset <= size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{Proof, tail_hash};
    use proptest::prelude::*;

    fn looked(content: &[u8], read_to: u64) -> Looked<'_> {
        let end = usize::try_from(read_to).unwrap();
        let tail = (end <= content.len()).then(|| tail_hash(&content[end.saturating_sub(64)..end]));
        Looked {
            size: content.len() as u64,
            first: &content[..content.len().min(PREFIX_BYTES)],
            tail,
        }
    }

    fn check(before: &[u8], read_to: u64, now: &[u8], expected: Verdict) {
        let prefix = prefix_of(before);
        let end = usize::try_from(read_to).unwrap();
        let proof = Proof::EMPTY.after(&before[..end], &before[end.saturating_sub(64)..end]);
        assert_eq!(judge(prefix, read_to, proof.tail, &looked(now, read_to)), expected);
    }

    #[test]
    fn copy_is_believed_if_all_or_half_of_it_and_enough_is_equal() {
        let first = [b'x'; 60];
        let (within, beyond) = (prefix_of(&first), prefix_of(&[b'x'; 61]));
        for (prefix, equal, size, expected) in [
            (beyond, 28, 28, true),
            (beyond, 47, 60, false),
            (beyond, 48, 60, true),
            (beyond, 60, 120, true),
            (beyond, 60, 121, false),
            (within, 14, 120, true),
        ] {
            assert_eq!(is_mostly_proved(prefix, &first, equal, size), expected, "{equal} {size}");
        }
    }

    #[test]
    fn shorter_file_is_allowed_by_its_whole_lines() {
        let prefix = prefix_of(b"one\ntwo\nthree\nfour\nfive\n");
        for (first, allowed) in [
            (&b""[..], true),
            (b"on", true),
            (b"six", true),
            (b"one\n", true),
            (b"six\n", false),
            (b"one\nsix\n", false),
            (b"one\ntwo\nsix", true),
            (b"one\ntwo\nthree\nsix\n", true),
            (b"one\ntwo\nthree\nfour\nfive\n", true),
            (b"one\ntwo\nthree\nfour\nfire\n", false),
        ] {
            assert_eq!(prefix_allows(prefix, first), allowed, "{}", first.escape_ascii());
        }
        assert!(!prefix_allows(prefix_of(b"a line without an end"), b"a line\n"));
    }

    #[test]
    fn few_first_bytes_tell_a_moment_by_the_digits_of_whole_lines() {
        for (first, length, tells) in [
            (&b"20 Nov 10:11:12 up\n"[..], 19, true),
            (b"#Version: 1.0 of 2026\n", 22, false),
            (b"23 10:11:12 up", 14, false),
            (b"20 Nov 10:11:12 up\n", 18, false),
            (b"a\n20261120", 10, false),
            (b"2026\n1120\n", 10, true),
            (b"2026\n", 10, false),
            (b"", 0, false),
        ] {
            let prefix = Prefix { length, ..Prefix::default() };
            assert_eq!(tells_moment(prefix, first), tells, "{}", first.escape_ascii());
        }
    }

    #[test]
    fn grown_file_is_the_same() {
        check(b"one\n", 4, b"one\ntwo\n", Verdict::Same);
        check(b"", 0, b"one\n", Verdict::Same);
    }

    #[test]
    fn shorter_file_is_truncated() {
        check(b"one\ntwo\n", 8, b"one\n", Verdict::Truncated);
    }

    #[test]
    fn file_refilled_beyond_the_offset_is_replaced() {
        check(b"one\ntwo\n", 8, b"six\nseven\neight\n", Verdict::Replaced);
    }

    #[test]
    fn same_beginning_with_other_bytes_before_the_offset_is_replaced() {
        let mut before = vec![b'a'; 3000];
        let mut now = before.clone();
        before[2990] = b'x';
        now[2991] = b'x';
        check(&before, 3000, &now, Verdict::Replaced);
    }

    proptest! {
        #[test]
        fn originals_are_the_names_that_a_name_is_derived_from(
            original in "[a.1_-]{1,6}(\\.gz)?", more in "[a.1_-]{0,5}", at in 0_usize..7,
            ending in "(\\.gz|\\.xz)?",
        ) {
            let mut name = original.clone();
            name.insert_str(at.min(original.len()), &more);
            name.push_str(&ending);
            let (original, name) = (Path::new(&original), Path::new(&name));
            prop_assume!(original.file_name().is_some() && name.file_name().is_some());
            let bytes = original.file_name().unwrap().as_encoded_bytes().to_vec();
            prop_assert_eq!(originals(name).contains(&bytes), derived(original, name));
        }
    }

    #[test]
    fn generations_are_told_by_number_or_date() {
        let log = Path::new("/var/log/access.log");
        let of = |name| generation(log, Path::new(name));
        for (name, expected) in [
            ("access.log.1", Mark::Number(1)),
            ("old/access.log.12.gz", Mark::Number(12)),
            ("access.2.log", Mark::Number(2)),
            ("access.log-20261120", Mark::Date(b"20261120")),
            ("access.log-20261120-13.gz", Mark::Date(b"20261120-13")),
            ("access-2026-11-20.log.gz", Mark::Date(b"2026-11-20")),
            ("access.log.1763600000", Mark::Date(b"1763600000")),
        ] {
            assert_eq!(of(name), Some(Generation { mark: expected, rest: b"" }), "{name}");
        }
        for name in ["access.log", "access.log.bak", "access.log.x1", "access.logs.1", "b.log.1"] {
            assert_eq!(of(name), None, "{name}");
        }
        for (name, other, is_newer) in [
            ("access.log.1", "access.log.2.gz", true),
            ("access.log-20261121", "access.log-20261120", true),
            ("access.log-20261121", "access.log.2", false),
            ("access.log.1.old", "access.log.2.old.gz", true),
            ("access.log-20261121.old", "access.log-20261120.old", true),
            ("access.log.1.bak", "access.log.2", false),
            ("access.log.1", "access.log.2.bak", false),
        ] {
            assert_eq!(of(name).unwrap().is_newer(&of(other).unwrap()), is_newer, "{name}");
        }
    }

    #[test]
    fn what_rotations_put_behind_a_name_is_taken_away() {
        for name in ["access.log", "access.log.1", "old/access.log.12.gz", "access.log-20261120"] {
            assert_eq!(unrotated(Path::new(name)), b"access.log", "{name}");
        }
        for name in ["access", "2026.log", "7", ".5", "access.", "access.log.old"] {
            assert_eq!(unrotated(Path::new(name)), name.as_bytes());
        }
    }

    #[test]
    fn rotated_names_are_derived_and_others_are_not() {
        let original = Path::new("/var/log/apache2/access.log");
        for name in [
            "access.log.1",
            "access.log-20261120",
            "access.log.2.gz",
            "access-20261120.log",
            "access.1.log",
            "access.log",
            "access.1.log.gz",
            "access-20261120.log.zst",
            "access.log.1.old.gz",
        ] {
            assert!(derived(original, &Path::new("/var/log/apache2/old").join(name)), "{name}");
        }
        for name in ["access.logs", "error.log", "accesses.log", "access", "other_access.log.1"] {
            assert!(!derived(original, &Path::new("/var/log/apache2").join(name)), "{name}");
        }
    }
}
