//! Fields that the path of a file gives.

use crate::rig::{input, read_item, run, shared};
use serde_json::{Value, json};
use shipper::batch::BatchLimits;
use shipper::pipeline::Pipeline;
use shipper::settings::{FieldsSettings, Format, InputSettings, RegexFormat};
use std::path::Path;

const LINES: &[u8] =
    b"192.0.2.1 - bob [21/Nov/2026:04:00:00 +0000] \"GET /a?b HTTP/1.1\" 200 5 \"-\" \"curl/8\"\n\
    something else\n";
const PATH: &str = "/srv/ac\"me/logs/www.example.org-access.log";

fn documents(input: &InputSettings) -> Vec<Value> {
    let mut pipeline = Pipeline::new(input, &shared()).expect("a pipeline");
    let (batches, _) = run(&mut pipeline, PATH, LINES, BatchLimits::default());
    let items = batches.iter().flat_map(|batch| (0..batch.items()).map(|index| batch.item(index)));
    items.map(|item| read_item(item).1).collect()
}

fn with(input: &InputSettings, path_fields: &[&str]) -> InputSettings {
    let mut input = input.clone();
    input.files.path_fields = path_fields.iter().map(|text| (*text).to_owned()).collect();
    input
}

/// Sets a value at a dotted name.
fn set(document: &mut Value, name: &str, value: Value) {
    let mut at = document;
    for part in name.split('.') {
        at = &mut at.as_object_mut().expect("an object")[part];
    }
    *at = value;
}

fn merged(mut document: Value, fields: &[(&str, &str)]) -> Value {
    for (name, value) in fields {
        let mut made = json!({});
        let mut at = &mut made;
        for part in name.split('.') {
            at = at.as_object_mut().expect("an object").entry(part).or_insert(json!({}));
        }
        merge(&mut document, made);
        set(&mut document, name, json!(value));
    }
    document
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        for (key, value) in from {
            merge(into.entry(key).or_insert(json!({})), value);
        }
    }
}

#[test]
fn every_document_has_what_its_path_says_wherever_that_lies() {
    let regex = RegexFormat { pattern: "^(?<word>\\S+)".to_owned(), rename: Vec::new() };
    let fields =
        FieldsSettings { json_object: r#"{"site":{"id":7}}"#.to_owned(), under_root: true };
    let tenant = ("tenant", "ac\"me");
    let vhost = |name: &'static str| (name, "www.example.org");
    for format in [Format::Raw, Format::Auto, Format::Regex(regex)] {
        for fields in [None, Some(fields.clone())] {
            let input = InputSettings { fields, ..input(format.clone()) };
            let plain = documents(&input);
            for name in [
                "vhost",
                "a.b.c",
                "site.name",
                "url.domain",
                "host.name",
                "log.syslog.hostname",
                "word.x",
                "user_agent.name",
            ] {
                let template = format!("/srv/%{{tenant}}/logs/%{{{name}}}-access.log");
                let found = documents(&with(&input, &["/other/%{nothing}", &template]));
                let name: &'static str = name.to_owned().leak();
                let is_word = name == "word.x" && matches!(format, Format::Regex(_));
                for (found, plain) in found.iter().zip(&plain) {
                    let mut plain = plain.clone();
                    if is_word {
                        // Both cannot be: what the operator says about paths comes first.
                        plain.as_object_mut().expect("an object").remove("word");
                    }
                    assert_eq!(*found, merged(plain, &[tenant, vhost(name)]), "{name} {format:?}");
                }
            }
        }
    }
}

#[test]
fn path_that_says_nothing_changes_nothing() {
    for name in ["vhost", "url.domain"] {
        let input = input(Format::Auto);
        let template = format!("/var/%{{{name}}}.log");
        assert_eq!(documents(&with(&input, &[&template])), documents(&input));
    }
}

#[test]
fn owner_of_a_file_is_told_beside_its_path() {
    for path_fields in [&[][..], &["/srv/%{log.x}/logs/%{}-access.log"]] {
        let input = with(&input(Format::Auto), path_fields);
        let mut pipeline = Pipeline::new(&input, &shared()).expect("a pipeline");
        let mut source = pipeline.source(Path::new(PATH), crate::rig::epoch());
        source.add_file_member("owner", "www\"data");
        source.add_file_member("group", "adm");
        let mut batch = crate::rig::batch(BatchLimits::default());
        let _ =
            pipeline.run_chunk(&source, crate::rig::chunk(LINES, 0), crate::rig::NOW, &mut batch);
        let batch = batch.seal();
        for index in 0..batch.items() {
            let (_, document) = read_item(batch.item(index));
            let expected = json!({"path": PATH, "owner": "www\"data", "group": "adm"});
            assert_eq!(document["log"]["file"], expected);
        }
        assert_eq!(batch.items(), 2);
    }
}
