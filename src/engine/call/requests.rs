//! Requests of a party in its dialog: re-INVITE, UPDATE, INFO, BYE, OPTIONS; its CANCEL, ACK and PRACK.

use super::cause::Cause;
use super::digits::{self, InfoDigits};
use super::effects::Effects;
use super::exchange::Reply;
use super::invitation::{ALLOW, set_sdp};
use super::leg::{LegState, Wire};
use super::model::Call;
use super::sip_leg::{Exchange, Stage};
use crate::engine::transaction::ServerId;
use crate::sdp::SessionDescription;
use crate::sip::{HeaderName, Method, Request, Response, StatusCode, Text};

impl Call {
    /// A request in the dialog of `place`.
    pub(super) fn request_from(
        &mut self,
        place: u16,
        server: ServerId,
        request: &Request,
        fx: &mut Effects<'_>,
    ) {
        let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) else { return };
        let Some(dialog) = &mut sip.dialog else { return };
        if let Err(refusal) = dialog.receive(request) {
            let response = dialog.response(request, refusal.status());
            fx.refused("dialog", refusal.as_str());
            return super::send_response(server, response, fx);
        }
        match request.method {
            Method::Bye => self.bye_from(place, server, request, fx),
            Method::Invite | Method::Update => self.offer_request(place, server, request, fx),
            Method::Info => self.info_from(place, server, request, fx),
            Method::Options => self.respond(place, server, request, StatusCode::OK, fx),
            _ => {
                let mut response = self.response(place, request, StatusCode::METHOD_NOT_ALLOWED);
                response.headers.push(HeaderName::Allow, Text::from_static(ALLOW));
                super::send_response(server, response, fx);
            }
        }
    }

    fn bye_from(&mut self, place: u16, server: ServerId, request: &Request, fx: &mut Effects<'_>) {
        self.respond(place, server, request, StatusCode::OK, fx);
        let was_up = self.leg(place).is_some_and(|leg| leg.state == LegState::Up);
        if was_up {
            self.end(Cause::HungUp, Some(place), fx);
        } else if place == 0 {
            self.end(Cause::Cancelled, Some(place), fx);
        } else {
            // Its INVITE still waits for a final response.
            self.drop_leg(place, Cause::Declined, fx);
            self.callee_failed(place, Cause::Declined, fx);
        }
    }

    fn offer_request(&mut self, place: u16, server: ServerId, request: &Request, fx: &mut Effects<'_>) {
        let is_invite = request.method == Method::Invite;
        if let Some(status) = self.cannot_exchange(place, is_invite) {
            let mut response = self.response(place, request, status);
            response.headers.remove(&HeaderName::Contact);
            if status == StatusCode::SERVER_INTERNAL_ERROR {
                response.headers.push(HeaderName::RetryAfter, Text::from_static("1"));
            }
            return super::send_response(server, response, fx);
        }
        if let Some(least) = self.refreshed(place, request, fx) {
            let mut response = self.response(place, request, StatusCode::SESSION_INTERVAL_TOO_SMALL);
            response.headers.set(&least);
            return super::send_response(server, response, fx);
        }
        let Some(body) = request.sdp() else {
            return if is_invite {
                self.offer_in_answer(place, server, request, fx);
            } else {
                self.accept_exchange(place, server, request, None, fx);
            };
        };
        let Ok(offer) = SessionDescription::parse(&body) else {
            fx.refused("sdp", "malformed");
            return self.respond(place, server, request, StatusCode::BAD_REQUEST, fx);
        };
        let reply = self.offer_from(place, &offer, fx);
        self.reply_to_offer(place, server, request, reply, fx);
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
            Reply::Later(before) => {
                let id = self.leg_id(place);
                if let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) {
                    sip.exchange = Exchange::Theirs { server, request: Box::new(request.clone()), before };
                    fx.books.note_server(server, id);
                }
            }
        }
    }

    /// Why an offer cannot be taken now: 491 while ours is out, 500 while theirs is (RFC 3261 §14.2, RFC 3311 §5.2).
    fn cannot_exchange(&mut self, place: u16, is_invite: bool) -> Option<StatusCode> {
        let has_other = self.other(place).is_some();
        let leg = self.leg(place)?;
        if !leg.state.is_live() {
            return Some(StatusCode::CALL_DOES_NOT_EXIST);
        }
        let is_up = leg.state == LegState::Up;
        let offering = leg.session.is_offering();
        match &leg.sip()?.exchange {
            Exchange::Ours { .. } => Some(StatusCode::REQUEST_PENDING),
            Exchange::Theirs { .. } => Some(StatusCode::SERVER_INTERNAL_ERROR),
            Exchange::AckAnswers if !is_invite => Some(StatusCode::REQUEST_PENDING),
            _ if offering => Some(StatusCode::REQUEST_PENDING),
            // Its first offer is not answered yet.
            _ if !is_up && (is_invite || !has_other) => Some(StatusCode::SERVER_INTERNAL_ERROR),
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

    /// The party's CANCEL: of its call, or of a re-INVITE that waits for the other leg.
    pub(super) fn cancelled(&mut self, place: u16, invite: ServerId, fx: &mut Effects<'_>) {
        let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) else { return };
        match &sip.exchange {
            Exchange::Theirs { server, request, .. } if *server == invite => {
                let response = sip.response(request, StatusCode::REQUEST_TERMINATED);
                super::send_response(invite, response, fx);
                sip.exchange = Exchange::Idle;
            }
            _ if matches!(sip.stage, Stage::Incoming { .. }) => self.end(Cause::Cancelled, None, fx),
            _ => {}
        }
    }

    /// The ACK of a 2xx of ours: it may answer our offer.
    pub(super) fn acknowledged(&mut self, place: u16, ack: &Request, fx: &mut Effects<'_>) {
        let Some(leg) = self.leg(place) else { return };
        let Some(sip) = leg.sip() else { return };
        let is_first = matches!(sip.stage, Stage::Open { unacknowledged: Some(_), .. });
        sip.heard(fx);
        if !matches!(sip.exchange, Exchange::AckAnswers) {
            return;
        }
        sip.exchange = Exchange::Idle;
        if !leg.session.is_offering() {
            return;
        }
        let answer = ack.sdp().and_then(|body| SessionDescription::parse(&body).ok());
        let taken =
            answer.ok_or(Cause::BadDescription).and_then(|answer| leg.session.read_answer(&answer, fx));
        match taken {
            Ok(wanted) => {
                leg.wants = wanted;
                self.bridge(fx);
                self.tell_other_direction(place, fx);
            }
            Err(cause) if is_first => return self.end(cause, None, fx),
            Err(_) => leg.session.withdraw(),
        }
        self.resync(place, fx);
    }

    /// A 2xx of ours was never acknowledged (§13.3.1.4).
    pub(super) fn never_acknowledged(&mut self, place: u16, fx: &mut Effects<'_>) {
        if let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) {
            sip.heard(fx);
        }
        self.end(Cause::Unacknowledged, None, fx);
    }

    /// A reliable provisional response of ours was never acknowledged: the INVITE is refused, whatever was said since.
    pub(super) fn unheard(&mut self, place: u16, fx: &mut Effects<'_>) {
        if let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) {
            sip.give_up_unheard(Cause::Unacknowledged, fx);
        }
        self.end(Cause::Unacknowledged, None, fx);
    }

    /// A PRACK for a reliable provisional response of ours; it may offer anew (RFC 3262 §5).
    pub(super) fn pracked(&mut self, place: u16, server: ServerId, request: &Request, fx: &mut Effects<'_>) {
        let refused = self
            .leg(place)
            .and_then(|leg| leg.sip())
            .and_then(|sip| sip.dialog.as_mut())
            .and_then(|dialog| dialog.receive(request).err());
        if let Some(refusal) = refused {
            fx.refused("dialog", refusal.as_str());
        }
        if request.has_sdp() {
            return self.offer_request(place, server, request, fx);
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
