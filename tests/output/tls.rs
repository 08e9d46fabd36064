//! TLS: whom the output trusts, who it says it is, and what it says when there is no TLS.

use super::authority::{Authority, Issued, Manner, self_signed, store};
use super::rig::{Rig, quick};
use super::server::{Reply, Request, Server};
use base64::Engine as _;
use rcgen::{BasicConstraints, IsCa, date_time_ymd};
use shipper::certificates::{Facts, hex, sha256};
use shipper::settings::{
    ClientCertificate, ElasticsearchSettings, Passphrase, Pem, Secret, TlsAlgorithm, TlsVersions,
    Verification,
};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

type Versions = &'static [&'static rustls::SupportedProtocolVersion];

const ONLY_12: Versions = &[&rustls::version::TLS12];
const ONLY_13: Versions = &[&rustls::version::TLS13];

fn settings(server: &Server, authority: &Authority) -> ElasticsearchSettings {
    let mut settings = quick(&[server.url()]);
    settings.tls.certificate_authorities = vec![Pem::Inline(authority.pem())];
    settings
}

fn with(
    mut settings: ElasticsearchSettings,
    change: impl FnOnce(&mut ElasticsearchSettings),
) -> ElasticsearchSettings {
    change(&mut settings);
    settings
}

fn client(issued: &Issued) -> ClientCertificate {
    ClientCertificate {
        certificate: Pem::Inline(issued.certificate.pem()),
        key: Pem::Inline(issued.key.serialize_pem()),
        passphrase: None,
    }
}

fn delivers(settings: ElasticsearchSettings) {
    let mut rig = Rig::start(settings);
    let (_, range) = rig.send(&["{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
}

/// Asserts that nothing is delivered, and that the first error in the log holds a text.
fn refuses(what: &str, settings: ElasticsearchSettings, expected: &str) {
    let mut rig = Rig::start(settings);
    let _ = rig.send(&["{}"]);
    let trouble = rig.wait_for_trouble();
    rig.stop(Duration::from_secs(5));
    rig.nothing_settled();
    assert!(trouble.contains(expected), "{what}\n{trouble}\n{expected}");
}

#[test]
fn server_signed_by_a_named_authority_is_trusted() {
    let authority = Authority::new();
    let server = authority.issue("127.0.0.1", |_| {}).serve();
    delivers(settings(&server, &authority));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.crt");
    std::fs::write(&path, authority.pem()).unwrap();
    delivers(with(settings(&server, &authority), |settings| {
        settings.tls.certificate_authorities = vec![Pem::File(path)];
    }));
}

#[test]
fn every_refused_certificate_is_named_with_the_remedy() {
    let authority = Authority::new();
    let good = authority.issue("127.0.0.1", |_| {});
    let elsewhere = authority.issue("elastic.example", |_| {});
    let nameless = authority.issue("127.0.0.1", |params| params.subject_alt_names.clear());
    let expired = authority.issue("127.0.0.1", |params| {
        params.not_after = date_time_ymd(2020, 2, 1);
    });
    let early = authority.issue("127.0.0.1", |params| {
        params.not_before = date_time_ymd(2090, 1, 1);
    });
    let alone = self_signed("127.0.0.1", |_| {});
    let other = Authority::named("another authority");
    let stranger = other.issue("127.0.0.1", |_| {});
    let mut stranger_whole = other.issue("127.0.0.1", |_| {});
    stranger_whole.others.push(other.der().clone());
    let namesake = Authority::new().issue("127.0.0.1", |_| {});
    for (what, issued, says, remedy) in [
        (
            "another name",
            &elsewhere,
            "is not for `127.0.0.1`",
            "(use one of its names in hosts, issue it for this name, or set ssl.verification_mode: certificate)"
                .to_owned(),
        ),
        (
            "no list of names",
            &nameless,
            "is not for `127.0.0.1`",
            "(it has no list of names (subjectAltName), and what its subject says does not count: issue it".to_owned(),
        ),
        (
            "expired",
            &expired,
            "has expired on 2020-02-01T00:00:00Z",
            "(renew it on the server; this machine's clock says 20".to_owned(),
        ),
        (
            "not valid yet",
            &early,
            "is not valid yet",
            "(set this machine's clock, which says 20".to_owned(),
        ),
        (
            "self-signed",
            &alone,
            "is signed by itself, and not known here",
            "(if it is the server's, save it in a file and name that under ssl.certificate_authorities)".to_owned(),
        ),
        (
            "unknown authority",
            &stranger,
            "is signed by an unknown authority, `CN=another authority`",
            "(name the certificate of `CN=another authority` under ssl.certificate_authorities)".to_owned(),
        ),
        (
            "unknown authority that is shown",
            &stranger_whole,
            "is signed by an unknown authority, `CN=another authority`",
            format!(
                "under ssl.certificate_authorities, or set ssl.ca_trusted_fingerprint: {} if that is its fingerprint)",
                hex(&sha256(other.der()))
            ),
        ),
        (
            "authority of the same name and another key",
            &namesake,
            "is signed by an unknown authority, `CN=authority of tests`",
            "(name the certificate of `CN=authority of tests` under ssl.certificate_authorities)".to_owned(),
        ),
    ] {
        let server = issued.serve();
        let told = format!("the server's certificate {says}: {} ", issued.told());
        refuses(what, settings(&server, &authority), &told);
        refuses(what, settings(&server, &authority), &remedy);
        delivers(with(settings(&server, &authority), |settings| {
            settings.tls.verification = Verification::None;
        }));
    }
    delivers(settings(&good.serve(), &authority));
    delivers(with(settings(&elsewhere.serve(), &authority), |settings| {
        settings.tls.verification = Verification::Certificate;
    }));
    refuses(
        "expired where names are not checked",
        with(settings(&expired.serve(), &authority), |settings| {
            settings.tls.verification = Verification::Certificate;
        }),
        "has expired on 2020-02-01T00:00:00Z",
    );
}

#[test]
fn self_signed_certificate_that_is_named_itself_is_trusted_until_it_expires() {
    let as_openssl = |params: &mut rcgen::CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    let issued = self_signed("127.0.0.1", as_openssl);
    let server = issued.serve();
    let named = |server: &Server, issued: &Issued| {
        let mut settings = quick(&[server.url()]);
        settings.tls.certificate_authorities = vec![Pem::Inline(issued.certificate.pem())];
        settings
    };
    delivers(named(&server, &issued));
    let old = self_signed("127.0.0.1", |params| {
        as_openssl(params);
        params.not_after = date_time_ymd(2020, 2, 1);
    });
    let server = old.serve();
    refuses("expired", named(&server, &old), "has expired on 2020-02-01T00:00:00Z");
}

#[test]
fn fingerprint_makes_the_authority_that_is_shown_the_only_one_to_trust() {
    let authority = Authority::new();
    let mut issued = authority.issue("127.0.0.1", |_| {});
    let silent = issued.serve();
    issued.others.push(authority.der().clone());
    let server = issued.serve();
    let fingerprint = sha256(authority.der());
    let marked = |server: &Server, fingerprint: [u8; 32]| {
        let mut settings = quick(&[server.url()]);
        settings.tls.ca_trusted_fingerprint = Some(fingerprint);
        settings
    };
    delivers(marked(&server, fingerprint));
    let shown = format!("{} of `CN=authority of tests`", hex(&fingerprint));
    refuses("another fingerprint", marked(&server, [7; 32]), &shown);
    refuses(
        "the authority is not shown",
        marked(&silent, fingerprint),
        "comes without the one of ssl.ca_trusted_fingerprint",
    );
    // It adds to the authorities that are named, and a certificate is checked all the same.
    delivers(with(settings(&silent, &authority), |settings| {
        settings.tls.ca_trusted_fingerprint = Some([7; 32]);
    }));
    let mut elsewhere = authority.issue("elastic.example", |_| {});
    elsewhere.others.push(authority.der().clone());
    refuses("another name", marked(&elsewhere.serve(), fingerprint), "is not for `127.0.0.1`");
}

#[test]
fn pinned_key_must_be_in_the_chain() {
    let authority = Authority::new();
    let issued = authority.issue("127.0.0.1", |_| {});
    let server = issued.serve();
    let pin_of = |pem: &str| {
        let script = "openssl x509 -noout -pubkey | openssl pkey -pubin -outform der | \
                      openssl dgst -sha256 -binary | base64";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), pem.as_bytes()).unwrap();
        let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let bytes = base64::prelude::BASE64_STANDARD.decode(text.trim()).unwrap();
        <[u8; 32]>::try_from(bytes).unwrap()
    };
    for pem in [authority.pem(), issued.certificate.pem()] {
        delivers(with(settings(&server, &authority), |settings| {
            settings.tls.ca_sha256 = vec![[1; 32], pin_of(&pem)];
        }));
    }
    refuses(
        "no pinned key",
        with(settings(&server, &authority), |settings| settings.tls.ca_sha256 = vec![[1; 32]]),
        "is proved by no public key of ssl.ca_sha256",
    );
}

#[test]
fn client_certificate_is_shown_to_a_server_that_asks() {
    let authority = Authority::new();
    let issued = authority.issue("127.0.0.1", |_| {});
    let own = authority.issue("web.example", |_| {});
    let stranger = Authority::named("another authority").issue("web.example", |_| {});
    for versions in [ONLY_12, ONLY_13] {
        let server = issued.serve_as(&Manner { clients_of: Some(&authority), versions });
        delivers(with(settings(&server, &authority), |settings| {
            settings.tls.client = Some(client(&own));
        }));
        refuses(
            "no certificate",
            settings(&server, &authority),
            " demands a client certificate, and there is none (set ssl.certificate and ssl.key)",
        );
        let told =
            format!(": {} (have it signed by an authority that the server knows", stranger.told());
        refuses(
            "certificate of another authority",
            with(settings(&server, &authority), |settings| {
                settings.tls.client = Some(client(&stranger));
            }),
            &told,
        );
    }
}

#[test]
fn end_without_an_answer_is_told_with_the_certificate_that_was_shown() {
    let authority = Authority::new();
    let own = authority.issue("web.example", |_| {});
    let manner = Manner { clients_of: Some(&authority), ..Manner::default() };
    let server = authority.issue("127.0.0.1", |_| {}).serve_with(&manner, |_| Reply::Close);
    let told = format!(
        "the server ends the connection at once, as one does that refuses the client certificate: {} (have it ",
        own.told()
    );
    refuses(
        "no answer",
        with(settings(&server, &authority), |settings| settings.tls.client = Some(client(&own))),
        &told,
    );
}

#[test]
fn key_may_be_encrypted_and_must_be_that_of_the_certificate() {
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/keys");
    let authority = Authority::new();
    let own_key =
        rcgen::KeyPair::from_pem(&std::fs::read_to_string(format!("{keys}/ec.key")).unwrap());
    let own = self_signed_by_key(own_key.unwrap());
    let server = authority
        .issue("127.0.0.1", |_| {})
        .serve_as(&Manner { clients_of: Some(&own.0), ..Manner::default() });
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("passphrase");
    std::fs::write(&secret, "open sesame\n").unwrap();
    let told = Facts::read(own.1.der()).unwrap().to_string();
    let start = |key: &str, passphrase: Option<Passphrase>| {
        with(settings(&server, &authority), |settings| {
            settings.tls.client = Some(ClientCertificate {
                certificate: Pem::Inline(own.1.pem()),
                key: Pem::File(format!("{keys}/{key}").into()),
                passphrase,
            });
        })
    };
    let sesame = || Some(Passphrase::Text(Secret::new("open sesame")));
    delivers(start("ec.key", None));
    delivers(start("ec.aes.key", sesame()));
    delivers(start("ec.aes.key", Some(Passphrase::File(secret))));
    delivers(start("ec.legacy.aes128.key", sesame()));
    for (what, key, passphrase, expected) in [
        (
            "no passphrase",
            "ec.aes.key",
            None,
            "it is encrypted, and there is no passphrase for it".to_owned(),
        ),
        (
            "another passphrase",
            "ec.aes.key",
            Some(Passphrase::Text(Secret::new("geheimnis"))),
            "the passphrase is not the one that it was encrypted with".to_owned(),
        ),
        (
            "a method that is not read",
            "ec.legacy.camellia128.key",
            sesame(),
            format!(
                "openssl pkcs8 -topk8 -v2 aes-256-cbc -in {keys}/ec.legacy.camellia128.key -out new.key"
            ),
        ),
        ("another key", "rsa.key", None, told),
        (
            "no file",
            "none.key",
            None,
            format!("cannot read `{keys}/none.key` of `ssl.key`: no such file or directory"),
        ),
        (
            "no key in it",
            "README.md",
            None,
            format!(
                "cannot use the key in `{keys}/README.md` (ssl.key): there is no private key in PEM form in it"
            ),
        ),
    ] {
        cannot_start(what, start(key, passphrase), &expected);
    }
    for line in super::lines() {
        assert!(!line.contains("sesame") && !line.contains("geheimnis"), "{line}");
    }
}

/// Makes an authority of one key, and a certificate with that key.
fn self_signed_by_key(key: rcgen::KeyPair) -> (Authority, rcgen::Certificate) {
    let authority = Authority::new();
    let params = rcgen::CertificateParams::new(vec!["web.example".to_owned()]).unwrap();
    let certificate = authority.sign(params, &key);
    (authority, certificate)
}

/// Asserts that the output cannot begin, and that an error in the log holds a text.
fn cannot_start(what: &str, settings: ElasticsearchSettings, expected: &str) {
    let mut rig = Rig::start(settings);
    assert!(rig.ended().is_err(), "{what}");
    let lines = super::lines();
    let told = |line: &String| line.starts_with("ERROR") && line.contains(expected);
    assert!(lines.iter().any(told), "{what}: {expected}\n{lines:#?}");
}

#[test]
fn versions_suites_and_curves_are_those_that_are_asked_for() {
    let authority = Authority::new();
    let issued = authority.issue("127.0.0.1", |_| {});
    let of = |versions| issued.serve_as(&Manner { versions, ..Manner::default() });
    let (only_12, only_13) = (of(ONLY_12), of(ONLY_13));
    let speaking = |server: &Server, versions| {
        with(settings(server, &authority), |settings| settings.tls.versions = versions)
    };
    delivers(speaking(&only_12, TlsVersions::Only12));
    delivers(speaking(&only_13, TlsVersions::Only13));
    delivers(speaking(&only_12, TlsVersions::Both));
    let version =
        "the server speaks no version of TLS that is spoken here (update it to TLS 1.2 or 1.3";
    refuses("1.2 of 1.3", speaking(&only_13, TlsVersions::Only12), version);
    refuses("1.3 of 1.2", speaking(&only_12, TlsVersions::Only13), version);

    let suite = |code| TlsAlgorithm { name: "", code };
    let suites = |server: &Server, codes: &[u16]| {
        with(settings(server, &authority), |settings| {
            settings.tls.cipher_suites = codes.iter().copied().map(suite).collect();
        })
    };
    // The server's key is of a curve, so that a suite of RSA alone is nothing for it.
    delivers(suites(&only_12, &[0xc02b]));
    refuses("a suite of RSA", suites(&only_12, &[0xc030]), "TLS finds no cipher suite in common");
    delivers(suites(&only_13, &[0xc030]));
    delivers(suites(&only_13, &[0x1302]));
    delivers(with(settings(&only_13, &authority), |settings| {
        settings.tls.curves = vec![suite(0x18)];
    }));
}

#[test]
fn server_of_tls_1_1_is_refused_with_the_reason() {
    let authority = Authority::new();
    let issued = authority.issue("127.0.0.1", |_| {});
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        std::fs::write(directory.path().join(name), text).unwrap();
    };
    file("cert.pem", issued.certificate.pem());
    file("key.pem", issued.key.serialize_pem());
    let old = OldServer::start(directory.path());
    let mut settings = quick(&[format!("https://127.0.0.1:{}", old.port)]);
    settings.tls.certificate_authorities = vec![Pem::Inline(authority.pem())];
    refuses(
        "TLS 1.1",
        settings,
        "the server speaks no version of TLS that is spoken here (update it to TLS 1.2 or 1.3",
    );
}

/// A server of OpenSSL that speaks nothing newer than TLS 1.1.
struct OldServer {
    child: Child,
    port: u16,
}

impl OldServer {
    fn start(directory: &std::path::Path) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-tls1_1", "-cipher", "ALL@SECLEVEL=0", "-accept", "127.0.0.1:0"])
            .args(["-cert", "cert.pem", "-key", "key.pem", "-www"])
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let accept = lines.find(|line| line.starts_with("ACCEPT")).unwrap();
        let port = accept.rsplit(':').next().unwrap().trim().parse().unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port }
    }
}

impl Drop for OldServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn one_side_without_tls_is_told_what_to_write() {
    let plain = Server::start(|_| Reply::json(400, ""));
    let mut settings = quick(&[plain.url().replace("http:", "https:")]);
    settings.tls.verification = Verification::None;
    refuses("https to a plain server", settings, "(use http://, or the port of TLS)");
    let secured = self_signed("127.0.0.1", |_| {}).serve();
    let settings = quick(&[secured.url().replace("https:", "http:")]);
    refuses("http to TLS", settings, "if it speaks TLS, write https:// in hosts");
    // A server that closes the connection, as Elasticsearch does.
    let closing = Server::start(|_| Reply::Close);
    refuses("closed", quick(&[closing.url()]), "if it speaks TLS, write https:// in hosts");
}

#[test]
fn proxy_gets_headers_of_its_own_and_the_server_does_not() {
    let proxy = Server::start(|request| {
        let path = request.path.strip_prefix("http://elastic.example:9200").unwrap().to_owned();
        store(&Request { path, ..request.clone() })
    });
    let mut settings = quick(&["http://elastic.example:9200".to_owned()]);
    settings.proxy_url = Some(Secret::new(proxy.url().replace("http://", "http://user:geheim@")));
    settings.proxy_headers = vec![("X-Proxy".to_owned(), Secret::new("yes"))];
    delivers(settings);
    let bulk = proxy.bulks().remove(0);
    assert_eq!(bulk.path, "http://elastic.example:9200/logs/_bulk");
    assert_eq!(bulk.header("x-proxy"), Some("yes"));
    assert_eq!(bulk.header("proxy-authorization"), Some("Basic dXNlcjpnZWhlaW0="));
}
