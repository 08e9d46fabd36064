//! Targets that take nothing now, while others do.

use super::rig::{Rig, answer, lines, quick, scripted};
use super::server::{Reply, Request, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const BLOCK: (u16, &str) = (403, "cluster_block_exception");

/// A server with indices, one of which can be blocked.
#[derive(Default)]
struct Indices {
    blocked: AtomicBool,
    /// Documents by index and id.
    stored: Mutex<BTreeMap<(String, String), String>>,
    /// Items that were sent to the blocked index while it was.
    in_vain: Mutex<usize>,
}

impl Indices {
    fn serve(self: &Arc<Self>, refusal: (u16, &'static str)) -> Server {
        let indices = Arc::clone(self);
        scripted(move |_, request| indices.bulk(request, refusal))
    }

    fn bulk(&self, request: &Request, refusal: (u16, &'static str)) -> Reply {
        let default = request.path.trim_matches('/').split('/').next().unwrap_or_default();
        let lines: Vec<&str> = request.body.lines().collect();
        let answers: Vec<(u16, &str)> = lines
            .chunks(2)
            .map(|item| {
                let action: Value = serde_json::from_str(item[0]).unwrap();
                let index = action["create"]["_index"].as_str().unwrap_or(default).to_owned();
                let id = action["create"]["_id"].as_str().unwrap().to_owned();
                if index == "sick" && self.blocked.load(Ordering::SeqCst) {
                    *self.in_vain.lock().unwrap() += 1;
                    return refusal;
                }
                let mut stored = self.stored.lock().unwrap();
                if stored.insert((index, id), item[1].to_owned()).is_some() {
                    return (409, "version_conflict_engine_exception");
                }
                (201, "")
            })
            .collect();
        Reply::json(200, answer(&answers))
    }

    fn count(&self, index: &str) -> usize {
        self.stored.lock().unwrap().keys().filter(|(known, _)| known == index).count()
    }
}

fn spooled(rig: &Rig) -> u64 {
    let Ok(directories) = std::fs::read_dir(rig.data.path().join("blocked")) else { return 0 };
    let files = directories.flat_map(|entry| std::fs::read_dir(entry.unwrap().path()).unwrap());
    let sizes = files.filter_map(|file| {
        let file = file.unwrap();
        let is_segment = file.file_name().to_str().unwrap().ends_with(".blocks");
        // One that is done with goes meanwhile.
        is_segment.then(|| file.metadata().map_or(0, |metadata| metadata.len()))
    });
    sizes.sum()
}

#[test]
fn target_that_is_blocked_holds_up_no_other_and_gets_all_of_its_own_when_it_is_mended() {
    for refusal in
        [BLOCK, (503, "unavailable_shards_exception"), (404, "index_not_found_exception")]
    {
        let indices = Arc::new(Indices::default());
        let server = indices.serve(refusal);
        indices.blocked.store(true, Ordering::SeqCst);
        let mut rig = Rig::to(&server.url());
        for number in 0..20 {
            let text = json!({"n": number}).to_string();
            let (_, range) = rig.send_to(&[(Some("sick"), &text), (Some("well"), &text)]);
            assert_eq!(rig.settled(), [range], "{refusal:?}");
        }
        assert_eq!((indices.count("well"), indices.count("sick")), (20, 0));
        assert_ne!(spooled(&rig), 0);
        let target = rig.stats.health.hosts()["target sick"].clone();
        assert!(target.reason.contains(refusal.1), "{target:?}");
        indices.blocked.store(false, Ordering::SeqCst);
        rig.wait_for("all of it is stored", |_| indices.count("sick") == 20);
        rig.wait_for("nothing is spooled", |rig| spooled(rig) == 0);
        rig.wait_for("forgotten", |rig| rig.stats.sending.blocked_targets.get() == 0);
        assert!(!rig.stats.health.hosts().contains_key("target sick"));
        let (_, range) = rig.send_to(&[(Some("sick"), "{}"), (Some("well"), "{}")]);
        assert_eq!(rig.settled(), [range]);
        assert_eq!((indices.count("well"), indices.count("sick")), (21, 21));
        assert_eq!(rig.stats.sending.acked.get(), 42);
        rig.finish();
        let told = lines();
        let has = |wanted: &str| told.iter().any(|line| line.contains(wanted));
        assert!(has("target `sick` takes no documents; they are kept in `"), "{told:#?}");
        assert!(has("target `sick` takes documents again"), "{told:#?}");
        assert!(has("all documents that were kept for target `sick` are delivered"), "{told:#?}");
    }
}

#[test]
fn documents_of_a_target_that_is_known_to_be_blocked_are_not_sent_in_vain() {
    let indices = Arc::new(Indices::default());
    let server = indices.serve(BLOCK);
    indices.blocked.store(true, Ordering::SeqCst);
    let mut settings = quick(&[server.url()]);
    settings.backoff.init = Duration::from_mins(1);
    settings.backoff.max = Duration::from_mins(1);
    let mut rig = Rig::start(settings);
    for _ in 0..50 {
        let (_, range) = rig.send_to(&[(Some("sick"), "{}"), (Some("well"), "{}")]);
        assert_eq!(rig.settled(), [range]);
    }
    // All of one target: nothing is left to send.
    let (_, range) = rig.send_to(&[(Some("sick"), "{}"), (Some("sick"), "{}")]);
    assert_eq!(rig.settled(), [range]);
    let in_vain = *indices.in_vain.lock().unwrap();
    assert!(in_vain < 10, "{in_vain}: the first ones, and what is sent again");
    rig.stop(Duration::from_secs(5));
}

#[test]
fn documents_of_a_blocked_target_survive_the_process_and_go_where_they_were_to_go() {
    let indices = Arc::new(Indices::default());
    let server = indices.serve(BLOCK);
    indices.blocked.store(true, Ordering::SeqCst);
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send_to(&[(Some("sick"), r#"{"m":"ä\u0000"}"#), (Some("well"), "{}")]);
    assert_eq!(rig.settled(), [range]);
    rig.stop(Duration::from_secs(5));
    let data = rig.leave_data();
    indices.blocked.store(false, Ordering::SeqCst);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut rig = Rig::start_in(data, runtime, quick(&[server.url()]));
    rig.wait_for("it is stored", |_| indices.count("sick") == 1);
    rig.wait_for("forgotten", |rig| rig.stats.sending.blocked_targets.get() == 0);
    let stored = indices.stored.lock().unwrap().clone();
    assert_eq!(stored[&("sick".to_owned(), "id0".to_owned())], r#"{"m":"ä\u0000"}"#);
    rig.finish();
}

#[test]
fn full_spool_stops_what_is_read_and_loses_nothing() {
    let indices = Arc::new(Indices::default());
    let server = indices.serve(BLOCK);
    indices.blocked.store(true, Ordering::SeqCst);
    let mut settings = quick(&[server.url()]);
    settings.blocked_bytes_max = 300;
    let mut rig = Rig::start(settings);
    let mut settled = 0;
    for _ in 0..4 {
        let _ = rig.send_to(&[(Some("sick"), r#"{"m":"a document of some bytes"}"#)]);
    }
    rig.wait_for("told", |_| {
        lines().iter().any(|line| line.contains("of the blocked target `sick`: it is full"))
    });
    while rig.pool.in_use() == 4 {
        settled += rig.settled().len();
    }
    assert!(spooled(&rig) <= 300);
    indices.blocked.store(false, Ordering::SeqCst);
    while settled < 4 {
        settled += rig.settled().len();
    }
    rig.wait_for("all of it is stored", |_| indices.count("sick") == 4);
    rig.finish();
}

#[test]
fn pipeline_that_is_missing_blocks_only_the_documents_that_name_it() {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let stored = Arc::new(Mutex::new(Vec::<String>::new()));
    let storing = Arc::clone(&stored);
    let server = scripted(move |_, request| {
        let lines: Vec<&str> = request.body.lines().collect();
        let items: Vec<Value> = lines
            .chunks(2)
            .map(|item| {
                if item[0].contains("geo") && !is_mended.load(Ordering::SeqCst) {
                    let reason = "pipeline with id [geo] does not exist";
                    let error = json!({"type": "illegal_argument_exception", "reason": reason});
                    return json!({"create": {"status": 400, "error": error}});
                }
                storing.lock().unwrap().push(item[1].to_owned());
                json!({"create": {"status": 201}})
            })
            .collect();
        Reply::json(200, json!({"errors": true, "items": items}).to_string())
    });
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig
        .send_to(&[(Some("web\",\"pipeline\":\"geo"), r#"{"n":1}"#), (Some("web"), r#"{"n":2}"#)]);
    assert_eq!(rig.settled(), [range]);
    assert_eq!(*stored.lock().unwrap(), [r#"{"n":2}"#]);
    mended.store(true, Ordering::SeqCst);
    rig.wait_for("both are stored", |_| stored.lock().unwrap().len() == 2);
    rig.wait_for("forgotten", |rig| rig.stats.sending.blocked_targets.get() == 0);
    rig.finish();
}

#[test]
fn what_else_stands_among_blocked_targets_keeps_none_of_them_from_being_sent() {
    let indices = Arc::new(Indices::default());
    let server = indices.serve(BLOCK);
    indices.blocked.store(true, Ordering::SeqCst);
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send_to(&[(Some("sick"), "{}"), (Some("well"), "{}")]);
    assert_eq!(rig.settled(), [range]);
    rig.stop(Duration::from_secs(5));
    let data = rig.leave_data();
    // As a kill leaves it between two calls; what lost its name; what somebody puts there. Some are listed first.
    let blocked = data.path().join("blocked");
    for name in ["a-00000001", "z-00000001", "b-00000002", "y-00000002"] {
        std::fs::create_dir(blocked.join(name)).unwrap();
    }
    for path in ["b-00000002/00000001.blocks", "y-00000002/00000001.blocks", "0", "~"] {
        std::fs::write(blocked.join(path), "x").unwrap();
    }
    indices.blocked.store(false, Ordering::SeqCst);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut rig = Rig::start_in(data, runtime, quick(&[server.url()]));
    rig.wait_for("it is stored", |_| indices.count("sick") == 1);
    rig.finish();
    let told = |line: &String| line.contains("cannot look for documents") && line.contains("b-0");
    assert!(lines().iter().any(told));
}

#[test]
fn targets_by_the_hundred_take_no_descriptor_each_and_all_get_their_own() {
    const TARGETS: usize = 200;
    let (mended, stored) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (is_mended, storing) = (Arc::clone(&mended), Arc::clone(&stored));
    let server = scripted(move |_, request| {
        let count = request.ids().len();
        if is_mended.load(Ordering::SeqCst) {
            storing.fetch_add(count, Ordering::SeqCst);
            return super::all_created(request);
        }
        Reply::json(200, answer(&vec![BLOCK; count]))
    });
    let mut rig = Rig::to(&server.url());
    let names: Vec<String> = (0..TARGETS).map(|number| format!("domain-{number}")).collect();
    for _ in 0..2 {
        for names in names.chunks(50) {
            let items: Vec<(Option<&str>, &str)> =
                names.iter().map(|name| (Some(name.as_str()), "{}")).collect();
            let (_, range) = rig.send_to(&items);
            assert_eq!(rig.settled(), [range]);
        }
    }
    let directory = rig.data.path().join("blocked");
    let open = std::fs::read_dir("/proc/self/fd").unwrap().filter(|descriptor| {
        let descriptor = descriptor.as_ref().unwrap().path();
        let path = std::fs::read_link(descriptor).unwrap_or_default();
        path.starts_with(&directory)
    });
    let open = open.count();
    assert!(open < 100, "{open} of {TARGETS}");
    mended.store(true, Ordering::SeqCst);
    rig.wait_for("all is stored", |_| stored.load(Ordering::SeqCst) == 2 * TARGETS);
    rig.wait_for("forgotten", |rig| rig.stats.sending.blocked_targets.get() == 0);
    rig.finish();
}
