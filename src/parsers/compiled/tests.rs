//! Every directive once, what is refused, and what holds for all formats.

use super::*;
use crate::event::{Field, Kind};
use crate::scan::look;

pub(super) fn format(server: WebServer, text: &str) -> ServerFormat {
    let (escape, text) = match text.split_once(' ') {
        Some(("escape=json", text)) => (Escape::Json, text),
        Some(("escape=none", text)) => (Escape::None, text),
        _ => (Escape::Default, text),
    };
    ServerFormat { server, text: text.to_owned(), escape }
}

fn begin(event: &mut EventBuf, line: &[u8]) {
    let look = look(line);
    let known = if std::str::from_utf8(line).is_err() {
        LineText::Broken
    } else if look.is_plain {
        LineText::Plain
    } else {
        LineText::Valid
    };
    event.begin(known, look.quotes);
}

/// Reads a line into `name=value`, sorted; `@timestamp` and `+residue` among them.
pub(super) fn fields(parser: &mut dyn LineParser, line: &[u8]) -> Option<Vec<String>> {
    let mut event = EventBuf::with_extras(parser.extras().len());
    begin(&mut event, line);
    if parser.parse(line, &mut event) == Parsed::Unrecognised {
        return None;
    }
    let text = |span: Span| String::from_utf8_lossy(event.bytes(line, span)).into_owned();
    let mut all = Vec::new();
    for field in Field::ALL {
        if let Some(span) = event.get(*field) {
            let constant = field.constant().trim_matches('"');
            let value = if constant.is_empty() { text(span) } else { constant.to_owned() };
            all.push(format!("{}={value}", field.name()));
        }
    }
    for (number, extra) in parser.extras().iter().enumerate() {
        if let Some(span) = event.extra(number) {
            if extra.kind == Kind::Raw {
                serde_json::from_str::<serde_json::Value>(&text(span)).expect("it is JSON");
            }
            all.push(format!("{}={}", extra.name, text(span)));
        }
    }
    if let Some(time) = event.timestamp() {
        all.push(format!("@timestamp={}", String::from_utf8_lossy(time)));
    }
    if event.has_residue() {
        all.push("+residue".to_owned());
    }
    all.sort();
    Some(all)
}

/// Checks that a line of a format has these fields, each `name=value`, and no other.
fn check(server: WebServer, text: &str, line: &str, expected: &[&str]) {
    let mut parser = Compiled::new(&format(server, text)).expect("a format");
    let seen = fields(&mut parser, line.as_bytes());
    let mut expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
    expected.sort();
    assert_eq!(seen, Some(expected), "`{text}` of `{line}`");
}

const APACHE: &[(&str, &str, &[&str])] = &[
    ("%h", "192.0.2.7", &["source.address=192.0.2.7", "source.ip=192.0.2.7"]),
    ("%h", "host.example", &["source.address=host.example", "source.domain=host.example"]),
    ("%{c}h", "::1", &["source.address=::1", "source.ip=::1"]),
    ("%a", "2001:db8::1", &["source.address=2001:db8::1", "source.ip=2001:db8::1"]),
    ("%{c}a", "192.0.2.7", &["source.address=192.0.2.7", "source.ip=192.0.2.7"]),
    (
        "%a %{c}a",
        "192.0.2.7 10.0.0.1",
        &["source.address=192.0.2.7", "source.ip=192.0.2.7", "apache.access.peer_ip=10.0.0.1"],
    ),
    (
        "%h %a",
        "web.example 192.0.2.7",
        &[
            "source.address=192.0.2.7",
            "source.ip=192.0.2.7",
            "apache.access.remote_host=web.example",
        ],
    ),
    (
        "%a:%{remote}p",
        "2001:db8::1:4711",
        &["source.address=2001:db8::1", "source.ip=2001:db8::1", "source.port=4711"],
    ),
    ("%A", "192.0.2.1", &["server.ip=192.0.2.1"]),
    ("%A", "nobody", &["+residue"]),
    ("%b", "512", &["http.response.body.bytes=512"]),
    ("%b", "-", &[]),
    ("%B", "007", &["http.response.body.bytes=7"]),
    ("%{session id}C", "a \\\"b\\\"", &["apache.access.cookies.session_id=a \"b\""]),
    ("%D", "1500", &["event.duration=1500000"]),
    ("%D", "-5", &["+residue"]),
    ("%{UNIQUE_ID}e", "YaBc", &["http.request.id=YaBc"]),
    ("%{REMOTE-X}e", "x", &["apache.access.env.remote_x=x"]),
    ("%{SSL_PROTOCOL}e", "TLSv1.2", &["tls.version=1.2", "tls.version_protocol=\"tls\""]),
    ("%f", "/srv/www/index.html", &["file.path=/srv/www/index.html"]),
    ("%H", "HTTP/1.1", &["http.version=1.1"]),
    ("%H", "INCLUDED", &[]),
    ("%{Referer}i", "http://a/", &["http.request.referrer=http://a/"]),
    ("%{User-Agent}i", "curl/8 (x)", &["user_agent.original=curl/8 (x)"]),
    ("%400,501{User-agent}i", "-", &[]),
    ("%!200,304,302{Referer}i", "http://a/", &["http.request.referrer=http://a/"]),
    ("%{Host}i", "web.example:8080", &["destination.domain=web.example", "destination.port=8080"]),
    ("%{X-Request-ID}i", "abc", &["http.request.id=abc"]),
    (
        "%{traceparent}i",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        &["trace.id=0af7651916cd43dd8448eb211c80319c"],
    ),
    ("%{traceparent}i", "00-00000000000000000000000000000000-b7ad6b7169203331-01", &["+residue"]),
    (
        "%{X-Forwarded-For}i",
        "10.0.0.2, 198.51.100.9, 192.168.0.1",
        &["source.address=198.51.100.9", "source.ip=198.51.100.9"],
    ),
    (
        "%h %{X-Forwarded-For}i",
        "192.0.2.7 10.0.0.2, 198.51.100.9",
        &[
            "source.address=192.0.2.7",
            "source.ip=192.0.2.7",
            "apache.access.request.headers.x_forwarded_for=10.0.0.2, 198.51.100.9",
        ],
    ),
    ("%{Content-Type}i", "text/html; charset=x", &["http.request.mime_type=text/html"]),
    ("%{Content-Length}i", "12", &["http.request.body.bytes=12"]),
    ("%{X-Other}i", "y z", &["apache.access.request.headers.x_other=y z"]),
    ("%I", "300", &["http.request.bytes=300"]),
    ("%k", "2", &["apache.access.keepalive_requests=2"]),
    ("%l", "-", &[]),
    ("%l", "frank", &["apache.access.identity=frank"]),
    ("%L", "Yx-1", &["apache.access.log_id=Yx-1"]),
    ("%m", "GET", &["http.request.method=GET"]),
    ("%{forensic-id}n", "17", &["apache.access.notes.forensic_id=17"]),
    ("%{Content-Type}o", "text/css", &["http.response.mime_type=text/css"]),
    ("%{Location}o", "/x", &["apache.access.response.headers.location=/x"]),
    ("%O", "900", &["http.response.body.bytes=900", "http.response.bytes=900"]),
    ("%b %O", "700 900", &["http.response.body.bytes=700", "http.response.bytes=900"]),
    ("%p", "443", &["server.port=443"]),
    ("%{canonical}p", "443", &["server.port=443"]),
    ("%{local}p", "443", &["server.port=443"]),
    ("%{remote}p", "5000", &["source.port=5000"]),
    ("%P", "123", &["process.pid=123"]),
    ("%{pid}P", "123", &["process.pid=123"]),
    ("%{tid}P", "140", &["process.thread.id=140"]),
    ("%{hextid}P", "7f00", &["apache.access.thread_id=7f00"]),
    ("%q", "?a=b%20c", &["url.query=a=b c"]),
    ("%q", "", &[]),
    (
        "%r",
        "GET /a.b?c HTTP/1.1",
        &[
            "http.request.method=GET",
            "http.version=1.1",
            "url.original=/a.b?c",
            "url.path=/a.b",
            "url.extension=b",
            "url.query=c",
        ],
    ),
    ("%R", "proxy-server", &["apache.access.handler=proxy-server"]),
    ("%s", "404", &["event.outcome=failure", "http.response.status_code=404"]),
    ("%>s", "200", &["event.outcome=success", "http.response.status_code=200"]),
    (
        "%<s %>s",
        "301 200",
        &[
            "event.outcome=success",
            "http.response.status_code=200",
            "apache.access.original_status=301",
        ],
    ),
    ("%S", "77", &["network.bytes=77"]),
    ("%t", "[21/Nov/2026:03:20:13 +0100]", &["@timestamp=2026-11-21T02:20:13.000Z"]),
    ("%{begin}t", "[21/Nov/2026:03:20:13 +0100]", &["@timestamp=2026-11-21T02:20:13.000Z"]),
    ("%{sec}t", "1795231213", &["@timestamp=2026-11-21T03:20:13.000Z"]),
    ("%{begin:msec}t", "1795231213456", &["@timestamp=2026-11-21T03:20:13.456Z"]),
    ("%{end:usec}t", "1795231213456789", &["@timestamp=2026-11-21T03:20:13.456Z"]),
    ("%{sec}t.%{msec_frac}t", "1795231213.456", &["@timestamp=2026-11-21T03:20:13.456Z"]),
    ("%{sec}t.%{usec_frac}t", "1795231213.456789", &["@timestamp=2026-11-21T03:20:13.456Z"]),
    (
        "%{%Y-%m-%dT%H:%M:%S}t.%{msec_frac}t%{%z}t",
        "2026-11-21T03:20:13.456+0100",
        &["@timestamp=2026-11-21T02:20:13.456Z"],
    ),
    (
        "%{%d %B %y, %I:%M:%S %p %Z}t",
        "21 November 26, 03:20:13 PM UTC",
        &["@timestamp=2026-11-21T15:20:13.000Z"],
    ),
    ("%{%c %z}t", "Sat Nov 21 03:20:13 2026 -0130", &["@timestamp=2026-11-21T04:50:13.000Z"]),
    ("%{%C%y %j %R %z}t", "2026 325 03:20 +0000", &["@timestamp=2026-11-21T03:20:00.000Z"]),
    ("%{%s}t", "1795231213", &["@timestamp=2026-11-21T03:20:13.000Z"]),
    (
        "%{%A %G-W%V-%u %F %T %z}t",
        "Saturday 2026-W47-6 2026-11-21 03:20:13 +0000",
        &["@timestamp=2026-11-21T03:20:13.000Z"],
    ),
    ("%{%H:%M}t", "03:20", &["apache.access.time=03:20"]),
    (
        "%t %{end:msec}t",
        "[21/Nov/2026:03:20:13 +0000] 1795231214456",
        &["@timestamp=2026-11-21T03:20:13.000Z", "event.end=2026-11-21T03:20:14.456Z"],
    ),
    ("%T", "2", &["event.duration=2000000000"]),
    ("%{s}T", "2", &["event.duration=2000000000"]),
    ("%{ms}T", "2", &["event.duration=2000000"]),
    ("%{us}T", "2", &["event.duration=2000"]),
    ("%T/%D", "2/2000123", &["event.duration=2000123000"]),
    ("%u", "frank smith", &["user.name=frank smith"]),
    ("%u", "\"\"", &[]),
    ("%U", "/a b.html", &["url.original=/a b.html", "url.path=/a b.html", "url.extension=html"]),
    (
        "%m %U%q %H",
        "GET /a.b?c=d HTTP/2.0",
        &[
            "http.request.method=GET",
            "http.version=2.0",
            "url.original=/a.b?c=d",
            "url.path=/a.b",
            "url.extension=b",
            "url.query=c=d",
        ],
    ),
    (
        "%m %U%q %H",
        "GET /a HTTP/2.0",
        &["http.request.method=GET", "http.version=2.0", "url.original=/a", "url.path=/a"],
    ),
    ("%>U", "/a", &["url.original=/a", "url.path=/a"]),
    ("%v", "web.example", &["destination.domain=web.example"]),
    ("%V", "web.example", &["destination.domain=web.example"]),
    ("%v:%p", "web.example:80", &["destination.domain=web.example", "destination.port=80"]),
    ("%v:%p", "[::1]:80", &["destination.domain=[::1]", "destination.port=80"]),
    ("%X", "-", &["apache.access.connection_status=-"]),
    ("%{SSL_PROTOCOL}x", "TLSv1", &["tls.version=1.0", "tls.version_protocol=\"tls\""]),
    ("%{SSL_CIPHER}x", "ECDHE-RSA", &["tls.cipher=ECDHE-RSA"]),
    ("%{SSL_TLS_SNI}x", "web.example", &["tls.client.server_name=web.example"]),
    ("%{SSL_SESSION_RESUMED}x", "Initial", &["tls.resumed=false"]),
    ("%{SSL_CLIENT_S_DN}x", "CN=a b", &["tls.client.subject=CN=a b"]),
    ("%{SSL_CLIENT_VERIFY}x", "NONE", &["apache.access.ssl_client_verify=NONE"]),
    ("%^FB", "88", &["apache.access.time_to_first_byte=88"]),
    ("%{Expires}^ti", "x", &["apache.access.request.trailers.expires=x"]),
    ("%{Expires}^to", "x", &["apache.access.response.trailers.expires=x"]),
    ("100%% %s", "100% 200", &["event.outcome=success", "http.response.status_code=200"]),
    ("\\\"%r\\\"", "\"-\"", &[]),
    ("\\\"%r\\\"", "\"\\x16\\x03\\x01\"", &["+residue"]),
    (
        "%h\\t%s",
        "::1\t200",
        &[
            "source.address=::1",
            "source.ip=::1",
            "event.outcome=success",
            "http.response.status_code=200",
        ],
    ),
];

#[test]
fn every_directive_of_apache_becomes_these_fields() {
    for (text, line, expected) in APACHE {
        check(WebServer::Apache, text, line, expected);
    }
}

const NGINX: &[(&str, &str, &[&str])] = &[
    (
        "$remote_addr",
        "192.0.2.7",
        &[
            "source.address=192.0.2.7",
            "source.ip=192.0.2.7",
            "related.ip=192.0.2.7",
            "nginx.access.remote_ip_list=192.0.2.7",
        ],
    ),
    ("$remote_addr", "unix:", &["source.address=unix:"]),
    ("$remote_user", "frank", &["user.name=frank", "related.user=frank"]),
    ("$time_local", "21/Nov/2026:03:20:13 +0100", &["@timestamp=2026-11-21T02:20:13.000Z"]),
    ("$time_iso8601", "2026-11-21T03:20:13+01:00", &["@timestamp=2026-11-21T02:20:13.000Z"]),
    ("$msec", "1795231213.456", &["@timestamp=2026-11-21T03:20:13.456Z"]),
    (
        "[$time_local] $msec",
        "[21/Nov/2026:03:20:13 +0000] 1795231213.456",
        &["@timestamp=2026-11-21T03:20:13.456Z"],
    ),
    (
        "$request",
        "GET / HTTP/1.1",
        &["http.request.method=GET", "http.version=1.1", "url.original=/", "url.path=/"],
    ),
    (
        "$request_method $request_uri $server_protocol",
        "GET /a%20b HTTP/2.0",
        &["http.request.method=GET", "http.version=2.0", "url.original=/a%20b", "url.path=/a b"],
    ),
    (
        "$scheme://$host$request_uri",
        "https://web.example/a?b",
        &[
            "url.scheme=https",
            "destination.domain=web.example",
            "url.domain=web.example",
            "url.original=/a?b",
            "url.path=/a",
            "url.query=b",
        ],
    ),
    (
        "$host:$server_port$uri$is_args$args",
        "web.example:80/a?b=1",
        &[
            "destination.domain=web.example",
            "url.domain=web.example",
            "destination.port=80",
            "url.original=/a?b=1",
            "url.path=/a",
            "url.query=b=1",
        ],
    ),
    (
        "$scheme://$host$request_uri|",
        "http://web.example-|",
        &["url.scheme=http", "destination.domain=web.example"],
    ),
    (
        "$host$request_uri",
        "web.example*",
        &[
            "destination.domain=web.example",
            "url.domain=web.example",
            "url.original=*",
            "url.path=*",
        ],
    ),
    ("$uri", "/a b", &["url.original=/a b", "url.path=/a b"]),
    ("$uri $args", "/a b=1", &["url.original=/a", "url.path=/a", "url.query=b=1"]),
    ("$query_string", "b=1", &["url.query=b=1"]),
    (
        "\"$request\" $uri",
        "\"GET /a HTTP/1.1\" /index.php",
        &[
            "http.request.method=GET",
            "http.version=1.1",
            "url.original=/a",
            "url.path=/a",
            "nginx.access.uri=/index.php",
        ],
    ),
    ("$status", "499", &["event.outcome=failure", "http.response.status_code=499"]),
    ("$body_bytes_sent", "5", &["http.response.body.bytes=5"]),
    ("$bytes_sent", "5", &["http.response.bytes=5"]),
    ("$request_time", "0.123", &["event.duration=123000000"]),
    ("$request_length", "80", &["http.request.bytes=80"]),
    ("$request_id", "9e1f", &["http.request.id=9e1f"]),
    ("$http_referer", "http://a/", &["http.request.referrer=http://a/"]),
    ("$http_user_agent", "x", &["user_agent.original=x"]),
    ("$http_x_request_id $request_id", "a b", &["http.request.id=a", "nginx.access.request_id=b"]),
    (
        "$http_x_forwarded_for",
        "192.168.1.1, 198.51.100.9",
        &[
            "source.address=198.51.100.9",
            "source.ip=198.51.100.9",
            "related.ip=198.51.100.9",
            "nginx.access.remote_ip_list=[\"192.168.1.1\",\"198.51.100.9\"]",
        ],
    ),
    (
        "$proxy_add_x_forwarded_for - $status",
        "10.0.0.1, 10.0.0.2 - 200",
        &[
            "source.address=10.0.0.1",
            "source.ip=10.0.0.1",
            "related.ip=10.0.0.1",
            "nginx.access.remote_ip_list=[\"10.0.0.1\",\"10.0.0.2\"]",
            "event.outcome=success",
            "http.response.status_code=200",
        ],
    ),
    ("$sent_http_content_type", "text/css;x", &["http.response.mime_type=text/css"]),
    ("$sent_http_etag", "\\x22a\\x22", &["nginx.access.response.headers.etag=\"a\""]),
    ("$sent_trailer_x", "a", &["nginx.access.response.trailers.x=a"]),
    ("$cookie_sid", "a", &["nginx.access.cookies.sid=a"]),
    ("$arg_q", "a", &["nginx.access.args.q=a"]),
    (
        "$upstream_response_time",
        "0.001, 0.002 : 0.003",
        &["nginx.access.upstream.response_time=[0.001,0.002,0.003]"],
    ),
    (
        "$upstream_response_time $pipe",
        "0.001, 0.002 : 0.003 p",
        &["nginx.access.upstream.response_time=[0.001,0.002,0.003]", "nginx.access.pipelined=true"],
    ),
    ("$upstream_connect_time", "0.004", &["nginx.access.upstream.connect_time=0.004"]),
    ("$upstream_header_time", "-", &[]),
    ("$upstream_header_time", "-, 0.002", &["nginx.access.upstream.header_time=0.002"]),
    (
        "$upstream_addr",
        "10.0.0.1:80, unix:/tmp/x",
        &["nginx.access.upstream.addr=[\"10.0.0.1:80\",\"unix:/tmp/x\"]"],
    ),
    ("$upstream_addr", "[::1]:80", &["nginx.access.upstream.addr=\"[::1]:80\""]),
    ("$upstream_status", "502, 200", &["nginx.access.upstream.status=[502,200]"]),
    ("$upstream_bytes_received", "5", &["nginx.access.upstream.bytes_received=5"]),
    ("$upstream_cache_status", "HIT", &["nginx.access.upstream.cache_status=HIT"]),
    ("$upstream_http_x_a", "b", &["nginx.access.upstream.headers.x_a=b"]),
    ("$host", "web.example", &["destination.domain=web.example"]),
    (
        "$http_host $host",
        "web.example:8443 web.example",
        &["destination.domain=web.example", "nginx.access.http_host=web.example:8443"],
    ),
    ("$server_name", "_", &["server.domain=_"]),
    ("$server_addr", "192.0.2.1", &["server.ip=192.0.2.1"]),
    ("$server_port", "443", &["server.port=443"]),
    ("$ssl_protocol", "TLSv1.3", &["tls.version=1.3", "tls.version_protocol=\"tls\""]),
    ("$ssl_protocol", "-", &[]),
    ("$ssl_cipher", "TLS_AES_256", &["tls.cipher=TLS_AES_256"]),
    ("$ssl_session_reused", "r", &["tls.resumed=true"]),
    ("$ssl_server_name", "web.example", &["tls.client.server_name=web.example"]),
    ("$pipe", ".", &["nginx.access.pipelined=false"]),
    ("$connection", "7", &["nginx.access.connection_id=7"]),
    ("$connection_requests", "7", &["nginx.access.connection_requests=7"]),
    ("$gzip_ratio", "3.20", &["nginx.access.gzip_ratio=3.20"]),
    ("$pid", "7", &["process.pid=7"]),
    ("$remote_port", "4711", &["source.port=4711"]),
    ("$realip_remote_addr", "10.0.0.1", &["nginx.access.realip_remote_addr=10.0.0.1"]),
    ("$content_type", "a/b; c", &["http.request.mime_type=a/b"]),
    ("$content_length", "5", &["http.request.body.bytes=5"]),
    ("$request_filename", "/srv/a b", &["file.path=/srv/a b"]),
    ("$hostname", "web1", &["nginx.access.hostname=web1"]),
    ("${my_tenant}x", "acmex", &["nginx.access.my_tenant=acme"]),
    (
        "$upstream_status $upstream",
        "200 a",
        &["nginx.access.upstream_value=a", "nginx.access.upstream.status=200"],
    ),
    (
        "$upstream $upstream_status",
        "a 200",
        &["nginx.access.upstream_value=a", "nginx.access.upstream.status=200"],
    ),
    (
        "escape=json {\"a\":\"$http_user_agent\",\"s\":$status,\"t\":\"$upstream_response_time\"}",
        "{\"a\":\"q\\\"\\\\\\u0007\\u00e4\\n\",\"s\":200,\"t\":\"\"}",
        &[
            "user_agent.original=q\"\\\u{7}ä\n",
            "event.outcome=success",
            "http.response.status_code=200",
        ],
    ),
    (
        "escape=none $http_x|$status",
        "a\\x22|200",
        &[
            "nginx.access.request.headers.x=a\\x22",
            "event.outcome=success",
            "http.response.status_code=200",
        ],
    ),
    (
        "escape=none \"$http_x\" \"$status\"",
        "\"a \"b\" c\" \"200\"",
        &[
            "nginx.access.request.headers.x=a \"b\" c",
            "event.outcome=success",
            "http.response.status_code=200",
        ],
    ),
];

#[test]
fn every_variable_of_nginx_becomes_these_fields() {
    for (text, line, expected) in NGINX {
        check(WebServer::Nginx, text, line, expected);
    }
}

#[test]
fn what_cannot_be_split_is_refused_with_its_place() {
    use WebServer::{Apache, Nginx};
    for (server, text, spot, message) in [
        (
            Apache,
            "%t %h%l %u",
            "%h%l",
            "nothing stands between `%h` and `%l`, so nobody can tell where one ends",
        ),
        (
            Apache,
            "%r%>s",
            "%r%>s",
            "nothing stands between `%r` and `%>s`, so nobody can tell where one ends",
        ),
        (Apache, "%h %y", "%y", "Apache has no directive `%y`"),
        (Apache, "%h %^zz", "%^zz", "Apache has no directive `%^zz`"),
        (Apache, "%h %ä", "%ä", "Apache has no directive `%ä`"),
        (Apache, "%h %{User-Agent", "{", "the brace of `%{User-Agent` is not closed"),
        (Apache, "%h 5%", "%", "`%` ends within a directive"),
        (Apache, "%h %i", "%i", "`%i` does not say of what"),
        (Apache, "%{days}T", "%{days}T", "`days` is nothing that this directive knows"),
        (Apache, "%{x}p", "%{x}p", "`x` is nothing that this directive knows"),
        (Apache, "%{x}P", "%{x}P", "`x` is nothing that this directive knows"),
        (Apache, "%{%H:%Q}t", "%Q", "strftime has no such conversion"),
        (Apache, "%{begin:%H:%Q}t", "%Q", "strftime has no such conversion"),
        (Apache, "%!200,302{%H:%Q}t", "%Q", "strftime has no such conversion"),
        (Apache, "ä %!{d %Ä}t", "%Ä", "strftime has no such conversion"),
        (Apache, "%h\\n%s", "\\n", "a line end within a format makes several lines of one request"),
        (Apache, "hello", "", "the format has no directive"),
        (
            Nginx,
            "$a $status$request",
            "$status$request",
            "nothing stands between `$status` and `$request`, so nobody can tell where one ends",
        ),
        (Nginx, "a ${status", "{", "the brace of `${status` is not closed"),
        (Nginx, "a $ b", "$", "a dollar sign without the name of a variable"),
        (Nginx, "a ${} b", "${}", "a dollar sign without the name of a variable"),
        (Nginx, "", "", "the format has no directive"),
    ] {
        let fault = Compiled::new(&format(server, text)).expect_err(text);
        assert_eq!((&text[fault.range.clone()], fault.message.as_str()), (spot, message), "{text}");
        assert!(!fault.hint.is_empty(), "{text}");
    }
    let many: Vec<String> = (0..65).map(|number| format!("$v{number}")).collect();
    let fault = Compiled::new(&format(Nginx, &many.join(" "))).expect_err("too many");
    assert_eq!(fault.message, "65 fields are more than the 64 of a format");
}

#[test]
fn formats_of_access_lines_are_known_again() {
    use WebServer::{Apache, Nginx};
    let nicknamed = |name: &str| nicknamed(name).expect("it is known");
    for (server, text, expected) in [
        (Apache, nicknamed("common"), Some(Shape::Common)),
        (Apache, nicknamed("combined"), Some(Shape::Combined)),
        (Apache, nicknamed("vhost_combined"), Some(Shape::VhostCombined)),
        (
            Apache,
            r#"%a %l %u %t \"%r\" %s %O \"%{referer}i\" \"%{user-agent}i\""#,
            Some(Shape::Combined),
        ),
        (Apache, nicknamed("combinedio"), None),
        (
            Nginx,
            r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#,
            Some(Shape::Combined),
        ),
        (
            Nginx,
            r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent"#,
            Some(Shape::Common),
        ),
        (
            Nginx,
            r#"$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent"#,
            None,
        ),
    ] {
        let compiled = Compiled::new(&format(server, text)).expect(text);
        assert_eq!(compiled.shape(), expected, "{text}");
    }
}

#[test]
fn lines_of_other_formats_are_not_understood() {
    for (server, text, line) in [
        (WebServer::Apache, "%h %>s", "192.0.2.7 200 x"),
        (WebServer::Apache, "%h %>s", "192.0.2.7"),
        (WebServer::Apache, "%h %>s|", "192.0.2.7 200"),
        (WebServer::Apache, "%t", "[99/Nov/2026:03:20:13 +0100]"),
        (WebServer::Apache, "%t", "[21/Nov/2026:03:20:13 +0100"),
        (WebServer::Apache, "\"%r\" %s", "\"GET / HTTP/1.1 200"),
        (WebServer::Nginx, "$status $pipe", "200 "),
        (WebServer::Nginx, "$host$request_uri", "web.example"),
    ] {
        let mut parser = Compiled::new(&format(server, text)).expect(text);
        assert_eq!(fields(&mut parser, line.as_bytes()), None, "{text}: {line}");
    }
}

#[test]
fn a_line_of_ends_without_end_is_given_up() {
    let mut parser = Compiled::new(&format(WebServer::Nginx, "$http_a $status")).expect("a format");
    let line = "x ".repeat(100_000) + "200";
    assert_eq!(fields(&mut parser, line.as_bytes()), None);
}
