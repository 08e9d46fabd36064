//! The terminal while the demo runs: taken at the start, given back at the end, whatever the end
//! is.

use super::view::{self, Palette, Snapshot};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
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
        /// The terminal.
        terminal: DefaultTerminal,
        /// Whether colours are used.
        palette: Palette,
    },
    /// Anything else: lines.
    Lines {
        /// When the next line is due.
        due: Instant,
    },
}

/// What the person at the terminal wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// To go on watching.
    Watch,
    /// To end it: Ctrl-C, `q` or Escape.
    End,
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
        Ok(Self::Terminal { terminal, palette })
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
                terminal.draw(|frame| view::draw(frame, snapshot, *palette))?;
                Ok(())
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
        if event::poll(longest)? {
            Ok(Some(wish_of(&event::read()?)))
        } else {
            Ok(Some(Wish::Watch))
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if matches!(self, Self::Terminal { .. }) {
            ratatui::restore();
        }
    }
}

fn wish_of(event: &Event) -> Wish {
    match event {
        Event::Key(KeyEvent { kind: KeyEventKind::Release, .. }) => Wish::Watch,
        Event::Key(KeyEvent { code: KeyCode::Char('c'), modifiers, .. })
            if modifiers.contains(KeyModifiers::CONTROL) =>
        {
            Wish::End
        }
        Event::Key(KeyEvent { code: KeyCode::Esc | KeyCode::Char('q'), .. }) => Wish::End,
        _ => Wish::Watch,
    }
}

#[cfg(test)]
mod tests {
    use super::{Wish, wish_of};
    use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

    #[test]
    fn control_c_q_and_escape_end_the_demo_and_nothing_else_does() {
        let key = |code, modifiers| wish_of(&Event::Key(KeyEvent::new(code, modifiers)));
        let (none, control) = (KeyModifiers::NONE, KeyModifiers::CONTROL);
        for (wish, expected) in [
            (key(KeyCode::Char('c'), control), Wish::End),
            (key(KeyCode::Char('q'), none), Wish::End),
            (key(KeyCode::Esc, none), Wish::End),
            (key(KeyCode::Char('c'), none), Wish::Watch),
            (key(KeyCode::Enter, none), Wish::Watch),
            (wish_of(&Event::Resize(80, 24)), Wish::Watch),
        ] {
            assert_eq!(wish, expected);
        }
    }
}
