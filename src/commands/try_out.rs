//! `shipper try`: the documents that lines become.

use super::pretty::{Colours, Ink, push_json};
use super::report::{self, Failure, err};
use super::trial::{Counts, Found, Opened, Trial, Viewer};
use super::{BAD_USAGE, FAILED};
use crate::advice;
use crate::cli::{ConfigArgs, TryArgs};
use crate::config::options::{CommandLineValue, Reading};
use crate::config::{self, Loaded, Sources};
use crate::discovery::glob::Pattern;
use crate::disk::RealDisk;
use crate::enrich::GeoTables;
use crate::geoip::GeoFiles;
use crate::hint::{self, Advised};
use crate::settings::{Format, InputSettings, Settings};
use std::io::{self, BufWriter, IsTerminal as _, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Exit code when not all lines were recognised.
const UNRECOGNISED: u8 = FAILED;

/// Exit code when the lines cannot be read.
const UNREADABLE: u8 = BAD_USAGE;

/// Numbers of lines that were not recognised that are told.
const TOLD_MAX: usize = 5;

/// Shows what lines become.
pub(super) fn run(config: &ConfigArgs, args: &TryArgs) -> Result<ExitCode, Failure> {
    let is_stdin = args.file.as_os_str() == "-";
    let path = if is_stdin {
        PathBuf::new()
    } else {
        std::path::absolute(&args.file).unwrap_or_else(|_| args.file.clone())
    };
    let (settings, input) = chosen(config, args, &path)?;
    let tables = Arc::new(GeoTables::new(input.enrich.geoip.iter().cloned()));
    let mut databases = GeoFiles::new(Arc::clone(&tables));
    look_at(&mut databases);
    let mut trial = Trial::new(&settings, &input, &path, tables)?;
    let mut reader: Box<dyn Read> = if is_stdin {
        Box::new(io::stdin().lock())
    } else {
        match Opened::open(&args.file) {
            Ok(file) => Box::new(file),
            Err(error) => {
                err(&hint::report(&error, &[]));
                return Ok(ExitCode::from(UNREADABLE));
            }
        }
    };
    let mut screen = Screen::new(args.limit);
    let read = trial.run(&mut *reader, &mut screen);
    match screen.failed {
        // Who reads no further wants no more, and no summary of it.
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
        Some(error) => return Err(error.into()),
        None => {}
    }
    // What is damaged inside is known when an address was looked for there.
    look_at(&mut databases);
    let counts = trial.counts();
    summarise(&input.format, counts, &screen);
    if counts.unrecognised != 0 && !is_stdin {
        let file = hint::one_line(&args.file.to_string_lossy());
        err(&format!("hint: `shipper detect {file}` tells which format its lines have"));
    }
    if let Err(error) = read {
        let shown = args.file.display();
        let reason = advice::reason(&error);
        err(&format!("error: cannot read all of `{shown}`: {reason}"));
        return Ok(ExitCode::from(UNREADABLE));
    }
    Ok(if counts.unrecognised == 0 { ExitCode::SUCCESS } else { ExitCode::from(UNRECOGNISED) })
}

/// Returns the settings, and the input whose way the lines go.
fn chosen(
    config: &ConfigArgs,
    args: &TryArgs,
    path: &Path,
) -> Result<(Settings, InputSettings), Failure> {
    let is_configured =
        !config.files.is_empty() || !config.overrides.is_empty() || args.input.is_some();
    let (settings, mut input) = if is_configured {
        let Loaded { settings, warnings, .. } = report::load(config)?;
        for warning in &warnings {
            err(&format!("warning: {warning}"));
        }
        let input = input_of(&settings, args.input.as_deref(), path)?.clone();
        (settings, input)
    } else {
        let kind = if path.as_os_str().is_empty() { "stdin" } else { "filestream" };
        let input = InputSettings { kind: kind.to_owned(), ..InputSettings::default() };
        (Settings::default(), input)
    };
    if let Some(text) = &args.format {
        let with_format = format_of(text)?;
        input.format = with_format.format;
        if input.reading.parsers.is_empty() {
            input.reading.parsers = with_format.reading.parsers;
        }
        // Of a table, its header.
        let excluded = &mut input.reading.exclude_lines;
        for pattern in with_format.reading.exclude_lines {
            if !excluded.contains(&pattern) {
                excluded.push(pattern);
            }
        }
    }
    Ok((settings, input))
}

/// Reads `--format` as `format` of an input; what else such an input has comes with it.
fn format_of(text: &str) -> Result<InputSettings, Failure> {
    let value = |name: &str, text: &str, reading| CommandLineValue {
        name: name.to_owned(),
        text: text.to_owned(),
        reading,
    };
    let overrides = vec![
        value("input", "inputs=[{type: log, paths: [/log]}]", Reading::ShortForm),
        value("output", "output.console.enabled=true", Reading::ShortForm),
        value("--format", text, Reading::Of("inputs.0.format")),
    ];
    let sources = Sources { files: Vec::new(), overrides };
    let loaded = config::load(&sources, &report::environment).map_err(|problems| {
        // Nobody wrote the input around it.
        Failure::Configuration(problems.to_string().replace("inputs[0].format", "format"))
    })?;
    for warning in &loaded.warnings {
        err(&format!("warning: {}", warning.replace("inputs[0].format", "--format")));
    }
    Ok(loaded.settings.inputs.into_iter().next().expect("the stanza above is an input"))
}

/// Returns the input with an id, or else the one that would read the file.
fn input_of<'a>(
    settings: &'a Settings,
    id: Option<&str>,
    path: &Path,
) -> Result<&'a InputSettings, Failure> {
    let sent_to = settings.listeners.iter().map(|listener| &listener.input);
    let all: Vec<&InputSettings> = settings.inputs.iter().chain(sent_to).collect();
    let found = match id {
        Some(id) => all.iter().find(|input| input.id.as_deref() == Some(id)),
        None => all.iter().find(|input| reads(input, path)).or(match &all[..] {
            [_] => all.first(),
            _ => None,
        }),
    };
    if let Some(input) = found {
        return Ok(input);
    }
    let ids: Vec<&str> = all.iter().filter_map(|input| input.id.as_deref()).collect();
    let known = match ids[..] {
        [] => "give the input an `id` in the configuration".to_owned(),
        _ => format!("there are `{}`", ids.join("`, `")),
    };
    Err(match id {
        Some(id) => Advised::new(format!("there is no input with the id `{id}`"), known),
        None if path.as_os_str().is_empty() => Advised::new(
            "the configuration has several inputs",
            format!("name one with --input; {known}"),
        ),
        None => Advised::new(
            format!("no input has paths that match `{}`", path.display()),
            format!("name one with --input; {known}"),
        ),
    }
    .into())
}

fn reads(input: &InputSettings, path: &Path) -> bool {
    let parse = if input.files.recursive_glob { Pattern::parse } else { Pattern::parse_flat };
    input.paths.iter().filter_map(|text| parse(text).ok()).any(|pattern| pattern.matches(path))
}

/// Reads databases of places, and tells what is new of what is wrong with them.
fn look_at(databases: &mut GeoFiles) {
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
    databases.step_telling(&RealDisk, now, &mut |notice| {
        err(&format!("warning: {}\nhint: {}", notice.message, notice.hint));
    });
}

/// Where documents are shown.
struct Screen {
    out: BufWriter<io::Stdout>,
    is_terminal: bool,
    colours: Colours,
    /// How many more are wanted, if that is limited.
    left: Option<u64>,
    /// Lines that were not recognised, the first ones.
    unrecognised: Vec<u64>,
    failed: Option<io::Error>,
}

impl Screen {
    fn new(limit: Option<u64>) -> Self {
        let out = io::stdout();
        Self {
            is_terminal: out.is_terminal(),
            colours: Colours::of(&out),
            out: BufWriter::new(out),
            left: limit,
            unrecognised: Vec::new(),
            failed: None,
        }
    }

    fn show(&mut self, found: &Found<'_>) -> io::Result<()> {
        if !self.is_terminal {
            self.out.write_all(found.document)?;
            return self.out.write_all(b"\n");
        }
        let mut text = String::new();
        let line = format!("line {}", found.line);
        if found.is_recognised {
            self.colours.push(&mut text, Ink::Good, &line);
        } else {
            self.colours.push(&mut text, Ink::Bad, &format!("{line}: not recognised"));
        }
        if let Some(target) = &found.target {
            self.colours.push(&mut text, Ink::Dim, &format!(" → {}", hint::visible(target)));
        }
        text.push('\n');
        push_json(&mut text, found.document, self.colours);
        text.push('\n');
        self.out.write_all(text.as_bytes())
    }

    fn keep(&mut self, result: io::Result<()>) -> ControlFlow<()> {
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl Viewer for Screen {
    fn take(&mut self, found: &Found<'_>) -> ControlFlow<()> {
        if !found.is_recognised && self.unrecognised.len() < TOLD_MAX {
            self.unrecognised.push(found.line);
        }
        let shown = self.show(found);
        let flow = self.keep(shown);
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                return ControlFlow::Break(());
            }
        }
        flow
    }

    fn flush(&mut self) -> ControlFlow<()> {
        let flushed = self.out.flush();
        self.keep(flushed)
    }
}

/// Says on standard error how it went.
fn summarise(format: &Format, counts: Counts, screen: &Screen) {
    let Counts { lines, sent_lines, documents, unrecognised } = counts;
    let colours = Colours::of(&io::stderr());
    let word = |count: u64| if count == 1 { "line" } else { "lines" };
    let mut text = format!("{lines} {}: ", word(lines));
    if documents == 0 {
        text.push_str("no document");
    } else if *format == Format::Raw {
        text.push_str(&format!("{documents} documents, as they are (format `raw`)"));
    } else {
        let recognised = documents - unrecognised;
        let ink = if recognised == 0 { Ink::Dim } else { Ink::Good };
        colours.push(&mut text, ink, &format!("{recognised} recognised"));
    }
    if unrecognised != 0 {
        let numbers: Vec<String> = screen.unrecognised.iter().map(u64::to_string).collect();
        let more = if numbers.len() as u64 == unrecognised { "" } else { ", …" };
        text.push_str(", ");
        let word = word(numbers.len() as u64);
        let told = format!("{unrecognised} not recognised ({word} {}{more})", numbers.join(", "));
        colours.push(&mut text, Ink::Bad, &told);
    }
    let filtered = lines.saturating_sub(sent_lines);
    if filtered != 0 {
        text.push_str(&format!(", {filtered} left out (empty, filtered or no event)"));
    }
    if screen.left == Some(0) {
        text.push_str("; stopped there, as --limit says");
    }
    text.push('\n');
    let _ = io::stderr().write_all(text.as_bytes());
}
