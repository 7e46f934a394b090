//! The federation's gateway: SIP over secure WebSocket, as a client (RFC 7118 §4).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::api::{SipFrame, SipSocketError};
use crate::engine::numbering::OfficeId;
use crate::engine::routing::{DialFailure, FederationToken, SipAddress};
use crate::shell::listen::{SipFrames, Socket};
use crate::sip::limits;

/// The subprotocol (RFC 7118 §3).
const SUBPROTOCOL: &str = "sip";
const OFFICE_HEADER: &str = "X-Federation-Office";
const PROTOCOL_HEADER: &str = "Sec-WebSocket-Protocol";
/// Most that waits to be written, in bytes.
const WRITE_BUFFER: usize = 256 * 1024;

/// Our end of a WebSocket to the gateway.
pub(super) struct ClientSocket(WebSocketStream<TlsStream<TcpStream>>);

/// What a gateway is asked, and by whom.
#[derive(Clone)]
pub(super) struct Asked {
    /// Where it is.
    pub(super) address: Arc<SipAddress>,
    /// Who we say we are, as our certificate does.
    pub(super) office: OfficeId,
    /// What proves it besides.
    pub(super) token: Option<FederationToken>,
}

/// Asks the gateway for SIP.
///
/// # Errors
/// [`DialFailure::Unauthorized`] when it does not believe us, [`DialFailure::Handshake`] when it does not upgrade for
/// another reason, or to something else than SIP.
pub(super) async fn upgrade(
    stream: TlsStream<TcpStream>,
    asked: &Asked,
) -> Result<ClientSocket, DialFailure> {
    let request = request(asked).ok_or(DialFailure::Handshake)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(limits::MESSAGE))
        .max_frame_size(Some(limits::MESSAGE))
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER);
    let upgraded = client_async_with_config(request, stream, Some(config)).await;
    let (socket, response) = upgraded.map_err(|error| failure_of(&error))?;
    let agreed = response.headers().get(PROTOCOL_HEADER).and_then(|value| value.to_str().ok());
    if agreed.is_some_and(|agreed| agreed.eq_ignore_ascii_case(SUBPROTOCOL)) {
        Ok(ClientSocket(socket))
    } else {
        Err(DialFailure::Handshake)
    }
}

fn request(asked: &Asked) -> Option<Request> {
    let gateway = &asked.address;
    let uri = format!("wss://{}:{}{}", gateway.host, gateway.port, gateway.path);
    let mut request = uri.into_client_request().ok()?;
    let headers = request.headers_mut();
    headers.insert(PROTOCOL_HEADER, HeaderValue::from_static(SUBPROTOCOL));
    headers.insert(OFFICE_HEADER, HeaderValue::from_str(asked.office.as_str()).ok()?);
    if let Some(token) = &asked.token {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).ok()?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Some(request)
}

fn failure_of(error: &Error) -> DialFailure {
    let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
    match error {
        Error::Http(response) if refused.contains(&response.status()) => DialFailure::Unauthorized,
        _ => DialFailure::Handshake,
    }
}

impl ClientSocket {
    /// The TLS connection below.
    pub(super) fn tls(&self) -> &TlsStream<TcpStream> {
        self.0.get_ref()
    }
}

impl SipFrames for ClientSocket {
    async fn recv(&mut self) -> Result<SipFrame, SipSocketError> {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Ok(SipFrame::Message(text.into())),
            Some(Ok(Message::Binary(bytes))) => Ok(SipFrame::Message(bytes)),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(SipFrame::KeepAlive),
            Some(Ok(Message::Close(_)) | Err(Error::ConnectionClosed)) | None => Err(SipSocketError::Closed),
            Some(Err(_)) => Err(SipSocketError::Broken),
        }
    }

    async fn send(&mut self, message: Bytes) -> Result<(), SipSocketError> {
        let frame = match Utf8Bytes::try_from(message.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(message),
        };
        self.0.send(frame).await.map_err(|_| SipSocketError::Broken)
    }

    async fn ping(&mut self) -> Result<(), SipSocketError> {
        self.0.send(Message::Ping(Bytes::new())).await.map_err(|_| SipSocketError::Broken)
    }

    fn reset(self) {
        self.tls().will_reset();
    }

    async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from_static(reason) };
        if self.0.close(Some(frame)).await.is_err() {
            tracing::trace!("a gateway's WebSocket was gone before it was closed");
        }
    }
}
