//! Documents on standard output, one a line: for trying out and for tests.

use super::links::CannotGoOn;
use crate::advice::reason;
use crate::batch::Batch;
use crate::ledger::{Ledger, Note};
use crate::position::{Outcome, Settled};
use crate::queue::Receiver;
use crate::stats::Stats;
use std::io::{self, Write};
use std::sync::Arc;
use tracing::error;

/// Writes every batch that comes; returns when readers have gone.
///
/// # Errors
/// When standard output cannot be written. Of the batch in hand a part may be written, and nothing is settled.
pub async fn run(receiver: Receiver, ledger: Ledger, stats: Arc<Stats>) -> Result<(), CannotGoOn> {
    while let Some(batch) = receiver.next().await {
        let items = batch.items() as u64;
        stats.sending.batches.add(1);
        stats.sending.total.add(items);
        if let Err(error) = write(&mut io::stdout().lock(), &batch) {
            stats.sending.write_errors.add(1);
            error!(
                hint = "make room where standard output leads, or let it lead elsewhere, and start again: what was \
                        not written is read again",
                "cannot write to standard output: {}",
                reason(&error)
            );
            return Err(CannotGoOn);
        }
        stats.sending.write_bytes.add(batch.buffer.bytes().len() as u64);
        stats.sending.acked.add(items);
        ledger.tell_quietly(Note::Settled(Settled {
            ranges: batch.ranges.clone(),
            outcome: Outcome::Stored,
            others: batch.others.clone(),
        }));
    }
    Ok(())
}

fn write(out: &mut impl Write, batch: &Batch) -> io::Result<()> {
    for index in 0..batch.items() {
        let item = batch.item(index);
        let document = memchr::memchr(b'\n', item).map_or(item, |newline| &item[newline + 1..]);
        out.write_all(document)?;
    }
    out.flush()
}
