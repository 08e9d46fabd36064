//! One event as spans over its line, and the trait of what fills it.
//!
//! Nothing here allocates for a line: an [`EventBuf`] is made once and begun again for every line. It holds no
//! bytes of the line, only where they are; values that are not in the line as they stand (decoded escapes) go to
//! its scratch bytes. How a field is written, and in which order, is not known here.

mod line_parser;

use crate::parsers::timestamp::Rendered;
pub use line_parser::{Extra, LineParser};

/// Most positions that a parser notes for [`EventBuf::mark`]; a line with more is searched instead.
const MARKS_MAX: usize = 12;

/// Most fields of one pipeline that are not in [`Field`].
pub const EXTRAS_MAX: usize = 64;

/// How the value of a field stands in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// Digits, or JSON text as it stands.
    Raw,
    /// An array of one string.
    List,
}

macro_rules! fields {
    ($($name:ident = $text:literal $kind:ident,)*) => {
        /// A field that parsers know, in the order in which documents have it: members of one object are
        /// neighbours.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Field {
            $(#[doc = concat!("`", $text, "`.")] $name,)*
        }

        impl Field {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the dotted name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Returns how its value stands in JSON.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }
        }
    };
}

fields! {
    OutcomeSuccess = "event.outcome" Raw,
    OutcomeFailure = "event.outcome" Raw,
    SourceAddress = "source.address" Text,
    SourceIp = "source.ip" Text,
    SourceDomain = "source.domain" Text,
    SourceGeo = "source.geo" Raw,
    SourceAs = "source.as" Raw,
    SourceNatIp = "source.nat.ip" Text,
    UserName = "user.name" Text,
    DestinationDomain = "destination.domain" Text,
    DestinationIp = "destination.ip" Text,
    DestinationPort = "destination.port" Raw,
    RequestMethod = "http.request.method" Text,
    Referrer = "http.request.referrer" Text,
    StatusCode = "http.response.status_code" Raw,
    BodyBytes = "http.response.body.bytes" Raw,
    HttpVersion = "http.version" Text,
    UrlOriginal = "url.original" Text,
    UrlPath = "url.path" Text,
    UrlQuery = "url.query" Text,
    UrlExtension = "url.extension" Text,
    UrlFragment = "url.fragment" Text,
    UrlScheme = "url.scheme" Text,
    UrlDomain = "url.domain" Text,
    UrlPort = "url.port" Raw,
    RelatedIp = "related.ip" List,
    RelatedIps = "related.ip" Raw,
    RelatedUser = "related.user" List,
    RelatedHosts = "related.hosts" List,
    RemoteIpList = "nginx.access.remote_ip_list" List,
    RemoteIps = "nginx.access.remote_ip_list" Raw,
    UserAgent = "user_agent.original" Text,
    AgentName = "user_agent.name" Raw,
    AgentVersion = "user_agent.version" Raw,
    AgentSystem = "user_agent.os" Raw,
    AgentDevice = "user_agent.device" Raw,
    LabelClient = "labels.client" Raw,
    Message = "message" Text,
}

/// Number of known fields.
pub const FIELDS: usize = Field::ALL.len();

impl Field {
    /// Those whose values are JSON that is made beside the line.
    const MADE: [Self; 9] = [
        Self::RemoteIps,
        Self::RelatedIps,
        Self::SourceGeo,
        Self::SourceAs,
        Self::AgentName,
        Self::AgentVersion,
        Self::AgentSystem,
        Self::AgentDevice,
        Self::LabelClient,
    ];

    /// Bit set of those whose values are JSON that is made beside the line, as [`EventBuf::present`] has it.
    pub const MADE_BITS: u64 = {
        let (mut bits, mut number) = (0, 0);
        while number < Self::MADE.len() {
            bits |= Self::MADE[number].bit();
            number += 1;
        }
        bits
    };

    /// Those that are added to what a parser sets, whatever parser it is.
    pub fn added() -> impl Iterator<Item = Self> {
        Self::MADE.into_iter().chain([Self::RelatedIp, Self::RelatedUser, Self::RelatedHosts])
    }

    /// Finds the field of a dotted name that a parser of an operator's may set: those that have only one value, or one
    /// that is made beside the line, are not found.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let named = |field: &Self| {
            field.name() == name
                && field.constant().is_empty()
                && Self::MADE_BITS & field.bit() == 0
        };
        Self::ALL.iter().copied().find(named)
    }

    /// Returns the JSON text of a field that has only one value; nothing for all others.
    #[must_use]
    pub const fn constant(self) -> &'static str {
        match self {
            Self::OutcomeSuccess => "\"success\"",
            Self::OutcomeFailure => "\"failure\"",
            _ => "",
        }
    }

    const fn bit(self) -> u64 {
        1 << self as u32
    }
}

/// Where a value lies: in the line, or in the scratch bytes of its event.
///
/// Lines and scratch are at most 1 GiB; the upper bit of `start` tells which of the two it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    length: u32,
}

const IN_SCRATCH: u32 = 1 << 31;

impl Span {
    /// Makes a span of the line.
    ///
    /// # Panics
    /// If the line is longer than 1 GiB, or `end < start`.
    #[must_use]
    #[inline]
    pub fn line(start: usize, end: usize) -> Self {
        debug_assert!(end < IN_SCRATCH as usize, "lines are at most 1 GiB");
        #[expect(clippy::cast_possible_truncation, reason = "lines are at most 1 GiB")]
        Self { start: start as u32, length: (end - start) as u32 }
    }

    /// Makes a span of the scratch bytes.
    #[must_use]
    pub fn scratch(start: usize, end: usize) -> Self {
        let span = Self::line(start, end);
        Self { start: span.start | IN_SCRATCH, ..span }
    }

    /// Tells whether it lies in the scratch bytes.
    #[must_use]
    #[inline]
    pub fn is_scratch(self) -> bool {
        self.start & IN_SCRATCH != 0
    }

    /// Returns the first byte's position in the line or the scratch bytes.
    #[must_use]
    #[inline]
    pub fn start(self) -> usize {
        (self.start & !IN_SCRATCH) as usize
    }

    /// Returns the number of bytes.
    #[must_use]
    #[inline]
    pub fn len(self) -> usize {
        self.length as usize
    }

    /// Tells whether it has no bytes.
    #[must_use]
    #[inline]
    pub fn is_empty(self) -> bool {
        self.length == 0
    }

    /// Returns the position after the last byte.
    #[must_use]
    #[inline]
    pub fn end(self) -> usize {
        self.start() + self.len()
    }

    fn shift(&mut self, offset: usize) {
        if !self.is_scratch() {
            *self = Self::line(self.start() + offset, self.end() + offset);
        }
    }

    /// Returns the part `start..end` of it.
    #[must_use]
    #[inline]
    pub fn part(self, start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= self.len());
        #[expect(clippy::cast_possible_truncation, reason = "a part is not longer than the whole")]
        Self { start: self.start + start as u32, length: (end - start) as u32 }
    }
}

/// What is known of a line's bytes before it is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineText {
    /// Valid UTF-8 without control characters and backslashes: in JSON only its quotes need an escape.
    Plain,
    /// Valid UTF-8.
    Valid,
    /// Not valid UTF-8.
    Broken,
}

/// Whether a parser understood a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// The event has its fields.
    Recognised,
    /// The event has fields of what the line came in (a syslog header), and its text is `message`.
    Enveloped,
    /// The event has none; its document carries `message` alone.
    Unrecognised,
    /// The line says something of those that follow and is no event: there is no document.
    NoEvent,
}

impl From<Option<()>> for Parsed {
    /// What was read is recognised.
    fn from(read: Option<()>) -> Self {
        if read.is_some() { Self::Recognised } else { Self::Unrecognised }
    }
}

/// Fills an event from a line.
pub trait Parse {
    /// Parses `line`, without its line end, into `event`, which was begun for it.
    ///
    /// What an event holds after [`Parsed::Unrecognised`] and [`Parsed::NoEvent`] is not used. The same line may be given
    /// once more, when what became of it found no room.
    fn parse(&mut self, line: &[u8], event: &mut EventBuf) -> Parsed;

    /// Says how many bytes of each line that follows are a syslog header that was taken for one already.
    fn set_head(&mut self, _length: usize) {}

    /// Tells whether nginx wrote the last line, or else Apache, where that is found out line by line.
    #[inline]
    fn is_nginx(&self) -> Option<bool> {
        None
    }
}

/// One event: which fields it has and where their values lie.
#[derive(Debug, Clone)]
pub struct EventBuf {
    spans: [Span; FIELDS],
    present: u64,
    extras: Vec<Span>,
    extras_present: u64,
    scratch: Vec<u8>,
    marks: [u32; MARKS_MAX],
    mark_count: usize,
    marks_complete: bool,
    text: LineText,
    quotes: Option<usize>,
    timestamp: Option<Rendered>,
    residue: bool,
    text_part: Option<Span>,
    status_class: u8,
    body_bytes: u64,
}

impl Default for EventBuf {
    fn default() -> Self {
        Self {
            spans: [Span::default(); FIELDS],
            present: 0,
            extras: Vec::new(),
            extras_present: 0,
            scratch: Vec::new(),
            marks: [0; MARKS_MAX],
            mark_count: 0,
            marks_complete: false,
            text: LineText::Broken,
            quotes: None,
            timestamp: None,
            residue: false,
            text_part: None,
            status_class: 0,
            body_bytes: 0,
        }
    }
}

impl EventBuf {
    /// Makes an event with room for `extras` fields that are not in [`Field`], at most [`EXTRAS_MAX`].
    #[must_use]
    pub fn with_extras(extras: usize) -> Self {
        Self { extras: vec![Span::default(); extras.min(EXTRAS_MAX)], ..Self::default() }
    }

    /// Begins the event of another line, which has so many quotes if that is known.
    #[inline]
    pub fn begin(&mut self, text: LineText, quotes: Option<usize>) {
        self.present = 0;
        self.extras_present = 0;
        self.scratch.clear();
        self.mark_count = 0;
        self.marks_complete = text == LineText::Plain;
        self.text = text;
        self.quotes = quotes;
        self.timestamp = None;
        self.residue = false;
        self.text_part = None;
        self.status_class = 0;
        self.body_bytes = 0;
    }

    /// Takes all fields away that a parser has set.
    pub fn clear_fields(&mut self) {
        self.present = 0;
        self.extras_present = 0;
        self.timestamp = None;
        self.residue = false;
        self.text_part = None;
        self.status_class = 0;
        self.body_bytes = 0;
    }

    /// Moves all values that lie in the line by `offset`: they were found in a part of it that begins there.
    pub fn shift(&mut self, offset: usize) {
        self.marks_complete = false;
        if let Some(part) = &mut self.text_part {
            part.shift(offset);
        }
        let mut left = self.present;
        while left != 0 {
            self.spans[left.trailing_zeros() as usize].shift(offset);
            left &= left - 1;
        }
        let mut left = self.extras_present;
        while left != 0 {
            self.extras[left.trailing_zeros() as usize].shift(offset);
            left &= left - 1;
        }
    }

    /// Says that `message` is a part of the line, not all of it.
    pub fn set_text_part(&mut self, part: Span) {
        self.text_part = Some(part);
    }

    /// Returns the part of the line that is `message`, where it is not all of it.
    #[must_use]
    #[inline]
    pub fn text_part(&self) -> Option<Span> {
        self.text_part
    }

    /// Says that the number of quotes of what is parsed next is not known.
    pub fn forget_quotes(&mut self) {
        self.quotes = None;
    }

    /// Returns what is known of the line's bytes.
    #[must_use]
    #[inline]
    pub fn text(&self) -> LineText {
        self.text
    }

    /// Returns how many quotes the line has, if that is known.
    #[must_use]
    #[inline]
    pub fn quotes(&self) -> Option<usize> {
        self.quotes
    }

    /// Sets a field.
    #[inline]
    pub fn set(&mut self, field: Field, value: Span) {
        self.spans[field as usize] = value;
        self.present |= field.bit();
    }

    /// Takes a field away.
    pub fn unset(&mut self, field: Field) {
        self.present &= !field.bit();
    }

    /// Returns where a field's value lies.
    #[must_use]
    #[inline]
    pub fn get(&self, field: Field) -> Option<Span> {
        (self.present & field.bit() != 0).then(|| self.spans[field as usize])
    }

    /// Returns the bit set of the known fields: bit 0 is the first of [`Field::ALL`].
    #[must_use]
    #[inline]
    pub fn present(&self) -> u64 {
        self.present
    }

    /// Returns where the value of the known field number `index` lies; only for a bit of [`EventBuf::present`].
    #[must_use]
    #[inline]
    pub fn span(&self, index: usize) -> Span {
        self.spans[index]
    }

    /// Sets the extra field number `index`; the one past the last and later are ignored.
    pub fn set_extra(&mut self, index: usize, value: Span) {
        if let Some(span) = self.extras.get_mut(index) {
            *span = value;
            self.extras_present |= 1 << index;
        }
    }

    /// Takes the extra field number `index` away.
    pub fn unset_extra(&mut self, index: usize) {
        self.extras_present &=
            !1_u64.checked_shl(u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or(0);
    }

    /// Returns the bit set of the extra fields.
    #[must_use]
    #[inline]
    pub fn extras_present(&self) -> u64 {
        self.extras_present
    }

    /// Returns where the value of the extra field number `index` lies; only for a bit of [`EventBuf::extras_present`].
    #[must_use]
    #[inline]
    pub fn span_of_extra(&self, index: usize) -> Span {
        self.extras[index]
    }

    /// Returns where the value of an extra field lies.
    #[must_use]
    pub fn extra(&self, index: usize) -> Option<Span> {
        let span = self.extras.get(index)?;
        (self.extras_present & (1 << index) != 0).then_some(*span)
    }

    /// Returns the bytes of a span; `line` is the line that the event was begun for, or more.
    #[must_use]
    #[inline]
    pub fn bytes<'a>(&'a self, line: &'a [u8], span: Span) -> &'a [u8] {
        if span.is_scratch() {
            &self.scratch[span.start()..span.end()]
        } else {
            &line[span.start()..span.end()]
        }
    }

    /// Returns the scratch bytes.
    #[must_use]
    #[inline]
    pub fn scratch(&self) -> &[u8] {
        &self.scratch
    }

    /// Returns the scratch bytes, to be appended to only.
    pub fn scratch_mut(&mut self) -> &mut Vec<u8> {
        &mut self.scratch
    }

    /// Notes that a quote stands at `position` of a plain line; positions rise.
    #[inline]
    pub fn mark(&mut self, position: usize) {
        if let Some(mark) = self.marks.get_mut(self.mark_count) {
            #[expect(clippy::cast_possible_truncation, reason = "lines are at most 1 GiB")]
            {
                *mark = position as u32;
            }
            self.mark_count += 1;
        } else {
            self.marks_complete = false;
        }
    }

    /// Says that quotes stand where no mark was made.
    #[inline]
    pub fn forget_marks(&mut self) {
        self.marks_complete = false;
    }

    /// Returns the positions of all bytes of the line that need an escape, when these are known.
    #[must_use]
    #[inline]
    pub fn marks(&self) -> Option<&[u32]> {
        if self.marks_complete { self.marks.get(..self.mark_count) } else { None }
    }

    /// Says when it happened.
    #[inline]
    pub fn set_timestamp(&mut self, timestamp: Rendered) {
        self.timestamp = Some(timestamp);
    }

    /// Returns when it happened, if the line says so.
    #[must_use]
    #[inline]
    pub fn timestamp(&self) -> Option<&Rendered> {
        self.timestamp.as_ref()
    }

    /// Says that the line holds something that no field does, so that `message` is kept in any case.
    #[inline]
    pub fn leave_residue(&mut self) {
        self.residue = true;
    }

    /// Tells whether the line holds something that no field does.
    #[must_use]
    #[inline]
    pub fn has_residue(&self) -> bool {
        self.residue
    }

    /// Sets what is counted of a request's status: its class, 1 to 5, or 0 when it has none of these.
    #[inline]
    pub fn set_status_class(&mut self, class: u8) {
        self.status_class = class;
    }

    /// Sets what is counted of a request's answer.
    #[inline]
    pub fn set_body_bytes(&mut self, bytes: u64) {
        self.body_bytes = bytes;
    }

    /// Returns the class of the status, 0 to 5.
    #[must_use]
    #[inline]
    pub fn status_class(&self) -> usize {
        usize::from(self.status_class.min(5))
    }

    /// Returns the bytes of the response's body.
    #[must_use]
    #[inline]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }
}
