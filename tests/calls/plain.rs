//! Setting up and ending calls of UDP phones.

use std::time::Duration;

use peers::office::Office;
use peers::phone::{IncomingCall, Phone, Settings};
use peers::sipp::{Run, Scenario};
use peers::{Failure, Outcome};

use super::{CALL, GAP, SETTLE, SOON};

pub(crate) async fn echo(office: &Office) -> Outcome<String> {
    let (_, phone) = office.phone().await?;
    let mut call = phone.call("600")?;
    call.answered().await?;
    call.media().send_tone(440.0);
    tokio::time::sleep(SETTLE).await;
    let heard = call.media().hear(CALL).await;
    heard.expect_tone(440.0, GAP)?;
    call.hang_up().await?;
    Ok(heard.to_string())
}

pub(crate) async fn talk(office: &Office) -> Outcome<String> {
    let ((a, alice), (b, mut bob)) = (office.phone().await?, office.phone().await?);
    office.seen_by_asterisk(&b.extension, 1, SOON).await?;
    let mut figures = String::new();
    for alice_ends in [true, false] {
        let mut call = alice.call(&b.extension)?;
        let incoming = bob.called().await?;
        assert_eq!(incoming.caller(), a.extension);
        // The account's name, not what the phone says of itself.
        assert_eq!(incoming.caller_name(), format!("Extension {}", a.extension));
        incoming.ring();
        call.provisional(180).await?;
        let mut answered = incoming.answer().await?;
        call.answered().await?;
        let channels = office.asterisk().cli("core show channels concise").await?;
        let in_between = channels.lines().find(|line| line.contains(&format!("PJSIP/{}-", a.extension)));
        assert!(in_between.is_some_and(|line| line.contains(&format!("!{}!", a.extension))), "{channels}");
        call.media().send_tone(440.0);
        answered.media().send_tone(700.0);
        tokio::time::sleep(SETTLE).await;
        let (at_alice, at_bob) = tokio::join!(call.media().hear(CALL), answered.media().hear(CALL));
        at_alice.expect_tone(700.0, GAP)?;
        at_bob.expect_tone(440.0, GAP)?;
        figures = format!("{at_alice}; {at_bob}");
        let (first, second) =
            if alice_ends { (&mut call, &mut answered) } else { (&mut answered, &mut call) };
        first.hang_up().await?;
        second.ended().await?;
    }
    Ok(figures)
}

pub(crate) async fn sipp(office: &Office) -> Outcome<String> {
    let account = office.account()?;
    let mut sipp = Run::once(office.places().udp, &account.extension, &account.password)?;
    sipp.play(&Scenario::Register(300)).await?;
    office.seen_by_asterisk(&account.extension, 1, SOON).await?;
    sipp.count = 5;
    sipp.play(&Scenario::Call("600".to_owned(), Duration::from_secs(1))).await?;
    sipp.count = 1;
    sipp.play(&Scenario::Register(0)).await?;
    office.seen_by_asterisk(&account.extension, 0, SOON).await?;
    Ok("5 calls".to_owned())
}

pub(crate) async fn refusals(office: &Office) -> Outcome<String> {
    let (_, phone) = office.phone().await?;
    let nobody = office.account()?.extension;
    let expected = [("605", 486), ("606", 503), ("9999", 404), (nobody.as_str(), 480)];
    for (number, code) in expected {
        phone.call(number)?.refused(code).await.map_err(|failure| failure.during(number))?;
    }
    let mut short = phone.call("608")?;
    short.answered().await?;
    short.ended().await?;
    Ok("486, 503, 404, 480, and a hang-up by Asterisk".to_owned())
}

async fn pair(office: &Office) -> Outcome<(Phone, String, Phone)> {
    let ((_, alice), (b, bob)) = (office.phone().await?, office.phone().await?);
    office.seen_by_asterisk(&b.extension, 1, SOON).await?;
    Ok((alice, b.extension, bob))
}

pub(crate) async fn unanswered(office: &Office) -> Outcome<String> {
    let (alice, number, mut bob) = pair(office).await?;
    let mut busy = alice.call(&number)?;
    bob.called().await?.reject(486);
    busy.refused(486).await?;

    let mut declined = alice.call(&number)?;
    bob.called().await?.reject(603);
    let code = declined.refused_by_any().await?.code();
    assert!(matches!(code, 403 | 480 | 603), "declined: {code}");

    let mut missed = alice.call(&number)?;
    let mut ringing = bob.called().await?;
    ringing.ring();
    missed.provisional(180).await?;
    missed.refused(480).await?;
    ringing.cancelled().await?;
    Ok(format!("486, {code}, 480"))
}

pub(crate) async fn cancelled(office: &Office) -> Outcome<String> {
    let (alice, number, mut bob) = pair(office).await?;
    let mut given_up = alice.call(&number)?;
    let mut ringing = bob.called().await?;
    ringing.ring();
    given_up.provisional(180).await?;
    assert_eq!(given_up.cancel().await?.code(), 487);
    let cancel = ringing.cancelled().await?;
    if IncomingCall::reason_of(&cancel) == Some(200) {
        return Err(Failure::new("nobody answered elsewhere"));
    }
    let mut service = alice.call("607")?;
    service.provisional(180).await?;
    assert_eq!(service.cancel().await?.code(), 487);
    Ok("487 twice".to_owned())
}

pub(crate) async fn glare(office: &Office) -> Outcome<String> {
    let (alice, number, mut bob) = pair(office).await?;
    for _ in 0..5 {
        let mut call = alice.call(&number)?;
        let mut answered = bob.called().await?.answer().await?;
        call.answered().await?;
        let (one, other) = tokio::join!(call.hang_up(), answered.hang_up());
        one?;
        other?;
    }
    Ok("5 times".to_owned())
}

pub(crate) async fn tones(office: &Office) -> Outcome<String> {
    let account = office.account()?;
    let settings = Settings { telephone_events: false, ..office.udp(&account) };
    let mut phone = Phone::open(settings).await?;
    phone.register().await?;
    let mut call = phone.call("603")?;
    call.answered().await?;
    tokio::time::sleep(SETTLE).await;
    call.media().dial_tones("4711").await?;
    let read = format!("DTMF digits read by Asterisk: 4711 from {}", account.extension);
    office.asterisk().wait_for_log(&read, SOON).await?;
    call.hang_up().await?;
    Ok(read)
}

pub(crate) async fn digits(office: &Office) -> Outcome<String> {
    let (account, phone) = office.phone().await?;
    let mut call = phone.call("603")?;
    call.answered().await?;
    tokio::time::sleep(SETTLE).await;
    call.media().send_digits("4711").await?;
    let read = format!("DTMF digits read by Asterisk: 4711 from {}", account.extension);
    office.asterisk().wait_for_log(&read, SOON).await?;
    call.hang_up().await?;
    Ok(read)
}
