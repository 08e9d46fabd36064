//! `detect`.

use crate::rig::{COMBINED, COMMON, Place};
use serde_json::Value;
use shipper::parsers::known::KNOWN;

#[test]
fn format_that_recognises_the_most_is_told_with_its_configuration() {
    let place = Place::new();
    let file = place.write("access.log", format!("{}junk \x1b[2J\n{COMBINED}", COMBINED.repeat(8)));
    let said = place.run(&["detect", "access.log"]);
    assert_eq!((said.code, &*said.err), (0, ""));
    let expected = format!(
        "{file}: combined\n  access lines of Apache (combined); of nginx, say `nginx`\n  9 of 10 lines (90.0 %)\n  not \
         recognised:\n    line 9: junk \\u{{1b}}[2J\n\nfilebeat.inputs:\n  - type: filestream\n    id: access\n    paths: \
         [{file}]\n    format: combined\n"
    );
    assert_eq!(said.out, expected);
}

#[test]
fn configuration_that_is_printed_reads_the_file() {
    for (line, member, expected) in [
        (COMBINED.to_owned(), "/event/dataset", "apache.access"),
        (COMBINED.replace('\n', " 120 330\n"), "/http/request/bytes", "120"),
        (
            COMBINED.replace('\n', " 80 0.002 [web-80] [] 10.0.0.1:80 12 0.002 200 abcdef\n"),
            "/http/request/id",
            "abcdef",
        ),
    ] {
        let place = Place::new();
        let file = place.write("it's {a} log, # 1.log", line);
        let said = place.run(&["detect", &file]);
        let at = said.out.find("filebeat.inputs").unwrap();
        place.write("shipper.yml", format!("{}output.console.enabled: true\n", &said.out[at..]));
        let sent = place.run(&["--once", "-e"]);
        assert_eq!(sent.member(member), [expected], "{}", sent.err);
    }
}

/// The format of a file by its lines and its name.
fn format_of(name: &str, lines: impl AsRef<[u8]>) -> (i32, String) {
    let place = Place::new();
    let file = place.write(name, lines);
    let said = place.run(&["detect", "--json", &file]);
    let told: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    (said.code, told[0]["format"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn of_formats_that_fit_the_one_that_says_more_is_told() {
    let vhost = format!("www.example.org:443 {COMBINED}");
    for (name, lines, expected) in [
        ("a.log", COMMON.to_owned(), "common"),
        ("a.log", COMBINED.to_owned(), "combined"),
        ("nginx/a.log", COMBINED.to_owned(), "nginx"),
        ("a.log", vhost.clone(), "vhost_combined"),
        ("nginx/a.log", vhost.clone(), "nginx_vhost"),
        ("nginx/a.log", vhost.replace(":443", ""), "nginx_vhost"),
        ("a.log", vhost.replace("www.example.org", "192.0.2.1"), "vhost_combined"),
        // One who asked, and a list of clients.
        ("a.log", format!("198.51.100.7 {COMBINED}"), "forwarded"),
        ("a.log", format!("198.51.100.7 10.0.0.1, 192.0.2.9{}", &COMBINED[11..]), "forwarded"),
        ("a.log", format!("198.51.100.7 {COMMON}"), ""),
        ("a.log", format!("{COMMON}{COMBINED}"), "apache"),
        ("nginx/a.log", format!("{COMMON}{COMBINED}"), "auto"),
        ("a.log", format!("{COMMON}{COMBINED}{COMBINED}"), "apache"),
        ("a.log", format!("{COMMON}x\n"), "common"),
        ("a.log", format!("{COMMON}x\ny\n"), ""),
        ("a.log", "x\n".to_owned(), ""),
        ("a.log", COMBINED.replace('\n', " 120 330\n"), "combinedio"),
        ("a.log", format!("www.example.org {COMMON}"), "vhost_common"),
        (
            "a.log",
            "[21/Nov/2026:05:12:34 +0100] 203.0.113.7 TLSv1.3 TLS_AES_256_GCM_SHA384 \"GET /a HTTP/1.1\" 5\n"
                .to_owned(),
            "ssl_request_log",
        ),
        ("nginx/a.log", COMBINED.replace('\n', " \"198.51.100.7\"\n"), "main"),
        (
            "a.log",
            COMBINED.replace(
                '\n',
                " 80 0.002 [default-web-80] [] 10.0.0.1:80 12 0.002 200 abcdef\n",
            ),
            "nginx_ingress",
        ),
    ] {
        let code = i32::from(expected.is_empty());
        assert_eq!(format_of(name, &lines), (code, expected.to_owned()), "{name}: {lines}");
    }
}

const INGRESS: &str = " 80 0.002 [default-web-80] [] 10.0.0.1:80 12 0.002 200 abcdef\n";

#[test]
fn line_that_is_understood_in_part_counts_half() {
    let ingress = COMBINED.replace('\n', INGRESS);
    let ends = COMBINED.replace('\n', " more\n");
    for (lines, expected, share, near) in [
        (
            format!("{}{COMBINED}", ingress.repeat(99)),
            "nginx_ingress",
            "99 of 100 lines (99.0 %)",
            Some("near: combined, 100 of 100, 99 of them only in part"),
        ),
        (
            format!("{}{}{}", ingress.repeat(30), ends.repeat(4), "x\n".repeat(3)),
            "nginx_ingress",
            "30 of 37 lines (81.1 %)",
            Some("near: combined, 34 of 37, 34 of them only in part"),
        ),
        (
            format!("{}{}", ingress.repeat(10), COMBINED.repeat(90)),
            "combined",
            "100 of 100 lines (100.0 %)",
            None,
        ),
        (
            format!("{}{}", COMBINED.repeat(50), "<5>x\n".repeat(3)),
            "combined",
            "50 of 53 lines (94.3 %)",
            None,
        ),
        // As many of the one as of the other.
        (
            format!(
                "{}{}",
                COMBINED.repeat(10),
                "2026/11/21 05:12:35 [notice] 12#12: signal process started\n".repeat(10)
            ),
            "combined",
            "10 of 20 lines (50.0 %)",
            Some("near: nginx_error, 10 of"),
        ),
        // What fits half of the lines comes before what does not.
        (
            format!("{}{}{}", ingress.repeat(45), ends.repeat(10), "x\n".repeat(45)),
            "combined",
            "55 of 100 lines (55.0 %)",
            None,
        ),
        (ends, "combined", "1 of 1 lines (100.0 %)", None),
    ] {
        let place = Place::new();
        place.write("a.log", lines);
        let said = place.run(&["detect", "a.log"]);
        assert_eq!((said.code, &*said.err), (0, ""));
        assert!(said.out.contains(&format!("a.log: {expected}\n")), "{}", said.out);
        assert!(said.out.contains(share), "{}", said.out);
        assert_eq!(said.out.contains("near: "), near.is_some(), "{}", said.out);
        assert!(said.out.contains(near.unwrap_or_default()), "{}", said.out);
    }
}

/// Lines of formats that are known by a name: all of them have to take part.
#[test]
fn known_formats_are_told_from_each_other() {
    const FIXTURES: &[(&str, &str, &[u8])] = &[
        ("apache_error", "a.log", include_bytes!("../../fixtures/apache_error/both.log")),
        ("nginx_error", "a.log", include_bytes!("../../fixtures/nginx_error/lines.log")),
        ("haproxy", "a.log", include_bytes!("../../fixtures/haproxy/lines.log")),
        ("traefik", "a.log", include_bytes!("../../fixtures/traefik/lines.log")),
        ("caddy", "a.log", include_bytes!("../../fixtures/caddy/lines.log")),
        ("nginx_ingress", "a.log", include_bytes!("../../fixtures/nginx_ingress/lines.log")),
        ("iis", "a.log", include_bytes!("../../fixtures/iis/lines.log")),
        ("iis", "a.log", include_bytes!("../../fixtures/iis/headless.log")),
        ("php_fpm_access", "a.log", include_bytes!("../../fixtures/php_fpm/access.log")),
        ("php_fpm_slow", "a.log", include_bytes!("../../fixtures/php_fpm/slow.log")),
        ("json_access", "a.log", include_bytes!("../../fixtures/json_access/lines.log")),
        ("nginx_json", "nginx/a.log", include_bytes!("../../fixtures/json_access/lines.log")),
        ("apache_json", "apache2/a.log", include_bytes!("../../fixtures/json_access/apache.log")),
    ];
    for known in KNOWN {
        assert!(FIXTURES.iter().any(|(name, ..)| *name == known.name), "{}", known.name);
    }
    for (name, file, lines) in FIXTURES {
        assert_eq!(format_of(file, lines), (0, (*name).to_owned()));
    }
    for (name, lines) in [
        (
            "apache_error",
            "[Sat Nov 21 05:12:34 2026] [error] [client 203.0.113.7] File does not exist: /srv/x\n",
        ),
        ("nginx_error", "2026/11/21 05:12:35 [notice] 12#12: signal process started\n"),
        (
            "nginx_error",
            "2026/11/21 05:12:34 [error] 12#34: *5 FastCGI sent in stderr: \"PHP message: a\nStack trace:\n#0 {main}\" while \
             reading upstream, client: 203.0.113.7, server: a, request: \"GET / HTTP/1.1\", host: \"a\"\n",
        ),
    ] {
        assert_eq!(format_of("a.log", lines.repeat(3)), (0, name.to_owned()));
    }
}

#[test]
fn several_files_make_one_configuration_that_loads() {
    let place = Place::new();
    let names = [
        "a/access.log",
        "b/access.log",
        "c/b-access.log",
        "d/b/access.log",
        "junk.log",
        "a/access.log",
        "none.log",
    ];
    for name in names {
        let lines = if name == "junk.log" { "x\ny\n".to_owned() } else { COMBINED.repeat(3) };
        place.write(name, lines);
    }
    std::fs::remove_file(place.path().join("none.log")).unwrap();
    let said = place.run(&[&["detect"][..], &names].concat());
    assert_eq!(said.code, 2);
    assert_eq!(said.out.matches("filebeat.inputs:").count(), 1, "{}", said.out);
    let at = said.out.find("filebeat.inputs").unwrap();
    let yaml = &said.out[at..];
    let ids: Vec<&str> = yaml.lines().filter_map(|line| line.trim().strip_prefix("id: ")).collect();
    assert_eq!(ids, ["access", "b-access", "c-b-access", "b-access-2"]);
    place.write("shipper.yml", format!("{yaml}output.console.enabled: true\n"));
    let sent = place.run(&["--once", "-e"]);
    assert_eq!((sent.code, sent.documents().len()), (0, 12), "{}", sent.err);
    let said = place.run(&["detect", "--json", "a/access.log", "b/access.log"]);
    let told: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    for (one, id) in told.iter().zip(["access", "b-access"]) {
        let yaml = one["configuration"].as_str().unwrap();
        assert!(yaml.starts_with("filebeat.inputs:\n") && yaml.contains(&format!("id: {id}\n")));
    }
}

#[test]
fn utf_16_is_read_as_such() {
    let text = format!("{}sch\u{f6}n\n", COMBINED.repeat(1500));
    let bytes = |text: &str, big: bool| -> Vec<u8> {
        let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(unit).collect()
    };
    for (mark, big, name) in [
        ("", false, "utf-16le"),
        ("", true, "utf-16be"),
        ("\u{feff}", false, "utf-16le-bom"),
        ("\u{feff}", true, "utf-16be-bom"),
    ] {
        let place = Place::new();
        place.write("a.log", bytes(&format!("{mark}{text}"), big));
        let said = place.run(&["detect", "a.log"]);
        assert_eq!((said.code, &*said.err), (0, ""), "{name}");
        assert!(said.out.contains("1000 of 1000 lines (100.0 %)\n"), "{name}: {}", said.out);
        assert!(said.out.contains(&format!("    encoding: {name}\n    format: combined\n")));
        let at = said.out.find("filebeat.inputs").unwrap();
        place.write("shipper.yml", format!("{}output.console.enabled: true\n", &said.out[at..]));
        let sent = place.run(&["--once", "-e"]);
        assert_eq!(sent.member("/event/dataset")[1499], "apache.access", "{}", sent.err);
        place.write("b.log", bytes(&format!("{mark}sch\u{f6}n \u{1f601}\n"), big));
        let said = place.run(&["detect", "b.log"]);
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(said.out.contains("line 1: sch\u{f6}n \u{1f601}\n"), "{}", said.out);
    }
    let place = Place::new();
    for (name, bytes, expected) in [
        // Neither zeros alone nor text with a few of them.
        ("zeros", vec![0; 9000], "it is a binary file"),
        ("halves", [1, 0, 2, 3].repeat(2000), "it is a binary file"),
    ] {
        place.write(name, bytes);
        let said = place.run(&["detect", name]);
        assert!(said.err.contains(expected), "{name}: {}{}", said.out, said.err);
    }
}

#[test]
fn nothing_but_empty_lines_is_no_log() {
    let place = Place::new();
    for text in ["\n", "\n\r\n\n"] {
        place.write("a.log", text);
        let said = place.run(&["detect", "a.log"]);
        assert_eq!((said.code, &*said.out), (2, ""), "{text:?}");
        assert!(said.err.contains("holds nothing but empty lines\n"), "{}", said.err);
    }
}

#[test]
fn only_so_many_lines_are_looked_at() {
    let place = Place::new();
    place.write("a.log", format!("{}{}", COMBINED.repeat(20), "x\n".repeat(5000)));
    for (arguments, expected) in [
        (&["detect", "a.log", "--lines", "20"][..], "20 of 20 lines (100.0 %)"),
        (&["detect", "a.log", "--lines", "30"], "20 of 30 lines (66.7 %)"),
        (&["detect", "a.log"], "at best combined: 20 of 1000 lines (2.0 %)"),
    ] {
        let said = place.run(arguments);
        assert!(said.out.contains(expected), "{}", said.out);
    }
    let said = place.run(&["detect", "a.log"]);
    assert!(said.out.contains("not recognised, the first:\n    line 21: x\n    line 22: x\n"));
    assert!(said.out.contains("no format that is known") && said.out.contains("hint: "));
}

#[test]
fn all_but_one_is_not_all() {
    let place = Place::new();
    place.write("a.log", format!("{}x\n", COMBINED.repeat(9999)));
    let said = place.run(&["detect", "a.log", "--lines", "100000"]);
    assert!(said.out.contains("9999 of 10000 lines (99.9 %)"), "{}", said.out);
}

#[test]
fn what_holds_no_lines_is_told_for_each_of_several_files() {
    let place = Place::new();
    place.write("good.log", COMBINED);
    place.write("empty.log", "");
    place.write("binary", (0..=255).cycle().take(9000).collect::<Vec<u8>>());
    place.write("holes.log", format!("{}{COMBINED}", "\0".repeat(5000)));
    place.write("odd.log", COMBINED.replace("GET /a HTTP/1.1", r"\x16\x03\x01"));
    std::fs::create_dir(place.path().join("d")).unwrap();
    let files = ["good.log", "empty.log", "binary", "holes.log", "odd.log", "d", "no.log"];
    let said = place.run(&[&["detect"][..], &files].concat());
    assert_eq!(said.code, 2);
    assert_eq!(
        said.err,
        "error: `empty.log` is empty\nhint: name one that has lines, such as the one before it was rotated\nerror: `binary` \
         holds no lines of text: it is a binary file\nhint: name a log; compressed ones (gzip, zstd, bzip2, xz) are read as \
         what they unpack to\nerror: `d` is a directory\nhint: name the files in it: d/*.log\nerror: cannot read `no.log`: no \
         such file or directory\nhint: look at its name\n"
    );
    assert_eq!(said.out.matches("format: combined\n").count(), 3, "{}", said.out);
    let said = place.run(&[&["detect", "--json"][..], &files].concat());
    let told: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    let formats: Vec<_> = told.iter().map(|one| one["format"].as_str()).collect();
    let combined = Some("combined");
    assert_eq!(formats, [combined, None, None, combined, combined, None, None]);
    assert_eq!(told[1]["error"], "`empty.log` is empty");
    assert_eq!((said.code, &*said.err), (2, ""));
}

#[test]
fn damaged_file_is_judged_by_what_stands_before_the_damage() {
    let place = Place::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, COMBINED.repeat(500).as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    place.write("a.gz", &gzip);
    assert!(place.run(&["detect", "a.gz"]).out.contains("500 of 500 lines"));
    place.write("cut.gz", &gzip[..12]);
    let said = place.run(&["detect", "cut.gz"]);
    assert_eq!(said.code, 2);
    assert!(said.err.starts_with("error: cannot read `cut.gz`: "), "{}", said.err);
    // Lines that hardly repeat, so that some stand before the damage.
    let line =
        |number: u32| COMBINED.replace("/a", &format!("/{}", number.wrapping_mul(2_654_435_761)));
    let lines: String = (0..900).map(line).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, lines.as_bytes()).unwrap();
    let mut gzip = gzip.finish().unwrap();
    place.write("half.gz", &gzip[..gzip.len() / 2]);
    let last = gzip.len() - 6;
    gzip[last] ^= 0xff;
    place.write("sum.gz", &gzip);
    for name in ["half.gz", "sum.gz"] {
        let said = place.run(&["detect", name]);
        assert_eq!(said.code, 2, "{name}: {}", said.out);
        let told = "what comes behind these lines cannot be read: ";
        assert!(
            said.out.contains(": combined\n") && said.out.contains(told),
            "{name}: {}",
            said.out
        );
    }
}

#[test]
fn standard_input_is_looked_at_too() {
    let place = Place::new();
    let lines = COMBINED.repeat(3);
    let said = place.run_with(&["detect", "-"], lines.as_bytes());
    assert_eq!((said.code, &*said.err), (0, ""));
    assert!(said.out.starts_with("standard input: combined\n"), "{}", said.out);
    let at = said.out.find("filebeat.inputs").unwrap();
    let yaml = "filebeat.inputs:\n  - type: stdin\n    id: stdin\n    format: combined\n";
    assert_eq!(&said.out[at..], yaml);
    place.write("shipper.yml", format!("{yaml}output.console.enabled: true\n"));
    let sent = place.run_with(&["-e"], lines.as_bytes());
    assert_eq!(sent.member("/url/path"), ["/a"; 3], "{}", sent.err);
    place.write("a.log", &lines);
    let said = place.run_with(&["detect", "-", "a.log"], lines.as_bytes());
    assert!(said.code == 0 && !said.out.contains("stdin"), "{}", said.out);
    let said = place.run_with(&["detect", "--json", "-"], b"x\n");
    assert!(said.code == 1 && said.out.contains("\"file\":\"-\""), "{}", said.out);
    let said = place.run_with(&["detect", "-"], b"");
    assert_eq!((said.code, &*said.out), (2, ""));
    assert!(said.err.starts_with("error: `-` is empty\n"), "{}", said.err);
    let said = place.run_with(&["detect", "-"], b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01\x02");
    assert_eq!(said.code, 2);
    assert!(said.err.contains("zcat FILE | shipper detect -"), "{}", said.err);
}

#[test]
fn what_wraps_lines_is_named_with_what_takes_it_off() {
    let line = COMBINED.trim_end();
    let escaped = line.replace('"', "\\\"");
    for (wrapped, parser) in [
        (
            format!(
                "{{\"log\":\"{escaped}\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-21T05:12:34.5Z\"}}"
            ),
            "container",
        ),
        (format!("2026-11-21T05:12:34.5+01:00 stdout F {line}"), "container"),
        (format!("<134>Nov 21 05:12:34 web1 nginx: {line}"), "syslog"),
        (format!("Nov  1 05:12:34 web1 nginx[7]: {line}"), "syslog"),
    ] {
        let place = Place::new();
        let file = place.write("a.log", format!("{wrapped}\n"));
        let said = place.run(&["detect", "a.log"]);
        let snippet = format!("parsers: [{{{parser}: {{}}}}]");
        assert!(said.code == 1 && said.out.contains(&format!("`{snippet}`")), "{}", said.out);
        place.write(
            "shipper.yml",
            format!(
                "filebeat.inputs:\n  - type: filestream\n    id: a\n    paths: ['{file}']\n    {snippet}\n    format: combined\n\
                 output.console.enabled: true\n"
            ),
        );
        let sent = place.run(&["--once", "-e"]);
        assert_eq!(sent.member("/url/path"), ["/a"], "{wrapped}: {}", sent.err);
    }
    for (line, parser) in [
        ("{\"level\":\"info\",\"words\":[]}", "ndjson"),
        ("2026-11-21T05:12:34.5+01:00 web1 app[1]: started", "syslog"),
        ("{x}", ""),
        ("<a>b", ""),
        ("2026-11-21T05:12:34Z started", ""),
        ("Nov 21 is a day: of these", ""),
    ] {
        let place = Place::new();
        place.write("a.log", format!("{line}\n"));
        let said = place.run(&["detect", "a.log"]);
        assert_eq!(said.code, 1, "{}", said.out);
        assert_eq!(said.out.contains("parsers: "), !parser.is_empty(), "{}", said.out);
        assert!(said.out.contains(parser), "{}", said.out);
        for way in ["format_from: ", "{nginx: ", "{apache: ", "`grok`", "`csv`", "`regex`", "raw"] {
            assert!(said.out.contains(way), "{way}: {}", said.out);
        }
    }
}

#[test]
fn programs_get_the_same_as_json() {
    let place = Place::new();
    let file = place.write("a.log", format!("{COMBINED}\x1b\u{e9}\n{COMBINED}"));
    let said = place.run(&["detect", "--json", "a.log"]);
    let told: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    let expected = serde_json::json!([{
        "file": file, "format": "combined", "events": 3, "recognised": 2, "near": null, "percent": 66.7,
        "not_recognised": [{"line": 2, "text": "\u{1b}\u{e9}"}],
        "configuration": format!(
            "filebeat.inputs:\n  - type: filestream\n    id: a\n    paths: [{file}]\n    format: combined\n"
        ),
        "error": null,
    }]);
    assert_eq!(Value::from(told), expected);
}
