//! The peers of plain SIP, against a real Asterisk and each other: what the other tests stand on.

use std::time::Duration;

use peers::Outcome;
use peers::asterisk::{Asterisk, Setup};
use peers::phone::{Codec, Offer, Phone, Settings};
use peers::sipp::{Run, Scenario};

const CALL: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(5);
/// The gap that issue 2 allows.
const GAP: Duration = Duration::from_millis(60);

async fn phone(extension: &str, asterisk: &Asterisk) -> Outcome<Phone> {
    let mut settings = Settings::new(extension, asterisk.sip());
    settings.display_name = Some(format!("Phone {extension}"));
    Phone::open(settings).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_phone_hears_asterisks_echo() -> Outcome {
    let asterisk = Asterisk::start().await?;
    let mut alice = phone("1001", &asterisk).await?;
    alice.register().await?;
    assert_eq!(asterisk.contacts("1001").await?.len(), 1);
    let mut call = alice.call("600")?;
    call.answered().await?;
    call.media().send_tone(440.0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let heard = call.media().hear(CALL).await;
    println!("echo: {heard}");
    heard.expect_tone(440.0, GAP)?;
    assert_eq!(asterisk.channels().await?, 1);
    call.hang_up().await?;
    asterisk.idle(SOON).await?;
    alice.unregister().await?;
    assert!(asterisk.contacts("1001").await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_phones_hear_each_other_through_asterisk() -> Outcome {
    let asterisk = Asterisk::start().await?;
    let (alice, mut bob) = (phone("1001", &asterisk).await?, phone("1002", &asterisk).await?);
    bob.register().await?;
    // The state follows once the contact has answered Asterisk's OPTIONS.
    asterisk.cli_until("core show hints", SOON, |hints| hint_is(hints, "1002", "Idle")).await?;
    let mut call = alice.call("1002")?;
    let incoming = bob.called().await?;
    assert_eq!((incoming.caller(), incoming.caller_name()), ("1001", "Phone 1001"));
    incoming.ring();
    call.provisional(180).await?;
    let mut answered = incoming.answer().await?;
    call.answered().await?;
    call.media().send_tone(440.0);
    answered.media().send_tone(700.0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (at_alice, at_bob) = tokio::join!(call.media().hear(CALL), answered.media().hear(CALL));
    println!("alice: {at_alice}\nbob: {at_bob}");
    at_alice.expect_tone(700.0, GAP)?;
    at_bob.expect_tone(440.0, GAP)?;
    asterisk.cli_until("core show hints", SOON, |hints| hint_is(hints, "1002", "InUse")).await?;

    // Bob holds: Alice hears Asterisk's music, and nothing of Alice reaches Bob.
    answered.hold().await?;
    let (at_alice, at_bob) = tokio::join!(call.media().hear(SOON), answered.media().hear(SOON));
    at_alice.expect_no_tone(700.0)?;
    at_bob.expect_no_tone(440.0)?;
    answered.resume().await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    call.media().hear(Duration::from_secs(2)).await.expect_tone(700.0, GAP)?;

    call.change_codecs(&[Codec::Pcma]).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let heard = call.media().hear(Duration::from_secs(2)).await;
    assert_eq!(heard.payload_type, Some(Codec::Pcma.payload_type()), "{heard}");
    heard.expect_tone(700.0, GAP)?;

    answered.hang_up().await?;
    call.ended().await?;
    asterisk.idle(SOON).await
}

fn hint_is(hints: &str, extension: &str, state: &str) -> bool {
    let start = format!("{extension}@");
    hints
        .lines()
        .any(|line| line.trim_start().starts_with(&start) && line.contains(&format!("State:{state} ")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_services_of_the_dialplan_do_what_they_say() -> Outcome {
    let asterisk =
        Asterisk::start_with(Setup { ring_time: Duration::from_secs(2), ..Setup::default() }).await?;
    let alice = phone("1001", &asterisk).await?;

    alice.call("605")?.refused(486).await?;
    alice.call("606")?.refused(503).await?;
    alice.call("9999")?.refused(404).await?;
    alice.call("1003")?.refused(480).await?;

    let mut ringing = alice.call("607")?;
    ringing.provisional(180).await?;
    assert_eq!(ringing.cancel().await?.code(), 487);

    let mut short = alice.call("608")?;
    short.answered().await?;
    short.ended().await?;

    let mut tone = alice.call("602")?;
    tone.answered().await?;
    tone.media().hear(Duration::from_secs(2)).await.expect_tone(1004.0, GAP)?;
    tone.hang_up().await?;

    let mut digits = alice.call("603")?;
    digits.answered().await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    digits.media().send_digits("4711").await?;
    asterisk.wait_for_log("DTMF digits read by Asterisk: 4711 from 1001", SOON).await?;
    digits.hang_up().await?;

    let mut early = alice.call("604")?;
    early.provisional(183).await?;
    early.media().hear(Duration::from_secs(2)).await.expect_tone(440.0, GAP)?;
    early.answered().await?;
    early.media().send_tone(900.0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    early.media().hear(Duration::from_secs(2)).await.expect_tone(900.0, GAP)?;
    early.hang_up().await?;

    let mut late = alice.call_with("600", Offer::Late, &[])?;
    late.answered().await?;
    late.media().send_tone(500.0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    late.media().hear(Duration::from_secs(2)).await.expect_tone(500.0, GAP)?;
    late.hang_up().await?;
    asterisk.idle(SOON).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_a_called_phone_rejects_misses_and_hears_the_caller_give_up() -> Outcome {
    let asterisk =
        Asterisk::start_with(Setup { ring_time: Duration::from_secs(2), ..Setup::default() }).await?;
    let (alice, mut bob) = (phone("1001", &asterisk).await?, phone("1002", &asterisk).await?);
    bob.register().await?;

    let mut busy = alice.call("1002")?;
    bob.called().await?.reject(486);
    busy.refused(486).await?;

    let mut missed = alice.call("1002")?;
    let mut ringing = bob.called().await?;
    ringing.ring();
    missed.refused(480).await?;
    ringing.cancelled().await?;

    let mut given_up = alice.call("1002")?;
    let mut ringing = bob.called().await?;
    ringing.ring();
    given_up.provisional(180).await?;
    assert_eq!(given_up.cancel().await?.code(), 487);
    ringing.cancelled().await?;

    // Nobody answers, and the voicemail variant takes the message.
    let mut message = alice.call("*81002")?;
    bob.called().await?.reject(486);
    message.answered().await?;
    message.media().send_tone(440.0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    message.hang_up().await?;

    // Both hang up at once.
    let mut call = alice.call("1002")?;
    let mut answered = bob.called().await?.answer().await?;
    call.answered().await?;
    let (one, other) = tokio::join!(call.hang_up(), answered.hang_up());
    one?;
    other?;
    asterisk.idle(SOON).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_lost_and_repeated_datagrams_do_not_harm_a_call() -> Outcome {
    let asterisk = Asterisk::start().await?;
    let mut alice = phone("1001", &asterisk).await?;
    alice.faults().lose_outgoing(1);
    alice.register().await?;
    alice.faults().repeat_outgoing(true);
    let mut call = alice.call("600")?;
    call.answered().await?;
    alice.faults().repeat_outgoing(false);
    // The answer to the re-INVITE is lost: Asterisk repeats it, and the phone acknowledges that.
    alice.faults().lose_incoming(2);
    call.hold().await?;
    call.resume().await?;
    call.hang_up().await?;
    asterisk.idle(SOON).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_asterisk_keeps_its_contacts_across_a_crash() -> Outcome {
    let asterisk = Asterisk::start().await?;
    let mut alice = phone("1001", &asterisk).await?;
    alice.register().await?;
    // Asterisk writes its database once a second; a contact younger than that is lost with it.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    asterisk.kill().await?;
    asterisk.restart().await?;
    assert_eq!(asterisk.contacts("1001").await?.len(), 1);
    let mut call = alice.call("608")?;
    call.answered().await?;
    call.ended().await?;
    asterisk.idle(SOON).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_sipp_registers_and_calls_with_and_without_a_password() -> Outcome {
    let guarded = "[2003](branchline-extension)\nauth=2003\naors=2003\n[2003](branchline-aor)\n\
                   [2003]\ntype=auth\nauth_type=userpass\nusername=2003\npassword=secret\n";
    let local = vec![("pjsip", guarded.to_owned())];
    let asterisk = Asterisk::start_with(Setup { local, ..Setup::default() }).await?;
    for (extension, password) in [("1001", ""), ("2003", "secret")] {
        let mut sipp = Run::once(asterisk.sip(), extension, password)?;
        sipp.play(&Scenario::Register(300)).await?;
        assert_eq!(asterisk.contacts(extension).await?.len(), 1);
        sipp.count = 5;
        sipp.play(&Scenario::Call("600".to_owned(), Duration::from_secs(1))).await?;
        sipp.count = 1;
        sipp.play(&Scenario::Register(0)).await?;
        assert!(asterisk.contacts(extension).await?.is_empty());
    }
    let mut wrong = Run::once(asterisk.sip(), "2003", "guess")?;
    wrong.within = Duration::from_secs(5);
    assert!(wrong.play(&Scenario::Register(300)).await.is_err());
    asterisk.idle(SOON).await
}
