//! What pages ask of all calls.

use std::net::IpAddr;

use super::calls::Calls;
use super::effects::Effects;
use super::id::{CallId, LegId};
use super::model::Call;
use crate::engine::numbering::Extension;
use crate::engine::registrar::BindingKey;
use crate::engine::web::{CallView, WebRefusal, WebReply, WebRequest, WebSession};

impl Calls {
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
            WebRequest::Reach { numbers } => {
                WebReply::Reach(numbers.iter().map(|number| fx.registrar.reach(number)).collect())
            }
            WebRequest::Resolve { to } => {
                self.resolve(&to, fx).map_or(WebReply::Refused(WebRefusal::BadNumber), |found| {
                    WebReply::Resolution(Box::new(found))
                })
            }
            WebRequest::Availability | WebRequest::SetAvailability(_) => {
                WebReply::Availability(fx.registrar.availability(caller))
            }
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

    /// A page is there (again), as this device.
    pub fn page_opened(&mut self, device: &BindingKey, session: WebSession, fx: &mut Effects<'_>) {
        for call in self.table.values_mut() {
            call.page_returned(device, session, fx);
        }
    }

    /// Where a page is. Known while it is connected.
    pub fn page_is_at(&mut self, session: WebSession, address: IpAddr) {
        self.pages.insert(session, address);
    }

    /// A page is gone.
    pub fn page_closed(&mut self, session: WebSession, fx: &mut Effects<'_>) {
        self.pages.remove(&session);
        for id in self.ids() {
            self.with(LegId { call: id, place: 0 }, fx, |call, fx| call.page_left(session, fx));
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

    fn views(&self, caller: &Extension) -> Vec<CallView> {
        let place = |call: &Call| call.page_place(caller, None);
        let active = self.table.values().filter(|call| call.is_active());
        active.filter_map(|call| place(call).map(|place| call.view(place))).collect()
    }
}
