//! Setting a call up: attempts, devices that ring, the first that answers.

use super::books::Asked;
use super::cause::Cause;
use super::effects::Effects;
use super::keying;
use super::leg::{Leg, LegState, Party, Wire};
use super::model::{Call, CallState, CallerOffer};
use super::plan::Target;
use super::session::{Carriage, LegSession};
use super::sip_leg::{Exchange, Invitation, SipLeg, Stage, invite, our_contact, set_sdp};
use super::timer::Purpose;
use super::web_leg::WebLeg;
use crate::engine::dialog::{Opening, RouteSet};
use crate::engine::flow::{Flow, Side};
use crate::engine::output::Observation;
use crate::engine::registrar::{Binding, Reach};
use crate::engine::web::{WebEvent, WebSession};
use crate::media::MediaCommand;
use crate::sdp::{
    Codec, Direction, OfficeCodecs, SessionDescription, answerable_codecs, codecs_for_other_leg,
};
use crate::sip::{NameAddr, SipUri, StatusCode, Transport, Uri};

impl Carriage {
    /// Follows from the transport of the signalling.
    pub const fn of_flow(flow: &Flow) -> Self {
        match (flow.side, flow.transport) {
            (Side::Asterisk, _) => Self::Trunk,
            (Side::Site, Transport::Ws | Transport::Wss) => Self::Browser,
            (Side::Site, Transport::Tls) => Self::SecurePhone,
            (Side::Site, Transport::Udp | Transport::Tcp) => Self::PlainPhone,
        }
    }
}

impl Call {
    /// Makes the next attempt; when none is left, tells the caller why the call failed.
    pub(super) fn ring_next(&mut self, fx: &mut Effects<'_>) {
        while let Some(attempt) = self.plan.next_attempt() {
            for target in attempt {
                if let Err(cause) = self.ring(target, fx) {
                    self.note_failure(cause);
                }
            }
            if self.has_live_callee() {
                fx.books.set(self.id, Purpose::Ring, fx.now.instant, fx.settings.calls.ring_timeout);
                return;
            }
        }
        self.end(self.failure.unwrap_or(Cause::NotRegistered), None, fx);
    }

    /// Calls one target.
    fn ring(&mut self, target: Target, fx: &mut Effects<'_>) -> Result<(), Cause> {
        match target {
            Target::Asterisk { number } => self.ring_asterisk(&number, fx),
            Target::Device(binding) => match binding.reach.clone() {
                Reach::Sip { contact, flow, path } => self.ring_phone(&binding, contact, flow, &path, fx),
                Reach::Web(Some(session)) => self.ring_page(&binding, session, fx),
                Reach::Web(None) => Err(Cause::NotRegistered),
            },
        }
    }

    fn ring_asterisk(&mut self, number: &str, fx: &mut Effects<'_>) -> Result<(), Cause> {
        let asterisk = fx.settings.asterisk.ok_or(Cause::AsteriskDown)?;
        let flow = Flow {
            transport: Transport::Udp,
            local: asterisk.local,
            remote: asterisk.remote,
            connection: None,
            side: Side::Asterisk,
        };
        let target = SipUri::new(Some(number), asterisk.remote.ip().into(), Some(asterisk.remote.port()));
        let party = Party { number: number.to_owned(), name: None };
        self.ring_sip(Called { party, device: None, target: target.into(), flow, path: &[] }, fx)
    }

    fn ring_phone(
        &mut self,
        binding: &Binding,
        contact: Uri,
        flow: Flow,
        path: &[NameAddr],
        fx: &mut Effects<'_>,
    ) -> Result<(), Cause> {
        let extension = &binding.key.extension;
        let name = fx.registrar.display_name(extension);
        let party = Party { number: extension.to_string(), name };
        self.ring_sip(Called { party, device: Some(binding.clone()), target: contact, flow, path }, fx)
    }

    fn ring_sip(&mut self, called: Called<'_>, fx: &mut Effects<'_>) -> Result<(), Cause> {
        let place = self.next_place()?;
        let Called { party, device, target, flow, path } = called;
        let mut session = LegSession::new(Carriage::of_flow(&flow), flow.local.ip(), fx);
        let offer = session.offer(self.codecs_to_offer(), Direction::SendRecv, fx);
        let offer = self.own_end(place, &mut session, offer, fx)?;
        let caller = self.peer_of(place);
        let contact = our_contact(&caller.number, flow);
        let opening = Opening {
            target,
            routes: RouteSet::new(path),
            from: address(&caller, fx).with_tag(&fx.layer.fresh_tag()),
            to: address(&party, fx),
            call_id: fx.layer.fresh_call_id(),
            cseq: 1,
            contact: contact.clone(),
        };
        let request = invite(&Invitation {
            opening,
            assert_identity: flow.side == Side::Asterisk,
            offer: &offer,
            max_forwards: self.max_forwards.saturating_sub(1),
            preference: super::refresh::preference(fx),
        });
        let sip = match SipLeg::outgoing(flow, contact, request, fx) {
            Ok(sip) => sip,
            Err(cause) => {
                session.close(fx);
                return Err(cause);
            }
        };
        if let Stage::Outgoing { client, .. } = &sip.stage {
            fx.books.note_client(*client, self.leg_id(place), Asked::Invite);
        }
        let device = device.map(|binding| binding.key);
        self.add_leg(party, device, Wire::Sip(Box::new(sip)), session, fx);
        Ok(())
    }

    fn ring_page(&mut self, binding: &Binding, page: WebSession, fx: &mut Effects<'_>) -> Result<(), Cause> {
        let place = self.next_place()?;
        let extension = binding.key.extension.clone();
        let mut session = LegSession::new(Carriage::Browser, fx.settings.media.address, fx);
        let offer = session.offer(self.codecs_to_offer(), Direction::SendRecv, fx);
        let offer = self.own_end(place, &mut session, offer, fx)?;
        let party = Party { number: extension.to_string(), name: fx.registrar.display_name(&extension) };
        let web = WebLeg::new(extension, Some(page));
        self.add_leg(party, Some(binding.key.clone()), Wire::Web(Box::new(web)), session, fx);
        if let Some(leg) = self.leg(place) {
            leg.state = LegState::Ringing;
        }
        let call = self.view(place);
        fx.web(page, WebEvent::IncomingCall { call, offer: offer.to_string() });
        self.callee_rings(place, fx);
        Ok(())
    }

    fn add_leg(
        &mut self,
        party: Party,
        device: Option<crate::engine::registrar::BindingKey>,
        wire: Wire,
        session: LegSession,
        fx: &Effects<'_>,
    ) {
        self.legs.push(Leg {
            place: self.legs.len() as u16,
            party,
            device,
            state: LegState::Trying,
            wire,
            session,
            wants: Direction::SendRecv,
            resync: false,
            started: fx.now.wall,
            answered: None,
        });
    }

    /// Notes the end of a new leg; closes it when the offer failed.
    fn own_end<T>(
        &self,
        place: u16,
        session: &mut LegSession,
        offer: Result<T, Cause>,
        fx: &mut Effects<'_>,
    ) -> Result<T, Cause> {
        match (&offer, session.end()) {
            (Ok(_), Some(end)) => fx.books.note_end(end, self.leg_id(place)),
            _ => session.close(fx),
        }
        offer
    }

    /// A call tries at most so many devices: attempts are few and small.
    fn next_place(&self) -> Result<u16, Cause> {
        const MOST_LEGS: usize = 64;
        if self.legs.len() < MOST_LEGS { Ok(self.legs.len() as u16) } else { Err(Cause::Limit) }
    }

    /// What the called side is offered: what the caller can do, or what the office lets through.
    fn codecs_to_offer(&self) -> Vec<Codec> {
        let office = OfficeCodecs::default();
        match &self.offer {
            CallerOffer::Offered { codecs, .. } => codecs_for_other_leg(codecs, &office),
            CallerOffer::Late => office.codecs(),
        }
    }

    /// A device rings: the caller hears about the first.
    pub(super) fn callee_rings(&mut self, place: u16, fx: &mut Effects<'_>) {
        if let Some(leg) = self.leg(place).filter(|leg| leg.state == LegState::Trying) {
            leg.state = LegState::Ringing;
        }
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

    /// A device sends media before it answers. Only when it is the only one that rings: a caller can hear one.
    pub(super) fn early_media(&mut self, place: u16, answer: &SessionDescription, fx: &mut Effects<'_>) {
        let rings_alone = self.legs.iter().skip(1).filter(|leg| leg.state.is_live()).count() == 1;
        if !rings_alone || self.early.is_some() || matches!(self.offer, CallerOffer::Late) {
            self.callee_rings(place, fx);
            return;
        }
        let Some(leg) = self.leg(place) else { return };
        if leg.session.is_offering() && leg.session.read_answer(answer, fx).is_err() {
            return;
        }
        leg.state = LegState::Ringing;
        self.early = Some(place);
        let Ok(description) = self.answer_caller(place, fx) else {
            self.early = None;
            return;
        };
        self.state = CallState::Ringing;
        let Some(caller) = self.leg(0) else { return };
        caller.state = LegState::Ringing;
        match &mut caller.wire {
            Wire::Sip(sip) => sip.provisional(StatusCode::SESSION_PROGRESS, Some(&description), fx),
            Wire::Web(_) => self.answer_page(0, &description, fx),
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
        self.early = self.early.filter(|early| *early == place);
        fx.books.cancel(self.id, Purpose::Ring);
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
            Some(answer) if leg.session.is_offering() => leg.session.read_answer(answer, fx)?,
            // After early media the 2xx repeats the answer, or leaves it out.
            _ if leg.session.agreed().is_some() => {}
            _ => return Err(Cause::BadDescription),
        }
        leg.state = LegState::Up;
        leg.answered = Some(fx.now.wall);
        Ok(())
    }

    fn connect_caller(&mut self, place: u16, fx: &mut Effects<'_>) -> Result<(), Cause> {
        let early = self.early == Some(place);
        let description = match (&self.offer, early) {
            (CallerOffer::Late, _) => {
                let codecs = codecs_for_other_leg(&self.agreed_codecs(place), &OfficeCodecs::default());
                let leg = self.legs.first_mut().ok_or(Cause::BadDescription)?;
                let offer = leg.session.offer(codecs, Direction::SendRecv, fx)?;
                if let Some(end) = leg.session.end() {
                    fx.books.note_end(end, self.leg_id(0));
                }
                offer
            }
            (CallerOffer::Offered { .. }, true) => {
                let caller = self.legs.first().ok_or(Cause::BadDescription)?;
                caller.session.description().cloned().ok_or(Cause::BadDescription)?
            }
            (CallerOffer::Offered { .. }, false) => self.answer_caller(place, fx)?,
        };
        self.accept_caller(&description, early, fx);
        self.state = CallState::Up;
        self.answered = Some(fx.now.wall);
        fx.books.set(self.id, Purpose::Longest, fx.now.instant, fx.settings.calls.max_duration);
        fx.books.set(self.id, Purpose::Sample, fx.now.instant, super::quality::SAMPLE_EVERY);
        self.bridge(fx);
        self.observe("answered", None, fx);
        self.tell_page(0, fx);
        self.tell_page(place, fx);
        Ok(())
    }

    /// Answers the caller's offer with what the called leg agreed to.
    fn answer_caller(&mut self, place: u16, fx: &mut Effects<'_>) -> Result<SessionDescription, Cause> {
        let codecs = self.codecs_like(place);
        let id = self.leg_id(0);
        let CallerOffer::Offered { description, .. } = &self.offer else { return Err(Cause::BadDescription) };
        let caller = self.legs.first_mut().ok_or(Cause::BadDescription)?;
        let answer = caller.session.answer(description, codecs, Direction::SendRecv, fx)?;
        if let Some(end) = caller.session.end() {
            fx.books.note_end(end, id);
        }
        Ok(answer)
    }

    fn accept_caller(&mut self, description: &SessionDescription, early: bool, fx: &mut Effects<'_>) {
        let is_late = matches!(self.offer, CallerOffer::Late);
        let Some(caller) = self.leg(0) else { return };
        caller.state = LegState::Up;
        caller.answered = Some(fx.now.wall);
        match &mut caller.wire {
            Wire::Sip(_) => self.accept_sip_caller(description, is_late, fx),
            Wire::Web(_) if early => {}
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

    /// What the leg on the other side of `place` may be answered with.
    pub(super) fn codecs_like(&self, place: u16) -> Vec<Codec> {
        answerable_codecs(self.agreed_codecs(place), &OfficeCodecs::default())
    }

    /// A called leg is over before any answer: the next attempt, or the end.
    pub(super) fn callee_failed(&mut self, place: u16, cause: Cause, fx: &mut Effects<'_>) {
        if let Some(leg) = self.leg(place) {
            leg.state = LegState::Ended(cause);
            leg.session.close(fx);
        }
        if self.early == Some(place) {
            self.early = None;
        }
        self.note_failure(cause);
        if !self.is_active() || self.winner.is_some() || self.has_live_callee() {
            return;
        }
        if tries_on(cause) {
            self.ring_next(fx);
        } else {
            self.end(self.failure.unwrap_or(cause), None, fx);
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

    /// Counts and tells a change of the call.
    pub(super) fn observe(&self, change: &'static str, cause: Option<&'static str>, fx: &mut Effects<'_>) {
        let calls = fx.active_calls;
        fx.observe(Observation::Call { call: self.id.to_string(), change, cause, calls });
    }
}

/// The address of record of a party at this office.
fn address(party: &Party, fx: &Effects<'_>) -> NameAddr {
    let uri = SipUri::new(Some(&party.number), fx.settings.realm.as_str().into(), None);
    let address = NameAddr::new(uri);
    match &party.name {
        Some(name) => address.with_display(name),
        None => address,
    }
}

/// A target, taken apart.
struct Called<'a> {
    party: Party,
    device: Option<Binding>,
    target: Uri,
    flow: Flow,
    path: &'a [NameAddr],
}

/// Whether another attempt may follow: the next hop failed, not the called party.
const fn tries_on(cause: Cause) -> bool {
    match cause {
        Cause::NextHopSilent | Cause::AsteriskDown | Cause::ConnectionLost => true,
        Cause::Refused(status) => matches!(status.code(), 500 | 502 | 503 | 504),
        _ => false,
    }
}
