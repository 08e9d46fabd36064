//! `ssl.*` of the output, `cloud.id` and `cloud.auth`.

use crate::values::{check, settings, with_host};
use shipper::settings::OutputSettings;

#[test]
fn client_certificate_has_a_key_and_maybe_a_passphrase() {
    check(
        with_host,
        |e| e.tls.client,
        &[
            (
                "ssl: {certificate: a.pem, key: /k, key_passphrase: geheim}",
                "Some(ClientCertificate { certificate: File(\"./a.pem\"), key: File(\"/k\"), passphrase: Some(Text(xxxxx)) })",
            ),
            (
                "ssl: {certificate: /a, key: '-----BEGIN PRIVATE KEY-----', key_passphrase_path: p}",
                "Some(ClientCertificate { certificate: File(\"/a\"), key: Inline(xxxxx), passphrase: Some(File(\"./p\")) })",
            ),
            ("ssl.key: /a", "`output.elasticsearch.ssl.key` has no certificate"),
            ("ssl.certificate: /a", "`output.elasticsearch.ssl.certificate` has no key"),
            (
                "ssl: {certificate: /a, key: /k, key_passphrase: p, key_passphrase_path: p}",
                "`output.elasticsearch.ssl.key_passphrase` and `output.elasticsearch.ssl.key_passphrase_path` cannot both be used",
            ),
        ],
    );
}

#[test]
fn versions_suites_and_curves_are_those_that_are_built_in() {
    let algorithms = |chosen: &[shipper::settings::TlsAlgorithm]| -> Vec<String> {
        chosen.iter().map(|one| format!("{}={:04x}", one.name, one.code)).collect()
    };
    check(
        with_host,
        |e| (e.tls.versions, algorithms(&e.tls.cipher_suites), algorithms(&e.tls.curves)),
        &[
            ("", "(Both, [], [])"),
            ("ssl.supported_protocols: [TLSv1.2]", "(Only12, [], [])"),
            ("ssl.supported_protocols: [TLSv1.3, TLSv1.2]", "(Both, [], [])"),
            ("ssl.supported_protocols: [TLSv1.1, TLSv1.3]", "(Only13, [], [])"),
            (
                "ssl.supported_protocols: [TLSv1.0, TLSv1.1]",
                "`TLSv1.0` is not spoken: it has known weaknesses (RFC 8996)",
            ),
            (
                "ssl.supported_protocols: TLSv2",
                "`output.elasticsearch.ssl.supported_protocols` takes `TLSv1.2` or `TLSv1.3`, found `TLSv2`",
            ),
            (
                "ssl.cipher_suites: [ECDHE-RSA-AES-128-CBC-SHA, ECDHE-RSA-AES-128-GCM-SHA256, TLS-AES-128-GCM-SHA256]",
                r#"(Both, ["ECDHE-RSA-AES-128-GCM-SHA256=c02f", "TLS-AES-128-GCM-SHA256=1301"], [])"#,
            ),
            (
                "ssl.cipher_suites: RSA-RC4-128-SHA",
                "`output.elasticsearch.ssl.cipher_suites`: RSA-RC4-128-SHA is not built in",
            ),
            ("ssl.curve_types: [P-384, P-521]", r#"(Both, [], ["P-384=0018"])"#),
            (
                "ssl.curve_types: [P-1]",
                "`output.elasticsearch.ssl.curve_types[0]` takes one of X25519, P-256, P-384, found `P-1`",
            ),
        ],
    );
}

#[test]
fn pins_and_reloading_have_their_forms() {
    check(
        with_host,
        |e| {
            (e.tls.ca_sha256.len(), e.tls.ca_trusted_fingerprint.map(|print| (print[0], print[31])))
        },
        &[
            ("", "(0, None)"),
            ("ssl.ca_sha256: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "(1, None)"),
            (
                "ssl.ca_sha256: [AQEBAQ==]",
                "`output.elasticsearch.ssl.ca_sha256[0]` takes the SHA-256 of a public key in base64, of 44 characters",
            ),
            (
                "ssl: {ca_sha256: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=, verification_mode: none}",
                "`output.elasticsearch.ssl.ca_sha256` needs a chain, and `verification_mode: none` checks none",
            ),
            (
                "ssl.ca_trusted_fingerprint: 'A1:00000000000000000000000000000000000000000000000000000000000F F0'",
                "(0, Some((161, 240)))",
            ),
            (
                "ssl.ca_trusted_fingerprint: a1b2",
                "`output.elasticsearch.ssl.ca_trusted_fingerprint` takes the SHA-256 of a certificate as 64 hexadecimal digits",
            ),
        ],
    );
    check(
        with_host,
        |e| e.tls.reload_interval,
        &[
            ("", "Some(60s)"),
            ("ssl.restart_on_cert_change: {enabled: true, period: 5s}", "Some(5s)"),
            ("ssl.certificate_reload: {enabled: true, reload_interval: 2s}", "Some(2s)"),
            ("ssl.certificate_reload.enabled: false", "None"),
            (
                "ssl.certificate_reload.reload_interval: 0s",
                "`output.elasticsearch.ssl.certificate_reload.reload_interval` has to be more than 0",
            ),
        ],
    );
}

#[test]
fn cloud_id_and_cloud_auth_stand_for_an_address_and_a_user() {
    // `example.org:9243$abc$kbn`, `example.org$abc:9244$kbn`, `example.org$abc`, `example.org$$`
    let cases: &[(&str, &str)] = &[
        (
            "cloud.id: 'a:b:ZXhhbXBsZS5vcmc6OTI0MyRhYmMka2Ju'",
            r#"(["https://abc.example.org:9243"], None)"#,
        ),
        (
            "cloud: {id: 'ZXhhbXBsZS5vcmckYWJjOjkyNDQka2Ju', auth: 'u:p:w'}",
            r#"(["https://abc.example.org:9244"], Basic { username: "u", password: xxxxx })"#,
        ),
        (
            "cloud.auth: 'u:p'\noutput.elasticsearch: {hosts: a, username: v, password: w}",
            r#"(["http://a:9200"], Basic { username: "u", password: xxxxx })"#,
        ),
        (
            "cloud.id: 'a:ZXhhbXBsZS5vcmckYWJjJGtibg=='\noutput.elasticsearch: {hosts: a, enabled: false}",
            r#"(["https://abc.example.org:443"], None)"#,
        ),
        (
            "cloud.id: 'a:!'\noutput.elasticsearch.hosts: a",
            "`cloud.id` is no Cloud ID: what follows its last colon is no base64",
        ),
        (
            "cloud.id: 'a:ZXhhbXBsZS5vcmckYWJj'\noutput.elasticsearch.hosts: a",
            "`cloud.id` is no Cloud ID: there are not three parts in it",
        ),
        (
            "cloud.id: 'a:ZXhhbXBsZS5vcmckJA=='\noutput.elasticsearch.hosts: a",
            "`cloud.id` is no Cloud ID: what it names is no host",
        ),
        (
            "cloud.auth: geheim\noutput.elasticsearch.hosts: a",
            "`cloud.auth` takes a user and a password with a colon between them",
        ),
        (
            "cloud.auth: 'u:p'\noutput.elasticsearch: {hosts: a, api_key: 'a:b'}",
            "`api_key` and a user with a password cannot both be used",
        ),
        (
            "cloud.id: 'a:ZXhhbXBsZS5vcmckYWJjJGtibg=='\noutput.console.enabled: true",
            "`cloud.id` stands for `output.elasticsearch`, not `console`",
        ),
    ];
    let load = |text: &str| {
        settings(&format!("inputs: [{{type: log, paths: [/a]}}]\n{text}\n")).map(|settings| {
            match settings.output {
                OutputSettings::Elasticsearch(output) => *output,
                OutputSettings::Console => panic!("not the console"),
            }
        })
    };
    check(load, |e| (e.hosts, e.auth), cases);
}

#[test]
fn ssl_beside_hosts_without_tls_is_told() {
    let warnings = |lines: &str| {
        let text = format!(
            "inputs: [{{type: log, paths: [/a]}}]\noutput.elasticsearch:\n  username: u\n  password: p\n{lines}\n"
        );
        crate::load_text(&text).unwrap_or_else(|problems| panic!("{problems}")).warnings
    };
    let told = |line: u32, host: &str| {
        vec![format!(
            "line {line}: `output.elasticsearch.ssl` has no effect on `{host}`: what is sent there, passwords too, can be read \
             on its way; write https:// in `hosts`"
        )]
    };
    for (lines, expected) in [
        ("  hosts: [a]\n  ssl.certificate_authorities: [/ca]", told(6, "http://a:9200")),
        ("  hosts: [a]\n  ssl:\n    enabled: true", told(7, "http://a:9200")),
        ("  hosts: ['https://a', 'http://b:1/p']\n  ssl.enabled: true", told(6, "http://b:1/p")),
        ("  hosts: [a]\n  ssl: {enabled: false, certificate: /c}", vec![]),
        ("  hosts: [a]\n  ssl:\n", vec![]),
        ("  hosts: [a]\n  protocol: https\n  ssl.enabled: true", vec![]),
        ("  hosts: ['https://a']\n  ssl.enabled: true", vec![]),
        ("  hosts: [a]\n  proxy_url: 'https://p'\n  ssl.enabled: true", vec![]),
        ("  hosts: [a]", vec![]),
    ] {
        assert_eq!(warnings(lines), expected, "{lines}");
    }
}

#[test]
fn a_user_without_a_password_is_told() {
    let warnings = |lines: &str| {
        let text = format!(
            "inputs: [{{type: log, paths: [/a]}}]\noutput.elasticsearch: {{hosts: ['https://a'], {lines}}}\n"
        );
        crate::load_text(&text).unwrap_or_else(|problems| panic!("{problems}")).warnings
    };
    let told =
        "`output.elasticsearch.username` has no `password`: requests go out with an empty one";
    for (lines, is_told) in [
        ("username: u", true),
        ("username: u, password: ''", true),
        ("username: u, password: p", false),
        ("api_key: 'a:b'", false),
        ("", false),
    ] {
        let expected = if is_told { vec![told.to_owned()] } else { Vec::new() };
        assert_eq!(warnings(lines), expected, "{lines}");
    }
}
