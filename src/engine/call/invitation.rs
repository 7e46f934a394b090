//! What our INVITEs say.

use bytes::Bytes;

use crate::engine::dialog::{Opening, session_timer};
use crate::engine::flow::Flow;
use crate::sdp::SessionDescription;
use crate::sip::header::{CSeq, ContentType, MaxForwards, Tags};
use crate::sip::{HeaderName, Headers, Method, NameAddr, Request, SipUri, Text, Transport};

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
    /// Whether to assert the caller's identity (RFC 3325): only to Asterisk, which trusts us.
    pub assert_identity: bool,
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
    if invitation.assert_identity {
        let mut identity = invitation.opening.from.clone();
        identity.params.remove("tag");
        headers.push(HeaderName::PAssertedIdentity, &identity);
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

/// The same INVITE with a longer session interval, after a 422 (RFC 4028 §7.3).
pub(super) fn again_with_longer_session(invite: &Request, preference: session_timer::Preference) -> Request {
    let mut request = invite.clone();
    let number = invite.cseq().map_or(1, |cseq| cseq.number).saturating_add(1);
    request.headers.set(&CSeq { number, method: Method::Invite });
    session_timer::offer(&mut request, preference, None);
    request
}
