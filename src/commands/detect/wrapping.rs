//! What to do with lines of no format that is known: what wraps them is told by their looks.

use serde_json::Value;

/// What to say when nothing wraps the lines.
const UNWRAPPED: &str = "have the format read from the server's configuration with `format_from: /etc/nginx/nginx.conf`, write \
     it out with `format: {nginx: '…'}` or `format: {apache: '…'}`, say what the lines are like with `grok`, `csv` or `regex` \
     (`format: {grok: '…'}`), or send them as they are with `format: raw`";

/// Months as syslog has them.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Says what to do with a file that has such a line.
pub(super) fn advice(line: &str) -> String {
    let Some((what, parser)) = wrapping(line) else { return UNWRAPPED.to_owned() };
    format!(
        "its lines look like {what}: `parsers: [{{{parser}: {{}}}}]` in the input takes that off, and `format` reads what is \
         inside; or {UNWRAPPED}"
    )
}

/// Returns what wraps a line, and the parser that takes it off.
fn wrapping(line: &str) -> Option<(&'static str, &'static str)> {
    let line = line.trim();
    if line.starts_with('{') {
        if line.starts_with("{\"log\":") && line.contains("\"stream\":") {
            return Some(("Docker's JSON", "container"));
        }
        // A line that is shown may be cut.
        let is_json = line.starts_with("{\"") && line.contains("\":")
            || serde_json::from_str::<Value>(line).is_ok_and(|value| value.is_object());
        return is_json.then_some(("JSON", "ndjson"));
    }
    let words: Vec<&str> = line.split_ascii_whitespace().take(5).collect();
    match words[..] {
        [time, "stdout" | "stderr", tags, ..]
            if is_time(time) && matches!(tags.split(':').next(), Some("F" | "P")) =>
        {
            Some(("CRI's, of containers", "container"))
        }
        _ => is_syslog(line, &words).then_some(("syslog's", "syslog")),
    }
}

/// Tells whether a line begins as syslog writes it: with a priority, or with time, host and program.
fn is_syslog(line: &str, words: &[&str]) -> bool {
    if let Some((priority, _)) = line.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        return (1..=3).contains(&priority.len())
            && priority.bytes().all(|byte| byte.is_ascii_digit());
    }
    let is_program = |word: &str| word.ends_with(':');
    match words {
        [month, day, time, _, program, ..] if MONTHS.contains(month) => {
            day.parse().is_ok_and(|day: u8| day < 32)
                && time.split(':').count() == 3
                && is_program(program)
        }
        [time, _, program, ..] => is_time(time) && is_program(program),
        _ => false,
    }
}

/// Tells whether a word is a date and a time as in RFC 3339.
fn is_time(word: &str) -> bool {
    word.parse::<jiff::Timestamp>().is_ok()
}
