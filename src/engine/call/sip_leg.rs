//! The SIP side of a leg: one INVITE, one dialog, and the exchanges in it.
//!
//! | stage | event | next |
//! | --- | --- | --- |
//! | Incoming | `provisional` | Incoming |
//! | Incoming | `accept` | Open |
//! | Incoming | `refuse` | Closed |
//! | Outgoing | 1xx with a tag | Outgoing, with an early dialog |
//! | Outgoing | 2xx | Open |
//! | Outgoing | `give_up` (CANCEL) | Cancelled |
//! | Outgoing, Cancelled | 3xx–6xx, failure | Closed |
//! | Cancelled | 2xx that crossed | acknowledged and ended by BYE; Closed |
//! | Open | BYE either way | Closed |

use bytes::Bytes;

use super::cause::Cause;
use super::effects::Effects;
use crate::engine::dialog::session_timer;
use crate::engine::dialog::{Dialog, Opening};
use crate::engine::flow::Flow;
use crate::engine::transaction::{ClientId, RequestOptions, ServerId};
use crate::sdp::SessionDescription;
use crate::sip::header::{ContentType, Tags};
use crate::sip::{HeaderName, Method, NameAddr, Request, Response, StatusCode, Text, Transport};

/// What we understand; said in every INVITE and 2xx.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, REGISTER";

/// How far the dialog of a leg is.
#[derive(Debug)]
pub enum Stage {
    /// The party called us and waits for our final response.
    Incoming {
        /// Its INVITE.
        server: ServerId,
        /// Its INVITE.
        invite: Box<Request>,
    },
    /// We called the party.
    Outgoing {
        /// Our INVITE.
        client: ClientId,
        /// Our INVITE.
        invite: Box<Request>,
    },
    /// We called it and gave up; its final response is awaited.
    Cancelled {
        /// Our INVITE.
        client: ClientId,
        /// Our INVITE.
        invite: Box<Request>,
    },
    /// A 2xx was exchanged.
    Open {
        /// Our INVITE, if we called: further 2xx of it may come from forks.
        invited: Option<(ClientId, Box<Request>)>,
    },
    /// Over.
    Closed,
}

/// An exchange of offer and answer in the open dialog; one at a time (RFC 3261 §14.1, RFC 3311 §5.2).
#[derive(Debug)]
pub enum Exchange {
    /// None.
    Idle,
    /// Our re-INVITE waits for its final response.
    Ours {
        /// The transaction.
        client: ClientId,
        /// Its CSeq, for the ACK.
        cseq: u32,
        /// Whether it also carries the other leg's change of codec.
        relayed: bool,
    },
    /// Their re-INVITE or UPDATE waits until the other leg has answered.
    Theirs {
        /// The transaction.
        server: ServerId,
        /// The request.
        request: Box<Request>,
    },
    /// Our 2xx offered; their ACK answers (a late offer).
    AckAnswers,
    /// Both sides asked at once (491): ours is sent again after a while.
    Backoff,
}

/// The SIP side of a leg.
#[derive(Debug)]
pub struct SipLeg {
    /// Where the party is.
    pub flow: Flow,
    /// How far it is.
    pub stage: Stage,
    /// The dialog, once there is one.
    pub dialog: Option<Dialog>,
    /// The exchange under way.
    pub exchange: Exchange,
    /// Whether the party takes UPDATE (RFC 3311).
    pub takes_update: bool,
    /// Whether the party takes reliable provisional responses (RFC 3262).
    pub takes_reliable: bool,
    /// What the other party is called here: From of our INVITE, display and number.
    pub contact: NameAddr,
}

/// The Contact that brings requests of a party back to us.
pub fn our_contact(user: &str, flow: Flow) -> NameAddr {
    let mut uri = crate::sip::SipUri::new(Some(user), flow.local.ip().into(), Some(flow.local.port()));
    if flow.transport != Transport::Udp {
        uri = uri.with_param("transport", Some(flow.transport.uri_token()));
    }
    NameAddr::new(uri)
}

impl SipLeg {
    /// A leg on which the party called.
    pub fn incoming(
        flow: Flow,
        server: ServerId,
        invite: Request,
        contact: NameAddr,
        dialog: Dialog,
    ) -> Self {
        let supported = invite.option_tags(&HeaderName::Supported).unwrap_or_default();
        let required = invite.option_tags(&HeaderName::Require).unwrap_or_default();
        Self {
            flow,
            takes_update: takes_update(&invite.headers),
            takes_reliable: supported.has("100rel") || required.has("100rel"),
            stage: Stage::Incoming { server, invite: Box::new(invite) },
            dialog: Some(dialog),
            exchange: Exchange::Idle,
            contact,
        }
    }

    /// Calls the party: sends the INVITE.
    pub fn outgoing(
        flow: Flow,
        contact: NameAddr,
        invite: Request,
        fx: &mut Effects<'_>,
    ) -> Result<Self, Cause> {
        let sent = fx.layer.request(fx.now, flow, invite.clone(), RequestOptions::default());
        let client = sent.map_err(|_| Cause::Limit)?;
        Ok(Self {
            flow,
            stage: Stage::Outgoing { client, invite: Box::new(invite) },
            dialog: None,
            exchange: Exchange::Idle,
            takes_update: false,
            takes_reliable: true,
            contact,
        })
    }

    /// Sends a provisional response, reliably if it carries a description and the caller takes that.
    pub fn provisional(&self, status: StatusCode, sdp: Option<&SessionDescription>, fx: &mut Effects<'_>) {
        let (Stage::Incoming { server, invite }, Some(dialog)) = (&self.stage, &self.dialog) else { return };
        let mut response = dialog.response(invite, status);
        if let Some(description) = sdp {
            set_sdp(&mut response.headers, &mut response.body, description);
        }
        let sent = if sdp.is_some() && self.takes_reliable {
            fx.layer.respond_reliably(fx.now, *server, response)
        } else {
            fx.layer.respond(fx.now, *server, response)
        };
        if let Err(refusal) = sent {
            fx.refused("call", super::refusal_label(refusal));
        }
    }

    /// Accepts the call. Returns the INVITE's transaction, whose ACK will come.
    pub fn accept(&mut self, mut response: Response, fx: &mut Effects<'_>) -> Option<ServerId> {
        let Stage::Incoming { server, .. } = &self.stage else { return None };
        let server = *server;
        response.headers.push(HeaderName::Allow, Text::from_static(ALLOW));
        if let Some(dialog) = &mut self.dialog {
            dialog.confirm();
        }
        self.stage = Stage::Open { invited: None };
        match fx.layer.respond(fx.now, server, response) {
            Ok(()) => Some(server),
            Err(refusal) => {
                fx.refused("call", super::refusal_label(refusal));
                None
            }
        }
    }

    /// Refuses the call.
    pub fn refuse(&mut self, cause: Cause, fx: &mut Effects<'_>) {
        let stage = std::mem::replace(&mut self.stage, Stage::Closed);
        let (Stage::Incoming { server, invite }, Some(dialog)) = (stage, &self.dialog) else { return };
        let mut response = dialog.response(&invite, cause.status());
        response.headers.remove(&HeaderName::Contact);
        if let Some(reason) = cause.reason_header() {
            response.headers.push(HeaderName::Reason, Text::from_static(reason));
        }
        if cause.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers.push(HeaderName::RetryAfter, Text::from_static("5"));
        }
        if let Err(refusal) = fx.layer.respond(fx.now, server, response) {
            fx.refused("call", super::refusal_label(refusal));
        }
    }

    /// Lets go of the party: refuses, cancels or says goodbye, whatever its stage wants.
    pub fn end(&mut self, cause: Cause, fx: &mut Effects<'_>) {
        match std::mem::replace(&mut self.stage, Stage::Closed) {
            stage @ Stage::Incoming { .. } => {
                self.stage = stage;
                self.refuse(cause, fx);
            }
            Stage::Outgoing { client, invite } => {
                let reason = cause.reason_header();
                if fx.layer.cancel(fx.now, client, reason).is_ok() {
                    self.stage = Stage::Cancelled { client, invite };
                }
            }
            stage @ Stage::Cancelled { .. } => self.stage = stage,
            Stage::Open { .. } => self.bye(cause, fx),
            Stage::Closed => {}
        }
    }

    /// A 2xx to our INVITE: the dialog is there, the ACK goes out.
    pub fn opened_by(&mut self, response: &Response, fx: &mut Effects<'_>) -> Result<(), Cause> {
        let (Stage::Outgoing { client, invite } | Stage::Cancelled { client, invite }) = &self.stage else {
            return Err(Cause::BadDescription);
        };
        let invited = Some((*client, invite.clone()));
        let mut dialog = Dialog::as_uac(invite, response, self.flow).map_err(|_| Cause::BadDescription)?;
        dialog.confirm();
        let cseq = invite.cseq().map_or(1, |cseq| cseq.number);
        let ack = dialog.ack_for(cseq);
        // A table that is full leaves the peer repeating its 2xx; it ends by its own timers.
        if let Err(refusal) = fx.layer.ack_2xx(fx.now, self.flow, *client, ack) {
            fx.refused("call", super::request_refusal_label(refusal));
        }
        self.takes_update = takes_update(&response.headers);
        self.dialog = Some(dialog);
        self.stage = Stage::Open { invited };
        Ok(())
    }

    /// Sends a request in the dialog.
    pub fn request(
        &mut self,
        method: Method,
        body: Option<(ContentType, Bytes)>,
        fx: &mut Effects<'_>,
    ) -> Option<(ClientId, u32)> {
        let dialog = self.dialog.as_mut()?;
        let mut request = dialog.request(method);
        if request.method == Method::Invite {
            request.headers.push(HeaderName::Allow, Text::from_static(ALLOW));
            request.headers.push(HeaderName::Supported, Text::from_static("timer"));
        }
        if let Some((kind, body)) = body {
            request.set_body(&kind, body);
        }
        let cseq = dialog.local_cseq();
        match fx.layer.request(fx.now, dialog.flow(), request, RequestOptions::default()) {
            Ok(client) => Some((client, cseq)),
            Err(refusal) => {
                fx.refused("call", super::request_refusal_label(refusal));
                None
            }
        }
    }

    /// Sends an offer in the dialog, by re-INVITE.
    pub fn reoffer(
        &mut self,
        offer: &SessionDescription,
        relayed: bool,
        fx: &mut Effects<'_>,
    ) -> Option<ClientId> {
        let body = (ContentType::sdp(), Bytes::from(offer.to_string()));
        let (client, cseq) = self.request(Method::Invite, Some(body), fx)?;
        self.exchange = Exchange::Ours { client, cseq, relayed };
        Some(client)
    }

    /// The response that this dialog gives to a request in it.
    pub fn response(&self, request: &Request, status: StatusCode) -> Response {
        match &self.dialog {
            Some(dialog) => dialog.response(request, status),
            None => Response::to_request(request, status, None),
        }
    }

    fn bye(&mut self, cause: Cause, fx: &mut Effects<'_>) {
        let Some(dialog) = &mut self.dialog else { return };
        let mut bye = dialog.bye();
        if let Some(reason) = cause.reason_header() {
            bye.headers.push(HeaderName::Reason, Text::from_static(reason));
        }
        if let Err(refusal) = fx.layer.request(fx.now, dialog.flow(), bye, RequestOptions::default()) {
            fx.refused("call", super::request_refusal_label(refusal));
        }
    }
}

/// What an INVITE of ours says.
pub struct Invitation<'a> {
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
pub fn invite(invitation: &Invitation<'_>) -> Request {
    let mut request = invitation.opening.request(Method::Invite);
    let headers = &mut request.headers;
    headers.set(&crate::sip::header::MaxForwards(invitation.max_forwards));
    headers.push(HeaderName::Allow, Text::from_static(ALLOW));
    headers.push(HeaderName::Supported, &Tags::of(&["100rel", "timer"]));
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
pub fn set_sdp(headers: &mut crate::sip::Headers, body: &mut Bytes, description: &SessionDescription) {
    headers.set(&ContentType::sdp());
    *body = Bytes::from(description.to_string());
}

fn takes_update(headers: &crate::sip::Headers) -> bool {
    headers.option_tags(&HeaderName::Allow).is_ok_and(|allow| allow.allows(&Method::Update))
}
