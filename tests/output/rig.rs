//! An output between a queue that a test fills and a ledger that it reads.

use super::log::listener;
use super::server::{PATIENCE, Reply, Request};
use shipper::batch::{BatchBuilder, BatchLimits};
use shipper::disk::RealDisk;
use shipper::ledger::{Inbox, Ledger, Note};
use shipper::outputs;
use shipper::outputs::links::{CannotGoOn, OutputLinks, Shutdown, TemplateTarget};
use shipper::pool::Pool;
use shipper::position::{AckRange, Epoch, Outcome, Part, Point, Proof};
use shipper::queue::{Sender, queue};
use shipper::settings::{BackoffSettings, ElasticsearchSettings, OutputSettings};
use shipper::stats::Stats;
use shipper::wake::Wake;
use std::collections::BTreeSet;
use std::sync::mpsc::TryRecvError;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) struct Rig {
    pub(crate) stats: Arc<Stats>,
    pub(crate) pool: Pool,
    host: String,
    /// Lines of the log before it: an earlier server of another test may have had the same port.
    earlier_lines: usize,
    pub(crate) data: tempfile::TempDir,
    pub(crate) runtime: Runtime,
    pub(crate) shutdown: watch::Sender<Shutdown>,
    sender: Option<Sender>,
    notes: Inbox,
    /// What its ids begin with; a number follows.
    pub(crate) ids: &'static str,
    next: u64,
    running: Option<JoinHandle<Result<(), CannotGoOn>>>,
}

pub(crate) fn quick(hosts: &[String]) -> ElasticsearchSettings {
    ElasticsearchSettings {
        hosts: hosts.to_vec(),
        compression_level: 0,
        backoff: BackoffSettings {
            init: Duration::from_millis(20),
            max: Duration::from_millis(100),
        },
        ..ElasticsearchSettings::default()
    }
}

impl Rig {
    pub(crate) fn start(settings: ElasticsearchSettings) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        Self::start_on(runtime.worker_threads(2).enable_all().build().unwrap(), settings)
    }

    pub(crate) fn start_on(runtime: Runtime, settings: ElasticsearchSettings) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), runtime, settings)
    }

    /// Starts one in a data path that may hold something.
    pub(crate) fn start_in(
        data: tempfile::TempDir,
        runtime: Runtime,
        settings: ElasticsearchSettings,
    ) -> Self {
        let earlier_lines = lines().len();
        let host = settings.hosts[0].clone();
        let (shutdown, stopping) = watch::channel(Shutdown::Running);
        let (sender, receiver) = queue(Vec::new());
        let (ledger, notes) = Ledger::inbox(Arc::new(Wake::default()));
        let stats = Arc::<Stats>::default();
        let links = OutputLinks {
            target: Some("logs".to_owned()),
            templates: vec![TemplateTarget {
                name: "logs".to_owned(),
                pattern: "logs".to_owned(),
                data_stream: true,
            }],
            receiver,
            ledger,
            stats: Arc::clone(&stats),
            disk: RealDisk,
            data: data.path().to_path_buf(),
            bandwidth: None,
            shutdown: stopping,
        };
        let settings = OutputSettings::Elasticsearch(Box::new(settings));
        let running = Some(runtime.spawn(outputs::run(settings, links)));
        let (pool, ids, next) = (Pool::new(4 << 20), "id", 0);
        let sender = Some(sender);
        Self {
            stats,
            pool,
            host,
            earlier_lines,
            data,
            runtime,
            shutdown,
            sender,
            notes,
            ids,
            next,
            running,
        }
    }

    /// Starts one whose only host is `url`.
    pub(crate) fn to(url: &str) -> Self {
        Self::start(quick(&[url.to_owned()]))
    }

    /// Sends one batch of such documents; returns its body and what it answers for.
    pub(crate) fn send(&mut self, documents: &[&str]) -> (String, AckRange) {
        let all: Vec<(Option<&str>, &str)> =
            documents.iter().map(|document| (None, *document)).collect();
        self.send_to(&all)
    }

    /// Sends one batch of documents, each to an index of its own; returns its body and what it answers for.
    pub(crate) fn send_to(&mut self, documents: &[(Option<&str>, &str)]) -> (String, AckRange) {
        let buffer = self.pool.try_take(&Arc::new(Wake::default())).unwrap();
        let mut builder = BatchBuilder::new(buffer, BatchLimits::default());
        let start = self.next;
        let mut body = String::new();
        for (index, document) in documents {
            let index = index.map(|index| format!("\"_index\":\"{index}\",")).unwrap_or_default();
            let item = format!(
                "{{\"create\":{{{index}\"_id\":\"{}{}\"}}}}\n{document}\n",
                self.ids, self.next
            );
            builder.open_item().unwrap().extend_from_slice(item.as_bytes());
            let _ = builder.close_item();
            body.push_str(&item);
            self.next += 1;
        }
        let epoch = Epoch::from_random([7; 12]);
        let range = AckRange {
            epoch,
            start,
            end: self.next,
            before: 0,
            proof: Proof::EMPTY,
            middle: Point { offset: start, running: 0 },
        };
        builder.cover(range, Instant::now());
        self.sender.as_ref().unwrap().send(builder.seal()).unwrap();
        (body, range)
    }

    /// Waits for the next settled batch.
    pub(crate) fn settled(&mut self) -> Vec<AckRange> {
        self.settled_and_others().0
    }

    /// Returns what has been settled by now.
    pub(crate) fn settled_by_now(&mut self) -> Vec<AckRange> {
        let mut ranges = Vec::new();
        while let Ok(note) = self.notes.try_recv() {
            let Note::Settled(settled) = note else { panic!("nothing settled: {note:?}") };
            ranges.extend(settled.ranges);
        }
        ranges
    }

    /// Goes on with the document of that number, as a reader does after a restart.
    pub(crate) fn go_on_with(&mut self, number: u64) {
        self.next = number;
    }

    /// As [`Self::settled`], with what ended otherwise than by being stored.
    pub(crate) fn settled_and_others(&mut self) -> (Vec<AckRange>, Vec<Part>) {
        match self.next_note() {
            Ok(Note::Settled(settled)) => {
                assert_eq!(settled.outcome, Outcome::Stored);
                (settled.ranges, settled.others)
            }
            other => panic!("nothing settled: {other:?}"),
        }
    }

    fn next_note(&mut self) -> Result<Note, TryRecvError> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.notes.try_recv() {
                Err(TryRecvError::Empty) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                note => return note,
            }
        }
    }

    /// Asserts that nothing more has been settled by now.
    pub(crate) fn nothing_settled(&mut self) {
        let settled = self.notes.try_recv();
        assert!(settled.is_err(), "{settled:?}");
    }

    /// Waits until `wanted` holds.
    pub(crate) fn wait_for(&self, what: &str, mut wanted: impl FnMut(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !wanted(self) {
            assert!(Instant::now() < until, "never: {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until the log speaks of an error with the first host, and returns that line.
    pub(crate) fn wait_for_trouble(&self) -> String {
        self.wait_for_trouble_with("")
    }

    /// Waits until the log speaks of an error with the first host in these words, and returns that line.
    pub(crate) fn wait_for_trouble_with(&self, words: &str) -> String {
        let of_host = |line: &String| {
            line.starts_with("ERROR") && line.contains(&self.host) && line.contains(words)
        };
        let later = || lines().into_iter().skip(self.earlier_lines);
        self.wait_for("an error in the log", |_| later().any(|line| of_host(&line)));
        later().find(of_host).unwrap()
    }

    /// Lets the readers go and waits until all is delivered.
    pub(crate) fn finish(&mut self) {
        self.sender = None;
        self.join();
        assert_eq!(self.next_note().err(), Some(TryRecvError::Disconnected));
        assert_eq!(self.pool.in_use(), 0);
        assert_eq!(self.stats.sending.active.get(), 0);
        assert_eq!(self.stats.sending.blocked.get(), 0);
    }

    /// Stops as the assembly does: what is there is delivered for so long, then all is given up.
    pub(crate) fn stop(&mut self, left: Duration) {
        self.shutdown.send(Shutdown::Stop).unwrap();
        self.sender = None;
        let mut running = self.running.take().unwrap();
        let ended =
            self.runtime.block_on(async { tokio::time::timeout(left, &mut running).await.is_ok() });
        if !ended {
            self.shutdown.send(Shutdown::Abort).unwrap();
            running.abort();
        }
        self.wait_for("buffers came back", |rig| rig.pool.in_use() == 0);
        self.wait_for("nothing is in its hands", |rig| {
            rig.stats.sending.active.get() == 0 && rig.stats.sending.blocked.get() == 0
        });
    }

    fn join(&mut self) {
        self.ended().expect("the output cannot go on");
    }

    /// Waits until the output ends, by itself unless it was told to.
    pub(crate) fn ended(&mut self) -> Result<(), CannotGoOn> {
        let running = self.running.take().unwrap();
        let ended = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, running).await });
        ended.expect("the output does not end").unwrap()
    }

    /// Gives the data path to whoever comes after it.
    pub(crate) fn leave_data(mut self) -> tempfile::TempDir {
        self.take_data()
    }

    pub(crate) fn take_data(&mut self) -> tempfile::TempDir {
        std::mem::replace(&mut self.data, tempfile::tempdir().unwrap())
    }

    /// Returns the ids of all that is in the spool of dead letters.
    pub(crate) fn all_dead_letters(&self) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(self.data.path().join("dead_letters")) else {
            return Vec::new();
        };
        let mut ids = Vec::new();
        for path in files.map(|file| file.unwrap().path()) {
            if path.extension().is_some_and(|extension| extension == "ndjson") {
                for line in std::fs::read_to_string(path).unwrap_or_default().split_inclusive('\n')
                {
                    // One that is being written is there the next time.
                    let letter = serde_json::from_str::<serde_json::Value>(line);
                    ids.extend(letter.ok().map(|one| one["id"].as_str().unwrap().to_owned()));
                }
            }
        }
        ids
    }

    pub(crate) fn dead_letters(&self) -> Vec<serde_json::Value> {
        let path = self.data.path().join("dead_letters/00000001.ndjson");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines()
            .map(|line| {
                let mut letter: serde_json::Value = serde_json::from_str(line).unwrap();
                for changing in ["@timestamp", "crc32"] {
                    letter.as_object_mut().unwrap().remove(changing).unwrap();
                }
                letter
            })
            .collect()
    }
}

pub(crate) const BANNER: &str =
    r#"{"name":"n","version":{"number":"8.19.0"},"tagline":"You Know, for Search"}"#;

/// Answers everything but bulk requests as a server does whose templates are all in place.
pub(crate) fn greeting(request: &Request) -> Option<Reply> {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => Some(Reply::json(200, BANNER)),
        (_, path) if path.starts_with("/_index_template/") => Some(Reply::json(200, "")),
        _ => None,
    }
}

/// A bulk answer with one item for each status; those from 400 on have an error of that type.
pub(crate) fn answer(statuses: &[(u16, &str)]) -> String {
    let items: Vec<String> = statuses
        .iter()
        .map(|(status, kind)| match kind {
            &"" => format!(r#"{{"create":{{"status":{status}}}}}"#),
            _ => format!(
                r#"{{"create":{{"status":{status},"error":{{"type":"{kind}","reason":"because"}}}}}}"#
            ),
        })
        .collect();
    let errors = statuses.iter().any(|(status, _)| 400 <= *status);
    format!(r#"{{"errors":{errors},"items":[{}]}}"#, items.join(","))
}

/// Answers as if each item were stored, and remembers which: again is 409.
#[derive(Default)]
pub(crate) struct Store(Mutex<BTreeSet<String>>);

impl Store {
    pub(crate) fn take(&self, request: &Request) -> String {
        let mut known = self.0.lock().unwrap();
        let statuses: Vec<(u16, &str)> = request
            .ids()
            .into_iter()
            .map(|id| {
                if known.insert(id) {
                    (201, "")
                } else {
                    (409, "version_conflict_engine_exception")
                }
            })
            .collect();
        answer(&statuses)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// A server that answers bulk request number n by `script(n, request)` and everything else well.
pub(crate) fn scripted(
    script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
) -> super::server::Server {
    let count = std::sync::atomic::AtomicUsize::new(0);
    super::server::Server::start(move |request| {
        greeting(request).unwrap_or_else(|| {
            script(count.fetch_add(1, std::sync::atomic::Ordering::SeqCst), request)
        })
    })
}

/// Returns the log lines of this process so far.
pub(crate) fn lines() -> Vec<String> {
    static LINES: OnceLock<Arc<Mutex<Vec<String>>>> = OnceLock::new();
    let lines = LINES.get_or_init(|| {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let told = Arc::clone(&lines);
        let listener = listener(move |metadata, text| {
            told.lock().unwrap().push(format!("{} {text}", metadata.level()));
        });
        tracing::subscriber::set_global_default(listener).unwrap();
        lines
    });
    lines.lock().unwrap().clone()
}
