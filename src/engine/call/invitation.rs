//! What our INVITEs say.

use bytes::Bytes;

use crate::engine::dialog::{Opening, session_timer};
use crate::engine::flow::Flow;
use crate::engine::settings::LinkCredentials;
use crate::sdp::SessionDescription;
use crate::sip::digest::{UserKeys, client};
use crate::sip::header::{CSeq, ContentType, MaxForwards, Tags};
use crate::sip::{
    HeaderName, Headers, Method, NameAddr, Request, Response, SipUri, StatusCode, Text, Transport,
};

/// What we understand; said in every INVITE and 2xx.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, REGISTER";

/// The Contact that brings requests of a party back to us.
pub fn our_contact(user: &str, flow: Flow) -> NameAddr {
    let mut uri = SipUri::new(Some(user), flow.local.ip().into(), Some(flow.local.port()));
    if flow.transport != Transport::Udp {
        uri = uri.with_param("transport", Some(flow.transport.uri_token()));
    }
    NameAddr::new(uri)
}

/// What an INVITE of ours says.
pub(super) struct Invitation<'a> {
    /// Who is called, by whom, through which proxies.
    pub opening: Opening,
    /// The caller's identity as we assert it (RFC 3325): to Asterisk, other offices and carriers, which trust us.
    pub asserted: Option<NameAddr>,
    /// More headers.
    pub more: Vec<(HeaderName, Text)>,
    /// The offer.
    pub offer: &'a SessionDescription,
    /// Hops left.
    pub max_forwards: u8,
    /// The session timer that we ask for.
    pub preference: session_timer::Preference,
}

/// Writes an INVITE.
pub(super) fn invite(invitation: &Invitation<'_>) -> Request {
    let mut request = invitation.opening.request(Method::Invite);
    let headers = &mut request.headers;
    headers.set(&MaxForwards(invitation.max_forwards));
    headers.push(HeaderName::Allow, Text::from_static(ALLOW));
    headers.push(HeaderName::Supported, Tags::of(&["100rel", "timer"]));
    if let Some(identity) = &invitation.asserted {
        headers.push(HeaderName::PAssertedIdentity, identity);
    }
    for (name, value) in &invitation.more {
        headers.push(name.clone(), value);
    }
    session_timer::offer(&mut request, invitation.preference, None);
    set_sdp(&mut request.headers, &mut request.body, invitation.offer);
    request
}

/// Makes a description the body.
pub(super) fn set_sdp(headers: &mut Headers, body: &mut Bytes, description: &SessionDescription) {
    headers.set(&ContentType::sdp());
    *body = Bytes::from(description.to_string());
}

/// Gives a request that is sent anew the next number (RFC 3261 §8.1.3.5).
pub(super) fn renumber(request: &mut Request) {
    let number = request.cseq().map_or(1, |cseq| cseq.number).saturating_add(1);
    let method = request.method.clone();
    request.headers.set(&CSeq { number, method });
}

/// The same INVITE with a longer session interval, after a 422 (RFC 4028 §7.3).
pub(super) fn again_with_longer_session(invite: &Request, preference: session_timer::Preference) -> Request {
    let mut request = invite.clone();
    renumber(&mut request);
    session_timer::offer(&mut request, preference, None);
    request
}

/// The same request with the answer to a challenge; nothing when it has one already, or we cannot answer.
pub fn again_with_proof(
    request: &Request,
    response: &Response,
    known: &LinkCredentials,
    cnonce: u64,
) -> Option<Request> {
    let (asks, answers) = if response.status == StatusCode::UNAUTHORIZED {
        (HeaderName::WwwAuthenticate, HeaderName::Authorization)
    } else {
        (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization)
    };
    if request.headers.has(&answers) {
        return None;
    }
    let challenges = response.headers.challenges(&asks);
    let challenge = client::choose(&challenges).ok()?;
    let keys = UserKeys::new(&known.username, &challenge.realm, &known.password);
    let cnonce = format!("{cnonce:016x}");
    let proof =
        client::answer(challenge, &known.username, &keys, (&request.method, &request.uri), &cnonce, 1)
            .ok()?;
    let mut request = request.clone();
    renumber(&mut request);
    request.headers.push(answers, proof.to_string());
    Some(request)
}
