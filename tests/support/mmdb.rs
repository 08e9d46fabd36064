//! Databases of places and networks, made for tests: the format is MaxMind's "MaxMind DB File Format Specification"
//! 2.0, with records of 32 bits and one tree for IPv6, in which IPv4 lies below `::/96`.

#![allow(clippy::unwrap_used, reason = "what tests give is right")]

use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// Ends the part of the file that is not its description.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// Bytes of zeros between tree and data; a record counts them.
const SEPARATOR: usize = 16;

#[derive(Clone, Copy)]
enum Record {
    Empty,
    Node(usize),
    Data(usize),
}

/// Makes a database of a type with what is to be said of each network.
pub(crate) fn database(kind: &str, built: u64, networks: &[(&str, Value)]) -> Vec<u8> {
    let (mut nodes, mut data) = (vec![[Record::Empty; 2]], Vec::new());
    for (network, value) in networks {
        let (address, length) = network.split_once('/').unwrap();
        let (bits, length): (u128, u32) = match address.parse().unwrap() {
            IpAddr::V4(address) => {
                (u128::from(u32::from(address)), 96 + length.parse::<u32>().unwrap())
            }
            IpAddr::V6(address) => (u128::from(address), length.parse().unwrap()),
        };
        let place = Record::Data(data.len());
        push(value, &mut data);
        let mut node = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                nodes[node][side] = place;
                break;
            }
            node = if let Record::Node(next) = nodes[node][side] {
                next
            } else {
                nodes.push([Record::Empty; 2]);
                let next = nodes.len() - 1;
                nodes[node][side] = Record::Node(next);
                next
            };
        }
    }
    let mut file = Vec::new();
    for record in nodes.iter().flatten() {
        let number = match record {
            Record::Empty => nodes.len(),
            Record::Node(node) => *node,
            Record::Data(at) => nodes.len() + SEPARATOR + at,
        };
        file.extend_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
    }
    file.extend_from_slice(&[0; SEPARATOR]);
    file.extend_from_slice(&data);
    file.extend_from_slice(MARKER);
    let about = json!({
        "node_count": nodes.len(), "record_size": 32, "ip_version": 6, "database_type": kind,
        "languages": ["en"], "binary_format_major_version": 2, "binary_format_minor_version": 0,
        "description": {"en": "made for a test"},
    });
    let Value::Object(mut about) = about else { unreachable!() };
    about.insert("build_epoch".to_owned(), json!(built));
    push_map(&about, &mut file);
    file
}

/// A place as GeoLite2-City has it.
pub(crate) fn city(country: [&str; 2], region: [&str; 2], city: &str, at: [f64; 2]) -> Value {
    let names = |name: &str| json!({"names": {"en": name}});
    json!({
        "continent": names("Europe"),
        "country": {"iso_code": country[0], "names": {"en": country[1]}},
        "subdivisions": [{"iso_code": region[0], "names": {"en": region[1]}}],
        "city": names(city),
        "location": {"latitude": at[0], "longitude": at[1]},
    })
}

/// A network as GeoLite2-ASN has it.
pub(crate) fn network(number: u32, organization: &str) -> Value {
    json!({"autonomous_system_number": number, "autonomous_system_organization": organization})
}

fn push_control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let small = u8::try_from(size.min(29)).unwrap();
    out.push(if kind < 8 { kind << 5 | small } else { small });
    if 8 <= kind {
        out.push(kind - 7);
    }
    if 29 <= size {
        out.push(u8::try_from(size - 29).unwrap());
    }
}

fn push_map(map: &Map<String, Value>, out: &mut Vec<u8>) {
    push_control(7, map.len(), out);
    for (key, value) in map {
        push(&json!(key), out);
        let is_short = key == "record_size" || key.contains("version");
        match value.as_u64() {
            Some(number) if key == "build_epoch" => {
                push_control(9, 8, out);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Some(number) if is_short => {
                push_control(5, 2, out);
                out.extend_from_slice(&u16::try_from(number).unwrap().to_be_bytes());
            }
            _ => push(value, out),
        }
    }
}

fn push(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => {
            push_control(2, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Number(number) => {
            if let Some(number) = number.as_u64() {
                push_control(6, 4, out);
                out.extend_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
            } else {
                push_control(3, 8, out);
                out.extend_from_slice(&number.as_f64().unwrap().to_be_bytes());
            }
        }
        Value::Array(items) => {
            push_control(11, items.len(), out);
            for item in items {
                push(item, out);
            }
        }
        Value::Object(map) => push_map(map, out),
        Value::Bool(_) | Value::Null => unreachable!("no test has any"),
    }
}
