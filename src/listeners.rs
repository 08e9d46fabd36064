//! Listeners: inputs that are sent to. What comes goes whole, message by message, into the open batch.
//!
//! Everything is driven by [`Listeners::step`]; nothing here spawns or reads a clock. Without a free batch buffer nothing
//! is read: the senders of streams wait, and datagrams wait in the kernel, which counts those that it has no room for. There
//! is nothing to be read again, so nothing is in the registry.

mod advised;
mod doors;
mod drops;
mod flow;
pub mod framing;
mod poller;
mod stream;
mod tls;
mod turns;

use crate::batch::BatchLimits;
use crate::disk::Disk;
use crate::hint::Advised;
use crate::ledger::Ledger;
use crate::logging::limiter::Limiter;
use crate::pipeline::{Moment, Pipeline, Source};
use crate::pool::Pool;
use crate::position::Epoch;
use crate::queue::Sender;
use crate::settings::{Listen, ListenerSettings};
use crate::stats::Stats;
use crate::tls::Unusable;
use doors::Door;
pub use flow::OnTheWay;
use flow::{Clock, Flow, Lane, Put};
pub use poller::Poller;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stream::Stream;
use tls::Secured;
use tracing::{info, warn};

/// Most bytes that are read from a connection at once.
const READ_BYTES: usize = 128 << 10;

/// The beginning of a message that is longer stays in a buffer of its own.
const SHARED_BYTES: usize = 128 << 10;

/// Bytes that beginnings of messages may take in all connections together, beside one of the longest there may be.
const PENDING_BYTES_MAX: usize = 4 << 20;

/// Tokens of connections begin here; those before are of doors.
const FIRST_STREAM: u64 = 1 << 32;

/// Pause between two looks at what the kernel has dropped.
const DROPS_PAUSE: Duration = Duration::from_secs(5);

/// Pause before connections are accepted again after the system has refused one.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Pause between two lines of the log about the same.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// What listeners are set up with.
pub struct ListenersSettings {
    /// Those of the inputs, each with its pipeline.
    pub listeners: Vec<(ListenerSettings, Pipeline)>,
    /// Index of the first of them among all inputs, as counters have it.
    pub first_input: usize,
    /// Bounds of a batch.
    pub limits: BatchLimits,
    /// Longest wait of an event for its batch to fill.
    pub flush_timeout: Duration,
}

/// Whom listeners talk to.
pub struct ListenersLinks {
    /// What they sleep on; its bell is rung by the queue and the pool.
    pub poller: Poller,
    /// Buffers.
    pub pool: Pool,
    /// Where sealed batches go.
    pub queue: Sender,
    /// Where batches say what they carry.
    pub ledger: Ledger,
    /// Counters.
    pub stats: Arc<Stats>,
    /// Gives random bytes for epochs.
    pub random: Box<dyn FnMut() -> [u8; 12] + Send>,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There may be more to do at once.
    Busy,
    /// Nothing to do before something comes, the bell rings or this instant has come.
    Idle(Option<Instant>),
    /// No buffer is free; the bell rings when one is.
    Starved(Option<Instant>),
    /// The outputs have gone.
    Closed,
}

/// Returns what of a listener's certificates and key cannot be used, with the setting that names it.
pub fn unusable<D: Disk>(settings: &ListenerSettings, disk: &D) -> Option<Unusable> {
    settings.tls.as_ref().and_then(|secured| tls::unusable(secured, disk))
}

/// One input.
struct Inlet {
    settings: ListenerSettings,
    door: Door,
    lane: Lane,
    tls: Option<Secured>,
    connections: usize,
    /// Connections are not accepted now: there are too many, or until the system may allow one again.
    is_full: bool,
    accept_at: Option<Instant>,
    /// What is kept of the last senders of datagrams.
    senders: BTreeMap<Option<SocketAddr>, Source>,
    /// A datagram that found no buffer.
    held: Option<(Option<SocketAddr>, Vec<u8>)>,
    /// Datagrams since the last look at what was dropped.
    has_received: bool,
    kernel_drops: u64,
    tell_full: Limiter,
    tell_drops: Limiter,
    tell_refused: Limiter,
}

/// All listeners of a process.
pub struct Listeners<D: Disk> {
    disk: D,
    poller: Poller,
    flow: Flow,
    inlets: Vec<Inlet>,
    streams: BTreeMap<u64, Box<Stream>>,
    next_stream: u64,
    /// Sockets with something to be read, as the poller told.
    ready: VecDeque<u64>,
    tokens: Vec<u64>,
    buffer: Vec<u8>,
    pending_bytes: usize,
    pending_bytes_max: usize,
    starved: bool,
    sweep_at: Option<Instant>,
    drops_at: Option<Instant>,
    draining: bool,
    /// Whether standard input has ended.
    input_ended: bool,
}

impl<D: Disk> Listeners<D> {
    /// Binds all sockets.
    ///
    /// # Errors
    /// When one cannot be bound, or TLS not be set up.
    pub fn open(
        disk: D,
        settings: ListenersSettings,
        mut links: ListenersLinks,
    ) -> Result<Self, Advised> {
        let mut inlets = Vec::new();
        let mut longest = 0;
        let first_input = settings.first_input;
        for (number, (settings, pipeline)) in settings.listeners.into_iter().enumerate() {
            let tls = match &settings.tls {
                Some(tls) => Some(Secured::open(tls.clone(), &disk)?),
                None => None,
            };
            let door = Door::open(&settings.listen, &disk)?;
            if !matches!(door, Door::Stdin) {
                let watched = links.poller.add(door.socket(), number as u64);
                watched.map_err(|error| advised::cannot_listen(&settings.input.kind, &error))?;
            }
            match (&settings.listen, door.address()) {
                (_, Some(address)) => info!("input `{}` listens at {address}", settings.input.kind),
                (Listen::UnixStream(socket) | Listen::UnixDatagram(socket), None) => {
                    info!("input `{}` listens at `{}`", settings.input.kind, socket.path.display());
                }
                (_, None) => info!("input `{}` reads standard input", settings.input.kind),
            }
            longest = longest.max(message_bytes_max(&settings));
            let lane =
                Lane::new(first_input + number, pipeline, Epoch::from_random((links.random)()));
            inlets.push(Inlet::new(settings, door, lane, tls));
        }
        let flow = Flow {
            wake: Arc::clone(links.poller.wake()),
            pool: links.pool,
            queue: links.queue,
            ledger: links.ledger,
            stats: links.stats,
            limits: settings.limits,
            flush_timeout: settings.flush_timeout,
            on_the_way: OnTheWay::default(),
            batch: None,
        };
        let mut listeners = Self {
            disk,
            poller: links.poller,
            flow,
            inlets,
            streams: BTreeMap::new(),
            next_stream: FIRST_STREAM,
            ready: VecDeque::new(),
            tokens: Vec::new(),
            buffer: vec![0; SHARED_BYTES + READ_BYTES],
            pending_bytes: 0,
            pending_bytes_max: PENDING_BYTES_MAX + longest,
            starved: false,
            sweep_at: None,
            drops_at: None,
            draining: false,
            input_ended: false,
        };
        listeners.look_at_drops(true, None);
        Ok(listeners)
    }

    /// Returns what is on its way from here.
    #[must_use]
    pub fn on_the_way(&self) -> OnTheWay {
        self.flow.on_the_way.clone()
    }

    /// Returns the addresses of the listeners that have one, in the order of the settings.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.inlets.iter().filter_map(|inlet| inlet.door.address()).collect()
    }

    /// Waits until there is something to do; `starved` as the last step said.
    pub fn wait(&self, starved: bool, longest: Duration) {
        self.poller.wait(starved, longest);
    }

    /// Reads what has come from a few senders, and lets the open batch go when it is time.
    pub fn step(&mut self, now: Instant, moment: Moment) -> Step {
        let clock = Clock { now, moment };
        self.open_stdin(now);
        if !self.flow.let_batch_go(now) {
            return Step::Closed;
        }
        if !self.flow.has_batch() {
            return self.starve(now);
        }
        self.recover(now);
        if self.ready.is_empty() {
            let mut tokens = std::mem::take(&mut self.tokens);
            self.poller.ready(&mut tokens);
            self.ready.extend(&tokens);
            self.tokens = tokens;
        }
        for _ in 0..self.ready.len() {
            let Some(token) = self.ready.pop_front() else { break };
            match self.turn(token, clock) {
                Put::Done => {}
                Put::Starved => {
                    self.ready.push_front(token);
                    return self.starve(now);
                }
                Put::Closed => return Step::Closed,
            }
        }
        self.sweep(clock);
        self.tend_pauses(now);
        self.look_at_drops(false, Some(now));
        if !self.ready.is_empty() {
            return Step::Busy;
        }
        let mut tokens = std::mem::take(&mut self.tokens);
        self.poller.ready(&mut tokens);
        self.ready.extend(&tokens);
        self.tokens = tokens;
        if !self.ready.is_empty() {
            return Step::Busy;
        }
        self.flow.rest();
        Step::Idle(self.next_deadline(now))
    }

    /// Asks that all that has come be handed over.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Tells, after [`Listeners::drain`] and an idle step, whether all that has come is handed over.
    pub fn is_drained(&mut self) -> bool {
        let reads_on = self.inlets.iter().any(|inlet| matches!(inlet.door, Door::Stdin));
        self.draining
            && self.ready.is_empty()
            && !self.starved
            && (!reads_on || self.input_ended)
            && self.flow.send_batch()
    }

    /// Tells whether there was standard input to read and it has ended.
    #[must_use]
    pub fn has_input_ended(&self) -> bool {
        self.input_ended
    }

    /// Reads what has come up to now, as far as there are buffers, and hands it over; for the stop.
    pub fn close(mut self, now: Instant, moment: Moment) {
        /// Steps that the stop may take: what keeps coming must not keep it.
        const STEPS_MAX: usize = 64;
        for _ in 0..STEPS_MAX {
            if self.step(now, moment) != Step::Busy {
                break;
            }
        }
        let given_up = self.pending_bytes + self.end_events(Clock { now, moment });
        self.flow.send_batch();
        self.look_at_drops(false, None);
        if given_up != 0 {
            warn!(
                bytes = given_up,
                "the beginnings of messages that had not all come are given up"
            );
        }
    }

    fn starve(&mut self, now: Instant) -> Step {
        self.starved = true;
        self.look_at_drops(false, Some(now));
        Step::Starved(self.drops_at)
    }

    /// Notes that there is a buffer again: nobody is to blame for having waited.
    fn recover(&mut self, now: Instant) {
        if std::mem::take(&mut self.starved) {
            for stream in self.streams.values_mut() {
                stream.since = now;
            }
            for inlet in &mut self.inlets {
                inlet.lane.joined_at = inlet.lane.joined_at.map(|_| now);
            }
        }
    }

    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let accept = self.inlets.iter().filter_map(|inlet| inlet.accept_at).min();
        // An open batch waits for an output to be free when its time has come; that rings.
        let flush = self.flow.flush_at().filter(|at| now < *at);
        let pause = self.inlets.iter().filter_map(|inlet| inlet.lane.pause_ends()).min();
        [flush, self.sweep_at, self.drops_at, accept, pause].into_iter().flatten().min()
    }

    /// Looks at what the kernel has dropped, and tells.
    fn look_at_drops(&mut self, is_first: bool, now: Option<Instant>) {
        if let Some(now) = now {
            let received = self.inlets.iter().any(|inlet| inlet.has_received);
            if received || self.starved {
                self.drops_at.get_or_insert(now + DROPS_PAUSE);
            }
            if self.drops_at.is_none_or(|at| now < at) {
                return;
            }
            self.drops_at = None;
        }
        for inlet in &mut self.inlets {
            if !matches!(inlet.door, Door::Udp(_)) {
                continue;
            }
            inlet.has_received = false;
            let Some(drops) = drops::dropped(&self.disk, inlet.door.socket()) else { continue };
            let more = drops.saturating_sub(inlet.kernel_drops);
            inlet.kernel_drops = drops;
            if is_first || more == 0 {
                continue;
            }
            self.flow.stats.listening.dropped.add(more);
            if let Some(suppressed) = now.and_then(|now| inlet.tell_drops.admit(now)) {
                warn!(
                    hint = "datagrams are lost when nobody reads them in time: raise `read_buffer` and net.core.rmem_max, or \
                            send by tcp, which waits",
                    datagrams = more,
                    "the kernel has dropped datagrams of input `{}` for want of room{suppressed}",
                    inlet.settings.input.kind
                );
            }
        }
    }
}

impl<D: Disk> Drop for Listeners<D> {
    fn drop(&mut self) {
        for inlet in &self.inlets {
            if let Listen::UnixStream(socket) | Listen::UnixDatagram(socket) =
                &inlet.settings.listen
            {
                // What is left is replaced at the next start.
                let _ = self.disk.remove(&socket.path);
            }
        }
    }
}

impl Inlet {
    fn new(settings: ListenerSettings, door: Door, lane: Lane, tls: Option<Secured>) -> Self {
        Self {
            settings,
            door,
            lane,
            tls,
            connections: 0,
            is_full: false,
            accept_at: None,
            senders: BTreeMap::new(),
            held: None,
            has_received: false,
            kernel_drops: 0,
            tell_full: Limiter::once_per(TELL_EVERY),
            tell_drops: Limiter::once_per(TELL_EVERY),
            tell_refused: Limiter::once_per(TELL_EVERY),
        }
    }
}

fn message_bytes_max(settings: &ListenerSettings) -> usize {
    usize::try_from(settings.input.message_max_bytes).unwrap_or(usize::MAX)
}
