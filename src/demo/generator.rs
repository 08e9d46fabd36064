//! Makes the lines of a busy web server, from a seed: the same seed gives the same bytes for ever.
//!
//! Nothing here reads a clock, allocates for a line, or depends on the machine, so that benchmarks
//! of two releases read the same file. Popular things are drawn with a slope, as real traffic has
//! it: a few addresses and paths make most of the requests.

use jiff::Timestamp;

/// Visitors that come again.
const ADDRESSES: u64 = 20_000;
/// Paths that are asked for again and again; nine of ten requests go there.
const POPULAR_PATHS: u64 = 30_000;
/// Length of `21/Nov/2026:03:34:00 +0000`.
const TIME_BYTES: usize = 26;

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

const USERS: [&str; 8] =
    ["anna", "b.meyer", "carlos", "deploy", "editor", "f.rossi", "monitoring", "yuki"];

const METHODS: [(u32, &str); 5] =
    [(930, "GET"), (45, "POST"), (20, "HEAD"), (3, "OPTIONS"), (2, "PUT")];

const VERSIONS: [(u32, &str); 3] = [(550, "1.1"), (430, "2.0"), (20, "1.0")];

const STATUSES: [(u32, &str); 15] = [
    (780, "200"),
    (80, "304"),
    (50, "404"),
    (28, "301"),
    (20, "302"),
    (10, "204"),
    (8, "206"),
    (7, "403"),
    (5, "401"),
    (3, "400"),
    (4, "500"),
    (2, "503"),
    (1, "502"),
    (1, "405"),
    (1, "429"),
];

const SECTIONS: [&str; 12] = [
    "blog",
    "products",
    "assets",
    "api/v2",
    "images",
    "docs",
    "category",
    "news",
    "account",
    "static/js",
    "shop/cart",
    "media",
];

const WORDS: [&str; 24] = [
    "winter", "guide", "index", "overview", "sale", "garden", "release", "install", "chair",
    "report", "gallery", "summer", "kitchen", "lamp", "update", "review", "contact", "archive",
    "north", "table", "weekly", "market", "bicycle", "paper",
];

const EXTENSIONS: [&str; 8] = ["", "", ".html", ".css", ".js", ".png", ".jpg", ".php"];

const QUERY_KEYS: [&str; 10] =
    ["page", "q", "utm_source", "sort", "id", "lang", "ref", "v", "filter", "session"];

const QUERY_VALUES: [&str; 8] =
    ["newsletter", "price_asc", "de", "en", "red%20chair", "caf%C3%A9", "true", "a+b"];

const REFERRERS: [&str; 4] = [
    "https://www.google.com/",
    "https://www.bing.com/",
    "https://duckduckgo.com/",
    "https://news.example.net/2026/11/",
];

const AGENTS: [(u32, &str); 13] = [
    (
        200,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/131.0.0.0 Safari/537.36",
    ),
    (
        110,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 \
         (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    ),
    (
        110,
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/131.0.0.0 Mobile Safari/537.36",
    ),
    (
        80,
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 \
         (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    ),
    (100, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0"),
    (80, "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"),
    (100, "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    (70, "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"),
    (50, "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"),
    (35, "curl/8.5.0"),
    (35, "python-requests/2.32.3"),
    (20, "Uptime-Kuma/1.23.15"),
    (10, "Mozilla/5.0 (Windows NT 6.1) \\\"odd\\\" \\\"browser\\\" build 7"),
];

/// Makes access lines in Apache's combined format.
#[derive(Debug, Clone)]
pub struct Generator {
    random: Random,
    unique_paths: u64,
    /// The second whose text is in `time`.
    second: Option<i64>,
    time: [u8; TIME_BYTES],
}

impl Generator {
    /// Starts the sequence of lines that belongs to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: Random(seed), unique_paths: 0, second: None, time: [b'0'; TIME_BYTES] }
    }

    /// Appends one line, newline included, that was logged at `unix_seconds` in the zone `+0000`.
    ///
    /// About 220 bytes on average, never more than 1,000. Seconds outside the years that a calendar
    /// knows are written as the epoch's first.
    pub fn line(&mut self, unix_seconds: i64, out: &mut Vec<u8>) {
        self.address(out);
        out.extend_from_slice(b" - ");
        self.user(out);
        out.extend_from_slice(b" [");
        self.time(unix_seconds, out);
        out.extend_from_slice(b"] \"");
        let method = self.random.weighted(&METHODS);
        push(out, method);
        out.push(b' ');
        self.target(out);
        push(out, " HTTP/");
        push(out, self.random.weighted(&VERSIONS));
        push(out, "\" ");
        let status = self.random.weighted(&STATUSES);
        push(out, status);
        out.push(b' ');
        self.size(method, status, out);
        push(out, " \"");
        self.referrer(out);
        push(out, "\" \"");
        push(out, self.random.weighted(&AGENTS));
        push(out, "\"\n");
    }

    fn address(&mut self, out: &mut Vec<u8>) {
        let visitor = self.random.sloped(ADDRESSES);
        let mut digits = Random(visitor ^ 0x00ad_d7e5_5e50_0000);
        if digits.below(100) < 4 {
            push(out, "2001:db8");
            for _ in 0..digits.below(3) + 2 {
                out.push(b':');
                hexadecimal(digits.below(0xffff) + 1, out);
            }
            push(out, "::");
            hexadecimal(digits.below(0xffff) + 1, out);
            return;
        }
        decimal(digits.below(222) + 1, out);
        for _ in 0..3 {
            out.push(b'.');
            decimal(digits.below(256), out);
        }
    }

    fn user(&mut self, out: &mut Vec<u8>) {
        if self.random.below(100) < 4 {
            push(out, self.random.of(&USERS));
        } else {
            out.push(b'-');
        }
    }

    fn time(&mut self, unix_seconds: i64, out: &mut Vec<u8>) {
        if self.second != Some(unix_seconds) {
            self.time = time_text(unix_seconds);
            self.second = Some(unix_seconds);
        }
        out.extend_from_slice(&self.time);
    }

    fn target(&mut self, out: &mut Vec<u8>) {
        if self.random.below(100) < 90 {
            let path = self.random.sloped(POPULAR_PATHS);
            popular_path(path, out);
        } else {
            self.unique_paths += 1;
            push(out, "/");
            push(out, self.random.of(&SECTIONS));
            push(out, "/item-");
            decimal(self.unique_paths, out);
            out.push(b'-');
            hexadecimal(self.random.next() >> 40, out);
        }
        if self.random.below(100) < 35 {
            self.query(out);
        }
    }

    fn query(&mut self, out: &mut Vec<u8>) {
        out.push(b'?');
        let parameters = self.random.below(2) + 1;
        for parameter in 0..parameters {
            if 0 < parameter {
                out.push(b'&');
            }
            push(out, self.random.of(&QUERY_KEYS));
            out.push(b'=');
            if self.random.below(2) == 0 {
                decimal(self.random.below(5_000), out);
            } else {
                push(out, self.random.of(&QUERY_VALUES));
            }
        }
    }

    fn size(&mut self, method: &str, status: &str, out: &mut Vec<u8>) {
        if method == "HEAD" || status == "304" || status == "204" {
            out.push(b'-');
            return;
        }
        let magnitude = self.random.below(14) + 6;
        decimal((1 << magnitude) + self.random.below(1 << magnitude), out);
    }

    fn referrer(&mut self, out: &mut Vec<u8>) {
        match self.random.below(100) {
            0..50 => out.push(b'-'),
            50..70 => {
                push(out, "https://example.org");
                let path = self.random.sloped(POPULAR_PATHS);
                popular_path(path, out);
            }
            _ => push(out, self.random.of(&REFERRERS)),
        }
    }
}

/// Writes the path that has this rank; the same rank is always the same path.
fn popular_path(rank: u64, out: &mut Vec<u8>) {
    if rank == 0 {
        out.push(b'/');
        return;
    }
    let mut choices = Random(rank);
    out.push(b'/');
    push(out, choices.of(&SECTIONS));
    for _ in 0..=choices.below(5) / 4 {
        out.push(b'/');
        push(out, choices.of(&WORDS));
        out.push(b'-');
        push(out, choices.of(&WORDS));
    }
    out.push(b'-');
    decimal(rank, out);
    push(out, choices.of(&EXTENSIONS));
}

fn time_text(unix_seconds: i64) -> [u8; TIME_BYTES] {
    let timestamp = Timestamp::from_second(unix_seconds).unwrap_or_default();
    let time = jiff::tz::Offset::UTC.to_datetime(timestamp);
    let mut text = *b"00/Jan/0000:00:00:00 +0000";
    two_digits(&mut text[0..2], time.day());
    let month = usize::from(time.month().unsigned_abs()) - 1;
    text[3..6].copy_from_slice(MONTHS[month]);
    let year = time.year().clamp(0, 9999);
    two_digits(&mut text[7..9], i8::try_from(year / 100).expect("a year has four digits"));
    two_digits(&mut text[9..11], i8::try_from(year % 100).expect("below 100"));
    two_digits(&mut text[12..14], time.hour());
    two_digits(&mut text[15..17], time.minute());
    two_digits(&mut text[18..20], time.second());
    text
}

fn two_digits(place: &mut [u8], number: i8) {
    let number = number.unsigned_abs();
    place[0] = b'0' + number / 10;
    place[1] = b'0' + number % 10;
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn decimal(number: u64, out: &mut Vec<u8>) {
    push(out, itoa::Buffer::new().format(number));
}

fn hexadecimal(number: u64, out: &mut Vec<u8>) {
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (number >> (place * 4)) & 15;
        out.push(b"0123456789abcdef"[usize::try_from(digit).expect("four bits")]);
    }
}

/// `SplitMix64`: small, quick and good enough for test data; not for secrets.
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Draws evenly from 0 to `bound` - 1; `bound` is at most 2^32.
    fn below(&mut self, bound: u64) -> u64 {
        ((self.next() >> 32) * bound) >> 32
    }

    /// Draws from 0 to `bound` - 1, small numbers far more often: a quarter of the draws fall in
    /// the first 1.6 %.
    fn sloped(&mut self, bound: u64) -> u64 {
        let draw = self.next() >> 48;
        (draw * draw * draw / (1 << 32) * bound) >> 16
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let choice = self.below(choices.len() as u64);
        choices[usize::try_from(choice).expect("an index of a small array")]
    }

    /// Draws by weight, in thousandths.
    fn weighted<'a>(&mut self, choices: &[(u32, &'a str)]) -> &'a str {
        let mut draw = self.below(1000);
        for (weight, choice) in choices {
            if draw < u64::from(*weight) {
                return choice;
            }
            draw -= u64::from(*weight);
        }
        choices[0].1
    }
}

#[cfg(test)]
mod tests {
    use super::{AGENTS, Generator, METHODS, STATUSES, VERSIONS};
    use std::collections::HashMap;

    const SEED: u64 = 20_261_119;
    const START: i64 = 1_795_132_800;

    fn lines(seed: u64, count: u32) -> Vec<u8> {
        let mut generator = Generator::new(seed);
        let mut out = Vec::new();
        for number in 0..count {
            generator.line(START + i64::from(number / 500), &mut out);
        }
        out
    }

    /// Splits a line at spaces outside of brackets and quotes: the nine fields of combined.
    fn fields(line: &str) -> Vec<String> {
        let mut fields = vec![String::new()];
        let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
        for letter in line.chars() {
            match letter {
                '"' if !escaped => quoted = !quoted,
                '[' if !quoted => bracketed = true,
                ']' if !quoted => bracketed = false,
                ' ' if !quoted && !bracketed => {
                    fields.push(String::new());
                    continue;
                }
                _ => {}
            }
            escaped = letter == '\\' && !escaped;
            fields.last_mut().unwrap().push(letter);
        }
        fields
    }

    #[test]
    fn a_seed_gives_the_same_ten_thousand_lines_for_ever() {
        let text = lines(SEED, 10_000);
        assert_eq!(xxhash_rust::xxh3::xxh3_64(&text), 0x33c1_b743_83d4_5797, "{}", text.len());
        assert_ne!(text, lines(SEED + 1, 10_000));
    }

    #[test]
    fn every_address_is_one() {
        for line in String::from_utf8(lines(SEED, 10_000)).unwrap().lines() {
            let address = line.split(' ').next().unwrap();
            assert!(address.parse::<core::net::IpAddr>().is_ok(), "{line}");
        }
    }

    #[test]
    fn the_weights_of_every_table_add_up_to_a_thousand() {
        for table in [&METHODS[..], &VERSIONS[..], &STATUSES[..], &AGENTS[..]] {
            assert_eq!(table.iter().map(|(weight, _)| weight).sum::<u32>(), 1000);
        }
    }

    #[test]
    fn the_shares_are_those_of_real_traffic() {
        let text = String::from_utf8(lines(SEED, 100_000)).unwrap();
        let mut seen: HashMap<&str, u32> = HashMap::new();
        let mut paths = std::collections::HashSet::new();
        for line in text.lines() {
            let fields = fields(line);
            assert_eq!(fields.len(), 9, "{line}");
            let request: Vec<&str> = fields[4].trim_matches('"').split(' ').collect();
            assert_eq!(request.len(), 3, "{line}");
            paths.insert(request[1].to_owned());
            let sizeless = fields[5] == "304" || fields[5] == "204" || request[0] == "HEAD";
            assert_eq!(fields[6] == "-", sizeless, "{line}");
            for (name, counts) in [
                ("ipv6", fields[0].contains(':')),
                ("user", fields[2] != "-"),
                ("get", request[0] == "GET"),
                ("query", request[1].contains('?')),
                ("popular", !request[1].contains("/item-")),
                ("http/2", request[2] == "HTTP/2.0"),
                ("ok", fields[5] == "200"),
                ("unchanged", fields[5] == "304"),
                ("missing", fields[5] == "404"),
                ("referrer", fields[7] != "\"-\""),
                ("escaped", fields[8].contains("\\\"")),
            ] {
                *seen.entry(name).or_default() += u32::from(counts);
            }
        }
        for (name, thousandths, tolerance) in [
            ("ipv6", 40, 15),
            ("user", 40, 4),
            ("get", 930, 4),
            ("query", 350, 6),
            ("popular", 900, 4),
            ("http/2", 430, 6),
            ("ok", 780, 5),
            ("unchanged", 80, 4),
            ("missing", 50, 4),
            ("referrer", 500, 6),
            ("escaped", 10, 2),
        ] {
            let share = seen[name] / 100;
            assert!(share.abs_diff(thousandths) <= tolerance, "{name}: {share} of 1000");
        }
        let mean = text.len() / 100_000;
        assert!((218..=224).contains(&mean), "{mean} bytes a line");
        assert!(20_000 < paths.len() && paths.len() < 80_000, "{} paths", paths.len());
    }

    #[test]
    fn the_time_is_written_as_apache_writes_it() {
        for (second, expected) in [
            (0, "[01/Jan/1970:00:00:00 +0000]"),
            (START, "[20/Nov/2026:00:00:00 +0000]"),
            (951_827_696, "[29/Feb/2000:12:34:56 +0000]"),
            (i64::MAX, "[01/Jan/1970:00:00:00 +0000]"),
        ] {
            let mut out = Vec::new();
            Generator::new(1).line(second, &mut out);
            assert_eq!(fields(&String::from_utf8(out).unwrap())[3], expected);
        }
    }
}
