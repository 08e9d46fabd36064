//! The bound of memory: a fixed number of buffers, made when they are needed.
//!
//! Queue, retries and requests in flight all live in these buffers, so there is no second limit to keep in step.
//! Outputs never take from the pool, so they always make progress.

mod memory;

use crate::wake::Wake;
pub use memory::Memory;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Size of one buffer, in bytes: also the largest bulk body but for a jumbo event.
pub const BUFFER_BYTES: usize = 1 << 20;

/// Largest jumbo buffer, in bytes: ten MiB of control characters at six bytes each, and room for the fields.
pub const JUMBO_BYTES_MAX: usize = 64 << 20;

/// Most bytes of what is left of a batch that get memory of their own size.
const LEFT_BYTES_MAX: usize = BUFFER_BYTES / 4;

/// All that may be so, as a part of the pool's bytes; it comes on top of them.
const LEFT_ONE_OF: usize = 8;

/// Buffers taken since the last [`Pool::tidy`] from which on they are kept for the next: pages that are needed twice a second
/// are as well given back to the system in between.
const KEPT_FROM: usize = 32;

/// A fixed number of buffers, made when they are needed.
#[derive(Debug, Clone)]
pub struct Pool(Arc<PoolInner>);

#[derive(Debug)]
struct PoolInner {
    capacity: usize,
    state: Mutex<PoolState>,
}

#[derive(Debug, Default)]
struct PoolState {
    free: Vec<Memory>,
    in_use: usize,
    peak: usize,
    /// Most buffers in use at once since the last [`Pool::tidy`].
    lately: usize,
    /// Buffers that were taken since then.
    taken: usize,
    jumbo_bytes: usize,
    /// Bytes in memory of their own size.
    left_bytes: usize,
    starving: Vec<Arc<Wake>>,
}

impl Pool {
    /// Makes a pool of `bytes` in whole buffers, at least two.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let capacity = (bytes / BUFFER_BYTES).max(2);
        Self(Arc::new(PoolInner { capacity, state: Mutex::default() }))
    }

    /// Takes a buffer; when there is none, remembers `wake` and rings it when one comes back.
    #[must_use]
    pub fn try_take(&self, wake: &Arc<Wake>) -> Option<Buffer> {
        let mut state = self.0.lock();
        if state.in_use == self.0.capacity {
            state.starve(wake);
            return None;
        }
        state.in_use += 1;
        state.taken += 1;
        state.peak = state.peak.max(state.in_use);
        state.lately = state.lately.max(state.in_use);
        let bytes = state.free.pop();
        drop(state);
        let bytes = bytes.unwrap_or_else(|| Memory::with_capacity(BUFFER_BYTES));
        Some(Buffer { bytes, pool: Arc::clone(&self.0), kind: BufferKind::Pooled })
    }

    /// Takes the one jumbo buffer with room for `bytes`, at most [`JUMBO_BYTES_MAX`]; rings `wake` later otherwise.
    #[must_use]
    pub fn try_take_jumbo(&self, bytes: usize, wake: &Arc<Wake>) -> Option<Buffer> {
        let bytes = bytes.min(JUMBO_BYTES_MAX);
        let mut state = self.0.lock();
        if state.jumbo_bytes != 0 {
            state.starve(wake);
            return None;
        }
        state.jumbo_bytes = bytes;
        drop(state);
        let bytes = Memory::with_capacity(bytes);
        Some(Buffer { bytes, pool: Arc::clone(&self.0), kind: BufferKind::Jumbo })
    }

    /// Returns how many buffers are in use; the jumbo one counts as none.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.0.lock().in_use
    }

    /// Returns the largest number of buffers that were in use at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.0.lock().peak
    }

    /// Returns the number of buffers that there may be.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.capacity
    }

    /// Gives buffers back to the system beyond the most that were in use at once since the last call; to be called every
    /// few seconds.
    pub fn tidy(&self) {
        let mut state = self.0.lock();
        let is_busy = KEPT_FROM <= std::mem::take(&mut state.taken);
        let wanted = if is_busy { state.lately.saturating_sub(state.in_use) } else { 0 };
        state.lately = state.in_use;
        if wanted < state.free.len() {
            state.free.truncate(wanted);
        }
    }

    /// Gives buffers back to the system that nobody uses; to be called when nothing is going on.
    pub fn trim(&self) {
        let mut state = self.0.lock();
        state.free = Vec::new();
    }
}

impl PoolInner {
    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PoolState {
    fn starve(&mut self, wake: &Arc<Wake>) {
        if !self.starving.iter().any(|known| Arc::ptr_eq(known, wake)) {
            self.starving.push(Arc::clone(wake));
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BufferKind {
    Pooled,
    Jumbo,
    /// Memory of its own size, so many bytes.
    Left(usize),
}

/// Bytes that belong to the pool and go back to it when dropped.
#[derive(Debug)]
pub struct Buffer {
    bytes: Memory,
    pool: Arc<PoolInner>,
    kind: BufferKind,
}

impl Buffer {
    /// The bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// The bytes, to be appended to.
    pub fn bytes_mut(&mut self) -> &mut Memory {
        &mut self.bytes
    }

    /// Puts what it holds into memory of its own size, so that the room goes back to the pool; where it is little, and not
    /// too much is kept so already.
    pub fn condense(&mut self) {
        let length = self.bytes.as_slice().len();
        if self.kind != BufferKind::Pooled || LEFT_BYTES_MAX < length {
            return;
        }
        let mut state = self.pool.lock();
        if self.pool.capacity * BUFFER_BYTES / LEFT_ONE_OF < state.left_bytes + length {
            return;
        }
        state.left_bytes += length;
        drop(state);
        let mut bytes = Memory::with_capacity(length);
        bytes.extend_from_slice(self.bytes.as_slice());
        let pool = Arc::clone(&self.pool);
        // Dropped, the one before goes back.
        *self = Self { bytes, pool, kind: BufferKind::Left(length) };
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_slice()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        let mut state = self.pool.lock();
        match self.kind {
            BufferKind::Jumbo => state.jumbo_bytes = 0,
            BufferKind::Left(length) => state.left_bytes -= length,
            BufferKind::Pooled => {
                state.in_use -= 1;
                if bytes.capacity() == BUFFER_BYTES && KEPT_FROM <= state.taken {
                    bytes.truncate(0);
                    state.free.push(bytes);
                }
            }
        }
        for wake in state.starving.drain(..) {
            wake.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_that_is_left_gives_its_buffer_back_up_to_a_part_of_the_pool() {
        let (pool, wake) = (Pool::new(2 << 20), Arc::new(Wake::default()));
        let condensed = |length: usize| {
            let mut buffer = pool.try_take(&wake).expect("a buffer is free");
            buffer.bytes_mut().extend_from_slice(&vec![b'x'; length]);
            buffer.condense();
            assert!(
                buffer.bytes().iter().all(|byte| *byte == b'x') && buffer.bytes().len() == length
            );
            buffer
        };
        let first = condensed(LEFT_BYTES_MAX);
        assert_eq!(pool.in_use(), 0);
        let second = condensed(1);
        assert_eq!(pool.in_use(), 1, "an eighth of two MiB is taken");
        drop((first, second));
        assert_eq!(pool.in_use(), 0);
        let large = condensed(LEFT_BYTES_MAX + 1);
        assert_eq!(pool.in_use(), 1);
        drop((condensed(1), large));
        assert_eq!((pool.in_use(), pool.0.lock().left_bytes), (0, 0));
    }

    #[test]
    fn tidying_keeps_what_was_lately_in_use_at_once() {
        let (pool, wake) = (Pool::new(8 << 20), Arc::new(Wake::default()));
        let free = |pool: &Pool| pool.0.lock().free.len();
        let take = |count: usize| -> Vec<Buffer> {
            (0..count).map(|_| pool.try_take(&wake).expect("a buffer is free")).collect()
        };
        drop(take(8));
        assert_eq!(free(&pool), 0, "few were taken");
        (0..KEPT_FROM / 8).for_each(|_| drop(take(8)));
        assert_eq!(free(&pool), 8);
        pool.tidy();
        assert_eq!(free(&pool), 8, "all of them were in use since the last time");
        let two = take(2);
        (0..KEPT_FROM).for_each(|_| drop(take(1)));
        pool.tidy();
        assert_eq!(free(&pool), 1, "three were in use, and two still are");
        drop(two);
        pool.tidy();
        assert_eq!(free(&pool), 0, "nobody needs any");
    }
}
