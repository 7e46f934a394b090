//! Sessions that begin or go on in unusual ways: late offers, early media, hold, other codecs, refreshes.

use std::time::Duration;

use peers::Outcome;
use peers::office::Office;
use peers::phone::{Call, Codec, Offer, Phone};

use super::{GAP, LISTEN, SETTLE, SOON};

/// A call between two phones of the office that is up, with a tone each: 440 Hz by the caller, 700 by the callee.
pub(crate) async fn up(office: &Office) -> Outcome<((Phone, Call), (Phone, Call))> {
    let ((_, alice), (b, mut bob)) = (office.phone().await?, office.phone().await?);
    office.seen_by_asterisk(&b.extension, 1, SOON).await?;
    let mut call = alice.call(&b.extension)?;
    let answered = bob.called().await?.answer().await?;
    call.answered().await?;
    call.media().send_tone(440.0);
    answered.media().send_tone(700.0);
    tokio::time::sleep(SETTLE).await;
    Ok(((alice, call), (bob, answered)))
}

async fn both_hear(call: &Call, answered: &Call) -> Outcome {
    let (at_caller, at_callee) = tokio::join!(call.media().hear(LISTEN), answered.media().hear(LISTEN));
    at_caller.expect_tone(700.0, GAP)?;
    at_callee.expect_tone(440.0, GAP)
}

pub(crate) async fn late_offer(office: &Office) -> Outcome<String> {
    let ((_, alice), (b, mut bob)) = (office.phone().await?, office.phone().await?);
    let mut echo = alice.call_with("600", Offer::Late, &[])?;
    echo.answered().await?;
    echo.media().send_tone(500.0);
    tokio::time::sleep(SETTLE).await;
    let heard = echo.media().hear(LISTEN).await;
    heard.expect_tone(500.0, GAP)?;
    echo.hang_up().await?;

    office.seen_by_asterisk(&b.extension, 1, SOON).await?;
    let mut call = alice.call_with(&b.extension, Offer::Late, &[])?;
    let incoming = bob.called().await?;
    incoming.ring();
    let mut answered = incoming.answer().await?;
    call.answered().await?;
    call.media().send_tone(440.0);
    answered.media().send_tone(700.0);
    tokio::time::sleep(SETTLE).await;
    both_hear(&call, &answered).await?;
    answered.hang_up().await?;
    call.ended().await?;
    Ok(heard.to_string())
}

pub(crate) async fn early_media(office: &Office) -> Outcome<String> {
    let ((_, alice), (b, mut bob)) = (office.phone().await?, office.phone().await?);
    let mut early = alice.call("604")?;
    early.provisional(183).await?;
    tokio::time::sleep(SETTLE).await;
    let before = early.media().hear(LISTEN).await;
    before.expect_tone(440.0, GAP)?;
    early.answered().await?;
    early.media().send_tone(900.0);
    tokio::time::sleep(SETTLE).await;
    early.media().hear(LISTEN).await.expect_tone(900.0, GAP)?;
    early.hang_up().await?;

    office.seen_by_asterisk(&b.extension, 1, SOON).await?;
    let mut call = alice.call(&b.extension)?;
    let incoming = bob.called().await?;
    incoming.progress()?;
    call.provisional(183).await?;
    incoming.media().send_tone(620.0);
    tokio::time::sleep(SETTLE).await;
    call.media().hear(LISTEN).await.expect_tone(620.0, GAP)?;
    let mut answered = incoming.answer().await?;
    call.answered().await?;
    answered.hang_up().await?;
    call.ended().await?;
    Ok(format!("before the answer: {before}"))
}

pub(crate) async fn hold(office: &Office) -> Outcome<String> {
    let ((_alice, mut call), (_bob, mut answered)) = up(office).await?;
    for turn in 0..2 {
        let (holder, held) = if turn == 0 { (&mut answered, &mut call) } else { (&mut call, &mut answered) };
        let tone = if turn == 0 { 700.0 } else { 440.0 };
        holder.hold().await?;
        tokio::time::sleep(SETTLE).await;
        let (at_held, at_holder) = tokio::join!(held.media().hear(LISTEN), holder.media().hear(LISTEN));
        at_held.expect_no_tone(tone)?;
        at_holder.expect_no_tone(1_140.0 - tone)?;
        holder.resume().await?;
        tokio::time::sleep(SETTLE).await;
        both_hear(&call, &answered).await?;
    }
    // Held for longer than a call may be silent.
    answered.hold().await?;
    tokio::time::sleep(Duration::from_secs(14)).await;
    answered.resume().await?;
    tokio::time::sleep(SETTLE).await;
    both_hear(&call, &answered).await?;
    answered.hang_up().await?;
    call.ended().await?;
    Ok("by the callee, by the caller, and for 14 s with a silence timeout of 10 s".to_owned())
}

pub(crate) async fn codec(office: &Office) -> Outcome<String> {
    let ((_alice, mut call), (_bob, mut answered)) = up(office).await?;
    call.change_codecs(&[Codec::Pcma]).await?;
    tokio::time::sleep(SETTLE).await;
    let (at_caller, at_callee) = tokio::join!(call.media().hear(LISTEN), answered.media().hear(LISTEN));
    assert_eq!(at_caller.payload_type, Some(Codec::Pcma.payload_type()), "{at_caller}");
    at_caller.expect_tone(700.0, GAP)?;
    at_callee.expect_tone(440.0, GAP)?;
    call.change_codecs(&[Codec::Pcmu, Codec::Pcma]).await?;
    tokio::time::sleep(SETTLE).await;
    both_hear(&call, &answered).await?;
    answered.hang_up().await?;
    call.ended().await?;
    Ok(format!("caller {at_caller}; callee {at_callee}"))
}

/// Each side is refreshed by us in the middle of the session's life; and a phone refreshes by itself.
pub(crate) async fn refresh(office: &Office) -> Outcome<String> {
    let ((_alice, mut call), (_bob, mut answered)) = up(office).await?;
    let response = call.refresh().await?;
    assert_eq!(response.code(), 200, "UPDATE: {}", response.start);
    call.renegotiate().await?;
    let request = answered.refreshed(Duration::from_secs(60)).await?;
    both_hear(&call, &answered).await?;
    assert_eq!(call.media().codec(), Codec::Pcmu);
    answered.hang_up().await?;
    call.ended().await?;
    Ok(format!("callee got {}", request.method()))
}
