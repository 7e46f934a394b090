//! Where a caller for help is, in an INVITE (RFC 6442).
//!
//! | the link says | Geolocation | body |
//! | --- | --- | --- |
//! | `headers` | the `geo:` URI of the place, if it has one | SDP |
//! | `pidf-lo` | `cid:` of the second part | SDP, and the place as PIDF-LO |
//!
//! The address for people stands in a header either way. A peer that cannot take the body is asked again without it, at once:
//! nobody who calls for help is refused for where they are.

use bytes::Bytes;

use super::books::Asked;
use super::effects::Effects;
use super::invitation::renumber;
use super::model::Call;
use super::sip_leg::Stage;
use crate::engine::routing::Place;
use crate::sip::header::ContentType;
use crate::sip::{HeaderName, Request, StatusCode, Text, body, pidf_lo};

/// Where a caller for help is, for people.
const FOR_PEOPLE: &str = "X-Emergency-Location";
/// Longest location that another office may tell, in characters.
const LONGEST_TOLD: usize = 256;
/// Parts the bodies. Our descriptions have no line that begins with it.
const BOUNDARY: &str = "branchline-location";

/// The headers that say where a caller for help is; none for other calls.
pub(super) fn headers(call: &Call) -> Vec<(HeaderName, Text)> {
    let Some(place) = &call.place else { return Vec::new() };
    let mut headers = vec![(HeaderName::from_static("Priority"), Text::from_static("emergency"))];
    if let Some(geo) = &place.geo {
        headers.push((HeaderName::Geolocation, Text::from(format!("<{geo}>"))));
        headers.push((HeaderName::GeolocationRouting, Text::from_static("yes")));
    }
    if let Some(civic) = &place.civic {
        headers.push((HeaderName::from_static(FOR_PEOPLE), Text::from(quoted(civic))));
    }
    headers
}

/// The place that another office told with its caller's call for help; none when it told none.
pub(super) fn told(invite: &Request) -> Option<Place> {
    let value = |name: &HeaderName| invite.headers.get(name).map(|value| value.as_str().trim());
    let geo = value(&HeaderName::Geolocation)
        .and_then(|value| value.strip_prefix('<')?.strip_suffix('>'))
        .filter(|geo| geo.len() <= LONGEST_TOLD && pidf_lo::is_point(geo));
    let civic = value(&HeaderName::from_static(FOR_PEOPLE))
        .and_then(|value| value.strip_prefix('"')?.strip_suffix('"'))
        .filter(|civic| !civic.is_empty() && civic.chars().count() <= LONGEST_TOLD);
    if geo.is_none() && civic.is_none() {
        return None;
    }
    Some(Place { geo: geo.map(str::to_owned), civic: civic.map(str::to_owned), ..Place::default() })
}

/// Puts the place into the body of an INVITE, beside the description that is there.
pub(super) fn enclose(invite: &mut Request, place: &Place, realm: &str) {
    let location =
        pidf_lo::Location { entity: realm, geo: place.geo.as_deref(), civic: place.civic.as_deref() };
    let Some(document) = location.document() else { return };
    let Ok(description) = std::str::from_utf8(&invite.body) else { return };
    let whole = format!(
        "--{BOUNDARY}\r\nContent-Type: application/sdp\r\n\r\n{description}\r\n--{BOUNDARY}\r\n\
         Content-Type: application/{}\r\nContent-ID: <caller@{realm}>\r\n\r\n{document}\r\n--{BOUNDARY}--\r\n",
        pidf_lo::SUBTYPE
    );
    let kind = format!("multipart/mixed;boundary={BOUNDARY}");
    invite.headers.replace(HeaderName::ContentType, Text::from(kind));
    invite.headers.replace(HeaderName::Geolocation, Text::from(format!("<cid:caller@{realm}>")));
    invite.headers.replace(HeaderName::GeolocationRouting, Text::from_static("yes"));
    invite.body = Bytes::from(whole);
}

/// Whether a refusal may be for the body.
pub(super) const fn may_be_for_the_body(status: StatusCode) -> bool {
    // Bad Request, Unsupported Media Type, Bad Location Information, Not Acceptable Here, Message Too Large.
    matches!(status.code(), 400 | 415 | 424 | 488 | 513)
}

impl Call {
    /// Asks the peer of `place` once more, without the place in the body; `false` if it was not there.
    pub(super) fn ask_without_location(&mut self, place: u16, fx: &mut Effects<'_>) -> bool {
        let id = self.leg_id(place);
        let where_ = self.place.clone();
        let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) else { return false };
        let Stage::Outgoing { invite, .. } = &sip.stage else { return false };
        let Some(again) = without(invite, where_.as_deref()) else { return false };
        let Some(client) = sip.invite_again(again, fx) else { return false };
        fx.books.note_client(client, id, Asked::Invite);
        true
    }
}

/// The same INVITE with the description alone.
fn without(invite: &Request, place: Option<&Place>) -> Option<Request> {
    if body::kind(&invite.headers, &invite.body) != body::BodyKind::Multipart {
        return None;
    }
    let mut again = invite.clone();
    again.body = body::session_description(&invite.headers, &invite.body)?;
    again.headers.set(&ContentType::sdp());
    match place.and_then(|place| place.geo.as_deref()) {
        Some(geo) => {
            again.headers.replace(HeaderName::Geolocation, Text::from(format!("<{geo}>")));
        }
        None => drop(again.headers.remove(&HeaderName::Geolocation)),
    }
    renumber(&mut again);
    Some(again)
}

/// A quoted string that no reader of headers can misread.
fn quoted(text: &str) -> String {
    let plain: String =
        text.chars().filter(|c| !c.is_control()).map(|c| if c == '"' { '\'' } else { c }).collect();
    format!("\"{}\"", plain.replace('\\', "/"))
}
