//! The binary as an operator runs it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for anything that a test waits for.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// A place with a configuration, logs and a data path.
pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// Makes a place; `{logs}` in the configuration stands for its directory of logs.
    pub fn new(config: &str) -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(place.path().join("logs")).unwrap();
        place.configure(config);
        place
    }

    /// Writes another configuration.
    pub fn configure(&self, config: &str) {
        let logs = self.path().join("logs").display().to_string();
        std::fs::write(self.path().join("shipper.yml"), config.replace("{logs}", &logs)).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.path().join("logs").join(name)
    }

    /// Starts the binary.
    pub fn start(&self, more: &[&str]) -> Running {
        self.start_in("data", more)
    }

    /// Starts the binary with a data path.
    pub fn start_in(&self, data: &str, more: &[&str]) -> Running {
        self.start_by(&[env!("CARGO_BIN_EXE_shipper")], data, more)
    }

    /// Starts the binary by the command of another one, which must become it, as `setpriv` does.
    pub fn start_by(&self, command: &[&str], data: &str, more: &[&str]) -> Running {
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .current_dir(self.path())
            .args(["run", "-c", "shipper.yml", "-e", "--path.data", data])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let told = Arc::new(Mutex::new(String::new()));
        let (stderr, telling) = (child.stderr.take().unwrap(), Arc::clone(&told));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut told = telling.lock().unwrap();
                told.push_str(&line);
                told.push('\n');
            }
        });
        Running { child, told }
    }

    /// Runs another command of the binary, which must succeed, and returns what it printed.
    pub fn command(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shipper"));
        let output = command.current_dir(self.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs another command of the binary about this place; returns its exit code, standard output and standard error.
    pub fn shipper(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shipper"));
        command.current_dir(self.path()).args(arguments);
        let output = command.args(["-c", "shipper.yml", "--path.data", "data"]).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    /// Runs the binary to its end and returns its exit code and what it told.
    pub fn run(&self, more: &[&str]) -> (i32, String) {
        self.start(more).wait()
    }
}

/// A running binary; killed when dropped.
pub struct Running {
    child: Child,
    told: Arc<Mutex<String>>,
}

impl Running {
    /// Returns what it has told so far.
    pub fn told(&self) -> String {
        self.told.lock().unwrap().clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> (i32, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                std::thread::sleep(Duration::from_millis(20));
                return (status.code().unwrap_or(-1), self.told());
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.told());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(self) -> (i32, String) {
        let pid = i32::try_from(self.pid()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.wait()
    }

    /// Kills it hard.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    #[allow(clippy::print_stdout, reason = "shown with a test that fails")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("it told:\n{}", self.told());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
