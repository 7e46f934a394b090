//! `GET /ws/auth`: a page's stream of events.
//!
//! | from the page | what happens |
//! | --- | --- |
//! | `{"type":"Subscribe","phone":true,"instance":"…"}` | the page becomes a device of its extension |
//! | `{"type":"Ping"}` | `{"type":"Pong"}` |
//! | anything else | `{"type":"Error","reason":…}` |
//!
//! To the page go the engine's [`WebEvent`](crate::engine::web::WebEvent)s as they are. Every reason to close is in
//! [`Closing`], with its code; a page that is told `going-away` comes back by itself, one that is `replaced` asks its
//! person.

use std::net::IpAddr;
use std::time::Instant;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::auth::{self, Caller};
use super::line::{OpenedSession, SessionEnd};
use super::origin;
use super::peer::Peer;
use super::problem::{Problem, Reason};
use super::rate::Bucket;
use super::sip_socket::Upgrade;
use super::state::Api;

/// Longest instance id, in bytes; a UUID has 36.
const INSTANCE_LIMIT: usize = 64;
/// User agents are cut to this, in bytes.
const USER_AGENT_LIMIT: usize = 256;

#[derive(Deserialize)]
pub(crate) struct Token {
    #[serde(default)]
    token: String,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum FromPage {
    Subscribe {
        #[serde(default)]
        phone: bool,
        #[serde(default)]
        instance: String,
    },
    Ping,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum ToPage {
    Pong,
    Error { reason: &'static str },
}

/// Why a page's connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Closing {
    /// The page closed it, or it broke.
    Gone,
    /// No sign of life.
    Silent,
    /// The page does not take what is sent.
    Slow,
    /// The same browser opened another one.
    Replaced,
    /// Too many messages.
    Flood,
    /// The subscription was refused; the page was told why.
    Refused,
    /// The daemon stops.
    GoingAway,
}

impl Closing {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Silent => "silent",
            Self::Slow => "slow",
            Self::Replaced => "replaced",
            Self::Flood => "flood",
            Self::Refused => "refused",
            Self::GoingAway => "going-away",
        }
    }

    /// The close code: RFC 6455 §7.4.1, and 4000 and up for our own.
    const fn code(self) -> u16 {
        match self {
            Self::Gone => 1000,
            Self::GoingAway => 1001,
            Self::Silent => 4408,
            Self::Slow => 4413,
            Self::Replaced => 4409,
            Self::Flood => 4429,
            Self::Refused => 4503,
        }
    }
}

pub(crate) async fn upgrade(
    State(api): State<Api>,
    peer: Peer,
    headers: HeaderMap,
    query: Result<Query<Token>, axum::extract::rejection::QueryRejection>,
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    origin::check(&headers, &peer, &api.settings().origins)?;
    let Query(Token { token }) = query.map_err(|_| Problem::from(Reason::BadParameter).detail("token"))?;
    let caller = auth::by_bearer(&api, &token).await?;
    let user_agent =
        headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let user_agent: String = user_agent.chars().take(USER_AGENT_LIMIT).collect();
    let upgrade = upgrade.limited(api.limits().body);
    Ok(upgrade.on_upgrade(async move |socket| {
        let address = peer.remote.ip().to_canonical();
        Page::new(api, socket, caller, (user_agent, address)).run().await;
        // The connection counts until here.
        drop(peer);
    }))
}

/// One connected page.
struct Page {
    api: Api,
    socket: WebSocket,
    caller: Caller,
    user_agent: String,
    address: IpAddr,
    phone: Option<OpenedSession>,
    messages: Bucket,
    heard: Instant,
}

impl Page {
    fn new(api: Api, socket: WebSocket, caller: Caller, (user_agent, address): (String, IpAddr)) -> Self {
        let now = Instant::now();
        let messages = Bucket::full(now, api.limits().message_rate);
        Self { api, socket, caller, user_agent, address, phone: None, messages, heard: now }
    }

    async fn run(mut self) {
        self.api.metrics().session_opened();
        let closing = self.turn().await;
        // The engine heard of a replaced session when its successor came.
        if let Some(phone) = self.phone.take().filter(|_| closing != Closing::Replaced) {
            self.api.line().closed(phone.session).await;
        }
        self.api.metrics().session_closed(closing.as_str());
        if closing != Closing::Gone {
            let frame = CloseFrame { code: closing.code(), reason: closing.as_str().into() };
            // The page may be gone already, or as slow as ever.
            let _ = self.send(Message::Close(Some(frame))).await;
        }
    }

    async fn turn(&mut self) -> Closing {
        let mut shutdown = self.api.shutdown();
        let mut ping = tokio::time::interval(self.api.limits().ping);
        ping.tick().await;
        loop {
            let turned = tokio::select! {
                frame = self.socket.recv() => self.take(frame).await,
                event = next_event(&mut self.phone) => self.forward(event).await,
                _ = ping.tick() => self.ping().await,
                () = stopped(&mut shutdown) => Err(Closing::GoingAway),
            };
            if let Err(closing) = turned {
                return closing;
            }
        }
    }

    async fn take(&mut self, frame: Option<Result<Message, axum::Error>>) -> Result<(), Closing> {
        let Some(Ok(message)) = frame else { return Err(Closing::Gone) };
        self.heard = Instant::now();
        self.messages.take(self.heard, self.api.limits().message_rate).map_err(|_| Closing::Flood)?;
        match message {
            Message::Text(text) => self.read(&text).await,
            Message::Binary(_) => self.tell(&ToPage::Error { reason: Reason::BadBody.as_str() }).await,
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(Closing::Gone),
        }
    }

    async fn read(&mut self, text: &str) -> Result<(), Closing> {
        match serde_json::from_str(text) {
            Ok(FromPage::Ping) => self.tell(&ToPage::Pong).await,
            Ok(FromPage::Subscribe { phone: false, .. }) => Ok(()),
            Ok(FromPage::Subscribe { phone: true, instance }) => self.subscribe(&instance).await,
            Err(_) => self.tell(&ToPage::Error { reason: Reason::BadBody.as_str() }).await,
        }
    }

    async fn subscribe(&mut self, instance: &str) -> Result<(), Closing> {
        if self.phone.is_some() || instance.is_empty() || instance.len() > INSTANCE_LIMIT {
            return self.tell(&ToPage::Error { reason: Reason::BadParameter.as_str() }).await;
        }
        let extension = &self.caller.account.extension;
        match self.api.line().open(extension, instance, self.caller.token, &self.user_agent, self.address) {
            Ok(opened) => {
                self.phone = Some(opened);
                Ok(())
            }
            Err(reason) => {
                self.api.metrics().refused(reason.as_str());
                self.tell(&ToPage::Error { reason: reason.as_str() }).await?;
                Err(Closing::Refused)
            }
        }
    }

    async fn forward(
        &mut self,
        event: Result<crate::engine::web::WebEvent, SessionEnd>,
    ) -> Result<(), Closing> {
        match event {
            Ok(event) => self.tell(&event).await,
            Err(SessionEnd::Slow) => Err(Closing::Slow),
            Err(SessionEnd::Replaced) => Err(Closing::Replaced),
        }
    }

    async fn ping(&mut self) -> Result<(), Closing> {
        if self.heard.elapsed() > self.api.limits().ping * 2 {
            return Err(Closing::Silent);
        }
        self.send(Message::Ping(bytes::Bytes::new())).await
    }

    async fn tell(&mut self, message: &impl Serialize) -> Result<(), Closing> {
        let Ok(text) = serde_json::to_string(message) else { return Ok(()) };
        self.send(Message::Text(Utf8Bytes::from(text))).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Closing> {
        let limit = self.api.limits().send_time;
        match tokio::time::timeout(limit, self.socket.send(message)).await {
            Ok(sent) => sent.map_err(|_| Closing::Gone),
            Err(_) => Err(Closing::Slow),
        }
    }
}

/// The next event of a phone session, or why it ended. Waits for ever for a page that did not subscribe.
async fn next_event(phone: &mut Option<OpenedSession>) -> Result<crate::engine::web::WebEvent, SessionEnd> {
    let Some(phone) = phone else { return std::future::pending().await };
    match phone.events.recv().await {
        Some(event) => Ok(event),
        None => Err(phone.end.try_recv().unwrap_or(SessionEnd::Slow)),
    }
}

/// Ends when the daemon stops, or its end of the channel is gone.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|stop| *stop).await);
}
