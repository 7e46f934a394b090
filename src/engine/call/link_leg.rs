//! Attempts over links: one after another, none before the one before it is given up or refused.
//!
//! | attempt over a link | event | do | next |
//! | --- | --- | --- | --- |
//! | – | its turn, there is a way | INVITE; first-response and progress timers | asked |
//! | – | its turn, there is none yet | wait for the shell | waiting |
//! | waiting | a way | INVITE with what is left of the first-response time | asked |
//! | waiting | no way, or the first-response time is over | – | next attempt |
//! | asked | nothing within the first-response time | CANCEL as soon as it can be; a late 2xx gets ACK and BYE | next attempt |
//! | asked | the same, and the name has another address (UDP) | the same | an attempt there |
//! | asked | 100 | – | tried |
//! | tried | nothing more within the progress time, and others are left | CANCEL; a 2xx that crosses gets ACK and BYE | next attempt |
//! | asked, tried | 401, 407 and we have credentials | INVITE with them, once | asked |
//! | asked, tried | the connection is gone | – | next attempt |
//! | asked, tried | 18x | the caller hears it | ringing |
//! | asked, tried, ringing | 3xx–6xx | – | next attempt, or the called party's word |
//! | ringing | the connection is gone, ring time is over | – | the call ends |
//! | asked, tried, ringing | 2xx | – | answered |
//!
//! The last attempt may take as long for its first response as any for its progress: there is nothing to hurry to. Links that are
//! known to be dead, which are tried when there is no other, share one first-response time: their caller is told soon.

use std::time::Duration;

use super::attempts::Outcome;
use super::cause::Cause;
use super::effects::Effects;
use super::invitation::again_with_proof;
use super::leg::{LegState, Party};
use super::model::Call;
use super::outward::{caller_at_asterisk, outward};
use super::plan::{AsteriskState, Target};
use super::setup::Called;
use super::sip_leg::Stage;
use super::timer::Purpose;
use super::ways::{leads_to_office, peer_number};
use crate::engine::flow::Flow;
use crate::engine::routing::{
    Choice, DialFailure, Link, LinkAddress, LinkFailure, LinkId, LinkState, LinkSuccess, Reach, SipAddress,
    SkipReason,
};
use crate::engine::transaction::FailureReason;
use crate::sip::{Response, SipUri, StatusCode, Transport};

impl Call {
    /// Calls over a link, at once or as soon as there is a way.
    pub(super) fn ring_link(&mut self, choice: Box<Choice>, fx: &mut Effects<'_>) -> Result<(), Cause> {
        if !self.plan.is_emergency() && fx.router.links.is_full(&choice.link) {
            self.note_attempt(SkipReason::Full.as_str());
            return Err(Cause::LinkLimit);
        }
        let patience = self.patience(&choice.link, fx);
        match fx.router.links.reach(&choice.link.id, fx.now) {
            Reach::Flow(flow) => self.ring_link_on(flow, &choice, patience, fx),
            Reach::Asterisk => self.ring_peer_of_asterisk(&choice, fx),
            Reach::Wait => {
                fx.books.set(self.id, Purpose::Connect, fx.now.instant, patience);
                self.awaiting = Some((choice, fx.now));
                Ok(())
            }
            Reach::Failed(failure) => {
                self.note_attempt(failure.as_str());
                Err(Cause::NextHopSilent)
            }
            Reach::Gone => {
                self.note_attempt("gone");
                Err(Cause::NextHopSilent)
            }
        }
    }

    /// The shell has a way to a link's peer, or none.
    pub(super) fn link_dialled(
        &mut self,
        id: &LinkId,
        result: Result<Flow, DialFailure>,
        fx: &mut Effects<'_>,
    ) {
        let Some((choice, since)) = self.awaiting.take_if(|(choice, _)| choice.link.id == *id) else {
            return;
        };
        fx.books.cancel(self.id, Purpose::Connect);
        let rung = match result {
            Ok(flow) => {
                let waited = fx.now.instant.saturating_duration_since(since.instant);
                let left = self.patience(&choice.link, fx).saturating_sub(waited);
                self.ring_link_on(flow, &choice, left.max(Duration::from_millis(1)), fx)
            }
            Err(failure) => {
                self.note_attempt(failure.as_str());
                Err(Cause::NextHopSilent)
            }
        };
        if let Err(cause) = rung {
            let is_silent = matches!(result, Err(DialFailure::TimedOut));
            self.attempt_failed(if is_silent { Outcome::GivenUp } else { Outcome::Failed }, cause, fx);
        }
    }

    /// The way to a link's peer took too long.
    pub(super) fn connect_time_over(&mut self, fx: &mut Effects<'_>) {
        if self.awaiting.take().is_some() {
            self.note_attempt(DialFailure::TimedOut.as_str());
            self.attempt_failed(Outcome::GivenUp, Cause::NextHopSilent, fx);
        }
    }

    /// Nothing but a 100 was heard of the attempt under way. It is given up if there is another one to make.
    pub(super) fn progress_time_over(&mut self, fx: &mut Effects<'_>) {
        let silent: Vec<u16> = (1..self.legs.len() as u16)
            .filter(|place| self.leg(*place).is_some_and(|leg| leg.state == LegState::Trying))
            .collect();
        if silent.is_empty() || self.early.is_some() {
            return;
        }
        for place in &silent {
            self.link_failed(*place, LinkFailure::CallStuck, fx);
        }
        if self.plan.is_last() {
            return;
        }
        self.note_attempt("no-progress");
        for place in silent {
            self.drop_leg(place, Cause::NextHopSilent, fx);
        }
        self.attempt_failed(Outcome::GivenUp, Cause::NextHopSilent, fx);
    }

    /// The attempt under way has failed before any leg of it could; the next one, or the end.
    fn attempt_failed(&mut self, outcome: Outcome, cause: Cause, fx: &mut Effects<'_>) {
        self.end_attempt(outcome, cause.as_str(), fx);
        self.note_failure(cause);
        if self.plan.goes_on_after(cause, false) {
            self.ring_next(fx);
        } else {
            self.end(self.failure.unwrap_or(cause), None, fx);
        }
    }

    /// Sets the time within which an attempt over a link must ring.
    pub(super) fn expect_progress(&self, target: &Target, fx: &mut Effects<'_>) {
        let routing = &fx.settings.routing;
        let time = match target {
            // A call for help that another office passes on rings as late as that office's carrier does.
            Target::Link(choice) if leads_to_office(&choice.link) && !self.plan.is_emergency() => {
                routing.progress
            }
            Target::Link(_) => routing.progress_outside,
            Target::Asterisk { .. } if self.plan.is_emergency() => routing.progress_outside,
            Target::Asterisk { .. } | Target::Device { .. } => return,
        };
        fx.books.set(self.id, Purpose::Progress, fx.now.instant, time);
    }

    /// What the failure of an INVITE says about its link.
    pub(super) fn link_invite_failed(&mut self, place: u16, reason: FailureReason, fx: &mut Effects<'_>) {
        self.note_attempt(reason.as_str());
        match reason {
            // The connection's own end says it, once for all calls on it.
            FailureReason::TransportFailed(_) | FailureReason::CancelTimeout => {}
            FailureReason::Timeout | FailureReason::FirstResponseTimeout => {
                self.link_failed(place, LinkFailure::CallSilent, fx);
                self.try_next_address(place, fx);
            }
        }
    }

    /// A silent peer that has another address, which this call has not tried yet, is asked there next.
    fn try_next_address(&mut self, place: u16, fx: &Effects<'_>) {
        let Some(leg) = self.legs.get(usize::from(place)) else { return };
        let Some(link) = leg.link.clone() else { return };
        let (number, office, price) = (leg.party.number.clone(), leg.office, leg.price);
        if self.has_address_left(&link, fx) {
            self.plan.next_is(Choice { link, number, office, price });
        }
    }

    fn has_address_left(&self, link: &Link, fx: &Effects<'_>) -> bool {
        self.tries(&link.id) < fx.router.links.addresses(&link.id)
    }

    /// What a response to an INVITE says about its link.
    pub(super) fn link_responded(&mut self, place: u16, status: StatusCode, fx: &mut Effects<'_>) {
        let is_live = self.leg(place).is_some_and(|leg| leg.state.is_live());
        if status == StatusCode::TRYING || !is_live {
            return;
        }
        if status.is_final() && !status.is_success() {
            self.note_attempt(format!("sip-{}", status.code()));
        }
        let Some(link) = self.legs.get(usize::from(place)).and_then(|leg| leg.link.clone()) else { return };
        let is_word_of_called =
            matches!(status.code(), 101..=299 | 404 | 410 | 480 | 484 | 486 | 487 | 600 | 603 | 604);
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                fx.router.links.failed(&link.id, LinkFailure::CallRefused, fx.now);
            }
            _ if is_word_of_called => fx.router.links.succeeded(&link.id, LinkSuccess::Call, fx.now),
            // It is there, but not of use for this call.
            _ => fx.router.links.succeeded(&link.id, LinkSuccess::Probe, fx.now),
        }
    }

    fn link_failed(&mut self, place: u16, failure: LinkFailure, fx: &mut Effects<'_>) {
        if let Some(link) = self.legs.get(usize::from(place)).and_then(|leg| leg.link.clone()) {
            fx.router.links.failed(&link.id, failure, fx.now);
        }
    }

    /// The peer of a link wants to know who we are (RFC 3261 §22.2, §22.3): tells it once.
    pub(super) fn prove_to_link(&mut self, place: u16, response: &Response, fx: &mut Effects<'_>) -> bool {
        let id = self.leg_id(place);
        let Some(leg) = self.leg(place) else { return false };
        let name = leg.link.as_ref().and_then(|link| link.credentials.as_ref());
        let settings = fx.settings;
        let Some(known) = name.and_then(|name| settings.routing.credentials.get(name)) else { return false };
        let Some(sip) = leg.sip() else { return false };
        let Stage::Outgoing { invite, .. } = &sip.stage else { return false };
        let cnonce = u64::from_be_bytes(fx.random_bytes());
        let Some(again) = again_with_proof(invite, response, known, cnonce) else { return false };
        let Some(client) = sip.invite_again(again, fx) else { return false };
        fx.books.note_client(client, id, super::books::Asked::Invite);
        true
    }

    /// How long an attempt waits for the first response, the way included.
    fn patience(&self, link: &std::sync::Arc<Link>, fx: &Effects<'_>) -> Duration {
        let routing = &fx.settings.routing;
        let is_up = fx.asterisk == AsteriskState::Up;
        let is_dead = fx.router.links.standing(link, is_up).state == LinkState::Down;
        if is_dead && !self.plan.is_emergency() {
            let all = (self.tried.len() + self.plan.left()).max(1);
            return routing.first_response / u32::try_from(all).unwrap_or(u32::MAX);
        }
        let is_last = self.plan.is_last() && !self.has_address_left(link, fx);
        match (is_last, leads_to_office(link)) {
            (false, _) => routing.first_response,
            (true, true) => routing.progress.max(routing.first_response),
            (true, false) => routing.progress_outside.max(routing.first_response),
        }
    }

    fn ring_link_on(
        &mut self,
        flow: Flow,
        choice: &Choice,
        patience: Duration,
        fx: &mut Effects<'_>,
    ) -> Result<(), Cause> {
        let LinkAddress::Sip(address) = &choice.link.address else { return Err(Cause::NextHopSilent) };
        let words = outward(self, choice, address, fx);
        let called = Called {
            party: Party { number: choice.number.clone(), name: None },
            device: None,
            target: target(choice, address).into(),
            flow,
            path: &[],
            link: Some((choice.link.clone(), choice.price)),
            office: choice.office,
            words: Some(words),
            patience: Some(patience),
        };
        self.ring_sip(called, fx)
    }

    fn ring_peer_of_asterisk(&mut self, choice: &Choice, fx: &mut Effects<'_>) -> Result<(), Cause> {
        let LinkAddress::Asterisk { technology, peer } = &choice.link.address else {
            return Err(Cause::NextHopSilent);
        };
        let asterisk = fx.settings.asterisk.ok_or(Cause::AsteriskDown)?;
        let number = peer_number(technology.as_str(), peer.as_str(), &choice.number);
        let target = SipUri::new(Some(&number), asterisk.remote.ip().into(), Some(asterisk.remote.port()));
        let words = caller_at_asterisk(self, choice, fx);
        let called = Called {
            party: Party { number: choice.number.clone(), name: None },
            device: None,
            target: target.into(),
            flow: asterisk.flow(),
            path: &[],
            link: Some((choice.link.clone(), choice.price)),
            office: choice.office,
            words: Some(words),
            patience: Some(asterisk.first_response),
        };
        self.ring_sip(called, fx)
    }
}

/// Whom an INVITE over a link asks. Of the federation's gateway: the office that the host names.
pub(super) fn target(choice: &Choice, address: &SipAddress) -> SipUri {
    if let Some(office) = choice.behind_gateway() {
        return on(SipUri::new(Some(&choice.number), office.as_str().into(), None), address);
    }
    on(SipUri::new(Some(&choice.number), address.host.clone(), Some(address.port)), address)
}

fn on(uri: SipUri, address: &SipAddress) -> SipUri {
    match address.transport {
        Transport::Udp => uri,
        other => uri.with_param("transport", Some(other.uri_token())),
    }
}
