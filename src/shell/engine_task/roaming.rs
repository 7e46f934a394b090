//! Where extensions are: to flash, to the other offices, and visitors' records back from flash.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::engine::numbering::Extension;
use crate::engine::roaming::SealedVerifier;
use crate::engine::{FetchTicket, Input, Publication, RoamingInput, RoamingWrite};
use crate::shell::flash::RoamingStore;
use crate::shell::store::Receipt;

/// Takes what all offices shall hear, without waiting.
pub type PublishOutlet = Box<dyn FnMut(Publication) + Send>;

/// Where it goes.
pub struct RoamingOutlet {
    /// Flash; `None` when it cannot be used.
    pub store: Option<RoamingStore>,
    /// The other offices.
    pub publish: PublishOutlet,
}

/// A visitor's record that is being read.
type Fetching = (FetchTicket, Receipt<Option<SealedVerifier>>);

pub(super) struct RoamingEffects {
    outlet: Option<RoamingOutlet>,
    fetching: VecDeque<Fetching>,
}

impl RoamingEffects {
    pub(super) const fn new(outlet: Option<RoamingOutlet>) -> Self {
        Self { outlet, fetching: VecDeque::new() }
    }

    pub(super) fn publish(&mut self, publication: Publication) {
        if let Some(outlet) = &mut self.outlet {
            (outlet.publish)(publication);
        }
    }

    /// Nobody waits for it: the store counts what it refuses.
    pub(super) fn persist(&self, write: RoamingWrite) {
        let Some(store) = self.store() else { return };
        drop(match write {
            RoamingWrite::Change(change) => store.change(change),
            RoamingWrite::Verifier(record) => store.put_verifier(*record),
        });
    }

    /// Asks for a record; gives what the engine must hear at once where nothing is kept.
    pub(super) fn fetch(&mut self, ticket: FetchTicket, extension: Extension) -> Option<Input> {
        let Some(store) = self.store() else { return Some(fetched(ticket, None)) };
        let receipt = store.verifier(extension);
        self.fetching.push_back((ticket, receipt));
        None
    }

    /// The next record that was read; the store answers in order.
    pub(super) fn poll_fetched(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let Some((ticket, receipt)) = self.fetching.front_mut() else { return Poll::Pending };
        let outcome = ready!(Pin::new(receipt).poll(cx));
        let input = fetched(*ticket, outcome.ok().flatten());
        self.fetching.pop_front();
        Poll::Ready(input)
    }

    fn store(&self) -> Option<&RoamingStore> {
        self.outlet.as_ref()?.store.as_ref()
    }
}

fn fetched(ticket: FetchTicket, record: Option<SealedVerifier>) -> Input {
    Input::Roaming(RoamingInput::Fetched { ticket, record })
}
