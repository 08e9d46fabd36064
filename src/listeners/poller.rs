//! What a listener's thread sleeps on: its sockets and its bell.

use crate::wake::Wake;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// Token of the bell; those of sockets are other numbers.
const BELL: u64 = u64::MAX;

/// Sockets that are told of at once.
const EVENTS_MAX: usize = 64;

/// Waits for sockets and for its bell.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    bell: Arc<OwnedFd>,
    wake: Arc<Wake>,
}

impl Poller {
    /// Makes one.
    ///
    /// # Errors
    /// When the system has no descriptors left.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        epoll::add(&epoll, &*bell, EventData::new_u64(BELL), EventFlags::IN)?;
        let rung = Arc::clone(&bell);
        let wake = Wake::calling(move || {
            // It can only fail when it was rung 2⁶⁴ times and not heard.
            let _ = rustix::io::write(&*rung, &1_u64.to_ne_bytes());
        });
        Ok(Self { epoll, bell, wake: Arc::new(wake) })
    }

    /// Returns the bell.
    #[must_use]
    pub fn wake(&self) -> &Arc<Wake> {
        &self.wake
    }

    /// Has a socket watched; `false` when it is nothing that can be waited for, as a file.
    pub(super) fn add(&self, source: impl AsFd, token: u64) -> io::Result<bool> {
        match epoll::add(&self.epoll, source, EventData::new_u64(token), EventFlags::IN) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::PERM) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Has a socket watched no longer.
    pub(super) fn remove(&self, source: impl AsFd) {
        // One that is not watched is what was asked for.
        let _ = epoll::delete(&self.epoll, source);
    }

    /// Returns the tokens of the sockets that have something to be read, without waiting, and takes the bell's ring down.
    pub(super) fn ready(&self, tokens: &mut Vec<u64>) {
        tokens.clear();
        let mut events = [const { MaybeUninit::uninit() }; EVENTS_MAX];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let Ok((events, _)) = epoll::wait(&self.epoll, &mut events, Some(&now)) else { return };
        for event in events {
            match event.data.u64() {
                BELL => self.hear(),
                token => tokens.push(token),
            }
        }
    }

    /// Waits for a socket or the bell, or for the bell `alone`, at most `longest`.
    pub fn wait(&self, alone: bool, longest: Duration) {
        let descriptor = if alone { self.bell.as_fd() } else { self.epoll.as_fd() };
        let mut watched = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
        let longest = Timespec {
            tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: longest.subsec_nanos().into(),
        };
        // Interrupted or not, what there is to do is looked for.
        let _ = poll(&mut watched, Some(&longest));
        if alone {
            self.hear();
        }
    }

    fn hear(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.bell, &mut count);
        self.wake.take();
    }
}
