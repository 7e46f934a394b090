//! Networks that lose and repeat, and phones that are gone without a word.

use std::time::Duration;

use peers::Outcome;
use peers::office::Office;
use peers::phone::Phone;

use super::changes::up;
use super::{GAP, LISTEN, SETTLE};

pub(crate) async fn lost_datagrams(office: &Office) -> Outcome<String> {
    let account = office.account()?;
    let mut phone = Phone::open(office.udp(&account)).await?;
    phone.faults().lose_outgoing(1);
    phone.register().await?;
    phone.faults().repeat_outgoing(true);
    let mut call = phone.call("600")?;
    call.answered().await?;
    phone.faults().repeat_outgoing(false);
    phone.faults().lose_incoming(2);
    call.hold().await?;
    call.resume().await?;
    call.media().send_tone(440.0);
    tokio::time::sleep(SETTLE).await;
    call.media().hear(LISTEN).await.expect_tone(440.0, GAP)?;
    phone.faults().lose_outgoing(1);
    call.hang_up().await?;

    // The answer to the INVITE is lost, and the challenge before it.
    phone.faults().lose_incoming(1);
    let mut call = phone.call("600")?;
    call.answered().await?;
    phone.faults().lose_outgoing(1);
    call.hang_up().await?;
    Ok("REGISTER, INVITE, its answer, re-INVITE and BYE".to_owned())
}

/// Signalling and media stop without a word: the silence of its RTP ends the call.
pub(crate) async fn vanished(office: &Office) -> Outcome<String> {
    let ((_alice, mut call), (bob, answered)) = up(office).await?;
    let start = std::time::Instant::now();
    bob.vanish();
    let bye = call.ended_within(Duration::from_secs(25)).await?;
    drop(answered);
    let after = start.elapsed();
    assert!(after > Duration::from_secs(8), "ended after {after:?}");
    Ok(format!("the other was told after {:.1} s: {:?}", after.as_secs_f64(), bye.get("Reason")))
}
