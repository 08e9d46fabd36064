//! The configuration that `detect` prints.

use crate::rig::{COMBINED, COMMON, Place};
use std::io::Write as _;

fn packed(text: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

/// Runs `detect` on files; returns what stands behind a key in its inputs.
fn told(place: &Place, names: &[&str], key: &str) -> Vec<String> {
    let said = place.run(&[&["detect"][..], names].concat());
    assert_eq!((said.code, &*said.err), (0, ""));
    let at = said.out.find("filebeat.inputs").unwrap();
    let yaml = &said.out[at..];
    place.write("shipper.yml", format!("{yaml}output.console.enabled: true\n"));
    let below = format!("{}/", place.path().display());
    let values = yaml.lines().filter_map(|line| line.trim().strip_prefix(key));
    values.map(|value| value.replace(&below, "")).collect()
}

#[test]
fn names_that_rotation_gives_one_log_are_one_input() {
    let gz = packed(COMBINED);
    let plain = COMBINED.as_bytes();
    let files: &[(&str, &[u8])] = &[
        ("access.log", plain),
        ("access.log.1", plain),
        ("access.log.2.gz", &gz),
        ("access.log-20261121", plain),
        ("access.log-20261120.gz", &gz),
        ("access.log.9", COMMON.as_bytes()),
        ("other.log", plain),
        ("other.log.gz", &gz),
        ("10.0.0.1", plain),
        ("10.0.0.2", plain),
        ("web-1", plain),
        ("web-2", plain),
        ("a[1].log", plain),
        ("a[1].log.1", plain),
    ];
    for (names, expected) in [
        (&["access.log"][..], &["[access.log]"][..]),
        (&["access.log.1"], &["[access.log.1]"]),
        (&["access.log", "access.log.1"], &["[access.log, \"access.log.[0-9]*\"]"]),
        (&["access.log.2.gz", "access.log.1"], &["[\"access.log.[0-9]*\"]"]),
        (
            &["access.log", "access.log-20261121", "other.log", "access.log-20261120.gz"],
            &["[access.log, \"access.log-[0-9]*\"]", "[other.log]"],
        ),
        (
            &["access.log", "access.log.1", "access.log.2.gz", "access.log-20261121"],
            &["[access.log, \"access.log.[0-9]*\", \"access.log-[0-9]*\"]"],
        ),
        (&["other.log", "other.log.gz"], &["[other.log, other.log.gz]"]),
        // Another format is another input, and none may read what is the other's.
        (
            &["access.log", "access.log.1", "access.log.9"],
            &["[access.log, access.log.1]", "[access.log.9]"],
        ),
        (&["10.0.0.1", "10.0.0.2"], &["[10.0.0.1]", "[10.0.0.2]"]),
        (&["web-1", "web-2"], &["[web-1]", "[web-2]"]),
        (&["a[1].log", "a[1].log.1"], &["[\"a[[]1].log\", \"a[[]1].log.[0-9]*\"]"]),
    ] {
        let place = Place::new();
        for (name, bytes) in files {
            place.write(name, bytes);
        }
        let paths = told(&place, names, "paths: ");
        assert_eq!(paths, expected, "{names:?}");
    }
}

#[test]
fn rotation_after_the_configuration_was_made_sends_nothing_again() {
    let place = Place::new();
    place.write("access.log", COMBINED.repeat(20));
    place.write("access.log.1", COMMON.repeat(20).replace("404 5\n", "404 5 \"-\" \"a\"\n"));
    told(&place, &["access.log", "access.log.1"], "paths: ");
    let run = || {
        let state = place.path().join("state").display().to_string();
        place.run(&["--once", "-e", "-E", &format!("path.data={state}")])
    };
    let sent = run();
    assert_eq!(sent.documents().len(), 40, "{}", sent.err);
    let at = |name: &str| place.path().join(name);
    std::fs::rename(at("access.log.1"), at("access.log.2")).unwrap();
    std::fs::rename(at("access.log"), at("access.log.1")).unwrap();
    place.write("access.log", COMBINED.replace("/a", "/new"));
    let sent = run();
    assert_eq!(sent.member("/url/path"), ["/new"], "{}", sent.err);
}

#[test]
fn packed_file_that_continues_no_log_is_asked_for() {
    for (names, expected) in [
        (&["solo.log.gz"][..], &["auto"][..]),
        (&["solo.log.gz", "b.log"], &["auto"]),
        (&["b.log", "b.log.1.gz"], &[]),
        (&["b.log.1.gz", "b.log.2.gz"], &["auto"]),
        (&["odd"], &["auto"]),
    ] {
        let place = Place::new();
        for name in ["solo.log.gz", "b.log.1.gz", "b.log.2.gz", "odd"] {
            place.write(name, packed(&COMBINED.repeat(3)));
        }
        place.write("b.log", COMBINED.repeat(3));
        assert_eq!(told(&place, names, "compression: "), expected, "{names:?}");
    }
    let place = Place::new();
    place.write("solo.log.gz", packed(&COMBINED.repeat(3)));
    told(&place, &["solo.log.gz"], "id: ");
    let sent = place.run(&["--once", "-e"]);
    assert_eq!(sent.member("/url/path"), ["/a"; 3], "{}", sent.err);
}

#[test]
fn ids_are_texts_whatever_the_names_are() {
    for (name, expected) in [
        ("access.log", "access"),
        ("\u{e9}.log", "log"),
        ("*.log", "log"),
        ("#.log", "log"),
        ("~.log", "log"),
        ("null.log", "\"null\""),
        ("True.log", "\"True\""),
        ("off", "\"off\""),
        ("1.log", "\"1\""),
        ("0x1f.log", "\"0x1f\""),
        ("1e3.log", "\"1e3\""),
        ("-a.log", "a"),
        ("it's.log", "it-s"),
        ("access.log.2", "access"),
    ] {
        let place = Place::new();
        place.write(name, COMBINED);
        let whole = place.path().join(name).display().to_string();
        assert_eq!(told(&place, &[&whole], "id: "), [expected], "{name}");
        let sent = place.run(&["--once", "-e"]);
        assert_eq!(sent.documents().len(), 1, "{name}: {}", sent.err);
    }
    let place = Place::new();
    place.write("\u{e9}.log", COMBINED);
    place.write("#.log", COMBINED);
    let ids = told(&place, &["\u{e9}.log", "#.log"], "id: ");
    assert!(ids[0] == "log" && ids[1].ends_with("-log"), "{ids:?}");
}
