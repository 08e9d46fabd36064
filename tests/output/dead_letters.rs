//! The file of dead letters: one JSON object a line, whatever came between.

use shipper::disk::{AppendFile, Disk, Listed, RealDisk, Stat};
use shipper::outputs::dead_letters::DeadLetters;
use shipper::outputs::elasticsearch::bulk::Fault;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const TIME: &str = "2026-11-21T03:20:13Z";

fn item(number: usize) -> Vec<u8> {
    format!("{{\"create\":{{\"_id\":\"id{number}\"}}}}\n{{\"n\":{number}}}\n").into_bytes()
}

fn letter(number: usize) -> String {
    format!(
        "{{\"@timestamp\":\"{TIME}\",\"status\":400,\"type\":\"\",\"reason\":\"\",\
         \"action\":{{\"create\":{{\"_id\":\"id{number}\"}}}},\"document\":{{\"n\":{number}}}}}\n"
    )
}

fn keep<D: Disk>(letters: &mut DeadLetters<D>, numbers: &[usize]) -> io::Result<()> {
    let fault = Fault { status: 400, ..Fault::default() };
    let items: Vec<Vec<u8>> = numbers.iter().map(|number| item(*number)).collect();
    let items: Vec<(&[u8], &Fault)> = items.iter().map(|item| (&item[..], &fault)).collect();
    letters.keep(TIME, &items)
}

#[test]
fn letters_follow_each_other_also_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    for number in 0..3 {
        let mut letters = DeadLetters::new(RealDisk, data.path());
        keep(&mut letters, &[number * 2]).unwrap();
        keep(&mut letters, &[number * 2 + 1]).unwrap();
    }
    let path = DeadLetters::new(RealDisk, data.path()).path().to_path_buf();
    let expected: String = (0..6).map(letter).collect();
    assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
}

#[test]
fn letters_begin_a_new_file_when_somebody_has_removed_theirs_or_moved_it_away() {
    let data = tempfile::tempdir().unwrap();
    let mut letters = DeadLetters::new(RealDisk, data.path());
    let path = letters.path().to_path_buf();
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
        let mut letters = DeadLetters::new(RealDisk, data.path());
        std::fs::create_dir(letters.path().parent().unwrap()).unwrap();
        std::fs::write(letters.path(), before).unwrap();
        keep(&mut letters, &[7]).unwrap();
        let text = std::fs::read_to_string(letters.path()).unwrap();
        assert!(text == expected.clone() + &letter(7), "{before:.60}");
    }
}

#[test]
fn write_that_fails_half_way_leaves_no_half_line() {
    let data = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let mut letters = DeadLetters::new(FullDisk(Arc::clone(&full)), data.path());
    keep(&mut letters, &[0]).unwrap();
    full.store(true, Ordering::SeqCst);
    keep(&mut letters, &[1, 2, 3]).unwrap_err();
    keep(&mut letters, &[1, 2, 3]).unwrap_err();
    let text = std::fs::read_to_string(letters.path()).unwrap();
    assert_eq!(text, letter(0));
    full.store(false, Ordering::SeqCst);
    keep(&mut letters, &[1, 2, 3]).unwrap();
    let text = std::fs::read_to_string(letters.path()).unwrap();
    assert_eq!(text, (0..4).map(letter).collect::<String>());
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
