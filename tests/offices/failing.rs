//! Links that fail: a call finds the next way, and waits a second at most for one that is silent.

use std::time::{Duration, SystemTime};

use peers::broker::Ear;
use peers::carrier::Carrier;
use peers::phone::Phone;
use peers::wan::{self, Wan};
use peers::{Failure, Outcome};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::failover::until_links;
use crate::federation::{Branch, Federation, alone};
use crate::in_a_network;
use crate::over_links::call;
use crate::records::{attempts, record_of};

/// What a silent link may cost a call: from the caller's INVITE to the next link's.
const SILENCE: Duration = Duration::from_secs(1);
/// What a link that refuses, or is known to be dead, may cost it, on a machine that compiles beside the test.
const AT_ONCE: Duration = Duration::from_millis(500);
const CARRIED: Tried<'_> = ("carrier", "answered", "answered");
const UNHEARD: Tried<'_> = ("par-sip", "failed", "first-response-timeout");

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
    let ear = federation.broker.listen().await?;
    let mut scene = Scene { carrier, alice, ear };
    bru.host.loses(&par.host)?;
    scene.carried("PAR-1009", "silent", SILENCE, |tried| tried == [UNHEARD, CARRIED]).await?;
    until_links(&bru, &[("par-sip", "down")]).await?;
    scene.carried("PAR-1010", "known to be dead", AT_ONCE, known_dead).await?;
    bru.host.finds(&par.host)?;
    back(&bru, &par).await?;

    signal(&par, "STOP")?;
    let hung = scene.carried("PAR-1011", "hung", SILENCE, |tried| tried == [UNHEARD, CARRIED]).await;
    signal(&par, "CONT")?;
    hung?;
    back(&bru, &par).await?;

    par.office.kill();
    // The connection's end is heard before the call and puts the trunk behind, or the dial for it is refused.
    let refused = |tried: &[Tried<'_>]| {
        known_dead(tried) || tried == [CARRIED] || tried == [("par-sip", "failed", "refused"), CARRIED]
    };
    scene.carried("PAR-1012", "refused", AT_ONCE, refused).await?;
    par.office.restart().await?;
    back(&bru, &par).await?;
    assert!(bru.office.is_running());
    bru.office.close().await?;
    par.office.close().await
}

type Tried<'a> = (&'a str, &'a str, &'a str);

/// The trunk was left out of the plan.
fn known_dead(tried: &[Tried<'_>]) -> bool {
    tried == [CARRIED, ("par-sip", "skipped", "down")]
}

struct Scene {
    carrier: Carrier,
    alice: Phone,
    ear: Ear,
}

impl Scene {
    /// Dials a number in PAR; the carrier is asked in time and takes the call; the record says what was tried before or left out.
    async fn carried(
        &mut self,
        number: &str,
        what: &str,
        within: Duration,
        is_right: impl Fn(&[Tried<'_>]) -> bool,
    ) -> Outcome {
        let before = self.carrier.noted().len();
        let began = SystemTime::now();
        let mut call = self.alice.call(number)?;
        call.provisional(180).await?;
        call.answered().await?;
        call.hang_up().await?;
        let noted = self.carrier.noted().get(before).copied();
        let noted = noted.ok_or_else(|| Failure::new("the call did not come to the carrier"))?;
        let took = noted.duration_since(began).unwrap_or_default();
        report(what, took);
        let record = record_of(&mut self.ear, "BRU", number).await?;
        let tried = attempts(&record);
        assert!(is_right(&tried), "{what}: {tried:?}");
        if took > within {
            return Err(Failure::new(format!(
                "{what}: it took {took:?} until the carrier was asked, not {within:?}"
            )));
        }
        Ok(())
    }
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
    println!("  {what}: the carrier was asked after {} ms", took.as_millis());
}
