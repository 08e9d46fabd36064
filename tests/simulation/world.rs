//! Web servers that write logs, and what rotates, copies, links and locks them meanwhile.

use crate::disk::{AWAY, State};
use crate::events::Reading;
use crate::packing::pack;
use crate::story::tell;
use fastrand::Rng;
use shipper::packing::{Format, without_ending};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Generations of rotated logs that are kept.
const GENERATIONS: usize = 4;

/// Least length of a line that may be the first of its file: it has an address and a time.
const FIRST_LINE_BYTES: usize = 60;

/// How many bytes are the same in all lines that begin alike: fewer than prove a log of which nothing is settled.
const ALIKE_BYTES: usize = 40;

/// Where logs are put away.
const OLD: &str = "/logs/old";

/// Which troubles a schedule has.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "any of them may go with any other")]
pub struct Troubles {
    pub sites: usize,
    pub rename: bool,
    pub copytruncate: bool,
    pub refill: bool,
    pub holes: bool,
    pub links: bool,
    pub olddir: bool,
    pub locked: bool,
    pub twins: bool,
    pub long_lines: bool,
    pub late_reopen: bool,
    pub pack: bool,
    /// Rotated files are removed.
    pub removed: bool,
    /// A rotation comes between each listing of the directory and what is done with it.
    pub clockwork: bool,
    /// Rotated files go to another directory and are packed there at once.
    pub packs_away: bool,
    /// Logs are moved out of their tree.
    pub moves_out: bool,
    /// Logs are copied out of their tree before they are truncated, and packed there.
    pub copies_out: bool,
    /// All lines begin alike.
    pub alike: bool,
}

impl Troubles {
    /// Draws some.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut some = || rng.u8(..3) == 0;
        let troubles = Self {
            sites: 1,
            rename: !some(),
            copytruncate: some(),
            refill: some(),
            holes: some(),
            links: some(),
            olddir: some(),
            locked: some(),
            twins: some(),
            long_lines: some() && some() && some(),
            late_reopen: some(),
            pack: some() || some(),
            removed: some(),
            clockwork: some() && some(),
            packs_away: false,
            moves_out: false,
            copies_out: false,
            alike: false,
        };
        // The first bytes of a file with a hole are those of any other: by them neither its copies nor what it becomes
        // when it is truncated again can be told apart as long as nothing of it is settled.
        let copytruncate = troubles.copytruncate && !troubles.holes;
        let refill = troubles.refill && !troubles.holes;
        let links = troubles.links && !troubles.holes;
        let pack = troubles.pack && !troubles.holes;
        Self { sites: rng.usize(1..=3), copytruncate, refill, links, pack, ..troubles }
    }

    /// Has, in one schedule of five, logs rotated as logrotate does with `olddir` and `compress`, and in no other way: two would
    /// number the generations of one log twice. A log that cannot be read until it is packed was never looked at.
    pub fn or_packs_away(self, rng: &mut Rng) -> Self {
        if rng.u8(..5) != 0 {
            return self;
        }
        let others = Self { rename: true, copytruncate: false, olddir: false, pack: false, ..self };
        Self { packs_away: true, holes: false, locked: false, ..others }
    }

    /// Has, in every other schedule, all lines begin alike, beside the sequence of all else.
    pub fn or_begins_alike(self, rng: &Rng) -> Self {
        Self { alike: rng.clone().bool(), ..self }
    }

    /// Has, in one schedule of four, logs moved out of their tree, where they are not packed away.
    pub fn or_moves_out(self, rng: &mut Rng) -> Self {
        Self { moves_out: rng.u8(..4) == 0 && !self.packs_away, ..self }
    }

    /// Has, in half of the schedules with `copytruncate`, copies put out of the tree, where nothing is moved there.
    pub fn or_copies_out(self, rng: &mut Rng) -> Self {
        if !rng.bool() || !self.copytruncate || self.moves_out {
            return self;
        }
        Self { copies_out: true, rename: false, olddir: false, clockwork: false, ..self }
    }
}

/// A copytruncate on its way.
struct Copying {
    source: u64,
    target: u64,
    /// Bytes copied so far.
    copied: usize,
    /// Whether the copier has come to the end: what is written from now on is lost.
    ended: bool,
}

/// A file that is being packed.
struct Packing {
    source: PathBuf,
    target: u64,
    bytes: Vec<u8>,
    written: usize,
}

/// One log and who writes it.
struct Site {
    name: String,
    path: PathBuf,
    /// The inode that the server has open.
    open: Option<u64>,
    /// Where it writes when it does not append.
    offset: Option<usize>,
    /// The rest of a line of which only the beginning was written.
    pending: Vec<u8>,
    number: u64,
    begun: bool,
    copying: Option<Copying>,
    packing: Option<Packing>,
    moved_away: bool,
    /// Where the last log is that was moved out of its tree.
    away: Option<PathBuf>,
}

/// What happens around the process.
pub struct World {
    rng: Rng,
    troubles: Troubles,
    sites: Vec<Site>,
    /// How often each line was written.
    pub written: BTreeMap<String, usize>,
    pub holes: bool,
    /// How the logs are read; it says what is in them.
    reading: Option<Reading>,
    actions: u64,
    /// How this world packs.
    format: Format,
    /// When the log was made that a packed file holds, by when that was made.
    packed_of: BTreeMap<u64, u64>,
    /// When those files were made that were moved back to their tree from elsewhere.
    came_back: BTreeSet<u64>,
    /// The earliest log of each site that the process knows, by when it was made.
    known_from: BTreeMap<usize, u64>,
}

/// Returns of which log a rotated file is which generation.
pub fn generation(path: &Path) -> Option<(String, u64)> {
    let name = path.strip_prefix("/logs").or_else(|_| path.strip_prefix(AWAY)).ok()?.to_str()?;
    let (log, generation) =
        std::str::from_utf8(without_ending(name.as_bytes())).ok()?.rsplit_once('.')?;
    Some((log.to_owned(), generation.parse().ok()?))
}

impl World {
    pub fn new(mut rng: Rng, troubles: Troubles, reading: Option<Reading>) -> Self {
        let sites = (0..troubles.sites).map(|index| {
            let name = ["a", "b", "c"][index];
            Site {
                name: name.to_owned(),
                path: PathBuf::from(format!("/logs/{name}.log")),
                open: None,
                offset: None,
                pending: Vec::new(),
                number: 0,
                begun: false,
                copying: None,
                packing: None,
                moved_away: false,
                away: None,
            }
        });
        let sites = sites.collect();
        let rng = rng.fork();
        // Beside the sequence of all else.
        let format = Format::ALL[rng.clone().usize(..Format::ALL.len())];
        let written = BTreeMap::new();
        Self {
            rng,
            troubles,
            sites,
            written,
            holes: false,
            reading,
            actions: 0,
            format,
            packed_of: BTreeMap::new(),
            came_back: BTreeSet::new(),
            known_from: BTreeMap::new(),
        }
    }

    /// Notes that the process knows a log by its name: from that one on it is to find them all.
    pub fn note_known(&mut self, log: &Path, birth: u64) {
        let Some(site) = self.sites.iter().position(|site| site.path == log) else { return };
        let made = self.packed_of.get(&birth).copied().unwrap_or(birth);
        if 0 < birth {
            let from = self.known_from.entry(site).or_insert(made);
            *from = made.min(*from);
        }
    }

    /// Forgets what the process knew.
    pub fn forget_known(&mut self) {
        self.known_from.clear();
    }

    /// Tells whether a file was moved back to its tree from elsewhere.
    pub fn came_back(&self, birth: u64) -> bool {
        self.came_back.contains(self.packed_of.get(&birth).unwrap_or(&birth))
    }

    /// Tells whether a file was put away that is not older than a log of its name that the process knows.
    pub fn is_after_known(&self, path: &Path, birth: u64) -> bool {
        let made = self.packed_of.get(&birth).copied().unwrap_or(birth);
        let mut known = self.known_from.iter();
        self.troubles.packs_away
            && path.starts_with(OLD)
            && known.any(|(site, from)| {
                let name = path.file_name().and_then(|name| name.to_str());
                *from <= made
                    && name.is_some_and(|name| {
                        name.starts_with(&format!("{}.log.", self.sites[*site].name))
                    })
            })
    }

    /// Tells whether time must not jump, because a rotation that takes seconds is on its way.
    pub fn is_copying(&self) -> bool {
        self.sites.iter().any(|site| site.copying.is_some())
    }

    /// Does one thing.
    pub fn act(&mut self, state: &mut State) {
        self.actions += 1;
        let site = self.rng.usize(..self.sites.len());
        if self.sites[site].copying.is_some() && self.rng.bool() {
            return self.go_on_copying(state, site);
        }
        if self.sites[site].packing.is_some() && self.rng.bool() {
            return self.go_on_packing(state, site);
        }
        let troubles = self.troubles;
        match self.rng.u8(..32) {
            0..=2 | 8 | 12 | 13 if troubles.packs_away => self.rotate_away(state, site),
            0..=2 if troubles.rename => self.rotate(state, site),
            3 | 4 if troubles.copytruncate => self.begin_copying(state, site),
            5 if troubles.refill => self.refill(state, site),
            6 if troubles.holes => self.leave_hole(state, site),
            7 if troubles.links => self.link(state, site),
            8 if troubles.olddir => self.put_away(state, site),
            9 if troubles.locked => self.lock(state, site),
            10 if troubles.rename => self.reopen(state, site),
            12 | 13 if troubles.pack => self.begin_packing(state, site),
            14 if troubles.removed => self.remove(state, site),
            15 | 16 if troubles.moves_out => self.move_out(state, site),
            11 if self.actions.is_multiple_of(3) => state.overflow(),
            _ => self.write(state, site),
        }
    }

    /// Does one thing that comes at the worst moment: all logs are rotated.
    pub fn act_on_listing(&mut self, state: &mut State) {
        for site in 0..if self.troubles.clockwork { self.sites.len() } else { 0 } {
            if self.troubles.packs_away {
                self.rotate_away(state, site);
            } else {
                self.rotate(state, site);
            }
        }
    }

    /// Removes a rotated file.
    fn remove(&mut self, state: &mut State, site: usize) {
        let generation = self.rng.usize(1..=GENERATIONS);
        let path = if self.troubles.packs_away {
            self.packed(site, generation)
        } else {
            self.generation(site, generation)
        };
        if !self.is_rotating(site) {
            state.remove_log(&path);
            tell(format!("{} removed", path.display()));
        }
    }

    /// Ends everything that is on its way, so that what was written can be read to its end.
    pub fn fall_silent(&mut self, state: &mut State) {
        state.heal();
        for site in 0..self.sites.len() {
            while self.sites[site].copying.is_some() {
                self.go_on_copying(state, site);
            }
            self.finish_packing(state, site);
            self.reopen(state, site);
            self.finish_packing(state, site);
            if !self.sites[site].pending.is_empty() {
                self.write(state, site);
            }
        }
        tell("silence".to_owned());
    }

    /// Makes a line of at least `least` bytes that nobody has written before.
    fn new_line(&mut self, site: usize, least: usize) -> Vec<u8> {
        let unit = self.reading.map_or(1, |reading| reading.unit());
        let alike = "z".repeat(if self.troubles.alike { ALIKE_BYTES / unit } else { 0 });
        let long = self.troubles.long_lines && self.rng.u8(..40) == 0;
        let width = match self.rng.u8(..8) {
            _ if long => self.rng.usize(262_000..530_000),
            0 => self.rng.usize(900..2_500),
            1 | 2 => self.rng.usize(60..300),
            _ => self.rng.usize(..30),
        };
        let width = width.max(least.saturating_sub(alike.len()));
        let site = &mut self.sites[site];
        site.number += 1;
        let mut line = format!("{} {alike}{} {}", site.name, site.number, "x".repeat(width));
        if let Some(reading) = self.reading {
            line = reading.dress(&mut self.rng, &line);
        }
        *self.written.entry(line.clone()).or_default() += 1;
        line.push('\n');
        if least == 0 && self.reading.is_some_and(|reading| reading.empty_lines) {
            line.push_str(&"\n".repeat(self.rng.usize(..3)));
        }
        self.encode(&line)
    }

    fn encode(&self, text: &str) -> Vec<u8> {
        self.reading.map_or(text.as_bytes().to_vec(), |reading| reading.encode(text))
    }

    /// Returns what a file begins with.
    fn mark(&self) -> Vec<u8> {
        let is_marked = self.reading.is_some_and(|reading| reading.is_utf_16());
        if is_marked { self.encode("\u{feff}") } else { Vec::new() }
    }

    /// Lines that both of two logs begin with, as long as any of them is.
    fn common_lines(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in 0..3 {
            let line = format!("common {number} {}", "y".repeat(500));
            *self.written.entry(line.clone()).or_default() += 1;
            bytes.extend_from_slice(&self.encode(&format!("{line}\n")));
        }
        bytes
    }

    fn inode(&mut self, state: &mut State, site: usize) -> u64 {
        if let Some(number) = self.sites[site].open {
            return number;
        }
        let number = state.open_log(&self.sites[site].path);
        state.hold(number);
        self.sites[site].open = Some(number);
        number
    }

    fn write(&mut self, state: &mut State, site: usize) {
        let number = self.inode(state, site);
        let mut bytes = std::mem::take(&mut self.sites[site].pending);
        let is_first = !std::mem::replace(&mut self.sites[site].begun, true);
        if self.troubles.twins && is_first {
            bytes = self.common_lines();
        }
        let count = if bytes.is_empty() { self.rng.usize(1..=4) } else { self.rng.usize(..3) };
        for _ in 0..count {
            let line = self.new_line(site, if bytes.is_empty() { FIRST_LINE_BYTES } else { 0 });
            bytes.extend_from_slice(&line);
        }
        // What a file begins with is there at once, as much of it as an address and a time take.
        if self.rng.u8(..3) == 0 && !state.content(number).is_empty() {
            let cut = self.rng.usize(..=bytes.len());
            // A character is cut only where that is not sent.
            let unit = self.reading.filter(Reading::changes_lines).map_or(1, |one| one.unit());
            self.sites[site].pending = bytes.split_off(cut / unit * unit);
        }
        let end = state.content(number).len();
        if end == 0 {
            bytes.splice(..0, self.mark());
        }
        let at = self.sites[site].offset.map_or(end, |offset| offset.max(end));
        state.write_at(number, at, &bytes);
        if let Some(offset) = &mut self.sites[site].offset {
            *offset = at + bytes.len();
        }
        let name = &self.sites[site].name;
        let told = format!("{name}: inode {number}, {} bytes written at {at}", bytes.len());
        tell(told);
    }

    fn generation(&self, site: usize, generation: usize) -> PathBuf {
        let directory = match self.troubles {
            Troubles { packs_away: true, .. } => OLD,
            Troubles { copies_out: true, .. } => AWAY,
            _ => "/logs",
        };
        PathBuf::from(format!("{directory}/{}.log.{generation}", self.sites[site].name))
    }

    fn packed(&self, site: usize, generation: usize) -> PathBuf {
        let path = self.generation(site, generation);
        PathBuf::from(format!("{}{}", path.display(), self.format.ending()))
    }

    /// Makes room for a new first generation.
    fn shift(&mut self, state: &mut State, site: usize) {
        let names = [Self::generation, Self::packed];
        for name in names {
            state.remove_log(&name(self, site, GENERATIONS));
            for generation in (1..GENERATIONS).rev() {
                let from = name(self, site, generation);
                state.rename_log(&from, &name(self, site, generation + 1));
            }
        }
    }

    /// Tells whether a rotation would get in the way of another one.
    fn is_rotating(&self, site: usize) -> bool {
        let site = &self.sites[site];
        site.copying.is_some() || site.packing.is_some() || site.moved_away
    }

    fn begin_packing(&mut self, state: &mut State, site: usize) {
        if self.is_rotating(site) {
            return;
        }
        let generation = if self.troubles.packs_away { 1 } else { self.rng.usize(1..=2) };
        let source = self.generation(site, generation);
        let Some(number) = state.number_of(&source) else { return };
        let target = self.packed(site, generation);
        // What packs leaves alone what has other names, and does not overwrite.
        if state.has_other_names(number) || state.number_of(&target).is_some() {
            return;
        }
        let bytes = pack(self.format, state.content(number));
        let made = state.made(number);
        let target = state.open_log(&target);
        state.hold(target);
        state.note_copy(target);
        self.packed_of.insert(state.made(target), made);
        tell(format!("{}: packing to inode {target}", source.display()));
        self.sites[site].packing = Some(Packing { source, target, bytes, written: 0 });
    }

    fn finish_packing(&mut self, state: &mut State, site: usize) {
        while self.sites[site].packing.is_some() {
            self.go_on_packing(state, site);
        }
    }

    fn go_on_packing(&mut self, state: &mut State, site: usize) {
        let Some(mut packing) = self.sites[site].packing.take() else { return };
        if packing.written < packing.bytes.len() {
            let end = if self.rng.bool() {
                packing.bytes.len()
            } else {
                self.rng.usize(packing.written..=packing.bytes.len())
            };
            state.write_at(packing.target, packing.written, &packing.bytes[packing.written..end]);
            packing.written = end;
            self.sites[site].packing = Some(packing);
            return;
        }
        state.age_like(packing.target, &packing.source);
        state.release(packing.target);
        state.remove_log(&packing.source);
        tell(format!("{}: packed", packing.source.display()));
    }

    fn rotate(&mut self, state: &mut State, site: usize) {
        if self.is_rotating(site) {
            return;
        }
        self.shift(state, site);
        let path = self.sites[site].path.clone();
        state.rename_log(&path, &self.generation(site, 1));
        self.sites[site].moved_away = true;
        tell(format!("{}: renamed to .1", path.display()));
        if !self.troubles.late_reopen {
            self.reopen(state, site);
        }
    }

    /// Rotates and packs as logrotate does with `olddir` and `compress`, some times in a row; the last time perhaps in pieces.
    fn rotate_away(&mut self, state: &mut State, site: usize) {
        if self.is_rotating(site) {
            return;
        }
        for left in (0..self.rng.usize(1..=3)).rev() {
            self.rotate(state, site);
            if left == 0 && self.rng.bool() {
                return;
            }
            self.reopen(state, site);
            self.finish_packing(state, site);
            for _ in 0..self.rng.usize(..3) {
                self.write(state, site);
            }
        }
    }

    /// The server opens its log again.
    fn reopen(&mut self, state: &mut State, site: usize) {
        if !self.sites[site].moved_away {
            return;
        }
        // A server writes whole lines; what it has begun goes to the file where it began.
        if !self.sites[site].pending.is_empty() {
            let number = self.inode(state, site);
            let rest = std::mem::take(&mut self.sites[site].pending);
            let end = state.content(number).len();
            let at = self.sites[site].offset.map_or(end, |offset| offset.max(end));
            state.write_at(number, at, &rest);
        }
        if let Some(number) = self.sites[site].open.take() {
            state.release(number);
        }
        self.sites[site].moved_away = false;
        self.sites[site].offset = None;
        let number = self.inode(state, site);
        let told = format!("{}: opened as inode {number}", self.sites[site].path.display());
        tell(told);
        if self.troubles.packs_away {
            self.begin_packing(state, site);
        }
    }

    fn begin_copying(&mut self, state: &mut State, site: usize) {
        let path = self.sites[site].path.clone();
        let Some(source) = state.number_of(&path) else { return };
        if self.is_rotating(site) || state.content(source).is_empty() {
            return;
        }
        self.shift(state, site);
        let target = state.open_log(&self.generation(site, 1));
        state.hold(target);
        state.note_copy(target);
        self.sites[site].copying = Some(Copying { source, target, copied: 0, ended: false });
        tell(format!("{}: copying to inode {target}", path.display()));
    }

    fn go_on_copying(&mut self, state: &mut State, site: usize) {
        let Some(mut copying) = self.sites[site].copying.take() else { return };
        let length = state.content(copying.source).len();
        // More than half of it written while it is copied: no copier is that slow.
        copying.ended &= length < 2 * copying.copied;
        // Nor does a copy end within the first bytes that its original is known by.
        copying.ended &= 1_024 <= copying.copied || copying.copied == length;
        // An event that was read from the original and of which a copy has but a part is another event there.
        copying.ended &= self.reading.is_none() || copying.copied == length;
        if !copying.ended {
            let end =
                if self.rng.bool() { length } else { self.rng.usize(copying.copied..=length) };
            let bytes = state.content(copying.source)[copying.copied..end].to_vec();
            state.write_at(copying.target, copying.copied, &bytes);
            (copying.copied, copying.ended) = (end, end == length);
            self.sites[site].copying = Some(copying);
            return;
        }
        state.truncate_log(copying.source, 0);
        state.release(copying.target);
        // What the server has begun to write is cut in two, whatever it does.
        self.sites[site].pending.clear();
        let told = format!(
            "{}: {} of {length} bytes copied, truncated",
            self.sites[site].path.display(),
            copying.copied
        );
        tell(told);
    }

    fn refill(&mut self, state: &mut State, site: usize) {
        if self.sites[site].copying.is_some() || self.sites[site].moved_away {
            return;
        }
        let Some(number) = state.number_of(&self.sites[site].path) else { return };
        let before = state.content(number).len();
        self.sites[site].pending.clear();
        self.sites[site].offset = None;
        state.truncate_log(number, 0);
        let told = format!("{}: truncated from {before}", self.sites[site].path.display());
        tell(told);
        if self.rng.bool() {
            let mut bytes = self.mark();
            while bytes.len() <= before && bytes.len() < 20_000 {
                let line = self.new_line(site, FIRST_LINE_BYTES);
                bytes.extend_from_slice(&line);
            }
            state.write_at(number, 0, &bytes);
            tell(format!("… and refilled to {}", bytes.len()));
        }
    }

    /// A server that does not append writes on where it was after a truncation.
    fn leave_hole(&mut self, state: &mut State, site: usize) {
        if self.sites[site].copying.is_some() || self.sites[site].moved_away {
            return;
        }
        let Some(number) = state.number_of(&self.sites[site].path) else { return };
        let end = state.content(number).len();
        let has_hole = state.content(number).first() == Some(&0);
        if end < 100 || has_hole || self.sites[site].open != Some(number) {
            return;
        }
        self.holes = true;
        self.sites[site].pending.clear();
        self.sites[site].offset = Some(end);
        state.truncate_log(number, 0);
        let told = format!("{}: truncated from {end}, hole", self.sites[site].path.display());
        tell(told);
        self.write(state, site);
    }

    fn link(&mut self, state: &mut State, site: usize) {
        let name = format!("/logs/{}-link.log", self.sites[site].name);
        // Of two hard links nobody can say by whose name a copy, or what is packed, will go.
        let troubles = self.troubles;
        let is_copied = troubles.copytruncate || troubles.pack || troubles.packs_away;
        let symbolic = is_copied || self.rng.bool();
        // A log that was moved out of its tree, and whose last name in there goes, is not followed on behind a stop.
        if self.sites[site].away.is_some() {
            return;
        }
        state.remove_log(Path::new(&name));
        state.link_log(&self.sites[site].path, Path::new(&name), symbolic);
        tell(format!("{name} links to {}", self.sites[site].path.display()));
    }

    fn put_away(&mut self, state: &mut State, site: usize) {
        let from = self.generation(site, 1);
        if self.sites[site].copying.is_some() || self.sites[site].packing.is_some() {
            return;
        }
        let base = from.file_name().unwrap().to_str().unwrap();
        let to = PathBuf::from(format!("/logs/old/{base}-{}", self.actions));
        if state.rename_log(&from, &to) {
            tell(format!("{} put away as {}", from.display(), to.display()));
        }
    }

    /// Moves a log, or what it was rotated to, out of its tree.
    fn move_out(&mut self, state: &mut State, site: usize) {
        let is_rotated = self.rng.u8(..3) == 0;
        if self.is_rotating(site) {
            return;
        }
        if self.rng.u8(..3) == 0
            && let Some(away) = self.sites[site].away.take()
        {
            return self.move_on(state, site, &away);
        }
        let path = self.sites[site].path.clone();
        let from = if is_rotated { self.generation(site, 1) } else { path };
        let to = PathBuf::from(format!("{AWAY}/{}-{}", self.sites[site].name, self.actions));
        if !state.rename_log(&from, &to) {
            return;
        }
        tell(format!("{} moved to {}", from.display(), to.display()));
        self.sites[site].moved_away = !is_rotated;
        self.sites[site].away = Some(to);
        if !self.troubles.late_reopen {
            self.reopen(state, site);
        }
    }

    /// What becomes of a log where it was moved to: it has another name there, it comes back, or it is removed.
    fn move_on(&mut self, state: &mut State, site: usize, away: &Path) {
        let back = self.generation(site, 1);
        let to = match self.rng.u8(..4) {
            0 => {
                state.remove_log(away);
                tell(format!("{} removed", away.display()));
                return;
            }
            // A copy that was nowhere for long, and comes back, holds bytes that are told as lost.
            1 if state.number_of(&back).is_none() && !state.is_copy(away) => back.clone(),
            _ => PathBuf::from(format!("{AWAY}/{}-{}", self.sites[site].name, self.actions)),
        };
        if state.rename_log(away, &to) {
            tell(format!("{} moved on to {}", away.display(), to.display()));
            if to == back {
                let number = state.number_of(&to).expect("it was renamed to this");
                self.came_back.insert(state.made(number));
            }
            self.sites[site].away = Some(to).filter(|to| to.starts_with(AWAY));
        }
    }

    fn lock(&mut self, state: &mut State, site: usize) {
        let readable = self.rng.bool();
        state.set_readable(&self.sites[site].path, readable);
        tell(format!("{} readable: {readable}", self.sites[site].path.display()));
    }
}
