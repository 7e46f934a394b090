//! Life without Asterisk: calls go on.

use std::time::Duration;

use peers::carrier::Carrier;
use peers::phone::Phone;
use peers::wan::{self, Wan};
use peers::{Failure, Outcome};
use serde_json::json;

use crate::federation::{Branch, Federation, alone, with_asterisk};
use crate::in_a_network;
use crate::over_links::{call, hear_each_other, hear_echo, talk};

#[test]
fn a_site_survives_its_asterisk() -> Outcome {
    in_a_network(without_asterisk)
}

async fn without_asterisk(wan: Wan) -> Outcome {
    let mut federation = Federation::new(wan).await?;
    let bru = federation.branch("BRU", with_asterisk()).await?;
    let par = federation.branch("PAR", alone()).await?;
    let carrier = Carrier::start(wan::TEST.into()).await?;
    ways_out(&mut federation, &bru, &par, &carrier)?;
    federation.push(&par, &json!([]), &json!([]))?;

    // A call to another office is up when Asterisk dies.
    let (_, alice) = bru.office.phone().await?;
    let (b, mut bob) = par.office.phone().await?;
    let mut up = alice.call(&format!("PAR-{}", b.extension))?;
    let mut answered = bob.called().await?.answer().await?;
    up.answered().await?;
    bru.office.asterisk().kill().await?;
    hear_each_other(&up, &answered).await?;

    between_extensions(&bru).await?;
    call(&bru, &par).await?;
    to_the_carrier(&bru, &carrier, "025551234", "from sip:+3225551000@ to sip:025551234@").await?;
    to_the_carrier(&bru, &carrier, "112", "to sip:112@").await?;

    bru.office.asterisk().restart().await?;
    bru.office.ready().await?;
    hear_each_other(&up, &answered).await?;
    up.hang_up().await?;
    answered.ended().await?;
    let (_, mut phone) = bru.office.phone().await?;
    let mut echo = phone.call("600")?;
    echo.answered().await?;
    echo.hang_up().await?;
    phone.unregister().await?;
    bru.office.close().await?;
    par.office.close().await
}

/// PAR by SIP, everything that begins with 0 and help by the carrier.
fn ways_out(federation: &mut Federation, bru: &Branch, par: &Branch, carrier: &Carrier) -> Outcome {
    let links = json!([
        par.sip_link(),
        { "id": "carrier", "kind": "PstnGateway", "address": format!("sip:{}", carrier.sip()), "health": { "probe": "0s" } },
    ]);
    let routes = json!([par.route(&["par-sip"]), { "pattern": "0*", "links": ["carrier"] }]);
    federation.push(bru, &links, &routes).map(drop)
}

async fn between_extensions(branch: &Branch) -> Outcome {
    let (a, alice) = branch.office.phone().await?;
    let (b, mut bob) = branch.office.phone().await?;
    talk(alice.call(&b.extension)?, &mut bob, &a.extension).await
}

/// A fresh phone dials; the carrier notes `words`.
async fn to_the_carrier(branch: &Branch, carrier: &Carrier, number: &str, words: &str) -> Outcome {
    let (_, phone) = branch.office.phone().await?;
    let noted = |carrier: &Carrier| carrier.calls().lines().filter(|line| line.contains(words)).count();
    let before = noted(carrier);
    echoed(&phone, number).await.map_err(|failure| failure.during(number))?;
    if noted(carrier) > before {
        Ok(())
    } else {
        Err(Failure::new(format!("not {words}: {}", carrier.calls())))
    }
}

async fn echoed(phone: &Phone, number: &str) -> Outcome {
    let mut call = phone.call(number)?;
    call.answered().await?;
    hear_echo(&call, Duration::from_secs(1)).await?;
    call.hang_up().await
}
