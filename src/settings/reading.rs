//! How the bytes of a file become events: encoding, line ends, parsers in their order, filters.

use jiff::tz::TimeZone;
use std::time::Duration;

/// After this long a part of a container's line is sent though the rest has not come.
const CONTAINER_TIMEOUT: Duration = Duration::from_secs(5);

/// Everything between a file's bytes and its events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadingSettings {
    /// `encoding`.
    pub encoding: EncodingSettings,
    /// `line_terminator`.
    pub line_terminator: LineTerminator,
    /// `parsers`, in their order.
    pub parsers: Vec<LineParser>,
    /// `include_lines`: regular expressions, checked; when there are any, only events that match one are sent.
    pub include_lines: Vec<String>,
    /// `exclude_lines`: regular expressions, checked; events that match one are not sent. Comes after `include_lines`.
    pub exclude_lines: Vec<String>,
    /// `flush_partial_after`: a last line without its end is sent as it is when it has not grown for so long. Default:
    /// never.
    pub flush_partial_after: Option<Duration>,
}

/// After which silence something that is not complete is sent as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pauses {
    /// An event of whole lines that might go on.
    pub event: Option<Duration>,
    /// A last line without its end.
    pub partial: Option<Duration>,
}

impl ReadingSettings {
    /// Returns after which silence something that is not complete is sent as it is.
    #[must_use]
    pub fn pauses(&self) -> Pauses {
        let timeouts = self.parsers.iter().filter_map(|parser| match parser {
            LineParser::Multiline(multiline) => Some(multiline.timeout),
            // What goes on surely comes soon; this is for a container that died.
            LineParser::Container(_) => Some(CONTAINER_TIMEOUT),
            LineParser::IncludeMessage(_) | LineParser::Ndjson(_) | LineParser::Syslog(_) => None,
        });
        let event = timeouts.filter(|timeout| !timeout.is_zero()).min();
        Pauses { event, partial: self.flush_partial_after }
    }

    /// Returns how syslog messages are read, if they are, and takes the parser out where nothing comes behind it.
    pub fn take_syslog(&mut self) -> Option<SyslogSettings> {
        let (place, settings) =
            self.parsers.iter().enumerate().find_map(|(place, parser)| match parser {
                LineParser::Syslog(settings) => Some((place, settings.clone())),
                _ => None,
            })?;
        let has_filters = !self.include_lines.is_empty() || !self.exclude_lines.is_empty();
        if place + 1 == self.parsers.len() && !has_filters {
            self.parsers.pop();
        }
        Some(settings)
    }
}

/// The encoding of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EncodingSettings {
    /// UTF-8; what is none is replaced.
    #[default]
    Utf8,
    /// A label of the WHATWG Encoding Standard, checked; never one of UTF-8 or UTF-16.
    Label(String),
    /// UTF-16 with big or little end first.
    Utf16 {
        /// Whether big end first, where no byte order mark says otherwise.
        big_endian: bool,
        /// Whether a byte order mark at the file's beginning decides.
        mark_decides: bool,
    },
}

/// What ends a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LineTerminator {
    /// U+000A; a U+000D before it belongs to it.
    #[default]
    Auto,
    /// U+000A alone.
    LineFeed,
    /// U+000B.
    VerticalTab,
    /// U+000C.
    FormFeed,
    /// U+000D.
    CarriageReturn,
    /// U+000D U+000A.
    CarriageReturnLineFeed,
    /// U+0085.
    NextLine,
    /// U+2028.
    LineSeparator,
    /// U+2029.
    ParagraphSeparator,
    /// U+0000.
    NullTerminator,
}

/// One parser of `parsers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineParser {
    /// `multiline`.
    Multiline(MultilineSettings),
    /// `include_message.patterns`: regular expressions, checked; what matches none is not sent.
    IncludeMessage(Vec<String>),
    /// `ndjson`, or `json.*` of a `log` input.
    Ndjson(NdjsonSettings),
    /// `container`.
    Container(ContainerSettings),
    /// `syslog`, where something comes behind it: [`crate::settings::InputSettings::syslog`] says the same. Where nothing
    /// does, only that says it, and header and text are read at once.
    Syslog(SyslogSettings),
}

/// `ndjson.*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct NdjsonSettings {
    /// The field that gets the members; the top level when empty.
    pub target: String,
    /// Whether members win over ours of the same name.
    pub overwrite_keys: bool,
    /// Whether dots in names are levels.
    pub expand_keys: bool,
    /// Whether a fault is noted in `error`.
    pub add_error_key: bool,
    /// The member whose text is the event's.
    pub message_key: Option<String>,
    /// Whether that text is `message`, too: `ndjson` does so, `json.*` does not.
    pub keeps_text: bool,
    /// The member at the top of a line whose text becomes `_id`; it is left out of the document then.
    pub document_id: Option<String>,
    /// Whether members that are `null` are sent: `keep_null` of the input.
    pub keep_null: bool,
}

/// `container.*`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContainerSettings {
    /// `stream`.
    pub stream: ContainerStream,
    /// `format`.
    pub format: ContainerFormat,
}

/// Which streams of a container are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ContainerStream {
    /// Both.
    #[default]
    All,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Who wrote a container's lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ContainerFormat {
    /// Each line says so.
    #[default]
    Auto,
    /// Docker's `json-file` driver.
    Docker,
    /// The container runtime interface.
    Cri,
}

/// `multiline.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultilineSettings {
    /// Which lines belong together.
    pub rule: MultilineRule,
    /// Most lines of an event, 0 for any number; those beyond are not sent. Default 500.
    pub max_lines: u64,
    /// An event is complete when its last line has come so long ago. Default 5 s; 0: never by time.
    pub timeout: Duration,
    /// Whether lines are joined without anything between them.
    pub skip_newline: bool,
}

impl MultilineSettings {
    /// Returns the settings of a rule, all else as Filebeat's default is.
    #[must_use]
    pub fn new(rule: MultilineRule) -> Self {
        Self { rule, max_lines: 500, timeout: Duration::from_secs(5), skip_newline: false }
    }
}

/// `multiline.type`, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultilineRule {
    /// `pattern`: by what a line looks like.
    Pattern {
        /// A regular expression, checked.
        pattern: String,
        /// Whether lines that do not match it are meant.
        negate: bool,
        /// Whether such a line belongs to the next one (`match: before`) rather than to the one before it.
        before: bool,
        /// A regular expression, checked: a further line that matches it ends the event.
        flush_pattern: Option<String>,
    },
    /// `count`: so many lines, at least 1.
    Count(u64),
    /// `while_pattern`: neighbours that all match.
    While {
        /// A regular expression, checked.
        pattern: String,
        /// Whether lines that do not match it are meant.
        negate: bool,
    },
}

/// How syslog messages are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyslogSettings {
    /// Their format.
    pub format: SyslogFormat,
    /// Zone of times that name none.
    pub zone: TimeZone,
}

/// Which of the two formats syslog messages have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyslogFormat {
    /// Whichever a message has.
    #[default]
    Auto,
    /// RFC 3164, as it is written in practice.
    Rfc3164,
    /// RFC 5424.
    Rfc5424,
}
