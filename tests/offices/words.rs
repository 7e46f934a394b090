//! Asterisk is gone: phones notice nothing but missing voicemail, which they are told in words on their display or page.

use std::time::Duration;

use peers::office::Setup;
use peers::phone::{Message, Phone};
use peers::wan::Wan;
use peers::{Failure, Outcome};

use crate::federation::{Federation, with_asterisk};
use crate::in_a_network;
use crate::over_links::talk;

const AWAY: &str = "Voicemail is away while the telephone system restarts.";

#[test]
fn missing_voicemail_is_said_in_words() -> Outcome {
    in_a_network(said_in_words)
}

async fn said_in_words(wan: Wan) -> Outcome {
    let mut federation = Federation::new(wan).await?;
    let bru = federation.branch("BRU", voicemail(with_asterisk())).await?;
    let office = &bru.office;
    let (a, alice) = office.phone().await?;
    let (b, mut bob) = office.phone().await?;
    let absent = office.account()?;
    let browser = office.browser(440).await?;
    let (_, page) = office.page(&browser).await?;
    // While Asterisk is there, an extension that is not gives way to its voicemail.
    let mut box_ = alice.call(&absent.extension)?;
    box_.answered().await?;
    box_.hang_up().await?;

    office.asterisk().kill().await?;
    talk(alice.call(&b.extension)?, &mut bob, &a.extension).await?;
    let refused = alice.call("*97")?.refused(503).await?;
    assert_eq!(
        shown(&refused)?,
        (
            "Voicemail And Services Away",
            "Voicemail and other services are away while the telephone system restarts. People can be called."
        )
    );
    let refused = alice.call(&absent.extension)?.refused(480).await?;
    assert_eq!(
        shown(&refused)?,
        ("Phone Not Connected", &*format!("No phone of this extension is connected. {AWAY}"))
    );
    let refused = unanswered(&alice, &mut bob, &b.extension).await?;
    assert_eq!(shown(&refused)?, ("Nobody Answered", &*format!("Nobody answered. {AWAY}")));
    for (number, words) in [("*97", "Voicemail and other services are away"), (&*absent.extension, AWAY)] {
        page.dial(number).await?;
        page.ended().await?;
        let said = page.words().await?;
        assert!(said.contains(words), "{number}: {said}");
    }

    office.asterisk().restart().await?;
    office.ready().await?;
    let mut box_ = alice.call("*97")?;
    box_.answered().await?;
    box_.hang_up().await?;
    bru.office.close().await
}

/// A phone that rings and is not answered.
async fn unanswered(alice: &Phone, bob: &mut Phone, number: &str) -> Outcome<Message> {
    let mut call = alice.call(number)?;
    let mut incoming = bob.called().await?;
    incoming.ring();
    let refused = call.refused(480).await?;
    incoming.cancelled().await?;
    Ok(refused)
}

/// What the display of a phone shows: the phrase beside the status, and the warning (RFC 3261 §20.43).
fn shown(refusal: &Message) -> Outcome<(&str, &str)> {
    let phrase = refusal.start.splitn(3, ' ').nth(2);
    let warning = refusal.get("Warning").and_then(|text| text.strip_prefix("399 BRU \"")?.strip_suffix('"'));
    phrase.zip(warning).ok_or_else(|| Failure::new(format!("nothing to read in {}", refusal.to_text())))
}

/// Extensions that nobody answers have voicemail; Branchline lets phones ring for a shorter time than usual.
fn voicemail(mut setup: Setup) -> Setup {
    if let Some(asterisk) = &mut setup.asterisk {
        asterisk.fallback = "voicemail";
        asterisk.ring_time = Duration::from_secs(3);
    }
    setup.with("calls", "ring-timeout = \"5s\"")
}
