//! `modules list`, `enable` and `disable`.

use crate::rig::Place;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;

const CONFIG: &str =
    "filebeat.config.modules.path: ${path.config}/modules.d/*.yml\noutput.console: {}\n";

fn names(place: &Place) -> Vec<String> {
    let listed = std::fs::read_dir(place.path().join("modules.d")).unwrap();
    let mut names: Vec<String> =
        listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_somebody_wrote_is_not_overwritten_by_disabling() {
    let place = Place::new();
    place.write("shipper.yml", CONFIG);
    place.write("modules.d/nginx.yml", "- module: nginx\n  access: {}\n");
    place.write("modules.d/nginx.yml.disabled", "# my notes\n");
    let told = place.run(&["modules", "disable", "nginx"]);
    assert_eq!(told.code, 1);
    assert!(told.err.contains("remove or rename the one that is not wanted"), "{}", told.err);
    let notes = std::fs::read_to_string(place.path().join("modules.d/nginx.yml.disabled")).unwrap();
    assert_eq!(notes, "# my notes\n");
    assert_eq!(names(&place), ["nginx.yml", "nginx.yml.disabled"]);
}

#[test]
fn modules_are_switched_on_and_off_by_the_names_of_their_files() {
    let place = Place::new();
    place.write("shipper.yml", CONFIG);
    place.write("modules.d/apache.yml.disabled", "- module: apache\n  error: {}\n");
    place.write("modules.d/own.yml", "- module: apache\n  access: {}\n");
    place.write("modules.d/README", "");
    for (arguments, expected) in [
        (
            &["modules", "list"][..],
            "Enabled:\nown (not known here)\n\nDisabled:\napache\nhaproxy\niis\nnginx\ntraefik\n",
        ),
        (
            &["modules", "enable", "apache", "nginx"],
            "Enabled apache\nEnabled nginx, see modules.d/nginx.yml\n",
        ),
        (&["modules", "enable", "apache"], "Module apache is already enabled\n"),
        (
            &["modules", "list"],
            "Enabled:\napache\nnginx\nown (not known here)\n\nDisabled:\nhaproxy\niis\ntraefik\n",
        ),
        (&["modules", "disable", "nginx", "own"], "Disabled nginx\nDisabled own\n"),
        (&["modules", "disable", "nginx"], "Module nginx is already disabled\n"),
        (&["modules", "disable", "iis"], "Module iis is already disabled\n"),
    ] {
        let said = place.run(arguments);
        assert_eq!((said.code, &*said.out, &*said.err), (0, expected, ""), "{arguments:?}");
    }
    assert_eq!(names(&place), ["README", "apache.yml", "nginx.yml.disabled", "own.yml.disabled"]);
    // What an operator has written stays as it is.
    let text = std::fs::read_to_string(place.path().join("modules.d/apache.yml")).unwrap();
    assert_eq!(text, "- module: apache\n  error: {}\n");
}

#[test]
fn configuration_with_modules_that_were_switched_on_loads() {
    let place = Place::new();
    place.write("shipper.yml", CONFIG);
    place.run(&["modules", "enable", "apache", "haproxy", "nginx", "traefik"]);
    let said = place.run(&["test", "config"]);
    assert_eq!((said.code, &*said.out), (0, "Config OK\n"), "{}", said.err);
    let mode = std::fs::metadata(place.path().join("modules.d/nginx.yml")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777 & !0o644, 0);
    place.run(&["modules", "enable", "iis"]);
    let said = place.run(&["test", "config"]);
    assert_eq!(said.code, 78);
    assert!(said.err.contains("modules.d/iis.yml:3:3: the logs of `iis`"), "{}", said.err);
    // And one that makes it wrong is switched off all the same.
    assert_eq!(place.run(&["modules", "disable", "iis"]).code, 0);
    assert_eq!(place.run(&["test", "config"]).code, 0);
}

#[test]
fn name_that_is_none_changes_nothing() {
    let place = Place::new();
    place.write("shipper.yml", CONFIG);
    place.write("modules.d/web.yml.disabled", "");
    for (name, hint) in [
        ("ngnix", "did you mean `nginx`?"),
        ("wep", "did you mean `web`?"),
        ("postfix", "there are `apache`, `haproxy`, `iis`, `nginx`, `traefik`"),
        ("system", "it is not supported yet; `apache`, `haproxy`, `iis`, `nginx`, `traefik` are"),
    ] {
        for command in ["enable", "disable"] {
            let said = place.run(&["modules", command, "web", name]);
            let expected =
                format!("error: there is no module `{name}`; nothing was changed\nhint: {hint}\n");
            assert_eq!((said.code, &*said.out, said.err), (1, "", expected));
        }
    }
    assert_eq!(names(&place), ["web.yml.disabled"]);
    assert_eq!(place.run(&["modules", "enable"]).code, 2);
}

#[test]
fn directory_is_the_one_that_the_configuration_names() {
    let place = Place::new();
    place.write(
        "etc/shipper.yml",
        "filebeat.config.modules: {path: '${path.config}/mods/*.yaml'}\nnonsense: true\n",
    );
    place.write("etc/mods/nginx.yaml.disabled", "");
    let arguments = ["--path.config", "etc", "-c", "shipper.yml"];
    let said = place.run(&[&["modules", "enable", "nginx"][..], &arguments].concat());
    assert_eq!((said.code, &*said.out, &*said.err), (0, "Enabled nginx\n", ""));
    assert!(place.path().join("etc/mods/nginx.yaml").exists());
}

#[test]
fn files_that_nobody_reads_are_told() {
    let place = Place::new();
    let said = place.run(&["modules", "enable", "nginx"]);
    assert_eq!((said.code, &*said.out), (0, "Enabled nginx, see modules.d/nginx.yml\n"));
    let warning = "warning: files of modules are not read yet: set `filebeat.config.modules.path: \
                   ${path.config}/modules.d/*.yml` in the configuration\n";
    assert_eq!(said.err, warning);
    assert_eq!(place.run(&["modules", "list"]).err, warning);
    place.write("shipper.yml", format!("{CONFIG}filebeat.config.modules.enabled: false\n"));
    let said = place.run(&["modules", "enable", "apache"]);
    assert_eq!(
        said.err,
        "warning: files of modules are not read: `filebeat.config.modules.enabled` is false\n"
    );
    for path in ["modules.d/nginx.yml", "'modules*/*.yml'", "'modules.d/[a-z]*.yml'"] {
        place.write("shipper.yml", format!("filebeat.config.modules.path: {path}\n"));
        let said = place.run(&["modules", "list"]);
        assert_eq!(said.code, 1);
        assert!(said.err.contains("names no directory of modules\nhint: set "), "{}", said.err);
    }
}

#[test]
fn directory_that_cannot_be_written_is_told_with_what_to_do() {
    let place = Place::new();
    place.write("shipper.yml", CONFIG);
    place.write("modules.d", "no directory");
    let said = place.run(&["modules", "enable", "nginx"]);
    assert_eq!(
        (said.code, &*said.err),
        (
            1,
            "error: cannot list `modules.d`: not a directory\nhint: `modules.d` is to be a directory\n"
        )
    );
    std::fs::remove_file(place.path().join("modules.d")).unwrap();
    place.write("modules.d/nginx.yml.disabled", "");
    let data = place.path().join("modules.d");
    for (path, mode) in [(place.path(), 0o755), (&*data, 0o555)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    // Root may write everywhere, so this is another user, by a binary that it may reach.
    let binary = place.path().join("shipper");
    std::fs::copy(env!("CARGO_BIN_EXE_shipper"), &binary).unwrap();
    for (name, what) in [
        ("nginx", "rename `modules.d/nginx.yml.disabled`"),
        ("apache", "write `modules.d/apache.yml`"),
    ] {
        let output = std::process::Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(&binary)
            .args(["modules", "enable", name, "--strict.perms=false"])
            .current_dir(place.path())
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let expected = format!(
            "error: cannot {what}: permission denied\nhint: run this as the user that owns `modules.d`\n"
        );
        assert_eq!((output.status.code(), told), (Some(1), expected));
    }
}

/// For every format that a fileset may be given: its events say which module and fileset they come from.
#[test]
fn events_of_a_fileset_say_so_in_whichever_format_its_lines_are() {
    let line = r#"203.0.113.9 - - [21/Nov/2026:03:20:13 +0100] "GET / HTTP/1.1" 200 1 "-" "-""#;
    for (module, fileset, options, line, recognised) in [
        ("nginx", "access", "", line, true),
        ("nginx", "access", "", "of no format", false),
        ("nginx", "access", "input.format: {grok: '%{IP:source.ip} %{WORD:own}'}", "::1 a", true),
        ("nginx", "access", "input.format: {grok: '%{IP:source.ip} %{WORD:own}'}", "no", false),
        ("apache", "error", "input.format: {regex: {pattern: '^(?P<own>[a-z])$'}}", "a", true),
        ("apache", "access", "input.format: json_access", r#"{"status":200}"#, true),
        ("apache", "access", "input.pipeline: web", line, true),
        (
            "nginx",
            "access",
            "input: {pipeline: web, fields_under_root: true, fields: {event.own: 1}}",
            line,
            true,
        ),
        ("nginx", "ingress_controller", "", line, false),
        (
            "nginx",
            "access",
            "input: {type: filestream, pipeline: web, parsers: [{ndjson: {target: ''}}]}",
            r#"{"event":{"action":"of the line"},"message":"text"}"#,
            true,
        ),
    ] {
        let place = Place::new();
        place.write("access.log", format!("{line}\n"));
        let text = format!(
            "filebeat.modules:\n- module: {module}\n  {fileset}:\n    var.paths: [{}]\n    {options}\noutput.console: {{}}\n",
            place.path().join("access.log").display(),
        );
        place.write("shipper.yml", &text);
        let said = place.run(&["-c", "shipper.yml", "try", "access.log"]);
        let case = format!("{options} {line}: {} {}", said.out, said.err);
        let document: Value = serde_json::from_str(&said.out).expect(&case);
        assert_eq!(said.code == 0, recognised, "{case}");
        assert_eq!(document["event"]["module"], module, "{case}");
        assert_eq!(document["event"]["dataset"], format!("{module}.{fileset}"), "{case}");
        assert_eq!(document["fileset"]["name"], fileset, "{case}");
        assert_eq!(document["service"]["type"], module, "{case}");
        assert_eq!(said.out.matches("\"event\":").count(), 1, "{case}");
    }
}
