//! From REST to the box and back.

use peers::Outcome;
use peers::broker::Broker;
use peers::postgres::Postgres;
use serde_json::{Value, json};

use crate::desk::{Desk, Plan};
use crate::sites::Site;

/// The box has what is desired, of this revision.
pub(crate) fn is_in_force(revision: u64) -> impl Fn(&Value) -> bool {
    move |told| told["is-in-force"] == true && told["desired-revision"] == revision
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_and_routes_become_what_the_box_has_in_force() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    from_rest_to_the_box(&site, &broker, &Desk::open(&site, &[&broker]).await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_and_routes_are_the_same_on_a_server() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let server = Postgres::start(&site.scratch, &site.authority).await?;
    let plan = Plan { database: Some(&server), ..Plan::default() };
    from_rest_to_the_box(&site, &broker, &Desk::planned(&site, &[&broker], plan).await?).await
}

async fn from_rest_to_the_box(site: &Site, broker: &Broker, desk: &Desk) -> Outcome {
    let office = desk.office(site, broker, "BRU").await?;
    desk.furnish("BRU").await?;
    let twice = desk.expect(409, "POST", "offices", json!({ "id": "BRU" })).await?;
    assert_eq!(twice["reason"], "exists");
    let bad = json!({ "at": "BRU", "id": "par-sip", "kind": "SipTrunk", "address": "nonsense" });
    let refused = desk.expect(422, "POST", "links", bad).await?;
    assert_eq!(refused["reason"], "bad-part");
    assert!(refused["detail"].as_str().unwrap_or_default().starts_with("links[1].address"), "{refused}");
    let secret = json!({ "at": "BRU", "id": "par-sip", "kind": "SipTrunk", "address": "sip:par.example", "password": "x" });
    assert_eq!(desk.expect(422, "POST", "links", secret).await?["reason"], "bad-part");
    let in_use = desk.expect(422, "DELETE", "links/BRU/nyc-sip", Value::Null).await?;
    assert!(in_use["detail"].as_str().unwrap_or_default().starts_with("routes[0]"), "{in_use}");
    let unknown = desk.expect(400, "POST", "offices", json!({ "id": "PAR", "colour": "red" })).await?;
    assert!(unknown["detail"].as_str().unwrap_or_default().contains("probation"), "{unknown}");

    assert_eq!(desk.get("offices/BRU/desired").await?["state"], "none");
    let published = desk.expect(200, "POST", "offices/BRU/desired", Value::Null).await?;
    assert_eq!((&published["revision"], &published["state"]), (&json!(1), &json!("published")));
    let told = desk.until("offices/BRU/reported", is_in_force(1)).await?;
    assert_eq!(told["reported"]["in-force"]["digest"], published["digest"]);
    assert_eq!((&told["online"], &told["reported"]["outcome"]), (&json!(true), &json!("applied")));

    let routes = desk.get("routes?at=BRU").await?;
    let id = routes["items"][0]["id"].as_i64().unwrap_or_default();
    let changed =
        json!({ "pattern": "NYC-*", "office": "NYC", "links": ["nyc-sip"], "cost": 7, "comment": "kept" });
    desk.expect(200, "PUT", &format!("routes/{id}"), changed).await?;
    assert_eq!(desk.get("offices/BRU/desired").await?["differs"], true);
    let published = desk.expect(200, "POST", "offices/BRU/desired", Value::Null).await?;
    assert_eq!(published["revision"], 2);
    desk.until("offices/BRU/reported", is_in_force(2)).await?;
    let desired = desk.get("offices/BRU/desired").await?;
    assert_eq!(
        (&desired["differs"], &desired["set"]["routes"][0]["comment"]),
        (&json!(false), &json!("kept"))
    );

    let overview = desk.until("overview", |all| all["offices"][0]["glance"] == "well").await?;
    assert_eq!(overview["offices"][0]["wrong"], json!([]), "{overview:#}");
    assert_eq!(overview["offices"][0]["in-force"], 2);
    assert_eq!(overview["broker"]["up"], true);
    let events = overview["offices"][0]["events"].as_array().cloned().unwrap_or_default();
    assert!(events.iter().any(|one| one["kind"] == "audit"), "the box told of its routes: {events:#?}");
    office.kill();
    desk.until("overview", |all| all["offices"][0]["glance"] == "away").await?;
    desk.expect(204, "DELETE", "offices/BRU", Value::Null).await?;
    assert_eq!(desk.get("offices").await?["items"], json!([]));
    // A text that only one of the two databases could keep is no error of either.
    let odd = desk.expect(201, "POST", "offices", json!({ "id": "BRU", "name": "B\u{0}" })).await?;
    assert_eq!(odd["id"], "BRU");
    desk.expect(404, "GET", "links/BRU/a%00b", Value::Null).await?;
    desk.expect(200, "PUT", "offices/BRU", json!({ "name": "Brussels" })).await?;
    let again = desk.expect(200, "POST", "offices/BRU/desired", Value::Null).await?;
    assert_eq!(again["revision"], 3, "a revision never comes again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_answered_is_lost_with_the_broker_or_the_controller() -> Outcome {
    let site = Site::new()?;
    let mut broker = site.broker("one").await?;
    let mut desk = Desk::open(&site, &[&broker]).await?;
    let office = desk.office(&site, &broker, "BRU").await?;
    desk.furnish("BRU").await?;
    desk.expect(200, "POST", "offices/BRU/desired", Value::Null).await?;
    desk.until("offices/BRU/reported", is_in_force(1)).await?;

    broker.stop().await?;
    let waiting = desk.expect(202, "POST", "offices/BRU/desired", Value::Null).await?;
    assert_eq!((&waiting["revision"], &waiting["state"]), (&json!(2), &json!("waiting")));
    let overview = desk.until("overview", |all| all["broker"]["up"] == false).await?;
    let wrong = overview["offices"][0]["wrong"].to_string();
    assert!(wrong.contains("Revision 2 waits for the broker."), "{wrong}");
    broker.run().await?;
    desk.until("offices/BRU/reported", is_in_force(2)).await?;

    broker.stop().await?;
    desk.expect(202, "POST", "offices/BRU/desired", Value::Null).await?;
    desk.kill_and_restart().await?;
    assert_eq!(desk.get("links?at=BRU").await?["items"][0]["id"], "nyc-sip");
    assert_eq!(desk.get("offices/BRU/desired").await?["revision"], 3);
    broker.run().await?;
    desk.until("offices/BRU/reported", is_in_force(3)).await?;
    let state = desk.get("offices/BRU/desired").await?;
    assert_eq!(state["state"], "published");
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_broker_is_given_what_the_lost_one_had() -> Outcome {
    let site = Site::new()?;
    let (mut one, two) = (site.broker("one").await?, site.broker("two").await?);
    let desk = Desk::open(&site, &[&one, &two]).await?;
    desk.furnish("BRU").await?;
    desk.expect(200, "POST", "offices/BRU/desired", Value::Null).await?;
    one.kill();
    let office = desk.office(&site, &two, "BRU").await?;
    desk.until("offices/BRU/reported", is_in_force(1)).await?;
    let overview = desk.get("overview").await?;
    assert_eq!(overview["broker"]["name"], two.url());
    office.close().await
}
