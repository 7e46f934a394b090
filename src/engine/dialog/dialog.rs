//! One dialog: who, where, by which route, in which order (RFC 3261 §12).

use super::{DialogId, RouteSet};
use crate::engine::flow::Flow;
use crate::engine::transaction::ReliableProvisional;
use crate::sip::header::{CSeq, MaxForwards, RAck};
use crate::sip::{HeaderName, Method, NameAddr, Request, Response, StatusCode, Text, Uri, limits};

/// Whether a dialog is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DialogState {
    /// Made by a provisional response.
    Early,
    /// Made or confirmed by a 2xx.
    Confirmed,
}

/// Why a dialog is not made, or a request in it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DialogRefusal {
    /// There is no Contact to send requests to.
    #[error("no usable Contact")]
    NoContact,
    /// A mandatory header or tag is missing.
    #[error("From, To, Call-ID, CSeq or a tag is missing")]
    Incomplete,
    /// The CSeq number is lower than the last one (§12.2.2).
    #[error("CSeq out of order")]
    OutOfOrder,
    /// A Record-Route that cannot be read.
    #[error("a Record-Route that cannot be read")]
    BadRoute,
}

impl DialogRefusal {
    /// The label in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoContact => "no-contact",
            Self::Incomplete => "incomplete",
            Self::OutOfOrder => "cseq-out-of-order",
            Self::BadRoute => "bad-route",
        }
    }

    /// The status to answer a request with.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NoContact | Self::Incomplete | Self::BadRoute => StatusCode::BAD_REQUEST,
            Self::OutOfOrder => StatusCode::SERVER_INTERNAL_ERROR,
        }
    }
}

/// Our half of a dialog. What it keeps is detached from the messages that it came in.
#[derive(Clone, Debug)]
pub struct Dialog {
    id: DialogId,
    state: DialogState,
    flow: Flow,
    /// From of our requests.
    local: NameAddr,
    /// To of our requests.
    remote: NameAddr,
    contact: NameAddr,
    remote_target: Uri,
    routes: RouteSet,
    local_cseq: u32,
    remote_cseq: Option<u32>,
}

impl Dialog {
    /// Our side of a dialog that the peer opens (§12.1.1): from its request and the tag that our responses
    /// carry. `contact` is ours in responses and further requests. It is early.
    pub fn as_uas(
        request: &Request,
        local_tag: &str,
        contact: NameAddr,
        flow: Flow,
    ) -> Result<Self, DialogRefusal> {
        let remote = request.headers.from().ok_or(DialogRefusal::Incomplete)?.detached();
        let local = request.headers.to().ok_or(DialogRefusal::Incomplete)?.detached().with_tag(local_tag);
        Ok(Self {
            id: DialogId {
                call_id: request.call_id().ok_or(DialogRefusal::Incomplete)?.detached(),
                local_tag: Text::from(local_tag),
                remote_tag: remote.tag().unwrap_or_default(),
            },
            state: DialogState::Early,
            flow,
            local,
            remote,
            contact,
            remote_target: contact_of(&request.headers).ok_or(DialogRefusal::NoContact)?,
            routes: RouteSet::of_request(request).map_err(|_| DialogRefusal::BadRoute)?,
            local_cseq: 0,
            remote_cseq: Some(request.cseq().ok_or(DialogRefusal::Incomplete)?.number),
        })
    }

    /// Our side of a dialog that we open (§12.1.2): from our request and a 101–299. It is early or confirmed,
    /// as the response is. A response without Contact leaves the request's target in force, as with a peer
    /// that may still be reached by the flow.
    pub fn as_uac(request: &Request, response: &Response, flow: Flow) -> Result<Self, DialogRefusal> {
        let local = request.headers.from().ok_or(DialogRefusal::Incomplete)?.detached();
        let remote = response.headers.to().ok_or(DialogRefusal::Incomplete)?.detached();
        let contacts = request.contacts().map_err(|_| DialogRefusal::NoContact)?;
        let mut dialog = Self {
            id: DialogId {
                call_id: request.call_id().ok_or(DialogRefusal::Incomplete)?.detached(),
                local_tag: local.tag().ok_or(DialogRefusal::Incomplete)?,
                remote_tag: remote.tag().unwrap_or_default(),
            },
            state: DialogState::Early,
            flow,
            local,
            remote,
            contact: contacts.first().ok_or(DialogRefusal::NoContact)?.detached(),
            remote_target: request.uri.detached(),
            routes: RouteSet::of_response(response).map_err(|_| DialogRefusal::BadRoute)?,
            local_cseq: request.cseq().ok_or(DialogRefusal::Incomplete)?.number,
            remote_cseq: None,
        };
        if response.status.is_success() {
            dialog.state = DialogState::Confirmed;
        }
        dialog.refresh_target(contact_of(&response.headers));
        Ok(dialog)
    }

    /// Call-ID and tags.
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Early or confirmed.
    pub fn state(&self) -> DialogState {
        self.state
    }

    /// How the peer is reached.
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// The peer came back on another connection.
    pub fn set_flow(&mut self, flow: Flow) {
        self.flow = flow;
    }

    /// Where the peer wants requests: its last Contact.
    pub fn remote_target(&self) -> &Uri {
        &self.remote_target
    }

    /// Our party: From of our requests, with tag.
    pub fn local_party(&self) -> &NameAddr {
        &self.local
    }

    /// The peer's party: To of our requests, with its tag if it has one.
    pub fn remote_party(&self) -> &NameAddr {
        &self.remote
    }

    /// Our Contact.
    pub fn contact(&self) -> &NameAddr {
        &self.contact
    }

    /// Gives ourselves another Contact, from the next request or response on.
    pub fn set_contact(&mut self, contact: NameAddr) {
        self.contact = contact;
    }

    /// The route set.
    pub fn routes(&self) -> &RouteSet {
        &self.routes
    }

    /// CSeq number of our last request; 0 when there was none.
    pub fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// As UAS: our 2xx was sent.
    pub fn confirm(&mut self) {
        self.state = DialogState::Confirmed;
    }

    /// As UAC: the 2xx to the opening INVITE came for this early dialog. Route set and target are taken from
    /// it anew (§13.2.2.4).
    pub fn confirmed_by(&mut self, response: &Response) -> Result<(), DialogRefusal> {
        self.routes = RouteSet::of_response(response).map_err(|_| DialogRefusal::BadRoute)?;
        self.state = DialogState::Confirmed;
        self.refresh_target(contact_of(&response.headers));
        Ok(())
    }

    /// Takes note of a request of the peer in this dialog: checks its CSeq (§12.2.2) and follows its Contact.
    /// ACK and CANCEL, which repeat the INVITE's number, pass untouched.
    pub fn receive(&mut self, request: &Request) -> Result<(), DialogRefusal> {
        if matches!(request.method, Method::Ack | Method::Cancel) {
            return Ok(());
        }
        let number = request.cseq().ok_or(DialogRefusal::Incomplete)?.number;
        if self.remote_cseq.is_some_and(|last| number < last) {
            return Err(DialogRefusal::OutOfOrder);
        }
        self.remote_cseq = Some(number);
        if request.method.refreshes_target() {
            self.refresh_target(contact_of(&request.headers));
        }
        Ok(())
    }

    /// Takes note of a response to a request of ours in this dialog: a 2xx to a re-INVITE or UPDATE moves the
    /// target (§12.2.1.2).
    pub fn receive_response(&mut self, response: &Response) {
        let refreshes = response.cseq().is_some_and(|cseq| cseq.method.refreshes_target());
        if response.status.is_success() && refreshes {
            self.refresh_target(contact_of(&response.headers));
        }
    }

    /// A new request in the dialog (§12.2.1.1): next CSeq, Route, Max-Forwards, Contact where the method moves
    /// the target. Body and further headers are the caller's, the Via is the transaction layer's.
    pub fn request(&mut self, method: Method) -> Request {
        self.local_cseq = self.local_cseq.saturating_add(1).min(limits::CSEQ);
        let refreshes = method.refreshes_target();
        let mut request = self.numbered(method, self.local_cseq);
        if refreshes {
            request.headers.push(HeaderName::Contact, &self.contact);
        }
        request
    }

    /// BYE.
    pub fn bye(&mut self) -> Request {
        self.request(Method::Bye)
    }

    /// The ACK of a 2xx to our INVITE with this CSeq number (§13.2.2.4). Credentials and body are the caller's.
    pub fn ack_for(&self, cseq: u32) -> Request {
        self.numbered(Method::Ack, cseq)
    }

    /// The PRACK that is due (RFC 3262 §7.2).
    pub fn prack_for(&mut self, due: ReliableProvisional) -> Request {
        let mut request = self.request(Method::Prack);
        request
            .headers
            .set(&RAck { rseq: due.rseq, cseq: CSeq { number: due.cseq, method: Method::Invite } });
        request
    }

    /// A response to a request that opens this dialog or is in it: our To tag; Record-Route and Contact where
    /// §12.1.1 wants them.
    pub fn response(&self, request: &Request, status: StatusCode) -> Response {
        let response = Response::to_request(request, status, Some(&self.id.local_tag));
        let establishes = status != StatusCode::TRYING && !status.is_failure();
        if !establishes || !request.method.refreshes_target() {
            return response;
        }
        let response = response.with_record_route_of(request);
        response.with(HeaderName::Contact, &self.contact)
    }

    fn refresh_target(&mut self, contact: Option<Uri>) {
        if let Some(uri) = contact {
            self.remote_target = uri;
        }
    }

    fn numbered(&self, method: Method, number: u32) -> Request {
        let (uri, routes) = self.routes.apply(&self.remote_target);
        let mut request = Request::new(method.clone(), uri);
        request.headers.set(&MaxForwards(70));
        for route in &routes {
            request.headers.push(HeaderName::Route, route);
        }
        request.headers.push(HeaderName::From, &self.local);
        request.headers.push(HeaderName::To, &self.remote);
        request.headers.push(HeaderName::CallId, &self.id.call_id);
        request.headers.set(&CSeq { number, method });
        request
    }
}

/// The first Contact's URI, if it can be read.
fn contact_of(headers: &crate::sip::Headers) -> Option<Uri> {
    Some(headers.contacts().ok()?.first()?.uri.detached())
}
