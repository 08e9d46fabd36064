//! A server that answers anything at all, drawn from a printed seed, and is well again after a while: then every document
//! is stored once or a dead letter once, all is settled once, and nothing is kept in memory.

use super::rig::{BANNER, Rig, answer, quick};
use super::server::{Reply, Request, Server};
use serde_json::Value;
use shipper::position::AckRange;
use shipper::settings::{BackoffSettings, DeadLetterTo, ElasticsearchSettings};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Documents, and the index that each of them names.
type Batch = Vec<(Option<&'static str>, String)>;

/// Seeds of one run; `SHIPPER_SEED` names one alone.
const SEEDS: u64 = 120;

/// Seeds that run beside each other: each of them waits most of the time.
const AT_ONCE: usize = 8;

/// A server is ill for so long at most, in case nothing is asked of it.
const ILL_MAX: Duration = Duration::from_millis(600);

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_millis(400);

/// Answers of 5xx to one document from which on it may be a dead letter.
const STRIKES: usize = 10;

/// Numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Draws one, each as often as its weight says.
    fn weighed<T: Copy>(&mut self, all: &[(T, usize)]) -> T {
        let mut at = self.below(all.iter().map(|(_, weight)| weight).sum());
        for (one, weight) in all {
            if at < *weight {
                return *one;
            }
            at -= weight;
        }
        unreachable!()
    }
}

/// What may become of a request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Well,
    Mixed,
    TooLarge,
    TooMany,
    Unavailable,
    Page,
    CutAfter,
    CutBefore,
    OtherCount,
    CloseBefore,
    CloseAfter,
    Slow,
    TooSlow,
    LastOfConnection,
    Refused,
    Pause,
    PageInstead,
}

const FATES: [Fate; 17] = [
    Fate::Well,
    Fate::Mixed,
    Fate::TooLarge,
    Fate::TooMany,
    Fate::Unavailable,
    Fate::Page,
    Fate::CutAfter,
    Fate::CutBefore,
    Fate::OtherCount,
    Fate::CloseBefore,
    Fate::CloseAfter,
    Fate::Slow,
    Fate::TooSlow,
    Fate::LastOfConnection,
    Fate::Refused,
    Fate::Pause,
    Fate::PageInstead,
];

const STORED: (u16, &str) = (201, "");
const THERE: (u16, &str) = (409, "version_conflict_engine_exception");
const BAD: (u16, &str) = (400, "document_parsing_exception");
const TOO_MANY: (u16, &str) = (429, "es_rejected_execution_exception");
const BUSY: (u16, &str) = (503, "unavailable_shards_exception");
const BROKEN: (u16, &str) = (500, "null_pointer_exception");

/// What an item that is not stored may be answered.
const ITEMS: [(u16, &str); 9] = [
    STORED,
    BAD,
    (403, "cluster_block_exception"),
    (404, "index_not_found_exception"),
    (413, "request_entity_too_large"),
    TOO_MANY,
    BROKEN,
    BUSY,
    (429, "cluster_block_exception"),
];

/// What the server knows.
struct Known {
    random: Random,
    fates: Vec<(Fate, usize)>,
    items: Vec<((u16, &'static str), usize)>,
    /// Largest body that is taken, when it looks at that.
    limit: usize,
    stored: BTreeMap<String, String>,
    letters: BTreeSet<String>,
    /// How often each was answered 5xx as an item.
    strikes: BTreeMap<String, usize>,
    /// What was refused as documents are.
    condemned: BTreeSet<String>,
    /// Bulk requests left before it is well; with whom nothing may be refused alone.
    ill: usize,
    until: Instant,
    small_limits: bool,
    /// What became of the requests while it was ill.
    story: Vec<String>,
}

struct Item {
    id: String,
    index: String,
    document: String,
}

fn items(request: &Request) -> Vec<Item> {
    let lines: Vec<&str> = request.body.lines().collect();
    let item = |item: &[&str]| {
        let action: Value = serde_json::from_str(item[0]).unwrap();
        let _: Value = serde_json::from_str(item[1]).unwrap();
        Item {
            id: action["create"]["_id"].as_str().unwrap().to_owned(),
            index: action["create"]["_index"].as_str().unwrap_or("logs").to_owned(),
            document: item[1].to_owned(),
        }
    };
    lines.chunks(2).map(item).collect()
}

impl Known {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let weights = [0, 1, 1, 1, 6];
        let mut fates: Vec<(Fate, usize)> =
            FATES.iter().map(|fate| (*fate, random.one_of(&weights))).collect();
        // Each of these costs a timeout.
        fates[12].1 = fates[12].1.min(1);
        fates[0].1 = fates[0].1.max(1);
        let mut items: Vec<_> = ITEMS.iter().map(|item| (*item, random.one_of(&weights))).collect();
        items[0].1 = items[0].1.max(1);
        let ill = random.one_of(&[10, 30, 60, 150]);
        let small_limits = random.below(3) == 0;
        Self {
            random,
            fates,
            items,
            limit: 4_000,
            stored: BTreeMap::new(),
            letters: BTreeSet::new(),
            strikes: BTreeMap::new(),
            condemned: BTreeSet::new(),
            ill,
            until: Instant::now() + ILL_MAX,
            small_limits,
            story: Vec::new(),
        }
    }

    fn story_of(&self, id: &str) -> String {
        let is_its = |told: &&String| told.split([' ', ':']).any(|word| word == id);
        self.story.iter().filter(is_its).map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    fn is_ill(&self) -> bool {
        self.ill != 0 && Instant::now() < self.until
    }

    fn reply(&mut self, request: &Request) -> Reply {
        if !request.is_bulk() {
            return self.about_itself(request);
        }
        let items = items(request);
        if !self.is_ill() {
            return Reply::json(200, self.take(&items, false));
        }
        self.ill -= 1;
        let fate = self.random.weighed(&self.fates.clone());
        let reply = if items[0].index == "dead" {
            self.letters(fate, &items)
        } else {
            self.bulk(fate, &items, request.body.len())
        };
        let ids: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
        let told = format!("{fate:?} {} {}: {reply:?}", items[0].index, ids.join(" "));
        self.story.push(told);
        reply
    }

    fn about_itself(&mut self, request: &Request) -> Reply {
        let is_ill = self.is_ill();
        match self.random.below(8) {
            0 if is_ill => Reply::json(503, "{}"),
            1 if is_ill => Reply::Close,
            2 if is_ill => Reply::json(200, "<html>soon back</html>"),
            3 if is_ill => Reply::json(401, "{}"),
            _ if request.path == "/" => Reply::json(200, BANNER),
            _ if request.is_template() => Reply::json(200, "{}"),
            _ => Reply::json(404, "{}"),
        }
    }

    /// Answers for each item, after it was stored unless something else is drawn.
    fn take(&mut self, items: &[Item], mixed: bool) -> String {
        let statuses: Vec<(u16, &str)> = items.iter().map(|item| self.item(item, mixed)).collect();
        answer(&statuses)
    }

    fn item(&mut self, item: &Item, mixed: bool) -> (u16, &'static str) {
        if item.index == "dead" {
            return if self.letters.insert(item.id.clone()) { STORED } else { THERE };
        }
        let drawn = if mixed { self.random.weighed(&self.items.clone()) } else { STORED };
        if self.stored.contains_key(&item.id) {
            // It was taken, so it is not refused as what it is; nor may it be struck for ever.
            return if [TOO_MANY, BUSY].contains(&drawn) { drawn } else { THERE };
        }
        // What was refused as a document is refused for ever: it may be a letter of which nobody was told.
        let is_bad = item.document.contains("poison") || self.condemned.contains(&item.id);
        if is_bad && drawn == STORED {
            self.condemned.insert(item.id.clone());
            return BAD;
        }
        if drawn == BROKEN {
            let strikes = self.strikes.entry(item.id.clone()).or_default();
            *strikes += 1;
            if STRIKES <= *strikes {
                self.condemned.insert(item.id.clone());
            }
        }
        if drawn == BAD {
            self.condemned.insert(item.id.clone());
        }
        if drawn == STORED {
            self.stored.insert(item.id.clone(), item.document.clone());
        }
        drawn
    }

    /// An index of dead letters takes them or does not, and refuses none: those would be in the spool as well.
    fn letters(&mut self, fate: Fate, items: &[Item]) -> Reply {
        match fate {
            Fate::TooMany => Reply::json(429, "{}"),
            Fate::Unavailable => Reply::json(503, "{}"),
            Fate::CloseBefore => Reply::Close,
            Fate::CloseAfter => {
                self.take(items, false);
                Reply::Close
            }
            Fate::CutAfter => cut(self.take(items, false), &mut self.random),
            Fate::Mixed => Reply::json(200, answer(&vec![TOO_MANY; items.len()])),
            _ => Reply::json(200, self.take(items, false)),
        }
    }

    fn bulk(&mut self, fate: Fate, items: &[Item], bytes: usize) -> Reply {
        let any_there = items.iter().any(|item| self.stored.contains_key(&item.id));
        match fate {
            Fate::Well => Reply::json(200, self.take(items, false)),
            Fate::Mixed => Reply::json(200, self.take(items, true)),
            Fate::TooLarge => {
                let least = if self.small_limits { 100 } else { 4_000 };
                if self.random.below(10) == 0 {
                    self.limit = least + self.random.below(20_000);
                }
                if bytes <= self.limit || any_there && items.len() == 1 {
                    return Reply::json(200, self.take(items, false));
                }
                self.condemn_one(items);
                Reply::json(413, "<html>too large</html>")
            }
            Fate::TooMany => Reply::json(429, "{}"),
            Fate::Unavailable => {
                let wait = if self.random.below(40) == 0 { "1" } else { "0" };
                Reply::Whole(503, format!("Retry-After: {wait}\r\n"), "{}".to_owned())
            }
            Fate::Page => Reply::json(502, "<html>bad gateway</html>"),
            Fate::CutAfter => {
                let mixed = self.random.below(2) == 0;
                cut(self.take(items, mixed), &mut self.random)
            }
            Fate::CutBefore => {
                let mut text = answer(&vec![STORED; items.len()]);
                text.truncate(self.random.below(text.len()));
                Reply::json(200, text)
            }
            Fate::OtherCount => {
                self.take(items, false);
                let others =
                    if self.random.below(2) == 0 { items.len() + 1 } else { items.len() - 1 };
                Reply::json(200, answer(&vec![STORED; others]))
            }
            Fate::CloseBefore => Reply::Close,
            Fate::CloseAfter => {
                self.take(items, true);
                Reply::Close
            }
            Fate::Slow => {
                let wait = Duration::from_millis(self.random.below(40) as u64);
                Reply::Late(wait, self.take(items, true))
            }
            Fate::TooSlow => Reply::Late(TIMEOUT * 2, self.take(items, true)),
            Fate::LastOfConnection => {
                Reply::Whole(200, "Connection: close\r\n".to_owned(), self.take(items, false))
            }
            Fate::Refused if !any_there => {
                self.condemn_one(items);
                let error = r#"{"error":{"type":"illegal_argument_exception","reason":"no"}}"#;
                Reply::json(400, error)
            }
            Fate::Refused | Fate::Pause => {
                let status = self.random.one_of(&[401, 403, 404, 400, 302]);
                Reply::json(status, r#"{"error":"no"}"#)
            }
            Fate::PageInstead => Reply::json(200, "<html>log in first</html>"),
        }
    }

    fn condemn_one(&mut self, items: &[Item]) {
        if let [item] = items {
            self.condemned.insert(item.id.clone());
        }
    }
}

fn cut(text: String, random: &mut Random) -> Reply {
    let bytes = random.below(text.len());
    Reply::Cut(text, bytes)
}

/// What is sent.
fn batches(random: &mut Random) -> Vec<Batch> {
    let targets: &[Option<&str>] = random.one_of(&[
        &[None][..],
        &[Some("a")],
        &[Some("a"), Some("b")],
        &[None, Some("a"), Some("b")],
    ]);
    let poison = random.one_of(&[2, 10, 1000]);
    let largest = random.one_of(&[20, 300, 3_000]);
    let count = random.one_of(&[4, 12, 30]);
    (0..count)
        .map(|_| {
            let items = 1 + random.below(30);
            let mut document = || {
                let kind = if random.below(poison) == 0 { "poison" } else { "good" };
                let text = format!(r#"{{"{kind}":"{}"}}"#, "x".repeat(random.below(largest)));
                (random.one_of(targets), text)
            };
            (0..items).map(|_| document()).collect()
        })
        .collect()
}

/// What is sent to, and how.
fn settings(random: &mut Random, hosts: &[String; 2]) -> ElasticsearchSettings {
    let mut settings = quick(&hosts[..random.one_of(&[1, 1, 2])]);
    let (init, max) = (Duration::from_millis(1), Duration::from_millis(8));
    settings.backoff = BackoffSettings { init, max };
    settings.timeout = TIMEOUT;
    settings.worker = random.one_of(&[1, 2, 4]);
    settings.loadbalance = random.below(4) != 0;
    settings.compression_level = random.one_of(&[0, 0, 1]);
    if random.below(3) == 0 {
        settings.dead_letters.to = DeadLetterTo::Index("dead".to_owned());
    }
    if random.below(3) == 0 {
        settings.blocked_bytes_max = 4_000;
    }
    settings
}

/// Sends all, each part in a life of its own.
struct Sending {
    settings: ElasticsearchSettings,
    rig: Rig,
    /// Batches that are not settled, by their first document.
    open: BTreeMap<u64, Batch>,
    /// Documents that may be sent in two lives, because what became of them in the first was not settled, or stood in the
    /// spool of their target: a letter may be written in both.
    twice: BTreeSet<u64>,
    /// Documents that may be spooled.
    named: BTreeSet<u64>,
}

impl Sending {
    fn send(&mut self, number: u64, batch: Batch) {
        if self.rig.pool.in_use() == self.rig.pool.capacity() {
            let settled = self.rig.settled();
            self.settle(&settled);
            let rig = &self.rig;
            rig.wait_for("a buffer is back", |rig| rig.pool.in_use() < rig.pool.capacity());
        }
        let items: Vec<(Option<&str>, &str)> =
            batch.iter().map(|(index, document)| (*index, document.as_str())).collect();
        let named = (number..).zip(&batch).filter(|(_, (index, _))| index.is_some());
        self.named.extend(named.map(|(number, _)| number));
        self.rig.go_on_with(number);
        let (_, range) = self.rig.send_to(&items);
        assert!(self.open.insert(range.start, batch).is_none());
    }

    fn settle(&mut self, ranges: &[AckRange]) {
        for range in ranges {
            assert!(self.open.remove(&range.start).is_some(), "settled twice: {range:?}");
        }
    }

    /// Stops in the middle, starts anew, and sends what was not settled once more.
    fn restart(&mut self, patience: Duration) {
        self.rig.stop(patience);
        let settled = self.rig.settled_by_now();
        self.settle(&settled);
        let data = self.rig.take_data();
        self.rig = Rig::start_in(data, runtime(), self.settings.clone());
        self.twice.append(&mut self.named);
        for (number, batch) in std::mem::take(&mut self.open) {
            self.twice.extend(number..number + batch.len() as u64);
            self.send(number, batch);
        }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs one seed.
fn run(seed: u64) {
    let mut random = Random(seed ^ 0x5eed);
    let known = Arc::new(Mutex::new(Known::new(seed)));
    let asked = Arc::clone(&known);
    let serve = move |request: &Request| asked.lock().unwrap().reply(request);
    let servers = [Server::forgetful(serve.clone()), Server::forgetful(serve)];
    let settings = settings(&mut random, &servers.each_ref().map(Server::url));
    let mut sending = Sending {
        rig: Rig::start_in(tempfile::tempdir().unwrap(), runtime(), settings.clone()),
        settings,
        open: BTreeMap::new(),
        twice: BTreeSet::new(),
        named: BTreeSet::new(),
    };
    let batches = batches(&mut random);
    let restarts_at = random.below(batches.len() * 2);
    let mut documents = 0;
    for (number, batch) in batches.into_iter().enumerate() {
        let count = batch.len() as u64;
        sending.send(documents, batch);
        documents += count;
        if number == restarts_at {
            sending.restart(Duration::from_millis(random.one_of(&[0, 3, 30, 300])));
        }
    }
    while !sending.open.is_empty() {
        let settled = sending.rig.settled();
        sending.settle(&settled);
    }
    let Sending { mut rig, twice, .. } = sending;
    let ends = |rig: &Rig| {
        let known = known.lock().unwrap();
        let spooled = rig.all_dead_letters();
        let all = known.stored.keys().chain(&known.letters).chain(&spooled);
        let mut ends = BTreeMap::<String, usize>::new();
        all.for_each(|id| *ends.entry(id.clone()).or_default() += 1);
        ends
    };
    // What was kept of blocked targets is settled before it is stored.
    rig.wait_for("every document has its end", |rig| ends(rig).len() as u64 == documents);
    rig.finish();
    let ends = ends(&rig);
    let known = known.lock().unwrap();
    for number in 0..documents {
        let id = format!("id{number}");
        let count = ends[&id];
        let story = || known.story_of(&id);
        assert!(count == 1 || twice.contains(&number), "{id} has {count} ends:\n{}", story());
    }
    for id in known.letters.iter().chain(&rig.all_dead_letters()) {
        let story = || known.story_of(id);
        assert!(known.condemned.contains(id), "nobody has refused {id}:\n{}", story());
    }
}

#[test]
fn whatever_a_server_answers_each_document_has_one_end() {
    let seeds = match std::env::var("SHIPPER_SEED") {
        Ok(seed) => seed.parse().unwrap()..seed.parse::<u64>().unwrap() + 1,
        Err(_) => 0..SEEDS,
    };
    let (first, end) = (seeds.start, seeds.end);
    let next = AtomicUsize::new(usize::try_from(first).unwrap());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst) as u64;
                    if end <= seed {
                        return;
                    }
                    if std::panic::catch_unwind(|| run(seed)).is_err() {
                        failed.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "SHIPPER_SEED={failed:?}");
}
