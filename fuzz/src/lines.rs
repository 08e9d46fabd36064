//! Lines: however a file grows and wherever reading begins again, its lines, their places and their ids are those of the
//! whole file, and every byte up to the last line end is answered for once.

use super::documents::{input, read_item, shared};
use super::input::Input;
use super::memory::{INODE, OneFile};
use shipper::batch::BatchLimits;
use shipper::follow::{Assignment, FileKey, Order, Report};
use shipper::harvester::{READ_BYTES, Step, Worker, WorkerInput, WorkerLinks, WorkerSettings};
use shipper::identity::prefix_of;
use shipper::ledger::{Inbox, Ledger, Note, Progress};
use shipper::pipeline::{HOLE_BYTES_MIN, Moment, Pipeline};
use shipper::pool::{BUFFER_BYTES, Pool};
use shipper::position::{AckRange, DIGITS, Epoch, Proof, TAIL_BYTES, carry_on, tail_hash};
use shipper::queue::{Receiver, queue};
use shipper::settings::{BacklogOrder, CloseSettings, Format, InputSettings, OwnerSettings};
use shipper::stats::Stats;
use shipper::trail::Trail;
use shipper::wake::Wake;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

const CONTENT_BYTES_MAX: usize = 1 << 20;

/// Lines of a file: more only take time.
const LINES_MAX: usize = 600;

pub fn check(bytes: &[u8]) {
    let mut input = Input(bytes);
    let message_max_bytes = match input.byte() % 4 {
        0 => input.upto(100),
        1 => input.upto(400_000),
        _ => 10 << 20,
    };
    let items = 1 + usize::from(input.byte());
    let format = if input.bit() { Format::Combined } else { Format::Raw };
    let settings = self::input(format, true, message_max_bytes);
    let setting = Setting { items, input: settings };
    let growth: Vec<usize> = (0..input.byte() % 8).map(|_| input.upto(600_000) as usize).collect();
    let later: Vec<usize> = (0..input.byte() % 4).map(|_| input.upto(600_000) as usize).collect();
    let again = usize::from(input.byte());
    let mut content = input.content(CONTENT_BYTES_MAX);
    let mut ends = content.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    if let Some((end, _)) = ends.nth(LINES_MAX) {
        content.truncate(end + 1);
    }

    let read = read(&setting, &content, &growth, 0);
    check_lines(&setting, &content, &read.items);
    let end = check_ranges(&content, &read.ranges);
    let last = end_of_lines(&content);
    let hole = hole_of(&content[last..]);
    assert!([last, last + hole].contains(&end), "every line to the last one was read: {end}");

    // A restart goes on behind what is settled: the same items are sent again as they were.
    let start = match read.ranges.len() {
        0 => 0,
        count => read.ranges[again % count].end,
    };
    let repeated = self::read(&setting, &content, &later, start as usize);
    let expected: Vec<_> = read.items.iter().filter(|item| start <= item.start).collect();
    assert!(repeated.items.iter().eq(expected), "from {start} on the items are the same");
}

/// How a file is read.
pub struct Setting {
    /// Most items of a batch.
    pub items: usize,
    pub input: InputSettings,
}

/// An item, and where what it was made of stands.
#[derive(PartialEq, Eq)]
pub struct Item {
    pub start: u64,
    pub length: u64,
    pub bytes: Vec<u8>,
}

/// What was made of a file.
#[derive(Default)]
pub struct Read {
    pub items: Vec<Item>,
    pub ranges: Vec<AckRange>,
}

/// What a line is in the whole file: where it starts behind a hole, how long it is, and its content.
fn lines(content: &[u8]) -> impl Iterator<Item = (u64, u64, &[u8])> {
    let mut at = 0;
    content.split_inclusive(|byte| *byte == b'\n').filter_map(move |line| {
        let hole = hole_of(line);
        let start = at + hole;
        at += line.len();
        let text = line[hole..].strip_suffix(b"\n")?;
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        (!text.is_empty()).then_some((start as u64, (line.len() - hole) as u64, text))
    })
}

fn hole_of(line: &[u8]) -> usize {
    let nuls = line.iter().position(|byte| *byte != 0).unwrap_or(line.len());
    if HOLE_BYTES_MIN <= nuls { nuls } else { 0 }
}

/// The end of the last line.
fn end_of_lines(content: &[u8]) -> usize {
    content.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1)
}

fn check_lines(setting: &Setting, content: &[u8], items: &[Item]) {
    let mut items = items.iter();
    for (start, length, text) in lines(content) {
        let item = items.next().expect("every line is an item");
        assert_eq!((item.start, item.length), (start, length), "where the line stands");
        let [_, document] = read_item(&item.bytes);
        assert_eq!(document["log"]["offset"], start);
        let message = document["message"].as_str().expect("a message");
        let whole = String::from_utf8_lossy(text);
        if setting.input.message_max_bytes < text.len() as u64 {
            assert!(whole.starts_with(message), "a cut line is the beginning of the line");
            // Three bytes at the cut may be the beginning of a character; a byte that is none becomes three.
            let kept = &text[..setting.input.message_max_bytes as usize];
            assert!(
                String::from_utf8_lossy(kept).len() <= message.len() + 9,
                "as long as it may be"
            );
            assert_eq!(document["log"]["flags"], serde_json::json!(["truncated"]));
        } else {
            assert!(message == whole, "the line as it stands");
        }
    }
    assert!(items.next().is_none(), "nothing but lines");
}

/// Checks that ranges follow one another from 0 on, with the proofs of the content; returns where they end.
pub fn check_ranges(content: &[u8], ranges: &[AckRange]) -> usize {
    let mut at = 0;
    for range in ranges {
        assert_eq!(range.start, at as u64, "without a gap and none twice");
        assert!(range.start <= range.middle.offset && range.middle.offset <= range.end);
        let middle = &content[..range.middle.offset as usize];
        assert_eq!(range.middle.running, carry_on(0, middle));
        at = range.end as usize;
        assert_eq!(range.proof, proof(content, at));
    }
    at
}

fn proof(content: &[u8], at: usize) -> Proof {
    let tail = &content[at.saturating_sub(TAIL_BYTES)..at];
    Proof { tail: tail_hash(tail), running: carry_on(0, &content[..at]) }
}

/// Lets a worker read a file from `start` on that grows by `growth`, then by the rest.
pub fn read(setting: &Setting, content: &[u8], growth: &[usize], start: usize) -> Read {
    let file = OneFile::default();
    let wake = Arc::new(Wake::default());
    let (ledger, mut notes) = Ledger::inbox(Arc::new(Wake::default()));
    let (sender, batches) = queue(vec![Arc::clone(&wake)]);
    let (orders, worker_orders) = mpsc::channel();
    let (report, reports) = mpsc::channel();
    let links = WorkerLinks {
        orders: worker_orders,
        exchanges: mpsc::channel().1,
        reports: report,
        prospector: Arc::new(Wake::default()),
        wake,
        pool: Pool::new(2 * BUFFER_BYTES),
        queue: sender,
        ledger,
        stats: Arc::new(Stats::default()),
    };
    let settings = WorkerSettings {
        inputs: vec![WorkerInput {
            closing: CloseSettings::default(),
            owner: OwnerSettings::default(),
            fingerprint: None,
            open_limit: None,
            message_max_bytes: setting.input.message_max_bytes,
            backlog: BacklogOrder::Sequential,
        }],
        backlog_bytes_min: READ_BYTES as u64,
        rescue: None,
        limits: BatchLimits { bytes: BUFFER_BYTES, items: setting.items },
        flush_timeout: Duration::ZERO,
        open_files_max: 1,
        read_bytes: READ_BYTES,
    };
    let pipeline = Pipeline::new(&setting.input, &shared()).expect("it is understood");
    let mut worker = Worker::new(file.clone(), settings, links, vec![pipeline]);

    let mut at = growth.first().copied().unwrap_or(0).clamp(start, content.len());
    file.grow(&content[..at]);
    let path: Arc<Path> = Path::new("/var/log/access.log").into();
    let assignment = Assignment {
        key: FileKey(1),
        input: 0,
        name: Arc::clone(&path),
        path,
        inode: INODE,
        is_packed: false,
        is_damaged: false,
        rescued: None,
        prefix: prefix_of(&content[..at]),
        epoch: Epoch::from_random([7; 12]),
        offset: start as u64,
        proof: proof(content, start),
        earlier: Trail::default(),
        settled: Vec::new().into(),
        modified: 0,
        progress: Progress::at(start as u64),
    };
    orders.send(Order::Follow(Box::new(assignment))).expect("the worker is there");
    let mut read = Read::default();
    let now = Instant::now();
    let all = content.len();
    let rest = growth.get(1..).unwrap_or_default().iter().chain([&all]);
    for size in rest {
        read_on(&mut worker, now, || collect(&mut read, &batches, &mut notes));
        let grown = (at + size).min(content.len());
        file.grow(&content[at..grown]);
        at = grown;
        orders.send(Order::Dirty(FileKey(1))).expect("the worker is there");
    }
    read_on(&mut worker, now, || collect(&mut read, &batches, &mut notes));
    worker.close();
    collect(&mut read, &batches, &mut notes);
    for report in reports.try_iter() {
        assert!(matches!(report, Report::Finished { .. }), "{report:?}");
    }
    read.items.sort_by_key(|item| item.start);
    read.ranges.sort_by_key(|range| range.start);
    read
}

/// Lets it read until there is nothing more for now.
fn read_on(worker: &mut Worker<OneFile>, now: Instant, mut collect: impl FnMut()) {
    loop {
        let step = worker.step(now, Moment(1_795_234_354_567));
        assert_ne!(step, Step::Closed);
        collect();
        if let Step::Idle(_) = step {
            return;
        }
    }
}

/// Takes what the worker has handed over, which gives its buffers back.
fn collect(read: &mut Read, batches: &Receiver, notes: &mut Inbox) {
    while let Some(batch) = batches.try_next() {
        for index in 0..batch.items() {
            let bytes = batch.item(index).to_vec();
            let [action, _] = read_item(&bytes);
            let id = action["create"]["_id"].as_str().expect("an id").to_owned();
            let (start, length) = id[17..].split_once('.').expect("an id has a place");
            read.items.push(Item { start: number(start), length: number(length), bytes });
        }
        read.ranges.extend(&batch.ranges);
    }
    while let Ok(note) = notes.try_recv() {
        if let Note::Settled(settled) = note {
            read.ranges.extend(settled.ranges);
        }
    }
}

fn number(digits: &str) -> u64 {
    let value = |digit: u8| DIGITS.iter().position(|known| *known == digit).expect("a digit");
    digits.bytes().fold(0, |number, digit| number << 6 | value(digit) as u64)
}
