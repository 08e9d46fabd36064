//! Reads bulk bodies and writes their answers, as Elasticsearch 8 would; no I/O.

use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use xxhash_rust::xxh3::xxh3_64;

/// Most ids remembered in one generation: two generations are kept, about 10 MB each.
const GENERATION_IDS: usize = 500_000;

/// Which fields of an answer the client asked for through `filter_path`.
///
/// Only the fields that a bulk answer of ours can have are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one field of the answer, named as there"
)]
pub(super) struct Filter {
    took: bool,
    errors: bool,
    index: bool,
    id: bool,
    /// `_version`, `result`, `_shards`, `_seq_no` and `_primary_term`: all or none.
    details: bool,
    status: bool,
    error_type: bool,
    error_reason: bool,
}

impl Filter {
    /// Reads the `filter_path` parameter of a query; without one all fields are wanted.
    pub(super) fn from_query(query: &str) -> Self {
        let paths = query.split('&').find_map(|pair| pair.strip_prefix("filter_path="));
        let paths = paths.map(|paths| paths.replace("%2C", ",").replace("%2A", "*"));
        let wants = |path: &[&str]| match &paths {
            None => true,
            Some(paths) => paths.split(',').any(|pattern| {
                let pattern: Vec<&str> = pattern.split('.').collect();
                covers(&pattern, path)
            }),
        };
        Self {
            took: wants(&["took"]),
            errors: wants(&["errors"]),
            index: wants(&["items", "create", "_index"]),
            id: wants(&["items", "create", "_id"]),
            details: wants(&["items", "create", "result"]),
            status: wants(&["items", "create", "status"]),
            error_type: wants(&["items", "create", "error", "type"]),
            error_reason: wants(&["items", "create", "error", "reason"]),
        }
    }
}

/// Tells whether a pattern of `filter_path` includes the field at `path`.
fn covers(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], _) => true,
        (["**", rest @ ..], _) => {
            covers(rest, path) || path.split_first().is_some_and(|(_, path)| covers(pattern, path))
        }
        (_, []) => false,
        ([first, rest @ ..], [name, path @ ..]) => segment(first, name) && covers(rest, path),
    }
}

/// Matches one name against a pattern in which `*` stands for any letters.
fn segment(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .any(|at| segment(after, &rest[at..]))
        }),
    }
}

/// What became of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Stored.
    Created,
    /// An item with this id was stored before.
    Conflict,
    /// Its document is not a JSON object.
    Unreadable,
}

/// Why a whole request is refused, in Elasticsearch's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) &'static str);

/// The body does not end with a newline.
pub(super) const UNTERMINATED: Refusal =
    Refusal("The bulk request must be terminated by a newline [\\n]");

/// Ids seen, bounded: the older half is forgotten when there are too many.
#[derive(Debug, Default)]
pub(super) struct Ids {
    young: HashSet<u64>,
    old: HashSet<u64>,
}

impl Ids {
    /// Remembers an id; tells whether it is new.
    fn add(&mut self, index: &str, id: &str) -> bool {
        let hash = xxh3_64(id.as_bytes()) ^ xxh3_64(index.as_bytes()).rotate_left(1);
        if self.old.contains(&hash) || !self.young.insert(hash) {
            return false;
        }
        if GENERATION_IDS <= self.young.len() {
            self.old = std::mem::take(&mut self.young);
        }
        true
    }
}

/// What one bulk request held.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    /// Documents stored.
    pub(super) documents: u64,
    /// Items answered 409.
    pub(super) duplicates: u64,
    /// Items answered 400.
    pub(super) rejected: u64,
    /// Stored documents by the class of their HTTP status: `[0]` unknown, `[1]` 1xx … `[5]` 5xx.
    pub(super) status: [u64; 6],
}

#[derive(Deserialize)]
struct Action<'a> {
    #[serde(rename = "_id", borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(rename = "_index", borrow)]
    index: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    http: Http,
}

#[derive(Deserialize, Default)]
struct Http {
    #[serde(default)]
    response: Response,
}

#[derive(Deserialize, Default)]
struct Response {
    status_code: Option<u64>,
}

/// Takes every item of a body, remembers its id, and appends the answer to `answer`.
///
/// # Errors
/// If the body is no bulk body; nothing was taken and nothing written then.
pub(super) fn store(
    body: &[u8],
    index: &str,
    filter: Filter,
    ids: &mut Ids,
    answer: &mut Vec<u8>,
) -> Result<Tally, Refusal> {
    let mut tally = Tally::default();
    let mut items = Vec::new();
    for (action, document) in pairs(body)? {
        let (index, id) = (action.index.as_deref().unwrap_or(index), action.id.as_deref());
        let outcome = match serde_json::from_slice::<Document>(document) {
            Err(_) => Outcome::Unreadable,
            Ok(_) if id.is_some_and(|id| !ids.add(index, id)) => Outcome::Conflict,
            Ok(document) => {
                let class = document.http.response.status_code.unwrap_or(0) / 100;
                tally.status
                    [usize::try_from(class).ok().filter(|class| *class < 6).unwrap_or(0)] += 1;
                Outcome::Created
            }
        };
        match outcome {
            Outcome::Created => tally.documents += 1,
            Outcome::Conflict => tally.duplicates += 1,
            Outcome::Unreadable => tally.rejected += 1,
        }
        push_item(outcome, index, id.unwrap_or("made-by-the-server"), filter, &mut items);
    }
    let clean = tally.duplicates + tally.rejected == 0;
    push_answer(filter, Errors::from_clean(clean), &items, answer);
    Ok(tally)
}

type Pair<'a> = (Action<'a>, &'a [u8]);

fn pairs(body: &[u8]) -> Result<Vec<Pair<'_>>, Refusal> {
    let Some(body) = body.strip_suffix(b"\n") else { return Err(UNTERMINATED) };
    let mut lines = body.split(|byte| *byte == b'\n');
    let mut pairs = Vec::new();
    while let Some(line) = lines.next() {
        let mut action: HashMap<&str, Action> = serde_json::from_slice(line)
            .map_err(|_| Refusal("Malformed action/metadata line, expected START_OBJECT"))?;
        let action = action.remove("create").or_else(|| action.remove("index"));
        let action = action.ok_or(Refusal("Malformed action/metadata line, expected [create]"))?;
        let document = lines.next().ok_or(Refusal("Validation Failed: 1: no requests added;"))?;
        pairs.push((action, document));
    }
    Ok(pairs)
}

/// Whether any item failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errors {
    None,
    Some,
}

impl Errors {
    fn from_clean(clean: bool) -> Self {
        if clean { Self::None } else { Self::Some }
    }
}

/// Appends one item and a comma; nothing at all when the filter leaves no field of it.
fn push_item(outcome: Outcome, index: &str, id: &str, filter: Filter, items: &mut Vec<u8>) {
    let start = items.len();
    items.extend_from_slice(b"{\"create\":{");
    let first = items.len();
    if filter.index {
        push_member("_index", index, items);
    }
    if filter.id {
        push_member("_id", id, items);
    }
    if filter.details && outcome == Outcome::Created {
        items.extend_from_slice(
            b"\"_version\":1,\"result\":\"created\",\"_shards\":{\"total\":2,\"successful\":1,\
              \"failed\":0},\"_seq_no\":7,\"_primary_term\":1,",
        );
    }
    let (status, error) = match outcome {
        Outcome::Created => ("201", None),
        Outcome::Conflict => {
            ("409", Some(("version_conflict_engine_exception", "document already exists")))
        }
        Outcome::Unreadable => {
            ("400", Some(("document_parsing_exception", "failed to parse: not a JSON object")))
        }
    };
    if filter.status {
        items.extend_from_slice(b"\"status\":");
        items.extend_from_slice(status.as_bytes());
        items.push(b',');
    }
    if let Some((kind, reason)) = error
        && (filter.error_type || filter.error_reason)
    {
        items.extend_from_slice(b"\"error\":{");
        if filter.error_type {
            push_member("type", kind, items);
        }
        if filter.error_reason {
            push_member("reason", reason, items);
        }
        items.pop();
        items.extend_from_slice(b"},");
    }
    if items.len() == first {
        items.truncate(start);
        return;
    }
    items.pop();
    items.extend_from_slice(b"}},");
}

fn push_member(key: &str, value: &str, out: &mut Vec<u8>) {
    let value = serde_json::to_string(value).expect("a string is always JSON");
    write!(out, "\"{key}\":{value},").expect("a vector takes all");
}

/// Appends an answer whose items, each with a comma behind it, are given.
fn push_answer(filter: Filter, errors: Errors, items: &[u8], answer: &mut Vec<u8>) {
    answer.push(b'{');
    if filter.errors {
        answer.extend_from_slice(match errors {
            Errors::None => b"\"errors\":false,",
            Errors::Some => b"\"errors\":true,",
        });
    }
    if filter.took {
        answer.extend_from_slice(b"\"took\":1,");
    }
    if let Some(items) = items.strip_suffix(b",") {
        answer.extend_from_slice(b"\"items\":[");
        answer.extend_from_slice(items);
        answer.extend_from_slice(b"],");
    }
    if answer.last() == Some(&b',') {
        answer.pop();
    }
    answer.push(b'}');
}

/// Items all answered 201, written once and handed out by their number.
#[derive(Debug)]
pub(super) struct Prebuilt {
    filter: Filter,
    item_bytes: usize,
    items: Vec<u8>,
}

impl Prebuilt {
    /// Prepares answers for requests with this filter.
    pub(super) fn new(filter: Filter) -> Self {
        let mut items = Vec::new();
        push_item(Outcome::Created, "logs", "0000000000000000000000000000", filter, &mut items);
        Self { filter, item_bytes: items.len(), items }
    }

    /// Tells whether these answers are for that filter.
    pub(super) fn is_for(&self, filter: Filter) -> bool {
        self.filter == filter
    }

    /// Appends the answer for `count` items.
    pub(super) fn answer(&mut self, count: usize, answer: &mut Vec<u8>) {
        while self.items.len() < count * self.item_bytes {
            self.items.extend_from_within(..);
        }
        push_answer(self.filter, Errors::None, &self.items[..count * self.item_bytes], answer);
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, Ids, Prebuilt, Refusal, Tally, store};

    fn answer_to(body: &str, query: &str, ids: &mut Ids) -> (Result<Tally, Refusal>, String) {
        let mut answer = Vec::new();
        let tally = store(body.as_bytes(), "logs", Filter::from_query(query), ids, &mut answer);
        (tally, String::from_utf8(answer).unwrap())
    }

    const TWO: &str = concat!(
        r#"{"create":{"_id":"a"}}"#,
        "\n",
        r#"{"http":{"response":{"status_code":404}},"message":"x"}"#,
        "\n",
        r#"{"create":{"_id":"b"}}"#,
        "\n",
        r#"{"message":"no status"}"#,
        "\n",
    );

    #[test]
    fn documents_are_stored_once_and_repeats_are_conflicts() {
        let mut ids = Ids::default();
        let query = "filter_path=errors,items.*.status,items.*.error";
        let (tally, answer) = answer_to(TWO, query, &mut ids);
        let status = [1, 0, 0, 0, 1, 0];
        assert_eq!(tally, Ok(Tally { documents: 2, duplicates: 0, rejected: 0, status }));
        assert_eq!(
            answer,
            r#"{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}"#
        );
        let (tally, answer) = answer_to(TWO, "filter_path=errors,items.*.status", &mut ids);
        assert_eq!(tally, Ok(Tally { duplicates: 2, ..Tally::default() }));
        assert_eq!(
            answer,
            r#"{"errors":true,"items":[{"create":{"status":409}},{"create":{"status":409}}]}"#
        );
    }

    #[test]
    fn without_a_filter_an_item_has_all_that_elasticsearch_sends() {
        let body = "{\"create\":{\"_id\":\"a\\\"\",\"_index\":\"i\"}}\n{}\n{\"create\":{}}\n[\n";
        let (tally, answer) = answer_to(body, "pipeline=x", &mut Ids::default());
        let status = [1, 0, 0, 0, 0, 0];
        assert_eq!(tally, Ok(Tally { documents: 1, duplicates: 0, rejected: 1, status }));
        assert_eq!(
            answer,
            concat!(
                r#"{"errors":true,"took":1,"items":[{"create":{"_index":"i","_id":"a\"","#,
                r#""_version":1,"result":"created","_shards":{"total":2,"successful":1,"#,
                r#""failed":0},"#,
                r#""_seq_no":7,"_primary_term":1,"status":201}},"#,
                r#"{"create":{"_index":"logs","_id":"made-by-the-server","status":400,"error":"#,
                r#"{"type":"document_parsing_exception","reason":"#,
                r#""failed to parse: not a JSON object"}}}]}"#,
            )
        );
    }

    #[test]
    fn the_same_id_in_another_index_is_another_document() {
        let body = "{\"create\":{\"_id\":\"a\",\"_index\":\"i\"}}\n{}\n\
                    {\"create\":{\"_id\":\"a\",\"_index\":\"j\"}}\n{}\n";
        let (tally, answer) = answer_to(body, "filter_path=took", &mut Ids::default());
        assert_eq!(tally.unwrap().documents, 2);
        assert_eq!(answer, r#"{"took":1}"#);
    }

    #[test]
    fn a_body_that_is_no_bulk_body_is_refused_whole() {
        for (body, reason) in [
            ("", "The bulk request must be terminated by a newline [\\n]"),
            ("{\"create\":{}}\n{}", "The bulk request must be terminated by a newline [\\n]"),
            ("{\"create\":{}}\n", "Validation Failed: 1: no requests added;"),
            ("{\"delete\":{}}\n{}\n", "Malformed action/metadata line, expected [create]"),
            ("<html>\n\n", "Malformed action/metadata line, expected START_OBJECT"),
        ] {
            let (tally, answer) = answer_to(body, "", &mut Ids::default());
            assert_eq!((tally, answer.as_str()), (Err(Refusal(reason)), ""), "{body}");
        }
    }

    #[test]
    fn filter_patterns_match_as_in_elasticsearch() {
        let none = Filter::from_query("filter_path=nothing");
        for (query, expected) in [
            ("filter_path=errors", Filter { errors: true, ..none }),
            ("a=b&filter_path=items.*.st*s", Filter { status: true, ..none }),
            (
                "filter_path=**.error,took",
                Filter { took: true, error_type: true, error_reason: true, ..none },
            ),
            (
                "filter_path=errors%2Citems.%2A.error.type",
                Filter { errors: true, error_type: true, ..none },
            ),
            ("filter_path=*,items", Filter::from_query("")),
        ] {
            assert_eq!(Filter::from_query(query), expected, "{query}");
        }
    }

    #[test]
    fn prebuilt_answers_have_an_item_for_each_document() {
        let mut prebuilt = Prebuilt::new(Filter::from_query("filter_path=errors,items.*.status"));
        for (count, expected) in [
            (0, r#"{"errors":false}"#),
            (1, r#"{"errors":false,"items":[{"create":{"status":201}}]}"#),
            (
                2,
                r#"{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}"#,
            ),
        ] {
            let mut answer = Vec::new();
            prebuilt.answer(count, &mut answer);
            assert_eq!(String::from_utf8(answer).unwrap(), expected);
        }
        let mut prebuilt = Prebuilt::new(Filter::from_query("filter_path=errors"));
        let mut answer = Vec::new();
        prebuilt.answer(9, &mut answer);
        assert_eq!(answer, br#"{"errors":false}"#);
    }
}
