//! Page-mode messages between extensions (RFC 3428): a MESSAGE goes to all SIP devices of an extension at once.
//!
//! | event | do |
//! | --- | --- |
//! | MESSAGE to an extension with devices | sent to each of them, in a transaction of its own |
//! | the first 2xx | the sender hears it |
//! | all refused or silent | the sender hears the last refusal that says something, else 480 |
//! | no device, too many under way, too long | 480, 503, 413 |
//!
//! Bounded: at most [`MOST`] messages wait for their answer; each ends with its transactions.

use std::collections::HashMap;
use std::time::Duration;

use super::call::Party;
use super::dialog::{Opening, RouteSet};
use super::flow::Flow;
use super::registrar::{Binding, Reach};
use super::transaction::{ClientId, Layer, RequestOptions, ServerId};
use crate::sip::header::MaxForwards;
use crate::sip::{HeaderName, Method, NameAddr, Request, SipUri, StatusCode, Uri};
use crate::time::Now;

/// Most messages that wait for their answer.
pub const MOST: usize = 1_000;
/// Longest body.
const LONGEST: usize = 8_192;
/// A device that says nothing by then is taken for gone, so that the sender hears it before it gives up itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// A message on its way.
#[derive(Debug)]
struct Sent {
    server: ServerId,
    request: Request,
    open: usize,
    refusal: Option<StatusCode>,
}

/// The answer that the sender of a message gets.
#[derive(Debug)]
pub struct Verdict {
    /// The sender's transaction.
    pub server: ServerId,
    /// The sender's request.
    pub request: Request,
    /// The status.
    pub status: StatusCode,
}

/// All messages on their way.
#[derive(Debug, Default)]
pub struct Messages {
    sent: HashMap<u64, Sent>,
    clients: HashMap<ClientId, u64>,
    last: u64,
}

/// One device to tell.
struct Device<'a> {
    contact: &'a Uri,
    flow: Flow,
    path: &'a [NameAddr],
}

impl Messages {
    /// How many are on their way.
    pub fn len(&self) -> usize {
        self.sent.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Sends a message to all devices that take SIP. The status to refuse it with, when it cannot be.
    pub fn deliver(
        &mut self,
        now: Now,
        (server, request): (ServerId, &Request),
        (from, to, realm): (&Party, &str, &str),
        bindings: &[&Binding],
        layer: &mut Layer,
    ) -> Result<(), StatusCode> {
        if request.body.len() > LONGEST {
            return Err(StatusCode::REQUEST_ENTITY_TOO_LARGE);
        }
        if self.sent.len() >= MOST {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        let address = |party: &str| NameAddr::new(SipUri::new(Some(party), realm.into(), None));
        let from = from.name.iter().fold(address(&from.number), |address, name| address.with_display(name));
        self.last += 1;
        let mut open = 0;
        for device in bindings.iter().filter_map(device) {
            let opening = Opening {
                target: device.contact.clone(),
                routes: RouteSet::new(device.path),
                from: from.clone().with_tag(&layer.fresh_tag()),
                to: address(to),
                call_id: layer.fresh_call_id(),
                cseq: 1,
                contact: super::call::our_contact(to, device.flow),
            };
            let copy = copied(request, &opening);
            let options = RequestOptions { first_response: Some(PATIENCE) };
            if let Ok(client) = layer.request(now, device.flow, copy, options) {
                self.clients.insert(client, self.last);
                open += 1;
            }
        }
        if open == 0 {
            return Err(StatusCode::TEMPORARILY_UNAVAILABLE);
        }
        self.sent.insert(self.last, Sent { server, request: request.clone(), open, refusal: None });
        Ok(())
    }

    /// Whether this transaction carries a message.
    pub fn owns(&self, client: ClientId) -> bool {
        self.clients.contains_key(&client)
    }

    /// A device answered finally, or (`None`) will not.
    pub fn answered(&mut self, client: ClientId, status: Option<StatusCode>) -> Option<Verdict> {
        let number = self.clients.remove(&client)?;
        let sent = self.sent.get_mut(&number)?;
        sent.open = sent.open.saturating_sub(1);
        let is_taken = status.is_some_and(StatusCode::is_success);
        if is_taken {
            sent.refusal = status;
        } else {
            sent.refusal = status.filter(|status| is_telling(*status)).or(sent.refusal);
            if sent.open > 0 {
                return None;
            }
        }
        let Sent { server, request, refusal, .. } = self.sent.remove(&number)?;
        Some(Verdict { server, request, status: refusal.unwrap_or(StatusCode::TEMPORARILY_UNAVAILABLE) })
    }
}

fn device<'a>(binding: &'a &Binding) -> Option<Device<'a>> {
    match &binding.reach {
        Reach::Sip { contact, flow, path } => Some(Device { contact, flow: *flow, path }),
        Reach::Web(_) => None,
    }
}

/// The message as a device gets it: who, what, and nothing else of the sender's.
fn copied(request: &Request, opening: &Opening) -> Request {
    let mut copy = opening.request(Method::Message);
    copy.headers.remove(&HeaderName::Contact);
    copy.headers.set(&MaxForwards(request.max_forwards().unwrap_or(70).saturating_sub(1)));
    for name in [HeaderName::ContentType, HeaderName::ContentEncoding, HeaderName::Date, HeaderName::Expires]
    {
        copy.headers.copy(&name, &request.headers);
    }
    copy.body = request.body.clone();
    copy
}

/// Refusals that a sender can make something of.
fn is_telling(status: StatusCode) -> bool {
    matches!(status.code(), 413 | 415 | 480 | 486 | 488 | 600 | 603)
}
