//! Modules: what each fileset reads where nobody says otherwise, what variables and `input` change, and files of `modules.d`.

use shipper::config::modules::MODULES;
use shipper::config::{Loaded, export};
use shipper::parsers::known::known;
use shipper::settings::reading::{LineParser, MultilineRule};
use shipper::settings::{Format, InputSettings, Listen, Namespace};
use std::path::Path;

use crate::load_text;
use crate::values::{check, make_pipe, settings};

fn load(modules: &str) -> Loaded {
    let text = format!("output.console: {{}}\nfilebeat.modules:\n{modules}\n");
    load_text(&text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The one fileset of a module, with lines below it.
fn fileset(module: &str, name: &str, lines: &str) -> Result<InputSettings, String> {
    let lines = lines.replace('\n', "\n        ");
    let text = format!(
        "output.console: {{}}\nfilebeat.modules:\n  - module: {module}\n    {name}:\n        {lines}\n"
    );
    settings(&text).map(|mut settings| {
        let sent_to = settings.listeners.pop().map(|listener| listener.input);
        settings.inputs.pop().or(sent_to).expect("an input")
    })
}

fn nginx_access(lines: &str) -> Result<InputSettings, String> {
    fileset("nginx", "access", lines)
}

fn nginx_error(lines: &str) -> Result<InputSettings, String> {
    fileset("nginx", "error", lines)
}

fn format(name: &str) -> Format {
    match name {
        "apache" => Format::Apache,
        "nginx" => Format::Nginx,
        name => Format::Known(known(name).expect("it is known").name),
    }
}

#[test]
fn user_agents_of_access_lines_are_taken_apart_as_the_pipelines_do_it() {
    for (module, name, lines, expected) in [
        ("apache", "access", "enabled: true", true),
        ("nginx", "access", "enabled: true", true),
        ("nginx", "ingress_controller", "enabled: true", true),
        ("nginx", "error", "enabled: true", false),
        ("haproxy", "log", "var.input: file", false),
        ("nginx", "access", "input.enrich.user_agent: false", false),
        ("nginx", "access", "input.enrich.geoip: [/a.mmdb]", true),
        ("nginx", "access", "input.pipeline: own", false),
    ] {
        let input = fileset(module, name, lines).expect("it is sound");
        assert_eq!(input.enrich.user_agent, expected, "{module}/{name}: {lines}");
    }
}

#[test]
fn each_fileset_reads_the_usual_files() {
    for (module, name, paths, of_format) in [
        (
            "apache",
            "access",
            &[
                "/var/log/apache2/access.log*",
                "/var/log/apache2/other_vhosts_access.log*",
                "/var/log/httpd/access_log*",
            ][..],
            "apache",
        ),
        (
            "apache",
            "error",
            &["/var/log/apache2/error.log*", "/var/log/httpd/error_log*"],
            "apache_error",
        ),
        ("nginx", "access", &["/var/log/nginx/access.log*"], "nginx"),
        ("nginx", "error", &["/var/log/nginx/error.log*"], "nginx_error"),
        ("nginx", "ingress_controller", &["/var/log/nginx/ingress.log*"], "nginx_ingress"),
        ("haproxy", "log", &["/var/log/haproxy.log*"], "haproxy"),
        ("traefik", "access", &["/var/log/traefik/access.log*"], "traefik"),
    ] {
        let lines = if module == "haproxy" { "var.input: file" } else { "enabled: true" };
        let input = fileset(module, name, lines).expect("valid");
        assert_eq!(input.paths, paths, "{module}.{name}");
        assert_eq!(input.exclude_files, [r"\.gz$"], "{module}.{name}");
        assert_eq!(input.format, format(of_format), "{module}.{name}");
        assert_eq!((&*input.kind, input.namespace), ("log", Namespace::Filebeat));
        assert_eq!(input.id, Some(format!("{module}-{name}")));
        assert_eq!(input.reading.parsers.is_empty(), (module, name) != ("nginx", "error"));
    }
}

#[test]
fn lines_of_the_error_log_of_nginx_are_joined() {
    check(
        nginx_error,
        |input| {
            let [LineParser::Multiline(multiline)] = &input.reading.parsers[..] else {
                return format!("{:?}", input.reading.parsers);
            };
            let MultilineRule::Pattern { pattern, negate, before, .. } = &multiline.rule else {
                return format!("{:?}", multiline.rule);
            };
            format!("{pattern} {negate} {before} {}", multiline.max_lines)
        },
        &[
            ("", r#""^\\d{4}/\\d{2}/\\d{2}  true false 500""#),
            ("input.type: filestream", r#""^\\d{4}/\\d{2}/\\d{2}  true false 500""#),
            ("input.pipeline: p", r#""^\\d{4}/\\d{2}/\\d{2}  true false 500""#),
            ("input.multiline.max_lines: 9", r#""^\\d{4}/\\d{2}/\\d{2}  true false 9""#),
            ("input.multiline: {pattern: a, negate: false}", r#""a false false 500""#),
            ("input:\n  type: filestream\n  parsers: []", r#""[]""#),
            ("input.multiline.pattern: '('", "`(` is no regular expression: unclosed group"),
        ],
    );
}

#[test]
fn filesets_are_on_unless_they_or_their_module_say_otherwise() {
    for (text, expected) in [
        ("[{module: nginx, access: }]", &["nginx-access"][..]),
        ("[{module: nginx, access: {}}]", &["nginx-access"]),
        ("[{module: nginx, access.enabled: true, error.enabled: false}]", &["nginx-access"]),
        ("[{module: nginx, error: {enabled: true}, access: }]", &["nginx-error", "nginx-access"]),
        (
            "[{module: nginx, enabled: false, acess: {pathss: a}}, {module: apache, error: }]",
            &["apache-error"],
        ),
        ("[{module: nginx, enabled: true, access: , nothing.enabled: false}]", &["nginx-access"]),
        ("[{module: apache2, access: }]", &["apache-access"]),
        (
            "[{module: nginx, access: }, {module: nginx, access.var.tags: [a]}]",
            &["nginx-access", "nginx-access-2"],
        ),
        ("[{module: system, enabled: false}, {module: nginx, access: }, ]", &["nginx-access"]),
        (
            "[{module: iis, access.var.paths: /srv/iis/*.log, error.enabled: false}]",
            &["iis-access"],
        ),
    ] {
        let loaded = settings(&format!("output.console: {{}}\nfilebeat.modules: {text}\n"));
        let loaded = loaded.unwrap_or_else(|said| panic!("{text}: {said}"));
        let ids: Vec<_> = loaded.inputs.iter().filter_map(|input| input.id.as_deref()).collect();
        assert_eq!(ids, expected, "{text}");
    }
}

#[test]
fn variables_stand_for_options_of_the_input() {
    check(
        nginx_access,
        |input| input.paths,
        &[
            ("var.paths: [/a, '/b/*.log']", r#"["/a", "/b/*.log"]"#),
            ("var.paths: /a", r#"["/a"]"#),
            ("var.paths: []", r#"["/var/log/nginx/access.log*"]"#),
            ("var.paths:", r#"["/var/log/nginx/access.log*"]"#),
            ("var: {paths: [/a]}", r#"["/a"]"#),
            ("input.paths: [/b]\nvar.paths: [/a]", r#"["/b"]"#),
            ("var.paths: [/a, b.log]", "`b.log` is not an absolute path"),
            (
                "var.paths: {a: b}",
                "`filebeat.modules[0].access.var.paths` takes a list of texts, found a map of keys",
            ),
            (
                "input.paths: {a: b}",
                "`filebeat.modules[0].access.input.paths` takes a list of texts, found a map of keys",
            ),
        ],
    );
    check(
        nginx_access,
        |input| input.tags,
        &[
            ("", "[]"),
            ("var.tags: [a, b]", r#"["a", "b"]"#),
            ("var.tags: [a]\ninput.tags: [b]", r#"["b"]"#),
            (
                "var.tags: [[a]]",
                "`filebeat.modules[0].access.var.tags[0]` takes a list of texts, found a list",
            ),
        ],
    );
    check(
        nginx_access,
        |input| input.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        &[
            ("", "[]"),
            ("var.trusted_proxies: [10.0.0.0/8, '::1']", r#"["10.0.0.0/8", "::1"]"#),
            ("input.trusted_proxies: 10.0.0.1", r#"["10.0.0.1"]"#),
            ("var.trusted_proxies: proxy", "`proxy` is no address and no network"),
        ],
    );
}

#[test]
fn options_of_an_input_stand_over_those_of_the_module() {
    check(
        nginx_access,
        |i| (i.kind, i.format, i.exclude_files, i.scan_interval),
        &[
            ("", r#"("log", Nginx, ["\\.gz$"], 10s)"#),
            ("input.type: filestream", r#"("filestream", Nginx, ["\\.gz$"], 10s)"#),
            (
                "input:\n  format: combined\n  exclude_files: []\n  scan_frequency: 3s",
                r#"("log", Combined, [], 3s)"#,
            ),
            (
                "input.prospector.scanner: {exclude_files: [a], check_interval: 3s}",
                r#"("log", Nginx, ["a"], 3s)"#,
            ),
            // What the server's pipeline reads is sent as it is.
            ("input.pipeline: p", r#"("log", Raw, ["\\.gz$"], 10s)"#),
            ("input: {pipeline: p, format: nginx}", r#"("log", Nginx, ["\\.gz$"], 10s)"#),
            (
                "input.scan_frequency: soon",
                "`filebeat.modules[0].access.input.scan_frequency` takes a duration such as `10s` or `1m30s`, found `soon`",
            ),
            (
                "input.scan_frequenci: 1s",
                "unknown key `filebeat.modules[0].access.input.scan_frequenci`",
            ),
            (
                "input.processors: [{add_locale: {}}]",
                "`filebeat.modules[0].access.input.processors` is not supported yet",
            ),
        ],
    );
}

#[test]
fn haproxy_listens_to_syslog_unless_files_are_asked_for() {
    for (lines, expected) in [
        ("enabled: true", "localhost:9001"),
        ("var.syslog_host: 0.0.0.0\n        var.syslog_port: 514", "0.0.0.0:514"),
        ("var.input: syslog\n        var.paths: [/a]", "localhost:9001"),
        ("var.paths: [/a]", "/a"),
        ("input.paths: [/b]", "/b"),
        ("var.input: file", "/var/log/haproxy.log*"),
    ] {
        let loaded = load(&format!("  - module: haproxy\n    log:\n        {lines}"));
        let listeners = loaded.settings.listeners.iter().map(|one| match &one.listen {
            Listen::Udp(host, _) => host.clone(),
            other => panic!("{other:?}"),
        });
        let paths = loaded.settings.inputs.iter().flat_map(|input| input.paths.clone());
        let all: Vec<String> = listeners.chain(paths).collect();
        assert_eq!(all, [expected], "{lines}");
    }
    check(
        |lines| fileset("haproxy", "log", lines),
        |input| input.kind,
        &[
            ("", r#""syslog""#),
            ("var.input: file", r#""log""#),
            (
                "var.input: tcp",
                "`filebeat.modules[0].log.var.input` cannot be `tcp`, only `file`, `syslog`",
            ),
            ("var.syslog_port: many", "`localhost:many` is not an address and a port"),
        ],
    );
}

#[test]
fn own_modules_go_to_the_streams_of_their_datasets() {
    let loaded = settings("output.console: {}\nmodules: [{module: nginx, access: }]\n").unwrap();
    assert_eq!(loaded.inputs[0].namespace, Namespace::Own);
}

#[test]
fn exported_modules_are_inputs_that_load_again() {
    let loaded = load(
        "  - {module: apache, access: {var.trusted_proxies: [10.0.0.0/8]}, error: }\n  - {module: nginx, error: }",
    );
    let again = load_text(&export(&loaded)).unwrap_or_else(|problems| panic!("{problems}"));
    let shown = |loaded: &Loaded| format!("{:#?}", loaded.settings.inputs);
    assert_eq!(shown(&again), shown(&loaded));
}

/// A configuration whose modules are in files.
fn load_directory(
    files: &[(&str, &str)],
    main: &str,
) -> (tempfile::TempDir, Result<Loaded, String>) {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("modules.d");
    std::fs::create_dir(&directory).unwrap();
    for (name, text) in files {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let text = format!(
        "path.config: {}\noutput.console: {{}}\nfilebeat.config.modules.path: ${{path.config}}/modules.d/*.yml\n{main}\n",
        place.path().display()
    );
    let loaded = load_text(&text).map_err(|problems| problems.to_string());
    (place, loaded)
}

#[test]
fn files_of_modules_are_read_in_the_order_of_their_names() {
    let (place, loaded) = load_directory(
        &[
            ("nginx.yml", "- module: nginx\n  access:\n    var.paths: ['${path.config}/a.log']\n"),
            ("apache.yml", "# Nothing but this.\n- module: apache\n  error: {enabled: true}\n"),
            ("traefik.yml.disabled", "- module: traefik\n  access: no module at all\n"),
            ("haproxy.yaml", "{"),
            ("empty.yml", "# - module: nginx\n"),
        ],
        "filebeat.inputs: [{type: log, id: own, paths: [/x]}]\nfilebeat.modules: [{module: nginx, error: }]",
    );
    let loaded = loaded.unwrap();
    let ids: Vec<_> =
        loaded.settings.inputs.iter().filter_map(|input| input.id.as_deref()).collect();
    assert_eq!(ids, ["own", "nginx-error", "apache-error", "nginx-access"]);
    let [path] = &loaded.settings.inputs[3].paths[..] else { panic!("one path") };
    assert_eq!(Path::new(path), place.path().join("a.log"));
}

#[test]
fn what_is_wrong_in_a_file_of_modules_is_told_with_its_place() {
    for (text, expected) in [
        (
            "- module: nginx\n  acces:\n    enabled: true\n",
            ":2:3: the module `nginx` has no fileset `acces`\n  2 |   acces:\n    |   ^^^^^\n  hint: did you mean `access`?\n",
        ),
        (
            "- module: nginx\n  access:\n    var.paths: ${none}\n",
            ":3:16: `none` is no key and no variable of the environment",
        ),
        (
            "- module: nginx\n  access.input.close_inactiv: 1s\n",
            ":2:16: unknown key `modules[0].access.input.close_inactiv`",
        ),
        ("module: nginx\naccess:\n", ":1:1: this file takes a list of modules"),
        ("- module: nginx\n  access: [\n", "this is not YAML"),
        ("- module: nginx\n", ":1:11: the module `nginx` has no fileset that is enabled\n"),
        (
            "- module: nginx\n  access.input.ssl.key_passphrase: verysecret\n",
            "`modules[0].access.input.ssl` is not supported yet",
        ),
    ] {
        let (place, loaded) = load_directory(&[("nginx.yml", text)], "");
        let said = loaded.unwrap_err();
        let file = place.path().join("modules.d/nginx.yml").display().to_string();
        assert!(said.contains(&file) && said.contains(expected), "{text}: {said}");
        assert!(!said.contains("verysecret"), "{said}");
    }
}

#[test]
fn files_of_modules_are_not_read_when_that_is_switched_off() {
    let (_place, loaded) = load_directory(
        &[("nginx.yml", "nonsense: [")],
        "filebeat.config.modules.enabled: false\nfilebeat.inputs: [{type: log, paths: [/x]}]",
    );
    assert_eq!(loaded.unwrap().settings.inputs.len(), 1);
}

#[test]
fn files_of_modules_that_others_may_change_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let (place, _) = load_directory(&[("nginx.yml", "- module: nginx\n  access:\n")], "");
    let file = place.path().join("modules.d/nginx.yml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let text = format!(
        "output.console: {{}}\nfilebeat.config.modules.path: {}\n",
        place.path().join("modules.d/*.yml").display()
    );
    let said = load_text(&text).unwrap_err().to_string();
    assert!(said.contains("can be written by others (mode 0666)"), "{said}");
    assert!(said.contains("hint: chmod go-w"), "{said}");
}

#[test]
fn pipes_and_directories_among_files_of_modules_are_told_and_not_waited_for() {
    let (place, _) = load_directory(&[], "");
    let at = |name: &str| place.path().join("modules.d").join(name);
    make_pipe(&at("pipe.yml"));
    std::os::unix::fs::symlink(place.path(), at("directory.yml")).unwrap();
    let text = format!(
        "output.console: {{}}\nfilebeat.config.modules.path: {}\n",
        place.path().join("modules.d/*.yml").display()
    );
    let said = load_text(&text).unwrap_err().to_string();
    for name in ["pipe.yml", "directory.yml"] {
        let path = at(name).display().to_string();
        let expected =
            format!("`{path}` is no configuration file: it is no file\n  hint: move it away");
        assert!(said.contains(&expected), "{said}");
    }
}

/// What `modules enable` writes can be started with, and with all that is commented out as well.
#[test]
fn files_that_are_written_for_modules_load() {
    for module in MODULES {
        let file = module.file();
        let usual = module.filesets.iter().filter(|fileset| fileset.is_usual).count();
        let paths = "var.paths: [/srv/x.log]";
        let text = file.replace("var.paths: []", paths);
        let (_place, loaded) = load_directory(&[("a.yml", &text)], "");
        let loaded = loaded.unwrap_or_else(|said| panic!("{said}"));
        assert_eq!(loaded.settings.inputs.len(), usual, "{text}");
        assert_eq!(loaded.unneeded, Vec::<String>::new());
        let is_key =
            |line: &str| line.trim_start().starts_with('#') && line.contains(['.', ':', '-']);
        let all: Vec<String> = text
            .lines()
            .map(|line| match line.trim_start().strip_prefix('#') {
                Some(rest) if is_key(line) && !rest.starts_with(' ') || line.contains("#  - /") => {
                    line.replacen('#', "", 1)
                }
                _ => line.to_owned(),
            })
            .collect();
        let (_place, loaded) = load_directory(&[("a.yml", &all.join("\n"))], "");
        let loaded = loaded.unwrap_or_else(|said| panic!("{said}\n{all:#?}"));
        assert_eq!(loaded.settings.inputs.len(), usual);
    }
}

#[test]
fn what_is_named_twice_is_read_once_and_what_two_inputs_read_is_told_with_both_places() {
    let nginx = "{type: log, paths: [/var/log/nginx/access.log], exclude_files: ['\\.gz$']}";
    let both = "the input at shipper.yml:3 and by that at shipper.yml:5";
    let twice = format!("is read by {both}: each of its lines is sent twice");
    for (input, modules, inputs, told) in [
        // The second is the same but for its name.
        (
            "{type: log, paths: [/a.log]}",
            "[{module: nginx, access: {}}, {module: nginx, access: {}}]",
            2,
            "are the same: that is read once".to_owned(),
        ),
        (
            "{type: log, paths: [/a.log]}",
            "[{module: nginx, access: {}}, {module: nginx, access: {var.tags: [a]}}]",
            3,
            "`/var/log/nginx/access.log*` is read by".to_owned(),
        ),
        (nginx, "[{module: nginx, access: {}}]", 2, format!("`/var/log/nginx/access.log` {twice}")),
        (
            "{type: log, paths: ['/var/log/nginx/access.log*']}",
            "[{module: nginx, access: {}}]",
            2,
            format!("`/var/log/nginx/access.log*` {twice}"),
        ),
        // What nobody can tell from the patterns, and what was left out on purpose.
        (
            "{type: log, paths: ['/var/log/nginx/a*']}",
            "[{module: nginx, access: {}}]",
            2,
            String::new(),
        ),
        (
            "{type: log, paths: [/var/log/nginx/access.log], exclude_files: [access]}",
            "[{module: nginx, access: {}}]",
            2,
            String::new(),
        ),
        (
            "{type: log, paths: ['/var/log/nginx/access.log*'], include_files: ['1$']}",
            "[{module: nginx, access: {}}]",
            2,
            String::new(),
        ),
    ] {
        let text = format!(
            "output.console: {{}}\nfilebeat.inputs:\n  - {input}\nfilebeat.modules:\n  {modules}\n"
        );
        let loaded = load_text(&text).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(loaded.settings.inputs.len(), inputs, "{text}");
        let warnings = loaded.warnings.join("\n");
        assert_eq!(warnings.is_empty(), told.is_empty(), "{text}{warnings}");
        assert!(warnings.contains(&told), "{text}{warnings}");
    }
}
