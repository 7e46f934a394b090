//! DTMF between legs: telephone events pass by themselves; INFO and a page's keys are turned into them.

use super::effects::Effects;
use super::leg::Wire;
use super::model::Call;
use crate::engine::web::WebEvent;
use crate::media::MediaCommand;
use crate::media::dtmf::{Digit, Digits};
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

impl Call {
    /// Keys pressed by the party of `place`, not in its media: they are sent to the other one.
    pub(super) fn digits_from(&mut self, place: u16, keys: &Digits, fx: &mut Effects<'_>) {
        let call = self.id;
        let Some(other) = self.other(place) else { return };
        let Some(leg) = self.leg(other) else { return };
        let has_events = leg
            .session
            .agreed()
            .is_some_and(|agreed| agreed.codecs.iter().any(|agreed| agreed.codec.is_telephone_event()));
        match (has_events, leg.session.end(), &mut leg.wire) {
            (true, Some(end), _) => fx.media(MediaCommand::SendDtmf { end, digits: keys.clone() }),
            (_, _, Wire::Sip(sip)) => {
                for key in keys {
                    let body = format!("Signal={}\r\nDuration=160\r\n", key.as_char());
                    let kind = ContentType::of("application", "dtmf-relay");
                    sip.request(Method::Info, Some((kind, body.into())), fx);
                }
            }
            (_, _, Wire::Web(web)) => {
                for key in keys {
                    web.tell(WebEvent::Dtmf { call, digit: key.as_char() }, fx);
                }
            }
        }
    }

    /// The worker heard a key from the party of `place`: a page on the other side is told.
    pub(super) fn heard_digit(&mut self, place: u16, digit: Digit, fx: &mut Effects<'_>) {
        let call = self.id;
        let Some(other) = self.other(place) else { return };
        if let Some(web) = self.leg(other).and_then(|leg| leg.web()) {
            web.tell(WebEvent::Dtmf { call, digit: digit.as_char() }, fx);
        }
    }
}
