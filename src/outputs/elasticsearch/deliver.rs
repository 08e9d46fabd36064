//! One batch on its way: requests until every item has its end, then it is settled.

use super::bulk::{Answer, Fault, Verdict, line_of, read_answer};
use super::client::{BatchBody, BulkBody};
use super::compress::{Compressed, Compressor};
use super::hosts::Failure;
use super::{Cluster, Prepared};
use crate::account::push_part;
use crate::batch::Batch;
use crate::disk::Disk;
use crate::host::random_bytes;
use crate::ledger::Note;
use crate::outputs::links::Shutdown;
use crate::outputs::retry::Schedule;
use crate::position::{Outcome, Part, Settled};
use crate::stats::Stats;
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tracing::{debug, warn};

/// Answers of 5xx (other than 503) to one item, while its neighbours pass, after which it is a dead letter.
const STRIKES_MAX: u8 = 10;

/// Items refused alone, with nothing stored meanwhile, after which it is no more the items that are suspected: to halve
/// a whole batch for nothing would be thousands of requests.
const REFUSED_ALONE_MAX: usize = 50;

/// Pause before another look whether the HTTP client has let go of a body.
const LOOK: Duration = Duration::from_millis(2);

/// A batch on its way.
///
/// Invariant: `open` holds disjoint ranges of items in order; items in neither `open` nor `again` have had their end.
pub(super) struct Delivery<D: Disk> {
    cluster: Arc<Cluster<D>>,
    batch: Arc<Batch>,
    /// The body of all items when it was compressed before.
    whole: Option<Compressed>,
    host: usize,
    shutdown: watch::Receiver<Shutdown>,
    open: VecDeque<Range<usize>>,
    again: Vec<usize>,
    strikes: Vec<u8>,
    /// Items that have not had their end.
    left: usize,
    /// Bytes of items that ended otherwise than by being stored.
    others: Vec<Part>,
    /// What the output had stored when this batch was first suspected to hold a culprit.
    stored_at_doubt: Option<u64>,
    /// Items of this round that were refused alone while nothing else was stored.
    refused_alone: usize,
    /// Counts the rounds that only repeat a part; the hosts have schedules of their own.
    schedule: Schedule,
    not_before: Option<Instant>,
    repeating: bool,
}

impl<D: Disk> Drop for Delivery<D> {
    fn drop(&mut self) {
        let left = i64::try_from(self.left).unwrap_or(i64::MAX);
        self.cluster.stats.sending.active.add(-left);
    }
}

/// How a round went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// Every item has had its end; the batch is settled.
    Settled,
    /// A part was taken, the rest is to be repeated.
    Rest,
    /// The stop has come first; nothing of it is settled.
    Stopped,
}

impl Round {
    pub(super) fn has_rest(self) -> bool {
        self == Self::Rest
    }
}

impl<D: Disk + Sync> Delivery<D> {
    pub(super) fn new(
        cluster: Arc<Cluster<D>>,
        prepared: Prepared,
        host: usize,
        shutdown: watch::Receiver<Shutdown>,
    ) -> Self {
        let Prepared { batch, body: whole } = prepared;
        let items = batch.items();
        let count = i64::try_from(items).unwrap_or(i64::MAX);
        cluster.stats.sending.total.add(items as u64);
        cluster.stats.sending.active.add(count);
        let host = host % cluster.hosts.count();
        let schedule = Schedule::new(cluster.settings.backoff);
        Self {
            cluster,
            open: VecDeque::from([0..items]),
            again: Vec::new(),
            strikes: vec![0; items],
            left: items,
            others: Vec::new(),
            stored_at_doubt: None,
            refused_alone: 0,
            schedule,
            not_before: None,
            repeating: false,
            batch,
            whole,
            host,
            shutdown,
        }
    }

    /// Sends everything once, repeating what was not taken at all, until only items of partly taken requests are left.
    pub(super) async fn first_round(&mut self, compressor: &Compressor) -> Round {
        while let Some(range) = self.open.front().cloned() {
            if !self.wait_for_host().await {
                return Round::Stopped;
            }
            let range = self.cut(range);
            self.request(range, compressor).await;
        }
        if self.again.is_empty() { self.settle() } else { Round::Rest }
    }

    /// Repeats until every item has had its end, or the stop has come.
    pub(super) async fn finish(mut self, compressor: &Compressor) {
        let _blocked = Blocked::new(Arc::clone(&self.cluster.stats));
        self.repeating = true;
        while self.wait_for_round().await && self.compact().await {
            if self.first_round(compressor).await != Round::Rest {
                break;
            }
        }
    }

    /// Waits until the rest may be repeated; `false` when the stop came first.
    async fn wait_for_round(&mut self) -> bool {
        let Some(until) = self.not_before.take() else { return true };
        let stopped = self.shutdown.wait_for(|how| *how != Shutdown::Running);
        tokio::select! {
            _ = stopped => false,
            () = tokio::time::sleep_until(until.into()) => true,
        }
    }

    fn settle(&mut self) -> Round {
        let ranges = self.batch.ranges.clone();
        let mut others = self.batch.others.clone();
        others.append(&mut self.others);
        let settled = Settled { ranges, outcome: Outcome::Stored, others };
        self.cluster.ledger.tell_quietly(Note::Settled(settled));
        Round::Settled
    }

    /// Waits until a connected host may be asked; `false` when the stop has come first.
    async fn wait_for_host(&mut self) -> bool {
        loop {
            let (host, wait) = self.cluster.hosts.choose(self.host, Instant::now());
            if let Some(until) = wait {
                let stopped = self.shutdown.wait_for(|how| *how != Shutdown::Running);
                tokio::select! {
                    _ = stopped => return false,
                    () = tokio::time::sleep_until(until.into()) => continue,
                }
            }
            self.host = host;
            if self.cluster.hosts.is_connected(host) || self.cluster.connect(host).await {
                return true;
            }
            if *self.shutdown.borrow() != Shutdown::Running {
                return false;
            }
        }
    }

    /// Cuts the first open range to what the host is known to take; returns what goes now.
    fn cut(&mut self, range: Range<usize>) -> Range<usize> {
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
    fn bytes(&self, range: &Range<usize>) -> Range<usize> {
        self.start(range.start) as usize..self.batch.item_ends[range.end - 1] as usize
    }

    /// Sends the items of `range`, which is the first open one, and acts on the answer.
    async fn request(&mut self, range: Range<usize>, compressor: &Compressor) {
        let cluster = Arc::clone(&self.cluster);
        let body = self.body(&range, compressor);
        let url = match &cluster.target {
            Some(target) => format!("{}/{target}/_bulk", cluster.hosts.url(self.host)),
            None => format!("{}/_bulk", cluster.hosts.url(self.host)),
        };
        let stats = &cluster.stats.sending;
        stats.batches.add(1);
        stats.write_bytes.add(body_bytes(&body) as u64);
        let begun = Instant::now();
        let answer = cluster.client.bulk(&url, &body, range.len()).await;
        if let BulkBody::Gzip(bytes) = body {
            compressor.recycle(bytes);
        }
        let latency_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        stats.latency_us.add(latency_us);
        match answer {
            Err(reason) => {
                stats.write_errors.add(1);
                self.failed(&Failure {
                    reason: &reason,
                    retry_after: None,
                    disconnects: true,
                    hint: None,
                });
                stats.failed.add(range.len() as u64);
            }
            Ok(response) => {
                stats.read_bytes.add(response.body.len() as u64);
                debug!(status = response.status, items = range.len(), latency_us, "bulk answered");
                if response.cut && (200..300).contains(&response.status) {
                    self.answer_too_long(range, response.body.len());
                    return;
                }
                let answer = read_answer(response.status, &response.body, range.len());
                self.take_answer(range, answer, response.retry_after);
            }
        }
    }

    fn body(&mut self, range: &Range<usize>, compressor: &Compressor) -> BulkBody {
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
        BulkBody::Gzip(compressor.compress(bytes))
    }

    fn take_answer(&mut self, range: Range<usize>, answer: Answer, retry_after: Option<Duration>) {
        let stats = &self.cluster.stats.sending;
        if matches!(answer, Answer::AllStored | Answer::Items(_)) {
            let bytes = self.bytes(&range).len();
            self.cluster.hosts.body_limit(self.host, |limit| limit.passed(bytes));
        }
        match answer {
            Answer::AllStored => {
                let count = range.len() as u64;
                self.cluster.stored.fetch_add(count, Ordering::Relaxed);
                self.count(count, 0, 0, 0, 0);
                self.open.pop_front();
                self.cluster.hosts.succeeded(self.host);
            }
            Answer::Items(verdicts) => self.take_verdicts(range, verdicts, retry_after),
            Answer::Retry(reason) => {
                stats.read_errors.add(1);
                stats.failed.add(range.len() as u64);
                self.failed(&Failure {
                    reason: &reason,
                    retry_after,
                    disconnects: false,
                    hint: None,
                });
            }
            Answer::Busy(reason) => {
                stats.failed.add(range.len() as u64);
                self.failed(&Failure {
                    reason: &reason,
                    retry_after,
                    disconnects: false,
                    hint: None,
                });
            }
            Answer::TooLarge => {
                let reason = "the server or a proxy before it takes no body of this size";
                let fault =
                    Fault { status: 413, kind: "413".to_owned(), reason: reason.to_owned() };
                self.too_large(range, fault);
            }
            Answer::Refused(fault) => self.refused(range, fault),
            Answer::Pause(fault) => self.pause(&fault),
        }
    }

    /// Gives every item its end, or puts it with those to be sent again.
    fn take_verdicts(
        &mut self,
        range: Range<usize>,
        verdicts: Vec<Verdict>,
        retry_after: Option<Duration>,
    ) {
        let (mut stored, mut duplicates, mut retries) = (0, 0, 0);
        let mut dead: Vec<(usize, Fault)> = Vec::new();
        let mut strikes: Vec<(usize, Fault)> = Vec::new();
        let mut pause: Option<Fault> = None;
        let mut again = Vec::new();
        for (item, verdict) in range.clone().zip(verdicts) {
            match verdict {
                Verdict::Stored => stored += 1,
                Verdict::Duplicate => {
                    duplicates += 1;
                    self.except(item, Outcome::AlreadyStored);
                }
                Verdict::Retry => {
                    retries += 1;
                    again.push(item);
                }
                Verdict::Strike(fault) => strikes.push((item, fault)),
                Verdict::Dead(fault) => dead.push((item, fault)),
                Verdict::Pause(fault) => {
                    again.push(item);
                    pause = Some(fault);
                }
            }
        }
        let stored_before = self.cluster.stored.fetch_add(stored + duplicates, Ordering::Relaxed);
        for (item, fault) in strikes {
            self.stored_at_doubt.get_or_insert(stored_before);
            self.strikes[item] = self.strikes[item].saturating_add(1);
            if STRIKES_MAX <= self.strikes[item] && self.neighbours_pass() {
                dead.push((item, fault));
            } else {
                again.push(item);
            }
        }
        let kept = dead.is_empty() || self.keep_dead(&dead);
        if !kept {
            again.extend(dead.iter().map(|(item, _)| *item));
            dead.clear();
        }
        let nothing_taken = again.len() == range.len() && !range.is_empty();
        self.count(stored, duplicates, retries, dead.len() as u64, again.len() as u64);
        self.open.pop_front();
        let reason = format!("{} of {} items are to be repeated", again.len(), range.len());
        if let Some(fault) = &pause {
            self.pause(fault);
        } else if nothing_taken && kept && !self.repeating {
            // Other batches would fare no better.
            self.failed(&Failure { reason: &reason, retry_after, disconnects: false, hint: None });
        } else {
            // What is repeated in vain, or waits for room for its dead letters, proves nothing of the host.
            if kept && !nothing_taken {
                self.cluster.hosts.succeeded(self.host);
            }
            if !again.is_empty() {
                debug!("{reason}");
                self.rest(retry_after);
            }
        }
        self.again.extend(again);
    }

    /// Lets what is to be repeated wait, and nothing else.
    fn rest(&mut self, retry_after: Option<Duration>) {
        let until = Instant::now() + self.schedule.failed(random(), retry_after);
        self.not_before = Some(self.not_before.map_or(until, |at| at.max(until)));
    }

    /// Tells whether anything was stored since this batch was first suspected: only then is it the document's own
    /// fault, and not the server's or the set-up's.
    fn neighbours_pass(&self) -> bool {
        let stored = self.cluster.stored.load(Ordering::Relaxed);
        self.stored_at_doubt.is_some_and(|then| then < stored)
    }

    /// Looks for the document that spoils a request; while nothing passes at all, it is the request that is at fault.
    fn refused(&mut self, range: Range<usize>, fault: Fault) {
        self.stored_at_doubt.get_or_insert(self.cluster.stored.load(Ordering::Relaxed));
        let may_seek = self.refused_alone < REFUSED_ALONE_MAX || self.neighbours_pass();
        if if range.len() == 1 { self.neighbours_pass() } else { may_seek } {
            self.halve(range, fault);
            return;
        }
        let stats = &self.cluster.stats.sending;
        stats.failed.add(range.len() as u64);
        if self.refused_alone == 0 {
            warn!(
                hint = fault.advice(),
                kind = fault.kind,
                "the server refuses requests as a whole, they are repeated: {}",
                fault.reason
            );
        }
        self.refused_alone += range.len();
        self.open.pop_front();
        self.again.extend(range);
        if self.open.is_empty() {
            self.rest(None);
        }
    }

    fn count(&mut self, stored: u64, duplicates: u64, toomany: u64, dead: u64, again: u64) {
        let stats = &self.cluster.stats.sending;
        stats.acked.add(stored);
        stats.duplicates.add(duplicates);
        stats.toomany.add(toomany);
        stats.dead_letters.add(dead);
        stats.failed.add(again);
        let ended = stored + duplicates + dead;
        stats.active.add(-i64::try_from(ended).unwrap_or(i64::MAX));
        self.left = self.left.saturating_sub(usize::try_from(ended).unwrap_or(usize::MAX));
    }

    /// Notes that an item has ended otherwise than by being stored. One without an id of ours is not told apart.
    fn except(&mut self, item: usize, outcome: Outcome) {
        if let Some((epoch, bytes)) = line_of(self.batch.item(item)) {
            push_part(&mut self.others, Part { epoch, outcome, bytes });
        }
    }

    /// Saves dead letters; `false` when they could not be, and then they are none.
    fn keep_dead(&mut self, dead: &[(usize, Fault)]) -> bool {
        let time = jiff::Timestamp::now().to_string();
        let letters: Vec<(&[u8], &Fault)> =
            dead.iter().map(|(item, fault)| (self.batch.item(*item), fault)).collect();
        let kept = tokio::task::block_in_place(|| {
            let mut file = self.cluster.dead_letters.lock().unwrap_or_else(PoisonError::into_inner);
            file.keep(&time, &letters).map_err(|error| (error, file.path().to_path_buf()))
        });
        let (_, fault) = &dead[0];
        match kept {
            Ok(()) => {
                for (item, _) in dead {
                    self.except(*item, Outcome::DeadLettered);
                }
                if let Some(more) = self.tells(dead.len()) {
                    warn!(
                        documents = dead.len(),
                        status = fault.status,
                        kind = fault.kind,
                        "the server refuses documents for ever, they are kept as dead letters: {}{more}",
                        fault.reason
                    );
                }
                true
            }
            Err((error, path)) => {
                let reason = format!("cannot keep dead letters in `{}`: {error}", path.display());
                let hint = "make room, or move that file away; nothing is dropped meanwhile";
                self.cluster.hosts.paused(self.host, &reason, hint, random(), Instant::now());
                false
            }
        }
    }

    /// Tells whether `documents` dead letters are worth a line now, and what it is to end with: those that are refused
    /// one by one, as a proxy does with 413, would give one each.
    fn tells(&self, documents: usize) -> Option<String> {
        if 1 < documents {
            return Some(String::new());
        }
        let limiter = &self.cluster.refused_alone;
        let mut limiter = limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.admit(Instant::now()).map(|suppressed| suppressed.to_string())
    }

    /// Learns what the host takes: the rest of the batch, and later ones, are cut to that size.
    fn too_large(&mut self, range: Range<usize>, fault: Fault) {
        let bytes = self.bytes(&range).len();
        self.cluster.hosts.body_limit(self.host, |limit| limit.refused(bytes));
        if range.len() == 1 {
            self.halve(range, fault);
        } else if let Some(next) = self.open.get(1).cloned()
            && next.start == range.end
        {
            // The pieces of what is left are to be of equal size again.
            self.open.pop_front();
            self.open[0] = range.start..next.end;
        }
    }

    /// Asks again for half as many items, whose answer may be read whole; what was stored is answered as a duplicate.
    fn answer_too_long(&mut self, range: Range<usize>, read: usize) {
        let stats = &self.cluster.stats.sending;
        stats.read_errors.add(1);
        stats.failed.add(range.len() as u64);
        let reason = format!(
            "the answer to {} items is longer than {} KiB, which is all that is read of it",
            range.len(),
            read >> 10
        );
        let (retry_after, hint) = (None, None);
        self.failed(&Failure { reason: &reason, retry_after, disconnects: false, hint });
        if 1 < range.len() {
            self.split(range);
        }
    }

    /// Halves a request that is refused as a whole, until the culprit is alone.
    fn halve(&mut self, range: Range<usize>, fault: Fault) {
        if range.len() == 1 {
            if self.keep_dead(&[(range.start, fault)]) {
                self.open.pop_front();
                self.count(0, 0, 0, 1, 0);
            }
            return;
        }
        self.split(range);
    }

    /// Makes two of the first open range.
    fn split(&mut self, range: Range<usize>) {
        let middle = range.start + range.len() / 2;
        self.open.pop_front();
        self.open.push_front(middle..range.end);
        self.open.push_front(range.start..middle);
    }

    fn failed(&self, failure: &Failure<'_>) {
        self.cluster.hosts.failed(self.host, *failure, random(), Instant::now());
    }

    fn pause(&self, fault: &Fault) {
        let reason = fault.to_string();
        self.cluster.hosts.paused(self.host, &reason, fault.advice(), random(), Instant::now());
    }

    /// Moves the items to be sent again to the front of the buffer; `false` when the stop came first.
    async fn compact(&mut self) -> bool {
        loop {
            if let Some(batch) = Arc::get_mut(&mut self.batch) {
                let mut again = std::mem::take(&mut self.again);
                again.sort_unstable();
                self.refused_alone = 0;
                batch.retain(|item| again.binary_search(&item).is_ok());
                self.strikes = again.iter().map(|item| self.strikes[*item]).collect();
                self.open = VecDeque::from([0..batch.items()]);
                return true;
            }
            // After a timeout the HTTP client may hold the body for a moment longer.
            let aborted = self.shutdown.wait_for(|how| *how == Shutdown::Abort);
            tokio::select! {
                _ = aborted => return false,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

/// Counts a batch as blocked.
struct Blocked(Arc<Stats>);

impl Blocked {
    fn new(stats: Arc<Stats>) -> Self {
        stats.sending.blocked.add(1);
        Self(stats)
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        self.0.sending.blocked.add(-1);
    }
}

fn body_bytes(body: &BulkBody) -> usize {
    match body {
        BulkBody::Plain(bytes) => bytes.len(),
        BulkBody::Gzip(bytes) => bytes.bytes().len(),
    }
}

/// Returns a number in 0..1.
fn random() -> f64 {
    f64::from(u32::from_ne_bytes(random_bytes())) / (f64::from(u32::MAX) + 1.0)
}
