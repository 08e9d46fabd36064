//! From the places of a line's values to the fields of its event.

use super::meaning::{Meaning, Meanings};
use super::pieces::How;
use super::values::{
    DIGITS_MAX, decimal, decoded, json_list, nanoseconds, number, scratch_number, scratch_text,
    whole_number,
};
use crate::event::{EventBuf, Extra, Field, Span};
use crate::parsers::access_log::{add_related, set_client, set_host, set_request, set_status};
use crate::parsers::address::Address;
use crate::parsers::escapes::percent_decoded;
use crate::parsers::forwarded::{set_behind_proxies, set_list};
use crate::parsers::url::{set_decoded_path, set_target};
use crate::parsers::zone::Zone;
use crate::settings::Escape;
use crate::settings::network::Network;

/// A line whose values are known.
pub(super) struct Found<'a> {
    pub(super) line: &'a [u8],
    pub(super) spans: &'a [Span],
    pub(super) escape: Escape,
    /// Networks whose word on who the client is counts.
    pub(super) trusted: &'a [Network],
}

impl Found<'_> {
    /// Sets all fields; `None` for a line that must be another format's.
    pub(super) fn apply(
        &self,
        meanings: &mut Meanings,
        zone: &mut Zone,
        is_nginx: bool,
        event: &mut EventBuf,
    ) -> Option<()> {
        self.set_times(meanings, zone, event)?;
        for (slot, meaning) in &meanings.values {
            self.set(self.spans[*slot], *meaning, event)?;
        }
        if event.get(Field::UrlDomain).is_none()
            && event.get(Field::UrlOriginal).is_some()
            && let Some(host) = event.get(Field::DestinationDomain)
        {
            event.set(Field::UrlDomain, host);
        }
        if let Some(list) = meanings.forwarded.filter(|_| !self.trusted.is_empty()) {
            self.set_forwarded(self.spans[list], &meanings.extras, is_nginx, event);
        }
        if is_nginx {
            add_related(event);
        } else {
            event.unset(Field::RemoteIps);
        }
        Some(())
    }

    /// Has a list say who the client is; the port is that of whoever connected.
    #[cold]
    fn set_forwarded(&self, list: Span, extras: &[Extra], is_nginx: bool, event: &mut EventBuf) {
        if set_behind_proxies(self.line, list, self.trusted, is_nginx, event)
            && let Some(port) = extras.iter().position(|extra| extra.name == "source.port")
            && event.extra(port).is_some()
        {
            event.unset_extra(port);
            event.leave_residue();
        }
    }

    fn set_times(
        &self,
        meanings: &mut Meanings,
        zone: &mut Zone,
        event: &mut EventBuf,
    ) -> Option<()> {
        let mut local = |civil| zone.utc(civil).map(|(time, _)| time);
        let text = |slot: &usize| self.text(self.spans[*slot]);
        let Meanings { time, time_slots, end, end_slots, end_extra, .. } = meanings;
        if !time_slots.is_empty() {
            event.set_timestamp(time.render(time_slots.iter().map(text), &mut local)?);
        }
        if let Some(extra) = end_extra
            && let Some(rendered) = end.render(end_slots.iter().map(text), &mut local)
        {
            let span = scratch_text(event, &rendered);
            event.set_extra(*extra, span);
        }
        Some(())
    }

    /// Says that a value has no field, because it is not what its field takes: then the line is kept.
    fn keep(&self, raw: Span, event: &mut EventBuf) {
        if !matches!(self.text(raw), b"-" | b"") {
            event.leave_residue();
        }
    }

    fn text(&self, span: Span) -> &[u8] {
        &self.line[span.start()..span.end()]
    }

    #[inline]
    fn set(&self, raw: Span, meaning: Meaning, event: &mut EventBuf) -> Option<()> {
        match meaning {
            Meaning::Client => {
                if !raw.is_empty() {
                    set_client(self.line, raw, event)?;
                }
            }
            Meaning::Request => self.set_request(raw, event),
            Meaning::Status => self.set_status(raw, event),
            Meaning::BodyBytes => self.set_body_bytes(raw, event),
            Meaning::Known(field) => self.set_text(field, raw, event),
            Meaning::User if self.text(raw) == b"\"\"" => {}
            Meaning::User => self.set_text(Field::UserName, raw, event),
            Meaning::Duration { extra, nanoseconds: unit } => {
                if let Some(number) = nanoseconds(self.text(raw), unit) {
                    let span = scratch_number(event, number);
                    event.set_extra(extra, span);
                } else {
                    self.keep(raw, event);
                }
            }
            Meaning::Other { extra, how } => self.set_other(raw, extra, how, event),
            other => self.set_rarer(raw, other, event)?,
        }
        Some(())
    }

    fn set_rarer(&self, raw: Span, meaning: Meaning, event: &mut EventBuf) -> Option<()> {
        let text = self.text(raw);
        if matches!(text, b"-" | b"") {
            return Some(());
        }
        match meaning {
            Meaning::Target => {
                let target = decoded(event, self.line, raw, self.escape);
                set_target(event, self.line, target);
            }
            Meaning::Path { with_query } => self.set_path(raw, with_query, event),
            Meaning::Query { has_mark } => self.set_query(raw, has_mark, event),
            Meaning::Host => set_host(self.line, raw, event),
            Meaning::Port => match whole_number(text, raw) {
                Some(port) => event.set(Field::DestinationPort, port),
                None => self.keep(raw, event),
            },
            Meaning::Method => self.set_text(Field::RequestMethod, raw, event),
            Meaning::Protocol => {
                let version = text.strip_prefix(b"HTTP/").unwrap_or_default();
                let is_version = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
                if version.first().is_some_and(u8::is_ascii_digit) && version.iter().all(is_version)
                {
                    event.set(Field::HttpVersion, raw.part(5, raw.len()));
                }
            }
            Meaning::Scheme if event.get(Field::UrlScheme).is_none() => {
                self.set_text(Field::UrlScheme, raw, event);
            }
            Meaning::SentBytes { extra, is_body } => {
                match whole_number(text, raw) {
                    Some(bytes) => event.set_extra(extra, bytes),
                    None => self.keep(raw, event),
                }
                if is_body {
                    self.set_body_bytes(raw, event);
                }
            }
            Meaning::Forwarded => set_list(self.line, raw, self.trusted, event)?,
            Meaning::Tls { version, protocol } => set_tls(raw, text, (version, protocol), event),
            _ => {}
        }
        Some(())
    }

    /// Sets a text; `-` and nothing are none.
    #[inline]
    fn set_text(&self, field: Field, raw: Span, event: &mut EventBuf) {
        let span = decoded(event, self.line, raw, self.escape);
        if !(span.is_empty() || span.len() == 1 && event.bytes(self.line, span) == b"-") {
            event.set(field, span);
        }
    }

    #[inline]
    fn set_request(&self, raw: Span, event: &mut EventBuf) {
        let request = decoded(event, self.line, raw, self.escape);
        let is_nothing = matches!(self.text(raw), b"-" | b"");
        if set_request(self.line, request, event).is_none() && !is_nothing {
            event.leave_residue();
        }
    }

    #[inline]
    fn set_status(&self, raw: Span, event: &mut EventBuf) {
        if let Some(digits) = self.text(raw).first_chunk::<3>()
            && raw.len() == 3
            && digits.iter().all(u8::is_ascii_digit)
        {
            set_status(*digits, raw, event);
        } else {
            self.keep(raw, event);
        }
    }

    #[inline]
    fn set_body_bytes(&self, raw: Span, event: &mut EventBuf) {
        let text = self.text(raw);
        if let Some(bytes) = whole_number(text, raw) {
            event.set(Field::BodyBytes, bytes);
            event.set_body_bytes(number(text));
        } else {
            self.keep(raw, event);
        }
    }

    /// Sets a path that is decoded, and what is sent of it and its query as far as the server says.
    fn set_path(&self, raw: Span, with_query: Option<usize>, event: &mut EventBuf) {
        let end = with_query.map_or(raw.end(), |slot| self.spans[slot].end());
        let original = decoded(event, self.line, Span::line(raw.start(), end), self.escape);
        event.set(Field::UrlOriginal, original);
        let path = decoded(event, self.line, raw, self.escape);
        set_decoded_path(event, self.line, path);
    }

    fn set_query(&self, raw: Span, has_mark: bool, event: &mut EventBuf) {
        let query = raw.part(usize::from(has_mark), raw.len());
        let query = decoded(event, self.line, query, self.escape);
        let query = percent_decoded(event, self.line, query);
        if !query.is_empty() {
            event.set(Field::UrlQuery, query);
        }
    }

    #[inline]
    fn set_other(&self, raw: Span, extra: usize, how: How, event: &mut EventBuf) {
        let text = self.text(raw);
        if matches!(text, b"-" | b"") && how != How::Any {
            return;
        }
        let value = match how {
            How::Text | How::Any => {
                let span = decoded(event, self.line, raw, self.escape);
                (!span.is_empty()).then_some(span)
            }
            How::Number => whole_number(text, raw),
            How::Decimal => decimal(text, raw),
            How::Numbers => json_list(event, self.line, raw, false),
            How::Texts => json_list(event, self.line, raw, true),
            How::Ip => (Address::of(text) == Address::Ip).then_some(raw),
            How::Trace => trace_id(text).map(|(start, end)| raw.part(start, end)),
            How::Mime => {
                let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
                let end = text[..end].trim_ascii_end().len();
                Some(decoded(event, self.line, raw.part(0, end), self.escape))
            }
            How::Is(byte) => Some(scratch_text(event, truth(text == [byte]))),
            How::IsWord(word) => Some(scratch_text(event, truth(text == word.as_bytes()))),
            How::Tls => None,
        };
        match value {
            Some(value) => event.set_extra(extra, value),
            None => self.keep(raw, event),
        }
    }
}

fn truth(is_true: bool) -> &'static [u8] {
    if is_true { b"true" } else { b"false" }
}

/// Finds the trace id in `00-<32 digits>-<16 digits>-01`.
fn trace_id(text: &[u8]) -> Option<(usize, usize)> {
    let id = text.get(3..35)?;
    let is_hex = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    let is_one = text[2] == b'-'
        && text.get(35) == Some(&b'-')
        && id.iter().all(is_hex)
        && id.iter().any(|byte| *byte != b'0');
    is_one.then_some((3, 35))
}

/// Sets `tls.version` and `tls.version_protocol`, which is JSON, from `TLSv1.3`.
fn set_tls(raw: Span, text: &[u8], (version, protocol): (usize, usize), event: &mut EventBuf) {
    if let [b'T', b'L', b'S', b'v', b'1', b'.', b'0'..=b'9'] = text {
        event.set_extra(version, raw.part(4, 7));
        let tls = scratch_text(event, b"\"tls\"");
        return event.set_extra(protocol, tls);
    }
    let Some(v) = text.iter().position(|byte| *byte == b'v') else {
        return event.leave_residue();
    };
    let (name, number) = (&text[..v], &text[v + 1..]);
    let is_number = number.first().is_some_and(u8::is_ascii_digit)
        && number.len() <= DIGITS_MAX
        && number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    if !is_number || name.is_empty() || !name.iter().all(u8::is_ascii_alphabetic) {
        return event.leave_residue();
    }
    let start = event.scratch().len();
    let out = event.scratch_mut();
    out.push(b'"');
    out.extend(name.iter().map(u8::to_ascii_lowercase));
    out.push(b'"');
    let end = out.len();
    event.set_extra(protocol, Span::scratch(start, end));
    let number_at = raw.part(v + 1, raw.len());
    if number.contains(&b'.') {
        return event.set_extra(version, number_at);
    }
    let out = event.scratch_mut();
    out.extend_from_slice(number);
    out.extend_from_slice(b".0");
    let whole = Span::scratch(end, event.scratch().len());
    event.set_extra(version, whole);
}
