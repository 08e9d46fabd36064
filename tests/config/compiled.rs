//! Formats of web servers: what is taken, and how it is told what cannot be.

use shipper::settings::{Escape, Format, ServerFormat, WebServer};

use crate::load_text;

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
  hint: write a name in braces, as in `%{Name}i`
          %h %i
             ^^
"),
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
