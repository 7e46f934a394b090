//! All calls: what comes in finds its call and leg here.

use std::collections::HashMap;
use std::net::IpAddr;

use super::abandoned::answered_late;
use super::cause::Cause;
use super::effects::Effects;
use super::id::{CallId, LegId};
use super::leg::Leg;
use super::model::Call;
use super::sip_leg::Stage;
use super::timer::Purpose;
use crate::engine::flow::{Flow, Side};
use crate::engine::numbering::Extension;
use crate::engine::output::Observation;
use crate::engine::registrar::BindingKey;
use crate::engine::routing::{DialFailure, LinkId};
use crate::engine::transaction::{Event, ServerId};
use crate::engine::web::{CallView, WebSession};
use crate::media::{ConnectivityEvent, MediaEvent};
use crate::sip::Request;

/// What became of a request in a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InDialog {
    /// It is answered.
    Taken,
    /// It belongs to no dialog of ours.
    Unknown,
    /// It does not come from where the party is.
    Stranger,
}

/// All calls.
#[derive(Debug, Default)]
pub struct Calls {
    pub(super) table: HashMap<CallId, Box<Call>>,
    pub(super) active: usize,
    pub(super) draining: bool,
    /// Where the pages are that are connected; bounded by the sessions that the shell lets in.
    pub(super) pages: HashMap<WebSession, IpAddr>,
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

    /// A request in a dialog. It must come the way the party came, or from the same host, or on the flow on which the
    /// party's device is registered by now; from anywhere else only if the sender has proved who it is (`proved`).
    pub fn in_dialog(
        &mut self,
        server: ServerId,
        flow: Flow,
        request: &Request,
        proved: Option<&Extension>,
        fx: &mut Effects<'_>,
    ) -> InDialog {
        let Some(id) = fx.books.dialogs.find(request) else { return InDialog::Unknown };
        let Some(leg) = self.table.get_mut(&id.call).and_then(|call| call.leg(id.place)) else {
            return InDialog::Unknown;
        };
        if !leg.is_reached_by(flow, fx) && proved.is_none_or(|proved| proved.to_string() != leg.party.number)
        {
            return InDialog::Stranger;
        }
        if let Some(dialog) = leg.sip().and_then(|sip| sip.dialog.as_mut()) {
            dialog.set_flow(flow);
        }
        self.with(id, fx, |call, fx| call.request_from(id.place, server, request, fx));
        InDialog::Taken
    }

    /// A device is reached on another flow now: its dialogs follow it.
    pub fn device_moved(&mut self, device: &BindingKey, flow: Flow) {
        for leg in self.table.values_mut().flat_map(|call| call.legs.iter_mut()) {
            if leg.device.as_ref() == Some(device)
                && let Some(dialog) = leg.sip().and_then(|sip| sip.dialog.as_mut())
            {
                dialog.set_flow(flow);
            }
        }
    }

    /// Another office or a gateway has a new connection with us: dialogs with it go on there, for the old one may be gone.
    pub fn peer_moved(&mut self, flow: Flow) {
        for leg in self.table.values_mut().flat_map(|call| call.legs.iter_mut()) {
            if let Some(dialog) = leg.sip().and_then(|sip| sip.dialog.as_mut())
                && dialog.flow().side == flow.side
                && dialog.flow().transport == flow.transport
                && dialog.flow().remote.ip() == flow.remote.ip()
            {
                dialog.set_flow(flow);
            }
        }
    }

    /// A link has a new connection: dialogs that were made over the link go on there.
    pub fn link_moved(&mut self, link: &LinkId, flow: Flow) {
        for leg in self.table.values_mut().flat_map(|call| call.legs.iter_mut()) {
            if leg.link.as_ref().is_some_and(|one| one.id == *link)
                && let Some(dialog) = leg.sip().and_then(|sip| sip.dialog.as_mut())
            {
                dialog.set_flow(flow);
            }
        }
    }

    /// A connection is gone, and there is another one with the same peer: dialogs go on there.
    pub fn flow_replaced(&mut self, gone: Flow, other: Flow) {
        for leg in self.table.values_mut().flat_map(|call| call.legs.iter_mut()) {
            if let Some(dialog) = leg.sip().and_then(|sip| sip.dialog.as_mut())
                && dialog.flow() == gone
            {
                dialog.set_flow(other);
            }
        }
    }

    /// A connection with another office or a gateway is gone. Whoever calls on it and has no answer yet cannot get one, nor
    /// can it cancel: it will have called elsewhere, and our phones must not ring on for it.
    pub fn callers_lost(&mut self, gone: Flow, fx: &mut Effects<'_>) {
        if !matches!(gone.side, Side::Office(_) | Side::Gateway) {
            return;
        }
        let calls_on_it = |leg: &mut Leg| {
            leg.sip().is_some_and(|sip| sip.flow == gone && matches!(sip.stage, Stage::Incoming { .. }))
        };
        let mut lost = Vec::new();
        for (call, found) in &mut self.table {
            if found.legs.first_mut().is_some_and(calls_on_it) {
                lost.push(LegId { call: *call, place: 0 });
            }
        }
        lost.sort_unstable();
        for id in lost {
            self.with(id, fx, |call, fx| call.end(Cause::Cancelled, None, fx));
        }
    }

    /// What the transaction layer tells of transactions that belong to calls.
    pub fn transaction_event(&mut self, event: Event, fx: &mut Effects<'_>) {
        match event {
            Event::Ack { server, request } => self.of_server(server, fx, |call, place, fx| {
                fx.books.forget_server(server);
                call.acknowledged(place, &request, fx);
            }),
            Event::Cancelled { invite, .. } => {
                fx.observe(Observation::Answered { method: "CANCEL", status: 200 });
                self.of_server(invite, fx, |call, place, fx| call.cancelled(place, invite, fx));
            }
            Event::Prack { server, invite, request, .. } => {
                self.of_server(invite, fx, |call, place, fx| call.pracked(place, server, &request, fx));
            }
            Event::Unacknowledged { server, accepted } => self.of_server(server, fx, |call, place, fx| {
                fx.books.forget_server(server);
                if accepted {
                    call.never_acknowledged(place, fx);
                }
            }),
            Event::ProvisionalUnacknowledged { server } => {
                self.of_server(server, fx, Call::unheard);
            }
            Event::Response { client, response, prack } => {
                let Some((id, asked)) = fx.books.client(client) else { return };
                self.with(id, fx, |call, fx| {
                    call.response_from(id.place, asked, client, &response, prack, fx);
                });
            }
            Event::LateAnswer { client, response } => {
                if !answered_late(client, &response, fx) {
                    fx.refused("call", "stray-late-2xx");
                }
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
        if let MediaEvent::Closed { end, .. } = &event {
            fx.stock.ends.release(*end);
        }
        let Some(id) = fx.books.end(event.end()) else { return };
        self.with(id, fx, |call, fx| call.media_event(id.place, event, fx));
    }

    /// News of ICE and DTLS.
    pub fn connectivity_event(&mut self, event: &ConnectivityEvent, fx: &mut Effects<'_>) {
        if let Some(id) = fx.books.end(event.end()) {
            self.with(id, fx, |call, fx| call.connectivity_event(id.place, event, fx));
        }
    }

    /// A way to a link's peer was found, or none: calls that wait for it go on.
    pub fn link_dialled(&mut self, link: &LinkId, result: Result<Flow, DialFailure>, fx: &mut Effects<'_>) {
        let waits = |call: &Call| call.awaiting.as_ref().is_some_and(|(one, _)| one.link.id == *link);
        let mut waiting: Vec<CallId> =
            self.table.values().filter(|call| waits(call)).map(|call| call.id).collect();
        waiting.sort_unstable();
        for call in waiting {
            self.with(LegId { call, place: 0 }, fx, |call, fx| call.link_dialled(link, result, fx));
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
        fx.books.abandoned.forget_old(fx.now.instant);
        while let Some(timer) = fx.books.timers.pop(fx.now.instant) {
            let id = LegId { call: timer.call, place: 0 };
            self.with(id, fx, |call, fx| call.timer(timer.purpose, fx));
        }
    }

    /// All calls in progress, as their callers see them, with the called legs' numbers.
    pub fn overview(&self) -> Vec<CallView> {
        self.table.values().filter(|call| call.is_active()).map(|call| call.view(0)).collect()
    }

    /// Calls in progress with both parties, for `branchline calls`.
    pub fn iter(&self) -> impl Iterator<Item = &Call> {
        self.table.values().map(Box::as_ref)
    }

    pub(super) fn ids(&self) -> Vec<CallId> {
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

    /// Takes a call out, acts, and puts it back unless it is settled. False when there is no such call.
    pub(super) fn with(
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

    pub(super) fn settle(&mut self, call: Box<Call>, fx: &mut Effects<'_>) {
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
            Purpose::Connect => self.connect_time_over(fx),
            Purpose::Progress => self.progress_time_over(fx),
            Purpose::Longest => self.longest_reached(fx),
            Purpose::Meter => self.read_meter(fx),
            Purpose::Idle => self.end(Cause::Idle, None, fx),
            Purpose::Refresh(place) => self.refresh(place, fx),
            Purpose::Expire(_) => self.session_expired(fx),
            Purpose::Again(place) => self.exchange_again(place, fx),
            Purpose::Reply(place) => self.reply_overdue(place, fx),
            Purpose::Away(place) => self.page_gone(place, fx),
            Purpose::Sample => self.sample(fx),
            Purpose::Linger => self.write_record(true, fx),
        }
    }
}
