//! The endpoint and its thread.

use super::pages::Answers;
use crate::disk::RealDisk;
use crate::hint::Advised;
use crate::monitor::Monitor;
use crate::settings::Settings;
use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use tokio::sync::watch;
use tracing::{error, info, warn};

/// The endpoint before it serves.
pub(super) struct Endpoint(Monitor<RealDisk>);

/// The endpoint while it serves; it has stopped when this is dropped.
pub(super) struct Serving {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Listens where the settings say so, before anything is read: as with Filebeat, a port that is taken ends the start.
    pub(super) fn listen(settings: &Settings) -> Result<Option<Self>, Advised> {
        let Some(http) = &settings.http else { return Ok(None) };
        let monitor = Monitor::listen(RealDisk, http)?;
        info!("Metrics endpoint listening on: {}", monitor.place());
        if monitor.is_open_to_others() {
            let hint = "set `http.host: localhost` unless a firewall keeps strangers out";
            warn!(
                hint,
                "the http endpoint asks nobody for a password, and others than this machine may reach it"
            );
        }
        Ok(Some(Self(monitor)))
    }

    pub(super) fn serve(self, answers: Answers) -> io::Result<Serving> {
        let (stop, stopped) = watch::channel(false);
        let serve = move || {
            if let Err(error) = self.0.serve(Arc::new(answers), stopped) {
                let reason = crate::advice::reason(&error);
                error!("the http endpoint has ended: {reason}; logs are followed all the same");
            }
        };
        let thread = Builder::new().name("http".to_owned()).spawn(serve)?;
        Ok(Serving { stop, thread: Some(thread) })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // What it panicked with was told by then.
            let _ = thread.join();
        }
    }
}
