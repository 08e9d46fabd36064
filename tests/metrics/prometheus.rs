//! A real Prometheus scrapes, and its own tool checks what it is given.

use crate::http::{self, free_port};
use crate::rig::{configuration, json, metrics, started, storing, wait_for_done};
use crate::shipper::{Place, wait_until};
use serde_json::Value;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

/// A Prometheus that dies with the test.
struct Prometheus {
    child: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    fn scraping(target: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let configuration = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n\
             - job_name: shipper\n  static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
        );
        let file = directory.path().join("prometheus.yml");
        std::fs::write(&file, configuration).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(directory.path().join("log")).unwrap())
            .spawn()
            .expect("`make packages` installs Prometheus");
        Self { child, port, _directory: directory }
    }

    /// Returns the value of an instant query, if there is one.
    fn value(&self, query: &str) -> Option<f64> {
        let query: String = query
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect();
        let request = format!("/api/v1/query?query={query}");
        let access = http::Access::default();
        let (_, body) = http::call(&access, self.port, "GET", &request, "").ok()?;
        let answer: Value = serde_json::from_str(&body).ok()?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

#[test]
fn real_prometheus_scrapes_and_knows_every_kind() {
    let (server, port) = (storing(), free_port());
    let place = Place::new(&configuration(&server.url(), port));
    std::fs::write(place.path().join("logs/o\"d\\d\nü.log"), "one\ntwo\n").unwrap();
    std::fs::write(place.log("a.log"), "three\n").unwrap();
    let running = started(&place, port);
    let prometheus = Prometheus::scraping(port);
    wait_for_done(port, 3);
    wait_until("it has scraped what was done", || {
        prometheus.value(r#"shipper_output_events_total{outcome="stored"}"#) == Some(3.0)
    });
    wait_until("files are told", || prometheus.value("count(shipper_file_lag_bytes)") == Some(2.0));
    for (query, expected) in [
        ("up", 1.0),
        ("shipper_ready", 1.0),
        ("sum(shipper_file_offset_bytes)", 14.0),
        (r#"shipper_file_offset_bytes{path=~".*/o\"d\\\\d\nü.log"}"#, 8.0),
        ("sum(shipper_audit_settled_bytes_total)", 14.0),
        ("shipper_audit_missing_bytes", 0.0),
        ("shipper_output_host_up", 1.0),
        (
            r#"shipper_output_request_duration_seconds_bucket{le="+Inf"} - on(output) shipper_output_request_duration_seconds_count"#,
            0.0,
        ),
        ("count(shipper_output_retries_total)", 8.0),
    ] {
        wait_until(query, || prometheus.value(query) == Some(expected));
    }
    let quantile = prometheus
        .value("histogram_quantile(0.9, shipper_output_request_duration_seconds_bucket)")
        .unwrap();
    assert!(0.0 < quantile && quantile < 60.0, "{quantile}");
    let kinds =
        http::call(&http::Access::default(), prometheus.port, "GET", "/api/v1/metadata", "");
    let kinds: Value = serde_json::from_str(&kinds.unwrap().1).unwrap();
    for (name, kind) in [
        ("shipper_events_total", "counter"),
        ("shipper_file_lag_seconds", "gauge"),
        ("shipper_output_request_duration_seconds", "histogram"),
        ("process_cpu_seconds_total", "counter"),
    ] {
        assert_eq!(kinds["data"][name][0]["type"], kind, "{name}");
    }
    assert_eq!(running.stop().0, 0);
}

#[test]
fn metrics_pass_the_tool_of_prometheus_and_agree_with_stats() {
    let (server, port) = (storing(), free_port());
    let place = Place::new(&configuration(&server.url(), port));
    std::fs::write(place.log("a.log"), "three\n").unwrap();
    let running = started(&place, port);
    wait_for_done(port, 1);
    let text = metrics(port);
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("`make packages` installs promtool");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
    let stats = json(port, "/stats");
    let told = crate::rig::sample(&text, "shipper_events_total");
    assert_eq!(told, stats["filebeat"]["events"]["added"].as_f64());
    assert_eq!(running.stop().0, 0);
}

#[test]
fn no_more_files_are_told_than_promised() {
    const FILES: usize = 130;
    let (server, port) = (storing(), free_port());
    let place = Place::new(&configuration(&server.url(), port));
    for number in 0..FILES {
        // The later ones have more that no line ends.
        let text = format!("one\n{}", "a".repeat(number));
        std::fs::write(place.log(&format!("{number:03}.log")), text).unwrap();
    }
    let running = started(&place, port);
    wait_for_done(port, FILES as u64);
    let lags = || {
        let text = metrics(port);
        let lines: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with("shipper_file_lag_bytes{"))
            .map(str::to_owned)
            .collect();
        lines
    };
    wait_until("the files are told", || lags().len() == 100);
    wait_until("they are the most lagging", || {
        (30..FILES).all(|number| {
            let end = format!("/{number:03}.log\"}} {number}");
            lags().iter().any(|line| line.ends_with(&end))
        })
    });
    assert_eq!(running.stop().0, 0);
}
