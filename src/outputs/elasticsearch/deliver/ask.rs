//! Asking: which host, with how much, and for how long its answer is waited for.

use super::Delivery;
use crate::disk::Disk;
use crate::outputs::elasticsearch::bulk::read_answer;
use crate::outputs::elasticsearch::client::{BatchBody, BulkBody, NoAnswer, Response};
use crate::outputs::elasticsearch::hosts::{Choice, Failure, FailureKind, Turn};
use crate::outputs::links::Shutdown;
use crate::stats::retries::Reason;
use bytes::Bytes;
use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tracing::debug;

/// Silence after which a host, when there are others, is asked whether it is there at all.
const SILENCE: Duration = Duration::from_secs(10);

impl<D: Disk + Sync> Delivery<D> {
    /// Waits until a host may be asked; `None` when the stop has come first.
    ///
    /// A stop waits for no pause, but for a place that is taken, and for the first word of a host that was not heard yet.
    pub(super) async fn wait_for_turn(&mut self) -> Option<Turn> {
        let cluster = Arc::clone(&self.cluster);
        let mut changes = cluster.hosts.changes();
        loop {
            changes.borrow_and_update();
            let now = Instant::now();
            let own = self.wait_until.filter(|at| now < *at);
            let (until, soon) = match own {
                Some(at) => (Some(at), false),
                None => match cluster.hosts.choose(self.repeating, now) {
                    Choice::Ask(turn) => return Some(turn),
                    Choice::Wait { until, soon } => (until, soon),
                },
            };
            let patience = if soon { Shutdown::Stop } else { Shutdown::Running };
            let stopped = self.shutdown.wait_for(|how| !patience.covers(*how));
            let over = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = stopped => return None,
                _ = changes.changed(), if own.is_none() => {}
                () = over => {}
            }
        }
    }

    /// Cuts the first open range to what the host is known to take; returns what goes now.
    pub(super) fn cut(&mut self, range: Range<usize>) -> Range<usize> {
        let ends = &self.batch.item_ends[range.clone()];
        let start = self.start(range.start);
        let count = self.cluster.hosts.body_limit(self.host, |limit| limit.cut(ends, start));
        let now = range.start..range.start + count;
        if now.end < range.end {
            self.open.pop_front();
            self.open.push_front(now.end..range.end);
            self.open.push_front(now.clone());
        }
        now
    }

    /// Returns where an item starts in the buffer.
    fn start(&self, item: usize) -> u32 {
        if item == 0 { 0 } else { self.batch.item_ends[item - 1] }
    }

    /// Returns the bytes of items, not compressed.
    pub(super) fn bytes(&self, range: &Range<usize>) -> Range<usize> {
        self.start(range.start) as usize..self.batch.item_ends[range.end - 1] as usize
    }

    /// Sends the items of `range`, which is the first open one, and acts on the answer.
    pub(super) async fn request(&mut self, range: Range<usize>, turn: Turn) {
        let cluster = Arc::clone(&self.cluster);
        let body = self.body(&range);
        let stats = &cluster.stats.sending;
        stats.batches.add(1);
        stats.write_bytes.add(body_bytes(&body) as u64);
        self.keep_to_bandwidth(body_bytes(&body)).await;
        let begun = Instant::now();
        let answer = self.answer(&body, range.len()).await;
        if let BulkBody::Gzip(bytes) = body {
            cluster.compressor.recycle(bytes);
        }
        let took = begun.elapsed();
        stats.latency.add(took);
        match answer {
            Err(NoAnswer { reason, refused }) => {
                stats.write_errors.add(1);
                stats.retries.add(Reason::Connection, range.len() as u64);
                let kind = if refused { FailureKind::Refused } else { FailureKind::Broken };
                if !refused {
                    cluster.hosts.silent(turn, self.bytes(&range).len(), Instant::now());
                }
                let (retry_after, hint) = (None, None);
                self.failed(&Failure { kind, reason: &reason, retry_after, hint });
                cluster.hosts.ended(turn, None, Instant::now());
            }
            Ok(response) => {
                stats.read_bytes.add(response.body.len() as u64);
                let latency_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                debug!(status = response.status, items = range.len(), latency_us, "bulk answered");
                let bytes = self.bytes(&range).len();
                let is_good = (200..300).contains(&response.status);
                if response.cut && is_good {
                    self.answer_too_long(range, response.body.len());
                } else {
                    let answer = read_answer(response.status, &response.body, range.len());
                    let item = |at: usize| self.batch.item(range.start + at);
                    let answer = cluster.tell_apart(self.host, item, answer).await;
                    self.take_answer(range, turn, answer, response.retry_after);
                }
                let taken = is_good.then_some((bytes, took));
                cluster.hosts.ended(turn, taken, Instant::now());
            }
        }
    }

    /// Waits until so many bytes may be sent.
    async fn keep_to_bandwidth(&mut self, bytes: usize) {
        let Some(meter) = &self.cluster.bandwidth else { return };
        let units = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        let wait =
            meter.lock().unwrap_or_else(PoisonError::into_inner).spend(units, Instant::now());
        let aborted = self.shutdown.wait_for(|how| *how == Shutdown::Abort);
        // Who has nobody to stop it waits all the same.
        let _ = tokio::time::timeout(wait, aborted).await;
    }

    /// Waits for the answer; where other hosts are, not for one of a host that does not answer anything any more.
    async fn answer(&self, body: &BulkBody, items: usize) -> Result<Response, NoAnswer> {
        let cluster = &self.cluster;
        let base = cluster.hosts.url(self.host);
        let url = cluster.bulk_url(self.host);
        let bulk = cluster.client.bulk(&url, body, items);
        // What is given up may have been stored; only with ids is it not stored again.
        if cluster.hosts.count() == 1 || !cluster.settings.document_id {
            return bulk.await;
        }
        tokio::pin!(bulk);
        let silence = SILENCE.min(cluster.settings.timeout / 8);
        let begun = Instant::now();
        loop {
            tokio::select! {
                answer = &mut bulk => return answer,
                () = tokio::time::sleep(silence) => {}
            }
            let answers = tokio::select! {
                answer = &mut bulk => return answer,
                answers = cluster.client.probe(base) => answers,
            };
            if !answers {
                let seconds = begun.elapsed().as_secs();
                let reason = format!("no answer for {seconds} s, nor to the question who is there");
                return Err(NoAnswer { reason, refused: true });
            }
        }
    }

    fn body(&mut self, range: &Range<usize>) -> BulkBody {
        let bytes = self.bytes(range);
        if self.cluster.settings.compression_level == 0 {
            let all = Bytes::from_owner(BatchBody(Arc::clone(&self.batch)));
            return BulkBody::Plain(all.slice(bytes));
        }
        if let Some(whole) = self.whole.take()
            && range.len() == self.batch.items()
        {
            return BulkBody::Gzip(whole);
        }
        let bytes = &self.batch.buffer.bytes()[bytes];
        BulkBody::Gzip(self.cluster.compressor.compress(bytes))
    }
}

fn body_bytes(body: &BulkBody) -> usize {
    match body {
        BulkBody::Plain(bytes) => bytes.len(),
        BulkBody::Gzip(bytes) => bytes.bytes().len(),
    }
}
