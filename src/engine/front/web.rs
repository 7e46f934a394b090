//! What pages ask and tell.

use super::Engine;
use crate::engine::output::Output;
use crate::engine::web::{Ticket, WebEvent, WebInput, WebReply};
use crate::time::Now;

impl Engine {
    pub(super) fn web(&mut self, now: Now, input: WebInput) {
        match input {
            WebInput::Opened { session, extension, instance, user_agent, address } => {
                self.calls.page_is_at(session, address);
                let changes = self.registrar.web_opened(now, session, &extension, &instance, &user_agent);
                self.note_registrations(&changes, now);
                let event = WebEvent::Registered { extension: extension.to_string() };
                self.out.push_back(Output::Web { session, event });
                if let Some(device) = self.registrar.page_device(session) {
                    self.with_calls(now, |calls, fx| calls.page_opened(&device, session, fx));
                }
            }
            WebInput::Closed { session } => {
                let changes = self.registrar.web_closed(now, session);
                self.note_registrations(&changes, now);
                self.with_calls(now, |calls, fx| calls.page_closed(session, fx));
            }
            WebInput::Request { ticket, caller, session, request } => {
                let mut reply = WebReply::Done;
                self.with_calls(now, |calls, fx| reply = calls.page_request(&caller, session, request, fx));
                self.reply(ticket, reply);
            }
        }
    }

    fn reply(&mut self, ticket: Ticket, reply: WebReply) {
        self.out.push_back(Output::Reply { ticket, reply });
    }
}
