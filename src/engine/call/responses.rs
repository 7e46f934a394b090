//! What becomes of requests of ours: the INVITE that calls a party, re-INVITEs, and the rest.

use super::abandoned::acknowledge_and_end;
use super::books::Asked;
use super::cause::Cause;
use super::effects::Effects;
use super::exchange::Outcome;
use super::leg::LegState;
use super::location::may_be_for_the_body;
use super::model::Call;
use super::sip_leg::{Exchange, Stage};
use crate::engine::dialog::Dialog;
use crate::engine::flow::Side;
use crate::engine::transaction::{ClientId, FailureReason, ReliableProvisional, RequestOptions};
use crate::sdp::SessionDescription;
use crate::sip::{Response, StatusCode};

impl Call {
    /// A response to a request of ours on the leg of `place`.
    pub(super) fn response_from(
        &mut self,
        place: u16,
        asked: Asked,
        client: ClientId,
        response: &Response,
        prack: Option<ReliableProvisional>,
        fx: &mut Effects<'_>,
    ) {
        if response.status.is_final() && asked != Asked::Invite {
            fx.books.forget_client(client);
        }
        match asked {
            Asked::Invite => self.invite_response(place, client, response, prack, fx),
            Asked::Reinvite => self.reinvite_response(place, client, response, fx),
            Asked::Refresh if response.status.is_success() => self.note_peer_timer(place, response, fx),
            Asked::Refresh if response.status == StatusCode::SESSION_INTERVAL_TOO_SMALL => {
                self.refresh_longer(place, response, fx);
            }
            Asked::Refresh | Asked::Within if response.status.is_final() => {
                self.within_response(place, response.status, fx);
            }
            Asked::Refresh | Asked::Within => {}
        }
    }

    /// No final response will come.
    pub(super) fn request_failed(
        &mut self,
        place: u16,
        asked: Asked,
        client: ClientId,
        reason: FailureReason,
        fx: &mut Effects<'_>,
    ) {
        fx.books.forget_client(client);
        fx.refused("transaction", reason.as_str());
        let lost_way = matches!(reason, FailureReason::TransportFailed(_));
        match asked {
            Asked::Invite => self.invite_failed(place, client, reason, fx),
            // The party may come back on another connection; if not, its media or its session end the call.
            Asked::Reinvite if lost_way => self.own_exchange_over(place, Outcome::Again, fx),
            Asked::Refresh | Asked::Within if lost_way => {}
            Asked::Reinvite => {
                self.own_exchange_over(place, Outcome::Refused, fx);
                self.end(Cause::ConnectionLost, None, fx);
            }
            Asked::Refresh | Asked::Within => self.within_response(place, StatusCode::REQUEST_TIMEOUT, fx),
        }
    }

    fn invite_failed(&mut self, place: u16, client: ClientId, reason: FailureReason, fx: &mut Effects<'_>) {
        let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) else { return };
        let flow = sip.flow;
        let stage = std::mem::replace(&mut sip.stage, Stage::Closed);
        let was_given_up = !matches!(stage, Stage::Outgoing { .. });
        if let (
            FailureReason::FirstResponseTimeout,
            Stage::Outgoing { invite, .. } | Stage::Cancelled { invite, .. },
        ) = (reason, stage)
        {
            fx.books.abandoned.keep(client, flow, invite, fx.now.instant);
        }
        if was_given_up {
            return;
        }
        self.link_invite_failed(place, reason, fx);
        if flow.side == Side::Asterisk {
            fx.asterisk_silent = true;
            return self.callee_failed(place, Cause::AsteriskDown, fx);
        }
        self.callee_failed(place, Cause::NextHopSilent, fx);
    }

    fn invite_response(
        &mut self,
        place: u16,
        client: ClientId,
        response: &Response,
        prack: Option<ReliableProvisional>,
        fx: &mut Effects<'_>,
    ) {
        self.link_responded(place, response.status, fx);
        if response.status.is_provisional() {
            return self.provisional_response(place, response, prack, fx);
        }
        if response.status.is_success() {
            return self.success_response(place, client, response, fx);
        }
        fx.books.forget_client(client);
        if response.status == StatusCode::SESSION_INTERVAL_TOO_SMALL && self.call_again(place, response, fx) {
            return;
        }
        let is_challenge =
            matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        if is_challenge && self.prove_to_link(place, response, fx) {
            return;
        }
        if may_be_for_the_body(response.status) && self.ask_without_location(place, fx) {
            return;
        }
        let was_cancelled = self.close_outgoing(place);
        if !was_cancelled {
            self.callee_failed(place, Cause::of_response(response.status), fx);
        }
    }

    fn call_again(&mut self, place: u16, response: &Response, fx: &mut Effects<'_>) -> bool {
        let id = self.leg_id(place);
        let preference = super::refresh::preference(fx);
        let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) else { return false };
        let Some(client) = sip.call_again(response, preference, fx) else { return false };
        fx.books.note_client(client, id, Asked::Invite);
        true
    }

    fn provisional_response(
        &mut self,
        place: u16,
        response: &Response,
        prack: Option<ReliableProvisional>,
        fx: &mut Effects<'_>,
    ) {
        let id = self.leg_id(place);
        let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) else { return };
        let Stage::Outgoing { invite, .. } = &sip.stage else { return };
        if response.to_tag().is_some()
            && sip.dialog.is_none()
            && let Ok(dialog) = Dialog::as_uac(invite, response, sip.flow)
        {
            sip.takes_update = super::sip_leg::takes_update(&response.headers);
            if fx.books.dialogs.insert(dialog.id(), id).is_err() {
                fx.refused("call", "dialogs-full");
            }
            sip.dialog = Some(dialog);
        }
        if let (Some(due), Some(dialog)) = (prack, sip.dialog.as_mut()) {
            let request = dialog.prack_for(due);
            match fx.layer.request(fx.now, sip.flow, request, RequestOptions::default()) {
                Ok(client) => fx.books.note_client(client, id, Asked::Within),
                Err(refusal) => fx.refused("call", super::request_refusal_label(refusal)),
            }
        }
        let description = response.sdp().and_then(|body| SessionDescription::parse(&body).ok());
        match description {
            Some(description) => self.early_media(place, &description, prack.is_some(), fx),
            None if response.status != StatusCode::TRYING => self.callee_rings(place, fx),
            None => {}
        }
    }

    fn success_response(&mut self, place: u16, client: ClientId, response: &Response, fx: &mut Effects<'_>) {
        let id = self.leg_id(place);
        let Some(leg) = self.leg(place) else { return };
        let is_live = leg.state.is_live();
        let Some(sip) = leg.sip() else { return };
        if matches!(sip.stage, Stage::Open { .. } | Stage::Closed) {
            return self.fork_answered(place, client, response, fx);
        }
        if let Some(early) = &sip.dialog {
            fx.books.dialogs.remove(early.id());
        }
        if sip.opened_by(response, fx).is_err() {
            fx.refused("call", "unusable-2xx");
            return self.callee_failed(place, Cause::BadDescription, fx);
        }
        if !is_live {
            // It crossed our CANCEL: acknowledged, now it is told that nobody is there.
            let cause = Cause::AnsweredElsewhere;
            return sip.end(cause, cause.in_words(), fx);
        }
        if let Some(dialog) = &sip.dialog
            && fx.books.dialogs.insert(dialog.id(), id).is_err()
        {
            fx.refused("call", "dialogs-full");
            self.drop_leg(place, Cause::Limit, fx);
            return self.callee_failed(place, Cause::Limit, fx);
        }
        self.note_peer_timer(place, response, fx);
        let description = response.sdp().and_then(|body| SessionDescription::parse(&body).ok());
        self.callee_answers(place, description.as_ref(), fx);
    }

    /// A second 2xx to the same INVITE, from another fork behind the next hop (§13.2.2.4): it is acknowledged and ended.
    fn fork_answered(&mut self, place: u16, client: ClientId, response: &Response, fx: &mut Effects<'_>) {
        fx.refused("call", "forked-2xx");
        let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) else { return };
        let Stage::Open { invited: Some((_, invite)), .. } = &sip.stage else { return };
        acknowledge_and_end(client, invite, sip.flow, response, fx);
    }

    fn reinvite_response(&mut self, place: u16, client: ClientId, response: &Response, fx: &mut Effects<'_>) {
        if response.status.is_provisional() {
            return;
        }
        if response.status.is_success() {
            self.acknowledge_reinvite(place, client, response, fx);
        }
        let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) else { return };
        if !matches!(&sip.exchange, Exchange::Ours { client: ours, .. } if *ours == client) {
            return;
        }
        if response.status.is_success() {
            self.note_peer_timer(place, response, fx);
            let answer = response.sdp().and_then(|body| SessionDescription::parse(&body).ok());
            let outcome = answer.as_ref().map_or(Outcome::Refused, Outcome::Answered);
            return self.own_exchange_over(place, outcome, fx);
        }
        let is_glare = response.status == StatusCode::REQUEST_PENDING;
        self.own_exchange_over(place, if is_glare { Outcome::Again } else { Outcome::Refused }, fx);
        if response.status == StatusCode::SESSION_INTERVAL_TOO_SMALL {
            self.refresh_longer(place, response, fx);
        }
        self.within_response(place, response.status, fx);
    }

    /// Also when nobody waits for it any more: the peer would repeat it.
    fn acknowledge_reinvite(
        &mut self,
        place: u16,
        client: ClientId,
        response: &Response,
        fx: &mut Effects<'_>,
    ) {
        let Some(dialog) = self.leg(place).and_then(|leg| leg.sip()).and_then(|sip| sip.dialog.as_mut())
        else {
            return;
        };
        dialog.receive_response(response);
        let Some(cseq) = response.cseq() else { return };
        let ack = dialog.ack_for(cseq.number);
        if let Err(refusal) = fx.layer.ack_2xx(fx.now, dialog.flow(), client, ack) {
            fx.refused("call", super::request_refusal_label(refusal));
        }
    }

    /// 481 and 408 to any request in a dialog mean that the peer has lost it (RFC 5057 §5.1).
    fn within_response(&mut self, place: u16, status: StatusCode, fx: &mut Effects<'_>) {
        let is_lost = matches!(status, StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT);
        if is_lost && self.legs.get(usize::from(place)).is_some_and(|leg| leg.state == LegState::Up) {
            self.end(Cause::ConnectionLost, Some(place), fx);
        }
    }

    /// The INVITE is over without a dialog. Whether it had been given up.
    fn close_outgoing(&mut self, place: u16) -> bool {
        let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) else { return true };
        let stage = std::mem::replace(&mut sip.stage, Stage::Closed);
        matches!(stage, Stage::Cancelled { .. } | Stage::Closed)
    }
}
