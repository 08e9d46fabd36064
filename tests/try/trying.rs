//! `try`.

use crate::rig::{COMBINED, COMMON, Place};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

#[test]
fn each_line_is_a_document_as_a_run_would_send_it() {
    let place = Place::new();
    let file = place.write("logs/access.log", format!("{COMBINED}{COMMON}"));
    let said = place.run(&["try", "logs/access.log"]);
    assert_eq!((said.code, said.err.as_str()), (0, "2 lines: 2 recognised\n"));
    assert_eq!(said.member("/http/response/status_code"), ["200", "404"]);
    assert_eq!(said.member("/log/offset"), ["0".to_owned(), COMBINED.len().to_string()]);
    assert_eq!(said.member("/log/file/path"), [file.clone(), file.clone()]);

    let config = format!(
        "filebeat.inputs: [{{type: filestream, id: a, paths: ['{file}']}}]\noutput.console.enabled: true\n"
    );
    place.write("shipper.yml", config);
    let sent = place.run(&["--once"]);
    let with_config = place.run(&["try", &file, "-c", "shipper.yml"]);
    let comparable = |said: &crate::rig::Said| {
        let mut documents = said.documents();
        for document in &mut documents {
            document["agent"]["ephemeral_id"] = "drawn at each start".into();
            document["event"]["created"] = "the time of reading".into();
        }
        documents
    };
    assert_eq!(comparable(&with_config), comparable(&sent));
    assert_eq!(sent.documents().len(), 2);
}

#[test]
fn lines_that_are_not_recognised_are_sent_alone_and_counted() {
    let place = Place::new();
    place.write("a.log", format!("{COMBINED}junk\n\n{COMBINED}more junk"));
    let said = place.run(&["try", "a.log"]);
    assert_eq!(said.code, 1);
    assert_eq!(
        said.err,
        "5 lines: 2 recognised, 2 not recognised (lines 2, 5), 1 left out (empty, filtered or no event)\nhint: `shipper \
         detect a.log` tells which format its lines have\n"
    );
    assert_eq!(said.member("/message")[1], "junk");
    assert_eq!(said.member("/message")[3], "more junk");
    assert_eq!(said.documents()[1].get("http"), None);
    let iis = "#Fields: time c-ip sc-status\n03:20:13 192.0.2.7 200\n#Date: today\n";
    let said = place.run_with(&["try", "-", "--format", "iis"], iis.as_bytes());
    assert_eq!(said.code, 0);
    assert_eq!(said.err, "3 lines: 1 recognised, 2 left out (empty, filtered or no event)\n");
    let many = "x\n".repeat(7);
    let said = place.run_with(&["try", "-"], many.as_bytes());
    assert_eq!(said.err, "7 lines: 0 recognised, 7 not recognised (lines 1, 2, 3, 4, 5, …)\n");
}

#[test]
fn what_there_is_to_say_of_nothing_and_of_lines_as_they_are() {
    let place = Place::new();
    let said = place.run_with(&["try", "-"], b"");
    assert_eq!((said.code, &*said.out, &*said.err), (0, "", "0 lines: no document\n"));
    let said = place.run_with(&["try", "-", "--format", "raw"], b"a\nb\n");
    assert_eq!((said.code, &*said.err), (0, "2 lines: 2 documents, as they are (format `raw`)\n"));
    assert_eq!(said.member("/message"), ["a", "b"]);
    assert_eq!(said.member("/input/type"), ["stdin", "stdin"]);
    let said = place.run_with(&["try", "-"], b"\n");
    assert_eq!(
        (said.code, &*said.err),
        (0, "1 line: no document, 1 left out (empty, filtered or no event)\n")
    );
}

#[test]
fn header_of_a_table_is_left_out_whoever_names_its_format() {
    let place = Place::new();
    place.write("a.csv", "took,source.ip\n12,203.0.113.7\ntook,source.ip\n");
    let format = "{csv: {columns: [took, source.ip], skip_header: true}}";
    let config = format!(
        "filebeat.inputs: [{{type: filestream, id: a, paths: [/a], format: {format}}}]\noutput.console.enabled: true\n"
    );
    place.write("shipper.yml", config);
    let raw = "filebeat.inputs: [{type: filestream, id: a, paths: [/a], exclude_lines: ['^#']}]\noutput.console.enabled: true\n";
    place.write("raw.yml", raw);
    for arguments in [
        &["try", "a.csv", "-c", "shipper.yml"][..],
        &["try", "a.csv", "--format", format],
        &["try", "a.csv", "--format", format, "-c", "shipper.yml"],
        &["try", "a.csv", "--format", format, "-c", "raw.yml"],
    ] {
        let said = place.run(arguments);
        assert_eq!(
            (said.code, &*said.err),
            (0, "3 lines: 1 recognised, 2 left out (empty, filtered or no event)\n"),
            "{arguments:?}"
        );
        assert_eq!(said.member("/source/ip"), ["203.0.113.7"]);
    }
}

#[test]
fn any_format_that_an_input_takes_may_be_asked_for() {
    let place = Place::new();
    place.write("a.log", format!("{COMMON}{COMBINED}"));
    for (format, code, expected) in [
        ("common", 0, "2 lines: 2 recognised\n"),
        (
            "combined",
            1,
            "2 lines: 1 recognised, 1 not recognised (line 1)\nhint: `shipper detect a.log` tells which format its lines \
             have\n",
        ),
        ("apache", 0, "2 lines: 2 recognised\n"),
        ("{regex: {pattern: '^(?<client>\\S+) '}}", 0, "2 lines: 2 recognised\n"),
    ] {
        let said = place.run(&["try", "a.log", "--format", format]);
        assert_eq!((said.code, &*said.err), (code, expected), "{format}");
    }
    for (format, expected) in [
        ("combind", "--format: `format` cannot be `combind`, only `raw`, `auto`, "),
        (
            "{nginx: '$a $b$c'}",
            "--format: nothing stands between `$b` and `$c`, so nobody can tell where one ends\n  | {nginx: '$a $b$c'}\n  |             \
             ^^^^\n",
        ),
        ("{nginx: '$a", "--format: this is not YAML: "),
        (
            "{ngnix: x}",
            "--format: unknown key `format.ngnix`\n  | {ngnix: x}\n  |  ^^^^^\n  hint: did you mean `nginx`?\n",
        ),
    ] {
        let said = place.run(&["try", "a.log", "--format", format]);
        assert_eq!(said.code, 78, "{format}");
        assert!(said.err.starts_with(expected), "{}", said.err);
        assert!(!said.err.contains("inputs"), "{}", said.err);
    }
    let said = place.run(&["try", "a.log", "--format", "combind"]);
    assert!(said.err.ends_with("hint: did you mean `combined`?\n"), "{}", said.err);
    let said = place.run(&["try", "a.log", "--format", "{nginx: '$remote_adr $any'}"]);
    assert!(
        said.err.starts_with("warning: `--format.nginx` has `$remote_adr`: did you"),
        "{}",
        said.err
    );
}

#[test]
fn databases_that_cannot_be_used_are_told_once() {
    let place = Place::new();
    let file = place.write("a.log", COMBINED.repeat(3));
    let damaged = place.write("City.mmdb", "no database");
    for (path, expected) in [
        (damaged, "City.mmdb: it is no database in MaxMind's format, or damaged"),
        (place.path().join("none.mmdb").display().to_string(), "none.mmdb: No such file"),
    ] {
        place.write(
            "shipper.yml",
            format!(
                "filebeat.inputs: [{{type: log, paths: ['{file}'], enrich.geoip: ['{path}']}}]\noutput.console: {{}}\n"
            ),
        );
        let said = place.run(&["try", "a.log", "-c", "shipper.yml"]);
        assert_eq!((said.code, said.documents().len()), (0, 3));
        let lines: Vec<&str> = said.err.lines().collect();
        let [warning, hint, "3 lines: 3 recognised"] = lines[..] else { panic!("{}", said.err) };
        assert!(warning.starts_with("warning: cannot ") && warning.contains(expected), "{warning}");
        assert!(
            warning.ends_with("lines go on without it") && hint.starts_with("hint: "),
            "{hint}"
        );
    }
}

#[test]
fn lines_go_the_way_of_the_input_that_is_named_or_that_would_read_them() {
    let place = Place::new();
    let a = place.write("a.log", "[1] one\n  two\n[2] three\n");
    let b = place.write("b.log", "x\n# left out\ny\n");
    place.write(
        "my.yml",
        format!(
            "filebeat.inputs:\n  - {{type: log, id: first, paths: ['{a}'], format: raw, tags: [t],\n     multiline: {{pattern: '^\\[', negate: true, match: after}}}}\n  - {{type: log, id: second, paths: ['{b}'], format: raw, exclude_lines: ['^#']}}\noutput.console: {{}}\n"
        ),
    );
    let said = place.run(&["try", "a.log", "-c", "my.yml"]);
    assert_eq!(said.member("/message"), ["[1] one\n  two", "[2] three"]);
    assert_eq!(said.member("/tags"), [r#"["t"]"#, r#"["t"]"#]);
    assert_eq!(said.err, "3 lines: 2 documents, as they are (format `raw`)\n");
    let said = place.run(&["try", "b.log", "-c", "my.yml"]);
    assert_eq!(said.member("/message"), ["x", "y"]);
    assert_eq!(
        said.err,
        "3 lines: 2 documents, as they are (format `raw`), 1 left out (empty, filtered or no event)\n"
    );
    let said = place.run(&["try", "b.log", "-c", "my.yml", "--input", "first"]);
    assert_eq!(said.member("/message"), ["x\n# left out\ny"]);
    let input = std::fs::read(&a).unwrap();
    let said = place.run_with(&["try", "-", "-c", "my.yml", "--input", "first"], &input);
    assert_eq!(said.member("/message"), ["[1] one\n  two", "[2] three"]);
    for (arguments, expected) in [
        (
            &["try", "c.log", "-c", "my.yml", "--input", "frist"][..],
            "error: there is no input with the id `frist`\nhint: there are `first`, `second`\n",
        ),
        (
            &["try", "-", "-c", "my.yml"],
            "error: the configuration has several inputs\nhint: name one with --input; there are `first`, `second`\n",
        ),
    ] {
        let said = place.run(arguments);
        assert_eq!((said.code, &*said.err), (1, expected), "{arguments:?}");
    }
    let said = place.run(&["try", "c.log", "-c", "my.yml"]);
    assert!(said.err.contains("no input has paths that match `/"), "{}", said.err);
}

#[test]
fn filesets_of_modules_may_be_tried_by_their_ids() {
    let place = Place::new();
    place.write(
        "shipper.yml",
        "filebeat.modules: [{module: nginx, access: {var.tags: [web]}}]\noutput.console: {}\n",
    );
    let said = place.run_with(&["try", "-", "--input", "nginx-access"], COMBINED.as_bytes());
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.member("/event/dataset"), ["nginx.access"]);
    assert_eq!(said.member("/tags"), [r#"["web"]"#]);
}

#[test]
fn no_more_documents_come_than_are_asked_for() {
    let place = Place::new();
    place.write("a.log", COMBINED.repeat(9));
    let said = place.run(&["try", "a.log", "--limit", "2"]);
    assert_eq!(said.documents().len(), 2);
    assert_eq!(said.err, "2 lines: 2 recognised; stopped there, as --limit says\n");
    assert_eq!(place.run(&["try", "a.log", "--limit", "0"]).code, 2);
}

#[test]
fn compressed_files_are_read_as_what_they_unpack_to() {
    let place = Place::new();
    let packed = |name: &str, bytes: &[u8]| place.write(name, bytes);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(COMBINED.repeat(3000).as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    packed("a.log.gz", &gzip);
    let said = place.run(&["try", "a.log.gz"]);
    assert_eq!((said.code, &*said.err), (0, "3000 lines: 3000 recognised\n"));
    packed("cut.gz", &gzip[..gzip.len() - 20]);
    let said = place.run(&["try", "cut.gz"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("error: cannot read all of `cut.gz`: "), "{}", said.err);
    assert!(!said.out.is_empty(), "what stands before the damage is shown");
}

#[test]
fn what_cannot_be_read_is_told_with_what_to_do() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("logs")).unwrap();
    for (file, expected) in [
        (
            "no.log",
            "error: cannot read `no.log`: no such file or directory\nhint: look at its name\n",
        ),
        ("logs", "error: `logs` is a directory\nhint: name the files in it: logs/*.log\n"),
        (
            "/dev/null",
            "error: `/dev/null` is no regular file\nhint: have what comes out of it written to a file, or give it to \
             `shipper try -`\n",
        ),
    ] {
        let said = place.run(&["try", file]);
        assert_eq!((said.code, &*said.out, &*said.err), (2, "", expected));
    }
}

#[test]
fn reader_that_goes_away_ends_it_without_a_word() {
    let place = Place::new();
    place.write("a.log", COMBINED.repeat(20_000));
    let mut command = place.command(&["try", "a.log"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with('{'), "{line}");
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!((child.wait().unwrap().code(), told.as_str()), (Some(0), ""));
}

#[test]
fn lines_are_shown_while_more_may_come() {
    let place = Place::new();
    let mut command = place.command(&["try", "-"]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for status in [200, 201, 202] {
        let line = COMBINED.replace("\" 200 ", &format!("\" {status} "));
        stdin.write_all(line.as_bytes()).unwrap();
        let mut document = String::new();
        stdout.read_line(&mut document).unwrap();
        assert!(document.contains(&format!("\"status_code\":{status}")), "{document}");
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn lines_of_any_length_and_bytes_keep_their_numbers() {
    let place = Place::new();
    let long = format!("{}\n", "a".repeat(700 << 10));
    let longer = format!("{}\n", "b".repeat(11 << 20));
    let hole = "\0".repeat(100);
    let lines = [COMBINED, &long, COMBINED, &longer, COMBINED, "\x01\u{feff}\n", &hole, COMBINED];
    place.write("a.log", lines.concat());
    let said = place.run(&["try", "a.log"]);
    assert_eq!(
        said.err,
        "7 lines: 4 recognised, 3 not recognised (lines 2, 4, 6)\nhint: `shipper detect a.log` tells which format its lines have\n"
    );
    let lengths: Vec<usize> = said.member("/message").iter().map(String::len).collect();
    let line = COMBINED.len() - 1;
    assert_eq!(lengths, [line, 700 << 10, line, 10 << 20, line, 4, line]);
    let flags = said.member("/log/flags");
    assert_eq!(flags[3], r#"["truncated"]"#);
    let expected = lines[..7].iter().map(|line| line.len()).sum::<usize>();
    assert_eq!(said.member("/log/offset")[6], expected.to_string());
}

#[test]
fn long_joined_lines_and_other_encodings_are_read() {
    let place = Place::new();
    let wide: Vec<u8> = "\u{feff}ä\nö\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let config = |more: &str| {
        format!(
            "inputs: [{{type: filestream, id: a, paths: [/x], format: raw, {more}}}]\noutput.console: {{}}\n"
        )
    };
    place.write("wide.yml", config("encoding: utf-16-bom"));
    let said = place.run_with(&["try", "-", "-c", "wide.yml"], &wide);
    assert_eq!(said.member("/message"), ["ä", "ö"]);
    assert_eq!(said.err, "2 lines: 2 documents, as they are (format `raw`)\n");
    place.write(
        "joined.yml",
        config("parsers: [{multiline: {pattern: '^#', negate: true, match: after, max_lines: 100000}}]"),
    );
    let event = format!("# {}\n", "line\n".repeat(100_000));
    let said = place.run_with(&["try", "-", "-c", "joined.yml"], event.repeat(2).as_bytes());
    let messages = said.member("/message");
    assert_eq!(messages.len(), 2, "{}", said.err);
    assert!(messages.iter().all(|one| 490_000 < one.len() && one.starts_with("# line\nline\n")));
}

#[test]
fn lines_in_envelopes_are_recognised_by_the_text_in_them() {
    let place = Place::new();
    let head = "2026-11-22T10:00:00.000000000Z stdout F ";
    place.write("a.log", format!("{head}garbage\n{head}{COMBINED}no envelope\n"));
    let text = format!(
        "filebeat.inputs:\n- {{type: filestream, id: a, paths: [{}/a.log], format: nginx, parsers: [{{container: {{}}}}]}}\n\
         output.console: {{}}\n",
        place.path().display()
    );
    place.write("shipper.yml", text);
    let said = place.run(&["-c", "shipper.yml", "try", "a.log"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.starts_with("3 lines: 1 recognised, 2 not recognised (lines 1, 3)\n"),
        "{}",
        said.err
    );
}
