//! Route sets that do harm: rolled back to the one before.

use peers::Outcome;
use peers::office::Office;
use serde_json::Value;

use crate::BINARY;
use crate::routes::{Ops, REPORTED, push, set, with_key};
use crate::sites::{SOON, Site, condition, topic};

/// A trunk that Asterisk keeps: nothing probes it, so it counts as up.
const UP: &str = "pjsip:carrier";
/// An address of documentation (RFC 5737), where nobody answers.
const SILENT: &str = "sip:192.0.2.1:5060;transport=udp";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_whose_links_go_down_is_rolled_back_and_stays_so() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let ops = Ops::new("ops-1", 1);
    let office = Office::open(BINARY, with_key(site.setup(&[&broker], "")?, &ops)).await?;
    let mut ear = broker.listen().await?;
    push(&broker, &mut ear, &ops.sign(set(1, UP, "0s")), |report| report["outcome"] == "applied").await?;
    ear.until(&topic("health"), SOON, |health| health["links"]["carrier"] == "up").await?;

    let bad = ops.sign(set(2, SILENT, "6s"));
    let tried = push(&broker, &mut ear, &bad, |report| report["in-force"]["revision"] == 2).await?;
    assert_eq!(tried["outcome"], "applied");
    let fallen = ear.until(&topic(REPORTED), SOON, |report| report["outcome"] == "rolled-back").await?;
    assert_eq!((&fallen["in-force"]["revision"], &fallen["asked"]["revision"]), (&1.into(), &2.into()));
    assert_eq!(fallen["because"]["reason"], "links-down", "{fallen}");
    assert_eq!(fallen["because"]["words"], "100% of the links were up before, 0% now");
    condition(&office, "routes-rolled-back", |condition| condition["raised"] == true).await?;
    ear.until(&topic("health"), SOON, |health| {
        let raised = |one: &Value| one["name"] == "routes-rolled-back" && one["raised"] == true;
        health["links"]["carrier"] == "up"
            && health["conditions"].as_array().is_some_and(|all| all.iter().any(raised))
    })
    .await?;

    // The broker still keeps it: it comes with every session, and must not go into force again.
    office.kill();
    office.restart().await?;
    let is_new = |report: &Value| report["boot"].is_string() && report["boot"] != tried["boot"];
    let still = ear.until(&topic(REPORTED), SOON, is_new).await?;
    assert_eq!((&still["outcome"], &still["in-force"]["revision"]), (&"rolled-back".into(), &1.into()));
    push(&broker, &mut ear, &bad, |report| is_new(report) && report["outcome"] == "rolled-back").await?;
    let good = ops.sign(set(3, UP, "1s"));
    push(&broker, &mut ear, &good, |report| report["in-force"]["revision"] == 3).await?;
    condition(&office, "routes-rolled-back", |condition| condition["raised"] == false).await?;
    let reports = ear.documents(&topic(REPORTED));
    assert!(
        !reports.iter().any(|report| is_new(report) && report["in-force"]["revision"] == 2),
        "{reports:#?}"
    );
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_that_the_daemon_does_not_survive_is_rolled_back() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let ops = Ops::new("ops-1", 1);
    let office = Office::open(BINARY, with_key(site.setup(&[&broker], "")?, &ops)).await?;
    let mut ear = broker.listen().await?;
    push(&broker, &mut ear, &ops.sign(set(1, UP, "0s")), |report| report["outcome"] == "applied").await?;
    let deadly = ops.sign(set(2, UP, "10m"));
    push(&broker, &mut ear, &deadly, |report| report["in-force"]["revision"] == 2).await?;
    for _ in 0..3 {
        office.kill();
        office.restart().await?;
    }
    let fallen = ear.until(&topic(REPORTED), SOON, |report| report["outcome"] == "rolled-back").await?;
    assert_eq!(
        (&fallen["in-force"]["revision"], &fallen["because"]["reason"]),
        (&1.into(), &"restarts".into())
    );
    office.close().await
}
