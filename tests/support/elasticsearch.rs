//! A real Elasticsearch, fetched by `make servers`: one without security for a test binary, and one with.

use super::http::{self, Access};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Longest wait for the server to answer.
const PATIENCE: Duration = Duration::from_mins(3);

/// Password of the built-in user `elastic` of the server with security.
pub const PASSWORD: &str = "opensesame-of-tests";

/// A running server.
pub struct Elasticsearch {
    pub port: u16,
    access: Access,
    child: Child,
    directory: tempfile::TempDir,
}

/// Starts the server, or returns the one that was started before; it dies with the test.
pub fn shared() -> &'static Elasticsearch {
    static SERVER: OnceLock<Elasticsearch> = OnceLock::new();
    SERVER.get_or_init(|| Elasticsearch::start(false))
}

/// The same with security: HTTPS by an authority of its own, and users.
pub fn secured() -> &'static Elasticsearch {
    static SERVER: OnceLock<Elasticsearch> = OnceLock::new();
    SERVER.get_or_init(|| Elasticsearch::start(true))
}

impl Elasticsearch {
    fn start(secured: bool) -> Self {
        let distribution = distribution();
        let directory = tempfile::tempdir().unwrap();
        let run = directory.path();
        let port = http::free_port();
        copy(&distribution.join("config"), &run.join("config"));
        for name in ["data", "logs", "tmp"] {
            std::fs::create_dir(run.join(name)).unwrap();
        }
        let settings = format!(
            "path.data: {0}/data\npath.logs: {0}/logs\nnetwork.host: 127.0.0.1\nhttp.port: {port}\n\
             transport.port: {1}\ndiscovery.type: single-node\nxpack.security.enabled: {secured}\n\
             cluster.routing.allocation.disk.threshold_enabled: false\n{2}",
            run.display(),
            http::free_port(),
            if secured { TLS } else { "" },
        );
        std::fs::write(run.join("config/elasticsearch.yml"), settings).unwrap();
        let access = if secured { secure(run, &distribution) } else { Access::default() };
        let log = std::fs::File::create(run.join("console.log")).unwrap();
        let mut command = as_server(run);
        command
            .arg(distribution.join("bin/elasticsearch"))
            .envs(environment(run))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let child = spawn(command);
        let mut server = Self { port, access, child, directory };
        server.wait();
        server
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok((200, _)) = self.call("GET", "/", "") {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            let log = self.directory.path().join("console.log");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "Elasticsearch did not start:\n{}",
                std::fs::read_to_string(log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Returns the address for a configuration.
    pub fn url(&self) -> String {
        let scheme = if self.access.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Returns the file of the authority that signed the certificate of a server with security.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("config/ca.crt")
    }

    /// Returns the files of a client's certificate by the same authority, and of its key.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        let config = self.directory.path().join("config");
        (config.join("client.crt"), config.join("client.key"))
    }

    fn call(&self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        http::call(&self.access, self.port, method, path, body)
    }

    /// Sends a request and returns the answer, which must be a success.
    pub fn json(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, answer) = self.call(method, path, body).unwrap();
        assert!(status < 300, "{method} {path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// Returns the documents of an index, at most 10,000.
    pub fn documents(&self, index: &str) -> Vec<Value> {
        let (status, _) = self.call("POST", &format!("/{index}/_refresh"), "").unwrap();
        if status == 404 {
            return Vec::new();
        }
        let found = self.json("GET", &format!("/{index}/_search?size=10000"), "");
        let hits = found["hits"]["hits"].as_array().unwrap().clone();
        hits.into_iter().map(|mut hit| hit["_source"].take()).collect()
    }
}

const TLS: &str = "xpack.security.http.ssl.enabled: true\nxpack.security.http.ssl.key: node.key\n\
                   xpack.security.http.ssl.certificate: node.crt\n\
                   xpack.security.http.ssl.certificate_authorities: ca.crt\n\
                   xpack.security.http.ssl.client_authentication: optional\n";

/// Makes an authority, the node's certificate and the password of `elastic`; returns how to ask such a server.
fn secure(run: &Path, distribution: &Path) -> Access {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let config = run.join("config");
    std::fs::write(config.join("ca.crt"), authority.pem()).unwrap();
    std::fs::write(config.join("node.crt"), certificate.pem()).unwrap();
    std::fs::write(config.join("node.key"), key.serialize_pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["web.example".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    std::fs::write(config.join("client.crt"), certificate.pem()).unwrap();
    std::fs::write(config.join("client.key"), key.serialize_pem()).unwrap();
    let keystore = distribution.join("bin/elasticsearch-keystore");
    for (arguments, input) in
        [(&["create"][..], ""), (&["add", "--stdin", "bootstrap.password"], PASSWORD)]
    {
        let mut child = as_server(run)
            .arg(&keystore)
            .args(arguments)
            .envs(environment(run))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "elasticsearch-keystore {arguments:?}");
    }
    Access::secured(authority.der(), "elastic", PASSWORD)
}

/// A command that runs as the server must: never as root, and never longer than the test.
fn as_server(run: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if rustix::process::geteuid().is_root() {
        let mut chown = Command::new("chown");
        chown.args(["-R", "65534:65534"]).arg(run);
        assert!(chown.status().unwrap().success());
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command.arg("--");
    command
}

fn environment(run: &Path) -> [(&'static str, PathBuf); 5] {
    [
        ("HOME", run.to_path_buf()),
        ("ES_PATH_CONF", run.join("config")),
        ("ES_TMPDIR", run.join("tmp")),
        ("ES_JAVA_HOME", java_home()),
        ("ES_JAVA_OPTS", "-Xms256m -Xmx256m -XX:TieredStopAtLevel=1".into()),
    ]
}

/// Starts a process from a thread that lives as long as the test's process: the process is killed when the thread that
/// started it ends.
fn spawn(mut command: Command) -> Child {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        sender.send(command.spawn().unwrap()).unwrap();
        loop {
            std::thread::park();
        }
    });
    receiver.recv().unwrap()
}

fn distribution() -> PathBuf {
    let servers = std::env::var_os("SHIPPER_SERVERS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/servers"),
        PathBuf::from,
    );
    let distribution = servers.join("elasticsearch/dist");
    assert!(distribution.is_dir(), "there is no server for the tests: run `make servers` first");
    distribution
}

fn java_home() -> PathBuf {
    let java =
        Command::new("sh").args(["-c", "readlink -f \"$(command -v java)\""]).output().unwrap();
    let java = PathBuf::from(String::from_utf8(java.stdout).unwrap().trim());
    java.parent().and_then(Path::parent).unwrap().to_path_buf()
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}
