//! The web servers of Debian with a configuration in several files, and requests of every kind.

use crate::http::{self, Access};
use crate::rig::{read_item, run, shared};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use shipper::batch::BatchLimits;
use shipper::config::files::Strictness;
use shipper::config::load_files;
use shipper::pipeline::Pipeline;
use shipper::settings::InputSettings;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest wait for a server.
const PATIENCE: Duration = Duration::from_mins(2);

/// A request, and what came back.
pub struct Request {
    pub method: String,
    pub target: String,
    pub referrer: Option<String>,
    pub agent: Option<String>,
    /// Whether it is a request at all.
    pub is_understood: bool,
    pub status: u64,
    pub body_bytes: u64,
}

impl Request {
    /// Returns what a field of its document is to be.
    pub fn expected(&self, field: &str) -> Value {
        match field {
            "http.request.method" => self.method.clone().into(),
            "url.original" => self.target.clone().into(),
            "http.response.status_code" => self.status.into(),
            "http.response.body.bytes" if self.body_bytes == 0 => Value::Null,
            "http.response.body.bytes" => self.body_bytes.into(),
            "http.request.referrer" => self.referrer.clone().map_or(Value::Null, Value::from),
            "user_agent.original" => self.agent.clone().map_or(Value::Null, Value::from),
            other => panic!("{other} is not known of a request"),
        }
    }
}

/// A server with a configuration of its own.
pub struct Site {
    place: TempDir,
    conf: &'static str,
    port: u16,
    tls_port: u16,
    authority: rustls::pki_types::CertificateDer<'static>,
    server: Child,
}

impl Drop for Site {
    fn drop(&mut self) {
        // Not killed: it must end its children.
        let _ = kill_process(Pid::from_child(&self.server), Signal::TERM);
        let _ = self.server.wait();
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

impl Site {
    /// Starts nginx with a log of each format.
    pub fn nginx(formats: &[(&str, &str)]) -> Self {
        let (port, tls_port, dead, alive) =
            (http::free_port(), http::free_port(), http::free_port(), http::free_port());
        let place = TempDir::with_prefix("shipper nginx").unwrap();
        let base = place.path().display().to_string();
        let mut definitions = String::new();
        let mut logs = String::new();
        for (name, text) in formats {
            if !text.is_empty() {
                writeln!(definitions, "log_format {name} {text};").unwrap();
            }
            writeln!(logs, "access_log \"{base}/logs/{name}.log\" {name};").unwrap();
        }
        write(&place.path().join("conf.d/formats.conf"), &definitions);
        write(
            &place.path().join("sites/a.conf"),
            &format!(
                "upstream two {{ server 127.0.0.1:{dead}; server 127.0.0.1:{alive} backup; }}\n\
             map $status $loud {{ default 'no \"quote\"'; 404 yes; }}\n\
             server {{ listen 127.0.0.1:{alive}; access_log off; location / {{ return 200 \"from upstream\"; }} }}\n\
             server {{ listen 127.0.0.1:{port}; listen 127.0.0.1:{tls_port} ssl; server_name web.example;\n\
             ssl_certificate \"{base}/tls.pem\"; ssl_certificate_key \"{base}/tls.key\";\n\
             set $tenant acme; set $plain 'x y'; {logs}\n\
             location / {{ return 404 \"nothing\"; }} location /ok {{ return 200 \"fine\"; }}\n\
             location /up {{ proxy_pass http://two; }} }}\n"
            ),
        );
        write(
            &place.path().join("nginx.conf"),
            &format!(
                "daemon off; pid \"{base}/nginx.pid\"; error_log \"{base}/error.log\"; worker_processes 1; user root;\n\
             events {{ worker_connections 64; }}\n\
             http {{ client_body_temp_path \"{base}/t1\"; proxy_temp_path \"{base}/t2\"; fastcgi_temp_path \"{base}/t3\";\n\
             uwsgi_temp_path \"{base}/t4\"; scgi_temp_path \"{base}/t5\"; large_client_header_buffers 4 128k;\n\
             ssl_protocols TLSv1.3; include conf.d/*.conf; # the formats\n include \"sites/*\"; }}\n"
            ),
        );
        std::fs::create_dir(place.path().join("logs")).unwrap();
        let arguments = ["-c".to_owned(), format!("{base}/nginx.conf"), "-p".to_owned(), base];
        Self::start(place, "nginx.conf", (port, tls_port), "/usr/sbin/nginx", &arguments)
    }

    /// Starts Apache with a log of each format.
    pub fn apache(formats: &[(&str, &str)]) -> Self {
        let (port, tls_port) = (http::free_port(), http::free_port());
        let place = TempDir::with_prefix("shipper apache").unwrap();
        let base = place.path().display().to_string();
        let mut logs = String::new();
        for (name, text) in formats {
            writeln!(
                logs,
                "LogFormat \"{text}\" {name}\nCustomLog \"${{LOGS}}/{name}.log\" \\\n  {name}"
            )
            .unwrap();
        }
        write(&place.path().join("conf-enabled/formats.conf"), &logs);
        let modules = "/usr/lib/apache2/modules";
        let mut load = String::new();
        for name in ["mpm_event", "authz_core", "ssl", "unique_id", "mime"] {
            writeln!(load, "LoadModule {name}_module {modules}/mod_{name}.so").unwrap();
        }
        write(&place.path().join("mods-enabled/all.load"), &load);
        write(
            &place.path().join("apache2.conf"),
            &format!(
                "ServerRoot \"{base}\"\nServerName web.example\nListen 127.0.0.1:{port}\nListen 127.0.0.1:{tls_port}\n\
             PidFile \"{base}/apache.pid\"\nDefaultRuntimeDir \"{base}\"\nDefine LOGS \"{base}/logs\"\n\
             IncludeOptional mods-enabled/*.load\nUser www-data\nGroup www-data\nDocumentRoot \"{base}/www\"\n\
             TypesConfig /etc/mime.types\nLimitRequestLine 200000\nLogIOTrackTTFB On\nErrorLog \"{base}/error.log\"\n\
             <Directory \"{base}/www\">\nRequire all granted\n</Directory>\nTraceEnable Off\n\
             SSLSessionCache none\n<VirtualHost *:{tls_port}>\nSSLEngine on\n\
             SSLCertificateFile \"{base}/tls.pem\"\nSSLCertificateKeyFile \"{base}/tls.key\"\n</VirtualHost>\n\
             Include conf-enabled/*.conf\n"
            ),
        );
        write(&place.path().join("www/ok"), "fine");
        std::fs::create_dir(place.path().join("logs")).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(place.path(), open).unwrap();
        let arguments = ["-D", "FOREGROUND", "-f"].map(str::to_owned);
        let arguments = [&arguments[..], &[format!("{base}/apache2.conf")]].concat();
        Self::start(place, "apache2.conf", (port, tls_port), "/usr/sbin/apache2", &arguments)
    }

    fn start(
        place: TempDir,
        conf: &'static str,
        (port, tls_port): (u16, u16),
        program: &str,
        arguments: &[String],
    ) -> Self {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = rcgen::generate_simple_self_signed(names).unwrap();
        write(&place.path().join("tls.pem"), &key.cert.pem());
        write(&place.path().join("tls.key"), &key.signing_key.serialize_pem());
        let server = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--", program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let site = Self { conf, port, tls_port, authority: key.cert.der().clone(), server, place };
        site.wait("the server answers", || {
            http::raw(port, b"HEAD /ok HTTP/1.0\r\n\r\n").is_ok_and(|answer| !answer.is_empty())
        });
        site
    }

    fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            let log = std::fs::read_to_string(self.place.path().join("error.log"));
            assert!(Instant::now() < deadline, "waited in vain: {what}: {log:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends requests of every kind, one after the other; the first was that of the start.
    pub fn ask(&self) -> Vec<Request> {
        let long = format!("/ok?{}", "x".repeat(64 << 10));
        let heads: Vec<(&str, &str, Vec<u8>)> = vec![
            ("GET", "/ok?a=b%20c&d=%22", b"Referer: http://a.example/?q=\"x\"\r\nUser-Agent: Mozilla/5.0 (X11; \"q\") \\ end\r\n\
                X-Request-Id: r-1\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nCookie: sid=s1\r\n".to_vec()),
            ("GET", "/missing/%2e%2e/a.html", b"X-Forwarded-For: 10.0.0.9, 198.51.100.7\r\nAuthorization: Basic ZnJhbmsgc21pdGg6eA==\r\n".to_vec()),
            ("HEAD", "/ok", "User-Agent: \u{fc}ber \u{20ac}\r\n".as_bytes().to_vec()),
            ("OPTIONS", "/ok", b"User-Agent: -\r\nReferer: \r\n".to_vec()),
            ("GET", "/up?x", b"User-Agent: a|b;c, d : e\tf\r\n".to_vec()),
            ("DELETE", "/", b"User-Agent: \"\r\n".to_vec()),
            ("GET", &long, b"User-Agent: long\r\n".to_vec()),
            ("POST", "/ok", b"Content-Length: 3\r\n".to_vec()),
        ];
        let mut requests = vec![Self::probe()];
        for (method, target, headers) in heads {
            let body: &[u8] = if method == "POST" { b"abc" } else { b"" };
            let bytes = [
                format!("{method} {target} HTTP/1.1\r\nHost: web.example\r\nConnection: close\r\n")
                    .as_bytes(),
                &headers,
                b"\r\n",
                body,
            ]
            .concat();
            requests.push(self.send(method, target, &headers, &bytes, requests.len()));
        }
        for hostile in [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\"\\\xff\r\n\r\n"[..],
            b"GET / HTTP/1.1 and more\r\n\r\n",
            b"NOTHING\r\n\r\n",
            b"GET /\xff\xfe\"\\ HTTP/9.9\r\n\r\n",
            b"\x00\x01\x02\r\n\r\n",
        ] {
            requests.push(self.send("", "", b"", hostile, requests.len()));
        }
        let access = Access::secured(&self.authority, "frank", "x");
        let (status, body) = http::call(&access, self.tls_port, "GET", "/ok", "").unwrap();
        requests.push(Request {
            method: "GET".to_owned(),
            target: "/ok".to_owned(),
            referrer: None,
            agent: None,
            is_understood: true,
            status: u64::from(status),
            body_bytes: body.len() as u64,
        });
        requests
    }

    fn probe() -> Request {
        Request {
            method: "HEAD".to_owned(),
            target: "/ok".to_owned(),
            referrer: None,
            agent: None,
            is_understood: true,
            status: 200,
            body_bytes: 0,
        }
    }

    /// Sends one request and waits until it is logged, so that lines are in the order of requests.
    fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[u8],
        bytes: &[u8],
        before: usize,
    ) -> Request {
        let answer = http::raw(self.port, bytes).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |end| end + 4);
        let head = String::from_utf8_lossy(&answer[..end]);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let headers = String::from_utf8_lossy(headers);
        let header = |name: &str| {
            let value = headers.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            value.filter(|value| !matches!(*value, "" | "-")).map(str::to_owned)
        };
        let first = std::fs::read_dir(self.place.path().join("logs")).unwrap().next().unwrap();
        let log = first.unwrap().path();
        self.wait("the request is logged", || {
            std::fs::read(&log).unwrap().iter().filter(|byte| **byte == b'\n').count() > before
        });
        Request {
            method: method.to_owned(),
            target: target.to_owned(),
            referrer: header("Referer:"),
            agent: header("User-Agent:"),
            is_understood: !method.is_empty(),
            // What is answered as of HTTP/0.9 has no head.
            status: status.unwrap_or(400),
            body_bytes: (answer.len() - end) as u64,
        }
    }

    /// Loads a configuration whose input reads the format of a log from the server's.
    pub fn load(&self, name: &str) -> Result<InputSettings, String> {
        let base = self.place.path().display();
        let yaml = format!(
            "filebeat.inputs:\n  - type: log\n    paths: [\"{base}/logs/{name}.log\"]\n    \
             format_from: \"{base}/{}\"\noutput.console.enabled: true\n",
            self.conf
        );
        let path = self.place.path().join("shipper.yml");
        std::fs::write(&path, yaml).unwrap();
        let loaded = load_files(&[path], Vec::new(), Strictness::Lax, &|_| None);
        loaded.map(|loaded| loaded.settings.inputs[0].clone()).map_err(|error| error.to_string())
    }

    /// Returns the documents of a log once it has so many lines.
    pub fn documents(&self, name: &str, lines: usize) -> Vec<Value> {
        let path = self.place.path().join("logs").join(format!("{name}.log"));
        let count = || std::fs::read(&path).unwrap().iter().filter(|byte| **byte == b'\n').count();
        self.wait("all requests are logged", || lines <= count());
        let log = std::fs::read(&path).unwrap();
        let input = self.load(name).unwrap();
        let mut pipeline = Pipeline::new(&input, &shared()).unwrap();
        let path = path.to_str().unwrap();
        let (batches, consumed) = run(&mut pipeline, path, &log, BatchLimits::default());
        assert_eq!(consumed.bytes, log.len());
        let items =
            batches.iter().flat_map(|batch| (0..batch.items()).map(|item| batch.item(item)));
        let documents: Vec<Value> = items.map(|item| read_item(item).1).collect();
        let lost: Vec<&Value> =
            documents.iter().filter(|document| document["event"]["kind"].is_null()).collect();
        assert_eq!(consumed.unparsed, 0, "{name}: {lost:#?}");
        documents
    }
}
