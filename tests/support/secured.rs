//! A real Elasticsearch with security: HTTPS by an authority of its own, and users.

use super::authority::certify;
use super::http::{self, Access};
use super::servers::{Product, Server, as_server, environment};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;

/// Password of the built-in user `elastic`.
pub const PASSWORD: &str = "opensesame-of-tests";

const SETTINGS: &str = "discovery.type: single-node\nxpack.security.enabled: true\n\
                        xpack.security.http.ssl.enabled: true\nxpack.security.http.ssl.key: node.key\n\
                        xpack.security.http.ssl.certificate: node.crt\n\
                        xpack.security.http.ssl.certificate_authorities: ca.crt\n\
                        xpack.security.http.ssl.client_authentication: optional\n";

/// Starts the server, or returns the one that was started before; it dies with the test.
pub fn secured() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let ports = || (http::free_port(), http::free_port());
    SERVER.get_or_init(|| Server::start(Product::Elasticsearch, ports(), SETTINGS, secure))
}

/// Makes the certificates and the password of `elastic`; returns how to ask such a server.
fn secure(run: &Path, distribution: &Path) -> Access {
    let authority = certify(&run.join("config"));
    let keystore = distribution.join("bin/elasticsearch-keystore");
    for (arguments, input) in
        [(&["create"][..], ""), (&["add", "--stdin", "bootstrap.password"], PASSWORD)]
    {
        let mut child = as_server(run)
            .arg(&keystore)
            .args(arguments)
            .envs(environment(Product::Elasticsearch, run))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "elasticsearch-keystore {arguments:?}");
    }
    Access::secured(&authority, "elastic", PASSWORD)
}
