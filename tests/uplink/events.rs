//! Events: live ones, and those that waited on flash.

use std::time::{Duration, Instant};

use peers::broker::Ear;
use peers::office::{Account, Office};
use peers::phone::Phone;
use peers::{Failure, Outcome};
use serde_json::Value;
use tokio::time::sleep;

use crate::sites::{SOON, Site, topic};

/// A registered phone of an account.
async fn phone(office: &Office, account: &Account) -> Outcome<Phone> {
    let mut phone = Phone::open(office.udp(account)).await?;
    phone.register().await?;
    Ok(phone)
}

/// A call that is answered and ended.
async fn call(caller: &mut Phone, called: &mut Phone, number: &str) -> Outcome {
    let mut call = caller.call(number)?;
    let mut answered = called.called().await?.answer().await?;
    call.answered().await?;
    call.hang_up().await?;
    answered.ended().await.map(drop)
}

/// The kinds of the events about calls and devices, and what they say.
fn stories(events: &[Value]) -> Vec<String> {
    let story = |event: &Value| match event["kind"].as_str()? {
        "call" => Some(format!("call {}", event["body"]["to"].as_str()?)),
        "registration" => {
            Some(format!("{} {}", event["body"]["change"].as_str()?, event["body"]["extension"].as_str()?))
        }
        _ => None,
    };
    events.iter().filter_map(story).collect()
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().filter_map(|event| event["seq"].as_u64()).collect()
}

/// Waits until the outbox is empty by its own account.
async fn delivered(office: &Office) -> Outcome {
    office.metric_until("branchline_uplink_outbox", &["fate=\"waiting\""], SOON, |left| left == 0.0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_while_the_broker_is_away_arrives_later_in_order_and_once() -> Outcome {
    let site = Site::new()?;
    let mut broker = site.broker("one").await?;
    let office = site.office(&[&broker], "").await?;
    let mut ear = broker.listen().await?;
    let (one, two) = (office.account()?, office.account()?);
    let (mut caller, mut called) = (phone(&office, &one).await?, phone(&office, &two).await?);
    call(&mut caller, &mut called, &two.extension).await?;
    ear.until(&topic("events"), SOON, |event| event["kind"] == "call").await?;
    let live = ear.documents(&topic("events"));
    let expected = [
        format!("registered {}", one.extension),
        format!("registered {}", two.extension),
        format!("call {}", two.extension),
    ];
    assert_eq!(stories(&live), expected);
    assert!(live.iter().skip(1).all(|event| event.get("historical").is_none()), "{live:#?}");

    // The subscriber's acknowledgements must have arrived, or the broker repeats to it what it has heard.
    sleep(Duration::from_millis(500)).await;
    broker.stop().await?;
    let before = live.len();
    for _ in 0..2 {
        call(&mut caller, &mut called, &two.extension).await?;
    }
    called.unregister().await?;
    // What was put is on flash within milliseconds; nobody is told when.
    sleep(Duration::from_millis(300)).await;
    office.kill();
    office.restart().await?;
    let mut called = phone(&office, &two).await?;
    caller.register().await?;
    call(&mut caller, &mut called, &two.extension).await?;
    sleep(Duration::from_millis(300)).await;
    broker.run().await?;
    delivered(&office).await?;

    let events = until_stories(&mut ear, before, 5).await?;
    assert_eq!(
        stories(&events),
        [
            format!("call {}", two.extension),
            format!("call {}", two.extension),
            format!("unregistered {}", two.extension),
            format!("registered {}", two.extension),
            format!("call {}", two.extension),
        ]
    );
    assert!(events.iter().all(|event| event["historical"] == true), "{events:#?}");
    let last = numbers(&live).last().copied().unwrap_or_default();
    let wanted: Vec<u64> = (last + 1..).take(events.len()).collect();
    assert_eq!(numbers(&events), wanted, "in order, once, nothing between");
    assert_eq!(events[0]["stream"], live[0]["stream"]);
    assert_ne!(events[0]["boot"], events[events.len() - 1]["boot"], "the box was killed in the middle");
    let health = ear.until(&topic("health"), SOON, |health| health["counts"]["events-waiting"] == 0).await?;
    let count = |name: &str| health["counts"][name].as_u64().unwrap_or(u64::MAX);
    assert_eq!(count("events-put"), count("events-acknowledged"), "{health:#}");
    assert_eq!(count("events-lost-call-record"), 0);
    office.close().await
}

/// The events after the first `before`, once they have so many stories.
async fn until_stories(ear: &mut Ear, before: usize, count: usize) -> Outcome<Vec<Value>> {
    for _ in 0..200 {
        let events = ear.documents(&topic("events")).split_off(before);
        if stories(&events).len() >= count {
            return Ok(events);
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(Failure::new(format!("{:#?}", ear.documents(&topic("events")))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_outbox_loses_the_least_valuable_counts_it_and_says_so() -> Outcome {
    let site = Site::new()?;
    let mut broker = site.broker("one").await?;
    let mut ear = broker.listen().await?;
    broker.stop().await?;
    let office = site.office(&[&broker], "outbox-size = \"64KiB\"\nhealth-interval = \"1s\"").await?;
    let account = office.account()?;
    let mut device = phone(&office, &account).await?;
    let (lost, waiting) = ("branchline_uplink_outbox", &["fate=\"lost\""]);
    for _ in 0..400 {
        device.unregister().await?;
        device.register().await?;
        if office.metric(lost, waiting).await? >= 10.0 {
            break;
        }
    }
    broker.run().await?;
    let loss = ear.until(&topic("events"), SOON, |event| event["kind"] == "loss").await?;
    let registrations = loss["body"]["registration"].as_u64().unwrap_or(0);
    assert!(registrations >= 10, "{loss}");
    assert_eq!(loss["body"]["audit"], 0, "the daemon's start is worth more than any registration: {loss}");
    delivered(&office).await?;
    let health = ear.until(&topic("health"), SOON, |health| health["counts"]["events-waiting"] == 0).await?;
    let count = |name: &str| health["counts"][name].as_u64().unwrap_or(0);
    let lost = count("events-lost-registration");
    assert!(lost >= registrations);
    assert_eq!(count("events-put"), count("events-acknowledged") + lost, "{health:#}");
    let events = ear.documents(&topic("events"));
    assert!(numbers(&events).windows(2).all(|pair| pair[0] < pair[1]));
    assert!(events.iter().any(|event| event["body"]["action"] == "start"));
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_killed_while_it_catches_up_repeats_a_few_and_loses_none() -> Outcome {
    let site = Site::new()?;
    let mut broker = site.broker("one").await?;
    let mut ear = broker.listen().await?;
    broker.stop().await?;
    let office = site.office(&[&broker], "").await?;
    let account = office.account()?;
    let mut device = phone(&office, &account).await?;
    for _ in 0..150 {
        device.unregister().await?;
        device.register().await?;
    }
    sleep(Duration::from_millis(300)).await;
    broker.run().await?;
    let end = Instant::now() + SOON;
    while ear.heard().iter().all(|heard| heard.topic != topic("events")) && Instant::now() < end {
        sleep(Duration::from_millis(1)).await;
    }
    office.kill();
    let before = ear.documents(&topic("events")).len();
    office.restart().await?;
    delivered(&office).await?;
    ear.until(&topic("events"), SOON, |event| event["kind"] == "audit" && event["seq"].as_u64() > Some(300))
        .await?;

    let all = numbers(&ear.documents(&topic("events")));
    let once: std::collections::BTreeSet<u64> = all.iter().copied().collect();
    let last = *once.last().unwrap_or(&0);
    assert!(last >= 303, "301 registrations and two starts: {last}");
    assert_eq!(once.len() as u64, last, "no number is missing");
    let back = all.windows(2).filter(|pair| pair[1] <= pair[0]).count();
    assert!(back <= 1, "in order, but for one step back after the crash: {all:?}");
    let repeated = all.len() - once.len();
    assert!(repeated <= 63, "what was in flight comes twice, no more: {repeated}");
    println!("{} events, killed after about {before}, {repeated} of them twice", once.len());
    office.close().await
}
