//! `/sip`: SIP over WebSocket (RFC 7118), handed to the SIP transport as a stream of frames.
//!
//! This room checks the handshake (`Sec-WebSocket-Protocol: sip`, origin); the transport owns the connection from
//! there on. When it takes no more, the handshake is refused before the upgrade.

use axum::extract::ws::{
    CloseFrame, Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection,
};
use axum::extract::{FromRequestParts, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;

use super::origin;
use super::peer::Peer;
use super::problem::{Problem, Reason};
use super::state::Api;

/// The subprotocol (RFC 7118 §3).
const SUBPROTOCOL: &str = "sip";
/// Room for what is being read, in bytes: one SIP message mostly fits.
const READ_BUFFER: usize = 4 * 1024;
/// Most that waits to be written, in bytes.
const WRITE_BUFFER: usize = 256 * 1024;

/// A SIP client's WebSocket.
#[derive(Debug)]
pub struct SipSocket {
    /// Who is at the other end.
    pub peer: Peer,
    socket: WebSocket,
}

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SipFrame {
    /// A text or binary frame: one SIP message (RFC 7118 §5.2), or the CRLFs of a keep-alive (RFC 5626 §3.5.1).
    Message(Bytes),
    /// A WebSocket ping (answered already) or pong: a sign of life.
    KeepAlive,
}

/// Why a WebSocket can be used no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SipSocketError {
    /// The client closed it.
    Closed,
    /// It broke, or the client broke the protocol or the size limit.
    Broken,
}

impl SipSocket {
    /// A WebSocket that was upgraded for SIP, and whose it is.
    #[cfg(feature = "controller")]
    pub(crate) fn new(peer: Peer, socket: WebSocket) -> Self {
        Self { peer, socket }
    }

    /// The next frame. Cancel-safe.
    pub async fn recv(&mut self) -> Result<SipFrame, SipSocketError> {
        match self.socket.recv().await {
            Some(Ok(Message::Text(text))) => Ok(SipFrame::Message(text.into())),
            Some(Ok(Message::Binary(bytes))) => Ok(SipFrame::Message(bytes)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(SipFrame::KeepAlive),
            Some(Ok(Message::Close(_))) | None => Err(SipSocketError::Closed),
            Some(Err(_)) => Err(SipSocketError::Broken),
        }
    }

    /// Sends one SIP message: as text when it is UTF-8, else as binary.
    pub async fn send(&mut self, message: Bytes) -> Result<(), SipSocketError> {
        let frame = match axum::extract::ws::Utf8Bytes::try_from(message.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(message),
        };
        self.socket.send(frame).await.map_err(|_| SipSocketError::Broken)
    }

    /// Asks for a sign of life.
    pub async fn ping(&mut self) -> Result<(), SipSocketError> {
        self.socket.send(Message::Ping(Bytes::new())).await.map_err(|_| SipSocketError::Broken)
    }

    /// Says why (RFC 6455 §7.4) and closes.
    pub async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code, reason: reason.into() };
        if self.socket.send(Message::Close(Some(frame))).await.is_err() {
            tracing::trace!("a SIP WebSocket was gone before it was closed");
        }
    }
}

/// The handshake of a WebSocket, or the problem with it.
pub(crate) struct Upgrade(WebSocketUpgrade);

impl FromRequestParts<Api> for Upgrade {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let upgrade = WebSocketUpgrade::from_request_parts(parts, api).await;
        upgrade.map(Self).map_err(|rejection: WebSocketUpgradeRejection| {
            Problem::from(Reason::NotWebSocket).detail(rejection.body_text())
        })
    }
}

impl Upgrade {
    /// The handshake with this room's limits.
    pub(crate) fn limited(self, message: usize) -> WebSocketUpgrade {
        limited(self.0, message)
    }
}

/// A handshake with this room's limits.
pub(crate) fn limited(upgrade: WebSocketUpgrade, message: usize) -> WebSocketUpgrade {
    upgrade
        .max_message_size(message)
        .max_frame_size(message)
        .read_buffer_size(READ_BUFFER)
        .max_write_buffer_size(WRITE_BUFFER)
        .write_buffer_size(0)
}

/// Whether a handshake offers SIP (RFC 7118 §4.1).
pub(crate) fn offers_sip(headers: &HeaderMap) -> bool {
    let offered = headers.get_all("sec-websocket-protocol").iter().filter_map(|value| value.to_str().ok());
    offered.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case(SUBPROTOCOL))
}

pub(crate) async fn upgrade(
    State(api): State<Api>,
    peer: Peer,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    origin::check(&headers, &peer, &api.settings().origins)?;
    if !offers_sip(&headers) {
        return Err(Reason::SubprotocolRequired.into());
    }
    let sender = api.sip().ok_or(Reason::SipDisabled)?.clone();
    let permit = sender.try_reserve_owned().map_err(|_| Reason::SipBusy)?;
    let upgrade = upgrade.limited(api.limits().body).protocols([SUBPROTOCOL]);
    Ok(upgrade.on_upgrade(async move |socket| {
        permit.send(SipSocket { peer, socket });
    }))
}
