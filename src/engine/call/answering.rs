//! What called devices say before and with their answer, and what the caller hears of it: the first answer wins.

use super::attempts::Outcome;
use super::cause::Cause;
use super::effects::Effects;
use super::invitation::set_sdp;
use super::keying;
use super::leg::{LegState, Wire};
use super::model::{Call, CallState, CallerOffer};
use super::plan::Way;
use super::sip_leg::{Exchange, Stage};
use super::timer::Purpose;
use crate::media::MediaCommand;
use crate::sdp::{
    Codec, Direction, OfficeCodecs, SessionDescription, answerable_codecs, codecs_for_other_leg,
};
use crate::sip::StatusCode;

impl Call {
    /// A device rings: the caller hears about the first.
    pub(super) fn callee_rings(&mut self, place: u16, fx: &mut Effects<'_>) {
        if let Some(leg) = self.leg(place).filter(|leg| leg.state == LegState::Trying) {
            leg.state = LegState::Ringing;
        }
        self.attempt_rings();
        fx.books.cancel(self.id, Purpose::Progress);
        if self.state != CallState::Dialling {
            return;
        }
        self.state = CallState::Ringing;
        self.observe("ringing", None, fx);
        let Some(caller) = self.leg(0) else { return };
        caller.state = LegState::Ringing;
        if let Wire::Sip(sip) = &caller.wire {
            sip.provisional(StatusCode::RINGING, None, fx);
        }
        self.tell_page(0, fx);
    }

    /// A device describes its media before it answers; `is_final` when it did so reliably. The caller hears them if no
    /// other device rings: it can hear one.
    pub(super) fn early_media(
        &mut self,
        place: u16,
        answer: &SessionDescription,
        is_final: bool,
        fx: &mut Effects<'_>,
    ) {
        let rings_alone = self.legs.iter().skip(1).filter(|leg| leg.state.is_live()).count() == 1;
        let Some(leg) = self.leg(place) else { return };
        let read = match (leg.session.is_offering(), is_final) {
            (true, true) => leg.session.read_answer(answer, fx).map(|wish| leg.wants = wish),
            (true, false) => leg.session.read_early_answer(answer, fx).map(|wish| leg.wants = wish),
            (false, _) => Ok(()),
        };
        let is_late = matches!(self.offer, CallerOffer::Late);
        if read.is_err() || !rings_alone || self.early.is_some() || is_late {
            return self.callee_rings(place, fx);
        }
        self.early = Some(place);
        if let Ok(description) = self.answer_caller(place, fx) {
            self.progress(place, &description, fx);
        } else {
            self.early = None;
            self.callee_rings(place, fx);
        }
    }

    /// The caller hears the device of `place` before it answers.
    fn progress(&mut self, place: u16, description: &SessionDescription, fx: &mut Effects<'_>) {
        self.attempt_rings();
        fx.books.cancel(self.id, Purpose::Progress);
        if let Some(leg) = self.leg(place) {
            leg.state = LegState::Ringing;
        }
        if self.state == CallState::Dialling {
            self.state = CallState::Ringing;
            self.observe("ringing", None, fx);
        }
        let Some(caller) = self.leg(0) else { return };
        caller.state = LegState::Ringing;
        match &caller.wire {
            Wire::Sip(sip) => sip.provisional(StatusCode::SESSION_PROGRESS, Some(description), fx),
            Wire::Web(_) => self.answer_page(0, description, fx),
        }
        self.bridge(fx);
        self.tell_page(0, fx);
    }

    /// A device answered: it wins, the others stop, the caller gets its answer.
    pub(super) fn callee_answers(
        &mut self,
        place: u16,
        answer: Option<&SessionDescription>,
        fx: &mut Effects<'_>,
    ) {
        if self.winner.is_some() || !self.is_active() {
            self.drop_leg(place, Cause::AnsweredElsewhere, fx);
            return;
        }
        if let Err(cause) = self.take_answer(place, answer, fx) {
            self.drop_leg(place, cause, fx);
            self.callee_failed(place, cause, fx);
            return;
        }
        self.winner = Some(place);
        let devices = [0, place].map(|place| self.leg(place).and_then(|leg| leg.device.clone()));
        fx.used.extend(devices.into_iter().flatten());
        self.end_attempt(Outcome::Answered, "answered", fx);
        fx.books.cancel_attempt(self.id);
        for other in 1..self.legs.len() as u16 {
            if other != place {
                self.drop_leg(other, Cause::AnsweredElsewhere, fx);
            }
        }
        if let Err(cause) = self.connect_caller(place, fx) {
            self.end(cause, None, fx);
        }
    }

    fn take_answer(
        &mut self,
        place: u16,
        answer: Option<&SessionDescription>,
        fx: &mut Effects<'_>,
    ) -> Result<(), Cause> {
        let leg = self.leg(place).ok_or(Cause::BadDescription)?;
        match answer {
            Some(answer) if leg.session.is_offering() => leg.wants = leg.session.read_answer(answer, fx)?,
            // After early media the 2xx repeats the answer, or leaves it out.
            _ if leg.session.agreed().is_some() => leg.session.withdraw(),
            _ => return Err(Cause::BadDescription),
        }
        leg.state = LegState::Up;
        leg.answered = Some(fx.now.wall);
        Ok(())
    }

    fn connect_caller(&mut self, place: u16, fx: &mut Effects<'_>) -> Result<(), Cause> {
        let was_answered = self.early.take().is_some();
        let description = match &self.offer {
            CallerOffer::Late => self.offer_caller(place, fx)?,
            CallerOffer::Offered { .. } => self.answer_caller(place, fx)?,
        };
        self.accept_caller(&description, was_answered, fx);
        self.state = CallState::Up;
        self.answered = Some(fx.now.wall);
        fx.books.set(self.id, Purpose::Sample, fx.now.instant, super::quality::SAMPLE_EVERY);
        self.wait_longer(0, fx);
        self.wait_longer(place, fx);
        self.bridge(fx);
        self.observe("answered", None, fx);
        self.tell_page(0, fx);
        self.tell_page(place, fx);
        self.start_meter(fx);
        Ok(())
    }

    /// The caller left the offer to us (a late offer): it gets one that the called leg has agreed to.
    fn offer_caller(&mut self, place: u16, fx: &mut Effects<'_>) -> Result<SessionDescription, Cause> {
        let codecs = codecs_for_other_leg(&self.agreed_codecs(place), &OfficeCodecs::default());
        let direction = self.wanted_of(place);
        let caller = self.leg(0).ok_or(Cause::BadDescription)?;
        let offer = caller.session.offer(codecs, direction, fx)?;
        self.note_end(0, fx);
        Ok(offer)
    }

    /// Answers the caller's offer with what the called leg agreed to.
    fn answer_caller(&mut self, place: u16, fx: &mut Effects<'_>) -> Result<SessionDescription, Cause> {
        let codecs = self.codecs_like(place);
        let direction = self.wanted_of(place);
        let CallerOffer::Offered { description, .. } = &self.offer else { return Err(Cause::BadDescription) };
        let caller = self.legs.first_mut().ok_or(Cause::BadDescription)?;
        let answer = caller.session.answer(description, codecs, direction, fx)?;
        self.note_end(0, fx);
        Ok(answer)
    }

    fn wanted_of(&self, place: u16) -> Direction {
        self.legs.get(usize::from(place)).map_or(Direction::SendRecv, |leg| leg.wants)
    }

    fn accept_caller(&mut self, description: &SessionDescription, was_answered: bool, fx: &mut Effects<'_>) {
        let is_late = matches!(self.offer, CallerOffer::Late);
        let Some(caller) = self.leg(0) else { return };
        caller.state = LegState::Up;
        caller.answered = Some(fx.now.wall);
        match &caller.wire {
            Wire::Sip(_) => self.accept_sip_caller(description, is_late, fx),
            // A browser takes one answer.
            Wire::Web(_) if was_answered => {}
            Wire::Web(_) => self.answer_page(0, description, fx),
        }
    }

    fn accept_sip_caller(&mut self, description: &SessionDescription, is_late: bool, fx: &mut Effects<'_>) {
        let Some(sip) = self.leg(0).and_then(|leg| leg.sip()) else { return };
        let Stage::Incoming { invite, .. } = &sip.stage else { return };
        let invite = invite.clone();
        let mut response = sip.response(&invite, StatusCode::OK);
        set_sdp(&mut response.headers, &mut response.body, description);
        self.say_session_timer(0, &invite, &mut response, fx);
        let Some(sip) = self.leg(0).and_then(|leg| leg.sip()) else { return };
        if is_late {
            sip.exchange = Exchange::AckAnswers;
        }
        sip.accept(response, fx);
    }

    /// The codecs that a leg agreed to.
    pub(super) fn agreed_codecs(&self, place: u16) -> Vec<Codec> {
        let agreed = self.legs.get(usize::from(place)).and_then(|leg| leg.session.agreed());
        agreed.map(|agreed| agreed.codecs.iter().map(|one| one.codec.clone()).collect()).unwrap_or_default()
    }

    /// What the party on the other side of `place` may be answered with.
    pub(super) fn codecs_like(&self, place: u16) -> Vec<Codec> {
        answerable_codecs(self.agreed_codecs(place), &OfficeCodecs::default())
    }

    /// A called leg is over before any answer: the next attempt, or the end.
    pub(super) fn callee_failed(&mut self, place: u16, cause: Cause, fx: &mut Effects<'_>) {
        let rang = self.leg(place).is_some_and(|leg| leg.state == LegState::Ringing);
        self.leg_is_over(place, cause, fx);
        if self.early == Some(place) {
            self.early = None;
        }
        self.note_failure(cause);
        if !self.is_active() || self.winner.is_some() {
            return;
        }
        if self.has_live_callee() && !cause.is_global() {
            return;
        }
        // Over a link each attempt speaks for itself: an earlier link's trouble says nothing about the called party.
        let over_link = self.plan.way() == Way::Link;
        let verdict = if over_link { cause } else { self.failure.unwrap_or(cause) };
        self.end_attempt(Outcome::Failed, cause.as_str(), fx);
        if self.plan.goes_on_after(verdict, rang) {
            self.ring_next(fx);
        } else {
            let is_word_of_called = over_link && !self.plan.is_last();
            self.end(if is_word_of_called { cause } else { self.failure.unwrap_or(cause) }, None, fx);
        }
    }

    /// Joins the media of both sides.
    pub(super) fn bridge(&mut self, fx: &mut Effects<'_>) {
        let Some((a, b)) = self.pair(0) else { return };
        let (Some(end_a), Some(end_b)) = (a.session.end(), b.session.end()) else { return };
        let (Some(agreed_a), Some(agreed_b)) = (a.session.agreed(), b.session.agreed()) else { return };
        let a_to_b = keying::bridge_map(&agreed_a.codecs, &agreed_b.codecs);
        let b_to_a = keying::bridge_map(&agreed_b.codecs, &agreed_a.codecs);
        fx.media(MediaCommand::Bridge { a: end_a, b: end_b, a_to_b, b_to_a });
    }
}
