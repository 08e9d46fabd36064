//! Elasticsearch and OpenSearch: bulk requests until every item of a batch has its end.
//!
//! One deliverer a connection, each with one batch in hand; what is to be repeated of a batch of which a part was
//! taken goes on beside it. One connector a host, which looks whether it is (back) there. `hosts` says who may be asked. Deliberately not here: encoding (a batch comes
//! ready), and any notion of files.

pub mod bulk;

mod blocked;
mod body_limit;
mod burial;
mod chance;
mod client;
mod collision;
mod compress;
mod connect;
mod deliver;
mod hosts;
mod pace;
mod reload;
mod resend;
mod secrets;
mod template;
mod tls;
mod trial;

pub use resend::{Ended, Resender, Stop};

use super::dead_letters::DeadLetters;
use super::links::{CannotGoOn, OutputLinks, Shutdown, TemplateTarget};
use crate::batch::Batch;
use crate::disk::Disk;
use crate::host::random_bytes;
use crate::ledger::Ledger;
use crate::limits::Meter;
use crate::logging::limiter::Limiter;
use crate::settings::ElasticsearchSettings;
use crate::stats::Stats;
use crate::tls::Unusable;
use blocked::BlockedTargets;
use client::HttpClient;
use collision::Looks;
use compress::{Compressed, Compressor};
use deliver::Delivery;
use hosts::{Hosts, TELL_EVERY};
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::error;

/// Rests of partly taken batches, and whole ones that failed alone, that one deliverer repeats beside the next batch. The pool
/// bounds their bytes, so this is for small ones: each waits a twentieth of a second at least.
const RESTS_MAX: usize = 128;

/// What all deliverers share.
pub(super) struct Cluster<D: Disk> {
    settings: ElasticsearchSettings,
    client: HttpClient,
    hosts: Hosts,
    compressor: Compressor,
    target: Option<String>,
    templates: Vec<TemplateTarget>,
    templates_there: tokio::sync::Mutex<bool>,
    /// Whether it was told that a host does not say what it is.
    silence_told: AtomicBool,
    start: Instant,
    /// When the latest request of which something was taken was begun, in nanoseconds since the start: shows whether others
    /// pass where one fails.
    taken: AtomicU64,
    /// The same of the latest request of which nothing was taken, and that repeated none.
    refused: AtomicU64,
    dead_letters: Mutex<DeadLetters<D>>,
    blocked: BlockedTargets<D>,
    looks: Looks,
    /// When the log was told of something that each batch may bring, by what that is.
    told: Mutex<BTreeMap<&'static str, Limiter>>,
    bandwidth: Option<Mutex<Meter>>,
    ledger: Ledger,
    stats: Arc<Stats>,
}

impl<D: Disk> Cluster<D> {
    /// Returns where a host takes bulk requests.
    fn bulk_url(&self, host: usize) -> String {
        let base = self.hosts.url(host);
        match &self.target {
            Some(target) => format!("{base}/{target}/_bulk"),
            None => format!("{base}/_bulk"),
        }
    }

    /// Notes that something was taken of a request that was begun then.
    fn note_taken(&self, begun: Instant) {
        self.taken.fetch_max(self.nanoseconds(begun), Ordering::Relaxed);
    }

    /// Notes that nothing was taken of a request that was begun then, and of which nothing was sent before.
    fn note_refused(&self, begun: Instant) {
        self.refused.fetch_max(self.nanoseconds(begun), Ordering::Relaxed);
    }

    /// Tells whether nothing was taken of the latest such request.
    fn is_refusing(&self) -> bool {
        self.taken.load(Ordering::Relaxed) < self.refused.load(Ordering::Relaxed)
    }

    /// Tells whether something was taken of a request that was begun then or later.
    fn takes_since(&self, then: Instant) -> bool {
        self.nanoseconds(then) <= self.taken.load(Ordering::Relaxed)
    }

    fn nanoseconds(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Tells whether `what`, which each batch may bring, is worth a line now, and what that is to end with.
    fn tells(&self, what: &'static str) -> Option<String> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter = told.entry(what).or_insert_with(|| Limiter::once_per(TELL_EVERY));
        limiter.admit(Instant::now()).map(|suppressed| suppressed.to_string())
    }
}

/// Delivers until readers have gone and nothing is left, or until the stop says so.
///
/// # Errors
/// When there can be no HTTP client, or a deliverer ends with a panic: rather end than live on without delivering.
pub(super) async fn run<D: Disk + Sync>(
    settings: ElasticsearchSettings,
    links: OutputLinks<D>,
) -> Result<(), CannotGoOn> {
    let client = match HttpClient::new(&settings, &links.disk) {
        Ok(client) => client,
        Err(problem) => {
            let hint = problem.advice();
            error!(hint, "{}", crate::hint::chain_text(&problem));
            return Err(CannotGoOn);
        }
    };
    let blocked = BlockedTargets::open(
        links.disk.clone(),
        &links.data,
        settings.blocked_bytes_max,
        Arc::clone(&links.stats),
    );
    let first = usize::from(u16::from_ne_bytes(random_bytes()));
    let disk = links.disk.clone();
    let cluster = Arc::new(Cluster {
        hosts: Hosts::new(&settings, first, Arc::clone(&links.stats)),
        compressor: Compressor::new(settings.compression_level),
        client,
        target: links.target.clone(),
        templates: links.templates,
        templates_there: tokio::sync::Mutex::new(false),
        silence_told: AtomicBool::new(false),
        start: Instant::now(),
        taken: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        dead_letters: Mutex::new(DeadLetters::new(
            links.disk,
            &settings.dead_letters,
            &links.data,
            links.target.clone(),
        )),
        blocked,
        looks: Looks::new(),
        told: Mutex::default(),
        bandwidth: links.bandwidth.map(|rate| Mutex::new(meter(rate))),
        ledger: links.ledger,
        stats: links.stats,
        settings,
    });
    // They end with this function.
    let mut connectors = beside(&cluster, disk, &links.shutdown);
    let mut deliverers = JoinSet::new();
    for number in 0..cluster.hosts.count() * cluster.settings.worker.max(1) {
        let receiver = links.receiver.clone();
        let (cluster, shutdown) = (Arc::clone(&cluster), links.shutdown.clone());
        deliverers.spawn(async move { work(number, cluster, receiver, shutdown).await });
    }
    drop(links.receiver);
    loop {
        let ended = tokio::select! {
            Some(ended) = connectors.join_next() => ended,
            ended = deliverers.join_next() => match ended {
                Some(ended) => ended,
                None => return Ok(()),
            }
        };
        if let Err(ended) = ended {
            tell_panic(ended)?;
        }
    }
}

/// Says that a task has ended with a panic, if it has.
fn tell_panic(ended: JoinError) -> Result<(), CannotGoOn> {
    if !ended.is_panic() {
        return Ok(());
    }
    let panic = ended.into_panic();
    let text = panic_text(&*panic);
    error!(
        hint = "this is a fault of shipper: report it with this line, and start again; what is not \
                acknowledged is read again",
        "a deliverer has ended with a panic: {text}"
    );
    Err(CannotGoOn)
}

/// Starts what goes on beside the deliverers: a connector for each host, and the removal of old dead letters.
fn beside<D: Disk + Sync>(
    cluster: &Arc<Cluster<D>>,
    disk: D,
    shutdown: &watch::Receiver<Shutdown>,
) -> JoinSet<()> {
    let mut beside = JoinSet::new();
    let watching = Arc::clone(cluster);
    beside.spawn(async move { watching.watch_certificates(disk).await });
    for host in 0..cluster.hosts.count() {
        let (cluster, shutdown) = (Arc::clone(cluster), shutdown.clone());
        beside.spawn(async move { cluster.keep_connected(host, shutdown).await });
    }
    {
        let (cluster, shutdown) = (Arc::clone(cluster), shutdown.clone());
        beside.spawn(async move { cluster.replay(shutdown).await });
    }
    if cluster.settings.dead_letters.age_max.is_some() {
        let cluster = Arc::clone(cluster);
        beside.spawn(async move { cluster.expire_letters().await });
    }
    beside
}

/// Keeps to so many bytes a second.
fn meter(rate: u64) -> Meter {
    let kibibytes = u32::try_from(rate.div_ceil(1024)).unwrap_or(u32::MAX);
    Meter::new(f64::from(kibibytes) * 1024.0, Duration::from_millis(500))
}

/// Goes all the way to each host and tells every step by `say`; returns whether all of them can be delivered to.
/// Nothing is written there.
pub async fn try_out<D: Disk>(
    settings: &ElasticsearchSettings,
    targets: &[TemplateTarget],
    disk: &D,
    say: &mut dyn FnMut(&str),
) -> bool {
    trial::try_out(settings, targets, disk, say).await
}

/// Returns what of the certificates and keys of `ssl.*` cannot be used, with the setting that names it; nothing where no host
/// speaks TLS. Reads their files, and speaks to nobody.
pub fn unusable<D: Disk>(settings: &ElasticsearchSettings, disk: &D) -> Vec<Unusable> {
    if client::tls_wanted(settings) { tls::unusable(&settings.tls, disk) } else { Vec::new() }
}

/// Returns what a panic said.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("(no text)")
}

/// Ends this deliverer too when one of its rests has ended with a panic.
fn ended_well(rest: Result<(), JoinError>) {
    if let Err(ended) = rest
        && ended.is_panic()
    {
        std::panic::resume_unwind(ended.into_panic());
    }
}

/// A batch in hand, and its whole body if that is compressed already.
struct Prepared {
    batch: Arc<Batch>,
    body: Option<Compressed>,
}

/// One deliverer: takes batches one after another. While the server works on one body, the next one is compressed.
async fn work<D: Disk + Sync>(
    number: usize,
    cluster: Arc<Cluster<D>>,
    receiver: crate::queue::Receiver,
    shutdown: watch::Receiver<Shutdown>,
) {
    let mut rests: JoinSet<()> = JoinSet::new();
    let mut stopping = shutdown.clone();
    let mut places = cluster.hosts.places();
    let mut next: Option<Prepared> = None;
    let compressor = &cluster.compressor;
    loop {
        let prepared = match next.take() {
            Some(prepared) if rests.len() < RESTS_MAX && *stopping.borrow() != Shutdown::Abort => {
                Some(prepared)
            }
            kept => {
                next = kept;
                tokio::select! {
                    batch = next_batch(number, &mut places, &receiver), if rests.len() < RESTS_MAX => {
                        batch.map(Prepared::of)
                    }
                    Some(rest) = rests.join_next(), if !rests.is_empty() => {
                        ended_well(rest);
                        continue;
                    }
                    () = compressor.idle() => {
                        compressor.tidy();
                        continue;
                    }
                    () = aborted(&mut stopping) => None,
                }
            }
        };
        let Some(prepared) = prepared else { break };
        cluster.stats.sending.total.add(prepared.batch.items() as u64);
        let mut delivery = Delivery::new(Arc::clone(&cluster), prepared, shutdown.clone());
        if cluster.blocked.divert() {
            delivery.divert().await;
        }
        let prepare = async {
            if cluster.settings.compression_level != 0
                && let Some(batch) = receiver.try_next()
            {
                let largest = cluster.hosts.largest_body();
                let whole = largest.is_none_or(|largest| batch.buffer.bytes().len() <= largest);
                next = Some(if whole {
                    Prepared::compressed(batch, compressor)
                } else {
                    Prepared::of(batch)
                });
            }
        };
        let (round, ()) = tokio::join!(delivery.first_round(), prepare);
        if round.has_rest() {
            rests.spawn(delivery.finish());
        }
    }
    // Nothing more comes, for the others either.
    cluster.hosts.close();
    while let Some(rest) = rests.join_next().await {
        ended_well(rest);
    }
}

/// Waits until one more request may be on its way, and for its batch.
async fn next_batch(
    number: usize,
    places: &mut watch::Receiver<usize>,
    receiver: &crate::queue::Receiver,
) -> Option<Batch> {
    places.wait_for(|places| number < *places).await.ok()?;
    receiver.next().await
}

impl Prepared {
    fn of(batch: Batch) -> Self {
        Self { batch: Arc::new(batch), body: None }
    }

    fn compressed(batch: Batch, compressor: &Compressor) -> Self {
        let body = compressor.compress(batch.buffer.bytes());
        Self { batch: Arc::new(batch), body: Some(body) }
    }
}

/// Returns when the process is to end now.
async fn aborted(shutdown: &mut watch::Receiver<Shutdown>) {
    if shutdown.wait_for(|how| *how == Shutdown::Abort).await.is_err() {
        // Nobody is left who could say so.
        std::future::pending::<()>().await;
    }
}
