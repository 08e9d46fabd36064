//! What becomes of documents that the server will never take: an index of their own, the spool, or nothing.

use super::Cluster;
use super::bulk::{Answer, Fault, Verdict, read_answer};
use super::client::BulkBody;
use crate::disk::Disk;
use crate::position::Outcome;
use crate::settings::DeadLetterTo;
use crate::spool::SpoolError;
use bytes::Bytes;
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::runtime::Handle;
use tracing::{error, warn};

/// Pause between two looks for letters that are too old.
const EXPIRE_EVERY: Duration = Duration::from_hours(1);

/// A bulk item (action and document), and why it is dead.
pub(super) type Dead<'d> = (&'d [u8], &'d Fault);

/// Where dead letters are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Buried {
    /// In the spool.
    Kept(PathBuf),
    /// In this index, or in the spool where it did not take them.
    Stored(String),
    /// Nowhere.
    Dropped,
}

/// Why dead letters are nowhere yet.
#[derive(Debug)]
pub(super) enum Unburied {
    /// The spool does not take them.
    Spool(PathBuf, SpoolError),
    /// Their index does not take them now.
    Later(String, Option<Duration>),
}

impl Buried {
    /// Returns how their bytes have ended.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Kept(_) | Self::Stored(_) => Outcome::DeadLettered,
            Self::Dropped => Outcome::Lost,
        }
    }

    /// Says in the log what became of them; `more` is what the last line ends with.
    pub(super) fn tell(&self, letters: &[Dead<'_>], more: &str) {
        let Some((item, fault)) = letters.first() else { return };
        let (documents, status, kind) = (letters.len(), fault.status, &fault.kind);
        match self {
            Self::Kept(_) => warn!(
                documents,
                status,
                kind,
                "the server refuses documents for ever, they are kept as dead letters: {}{more}",
                fault.reason
            ),
            Self::Stored(index) => warn!(
                documents,
                status,
                kind,
                "the server refuses documents for ever, they are dead letters in `{index}` now: {}{more}",
                fault.reason
            ),
            Self::Dropped => error!(
                documents,
                status,
                kind,
                first = String::from_utf8_lossy(
                    memchr::memchr(b'\n', item).map_or(item, |at| &item[..at])
                )
                .as_ref(),
                hint = "leave `non_indexable_policy.drop` out, and they are kept as dead letters",
                "the server refuses documents for ever, they are dropped, as the configuration says: {}{more}",
                fault.reason
            ),
        }
    }
}

impl<D: Disk + Sync> Cluster<D> {
    /// Finds a place for dead letters; all or none. Blocks, also for an answer of the server: to be called where a
    /// thread of the runtime may be blocked.
    pub(super) fn bury(&self, host: usize, letters: &[Dead<'_>]) -> Result<Buried, Unburied> {
        let now = Timestamp::now();
        match &self.settings.dead_letters.to {
            DeadLetterTo::Nowhere => Ok(Buried::Dropped),
            DeadLetterTo::Spool => self.keep(now, letters).map(Buried::Kept),
            DeadLetterTo::Index(index) => {
                let refused = Handle::current().block_on(self.store(host, index, now, letters))?;
                if !refused.is_empty() {
                    self.keep(now, &refused)?;
                }
                Ok(Buried::Stored(index.clone()))
            }
        }
    }

    fn keep(&self, now: Timestamp, letters: &[Dead<'_>]) -> Result<PathBuf, Unburied> {
        let mut spool = self.dead_letters.lock().unwrap_or_else(PoisonError::into_inner);
        let path = spool.path().to_path_buf();
        match spool.keep(now, letters) {
            Ok(()) => Ok(path),
            Err(error) => Err(Unburied::Spool(path, error)),
        }
    }

    /// Stores letters in their index; returns those that it refuses.
    async fn store<'d>(
        &self,
        host: usize,
        index: &str,
        now: Timestamp,
        letters: &[Dead<'d>],
    ) -> Result<Vec<Dead<'d>>, Unburied> {
        let alone = self.settings.pipeline.is_some();
        let body = {
            let spool = self.dead_letters.lock().unwrap_or_else(PoisonError::into_inner);
            spool.items(now, letters, index, alone)
        };
        let url = format!("{}/_bulk", self.hosts.url(host));
        let body = BulkBody::Plain(Bytes::from(body));
        let later = |reason: String, after| {
            let text = format!("the index `{index}` takes no dead letters now: {reason}");
            Err(Unburied::Later(text, after))
        };
        let response = match self.client.bulk(&url, &body, letters.len()).await {
            Ok(response) => response,
            Err(error) => return later(error.reason, None),
        };
        let told = |fault: &Fault| {
            if let Some(more) = self.tells("letters refused") {
                warn!(
                    hint = "`shipper dlq list` shows them; check `dead_letter.index`, its mapping and the privileges on it",
                    "the index `{index}` refuses dead letters, they are kept in the spool: {fault}{more}"
                );
            }
        };
        match read_answer(response.status, &response.body, letters.len()) {
            Answer::AllStored => Ok(Vec::new()),
            Answer::Retry(reason) | Answer::Busy(reason) | Answer::TooMany(reason) => {
                later(reason, response.retry_after)
            }
            Answer::TooLarge => Ok(letters.to_vec()),
            Answer::Refused(fault) | Answer::Pause(fault) => {
                told(&fault);
                Ok(letters.to_vec())
            }
            Answer::Items(verdicts) => {
                let mut refused = Vec::new();
                for (letter, verdict) in letters.iter().zip(verdicts) {
                    match verdict {
                        Verdict::Stored | Verdict::Duplicate(_) => {}
                        Verdict::Retry | Verdict::Unavailable(_) => {
                            return later("it is busy".to_owned(), response.retry_after);
                        }
                        Verdict::Strike(fault) | Verdict::Pause(fault) | Verdict::Dead(fault) => {
                            if refused.is_empty() {
                                told(&fault);
                            }
                            refused.push(*letter);
                        }
                    }
                }
                Ok(refused)
            }
        }
    }

    /// Removes letters that are too old, now and every hour, for ever.
    pub(super) async fn expire_letters(&self) {
        loop {
            tokio::task::block_in_place(|| self.expire_now());
            tokio::time::sleep(EXPIRE_EVERY).await;
        }
    }

    fn expire_now(&self) {
        let mut spool = self.dead_letters.lock().unwrap_or_else(PoisonError::into_inner);
        match spool.expire(Timestamp::now()) {
            Ok(segments) if segments.is_empty() => {}
            Ok(segments) => {
                let bytes: u64 = segments.iter().map(|segment| segment.size).sum();
                warn!(
                    bytes,
                    segments = segments.len(),
                    "dead letters that are older than `dead_letter.max_age` are removed from `{}`",
                    spool.path().display()
                );
            }
            Err(error) => error!(
                hint = "check that this user may write there",
                "cannot remove old dead letters from `{}`: {error}",
                spool.path().display()
            ),
        }
    }
}
