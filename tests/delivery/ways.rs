//! Ways to a server: names whose address changes, and a real forward proxy (Apache's).

use super::main_job::{each_once, lines, paths};
use super::trouble::append;
use crate::shared;
use crate::support::authority::certify;
use crate::support::http;
use crate::support::shipper::{Place, wait_until};
use crate::support::web_server::WebServer;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Another address of this machine, at which the server's port is forwarded to it, until it is dropped.
struct Forwarded {
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
    address: (&'static str, u16),
}

impl Forwarded {
    fn start(address: &'static str, port: u16) -> Self {
        let listener = TcpListener::bind((address, port)).unwrap();
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let kept = Arc::clone(&open);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let mut kept = kept.lock().unwrap();
                let Some(kept) = kept.as_mut() else { return };
                kept.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                let pairs =
                    [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
                for (mut from, mut to) in pairs {
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { open, address: (address, port) }
    }
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        for stream in self.open.lock().unwrap().take().unwrap() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // It ends with its next connection.
        drop(TcpStream::connect(self.address));
    }
}

#[test]
fn delivery_goes_on_where_the_name_of_the_host_leads_now() {
    let port = shared().port;
    let place = Place::new(&format!(
        "filebeat.inputs:\n  - {{type: log, paths: [\"{{logs}}/access.log\"]}}\n\
         output.elasticsearch: {{hosts: [\"http://es.shipper.test:{port}\"], index: dns-test, \
         backoff: {{init: 100ms, max: 300ms}}}}\n"
    ));
    // In place: the file is mounted.
    let name_is_at = |line: &str| std::fs::write(place.path().join("hosts"), line).unwrap();
    name_is_at("");
    std::fs::write(
        place.path().join("resolv.conf"),
        "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    )
    .unwrap();
    let script =
        "mount --bind hosts /etc/hosts && mount --bind resolv.conf /etc/resolv.conf && exec \"$@\"";
    let shipper = env!("CARGO_BIN_EXE_shipper");
    let apart = ["unshare", "--mount", "sh", "-c", script, "sh", shipper];
    append(&place.log("access.log"), &lines(1, 100));
    let running = place.start_by(&apart, "data", &[]);
    wait_until("it says that the name is not known", || {
        let told = running.told();
        told.contains("Failed to connect to backoff(elasticsearch(http://es.shipper.test:")
            && told.contains("dns error")
    });
    let count = || shared().documents("dns-test").len();
    let other = Forwarded::start("127.0.0.2", port);
    name_is_at("127.0.0.2 es.shipper.test\n");
    wait_until("the first lines are there", || count() == 100);
    name_is_at("127.0.0.1 es.shipper.test\n");
    drop(other);
    append(&place.log("access.log"), &lines(101, 300));
    wait_until("all is there", || count() == 300);
    let (code, told) = running.stop();
    assert_eq!(code, 0, "{told}");
    assert_eq!(paths(&shared().documents("dns-test")), each_once(1, 300));
}

/// Password `opensesame-of-apache`, hashed.
const PROXY_USERS: &str = "web:{SHA}BzQdmdnEWvId8/kuW0OmCwF2RpE=\n";

/// Starts Apache as a forward proxy that asks for a password; it logs requests to `proxy.log`.
fn start_proxy(place: &Place, port: u16) -> WebServer {
    let base = place.path().display();
    let modules: Vec<String> = [
        "mpm_event",
        "authn_core",
        "authn_file",
        "authz_core",
        "authz_user",
        "auth_basic",
        "proxy",
        "proxy_http",
        "proxy_connect",
    ]
    .iter()
    .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"))
    .collect();
    let modules = modules.join("\n");
    std::fs::write(place.path().join("users"), PROXY_USERS).unwrap();
    let conf = format!(
        "ServerRoot {base}\nServerName proxy.example\nListen 127.0.0.1:{port}\nPidFile {base}/httpd.pid\n\
         DefaultRuntimeDir {base}\n{modules}\nUser www-data\nGroup www-data\nErrorLog {base}/error.log\n\
         LogFormat \"%u %m %U %>s\" own\nCustomLog {base}/proxy.log own\nProxyRequests On\nAllowCONNECT 1-65535\n\
         <Proxy \"*\">\nAuthType Basic\nAuthName proxy\nAuthUserFile {base}/users\nRequire user web\n</Proxy>\n"
    );
    std::fs::write(place.path().join("httpd.conf"), conf).unwrap();
    super::main_job::open_to_all(place.path());
    WebServer::start("/usr/sbin/apache2", &["-X", "-f", &format!("{base}/httpd.conf")], port)
}

#[test]
fn every_line_is_stored_through_a_proxy_that_asks_for_a_password() {
    let place = Place::new("");
    let port = http::free_port();
    let _proxy = start_proxy(&place, port);
    let configure = |host: &str, index: &str, password: &str| {
        place.configure(&format!(
            "filebeat.inputs:\n  - {{type: log, paths: [\"{{logs}}/{index}.log\"]}}\n\
             output.elasticsearch: {{hosts: [\"{host}\"], index: {index}, \
             proxy_url: \"http://web:{password}@127.0.0.1:{port}\", \
             backoff: {{init: 100ms, max: 300ms}}, ssl.certificate_authorities: [\"{}/ca.crt\"]}}\n",
            place.path().display()
        ));
    };
    // Plain HTTP, and a tunnel to TLS.
    certify(place.path());
    let (plain, secure) = (http::free_port(), http::free_port());
    let base = place.path().display();
    let http = format!(
        "access_log off; server {{ listen 127.0.0.1:{plain}; return 204; }}\n\
         server {{ listen 127.0.0.1:{secure} ssl; ssl_certificate {base}/node.crt; \
         ssl_certificate_key {base}/node.key; location / {{ proxy_pass {}; }} }}",
        shared().url()
    );
    let _nginx = WebServer::nginx(place.path(), plain, &http);
    let hosts = [shared().url(), format!("https://127.0.0.1:{secure}")];
    for (host, index) in hosts.iter().zip(["proxied-plain", "proxied-tls"]) {
        append(&place.log(&format!("{index}.log")), &lines(1, 200));
        configure(host, index, "opensesame-of-apache");
        let (code, told) = place.run(&["--once"]);
        assert_eq!(code, 0, "{told}");
        assert!(!told.contains("opensesame"), "{told}");
        assert_eq!(paths(&shared().documents(index)), each_once(1, 200), "{index}");
    }
    let log = std::fs::read_to_string(place.path().join("proxy.log")).unwrap();
    assert!(log.contains("/proxied-plain/_bulk?"), "{log}");
    assert!(log.contains(&format!("web CONNECT 127.0.0.1:{secure} 200")), "{log}");
    for (host, reason) in hosts.iter().zip(["407", "proxy authorization required"]) {
        configure(host, "proxied-plain", "wrong-one");
        let running = place.start(&[]);
        wait_until("it says what the proxy wants", || {
            let told = running.told();
            told.contains(reason) && told.contains("check user and password in proxy_url")
        });
        let (code, told) = running.stop();
        assert_eq!(code, 0, "{told}");
    }
}
