//! Any device of an office, under one set of verbs: what a person does with it, and what is heard there.

use std::time::{Duration, Instant};

use crate::baresip::Baresip;
use crate::browser::{self, Browser};
use crate::office::{Account, Office};
use crate::phone::{Call, Phone};
use crate::phone_page::PhonePage;
use crate::softphone::Softphone;
use crate::{Failure, Outcome};

/// How often a device is listened to before its gaps count.
const WINDOWS: usize = 3;
/// How much later than it was asked for a recording of baresip may end.
const UNWRITTEN: Duration = Duration::from_millis(1_500);

/// A device, registered or signed in, with its account and the tone that it sends.
pub struct Device {
    /// Whose it is.
    pub account: Account,
    /// The tone that it sends.
    pub tone: f64,
    kind: Kind,
}

enum Kind {
    Phone(Box<Phone>, Option<Box<Call>>),
    Baresip(Box<Baresip>),
    Page(PhonePage),
    Softphone(Softphone),
}

impl Device {
    /// A UDP phone.
    pub async fn phone(office: &Office, tone: f64) -> Outcome<Self> {
        let (account, phone) = office.phone().await?;
        Ok(Self { account, tone, kind: Kind::Phone(Box::new(phone), None) })
    }

    /// A TLS phone with SDES: baresip.
    pub async fn baresip(office: &Office, tone: f64) -> Outcome<Self> {
        let (account, baresip) = office.baresip(tone).await?;
        Ok(Self { account, tone, kind: Kind::Baresip(Box::new(baresip)) })
    }

    /// The phone page in a browser whose microphone has this tone.
    pub async fn page(office: &Office, browser: &Browser, tone: f64) -> Outcome<Self> {
        let (account, page) = office.page(browser).await?;
        Ok(Self { account, tone, kind: Kind::Page(page) })
    }

    /// JsSIP in a browser whose microphone has this tone.
    pub async fn softphone(office: &Office, browser: &Browser, tone: f64) -> Outcome<Self> {
        let (account, softphone) = office.softphone(browser).await?;
        Ok(Self { account, tone, kind: Kind::Softphone(softphone) })
    }

    /// Its number.
    pub fn number(&self) -> &str {
        &self.account.extension
    }

    /// What it is.
    pub fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Phone(..) => "UDP phone",
            Kind::Baresip(_) => "TLS phone",
            Kind::Page(_) => "page",
            Kind::Softphone(_) => "JsSIP",
        }
    }

    /// The page, if it is one.
    pub fn as_page(&self) -> Option<&PhonePage> {
        match &self.kind {
            Kind::Page(page) => Some(page),
            _ => None,
        }
    }

    // ---- what a person does -----------------------------------------------------------------------------------

    /// Calls a number.
    pub async fn dial(&mut self, number: &str) -> Outcome {
        match &mut self.kind {
            Kind::Phone(phone, call) => {
                *call = Some(Box::new(phone.call(number)?));
                Ok(())
            }
            Kind::Baresip(baresip) => baresip.dial(number).await,
            Kind::Page(page) => page.dial(number).await,
            Kind::Softphone(softphone) => softphone.call(number).await,
        }
    }

    /// Waits until it is called, and answers; returns the caller's number as the device shows it.
    pub async fn answer(&mut self) -> Outcome<String> {
        match &mut self.kind {
            Kind::Phone(phone, call) => {
                let incoming = phone.called().await?;
                incoming.ring();
                let caller = incoming.caller().to_owned();
                *call = Some(Box::new(incoming.answer().await?));
                Ok(caller)
            }
            Kind::Baresip(baresip) => {
                let uri = baresip.called().await?["peeruri"].as_str().unwrap_or_default().to_owned();
                baresip.answer().await?;
                let user = uri.split_once(':').and_then(|(_, rest)| rest.split('@').next());
                Ok(user.unwrap_or(&uri).to_owned())
            }
            Kind::Page(page) => {
                let (number, _) = page.called().await?;
                page.answer().await?;
                Ok(number)
            }
            Kind::Softphone(softphone) => {
                let (user, _) = softphone.called().await?;
                softphone.answer().await?;
                Ok(user)
            }
        }
    }

    /// Waits until its own call is answered.
    pub async fn up(&mut self) -> Outcome {
        let tone = self.tone;
        match &mut self.kind {
            Kind::Phone(_, Some(call)) => call.answered().await.map(|_| call.media().send_tone(tone)),
            Kind::Phone(_, None) => Err(Failure::new("no call")),
            Kind::Baresip(baresip) => baresip.established().await.map(drop),
            Kind::Page(page) => page.up().await,
            Kind::Softphone(softphone) => softphone.established().await,
        }
    }

    /// Sends its tone from now on; all devices but our own phone always do.
    pub fn speak(&self) {
        if let Kind::Phone(_, Some(call)) = &self.kind {
            call.media().send_tone(self.tone);
        }
    }

    /// Hangs up.
    pub async fn hang_up(&mut self) -> Outcome {
        match &mut self.kind {
            Kind::Phone(_, Some(call)) => call.hang_up().await,
            Kind::Phone(_, None) => Err(Failure::new("no call")),
            Kind::Baresip(baresip) => baresip.hang_up().await,
            Kind::Page(page) => page.hang_up().await,
            Kind::Softphone(softphone) => softphone.hang_up().await,
        }
    }

    /// Waits until the far end has hung up.
    pub async fn ended(&mut self) -> Outcome {
        match &mut self.kind {
            Kind::Phone(_, Some(call)) => call.ended().await.map(drop),
            Kind::Phone(_, None) => Err(Failure::new("no call")),
            Kind::Baresip(baresip) => baresip.closed().await.map(drop),
            Kind::Page(page) => page.ended().await,
            Kind::Softphone(softphone) => softphone.ended().await.map(drop),
        }
    }

    /// Puts the far end on hold, or takes it back.
    pub async fn hold(&mut self, held: bool) -> Outcome {
        match &mut self.kind {
            Kind::Phone(_, Some(call)) if held => call.hold().await,
            Kind::Phone(_, Some(call)) => call.resume().await,
            Kind::Phone(_, None) => Err(Failure::new("no call")),
            Kind::Baresip(baresip) if held => baresip.hold().await,
            Kind::Baresip(baresip) => baresip.resume().await,
            Kind::Page(page) => page.hold().await,
            Kind::Softphone(softphone) => {
                let verb = if held { "softphone.hold()" } else { "softphone.resume()" };
                softphone.page.evaluate(verb).await.map(drop)
            }
        }
    }

    /// Sends digits.
    pub async fn send_digits(&mut self, digits: &str) -> Outcome {
        match &mut self.kind {
            Kind::Phone(_, Some(call)) => call.media().send_digits(digits).await,
            Kind::Phone(_, None) => Err(Failure::new("no call")),
            Kind::Baresip(baresip) => baresip.send_digits(digits).await,
            Kind::Page(page) => page.send_digits(digits).await,
            Kind::Softphone(softphone) => softphone.send_digits(digits).await,
        }
    }

    // ---- what is heard ----------------------------------------------------------------------------------------

    /// Listens for this long, and demands the tone without a gap above `gap`; returns the figures.
    ///
    /// Chromium and baresip make gaps of their own when the machine is busy, at either end, so they are listened
    /// to [`WINDOWS`] times at most; one whole stretch must be without a gap.
    pub async fn hear(&mut self, hz: f64, time: Duration, gap: Duration) -> Outcome<String> {
        let mut earlier = Vec::new();
        loop {
            match self.hear_once(hz, time, gap).await {
                Ok(figures) if earlier.is_empty() => return Ok(figures),
                Ok(figures) => return Ok(format!("{figures} in stretch {}", earlier.len() + 1)),
                Err(failure) => earlier.push(failure.to_string()),
            }
            if earlier.len() == WINDOWS {
                return Err(Failure::new(earlier.join("\n")));
            }
        }
    }

    async fn hear_once(&mut self, hz: f64, time: Duration, gap: Duration) -> Outcome<String> {
        let name = self.name();
        let heard = match &mut self.kind {
            Kind::Phone(_, Some(call)) => {
                let start = Instant::now();
                tokio::time::sleep(time).await;
                let heard = call.media().heard_since(start);
                heard.expect_tone(hz, gap).map(|()| (heard.tone, format!("{} packets", heard.packets)))
            }
            Kind::Phone(_, None) => Err(Failure::new("no call")),
            Kind::Baresip(baresip) => {
                tokio::time::sleep(time + UNWRITTEN).await;
                let recorded = baresip.recorded_last(time)?;
                let length = format!("{:.1} s", recorded.received.as_secs_f64());
                recorded.expect_tone(hz, time.mul_f32(0.95), gap).map(|()| (recorded.heard, length))
            }
            Kind::Page(PhonePage { page }) | Kind::Softphone(Softphone { page }) => {
                let heard = page.hear(time).await?;
                browser::expect_tone(&heard, hz, gap)
                    .map(|()| (heard, format!("{:.1} s", time.as_secs_f64())))
            }
        };
        let (tone, extent) = heard.map_err(|failure| failure.during(name))?;
        Ok(format!("{name} {:.0} Hz, {extent}, gap {} ms", tone.hz, tone.longest_gap.as_millis()))
    }
}

/// `caller` calls `callee`; the caller's number is right where it arrives; both hear each other for `time`;
/// `caller` hangs up if `caller_ends`, else `callee`. Returns the figures.
pub async fn converse(
    caller: &mut Device,
    callee: &mut Device,
    listen: (Duration, Duration),
    caller_ends: bool,
) -> Outcome<String> {
    let (dialled, shown) = (callee.number().to_owned(), caller.number().to_owned());
    converse_as(caller, callee, (&dialled, &shown), listen, caller_ends).await
}

/// The same where `caller` dials `dialled`, and `callee` shows `shown`.
pub async fn converse_as(
    caller: &mut Device,
    callee: &mut Device,
    (dialled, shown): (&str, &str),
    (time, gap): (Duration, Duration),
    caller_ends: bool,
) -> Outcome<String> {
    caller.dial(dialled).await?;
    let seen = callee.answer().await?;
    if seen != shown {
        return Err(Failure::new(format!("{} shows {seen} instead of {shown}", callee.name())));
    }
    caller.up().await?;
    callee.speak();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let (from_callee, from_caller) = (callee.tone, caller.tone);
    let (at_caller, at_callee) =
        tokio::join!(caller.hear(from_callee, time, gap), callee.hear(from_caller, time, gap));
    let figures = format!("{}; {}", at_caller?, at_callee?);
    let (first, second) = if caller_ends { (caller, callee) } else { (callee, caller) };
    first.hang_up().await?;
    second.ended().await.map_err(|failure| failure.during("after the hang-up"))?;
    Ok(figures)
}

/// `device` calls Asterisk's echo, hears itself for `time`, and hangs up. Returns the figures.
pub async fn echo(device: &mut Device, (time, gap): (Duration, Duration)) -> Outcome<String> {
    device.dial("600").await?;
    device.up().await?;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let figures = device.hear(device.tone, time, gap).await?;
    device.hang_up().await?;
    Ok(figures)
}
