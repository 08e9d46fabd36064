//! The index template: which type each of our fields has.

use crate::outputs::links::TemplateTarget;
use crate::settings::TemplateSettings;
use serde_json::{Value, json};

/// Priority of our templates: above the server's own `logs-*-*` (100), and as Filebeat's are (150).
const PRIORITY: u32 = 150;

/// Returns where a template lives.
pub(super) fn template_url(base: &str, name: &str) -> String {
    format!("{base}/_index_template/{name}")
}

/// Makes the template of a target.
pub(super) fn index_template(target: &TemplateTarget, settings: &TemplateSettings) -> String {
    let pattern = settings.pattern.as_deref().unwrap_or(&target.pattern);
    let own: Option<Value> =
        settings.settings_json.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let mut template = json!({
        "index_patterns": [pattern],
        "priority": PRIORITY,
        "template": { "settings": own.unwrap_or_else(|| json!({})), "mappings": mappings() },
        "_meta": { "installed_by": concat!("shipper ", env!("CARGO_PKG_VERSION")) },
    });
    if target.data_stream {
        template["data_stream"] = json!({});
    }
    template.to_string()
}

/// The types of Elastic Common Schema 8 for the fields that we write; other texts become keywords.
fn mappings() -> Value {
    let keyword = json!({ "type": "keyword", "ignore_above": 1024 });
    let wide = json!({ "type": "keyword", "ignore_above": 8191 });
    let long = json!({ "type": "long" });
    let ip = json!({ "type": "ip" });
    json!({
        "dynamic_templates": [
            { "strings_as_keyword": { "match_mapping_type": "string", "mapping": keyword } }
        ],
        "date_detection": false,
        "properties": {
            "@timestamp": { "type": "date" },
            "message": { "type": "text" },
            "event": { "properties": { "created": { "type": "date" } } },
            "log": { "properties": {
                "offset": long,
                "file": { "properties": { "path": keyword } },
            } },
            "source": { "properties": { "address": keyword, "domain": keyword, "ip": ip } },
            "destination": { "properties": { "domain": keyword, "port": long } },
            "related": { "properties": { "ip": ip, "user": keyword } },
            "http": { "properties": {
                "version": keyword,
                "request": { "properties": { "method": keyword, "referrer": wide } },
                "response": { "properties": {
                    "status_code": long,
                    "body": { "properties": { "bytes": long } },
                } },
            } },
            "url": { "properties": {
                "original": wide, "path": wide, "query": wide, "fragment": wide,
                "extension": keyword, "domain": keyword, "scheme": keyword, "port": long,
            } },
            "user_agent": { "properties": { "original": wide } },
        },
    })
}
