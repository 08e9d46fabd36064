//! Certificates and keys that are replaced while the output runs.

use super::authority::{Authority, Manner};
use super::rig::{Rig, lines, quick};
use shipper::settings::{ClientCertificate, Pem};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(30);

/// Replaces a file as a careful program does.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// Counts lines of the log about changed certificates that begin so, in the rig's time and of one problem.
fn told(earlier: usize, level: &str, text: &str) -> usize {
    let lines = lines();
    lines[earlier..].iter().filter(|line| line.starts_with(level) && line.contains(text)).count()
}

#[test]
fn changed_files_count_from_the_next_connection_on_and_broken_ones_do_not() {
    let (old, new) = (Authority::named("old authority"), Authority::named("new authority"));
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { directory.path().join(name) };
    let (authorities, certificate, key) = (file("ca.pem"), file("own.pem"), file("own.key"));
    let show = |authority: &Authority| {
        let own = authority.issue("web.example", |_| {});
        replace(&key, &own.key.serialize_pem());
        replace(&certificate, &own.certificate.pem());
        replace(&authorities, &authority.pem());
    };
    show(&old);
    let manner = |authority| Manner { clients_of: Some(authority), ..Manner::default() };
    let server = old.issue("127.0.0.1", |_| {}).serve_as(&manner(&old));
    let address = server.address();
    let mut settings = quick(&[server.url()]);
    settings.tls.certificate_authorities = vec![Pem::File(authorities.clone())];
    settings.tls.client = Some(ClientCertificate {
        certificate: Pem::File(certificate.clone()),
        key: Pem::File(key.clone()),
        passphrase: None,
    });
    settings.tls.reload_interval = Some(SOON);
    let earlier = lines().len();
    let mut rig = Rig::start(settings);
    let (_, first) = rig.send(&["{}"]);
    assert_eq!(rig.settled(), [first]);

    // A file that is no certificate changes nothing, and is told once however often it is looked at.
    replace(&authorities, "no certificate");
    let broken =
        || told(earlier, "ERROR", "ca.pem` (ssl.certificate_authorities) holds no certificate");
    rig.wait_for("the broken file is told", |_| broken() == 1);
    let (_, second) = rig.send(&["{}"]);
    assert_eq!(rig.settled(), [second]);
    let several_looks = Instant::now() + SOON * 10;
    rig.wait_for("several looks", |_| several_looks < Instant::now());
    assert_eq!(broken(), 1);
    let fault = rig.stats.health.certificates();
    assert!(fault.since.is_some() && fault.reason.contains("holds no certificate"), "{fault:?}");
    assert_eq!(rig.stats.sending.unusable_certificates.get(), 1);
    replace(&authorities, &old.pem());
    rig.wait_for("all is well again", |_| {
        told(earlier, "INFO", "certificates and keys are again those in use") == 1
    });
    rig.wait_for("and noted", |rig| rig.stats.sending.unusable_certificates.get() == 0);
    assert_eq!(rig.stats.health.certificates().since, None);

    // The server has another certificate, and takes only clients of the new authority.
    drop(server);
    let server = new.issue("127.0.0.1", |_| {}).serve_at(address, &manner(&new));
    let (_, third) = rig.send(&["{}"]);
    let trouble = rig.wait_for_trouble_with("signed by an unknown authority, `CN=new authority`");
    assert!(trouble.contains("CN=es of tests"), "{trouble}");
    rig.nothing_settled();
    show(&new);
    assert_eq!(rig.settled(), [third]);
    assert_eq!(server.bulks().len(), 1);
    rig.finish();
}
