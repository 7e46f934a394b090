//! Three offices and two brokers that know nothing of each other, one of them killed in turn: the offices are always back on
//! the other one, and a push by ops reaches all three. How long that takes is printed.

use std::time::{Duration, Instant};

use peers::broker::{Ear, Heard};
use peers::wan::Wan;
use peers::{Failure, Outcome};
use serde_json::{Value, json};

use crate::federation::{Branch, Federation, alone, topic};
use crate::in_a_network;

/// Until a box is back on a broker, on a machine that compiles beside the test.
const BACK: Duration = Duration::from_secs(30);
/// From a push to the last report of three boxes, on such a machine.
const APPLIED: Duration = Duration::from_secs(5);
/// Pushes by each broker.
const PUSHES: usize = 4;

#[test]
fn two_brokers_die_in_turn_and_pushes_reach_all_offices() -> Outcome {
    in_a_network(die_in_turn)
}

async fn die_in_turn(wan: Wan) -> Outcome {
    let mut federation = Federation::with_two_brokers(wan).await?;
    let bru = federation.branch("BRU", alone()).await?;
    let par = federation.branch("PAR", alone()).await?;
    let nyc = federation.branch("NYC", alone()).await?;
    let offices = [&bru, &par, &nyc];
    let mut ear = federation.broker.listen().await?;
    on_line(&mut ear, &federation.broker.url(), &offices).await?;
    let (mut back, mut pushed) = (Vec::new(), Vec::new());
    pushes(&mut federation, &mut ear, &offices, &mut pushed).await?;
    for _ in 0..3 {
        federation.swap_brokers();
        let mut ear = federation.broker.listen().await?;
        let killed = Instant::now();
        if let Some(other) = &mut federation.second {
            other.kill();
        }
        on_line(&mut ear, &federation.broker.url(), &offices).await?;
        back.push(killed.elapsed());
        pushes(&mut federation, &mut ear, &offices, &mut pushed).await?;
        // The dead one is there again before the living one dies.
        if let Some(other) = &mut federation.second {
            other.run().await?;
        }
    }
    report("from a broker's death until three boxes are on the other", &mut back);
    report("from a push until three boxes have applied and reported it", &mut pushed);
    if pushed.last().is_some_and(|longest| *longest > APPLIED) {
        return Err(Failure::new(format!("a push took {:?}", pushed.last())));
    }
    for office in offices {
        let lost = office.office.metric("branchline_uplink_outbox", &["fate=\"lost"]).await?;
        assert!(lost.abs() < f64::EPSILON, "{} lost {lost} events", office.id);
    }
    for branch in [bru, par, nyc] {
        branch.office.close().await?;
    }
    Ok(())
}

/// Waits until every office has a session with this broker.
async fn on_line(ear: &mut Ear, broker: &str, offices: &[&Branch]) -> Outcome {
    for office in offices {
        ear.until(&topic(office.id, "status"), BACK, |status| status["state"] == "online").await?;
        ear.until(&topic(office.id, "health"), BACK, |health| health["broker"] == broker).await?;
    }
    Ok(())
}

/// Pushes to all offices a few times; how long it took from the first set at the broker to the last box's report there.
async fn pushes(
    federation: &mut Federation,
    ear: &mut Ear,
    offices: &[&Branch],
    took: &mut Vec<Duration>,
) -> Outcome {
    for _ in 0..PUSHES {
        let sets: Vec<_> = offices.iter().map(|here| (here.id, links(here, offices), json!([]))).collect();
        let said = federation.push_all(&sets)?;
        let rows = said.as_array().cloned().unwrap_or_default();
        assert!(rows.len() == 3 && rows.iter().all(|row| row["outcome"] == "applied"), "{said:#}");
        let revision = federation.revision();
        let of = |document: &Value| document["asked"]["revision"] == revision;
        for office in offices {
            ear.until(&topic(office.id, "routes/reported"), BACK, of).await?;
        }
        took.push(measured(ear, revision, offices)?);
    }
    Ok(())
}

fn measured(ear: &Ear, revision: u64, offices: &[&Branch]) -> Outcome<Duration> {
    let heard = ear.heard();
    let at = |id: &str, name: &str| {
        let topic = topic(id, name);
        let is_of =
            |document: &Value| document["revision"] == revision || document["asked"]["revision"] == revision;
        let is_it = |one: &&Heard| one.topic == topic && is_of(&one.document);
        heard
            .iter()
            .find(is_it)
            .map(|one| one.at)
            .ok_or_else(|| Failure::new(format!("no {topic} {revision}")))
    };
    let desired: Vec<Duration> =
        offices.iter().map(|office| at(office.id, "routes/desired")).collect::<Outcome<_>>()?;
    let reported: Vec<Duration> =
        offices.iter().map(|office| at(office.id, "routes/reported")).collect::<Outcome<_>>()?;
    let (first, last) = (desired.iter().min(), reported.iter().max());
    Ok(last.zip(first).map(|(last, first)| last.saturating_sub(*first)).unwrap_or_default())
}

/// Links of an office to the two others.
fn links(here: &Branch, offices: &[&Branch]) -> Value {
    let others = offices.iter().filter(|other| other.id != here.id);
    others.map(|other| other.sip_link()).collect()
}

#[expect(clippy::print_stdout, reason = "the figures are the result")]
fn report(what: &str, took: &mut [Duration]) {
    took.sort_unstable();
    let millis = |place: usize| took.get(place).map_or(0, Duration::as_millis);
    println!(
        "  {what}: {} ms at least, {} ms at the median, {} ms at most ({} times)",
        millis(0),
        millis(took.len() / 2),
        millis(took.len().saturating_sub(1)),
        took.len()
    );
}
