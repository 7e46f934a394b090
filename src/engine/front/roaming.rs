//! Roaming: what the other offices say of extensions, what we say, and how visitors sign in.
//!
//! | input | do |
//! | --- | --- |
//! | what was on flash | the cache is filled; visitors' devices come back; who has none any more is signed out |
//! | an entry | merged |
//! | a sealed record | opened to see that it is genuine; kept sealed; a visitor whose password changed signs in anew |
//! | a session with the broker | what we said is said again |
//! | a visitor's name with credentials | the record is fetched and opened: see `visitors` |
//!
//! Nothing roams before [`RoamingInput::Stored`]: an office without an uplink needs none of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rand_chacha::rand_core::Rng;

use super::Engine;
use super::visitors::Fetching;
use crate::engine::input::RoamingInput;
use crate::engine::numbering::Extension;
use crate::engine::output::{FetchTicket, Observation, Output, Publication, RoamingWrite};
use crate::engine::registrar::{Changed, Claimed, What};
use crate::engine::roaming::{
    Aor, Issuer, Keyring, Merged, Named, Presence, Roaming, RoamingEntry, RoamingSettings, SealedVerifier,
    Second, Standing, Verifier, named,
};
use crate::time::Now;

/// How often time is let pass in the cache.
const TICK: Duration = Duration::from_secs(60);
/// How long after a session began the broker has told what it keeps.
const SETTLING: Duration = Duration::from_secs(5);
/// What the engine keeps of the federation.
pub(super) struct Federation {
    roaming: Roaming,
    pub(super) keyring: Option<Keyring>,
    issuer: Issuer,
    /// Who waits for a visitor's record.
    pub(super) fetching: HashMap<FetchTicket, Fetching>,
    pub(super) last_fetch: u64,
    tick: Instant,
    /// From when on it is known which records of our users the broker has.
    issues_from: Option<Instant>,
}

impl Federation {
    pub(super) const fn roaming(&self) -> &Roaming {
        &self.roaming
    }
}

impl Engine {
    /// Where extensions are; `None` in an office without an uplink.
    pub fn roaming(&self) -> Option<&Roaming> {
        self.federation.as_ref().map(|federation| &federation.roaming)
    }

    /// An extension as all offices know it.
    pub fn aor_of(&self, extension: &Extension) -> Option<Aor> {
        let own = self.roaming()?.own();
        if let Some(aor) = self.registrar.visitor(extension) {
            return Some(aor.clone());
        }
        let home = self.settings.numbers.home();
        let extension =
            home.and_then(|home| extension.in_country(home).ok()).unwrap_or_else(|| extension.clone());
        Some(Aor { home: own, extension })
    }

    pub(super) fn roaming_input(&mut self, now: Now, input: RoamingInput) {
        match input {
            RoamingInput::Stored(entries) => self.begin_roaming(now, &entries),
            RoamingInput::Keyring(keyring) => {
                if let Some(federation) = &mut self.federation {
                    federation.keyring = Some(keyring);
                }
            }
            RoamingInput::Entry(entry) => self.entry_heard(now, &entry),
            RoamingInput::Verifier(record) => self.record_heard(now, record),
            RoamingInput::Fetched { ticket, record } => self.record_fetched(now, ticket, record),
            RoamingInput::Connected => self.say_again(now),
            RoamingInput::Confirmed => {
                if let Some(federation) = &mut self.federation {
                    federation.roaming.confirm(now.wall);
                }
            }
        }
        self.roaming_effects();
    }

    pub(super) fn roaming_timeout(&mut self, now: Now) {
        let Some(federation) = &mut self.federation else { return };
        if federation.tick > now.instant {
            return;
        }
        federation.tick = now.instant + TICK;
        federation.roaming.handle_time(now.wall);
        if federation.issues_from.is_some_and(|from| from <= now.instant) {
            self.issue_records(now);
        }
        self.roaming_effects();
    }

    pub(super) fn roaming_deadline(&self) -> Option<Instant> {
        self.federation.as_ref().map(|federation| federation.tick)
    }

    /// Whom the user part of a To or From names.
    pub(super) fn claimed(&self, user: Option<&str>) -> Claimed {
        let Some(user) = user else { return Claimed::Nobody };
        let Some(roaming) = self.roaming() else {
            return user.parse().map_or(Claimed::Nobody, Claimed::Own);
        };
        let exists = |extension: &Extension| self.registrar.has_account(extension);
        match named(user, &self.settings.numbers, exists, roaming) {
            Named::Own(extension) => Claimed::Own(extension),
            Named::Visitor { extension, .. } => Claimed::Visitor(extension),
            Named::Nobody => user.parse().map_or(Claimed::Nobody, Claimed::Own),
        }
    }

    /// Devices came or went: the other offices hear where their users are.
    pub(super) fn note_roaming(&mut self, changes: &[Changed], now: Now) {
        if self.federation.is_none() {
            return;
        }
        for changed in changes {
            let extension = &changed.extension;
            let Some(aor) = self.aor_of(extension) else { continue };
            let is_registered = self.registrar.is_registered(extension);
            let Some(federation) = &mut self.federation else { return };
            let outcome = match changed.what {
                What::Registered | What::Refreshed | What::Replaced => {
                    let says = changed.signs_in || !federation.roaming.is_signed_in(&aor);
                    if says { federation.roaming.sign_in(&aor, now.wall) } else { Ok(()) }
                }
                What::FlowLost => Ok(()),
                What::Unregistered | What::Expired | What::CredentialsChanged if is_registered => Ok(()),
                What::Unregistered | What::Expired | What::CredentialsChanged => {
                    self.registrar.tidy_visitor(extension);
                    federation.roaming.sign_out(&aor, now.wall)
                }
            };
            if let Err(refusal) = outcome {
                self.refused("roaming", refusal.as_str());
            }
        }
        self.roaming_effects();
    }

    /// What was on flash is back: from here on extensions roam.
    fn begin_roaming(&mut self, now: Now, entries: &[(RoamingEntry, Second)]) {
        let Ok(own) = self.settings.office.parse() else { return self.refused("roaming", "bad-office") };
        let key = [self.random.next_u64(), self.random.next_u64()];
        let mut roaming = Roaming::new(own, RoamingSettings::default(), key);
        for (entry, heard) in entries {
            if let Err(refusal) = roaming.restore(entry, *heard) {
                self.refused("roaming", refusal.as_str());
            }
        }
        let is_here = |entry: &RoamingEntry| entry.version.office == own && entry.presence == Presence::Here;
        let changes = self.registrar.adopt(now, |extension| {
            let aor = roaming.find(extension).filter(|aor| aor.home != own)?;
            roaming.known(&aor).filter(|(entry, _)| is_here(entry)).map(|_| aor)
        });
        self.federation = Some(Federation {
            roaming,
            keyring: None,
            issuer: Issuer::default(),
            fetching: HashMap::new(),
            last_fetch: 0,
            tick: now.instant + TICK,
            issues_from: None,
        });
        let present: Vec<_> = self
            .registrar
            .present()
            .into_iter()
            .filter_map(|(extension, since)| Some((self.aor_of(&extension)?, since)))
            .collect();
        if let Some(federation) = &mut self.federation {
            for (aor, since) in present {
                federation.roaming.resume(&aor, since);
            }
            federation.roaming.settle(now.wall);
        }
        self.note_registrations(&changes, now);
    }

    fn entry_heard(&mut self, now: Now, entry: &RoamingEntry) {
        let Some(federation) = &mut self.federation else { return };
        let was_here = federation.roaming.is_signed_in(&entry.aor);
        match federation.roaming.merge(entry, now.wall) {
            Merged::New | Merged::Newer { .. } => {
                let own = federation.roaming.own();
                let is_elsewhere = entry.presence == Presence::Here && entry.version.office != own;
                let is_still_ours = federation.roaming.own_entry_of(&entry.aor);
                if is_elsewhere && !is_still_ours && (was_here || entry.aor.home == own) {
                    self.observe_roaming("moved-away", entry);
                }
            }
            Merged::Same | Merged::Older => {}
            Merged::Refused(refusal) => self.refused("roaming", refusal.as_str()),
        }
    }

    fn observe_roaming(&mut self, change: &'static str, entry: &RoamingEntry) {
        let (extension, office) = (entry.aor.extension.to_string(), entry.version.office);
        self.out.push_back(Output::Observe(Observation::Roaming { change, extension, office }));
    }

    /// A new session with a broker, which may not have what we said.
    fn say_again(&mut self, now: Now) {
        let Some(federation) = &mut self.federation else { return };
        federation.roaming.confirm(now.wall);
        let settled = now.instant + SETTLING;
        federation.issues_from = Some(settled);
        federation.tick = federation.tick.min(settled);
        let own: Vec<_> = federation.roaming.own_entries().collect();
        self.out.extend(own.into_iter().map(|entry| Output::Publish(Publication::Entry(entry))));
    }

    fn roaming_effects(&mut self) {
        let Some(federation) = &mut self.federation else { return };
        let mut said = Vec::new();
        while let Some(change) = federation.roaming.poll_change() {
            self.out.push_back(Output::PersistRoaming(RoamingWrite::Change(change)));
        }
        while let Some(entry) = federation.roaming.poll_publication() {
            said.push(entry);
        }
        for entry in said {
            let change = if entry.presence == Presence::Here { "here" } else { "gone" };
            self.observe_roaming(change, &entry);
            self.out.push_back(Output::Publish(Publication::Entry(entry)));
        }
    }

    /// The home office says who may sign in.
    fn record_heard(&mut self, now: Now, record: SealedVerifier) {
        let Some(standing) = self.open(now, &record) else { return };
        let own = self.roaming().map(Roaming::own);
        let Some(federation) = &mut self.federation else { return };
        if Some(record.aor.home) == own {
            return federation.issuer.note(&record, &standing);
        }
        federation.roaming.note_country(&record.aor);
        let extension = record.aor.extension.clone();
        let changes = match standing {
            Standing::Good(verifier) if self.registrar.visitor(&extension) == Some(&record.aor) => {
                self.registrar.admit_visitor(record.aor.clone(), *verifier)
            }
            Standing::Good(_) => Vec::new(),
            Standing::Revoked => self.registrar.expel_visitor(&extension),
        };
        self.out.push_back(Output::PersistRoaming(RoamingWrite::Verifier(Box::new(record))));
        self.note_registrations(&changes, now);
    }

    pub(super) fn open(&mut self, now: Now, record: &SealedVerifier) -> Option<Standing> {
        let federation = self.federation.as_ref()?;
        let keyring = federation.keyring.as_ref()?;
        match record.open(keyring, now.wall, federation.roaming.settings().skew) {
            Ok(standing) => Some(standing),
            Err(unopened) => {
                self.refused("roaming", unopened.as_str());
                None
            }
        }
    }

    /// Seals and publishes what the other offices need to verify our users.
    fn issue_records(&mut self, now: Now) {
        let mut wanted: Vec<_> = self
            .registrar
            .accounts()
            .iter()
            .filter_map(|account| {
                let verifier = Verifier {
                    realm: self.registrar.realm().to_owned(),
                    username: account.extension.to_string(),
                    display_name: account.display_name.clone(),
                    keys: account.keys.clone(),
                };
                Some((self.aor_of(&account.extension)?, Standing::Good(Box::new(verifier))))
            })
            .collect();
        wanted.sort_by(|(one, _), (other, _)| one.cmp(other));
        let Some(federation) = &mut self.federation else { return };
        let Some(keyring) = &federation.keyring else { return };
        let mut too_long = 0;
        for one in federation.issuer.due(wanted, keyring, now.wall) {
            let mut nonce = [0; 12];
            self.random.fill_bytes(&mut nonce);
            let about = (one.generation, one.not_after);
            match SealedVerifier::seal(&one.aor, &one.standing, about, keyring.sealing(), nonce) {
                Ok(record) => {
                    federation.issuer.note(&record, &one.standing);
                    self.out.push_back(Output::Publish(Publication::Verifier(Box::new(record))));
                }
                Err(_) => too_long += 1,
            }
        }
        for _ in 0..too_long {
            self.refused("roaming", "name-too-long");
        }
    }
}
