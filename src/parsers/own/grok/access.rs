//! Access lines as most are, for the patterns that are nothing but the standard ones of access lines: their groups, found
//! byte by byte. Whatever is unusual in a line is left to the expression, which says the same of the others.

use super::expand::Expander;
use crate::parsers::address::{IPV4_WINDOW_BYTES, ipv4_length};
use crate::parsers::own::Part;
use crate::parsers::timestamp::{CLF_BYTES, month_of};
use crate::scan::find;

/// Most groups of these patterns.
const GROUPS_MAX: usize = 11;

/// Standard patterns, and whether they end with referrer and user agent.
const KNOWN: [(&str, bool); 4] = [
    ("%{COMBINEDAPACHELOG}", true),
    ("%{HTTPD_COMBINEDLOG}", true),
    ("%{COMMONAPACHELOG}", false),
    ("%{HTTPD_COMMONLOG}", false),
];

/// Where the groups of a line lie, in their order.
pub(super) type Groups = [Option<(usize, usize)>; GROUPS_MAX];

/// Reads access lines as most are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access {
    is_combined: bool,
    /// Whether nothing stands behind what is matched.
    is_whole: bool,
}

impl Access {
    /// Makes the reader of an expression that is that of a standard pattern, with `^` before it or `$` behind it or neither.
    pub(super) fn new(expression: &str) -> Option<Self> {
        let inner = expression.strip_prefix('^').unwrap_or(expression);
        let (inner, is_whole) =
            inner.strip_suffix('$').map_or((inner, false), |inner| (inner, true));
        let standard = Expander::new(&[]);
        let is_same = |pattern: &str| {
            let written = standard.expand(pattern, Part::Pattern(0));
            written.is_ok_and(|written| written.regex == inner)
        };
        let (_, is_combined) = KNOWN.into_iter().find(|(pattern, _)| is_same(pattern))?;
        Some(Self { is_combined, is_whole })
    }

    /// Finds the groups of a line, and where the match ends that begins with it; `None` where it is not as most are.
    pub(super) fn read(self, line: &[u8]) -> Option<(Groups, usize)> {
        let mut groups = [None; GROUPS_MAX];
        let client = ipv4_length(line.first_chunk::<IPV4_WINDOW_BYTES>()?)?;
        groups[0] = Some((0, client));
        let mut at = client;
        for group in &mut groups[1..3] {
            (line.get(at)? == &b' ').then_some(())?;
            let end = find(line, at + 1, [b' '])?;
            let word = &line[at + 1..end];
            let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
            if word.is_empty() || !word.iter().all(is_of_name) {
                return None;
            }
            *group = (word != b"-").then_some((at + 1, end));
            at = end;
        }
        let time = at + 2;
        let request = time + CLF_BYTES + 3;
        let around = (line.get(at..time)?, line.get(time + CLF_BYTES..request)?);
        if around != (b" [", b"] \"") || !is_time(line.get(time..)?.first_chunk()?) {
            return None;
        }
        groups[3] = Some((time, time + CLF_BYTES));
        let end = read_request(line, request, &mut groups)?;
        let end = read_numbers(line, end, &mut groups)?;
        if self.is_combined {
            return self.read_headers(line, end, groups);
        }
        (!self.is_whole || end == line.len()).then_some((groups, end))
    }

    fn read_headers(self, line: &[u8], at: usize, mut groups: Groups) -> Option<(Groups, usize)> {
        let mut at = at;
        for group in &mut groups[9..11] {
            let start = at + 2;
            (line.get(at..start)? == b" \"").then_some(())?;
            // What is matched has no line end.
            let end = find(line, start, [b'"', b'\n']).filter(|end| line[*end] == b'"')?;
            *group = (&line[start..end] != b"-").then_some((start, end));
            at = end + 1;
        }
        (!self.is_whole || at == line.len()).then_some((groups, at))
    }
}

/// Tells whether a text is a time of the common log format, each part in its range.
fn is_time(text: &[u8; CLF_BYTES]) -> bool {
    let number = |at: usize| {
        let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
        if tens < 10 && ones < 10 { tens * 10 + ones } else { u8::MAX }
    };
    let month = [text[3], text[4], text[5]];
    let is_written_so =
        month[0].is_ascii_uppercase() && month[1..].iter().all(u8::is_ascii_lowercase);
    let texts = [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':'), (20, b' ')];
    texts.iter().all(|(at, byte)| text[*at] == *byte)
        && (1..=31).contains(&number(0))
        && is_written_so
        && month_of(month).is_some()
        && [(7, 99), (9, 99), (12, 23), (15, 59), (18, 60), (22, 99), (24, 99)]
            .iter()
            .all(|(at, most)| number(*at) <= *most)
        && matches!(text[21], b'+' | b'-')
}

/// Reads `METHOD target HTTP/1.1"`, and returns where it ends.
fn read_request(line: &[u8], start: usize, groups: &mut Groups) -> Option<usize> {
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let method = start + line.get(start..)?.iter().position(|byte| !is_of_word(byte))?;
    let end = find(line, method + 1, [b'"'])?;
    let version = end.checked_sub(3).filter(|version| method + 8 < *version)?;
    let target = (method + 1, version - 6);
    let text = &line[target.0..target.1];
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let [major, b'.', minor] = &line[version..end] else { return None };
    if method == start
        || line[method] != b' '
        || &line[target.1..version] != b" HTTP/"
        || text.is_empty()
        || text.iter().any(is_blank)
        || !(major.is_ascii_digit() && minor.is_ascii_digit())
    {
        return None;
    }
    groups[4] = Some((start, method));
    groups[5] = Some(target);
    groups[6] = Some((version, end));
    Some(end + 1)
}

/// Reads ` 200 4711`, and returns where it ends; the second may be `-`.
fn read_numbers(line: &[u8], start: usize, groups: &mut Groups) -> Option<usize> {
    let mut at = start;
    for (number, group) in groups[7..9].iter_mut().enumerate() {
        (line.get(at)? == &b' ').then_some(())?;
        let rest = &line[at + 1..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let end = at + 1 + digits;
        match (digits, number) {
            (0, 1) if rest.first() == Some(&b'-') => at = end + 1,
            (0, _) => return None,
            _ => {
                *group = Some((at + 1, end));
                at = end;
            }
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::bytes::{Regex, RegexBuilder};

    fn expression(pattern: &str) -> String {
        Expander::new(&[]).expand(pattern, Part::Pattern(0)).unwrap().regex
    }

    fn of(pattern: &str) -> (Access, Regex) {
        let expression = expression(pattern);
        let access = Access::new(&expression).unwrap();
        (access, RegexBuilder::new(&expression).unicode(false).build().unwrap())
    }

    #[test]
    fn only_patterns_that_are_standard_ones_alone_are_read_byte_by_byte() {
        for (pattern, expected) in [
            ("%{COMBINEDAPACHELOG}", true),
            ("^%{COMMONAPACHELOG}$", true),
            ("^%{HTTPD_COMBINEDLOG}", true),
            ("%{HTTPD_COMMONLOG}$", true),
            ("%{COMBINEDAPACHELOG} ", false),
            ("%{COMBINEDAPACHELOG:all}", false),
            ("%{SYSLOGLINE}", false),
            ("%{HTTPD20_ERRORLOG}", false),
        ] {
            assert_eq!(Access::new(&expression(pattern)).is_some(), expected, "{pattern}");
        }
        let definitions = [("INT".to_owned(), "[0-9]".to_owned())];
        let other = Expander::new(&definitions);
        let other = other.expand("%{COMBINEDAPACHELOG}", Part::Pattern(0)).unwrap();
        assert!(Access::new(&other.regex).is_none(), "a definition says something else");
    }

    #[test]
    fn most_access_lines_are_read_byte_by_byte() {
        let line = br#"192.0.2.7 - frank [21/Nov/2026:03:20:13 +0000] "GET /a?b HTTP/1.1" 200 42 "-" "curl/8""#;
        let (access, regex) = of("^%{COMBINEDAPACHELOG}$");
        let (groups, end) = access.read(line).unwrap();
        assert_eq!(end, line.len());
        let found = regex.captures(line).unwrap();
        for (number, group) in groups.into_iter().enumerate() {
            assert_eq!(group, found.get(number + 1).map(|at| (at.start(), at.end())));
        }
        assert_eq!(groups[5], Some((52, 56)));
    }

    /// One of some texts: the first in most cases.
    fn part(texts: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
        prop_oneof![5 => Just(texts[0]), 1 => proptest::sample::select(texts)]
    }

    fn line() -> impl Strategy<Value = String> {
        let head = (
            part(&[
                "192.0.2.7",
                "192.0.2.256",
                "01.2.3.4",
                "::1",
                "a.b",
                "1.2.3.4.5",
                "x 1.2.3.4",
                "999.1.1.1",
            ]),
            part(&[" - ", " -", " x ", " - - ", " a@b.c ", "  "]),
            part(&["-", "frank", "a b", "ä", "a@b", "", "-x", "._-"]),
            part(&[
                " [21/Nov/2026:03:20:13 +0000] \"",
                " [31/nov/2026:03:20:13 +0000] \"",
                " [00/Nov/2026:03:20:13 +0000] \"",
                " [32/Nov/2026:03:20:60 -0130] \"",
                " [01/Mai/2026:23:59:60 -9999] \"",
                " [01/Feb/2026:24:00:00 +0000] \"",
                " [1/Feb/2026:24:00:00 +0000] \"",
                " [1Feb/2026:24:00:00 +0000] ",
            ]),
        );
        let request = (
            part(&["GET", "", "-", "A_1", "M-S", "ä", "\\x16"]),
            part(&[
                " /a?b",
                " /",
                " /a b",
                " /\"",
                " /a\t",
                "",
                " HTTP/1.0",
                " /x HTTP/1.1\" 200 7",
            ]),
            part(&[
                " HTTP/1.1",
                " HTTP/2.0",
                " HTTP/10.1",
                " HTTP/2",
                "",
                " HTTP/1.",
                " HTTP/a.b",
                " RTSP/1.0",
            ]),
        );
        let rest = (
            part(&["\" 200", "\" 007", "\" -", "\" +5", "\"", "\" \"x\" 200"]),
            part(&[" 42", " -", " 0", " -5", " +5", " x", "", " 42 "]),
            part(&[
                " \"-\" \"",
                " \"http://x/\" \"",
                " \"\" \"",
                " \"a\"b\" \"",
                " \"-x\" \"",
                " \"\n\" \"",
                "",
                "  \"",
            ]),
            part(&["curl/8", "-", "", "a\"b", "\n", "ä", "-x"]),
            part(&["\"", "", "\" x", "\" \"y\"", "\"\n", "-"]),
        );
        (head, request, rest).prop_map(|(head, request, rest)| {
            let head = [head.0, head.1, head.2, head.3].concat();
            let rest = [rest.0, rest.1, rest.2, rest.3, rest.4].concat();
            [head, [request.0, request.1, request.2].concat(), rest].concat()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

        /// For every line, what is found byte by byte is what the expression finds.
        #[test]
        fn property_groups_are_those_of_the_expression(line in line(), number in 0_usize..8) {
            thread_local! {
                static ALL: Vec<(Access, Regex)> = KNOWN.iter().flat_map(|(pattern, _)| {
                    [of(pattern), of(&format!("^{pattern}$"))]
                }).collect();
            }
            ALL.with(|all| {
                let (access, regex) = &all[number];
                if let Some((groups, end)) = access.read(line.as_bytes()) {
                    let found = regex.captures(line.as_bytes());
                    let whole = found.as_ref().and_then(|found| found.get(0));
                    prop_assert_eq!(whole.map(|at| (at.start(), at.end())), Some((0, end)), "{}", line);
                    for (number, group) in groups.into_iter().enumerate() {
                        let at = found.as_ref().and_then(|found| found.get(number + 1));
                        prop_assert_eq!(group, at.map(|at| (at.start(), at.end())), "{}: {}", line, number);
                    }
                }
                Ok(())
            })?;
        }
    }
}
