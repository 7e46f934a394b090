//! Links that fail: a call finds the next way, and waits a second at most for one that is silent.

use std::time::{Duration, Instant};

use peers::carrier::Carrier;
use peers::phone::Phone;
use peers::wan::{self, Wan};
use peers::{Failure, Outcome};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::federation::{Branch, Federation, alone};
use crate::in_a_network;
use crate::over_links::call;

/// What a silent link may cost a call, with what the carrier needs to ring and a busy machine.
const SILENCE: Duration = Duration::from_millis(1_900);
/// What a link that refuses, or is known to be dead, may cost it.
const AT_ONCE: Duration = Duration::from_millis(800);

#[test]
fn calls_find_the_link_that_lives() -> Outcome {
    in_a_network(the_link_that_lives)
}

async fn the_link_that_lives(wan: Wan) -> Outcome {
    let mut federation = Federation::new(wan).await?;
    let bru = federation.branch("BRU", alone()).await?;
    let par = federation.branch("PAR", alone()).await?;
    let carrier = Carrier::start(wan::TEST.into()).await?;
    // The links are probed seldom, so that calls are the first to find what is wrong.
    let mut trunk = par.sip_link();
    trunk["cost"] = 1.into();
    trunk["health"] = json!({ "probe": "2s", "timeout": "500ms", "fail-after": 2, "recover-after": 2 });
    let links = json!([
        trunk,
        { "id": "carrier", "kind": "PstnGateway", "address": format!("sip:{}", carrier.sip()), "cost": 9,
          "health": { "probe": "0s" } },
    ]);
    let routes = json!([par.route(&["par-sip", "carrier"])]);
    federation.push(&bru, &links, &routes)?;
    federation.push(&par, &json!([]), &json!([]))?;
    call(&bru, &par).await?;

    let (_, alice) = bru.office.phone().await?;
    let office = &bru.office;
    bru.host.loses(&par.host)?;
    report("silent", by_the_carrier(&alice, &carrier, SILENCE).await?);
    report("known to be dead", by_the_carrier(&alice, &carrier, AT_ONCE).await?);
    bru.host.finds(&par.host)?;
    back(&bru, &par).await?;

    signal(&par, "STOP")?;
    let hung = by_the_carrier(&alice, &carrier, SILENCE).await;
    signal(&par, "CONT")?;
    report("hung", hung?);
    back(&bru, &par).await?;

    par.office.kill();
    report("refused", by_the_carrier(&alice, &carrier, AT_ONCE).await?);
    par.office.restart().await?;
    back(&bru, &par).await?;
    assert!(office.is_running());
    bru.office.close().await?;
    par.office.close().await
}

/// Dials PAR-1009; the carrier must take the call. How long that took.
async fn by_the_carrier(alice: &Phone, carrier: &Carrier, within: Duration) -> Outcome<Duration> {
    let before = carrier.calls().lines().count();
    let began = Instant::now();
    let mut call = alice.call("PAR-1009")?;
    call.provisional(180).await?;
    let took = began.elapsed();
    call.answered().await?;
    call.hang_up().await?;
    if carrier.calls().lines().count() == before {
        return Err(Failure::new("the call did not come to the carrier"));
    }
    if took > within {
        return Err(Failure::new(format!("it took {took:?} until the carrier rang, not {within:?}")));
    }
    Ok(took)
}

fn signal(branch: &Branch, name: &str) -> Outcome {
    let pid = branch.office.pid().to_string();
    let sent = std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status()?;
    if sent.success() { Ok(()) } else { Err(Failure::new(format!("no SIG{name} to {pid}"))) }
}

/// Recovery is damped: after a while calls take the trunk again.
async fn back(here: &Branch, there: &Branch) -> Outcome {
    for _ in 0..600 {
        let links = here.office.json(&["links"]).await?;
        let is_up = |link: &Value| link["id"] == "par-sip" && link["state"] == "up";
        if links.as_array().is_some_and(|links| links.iter().any(is_up)) {
            return call(here, there).await;
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(Failure::new("the trunk is not up again"))
}

#[expect(clippy::print_stdout, reason = "the figures are the result")]
fn report(what: &str, took: Duration) {
    println!("  {what}: the carrier rang after {} ms", took.as_millis());
}
