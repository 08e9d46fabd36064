//! Real senders: rsyslog, nginx, and Apache's pipe into logger.

use crate::rig::Rig;
use crate::secured::{certified, issuer, write};
use crate::shipper::wait_until;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A program that is killed when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command) -> Program {
    Program(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
}

/// Returns a port that nobody has, and that the system gives nobody who asks for any.
fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(20_000..30_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok()
            && UdpSocket::bind(("127.0.0.1", port)).is_ok()
        {
            return port;
        }
    }
}

fn get(port: u16, path: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nUser-Agent: test \"quoted\"\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
}

/// Starts an rsyslogd that hears by udp and forwards by `action`; returns where it hears.
fn rsyslog(place: &Path, action: &str) -> (Program, SocketAddr) {
    let port = free_port();
    let config = format!(
        "global(workDirectory=\"{0}\" maxMessageSize=\"32k\")\nmodule(load=\"imudp\")\n\
         input(type=\"imudp\" address=\"127.0.0.1\" port=\"{port}\" rcvbufSize=\"1m\")\n{action}\n",
        place.display()
    );
    std::fs::write(place.join("rsyslog.conf"), config).unwrap();
    let program = start(
        Command::new("/usr/sbin/rsyslogd")
            .args(["-n", "-f"])
            .arg(place.join("rsyslog.conf"))
            .arg("-i")
            .arg(place.join("rsyslog.pid")),
    );
    (program, SocketAddr::from(([127, 0, 0, 1], port)))
}

/// Returns the messages without the blank that rsyslog takes for their first character.
fn texts(rig: &Rig) -> Vec<String> {
    rig.receiver.messages().iter().map(|message| message.trim_start().to_owned()).collect()
}

fn forwarded_by(protocol: &str, framing: &str, forward: &str) {
    let rig = Rig::start(&format!(
        "  - {{type: syslog, protocol.{protocol}: {{host: '127.0.0.1:0'{framing}}}, format: auto}}"
    ));
    forwarded_to(&rig, forward);
}

/// Lets an rsyslogd forward to the only input of `rig`, and asserts that all that it hears arrives as it was.
fn forwarded_to(rig: &Rig, forward: &str) {
    const LINES: usize = 500;
    let target = rig.address().port();
    let action = format!("action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{target}\" {forward})");
    let (_program, address) = rsyslog(rig.place.path(), &action);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let line = |text: &str| format!("<13>Nov 21 03:20:13 web app[7]: {text}");
    wait_until("rsyslog forwards", || {
        let _ = socket.send_to(line("ready").as_bytes(), address);
        0 < rig.receiver.count()
    });
    let mut expected = Vec::new();
    for number in 0..LINES {
        // Some are longer than a packet's usual size.
        let text = format!(
            "number {number:05} {}",
            "x".repeat(if number % 50 == 0 { 3000 } else { number % 90 })
        );
        socket.send_to(line(&text).as_bytes(), address).unwrap();
        expected.push(text);
        if number % 50 == 49 {
            // A udp socket at either side may be full otherwise.
            wait_until("the line arrives", || {
                texts(rig).iter().any(|message| message == &expected[number])
            });
        }
    }
    wait_until("all arrive", || {
        texts(rig).iter().filter(|message| *message != "ready").count() == LINES
    });
    let received: Vec<String> =
        texts(rig).into_iter().filter(|message| message != "ready").collect();
    assert_eq!(received, expected);
    let documents = rig.receiver.documents();
    assert!(documents.iter().all(|document| {
        document["process"] == serde_json::json!({ "name": "app", "pid": 7 })
            && document["hostname"] == "web"
    }));
}

#[test]
fn rsyslog_forwards_lines_by_tcp() {
    forwarded_by("tcp", "", "protocol=\"tcp\" tcp_framing=\"traditional\"");
}

#[test]
fn rsyslog_forwards_counted_messages_by_tcp() {
    forwarded_by(
        "tcp",
        ", framing: rfc6587",
        "protocol=\"tcp\" tcp_framing=\"octet-counted\" template=\"RSYSLOG_SyslogProtocol23Format\"",
    );
}

#[test]
fn rsyslog_forwards_by_udp() {
    forwarded_by("udp", "", "protocol=\"udp\" template=\"RSYSLOG_ForwardFormat\"");
}

/// What an rsyslogd says of TLS that shows the certificate `name`.
fn over_tls(rig: &Rig, name: &str) -> String {
    let place = rig.place.path().display();
    format!(
        "streamDriver=\"gtls\" streamDriverMode=\"1\" streamDriverAuthMode=\"x509/name\" \
         streamDriverPermittedPeers=\"localhost\" streamDriver.CAFile=\"{place}/ca.pem\" \
         streamDriver.CertFile=\"{place}/{name}.pem\" streamDriver.KeyFile=\"{place}/{name}.key\" protocol=\"tcp\""
    )
}

#[test]
fn rsyslog_forwards_over_tls_and_is_heard_by_its_certificate() {
    let (ours, theirs) = (issuer(), issuer());
    let rig = Rig::at_rest(
        "  - {type: syslog, format: auto, protocol.tcp: {host: '127.0.0.1:0', framing: rfc6587, ssl: {certificate: server.pem, key: server.key, certificate_authorities: [ca.pem], client_authentication: required}}}",
    );
    write(&rig, &[("ca.pem", &ours.pem())]);
    for (name, issuer, owner) in [
        ("server", &ours, "localhost"),
        ("known", &ours, "web.example"),
        ("stranger", &theirs, "web.example"),
    ] {
        let (certificate, key) = certified(issuer, owner);
        write(&rig, &[(&format!("{name}.pem"), &certificate), (&format!("{name}.key"), &key)]);
    }
    let rig = rig.started();
    let stranger = format!(
        "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{}\" {} action.resumeInterval=\"1\")",
        rig.address().port(),
        over_tls(&rig, "stranger")
    );
    let (program, address) = rsyslog(rig.place.path(), &stranger);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    wait_until("the stranger is refused", || {
        let _ = socket.send_to(b"<13>Nov 21 03:20:13 web app[7]: secret", address);
        0 < rig.figure("errors")
    });
    drop(program);
    assert_eq!(rig.receiver.count(), 0);
    let framing = "tcp_framing=\"octet-counted\"";
    forwarded_to(&rig, &format!("{} {framing}", over_tls(&rig, "known")));
}

#[test]
fn nginx_logs_to_an_address_and_to_a_socket() {
    const REQUESTS: usize = 200;
    let rig = Rig::start(
        "  - {type: syslog, protocol.udp.host: '127.0.0.1:0', tags: [udp]}\n  \
           - {type: syslog, protocol.unix: {path: '{place}/log.sock', socket_type: datagram}, tags: [unix]}",
    );
    let (place, port) = (rig.place.path(), free_port());
    let config = format!(
        "daemon off;\nmaster_process off;\npid {0}/nginx.pid;\nerror_log {0}/error.log;\nevents {{}}\nhttp {{\n\
         client_body_temp_path {0}/t1;\nproxy_temp_path {0}/t2;\nfastcgi_temp_path {0}/t3;\nuwsgi_temp_path {0}/t4;\n\
         scgi_temp_path {0}/t5;\naccess_log syslog:server=127.0.0.1:{1},nohostname combined;\n\
         access_log syslog:server=unix:{0}/log.sock,tag=nginx_edge,severity=warn combined;\n\
         server {{ listen 127.0.0.1:{port}; location / {{ return 204; }} }}\n}}\n",
        place.display(),
        rig.address().port()
    );
    std::fs::write(place.join("nginx.conf"), config).unwrap();
    let _program = start(
        Command::new("/usr/sbin/nginx")
            .arg("-p")
            .arg(place)
            .arg("-c")
            .arg(place.join("nginx.conf")),
    );
    wait_until("nginx listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    for number in 0..REQUESTS {
        get(port, &format!("/page/{number:04}?q=1"));
        // The kernel queues ten datagrams of a socket in the file system, and nginx does not wait.
        if number % 4 == 3 {
            rig.receiver.wait_for(2 * number);
        }
    }
    wait_until("all arrive", || rig.receiver.count() == 2 * REQUESTS);
    for tag in ["udp", "unix"] {
        let documents = rig.receiver.documents();
        let of_tag = documents.iter().filter(|document| document["tags"][0] == tag);
        let mut paths: Vec<String> = of_tag
            .map(|document| {
                assert_eq!(document["event"]["dataset"], "nginx.access", "{document}");
                assert_eq!(document["http"]["response"]["status_code"], 204);
                assert_eq!(document["user_agent"]["original"], "test \"quoted\"");
                assert_eq!(document["event"]["severity"], if tag == "udp" { 6 } else { 4 });
                document["url"]["path"].as_str().unwrap().to_owned()
            })
            .collect();
        paths.sort();
        let expected: Vec<String> =
            (0..REQUESTS).map(|number| format!("/page/{number:04}")).collect();
        assert_eq!(paths, expected, "{tag}");
    }
}

#[test]
fn apache_pipes_its_log_into_logger() {
    const REQUESTS: usize = 100;
    let rig = Rig::start(
        "  - {type: syslog, protocol.udp.host: '127.0.0.1:0', tags: [udp]}\n  \
           - {type: syslog, protocol.tcp: {host: '127.0.0.1:0', framing: rfc6587}, tags: [tcp]}",
    );
    let ports: Vec<u16> = rig.addresses().iter().map(SocketAddr::port).collect();
    let (place, port) = (rig.place.path(), free_port());
    let modules: String = ["mpm_event", "authz_core", "log_config"]
        .iter()
        .filter(|name| Path::new(&format!("/usr/lib/apache2/modules/mod_{name}.so")).exists())
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    let config = format!(
        "ServerRoot {0}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {0}/apache.pid\n{modules}\
         User www-data\nGroup www-data\nDocumentRoot {0}\nErrorLog {0}/error.log\n\
         LogFormat \"%h %l %u %t \\\"%r\\\" %>s %O \\\"%{{Referer}}i\\\" \\\"%{{User-Agent}}i\\\"\" combined\n\
         CustomLog \"|/usr/bin/logger -t httpd -n 127.0.0.1 -P {1} --udp\" combined\n\
         CustomLog \"|/usr/bin/logger -t httpd -n 127.0.0.1 -P {2} -T --octet-count\" combined\n",
        place.display(),
        ports[0],
        ports[1]
    );
    std::fs::write(place.join("apache.conf"), config).unwrap();
    let _program =
        start(Command::new("/usr/sbin/apache2").arg("-X").arg("-f").arg(place.join("apache.conf")));
    wait_until("apache listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    for number in 0..REQUESTS {
        get(port, &format!("/page/{number:04}"));
    }
    wait_until("all arrive", || {
        let documents = rig.receiver.documents();
        let pages = documents.iter().filter(|document| {
            document["url"]["path"].as_str().is_some_and(|path| path.starts_with("/page/"))
        });
        pages.count() == 2 * REQUESTS
    });
    for tag in ["udp", "tcp"] {
        let documents = rig.receiver.documents();
        let of_tag = documents.iter().filter(|document| document["tags"][0] == tag);
        let mut paths: Vec<String> = of_tag
            .filter_map(|document| {
                let path =
                    document["url"]["path"].as_str().filter(|path| path.starts_with("/page/"))?;
                assert_eq!(document["event"]["dataset"], "apache.access", "{document}");
                assert_eq!(document["process"]["name"], "httpd");
                assert_eq!(document["user_agent"]["original"], "test \"quoted\"");
                Some(path.to_owned())
            })
            .collect();
        paths.sort();
        let expected: Vec<String> =
            (0..REQUESTS).map(|number| format!("/page/{number:04}")).collect();
        assert_eq!(paths, expected, "{tag}");
    }
}
