//! A user of BRU signs in in PAR while BRU is down, is called there from NYC, and goes home.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use peers::office::{Account, Setup};
use peers::phone::{Call, Phone, Settings};
use peers::wan::Wan;
use peers::{Failure, Outcome};
use serde_json::{Value, json};

use crate::failover::until_links;
use crate::federation::{Branch, Federation, alone};
use crate::in_a_network;
use crate::over_links::talk;

/// Until the broker keeps the records of an office's users.
const ISSUED: Duration = Duration::from_secs(30);
/// Calls follow a user who signs in within this.
const FOLLOWED: Duration = Duration::from_secs(1);

#[test]
fn a_user_signs_in_elsewhere_with_the_home_office_down() -> Outcome {
    in_a_network(elsewhere_with_the_home_office_down)
}

async fn elsewhere_with_the_home_office_down(wan: Wan) -> Outcome {
    let mut federation = Federation::new(wan).await?;
    let [bru, par, nyc] = three_offices(&mut federation).await?;
    let (ann, bob) = (bru.office.account()?, bru.office.account()?);
    let abroad = format!("32-{}", ann.extension);
    let mut ear = federation.broker.listen().await?;
    for user in [&ann, &bob] {
        let topic = format!("branchline/v1/visitors/32-{}", user.extension);
        ear.until(&topic, ISSUED, |record| record["home"] == "BRU").await?;
    }

    bru.office.kill();
    let mut visiting = Phone::open(as_visitor(&par, &ann, &abroad)).await?;
    let signed_in = Instant::now();
    visiting.register().await?;
    let is_here = |office: &'static str| {
        move |document: &Value| document["office"] == office && document["place"] == "here"
    };
    let topic = format!("branchline/v1/roaming/{abroad}");
    let said = ear.until(&topic, Duration::from_secs(5), is_here("PAR")).await?;
    eprintln!("said {} ms after the registration began: {said}", signed_in.elapsed().as_millis());
    let (zoe, caller) = nyc.office.phone().await?;
    talk(caller.call(&abroad)?, &mut visiting, &format!("NYC-{}", zoe.extension)).await?;

    at_the_page(&par, &bob, &caller).await?;

    bru.office.restart().await?;
    until_links(&nyc, &[("bru-sip", "up")]).await?;
    let mut home = Phone::open(bru.office.udp(&ann)).await?;
    home.register().await?;
    let signed_in = Instant::now();
    ear.until(&topic, FOLLOWED, is_here("BRU")).await?;
    while !rings_at_home(caller.call(&abroad)?, &mut home, &mut visiting).await? {
        if signed_in.elapsed() > FOLLOWED {
            return Err(Failure::new("calls do not follow the user home within a second"));
        }
    }
    eprintln!("called at home {} ms after the registration", signed_in.elapsed().as_millis());
    let within = Duration::from_secs(3);
    nyc.office.metric_until("branchline_roaming_entries", &[], within, |count| count >= 2.0).await?;
    let written = nyc.office.metric("branchline_roaming_flash_total", &["what=\"bytes\""]).await?;
    assert!(written > 0.0, "what it costs the flash is counted");
    for branch in [bru, par, nyc] {
        branch.office.close().await?;
    }
    Ok(())
}

/// Another user of the home office signs in on the phone page there, and is called.
async fn at_the_page(par: &Branch, user: &Account, caller: &Phone) -> Outcome {
    let browser = par.office.browser(740).await?;
    let abroad = format!("32-{}", user.extension);
    let account = Account { extension: abroad.clone(), ..user.clone() };
    let page = par.office.page_of(&browser, &account).await?;
    let mut call = caller.call(&abroad)?;
    let (number, _) = page.called().await?;
    assert!(number.starts_with("NYC-"), "{number}");
    call.provisional(180).await?;
    assert_eq!(call.cancel().await?.code(), 487);
    page.stops_ringing().await?;
    page.page.close().await
}

/// BRU, PAR and NYC, whose users may sign in anywhere, with links among all of them.
pub(crate) async fn three_offices(federation: &mut Federation) -> Outcome<[Branch; 3]> {
    let keys = keys(federation)?;
    let bru = federation.branch("BRU", visitors(alone(), "32", &keys)).await?;
    let par = federation.branch("PAR", visitors(alone(), "33", &keys)).await?;
    let nyc = federation.branch("NYC", visitors(alone(), "1", &keys)).await?;
    for (here, there) in [(&nyc, [&par, &bru]), (&par, [&nyc, &bru]), (&bru, [&nyc, &par])] {
        let links: Vec<_> = there.iter().map(|branch| branch.sip_link()).collect();
        let routes: Vec<_> = there
            .iter()
            .map(|branch| branch.route(&[&format!("{}-sip", branch.id.to_lowercase())]))
            .collect();
        federation.push(here, &json!(links), &json!(routes))?;
    }
    Ok([bru, par, nyc])
}

/// Which of the two rings, and is busy.
pub(crate) async fn rings_at_home(mut call: Call, home: &mut Phone, visiting: &mut Phone) -> Outcome<bool> {
    let at_home = tokio::select! {
        incoming = home.called() => incoming.map(|incoming| { incoming.reject(486); true })?,
        incoming = visiting.called() => incoming.map(|incoming| { incoming.reject(486); false })?,
    };
    call.refused(486).await?;
    Ok(at_home)
}

/// The keys that open what offices tell of their users' credentials.
pub(crate) fn keys(federation: &Federation) -> Outcome<PathBuf> {
    let keys = federation.scratch.join("visitor-keys");
    std::fs::write(&keys, format!("1:{}\n", "5ac3".repeat(16)))?;
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600))?;
    Ok(keys)
}

/// An office in this country that takes visitors.
pub(crate) fn visitors(setup: Setup, country: &str, keys: &Path) -> Setup {
    setup
        .with("office", format!("country-code = \"{country}\""))
        .with("uplink", format!("visitor-keys = \"{}\"", keys.display()))
}

/// A phone of an office that belongs to a user of another: it has the whole number, and the account's name.
pub(crate) fn as_visitor(there: &Branch, account: &Account, number: &str) -> Settings {
    let mut settings = there.office.udp(account);
    number.clone_into(&mut settings.extension);
    settings
}
