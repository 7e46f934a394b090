//! Sessions: the first, the last will, the farewell, the second broker, and those that never come to be.

use peers::Outcome;
use peers::certs::Authority;
use peers::office::Office;
use serde_json::Value;

use crate::BINARY;
use crate::sites::{SOON, Site, condition, setup, stop, topic};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_and_health_are_retained_and_the_last_will_tells_of_a_crash() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let office = site.office(&[&broker], "").await?;
    let mut ear = broker.listen().await?;
    let online = ear.until(&topic("status"), SOON, |status| status["state"] == "online").await?;
    assert_eq!((&online["v"], &online["office"]), (&1.into(), &"BRU".into()));
    assert_eq!(online["version"], env!("CARGO_PKG_VERSION"));
    let health = ear.until(&topic("health"), SOON, |health| health["broker"] == broker.url()).await?;
    assert_eq!(health["counts"]["registrations"], 0);
    let reported = ear.until(&topic("routes/reported"), SOON, |_| true).await?;
    assert_eq!(reported["outcome"], "none");

    office.kill();
    let offline = ear.until(&topic("status"), SOON, |status| status["state"] == "offline").await?;
    assert_eq!((&offline["reason"], &offline["boot"]), (&"lost".into(), &online["boot"]));

    office.restart().await?;
    let is_new = |status: &Value| status["state"] == "online" && status["boot"] != online["boot"];
    ear.until(&topic("status"), SOON, is_new).await?;

    stop(&office).await?;
    ear.until(&topic("status"), SOON, |status| status["reason"] == "stopped").await?;
    let mut late = broker.listen().await?;
    let kept = late.until(&topic("status"), SOON, |_| true).await?;
    assert_eq!(
        (&kept["state"], &kept["reason"]),
        (&"offline".into(), &"stopped".into()),
        "no last will after it"
    );
    assert!(late.heard().iter().all(|heard| heard.retained));
    let events = ear.documents(&topic("events"));
    assert!(events.iter().any(|event| event["body"]["action"] == "stop"), "{events:#?}");
    office.restart().await?;
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_broker_dies_the_next_one_is_taken_and_in_turn() -> Outcome {
    let site = Site::new()?;
    let (mut one, mut two) = (site.broker("one").await?, site.broker("two").await?);
    let office = site.office(&[&one, &two], "").await?;
    let mut at_one = one.listen().await?;
    at_one.until(&topic("status"), SOON, |status| status["state"] == "online").await?;

    one.kill();
    let mut at_two = two.listen().await?;
    at_two.until(&topic("status"), SOON, |status| status["state"] == "online").await?;
    let health = at_two.until(&topic("health"), SOON, |health| health["broker"] == two.url()).await?;
    let conditions = health["conditions"].as_array().cloned().unwrap_or_default();
    let down = conditions.iter().find(|one| one["name"] == "uplink-down").expect("it was down for a moment");
    assert_eq!((&down["raised"], &down["count"]), (&false.into(), &1.into()));
    assert!(down["last-error"].as_str().unwrap_or_default().contains(&one.url()), "{down}");

    two.kill();
    condition(&office, "uplink-down", |down| {
        down["raised"] == true
            && down["last_error"].as_str().is_some_and(|error| error.contains("connection-refused"))
    })
    .await?;
    one.run().await?;
    let mut at_one = one.listen().await?;
    at_one.until(&topic("health"), SOON, |health| health["broker"] == one.url()).await?;
    condition(&office, "uplink-down", |down| down["raised"] == false).await?;
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_do_not_fit_are_named() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let foreign = Authority::new(&site.scratch.join("foreign"))?;
    let stranger = foreign.issue("box", &["box"])?;
    let box_ = site.authority.issue("box", &["box"])?;
    for (ca, own, reason) in [
        (site.authority.certificate(), &stranger, "certificate-refused"),
        (foreign.certificate(), &box_, "broker-certificate"),
    ] {
        let office = Office::open(BINARY, setup(&[&broker], ca, own, "")).await?;
        let down = condition(&office, "uplink-down", |down| down["raised"] == true).await?;
        let error = down["last_error"].as_str().unwrap_or_default();
        assert!(error.contains(reason), "{error}");
        office.close().await?;
    }
    let gone = setup(&[&broker], &site.scratch.join("nowhere.pem"), &box_, "");
    let office = Office::open(BINARY, gone).await?;
    condition(&office, "uplink-down", |down| {
        down["last_error"].as_str().is_some_and(|error| error.contains("own-certificate"))
    })
    .await?;
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_without_news_costs_nearly_nothing() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let office = site.office(&[&broker], "").await?;
    let alone = Office::open(BINARY, peers::office::Setup::without_asterisk()).await?;
    let mut ear = broker.listen().await?;
    ear.until(&topic("health"), SOON, |health| health["broker"] == broker.url()).await?;
    let before = (processor_time(&office)?, processor_time(&alone)?);
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    let (with, without) = (processor_time(&office)? - before.0, processor_time(&alone)? - before.1);
    println!("in 6 s: {with} ms of processor time with an uplink, {without} ms without");
    assert!(with < without + 200, "{with} ms against {without} ms");
    office.close().await?;
    alone.close().await
}

/// The processor time that the daemon has used, in milliseconds (proc_pid_stat(5): 100 ticks a second).
fn processor_time(office: &Office) -> Outcome<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", office.pid()))?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let field =
        |place: usize| after_name.split_whitespace().nth(place).and_then(|text| text.parse::<u64>().ok());
    Ok((field(11).unwrap_or(0) + field(12).unwrap_or(0)) * 10)
}
