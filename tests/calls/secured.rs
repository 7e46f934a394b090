//! Every kind of device to every other, and each to Asterisk's echo.

use peers::Outcome;
use peers::browser::Browser;
use peers::cases::Cases;
use peers::device::{self, Device};
use peers::office::Office;

use super::{CALL, GAP, SETTLE, SOON};

const MEASURED: (std::time::Duration, std::time::Duration) = (CALL, GAP);

/// The tone of the phones.
const PHONE: f64 = 440.0;
/// The tones of the two browsers' microphones.
const HIGH: f64 = 740.0;
const LOW: f64 = 530.0;

pub(crate) fn add<'a>(cases: &mut Cases<'a>, office: &'a Office, high: &'a Browser, low: &'a Browser) {
    cases.add("a TLS phone hears echo and calls a UDP phone", baresip(office));
    cases.add("a page hears echo, calls a UDP phone and is called", page(office, high));
    cases.add("JsSIP hears echo, calls a UDP phone and is called", softphone(office, low));
    cases.add("a page and a TLS phone", page_and_baresip(office, high));
    cases.add("a page and a page", pages(office, high, low));
    cases.add("JsSIP and a page", softphone_and_page(office, high, low));
}

async fn known(office: &Office, devices: &[&Device]) -> Outcome {
    for device in devices {
        office.seen_by_asterisk(device.number(), 1, SOON).await?;
    }
    Ok(())
}

/// Echo for the first; each calls the other; whoever calls hangs up in one of the calls.
async fn both_ways(office: &Office, one: &mut Device, other: &mut Device) -> Outcome<String> {
    known(office, &[one, other]).await?;
    let there = device::converse(one, other, MEASURED, true).await.map_err(|f| f.during("there"))?;
    let back = device::converse(other, one, MEASURED, true).await.map_err(|f| f.during("back"))?;
    Ok(format!("there: {there}; back: {back}"))
}

async fn digits(office: &Office, device: &mut Device) -> Outcome {
    device.dial("603").await?;
    device.up().await?;
    tokio::time::sleep(SETTLE * 4).await;
    device.send_digits("4711").await?;
    let read = format!("DTMF digits read by Asterisk: 4711 from {}", device.number());
    office.asterisk().wait_for_log(&read, SOON).await?;
    device.hang_up().await
}

async fn alone(office: &Office, device: &mut Device) -> Outcome<String> {
    let echo = device::echo(device, MEASURED).await.map_err(|failure| failure.during("echo"))?;
    digits(office, device).await.map_err(|failure| failure.during("digits"))?;
    Ok(format!("echo: {echo}"))
}

async fn baresip(office: &Office) -> Outcome<String> {
    let mut baresip = Device::baresip(office, HIGH).await?;
    let mut phone = Device::phone(office, PHONE).await?;
    let echo = alone(office, &mut baresip).await?;
    Ok(format!("{echo}; {}", both_ways(office, &mut baresip, &mut phone).await?))
}

async fn page(office: &Office, high: &Browser) -> Outcome<String> {
    let mut page = Device::page(office, high, HIGH).await?;
    let mut phone = Device::phone(office, PHONE).await?;
    let echo = alone(office, &mut page).await?;
    Ok(format!("{echo}; {}", both_ways(office, &mut page, &mut phone).await?))
}

async fn softphone(office: &Office, low: &Browser) -> Outcome<String> {
    let mut softphone = Device::softphone(office, low, LOW).await?;
    let mut phone = Device::phone(office, PHONE).await?;
    let echo = alone(office, &mut softphone).await?;
    Ok(format!("{echo}; {}", both_ways(office, &mut softphone, &mut phone).await?))
}

async fn page_and_baresip(office: &Office, high: &Browser) -> Outcome<String> {
    let mut page = Device::page(office, high, HIGH).await?;
    let mut baresip = Device::baresip(office, 610.0).await?;
    both_ways(office, &mut page, &mut baresip).await
}

async fn pages(office: &Office, high: &Browser, low: &Browser) -> Outcome<String> {
    let mut one = Device::page(office, high, HIGH).await?;
    let mut other = Device::page(office, low, LOW).await?;
    both_ways(office, &mut one, &mut other).await
}

async fn softphone_and_page(office: &Office, high: &Browser, low: &Browser) -> Outcome<String> {
    let mut softphone = Device::softphone(office, low, LOW).await?;
    let mut page = Device::page(office, high, HIGH).await?;
    both_ways(office, &mut softphone, &mut page).await
}
