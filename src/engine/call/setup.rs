//! Setting a call up: attempts, devices that ring, the first that answers.

use std::sync::Arc;
use std::time::Duration;

use super::attempts::Outcome;
use super::books::Asked;
use super::carriage::Carriage;
use super::cause::Cause;
use super::effects::Effects;
use super::invitation::{Invitation, invite, our_contact};
use super::leg::{Leg, LegState, Party, Wire};
use super::location;
use super::model::{Call, CallerOffer};
use super::outward::Words;
use super::plan::Target;
use super::session::LegSession;
use super::sip_leg::{SipLeg, Stage};
use super::timer::Purpose;
use super::web_leg::WebLeg;
use crate::engine::dialog::{Opening, RouteSet};
use crate::engine::flow::{Flow, Side};
use crate::engine::numbering::OfficeId;
use crate::engine::output::Observation;
use crate::engine::registrar::{Binding, BindingKey, Reach};
use crate::engine::routing::{Link, LinkLocation};
use crate::engine::transaction::RequestOptions;
use crate::engine::web::{WebEvent, WebSession};
use crate::sdp::{Codec, Direction, OfficeCodecs, codecs_for_other_leg};
use crate::sip::{NameAddr, SipUri, Uri};

impl Call {
    /// Makes the next attempt; when none is left, tells the caller why the call failed.
    pub(super) fn ring_next(&mut self, fx: &mut Effects<'_>) {
        fx.books.cancel_attempt(self.id);
        while let Some(attempt) = self.plan.next_attempt() {
            if let Some(first) = attempt.first() {
                self.begin_attempt(first, fx);
                self.expect_progress(first, fx);
            }
            for target in attempt {
                if let Err(cause) = self.ring(target, fx) {
                    self.note_failure(cause);
                }
            }
            if self.is_trying() {
                let time = self.plan.ring_time(&fx.settings.calls);
                fx.books.set(self.id, Purpose::Ring, fx.now.instant, time);
                return;
            }
            self.end_attempt(Outcome::Failed, self.failure.unwrap_or(Cause::NotRegistered).as_str(), fx);
        }
        self.end(self.failure.unwrap_or(Cause::NotRegistered), None, fx);
    }

    /// The devices that ring had their time: the next ones are tried, or nobody answered.
    pub(super) fn ring_time_over(&mut self, fx: &mut Effects<'_>) {
        self.note_failure(Cause::NoAnswer);
        if !self.plan.goes_on_after(self.failure.unwrap_or(Cause::NoAnswer), true) {
            return self.end(Cause::NoAnswer, None, fx);
        }
        self.awaiting = None;
        for place in 1..self.legs.len() as u16 {
            self.drop_leg(place, Cause::NoAnswer, fx);
        }
        self.end_attempt(Outcome::GivenUp, Cause::NoAnswer.as_str(), fx);
        self.early = None;
        self.ring_next(fx);
    }

    /// Calls one target.
    fn ring(&mut self, target: Target, fx: &mut Effects<'_>) -> Result<(), Cause> {
        match target {
            Target::Link(choice) => self.ring_link(choice, fx),
            Target::Asterisk { number } => self.ring_asterisk(&number, fx),
            Target::Device { binding, .. } => match binding.reach.clone() {
                Reach::Sip { contact, flow, path } => self.ring_phone(&binding, *contact, flow, &path, fx),
                Reach::Web(Some(session)) => self.ring_page(&binding, session, fx),
                Reach::Web(None) => Err(Cause::NotRegistered),
            },
        }
    }

    fn ring_asterisk(&mut self, number: &str, fx: &mut Effects<'_>) -> Result<(), Cause> {
        let asterisk = fx.settings.asterisk.ok_or(Cause::AsteriskDown)?;
        let target = SipUri::new(Some(number), asterisk.remote.ip().into(), Some(asterisk.remote.port()));
        let party = Party { number: number.to_owned(), name: None };
        let called = Called {
            party,
            device: None,
            target: target.into(),
            flow: asterisk.flow(),
            path: &[],
            link: None,
            office: None,
            words: None,
            patience: Some(asterisk.first_response),
        };
        self.ring_sip(called, fx)
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
        let called = Called {
            party,
            device: Some(binding.key.clone()),
            target: contact,
            flow,
            path,
            link: None,
            office: None,
            words: None,
            patience: None,
        };
        self.ring_sip(called, fx)
    }

    pub(super) fn ring_sip(&mut self, called: Called<'_>, fx: &mut Effects<'_>) -> Result<(), Cause> {
        let place = self.next_place()?;
        let Called { party, device, target, flow, path, link, office, words, patience } = called;
        let mut session = LegSession::new(Carriage::of_flow(&flow), flow.local.ip(), fx);
        if self.plan.is_emergency() {
            session.make_urgent();
        }
        let offer = session.offer(self.codecs_to_offer(), self.caller_wants(), fx);
        let offer = self.own_end(place, &mut session, offer, fx)?;
        let Words { from, to, asserted, more } = words.unwrap_or_else(|| self.inward(&party, flow.side, fx));
        let user = asserted.as_ref().unwrap_or(&from).uri.user().unwrap_or_default().into_owned();
        let opening = Opening {
            target,
            routes: RouteSet::new(path),
            from: from.with_tag(&fx.layer.fresh_tag()),
            to,
            call_id: fx.layer.fresh_call_id(),
            cseq: 1,
            contact: our_contact(&user, flow),
        };
        let mut request = invite(&Invitation {
            opening,
            asserted,
            more,
            offer: &offer,
            max_forwards: self.max_forwards.saturating_sub(1),
            preference: super::refresh::preference(fx),
        });
        if let (Some((link, _)), Some(at)) = (&link, &self.place)
            && link.location == LinkLocation::PidfLo
        {
            location::enclose(&mut request, at, &fx.settings.realm);
        }
        let options = RequestOptions { first_response: patience };
        let sip = match SipLeg::outgoing(flow, request, options, fx) {
            Ok(sip) => sip,
            Err(cause) => {
                session.close(fx);
                return Err(cause);
            }
        };
        if let Stage::Outgoing { client, .. } = &sip.stage {
            fx.books.note_client(*client, self.leg_id(place), Asked::Invite);
        }
        self.add_leg(party, device, Wire::Sip(Box::new(sip)), session, fx);
        if let (Some((link, price)), Some(leg)) = (link, self.leg(place)) {
            fx.router.links.take(&link.id);
            leg.link = Some(link);
            leg.price = price;
            leg.office = office;
        }
        Ok(())
    }

    /// What devices and Asterisk are told of the two parties.
    fn inward(&self, party: &Party, side: Side, fx: &Effects<'_>) -> Words {
        let from = address(&self.peer_of(1), fx);
        let asserted = (side == Side::Asterisk).then(|| from.clone());
        let more = if side == Side::Asterisk { location::headers(self) } else { Vec::new() };
        Words { from, to: address(party, fx), asserted, more }
    }

    fn ring_page(&mut self, binding: &Binding, page: WebSession, fx: &mut Effects<'_>) -> Result<(), Cause> {
        let place = self.next_place()?;
        let extension = binding.key.extension.clone();
        let mut session = LegSession::new(Carriage::Browser, fx.settings.media.address, fx);
        let offer = session.offer(self.codecs_to_offer(), self.caller_wants(), fx);
        let offer = self.own_end(place, &mut session, offer, fx)?;
        let party = Party { number: extension.to_string(), name: fx.registrar.display_name(&extension) };
        let web = WebLeg::new(extension, Some(page));
        self.add_leg(party, Some(binding.key.clone()), Wire::Web(Box::new(web)), session, fx);
        if let Some(leg) = self.leg(place) {
            leg.state = LegState::Ringing;
        }
        self.callee_rings(place, fx);
        let call = self.view(place);
        fx.web(page, WebEvent::IncomingCall { call, offer: offer.to_string() });
        Ok(())
    }

    fn add_leg(
        &mut self,
        party: Party,
        device: Option<BindingKey>,
        wire: Wire,
        session: LegSession,
        fx: &Effects<'_>,
    ) {
        self.legs.push(Leg {
            price: 0,
            silent: false,
            place: self.legs.len() as u16,
            party,
            device,
            state: LegState::Trying,
            link: None,
            office: None,
            wire,
            session,
            wants: Direction::SendRecv,
            resync: false,
            started: fx.now.wall,
            answered: None,
            quality: None,
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

    fn caller_wants(&self) -> Direction {
        self.legs.first().map_or(Direction::SendRecv, |caller| caller.wants)
    }

    /// What the called side is offered: what the caller can do, or what the office lets through.
    fn codecs_to_offer(&self) -> Vec<Codec> {
        let office = OfficeCodecs::default();
        match &self.offer {
            CallerOffer::Offered { codecs, .. } => codecs_for_other_leg(codecs, &office),
            CallerOffer::Late => office.codecs(),
        }
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
pub(super) struct Called<'a> {
    pub(super) party: Party,
    pub(super) device: Option<BindingKey>,
    pub(super) target: Uri,
    pub(super) flow: Flow,
    pub(super) path: &'a [NameAddr],
    /// The link, if it is reached over one, and what a minute costs there.
    pub(super) link: Option<(Arc<Link>, u32)>,
    /// The office that the link leads to.
    pub(super) office: Option<OfficeId>,
    /// What it is told, when that is not what devices are.
    pub(super) words: Option<Words>,
    /// How long the first response may take.
    pub(super) patience: Option<Duration>,
}
