//! People who sign in elsewhere: with the home office gone, with calls that follow them, and home again.

use std::time::{Duration, Instant};

use peers::office::{Account, Setup};
use peers::phone::Phone;
use peers::wan::Wan;
use peers::{Failure, Outcome};
use serde_json::json;
use tokio::time::sleep;

use crate::federation::{Branch, Federation, alone};
use crate::in_a_network;
use crate::over_links::talk;

/// How long offices take to hear of each other, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn a_user_signs_in_elsewhere_and_calls_follow() -> Outcome {
    in_a_network(a_user_roams)
}

async fn a_user_roams(wan: Wan) -> Outcome {
    let mut federation = Federation::new(wan).await?;
    let setup = |federation: &Federation, country: &str| visitors(federation, alone(), country);
    let bru = federation.branch("BRU", setup(&federation, "32")?).await?;
    let par = federation.branch("PAR", setup(&federation, "33")?).await?;
    let nyc = federation.branch("NYC", setup(&federation, "1")?).await?;
    for (here, others) in [(&bru, [&par, &nyc]), (&par, [&bru, &nyc]), (&nyc, [&bru, &par])] {
        let links = json!([others[0].sip_link(), others[1].sip_link()]);
        let routes = json!([route(others[0]), route(others[1])]);
        federation.push(here, &links, &routes)?;
    }
    // Her office tells the others how to know her; then it is gone, and nobody can ask it.
    let ann = bru.office.account()?;
    sleep(Duration::from_secs(3)).await;
    bru.office.kill();

    let mut phone = visitor(&par, &ann).await?;
    let (n, nick) = nyc.office.phone().await?;
    reached(&nick, &mut phone, &ann, &format!("NYC-{}", n.extension)).await?;

    // Home again: calls follow.
    bru.office.restart().await?;
    let mut home = Phone::open(bru.office.udp(&ann)).await?;
    home.register().await?;
    let began = Instant::now();
    reached(&nick, &mut home, &ann, &format!("NYC-{}", n.extension)).await?;
    println!(
        "  home again: reached {} ms after the registration, tone included",
        began.elapsed().as_millis()
    );
    for branch in [bru, par, nyc] {
        branch.office.close().await?;
    }
    Ok(())
}

fn route(there: &Branch) -> serde_json::Value {
    let link = format!("{}-sip", there.id.to_lowercase());
    there.route(&[&link])
}

/// With the federation's key, by which visitors' records are sealed.
fn visitors(federation: &Federation, setup: Setup, country: &str) -> Outcome<Setup> {
    use std::os::unix::fs::PermissionsExt as _;
    let keys = federation.scratch.join("visitor-keys");
    std::fs::write(&keys, format!("1:{}\n", "5d".repeat(32)))?;
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600))?;
    Ok(setup
        .with("uplink", format!("visitor-keys = \"{}\"", keys.display()))
        .with("office", format!("country-code = \"{country}\"")))
}

/// A phone of hers in another office, signed in as `32-1001`.
async fn visitor(branch: &Branch, account: &Account) -> Outcome<Phone> {
    let mut settings = branch.office.udp(account);
    settings.extension = format!("32-{}", account.extension);
    let end = Instant::now() + SOON;
    loop {
        let mut phone = Phone::open(settings.clone()).await?;
        match phone.register().await {
            Ok(_) => return Ok(phone),
            Err(failure) if Instant::now() > end => return Err(failure),
            Err(_) => sleep(Duration::from_millis(500)).await,
        }
    }
}

/// `32-1001` dialled elsewhere rings where she is, within the time that offices need to hear of it.
async fn reached(caller: &Phone, phone: &mut Phone, account: &Account, seen_as: &str) -> Outcome {
    let number = format!("32-{}", account.extension);
    let end = Instant::now() + SOON;
    loop {
        let call = caller.call(&number)?;
        match talk(call, phone, seen_as).await {
            Ok(()) => return Ok(()),
            Err(failure) if Instant::now() > end => {
                return Err(Failure::new(format!("{number}: {failure:?}")));
            }
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    }
}
