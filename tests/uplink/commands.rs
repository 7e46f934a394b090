//! Commands: reload, diagnose, drain, and what the daemon will not do.

use peers::Outcome;

use crate::sites::{SOON, Site, topic};

const INIT: &str = "{\"v\":1,\"status\":\"init\",\"at\":\"2026-11-21T09:00:00Z\",\"by\":\"anna\"}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_carried_out_once_and_answered_in_place() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let office = site.office(&[&broker], "").await?;
    let mut ear = broker.listen().await?;

    broker.publish(&topic("cmd/reload/r1"), INIT, true).await?;
    let done =
        ear.until(&topic("cmd/reload/r1"), SOON, |document| document["status"] == "successful").await?;
    assert_eq!(done["by"], "anna", "what the requester wrote is kept");
    assert!(done["result"].as_str().unwrap_or_default().contains("configuration read"), "{done}");
    let states: Vec<_> =
        ear.documents(&topic("cmd/reload/r1")).iter().map(|one| one["status"].clone()).collect();
    assert_eq!(states, ["init", "executing", "successful"]);

    broker.publish(&topic("cmd/diagnose/d1"), INIT, true).await?;
    let told =
        ear.until(&topic("cmd/diagnose/d1"), SOON, |document| document["status"] == "successful").await?;
    assert_eq!(told["result"]["office"], "BRU");

    broker.publish(&topic("cmd/dance/x"), INIT, true).await?;
    let refused = ear.until(&topic("cmd/dance/x"), SOON, |document| document["status"] == "failed").await?;
    assert_eq!(refused["reason"], "this software does not know it");
    broker.publish(&topic("cmd/update/u1"), INIT, true).await?;
    let refused = ear.until(&topic("cmd/update/u1"), SOON, |document| document["status"] == "failed").await?;
    assert_eq!(refused["reason"], "no program for updates is configured: [uplink] update-program");
    broker.publish(&topic("cmd/reload/bad"), "{\"v\":7}", true).await?;
    let refused =
        ear.until(&topic("cmd/reload/bad"), SOON, |document| document["status"] == "failed").await?;
    assert!(refused["reason"].as_str().unwrap_or_default().contains("version 7"), "{refused}");

    broker.publish(&topic("cmd/drain/1"), INIT, true).await?;
    ear.until(&topic("status"), SOON, |status| status["reason"] == "stopped").await?;
    // systemd would start it again.
    while office.is_running() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    office.restart().await?;
    let drained =
        ear.until(&topic("cmd/drain/1"), SOON, |document| document["status"] == "successful").await?;
    assert_eq!(drained["result"], "the daemon was drained and started anew");
    let events = ear.documents(&topic("events"));
    let audited = events.iter().filter(|event| event["body"]["action"] == "command").count();
    assert!(audited >= 4, "{events:#?}");
    office.close().await
}
