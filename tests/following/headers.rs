//! Lines that say what those mean that follow: known also to whoever begins to read behind them.

use crate::rig::{Logs, Rig, Saved, input, pack, watched};
use shipper::discovery::{From, Skip, Watched};
use shipper::packing::Format as Packing;
use shipper::settings::{BacklogOrder, Format, InputSettings};

/// Columns that a set of IIS's defaults fits as well, which has a referrer where the cookie is.
const OWN: &str = "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) \
                   cs(Cookie) sc-status sc-substatus sc-win32-status time-taken\n";

/// The default itself.
const DEFAULT: &str = "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) \
                       cs(Referer) sc-status sc-substatus sc-win32-status time-taken\n";

fn requests(first: usize, last: usize) -> String {
    let request = |n| {
        format!("2026-11-21 03:20:13 10.0.0.1 GET /{n} - 80 - 192.0.2.7 ua word{n} 200 0 0 15\n")
    };
    (first..=last).map(request).collect()
}

fn iis() -> InputSettings {
    InputSettings { format: Format::Known("iis"), ..input(10 << 20) }
}

fn start(watched: Watched, saved: Saved, input: &InputSettings) -> Rig {
    Rig::start_watching(watched, saved, From::Start, 16 << 20, input)
}

/// Takes what arrived: paths, and whether the words were cookies (`Some(true)`) or referrers.
fn taken(rig: &mut Rig) -> Vec<(String, Option<bool>)> {
    let kind = |document: &serde_json::Value| {
        let is_cookie = document["iis"]["access"]["cookie"].is_string();
        let is_referrer = document["http"]["request"]["referrer"].is_string();
        let path = document["url"]["original"].as_str().unwrap_or("none");
        (path.to_owned(), (is_cookie != is_referrer).then_some(is_cookie))
    };
    let mut taken: Vec<_> = std::mem::take(&mut rig.documents).iter().map(kind).collect();
    taken.sort_by_key(|(path, _)| path[1..].parse::<usize>().ok());
    taken
}

fn cookies(first: usize, last: usize) -> Vec<(String, Option<bool>)> {
    (first..=last).map(|n| (format!("/{n}"), Some(true))).collect()
}

/// A file's beginning, and whether its columns are its own (`true`), or a default's.
fn logs_read_in_part() -> Vec<(&'static str, String, bool)> {
    let first = requests(1, 1);
    let mib = requests(1, (1 << 20) / first.len() + 1);
    assert!(1 << 20 < mib.len());
    let line = OWN.trim_end();
    vec![
        ("at the beginning", format!("{OWN}{first}"), true),
        ("behind a mark", format!("\u{feff}{OWN}{first}"), true),
        ("with CR LF", format!("#Version: 1.0\r\n{line}\r\n{first}"), true),
        ("right before", format!("{first}{OWN}"), true),
        ("the last one", format!("{DEFAULT}{first}{OWN}{first}"), true),
        ("the last one, otherwise", format!("{OWN}{first}{DEFAULT}{first}"), false),
        ("none in the middle of a line", format!("{OWN}# {DEFAULT}{first}"), true),
        ("a MiB before", format!("{OWN}{mib}"), true),
        ("behind 64 KiB", format!("{DEFAULT}{}{OWN}{first}", requests(1, 1000)), true),
        ("none", first.clone(), false),
    ]
}

#[test]
fn columns_are_known_after_a_restart_in_the_middle_of_a_file() {
    for (what, log, is_own) in logs_read_in_part() {
        let logs = Logs::new();
        logs.write("x.log", log);
        let of_file = || watched(&[logs.pattern("x.log")]);
        let mut rig = start(of_file(), Vec::new(), &iis());
        rig.settle_down();
        let saved = rig.stop();
        logs.append("x.log", requests(7, 8));
        let mut rig = start(of_file(), saved, &iis());
        rig.settle_down();
        let expected = ["/7", "/8"].map(|path| (path.to_owned(), Some(is_own)));
        assert_eq!(taken(&mut rig), expected, "{what}");
        // Nothing of what was looked at is an event, or settled again.
        assert_eq!(rig.stop().len(), 1, "{what}");
    }
}

#[test]
fn columns_are_known_where_only_new_lines_are_read() {
    for (what, log, is_own) in logs_read_in_part() {
        let logs = Logs::new();
        logs.write("x.log", log);
        let skip = Skip { tail: true, ..Skip::default() };
        let tail = Watched { skip, ..watched(&[logs.pattern("x.log")]) };
        let mut rig = start(tail, Vec::new(), &iis());
        rig.settle_down();
        assert_eq!(taken(&mut rig), [], "{what}");
        logs.append("x.log", requests(7, 7));
        rig.pass_a_scan();
        assert_eq!(taken(&mut rig), [("/7".to_owned(), Some(is_own))], "{what}");
    }
}

#[test]
fn columns_are_known_to_an_input_that_goes_on_for_another() {
    let logs = Logs::new();
    logs.write("x.log", format!("{OWN}{}", requests(1, 2)));
    let of_file = || watched(&[logs.pattern("x.log")]);
    let mut rig = start(of_file(), Vec::new(), &iis());
    rig.settle_down();
    rig.exchange(&[0], 1, vec![(of_file(), iis())]);
    logs.append("x.log", requests(3, 4));
    rig.pass_a_scan();
    assert_eq!(taken(&mut rig), cookies(1, 4));
}

#[test]
fn columns_are_known_in_a_log_that_was_packed_while_stopped() {
    let mib = requests(3, 3 + (5 << 18) / requests(1, 1).len());
    for format in [Packing::Gzip, Packing::Zstd, Packing::Bzip2, Packing::Xz] {
        for (what, log) in
            [("first", OWN.to_owned() + &requests(1, 2)), ("far", OWN.to_owned() + &mib)]
        {
            let logs = Logs::new();
            logs.write("x.log", &log);
            let of_files = || watched(&[logs.pattern("x.log*")]);
            let mut rig = start(of_files(), Vec::new(), &iis());
            rig.settle_down();
            let saved = rig.stop();
            let name = format!("x.log.1{}", format.ending());
            logs.write(&name, pack(format, (log + &requests(7, 8)).as_bytes()));
            logs.remove("x.log");
            let mut rig = start(of_files(), saved, &iis());
            rig.pass(60);
            assert_eq!(taken(&mut rig), cookies(7, 8), "{format:?} {what}");
        }
    }
}

#[test]
fn columns_are_those_of_the_place_that_is_read() {
    let logs = Logs::new();
    let first = OWN.to_owned() + &requests(1, 2000);
    logs.write("x.log", first + DEFAULT + &requests(2001, 2100));
    let mut fresh = iis();
    fresh.files.backlog = BacklogOrder::FreshFirst;
    let mut rig = start(watched(&[logs.pattern("x.log")]), Vec::new(), &fresh);
    // New lines come while the backlog is read.
    for number in 2101..2110 {
        rig.step(3);
        logs.append("x.log", requests(number, number));
        rig.look();
    }
    rig.pass_a_scan();
    let referrers = (2001..2110).map(|n| (format!("/{n}"), Some(false)));
    let expected: Vec<_> = cookies(1, 2000).into_iter().chain(referrers).collect();
    assert_eq!(taken(&mut rig), expected);
}
