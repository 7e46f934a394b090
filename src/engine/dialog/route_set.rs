//! Through which proxies a dialog's requests go (RFC 3261 §12.1, §12.2.1.1).

use crate::sip::{Flaw, HeaderName, NameAddr, Request, Response, Uri};

/// The route set, in the order in which our requests go through it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteSet(Vec<NameAddr>);

impl RouteSet {
    /// A route set that is known beforehand, as an outbound proxy.
    pub fn new(routes: &[NameAddr]) -> Self {
        Self(routes.iter().map(NameAddr::detached).collect())
    }

    /// As UAS: the request's Record-Route, in order (§12.1.1).
    pub fn of_request(request: &Request) -> Result<Self, Flaw> {
        Ok(Self::new(&request.headers.addresses(&HeaderName::RecordRoute)?))
    }

    /// As UAC: the response's Record-Route, in reverse order (§12.1.2).
    pub fn of_response(response: &Response) -> Result<Self, Flaw> {
        let mut routes = response.headers.addresses(&HeaderName::RecordRoute)?;
        routes.reverse();
        Ok(Self::new(&routes))
    }

    /// Whether requests go straight to the target.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The routes in order.
    pub fn routes(&self) -> &[NameAddr] {
        &self.0
    }

    /// The Request-URI and the Route headers of a request to `target` (§12.2.1.1). A first proxy without `lr`
    /// is a strict router of RFC 2543: it gets its own address as Request-URI, and the target goes last.
    pub fn apply(&self, target: &Uri) -> (Uri, Vec<NameAddr>) {
        match self.0.split_first() {
            Some((first, rest)) if !is_loose(&first.uri) => {
                let last = NameAddr::new(target.clone());
                (fit_for_request_line(&first.uri), rest.iter().cloned().chain([last]).collect())
            }
            _ => (target.clone(), self.0.clone()),
        }
    }
}

fn is_loose(uri: &Uri) -> bool {
    uri.as_sip().is_some_and(crate::sip::SipUri::lr)
}

/// Without what a Request-URI may not carry (§19.1.1): `method` and headers.
fn fit_for_request_line(uri: &Uri) -> Uri {
    let mut uri = uri.clone();
    if let Some(sip) = uri.as_sip_mut() {
        sip.params.remove("method");
        sip.headers = crate::sip::Text::default();
    }
    uri
}
