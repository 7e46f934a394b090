//! Registering with carriers: the REGISTER, its challenge, its answer.

use std::time::Duration;

use rand_chacha::rand_core::Rng;

use super::Engine;
use crate::engine::call::{again_with_proof, our_contact};
use crate::engine::dialog::{Opening, RouteSet};
use crate::engine::flow::Flow;
use crate::engine::routing::{Link, LinkAddress, RegisterToken};
use crate::engine::settings::LinkCredentials;
use crate::engine::transaction::{ClientId, RequestOptions};
use crate::sip::header::Expires;
use crate::sip::{Method, NameAddr, Request, Response, SipUri, StatusCode};
use crate::time::Now;

/// A REGISTER that waits for its answer.
pub(super) struct Registering {
    token: RegisterToken,
    link: LinkName,
    flow: Flow,
    request: Request,
}

type LinkName = Option<crate::engine::routing::CredentialName>;

impl Engine {
    /// Whether a client transaction is a REGISTER to a carrier.
    pub(super) fn is_registering(&self, client: ClientId) -> bool {
        self.registering.contains_key(&client)
    }

    pub(super) fn register_with(
        &mut self,
        now: Now,
        token: RegisterToken,
        link: &Link,
        flow: Flow,
        expires: Duration,
    ) {
        let name = link.credentials.clone();
        let Some(known) = self.known_at(&name) else {
            self.refused("link", "no-credentials");
            return self.router.links.registered(token, None, now);
        };
        let request = self.registration(link, &known.username, flow, expires);
        self.send_registration(now, Registering { token, link: name, flow, request });
    }

    /// A carrier answered a REGISTER; `None`: it did not.
    pub(super) fn registration_answered(&mut self, now: Now, client: ClientId, response: Option<&Response>) {
        let Some(waiting) = self.registering.remove(&client) else { return };
        let Some(response) = response else {
            return self.router.links.registered(waiting.token, None, now);
        };
        let is_challenge =
            matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        let cnonce = self.random.next_u64();
        let known = self.known_at(&waiting.link).filter(|_| is_challenge);
        if let Some(again) =
            known.and_then(|known| again_with_proof(&waiting.request, response, &known, cnonce))
        {
            return self.send_registration(now, Registering { request: again, ..waiting });
        }
        if !response.status.is_success() {
            self.refused("link", "registration-refused");
        }
        let granted = response.status.is_success().then(|| granted(response, &waiting.request));
        self.router.links.registered(waiting.token, granted, now);
    }

    fn send_registration(&mut self, now: Now, waiting: Registering) {
        let request = waiting.request.clone();
        match self.layer.request(now, waiting.flow, request, RequestOptions::default()) {
            Ok(client) => drop(self.registering.insert(client, waiting)),
            Err(_) => self.router.links.registered(waiting.token, None, now),
        }
    }

    fn known_at(&self, name: &LinkName) -> Option<LinkCredentials> {
        name.as_ref().and_then(|name| self.settings.routing.credentials.get(name)).cloned()
    }

    fn registration(&mut self, link: &Link, username: &str, flow: Flow, expires: Duration) -> Request {
        let (host, port) = match &link.address {
            LinkAddress::Sip(address) => (address.host.clone(), Some(address.port)),
            LinkAddress::Asterisk { .. } => (flow.remote.ip().into(), None),
        };
        let own = NameAddr::new(SipUri::new(Some(username), host.clone(), None));
        let opening = Opening {
            target: SipUri::new(None, host, port).into(),
            routes: RouteSet::new(&[]),
            from: own.clone().with_tag(&self.layer.fresh_tag()),
            to: own,
            call_id: self.layer.fresh_call_id(),
            cseq: 1,
            contact: our_contact(username, flow),
        };
        let mut request = opening.request(Method::Register);
        request.headers.set(&Expires(u32::try_from(expires.as_secs()).unwrap_or(u32::MAX)));
        request
    }
}

/// For how long: what the contact says, else the header, else what we asked.
fn granted(response: &Response, request: &Request) -> Duration {
    let of_contact =
        response.contacts().ok().and_then(|contacts| contacts.first().and_then(NameAddr::expires));
    let header =
        |headers: &crate::sip::Headers| headers.read::<Expires>().ok().flatten().map(|expires| expires.0);
    let seconds = of_contact.or_else(|| header(&response.headers)).or_else(|| header(&request.headers));
    Duration::from_secs(seconds.unwrap_or(60).into())
}
