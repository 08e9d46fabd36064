//! The door between readers and outputs: a hand-over of sealed batches. Its length is bounded by the pool.

use crate::batch::Batch;
use crate::wake::Wake;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use tokio::sync::mpsc;

/// The readers' end: takes sealed batches.
#[derive(Debug, Clone)]
pub struct Sender {
    batches: mpsc::UnboundedSender<Batch>,
    free: Arc<AtomicIsize>,
}

/// The outputs' end; clones share one queue.
#[derive(Debug, Clone)]
pub struct Receiver {
    batches: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Batch>>>,
    free: Arc<AtomicIsize>,
    readers: Vec<Arc<Wake>>,
}

/// Makes a queue; `readers` are rung when an output becomes free. Its length is bounded by the pool.
#[must_use]
pub fn queue(readers: Vec<Arc<Wake>>) -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let free = Arc::new(AtomicIsize::new(0));
    let receiving = Receiver {
        batches: Arc::new(tokio::sync::Mutex::new(receiver)),
        free: Arc::clone(&free),
        readers,
    };
    (Sender { batches: sender, free }, receiving)
}

impl Sender {
    /// Tells whether an output waits for work that nobody has sent it yet.
    #[must_use]
    pub fn output_is_free(&self) -> bool {
        0 < self.free.load(Ordering::Acquire)
    }

    /// Hands a batch over.
    ///
    /// # Errors
    /// Gives the batch back when the outputs have gone.
    pub fn send(&self, batch: Batch) -> Result<(), Batch> {
        self.free.fetch_sub(1, Ordering::AcqRel);
        self.batches.send(batch).map_err(|refused| refused.0)
    }
}

impl Receiver {
    /// Waits for the next batch; `None` when all readers have gone and the queue is empty.
    pub async fn next(&self) -> Option<Batch> {
        if 0 <= self.free.fetch_add(1, Ordering::AcqRel) {
            for reader in &self.readers {
                reader.ring();
            }
        }
        let waiting = Waiting(&self.free);
        let batch = self.batches.lock().await.recv().await;
        if batch.is_some() {
            // The sender has counted this output as busy already.
            std::mem::forget(waiting);
        }
        batch
    }

    /// Takes the next batch if one is there and nobody waits for it.
    #[must_use]
    pub fn try_next(&self) -> Option<Batch> {
        let batch = self.batches.try_lock().ok()?.try_recv().ok()?;
        // The sender has counted an output as busy with it that has not become free.
        self.free.fetch_add(1, Ordering::AcqRel);
        Some(batch)
    }
}

/// Counts an output as free until it gets a batch or gives up waiting.
struct Waiting<'a>(&'a AtomicIsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
