//! The requests that Asterisk gets: OPTIONS and REGISTER.

use super::{About, INTERVAL, Mirror, State};
use crate::engine::numbering::Extension;
use crate::engine::settings::AsteriskSettings;
use crate::sip::header::{CSeq, Expires, MaxForwards};
use crate::sip::{HeaderName, Method, NameAddr, Request, SipUri, Text};

impl Mirror {
    /// Writes a request. The CSeq goes up over all requests, so that the order of an extension's REGISTERs shows.
    pub(super) fn write(&self, about: &About, link: AsteriskSettings) -> Request {
        let target = SipUri::new(None, link.remote.ip().into(), Some(link.remote.port()));
        match about {
            About::Probe => {
                let from = SipUri::new(Some("branchline"), link.local.ip().into(), Some(link.local.port()));
                self.request(Method::Options, &target, &from, &target, "probe")
            }
            About::Query(extension) => self.register(&target, link, extension),
            About::Extension(extension) => {
                let user = extension.to_string();
                let contact = SipUri::new(Some(&user), link.local.ip().into(), Some(link.local.port()));
                let mut request = self.register(&target, link, extension);
                request.headers.push(HeaderName::Contact, NameAddr::new(contact));
                let is_leaving =
                    self.entries.get(extension).is_none_or(|entry| entry.state == State::Leaving);
                let expires = if is_leaving { 0 } else { u32::try_from(INTERVAL.as_secs()).unwrap_or(120) };
                request.headers.set(&Expires(expires));
                request
            }
        }
    }

    fn register(&self, target: &SipUri, link: AsteriskSettings, extension: &Extension) -> Request {
        let user = extension.to_string();
        let aor = SipUri::new(Some(&user), link.remote.ip().into(), Some(link.remote.port()));
        self.request(Method::Register, target, &aor, &aor, &user)
    }

    fn request(&self, method: Method, target: &SipUri, from: &SipUri, to: &SipUri, name: &str) -> Request {
        let mut request = Request::new(method.clone(), target.clone());
        request.headers.set(&MaxForwards(70));
        let from = NameAddr::new(from.clone()).with_tag(&format!("{:x}", self.boot));
        request.headers.push(HeaderName::From, &from);
        request.headers.push(HeaderName::To, NameAddr::new(to.clone()));
        request.headers.push(HeaderName::CallId, Text::from(format!("mirror-{name}-{:x}", self.boot)));
        let number = u32::try_from(self.last & 0x7fff_ffff).unwrap_or(1);
        request.headers.set(&CSeq { number, method });
        request
    }
}
