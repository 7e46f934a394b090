//! Two controllers side by side over one PostgreSQL.

use std::time::Duration;

use peers::Outcome;
use peers::broker::Broker;
use peers::postgres::Postgres;
use serde_json::{Value, json};

use crate::desk::{Desk, Plan};
use crate::offices::is_in_force;
use crate::sites::{SOON, Site};

/// Two controllers that share keys and database.
pub(crate) async fn two(site: &Site, broker: &Broker, server: &Postgres) -> Outcome<(Desk, Desk)> {
    let plan = Plan { name: "-one", database: Some(server), ..Plan::default() };
    let one = Desk::planned(site, &[broker], plan).await?;
    let plan = Plan { name: "-two", database: Some(server), beside: Some(&one), ..Plan::default() };
    let two = Desk::planned(site, &[broker], plan).await?;
    Ok((one, two))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_at_one_controller_is_seen_at_the_other() -> Outcome {
    let site = Site::new()?;
    let (broker, server) =
        (site.broker("one").await?, Postgres::start(&site.scratch, &site.authority).await?);
    let (one, two) = two(&site, &broker, &server).await?;
    let office = one.office(&site, &broker, "BRU").await?;

    one.furnish("BRU").await?;
    assert_eq!(two.get("links/BRU/nyc-sip").await?["kind"], "SipTrunk");
    one.expect(200, "POST", "offices/BRU/desired", Value::Null).await?;
    two.until("offices/BRU/reported", is_in_force(1)).await?;
    let twice = two.expect(409, "POST", "offices", json!({ "id": "BRU" })).await?;
    assert_eq!(twice["reason"], "exists");
    let published = two.expect(200, "POST", "offices/BRU/desired", Value::Null).await?;
    assert_eq!((&published["revision"], &published["state"]), (&json!(2), &json!("published")));
    one.until("offices/BRU/reported", is_in_force(2)).await?;
    one.until("overview", |all| all["offices"][0]["glance"] == "well").await?;

    // Both heard every event of the box; each is counted once, so both tell the same, and it is what the box sent.
    let audits = |all: &Value| {
        let events = all["offices"][0]["events"].as_array().cloned().unwrap_or_default();
        let audit = events.iter().find(|event| event["kind"] == "audit").cloned().unwrap_or_default();
        (audit["count"].as_u64(), audit["last"]["seq"].as_u64())
    };
    let told = one.until("overview", |all| audits(all).0 >= Some(2)).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let all: u64 = server.ask("SELECT sum(count) FROM event_count")?.parse()?;
    let highest: u64 = server.ask("SELECT max(seq) FROM event_seen")?.parse()?;
    assert_eq!(all, highest, "every event once: {told:#}");
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_from_both_sides_at_once_lose_nothing() -> Outcome {
    let site = Site::new()?;
    let (broker, server) =
        (site.broker("one").await?, Postgres::start(&site.scratch, &site.authority).await?);
    let (one, two) = two(&site, &broker, &server).await?;
    one.furnish("BRU").await?;
    let adding = async |desk: &Desk, name: &str| -> Outcome {
        for number in 0..15 {
            let link = json!({ "at": "BRU", "id": format!("{name}-{number}"), "kind": "SipTrunk", "office": "PAR",
                "address": "sip:par.example:5061;transport=tls", "disabled": true });
            desk.expect(201, "POST", "links", link).await?;
            desk.ask("POST", "offices/BRU/desired", Value::Null).await?;
        }
        Ok(())
    };
    let (first, second) = tokio::join!(adding(&one, "a"), adding(&two, "b"));
    first?;
    second?;
    let published = one.expect(200, "POST", "offices/BRU/desired", Value::Null).await?;
    assert_eq!(published["revision"], 31, "each revision was given out once");
    let desired = two.get("offices/BRU/desired").await?;
    assert_eq!(desired["set"]["links"].as_array().map(Vec::len), Some(31));
    assert_eq!(desired["differs"], false);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_one_name_are_told_of_it() -> Outcome {
    let site = Site::new()?;
    let (broker, server) =
        (site.broker("one").await?, Postgres::start(&site.scratch, &site.authority).await?);
    let plan = Plan { name: "-one", database: Some(&server), ..Plan::default() };
    let one = Desk::planned(&site, &[&broker], plan).await?;
    one.until("overview", |all| all["broker"]["up"] == true).await?;
    let plan =
        Plan { name: "-two", beside: Some(&one), client_id: Some("controller-one"), ..Plan::default() };
    let _two = Desk::planned(&site, &[&broker], Plan { database: Some(&server), ..plan }).await?;
    // They take the session from each other every second.
    for _ in 0..100 {
        if one.log().contains("another client that comes as controller-one") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(peers::Failure::new(one.log()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_controller_did_not_publish_the_other_does() -> Outcome {
    let site = Site::new()?;
    let server = Postgres::start(&site.scratch, &site.authority).await?;
    let mut broker = site.broker("one").await?;
    let (mut one, two) = two(&site, &broker, &server).await?;
    let office = one.office(&site, &broker, "BRU").await?;
    one.furnish("BRU").await?;
    one.expect(200, "POST", "offices/BRU/desired", Value::Null).await?;
    two.until("offices/BRU/reported", is_in_force(1)).await?;

    // It has stored the set and answered for it, and has no broker to give it to.
    broker.stop().await?;
    one.expect(202, "POST", "offices/BRU/desired", Value::Null).await?;
    one.kill();
    broker.run().await?;
    two.until("offices/BRU/reported", is_in_force(2)).await?;
    assert_eq!(two.get("offices/BRU/desired").await?["state"], "published");
    one.kill_and_restart().await?;
    one.until("offices/BRU/reported", is_in_force(2)).await?;

    // Removed at one, cleared by whoever is quicker; the box keeps what it has.
    one.expect(204, "DELETE", "offices/BRU", Value::Null).await?;
    for _ in 0..100 {
        if server.ask("SELECT count(*) FROM removed WHERE acknowledged IS NOT NULL")? == "1" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut ear = broker.listen().await?;
    let is_second = |told: &Value| told["in-force"]["revision"] == 2;
    ear.until("branchline/v1/BRU/routes/reported", SOON, is_second).await?;
    assert_eq!(
        ear.documents("branchline/v1/BRU/routes/desired"),
        Vec::<Value>::new(),
        "not retained any more"
    );
    office.close().await
}
