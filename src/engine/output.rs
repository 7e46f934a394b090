//! What comes out of the engine: effects as values, carried out by the shell in this order.

use bytes::Bytes;

use crate::engine::call::CallRecord;
use crate::engine::flow::{Flow, FlowFailure};
use crate::engine::numbering::{Extension, OfficeId};
use crate::engine::policy::TallyRow;
use crate::engine::registrar::{Availability, Binding, BindingKey};
use crate::engine::roaming::{RoamingChange, RoamingEntry, SealedVerifier};
use crate::engine::routing::{Dial, LinkFailure, LinkId, LinkState, Place};
use crate::engine::web::{Ticket, WebEvent, WebReply, WebSession};
use crate::media::{ConnectivityCommand, MediaCommand};

/// Matches [`super::Input::Persisted`] with its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreTicket(pub u64);

/// An effect.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes on this flow.
    Transmit {
        /// Where to.
        flow: Flow,
        /// One SIP message.
        bytes: Bytes,
    },
    /// Close this connection once what waits was sent; at once, with a reset, if it is [`FlowFailure::Silent`].
    Close {
        /// The connection.
        flow: Flow,
        /// Why.
        reason: FlowFailure,
    },
    /// For the media worker.
    Media(MediaCommand),
    /// For the owner of ICE and DTLS.
    Connectivity(ConnectivityCommand),
    /// Write to flash; answered by [`super::Input::Persisted`] once it is durable.
    Persist {
        /// Matches the answer.
        ticket: StoreTicket,
        /// What to write.
        change: Change,
    },
    /// Tell a page.
    Web {
        /// The page's connection.
        session: WebSession,
        /// What.
        event: WebEvent,
    },
    /// Answer a page's request.
    Reply {
        /// Matches the request.
        ticket: Ticket,
        /// The answer.
        reply: WebReply,
    },
    /// Find a way to the other end of a link; answered by [`super::Input::Dialled`].
    Dial(Box<Dial>),
    /// Tell all offices; the newest of each extension is kept by the broker.
    Publish(Publication),
    /// Write to the roaming cache on flash; nobody waits for it.
    PersistRoaming(RoamingWrite),
    /// Read a visitor's record from flash; answered by [`super::RoamingInput::Fetched`].
    FetchVerifier {
        /// Matches the answer.
        ticket: FetchTicket,
        /// Whose.
        extension: Extension,
    },
    /// For metrics, health and the journal.
    Observe(Observation),
}

/// Matches [`super::RoamingInput::Fetched`] with its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchTicket(pub u64);

/// What all offices hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// Where an extension is.
    Entry(RoamingEntry),
    /// What verifies one of our users, sealed.
    Verifier(Box<SealedVerifier>),
}

/// A change of the roaming cache on flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoamingWrite {
    /// Of the entries.
    Change(RoamingChange),
    /// A visitor's record; an older one than there is changes nothing.
    Verifier(Box<SealedVerifier>),
}

/// A change of what is on flash.
#[derive(Clone, Debug)]
pub enum Change {
    /// A binding was made or refreshed.
    PutBinding(Box<Binding>),
    /// A binding is gone.
    RemoveBinding(BindingKey),
    /// A call ended.
    CallRecord(Box<CallRecord>),
    /// What was used of a rule's limits.
    Tally(TallyRow),
    /// One of our users says how to be reached.
    Availability {
        /// Who.
        extension: Extension,
        /// What.
        says: Availability,
    },
}

/// Something worth counting or telling.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// A request was answered.
    Answered {
        /// The request's method.
        method: &'static str,
        /// The status of the final response.
        status: u16,
    },
    /// A response came in.
    Heard {
        /// Its status.
        status: u16,
    },
    /// A message or request was dropped or refused, by a reason's stable word.
    Refused {
        /// The room: `sip`, `transaction`, `admission`, `registrar`, `call`.
        room: &'static str,
        /// The reason's `as_str()`.
        reason: &'static str,
    },
    /// A binding was made, refreshed or lost.
    Registration {
        /// `registered`, `refreshed`, `unregistered`, `expired`, `flow-lost`, `replaced`.
        change: &'static str,
        /// The extension.
        extension: String,
        /// Bindings in all, after it.
        bindings: usize,
    },
    /// A call moved on.
    Call {
        /// The call.
        call: String,
        /// `started`, `ringing`, `answered`, `ended`.
        change: &'static str,
        /// The cause's stable word, at the end.
        cause: Option<&'static str>,
        /// Calls in all, after it.
        calls: usize,
    },
    /// Somebody calls for help. Ops and the people named for it are told at once.
    Emergency {
        /// The call.
        call: String,
        /// What was dialled.
        number: String,
        /// Who calls.
        caller: String,
        /// Where the caller is, and how it is called back; absent for a caller of another office.
        place: Option<Box<Place>>,
    },
    /// A call was refused or ended by a permission, a rule or a limit.
    Barred {
        /// The cause's stable word.
        reason: &'static str,
        /// The rule, if it was one.
        rule: Option<String>,
        /// The office from which the call or the visitor came.
        office: Option<OfficeId>,
        /// Who called.
        caller: String,
        /// What was dialled.
        number: String,
    },
    /// A link's state changed.
    Link {
        /// The link.
        link: LinkId,
        /// How it is now.
        state: LinkState,
        /// What failed last.
        failure: Option<LinkFailure>,
    },
    /// An extension roams.
    Roaming {
        /// `here` and `gone` as this office tells it, `moved-away` when a user of ours or one who was here is elsewhere.
        change: &'static str,
        /// The extension.
        extension: String,
        /// Where the user is, or was.
        office: OfficeId,
    },
    /// Asterisk answers, or does not.
    AsteriskReachable(bool),
}
