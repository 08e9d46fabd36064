//! The configuration, from text to settings and to what is said when it is wrong.

use std::path::PathBuf;

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
