//! Visitors' records, fetched when somebody shows a visitor's name: for a REGISTER, a sign-in on the page, a page.
//!
//! | who waits for the record | it opens | it does not, or there is none |
//! | --- | --- | --- |
//! | a REGISTER with credentials | admitted, then judged as ours are | judged without: as a wrong password |
//! | a sign-in on the page, or a page's token | the account, for the HTTP room to verify | nobody's account |
//! | a page that subscribed as a phone | admitted; the page is a device | the page stays what it is |
//!
//! At most [`MOST_FETCHES`] wait; the flash answers each.

use std::net::IpAddr;

use super::Engine;
use crate::engine::flow::Flow;
use crate::engine::numbering::Extension;
use crate::engine::output::{FetchTicket, Output};
use crate::engine::registrar::Claimed;
use crate::engine::roaming::{Aor, SealedVerifier, Standing, Verifier};
use crate::engine::transaction::ServerId;
use crate::engine::web::{Known, Ticket, VisitorAccount, WebRefusal, WebReply, WebSession};
use crate::sip::{HeaderName, Request, StatusCode};
use crate::time::Now;

/// What waits for its visitor's record; more get 503.
const MOST_FETCHES: usize = 256;

/// A page that subscribed as a phone.
#[derive(Debug)]
pub(super) struct PageOfVisitor {
    pub(super) session: WebSession,
    pub(super) instance: String,
    pub(super) user_agent: String,
    pub(super) address: IpAddr,
}

/// Who waits for a record.
#[derive(Debug)]
enum Waits {
    Register { server: ServerId, flow: Flow, request: Box<Request> },
    SignIn(Ticket),
    Page(PageOfVisitor),
}

/// Something that waits for a visitor's record.
#[derive(Debug)]
pub(super) struct Fetching {
    extension: Extension,
    waits: Waits,
}

impl Engine {
    /// Asks for the record of a visitor who shows credentials that we cannot verify yet. Whether the request waits.
    pub(super) fn fetches_record(
        &mut self,
        server: ServerId,
        flow: Flow,
        request: &Request,
        claimed: &Claimed,
    ) -> Result<bool, StatusCode> {
        let Claimed::Visitor(extension) = claimed else { return Ok(false) };
        let shows = request.headers.credentials(&HeaderName::Authorization, self.registrar.realm()).is_some();
        if !shows || self.registrar.can_verify(extension) || !self.can_open_records() {
            return Ok(false);
        }
        let waits = Waits::Register { server, flow, request: Box::new(request.clone()) };
        self.fetch(extension.clone(), waits).map(|()| true).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
    }

    /// Whose account a text names, for somebody who signs in on the page.
    pub(super) fn who_is(&mut self, ticket: Ticket, user: &str) {
        let known = match self.claimed(Some(user)) {
            Claimed::Own(extension) if self.registrar.has_account(&extension) => Known::Own(extension),
            Claimed::Visitor(extension) if self.can_open_records() => {
                if self.fetch(extension, Waits::SignIn(ticket)).is_err() {
                    self.reply(ticket, WebReply::Refused(WebRefusal::Limit));
                }
                return;
            }
            Claimed::Own(_) | Claimed::Visitor(_) | Claimed::Nobody => Known::Nobody,
        };
        self.reply(ticket, WebReply::Account(known));
    }

    /// Gives the page back unless it is a visitor's whose record is fetched first.
    pub(super) fn fetches_for_page(
        &mut self,
        extension: &Extension,
        page: PageOfVisitor,
    ) -> Option<PageOfVisitor> {
        let is_known = self.registrar.has_account(extension) || self.registrar.can_verify(extension);
        if is_known || !self.can_open_records() {
            return Some(page);
        }
        match self.fetch(extension.clone(), Waits::Page(page)) {
            Err(Waits::Page(page)) => Some(page),
            Ok(()) | Err(Waits::Register { .. } | Waits::SignIn(_)) => None,
        }
    }

    /// A page is gone before its user's record was there.
    pub(super) fn forget_waiting_page(&mut self, session: WebSession) {
        if let Some(federation) = &mut self.federation {
            let is_other = |waits: &Waits| !matches!(waits, Waits::Page(page) if page.session == session);
            federation.fetching.retain(|_, fetching| is_other(&fetching.waits));
        }
    }

    /// The record that something waits for; `None` when there is none.
    pub(super) fn record_fetched(&mut self, now: Now, ticket: FetchTicket, record: Option<SealedVerifier>) {
        let fetching = self.federation.as_mut().and_then(|federation| federation.fetching.remove(&ticket));
        let Some(Fetching { extension, waits }) = fetching else { return };
        let opened = self.opened(now, &extension, record);
        match waits {
            Waits::SignIn(ticket) => {
                let account = opened.map_or(Known::Nobody, |(aor, verifier)| {
                    Known::Visitor(Box::new(VisitorAccount {
                        extension: aor.extension,
                        username: verifier.username,
                        name: verifier.display_name,
                        keys: verifier.keys,
                    }))
                });
                self.reply(ticket, WebReply::Account(account));
            }
            Waits::Register { server, flow, request } => {
                self.admit(now, opened);
                let claimed = Claimed::Visitor(extension.clone());
                self.judge_registration(now, server, flow, *request, &claimed);
                self.registrar.tidy_visitor(&extension);
            }
            Waits::Page(page) => {
                self.admit(now, opened);
                self.page_opened(now, &extension, &page);
                self.registrar.tidy_visitor(&extension);
            }
        }
    }

    /// What a record says, if it is this user's, genuine and of our realm.
    fn opened(
        &mut self,
        now: Now,
        extension: &Extension,
        record: Option<SealedVerifier>,
    ) -> Option<(Aor, Verifier)> {
        let record = record.filter(|record| record.aor.extension == *extension)?;
        let Standing::Good(verifier) = self.open(now, &record)? else { return None };
        if verifier.realm != self.registrar.realm() {
            self.refused("roaming", "visitor-of-another-realm");
            return None;
        }
        Some((record.aor, *verifier))
    }

    fn admit(&mut self, now: Now, opened: Option<(Aor, Verifier)>) {
        if let Some((aor, verifier)) = opened {
            let changes = self.registrar.admit_visitor(aor, verifier);
            self.note_registrations(&changes, now);
        }
    }

    fn can_open_records(&self) -> bool {
        self.federation.as_ref().is_some_and(|federation| federation.keyring.is_some())
    }

    /// Asks the flash for a record; gives back who wants it when too many wait.
    fn fetch(&mut self, extension: Extension, waits: Waits) -> Result<(), Waits> {
        let Some(federation) = &mut self.federation else { return Err(waits) };
        if federation.fetching.len() >= MOST_FETCHES {
            self.refused("roaming", "too-many-visitors-waiting");
            return Err(waits);
        }
        federation.last_fetch += 1;
        let ticket = FetchTicket(federation.last_fetch);
        federation.fetching.insert(ticket, Fetching { extension: extension.clone(), waits });
        self.out.push_back(Output::FetchVerifier { ticket, extension });
        Ok(())
    }
}
