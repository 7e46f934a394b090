//! Route sets: from the broker to the engine, and back again if they do harm.
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | any | a set comes that is refused | condition `routes-refused`; report `refused`, part and reason | the same |
//! | any | a good set comes | to flash, then to the engine; report `applied` | on probation |
//! | any | the set in force comes again | report `applied` again | the same |
//! | on probation | all well until its end | to flash; report `applied` without a probation | confirmed |
//! | on probation | health falls | the last confirmed set: to flash, to the engine; condition `routes-rolled-back`; report `rolled-back` | confirmed |
//! | on probation | a good set comes | as above; the last confirmed set stays the one to go back to | on probation |
//! | on probation | the daemon is started for the [`MOST_STARTS`]th time | as if health had fallen | confirmed |
//!
//! The set in force is read from flash and verified again before the daemon is ready.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::documents;
use super::events::EventDesk;
use super::ground::SharedGround;
use super::last_good::{Kept, KeptSet, LastGood, RolledBack, Trial};
use crate::engine::routing::RouteTable;
use crate::observe::Condition;
use crate::shell::clock;
use crate::shell::engine_task::Order;
use crate::uplink::probation::{Fall, Probation, Verdict};
use crate::uplink::route_set::{self, Acceptance, Accepted, RejectReason, Rejection, RouteSet};
use crate::uplink::{
    Because, Digest, Document, Moment, OfficeId, Outcome, Reported, SetName, Topic, TrustedKeys, Unknown, V1,
};

/// Starts of the daemon during one probation after which its set gives way: a crash at the first use of a set is such a start.
pub(super) const MOST_STARTS: u32 = 3;

/// The sets on flash, as they were found at start.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: LastGood,
    pub(super) trusted: Arc<TrustedKeys>,
    pub(super) kept: Kept,
    /// What is in force.
    pub(super) table: Option<Arc<RouteTable>>,
    /// What was wrong with what was found.
    pub(super) flaw: Option<String>,
}

impl Found {
    /// Reads, verifies and checks. A set that the daemon did not survive gives way to the one before it. Blocks.
    pub(super) fn read(file: LastGood, trusted: TrustedKeys, office: OfficeId) -> Self {
        let trusted = Arc::new(trusted);
        let (mut kept, mut flaw) = match file.read() {
            Ok(kept) => (kept, None),
            Err(error) => (Kept::default(), Some(format!("the kept route set cannot be read: {error}"))),
        };
        if let Some(trial) = &mut kept.trial {
            trial.starts = trial.starts.saturating_add(1);
            if trial.starts >= MOST_STARTS && kept.previous.is_some() {
                let fall = Fall::Restarts(trial.starts);
                roll_back(&mut kept, fall);
            }
            if let Err(error) = file.write(&kept) {
                flaw = Some(format!("the route set cannot be kept: {error}"));
            }
        }
        let mut table = None;
        for set in [kept.current.take(), kept.previous.clone()].into_iter().flatten() {
            match revive(&set, &trusted, office) {
                Ok(good) => {
                    kept.watermark.in_force = Some(set.digest);
                    kept.current = Some(set);
                    table = Some(Arc::new(good));
                    break;
                }
                Err(error) => flaw = Some(format!("the kept route set {}: {error}", set.digest)),
            }
        }
        Self { file, trusted, kept, table, flaw }
    }
}

/// The desk at which sets are taken in.
pub(super) struct Routes {
    ground: SharedGround,
    desk: EventDesk,
    orders: mpsc::Sender<Order>,
    file: LastGood,
    trusted: Arc<TrustedKeys>,
    kept: Kept,
    table: Option<Arc<RouteTable>>,
    probation: Option<Probation>,
    /// What was refused last, so that a retained message which comes with every session is told once.
    refused: Option<(RejectReason, SetName)>,
}

impl Routes {
    /// Goes on with what was found on flash, and reports it.
    pub(super) fn new(
        ground: SharedGround,
        desk: EventDesk,
        orders: mpsc::Sender<Order>,
        found: Found,
    ) -> Self {
        let Found { file, trusted, kept, table, flaw } = found;
        let probation = kept.trial.map(|trial| Probation::new(trial.before, Instant::now(), trial.length()));
        let routes = Self { ground, desk, orders, file, trusted, kept, table, probation, refused: None };
        if let Some(flaw) = flaw {
            error!(reason = Condition::RoutesRefused.as_str(), "{flaw}");
            routes.ground.health.raise(Condition::RoutesRefused, flaw);
        }
        if let Some(rolled_back) = &routes.kept.rolled_back {
            routes.ground.health.raise(Condition::RoutesRolledBack, &rolled_back.because.words);
        }
        routes.report_standing();
        routes
    }

    /// A set came.
    pub(super) async fn pushed(&mut self, payload: bytes::Bytes) {
        if payload.is_empty() {
            // Ops cleared the topic; what is in force stays.
            return;
        }
        let (trusted, watermark) = (Arc::clone(&self.trusted), self.kept.watermark.clone());
        let office = self.ground.office;
        // A large set takes longer than the runtime's one thread may stand still.
        let judged = tokio::task::spawn_blocking(move || {
            let acceptance =
                Acceptance { office, trusted: &trusted, watermark: &watermark, now: clock::wall() };
            route_set::receive(&payload, &acceptance)
        });
        match judged.await {
            Ok(Ok(Accepted::New { set, table, digest, probation })) => {
                self.apply(&set, Arc::new(*table), digest, probation).await;
            }
            Ok(Ok(Accepted::InForce)) => {
                self.refused = None;
                self.ground.health.clear(Condition::RoutesRefused);
                self.report_standing();
            }
            Ok(Err(rejection)) => self.refuse(&rejection),
            Err(error) => error!(reason = "route-check", "a route set could not be checked: {error}"),
        }
    }

    /// A second has passed.
    pub(super) async fn look(&mut self) {
        let is_old = |table: &Arc<RouteTable>| table.not_after().is_some_and(|end| end < clock::wall());
        if self.table.as_ref().is_some_and(is_old) {
            if !self.ground.health.is_raised(Condition::RoutesStale) {
                self.ground
                    .health
                    .raise(Condition::RoutesStale, "the route set in force is past its not-after");
            }
        } else {
            self.ground.health.clear(Condition::RoutesStale);
        }
        let Some(probation) = &mut self.probation else { return };
        match probation.look(Instant::now(), &self.ground.links.vitals()) {
            Verdict::Wait => {}
            Verdict::RollBack(fall) if self.kept.previous.is_some() => self.roll_back(fall).await,
            // Without a set before it there is nothing better to go back to.
            Verdict::RollBack(_) | Verdict::Confirmed => self.confirm().await,
        }
    }

    async fn apply(&mut self, set: &RouteSet, table: Arc<RouteTable>, digest: Digest, length: Duration) {
        let former = self.kept.trial;
        let before = former.map_or_else(|| self.ground.links.vitals(), |trial| trial.before);
        let mut kept = self.kept.clone();
        if former.is_none() {
            kept.previous = kept.current.take();
        }
        kept.current = Some(KeptSet::new(set, digest));
        kept.watermark.applied(set.revision(), digest);
        let length_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        kept.trial = (!length.is_zero()).then_some(Trial { before, length_ms, starts: 0 });
        kept.rolled_back = None;
        let asked = SetName { revision: Some(set.revision()), digest: Some(digest) };
        if let Err(error) = self.keep(kept).await {
            self.not_kept(asked, &error);
            return;
        }
        self.put_in_force(Some(table)).await;
        self.probation = self.kept.trial.map(|_| Probation::new(before, Instant::now(), length));
        self.refused = None;
        self.ground.health.clear(Condition::RoutesRefused);
        self.ground.health.clear(Condition::RoutesRolledBack);
        info!(revision = %set.revision(), %digest, "a route set is in force");
        self.tell("applied", &asked, None);
        self.report_standing();
    }

    async fn confirm(&mut self) {
        self.probation = None;
        let kept = Kept { trial: None, ..self.kept.clone() };
        if let Err(error) = self.keep(kept).await {
            // It stays in force; after a restart its probation begins anew.
            warn!(reason = "routes-not-kept", "the end of the probation is not on flash: {error}");
        }
        info!("the route set has passed its probation");
        self.tell("confirmed", &self.in_force().unwrap_or_else(nameless), None);
        self.report_standing();
    }

    async fn roll_back(&mut self, fall: Fall) {
        self.probation = None;
        let asked = self.in_force().unwrap_or_else(nameless);
        let mut kept = self.kept.clone();
        roll_back(&mut kept, fall);
        let (trusted, office, set) = (Arc::clone(&self.trusted), self.ground.office, kept.current.clone());
        let revived = tokio::task::spawn_blocking(move || {
            set.ok_or_else(|| "there is none".to_owned()).and_then(|set| revive(&set, &trusted, office))
        });
        let table = match revived.await.map_err(|error| error.to_string()).and_then(|revived| revived) {
            Ok(table) => Some(Arc::new(table)),
            Err(error) => {
                error!(reason = "routes-lost", "the former route set cannot be used: {error}");
                None
            }
        };
        if let Err(error) = self.keep(kept.clone()).await {
            warn!(reason = "routes-not-kept", "the roll-back is not on flash: {error}");
            self.kept = kept;
        }
        self.put_in_force(table).await;
        warn!(reason = fall.as_str(), "the route set is rolled back: {}", fall.words());
        self.ground.health.raise(Condition::RoutesRolledBack, fall.words());
        self.tell("rolled-back", &asked, Some(&because(fall)));
        self.report_standing();
    }

    fn refuse(&mut self, rejection: &Rejection) {
        let gave_way = self.kept.rolled_back.as_ref().is_some_and(|former| {
            former.asked.digest.is_some() && former.asked.digest == rejection.asked.digest
        });
        if gave_way {
            // The retained message that was rolled back comes again with every session: it is told what became of it.
            self.report_standing();
            return;
        }
        let because = rejection.because();
        let named = (rejection.reason, rejection.asked.clone());
        if self.refused.as_ref() != Some(&named) {
            warn!(
                reason = rejection.reason.as_str(),
                part = because.part,
                "a route set is refused: {}",
                because.words
            );
            self.ground.health.raise(Condition::RoutesRefused, rejection.to_string());
            self.tell("refused", &rejection.asked, Some(&because));
            self.refused = Some(named);
        }
        self.report(Outcome::Refused, Some(rejection.asked.clone()), Some(because));
    }

    fn not_kept(&self, asked: SetName, error: &io::Error) {
        let words = format!("it cannot be kept on flash: {error}");
        error!(reason = "routes-not-kept", "a route set is refused: {words}");
        self.ground.health.raise(Condition::RoutesRefused, &words);
        let because = Because { reason: "not-kept".to_owned(), part: String::new(), words };
        self.tell("refused", &asked, Some(&because));
        self.report(Outcome::Refused, Some(asked), Some(because));
    }

    /// Writes `kept` to flash; only then is it what we keep.
    async fn keep(&mut self, kept: Kept) -> io::Result<()> {
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || file.write(&kept).map(|()| kept)).await;
        self.kept = written.map_err(io::Error::other)??;
        Ok(())
    }

    async fn put_in_force(&mut self, table: Option<Arc<RouteTable>>) {
        self.table.clone_from(&table);
        if let Some(table) = table
            && self.orders.send(Order::Routes(table)).await.is_err()
        {
            error!(reason = "engine-gone", "the engine's task has ended");
        }
    }

    fn in_force(&self) -> Option<SetName> {
        let revision = self.table.as_ref()?.revision();
        let digest = self.kept.current.as_ref().map(|set| set.digest);
        Some(SetName { revision: Some(revision), digest })
    }

    /// Reports what is in force, and how it came to be so.
    fn report_standing(&self) {
        match (&self.kept.rolled_back, self.in_force()) {
            (Some(former), _) => {
                self.report(Outcome::RolledBack, Some(former.asked.clone()), Some(former.because.clone()));
            }
            (None, Some(in_force)) => self.report(Outcome::Applied, Some(in_force), None),
            (None, None) => self.report(Outcome::None, None, None),
        }
    }

    fn report(&self, outcome: Outcome, asked: Option<SetName>, because: Option<Because>) {
        let end = |probation: &Probation| Moment(clock::wall().plus(probation.left(Instant::now())));
        let reported = Reported {
            v: V1,
            office: self.ground.office,
            boot: self.ground.boot.clone(),
            at: documents::now(),
            outcome,
            in_force: self.in_force(),
            asked,
            probation_until: self.probation.as_ref().map(end),
            because,
            unknown: Unknown::new(),
        };
        self.ground.retained.set(Topic::RoutesReported(self.ground.office), reported.write());
    }

    fn tell(&self, outcome: &str, set: &SetName, because: Option<&Because>) {
        self.desk.audit("routes", outcome, json!({ "set": set, "because": because }));
    }
}

/// The set of this document, verified and checked anew.
fn revive(kept: &KeptSet, trusted: &TrustedKeys, office: OfficeId) -> Result<RouteTable, String> {
    let set = RouteSet::read(kept.document.as_bytes()).map_err(|error| error.to_string())?;
    set.verify(trusted).map_err(|flaw| flaw.to_string())?;
    if set.office() != office {
        return Err(format!("it is for {}", set.office()));
    }
    route_set::check(&set).map(|(table, _)| table).map_err(|error| error.to_string())
}

/// The current set gives way to the one before it.
fn roll_back(kept: &mut Kept, fall: Fall) {
    let fallen = kept.current.take();
    kept.current = kept.previous.take();
    kept.trial = None;
    kept.watermark.rolled_back(kept.current.as_ref().map(|set| set.digest));
    let highest =
        kept.watermark.highest.filter(|(_, digest)| fallen.as_ref().is_some_and(|set| set.digest == *digest));
    let asked =
        SetName { revision: highest.map(|(revision, _)| revision), digest: fallen.map(|set| set.digest) };
    kept.rolled_back = Some(RolledBack { asked, because: because(fall) });
}

fn because(fall: Fall) -> Because {
    Because { reason: fall.as_str().to_owned(), part: String::new(), words: fall.words() }
}

const fn nameless() -> SetName {
    SetName { revision: None, digest: None }
}
