//! What pages ask and tell: most of it is for calls.

use std::net::IpAddr;

use super::Engine;
use super::visitors::PageOfVisitor;
use crate::engine::call::Resolution;
use crate::engine::numbering::Extension;
use crate::engine::output::{Change, Output, StoreTicket};
use crate::engine::registrar::{Availability, AvailabilityChange};
use crate::engine::web::{Ticket, WebEvent, WebInput, WebReply, WebRequest, WebSession};
use crate::time::Now;

impl Engine {
    pub(super) fn web(&mut self, now: Now, input: WebInput) {
        match input {
            WebInput::Opened { session, extension, instance, user_agent, address } => {
                let page = PageOfVisitor { session, instance, user_agent, address };
                if let Some(page) = self.fetches_for_page(&extension, page) {
                    self.page_opened(now, &extension, &page);
                }
            }
            WebInput::Closed { session } => {
                self.forget_waiting_page(session);
                let changes = self.registrar.web_closed(now, session);
                self.note_registrations(&changes, now);
                self.with_calls(now, |calls, fx| calls.page_closed(session, fx));
            }
            WebInput::WhoIs { ticket, user } => self.who_is(ticket, &user),
            WebInput::Request { ticket, caller, session, request } => {
                let reply = self.page_asks(now, &caller, session, request);
                self.reply(ticket, reply);
            }
        }
    }

    /// Where a call of a device of the site would go, and why; `None` when that is no number.
    pub fn resolve(&mut self, now: Now, to: &str) -> Option<Resolution> {
        let mut resolution = None;
        self.with_calls(now, |calls, fx| resolution = calls.resolve(to, fx));
        resolution
    }

    /// A page is a device of its extension from now on.
    pub(super) fn page_opened(&mut self, now: Now, extension: &Extension, page: &PageOfVisitor) {
        let PageOfVisitor { session, instance, user_agent, address } = page;
        let (session, address): (WebSession, IpAddr) = (*session, *address);
        self.calls.page_is_at(session, address);
        let changes = self.registrar.web_opened(now, session, extension, instance, user_agent);
        self.note_registrations(&changes, now);
        let event = WebEvent::Registered { extension: extension.to_string() };
        self.out.push_back(Output::Web { session, event });
        if let Some(device) = self.registrar.page_device(session) {
            self.with_calls(now, |calls, fx| calls.page_opened(&device, session, fx));
        }
    }

    pub(super) fn reply(&mut self, ticket: Ticket, reply: WebReply) {
        self.out.push_back(Output::Reply { ticket, reply });
    }

    fn page_asks(
        &mut self,
        now: Now,
        caller: &Extension,
        session: Option<WebSession>,
        request: WebRequest,
    ) -> WebReply {
        if let WebRequest::SetAvailability(change) = request {
            return WebReply::Availability(self.set_availability(now, caller, change));
        }
        let mut reply = WebReply::Done;
        self.with_calls(now, |calls, fx| reply = calls.page_request(caller, session, request, fx));
        reply
    }

    /// A user says how to be reached: in force at once, and on flash for users of this office.
    fn set_availability(
        &mut self,
        now: Now,
        extension: &Extension,
        change: AvailabilityChange,
    ) -> Availability {
        let says = self.registrar.availability(extension).changed(change, now.wall);
        if self.registrar.set_availability(extension, says) && self.registrar.has_account(extension) {
            self.tickets += 1;
            let change = Change::Availability { extension: extension.clone(), says };
            self.out.push_back(Output::Persist { ticket: StoreTicket(self.tickets), change });
        }
        self.registrar.availability(extension)
    }
}
