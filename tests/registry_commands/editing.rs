//! `registry set` and `reset`.

use crate::rig::{CONSOLE, append, epoch, journal, shipped, to_port, with_fixture, with_two_logs};
use crate::shipper::{Place, wait_until};
use shipper::demo::receiver::{Mode, Options, Receiver};
use std::os::unix::fs::MetadataExt;

#[test]
fn set_says_what_it_did_and_the_next_run_reads_from_there() {
    let place = with_two_logs();
    let log = place.log("a.log");
    let (name, epoch) = (log.to_str().unwrap(), epoch(&place, &log));
    let again = "of these, lines that are stored already keep their ids and are not stored twice";
    let told = place.shipper(&["registry", "set", name, "--offset", "4"]);
    let expected = format!(
        "{name} (epoch {epoch}): from 8 to 4 of 8 bytes: 4 bytes are read again; {again}\n"
    );
    assert_eq!(told, (0, expected, String::new()));
    assert_eq!(place.shipper(&["registry", "check"]).0, 0, "its proofs are true");
    assert_eq!(shipped(&place), ["two"]);
    let told = place.shipper(&["registry", "set", "logs/a.log", "--start"]);
    let expected = format!(
        "{name} (epoch {epoch}): from 8 to 0 of 8 bytes: 8 bytes are read again; {again}\n"
    );
    assert_eq!(told, (0, expected, String::new()));
    assert_eq!(shipped(&place), ["one", "two"]);
    append(&log, "three\nfour\nhal");
    let told = place.shipper(&["registry", "set", name, "--end"]);
    let expected =
        format!("{name} (epoch {epoch}): from 8 to 19 of 22 bytes: 11 bytes are skipped\n");
    assert_eq!(told, (0, expected, String::new()));
    let told = place.shipper(&["registry", "set", name, "--end"]);
    let expected = format!("{name} (epoch {epoch}): from 19 to 19 of 22 bytes: as before\n");
    assert_eq!(told, (0, expected, String::new()));
    append(&log, "f\n");
    assert_eq!(shipped(&place), ["half"]);
}

#[test]
fn offset_that_was_set_still_proves_a_copy() {
    let place = with_two_logs();
    place.configure(&CONSOLE.replace("*.log", "a.log*"));
    let log = place.log("a.log");
    append(&log, "three\nfour\n");
    let told = place.shipper(&["registry", "set", "logs/a.log", "--offset", "14"]);
    assert_eq!(told.0, 0, "{told:?}");
    // As copytruncate does.
    std::fs::copy(&log, place.log("a.log.1")).unwrap();
    std::fs::write(&log, "new\n").unwrap();
    let mut lines = shipped(&place);
    lines.sort();
    assert_eq!(lines, ["four", "new"]);
}

#[test]
fn offsets_that_make_no_sense_are_refused_and_change_nothing() {
    let place = with_two_logs();
    append(&place.log("a.log"), "unfinished");
    let before = std::fs::read(journal(&place)).unwrap();
    let refused = |arguments: &[&str], expected: &str| {
        let told = place.shipper(&[&["registry", "set"], arguments].concat());
        assert_eq!(told, (1, String::new(), expected.to_owned()));
        assert_eq!(std::fs::read(journal(&place)).unwrap(), before);
    };
    refused(
        &["logs/a.log", "--offset", "5"],
        "error: offset 5 is inside a line, which begins at 4\nhint: write --offset 4 or --offset 8, or add --force\n",
    );
    refused(
        &["logs/a.log", "--offset", "10"],
        "error: offset 10 is inside a line, which begins at 8\nhint: its end is not written yet: write --offset 8, or \
         add --force\n",
    );
    let log = place.log("a.log").display().to_string();
    refused(
        &["logs/a.log", "--offset", "19"],
        &format!(
            "error: offset 19 is behind the end of `{log}`, which has 18 bytes\nhint: `--end` goes behind its last \
             whole line\n"
        ),
    );
    refused(
        &["logs/no.log", "--start"],
        &format!(
            "error: cannot read `{}`: no such file or directory\nhint: `shipper registry list` says where known files \
             are now\n",
            place.log("no.log").display()
        ),
    );
    refused(
        &["shipper.yml", "--start"],
        "error: the registry knows no `shipper.yml`\nhint: `shipper registry list` names all that it knows; a file \
         that it does not know is read from its start\n",
    );
    refused(
        &["logs", "--start"],
        &format!(
            "error: `{}` is no plain file: it has no offsets of lines\nhint: name the log itself; `shipper registry \
             reset` forgets any entry\n",
            place.path().join("logs").display()
        ),
    );
    let usage = place.shipper(&["registry", "set", "logs/a.log"]);
    assert_eq!(usage.0, 2);
    assert!(usage.2.contains("--offset <BYTES>|--start|--end"), "{}", usage.2);
    let (code, ..) = place.shipper(&["registry", "set", "logs/a.log", "--offset", "5", "--force"]);
    assert_eq!((code, shipped(&place)), (0, vec!["wo".to_owned()]));
}

#[test]
fn file_with_other_content_is_not_set() {
    let place = with_two_logs();
    let log = place.log("a.log");
    let epoch = epoch(&place, &log);
    std::fs::rename(&log, place.log("a.log.1")).unwrap();
    std::fs::write(&log, "other\n").unwrap();
    let expected = format!(
        "error: `{}` is another file now than the one that the registry knows (epoch {epoch})\nhint: start shipper: it \
         reads a new file from its start; `shipper registry list` says where the known one is\n",
        log.display()
    );
    let told = place.shipper(&["registry", "set", "logs/a.log", "--end"]);
    assert_eq!(told, (1, String::new(), expected));
    // The same inode with other content.
    let log = place.log("b.log");
    std::fs::write(&log, "something else\n").unwrap();
    let (code, _, told) = place.shipper(&["registry", "set", "logs/b.log", "--end"]);
    assert!(code == 1 && told.contains("is another file now"), "{told}");
}

#[test]
fn nothing_is_changed_while_a_shipper_runs() {
    let place = with_two_logs();
    let running = place.start(&[]);
    let lock = place.path().join("data/shipper.lock");
    let pid = running.pid().to_string();
    wait_until("it has the lock", || std::fs::read_to_string(&lock).unwrap().trim() == pid);
    let expected = format!(
        "error: another shipper (pid {pid}) uses the data path `data`\nhint: stop it first: it would write over what \
         is changed here\n"
    );
    for arguments in [&["set", "logs/a.log", "--start"][..], &["reset", "--all"]] {
        let told = place.shipper(&[&["registry"], arguments].concat());
        assert_eq!(told, (1, String::new(), expected.clone()));
    }
    assert_eq!(running.stop().0, 0);
    assert_eq!(shipped(&place), [""; 0]);
}

#[test]
fn reset_forgets_one_or_all_and_keeps_the_machines_id() {
    let place = with_fixture();
    let told = place.shipper(&["registry", "reset", "EBESExQVFhcYGRob"]);
    let expected = "/var/log/apache2/access.log.1 (epoch EBESExQVFhcYGRob), read to 100: forgotten; its bytes are not \
                    there any more; a copy that an input matches is read as a new file\n1 forgotten, 1 kept\n";
    assert_eq!(told, (0, expected.to_owned(), String::new()));
    let text = std::fs::read_to_string(journal(&place)).unwrap();
    assert!(
        text.starts_with(
            "66813d2e {\"shipper\":\"registry\",\"version\":2,\"machine\":\"here\"}\n"
        )
    );
    assert_eq!(text.lines().count(), 2, "a snapshot: {text}");
    let (code, _, told) = place.shipper(&["registry", "reset"]);
    assert!(
        code == 2 && told.contains("  <FILE|EPOCH|--all>\n"),
        "what to forget is asked: {told}"
    );
    let (code, _, told) = place.shipper(&["registry", "reset", "x", "--all"]);
    assert!(code == 2 && told.contains("cannot be used with"), "{told}");
    let (code, _, told) = place.shipper(&["registry", "reset", "/no.log"]);
    assert!(code == 1 && told.contains("the registry knows no `/no.log`"), "{told}");
    let (code, out, told) = place.shipper(&["registry", "reset", "--all"]);
    assert!(code == 1 && out.is_empty() && told.contains("hint: add --yes"), "{out}{told}");
    let (code, out, _) = place.shipper(&["registry", "reset", "--all", "--yes"]);
    assert_eq!((code, out.lines().last()), (0, Some("1 forgotten, 0 kept")));
    let told = place.shipper(&["registry", "list"]);
    assert_eq!(told.1, "FILE  INODE  READ TO  SIZE  BEHIND  EPOCH  STATE\n");
}

#[test]
fn server_stores_what_was_set_back_once_and_what_was_reset_twice() {
    let receiver = Receiver::start(Options::new(0, Mode::Look)).unwrap();
    let place = Place::new(&to_port(receiver.address().port()));
    std::fs::write(place.log("a.log"), "one\ntwo\n").unwrap();
    let stored = || {
        let (code, _, told) = place.shipper(&["--once", "-e"]);
        assert_eq!(code, 0, "{told}");
        let counts = receiver.counts();
        (counts.documents, counts.duplicates)
    };
    assert_eq!(stored(), (2, 0));
    assert_eq!(place.shipper(&["registry", "set", "logs/a.log", "--start"]).0, 0);
    assert_eq!(stored(), (2, 2));
    let (_, out, _) = place.shipper(&["registry", "reset", "logs/a.log"]);
    let expected = "read to 8: forgotten; where an input matches it, it is read again from its start under new ids: lines \
                    that are stored already are stored a second time\n1 forgotten, 0 kept\n";
    assert!(out.ends_with(expected), "{out}");
    assert_eq!(stored(), (4, 2));
}

#[test]
fn registry_stays_its_users_own_when_root_changes_it() {
    let place = with_two_logs();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let data = place.path().join("data");
    let lock = data.join("shipper.lock");
    std::fs::remove_file(&lock).unwrap();
    for path in [&data, &journal(&place)] {
        std::os::unix::fs::chown(path, Some(65534), Some(65533)).unwrap();
    }
    assert_eq!(place.shipper(&["registry", "set", "logs/a.log", "--start"]).0, 0);
    for path in [lock, journal(&place)] {
        let owner = std::fs::metadata(&path).unwrap();
        assert_eq!((owner.uid(), owner.gid()), (65534, 65533), "{}", path.display());
    }
}

#[test]
fn damaged_lines_are_set_aside_by_a_change() {
    let place = with_fixture();
    let text = std::fs::read_to_string(journal(&place)).unwrap();
    std::fs::write(journal(&place), text.replace("EBESExQVFhcYGRob", "EBESExQVFhcYGRoc")).unwrap();
    assert_eq!(place.shipper(&["registry", "reset", "AAECAwQFBgcICQoL"]).0, 0);
    assert_eq!(place.shipper(&["registry", "check"]).0, 0);
    let kept = std::fs::read_to_string(journal(&place).with_extension("damaged")).unwrap();
    assert_eq!(kept.lines().count(), 1, "{kept}");
}

/// Two lines, then copytruncate as logrotate does it, whose copy misses a line that was written meanwhile, then one line
/// more: all are shipped, and nothing in the copy is new.
fn with_a_copy() -> Place {
    let place = Place::new(&CONSOLE.replace("*.log", "a.log*"));
    let log = place.log("a.log");
    std::fs::write(&log, "one\ntwo\n").unwrap();
    assert_eq!(shipped(&place), ["one", "two"]);
    append(&log, "three\n");
    assert_eq!(shipped(&place), ["three"]);
    std::fs::write(place.log("a.log.1"), "one\ntwo\n").unwrap();
    std::fs::write(&log, "new\n").unwrap();
    assert_eq!(shipped(&place), ["new"]);
    assert_eq!(shipped(&place), [""; 0]);
    place
}

#[test]
fn file_that_is_reset_is_read_anew_with_its_copies() {
    let place = with_a_copy();
    let (code, out, _) = place.shipper(&["registry", "reset", "logs/a.log"]);
    assert_eq!((code, out.lines().last()), (0, Some("2 forgotten, 0 kept")), "{out}");
    let mut lines = shipped(&place);
    lines.sort();
    assert_eq!(lines, ["new", "one", "two"]);
    let place = with_a_copy();
    let (code, out, _) = place.shipper(&["registry", "reset", "logs/a.log.1"]);
    assert_eq!((code, out.lines().last()), (0, Some("1 forgotten, 1 kept")), "{out}");
    assert_eq!(shipped(&place), ["one", "two"]);
}

#[test]
fn file_that_was_renamed_is_not_reset_with_its_successor() {
    let place = Place::new(&CONSOLE.replace("*.log", "a.log*"));
    let log = place.log("a.log");
    std::fs::write(&log, "one\ntwo\n").unwrap();
    assert_eq!(shipped(&place), ["one", "two"]);
    std::fs::rename(&log, place.log("a.log.1")).unwrap();
    std::fs::write(&log, "new\n").unwrap();
    assert_eq!(shipped(&place), ["new"]);
    let (code, out, _) = place.shipper(&["registry", "reset", "logs/a.log"]);
    assert_eq!((code, out.lines().last()), (0, Some("1 forgotten, 1 kept")), "{out}");
    assert_eq!(shipped(&place), ["new"]);
}

#[test]
fn copy_is_read_again_from_where_it_is_set() {
    let place = with_a_copy();
    let (code, out, told) = place.shipper(&["registry", "set", "logs/a.log.1", "--offset", "4"]);
    assert_eq!(code, 0, "{told}");
    assert!(out.contains("from 14 to 4 of 8 bytes: 10 bytes are read again"), "{out}");
    assert_eq!(shipped(&place), ["two"]);
    assert_eq!(shipped(&place), [""; 0]);
    // Setting the living file leaves its copies alone.
    assert_eq!(place.shipper(&["registry", "set", "logs/a.log", "--start"]).0, 0);
    assert_eq!(shipped(&place), ["new"]);
}

#[test]
fn offset_before_the_beginning_is_told_what_offsets_are() {
    let place = with_two_logs();
    for offset in ["-5", "5k"] {
        let (code, _, told) = place.shipper(&["registry", "set", "logs/a.log", "--offset", offset]);
        let expected = format!(
            "error: invalid value '{offset}' for '--offset <BYTES>': an offset is a number of bytes from the file's beginning"
        );
        assert!(code == 2 && told.starts_with(&expected), "{told}");
    }
}
