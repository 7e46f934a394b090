//! All calls: what comes in finds its call and leg here.

use std::collections::HashMap;
use std::time::Instant;

use super::books::Books;
use super::cause::Cause;
use super::effects::Effects;
use super::id::{CallId, LegId};
use super::leg::{Leg, LegState, Party, Wire};
use super::model::{Call, CallState, CallerOffer};
use super::plan::{Plan, Question, plan};
use super::session::{Carriage, LegSession};
use super::sip_leg::{SipLeg, our_contact};
use super::timer::Purpose;
use super::web_leg::WebLeg;
use crate::engine::dialog::Dialog;
use crate::engine::flow::{Flow, Side};
use crate::engine::numbering::Extension;
use crate::engine::registrar::Reach;
use crate::engine::transaction::{Event, ServerId};
use crate::engine::web::{CallView, WebRefusal, WebReply, WebRequest, WebSession};
use crate::media::{ConnectivityEvent, MediaEvent};
use crate::sdp::{Direction, SessionDescription, remote_audio};
use crate::sip::{Request, Response};

/// An INVITE that was let in.
#[derive(Debug)]
pub struct Admitted {
    /// Its transaction.
    pub server: ServerId,
    /// Where the caller is.
    pub flow: Flow,
    /// The INVITE.
    pub request: Request,
    /// Who calls, as authenticated or as Asterisk vouches.
    pub caller: Party,
    /// What was dialled.
    pub dialled: String,
}

/// All calls.
#[derive(Debug, Default)]
pub struct Calls {
    table: HashMap<CallId, Box<Call>>,
    active: usize,
    draining: bool,
}

impl Calls {
    /// Calls in progress.
    pub const fn active(&self) -> usize {
        self.active
    }

    /// Whether no call is left, those that are over and being cleaned up included.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Takes no new calls from now on.
    pub const fn drain(&mut self) {
        self.draining = true;
    }

    /// A phone or Asterisk calls.
    pub fn invited(&mut self, admitted: Admitted, fx: &mut Effects<'_>) {
        let Admitted { server, flow, request, caller, dialled } = admitted;
        let contact = our_contact(&dialled, flow);
        let tag = fx.layer.fresh_tag();
        let dialog = match Dialog::as_uas(&request, &tag, contact.clone(), flow) {
            Ok(dialog) => dialog,
            Err(refusal) => {
                fx.refused("dialog", refusal.as_str());
                let response = Response::to_request(&request, refusal.status(), Some(&tag));
                return super::send_response(server, response, fx);
            }
        };
        let max_forwards = request.max_forwards().unwrap_or(70);
        let opening = caller_offer(&request, Carriage::of_flow(&flow), fx);
        let mut session = LegSession::new(Carriage::of_flow(&flow), flow.local.ip(), fx);
        session.withdraw();
        let dialog_id = dialog.id().clone();
        let sip = SipLeg::incoming(flow, server, request, contact, dialog);
        let setup =
            Setup { side: flow.side, caller, dialled, max_forwards, wire: Wire::Sip(Box::new(sip)), session };
        let call = self.begin(setup, opening, fx, |id, fx| {
            fx.books.note_server(server, id);
            if fx.books.dialogs.insert(&dialog_id, id).is_err() {
                fx.refused("call", "dialogs-full");
            }
        });
        self.settle(call, fx);
    }

    /// A page dials.
    fn dialled_by_page(
        &mut self,
        caller: &Extension,
        session: Option<WebSession>,
        to: &str,
        offer: &str,
        fx: &mut Effects<'_>,
    ) -> WebReply {
        let Some(dialled) = super::dialled_number(to) else {
            return WebReply::Refused(WebRefusal::BadNumber);
        };
        if self.draining {
            return WebReply::Refused(WebRefusal::Draining);
        }
        if let Err(cause) = self.has_room(&caller.to_string(), fx) {
            fx.refused("call", cause.as_str());
            return WebReply::Refused(WebRefusal::Limit);
        }
        let description = SessionDescription::parse(offer.as_bytes()).ok();
        let Some(opening) = description.and_then(|offer| read_offer(offer, Carriage::Browser, fx)) else {
            return WebReply::Refused(WebRefusal::BadDescription);
        };
        let party = Party { number: caller.to_string(), name: fx.registrar.display_name(caller) };
        let web = WebLeg::new(caller.clone(), session);
        let setup = Setup {
            side: Side::Site,
            caller: party,
            dialled,
            max_forwards: 70,
            wire: Wire::Web(Box::new(web)),
            session: LegSession::new(Carriage::Browser, fx.settings.media.address, fx),
        };
        let call = self.begin(setup, Ok(opening), fx, |_, _| {});
        let reply = WebReply::Call(call.view(0));
        self.settle(call, fx);
        reply
    }

    /// Makes the call and its first attempt, or refuses it by its own leg A.
    fn begin(
        &mut self,
        setup: Setup,
        offer: Result<CallerOffer, Cause>,
        fx: &mut Effects<'_>,
        note: impl FnOnce(LegId, &mut Effects<'_>),
    ) -> Box<Call> {
        let number = setup.caller.number.clone();
        let question = Question {
            number: &setup.dialled,
            side: setup.side,
            asterisk: fx.asterisk,
            registrar: fx.registrar,
        };
        let planned = offer.and_then(|offer| Ok((plan(&question)?, offer)));
        let admitted = self.has_room(&number, fx).and(planned);
        let id = CallId(fx.random_u64());
        let (plan, offer, refusal) = match admitted {
            Ok((plan, offer)) => (plan, offer, None),
            Err(cause) => (Plan::default(), CallerOffer::Late, Some(cause)),
        };
        let mut call = Box::new(new_call(id, setup, plan, offer, fx));
        note(call.leg_id(0), fx);
        self.active += 1;
        fx.active_calls = self.active;
        call.observe("started", None, fx);
        match refusal {
            Some(cause) => call.end(cause, None, fx),
            None => call.ring_next(fx),
        }
        call
    }

    /// Whether one more call is allowed (emergency calls are not limited: issue of the routing room).
    fn has_room(&self, number: &str, fx: &Effects<'_>) -> Result<(), Cause> {
        let limits = &fx.settings.calls;
        if self.draining {
            return Err(Cause::Shutdown);
        }
        let own = |call: &&Box<Call>| {
            call.is_active() && call.legs.first().is_some_and(|leg| leg.party.number == number)
        };
        if self.active >= limits.max || self.table.values().filter(own).count() >= limits.per_extension {
            return Err(Cause::Limit);
        }
        Ok(())
    }

    /// A request in a dialog; false when it belongs to none of ours.
    pub fn in_dialog(
        &mut self,
        server: ServerId,
        flow: Flow,
        request: Request,
        fx: &mut Effects<'_>,
    ) -> bool {
        let Some(id) = fx.books.dialogs.find(&request) else { return false };
        self.with(id, fx, |call, fx| {
            if let Some(dialog) =
                call.leg(id.place).and_then(|leg| leg.sip()).and_then(|sip| sip.dialog.as_mut())
            {
                dialog.set_flow(flow);
            }
            call.request_from(id.place, server, request, fx);
        })
    }

    /// What the transaction layer tells of transactions that belong to calls.
    pub fn transaction_event(&mut self, event: Event, fx: &mut Effects<'_>) {
        match event {
            Event::Ack { server, request } => self.of_server(server, fx, |call, place, fx| {
                fx.books.forget_server(server);
                call.acknowledged(place, &request, fx);
            }),
            Event::Cancelled { invite, .. } => self.of_server(invite, fx, |call, _, fx| call.cancelled(fx)),
            Event::Prack { server, invite, request, .. } => {
                self.of_server(invite, fx, |call, place, fx| call.pracked(place, server, &request, fx));
            }
            Event::Unacknowledged { server, accepted } => self.of_server(server, fx, |call, _, fx| {
                fx.books.forget_server(server);
                if accepted {
                    call.end(Cause::Unacknowledged, None, fx);
                }
            }),
            Event::ProvisionalUnacknowledged { server } => {
                self.of_server(server, fx, |call, _, fx| call.end(Cause::Unacknowledged, None, fx));
            }
            Event::Response { client, response, prack } => {
                let Some((id, asked)) = fx.books.client(client) else { return };
                self.with(id, fx, |call, fx| {
                    call.response_from(id.place, asked, client, &response, prack, fx)
                });
            }
            Event::LateAnswer { client, response } => {
                let Some((id, asked)) = fx.books.client(client) else { return };
                self.with(id, fx, |call, fx| {
                    call.response_from(id.place, asked, client, &response, None, fx)
                });
            }
            Event::Failed { client, reason } => {
                let Some((id, asked)) = fx.books.client(client) else { return };
                self.with(id, fx, |call, fx| call.request_failed(id.place, asked, client, reason, fx));
            }
            Event::Request { .. } => {}
        }
    }

    /// News from the media worker.
    pub fn media_event(&mut self, event: MediaEvent, fx: &mut Effects<'_>) {
        let Some(id) = fx.books.end(event.end()) else {
            // The call is forgotten; its end still has to be given back.
            if let MediaEvent::Closed { end, .. } = event {
                fx.stock.ends.release(end);
            }
            return;
        };
        self.with(id, fx, |call, fx| call.media_event(id.place, event, fx));
    }

    /// News of ICE and DTLS.
    pub fn connectivity_event(&mut self, event: &ConnectivityEvent, fx: &mut Effects<'_>) {
        if let Some(id) = fx.books.end(event.end()) {
            self.with(id, fx, |call, fx| call.connectivity_event(id.place, event, fx));
        }
    }

    /// A page asks.
    pub fn page_request(
        &mut self,
        caller: &Extension,
        session: Option<WebSession>,
        request: WebRequest,
        fx: &mut Effects<'_>,
    ) -> WebReply {
        match request {
            WebRequest::Dial { to, offer } => self.dialled_by_page(caller, session, &to, &offer, fx),
            WebRequest::Calls => WebReply::Calls(self.views(caller)),
            WebRequest::Accept { call, answer } => {
                self.of_page(call, caller, session, fx, |call, place, fx| {
                    call.page_accepts(place, &answer, fx)
                })
            }
            WebRequest::End { call, busy } => {
                self.of_page(call, caller, session, fx, |call, place, fx| call.page_ends(place, busy, fx))
            }
            WebRequest::Signal { call, signal } => {
                self.of_page(call, caller, session, fx, |call, place, fx| {
                    call.page_signals(place, signal, fx)
                })
            }
            WebRequest::Signals { call, since } => {
                self.of_page(call, caller, session, fx, |call, place, _| {
                    let web = call.leg(place).and_then(|leg| leg.web());
                    WebReply::Signals(web.map(|web| web.after(since)).unwrap_or_default())
                })
            }
            WebRequest::Call { call } => {
                self.of_page(call, caller, session, fx, |call, place, _| WebReply::Call(call.view(place)))
            }
        }
    }

    /// A page is there again.
    pub fn page_opened(&mut self, extension: &Extension, session: WebSession, fx: &mut Effects<'_>) {
        let mut devices = fx.registrar.location(extension).into_iter();
        let device = devices.find(|one| one.reach == Reach::Web(Some(session))).map(|one| one.key.clone());
        for call in self.table.values_mut() {
            call.page_returned(extension, device.as_ref(), session, fx);
        }
    }

    /// A page is gone.
    pub fn page_closed(&mut self, session: WebSession, fx: &mut Effects<'_>) {
        for id in self.ids() {
            self.with(LegId { call: id, place: 0 }, fx, |call, fx| call.page_left(session, fx));
        }
    }

    /// Ends all calls.
    pub fn end_all(&mut self, cause: Cause, fx: &mut Effects<'_>) {
        for id in self.ids() {
            self.with(LegId { call: id, place: 0 }, fx, |call, fx| call.end(cause, None, fx));
        }
    }

    /// Lets every deadline pass that is not after now.
    pub fn handle_timeout(&mut self, fx: &mut Effects<'_>) {
        while let Some(timer) = fx.books.timers.pop(fx.now.instant) {
            let id = LegId { call: timer.call, place: 0 };
            self.with(id, fx, |call, fx| call.timer(timer.purpose, fx));
        }
    }

    /// When to call [`Calls::handle_timeout`] next.
    pub fn poll_timeout(books: &mut Books) -> Option<Instant> {
        books.timers.next()
    }

    /// All calls in progress, as their callers see them, with the called legs' numbers.
    pub fn overview(&self) -> Vec<CallView> {
        self.table.values().filter(|call| call.is_active()).map(|call| call.view(0)).collect()
    }

    /// Calls in progress with both parties, for `branchline calls`.
    pub fn iter(&self) -> impl Iterator<Item = &Call> {
        self.table.values().map(Box::as_ref)
    }

    fn views(&self, caller: &Extension) -> Vec<CallView> {
        let place = |call: &Call| call.page_place(caller, None);
        let active = self.table.values().filter(|call| call.is_active());
        active.filter_map(|call| place(call).map(|place| call.view(place))).collect()
    }

    fn ids(&self) -> Vec<CallId> {
        self.table.keys().copied().collect()
    }

    fn of_server(
        &mut self,
        server: ServerId,
        fx: &mut Effects<'_>,
        act: impl FnOnce(&mut Call, u16, &mut Effects<'_>),
    ) {
        if let Some(id) = fx.books.server(server) {
            self.with(id, fx, |call, fx| act(call, id.place, fx));
        }
    }

    fn of_page(
        &mut self,
        call: CallId,
        caller: &Extension,
        session: Option<WebSession>,
        fx: &mut Effects<'_>,
        act: impl FnOnce(&mut Call, u16, &mut Effects<'_>) -> WebReply,
    ) -> WebReply {
        let Some(place) = self.table.get(&call).and_then(|call| call.page_place(caller, session)) else {
            return WebReply::Refused(WebRefusal::NoSuchCall);
        };
        let mut reply = WebReply::Refused(WebRefusal::NoSuchCall);
        self.with(LegId { call, place }, fx, |call, fx| reply = act(call, place, fx));
        reply
    }

    /// Takes a call out, acts, and puts it back unless it is settled. False when there is no such call.
    fn with(
        &mut self,
        id: LegId,
        fx: &mut Effects<'_>,
        act: impl FnOnce(&mut Call, &mut Effects<'_>),
    ) -> bool {
        let Some(mut call) = self.table.remove(&id.call) else { return false };
        fx.active_calls = self.active;
        act(&mut call, fx);
        self.settle(call, fx);
        true
    }

    fn settle(&mut self, call: Box<Call>, fx: &mut Effects<'_>) {
        self.active = fx.active_calls;
        if call.is_settled() {
            fx.books.forget_call(call.id, call.legs.len() as u16);
        } else {
            self.table.insert(call.id, call);
        }
    }
}

impl Call {
    fn timer(&mut self, purpose: Purpose, fx: &mut Effects<'_>) {
        match purpose {
            Purpose::Ring => self.ring_time_over(fx),
            Purpose::Longest => self.end(Cause::TooLong, None, fx),
            Purpose::Refresh(place) => self.refresh(place, fx),
            Purpose::Expire(_) => self.session_expired(fx),
            Purpose::Again(place) => self.exchange_again(place, fx),
            Purpose::Away(place) => self.page_gone(place, fx),
            Purpose::Sample => self.sample(fx),
            Purpose::Linger => self.write_record(true, fx),
        }
    }
}

/// What a call is made of.
struct Setup {
    side: Side,
    caller: Party,
    dialled: String,
    max_forwards: u8,
    wire: Wire,
    session: LegSession,
}

fn new_call(id: CallId, setup: Setup, plan: Plan, offer: CallerOffer, fx: &Effects<'_>) -> Call {
    let leg = Leg {
        place: 0,
        party: setup.caller,
        device: None,
        state: LegState::Trying,
        wire: setup.wire,
        session: setup.session,
        wants: Direction::SendRecv,
        resync: false,
        started: fx.now.wall,
        answered: None,
    };
    Call {
        id,
        side: setup.side,
        dialled: setup.dialled,
        state: CallState::Dialling,
        legs: vec![leg],
        plan,
        offer,
        winner: None,
        early: None,
        failure: None,
        max_forwards: setup.max_forwards,
        started: fx.now.wall,
        answered: None,
        ended: None,
        recorded: false,
    }
}

fn caller_offer(request: &Request, carriage: Carriage, fx: &mut Effects<'_>) -> Result<CallerOffer, Cause> {
    if !request.has_sdp() {
        return Ok(CallerOffer::Late);
    }
    let description = SessionDescription::parse(&request.body).map_err(|_| Cause::BadDescription)?;
    read_offer(description, carriage, fx).ok_or(Cause::NoCommonMedia)
}

fn read_offer(
    description: SessionDescription,
    carriage: Carriage,
    fx: &mut Effects<'_>,
) -> Option<CallerOffer> {
    match remote_audio(&description, carriage.policy()) {
        Ok(remote) => Some(CallerOffer::Offered { description, codecs: remote.codecs }),
        Err(refusal) => {
            fx.refused("sdp", refusal.as_str());
            None
        }
    }
}
