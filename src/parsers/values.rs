//! What parsers of several formats set alike: clients, numbers, durations, times, requests.
//!
//! A value that its field's type would not take is left out, because the server would refuse the whole document; `-` and
//! nothing at all are no values.

use super::access_log::set_request;
use super::address::{Address, split_port};
use super::escapes::unescaped;
use super::timestamp::{When, parse_any, render};
use super::url::leading_zeros;
use super::zone::{Zone, push_offset};
use crate::event::{EventBuf, Field, LineText, Parsed, Span};
use crate::json_text::{push_string, push_u64};

/// Most digits of a number: more does not fit a `long`.
const DIGITS_MAX: usize = 18;

/// Nanoseconds, by their digits, of a second.
pub(super) const OF_SECONDS: usize = 9;

/// The same of a millisecond.
pub(super) const OF_MILLISECONDS: usize = 6;

/// A field, known or a parser's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    /// A known one.
    Known(Field),
    /// A parser's own, by its number.
    Extra(usize),
}

impl From<Field> for To {
    fn from(field: Field) -> Self {
        Self::Known(field)
    }
}

/// Declares the fields that a parser sets beside the known ones.
macro_rules! extras {
    ($($name:ident = $text:literal $kind:ident,)*) => {
        /// Fields beside the known ones.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        enum Own {
            $($name,)*
        }

        impl From<Own> for $crate::parsers::values::To {
            fn from(own: Own) -> Self {
                Self::Extra(own as usize)
            }
        }

        /// The same, in the order of their numbers.
        static EXTRAS: std::sync::LazyLock<Vec<$crate::event::Extra>> =
            std::sync::LazyLock::new(|| {
                vec![$($crate::event::Extra::new($text, $crate::event::Kind::$kind),)*]
            });
    };
}
pub(super) use extras;

/// Makes a type with `read(&mut self, line, event)`, which returns `Option<()>` or [`Parsed`], a parser of lines of one kind; the fields named last
/// know the zone of times that say none, and the time of reading; a method behind a semicolon is told of each file, and
/// lines that begin with the constant behind it say what others mean; a field behind an arrow of trusted proxies.
macro_rules! line_parser {
    ($type:ident, $dataset:expr $(, $zone:ident)* $(; $set_file:ident $header:ident)? $(=> $trusting:ident)?) => {
        impl $crate::event::Parse for $type {
            fn parse(
                &mut self,
                line: &[u8],
                event: &mut $crate::event::EventBuf,
            ) -> $crate::event::Parsed {
                event.forget_marks();
                $crate::parsers::values::parsed(self.read(line, event), event)
            }
        }

        impl $crate::event::LineParser for $type {
            fn boxed_clone(&self) -> Box<dyn $crate::event::LineParser> {
                Box::new(self.clone())
            }

            fn dataset(&self) -> &'static $crate::dataset::Dataset {
                let of: fn(&Self) -> &'static $crate::dataset::Dataset = $dataset;
                of(self)
            }

            fn extras(&self) -> &[$crate::event::Extra] {
                &EXTRAS
            }

            fn set_now(&mut self, _unix_ms: u64) {
                $(self.$zone.set_now(_unix_ms);)*
            }

            fn set_zone(&mut self, _zone: &$crate::parsers::zone::Zone) {
                $(self.$zone.set_zone(_zone);)*
            }

            fn set_file(&mut self, _epoch: &[u8]) {
                $(self.$set_file(_epoch);)?
            }

            $(
                fn header_prefix(&self) -> Option<&'static [u8]> {
                    Some($header)
                }
            )?

            $(
                fn trust(&mut self, proxies: &[$crate::settings::network::Network]) {
                    self.$trusting.trust(proxies);
                }

                fn heeds_proxies(&self) -> bool {
                    true
                }
            )?
        }
    };
}
pub(super) use line_parser;

/// Says what was read; of a line that was not understood, nothing is left.
pub(super) fn parsed(read: impl Into<Parsed>, event: &mut EventBuf) -> Parsed {
    let parsed = read.into();
    if parsed != Parsed::Recognised {
        event.clear_fields();
    }
    parsed
}

/// Tells whether a text says that there is no value.
pub(super) fn is_absent(text: &[u8]) -> bool {
    matches!(text, b"" | b"-")
}

/// Sets a field, whatever the value is.
pub(super) fn set(event: &mut EventBuf, to: impl Into<To>, span: Span) {
    match to.into() {
        To::Known(field) => event.set(field, span),
        To::Extra(number) => event.set_extra(number, span),
    }
}

/// Sets a text, unless it is absent; tells whether it is there.
pub(super) fn text(event: &mut EventBuf, line: &[u8], to: impl Into<To>, span: Span) -> bool {
    let is_there = !is_absent(event.bytes(line, span));
    if is_there {
        set(event, to, span);
    }
    is_there
}

/// Sets a text in which escapes as Apache and nginx write them are decoded.
pub(super) fn escaped(event: &mut EventBuf, line: &[u8], to: impl Into<To>, span: Span) {
    let span = decoded(event, line, span);
    text(event, line, to, span);
}

/// Decodes escapes as Apache and nginx write them.
pub(super) fn decoded(event: &mut EventBuf, line: &[u8], span: Span) -> Span {
    if event.text() == LineText::Plain { span } else { unescaped(event, line, span) }
}

/// Sets a text that is not of the line.
pub(super) fn literal(event: &mut EventBuf, to: impl Into<To>, text: &[u8]) {
    let span = scratch(event, |out| out.extend_from_slice(text));
    set(event, to, span);
}

/// Writes to the scratch bytes; returns what was written.
pub(super) fn scratch(event: &mut EventBuf, write: impl FnOnce(&mut Vec<u8>)) -> Span {
    let start = event.scratch().len();
    write(event.scratch_mut());
    Span::scratch(start, event.scratch().len())
}

/// Sets a number of digits; returns it when it is one.
pub(super) fn number(
    event: &mut EventBuf,
    line: &[u8],
    to: impl Into<To>,
    span: Span,
) -> Option<u64> {
    let text = event.bytes(line, span);
    let number = parse_number(text)?;
    let zeros = leading_zeros(text);
    set(event, to, span.part(zeros, span.len()));
    Some(number)
}

/// Reads digits, as many as fit a `long`.
pub(super) fn parse_number(text: &[u8]) -> Option<u64> {
    let fits = !text.is_empty() && text.len() <= DIGITS_MAX && text.iter().all(u8::is_ascii_digit);
    fits.then(|| text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// Tells whether digits, perhaps with a point and more digits, are a number of JSON.
pub(super) fn is_decimal(text: &[u8]) -> bool {
    let is_digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(point) => (&text[..point], Some(&text[point + 1..])),
        None => (text, None),
    };
    is_digits(whole)
        && fraction.is_none_or(is_digits)
        && leading_zeros(whole) == 0
        && text.len() <= DIGITS_MAX
}

/// Sets a number that may have a minus, or a plus, which is left out; tells whether it is one.
pub(super) fn signed(event: &mut EventBuf, line: &[u8], to: impl Into<To>, span: Span) -> bool {
    let text = event.bytes(line, span);
    let span = if text.first() == Some(&b'+') { span.part(1, span.len()) } else { span };
    let text = event.bytes(line, span);
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_number = parse_number(digits).is_some();
    // `-007` is no JSON.
    if is_number && leading_zeros(digits) == 0 {
        set(event, to, span);
    } else if let Some(number) = parse_number(text) {
        let span = scratch(event, |out| push_u64(out, number));
        set(event, to, span);
    }
    is_number
}

/// Sets nanoseconds of a decimal number of longer units, of which one has so many nanoseconds as a power of ten.
///
/// Digits beyond the ninth of a fraction are cut; a negative or absent number is no duration.
pub(super) fn duration(
    event: &mut EventBuf,
    line: &[u8],
    to: impl Into<To>,
    span: Span,
    power: usize,
) -> bool {
    let number = nanoseconds(event.bytes(line, span), power);
    if let Some(number) = number {
        let span = scratch(event, |out| push_u64(out, number));
        set(event, to, span);
    }
    number.is_some()
}

/// Reads a decimal number of seconds as nanoseconds.
pub(super) fn nanoseconds_of_seconds(text: &[u8]) -> Option<u64> {
    nanoseconds(text, OF_SECONDS)
}

/// Reads a decimal number of units that have ten to the `power` nanoseconds.
fn nanoseconds(text: &[u8], power: usize) -> Option<u64> {
    let point = memchr::memchr(b'.', text).unwrap_or(text.len());
    let (whole, fraction) = (&text[..point], text.get(point + 1..));
    let whole = parse_number(whole)?;
    if fraction.is_some_and(|digits| digits.is_empty() || !digits.iter().all(u8::is_ascii_digit)) {
        return None;
    }
    let digits = fraction.unwrap_or_default().iter().chain(std::iter::repeat(&b'0')).take(power);
    let number = digits.fold(u128::from(whole), |sum, digit| sum * 10 + u128::from(digit - b'0'));
    u64::try_from(number).ok().filter(|number| i64::try_from(*number).is_ok())
}

/// Sets the status of a response, its outcome, and what is counted of it; tells whether it is one.
pub(super) fn status(event: &mut EventBuf, line: &[u8], span: Span) -> bool {
    let text = event.bytes(line, span);
    let [class @ b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] = text else { return false };
    let class = class - b'0';
    event.set(Field::StatusCode, span);
    let outcomes = [Field::OutcomeSuccess, Field::OutcomeFailure];
    let [this, other] = if class < 4 { outcomes } else { [outcomes[1], outcomes[0]] };
    event.set(this, Span::line(0, 0));
    event.unset(other);
    event.set_status_class(if class < 6 { class } else { 0 });
    true
}

/// Sets the bytes of a response's body, and counts them.
pub(super) fn body_bytes(event: &mut EventBuf, line: &[u8], span: Span) {
    if let Some(bytes) = number(event, line, Field::BodyBytes, span) {
        event.set_body_bytes(bytes);
    }
}

/// Sets the client's address, and whether it is an IP address or a name.
pub(super) fn client(event: &mut EventBuf, line: &[u8], span: Span) {
    let address = Address::of(event.bytes(line, span));
    if !text(event, line, Field::SourceAddress, span) {
        return;
    }
    event.unset(Field::SourceIp);
    event.unset(Field::SourceDomain);
    match address {
        Address::Ip => event.set(Field::SourceIp, span),
        Address::Name => event.set(Field::SourceDomain, span),
        Address::Other => {}
    }
}

/// Sets the client's address and port; an IPv6 address may stand in brackets or not. Returns `None` where no port is.
pub(super) fn client_with_port(
    event: &mut EventBuf,
    line: &[u8],
    port: impl Into<To>,
    span: Span,
) -> Option<()> {
    let text = event.bytes(line, span);
    let colon = memchr::memrchr(b':', text)?;
    let (host, digits) = (&text[..colon], &text[colon + 1..]);
    if host.is_empty() || digits.is_empty() || 5 < digits.len() {
        return None;
    }
    let is_bracketed = host.first() == Some(&b'[') && host.last() == Some(&b']') && 2 < colon;
    let host = if is_bracketed { span.part(1, colon - 1) } else { span.part(0, colon) };
    number(event, line, port, span.part(colon + 1, span.len()))?;
    client(event, line, host);
    Some(())
}

/// Sets the addresses and the user that the event is related to. Addresses are of the line.
pub(super) fn related(event: &mut EventBuf, line: &[u8]) {
    match (event.get(Field::SourceIp), event.get(Field::DestinationIp)) {
        (Some(source), Some(destination)) => {
            let ips = [source, destination].map(|ip| &line[ip.start()..ip.end()]);
            let many = if ips[0] == ips[1] { 1 } else { 2 };
            list(event, Field::RelatedIps, ips.into_iter().take(many));
        }
        (Some(ip), None) | (None, Some(ip)) => event.set(Field::RelatedIp, ip),
        (None, None) => {}
    }
    if let Some(user) = event.get(Field::UserName) {
        event.set(Field::RelatedUser, user);
    }
}

/// Sets the host that was asked, with or without a port, where the target has not said it.
pub(super) fn host(event: &mut EventBuf, line: &[u8], span: Span) {
    let bytes = event.bytes(line, span);
    let split = split_port(bytes).map(|(length, digits)| (length, leading_zeros(digits)));
    if is_absent(bytes) || event.get(Field::UrlDomain).is_some() {
        return;
    }
    let name = split.map_or(span, |(length, _)| span.part(0, length));
    text(event, line, Field::UrlDomain, name);
    if let Some((length, zeros)) = split {
        event.set(Field::UrlPort, span.part(length + 1 + zeros, span.len()));
    }
}

/// Sets method, target and version of `METHOD target HTTP/version`; `false` when it is none of that form.
pub(super) fn request(event: &mut EventBuf, line: &[u8], span: Span) -> bool {
    set_request(line, span, event).is_some()
}

/// Sets the version behind `HTTP/`.
pub(super) fn protocol(event: &mut EventBuf, line: &[u8], span: Span) {
    let text = event.bytes(line, span);
    let Some(version) = text.strip_prefix(b"HTTP/") else { return };
    if version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        && version.first().is_some_and(u8::is_ascii_digit)
    {
        event.set(Field::HttpVersion, span.part(5, span.len()));
    }
}

/// Sets when it happened, and the zone's offset where the time says none; `None` when it is no time.
pub(super) fn time(
    event: &mut EventBuf,
    line: &[u8],
    span: Span,
    zone: &mut Zone,
    timezone: impl Into<To>,
) -> Option<()> {
    match parse_any(event.bytes(line, span))? {
        When::Utc(time) => event.set_timestamp(render(time)),
        When::Local(local) => local_time(event, local, zone, timezone)?,
    }
    Some(())
}

/// Sets when it happened that clocks showed so many milliseconds since 1970, and the zone's offset.
pub(super) fn local_time(
    event: &mut EventBuf,
    local: i64,
    zone: &mut Zone,
    timezone: impl Into<To>,
) -> Option<()> {
    let (time, offset) = zone.utc(local)?;
    event.set_timestamp(render(time));
    self::timezone(event, timezone, offset);
    Some(())
}

/// Sets a zone's offset, which is in seconds.
pub(super) fn timezone(event: &mut EventBuf, to: impl Into<To>, offset: i32) {
    let span = scratch(event, |out| push_offset(out, offset));
    set(event, to, span);
}

/// Sets protocol and version of `TLSv1.3`, `TLSv1` (1.0) or `SSLv3` (3.0), or of `1.3` alone; tells whether it is one of
/// these.
pub(super) fn tls(
    event: &mut EventBuf,
    line: &[u8],
    span: Span,
    protocol: impl Into<To>,
    version: impl Into<To>,
) -> bool {
    let text = event.bytes(line, span);
    let (name, at): (&[u8], _) = match text.get(..4) {
        Some(b"TLSv") => (b"tls", 4),
        Some(b"SSLv") => (b"ssl", 4),
        _ => (b"tls", 0),
    };
    match text[at..] {
        [digit @ b'1'..=b'9'] if at != 0 => literal(event, version, &[digit, b'.', b'0']),
        [b'1'..=b'9', b'.', b'0'..=b'9'] => set(event, version, span.part(at, at + 3)),
        _ => return false,
    }
    literal(event, protocol, name);
    true
}

/// Sets an array of texts, as JSON.
pub(super) fn list<'a>(
    event: &mut EventBuf,
    to: impl Into<To>,
    items: impl Iterator<Item = &'a [u8]>,
) {
    let span = scratch(event, |out| {
        out.push(b'[');
        for (number, item) in items.enumerate() {
            if number != 0 {
                out.push(b',');
            }
            push_string(out, item);
        }
        out.push(b']');
    });
    set(event, to, span);
}

/// Returns the next word of a line that begins at `at`, as far as a blank or the end, and where the one behind it begins.
/// `None` where there is none.
pub(super) fn word(line: &[u8], at: usize) -> Option<(Span, usize)> {
    let rest = line.get(at..)?;
    let length = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    (length != 0).then(|| (Span::line(at, at + length), (at + length + 1).min(line.len())))
}

/// Returns what is between `open`, which has to stand at `at`, and the next `close`, and where the text behind that begins.
pub(super) fn enclosed(line: &[u8], at: usize, open: &[u8], close: u8) -> Option<(Span, usize)> {
    let start = at + open.len();
    if line.get(at..start)? != open {
        return None;
    }
    let end = start + memchr::memchr(close, &line[start..])?;
    Some((Span::line(start, end), end + 1))
}
