//! Two offices that hear nothing of each other both claim a user; when they hear each other again, all agree on the one where
//! the user signed in last.

use std::time::{Duration, Instant};

use peers::broker::Ear;
use peers::office::Account;
use peers::phone::Phone;
use peers::wan::Wan;
use peers::{Failure, Outcome};
use tokio::time::sleep;

use crate::federation::{Branch, Federation, topic};
use crate::in_a_network;
use crate::roaming::{as_visitor, rings_at_home, three_offices};

/// Until the broker notices, or a box is back.
const SOON: Duration = Duration::from_secs(30);
/// Until all agree after healing.
const AGREED: Duration = Duration::from_secs(30);
/// Sign-ins are told apart by whole seconds.
const LATER: Duration = Duration::from_millis(2_100);

#[test]
fn two_offices_that_claim_a_user_agree_after_healing() -> Outcome {
    in_a_network(agree_after_healing)
}

struct Scene {
    federation: Federation,
    bru: Branch,
    par: Branch,
    ear: Ear,
    ann: Account,
    /// Her number elsewhere.
    number: String,
    /// Phones in all three offices that call her.
    callers: [(Phone, String); 3],
}

async fn agree_after_healing(wan: Wan) -> Outcome {
    let mut federation = Federation::new(wan).await?;
    let [bru, par, nyc] = three_offices(&mut federation).await?;
    let mut ear = federation.broker.listen().await?;
    let ann = bru.office.account()?;
    let number = format!("32-{}", ann.extension);
    ear.until(&format!("branchline/v1/visitors/{number}"), SOON, |record| record["home"] == "BRU").await?;
    let callers = [
        (bru.office.phone().await?.1, ann.extension.clone()),
        (par.office.phone().await?.1, number.clone()),
        (nyc.office.phone().await?.1, number.clone()),
    ];
    let mut scene = Scene { federation, bru, par, ear, ann, number, callers };
    round(&mut scene, "BRU").await?;
    round(&mut scene, "PAR").await?;
    drop(scene.federation);
    for branch in [scene.bru, scene.par, nyc] {
        branch.office.close().await?;
    }
    Ok(())
}

/// Both offices are cut off, she signs in in both, in the winner's last; the loser is back first.
async fn round(scene: &mut Scene, winner: &'static str) -> Outcome {
    let mut home = Phone::open(scene.bru.office.udp(&scene.ann)).await?;
    let mut visiting = Phone::open(as_visitor(&scene.par, &scene.ann, &scene.number)).await?;
    let heard = scene.ear.heard().len();
    for branch in [&scene.bru, &scene.par] {
        branch.host.loses_the_brokers()?;
    }
    is_off_line(&scene.ear, heard, "BRU").await?;
    is_off_line(&scene.ear, heard, "PAR").await?;
    let at_home_last = winner == "BRU";
    let (first, last) = if at_home_last { (&mut visiting, &mut home) } else { (&mut home, &mut visiting) };
    first.register().await?;
    sleep(LATER).await;
    last.register().await?;
    let (earlier, later) = if at_home_last { (&scene.par, &scene.bru) } else { (&scene.bru, &scene.par) };
    earlier.host.finds_the_brokers()?;
    is_claimed(&mut scene.ear, &scene.number, earlier.id).await?;
    later.host.finds_the_brokers()?;
    let healed = Instant::now();
    is_claimed(&mut scene.ear, &scene.number, later.id).await?;
    while !all_ring(scene, &mut home, &mut visiting, at_home_last).await {
        if healed.elapsed() > AGREED {
            return Err(Failure::new(format!("not all call {winner} {AGREED:?} after healing")));
        }
        // Each call's ports rest for a while.
        sleep(Duration::from_millis(250)).await;
    }
    report(winner, healed.elapsed());
    visiting.unregister().await?;
    home.unregister().await.map(drop)
}

/// The broker has given up a box.
async fn is_off_line(ear: &Ear, heard: usize, office: &str) -> Outcome {
    let (topic, end) = (topic(office, "status"), Instant::now() + SOON);
    let is_it = |one: &peers::broker::Heard| one.topic == topic && one.document["state"] == "offline";
    while !ear.heard().split_off(heard).iter().any(is_it) {
        if Instant::now() > end {
            return Err(Failure::new(format!("{office} is still on line")));
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The newest that the broker was told of her is this office's claim.
async fn is_claimed(ear: &mut Ear, number: &str, office: &str) -> Outcome {
    let (topic, end) = (format!("branchline/v1/roaming/{number}"), Instant::now() + SOON);
    loop {
        let newest = ear.documents(&topic).pop();
        if newest.as_ref().is_some_and(|entry| entry["office"] == office && entry["place"] == "here") {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(Failure::new(format!("{office} has not claimed {number}: {newest:?}")));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Whether calls from all three offices ring where they should.
async fn all_ring(scene: &Scene, home: &mut Phone, visiting: &mut Phone, at_home: bool) -> bool {
    for (caller, number) in &scene.callers {
        let Ok(call) = caller.call(number) else { return false };
        let rang = rings_at_home(call, home, visiting).await;
        if !matches!(rang, Ok(rang) if rang == at_home) {
            return false;
        }
    }
    true
}

#[expect(clippy::print_stdout, reason = "the figures are the result")]
fn report(winner: &str, took: Duration) {
    println!("  {winner} wins: all three offices agreed {} ms after healing", took.as_millis());
}
