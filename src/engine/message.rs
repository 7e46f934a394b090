//! Page-mode messages between extensions (RFC 3428): a MESSAGE goes to all SIP devices of an extension at once, or over links
//! to the office where its user is.
//!
//! | event | do |
//! | --- | --- |
//! | MESSAGE to an extension with devices | sent to each of them, in a transaction of its own |
//! | MESSAGE to a user in another office | sent over the first link that has a way |
//! | the first 2xx | the sender hears it |
//! | a link's own failure, or silence | the next way, within [`LAST_START`] |
//! | the visited office says that nobody is there | home |
//! | all refused or silent | the sender hears the last refusal that says something, else 480 |
//! | no way, too many under way, too long | 480, 503, 413 |
//!
//! Bounded: at most [`MOST`] messages wait for their answer; each ends with its transactions. A link that was silent may have
//! delivered the message all the same: it then arrives twice, which is better than not at all.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::call::{MessageWay, Party, message_words};
use super::dialog::{Opening, RouteSet};
use super::flow::Flow;
use super::numbering::{Extension, OfficeId};
use super::registrar::{Reach, Registrar};
use super::routing::{self, Choice, Router};
use super::settings::Settings;
use super::transaction::{ClientId, Layer, RequestOptions, ServerId};
use crate::sip::header::MaxForwards;
use crate::sip::{HeaderName, Method, NameAddr, Request, SipUri, StatusCode, Text, Uri};
use crate::time::Now;

/// Most messages that wait for their answer.
pub const MOST: usize = 1_000;
/// Longest body.
const LONGEST: usize = 8_192;
/// A device that says nothing by then is taken for gone, so that the sender hears it before it gives up itself.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for another office, which waits for its own devices.
const LINK_PATIENCE: Duration = Duration::from_secs(12);
/// No other way is begun later than this, for the same reason.
const LAST_START: Duration = Duration::from_secs(15);

/// A message to deliver.
#[derive(Debug)]
pub struct Letter {
    /// The sender's transaction.
    pub server: ServerId,
    /// The sender's request.
    pub request: Request,
    /// Who writes.
    pub from: Party,
    /// To which number, as this office calls it.
    pub to: String,
    /// The offices that it has passed.
    pub passed: Vec<OfficeId>,
    /// What is left to try.
    pub ways: VecDeque<MessageWay>,
}

/// What messages are sent with.
pub struct Post<'a> {
    /// The time.
    pub now: Now,
    /// The configuration.
    pub settings: &'a Settings,
    /// All transactions.
    pub layer: &'a mut Layer,
    /// Where devices are.
    pub registrar: &'a Registrar,
    /// Links.
    pub router: &'a mut Router,
}

/// A message on its way.
#[derive(Debug)]
struct Sent {
    letter: Letter,
    began: Instant,
    /// Over which kind of way it is now.
    over: Over,
    open: usize,
    refusal: Option<StatusCode>,
}

/// Where the way under way leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Devices,
    VisitLink,
    Link,
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

/// One copy of a message.
struct Copy<'a> {
    target: Uri,
    flow: Flow,
    path: &'a [NameAddr],
    from: NameAddr,
    to: NameAddr,
    more: Option<(HeaderName, Text)>,
    patience: Duration,
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

    /// Sends a message by the first way that there is. The answer to give at once, when there is none.
    pub fn deliver(&mut self, letter: Letter, post: &mut Post<'_>) -> Option<Verdict> {
        let mut sent = Sent { letter, began: post.now.instant, over: Over::Devices, open: 0, refusal: None };
        if sent.letter.request.body.len() > LONGEST {
            sent.refusal = Some(StatusCode::REQUEST_ENTITY_TOO_LARGE);
            return Some(verdict(sent));
        }
        if self.sent.len() >= MOST {
            sent.refusal = Some(StatusCode::SERVICE_UNAVAILABLE);
            return Some(verdict(sent));
        }
        self.last += 1;
        self.go_on(self.last, sent, post)
    }

    /// Whether this transaction carries a message.
    pub fn owns(&self, client: ClientId) -> bool {
        self.clients.contains_key(&client)
    }

    /// A device or office answered finally, or (`None`) will not.
    pub fn answered(
        &mut self,
        client: ClientId,
        status: Option<StatusCode>,
        post: &mut Post<'_>,
    ) -> Option<Verdict> {
        let number = self.clients.remove(&client)?;
        let mut sent = self.sent.remove(&number)?;
        sent.open = sent.open.saturating_sub(1);
        if status.is_some_and(StatusCode::is_success) {
            sent.refusal = status;
            return Some(verdict(sent));
        }
        let is_unknown_there = sent.over == Over::Link && status == Some(StatusCode::NOT_FOUND);
        sent.refusal = status.filter(|status| is_unknown_there || is_telling(*status)).or(sent.refusal);
        if sent.open > 0 {
            self.sent.insert(number, sent);
            return None;
        }
        if !sent.may_go_on_after(status, post.now.instant) {
            return Some(verdict(sent));
        }
        self.go_on(number, sent, post)
    }

    /// Sends it by the next way; the verdict when none is left.
    fn go_on(&mut self, number: u64, mut sent: Sent, post: &mut Post<'_>) -> Option<Verdict> {
        while let Some(way) = sent.letter.ways.pop_front() {
            let clients = match way {
                MessageWay::Devices(extension) => {
                    sent.over = Over::Devices;
                    to_devices(&sent.letter, &extension, post)
                }
                MessageWay::Link { choice, is_visit } => {
                    sent.over = if is_visit { Over::VisitLink } else { Over::Link };
                    over_link(&sent.letter, &choice, post).into_iter().collect()
                }
            };
            if !clients.is_empty() {
                sent.open = clients.len();
                self.clients.extend(clients.into_iter().map(|client| (client, number)));
                self.sent.insert(number, sent);
                return None;
            }
        }
        Some(verdict(sent))
    }
}

impl Sent {
    /// Whether another way may follow one that ended so. Ways to where the user is not are left out.
    fn may_go_on_after(&mut self, status: Option<StatusCode>, now: Instant) -> bool {
        if now.saturating_duration_since(self.began) > LAST_START {
            return false;
        }
        let code = status.map_or(0, StatusCode::code);
        match (self.over, code) {
            (Over::VisitLink, 404 | 410 | 480) => {
                self.letter.ways.retain(|way| !matches!(way, MessageWay::Link { is_visit: true, .. }));
                true
            }
            (Over::Devices, _) | (_, 404 | 410 | 413 | 415 | 480 | 486 | 488 | 600..) => false,
            (Over::VisitLink | Over::Link, _) => true,
        }
    }
}

fn verdict(sent: Sent) -> Verdict {
    let Sent { letter: Letter { server, request, .. }, refusal, .. } = sent;
    Verdict { server, request, status: refusal.unwrap_or(StatusCode::TEMPORARILY_UNAVAILABLE) }
}

/// To all devices that take SIP.
fn to_devices(letter: &Letter, extension: &Extension, post: &mut Post<'_>) -> Vec<ClientId> {
    let realm = post.settings.realm.as_str();
    let address = |party: &str| NameAddr::new(SipUri::new(Some(party), realm.into(), None));
    let from = &letter.from;
    let from = from.name.iter().fold(address(&from.number), |address, name| address.with_display(name));
    let devices = post.registrar.location(extension);
    let copies = devices.into_iter().filter_map(|device| match &device.reach {
        Reach::Sip { contact, flow, path } => Some(Copy {
            target: (**contact).clone(),
            flow: *flow,
            path,
            from: from.clone(),
            to: address(&letter.to),
            more: None,
            patience: PATIENCE,
        }),
        Reach::Web(_) => None,
    });
    let (now, layer) = (post.now, &mut *post.layer);
    copies.filter_map(|copy| send(letter, copy, now, layer)).collect()
}

/// Over a link that has a way at this moment.
fn over_link(letter: &Letter, choice: &Choice, post: &mut Post<'_>) -> Option<ClientId> {
    let routing::Reach::Flow(flow) = post.router.links.reach(&choice.link.id, post.now) else { return None };
    let words = message_words(&letter.from, &letter.passed, choice, post.settings)?;
    let copy = Copy {
        target: words.target,
        flow,
        path: &[],
        from: words.from,
        to: words.to,
        more: Some(words.path),
        patience: LINK_PATIENCE,
    };
    send(letter, copy, post.now, post.layer)
}

fn send(letter: &Letter, copy: Copy<'_>, now: Now, layer: &mut Layer) -> Option<ClientId> {
    let opening = Opening {
        target: copy.target,
        routes: RouteSet::new(copy.path),
        from: copy.from.with_tag(&layer.fresh_tag()),
        to: copy.to,
        call_id: layer.fresh_call_id(),
        cseq: 1,
        contact: super::call::our_contact(&letter.to, copy.flow),
    };
    let mut request = copied(&letter.request, &opening);
    if let Some((name, value)) = copy.more {
        request.headers.push(name, value);
    }
    let options = RequestOptions { first_response: Some(copy.patience) };
    layer.request(now, copy.flow, request, options).ok()
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
