//! The configuration: YAML to a tree that keeps positions, from it the typed settings, and all
//! problems at once.

pub mod check;
pub mod expand;
pub mod files;
pub mod keys;
pub mod mask;
pub mod module_files;
pub mod modules;
pub mod options;
pub mod problems;
pub mod read;
pub mod servers;
pub mod spelling;
pub mod stands;
pub mod syntax;
pub mod tree;
pub mod twice;
pub mod typed;
pub mod yaml;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::expand::{Environment, Reader};
use crate::config::files::Strictness;
use crate::config::module_files::{ModuleFiles, Pattern, Surroundings};
use crate::config::options::CommandLineValue;
use crate::config::problems::{Place, Problem, Problems, Source, SourceKind};
use crate::config::stands::Stands;
use crate::config::tree::{KeyText, Map, Merge, Node, Value};
use crate::config::typed::value::{At, Notes};
use crate::config::typed::{http, input, output, process};
use crate::settings::{OutputSettings, Settings};
use xxhash_rust::xxh3::Xxh3;

/// The texts of one load: files first, each winning over those before it, then single values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Paths as given, and what stands in the files.
    pub files: Vec<(PathBuf, String)>,
    /// Values of the command line.
    pub overrides: Vec<CommandLineValue>,
}

/// A configuration that can be started with.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// For every stage.
    pub settings: Settings,
    /// Keys that were accepted although they do nothing here, dotted; named in one line at start.
    pub unneeded: Vec<String>,
    /// What is odd, yet works.
    pub warnings: Vec<String>,
    /// `path.config`: where files that the configuration names are sought.
    pub config_directory: PathBuf,
    /// How often the files of modules are looked at again, if they are.
    pub reload: Option<Duration>,
    /// Where settings stand that name certificates and keys.
    pub stands: Stands,
}

/// Reads a configuration, with [`Strictness::Strict`].
///
/// # Errors
/// As [`load_as`].
pub fn load(sources: &Sources, environment: Environment<'_>) -> Result<Loaded, Problems> {
    load_as(sources, Strictness::Strict, environment)
}

/// Reads a configuration.
///
/// `environment` looks up variables. Of the disk, the files of `filebeat.config.modules` are read, and it is looked whether
/// any match the path of `filebeat.config.inputs`.
///
/// # Errors
/// All problems at once, each with its place.
pub fn load_as(
    sources: &Sources,
    strictness: Strictness,
    environment: Environment<'_>,
) -> Result<Loaded, Problems> {
    load_with(sources, strictness, environment, (Modules::Read, Reader::Delivers))
}

/// Reads a configuration for those who only look at what is there: variables may be unknown in what is needed for delivering,
/// and the settings of the output say which.
///
/// # Errors
/// As [`load_as`].
pub fn load_to_look(
    sources: &Sources,
    strictness: Strictness,
    environment: Environment<'_>,
) -> Result<Loaded, Problems> {
    load_with(sources, strictness, environment, (Modules::Read, Reader::Looks))
}

/// Reads a configuration as [`load_to_look`] does, as if there were no files of `filebeat.config.modules`; for those who
/// need no inputs.
///
/// # Errors
/// As [`load_as`].
pub fn load_without_module_files(
    sources: &Sources,
    strictness: Strictness,
    environment: Environment<'_>,
) -> Result<Loaded, Problems> {
    load_with(sources, strictness, environment, (Modules::LeftOut, Reader::Looks))
}

/// What is done with the files of `filebeat.config.modules`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Modules {
    /// They are read.
    Read,
    /// Nothing; there may be no input without them.
    LeftOut,
}

fn load_with(
    sources: &Sources,
    strictness: Strictness,
    environment: Environment<'_>,
    (wanted, reader): (Modules, Reader),
) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let raw = merged(sources, &mut problems);
    if !problems.is_empty() {
        return Err(Problems::new(problems, shown(sources), mask::secrets_of(&raw)));
    }
    let mut expanded = expand::expand(&raw, reader, environment, &mut problems);
    let count = sources.files.len() + sources.overrides.len();
    let surroundings = Surroundings { raw: &raw, environment, strictness, sources: count };
    let modules = match wanted {
        Modules::Read => ModuleFiles::read(&mut expanded, &surroundings, &mut problems),
        Modules::LeftOut => ModuleFiles::default(),
    };
    let expand::Expanded { root, failed, warnings, unknown } = expanded;
    let told = problems.len();
    let mut checked = check::check(&root, &mut problems);
    for list in &modules.lists {
        check::check_modules(list, IN_FILES, &mut checked, &mut problems);
    }
    let notes = Notes { warnings: warnings.into(), ..Notes::default() };
    notes.problems.replace(problems);
    let at = At::root(&root, &notes);
    let reload = process::reload(&at);
    let may_be_none = reload.is_some() || wanted == Modules::LeftOut;
    let (mut settings, places, config_directory) = settings(&at, &modules.lists, may_be_none);
    let Places { files, listeners } = places;
    let mut problems = notes.problems.take();
    let later = problems.split_off(told);
    problems.extend(
        later
            .into_iter()
            .filter(|problem| !problem.place.is_some_and(|place| failed.contains(&place))),
    );
    let mut shown = shown(sources);
    shown.extend(modules.sources);
    let mut secrets = mask::secrets_of(&root);
    for secret in modules.lists.iter().flat_map(mask::secrets_of) {
        mask::add_secret(&secret, &mut secrets);
    }
    if !problems.is_empty() {
        return Err(Problems::new(problems, shown, secrets));
    }
    let mut warnings = notes.warnings.take();
    warnings.extend(twice::once(&mut settings.inputs, files, &shown));
    if let OutputSettings::Elasticsearch(output) = &mut settings.output {
        output.unknown = unknown;
    }
    let stands = Stands::new(&at.get("output.elasticsearch"), listeners, shown, secrets);
    Ok(Loaded { settings, unneeded: checked.unneeded, warnings, config_directory, reload, stands })
}

/// Stands before the number of a module of a file in what is told.
const IN_FILES: &str = "modules";

/// Where the inputs stand.
struct Places {
    files: Vec<Place>,
    listeners: Vec<Place>,
}

/// Reads all parts; returns the places of the inputs and `path.config` as well, which no stage needs.
fn settings(at: &At<'_>, module_files: &[Node], reloads: bool) -> (Settings, Places, PathBuf) {
    let directories = process::directories(at);
    let paths = process::paths(&directories);
    process::one_value_only(at, &|pattern| {
        files::matching(&directories.config, pattern).is_empty()
    });
    let (output, queue) = output::output(at, &directories.config);
    let lists: Vec<At<'_>> =
        module_files.iter().map(|list| at.standing_at(list, IN_FILES.to_owned())).collect();
    let inputs = input::inputs(at, &lists, &directories.config, reloads);
    let settings = Settings {
        name: at.get("name").text_if_any(),
        inputs: inputs.files,
        listeners: inputs.listeners,
        output,
        queue,
        registry: process::registry(at, &paths.data),
        rescue: process::rescue(at),
        logging: process::logging(at, &paths.logs),
        http: http::http(at),
        limits: process::limits(at),
        shutdown_timeout: process::shutdown_timeout(at),
        paths,
    };
    let places = Places { files: inputs.places, listeners: inputs.listener_places };
    (settings, places, directories.config)
}

/// Returns where the files of modules are, as far as a configuration says it that may be wrong otherwise.
///
/// # Errors
/// When it is no YAML.
pub fn module_pattern(
    sources: &Sources,
    environment: Environment<'_>,
) -> Result<Pattern, Problems> {
    let mut problems = Vec::new();
    let raw = merged(sources, &mut problems);
    if !problems.is_empty() {
        return Err(Problems::new(problems, shown(sources), mask::secrets_of(&raw)));
    }
    Ok(module_files::pattern(
        &expand::expand(&raw, Reader::Delivers, environment, &mut problems).root,
    ))
}

/// Returns a checksum of what the files of modules are and hold now: whoever reads them again needs to only when it is another.
#[must_use]
pub fn modules_checksum(
    sources: &Sources,
    strictness: Strictness,
    environment: Environment<'_>,
) -> u64 {
    let Ok(Pattern { directory, path: Some(path), .. }) = module_pattern(sources, environment)
    else {
        return 0;
    };
    let mut hasher = Xxh3::new();
    for path in files::matching(&directory, &path) {
        let text = files::read_found(&path, strictness).unwrap_or_else(|error| error.to_string());
        for part in [path.as_os_str().as_encoded_bytes(), text.as_bytes()] {
            hasher.update(&part.len().to_le_bytes());
            hasher.update(part);
        }
    }
    hasher.digest()
}

/// Returns the configuration that is in force as nested YAML, defaults included and secrets masked.
#[must_use]
pub fn export(loaded: &Loaded) -> String {
    yaml::render(&loaded.settings, &loaded.config_directory)
}

/// Reads all sources into one tree.
fn merged(sources: &Sources, problems: &mut Vec<Problem>) -> Node {
    let start = Place { source: 0, line: 1, column: 1, length: 1 };
    let mut root = Map::default();
    for (index, (_, text)) in sources.files.iter().enumerate() {
        let node = read::read(index, text, problems);
        let Value::Map(map) = node.value else { continue };
        for entry in map.entries {
            let key = KeyText { text: entry.key, place: entry.place, quoted: false };
            root.insert(&key, entry.value, Merge::Override, problems);
        }
    }
    for (index, value) in sources.overrides.iter().enumerate() {
        options::insert(&mut root, sources.files.len() + index, value, problems);
    }
    Node { place: start, value: Value::Map(root) }
}

/// The texts that places point into.
fn shown(sources: &Sources) -> Vec<Source> {
    let files = sources.files.iter().map(|(path, text)| Source {
        name: path.display().to_string(),
        text: text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(),
        kind: SourceKind::File,
    });
    let overrides = sources.overrides.iter().map(|value| Source {
        name: value.name.clone(),
        text: value.text.clone(),
        kind: SourceKind::CommandLine,
    });
    files.chain(overrides).collect()
}

/// Reads the files and loads them in one step, where their texts are not needed again.
///
/// # Errors
/// When a file cannot be read or is not safe to use, and all problems of the configuration.
pub fn load_files(
    paths: &[PathBuf],
    overrides: Vec<CommandLineValue>,
    strictness: files::Strictness,
    environment: Environment<'_>,
) -> Result<Loaded, ConfigError> {
    let mut files = Vec::new();
    for path in paths {
        files.push((path.clone(), files::read(Path::new(path), strictness)?));
    }
    Ok(load_as(&Sources { files, overrides }, strictness, environment)?)
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] files::FileError),
    /// It was read and is wrong.
    #[error(transparent)]
    Problems(#[from] Problems),
}
