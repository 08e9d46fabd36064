//! A wall clock that jumps by hours while the shipper runs, forward and back.

use crate::rig::{Logrotate, Site};
use crate::writer::{Model, Writer};
use std::path::PathBuf;

/// Where Debian has the library that gives a process another wall clock.
fn library() -> PathBuf {
    let roots = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut places = roots.map(|root| root.join("faketime/libfaketimeMT.so.1"));
    places.find(|place| place.exists()).expect("Debian's libfaketime: tests/servers/packages.sh")
}

/// Returns how far apart in hours two neighbouring lines of the log are at most, forward and back.
fn jumps(told: &str) -> (i32, i32) {
    let times: Vec<jiff::civil::DateTime> =
        told.lines().filter_map(|line| line.get(..19)?.parse().ok()).collect();
    let hours = times.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_hours());
    hours.fold((0, 0), |(forward, back), hours| {
        let hours = i32::try_from(hours).unwrap();
        (forward.max(hours), back.min(hours))
    })
}

#[test]
fn a_wall_clock_that_jumps_hours_stops_nothing_and_repeats_nothing() {
    let site = Site::new("clock jumps", "access.log*", "");
    let rotate = Logrotate::nginx(&site, "access.log", "nocompress");
    let clock = site.place.path().join("clock");
    let set = |offset: &str| {
        // In one step, for it is read at any moment.
        let new = clock.with_extension("new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(&new, &clock).unwrap();
    };
    set("+0");
    let preload = format!("LD_PRELOAD={}", library().display());
    let file = format!("FAKETIME_TIMESTAMP_FILE={}", clock.display());
    let settings =
        ["env", &preload, &file, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"];
    let command = [&settings[..], &[env!("CARGO_BIN_EXE_shipper")]].concat();
    let server = Writer::start(&site.log("access.log"), "c", Model::Apache, 2);
    let shipper = site.place.start_by(&command, "data", &[]);
    site.wait_for(&shipper, 200);
    for (rotations, offset) in ["+26h", "-50h", "+9000h", "+0"].into_iter().enumerate() {
        set(offset);
        server.wait_for(100);
        rotate.force();
        site.wait(&shipper, "the rotation is told", || {
            rotations < shipper.told().matches("file was renamed").count()
        });
        site.wait_for(&shipper, server.written());
    }
    let (forward, back) = jumps(&shipper.told());
    assert!(26 <= forward && back <= -76, "the clock jumped: {forward}, {back}");
    let written = server.end();
    let (tally, _) = site.settle(shipper, &[("c", written)]);
    assert_eq!(tally.conflicts, 0, "nothing came twice");
}
