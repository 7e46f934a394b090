//! What a call acts with: the clocks, the settings, the transaction layer, the stock of media ends, chance, and the
//! queue of outputs. Lent by the engine for the length of one input.

use std::collections::VecDeque;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

use super::books::Books;
use super::plan::AsteriskState;
use crate::engine::numbering::Extension;
use crate::engine::output::{Change, Observation, Output, StoreTicket};
use crate::engine::policy::Tally;
use crate::engine::registrar::{BindingKey, Registrar};
use crate::engine::roaming::{Roaming, is_known};
use crate::engine::routing::Router;
use crate::engine::settings::Settings;
use crate::engine::transaction::{Layer, ServerId};
use crate::engine::web::{Ticket, WebEvent, WebReply, WebSession};
use crate::media::{ConnectivityCommand, EndIds, MediaCommand, PortPool};
use crate::sip::Response;
use crate::time::Now;

/// The ends and ports that media may use.
#[derive(Debug)]
pub struct MediaStock {
    /// Names of ends.
    pub ends: EndIds,
    /// Bound port pairs for phones.
    pub ports: PortPool,
}

/// What a call acts with.
pub struct Effects<'a> {
    /// The time of the input.
    pub now: Now,
    /// The configuration.
    pub settings: &'a Settings,
    /// All transactions.
    pub layer: &'a mut Layer,
    /// Ends and ports.
    pub stock: &'a mut MediaStock,
    /// Seeded by the shell from a real source.
    pub random: &'a mut ChaCha20Rng,
    /// Effects, in order.
    pub out: &'a mut VecDeque<Output>,
    /// The last ticket given to the store.
    pub tickets: &'a mut u64,
    /// Where devices are.
    pub registrar: &'a Registrar,
    /// Where extensions are that roam; `None` in an office without an uplink.
    pub roaming: Option<&'a Roaming>,
    /// Links and routes.
    pub router: &'a mut Router,
    /// What was used of rules' limits.
    pub tally: &'a mut Tally,
    /// Whose transactions, dialogs and ends are whose; the calls' timers.
    pub books: &'a mut Books,
    /// Calls in progress.
    pub active_calls: usize,
    /// Whether Asterisk can be asked.
    pub asterisk: AsteriskState,
    /// Set when a call found Asterisk silent.
    pub asterisk_silent: bool,
    /// Devices that placed or answered a call.
    pub used: Vec<BindingKey>,
}

impl Effects<'_> {
    /// Orders the media worker.
    pub fn media(&mut self, command: MediaCommand) {
        self.out.push_back(Output::Media(command));
    }

    /// Orders the owner of ICE and DTLS.
    pub fn connectivity(&mut self, command: ConnectivityCommand) {
        self.out.push_back(Output::Connectivity(command));
    }

    /// Tells a page.
    pub fn web(&mut self, session: WebSession, event: WebEvent) {
        self.out.push_back(Output::Web { session, event });
    }

    /// Answers a page's request.
    pub fn reply(&mut self, ticket: Ticket, reply: WebReply) {
        self.out.push_back(Output::Reply { ticket, reply });
    }

    /// Counts or tells.
    pub fn observe(&mut self, observation: Observation) {
        self.out.push_back(Output::Observe(observation));
    }

    /// Counts a refusal or drop by its reason.
    pub fn refused(&mut self, room: &'static str, reason: &'static str) {
        self.observe(Observation::Refused { room, reason });
    }

    /// Answers a request; what cannot be sent any more is counted.
    pub fn respond(&mut self, server: ServerId, response: Response) {
        let status = response.status;
        let method = response.cseq().map_or("other", |cseq| cseq.method.label());
        if let Err(refusal) = self.layer.respond(self.now, server, response) {
            return self.refused("transaction", super::refusal_label(refusal));
        }
        if status.is_final() {
            self.observe(Observation::Answered { method, status: status.code() });
        }
    }

    /// Whether a number is an emergency number: of the configuration, or of the route table.
    pub fn is_emergency(&self, number: &str) -> bool {
        let pushed = self.router.emergency_numbers();
        self.settings.numbers.emergency().contains(number)
            || pushed.is_some_and(|numbers| numbers.contains(number))
    }

    /// Whether an extension, written so, can be called.
    pub fn knows(&self, extension: &Extension) -> bool {
        let has_account = |extension: &Extension| self.registrar.has_account(extension);
        is_known(extension, &self.settings.numbers, has_account, self.roaming)
    }

    /// Writes to flash; nobody waits for it.
    pub fn persist(&mut self, change: Change) -> StoreTicket {
        *self.tickets += 1;
        let ticket = StoreTicket(*self.tickets);
        self.out.push_back(Output::Persist { ticket, change });
        ticket
    }

    /// Random bytes.
    pub fn random_bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    /// A random number.
    pub fn random_u64(&mut self) -> u64 {
        self.random.next_u64()
    }
}
