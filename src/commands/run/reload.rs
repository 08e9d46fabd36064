//! Files of modules that change while shipper runs: their inputs come, change and go without a start.
//!
//! The main file is taken as it was at the start. Where a file is wrong all inputs stay as they were.

use crate::app::{App, Exchanged};
use crate::commands::report;
use crate::config::files::Strictness;
use crate::config::{self, Loaded, Sources};
use crate::settings::ListenerSettings;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Pause before what has changed is taken, if it is still the same then: a file may be half written.
const STILL_FOR: Duration = Duration::from_secs(1);

/// Returns the checksum of the files as they are now.
pub(super) fn checksum(sources: &Sources, strictness: Strictness) -> u64 {
    config::modules_checksum(sources, strictness, &report::environment)
}

/// Looks at the files again and again.
pub(super) struct Reload {
    sources: Sources,
    strictness: Strictness,
    period: Duration,
    due: Instant,
    /// Of the files that were taken last, and of those that differed at the last look.
    taken: u64,
    changed: Option<u64>,
    /// What was told already.
    told: BTreeSet<String>,
    /// Whether the files that were taken last are wrong.
    is_wrong: bool,
    /// What listens, and what the files want that were taken last.
    running: Vec<ListenerSettings>,
    listeners: Vec<ListenerSettings>,
}

impl Reload {
    /// Makes one where the configuration wants it; `taken` is the checksum of the files from before they were loaded.
    pub(super) fn new(
        (sources, strictness): (Sources, Strictness),
        loaded: &Loaded,
        taken: u64,
        now: Instant,
    ) -> Option<Self> {
        let period = loaded.reload?;
        Some(Self {
            sources,
            strictness,
            period,
            due: now + period,
            taken,
            changed: None,
            told: loaded.warnings.iter().cloned().collect(),
            is_wrong: false,
            running: loaded.settings.listeners.clone(),
            listeners: loaded.settings.listeners.clone(),
        })
    }

    /// Returns when the files are to be looked at.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    fn checksum(&self) -> u64 {
        checksum(&self.sources, self.strictness)
    }

    /// Looks at the files if it is time, and has their inputs taken over when they have changed.
    pub(super) fn step(&mut self, now: Instant, app: &App) {
        if now < self.due {
            return;
        }
        self.due = now + self.period;
        let found = self.checksum();
        if found == self.taken {
            self.changed = None;
        } else if self.changed != Some(found) {
            self.changed = Some(found);
            self.due = now + self.period.min(STILL_FOR);
        } else {
            (self.taken, self.changed) = (found, None);
            self.take(app);
        }
    }

    fn take(&mut self, app: &App) {
        let loaded = match config::load_as(&self.sources, self.strictness, &report::environment) {
            Ok(loaded) => loaded,
            Err(problems) => {
                for (line, hint) in problems.lines() {
                    if let Some(hint) = hint {
                        warn!(hint, "{line}");
                    } else {
                        warn!("{line}");
                    }
                }
                self.is_wrong = true;
                warn!("files of modules have changed and are wrong: all inputs stay as they were");
                return;
            }
        };
        if std::mem::take(&mut self.is_wrong) {
            info!("files of modules are right again");
        }
        for warning in loaded.warnings {
            if self.told.insert(warning.clone()) {
                warn!("{warning}");
            }
        }
        match app.exchange(&loaded.settings.inputs) {
            Ok(exchanged) if exchanged == Exchanged::default() => {
                info!("files of modules have changed, inputs are the same");
            }
            Ok(Exchanged { added, retired }) => info!(
                added,
                retired, "files of modules have changed: inputs were exchanged, all others go on"
            ),
            Err(error) => warn!(
                hint = "restart shipper for it",
                "files of modules have changed, and all inputs stay as they were: {error}"
            ),
        }
        self.tell_listeners(loaded.settings.listeners);
    }

    fn tell_listeners(&mut self, wanted: Vec<ListenerSettings>) {
        if wanted == self.listeners {
            return;
        }
        self.listeners = wanted;
        if self.listeners == self.running {
            info!("files of modules ask for what listens already: no restart is needed for that");
        } else {
            warn!(
                hint = "restart shipper for it",
                "files of modules have changed what listens: that counts from the next start on"
            );
        }
    }
}
