//! One schedule: lives of the process in a world, from one seed.

#[path = "cases.rs"]
mod cases;

use crate::disk::{DATA, Gate, HardStop, ModelDisk, Syncing};
use crate::events::Reading;
use crate::packing::{is_packed, unpack};
use crate::server::{Deliverer, Server};
use crate::story::tell;
use crate::world::{Troubles, World};
use fastrand::Rng;
use shipper::batch::{Batch, BatchLimits};
use shipper::discovery::glob::Pattern;
use shipper::discovery::watch::{NoWatch, Watch};
use shipper::discovery::{From, Prospector, ProspectorLinks, Watched, WorkerLink};
use shipper::disk::{Kind, ReadFile, Stat};
use shipper::document::Shared;
use shipper::harvester::{OpenLimit, READ_BYTES, Worker, WorkerInput, WorkerLinks, WorkerSettings};
use shipper::ledger::{Entry, Inbox, Known, Ledger, Note, Progress};
use shipper::pipeline::{Moment, Pipeline};
use shipper::pool::{BUFFER_BYTES, Pool};
use shipper::position::{Epoch, Inode, Outcome, Settled};
use shipper::queue::{Receiver, queue};
use shipper::registrar::{Opening, Place, Registrar, look};
use shipper::rescue::{Rescue, Rescued};
use shipper::settings::{
    BacklogOrder, CloseSettings, Format, InputSettings, OnFull, OwnerSettings, RegistrySettings,
    RescueSettings,
};
use shipper::stats::Stats;
use shipper::wake::Wake;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

const POOL_BYTES: usize = 4 << 20;

/// Most bytes of removed files that are rescued where there is little room.
const RESCUE_BYTES_FEW: u64 = 2 << 10;

/// Virtual seconds after which a silent world must be settled, beside those that its workers need to read all there is:
/// at most two turns for each buffer, for a line that does not end in it is begun again in the next one.
const SETTLED_AFTER: u64 = 180;

/// Virtual time between two calls of the stages of a silent world.
const PAUSE: Duration = Duration::from_millis(1_500);

/// What a schedule was like, when it went well.
#[derive(Debug, Default, Clone, Copy)]
pub struct Summary {
    pub lines: usize,
    /// Removed files that were rescued.
    pub rescued: usize,
}

/// Everything that outlives the process.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Scene {
    rng: Rng,
    disk: ModelDisk,
    world: Arc<Mutex<World>>,
    server: Server,
    now: Instant,
    glob: Vec<&'static str>,
    workers: usize,
    events: bool,
    links: bool,
    power_cuts: bool,
    long_lines: bool,
    drawn: u64,
    begun: Instant,
    /// How its lines are read, unless each is as it stands.
    reading: Option<Reading>,
    /// Whether its last life begins with a drain.
    drains: bool,
    /// Whether the world goes on for a while in the last life: what is lost until the next start is lost then.
    goes_on: bool,
    /// Whether syncs of the registry may take seconds.
    slow_syncs: bool,
    is_last: bool,
    /// Bytes of epochs that were said to be lost.
    lost: BTreeMap<Epoch, Vec<Range<u64>>>,
    /// Those of this life, and how much was saved of the epochs when it began.
    lost_lately: Vec<(Epoch, Range<u64>)>,
    saved: BTreeMap<Epoch, u64>,
    /// Whether new lines come first.
    fresh: Option<Fresh>,
    /// Most bytes of removed files that are rescued, if they are; and the lines that were rescued at the end of a life.
    rescue_bytes: Option<u64>,
    drops_rest: bool,
    rescued: BTreeSet<String>,
    rescues: usize,
}

/// How a schedule reads new lines first: files here are so small that a backlog must be as well.
#[derive(Debug, Clone, Copy)]
struct Fresh {
    backlog_bytes_min: u64,
    read_bytes: usize,
}

impl Fresh {
    /// Draws it for one schedule in three.
    fn draw(rng: &mut Rng) -> Option<Self> {
        let fresh = Self {
            backlog_bytes_min: rng.u64(..500),
            read_bytes: if rng.u8(..4) == 0 { READ_BYTES } else { 2048 },
        };
        (rng.u8(..3) == 0).then_some(fresh)
    }
}

/// Runs a schedule.
///
/// # Errors
/// What was violated, with the story that led there.
pub fn run(seed: u64) -> Result<Summary, String> {
    let (mut scene, troubles) = Scene::draw(seed);
    let told = scene.all_lives();
    let result = scene.judge_events().and(told).and_then(|()| scene.verdict());
    let story = crate::story::take();
    match result {
        Ok(lines) => Ok(Summary { lines, rescued: scene.rescues }),
        Err(what) => Err(format!(
            "{what}\n  with {troubles:?}, {:?}, {:?}, {:?}, {} workers, events {}\n  {}",
            scene.reading,
            scene.fresh,
            scene.glob,
            scene.workers,
            scene.events,
            story.join("\n  ")
        )),
    }
}

impl Scene {
    /// Draws one, and says which troubles it has.
    fn draw(seed: u64) -> (Self, Troubles) {
        let mut rng = Rng::with_seed(seed);
        let reading = Reading::draw(&mut Rng::with_seed(!seed));
        let beside = &mut Rng::with_seed(seed.rotate_left(16));
        let out = &mut Rng::with_seed(seed.rotate_left(48));
        let mut troubles =
            Troubles::draw(&mut rng).or_packs_away(beside).or_moves_out(out).or_copies_out(out);
        troubles = troubles.or_begins_alike(&rng);
        // A hole of an odd number of bytes would tear every character behind it.
        // And what is left out, or waits, is not told from a hole.
        troubles.holes &= !reading.is_some_and(|reading| reading.is_utf_16() || reading.drops);
        let disk = ModelDisk::new();
        // Without times of birth nothing tells a log that was packed before anything of it was settled from another one
        // that has its inode now and begins with the same 1024 bytes.
        disk.state().births =
            rng.u8(..4) != 0 || ((troubles.pack || troubles.packs_away) && troubles.twins);
        let globs: [&[&str]; 4] = [
            &["/logs/*.log"],
            &["/logs/*.log*"],
            &["/logs/a.log", "/logs/b.log", "/logs/c.log"],
            &["/logs/**/*"],
        ];
        let begun = Instant::now();
        let mut scene = Self {
            glob: globs[rng.usize(..globs.len())].to_vec(),
            workers: rng.usize(1..=2),
            events: rng.u8(..4) != 0,
            links: troubles.links,
            long_lines: troubles.long_lines,
            power_cuts: rng.bool(),
            world: Arc::new(Mutex::new(World::new(rng.fork(), troubles, reading))),
            rng,
            disk,
            server: Server::default(),
            now: begun,
            drawn: seed << 20,
            begun,
            reading,
            drains: seed % 3 == 1,
            goes_on: (troubles.packs_away && beside.bool())
                || ((troubles.moves_out || troubles.copies_out) && out.bool()),
            slow_syncs: beside.u8(..4) == 0,
            is_last: false,
            lost: BTreeMap::new(),
            lost_lately: Vec::new(),
            saved: BTreeMap::new(),
            fresh: Fresh::draw(&mut Rng::with_seed(seed.rotate_left(32))),
            rescue_bytes: [None, Some(1 << 30), Some(RESCUE_BYTES_FEW)]
                [usize::try_from(seed % 3).unwrap()],
            drops_rest: seed.is_multiple_of(2),
            rescued: BTreeSet::new(),
            rescues: 0,
        };
        scene.server.events = reading.map(|_| BTreeMap::new());
        scene.disk.state().past = reading.map(|_| Vec::new());
        scene.disk.state().finds_copies = troubles.copies_out;
        scene.disk.state().is_remote = seed.is_multiple_of(4);
        (scene, troubles)
    }

    fn act(&mut self) {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.act(&mut self.disk.state());
    }

    fn all_lives(&mut self) -> Result<(), String> {
        for _ in 0..self.rng.usize(1..=4) {
            for _ in 0..self.rng.usize(..6) {
                self.act();
            }
            self.life(false)?;
        }
        if self.goes_on {
            self.disk.state().heal();
        } else {
            self.fall_silent();
        }
        self.life(true)
    }

    fn fall_silent(&mut self) {
        let mut state = self.disk.state();
        (state.meanwhile, state.stop_after) = (None, None);
        self.world.lock().unwrap_or_else(PoisonError::into_inner).fall_silent(&mut state);
    }

    /// One life of the process, to its stop; the last one until all is settled.
    fn life(&mut self, last: bool) -> Result<(), String> {
        tell(format!("start{}", if last { ", the last" } else { "" }));
        let Some(mut process) = Process::start(self)? else { return Ok(()) };
        let steps = self.rng.usize(5..150);
        self.is_last = last;
        if !last || self.goes_on {
            self.plan_the_end();
        }
        let lived = catch_unwind(AssertUnwindSafe(|| {
            if !last {
                return process.live(self, steps);
            }
            if self.goes_on {
                self.disk.state().stop_after = None;
                process.live(self, steps)?;
                self.fall_silent();
                process.deliverer.away = false;
            }
            process.settle(self)
        }));
        let stopped = match lived {
            Ok(result) => {
                result?;
                false
            }
            Err(panic) if panic.is::<HardStop>() => true,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                if let Some(text) = text {
                    return Err(format!("a stage panicked: {text}"));
                }
                resume_unwind(panic)
            }
        };
        let given_up = std::mem::take(&mut self.disk.state().given_up);
        // Where nothing is settled for seconds, because a sync or a line takes long, and the rescue is full, that is asked for.
        let takes_long = self.slow_syncs || self.long_lines;
        let may_give_up =
            takes_long && self.drops_rest && self.rescue_bytes == Some(RESCUE_BYTES_FEW);
        if let Some(what) = given_up.first().filter(|_| !may_give_up) {
            return Err(format!("closed without a name and before its end: {what}"));
        }
        let gently = !stopped && self.rng.bool();
        self.disk.state().begin_stop(gently && !last);
        let stats = Arc::clone(&process.stats);
        process.end(self, gently && !last)?;
        self.rescues += usize::try_from(stats.reading.rescued.get()).unwrap();
        let cut = !gently && self.power_cuts && self.rng.bool();
        tell(format!("stop: gently {gently}, power cut {cut}"));
        let rng = &mut self.rng;
        self.disk.state().crash(cut, |most| rng.usize(..=most));
        self.note_rescued();
        Ok(())
    }

    /// Notes the lines of what is rescued now: they are to be delivered.
    fn note_rescued(&mut self) {
        let rescued = self.disk.state().rescued();
        self.rescued.extend(rescued.into_iter().flat_map(rescued_lines));
    }

    /// Says at which call of the process it is stopped, and what happens between its calls.
    fn plan_the_end(&mut self) {
        let stop_after = self.rng.bool().then(|| self.rng.u64(..400));
        let (world, mut rng) = (Arc::clone(&self.world), self.rng.fork());
        let busy = self.rng.u8(1..40);
        // A world that does more the longer a scan takes would never let it end.
        let mut left = self.rng.u8(..200);
        let mut rotations = self.rng.u8(..6);
        let mut state = self.disk.state();
        state.stop_after = stop_after;
        state.meanwhile = Some(Box::new(move |state| {
            if std::mem::take(&mut state.is_first_look) && 0 < rotations {
                rotations -= 1;
                world.lock().unwrap_or_else(PoisonError::into_inner).act_on_listing(state);
            }
            if 0 < left && rng.u8(..) < busy {
                left -= 1;
                world.lock().unwrap_or_else(PoisonError::into_inner).act(state);
            }
        }));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let now = u64::try_from(self.now.duration_since(self.begun).as_millis()).unwrap();
        self.disk.state().now = now;
    }

    /// Compares what is stored of events with the bytes that they are made of.
    fn judge_events(&self) -> Result<(), String> {
        match (self.reading, &self.server.events) {
            (Some(reading), Some(events)) => reading.judge(events, &self.disk.state().streams()),
            _ => Ok(()),
        }
    }

    /// Returns the size of a worker's read buffer.
    fn read_bytes(&self) -> usize {
        if self.reading.is_some() && self.drawn >> 20 & 1 == 0 {
            return if self.long_lines { 65_536 } else { 2_048 };
        }
        self.fresh.map_or(READ_BYTES, |fresh| fresh.read_bytes)
    }

    /// Returns how many times that buffer has to be filled to read all files once, also those that were removed.
    fn read_buffers(&self) -> usize {
        let (state, bytes) = (self.disk.state(), self.read_bytes());
        let logs = state.logs().into_iter().map(|(_, content, _)| unpacked(content).len());
        let nameless = state.nameless().map(<[u8]>::len);
        logs.chain(nameless).map(|length| length.div_ceil(bytes)).sum()
    }

    /// Tells whether all that an entry says is committed is stored.
    fn covers(&self, entry: &Entry) -> bool {
        let streams = self.reading.map(|_| self.disk.state().streams()).unwrap_or_default();
        let needs_no_event = |bytes| match (self.reading, &self.server.events) {
            (Some(reading), Some(events)) => {
                reading.is_lone_line_end(events, entry.epoch, &streams, bytes)
            }
            _ => false,
        };
        let missing = self.server.missing(entry.epoch, entry.base..entry.committed, needs_no_event);
        let lost = entry.account.columns()[Outcome::Lost as usize];
        // Just these bytes were told as lost, in this life or in one before it.
        let told = self.lost.get(&entry.epoch).map(Vec::as_slice).unwrap_or_default();
        let is_told = |one: &Range<u64>| {
            told.iter().fold(one.start, |at, lost| if lost.contains(&at) { lost.end } else { at })
                >= one.end
        };
        let is_counted = match (missing.first(), self.fresh) {
            (None, _) => true,
            // What was in a file that is gone counts as lost, behind all that was read of it.
            (Some(first), None) => entry.committed.saturating_sub(lost) <= first.start,
            // Read at two places, it may have been read beyond that.
            (Some(_), Some(_)) => {
                missing.iter().map(|one| one.end - one.start).sum::<u64>() <= lost
            }
        };
        is_counted && missing.iter().all(is_told)
    }

    /// Compares what is saved with what is stored.
    fn check_known(&self, known: &[Known]) -> Result<(), String> {
        let mut holes = self.world.lock().unwrap_or_else(PoisonError::into_inner).holes;
        holes |= self.reading.is_some_and(|reading| reading.empty_lines || reading.drops);
        for known in known {
            let entry = &known.entry;
            tell(format!(
                "    known: {} inode {} to {}, ended {}",
                entry.name.display(),
                entry.inode.number,
                entry.committed,
                entry.ended
            ));
            if !holes && !self.covers(entry) {
                return Err(format!(
                    "{} of {} is committed, but not all of it is stored",
                    entry.committed,
                    entry.path.display()
                ));
            }
        }
        Ok(())
    }

    /// Notes which logs the process knows, at a start or since.
    fn note_known(&self, known: &[Known], is_start: bool) {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        if is_start {
            world.forget_known();
        }
        for Entry { path, inode, name, ended, .. } in known.iter().map(|known| &known.entry) {
            world.note_known(path, inode.birth);
            if is_start && !ended {
                self.disk.state().note_saved(name, inode.number);
            }
        }
    }

    /// Notes which bytes are said to be lost.
    fn note_lost(&mut self, settled: &Settled) {
        if settled.outcome == Outcome::Lost {
            for range in &settled.ranges {
                let told = self.lost.entry(range.epoch).or_default();
                told.push(range.start..range.end);
                told.sort_by_key(|range| range.start);
                self.lost_lately.push((range.epoch, range.start..range.end));
            }
        }
    }

    fn patterns(&self) -> Vec<Pattern> {
        self.glob.iter().map(|text| Pattern::parse(text).unwrap()).collect()
    }

    /// Tells whether anything was told as lost in this life that was saved before, or sent in it. What was stored before and
    /// not saved may be told, nobody can know.
    fn verdict_of_lost(&self) -> Result<(), String> {
        for (epoch, lost) in &self.lost_lately {
            let is_it = |(sent_of, sent): &&(Epoch, Range<u64>)| {
                sent_of == epoch && sent.start < lost.end && lost.start < sent.end
            };
            if let Some((_, sent)) = self.server.sent.iter().find(is_it) {
                return Err(format!("{lost:?} of {epoch} is told as lost, and {sent:?} was sent"));
            }
            if self.saved.get(epoch).is_some_and(|saved| lost.start < *saved) {
                return Err(format!("{lost:?} of {epoch} is told as lost, and was saved before"));
            }
        }
        Ok(())
    }

    /// Compares what is stored with what is promised of files that were removed: what was rescued, and what was in them when
    /// they were closed.
    fn verdict_of_removed(&self) -> Result<(), String> {
        let (promised, streams) = {
            let state = self.disk.state();
            (state.promised.clone(), state.streams())
        };
        let promised = promised.into_iter().filter(|content| unpack(content).is_none());
        if let (Some(reading), Some(events)) = (self.reading, &self.server.events) {
            for content in promised {
                reading.cover(
                    events,
                    &streams,
                    vec![(PathBuf::from("what was closed"), content)],
                )?;
            }
            return Ok(());
        }
        if let Some(line) = self.rescued.iter().find(|line| !self.server.stored.contains_key(*line))
        {
            return Err(format!("rescued, and never stored: `{line:.80}`"));
        }
        let lines = promised.flat_map(|content| complete_lines(&content));
        let is_stored = |line: &String| line.is_empty() || self.server.stored.contains_key(line);
        match lines.into_iter().find(|line| !is_stored(line)) {
            Some(line) => Err(format!("closed without a name, and never stored: `{line:.80}`")),
            None => Ok(()),
        }
    }

    /// Compares what is stored with what was written.
    fn verdict(&self) -> Result<usize, String> {
        self.verdict_of_lost()?;
        let world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        for (line, count) in &self.server.stored {
            match world.written.get(line) {
                None if line.is_empty() => {}
                None if self.reading.is_some_and(|reading| reading.changes_lines()) => {}
                None => return Err(format!("stored, never written: `{line:.80}`")),
                Some(written) if written < count => {
                    return Err(format!("written {written} times, stored {count}: `{line:.80}`"));
                }
                Some(_) => {}
            }
        }
        let mut there: BTreeMap<String, (usize, PathBuf)> = BTreeMap::new();
        let followed = self.disk.state().followed();
        let mut logs: Vec<(PathBuf, Vec<u8>, u64, bool, bool)> = self
            .disk
            .state()
            .logs()
            .into_iter()
            .map(|(path, content, made)| {
                let content = unpacked(content);
                let is_packed = is_packed(&path);
                let is_known = match (self.reading, &self.server.events) {
                    (Some(reading), Some(events)) => reading.knows(events, &content),
                    _ => complete_lines(&content).iter().any(|line| {
                        !line.starts_with("common") && self.server.stored.contains_key(line)
                    }),
                };
                let matches = self.patterns().iter().any(|pattern| pattern.matches(&path));
                let is_after_known = world.is_after_known(&path, made);
                let is_ours = is_known
                    || (matches && !is_packed)
                    || is_after_known
                    || followed.contains(&path);
                (path, content, made, matches, is_ours)
            })
            .collect();
        // What was rotated out of the patterns before anybody looked is the shipper's if it knows an older generation,
        // by the name of the log and not of a link to it. Of what came back to its tree its number says nothing.
        let mut oldest: BTreeMap<String, u64> = BTreeMap::new();
        for (path, ..) in logs.iter().filter(|(.., matches, is_ours)| *is_ours && !matches) {
            if let Some((log, generation)) = crate::world::generation(path) {
                let oldest = oldest.entry(log).or_default();
                *oldest = generation.max(*oldest);
            }
        }
        for (path, _, made, _, is_ours) in &mut logs {
            *is_ours |= !self.links
                && !world.came_back(*made)
                && crate::world::generation(path).is_some_and(|(log, generation)| {
                    oldest.get(&log).is_some_and(|oldest| generation < *oldest)
                });
        }
        let ours = logs.into_iter().filter(|(.., is_ours)| *is_ours);
        if let (Some(reading), Some(events)) = (self.reading, &self.server.events) {
            let files = ours.map(|(path, content, ..)| (path, content)).collect();
            reading.cover(events, &self.disk.state().streams(), files)?;
            self.verdict_of_removed()?;
            return Ok(self.server.stored.len());
        }
        for (path, content, ..) in ours {
            for line in complete_lines(&content) {
                there.entry(line).or_insert((0, path.clone())).0 += 1;
            }
        }
        self.verdict_of_removed()?;
        for (line, (count, path)) in there {
            let stored = self.server.stored.get(&line).copied().unwrap_or(0);
            if stored < count {
                let path = path.display();
                return Err(format!("{count} times in {path}, stored {stored}: `{line:.80}`"));
            }
        }
        Ok(self.server.stored.len())
    }
}

/// Returns the complete lines of a rescued file.
fn rescued_lines(bytes: Vec<u8>) -> Vec<String> {
    let rescued = Rescued::open(Bytes(bytes)).unwrap();
    let mut lines = Vec::new();
    for part in rescued.parts() {
        let mut content = vec![0; usize::try_from(part.end - part.start).unwrap()];
        let length = rescued.read_at(&mut content, part.start).unwrap();
        let complete = complete_lines(&content[..length]);
        // The first one began before.
        lines.extend(complete.into_iter().skip(usize::from(0 < part.start)));
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// A file in memory.
struct Bytes(Vec<u8>);

impl ReadFile for Bytes {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap().min(self.0.len());
        let length = bytes.len().min(self.0.len() - from);
        bytes[..length].copy_from_slice(&self.0[from..from + length]);
        Ok(length)
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(Stat {
            kind: Kind::File,
            inode: Inode::default(),
            size: self.0.len() as u64,
            modified: 0,
            mode: 0o600,
            user: 0,
            group: 0,
        })
    }
}

fn unpacked(content: Vec<u8>) -> Vec<u8> {
    // Of one that is not complete, as much as there is.
    let unpacked = unpack(&content).unwrap_or_default();
    if unpacked.is_empty() { content } else { unpacked }
}

fn complete_lines(content: &[u8]) -> Vec<String> {
    let Some(end) = content.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
    let lines = content[..end].split(|byte| *byte == b'\n');
    lines.map(|line| String::from_utf8_lossy(line).trim_start_matches('\0').to_owned()).collect()
}

type NextBatch = Pin<Box<dyn Future<Output = Option<Batch>>>>;

/// The stages of one life.
struct Process {
    prospector: Prospector<ModelDisk>,
    workers: Vec<Worker<ModelDisk>>,
    /// None while it syncs.
    registrar: Option<Registrar<ModelDisk>>,
    deliverer: Deliverer,
    receiver: Receiver,
    next: NextBatch,
    ledger: Ledger,
    /// What the prospector has told, on its way to the registrar.
    told: Inbox,
    pool: Pool,
    stats: Arc<Stats>,
}

/// How the registry is opened.
fn opening(seed: u64) -> Opening {
    let path = PathBuf::from(DATA).join("registry");
    Opening {
        settings: RegistrySettings { path, ..RegistrySettings::default() },
        data: PathBuf::from(DATA),
        output: "elasticsearch".to_owned(),
        machine: "m".to_owned(),
        random: random(seed),
    }
}

/// Draws how a worker is set up; one that `keeps_open` never has to close what it follows.
fn worker_settings(
    rng: &mut Rng,
    keeps_open: bool,
    closing: CloseSettings,
    open_limit: Option<OpenLimit>,
    fresh: Option<Fresh>,
) -> WorkerSettings {
    let order = if fresh.is_some() { BacklogOrder::FreshFirst } else { BacklogOrder::Sequential };
    WorkerSettings {
        rescue: None,
        limits: BatchLimits { bytes: BUFFER_BYTES, items: rng.usize(1..20) },
        flush_timeout: Duration::from_millis(rng.u64(..2_000)),
        backlog_bytes_min: fresh.map_or(READ_BYTES as u64, |fresh| fresh.backlog_bytes_min),
        inputs: vec![WorkerInput {
            closing,
            owner: OwnerSettings::default(),
            fingerprint: None,
            open_limit,
            message_max_bytes: 10 << 20,
            backlog: order,
        }],
        open_files_max: rng.usize(1..6) + if keeps_open { 100 } else { 0 },
        read_bytes: READ_BYTES,
    }
}

/// Looks at what earlier lives have rescued.
fn open_rescue(scene: &Scene) -> Result<(Rescue, Vec<Epoch>), String> {
    let settings = RescueSettings {
        bytes_max: scene.rescue_bytes.unwrap_or_default(),
        on_full: if scene.drops_rest { OnFull::Drop } else { OnFull::Keep },
        step_bytes: 1,
        ..RescueSettings::default()
    };
    let opened = Rescue::open(&scene.disk, &settings, Path::new(DATA));
    opened.map_err(|error| format!("no rescue: {error}"))
}

fn next_batch(receiver: &Receiver) -> NextBatch {
    let receiver = receiver.clone();
    Box::pin(async move { receiver.next().await })
}

impl Process {
    /// Starts it; `None` when it was stopped while it started or its registry could not be written.
    fn start(scene: &mut Scene) -> Result<Option<Self>, String> {
        scene.lost_lately.clear();
        scene.server.sent.clear();
        let stats = Arc::new(Stats::default());
        let (ledger, inbox) = Ledger::inbox(Arc::new(Wake::default()));
        scene.drawn += 1 << 10;
        let drawn = scene.drawn;
        let opening = opening(drawn + (1 << 9));
        let opened = Registrar::open(scene.disk.clone(), opening, inbox, Arc::clone(&stats));
        let (registrar, known) = match opened {
            Ok(opened) => opened,
            // The disk is full: whoever starts it tries again.
            Err(error)
                if scene.disk.state().faults.full || scene.disk.state().faults.sync_fails =>
            {
                tell(format!("no start: {error}"));
                scene.disk.state().crash(false, |most| most);
                return Ok(None);
            }
            Err(error) => return Err(format!("the registry cannot be opened: {error}")),
        };
        scene.saved =
            known.iter().map(|known| (known.entry.epoch, known.entry.committed)).collect();
        scene.check_known(&known)?;
        scene.note_known(&known, true);
        let (rescue, rescued) = open_rescue(scene)?;
        let keeps_open = scene.rng.bool();
        scene.disk.state().keeps_open = keeps_open;
        scene.disk.state().promises = scene.rescue_bytes == Some(1 << 30);
        let bells: Vec<_> = (0..scene.workers).map(|_| Arc::new(Wake::default())).collect();
        let (sender, receiver) = queue(bells.clone());
        let pool = Pool::new(POOL_BYTES);
        let (report, reports) = mpsc::channel();
        let bell = Arc::new(Wake::default());
        let (mut links, mut workers) = (Vec::new(), Vec::new());
        let close = closing(&mut scene.rng, keeps_open);
        let open_limit = OpenLimit::new(close.limit);
        for wake in &bells {
            let (orders, worker_orders) = mpsc::channel();
            links.push(WorkerLink { orders, wake: Arc::clone(wake) });
            let worker_links = WorkerLinks {
                orders: worker_orders,
                exchanges: mpsc::channel().1,
                reports: report.clone(),
                prospector: Arc::clone(&bell),
                wake: Arc::clone(wake),
                pool: pool.clone(),
                queue: sender.clone(),
                ledger: ledger.clone(),
                stats: Arc::clone(&stats),
            };
            let (rng, fresh) = (&mut scene.rng, scene.fresh);
            let limit = open_limit.clone();
            let mut settings = worker_settings(rng, keeps_open, close, limit, fresh);
            settings.rescue = scene.rescue_bytes.map(|_| rescue.clone());
            settings.read_bytes = scene.read_bytes();
            let pipelines = vec![pipeline(scene.reading)];
            workers.push(Worker::new(scene.disk.clone(), settings, worker_links, pipelines));
        }
        let (prospector_ledger, told) = Ledger::inbox(Arc::new(Wake::default()));
        let (hint, hints) = mpsc::channel();
        let watch: Box<dyn Watch> =
            if scene.events { Box::new(scene.disk.watch(hint)) } else { Box::new(NoWatch) };
        let links = ProspectorLinks {
            workers: links,
            reports,
            hints,
            exchanges: mpsc::channel().1,
            watch,
            ledger: prospector_ledger,
            wake: bell,
            stats: Arc::clone(&stats),
            laggards: None,
            random: random(drawn),
            wall: Box::new(|| 0),
        };
        let watched = Watched { patterns: scene.patterns(), symlinks: true, ..Watched::default() };
        let prospector =
            Prospector::new(scene.disk.clone(), vec![watched], From::Start, known, links)
                .with_rescue(rescue, &rescued);
        let next = next_batch(&receiver);
        let deliverer = Deliverer::default();
        let process = Self {
            prospector,
            workers,
            registrar: Some(registrar),
            deliverer,
            receiver,
            next,
            ledger,
            told,
            pool,
            stats,
        };
        Ok(Some(process))
    }

    /// Lives for some steps, in which anything may happen.
    fn live(&mut self, scene: &mut Scene, steps: usize) -> Result<(), String> {
        for _ in 0..steps {
            self.live_on(scene)?;
        }
        Ok(())
    }

    /// Lives for one step.
    fn live_on(&mut self, scene: &mut Scene) -> Result<(), String> {
        let copying = scene.world.lock().unwrap_or_else(PoisonError::into_inner).is_copying();
        let passed = match scene.rng.u8(..10) {
            _ if copying => scene.rng.u64(..20),
            0 => scene.rng.u64(..12_000),
            1..=4 => scene.rng.u64(..300),
            _ => 0,
        };
        scene.pass(Duration::from_millis(passed));
        match scene.rng.u8(..12) {
            0..=2 => scene.act(),
            3 => self.trouble(scene),
            _ => self.step(scene, false)?,
        }
        Ok(())
    }

    /// Has the registrar do what it has to do, and everybody else go on while it waits for a sync.
    fn save_slowly(&mut self, scene: &mut Scene) -> Result<(), String> {
        let Some(mut registrar) = self.registrar.take() else { return Ok(()) };
        let ((says, said), (go_on, goes_on)) = (mpsc::channel(), mpsc::channel());
        scene.disk.state().gate = Some(Gate { says: says.clone(), goes_on });
        let now = scene.now;
        let saving = std::thread::spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| registrar.step(now)));
            let story = crate::story::take();
            says.send(Syncing::Ended).unwrap();
            (result, registrar, story)
        });
        let mut lived = Ok(Ok(()));
        if said.recv() == Ok(Syncing::Waits) {
            tell("a sync begins".to_owned());
            let steps = scene.rng.usize(1..60);
            let is_killed = !scene.is_last && scene.rng.u8(..4) == 0;
            lived =
                catch_unwind(AssertUnwindSafe(|| (0..steps).try_for_each(|_| self.live_on(scene))));
            tell("… and ends".to_owned());
            go_on.send(lived.is_ok() && !is_killed).unwrap();
        }
        let (result, registrar, story) = saving.join().expect("it catches what it throws");
        scene.disk.state().gate = None;
        story.into_iter().for_each(tell);
        self.registrar = Some(registrar);
        match (lived, result) {
            (Err(panic), _) | (_, Err(panic)) => resume_unwind(panic),
            (Ok(lived), Ok(_)) => lived,
        }
    }

    fn trouble(&mut self, scene: &mut Scene) {
        let mut state = scene.disk.state();
        match scene.rng.u8(..12) {
            0 => self.deliverer.away = true,
            1..=3 => self.deliverer.away = false,
            4 => state.faults.full = true,
            5 => state.faults.sync_fails = true,
            6 => (state.faults.open_fails, state.keeps_open) = (true, false),
            7 => state.faults.reads_fail = true,
            _ => state.faults = crate::disk::Faults::default(),
        }
    }

    /// One stage does what it has to do.
    fn step(&mut self, scene: &mut Scene, smooth: bool) -> Result<(), String> {
        match scene.rng.usize(..4 + self.workers.len()) {
            0 => {
                self.prospector.step(scene.now);
                self.pass_on(scene);
            }
            1 if scene.slow_syncs && !smooth && scene.rng.u8(..3) == 0 => {
                self.save_slowly(scene)?;
            }
            1 => {
                let Some(registrar) = &mut self.registrar else { return Ok(()) };
                registrar.step(scene.now);
                if scene.rng.u8(..4) == 0 {
                    self.audit(scene.now)?;
                }
            }
            2 => self.take_batch(scene),
            3 => {
                let Scene { rng, server, .. } = scene;
                self.deliverer.step(rng, server, &self.ledger, smooth)?;
            }
            worker => {
                let moment = Moment(1_700_000_000_000);
                self.workers[worker - 4].step(scene.now, moment);
            }
        }
        let peak = self.pool.peak();
        if self.pool.capacity() < peak {
            return Err(format!("{peak} buffers were in use"));
        }
        Ok(())
    }

    /// Takes what the prospector has told to the registrar.
    fn pass_on(&mut self, scene: &mut Scene) {
        while let Ok(note) = self.told.try_recv() {
            match &note {
                Note::Settled(settled) => scene.note_lost(settled),
                Note::Register { known, .. } => scene.note_known(known, false),
                _ => {}
            }
            self.ledger.tell(note);
        }
    }

    /// Has the bytes counted: none is missing, whatever goes on. Returns how many are on their way.
    fn audit(&mut self, now: Instant) -> Result<u64, String> {
        let (reply, answer) = mpsc::channel();
        self.ledger.tell(Note::Audit(reply));
        self.registrar.as_mut().ok_or("it syncs")?.step(now);
        let audit = answer.try_recv().map_err(|_| "the audit has no answer")?;
        if audit.missing_bytes != 0 {
            return Err(format!("the audit found a gap: {:?}", audit.epochs));
        }
        Ok(audit.in_flight_bytes)
    }

    fn take_batch(&mut self, scene: &Scene) {
        if !self.deliverer.is_free(1 + scene.workers) {
            return;
        }
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(Some(batch)) = self.next.as_mut().poll(&mut context) {
            self.deliverer.take(batch);
            self.next = next_batch(&self.receiver);
        }
    }

    /// Lives on in a silent world until nothing is left to do.
    fn settle(&mut self, scene: &mut Scene) -> Result<(), String> {
        if scene.drains && !scene.goes_on {
            self.drain(scene)?;
        }
        let steps = self.steps();
        let until = scene.now + self.time_to_settle(scene);
        while scene.now < until {
            scene.pass(PAUSE);
            for _ in 0..steps {
                self.step(scene, true)?;
            }
            // The buffer of a long line is not the pool's.
            if scene.verdict().is_ok() && self.pool.in_use() == 0 && self.audit(scene.now)? == 0 {
                // What was rescued a moment ago may not be read yet.
                scene.note_rescued();
                if scene.verdict().is_ok() {
                    return Ok(());
                }
            }
        }
        scene.verdict()?;
        let bytes = self.audit(scene.now)?;
        if 0 < bytes {
            return Err(format!("{bytes} bytes are still on their way for the audit"));
        }
        let buffers = self.pool.in_use();
        scene.note_rescued();
        let verdict = scene.verdict();
        Err(format!("it is never settled: {buffers} buffers are in use, {verdict:?}"))
    }

    /// Returns how many steps the stages take between two pauses of a silent world.
    fn steps(&self) -> usize {
        40 + 20 * self.workers.len()
    }

    /// Returns how long a silent world may take.
    fn time_to_settle(&self, scene: &Scene) -> Duration {
        let turns = self.steps() / (4 + self.workers.len());
        let pauses = u32::try_from(2 * scene.read_buffers() / turns).unwrap();
        Duration::from_secs(SETTLED_AFTER) + PAUSE * pauses
    }

    /// Asks for everything to be read and acknowledged; when that is said to be done, it is.
    fn drain(&mut self, scene: &mut Scene) -> Result<(), String> {
        tell("drain".to_owned());
        self.prospector.look_at_once(scene.now);
        let (mut is_asked, mut ends) = (false, None);
        let (steps, until) = (self.steps(), scene.now + self.time_to_settle(scene));
        while scene.now < until {
            scene.pass(PAUSE);
            for _ in 0..steps {
                self.step(scene, true)?;
                if !is_asked && self.prospector.has_assigned_all() {
                    is_asked = true;
                    self.prospector.drain();
                }
                ends = ends.or_else(|| self.prospector.drained());
                let is_acknowledged =
                    |(progress, end): &(Arc<Progress>, u64)| *end <= progress.committed();
                if ends.as_ref().is_some_and(|ends| ends.iter().all(is_acknowledged)) {
                    let verdict = scene.verdict().map(drop);
                    return verdict.map_err(|what| format!("it is said to be drained: {what}"));
                }
            }
        }
        Err("it is never drained".to_owned())
    }

    /// Ends it; gently: with what belongs to an orderly stop.
    fn end(self, scene: &mut Scene, gently: bool) -> Result<(), String> {
        let Self { prospector, mut workers, registrar, mut deliverer, receiver, next, .. } = self;
        if gently {
            scene.disk.state().meanwhile = None;
            scene.disk.state().stop_after = None;
            workers.drain(..).for_each(Worker::close);
            if let Some(registrar) = registrar {
                registrar.close(scene.now);
            }
            check_accounts(scene)?;
        } else {
            drop(registrar);
        }
        let Scene { rng, server, .. } = scene;
        deliverer.stop(rng, server)?;
        drop((prospector, workers, deliverer, next, receiver));
        Ok(())
    }
}

/// For every entry of the registry, its account has all that is settled of it.
fn check_accounts(scene: &Scene) -> Result<(), String> {
    let settings = RegistrySettings {
        path: PathBuf::from(DATA).join("registry"),
        ..RegistrySettings::default()
    };
    let output = "elasticsearch".to_owned();
    let place = Place { settings, data: PathBuf::from(DATA), output };
    let Ok(stored) = look(&scene.disk, &place) else { return Ok(()) };
    match stored.decoded.entries.values().find(|entry| entry.account.sum() != entry.settled_bytes())
    {
        Some(entry) => Err(format!("an account differs from what is settled: {entry:?}")),
        None => Ok(()),
    }
}

fn random(mut drawn: u64) -> Box<dyn FnMut() -> [u8; 12] + Send> {
    Box::new(move || {
        drawn += 1;
        let mut bytes = [7; 12];
        bytes[..8].copy_from_slice(&drawn.to_be_bytes());
        bytes
    })
}

fn pipeline(reading: Option<Reading>) -> Pipeline {
    let reading = reading.map(|reading| reading.settings()).unwrap_or_default();
    let input = InputSettings { format: Format::Raw, reading, ..InputSettings::default() };
    Pipeline::new(&input, &Shared { document_id: true, ..Shared::default() }).unwrap()
}

/// When files are let go of: mostly as by default, and in every other way.
fn closing(rng: &mut Rng, keeps_open: bool) -> CloseSettings {
    if keeps_open {
        let inactive = Duration::from_secs(10_000);
        return CloseSettings { inactive, on_eof: false, renamed: false, after: None, limit: 0 };
    }
    CloseSettings {
        inactive: Duration::from_secs(rng.u64(1..100)),
        on_eof: rng.u8(..8) == 0,
        renamed: rng.u8(..4) == 0,
        after: (rng.u8(..4) == 0).then(|| Duration::from_secs(rng.u64(1..30))),
        limit: if rng.u8(..8) == 0 { rng.usize(1..4) } else { 0 },
    }
}
