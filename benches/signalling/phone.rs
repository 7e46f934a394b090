//! A phone as small as a benchmark wants it: registers, calls, answers. No retransmissions: a lost message is a failure.

use std::io;

use branchline::sip::digest::{self, UserKeys};
use branchline::sip::header::Challenge;
use branchline::sip::{HeaderName, Headers, Message, Method, Request, Response, SipUri, StatusCode, Uri};

use super::link::Link;

/// A link with a name: what a phone needs of it.
pub(crate) struct Phone<L> {
    user: String,
    realm: String,
    keys: UserKeys,
    link: L,
    cseq: u32,
    calls: u64,
    nonce: Option<(Challenge, u32, bool)>,
}

impl Phone<Link> {
    pub(crate) fn new(user: u32, realm: &str, password: &str, link: Link) -> Self {
        let user = user.to_string();
        let keys = UserKeys::new(&user, realm, password);
        Self { user, realm: realm.to_owned(), keys, link, cseq: 0, calls: 0, nonce: None }
    }

    /// One REGISTER, with the nonce at hand; a challenge is answered once.
    pub(crate) async fn register(&mut self) -> io::Result<()> {
        let call_id = format!("reg-{}-{}", self.user, self.link.local.port());
        let target: Uri = SipUri::new(None, self.realm.as_str().into(), None).into();
        let me = format!("<sip:{}@{}>", self.user, self.realm);
        for _ in 0..2 {
            let mut request = self.request(Method::Register, &target, &call_id, &me, &me);
            request.headers.push(HeaderName::Contact, self.contact());
            request.headers.push(HeaderName::Expires, "600");
            self.authorize(&mut request, false);
            let response = self.exchange(&request).await?;
            match response.status {
                StatusCode::OK => return Ok(()),
                StatusCode::UNAUTHORIZED => self.learn(&response, HeaderName::WwwAuthenticate, false),
                other => return Err(io::Error::other(format!("REGISTER: {other}"))),
            }
        }
        Err(io::Error::other("REGISTER: challenged twice"))
    }

    /// One call: set up, acknowledged, ended.
    pub(crate) async fn call(&mut self, callee: u32) -> io::Result<()> {
        self.calls += 1;
        let call_id = format!("call-{}-{}-{}", self.user, self.link.local.port(), self.calls);
        let target: Uri = SipUri::new(Some(&callee.to_string()), self.realm.as_str().into(), None).into();
        let (from, to) =
            (format!("<sip:{}@{}>", self.user, self.realm), format!("<sip:{callee}@{}>", self.realm));
        for _ in 0..2 {
            let mut invite = self.request(Method::Invite, &target, &call_id, &from, &to);
            invite.headers.push(HeaderName::Contact, self.contact());
            invite.headers.push(HeaderName::ContentType, "application/sdp");
            invite.body = self.description().into();
            self.authorize(&mut invite, true);
            let response = self.exchange(&invite).await?;
            match response.status {
                StatusCode::OK => return self.acknowledge_and_end(&invite, &response).await,
                StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                    let ack = Request::ack_of(&invite, &response).ok_or(io::ErrorKind::InvalidData)?;
                    self.link.send(&ack.to_bytes()).await?;
                    self.learn(&response, HeaderName::ProxyAuthenticate, true);
                }
                other => return Err(io::Error::other(format!("INVITE: {other}"))),
            }
        }
        Err(io::Error::other("INVITE: challenged twice"))
    }

    /// Answers every call at once, and every BYE.
    pub(crate) async fn answer_calls(&mut self) {
        while let Ok(message) = self.link.receive(true).await {
            let Message::Request(request) = message else { continue };
            if request.method == Method::Ack {
                continue;
            }
            let mut response = Response::to_request(&request, StatusCode::OK, Some("callee"));
            response.headers.copy(&HeaderName::RecordRoute, &request.headers);
            response.headers.push(HeaderName::Contact, self.contact());
            if request.method == Method::Invite {
                response.headers.push(HeaderName::ContentType, "application/sdp");
                response.body = self.description().into();
            }
            if self.link.send(&response.to_bytes()).await.is_err() {
                return;
            }
        }
    }

    async fn acknowledge_and_end(&mut self, invite: &Request, response: &Response) -> io::Result<()> {
        let contact =
            response.contacts().ok().and_then(|contacts| contacts.first().map(|first| first.uri.clone()));
        let target = contact.unwrap_or_else(|| invite.uri.clone());
        for method in [Method::Ack, Method::Bye] {
            let is_bye = method == Method::Bye;
            let mut request = Request::new(method.clone(), target.clone());
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
            if is_bye {
                self.cseq += 1;
                let ended = self.exchange(&request).await?;
                return if ended.status.is_success() { Ok(()) } else { Err(io::Error::other("BYE refused")) };
            }
            self.link.send(&request.to_bytes()).await?;
        }
        Ok(())
    }

    fn request(&mut self, method: Method, target: &Uri, call_id: &str, from: &str, to: &str) -> Request {
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
        let (transport, local) = (self.link.transport(), self.link.local);
        let branch = format!("z9hG4bK{}.{}.{}", local.port(), self.calls, self.cseq);
        headers.push(
            HeaderName::Via,
            format!("SIP/2.0/{transport} {local};branch={branch}.{};rport", headers.len()),
        );
    }

    fn contact(&self) -> String {
        let transport = self.link.transport().to_ascii_lowercase();
        format!("<sip:{}@{};transport={transport}>", self.user, self.link.local)
    }

    fn description(&self) -> String {
        let ip = self.link.local.ip();
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n\
             a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
        )
    }

    /// Remembers the weaker challenge: MD5 is what all servers here have.
    fn learn(&mut self, response: &Response, name: HeaderName, proxy: bool) {
        let challenges: Vec<_> =
            response.headers.get_all(&name).filter_map(|value| Challenge::parse(value).ok()).collect();
        self.nonce = challenges.into_iter().last().map(|challenge| (challenge, 0, proxy));
    }

    fn authorize(&mut self, request: &mut Request, proxy: bool) {
        let Some((challenge, count, _)) = &mut self.nonce else { return };
        *count += 1;
        let answer =
            digest::answer(challenge, &self.user, &self.keys, (&request.method, &request.uri), "c0", *count);
        let name = if proxy { HeaderName::ProxyAuthorization } else { HeaderName::Authorization };
        if let Ok(credentials) = answer {
            request.headers.push(name, &credentials);
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
