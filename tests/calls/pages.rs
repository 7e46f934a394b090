//! What a person does with the phone page besides talking.

use std::time::Duration;

use peers::browser::Browser;
use peers::cases::Cases;
use peers::device::Device;
use peers::office::Office;
use peers::{Failure, Outcome};

use super::{SETTLE, SOON};

/// The tone of the browser's microphone.
const HIGH: f64 = 740.0;

pub(crate) fn add<'a>(cases: &mut Cases<'a>, office: &'a Office, high: &'a Browser) {
    cases.add("a page is rung in vain, declines and gives up", refusals(office, high));
    cases.add("a page holds and is held", hold(office, high));
    cases.add("a page is reloaded in mid-call", reload(office, high));
}

async fn refusals(office: &Office, high: &Browser) -> Outcome<String> {
    let (account, page) = office.page(high).await?;
    let (b, mut phone) = office.phone().await?;
    office.seen_by_asterisk(&account.extension, 1, SOON).await?;
    office.seen_by_asterisk(&b.extension, 1, SOON).await?;

    let mut given_up = phone.call(&account.extension)?;
    let (number, name) = page.called().await?;
    assert_eq!((number.as_str(), name), (b.extension.as_str(), format!("Extension {}", b.extension)));
    given_up.provisional(180).await?;
    assert_eq!(given_up.cancel().await?.code(), 487);
    page.stops_ringing().await?;

    let mut declined = phone.call(&account.extension)?;
    page.called().await?;
    page.reject().await?;
    let code = declined.refused_by_any().await?.code();
    page.stops_ringing().await?;

    page.dial(&b.extension).await?;
    let mut ringing = phone.called().await?;
    assert_eq!(ringing.caller(), account.extension);
    ringing.ring();
    page.state("ringing").await?;
    page.hang_up().await?;
    ringing.cancelled().await?;
    page.ended().await?;

    page.dial("605").await?;
    page.state("ended").await?;
    let busy = page.words().await?;
    page.dial("9999").await?;
    page.state("ended").await?;
    tokio::time::sleep(SETTLE).await;
    let unknown = page.words().await?;
    if busy == unknown {
        return Err(Failure::new(format!("busy and unknown are told in the same words: {busy}")));
    }
    Ok(format!("declined: {code}; words: {busy:?}, {unknown:?}"))
}

async fn hold(office: &Office, high: &Browser) -> Outcome<String> {
    let mut page = Device::page(office, high, HIGH).await?;
    let (b, mut phone) = office.phone().await?;
    office.seen_by_asterisk(&b.extension, 1, SOON).await?;
    page.dial(&b.extension).await?;
    let mut call = phone.called().await?.answer().await?;
    page.up().await?;
    call.media().send_tone(440.0);
    tokio::time::sleep(SETTLE * 2).await;
    page.hold(true).await?;
    tokio::time::sleep(SETTLE * 2).await;
    call.media().hear(Duration::from_secs(2)).await.expect_no_tone(HIGH)?;
    page.hold(false).await?;
    tokio::time::sleep(SETTLE * 2).await;
    let gap = Duration::from_millis(200);
    call.media().hear(Duration::from_secs(2)).await.expect_tone(HIGH, gap)?;
    page.hear(440.0, Duration::from_secs(2), gap).await?;

    call.hold().await?;
    tokio::time::sleep(SETTLE * 2).await;
    call.media().hear(Duration::from_secs(2)).await.expect_no_tone(HIGH)?;
    call.resume().await?;
    tokio::time::sleep(SETTLE * 2).await;
    call.media().hear(Duration::from_secs(2)).await.expect_tone(HIGH, gap)?;
    let figures = page.hear(440.0, Duration::from_secs(2), gap).await?;
    page.hang_up().await?;
    call.ended().await?;
    Ok(figures)
}

/// The page comes back to its call, or the call ends: the other must not be left in silence.
async fn reload(office: &Office, high: &Browser) -> Outcome<String> {
    let (account, page) = office.page(high).await?;
    let (b, mut phone) = office.phone().await?;
    office.seen_by_asterisk(&b.extension, 1, SOON).await?;
    page.dial(&b.extension).await?;
    let mut call = phone.called().await?.answer().await?;
    page.up().await?;
    call.media().send_tone(440.0);
    tokio::time::sleep(SETTLE * 2).await;
    page.page.reload().await?;
    page.registered().await?;
    let start = std::time::Instant::now();
    let told = tokio::select! {
        up = page.up() => up.map(|()| "the call went on"),
        bye = call.ended_within(Duration::from_secs(25)) => bye.map(|_| "the call was ended"),
    }?;
    let after = start.elapsed();
    if told == "the call went on" {
        tokio::time::sleep(SETTLE * 4).await;
        call.media().hear(Duration::from_secs(2)).await.expect_tone(HIGH, Duration::from_millis(200))?;
        page.hang_up().await?;
        call.ended().await?;
    }
    // It can be called again.
    let mut again = phone.call(&account.extension)?;
    page.called().await?;
    page.answer().await?;
    again.answered().await?;
    again.hang_up().await?;
    page.ended().await?;
    Ok(format!("{told} after {:.1} s", after.as_secs_f64()))
}
