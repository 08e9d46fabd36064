//! Files of modules that change while shipper runs.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test may fail, and has real files; of the shared support it uses a part"
)]

mod support {
    pub mod shipper;
    pub mod sink;
}
#[path = "output/server.rs"]
mod server;

use serde_json::{Value, json};
use server::Server;
use std::io::Write as _;
use std::path::Path;
use support::shipper::{Place, wait_until};
use support::sink::Sink;

/// Returns the tags of each document of a line.
fn tags_of(sink: &Sink, number: usize) -> Vec<Value> {
    let text = line(number);
    sink.those(|one| one["message"] == text).iter().map(|one| one["tags"].clone()).collect()
}

fn line(number: usize) -> String {
    format!(
        "203.0.113.7 - - [21/Nov/2026:03:20:13 +0000] \"GET /{number} HTTP/1.1\" 200 7 \"-\" \"-\""
    )
}

fn append(log: &Path, number: usize) {
    let mut file = std::fs::File::options().create(true).append(true).open(log).unwrap();
    writeln!(file, "{}", line(number)).unwrap();
}

fn place(server: &Server, more: &str) -> Place {
    let place = Place::new(&format!(
        "filebeat.config.modules: {{path: \"{{logs}}/../modules.d/*.yml\", reload.enabled: true, reload.period: 100ms}}\n\
         setup.template.enabled: false\noutput.elasticsearch.hosts: [\"{}\"]\n{more}",
        server.url()
    ));
    std::fs::create_dir(place.path().join("modules.d")).unwrap();
    place
}

#[test]
fn files_of_modules_start_change_and_stop_their_inputs() {
    let sink = Sink::default();
    let server = sink.serve();
    let place = place(&server, "");
    let (file, log) = (place.path().join("modules.d/nginx.yml"), place.log("access.log"));
    let module = |more: &str| {
        let path = log.display();
        let text = format!("- module: nginx\n  access:\n    var.paths: ['{path}']\n{more}");
        std::fs::write(&file, text).unwrap();
    };
    append(&log, 1);
    let running = place.start(&[]);
    wait_until("it runs without an input", || running.told().contains("established"));
    module("");
    wait_until("the module's line is stored", || tags_of(&sink, 1).len() == 1);
    // With a mistake, all goes on as it was.
    module("    var.tag: [new]\n");
    wait_until("the mistake is told", || running.told().contains("all inputs stay as they were"));
    let told = running.told();
    assert!(told.contains("nginx.yml:4:9: unknown variable"), "{told}");
    append(&log, 2);
    wait_until("the next line is stored", || tags_of(&sink, 2).len() == 1);
    let exchanges = || running.told().matches("inputs were exchanged").count();
    let before = exchanges();
    module("    var.tags: [new]\n");
    wait_until("the change is taken", || before < exchanges());
    assert!(running.told().contains("files of modules are right again"));
    append(&log, 3);
    wait_until("the line is stored", || tags_of(&sink, 3).len() == 1);
    assert_eq!(tags_of(&sink, 3), [json!(["new"])]);
    std::fs::remove_file(&file).unwrap();
    wait_until("its absence is taken", || before + 1 < exchanges());
    append(&log, 4);
    module("");
    wait_until("the line from between is stored", || tags_of(&sink, 4).len() == 1);
    let (code, told) = running.stop();
    assert_eq!((code, told.matches("unknown variable").count()), (0, 1), "{told}");
    for number in 1..=4 {
        assert_eq!(tags_of(&sink, number).len(), 1, "{number}");
    }
}

#[test]
fn what_needs_a_start_is_told_and_changes_nothing() {
    let sink = Sink::default();
    let server = sink.serve();
    let input = "filebeat.inputs: [{type: filestream, id: own, paths: ['{logs}/own.log']}]\n";
    let place = place(&server, input);
    let running = place.start(&[]);
    let log = place.log("own.log");
    append(&log, 1);
    wait_until("its own input is read", || tags_of(&sink, 1).len() == 1);
    let file = |name: &str, text: &str| {
        let directory = place.path().join("modules.d");
        std::fs::write(directory.join(name), text).unwrap();
    };
    file("nginx.yml", "- module: nginx\n  access: {input.index: elsewhere}\n");
    wait_until("it is told", || {
        running.told().contains("would go to `elsewhere`, which is set up at the start only")
    });
    file("nginx.yml", "- module: nginx\n  access: {input.enrich.geoip: [/nowhere/City.mmdb]}\n");
    wait_until("it is told", || {
        running.told().contains("the database `/nowhere/City.mmdb` is read at the start only")
    });
    std::fs::remove_file(place.path().join("modules.d/nginx.yml")).unwrap();
    file("haproxy.yml", "- module: haproxy\n  log: {var.syslog_port: 0}\n");
    wait_until("it is told", || running.told().contains("have changed what listens"));
    std::fs::remove_file(place.path().join("modules.d/haproxy.yml")).unwrap();
    wait_until("that it is gone is told", || running.told().contains("no restart is needed"));
    append(&log, 2);
    wait_until("its own input is read on", || tags_of(&sink, 2).len() == 1);
    let (code, told) = running.stop();
    assert_eq!((code, told.matches("have changed what listens").count()), (0, 1), "{told}");
    assert!(told.contains("files of modules have changed, inputs are the same"), "{told}");
    assert!(!told.contains("inputs were exchanged"), "{told}");
}

#[test]
fn commands_about_what_runs_do_without_files_of_modules_that_are_wrong() {
    let sink = Sink::default();
    let server = sink.serve();
    let place = place(&server, "");
    let (file, log) = (place.path().join("modules.d/nginx.yml"), place.log("access.log"));
    let module = format!("- module: nginx\n  access:\n    var.paths: ['{}']\n", log.display());
    append(&log, 1);
    std::fs::write(&file, &module).unwrap();
    let running = place.start(&[]);
    wait_until("the line is stored", || tags_of(&sink, 1).len() == 1);
    wait_until("all is fine", || place.shipper(&["status"]).0 == 0);
    std::fs::write(&file, module.clone() + "    var.tag: [new]\n").unwrap();
    wait_until("the mistake is told", || running.told().contains("all inputs stay as they were"));
    let wrong = "nginx.yml:4:9: unknown variable `modules[0].access.var.tag`";
    let fault =
        format!("files of modules are wrong: {}/logs/../modules.d/{wrong}", place.path().display());
    let (code, out, told) = place.shipper(&["status"]);
    assert_eq!((code, out.lines().last()), (1, Some(&*format!("warning: {fault}"))), "{told}");
    assert!(out.starts_with("shipper ") && told.contains("warning: files of modules are wrong"));
    assert!(told.contains(wrong), "{told}");
    let (code, out, told) = place.shipper(&["status", "--check"]);
    assert_eq!((code, out, told), (1, format!("WARNING: {fault}\n"), String::new()));
    let (code, out, _) = place.shipper(&["status", "--json"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["running"], &json["faults"]), (1, &json!("yes"), &json!([fault])));
    for about in
        [["registry", "list"], ["registry", "audit"], ["registry", "check"], ["dlq", "list"]]
    {
        let (code, out, told) = place.shipper(&about);
        assert!(
            code == 0 && !out.is_empty() && told.contains(wrong),
            "{about:?} {code} {out}{told}"
        );
    }
    assert_eq!(place.shipper(&["test", "config"]).0, 78);
    let (code, _, told) = place.shipper(&["drain"]);
    assert!(code == 0 && told.contains(wrong), "{code} {told}");
    assert_eq!(running.wait().0, 0);
    // Nothing can be started so.
    let (code, _, told) = place.shipper(&["drain"]);
    assert_eq!((code, told.matches(wrong).count()), (78, 1), "{told}");
    let (code, out, _) = place.shipper(&["status", "--check"]);
    assert_eq!((code, out), (2, format!("CRITICAL: shipper does not run; {fault}\n")));
    // What is wrong in the main file is told as ever.
    place.configure("output.none: 1\n");
    assert_eq!(place.shipper(&["registry", "list"]).0, 78);
}

#[test]
fn pipe_among_the_files_is_told_and_holds_nothing_up() {
    let sink = Sink::default();
    let server = sink.serve();
    let place = place(&server, "");
    let running = place.start(&[]);
    wait_until("it can be asked", || place.shipper(&["status"]).0 == 0);
    let pipe = place.path().join("modules.d/pipe.yml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    wait_until("it is told", || running.told().contains("is no configuration file: it is no file"));
    assert_eq!(place.shipper(&["status"]).0, 1);
    assert_eq!(running.stop().0, 0);
}
