//! Configurations of both servers, as their packages and their operators write them.

use super::*;
use crate::discovery::glob::Pattern;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Files by their paths; patterns may end with `*`.
#[derive(Default)]
struct Tree(BTreeMap<PathBuf, String>);

impl Tree {
    fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect())
    }
}

impl Files for Tree {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        self.0.get(path).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }

    fn matching(&self, pattern: &Path) -> Vec<PathBuf> {
        let text = pattern.to_string_lossy();
        let (before, behind) = text.split_once('*').unwrap_or((&text, ""));
        let matches = |path: &&PathBuf| {
            let path = path.to_string_lossy();
            if text.contains('*') {
                path.starts_with(before) && path.ends_with(behind)
            } else {
                *path == *text
            }
        };
        self.0.keys().filter(matches).cloned().collect()
    }
}

/// Reads the logs of the first file: `path name text`, and where each is defined.
fn read(files: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let logs = logs(Path::new(files[0].0), &Tree::of(files)).map_err(|error| {
        // Of the advice what tells it from that of other problems is enough.
        let hint: Vec<&str> = error.hint.split_whitespace().take(4).collect();
        format!("{error} | {}", hint.join(" "))
    })?;
    let shown = logs.iter().map(|log| {
        let escape = match log.format.escape {
            crate::settings::Escape::Default => "",
            crate::settings::Escape::Json => "json ",
            crate::settings::Escape::None => "none ",
        };
        format!("{} {} {escape}{} ({})", log.path, log.name, log.format.text, log.spot)
    });
    Ok(shown.collect())
}

#[test]
fn nginx_is_read_with_its_includes_and_quotes() {
    let main = r#"
user www-data; # a comment; with { signs
events { worker_connections 768; }
http {
    log_format main '$remote_addr "$request" '
                    "$status \"$http_referer\"" ; log_format js escape=json '{"s":$status}';
    log_format 'quoted name' escape=none it\'s$status;
    include conf.d/*.conf;
    content_by_lua_block { local x = "}" }
    server {
        access_log /var/log/nginx/main.log main buffer=32k;
        access_log off;
        access_log syslog:server=10.0.0.1 main;
        location / { access_log "/var/log/nginx/$host.json" js if=$loud; }
        location ~ ^/a{2} { access_log /var/log/nginx/q.log "quoted name"; }
    }
}
"#;
    let seen = read(&[
        ("/etc/nginx/nginx.conf", main),
        (
            "/etc/nginx/conf.d/a.conf",
            "access_log /var/log/nginx/plain.log;\naccess_log logs/gz.log gzip;",
        ),
        ("/etc/nginx/conf.d/b.txt", "access_log /never.log;"),
    ]);
    let combined = format!("combined {COMBINED}");
    let expected = [
        format!("/var/log/nginx/plain.log {combined} (/etc/nginx/conf.d/a.conf:1)"),
        format!("logs/gz.log {combined} (/etc/nginx/conf.d/a.conf:2)"),
        r#"/var/log/nginx/main.log main $remote_addr "$request" $status \"$http_referer\" (/etc/nginx/nginx.conf:5)"#
            .to_owned(),
        r#"/var/log/nginx/*.json js json {"s":$status} (/etc/nginx/nginx.conf:6)"#.to_owned(),
        r"/var/log/nginx/q.log quoted name none it\'s$status (/etc/nginx/nginx.conf:7)".to_owned(),
    ];
    assert_eq!(seen, Ok(expected.to_vec()));
}

#[test]
fn nginx_without_a_log_has_that_of_its_package() {
    let seen = read(&[("/etc/nginx/nginx.conf", "events {} http { server { listen 80; } }")]);
    let expected =
        format!("/var/log/nginx/access.log combined {COMBINED} (/etc/nginx/nginx.conf:1)");
    assert_eq!(seen, Ok(vec![expected]));
}

#[test]
fn apache_is_read_as_debian_lays_it_out() {
    let main = r#"
# Global configuration
DefaultRuntimeDir ${APACHE_RUN_DIR}
Define root_log ${APACHE_LOG_DIR}/root
IncludeOptional mods-enabled/*.load
LogFormat "%v:%p %h \
%s" vhost_combined
LogFormat '%h "%r" %>s' combined
LogFormat "%h \"%r\"" common
<IfModule !mod_nothing.c>
    LogFormat "%h never" common
</IfModule>
<IfDefine root_log>
    CustomLog "${root_log}.log" combined env=!dontlog
</IfDefine>
<IfDefine unknown>
    <IfModule x> CustomLog never.log combined
    </IfModule>
    CustomLog never.log combined
</IfDefine>
IncludeOptional conf-enabled/*.conf
IncludeOptional sites-enabled/*.conf
IncludeOptional /nowhere/else.conf
"#;
    let site = r#"<VirtualHost *:80>
    LogFormat "%a site" combined
    CustomLog ${APACHE_LOG_DIR}/site.log combined
    customlog logs/own.log "%t \"%U\" %D"
    CustomLog "|/usr/bin/rotatelogs -l /var/log/apache2/piped.%Y-%m-%d.log 86400" common
    TransferLog t.log
    CustomLog "|/usr/bin/logger -t apache" common
</VirtualHost>
CustomLog ${NOT_SET}/x.log common
"#;
    let envvars = r#"unset HOME
if [ "${APACHE_CONFDIR##/etc/apache2-}" != "${APACHE_CONFDIR}" ] ; then
	SUFFIX="-${APACHE_CONFDIR##/etc/apache2-}"
else
	SUFFIX=
fi
export APACHE_RUN_DIR=/var/run/apache2$SUFFIX
export APACHE_LOG_DIR=/var/log/apache2$SUFFIX
"#;
    let seen = read(&[
        ("/etc/apache2/apache2.conf", main),
        ("/etc/apache2/envvars", envvars),
        (
            "/etc/apache2/conf-enabled/other.conf",
            "CustomLog ${APACHE_LOG_DIR}/other.log vhost_combined\n",
        ),
        ("/etc/apache2/sites-enabled/000.conf", site),
    ]);
    let expected = [
        r#"/var/log/apache2/root.log combined %h "%r" %>s (/etc/apache2/apache2.conf:8)"#,
        "/var/log/apache2/other.log vhost_combined %v:%p %h %s (/etc/apache2/apache2.conf:6)",
        "/var/log/apache2/site.log combined %a site (/etc/apache2/sites-enabled/000.conf:2)",
        r#"/etc/apache2/logs/own.log  %t \"%U\" %D (/etc/apache2/sites-enabled/000.conf:4)"#,
        r#"/var/log/apache2/piped.*-*-*.log common %h \"%r\" (/etc/apache2/apache2.conf:9)"#,
        r#"/etc/apache2/t.log  %h %l %u %t "%r" %>s %b (/etc/apache2/sites-enabled/000.conf:6)"#,
        r#"x.log common %h \"%r\" (/etc/apache2/apache2.conf:9)"#,
    ];
    assert_eq!(seen, Ok(expected.map(str::to_owned).to_vec()));
    let second = read(&[
        ("/etc/apache2-shop/apache2.conf", "CustomLog ${APACHE_LOG_DIR}/a.log CLF"),
        ("/etc/apache2-shop/envvars", envvars),
    ]);
    assert!(second.expect("it is read")[0].starts_with("/var/log/apache2-shop/a.log CLF %h"));
    let red_hat = read(&[
        (
            "/etc/httpd/conf/httpd.conf",
            "ServerRoot \"/etc/httpd\"\nInclude conf.d/*.conf\nCustomLog logs/a \"%h\"",
        ),
        ("/etc/httpd/conf.d/b.conf", "CustomLog logs/b \"%a\""),
    ]);
    assert_eq!(
        red_hat,
        Ok(vec![
            "/etc/httpd/logs/b  %a (/etc/httpd/conf.d/b.conf:1)".to_owned(),
            "/etc/httpd/logs/a  %h (/etc/httpd/conf/httpd.conf:3)".to_owned(),
        ])
    );
}

#[test]
fn what_is_wrong_is_told_with_file_and_line() {
    for (files, expected) in [
        (
            &[("/etc/nginx/nginx.conf", "http {\naccess_log /a.log main;\n}")][..],
            "/etc/nginx/nginx.conf:2: there is no `log_format main` | define it, or name",
        ),
        (
            &[("/etc/nginx/nginx.conf", "\nlog_format a 'x")],
            "/etc/nginx/nginx.conf:2: a quote is not closed | close it; `nginx -t`",
        ),
        (
            &[("/etc/nginx/nginx.conf", "\n\naccess_log /a.log")],
            "/etc/nginx/nginx.conf:3: `access_log` has no `;` at its end | write `;` behind its",
        ),
        (
            &[("/etc/nginx/nginx.conf", "log_format a escape=xml 'x';")],
            "/etc/nginx/nginx.conf:1: `escape=xml` is none of `default`, `json` and `none` | write one of them,",
        ),
        (
            &[("/etc/nginx/nginx.conf", "\ninclude mime.types;")],
            "/etc/nginx/nginx.conf:2: the included `/etc/nginx/mime.types` cannot be read: entity not found | put it there, or",
        ),
        (
            &[("/etc/nginx/nginx.conf", "include nginx.conf;")],
            "/etc/nginx/nginx.conf:1: its files include each other without end | take the line out",
        ),
        (
            &[("/etc/apache2/apache2.conf", "LogFormat %h shopp\nCustomLog a.log shop")],
            "/etc/apache2/apache2.conf:2: there is no `LogFormat` with the nickname `shop` | did you mean `shopp`?",
        ),
        (
            &[("/etc/apache2/apache2.conf", "LogFormat \"%h")],
            "/etc/apache2/apache2.conf:1: a quote is not closed | close it on that",
        ),
        (
            &[("/etc/apache2/apache2.conf", "\n\nInclude ports.conf")],
            "/etc/apache2/apache2.conf:3: the included `/etc/apache2/ports.conf` cannot be read: entity not found | put it there, or",
        ),
        (
            &[("/etc/apache2/apache2.conf", "Include apache2.conf")],
            "/etc/apache2/apache2.conf:1: its files include each other without end | take the line out",
        ),
    ] {
        assert_eq!(read(files), Err(expected.to_owned()));
    }
    for (text, expected) in [
        ("http {\naccess_log /a.log;\nlog_format;\n}", "define"),
        ("access_log;", "write the path"),
        ("log_format a escape=jsn x;", "did you mean `escape=json`?"),
        ("access_log /a.log combind;", "did you mean `combined`?"),
    ] {
        let told = read(&[("/etc/nginx/nginx.conf", text)]).expect_err(text);
        let is_of_format =
            text.contains("log_format;") && told.contains("`log_format` has no name");
        assert!(told.contains(expected) || is_of_format, "{text}: {told}");
    }
    let missing = logs(Path::new("/etc/nginx/nginx.conf"), &Tree::default()).unwrap_err();
    assert_eq!(missing.to_string(), "`/etc/nginx/nginx.conf` cannot be read: entity not found");
    assert!(missing.hint.starts_with("name the server's main file"), "{}", missing.hint);
}

#[test]
fn names_of_formats_are_those_of_their_block() {
    let main = "stream { log_format main '$protocol'; access_log /v/stream.log main; }\n\
                http { log_format main '$status'; access_log /v/http.log main; server { access_log /v/b{2}.log main; } }\n";
    let seen = read(&[("/etc/nginx/nginx.conf", main)]).expect("it is read");
    assert_eq!(seen[0], "/v/stream.log main $protocol (/etc/nginx/nginx.conf:1)");
    assert_eq!(seen[1], "/v/http.log main $status (/etc/nginx/nginx.conf:2)");
    let main = "stream { log_format other '$protocol'; access_log off; }\nhttp { server { } }";
    let seen = read(&[("/etc/nginx/nginx.conf", main)]).expect("it is read");
    assert!(seen[0].starts_with("/var/log/nginx/access.log combined "), "{seen:?}");
    let main = "stream { log_format other '$protocol'; }\nhttp { access_log /v/a other; }";
    let told = read(&[("/etc/nginx/nginx.conf", main)]).expect_err("it is of another block");
    assert!(told.starts_with("/etc/nginx/nginx.conf:2: there is no `log_format other`"), "{told}");
    let apache = "LogFormat \"%h own\" own\nLogFormat own\nTransferLog /v/a.log\nCustomLog /v/$site/${B}.log own";
    let seen = read(&[("/etc/apache2/apache2.conf", apache)]).expect("it is read");
    assert_eq!(
        seen,
        [
            "/v/a.log  %h own (/etc/apache2/apache2.conf:1)",
            "/v/*/*.log own %h own (/etc/apache2/apache2.conf:1)",
        ]
    );
}

#[test]
fn logs_of_rotating_programs_have_the_names_that_these_make() {
    for (command, expected) in [
        ("|rotatelogs /v/access.%Y.%m.%d 86400", &["/v/access.*.*.*"][..]),
        ("|/usr/bin/rotatelogs -l -f /v/a.%F.log 5M", &["/v/a.*.log"]),
        ("|$/usr/bin/rotatelogs -n 5 /v/a.log 1M", &["/v/a.log", "/v/a.log.*"]),
        (
            "||bin/rotatelogs -L /v/now -p /bin/pack /v/a.log 60",
            &["/v/now", "/v/a.log", "/v/a.log.*"],
        ),
        ("|/usr/sbin/cronolog --symlink=/v/now '/v/%Y/100%%.log'", &["/v/now", "/v/*/100%.log"]),
        ("|/usr/sbin/cronolog -S /v/now -z UTC /v/%Y.log", &["/v/now", "/v/*.log"]),
        ("|/usr/bin/logger -t apache", &[]),
        ("|bin/rotatelogs logs/a 60", &[]),
        ("|", &[]),
        ("syslog:local1", &[]),
    ] {
        let text = format!("CustomLog \"{command}\" %h");
        let seen = logs(Path::new("/etc/a.conf"), &Tree::of(&[("/etc/a.conf", &text)]));
        let seen = seen.expect("it is read");
        let seen: Vec<&str> = seen.iter().map(|log| &*log.path).collect();
        assert_eq!(seen, expected, "{command}");
    }
}

/// A log of some format.
fn log(path: &str) -> Log {
    let escape = crate::settings::Escape::Default;
    let format = ServerFormat { server: WebServer::Nginx, text: String::new(), escape };
    let spot = Spot { file: Rc::from(Path::new("/c")), line: 1 };
    Log { path: path.to_owned(), name: String::new(), format, spot }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    /// For every pattern and log, what the server may call the log is led to if the files of the pattern have that name;
    /// and of a log that is written out, only that, and what rotations make of it.
    #[test]
    fn property_paths_lead_to_what_their_files_are_called(
        pattern in r"(/([ab*?]|\[ab\]|\[\^a\]|\*\*){1,3}){1,3}", path in "(/[ab*]{1,3}){1,3}", value in "[ab]{0,2}",
    ) {
        let files = Pattern::parse(&pattern).expect("a pattern");
        let is_led_to = !chosen(&[log(&path)], std::slice::from_ref(&pattern)).is_empty();
        let name = path.replace('*', &value);
        let matches = |end: &str| files.matches(Path::new(&format!("{name}{end}")));
        let is_matched = ["", ".1", "-20260101", ".1.gz"].into_iter().any(matches);
        if path.contains('*') {
            let is_name = !name.contains("//") && !name.ends_with('/');
            prop_assert!(is_led_to || !is_matched || !is_name, "{} {}", pattern, name);
        } else {
            prop_assert_eq!(is_led_to, is_matched, "{} {}", pattern, name);
        }
    }
}

#[test]
fn paths_lead_to_logs_whichever_side_has_the_pattern() {
    let named = ["/v/access.log", "/v/ssl/access.log", "/v/a.d/x.log"];
    let varying =
        ["/v/*.log", "/v/day.*.*.*", "/srv/*/logs/*-access.log", "logs/host.log", "/v/[x].log"];
    for (path, expected) in [
        // Of those that are written out and those that may happen to be the same.
        ("/v/access.log", &["/v/access.log"][..]),
        ("/v/access.log*", &["/v/access.log"]),
        ("/v/access.log.1", &["/v/access.log"]),
        ("/v/access.log-2026*", &["/v/access.log"]),
        ("/v//./access.log", &["/v/access.log"]),
        ("/v/*.log", &["/v/access.log", "/v/*.log", "/v/[x].log"]),
        ("/v/*", &["/v/access.log", "/v/*.log", "/v/day.*.*.*", "/v/[x].log"]),
        ("/v/**/access.log", &["/v/access.log", "/v/ssl/access.log"]),
        // What differs from request to request.
        ("/v/a.example.org.log", &["/v/*.log"]),
        ("/v/a.example.org.log*", &["/v/*.log"]),
        ("/v/[ab].example.?rg.log", &["/v/*.log"]),
        ("/v/a.example.org.txt", &[]),
        ("/v/b/a.log", &[]),
        ("/v/day.2026.11.22", &["/v/day.*.*.*"]),
        ("/v/day.2026*", &["/v/*.log", "/v/day.*.*.*"]),
        ("/v/day.2026", &[]),
        ("/srv/shop/logs/de-access.log", &["/srv/*/logs/*-access.log"]),
        ("/srv/**", &["/srv/*/logs/*-access.log"]),
        ("/srv/*/logs/[^a-d]*-access.log", &["/srv/*/logs/*-access.log"]),
        // A class on our side, and the same signs as they stand in a server's.
        ("/v/ss[k-m]/access.log", &["/v/ssl/access.log"]),
        ("/v/ss[^k-m]/access.log", &[]),
        (r"/v/\[x].log", &["/v/[x].log"]),
        ("/v/[", &[]),
        // A relative one begins where the server was started.
        ("/usr/share/nginx/logs/host.log", &["logs/host.log"]),
        ("/usr/share/nginx/host.log", &[]),
    ] {
        let logs: Vec<Log> = named.iter().chain(&varying).map(|path| log(path)).collect();
        let seen = chosen(&logs, &[path.to_owned()]);
        let seen: Vec<&str> = seen.iter().map(|log| &*log.path).collect();
        assert_eq!(seen, expected, "{path}");
    }
}
