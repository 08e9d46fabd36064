//! The variables that nginx has by itself, by which a name is known that is probably a slip of the pen.

/// All of nginx's modules, without those of families: `$arg_name`, `$cookie_name` and the like may have any name.
#[rustfmt::skip]
const VARIABLES: &[&str] = &[
    "ancient_browser", "args", "binary_remote_addr", "body_bytes_sent", "bytes_received", "bytes_sent", "connection",
    "connection_requests", "connection_time", "connections_active", "connections_reading", "connections_waiting",
    "connections_writing", "content_length", "content_type", "date_gmt", "date_local", "document_root", "document_uri",
    "fastcgi_path_info", "fastcgi_script_name", "geoip_area_code", "geoip_city", "geoip_city_continent_code",
    "geoip_city_country_code", "geoip_city_country_code3", "geoip_city_country_name", "geoip_country_code",
    "geoip_country_code3", "geoip_country_name", "geoip_dma_code", "geoip_latitude", "geoip_longitude", "geoip_org",
    "geoip_postal_code", "geoip_region", "geoip_region_name", "gzip_ratio", "host", "hostname", "http2", "http3", "https",
    "invalid_referer", "is_args", "is_request_port", "limit_conn_status", "limit_rate", "limit_req_status",
    "memcached_key", "modern_browser", "msec", "msie", "nginx_version", "opentelemetry_span_id",
    "opentelemetry_trace_id", "otel_parent_id", "otel_parent_sampled", "otel_span_id", "otel_trace_id", "pid", "pipe",
    "protocol", "proxy_add_x_forwarded_for", "proxy_alternative_upstream_name", "proxy_host", "proxy_port",
    "proxy_protocol_addr", "proxy_protocol_port", "proxy_protocol_server_addr", "proxy_protocol_server_port",
    "proxy_upstream_name", "query_string", "quic", "realip_remote_addr", "realip_remote_port", "realpath_root",
    "remote_addr", "remote_port", "remote_user", "req_id", "request", "request_body", "request_body_file",
    "request_completion", "request_filename", "request_id", "request_length", "request_method", "request_port",
    "request_time", "request_uri", "scheme", "secure_link", "secure_link_expires", "server_addr", "server_name",
    "server_port", "server_protocol", "session_log_id", "session_time", "slice_range", "spdy", "spdy_request_priority",
    "ssl_alpn_protocol", "ssl_cipher", "ssl_ciphers", "ssl_client_cert", "ssl_client_escaped_cert",
    "ssl_client_fingerprint", "ssl_client_i_dn", "ssl_client_i_dn_legacy", "ssl_client_raw_cert", "ssl_client_s_dn",
    "ssl_client_s_dn_legacy", "ssl_client_serial", "ssl_client_v_end", "ssl_client_v_remain", "ssl_client_v_start",
    "ssl_client_verify", "ssl_curve", "ssl_curves", "ssl_early_data", "ssl_protocol", "ssl_server_name",
    "ssl_session_id", "ssl_session_reused", "status", "tcpinfo_rcv_space", "tcpinfo_rtt", "tcpinfo_rttvar",
    "tcpinfo_snd_cwnd", "time_iso8601", "time_local", "uid_got", "uid_reset", "uid_set", "upstream_addr",
    "upstream_bytes_received", "upstream_bytes_sent", "upstream_cache_age", "upstream_cache_status",
    "upstream_connect_time", "upstream_first_byte_time", "upstream_header_time", "upstream_last_server_name",
    "upstream_queue_time", "upstream_response_length", "upstream_response_time", "upstream_session_time",
    "upstream_status", "uri",
];

/// Headers of requests that are logged often: of these nginx takes any name, and logs `-` where no client sends it.
#[rustfmt::skip]
const HEADERS: &[&str] = &[
    "http_accept", "http_accept_encoding", "http_accept_language", "http_authorization", "http_cf_connecting_ip",
    "http_cf_ipcountry", "http_cf_ray", "http_content_type", "http_cookie", "http_forwarded", "http_host",
    "http_if_modified_since", "http_if_none_match", "http_origin", "http_range", "http_referer", "http_traceparent",
    "http_true_client_ip", "http_upgrade", "http_user_agent", "http_via", "http_x_correlation_id",
    "http_x_forwarded_for", "http_x_forwarded_host", "http_x_forwarded_port", "http_x_forwarded_proto",
    "http_x_real_ip", "http_x_request_id", "http_x_requested_with",
];

/// Beginnings of names that go on with anything.
#[rustfmt::skip]
const FAMILIES: &[&str] = &[
    "arg_", "cookie_", "jwt_", "proxy_protocol_tlv_", "sent_http_", "sent_trailer_", "upstream_cookie_",
    "upstream_http_", "upstream_trailer_",
];

/// Returns the names that nginx has by itself, and those of headers that are logged often.
pub fn variables() -> impl Iterator<Item = &'static str> {
    VARIABLES.iter().chain(HEADERS).copied()
}

/// Tells whether nginx may have a variable without anybody making it; headers only if they are logged often.
pub(super) fn is_of_nginx(name: &str) -> bool {
    // What an expression has found has a number.
    name.bytes().all(|byte| byte.is_ascii_digit())
        || FAMILIES.iter().any(|family| name.starts_with(family))
        || variables().any(|known| known == name)
}
