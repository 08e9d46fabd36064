//! Rotation while the shipper is stopped.

use crate::rig::{Logrotate, Site};
use crate::writer::{Model, Writer};

/// Lets a shipper read the first lines, rotates `times` while it is stopped, and reckons up after its next start.
fn rotate_while_stopped(case: &'static str, times: usize, copytruncate: bool) {
    let site = Site::new(case, "access.log*", "");
    let (rotate, model) = if copytruncate {
        (Logrotate::copytruncate(&site, "access.log", "nocompress"), Model::Append)
    } else {
        (Logrotate::nginx(&site, "access.log", "nocompress"), Model::Nginx)
    };
    let server = Writer::start(&site.log("access.log"), "s", model, 20);
    let shipper = site.ship();
    site.wait_for(&shipper, 3000);
    site.stop(shipper);
    for _ in 0..times {
        server.wait_for(3000);
        let pause = copytruncate.then(|| server.pause());
        rotate.force();
        drop(pause);
    }
    server.wait_for(2000);
    let shipper = site.ship();
    server.wait_for(2000);
    let written = server.end();
    let (tally, _) = site.settle(shipper, &[("s", written)]);
    assert_eq!(tally.conflicts, 0);
}

#[test]
fn one_rotation_while_stopped_is_caught_up() {
    rotate_while_stopped("stopped for 1 rotation", 1, false);
}

#[test]
fn five_rotations_while_stopped_are_caught_up() {
    rotate_while_stopped("stopped for 5 rotations", 5, false);
}

#[test]
fn one_copytruncate_while_stopped_is_caught_up() {
    rotate_while_stopped("stopped for 1 copytruncate", 1, true);
}

#[test]
fn five_copytruncates_while_stopped_are_caught_up() {
    rotate_while_stopped("stopped for 5 copytruncates", 5, true);
}
