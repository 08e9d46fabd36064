//! `shipper test output`: what it prints of every step, and that it writes nothing.

use super::authority::{Authority, Manner};
use super::rig::BANNER;
use super::server::{Reply, Request, Server};
use shipper::certificates::{hex, sha256};
use std::process::Command;

/// Runs the command with these lines below `output.elasticsearch`; returns its exit code and what it printed.
fn trial(lines: &str) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "filebeat.inputs: [{{type: log, paths: [/a]}}]\noutput.elasticsearch:\n  index: web\n{lines}"
    );
    let path = directory.path().join("shipper.yml");
    std::fs::write(&path, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_shipper"));
    let output = command.args(["test", "output", "-c"]).arg(&path).output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), told)
}

/// Answers as a server with security, by whose rules the user may do what is in `may`.
fn secured(may: &'static [&'static str]) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    move |request| {
        let has = |what: &str| may.contains(&what);
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/") => Reply::json(200, BANNER),
            ("GET", "/_security/_authenticate") => Reply::json(
                200,
                r#"{"username":"web\u001b[1m","api_key":{"id":"i","name":"of tests"}}"#,
            ),
            ("POST", "/_security/user/_has_privileges") => {
                let asked = r#"{"cluster":["manage_index_templates"],"index":[{"names":["web"],"privileges":["create_doc","auto_configure"]}]}"#;
                assert_eq!(request.body, asked);
                let answer = serde_json::json!({
                    "cluster": {"manage_index_templates": has("manage_index_templates")},
                    "index": {"web": {
                        "create_doc": has("create_doc"), "auto_configure": has("auto_configure"),
                    }},
                });
                Reply::json(200, answer.to_string())
            }
            ("HEAD", "/_index_template/web") => Reply::json(if has("all") { 200 } else { 404 }, ""),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_step_to_a_server_with_tls_and_security_is_told() {
    let authority = Authority::new();
    let issued = authority.issue("127.0.0.1", |_| {});
    let may = &["create_doc", "auto_configure", "manage_index_templates", "all"];
    let server = issued.serve_with(&Manner::default(), secured(may));
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let lines = format!(
        "  hosts: [\"{}\"]\n  api_key: \"id:geheim\"\n  ssl.certificate_authorities: {}\n",
        server.url(),
        ca.display()
    );
    let (code, told) = trial(&lines);
    let expected = format!(
        "elasticsearch: {}...
  parse url... OK
  connection...
    parse host... OK
    dns lookup... OK
    addresses: 127.0.0.1
    dial up... OK
  TLS...
    security: the server's certificate and its name are checked
    handshake... OK
    TLS version: TLSv1.3
    cipher suite: TLS13_AES_256_GCM_SHA384
    certificate: CN=es of tests
      for: 127.0.0.1
      signed by: CN=authority of tests
      valid: 2020-01-01T00:00:00Z to 2100-01-01T00:00:00Z
      SHA-256: {}
  talk to server... OK
  version: elasticsearch 8.19.0
  authentication... OK
    user: web?[1m
    API key: of tests
  privileges...
    create documents in web... OK
    create web where it is missing... OK
    install index templates... OK
  index template web... OK
",
        server.url(),
        hex(&sha256(issued.certificate.der())),
    );
    assert_eq!(told, expected);
    assert_eq!(code, 0);
}

#[test]
fn missing_privileges_are_told_and_only_that_to_create_documents_is_needed() {
    let server = Server::start(secured(&["create_doc"]));
    let begin = |server: &Server| {
        format!(
            "elasticsearch: {}...
  parse url... OK
  connection...
    parse host... OK
    dns lookup... OK
    addresses: 127.0.0.1
    dial up... OK
  TLS... none: what is sent can be read on its way (write https:// for TLS)
",
            server.url()
        )
    };
    let talk = "  talk to server... OK
  version: elasticsearch 8.19.0
  authentication... OK
    user: web?[1m
    API key: of tests
  privileges...
";
    let end = "    create web where it is missing... WARN no privilege `auto_configure`: it must be there already
    install index templates... WARN no privilege `manage_index_templates`: they must be there already
  index template web... missing, installed at the first connection of a run
";
    let (code, told) = trial(&format!("  hosts: [\"{}\"]\n", server.url()));
    let create = "    create documents in web... OK\n";
    assert_eq!(told, format!("{}{talk}{create}{end}", begin(&server)));
    assert_eq!(code, 0);
    let (server, other) = (Server::start(secured(&[])), Server::start(|_| Reply::json(401, "{}")));
    let lines = format!("  hosts: [\"{}\", \"{}\"]\n", server.url(), other.url());
    let (code, told) = trial(&lines);
    let create = "    create documents in web... ERROR give the user or API key the privilege `create_doc` on web\n";
    let refused = "  talk to server... ERROR 401 no answer of Elasticsearch: {} (check username and password, or api_key, of \
                   output.elasticsearch)\n";
    assert_eq!(told, format!("{}{talk}{create}{end}{}{refused}", begin(&server), begin(&other)));
    assert_eq!(code, 1);
}

#[test]
fn step_that_fails_is_the_last_and_says_why() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let page = Server::start(|_| Reply::json(200, "<p>hello</p>"));
    let open = Server::start(|request| match request.path.as_str() {
        "/" => Reply::json(200, BANNER),
        "/_security/_authenticate" => Reply::json(400, "{}"),
        _ => Reply::json(404, ""),
    });
    let elsewhere = Server::start(|_| Reply::json(404, "<h1>Not Found</h1>"));
    let bulk_alone = Server::start(|request| match request.path.as_str() {
        "/_bulk" => Reply::json(400, "{}"),
        _ => Reply::json(403, ""),
    });
    let authority = Authority::new();
    let secured = authority.issue("elastic.example", |_| {}).serve();
    for (lines, code, last) in [
        (
            format!("  hosts: [\"{}/search\"]\n", elsewhere.url()),
            1,
            "  talk to server... ERROR 404 no answer of Elasticsearch: <h1>Not Found</h1> (the target does not exist".to_owned(),
        ),
        (
            format!("  hosts: [\"{}\"]\n", bulk_alone.url()),
            0,
            "  index template web... WARN not known (403)".to_owned(),
        ),
        (
            format!("  hosts: [\"{nobody}\"]\n"),
            1,
            format!(
                "    dial up... ERROR {nobody}: connection refused (check the port, firewalls, and that the server runs)"
            ),
        ),
        (
            format!("  hosts: [\"{}\"]\n", page.url()),
            1,
            "  talk to server... ERROR what answers is not Elasticsearch: <p>hello</p>".to_owned(),
        ),
        (
            format!("  hosts: [\"{}\"]\n", open.url()),
            0,
            "  index template web... missing, installed at the first connection of a run".to_owned(),
        ),
        (
            format!("  hosts: [\"{}\"]\n  ssl.verification_mode: full\n  ssl.certificate_authorities: /none\n", secured.url()),
            1,
            "  hint: name a file under ssl.certificate_authorities that is there, and that the user who runs shipper may \
             read"
                .to_owned(),
        ),
        (
            format!("  hosts: [\"{}\"]\n", page.url().replace("http:", "https:")),
            1,
            "    handshake... ERROR what answers does not speak TLS on this port: InvalidContentType (use http://, or the \
             port of TLS)"
                .to_owned(),
        ),
        (
            format!("  hosts: [\"{}\"]\n  proxy_url: http://u:geheim@{}\n", "https://a.example", nobody),
            1,
            "  talk to server... ERROR ".to_owned(),
        ),
    ] {
        let (found, told) = trial(&lines);
        let end = told.lines().last().unwrap();
        assert!(end.starts_with(&last), "{told}\n{last}");
        assert_eq!(found, code, "{told}");
        assert!(!told.contains("geheim"), "{told}");
    }
}
