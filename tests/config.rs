//! The configuration, from text to settings and to what is said when it is wrong.

use std::path::PathBuf;

use shipper::config::keys::class_of;
use shipper::config::problems::Problems;
use shipper::config::{Loaded, Sources, load};
use shipper::settings::{Format, Namespace, OutputSettings};

fn load_text(text: &str) -> Result<Loaded, Problems> {
    let files = vec![(PathBuf::from("shipper.yml"), text.to_owned())];
    load(&Sources { files, overrides: Vec::new() }, &|_| None)
}

#[test]
fn a_filebeat_yml_with_a_log_input_is_taken_as_it_stands() {
    let loaded = load_text(include_str!("../fixtures/config/issue_log.yml")).expect("valid");
    assert_eq!(loaded.unneeded, Vec::<String>::new());
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let [input] = loaded.settings.inputs.as_slice() else { panic!("one input") };
    assert_eq!(input.kind, "log");
    assert_eq!(input.id, None);
    assert_eq!(input.namespace, Namespace::Filebeat);
    assert_eq!(input.paths, ["/var/log/apache2/access.log"]);
    assert_eq!(input.format, Format::Auto);
    let OutputSettings::Elasticsearch(output) = &loaded.settings.output else { panic!() };
    assert_eq!(output.hosts, ["http://localhost:9200"]);
}

#[test]
fn a_filebeat_yml_with_a_filestream_input_is_taken_as_it_stands() {
    let text = include_str!("../fixtures/config/issue_filestream.yml");
    let loaded = load_text(text).expect("valid");
    let [input] = loaded.settings.inputs.as_slice() else { panic!("one input") };
    assert_eq!(input.kind, "filestream");
    assert_eq!(input.id.as_deref(), Some("apache"));
}

/// Reads the indented list of Filebeat's keys.
fn filebeat_keys() -> Vec<String> {
    let mut above: Vec<&str> = Vec::new();
    let mut keys = Vec::new();
    for line in include_str!("../fixtures/config/filebeat_keys.txt").lines() {
        if line.starts_with('#') {
            continue;
        }
        let name = line.trim_start();
        above.truncate((line.len() - name.len()) / 2);
        above.push(name);
        keys.push(above.join("."));
    }
    keys
}

#[test]
fn every_key_of_filebeat_is_classified() {
    let keys = filebeat_keys();
    assert!(500 < keys.len(), "{}", keys.len());
    let unknown: Vec<&String> = keys.iter().filter(|key| class_of(key).is_none()).collect();
    assert_eq!(unknown, Vec::<&String>::new());
}

#[test]
fn the_example_loads_with_and_without_what_is_commented_out() {
    let example = include_str!("../shipper.yml.example");
    load_text(example).expect("the example is valid");
    // A default is written as `#key: value`, a sentence as `# Text`; alternatives are left out.
    let alternatives = ["api_key", "output.console", "  enabled: true"];
    let regex_lines = ["format:", "  regex:", "  pattern", "  rename"];
    let mut all = String::new();
    for line in example.lines() {
        let content = line.trim_start();
        let is_default = content.starts_with('#')
            && content[1..].trim_start_matches(' ').contains(':')
            && (!content.starts_with("# ") && !content.starts_with("#-"));
        let uncommented = line.replacen('#', "", 1);
        let key = uncommented.trim_start();
        let skipped = alternatives.iter().any(|a| key.starts_with(a.trim_start()))
            || regex_lines.iter().any(|a| key.starts_with(a.trim_start()) && key != "format: auto");
        all.push_str(if is_default && !skipped { &uncommented } else { line });
        all.push('\n');
    }
    let environment = |name: &str| (name == "ELASTICSEARCH_PASSWORD").then(|| "p".to_owned());
    let files = vec![(PathBuf::from("shipper.yml"), all)];
    let loaded = load(&Sources { files, overrides: Vec::new() }, &environment)
        .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.unneeded, Vec::<String>::new());
}
