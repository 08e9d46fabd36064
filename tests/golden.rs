//! Lines through the pipeline, each compared byte by byte with the items that are to come out; and what holds for all.
//!
//! `fixtures/<kind>/<case>.log` holds the lines, `<case>.ndjson` beside it the items. After a change that is meant,
//! `BLESS=1 cargo test --test golden` writes the latter anew; read the difference before you commit it.

#![expect(clippy::disallowed_methods, reason = "fixtures are files")]

#[path = "golden/compiled.rs"]
mod compiled;
#[path = "golden/enveloped.rs"]
mod enveloped;
#[path = "golden/formats.rs"]
mod formats;
#[path = "golden/forwarded.rs"]
mod forwarded;
#[path = "golden/members.rs"]
mod members;
#[path = "golden/own.rs"]
mod own;
#[path = "golden/paths.rs"]
mod paths;
#[path = "golden/properties.rs"]
mod properties;
#[path = "golden/rig.rs"]
mod rig;

use rig::{input, read_item, run_cut, shared};
use shipper::batch::BatchLimits;
use shipper::document::{Shared, Target};
use shipper::pipeline::{Consumed, Pipeline, Stop};
use shipper::settings::{FieldsSettings, Format, InputSettings, Namespace, RegexFormat};
use shipper::target::FormatString;
use std::path::PathBuf;

const APACHE: &str = "/var/log/apache2/access.log";
const NGINX: &str = "/var/log/nginx/access.log";

/// Compares the items of `fixtures/<log>.log` with `fixtures/<expected>.ndjson`.
fn check(
    log: &str,
    expected: &str,
    path: &str,
    input: &InputSettings,
    shared: &Shared,
) -> Consumed {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let log = std::fs::read(fixtures.join(log).with_extension("log")).expect("a fixture");
    let mut pipeline = Pipeline::new(input, shared).expect("the settings make a pipeline");
    // Nothing comes behind it, so that its last event is complete.
    let cuts = [log.len() as u64];
    let (batches, consumed) = run_cut(&mut pipeline, path, &log, &cuts, BatchLimits::default());
    assert_eq!((batches.len(), consumed.bytes), (1, log.len()), "a fixture fits one batch");
    for item in 0..batches[0].items() {
        read_item(batches[0].item(item));
    }
    let items = String::from_utf8(batches[0].buffer.bytes().to_vec()).expect("JSON is UTF-8");
    let file = fixtures.join(expected).with_extension("ndjson");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &items).expect("the fixture can be written");
    }
    let expected = std::fs::read_to_string(&file).expect("the expected items are there");
    for (number, (seen, expected)) in items.lines().zip(expected.lines()).enumerate() {
        assert_eq!(seen, expected, "{}:{}", file.display(), number + 1);
    }
    assert_eq!(items.len(), expected.len(), "{}", file.display());
    consumed
}

#[test]
fn apache_lines_of_every_kind_become_these_documents() {
    let consumed = check("apache/auto", "apache/auto", APACHE, &input(Format::Auto), &shared());
    let expected = Consumed {
        bytes: consumed.bytes,
        stop: Stop::End,
        events: 45,
        unparsed: 9,
        partial: 0,
        filtered: 0,
        filtered_bytes: 0,
        skipped_bytes: 0,
        status: [3, 0, 19, 2, 12, 0],
        response_bytes: consumed.response_bytes,
    };
    assert_eq!(consumed, expected);
}

#[test]
fn any_bytes_become_these_documents() {
    let consumed = check("apache/bytes", "apache/bytes", APACHE, &input(Format::Auto), &shared());
    assert_eq!((consumed.events, consumed.unparsed, consumed.filtered), (11, 3, 2));
}

#[test]
fn vhost_combined_lines_become_these_documents() {
    let input = input(Format::VhostCombined);
    let case = "apache/vhost_combined";
    assert_eq!(check(case, case, APACHE, &input, &shared()).unparsed, 1);
}

#[test]
fn common_lines_become_these_documents() {
    let input = input(Format::Common);
    assert_eq!(check("apache/common", "apache/common", APACHE, &input, &shared()).unparsed, 1);
}

#[test]
fn message_is_left_out_where_fields_say_all() {
    let input = InputSettings { keep_original: false, ..input(Format::Auto) };
    assert_eq!(check("apache/lean", "apache/lean", APACHE, &input, &shared()).unparsed, 1);
}

#[test]
fn raw_lines_become_these_documents() {
    let input = input(Format::Raw);
    assert_eq!(check("apache/bytes", "apache/bytes_raw", APACHE, &input, &shared()).unparsed, 0);
}

#[test]
fn nginx_lines_become_these_documents() {
    let consumed = check("nginx/auto", "nginx/auto", NGINX, &input(Format::Auto), &shared());
    assert_eq!(consumed.status, [2, 0, 4, 0, 3, 0]);
}

#[test]
fn own_inputs_go_to_the_stream_of_their_dataset_with_tags_and_fields() {
    let input = InputSettings {
        namespace: Namespace::Own,
        tags: vec!["web".to_owned(), "\"eu\"".to_owned()],
        fields: Some(FieldsSettings {
            json_object: r#"{"env": "prod", "rack": {"row": 7}}"#.to_owned(),
            under_root: false,
        }),
        ..input(Format::Auto)
    };
    let shared = Shared { batch_wide: None, ..shared() };
    check("nginx/auto", "nginx/own", NGINX, &input, &shared);
}

#[test]
fn fields_under_root_lie_in_the_same_objects_as_ours() {
    let input = InputSettings {
        fields: Some(FieldsSettings {
            json_object: concat!(
                r#"{"env":"prod","host":{"name":"other","os":"linux"},"event":{"dataset":"shop.access","#,
                r#""tenant":7},"url.scheme":"https","log":{"level":"info"},"message":"no","http":{"a":[1]}}"#
            )
            .to_owned(),
            under_root: true,
        }),
        ..input(Format::Auto)
    };
    check("apache/lean", "apache/fields_under_root", APACHE, &input, &shared());
}

#[test]
fn index_is_dated_by_the_event_and_the_server_draws_the_ids() {
    let shared = Shared {
        document_id: false,
        index: Some(
            FormatString::parse("web-%{[agent.version]}-%{[url.extension]:none}-%{+yyyy.MM.dd}")
                .expect("a format string"),
        ),
        batch_wide: None,
        ..shared()
    };
    let input = InputSettings { pipeline: Some("enrich".to_owned()), ..input(Format::Auto) };
    check("apache/lean", "apache/dated", APACHE, &input, &shared);
}

#[test]
fn operators_expression_makes_these_documents() {
    let pattern = concat!(
        r"^(?<timestamp>\S+(?: [+-]\d{4})?) (?<url__domain>\S+) (?<source__ip>\S+) ",
        r"(?<http__request__method>\S+) (?<url__original>\S+) (?<http__response__status_code>\S+) ",
        r"(?<http__response__body__bytes>\S+) order=(?<order>\S+) level=(?<severity>\S+) "
    );
    let rename = vec![
        ("order".to_owned(), "shop.order.id".to_owned()),
        ("severity".to_owned(), "log.level".to_owned()),
    ];
    let format = Format::Regex(RegexFormat { pattern: pattern.to_owned(), rename });
    let consumed = check("regex/shop", "regex/shop", "/srv/shop.log", &input(format), &shared());
    assert_eq!((consumed.unparsed, consumed.status), (3, [0, 0, 1, 0, 0, 1]));
    assert_eq!(consumed.response_bytes, 42);
}

#[test]
fn targets_are_known_before_there_are_events() {
    let targets = |format: Format, namespace: Namespace, index: Option<&str>| {
        let input = InputSettings { namespace, index: index.map(str::to_owned), ..input(format) };
        Pipeline::new(&input, &shared()).expect("a pipeline").targets()
    };
    let stream =
        |name: &str| Target { name: name.to_owned(), pattern: name.to_owned(), data_stream: true };
    assert_eq!(targets(Format::Auto, Namespace::Filebeat, None), [stream("filebeat-8.19.0")]);
    assert_eq!(
        targets(Format::Auto, Namespace::Own, None),
        ["logs-apache.access-default", "logs-nginx.access-default", "logs-generic-default"]
            .map(stream)
    );
    assert_eq!(targets(Format::Nginx, Namespace::Own, None), [stream("logs-nginx.access-default")]);
    assert_eq!(
        targets(Format::Raw, Namespace::Own, Some("Web-%{[host.name]}-%{+yyyy}")),
        [Target { name: "web-web1".into(), pattern: "web-web1-*".into(), data_stream: false }]
    );
}
