//! Whom an office may call through the gateway.

use peers::Outcome;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::sites::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_office_may_call_all_others_until_it_is_told_otherwise() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let mut desk = Desk::open(&site, &[&broker]).await?;
    desk.furnish("BRU").await?;
    desk.furnish("PAR").await?;
    let path = "offices/BRU/permissions";
    assert_eq!(desk.get(path).await?, json!({ "may-call": null }));
    let only = json!({ "may-call": ["PAR"] });
    assert_eq!(desk.expect(200, "PUT", path, only.clone()).await?, only);
    for (body, status, reason) in [
        (json!({ "may-call": ["ROM"] }), 404, "no-such-office"),
        (json!({ "may-call": ["par"] }), 400, "bad-body"),
        (json!({ "may-call": "PAR" }), 400, "bad-body"),
        (json!({}), 400, "bad-body"),
        (json!({ "may-call": [], "may": 1 }), 400, "bad-body"),
    ] {
        assert_eq!(desk.expect(status, "PUT", path, body.clone()).await?["reason"], reason, "{body}");
    }
    desk.expect(404, "GET", "offices/ROM/permissions", Value::Null).await?;
    desk.kill_and_restart().await?;
    assert_eq!(desk.get(path).await?, only);
    assert_eq!(
        desk.expect(200, "PUT", path, json!({ "may-call": null })).await?,
        json!({ "may-call": null })
    );
    assert_eq!(desk.get("gateway").await?["listening"], Value::Null, "there is none unless it is configured");
    Ok(())
}
