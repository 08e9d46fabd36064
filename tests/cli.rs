//! The binary as people call it: what it says to mistakes, and by which exit code.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and has real files"
)]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

/// A directory with a log of two lines and a configuration; `{dir}` in it stands for the directory.
fn place(config: &str) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a.log"), "one\ntwo\n").unwrap();
    write_config(place.path(), config);
    place
}

fn write_config(place: &Path, config: &str) {
    let text = config.replace("{dir}", &place.display().to_string());
    std::fs::write(place.join("shipper.yml"), text).unwrap();
}

fn shipper(place: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shipper")).current_dir(place).args(arguments).output().unwrap()
}

/// Exit code, standard output and standard error.
fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

const CONSOLE: &str = "inputs:\n  - type: log\n    paths: [\"{dir}/*.log\"]\n    format: raw\n\
                       output.console.enabled: true\nsetup.template.enabled: false\n";

fn to_port(port: u16) -> String {
    format!(
        "filebeat.inputs:\n  - type: log\n    paths: [\"{{dir}}/*.log\"]\n\
         output.elasticsearch:\n  hosts: [\"http://ship:verysecret@127.0.0.1:{port}\"]\n"
    )
}

#[test]
fn good_configuration_is_called_good() {
    let place = place(CONSOLE);
    assert_eq!(
        said(&shipper(place.path(), &["test", "config"])),
        (0, "Config OK\n".into(), String::new())
    );
}

#[test]
fn configuration_may_come_through_a_pipe() {
    let place = place(CONSOLE);
    let mut child = Command::new(env!("CARGO_BIN_EXE_shipper"))
        .current_dir(place.path())
        .args(["test", "config", "-c", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = std::fs::read(place.path().join("shipper.yml")).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(said(&output), (0, "Config OK\n".into(), String::new()));
}

#[test]
fn every_problem_is_told_with_its_place_and_what_was_meant() {
    let place = place(
        "filebeat.inputs:\n  - type: log\n    pathss: [/a.log]\noutput.console.enabled: true\n",
    );
    let (code, _, told) = said(&shipper(place.path(), &["test", "config"]));
    assert_eq!(code, 78);
    let expected = "shipper.yml:3:5: unknown key `filebeat.inputs[0].pathss`\n  3 |     pathss: [/a.log]\n    \
                    |     ^^^^^^\n  hint: did you mean `paths`?\n";
    assert!(told.contains(expected), "{told}");
    assert!(told.contains("`filebeat.inputs[0]` has no `paths`"), "{told}");
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    let place = place("filebeat.inputs:\n\t- type: log\n");
    let (code, _, told) = said(&shipper(place.path(), &["test", "config"]));
    assert_eq!(code, 78);
    assert!(told.starts_with("shipper.yml:2:1: this is not YAML"), "{told}");
    assert!(told.contains("hint: indent with spaces"), "{told}");
}

#[test]
fn missing_and_writable_files_are_refused() {
    let place = place(CONSOLE);
    let (code, _, told) = said(&shipper(place.path(), &["test", "config", "-c", "no.yml"]));
    assert_eq!(
        (code, told.contains("there is no configuration file `no.yml`")),
        (78, true),
        "{told}"
    );
    let mode = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(place.path().join("shipper.yml"), mode).unwrap();
    let (code, _, told) = said(&shipper(place.path(), &["test", "config"]));
    assert_eq!(code, 78);
    assert!(
        told.contains("can be written by others (mode 0666)") && told.contains("chmod go-w"),
        "{told}"
    );
    let (code, ..) = said(&shipper(place.path(), &["test", "config", "--strict.perms=false"]));
    assert_eq!(code, 0);
}

#[test]
fn directories_of_the_command_line_are_taken_as_they_stand() {
    let place = place(CONSOLE);
    for (directory, expected) in
        [("[a", "data: '[a'"), ("{a: b}", "data: '{a: b}'"), ("a", "data: a")]
    {
        let arguments = ["export", "config", "--path.data", directory];
        let (code, out, told) = said(&shipper(place.path(), &arguments));
        assert_eq!(code, 0, "{told}");
        assert!(out.contains(&format!("  {expected}\n")), "{out}");
    }
    let arguments = ["test", "config", "-E", "name=a", "-E", "inputs.5.type=log"];
    let (code, _, told) = said(&shipper(place.path(), &arguments));
    assert_eq!(
        (code, told.as_str()),
        (
            78,
            "-E option 2: `inputs` has no item 5, only 1 from 0\n  | inputs.5.type=log\n  |        ^\n  \
             hint: the next one to add is `inputs.1`\n"
        )
    );
}

#[test]
fn exported_configuration_shows_no_secret() {
    let place = place(&to_port(9));
    let (code, out, _) = said(&shipper(place.path(), &["export", "config", "-E", "name=web7"]));
    assert_eq!(code, 0);
    assert!(out.contains("password: xxxxx") && out.contains("name: web7"), "{out}");
    assert!(!out.contains("verysecret"), "{out}");
}

#[test]
fn once_prints_every_document_and_ends_well() {
    let place = place(CONSOLE);
    let (code, out, told) = said(&shipper(place.path(), &["--once", "-e"]));
    assert_eq!(code, 0, "{told}");
    let messages: Vec<String> = out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["message"].to_string())
        .collect();
    assert_eq!(messages, ["\"one\"", "\"two\""]);
    assert!(told.contains("backlog at this start") && told.contains("bytes=8"), "{told}");
    // What the last line of metrics tells is so by then, also if nothing was looked at since the first scan.
    let last = told.lines().rfind(|line| line.contains("lag_bytes")).expect("metrics at the end");
    assert!(last.contains(r#""lag_bytes":0"#), "{last}");
    let (code, out, _) = said(&shipper(place.path(), &["--once", "-e"]));
    assert_eq!((code, out.as_str()), (0, ""), "nothing is new");
}

#[test]
fn from_now_skips_the_backlog() {
    let place = place(CONSOLE);
    let (code, out, told) = said(&shipper(place.path(), &["--once", "-e", "--from", "now"]));
    assert_eq!((code, out.as_str()), (0, ""), "{told}");
    let mut log =
        std::fs::OpenOptions::new().append(true).open(place.path().join("a.log")).unwrap();
    log.write_all(b"three\n").unwrap();
    let (_, out, _) = said(&shipper(place.path(), &["--once", "-e"]));
    assert!(out.contains("\"message\":\"three\"") && !out.contains("\"two\""), "{out}");
}

#[test]
fn pattern_without_a_match_is_named() {
    let place = place(&CONSOLE.replace("*.log", "nothing-*.log"));
    let (code, _, told) = said(&shipper(place.path(), &["--once", "-e"]));
    assert_eq!(code, 0);
    let expected = format!("no file matches `{}/nothing-*.log`", place.path().display());
    assert!(told.contains(&expected), "{told}");
}

#[test]
fn deadline_without_a_server_has_an_exit_code_of_its_own() {
    let place = place(&to_port(9));
    let (code, _, told) = said(&shipper(place.path(), &["--once", "--deadline", "2s", "-e"]));
    assert_eq!(code, 4, "{told}");
    assert!(
        told.contains("Failed to connect to backoff(elasticsearch(http://127.0.0.1:9)): "),
        "{told}"
    );
    assert!(told.contains("the deadline has come before all was acknowledged"), "{told}");
    assert!(!told.contains("verysecret"), "{told}");
}

#[test]
fn page_instead_of_elasticsearch_is_told_and_nothing_is_lost() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let place = place(&to_port(listener.local_addr().unwrap().port()));
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let _ = client.read(&mut [0; 4096]);
            let page = "<html><body>Welcome, please log in</body></html>";
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                page.len()
            );
            let _ = client.write_all((head + page).as_bytes());
        }
    });
    let (code, _, told) = said(&shipper(place.path(), &["--once", "--deadline", "2s", "-e"]));
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("what answers is not Elasticsearch: <html>"), "{told}");
    // The next run, with an output that works, has everything.
    write_config(place.path(), CONSOLE);
    let (code, out, _) = said(&shipper(place.path(), &["--once", "-e"]));
    assert_eq!((code, out.lines().count()), (0, 2));
}

#[test]
fn unreadable_file_is_told_with_user_and_mode_and_others_go_on() {
    let place = place(CONSOLE);
    std::fs::write(place.path().join("b.log"), "secret\n").unwrap();
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(place.path().join("b.log"), mode).unwrap();
    let data = place.path().join("data");
    std::fs::create_dir(&data).unwrap();
    for (path, mode) in [(place.path(), 0o755), (&*data, 0o777)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    // The binary lies below a directory that only root may pass on some machines.
    let binary = place.path().join("shipper");
    std::fs::copy(env!("CARGO_BIN_EXE_shipper"), &binary).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(&binary)
        .args(["--once", "--deadline", "2s", "-e", "--strict.perms=false"])
        .current_dir(place.path())
        .output()
        .unwrap();
    let (code, out, told) = said(&output);
    assert!(
        told.contains(&format!(
            "cannot read `{}/b.log`: permission denied",
            place.path().display()
        )),
        "{told}"
    );
    assert!(told.contains("mode 0600") && told.contains("runs as nobody"), "{told}");
    assert_eq!(out.lines().count(), 2, "code {code}: {told}");
}

#[test]
fn data_path_that_cannot_be_used_is_told_with_what_to_do() {
    let place = place(CONSOLE);
    std::fs::write(place.path().join("file"), "").unwrap();
    let (code, _, told) = said(&shipper(place.path(), &["-e", "--path.data", "file"]));
    assert_eq!(code, 1);
    assert!(told.contains("error: cannot use `file`"), "{told}");
    assert!(told.contains("hint: a file stands where a directory is needed"), "{told}");
}

#[test]
fn bad_command_line_has_the_usual_exit_code() {
    let place = place(CONSOLE);
    let (code, _, told) = said(&shipper(place.path(), &["--onec"]));
    assert_eq!(code, 2);
    assert!(told.contains("--once"), "{told}");
    let (code, out, told) = said(&shipper(place.path(), &["setup", "-e"]));
    assert_eq!((code, out.as_str()), (2, ""));
    let hint = "\nhint: `setup` is Filebeat's: nothing has to be set up: a missing index template \
                is installed at connect\n";
    assert!(told.ends_with(hint), "{told}");
    let (_, _, told) = said(&shipper(place.path(), &["demo", "--for", "ten"]));
    assert!(told.contains("`ten` has no number; write a time such as 10s or 1m30s"), "{told}");
    for arguments in [&["--help"][..], &["--version"], &["help", "demo"]] {
        let (code, out, told) = said(&shipper(place.path(), arguments));
        assert_eq!((code, told.as_str(), out.is_empty()), (0, "", false), "{arguments:?}");
    }
}

/// Starts one that reads its lines and has them acknowledged by nobody.
fn unheard(place: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shipper"));
    command.current_dir(place).args(["-e"]).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for a line of the log with a text in it, and returns it.
fn wait_for(told: &mut BufReader<ChildStderr>, what: &str) -> String {
    let mut line = String::new();
    while !line.contains(what) {
        line.clear();
        assert_ne!(told.read_line(&mut line).unwrap(), 0, "{what}");
    }
    line
}

/// In the log when lines are read, and wait.
const LINES_WAIT: &str = r#""filebeat":{"events":{"active":"#;

#[test]
fn second_signal_ends_a_stop_that_waits_for_an_output_which_does_not_answer() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let config =
        format!("{}filebeat.shutdown_timeout: 10m\nlogging.metrics.period: 100ms\n", to_port(port));
    let place = place(&config);
    let mut running = unheard(place.path());
    // It is connected to, and asks in vain.
    let (_asked, _) = silent.accept().unwrap();
    while !place.path().join("data/shipper.sock").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_child(&running);
    let mut told = BufReader::new(running.stderr.take().unwrap());
    wait_for(&mut told, LINES_WAIT);
    // What has a web server open its logs again is nothing to this one.
    for signal in [rustix::process::Signal::USR1, rustix::process::Signal::USR2] {
        rustix::process::kill_process(pid, signal).unwrap();
    }
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    wait_for(&mut told, "open batches for at most 600s");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    wait_for(&mut told, "a second signal: what is in flight is not waited for");
    wait_for(&mut told, "stopped before all was acknowledged");
    assert!(running.wait().unwrap().success());
}

#[test]
fn stop_without_a_server_says_that_not_all_was_acknowledged() {
    let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = refusing.local_addr().unwrap().port();
    drop(refusing);
    let config = format!("{}logging.metrics.period: 100ms\n", to_port(port));
    let place = place(&config);
    let mut running = unheard(place.path());
    let mut told = BufReader::new(running.stderr.take().unwrap());
    wait_for(&mut told, LINES_WAIT);
    let pid = rustix::process::Pid::from_child(&running);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let line = wait_for(&mut told, "stopped before all was acknowledged");
    assert!(line.contains(" events=2"), "{line}");
    assert!(running.wait().unwrap().success());
}

#[test]
fn commands_that_deliver_nothing_need_no_variable_of_the_service() {
    let config = "filebeat.inputs:\n  - type: log\n    paths: [\"{dir}/*.log\"]\noutput.elasticsearch:\n  \
                  hosts: [\"http://127.0.0.1:1\"]\n  api_key: \"${SHIPPER_TEST_NOT_SET}\"\n";
    let place = place(config);
    for (arguments, code, message) in [
        (&["dlq", "list"][..], 0, None),
        (&["status"], 2, Some("error: shipper does not run\n")),
        (&["registry", "list"], 1, Some("error: there is no registry")),
        (&["drain"], 1, Some("error: there is no registry")),
        (&["run", "--once"], 78, Some("shipper.yml:6:13: `SHIPPER_TEST_NOT_SET` is no key")),
    ] {
        let (found, _, told) = said(&shipper(place.path(), arguments));
        assert_eq!(found, code, "{arguments:?} {told}");
        assert!(told.starts_with(message.unwrap_or_default()), "{arguments:?} {told}");
        assert_eq!(told.is_empty(), message.is_none(), "{arguments:?} {told}");
    }
}

#[test]
fn unit_of_systemd_starts_it_again_for_as_long_as_it_takes_but_not_with_a_wrong_configuration() {
    let mut section = "";
    let mut lines = Vec::new();
    for line in include_str!("../packaging/shipper.service").lines() {
        if line.starts_with('[') {
            section = line;
        } else if !line.starts_with('#') {
            lines.push((section, line));
        }
    }
    for wanted in [
        // A limit of starts is one of the unit; below `[Service]` it would be told as unknown, and nothing more.
        ("[Unit]", "StartLimitIntervalSec=0"),
        ("[Service]", "Type=notify"),
        ("[Service]", "Restart=on-failure"),
        ("[Service]", "RestartSec=5s"),
        ("[Service]", "RestartPreventExitStatus=78"),
    ] {
        assert!(lines.contains(&wanted), "{wanted:?}");
    }
}
