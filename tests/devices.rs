//! Several devices of one extension: all ring, the first to answer wins, the rest stop.

use std::time::Duration;

use peers::cases::Cases;
use peers::office::{Account, Office, Setup};
use peers::phone::{IncomingCall, Phone, Transport};
use peers::phone_page::PhonePage;
use peers::{Failure, Outcome};

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
const SOON: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_ring_through_asterisk() -> Outcome {
    let office = Office::open(BINARY, Setup::default()).await?;
    play(&office).await?;
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_ring_without_asterisk() -> Outcome {
    let office = Office::open(BINARY, Setup::without_asterisk()).await?;
    play(&office).await?;
    office.close().await
}

async fn play(office: &Office) -> Outcome {
    let browser = office.browser(440).await?;
    let mut cases = Cases::default();
    cases.add("the first to answer wins", first_wins(office));
    cases.add("one is busy, all are busy", busy(office));
    cases.add("the caller gives up", given_up(office));
    cases.add("a page and a phone", page_and_phone(office, &browser));
    cases.add("a device that is away does not hinder the others", away(office));
    cases.play(4).await
}

async fn known(office: &Office, account: &Account) -> Outcome {
    let with_asterisk = office.json(&["status"]).await?["asterisk"] == "up";
    if with_asterisk { office.seen_by_asterisk(&account.extension, 1, SOON).await } else { Ok(()) }
}

/// Two UDP phones and a TCP phone of one extension.
async fn three(office: &Office) -> Outcome<(Account, Vec<Phone>)> {
    let account = office.account()?;
    let mut phones = Vec::new();
    let over_tcp = office.udp(&account).over(Transport::Tcp);
    for settings in [office.udp(&account), over_tcp, office.udp(&account)] {
        let mut phone = Phone::open(settings).await?;
        phone.register().await?;
        phones.push(phone);
    }
    known(office, &account).await?;
    Ok((account, phones))
}

async fn all_ring(phones: &mut [Phone]) -> Outcome<Vec<IncomingCall>> {
    let mut ringing = Vec::new();
    for phone in phones {
        let call = phone.called().await?;
        call.ring();
        ringing.push(call);
    }
    Ok(ringing)
}

async fn first_wins(office: &Office) -> Outcome<String> {
    let (_, caller) = office.phone().await?;
    let (account, mut phones) = three(office).await?;
    for winner in 0..3 {
        let mut call = caller.call(&account.extension)?;
        let mut ringing = all_ring(&mut phones).await?;
        call.provisional(180).await?;
        let mut answered = ringing.remove(winner).answer().await?;
        call.answered().await?;
        for mut other in ringing {
            let cancel = other.cancelled().await?;
            if IncomingCall::reason_of(&cancel) != Some(200) {
                return Err(Failure::new(format!("not \"answered elsewhere\":\n{}", cancel.to_text())));
            }
        }
        call.media().send_tone(440.0);
        answered.media().send_tone(700.0);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (time, gap) = (Duration::from_secs(1), Duration::from_millis(60));
        let (at_caller, at_winner) = tokio::join!(call.media().hear(time), answered.media().hear(time));
        at_caller.expect_tone(700.0, gap)?;
        at_winner.expect_tone(440.0, gap)?;
        call.hang_up().await?;
        answered.ended().await?;
    }
    Ok("each of three won once; the others were told \"answered elsewhere\"".to_owned())
}

async fn busy(office: &Office) -> Outcome<String> {
    let (_, caller) = office.phone().await?;
    let (account, mut phones) = three(office).await?;
    let mut call = caller.call(&account.extension)?;
    let mut ringing = all_ring(&mut phones).await?;
    ringing.remove(0).reject(486);
    let mut answered = ringing.remove(1).answer().await?;
    call.answered().await?;
    ringing.remove(0).cancelled().await?;
    answered.hang_up().await?;
    call.ended().await?;

    let mut call = caller.call(&account.extension)?;
    for phone in &mut phones {
        phone.called().await?.reject(486);
    }
    call.refused(486).await?;

    // Who declines, declines for all devices (RFC 3261 §16.7: a 6xx ends the search).
    let mut call = caller.call(&account.extension)?;
    let mut ringing = all_ring(&mut phones).await?;
    ringing.remove(0).reject(603);
    for mut other in ringing {
        other.cancelled().await?;
    }
    let code = call.refused_by_any().await?.code();
    Ok(format!("answered beside a busy one; 486 by all; {code} when one declines"))
}

async fn given_up(office: &Office) -> Outcome<String> {
    let (_, caller) = office.phone().await?;
    let (account, mut phones) = three(office).await?;
    let mut call = caller.call(&account.extension)?;
    let ringing = all_ring(&mut phones).await?;
    call.provisional(180).await?;
    assert_eq!(call.cancel().await?.code(), 487);
    for mut device in ringing {
        let cancel = device.cancelled().await?;
        assert_ne!(IncomingCall::reason_of(&cancel), Some(200));
    }
    Ok("all three stopped".to_owned())
}

async fn page_and_phone(office: &Office, browser: &peers::browser::Browser) -> Outcome<String> {
    let (_, caller) = office.phone().await?;
    let account = office.account()?;
    let page = PhonePage::open(browser, office.places().https, &account).await?;
    let mut phone = Phone::open(office.udp(&account)).await?;
    phone.register().await?;
    known(office, &account).await?;

    let mut call = caller.call(&account.extension)?;
    let incoming = phone.called().await?;
    page.called().await?;
    let mut answered = incoming.answer().await?;
    call.answered().await?;
    page.stops_ringing().await?;
    answered.hang_up().await?;
    call.ended().await?;

    let mut call = caller.call(&account.extension)?;
    let mut incoming = phone.called().await?;
    incoming.ring();
    page.called().await?;
    page.answer().await?;
    call.answered().await?;
    assert_eq!(IncomingCall::reason_of(&incoming.cancelled().await?), Some(200));
    page.hang_up().await?;
    call.ended().await?;
    Ok("each won once".to_owned())
}

/// A phone that has lost its power is rung too, for nobody can know; the others are not kept waiting.
async fn away(office: &Office) -> Outcome<String> {
    let (_, caller) = office.phone().await?;
    let (account, mut phones) = three(office).await?;
    phones.remove(0).vanish();
    let mut call = caller.call(&account.extension)?;
    let mut ringing = all_ring(&mut phones).await?;
    let mut answered = ringing.remove(0).answer().await?;
    call.answered().await?;
    ringing.remove(0).cancelled().await?;
    answered.hang_up().await?;
    call.ended().await?;
    Ok("two of three".to_owned())
}
