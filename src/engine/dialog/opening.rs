//! The request that may create a dialog (RFC 3261 §8.1.1).

use super::RouteSet;
use crate::sip::header::{CSeq, MaxForwards};
use crate::sip::{HeaderName, Method, NameAddr, Request, Text, Uri};

/// What a request outside of a dialog says about its parties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Of whom it is asked.
    pub target: Uri,
    /// Through which proxies, if any.
    pub routes: RouteSet,
    /// From, with our tag.
    pub from: NameAddr,
    /// To, without tag.
    pub to: NameAddr,
    /// Call-ID.
    pub call_id: Text,
    /// CSeq number; one more for each further try (credentials, a longer session interval).
    pub cseq: u32,
    /// Our Contact.
    pub contact: NameAddr,
}

impl Opening {
    /// The request. Body and further headers are the caller's, the Via is the transaction layer's.
    pub fn request(&self, method: Method) -> Request {
        let (uri, routes) = self.routes.apply(&self.target);
        let mut request = Request::new(method.clone(), uri);
        request.headers.set(&MaxForwards(70));
        for route in &routes {
            request.headers.push(HeaderName::Route, route);
        }
        request.headers.push(HeaderName::From, &self.from);
        request.headers.push(HeaderName::To, &self.to);
        request.headers.push(HeaderName::CallId, &self.call_id);
        request.headers.set(&CSeq { number: self.cseq, method });
        request.headers.push(HeaderName::Contact, &self.contact);
        request
    }
}
