//! The configuration, from text to settings and to what is said when it is wrong.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    reason = "a test may fail, and has real files"
)]

#[path = "config/compiled.rs"]
mod compiled;
#[path = "config/files.rs"]
mod files;
#[path = "config/listeners.rs"]
mod listeners;
#[path = "config/modules.rs"]
mod modules;
#[path = "config/options.rs"]
mod options;
#[path = "config/own.rs"]
mod own;
#[path = "config/reading.rs"]
mod reading;
#[path = "config/secured.rs"]
mod secured;
#[path = "config/text.rs"]
mod text;
#[path = "config/values.rs"]
mod values;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use shipper::config::files::{Strictness, read};
use shipper::config::keys::{Class, LISTENERS, all, class_of, of_listener};
use shipper::config::options::numbered;
use shipper::config::problems::Problems;
use shipper::config::typed::reading::PARSERS;
use shipper::config::{Loaded, Sources, load, load_files};
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

/// What the package of Filebeat installs, with an input switched on and without processors.
#[test]
fn a_filebeat_yml_as_it_is_installed_is_taken() {
    let text = "
filebeat.inputs:
- type: filestream
  id: my-filestream-id
  enabled: true
  paths:
    - /var/log/*.log
  #exclude_lines: ['^DBG']
  prospector.scanner.exclude_files: ['.gz$']
filebeat.config.modules:
  path: ${path.config}/modules.d/*.yml
  reload.enabled: false
setup.template.settings:
  index.number_of_shards: 1
setup.kibana:
  #host: \"localhost:5601\"
output.elasticsearch:
  hosts: [\"localhost:9200\"]
  preset: balanced
  #username: \"elastic\"
#processors:
";
    let loaded = load_text(text).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.unneeded, Vec::<String>::new());
    assert_eq!(loaded.reload, None);
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn a_filebeat_yml_with_keys_that_only_tune_is_taken_and_names_them() {
    let loaded = load_text(include_str!("../fixtures/config/stock.yml"))
        .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.unneeded, ["queue.mem.events", "max_procs", "monitoring"]);
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let ids: Vec<_> = loaded.settings.inputs.iter().map(|input| input.id.as_deref()).collect();
    assert_eq!(ids, [Some("my-filestream-id")]);
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
    assert_eq!(loaded.settings.name.as_deref(), Some("web-1"));
    assert_eq!(loaded.settings.inputs[0].tags, ["web"]);
}

/// The stanzas of inputs that are sent to stand there as text; each is one that can be started with.
#[test]
fn the_listeners_of_the_example_load() {
    let example = include_str!("../shipper.yml.example");
    let stanzas = example.split("# - type: ").skip(1);
    let mut kinds = Vec::new();
    for stanza in stanzas {
        let lines = stanza.lines().take_while(|line| !line.starts_with("# ---"));
        let lines: Vec<&str> = lines.map(|line| line.trim_start_matches('#')).collect();
        let text = format!("output.console: {{}}\ninputs:\n - type: {}\n", lines.join("\n"));
        let loaded = load_text(&text).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(loaded.unneeded, Vec::<String>::new());
        let [listener] = &loaded.settings.listeners[..] else { panic!("one listener: {text}") };
        assert_eq!(listener.tls.is_some(), listener.input.kind == "tcp");
        kinds.push(listener.input.kind.clone());
    }
    assert_eq!(kinds, ["syslog", "tcp", "unix", "stdin"]);
}

#[test]
fn the_example_names_every_option() {
    let example = include_str!("../shipper.yml.example");
    let mut options: Vec<String> = all()
        .filter(|(_, class)| *class == Class::Supported)
        .map(|(key, _)| key)
        .chain(LISTENERS.iter().flat_map(|kind| of_listener(kind)))
        .collect();
    options.extend(PARSERS.iter().flat_map(|(_, keys)| keys.iter().map(|key| (*key).to_owned())));
    // What is named with its older spelling.
    options.retain(|option| !option.contains("restart_on_cert_change"));
    let is_named = |option: &String| {
        let last = option.rsplit('.').next().expect("a name");
        let mut words = example.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        words.any(|word| word == last)
    };
    let missing: Vec<_> = options.iter().filter(|option| !is_named(option)).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

/// Compares what is said of every file in `fixtures/config/wrong` with the `.txt` beside it.
#[test]
fn what_is_wrong_is_shown_with_its_line_and_a_hint() {
    let directory = std::path::Path::new("fixtures/config/wrong");
    let mut seen = 0;
    for entry in std::fs::read_dir(directory).expect("the fixtures are there") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        seen += 1;
        let name = PathBuf::from(path.file_name().expect("a file"));
        let text = std::fs::read_to_string(&path).expect("readable");
        let sources = Sources { files: vec![(name, text)], overrides: Vec::new() };
        let shown = load(&sources, &|_| None).expect_err("it is wrong").to_string();
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &shown).expect("writable");
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(shown, expected, "{}", path.display());
        assert!(!shown.contains("geheim"), "{shown}");
    }
    assert!(12 < seen, "{seen}");
}

fn file_error(path: &std::path::Path, strictness: Strictness) -> (String, String) {
    match read(path, strictness) {
        Ok(text) => (text, String::new()),
        Err(error) => (error.to_string(), error.hint()),
    }
}

#[test]
fn files_that_others_may_change_are_refused_unless_that_is_allowed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("shipper.yml");
    std::fs::write(&path, "name: a\n").expect("writable");
    let shown = path.display().to_string();
    for (mode, text, hint) in [
        (0o600, "name: a\n".to_owned(), String::new()),
        (0o644, "name: a\n".to_owned(), String::new()),
        (
            0o664,
            format!("the configuration file `{shown}` can be written by others (mode 0664)"),
            format!("chmod go-w {shown}, or start with --strict.perms=false"),
        ),
        (
            0o602,
            format!("the configuration file `{shown}` can be written by others (mode 0602)"),
            format!("chmod go-w {shown}, or start with --strict.perms=false"),
        ),
    ] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("ours");
        assert_eq!(file_error(&path, Strictness::Strict), (text, hint));
        assert_eq!(file_error(&path, Strictness::Lax).0, "name: a\n");
    }
}

#[test]
fn files_that_are_no_configuration_are_told_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("shipper.yml");
    let shown = path.display().to_string();
    assert_eq!(
        file_error(&path, Strictness::Strict),
        (
            format!("there is no configuration file `{shown}`"),
            format!("name the file with `-c`, or write `{shown}`: shipper.yml.example shows how")
        )
    );
    let hint = "save the file as UTF-8; from Latin-1, `iconv -f latin1 -t utf-8` makes it so";
    for (bytes, place, line) in [
        (&b"name: a\nx: caf\xe9 \xff\n"[..], "2:7", "  2 | x: caf\u{fffd} \u{fffd}\n    |       ^"),
        (
            b"name: a\npassword: a\xffgeheim\n",
            "2:12",
            "  2 | password: xxxxx\n    |           ^^^^^",
        ),
    ] {
        std::fs::write(&path, bytes).expect("writable");
        let told = file_error(&path, Strictness::Lax).0;
        let expected = format!("{shown}:{place}: this byte is not UTF-8\n{line}\n  hint: {hint}\n");
        assert_eq!(told, expected);
    }
    for (bytes, reason) in [
        (&b"\xff\xfen\0a\0"[..], "it is UTF-16: save it as UTF-8"),
        (&b"\x7fELF\x02\0\0"[..], "it holds NUL bytes, as no text does"),
    ] {
        std::fs::write(&path, bytes).expect("writable");
        let told = file_error(&path, Strictness::Lax).0;
        assert_eq!(told, format!("`{shown}` is no configuration file: {reason}"));
    }
    assert_eq!(
        file_error(std::path::Path::new("/dev/zero"), Strictness::Lax).0,
        "`/dev/zero` is no configuration file: it has more than the 16777216 bytes that are read"
    );
    assert_eq!(
        file_error(directory.path(), Strictness::Lax).0,
        format!("`{}` is no configuration file: it is a directory", directory.path().display())
    );
}

#[test]
fn files_and_single_values_are_loaded_together() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("shipper.yml");
    std::fs::write(&path, include_str!("../fixtures/config/issue_log.yml")).expect("writable");
    let overrides = numbered(&["name=web".to_owned()]);
    let loaded = load_files(&[path], overrides, Strictness::Lax, &|_| None).expect("valid");
    assert_eq!(loaded.settings.name.as_deref(), Some("web"));
}

#[test]
fn files_of_modules_are_found_below_a_relative_directory_as_well() {
    let here = tempfile::tempdir_in(".").expect("a directory");
    let text = "- module: nginx\n  access:\n";
    std::fs::write(here.path().join("nginx.yml"), text).expect("writable");
    let name = here.path().file_name().and_then(|name| name.to_str()).expect("a name");
    let text = include_str!("../fixtures/config/issue_log.yml");
    for (path, found) in [
        (format!("{name}/*.yml"), 2),
        (format!("./{name}/*.yml"), 2),
        (format!("${{path.config}}/{name}/*.yml"), 2),
        (format!("${{path.config}}/{name}/nginx.yml"), 2),
        (format!("{}/*.yml", here.path().display()), 2),
        (format!("./{name}/*.yaml"), 1),
    ] {
        let loaded = load_text(&format!("{text}\nfilebeat.config.modules.path: {path}\n"));
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(loaded.settings.inputs.len(), found, "{path}");
    }
}
