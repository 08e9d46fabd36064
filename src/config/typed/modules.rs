//! `filebeat.modules`, `modules` and the files of `filebeat.config.modules`: each fileset becomes a stanza of an input.

use crate::config::check;
use crate::config::modules::{self, Fileset, Module, OF_FILEBEAT};
use crate::config::problems::{Place, Problem};
use crate::config::tree::{Entry, KeyText, Map, Merge, Node, Scalar, Value};
use crate::config::typed::value::At;
use crate::parsers::known::known;
use crate::settings::Namespace;

/// Where modules listen to syslog when nobody says otherwise, as in Filebeat.
const SYSLOG_HOST: &str = "localhost";
const SYSLOG_PORT: &str = "9001";

/// Returns the lists of modules, each with the spelling that it came in.
pub(super) fn lists<'a>(root: &At<'a>, files: &[At<'a>]) -> Vec<(At<'a>, Namespace)> {
    let own = [("filebeat.modules", Namespace::Filebeat), ("modules", Namespace::Own)];
    let own = own.map(|(path, namespace)| (root.get(path), namespace));
    let files = files.iter().map(|file| (file.clone(), Namespace::Filebeat));
    let lists = own.into_iter().chain(files);
    lists.filter(|(at, _)| at.node().is_some_and(|n| matches!(n.value, Value::List(_)))).collect()
}

/// Hands the stanza of each fileset on that is switched on.
///
/// `ids` are those that were given so far.
pub(super) fn filesets(at: &At<'_>, ids: &mut Vec<String>, take: &mut dyn FnMut(&At<'_>)) {
    let Some(Node { value: Value::Map(map), .. }) = at.node() else { return };
    if at.get("enabled").boolean() == Some(false) {
        return;
    }
    let Some((name, module)) = module(at) else { return };
    let mut filesets = 0;
    for entry in &map.entries {
        if matches!(entry.key.as_str(), "module" | "enabled" | "path") {
            continue;
        }
        let at = at.get(&entry.key);
        // One that is only named is switched on.
        let is_map = at.node().is_none_or(|node| matches!(node.value, Value::Map(_)));
        if is_map && at.get("enabled").boolean() == Some(false) {
            continue;
        }
        filesets += 1;
        // Of one that is not known, or no map, it was told already.
        if let Some(fileset) = module.fileset(&entry.key).filter(|_| is_map) {
            let id = new_id(module, fileset, ids);
            Stanza { at: &at, place: entry.place, module, fileset, id }.hand_on(take);
        }
    }
    if filesets == 0 {
        let names: Vec<String> =
            module.filesets.iter().map(|one| format!("`{}`", one.name)).collect();
        at.get("module").problem_with(
            format!("the module `{name}` has no fileset that is enabled"),
            format!(
                "set `enabled: true` below one of {}, or beside `module: {name}` set `enabled: false`",
                names.join(", ")
            ),
        );
    }
}

fn module(at: &At<'_>) -> Option<(String, &'static Module)> {
    let name_at = at.get("module");
    if !name_at.is_there() {
        at.problem_with(
            format!("`{}` has no `module`", at.path()),
            "add it, for example `module: nginx`",
        );
        return None;
    }
    let name = name_at.text()?;
    if let Some(module) = modules::module(&name) {
        if module.name != name {
            at.warn(format!("the module `{name}` is called `{}` now", module.name));
        }
        return Some((name, module));
    }
    let names: Vec<&str> = modules::MODULES.iter().map(|module| module.name).collect();
    if OF_FILEBEAT.contains(&name.as_str()) {
        name_at.problem_with(
            format!("the module `{name}` is not supported yet"),
            format!(
                "`{}` are; `enabled: false` beside it switches it off, and in `filebeat.inputs` its files can be read as \
                 they are",
                names.join("`, `")
            ),
        );
    } else {
        let place = name_at.place().expect("a text has a place");
        let problem = Problem::new(place, format!("there is no module `{name}`"));
        name_at.push(match check::nearest(&name, names.iter().copied()) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem.hint(format!("there are `{}`", names.join("`, `"))),
        });
    }
    None
}

/// Returns an id that no other fileset has.
fn new_id(module: &Module, fileset: &Fileset, ids: &mut Vec<String>) -> String {
    let base = format!("{}-{}", module.name, fileset.name);
    let mut id = base.clone();
    let mut number = 1;
    while ids.contains(&id) {
        number += 1;
        id = format!("{base}-{number}");
    }
    ids.push(id.clone());
    id
}

/// What the stanza of a fileset is made of.
struct Stanza<'a, 'n> {
    at: &'a At<'n>,
    place: Place,
    module: &'static Module,
    fileset: &'static Fileset,
    id: String,
}

impl Stanza<'_, '_> {
    fn hand_on(&self, take: &mut dyn FnMut(&At<'_>)) {
        let own = self.at.get("input");
        let by_syslog = self.by_syslog();
        if !by_syslog && self.has_no_paths(&own) {
            return;
        }
        if !self.may_ask_a_server(&own) {
            return;
        }
        let mut map = self.defaults(&own, by_syslog);
        if let Some(own) = own.node()
            && let Value::Map(own) = &own.value
        {
            let mut problems = Vec::new();
            for entry in &own.entries {
                let key = KeyText { text: entry.key.clone(), place: entry.place, quoted: false };
                map.insert(&key, entry.value.clone(), Merge::Override, &mut problems);
            }
            for problem in problems {
                self.at.push(problem);
            }
        }
        let node = Node { place: self.place, value: Value::Map(map) };
        let path = own.path().to_owned();
        let told = self.at.problems();
        take(&self.at.standing_at(&node, path.clone()));
        self.tell_of_variables(told, &path, by_syslog);
    }

    /// Returns what the module says, and the variables.
    fn defaults(&self, own: &At<'_>, by_syslog: bool) -> Map {
        let Fileset { paths, .. } = self.fileset;
        let kind = own.get("type").node().and_then(Node::text).unwrap_or("log");
        let mut entries = Vec::new();
        let mut put = |key: &str, value: Node| {
            let entry = Entry { key: key.to_owned(), place: self.place, value };
            entries.push(entry);
        };
        put("id", self.text(&self.id));
        if by_syslog {
            put("type", self.text("syslog"));
            put("protocol", self.protocol());
        } else {
            put("type", self.text(kind));
            put("paths", self.variable("paths").unwrap_or_else(|| self.texts(paths)));
            if !own.get("prospector.scanner.exclude_files").is_there() {
                put("exclude_files", self.texts(&[r"\.gz$"]));
            }
        }
        put("dataset", self.text(self.fileset.dataset.name));
        // What a pipeline of the server reads is sent as it is, unless something else is asked for.
        if !own.get("pipeline").is_there() {
            if !own.get("format_from").is_there() {
                put("format", self.text(self.fileset.format));
            }
            if self.fileset.names_agents() {
                put("enrich", self.map(vec![("user_agent", self.text("true"))]));
            }
        }
        let is_of_files = matches!(kind, "log" | "filestream");
        // Written out, so that a part of it may be another.
        let begins = known(self.fileset.format).and_then(|known| known.begins);
        if let Some(pattern) = begins
            && is_of_files
            && !own.get("parsers").is_there()
        {
            let multiline = self.map(vec![
                ("pattern", self.text(pattern)),
                ("negate", self.text("true")),
                ("match", self.text("after")),
            ]);
            if kind == "log" {
                put("multiline", multiline);
            } else {
                let parser = self.map(vec![("multiline", multiline)]);
                put("parsers", Node { place: self.place, value: Value::List(vec![parser]) });
            }
        }
        for key in ["tags", "timezone", "trusted_proxies"] {
            if let Some(value) = self.variable(key) {
                put(key, value);
            }
        }
        Map { entries }
    }

    /// Tells whether its lines come by syslog: they do unless files are asked for, or named.
    fn by_syslog(&self) -> bool {
        if !self.fileset.by_syslog {
            return false;
        }
        let at = self.at.get("var.input");
        if at.is_there() {
            return at.word(&["file", "syslog"]) == Some(1);
        }
        self.variable("paths").is_none() && !self.at.get("input.paths").is_there()
    }

    fn has_no_paths(&self, own: &At<'_>) -> bool {
        let is_missing = self.fileset.paths.is_empty()
            && self.variable("paths").is_none()
            && !own.get("paths").is_there();
        if is_missing {
            let (module, fileset) = (self.module.name, self.fileset.name);
            let problem = Problem::new(
                self.place,
                format!("the logs of `{module}`, fileset `{fileset}`, have no usual place here"),
            );
            self.at.push(problem.hint("say where they are: `var.paths: [/srv/logs/*.log]`"));
        }
        is_missing
    }

    /// Tells whether `format_from` is not there, or stands where lines have a format that a server's configuration says.
    fn may_ask_a_server(&self, own: &At<'_>) -> bool {
        let from = own.get("format_from");
        let has_none = !matches!(self.fileset.format, "apache" | "nginx" | "nginx_ingress");
        if has_none && from.is_there() {
            let (module, fileset) = (self.module.name, self.fileset.name);
            from.problem_with(
                format!("`{}` finds formats of Apache's and nginx's access logs, and `{module}`, fileset `{fileset}`, has others", from.path()),
                "leave it out: the module knows the format",
            );
        }
        !(has_none && from.is_there())
    }

    fn protocol(&self) -> Node {
        let text = |key: &str, default: &str| {
            self.at.get(key).text_if_any().unwrap_or_else(|| default.to_owned())
        };
        let host = text("var.syslog_host", SYSLOG_HOST);
        let host = format!("{host}:{}", text("var.syslog_port", SYSLOG_PORT));
        self.map(vec![("udp", self.map(vec![("host", self.text(&host))]))])
    }

    /// Returns what a variable says; an empty list says nothing.
    fn variable(&self, name: &str) -> Option<Node> {
        self.at.get(&format!("var.{name}")).node().filter(|node| !node.is_empty()).cloned()
    }

    fn text(&self, text: &str) -> Node {
        let scalar = Scalar { text: text.to_owned(), plain: false, expanded: false };
        Node { place: self.place, value: Value::Scalar(scalar) }
    }

    fn texts(&self, texts: &[&str]) -> Node {
        let items = texts.iter().map(|text| self.text(text)).collect();
        Node { place: self.place, value: Value::List(items) }
    }

    fn map(&self, entries: Vec<(&str, Node)>) -> Node {
        let place = self.place;
        let entry = |(key, value): (&str, Node)| Entry { key: key.to_owned(), place, value };
        let entries = entries.into_iter().map(entry).collect();
        Node { place, value: Value::Map(Map { entries }) }
    }

    /// Says in the problems of its stanza by which variable the operator has set what is wrong.
    fn tell_of_variables(&self, since: usize, path: &str, by_syslog: bool) {
        let fileset = self.at.path();
        let variable = |name: &str| format!("`{fileset}.var.{name}");
        self.at.rewrite(since, |problem| {
            for name in ["paths", "tags", "timezone", "trusted_proxies"] {
                let is_set = self.variable(name).is_some()
                    && !self.at.get(&format!("input.{name}")).is_there();
                if is_set {
                    let own = format!("`{path}.{name}");
                    problem.message = problem.message.replace(&own, &variable(name));
                }
            }
            if by_syslog {
                let own = format!("`{path}.protocol.udp.host");
                problem.message = problem.message.replace(&own, &variable("syslog_port"));
            }
        });
    }
}
