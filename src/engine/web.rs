//! A browser's signalling as values: what REST and `/ws/auth` ask of the engine, and what it answers.
//!
//! The HTTP room (`api`) authenticates and translates; a call placed here is the same call as one placed
//! by SIP.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::engine::call::{CallId, Resolution};
use crate::engine::numbering::Extension;
use crate::engine::registrar::{Availability, AvailabilityChange};
use crate::sip::digest::UserKeys;

/// One `/ws/auth` connection that subscribed as a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebSession(pub u64);

/// Matches an answer with its question. Given out by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What comes from a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebInput {
    /// A page subscribed as a phone: it becomes a device of its extension.
    Opened {
        /// The connection.
        session: WebSession,
        /// Who signed in.
        extension: Extension,
        /// Stable for the browser (kept in its storage), so that a reload replaces its old binding.
        instance: String,
        /// User agent, shown in the list of devices.
        user_agent: String,
        /// The browser's address, as the socket saw it: where it is when it calls for help.
        address: IpAddr,
    },
    /// The connection is gone.
    Closed {
        /// The connection.
        session: WebSession,
    },
    /// Somebody who has no account here by what they typed wants to sign in, or shows that they did: whose account is it?
    /// Answered by [`WebReply::Account`].
    WhoIs {
        /// Matches the answer.
        ticket: Ticket,
        /// `32-1001`, `BRU-1001`.
        user: String,
    },
    /// A request that wants an answer.
    Request {
        /// Matches the answer.
        ticket: Ticket,
        /// Who signed in.
        caller: Extension,
        /// The page's connection, when it has one: call events go there.
        session: Option<WebSession>,
        /// What is asked.
        request: WebRequest,
    },
}

/// What a browser may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebRequest {
    /// `POST calls`: dial. The answer comes later, as [`WebEvent::Signal`].
    Dial {
        /// What was dialled: `1002`, `32-1002`, `SIP/1002`, `PJSIP/1002`, `600`.
        to: String,
        /// The browser's SDP offer.
        offer: String,
    },
    /// `POST calls/{id}/accept`: the answer to the offer in [`WebEvent::IncomingCall`].
    Accept {
        /// The call.
        call: CallId,
        /// The browser's SDP answer.
        answer: String,
    },
    /// `POST calls/{id}/end`: hang up, cancel or reject.
    End {
        /// The call.
        call: CallId,
        /// `true`: busy here (486) instead of declined (603), for a call that still rings.
        busy: bool,
    },
    /// `POST calls/{id}/signaling`.
    Signal {
        /// The call.
        call: CallId,
        /// The message.
        signal: Signal,
    },
    /// `GET calls/{id}/signaling?since=`: what was sent to the page and not seen by it.
    Signals {
        /// The call.
        call: CallId,
        /// Sequence number of the last one seen; 0 for all that are kept.
        since: u64,
    },
    /// `GET calls/{id}`.
    Call {
        /// The call.
        call: CallId,
    },
    /// `GET calls`: the caller's own calls.
    Calls,
    /// `GET extensions`: whether calls reach these.
    Reach {
        /// At most a page of them.
        numbers: Vec<Extension>,
    },
    /// `GET extensions/{number}/resolve`: where a call would go, and why.
    Resolve {
        /// What would be dialled.
        to: String,
    },
    /// `GET presence`: what the caller says of how to be reached.
    Availability,
    /// `PUT presence`: the caller says something else.
    SetAvailability(AvailabilityChange),
}

/// One signalling message, in either direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Signal {
    /// An SDP offer: a reload resumed, an ICE restart, a change of codec.
    Offer {
        /// The description.
        sdp: String,
    },
    /// The SDP answer.
    Answer {
        /// The description.
        sdp: String,
    },
    /// A trickled candidate (RFC 8838); an empty one ends the list.
    IceCandidate {
        /// `candidate:…` as browsers give it.
        candidate: String,
        /// The media section, by its `mid`.
        #[serde(default, skip_serializing_if = "Option::is_none", rename = "sdpMid")]
        sdp_mid: Option<String>,
        /// The media section, by index.
        #[serde(default, skip_serializing_if = "Option::is_none", rename = "sdpMLineIndex")]
        sdp_m_line_index: Option<u16>,
    },
    /// Hang up.
    Hangup,
    /// The microphone was muted at the page.
    Mute,
    /// The microphone is live again.
    Unmute,
    /// Put the other side on hold.
    Hold,
    /// Take the other side back.
    Resume,
    /// Send digits.
    Dtmf {
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digits: String,
    },
}

/// What the engine tells a page.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type")]
pub enum WebEvent {
    /// The page is registered as a device.
    Registered {
        /// The extension.
        extension: String,
    },
    /// Somebody calls.
    IncomingCall {
        /// The call as the page sees it.
        call: CallView,
        /// The gateway's SDP offer.
        offer: String,
    },
    /// The call changed its state.
    CallState {
        /// The call as the page sees it.
        call: CallView,
    },
    /// Signalling for a call.
    Signal {
        /// The call.
        call: CallId,
        /// Counts up from 1 per call, for `GET …/signaling?since=`.
        sequence: u64,
        /// The message.
        signal: Signal,
    },
    /// A digit from the other side.
    Dtmf {
        /// The call.
        call: CallId,
        /// The digit.
        digit: char,
    },
    /// How the call sounds.
    Quality {
        /// The call.
        call: CallId,
        /// Measured by the gateway, both directions of the page's own leg.
        quality: QualityView,
    },
    /// Something that the person at the page must know, whatever they do: somebody calls for help.
    Notice {
        /// A stable word: `emergency`.
        reason: &'static str,
        /// A sentence for a person.
        text: String,
    },
    /// What is wrong with the media, in plain words.
    MediaTrouble {
        /// The call.
        call: CallId,
        /// A stable word: `no-ice-path`, `dtls-failed`, `no-packets`, `consent-lost`, …
        reason: String,
        /// A sentence for a person.
        text: String,
    },
}

/// A call as one of its parties sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallView {
    /// The call.
    pub id: CallId,
    /// `outgoing` or `incoming`, seen from this party.
    pub direction: &'static str,
    /// `dialling`, `ringing`, `early`, `up`, `held`, `ended`.
    pub state: &'static str,
    /// The other party's number.
    pub peer: String,
    /// The other party's display name, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_name: Option<String>,
    /// Set by the other side's hold.
    pub held_by_peer: bool,
    /// Milliseconds since 1970, when it began.
    pub started: u64,
    /// Milliseconds since 1970, when it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<u64>,
    /// Milliseconds since 1970, when it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
    /// Why it ended, as a stable word: `hangup`, `busy`, `no-answer`, `answered-elsewhere`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Why it ended, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_text: Option<String>,
}

/// Quality of one leg, in both directions (ITU-T G.107).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct QualityView {
    /// What the gateway receives from this party.
    pub from: DirectionView,
    /// What this party reports to receive from the gateway.
    pub to: DirectionView,
    /// Round trip, milliseconds.
    pub round_trip_ms: Option<f32>,
}

/// Quality of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct DirectionView {
    /// Packets so far.
    pub packets: u64,
    /// Loss of the last interval, percent.
    pub loss_percent: f32,
    /// Interarrival jitter, milliseconds.
    pub jitter_ms: f32,
    /// Mean opinion score, 1 to 4.5; absent before the first interval.
    pub mos: Option<f32>,
}

/// Whether calls reach an extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReachView {
    /// Whether it has a device, reachable or for the moment away.
    pub registered: bool,
    /// Whether a call can be offered to one of its devices now.
    pub reachable: bool,
    /// Its devices.
    pub devices: usize,
}

/// The answer to a [`WebRequest`].
#[derive(Clone, Debug, PartialEq)]
pub enum WebReply {
    /// The call after the request was carried out.
    Call(CallView),
    /// The calls asked for.
    Calls(Vec<CallView>),
    /// What was sent to the page after `since`.
    Signals(Vec<(u64, Signal)>),
    /// Whether calls reach the extensions asked for, in their order.
    Reach(Vec<ReachView>),
    /// Where a call would go.
    Resolution(Box<Resolution>),
    /// What the caller says of how to be reached.
    Availability(Availability),
    /// Whose account it is.
    Account(Known),
    /// Nothing more to say.
    Done,
    /// It cannot be done.
    Refused(WebRefusal),
}

/// Whose account a text names.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// One of this office's, by its extension.
    Own(Extension),
    /// A user's of another office.
    Visitor(Box<VisitorAccount>),
    /// Nobody's, or nobody's whom we can verify.
    Nobody,
}

/// A user of another office, as their home office vouches.
#[derive(Clone, Debug)]
pub struct VisitorAccount {
    /// The extension with its country.
    pub extension: Extension,
    /// The user name in the digests.
    pub username: String,
    /// Name for people.
    pub name: Option<String>,
    /// What their password is verified with.
    pub keys: UserKeys,
}

impl PartialEq for VisitorAccount {
    fn eq(&self, other: &Self) -> bool {
        (&self.extension, &self.username, &self.name) == (&other.extension, &other.username, &other.name)
            && self.keys.sha256.secret() == other.keys.sha256.secret()
    }
}

/// Why a browser's request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WebRefusal {
    /// No such call, or not the caller's.
    NoSuchCall,
    /// The call is not in a state for it.
    WrongState,
    /// The SDP could not be used.
    BadDescription,
    /// The dialled string is no number.
    BadNumber,
    /// A limit is reached.
    Limit,
    /// No media port is free.
    NoMediaPort,
    /// The daemon is draining.
    Draining,
}

impl WebRefusal {
    /// The label in metrics, logs and problem documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchCall => "no-such-call",
            Self::WrongState => "wrong-state",
            Self::BadDescription => "bad-description",
            Self::BadNumber => "bad-number",
            Self::Limit => "limit",
            Self::NoMediaPort => "no-media-port",
            Self::Draining => "draining",
        }
    }
}
