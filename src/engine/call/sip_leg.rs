//! The SIP side of a leg: one INVITE, one dialog, and the exchanges in it.
//!
//! | stage | event | next |
//! | --- | --- | --- |
//! | Incoming | `provisional` | Incoming |
//! | Incoming | `accept` | Open |
//! | Incoming | `refuse` | Closed |
//! | Outgoing | 1xx with a tag | Outgoing, with an early dialog |
//! | Outgoing | 422 | Outgoing, with a longer session interval |
//! | Outgoing | nothing at all within the first-response time | Closed; a late 2xx is ended by `abandoned` |
//! | Outgoing | 2xx | Open |
//! | Outgoing | `give_up` (CANCEL) | Cancelled |
//! | Outgoing, Cancelled | 3xx–6xx, failure | Closed |
//! | Cancelled | 2xx that crossed | acknowledged and ended by BYE; Closed |
//! | Open | BYE either way | Closed |
//! | Open, our 2xx is not acknowledged | `end` | Parting |
//! | Parting | ACK, or none in time | BYE; Closed |
//! | Open, Parting | a reliable 1xx before our 2xx was never acknowledged | 500 instead of the 2xx; Closed |

use bytes::Bytes;

use super::cause::Cause;
use super::effects::Effects;
use super::invitation::{ALLOW, again_with_longer_session, set_sdp};
use crate::engine::dialog::Dialog;
use crate::engine::dialog::session_timer::{self, Preference};
use crate::engine::flow::Flow;
use crate::engine::transaction::{ClientId, RequestOptions, ServerId};
use crate::sdp::{Direction, SessionDescription};
use crate::sip::header::{ContentType, Refresher};
use crate::sip::{HeaderName, Method, Request, Response, StatusCode, Text};

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
        /// The party's INVITE, if it called, until it acknowledges our 2xx.
        unacknowledged: Option<(ServerId, Box<Request>)>,
    },
    /// We hang up on the caller, which has not acknowledged our 2xx yet: the BYE waits for that (RFC 3261 §15).
    Parting {
        /// Its INVITE.
        server: ServerId,
        /// Its INVITE.
        invite: Box<Request>,
        /// Why.
        cause: Cause,
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
        /// What the party wanted before.
        before: Direction,
    },
    /// Our 2xx offered; their ACK answers (a late offer).
    AckAnswers,
    /// Both sides asked at once (491): ours is sent again after a while.
    Backoff,
}

/// The SIP side of a leg.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent capabilities of the party, as its messages state them"
)]
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
    /// Whether the party takes no others.
    pub requires_reliable: bool,
    /// Whether we refresh the session (RFC 4028).
    pub we_refresh: bool,
    /// The session interval after a 422; else what the office prefers.
    pub preference: Option<Preference>,
}

impl SipLeg {
    /// A leg on which the party called.
    pub fn incoming(flow: Flow, server: ServerId, invite: Request, dialog: Dialog) -> Self {
        let supported = invite.option_tags(&HeaderName::Supported).unwrap_or_default();
        let required = invite.option_tags(&HeaderName::Require).unwrap_or_default();
        Self {
            flow,
            takes_update: takes_update(&invite.headers),
            takes_reliable: supported.has("100rel") || required.has("100rel"),
            requires_reliable: required.has("100rel"),
            we_refresh: false,
            preference: None,
            stage: Stage::Incoming { server, invite: Box::new(invite) },
            dialog: Some(dialog),
            exchange: Exchange::Idle,
        }
    }

    /// Calls the party: sends the INVITE.
    pub fn outgoing(
        flow: Flow,
        invite: Request,
        options: RequestOptions,
        fx: &mut Effects<'_>,
    ) -> Result<Self, Cause> {
        let sent = fx.layer.request(fx.now, flow, invite.clone(), options);
        let client = sent.map_err(|_| Cause::Limit)?;
        Ok(Self {
            flow,
            stage: Stage::Outgoing { client, invite: Box::new(invite) },
            dialog: None,
            exchange: Exchange::Idle,
            takes_update: false,
            takes_reliable: true,
            requires_reliable: false,
            we_refresh: false,
            preference: None,
        })
    }

    /// The party wants a longer session interval (422): asks once more. The new transaction.
    pub fn call_again(
        &mut self,
        response: &Response,
        preference: Preference,
        fx: &mut Effects<'_>,
    ) -> Option<ClientId> {
        let Stage::Outgoing { invite, .. } = &self.stage else { return None };
        if self.preference.is_some() {
            return None;
        }
        let raised = session_timer::raised(preference, response)?;
        let again = again_with_longer_session(invite, raised);
        let client = self.invite_again(again, fx)?;
        self.preference = Some(raised);
        Some(client)
    }

    /// Sends another INVITE in place of one that was refused. The new transaction.
    pub fn invite_again(&mut self, invite: Request, fx: &mut Effects<'_>) -> Option<ClientId> {
        let client = fx.layer.request(fx.now, self.flow, invite.clone(), RequestOptions::default()).ok()?;
        self.dialog = None;
        self.stage = Stage::Outgoing { client, invite: Box::new(invite) };
        Some(client)
    }

    /// Sends a provisional response, reliably if it carries a description and the caller takes that.
    pub fn provisional(&self, status: StatusCode, sdp: Option<&SessionDescription>, fx: &mut Effects<'_>) {
        let (Stage::Incoming { server, invite }, Some(dialog)) = (&self.stage, &self.dialog) else { return };
        let mut response = dialog.response(invite, status);
        if let Some(description) = sdp {
            set_sdp(&mut response.headers, &mut response.body, description);
        }
        let sent = if self.requires_reliable || (sdp.is_some() && self.takes_reliable) {
            fx.layer.respond_reliably(fx.now, *server, response)
        } else {
            fx.layer.respond(fx.now, *server, response)
        };
        if let Err(refusal) = sent {
            fx.refused("call", super::refusal_label(refusal));
        }
    }

    /// Accepts the call. Its ACK will come.
    pub fn accept(&mut self, mut response: Response, fx: &mut Effects<'_>) {
        let Stage::Incoming { server, invite } = std::mem::replace(&mut self.stage, Stage::Closed) else {
            return;
        };
        response.headers.push(HeaderName::Allow, Text::from_static(ALLOW));
        if let Some(dialog) = &mut self.dialog {
            dialog.confirm();
        }
        self.stage = Stage::Open { invited: None, unacknowledged: Some((server, invite)) };
        fx.respond(server, response);
    }

    /// The party never acknowledged a reliable provisional response: whatever we said since is not sent any more, the
    /// INVITE gets a 500 (RFC 3262 §3).
    pub fn give_up_unheard(&mut self, cause: Cause, fx: &mut Effects<'_>) {
        match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Open { unacknowledged: Some((server, invite)), .. }
            | Stage::Parting { server, invite, .. } => {
                self.stage = Stage::Incoming { server, invite };
                self.refuse(cause, cause.in_words(), fx);
            }
            stage => self.stage = stage,
        }
    }

    /// Refuses the call, and says why in words that a display can show (RFC 3261 §20.43).
    pub fn refuse(&mut self, cause: Cause, words: &'static str, fx: &mut Effects<'_>) {
        let stage = std::mem::replace(&mut self.stage, Stage::Closed);
        let (Stage::Incoming { server, invite }, Some(dialog)) = (stage, &self.dialog) else { return };
        let mut response = dialog.response(&invite, cause.status());
        response.headers.remove(&HeaderName::Contact);
        if let Some(phrase) = cause.phrase() {
            response.reason = Text::from_static(phrase);
        }
        if cause.status() != StatusCode::REQUEST_TERMINATED {
            let warning = format!("399 {} \"{words}\"", fx.settings.office);
            response.headers.push(HeaderName::Warning, Text::from(warning));
        }
        if let Some(reason) = cause.reason_header() {
            response.headers.push(HeaderName::Reason, Text::from_static(reason));
        }
        if cause.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers.push(HeaderName::RetryAfter, Text::from_static("5"));
        }
        fx.respond(server, response);
    }

    /// Lets go of the party: refuses with these words, cancels or says goodbye, whatever its stage wants.
    pub fn end(&mut self, cause: Cause, words: &'static str, fx: &mut Effects<'_>) {
        match std::mem::replace(&mut self.stage, Stage::Closed) {
            stage @ Stage::Incoming { .. } => {
                self.stage = stage;
                self.refuse(cause, words, fx);
            }
            Stage::Outgoing { client, invite } => {
                let reason = cause.reason_header();
                if fx.layer.cancel(fx.now, client, reason).is_ok() {
                    self.stage = Stage::Cancelled { client, invite };
                }
            }
            Stage::Open { unacknowledged: Some((server, invite)), .. } => {
                self.stage = Stage::Parting { server, invite, cause };
            }
            Stage::Open { .. } => self.bye(cause, fx),
            stage @ (Stage::Cancelled { .. } | Stage::Parting { .. }) => self.stage = stage,
            Stage::Closed => {}
        }
    }

    /// The party has our 2xx, or never will: a BYE that waited for that goes out.
    pub fn heard(&mut self, fx: &mut Effects<'_>) {
        match &mut self.stage {
            Stage::Open { unacknowledged, .. } => *unacknowledged = None,
            Stage::Parting { cause, .. } => {
                let cause = *cause;
                self.stage = Stage::Closed;
                self.bye(cause, fx);
            }
            _ => {}
        }
    }

    /// A 2xx to our INVITE: the dialog is there, the ACK goes out.
    pub fn opened_by(&mut self, response: &Response, fx: &mut Effects<'_>) -> Result<(), Cause> {
        let stage = std::mem::replace(&mut self.stage, Stage::Closed);
        let (Stage::Outgoing { client, invite } | Stage::Cancelled { client, invite }) = stage else {
            return Err(Cause::BadDescription);
        };
        let known =
            self.dialog.take().filter(|dialog| response.to_tag().as_ref() == Some(&dialog.id().remote_tag));
        let dialog = match known {
            // Its CSeq goes on: PRACKs were sent in it.
            Some(mut early) => early.confirmed_by(response).map(|()| early),
            None => Dialog::as_uac(&invite, response, self.flow),
        };
        let dialog = dialog.map_err(|_| Cause::BadDescription)?;
        let ack = dialog.ack_for(invite.cseq().map_or(1, |cseq| cseq.number));
        // A table that is full leaves the peer repeating its 2xx; it ends by its own timers.
        if let Err(refusal) = fx.layer.ack_2xx(fx.now, self.flow, client, ack) {
            fx.refused("call", super::request_refusal_label(refusal));
        }
        self.takes_update = takes_update(&response.headers);
        self.dialog = Some(dialog);
        self.stage = Stage::Open { invited: Some((client, invite)), unacknowledged: None };
        Ok(())
    }

    /// Sends a request in the dialog.
    pub fn request(
        &mut self,
        method: Method,
        body: Option<(ContentType, Bytes)>,
        fx: &mut Effects<'_>,
    ) -> Option<(ClientId, u32)> {
        let preference = self.preference.unwrap_or_else(|| super::refresh::preference(fx));
        let dialog = self.dialog.as_mut()?;
        let mut request = dialog.request(method);
        if matches!(request.method, Method::Invite | Method::Update) {
            request.headers.push(HeaderName::Allow, Text::from_static(ALLOW));
            let refresher = if self.we_refresh { Refresher::Uac } else { Refresher::Uas };
            session_timer::offer(&mut request, preference, Some(refresher));
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

/// Whether a peer's Allow names UPDATE.
pub(super) fn takes_update(headers: &crate::sip::Headers) -> bool {
    headers.option_tags(&HeaderName::Allow).is_ok_and(|allow| allow.allows(&Method::Update))
}
