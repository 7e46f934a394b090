//! Calls over each kind of link, both ways, from devices and from Asterisk's dialplan.

use std::time::Duration;

use peers::Outcome;
use peers::carrier::Carrier;
use peers::device::{Device, converse_as};
use peers::office::Setup;
use peers::phone::{Call, Phone};
use peers::wan::{self, Wan};
use serde_json::json;

use crate::federation::{Branch, Federation, with_asterisk};
use crate::{CALL, GAP, SETTLE, in_a_network};

/// The test's own phones make gaps too on a machine that compiles beside the test: one of so many stretches has none.
const STRETCHES: usize = 3;
/// Chromium and baresip make gaps of their own on a busy machine.
const BROWSER_GAP: Duration = Duration::from_millis(200);

#[test]
fn calls_between_offices() -> Outcome {
    in_a_network(between_offices)
}

async fn between_offices(wan: Wan) -> Outcome {
    let mut federation = Federation::new(wan).await?;
    let bru = federation.branch("BRU", with_asterisk()).await?;
    let par = federation.branch("PAR", with_asterisk()).await?;
    for (here, there, link) in [(&bru, &par, "par-sip"), (&par, &bru, "bru-sip")] {
        federation.push(here, &json!([there.sip_link()]), &json!([there.route(&[link])]))?;
    }
    call(&bru, &par).await?;
    call(&par, &bru).await?;
    from_the_dialplan(&bru, &par).await?;
    from_the_dialplan(&par, &bru).await?;
    from_any_device(&bru, &par).await?;
    bru.office.close().await?;
    par.office.close().await
}

/// A phone here dials `THERE-number`.
pub(crate) async fn call(here: &Branch, there: &Branch) -> Outcome {
    let (a, alice) = here.office.phone().await?;
    let (b, mut bob) = there.office.phone().await?;
    let call = alice.call(&format!("{}-{}", there.id, b.extension))?;
    talk(call, &mut bob, &format!("{}-{}", here.id, a.extension)).await
}

/// A TLS phone, the page and a softphone in a browser call the other office, and are called from there.
async fn from_any_device(here: &Branch, there: &Branch) -> Outcome {
    let browser = here.office.browser(440).await?;
    let devices = [
        Device::baresip(&here.office, 440.0).await?,
        Device::page(&here.office, &browser, 440.0).await?,
        Device::softphone(&here.office, &browser, 440.0).await?,
    ];
    let mut far = Device::phone(&there.office, 700.0).await?;
    let at = |branch: &Branch, device: &Device| format!("{}-{}", branch.id, device.number());
    for mut device in devices {
        let (near_number, far_number) = (at(here, &device), at(there, &far));
        let heard = (CALL, BROWSER_GAP);
        let out = converse_as(&mut device, &mut far, (&far_number, &near_number), heard, true).await?;
        let back = converse_as(&mut far, &mut device, (&near_number, &far_number), heard, true).await?;
        report(&format!("{out} | {back}"));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are the result")]
fn report(figures: &str) {
    println!("  {figures}");
}

/// A number of Asterisk's dialplan leads to the other office.
async fn from_the_dialplan(here: &Branch, there: &Branch) -> Outcome {
    let (a, alice) = here.office.phone().await?;
    let (b, mut bob) = there.office.phone().await?;
    let asterisk = here.office.asterisk();
    let line =
        format!("dialplan add extension 7001,1,Goto,{}-{},1 into branchline-local", there.id, b.extension);
    asterisk.cli(&line).await?;
    let call = alice.call("7001")?;
    talk(call, &mut bob, &format!("{}-{}", here.id, a.extension)).await
}

/// Tones both ways; the called side sees whom to call back.
pub(crate) async fn talk(mut call: Call, called: &mut Phone, caller: &str) -> Outcome {
    let incoming = called.called().await?;
    assert_eq!(incoming.caller(), caller);
    incoming.ring();
    call.provisional(180).await?;
    let mut answered = incoming.answer().await?;
    call.answered().await?;
    hear_each_other(&call, &answered).await?;
    call.hang_up().await?;
    answered.ended().await?;
    Ok(())
}

/// Tones both ways.
pub(crate) async fn hear_each_other(here: &Call, there: &Call) -> Outcome {
    here.media().send_tone(440.0);
    there.media().send_tone(700.0);
    tokio::time::sleep(SETTLE).await;
    let mut stretch = 1;
    loop {
        let (at_here, at_there) = tokio::join!(here.media().hear(CALL), there.media().hear(CALL));
        let heard = at_here.expect_tone(700.0, GAP).and_then(|()| at_there.expect_tone(440.0, GAP));
        if heard.is_ok() || stretch == STRETCHES {
            return heard;
        }
        stretch += 1;
    }
}

/// The far end sends back what it hears.
pub(crate) async fn hear_echo(call: &Call, time: Duration) -> Outcome {
    call.media().send_tone(440.0);
    tokio::time::sleep(SETTLE).await;
    let mut stretch = 1;
    loop {
        let heard = call.media().hear(time).await.expect_tone(440.0, GAP);
        if heard.is_ok() || stretch == STRETCHES {
            return heard;
        }
        stretch += 1;
    }
}

#[test]
fn calls_over_iax_and_to_a_carrier() -> Outcome {
    in_a_network(over_iax_and_to_a_carrier)
}

async fn over_iax_and_to_a_carrier(wan: Wan) -> Outcome {
    let mut federation = Federation::new(wan).await?;
    let bru = federation.branch("BRU", with_iax("10.81.1.1", "par", "10.81.2.1", "bru")).await?;
    let par = federation.branch("PAR", with_iax("10.81.2.1", "bru", "10.81.1.1", "par")).await?;
    let carrier = Carrier::start(wan::TEST.into()).await?;
    let links = json!([
        { "id": "par-iax", "kind": "IaxTrunk", "office": "PAR", "address": "iax2:par" },
        { "id": "carrier", "kind": "PstnGateway", "address": format!("sip:{}", carrier.sip()) },
    ]);
    let routes = json!([par.route(&["par-iax"]), { "pattern": "0*", "links": ["carrier"] }]);
    federation.push(&bru, &links, &routes)?;
    call(&bru, &par).await?;
    let (_, alice) = bru.office.phone().await?;
    let mut call = alice.call("025551234")?;
    call.answered().await?;
    hear_echo(&call, CALL).await?;
    call.hang_up().await?;
    let calls = carrier.calls();
    assert!(calls.contains("from sip:+3225551000@ to sip:025551234@"), "{calls}");
    bru.office.close().await?;
    par.office.close().await
}

/// An Asterisk with an IAX2 peer.
fn with_iax(own: &str, peer: &str, address: &str, name: &str) -> Setup {
    let mut setup = with_asterisk();
    let text = format!(
        "[general](+)\nbindaddr = {own}\n[{peer}]\ntype = friend\nhost = {address}\nusername = {name}\n\
         secret = between-offices\nauth = md5\ncontext = branchline-links\n"
    );
    if let Some(asterisk) = &mut setup.asterisk {
        asterisk.local.push(("modules", "load = chan_iax2.so\n".to_owned()));
        asterisk.local.push(("iax", text));
    }
    setup
}
