//! Call records as ops get them.

use std::time::Duration;

use peers::Outcome;
use peers::broker::Ear;
use serde_json::Value;

use crate::federation::topic;

const SOON: Duration = Duration::from_secs(20);

/// The newest record of a call to this number.
pub(crate) async fn record_of(ear: &mut Ear, office: &str, number: &str) -> Outcome<Value> {
    let is_it = |event: &Value| event["kind"] == "call" && event["body"]["to"] == number;
    Ok(ear.until(&topic(office, "events"), SOON, is_it).await?["body"].clone())
}

/// What was tried, in order: the link, or else `asterisk` or `devices`, the outcome and the reason.
pub(crate) fn attempts(record: &Value) -> Vec<(&str, &str, &str)> {
    fn text<'a>(attempt: &'a Value, name: &str) -> &'a str {
        attempt[name].as_str().unwrap_or_default()
    }
    let tried = record["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |attempt| {
        let link = text(attempt, "link");
        let by = if link.is_empty() { text(attempt, "by") } else { link };
        (by, text(attempt, "outcome"), text(attempt, "reason"))
    };
    tried.iter().map(of).collect()
}
