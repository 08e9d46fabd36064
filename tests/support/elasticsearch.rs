//! A real Elasticsearch, fetched by `make servers`, one for a test binary.

use super::http;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Longest wait for the server to answer.
const PATIENCE: Duration = Duration::from_mins(3);

/// A running server.
pub struct Elasticsearch {
    pub port: u16,
    child: Child,
    directory: tempfile::TempDir,
}

/// Starts the server, or returns the one that was started before; it dies with the test.
pub fn shared() -> &'static Elasticsearch {
    static SERVER: OnceLock<Elasticsearch> = OnceLock::new();
    SERVER.get_or_init(Elasticsearch::start)
}

impl Elasticsearch {
    fn start() -> Self {
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
             transport.port: {1}\ndiscovery.type: single-node\nxpack.security.enabled: false\n\
             cluster.routing.allocation.disk.threshold_enabled: false\n",
            run.display(),
            http::free_port(),
        );
        std::fs::write(run.join("config/elasticsearch.yml"), settings).unwrap();
        // The server refuses to run as root; and it must not outlive a test that is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if rustix::process::geteuid().is_root() {
            assert!(
                Command::new("chown")
                    .args(["-R", "65534:65534"])
                    .arg(run)
                    .status()
                    .unwrap()
                    .success()
            );
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        let log = std::fs::File::create(run.join("console.log")).unwrap();
        command
            .arg("--")
            .arg(distribution.join("bin/elasticsearch"))
            .env("HOME", run)
            .env("ES_PATH_CONF", run.join("config"))
            .env("ES_TMPDIR", run.join("tmp"))
            .env("ES_JAVA_HOME", java_home())
            .env("ES_JAVA_OPTS", "-Xms256m -Xmx256m -XX:TieredStopAtLevel=1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let child = spawn(command);
        let mut server = Self { port, child, directory };
        server.wait();
        server
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok((200, _)) = http::call(self.port, "GET", "/", "") {
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
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sends a request and returns the answer, which must be a success.
    pub fn json(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, answer) = http::call(self.port, method, path, body).unwrap();
        assert!(status < 300, "{method} {path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// Returns the documents of an index, at most 10,000.
    pub fn documents(&self, index: &str) -> Vec<Value> {
        let (status, _) = http::call(self.port, "POST", &format!("/{index}/_refresh"), "").unwrap();
        if status == 404 {
            return Vec::new();
        }
        let found = self.json("GET", &format!("/{index}/_search?size=10000"), "");
        let hits = found["hits"]["hits"].as_array().unwrap().clone();
        hits.into_iter().map(|mut hit| hit["_source"].take()).collect()
    }
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
