//! DTMF between legs. What is in the media, events or tones, the media worker passes on by itself. Here are the keys that
//! come or must go by signalling.
//!
//! | keys | the other party's session has | they go |
//! | --- | --- | --- |
//! | by INFO, or of a page | telephone events | as events (`SendDtmf`) |
//! | by INFO, or of a page | G.711, no events | as tones (`SendDtmf`) |
//! | by INFO, or of a page | neither | by INFO; to a page as an event |
//! | heard by the worker | either | by themselves; a page is told too |
//! | heard by the worker | neither (`needs_signalling`) | by INFO; to a page as an event |

use super::effects::Effects;
use super::leg::Wire;
use super::model::Call;
use super::session::LegSession;
use crate::engine::web::WebEvent;
use crate::media::dtmf::{Digit, Digits};
use crate::media::{EndId, MediaCommand};
use crate::sdp::Encoding;
use crate::sip::header::ContentType;
use crate::sip::{Method, Request};

/// What an INFO says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InfoDigits {
    /// Keys.
    Digits(Digits),
    /// Nothing: a keep-alive of old phones.
    Empty,
    /// A body that is none of ours.
    Unknown,
}

/// Reads `application/dtmf-relay` (`Signal=5`) and `application/dtmf` (`5`).
pub(super) fn of_info(request: &Request) -> InfoDigits {
    if request.body.is_empty() {
        return InfoDigits::Empty;
    }
    let kind = request.headers.read::<ContentType>().ok().flatten();
    let text = std::str::from_utf8(&request.body).unwrap_or_default();
    let key = match kind {
        Some(kind) if kind.is("application", "dtmf-relay") => text.lines().find_map(signal_line),
        Some(kind) if kind.is("application", "dtmf") => Some(text.trim()),
        _ => None,
    };
    key.and_then(digits_of).map_or(InfoDigits::Unknown, InfoDigits::Digits)
}

fn signal_line(line: &str) -> Option<&str> {
    let (name, value) = line.split_once('=')?;
    name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
}

/// Keys of a text; `None` if one is no key, or there are too many or none.
pub(super) fn digits_of(text: &str) -> Option<Digits> {
    let mut digits = Digits::new();
    for key in text.chars() {
        digits.push(Digit::from_char(key)?).ok()?;
    }
    (!digits.is_empty()).then_some(digits)
}

/// How keys are sent to a party, by what its session agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By the media worker, as telephone events, or as tones in G.711.
    Media(EndId),
    /// By INFO, or to a page as an event.
    Signalling,
}

fn way_to(session: &LegSession, keys: &[Digit]) -> Way {
    let Some((end, agreed)) = session.end().zip(session.agreed()) else { return Way::Signalling };
    let has =
        |encodings: &[Encoding]| agreed.codecs.iter().any(|one| encodings.contains(&one.codec.encoding()));
    let has_events = has(&[Encoding::TelephoneEvent]);
    let has_tones = has(&[Encoding::Pcmu, Encoding::Pcma]) && keys.iter().all(|key| key.has_tone());
    if has_events || has_tones { Way::Media(end) } else { Way::Signalling }
}

impl Call {
    /// Keys pressed by the party of `place`, not in its media: they are sent to the other one.
    pub(super) fn digits_from(&mut self, place: u16, keys: &Digits, fx: &mut Effects<'_>) {
        let Some(other) = self.other(place) else { return };
        let Some(leg) = self.leg(other) else { return };
        match way_to(&leg.session, keys) {
            Way::Media(end) => fx.media(MediaCommand::SendDtmf { end, digits: keys.clone() }),
            Way::Signalling => self.signal_digits(other, keys, fx),
        }
    }

    /// The worker heard a key from the party of `place`, and sent it on unless it `needs_signalling`. A page on the other
    /// side is told in any case.
    pub(super) fn heard_digit(
        &mut self,
        place: u16,
        digit: Digit,
        needs_signalling: bool,
        fx: &mut Effects<'_>,
    ) {
        let Some(other) = self.other(place) else { return };
        let is_page = self.leg(other).is_some_and(|leg| leg.web().is_some());
        if needs_signalling || is_page {
            self.signal_digits(other, &[digit], fx);
        }
    }

    /// Tells the party of `place` of keys by INFO, a page by an event.
    fn signal_digits(&mut self, place: u16, keys: &[Digit], fx: &mut Effects<'_>) {
        let call = self.id;
        let Some(leg) = self.leg(place) else { return };
        for key in keys {
            match &mut leg.wire {
                Wire::Sip(sip) => {
                    let body = format!("Signal={}\r\nDuration=160\r\n", key.as_char());
                    let kind = ContentType::of("application", "dtmf-relay");
                    sip.request(Method::Info, Some((kind, body.into())), fx);
                }
                Wire::Web(web) => web.tell(WebEvent::Dtmf { call, digit: key.as_char() }, fx),
            }
        }
    }
}
