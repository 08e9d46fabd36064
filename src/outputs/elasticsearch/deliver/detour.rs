//! The detour of documents whose target takes none now.

use super::Delivery;
use super::verdicts::Sorted;
use crate::disk::Disk;
use crate::outputs::elasticsearch::blocked::target_of;
use crate::outputs::elasticsearch::bulk::Fault;
use crate::spool::SpoolError;
use crate::stats::retries::Reason;
use std::collections::BTreeMap;
use std::time::Instant;
use tracing::error;

impl<D: Disk + Sync> Delivery<D> {
    /// Spools what goes to targets that are known to take nothing now, before anything is sent.
    pub(in crate::outputs::elasticsearch) async fn divert(&mut self) {
        let mut by_target: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let diverts = self.cluster.blocked.diverting();
        for item in 0..self.batch.items() {
            if let Some(target) = target_of(self.batch.item(item))
                && diverts.contains(&target)
            {
                by_target.entry(target).or_default().push(item);
            }
        }
        let mut gone = Vec::new();
        for (target, items) in by_target {
            if self.spool(&target, &items, None) {
                gone.extend(items);
            }
        }
        if gone.is_empty() {
            return;
        }
        gone.sort_unstable();
        self.again =
            (0..self.batch.items()).filter(|item| gone.binary_search(item).is_err()).collect();
        self.whole = None;
        if self.again.is_empty() {
            self.open.clear();
        } else {
            self.compact().await;
            // What is left is as new as all of it was, and says as much of the host.
            self.repeating = false;
        }
    }

    /// Spools items whose target has just refused them; what has to stay is to be sent again. Returns the fault for
    /// which everything has to wait, if there is one.
    pub(super) fn hold_back(&mut self, sorted: &mut Sorted) -> Option<Fault> {
        let mut by_target: BTreeMap<String, Vec<(usize, Fault)>> = BTreeMap::new();
        let mut pause = None;
        for (item, fault) in std::mem::take(&mut sorted.blocked) {
            match (&self.replays, target_of(self.batch.item(item))) {
                (Some(target), _) => {
                    self.cluster.blocked.still(target, &fault);
                    sorted.again.push((item, Reason::Paused));
                }
                (None, None) => {
                    sorted.again.push((item, Reason::Paused));
                    pause = Some(fault);
                }
                (None, Some(target)) => by_target.entry(target).or_default().push((item, fault)),
            }
        }
        for (target, refused) in by_target {
            let items: Vec<usize> = refused.iter().map(|(item, _)| *item).collect();
            if !self.spool(&target, &items, refused.first().map(|(_, fault)| fault)) {
                sorted.again.extend(items.into_iter().map(|item| (item, Reason::Paused)));
            }
        }
        pause
    }

    /// Spools items; `false` when they could not be, and then they are to be sent again.
    fn spool(&mut self, target: &str, items: &[usize], fault: Option<&Fault>) -> bool {
        let cluster = &self.cluster;
        let bodies: Vec<&[u8]> = items.iter().map(|item| self.batch.item(*item)).collect();
        let all_to = cluster.target.as_deref();
        let kept =
            tokio::task::block_in_place(|| cluster.blocked.keep(target, &bodies, all_to, fault));
        match kept {
            Ok(()) => {
                let count = items.len();
                self.left = self.left.saturating_sub(count);
                let less = i64::try_from(count).unwrap_or(i64::MAX);
                self.cluster.stats.sending.active.add(-less);
                true
            }
            Err(error) => {
                if let Some(suppressed) = cluster.blocked.tells_full(Instant::now()) {
                    let hint = match error {
                        SpoolError::Full { .. } => {
                            "mend the target, or raise output.elasticsearch.blocked.max_size; nothing is dropped, \
                             reading stops when all is full"
                        }
                        SpoolError::Disk(_) => "make room, or mend its mode; nothing is dropped",
                    };
                    error!(
                        hint,
                        "cannot keep documents of the blocked target `{target}`: {error}{suppressed}"
                    );
                }
                false
            }
        }
    }
}
