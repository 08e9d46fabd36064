//! `registry list`, `show` and `check`.

use crate::rig::{CONSOLE, epoch, inode, journal, table, with_fixture, with_two_logs};
use crate::shipper::{Place, wait_until};
use serde_json::{Value, json};
use std::io::Write;

#[test]
fn list_of_the_fixture_is_this_table() {
    let place = with_fixture();
    let expected = "\
FILE                           INODE  READ TO  SIZE  BEHIND  EPOCH             STATE
/var/log/apache2/access.log.1    132      100     -       -  EBESExQVFhcYGRob  ended
/var/log/nginx/access.log.1      131     8192     -       -  AAECAwQFBgcICQoL  ended
";
    let expected = expected.to_owned();
    assert_eq!(place.shipper(&["registry", "list"]), (0, expected, String::new()));
}

#[test]
fn list_for_programs_has_the_same_in_json() {
    let place = with_fixture();
    let (code, out, told) = place.shipper(&["registry", "list", "--json"]);
    assert_eq!((code, told.as_str()), (0, ""));
    let expected = json!({
        "registry": "data/registry/console/journal.log",
        "entries": [
            {
                "file": "/var/log/apache2/access.log.1", "path": "/var/log/apache2/access.log",
                "epoch": "EBESExQVFhcYGRob", "state": "ended", "read_to": 100, "size": null,
                "behind": null, "settled_beyond": [], "device": 2049, "inode": 132, "reader": 1,
            },
            {
                "file": "/var/log/nginx/access.log.1", "path": "/var/log/nginx/access.log",
                "epoch": "AAECAwQFBgcICQoL", "state": "ended", "read_to": 8192, "size": null,
                "behind": null, "settled_beyond": [], "device": 2049, "inode": 131, "reader": 0,
            },
        ],
    });
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), expected);
}

#[test]
fn show_tells_one_entry_whole_by_epoch_and_by_name() {
    let place = with_fixture();
    let expected = "\
epoch           AAECAwQFBgcICQoL
file            /var/log/nginx/access.log.1
found first as  /var/log/nginx/access.log
state           ended
read to         8192
size            -
behind          -
settled beyond  -
inode           131
device          2049
birth           1700000000000000000
reader          0
prefix          9e3779b97f4a7c15 over 1024 bytes
tail            0000000000000015
checksum        0000000000000016 from 0
earlier points  4096
";
    for of in ["AAECAwQFBgcICQoL", "/var/log/nginx/access.log", "/var/log/nginx/access.log.1"] {
        let told = place.shipper(&["registry", "show", of]);
        assert_eq!(told, (0, expected.to_owned(), String::new()), "{of}");
    }
    let (code, out, _) = place.shipper(&["registry", "show", "--json", "EBESExQVFhcYGRob"]);
    let expected = json!([{
        "file": "/var/log/apache2/access.log.1", "path": "/var/log/apache2/access.log",
        "epoch": "EBESExQVFhcYGRob", "state": "ended", "read_to": 100, "size": null,
        "behind": null, "settled_beyond": [], "device": 2049, "inode": 132, "reader": 1,
        "birth": 0, "prefix": {"length": 12, "hash": 5}, "proof": {"tail": 1, "running": 0},
        "base": 100, "earlier": [],
    }]);
    assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()), (0, expected));
}

#[test]
fn list_says_how_far_behind_and_where_files_are_now() {
    let place = with_two_logs();
    let (a, b) = (place.log("a.log"), place.log("b.log"));
    let (epoch_a, epoch_b) = (epoch(&place, &a), epoch(&place, &b));
    let mut log = std::fs::OpenOptions::new().append(true).open(&a).unwrap();
    log.write_all(b"more\n").unwrap();
    let row = |cells: [&str; 7]| cells.map(str::to_owned);
    let (number_a, number_b) = (inode(&a).to_string(), inode(&b).to_string());
    // Renamed while nothing runs: found by its inode.
    let renamed = place.log("a.log.1");
    std::fs::rename(&a, &renamed).unwrap();
    let (renamed, b_text) = (renamed.to_str().unwrap(), b.to_str().unwrap());
    let first = row([renamed, &number_a, "8", "13", "5", &epoch_a, "there"]);
    let second = row([b_text, &number_b, "6", "8", "2", &epoch_b, "there"]);
    let expected = table(&[first.clone(), second]);
    assert_eq!(place.shipper(&["registry", "list"]), (0, expected, String::new()));
    // `b.log` goes, and `a.log.1` is shorter than what was read: all that is in it is new.
    std::fs::remove_file(&b).unwrap();
    std::fs::write(renamed, "one\n").unwrap();
    let first = row([renamed, &number_a, "8", "4", "4", &epoch_a, "shorter"]);
    let second = row([b_text, &number_b, "6", "-", "-", &epoch_b, "gone"]);
    let expected = table(&[first, second]);
    assert_eq!(place.shipper(&["registry", "list"]), (0, expected, String::new()));
    // The directory is no directory any more: nothing is known.
    std::fs::rename(place.path().join("logs"), place.path().join("away")).unwrap();
    std::fs::write(place.path().join("logs"), "").unwrap();
    let (_, out, _) = place.shipper(&["registry", "list"]);
    assert_eq!(out.matches("unknown").count(), 2, "{out}");
}

#[test]
fn list_needs_no_lock_while_a_shipper_runs() {
    let place = Place::new(CONSOLE);
    let log = place.log("a.log");
    std::fs::write(&log, "one\ntwo\n").unwrap();
    let running = place.start(&[]);
    wait_until("the registry says so", || {
        let (code, out, _) = place.shipper(&["registry", "list", "--json"]);
        code == 0
            && serde_json::from_str::<Value>(&out).unwrap()["entries"][0]["read_to"] == json!(8)
    });
    let row = [
        log.to_str().unwrap(),
        &inode(&log).to_string(),
        "8",
        "8",
        "0",
        &epoch(&place, &log),
        "there",
    ];
    let expected = table(&[row.map(str::to_owned)]);
    assert_eq!(place.shipper(&["registry", "list"]), (0, expected, String::new()));
    assert_eq!(place.shipper(&["registry", "check"]).0, 0);
    assert_eq!(running.stop().0, 0, "it was not disturbed");
}

#[test]
fn what_is_not_there_is_said_with_what_to_do() {
    let place = Place::new(CONSOLE);
    let none = "error: there is no registry `data/registry/console/journal.log`\nhint: name the configuration that \
                shipper runs with (-c), or its data path (--path.data); where it has never run, nothing was read yet\n";
    for (command, code) in [(&["list"][..], 1), (&["show", "x"], 1), (&["check"], 2)] {
        let arguments = [&["registry"], command].concat();
        assert_eq!(place.shipper(&arguments), (code, String::new(), none.to_owned()));
    }
    assert!(!place.path().join("data").exists(), "looking makes nothing");
    let place = with_two_logs();
    let unknown = place.path().join("no.log").display().to_string();
    let expected = format!(
        "error: the registry knows no `{unknown}`\nhint: `shipper registry list` names all that it knows; a file that \
         it does not know is read from its start\n"
    );
    assert_eq!(place.shipper(&["registry", "show", &unknown]), (1, String::new(), expected));
    // A file where the directory should be.
    let place = Place::new(CONSOLE);
    std::fs::write(place.path().join("data"), "").unwrap();
    let (code, out, told) = place.shipper(&["registry", "check"]);
    let expected = "error: cannot read the registry `data/registry/console/journal.log`: not a directory\nhint: a file \
                    stands where a directory is needed: name another --path.data\n";
    assert_eq!((code, out.as_str(), told.as_str()), (2, "", expected));
}

/// Returns what `check` says of a registry with two entries, and its exit code.
fn checked(place: &Place) -> (i32, String) {
    let (code, out, told) = place.shipper(&["registry", "check"]);
    assert_eq!(told, "");
    (code, out)
}

/// The last line of `check`.
fn verdict(place: &Place, entries: usize, verdict: &str) -> String {
    let text = std::fs::read(journal(place)).unwrap();
    let (bytes, text) = (text.len(), String::from_utf8_lossy(&text));
    let format = if text.contains(r#""version":1"#) { 1 } else { 2 };
    format!(
        "data/registry/console/journal.log: format {format}, {bytes} bytes, {entries} entries: {verdict}\n"
    )
}

#[test]
fn check_finds_what_does_not_fit_the_files() {
    let place = with_two_logs();
    assert_eq!(checked(&place), (0, verdict(&place, 2, "fine")));
    let (a, b) = (place.log("a.log"), place.log("b.log"));
    let mut log = std::fs::OpenOptions::new().write(true).open(&a).unwrap();
    log.write_all(b"ONE\n").unwrap();
    log.set_len(8).unwrap();
    std::fs::OpenOptions::new().write(true).open(&b).unwrap().set_len(3).unwrap();
    let (code, out) = checked(&place);
    let todo = "  hint: nothing: shipper reads it from its start, as a new file; if it runs, it does so within a scan\n";
    let changed =
        format!("{}: what stands before the offset 8 is not what was read\n{todo}", a.display());
    let shorter =
        format!("{}: 6 bytes were read and it has only 3: it was truncated\n{todo}", b.display());
    assert_eq!(code, 1);
    assert!(out.contains(&changed) && out.contains(&shorter), "{out}");
    assert_eq!(out.len(), changed.len() + shorter.len() + verdict(&place, 2, "2 problems").len());
}

#[test]
fn check_finds_a_journal_that_was_emptied() {
    let place = with_two_logs();
    std::fs::write(journal(&place), "").unwrap();
    let (code, out) = checked(&place);
    assert_eq!(code, 1);
    let expected = "data/registry/console/journal.log is empty\n  hint: bring it back from a copy, if there is one: the next start \
                    reads all files again, under new ids\n";
    assert!(out.starts_with(expected) && out.ends_with(": 1 problem\n"), "{out}");
}

#[test]
fn check_finds_a_journal_of_which_nothing_can_be_read() {
    // As a power failure leaves it, and a text of somebody else.
    for content in [&[0; 4096][..], b"{\"op\":\"set\",\"id\":1}\n"] {
        let place = with_two_logs();
        std::fs::write(journal(&place), content).unwrap();
        let (code, out) = checked(&place);
        let expected = "data/registry/console/journal.log holds nothing that can be read\n  hint: bring it back from a copy, if \
                        there is one: the next start reads all files again, under new ids\n";
        assert_eq!((code, out.ends_with(": 1 problem\n")), (1, true), "{out}");
        assert!(out.starts_with(expected), "{out}");
        let (_, _, told) = place.shipper(&["registry", "list"]);
        let warning = "warning: `data/registry/console/journal.log` holds nothing that can be read; see `shipper registry check`\n";
        assert_eq!(told, warning);
        let (code, _, told) = place.shipper(&["registry", "audit"]);
        assert_eq!((code, told.contains("holds nothing that can be read")), (2, true), "{told}");
        let (_, out, _) = place.shipper(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert!(status["backlog_bytes"].is_null(), "nobody knows it: {status}");
    }
}

#[test]
fn check_finds_damage_and_lets_a_torn_line_pass() {
    let place = with_fixture();
    let text = std::fs::read(journal(&place)).unwrap();
    std::fs::write(journal(&place), [&text[..], b"12345678 {\"at\":"].concat()).unwrap();
    let torn = "a torn line of 15 bytes at the end: written just now, or cut off by a crash; the next start cuts it off\n";
    assert_eq!(checked(&place), (0, format!("{torn}{}", verdict(&place, 2, "fine"))));
    let (_, _, told) = place.shipper(&["registry", "list"]);
    assert_eq!(told, "", "a torn line is nobody's business");
    let damaged = String::from_utf8(text).unwrap().replace("EBESExQVFhcYGRob", "EBESExQVFhcYGRoc");
    std::fs::write(journal(&place), damaged).unwrap();
    let expected = "line 3: its checksum does not hold\n  hint: the next start sets the line aside in `journal.damaged`; \
                    a file whose entry was in it is read again, and `dmesg` may tell why the disk lost it\n";
    assert_eq!(checked(&place), (1, format!("{expected}{}", verdict(&place, 1, "1 problem"))));
    let (code, out, told) = place.shipper(&["registry", "list"]);
    assert_eq!((code, out.lines().count()), (0, 2), "what is good is shown");
    assert_eq!(
        told,
        "warning: 1 damaged line(s) of `data/registry/console/journal.log` are left out; see `shipper registry check`\n"
    );
}

/// A line of the journal with its checksum.
fn line(text: &str) -> String {
    format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes()))
}

#[test]
fn check_finds_gaps_and_ranges_that_cannot_be() {
    let place = with_fixture();
    let entry = |epoch: &str, name: &str, rest: &str| {
        line(&format!(
            "{{\"entry\":{{\"epoch\":\"{epoch}\",\"path\":\"{name}\",\"inode\":[1,2,3],\"prefix\":[0,0],\
             \"committed\":100,\"proof\":[1,2],{rest}}}}}"
        ))
    };
    let text = [
        line("{\"shipper\":\"registry\",\"version\":1,\"machine\":\"\"}"),
        entry("AAAAAAAAAAAAAAAA", "/nowhere/a.log", "\"beyond\":[[150,200,1,1]],\"ended\":true"),
        entry("BAAAAAAAAAAAAAAA", "/nowhere/b.log", "\"beyond\":[[90,200,1,1]]"),
    ]
    .concat();
    std::fs::write(journal(&place), text).unwrap();
    let expected = format!(
        "/nowhere/a.log (epoch AAAAAAAAAAAAAAAA): bytes 100..150 were not settled, what is behind them was, and the \
         file was truncated or replaced\n  hint: start shipper: it looks for a rotated copy; where there is none these \
         lines are lost\n\
         /nowhere/b.log (epoch BAAAAAAAAAAAAAAA): its settled ranges beyond the offset overlap or are out of order\n  \
         hint: stop shipper, then `shipper registry set /nowhere/b.log --offset N`\n{}",
        verdict(&place, 2, "2 problems")
    );
    assert_eq!(checked(&place), (1, expected));
}

#[test]
fn registry_of_a_later_version_is_refused() {
    let place = with_fixture();
    let header = line("{\"shipper\":\"registry\",\"version\":3,\"machine\":\"\"}");
    std::fs::write(journal(&place), header).unwrap();
    let expected = "error: registry `data/registry/console/journal.log`: format version 3 is later than 2, which this \
                    version of shipper reads\nhint: start the version of shipper that wrote it, or give this one \
                    another --path.data\n";
    for (command, code) in [("check", 2), ("list", 1)] {
        let told = place.shipper(&["registry", command]);
        assert_eq!(told, (code, String::new(), expected.to_owned()));
    }
}
