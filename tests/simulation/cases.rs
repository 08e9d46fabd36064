//! Rotations that come just where a look is most easily deceived, each told by hand: logs that are put away and packed at once.

use super::{Process, Scene};
use crate::disk::State;
use crate::packing::pack;
use shipper::packing::Format;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const LOG: &str = "/logs/a.log";

/// Generations that are kept.
const GENERATIONS: usize = 9;

fn generation(number: usize) -> PathBuf {
    PathBuf::from(format!("/logs/old/a.log.{number}.gz"))
}

/// Appends a line with which a file may begin.
fn write(state: &mut State, name: &str) {
    let number = state.open_log(Path::new(LOG));
    let end = state.content(number).len();
    state.write_at(number, end, line(name).as_bytes());
}

fn line(name: &str) -> String {
    format!("{name} {}\n", "x".repeat(80))
}

/// Rotates as logrotate does with `olddir` and `compress`.
fn rotate(state: &mut State) {
    for number in (1..GENERATIONS).rev() {
        state.rename_log(&generation(number), &generation(number + 1));
    }
    let plain = Path::new("/logs/old/a.log.1");
    state.rename_log(Path::new(LOG), plain);
    let number = state.number_of(plain).unwrap();
    let packed = pack(Format::Gzip, state.content(number));
    state.open_log(Path::new(LOG));
    let target = state.open_log(&generation(1));
    state.write_at(target, 0, &packed);
    state.age_like(target, plain);
    state.remove_log(plain);
}

/// A scene in which nothing happens by itself.
fn scene(births: bool) -> Scene {
    let (mut scene, _) = Scene::draw(1);
    scene.glob = vec!["/logs/*.log"];
    (scene.events, scene.workers, scene.links, scene.slow_syncs) = (false, 1, false, false);
    (scene.reading, scene.fresh, scene.rescue_bytes) = (None, None, None);
    scene.server.events = None;
    let mut state = scene.disk.state();
    (state.past, state.births, state.is_remote) = (None, births, false);
    drop(state);
    scene
}

/// Begins a life in which the log with the line `one` is known and read.
fn begin(scene: &mut Scene) -> Process {
    write(&mut scene.disk.state(), "one");
    let mut process = Process::start(scene).unwrap().unwrap();
    process.pass(scene, 30);
    scene.expect(&["one"], 0);
    process
}

impl Process {
    /// Lives for so many seconds.
    fn pass(&mut self, scene: &mut Scene, seconds: u64) {
        for _ in 0..seconds {
            scene.pass(Duration::from_secs(1));
            for _ in 0..self.steps() {
                self.step(scene, true).unwrap();
            }
        }
    }
}

impl Scene {
    /// Tells whether the lines of these names are stored, and each of all lines once.
    fn expect(&self, names: &[&str], call: usize) {
        let stored = &self.server.stored;
        assert!(stored.values().all(|times| *times == 1), "call {call}: {stored:#?}");
        for name in names {
            assert!(stored.contains_key(line(name).trim_end()), "{name} at call {call}");
        }
    }

    /// Has something done in the call of the process after so many others; tells whether it was done.
    fn at_call(
        &self,
        mut left: usize,
        mut happens: impl FnMut(&mut State) + Send + 'static,
    ) -> Arc<AtomicBool> {
        let done = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&done);
        self.disk.state().meanwhile = Some(Box::new(move |state| {
            if left == 0 {
                happens(state);
                told.store(true, Ordering::Relaxed);
            }
            left = left.wrapping_sub(1);
        }));
        done
    }
}

/// Has the third log known when the first one and the second one, which nobody looked at, are sought, and `happens` done in
/// each of the process's calls in turn, each time in a world of its own.
fn at_every_call(
    births: bool,
    happens: impl Fn(&mut State) + Clone + Send + 'static,
    expected: &[&str],
) {
    for call in 0.. {
        let mut scene = scene(births);
        let mut process = begin(&mut scene);
        {
            let mut state = scene.disk.state();
            for name in ["two", "three"] {
                rotate(&mut state);
                write(&mut state, name);
            }
        }
        let done = scene.at_call(call, happens.clone());
        process.pass(&mut scene, 25);
        scene.disk.state().meanwhile = None;
        process.pass(&mut scene, 45);
        if !done.load(Ordering::Relaxed) {
            assert!(100 < call, "there are many of them");
            return;
        }
        scene.expect(expected, call);
    }
}

#[test]
fn rotation_in_any_call_loses_no_generation() {
    at_every_call(true, rotate, &["one", "two", "three"]);
}

#[test]
fn rotations_in_any_call_lose_no_generation() {
    let happens = |state: &mut State| {
        for name in ["four", "five"] {
            rotate(state);
            write(state, name);
        }
    };
    at_every_call(true, happens, &["one", "two", "three", "four", "five"]);
}

#[test]
fn log_that_has_the_number_of_a_packed_one_that_was_removed_is_read() {
    let happens = |state: &mut State| {
        state.remove_log(&generation(1));
        rotate(state);
        write(state, "four");
    };
    at_every_call(false, happens, &["one", "three", "four"]);
}

#[test]
fn generations_are_read_beside_one_that_was_empty_and_after_one_that_is_gone() {
    for is_gone in [false, true] {
        let mut scene = scene(true);
        let mut process = begin(&mut scene);
        {
            let mut state = scene.disk.state();
            rotate(&mut state);
            // Nothing was written to it.
            rotate(&mut state);
            write(&mut state, "two");
            rotate(&mut state);
            write(&mut state, "three");
            if is_gone {
                state.remove_log(&generation(3));
            }
        }
        process.pass(&mut scene, 60);
        scene.expect(&["one", "two", "three"], 0);
    }
}
