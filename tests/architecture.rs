//! The architecture as a test: who may import whom, and what may not occur where. The rules are those of
//! `ARCHITECTURE.md`; a failure names file, line and where the thing should live.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::assigning_clones,
    reason = "a test may fail, and reads the source"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Every unit and its layer. A unit is a file, with the files below it that its module declares privately; a public
/// child without a row has its parent's layer.
const LAYERS: &[(&str, u8)] = &[
    // 0: leaf logic.
    ("account", 0),
    ("acker", 0),
    ("certificates", 0),
    ("certificates::private_key", 0),
    ("dataset", 0),
    ("event", 0),
    ("follow", 0),
    ("hint", 0),
    ("identity", 0),
    ("json_text", 0),
    ("ledger", 0),
    ("limits", 0),
    ("packing", 0),
    ("position", 0),
    ("settings", 0),
    ("stats", 0),
    ("trail", 0),
    ("stats::backfill", 0),
    ("stats::counter", 0),
    ("stats::exposition", 0),
    ("stats::files", 0),
    ("stats::health", 0),
    ("stats::histogram", 0),
    ("stats::inputs", 0),
    ("stats::metrics", 0),
    ("stats::prometheus", 0),
    ("stats::rate", 0),
    ("stats::retries", 0),
    ("stats::rollup", 0),
    ("stats::snapshot", 0),
    ("status", 0),
    ("units", 0),
    ("wake", 0),
    ("discovery::glob", 0),
    ("listeners::framing", 0),
    ("logging::limiter", 0),
    ("outputs::retry", 0),
    ("parsers::timestamp", 0),
    ("parsers::zone", 0),
    ("registrar::format", 0),
    ("demo::generator", 0),
    // 1: composed logic.
    ("batch", 1),
    ("document", 1),
    ("enrich", 1),
    ("outputs::elasticsearch::bulk", 1),
    ("parsers", 1),
    ("parsers::access_log", 1),
    ("parsers::apache_error", 1),
    ("parsers::caddy", 1),
    ("parsers::ecs", 1),
    ("parsers::forwarded", 1),
    ("parsers::haproxy", 1),
    ("parsers::iis", 1),
    ("parsers::json_access", 1),
    ("parsers::json_lines", 1),
    ("parsers::known", 1),
    ("parsers::nginx_error", 1),
    ("parsers::php_fpm", 1),
    ("parsers::php_fpm_slow", 1),
    ("parsers::traefik", 1),
    ("parsers::values", 1),
    ("parsers::compiled", 1),
    ("parsers::own", 1),
    ("parsers::regex", 1),
    ("parsers::syslog", 1),
    ("assembly", 1),
    ("assembly::charset", 0),
    ("assembly::multiline", 0),
    ("assembly::terminator", 0),
    ("pipeline", 1),
    ("pool", 0),
    ("scan", 0),
    ("queue", 1),
    ("target", 1),
    // 2: edges, and the rooms where they meet.
    ("disk", 2),
    ("unpacked", 2),
    ("advice", 2),
    ("control", 2),
    ("discovery", 2),
    ("discovery::watch", 2),
    ("geoip", 2),
    ("harvester", 2),
    ("host", 2),
    ("listeners", 2),
    ("logging", 2),
    ("manager", 2),
    ("monitor", 2),
    ("outputs", 2),
    ("outputs::console", 2),
    ("outputs::dead_letters", 2),
    ("outputs::dead_letters::letter", 1),
    ("outputs::elasticsearch", 2),
    ("outputs::links", 2),
    ("registrar", 2),
    ("reporter", 2),
    ("reporter::process", 2),
    ("rescue", 2),
    ("spool", 2),
    ("tls", 2),
    // 3: configuration; its parts are of its layer.
    ("config", 3),
    // 4: assembly.
    ("app", 4),
    ("app::pulse", 4),
    ("cli", 4),
    ("commands", 4),
    ("demo", 4),
    ("demo::receiver", 4),
    ("demo::view", 4),
    ("main", 4),
];

/// Units of layer 2 in which the stages meet: every stage may import them.
const ROOMS: [&str; 7] = ["disk", "advice", "host", "rescue", "spool", "tls", "unpacked"];

/// What layers 0 and 1 may not do, and the door to it.
const IMPURE: [(&str, &str); 9] = [
    ("std::fs", "`disk`"),
    ("TcpStream", "`outputs`"),
    ("std::thread", "`app`"),
    ("tokio::", "`outputs` (the queue alone hands over to it)"),
    ("reqwest", "`outputs::elasticsearch`"),
    ("notify::", "`discovery::watch`"),
    ("Instant::now", "an argument"),
    ("SystemTime::now", "an argument"),
    ("println!", "`commands::report`"),
];

/// Imports that close a cycle, and why they stay: a problem is shown with its line, in which what the tree knows to be
/// secret is hidden, and the tree itself tells problems.
/// The layout of a document tries its own texts by writing with them.
const ALLOWED_CYCLES: [(&str, &str); 2] =
    [("config::problems", "config::mask"), ("document::layout", "document::item")];

/// A source file.
struct Source {
    path: String,
    module: String,
    /// Lines without comments, strings kept, tests left out (blank).
    code: Vec<String>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}

fn collect(root: &Path, directory: &Path, found: &mut Vec<Source>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
            continue;
        }
        let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let Some(stem) = relative.strip_suffix(".rs") else { continue };
        if stem.ends_with("tests") || stem == "lib" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        found.push(Source {
            module: stem.replace('/', "::"),
            path: format!("src/{relative}"),
            code: code_of(&text),
        });
    }
}

/// Blanks comments and everything from the tests on.
fn code_of(text: &str) -> Vec<String> {
    let mut code = Vec::new();
    for line in text.lines() {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        let trimmed = line.trim_start();
        let comment = trimmed.starts_with("//");
        code.push(if comment { String::new() } else { line.to_owned() });
    }
    code
}

/// Maps every module to its unit: itself, or the module above that declares it privately.
fn units(sources: &[Source]) -> BTreeMap<String, String> {
    let mut private = BTreeSet::new();
    for source in sources {
        for line in &source.code {
            if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
                private.insert(format!("{}::{name}", source.module));
            }
        }
    }
    let unit = |module: &str| {
        let mut unit = module.to_owned();
        while private.contains(&unit) {
            unit = unit.rsplit_once("::").unwrap().0.to_owned();
        }
        // What lies below a private module is a piece of it as well.
        let mut above = unit.clone();
        while let Some((parent, _)) = above.clone().rsplit_once("::") {
            if private.contains(&above) {
                unit = parent.to_owned();
            }
            above = parent.to_owned();
        }
        unit
    };
    sources.iter().map(|source| (source.module.clone(), unit(&source.module))).collect()
}

/// An import: from a unit to a unit, and where.
struct Edge {
    from: String,
    to: String,
    place: String,
}

fn edges(sources: &[Source], units: &BTreeMap<String, String>) -> Vec<Edge> {
    let mut edges = Vec::new();
    for source in sources {
        for (number, line) in source.code.iter().enumerate() {
            for path in paths_in(line, &source.module) {
                let Some(module) = longest_module(&path, units) else { continue };
                let (from, to) = (&units[&source.module], &units[&module]);
                if from != to {
                    edges.push(Edge {
                        from: from.clone(),
                        to: to.clone(),
                        place: format!("{}:{}", source.path, number + 1),
                    });
                }
            }
        }
    }
    edges
}

/// Returns the module paths that a line names through `crate::`, `super::` or `shipper::`, braces taken apart.
fn paths_in(line: &str, module: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (prefix, base) in [
        ("crate::", Some(String::new())),
        ("shipper::", Some(String::new())),
        (
            "super::super::",
            module
                .rsplit_once("::")
                .and_then(|(up, _)| up.rsplit_once("::"))
                .map(|(up, _)| format!("{up}::")),
        ),
        ("super::", module.rsplit_once("::").map(|(up, _)| format!("{up}::"))),
    ] {
        let Some(base) = base else { continue };
        for (at, _) in line.match_indices(prefix) {
            let before = line[..at].chars().next_back();
            if before
                .is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':')
            {
                continue;
            }
            let rest = &line[at + prefix.len()..];
            let end = rest
                .find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == ':'))
                .unwrap_or(rest.len());
            let stem = rest[..end].to_owned();
            if rest[end..].starts_with('{') {
                for name in rest[end + 1..].split([',', '}']) {
                    let name = name.trim().split(" as ").next().unwrap_or_default();
                    if name.starts_with(|letter: char| letter.is_alphabetic()) {
                        found.push(format!("{base}{stem}{name}"));
                    }
                }
            } else {
                found.push(format!("{base}{stem}"));
            }
        }
    }
    found
}

fn longest_module(path: &str, units: &BTreeMap<String, String>) -> Option<String> {
    let mut path = path.trim_end_matches("::").to_owned();
    loop {
        if units.contains_key(&path) {
            return Some(path);
        }
        path = path.rsplit_once("::")?.0.to_owned();
    }
}

/// Returns the layer of a unit: its own row's, or that of the unit above.
fn layer(unit: &str) -> Option<u8> {
    let own = LAYERS.iter().find(|(name, _)| *name == unit).map(|(_, layer)| *layer);
    own.or_else(|| layer(unit.rsplit_once("::")?.0))
}

fn fail_with(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_unit_stands_in_the_table() {
    let sources = sources();
    let units = units(&sources);
    let known: BTreeSet<&str> = units.values().map(String::as_str).collect();
    let mut faults: Vec<String> = known
        .iter()
        .filter(|unit| layer(unit).is_none())
        .map(|unit| format!("add to LAYERS in tests/architecture.rs: (\"{unit}\", LAYER),"))
        .collect();
    for (unit, _) in LAYERS {
        if !known.contains(unit) {
            faults.push(format!("remove from LAYERS in tests/architecture.rs: {unit} is no more"));
        }
    }
    fail_with(&faults);
}

#[test]
fn imports_go_to_the_same_layer_or_down() {
    let sources = sources();
    let units = units(&sources);
    let faults: Vec<String> = edges(&sources, &units)
        .iter()
        .filter(|edge| layer(&edge.from) < layer(&edge.to))
        .map(|edge| {
            format!(
                "{}: `{}` (layer {:?}) imports `{}` (layer {:?}): what it needs belongs into a unit of its own layer \
                 or below",
                edge.place, edge.from, layer(&edge.from), edge.to, layer(&edge.to)
            )
        })
        .collect();
    fail_with(&faults);
}

#[test]
fn a_child_never_imports_its_parent() {
    let sources = sources();
    let units = units(&sources);
    let faults: Vec<String> = edges(&sources, &units)
        .iter()
        .filter(|edge| edge.from.starts_with(&format!("{}::", edge.to)))
        .map(|edge| {
            format!(
                "{}: `{}` imports `{}` above it: what both need belongs into a unit beside the child",
                edge.place, edge.from, edge.to
            )
        })
        .collect();
    fail_with(&faults);
}

#[test]
fn no_stage_imports_another() {
    let sources = sources();
    let units = units(&sources);
    let stage = |unit: &str| unit.split("::").next().unwrap_or_default().to_owned();
    let faults: Vec<String> = edges(&sources, &units)
        .iter()
        .filter(|edge| layer(&edge.from) == Some(2) && layer(&edge.to) == Some(2))
        .filter(|edge| stage(&edge.from) != stage(&edge.to) && !ROOMS.contains(&&*edge.to))
        .map(|edge| {
            format!(
                "{}: stage `{}` imports stage `{}`: they meet in `follow`, `ledger`, `queue`, `batch`, `disk`, `stats`",
                edge.place, edge.from, edge.to
            )
        })
        .collect();
    fail_with(&faults);
}

#[test]
fn imports_make_no_cycle() {
    let sources = sources();
    let units = units(&sources);
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for edge in edges(&sources, &units) {
        if ALLOWED_CYCLES.contains(&(&*edge.from, &*edge.to)) {
            continue;
        }
        graph.entry(edge.from).or_default().insert(edge.to);
    }
    // Take away, again and again, what imports nothing that is left.
    loop {
        let left: BTreeSet<String> = graph.keys().cloned().collect();
        let free: Vec<String> = graph
            .iter()
            .filter(|(_, to)| !to.iter().any(|to| left.contains(to)))
            .map(|(from, _)| from.clone())
            .collect();
        if free.is_empty() {
            break;
        }
        for from in free {
            graph.remove(&from);
        }
    }
    let faults: Vec<String> =
        graph.iter().map(|(from, to)| format!("in a cycle: `{from}` imports {to:?}")).collect();
    fail_with(&faults);
}

#[test]
fn layers_0_and_1_are_pure() {
    let sources = sources();
    let units = units(&sources);
    let mut faults = Vec::new();
    for source in &sources {
        // The queue hands over to tokio: its channel is the one door between both worlds.
        if layer(&units[&source.module]) > Some(1) || source.module == "queue" {
            continue;
        }
        for (number, line) in source.code.iter().enumerate() {
            for (word, door) in IMPURE {
                if line.contains(word) {
                    let place = format!("{}:{}", source.path, number + 1);
                    faults
                        .push(format!("{place}: `{word}` in a pure layer: it belongs into {door}"));
                }
            }
        }
    }
    fail_with(&faults);
}

#[test]
fn the_page_names_each_unit_in_its_layer() {
    let page = std::fs::read_to_string("ARCHITECTURE.md").unwrap();
    let row = |layer: u8| page.lines().find(|line| line.starts_with(&format!("| {layer} | ")));
    let faults: Vec<String> = LAYERS
        .iter()
        .filter(|(unit, _)| !unit.contains("::"))
        .filter(|(unit, layer)| !row(*layer).is_some_and(|row| row.contains(&format!("`{unit}`"))))
        .map(|(unit, layer)| format!("ARCHITECTURE.md: `{unit}` is missing in layer {layer}"))
        .collect();
    fail_with(&faults);
}

#[test]
fn only_the_doors_open_files_and_only_the_assembly_spawns() {
    let mut faults = Vec::new();
    for source in sources() {
        let opens = ["disk::real", "config::files"].contains(&&*source.module)
            || source.module.starts_with("demo");
        let spawns = source.module.starts_with("app")
            || source.module.starts_with("demo")
            || source.module.starts_with("commands::run");
        for (number, line) in source.code.iter().enumerate() {
            let place = format!("{}:{}", source.path, number + 1);
            let file = ["std::fs::", "use std::fs", "File::open", "OpenOptions"];
            if !opens && file.iter().any(|word| line.contains(word)) && !line.contains("rustix") {
                faults.push(format!("{place}: files are opened in `disk` alone"));
            }
            if !spawns
                && ["thread::spawn", "thread::Builder"].iter().any(|word| line.contains(word))
            {
                faults.push(format!("{place}: threads are started in `app` alone"));
            }
        }
    }
    fail_with(&faults);
}

#[test]
fn files_and_functions_keep_to_their_size() {
    let mut faults = Vec::new();
    for source in sources() {
        if 600 < source.code.len() {
            faults.push(format!("{}: {} lines; split it", source.path, source.code.len()));
        }
        let mut open: Option<(usize, String)> = None;
        for (number, line) in source.code.iter().enumerate() {
            let trimmed = line.trim_start();
            let indent = &line[..line.len() - trimmed.len()];
            let words: Vec<&str> = trimmed.split([' ', '(']).collect();
            let function = words.iter().take(5).any(|word| *word == "fn");
            if function && !trimmed.ends_with(';') && open.is_none() {
                open = Some((number, format!("{indent}}}")));
            }
            if let Some((start, close)) = &open
                && line == close
            {
                if 70 < number - start + 1 {
                    let place = format!("{}:{}", source.path, start + 1);
                    faults.push(format!("{place}: {} lines; split it", number - start + 1));
                }
                open = None;
            } else if let Some((start, _)) = &open
                && *start == number
                && trimmed.ends_with('}')
            {
                open = None;
            }
        }
    }
    fail_with(&faults);
}
