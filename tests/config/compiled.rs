//! Formats of web servers: what is taken, and how it is told what cannot be.

use shipper::settings::{Escape, Format, ServerFormat, WebServer};

use crate::load_text;
use crate::values::make_pipe;

fn yaml(format: &str) -> String {
    format!(
        "filebeat.inputs:\n  - type: log\n    paths: [/a.log]\n    {format}\noutput.console.enabled: true\n"
    )
}

#[test]
fn format_strings_are_taken() {
    let combinedio = "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %I %O";
    for (written, server, text, escape) in [
        ("format: {apache: '%h \"%r\" %D'}", WebServer::Apache, "%h \"%r\" %D", Escape::Default),
        (
            r#"format: {apache: '"%h \"%r\" %D"'}"#,
            WebServer::Apache,
            r#"%h \"%r\" %D"#,
            Escape::Default,
        ),
        (r#"format: {apache: "\"%r\" %D"}"#, WebServer::Apache, "\"%r\" %D", Escape::Default),
        ("format: {apache: combinedio}", WebServer::Apache, combinedio, Escape::Default),
        ("format: {nginx: '$host $status'}", WebServer::Nginx, "$host $status", Escape::Default),
        (
            "format: {nginx: '$${host} $status'}",
            WebServer::Nginx,
            "${host} $status",
            Escape::Default,
        ),
        (
            "format: {nginx: '{\"s\":$status}', escape: json}",
            WebServer::Nginx,
            "{\"s\":$status}",
            Escape::Json,
        ),
        ("format: {nginx: 'escape=none  $a|$b'}", WebServer::Nginx, "$a|$b", Escape::None),
        ("format:\n      apache: |\n        %h %b\n", WebServer::Apache, "%h %b", Escape::Default),
        ("format.apache: '%h'", WebServer::Apache, "%h", Escape::Default),
    ] {
        let loaded = load_text(&yaml(written)).expect(written);
        let expected = Format::Compiled(ServerFormat { server, text: text.to_owned(), escape });
        assert_eq!(loaded.settings.inputs[0].format, expected, "{written}");
    }
}

#[test]
fn what_cannot_be_compiled_is_told_with_a_caret_under_it() {
    for (written, expected) in [
        ("format: {apache: '%t %h%l \"%r\"'}", "\
shipper.yml:4:26: nothing stands between `%h` and `%l`, so nobody can tell where one ends
  4 |     format: {apache: '%t %h%l \"%r\"'}
    |                          ^^^^
  hint: write something between them that neither holds, in the server's configuration as well, for example `%h %l` or `%h \"%l\"`
"),
        (r#"format: {apache: "\"%r\" %y"}"#, r#"
shipper.yml:4:30: Apache has no directive `%y`
  4 |     format: {apache: "\"%r\" %y"}
    |                              ^^
  hint: known are %a"#),
        ("format: {apache: 'LogFormat \"%h\" x'}", "\
shipper.yml:4:22: that is a whole `LogFormat` directive"),
        ("format: {nginx: 'log_format main $remote_addr'}", "\
shipper.yml:4:21: that is a whole `log_format` directive"),
        ("format: {nginx: $a ${status}", ""),
        ("format: {nginx: 'it''s $a $'}", "
shipper.yml:4:31: a dollar sign without the name of a variable
  4 |     format: {nginx: 'it''s $a $'}
    |                               ^
  hint: nginx knows no dollar sign"),
        ("format: {nginx: 'escape=json {$a$b}'}", "
shipper.yml:4:35: nothing stands between `$a` and `$b`, so nobody can tell where one ends
  4 |     format: {nginx: 'escape=json {$a$b}'}
    |                                   ^^^^
"),
        ("format:\n      apache: >-\n        %h\n        %i", "
shipper.yml:7:9: `%i` does not say of what
  7 |         %i
    |         ^^
  hint: write a name in braces, as in `%{Name}i`
"),
        ("format:\n      apache: |\n        %t %h%l %u\n", "
shipper.yml:6:12: nothing stands between `%h` and `%l`, so nobody can tell where one ends
  6 |         %t %h%l %u
    |            ^^^^
"),
        ("format:\n      apache: >-\n        %t\n        \\\"%r\\\"\n        %>s %y ä\n", "
shipper.yml:8:13: Apache has no directive `%y`
  8 |         %>s %y ä
    |             ^^
"),
        ("format:\n      apache: |\n        %t\n          %h\n", "
shipper.yml:6:11: a line end within a format makes several lines of one request
  6 |         %t
    |           ^
  hint: write a blank in its place; in YAML, lines behind `>-` are joined so, those behind `|` are not
"),
        ("format:\n      nginx: |\n\n        $status\n", "
shipper.yml:7:9: a line end within a format makes several lines of one request
"),
        ("format:\n      nginx: $remote_addr\n        $status\n        $a$b $c", "
shipper.yml:7:9: nothing stands between `$a` and `$b`, so nobody can tell where one ends
  7 |         $a$b $c
    |         ^^^^
"),
        ("format:\n      nginx: >-\n        $host\n        $", "
shipper.yml:7:9: a dollar sign without the name of a variable
  7 |         $
    |         ^
"),
        // What is written otherwise than it is read is drawn.
        ("format:\n      nginx: >-\n        $${host} $a$b", "
shipper.yml:6:9: nothing stands between `$a` and `$b`, so nobody can tell where one ends
  6 |         $${host} $a$b
    |         ^
  hint: write something between them that neither holds, in the server's configuration as well, for example `$a $b` or `$a \"$b\"`
          ${host} $a$b
                  ^^^^
"),
        ("format:\n      grok: >-\n        %{IP:client}\n        %{NUBMER:status}", "
shipper.yml:7:9: there is no pattern `NUBMER`"),
        ("format: {apache: combinde}", "
shipper.yml:4:22: `filebeat.inputs[0].format.apache` cannot be `combinde`, only `common`, `combined`, `combinedio`, \
`vhost_combined`, `vhost_common`, `referer`, `agent`, `ssl_request_log`
  4 |     format: {apache: combinde}
    |                      ^^^^^^^^
  hint: did you mean `combined`?
"),
        ("format: {apache: '%h', nginx: '$a'}", "`filebeat.inputs[0].format.nginx` is there as well: a format is of one"),
        ("format: {apache: '%h', escape: json}", "`escape` is only known for `nginx`"),
        ("format: {apach: '%h'}", "did you mean `apache`?"),
        ("format: {nginx: '$a', escape: xml}", "cannot be `xml`, only `default`, `json`, `none`"),
        ("format_from: /nowhere/nginx.conf", "`/nowhere/nginx.conf` cannot be read: No such file or directory"),
        ("format: auto\n    format_from: /etc/nginx/nginx.conf", "`filebeat.inputs[0].format` is there as well"),
    ] {
        let problems = load_text(&yaml(written)).expect_err(written).to_string();
        assert!(problems.contains(expected.trim_start_matches('\n')), "{written}:\n{problems}\n{expected}");
    }
}

#[test]
fn variables_near_one_of_nginx_are_told_and_taken() {
    for (text, expected) in [
        ("$remote_adr", Some("remote_addr")),
        ("\"$http_referrer\" ${http_user_agnet}", Some("http_referer")),
        ("$upstream_reponse_time", Some("upstream_response_time")),
        ("$remote_addr $tenant $http_x_shop $upstream_http_x_a $geoip2_data_city", None),
    ] {
        let loaded =
            load_text(&yaml(&format!("format: {{nginx: '{}'}}", text.replace("${", "$${"))));
        let warnings = loaded.expect(text).warnings;
        assert_eq!(warnings.is_empty(), expected.is_none(), "{text}: {warnings:?}");
        if let Some(near) = expected {
            let told = format!("did you mean `${near}`?");
            assert!(warnings[0].contains(&told), "{text}: {warnings:?}");
            assert!(warnings[0].starts_with("`filebeat.inputs[0].format.nginx` has `$"));
        }
    }
}

/// Writes a server's configuration into a directory of its own.
fn server(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("it can be written");
    let path = path.display().to_string();
    (directory, path)
}

const NGINX_CONF: &str = "http {\n  log_format own '$remote_addr $status';\n  log_format bad '$a$b';\n  \
                          access_log /v/access.log;\n  access_log /v/$host.log own;\n  access_log /v/bad.txt bad;\n}\n";

/// The format that an input of `paths` gets.
fn from(conf: &str, paths: &str) -> Result<Format, String> {
    let text = format!(
        "filebeat.inputs:\n  - {{type: log, paths: {paths}, format_from: '{conf}'}}\noutput.console: {{}}\n"
    );
    let loaded = load_text(&text).map_err(|problems| problems.to_string())?;
    Ok(loaded.settings.inputs[0].format.clone())
}

#[test]
fn format_is_found_in_the_configuration_of_a_server() {
    let own = |server, text: &str| {
        Format::Compiled(ServerFormat { server, text: text.to_owned(), escape: Escape::Default })
    };
    let (_directory, conf) = server("nginx.conf", NGINX_CONF);
    assert_eq!(
        from(&conf, "[/v/a.example.org.log]"),
        Ok(own(WebServer::Nginx, "$remote_addr $status"))
    );
    let combined = from(&conf, "[/v/access.log*]").expect("a format");
    assert!(matches!(combined, Format::Compiled(format) if format.text.contains("$http_referer")));
    let piped = "CustomLog \"|rotatelogs /var/log/apache2/access.%Y.%m.%d 86400\" \"%h %>s\"\n";
    let (_directory, conf) = server("apache2.conf", piped);
    for path in ["[/var/log/apache2/access.2026.11.22]", "[/var/log/apache2/access.*]"] {
        assert_eq!(from(&conf, path), Ok(own(WebServer::Apache, "%h %>s")), "{path}");
    }
}

#[test]
fn pipe_in_the_place_of_a_server_s_configuration_is_not_waited_for() {
    let (directory, _) = server("nginx.conf", "");
    let pipe = directory.path().join("pipe.conf");
    make_pipe(&pipe);
    let said = from(&pipe.display().to_string(), "[/v/a.log]").unwrap_err();
    assert!(said.contains("pipe.conf` cannot be read: it is no file"), "{said}");
}

#[test]
fn each_problem_of_a_server_s_configuration_says_what_to_do() {
    let (directory, conf) = server("nginx.conf", NGINX_CONF);
    let (_apache, silent) = server("apache2.conf", "ServerName a\n");
    let (_include, includes) = server("nginx.conf", "include gone.conf;\n");
    let here = directory.path().display().to_string();
    for (conf, paths, expected, hint) in [
        (
            &conf,
            "[/v/other.txt]",
            "has no log of requests that `paths` leads to",
            "let `paths` lead to one that it has: /v/acc",
        ),
        (&conf, "[/v/*.log]", "have several formats", "make an input for each of them"),
        (
            &conf,
            "[/v/bad.txt]",
            "nothing stands between `$a` and `$b`",
            "write something between them",
        ),
        (
            &silent,
            "[/v/a.log]",
            "has no log of requests that `paths` leads to",
            "it writes none to files: name the file",
        ),
        (&includes, "[/v/a.log]", "nginx.conf:1: the included `", "put it there, or take the line"),
        (&here, "[/v/a.log]", "cannot be read: Is a directory", "name the server's main file"),
    ] {
        let told = from(conf, paths).expect_err(paths);
        assert!(told.contains(expected), "{paths}: {told}");
        assert!(told.contains(&format!("  hint: {hint}")), "{paths}: {told}");
    }
}

#[test]
fn filesets_of_access_logs_may_ask_a_server_and_what_has_no_paths_may_not() {
    let (_directory, conf) = server("nginx.conf", NGINX_CONF);
    let fileset = |module: &str, fileset: &str, lines: &str| {
        load_text(&format!(
            "filebeat.modules: [{{module: {module}, {fileset}: {{{lines}, input.format_from: '{conf}'}}}}]\n\
             output.console: {{}}\n"
        ))
    };
    let loaded = fileset("nginx", "access", "var.paths: [/v/a.example.org.log]").expect("valid");
    let input = &loaded.settings.inputs[0];
    assert!(
        matches!(&input.format, Format::Compiled(format) if format.text == "$remote_addr $status")
    );
    assert!(input.enrich.user_agent);
    for (module, name, lines, expected) in [
        ("nginx", "error", "enabled: true", "and `nginx`, fileset `error`, has others"),
        ("haproxy", "log", "enabled: true", "and `haproxy`, fileset `log`, has others"),
        ("nginx", "access", "input.format: auto", "input.format` is there as well"),
        (
            "nginx",
            "access",
            "input.type: udp, input.host: ':9'",
            "finds the format by `paths`, and what is sent",
        ),
        (
            "nginx",
            "access",
            "var.format_from: x",
            "unknown variable `filebeat.modules[0].access.var.format_from`",
        ),
    ] {
        let told = fileset(module, name, lines).expect_err(lines).to_string();
        assert!(told.contains(expected), "{module} {name} {lines}: {told}");
        assert!(told.contains("hint: "), "{told}");
    }
    for kind in ["udp", "syslog", "stdin"] {
        let text = format!(
            "filebeat.inputs: [{{type: {kind}, format_from: '{conf}'}}]\noutput.console: {{}}\n"
        );
        let told = load_text(&text).expect_err(kind).to_string();
        let reason = format!("and what is sent to an input of type `{kind}` has none");
        assert!(told.contains(&reason), "{told}");
        assert!(told.contains("hint: write the server's own format"), "{told}");
    }
}
