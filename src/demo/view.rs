//! What the demo shows: a screen in a terminal, plain lines elsewhere.
//!
//! Drawing is pure: a [`Snapshot`] goes in, cells come out. Where there is little room, the least
//! important goes first: frames, then the paths, never the figures.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Sparkline};
use std::time::Duration;

/// Least size, in columns and rows, at which the panels have frames.
const FRAMED: (u16, u16) = (60, 19);

/// Eighths of a cell, for bars that are exact.
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// Classes that have a bar, by their place in [`Snapshot::status`].
const CLASSES: [(usize, &str, Color); 4] = [
    (2, "2xx", Color::Green),
    (3, "3xx", Color::Cyan),
    (4, "4xx", Color::Yellow),
    (5, "5xx", Color::Red),
];

/// All figures of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Time since the start.
    pub elapsed: Duration,
    /// Lines written to the log.
    pub written: u64,
    /// Documents stored by the receiver, each counted once.
    pub delivered: u64,
    /// Documents that the receiver had already.
    pub duplicates: u64,
    /// Documents sent again after a failure.
    pub retries: u64,
    /// Bytes written and not delivered.
    pub lag_bytes: u64,
    /// Age of the oldest line that is not delivered; zero when all are.
    pub lag: Duration,
    /// Delivered requests by the class of their status: `[0]` unknown, `[1]` 1xx … `[5]` 5xx.
    pub status: [u64; 6],
    /// Requests delivered in the last minute; projected while it is not over.
    pub requests_per_minute: u64,
    /// Lines written in the last second.
    pub lines_per_second: u64,
    /// Requests delivered in each of the last seconds, oldest first.
    pub history: Vec<u64>,
    /// Path of the log.
    pub file: String,
    /// How often the log was rotated.
    pub rotations: u64,
    /// Address of the receiver.
    pub receiver: String,
    /// What has just happened or is wrong, if anything.
    pub notice: Option<Notice>,
}

/// One line about what has just happened, or about what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The line, without its end.
    pub text: String,
    /// Whether something is wrong.
    pub is_warning: bool,
}

/// Whether colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    /// As a terminal has them.
    Coloured,
    /// None: `NO_COLOR` is set.
    Plain,
}

impl Palette {
    /// Decides by the value of `NO_COLOR`: any text but the empty one switches colours off.
    #[must_use]
    pub fn from_no_color(value: Option<&std::ffi::OsStr>) -> Self {
        if value.is_some_and(|value| !value.is_empty()) { Self::Plain } else { Self::Coloured }
    }

    fn of(self, color: Color) -> Style {
        match self {
            Self::Coloured => Style::new().fg(color),
            Self::Plain => Style::new(),
        }
    }
}

/// Draws all figures into the frame, whatever its size.
pub fn draw(frame: &mut Frame, snapshot: &Snapshot, palette: Palette) {
    let area = frame.area();
    if FRAMED.0 <= area.width && FRAMED.1 <= area.height {
        draw_framed(frame, area, snapshot, palette);
    } else {
        draw_narrow(frame, area, snapshot, palette);
    }
}

fn draw_framed(frame: &mut Frame, area: Rect, snapshot: &Snapshot, palette: Palette) {
    let heights = [1, 0, 6, 7, 1].map(|height| match height {
        0 => Constraint::Fill(1),
        height => Constraint::Length(height),
    });
    let [title, traffic, status, pipeline, notice] = Layout::vertical(heights).areas(area);
    draw_title(frame, title, snapshot);
    let rate = format!(
        " {} requests per minute, {} lines/s ",
        grouped(snapshot.requests_per_minute),
        grouped(snapshot.lines_per_second)
    );
    let inner = panel(frame, traffic, " traffic ", Some(rate));
    draw_history(frame, inner, snapshot, palette);
    let inner = panel(frame, status, " status ", None);
    draw_status(frame, inner, snapshot, palette);
    let inner = panel(frame, pipeline, " pipeline ", None);
    frame.render_widget(Paragraph::new(pipeline_lines(snapshot, palette)), inner);
    draw_notice(frame, notice, snapshot, palette);
}

fn draw_narrow(frame: &mut Frame, area: Rect, snapshot: &Snapshot, palette: Palette) {
    let mut rest = area;
    draw_title(frame, cut(&mut rest, 1), snapshot);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let rate = Line::from(vec![
        Span::styled(grouped(snapshot.requests_per_minute), bold),
        Span::raw(" requests/min  "),
        Span::styled(grouped(snapshot.lines_per_second), bold),
        Span::raw(" lines/s"),
    ]);
    frame.render_widget(rate, cut(&mut rest, 1));
    draw_status(frame, cut(&mut rest, 4), snapshot, palette);
    let sent = format!("sent {} of {}", grouped(snapshot.delivered), grouped(snapshot.written));
    frame.render_widget(Line::raw(sent), cut(&mut rest, 1));
    let (duplicates, retries) = (grouped(snapshot.duplicates), grouped(snapshot.retries));
    let again = format!("duplicates {duplicates}  retries {retries}");
    frame.render_widget(Line::styled(again, alarm(snapshot, palette)), cut(&mut rest, 1));
    let (bytes, age) = (grouped(snapshot.lag_bytes), seconds(snapshot.lag));
    let lag = format!("lag {bytes} B, {age}  rotated {}", times(snapshot.rotations));
    frame.render_widget(Line::raw(lag), cut(&mut rest, 1));
    if 4 <= rest.height {
        frame.render_widget(Line::raw(snapshot.file.clone()), cut(&mut rest, 1));
        frame.render_widget(Line::raw(snapshot.receiver.clone()), cut(&mut rest, 1));
        draw_notice(frame, cut(&mut rest, 1), snapshot, palette);
    }
    draw_history(frame, rest, snapshot, palette);
}

/// Cuts rows off the top of `rest`, fewer where there are no more.
fn cut(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    let top = Rect { height: rows, ..*rest };
    rest.y += rows;
    rest.height -= rows;
    top
}

fn panel(frame: &mut Frame, area: Rect, title: &'static str, right: Option<String>) -> Rect {
    let mut block = Block::bordered().title(title);
    if let Some(right) = right {
        block = block.title(Line::from(right).alignment(Alignment::Right));
    }
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

fn draw_title(frame: &mut Frame, area: Rect, snapshot: &Snapshot) {
    let seconds = snapshot.elapsed.as_secs();
    let left = format!("shipper demo  {}:{:02}", seconds / 60, seconds % 60);
    frame.render_widget(Line::styled(left, Style::new().add_modifier(Modifier::BOLD)), area);
    if 38 <= area.width {
        frame.render_widget(Line::raw("Ctrl-C ends it").alignment(Alignment::Right), area);
    }
}

/// Draws the newest seconds, the newest at the right.
fn draw_history(frame: &mut Frame, area: Rect, snapshot: &Snapshot, palette: Palette) {
    let shown = snapshot.history.len().min(usize::from(area.width));
    let newest = &snapshot.history[snapshot.history.len() - shown..];
    let missing = usize::from(area.width) - shown;
    let data = std::iter::repeat_n(0, missing).chain(newest.iter().copied());
    let sparkline = Sparkline::default().data(data.collect::<Vec<_>>());
    frame.render_widget(sparkline.style(palette.of(Color::Blue)), area);
}

fn draw_status(frame: &mut Frame, area: Rect, snapshot: &Snapshot, palette: Palette) {
    let total = snapshot.status.iter().sum::<u64>();
    let lines: Vec<Line> = CLASSES
        .iter()
        .map(|(class, name, color)| {
            let count = snapshot.status[*class];
            let share = format!("{:>8}", percent(count, total));
            let number =
                if area.width < 50 { String::new() } else { format!("{:>14}", grouped(count)) };
            let room = usize::from(area.width).saturating_sub(4 + share.len() + number.len());
            Line::from(vec![
                Span::raw(format!("{name} ")),
                Span::styled(bar(count, total, room), palette.of(*color)),
                Span::raw(share),
                Span::raw(number),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn pipeline_lines(snapshot: &Snapshot, palette: Palette) -> Vec<Line<'static>> {
    let row = |name: &str, text: String| Line::raw(format!("{name:<11}{text}"));
    vec![
        row("lag", format!("{} bytes, {}", grouped(snapshot.lag_bytes), seconds(snapshot.lag))),
        row(
            "delivered",
            format!(
                "{} of {} lines written",
                grouped(snapshot.delivered),
                grouped(snapshot.written)
            ),
        ),
        row(
            "again",
            format!(
                "{} duplicates, {} retries",
                grouped(snapshot.duplicates),
                grouped(snapshot.retries)
            ),
        )
        .style(alarm(snapshot, palette)),
        row("file", format!("{}, rotated {}", snapshot.file, times(snapshot.rotations))),
        row("receiver", snapshot.receiver.clone()),
    ]
}

fn draw_notice(frame: &mut Frame, area: Rect, snapshot: &Snapshot, palette: Palette) {
    if let Some(notice) = &snapshot.notice {
        let style = if notice.is_warning { palette.of(Color::Yellow) } else { Style::new() };
        frame.render_widget(Line::styled(notice.text.clone(), style), area);
    }
}

/// Returns the style of the row that should say zero twice.
fn alarm(snapshot: &Snapshot, palette: Palette) -> Style {
    if snapshot.duplicates + snapshot.retries == 0 {
        Style::new()
    } else {
        palette.of(Color::Yellow)
    }
}

/// Returns a bar of `room` cells that is filled to `count` of `total`, to an eighth of a cell.
fn bar(count: u64, total: u64, room: usize) -> String {
    let eighths = u128::from(count) * room as u128 * 8 / u128::from(total.max(1));
    let eighths = usize::try_from(eighths).unwrap_or(usize::MAX).min(room * 8);
    let mut bar = "█".repeat(eighths / 8);
    if eighths % 8 != 0 {
        bar.push(EIGHTHS[eighths % 8]);
    }
    // Whatever is there at all is seen.
    if eighths == 0 && 0 < count && 0 < room {
        bar.push(EIGHTHS[1]);
    }
    let drawn = bar.chars().count();
    bar.extend(std::iter::repeat_n(' ', room - drawn));
    bar
}

fn percent(count: u64, total: u64) -> String {
    let thousandths = u128::from(count) * 1000 / u128::from(total.max(1));
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

/// Writes a time in seconds and tenths.
#[must_use]
pub fn seconds(time: Duration) -> String {
    let tenths = time.as_millis() / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", grouped(count)) }
}

/// Writes a number with a comma between its thousands.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if 0 < place && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns the figures as one plain line without its end, for an output that is no terminal.
#[must_use]
pub fn plain_line(snapshot: &Snapshot) -> String {
    let total = snapshot.status.iter().sum::<u64>();
    let classes = CLASSES
        .map(|(class, name, _)| format!("{name} {}", percent(snapshot.status[class], total)));
    let mut line = format!(
        "{} s: {} requests/min, {} lines/s, {}, lag {} bytes ({}), delivered {} of {}, \
         duplicates {}, retries {}, rotated {}",
        snapshot.elapsed.as_secs(),
        snapshot.requests_per_minute,
        snapshot.lines_per_second,
        classes.join(", "),
        snapshot.lag_bytes,
        seconds(snapshot.lag),
        snapshot.delivered,
        snapshot.written,
        snapshot.duplicates,
        snapshot.retries,
        times(snapshot.rotations)
    );
    if let Some(notice) = &snapshot.notice {
        line.push_str(", ");
        line.push_str(&notice.text);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{Notice, Palette, Snapshot, bar, draw, grouped, plain_line};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::buffer::{Buffer, Cell};
    use ratatui::style::Color;
    use std::ffi::OsStr;
    use std::time::Duration;

    fn snapshot() -> Snapshot {
        Snapshot {
            elapsed: Duration::from_millis(72_900),
            written: 36_512,
            delivered: 36_500,
            duplicates: 0,
            retries: 0,
            lag_bytes: 2_664,
            lag: Duration::from_millis(140),
            status: [0, 0, 29_200, 5_475, 1_820, 5],
            requests_per_minute: 30_120,
            lines_per_second: 498,
            history: (0..120).map(|second| 300 + (second % 20) * 20).collect(),
            file: "/tmp/shipper-demo-x1/access.log".to_owned(),
            rotations: 4,
            receiver: "http://127.0.0.1:40001".to_owned(),
            notice: None,
        }
    }

    fn warning(text: &str) -> Notice {
        Notice { text: text.to_owned(), is_warning: true }
    }

    fn screen(width: u16, height: u16, snapshot: &Snapshot, palette: Palette) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, snapshot, palette)).unwrap();
        terminal.backend().buffer().clone()
    }

    fn rows(buffer: &Buffer) -> Vec<String> {
        let width = usize::from(buffer.area.width);
        let rows = buffer.content.chunks(width);
        rows.map(|cells| cells.iter().map(Cell::symbol).collect::<String>())
            .map(|row| row.trim_end().to_owned())
            .collect()
    }

    fn check(width: u16, height: u16, expected: &str) {
        let drawn = rows(&screen(width, height, &snapshot(), Palette::Plain)).join("\n");
        assert_eq!(drawn.trim_end(), expected.trim_matches('\n'), "\n{drawn}\n");
    }

    #[test]
    fn a_usual_terminal_shows_panels() {
        check(80, 24, include_str!("../../fixtures/demo/80x24.txt"));
    }

    #[test]
    fn a_narrow_terminal_shows_the_figures_alone() {
        check(40, 10, include_str!("../../fixtures/demo/40x10.txt"));
    }

    #[test]
    fn no_size_is_too_small_to_draw() {
        for (width, height) in [(1, 1), (3, 40), (200, 2), (39, 9), (60, 19), (59, 30), (500, 100)]
        {
            let buffer = screen(width, height, &snapshot(), Palette::Coloured);
            assert_eq!(rows(&buffer).len(), usize::from(height));
            assert!(rows(&buffer)[0].starts_with('s'), "{width}x{height}");
        }
    }

    #[test]
    fn the_first_moment_has_no_figures_and_is_drawn() {
        let drawn = rows(&screen(80, 24, &Snapshot::default(), Palette::Plain)).join("\n");
        assert!(drawn.contains("0 requests per minute, 0 lines/s"), "{drawn}");
        assert!(drawn.contains("0 of 0 lines written"), "{drawn}");
    }

    #[test]
    fn duplicates_and_warnings_are_coloured_unless_no_color_is_set() {
        let bad =
            Snapshot { duplicates: 3, notice: Some(warning("the receiver is gone")), ..snapshot() };
        let colours = |palette| {
            let buffer = screen(80, 24, &bad, palette);
            let mut colours: Vec<Color> = buffer.content.iter().map(|cell| cell.fg).collect();
            colours.sort_by_key(ToString::to_string);
            colours.dedup();
            (colours, rows(&buffer))
        };
        let (coloured, drawn) = colours(Palette::Coloured);
        assert_eq!(
            coloured,
            [Color::Blue, Color::Cyan, Color::Green, Color::Red, Color::Reset, Color::Yellow]
        );
        assert_eq!(drawn[23], "the receiver is gone");
        assert_eq!(colours(Palette::Plain), (vec![Color::Reset], drawn));
    }

    #[test]
    fn news_are_told_without_a_colour_and_never_wrap() {
        let text = "x".repeat(200);
        let news = Notice { text, is_warning: false };
        for (width, height) in [(80, 24), (60, 19), (40, 13)] {
            let snapshot = Snapshot { notice: Some(news.clone()), ..snapshot() };
            let buffer = screen(width, height, &snapshot, Palette::Coloured);
            let told: Vec<String> =
                rows(&buffer).into_iter().filter(|row| row.starts_with("xx")).collect();
            assert_eq!(told, ["x".repeat(usize::from(width))], "{width}x{height}");
            assert!(
                buffer.content.iter().all(|cell| cell.symbol() != "x" || cell.fg == Color::Reset)
            );
        }
    }

    #[test]
    fn no_color_counts_when_it_says_anything() {
        for (value, expected) in
            [(None, Palette::Coloured), (Some(""), Palette::Coloured), (Some("0"), Palette::Plain)]
        {
            assert_eq!(Palette::from_no_color(value.map(OsStr::new)), expected);
        }
    }

    #[test]
    fn a_bar_is_exact_to_an_eighth_and_never_hides_what_is_there() {
        for (count, total, expected) in [
            (0, 0, "    "),
            (0, 9, "    "),
            (1, 1_000_000, "▏   "),
            (1, 2, "██  "),
            (5, 32, "▋   "),
            (9, 9, "████"),
        ] {
            assert_eq!(bar(count, total, 4), expected, "{count} of {total}");
        }
        assert_eq!(bar(5, 9, 0), "");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let numbers = [0, 999, 1_000, 45_678, 1_234_567];
        assert_eq!(numbers.map(grouped), ["0", "999", "1,000", "45,678", "1,234,567"]);
    }

    #[test]
    fn a_plain_line_tells_the_same_figures() {
        assert_eq!(
            plain_line(&Snapshot { rotations: 1, notice: Some(warning("careful")), ..snapshot() }),
            "72 s: 30120 requests/min, 498 lines/s, 2xx 80.0 %, 3xx 15.0 %, 4xx 4.9 %, 5xx 0.0 %, \
             lag 2664 bytes (0.1 s), delivered 36500 of 36512, duplicates 0, retries 0, \
             rotated once, careful"
        );
    }
}
