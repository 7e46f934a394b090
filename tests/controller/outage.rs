//! The database goes away in mid-work and comes back.

use std::time::Duration;

use peers::Outcome;
use peers::postgres::Postgres;
use serde_json::{Value, json};

use crate::cluster::two;
use crate::desk::{Desk, Plan};
use crate::offices::is_in_force;
use crate::sites::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_controllers_say_so_and_go_on_when_it_is_back() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let mut server = Postgres::start(&site.scratch, &site.authority).await?;
    let (one, two) = two(&site, &broker, &server).await?;
    let office = one.office(&site, &broker, "BRU").await?;
    one.furnish("BRU").await?;
    one.expect(200, "POST", "offices/BRU/desired", Value::Null).await?;
    two.until("offices/BRU/reported", is_in_force(1)).await?;

    server.kill();
    for desk in [&one, &two] {
        let away = desk.expect(503, "POST", "offices", json!({ "id": "PAR" })).await?;
        assert_eq!(away["reason"], "store-away", "{away}");
        assert_eq!(desk.expect(503, "GET", "overview", Value::Null).await?["reason"], "store-away");
    }
    server.run().await?;
    one.until("offices/BRU/reported", is_in_force(1)).await?;
    two.until("overview", |all| all["broker"]["up"] == true).await?;
    assert_eq!(
        two.get("offices").await?["items"].as_array().map(Vec::len),
        Some(1),
        "nothing was done by halves"
    );
    let published = two.expect(200, "POST", "offices/BRU/desired", Value::Null).await?;
    assert_eq!(published["revision"], 2);
    one.until("offices/BRU/reported", is_in_force(2)).await?;
    for desk in [&one, &two] {
        assert!(!desk.log().contains(Postgres::secret()), "the password is in the log");
    }
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_there_after_the_database_was_killed_in_mid_work() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let mut server = Postgres::start(&site.scratch, &site.authority).await?;
    let (one, two) = two(&site, &broker, &server).await?;
    one.furnish("BRU").await?;
    let adding = async |desk: &Desk, name: &str| -> Outcome<(Vec<String>, u32)> {
        let (mut answered, mut refused) = (Vec::new(), 0);
        for number in 0..60 {
            let id = format!("{name}-{number}");
            let link = json!({ "at": "BRU", "id": id, "kind": "SipTrunk", "office": "PAR",
                "address": "sip:par.example:5061;transport=tls", "disabled": true });
            match desk.ask("POST", "links", link).await?.status {
                201 => answered.push(id),
                503 => {
                    refused += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                other => return Err(peers::Failure::new(format!("{id}: {other}\n{}", desk.log()))),
            }
        }
        Ok((answered, refused))
    };
    let outage = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.run().await
    };
    let (first, second, outage) = tokio::join!(adding(&one, "a"), adding(&two, "b"), outage);
    outage?;
    let ((mut answered, refused), (more, _)) = (first?, second?);
    answered.extend(more);
    assert!(refused > 0 && !answered.is_empty(), "{refused} refused, {} answered", answered.len());
    one.until("offices/BRU/desired", |told| told["state"] == "none").await?;
    let (mut kept, mut page) = (Vec::new(), "links?at=BRU&limit=200".to_owned());
    loop {
        let told = one.get(&page).await?;
        kept.extend(told["items"].as_array().into_iter().flatten().map(|link| link["id"].clone()));
        let Some(next) = told["next"].as_str() else { break };
        page = format!("links?at=BRU&limit=200&after={next}");
    }
    let lost: Vec<_> = answered.iter().filter(|id| !kept.contains(&json!(id))).collect();
    assert!(lost.is_empty(), "answered for and lost: {lost:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_strangers_certificate_is_not_told_the_password() -> Outcome {
    let (site, stranger) = (Site::new()?, Site::new()?);
    let broker = site.broker("one").await?;
    let server = Postgres::start(&site.scratch, &stranger.authority).await?;
    let plan = Plan { database: Some(&server), ..Plan::default() };
    let Err(refused) = Desk::planned(&site, &[&broker], plan).await else {
        return Err(peers::Failure::new("it trusts anybody"));
    };
    let words = refused.to_string();
    assert!(words.contains("certificate") && !words.contains(Postgres::secret()), "{words}");
    Ok(())
}
