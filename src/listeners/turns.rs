//! What is done when a socket has something to be read.

use super::doors::Door;
use super::flow::{Clock, Put, Sent};
use super::framing::{Framer, Next, Piece, datagram};
use super::stream::{Socket, Stream};
use super::{
    ACCEPT_PAUSE, FIRST_STREAM, Inlet, Listeners, READ_BYTES, SHARED_BYTES, message_bytes_max,
};
use crate::disk::Disk;
use crate::pipeline::Source;
use rustls::ServerConnection;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{debug, warn};

/// Datagrams that are read in one turn.
const DATAGRAMS_MAX: usize = 64;

/// Connections that are accepted in one turn.
const ACCEPTED_MAX: usize = 16;

/// Senders of datagrams of whom something is kept.
const SENDERS_MAX: usize = 256;

/// Least pause between two looks for connections that take too long.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// How far the bytes of a stream were taken.
struct Taken {
    consumed: usize,
    put: Put,
}

impl<D: Disk> Listeners<D> {
    /// Gives one socket its turn.
    pub(super) fn turn(&mut self, token: u64, clock: Clock) -> Put {
        if FIRST_STREAM <= token {
            return self.stream_turn(token, clock);
        }
        let Ok(number) = usize::try_from(token) else { return Put::Done };
        match self.inlets[number].door {
            Door::Tcp(_) | Door::UnixStream(_) => {
                self.accept(number, clock.now);
                Put::Done
            }
            Door::Udp(_) | Door::UnixDatagram(_) => self.datagrams(number, clock),
            Door::Stdin => Put::Done,
        }
    }

    /// Begins to read standard input, once.
    pub(super) fn open_stdin(&mut self, now: Instant) {
        for number in 0..self.inlets.len() {
            let inlet = &self.inlets[number];
            if matches!(inlet.door, Door::Stdin) && inlet.connections == 0 && !self.input_ended {
                self.add_stream(number, Socket::Stdin, "", now);
            }
        }
    }

    fn accept(&mut self, number: usize, now: Instant) {
        for _ in 0..ACCEPTED_MAX {
            let inlet = &mut self.inlets[number];
            if inlet.settings.connections_max <= inlet.connections {
                inlet.is_full = true;
                self.poller.remove(inlet.door.socket());
                self.flow.stats.listening.full.add(1);
                if let Some(suppressed) = inlet.tell_full.admit(now) {
                    warn!(
                        hint = "raise `max_connections`, or lower `timeout`",
                        "input `{}` has its {} connections; more wait until one ends{suppressed}",
                        inlet.settings.input.kind,
                        inlet.settings.connections_max
                    );
                }
                return;
            }
            let secured = inlet.tls.as_mut().map(|tls| tls.config(&self.disk, now));
            let accepted = match &inlet.door {
                Door::Tcp(listener) => listener.accept().and_then(|(socket, address)| {
                    socket.set_nonblocking(true)?;
                    Ok((tcp_socket(secured, socket)?, address.to_string()))
                }),
                Door::UnixStream(listener) => listener.accept().and_then(|(socket, _)| {
                    socket.set_nonblocking(true)?;
                    Ok((Socket::Unix(socket), String::new()))
                }),
                _ => return,
            };
            match accepted {
                Ok((socket, address)) => self.add_stream(number, socket, &address, now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    self.flow.stats.listening.errors.add(1);
                    self.pause(number, &error, now);
                    return;
                }
            }
        }
    }

    /// Accepts no connections for a while, as without free descriptors; one that went before it was accepted is no reason.
    fn pause(&mut self, number: usize, error: &io::Error, now: Instant) {
        if error.kind() == io::ErrorKind::ConnectionAborted {
            return;
        }
        let inlet = &mut self.inlets[number];
        self.poller.remove(inlet.door.socket());
        inlet.accept_at = Some(now + ACCEPT_PAUSE);
        if let Some(suppressed) = inlet.tell_refused.admit(now) {
            warn!(
                "input `{}` cannot accept a connection: {error}{suppressed}",
                inlet.settings.input.kind
            );
        }
    }

    /// Accepts connections again where that was given up.
    fn resume(&mut self, number: usize) {
        let inlet = &mut self.inlets[number];
        if inlet.accept_at.is_none() && inlet.connections < inlet.settings.connections_max {
            // It fails only for want of the kernel's memory; the next connection that ends tries again.
            inlet.is_full = self.poller.add(inlet.door.socket(), number as u64).is_err();
        }
    }

    fn add_stream(&mut self, number: usize, socket: Socket, address: &str, now: Instant) {
        let token = self.next_stream;
        let Ok(polled) = self.poller.add(socket.descriptor(), token) else {
            self.flow.stats.listening.errors.add(1);
            return;
        };
        self.next_stream += 1;
        let inlet = &mut self.inlets[number];
        inlet.connections += 1;
        let source = inlet.lane.pipeline.source(Path::new(address), inlet.lane.epoch);
        let framer =
            Framer::new(inlet.settings.framing.clone(), message_bytes_max(&inlet.settings));
        let due = now + inlet.settings.timeout;
        self.sweep_at = Some(self.sweep_at.map_or(due, |at| at.min(due)));
        let (ended, broken_off, pending) = (false, false, Vec::new());
        let stream = Stream {
            socket,
            door: number,
            source,
            framer,
            pending,
            since: now,
            ended,
            broken_off,
            polled,
        };
        self.streams.insert(token, Box::new(stream));
        if !polled {
            self.ready.push_back(token);
        }
        self.flow.stats.listening.accepted.add(1);
        self.flow.stats.listening.connections.add(1);
    }

    fn stream_turn(&mut self, token: u64, clock: Clock) -> Put {
        let Some(mut stream) = self.streams.remove(&token) else { return Put::Done };
        self.pending_bytes -= stream.pending.len();
        let put = self.read_stream(token, &mut stream, clock);
        if put == Put::Done && stream.ended {
            self.end_stream(&stream);
            return put;
        }
        self.pending_bytes += stream.pending.len();
        self.streams.insert(token, stream);
        if put == Put::Done && self.pending_bytes_max < self.pending_bytes {
            return self.cut_longest(clock);
        }
        put
    }

    fn end_stream(&mut self, stream: &Stream) {
        self.poller.remove(stream.socket.descriptor());
        self.flow.stats.listening.connections.add(-1);
        let number = stream.door;
        self.inlets[number].connections -= 1;
        if matches!(stream.socket, Socket::Stdin) {
            self.input_ended = true;
        } else if self.inlets[number].is_full {
            self.resume(number);
        }
    }

    /// Reads once from a connection, and takes the messages that are complete.
    fn read_stream(&mut self, token: u64, stream: &mut Stream, clock: Clock) -> Put {
        if !self.flow.has_batch() {
            return Put::Starved;
        }
        let is_own = SHARED_BYTES < stream.pending.len();
        let mut filled = stream.pending.len();
        let mut buffer = if is_own {
            let mut own = std::mem::take(&mut stream.pending);
            own.resize(filled + READ_BYTES, 0);
            own
        } else {
            let mut shared = std::mem::take(&mut self.buffer);
            shared[..filled].copy_from_slice(&stream.pending);
            stream.pending = Vec::new();
            shared
        };
        // What is complete already found no buffer before; no more is read until it has one.
        let mut done = self.take(stream, &buffer[..filled], clock);
        if done.put == Put::Done && !stream.ended {
            buffer.copy_within(done.consumed..filled, 0);
            filled -= done.consumed;
            let (read, more) = read_all(&mut stream.socket, &mut buffer[filled..]);
            match read {
                Ok(0) if more => {}
                Ok(0) => stream.ended = true,
                Ok(length) => filled += length,
                Err(error) => {
                    debug!("a connection has ended: {error}");
                    let is_fault = error.kind() != io::ErrorKind::ConnectionReset;
                    self.flow.stats.listening.errors.add(u64::from(is_fault));
                    stream.ended = true;
                }
            }
            if more && (stream.socket.may_hold() && filled == buffer.len()) || !stream.polled {
                self.ready.push_back(token);
            }
            done = self.take(stream, &buffer[..filled], clock);
        }
        if done.put == Put::Done {
            done.put = self.end_event(stream, clock);
        }
        if is_own {
            buffer.truncate(filled);
            buffer.drain(..done.consumed);
            if buffer.len() <= SHARED_BYTES {
                buffer.shrink_to_fit();
            }
            stream.pending = buffer;
        } else {
            stream.pending.extend_from_slice(&buffer[done.consumed..filled]);
            self.buffer = buffer;
        }
        done.put
    }

    /// Takes the messages at the beginning of `bytes`, and the last one when no more will come.
    fn take(&mut self, stream: &mut Stream, bytes: &[u8], clock: Clock) -> Taken {
        let inlet = &mut self.inlets[stream.door];
        let joins = inlet.lane.pipeline.joins();
        let mut consumed = 0;
        loop {
            if joins {
                let put = self.flow.put_ready(&mut inlet.lane, &stream.source, clock);
                if put != Put::Done {
                    return Taken { consumed, put };
                }
            }
            let rest = &bytes[consumed..];
            let next = match stream.framer.next(rest) {
                Next::More if stream.ended => stream.framer.last(rest, stream.broken_off),
                next => next,
            };
            match next {
                Next::More => return Taken { consumed, put: Put::Done },
                Next::Skip(bytes) => {
                    self.flow.stats.listening.skipped_bytes.add(bytes as u64);
                    consumed += bytes;
                }
                Next::Message(piece) => {
                    let sent = sent(&stream.source, rest, &piece);
                    if joins {
                        self.flow.join(&mut inlet.lane, Some(sent), clock);
                    } else {
                        let put = self.flow.put(&mut inlet.lane, sent, clock);
                        if put != Put::Done {
                            stream.framer.undo();
                            return Taken { consumed, put };
                        }
                    }
                    stream.since = clock.now;
                    consumed += piece.consumed;
                }
            }
        }
    }

    /// Ends the event of several messages that has begun, when no more will come, or nothing came for a while.
    fn end_event(&mut self, stream: &Stream, clock: Clock) -> Put {
        let lane = &mut self.inlets[stream.door].lane;
        let is_last = stream.ended && lane.pipeline.joins();
        let is_over = is_last || lane.pause_ends().is_some_and(|at| at <= clock.now);
        if !is_over {
            return Put::Done;
        }
        self.flow.join(lane, None, clock);
        self.flow.put_ready(lane, &stream.source, clock)
    }

    /// Has the streams looked at whose events are complete because nothing came for a while.
    pub(super) fn tend_pauses(&mut self, now: Instant) {
        let is_over = |inlet: &Inlet| inlet.lane.pause_ends().is_some_and(|at| at <= now);
        if !self.inlets.iter().any(is_over) {
            return;
        }
        for (token, stream) in &self.streams {
            if is_over(&self.inlets[stream.door]) && !self.ready.contains(token) {
                self.ready.push_back(*token);
            }
        }
    }

    /// Hands over what has begun as it is, for the stop; returns how many bytes find no buffer.
    pub(super) fn end_events(&mut self, clock: Clock) -> usize {
        let mut given_up = 0;
        for stream in self.streams.values() {
            let lane = &mut self.inlets[stream.door].lane;
            if !lane.pipeline.joins() {
                continue;
            }
            self.flow.join(lane, None, clock);
            if self.flow.put_ready(lane, &stream.source, clock) != Put::Done {
                given_up += lane.pipeline.give_up();
            }
        }
        given_up
    }

    /// Cuts the longest message that is not complete: all of them together take too much.
    fn cut_longest(&mut self, clock: Clock) -> Put {
        let longest = self.streams.iter().max_by_key(|(_, stream)| stream.pending.len());
        let Some(token) = longest.map(|(token, _)| *token) else { return Put::Done };
        let Some(mut stream) = self.streams.remove(&token) else { return Put::Done };
        let pending = std::mem::take(&mut stream.pending);
        let mut put = Put::Done;
        if let Next::Message(piece) = stream.framer.cut(&pending) {
            let sent = sent(&stream.source, &pending, &piece);
            put = self.flow.put(&mut self.inlets[stream.door].lane, sent, clock);
        }
        if put == Put::Done {
            self.pending_bytes -= pending.len();
            stream.since = clock.now;
        } else {
            stream.framer.undo();
            stream.pending = pending;
        }
        self.streams.insert(token, stream);
        put
    }

    fn datagrams(&mut self, number: usize, clock: Clock) -> Put {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut put = Put::Done;
        for _ in 0..DATAGRAMS_MAX {
            if !self.flow.has_batch() {
                put = Put::Starved;
                break;
            }
            let inlet = &mut self.inlets[number];
            if let Some((sender, held)) = inlet.held.take() {
                put = put_datagram(&mut self.flow, inlet, sender, &held, clock);
                if put != Put::Done {
                    inlet.held = Some((sender, held));
                    break;
                }
            }
            let received = match &inlet.door {
                Door::Udp(socket) => {
                    socket.recv_from(&mut buffer).map(|(length, address)| (length, Some(address)))
                }
                Door::UnixDatagram(socket) => socket.recv(&mut buffer).map(|length| (length, None)),
                _ => break,
            };
            match received {
                Ok((length, sender)) => {
                    inlet.has_received = true;
                    put = put_datagram(&mut self.flow, inlet, sender, &buffer[..length], clock);
                    if put != Put::Done {
                        inlet.held = Some((sender, buffer[..length].to_vec()));
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    debug!("cannot receive a datagram: {error}");
                    self.flow.stats.listening.errors.add(1);
                    break;
                }
            }
        }
        self.buffer = buffer;
        put
    }

    /// Ends connections on which no message was completed for too long, and accepts again what was paused.
    pub(super) fn sweep(&mut self, clock: Clock) {
        let now = clock.now;
        for number in 0..self.inlets.len() {
            if self.inlets[number].accept_at.is_some_and(|at| at <= now) {
                self.inlets[number].accept_at = None;
                self.inlets[number].is_full = true;
                self.resume(number);
            }
        }
        if self.sweep_at.is_none_or(|at| now < at) {
            return;
        }
        self.sweep_at = None;
        for (token, stream) in &mut self.streams {
            let is_input = matches!(stream.socket, Socket::Stdin);
            let due = stream.since + self.inlets[stream.door].settings.timeout;
            if is_input || stream.ended {
                continue;
            }
            if due <= now {
                stream.ended = true;
                stream.broken_off = true;
                self.ready.push_back(*token);
                self.flow.stats.listening.timeouts.add(1);
            } else {
                let due = due.max(now + SWEEP_PAUSE);
                self.sweep_at = Some(self.sweep_at.map_or(due, |at| at.min(due)));
            }
        }
    }
}

fn tcp_socket(
    secured: Option<Arc<rustls::ServerConfig>>,
    socket: std::net::TcpStream,
) -> io::Result<Socket> {
    let Some(config) = secured else { return Ok(Socket::Tcp(socket)) };
    let session = ServerConnection::new(config).map_err(io::Error::other)?;
    Ok(Socket::Tls(Box::new(session), socket))
}

/// Reads once, or from a socket with TLS until nothing is left of what it holds; tells whether more may be there.
fn read_all(socket: &mut Socket, buffer: &mut [u8]) -> (io::Result<usize>, bool) {
    let mut filled = 0;
    loop {
        match socket.read(&mut buffer[filled..]) {
            Ok(0) if buffer.len() == filled => return (Ok(filled), true),
            // The end is seen again.
            Ok(0) => return (Ok(filled), filled != 0),
            Ok(length) => {
                filled += length;
                if !socket.may_hold() || filled == buffer.len() {
                    return (Ok(filled), true);
                }
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                return (Ok(filled), true);
            }
            Err(_) if filled != 0 => return (Ok(filled), true),
            Err(error) => return (Err(error), false),
        }
    }
}

fn sent<'a>(source: &'a Source, bytes: &'a [u8], piece: &Piece) -> Sent<'a> {
    Sent {
        source,
        text: &bytes[piece.content.clone()],
        raw_length: piece.consumed,
        truncated: piece.truncated,
    }
}

fn put_datagram(
    flow: &mut super::flow::Flow,
    inlet: &mut Inlet,
    sender: Option<SocketAddr>,
    bytes: &[u8],
    clock: Clock,
) -> Put {
    if !inlet.senders.contains_key(&sender) {
        if SENDERS_MAX <= inlet.senders.len() {
            inlet.senders.clear();
        }
        let address = sender.map(|address| address.to_string()).unwrap_or_default();
        let source = inlet.lane.pipeline.source(Path::new(&address), inlet.lane.epoch);
        inlet.senders.insert(sender, source);
    }
    let source = &inlet.senders[&sender];
    let text = datagram(bytes);
    let most = message_bytes_max(&inlet.settings);
    let truncated = most < text.len();
    let sent = Sent {
        source,
        text: &text[..text.len().min(most)],
        raw_length: bytes.len().max(1),
        truncated,
    };
    flow.put(&mut inlet.lane, sent, clock)
}
