//! The terminal while the demo runs: taken at the start, given back at the end, whatever the end
//! is.

use super::keys::{self, Wish};
use super::view::{self, Palette, Snapshot};
use ratatui::DefaultTerminal;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

/// Pause between two drawings.
const REDRAW: Duration = Duration::from_millis(250);
/// Pause between two plain lines.
const LINE: Duration = Duration::from_secs(1);

/// Where the figures go.
#[derive(Debug)]
pub(super) enum Screen {
    /// A terminal, in raw mode and on its other page until this is dropped.
    Terminal {
        /// The terminal; it is there until this is dropped.
        terminal: Option<Box<DefaultTerminal>>,
        /// Whether colours are used.
        palette: Palette,
    },
    /// Anything else: lines.
    Lines {
        /// When the next line is due.
        due: Instant,
    },
}

impl Screen {
    /// Takes the terminal, where standard output and input are one.
    ///
    /// A panic anywhere gives it back first, so that its message can be read.
    ///
    /// # Errors
    /// If the terminal cannot be set up.
    pub(super) fn open(now: Instant) -> io::Result<Self> {
        use std::io::IsTerminal as _;
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Ok(Self::Lines { due: now + LINE });
        }
        let palette = Palette::from_no_color(std::env::var_os("NO_COLOR").as_deref());
        let terminal = ratatui::try_init().inspect_err(|_| ratatui::restore())?;
        Ok(Self::Terminal { terminal: Some(Box::new(terminal)), palette })
    }

    /// Returns how long to wait for the next drawing.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        match self {
            Self::Terminal { .. } => REDRAW,
            Self::Lines { due } => due.saturating_duration_since(now),
        }
    }

    /// Shows the figures, when it is time to.
    ///
    /// # Errors
    /// If the output is gone.
    pub(super) fn show(&mut self, snapshot: &Snapshot, now: Instant) -> io::Result<()> {
        match self {
            Self::Terminal { terminal, palette } => {
                let drawn = terminal.as_mut().map(|terminal| {
                    terminal.draw(|frame| view::draw(frame, snapshot, *palette)).map(drop)
                });
                drawn.unwrap_or(Ok(()))
            }
            Self::Lines { due } if *due <= now => {
                *due += LINE;
                let line = view::plain_line(snapshot);
                let mut out = io::stdout().lock();
                writeln!(out, "{line}")?;
                out.flush()
            }
            Self::Lines { .. } => Ok(()),
        }
    }

    /// Waits for a key, at most `longest`; returns at once with lines, which have no keys.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub(super) fn wish(&self, longest: Duration) -> io::Result<Option<Wish>> {
        if matches!(self, Self::Lines { .. }) {
            return Ok(None);
        }
        keys::wish(io::stdin(), longest).map(Some)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let Self::Terminal { terminal, .. } = self else { return };
        let Some(mut terminal) = terminal.take() else { return };
        // Of a terminal that went away nothing can be told there; trying to would end the process before it has tidied up.
        if ratatui::try_restore().is_err() || terminal.show_cursor().is_err() {
            std::mem::forget(terminal);
        }
    }
}
