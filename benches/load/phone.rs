//! A phone as small as a benchmark wants it: registers, calls, answers. No retransmissions: a lost message is a failure.
//!
//! On TLS its media are SDES-SRTP, on UDP plain RTP: what desk phones do.

use std::io;

use branchline::sip::digest::{self, UserKeys};
use branchline::sip::header::{Challenge, Contacts};
use branchline::sip::{HeaderName, Headers, Message, Method, Request, Response, SipUri, StatusCode, Uri};

use tokio::sync::Notify;

use crate::link::Link;
use crate::order::Transport;

/// The port that a phone names when nobody shall send it anything.
const NO_MEDIA: u16 = 40_000;

/// What every phone of a benchmark sends its SRTP with: key and salt, as SDES writes them.
pub(crate) const SDES_KEY: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk";

/// A registered name on a link.
pub(crate) struct Phone {
    user: String,
    realm: String,
    keys: UserKeys,
    link: Link,
    cseq: u32,
    calls: u64,
    nonce: Option<Nonce>,
    /// Asterisk challenges an INVITE as a server, the others as a proxy.
    invite_answer: HeaderName,
    /// What it offers and answers.
    description: String,
}

/// A challenge that is answered again and again.
struct Nonce {
    challenge: Challenge,
    count: u32,
}

/// A call that is up, as the caller sees it.
pub(crate) struct Dialog {
    invite: Request,
    response: Response,
}

impl Dialog {
    /// What the other side answered.
    pub(crate) fn answer(&self) -> &[u8] {
        &self.response.body
    }
}

impl Phone {
    pub(crate) fn new(user: u32, realm: &str, password: &str, link: Link) -> Self {
        let user = user.to_string();
        let keys = UserKeys::new(&user, realm, password);
        let description = description(&link, NO_MEDIA);
        Self {
            user,
            realm: realm.to_owned(),
            keys,
            link,
            cseq: 0,
            calls: 0,
            nonce: None,
            invite_answer: HeaderName::ProxyAuthorization,
            description,
        }
    }

    /// Has its media at `port` from now on.
    pub(crate) fn listen_at(&mut self, port: u16) {
        self.description = description(&self.link, port);
    }

    /// Offers and answers this from now on.
    pub(crate) fn describe(&mut self, description: String) {
        self.description = description;
    }

    /// One REGISTER, with the nonce at hand; a challenge is answered once.
    pub(crate) async fn register(&mut self) -> io::Result<()> {
        self.register_for("600").await
    }

    /// Takes its contact back, so that nobody rings it any more.
    pub(crate) async fn unregister(&mut self) -> io::Result<()> {
        self.register_for("0").await
    }

    async fn register_for(&mut self, seconds: &str) -> io::Result<()> {
        let call_id = format!("reg-{}-{}", self.user, self.link.local.port());
        let target: Uri = SipUri::new(None, self.realm.as_str().into(), None).into();
        let me = format!("<sip:{}@{}>", self.user, self.realm);
        for _ in 0..2 {
            let mut request = self.request(&Method::Register, &target, &call_id, &me, &me);
            request.headers.push(HeaderName::Contact, self.contact());
            request.headers.push(HeaderName::Expires, seconds);
            self.authorize(&mut request, &HeaderName::Authorization);
            let response = self.exchange(&request).await?;
            match response.status {
                StatusCode::OK => return Ok(()),
                StatusCode::UNAUTHORIZED => self.learn(&response, &HeaderName::WwwAuthenticate),
                other => return Err(io::Error::other(format!("REGISTER: {other}"))),
            }
        }
        Err(io::Error::other("REGISTER: challenged twice"))
    }

    /// One call: set up, acknowledged, ended.
    pub(crate) async fn call(&mut self, callee: u32) -> io::Result<()> {
        let dialog = self.begin_call(callee).await?;
        self.end_call(&dialog).await
    }

    /// Sets a call up and acknowledges its answer.
    pub(crate) async fn begin_call(&mut self, callee: u32) -> io::Result<Dialog> {
        self.calls += 1;
        let call_id = format!("call-{}-{}-{}", self.user, self.link.local.port(), self.calls);
        let target: Uri = SipUri::new(Some(&callee.to_string()), self.realm.as_str().into(), None).into();
        let (from, to) =
            (format!("<sip:{}@{}>", self.user, self.realm), format!("<sip:{callee}@{}>", self.realm));
        for _ in 0..2 {
            let mut invite = self.request(&Method::Invite, &target, &call_id, &from, &to);
            invite.headers.push(HeaderName::Contact, self.contact());
            invite.headers.push(HeaderName::ContentType, "application/sdp");
            invite.body = self.description.clone().into();
            let name = self.invite_answer.clone();
            self.authorize(&mut invite, &name);
            let response = self.exchange(&invite).await?;
            let challenge = match response.status {
                StatusCode::OK => {
                    let dialog = Dialog { invite, response };
                    let ack = self.in_dialog(&dialog, &Method::Ack);
                    self.link.send(&ack.to_bytes()).await?;
                    return Ok(dialog);
                }
                StatusCode::UNAUTHORIZED => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
                StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                    (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization)
                }
                other => return Err(io::Error::other(format!("INVITE: {other}"))),
            };
            let ack = Request::ack_of(&invite, &response).ok_or(io::ErrorKind::InvalidData)?;
            self.link.send(&ack.to_bytes()).await?;
            self.learn(&response, &challenge.0);
            self.invite_answer = challenge.1;
        }
        Err(io::Error::other("INVITE: challenged twice"))
    }

    /// Hangs up.
    pub(crate) async fn end_call(&mut self, dialog: &Dialog) -> io::Result<()> {
        self.cseq += 1;
        let bye = self.in_dialog(dialog, &Method::Bye);
        let ended = self.exchange(&bye).await?;
        if ended.status.is_success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("BYE: {}", ended.status)))
        }
    }

    /// Answers every call at once, and every BYE, until `stop`; `offered` hears each offer.
    pub(crate) async fn answer_calls(&mut self, stop: &Notify, mut offered: impl FnMut(&[u8])) {
        loop {
            let message = tokio::select! {
                message = self.link.receive(true) => message,
                () = stop.notified() => return,
            };
            let request = match message {
                Ok(Message::Request(request)) => request,
                Ok(Message::Response(_)) => continue,
                Err(_) => return,
            };
            if request.method == Method::Ack {
                continue;
            }
            let mut response = Response::to_request(&request, StatusCode::OK, Some("callee"));
            response.headers.copy(&HeaderName::RecordRoute, &request.headers);
            response.headers.push(HeaderName::Contact, self.contact());
            if request.method == Method::Invite {
                offered(&request.body);
                response.headers.push(HeaderName::ContentType, "application/sdp");
                response.body = answer_to(&request.body, &self.description).into();
            }
            if self.link.send(&response.to_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn in_dialog(&self, Dialog { invite, response }: &Dialog, method: &Method) -> Request {
        let is_bye = *method == Method::Bye;
        let target = match response.contacts() {
            Ok(Contacts::List(list)) => list.first().map(|first| first.uri.clone()),
            _ => None,
        };
        let mut request = Request::new(method.clone(), target.unwrap_or_else(|| invite.uri.clone()));
        self.via(&mut request.headers);
        let routes: Vec<_> = response.headers.values(&HeaderName::RecordRoute).collect();
        for route in routes.into_iter().rev() {
            request.headers.push(HeaderName::Route, route);
        }
        request.headers.push(HeaderName::MaxForwards, "70");
        request.headers.copy(&HeaderName::From, &invite.headers);
        request.headers.copy(&HeaderName::To, &response.headers);
        request.headers.copy(&HeaderName::CallId, &invite.headers);
        let number = invite.cseq().map_or(1, |cseq| cseq.number) + u32::from(is_bye);
        request.headers.push(HeaderName::CSeq, format!("{number} {method}"));
        request
    }

    fn request(&mut self, method: &Method, target: &Uri, call_id: &str, from: &str, to: &str) -> Request {
        self.cseq += 1;
        let mut request = Request::new(method.clone(), target.clone());
        self.via(&mut request.headers);
        request.headers.push(HeaderName::MaxForwards, "70");
        request.headers.push(HeaderName::From, format!("{from};tag={}", self.user));
        request.headers.push(HeaderName::To, to);
        request.headers.push(HeaderName::CallId, call_id);
        request.headers.push(HeaderName::CSeq, format!("{} {method}", self.cseq));
        request
    }

    fn via(&self, headers: &mut Headers) {
        let (transport, local) = (self.link.transport.name(), self.link.local);
        let branch = format!("z9hG4bK{}.{}.{}", local.port(), self.calls, self.cseq);
        headers.push(
            HeaderName::Via,
            format!("SIP/2.0/{transport} {local};branch={branch}.{};rport", headers.len()),
        );
    }

    fn contact(&self) -> String {
        let transport = match self.link.transport {
            Transport::Udp => "udp",
            Transport::Tls => "tls",
            Transport::Wss => "ws",
        };
        format!("<sip:{}@{};transport={transport}>", self.user, self.link.local)
    }

    /// Remembers the last challenge: MD5, which all servers here have.
    fn learn(&mut self, response: &Response, name: &HeaderName) {
        let challenges = response.headers.get_all(name).filter_map(|value| Challenge::parse(value).ok());
        self.nonce = challenges.last().map(|challenge| Nonce { challenge, count: 0 });
    }

    fn authorize(&mut self, request: &mut Request, name: &HeaderName) {
        let Some(Nonce { challenge, count }) = &mut self.nonce else { return };
        *count += 1;
        let what = (&request.method, &request.uri);
        if let Ok(credentials) = digest::answer(challenge, &self.user, &self.keys, what, "c0", *count) {
            request.headers.push(name.clone(), &credentials);
        }
    }

    /// Sends a request and waits for its final response; others' requests meanwhile are not ours to answer.
    async fn exchange(&mut self, request: &Request) -> io::Result<Response> {
        self.link.send(&request.to_bytes()).await?;
        loop {
            let Message::Response(response) = self.link.receive(false).await? else { continue };
            let same = response.headers.get(&HeaderName::CSeq) == request.headers.get(&HeaderName::CSeq)
                && response.call_id() == request.call_id();
            if same && response.status.is_final() {
                return Ok(response);
            }
        }
    }
}

/// Our description with the tag that the offer gave our suite (RFC 4568 §5.1.2).
fn answer_to(offer: &[u8], description: &str) -> String {
    let offer = String::from_utf8_lossy(offer);
    let ours = |line: &&str| line.starts_with("a=crypto:") && line.contains(" AES_CM_128_HMAC_SHA1_80 ");
    let tag = offer.lines().find(ours).and_then(|line| line.split([':', ' ']).nth(1)).unwrap_or("1");
    description.replace("a=crypto:1 ", &format!("a=crypto:{tag} "))
}

fn description(link: &Link, port: u16) -> String {
    let ip = link.local.ip();
    let (profile, crypto) = match link.transport {
        Transport::Udp => ("RTP/AVP", String::new()),
        Transport::Tls | Transport::Wss => {
            ("RTP/SAVP", format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SDES_KEY}\r\n"))
        }
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} {profile} 0\r\n\
         a=rtpmap:0 PCMU/8000\r\n{crypto}a=sendrecv\r\n"
    )
}
