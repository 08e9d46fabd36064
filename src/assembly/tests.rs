use super::*;
use crate::settings::reading::{
    ContainerSettings, ContainerStream, EncodingSettings, LineTerminator, MultilineRule,
    MultilineSettings,
};
use charset::settings_of;
use proptest::prelude::*;

/// What becomes of bytes that come bit by bit.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    /// Start, end, text and flags of each event.
    events: Vec<(u64, u64, String, Vec<&'static str>)>,
    /// Everything before this offset is done with.
    upto: usize,
}

/// Reads a file that has grown to each of `borders`, as a harvester does: from the first byte that is not done with.
fn read(assembly: &mut Assembly, file: &[u8], borders: &[usize], cuts: &[u64]) -> Read {
    let mut read = Read::default();
    let variant = assembly.mark_decides().then(|| assembly.variant(file));
    let rules = assembly.rules(variant).clone();
    for border in borders {
        let bytes = &file[read.upto..*border];
        let at = read.upto as u64;
        let cut = cuts.iter().rfind(|cut| at < **cut && **cut <= *border as u64);
        let cut = cut.map(|cut| usize::try_from(cut - at).unwrap());
        let Some(last) = rules.terminator.find_last(bytes, at).max(cut) else { continue };
        let bytes = &bytes[..last];
        let mut lines = Lines {
            bytes,
            at,
            cuts,
            rules: &rules,
            message_bytes_max: assembly.message_bytes_max(),
            position: 0,
            whole: None,
            behind: Behind::File,
        };
        let (mut message, mut filtered) = (Message::default(), 0);
        assembly.begin();
        let end = loop {
            match assembly.next(&mut lines, &mut message, &mut filtered) {
                Pulled::Message => {
                    let text = String::from_utf8_lossy(message.text(bytes)).into_owned();
                    let mut flags = Vec::new();
                    flags.extend(message.is_truncated.then_some("truncated"));
                    flags.extend(message.is_multiline.then_some("multiline"));
                    read.events.push((
                        at + message.start as u64,
                        at + message.end as u64,
                        text,
                        flags,
                    ));
                }
                Pulled::End(end) | Pulled::Hole(end) => break end,
            }
        };
        read.upto += end;
    }
    read
}

fn texts(read: &Read) -> Vec<&str> {
    read.events.iter().map(|(_, _, text, _)| text.as_str()).collect()
}

fn assembly(settings: &ReadingSettings) -> Assembly {
    Assembly::new(settings, 10 << 20).unwrap()
}

fn multiline(rule: MultilineRule) -> ReadingSettings {
    let multiline = MultilineSettings::new(rule);
    ReadingSettings { parsers: vec![LineParser::Multiline(multiline)], ..Default::default() }
}

fn pattern(pattern: &str, negate: bool, before: bool, flush: Option<&str>) -> MultilineRule {
    let flush_pattern = flush.map(str::to_owned);
    MultilineRule::Pattern { pattern: pattern.to_owned(), negate, before, flush_pattern }
}

/// Reads whole lines that end with a pause.
fn events(settings: &ReadingSettings, file: &str) -> Vec<String> {
    let read = read(&mut assembly(settings), file.as_bytes(), &[file.len()], &[file.len() as u64]);
    assert_eq!(read.upto, file.len());
    texts(&read).into_iter().map(str::to_owned).collect()
}

/// The four rows of the table in Filebeat's documentation, for lines that match `^b`.
#[test]
fn negate_and_match_join_as_filebeat_documents_it() {
    for (negate, before, file, expected) in [
        (false, false, "a\nb\nb\nc\nb\nb\n", vec!["a\nb\nb", "c\nb\nb"]),
        (false, true, "b\nb\na\nb\nb\nc\n", vec!["b\nb\na", "b\nb\nc"]),
        (true, false, "b\na\nc\nb\nd\ne\n", vec!["b\na\nc", "b\nd\ne"]),
        (true, true, "a\nc\nb\nd\ne\nb\n", vec!["a\nc\nb", "d\ne\nb"]),
    ] {
        let settings = multiline(pattern("^b", negate, before, None));
        assert_eq!(events(&settings, file), expected, "negate {negate}, before {before}");
    }
}

#[test]
fn stack_traces_are_one_event_each() {
    let java = "Exception in thread \"main\" java.lang.NullPointerException\n\tat a.Book.title(Book.java:16)\n\
                \tat a.Author.titles(Author.java:25)\nCaused by: java.io.IOException\n\t... 1 more\nnext\n";
    let rule = pattern(r"^[[:space:]]+(at|\.{3})[[:space:]]+\b|^Caused by:", false, false, None);
    let expected = [java.strip_suffix("\nnext\n").unwrap(), "next"];
    assert_eq!(events(&multiline(rule), java), expected);
    let c = "printf (\"%10.10ld  \\t %10.10ld \\t %s\\\n  %f\", w, x, y, z );\nnext();\n";
    let rule = pattern(r"\\$", false, true, None);
    assert_eq!(events(&multiline(rule), c), [&c[..c.len() - 9], "next();"]);
}

#[test]
fn a_flush_pattern_ends_the_event_that_it_belongs_to() {
    let rule = pattern("Start new event", true, false, Some("End event"));
    let file = "Start new event\ncontent\nEnd event\nbetween\nmore\nStart new event\nlast\n";
    let expected =
        ["Start new event\ncontent\nEnd event", "between\nmore", "Start new event\nlast"];
    assert_eq!(events(&multiline(rule), file), expected);
}

#[test]
fn lines_are_joined_by_number_or_while_they_match() {
    let count = multiline(MultilineRule::Count(3));
    assert_eq!(events(&count, "1\n2\n3\n4\n5\n6\n7\n"), ["1\n2\n3", "4\n5\n6", "7"]);
    let one = multiline(MultilineRule::Count(1));
    assert_eq!(events(&one, "1\n2\n"), ["1", "2"]);
    let rule = |negate| MultilineRule::While { pattern: "^[{]".to_owned(), negate };
    let file = "{\"a\"\n{\"b\"\nother\nlines\n{\"c\"\n";
    let expected = ["{\"a\"\n{\"b\"", "other", "lines", "{\"c\""];
    assert_eq!(events(&multiline(rule(false)), file), expected);
    let expected = ["{\"a\"", "{\"b\"", "other\nlines", "{\"c\""];
    assert_eq!(events(&multiline(rule(true)), file), expected);
}

#[test]
fn what_is_too_much_of_an_event_is_left_out_and_flagged() {
    let mut settings = MultilineSettings::new(pattern("^b", false, false, None));
    settings.max_lines = 2;
    let parsers = vec![LineParser::Multiline(settings)];
    let lines = ReadingSettings { parsers, ..Default::default() };
    let file = b"a\nb1\nb2\nb3\nc\nb4\nd\n";
    let left = |settings: &ReadingSettings, most: usize| {
        let mut assembly = Assembly::new(settings, most).unwrap();
        read(&mut assembly, file, &[file.len()], &[]).events
    };
    let both = vec!["truncated", "multiline"];
    assert_eq!(
        left(&lines, 100),
        [
            (0, 11, "a\nb1".to_owned(), both.clone()),
            (11, 16, "c\nb4".to_owned(), vec!["multiline"]),
        ]
    );
    let bytes = multiline(pattern("^b", false, false, None));
    assert_eq!(
        left(&bytes, 5),
        [(0, 11, "a\nb1".to_owned(), both), (11, 16, "c\nb4".to_owned(), vec!["multiline"]),]
    );
}

#[test]
fn carriage_returns_are_no_part_of_joined_lines_and_newlines_can_be_left_out() {
    let mut settings = multiline(pattern("^b", false, false, None));
    assert_eq!(events(&settings, "a\r\nb\r\nb\r\nc\r\n"), ["a\nb\nb", "c"]);
    let LineParser::Multiline(multiline) = &mut settings.parsers[0] else { unreachable!() };
    multiline.skip_newline = true;
    assert_eq!(events(&settings, "a\nb\n\nbb\nc\n"), ["ab", "bb", "c"]);
}

#[test]
fn filters_apply_to_whole_events_in_their_order() {
    let mut settings = multiline(pattern("^ ", false, false, None));
    settings.include_lines = vec!["err".to_owned(), "warn".to_owned()];
    settings.exclude_lines = vec!["ignore".to_owned()];
    let file = "info\n x\nerr\n y\nwarn\n ignore this\nerr 2\n";
    assert_eq!(events(&settings, file), ["err\n y", "err 2"]);
    let include = LineParser::IncludeMessage(vec!["^[eE]".to_owned()]);
    settings.parsers.insert(0, include);
    assert_eq!(events(&settings, file), ["err", "err 2"]);
}

/// A boundary that a pause made stays, whatever comes later.
#[test]
fn a_cut_ends_an_event_and_a_line() {
    let settings = multiline(pattern("^ ", false, false, None));
    let file = b"a\n b\n c\npart ial\n d\n";
    let all = read(&mut assembly(&settings), file, &[file.len()], &[5, 12, 20]);
    assert_eq!(texts(&all), ["a\n b", " c", "part", " ial\n d"]);
    let none = read(&mut assembly(&settings), file, &[file.len()], &[]);
    assert_eq!((texts(&none), none.upto), (vec!["a\n b\n c"], 8));
}

#[test]
fn a_byte_order_mark_decides_and_is_no_text() {
    let utf16 = settings_of("utf-16-bom").unwrap();
    let settings = ReadingSettings { encoding: utf16, ..Default::default() };
    for (mark, bytes) in [
        (&[0xfe, 0xff][..], u16::to_be_bytes as fn(u16) -> [u8; 2]),
        (&[0xff, 0xfe], u16::to_le_bytes),
        (&[], u16::to_be_bytes),
    ] {
        let mut file = mark.to_vec();
        file.extend("größe\r\n€\n".encode_utf16().flat_map(bytes));
        let read = read(&mut assembly(&settings), &file, &[file.len()], &[]);
        assert_eq!(texts(&read), ["größe", "€"]);
    }
    let plain = ReadingSettings { exclude_lines: vec!["^x".to_owned()], ..Default::default() };
    assert_eq!(events(&plain, "\u{feff}first\nx\n\u{feff}y\n"), ["first", "\u{feff}y"]);
}

#[test]
fn names_of_encodings_are_those_of_the_standard_and_filebeats() {
    let label = |name: &str| Some(EncodingSettings::Label(name.to_owned()));
    for (name, expected) in [
        ("plain", Some(EncodingSettings::Utf8)),
        ("UTF-8", Some(EncodingSettings::Utf8)),
        ("latin1", label("windows-1252")),
        ("iso8859-15", label("ISO-8859-15")),
        ("ISO8859-6E", label("ISO-8859-6")),
        ("gbk", label("GBK")),
        ("shift-jis", label("Shift_JIS")),
        ("koi8r", label("KOI8-R")),
        ("cp866", label("IBM866")),
        ("macintosh", label("macintosh")),
        ("utf-16be", Some(EncodingSettings::Utf16 { big_endian: true, mark_decides: false })),
        ("utf-16le-bom", Some(EncodingSettings::Utf16 { big_endian: false, mark_decides: true })),
        ("klingon", None),
        ("hz-gb-2312", None),
    ] {
        assert_eq!(settings_of(name), expected, "{name}");
    }
}

#[test]
fn a_line_end_that_an_encoding_lacks_is_refused() {
    let settings = ReadingSettings {
        encoding: settings_of("windows-1252").unwrap(),
        line_terminator: LineTerminator::LineSeparator,
        ..Default::default()
    };
    let error = Assembly::new(&settings, 1).unwrap_err().to_string();
    assert_eq!(error, "line_terminator: the encoding `windows-1252` has no such character");
}

const ENCODINGS: [&str; 11] = [
    "utf-8",
    "utf-16le",
    "utf-16be",
    "utf-16le-bom",
    "latin1",
    "gb18030",
    "big5",
    "shift_jis",
    "euc-kr",
    "iso-2022-jp",
    "koi8-r",
];

const TERMINATORS: [(LineTerminator, &str); 10] = [
    (LineTerminator::Auto, "\r\n"),
    (LineTerminator::Auto, "\n"),
    (LineTerminator::LineFeed, "\n"),
    (LineTerminator::VerticalTab, "\u{b}"),
    (LineTerminator::FormFeed, "\u{c}"),
    (LineTerminator::CarriageReturn, "\r"),
    (LineTerminator::CarriageReturnLineFeed, "\r\n"),
    (LineTerminator::NextLine, "\u{85}"),
    (LineTerminator::LineSeparator, "\u{2028}"),
    (LineTerminator::ParagraphSeparator, "\u{2029}"),
];

fn encoded(text: &str, encoding: &str) -> Option<Vec<u8>> {
    let encoding = encoding.trim_end_matches("-bom");
    match encoding {
        "utf-16le" => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        "utf-16be" => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        _ => {
            let encoding = encoding_rs::Encoding::for_label(encoding.as_bytes()).unwrap();
            let (bytes, _, failed) = encoding.encode(text);
            (!failed).then(|| bytes.into_owned())
        }
    }
}

proptest! {
    /// Whatever the encoding, the line end and the borders at which the file had grown: the lines are those of the whole
    /// text, and their offsets are those of its bytes.
    #[test]
    fn lines_are_those_of_the_whole_text(
        encoding in proptest::sample::select(&ENCODINGS[..]),
        terminator in proptest::sample::select(&TERMINATORS[..]),
        lines in proptest::collection::vec("[a-zA-Z0-9 äéЖ中日本한\u{10a}\u{a0d}\\x7f]{0,12}", 1..12),
        places in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
    ) {
        let (kind, end) = terminator;
        let settings = ReadingSettings {
            encoding: settings_of(encoding).unwrap(),
            line_terminator: kind,
            ..Default::default()
        };
        let mut file = Vec::new();
        let mut expected = Vec::new();
        for line in &lines {
            let Some(bytes) = encoded(&format!("{line}{end}"), encoding) else { continue };
            let start = file.len() as u64;
            file.extend_from_slice(&bytes);
            if !line.is_empty() {
                expected.push((start, file.len() as u64, line.clone(), vec![]));
            }
        }
        let Ok(mut assembly) = Assembly::new(&settings, 10 << 20) else { return Ok(()) };
        let mut borders: Vec<usize> = places.iter().map(|place| place.index(file.len() + 1)).collect();
        borders.push(file.len());
        borders.sort_unstable();
        let read = read(&mut assembly, &file, &borders, &[]);
        prop_assert_eq!(&read.events, &expected);
        prop_assert_eq!(read.upto, file.len());
    }

    /// Wherever a reader begins anew, and however the file grew, events are the same; and nothing is left out.
    #[test]
    fn events_do_not_depend_on_when_they_are_read(
        file in proptest::collection::vec(
            proptest::sample::select(&["a\n", " b\n", "c\r\n", "\n", "end\n", "x"][..]), 0..30),
        rule in 0..6_usize,
        borders in proptest::collection::vec(any::<proptest::sample::Index>(), 0..20),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..3),
        most in proptest::sample::select(&[3_usize, 9, 1000][..]),
    ) {
        let file = file.concat().into_bytes();
        let rules = [
            pattern("^ ", false, false, None),
            pattern("^ ", true, false, Some("end")),
            pattern("^[ac]", false, true, None),
            pattern("^[ac]", true, true, Some("end")),
            MultilineRule::Count(3),
            MultilineRule::While { pattern: "^[ab ]".to_owned(), negate: false },
        ];
        let settings = multiline(rules[rule].clone());
        let mut cuts: Vec<u64> = cuts.iter().map(|cut| cut.index(file.len() + 1) as u64).collect();
        cuts.push(file.len() as u64);
        cuts.sort_unstable();
        cuts.dedup();
        let mut borders: Vec<usize> = borders.iter().map(|place| place.index(file.len() + 1)).collect();
        borders.push(file.len());
        borders.sort_unstable();
        let mut assembly = Assembly::new(&settings, most).unwrap();
        let whole = read(&mut assembly, &file, &[file.len()], &cuts);
        let pieces = read(&mut assembly, &file, &borders, &cuts);
        prop_assert_eq!(&pieces, &whole);
        prop_assert_eq!(whole.upto, file.len());
        for (start, end, _, _) in &whole.events {
            let rest = &file[usize::try_from(*start).unwrap()..];
            let later: Vec<u64> = cuts.iter().filter(|cut| *start < **cut).map(|cut| cut - start).collect();
            let again = read(&mut assembly, rest, &[rest.len()], &later);
            prop_assert_eq!(again.events.first().map(|first| first.1), Some(end - start));
        }
    }

    /// The search that keeps no bytes finds the same ends.
    #[test]
    fn the_end_of_a_large_event_is_where_the_event_ends(
        file in proptest::collection::vec(
            proptest::sample::select(&["a\n", " b\n", "c\r\n", "\n", "end\n"][..]), 1..30),
        rule in 0..5_usize,
        borders in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        let file = file.concat().into_bytes();
        let rules = [
            pattern("^ ", false, false, None),
            pattern("^ ", true, false, Some("end")),
            pattern("^[ac]", false, true, None),
            MultilineRule::Count(3),
            MultilineRule::While { pattern: "^[ab ]".to_owned(), negate: false },
        ];
        let mut settings = multiline(rules[rule].clone());
        settings.parsers.insert(0, LineParser::IncludeMessage(vec!["^[ abce]".to_owned()]));
        let mut assembly = assembly(&settings);
        let cuts = [file.len() as u64];
        let whole = read(&mut assembly, &file, &[file.len()], &cuts);
        let mut borders: Vec<usize> = borders.iter().map(|place| place.index(file.len() + 1)).collect();
        borders.push(file.len());
        borders.sort_unstable();
        let rules = assembly.rules(None).clone();
        let mut open = OpenEvent::at(0);
        let mut found = None;
        for border in borders {
            let at = open.scanned;
            let from = usize::try_from(at).unwrap();
            if border < from {
                continue;
            }
            let is_cut = border == file.len();
            let bytes = &file[from..border];
            let last = rules.terminator.find_last(bytes, at);
            let last = if is_cut { bytes.len() } else { last.unwrap_or(0) };
            let cuts = if is_cut { &cuts[..] } else { &[] };
            let mut lines = Lines { bytes: &bytes[..last], at, cuts, rules: &rules, message_bytes_max: 1000, position: 0, whole: None, behind: Behind::File };
            if assembly.seek_end(&mut lines, &mut open) == Sought::Complete {
                found = Some(open.end);
                break;
            }
        }
        prop_assert_eq!(found, whole.events.first().map(|first| first.1));
    }
}

#[test]
fn characters_are_not_cut_where_their_rest_may_still_come() {
    let text = "aß€😀z";
    for (name, encode) in [
        ("utf-8", (|text: &str| text.as_bytes().to_vec()) as fn(&str) -> Vec<u8>),
        ("utf-16le", |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("utf-16be", |text| text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ] {
        let charset = charset::Charset::all_of(&settings_of(name).unwrap())[0];
        let bytes = encode(text);
        let mut ends = vec![0];
        for (at, _) in text.char_indices().skip(1) {
            ends.push(encode(&text[..at]).len());
        }
        ends.push(bytes.len());
        for upto in 0..=bytes.len() {
            let expected = *ends.iter().rfind(|end| **end <= upto).unwrap();
            assert_eq!(charset.whole_length(&bytes[..upto], 0), expected, "{name} {upto}");
        }
    }
    let latin = charset::Charset::all_of(&settings_of("latin1").unwrap())[0];
    assert_eq!(latin.whole_length(b"a\xe4", 0), 2);
}

/// Gives lines one by one, as they come from a sender, with pauses before those at some offsets.
fn given_one_by_one(assembly: &mut Assembly, file: &[u8], pauses: &[u64]) -> Read {
    let mut read = Read::default();
    let rules = assembly.rules(None).clone();
    let mut take = |assembly: &mut Assembly, line: Option<(usize, &[u8])>| {
        let (start, raw) = line.unwrap_or_default();
        let content = rules.terminator.content(raw);
        let raw_length = raw.len();
        let mut lines = Lines {
            bytes: content,
            at: start as u64,
            cuts: &[],
            rules: &rules,
            message_bytes_max: assembly.message_bytes_max(),
            position: 0,
            whole: line.map(|_| Whole { start, raw_length, is_truncated: false }),
            behind: if line.is_some() { Behind::Later } else { Behind::Nothing },
        };
        let (mut message, mut filtered) = (Message::default(), 0);
        while assembly.next(&mut lines, &mut message, &mut filtered) == Pulled::Message {
            let text = String::from_utf8_lossy(message.text(content)).into_owned();
            let mut flags = Vec::new();
            flags.extend(message.is_truncated.then_some("truncated"));
            flags.extend(message.is_multiline.then_some("multiline"));
            read.events.push((message.start as u64, message.end as u64, text, flags));
        }
    };
    let mut at = 0;
    for raw in file.split_inclusive(|byte| *byte == b'\n') {
        if pauses.contains(&(at as u64)) {
            take(assembly, None);
        }
        take(assembly, Some((at, raw)));
        at += raw.len();
    }
    take(assembly, None);
    assert!(!assembly.is_open());
    read.upto = at;
    read
}

proptest! {
    /// Lines that come one by one, and cannot be read again, become the same events as those of a file that was cut at
    /// the same pauses.
    #[test]
    fn lines_that_come_one_by_one_are_joined_as_those_of_a_file(
        lines in proptest::collection::vec(
            proptest::sample::select(&[
                "a\n", " b\n", "c\r\n", "\n", "end\n",
                "2026-11-21T03:20:13.5Z stdout P a part\n", "2026-11-21T03:20:13.5Z stdout F the end\n",
                "2026-11-21T03:20:13.5Z stderr F other\n",
            ][..]), 0..30),
        rule in 0..6_usize,
        before in 0..4_usize,
        pauses in proptest::collection::vec(any::<proptest::sample::Index>(), 0..3),
        most in proptest::sample::select(&[3_usize, 9, 1000][..]),
    ) {
        let rules = [
            pattern("^ ", false, false, None),
            pattern("^ ", true, false, Some("end")),
            pattern("^[ac]", false, true, None),
            pattern("^[ac]", true, true, Some("end")),
            MultilineRule::Count(3),
            MultilineRule::While { pattern: "^[ab ]".to_owned(), negate: false },
        ];
        let mut settings = multiline(rules[rule].clone());
        let container = ContainerSettings { stream: ContainerStream::Stdout, ..Default::default() };
        match before {
            1 => settings.parsers.insert(0, LineParser::Container(container)),
            2 => settings.parsers = vec![LineParser::Container(container)],
            3 => {
                settings.parsers.insert(0, LineParser::IncludeMessage(vec!["^[ abc2]".to_owned()]));
                settings.parsers.extend(multiline(MultilineRule::Count(2)).parsers);
                settings.exclude_lines.push("^c".to_owned());
            }
            _ => {}
        }
        let mut starts = vec![0];
        starts.extend(lines.iter().scan(0, |at, line| { *at += line.len() as u64; Some(*at) }));
        let mut pauses: Vec<u64> = pauses.iter().map(|pause| starts[pause.index(starts.len())]).collect();
        pauses.sort_unstable();
        pauses.dedup();
        let file = lines.concat().into_bytes();
        let mut assembly = Assembly::new(&settings, most).unwrap();
        let given = given_one_by_one(&mut assembly, &file, &pauses);
        pauses.push(file.len() as u64);
        prop_assert_eq!(given, read(&mut assembly, &file, &[file.len()], &pauses));
    }
}
