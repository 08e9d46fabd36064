//! Duplicates that are none: a document is stored under the id of a line, and it is another line's.
//!
//! Ids say which bytes of which epoch a line is. Two machines that go on with one registry, and have one machine id, come
//! to the same ids for other bytes. Only the server knows: what is stored there is asked for, where reading is allowed.
//! A line whose document would be hidden by another one is sent under an id that has a hash of it as well, so that a
//! replay comes to the same id. Wherever nothing can be said for certain, a duplicate is what it is taken for: stored.

use super::Cluster;
use super::bulk::{Answer, Verdict, line_of, read_answer};
use super::client::BulkBody;
use super::hosts::TELL_EVERY;
use crate::disk::Disk;
use crate::json_text::push_digits;
use crate::logging::limiter::Limiter;
use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::{debug, error};

/// Bytes of items that are looked at in one request. Larger ones are not looked at.
const CHUNK_BYTES: usize = 128 << 10;

/// Longest wait for the stored documents.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause before the next look after one that was refused or not answered.
const LOOK_AGAIN: Duration = Duration::from_mins(5);

/// What is known of looking at stored documents.
pub(super) struct Looks {
    /// When they may be asked for again.
    after: Mutex<Option<Instant>>,
    told: Mutex<Limiter>,
}

/// A duplicate that is to be looked at.
#[derive(Debug)]
pub(super) struct Suspect<'b> {
    /// Its place among the verdicts.
    at: usize,
    item: &'b [u8],
    /// The index that has the document.
    index: &'b str,
    id: Cow<'b, str>,
    message: Cow<'b, str>,
}

#[derive(Deserialize)]
struct Action<'i> {
    #[serde(borrow)]
    create: Target<'i>,
}

#[derive(Deserialize)]
struct Target<'i> {
    #[serde(borrow, rename = "_id")]
    id: Cow<'i, str>,
    pipeline: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Document<'i> {
    #[serde(borrow)]
    message: Cow<'i, str>,
}

/// Answer to the question for documents.
#[derive(Deserialize)]
struct Found {
    docs: Vec<Stored>,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_source")]
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    message: Option<String>,
}

/// Settings of an index, as far as they say whether it changes documents.
#[derive(Deserialize)]
struct IndexSettings {
    settings: Settings,
}

#[derive(Deserialize)]
struct Settings {
    index: Pipelines,
}

#[derive(Deserialize)]
struct Pipelines {
    default_pipeline: Option<String>,
    final_pipeline: Option<String>,
}

impl Looks {
    pub(super) fn new() -> Self {
        Self { after: Mutex::default(), told: Mutex::new(Limiter::once_per(TELL_EVERY)) }
    }

    fn may(&self, now: Instant) -> bool {
        self.after.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|after| after <= now)
    }

    /// Notes that there is no use in asking for a while.
    fn in_vain(&self, reason: &str) {
        debug!("documents that are stored cannot be looked at: {reason}");
        let until = Instant::now() + LOOK_AGAIN;
        *self.after.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}

impl<'b> Suspect<'b> {
    /// Takes an item apart; `None` where its line could not be compared: it is too large, has no `message`, goes
    /// through a pipeline of its own, or has brought its id (`document_id`), which says what belongs together.
    pub(super) fn of(at: usize, item: &'b [u8], index: &'b str) -> Option<Self> {
        if CHUNK_BYTES < item.len() || line_of(item).is_none() {
            return None;
        }
        let (action, document) = item.split_at(memchr::memchr(b'\n', item)?);
        let Action { create: Target { id, pipeline } } = serde_json::from_slice(action).ok()?;
        let Document { message } = serde_json::from_slice(document).ok()?;
        pipeline.is_none().then_some(Self { at, item, index, id, message })
    }

    /// Returns the item under an id of its own.
    fn renamed(&self) -> Option<Vec<u8>> {
        const NAME: &[u8] = b"\"_id\":\"";
        let end = memchr::memchr(b'\n', self.item)?;
        let start = memchr::memmem::rfind(&self.item[..end], NAME)? + NAME.len();
        let quote = start + memchr::memchr(b'"', &self.item[start..end])?;
        let mut renamed = Vec::with_capacity(self.item.len() + 12);
        renamed.extend_from_slice(&self.item[..quote]);
        renamed.push(b'.');
        push_digits(&mut renamed, xxhash_rust::xxh3::xxh3_64(self.message.as_bytes()));
        renamed.extend_from_slice(&self.item[quote..]);
        Some(renamed)
    }

    /// Tells whether a stored document is of another line.
    fn differs_from(&self, stored: &Stored) -> bool {
        let message = stored.source.as_ref().and_then(|source| source.message.as_deref());
        stored.id == self.id && message.is_some_and(|message| message != self.message)
    }
}

/// Returns the duplicates from `next` on that are looked at in one request.
fn chunk<'v, 'i: 'v>(
    verdicts: &'v [Verdict],
    next: &mut usize,
    item: &impl Fn(usize) -> &'i [u8],
) -> Vec<Suspect<'v>> {
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    while let Some(verdict) = verdicts.get(*next) {
        if let Verdict::Duplicate(Some(index)) = verdict
            && let Some(suspect) = Suspect::of(*next, item(*next), index)
        {
            bytes += suspect.item.len();
            if CHUNK_BYTES < bytes {
                break;
            }
            chunk.push(suspect);
        }
        *next += 1;
    }
    chunk
}

impl<D: Disk + Sync> Cluster<D> {
    /// Looks what is stored where duplicates were answered; what is hidden by the document of another line is sent
    /// under an id of its own, and has its verdict then.
    pub(super) async fn tell_apart<'b>(
        &self,
        host: usize,
        item: impl Fn(usize) -> &'b [u8] + Send + Sync,
        answer: Answer,
    ) -> Answer {
        let Answer::Items(mut verdicts) = answer else { return answer };
        let changes = self.settings.pipeline.is_some()
            || self.settings.parameters.iter().any(|(name, _)| name == "pipeline");
        if changes || !self.looks.may(Instant::now()) {
            return Answer::Items(verdicts);
        }
        let (mut ends, mut next) = (Vec::new(), 0);
        loop {
            let suspects = chunk(&verdicts, &mut next, &item);
            if suspects.is_empty() {
                break;
            }
            let Some(collisions) = self.collisions(host, suspects).await else { break };
            ends.extend(self.send_renamed(host, &collisions).await);
        }
        for (at, verdict) in ends {
            verdicts[at] = verdict;
        }
        Answer::Items(verdicts)
    }

    /// Returns those that are of another line than what is stored; `None` when there is no use in asking.
    async fn collisions<'b>(
        &self,
        host: usize,
        suspects: Vec<Suspect<'b>>,
    ) -> Option<Vec<Suspect<'b>>> {
        let wanted: Vec<_> = suspects
            .iter()
            .map(|one| json!({"_index": one.index, "_id": one.id, "_source": ["message"]}))
            .collect();
        let path = "/_mget?filter_path=docs._id,docs._source";
        let question = json!({"docs": wanted}).to_string();
        let found = self.look::<Found>(host, Method::POST, path, Some(question)).await?;
        if found.docs.len() != suspects.len() {
            self.looks.in_vain("the answer has another number of documents");
            return None;
        }
        if found.docs.iter().all(|stored| stored.source.is_none()) {
            self.looks.in_vain("no document was returned");
            return None;
        }
        let pairs = suspects.into_iter().zip(&found.docs);
        let differing = pairs.filter(|(suspect, stored)| suspect.differs_from(stored));
        let mut collisions = Vec::new();
        let mut plain: BTreeMap<&str, bool> = BTreeMap::new();
        for (suspect, _) in differing {
            if !plain.contains_key(suspect.index) {
                plain.insert(suspect.index, self.is_plain(host, suspect.index).await?);
            }
            if plain[suspect.index] {
                collisions.push(suspect);
            }
        }
        Some(collisions)
    }

    /// Tells whether an index stores documents as they are sent: what a pipeline has changed is not compared.
    async fn is_plain(&self, host: usize, index: &str) -> Option<bool> {
        let path = format!("/{index}/_settings/index.default_pipeline,index.final_pipeline");
        let all: BTreeMap<String, IndexSettings> =
            self.look(host, Method::GET, &path, None).await?;
        let none = |name: Option<&String>| name.is_none_or(|name| name == "_none");
        Some(all.values().all(|IndexSettings { settings: Settings { index } }| {
            none(index.default_pipeline.as_ref()) && none(index.final_pipeline.as_ref())
        }))
    }

    /// Asks a question; notes when there is no use in asking.
    async fn look<T: serde::de::DeserializeOwned>(
        &self,
        host: usize,
        method: Method,
        path: &str,
        json: Option<String>,
    ) -> Option<T> {
        let url = format!("{}{path}", self.hosts.url(host));
        let asked = tokio::time::timeout(PATIENCE, self.client.call(method, &url, json)).await;
        let reason = match asked {
            Err(_) => "no answer in time".to_owned(),
            Ok(Err(none)) => none.reason,
            Ok(Ok(response)) if response.status != 200 => format!("status {}", response.status),
            Ok(Ok(response)) => match serde_json::from_slice(&response.body) {
                Ok(found) => return Some(found),
                Err(error) => error.to_string(),
            },
        };
        self.looks.in_vain(&reason);
        None
    }

    /// Sends documents under ids of their own; returns their verdicts.
    async fn send_renamed(&self, host: usize, collisions: &[Suspect<'_>]) -> Vec<(usize, Verdict)> {
        let Some(first) = collisions.first() else { return Vec::new() };
        self.tell_collisions(first, collisions.len());
        let mut body = Vec::new();
        let mut sent = Vec::new();
        for suspect in collisions {
            if let Some(renamed) = suspect.renamed() {
                body.extend(renamed);
                sent.push(suspect.at);
            }
        }
        let url = self.bulk_url(host);
        let body = BulkBody::Plain(Bytes::from(body));
        let answer = match self.client.bulk(&url, &body, sent.len()).await {
            Ok(response) => read_answer(response.status, &response.body, sent.len()),
            Err(none) => Answer::Retry(none.reason),
        };
        let verdicts = match answer {
            Answer::AllStored => vec![Verdict::Stored; sent.len()],
            Answer::Items(verdicts) => verdicts,
            // They are sent once more as they were, and are found to be hidden again.
            _ => vec![Verdict::Retry; sent.len()],
        };
        sent.into_iter().zip(verdicts).collect()
    }

    fn tell_collisions(&self, first: &Suspect<'_>, documents: usize) {
        let mut told = self.looks.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(suppressed) = told.admit(Instant::now()) else { return };
        error!(
            documents,
            hint = "two machines go on with one registry, as a clone and its original do: give each its own \
                    /etc/machine-id, and restart the clone",
            "in `{}` another document is stored under the id `{}`; the line is sent under an id of its \
             own{suppressed}",
            first.index,
            first.id,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: &[u8] =
        b"{\"create\":{\"_index\":\"a\",\"_id\":\"AAAAAAAAAAAAAAAA.A.B\"}}\n{\"message\":\"one \\\"1\\\"\"}\n";

    #[test]
    fn every_kind_of_stored_document() {
        let suspect = Suspect::of(0, ITEM, ".ds-a-1").unwrap();
        for (stored, differs) in [
            (r#"{"_id":"AAAAAAAAAAAAAAAA.A.B","_source":{"message":"one \"1\""}}"#, false),
            (r#"{"_id":"AAAAAAAAAAAAAAAA.A.B","_source":{"message":"another"}}"#, true),
            (r#"{"_id":"AAAAAAAAAAAAAAAA.A.B","_source":{"message":""}}"#, true),
            (r#"{"_id":"AAAAAAAAAAAAAAAA.A.B","_source":{}}"#, false),
            (r#"{"_id":"AAAAAAAAAAAAAAAA.A.B"}"#, false),
            (r#"{"_id":"y","_source":{"message":"another"}}"#, false),
        ] {
            let found: Stored = serde_json::from_str(stored).unwrap();
            assert_eq!(suspect.differs_from(&found), differs, "{stored}");
        }
    }

    #[test]
    fn only_what_can_be_compared_is_suspected() {
        let item = |action: &str, document: &str| format!("{action}\n{document}\n").into_bytes();
        let plain = r#"{"create":{"_id":"AAAAAAAAAAAAAAAA.A.B"}}"#;
        let long = format!("{{\"message\":\"{}\"}}", "x".repeat(CHUNK_BYTES));
        for (bytes, suspected) in [
            (item(plain, r#"{"message":"m"}"#), true),
            (item(plain, r#"{"message":1}"#), false),
            (item(plain, r#"{"text":"m"}"#), false),
            (item(r#"{"create":{}}"#, r#"{"message":"m"}"#), false),
            (
                item(
                    r#"{"create":{"_id":"AAAAAAAAAAAAAAAA.A.B","pipeline":"p"}}"#,
                    r#"{"message":"m"}"#,
                ),
                false,
            ),
            // The line has said what its id is.
            (item(r#"{"create":{"_id":"own"}}"#, r#"{"message":"m"}"#), false),
            (item(plain, &long), false),
        ] {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]);
            assert_eq!(Suspect::of(0, &bytes, "a").is_some(), suspected, "{text}");
        }
    }

    #[test]
    fn id_of_its_own_is_the_same_at_each_replay() {
        let id = "AAAAAAAAAAAAAAAA.BA.C5";
        let item = format!("{{\"create\":{{\"_id\":\"{id}\"}}}}\n{{\"message\":\"m\"}}\n");
        let renamed = Suspect::of(0, item.as_bytes(), "a").unwrap().renamed().unwrap();
        assert_eq!(renamed, Suspect::of(0, item.as_bytes(), "b").unwrap().renamed().unwrap());
        let text = String::from_utf8(renamed).unwrap();
        assert!(text.starts_with(&format!("{{\"create\":{{\"_id\":\"{id}.")), "{text}");
        assert!(text.ends_with("\"}}\n{\"message\":\"m\"}\n"), "{text}");
    }
}
