//! Real web servers under load, rotated by the configurations of their Debian packages.

use crate::http;
use crate::rig::{Logrotate, NO_GZ, Site};
use crate::shipper::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// Requests sent over one connection, one behind the other.
const PIPELINED: usize = 200;

/// The configuration that Debian's package of nginx installs.
const NGINX: &str = "/etc/logrotate.d/nginx";

/// As Debian's package of Apache has it, for its logs and its reload.
const APACHE: &str = "/var/log/apache2/*.log {
	daily
	missingok
	rotate 14
	compress
	delaycompress
	notifempty
	create 640 root adm
	sharedscripts
	prerotate
		if [ -d /etc/logrotate.d/httpd-prerotate ]; then
			run-parts /etc/logrotate.d/httpd-prerotate
		fi
	endscript
	postrotate
		RELOAD
	endscript
}
";

/// A web server that dies with the test.
struct WebServer(Child);

impl Drop for WebServer {
    fn drop(&mut self) {
        // Not killed: it must end its children.
        let pid = Pid::from_child(&self.0);
        let _ = kill_process(pid, Signal::TERM);
        let _ = self.0.wait();
    }
}

fn start_server(program: &str, arguments: &[&str], port: u16) -> WebServer {
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "--", program])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let server = WebServer(child);
    wait_until("the web server answers", || {
        http::raw(port, b"HEAD /ready HTTP/1.0\r\n\r\n").is_ok_and(|answer| !answer.is_empty())
    });
    server
}

/// Rotates while requests come in, and compares what is stored with all that the server has logged.
fn rotate_under_requests(site: &Site, rotate: &Logrotate, server: WebServer, port: u16) {
    let ended = AtomicBool::new(false);
    let shipper = site.ship();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !ended.load(Ordering::Relaxed) {
                let requests: String = (number..number + PIPELINED)
                    .map(|number| {
                        let last = if number % PIPELINED == PIPELINED - 1 {
                            "close"
                        } else {
                            "keep-alive"
                        };
                        format!("GET /{number} HTTP/1.1\r\nHost: x\r\nConnection: {last}\r\n\r\n")
                    })
                    .collect();
                // What a restart breaks off is not logged either.
                let _ = http::raw(port, requests.as_bytes());
                number += PIPELINED;
            }
        });
        for _ in 0..5 {
            site.wait_for(&shipper, site.receiver.documents() + 3000);
            rotate.force();
        }
        site.wait_for(&shipper, site.receiver.documents() + 1000);
        ended.store(true, Ordering::Relaxed);
    });
    // Until it has ended, it may write what it answered before.
    drop(server);
    let logged = site.lines_in_files();
    assert!(16_000 < logged.len());
    site.wait_for(&shipper, logged.len());
    site.stop(shipper);
    site.look_again();
    let tally = site.reckon(&logged, &logged);
    assert_eq!(tally.conflicts, 0);
}

#[test]
fn real_nginx_is_rotated_by_the_configuration_of_its_package() {
    let site = Site::new("real nginx", "access.log*", NO_GZ);
    let port = http::free_port();
    let base = site.place.path().display().to_string();
    let conf = format!(
        "daemon off; pid {base}/nginx.pid; error_log {base}/error.log crit; worker_processes 2; user root;\n\
         events {{ worker_connections 64; }}\n\
         http {{ client_body_temp_path {base}/t1; proxy_temp_path {base}/t2; fastcgi_temp_path {base}/t3;\n\
         uwsgi_temp_path {base}/t4; scgi_temp_path {base}/t5; access_log {base}/logs/access.log combined;\n\
         server {{ listen 127.0.0.1:{port}; return 204; }} }}\n"
    );
    std::fs::write(site.place.path().join("nginx.conf"), conf).unwrap();
    let arguments = ["-c", &format!("{base}/nginx.conf"), "-p", &base];
    let server = start_server("/usr/sbin/nginx", &arguments, port);
    let packaged = std::fs::read_to_string(NGINX).unwrap();
    let own = packaged
        .replace("/var/log/nginx/*.log", &format!("{base}/logs/*.log"))
        .replace("invoke-rc.d nginx rotate", &format!("kill -USR1 $(cat {base}/nginx.pid)"));
    assert!(own.contains(&format!("{base}/logs")) && own.contains("USR1"), "{packaged}");
    rotate_under_requests(&site, &Logrotate::of(&site, "nginx", &own), server, port);
}

#[test]
fn real_apache_is_restarted_by_the_configuration_of_its_package() {
    let site = Site::new("real apache", "access.log*", NO_GZ);
    let port = http::free_port();
    let base = site.place.path().display().to_string();
    std::fs::create_dir(site.place.path().join("www")).unwrap();
    let conf = apache_conf(site.place.path(), port);
    std::fs::write(site.place.path().join("apache.conf"), conf).unwrap();
    let conf = format!("{base}/apache.conf");
    let server = start_server("/usr/sbin/apache2", &["-D", "FOREGROUND", "-f", &conf], port);
    let own = APACHE
        .replace("/var/log/apache2", &format!("{base}/logs"))
        .replace("RELOAD", &format!("/usr/sbin/apache2 -f {conf} -k graceful"));
    rotate_under_requests(&site, &Logrotate::of(&site, "apache", &own), server, port);
}

fn apache_conf(base: &Path, port: u16) -> String {
    let (base, modules) = (base.display(), "/usr/lib/apache2/modules");
    format!(
        "ServerRoot {base}\nServerName x\nListen 127.0.0.1:{port}\nPidFile {base}/apache.pid\n\
         DefaultRuntimeDir {base}\nLoadModule mpm_event_module {modules}/mod_mpm_event.so\n\
         LoadModule authz_core_module {modules}/mod_authz_core.so\nMaxKeepAliveRequests 0\n\
         User www-data\nGroup www-data\nDocumentRoot {base}/www\nErrorLog {base}/error.log\n\
         LogFormat \"%h %l %u %t \\\"%r\\\" %>s %O \\\"%{{Referer}}i\\\" \\\"%{{User-Agent}}i\\\"\" combined\n\
         CustomLog {base}/logs/access.log combined\n"
    )
}
