//! The spool of dead letters, and the index that may stand for it.

use super::rig::{Rig, answer, greeting, quick};
use super::server::{Reply, Request, Server};
use serde_json::{Value, json};
use shipper::disk::{AppendFile, Disk, Listed, RealDisk, Stat};
use shipper::outputs::dead_letters::DeadLetters;
use shipper::outputs::elasticsearch::bulk::Fault;
use shipper::settings::{DeadLetterSettings, DeadLetterTo};
use shipper::spool::SpoolError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const TIME: &str = "2026-11-21T03:20:13Z";

const BAD: (u16, &str) = (400, "document_parsing_exception");

fn item(number: usize) -> Vec<u8> {
    format!("{{\"create\":{{\"_id\":\"id{number}\"}}}}\n{{\"n\":{number}}}\n").into_bytes()
}

fn letter(number: usize) -> String {
    let members = format!(
        "\"@timestamp\":\"{TIME}\",\"status\":400,\"type\":\"\",\"reason\":\"\",\"id\":\"id{number}\",\
         \"target\":\"logs\",\"source\":{{}},\"action\":{{\"create\":{{\"_id\":\"id{number}\"}}}},\
         \"document\":{{\"n\":{number}}}}}"
    );
    format!("{{\"crc32\":\"{:08x}\",{members}\n", crc32fast::hash(members.as_bytes()))
}

fn letters<D: Disk>(disk: D, data: &Path) -> DeadLetters<D> {
    DeadLetters::new(disk, &DeadLetterSettings::default(), data, Some("logs".to_owned()))
}

fn keep<D: Disk>(letters: &mut DeadLetters<D>, numbers: &[usize]) -> Result<(), SpoolError> {
    let fault = Fault { status: 400, ..Fault::default() };
    let items: Vec<Vec<u8>> = numbers.iter().map(|number| item(*number)).collect();
    let items: Vec<(&[u8], &Fault)> = items.iter().map(|item| (&item[..], &fault)).collect();
    letters.keep(TIME.parse().unwrap(), &items)
}

fn file<D: Disk>(letters: &DeadLetters<D>) -> PathBuf {
    letters.path().join("00000001.ndjson")
}

#[test]
fn letters_follow_each_other_also_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    for number in 0..3 {
        let mut letters = letters(RealDisk, data.path());
        keep(&mut letters, &[number * 2]).unwrap();
        keep(&mut letters, &[number * 2 + 1]).unwrap();
    }
    let path = file(&letters(RealDisk, data.path()));
    let expected: String = (0..6).map(letter).collect();
    assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
}

#[test]
fn letters_begin_a_new_file_when_somebody_has_removed_theirs_or_moved_it_away() {
    let data = tempfile::tempdir().unwrap();
    let mut letters = letters(RealDisk, data.path());
    let path = file(&letters);
    keep(&mut letters, &[0]).unwrap();
    std::fs::remove_file(&path).unwrap();
    keep(&mut letters, &[1]).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), letter(1));
    let moved = data.path().join("done");
    std::fs::rename(&path, &moved).unwrap();
    keep(&mut letters, &[2]).unwrap();
    let both = [&moved, &path].map(|path| std::fs::read_to_string(path).unwrap());
    assert_eq!(both, [letter(1), letter(2)]);
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    keep(&mut letters, &[3]).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), letter(3));
}

#[test]
fn torn_end_is_cut_off_and_a_whole_one_is_ended() {
    let long = "x".repeat(200_000);
    let whole = format!("{{\"a\":\"{long}\"}}");
    let torn = format!("{{\"a\":\"{long}");
    for (before, expected) in [
        ("", String::new()),
        ("{\"a\":1}\n", "{\"a\":1}\n".to_owned()),
        ("{\"a\":1}\n{\"b\":", "{\"a\":1}\n".to_owned()),
        ("{\"b\":", String::new()),
        ("{\"a\":1}\n\0\0\0", "{\"a\":1}\n".to_owned()),
        ("{\"a\":1}\n{\"b\":2}", "{\"a\":1}\n{\"b\":2}\n".to_owned()),
        ("{\"a\":1}\n12", "{\"a\":1}\n".to_owned()),
        (&format!("{{\"a\":1}}\n{whole}"), format!("{{\"a\":1}}\n{whole}\n")),
        (&format!("{{\"a\":1}}\n{torn}"), "{\"a\":1}\n".to_owned()),
        (&torn, String::new()),
    ] {
        let data = tempfile::tempdir().unwrap();
        let mut letters = letters(RealDisk, data.path());
        std::fs::create_dir(letters.path()).unwrap();
        std::fs::write(file(&letters), before).unwrap();
        keep(&mut letters, &[7]).unwrap();
        let text = std::fs::read_to_string(file(&letters)).unwrap();
        assert!(text == expected.clone() + &letter(7), "{before:.60}");
    }
}

#[test]
fn write_that_fails_half_way_leaves_no_half_line() {
    let data = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let mut letters = letters(FullDisk(Arc::clone(&full)), data.path());
    let text = |letters: &DeadLetters<FullDisk>| std::fs::read_to_string(file(letters)).unwrap();
    keep(&mut letters, &[0]).unwrap();
    full.store(true, Ordering::SeqCst);
    keep(&mut letters, &[1, 2, 3]).unwrap_err();
    keep(&mut letters, &[1, 2, 3]).unwrap_err();
    assert_eq!(text(&letters), letter(0));
    full.store(false, Ordering::SeqCst);
    keep(&mut letters, &[1, 2, 3]).unwrap();
    assert_eq!(text(&letters), (0..4).map(letter).collect::<String>());
}

/// A server that refuses every document with `"bad"`, and answers for the index `dead` what `dead` says of a request.
fn server(dead: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        if let Some(reply) = greeting(request) {
            return reply;
        }
        if request.body.contains("\"_index\":\"dead\"") {
            return dead(request);
        }
        let documents = request.body.lines().skip(1).step_by(2);
        let verdict = |document: &str| if document.contains("bad") { BAD } else { (201, "") };
        let statuses: Vec<(u16, &str)> = documents.map(verdict).collect();
        Reply::json(200, answer(&statuses))
    })
}

fn rig(server: &Server, to: DeadLetterTo) -> Rig {
    let mut settings = quick(&[server.url()]);
    settings.dead_letters.to = to;
    Rig::start(settings)
}

#[test]
fn letters_of_an_index_are_stored_there_as_filebeat_writes_them() {
    let server = server(|request| Reply::json(200, answer(&vec![(201, ""); request.ids().len()])));
    let mut rig = rig(&server, DeadLetterTo::Index("dead".to_owned()));
    let (_, range) = rig.send(&["{}", r#"{"@timestamp":"2026-11-20T00:00:00Z","x":"bad"}"#]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    let bulks = server.bulks();
    let paths: Vec<&str> = bulks.iter().map(|bulk| bulk.path.as_str()).collect();
    assert_eq!(paths, ["/logs/_bulk", "/_bulk"]);
    let lines: Vec<Value> =
        bulks[1].body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], json!({"create": {"_index": "dead", "_id": "id1"}}));
    let mut letter = lines[1].clone();
    assert!(letter["dead_letter"].as_object_mut().unwrap().remove("created").is_some());
    let expected = json!({
        "@timestamp": "2026-11-20T00:00:00Z",
        "message": r#"{"@timestamp":"2026-11-20T00:00:00Z","x":"bad"}"#,
        "error": {"type": 400, "message": "document_parsing_exception: because"},
        "dead_letter": {"type": "document_parsing_exception", "target": "logs", "source": {}},
    });
    assert_eq!((letter, lines.len()), (expected, 2));
    assert_eq!(rig.dead_letters(), [] as [Value; 0]);
    let sending = rig.stats.snapshot().sending;
    assert_eq!((sending.acked, sending.dead_letters, sending.dropped), (1, 1, 0));
}

#[test]
fn letter_that_its_index_refuses_is_kept_in_the_spool() {
    for reply in [
        Reply::json(200, answer(&[BAD])),
        Reply::json(200, answer(&[(403, "security_exception")])),
        Reply::json(403, r#"{"error":{"type":"security_exception","reason":"no"}}"#),
        Reply::json(413, ""),
    ] {
        let server = server(move |_| reply.clone());
        let mut rig = rig(&server, DeadLetterTo::Index("dead".to_owned()));
        let (_, range) = rig.send(&["{}", r#"{"x":"bad"}"#]);
        assert_eq!(rig.settled(), [range]);
        rig.finish();
        let kept = rig.dead_letters();
        assert_eq!((kept.len(), &kept[0]["document"]), (1, &json!({"x": "bad"})));
        assert_eq!(
            kept[0]["type"], "document_parsing_exception",
            "why it is dead, not why its index has refused it"
        );
    }
}

#[test]
fn poisonous_event_holds_up_its_own_batch_alone_while_its_index_is_busy() {
    let busy = Arc::new(AtomicBool::new(true));
    let asked = Arc::new(AtomicUsize::new(0));
    let (is_busy, count) = (Arc::clone(&busy), Arc::clone(&asked));
    let server = server(move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        if is_busy.load(Ordering::SeqCst) {
            return Reply::json(429, "{}");
        }
        Reply::json(200, answer(&vec![(201, ""); request.ids().len()]))
    });
    let mut rig = rig(&server, DeadLetterTo::Index("dead".to_owned()));
    let (_, poisonous) = rig.send(&["{}", r#"{"x":"bad"}"#]);
    for _ in 0..10 {
        let (_, range) = rig.send(&["{}", "{}"]);
        assert_eq!(rig.settled(), [range]);
    }
    rig.wait_for("its index was asked again", |_| 2 < asked.load(Ordering::SeqCst));
    rig.nothing_settled();
    busy.store(false, Ordering::SeqCst);
    assert_eq!(rig.settled(), [poisonous]);
    rig.finish();
    assert_eq!(rig.stats.snapshot().sending.dead_letters, 1);
}

#[test]
fn full_spool_pauses_delivery_until_somebody_makes_room() {
    let server = server(|_| Reply::Close);
    let mut settings = quick(&[server.url()]);
    settings.dead_letters.bytes_max = 700;
    let mut rig = Rig::start(settings);
    let (_, first) = rig.send(&[r#"{"x":"bad"}"#]);
    assert_eq!(rig.settled(), [first]);
    let (_, second) = rig.send(&[&format!(r#"{{"x":"bad {}"}}"#, "y".repeat(500))]);
    let trouble = rig.wait_for_trouble();
    assert!(
        trouble.contains("it is full: it has 2") && trouble.contains("`shipper dlq replay`"),
        "{trouble}"
    );
    rig.nothing_settled();
    std::fs::remove_file(rig.data.path().join("dead_letters/00000001.ndjson")).unwrap();
    assert_eq!(rig.settled(), [second]);
    rig.finish();
}

#[test]
fn dropped_documents_are_counted_and_kept_nowhere() {
    let server = server(|_| Reply::Close);
    let mut rig = rig(&server, DeadLetterTo::Nowhere);
    let (_, range) = rig.send(&["{}", r#"{"x":"bad"}"#]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert_eq!(rig.dead_letters(), [] as [Value; 0]);
    let sending = rig.stats.snapshot().sending;
    assert_eq!((sending.acked, sending.dead_letters, sending.dropped), (1, 0, 1));
    let told = |line: &String| {
        line.starts_with("ERROR the server refuses documents for ever, they are dropped")
    };
    assert!(super::rig::lines().iter().any(told));
}

#[test]
fn dead_letters_of_each_batch_do_not_fill_the_log() {
    let server = super::rig::scripted(|_, _| {
        let item = r#"{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"told too often"}}}"#;
        Reply::json(200, format!(r#"{{"errors":true,"items":[{item},{item}]}}"#))
    });
    let begun = std::time::Instant::now();
    let mut rig = rig(&server, DeadLetterTo::Spool);
    for _ in 0..30 {
        let (_, range) = rig.send(&["{}", "{}"]);
        assert_eq!(rig.settled(), [range]);
    }
    rig.finish();
    let lines = super::rig::lines();
    let told = lines.iter().filter(|line| line.contains("told too often")).count() as u64;
    assert!((1..=1 + begun.elapsed().as_secs() / 10).contains(&told), "{told} lines");
    assert_eq!(rig.dead_letters().len(), 60);
}

#[test]
fn letters_that_their_index_does_not_take_three_times_wait_no_longer_than_three_times() {
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let server = super::rig::scripted(move |_, request| {
        if !request.path.starts_with("/logs/") {
            return match tries.fetch_add(1, Ordering::SeqCst) {
                0..3 => Reply::json(503, "{}"),
                _ => super::all_created(request),
            };
        }
        Reply::json(200, answer(&[(400, "document_parsing_exception")]))
    });
    let mut settings = quick(&[server.url()]);
    settings.backoff = shipper::settings::BackoffSettings::default();
    settings.dead_letters.to = DeadLetterTo::Index("letters".to_owned());
    let mut rig = Rig::start(settings);
    // 0.1, 0.5 and 2 s at most; if each time counted twice it would be 0.5, 4 and 16.
    let (_, range) = rig.send(&["{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
}

/// The real disk with a switch that makes it full: of what is appended a half is written.
#[derive(Clone)]
struct FullDisk(Arc<AtomicBool>);

struct FullWriter(<RealDisk as Disk>::Writer, Arc<AtomicBool>);

impl AppendFile for FullWriter {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.1.load(Ordering::SeqCst) {
            self.0.append(&bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }

    fn reserve(&mut self, from: u64, bytes: u64) -> io::Result<()> {
        self.0.reserve(from, bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }
}

impl Disk for FullDisk {
    type File = <RealDisk as Disk>::File;
    type Writer = FullWriter;
    type Lock = <RealDisk as Disk>::Lock;

    fn list(&self, directory: &Path) -> io::Result<Vec<Listed>> {
        RealDisk.list(directory)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        RealDisk.stat(path)
    }

    fn link_stat(&self, path: &Path) -> io::Result<Stat> {
        RealDisk.link_stat(path)
    }

    fn file_system(&self, path: &Path) -> io::Result<u64> {
        RealDisk.file_system(path)
    }

    fn open(&self, path: &Path) -> io::Result<Self::File> {
        RealDisk.open(path)
    }

    fn read_all(&self, path: &Path, longest: u64) -> io::Result<Vec<u8>> {
        RealDisk.read_all(path, longest)
    }

    fn append(&self, path: &Path, mode: u32) -> io::Result<FullWriter> {
        Ok(FullWriter(RealDisk.append(path, mode)?, Arc::clone(&self.0)))
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<FullWriter> {
        Ok(FullWriter(RealDisk.create(path, mode)?, Arc::clone(&self.0)))
    }

    fn create_directory(&self, path: &Path, mode: u32) -> io::Result<()> {
        RealDisk.create_directory(path, mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_directory(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Self::Lock>> {
        RealDisk.lock(path)
    }
}
