//! Hard kills in a loop, with rotations and a faulty server meanwhile.

use crate::real_servers::{Product, shared};
use crate::receiver::Faults;
use crate::rig::{Logrotate, NO_GZ, Site};
use crate::shipper::{Place, wait_until};
use crate::writer::{Model, Writer, line};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Kills a shipper so often, each after 300 to 700 ms, and rotates every few kills.
fn kill_in_a_loop(case: &'static str, copytruncate: bool) {
    let flush = if copytruncate { "filebeat.registry.flush: 100ms\n" } else { "" };
    let site = Site::new(case, "access.log*", flush);
    let (rotate, model) = if copytruncate {
        (Logrotate::copytruncate(&site, "access.log", "nocompress"), Model::Append)
    } else {
        (Logrotate::nginx(&site, "access.log", "nocompress"), Model::Apache)
    };
    site.receiver.set_faults(Faults::HEAVY);
    let server = Writer::start(&site.log("access.log"), "k", model, 2);
    let mut random = fastrand::Rng::new();
    for kill in 0..20 {
        let shipper = if kill == 0 { site.begin(&["k"]) } else { site.ship() };
        std::thread::sleep(Duration::from_millis(random.u64(300..700)));
        if kill % 3 == 1 {
            let pause = copytruncate.then(|| server.pause());
            rotate.force();
            drop(pause);
        }
        if kill % 5 == 0 {
            // Just after it has sent something that it cannot have noted yet.
            let documents = site.receiver.documents();
            wait_until("something new is stored", || documents < site.receiver.documents());
        }
        site.kill(shipper);
        if kill % 3 == 2 {
            let pause = copytruncate.then(|| server.pause());
            rotate.force();
            drop(pause);
        }
    }
    let written = server.end();
    site.receiver.set_faults(Faults::default());
    let (tally, _) = site.settle(site.ship(), &[("k", written)]);
    assert!(0 < tally.conflicts && 0 < tally.faults, "{tally:?}");
}

#[test]
fn kills_in_a_loop_under_rotation_and_faults_lose_nothing_and_store_nothing_twice() {
    kill_in_a_loop("kill -9, create", false);
}

#[test]
fn kills_in_a_loop_under_copytruncate_and_faults_lose_nothing_and_store_nothing_twice() {
    kill_in_a_loop("kill -9, copytruncate", true);
}

#[test]
fn kills_around_a_copytruncate_of_a_file_that_is_being_written_lose_nothing_that_is_left_in_a_file()
{
    let site = Site::new("kill -9, copytruncate without a pause", "access.log*", NO_GZ);
    let rotate = Logrotate::copytruncate(&site, "access.log", "nocompress");
    let server = Writer::start(&site.log("access.log"), "v", Model::Append, 10);
    for turn in 0..8 {
        let shipper = if turn == 0 { site.begin(&["v"]) } else { site.ship() };
        server.wait_for(1000);
        rotate.force();
        site.kill(shipper);
        let shipper = site.ship();
        server.wait_for(2000);
        site.kill(shipper);
        rotate.force();
    }
    let written = server.end();
    let written: BTreeSet<String> = (0..written).map(|number| line("v", number)).collect();
    let left: BTreeSet<String> = site.lines_in_files().intersection(&written).cloned().collect();
    site.look_again();
    let torn = site.receiver.strangers(|line| written.contains(line));
    assert!(torn.len() <= 32, "{torn:#?}");
    let may = written.into_iter().chain(torn).collect();
    site.reckon(&left, &may);
}

#[test]
fn real_elasticsearch_finds_every_line_once_after_kills_and_both_kinds_of_rotation() {
    let place = Place::new(&format!(
        "filebeat.inputs:\n  - type: filestream\n    id: access\n    paths: [\"{{logs}}/*.log*\"]\n\
         output.elasticsearch:\n  hosts: [\"{}\"]\n  index: rotation-test\n  backoff.init: 100ms\n",
        shared(Product::Elasticsearch).url()
    ));
    let site = Site::of(place, "Elasticsearch");
    let create = Logrotate::nginx(&site, "create.log", "nocompress");
    let copy = Logrotate::copytruncate(&site, "copy.log", "nocompress");
    let created = Writer::start(&site.log("create.log"), "x", Model::Nginx, 1);
    let copied = Writer::start(&site.log("copy.log"), "y", Model::Append, 1);
    for _ in 0..6 {
        let shipper = site.ship();
        created.wait_for(150);
        create.force();
        let pause = copied.pause();
        copy.force();
        drop(pause);
        created.wait_for(150);
        shipper.kill();
    }
    let (x, y) = (created.end(), copied.end());
    assert!(x + y < 10_000, "more than one search returns: {x} and {y}");
    let (code, told) = site.place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for document in shared(Product::Elasticsearch).documents("rotation-test") {
        *found.entry(document["message"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let xs = (0..x).map(|number| (line("x", number), 1));
    let expected: BTreeMap<String, usize> =
        xs.chain((0..y).map(|number| (line("y", number), 1))).collect();
    let wrong: Vec<_> = expected
        .keys()
        .chain(found.keys())
        .filter(|line| found.get(*line) != expected.get(*line))
        .collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), expected.len());
    println!("Elasticsearch: {} lines, each found once", expected.len());
}
