//! One dialog: who, where, by which route, in which order (RFC 3261 §12).

use super::{DialogId, RouteSet};
use crate::engine::flow::Flow;
use crate::engine::transaction::ReliableProvisional;
use crate::sip::{Method, NameAddr, Request, Response, StatusCode, Text, Uri};

/// Whether the dialog is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DialogState { /// Made by a provisional response.
    Early, /// Made or confirmed by a 2xx.
    Confirmed }

/// Why a dialog was not made, or a request in it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DialogRefusal {
    /// No usable Contact. 400.
    #[error("no usable Contact")] NoContact,
    /// No tag where there must be one.
    #[error("no tag")] NoTag,
    /// CSeq lower than before: out of order (§12.2.2). 500.
    #[error("CSeq out of order")] OutOfOrder,
    /// A Record-Route or Contact that cannot be read. 400.
    #[error("a route that cannot be read")] BadRoute,
}
impl DialogRefusal {
    /// The label in metrics and logs.
    pub const fn as_str(self) -> &'static str;
    /// The status to answer the request with.
    pub const fn status(self) -> StatusCode;
}

pub struct Dialog {}

impl Dialog {
    /// Our side of a dialog that the peer opens: from its request and the tag that our responses carry.
    /// `contact` is ours, as it stands in responses and further requests.
    pub fn as_uas(request: &Request, local_tag: Text, contact: NameAddr, flow: Flow) -> Result<Self, DialogRefusal>;
    /// Our side of a dialog that we open: from our request and a 101–299 response with a To tag.
    pub fn as_uac(request: &Request, response: &Response, flow: Flow) -> Result<Self, DialogRefusal>;

    pub fn id(&self) -> &DialogId;
    pub fn state(&self) -> DialogState;
    pub fn flow(&self) -> Flow;
    /// The peer came back on another connection.
    pub fn set_flow(&mut self, flow: Flow);
    pub fn remote_target(&self) -> &Uri;
    pub fn local_party(&self) -> &NameAddr;   // with tag: From of our requests
    pub fn remote_party(&self) -> &NameAddr;
    /// CSeq number of our last request.
    pub fn local_cseq(&self) -> u32;

    /// UAS: the 2xx was sent. UAC: the 2xx came (route set and target anew).
    pub fn confirm(&mut self);
    pub fn confirmed_by(&mut self, response: &Response) -> Result<(), DialogRefusal>;

    /// A request of the peer in this dialog: checks CSeq, refreshes the target. ACK and CANCEL pass untouched.
    pub fn receive(&mut self, request: &Request) -> Result<(), DialogRefusal>;
    /// A 2xx to our INVITE or UPDATE: refreshes the target.
    pub fn receive_response(&mut self, response: &Response) -> Result<(), DialogRefusal>;

    /// A new request in the dialog: next CSeq, Route, Max-Forwards, Contact where it belongs. Body and other headers are the caller's.
    pub fn request(&mut self, method: Method) -> Request;
    /// Same with a CSeq-preserving Authorization retry? use request() again: next CSeq.
    pub fn bye(&mut self) -> Request;
    /// ACK of a 2xx to the INVITE with this CSeq number. Body is the caller's.
    pub fn ack_for(&self, cseq: u32) -> Request;
    /// PRACK (next CSeq, RAck).
    pub fn prack_for(&mut self, due: ReliableProvisional) -> Request;
    /// Response to a request in (or opening) this dialog: our To tag, Record-Route copied and Contact where §12.1.1 wants them.
    pub fn response(&self, request: &Request, status: StatusCode) -> Response;
}
