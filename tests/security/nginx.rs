//! OpenSearch behind nginx, which speaks TLS, asks for a password and takes small bodies only.

use crate::delivery::main_job::{each_once, lines, paths};
use crate::shared;
use crate::support::authority::certify;
use crate::support::http;
use crate::support::shipper::{Place, wait_until};
use crate::support::web_server::WebServer;
use std::process::Command;

/// Largest body that nginx takes, in bytes.
const BODY_BYTES_MAX: usize = 20_000;

/// nginx before the server, in a place of its own.
struct Front {
    place: Place,
    port: u16,
    _nginx: WebServer,
}

impl Front {
    fn start() -> Self {
        let place = Place::new("");
        certify(place.path());
        std::fs::write(place.path().join("users"), "web:{PLAIN}opensesame-of-nginx\n").unwrap();
        let (port, base) = (http::free_port(), place.path().display());
        let plain = http::free_port();
        let conf = format!(
            "access_log off; client_max_body_size {BODY_BYTES_MAX};\n\
             server {{ listen 127.0.0.1:{plain}; return 204; }}\n\
             server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {base}/node.crt; \
             ssl_certificate_key {base}/node.key; auth_basic web; auth_basic_user_file {base}/users;\n\
             location / {{ proxy_pass http://127.0.0.1:{}; proxy_set_header Authorization \"\"; }} }}",
            shared().port
        );
        let nginx = WebServer::nginx(place.path(), plain, &conf);
        Self { place, port, _nginx: nginx }
    }

    fn configure(&self, index: &str, password: &str) {
        self.place.configure(&format!(
            "filebeat.inputs:\n  - {{type: log, paths: [\"{{logs}}/access.log\"]}}\n\
             output.elasticsearch: {{hosts: [\"https://127.0.0.1:{}\"], index: {index}, username: web, \
             password: {password}, compression_level: 0, backoff: {{init: 50ms, max: 200ms}}, \
             ssl.certificate_authorities: [\"{}/ca.crt\"]}}\n",
            self.port,
            self.place.path().display()
        ));
    }

    /// Runs `test output` and returns its exit code and what it printed.
    fn trial(&self) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shipper"));
        let output = command.current_dir(self.place.path()).args(["test", "output"]).output();
        let output = output.unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }
}

#[test]
fn every_line_is_stored_through_tls_and_in_pieces_that_nginx_takes() {
    let front = Front::start();
    front.configure("nginx-front", "opensesame-of-nginx");
    std::fs::write(front.place.log("access.log"), lines(1, 1_000)).unwrap();
    assert!(5 * BODY_BYTES_MAX < lines(1, 1_000).len());
    let (code, told) = front.place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("\"dead_letter\":0,"), "{told}");
    assert_eq!(paths(&shared().documents("nginx-front")), each_once(1, 1_000));
    assert!(!told.contains("opensesame"), "{told}");
}

#[test]
fn wrong_password_is_told_with_what_to_do_and_the_right_one_goes_on() {
    let front = Front::start();
    front.configure("nginx-password", "wrong-one");
    std::fs::write(front.place.log("access.log"), lines(1, 100)).unwrap();
    let running = front.place.start(&[]);
    wait_until("it says what is wrong and what to do", || {
        running.told().lines().any(|line| {
            line.contains("401")
                && line.contains("check username and password, or api_key, of output.elasticsearch")
        })
    });
    let (code, told) = running.stop();
    assert_eq!(code, 0, "{told}");
    assert!(shared().documents("nginx-password").is_empty());
    front.configure("nginx-password", "opensesame-of-nginx");
    let (code, told) = front.place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(paths(&shared().documents("nginx-password")), each_once(1, 100));
}

#[test]
fn trial_of_the_output_tells_what_answers_and_who_is_refused() {
    let front = Front::start();
    front.configure("nginx-trial", "opensesame-of-nginx");
    let (code, told) = front.trial();
    assert_eq!(code, 0, "{told}");
    let end = "  talk to server... OK
  version: opensearch 2.19.6
  authentication... the server has no security that can be asked (400)
  index template nginx-trial... missing, installed at the first connection of a run
";
    assert!(told.ends_with(end), "{told}");
    front.configure("nginx-trial", "wrong-one");
    let (code, told) = front.trial();
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("  talk to server... ERROR 401 "), "{told}");
    assert!(told.contains("check username and password"), "{told}");
    assert!(shared().documents("nginx-trial").is_empty());
}
