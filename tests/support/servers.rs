//! Real servers, fetched by `make servers`: Elasticsearch and OpenSearch.

use super::http::{self, Access};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Longest wait for a server to answer.
const PATIENCE: Duration = Duration::from_mins(3);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    Elasticsearch,
    OpenSearch,
}

impl Product {
    /// Returns the name of its program, its folder and its configuration.
    fn name(self) -> &'static str {
        match self {
            Self::Elasticsearch => "elasticsearch",
            Self::OpenSearch => "opensearch",
        }
    }

    /// Returns its type of error for a document that does not fit the mapping.
    pub fn misfit(self) -> &'static str {
        match self {
            Self::Elasticsearch => "document_parsing_exception",
            Self::OpenSearch => "mapper_parsing_exception",
        }
    }
}

/// A running server; it dies with the test.
pub struct Server {
    pub product: Product,
    pub port: u16,
    access: Access,
    child: Child,
    directory: tempfile::TempDir,
}

/// Starts a server without security, or returns the one that was started before.
pub fn shared(product: Product) -> &'static Server {
    static SERVERS: [OnceLock<Server>; 2] = [const { OnceLock::new() }; 2];
    SERVERS[product as usize].get_or_init(|| {
        let plain = match product {
            Product::Elasticsearch => "xpack.security.enabled: false\n",
            Product::OpenSearch => "",
        };
        let settings = format!("discovery.type: single-node\n{plain}");
        Server::start(product, (http::free_port(), http::free_port()), &settings, |_, _| {
            Access::default()
        })
    })
}

impl Drop for Server {
    #[allow(clippy::print_stdout, reason = "shown with a test that fails")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("console.log"));
            let log = log.unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(100).collect();
            println!("the last of port {}, latest line first:\n{}", self.port, last.join("\n"));
        }
    }
}

impl Server {
    /// Starts a server with ports for HTTP and for other nodes, and waits until it answers; `prepare` gets its folder
    /// and that of the distribution, and says how to ask it.
    pub fn start(
        product: Product,
        ports: (u16, u16),
        settings: &str,
        prepare: impl FnOnce(&Path, &Path) -> Access,
    ) -> Self {
        let mut server = Self::begin(product, ports, settings, prepare);
        server.wait(|status| status == 200);
        server
    }

    /// Starts a server and does not wait.
    pub fn begin(
        product: Product,
        (port, transport): (u16, u16),
        settings: &str,
        prepare: impl FnOnce(&Path, &Path) -> Access,
    ) -> Self {
        let distribution = distribution(product);
        let directory = tempfile::tempdir().unwrap();
        let run = directory.path();
        copy(&distribution.join("config"), &run.join("config"));
        for name in ["data", "logs", "tmp"] {
            std::fs::create_dir(run.join(name)).unwrap();
        }
        let settings = format!(
            "path.data: {0}/data\npath.logs: {0}/logs\nnetwork.host: 127.0.0.1\nhttp.port: {port}\n\
             transport.port: {transport}\ncluster.routing.allocation.disk.threshold_enabled: false\n{settings}",
            run.display(),
        );
        std::fs::write(run.join(format!("config/{}.yml", product.name())), settings).unwrap();
        let access = prepare(run, &distribution);
        let child = launch(product, run);
        Self { product, port, access, child, directory }
    }

    /// Waits until the server answers so.
    pub fn wait(&mut self, good: impl Fn(u16) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !self.call("GET", "/", "").is_ok_and(|(status, _)| good(status)) {
            let ended = self.child.try_wait().unwrap();
            let log = self.directory.path().join("console.log");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{:?} did not start:\n{}",
                self.product,
                std::fs::read_to_string(log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Ends it at once, as a loss of power does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, with what it had, and does not wait.
    pub fn begin_again(&mut self) {
        self.child = launch(self.product, self.directory.path());
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Returns the address for a configuration.
    pub fn url(&self) -> String {
        let scheme = if self.access.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Returns a file of its configuration.
    pub fn config(&self, name: &str) -> PathBuf {
        self.directory.path().join("config").join(name)
    }

    /// Sends a request and returns status and answer.
    pub fn call(&self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
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

/// Starts the program in its folder.
fn launch(product: Product, run: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(run.join("console.log"));
    let log = log.unwrap();
    let mut command = as_server(run);
    command
        .arg(distribution(product).join("bin").join(product.name()))
        .envs(environment(product, run))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    spawn(command)
}

/// A command that runs as the server must: never as root, and never longer than the test.
pub fn as_server(run: &Path) -> Command {
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

/// Returns what the server's programs want to find in their environment.
pub fn environment(product: Product, run: &Path) -> [(String, PathBuf); 5] {
    let (prefix, conf) = match product {
        Product::Elasticsearch => ("ES", "ES_PATH_CONF"),
        Product::OpenSearch => ("OPENSEARCH", "OPENSEARCH_PATH_CONF"),
    };
    [
        ("HOME".to_owned(), run.to_path_buf()),
        (conf.to_owned(), run.join("config")),
        (format!("{prefix}_TMPDIR"), run.join("tmp")),
        (format!("{prefix}_JAVA_HOME"), java_home()),
        (format!("{prefix}_JAVA_OPTS"), "-Xms256m -Xmx256m -XX:TieredStopAtLevel=1".into()),
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

fn distribution(product: Product) -> PathBuf {
    let servers = std::env::var_os("SHIPPER_SERVERS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/servers"),
        PathBuf::from,
    );
    let distribution = servers.join(product.name()).join("dist");
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
