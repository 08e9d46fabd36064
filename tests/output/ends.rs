//! What cannot go on ends with an error and settles nothing: another start delivers it all.

use super::all_created;
use super::rig::{Rig, answer, greeting, lines, quick, scripted};
use super::server::{Reply, Server};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A directory with a log of two lines; `output` is the configuration of the output.
fn place(output: &str) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a.log"), "one\ntwo\n").unwrap();
    configure(place.path(), output);
    place
}

fn configure(place: &Path, output: &str) {
    let log = place.join("a.log");
    let inputs =
        format!("inputs:\n  - type: log\n    paths: [\"{}\"]\n    format: raw\n", log.display());
    std::fs::write(place.join("shipper.yml"), inputs + output).unwrap();
}

fn shipper(place: &Path, more: &[&str], out: Stdio) -> (i32, Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shipper"));
    command.current_dir(place).args(["run", "-c", "shipper.yml", "-e", "--path.data", "data"]);
    let child = command.args(more).stdout(out).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), output, told)
}

const CONSOLE: &str = "output.console.enabled: true\nsetup.template.enabled: false\n";

#[test]
fn standard_output_that_cannot_be_written_ends_the_process_and_settles_nothing() {
    for more in [&["--once"][..], &[]] {
        let place = place(CONSOLE);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (code, _, told) = shipper(place.path(), more, full.into());
        assert_eq!(code, 1, "{told}");
        assert!(told.contains("cannot write to standard output: no space left"), "{told}");
        assert!(told.contains("hint=\"make room where standard output leads"), "{told}");
        let (code, output, told) = shipper(place.path(), &["--once"], Stdio::piped());
        assert_eq!(code, 0, "{told}");
        let documents = String::from_utf8(output.stdout).unwrap();
        let messages: Vec<String> = documents
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|document| document["message"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(messages, ["one", "two"]);
    }
}

#[test]
fn authorities_that_cannot_be_read_end_the_process_and_settle_nothing() {
    let server = Server::start(|request| greeting(request).unwrap_or_else(|| all_created(request)));
    for (authorities, expected) in [
        ("none.pem", "none.pem` of `ssl.certificate_authorities`: no such file or directory"),
        ("a.log", "holds no certificate that can be used: no PEM section of a certificate in it"),
    ] {
        let output = format!(
            "output.elasticsearch:\n  hosts: [\"https://127.0.0.1:9\"]\n  \
             ssl.certificate_authorities: [\"{authorities}\"]\n"
        );
        let place = place(&output);
        let (code, _, told) = shipper(place.path(), &[], Stdio::null());
        assert_eq!(code, 1, "{told}");
        assert!(told.contains(expected) && told.contains("  hint: name a file"), "{told}");
        let before = server.bulks().len();
        configure(place.path(), &format!("output.elasticsearch.hosts: [\"{}\"]\n", server.url()));
        let (code, _, told) = shipper(place.path(), &["--once"], Stdio::null());
        assert_eq!(code, 0, "{told}");
        let ids: usize = server.bulks()[before..].iter().map(|bulk| bulk.ids().len()).sum();
        assert_eq!(ids, 2);
    }
}

#[test]
fn panic_of_one_deliverer_ends_the_output_and_settles_nothing_of_its_batch() {
    // In the first round, and while the rest of a partly taken batch is repeated beside the next ones.
    for rest in [false, true] {
        let server = scripted(move |number, _| {
            let second = if rest && number == 0 { "busy" } else { "document_parsing_exception" };
            let statuses = [(201, ""), (if second == "busy" { 429 } else { 400 }, second)];
            Reply::json(200, answer(&statuses[usize::from(rest && number != 0)..]))
        });
        let mut settings = quick(&[server.url()]);
        settings.worker = 2;
        // Keeping a dead letter panics on a runtime of one thread.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut rig = Rig::start_on(runtime, settings);
        let _ = rig.send(&["{}", "{}"]);
        assert!(rig.ended().is_err());
        rig.nothing_settled();
        let told = |line: &String| {
            line.starts_with("ERROR a deliverer has ended with a panic: can call blocking only")
                && line.contains("hint=")
        };
        assert!(lines().iter().any(told), "{:#?}", lines());
        assert_eq!(server.bulks().len(), 1 + usize::from(rest));
    }
}
