//! What the last line of the demo says: what has just happened, or what is wrong.

use super::view::{Notice, Snapshot, grouped, seconds};
use std::time::Duration;

/// How long a rotation is told.
const ROTATION_TOLD: Duration = Duration::from_secs(3);
/// Age of a line that is not delivered from which on the receiver seems to be gone.
const STUCK: Duration = Duration::from_secs(3);

/// What a snapshot alone does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Moment {
    /// Documents that the receiver could not read.
    pub(super) rejected: u64,
    /// Time since the last rotation.
    pub(super) since_rotation: Option<Duration>,
    /// Whether nothing more is written.
    pub(super) ending: bool,
}

/// Returns what is worth saying, what is wrong first.
pub(super) fn notice(snapshot: &Snapshot, moment: Moment) -> Option<Notice> {
    let waiting = snapshot.written.saturating_sub(snapshot.delivered);
    let warning = |text: String| Some(Notice { text, is_warning: true });
    let news = |text: String| Some(Notice { text, is_warning: false });
    if 0 < moment.rejected {
        return warning(format!("documents that could not be read: {}", grouped(moment.rejected)));
    }
    let is_moving = snapshot.history.last().is_some_and(|delivered| 0 < *delivered);
    if STUCK <= snapshot.lag && !is_moving {
        return warning(format!("nothing arrives, for {} now", seconds(snapshot.lag)));
    }
    if moment.ending && 0 < waiting {
        return news(format!("ending, lines on their way: {}", grouped(waiting)));
    }
    if STUCK <= snapshot.lag {
        return warning(format!("behind by {}: try a lower --rate", seconds(snapshot.lag)));
    }
    if moment.since_rotation.is_some_and(|time| time < ROTATION_TOLD) {
        return news("the log was rotated: the old file is read to its end".to_owned());
    }
    if 0 < snapshot.retries {
        return warning(format!("documents sent again: {}", grouped(snapshot.retries)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Moment, notice};
    use crate::demo::view::{Notice, Snapshot};
    use std::time::Duration;

    #[test]
    fn what_is_wrong_is_said_first_and_a_quiet_demo_says_nothing() {
        let quiet = Snapshot { written: 2_000, delivered: 1_000, ..Snapshot::default() };
        let stuck = Snapshot { lag: Duration::from_millis(3_210), ..quiet.clone() };
        let slow = Snapshot { history: vec![0, 1], ..stuck.clone() };
        let retried = Snapshot { retries: 5, ..quiet.clone() };
        let rotated = Moment { since_rotation: Some(Duration::from_secs(2)), ..Moment::default() };
        let long_ago = Moment { since_rotation: Some(Duration::from_secs(3)), ..rotated };
        let ending = Moment { ending: true, ..rotated };
        let rejected = Moment { rejected: 7, ..ending };
        let rotation = "the log was rotated: the old file is read to its end";
        for (snapshot, moment, expected) in [
            (&quiet, Moment::default(), None),
            (&quiet, long_ago, None),
            (&quiet, rotated, Some((rotation, false))),
            (&retried, rotated, Some((rotation, false))),
            (&retried, long_ago, Some(("documents sent again: 5", true))),
            (&quiet, ending, Some(("ending, lines on their way: 1,000", false))),
            (&slow, ending, Some(("ending, lines on their way: 1,000", false))),
            (&slow, rotated, Some(("behind by 3.2 s: try a lower --rate", true))),
            (&stuck, ending, Some(("nothing arrives, for 3.2 s now", true))),
            (&stuck, rejected, Some(("documents that could not be read: 7", true))),
        ] {
            let expected =
                expected.map(|(text, is_warning)| Notice { text: text.to_owned(), is_warning });
            assert_eq!(notice(snapshot, moment), expected, "{moment:?}");
        }
    }
}
