//! How a backlog goes, on a terminal: bytes, rate and time left, for the largest files and in all. Nothing in a pipe.
//!
//! The bars stand below the log: whatever is written to standard error goes through [`Bars::stderr`], which takes them away
//! meanwhile.

use crate::stats::backfill::{Backfill, BackfillFile};
use indicatif::{
    HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A backlog that takes less is not worth a bar.
const SHOWN_AFTER: Duration = Duration::from_secs(1);

/// Most files that have a bar of their own.
const FILES_MAX: usize = 5;

/// So few bytes may be a line that is not finished, if nothing comes of them for [`STANDS_FOR`].
const LINE_BYTES: u64 = 64 << 10;
const STANDS_FOR: Duration = Duration::from_secs(3);

/// Columns beside the name in a line.
const FIGURES_COLUMNS: usize = 66;
const FIGURES_COLUMNS_NARROW: usize = 26;

/// Least columns of the terminal for bars with everything.
const WIDE_COLUMNS: usize = 100;

/// Shows how the backlog that is found at the start goes.
pub(super) struct Bars {
    all: MultiProgress,
    began: Instant,
    look_at: Option<Instant>,
    shown: Option<Shown>,
}

struct Shown {
    sum: ProgressBar,
    more: ProgressBar,
    /// Files that have a bar, by their place in the backlog.
    files: Vec<(usize, ProgressBar)>,
    /// Bytes left at the last change, and when that was.
    changed: (u64, Instant),
}

/// Writes to standard error above the bars.
struct Above(MultiProgress);

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl Bars {
    /// Makes them; they are only ever seen where standard error is a terminal, and standard output no other text on it.
    pub(super) fn new(began: Instant, backfill: &Backfill, writes_to_stdout: bool) -> Self {
        let is_seen =
            io::stderr().is_terminal() && !(writes_to_stdout && io::stdout().is_terminal());
        let target =
            if is_seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let all = MultiProgress::with_draw_target(target);
        // A terminal that moves no cursor shows none.
        let is_seen = is_seen && !all.is_hidden();
        if is_seen {
            backfill.watch();
        }
        Self { all, began, look_at: is_seen.then_some(began + SHOWN_AFTER), shown: None }
    }

    /// Returns where the log is to be written.
    pub(super) fn stderr(&self) -> Box<dyn Write + Send> {
        if self.look_at.is_some() {
            Box::new(Above(self.all.clone()))
        } else {
            Box::new(io::stderr())
        }
    }

    /// Tells whether there is a terminal to show them on.
    pub(super) fn is_seen(&self) -> bool {
        self.look_at.is_some()
    }

    /// Returns when to be called again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.look_at
    }

    /// Shows how it goes by now; ends when all that was there is done.
    pub(super) fn step(&mut self, now: Instant, backfill: &Backfill) {
        if self.look_at.is_none_or(|at| now < at) {
            return;
        }
        self.look_at = Some(now + LOOK_EVERY);
        let (all, began) = (&self.all, self.began);
        let shown = &mut self.shown;
        let goes_on = backfill.look(|files| {
            let left: u64 = files.iter().map(BackfillFile::left).sum();
            if shown.is_none() && left <= LINE_BYTES {
                // Nothing to be shown; the first scan may still be going on.
                return now < began + STANDS_FOR;
            }
            shown.get_or_insert_with(|| Shown::new(all, files, now)).show(all, files, now)
        });
        if !goes_on {
            self.end(backfill);
        }
    }

    /// Takes them away.
    pub(super) fn end(&mut self, backfill: &Backfill) {
        self.look_at = None;
        if self.shown.take().is_some() {
            // A terminal that has gone is no reason to stop.
            let _ = self.all.clear();
        }
        backfill.end();
    }
}

impl Shown {
    fn new(all: &MultiProgress, files: &[BackfillFile], now: Instant) -> Self {
        let more = all.add(ProgressBar::no_length());
        more.set_style(ProgressStyle::with_template("{msg}").expect("the template is right"));
        let sum = all.add(bar(files.iter().map(|file| file.size - file.settled_before).sum(), 0));
        Self { sum, more, files: Vec::new(), changed: (u64::MAX, now) }
    }

    /// Shows how it goes; `false` when it is over.
    fn show(&mut self, all: &MultiProgress, files: &[BackfillFile], now: Instant) -> bool {
        let left: u64 = files.iter().map(BackfillFile::left).sum();
        if left != self.changed.0 {
            self.changed = (left, now);
        }
        let done_at =
            if left <= LINE_BYTES { self.changed.1 + STANDS_FOR } else { now + STANDS_FOR };
        if left == 0 || done_at <= now {
            return false;
        }
        let columns = usize::from(console_columns());
        self.files.retain(|(at, bar)| {
            let goes_on = 0 < files[*at].left();
            if !goes_on {
                all.remove(bar);
            }
            goes_on
        });
        self.fill_up(all, files);
        for (at, bar) in &self.files {
            let file = &files[*at];
            show(bar, file.settled() - file.settled_before, columns, &file.name.to_string_lossy());
        }
        let open = files.iter().filter(|file| 0 < file.left()).count();
        match open - self.files.len() {
            0 => self.more.set_message(""),
            1 => self.more.set_message("and 1 more file"),
            more => self.more.set_message(format!("and {more} more files")),
        }
        let name = if open == 1 { "1 file".to_owned() } else { format!("{open} files") };
        let whole: u64 = files.iter().map(|file| file.size - file.settled_before).sum();
        self.sum.set_length(whole);
        show(&self.sum, whole - left.min(whole), columns, &name);
        true
    }

    /// Gives the largest files that have no bar one, as many as there is room for.
    fn fill_up(&mut self, all: &MultiProgress, files: &[BackfillFile]) {
        while self.files.len() < FILES_MAX {
            let has_none = |at: &usize| self.files.iter().all(|(shown, _)| shown != at);
            let open = (0..files.len()).filter(|at| 0 < files[*at].left() && has_none(at));
            let Some(at) = open.max_by_key(|at| files[*at].left()) else { break };
            let file = &files[at];
            let done = file.settled() - file.settled_before;
            let bar = bar(file.size - file.settled_before, done);
            self.files.push((at, all.insert_before(&self.more, bar)));
        }
    }
}

fn bar(whole: u64, done: u64) -> ProgressBar {
    ProgressBar::with_draw_target(Some(whole), ProgressDrawTarget::hidden()).with_position(done)
}

/// Brings a bar up to date for a terminal of so many columns.
fn show(bar: &ProgressBar, done: u64, columns: usize, name: &str) {
    let (figures, template) = if columns < WIDE_COLUMNS {
        (FIGURES_COLUMNS_NARROW, "{wide_msg} {percent:>3} % {bytes_per_sec:>13} {left:>4}")
    } else {
        let template =
            "{wide_msg} {bar:16} {bytes:>10} of {total_bytes:<10} {bytes_per_sec:>13} {left:>4}";
        (FIGURES_COLUMNS, template)
    };
    bar.set_style(
        ProgressStyle::with_template(template)
            .expect("the template is right")
            .with_key("left", |state: &ProgressState, out: &mut dyn fmt::Write| {
                // It ends in the bar's own buffer.
                let _ = out.write_str(&time_left(state.per_sec(), state.eta()));
            })
            .progress_chars("=> "),
    );
    bar.set_message(tail(name, columns.saturating_sub(figures)));
    bar.set_position(done);
}

/// Says how long it still takes at some bytes a second; nobody knows of a file that is not read yet.
fn time_left(bytes_a_second: f64, left: Duration) -> String {
    if bytes_a_second < 1.0 { "-".to_owned() } else { format!("{:#}", HumanDuration(left)) }
}

/// Returns the end of a name that fits into so many columns: what tells files apart stands there.
fn tail(name: &str, columns: usize) -> String {
    let length = name.chars().count();
    if length <= columns {
        return name.to_owned();
    }
    let end = name.chars().skip(length - columns.saturating_sub(1));
    std::iter::once('…').chain(end).collect()
}

fn console_columns() -> u16 {
    rustix::termios::tcgetwinsize(io::stderr()).map_or(80, |size| size.ws_col.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// A terminal of so many columns that keeps what is written to it.
    #[derive(Debug, Clone)]
    struct Terminal(u16, Arc<Mutex<String>>);

    impl indicatif::TermLike for Terminal {
        fn width(&self) -> u16 {
            self.0
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.1.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_file_that_is_not_read_yet_has_a_dash_for_its_time() {
        for columns in [80, 120] {
            let (bar, written) = (bar(1000, 0), Arc::<Mutex<String>>::default());
            let terminal = Terminal(columns, Arc::clone(&written));
            bar.set_draw_target(ProgressDrawTarget::term_like(Box::new(terminal)));
            show(&bar, 0, usize::from(columns), "a.log");
            bar.tick();
            let line = written.lock().unwrap();
            assert!(line.starts_with("a.log ") && line.trim_end().ends_with(" -"), "{line}");
        }
    }

    #[test]
    fn time_is_told_from_one_byte_a_second_on() {
        assert_eq!(time_left(0.0, Duration::ZERO), "-");
        assert_eq!(time_left(0.9, Duration::from_secs(90)), "-");
        assert_eq!(time_left(1.0, Duration::from_mins(3)), "3m");
        assert_eq!(time_left(5e6, Duration::from_secs(40)), "40s");
    }

    #[test]
    fn names_keep_their_end() {
        assert_eq!(tail("/var/log/access.log", 19), "/var/log/access.log");
        assert_eq!(tail("/var/log/access.log", 11), "…access.log");
        assert_eq!(tail("/var/log/access.log", 0), "…");
    }
}
