//! What becomes of requests of ours: the INVITE that calls a party, re-INVITEs, and the rest.

use super::books::Asked;
use super::cause::Cause;
use super::effects::Effects;
use super::exchange::Outcome;
use super::leg::LegState;
use super::model::Call;
use super::sip_leg::{Exchange, Stage};
use crate::engine::dialog::Dialog;
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
            Asked::Refresh | Asked::Within if response.status.is_final() => {
                self.within_response(place, response.status, fx)
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
        match asked {
            Asked::Invite => {
                let was_cancelled = self.close_outgoing(place);
                if !was_cancelled {
                    self.callee_failed(place, Cause::NextHopSilent, fx);
                }
            }
            Asked::Reinvite => {
                self.own_exchange_over(place, Outcome::Refused, fx);
                self.end(Cause::ConnectionLost, None, fx);
            }
            Asked::Refresh | Asked::Within => self.within_response(place, StatusCode::REQUEST_TIMEOUT, fx),
        }
    }

    fn invite_response(
        &mut self,
        place: u16,
        client: ClientId,
        response: &Response,
        prack: Option<ReliableProvisional>,
        fx: &mut Effects<'_>,
    ) {
        if response.status.is_provisional() {
            return self.provisional_response(place, response, prack, fx);
        }
        if response.status.is_success() {
            return self.success_response(place, response, fx);
        }
        fx.books.forget_client(client);
        let was_cancelled = self.close_outgoing(place);
        if !was_cancelled {
            self.callee_failed(place, Cause::of_response(response.status), fx);
        }
    }

    fn provisional_response(
        &mut self,
        place: u16,
        response: &Response,
        prack: Option<ReliableProvisional>,
        fx: &mut Effects<'_>,
    ) {
        let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) else { return };
        let Stage::Outgoing { invite, .. } = &sip.stage else { return };
        if response.to_tag().is_some() && sip.dialog.is_none() {
            sip.dialog = Dialog::as_uac(invite, response, sip.flow).ok();
        }
        if let (Some(due), Some(dialog)) = (prack, sip.dialog.as_mut()) {
            let request = dialog.prack_for(due);
            match fx.layer.request(fx.now, sip.flow, request, RequestOptions::default()) {
                Ok(client) => fx.books.note_client(client, self.leg_id(place), Asked::Within),
                Err(refusal) => fx.refused("call", super::request_refusal_label(refusal)),
            }
        }
        let description = response.has_sdp().then(|| SessionDescription::parse(&response.body));
        match description {
            Some(Ok(description)) => self.early_media(place, &description, fx),
            _ if response.status != StatusCode::TRYING => self.callee_rings(place, fx),
            _ => {}
        }
    }

    fn success_response(&mut self, place: u16, response: &Response, fx: &mut Effects<'_>) {
        let id = self.leg_id(place);
        let Some(leg) = self.leg(place) else { return };
        let is_live = leg.state.is_live();
        let Some(sip) = leg.sip() else { return };
        if matches!(sip.stage, Stage::Open { .. } | Stage::Closed) {
            return self.fork_answered(place, response, fx);
        }
        if sip.opened_by(response, fx).is_err() {
            sip.stage = Stage::Closed;
            fx.refused("call", "unusable-2xx");
            return self.callee_failed(place, Cause::BadDescription, fx);
        }
        if !is_live {
            // It crossed our CANCEL: acknowledged, now it is told that nobody is there.
            return sip.end(Cause::AnsweredElsewhere, fx);
        }
        if let Some(dialog) = &sip.dialog
            && fx.books.dialogs.insert(dialog.id(), id).is_err()
        {
            fx.refused("call", "dialogs-full");
        }
        self.note_peer_timer(place, response, fx);
        let description =
            response.has_sdp().then(|| SessionDescription::parse(&response.body).ok()).flatten();
        self.callee_answers(place, description.as_ref(), fx);
    }

    /// A second 2xx to the same INVITE, from another fork behind the next hop (§13.2.2.4): it is acknowledged and ended.
    fn fork_answered(&mut self, place: u16, response: &Response, fx: &mut Effects<'_>) {
        fx.refused("call", "forked-2xx");
        let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) else { return };
        let Stage::Open { invited: Some((client, invite)) } = &sip.stage else { return };
        let Ok(mut fork) = Dialog::as_uac(invite, response, sip.flow) else { return };
        if sip.dialog.as_ref().is_some_and(|dialog| dialog.id() == fork.id()) {
            return;
        }
        let ack = fork.ack_for(response.cseq().map_or(1, |cseq| cseq.number));
        let acknowledged = fx.layer.ack_2xx(fx.now, fork.flow(), *client, ack);
        let bye = fork.bye();
        let ended = fx.layer.request(fx.now, fork.flow(), bye, RequestOptions::default());
        for refusal in acknowledged.err().into_iter().chain(ended.err()) {
            fx.refused("call", super::request_refusal_label(refusal));
        }
    }

    fn reinvite_response(&mut self, place: u16, client: ClientId, response: &Response, fx: &mut Effects<'_>) {
        if response.status.is_provisional() {
            return;
        }
        let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) else { return };
        let cseq = match &sip.exchange {
            Exchange::Ours { client: ours, cseq, .. } if *ours == client => *cseq,
            _ => return,
        };
        if response.status.is_success() {
            if let Some(dialog) = &mut sip.dialog {
                dialog.receive_response(response);
                let ack = dialog.ack_for(cseq);
                let sent = fx.layer.ack_2xx(fx.now, dialog.flow(), client, ack);
                if sent.is_err() {
                    fx.refused("call", "unusable-2xx");
                }
            }
            self.note_peer_timer(place, response, fx);
            let answer = SessionDescription::parse(&response.body);
            let outcome = answer.as_ref().map_or(Outcome::Refused, Outcome::Answered);
            return self.own_exchange_over(place, outcome, fx);
        }
        let outcome =
            if response.status == StatusCode::REQUEST_PENDING { Outcome::Glare } else { Outcome::Refused };
        self.own_exchange_over(place, outcome, fx);
        self.within_response(place, response.status, fx);
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
