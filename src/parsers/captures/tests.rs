//! Groups found by walking are those that the `regex` crate finds.

use super::*;
use proptest::prelude::*;

/// Groups of a line, `None` where it does not match.
type Groups = Option<Vec<Option<(usize, usize)>>>;

fn both(captures: &mut Captures, line: &[u8]) -> (Groups, Groups) {
    let groups = captures.regex.captures_len();
    let expected = captures.regex.captures(line).map(|found| {
        (0..groups).map(|group| found.get(group).map(|at| (at.start(), at.end()))).collect()
    });
    let seen = captures.read(line).then(|| {
        let whole = std::iter::once(Some(captures.whole()));
        whole.chain((1..groups).map(|group| captures.get(group))).collect()
    });
    (seen, expected)
}

fn check(captures: &mut Captures, line: &[u8]) {
    let (seen, expected) = both(captures, line);
    let (pattern, text) = (captures.regex.as_str(), String::from_utf8_lossy(line));
    assert_eq!(seen, expected, "{pattern} of {text}");
}

#[test]
fn groups_are_found_by_walking() {
    for (expression, lines) in [
        ("a(b)c", &["abc", "xabcabc", "ab", ""][..]),
        ("(a|ab)(c|bcd)(d*)", &["abcd", "abcdd", "acd"]),
        ("(a*)(a*?)(a+?)(a*)", &["aaaa", "a", "ba"]),
        ("^(\\d{1,3})\\.(\\d+)$", &["1.2", "123.456", "1234.5", "1.2\n"]),
        ("(?:(a)|(b)|c)*", &["abc", "cab", "bbca", ""]),
        ("\\b(\\w+)\\b", &["  one two", "ä_1", "-"]),
        ("\\B(x)\\B", &["axa", "x", "xxx"]),
        ("\\b{start-half}(a+)\\b{end-half}", &["a", "ba", "-aa-", "ab"]),
        ("\\b{start}(a+)\\b{end}", &["a", "ba", "-aa-", "ab"]),
        ("(?m)^(.*)$", &["one\ntwo", "\n\n", ""]),
        ("\\A(a)?\\z", &["", "a", "aa"]),
        ("(a)?(b)?(?:(c)|d)", &["d", "abc", "bd", "ad"]),
        ("(?:x(\\d)?)+", &["x1x2x", "xx3", "x1x"]),
        ("(?i)(get|post) (?-i:(A))", &["GET A", "pOsT A", "get a"]),
        ("(.*?)\" \"(.*)\"", &["a\" \"b\" \"c\"", "\" \"\"", "\""]),
        ("()(|a)(b|)", &["ab", "b", ""]),
        ("[^a](.)", &["ab", "äb", "\n\n"]),
    ] {
        let mut captures = Captures::of(expression, 0).unwrap();
        assert!(captures.walk.is_some(), "{expression} is walked");
        for line in lines {
            check(&mut captures, line.as_bytes());
            assert!(captures.is_walked, "{expression} of {line}");
        }
    }
    let mut captures = Captures::of("(?u)(\\p{Lu}+)(.)", 0).unwrap();
    for line in ["ÄÖü", "aB€", "x"] {
        check(&mut captures, line.as_bytes());
        assert!(captures.is_walked);
    }
    check(&mut captures, b"\xffA\xff B\xc3\xa4");
}

#[test]
fn what_cannot_be_walked_is_read_all_the_same() {
    for expression in ["(a*)*(b)", "(?u)\\b(\\w+)", "(?mR)^(a)$"] {
        let mut captures = Captures::of(expression, 0).unwrap();
        assert!(captures.walk.is_none(), "{expression} is not walked");
        check(&mut captures, b"aaab");
        check(&mut captures, b"a\r\n");
    }
    assert!(Captures::new("(a+)(b)$").unwrap().walk.is_none(), "a small one");
    assert!(Captures::new("(a{600})(b)$").unwrap().walk.is_some(), "a large one");
    let mut captures = Captures::of("(a+)(b)$", 0).unwrap();
    let mut line = vec![b'a'; LINE_BYTES_MAX];
    check(&mut captures, &line);
    assert!(captures.is_walked);
    line.push(b'b');
    check(&mut captures, &line);
    assert!(!captures.is_walked, "longer than what is walked");
    check(&mut captures, b"aab");
    assert!(captures.is_walked, "the next is walked again");
}

/// An expression whose sets say which of the sixteen bytes behind a place are `b`.
fn greedy_of_sets() -> Captures {
    Captures::of("^c?([ab]{16})b", 0).unwrap()
}

#[test]
fn sets_are_thrown_away_before_they_take_too_much() {
    let mut captures = greedy_of_sets();
    let (mut walked, mut not) = (0, 0);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..200 {
        let mut line: Vec<u8> =
            (0..2000).map(|_| if random.bool() { b'a' } else { b'b' }).collect();
        line.push(b'c');
        check(&mut captures, &line);
        if captures.is_walked {
            walked += 1;
        } else {
            not += 1;
        }
        assert!(captures.walk.as_ref().unwrap().sets.bytes() < 5 << 20);
    }
    assert!(0 < walked && 0 < not, "{walked} {not}");
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(
        &[
            "a", "b", "ab", ".", "[ab]", "[^a]", "\\w", "\\d", "\\b", "\\B", "^", "$", "\\A",
            "\\z", "", " ", "1",
        ][..],
    );
    leaf.prop_map(str::to_owned).prop_recursive(5, 24, 3, |inner| {
        let times = proptest::sample::select(
            &["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?"][..],
        );
        prop_oneof![
            3 => proptest::collection::vec(inner.clone(), 1..4).prop_map(|all| all.concat()),
            2 => proptest::collection::vec(inner.clone(), 2..4)
                .prop_map(|all| format!("(?:{})", all.join("|"))),
            2 => inner.clone().prop_map(|one| format!("({one})")),
            2 => (inner.clone(), times).prop_map(|(one, times)| format!("(?:{one}){times}")),
            1 => inner.prop_map(|one| format!("(?m:{one})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// For every expression and every lines, the groups are those of the `regex` crate.
    #[test]
    fn property_groups_are_those_of_the_regex_crate(
        expression in expression(), unicode in any::<bool>(),
        lines in proptest::collection::vec("[ab1ä \\-\n]{0,12}", 1..4),
    ) {
        let expression = if unicode { format!("(?u){expression}") } else { expression };
        let Ok(mut captures) = Captures::of(&expression, 0) else { return Ok(()) };
        for line in lines {
            let (seen, expected) = both(&mut captures, line.as_bytes());
            prop_assert_eq!(seen, expected, "{} of {:?}", expression, line);
        }
    }
}
