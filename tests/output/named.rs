//! Certificates and keys that the configuration names and that cannot be used: told before anything starts.

use super::authority::Authority;
use super::rig::quick;
use shipper::disk::RealDisk;
use shipper::outputs::elasticsearch::Resender;
use shipper::settings::ElasticsearchSettings;
use std::path::Path;
use std::process::Command;

/// Runs shipper on a configuration of this text; returns its exit code and what it printed to standard error.
fn told(directory: &Path, text: &str, arguments: &[&str]) -> (i32, String) {
    std::fs::write(directory.join("shipper.yml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_shipper"));
    let output = command.current_dir(directory).args(arguments).output().unwrap();
    let shown = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(shown).unwrap())
}

fn output(scheme: &str, ssl: &str) -> String {
    format!(
        "inputs: [{{type: log, paths: [/a]}}]\noutput.elasticsearch:\n  hosts: [\"{scheme}://127.0.0.1:1\"]\n  \
         ssl:\n{ssl}"
    )
}

#[test]
fn what_cannot_be_used_is_a_problem_of_the_configuration_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let authority = Authority::new();
    let (one, other) = (authority.issue("a", |_| {}), authority.issue("a", |_| {}));
    let write = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
    write("ca.pem", &authority.pem());
    write("one.pem", &one.certificate.pem());
    write("one.key", &one.key.serialize_pem());
    write("other.key", &other.key.serialize_pem());
    std::fs::create_dir(path.join("dir")).unwrap();
    let own =
        |certificate: &str, key: &str| format!("    certificate: {certificate}\n    key: {key}\n");
    let cases: [(String, &[&str]); 6] = [
        (
            "    certificate_authorities: [none.pem]\n".to_owned(),
            &[
                "shipper.yml:5:30: cannot read `./none.pem` of `ssl.certificate_authorities`: no such file",
            ],
        ),
        (
            "    certificate_authorities: [dir]\n".to_owned(),
            &["shipper.yml:5:30: cannot read `./dir` of `ssl.certificate_authorities`: "],
        ),
        (
            own("one.key", "one.pem"),
            &["shipper.yml:5:18: `./one.key` (ssl.certificate) holds no certificate"],
        ),
        (
            own("one.pem", "one.pem"),
            &["shipper.yml:6:10: cannot use the key in `./one.pem` (ssl.key): "],
        ),
        (
            own("one.pem", "other.key"),
            &["shipper.yml:6:10: the key of `ssl.key` is not that of the certificate"],
        ),
        (
            format!("    certificate_authorities: one.key\n{}", own("one.pem", "other.key")),
            &[
                "shipper.yml:5:30: `./one.key` (ssl.certificate_authorities) holds no certificate",
                "shipper.yml:7:10: the key of `ssl.key` is not that of the certificate",
            ],
        ),
    ];
    for (ssl, wanted) in cases {
        // A service is started again: a key that cannot be read may be there in a moment.
        for (command, expected) in [(&["test", "config"][..], 78), (&["run", "--once", "-e"], 1)] {
            let (code, shown) = told(path, &output("https", &ssl), command);
            assert_eq!(code, expected, "{command:?} {ssl}{shown}");
            let problems = shown.lines().filter(|line| line.starts_with("shipper.yml:")).count();
            assert_eq!(problems, wanted.len(), "{shown}");
            assert_eq!(shown.matches("  hint: ").count(), wanted.len(), "{shown}");
            for wanted in wanted {
                assert!(shown.contains(wanted), "{wanted} {shown}");
            }
        }
        assert!(!path.join("data").exists(), "nothing has begun");
    }
    let good = format!("    certificate_authorities: ca.pem\n{}", own("one.pem", "one.key"));
    let (code, shown) = told(path, &output("https", &good), &["test", "config"]);
    assert_eq!((code, shown.as_str()), (0, "Config OK\n"));
}

#[test]
fn a_listeners_key_that_cannot_be_used_is_told_with_its_input() {
    let directory = tempfile::tempdir().unwrap();
    let text = "inputs:\n  - type: tcp\n    host: 127.0.0.1:0\n    ssl:\n      certificate: none.pem\n      \
                key: none.key\noutput.console:\n";
    let (code, shown) = told(directory.path(), text, &["test", "config"]);
    assert_eq!(code, 78, "{shown}");
    let expected = "shipper.yml:2:5: cannot read `./none.pem` of `ssl.certificate`: no such file";
    assert!(shown.starts_with(expected), "{shown}");
}

#[test]
fn nothing_is_sent_with_a_key_whose_variable_is_not_set() {
    let unknown = vec!["output.elasticsearch.api_key".to_owned()];
    let settings = ElasticsearchSettings { unknown, ..quick(&["http://127.0.0.1:1".to_owned()]) };
    let error = Resender::new(settings, &RealDisk).err().unwrap();
    let expected =
        "`output.elasticsearch.api_key` names a variable of the environment that is not set here";
    assert_eq!(error.to_string(), expected);
}
