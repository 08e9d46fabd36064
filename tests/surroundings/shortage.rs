//! Too few descriptors, too few watches, too little time.

use crate::rig::Site;
use crate::shipper::{PATIENCE, Place, Running, wait_until};
use crate::writer::lines;
use ::shipper::demo::receiver::{Mode, Observer, Options, Receiver};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::io::Write as _;
use std::ops::Range;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

fn append(site: &Site, file: usize, numbers: Range<usize>) {
    let path = site.log(&format!("site-{file}.log"));
    let mut log = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    log.write_all(lines(&format!("w{file}"), numbers).as_bytes()).unwrap();
}

fn settle(site: &Site, shipper: Running, files: usize, each: usize) -> String {
    let names: Vec<String> = (0..files).map(|file| format!("w{file}")).collect();
    let servers: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), each)).collect();
    let (tally, told) = site.settle(shipper, &servers);
    assert_eq!(tally.conflicts, 0);
    told
}

fn count(told: &str, what: &str) -> usize {
    told.lines().filter(|line| line.contains(what)).count()
}

#[test]
fn ten_thousand_files_get_through_256_descriptors() {
    const FILES: usize = 10_000;
    let site = Site::new("10,000 files, 256 descriptors", "site-*.log", "");
    (0..FILES).for_each(|file| append(&site, file, 0..2));
    let limited = ["prlimit", "--nofile=256:256", "--", env!("CARGO_BIN_EXE_shipper")];
    let shipper = site.place.start_by(&limited, "data", &[]);
    site.wait_for(&shipper, FILES * 2);
    (0..FILES).for_each(|file| append(&site, file, 2..3));
    site.wait_for(&shipper, FILES * 3);
    let open = std::fs::read_dir(format!("/proc/{}/fd", shipper.pid())).unwrap().count();
    assert!(open < 256, "{open} are open");
    let told = settle(&site, shipper, FILES, 3);
    assert_eq!(count(&told, "of 256 open files at most 216 are logs"), 1, "{told}");
    assert!(!told.contains("WARN") && !told.contains("ERROR"), "{told}");
}

#[test]
fn descriptors_that_run_out_are_told_once_and_all_is_read_when_there_are_some_again() {
    const FILES: usize = 200;
    let site = Site::new("limit lowered while it runs", "site-*.log", "");
    (0..FILES).for_each(|file| append(&site, file, 0..2));
    let shipper = site.ship();
    site.wait_for(&shipper, FILES * 2);
    let pid = Pid::from_raw(i32::try_from(shipper.pid()).unwrap());
    let limit = |current| Rlimit { current: Some(current), maximum: Some(4096) };
    // Below what it has open: not a single one is to be had before most of them are closed.
    prlimit(pid, Resource::Nofile, limit(40)).unwrap();
    (FILES..2 * FILES).for_each(|file| append(&site, file, 0..3));
    wait_until("the shortage is told", || shipper.told().contains("open files is reached"));
    (0..FILES).for_each(|file| append(&site, file, 2..3));
    // Those that are open go on.
    site.wait_for(&shipper, FILES * 3);
    prlimit(pid, Resource::Nofile, limit(4096)).unwrap();
    let told = settle(&site, shipper, 2 * FILES, 3);
    assert_eq!(count(&told, "the limit of 40 open files is reached"), 1, "{told}");
    assert_eq!(count(&told, "LimitNOFILE="), 1, "{told}");
    assert_eq!(count(&told, "cannot read"), 0, "{told}");
}

#[test]
fn directories_beyond_the_limit_of_watches_are_scanned_and_that_is_told_once() {
    let more = "    prospector.scanner.check_interval: 1s\n";
    let site = Site::new("2 watches for 5 directories", "*/access.log", more);
    let write = |directory: usize, numbers: Range<usize>| {
        let path = site.log(&format!("{directory}"));
        std::fs::create_dir_all(&path).unwrap();
        let path = path.join("access.log");
        let mut log = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        log.write_all(lines(&format!("w{directory}"), numbers).as_bytes()).unwrap();
    };
    (0..5).for_each(|directory| write(directory, 0..3));
    // A limit of the namespace: `fs.inotify.max_user_watches` would be the whole machine's.
    let script = "echo 2 > /proc/sys/user/max_inotify_watches && exec \"$@\"";
    let space = ["unshare", "--user", "--map-root-user"];
    let can = Command::new(space[0]).args(&space[1..]).arg("true").status();
    assert!(can.is_ok_and(|status| status.success()), "this test needs user namespaces");
    let limited = [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        script,
        "sh",
        env!("CARGO_BIN_EXE_shipper"),
    ];
    let shipper = site.place.start_by(&limited, "data", &[]);
    site.wait_for(&shipper, 15);
    (0..5).for_each(|directory| write(directory, 3..5));
    site.wait_for(&shipper, 25);
    let told = settle(&site, shipper, 5, 5);
    assert_eq!(count(&told, "files are found by scanning"), 1, "{told}");
    assert_eq!(count(&told, "sysctl fs.inotify.max_user_watches"), 1, "{told}");
}

#[test]
fn a_thread_that_finds_no_memory_ends_the_program_and_the_next_start_reads_all() {
    let config = |host: &str| {
        format!(
            "filebeat.inputs:\n  - type: filestream\n    id: access\n    paths: [\"{{logs}}/*.log\"]\n\
             output.elasticsearch:\n  hosts: [\"http://{host}\"]\n  compression_level: 0\n"
        )
    };
    // Nobody listens: every batch stays in memory.
    let place = Place::new(&config("127.0.0.1:1"));
    std::fs::write(place.log("access.log"), lines("w0", 0..10)).unwrap();
    let shipper = place.start(&[]);
    wait_until("it is at work", || shipper.told().contains("Attempting to reconnect"));
    let status = std::fs::read_to_string(format!("/proc/{}/statm", shipper.pid())).unwrap();
    let pages: u64 = status.split(' ').next().unwrap().parse().unwrap();
    let room = pages * rustix::param::page_size() as u64 + (600 << 10);
    let pid = Pid::from_raw(i32::try_from(shipper.pid()).unwrap());
    prlimit(pid, Resource::As, Rlimit { current: Some(room), maximum: None }).unwrap();
    let mut log = std::fs::OpenOptions::new().append(true).open(place.log("access.log")).unwrap();
    log.write_all(lines("w0", 10..100_000).as_bytes()).unwrap();
    let (code, told) = shipper.wait();
    assert_eq!(code, 1, "{told}");
    let line = "the thread `harvester-0` has ended with a panic";
    let errors: Vec<&str> = told.lines().filter(|told| told.contains(line)).collect();
    assert!(matches!(errors[..], [error] if error.contains("ERROR")), "{told}");
    let (receiver, _told) = fast_receiver();
    place.configure(&config(&receiver.address().to_string()));
    let (code, told) = place.run(&["--once"]);
    assert_eq!((code, count(&told, "everything was read and acknowledged")), (0, 1), "{told}");
}

/// A receiver that only counts, and tells of every line of a slow file.
fn fast_receiver() -> (Receiver, mpsc::Receiver<String>) {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let observer: Observer = Box::new(move |body: &[u8]| {
        for at in memchr::memmem::find_iter(body, b"\"message\":\"slow ") {
            let text = &body[at + 11..];
            let end = memchr::memchr(b'"', text).unwrap();
            let line = String::from_utf8(text[..end].to_vec()).unwrap();
            let _ = tell.lock().unwrap().send(line);
        }
    });
    let options = Options { observer: Some(observer), ..Options::new(0, Mode::Count) };
    (Receiver::start(options).unwrap(), told)
}

#[test]
fn slow_files_are_not_late_beside_one_that_grows_without_end() {
    const SLOW: usize = 500;
    let (receiver, told) = fast_receiver();
    let config = format!(
        "filebeat.inputs:\n  - type: filestream\n    id: access\n    paths: [\"{{logs}}/*.log\"]\n    format: raw\n\
         output.elasticsearch:\n  hosts: [\"http://{}\"]\n  compression_level: 0\n",
        receiver.address()
    );
    let place = Place::new(&config);
    let append = |file: usize, line: &str| {
        let path = place.log(&format!("{file}.log"));
        let mut log = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        log.write_all(format!("{line}\n").as_bytes()).unwrap();
    };
    (0..SLOW).for_each(|file| append(file, &format!("slow {file} at first")));
    let shipper = place.start(&[]);
    for _ in 0..SLOW {
        told.recv_timeout(PATIENCE).unwrap();
    }
    let stop = AtomicBool::new(false);
    let giant = place.log("giant.log");
    let (longest, written) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut file = std::fs::File::create(&giant).unwrap();
            let (begun, text, mut written) = (Instant::now(), lines("giant", 0..20_000), 0);
            while !stop.load(Ordering::Relaxed) {
                file.write_all(text.as_bytes()).unwrap();
                written += text.len() as u64;
                // 200 MB/s.
                let due = Duration::from_nanos(written * 5);
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
            }
            written
        });
        let mut longest = Duration::ZERO;
        for file in (0..SLOW).step_by(20) {
            let begun = Instant::now();
            let line = format!("slow {file} beside the giant");
            append(file, &line);
            while told.recv_timeout(PATIENCE).unwrap() != line {}
            longest = longest.max(begun.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
        (longest, writer.join().unwrap())
    });
    println!("longest: {longest:?}, beside {} MB", written / 1_000_000);
    shipper.kill();
    // A second is what it must be; a busy machine that runs a debug build gets more.
    assert!(longest < Duration::from_secs(3), "{longest:?}");
}

#[test]
fn too_few_threads_end_the_start_with_what_to_do() {
    assert!(rustix::process::geteuid().is_root(), "this test changes users: run as root");
    let site = Site::new("too few threads", "access.log", "");
    let base = site.place.path();
    std::fs::set_permissions(base, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::create_dir(base.join("data")).unwrap();
    // The limit counts all that a user has: nobody else is this one.
    let user = 54_321;
    std::os::unix::fs::chown(base.join("data"), Some(user), Some(user)).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_shipper"), base.join("shipper")).unwrap();
    let (uid, gid) = (format!("--reuid={user}"), format!("--regid={user}"));
    for threads in 1..=8 {
        let limit = format!("--nproc={threads}");
        let command =
            ["setpriv", &uid, &gid, "--clear-groups", "--", "prlimit", &limit, "--", "./shipper"];
        let (code, told) = site.place.start_by(&command, "data", &[]).wait();
        let last: Vec<&str> = told.lines().rev().take(2).collect();
        assert_eq!(code, 1, "{threads}: {told}");
        let expected = "error: cannot start the threads: resource temporarily unavailable";
        assert_eq!(last[1], expected, "{threads}");
        assert!(
            last[0].starts_with("hint: ") && last[0].contains("TasksMax="),
            "{threads}: {told}"
        );
    }
}
