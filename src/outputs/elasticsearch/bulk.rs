//! Bulk answers: what becomes of each item, and of a request as a whole. Pure.
//!
//! Source: Elasticsearch 8 reference, "Bulk API", and the answers of 8.19 and OpenSearch 2.19 to provoked faults. The
//! rules are the table in `ARCHITECTURE.md`, Bulk answers.

use crate::position::{DIGITS, EPOCH_TEXT_BYTES, Epoch};
use serde::Deserialize;
use std::fmt;

/// What the query asks answers to be cut down to: all that verdicts need.
pub const FILTER_PATH: &str = "errors,items.*.status,items.*.error,error,status";

/// Longest text of a server's reason that is kept, in bytes.
const REASON_BYTES_MAX: usize = 2048;

/// What the server calls a block of an index.
const BLOCK: &str = "cluster_block_exception";

/// What to do where a proxy does not let us through.
pub(super) const PROXY_CREDENTIALS: &str = "check user and password in proxy_url";

/// What becomes of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Stored now.
    Stored,
    /// Stored before; in this index, if the answer says so.
    Duplicate(Option<String>),
    /// To be sent again: too much to do now.
    Retry,
    /// To be sent again: the target cannot take it now.
    Unavailable(Fault),
    /// To be sent again, but not for ever: a fault of the server with this document alone.
    Strike(Fault),
    /// Sent again when a person has mended the set-up.
    Pause(Fault),
    /// The document will never be taken.
    Dead(Fault),
}

/// Why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fault {
    /// HTTP status.
    pub status: u16,
    /// The server's name for it.
    pub kind: String,
    /// The server's reason.
    pub reason: String,
}

impl Fault {
    /// Says what a person can do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match (self.status, self.kind.as_str()) {
            (401, _) => "check username and password, or api_key, of output.elasticsearch",
            (403 | 429, BLOCK) => {
                "an index is blocked, often because the server's disk is full: make room and lift the block"
            }
            (403, _) => {
                "the user or API key needs the privileges `create_doc` and `auto_configure` on the target"
            }
            (404, _) => {
                "the target does not exist and may not be created: check index, path and the server's settings"
            }
            (400, "") => "check hosts and path, and whether Elasticsearch itself answers there",
            (400, "no answer of Elasticsearch") if self.reason.contains("SSL certificate") => {
                "the server takes no client without a certificate that it trusts: set ssl.certificate and ssl.key to one"
            }
            (400, "no answer of Elasticsearch") => {
                "something else answers there: check the port, and http or https"
            }
            (407, _) => PROXY_CREDENTIALS,
            (300..400, _) => {
                "the address leads elsewhere: write the address where Elasticsearch itself answers"
            }
            (400, _) => {
                "check the pipeline, the index and the server's limits that the reason names"
            }
            _ => "check what answers at this address; delivery goes on by itself when it is mended",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = if self.kind.is_empty() { "" } else { " " };
        write!(formatter, "{}{gap}{}: {}", self.status, self.kind, self.reason)
    }
}

/// What becomes of a request as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Every item was stored now.
    AllStored,
    /// Each item has its verdict.
    Items(Vec<Verdict>),
    /// All of it again; why.
    Retry(String),
    /// The server is busy: all of it again, later.
    Busy(String),
    /// The server has too much to do, of us: all of it again, later, and more slowly.
    TooMany(String),
    /// The body is too large.
    TooLarge,
    /// The server understood that it is Elasticsearch's bulk, and refuses the body.
    Refused(Fault),
    /// A person must mend the set-up.
    Pause(Fault),
}

#[derive(Deserialize)]
struct Body {
    errors: Option<bool>,
    items: Option<Vec<Item>>,
    error: Option<Reason>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(alias = "index", alias = "update", alias = "delete")]
    create: Option<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    status: Option<u16>,
    error: Option<Reason>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Reason {
    Object {
        #[serde(rename = "type", default)]
        kind: Option<String>,
        #[serde(default)]
        reason: Option<String>,
        #[serde(default)]
        caused_by: Option<Box<Reason>>,
        #[serde(default)]
        index: Option<String>,
    },
    Text(String),
}

/// Reads the answer to a request with `count` items.
#[must_use]
pub fn read_answer(status: u16, body: &[u8], count: usize) -> Answer {
    match status {
        200..300 => read_items(body, count),
        413 => Answer::TooLarge,
        429 => Answer::TooMany(format!("{status}: {}", excerpt(body))),
        500.. => Answer::Busy(format!("{status}: {}", excerpt(body))),
        400 => match serde_json::from_slice::<Body>(body) {
            Ok(Body { error: Some(error), .. }) => {
                // About a request that it understands it says more than a text.
                let is_text = matches!(error, Reason::Text(_));
                let fault = fault(400, Some(error));
                if is_text || is_of_set_up(&fault) {
                    Answer::Pause(fault)
                } else {
                    Answer::Refused(fault)
                }
            }
            _ => Answer::Pause(page(status, body)),
        },
        _ => match serde_json::from_slice::<Body>(body) {
            Ok(Body { error: Some(error), .. }) => Answer::Pause(fault(status, Some(error))),
            _ => Answer::Pause(page(status, body)),
        },
    }
}

/// Tells whether an answer is the commonest one, byte for byte; parsing a batch's costs twenty times as much.
fn all_stored(body: &[u8], count: usize) -> bool {
    const ITEM: &[u8] = br#"{"create":{"status":201}}"#;
    let items = body
        .strip_prefix(br#"{"errors":false,"items":["#)
        .and_then(|items| items.strip_suffix(b"]}"));
    let Some(items) = items else { return false };
    if count == 0 || items.len() != count * (ITEM.len() + 1) - 1 {
        return false;
    }
    let mut chunks = items.chunks_exact(ITEM.len() + 1);
    let all = chunks.all(|chunk| chunk[..ITEM.len()] == *ITEM && chunk[ITEM.len()] == b',');
    all && chunks.remainder() == ITEM
}

fn read_items(body: &[u8], count: usize) -> Answer {
    if all_stored(body, count) {
        return Answer::AllStored;
    }
    let odd = |what: &str| Answer::Retry(format!("{what}: {}", excerpt(body)));
    let Ok(answer) = serde_json::from_slice::<Body>(body) else {
        return odd("the answer is no bulk answer");
    };
    let (Some(_), Some(items)) = (answer.errors, answer.items) else {
        return odd("the answer is no complete bulk answer");
    };
    if items.len() != count {
        return Answer::Retry(format!("{} items were answered of {count}", items.len()));
    }
    let mut verdicts = Vec::with_capacity(count);
    for item in items {
        let Some(Outcome { status: Some(status), error }) = item.create else {
            return Answer::Retry("an item was answered without a status".to_owned());
        };
        verdicts.push(verdict(status, error));
    }
    Answer::Items(verdicts)
}

fn verdict(status: u16, error: Option<Reason>) -> Verdict {
    match status {
        200..300 => Verdict::Stored,
        409 => Verdict::Duplicate(error.and_then(|error| match error {
            Reason::Object { index, .. } => index,
            Reason::Text(_) => None,
        })),
        429 => match fault(status, error) {
            // Elasticsearch's own block of an index whose disk is full: until there is room.
            fault if fault.kind == BLOCK => Verdict::Pause(fault),
            _ => Verdict::Retry,
        },
        503 => Verdict::Unavailable(fault(status, error)),
        500.. => {
            let fault = fault(status, error);
            if is_of_server(&fault) { Verdict::Unavailable(fault) } else { Verdict::Strike(fault) }
        }
        400 => {
            let fault = fault(status, error);
            if is_of_document(&fault) { Verdict::Dead(fault) } else { Verdict::Pause(fault) }
        }
        _ => Verdict::Pause(fault(status, error)),
    }
}

/// Tells whether a request's 400 is about where it goes or how, whatever the documents in it are.
fn is_of_set_up(fault: &Fault) -> bool {
    const KINDS: [&str; 5] = [
        "index_closed_exception",
        "invalid_alias_name_exception",
        "invalid_index_name_exception",
        "security_exception",
        "validation_exception",
    ];
    KINDS.contains(&fault.kind.as_str())
        || fault.reason.contains("unrecognized parameter")
        || fault.reason.starts_with("pipeline with id")
}

/// Tells whether a 5xx of an item is of the state in which a shard, a node or its disk is, whatever the documents are: a
/// primary that is not in primary mode answers 500, and may do so for long.
fn is_of_server(fault: &Fault) -> bool {
    const KINDS: [&str; 21] = [
        "already_closed_exception",
        "corrupt_index_exception",
        "engine_closed_exception",
        "failed_to_commit_cluster_state_exception",
        "file_system_exception",
        "i_o_exception",
        "illegal_index_shard_state_exception",
        "index_shard_closed_exception",
        "index_shard_not_started_exception",
        "index_shard_recovering_exception",
        "no_longer_primary_shard_exception",
        "no_such_file_exception",
        "node_closed_exception",
        "not_cluster_manager_exception",
        "not_master_exception",
        "process_cluster_event_timeout_exception",
        "retry_on_primary_exception",
        "shard_lock_obtain_failed_exception",
        "shard_not_found_exception",
        "timeout_exception",
        "translog_exception",
    ];
    let kind = fault.kind.as_str();
    KINDS.contains(&kind)
        || ["_transport_exception", "connected_exception", "_primary_mode_exception"]
            .iter()
            .any(|end| kind.ends_with(end))
}

/// Tells whether a 400 is the document's own fault, known by type or, where the type says nothing, by its reason.
fn is_of_document(fault: &Fault) -> bool {
    const KINDS: [&str; 8] = [
        "mapper_parsing_exception",
        "document_parsing_exception",
        "strict_dynamic_mapping_exception",
        "dynamic_templates_parsing_exception",
        "x_content_parse_exception",
        "parsing_exception",
        "parse_exception",
        "json_parse_exception",
    ];
    const REASONS: [&str; 10] = [
        "limit of total fields",
        "limit of mapping depth",
        "limit of nested",
        "immense term",
        "failed to parse",
        "mapper for [",
        "mapper [",
        "field name cannot",
        "object field starting or ending with",
        "can't merge",
    ];
    let reason = fault.reason.to_lowercase();
    KINDS.contains(&fault.kind.as_str()) || REASONS.iter().any(|known| reason.contains(known))
}

fn fault(status: u16, error: Option<Reason>) -> Fault {
    let (kind, reason) = match error {
        Some(error) => flatten(error),
        None => (String::new(), String::new()),
    };
    Fault { status, kind, reason: cut(&reason) }
}

fn flatten(error: Reason) -> (String, String) {
    match error {
        Reason::Text(text) => (String::new(), text),
        Reason::Object { kind, reason, caused_by, .. } => {
            let mut reason = reason.unwrap_or_default();
            if let Some(cause) = caused_by {
                let (_, cause) = flatten(*cause);
                if !cause.is_empty() && !reason.contains(&cause) {
                    reason.push_str(": ");
                    reason.push_str(&cause);
                }
            }
            (kind.unwrap_or_default(), reason)
        }
    }
}

/// What stands in for a reason when something else than Elasticsearch answers.
fn page(status: u16, body: &[u8]) -> Fault {
    Fault { status, kind: "no answer of Elasticsearch".to_owned(), reason: excerpt(body) }
}

/// Returns the beginning of a body as one line of text.
#[must_use]
pub fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut line = words.join(" ");
    line.retain(|letter| !letter.is_control());
    if line.is_empty() { "(an empty body)".to_owned() } else { line }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(REASON_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// Returns which line an item was made of: its epoch and its bytes on disk, as its id says; `None` without an id of ours.
#[must_use]
pub fn line_of(item: &[u8]) -> Option<(Epoch, u64)> {
    let action = &item[..memchr::memchr(b'\n', item)?];
    let id = &action[memchr::memmem::rfind(action, b"\"_id\":\"")? + 7..];
    let id = std::str::from_utf8(&id[..memchr::memchr(b'"', id)?]).ok()?;
    let (epoch, position) = id.split_at_checked(EPOCH_TEXT_BYTES)?;
    let (_, length) = position.strip_prefix('.')?.split_once('.')?;
    let mut bytes = 0_u64;
    for digit in length.bytes() {
        let value = DIGITS.iter().position(|known| *known == digit)? as u64;
        bytes = bytes.checked_mul(64)?.checked_add(value)?;
    }
    Some((Epoch::from_text(epoch)?, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_an_item_is_in_its_id() {
        let epoch = Epoch::from_random([7; 12]);
        let mut item =
            format!("{{\"create\":{{\"_index\":\"a\",\"_id\":\"{epoch}.BA.").into_bytes();
        crate::json_text::push_digits(&mut item, 123_456_789);
        item.extend_from_slice(b"\"}}\n{\"message\":\"\\\"_id\\\":\\\"no\\\"\"}\n");
        assert_eq!(line_of(&item), Some((epoch, 123_456_789)));
        assert_eq!(line_of(b"{\"create\":{}}\n{\"_id\":\"AAAAAAAAAAAAAAAA.A.B\"}\n"), None);
        assert_eq!(line_of(b"{\"create\":{\"_id\":\"mine\"}}\n{}\n"), None);
    }
    use proptest::prelude::*;

    fn one(item: &str) -> Verdict {
        let body = format!(r#"{{"errors":true,"items":[{{"create":{item}}}]}}"#);
        match read_answer(200, body.as_bytes(), 1) {
            Answer::Items(mut verdicts) => verdicts.remove(0),
            other => panic!("{other:?}"),
        }
    }

    fn kind_of(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Stored => "stored",
            Verdict::Duplicate(_) => "duplicate",
            Verdict::Retry => "retry",
            Verdict::Unavailable(_) => "unavailable",
            Verdict::Strike(_) => "strike",
            Verdict::Pause(_) => "pause",
            Verdict::Dead(_) => "dead",
        }
    }

    #[test]
    fn every_row_of_the_table_for_items() {
        for (item, expected) in [
            (r#"{"status":201}"#, "stored"),
            (r#"{"status":200}"#, "stored"),
            (r#"{"status":409,"error":{"type":"version_conflict_engine_exception"}}"#, "duplicate"),
            (r#"{"status":429,"error":{"type":"es_rejected_execution_exception"}}"#, "retry"),
            (r#"{"status":503,"error":{"type":"unavailable_shards_exception"}}"#, "unavailable"),
            (r#"{"status":500,"error":{"type":"retry_on_primary_exception"}}"#, "unavailable"),
            (r#"{"status":500,"error":{"type":"node_disconnected_exception"}}"#, "unavailable"),
            (
                r#"{"status":500,"error":{"type":"no_longer_primary_shard_exception"}}"#,
                "unavailable",
            ),
            (r#"{"status":500,"error":{"type":"file_system_exception"}}"#, "unavailable"),
            (
                r#"{"status":500,"error":{"type":"receive_timeout_transport_exception"}}"#,
                "unavailable",
            ),
            (r#"{"status":500,"error":{"type":"null_pointer_exception"}}"#, "strike"),
            (r#"{"status":500,"error":{"type":"fail_processor_exception"}}"#, "strike"),
            (
                r#"{"status":403,"error":{"type":"cluster_block_exception","reason":"read-only"}}"#,
                "pause",
            ),
            (r#"{"status":403,"error":{"type":"security_exception"}}"#, "pause"),
            (r#"{"status":404,"error":{"type":"index_not_found_exception"}}"#, "pause"),
            (r#"{"status":400,"error":{"type":"index_closed_exception"}}"#, "pause"),
            (
                r#"{"status":429,"error":{"type":"cluster_block_exception","reason":"index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];"}}"#,
                "pause",
            ),
            (
                r#"{"status":400,"error":{"type":"illegal_argument_exception","reason":"pipeline with id [x] does not exist"}}"#,
                "pause",
            ),
            (
                r#"{"status":400,"error":{"type":"validation_exception","reason":"this action would add [2] shards"}}"#,
                "pause",
            ),
            (r#"{"status":400,"error":{"type":"unheard_of_exception","reason":"x"}}"#, "pause"),
            (r#"{"status":400,"error":"x"}"#, "pause"),
            (r#"{"status":400}"#, "pause"),
            (r#"{"status":401,"error":{"type":"security_exception"}}"#, "pause"),
            (r#"{"status":413}"#, "pause"),
            (r#"{"status":418}"#, "pause"),
            (r#"{"status":302}"#, "pause"),
            (r#"{"status":100}"#, "pause"),
            (r#"{"status":0}"#, "pause"),
            (r#"{"status":501}"#, "strike"),
            (r#"{"status":502,"error":"x"}"#, "strike"),
            (r#"{"status":504}"#, "strike"),
            // What the status says counts.
            (r#"{"status":201,"error":{"type":"document_parsing_exception"}}"#, "stored"),
            (r#"{"status":429,"error":{"type":"document_parsing_exception"}}"#, "retry"),
            (
                r#"{"status":400,"error":{"type":"document_parsing_exception","reason":"failed"}}"#,
                "dead",
            ),
            (r#"{"status":400,"error":{"type":"mapper_parsing_exception"}}"#, "dead"),
            (
                r#"{"status":400,"error":{"type":"illegal_argument_exception","reason":"Limit of total fields [1000] has been exceeded"}}"#,
                "dead",
            ),
            (
                r#"{"status":400,"error":{"type":"illegal_argument_exception","reason":"x","caused_by":{"reason":"Document contains at least one immense term"}}}"#,
                "dead",
            ),
        ] {
            assert_eq!(kind_of(&one(item)), expected, "{item}");
        }
    }

    /// Sources: answers of Elasticsearch 8.19 and OpenSearch 2.19, and their sources for what is hard to provoke.
    #[test]
    fn every_known_fault_of_a_document_is_a_dead_letter_and_no_other() {
        for (kind, reason, expected) in [
            ("mapper_parsing_exception", "failed to parse", "dead"),
            (
                "document_parsing_exception",
                "[1:7] failed to parse field [n] of type [long]",
                "dead",
            ),
            ("strict_dynamic_mapping_exception", "[1:5] mapping set to strict", "dead"),
            ("dynamic_templates_parsing_exception", "[1:5] Can't find dynamic template", "dead"),
            ("x_content_parse_exception", "[1:10] Unexpected end-of-input", "dead"),
            ("parsing_exception", "x", "dead"),
            ("parse_exception", "x", "dead"),
            ("json_parse_exception", "Duplicate field 'a'", "dead"),
            (
                "illegal_argument_exception",
                "Limit of total fields [1000] has been exceeded",
                "dead",
            ),
            ("illegal_argument_exception", "Limit of mapping depth [20] has been exceeded", "dead"),
            ("illegal_argument_exception", "Limit of nested fields [50] has been exceeded", "dead"),
            (
                "illegal_argument_exception",
                "Document contains at least one immense term in field=\"message\"",
                "dead",
            ),
            ("illegal_argument_exception", "failed to parse date field [x]", "dead"),
            (
                "illegal_argument_exception",
                "mapper [a] cannot be changed from type [long] to [keyword]",
                "dead",
            ),
            ("illegal_argument_exception", "Mapper for [a] conflicts with existing mapper", "dead"),
            ("illegal_argument_exception", "field name cannot be an empty string", "dead"),
            (
                "illegal_argument_exception",
                "object field starting or ending with a [.] makes object resolution ambiguous: [a.]",
                "dead",
            ),
            (
                "illegal_argument_exception",
                "can't merge a non object mapping [a] with an object mapping",
                "dead",
            ),
            ("illegal_argument_exception", "pipeline with id [x] does not exist", "pause"),
            ("illegal_argument_exception", "no write index is defined for alias [logs]", "pause"),
            (
                "illegal_argument_exception",
                "only write ops with an op_type of create are allowed",
                "pause",
            ),
            ("index_closed_exception", "closed", "pause"),
            ("invalid_index_name_exception", "Invalid index name [A], must be lowercase", "pause"),
            ("validation_exception", "this action would add [2] shards, but this cluster", "pause"),
        ] {
            let item =
                serde_json::json!({"status": 400, "error": {"type": kind, "reason": reason}});
            assert_eq!(kind_of(&one(&item.to_string())), expected, "{item}");
            let below = serde_json::json!({"status": 400, "error":
                {"type": "illegal_argument_exception", "reason": "", "caused_by": {"reason": reason}}});
            let by_reason = kind == "illegal_argument_exception";
            assert!(!by_reason || kind_of(&one(&below.to_string())) == expected, "{below}");
        }
    }

    #[test]
    fn every_row_of_the_table_for_requests() {
        let good = r#"{"errors":false,"items":[{"create":{"status":201}}]}"#;
        let name = |answer: &Answer| match answer {
            Answer::AllStored => "all stored",
            Answer::Items(_) => "items",
            Answer::Retry(_) => "retry",
            Answer::Busy(_) => "busy",
            Answer::TooMany(_) => "too many",
            Answer::TooLarge => "too large",
            Answer::Refused(_) => "refused",
            Answer::Pause(_) => "pause",
        };
        for (status, body, count, expected) in [
            (200, good, 1, "all stored"),
            (200, r#"{"errors":false,"items":[{"create":{"status":200}}]}"#, 1, "items"),
            (200, r#"{"errors":false,"items":[{"create":{"status":201}}; "]}"#, 1, "retry"),
            (
                400,
                r#"{"error":{"type":"invalid_index_name_exception","reason":"x"},"status":400}"#,
                1,
                "pause",
            ),
            (200, good, 2, "retry"),
            (200, "<html>login</html>", 1, "retry"),
            (200, "", 1, "retry"),
            (200, &good[..30], 1, "retry"),
            (200, r#"{"errors":false}"#, 1, "retry"),
            (200, r#"{"items":[{"create":{"status":201}}]}"#, 1, "retry"),
            (200, r#"{"errors":false,"items":[{"create":{}}]}"#, 1, "retry"),
            (200, r#"{"errors":false,"items":[{}]}"#, 1, "retry"),
            (200, r#"{"errors":false,"items":[{"create":{"status":99999}}]}"#, 1, "retry"),
            (200, r#"{"errors":true,"items":[{"index":{"status":201}}]}"#, 1, "items"),
            (200, r#"{"errors":false,"items":[{"create":{"status":503}}]}"#, 1, "items"),
            (201, good, 1, "all stored"),
            (429, "{}", 1, "too many"),
            (500, "", 1, "busy"),
            (502, "<html>bad gateway</html>", 1, "busy"),
            (503, r#"{"error":{"type":"cluster_block_exception"}}"#, 1, "busy"),
            (413, "<html>too large</html>", 1, "too large"),
            (
                400,
                r#"{"error":{"type":"illegal_argument_exception","reason":"x"},"status":400}"#,
                1,
                "refused",
            ),
            (400, "<html>plain HTTP request was sent to HTTPS port</html>", 1, "pause"),
            (401, r#"{"error":{"type":"security_exception"}}"#, 1, "pause"),
            (403, "", 1, "pause"),
            (404, r#"{"error":"not found"}"#, 1, "pause"),
            (302, "", 1, "pause"),
            (304, "", 1, "pause"),
            (307, "", 1, "pause"),
            (308, "", 1, "pause"),
            (402, "", 1, "pause"),
            (405, r#"{"error":"Incorrect HTTP method","status":405}"#, 1, "pause"),
            (406, r#"{"error":"Content-Type header is not supported","status":406}"#, 1, "pause"),
            (407, "proxy", 1, "pause"),
            (408, "", 1, "pause"),
            (409, good, 1, "pause"),
            (411, "", 1, "pause"),
            (414, "", 1, "pause"),
            (415, "", 1, "pause"),
            (431, "", 1, "pause"),
            (400, "", 1, "pause"),
            (400, good, 1, "pause"),
            (400, r#"{"error":"no handler found","status":400}"#, 1, "pause"),
            (429, good, 1, "too many"),
            (504, good, 1, "busy"),
            (599, "", 1, "busy"),
            (206, &good[..30], 1, "retry"),
        ] {
            assert_eq!(
                name(&read_answer(status, body.as_bytes(), count)),
                expected,
                "{status} {body}"
            );
        }
    }

    #[test]
    fn answer_of_another_shape_says_nothing_of_any_item() {
        for body in [
            r#"{"errors":false,"items":[{"create":{"status":-1}}]}"#,
            r#"{"errors":false,"items":[{"create":{"status":"201"}}]}"#,
            r#"{"errors":false,"items":[{"create":{"status":null}}]}"#,
            r#"{"errors":false,"items":[{"create":null}]}"#,
            r#"{"errors":false,"items":[{"upsert":{"status":201}}]}"#,
            r#"{"errors":false,"items":[null]}"#,
            r#"{"errors":false,"items":[[]]}"#,
            r#"{"errors":false,"items":{"create":{"status":201}}}"#,
            r#"{"errors":false,"items":[]}"#,
            r#"{"errors":"no","items":[{"create":{"status":201}}]}"#,
            r#"{"errors":false,"items":[{"create":{"status":201},"index":{"status":201}}]}"#,
            r#"{"errors":false,"items":[{"create":{"status":201}}],"items":[{"create":{"status":201}}]}"#,
            r#"{"errors":false,"items":[{"create":{"status":201}}]}{}"#,
            r#"{"errors":false,"items":[{"create":{"status":201}}]} proxy"#,
            "\u{feff}{\"errors\":false,\"items\":[{\"create\":{\"status\":201}}]}",
            r#"{"error":{"type":"x"},"status":200}"#,
            "null",
            "[]",
        ] {
            let answer = read_answer(200, body.as_bytes(), 1);
            assert!(matches!(answer, Answer::Retry(_)), "{body}: {answer:?}");
        }
    }

    #[test]
    fn answer_that_is_cut_anywhere_says_nothing_of_any_item() {
        let whole = r#"{"errors":true,"took":3,"items":[{"create":{"status":201}},{"create":{"status":409}}]}"#;
        for end in 0..whole.len() {
            let answer = read_answer(200, &whole.as_bytes()[..end], 2);
            assert!(matches!(answer, Answer::Retry(_)), "{end}: {answer:?}");
        }
        assert!(matches!(read_answer(200, whole.as_bytes(), 2), Answer::Items(_)));
    }

    #[test]
    fn reason_without_end_or_bottom_is_kept_within_bounds() {
        let deep = format!("{}\"x\"{}", r#"{"caused_by":"#.repeat(100), "}".repeat(100));
        let bottomless =
            format!("{}\"x\"{}", r#"{"caused_by":"#.repeat(100_000), "}".repeat(100_000));
        let long = format!("\"{}\"", "ä".repeat(100_000));
        for (error, expected) in [(deep, "pause"), (long, "pause"), (bottomless, "retry")] {
            let body = format!(
                r#"{{"errors":true,"items":[{{"create":{{"status":403,"error":{error}}}}}]}}"#
            );
            match read_answer(200, body.as_bytes(), 1) {
                Answer::Items(verdicts) => {
                    let [Verdict::Pause(fault)] = verdicts.as_slice() else {
                        panic!("{verdicts:?}")
                    };
                    assert!(fault.reason.len() <= REASON_BYTES_MAX);
                    assert_eq!(expected, "pause");
                }
                Answer::Retry(reason) => {
                    assert!(reason.len() < 1_000 && expected == "retry", "{reason}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    proptest! {
        /// For every status and bytes, reading never panics, and never says that items are stored that were not
        /// answered.
        #[test]
        fn property_no_answer_is_misread(
            status in 100_u16..600, body in proptest::collection::vec(any::<u8>(), 0..200), count in 0_usize..5,
        ) {
            if let Answer::Items(verdicts) = read_answer(status, &body, count) {
                prop_assert_eq!(verdicts.len(), count);
            }
        }
    }

    #[test]
    fn a_certificate_that_a_web_server_wants_is_told() {
        let page =
            |title: &str| format!("<html>\r\n<head><title>400 {title}</title></head>\r\n<body>");
        for (title, expected) in [
            ("The SSL certificate error", "set ssl.certificate and ssl.key"),
            ("No required SSL certificate was sent", "set ssl.certificate and ssl.key"),
            ("Bad Request", "check the port, and http or https"),
        ] {
            let fault = super::page(400, page(title).as_bytes());
            assert!(fault.advice().contains(expected), "{title}: {}", fault.advice());
        }
    }
}
