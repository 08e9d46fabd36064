//! `cloud.id` and `cloud.auth`: where a deployment of Elastic Cloud is, and who may write to it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::config::typed::host;
use crate::config::typed::value::At;

/// Port where a Cloud ID names none.
const PORT: &str = "443";

/// What stands at the top level for `output.elasticsearch`.
#[derive(Debug, Default)]
pub struct Cloud {
    /// Whether there is a Cloud ID, if only one that is wrong.
    pub is_named: bool,
    /// The address, which takes the place of `hosts`.
    pub host: Option<String>,
    /// User and password, which take the place of `username` and `password`.
    pub credentials: Option<(String, String)>,
}

/// Reads both keys.
#[must_use]
pub fn cloud(root: &At<'_>) -> Cloud {
    let at = root.get("cloud.id");
    Cloud {
        is_named: at.text_if_any().is_some(),
        host: id(&at),
        credentials: auth(&root.get("cloud.auth")),
    }
}

/// Reads a Cloud ID: a label, and in base64 `host$elasticsearch$kibana`, each with a port of its own or not.
fn id(at: &At<'_>) -> Option<String> {
    let text = at.text_if_any()?;
    let wrong = |what: &str| {
        at.problem_with(
            format!("`{}` is no Cloud ID: {what}", at.path()),
            "copy it from the deployment's page: a label, a colon, and a long word in base64",
        );
    };
    let code = text.rsplit(':').next().unwrap_or_default().trim();
    let decoded = STANDARD.decode(code).or_else(|_| STANDARD_NO_PAD.decode(code)).ok();
    let Some(decoded) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) else {
        wrong("what follows its last colon is no base64");
        return None;
    };
    let mut parts = decoded.split('$');
    let (Some(domain), Some(deployment), Some(_)) = (parts.next(), parts.next(), parts.next())
    else {
        wrong("there are not three parts in it");
        return None;
    };
    let (domain, port) = domain.split_once(':').unwrap_or((domain, PORT));
    let (deployment, port) = deployment.split_once(':').unwrap_or((deployment, port));
    match host::parse(&format!("https://{deployment}.{domain}:{port}"), "https", "") {
        Ok(address) if !deployment.is_empty() && !domain.is_empty() => Some(address.base),
        _ => {
            wrong("what it names is no host");
            None
        }
    }
}

fn auth(at: &At<'_>) -> Option<(String, String)> {
    let text = at.text_if_any()?;
    match text.split_once(':') {
        Some((user, password)) if !user.is_empty() => Some((user.to_owned(), password.to_owned())),
        _ => {
            at.problem_with(
                format!("`{}` takes a user and a password with a colon between them", at.path()),
                "for example: cloud.auth: \"shipper:${CLOUD_PASSWORD}\"",
            );
            None
        }
    }
}
