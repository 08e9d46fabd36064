//! Rotation while the shipper is stopped.

use crate::rig::{Logrotate, Site};
use crate::writer::{Model, Writer};

/// How logs are rotated while nobody looks.
#[derive(Clone, Copy)]
struct Manner {
    case: &'static str,
    times: usize,
    copytruncate: bool,
    compression: &'static str,
}

/// Lets a shipper read the first lines, rotates while it is stopped, and reckons up after its next start.
fn rotate_while_stopped(manner: Manner) {
    let site = Site::new(manner.case, "access.log*", "");
    let (rotate, model) = if manner.copytruncate {
        (Logrotate::copytruncate(&site, "access.log", manner.compression), Model::Append)
    } else {
        (Logrotate::patient(&site, "access.log", manner.compression), Model::Nginx)
    };
    let server = Writer::start(&site.log("access.log"), "s", model, 20);
    let shipper = site.ship();
    site.wait_for(&shipper, 3000);
    site.stop(shipper);
    for _ in 0..manner.times {
        server.wait_for(3000);
        let pause = manner.copytruncate.then(|| server.pause());
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
    rotate_while_stopped(Manner {
        case: "stopped for 1 rotation",
        times: 1,
        copytruncate: false,
        compression: "nocompress",
    });
}

#[test]
fn five_rotations_while_stopped_are_caught_up() {
    rotate_while_stopped(Manner {
        case: "stopped for 5 rotations",
        times: 5,
        copytruncate: false,
        compression: "nocompress",
    });
}

#[test]
fn one_copytruncate_while_stopped_is_caught_up() {
    rotate_while_stopped(Manner {
        case: "stopped for 1 copytruncate",
        times: 1,
        copytruncate: true,
        compression: "nocompress",
    });
}

#[test]
fn five_copytruncates_while_stopped_are_caught_up() {
    rotate_while_stopped(Manner {
        case: "stopped for 5 copytruncates",
        times: 5,
        copytruncate: true,
        compression: "nocompress",
    });
}

#[test]
fn one_rotation_compressed_while_stopped_is_read_on_inside_the_compressed_file() {
    rotate_while_stopped(Manner {
        case: "stopped for 1 rotation, compress",
        times: 1,
        copytruncate: false,
        compression: "compress",
    });
}

#[test]
fn two_rotations_compressed_later_while_stopped_are_caught_up() {
    rotate_while_stopped(Manner {
        case: "stopped for 2 rotations, delaycompress",
        times: 2,
        copytruncate: false,
        compression: "compress\ndelaycompress",
    });
}

#[test]
fn one_copytruncate_compressed_while_stopped_is_read_on_inside_the_compressed_file() {
    rotate_while_stopped(Manner {
        case: "stopped for 1 copytruncate, compress",
        times: 1,
        copytruncate: true,
        compression: "compress",
    });
}

#[test]
fn one_rotation_compressed_by_xz_while_stopped_is_read_on_inside_the_compressed_file() {
    rotate_while_stopped(Manner {
        case: "stopped for 1 rotation, xz",
        times: 1,
        copytruncate: false,
        compression: "compress\ncompresscmd /usr/bin/xz\ncompressext .xz",
    });
}
