//! One dead letter: what it says, and what is sent of it.

use crate::json_text::{push_string, push_u64};
use crate::outputs::elasticsearch::bulk::Fault;
use crate::position::{DIGITS, EPOCH_TEXT_BYTES};
use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A document that the server will not take, why, and where it comes from.
#[derive(Debug, Deserialize)]
pub struct Letter<'l> {
    /// When the server refused it last.
    #[serde(rename = "@timestamp", deserialize_with = "time")]
    pub time: Timestamp,
    /// Its `_id`, or one of its own where it has none.
    #[serde(default, borrow)]
    pub id: Cow<'l, str>,
    /// HTTP status.
    pub status: u16,
    /// The server's name for the fault.
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'l, str>,
    /// The server's reason.
    #[serde(borrow)]
    pub reason: Cow<'l, str>,
    /// Index or data stream that it was for.
    #[serde(default, borrow)]
    pub target: Option<Cow<'l, str>>,
    /// Where it comes from.
    #[serde(default, borrow)]
    pub source: Source<'l>,
    /// How often it was sent again in vain.
    #[serde(default)]
    pub replays: u64,
    /// The line of the bulk request before the document.
    #[serde(borrow)]
    pub action: &'l RawValue,
    /// The document.
    #[serde(default, borrow)]
    pub document: Option<&'l RawValue>,
    /// The document, where it is no JSON.
    #[serde(default, borrow)]
    pub document_text: Option<Cow<'l, str>>,
}

fn time<'de, D: Deserializer<'de>>(text: D) -> Result<Timestamp, D::Error> {
    let text = Cow::<str>::deserialize(text)?;
    text.parse().map_err(D::Error::custom)
}

/// Where a document comes from, as far as it and its `_id` say so.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Source<'l> {
    /// The log's path.
    #[serde(default, borrow)]
    pub file: Option<Cow<'l, str>>,
    /// Id of the epoch.
    #[serde(default, borrow)]
    pub epoch: Option<Cow<'l, str>>,
    /// Where its line begins.
    #[serde(default)]
    pub offset: Option<u64>,
    /// Bytes of its line on disk.
    #[serde(default)]
    pub length: Option<u64>,
}

/// What of a bulk request's action line is of interest.
#[derive(Deserialize)]
struct Action<'l> {
    #[serde(borrow, alias = "index")]
    create: Target<'l>,
}

#[derive(Default, Deserialize)]
struct Target<'l> {
    #[serde(default, borrow, rename = "_index")]
    index: Option<Cow<'l, str>>,
    #[serde(default, borrow, rename = "_id")]
    id: Option<Cow<'l, str>>,
}

/// What of a document is of interest.
#[derive(Default, Deserialize)]
struct Document<'l> {
    #[serde(default, borrow, rename = "@timestamp")]
    time: Option<Cow<'l, str>>,
    #[serde(default, borrow)]
    log: Log<'l>,
}

#[derive(Default, Deserialize)]
struct Log<'l> {
    #[serde(default, borrow)]
    file: File<'l>,
}

#[derive(Default, Deserialize)]
struct File<'l> {
    #[serde(default, borrow)]
    path: Option<Cow<'l, str>>,
}

/// Where letters go that are stored in an index.
#[derive(Debug, Clone, Copy)]
pub(super) struct To<'t> {
    /// That index.
    pub(super) index: &'t str,
    /// The index of documents that name none.
    pub(super) target: Option<&'t str>,
    /// Whether the pipeline of all requests is not for them.
    pub(super) alone: bool,
}

/// A bulk item, taken apart.
pub(super) struct Parts<'l> {
    action: &'l [u8],
    document: &'l [u8],
    target: Target<'l>,
    /// Whether the document is JSON.
    whole: bool,
    told: Document<'l>,
}

impl<'l> Parts<'l> {
    pub(super) fn of(item: &'l [u8]) -> Self {
        let newline = memchr::memchr(b'\n', item).unwrap_or(item.len());
        let (action, document) = (&item[..newline], item.get(newline + 1..).unwrap_or_default());
        let document = document.trim_ascii_end();
        let target = serde_json::from_slice::<Action<'_>>(action).map(|action| action.create);
        Self {
            action,
            document,
            target: target.unwrap_or_default(),
            whole: serde_json::from_slice::<&RawValue>(document).is_ok(),
            told: serde_json::from_slice(document).unwrap_or_default(),
        }
    }

    /// Appends the letter; `id` stands in for an `_id`, `target` for an index.
    pub(super) fn push_letter(
        &self,
        out: &mut Vec<u8>,
        now: Timestamp,
        fault: &Fault,
        id: &str,
        target: Option<&str>,
    ) {
        push_fault(out, now, fault);
        out.extend_from_slice(b",\"id\":");
        push_string(out, self.id(id).as_bytes());
        if let Some(target) = self.target.index.as_deref().or(target) {
            out.extend_from_slice(b",\"target\":");
            push_string(out, target.as_bytes());
        }
        out.extend_from_slice(b",\"source\":{");
        self.push_source(out);
        out.extend_from_slice(b"},\"action\":");
        out.extend_from_slice(self.action);
        if self.whole {
            out.extend_from_slice(b",\"document\":");
            out.extend_from_slice(self.document);
        } else {
            out.extend_from_slice(b",\"document_text\":");
            push_string(out, self.document);
        }
        out.push(b'}');
    }

    /// Appends a bulk item that stores the letter in an index: the document as text, as Filebeat has it, and where it
    /// comes from.
    pub(super) fn push_index_item(
        &self,
        out: &mut Vec<u8>,
        now: Timestamp,
        fault: &Fault,
        id: &str,
        to: To<'_>,
    ) {
        let To { index, target, alone } = to;
        out.extend_from_slice(b"{\"create\":{\"_index\":");
        push_string(out, index.as_bytes());
        out.extend_from_slice(b",\"_id\":");
        push_string(out, self.id(id).as_bytes());
        if alone {
            out.extend_from_slice(b",\"pipeline\":\"_none\"");
        }
        out.extend_from_slice(b"}}\n{\"@timestamp\":");
        match &self.told.time {
            Some(time) => push_string(out, time.as_bytes()),
            None => push_string(out, now.to_string().as_bytes()),
        }
        out.extend_from_slice(b",\"message\":");
        push_string(out, self.document);
        out.extend_from_slice(b",\"error\":{\"type\":");
        push_u64(out, u64::from(fault.status));
        out.extend_from_slice(b",\"message\":");
        let gap = if fault.kind.is_empty() { "" } else { ": " };
        push_string(out, format!("{}{gap}{}", fault.kind, fault.reason).as_bytes());
        out.extend_from_slice(b"},\"dead_letter\":{\"created\":");
        push_string(out, now.to_string().as_bytes());
        out.extend_from_slice(b",\"type\":");
        push_string(out, fault.kind.as_bytes());
        if let Some(target) = self.target.index.as_deref().or(target) {
            out.extend_from_slice(b",\"target\":");
            push_string(out, target.as_bytes());
        }
        out.extend_from_slice(b",\"source\":{");
        self.push_source(out);
        out.extend_from_slice(b"}}}\n");
    }

    fn id<'i>(&'i self, other: &'i str) -> &'i str {
        self.target.id.as_deref().unwrap_or(other)
    }

    fn push_source(&self, out: &mut Vec<u8>) {
        let empty = out.len();
        let mut member = |name: &str, value: &[u8], is_text: bool| {
            if empty < out.len() {
                out.push(b',');
            }
            push_string(out, name.as_bytes());
            out.push(b':');
            if is_text { push_string(out, value) } else { out.extend_from_slice(value) }
        };
        if let Some(file) = &self.told.log.file.path {
            member("file", file.as_bytes(), true);
        }
        if let Some((epoch, offset, length)) = self.target.id.as_deref().and_then(place) {
            member("epoch", epoch.as_bytes(), true);
            member("offset", offset.to_string().as_bytes(), false);
            member("length", length.to_string().as_bytes(), false);
        }
    }
}

/// Reads epoch, start and length out of an `_id` of ours.
#[must_use]
pub fn place(id: &str) -> Option<(&str, u64, u64)> {
    let (epoch, position) = id.split_at_checked(EPOCH_TEXT_BYTES)?;
    let (start, length) = position.strip_prefix('.')?.split_once('.')?;
    Some((epoch, number(start)?, number(length)?))
}

fn number(digits: &str) -> Option<u64> {
    let mut number = 0_u64;
    for digit in digits.bytes() {
        let value = DIGITS.iter().position(|known| *known == digit)? as u64;
        number = number.checked_mul(64)?.checked_add(value)?;
    }
    Some(number)
}

fn push_fault(out: &mut Vec<u8>, now: Timestamp, fault: &Fault) {
    out.extend_from_slice(b"{\"@timestamp\":");
    push_string(out, now.to_string().as_bytes());
    out.extend_from_slice(b",\"status\":");
    push_u64(out, u64::from(fault.status));
    out.extend_from_slice(b",\"type\":");
    push_string(out, fault.kind.as_bytes());
    out.extend_from_slice(b",\"reason\":");
    push_string(out, fault.reason.as_bytes());
}

impl<'l> Letter<'l> {
    /// Reads a record of the spool; `None` when it is no letter.
    #[must_use]
    pub fn read(record: &'l [u8]) -> Option<Self> {
        let mut letter: Self = serde_json::from_slice(record).ok()?;
        if let Ok(action) = serde_json::from_str::<Action<'_>>(letter.action.get()) {
            if letter.id.is_empty() {
                letter.id = action.create.id.unwrap_or_default();
            }
            letter.target = letter.target.or(action.create.index);
        }
        Some(letter)
    }

    /// Appends the bulk item that sends the document again, to the target that it was for and under the same `_id`, so
    /// that it is stored once.
    pub fn push_item(&self, out: &mut Vec<u8>) {
        let action = serde_json::from_str(self.action.get()).unwrap_or_default();
        let mut action: serde_json::Map<String, serde_json::Value> = action;
        let inner = action.entry("create").or_insert_with(|| serde_json::json!({}));
        if let Some(inner) = inner.as_object_mut() {
            if let Some(target) = self.target.as_deref() {
                inner.entry("_index").or_insert_with(|| target.into());
            }
            if !self.id.is_empty() {
                inner.entry("_id").or_insert_with(|| (&*self.id).into());
            }
        }
        out.extend_from_slice(serde_json::Value::Object(action).to_string().as_bytes());
        out.push(b'\n');
        match (self.document, &self.document_text) {
            (Some(document), _) => out.extend_from_slice(document.get().as_bytes()),
            (None, Some(text)) => out.extend_from_slice(text.as_bytes()),
            (None, None) => out.extend_from_slice(b"{}"),
        }
        out.push(b'\n');
    }

    /// Returns the record that stands in its place after it was refused again.
    #[must_use]
    pub fn refused_again(&self, now: Timestamp, fault: &Fault) -> Vec<u8> {
        let mut out = Vec::new();
        push_fault(&mut out, now, fault);
        let mut text = |name: &str, value: &str| {
            out.push(b',');
            push_string(&mut out, name.as_bytes());
            out.push(b':');
            push_string(&mut out, value.as_bytes());
        };
        text("id", &self.id);
        if let Some(target) = &self.target {
            text("target", target);
        }
        out.extend_from_slice(b",\"replays\":");
        push_u64(&mut out, self.replays + 1);
        out.extend_from_slice(b",\"source\":{");
        let Source { file, epoch, offset, length } = &self.source;
        let mut members = serde_json::Map::new();
        for (name, value) in [("file", file), ("epoch", epoch)] {
            members.extend(value.as_deref().map(|text| (name.to_owned(), text.into())));
        }
        for (name, value) in [("offset", offset), ("length", length)] {
            members.extend(value.map(|number| (name.to_owned(), number.into())));
        }
        let members = serde_json::Value::Object(members).to_string();
        out.extend_from_slice(&members.as_bytes()[1..]);
        out.extend_from_slice(b",\"action\":");
        out.extend_from_slice(self.action.get().as_bytes());
        if let Some(document) = self.document {
            out.extend_from_slice(b",\"document\":");
            out.extend_from_slice(document.get().as_bytes());
        }
        if let Some(document) = &self.document_text {
            out.extend_from_slice(b",\"document_text\":");
            push_string(&mut out, document.as_bytes());
        }
        out.push(b'}');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(reason: &str) -> Fault {
        Fault { status: 400, kind: "bad_exception".to_owned(), reason: reason.to_owned() }
    }

    fn now() -> Timestamp {
        "2026-11-21T03:20:13Z".parse().unwrap()
    }

    #[test]
    fn letter_says_where_its_document_comes_from_and_gives_it_back() {
        let item = concat!(
            r#"{"create":{"_index":"web","_id":"AAAAAAAAAAAAAAAA.BA.C5"}}"#,
            "\n",
            r#"{"@timestamp":"2026-11-20T00:00:00Z","log":{"offset":64,"file":{"path":"/l/\"a\""}},"n":1.50}"#,
            "\n"
        );
        let mut text = Vec::new();
        Parts::of(item.as_bytes()).push_letter(&mut text, now(), &fault("a \"b\""), "own", None);
        let expected = r#"{"@timestamp":"2026-11-21T03:20:13Z","status":400,"type":"bad_exception","reason":"a \"b\"","id":"AAAAAAAAAAAAAAAA.BA.C5","target":"web","source":{"file":"/l/\"a\"","epoch":"AAAAAAAAAAAAAAAA","offset":64,"length":185},"action":{"create":{"_index":"web","_id":"AAAAAAAAAAAAAAAA.BA.C5"}},"document":{"@timestamp":"2026-11-20T00:00:00Z","log":{"offset":64,"file":{"path":"/l/\"a\""}},"n":1.50}}"#;
        assert_eq!(String::from_utf8_lossy(&text), expected);
        let letter = Letter::read(&text).unwrap();
        let mut again = Vec::new();
        letter.push_item(&mut again);
        assert_eq!(String::from_utf8_lossy(&again), item);
        let refused = letter.refused_again(now(), &fault("still"));
        let expected = expected
            .replace(r#""a \"b\"","#, r#""still","#)
            .replace(r#","source""#, r#","replays":1,"source""#);
        assert_eq!(String::from_utf8_lossy(&refused), expected);
        assert_eq!(Letter::read(&refused).unwrap().replays, 1);
    }

    #[test]
    fn letter_without_an_id_gets_one_so_that_it_can_be_sent_twice() {
        let mut text = Vec::new();
        let item = b"{\"create\":{}}\n{\"n\":1}\n";
        Parts::of(item).push_letter(&mut text, now(), &fault(""), "own", Some("logs"));
        let mut again = Vec::new();
        Letter::read(&text).unwrap().push_item(&mut again);
        let expected = "{\"create\":{\"_index\":\"logs\",\"_id\":\"own\"}}\n{\"n\":1}\n";
        assert_eq!(String::from_utf8_lossy(&again), expected);
    }

    #[test]
    fn document_that_is_no_json_is_kept_as_text() {
        let mut text = Vec::new();
        let item = b"{\"create\":{\"_id\":\"i\"}}\n{\"n\":\n";
        Parts::of(item).push_letter(&mut text, now(), &fault(""), "own", Some("logs"));
        let letter = Letter::read(&text).unwrap();
        assert_eq!(
            (letter.document.is_none(), letter.document_text.as_deref()),
            (true, Some("{\"n\":"))
        );
        let refused = letter.refused_again(now(), &fault("x"));
        let mut again = Vec::new();
        Letter::read(&refused).unwrap().push_item(&mut again);
        let expected = "{\"create\":{\"_id\":\"i\",\"_index\":\"logs\"}}\n{\"n\":\n";
        assert_eq!(String::from_utf8_lossy(&again), expected);
    }

    #[test]
    fn index_has_the_document_as_text_as_filebeat_writes_it() {
        let item = b"{\"create\":{\"_id\":\"i\"}}\n{\"@timestamp\":\"2026-11-20T00:00:00Z\",\"n\":\"x\"}\n";
        let mut out = Vec::new();
        let to = To { index: "dead", target: Some("logs"), alone: false };
        Parts::of(item).push_index_item(&mut out, now(), &fault("why"), "own", to);
        let expected = concat!(
            r#"{"create":{"_index":"dead","_id":"i"}}"#,
            "\n",
            r#"{"@timestamp":"2026-11-20T00:00:00Z","message":"{\"@timestamp\":\"2026-11-20T00:00:00Z\",\"n\":\"x\"}","error":{"type":400,"message":"bad_exception: why"},"dead_letter":{"created":"2026-11-21T03:20:13Z","type":"bad_exception","target":"logs","source":{}}}"#,
            "\n"
        );
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
