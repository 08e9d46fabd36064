//! Goes over the keys of modules: filesets, their variables, and the options of inputs in them.

use super::{Walk, join, nearest, no_keys_hint};
use crate::config::keys::{self, LISTENERS};
use crate::config::modules::{self, FILESETS_OF_FILEBEAT, Fileset, Module};
use crate::config::problems::Problem;
use crate::config::tree::{Entry, Map, Node, Value};

/// Variables of all filesets.
const VARIABLES: [&str; 4] = ["paths", "tags", "timezone", "trusted_proxies"];

impl Walk<'_> {
    /// Goes over a list of modules.
    pub(super) fn modules(&mut self, node: &Node, shown: &str) {
        let Value::List(items) = &node.value else {
            if !node.is_empty() {
                let message = format!("`{shown}` takes a list of modules, found {}", node.kind());
                let hint = "a module begins with `- module: nginx`";
                self.problems.push(Problem::new(node.place, message).hint(hint));
            }
            return;
        };
        for (index, item) in items.iter().enumerate() {
            let shown = format!("{shown}[{index}]");
            match &item.value {
                Value::Null => {}
                Value::Map(map) if item.is_disabled() || map.get("module").is_none() => {}
                Value::Map(map) => self.module(map, &shown),
                Value::Scalar(_) | Value::List(_) => {
                    let message = format!("`{shown}` takes keys, found {}", item.kind());
                    let hint = "a module begins with `- module: nginx`";
                    self.problems.push(Problem::new(item.place, message).hint(hint));
                }
            }
        }
    }

    fn module(&mut self, map: &Map, shown: &str) {
        let name = map.get("module").and_then(|entry| entry.value.text());
        // Of one that is not known only the name is told, by who reads it.
        let Some(module) = name.and_then(modules::module) else { return };
        for entry in &map.entries {
            if matches!(entry.key.as_str(), "module" | "enabled" | "path")
                || entry.value.is_disabled()
            {
                continue;
            }
            let shown = join(shown, &entry.key);
            match module.fileset(&entry.key) {
                Some(fileset) => self.fileset(&entry.value, fileset, &shown),
                None => self.no_fileset(entry, module),
            }
        }
    }

    fn no_fileset(&mut self, entry: &Entry, module: &Module) {
        let (name, key) = (module.name, entry.key.as_str());
        let names: Vec<&str> = module.filesets.iter().map(|fileset| fileset.name).collect();
        if FILESETS_OF_FILEBEAT.contains(&(name, key)) {
            let message =
                format!("the fileset `{key}` of the module `{name}` is not supported yet");
            let hint = format!("set `{key}.enabled: false`");
            return self.problems.push(Problem::new(entry.place, message).hint(hint));
        }
        let known = names.iter().copied().chain(["enabled"]);
        let hint = match nearest(key, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if key == "var" || key == "input" => {
                format!("it belongs into a fileset, as `{}.{key}`", names[0])
            }
            None if names.len() == 1 => format!("it has `{}` alone", names[0]),
            None => format!("it has `{}`", names.join("`, `")),
        };
        let message = format!("the module `{name}` has no fileset `{key}`");
        self.problems.push(Problem::new(entry.place, message).hint(hint));
    }

    fn fileset(&mut self, node: &Node, fileset: &Fileset, shown: &str) {
        let map = match &node.value {
            Value::Null => return,
            Value::Map(map) => map,
            Value::Scalar(_) | Value::List(_) => {
                let message = format!("`{shown}` takes keys, found {}", node.kind());
                let hint = "write `enabled: true` below it, indented by two spaces";
                return self.problems.push(Problem::new(node.place, message).hint(hint));
            }
        };
        for entry in &map.entries {
            let shown = join(shown, &entry.key);
            match entry.key.as_str() {
                "enabled" => {}
                "var" => self.variables(&entry.value, fileset, &shown),
                "input" => self.own_input(&entry.value, &shown),
                key => {
                    let is_variable =
                        VARIABLES.iter().chain(fileset.variables()).any(|v| *v == key);
                    let hint = match nearest(key, ["enabled", "var", "input"].into_iter()) {
                        _ if is_variable => format!("write it as `var.{key}`"),
                        _ if keys::class_of(&format!("filebeat.inputs.{key}")).is_some() => {
                            format!("write it as `input.{key}`")
                        }
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "a fileset has `enabled`, `var` and `input`".to_owned(),
                    };
                    let problem = Problem::new(entry.place, format!("unknown key `{shown}`"));
                    self.problems.push(problem.hint(hint));
                }
            }
        }
    }

    fn variables(&mut self, node: &Node, fileset: &Fileset, shown: &str) {
        let map = match &node.value {
            Value::Null => return,
            Value::Map(map) => map,
            Value::Scalar(_) | Value::List(_) => {
                let message = format!("`{shown}` takes keys below it, found {}", node.kind());
                let hint = "for example `var.paths: [/srv/logs/*.log]`";
                return self.problems.push(Problem::new(node.place, message).hint(hint));
            }
        };
        let known: Vec<&str> = VARIABLES.iter().chain(fileset.variables()).copied().collect();
        for entry in &map.entries {
            if known.contains(&entry.key.as_str()) {
                continue;
            }
            let hint = match nearest(&entry.key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here are `{}`", known.join("`, `")),
            };
            let message = format!("unknown variable `{}`", join(shown, &entry.key));
            self.problems.push(Problem::new(entry.place, message).hint(hint));
        }
    }

    fn own_input(&mut self, node: &Node, shown: &str) {
        match &node.value {
            Value::Null => {}
            Value::Map(map) => {
                let kind = map.get("type").and_then(|entry| entry.value.text());
                match kind.filter(|kind| LISTENERS.contains(kind)) {
                    Some(kind) => self.map(map, shown, &format!("listener.{kind}")),
                    None => self.map(map, shown, "filebeat.inputs"),
                }
            }
            Value::Scalar(_) | Value::List(_) => {
                let message = format!("`{shown}` takes keys below it, found {}", node.kind());
                let problem = Problem::new(node.place, message);
                self.problems.push(problem.hint(no_keys_hint(node, shown)));
            }
        }
    }
}
