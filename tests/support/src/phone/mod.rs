//! A SIP phone that a script drives, written from the RFCs and from nothing of the product.
//!
//! ```no_run
//! # async fn script() -> peers::Outcome {
//! use peers::phone::{Phone, Settings};
//! let mut alice = Phone::open(Settings::new("1001", "127.0.0.1:5060".parse()?)).await?;
//! alice.register().await?;
//! let mut call = alice.call("600")?;
//! call.answered().await?;
//! call.media().send_tone(440.0);
//! let heard = call.media().hear(std::time::Duration::from_secs(10)).await;
//! heard.expect_tone(440.0, std::time::Duration::from_millis(60))?;
//! call.hang_up().await
//! # }
//! ```
//!
//! It does by itself what any phone does: repeats requests over UDP, answers challenges, acknowledges, answers
//! re-INVITEs and OPTIONS. What a user decides (ring, answer, hold, hang up) is for the script to say.

mod call;
mod dialog;
mod digest;
mod heard;
mod incoming;
mod line;
mod link;
mod media;
pub mod sdp;
pub mod wire;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use call::{Call, Offer};
pub use dialog::Event;
pub use digest::{Algorithm, Credentials};
pub use heard::Heard;
pub use incoming::IncomingCall;
pub use link::{Faults, TlsIdentity, Transport};
pub use media::Media;
pub use sdp::{Codec, Direction};
pub use wire::Message;

use crate::Outcome;
use line::Line;
use link::Link;

/// The methods that the phone understands.
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK, INFO, NOTIFY, MESSAGE, REFER";
/// The cookie and type of a STUN binding request (RFC 8489), as a keep-alive sends it.
const STUN_BINDING: [u8; 8] = [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];

/// What a phone is set up with.
#[derive(Clone)]
pub struct Settings {
    /// The user part of its address.
    pub extension: String,
    /// The name shown to whom it calls.
    pub display_name: Option<String>,
    /// The host part of its address; the server's address if nothing else is said.
    pub domain: String,
    /// Where the server is.
    pub server: SocketAddr,
    /// The phone's own address; port 0 takes any.
    pub local: SocketAddr,
    /// Where media is received, if not at the address of signalling.
    pub media_address: Option<IpAddr>,
    /// How the server is reached.
    pub transport: Transport,
    /// The account, if the server asks for one.
    pub credentials: Option<Credentials>,
    /// The codecs, best first.
    pub codecs: Vec<Codec>,
    /// Whether it speaks of telephone events; if not it knows keys only as tones.
    pub telephone_events: bool,
    /// How long a registration is asked for, in seconds.
    pub expires: u32,
    /// Parameters of the Contact in REGISTER, such as `+sip.instance` and `reg-id`, each with its semicolon.
    pub contact_parameters: String,
    /// The Supported header.
    pub supported: String,
}

impl Settings {
    /// A UDP phone without a password, on an address of the server's kind.
    pub fn new(extension: &str, server: SocketAddr) -> Self {
        let local = if server.ip().is_loopback() { [127, 0, 0, 1] } else { [0, 0, 0, 0] };
        Self {
            extension: extension.to_owned(),
            display_name: None,
            domain: server.to_string(),
            server,
            local: SocketAddr::from((local, 0)),
            media_address: None,
            transport: Transport::Udp,
            credentials: None,
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            telephone_events: true,
            expires: 300,
            contact_parameters: String::new(),
            supported: "timer, replaces, 100rel, path, outbound, gruu".to_owned(),
        }
    }

    /// With an account.
    pub fn with_password(mut self, password: &str, algorithm: Algorithm) -> Self {
        let (username, password) = (self.extension.clone(), password.to_owned());
        self.credentials = Some(Credentials { username, password, algorithm });
        self
    }

    /// Over another transport.
    pub fn over(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }
}

/// A phone.
pub struct Phone {
    line: Arc<Line>,
    incoming: UnboundedReceiver<IncomingCall>,
    dispatcher: JoinHandle<()>,
    registration: (String, u32),
}

impl Phone {
    /// Opens its link to the server; nothing is sent yet (but a TLS handshake).
    pub async fn open(settings: Settings) -> Outcome<Self> {
        let (link, frames) = Link::open(&settings.transport, settings.local, settings.server).await?;
        let (line, incoming) = Line::new(settings, link);
        let dispatcher = tokio::spawn(Arc::clone(&line).run(frames));
        Ok(Self { line, incoming, dispatcher, registration: (format!("{:016x}", line::random()), 0) })
    }

    /// The phone's own address on the link.
    pub fn local(&self) -> SocketAddr {
        self.line.link.local
    }

    /// The network's faults, for the script to set.
    pub fn faults(&self) -> &Faults {
        &self.line.link.faults
    }

    /// Everything sent and received so far, as text.
    pub fn transcript(&self) -> String {
        self.line.transcript()
    }

    // ---- registration -----------------------------------------------------------------------------------------

    /// Registers; demands 200.
    pub async fn register(&mut self) -> Outcome<Message> {
        let expires = self.line.settings.expires;
        self.demand_registration(expires).await
    }

    /// Removes its registration; demands 200.
    pub async fn unregister(&mut self) -> Outcome<Message> {
        self.demand_registration(0).await
    }

    async fn demand_registration(&mut self, expires: u32) -> Outcome<Message> {
        let response = self.try_register(expires).await?;
        if response.code() == 200 {
            return Ok(response);
        }
        Err(self.line.failure(&format!("REGISTER was answered {}", response.start)))
    }

    /// Sends REGISTER, with credentials if challenged; returns the final response, whatever it is.
    pub async fn try_register(&mut self, expires: u32) -> Outcome<Message> {
        let line = Arc::clone(&self.line);
        let (call_id, cseq) = &mut self.registration;
        let tag = dialog::new_tag();
        let build = |authorization: Option<(&'static str, String)>| {
            *cseq += 1;
            let request = Message::request("REGISTER", &format!("sip:{}", line.settings.domain))
                .with("Max-Forwards", "70")
                .with("From", format!("<{}>;tag={tag}", line.aor()))
                .with("To", format!("<{}>", line.aor()))
                .with("Call-ID", call_id.clone())
                .with("CSeq", format!("{cseq} REGISTER"))
                .with(
                    "Contact",
                    format!("{}{};expires={expires}", line.contact(), line.settings.contact_parameters),
                )
                .with("Expires", expires.to_string())
                .with("Supported", line.settings.supported.clone())
                .with("Allow", ALLOW);
            let request = line.with_via(request);
            match authorization {
                Some((name, value)) => request.with(name, value),
                None => request,
            }
        };
        Ok(self.line.exchange(build, |_| ()).await?.1)
    }

    /// Sends the transport's keep-alive (STUN over UDP, CRLF CRLF else), and waits for its answer.
    pub async fn keep_alive(&self) -> Outcome {
        let before = *self.line.pongs.borrow();
        if self.line.link.is_reliable {
            self.line.link.send(b"\r\n\r\n".to_vec());
        } else {
            let mut request = STUN_BINDING.to_vec();
            request.extend_from_slice(&line::random().to_be_bytes());
            request.extend_from_slice(&[0; 4]);
            self.line.link.send(request);
        }
        let answered = move |count: &u32| *count > before;
        self.line.wait(&self.line.pongs, Duration::from_secs(5), "answer to the keep-alive", answered).await
    }

    /// Waits until the server closes the connection.
    pub async fn disconnected(&self, within: Duration) -> Outcome {
        self.line.wait(&self.line.closed, within, "close of the connection", |closed| *closed).await
    }

    // ---- calls ------------------------------------------------------------------------------------------------

    /// Calls a number or URI.
    pub fn call(&self, to: &str) -> Outcome<Call> {
        Call::start(&self.line, to, Offer::Early, &[])
    }

    /// The same, with a choice of offer and with more headers in the INVITE.
    pub fn call_with(&self, to: &str, offer: Offer, headers: &[(&str, &str)]) -> Outcome<Call> {
        Call::start(&self.line, to, offer, headers)
    }

    /// Waits until the phone is called.
    pub async fn called(&mut self) -> Outcome<IncomingCall> {
        self.called_within(Duration::from_secs(10)).await
    }

    /// The same, with a time of one's own.
    pub async fn called_within(&mut self, within: Duration) -> Outcome<IncomingCall> {
        match timeout(within, self.incoming.recv()).await {
            Ok(Some(call)) => Ok(call),
            _ => Err(self.line.failure(&format!("nobody called within {within:?}"))),
        }
    }

    // ---- anything else ----------------------------------------------------------------------------------------

    /// Sends a request that is no part of a call (OPTIONS, MESSAGE, SUBSCRIBE, PUBLISH) to a number or URI.
    pub async fn ask(
        &self,
        method: &str,
        to: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Outcome<Message> {
        let target =
            if to.contains(':') { to.to_owned() } else { format!("sip:{to}@{}", self.line.settings.domain) };
        let (call_id, tag) = (format!("{:016x}", line::random()), dialog::new_tag());
        let mut cseq = 0;
        let build = |authorization: Option<(&'static str, String)>| {
            cseq += 1;
            let mut request = Message::request(method, &target)
                .with("Max-Forwards", "70")
                .with("From", format!("<{}>;tag={tag}", self.line.aor()))
                .with("To", format!("<{target}>"))
                .with("Call-ID", call_id.clone())
                .with("CSeq", format!("{cseq} {method}"))
                .with("Contact", self.line.contact());
            for (name, value) in headers {
                request = request.with(name, *value);
            }
            body.clone_into(&mut request.body);
            let request = self.line.with_via(request);
            match authorization {
                Some((name, value)) => request.with(name, value),
                None => request,
            }
        };
        Ok(self.line.exchange(build, |_| ()).await?.1)
    }

    /// Requests outside of calls that came in since the last time (NOTIFY, MESSAGE, OPTIONS), answered 200.
    pub fn received(&self) -> Vec<Message> {
        self.line.take_unsolicited()
    }

    /// Sends bytes as they are: torture, fragments, garbage.
    pub fn send_raw(&self, bytes: &[u8]) {
        self.line.link.send(bytes.to_vec());
    }

    /// The power fails: nothing more is sent or answered, neither signalling nor media, and no connection is
    /// closed, for a dead phone says no farewell. Its sockets stay open until the test's process ends.
    pub fn vanish(self) {
        for dialog in self.line.live_dialogs() {
            dialog.media.set_sending(false);
        }
        self.line.link.mute();
        std::mem::forget(Arc::clone(&self.line));
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.dispatcher.abort();
    }
}
