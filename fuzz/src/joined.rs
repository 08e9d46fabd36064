//! Joined lines: wherever a file has grown to when it is read and wherever reading begins again, its events are those that a
//! simple look at the whole file finds, and every byte before the last open event is answered for once.

use super::documents::{input, read_item};
use super::input::Input;
use super::lines::{Item, Setting, check_ranges, read};
use shipper::parsers::timestamp::parse_rfc3339;
use shipper::settings::reading::{
    ContainerFormat, ContainerSettings, ContainerStream, LineParser, MultilineRule,
    MultilineSettings,
};
use shipper::settings::{Format, InputSettings};

/// More than a reader takes at once; of containers less, whose lines are only put together within that.
const CONTENT_BYTES_MAX: [usize; 2] = [600 << 10, 200 << 10];

/// Lines of a file: more only take time.
const LINES_MAX: usize = 400;

/// What lines may begin or end with.
const MARKS: [&str; 4] = ["^ ", "x$", "^[{}]", "^$"];

pub fn check(bytes: &[u8]) {
    let mut input = Input(bytes);
    let items = 1 + usize::from(input.byte());
    let growth: Vec<usize> = (0..input.byte() % 8).map(|_| input.upto(60_000) as usize).collect();
    let later: Vec<usize> = (0..input.byte() % 4).map(|_| input.upto(60_000) as usize).collect();
    let again = usize::from(input.byte());
    let message_max_bytes = if input.bit() { 10 << 20 } else { 1 + input.upto(2_000) };
    let parsers = parsers(&mut input);
    let is_container = matches!(parsers.first(), Some(LineParser::Container(_)));
    let mut content = input.content(CONTENT_BYTES_MAX[usize::from(is_container)]);
    // A hole is left to the target `lines`.
    content.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b'0');
    let mut ends = content.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    if let Some((end, _)) = ends.nth(LINES_MAX) {
        content.truncate(end + 1);
    }

    let settings = self::settings(parsers.clone(), message_max_bytes);
    let setting = Setting { items, input: settings };
    let whole = read(&setting, &content, &growth, 0);
    let upto = check_ranges(&content, &whole.ranges);
    let (events, open) = events(&content, &parsers);
    // Of a line that is cut only what is kept is looked at.
    let longest = content.split(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap_or(0);
    if longest as u64 <= message_max_bytes && (!is_container || is_plain(&content)) {
        assert_eq!(upto, open, "everything before the last open event is done with");
        check_events(&whole.items, &events, message_max_bytes);
    }

    // A restart goes on behind what is settled: the same items are sent again as they were.
    let start = match whole.ranges.len() {
        0 => 0,
        count => whole.ranges[again % count].end,
    };
    let repeated = read(&setting, &content, &later, start as usize);
    let expected: Vec<_> = whole.items.iter().filter(|item| start <= item.start).collect();
    assert!(repeated.items.iter().eq(expected), "from {start} on the items are the same");
}

/// Tells whether the lines of a container are read by the simple look as by the other one.
fn is_plain(content: &[u8]) -> bool {
    let twice = |line: &str, name: &str| 1 < line.matches(name).count();
    std::str::from_utf8(content).is_ok_and(|content| {
        content.split('\n').all(|line| {
            !["\"log\"", "\"stream\"", "\"time\"", "\\u"].iter().any(|name| twice(line, name))
        })
    })
}

fn check_events(items: &[Item], events: &[Event], message_max_bytes: u64) {
    let mut found = items.iter();
    for event in events.iter().filter(|event| !event.text.is_empty() || event.stream.is_some()) {
        let item = found.next().expect("every event is an item");
        let place = (item.start as usize, (item.start + item.length) as usize);
        assert_eq!(place, (event.start, event.end), "where the event stands");
        check_document(&item.bytes, event, message_max_bytes as usize);
    }
    assert!(found.next().is_none(), "nothing but events");
}

fn settings(parsers: Vec<LineParser>, message_max_bytes: u64) -> InputSettings {
    let mut settings = input(Format::Raw, true, message_max_bytes);
    settings.reading.parsers = parsers;
    settings
}

fn parsers(input: &mut Input<'_>) -> Vec<LineParser> {
    let kind = input.byte();
    let mut parsers = Vec::new();
    if kind & 1 == 1 {
        parsers.push(LineParser::Container(ContainerSettings {
            stream: match kind >> 1 & 3 {
                0 => ContainerStream::Stdout,
                1 => ContainerStream::Stderr,
                _ => ContainerStream::All,
            },
            format: match kind >> 3 & 3 {
                0 => ContainerFormat::Docker,
                1 => ContainerFormat::Cri,
                _ => ContainerFormat::Auto,
            },
        }));
    }
    if kind & 1 == 0 || kind >> 5 & 1 == 1 {
        let mark = |byte: u8| MARKS[usize::from(byte) % MARKS.len()].to_owned();
        let how = input.byte();
        let pattern = mark(how);
        let negate = how >> 2 & 1 == 1;
        let rule = match how >> 3 & 3 {
            0 => MultilineRule::Count(1 + u64::from(input.byte() % 5)),
            1 => MultilineRule::While { pattern, negate },
            _ => MultilineRule::Pattern {
                pattern,
                negate,
                before: how >> 5 & 1 == 1,
                flush_pattern: (how >> 6 == 3).then(|| mark(input.byte())),
            },
        };
        let mut multiline = MultilineSettings::new(rule);
        multiline.skip_newline = how >> 6 == 1;
        parsers.push(LineParser::Multiline(multiline));
    }
    parsers
}

/// What one event is.
#[derive(Clone)]
struct Event {
    start: usize,
    end: usize,
    text: Vec<u8>,
    lines: usize,
    stream: Option<&'static str>,
}

fn check_document(item: &[u8], event: &Event, most: usize) {
    let [_, document] = read_item(item);
    assert_eq!(document["log"]["offset"], event.start);
    assert_eq!(document["stream"].as_str(), event.stream);
    let message = document["message"].as_str().unwrap_or_default();
    let whole = String::from_utf8_lossy(&event.text);
    let flags = document["log"]["flags"].as_array();
    let has = |flag: &str| flags.is_some_and(|flags| flags.iter().any(|known| known == flag));
    if has("truncated") {
        assert!(most < 10 << 20, "nothing is cut that need not be");
        // A character at the cut may be replaced.
        let kept = message.trim_end_matches('\u{fffd}');
        assert!(whole.starts_with(kept) || event.lines > 1, "what is cut is the beginning");
        assert!(message.len() <= 3 * most);
    } else {
        assert_eq!(message, whole);
        // An empty line joined to nothing but empty lines may leave nothing that shows it.
        assert!(has("multiline") == (1 < event.lines) || whole.is_empty());
    }
}

/// The events of a whole file, and where the last one begins that may go on.
fn events(content: &[u8], parsers: &[LineParser]) -> (Vec<Event>, usize) {
    let mut at = 0;
    let mut events = Vec::new();
    for raw in content.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = raw.strip_suffix(b"\n") else { break };
        let text = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        let (start, end) = (at, at + raw.len());
        at = end;
        events.push(Event { start, end, text, lines: 1, stream: None });
    }
    if let Some(first) = events.first_mut()
        && let Some(text) = first.text.strip_prefix("\u{feff}".as_bytes())
    {
        first.text = text.to_vec();
    }
    let mut open = at;
    for parser in parsers {
        let (joined, left) = match parser {
            LineParser::Container(settings) => containers(events, *settings),
            LineParser::Multiline(settings) => multiline(events, settings),
            LineParser::Ndjson(_) | LineParser::IncludeMessage(_) | LineParser::Syslog(_) => {
                (events, None)
            }
        };
        events = joined;
        open = open.min(left.unwrap_or(open));
    }
    (events, open)
}

/// Joins the parts of lines of containers; the second value is where one begins that is not complete.
fn containers(lines: Vec<Event>, settings: ContainerSettings) -> (Vec<Event>, Option<usize>) {
    let (mut events, mut begun) = (Vec::new(), None::<Event>);
    for line in lines {
        let Some((text, stream, is_partial)) = container(&line.text, settings.format) else {
            events.extend(begun.take());
            events.push(line);
            continue;
        };
        let wanted = match settings.stream {
            ContainerStream::All => true,
            ContainerStream::Stdout => stream == "stdout",
            ContainerStream::Stderr => stream == "stderr",
        };
        if !wanted {
            continue;
        }
        let whole = if let Some(mut event) = begun.take() {
            event.text.extend(text);
            event.end = line.end;
            event
        } else {
            let stream = if stream == "stderr" { "stderr" } else { "stdout" };
            Event { text, stream: Some(stream), ..line }
        };
        if is_partial {
            begun = Some(whole);
        } else {
            events.push(whole);
        }
    }
    let open = begun.map(|event| event.start);
    (events, open)
}

/// Text, stream and whether the next line goes on.
fn container(line: &[u8], format: ContainerFormat) -> Option<(Vec<u8>, String, bool)> {
    let is_docker = match format {
        ContainerFormat::Docker => true,
        ContainerFormat::Cri => false,
        ContainerFormat::Auto => line.first() == Some(&b'{'),
    };
    if is_docker {
        type Raw = std::collections::BTreeMap<String, Box<serde_json::value::RawValue>>;
        let raw: Raw = serde_json::from_slice(line).ok()?;
        let text = |name: &str| {
            raw.get(name).map(|value| serde_json::from_str::<String>(value.get()).ok())
        };
        let log = text("log")??;
        let stream = text("stream").unwrap_or(Some(String::new()))?;
        text("time").unwrap_or(Some(String::new()))?;
        let end = log.strip_suffix('\n').unwrap_or(&log);
        let end = end.strip_suffix('\r').unwrap_or(end);
        return Some((end.into(), stream, !log.ends_with('\n')));
    }
    let mut rest = line;
    let mut parts = Vec::new();
    while parts.len() < 3 {
        let at = rest.iter().position(|byte| *byte == b' ');
        parts.push(&rest[..at.unwrap_or(rest.len())]);
        rest = at.map_or(&[], |at| &rest[at + 1..]);
        if at.is_none() {
            break;
        }
    }
    let [time, stream, tags] = parts[..] else { return None };
    parse_rfc3339(time)?;
    let stream = match stream {
        b"stdout" => "stdout",
        b"stderr" => "stderr",
        _ => return None,
    };
    let is_partial = tags == b"P" || tags.starts_with(b"P:");
    Some((rest.to_vec(), stream.to_owned(), is_partial))
}

/// Joins lines; the second value is where an event begins that may go on.
fn multiline(lines: Vec<Event>, settings: &MultilineSettings) -> (Vec<Event>, Option<usize>) {
    let holds = |pattern: &str, line: &Event| match pattern {
        "^ " => line.text.starts_with(b" "),
        "x$" => line.text.ends_with(b"x"),
        "^[{}]" => line.text.first().is_some_and(|byte| b"{}".contains(byte)),
        _ => line.text.is_empty(),
    };
    let mut events: Vec<Event> = Vec::new();
    // The lines of the event that is open.
    let mut open: Vec<Event> = Vec::new();
    for line in lines {
        let (joins, ends) = match &settings.rule {
            MultilineRule::Count(count) => (true, open.len() as u64 + 1 == *count),
            MultilineRule::While { pattern, negate } => {
                let matches = holds(pattern, &line) != *negate;
                (matches, open.is_empty() && !matches)
            }
            MultilineRule::Pattern { pattern, negate, before, flush_pattern } => {
                let ends = flush_pattern.as_ref().is_some_and(|flush| holds(flush, &line));
                let last = if *before { open.last() } else { Some(&line) };
                let goes_on = last.is_some_and(|last| holds(pattern, last) != *negate);
                (ends || goes_on, ends && !open.is_empty())
            }
        };
        if !joins && !open.is_empty() {
            events.push(join(&std::mem::take(&mut open), settings));
            // A line that calls for no other one is an event of its own.
            if let MultilineRule::While { pattern, negate } = &settings.rule
                && holds(pattern, &line) == *negate
            {
                events.push(line);
                continue;
            }
        }
        open.push(line);
        if ends {
            events.push(join(&std::mem::take(&mut open), settings));
        }
    }
    let left = open.first().map(|event| event.start);
    (events, left)
}

fn join(lines: &[Event], settings: &MultilineSettings) -> Event {
    let mut event = lines[0].clone();
    for line in &lines[1..] {
        if !settings.skip_newline && !event.text.is_empty() {
            event.text.push(b'\n');
        }
        event.text.extend(&line.text);
        event.end = line.end;
        event.lines += 1;
    }
    event
}
