//! The formats that are tried.

use crate::parsers::compiled::{nicknamed, nicknames};
use crate::parsers::known::{KNOWN, Known, known};
use crate::settings::reading::{EncodingSettings, LineParser, MultilineRule, MultilineSettings};
use crate::settings::{Escape, Format, InputSettings, ServerFormat, WebServer};
use serde_json::Value;
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
    pub(super) format: String,
    /// Whether an event may have several lines.
    pub(super) joins: bool,
    /// Tells of a document whether its line can be of this format alone, where the format takes those of others as well.
    pub(super) proof: Option<fn(&Value) -> bool>,
}

/// Formats of which others say the same more exactly, with what a path says of one that is the server's own.
const GENERAL: [(&str, &str); 3] =
    [("nginx_json", "nginx"), ("apache_json", "apache"), ("json_access", "")];

/// Nicknames of Apache's formats that others here read, or that say so little that they read anything.
const NOT_TRIED: [&str; 5] = ["common", "combined", "vhost_combined", "referer", "agent"];

/// What nginx.org's own packages, and others, configure as `main`.
const MAIN: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for""#;

/// The name that is told of nginx's lines with host and port in front, and their format.
const NGINX_VHOST: &str = "nginx_vhost";
const NGINX_VHOST_FORMAT: &str = r#"$host:$server_port $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;

/// Apache's combined lines with a list of clients behind the one that asked.
const FORWARDED: &str =
    r#"%h %{X-Forwarded-For}i %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#;

/// Returns the formats to try, of lines in an encoding; of those from whose lines as much is known, the first is meant.
pub(super) fn candidates(path: &Path, encoding: &EncodingSettings) -> Vec<Candidate> {
    let path = path.to_string_lossy();
    let is_nginx = path.contains("nginx");
    let of_known =
        |known: &Known| Candidate::new(known.name, known.about, Format::Known(known.name));
    let general = GENERAL.iter().filter(|(_, word)| path.contains(word)).map(|(name, _)| *name);
    let is_general = |name: &str| GENERAL.iter().any(|(general, _)| *general == name);
    let nginx = |name, about, text: &str| {
        let written = format!("\n      nginx: '{text}'");
        Candidate::compiled(name, about, WebServer::Nginx, text, &written)
    };
    let mut all = if is_nginx {
        let about = "access lines of nginx with host and port in front";
        vec![nginx(NGINX_VHOST, about, NGINX_VHOST_FORMAT)]
    } else {
        Vec::new()
    };
    all.extend(access_lines(is_nginx));
    all.extend(of_apache());
    all.push(nginx("main", "access lines of nginx, as its packages configure them", MAIN));
    all.extend(known(INGRESS).map(of_known));
    all.push(if is_nginx {
        Candidate::new("auto", "access lines of several kinds", Format::Auto)
    } else {
        Candidate::new("apache", "access lines of Apache, of several kinds", Format::Apache)
    });
    all.extend(
        KNOWN.iter().filter(|known| !is_general(known.name) && known.name != INGRESS).map(of_known),
    );
    all.extend(general.filter_map(known).map(of_known));
    for candidate in &mut all {
        candidate.input.reading.encoding = encoding.clone();
    }
    all
}

/// Its lines begin as those of other formats do, so that it comes before them.
const INGRESS: &str = "nginx_ingress";

/// The formats of access lines that have names.
fn access_lines(is_nginx: bool) -> [Candidate; 3] {
    let (vhost, combined) = if is_nginx {
        (
            "access lines with the host in front, as Apache's",
            Candidate::new("nginx", "access lines of nginx (combined)", Format::Nginx),
        )
    } else {
        (
            "access lines of Apache with the host in front; of nginx, say `{nginx: '$host:$server_port $remote_addr …'}`",
            Candidate::new(
                "combined",
                "access lines of Apache (combined); of nginx, say `nginx`",
                Format::Combined,
            ),
        )
    };
    [
        Candidate::new("vhost_combined", vhost, Format::VhostCombined),
        combined,
        Candidate::new("common", "access lines of Apache (common)", Format::Common),
    ]
}

/// Apache's other formats.
fn of_apache() -> impl Iterator<Item = Candidate> {
    let about = "access lines of Apache, as its own or Debian's configuration names them";
    let of = |name, about, text, written: &str| {
        Candidate::compiled(name, about, WebServer::Apache, text, written)
    };
    let named = nicknames().filter(|name| !NOT_TRIED.contains(name));
    let named = named.filter_map(move |name| {
        Some(of(name, about, nicknamed(name)?, &format!("{{apache: {name}}}")))
    });
    let about = "access lines of Apache (combined), with `X-Forwarded-For` behind the client";
    let written = format!("\n      apache: '{FORWARDED}'");
    named.chain([of("forwarded", about, FORWARDED, &written)])
}

/// Tells whether a document says more of Traefik than what stands in all access lines.
fn is_of_traefik(document: &Value) -> bool {
    let members = document.pointer("/traefik/access").and_then(Value::as_object);
    members.is_some_and(|members| members.keys().any(|name| name != "user_identifier"))
}

/// Tells whether a document has a host that was asked, rather than one who asked: a name, or an address with a port.
fn has_host(document: &Value) -> bool {
    let destination = &document["destination"];
    destination.get("domain").is_some()
        && (destination.get("port").is_some() || destination.get("ip").is_none())
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
            proof: match name {
                // It reads what begins like its lines as well, as all access lines do.
                "traefik" => Some(is_of_traefik),
                "vhost_combined" | "vhost_common" | NGINX_VHOST => Some(has_host),
                "forwarded" => Some(|document| document.pointer("/source/ip").is_some()),
                _ => None,
            },
        }
    }
}
