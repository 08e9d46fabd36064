//! Every kind of nginx's variables once, with the fields that they become.

use super::tests::check;
use crate::settings::WebServer;

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
