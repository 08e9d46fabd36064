//! Whatever goes wrong, no secret is in anything that is written or said.

use super::authority::{Authority, Manner, self_signed};
use super::rig::{BANNER, answer};
use super::server::{Reply, Request, Server};
use base64::Engine as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Texts that the configurations hold as secrets; every one has a word of its own.
const SECRETS: [&str; 9] = [
    "pw-geheim-1",
    "key-geheim-2",
    "head-geheim-3",
    "proxy-geheim-4",
    "proxyhead-geheim-5",
    "phrase-geheim-6",
    "url-geheim-7",
    "cloud-geheim-8",
    "token-geheim-9",
];

/// What stands in every configuration, and may turn up in any answer.
const HEADERS: &str = "  headers: {X-Own: head-geheim-3}\n  parameters: {token: token-geheim-9}\n";
const USER: &str = "  username: web\n  password: pw-geheim-1\n";
const API_KEY: &str = "  api_key: \"id:key-geheim-2\"\n";

/// Shows all that it was sent, as some proxies do.
fn echo(status: u16, wrap: impl Fn(&str) -> String) -> impl Fn(&Request) -> Reply {
    move |request| {
        let shown = format!("{:?} {} {}", request.headers, request.path, request.query);
        Reply::json(status, wrap(&shown))
    }
}

fn page(shown: &str) -> String {
    format!("<p>{shown}</p>")
}

fn error_of(shown: &str) -> String {
    let error = serde_json::json!({"error": {"type": "security_exception", "reason": shown}});
    error.to_string()
}

/// Greets, and shows the bulk request.
fn at_bulk(status: u16, wrap: fn(&str) -> String) -> impl Fn(&Request) -> Reply {
    let echo = echo(status, wrap);
    move |request| match request.path.as_str() {
        "/" => Reply::json(200, BANNER),
        path if path.starts_with("/_index_template") => Reply::json(200, ""),
        _ => echo(request),
    }
}

/// Stores nothing: the server's reason shows the document and what was sent with it.
fn refuse_items(request: &Request) -> Reply {
    if !request.is_bulk() {
        return at_bulk(200, page)(request);
    }
    let body = answer(&vec![(400, "mapper_parsing_exception"); request.ids().len()]);
    Reply::json(200, body.replace("because", "as you like it"))
}

/// A place in which the binary runs; all that it says comes back.
pub(super) struct Place(tempfile::TempDir);

impl Place {
    pub(super) fn new(output: &str, top: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let logs = directory.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        std::fs::write(logs.join("access.log"), "one line\n").unwrap();
        let text = format!(
            "filebeat.inputs: [{{type: log, paths: [{}/*.log]}}]\n{top}output.elasticsearch:\n  index: web\n  \
             backoff: {{init: 10ms, max: 20ms}}\n  timeout: 5s\n{output}\
             filebeat.shutdown_timeout: 100ms\npath.data: data\npath.logs: told\n\
             logging: {{level: debug, to_files: true, to_stderr: true, metrics.period: 200ms}}\n",
            logs.display()
        );
        std::fs::write(directory.path().join("shipper.yml"), text).unwrap();
        Self(directory)
    }

    pub(super) fn says(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shipper"));
        command.current_dir(self.0.path()).args(arguments).env("EXTRA", "pw-geheim-1");
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        format!("{arguments:?}\n{}", String::from_utf8_lossy(&text))
    }

    /// Runs every command that has to do with the output; returns what they said and wrote.
    fn all(&self) -> String {
        let mut told = String::new();
        for arguments in [
            &["test", "config"][..],
            &["export", "config"],
            &["test", "output"],
            &["run", "--once", "--deadline", "700ms"],
            &["registry", "list"],
            &["registry", "audit"],
            &["status"],
        ] {
            told.push_str(&self.says(arguments));
        }
        for name in ["data", "told"] {
            read_all(&self.0.path().join(name), &mut told);
        }
        told
    }
}

/// Adds the text of every file below a directory.
fn read_all(path: &Path, told: &mut String) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            read_all(&entry.unwrap().path(), told);
        }
    } else if path.is_file() {
        told.push_str(&format!("{}\n", path.display()));
        told.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
    }
}

/// Asserts that no secret is in a text, as it stands or encoded.
fn holds_none(what: &str, told: &str) {
    let base64 = base64::prelude::BASE64_STANDARD;
    for secret in SECRETS {
        for user in ["", "web:", "id:", "u:"] {
            let code = base64.encode(format!("{user}{secret}"));
            let code = code.trim_end_matches('=');
            assert!(!told.contains(code), "{what}: {user}{secret} in base64\n{told}");
        }
        assert!(!told.contains(secret), "{what}: {secret}\n{told}");
    }
}

#[test]
fn no_answer_of_a_server_or_a_proxy_brings_a_secret_out() {
    type Handler = Box<dyn Fn(&Request) -> Reply + Send + Sync>;
    let answers: Vec<(&str, Handler)> = vec![
        ("401 page", Box::new(echo(401, page))),
        ("401 error", Box::new(echo(401, error_of))),
        ("200 page", Box::new(echo(200, page))),
        ("302", Box::new(echo(302, page))),
        ("500", Box::new(echo(500, page))),
        ("bulk 200 page", Box::new(at_bulk(200, page))),
        ("bulk 200 other JSON", Box::new(at_bulk(200, error_of))),
        ("bulk 400 error", Box::new(at_bulk(400, error_of))),
        ("bulk 403 error", Box::new(at_bulk(403, error_of))),
        ("bulk 413", Box::new(at_bulk(413, page))),
        ("bulk 429", Box::new(at_bulk(429, page))),
        ("bulk 503", Box::new(at_bulk(503, error_of))),
        ("dead letters", Box::new(refuse_items)),
        ("closed", Box::new(|_: &Request| Reply::Close)),
    ];
    let mut errors = 0;
    for (what, handler) in answers {
        let server = Server::start(handler);
        let url = server.url();
        let by_url = format!("  hosts: [\"{}\"]\n", url.replace("//", "//u:url-geheim-7@"));
        let proxy = url.replace("//", "//u:proxy-geheim-4@");
        let proxied = format!(
            "  hosts: [\"http://elastic.example\"]\n  proxy_url: {proxy}\n  \
             proxy_headers: {{X-Proxy: proxyhead-geheim-5}}\n{API_KEY}"
        );
        for (how, output, top) in [
            ("user", format!("  hosts: [\"{url}\"]\n{USER}{HEADERS}"), ""),
            ("API key", format!("  hosts: [\"{url}\"]\n{API_KEY}{HEADERS}"), ""),
            ("URL", format!("{by_url}{HEADERS}"), ""),
            ("proxy", format!("{proxied}{HEADERS}"), ""),
            (
                "cloud",
                format!("  hosts: [\"{url}\"]\n{HEADERS}"),
                "cloud.auth: \"u:cloud-geheim-8\"\n",
            ),
        ] {
            // One way of each kind of credentials is enough for most answers.
            if !matches!(what, "401 page" | "bulk 403 error") && !matches!(how, "user" | "proxy") {
                continue;
            }
            let told = Place::new(&output, top).all();
            holds_none(&format!("{what} by {how}"), &told);
            errors += told.matches("ERROR").count();
        }
        assert!(server.requests().iter().any(|request| request.header("x-own").is_some()));
    }
    assert!(20 < errors, "something went wrong in all of these: {errors}");
}

#[test]
fn no_trouble_with_tls_brings_a_secret_out() {
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/keys");
    let (alone, authority) = (self_signed("127.0.0.1", |_| {}), Authority::new());
    let own = authority.issue("web.example", |_| {});
    let server = alone.serve();
    let wanting = alone.serve_as(&Manner { clients_of: Some(&authority), ..Manner::default() });
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let ca = file("ca.pem", &alone.certificate.pem());
    let phrase = file("phrase", "phrase-geheim-6\n");
    let certificate = file("own.pem", &own.certificate.pem());
    let pem = own.key.serialize_pem();
    let key_line = pem.lines().nth(1).unwrap();
    let inline = format!("\"{}\"", pem.replace('\n', "\\n"));
    let hosts = |server: &Server| format!("  hosts: [\"{}\"]\n{USER}{HEADERS}", server.url());
    let encrypted = format!("  ssl.certificate: {certificate}\n  ssl.key: {keys}/ec.aes.key\n");
    for (what, output) in [
        ("self-signed", hosts(&server)),
        (
            "wrong passphrase",
            format!("{}{encrypted}  ssl.key_passphrase: phrase-geheim-6\n", hosts(&server)),
        ),
        (
            "wrong passphrase in a file",
            format!("{}{encrypted}  ssl.key_passphrase_path: {phrase}\n", hosts(&server)),
        ),
        (
            "no client certificate",
            format!("{}  ssl.certificate_authorities: {ca}\n", hosts(&wanting)),
        ),
        (
            "inline key",
            format!(
                "{}  ssl.certificate_authorities: {ca}\n  ssl.certificate: {certificate}\n  ssl.key: {inline}\n",
                hosts(&wanting)
            ),
        ),
        (
            "inline key of another certificate",
            format!("{}  ssl.certificate: {ca}\n  ssl.key: {inline}\n", hosts(&server)),
        ),
        ("inline key without a certificate", format!("{}  ssl.key: {inline}\n", hosts(&server))),
        ("plain", hosts(&server).replace("https:", "http:")),
    ] {
        let told = Place::new(&output, "").all();
        holds_none(what, &told);
        assert!(!told.contains(key_line), "{what}\n{told}");
        assert!(told.contains("export"), "{told}");
    }
}

#[test]
fn no_problem_of_the_configuration_brings_a_secret_out() {
    for (what, output, top) in [
        ("unknown key", format!("{USER}{HEADERS}  hosst: a\n"), ""),
        ("both", format!("  hosts: a\n{USER}{API_KEY}"), ""),
        ("two users", "  hosts: ['http://u:url-geheim-7@a', 'http://u:pw-geheim-1@b']\n".to_owned(), ""),
        ("no address", "  hosts: ['http://u:url-geheim-7@:x']\n".to_owned(), ""),
        ("proxy", "  hosts: a\n  proxy_url: 'socks5://u:proxy-geheim-4@p'\n".to_owned(), ""),
        ("header", "  hosts: a\n  headers: {X-A: \"head-geheim-3\\u0001\"}\n".to_owned(), ""),
        ("proxy header", "  hosts: a\n  proxy_headers: {'a b': proxyhead-geheim-5}\n".to_owned(), ""),
        ("API key", "  hosts: a\n  api_key: key-geheim-2\n".to_owned(), ""),
        ("cloud.auth", "  hosts: a\n".to_owned(), "cloud.auth: cloud-geheim-8\n"),
        ("cloud.id and auth", "  hosts: a\n".to_owned(), "cloud: {id: '?', auth: 'u:cloud-geheim-8'}\n"),
        ("passphrases", "  hosts: a\n  ssl: {key: k, key_passphrase: phrase-geheim-6, key_passphrase_path: p}\n".to_owned(), ""),
        ("no YAML", format!("  hosts: a\n{USER}   x: [\n"), ""),
        ("no YAML in headers", "  hosts: a\n  headers:\n    X-A: head-geheim-3\n   x: [\n".to_owned(), ""),
        ("variable", "  hosts: a\n  worker: ${EXTRA}\n  username: u\n  password: ${EXTRA}\n".to_owned(), ""),
    ] {
        let told = Place::new(&output, top).says(&["test", "config"]);
        holds_none(what, &told);
        assert!(told.contains("shipper.yml:"), "{what}\n{told}");
    }
}
