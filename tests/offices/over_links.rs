//! One call over each kind of link, both ways.

use peers::Outcome;
use peers::wan::Wan;
use serde_json::json;

use crate::federation::{Branch, Federation, with_asterisk};
use crate::{CALL, GAP, SETTLE, in_a_network};

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
    bru.office.close().await?;
    par.office.close().await
}

/// A phone here dials `THERE-number`; tones both ways; the called side sees whom to call back.
pub(crate) async fn call(here: &Branch, there: &Branch) -> Outcome {
    let (a, alice) = here.office.phone().await?;
    let (b, mut bob) = there.office.phone().await?;
    let mut call = alice.call(&format!("{}-{}", there.id, b.extension))?;
    let incoming = bob.called().await?;
    assert_eq!(incoming.caller(), format!("{}-{}", here.id, a.extension));
    incoming.ring();
    call.provisional(180).await?;
    let mut answered = incoming.answer().await?;
    call.answered().await?;
    call.media().send_tone(440.0);
    answered.media().send_tone(700.0);
    tokio::time::sleep(SETTLE).await;
    let (at_alice, at_bob) = tokio::join!(call.media().hear(CALL), answered.media().hear(CALL));
    at_alice.expect_tone(700.0, GAP)?;
    at_bob.expect_tone(440.0, GAP)?;
    call.hang_up().await?;
    answered.ended().await?;
    Ok(())
}
