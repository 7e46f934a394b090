//! What goes into the engine.

use std::sync::Arc;

use crate::engine::flow::{ClientIdentity, Flow, FlowFailure};
use crate::engine::numbering::Extension;
use crate::engine::output::{FetchTicket, StoreTicket};
use crate::engine::registrar::{Accounts, Availability};
use crate::engine::roaming::{Keyring, RoamingEntry, SealedVerifier, Second};
use crate::engine::routing::{DialResult, DialTicket, RouteTable};
use crate::engine::settings::Settings;
use crate::engine::web::WebInput;
use crate::media::{ConnectivityEvent, MediaEvent};
use crate::sip::Message;
use crate::sip::parse::ParseError;

/// Something happened outside.
#[derive(Debug)]
pub enum Input {
    /// A message was read from a flow. What could not be parsed comes too: some of it wants an answer.
    Sip {
        /// Where it came from; the answer goes back there.
        flow: Flow,
        /// The message, or what is wrong with it.
        message: Result<Message, ParseError>,
    },
    /// A connection was accepted.
    FlowOpened {
        /// The connection.
        flow: Flow,
        /// Who its verified client certificate says it is.
        identity: Option<ClientIdentity>,
    },
    /// A connection is gone, or a datagram could not be sent.
    FlowFailed {
        /// The flow.
        flow: Flow,
        /// Why.
        reason: FlowFailure,
    },
    /// The media worker saw something.
    Media(MediaEvent),
    /// ICE or DTLS moved on.
    Connectivity(ConnectivityEvent),
    /// A browser asks or tells something.
    Web(WebInput),
    /// The store carried out [`super::Output::Persist`] with this ticket.
    Persisted {
        /// Which.
        ticket: StoreTicket,
        /// Whether it is on flash. When not, the engine goes on in memory and health says so.
        durable: bool,
    },
    /// The set of accounts changed.
    Accounts(Accounts),
    /// What users said of how to be reached, from flash.
    Availability(Vec<(Extension, Availability)>),
    /// The configuration was reloaded.
    Settings(Box<Settings>),
    /// A new route table is in force; calls in progress keep their plan.
    Routes(Arc<RouteTable>),
    /// What became of [`super::Output::Dial`].
    Dialled {
        /// Which.
        ticket: DialTicket,
        /// What became of it.
        result: DialResult,
    },
    /// Something of extensions that roam.
    Roaming(RoamingInput),
    /// What was used of rules' limits before the start, by key, as [`super::Change::Tally`] wrote it.
    Tally(Vec<(String, String)>),
    /// Take no new calls; end when the last one has ended.
    Drain,
    /// End all calls now.
    Stop,
}

/// Something of extensions that roam. Nothing else has an effect before [`Self::Stored`].
#[derive(Debug)]
pub enum RoamingInput {
    /// What was on flash, and when each entry was last heard.
    Stored(Vec<(RoamingEntry, Second)>),
    /// The keys of visitors' records.
    Keyring(Keyring),
    /// An office says where an extension is.
    Entry(RoamingEntry),
    /// A home office says who may sign in.
    Verifier(SealedVerifier),
    /// What [`super::Output::FetchVerifier`] asked for; `None` when there is none, or it cannot be read.
    Fetched {
        /// Which.
        ticket: FetchTicket,
        /// The record.
        record: Option<SealedVerifier>,
    },
    /// A session with a broker began.
    Connected,
    /// The session with the broker is alive, and nothing that it had to say waits.
    Confirmed,
}
