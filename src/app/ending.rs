//! The end: the stages stop one after the other, and what does not answer is left behind.
//!
//! A call of the system may be answered late or never, as by a disk that fails or a server of files that is away, and nobody
//! can end a thread that waits for it. What is lost with it is what a crash loses: nothing that is not read again.

use super::pulse::{Silent, Watch};
use super::{App, Stopped};
use crate::outputs::links::Shutdown;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// Longest time for which a thread may make no progress while it is to end; once a second signal has come, too.
const SILENT_MAX: Duration = Duration::from_secs(10);
const SILENT_MAX_IN_A_HURRY: Duration = Duration::from_secs(1);

/// Pause between two looks whether threads have ended.
const LOOK: Duration = Duration::from_millis(5);

/// The thread whose end is waited for last.
pub(super) const REGISTRAR: &str = "registrar";

impl App {
    /// Stops: readers first, then what is in flight is waited for, no longer than until `hurry` is over, then the
    /// registry gets its last sync. A thread that makes no progress is not waited for.
    #[must_use]
    pub fn stop(self, hurry: impl Future<Output = ()>) -> Stopped {
        info!("stopping: readers first, then open batches for at most {:?}", self.shutdown_timeout);
        self.signals.stop_reading.store(true, Ordering::Release);
        self.wakes.iter().for_each(|wake| wake.ring());
        let (mut hurry, mut hurried) = (pin!(hurry), false);
        let watch = self.signals.pulses.watch_some(|thread| thread != REGISTRAR);
        let silent = {
            let ended = ended(&self.readers, watch, hurry.as_mut(), &mut hurried);
            self.runtime.block_on(ended)
        };
        silent.iter().for_each(tell_left);
        // A panic is in the signals.
        let ended = self.readers.into_iter().filter(JoinHandle::is_finished);
        ended.for_each(|reader| drop(reader.join()));
        let _ = self.shutdown.send(Shutdown::Stop);
        let deadline = if hurried { Duration::ZERO } else { self.shutdown_timeout };
        let mut outputs = self.outputs;
        let ended = self.runtime.block_on(async {
            tokio::select! {
                biased;
                ended = &mut outputs => Some(ended),
                () = &mut hurry, if !hurried => {
                    hurried = true;
                    None
                }
                () = tokio::time::sleep(deadline) => None,
            }
        });
        let settled = matches!(ended, Some(Ok(Ok(())))) && silent.is_empty();
        let mut stopped = if settled { Stopped::Settled } else { Stopped::GivenUp };
        if ended.is_none() {
            let _ = self.shutdown.send(Shutdown::Abort);
            outputs.abort();
        }
        self.runtime.shutdown_timeout(Duration::from_millis(100));
        self.signals.stop_registrar.store(true, Ordering::Release);
        self.registrar_wake.ring();
        let watch = self.signals.pulses.watch_some(|thread| thread == REGISTRAR);
        if let Some(silent) = wait(&self.registrar, watch, hurried) {
            tell_left(&silent);
            stopped = Stopped::GivenUp;
        } else if self.registrar.join().is_err() {
            warn!(
                "the registrar had ended with a panic; offsets since its last flush are read again"
            );
        }
        if self.signals.tell_fallen() { Stopped::Fallen } else { stopped }
    }
}

/// Waits until these threads have ended, but for those that make no progress any more, which are returned: one that hangs is
/// no reason to leave another one that keeps removed files.
async fn ended(
    threads: &[JoinHandle<()>],
    mut watch: Watch,
    mut hurry: Pin<&mut impl Future<Output = ()>>,
    hurried: &mut bool,
) -> Vec<Silent> {
    loop {
        let silent = too_silent(&mut watch, *hurried, Instant::now());
        let hangs = |thread: &JoinHandle<()>| {
            silent.iter().any(|silent| thread.thread().name() == Some(&silent.thread))
        };
        if threads.iter().all(|thread| thread.is_finished() || hangs(thread)) {
            return silent;
        }
        tokio::select! {
            () = &mut hurry, if !*hurried => *hurried = true,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// The same of one thread, once there is no runtime any more.
fn wait(thread: &JoinHandle<()>, mut watch: Watch, hurried: bool) -> Option<Silent> {
    while !thread.is_finished() {
        if let Some(silent) = too_silent(&mut watch, hurried, Instant::now()).pop() {
            return Some(silent);
        }
        std::thread::sleep(LOOK);
    }
    None
}

fn too_silent(watch: &mut Watch, hurried: bool, now: Instant) -> Vec<Silent> {
    watch.ask(now);
    let most = if hurried { SILENT_MAX_IN_A_HURRY } else { SILENT_MAX };
    watch.all_silent(now).filter(|silent| most <= silent.since).collect()
}

fn tell_left(silent: &Silent) {
    error!(
        hint = "a disk or a server of files that does not answer can be the cause; what was not acknowledged, or not saved as \
                acknowledged, is read again at the next start",
        "the thread `{}` does not end: it has made no progress for {:.0?}, and is not waited for",
        silent.thread,
        silent.since
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::pulse::Pulses;
    use std::sync::mpsc;

    #[test]
    fn thread_may_be_silent_for_ten_seconds_and_for_one_in_a_hurry() {
        let pulses = Pulses::default();
        let _beat = pulses.add("a", &std::sync::Arc::default());
        let (mut watch, start) = (pulses.watch(), Instant::now());
        for (milliseconds, hurried, expected) in [
            (0, true, false),
            (999, true, false),
            (1000, true, true),
            (1000, false, false),
            (9999, false, false),
            (10_000, false, true),
        ] {
            let now = start + Duration::from_millis(milliseconds);
            let silent = too_silent(&mut watch, hurried, now);
            assert_eq!(!silent.is_empty(), expected, "{milliseconds} ms, hurried: {hurried}");
        }
    }

    #[test]
    fn thread_that_hangs_in_its_loop_is_left_behind_and_one_that_has_left_it_is_waited_for() {
        let pulses = Pulses::default();
        let beat = pulses.add("a", &std::sync::Arc::default());
        let (tell, told) = mpsc::channel::<()>();
        let threads = [waits("a", told)];
        let silent = wait(&threads[0], pulses.watch(), true).unwrap();
        assert!(silent.thread == "a" && SILENT_MAX_IN_A_HURRY <= silent.since, "{silent:?}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (mut hurry, mut hurried) = (pin!(async {}), false);
        let silent =
            runtime.block_on(ended(&threads, pulses.watch(), hurry.as_mut(), &mut hurried));
        assert!(hurried && silent.len() == 1, "{silent:?}");
        // It has left its loop, and has something to be done at the end.
        drop(beat);
        let ending = ends_late(tell);
        assert_eq!(wait(&threads[0], pulses.watch(), true), None);
        ending.join().unwrap();
    }

    #[test]
    fn thread_that_has_left_its_loop_is_waited_for_while_another_one_hangs() {
        let pulses = Pulses::default();
        let [hangs, leaves] = ["a", "b"].map(|name| pulses.add(name, &std::sync::Arc::default()));
        let ((never, waiting), (tell, told)) = (mpsc::channel(), mpsc::channel());
        let threads = [waits("a", waiting), waits("b", told)];
        drop(leaves);
        let ending = ends_late(tell);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (mut hurry, mut hurried) = (pin!(async {}), false);
        let silent =
            runtime.block_on(ended(&threads, pulses.watch(), hurry.as_mut(), &mut hurried));
        let names: Vec<&str> = silent.iter().map(|silent| silent.thread.as_str()).collect();
        assert_eq!((names, threads[1].is_finished()), (vec!["a"], true));
        drop((hangs, never));
        ending.join().unwrap();
    }

    /// Starts a thread that ends when the other side does.
    fn waits(name: &str, told: mpsc::Receiver<()>) -> JoinHandle<()> {
        let thread = std::thread::Builder::new().name(name.to_owned());
        // It ends by itself, so that whoever waits for it after all comes to an end as well.
        let wait = move || {
            let _ = told.recv_timeout(Duration::from_mins(1));
        };
        thread.spawn(wait).unwrap()
    }

    /// Lets one end after a thread that hangs is not waited for any more.
    fn ends_late(tell: mpsc::Sender<()>) -> JoinHandle<()> {
        std::thread::spawn(move || {
            std::thread::sleep(2 * SILENT_MAX_IN_A_HURRY);
            drop(tell);
        })
    }
}
