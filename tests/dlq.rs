//! `shipper dlq`: the binary, its spool of dead letters, and a server that refuses what a test says.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test may fail, and has real files and servers; of the shared support it uses a part"
)]

mod support {
    pub mod shipper;
}
#[path = "output/server.rs"]
mod server;

use serde_json::{Value, json};
use server::{Reply, Request, Server};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use support::shipper::{Place, wait_until};

/// What a server has, and how it answers.
#[derive(Default)]
struct Model {
    /// By index and id.
    stored: BTreeMap<(String, String), String>,
    /// Messages with one of these are refused for ever; the text is the reason.
    refused: Vec<&'static str>,
    /// How many bulk requests are answered from now on; later ones never are.
    answers: Option<usize>,
    /// Status of every bulk request.
    status: Option<u16>,
}

#[derive(Clone, Default)]
struct Elastic(Arc<Mutex<Model>>);

impl Elastic {
    fn serve(&self) -> Server {
        let model = self.clone();
        Server::start(move |request| model.answer(request))
    }

    fn set(&self, change: impl FnOnce(&mut Model)) {
        change(&mut self.0.lock().unwrap());
    }

    fn answer(&self, request: &Request) -> Reply {
        let mut model = self.0.lock().unwrap();
        if !request.is_bulk() {
            return Reply::version();
        }
        if let Some(status) = model.status {
            let error = r#"{"error":{"type":"security_exception","reason":"no such key"}}"#;
            return Reply::json(status, error);
        }
        match &mut model.answers {
            Some(0) => return Reply::Hang,
            Some(left) => *left -= 1,
            None => {}
        }
        let default =
            request.path.trim_matches('/').trim_end_matches("_bulk").trim_end_matches('/');
        let lines: Vec<&str> = request.body.lines().collect();
        let mut items = Vec::new();
        for pair in lines.chunks(2) {
            let action: Value = serde_json::from_str(pair[0]).unwrap();
            let index = action["create"]["_index"].as_str().unwrap_or(default).to_owned();
            let id = action["create"]["_id"].as_str().unwrap().to_owned();
            assert!(!index.is_empty());
            items.push(model.take(index, id, pair[1]));
        }
        Reply::items(&items)
    }

    /// Returns the messages that are stored in an index, in order.
    fn messages(&self, index: &str) -> Vec<String> {
        let model = self.0.lock().unwrap();
        let of_index = model.stored.iter().filter(|((known, _), _)| known == index);
        let message = |document: &String| {
            let document: Value = serde_json::from_str(document).unwrap();
            document["message"].as_str().unwrap().to_owned()
        };
        let mut messages: Vec<String> = of_index.map(|(_, document)| message(document)).collect();
        messages.sort();
        messages
    }
}

impl Model {
    fn take(&mut self, index: String, id: String, document: &str) -> Value {
        // Not in all of it: the name of a temporary directory may hold such a word.
        let known: Value = serde_json::from_str(document).unwrap();
        let message = known["message"].as_str().unwrap();
        if let Some(reason) = self.refused.iter().find(|word| message.contains(**word)) {
            let reason = format!("failed to parse {reason} in document with id '{id}'");
            let error = json!({"type": "document_parsing_exception", "reason": reason});
            return json!({"create": {"status": 400, "error": error}});
        }
        if self.stored.contains_key(&(index.clone(), id.clone())) {
            let error = json!({"type": "version_conflict_engine_exception"});
            return json!({"create": {"status": 409, "error": error}});
        }
        self.stored.insert((index, id), document.to_owned());
        json!({"create": {"status": 201}})
    }
}

fn place(server: &Server, more: &str) -> Place {
    Place::new(&format!(
        "filebeat.inputs:\n  - type: log\n    paths: [\"{{logs}}/*.log\"]\n    format: raw\n\
         setup.template.enabled: false\n\
         output.elasticsearch:\n  hosts: [\"{}\"]\n  index: web\n  backoff: {{init: 20ms, max: 100ms}}\n{more}",
        server.url()
    ))
}

fn lines(word: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{word} {number:04}")).collect()
}

fn text(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    })
}

fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shipper"));
    command.current_dir(place.path()).args(["dlq"]).args(arguments);
    command.args(["-c", "shipper.yml", "--path.data", "data"]).stdin(Stdio::null());
    command
}

fn dlq(place: &Place, arguments: &[&str]) -> Output {
    command(place, arguments).output().unwrap()
}

/// Returns what a command that must succeed prints.
fn told(place: &Place, arguments: &[&str]) -> String {
    let output = dlq(place, arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn told_json(place: &Place, arguments: &[&str]) -> Value {
    serde_json::from_str(&told(place, &[arguments, &["--json"]].concat())).unwrap()
}

fn letters(place: &Place) -> u64 {
    told_json(place, &["list"])["letters"].as_u64().unwrap()
}

fn segment(place: &Place) -> PathBuf {
    place.path().join("data/dead_letters/00000001.ndjson")
}

/// A place whose server has refused what has one of these words.
fn refused(elastic: &Elastic, server: &Server, words: &[&'static str], lines: &[String]) -> Place {
    elastic.set(|model| model.refused = words.to_vec());
    let place = place(server, "");
    std::fs::write(place.log("a.log"), text(lines)).unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    place
}

#[test]
fn letters_are_grouped_by_what_they_have_in_common() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let all = [lines("bad", 0..30), lines("good", 0..5), lines("odd", 0..10)].concat();
    let place = refused(&elastic, &server, &["bad", "odd"], &all);
    let list = told_json(&place, &["list"]);
    assert_eq!((&list["letters"], &list["damaged_lines"]), (&json!(40), &json!(0)));
    let groups: Vec<String> = list["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            assert!(group["first"].as_str() <= group["last"].as_str(), "{group}");
            format!(
                "{} {} {} {} {}",
                group["letters"], group["status"], group["type"], group["target"], group["reason"]
            )
        })
        .collect();
    let group = |letters: u32, word: &str| {
        format!(
            "{letters} 400 \"document_parsing_exception\" \"web\" \
             \"failed to parse {word} in document with id '…'\""
        )
    };
    assert_eq!(groups, [group(30, "bad"), group(10, "odd")]);
    let table = told(&place, &["list"]);
    let first: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(first, ["LETTERS", "STATUS", "TYPE", "TARGET", "FIRST", "LAST", "REASON"]);
    assert!(table.contains("\n40 letters in `"), "{table}");
    assert_eq!(told_json(&place, &["list", "--reason", "ODD"])["letters"], 10);
    assert_eq!(told_json(&place, &["list", "--since", "1h"])["letters"], 40);
    assert_eq!(told_json(&place, &["list", "--since", "2199-01-01T00:00:00Z"])["letters"], 0);
}

#[test]
fn letter_is_shown_whole_and_says_where_it_comes_from() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let place =
        refused(&elastic, &server, &["bad"], &[lines("good", 0..1), lines("bad", 0..3)].concat());
    let shown = told(&place, &["show", "--json", "--limit", "1"]);
    let letter: Value = serde_json::from_str(&shown).unwrap();
    let file = place.log("a.log");
    assert_eq!(letter["document"]["message"], "bad 0000");
    let source = &letter["source"];
    assert_eq!(
        (&source["file"], &source["offset"], &source["length"]),
        (&json!(file), &json!(10), &json!(9))
    );
    let id = letter["id"].as_str().unwrap();
    assert!(
        id.starts_with(source["epoch"].as_str().unwrap())
            && letter["action"]["create"]["_id"] == id
    );
    let one = told(&place, &["show", "--id", id]);
    for part in [format!("id        {id}\n"), format!("file      {}\n", file.display())] {
        assert!(one.contains(&part), "{one}");
    }
    assert!(one.contains("bytes     10 to 19 of epoch ") && !one.contains("bad 0001"), "{one}");
    assert_eq!(told(&place, &["show", "--json"]).lines().count(), 3);
}

#[test]
fn replayed_documents_are_those_that_were_refused_byte_by_byte() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let mut hostile: Vec<String> = [
        r#"bad "quoted" \ \" \u0041 \n {"create":{}}"#,
        "bad \t\u{8}\u{c}\u{1b}[31m\u{7f}\u{85}\u{2028}",
        "bad \u{feff}é\u{1F600}\u{fffd}</script>",
    ]
    .map(str::to_owned)
    .to_vec();
    let place = refused(&elastic, &server, &["bad"], &hostile);
    let shown = told(&place, &["show", "--json"]);
    let shown = shown.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut refused: Vec<Value> = shown.map(|mut letter| letter["document"].take()).collect();
    elastic.set(|model| model.refused.clear());
    told(&place, &["replay"]);
    hostile.sort();
    assert_eq!(elastic.messages("web"), hostile);
    let model = elastic.0.lock().unwrap();
    let stored = model.stored.values().map(|text| serde_json::from_str::<Value>(text).unwrap());
    let mut stored: Vec<Value> = stored.collect();
    let by_message = |one: &Value| one["message"].to_string();
    refused.sort_by_key(by_message);
    stored.sort_by_key(by_message);
    assert_eq!(stored, refused);
}

#[test]
fn replay_stores_what_is_taken_once_and_keeps_the_rest_with_its_newer_reason() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let place = refused(
        &elastic,
        &server,
        &["bad", "odd"],
        &[lines("bad", 0..20), lines("odd", 0..7)].concat(),
    );
    elastic.set(|model| model.refused = vec!["odd 0003"]);
    let output = dlq(&place, &["replay", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let counts = (&told["stored"], &told["already_stored"], &told["refused"]);
    assert_eq!(counts, (&json!(26), &json!(0), &json!(1)));
    let left: Value = serde_json::from_str(&self::told(&place, &["show", "--json"])).unwrap();
    assert_eq!((&left["document"]["message"], &left["replays"]), (&json!("odd 0003"), &json!(1)));
    assert!(left["reason"].as_str().unwrap().starts_with("failed to parse odd 0003 in"), "{left}");
    elastic.set(|model| model.refused.clear());
    assert_eq!(
        self::told(&place, &["replay"]),
        "1 stored, 0 were there already, 0 refused again\n"
    );
    assert_eq!(
        self::told(&place, &["replay"]),
        "0 stored, 0 were there already, 0 refused again\n"
    );
    assert_eq!(letters(&place), 0);
    assert_eq!(elastic.messages("web"), [lines("bad", 0..20), lines("odd", 0..7)].concat());
}

#[test]
fn replay_of_some_leaves_the_others() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let place = refused(
        &elastic,
        &server,
        &["bad", "odd"],
        &[lines("bad", 0..5), lines("odd", 0..5)].concat(),
    );
    elastic.set(|model| model.refused.clear());
    assert_eq!(told_json(&place, &["replay", "--reason", "parse odd"])["stored"], 5);
    assert_eq!((letters(&place), elastic.messages("web")), (5, lines("odd", 0..5)));
}

#[test]
fn replay_goes_on_while_the_service_adds_letters() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let place = place(&server, "  dead_letter.max_size: 1MiB\n");
    elastic.set(|model| model.refused = vec!["bad"]);
    let running = place.start(&[]);
    let mut written = 0;
    let mut log = std::fs::File::create(place.log("a.log")).unwrap();
    for _ in 0..15 {
        std::io::Write::write_all(&mut log, text(&lines("bad", written..written + 200)).as_bytes())
            .unwrap();
        written += 200;
        elastic.set(|model| model.refused.clear());
        let output = dlq(&place, &["replay"]);
        assert!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
        elastic.set(|model| model.refused = vec!["bad"]);
    }
    let (code, told) = running.stop();
    assert_eq!(code, 0, "{told}");
    elastic.set(|model| model.refused.clear());
    assert_eq!(place.run(&["--once"]).0, 0);
    self::told(&place, &["replay"]);
    assert_eq!((letters(&place), elastic.messages("web")), (0, lines("bad", 0..written)));
}

#[test]
fn replay_that_is_killed_loses_nothing_and_repeats_nothing() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let place = refused(&elastic, &server, &["bad"], &lines("bad", 0..3000));
    elastic.set(|model| (model.refused, model.answers) = (Vec::new(), Some(3)));
    let mut replay = command(&place, &["replay"]).spawn().unwrap();
    wait_until("three requests are stored", || elastic.messages("web").len() == 1500);
    replay.kill().unwrap();
    replay.wait().unwrap();
    assert_eq!(letters(&place), 3000);
    elastic.set(|model| model.answers = None);
    let told = told_json(&place, &["replay"]);
    assert_eq!((&told["stored"], &told["already_stored"]), (&json!(1500), &json!(1500)));
    assert_eq!((letters(&place), elastic.messages("web")), (0, lines("bad", 0..3000)));
}

#[test]
fn two_replays_at_once_are_refused_with_what_to_do() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let place = refused(&elastic, &server, &["bad"], &lines("bad", 0..3));
    elastic.set(|model| (model.refused, model.answers) = (Vec::new(), Some(0)));
    let mut first = command(&place, &["replay"]).spawn().unwrap();
    server.wait_for_bulks(2);
    let second = dlq(&place, &["replay"]);
    first.kill().unwrap();
    first.wait().unwrap();
    let text = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text.contains("another `shipper dlq` is at work in") && text.contains("\nhint: wait"),
        "{text}"
    );
}

#[test]
fn replay_that_the_server_forbids_says_why_and_keeps_all() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let place = refused(&elastic, &server, &["bad"], &lines("bad", 0..3));
    for (status, reason) in [(401, "no such key"), (503, "503: ")] {
        elastic.set(|model| model.status = Some(status));
        let output = dlq(&place, &["replay"]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text.contains("error: not all was sent again, the rest stays where it is: "),
            "{text}"
        );
        assert!(text.contains(reason) && text.contains("\nhint: "), "{text}");
        assert_eq!(letters(&place), 3);
    }
}

#[test]
fn damaged_lines_are_told_and_set_aside() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let place = refused(&elastic, &server, &["bad"], &lines("bad", 0..5));
    let text = std::fs::read_to_string(segment(&place)).unwrap();
    let mut all: Vec<String> = text.lines().map(str::to_owned).collect();
    all[1] = all[1].replace("bad 0001", "bad 9991");
    all.insert(3, "{}".to_owned());
    let damaged = format!("{}\n{}\n", all[1], all[3]);
    std::fs::write(segment(&place), self::text(&all)).unwrap();
    let list = told_json(&place, &["list"]);
    assert_eq!((&list["letters"], &list["damaged_lines"]), (&json!(4), &json!(2)));
    elastic.set(|model| model.refused.clear());
    let output = dlq(&place, &["replay"]);
    let told = String::from_utf8(output.stderr).unwrap();
    let aside = segment(&place).with_extension("damaged");
    let expected = format!("warning: 2 damaged line(s), {} bytes, set aside in `", damaged.len());
    assert!(output.status.success() && told.starts_with(&expected), "{told}");
    assert_eq!(std::fs::read_to_string(aside).unwrap(), damaged);
    assert_eq!(told_json(&place, &["list"])["damaged_lines"], 0);
    let expected = [lines("bad", 0..1), lines("bad", 2..5)].concat();
    assert_eq!(elastic.messages("web"), expected);
}

#[test]
fn purge_needs_a_yes_and_removes_what_is_meant() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let place = refused(
        &elastic,
        &server,
        &["bad", "odd"],
        &[lines("bad", 0..5), lines("odd", 0..4)].concat(),
    );
    let output = dlq(&place, &["purge", "--all"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), letters(&place)), (Some(1), 9));
    assert!(text.contains("9 dead letters in `") && text.contains("hint: add --yes"), "{text}");
    let output = dlq(&place, &["purge", "--yes"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), letters(&place)), (Some(2), 9));
    let choice = "  <--older-than <TIME>|--reason <TEXT>|--since <TIME>|--id <ID>|--all>\n";
    assert!(text.contains(choice), "what may be said is told, not only the most dangerous: {text}");
    assert_eq!(told(&place, &["purge", "--older-than", "1h", "--yes"]), "0 removed, 9 kept\n");
    assert_eq!(told(&place, &["purge", "--reason", "parse odd", "--yes"]), "4 removed, 5 kept\n");
    assert_eq!(told(&place, &["purge", "--older-than", "0s", "--yes"]), "5 removed, 0 kept\n");
    assert_eq!((letters(&place), segment(&place).exists()), (0, false));
    assert_eq!(told(&place, &["purge", "--all"]), "0 removed, 0 kept\n");
}

#[test]
fn status_says_what_is_kept_also_when_none_runs() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let place = refused(&elastic, &server, &["bad"], &lines("bad", 0..2));
    let bytes = std::fs::metadata(segment(&place)).unwrap().len();
    let (_, out, _) = place.shipper(&["status"]);
    let expected = format!("dead letters {bytes} bytes on disk: see `shipper dlq list`\n");
    assert!(out.ends_with(&expected), "{out}");
    let running = place.start(&[]);
    wait_until("it answers", || place.shipper(&["status", "--check"]).0 != 2);
    let (_, out, _) = place.shipper(&["status"]);
    let expected =
        format!("dead letters 0 since the start, {bytes} bytes on disk: see `shipper dlq list`\n");
    assert!(out.contains(&expected), "{out}");
    assert_eq!(running.stop().0, 0);
    assert_eq!(told(&place, &["purge", "--all", "--yes"]), "2 removed, 0 kept\n");
    let (_, out, _) = place.shipper(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(status["dead_letter_bytes"], 0);
}

#[test]
fn dead_letters_are_not_counted_as_delivered() {
    let elastic = Elastic::default();
    elastic.set(|model| model.refused = vec!["bad"]);
    let server = elastic.serve();
    let place = place(&server, "");
    std::fs::write(place.log("a.log"), text(&lines("bad", 0..20))).unwrap();
    let running = place.start(&[]);
    let status = || {
        let (_, out, _) = place.shipper(&["status", "--json"]);
        serde_json::from_str::<Value>(&out).unwrap_or_default()
    };
    wait_until("all are refused", || status()["dead_letters"] == json!(20));
    assert_eq!(status()["events_per_second"], json!(0.0));
    assert_eq!(running.stop().0, 0);
}

#[test]
fn no_letters_are_no_error() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let place = place(&server, "");
    assert!(told(&place, &["list"]).starts_with("no dead letters in `"));
    assert!(told(&place, &["show"]).starts_with("no such dead letters in `"));
    assert_eq!(told(&place, &["replay"]), "0 stored, 0 were there already, 0 refused again\n");
    assert_eq!(told(&place, &["purge", "--all"]), "0 removed, 0 kept\n");
    assert!(!place.path().join("data").exists());
}

#[test]
fn full_spool_pauses_and_replay_makes_room() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let place = place(&server, "  dead_letter: {path: letters, max_size: 64KiB}\n");
    elastic.set(|model| model.refused = vec!["bad"]);
    std::fs::write(place.log("a.log"), text(&lines("bad", 0..50))).unwrap();
    let running = place.start(&[]);
    wait_until("the first are kept", || letters(&place) == 50);
    let mut log = std::fs::File::options().append(true).open(place.log("a.log")).unwrap();
    std::io::Write::write_all(&mut log, text(&lines("bad", 50..150)).as_bytes()).unwrap();
    wait_until("it says that the spool is full", || running.told().contains("it is full: it has"));
    assert_eq!(letters(&place), 50);
    elastic.set(|model| model.refused.clear());
    let _ = told(&place, &["replay"]);
    wait_until("the rest is delivered", || elastic.messages("web").len() == 150);
    assert_eq!(running.stop().0, 0);
    assert_eq!(elastic.messages("web"), lines("bad", 0..150));
}

#[test]
fn dropping_has_to_be_asked_for_and_counts_as_lost() {
    let elastic = Elastic::default();
    let server = elastic.serve();
    let place = place(&server, "  non_indexable_policy.drop: ~\n");
    elastic.set(|model| model.refused = vec!["bad"]);
    std::fs::write(place.log("a.log"), text(&[lines("bad", 0..3), lines("good", 0..2)].concat()))
        .unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("documents that the server refuses for ever are lost"), "{told}");
    assert!(told.contains("they are dropped, as the configuration says"), "{told}");
    assert_eq!((letters(&place), elastic.messages("web")), (0, lines("good", 0..2)));
    let audit = ["registry", "audit", "--json", "-c", "shipper.yml", "--path.data", "data"];
    let audit: Value = serde_json::from_str(&place.command(&audit)).unwrap();
    assert_eq!(
        (&audit["sum"]["lost"], &audit["sum"]["missing"]),
        (&json!(27), &json!(0)),
        "{audit}"
    );
}
