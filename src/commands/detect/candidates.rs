//! The formats that are tried, and the configuration for each.

use crate::config::modules::INGRESS;
use crate::parsers::compiled::{nicknamed, nicknames};
use crate::parsers::known::{KNOWN, Known, known};
use crate::settings::reading::{LineParser, MultilineRule, MultilineSettings};
use crate::settings::{Escape, Format, InputSettings, ServerFormat, WebServer};
use std::path::Path;

/// A format that is tried.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Its name, as it is told.
    pub(super) name: String,
    /// Which lines it reads, in a few words.
    pub(super) about: String,
    /// The input that reads them.
    pub(super) input: InputSettings,
    /// What stands behind `format:`.
    format: String,
    /// Whether an event may have several lines.
    pub(super) joins: bool,
    /// A member that documents have only of lines that no other format has, where others recognise the rest as well.
    pub(super) needs: Option<&'static str>,
}

/// Formats of which others say the same more exactly, with what a path says of one that is the server's own.
const GENERAL: [(&str, &str); 3] =
    [("nginx_json", "nginx"), ("apache_json", "apache"), ("json_access", "")];

/// Nicknames of Apache's formats that others here read, or that say so little that they read anything.
const NOT_TRIED: [&str; 5] = ["common", "combined", "vhost_combined", "referer", "agent"];

/// What nginx.org's own packages, and others, configure as `main`.
const MAIN: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for""#;

/// Returns the formats to try; of those from whose lines as much is known, the first is meant.
pub(super) fn candidates(path: &Path) -> Vec<Candidate> {
    let path = path.to_string_lossy();
    let is_nginx = path.contains("nginx");
    let of_known =
        |known: &Known| Candidate::new(known.name, known.about, Format::Known(known.name));
    let general = GENERAL.iter().filter(|(_, word)| path.contains(word)).map(|(name, _)| *name);
    let is_general = |name: &str| GENERAL.iter().any(|(general, _)| *general == name);
    let combined = if is_nginx {
        Candidate::new("nginx", "access lines of nginx (combined)", Format::Nginx)
    } else {
        Candidate::new(
            "combined",
            "access lines of Apache (combined); of nginx, say `nginx`",
            Format::Combined,
        )
    };
    let any = if is_nginx {
        Candidate::new("auto", "access lines of several kinds", Format::Auto)
    } else {
        Candidate::new("apache", "access lines of Apache, of several kinds", Format::Apache)
    };
    let mut all = vec![Candidate::new(
        "vhost_combined",
        "access lines of Apache with the host in front",
        Format::VhostCombined,
    )];
    all.push(combined);
    all.push(Candidate::new("common", "access lines of Apache (common)", Format::Common));
    let of_apache = nicknames().filter(|name| !NOT_TRIED.contains(name));
    all.extend(of_apache.filter_map(|name| {
        let about = "access lines of Apache, as its own or Debian's configuration names them";
        let text = nicknamed(name)?;
        Some(Candidate::compiled(
            name,
            about,
            WebServer::Apache,
            text,
            &format!("{{apache: {name}}}"),
        ))
    }));
    for (name, about, text) in [
        ("main", "access lines of nginx, as its packages configure them", MAIN),
        ("ingress", "access lines of the ingress controller of Kubernetes", INGRESS),
    ] {
        let written = format!("\n      nginx: '{text}'");
        all.push(Candidate::compiled(name, about, WebServer::Nginx, text, &written));
    }
    all.push(any);
    all.extend(KNOWN.iter().filter(|known| !is_general(known.name)).map(of_known));
    all.extend(general.filter_map(known).map(of_known));
    all
}

impl Candidate {
    fn compiled(name: &str, about: &str, server: WebServer, text: &str, written: &str) -> Self {
        let compiled = ServerFormat { server, text: text.to_owned(), escape: Escape::Default };
        let candidate = Self::new(name, about, Format::Compiled(compiled));
        Self { format: written.to_owned(), ..candidate }
    }

    fn new(name: &str, about: &str, format: Format) -> Self {
        let begins = known(name).and_then(|known| known.begins);
        let mut input = InputSettings { format, ..InputSettings::default() };
        if let Some(pattern) = begins {
            let rule = MultilineRule::Pattern {
                pattern: pattern.to_owned(),
                negate: true,
                before: false,
                flush_pattern: None,
            };
            input.reading.parsers = vec![LineParser::Multiline(MultilineSettings::new(rule))];
        }
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            input,
            format: name.to_owned(),
            joins: begins.is_some(),
            // It reads what begins like its lines as well, as all access lines do.
            needs: (name == "traefik").then_some("traefik"),
        }
    }
}

/// Returns the configuration of an input for a file.
pub(super) fn stanza(candidate: &Candidate, path: &Path) -> String {
    let id = path.file_stem().map(|name| name.to_string_lossy()).unwrap_or_default();
    let id: String = id
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
        .collect();
    format!(
        "filebeat.inputs:\n  - type: filestream\n    id: {id}\n    paths: [{}]\n    format:{}{}\n",
        quoted(&as_pattern(&path.to_string_lossy())),
        if candidate.format.starts_with('\n') { "" } else { " " },
        candidate.format,
    )
}

/// Returns the pattern that matches a path and nothing else.
fn as_pattern(path: &str) -> String {
    let is_special = |letter: char| matches!(letter, '*' | '?' | '[');
    let one = |letter| if is_special(letter) { format!("[{letter}]") } else { letter.to_string() };
    path.chars().map(one).collect()
}

/// Returns a text as YAML reads it, in a list between brackets.
fn quoted(text: &str) -> String {
    let is_plain =
        |letter: char| letter.is_alphanumeric() || matches!(letter, '/' | '.' | '-' | '_');
    // As `$${` is `${`, so that no path is taken for a reference.
    let text = text.replace("${", "$${");
    if text.chars().all(is_plain) { text } else { serde_json::Value::from(text).to_string() }
}
