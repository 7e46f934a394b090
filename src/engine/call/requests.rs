//! Requests of a party in its dialog: re-INVITE, UPDATE, INFO, BYE, OPTIONS; its CANCEL, ACK and PRACK.

use super::cause::Cause;
use super::digits::{self, InfoDigits};
use super::effects::Effects;
use super::exchange::Reply;
use super::leg::Wire;
use super::model::{Call, CallerOffer};
use super::sip_leg::{ALLOW, Exchange, set_sdp};
use crate::engine::transaction::ServerId;
use crate::sdp::SessionDescription;
use crate::sip::{HeaderName, Method, Request, Response, StatusCode, Text};

impl Call {
    /// A request in the dialog of `place`.
    pub(super) fn request_from(
        &mut self,
        place: u16,
        server: ServerId,
        request: Request,
        fx: &mut Effects<'_>,
    ) {
        let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) else { return };
        let Some(dialog) = &mut sip.dialog else { return };
        if let Err(refusal) = dialog.receive(&request) {
            let response = dialog.response(&request, refusal.status());
            fx.refused("dialog", refusal.as_str());
            return super::send_response(server, response, fx);
        }
        match request.method {
            Method::Bye => self.bye_from(place, server, &request, fx),
            Method::Invite | Method::Update => self.offer_request(place, server, request, fx),
            Method::Info => self.info_from(place, server, &request, fx),
            Method::Options => self.respond(place, server, &request, StatusCode::OK, fx),
            _ => self.respond(place, server, &request, StatusCode::METHOD_NOT_ALLOWED, fx),
        }
    }

    fn bye_from(&mut self, place: u16, server: ServerId, request: &Request, fx: &mut Effects<'_>) {
        self.respond(place, server, request, StatusCode::OK, fx);
        if self.winner.is_some_and(|winner| winner == place) || place == 0 {
            self.end(Cause::HungUp, Some(place), fx);
        } else if let Some(leg) = self.leg(place) {
            leg.state = super::leg::LegState::Ended(Cause::HungUp);
        }
    }

    fn offer_request(&mut self, place: u16, server: ServerId, request: Request, fx: &mut Effects<'_>) {
        let is_invite = request.method == Method::Invite;
        if let Some(status) = self.cannot_exchange(place, is_invite) {
            let mut response = self.response(place, &request, status);
            if status == StatusCode::SERVER_INTERNAL_ERROR {
                response.headers.push(HeaderName::RetryAfter, Text::from_static("1"));
            }
            return super::send_response(server, response, fx);
        }
        self.refreshed(place, &request, fx);
        if !request.has_sdp() {
            return if is_invite {
                self.offer_in_answer(place, server, &request, fx)
            } else {
                self.accept_exchange(place, server, &request, None, fx)
            };
        }
        let Ok(offer) = SessionDescription::parse(&request.body) else {
            fx.refused("sdp", "malformed");
            return self.respond(place, server, &request, StatusCode::BAD_REQUEST, fx);
        };
        let reply = self.offer_from(place, &offer, fx);
        self.reply_to_offer(place, server, &request, reply, fx);
    }

    /// Answers the request that offered, now or when the other leg has spoken.
    pub(super) fn reply_to_offer(
        &mut self,
        place: u16,
        server: ServerId,
        request: &Request,
        reply: Reply,
        fx: &mut Effects<'_>,
    ) {
        match reply {
            Reply::Answer(answer) => self.accept_exchange(place, server, request, Some(&answer), fx),
            Reply::Refuse(status) => self.respond(place, server, request, status, fx),
            Reply::Later => {
                if let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) {
                    sip.exchange = Exchange::Theirs { server, request: Box::new(request.clone()) };
                }
            }
        }
    }

    /// Why an offer cannot be taken now: 491 while ours is out, 500 while theirs is (RFC 3261 §14.2, RFC 3311 §5.2).
    fn cannot_exchange(&mut self, place: u16, is_invite: bool) -> Option<StatusCode> {
        let leg = self.leg(place)?;
        if !leg.state.is_live() {
            return Some(StatusCode::CALL_DOES_NOT_EXIST);
        }
        let is_up = leg.state == super::leg::LegState::Up;
        let offering = leg.session.is_offering();
        match &leg.sip()?.exchange {
            Exchange::Ours { .. } => Some(StatusCode::REQUEST_PENDING),
            Exchange::Theirs { .. } => Some(StatusCode::SERVER_INTERNAL_ERROR),
            Exchange::AckAnswers if !is_invite => Some(StatusCode::REQUEST_PENDING),
            _ if offering => Some(StatusCode::REQUEST_PENDING),
            _ if !is_up && is_invite => Some(StatusCode::SERVER_INTERNAL_ERROR),
            _ => None,
        }
    }

    /// A re-INVITE without a description wants our offer; the ACK answers it.
    fn offer_in_answer(&mut self, place: u16, server: ServerId, request: &Request, fx: &mut Effects<'_>) {
        let codecs = self.agreed_codecs(place);
        let direction = self.wanted_towards(place);
        let Some(leg) = self.leg(place) else { return };
        match leg.session.offer(codecs, direction, fx) {
            Ok(offer) => {
                self.accept_exchange(place, server, request, Some(&offer), fx);
                if let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) {
                    sip.exchange = Exchange::AckAnswers;
                }
            }
            Err(cause) => self.respond(place, server, request, cause.status(), fx),
        }
    }

    fn accept_exchange(
        &mut self,
        place: u16,
        server: ServerId,
        request: &Request,
        description: Option<&SessionDescription>,
        fx: &mut Effects<'_>,
    ) {
        let mut response = self.response(place, request, StatusCode::OK);
        response.headers.push(HeaderName::Allow, Text::from_static(ALLOW));
        self.say_session_timer(place, request, &mut response, fx);
        if let Some(description) = description {
            set_sdp(&mut response.headers, &mut response.body, description);
        }
        if request.method == Method::Invite {
            fx.books.note_server(server, self.leg_id(place));
        }
        super::send_response(server, response, fx);
    }

    /// DTMF by INFO becomes telephone events, or INFO, on the other side.
    fn info_from(&mut self, place: u16, server: ServerId, request: &Request, fx: &mut Effects<'_>) {
        match digits::of_info(request) {
            InfoDigits::Digits(keys) => {
                self.respond(place, server, request, StatusCode::OK, fx);
                self.digits_from(place, &keys, fx);
            }
            InfoDigits::Empty => self.respond(place, server, request, StatusCode::OK, fx),
            InfoDigits::Unknown => {
                let mut response = self.response(place, request, StatusCode::UNSUPPORTED_MEDIA_TYPE);
                response
                    .headers
                    .push(HeaderName::Accept, Text::from_static("application/dtmf-relay, application/dtmf"));
                super::send_response(server, response, fx);
            }
        }
    }

    /// The caller's CANCEL.
    pub(super) fn cancelled(&mut self, fx: &mut Effects<'_>) {
        self.end(Cause::Cancelled, None, fx);
    }

    /// The ACK of a 2xx of ours: it may answer our offer.
    pub(super) fn acknowledged(&mut self, place: u16, ack: &Request, fx: &mut Effects<'_>) {
        let is_first_late = place == 0 && matches!(self.offer, CallerOffer::Late);
        let Some(leg) = self.leg(place) else { return };
        if !leg.session.is_offering() {
            return;
        }
        let answer = SessionDescription::parse(&ack.body).map_err(|_| Cause::BadDescription);
        let taken = answer.and_then(|answer| leg.session.read_answer(&answer, fx));
        if let Some(sip) = leg.sip() {
            sip.exchange = Exchange::Idle;
        }
        match taken {
            Ok(()) => self.bridge(fx),
            Err(_) if is_first_late => self.end(Cause::NoCommonMedia, None, fx),
            Err(_) => {
                if let Some(leg) = self.leg(place) {
                    leg.session.withdraw();
                }
            }
        }
        self.resync(place, fx);
    }

    /// A PRACK for a reliable provisional response of ours.
    pub(super) fn pracked(&mut self, place: u16, server: ServerId, request: &Request, fx: &mut Effects<'_>) {
        if let Some(dialog) = self.leg(place).and_then(|leg| leg.sip()).and_then(|sip| sip.dialog.as_mut())
            && let Err(refusal) = dialog.receive(request)
        {
            fx.refused("dialog", refusal.as_str());
        }
        self.respond(place, server, request, StatusCode::OK, fx);
    }

    /// Answers a request in the dialog of `place`.
    pub(super) fn respond(
        &mut self,
        place: u16,
        server: ServerId,
        request: &Request,
        status: StatusCode,
        fx: &mut Effects<'_>,
    ) {
        let response = self.response(place, request, status);
        super::send_response(server, response, fx);
    }

    fn response(&mut self, place: u16, request: &Request, status: StatusCode) -> Response {
        match self.leg(place).map(|leg| &leg.wire) {
            Some(Wire::Sip(sip)) => sip.response(request, status),
            _ => Response::to_request(request, status, None),
        }
    }
}
