//! What the scripted Asterisk does by itself: it answers OPTIONS and keeps the contacts that it is told.

use super::world::*;
use crate::engine::Input;
use crate::sip::{Method, Request, Response, StatusCode, parse};

impl World {
    pub(super) fn asterisk_hears(&mut self, request: &Request) {
        if self.pbx == Pbx::Silent {
            return;
        }
        let refuses = self.pbx == Pbx::Refuses && request.method == Method::Register;
        let status = if refuses { StatusCode::FORBIDDEN } else { StatusCode::OK };
        let mut response = Response::to_request(request, status, Some("pbx"));
        if request.method == Method::Register && !refuses {
            self.note_contact(request, &mut response);
        }
        let (flow, message) = (self.peers[ASTERISK.0].flow, parse::parse(response.to_bytes()));
        self.inputs.push_back(Input::Sip { flow, message });
    }

    fn note_contact(&mut self, request: &Request, response: &mut Response) {
        let user = request.to().unwrap().uri.user().unwrap().into_owned();
        let expires = request.headers.read::<crate::sip::header::Expires>().unwrap();
        if let (Some(expires), true) = (expires, request.headers.has(&crate::sip::HeaderName::Contact)) {
            self.mirrored.push((user.clone(), expires.0, self.now));
            if expires.0 == 0 {
                self.contacts.remove(&user);
            } else {
                self.contacts.insert(user.clone(), self.now.plus(seconds(expires.0.into())));
            }
        }
        if self.contacts.get(&user).is_some_and(|until| until.instant > self.now.instant) {
            response
                .headers
                .push(crate::sip::HeaderName::Contact, format!("<sip:{user}@127.0.0.1:5070>;expires=60"));
        }
    }

    /// The extensions that Asterisk believes to have a device.
    pub(super) fn contacts(&self) -> Vec<String> {
        let live = self.contacts.iter().filter(|(_, until)| until.instant > self.now.instant);
        let mut names: Vec<_> = live.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }
}
