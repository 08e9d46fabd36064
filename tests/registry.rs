//! The registry over a real disk: what was answered is there after a restart, and damage costs no more than it must.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    reason = "a test may fail, and has real files"
)]

#[path = "following/faulty.rs"]
#[expect(dead_code, reason = "no log is read here")]
mod faulty;

use faulty::FaultyDisk;
use shipper::account::Account;
use shipper::disk::{Disk, RealDisk};
use shipper::ledger::{Audit, AuditedEpoch, Entry, Known, Ledger, Note, Prefix, Progress};
use shipper::position::{AckRange, Epoch, Inode, Outcome, Part, Point, Proof, Settled};
use shipper::registrar::{Opening, Place, Registrar, edit, format};
use shipper::settings::RegistrySettings;
use shipper::stats::Stats;
use shipper::trail::Trail;
use shipper::wake::Wake;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use thin_vec::ThinVec;

struct Rig {
    registrar: Registrar<FaultyDisk>,
    disk: FaultyDisk,
    ledger: Ledger,
    stats: Arc<Stats>,
    known: Vec<Known>,
}

fn try_open(data: &Path, machine: &str) -> Result<Rig, String> {
    let (ledger, inbox) = Ledger::inbox(Arc::new(Wake::default()));
    let stats = Arc::new(Stats::default());
    let mut drawn = 100;
    let opening = Opening {
        settings: RegistrySettings {
            path: data.join("registry"),
            flush: Duration::from_secs(1),
            ..RegistrySettings::default()
        },
        data: data.to_path_buf(),
        output: "elasticsearch".to_owned(),
        machine: machine.to_owned(),
        random: Box::new(move || {
            drawn += 1;
            [drawn; 12]
        }),
    };
    let disk = FaultyDisk::default();
    let (registrar, known) = Registrar::open(disk.clone(), opening, inbox, Arc::clone(&stats))
        .map_err(|error| shipper::hint::report(&error, &[]))?;
    Ok(Rig { registrar, disk, ledger, stats, known })
}

/// A child that another test forks just now holds the lock too, until it runs its program: that is waited for.
fn open(data: &Path) -> Rig {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match try_open(data, "here") {
            Err(held) if held.contains("another shipper") && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            opened => return opened.unwrap(),
        }
    }
}

fn journal(data: &Path) -> PathBuf {
    data.join("registry/elasticsearch/journal.log")
}

fn epoch(number: u8) -> Epoch {
    Epoch::from_random([number; 12])
}

fn known(number: u8) -> Known {
    let path: Arc<Path> = Path::new("/var/log/apache2").join(format!("{number}.log")).into();
    let entry = Entry {
        epoch: epoch(number),
        path: Arc::clone(&path),
        name: path,
        reader: 0,
        owner: 0,
        inode: Inode { device: 1, number: u64::from(number), birth: 2 },
        prefix: Prefix { length: 10, lines: [12, 0, 0], hash: 11 },
        base: 0,
        committed: 0,
        proof: Proof::EMPTY,
        earlier: Trail::default(),
        beyond: ThinVec::new(),
        ended: false,
        left: 0,
        cuts: ThinVec::new(),
        account: Account::default(),
    };
    Known { entry, progress: Progress::at(0) }
}

impl Rig {
    fn register(&mut self, numbers: &[u8], now: Instant) -> Option<Vec<Epoch>> {
        let (reply, answers) = mpsc::channel();
        self.ledger.tell(Note::Register {
            known: numbers.iter().map(|number| known(*number)).collect(),
            reply,
            wake: Arc::new(Wake::default()),
        });
        self.registrar.step(now);
        answers.try_recv().ok()
    }

    fn settle(&self, number: u8, start: u64, end: u64) {
        let proof = Proof { tail: end, running: end };
        let ranges = vec![AckRange {
            epoch: epoch(number),
            start,
            end,
            before: start,
            proof,
            middle: Point { offset: end, running: proof.running },
        }];
        let settled = Settled { ranges, outcome: Outcome::Stored, others: Vec::new() };
        self.ledger.tell_quietly(Note::Settled(settled));
    }

    fn offsets(&self) -> Vec<(Epoch, u64)> {
        self.known.iter().map(|known| (known.entry.epoch, known.entry.committed)).collect()
    }
}

#[test]
fn epoch_that_was_answered_is_there_after_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = open(data.path());
    assert_eq!(rig.register(&[1, 2], Instant::now()), Some(vec![epoch(1), epoch(2)]));
    // No close: what is not on disk now is lost.
    drop(rig);
    assert_eq!(open(data.path()).offsets(), [(epoch(1), 0), (epoch(2), 0)]);
}

#[test]
fn offset_is_written_soon_for_whoever_kills_the_process_and_synced_at_the_flush() {
    let data = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut rig = open(data.path());
    rig.register(&[1], start);
    rig.settle(1, 0, 50);
    let before = std::fs::read(journal(data.path())).unwrap();
    assert_eq!(rig.registrar.step(start), Some(at(100)));
    assert_eq!(std::fs::read(journal(data.path())).unwrap(), before);
    assert_eq!(rig.registrar.step(at(100)), Some(at(200)), "more may come");
    let after = std::fs::read(journal(data.path())).unwrap();
    assert!(before.len() < after.len(), "it is written");
    assert_eq!(rig.registrar.step(at(200)), Some(at(1000)), "nothing has come");
    rig.settle(1, 50, 60);
    assert_eq!(rig.registrar.step(at(1000)), None, "then it sleeps");
    assert_eq!(rig.stats.registering.writes_succeeded.get(), 2, "an epoch, and one flush");
    drop(rig);
    let mut rig = open(data.path());
    assert_eq!(rig.offsets(), [(epoch(1), 60)]);
    rig.settle(1, 60, 70);
    rig.registrar.step(start);
    rig.registrar.step(at(100));
    // No flush has come.
    drop(rig);
    assert_eq!(open(data.path()).offsets(), [(epoch(1), 70)]);
}

#[test]
fn gap_is_not_passed_and_what_lies_behind_it_is_kept() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = open(data.path());
    rig.register(&[1], Instant::now());
    rig.settle(1, 20, 30);
    rig.settle(1, 0, 10);
    rig.registrar.close(Instant::now());
    let rig = open(data.path());
    assert_eq!(rig.offsets(), [(epoch(1), 10)]);
    let beyond: Vec<(u64, u64)> =
        rig.known[0].entry.beyond.iter().map(|interval| (interval.start, interval.end)).collect();
    assert_eq!(beyond, [(20, 30)]);
}

#[test]
fn forgotten_and_renamed_entries_stay_so() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = open(data.path());
    rig.register(&[1, 2], Instant::now());
    rig.ledger.tell(Note::Forget(epoch(1)));
    rig.ledger.tell(Note::Seen {
        epoch: epoch(2),
        name: Path::new("/var/log/apache2/2.log.1").into(),
        inode: Inode { device: 9, number: 9, birth: 9 },
        prefix: Prefix { length: 1024, lines: [6, 7, 8], hash: 5 },
        ended: false,
    });
    rig.registrar.close(Instant::now());
    let rig = open(data.path());
    assert_eq!(rig.known.len(), 1);
    let entry = &rig.known[0].entry;
    assert_eq!(&*entry.name, Path::new("/var/log/apache2/2.log.1"));
    assert_eq!(&*entry.path, Path::new("/var/log/apache2/2.log"));
    assert_eq!(entry.inode.device, 9);
    assert_eq!(entry.prefix, Prefix { length: 1024, lines: [6, 7, 8], hash: 5 });
}

#[test]
fn second_process_on_a_data_path_is_told_who_has_it() {
    let data = tempfile::tempdir().unwrap();
    let _rig = open(data.path());
    let told = try_open(data.path(), "here").err().unwrap();
    assert_eq!(
        told,
        format!(
            "error: another shipper (pid {}) uses the data path `{}`\n\
             hint: stop it, or give this one a data path of its own with --path.data\n",
            std::process::id(),
            data.path().display()
        )
    );
}

#[test]
fn registry_that_is_removed_or_replaced_while_it_is_written_is_there_again_after_the_next_look() {
    let data = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let mut rig = open(data.path());
    rig.register(&[1, 2], start);
    rig.settle(1, 0, 50);
    rig.registrar.step(start);
    assert_eq!(rig.registrar.step(start + Duration::from_secs(2)), None);
    std::fs::remove_dir_all(data.path()).unwrap();
    // Nothing is to be saved: the audit, which is asked for all the time, finds it.
    audited(&mut rig);
    rig.registrar.step(Instant::now() + Duration::from_secs(5));
    let told = try_open(data.path(), "here").err().unwrap();
    assert!(told.contains("another shipper"), "the lock is held again: {told}");
    assert_eq!(rig.stats.registering.degraded.get(), 0);
    // As an editor leaves it.
    let edited = std::fs::read(journal(data.path())).unwrap();
    std::fs::remove_file(journal(data.path())).unwrap();
    std::fs::write(journal(data.path()), &edited[..edited.len() / 2]).unwrap();
    rig.registrar.close(Instant::now());
    drop(rig.ledger);
    assert_eq!(open(data.path()).offsets(), [(epoch(1), 50), (epoch(2), 0)]);
}

#[test]
fn registry_is_left_to_another_shipper_that_began_one_in_a_removed_data_path() {
    let data = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let mut rig = open(data.path());
    rig.register(&[1], start);
    std::fs::remove_dir_all(data.path()).unwrap();
    let other = open(data.path());
    let before = std::fs::read(journal(data.path())).unwrap();
    rig.settle(1, 0, 50);
    rig.registrar.step(start + Duration::from_secs(2));
    rig.registrar.step(start + Duration::from_secs(4));
    assert_eq!(rig.stats.registering.degraded.get(), 1);
    assert_eq!(std::fs::read(journal(data.path())).unwrap(), before);
    drop(other);
}

#[test]
fn torn_last_line_is_cut_off_and_the_rest_kept() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = open(data.path());
    rig.register(&[1, 2], Instant::now());
    drop(rig);
    let bytes = std::fs::read(journal(data.path())).unwrap();
    std::fs::write(journal(data.path()), &bytes[..bytes.len() - 7]).unwrap();
    let mut rig = open(data.path());
    assert_eq!(rig.offsets(), [(epoch(1), 0)]);
    rig.register(&[3], Instant::now());
    drop(rig);
    assert_eq!(open(data.path()).offsets(), [(epoch(1), 0), (epoch(3), 0)]);
}

#[test]
fn registry_of_which_nothing_is_left_is_begun_anew() {
    for left in ["", "what an editor left\n", "half"] {
        let data = tempfile::tempdir().unwrap();
        drop(open(data.path()));
        std::fs::write(journal(data.path()), left).unwrap();
        for number in [1, 2] {
            // Also on a host that has no id of its own, by which a change would be noticed.
            let mut rig = try_open(data.path(), "").unwrap();
            rig.register(&[number], Instant::now());
        }
        assert_eq!(open(data.path()).known.len(), 2, "{left:?}");
        assert!(!journal(data.path()).with_extension("damaged").exists(), "{left:?}");
    }
}

#[test]
fn damage_inside_costs_one_entry_and_is_set_aside() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = open(data.path());
    rig.register(&[1, 2, 3], Instant::now());
    drop(rig);
    let text = std::fs::read_to_string(journal(data.path())).unwrap();
    let damaged = text.lines().nth(2).unwrap().replace("2.log", "x.log");
    let lines: Vec<&str> = text
        .lines()
        .enumerate()
        .map(|(number, line)| if number == 2 { damaged.as_str() } else { line })
        .collect();
    std::fs::write(journal(data.path()), lines.join("\n") + "\n").unwrap();
    let rig = open(data.path());
    assert_eq!(rig.offsets(), [(epoch(1), 0), (epoch(3), 0)]);
    assert_eq!(rig.stats.registering.degraded.get(), 1);
    let aside = journal(data.path()).with_extension("damaged");
    assert_eq!(std::fs::read_to_string(aside).unwrap(), damaged + "\n");
}

#[test]
fn registry_of_a_later_version_is_refused_and_left_alone() {
    let data = tempfile::tempdir().unwrap();
    drop(open(data.path()));
    let text = r#"{"shipper":"registry","version":3,"machine":"here"}"#;
    let line = format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes()));
    std::fs::write(journal(data.path()), &line).unwrap();
    let told = try_open(data.path(), "here").err().unwrap();
    assert!(told.contains("format version 3 is later than 2"), "{told}");
    assert_eq!(std::fs::read_to_string(journal(data.path())).unwrap(), line);
}

#[test]
fn on_another_machine_epochs_get_new_ids_at_the_same_offsets() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = open(data.path());
    rig.register(&[1], Instant::now());
    rig.settle(1, 0, 50);
    rig.registrar.close(Instant::now());
    let rig = try_open(data.path(), "there").unwrap();
    assert_eq!(rig.offsets(), [(epoch(101), 50)]);
    drop(rig);
    assert_eq!(try_open(data.path(), "there").unwrap().offsets(), [(epoch(101), 50)]);
}

#[test]
fn journal_does_not_grow_for_ever() {
    let data = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let mut rig = open(data.path());
    rig.register(&[1], start);
    for second in 1..3000 {
        rig.settle(1, second - 1, second);
        let now = start + Duration::from_secs(second * 2);
        rig.registrar.step(now);
        rig.registrar.step(now + Duration::from_secs(1));
    }
    assert!(std::fs::metadata(journal(data.path())).unwrap().len() < 70_000);
    drop(rig);
    assert_eq!(open(data.path()).offsets(), [(epoch(1), 2999)]);
}

/// The journal is exchanged for a new one when it has grown: whose name is not on the disk before the directory is synced.
#[test]
fn nothing_is_said_to_be_saved_in_a_new_journal_whose_name_could_not_be_synced() {
    let data = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let mut rig = open(data.path());
    let new = known(1);
    let progress = Arc::clone(&new.progress);
    let (reply, _answers) = mpsc::channel();
    rig.ledger.tell(Note::Register { known: vec![new], reply, wake: Arc::default() });
    rig.registrar.step(start);
    let inode = || RealDisk.stat(&journal(data.path())).unwrap().inode;
    let first = inode();
    rig.disk.fail_directories();
    let (mut saved, mut now, mut settled) = (0, start, 0);
    while inode() == first {
        saved = progress.saved();
        rig.settle(1, settled, settled + 1);
        settled += 1;
        now += Duration::from_secs(2);
        rig.registrar.step(now);
        rig.registrar.step(now + Duration::from_secs(1));
    }
    assert_eq!((saved, progress.saved()), (settled - 1, settled - 1));
    assert_eq!(rig.stats.registering.degraded.get(), 1);
    rig.disk.heal();
    now += Duration::from_secs(4);
    rig.registrar.step(now);
    assert_eq!(progress.saved(), settled);
    assert_eq!(rig.stats.registering.degraded.get(), 0);
}

#[test]
fn directory_of_a_file_system_that_cannot_sync_one_is_left_as_it_is() {
    RealDisk.sync_directory(Path::new("/proc/self")).unwrap();
}

#[test]
fn journal_does_not_grow_with_every_restart() {
    let data = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let length = || std::fs::metadata(journal(data.path())).unwrap().len();
    let numbers: Vec<u8> = (0..200).collect();
    let mut rig = open(data.path());
    rig.register(&numbers, start);
    let least = length();
    for life in 0..40 {
        for number in &numbers {
            rig.settle(*number, life, life + 1);
        }
        let now = start + Duration::from_secs(life * 2);
        rig.registrar.step(now);
        rig.registrar.step(now + Duration::from_secs(1));
        drop(rig);
        rig = open(data.path());
    }
    assert!(length() < least * 10, "{} bytes, and {least} at the beginning", length());
    assert_eq!(
        rig.offsets(),
        numbers.iter().map(|number| (epoch(*number), 40)).collect::<Vec<_>>()
    );
}

#[test]
fn data_path_that_cannot_be_written_is_told_with_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    std::fs::write(&file, "").unwrap();
    let told = try_open(&file, "here").err().unwrap();
    let expected = format!("error: cannot use `{}`: ", file.display());
    assert!(told.starts_with(&expected) && told.contains("\nhint: a file stands where"), "{told}");
}

#[test]
fn files_that_a_full_disk_makes_wait_are_counted_until_they_are_saved() {
    let place = tempfile::tempdir().unwrap();
    let mount = Mount::tmpfs(place.path(), "1m");
    let start = Instant::now();
    let mut rig = open(place.path());
    assert_eq!(rig.register(&[1], start), Some(vec![epoch(1)]));
    assert_eq!(rig.stats.registering.waiting.get(), 0);
    let filler = place.path().join("filler");
    fill(&filler);
    // More than there is space reserved for.
    let many = [[2; 2000], [3; 2000]].concat();
    assert_eq!(rig.register(&many, start), None);
    assert_eq!(rig.register(&[4], start), None);
    assert_eq!(rig.stats.registering.waiting.get(), 4001);
    std::fs::remove_file(&filler).unwrap();
    rig.registrar.step(start + Duration::from_secs(2));
    assert_eq!(rig.stats.registering.waiting.get(), 0);
    drop(rig);
    drop(mount);
}

#[test]
fn full_disk_makes_new_files_wait_and_known_ones_go_on() {
    let place = tempfile::tempdir().unwrap();
    let mount = Mount::tmpfs(place.path(), "1m");
    let start = Instant::now();
    let mut rig = open(place.path());
    rig.register(&[1], start);
    fill(&place.path().join("filler"));
    rig.settle(1, 0, 50);
    let mut now = start;
    for _ in 0..3 {
        now += Duration::from_secs(2);
        rig.registrar.step(now);
    }
    assert_eq!(rig.stats.registering.degraded.get(), 0, "the reserve takes offsets");
    drop(rig);
    let rig = open(place.path());
    assert_eq!(rig.offsets(), [(epoch(1), 50)]);
    drop(rig);
    drop(mount);
}

/// A file system of its own; unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    fn tmpfs(at: &Path, size: &str) -> Self {
        let options = format!("size={size}");
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at)
            .status()
            .unwrap();
        assert!(status.success(), "mounting a tmpfs needs root, which this test runs as");
        Self(at.to_path_buf())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

fn fill(path: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    for size in [4096, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
}

/// Every format that was ever written is read, and written anew in the one of today, with the same entries.
#[test]
fn fixture_of_every_format_version_is_read_and_kept() {
    for (version, lines) in [("v1", 8), ("v2", 8)] {
        let data = tempfile::tempdir().unwrap();
        drop(open(data.path()));
        let fixtures = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/registry"));
        let fixture = fixtures.join(version);
        std::fs::copy(fixture.join("journal.log"), journal(data.path())).unwrap();
        let expected = std::fs::read_to_string(fixture.join("expected.txt")).unwrap();
        for life in ["of that format", "of today's"] {
            let rig = open(data.path());
            let entry =
                |known: &Known| format!("{} {:?}\n", known.entry.name.display(), known.entry);
            let seen: String = rig.known.iter().map(entry).collect();
            assert_eq!(seen, expected, "{version}, {life}");
        }
        let text = std::fs::read_to_string(journal(data.path())).unwrap();
        assert!(text.contains(r#"{"shipper":"registry","version":2"#), "{text}");
        let is_rewritten = text.lines().count() < lines;
        assert_eq!(is_rewritten, version != "v2", "only what is older is written anew");
    }
}

/// Has the bytes counted.
fn audited(rig: &mut Rig) -> Audit {
    let (reply, answer) = mpsc::channel();
    rig.ledger.tell(Note::Audit(reply));
    rig.registrar.step(Instant::now());
    answer.try_recv().unwrap()
}

fn ack(number: u8, start: u64, end: u64) -> AckRange {
    let middle = Point { offset: end, running: end };
    let proof = Proof { tail: end, running: end };
    AckRange { epoch: epoch(number), start, end, before: start, proof, middle }
}

#[test]
fn audit_finds_what_is_neither_settled_nor_on_its_way() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = open(data.path());
    let (first, second) = (known(1), known(2));
    let progress = [Arc::clone(&first.progress), Arc::clone(&second.progress)];
    let (reply, _answers) = mpsc::channel();
    let wake = Arc::new(Wake::default());
    rig.ledger.tell(Note::Register { known: vec![first, second], reply, wake });
    assert_eq!(audited(&mut rig), Audit::default());
    let held = rig.ledger.hold();
    held.add(&ack(1, 0, 40));
    held.add(&ack(2, 0, 10));
    held.add(&ack(1, 60, 100));
    let (name, account) = (known(1).entry.name, Account::default());
    let on_its_way = |bytes| AuditedEpoch {
        epoch: epoch(1),
        name: name.clone(),
        account: account.clone(),
        in_flight_bytes: bytes,
        missing: vec![],
    };
    // Nobody answers for 40..60, but the reader does not say either that it has read them.
    progress[0].read_to(40);
    let expected = Audit { in_flight_bytes: 40, missing_bytes: 0, epochs: vec![on_its_way(40)] };
    assert_eq!(audited(&mut rig), expected);
    progress[0].read_to(100);
    progress[1].read_to(10);
    rig.settle(1, 0, 40);
    let audit = audited(&mut rig);
    assert_eq!((audit.in_flight_bytes, audit.missing_bytes), (50, 20));
    let account = Account::of(&[40]);
    let gap = AuditedEpoch { account, missing: vec![40..60], ..on_its_way(40) };
    assert_eq!(audit.epochs[0], gap, "what has a gap comes first");
    let other = AuditedEpoch { epoch: epoch(2), name: known(2).entry.name, ..on_its_way(10) };
    assert_eq!(audit.epochs[1..], [other]);
    assert_eq!(rig.stats.registering.missing_bytes.get(), 20);
    // A batch that is dropped and was not settled.
    drop(held);
    let audit = audited(&mut rig);
    assert_eq!((audit.in_flight_bytes, audit.missing_bytes), (0, 70));
    assert_eq!(audit.epochs[0].missing, [40..100]);
    rig.settle(1, 40, 100);
    rig.settle(2, 0, 10);
    assert_eq!(audited(&mut rig), Audit::default());
    assert_eq!(rig.stats.registering.missing_bytes.get(), 0);
}

/// While a reader and an output go on as fast as they can, an audit never takes what is between them for a gap.
#[test]
fn audit_is_exact_while_everything_goes_on() {
    const BATCHES: u64 = 100_000;
    const OPEN: u64 = 50;
    let data = tempfile::tempdir().unwrap();
    let mut rig = open(data.path());
    let new = known(1);
    let progress = Arc::clone(&new.progress);
    let (reply, _answers) = mpsc::channel();
    rig.ledger.tell(Note::Register { known: vec![new], reply, wake: Arc::new(Wake::default()) });
    rig.registrar.step(Instant::now());
    let ledger = rig.ledger.clone();
    let going_on = std::thread::spawn(move || {
        let mut open = VecDeque::new();
        for batch in 0..BATCHES + OPEN {
            if batch < BATCHES {
                let range = ack(1, batch * 10, batch * 10 + 10);
                let held = ledger.hold();
                held.add(&range);
                progress.read_to(range.end);
                open.push_back((range, held));
            }
            if OPEN <= batch {
                let (range, held) = open.pop_front().unwrap();
                let (ranges, others) = (vec![range], Vec::new());
                let settled = Settled { ranges, outcome: Outcome::Stored, others };
                ledger.tell_quietly(Note::Settled(settled));
                drop(held);
            }
        }
    });
    while !going_on.is_finished() {
        let audit = audited(&mut rig);
        assert_eq!(audit.missing_bytes, 0, "{audit:?}");
    }
    going_on.join().unwrap();
    assert_eq!(audited(&mut rig), Audit::default());
    assert_eq!(rig.stats.registering.settled[0].get(), BATCHES * 10);
}

#[test]
fn account_says_how_bytes_ended_and_outlives_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = open(data.path());
    rig.register(&[1, 2], Instant::now());
    let part = |number, outcome, bytes| Part { epoch: epoch(number), outcome, bytes };
    let settle = |rig: &Rig, ranges: Vec<AckRange>, outcome, others: Vec<Part>| {
        rig.ledger.tell_quietly(Note::Settled(Settled { ranges, outcome, others }));
    };
    let others = vec![
        part(1, Outcome::Filtered, 1),
        part(2, Outcome::AlreadyStored, 4),
        part(1, Outcome::DeadLettered, 2),
    ];
    let ranges = vec![ack(1, 0, 5), ack(2, 0, 10), ack(1, 5, 10)];
    settle(&rig, ranges.clone(), Outcome::Stored, others.clone());
    // A repeat changes nothing; what lies beyond a hole counts, as far as the registry keeps it.
    settle(&rig, ranges, Outcome::Stored, others);
    settle(&rig, vec![ack(1, 8, 12)], Outcome::Skipped, Vec::new());
    settle(&rig, vec![ack(1, 12, 15)], Outcome::Lost, Vec::new());
    let beyond = |from: u64| (0..10).map(|k| ack(2, from + 2 * k, from + 2 * k + 1)).collect();
    settle(&rig, beyond(20), Outcome::Stored, Vec::new());
    rig.registrar.close(Instant::now());
    let total = rig.stats.registering.settled.each_ref().map(shipper::stats::Counter::get);
    assert_eq!(total, [7 + 6 + 10, 4, 1, 2, 2, 3]);
    let rig = open(data.path());
    let accounts: Vec<Account> =
        rig.known.iter().map(|known| known.entry.account.clone()).collect();
    assert_eq!(accounts, [Account::of(&[7, 0, 1, 2, 2, 3]), Account::of(&[6 + 8, 4])]);
    for known in &rig.known {
        assert_eq!(known.entry.account.sum(), known.entry.settled_bytes());
    }
}

#[test]
fn account_of_what_is_forgotten_is_kept_through_restarts_and_snapshots() {
    let data = tempfile::tempdir().unwrap();
    let forgotten =
        || format::decode(&std::fs::read(journal(data.path())).unwrap()).unwrap().forgotten;
    let settle = |rig: &Rig, range, outcome| {
        let settled = Settled { ranges: vec![range], outcome, others: Vec::new() };
        rig.ledger.tell_quietly(Note::Settled(settled));
    };
    let lost_ever = |rig: &Rig| rig.stats.registering.lost_ever_bytes.get();
    let mut rig = open(data.path());
    rig.register(&[1, 2, 3], Instant::now());
    settle(&rig, ack(1, 0, 10), Outcome::Stored);
    settle(&rig, ack(1, 10, 17), Outcome::Lost);
    settle(&rig, ack(2, 0, 2), Outcome::Lost);
    // Nothing of that is saved yet.
    rig.ledger.tell(Note::Forget(epoch(1)));
    rig.ledger.tell(Note::Forget(epoch(1)));
    rig.registrar.close(Instant::now());
    assert_eq!(rig.stats.registering.lost_ever_bytes.get(), 9);
    assert_eq!(forgotten(), Account::of(&[10, 0, 0, 0, 0, 7]));

    // A snapshot, because another machine goes on, and another one by hand.
    let rig = try_open(data.path(), "elsewhere").unwrap();
    assert_eq!((lost_ever(&rig), forgotten()), (9, Account::of(&[10, 0, 0, 0, 0, 7])));
    let renamed = rig.known[0].entry.epoch;
    rig.ledger.tell(Note::Forget(renamed));
    rig.registrar.close(Instant::now());
    let place = Place {
        settings: RegistrySettings {
            path: data.path().join("registry"),
            ..RegistrySettings::default()
        },
        data: data.path().to_path_buf(),
        output: "elasticsearch".to_owned(),
    };
    let mut editing = edit(RealDisk, &place).map_err(|_| "locked").unwrap();
    editing.entries().clear();
    editing.save().unwrap();
    let rig = try_open(data.path(), "elsewhere").unwrap();
    assert_eq!((lost_ever(&rig), forgotten()), (9, Account::of(&[10, 0, 0, 0, 0, 9])));
    assert_eq!(rig.known.len(), 0);
}
