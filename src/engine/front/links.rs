//! Links: what they want done goes out, what comes of it goes back, and calls that wait for a way go on.

use std::sync::Arc;

use super::Engine;
use crate::engine::call::our_contact;
use crate::engine::dialog::{Opening, RouteSet};
use crate::engine::flow::{Flow, FlowFailure, Side};
use crate::engine::numbering::OfficeId;
use crate::engine::output::{Observation, Output};
use crate::engine::routing::{
    DialFailure, DialResult, DialTicket, Link, LinkAddress, LinkId, LinkKind, LinkOrder, ProbeToken, Router,
};
use crate::engine::transaction::{ClientId, RequestOptions};
use crate::sip::{HeaderName, Method, NameAddr, Request, SipUri};
use crate::time::Now;

/// Names the office that sent a request through the federation's gateway, as the gateway found it proven.
const VOUCHED: &str = "X-Federation-Office";

impl Engine {
    /// Links, routes and how they are.
    pub const fn router(&self) -> &Router {
        &self.router
    }

    pub(super) fn flow_failed(&mut self, now: Now, flow: Flow, reason: FlowFailure) {
        // The link first: calls that fail with their flow look for another way.
        self.router.links.flow_lost(flow, reason, now);
        if flow.connection.is_none() {
            return self.layer.transmit_failed(now, flow, reason);
        }
        self.dialogs_leave(flow);
        self.layer.flow_closed(now, flow, reason);
        self.with_calls(now, |calls, fx| calls.callers_lost(flow, fx));
        let changes = self.registrar.flow_closed(now, flow);
        self.note_registrations(&changes, now);
    }

    /// From which side a request that opens something comes: the flow's, but behind the federation's gateway the office for
    /// which it vouches. Nothing when the gateway names none, or this one. Nobody else may vouch.
    pub(super) fn side_of(&self, flow: Flow, request: &Request) -> Option<Side> {
        let is_gateway = |link: &Arc<Link>| link.kind == LinkKind::ApiGateway;
        let opens = matches!(request.method, Method::Invite | Method::Message);
        if flow.side != Side::Gateway || !opens || !self.router.links.on_flow(flow).is_some_and(is_gateway) {
            return Some(flow.side);
        }
        let name = HeaderName::from_static(VOUCHED);
        let mut named = request.headers.get_all(&name);
        let office: OfficeId = named.next()?.parse().ok()?;
        let is_one = named.next().is_none() && office.as_str() != self.settings.office;
        is_one.then_some(Side::Office(office))
    }

    pub(super) fn dialled(&mut self, now: Now, ticket: DialTicket, result: DialResult) {
        if let DialResult::Open { flow, .. } = &result
            && flow.side == Side::Gateway
            && flow.connection.is_some()
        {
            self.calls.peer_moved(*flow);
        }
        if let Some((link, result)) = self.router.links.dialled(ticket, result, now) {
            if let Some(flow) = result.ok().filter(|flow| flow.connection.is_some()) {
                self.calls.link_moved(&link, flow);
            }
            self.calls_go_on(now, &link, result);
        }
    }

    pub(super) fn links_timeout(&mut self, now: Now) {
        for (link, failure) in self.router.links.handle_timeout(now) {
            self.calls_go_on(now, &link, Err(failure));
        }
    }

    /// A connection of links is gone: dialogs go on over another one with the same office, if there is one; if not, over the
    /// next one.
    fn dialogs_leave(&mut self, gone: Flow) {
        if let Some(other) = self.router.links.other_way(gone) {
            self.calls.flow_replaced(gone, other);
        }
    }

    /// Carries out what links want. Whether there was anything.
    pub(super) fn carry_out_link_orders(&mut self, now: Now) -> bool {
        let mut moved = false;
        while let Some(order) = self.router.links.poll_order() {
            moved = true;
            match order {
                LinkOrder::Dial(mut dial) => {
                    let known = &self.settings.routing.tokens;
                    dial.token = dial.credentials.as_ref().and_then(|name| known.get(name)).cloned();
                    self.out.push_back(Output::Dial(dial));
                }
                LinkOrder::Close(flow) => {
                    self.out.push_back(Output::Close { flow, reason: FlowFailure::Closed });
                }
                LinkOrder::Reset(flow) => {
                    self.dialogs_leave(flow);
                    self.out.push_back(Output::Close { flow, reason: FlowFailure::Silent });
                }
                LinkOrder::Register { token, link, flow, expires } => {
                    self.register_with(now, token, &link, flow, expires);
                }
                LinkOrder::Probe { token, link, flow, patience } => {
                    let options = RequestOptions { first_response: Some(patience) };
                    let request = self.probe(&link, flow);
                    match self.layer.request(now, flow, request, options) {
                        Ok(client) => drop(self.probes.insert(client, token)),
                        Err(_) => self.router.links.probed(token, None, now),
                    }
                }
            }
        }
        while let Some(change) = self.router.links.poll_change() {
            let (link, state, failure) = (change.link, change.state, change.failure);
            self.out.push_back(Output::Observe(Observation::Link { link, state, failure }));
        }
        moved
    }

    /// The probe that a client transaction of ours is, if it is one; it is over.
    pub(super) fn probe_of(&mut self, client: ClientId) -> Option<ProbeToken> {
        self.probes.remove(&client)
    }

    fn calls_go_on(&mut self, now: Now, link: &LinkId, result: Result<Flow, DialFailure>) {
        self.with_calls(now, |calls, fx| calls.link_dialled(link, result, fx));
    }

    fn probe(&mut self, link: &Link, flow: Flow) -> Request {
        let office = self.settings.office.as_str();
        let peer = match &link.address {
            LinkAddress::Sip(address) => SipUri::new(None, address.host.clone(), Some(address.port)),
            LinkAddress::Asterisk { .. } => SipUri::new(None, flow.remote.ip().into(), None),
        };
        let from = NameAddr::new(SipUri::new(Some(office), self.settings.realm.as_str().into(), None));
        let opening = Opening {
            target: peer.clone().into(),
            routes: RouteSet::new(&[]),
            from: from.with_tag(&self.layer.fresh_tag()),
            to: NameAddr::new(peer),
            call_id: self.layer.fresh_call_id(),
            cseq: 1,
            contact: our_contact(office, flow),
        };
        opening.request(Method::Options)
    }
}
