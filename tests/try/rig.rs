//! A directory, and the binary in it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A line of Apache's combined format.
pub const COMBINED: &str =
    "203.0.113.7 - - [21/Nov/2026:05:12:34 +0100] \"GET /a HTTP/1.1\" 200 5 \"-\" \"curl/8.5\"\n";

/// A line of its common format.
pub const COMMON: &str = "203.0.113.7 - - [21/Nov/2026:05:12:34 +0100] \"GET /a HTTP/1.1\" 404 5\n";

pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and returns its whole name.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shipper"));
        command.current_dir(self.path()).args(arguments).env_remove("NO_COLOR");
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs the binary with something on standard input.
    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Said {
        let mut command = self.command(arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // Who is not read to the end is no failure of a test.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Said::of(output)
    }
}

/// What a run said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Reads its output as documents, one a line.
    pub fn documents(&self) -> Vec<serde_json::Value> {
        let read =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.out.lines().map(read).collect()
    }

    /// Returns a member of each document, by its JSON pointer.
    pub fn member(&self, pointer: &str) -> Vec<String> {
        let shown = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let documents = self.documents();
        documents.iter().map(|one| one.pointer(pointer).map_or_else(String::new, shown)).collect()
    }
}
