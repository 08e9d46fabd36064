//! Items that are sent once more by a command: documents that were refused before.

use super::bulk::{Answer, Fault, Verdict, read_answer};
use super::client::{BulkBody, HttpClient, Response};
use crate::disk::Disk;
use crate::hint::{Advised, chain_text};
use crate::host::random_bytes;
use crate::outputs::retry::Schedule;
use crate::settings::ElasticsearchSettings;
use bytes::Bytes;
use std::collections::VecDeque;

/// Failures in a row, for each host, after which it is not tried any more.
const TRIES_MAX: u32 = 5;

/// Failures of a server with one item alone after which the item counts as refused.
const STRIKES_MAX: u8 = 3;

/// What became of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Stored now.
    Stored,
    /// Stored before.
    Duplicate,
    /// Refused, again.
    Refused(Fault),
    /// Nothing yet: the server does not take any more now.
    Left,
}

/// Why no more is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Why.
    pub reason: String,
    /// What a person can do about it.
    pub hint: String,
}

/// Sends items to the first host that takes them.
#[derive(Debug)]
pub struct Resender {
    client: HttpClient,
    settings: ElasticsearchSettings,
    host: usize,
    blocked: Option<Fault>,
}

/// One call of [`Resender::send`].
struct Sending<'i> {
    items: &'i [Vec<u8>],
    ended: Vec<Ended>,
    strikes: Vec<u8>,
    /// Items that go together.
    open: VecDeque<Vec<usize>>,
    schedule: Schedule,
    /// Why items are left for which a person must mend the set-up.
    blocked: Option<Fault>,
}

/// How a request has failed that may be tried again.
struct Failed {
    reason: String,
    response: Option<Response>,
}

impl Resender {
    /// Makes one for the hosts of an output.
    ///
    /// # Errors
    /// When there can be no HTTP client: certificates or headers are wrong.
    pub fn new<D: Disk>(settings: ElasticsearchSettings, disk: &D) -> Result<Self, Advised> {
        let client = HttpClient::new(&settings, disk)
            .map_err(|problem| Advised::new(chain_text(&problem), problem.advice()))?;
        Ok(Self { client, settings, host: 0, blocked: None })
    }

    /// Sends items (action and document) until each has its end or the server takes no more; says what became of each,
    /// in order.
    pub async fn send(&mut self, items: &[Vec<u8>]) -> (Vec<Ended>, Option<Stop>) {
        let mut sending = Sending {
            items,
            ended: vec![Ended::Left; items.len()],
            strikes: vec![0; items.len()],
            open: VecDeque::from([(0..items.len()).collect()]),
            schedule: Schedule::new(self.settings.backoff),
            blocked: None,
        };
        while let Some(group) = sending.open.pop_front() {
            match self.request(&mut sending, &group).await {
                Ok(()) => sending.schedule.succeeded(),
                Err(Ok(failed)) => {
                    sending.open.push_front(group);
                    if let Some(stop) = self.pause(&mut sending, failed).await {
                        return (sending.ended, Some(stop));
                    }
                }
                Err(Err(fault)) => return (sending.ended, Some(stop_of(&fault))),
            }
        }
        self.blocked = sending.blocked.or(self.blocked.take());
        (sending.ended, None)
    }

    /// Returns why items were left, so far, of which the set-up is at fault: others were sent all the same.
    #[must_use]
    pub fn blocked(&self) -> Option<Stop> {
        self.blocked.as_ref().map(stop_of)
    }

    /// Waits before another try, at the next host if this one is not there; says when it is no use.
    async fn pause(&mut self, sending: &mut Sending<'_>, failed: Failed) -> Option<Stop> {
        let hosts = self.settings.hosts.len().max(1);
        let tries = TRIES_MAX.saturating_mul(u32::try_from(hosts).unwrap_or(u32::MAX));
        if tries <= sending.schedule.failures() + 1 {
            return Some(Stop {
                reason: format!("{}: {}", self.settings.hosts[self.host], failed.reason),
                hint: "run it again when the server takes documents; nothing is stored twice"
                    .to_owned(),
            });
        }
        let retry_after = failed.response.and_then(|response| response.retry_after);
        let random = f64::from(u16::from_ne_bytes(random_bytes())) / 65_536.0;
        let wait = sending.schedule.failed(random, retry_after);
        self.host = (self.host + 1) % hosts;
        tokio::time::sleep(wait).await;
        None
    }

    /// Sends some items and notes their ends; what is to be sent again is open again.
    async fn request(
        &self,
        sending: &mut Sending<'_>,
        group: &[usize],
    ) -> Result<(), Result<Failed, Fault>> {
        let body: Vec<u8> =
            group.iter().flat_map(|item| sending.items[*item].iter().copied()).collect();
        let body = BulkBody::Plain(Bytes::from(body));
        let url = format!("{}/_bulk", self.settings.hosts[self.host]);
        let response = match self.client.bulk(&url, &body, group.len()).await {
            Ok(response) => response,
            Err(error) => return Err(Ok(Failed { reason: error.reason, response: None })),
        };
        if response.cut {
            if group.len() == 1 {
                let reason = "its answer is too long to be read".to_owned();
                return Err(Ok(Failed { reason, response: Some(response) }));
            }
            sending.halve(group);
            return Ok(());
        }
        match read_answer(response.status, &response.body, group.len()) {
            Answer::AllStored => {
                for item in group {
                    sending.ended[*item] = Ended::Stored;
                }
                Ok(())
            }
            Answer::Retry(reason) | Answer::Busy(reason) | Answer::TooMany(reason) => {
                Err(Ok(Failed { reason, response: Some(response) }))
            }
            Answer::TooLarge => {
                let reason =
                    "the server or a proxy before it takes no body of this size".to_owned();
                sending.refused(group, Fault { status: 413, kind: "413".to_owned(), reason });
                Ok(())
            }
            Answer::Refused(fault) => {
                sending.refused(group, fault);
                Ok(())
            }
            Answer::Pause(fault) => Err(Err(fault)),
            Answer::Items(verdicts) => sending.verdicts(group, verdicts, response),
        }
    }
}

fn stop_of(fault: &Fault) -> Stop {
    Stop { reason: fault.to_string(), hint: fault.advice().to_owned() }
}

impl Sending<'_> {
    fn halve(&mut self, group: &[usize]) {
        let (first, second) = group.split_at(group.len() / 2);
        self.open.push_front(second.to_vec());
        self.open.push_front(first.to_vec());
    }

    /// Looks for the item that spoils a request.
    fn refused(&mut self, group: &[usize], fault: Fault) {
        match group {
            [item] => self.ended[*item] = Ended::Refused(fault),
            _ => self.halve(group),
        }
    }

    fn verdicts(
        &mut self,
        group: &[usize],
        verdicts: Vec<Verdict>,
        response: Response,
    ) -> Result<(), Result<Failed, Fault>> {
        let mut again = Vec::new();
        for (item, verdict) in group.iter().zip(verdicts) {
            match verdict {
                Verdict::Stored => self.ended[*item] = Ended::Stored,
                Verdict::Duplicate(_) => self.ended[*item] = Ended::Duplicate,
                Verdict::Dead(fault) => self.ended[*item] = Ended::Refused(fault),
                Verdict::Retry | Verdict::Unavailable(_) => again.push(*item),
                // Another target may take its own.
                Verdict::Pause(fault) => self.blocked = Some(fault),
                Verdict::Strike(fault) => {
                    self.strikes[*item] += 1;
                    if self.strikes[*item] < STRIKES_MAX {
                        again.push(*item);
                    } else {
                        self.ended[*item] = Ended::Refused(fault);
                    }
                }
            }
        }
        if !again.is_empty() && again.len() == group.len() {
            let reason = "the server does not take it now".to_owned();
            return Err(Ok(Failed { reason, response: Some(response) }));
        }
        if !again.is_empty() {
            self.open.push_back(again);
        }
        Ok(())
    }
}
