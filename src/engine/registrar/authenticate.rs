//! Who sends a request that is not a REGISTER.
//!
//! | flow | From's extension | credentials | verdict |
//! | --- | --- | --- | --- |
//! | a connection on which this extension registered | – | – | yes |
//! | any | none of ours | none | challenge (as for one of ours) |
//! | any | – | none, or a stale nonce | challenge |
//! | any | – | wrong | challenge, counted |
//! | any | another than the credentials' | right | 403 `identity-mismatch` |
//! | any | the same | right | yes |

use super::Registrar;
use super::visitors::{Claimed, prover};
use crate::engine::flow::Flow;
use crate::engine::numbering::Extension;
use crate::sip::digest::Verdict;
use crate::sip::{HeaderName, Request, Response, StatusCode};
use crate::time::Now;
use rand_chacha::rand_core::Rng;

/// The verdict.
#[derive(Debug)]
pub enum Allowed {
    /// It is this extension.
    Yes(Extension),
    /// It has to prove who it is.
    Challenge(Box<Response>),
    /// It is not who it says.
    Refused {
        /// The answer.
        response: Box<Response>,
        /// The reason's stable word.
        reason: &'static str,
    },
}

impl Registrar {
    /// Whether a request on this flow comes from whom its From names.
    pub fn authenticate(&mut self, now: Now, flow: Flow, request: &Request, claimed: &Claimed) -> Allowed {
        if let Some(extension) = claimed.extension()
            && self.registered_on(flow, extension)
        {
            return Allowed::Yes(extension.clone());
        }
        let Some(credentials) = request.headers.credentials(&HeaderName::ProxyAuthorization, &self.realm)
        else {
            return Allowed::Challenge(self.challenge(now, request, false));
        };
        let (user, keys) = prover(&self.accounts, &self.visitors, claimed, &credentials);
        match self.authenticator.verify(&credentials, &request.method, &request.uri, keys, now.wall) {
            Verdict::Stale => Allowed::Challenge(self.challenge(now, request, true)),
            Verdict::Rejected(rejection) => {
                Allowed::Refused { response: self.challenge(now, request, false), reason: rejection.as_str() }
            }
            Verdict::Accepted => match user {
                Some(user) if claimed.extension() == Some(&user) => Allowed::Yes(user),
                _ => {
                    let tag = format!("{:016x}", self.random.next_u64());
                    let response = Response::to_request(request, StatusCode::FORBIDDEN, Some(&tag));
                    Allowed::Refused { response: Box::new(response), reason: "identity-mismatch" }
                }
            },
        }
    }

    /// A connection counts as proof for the extensions that registered on it; a UDP address does not.
    fn registered_on(&self, flow: Flow, extension: &Extension) -> bool {
        flow.connection.is_some()
            && self.table.of(extension).any(|binding| match &binding.reach {
                super::Reach::Sip { flow: known, .. } => known.connection == flow.connection,
                super::Reach::Web(_) => false,
            })
    }

    #[expect(
        clippy::unnecessary_box_returns,
        reason = "a response is as large as the rest of the verdict together"
    )]
    fn challenge(&mut self, now: Now, request: &Request, stale: bool) -> Box<Response> {
        let tag = format!("{:016x}", self.random.next_u64());
        let mut response =
            Response::to_request(request, StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some(&tag));
        self.add_challenges(now, request, stale, &HeaderName::ProxyAuthenticate, &mut response);
        Box::new(response)
    }
}
