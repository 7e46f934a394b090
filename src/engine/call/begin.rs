//! The beginning of a call: who may, what it wants of media, whom to ring.

use std::net::IpAddr;

use super::calls::Calls;
use super::carriage::Carriage;
use super::cause::Cause;
use super::effects::Effects;
use super::id::{CallId, LegId};
use super::invitation::our_contact;
use super::leg::{Leg, LegState, Party, Wire};
use super::location;
use super::model::{Call, CallState, CallerOffer};
use super::plan::{Plan, Question, plan};
use super::session::LegSession;
use super::sip_leg::SipLeg;
use super::terms::{Barred, Terms, terms};
use super::ways::guests;
use super::web_leg::WebLeg;
use crate::engine::dialog::Dialog;
use crate::engine::dialog::session_timer::{self, Verdict};
use crate::engine::flow::{Flow, Side};
use crate::engine::numbering::{Extension, OfficeId};
use crate::engine::policy::{Caller, Guest};
use crate::engine::registrar::BindingKey;
use crate::engine::routing::Place;
use crate::engine::transaction::ServerId;
use crate::engine::web::{WebRefusal, WebReply, WebSession};
use crate::sdp::{Direction, SessionDescription, remote_audio};
use crate::sip::{Request, Response, StatusCode};

/// An INVITE that was let in.
#[derive(Debug)]
pub struct Admitted {
    /// Its transaction.
    pub server: ServerId,
    /// Where the caller is.
    pub flow: Flow,
    /// From which side: the flow's, or the office's for which the federation's gateway vouches.
    pub side: Side,
    /// The INVITE.
    pub request: Request,
    /// Who calls, as authenticated or as Asterisk vouches.
    pub caller: Party,
    /// What was dialled.
    pub dialled: String,
    /// The offices that the call has passed.
    pub passed: Vec<OfficeId>,
}

impl Calls {
    /// A phone or Asterisk calls.
    pub fn invited(&mut self, admitted: Admitted, fx: &mut Effects<'_>) {
        let Admitted { server, flow, side, request, caller, dialled, passed } = admitted;
        let office = side.office();
        let tag = fx.layer.fresh_tag();
        let dialog = match Dialog::as_uas(&request, &tag, our_contact(&dialled, flow), flow) {
            Ok(dialog) => dialog,
            Err(refusal) => {
                fx.refused("dialog", refusal.as_str());
                let response = Response::to_request(&request, refusal.status(), Some(&tag));
                return super::send_response(server, response, fx);
            }
        };
        if let Verdict::TooSmall(least) = session_timer::judge(&request, super::refresh::preference(fx)) {
            let mut response =
                Response::to_request(&request, StatusCode::SESSION_INTERVAL_TOO_SMALL, Some(&tag));
            response.headers.set(&least);
            return super::send_response(server, response, fx);
        }
        let device = caller.number.parse().ok().and_then(|number| fx.registrar.device_on(&number, flow));
        let dialog_id = dialog.id().clone();
        let number = caller.number.clone();
        let setup = Setup {
            side,
            caller,
            device: device.filter(|_| side == Side::Site),
            dialled,
            guests: guests(side, &number, office, &passed, fx.registrar),
            office,
            passed,
            address: Some(flow.remote.ip()),
            told: location::told(&request).filter(|_| matches!(side, Side::Office(_))),
            max_forwards: request.max_forwards().unwrap_or(70),
            session: LegSession::new(Carriage::of_flow(&flow), flow.local.ip(), fx),
            offer: caller_offer(&request, Carriage::of_flow(&flow), fx),
            wire: Wire::Sip(Box::new(SipLeg::incoming(flow, server, request, dialog))),
        };
        let call = self.begin(setup, fx, |id, fx| {
            fx.books.note_server(server, id);
            fx.books.dialogs.insert(&dialog_id, id).map_err(|_| Cause::Limit)
        });
        self.settle(call, fx);
    }

    /// A page dials.
    pub(super) fn dialled_by_page(
        &mut self,
        caller: &Extension,
        session: Option<WebSession>,
        to: &str,
        offer: &str,
        fx: &mut Effects<'_>,
    ) -> WebReply {
        let is_known = |number: &Extension| fx.knows(number);
        let Some(dialled) = super::dialled_number(to, &fx.settings.numbers, is_known) else {
            return WebReply::Refused(WebRefusal::BadNumber);
        };
        let party = Party { number: caller.to_string(), name: fx.registrar.display_name(caller) };
        match self.has_room(Side::Site, &party.number, &dialled, fx) {
            Ok(()) => {}
            Err(Cause::Shutdown) => return WebReply::Refused(WebRefusal::Draining),
            Err(cause) => {
                fx.refused("call", cause.as_str());
                return WebReply::Refused(WebRefusal::Limit);
            }
        }
        let description = SessionDescription::parse(offer.as_bytes()).ok();
        let Some(opening) = description.and_then(|offer| read_offer(offer, Carriage::Browser, fx)) else {
            return WebReply::Refused(WebRefusal::BadDescription);
        };
        let setup = Setup {
            side: Side::Site,
            caller: party,
            device: session.and_then(|session| fx.registrar.page_device(session)),
            dialled,
            guests: guests(Side::Site, &caller.to_string(), None, &[], fx.registrar),
            office: None,
            passed: Vec::new(),
            address: session.and_then(|session| self.pages.get(&session).copied()),
            told: None,
            max_forwards: 70,
            wire: Wire::Web(Box::new(WebLeg::new(caller.clone(), session))),
            session: LegSession::new(Carriage::Browser, fx.settings.media.address, fx),
            offer: Ok(opening),
        };
        let call = self.begin(setup, fx, |_, _| Ok(()));
        let reply = WebReply::Call(call.view(0));
        self.settle(call, fx);
        reply
    }

    /// Makes the call and its first attempt, or refuses it by its own leg A. `note` enters leg A in the books.
    fn begin(
        &mut self,
        mut setup: Setup,
        fx: &mut Effects<'_>,
        note: impl FnOnce(LegId, &mut Effects<'_>) -> Result<(), Cause>,
    ) -> Box<Call> {
        let offer = std::mem::replace(&mut setup.offer, Ok(CallerOffer::Late));
        let planned = offer.map_err(Barred::from).and_then(|offer| Ok((self.planned(&setup, fx)?, offer)));
        let id = CallId(fx.random_u64());
        let noted = note(LegId { call: id, place: 0 }, fx);
        let ((plan, terms), offer, refusal) = match noted.map_err(Barred::from).and(planned) {
            Ok((planned, offer)) => (planned, offer, None),
            Err(barred) => ((Plan::default(), None), CallerOffer::Late, Some(barred)),
        };
        let mut call = Box::new(new_call(id, setup, plan, offer, fx));
        call.terms = terms;
        self.active += 1;
        fx.active_calls = self.active;
        call.observe("started", None, fx);
        if let Some(Barred { cause, rule }) = refusal {
            call.rule = rule;
            call.end(cause, None, fx);
        } else {
            call.tell_of_emergency(fx);
            call.tell_people(fx);
            call.ring_next(fx);
        }
        call
    }
}

impl Calls {
    /// Whom to ring, and on what terms; or why the call may not be.
    fn planned(&self, setup: &Setup, fx: &mut Effects<'_>) -> Result<(Plan, Option<Box<Terms>>), Barred> {
        let number = &setup.caller.number;
        self.has_room(setup.side, number, &setup.dialled, fx)?;
        let mut plan = plan(&setup.question(fx))?;
        self.has_room_on_links((setup.side, setup.office), number, &mut plan, fx)?;
        let guest = setup.guests.first();
        let caller = Caller {
            number,
            office: guest.map(|guest| guest.office),
            visits: guest.is_some_and(|guest| guest.visits),
        };
        let terms = terms(&caller, &setup.dialled, &plan, fx)?;
        Ok((plan, terms))
    }
}

/// What a call is made of.
struct Setup {
    side: Side,
    caller: Party,
    device: Option<BindingKey>,
    dialled: String,
    office: Option<OfficeId>,
    guests: Vec<Guest>,
    passed: Vec<OfficeId>,
    /// The caller's address, if it is a device of the site.
    address: Option<IpAddr>,
    /// The place that another office told.
    told: Option<Place>,
    max_forwards: u8,
    wire: Wire,
    session: LegSession,
    offer: Result<CallerOffer, Cause>,
}

impl Setup {
    fn question<'a>(&'a self, fx: &'a mut Effects<'_>) -> Question<'a> {
        let draw = fx.random_u64();
        Question {
            draw,
            number: &self.dialled,
            side: self.side,
            origin: self.office,
            guests: &self.guests,
            permissions: fx.router.permissions(&fx.settings.routing.permissions),
            inbound: &fx.settings.routing.inbound,
            emergency: fx.is_emergency(&self.dialled),
            asterisk: fx.asterisk,
            registrar: fx.registrar,
            router: fx.router,
            roaming: fx.roaming,
            numbers: &fx.settings.numbers,
            now: fx.now.wall,
        }
    }

    /// Where the caller is, when it calls for help. Of another office's caller we know what that office told.
    fn place(&self, fx: &Effects<'_>) -> Option<Box<Place>> {
        if !fx.is_emergency(&self.dialled) {
            return None;
        }
        if !matches!(self.side, Side::Site | Side::Asterisk) {
            return self.told.clone().map(Box::new);
        }
        let address = self.address.filter(|_| self.side == Side::Site);
        let mut place = fx.settings.routing.places.of(self.caller.number.parse().ok().as_ref(), address);
        place.callback = place.callback.or_else(|| fx.settings.routing.main_number.clone());
        Some(Box::new(place))
    }
}

fn new_call(id: CallId, mut setup: Setup, plan: Plan, offer: CallerOffer, fx: &Effects<'_>) -> Call {
    let place = setup.place(fx);
    if plan.is_emergency() {
        setup.session.make_urgent();
    }
    let wants = match &offer {
        CallerOffer::Offered { direction, .. } => *direction,
        CallerOffer::Late => Direction::SendRecv,
    };
    let leg = Leg {
        price: 0,
        silent: false,
        place: 0,
        party: setup.caller,
        device: setup.device,
        state: LegState::Trying,
        link: None,
        office: None,
        wire: setup.wire,
        session: setup.session,
        wants,
        resync: false,
        started: fx.now.wall,
        answered: None,
        quality: None,
    };
    Call {
        id,
        side: setup.side,
        origin: setup.office,
        guest: setup.guests.first().map(|guest| guest.office),
        dialled: setup.dialled,
        state: CallState::Dialling,
        legs: vec![leg],
        plan,
        tried: Vec::new(),
        attempt_reason: None,
        awaiting: None,
        place,
        passed: setup.passed,
        revision: fx.router.revision(),
        offer,
        winner: None,
        early: None,
        failure: None,
        max_forwards: setup.max_forwards,
        started: fx.now.wall,
        answered: None,
        ended: None,
        voicemail_away: false,
        terms: None,
        rule: None,
        recorded: false,
    }
}

fn caller_offer(request: &Request, carriage: Carriage, fx: &mut Effects<'_>) -> Result<CallerOffer, Cause> {
    let Some(body) = request.sdp() else { return Ok(CallerOffer::Late) };
    let description = SessionDescription::parse(&body).map_err(|_| Cause::BadDescription)?;
    read_offer(description, carriage, fx).ok_or(Cause::NoCommonMedia)
}

fn read_offer(
    description: SessionDescription,
    carriage: Carriage,
    fx: &mut Effects<'_>,
) -> Option<CallerOffer> {
    match remote_audio(&description, carriage.policy()) {
        Ok(remote) => {
            let (codecs, direction) = (remote.codecs, remote.direction);
            Some(CallerOffer::Offered { description: Box::new(description), codecs, direction })
        }
        Err(refusal) => {
            fx.refused("sdp", refusal.as_str());
            None
        }
    }
}
