//! The metrics for readers that do not know OpenMetrics: the text format 0.0.4 of Prometheus.
//!
//! | OpenMetrics | 0.0.4 |
//! | --- | --- |
//! | the family of a counter is named without `_total` | with it, as its samples are |
//! | type `info`; the family is named without `_info` | type `gauge`, named as its sample |
//! | `# UNIT`, `# EOF` | – |

/// `text`, which is OpenMetrics as [`Metrics::encode`](super::Metrics::encode) writes it, in the older format.
pub fn older_format(text: &str) -> String {
    let mut older = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        if line.starts_with("# HELP ") {
            help = Some(line);
        } else if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap_or((family, "untyped"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some(words) = help.take().and_then(|help| help.get("# HELP ".len() + name.len()..)) {
                push(&mut older, &["# HELP ", name, suffix, words]);
            }
            push(&mut older, &["# TYPE ", name, suffix, " ", kind]);
        } else if !line.starts_with("# ") {
            push(&mut older, &[line]);
        }
    }
    older
}

fn push(text: &mut String, parts: &[&str]) {
    for part in parts {
        text.push_str(part);
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn families_are_named_as_their_samples() {
        let metrics = Metrics::new("BRU");
        metrics.request("INVITE", "200");
        let older = older_format(&metrics.encode().unwrap());
        for line in [
            "# HELP branchline_sip_requests_total SIP requests received, by answer.\n",
            "# TYPE branchline_sip_requests_total counter\n",
            "branchline_sip_requests_total{office=\"BRU\",method=\"INVITE\",result=\"200\"} 1\n",
            "# TYPE branchline_build_info gauge\n",
            "# TYPE branchline_uptime_seconds gauge\n",
            "# TYPE branchline_call_mos histogram\n",
        ] {
            assert!(older.contains(line), "no {line} in:\n{older}");
        }
        assert!(!older.contains("# UNIT") && !older.contains("# EOF"));
    }
}
