//! The audit: what was read is settled, or on its way; what is neither is told as an error.

use super::{Registrar, Slot, gauge};
use crate::account::{bytes_of, missing};
use crate::disk::Disk;
use crate::ledger::{Audit, AuditedEpoch};
use crate::position::Epoch;
use std::collections::BTreeMap;
use std::ops::Range;
use tracing::error;

/// Most epochs of which an audit tells more than their sum.
const EPOCHS_MAX: usize = 1000;

impl<D: Disk> Registrar<D> {
    /// Compares what was read with what is settled and what is on its way.
    ///
    /// The order is what makes it exact while everything goes on: first how far readers are, then what is on its way,
    /// then what is settled. Bytes go through these in that order and are told of before they leave one, so none can
    /// slip through.
    pub(super) fn audit(&mut self) -> Audit {
        let slots = self.slots.iter().map(|(epoch, slot)| (*epoch, &**slot));
        let read: Vec<(Epoch, [Range<u64>; 2])> = slots
            .filter_map(|(epoch, slot)| {
                let (ranges, committed) = (slot.progress.read_ranges(), slot.tracker.committed());
                ranges.iter().any(|range| committed < range.end).then_some((epoch, ranges))
            })
            .collect();
        let in_flight = self.inbox.in_flight();
        self.take_all();
        let mut audit = Audit::default();
        for (epoch, read) in read {
            let Some(slot) = self.slots.get(&epoch) else { continue };
            audited(slot, &read, &in_flight, &mut audit);
        }
        audit.epochs.sort_by_key(|audited| audited.missing.is_empty());
        self.tell_missing(&audit);
        audit.epochs.truncate(EPOCHS_MAX);
        self.stats.registering.in_flight_bytes.set(gauge(audit.in_flight_bytes));
        self.stats.registering.missing_bytes.set(gauge(audit.missing_bytes));
        audit
    }

    /// Tells every gap once.
    fn tell_missing(&mut self, audit: &Audit) {
        let gaps = audit.epochs.iter().flat_map(|audited| {
            audited.missing.iter().map(move |gap| ((audited.epoch, gap.start), (audited, gap)))
        });
        let gaps: BTreeMap<_, (&AuditedEpoch, &Range<u64>)> = gaps.collect();
        for (key, (audited, gap)) in &gaps {
            if !self.told_missing.contains(key) {
                error!(
                    hint = "this is a fault of shipper: report it with this line; after a restart these bytes are read \
                            again",
                    file = %audited.name.display(),
                    epoch = %audited.epoch,
                    from = gap.start,
                    to = gap.end,
                    "the audit found a gap: bytes were read, and are neither settled nor on their way"
                );
            }
        }
        self.told_missing = gaps.into_keys().collect();
    }
}

/// Adds one epoch to an audit, of which these ranges were read.
fn audited(
    slot: &Slot,
    read: &[Range<u64>; 2],
    in_flight: &BTreeMap<Epoch, Vec<Range<u64>>>,
    audit: &mut Audit,
) {
    let entry = slot.tracker.entry();
    let [back, front] = read;
    let mut known = vec![0..entry.committed];
    known.extend(entry.beyond.iter().map(|interval| interval.start..interval.end));
    let mut end = back.end;
    if !front.is_empty() {
        // What nobody has read yet is no gap.
        known.push(back.end..front.start);
        end = end.max(front.end);
    }
    let open = bytes_of(&missing(end, known.clone()));
    known.extend(in_flight.get(&entry.epoch).into_iter().flatten().cloned());
    let missing = missing(end, known);
    let missing_bytes = bytes_of(&missing);
    audit.in_flight_bytes += open - missing_bytes;
    audit.missing_bytes += missing_bytes;
    if 0 < open {
        audit.epochs.push(AuditedEpoch {
            epoch: entry.epoch,
            name: entry.name.clone(),
            account: entry.account.clone(),
            in_flight_bytes: open - missing_bytes,
            missing,
        });
    }
}
