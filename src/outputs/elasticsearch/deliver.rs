//! One batch on its way: requests until every item has its end, then it is settled.

mod ask;
mod detour;
mod verdicts;

use super::bulk::{Answer, Fault, line_of};
use super::burial::{Dead, Unburied};
use super::compress::Compressed;
use super::hosts::{Failure, FailureKind, Turn};
use super::{Cluster, Prepared};
use crate::account::push_part;
use crate::batch::Batch;
use crate::disk::Disk;
use crate::host::random_bytes;
use crate::ledger::Note;
use crate::outputs::links::Shutdown;
use crate::outputs::retry::Schedule;
use crate::position::{Outcome, Part, Settled};
use crate::settings::DeadLetterTo;
use crate::stats::Stats;
use crate::stats::retries::Reason;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tracing::warn;

/// Items refused alone, with nothing stored meanwhile, after which it is no more the items that are suspected: to halve
/// a whole batch for nothing would be thousands of requests.
const REFUSED_ALONE_MAX: usize = 50;

/// A body below that is too large for no server: one that refuses it as such refuses all, until somebody mends it.
const TOO_LARGE_LEAST: usize = 64 << 10;

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
    /// The host that was asked last, and when.
    host: usize,
    begun: Instant,
    /// When the next request may follow one that failed alone.
    wait_until: Option<Instant>,
    shutdown: watch::Receiver<Shutdown>,
    open: VecDeque<Range<usize>>,
    again: Vec<usize>,
    /// How many of `again` are of requests that failed alone.
    late: usize,
    strikes: Vec<Strikes>,
    /// Items that have not had their end.
    left: usize,
    /// Bytes of items that ended otherwise than by being stored.
    others: Vec<Part>,
    /// When this batch was first suspected to hold a culprit: when a request was refused as a whole.
    refused_at: Option<Instant>,
    /// When an item was answered 5xx last, and whether others of the same request ever passed.
    struck_at: Option<Instant>,
    has_passed: bool,
    /// Items of this round that were refused alone while nothing else was stored.
    refused_alone: usize,
    /// Counts the rounds that only repeat a part; the hosts have schedules of their own.
    schedule: Schedule,
    not_before: Option<Instant>,
    repeating: bool,
    /// The target whose spooled documents these are.
    replays: Option<String>,
}

impl<D: Disk> Drop for Delivery<D> {
    fn drop(&mut self) {
        let left = i64::try_from(self.left).unwrap_or(i64::MAX);
        self.cluster.stats.sending.active.add(-left);
    }
}

/// How often an item was answered 5xx, each kind by itself: what a target had no time for says nothing of a document.
#[derive(Debug, Clone, Copy, Default)]
struct Strikes {
    /// With a fault of the server with this item.
    failed: u8,
    /// With a target that cannot take it now.
    unavailable: u8,
}

/// How a round went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// Every item has had its end; the batch is settled.
    Settled,
    /// A part was taken, or nothing while others are; the rest is to be repeated.
    Rest,
    /// The stop has come first; nothing of it is settled.
    Stopped,
}

impl Round {
    pub(super) fn has_rest(self) -> bool {
        self == Self::Rest
    }
}

/// Whether dead letters were saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    /// The spool takes none: the host that brings more of them waits.
    NoRoom,
    /// Their index takes none now, and asks for so much time; other batches go on.
    Later(Option<Duration>),
}

impl Kept {
    fn retry_after(self) -> Option<Duration> {
        if let Self::Later(retry_after) = self { retry_after } else { None }
    }
}

impl<D: Disk + Sync> Delivery<D> {
    pub(super) fn new(
        cluster: Arc<Cluster<D>>,
        prepared: Prepared,
        shutdown: watch::Receiver<Shutdown>,
    ) -> Self {
        let Prepared { batch, body: whole } = prepared;
        let items = batch.items();
        let count = i64::try_from(items).unwrap_or(i64::MAX);
        cluster.stats.sending.active.add(count);
        let schedule = Schedule::new(cluster.settings.backoff);
        Self {
            cluster,
            open: VecDeque::from([0..items]),
            again: Vec::new(),
            late: 0,
            strikes: vec![Strikes::default(); items],
            left: items,
            others: Vec::new(),
            refused_at: None,
            struck_at: None,
            has_passed: false,
            refused_alone: 0,
            schedule,
            not_before: None,
            repeating: false,
            replays: None,
            batch,
            whole,
            host: 0,
            begun: Instant::now(),
            wait_until: None,
            shutdown,
        }
    }

    /// Takes documents of a target that were spooled.
    pub(super) fn again(
        cluster: Arc<Cluster<D>>,
        prepared: Prepared,
        target: String,
        shutdown: watch::Receiver<Shutdown>,
    ) -> Self {
        let mut delivery = Self::new(cluster, prepared, shutdown);
        (delivery.replays, delivery.repeating) = (Some(target), true);
        delivery
    }

    /// Sends until every item has had its end; `false` when the stop came first.
    pub(super) async fn deliver(mut self) -> bool {
        loop {
            match self.first_round().await {
                Round::Settled => return true,
                Round::Stopped => return false,
                Round::Rest => {
                    if !(self.compact().await && self.wait_for_round().await) {
                        return false;
                    }
                }
            }
        }
    }

    /// Sends everything once, repeating what was not taken at all, until only items of partly taken requests are left and
    /// requests that are to wait alone, which others need not.
    pub(super) async fn first_round(&mut self) -> Round {
        while let Some(range) = self.open.front().cloned() {
            let Some(turn) = self.wait_for_turn().await else { return Round::Stopped };
            (self.host, self.begun) = (turn.host, turn.begun);
            let range = self.cut(range);
            self.request(range.clone(), turn).await;
            // One that was halved goes on at once.
            if let Some(until) = self.wait_until
                && self.open.front() == Some(&range)
            {
                self.wait_until = None;
                self.open.pop_front();
                self.late += range.len();
                self.again.extend(range);
                self.put_off(until);
            }
        }
        if self.again.is_empty() { self.settle() } else { Round::Rest }
    }

    /// Repeats until every item has had its end, or the stop has come.
    pub(super) async fn finish(mut self) {
        let _blocked = Blocked::new(Arc::clone(&self.cluster.stats));
        if self.compact().await && self.wait_for_round().await {
            self.deliver().await;
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
        if self.replays.is_some() {
            // It was settled when it was spooled.
            return Round::Settled;
        }
        let ranges = self.batch.ranges.clone();
        let mut others = self.batch.others.clone();
        others.append(&mut self.others);
        let settled = Settled { ranges, outcome: Outcome::Stored, others };
        self.cluster.ledger.tell_quietly(Note::Settled(settled));
        Round::Settled
    }

    fn take_answer(
        &mut self,
        range: Range<usize>,
        turn: Turn,
        answer: Answer,
        retry_after: Option<Duration>,
    ) {
        let stats = &self.cluster.stats.sending;
        match answer {
            Answer::AllStored => {
                let (count, bytes) = (range.len() as u64, self.bytes(&range).len());
                self.cluster.hosts.body_limit(self.host, |limit| limit.passed(bytes));
                self.cluster.note_taken(self.begun);
                self.count(count, 0, 0);
                self.open.pop_front();
                self.taken();
            }
            Answer::Items(verdicts) => self.take_verdicts(range, turn, verdicts, retry_after),
            Answer::Retry(reason) => {
                stats.read_errors.add(1);
                stats.retries.add(Reason::Answer, range.len() as u64);
                self.busy(&reason, retry_after);
            }
            Answer::TooMany(reason) => {
                stats.retries.add(Reason::TooMany, range.len() as u64);
                let bytes = Some(self.bytes(&range).len());
                self.cluster.hosts.busy(turn, bytes, 0, Instant::now());
                self.busy(&reason, retry_after);
            }
            Answer::Busy(reason) => {
                stats.retries.add(Reason::Busy, range.len() as u64);
                self.busy(&reason, retry_after);
            }
            Answer::TooLarge => {
                let reason = "the server or a proxy before it takes no body of this size";
                let fault =
                    Fault { status: 413, kind: "413".to_owned(), reason: reason.to_owned() };
                self.too_large(range, fault);
            }
            Answer::Refused(fault) => self.refused(range, fault),
            Answer::Pause(fault) => {
                stats.retries.add(Reason::Paused, range.len() as u64);
                self.pause(&fault);
            }
        }
    }

    /// Notes that something was taken: it goes on, and what is left need not wait longer each time.
    fn taken(&mut self) {
        self.schedule.succeeded();
        self.cluster.hosts.succeeded(self.host, Instant::now());
    }

    /// Lets what is to be repeated wait, and nothing else.
    fn rest(&mut self, retry_after: Option<Duration>) {
        let wait = self.schedule.failed(random(), retry_after);
        self.put_off(Instant::now() + wait);
    }

    fn put_off(&mut self, until: Instant) {
        self.not_before = Some(self.not_before.map_or(until, |at| at.max(until)));
    }

    /// Tells whether anything is taken that was sent since this batch was first suspected: only then is it the document's own
    /// fault, and not the server's or the set-up's. What was on its way then may have been there before the fault.
    fn neighbours_pass(&self, since: Option<Instant>) -> bool {
        since.is_some_and(|then| self.cluster.takes_since(then))
    }

    /// Looks for the document that spoils a request; while nothing passes at all, it is the request that is at fault.
    fn refused(&mut self, range: Range<usize>, fault: Fault) {
        self.refused_at.get_or_insert_with(Instant::now);
        let others_pass = self.neighbours_pass(self.refused_at);
        let may_seek = self.refused_alone < REFUSED_ALONE_MAX || others_pass;
        if if range.len() == 1 { others_pass } else { may_seek } {
            self.halve(range, fault);
            return;
        }
        let stats = &self.cluster.stats.sending;
        stats.retries.add(Reason::Refused, range.len() as u64);
        if self.refused_alone == 0
            && let Some(more) = self.cluster.tells("requests")
        {
            warn!(
                hint = fault.advice(),
                kind = fault.kind,
                "the server refuses requests as a whole, they are repeated: {}{more}",
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

    fn count(&mut self, stored: u64, duplicates: u64, dead: u64) {
        let stats = &self.cluster.stats.sending;
        stats.acked.add(stored);
        stats.duplicates.add(duplicates);
        match self.cluster.settings.dead_letters.to {
            DeadLetterTo::Nowhere => stats.dropped.add(dead),
            _ => stats.dead_letters.add(dead),
        }
        let ended = stored + duplicates + dead;
        stats.active.add(-i64::try_from(ended).unwrap_or(i64::MAX));
        self.left = self.left.saturating_sub(usize::try_from(ended).unwrap_or(usize::MAX));
    }

    /// Notes that an item has ended otherwise than by being stored. One without an id of ours is not told apart.
    fn except(&mut self, item: usize, outcome: Outcome) {
        // An id that a line brought may look like one of ours.
        let is_here = |epoch| self.batch.ranges.iter().any(|range| range.epoch == epoch);
        if let Some((epoch, bytes)) =
            line_of(self.batch.item(item)).filter(|(epoch, _)| is_here(*epoch))
        {
            push_part(&mut self.others, Part { epoch, outcome, bytes });
        }
    }

    /// Saves dead letters; where they could not be they are none, and are to be sent again.
    fn keep_dead(&mut self, dead: &[(usize, Fault)]) -> Kept {
        let letters: Vec<Dead<'_>> =
            dead.iter().map(|(item, fault)| (self.batch.item(*item), fault)).collect();
        match tokio::task::block_in_place(|| self.cluster.bury(self.host, &letters)) {
            Ok(buried) => {
                if let Some(more) = self.cluster.tells("dead letters") {
                    buried.tell(&letters, &more);
                }
                for (item, _) in dead {
                    self.except(*item, buried.outcome());
                }
                Kept::Yes
            }
            Err(Unburied::Spool(path, error)) => {
                let reason = format!("cannot keep dead letters in `{}`: {error}", path.display());
                let hint = "`shipper dlq replay` and `purge` make room in it, and so does a larger \
                            `dead_letter.max_size`; nothing is dropped meanwhile";
                let asked = (self.host, self.begun);
                self.cluster.hosts.paused(asked, &reason, hint, random(), Instant::now());
                Kept::NoRoom
            }
            Err(Unburied::Later(reason, retry_after)) => {
                if let Some(more) = self.cluster.tells("letters later") {
                    warn!("{reason}; the documents are sent again{more}");
                }
                Kept::Later(retry_after)
            }
        }
    }

    /// Learns what the host takes: the rest of the batch, and later ones, are cut to that size.
    fn too_large(&mut self, range: Range<usize>, fault: Fault) {
        let bytes = self.bytes(&range).len();
        self.cluster.hosts.body_limit(self.host, |limit| limit.refused(bytes));
        if range.len() == 1 {
            if bytes < TOO_LARGE_LEAST {
                self.refused(range, fault);
            } else {
                self.halve(range, fault);
            }
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
        stats.retries.add(Reason::Answer, range.len() as u64);
        let reason = format!(
            "the answer to {} items is longer than {} KiB, which is all that is read of it",
            range.len(),
            read >> 10
        );
        self.busy(&reason, None);
        if 1 < range.len() {
            self.split(range);
        }
    }

    /// Halves a request that is refused as a whole, until the culprit is alone.
    fn halve(&mut self, range: Range<usize>, fault: Fault) {
        if range.len() == 1 {
            match self.keep_dead(&[(range.start, fault)]) {
                Kept::Yes => self.count(0, 0, 1),
                kept => {
                    self.cluster.stats.sending.retries.add(Reason::DeadLetters, 1);
                    self.again.push(range.start);
                    self.rest(kept.retry_after());
                }
            }
            self.open.pop_front();
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

    fn busy(&mut self, reason: &str, retry_after: Option<Duration>) {
        self.failed(&Failure { kind: FailureKind::Busy, reason, retry_after, hint: None });
    }

    fn failed(&mut self, failure: &Failure<'_>) {
        let (asked, now) = ((self.host, self.begun), Instant::now());
        let own = Some(&mut self.schedule);
        let wait = self.cluster.hosts.failed(asked, *failure, own, random(), now);
        self.wait_until = wait.map(|wait| now + wait);
    }

    fn pause(&self, fault: &Fault) {
        let reason = fault.to_string();
        let asked = (self.host, self.begun);
        self.cluster.hosts.paused(asked, &reason, fault.advice(), random(), Instant::now());
    }

    /// Keeps only the items to be sent again, before they wait; `false` when the stop came first.
    async fn compact(&mut self) -> bool {
        loop {
            if let Some(batch) = Arc::get_mut(&mut self.batch) {
                let mut again = std::mem::take(&mut self.again);
                again.sort_unstable();
                self.refused_alone = 0;
                // Whole requests that failed alone are as good as new ones.
                let late = std::mem::take(&mut self.late);
                self.repeating |= late < again.len() && again.len() < batch.items();
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

/// Returns a number in 0..1.
fn random() -> f64 {
    f64::from(u32::from_ne_bytes(random_bytes())) / (f64::from(u32::MAX) + 1.0)
}
