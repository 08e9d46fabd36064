//! What is added to recognised lines, through the pipeline and by the binary.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test may fail, and has real files; of the shared support it uses a part"
)]

mod support {
    pub mod log;
    pub mod mmdb;
    pub mod shipper;
    pub mod sink;
}
#[path = "golden/rig.rs"]
mod rig;
#[path = "output/server.rs"]
mod server;

use rig::{input, read_item, run};
use serde_json::{Value, json};
use shipper::batch::BatchLimits;
use shipper::disk::RealDisk;
use shipper::document::Shared;
use shipper::enrich::{GeoTable, GeoTables};
use shipper::geoip::GeoFiles;
use shipper::pipeline::Pipeline;
use shipper::settings::enrich::EnrichSettings;
use shipper::settings::{Format, InputSettings, RegexFormat};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::log::listener;
use support::mmdb::{city, database, network};
use support::shipper::{Place, wait_until};
use support::sink::Sink;

const CITIES: &str = "/geo/City.mmdb";
const NETWORKS: &str = "/geo/ASN.mmdb";
const BUILT: u64 = 1_795_000_000;
const FIREFOX: &str =
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.12; rv:49.0) Gecko/20100101 Firefox/49.0";

fn cities() -> Vec<u8> {
    let london = city(["GB", "United Kingdom"], ["ENG", "England"], "London", [51.5142, -0.0931]);
    let entries = [
        ("198.51.100.0/24", london),
        ("203.0.113.0/25", json!({"country": {"iso_code": "NO", "names": {"en": "Norway"}}})),
        (
            "2001:db8::/32",
            city(
                ["SE", "Sweden"],
                ["E", "Östergötland \"County\""],
                "Linköping",
                [58.4167, 15.6167],
            ),
        ),
        ("192.0.2.0/24", json!({"location": {"latitude": 91.5, "longitude": 0.5}})),
    ];
    database("GeoLite2-City", BUILT, &entries)
}

fn networks() -> Vec<u8> {
    let entries = [
        ("198.51.0.0/16", network(64_496, "Example \\ \"Net\" AB")),
        ("203.0.113.0/24", network(64_497, "Other")),
    ];
    database("GeoLite2-ASN", BUILT, &entries)
}

fn tables() -> Arc<GeoTables> {
    let tables = GeoTables::new([PathBuf::from(CITIES), PathBuf::from(NETWORKS)]);
    tables.put(Path::new(CITIES), Some(Arc::new(GeoTable::new(cities()).unwrap())));
    tables.put(Path::new(NETWORKS), Some(Arc::new(GeoTable::new(networks()).unwrap())));
    Arc::new(tables)
}

fn everything() -> EnrichSettings {
    EnrichSettings {
        user_agent: true,
        bots: true,
        related: true,
        geoip: vec![CITIES.into(), NETWORKS.into()],
        query: vec!["utm_source".to_owned(), "id".to_owned()],
    }
}

fn line(client: &str, target: &str, agent: &str) -> String {
    format!(
        "{client} - alice [21/Nov/2026:03:20:13 +0000] \"GET {target} HTTP/1.1\" 200 7 \"-\" \"{agent}\"\n"
    )
}

fn documents_of(settings: &InputSettings, path: &str, log: &str) -> Vec<Value> {
    let shared = Shared { geo: tables(), ..rig::shared() };
    let mut pipeline = Pipeline::new(settings, &shared).unwrap();
    let (batches, consumed) = run(&mut pipeline, path, log.as_bytes(), BatchLimits::default());
    assert_eq!(consumed.bytes, log.len());
    let batch = &batches[0];
    (0..batch.items()).map(|item| read_item(batch.item(item)).1).collect()
}

fn documents(enrich: EnrichSettings, log: &str) -> Vec<Value> {
    let settings = InputSettings { enrich, ..input(Format::Auto) };
    documents_of(&settings, "/var/log/apache2/access.log", log)
}

#[test]
fn agents_are_taken_apart_as_the_server_does_it() {
    let other = json!({"name": "Other", "device": {"name": "Other"}});
    let cases = [
        (
            FIREFOX,
            json!({
                "name": "Firefox", "version": "49.0", "device": {"name": "Mac"},
                "os": {"name": "Mac OS X", "version": "10.12", "full": "Mac OS X 10.12"},
            }),
        ),
        (
            "Mozilla/5.0 (Windows NT 6.1; rv:15.0) Gecko/20120716 Firefox/15.0a2",
            json!({
                "name": "Firefox Alpha", "version": "15.0.a2", "device": {"name": "Other"},
                "os": {"name": "Windows", "version": "7", "full": "Windows 7"},
            }),
        ),
        (
            "Mozilla/5.0 (compatible; Facebot 1.0; https://developers.facebook.com/docs/sharing/webmasters/crawler)",
            json!({"name": "Facebot", "version": "1.0", "device": {"name": "Spider"}}),
        ),
        ("Amazon CloudFront", other.clone()),
        ("\\xff\\xfe\\\"\\n", other),
    ];
    for (agent, mut expected) in cases {
        let enrich = EnrichSettings { user_agent: true, ..EnrichSettings::default() };
        let seen = &documents(enrich, &line("198.51.100.7", "/", agent))[0]["user_agent"];
        expected["original"] = seen["original"].clone();
        assert_eq!(*seen, expected, "{agent}");
    }
}

#[test]
fn addresses_have_their_place_and_their_network() {
    let enrich = EnrichSettings {
        user_agent: false,
        bots: false,
        related: false,
        query: vec![],
        ..everything()
    };
    for (client, geo, network) in [
        (
            "198.51.100.7",
            json!({
                "continent_name": "Europe", "country_name": "United Kingdom", "country_iso_code": "GB",
                "region_iso_code": "GB-ENG", "region_name": "England", "city_name": "London",
                "location": {"lat": 51.5142, "lon": -0.0931},
            }),
            json!({"number": 64_496, "organization": {"name": "Example \\ \"Net\" AB"}}),
        ),
        (
            "203.0.113.9",
            json!({"country_name": "Norway", "country_iso_code": "NO"}),
            json!({"number": 64_497, "organization": {"name": "Other"}}),
        ),
        (
            "2001:db8::7",
            json!({
                "continent_name": "Europe", "country_name": "Sweden", "country_iso_code": "SE",
                "region_iso_code": "SE-E", "region_name": "Östergötland \"County\"",
                "city_name": "Linköping", "location": {"lat": 58.4167, "lon": 15.6167},
            }),
            Value::Null,
        ),
        // No place is outside of the earth: the server would refuse the document.
        ("192.0.2.1", Value::Null, Value::Null),
        ("10.0.0.1", Value::Null, Value::Null),
        ("web.example.org", Value::Null, Value::Null),
    ] {
        // Twice: once found, once remembered.
        let log = line(client, "/", "-").repeat(2);
        for document in documents(enrich.clone(), &log) {
            assert_eq!(document["source"]["address"], client);
            assert_eq!((&document["source"]["geo"], &document["source"]["as"]), (&geo, &network));
        }
    }
}

#[test]
fn clients_that_are_no_browsers_are_labelled() {
    let enrich = EnrichSettings { bots: true, ..EnrichSettings::default() };
    for (agent, target, expected) in [
        (FIREFOX, "/", Value::Null),
        ("-", "/", Value::Null),
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "/",
            json!("bot"),
        ),
        ("curl/8.5.0", "/", json!("tool")),
        ("sqlmap/1.7#stable (https://sqlmap.org)", "/", json!("scanner")),
        (FIREFOX, "/.ENV", json!("scanner")),
        ("Googlebot/2.1", "/a?f=../../../etc/passwd", json!("scanner")),
        (FIREFOX, "/environment", Value::Null),
        ("Mozilla/5.0 Cubot/1", "/", json!("bot")),
    ] {
        let seen = documents(enrich.clone(), &line("198.51.100.7", target, agent));
        assert_eq!(seen[0]["labels"]["client"], expected, "{agent} {target}");
    }
}

#[test]
fn parameters_of_a_query_become_fields() {
    let settings = EnrichSettings {
        query: ["q", "page", "filter[color]", "ids[]", "user.id"].map(str::to_owned).to_vec(),
        ..EnrichSettings::default()
    };
    for (target, expected) in [
        ("/s?q=a%20b&page=2", json!({"q": "a b", "page": "2"})),
        ("/s?q=a+%2B+b&page=+", json!({"q": "a + b", "page": " "})),
        ("/s?q=+%ff&page=1%2", json!({"q": "+%ff", "page": "1%2"})),
        (
            "/s?filter[color]=red&ids[]=1&ids[]=2&user.id=7",
            json!({"filter_color": "red", "ids": "1", "user_id": "7"}),
        ),
        ("/s?filter%5bcolor%5D=a+b&%69ds%5B%5D=3", json!({"filter_color": "a b", "ids": "3"})),
        ("/s?filter=1&ids=2&user_id=3&user%2Fid=4&%=5&%5", Value::Null),
        ("/s?page=2&page=3&x=1", json!({"page": "2"})),
        ("/s?q=&page", Value::Null),
        ("/s?&&q=%ff#q=1", json!({"q": "%ff"})),
        ("/s#?q=1", Value::Null),
        ("/s", Value::Null),
        ("/s?qq=1", Value::Null),
    ] {
        let seen = documents(settings.clone(), &line("198.51.100.7", target, "-"));
        assert_eq!(seen[0]["url"]["params"], expected, "{target}");
    }
}

#[test]
fn what_is_related_stands_together_for_both_servers() {
    let enrich = EnrichSettings { related: true, ..EnrichSettings::default() };
    let settings = InputSettings { enrich, ..input(Format::Auto) };
    for path in ["/var/log/apache2/access.log", "/var/log/nginx/access.log"] {
        let log = line("198.51.100.7", "http://www.example.org/", "-")
            + &line("web.example.org", "/", "-");
        let seen = documents_of(&settings, path, &log);
        let expected =
            json!({"ip": ["198.51.100.7"], "user": ["alice"], "hosts": ["www.example.org"]});
        assert_eq!(seen[0]["related"], expected, "{path}");
        assert_eq!(
            seen[1]["related"],
            json!({"user": ["alice"], "hosts": ["web.example.org"]}),
            "{path}"
        );
    }
}

#[test]
fn everything_together_makes_documents_that_are_json() {
    let hostile = line("198.51.100.7", "/?id=1&utm_source=%22", "\\\"\\x00 Googlebot \\xe4")
        + &line("2001:db8::7", &format!("/{}", "x".repeat(70_000)), &"bot/1.0 ".repeat(9_000));
    let fields =
        json!({"user_agent": {"mine": 1}, "labels": {"a": "b"}, "source": {"geo": {"mine": 2}}});
    for under_root in [false, true] {
        let settings = InputSettings {
            enrich: everything(),
            fields: Some(shipper::settings::FieldsSettings {
                json_object: fields.to_string(),
                under_root,
            }),
            ..input(Format::Auto)
        };
        let seen = documents_of(&settings, "/var/log/nginx/access.log", &hostile);
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0]["url"]["params"], json!({"id": "1", "utm_source": "\""}));
        assert_eq!(seen[0]["labels"]["client"], "bot");
        assert_eq!(seen[1]["user_agent"]["device"]["name"], "Spider");
        assert_eq!(seen[0]["user_agent"]["mine"] == 1, under_root);
        // What an operator says of an object that is ours stays.
        assert_eq!(seen[0]["source"]["geo"] == json!({"mine": 2}), under_root);
    }
}

#[test]
fn lines_of_an_expression_are_added_to_and_may_name_the_fields_themselves() {
    let pattern = "^(?<source__ip>\\S+) (?<user_agent__name>\\S+) (?<user_agent__original>.+)$";
    let regex = RegexFormat { pattern: pattern.to_owned(), rename: Vec::new() };
    let settings = InputSettings { enrich: everything(), ..input(Format::Regex(regex)) };
    let seen = &documents_of(&settings, "/srv/x.log", &format!("198.51.100.7 mine {FIREFOX}\n"))[0];
    assert_eq!(seen["source"]["geo"]["city_name"], "London");
    assert_eq!(seen["user_agent"]["name"], "mine");
    assert_eq!(seen["user_agent"]["os"]["name"], "Mac OS X");
    assert_eq!(seen["related"]["ip"], json!(["198.51.100.7"]));
}

#[test]
fn database_is_exchanged_while_lines_come() {
    let tables = Arc::new(GeoTables::new([PathBuf::from(CITIES)]));
    let enrich = EnrichSettings { geoip: vec![CITIES.into()], ..EnrichSettings::default() };
    let shared = Shared { geo: Arc::clone(&tables), ..rig::shared() };
    let mut pipeline =
        Pipeline::new(&InputSettings { enrich, ..input(Format::Auto) }, &shared).unwrap();
    let mut city = || {
        let log = line("198.51.100.7", "/", "-");
        let (batches, _) = run(&mut pipeline, "/x.log", log.as_bytes(), BatchLimits::default());
        read_item(batches[0].item(0)).1["source"]["geo"]["city_name"].clone()
    };
    assert_eq!(city(), Value::Null);
    tables.put(Path::new(CITIES), Some(Arc::new(GeoTable::new(cities()).unwrap())));
    assert_eq!(city(), "London");
    let moved = [("198.51.100.0/24", json!({"city": {"names": {"en": "Oslo"}}}))];
    let moved = GeoTable::new(database("GeoLite2-City", BUILT, &moved)).unwrap();
    tables.put(Path::new(CITIES), Some(Arc::new(moved)));
    assert_eq!(city(), "Oslo");
    tables.put(Path::new(CITIES), None);
    assert_eq!(city(), Value::Null);
}

#[test]
fn no_bytes_make_the_reading_of_a_database_panic() {
    let whole = cities();
    for (bytes, expected) in [
        (Vec::new(), "it is no database in MaxMind's format, or damaged"),
        (b"no database".to_vec(), "it is no database in MaxMind's format, or damaged"),
        (database("GeoIP2-Domain", BUILT, &[]), "its type is `GeoIP2-Domain`"),
    ] {
        let error = GeoTable::new(bytes).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let mut damaged_seen = 0;
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        let Ok(table) = GeoTable::new(bytes) else { continue };
        let tables = Arc::new(GeoTables::new([PathBuf::from(CITIES)]));
        let table = Arc::new(table);
        tables.put(Path::new(CITIES), Some(Arc::clone(&table)));
        let enrich = EnrichSettings { geoip: vec![CITIES.into()], ..EnrichSettings::default() };
        let settings = InputSettings { enrich, ..input(Format::Auto) };
        let mut pipeline =
            Pipeline::new(&settings, &Shared { geo: tables, ..rig::shared() }).unwrap();
        let log = line("198.51.100.7", "/", "-") + &line("2001:db8::7", "/", "-");
        let (batches, consumed) =
            run(&mut pipeline, "/x.log", log.as_bytes(), BatchLimits::default());
        assert_eq!(consumed.events, 2);
        (0..2).for_each(|item| drop(read_item(batches[0].item(item))));
        damaged_seen += usize::from(table.is_damaged());
    }
    assert!(0 < damaged_seen, "some damage is found only when a line needs the place");
}

fn city_of(sink: &Sink, number: usize) -> Option<Value> {
    let seen = sink.those(|document| document["url"]["path"] == format!("/{number}"));
    seen.first().map(|document| document["source"]["geo"]["city_name"].clone())
}

#[test]
fn database_that_is_missing_or_no_database_is_told_once_and_read_when_it_has_changed() {
    let sink = Sink::default();
    let server = sink.serve();
    let place = Place::new(&format!(
        "filebeat.inputs:\n  - {{type: filestream, id: a, paths: [\"{{logs}}/access.log\"]}}\n\
         enrich.geoip: [\"{{logs}}/City.mmdb\"]\nsetup.template.enabled: false\n\
         output.elasticsearch: {{hosts: [\"{}\"], index: web}}\n",
        server.url()
    ));
    let running = place.start(&[]);
    let mut log = std::fs::File::create(place.log("access.log")).unwrap();
    let mut number = 0;
    let mut city = || {
        number += 1;
        let line = line("198.51.100.7", &format!("/{number}"), "-");
        log.write_all(line.as_bytes()).unwrap();
        wait_until("the line is stored", || city_of(&sink, number).is_some());
        city_of(&sink, number).unwrap()
    };
    assert_eq!(city(), Value::Null);
    assert_eq!(running.told().matches("cannot read").count(), 1, "{}", running.told());
    let database = place.log("City.mmdb");
    std::fs::write(&database, b"not yet a database").unwrap();
    wait_until("it is looked at", || running.told().contains("cannot use"));
    assert_eq!(city(), Value::Null);
    let temporary = place.log("City.tmp");
    std::fs::write(&temporary, cities()).unwrap();
    std::fs::rename(&temporary, &database).unwrap();
    wait_until("it is in use", || running.told().contains("is in use: GeoLite2-City"));
    assert_eq!(city(), "London");
    std::fs::remove_file(&database).unwrap();
    wait_until("its absence is told", || running.told().matches("cannot read").count() == 2);
    assert!(running.told().contains("what was read before stays in use"));
    assert_eq!(city(), "London");
    let (code, told) = running.stop();
    assert_eq!((code, told.matches("cannot use").count()), (0, 1), "{told}");
}

/// Counts what this thread tells as a warning from now on.
fn count_warnings() -> (Arc<AtomicUsize>, tracing::subscriber::DefaultGuard) {
    let warnings = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&warnings);
    let listener = listener(move |metadata, _| {
        let is_warning = *metadata.level() == tracing::Level::WARN;
        counted.fetch_add(usize::from(is_warning), Ordering::Relaxed);
    });
    (warnings, tracing::subscriber::set_default(listener))
}

#[test]
fn each_fault_of_a_file_is_told_once_and_what_was_read_stays_in_use_until_it_is_whole_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("City.mmdb");
    let tables = Arc::new(GeoTables::new([path.clone()]));
    let enrich = EnrichSettings { geoip: vec![path.clone()], ..EnrichSettings::default() };
    let shared = Shared { geo: Arc::clone(&tables), ..rig::shared() };
    let mut pipeline =
        Pipeline::new(&InputSettings { enrich, ..input(Format::Auto) }, &shared).unwrap();
    let mut city = || {
        let log = line("198.51.100.7", "/", "-");
        let (batches, _) = run(&mut pipeline, "/x.log", log.as_bytes(), BatchLimits::default());
        read_item(batches[0].item(0)).1["source"]["geo"]["city_name"].clone()
    };
    let mut files = GeoFiles::new(tables);
    let (warnings, _guard) = count_warnings();
    let of = |city: &str, built: u64| {
        let entry = json!({"city": {"names": {"en": city}}});
        database("GeoLite2-City", built, &[("198.51.100.0/24", entry)])
    };
    let exchange = |bytes: &[u8]| {
        let temporary = directory.path().join("temporary");
        std::fs::write(&temporary, bytes).unwrap();
        std::fs::rename(&temporary, &path).unwrap();
    };
    let clear = || drop(std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path)));
    let old = BUILT - 91 * 24 * 3600;
    let cut = |bytes: Vec<u8>, at: usize| bytes[..at].to_vec();
    let (none, oslo, rome) = (Value::Null, json!("Oslo"), json!("Rome"));
    let steps: [(&str, &dyn Fn(), usize, &Value); 15] = [
        ("missing", &|| {}, 1, &none),
        ("empty", &|| exchange(b""), 1, &none),
        ("truncated", &|| exchange(&cut(of("Oslo", BUILT), 200)), 0, &none),
        (
            "a directory",
            &|| {
                clear();
                std::fs::create_dir(&path).unwrap();
            },
            1,
            &none,
        ),
        (
            "of another kind",
            &|| {
                clear();
                exchange(&database("GeoIP2-Domain", BUILT, &[]));
            },
            1,
            &none,
        ),
        ("whole", &|| exchange(&of("Oslo", BUILT)), 0, &oslo),
        (
            "truncated where it stands",
            &|| std::fs::write(&path, cut(of("Rome", BUILT), 99)).unwrap(),
            1,
            &oslo,
        ),
        ("whole again", &|| std::fs::write(&path, of("Rome", BUILT)).unwrap(), 0, &rome),
        ("truncated again", &|| exchange(&cut(of("Rome", BUILT), 99)), 1, &rome),
        ("away", &clear, 1, &rome),
        ("a loop", &|| std::os::unix::fs::symlink(&path, &path).unwrap(), 1, &rome),
        (
            "a pipe",
            &|| {
                clear();
                std::process::Command::new("mkfifo").arg(&path).status().unwrap();
            },
            1,
            &rome,
        ),
        ("old", &|| exchange(&of("Oslo", old)), 1, &oslo),
        ("as it was", &|| {}, 0, &oslo),
        ("of networks", &|| exchange(&networks()), 0, &none),
    ];
    for (what, change, told, expected) in steps {
        change();
        let before = warnings.load(Ordering::Relaxed);
        for _ in 0..3 {
            files.step(&RealDisk, BUILT);
        }
        let more = warnings.load(Ordering::Relaxed) - before;
        assert_eq!((more, &city()), (told, expected), "{what}");
    }
    // Moved away and back, it is the file that was read; its second absence is told as the first one was.
    for _ in 0..2 {
        let before = warnings.load(Ordering::Relaxed);
        std::fs::rename(&path, directory.path().join("aside")).unwrap();
        files.step(&RealDisk, BUILT);
        assert_eq!(warnings.load(Ordering::Relaxed), before + 1);
        std::fs::rename(directory.path().join("aside"), &path).unwrap();
        files.step(&RealDisk, BUILT);
    }
}

#[test]
fn database_that_is_replaced_while_it_is_read_is_one_of_both() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("City.mmdb");
    let of = |city: &str| {
        let entry = json!({"city": {"names": {"en": city.repeat(250)}}});
        let networks: Vec<String> =
            (0..250).map(|number| format!("198.51.{number}.0/24")).collect();
        let entries: Vec<_> = networks.iter().map(|one| (one.as_str(), entry.clone())).collect();
        database("GeoLite2-City", BUILT, &entries)
    };
    let both = [of("o"), of("r")];
    std::fs::write(&path, &both[0]).unwrap();
    let tables = Arc::new(GeoTables::new([path.clone()]));
    let mut files = GeoFiles::new(tables);
    let (warnings, _guard) = count_warnings();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..200 {
                let temporary = directory.path().join("temporary");
                std::fs::write(&temporary, &both[number % 2]).unwrap();
                std::fs::rename(&temporary, &path).unwrap();
            }
        });
        for _ in 0..200 {
            files.step(&RealDisk, BUILT);
        }
    });
    assert_eq!(warnings.load(Ordering::Relaxed), 0);
}
