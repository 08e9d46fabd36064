//! A real web server in a folder of its own.

use super::http;
use super::shipper::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// For how long a web server may go on after it was told to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// A web server that dies with the test.
pub struct WebServer(Child);

/// Ends it with its workers, which outlive a master that is killed.
impl Drop for WebServer {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.0);
        let _ = kill_process(pid, Signal::TERM);
        let begun = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) {
            if PATIENCE < begun.elapsed() {
                let _ = self.0.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl WebServer {
    /// Starts a program and waits until somebody answers at the port.
    pub fn start(program: &str, arguments: &[&str], port: u16) -> Self {
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let server = Self(child);
        wait_until("the web server answers", || {
            http::raw(port, b"HEAD /ready HTTP/1.0\r\n\r\n").is_ok_and(|answer| !answer.is_empty())
        });
        server
    }

    /// Starts nginx, which keeps its files in `base`; `http` stands in its section of that name.
    pub fn nginx(base: &Path, port: u16, http: &str) -> Self {
        let base = base.display().to_string();
        let conf = format!(
            "daemon off; pid {base}/nginx.pid; error_log {base}/error.log; worker_processes 1; user root;\n\
             events {{ worker_connections 64; }}\n\
             http {{ client_body_temp_path {base}/t1; proxy_temp_path {base}/t2; fastcgi_temp_path {base}/t3;\n\
             uwsgi_temp_path {base}/t4; scgi_temp_path {base}/t5; {http} }}\n"
        );
        std::fs::write(format!("{base}/nginx.conf"), conf).unwrap();
        let arguments = ["-c", &format!("{base}/nginx.conf"), "-p", &base];
        Self::start("/usr/sbin/nginx", &arguments, port)
    }
}
